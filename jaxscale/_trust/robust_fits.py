"""Robust linear fits beside the linearized law, many of one shape at once. Nothing is compiled for them."""

from typing import NamedTuple

import numpy as np

from jaxscale._base.robust import HUBER_TURN, sigma_of_sorted

_REWEIGHTINGS = 10
_RIDGE = 1e-12  # of columns of like size: where weights leave nothing of one, its coefficient stays zero


class RobustFits(NamedTuple):
    """Fits (..., n, k) by Huber's estimator matched to the noise.

    found: coefficients (..., k). left: what is left of the values (..., n). weights: those of the last reweighting
    (..., n). turn: the size from which on residuals count less (...,). bend: the weighed products of the columns
    (..., k, k).
    """

    found: np.ndarray
    left: np.ndarray
    weights: np.ndarray
    turn: np.ndarray
    bend: np.ndarray

    @property
    def psi(self) -> np.ndarray:
        """What is left, as it counts, (..., n)."""
        return self.weights * self.left

    @property
    def variance(self) -> np.ndarray:
        """Of the noise, (...,): that of psi over its mean slope squared (Huber 1981, section 7.6)."""
        n, k = self.left.shape[-1], self.found.shape[-1]
        slope = np.mean(np.abs(self.left) <= self.turn[..., None], axis=-1)
        return (self.psi**2).sum(axis=-1) / (n - k) / np.where(slope > 0, slope, 1.0) ** 2


def robust_fits(columns: np.ndarray, values: np.ndarray, weights: np.ndarray) -> RobustFits:
    """Fit values (..., n) in columns (..., n, k) of like size, by Huber's estimator at 1.345 sigma, reweighted ten
    times from no effect on; weights (..., n). Sigma leaves out the k smallest, as in `Scatter.sigma`."""
    rows, k = np.swapaxes(columns, -1, -2), columns.shape[-1]
    left = np.broadcast_to(values, columns.shape[:-1])
    found, w, ridge = np.zeros((*columns.shape[:-2], k)), left, _RIDGE * np.eye(k)
    turn, bend = np.zeros(columns.shape[:-2]), np.zeros((*columns.shape[:-2], k, k))
    for _ in range(_REWEIGHTINGS):
        size = np.abs(left)
        turn = HUBER_TURN * sigma_of_sorted(np.sort(size, axis=-1)[..., k:])
        w = weights * np.minimum(1.0, turn[..., None] / np.maximum(size, 1e-300))
        weighed = rows * w[..., None, :]
        bend = weighed @ columns + ridge
        found = np.linalg.solve(bend, weighed @ values[..., None])[..., 0]
        left = values - (columns @ found[..., None])[..., 0]
    return RobustFits(found, left, w, turn, bend)
