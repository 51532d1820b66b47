"""What resampled fits say of the free values: percentiles, spread, and a covariance, for many tables at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from jaxscale._base.robust import quantiles_of
from jaxscale._base.validation import enough_of
from jaxscale._trust.covariance import central_covariance

_AT_ONCE = 1 << 16  # numbers in the draws of tables side by side, so that what follows stays in a core's cache


class Spread(NamedTuple):
    """The draws of one table. draws: how many there are. kept: how many of them converged. ends: of percentile
    intervals, (free, 2), corrected for bias or plain. errors: standard deviations, (free,). covariance: (free, free),
    of the central draws where intervals are corrected."""

    draws: int
    kept: int
    ends: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray

    @property
    def enough(self) -> bool:
        """Whether so many converged that the rest does not matter; else there are no numbers here."""
        return enough_of(self.kept, self.draws)


def spreads_of(
    tables: Sequence[np.ndarray], estimates: Sequence[np.ndarray], level: float, corrected: Sequence[bool]
) -> list[Spread]:
    """Of the draws of each table, (draws, free) with nan in those that did not converge, around an estimate (free,)."""
    found: dict[int, Spread] = {}
    alike: dict[Any, list[int]] = {}
    kept: dict[int, np.ndarray] = {}
    for k, drawn in enumerate(tables):
        good = np.isfinite(drawn).all(axis=1)
        kept[k] = drawn if good.all() else drawn[good]
        if enough_of(len(kept[k]), len(drawn)):
            alike.setdefault((kept[k].shape, corrected[k]), []).append(k)
        else:
            nothing = np.full(drawn.shape[1], np.nan)
            found[k] = Spread(len(drawn), len(kept[k]), np.outer(nothing, [1, 1]), nothing, np.outer(nothing, nothing))
    for (shape, central), mine in alike.items():
        size = max(1, _AT_ONCE // (shape[0] * shape[1]))
        for part in (mine[first : first + size] for first in range(0, len(mine), size)):
            draws = np.stack([kept[k] for k in part])
            along = np.ascontiguousarray(np.swapaxes(draws, 1, 2))
            low, high = percentile_ends(along, np.array([estimates[k] for k in part]), level, central)
            covariances = central_covariance(draws) if central else _covariances(along)
            each = zip(part, np.stack([low, high], axis=-1), along.std(axis=-1, ddof=1), covariances, strict=True)
            found |= {k: Spread(len(tables[k]), shape[0], *numbers) for k, *numbers in each}
    return [found[k] for k in range(len(tables))]


def _covariances(along: np.ndarray) -> np.ndarray:
    """Of draws (tables, free, n), (tables, free, free)."""
    off = along - along.mean(axis=-1, keepdims=True)
    return off @ np.swapaxes(off, 1, 2) / (along.shape[-1] - 1)


def bias_corrected(draws: np.ndarray, estimate: Any, level: float) -> tuple[Any, Any]:
    """Bias-corrected percentile interval of draws (..., n) around an estimate (...,) (Efron 1981)."""
    around, count = np.asarray(estimate)[..., None], draws.shape[-1]
    below = np.count_nonzero(draws < around, axis=-1) + 0.5 * np.count_nonzero(draws == around, axis=-1)
    shift = ndtri(np.clip(below / count, 1 / (count + 1), count / (count + 1)))
    tails = ndtr(2 * shift[..., None] + ndtri([(1 - level) / 2, (1 + level) / 2]))
    return tuple(np.moveaxis(quantiles_of(draws, tails), -1, 0))


def percentile_ends(draws: np.ndarray, estimate: Any, level: float, corrected: bool) -> tuple[Any, Any]:
    """Percentile interval of draws (..., n) around an estimate (...,), corrected for bias or plain."""
    if corrected:
        return bias_corrected(draws, estimate, level)
    return tuple(np.moveaxis(quantiles_of(draws, ((1 - level) / 2, (1 + level) / 2)), -1, 0))
