"""Damped Newton methods in NumPy, for many small problems side by side: `jaxscale.optim` without a compiler."""

import numpy as np

from jaxscale.optim import RUNNING, STEP_LIMIT, unit_scale, weigh

_TOLERANCE = 1e-13


class Descents:
    """Where each of many descents stands, arrays (n,): objective of its best point, damping, the decrease that its next
    step promises, accepted or refused steps in a row, status code of `jaxscale.optim`, steps."""

    def __init__(self, count: int, damping: float, most_steps: int):
        self.value, self.most_steps = np.full(count, np.inf), most_steps
        self.damping, self.predicted, self.streak = np.full(count, damping), np.ones(count), np.zeros(count)
        self.status, self.steps = np.full(count, RUNNING), np.zeros(count, int)

    @property
    def running(self) -> np.ndarray:
        """Numbers of those that have not ended."""
        return np.flatnonzero(self.status == RUNNING)

    def weigh(self, which: np.ndarray, value: np.ndarray, finite: np.ndarray) -> np.ndarray:
        """Take note of trials of some descents, with the objective there, and say which are better."""
        with np.errstate(all="ignore"):
            better, self.damping[which], self.streak[which], status = weigh(
                value,
                self.value[which],
                self.predicted[which],
                self.damping[which],
                self.streak[which],
                finite,
                _TOLERANCE,
                np,
            )
        self.steps[which] += 1
        too_many = (status == RUNNING) & (self.steps[which] >= self.most_steps)
        self.status[which] = np.where(too_many, STEP_LIMIT, status)
        self.value[which[better]] = value[better]
        return better

    def promise(self, which: np.ndarray, expected: np.ndarray, usable: np.ndarray) -> None:
        """Take note of the decreases that the next steps promise; without a usable step, more damping makes one."""
        self.damping[which] *= np.where(usable, 1.0, 10.0)
        self.predicted[which] = np.where(usable, expected, 1.0)


def newton_step(
    curvature: np.ndarray, gradient: np.ndarray, damping: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps (..., n) where the damped models are lowest, zero where values are held, and whether each can be used."""
    scale = unit_scale(np.diagonal(curvature, axis1=-2, axis2=-1), np)
    matrix = damped(curvature, scale, damping[..., None], held)
    solved, usable = solve_positive_many(matrix, np.where(held, 0.0, -scale * gradient)[..., None])
    return scale * solved[..., 0], usable


def damped(curvature: np.ndarray, scale: np.ndarray, damping: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Curvatures (..., n, n) times `scale` (..., n) on both sides, with Marquardt's damping; the identity where values
    are held (..., n)."""
    scaled = curvature * scale[..., None] * scale[..., None, :]
    scaled = np.where(held[..., None] | held[..., None, :], 0.0, scaled)
    return scaled + np.where(held, 1.0, damping)[..., None] * np.eye(held.shape[-1])


def solve_positive_many(matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Jordan solutions (..., n, m) without pivoting, and whether every pivot was positive, (...)."""
    n = matrix.shape[-1]
    work = np.concatenate([matrix, right], axis=-1)
    positive = np.ones(work.shape[:-2], bool)
    for k in range(n):
        pivot = work[..., k, k]
        positive &= pivot > 1e-14
        row = work[..., k, :] / pivot[..., None]
        work = work - work[..., :, k, None] * row[..., None, :]
        work[..., k, :] = row
    return work[..., n:], positive
