"""One row of a plan, from the answer to its budget or loss to reach."""

import math
from collections.abc import Mapping

import numpy as np

from jaxscale._allocation.answers import Answers, conflict
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion, sides
from jaxscale._allocation.hedge import Hedge
from jaxscale._allocation.undefined import undefined, undefined_beside
from jaxscale._base.measure import Measure
from jaxscale._base.text import format_number, with_article
from jaxscale._base.verdict import BEYOND
from jaxscale._planning.plan_row import PlanRow, Status, log_spent_by
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request
from jaxscale._planning.shadow_prices import shadow_prices
from jaxscale._planning.source import Source
from jaxscale._planning.uncertainty import Uncertainty

_STATUS: dict[int, Status] = {OK: "ok", INFEASIBLE: "infeasible", FAILED: "failed", FLAT: "flat"}
# Of language models. What a plan beyond asks for is nonsense: a law in other units, or a budget in them.
MOST_PARAMETERS, FEWEST_TOKENS = 1e15, 1e6
_BALANCED = 1e-6  # what slopes around a corner of the law and prices of limits leave, beside the largest slope
_FLAT_CURVATURE = 1e-10  # of the log loss, in logs of the variables; below it rounding moves the optimum by 0.1 %


def row_of(
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
    # A hedge is given more than that, every draw: where its laws give no number is not looked for.
    alone = None if isinstance(decision, Hedge) else given
    status, note = judged(request, decision, answers, i, expansion, alone)
    blamed = conflict(decision, given, answers.blame[i]) if status == "infeasible" else ()
    if blamed == ("reach_loss",):
        extreme = "high" if (response.better == "higher") != measure.falls else "low"
        note = f"by this law no model reaches {with_article(measure.given_name)} so {extreme}"
    found = expansion if status in ("ok", "flat") else None
    logs, natural = posed.logs([found])[0], posed.natural(found)
    spent = natural.get("cost", math.nan)
    if request.goal == "loss" and found is not None:
        spent = math.exp(logs[-1])
    everything = decision.values(logs[:-2]) if found else {}
    variables = {**everything, **request.fixed} if found else {}
    touched = [decision.row_names[j] for j in found.active] if found else []
    return PlanRow(
        budget=target if request.goal == "loss" else spent,
        status=status,
        N=variables.get("N", math.nan),
        D=variables.get("D", math.nan),
        loss=natural["loss"],
        tokens_per_param=natural.get("tokens_per_param", variables.get("D", math.nan) / variables.get("N", math.nan)),
        cost=spent,
        variables=variables,
        conflict=blamed,
        binding=tuple(n for n in touched if answers.multipliers[i, decision.row_names.index(n)] > 1e-9),
        shadow_price={}
        if found is None or status != "ok"
        else shadow_prices(decision, found, logs, given, posed.values.implicit, request),
        intervals={} if found is None or sure.ends is None else intervals_of(request, posed, sure.ends[:, i]),
        sensitivities=_sensitivities(posed, found, request),
        one_sided=one_sided,
        drift=_drifts(posed, found, request),
        certificate={
            "kkt": float(answers.kkt[i]),
            "violation": float(answers.violation[i]),
            "agreement": float(answers.agreement[i]),
            "global": bool(decision.convex) and (answers.corner is None or bool(answers.kkt[i] <= _BALANCED)),
        },
        regret=sure.regrets[i] if found else {},
        decades_beyond_data=None
        if found is None
        else _decades_beyond(request.source.ranges or {}, {k: variables[k] for k in ("N", "D") if k in variables}),
        times_largest_run=_times_largest(request.source, variables),
        reach_loss=target if request.goal == "cost" else None,
        note=note,
    )


def judged(
    request: Request,
    decision: Decision,
    answers: Answers,
    i: int,
    expansion: Expansion | None,
    given: np.ndarray | None = None,
) -> tuple[Status, str]:
    """Status of answer number i, and a sentence where it is not simply good; with what was `given` the sentence says
    where the law gives no number."""
    status, note = _judge(decision, answers, i, expansion, request.source.response, given)
    if status in ("ok", "flat") and request.source.of_text and (nonsense := _nonsense(decision, answers.x[i], request)):
        return "failed", nonsense
    return status, note


def _judge(
    decision: Decision,
    answers: Answers,
    i: int,
    expansion: Expansion | None,
    measure: Measure,
    given: np.ndarray | None,
) -> tuple[Status, str]:
    name = measure.given_name
    keeps = f"the {name} keeps {'rising' if (decision.sign < 0) != measure.falls else 'falling'}"
    status = _STATUS[int(answers.status[i])]
    if status == "infeasible":
        return status, "the limits contradict each other"
    if status == "failed":
        if given is not None and (nowhere := undefined(decision, given)) is not None:
            of_all = f" and {100 * nowhere.share:.0f} % of the points looked at"
            return status, f"no best point could be certified: {nowhere.told(decision)}{of_all}; look in its formula"
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
    if answers.corner is not None and answers.corner[i]:
        beside = None if decision.convex or given is None else undefined_beside(decision, answers.x[i], given)
        if beside is not None:
            return status, f"the optimum lies at an edge: {beside.told(decision)}, just beyond it"
        shown = answers.kkt[i] <= _BALANCED
        more = "" if shown else "; no better point was found, but that none is near is not shown"
        return status, f"the law has a corner here, and the optimum lies in it{more}"
    return status, ""


def _nonsense(decision: Decision, x: np.ndarray, request: Request) -> str:
    """That no model of language is of such a size or sees so few tokens, in a sentence; empty where one may."""
    values = decision.values(np.minimum(x, 700.0)) | dict(request.fixed)
    N, D, said = values.get("N", 0.0), values.get("D", math.inf), []
    if N > MOST_PARAMETERS:
        said.append(f"N = {format_number(N)} parameters (no model has {format_number(MOST_PARAMETERS)})")
    if D < FEWEST_TOKENS:
        said.append(f"D = {format_number(D)} tokens (none learns from fewer than {format_number(FEWEST_TOKENS)})")
    if not said:
        return ""
    return f"no plan: the law asks for {' and '.join(said)}; look at the units of the budget and of the runs"


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


def one_sided_slopes(
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


def intervals_of(request: Request, posed: Posed, ends: np.ndarray) -> dict[str, tuple[float, float]]:
    """Intervals by name, of (2, q) ends as `Uncertainty` has them for one target."""
    return _with_ratio(_present(posed, ends), request)


def _present(posed: Posed, ends: np.ndarray) -> dict[str, tuple[float, float]]:
    """Intervals by name of (2, q) ends in logs (of shares, themselves), without those that could not be had."""
    found, shares = {}, posed.decision.law.raw_names
    for name, low, high in zip(posed.quantities, *ends, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            low, high = (min(max(end, 0.0), 1.0) if name in shares else end for end in (low, high))
            with np.errstate(over="ignore"):
                found[name] = tuple(float(np.exp(end)) if posed.logged(name) else float(end) for end in (low, high))
    return found


def _with_ratio(ends: dict[str, tuple[float, float]], request: Request) -> dict[str, tuple[float, float]]:
    """The intervals, with that of D/N where N or D is held and the other has one."""
    N, D = (request.fixed.get(name) for name in ("N", "D"))
    if N is not None and "D" in ends:
        return ends | {"tokens_per_param": (ends["D"][0] / N, ends["D"][1] / N)}
    if D is not None and "N" in ends:
        return ends | {"tokens_per_param": (D / ends["N"][1], D / ends["N"][0])}
    return ends


def _decades_beyond(ranges: Mapping[str, tuple[float, float]], optimum: Mapping[str, float]) -> float | None:
    decades = [math.log10(value / ranges[name][1]) for name, value in optimum.items() if name in ranges]
    return max(0.0, *decades) if decades else None


def _times_largest(source: Source, variables: Mapping[str, float]) -> float | None:
    spent = log_spent_by(source.law, variables)
    if spent is None or source.scope is None:
        return None
    return math.exp(min(spent - math.log(source.scope / BEYOND), 700.0))
