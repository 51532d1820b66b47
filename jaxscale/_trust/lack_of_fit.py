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


# Names of alternatives to the law and their columns (tables, rows, any): of one all of them, else each is one.
Alternatives = tuple[Sequence[str], np.ndarray]


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
    for k, one in zip(some, _worst(part, part.matched, [([name], x) for name, x in _surfaces(part)]), strict=True):
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
    ways = [([name], columns[None]) for name, columns in levels.items()]
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
    middle = ordered[np.arange(len(some))[:, None], (np.arange(1, _CUTS) / _CUTS * part.counts[:, None]).astype(int)]
    cuts = np.concatenate([most[:, None], np.minimum(middle, most[:, None])], axis=1) - _ONE_BUDGET
    above = part.real[:, None] & (compute[:, None] > cuts[..., None])  # (tables, cuts, rows)
    ways = [([str(k) for k in range(_CUTS)], np.swapaxes(above * 1.0, 1, 2))]
    for i, one in enumerate(_worst(part, part.matched, ways, _WORTH_A_STEP)):
        if one is not None:
            upper = above[i, int(one.against)]
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
    side: SideBySide, law: RobustFits, alternatives: Sequence[Alternatives], worth: float = _WORTH_A_FIT
) -> list[Misfit | None]:
    """Of each table the alternative that speaks most against the law; one whose chance by what the law leaves alone is
    not below `worth` is not fitted."""
    p, n, weights = side.law.shape[2], side.counts, side.evened
    alike = (np.abs(weights - side.real) < 1e-9).all(axis=1)  # weights of all runs
    alike &= np.array([table.clusters is None for table in side.tables])
    # Outliers hide a misfit from what the law leaves, and what counts less as it is far off from that as it counts.
    left = np.stack([law.left, law.psi], axis=1)
    left -= (left @ side.law) @ np.swapaxes(side.law, 1, 2)
    total = np.stack([(left[:, 0] ** 2).sum(axis=1), (law.psi**2).sum(axis=1)], axis=1)
    names = [name for some, _ in alternatives for name in some]
    chances = np.full((len(names), len(n)), np.inf)
    fs, sizes, before = np.zeros(chances.shape), np.zeros(chances.shape), 0
    fits: dict[tuple[int, int], tuple[np.ndarray, RobustFits, int]] = {}  # columns, fits, which of them
    for some, further in alternatives:
        along = left @ further
        for which, tables, to in _beside(side.law, further, len(some) > 1):
            ways, q = before + which, to.shape[2]
            enough = n[tables] - p - q >= np.maximum(_FEWEST_LEFT, n[tables] // 4)
            ways, tables, to = ways[enough], tables[enough], to[enough]
            if not len(tables):
                continue
            explained = ((along[tables] @ to) ** 2).sum(axis=2)
            f, chance, size = _by_score(explained, total[tables], q, n[tables][:, None], p)
            fs[ways, tables], chances[ways, tables], sizes[ways, tables] = f[:, 0], chance[:, 0], size[:, 0]
            asked = (chance.min(axis=1) < worth) | ~alike[tables]
            ways, tables, to = ways[asked], tables[asked], to[asked]
            if not len(tables):
                continue
            basis, extra, w = side.law[tables], further[tables], weights[tables]
            extra = (extra - basis @ (np.swapaxes(basis, 1, 2) @ extra)) @ to
            both = np.concatenate([basis, extra], axis=2)
            rich = in_parts(both, side.above[tables], w, n[tables])
            variance, added = rich.variance, rich.found[:, p:]
            products = np.swapaxes(both, 1, 2) @ (both * w[..., None])
            across = products[:, :p, p:]
            precision = products[:, p:, p:] - np.swapaxes(across, 1, 2) @ np.linalg.solve(products[:, :p, :p], across)
            units = None if side.units is None else side.units[tables]
            with np.errstate(divide="ignore", invalid="ignore"):
                f = np.einsum("tq,tqr,tr->t", added, precision, added) / variance / q / inflation(rich.psi, units)
            sound = variance > 0
            chances[ways, tables] = np.where(sound, fdtrc(q, n[tables] - p - q, f), np.inf)
            fs[ways, tables] = f
            square = (added**2).sum(axis=1) / n[tables]  # of what is added: the columns are orthonormal
            sizes[ways, tables] = np.sqrt(np.maximum(square - q * variance / n[tables], 0.0))
            likely = enumerate(zip(ways.tolist(), tables.tolist(), strict=True))
            fits.update((pair, (both, rich, i)) for i, pair in likely if chances[pair] < _LIKELY)
        before += len(some)
    tried = chances < np.inf
    least = np.where(tried, chances, np.inf).min(axis=0)
    worst = np.where(tried & (chances == least), fs, -np.inf).argmax(axis=0).tolist()
    found: list[Misfit | None] = [None] * len(n)
    for k in np.flatnonzero(tried.any(axis=0) & (law.variance > 0)).tolist():
        way, ratio = worst[k], np.nan
        if least[k] < _LIKELY:
            both, rich, i = fits[way, k]
            own = _left_out(both[i, : n[k]], rich.of(i))
            ratio = _left_out(side.law[k, : n[k]], law.of(k)) / own
        found[k] = Misfit(names[way], float(fs[way, k]), float(least[k]), float(sizes[way, k]), ratio)
    return found


def _by_score(
    explained: np.ndarray, total: np.ndarray, q: int, counts: np.ndarray, p: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F, its chance and the size of what q orthonormal columns beside the law add, (...,) each, of least squares: from
    the sums of squares that they explain of what the law, which has p parameters, leaves, and of all that it leaves."""
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


def _beside(law: np.ndarray, further: np.ndarray, apart: bool) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What columns `further` (tables, rows, any) span beside the law: which of them, if they are alternatives, each
    `apart`, else 0, (some,), of which tables, (some,), and what their part outside the law is multiplied by to be
    orthonormal, (some, any, q): those of one number q after the other."""
    shared, scale = np.swapaxes(law, 1, 2) @ further, (further**2).sum(axis=1)
    if apart:
        square = scale - (shared**2).sum(axis=1)
        tables, which = np.nonzero(square > _FRESH**2 * scale)
        yield which, tables, (np.eye(scale.shape[1])[which] / np.sqrt(square[tables, which])[:, None])[..., None]
        return
    square, axes = np.linalg.eigh(np.swapaxes(further, 1, 2) @ further - np.swapaxes(shared, 1, 2) @ shared)
    singular = np.sqrt(np.maximum(square, 0.0))
    kept = (singular > _FRESH * np.sqrt(scale.max(axis=1))[:, None]).sum(axis=1)  # the last ones
    for q in np.unique(kept[kept > 0]):
        tables = np.flatnonzero(kept == q)
        yield np.zeros_like(tables), tables, axes[tables, :, -q:] / singular[tables, None, -q:]


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
            columns = np.swapaxes(np.stack(terms, axis=1), 1, 2)  # each in one piece
            yield name, columns if fewer.all() else columns * fewer[:, None, None]


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
        return _worst(side, side.matched, [([_REPEATS], means[None])])[0]
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
    return _worst(some, law, [([_REPEATS], means[None])])[0]


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
