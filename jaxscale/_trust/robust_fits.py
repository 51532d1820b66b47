"""Robust linear fits beside the linearized law, many at once. Nothing is compiled for them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxscale._base.robust import HUBER_TURN, sigma_of_middle

REWEIGHTINGS = 10
_RIDGE = 1e-12  # of columns of like size: where weights leave nothing of one, its coefficient stays zero
_AT_ONCE = 1 << 16  # numbers in the columns of fits that are made together, so that they stay in a core's cache


class Asked(NamedTuple):
    """A fit that is wanted: values (n,) in columns (n, k) of like size, with weights (n,)."""

    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray

    @staticmethod
    def each(asked: Sequence["Asked"]) -> list["RobustFits"]:
        """Every fit that is asked for, see `each_fit`."""
        return each_fit(asked)


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
    counts: np.ndarray

    @property
    def psi(self) -> np.ndarray:
        """What is left, as it counts, (..., n)."""
        return self.weights * self.left

    def padded(self, rows: int) -> "RobustFits":
        """With zeros behind the rows, as many as that."""
        if self.left.shape[-1] == rows:
            return self
        room = [(0, 0)] * (self.left.ndim - 1) + [(0, rows - self.left.shape[-1])]
        return self._replace(left=np.pad(self.left, room), weights=np.pad(self.weights, room))

    def of(self, which: Any) -> "RobustFits":
        """Some of the fits."""
        return RobustFits(*(x[which] for x in self))

    @property
    def variance(self) -> np.ndarray:
        """Of the noise, (...,): that of psi over its mean slope squared (Huber 1981, section 7.6)."""
        n, k = self.counts, self.found.shape[-1]
        padding = self.left.shape[-1] - n  # of which nothing is left
        slope = ((np.abs(self.left) <= self.turn[..., None]).sum(axis=-1) - padding) / n
        return (self.psi**2).sum(axis=-1) / (n - k) / np.where(slope > 0, slope, 1.0) ** 2


def robust_fits(
    columns: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    counts: np.ndarray | None = None,
    reweightings: int = REWEIGHTINGS,
) -> RobustFits:
    """Fit values (..., n) in columns (..., n, k) of like size, by Huber's estimator at 1.345 sigma, reweighted ten
    times from no effect on; weights (..., n). Sigma leaves out the k smallest, as in `Scatter.sigma`. `counts` (...,)
    of the rows are real, the first ones; the others are zeros."""
    rows, k = np.ascontiguousarray(np.swapaxes(columns, -1, -2)), columns.shape[-1]
    columns, shape = np.swapaxes(rows, -1, -2), columns.shape[:-1]
    counts = np.full(shape[:-1], shape[-1]) if counts is None else counts
    padding = np.arange(shape[-1]) >= counts[..., None] if (counts < shape[-1]).any() else None
    first = shape[-1] * np.arange(counts.size).reshape(counts.shape) + k  # of the sizes that sigma is of
    middle = [
        np.clip(first + half, 0, max(first.size * shape[-1] - 1, 0))
        for half in ((counts - k - 1) // 2, (counts - k) // 2)
    ]
    left = np.broadcast_to(values, shape)
    found, w, ridge = np.zeros((*shape[:-1], k)), left, _RIDGE * np.eye(k)
    turn, bend = np.zeros(shape[:-1]), np.zeros((*shape[:-1], k, k))
    for _ in range(reweightings):
        size = np.abs(left)
        if padding is not None:
            np.copyto(size, np.inf, where=padding)
        ordered = np.sort(size, axis=-1).ravel()
        turn = HUBER_TURN * sigma_of_middle(*(ordered[place] for place in middle))
        np.maximum(size, 1e-300, out=size)
        w = weights * np.minimum(1.0, np.divide(turn[..., None], size, out=size), out=size)
        weighed = rows * w[..., None, :]
        bend = weighed @ columns + ridge
        found = np.linalg.solve(bend, weighed @ values[..., None])[..., 0]
        left = values - (found[..., None, :] @ rows)[..., 0, :]
    return RobustFits(found, left, w, turn, bend, counts)


def in_parts(
    columns: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    counts: np.ndarray,
    reweightings: int = REWEIGHTINGS,
) -> RobustFits:
    """`robust_fits` of many, (tables, ..., n, k), as many at a time as stay in a core's cache."""
    each = max(1, int(_AT_ONCE // max(np.prod(columns.shape[1:]), 1)))
    parts = []
    for first in range(0, len(columns), each):
        part, rows = slice(first, first + each), slice(int(counts[first : first + each].max()))
        some = columns[part, ..., rows, :], values[part, ..., rows], weights[part, ..., rows], counts[part]
        fits = robust_fits(*some, reweightings)
        parts.append(fits.padded(columns.shape[-2]))
    return parts[0] if len(parts) == 1 else RobustFits(*map(np.concatenate, zip(*parts, strict=True)))


def each_fit(asked: Sequence[Asked]) -> list[RobustFits]:
    """Every fit that is asked for, of any numbers of rows and columns, those with as many columns side by side."""
    made: list[RobustFits | None] = [None] * len(asked)
    order = sorted(range(len(asked)), key=lambda i: asked[i].columns.shape[::-1])
    first = 0
    while first < len(order):
        k, last = asked[order[first]].columns.shape[1], first + 1
        while last < len(order):
            n, same = asked[order[last]].columns.shape
            if same != k or (last + 1 - first) * n * k > _AT_ONCE:
                break
            last += 1
        some = order[first:last]
        for i, fit in zip(some, _side_by_side([asked[i] for i in some]), strict=True):
            made[i] = fit
        first = last
    return [fit for fit in made if fit is not None]


def _side_by_side(asked: Sequence[Asked]) -> list[RobustFits]:
    """Fits of one number of columns, padded to the rows of the longest."""
    if len(asked) == 1:
        return [robust_fits(*asked[0])]
    counts = np.array([len(one.values) for one in asked])
    shape = len(asked), int(counts.max())
    columns, values, weights = np.zeros((*shape, asked[0].columns.shape[1])), np.zeros(shape), np.zeros(shape)
    for k, (one, n) in enumerate(zip(asked, counts, strict=True)):
        columns[k, :n], values[k, :n], weights[k, :n] = one
    fits = robust_fits(columns, values, weights, counts)
    return [
        RobustFits(found, left[:n], w[:n], turn, bend, n) for found, left, w, turn, bend, n in zip(*fits, strict=True)
    ]
