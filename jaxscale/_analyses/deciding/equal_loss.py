"""The verb `multiplier`: with how much compute one recipe reaches what another reaches, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._analyses.deciding.frontier_curve import FrontierCurve, curve_of, curves_of_draws
from jaxscale._analyses.deciding.joint_errors import JointErrors, joint_errors
from jaxscale._analyses.deciding.multiplier import EqualLoss, Multiplier, ScaleTrend, choice_of
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.text import format_number, inert, listed, quoted
from jaxscale._base.validation import Progress, check_level
from jaxscale._fitting.fit_many import fit_many
from jaxscale._fitting.fits import Fits
from jaxscale._planning.frontier import cost_of_one_variable, request_of
from jaxscale._planning.source import Source, source_of
from jaxscale.costs import CostModel
from jaxscale.laws import Law

_FACTOR = math.log(100.0)  # how far from the baseline's compute a candidate is followed, either way
_POINTS = 96  # of a curve
_DENSE = 1001  # places along it where its loss is compared
_WIDEST = np.log(np.geomspace(1e-6, 1e36, 169))  # compute that may reach a loss
_MOST_DRAWS, _POINTS_OF_DRAWS, _SIMULATED = 2000, 32, 100_000
_SHORTEST_TREND = math.log(10.0) / 2


def multiplier(
    source: Any,
    between: Sequence[str] | None = None,
    *,
    at: Any = None,
    loss: Any = None,
    cost: CostModel | str = costs.six_nd,
    limits: Any = None,
    threshold: float = 0.02,
    level: float | None = None,
    by: str | None = None,
    law: Law | str = "chinchilla",
    seed: int = 0,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Multiplier:
    """How much compute each recipe needs for the loss that a baseline reaches, each at its own compute-optimal best.

    The equivalent-compute multiplier of candidate B against baseline A at compute C_A is C_A / C_B, where B's frontier
    reaches at C_B the loss that A's reaches at C_A: above 1, B is better. (At one size or at one number of tokens
    recipes compare otherwise, and a gain there need not be one here.)

    Intervals are of the difference, so that what both fits err in alike cancels: the compute needed is every c at which
    the loss of B cannot be told from that of A, |L_A(C_A) - L_B(c)| <= z se (Fieller 1954, J. R. Statist. Soc. B 16),
    with the errors of the two going together as `joint_errors` finds: by the residuals of runs of the same designs, by
    parameters that were fitted in common, or not at all. An end may be open: a loss that a law perhaps never reaches.
    Of `Draws` they are percentiles, each recipe drawn for itself. With several candidates the intervals hold for all at
    once (the largest of correlated normal values, or balanced percentiles, Beran 1988, JASA 83), so that the best of
    many is not called better for having been lucky.

    `studies/multiplier.py` measured, for pairs of Chinchilla laws with 36 runs each, how often the 90 % intervals hold
    the truth and how often equal recipes are told apart.

    Args:
        source: fits of several recipes: `Fits`, or a mapping of name to fit, draws or law with constants; or a table of
            runs with a column `by`, each recipe fitted by `fit_many(law, ...)`.
        between: names, the baseline first; all of them, in their order, by default.
        at: compute of the baseline, one or many, as budgets in `frontier`.
        loss: instead, what the baseline reaches, in the law's unit; its compute follows.
        cost, limits: as in `frontier`, for all recipes alike. Of laws of one variable that variable is what is spent.
        threshold: share of compute from which a difference counts.
        level: of the intervals; the baseline's own if not given.
        by, law, **options: of a table of runs, see `fit_many`.
        seed: of draws, and of simultaneous intervals.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: there are fewer than two recipes, a law predicts another response, both or neither of at and loss
            are given, or the baseline reaches no such loss.
    """
    recipes = _recipes(source, by, law, options, progress)
    names = _chosen(recipes, between)
    sources = [source_of(recipes[name]) for name in names]
    _check_alike(names, sources)
    if (at is None) == (loss is None):
        raise InputError("give at (compute of the baseline) or loss (to be reached), one of the two")
    if not 0 <= threshold < 1:
        raise InputError(f"threshold is a share of compute from 0 on and below 1, such as .02; got {threshold!r}")
    level = check_level((sources[0].level or 0.9) if level is None else level)
    spending = [_cost(s, cost) for s in sources]
    asked = request_of(sources[0], 1.0 if at is None else at, cost=spending[0], limits=limits)
    how = {"logged": all(s.law.response.logged for s in sources), "limits": limits}
    if at is None:
        x = _compute_for(sources[0], names[0], loss, {**how, "cost": spending[0]})
    else:
        x = np.unique(np.log(asked.targets))
    drawn = any(s.draws is not None for s in sources)
    between_ = _from_draws if drawn else _from_covariances
    with listening(progress, "comparing"):
        found = between_(names, sources, spending, x, _trend_ends(x), level, seed, how)
    sign = sources[0].law.response.better == "higher"
    response = -found.response if sign else found.response
    response = np.exp(response) if how["logged"] else response
    ratios, ends = (_ratios(logs, x) for logs in (found.needed, found.ends))
    rows = tuple(
        _row(name, float(np.exp(x[i])), float(response[i]), float(ratios[k, i]), ends[k, i], threshold)
        for k, name in enumerate(names[1:])
        for i in range(len(x))
    )
    return Multiplier(
        baseline=names[0],
        candidates=tuple(names[1:]),
        rows=rows,
        trends=tuple(_trend(name, _trend_ends(x), *pair) for name, pair in zip(names[1:], found.trends, strict=True)),
        pairings=found.joint.pairings,
        level=level,
        threshold=threshold,
        method=found.method,
        cost=asked.cost.name,
        unit=asked.cost.unit,
        laws=tuple(s.law.name for s in sources),
        seed=seed,
        notes=tuple(_notes(names, sources, x)),
        response=sources[0].response,
    )


@dataclass(frozen=True, eq=False)
class _Compared:
    """By candidate: logs of the compute needed (k, n), their intervals (k, n, 2) with nan where there are none, and of
    the trend (log of the factor per e-fold of compute, and its interval). response: of the baseline, (n,)."""

    response: np.ndarray
    needed: np.ndarray
    ends: np.ndarray
    trends: list[tuple[float, np.ndarray]]
    joint: JointErrors
    method: str


def _from_covariances(
    names: Sequence[str],
    sources: Sequence[Source],
    spending: Sequence[Any],
    x: np.ndarray,
    wide: np.ndarray,
    level: float,
    seed: int,
    how: Mapping[str, Any],
) -> _Compared:
    """Intervals by comparing losses along the candidate's curve, from covariances of theta."""
    joint = joint_errors(names, sources)
    missing = [name for name, s in zip(names, sources, strict=True) if s.covariance is None]
    scales = np.append(x, wide)
    baseline = curve_of(sources[0], _around(scales, scales), cost=spending[0], **how)
    wanted, pulls = baseline.value_at(scales), baseline.gradient_at(scales)
    curves, needed = [], []
    for k, (source, money) in enumerate(zip(sources[1:], spending[1:], strict=True), 1):
        tell(k, len(sources), "recipes")
        curve = curve_of(source, _around(scales), cost=money, **how)
        for _ in range(2):  # once more with points where it is read, which makes it exact there
            reached = curve.reach(wanted)
            curve = curve_of(source, _around(scales, reached[np.isfinite(reached)]), cost=money, **how)
        curves.append(curve)
        needed.append(curve.reach(wanted))
    places = [np.clip(n, c.x[0], c.x[-1]) for c, n in zip(curves, needed, strict=True)]
    own = [curve.gradient_at(place) for curve, place in zip(curves, places, strict=True)]
    ends = np.full((len(curves), len(x), 2), np.nan)
    trends: list[tuple[float, np.ndarray]] = []
    for k, curve in enumerate(curves):
        if not missing:
            for i in range(len(x)):
                z = critical(joint, pulls[i], [g[i] for g in own], level, seed)
                ends[k, i] = _indistinguishable(joint, k + 1, curve, wanted[i], pulls[i], needed[k][i], z)
        low, high = len(x), len(x) + 1
        if not np.isfinite(needed[k][[low, high]]).all():
            trends.append((math.nan, np.full(2, np.nan)))
            continue
        width = scales[high] - scales[low]
        value = 1 - (needed[k][high] - needed[k][low]) / width
        slope = curve.slope_at(places[k])[:, None]
        a = np.diff((pulls / slope)[[low, high]], axis=0)[0] / width
        b = np.diff((own[k] / slope)[[low, high]], axis=0)[0] / width
        z = NormalDist().inv_cdf((1 + level) / 2)
        spread = math.nan if missing else z * math.sqrt(_variance_of_difference(joint, k + 1, a, b))
        trends.append((value, np.array([value - spread, value + spread])))
    method = f"Intervals: from the covariances of the fits, {100 * level:g} %"
    method += ", for all recipes at once." if len(curves) > 1 else "."
    if missing:
        method = f"No intervals: {' and '.join(map(inert, missing))} without covariance or draws."
    count = len(x)
    return _Compared(wanted[:count], np.array(needed)[:, :count], ends, trends, joint, method)


def _variance_of_difference(joint: JointErrors, k: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of a . theta_0 - b . theta_k, forms (..., p)."""
    both = joint.variance(0, a) + joint.variance(k, b) - 2 * joint.covariance(0, a, k, b)
    return np.maximum(both, 0.0)


def critical(joint: JointErrors, pull: np.ndarray, own: Sequence[np.ndarray], level: float, seed: int) -> float:
    """How many standard errors an interval reaches, so that all candidates' hold at once with this probability."""
    if len(own) == 1:
        return NormalDist().inv_cdf((1 + level) / 2)
    covariance = joint.of_differences(pull, own)
    errors = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(errors, errors))
    normal = np.random.default_rng(seed).standard_normal((_SIMULATED, len(own)))
    drawn = normal * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return float(np.quantile(np.abs(drawn).max(axis=1), level))


def _indistinguishable(
    joint: JointErrors,
    k: int,
    curve: FrontierCurve,
    wanted: float,
    pull: np.ndarray,
    reached: float,
    z: float,
) -> np.ndarray:
    """The ends (2,) of the stretch of log compute, around where the candidate reaches what is wanted, on which the two
    cannot be told apart; infinite where it goes on to the end of the curve."""
    x = np.linspace(curve.x[0], curve.x[-1], _DENSE)
    better = wanted - curve.value_at(x)
    own = curve.gradient_at(x)
    reach = z * np.sqrt(_variance_of_difference(joint, k, pull[None], own))
    middle = np.clip(reached, x[0], x[-1])
    low = _crossing(x, better + reach, middle, -1)
    high = _crossing(x, better - reach, middle, 1)
    return np.array([low, high])


def _crossing(x: np.ndarray, excess: np.ndarray, middle: float, way: int) -> float:
    """Where `excess`, going from `middle` down (way -1) or up (1), first leaves the side it is on there: below zero
    going down, above zero going up; infinite if it never does."""
    inside = excess >= 0 if way < 0 else excess <= 0
    order = np.flatnonzero(x <= middle)[::-1] if way < 0 else np.flatnonzero(x >= middle)
    left = order[~inside[order]]
    if not len(left):
        return way * math.inf
    out = left[0]
    back = out - way
    if not 0 <= back < len(x) or not inside[back]:  # not inside even where it begins: told apart all the way
        return float(middle)
    share = excess[back] / (excess[back] - excess[out])
    return float(x[back] + share * (x[out] - x[back]))


def _from_draws(
    names: Sequence[str],
    sources: Sequence[Source],
    spending: Sequence[Any],
    x: np.ndarray,
    wide: np.ndarray,
    level: float,
    seed: int,
    how: Mapping[str, Any],
) -> _Compared:
    """Percentiles over draws, each recipe's shuffled for itself; a fit beside draws is drawn from its covariance."""
    point = _from_covariances(names, [s.without_uncertainty() for s in sources], spending, x, wide, level, seed, how)
    rng = np.random.default_rng(seed)
    missing = [n for n, s in zip(names, sources, strict=True) if s.draws is None and s.covariance is None]
    if missing:
        return point
    count = min([_MOST_DRAWS, *(len(s.draws) for s in sources if s.draws is not None)])
    scales = np.append(x, wide)
    grid = np.linspace(scales.min() - _FACTOR, scales.max() + _FACTOR, _POINTS_OF_DRAWS)
    curves = []
    for k, (source, money) in enumerate(zip(sources, spending, strict=True)):
        tell(k, len(sources), "recipes drawn")
        curves.append(curves_of_draws(source, _drawn(source, count, rng), grid, cost=money, **how))
    wanted = curves[0].value_at(scales)
    needed = np.stack([_reach_where_known(curve, wanted) for curve in curves[1:]])  # (k, draws, n + 2)
    shifted = np.where(np.isnan(needed).any(axis=0), np.nan, needed)
    ends = np.full((len(needed), len(x), 2), np.nan)
    for i in range(len(x)):
        known = shifted[:, ~np.isnan(shifted[:, :, i]).any(axis=0), i]
        if known.shape[1] > level * count:
            ends[:, i] = balanced_percentiles(known, level)
    trends = []
    for k, (value, _) in enumerate(point.trends):
        low, high = shifted[k, :, len(x)], shifted[k, :, len(x) + 1]
        with np.errstate(invalid="ignore"):
            each = 1 - (high - low) / (wide[1] - wide[0])
        each = each[np.isfinite(each)]
        pair = (
            np.quantile(each, [(1 - level) / 2, (1 + level) / 2]) if len(each) > level * count else np.full(2, np.nan)
        )
        trends.append((value, pair))
    method = f"Intervals: percentiles of {count} draws of each recipe, {100 * level:g} %"
    method += ", for all recipes at once." if len(needed) > 1 else "."
    return _Compared(point.response, point.needed, ends, trends, point.joint, method)


def _reach_where_known(curve: FrontierCurve, wanted: np.ndarray) -> np.ndarray:
    """`reach` by draw; nan where a curve has gaps."""
    whole = np.isfinite(curve.value).all(axis=1) & np.isfinite(wanted).all(axis=1)
    out = np.full(wanted.shape, np.nan)
    if whole.any():
        out[whole] = FrontierCurve(curve.x, curve.value[whole], curve.slope[whole]).reach(wanted[whole])
    return out


def balanced_percentiles(values: np.ndarray, level: float) -> np.ndarray:
    """Percentile intervals (k, 2) of k quantities (k, draws) that hold for all at once in a share `level` of the draws,
    and of each in the same share; infinite values are the largest or least."""
    k, count = values.shape
    if k > 1:
        ranks = (np.argsort(np.argsort(values, axis=1), axis=1) + 0.5) / count
        level = 1 - np.quantile(2 * np.minimum(ranks, 1 - ranks).min(axis=0), 1 - level)
    tails = [(1 - level) / 2, (1 + level) / 2]
    return np.quantile(values, tails, axis=1, method="nearest").T


def _drawn(source: Source, count: int, rng: np.random.Generator) -> np.ndarray:
    if source.draws is not None:
        return source.draws[rng.permutation(len(source.draws))[:count]]
    names, matrix = source.covariance.names, np.asarray(source.covariance.matrix)
    draws = np.repeat(source.theta[None], count, axis=0)
    draws[:, [source.law.index(n) for n in names]] += rng.multivariate_normal(np.zeros(len(names)), matrix, count)
    return draws


def _recipes(
    source: Any, by: str | None, law: Law | str, options: Mapping[str, Any], progress: Progress | bool | None
) -> Mapping[str, Any]:
    if isinstance(source, Mapping) and by is None and not options:
        return source
    if not isinstance(source, Fits):
        if by is None:
            raise InputError(
                "recipes are compared from fits: a mapping of name to fit, the result of fit_many, or a table of runs "
                'with by= ("recipe"), the column that names them'
            )
        source = fit_many(law, source, by=by, progress=progress, **options)
    return {name: source[name] if name else None for name, _ in source.entries}


def _chosen(recipes: Mapping[str, Any], between: Sequence[str] | None) -> list[str]:
    names = list(recipes) if between is None else [between] if isinstance(between, str) else list(between)
    for name in names:
        if name not in recipes:
            raise InputError(f"there is no recipe {quoted(name)}; there are {listed(list(recipes))}")
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"name two recipes or more, the baseline first; got {listed(names) or 'none'}")
    return names


def _check_alike(names: Sequence[str], sources: Sequence[Source]) -> None:
    first = sources[0].law.response
    for name, source in zip(names, sources, strict=True):
        other = source.law.response
        if (other.name, other.better) != (first.name, first.better):
            raise InputError(
                f"{inert(names[0])} predicts {first.name} and {inert(name)} {other.name}: recipes are compared by one "
                "response"
            )


def _cost(source: Source, cost: CostModel | str) -> Any:
    """The cost, or the variable itself of a law of one."""
    return (cost_of_one_variable(source.law, {}) or cost) if cost is costs.six_nd else cost


def _around(scales: np.ndarray, also: np.ndarray | tuple = ()) -> np.ndarray:
    """Logs of compute to tabulate a curve at."""
    ends = scales.min() - _FACTOR, scales.max() + _FACTOR
    return np.unique(np.concatenate([np.linspace(*ends, _POINTS), also]))


def _trend_ends(x: np.ndarray) -> np.ndarray:
    """Between which scales the trend is taken: all that were asked for, or a decade around them."""
    return np.array(
        [x[0], x[-1]] if x[-1] - x[0] >= _SHORTEST_TREND else [x[0] - _SHORTEST_TREND, x[-1] + _SHORTEST_TREND]
    )


def _compute_for(source: Source, name: str, loss: Any, how: Mapping[str, Any]) -> np.ndarray:
    """Logs of the compute with which the baseline reaches each loss."""
    targets = request_of(source, reach_loss=loss, cost=how["cost"], limits=how["limits"]).targets
    wanted = np.log(targets) if how["logged"] else np.asarray(targets)
    wanted = -wanted if source.law.response.better == "higher" else wanted
    x = curve_of(source, _WIDEST, **how).reach(wanted)
    if lost := [t for t, at in zip(targets, x, strict=True) if not math.isfinite(at)]:
        given = source.response.to_given(lost[0])
        raise InputError(
            f"the baseline {inert(name)} reaches no {source.response.given_name} of {format_number(given)}, by its law"
        )
    for _ in range(2):
        x = curve_of(source, _around(x, x), **how).reach(wanted)
    return np.unique(x)


def _ratios(logs: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What is needed, as a multiple of the baseline's compute: logs (k, n) or (k, n, 2); infinite beyond 100 times, 0
    below a hundredth."""
    more = logs - (x if logs.ndim == 2 else x[:, None])
    more = np.where(more > _FACTOR, np.inf, np.where(more < -_FACTOR, -np.inf, more))
    return np.exp(more)


def _row(name: str, compute: float, response: float, ratio: float, ends: np.ndarray, threshold: float) -> EqualLoss:
    interval = None if np.isnan(ends).any() else (float(ends[0]), float(ends[1]))
    return EqualLoss(name, compute, response, ratio * compute, ratio, interval, choice_of(interval, threshold))


def _trend(name: str, wide: np.ndarray, value: float, ends: np.ndarray) -> ScaleTrend:
    decade = math.log(10.0)
    interval = None if np.isnan(ends).any() else (math.exp(decade * ends[0]), math.exp(decade * ends[1]))
    low, high = np.exp(wide)
    return ScaleTrend(name, float(low), float(high), math.exp(decade * value), interval)


def _notes(names: Sequence[str], sources: Sequence[Source], x: np.ndarray) -> list[str]:
    """What to know before the verdict is believed."""
    notes, far = [], dict[str, float]()
    for name, source in zip(names, sources, strict=True):
        if not source.trustworthy:
            codes = ", ".join(dict.fromkeys(source.record.verdict.codes))
            notes.append(f"The fit of {inert(name)} is NOT TRUSTWORTHY ({codes}): see its report.")
        runs = getattr(source.record, "runs", None)
        if runs is not None and {"N", "D"} <= set(runs.variables):
            far[name] = x[-1] / math.log(10) - math.log10(float(runs.variable("C").max()))
    if far and max(far.values()) > 1:
        notes.append(f"The largest scale is up to {max(far.values()):.1f} decades beyond the runs.")
    if len(names) > 2:
        notes.append("The best of several is the lucky one too; these intervals allow for that.")
    return notes
