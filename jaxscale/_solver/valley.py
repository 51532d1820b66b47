"""Starts of laws of many parameters, brought to the floor of the narrow valleys of their objective before the solver.

A sum of powers trades its terms against each other along valleys so narrow and bent that Newton's method takes hundreds
of steps along them. Least squares in the parameters that the response is linear in, at every step of the others,
takes about ten (variable projection, Golub & Pereyra 1973, with the Jacobian of Kaufman 1975, BIT 15). Laws of very
many parameters, of mixtures say, have valleys of that kind whatever they are linear in. All starts of a table go down
side by side: each step is a trial of every start that has not arrived.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_at
from jaxscale._problem.stack import Stack
from jaxscale._solver.damped import solve_positive_many
from jaxscale._solver.projection import LEAST_SHARE, lengths, linear_indices, linear_parameters

_FEWEST_FREE, _FEWEST_LINEAR = 6, 2  # with fewer, valleys are wide enough
_VERY_MANY = 16  # free values: a step of the compiled solver then costs as much as ten here
_MOST_ROWS, _FEWER_ROWS = 2048, 1024  # of so many runs some are enough
_MOST_STEPS, _STEPS_OF_MANY, _TOLERANCE = 40, 1000, 1e-7
_FIRST_DAMPING, _LARGEST_DAMPING = 1e-2, 1e8
_MOST_SLOPES = 1 << 22  # of all runs at all places side by side
_NO_DIRECTION = 1e-12  # columns of a Jacobian, each of length one, that add less to the others than that


def has_valleys(problem: Problem) -> bool:
    """Whether the law has parameters enough for narrow valleys, and some that the response is linear in or so many
    that those do not matter. Call under float64."""
    free = problem.layout.free
    return free >= _VERY_MANY or (free >= _FEWEST_FREE and len(linear_parameters(problem)) >= _FEWEST_LINEAR)


def floors(stack: Stack, table: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Starts (n, free), each of table `table[k]`, at the optimum of least squares near each, in relative residuals; of
    each table every fourth as it is, since what starts agree on should not hang on one way down. Of very many values
    all go this way: none gets there by another. Call under float64.

    Only for problems that have valleys.
    """
    found, rows = free.copy(), stack.stages[-1].points.response.shape[-1] if stack.many else 0
    very_many = free.shape[1] >= _VERY_MANY
    with np.errstate(all="ignore"):
        for k in np.unique(table):
            one = Stack.of([stack.problems[k].with_rows(rows)])  # of one shape, for one program
            valley = _Valley.of(one if one.first.count <= _MOST_ROWS else one.subsample(_FEWER_ROWS))
            mine = np.flatnonzero(table == k)
            down = mine if very_many else mine[np.arange(len(mine)) % 4 != 3]
            at_once = max(1, _MOST_SLOPES // (valley.stack.first.count * free.shape[1]))
            for first in range(0, len(down), at_once):
                some = down[first : first + at_once]
                found[some] = valley.floors(free[some])
    return found


class _Places(NamedTuple):
    """Places in the valley, linear values at least squares: free values (n, free), sums of squares (n,), infinite where
    the law is not finite, and what steps in the m values that are not linear need, with the linear ones following:
    lengths of their slopes (n, m), curvatures (n, m, m) and gradients (n, m) of slopes of length one."""

    free: np.ndarray
    height: np.ndarray
    lengths: np.ndarray
    curvature: np.ndarray
    gradient: np.ndarray

    def of(self, which: np.ndarray) -> "_Places":
        """Some of the places."""
        return _Places(*(x[which] for x in self))

    def move(self, which: np.ndarray, there: "_Places") -> None:
        """Put others in their stead."""
        for mine, new in zip(self, there, strict=True):
            mine[which] = new

    def steps(self, damping: np.ndarray) -> np.ndarray:
        """Steps (n, m) with a damping of each; not finite where slopes are multiples of others, hardly damped."""
        matrix = self.curvature + damping[:, None, None] * np.eye(self.gradient.shape[1])
        solved, usable = solve_positive_many(matrix, self.gradient[..., None])
        return np.where(usable[:, None], -solved[..., 0] / self.lengths, np.nan)


@dataclass(frozen=True)
class _Valley:
    """One table. linear, others: columns of the free values; logged: which of the linear ones are logarithms."""

    stack: Stack
    linear: np.ndarray
    others: np.ndarray
    logged: np.ndarray

    @classmethod
    def of(cls, stack: Stack) -> "_Valley":
        law, slots = stack.first.law, stack.first.layout.slots
        indices = linear_indices(stack.first.task, lengths(stack.first))
        linear = np.array([slots[k] for k in indices], int)
        logged = np.array([law.parameters[k].transform == "log" for k in indices], bool)
        return cls(stack, linear, np.setdiff1d(np.arange(stack.first.layout.free), linear), logged)

    def floors(self, starts: np.ndarray) -> np.ndarray:
        """The lowest places that damped Gauss-Newton steps reach from starts (n, free); a start itself where nothing is
        finite."""
        here, damping = self._at(starts), np.full(len(starts), _FIRST_DAMPING)
        sound = np.isfinite(here.height)
        left = np.where(sound, _MOST_STEPS if starts.shape[1] < _VERY_MANY else _STEPS_OF_MANY, 0)
        while (walking := np.flatnonzero((left > 0) & (damping < _LARGEST_DAMPING))).size:
            trial = here.free[walking]
            trial[:, self.others] += here.of(walking).steps(damping[walking])
            there = self._at(trial)
            lower = there.height < here.height[walking]
            went = walking[lower]
            gain = 1 - there.height[lower] / here.height[went]
            here.move(went, there.of(lower))
            damping[walking] *= np.where(lower, 0.1, 5.0)
            left[went] = np.where(gain < _TOLERANCE, 0, left[went] - 1)
        return np.where(sound[:, None], here.free, starts)

    def _at(self, free: np.ndarray) -> _Places:
        """The places with these values of what is not linear."""
        problem = self.stack.first
        free = np.clip(free, problem.lower, problem.upper)
        residuals, jacobian = self._evaluate(free)
        sound = np.asarray(np.isfinite(residuals).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2)))
        columns = np.where(sound[:, None, None], jacobian[..., self.linear], 0.0)  # of a logarithm, of its value
        base = np.where(sound[:, None], residuals, 0.0) - columns @ self.logged.astype(float)
        norms = np.linalg.norm(columns, axis=1)
        moving = norms > 1e-300
        unit = columns / np.where(moving, norms, np.inf)[:, None]
        least = LEAST_SHARE * np.linalg.norm(base, axis=1)[:, None] / np.where(moving, norms, np.inf)
        value = np.where(self.logged, np.where(moving, least, 1.0), 0.0)
        while True:
            span, back = _spanned(np.where(moving[:, None], unit, 0.0))
            rest = base + _times(columns, np.where(moving, 0.0, value))
            found = -_times(back, _times(span.mT, rest)) / norms
            negative = self.logged & moving & (found < least)
            if not negative.any():
                break
            moving &= ~negative
        value = np.where(moving, found, value)
        free[:, self.linear] += np.where(self.logged, np.log(value), value)
        free = np.clip(free, problem.lower, problem.upper)
        residuals, jacobian = self._evaluate(free)
        height = np.sum(residuals**2, axis=1)
        sound &= np.isfinite(height) & np.isfinite(jacobian).all(axis=(1, 2))
        slopes = jacobian[..., self.others]
        slopes = slopes - span @ (span.mT @ slopes)
        residuals = residuals - _times(span, _times(span.mT, residuals))
        norms = np.linalg.norm(slopes, axis=1)
        norms = np.where(norms > 0, norms, 1.0)
        curvature = slopes.mT @ slopes / (norms[:, :, None] * norms[:, None, :])
        return _Places(free, np.where(sound, height, np.inf), norms, curvature, _times(slopes.mT, residuals) / norms)

    def _evaluate(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Relative residuals (n, rows) in natural units, and their Jacobians (n, rows, free), times the roots of
        weights."""
        problem = self.stack.first
        rows = slice(problem.count)
        residuals, jacobian = (x[:, rows] for x in slopes_at(self.stack, free)[:2])
        whitening, response = problem.whitening, problem.observed
        roots = np.sqrt(problem.points.weights[rows]) * whitening
        residuals, jacobian = residuals / whitening, jacobian / whitening[:, None]
        if problem.task.space == "log":
            return roots * np.expm1(residuals), (roots * np.exp(residuals))[..., None] * jacobian
        size = roots / np.maximum(np.abs(response), 1e-12 * np.abs(response).max() + 1e-300)
        return size * residuals, size[:, None] * jacobian


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[..., None])[..., 0]


def _spanned(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of columns (n, rows, m), some of them zero: an orthonormal basis of what they span (n, rows, m), with zeros where
    directions lack, and what takes parts of a right side along it to least-squares values of the columns (n, m, m)."""
    if not columns.shape[-1]:
        return columns, np.zeros((len(columns), 0, 0))
    basis, corner = np.linalg.qr(columns)
    left, sizes, right = np.linalg.svd(corner, full_matrices=False)
    there = sizes > _NO_DIRECTION * sizes[:, :1]
    span = basis @ left * there[:, None]
    return span, right.mT * np.where(there, 1 / sizes, 0.0)[:, None]
