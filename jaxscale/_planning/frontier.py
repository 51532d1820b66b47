"""Plans over many budgets, for anything that carries a law and parameters, with intervals and sensitivities.

What a plan can be made from has:

    law, params                 the law, and its parameters by name in natural units
  and may have, absent or None where it has not,
    theta                       (n_params,) unconstrained parameters in the law's order; else they follow from params
    covariance                  of theta: names, matrix, method; unnamed parameters were fixed, tied ones are all named
    draws                       (n_draws, n_params) of theta, resampled or sampled; taken before covariance
    level                       of the intervals, 0.9 if absent
    label                       for people, the law's name if absent
    record                      of the runs, whose `ranges` maps a variable's name to (least, greatest)
    verdict                     a record that says whether it is `trustworthy`
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._allocation.allocate import check_params
from jaxscale._allocation.answers import Answers, conflict, solve_many
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK
from jaxscale._allocation.decision import Decision, decide
from jaxscale._allocation.derivatives import Expansion, expand, sides
from jaxscale._base.errors import InputError
from jaxscale._base.text import parse_number, quoted
from jaxscale._base.validation import Progress, check_level
from jaxscale._planning.plan import UNTRUSTED, Plan, Request
from jaxscale._planning.plan_row import QUANTITIES, PlanRow, Status
from jaxscale._planning.prices import shadow_prices
from jaxscale._planning.uncertainty import covariance_of_source, delta_method, expected_regret, from_draws
from jaxscale.costs import CostModel, check_positive
from jaxscale.laws import Law
from jaxscale.limits import read_limits as read_limits

_STATUS: dict[int, Status] = {OK: "ok", INFEASIBLE: "infeasible", FAILED: "failed", FLAT: "flat"}
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
    progress: Progress | None = None,
) -> Plan:
    """The decision of least loss for each budget, or of least cost to reach each loss, with intervals where possible.

    Args:
        source: a fit, draws, or a law with published constants; see the top of this module.
        budgets: one or many, in the unit of `cost`; text such as "5.76e23" is read.
        cost: cost model, or the name of one.
        limits: a mapping such as {"N_max": 70e9, "U": 5e12}, Limits, or a list of both; see `jaxscale.limits`.
        reach_loss: one or many losses to reach at least cost, instead of budgets.
        fixed: variables held at a value, {"N": 8e9}.
        level: of the intervals; the source's own if not given. Intervals come from draws as percentiles, each draw
            planned for itself, else from the covariance by the delta method on the logs; failing both there are none.
        progress: called with (done, total, what) while draws are planned.

    Raises:
        InputError: the source cannot be planned with, or a budget, a limit, the level or the cost is not one.
    """
    law, params = getattr(source, "law", None), getattr(source, "params", None)
    if not isinstance(law, Law) or not isinstance(params, Mapping):
        raise InputError(
            f"a plan is made from a fit, draws or a law with published constants, got {quoted(type(source).__name__)}; "
            'give the result of fit, or something like laws.chinchilla.published["besiroglu"]'
        )
    check_params(law, params)
    cost = costs.as_cost(cost)
    if (budgets is None) == (reach_loss is None):
        raise InputError("give budgets or reach_loss, one of the two")
    kept, unique = read_limits(limits)
    held = {name: check_positive("fixed", name, value) for name, value in (fixed or {}).items()}
    goal = "loss" if reach_loss is None else "cost"
    targets = _read_numbers(budgets, "budget") if goal == "loss" else _read_numbers(reach_loss, "loss to reach")
    return make_plan(Request(source, tuple(targets), goal, cost, kept, unique, held, level), progress)


def make_plan(request: Request, progress: Progress | None = None) -> Plan:
    """The plan that a checked request asks for."""
    source, law, params = request.source, request.source.law, request.source.params
    label = getattr(source, "label", None) or law.name
    chosen = getattr(source, "level", None) if request.level is None else request.level
    level = 0.9 if chosen is None else check_level(chosen)
    decision, values, implicit = decide(
        law, request.cost, request.limits, request.unique, request.goal, request.fixed, request.assumed
    )
    raw = {v.name for v in law.variables if v.domain != "positive"}
    rest = np.array([float(v) if k in raw else math.log(float(v)) for k, v in values.items()])
    targets = np.asarray(request.targets)
    positive = law.response.domain == "positive"
    wanted = targets if request.goal == "cost" and not positive else np.log(targets)
    given_theta = getattr(source, "theta", None)
    theta = law.theta(params) if given_theta is None else np.asarray(given_theta, dtype=np.float64)

    givens = _givens(theta[None], wanted, rest)
    answers = solve_many(decision, givens)
    expansions = expand(decision, answers, givens)
    nothing = np.full(len(decision.variables) + 2, np.nan)
    logs = np.stack([nothing if e is None else e.values for e in expansions])
    quantities, combine = _combinations(decision)
    points = logs @ combine.T

    draws, covariance = getattr(source, "draws", None), getattr(source, "covariance", None)
    notes: list[str] = []
    regrets: list[dict[str, float]] = [{} for _ in targets]
    if draws is not None:
        draws = np.asarray(draws, dtype=np.float64)
        if draws.ndim != 2 or draws.shape[1] != len(law.parameters) or not len(draws):
            raise InputError(f"draws must have the shape (count, {len(law.parameters)}), got {draws.shape}")
        ends, regrets, notes = from_draws(decision, draws, wanted, rest, answers, targets, combine, level, progress)
        method = f"percentiles of {len(draws)} draws"
    elif covariance is not None:
        names, matrix = covariance_of_source(law, covariance)
        ends, method, notes = None, None, ["No intervals: the covariance has entries that are not finite."]
        if np.all(np.isfinite(matrix)):
            slopes = np.full((len(targets), len(quantities), len(names)), np.nan)
            index = [law.parameter_names.index(name) for name in names]
            for i, expansion in enumerate(expansions):
                if expansion is not None:
                    slopes[i] = (combine @ expansion.slopes)[:, index]
            ends = delta_method(points, slopes, matrix, level)
            method, notes = f"delta method, covariance by {covariance.method.replace('_', ' ')}", []
            regrets = [
                expected_regret(decision, e, index, matrix, p, t)
                for e, p, t in zip(expansions, logs, targets, strict=True)
            ]
    else:
        ends, method, notes = None, None, [f"No intervals: {label} carries neither a covariance nor draws."]
    if not getattr(getattr(source, "verdict", None), "trustworthy", True):
        notes = [UNTRUSTED, *notes]

    for second in getattr(source, "at_noise", ()):
        matched = solve_many(decision, _givens(law.theta(second.params)[None], wanted, rest))
        notes = [*notes, *_moved(decision, answers, matched, second.objective.words)]

    ranges = getattr(getattr(source, "record", None), "ranges", None) or {}
    shown = [name for name in decision.names if name not in implicit]
    one_sided = _one_sided(decision, expansions, givens, quantities, combine, shown)
    rows = []
    for i, target in enumerate(targets):
        status, note = _judge(decision, answers, i, expansions[i])
        blamed = conflict(decision, givens[i], answers.blame[i]) if status == "infeasible" else ()
        if blamed == ("reach_loss",):
            note = f"by this law no model reaches a {law.response.name} so low"
        natural = {q: math.exp(v) if q != "loss" or positive else v for q, v in zip(quantities, points[i], strict=True)}
        if status in ("failed", "infeasible"):
            natural = dict.fromkeys(natural, math.nan)
        found = expansions[i] if status in ("ok", "flat") else None
        loss, spent = natural["loss"], natural.get("cost", math.nan)
        if request.goal == "loss" and found is not None:
            spent = math.exp(logs[i, -1])
        everything = dict(zip(decision.variables, map(math.exp, logs[i]), strict=False)) if found else {}
        everything |= request.fixed
        touched = [decision.row_names[j] for j in found.active] if found else []
        rows.append(
            PlanRow(
                budget=float(target) if request.goal == "loss" else spent,
                status=status,
                N=everything.get("N", math.nan) if found else math.nan,
                D=everything.get("D", math.nan) if found else math.nan,
                loss=loss,
                tokens_per_param=natural.get("tokens_per_param", math.nan),
                cost=spent,
                variables=everything if found else {},
                conflict=blamed,
                binding=tuple(
                    name for name in touched if answers.multipliers[i, decision.row_names.index(name)] > 1e-9
                ),
                shadow_price=shadow_prices(decision, found, logs[i], givens[i], implicit, request)
                if found and status == "ok"
                else {},
                intervals={} if found is None or ends is None else _present(quantities, ends[:, i], positive),
                sensitivities={
                    q: {name: float(slope) for name, slope in zip(decision.names, part, strict=True) if name in shown}
                    for q, part in zip(quantities, combine @ found.slopes, strict=True)
                }
                if found
                else {q: dict.fromkeys(shown, math.nan) for q in quantities},
                one_sided=one_sided[i],
                certificate={
                    "kkt": float(answers.kkt[i]),
                    "violation": float(answers.violation[i]),
                    "agreement": float(answers.agreement[i]),
                    "global": bool(decision.convex),
                },
                regret=regrets[i] if found else {},
                decades_beyond_data=None
                if found is None
                else _decades_beyond(ranges, {k: everything[k] for k in ("N", "D") if k in everything}),
                reach_loss=float(target) if request.goal == "cost" else None,
                note=note,
            )
        )
    kept_names = {row.main for row in decision.limits if row.main and row.main not in implicit}
    return Plan(
        law=law,
        params={name: float(params[name]) for name in law.parameter_names},
        cost=request.cost.name,
        unit=request.cost.unit,
        level=level,
        method=method,
        rows=tuple(rows),
        label=label,
        notes=tuple(notes),
        limits={name: float(v) for name, v in values.items() if name in kept_names},
        assumptions={name: float(v) for name, v in values.items() if name not in implicit},
        per={name: _per(law, name) for name in shown},
        request=request,
    )


def _moved(decision: Decision, answers: Answers, others: Answers, words: str) -> list[str]:
    """How an estimate by another objective would move the decisions, in a sentence."""
    sound = (answers.status == OK) & (others.status == OK)
    if not sound.any():
        return []
    moves = 100 * np.expm1(others.x[sound] - answers.x[sound])
    spans = (f"{name} by {_span(moves[:, k])}" for k, name in enumerate(decision.variables) if name in ("N", "D"))
    return [f"With an objective matched to the noise ({words}) this plan moves: {', '.join(spans)}."]


def _span(percent: np.ndarray) -> str:
    low, high = (f"{x:+.2g} %" for x in (percent.min(), percent.max()))
    return low if low == high else f"{low} to {high}"


def _per(law: Law, name: str) -> str:
    raw = {p.name for p in law.parameters if p.transform != "log"} | {
        v.name for v in law.variables if v.domain != "positive"
    }
    return "raw" if name in raw else "log"


def _givens(thetas: np.ndarray, wanted: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(n_thetas * n_targets, k), targets varying fastest."""
    givens = np.empty((len(thetas), len(wanted), thetas.shape[1] + 1 + len(rest)))
    parts = np.split(givens, [thetas.shape[1], thetas.shape[1] + 1], axis=2)
    parts[0][:], parts[1][:], parts[2][:] = thetas[:, None], wanted[:, None], rest
    return givens.reshape(-1, givens.shape[2])


def _combinations(decision: Decision) -> tuple[tuple[str, ...], np.ndarray]:
    """What a plan tells, as combinations of the logs of its variables, response and cost: names, and (q, n + 2)."""
    n, variables = len(decision.variables), decision.variables
    unit = np.eye(n + 2)
    parts: dict[str, np.ndarray] = {v: unit[variables.index(v)] for v in ("N", "D") if v in variables}
    if "N" in parts and "D" in parts:
        parts["tokens_per_param"] = parts["D"] - parts["N"]
    parts["loss"] = unit[n]
    if decision.goal == "cost":
        parts["cost"] = unit[n + 1]
    return tuple(parts), np.array(list(parts.values()))


def _judge(decision: Decision, answers: Answers, i: int, expansion: Expansion | None) -> tuple[Status, str]:
    """Status of an answer, and a sentence where it is not simply good."""
    status = _STATUS[int(answers.status[i])]
    if status == "infeasible":
        return status, "the limits contradict each other"
    if status == "failed":
        if decision.plain and not np.isfinite(answers.x[i]).all():
            return status, "no best N and D: along this budget the loss keeps falling towards one end"
        return status, "the optimum could not be certified; the law may have a corner there"
    if expansion is not None:
        ends = [decision.row_names[j] for j in expansion.active]
        if status == "flat" or 0 <= abs(expansion.curvature) < _FLAT_CURVATURE:
            return "flat", "the loss is flat around this optimum: other sizes do as well"
        far = [
            name for name in ends if name in ("N_max", "D_max") and answers.x[i][decision.variables.index(name[0])] > 89
        ]
        if far:
            return "failed", f"nothing limits {far[0][0]}: the loss keeps falling with it"
    if decision.plain and answers.kkt[i] == 0 and answers.corner is not None and answers.corner[i]:
        return status, "the law has a corner here, and the optimum lies in it"
    return status, ""


def _one_sided(
    decision: Decision,
    expansions: list[Expansion | None],
    givens: np.ndarray,
    quantities: tuple[str, ...],
    combine: np.ndarray,
    shown: list[str],
) -> list[dict[str, dict[str, tuple[float, float]]]]:
    """Slopes on both sides, for each row where they differ."""
    found: list[dict[str, dict[str, tuple[float, float]]]] = [{} for _ in expansions]
    touched = [i for i, expansion in enumerate(expansions) if expansion is not None and expansion.touched]
    if not touched:
        return found
    both = combine @ sides(decision, givens[touched], shown)
    for i, (falling, rising) in zip(touched, both, strict=True):
        differs = ~np.isclose(falling, rising, rtol=1e-6, atol=1e-6)
        for q, *pair, kinks in zip(quantities, falling, rising, differs, strict=True):
            if kinks.any():
                found[i][q] = {
                    name: (float(a), float(b)) for name, a, b, kink in zip(shown, *pair, kinks, strict=True) if kink
                }
    return found


def _present(quantities: tuple[str, ...], ends: np.ndarray, positive: bool) -> dict[str, tuple[float, float]]:
    """Intervals by name of (2, q) ends in logs, without those that could not be had."""
    found = {}
    for name, low, high in zip(quantities, *ends, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            logged = name != "loss" or positive
            with np.errstate(over="ignore"):
                found[name] = tuple(float(np.exp(end)) if logged else float(end) for end in (low, high))
    return found


def _decades_beyond(ranges: Mapping[str, tuple[float, float]], optimum: Mapping[str, float]) -> float | None:
    decades = [math.log10(value / ranges[name][1]) for name, value in optimum.items() if name in ranges]
    return max(0.0, *decades) if decades else None


def _read_numbers(given: Any, what: str) -> np.ndarray:
    """Numbers of any accepted form as (n,) positive finite ones."""
    many = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) > 0
    items: list[Any] = list(given) if many else [given]
    if not items:
        raise InputError(f"there is no {what}; give at least one, such as budgets=[1e21, 1e24]")
    amounts = []
    for position, item in enumerate(items, start=1):
        where = f"{what} {position} of {len(items)}" if len(items) > 1 else f"the {what}"
        try:
            amount = parse_number(item) if isinstance(item, str) else float(item)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{where} is not a number: {quoted(item)}; write it like 5.76e23") from None
        if isinstance(item, bool | np.bool_) or not 0 < amount < math.inf:
            raise InputError(f"{where} must be positive and finite, got {quoted(item)}; write it like 5.76e23")
        amounts.append(amount)
    return np.array(amounts, dtype=np.float64)


__all__ = ["QUANTITIES", "Plan", "PlanRow", "frontier"]
