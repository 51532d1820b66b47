"""Starts of laws of many parameters, brought to the floor of the narrow valleys of their objective before the solver.

A sum of powers trades its terms against each other along valleys so narrow and bent that Newton's method takes hundreds
of steps along them. Least squares in the parameters that the response is linear in, at every step of the others,
takes about ten (variable projection, Golub & Pereyra 1973, with the Jacobian of Kaufman 1975, BIT 15). Laws of very
many parameters, of mixtures say, have valleys of that kind whatever they are linear in.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack, stacked_rows
from jaxscale._solver.projection import LEAST_SHARE, lengths, linear_indices, linear_parameters

_FEWEST_FREE, _FEWEST_LINEAR = 6, 2  # with fewer, valleys are wide enough
_VERY_MANY = 16  # free values: a step of the compiled solver then costs as much as ten here
_MOST_ROWS, _FEWER_ROWS = 2048, 1024  # of so many runs some are enough
_MOST_STEPS, _STEPS_OF_MANY, _TOLERANCE = 40, 1000, 1e-7
_FIRST_DAMPING, _LARGEST_DAMPING = 1e-2, 1e8


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
    found, rows = free.copy(), stacked_rows(stack.first) if stack.many else 0
    very_many = free.shape[1] >= _VERY_MANY
    with np.errstate(all="ignore"):
        for k in np.unique(table):
            one = Stack.of([stack.problems[k].with_rows(rows)])  # of one shape, for one program
            valley = _Valley.of(one if one.first.count <= _MOST_ROWS else one.subsample(_FEWER_ROWS))
            for turn, i in enumerate(np.flatnonzero(table == k)):
                found[i] = free[i] if turn % 4 == 3 and not very_many else valley.floor(free[i])
    return found


class _Place(NamedTuple):
    """Somewhere in the valley, linear values at least squares: free values, sum of squares, relative residuals (rows,),
    their Jacobian (rows, free), and which linear values are not held."""

    free: np.ndarray
    height: float
    residuals: np.ndarray
    jacobian: np.ndarray
    moving: np.ndarray


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

    def floor(self, start: np.ndarray) -> np.ndarray:
        """The lowest place that damped Gauss-Newton steps reach; the start where nothing is finite."""
        here, damping = self._at(start), _FIRST_DAMPING
        if here is None:
            return start
        for _ in range(_MOST_STEPS if len(start) < _VERY_MANY else _STEPS_OF_MANY):
            step = self._steps(here)
            lower = None
            while lower is None and damping < _LARGEST_DAMPING:
                trial = here.free.copy()
                trial[self.others] += step(damping)
                lower = self._at(trial)
                if lower is None or not lower.height < here.height:
                    lower, damping = None, 5 * damping
            if lower is None:
                break
            gain, here, damping = 1 - lower.height / here.height, lower, damping / 10
            if gain < _TOLERANCE:
                break
        return here.free

    def _steps(self, here: _Place):
        """`step(damping)` of the values that are not linear, with the linear ones following."""
        columns = here.jacobian[:, self.linear[here.moving]]
        spanned, _ = np.linalg.qr(columns / np.linalg.norm(columns, axis=0))
        slopes, residuals = here.jacobian[:, self.others], here.residuals
        slopes = slopes - spanned @ (spanned.T @ slopes)
        residuals = residuals - spanned @ (spanned.T @ residuals)
        norms = np.linalg.norm(slopes, axis=0)
        norms = np.where(norms > 0, norms, 1.0)
        curvature, gradient = slopes.T @ slopes / np.outer(norms, norms), slopes.T @ residuals / norms

        def step(damping: float) -> np.ndarray:
            try:
                return -np.linalg.solve(curvature + damping * np.eye(len(norms)), gradient) / norms
            except np.linalg.LinAlgError:  # slopes that are one another's multiples, and hardly any damping
                return np.full(len(norms), np.nan)

        return step

    def _at(self, free: np.ndarray) -> _Place | None:
        """The place with these values of what is not linear; None where the law is not finite."""
        problem = self.stack.first
        free = np.clip(free, problem.lower, problem.upper)
        residuals, jacobian = self._evaluate(free)
        if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            return None
        columns = jacobian[:, self.linear]  # of a logarithm the slope in units of the value itself
        base = residuals - columns @ self.logged.astype(float)
        norms = np.linalg.norm(columns, axis=0)
        moving = norms > 1e-300
        least = LEAST_SHARE * np.linalg.norm(base) / np.where(moving, norms, np.inf)
        value = np.where(self.logged, np.where(moving, least, 1.0), 0.0)
        while moving.any():
            rest = base + columns[:, ~moving] @ value[~moving]
            found = np.linalg.lstsq(columns[:, moving] / norms[moving], -rest, rcond=1e-12)[0] / norms[moving]
            negative = self.logged[moving] & (found < least[moving])
            if not negative.any():
                value[moving] = found
                break
            moving[np.flatnonzero(moving)[negative]] = False
        free = free.copy()
        free[self.linear] = np.where(self.logged, free[self.linear] + np.log(value), free[self.linear] + value)
        free = np.clip(free, problem.lower, problem.upper)
        residuals, jacobian = self._evaluate(free)
        if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            return None
        return _Place(free, float(residuals @ residuals), residuals, jacobian, moving)

    def _evaluate(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Relative residuals (rows,) in natural units, and their Jacobian (rows, free), times the roots of weights."""
        problem = self.stack.first
        rows = slice(problem.count)
        residuals, jacobian, _, _ = (x[0, rows] for x in slopes_of(self.stack, free[None]))
        whitening, response = problem.whitening, problem.observed
        roots = np.sqrt(problem.points.weights[rows]) * whitening
        residuals, jacobian = residuals / whitening, jacobian / whitening[:, None]
        if problem.task.space == "log":
            return roots * np.expm1(residuals), (roots * np.exp(residuals))[:, None] * jacobian
        size = roots / np.maximum(np.abs(response), 1e-12 * np.abs(response).max() + 1e-300)
        return size * residuals, size[:, None] * jacobian
