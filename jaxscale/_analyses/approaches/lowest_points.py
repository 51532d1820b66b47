"""The lowest point of losses over sizes: parabola, Akima spline, and the noise around them."""

import math

import numpy as np
from scipy.interpolate import Akima1DInterpolator

FEWEST_DEVIATIONS = 4  # that the noise is known from
_NEAR = 3  # sizes on each side of the lowest whose scatter is taken for the noise


def _inner(y: np.ndarray) -> np.ndarray:
    """Which rows of losses, (draws, k), are lowest away from their ends."""
    k = y.argmin(axis=1)
    return (k > 0) & (k < y.shape[1] - 1)


def akima_lowest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where Akima's interpolant of each row of y, (draws, k), is lowest, and how low: exactly, piece by piece."""
    pieces = Akima1DInterpolator(x, y.T).c  # (4, k - 1, draws), cubic first, each from the left end of its piece
    c3, c2, c1, c0 = pieces
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(c2**2 - 3 * c3 * c1)
        # The minimum of a cubic is where its slope rises: one root, written so that a parabola is no special case.
        at = np.where(c2 >= 0, -c1 / (c2 + root), (root - c2) / (3 * c3))
    width = np.diff(x)[:, None]
    inside = (at >= 0) & (at <= width)
    at = np.where(inside, at, 0.0)
    height = np.where(inside, ((c3 * at + c2) * at + c1) * at + c0, np.inf)
    starts = np.where(np.isfinite(c0), c0, np.inf)
    at, height = np.where(starts <= height, 0.0, at), np.minimum(starts, height)
    piece = height.argmin(axis=0)
    column = np.arange(y.shape[0])
    sound = _inner(y)
    return np.where(sound, x[piece] + at[piece, column], np.nan), np.where(sound, height[piece, column], np.nan)


def parabola_lowest(x: np.ndarray, y: np.ndarray, points: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Vertex of the least-squares parabola of the loss through all sizes, or those nearest the lowest, and its log."""
    best = np.full(len(y), np.nan)
    height = np.full(len(y), np.nan)
    lowest = y.argmin(axis=1)
    sound = _inner(y)
    for k in np.unique(lowest[sound]):
        rows = np.flatnonzero(sound & (lowest == k))
        window = window_around(k, len(x), points)
        centre, span = x[window].mean(), np.ptp(x[window])
        z = (x[window] - centre) / span
        columns = np.stack([np.ones_like(z), z, z**2], axis=1)
        c0, c1, c2 = np.linalg.lstsq(columns, np.exp(y[rows][:, window]).T, rcond=None)[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            vertex = -c1 / (2 * c2)
            inside = (c2 > 0) & (centre + span * vertex >= x[0]) & (centre + span * vertex <= x[-1])
            value = c0 + c1 * vertex / 2
        best[rows] = np.where(inside, centre + span * vertex, np.nan)
        height[rows] = np.where(inside & (value > 0), np.log(np.where(value > 0, value, 1.0)), np.nan)
    return best, height


def window_around(lowest: int, count: int, points: int | None) -> slice:
    if points is None or points >= count:
        return slice(0, count)
    first = min(max(0, lowest - points // 2), count - points)
    return slice(first, first + points)


def noise_around(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Noise of log losses near the lowest: what each differs by from the cubic through its four neighbours, scaled to
    the deviation of one run (pseudo-residuals; Gasser, Sroka & Jennen-Steinmetz 1986)."""
    lowest = int(np.argmin(y))
    out = []
    for i in range(2, len(x) - 2):
        if abs(i - lowest) > _NEAR:
            continue
        around = [i - 2, i - 1, i + 1, i + 2]
        weights = np.array([math.prod((x[i] - x[k]) / (x[j] - x[k]) for k in around if k != j) for j in around])
        out.append((y[i] - weights @ y[around]) / math.sqrt(1 + weights @ weights))
    return np.array(out)
