"""What leaving out runs does to an optimum, by robust fits of the linearized law: nothing is compiled for it."""

from collections.abc import Iterator

import numpy as np

from jaxscale._trust.linearization import Linearization

# Reweightings: the change of a parameter is then off by a tenth of a standard error at most, and runs are ranked as by
# refits of the law itself (Spearman's correlation .97 and more), also where delta lies far below the noise.
_REWEIGHTINGS = 40
_SETTLED = 1e-3  # standard deviations of the noise: the largest change with which they end sooner
_MOST_FITS = 32  # sets of runs left out one at a time; first order tells which of many matter


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
    norms = np.linalg.norm(heavy, axis=0)
    if not len(rows) or not np.all(norms > 0) or np.linalg.matrix_rank(heavy / norms) < len(norms):
        return
    to_free = np.linalg.inv(np.linalg.qr(heavy)[1])  # in what follows the free values are uncorrelated, of like size
    rows, watched = rows @ to_free, slopes[:, room] @ to_free
    count = int(units.max()) + 1
    score = np.zeros((count, len(watched)))
    np.add.at(score, units, (rows * at.psi[used][:, None]) @ watched.T)
    chosen = np.sort(np.argsort(-np.abs(score).max(axis=1), kind="stable")[:_MOST_FITS])
    kept = weights * (units != chosen[:, None])
    precision = to_free.T @ (prior[:, None] * to_free)
    pulled = np.zeros(len(prior)) if at.free is None or believed is None else prior * (at.free - believed.centre)[room]
    products = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    off, moved = np.broadcast_to(residuals, kept.shape), np.zeros((len(chosen), len(norms)))
    least = 1e-12 * np.eye(len(norms))
    enough = _SETTLED * at.sigma
    for _ in range(_REWEIGHTINGS):
        before = moved
        size = np.maximum(np.abs(off), 1e-300)
        reweighted = kept * at.loss.score(size) / size
        curvature = (reweighted @ products).reshape(-1, *least.shape) + precision + least
        slope = (reweighted * residuals) @ rows + to_free.T @ pulled
        moved = -np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        off = residuals + moved @ rows.T
        if np.abs(moved - before).max() <= enough:
            break
    for unit, change in zip(chosen, moved @ to_free.T, strict=True):
        full = np.zeros(len(room))
        full[room] = change
        yield int(unit), full
