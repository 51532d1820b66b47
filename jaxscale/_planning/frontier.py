"""The verb `frontier`: what is asked, checked, and the plan of it."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._allocation.decide import shares_apart
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening
from jaxscale._base.text import parse_number, quoted
from jaxscale._base.validation import Progress
from jaxscale._planning.doubt import doubt_of
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.request import Request
from jaxscale._planning.source import Source, source_of
from jaxscale.costs import CostModel, check_positive
from jaxscale.laws import Law
from jaxscale.limits import read_limits


def frontier(
    source: Any,
    budgets: float | str | Iterable[float | str] | None = None,
    *,
    cost: CostModel | str = costs.six_nd,
    limits: Any = None,
    reach_loss: float | str | Iterable[float | str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    level: float | None = None,
    under: Any = None,
    weights: Any = None,
    minimise: str = "expected",
    progress: Progress | bool | None = None,
) -> Plan:
    """The best decision for each budget, or of least cost to reach each loss, with intervals where possible.

    The best response is the lowest, or the highest where the law says that higher is better (an accuracy).

    Args:
        source: a fit, draws, a law with published constants or with some of one's own (`Law.at`), or anything with
            their attributes `law` and `params`, and perhaps `covariance` or `draws`.
        budgets: one or many, in the unit of `cost`; text such as "5.76e23" or "512 x H100 x 45 days @ 40%" is read,
            see `costs.budget`.
        cost: cost model, or the name of one, such as "dollars:h100,mfu=.4,price=2", see `costs.get`; "table" is the
            compute of the runs behind a fit, see `costs.from_runs`. To reach a response by a law of one variable it is
            that variable, if nothing is said.
        limits: a mapping such as {"N_max": 70e9, "U": 5e12}, Limits, or a list of both; see `jaxscale.limits`.
        reach_loss: one or many responses to reach at least cost, instead of budgets: at most a loss or an error, at
            least an accuracy. In the law's unit: `result.response.to_law(0.8)` is that of .8 in the unit the losses
            were given in.
        fixed: variables held at a value, {"N": 8e9}; a mixture as a whole, {"h": (.5, .3, .2)}.
        level: of the intervals; the source's own if not given. Intervals come from draws as percentiles, each draw
            planned for itself, else from the covariance by the delta method on the logs; failing both there are none.
        under: plan over a doubt, not at the point estimate: "laws", the fit's own, Chinchilla's, Skaling and Kaplan's
            L(N, D), each fitted to the smaller runs and weighed by how it foretells the larger, and each as sure of its
            constants as its fit to all runs is; "draws" of the source (or its covariance), a lesser doubt; a list of
            fits, draws or constants of several laws, with `weights`; or a `Comparison` of laws. See `Plan.beside`. A
            goal that weighs several losses, each with a law of its own (of what a mixture must serve), is planned so
            too.
        weights: of the laws in `under`, numbers or the `Comparison` that tried them: by how they predict runs held out.
        minimise: what is least over the doubt: "expected", the mean loss; "regret", the mean of what is wasted of the
            budget if a draw is the truth; "cvar:0.9", the mean of the worst tenth of that: it takes draws, which laws
            that are tried on the runs get by `bootstrap`, as many as the source has, or 1,000.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: the source cannot be planned with, or a budget, a limit, the level or the cost is not one.
    """
    with listening(progress, "planning"):
        return make_plan(
            request_of(
                source,
                budgets,
                cost=cost,
                limits=limits,
                reach_loss=reach_loss,
                fixed=fixed,
                level=level,
                under=under,
                weights=weights,
                minimise=minimise,
            )
        )


def request_of(
    source: Any,
    budgets: Any = None,
    *,
    cost: CostModel | str = costs.six_nd,
    limits: Any = None,
    reach_loss: Any = None,
    fixed: Mapping[str, Any] | None = None,
    level: float | None = None,
    assumed: Mapping[str, float] | None = None,
    under: Any = None,
    weights: Any = None,
    minimise: str = "expected",
) -> Request:
    """The arguments of `frontier`, read and checked."""
    read = source_of(source)
    cost = _table_cost(read) if isinstance(cost, str) and cost == "table" else costs.as_cost(cost)
    if reach_loss is not None and cost is costs.six_nd:
        cost = cost_of_one_variable(read.law, fixed or {}) or cost
    if (budgets is None) == (reach_loss is None):
        raise InputError("give budgets or reach_loss, one of the two")
    kept, unique = read_limits(limits)
    positive = {name for v in read.law.variables for name in ((v.name,) if v.logged else v.parts)}
    apart = shares_apart(read.law, fixed or {})
    held = {k: check_positive("fixed", k, v) if k in positive else _finite(k, v) for k, v in apart.items()}
    goal = "loss" if reach_loss is None else "cost"
    response = read.law.response
    targets = (
        _read_numbers(budgets, "budget", read=partial(costs.budget, cost=cost))
        if goal == "loss"
        else _read_numbers(reach_loss, f"{read.response.name} to reach", positive=response.domain != "real")
    )
    if under is None and (weights is not None or minimise != "expected"):
        raise InputError(
            'weights and minimise are of a plan over a doubt: give under="laws" or "draws" (--under laws), or '
            "fits of several laws"
        )
    if under is not None and goal == "cost":
        raise InputError("a plan under doubt is made for budgets; give budgets instead of a loss to reach")
    doubt = None if under is None else doubt_of(read, under, weights, minimise)
    return Request(read, tuple(targets), goal, cost, kept, unique, held, level, dict(assumed or {}), doubt)


def _log_itself(log_x: Any) -> Any:
    return log_x


def cost_of_one_variable(law: Law, fixed: Mapping[str, Any]) -> CostModel | None:
    """The one variable of a law that is free, as what is to be spent least of; None for laws of sizes and tokens."""
    free = [v for v in law.variables if v.logged and v.name not in fixed]
    if len(free) != 1 or {"N", "D"} <= {v.name for v in law.variables}:
        return None
    (one,) = free
    unit = one.unit or one.name
    return CostModel(one.name, _log_itself, unit=unit, meaning=one.meaning, variables=(one.name,), convex=True)


def _table_cost(source: Source) -> CostModel:
    runs = getattr(source.record, "runs", None)
    if runs is None:
        raise InputError(
            f'cost "table" takes the compute of the runs behind a fit, and {quoted(source.label)} brings none; plan '
            "from a fit of the table"
        )
    return costs.from_runs(runs)


def _finite(name: str, value: Any) -> float:
    """A value to hold a variable at that need not be positive."""
    try:
        number = parse_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        raise InputError(f"fixed: {name} is not a number: {quoted(value)}") from None
    if not math.isfinite(number):
        raise InputError(f"fixed: {name} must be finite, got {quoted(value)}")
    return number


def _read_numbers(
    given: Any, what: str, positive: bool = True, read: Callable[[str], float] = parse_number
) -> np.ndarray:
    """Numbers of any accepted form as (n,) finite ones, positive where they must be; `read` is for text."""
    many = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) > 0
    items: list[Any] = list(given) if many else [given]
    if not items:
        raise InputError(
            f"there is no {what}; give at least one, such as budgets=[1e21, 1e24] (--budget 1e21 --budget 1e24)"
        )
    amounts = []
    for position, item in enumerate(items, start=1):
        where = f"{what} {position} of {len(items)}" if len(items) > 1 else f"the {what}"
        try:
            amount = read(item) if isinstance(item, str) else float(item)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{where} is not a number: {quoted(item)}; write it like 5.76e23") from None
        if isinstance(item, bool | np.bool_) or not math.isfinite(amount) or (positive and not amount > 0):
            must = "positive and finite" if positive else "finite"
            raise InputError(f"{where} must be {must}, got {quoted(item)}; write it like 5.76e23")
        amounts.append(amount)
    return np.array(amounts, dtype=np.float64)
