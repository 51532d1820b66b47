"""What the runs say against a law that is not hidden in its own scatter: a smooth surface, repeated runs, the largest
runs foretold from the others. All by robust linear fits beside the linearized law: nothing is compiled for them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtr

from jaxscale._base.robust import sigma_of_sizes
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.robust_fits import RobustFits, robust_fits

_DEGREES = 2, 3
_FRESH = 1e-2  # share of a direction that the law does not span already
_LEAST_ROOM = 0.05  # of 1 - leverage
_ALIKE = 0.02  # runs that close in every log repeat one another
_FEWEST_LEFT, _FEWEST_REPEATS = 6, 6  # degrees of freedom beside the surface, and among repeated runs
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
    weighed = columns * np.sqrt(fit.weights)[:, None]
    basis, _ = np.linalg.qr(weighed)
    error = np.abs(fit.left) / np.maximum(1 - (basis**2).sum(axis=1), _LEAST_ROOM)
    return float(np.sqrt(np.mean(np.minimum(error, _CAPPED * sigma_of_sizes(error)) ** 2)))


def misfit(at: Linearization, logs: Mapping[str, np.ndarray], clusters: tuple[str, ...] | None) -> Misfit | None:
    """The description among polynomials in the logs and groups of repeated runs that speaks most against the law."""
    data = _columns(at, clusters)
    return None if data is None or not logs else _worst(at, data, _alternatives(data, logs))


def misfit_between(
    at: Linearization, clusters: tuple[str, ...] | None, levels: Mapping[str, np.ndarray]
) -> Misfit | None:
    """The column whose values lie farthest from one law; levels: by column (n_used, values), 1 where a run has one."""
    data = _columns(at, clusters) if levels else None
    return None if data is None else _worst(at, data, levels.items())


def _worst(at: Linearization, data: _Columns, alternatives: Iterable[tuple[str, np.ndarray]]) -> Misfit | None:
    n, p = data.law.shape
    law, found = at.matched, []
    for name, further in alternatives:
        fresh = further - data.law @ (data.law.T @ further)
        left, singular, _ = np.linalg.svd(fresh, full_matrices=False)
        extra = left[:, singular > _FRESH * np.linalg.norm(further, axis=0).max()]
        q = extra.shape[1]
        if not q or n - p - q < max(_FEWEST_LEFT, n // 4):
            continue
        both = np.concatenate([data.law, extra], axis=1)
        rich = robust_fits(both, data.above, data.weights)
        if not rich.variance > 0 or not law.variance > 0:
            continue
        covariance = rich.variance * np.linalg.inv(both.T @ (both * data.weights[:, None]))[p:, p:]
        f = float(rich.found[p:] @ np.linalg.solve(covariance, rich.found[p:]) / q / _inflation(rich, data.units))
        added = float((rich.found[p:] ** 2).sum()) / n  # the columns are orthonormal
        size = np.sqrt(max(added - q * rich.variance / n, 0.0))
        ratio = _left_out(data.law, law) / _left_out(both, rich)
        found.append(Misfit(name, f, float(fdtrc(q, n - p - q, f)), float(size), ratio))
    return min(found, key=lambda one: (one.p, -one.f), default=None)


def _alternatives(data: _Columns, logs: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """(what it is, columns (n, k)) of polynomials of all logs up to a degree, and of groups of repeated runs."""
    n = len(data.above)
    scaled = [(x - x.mean()) / x.std() for x in logs.values() if x.std() > 1e-9]
    if scaled:
        for degree in _DEGREES:
            powers = [c for d in range(1, degree + 1) for c in combinations_with_replacement(range(len(scaled)), d)]
            if len(powers) < n:
                terms = [np.prod([scaled[i] for i in c], axis=0) for c in powers]
                name = f"a {('quadratic', 'cubic')[degree - 2]} in {' and '.join(f'log {x}' for x in logs)}"
                yield name, np.stack([np.ones(n), *terms], axis=1)
    if data.units is None:
        places = np.unique(np.round(np.stack(list(logs.values()), axis=1) / _ALIKE), axis=0, return_inverse=True)[1]
        copies = np.unique(np.stack([places.ravel(), data.above], axis=1), axis=0)  # a row twice is no repeated run
        places, counts = np.unique(copies[:, 0], return_counts=True)
        if len(copies) == n and n - len(places) >= _FEWEST_REPEATS:
            _, group = np.unique(np.round(np.stack(list(logs.values()), axis=1) / _ALIKE), axis=0, return_inverse=True)
            yield "runs that repeat", (group.ravel()[:, None] == np.arange(len(counts))) * 1.0


def foretold(at: Linearization, logs: Mapping[str, np.ndarray], clusters: tuple[str, ...] | None) -> Foretold | None:
    """The runs of most compute (of most of the first variable, where there is no N and D) as the others foretell them,
    at the cut that speaks most against the law."""
    data = _columns(at, clusters)
    if data is None or not logs:
        return None
    n, p = data.law.shape
    compute = logs["N"] + logs["D"] if {"N", "D"} <= set(logs) else logs.get("C", next(iter(logs.values())))
    found = []
    for first in dict.fromkeys(n - max(round(share * n), _FEWEST_FORETOLD) for share in _SHARES):
        if first < p + _FEWEST_BEFORE:
            continue
        late = compute >= np.sort(compute)[first] - 1e-6
        if (~late).sum() < p + _FEWEST_BEFORE or (data.units is not None and len(set(data.units[~late])) <= p):
            continue
        before = data.law[~late]
        basis, mixed = np.linalg.qr(before)
        if not np.linalg.cond(mixed) < 1e6:
            continue
        there = data.law[late] @ np.linalg.inv(mixed)
        fit = robust_fits(basis, data.above[~late], data.weights[~late])
        off = data.above[late] - there @ fit.found
        level = robust_fits(np.ones((len(off), 1)), off, data.weights[late])
        middle = there.mean(axis=0)
        of_fit = fit.variance * _inflation(fit, None if data.units is None else data.units[~late]) * (middle @ middle)
        shared = _inflation(level, None if data.units is None else data.units[late])
        of_late = max(level.variance, fit.variance) * shared / len(off)
        error = float(np.sqrt(of_fit + of_late))
        if error > 0:
            t = abs(float(level.found[0])) / error
            freedom = len(basis) - p if data.units is None else len(set(data.units[~late])) - p
            found.append(Foretold(len(off), float(level.found[0]), error, float(2 * stdtr(freedom, -t))))
    return min(found, key=lambda one: one.p, default=None)
