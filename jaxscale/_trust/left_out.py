"""What leaving out runs does to an optimum, by robust fits of the linearized law: nothing is compiled for it."""

from collections.abc import Iterator

import numpy as np

from jaxscale._trust.linearization import Linearization

# Reweightings: the change of a parameter is then off by a tenth of a standard error at most, and runs are ranked as by
# refits of the law itself (Spearman's correlation .97 and more), also where delta lies far below the noise.
_REWEIGHTINGS = 40
_SETTLED = 1e-3  # standard deviations of the noise: the largest change with which they end sooner
_MOST_FITS = 32  # sets of runs left out one at a time; first order tells which of many matter


def _uncorrelated(heavy: np.ndarray) -> np.ndarray | None:
    """What columns (n, p) are multiplied by to be orthonormal, (p, p); None where their rank is less."""
    norms = np.linalg.norm(heavy, axis=0)
    if not len(norms) or not np.all(norms > 0):  # bounds hold all, or a column is nothing
        return None
    heavy = heavy / norms
    square = np.linalg.eigvalsh(heavy.T @ heavy)
    if square[0] > 1e-9 * square[-1]:  # else rounding of the products matters
        mixed = np.linalg.cholesky(heavy.T @ heavy).T
    elif np.linalg.matrix_rank(heavy) < len(norms):
        return None
    else:
        mixed = np.linalg.qr(heavy)[1]
    return np.linalg.inv(mixed) / norms[:, None]


def changes_without(at: Linearization, units: np.ndarray, slopes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(unit, change of the free values (free,)) without all runs of a unit, for the units that move `slopes` most.

    The objective of the fit is minimised on the linearized law without these runs, by iteratively reweighted least
    squares (Holland & Welsch 1977, Communications in Statistics A6), for all sets side by side. For squares this is the
    jackknife of the linearized law. One Newton step instead (Pregibon 1981) would go by the few runs within delta of
    the law: on the demonstration it puts the strongest run at twice its effect.

    Args:
        at: the optimum. Nothing is yielded where its runs do not determine the free values.
        units: (n_used,), which unit each run that counts belongs to, from 0: itself, or a run of several rows.
        slopes: (quantities, free), of what is watched, each divided by its standard error.
    """
    used, room = at.used, ~at.held
    weights, residuals, rows = at.weights[used], at.residuals[used], at.jacobian[used][:, room]
    prior, believed = at.precision[room], at.loss.prior
    heavy = np.concatenate([rows * np.sqrt(weights)[:, None], np.diag(np.sqrt(prior))])
    to_free = _uncorrelated(heavy) if len(rows) else None
    if to_free is None:
        return
    rows, watched = rows @ to_free, slopes[:, room] @ to_free
    count = int(units.max()) + 1
    score = np.zeros((count, len(watched)))
    np.add.at(score, units, (rows * at.psi[used][:, None]) @ watched.T)
    chosen = np.sort(np.argsort(-np.abs(score).max(axis=1), kind="stable")[:_MOST_FITS])
    kept = weights * (units != chosen[:, None])
    precision = to_free.T @ (prior[:, None] * to_free)
    pulled = np.zeros(len(prior)) if at.free is None or believed is None else prior * (at.free - believed.centre)[room]
    p = len(to_free)
    first, second = np.triu_indices(p)
    place = np.zeros((p, p), int)  # of each product of two columns among those of `first` and `second`
    place[first, second] = place[second, first] = np.arange(len(first))
    summed = np.concatenate([rows[:, first] * rows[:, second], rows * residuals[:, None]], axis=1)
    away, pull, across = precision + 1e-12 * np.eye(p), to_free.T @ pulled, np.ascontiguousarray(rows.T)
    off, moved = np.repeat(residuals[None], len(chosen), axis=0), np.zeros((len(chosen), p))
    enough = _SETTLED * at.sigma
    for _ in range(_REWEIGHTINGS):
        before = moved
        size = np.maximum(np.abs(off, out=off), 1e-300, out=off)
        reweighted = at.loss.share(size)
        reweighted *= kept
        sums = reweighted @ summed
        curvature, slope = sums[:, place] + away, sums[:, len(first) :] + pull
        moved = -np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        off = np.matmul(moved, across, out=off)
        off += residuals
        if np.abs(moved - before).max() <= enough:
            break
    for unit, change in zip(chosen, moved @ to_free.T, strict=True):
        full = np.zeros(len(room))
        full[room] = change
        yield int(unit), full
