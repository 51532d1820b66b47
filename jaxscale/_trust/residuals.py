"""What residuals say against a law: trends, runs that err together, terms that are missing.

Takes a linearization and `logs`, the scalar variables of the law at the runs used, logged where positive.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import KDTree
from scipy.special import stdtr

from jaxscale._trust.linearization import DECILES, Linearization
from jaxscale._trust.questions import Asking
from jaxscale._trust.robust_fits import Asked

FEWEST_RUNS_FOR_TRENDS = 20
# Set by simulation of the Chinchilla law with Gaussian and Student-t(4) noise (`studies.one_sided`): reached by .3 to
# .7 % of tables of 12 to 1,000 runs.
_SKEW_OF_NOISE = 2.9  # over the root of the number of runs
_LEAST_SKEW = 0.25  # a fourth; of exponential scatter it is .47, of half-normal .36
MOST_NAMED = 8
NEGLIGIBLE_RESIDUAL = 1e-3  # residuals of logs below which their shape and their dependence do not matter
_TREND_P_VALUE = 1e-4
# Set on the tuning seeds of studies/verdicts.py: sound tables reach the first numbers, wrong decisions begin at the
# others.
_BENT_T, _BENT_SIZE = 5.0, 0.0065  # 4.3 and .0054, 7.9 and .0074: t and size (of the log response) of a missing term


def trends(logs: Mapping[str, np.ndarray], residual_ranks: np.ndarray) -> list[str]:
    """Variables with which residuals rise or fall, or with the distance from whose middle."""
    names = [name for name, values in logs.items() if distinct(values, most=3) >= 3]
    if not names:
        return []
    values = np.stack([logs[name] for name in names])
    bends = np.abs(values - np.median(values, axis=1, keepdims=True))
    chances = _rank_p_values(ranks_of(np.concatenate([values, bends])), residual_ranks).reshape(2, -1)
    return [name for name, chance in zip(names, np.fmin(*chances), strict=True) if chance < _TREND_P_VALUE]


def ranks_of(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 of values (..., n) among their row, equal values sharing their mean, centred on zero."""
    n = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    edge = np.ones((*values.shape[:-1], n + 1), bool)  # between values that differ, and at both ends
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=edge[..., 1:-1])
    at = np.arange(n)
    first = np.maximum.accumulate(np.where(edge[..., :-1], at, 0), axis=-1)
    last = np.minimum.accumulate(np.where(edge[..., 1:], at, n)[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last) - 0.5 * (n - 1), axis=-1)
    return ranks


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of ranks as `ranks_of` gives them; nan if one does not vary."""
    with np.errstate(invalid="ignore"):
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _rank_p_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two-sided p-values of Spearman's correlation of ranks (k, n) with ranks (n,), by Student's t (Kendall & Stuart
    1973, sec. 31.19); nan where one does not vary."""
    with np.errstate(invalid="ignore"):
        rho = x @ y / np.sqrt((x * x).sum(axis=1) * (y @ y))
    freedom = len(y) - 2
    return 2 * stdtr(freedom, -np.abs(rho) * np.sqrt(freedom / np.maximum(1 - rho**2, 1e-300)))


def distinct(values: np.ndarray, most: int) -> int:
    """How many values there are, of which each is at least 2 % (0.02 in logs) above the one before; `most` or fewer."""
    ordered = np.sort(values)
    count = position = 0
    while position < len(ordered) and count < most:
        count += 1
        position = int(np.searchsorted(ordered, ordered[position] + 0.02, side="right"))
    return count


def dependence(at: Linearization, logs: Mapping[str, np.ndarray], clusters: tuple[str, ...] | None) -> float:
    """`neighbour_correlation` of independent runs: where several rows belong to one, of their means."""
    points, residuals = np.stack(list(logs.values()), axis=1), at.residuals[at.used]
    if clusters is not None:
        _, index, count = np.unique(np.array(clusters)[at.used], return_inverse=True, return_counts=True)
        if len(count) < FEWEST_RUNS_FOR_TRENDS:
            return 0.0
        points = np.stack([np.bincount(index, x) / count for x in points.T], axis=1)
        residuals = np.bincount(index, residuals) / count
    return neighbour_correlation(points, residuals)


def scatters_above(at: Linearization, clusters: tuple[str, ...] | None) -> bool:
    """Whether losses scatter further above a law that is fitted to their middle than below it, as no noise would."""
    if at.scatter.share_below != 0.5 or not at.sigma > NEGLIGIBLE_RESIDUAL:
        return False
    skew, of_noise = skewness(at, clusters)
    return skew > of_noise


def skewness(at: Linearization, clusters: tuple[str, ...] | None) -> tuple[float, float]:
    """How much further losses scatter above the law than below it, and what noise alone hardly reaches.

    The first is the decile skewness (q90 + q10 - 2 q50) / (q90 - q10) of log observed - log predicted (or the plain
    difference; Hinkley 1975, Biometrika 62), which the worst tenth does not move; of independent runs, the means of
    their rows. Residuals are those of the linearized law fitted by Huber's estimator matched to the noise.
    """
    if not at.matchable:
        return 0.0, np.inf
    count, (low, middle, high) = len(at.matched.left), at.deciles
    if clusters is not None:
        _, index, rows = np.unique(np.array(clusters)[at.used], return_inverse=True, return_counts=True)
        above = np.bincount(index, at.matched.left) / rows
        count, (low, middle, high) = len(above), np.quantile(above, DECILES)
    skew = (high + low - 2 * middle) / (high - low) if high > low else 0.0
    return float(skew), float(max(_SKEW_OF_NOISE / np.sqrt(count), _LEAST_SKEW))


def missing_terms(
    at: Linearization, logs: Mapping[str, np.ndarray]
) -> Asking[dict[tuple[str, str], tuple[float, float]]]:
    """(t, size) of those products of two centred log variables that would matter in the law, beside its parameters.

    Each is added to the linearized law by itself and fitted by Huber's estimator matched to the noise; t is robust to
    heteroscedasticity, size the spread of the term's own share of the log response.
    """
    used = at.used
    residuals, weights = -at.residuals[used], at.weights[used]
    n, p = len(residuals), int((~at.held).sum())
    centred = {name: x - x.mean() for name, x in logs.items()}
    pairs = [(a, b) for k, a in enumerate(centred) for b in list(centred)[k:]]
    basis = at.directions
    if n - p < 5 or not pairs or basis.shape[1] < p:
        return {}
    terms = np.stack([centred[a] * centred[b] for a, b in pairs])
    terms = terms - (terms @ basis) @ basis.T
    spread = terms.std(axis=1)
    real = spread > 1e-9 * np.abs(terms).max(initial=1e-300)
    pairs = [pair for pair, keep in zip(pairs, real, strict=True) if keep]
    terms = terms[real] / spread[real, None]
    asked = [Asked(np.concatenate([basis, term[:, None]], axis=1), residuals, weights) for term in terms]
    fits = yield asked
    found = {}
    for pair, (columns, *_), fit in zip(pairs, asked, fits, strict=True):
        scores = fit.psi * (columns @ np.linalg.inv(fit.bend)[-1])
        error = math.sqrt((scores @ scores) * n / (n - p - 1))
        size = abs(float(fit.found[-1]))
        t = size / max(error, 1e-300)
        if t > _BENT_T and size > _BENT_SIZE:
            found[pair] = t, size
    return found


def neighbour_correlation(points: np.ndarray, residuals: np.ndarray) -> float:
    """Rank correlation of each run's residual with its nearest neighbour's.

    points (n, k), each column scaled by its spread.
    """
    spread = points.std(axis=0)
    scaled = points / np.where(spread > 0, spread, 1.0)
    _, nearest = KDTree(scaled).query(scaled, k=2)
    itself = np.arange(len(points))
    neighbour = np.where(nearest[:, 1] == itself, nearest[:, 0], nearest[:, 1])
    ranks = ranks_of(residuals)
    near = ranks[neighbour]
    return _rank_correlation(ranks - ranks.mean(), near - near.mean())


def correlation_along(labels: Sequence[str], progress: np.ndarray, residuals: np.ndarray) -> tuple[float, int]:
    """Rank correlation of residuals with those of the next row of the same label, by progress, and of how many pairs;
    0 where there are fewer than ten."""
    order = np.lexsort((progress, np.unique(np.array(labels), return_inverse=True)[1]))
    ranks, names = ranks_of(residuals)[order], np.array(labels)[order]
    follows = names[1:] == names[:-1]
    left, right = ranks[:-1][follows], ranks[1:][follows]
    if len(left) < 10:
        return 0.0, len(left)
    rho = _rank_correlation(left - left.mean(), right - right.mean())
    return (rho if np.isfinite(rho) else 0.0), len(left)


def cross_term_score(at: Linearization, logs: Mapping[str, np.ndarray]) -> float | None:
    """t of a score test for a term in log N x log D (centred), robust to heteroscedasticity; None without one.

    The residuals are those of the linearized law fitted by Huber's estimator matched to the noise, whatever the fit's
    own objective; the candidate's column is its part outside the Jacobian.
    """
    if not {"N", "D"} <= set(logs) or at.freedom < 5:
        return None
    basis, psi = at.directions, at.matched.psi
    column = (logs["N"] - logs["N"].mean()) * (logs["D"] - logs["D"].mean())
    scores = (column - basis @ (basis.T @ column)) * psi
    n = len(scores)
    spread = np.sqrt((scores**2).sum() * n / (n - basis.shape[1] - 1))
    return float(scores.sum() / spread) if spread > 0 else None
