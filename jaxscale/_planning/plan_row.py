"""One row of a plan: the decision for one budget, its certificate, prices and slopes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxscale.laws import Law
from jaxscale.laws._parameters import log_spent

QUANTITIES = ("N", "D", "tokens_per_param", "loss")
Status = Literal["ok", "infeasible", "flat", "failed"]


@dataclass(frozen=True)
class Price:
    """What one more unit of something changes; negative where it lowers the loss or the cost."""

    value: float
    unit: str


@dataclass(frozen=True)
class PlanRow:
    """The best decision for one budget or one loss to reach; numbers are nan where there is none, and `note` says why.

    variables: every variable of the plan, epochs too where data is repeated. binding: the limits that bind. conflict: a
    smallest set of limits that contradict each other. intervals: (low, high) by quantity, empty where there are none.
    sensitivities: by quantity and assumption, see `Plan.sensitivity`; one_sided: the same where a limit is just
    touched, for those assumptions whose two sides differ, as (as it falls, as it rises). certificate: kkt is what is
    left of the optimality conditions, violation that of the limits; agreement the share of starts that found this
    optimum (and of valleys of a scan, where a law is not convex), `global` whether convexity says that no other is
    better; in a corner of the law kkt is what a mean of the slopes around it leaves. regret: mean extra loss, and extra
    compute equal to it, of following this row if another draw is the truth. decades_beyond_data: how far N or D exceeds
    the largest run, in powers of ten; None if not known. times_largest_run: what it spends on training, 6 N D (or the
    one variable of the law), over the most that a run spent; None if not known. drift: by N and D, derivatives of each
    quantity as in `sensitivities` in a drift of the runs' responses (of the log of positive ones) per decade of it; in
    a plan over a doubt those of the plan at the point estimate.
    """

    budget: float
    status: Status
    N: float
    D: float
    loss: float
    tokens_per_param: float
    cost: float
    variables: Mapping[str, float] = field(default_factory=dict, hash=False)
    conflict: tuple[str, ...] = ()
    binding: tuple[str, ...] = ()
    shadow_price: Mapping[str, Price] = field(default_factory=dict, hash=False)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    sensitivities: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    one_sided: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict, hash=False)
    certificate: Mapping[str, Any] = field(default_factory=dict, hash=False)
    regret: Mapping[str, float] = field(default_factory=dict, hash=False)
    decades_beyond_data: float | None = None
    times_largest_run: float | None = None
    drift: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    reach_loss: float | None = None
    note: str = ""

    def of(self, quantity: str) -> float:
        """A quantity by its name: N, D, tokens_per_param, loss, cost, or a variable of the plan; nan where there is
        none."""
        if quantity in self.__dataclass_fields__:
            return float(getattr(self, quantity))
        return float(self.variables.get(quantity, math.nan))

    @property
    def target(self) -> float:
        """What was asked for: the loss to reach, or else the budget."""
        return self.budget if self.reach_loss is None else self.reach_loss

    @property
    def remark(self) -> str:
        """The note, with the limits that contradict each other."""
        return self.note if self.conflict in ((), ("reach_loss",)) else f"{self.note}: {', '.join(self.conflict)}"


@dataclass(frozen=True)
class BesidePoint:
    """A row that hedges, beside the one at the point estimate. Shares are of the budget, wasted by deciding so.

    point: the row at the point estimate. saves: what the hedge saves by what it minimises, over the doubt. costs: what
    it wastes if the point estimate is right. regret, point_regret: mean over the doubt, of the hedge and of the
    point's; high, point_high: the quantile at the plan's level. gap: by how much the mean of the worst regrets may lie
    above the least there is, 0 where a mean over all is minimised.
    """

    point: PlanRow
    saves: float
    costs: float
    regret: float
    point_regret: float
    high: float
    point_high: float
    gap: float = 0.0


def log_spent_by(law: Law, variables: Mapping[str, float]) -> float | None:
    """`log_spent` of a run with these variables."""
    return log_spent({v.name: math.log(variables[v.name]) for v in law.variables if v.logged and v.name in variables})
