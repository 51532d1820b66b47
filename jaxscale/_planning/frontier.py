"""The verb `frontier`: the best decision for many budgets, with intervals, prices and derivatives."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._allocation.answers import Answers, conflict, solve_many
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion, expand, sides
from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.settings import in_float64
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._base.validation import Progress, check_level
from jaxscale._base.verdict import BEYOND, Verdict
from jaxscale._planning.doubt import Doubt, doubt_of
from jaxscale._planning.plan import UNTRUSTED, Plan, Request, as_move, log_spent_by
from jaxscale._planning.plan_row import BesidePoint, PlanRow, Status
from jaxscale._planning.posed import Posed
from jaxscale._planning.shadow_prices import shadow_prices
from jaxscale._planning.source import Source, source_of
from jaxscale._planning.uncertainty import Uncertainty, uncertainty_of
from jaxscale._planning.under_doubt import Hedged, hedge_plan, weighted_quantile
from jaxscale.costs import CostModel, check_positive
from jaxscale.laws import Law
from jaxscale.limits import read_limits

_STATUS: dict[int, Status] = {OK: "ok", INFEASIBLE: "infeasible", FAILED: "failed", FLAT: "flat"}
# Of language models. What a plan beyond asks for is nonsense: a law in other units, or a budget in them.
MOST_PARAMETERS, FEWEST_TOKENS = 1e15, 1e6
_NO_TOKENS = 1e-300  # served: so few that they cost nothing
_FLAT_CURVATURE = 1e-10  # of the log loss, in logs of the variables; below it rounding moves the optimum by 0.1 %


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
    progress: Progress | None = None,
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
        fixed: variables held at a value, {"N": 8e9}.
        level: of the intervals; the source's own if not given. Intervals come from draws as percentiles, each draw
            planned for itself, else from the covariance by the delta method on the logs; failing both there are none.
        under: plan over a doubt, not at the point estimate: "draws" of the source (or its covariance); a list of fits,
            draws or constants of several laws, with `weights`; or a `Comparison` of laws. See `Plan.beside`.
        weights: of the laws in `under`, numbers or the `Comparison` that tried them: by how they predict runs held out.
        minimise: what is least over the doubt: "expected", the mean loss; "regret", the mean of what is wasted of the
            budget if a draw is the truth; "cvar:0.9", the mean of the worst tenth of that.
        progress: called with (done, total, what) while draws are planned.

    Raises:
        InputError: the source cannot be planned with, or a budget, a limit, the level or the cost is not one.
    """
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
        ),
        progress,
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
    positive = {v.name for v in read.law.variables if v.logged}
    held = {k: check_positive("fixed", k, v) if k in positive else _finite(k, v) for k, v in (fixed or {}).items()}
    goal = "loss" if reach_loss is None else "cost"
    response = read.law.response
    targets = (
        _read_numbers(budgets, "budget", read=partial(costs.budget, cost=cost))
        if goal == "loss"
        else _read_numbers(reach_loss, f"{read.response.name} to reach", positive=response.domain != "real")
    )
    if under is None and (weights is not None or minimise != "expected"):
        raise InputError('weights and minimise are of a plan over a doubt: give under="draws", or fits of several laws')
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


def _other_compute(source: Source, cost: CostModel) -> list[str]:
    """That the runs' own compute is not what is planned with, where it is not."""
    runs = getattr(source.record, "runs", None)
    if runs is None or cost.name != "six_nd" or costs.table_relation(runs) is None:
        return []
    ratios = costs.compute_ratios(runs)
    if ratios is None:
        return []
    times = " to ".join(dict.fromkeys(format_number(x, 3) for x in ratios))
    return [
        f"The compute in the table of runs is {times} times 6 N D, which this plan spends; to plan by the table's own, "
        'say --cost table (cost="table").'
    ]


def make_plan(request: Request, progress: Progress | None = None) -> Plan:
    """The plan that a checked request asks for."""
    source = request.source
    if request.doubt is not None:  # the point estimate's plan is only what the hedge is compared with
        source = replace(source, draws=None, covariance=None, at_noise=(), drifts={})
    chosen = source.level if request.level is None else request.level
    level = 0.9 if chosen is None else check_level(chosen)
    posed = Posed.of(request)
    givens = posed.givens(source.theta)
    answers = solve_many(posed.decision, givens)
    expansions = expand(posed.decision, answers, givens)
    sure = uncertainty_of(source, posed, answers, expansions, level, progress)
    notes = [
        *([] if source.trustworthy else [UNTRUSTED, *_why(source)]),
        *_other_compute(source, request.cost),
        *sure.notes,
    ]
    for second in source.at_noise:
        matched = solve_many(posed.decision, posed.givens(source.law.theta(second.params)))
        notes += _moved(posed.decision, answers, matched, second.way)
    one_sided = _one_sided(posed, expansions, givens, source.theta)
    rows = [
        _row(request, posed, answers, i, expansion, givens[i], sure, sides_of)
        for i, (expansion, sides_of) in enumerate(zip(expansions, one_sided, strict=True))
    ]
    beside: tuple[BesidePoint | None, ...] = ()
    method = sure.method
    if request.doubt is not None:
        rows, beside, told = _under_doubt(replace(request, source=source), request.doubt, posed, answers, rows, level)
        method, notes = "percentiles of the loss over the doubt", [*(n for n in notes if n not in sure.notes), *told]
    notes += _served(request.cost, rows)
    law, values, implicit = source.law, posed.values.natural, posed.values.implicit
    kept_names = {row.main for row in posed.decision.limits if row.main and row.main not in implicit}
    return Plan(
        law=law,
        params={name: float(source.params[name]) for name in law.parameter_names},
        cost=request.cost.name,
        unit=request.cost.unit,
        level=level,
        method=method,
        rows=tuple(rows),
        label=source.label,
        notes=tuple(notes),
        limits={name: float(v) for name, v in values.items() if name in kept_names},
        assumptions={name: float(v) for name, v in values.items() if name not in implicit},
        per={name: _per(law, name) for name in posed.shown},
        request=request,
        response=source.response,
        doubt=request.doubt,
        beside=beside,
    )


def _under_doubt(
    request: Request, doubt: Doubt, posed: Posed, point: Answers, rows: list[PlanRow], level: float
) -> tuple[list[PlanRow], tuple[BesidePoint | None, ...], list[str]]:
    """The rows of the plan that hedges, those of the point estimate beside them, and what to know."""
    chosen = np.flatnonzero(np.isin(point.status, (OK, FLAT)) & np.isfinite(point.x).all(axis=1))
    beside: list[BesidePoint | None] = [None] * len(rows)
    if not chosen.size:
        return rows, tuple(beside), []
    some = replace(posed, targets=posed.targets[chosen], wanted=posed.wanted[chosen])
    hedged = hedge_plan(request, doubt, some, point[chosen])
    givens = some.givens(request.source.theta)[:, len(posed.decision.law.parameters) :]
    logged, ends = posed.decision.law.response.logged, ((1 - level) / 2, (1 + level) / 2)
    # Prices and slopes are of the mean loss: weights of regrets move with what is given, which is not followed.
    exact, new = doubt.aim == "loss", list(rows)
    for j, i in enumerate(chosen):
        nothing = Uncertainty(None, [{}] * len(chosen), None, [])
        row = _row(request, hedged.posed, hedged.answers, j, hedged.expansions[j], givens[j], nothing, {})
        if row.status not in ("ok", "flat"):
            new[i] = row
            continue
        losses = [weighted_quantile(hedged.losses[j], hedged.weight, end) for end in ends]
        losses = [math.exp(x) for x in losses] if logged else losses
        compared = beside[i] = _beside(hedged, j, rows[i], level)
        wasted = {"compute": compared.regret * row.budget, "compute_high": compared.high * row.budget}
        unknown = {q: dict.fromkeys(slopes, math.nan) for q, slopes in row.sensitivities.items()}
        new[i] = replace(
            row,
            shadow_price=row.shadow_price if exact else {},
            sensitivities=row.sensitivities if exact else unknown,
            intervals={"loss": (losses[0], losses[1])},
            regret={name: x for name, x in wasted.items() if math.isfinite(x)},
        )
    told = [] if exact else ["Prices and sensitivities are known where the mean loss is minimised alone."]
    if hedged.lost > 0:
        told.append(f"{100 * hedged.lost:.2g} % of the draws, by weight, have no best decision and are left out.")
    if doubt.aim == "tail":
        told.append(
            f"The mean of the worst regrets lies within {100 * float(hedged.gap.max()):.2g} % of the budget of the "
            "least there is."
        )
    return new, tuple(beside), told


def _beside(hedged: Hedged, j: int, point: PlanRow, level: float) -> BesidePoint:
    """Target number j of a hedge, beside the plan at the point estimate."""

    def share(log: Any) -> Any:
        return -np.expm1(-log)  # of the budget, wasted

    mine, others = (share(np.maximum(r[j], 0.0)) for r in (hedged.regrets, hedged.at_point))
    return BesidePoint(
        point,
        saves=float(share(hedged.saves[j])),
        costs=float(share(hedged.loses[j])),
        regret=float(mine @ hedged.weight),
        point_regret=float(others @ hedged.weight),
        high=weighted_quantile(mine, hedged.weight, level),
        point_high=weighted_quantile(others, hedged.weight, level),
        gap=float(hedged.gap[j]),
    )


def _row(
    request: Request,
    posed: Posed,
    answers: Answers,
    i: int,
    expansion: Expansion | None,
    given: np.ndarray,
    sure: Uncertainty,
    one_sided: dict[str, dict[str, tuple[float, float]]],
) -> PlanRow:
    """The plan for target number i."""
    decision, target, response = posed.decision, float(posed.targets[i]), posed.decision.law.response
    measure = request.source.response
    status, note = _judge(decision, answers, i, expansion, measure)
    if status in ("ok", "flat") and request.source.of_text and (nonsense := _nonsense(decision, answers.x[i], request)):
        status, note = "failed", nonsense
    blamed = conflict(decision, given, answers.blame[i]) if status == "infeasible" else ()
    if blamed == ("reach_loss",):
        extreme = "high" if (response.better == "higher") != measure.falls else "low"
        note = f"by this law no model reaches {_article(measure.given_name)} {measure.given_name} so {extreme}"
    found = expansion if status in ("ok", "flat") else None
    logs = posed.logs([found])[0]
    natural = {
        q: math.exp(v) if q != "loss" or response.logged else v
        for q, v in zip(posed.quantities, map(float, posed.combine @ logs), strict=True)
    }
    spent = natural.get("cost", math.nan)
    if request.goal == "loss" and found is not None:
        spent = math.exp(logs[-1])
    everything = dict(zip(decision.variables, map(math.exp, logs[:-2]), strict=True)) if found else {}
    variables = {**everything, **request.fixed} if found else {}
    touched = [decision.row_names[j] for j in found.active] if found else []
    return PlanRow(
        budget=target if request.goal == "loss" else spent,
        status=status,
        N=variables.get("N", math.nan),
        D=variables.get("D", math.nan),
        loss=natural["loss"],
        tokens_per_param=natural.get("tokens_per_param", math.nan),
        cost=spent,
        variables=variables,
        conflict=blamed,
        binding=tuple(n for n in touched if answers.multipliers[i, decision.row_names.index(n)] > 1e-9),
        shadow_price={}
        if found is None or status != "ok"
        else shadow_prices(decision, found, logs, given, posed.values.implicit, request),
        intervals={}
        if found is None or sure.ends is None
        else _present(posed.quantities, sure.ends[:, i], response.logged),
        sensitivities=_sensitivities(posed, found, request),
        one_sided=one_sided,
        drift=_drifts(posed, found, request),
        certificate={
            "kkt": float(answers.kkt[i]),
            "violation": float(answers.violation[i]),
            "agreement": float(answers.agreement[i]),
            "global": bool(decision.convex),
        },
        regret=sure.regrets[i] if found else {},
        decades_beyond_data=None
        if found is None
        else _decades_beyond(request.source.ranges or {}, {k: variables[k] for k in ("N", "D") if k in variables}),
        times_largest_run=_times_largest(request.source, variables),
        reach_loss=target if request.goal == "cost" else None,
        note=note,
    )


def _sensitivities(posed: Posed, found: Expansion | None, request: Request) -> dict[str, dict[str, float]]:
    """By quantity and name: derivatives in logs, or in the value itself of what is no positive number."""
    if found is None:
        return {q: dict.fromkeys(posed.shown, math.nan) for q in posed.quantities}
    slopes = posed.combine @ found.slopes / _steps(posed.decision, request.source.theta)
    return {
        q: {name: float(slope) for name, slope in zip(posed.decision.names, part, strict=True) if name in posed.shown}
        for q, part in zip(posed.quantities, slopes, strict=True)
    }


def _drifts(posed: Posed, found: Expansion | None, request: Request) -> dict[str, dict[str, float]]:
    """By what the runs' responses may drift with: how each quantity moves, through the parameters fitted to them."""
    if found is None or not request.source.drifts:
        return {}
    slopes = posed.combine @ found.slopes
    moves = {
        of: slopes @ [moves.get(name, 0.0) for name in posed.decision.names]
        for of, moves in request.source.drifts.items()
    }
    return {of: dict(zip(posed.quantities, map(float, moved), strict=True)) for of, moved in moves.items()}


def _steps(decision: Decision, theta: np.ndarray) -> np.ndarray:
    """How much each number that is given moves, as `_per` counts it, with one unit of what the solver is given: its
    log odds where it is a share, else one."""
    parameters = zip(decision.law.parameters, theta, strict=True)
    shares = {p.name: p.slope(x) for p, x in parameters if p.transform == "logit"}
    return np.array([shares.get(name, 1.0) for name in decision.names])


def _why(source: Source) -> list[str]:
    """Why the fit behind a plan is refused."""
    verdict = getattr(source.record, "verdict", None)
    return [f"The fit is {verdict}."] if isinstance(verdict, Verdict) else []


def _nonsense(decision: Decision, x: np.ndarray, request: Request) -> str:
    """That no model of language is of such a size or sees so few tokens, in a sentence; empty where one may."""
    values = dict(zip(decision.variables, np.exp(np.minimum(x, 700.0)), strict=True)) | dict(request.fixed)
    N, D, said = values.get("N", 0.0), values.get("D", math.inf), []
    if N > MOST_PARAMETERS:
        said.append(f"N = {format_number(N)} parameters (no model has {format_number(MOST_PARAMETERS)})")
    if D < FEWEST_TOKENS:
        said.append(f"D = {format_number(D)} tokens (none learns from fewer than {format_number(FEWEST_TOKENS)})")
    if not said:
        return ""
    return f"no plan: the law asks for {' and '.join(said)}; look at the units of the budget and of the runs"


def _article(word: str) -> str:
    return "an" if word[:1] in "aeiou" else "a"


def _moved(decision: Decision, answers: Answers, others: Answers, way: str) -> list[str]:
    """How an estimate by another objective would move the decisions, in a sentence."""
    sound = (answers.status == OK) & (others.status == OK)
    if not sound.any():
        return []
    moves = 100 * np.expm1(others.x[sound] - answers.x[sound])
    named = {"N", "D"} & set(decision.variables) or set(decision.variables)
    spans = (f"{name} by {_span(moves[:, k])}" for k, name in enumerate(decision.variables) if name in named)
    return [f"Fitted with {way} instead, the plan moves: {', '.join(spans)}."]


def _served(cost: CostModel, rows: list[PlanRow]) -> list[str]:
    """How much of the cost goes to serving, in a sentence."""
    found = [row.variables for row in rows if row.variables]
    if "inference_tokens" not in cost.assumptions or not found:
        return []
    with in_float64():
        logs = [np.log([variables[name] for variables in found]) for name in cost.variables]
        training = np.exp(cost(*logs, inference_tokens=_NO_TOKENS) - cost(*logs))
    shares = (f"{100 * (1 - share):.3g}" for share in (training.max(), training.min()))
    return [f"Serving takes {' to '.join(dict.fromkeys(shares))} % of the cost."]


def _span(percent: np.ndarray) -> str:
    low, high = (as_move(x) for x in (percent.min(), percent.max()))
    return low if low == high else f"{low} to {high}"


def _per(law: Law, name: str) -> str:
    raw = {p.name for p in law.parameters if p.transform != "log"} | {v.name for v in law.variables if not v.logged}
    raw |= set() if law.response.logged else {"reach_loss"}
    return "raw" if name in raw else "log"


def _judge(
    decision: Decision, answers: Answers, i: int, expansion: Expansion | None, measure: Measure
) -> tuple[Status, str]:
    """Status of an answer, and a sentence where it is not simply good."""
    name = measure.given_name
    keeps = f"the {name} keeps {'rising' if (decision.sign < 0) != measure.falls else 'falling'}"
    status = _STATUS[int(answers.status[i])]
    if status == "infeasible":
        return status, "the limits contradict each other"
    if status == "failed":
        if decision.plain and not np.isfinite(answers.x[i]).all():
            return status, f"no best N and D: along this budget {keeps} towards one end"
        return status, "the optimum could not be certified; the law may have a corner there"
    if expansion is not None:
        ends = [decision.row_names[j] for j in expansion.active]
        if status == "flat" or 0 <= abs(expansion.curvature) < _FLAT_CURVATURE:
            return "flat", f"the {name} is flat around this optimum: other sizes do as well"
        far = [
            name for name in ends if name in ("N_max", "D_max") and answers.x[i][decision.variables.index(name[0])] > 89
        ]
        if far:
            return "failed", f"nothing limits {far[0][0]}: {keeps} with it"
    if decision.plain and answers.kkt[i] == 0 and answers.corner is not None and answers.corner[i]:
        return status, "the law has a corner here, and the optimum lies in it"
    return status, ""


def _one_sided(
    posed: Posed, expansions: list[Expansion | None], givens: np.ndarray, theta: np.ndarray
) -> list[dict[str, dict[str, tuple[float, float]]]]:
    """Slopes on both sides, for each row where they differ."""
    found: list[dict[str, dict[str, tuple[float, float]]]] = [{} for _ in expansions]
    touched = [i for i, expansion in enumerate(expansions) if expansion is not None and expansion.touched]
    if not touched:
        return found
    steps = dict(zip(posed.decision.names, _steps(posed.decision, theta), strict=True))
    both = posed.combine @ sides(posed.decision, givens[touched], posed.shown) / [steps[n] for n in posed.shown]
    for i, (falling, rising) in zip(touched, both, strict=True):
        differs = ~np.isclose(falling, rising, rtol=1e-6, atol=1e-6)
        for q, *pair, kinks in zip(posed.quantities, falling, rising, differs, strict=True):
            if kinks.any():
                found[i][q] = {
                    name: (float(a), float(b))
                    for name, a, b, kink in zip(posed.shown, *pair, kinks, strict=True)
                    if kink
                }
    return found


def _present(quantities: tuple[str, ...], ends: np.ndarray, logged_response: bool) -> dict[str, tuple[float, float]]:
    """Intervals by name of (2, q) ends in logs, without those that could not be had."""
    found = {}
    for name, low, high in zip(quantities, *ends, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            logged = name != "loss" or logged_response
            with np.errstate(over="ignore"):
                found[name] = tuple(float(np.exp(end)) if logged else float(end) for end in (low, high))
    return found


def _decades_beyond(ranges: Mapping[str, tuple[float, float]], optimum: Mapping[str, float]) -> float | None:
    decades = [math.log10(value / ranges[name][1]) for name, value in optimum.items() if name in ranges]
    return max(0.0, *decades) if decades else None


def _times_largest(source: Source, variables: Mapping[str, float]) -> float | None:
    spent = log_spent_by(source.law, variables)
    if spent is None or source.scope is None:
        return None
    return math.exp(min(spent - math.log(source.scope / BEYOND), 700.0))


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
        raise InputError(f"there is no {what}; give at least one, such as budgets=[1e21, 1e24]")
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
