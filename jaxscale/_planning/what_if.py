"""What if: a plan made again with some of its assumptions changed, beside the old one and what derivatives foretold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.files import WHAT_IF_FORMAT, Saved
from jaxscale._base.pictured import Pictured
from jaxscale._base.progress import listening
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, inert, listed
from jaxscale._base.validation import Progress
from jaxscale._planning.changes import limits_text, rebuilt, with_limits, with_value
from jaxscale._planning.foretold import first_order_moves, number_or_dash
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import QUANTITIES, PlanRow
from jaxscale._planning.sensitivity import called
from jaxscale.costs import CostModel

_UNSET = object()


@dataclass(frozen=True, repr=False)
class WhatIf(Reporting, Pictured, Saved):
    """A plan before and after a change, row by row.

    first_order: for each row, what the derivatives of the old plan foretell for N, D, tokens_per_param, loss and cost;
    empty where the change is none of a number the old plan rests on (another law or cost model, say).
    """

    _format = WHAT_IF_FORMAT

    before: Plan
    after: Plan
    changes: Mapping[str, str] = field(hash=False)
    first_order: tuple[Mapping[str, float], ...] = field(hash=False)

    @property
    def rows(self) -> tuple[tuple[PlanRow, PlanRow], ...]:
        """(old, new) for each budget."""
        return tuple(zip(self.before.rows, self.after.rows, strict=True))

    @property
    def quantities(self) -> tuple[str, ...]:
        """What is compared: N, D, D/N, the response and the cost, then what else either plan decides."""
        return (*QUANTITIES, "cost", *dict.fromkeys((*self.before.others, *self.after.others)))

    def to_frame(self) -> pd.DataFrame:
        """One row for each budget and quantity: before, after, difference, and the difference to first order."""
        table = []
        for (old, new), foretold in zip(self.rows, self.first_order, strict=True):
            for name in self.quantities:
                a, b = old.of(name), new.of(name)
                table.append(
                    {
                        "budget": old.budget,
                        "quantity": name,
                        "before": a,
                        "after": b,
                        "difference": b - a,
                        "first_order": foretold.get(name, math.nan) - a,
                        "status": new.status,
                    }
                )
        return pd.DataFrame(table)

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the format jaxscale.what_if/1."""
        before, after = self.before.to_dict()["rows"], self.after.to_dict()["rows"]
        names = self.quantities
        rows = []
        for (old, new), a, b, foretold in zip(self.rows, before, after, self.first_order, strict=True):
            rows.append(
                {
                    "before": a,
                    "after": b,
                    "difference": {n: new.of(n) - old.of(n) for n in names},
                    "first_order": {n: foretold.get(n, math.nan) - old.of(n) for n in names},
                }
            )
        response = self.after.response.to_dict()
        return self._document({"response": response, "changes": dict(self.changes), "rows": rows})

    def report(self) -> Report:
        """Old, new and difference for every row, as text."""
        shown = {name: called(name, self.after.response) for name in self.quantities}
        cells = []
        for (old, new), foretold in zip(self.rows, self.first_order, strict=True):
            for name, title in shown.items():
                numbers = (old.of(name), new.of(name), foretold.get(name, math.nan))
                a, b, c = (self.after.shown(name, x) for x in numbers)
                moves = (number_or_dash(0.0 if math.isclose(x, a, rel_tol=1e-12) else x - a) for x in (b, c))
                target = format_number(self.before.shown_target(old))
                cells.append((target, title, number_or_dash(a), number_or_dash(b), *moves, new.status))
        header = (self.before.target, "of", "before", "after", "difference", "to first order", "status")
        changes = tuple(f"{inert(name)}: {inert(text)}" for name, text in self.changes.items())
        notes = tuple(
            f"{format_number(self.before.shown_target(old))}: {new.remark}" for old, new in self.rows if new.note
        )
        notes += (self.after.response.said(),) if self.after.response.converted else ()
        blocks = [Lines("Changed", changes), Table("", header, tuple(cells)), *([Lines("", notes)] if notes else [])]
        return Report(f"what if · {self.before.label}", self.after.summary or None, tuple(blocks))

    def __repr__(self) -> str:
        return f"<WhatIf {self.before.label}, changed {listed(list(self.changes))}: {self.after!r}>"


def what_if(
    plan: Plan,
    *,
    source: Any = _UNSET,
    budgets: Any = _UNSET,
    reach_loss: Any = _UNSET,
    cost: CostModel | str | None = None,
    limits: Any = _UNSET,
    set: Mapping[str, Any] | None = None,
    progress: Progress | bool | None = None,
) -> WhatIf:
    """The plan with some assumptions changed, every row optimised again.

    Args:
        plan: made by `frontier`.
        source: another fit, draws or instance.
        budgets, reach_loss: other targets, as many as the plan has rows.
        cost: another cost model.
        limits: limits that come in, or take the place of those of the same name; None for a name takes one away,
            and limits=None takes all away.
        set: new values by name, of a parameter of the law, a limit, a price, a demand, or of every budget (response)
            to reach. A number is the value itself, "+1sigma" moves a parameter by standard errors, those behind the
            plan's intervals (of its log, for those fitted in logs, and of its log odds, for shares), "x1.1" multiplies.
            "+1" is so much more, "-1" so much less of what is positive (of a parameter that may be negative, the
            value). A budget may be in words, see `costs.budget`: "+512 x H100 x 1 week".
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: the plan rests on nothing of that name, or a change cannot be read.
    """
    request = plan.request
    if request is None:
        raise InputError("this plan was not made by frontier, so it cannot be made again")
    changes: dict[str, str] = {}
    if source is not _UNSET:
        request = rebuilt(request, source=source)
        changes["source"] = request.source.label
    if cost is not None:
        model = costs.as_cost(cost)
        request = rebuilt(request, cost=model)
        changes["cost"] = model.name
    if limits is not _UNSET:
        request = with_limits(request, limits)
        changes["limits"] = limits_text(limits)
    for name, given in (("budgets", budgets), ("reach_loss", reach_loss)):
        if given is not _UNSET:
            request = rebuilt(request, **{name: given})
            if len(request.targets) != len(plan.rows):
                raise InputError(f"the plan has {len(plan.rows)} rows; give as many {name}, or make a new plan")
            told = (request.source.response.to_given(t) if name == "reach_loss" else t for t in request.targets)
            changes[name] = ", ".join(map(format_number, told))
    if set:
        if not isinstance(set, Mapping):
            raise InputError('set takes names and values, as in set={"beta": "+1sigma"}')
        for name, value in set.items():
            request = with_value(plan, request, str(name), value)
        changes |= {str(name): str(value) for name, value in set.items()}
    if not changes:
        raise InputError(
            'nothing was changed; give cost, limits, budgets, source or set={"beta": "+1sigma"} (--set beta=+1sigma)'
        )
    with listening(progress, "planning"):
        after = make_plan(request)
    structural = cost is not None or (source is not _UNSET and request.source.law is not plan.law)
    return WhatIf(plan, after, changes, first_order_moves(plan, after, structural))
