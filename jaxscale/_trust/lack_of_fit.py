"""What the runs say against a law that is not hidden in its own scatter: a smooth surface, repeated runs, the largest
runs foretold from the others. All by robust linear fits beside the linearized law: nothing is compiled for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtr

from jaxscale._base.robust import sigma_of_sorted
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.questions import Asking
from jaxscale._trust.robust_fits import Asked, RobustFits

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
_SHARES = 0.2, 1 / 3, 0.5  # of the runs, those of most compute, that the others foretell
_FEWEST_FORETOLD, _FEWEST_BEFORE = 3, 6  # runs, and degrees of freedom


class Misfit(NamedTuple):
    """How much better than the law a richer description fits.

    f, p: F statistic of its further columns and the chance of a larger one under the law. size: standard deviation of
    what it adds in these runs, noise taken off. ratio: error of the law over its own at runs left out.
    """

    against: str
    f: float
    p: float
    size: float
    ratio: float


class Foretold(NamedTuple):
    """The runs of most compute as the others foretell them.

    runs: how many. off: how far above what is foretold they lie, in the log response. error: the standard error of
    that. p: the chance of more under the law.
    """

    runs: int
    off: float
    error: float
    p: float

    @property
    def t(self) -> float:
        """Standard errors."""
        return abs(self.off) / self.error


class _Columns(NamedTuple):
    """Runs for linear fits: the law's slopes as orthonormal columns (n, p), log observed - log predicted, weights of
    mean one, and the independent run of each row or None."""

    law: np.ndarray
    above: np.ndarray
    weights: np.ndarray
    units: np.ndarray | None

    def of(self, rows: np.ndarray) -> "_Columns":
        """Those of some runs, orthonormal again."""
        axes, singular, _ = np.linalg.svd(self.law[rows], full_matrices=False)
        units = None if self.units is None else self.units[rows]
        return _Columns(axes[:, singular > _FRESH * singular[0]], self.above[rows], self.weights[rows], units)


def _inflation(fit: RobustFits, units: np.ndarray | None) -> float:
    """By how much errors that rows of a run share widen variances (design effect: Kish 1965, sec. 5.4)."""
    if units is None:
        return 1.0
    return max(1.0, float((np.bincount(units, fit.psi) ** 2).sum() / max((fit.psi**2).sum(), 1e-300)))


def _columns(at: Linearization, clusters: tuple[str, ...] | None) -> _Columns | None:
    used, law = at.used, at.directions
    if not law.size or law.shape[1] < (~at.held).sum():
        return None
    units = None if clusters is None else np.unique(np.array(clusters)[used], return_inverse=True)[1]
    weights = at.weights[used]
    return _Columns(law, -at.residuals[used], weights / weights.mean(), units)


def _left_out(columns: np.ndarray, fit: RobustFits) -> float:
    """Typical error at a run left out, by the hat matrix; single runs far off are capped."""
    leverage = fit.weights * ((columns @ np.linalg.inv(fit.bend)) * columns).sum(axis=1)
    error = np.abs(fit.left) / np.maximum(1 - leverage, _LEAST_ROOM)
    return float(np.sqrt(np.mean(np.minimum(error, _CAPPED * sigma_of_sorted(np.sort(error))) ** 2)))


def misfit(
    at: Linearization, logs: Mapping[str, np.ndarray], clusters: tuple[str, ...] | None
) -> Asking[Misfit | None]:
    """The description among polynomials in the logs and groups of repeated runs that speaks most against the law."""
    data = _columns(at, clusters)
    if data is None or not logs:
        return None
    ways, repeats = list(_surfaces(data, logs)), _repeats(data, logs)
    if repeats is None or repeats[0] is data:
        ways += [] if repeats is None else [(_REPEATS, repeats[1])]
        return (yield from _worst(at.matched, data, ways))
    some, means = repeats
    (law,) = yield [Asked(some.law, some.above, some.weights)]
    found = [(yield from _worst(at.matched, data, ways)), (yield from _worst(law, some, [(_REPEATS, means)]))]
    return min((one for one in found if one is not None), key=lambda one: (one.p, -one.f), default=None)


def misfit_between(
    at: Linearization, clusters: tuple[str, ...] | None, levels: Mapping[str, np.ndarray]
) -> Asking[Misfit | None]:
    """The column whose values lie farthest from one law; levels: by column (n_used, values), 1 where a run has one."""
    data = _columns(at, clusters) if levels else None
    return None if data is None else (yield from _worst(at.matched, data, levels.items()))


def _worst(law: RobustFits, data: _Columns, alternatives: Iterable[tuple[str, np.ndarray]]) -> Asking[Misfit | None]:
    n, p = data.law.shape
    tried = []
    for name, further in alternatives:
        extra = _beside(data.law, further)
        q = extra.shape[1]
        if q and n - p - q >= max(_FEWEST_LEFT, n // 4):
            tried.append((name, np.concatenate([data.law, extra], axis=1)))
    fits = yield [Asked(both, data.above, data.weights) for _, both in tried]
    found = []
    for (name, both), rich in zip(tried, fits, strict=True):
        if not (variance := rich.variance) > 0:
            continue
        q, added, products = both.shape[1] - p, rich.found[p:], both.T @ (both * data.weights[:, None])
        precision = products[p:, p:] - products[p:, :p] @ np.linalg.solve(products[:p, :p], products[:p, p:])
        f = float(added @ precision @ added / variance / q / _inflation(rich, data.units))
        found.append((float(fdtrc(q, n - p - q, f)), -f, name, both, rich))
    if not found or not law.variance > 0:
        return None
    chance, minus_f, name, both, rich = min(found, key=lambda one: one[:2])
    square = float((rich.found[p:] ** 2).sum()) / n  # of what is added: the columns are orthonormal
    size = np.sqrt(max(square - (both.shape[1] - p) * rich.variance / n, 0.0))
    return Misfit(name, -minus_f, chance, float(size), _left_out(data.law, law) / _left_out(both, rich))


def _beside(law: np.ndarray, further: np.ndarray) -> np.ndarray:
    """Orthonormal columns for what `further` spans beside the law."""
    fresh = further - law @ (law.T @ further)
    square, axes = np.linalg.eigh(fresh.T @ fresh)
    singular = np.sqrt(np.maximum(square, 0.0))
    kept = singular > _FRESH * np.sqrt((further**2).sum(axis=0).max())
    return fresh @ (axes[:, kept] / singular[kept])


def _surfaces(data: _Columns, logs: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """(what it is, columns (n, k)) of polynomials of all logs up to a degree."""
    n = len(data.above)
    scaled = [(x - x.mean()) / x.std() for x in logs.values() if x.std() > 1e-9]
    if scaled:
        terms: list[np.ndarray] = [np.ones(n)]
        latest: dict[tuple[int, ...], np.ndarray] = {(): terms[0]}
        for degree in range(1, max(_DEGREES) + 1):
            powers = combinations_with_replacement(range(len(scaled)), degree)
            latest = {c: latest[c[:-1]] * scaled[c[-1]] for c in powers}
            terms += latest.values()
            if degree in _DEGREES and len(terms) <= n:
                name = f"a {('quadratic', 'cubic')[degree - 2]} in {' and '.join(f'log {x}' for x in logs)}"
                yield name, np.stack(terms, axis=1)


def _repeats(data: _Columns, logs: Mapping[str, np.ndarray]) -> tuple[_Columns, np.ndarray] | None:
    """Runs, and columns (n, places) of those that repeat one another; None where too few do."""
    n = len(data.above)
    if data.units is not None:
        return None
    places, count = _alike([np.round(x / _ALIKE) for x in logs.values()])
    # Of fewer repeats too little is left beside the means; a row twice is no repeated run.
    if n - count < max(_FEWEST_REPEATS, n // 4) or _alike([places, data.above])[1] < n:
        return None
    counts = np.bincount(places)
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
        data, places = data.of(rows), places[rows]
    return data, (places[:, None] == most) * 1.0


def _alike(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """The number of each row among those that differ, (n,), in their order, and how many differ."""
    values, group = np.unique(columns[0], return_inverse=True)
    for column in columns[1:]:
        others, place = np.unique(column, return_inverse=True)
        values, group = np.unique(group * len(others) + place, return_inverse=True)
    return group, len(values)


def foretold(
    at: Linearization, logs: Mapping[str, np.ndarray], clusters: tuple[str, ...] | None
) -> Asking[Foretold | None]:
    """The runs of most compute (of most of the first variable, where there is no N and D) as the others foretell them,
    at the cut that speaks most against the law."""
    data = _columns(at, clusters)
    if data is None or not logs:
        return None
    n, p = data.law.shape
    later = yield from _foretold_runs(data, logs, _SHARES)
    levels = yield [Asked(np.ones((len(one.off), 1)), one.off, data.weights[one.late]) for one in later]
    found = []
    for (late, there, fit, _), level in zip(later, levels, strict=True):
        middle = there.mean(axis=0)
        of_fit = fit.variance * _inflation(fit, None if data.units is None else data.units[~late]) * (middle @ middle)
        shared = _inflation(level, None if data.units is None else data.units[late])
        of_late = max(level.variance, fit.variance) * shared / len(there)
        error = float(np.sqrt(of_fit + of_late))
        if error > 0:
            t = abs(float(level.found[0])) / error
            freedom = n - len(there) - p if data.units is None else len(set(data.units[~late])) - p
            found.append(Foretold(len(there), float(level.found[0]), error, float(2 * stdtr(freedom, -t))))
    return min(found, key=lambda one: one.p, default=None)


def foretold_runs(
    at: Linearization,
    logs: Mapping[str, np.ndarray],
    clusters: tuple[str, ...] | None,
    shares: Sequence[float] = _SHARES,
) -> Asking[list[tuple[np.ndarray, np.ndarray]]]:
    """For each share of the runs, those of most compute: which they are, (n_used,), and how far each lies above what
    the others foretell, in the log response. A share that leaves too few runs to foretell from is left out."""
    data = _columns(at, clusters)
    if data is None or not logs:
        return []
    return [(one.late, one.off) for one in (yield from _foretold_runs(data, logs, shares))]


def in_order(logs: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """Along what runs are foretold, and its log: compute, or the first variable where there is no N and D."""
    if {"N", "D"} <= set(logs):
        return "C", logs["N"] + logs["D"]
    name = "C" if "C" in logs else next(iter(logs))
    return name, logs[name]


class _Later(NamedTuple):
    """The latest runs, (n_used,): their slopes in the columns of the others' fit, that fit, and how far above it
    each lies."""

    late: np.ndarray
    there: np.ndarray
    fit: RobustFits
    off: np.ndarray


def _foretold_runs(data: _Columns, logs: Mapping[str, np.ndarray], shares: Sequence[float]) -> Asking[list[_Later]]:
    n, p = data.law.shape
    _, compute = in_order(logs)
    ordered, cuts = np.sort(compute), []
    for first in dict.fromkeys(n - max(round(share * n), _FEWEST_FORETOLD) for share in shares):
        if first < p + _FEWEST_BEFORE:
            continue
        late = compute >= ordered[first] - 1e-6
        if n - late.sum() < p + _FEWEST_BEFORE or (data.units is not None and len(set(data.units[~late])) <= p):
            continue
        cuts.append((late, *np.linalg.qr(data.law[~late])))
    if cuts:
        mixed = np.stack([one for _, _, one in cuts])
        sound = np.linalg.cond(mixed) < 1e6
        back = np.linalg.inv(np.where(sound[:, None, None], mixed, np.eye(p)))
        cuts = [
            (late, data.law[late] @ to, basis) for (late, basis, _), to, ok in zip(cuts, back, sound, strict=True) if ok
        ]
    fits = yield [Asked(basis, data.above[~late], data.weights[~late]) for late, _, basis in cuts]
    return [
        _Later(late, there, fit, data.above[late] - there @ fit.found)
        for (late, there, _), fit in zip(cuts, fits, strict=True)
    ]
