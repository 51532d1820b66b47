"""Parabolas through few sizes: every budget its own lowest point, all budgets one curvature.

A parabola through three points misses none of them, so one budget says nothing of its own noise. The curvature of log
loss in log N changes slowly from budget to budget; shared, it leaves one degree of freedom less than there are budgets
of three sizes, and those know the noise:

    log L_ci = a_c + b_c (log N_ci - m_c) + k (log N_ci - m_c)^2,    lowest at  log N = m_c - b_c / (2 k)

with m_c the mean log size of budget c. It is linear in a_c, b_c and k.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PooledParabola:
    """The curves of budgets with one curvature.

    middle, height, slope: (n_budgets,), m_c, a_c and b_c; curvature: k. freedom: losses less what was fitted to them.
    sigma: standard deviation of a loss around the curves, in logs; nan where there is no freedom. log_best:
    (n_budgets,), nan where there is no lowest point. drawn: (draws, n_budgets).
    """

    middle: np.ndarray
    height: np.ndarray
    slope: np.ndarray
    curvature: float
    freedom: int
    sigma: float
    log_best: np.ndarray
    drawn: np.ndarray

    def log_loss(self, budget: int, log_n: np.ndarray) -> np.ndarray:
        """The curve of one budget (by position) at sizes."""
        away = log_n - self.middle[budget]
        return self.height[budget] + away * (self.slope[budget] + self.curvature * away)


def fit_parabolas(tables: Sequence[tuple[np.ndarray, np.ndarray]], *, draws: int, seed: int) -> PooledParabola:
    """Least squares through the log losses of budgets, each (log N, log loss) of its runs.

    Draws are of Gaussian noise whose variance is drawn too, from what the degrees of freedom say of it, so that their
    percentiles are intervals of Student's t: with four degrees of freedom a third wider than those of a known noise.
    """
    count = len(tables)
    middle = np.array([log_n.mean() for log_n, _ in tables])
    budget = np.repeat(np.arange(count), [len(log_n) for log_n, _ in tables])
    away = np.concatenate([log_n - m for (log_n, _), m in zip(tables, middle, strict=True)])
    y = np.concatenate([log_loss for _, log_loss in tables])
    own = budget[:, None] == np.arange(count)
    columns = np.concatenate([own, own * away[:, None], away[:, None] ** 2], axis=1).astype(float)
    found = np.linalg.lstsq(columns, y, rcond=None)[0]
    freedom = len(y) - columns.shape[1]
    left = y - columns @ found
    sigma = math.sqrt(float(left @ left) / freedom) if freedom > 0 else math.nan
    drawn = np.full((draws, count), np.nan)
    if draws and freedom > 0:
        rng = np.random.default_rng(seed)
        wider = np.sqrt(freedom / rng.chisquare(freedom, (draws, 1)))
        noise = sigma * wider * rng.standard_normal((draws, len(y)))
        drawn = _lowest(middle, found + noise @ np.linalg.pinv(columns).T)
    return PooledParabola(
        middle=middle,
        height=found[:count],
        slope=found[count:-1],
        curvature=float(found[-1]),
        freedom=freedom,
        sigma=sigma,
        log_best=_lowest(middle, found[None])[0],
        drawn=drawn,
    )


def _lowest(middle: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Lowest points (rows, n_budgets) of coefficients (rows, 2 n_budgets + 1), nan where a curve has none."""
    count, curvature = len(middle), found[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(curvature > 0, middle - found[:, count:-1] / (2 * curvature), np.nan)
