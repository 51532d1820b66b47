"""A checked request becomes a plan: its rows, what doubt makes of them, and what there is to say."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import expand
from jaxscale._allocation.hedge import weighted_quantile
from jaxscale._base.settings import in_float64
from jaxscale._base.text import as_move, as_percent, format_number
from jaxscale._base.verdict import Verdict
from jaxscale._planning.doubt import Doubt
from jaxscale._planning.made_row import one_sided_slopes, row_of
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_notes import UNTRUSTED
from jaxscale._planning.plan_row import BesidePoint, PlanRow
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request
from jaxscale._planning.source import Source
from jaxscale._planning.uncertainty import Uncertainty, uncertainty_of
from jaxscale._planning.under_doubt import Hedged, hedge_plan
from jaxscale.costs import CostModel
from jaxscale.laws import Law

_NO_TOKENS = 1e-300  # served: so few that they cost nothing
_ROUNDING = 1e-11  # of a size: less is none


def make_plan(request: Request) -> Plan:
    """The plan that a checked request asks for."""
    source = request.source
    if request.doubt is not None:  # the point estimate's plan is only what the hedge is compared with
        source = replace(source, draws=None, covariance=None, at_noise=())
    level, posed = request.interval_level, Posed.of(request)
    givens = posed.givens(source.theta)
    answers = solve_many(posed.decision, givens)
    expansions = expand(posed.decision, answers, givens)
    sure = uncertainty_of(source, posed, answers, expansions, level)
    notes = [
        *([] if source.trustworthy else [UNTRUSTED, *_why(source)]),
        *_other_compute(source, request.cost),
        *sure.notes,
    ]
    one_sided = one_sided_slopes(posed, expansions, givens, source.theta)
    rows = [
        row_of(request, posed, answers, i, expansion, givens[i], sure, sides_of)
        for i, (expansion, sides_of) in enumerate(zip(expansions, one_sided, strict=True))
    ]
    planned = np.array([row.status in ("ok", "flat") for row in rows])
    for second in source.at_noise if planned.any() else ():
        matched = solve_many(posed.decision, posed.givens(source.law.theta(second.params)))
        notes += _moved(posed.decision, answers[planned], matched[planned], second.way)
    beside: tuple[BesidePoint | None, ...] = ()
    method = sure.method
    if request.doubt is not None:
        alone = replace(request, source=replace(source, drifts={}))
        rows, beside, told = _under_doubt(alone, request.doubt, posed, answers, rows, level)
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
        assumptions=posed.assumptions,
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
    new, unknown = list(rows), False
    for j, i in enumerate(chosen):
        nothing = Uncertainty(None, [{}] * len(chosen), None, [])
        row = row_of(request, hedged.posed, hedged.answers, j, hedged.expansions[j], givens[j], nothing, {})
        if row.status not in ("ok", "flat"):
            new[i] = row
            continue
        losses = [weighted_quantile(hedged.losses[j], hedged.weight, end) for end in ends]
        losses = [math.exp(x) for x in losses] if logged else losses
        compared = beside[i] = _beside(hedged, j, rows[i], level)
        wasted = {"compute": compared.regret * row.budget, "compute_high": compared.high * row.budget}
        found = hedged.expansions[j]
        known = found is not None and bool(np.isfinite(found.slopes).all())
        unknown |= not known
        new[i] = replace(
            row,
            shadow_price=row.shadow_price if known else {},
            intervals={"loss": (losses[0], losses[1])},
            regret={name: x for name, x in wasted.items() if math.isfinite(x)},
            drift=rows[i].drift,
        )
    told = (
        ["Prices and sensitivities are not known where a plan, or that of a draw, lies in a corner."] if unknown else []
    )
    if hedged.lost > 0:
        told.append(f"{as_percent(hedged.lost)} of the draws, by weight, have no best decision and are left out.")
    if doubt.aim == "tail" and (known := hedged.gap[np.isfinite(hedged.gap)]).size:
        least = "least there is" if hedged.posed.decision.convex else "least near by"
        told.append(
            f"The mean of the worst regrets lies within {as_percent(known.max())} of the budget of the {least}."
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


def _why(source: Source) -> list[str]:
    """Why the fit behind a plan is refused."""
    verdict = getattr(source.record, "verdict", None)
    return [f"The fit is {verdict}."] if isinstance(verdict, Verdict) else []


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


def _moved(decision: Decision, answers: Answers, others: Answers, way: str) -> list[str]:
    """How an estimate by another objective would move the decisions, in a sentence."""
    sound = (answers.status == OK) & (others.status == OK)
    if not sound.any():
        return []
    moves = np.expm1(others.x[sound] - answers.x[sound])
    moves[np.abs(moves) < _ROUNDING] = 0.0
    named = {"N", "D"} & set(decision.variables) or set(decision.variables) - decision.raw
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


def _span(moves: np.ndarray) -> str:
    low, high = (as_move(float(x)) for x in (moves.min(), moves.max()))
    return low if low == high else f"{low} to {high}"


def _per(law: Law, name: str) -> str:
    raw = {p.name for p in law.parameters if p.transform != "log"} | law.raw_names
    raw |= set() if law.response.logged else {"reach_loss"}
    return "raw" if name in raw else "log"
