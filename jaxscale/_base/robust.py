"""Robust scale of residuals, and where Huber's estimator turns from squares to lines."""

from typing import Any

import numpy as np

# Where Huber's estimator turns linear, in standard deviations: 95 % efficient under Gaussian noise (Huber 1981,
# section 4.2).
HUBER_TURN = 1.345
_MEDIAN_TO_SIGMA = 1.4826  # 1 over the median absolute size of a standard normal value


def sigma_of_sizes(sizes: np.ndarray, **along: Any) -> Any:
    """Robust standard deviation of residuals from their absolute sizes: 1.4826 times the median, which normal ones have
    in the mean. `along` is of `numpy.median`: axis, keepdims."""
    return _MEDIAN_TO_SIGMA * np.median(sizes, **along)


def sigma_of_sorted(sizes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """The same of sizes that rise along the last axis, (..., n), for all others at once; of the first `counts`, (...,),
    of each, where not of all."""
    if counts is None:
        n = sizes.shape[-1]
        return _MEDIAN_TO_SIGMA * 0.5 * (sizes[..., (n - 1) // 2] + sizes[..., n // 2])
    middle = np.stack([(counts - 1) // 2, counts // 2], axis=-1)
    return _MEDIAN_TO_SIGMA * np.take_along_axis(sizes, middle, axis=-1).mean(axis=-1)
