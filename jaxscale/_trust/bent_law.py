"""Where the optima of resampled fits lie but for little, by a law bent beside the fit: starts of their solver.

Near a fit the residuals of all draws of a table are the same functions of where a draw is: a value, slopes and bends.
So steps of Newton's method for all draws at once are a few products of matrices, a fraction of what the law itself
costs. A draw that the bent law does not help, as its own objective says, starts at the fit.
"""

from typing import NamedTuple

import jax
import numpy as np

from jaxscale._base.triangle import lower_triangle, places_in_triangle
from jaxscale._problem.arrays import Overrides
from jaxscale._problem.losses import Prior
from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._trust.linearization import Linearization, linearize_all

# Of each step, the share of the reweighted curvature of outer residuals, see `DampedState.outer_share` (which residuals
# are outer ones changes much in the first and hardly in the last), and how far it goes at most, times the root of the
# number of free values, in standard deviations of residuals or the size of inner ones, if that is larger: where few are
# inner ones a whole step may go far beyond. Edges, which most residuals lie to one side of, take one more.
_STEPS = (0.26, 1.6), (0.12, 0.8), (0.03, 0.5), (0.005, 0.3)
_STEPS_TO_EDGES = (0.26, 1.6), (0.16, 0.8), (0.04, 0.55), (0.01, 0.35), (0.0025, 0.15)
_LEAST_INNER = 1.2  # inner residuals for each free value; with fewer a law bent so has the optimum at another vertex
_MOST_BENT = 2.0  # as a share of the slopes, one standard deviation of a draw away
_MOST_FREE, _MOST_NUMBERS = 12, 1 << 23  # of values, and of bends of one table
_AT_ONCE = 1 << 15  # numbers of an array of draws and runs, three of which a core's cache holds
_LEAST_ROOM = 1e-13  # of squared slopes of length one, the least over the largest
_RIDGE = 1e-6  # as a share of the curvature


class BentLaw(NamedTuple):
    """The law beside the fit of one table, along axes in which its slopes are orthonormal, in float32.

    fit: (free,). residuals: there, (runs,). axes: (free, free), what one unit of each axis is of the free values.
    predicts: (free + pairs + 1, runs), what coordinates of a draw, their products and one are multiplied by to be its
    residuals. slopes: (runs, free + pairs), and bends. squares: (runs, pairs), products of slopes. turning:
    (free * free, free), what sums of those gain along each axis if every run counts. size: scale of the residuals, or
    where inner ones end if that is further.
    """

    problem: Problem
    fit: np.ndarray
    residuals: np.ndarray
    axes: np.ndarray
    predicts: np.ndarray
    slopes: np.ndarray
    squares: np.ndarray
    turning: np.ndarray
    size: float

    def near(
        self, weights: np.ndarray, response: np.ndarray | None, centre: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Free values (draws, free) where the bent law has the optimum of each draw, and which of them its objective
        says to be better than the fit; the fit itself elsewhere. What draws are fitted to is as `Overrides` has it,
        weights in float32 at best."""
        runs = self.predicts.shape[1]
        weights = np.asarray(weights[:, :runs], np.float32)
        with np.errstate(all="ignore"):  # some draws go astray
            there, better = self._descend(Overrides(weights, response, centre))
        free = self.fit + there.T @ self.axes.T
        better &= ((free >= self.problem.lower) & (free <= self.problem.upper)).all(axis=1)
        return np.where(better[:, None], free, self.fit), better

    def _descend(self, own: Overrides) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (free, draws) after so many steps, and whether the objective is lower there."""
        (p, pairs), (draws, runs) = (len(self.axes), self.squares.shape[1]), own.weights.shape
        size = min(max(32, _AT_ONCE // runs), draws)
        parts = [slice(first, first + size) for first in range(0, draws, size)]
        work = np.empty((3, size, runs), np.float32)
        loss = self.problem.loss
        shape = jax.tree.map(np.float32, loss._replace(prior=None))
        pull = None if loss.prior is None else _Pull.of(loss.prior, self.axes, self.fit, own.centre)
        place, moved, shift = np.zeros((p, draws), np.float32), False, None
        if own.response is not None:
            shift = (self.problem.points.response[:runs] - own.response[:, :runs]).astype(np.float32)

        def residuals(mine: slice) -> np.ndarray:
            """Of some draws where they are, (draws, runs), or (1, runs) if those of all are the same."""
            if not moved and shift is None:
                return self.residuals[None]
            found = self._residuals(place[:, mine], work[0])
            return found if shift is None else np.add(found, shift[mine], out=found)

        def times(values: np.ndarray, here: np.ndarray) -> np.ndarray:
            """Values of residuals times what overestimates count."""
            return values if shape.overestimate == 1 else values * np.where(here > 0, shape.overestimate, 1)

        def totals(values: np.ndarray, columns: np.ndarray, mine: slice) -> np.ndarray:
            """Sums over the runs of each draw of values times columns (runs, n), as (n, draws)."""
            weights = own.weights[mine]
            if len(values) == 1:
                return (weights @ (values.T * columns)).T
            return (np.multiply(values, weights, out=values) @ columns).T

        def sums(share: float) -> tuple[np.ndarray, np.ndarray]:
            """What `_step` takes, where the draws are."""
            first, second = (np.empty((n, draws), np.float32) for n in (p + pairs, pairs))
            for mine in parts:
                here = residuals(mine)
                score, slope = work[1:, : len(here)]
                shape.scores(here, np.float32(share), score, slope)
                first[:, mine] = totals(times(score, here), self.slopes, mine)
                second[:, mine] = totals(times(slope, here), self.squares, mine)
            return first, second

        def heights() -> np.ndarray:
            """The objective of each draw where it is, (draws,)."""
            found = np.empty(draws, np.float32)
            for mine in parts:
                here, weights = residuals(mine), own.weights[mine]
                values = np.broadcast_to(times(shape.height(here), here), weights.shape)
                np.einsum("nr,nr->n", weights, values, out=found[mine])
            return found if pull is None else found + pull.height(place)

        before = heights()
        for share, reach in _STEPS if shape.overestimate == 1 else _STEPS_TO_EDGES:
            step = self._step(*sums(share), place, pull)
            longest = np.float32(reach * np.sqrt(p) * self.size)
            place -= step * np.minimum(1, longest / np.sqrt(np.einsum("ij,ij->j", step, step)))
            moved = True
        better = np.isfinite(place).all(axis=0) & (heights() < before)
        return np.where(better, place, 0), better

    def _residuals(self, place: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Residuals (draws, runs) at coordinates (free, draws), written over the first rows of `out`."""
        rows, columns = lower_triangle(len(place))
        terms = np.concatenate([place, place[rows] * place[columns], np.ones_like(place[:1])])
        return np.matmul(terms.T, self.predicts, out=out[: place.shape[1]])

    def _step(self, first: np.ndarray, second: np.ndarray, place: np.ndarray, pull: "_Pull | None") -> np.ndarray:
        """What Newton's step takes from coordinates (free, draws), of sums over runs of scores times slopes and bends,
        and of slopes of scores times products of slopes."""
        p, draws = place.shape
        whole, diagonal = places_in_triangle(p), np.arange(p)
        bent, curvature = first[p:][whole], second[whole]
        counting = second[whole[diagonal, diagonal]].sum(axis=0) / np.float32(p)
        gradient = first[:p] + (bent * place).sum(axis=1)
        curvature += bent
        curvature += (self.turning @ place).reshape(p, p, draws) * counting
        curvature[diagonal, diagonal] += _RIDGE * counting
        if pull is not None:
            gradient += pull.slope(place)
            curvature += pull.curvature
        return _solved(curvature, gradient)


class _Pull(NamedTuple):
    """Priors along the axes: how far the fit lies from their centres (free, draws or 1), weights, axes."""

    off: np.ndarray
    weight: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, prior: Prior, axes: np.ndarray, free: np.ndarray, centre: np.ndarray | None) -> "_Pull":
        off = (free - (prior.centre if centre is None else centre)).reshape(-1, len(free)).T
        return cls(*(np.asarray(x, np.float32) for x in (off, prior.weight[:, None], axes)))

    def height(self, place: np.ndarray) -> np.ndarray:
        """What they add to the objective, (draws,)."""
        return 0.5 * (self.weight * (self.off + self.axes @ place) ** 2).sum(axis=0)

    def slope(self, place: np.ndarray) -> np.ndarray:
        """And to its slopes, (free, draws)."""
        return self.axes.T @ (self.weight * (self.off + self.axes @ place))

    @property
    def curvature(self) -> np.ndarray:
        """And to its curvature, (free, free, 1)."""
        return (self.axes.T @ (self.weight * self.axes))[..., None]


def bent_laws(stack: Stack, free: np.ndarray) -> list[BentLaw | None]:
    """The law beside the fit of each table, (len(stack), free); None where a bound holds a value, where runs hardly
    determine one, where it bends too much, or where hardly a residual is an inner one. Call under float64.

    Bends are differences of slopes between places as far from the fit as draws are.
    """
    tables, p = len(stack), free.shape[1]
    pairs, runs = p * (p + 1) // 2, stack.stages[-1].points.response.shape[-1]
    if p > _MOST_FREE or runs * pairs > _MOST_NUMBERS:
        return [None] * tables
    at = linearize_all(stack, free)
    axes = np.array([_axes(one) for one in at])
    sigma, whole = np.array([one.sigma for one in at]), places_in_triangle(p)
    far = np.where(sigma > 0, sigma, 1.0)
    bends = np.zeros((tables, runs, pairs), np.float32)
    for k in range(p):
        step = far[:, None] * axes[:, :, k]
        there, back = (slopes_of(stack, free + sign * step)[1] for sign in (1, -1))
        with np.errstate(all="ignore"):  # the law may not be finite there
            along = (there - back) @ axes / (2 * far[:, None, None])
            for j in range(p):
                bends[..., whole[j, k]] += along[..., j] * (1.0 if j == k else 0.5)
    made: list[BentLaw | None] = []
    for k, one in enumerate(at):
        bend = bends[k, : len(one.residuals)]
        with np.errstate(all="ignore"):
            size = sigma[k] * np.sqrt(one.weights @ bend.astype(float) ** 2)
        known = not one.held.any() and axes[k].any() and sigma[k] > 0 and (size < _MOST_BENT).all()  # not if nan
        known = known and 0.8 * one.used.sum() * one.loss.size > _LEAST_INNER * p * sigma[k]  # of Gaussian residuals
        made.append(_made(stack.problems[k], free[k], one, axes[k], bend) if known else None)
    return made


def _made(problem: Problem, fit: np.ndarray, at: Linearization, axes: np.ndarray, bend: np.ndarray) -> BentLaw:
    p = len(axes)
    rows, columns = lower_triangle(p)
    slopes = at.jacobian @ axes
    turning = np.einsum("nj,nq->jq", slopes * at.weights[:, None], bend)[:, places_in_triangle(p)]
    turning = turning + turning.transpose(1, 0, 2)
    bent = bend * np.where(rows == columns, 0.5, 1.0)
    predicts = np.concatenate([slopes, bent, at.residuals[:, None]], axis=1).T
    return BentLaw(
        problem=problem,
        fit=fit,
        residuals=at.residuals.astype(np.float32),
        axes=axes,
        predicts=np.ascontiguousarray(predicts, np.float32),
        slopes=np.concatenate([slopes, bend], axis=1).astype(np.float32),
        squares=(slopes[:, rows] * slopes[:, columns]).astype(np.float32),
        turning=turning.reshape(p * p, p).astype(np.float32),
        size=max(at.sigma, at.loss.size),
    )


def _axes(at: Linearization) -> np.ndarray:
    """Axes (free, free) in which the slopes of the runs, and of priors, are orthonormal; zeros where there are none."""
    p = at.jacobian.shape[1]
    slopes = np.concatenate([at.jacobian * np.sqrt(at.weights)[:, None], at.rows_of_priors])
    lengths = np.linalg.norm(slopes, axis=0)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        return np.zeros((p, p))
    squares, axes = np.linalg.eigh((slopes / lengths).T @ (slopes / lengths))
    return axes / np.sqrt(squares) / lengths[:, None] if squares[0] > _LEAST_ROOM * squares[-1] else np.zeros((p, p))


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions (p, draws) by elimination without pivoting, which overwrites matrices (p, p, draws) and right sides."""
    p = len(right)
    for k in range(p):
        factor = matrix[k + 1 :, k] / matrix[k, k]
        matrix[k + 1 :, k + 1 :] -= factor[:, None] * matrix[k, None, k + 1 :]
        right[k + 1 :] -= factor * right[k]
    for k in reversed(range(p)):
        right[k] /= matrix[k, k]
        right[:k] -= matrix[:k, k] * right[k]
    return right
