"""What the runs say against a law that is not hidden in its own scatter: a smooth surface, repeated runs, groups.

All by robust linear fits beside the linearized law, of many tables at once: nothing is compiled for them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc

from jaxscale._base.robust import sigma_of_sorted
from jaxscale._trust.robust_fits import RobustFits, in_parts
from jaxscale._trust.tables_beside import OneTable, SideBySide

_DEGREES = 2, 3
_FRESH = 1e-2  # share of a direction that the law does not span already
_LEAST_ROOM = 0.05  # of 1 - leverage
_ALIKE = 0.02  # runs that close in every log repeat one another
_FEWEST_LEFT, _FEWEST_REPEATS = 6, 6  # degrees of freedom beside the surface, and among repeated runs
_MOST_PLACES = 200  # that have a mean of their own: those where most runs repeat
# Of larger tables so many runs show whether they do, some at each place: enough for a misfit of a tenth of the noise.
_MOST_REPEATS = 20_000
_REPEATS = "runs that repeat"
_CAPPED = 3.0  # robust standard deviations beyond which the residual of one run counts no more
_WORTH_A_FIT = 0.1  # chances by what the law leaves alone, from which on nobody fits what is beside it
_CUTS, _ONE_BUDGET = 8, 0.01  # parts of a table by compute; runs that close in log compute are of one budget
_WORTH_A_STEP = 1e-2  # as `_WORTH_A_FIT`, of many ways of which few matter
_LIKELY = 1e-2  # chances from which on nobody asks by how much the law errs at runs left out


class Misfit(NamedTuple):
    """How much better than the law a richer description fits.

    f, p: F statistic of its further columns and the chance of a larger one under the law. size: standard deviation of
    what it adds in these runs, noise taken off. ratio: error of the law over its own at runs left out; nan where p is
    above 1 %.
    """

    against: str
    f: float
    p: float
    size: float
    ratio: float


def misfits(side: SideBySide) -> list[Misfit | None]:
    """Of each table the description among polynomials in the logs and groups of repeated runs that speaks most against
    the law."""
    found: list[Misfit | None] = [None] * len(side.tables)
    some = np.flatnonzero(side.full) if side.law.shape[2] and side.names else np.empty(0, int)
    if not len(some):
        return found
    part = side if len(some) == len(found) else side.some(some)
    for k, one in zip(some, _worst(part, part.matched, list(_surfaces(part))), strict=True):
        found[k] = one
    for k in some[_may_repeat(part)]:
        found[k] = min(
            (one for one in (found[k], _of_repeats(side.tables[k])) if one is not None),
            key=lambda one: (one.p, -one.f),
            default=None,
        )
    return found


def misfit_between(table: OneTable, levels: Mapping[str, np.ndarray]) -> Misfit | None:
    """The column whose values lie farthest from one law; levels: by column (n_used, values), 1 where a run has one."""
    if not levels:
        return None
    side = SideBySide.of([table])
    ways = [(name, columns[None]) for name, columns in levels.items()]
    return _worst(side, side.matched, ways)[0] if side.full[0] and side.law.size else None


class Step(NamedTuple):
    """Where runs of more compute lie otherwise than the law says of them by the others.

    misfit: see `Misfit`. least: log N D of the first of them. runs: how many they are. off: by how much they lie above.
    """

    misfit: Misfit
    least: float
    runs: int
    off: float


def steps(side: SideBySide) -> list[Step | None]:
    """Of each table of N and D the compute from which on runs speak most against the law, among those of most compute
    and seven cuts in between: a corpus that was exchanged, a budget cut short, which no smooth surface follows."""
    found: list[Step | None] = [None] * len(side.tables)
    some = np.flatnonzero(side.full) if side.law.shape[2] and {"N", "D"} <= set(side.names) else np.empty(0, int)
    if not len(some):
        return found
    part = side if len(some) == len(found) else side.some(some)
    compute = part.logs[:, part.names.index("N")] + part.logs[:, part.names.index("D")]
    ordered = np.sort(np.where(part.real, compute, np.inf), axis=1)
    most = np.max(np.where(part.real, compute, -np.inf), axis=1)
    cuts = [most - _ONE_BUDGET]
    for share in np.arange(1, _CUTS) / _CUTS:
        at = ordered[np.arange(len(some)), (share * part.counts).astype(int)]
        cuts.append(np.minimum(at, most) - _ONE_BUDGET)
    above = [part.real & (compute > cut[:, None]) for cut in cuts]
    ways = [(str(k), upper[..., None] * 1.0) for k, upper in enumerate(above)]
    for i, one in enumerate(_worst(part, part.matched, ways, _WORTH_A_STEP)):
        if one is not None:
            upper = above[int(one.against)][i]
            fresh = upper - part.law[i] @ (part.law[i].T @ upper)
            # What is added is that much along what the law does not span of these runs (Frisch and Waugh 1933).
            far = one.size * np.sqrt(part.counts[i] / max(fresh @ fresh, 1e-300))
            off = float(np.copysign(far, fresh @ part.matched.psi[i]))
            found[some[i]] = Step(one, float(compute[i][upper].min()), int(upper.sum()), off)
    return found


def inflation(psi: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """By how much errors that rows of a unit share widen variances (design effect: Kish 1965, sec. 5.4), (fits,): psi
    (fits, rows), zero where there is no run, units of each row, None where each is one."""
    if units is None:
        return np.ones(len(psi))
    most = int(units.max(initial=0)) + 1
    places = units + most * np.arange(len(units))[:, None]
    sums = np.bincount(places.ravel(), psi.ravel(), minlength=most * len(units)).reshape(len(units), most)
    return np.maximum(1.0, (sums**2).sum(axis=1) / np.maximum((psi**2).sum(axis=1), 1e-300))


def _worst(
    side: SideBySide, law: RobustFits, alternatives: Sequence[tuple[str, np.ndarray]], worth: float = _WORTH_A_FIT
) -> list[Misfit | None]:
    """Of each table the alternative, further columns (tables, rows, any), that speaks most against the law; one whose
    chance by what the law leaves alone is not below `worth` is not fitted."""
    p, n, weights = side.law.shape[2], side.counts, side.evened
    alike = (np.abs(weights - side.real) < 1e-9).all(axis=1)  # weights of all runs
    alike &= np.array([table.clusters is None for table in side.tables])
    psi, left = law.psi, law.left - (side.law @ (np.swapaxes(side.law, 1, 2) @ law.left[..., None]))[..., 0]
    chances = np.full((len(alternatives), len(n)), np.inf)
    fs, sizes = np.zeros(chances.shape), np.zeros(chances.shape)
    fits: dict[tuple[int, int], tuple[np.ndarray, RobustFits, int]] = {}  # columns, fits, which of them
    for way, (_, further) in enumerate(alternatives):
        for tables, extra in _beside(side.law, further):
            q = extra.shape[2]
            enough = n[tables] - p - q >= np.maximum(_FEWEST_LEFT, n[tables] // 4)
            tables, extra = tables[enough], extra[enough]
            if not len(tables):
                continue
            fs[way, tables], chances[way, tables], sizes[way, tables] = _by_score(left[tables], extra, n[tables], p)
            # Outliers hide a misfit from the one, and what counts less as it is far off from the other.
            least = np.minimum(chances[way, tables], _by_score(psi[tables], extra, n[tables], p)[1])
            asked = (least < worth) | ~alike[tables]
            tables, extra = tables[asked], extra[asked]
            if not len(tables):
                continue
            both, w = np.concatenate([side.law[tables], extra], axis=2), weights[tables]
            rich = in_parts(both, side.above[tables], w, n[tables])
            variance, added = rich.variance, rich.found[:, p:]
            products = np.swapaxes(both, 1, 2) @ (both * w[..., None])
            across = products[:, :p, p:]
            precision = products[:, p:, p:] - np.swapaxes(across, 1, 2) @ np.linalg.solve(products[:, :p, :p], across)
            units = None if side.units is None else side.units[tables]
            with np.errstate(divide="ignore", invalid="ignore"):
                f = np.einsum("tq,tqr,tr->t", added, precision, added) / variance / q / inflation(rich.psi, units)
            sound = variance > 0
            chances[way, tables] = np.where(sound, fdtrc(q, n[tables] - p - q, f), np.inf)
            fs[way, tables] = f
            square = (added**2).sum(axis=1) / n[tables]  # of what is added: the columns are orthonormal
            sizes[way, tables] = np.sqrt(np.maximum(square - q * variance / n[tables], 0.0))
            likely = enumerate(tables.tolist())
            fits.update(((way, k), (both, rich, i)) for i, k in likely if chances[way, k] < _LIKELY)
    found: list[Misfit | None] = []
    for k, sound in enumerate(law.variance > 0):
        tried = [way for way in range(len(alternatives)) if chances[way, k] < np.inf]
        if not tried or not sound:
            found.append(None)
            continue
        way = min(tried, key=lambda way: (chances[way, k], -fs[way, k]))
        ratio, chance = np.nan, float(chances[way, k])
        if chance < _LIKELY:
            both, rich, i = fits[way, k]
            own = _left_out(both[i, : n[k]], rich.of(i))
            ratio = _left_out(side.law[k, : n[k]], law.of(k)) / own
        found.append(Misfit(alternatives[way][0], float(fs[way, k]), chance, float(sizes[way, k]), ratio))
    return found


def _by_score(
    left: np.ndarray, extra: np.ndarray, counts: np.ndarray, p: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F, its chance and the size of what orthonormal columns beside the law add, (tables,) each, of least squares, from
    what the law, which has p parameters, leaves (tables, rows)."""
    explained = ((left[:, None] @ extra) ** 2).sum(axis=(1, 2))
    q, total = extra.shape[2], (left**2).sum(axis=1)
    freedom = counts - p - q
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(total - explained, 0.0) / freedom
        f = explained / variance / q
    sizes = np.sqrt(np.maximum(explained - q * variance, 0.0) / counts)
    return f, np.where(total > 0, fdtrc(q, freedom, f), np.inf), sizes


def _left_out(columns: np.ndarray, fit: RobustFits) -> float:
    """Typical error of one fit at a run left out, by the hat matrix; single runs far off are capped."""
    left, weights = fit.left[: len(columns)], fit.weights[: len(columns)]
    leverage = weights * ((columns @ np.linalg.inv(fit.bend)) * columns).sum(axis=1)
    error = np.abs(left) / np.maximum(1 - leverage, _LEAST_ROOM)
    return float(np.sqrt(np.mean(np.minimum(error, _CAPPED * sigma_of_sorted(np.sort(error))) ** 2)))


def _beside(law: np.ndarray, further: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Orthonormal columns for what `further` (tables, rows, any) spans beside the law, (some, rows, q), and of which
    tables: those of one number q after the other."""
    fresh = further - law @ (np.swapaxes(law, 1, 2) @ further)
    square, axes = np.linalg.eigh(np.swapaxes(fresh, 1, 2) @ fresh)
    singular = np.sqrt(np.maximum(square, 0.0))
    kept = (singular > _FRESH * np.sqrt((further**2).sum(axis=1).max(axis=1))[:, None]).sum(axis=1)  # the last ones
    for q in np.unique(kept[kept > 0]):
        tables = np.flatnonzero(kept == q)
        yield tables, fresh[tables] @ (axes[tables, :, -q:] / singular[tables, None, -q:])


def _surfaces(side: SideBySide) -> Iterable[tuple[str, np.ndarray]]:
    """(what it is, columns (tables, rows, any)) of polynomials of all logs up to a degree; a log that does not vary has
    columns of zeros."""
    spread = np.sqrt(side.mean(side.centred**2))[..., None]
    varies = spread > 1e-9
    scaled = np.where(varies, side.centred / np.where(varies, spread, 1.0), 0.0)
    count = scaled.shape[1]
    varying = varies[..., 0].sum(axis=1)
    terms: list[np.ndarray] = [side.real * (varying > 0)[:, None] * 1.0]
    latest: dict[tuple[int, ...], np.ndarray] = {(): terms[0]}
    for degree in range(1, max(_DEGREES) + 1):
        powers = combinations_with_replacement(range(count), degree)
        latest = {c: latest[c[:-1]] * scaled[:, c[-1]] for c in powers}
        terms += latest.values()
        if degree in _DEGREES:
            name = f"a {('quadratic', 'cubic')[degree - 2]} in {' and '.join(f'log {x}' for x in side.names)}"
            fewer = np.array([comb(m + degree, degree) for m in range(count + 1)])[varying] <= side.counts
            yield name, np.stack(terms, axis=2) * fewer[:, None, None]


def _may_repeat(side: SideBySide) -> np.ndarray:
    """Tables of which enough runs may repeat others, (some,): those whose rounded logs repeat."""
    places = [np.sort(np.where(side.real, np.round(x / _ALIKE), np.inf), axis=1) for x in np.moveaxis(side.logs, 1, 0)]
    differ = np.array([(x[:, 1:] != x[:, :-1]).sum(axis=1) + 1 - (side.counts < x.shape[1]) for x in places])
    return np.flatnonzero(side.counts - differ.max(axis=0) >= np.maximum(_FEWEST_REPEATS, side.counts // 4))


def _of_repeats(table: OneTable) -> Misfit | None:
    """Whether runs that repeat one another, each group with a mean of its own, speak against the law."""
    side = SideBySide.of([table])
    found = _repeats(side)
    if found is None:
        return None
    rows, means = found
    if rows is None:
        return _worst(side, side.matched, [(_REPEATS, means[None])])[0]
    axes, singular, _ = np.linalg.svd(side.law[0, rows], full_matrices=False)
    some = replace(
        side,
        counts=np.array([len(rows)]),
        law=axes[None, :, singular > _FRESH * singular[0]],
        **{name: getattr(side, name)[:, rows] for name in ("above", "psi", "weights", "evened")},
        logs=side.logs[..., rows],
        _known={},
    )
    law = in_parts(some.law, some.above, some.weights, some.counts)
    return _worst(some, law, [(_REPEATS, means[None])])[0]


def _repeats(side: SideBySide) -> tuple[np.ndarray | None, np.ndarray] | None:
    """Of one table: rows, None for all, and columns (rows, places) of those that repeat one another; None where too few
    do."""
    n = int(side.counts[0])
    if side.units is not None:
        return None
    places, count = _alike([np.round(x / _ALIKE) for x in side.logs[0]])
    # Of fewer repeats too little is left beside the means; a row twice is no repeated run.
    if n - count < max(_FEWEST_REPEATS, n // 4) or _alike([places, side.above[0]])[1] < n:
        return None
    counts, rows = np.bincount(places), None
    most = np.sort(np.argsort(-counts, kind="stable")[:_MOST_PLACES])
    if n > _MOST_REPEATS:
        order, first = np.argsort(places, kind="stable"), np.cumsum(counts) - counts
        turn = np.empty(n, int)  # of each run among those of its place
        turn[order] = np.arange(n) - np.repeat(first, counts)
        step = -(-counts // (_MOST_REPEATS // len(most)))
        chosen = np.isin(places, most)
        kept, others = np.flatnonzero(chosen & (turn % step[places] == 0)), np.flatnonzero(~chosen)
        spread = -(-len(others) // max(_MOST_REPEATS - len(kept), 1))
        rows = np.sort(np.concatenate([kept, others[:: max(spread, 1)]]))
        places = places[rows]
    return rows, (places[:, None] == most) * 1.0


def _alike(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """The number of each row among those that differ, (n,), in their order, and how many differ."""
    values, group = np.unique(columns[0], return_inverse=True)
    for column in columns[1:]:
        others, place = np.unique(column, return_inverse=True)
        values, group = np.unique(group * len(others) + place, return_inverse=True)
    return group, len(values)
