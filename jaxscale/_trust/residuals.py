"""What residuals say against a law: trends, runs that err together, terms that are missing.

Of many tables at once, see `SideBySide`, or of a linearization and `logs`, the scalar variables of the law at the runs
used, logged where positive.
"""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import stdtr

from jaxscale._base.robust import median_of_sorted, quantiles_of
from jaxscale._trust.linearization import DECILES, Linearization
from jaxscale._trust.neighbours import correlation_at_most
from jaxscale._trust.robust_fits import in_parts
from jaxscale._trust.tables_beside import SideBySide

FEWEST_RUNS_FOR_TRENDS = 20
DEPENDENCE = 0.3  # rank correlation of neighbours, from which on somebody is told
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
_WORTH_A_FIT = 2.0  # t of the score of a term, below which nobody fits it


def trends(side: SideBySide) -> list[list[str]]:
    """Variables with which residuals rise or fall, or with the distance from whose middle."""
    return _trends(side, np.array(side.ask(_residual_ranks)))


def trends_of_scores(side: SideBySide) -> list[list[str]]:
    """The same of psi: of a law that lies below most runs, shares of runs below it."""
    return _trends(side, ranks_of(side.psi, side.counts))


def _trends(side: SideBySide, ranks: np.ndarray) -> list[list[str]]:
    names, logs = _with_compute(side)
    if not names:
        return [[] for _ in side.tables]
    real, counts = side.real[:, None], side.counts
    bends = np.abs(logs - median_of_sorted(np.sort(np.where(real, logs, np.inf), axis=-1), counts[:, None])[..., None])
    chances = _rank_p_values(ranks_of(np.concatenate([logs, bends], axis=1), counts), ranks, counts)
    varied = np.array(side.ask(_values_taken)) >= 3
    found = varied & (np.fmin(chances[:, : len(names)], chances[:, len(names) :]) < _TREND_P_VALUE)
    return [[name for name, one in zip(names, mine, strict=True) if one] for mine in found]


def _with_compute(side: SideBySide) -> tuple[list[str], np.ndarray]:
    """The names of the variables and their logs, with compute behind them where there are N and D."""
    names, logs = list(side.names), side.logs
    if {"N", "D"} <= set(names) and "C" not in names:
        logs = np.concatenate([logs, (logs[:, names.index("N")] + logs[:, names.index("D")])[:, None]], axis=1)
        names.append("C")
    return names, logs


def ranks_of(values: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Ranks from 1 of values (..., n) among their row, equal values sharing their mean, centred on zero; of the first
    `counts`, (tables,), of each table's rows, (tables, ..., n), where not of all, with zeros behind them."""
    n = values.shape[-1]
    at = np.arange(n)
    count, padding = n, None
    if counts is not None and (counts < n).any():
        count = counts.reshape(-1, *[1] * (values.ndim - 1))
        padding = at >= count
        values = np.where(padding, np.inf, values)
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    edge = np.ones((*values.shape[:-1], n + 1), bool)  # between values that differ, and at both ends
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=edge[..., 1:-1])
    first = np.maximum.accumulate(np.where(edge[..., :-1], at, 0), axis=-1)
    last = np.minimum.accumulate(np.where(edge[..., 1:], at, n)[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last - (count - 1)), axis=-1)
    return ranks if padding is None else np.where(padding, 0.0, ranks)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of ranks as `ranks_of` gives them; nan if one does not vary."""
    with np.errstate(invalid="ignore"):
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _rank_p_values(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Two-sided p-values of Spearman's correlation of ranks (tables, k, n) with ranks (tables, n), by Student's t
    (Kendall & Stuart 1973, sec. 31.19); nan where one does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = (x @ y[..., None])[..., 0] / np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1)[:, None])
        freedom = counts[:, None] - 2
        return 2 * stdtr(freedom, -np.abs(rho) * np.sqrt(freedom / np.maximum(1 - rho**2, 1e-300)))


def distinct(values: np.ndarray, most: int) -> int:
    """How many values there are, of which each is at least 2 % (0.02 in logs) above the one before; `most` or fewer."""
    return int(distinct_values(values, np.ones(values.shape, bool), most))


def distinct_values(values: np.ndarray, real: np.ndarray, most: int) -> np.ndarray:
    """The same of values (..., n), or of several a table (tables, any, n), as far as they are `real`, (..., n)."""
    there = (real[:, None] if values.ndim > real.ndim else real) & np.isfinite(values)
    last = np.max(values, axis=-1, initial=-np.inf, where=there)
    least = np.min(values, axis=-1, initial=np.inf, where=there)
    count = np.isfinite(least) * 1
    for further in range(1, most):
        more = last > least + 0.02
        count += more
        if further + 1 == most or not more.any():
            break
        least = np.min(values, axis=-1, initial=np.inf, where=there & (values > least[..., None] + 0.02))
    return count


def _residual_ranks(side: SideBySide) -> list[np.ndarray]:
    return list(ranks_of(-side.above, side.counts))


def three_values(side: SideBySide) -> list[dict[str, int]]:
    """How many values each log takes, see `distinct`: up to three."""
    return [dict(zip(side.names, map(int, mine), strict=False)) for mine in side.ask(_values_taken)]


def _values_taken(side: SideBySide) -> list[np.ndarray]:
    """How many values each variable and compute take, up to three, (variables,) of each table."""
    return list(distinct_values(_with_compute(side)[1], side.real, most=3))


def across_to_along(side: SideBySide) -> list[float]:
    """Spread of the logs, each over its own, across their common direction as a share of that along it."""
    if len(side.names) < 2:
        return [1.0] * len(side.tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = side.centred / np.sqrt((side.centred**2).sum(axis=2, keepdims=True))
    square = np.linalg.eigvalsh(np.nan_to_num(scaled @ np.swapaxes(scaled, 1, 2)))
    return np.sqrt(np.maximum(square[:, 0], 0.0) / np.maximum(square[:, -1], 1e-300)).tolist()


def dependence(side: SideBySide) -> list[float]:
    """`neighbour_correlation` of independent runs: where several rows belong to one, of their means; 0 where there are
    too few of those."""
    return [_dependence(side, k) for k in range(len(side.tables))]


def strong_dependence(side: SideBySide) -> list[float]:
    """The same where it is above `DEPENDENCE`; of tables where it cannot be, 0."""
    strong = np.ones(len(side.tables), bool)
    if len(side.names) == 2 and side.above.shape[1] >= FEWEST_RUNS_FOR_TRENDS:
        most = correlation_at_most(side.logs, side.real, np.array(side.ask(_residual_ranks)))
        strong = ~(most < DEPENDENCE) | [table.clusters is not None for table in side.tables]
    return [_dependence(side, k) if far else 0.0 for k, far in enumerate(strong)]


def _dependence(side: SideBySide, k: int) -> float:
    """`dependence` of one table."""
    # Of a regular design many runs are equally near, so that the last bit of a distance chooses: as NumPy sums columns.
    table, n = side.tables[k], side.counts[k]
    points, ranks = np.ascontiguousarray(side.logs[k, :, :n].T), side.ask(_residual_ranks)[k][:n]
    if table.clusters is not None:
        names = np.array(table.clusters)[table.at.used]
        _, index, count = np.unique(names, return_inverse=True, return_counts=True)
        points = np.stack([np.bincount(index, x) / count for x in points.T], axis=1)
        ranks = ranks_of(np.bincount(index, table.at.residuals[table.at.used]) / count)
    fewest = 2 if table.clusters is None else FEWEST_RUNS_FOR_TRENDS
    return _near(points, ranks) if len(ranks) >= fewest and points.size else 0.0


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
        count, (low, middle, high) = len(above), quantiles_of(above, DECILES)
    skew = (high + low - 2 * middle) / (high - low) if high > low else 0.0
    return float(skew), float(max(_SKEW_OF_NOISE / np.sqrt(count), _LEAST_SKEW))


def missing_terms(side: SideBySide) -> list[dict[tuple[str, str], tuple[float, float]]]:
    """(t, size) of those products of two centred log variables that would matter in the law, beside its parameters.

    Each is added to the linearized law by itself and fitted by Huber's estimator matched to the noise; t is robust to
    heteroscedasticity, size the spread of the term's own share of the log response.
    """
    found: list[dict[tuple[str, str], tuple[float, float]]] = [{} for _ in side.tables]
    n, p = side.counts, side.law.shape[2]
    pairs = [(i, j) for i in range(len(side.names)) for j in range(i, len(side.names))]
    some = np.flatnonzero(side.full & (n - p >= 5))
    if not pairs or not len(some):
        return found
    basis, centred, n = side.law[some], side.centred[some], n[some]
    terms = np.stack([centred[:, i] * centred[:, j] for i, j in pairs], axis=1)
    terms = terms - (terms @ basis) @ np.swapaxes(basis, 1, 2)
    middle = terms.sum(axis=-1, keepdims=True) / n[:, None, None]
    spread = np.sqrt((((terms - middle) * side.real[some, None]) ** 2).sum(axis=-1) / n[:, None])
    real = spread > 1e-9 * np.abs(terms).max(axis=(1, 2), initial=1e-300)[:, None]
    which, of = np.nonzero(real)
    terms = terms[which, of] / spread[which, of, None]
    if side.tables[0].at.matchable:
        asked = _worth_a_fit(terms, side.matched.psi[some][which], n[which] - p - 1)
        asked |= _worth_a_fit(terms, side.matched.left[some][which], n[which] - p - 1)
        asked |= np.ptp(np.where(side.real, side.evened, 1.0)[some], axis=1)[which] > 1e-9
        which, of, terms = which[asked], of[asked], terms[asked]
    if not len(which):
        return found
    columns = np.concatenate([basis[which], terms[..., None]], axis=-1)
    fits = in_parts(columns, side.above[some][which], side.weights[some][which], n[which])
    scores = fits.psi * (columns @ np.linalg.inv(fits.bend)[:, -1, :, None])[..., 0]
    error = np.sqrt((scores**2).sum(axis=1) * n[which] / (n[which] - p - 1))
    size = np.abs(fits.found[:, -1])
    t = size / np.maximum(error, 1e-300)
    for k in np.flatnonzero((t > _BENT_T) & (size > _BENT_SIZE)):
        first, second = (side.names[i] for i in pairs[of[k]])
        found[some[which[k]]][first, second] = float(t[k]), float(size[k])
    return found


def _worth_a_fit(terms: np.ndarray, psi: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """For which terms (fits, rows) beside the law what it leaves, as it counts or as it is, (fits, rows), speaks: t of
    the score, with one variance for all runs or each its own (White 1980), is not small."""
    scores = terms * psi
    along, square = np.abs(scores.sum(axis=1)), (psi**2).sum(axis=1) * (terms**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = along * np.sqrt(freedom / np.maximum(square - along**2, 0.0))
        own = along / np.sqrt((scores**2).sum(axis=1))
    return ~(np.maximum(pooled, own) < _WORTH_A_FIT)


def neighbour_correlation(points: np.ndarray, residuals: np.ndarray) -> float:
    """Rank correlation of each run's residual with its nearest neighbour's.

    points (n, k), each column scaled by its spread.
    """
    return _near(points, ranks_of(residuals))


def _near(points: np.ndarray, ranks: np.ndarray) -> float:
    """`neighbour_correlation` by ranks of residuals."""
    spread = points.std(axis=0)
    scaled = points / np.where(spread > 0, spread, 1.0)
    _, nearest = cKDTree(scaled, leafsize=10).query(scaled, k=2)  # KDTree, which asks what it is given
    itself = np.arange(len(points))
    neighbour = np.where(nearest[:, 1] == itself, nearest[:, 0], nearest[:, 1])
    near = ranks[neighbour]
    return _rank_correlation(ranks, near - near.sum() / len(near))


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


def cross_term_scores(side: SideBySide) -> list[float | None]:
    """t of a score test for a term in log N x log D (centred), robust to heteroscedasticity; None without one.

    The residuals are those of the linearized law fitted by Huber's estimator matched to the noise, whatever the fit's
    own objective; the candidate's column is its part outside the Jacobian.
    """
    if not {"N", "D"} <= set(side.names):
        return [None] * len(side.tables)
    column = side.centred[:, side.names.index("N")] * side.centred[:, side.names.index("D")]
    fresh = column - (side.law @ (column[:, None] @ side.law)[:, 0, :, None])[..., 0]
    scores = fresh * side.matched.psi
    n = side.counts
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((scores**2).sum(axis=1) * n / (n - side.law.shape[2] - 1))
        found = scores.sum(axis=1) / spread
    return [
        float(t) if off > 0 and table.at.freedom >= 5 else None
        for t, off, table in zip(found, spread, side.tables, strict=True)
    ]
