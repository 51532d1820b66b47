"""Intervals and regrets of a plan, from draws or from a covariance."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from jaxscale._allocation.answers import Answers
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion
from jaxscale._allocation.per_draw import TARGETS, Followed, follow
from jaxscale._base.progress import tell
from jaxscale._planning.posed import Posed
from jaxscale._planning.source import Source

_PROBLEMS_AT_ONCE = 2**17  # a bound on memory where every draw is planned for every budget


@dataclass(frozen=True)
class Uncertainty:
    """How sure the rows of a plan are: ends (2, n_targets, q) of intervals in logs or None, regrets of each target, how
    they came about (None: there are none), and what to know."""

    ends: np.ndarray | None
    regrets: list[dict[str, float]]
    method: str | None
    notes: list[str]


def uncertainty_of(
    source: Source,
    posed: Posed,
    answers: Answers,
    expansions: list[Expansion | None],
    level: float,
    near: bool = False,
) -> Uncertainty:
    """From draws as percentiles, each draw planned for itself (`near`: see `follow`), else from the covariance by the
    delta method."""
    nothing: list[dict[str, float]] = [{} for _ in posed.targets]
    if source.draws is not None:
        ends, regrets, notes = _from_draws(posed, source.draws, answers, level, near)
        return Uncertainty(ends, regrets, f"percentiles of {len(source.draws)} draws", notes)
    if source.covariance is None:
        note = f"No intervals: {source.label} comes without a covariance and without draws."
        return Uncertainty(None, nothing, None, [note])
    index = [source.law.index(name) for name in source.covariance.names]
    matrix = np.asarray(source.covariance.matrix, dtype=np.float64)
    if not np.all(np.isfinite(matrix)):
        return Uncertainty(None, nothing, None, ["No intervals: the covariance has entries that are not finite."])
    slopes = np.full((len(posed.targets), len(posed.quantities), len(index)), np.nan)
    for i, expansion in enumerate(expansions):
        if expansion is not None:
            slopes[i] = (posed.combine @ expansion.slopes)[:, index]
    logs = posed.logs(expansions)
    ends = _delta_method(logs @ posed.combine.T, slopes, matrix, level)
    regrets = [
        _expected_regret(posed.decision, e, index, matrix, values, target)
        for e, values, target in zip(expansions, logs, posed.targets, strict=True)
    ]
    return Uncertainty(ends, regrets, f"delta method, covariance by {source.covariance.method.replace('_', ' ')}", [])


def _delta_method(points: np.ndarray, slopes: np.ndarray, matrix: np.ndarray, level: float) -> np.ndarray:
    """(2, n_targets, q) ends in logs, nan where there are none."""
    variance = np.einsum("bqi,ij,bqj->bq", slopes, matrix, slopes)
    rounding = 1e-12 * np.einsum("bqi,ij,bqj->bq", np.abs(slopes), np.abs(matrix), np.abs(slopes))
    deviation = np.sqrt(np.where(variance >= -rounding, np.maximum(variance, 0), np.nan))
    reach = NormalDist().inv_cdf((1 + level) / 2) * deviation
    return np.stack([points - reach, points + reach])


def _expected_regret(
    decision: Decision,
    expansion: Expansion | None,
    index: list[int],
    matrix: np.ndarray,
    logs: np.ndarray,
    target: float,
) -> dict[str, float]:
    """Mean regret to second order: half the curvature of the loss along the ways the optimum moves."""
    if expansion is None or decision.goal == "cost" or not np.isfinite(expansion.curved_moves).all():
        return {}
    moves = expansion.curved_moves[np.ix_(index, index)]
    in_log = 0.5 * float(np.sum(moves * matrix))
    per_budget = -decision.sign * float(expansion.slopes[-2, decision.names.index("budget")])
    loss = math.exp(logs[-2]) if decision.law.response.logged else 1.0
    compute = target * -math.expm1(-in_log / per_budget) if per_budget > 1e-12 else math.nan
    return {"loss": float(loss * in_log), "compute": float(compute)}


def _from_draws(
    posed: Posed, draws: np.ndarray, point: Answers, level: float, near: bool
) -> tuple[np.ndarray, list[dict[str, float]], list[str]]:
    """Each draw planned for itself: percentiles (2, n_targets, q) in logs, regrets, and what to know."""
    decision, targets, wanted, rest, combine = posed.decision, posed.targets, posed.wanted, posed.rest, posed.combine
    count = len(draws)
    ends = np.full((2, len(targets), len(combine)), np.nan)
    regrets: list[dict[str, float]] = []
    lost = 0
    for first in range(0, len(targets), block := min(max(1, _PROBLEMS_AT_ONCE // count), TARGETS)):
        some = slice(first, first + block)
        part = point[some]
        found = follow(decision, draws, wanted[some], rest, part, near, of=count * len(targets))
        # The cost is told where it is what is minimised.
        response, cost = decision.sign * found.value, np.zeros_like(found.value)
        if decision.goal == "cost":
            response, cost = np.broadcast_to(wanted[some, None], cost.shape), found.value
        points = combine @ np.concatenate([found.x, response[:, None], cost[:, None]], axis=1)
        failed = ~(found.sound & np.isfinite(points).all(axis=1))
        if failed.any():
            points = np.where(failed[:, None], np.nan, points)
        usable = failed.mean(axis=1) <= 1 - level
        if usable.any():
            ends[:, some][:, usable] = _quantiles(points[usable], [(1 - level) / 2, (1 + level) / 2])
        planned = np.isin(part.status, (OK, FLAT))
        regrets += _regrets(decision, found, ~failed & (usable & planned)[:, None], targets[some], level)
        lost = max(lost, int(failed.sum(axis=1).max()))
        tell(min(first + block, len(targets)) * count, len(targets) * count, "plans, one for each draw")
    notes = []
    if lost:
        notes.append(
            f"Up to {lost} of {count} draws have no best N and D; they are left out, and "
            f"where they are more than {100 * (1 - level):g} % there is no interval."
        )
    return ends, regrets, notes


def _quantiles(values: np.ndarray, shares: list[float]) -> np.ndarray:
    """Over the last axis, nan left out; the check is worth it, since counting them out is ten times slower."""
    return (np.nanquantile if np.isnan(values).any() else np.quantile)(values, shares, axis=-1)


def _regrets(
    decision: Decision, found: Followed, kept: np.ndarray, targets: np.ndarray, level: float
) -> list[dict[str, float]]:
    """What following the point plan costs where a draw is the truth, for each target; kept: (targets, draws)."""
    if decision.goal == "cost":
        return [{} for _ in targets]
    worse = np.maximum(found.worse, 0.0)
    loss = worse
    if decision.law.response.logged:
        loss = np.exp(decision.sign * found.value) * decision.sign * np.expm1(decision.sign * worse)
    with np.errstate(divide="ignore", invalid="ignore"):
        compute = np.where(found.price > 1e-12, -np.expm1(-worse / found.price), np.nan) * targets[:, None]
    both = np.stack([loss, compute])
    if kept.all():
        means, high = both.mean(axis=-1).T, np.quantile(both, (1 + level) / 2, axis=-1).T
        return [_regret(*pair) for pair in zip(means, high, strict=True)]
    chosen = [both[:, i, keep] for i, keep in enumerate(kept)]
    return [_regret(v.mean(axis=-1), np.quantile(v, (1 + level) / 2, axis=-1)) if v.size else {} for v in chosen]


def _regret(mean: np.ndarray, high: np.ndarray) -> dict[str, float]:
    numbers = map(float, (*mean, *high))
    return dict(zip(("loss", "compute", "loss_high", "compute_high"), numbers, strict=True))
