"""Whether runs lie on two levels, as those of two corpora or recipes do that no column tells apart.

What the law leaves is split where two levels fit best, the law is fitted again beside them, and so on. Of many tables
at once, see `SideBySide`.
"""

from typing import NamedTuple

import numpy as np

from jaxscale._trust.tables_beside import SideBySide

_ROUNDS, _LEAST_SHARE = 6, 0.2  # of fits beside two levels; of the runs that each level has
_FEWEST, _MOST = 20, 20_000  # degrees of freedom, runs
# What two levels leave of Gaussian noise on one, over the root of the degrees of freedom below what they leave of very
# many runs, set by simulation (grids and sweeps of 25 to 100 runs): reached by 1 % of tables, of long tails by fewer.
_OF_NOISE, _LESS = 0.633, 1.18
_MOST_LEFT = 0.48  # of very many runs whose levels lie 3.6 standard deviations apart


class TwoLevels(NamedTuple):
    """The runs split in two.

    apart: how far the levels lie from one another, in the log response. lower: which runs are on the lower one,
    (n_used,). left: the standard deviation that the law leaves beside the levels over that which it leaves alone.
    """

    apart: float
    lower: np.ndarray
    left: float


def two_levels(side: SideBySide) -> list[TwoLevels | None]:
    """Of each table of independent runs of one weight; None where there are too few, or no two levels."""
    found: list[TwoLevels | None] = [None] * len(side.tables)
    freedom = side.counts - side.law.shape[2]
    even = side.full & (np.ptp(np.where(side.real, side.evened, 1.0), axis=1) < 1e-9)
    some = np.flatnonzero(even & (freedom >= _FEWEST) & (side.counts <= _MOST))
    if side.units is not None or not len(some):
        return found
    counts = n = side.counts[some]
    real, law, at = side.real[some], side.law[some], np.arange(side.law.shape[1])
    alone = _beside(law, side.above[some])
    room = np.sqrt(np.maximum(1 - (law**2).sum(axis=2), 1e-3))
    whole = total = (alone**2).sum(axis=1)
    below = at[1:]
    possible = np.minimum(below, n[:, None] - below) >= _LEAST_SHARE * n[:, None]
    x, least = alone / room, total.copy()
    apart, lower = np.zeros(len(some)), np.zeros(x.shape, bool)
    here, before = np.arange(len(some)), np.full(x.shape, -1.0)
    for _ in range(_ROUNDS):
        order = np.argsort(np.where(real, x, np.inf), axis=1)
        sums = np.cumsum(np.take_along_axis(x, order, axis=1), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (sums[:, :-1] * n[:, None] - below * sums[:, -1:]) ** 2 / (below * (n[:, None] - below))
        cut = np.where(possible, between, -1.0).argmax(axis=1)
        upper = np.zeros(x.shape)
        np.put_along_axis(upper, order, ((at > cut[:, None]) & (at < n[:, None])) * 1.0, axis=1)
        going = (upper != before).any(axis=1)  # a split that comes again comes for ever
        if not going.all():
            n, real, law, alone, room, total, possible, upper = (
                v[going] for v in (n, real, law, alone, room, total, possible, upper)
            )
            here = here[going]
        if not len(here):
            break
        before, levels = upper, _beside(law, upper)
        length = np.maximum((levels**2).sum(axis=1), 1e-12)
        step = (levels * alone).sum(axis=1) / length
        left = total - step**2 * length
        better = left < least[here]
        least[here[better]], apart[here[better]] = left[better], step[better]
        lower[here[better]] = (real & (upper == 0))[better]
        x = (alone - step[:, None] * levels) / room + step[:, None] * upper
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(np.maximum(least, 0.0) / whole)
    for i in np.flatnonzero((ratio < least_of_noise(counts - law.shape[2])) & (apart > 0)):
        found[some[i]] = TwoLevels(float(apart[i]), lower[i, : counts[i]], float(ratio[i]))
    return found


def _beside(law: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What is left of values (tables, rows) beside the law (tables, rows, p)."""
    return x - (law @ (np.swapaxes(law, 1, 2) @ x[..., None]))[..., 0]


def least_of_noise(freedom: np.ndarray) -> np.ndarray:
    """What two levels leave at least of the standard deviation of noise on one level, but in one table of a hundred."""
    return np.minimum(_MOST_LEFT, _OF_NOISE - _LESS / np.sqrt(np.maximum(freedom, 1)))
