"""Damped second-order solvers for sums of robust residuals, as optax gradient transformations.

They run one step at a time in any optax loop and, batched over many starts, inside `jaxscale.fit`. Written for one
problem.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxscale._base.errors import InputError

RUNNING, CONVERGED, STUCK, NOT_FINITE, STEP_LIMIT = range(5)
STATUS_TEXT = (
    "running",
    "converged",
    "no step lowers the objective",
    "objective not finite at the start",
    "ran out of steps",
)

# A residual beyond delta does not curve the objective; iteratively reweighted least squares gives it the curvature
# delta / |residual|. Over the 4,500 published starts on Epoch's runs, 98 % were at the optimum after 49 steps with a
# share of 0.3 or 0.4 of it; 97 % after 58 and 87 steps with 0.2 and 1.0.
OUTER_SHARE = 0.3
_LARGEST_DAMPING, _SMALLEST_DAMPING = 1e10, 1e-12


def settled(status: Any) -> Any:
    """Whether descents of these status codes ended at an optimum: converged, or no step lowers the objective."""
    return (status == CONVERGED) | (status == STUCK)


class Curvature(NamedTuple):
    """Second-order information at a point, each (n_parameters, n_parameters).

    `gauss_newton` is positive semi-definite; `exact` is the Hessian, used where it is positive definite.
    """

    gauss_newton: Array
    exact: Array


class DampedState(NamedTuple):
    """Where a damped solver stands. `point` is the best point so far; `params` may be a trial that was not accepted."""

    point: Array
    value: Array
    gradient: Array
    curvature: Curvature
    damping: Array
    predicted: Array  # decrease that the quadratic model expects of the step now being tried
    streak: Array  # steps accepted in a row (positive) or refused in a row (negative)
    status: Array

    @property
    def outer_share(self) -> Array:
        """Share of the reweighted curvature of residuals beyond delta that `curvature` should hold, see `OUTER_SHARE`.

        It fades as the damping does, or the last steps would not be Newton's.
        """
        return jnp.minimum(OUTER_SHARE, 1e6 * self.damping)


def solve_positive(matrix: Array, right: Array) -> tuple[Array, Array]:
    """Gauss-Jordan solution (p,) without pivoting, and whether every pivot was positive (the matrix positive
    definite)."""
    p = right.shape[0]

    def eliminate(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        work, positive = carry
        pivoted = work[k]
        pivot = pivoted[k]
        row = pivoted / pivot
        work = jnp.where((jnp.arange(p) == k)[:, None], row, work - work[:, k, None] * row)
        return work, positive & (pivot > 1e-14)

    work, positive = jax.lax.fori_loop(
        0, p, eliminate, (jnp.concatenate([matrix, right[:, None]], axis=1), jnp.asarray(True))
    )
    return work[:, p], positive


def unit_scale(diagonal: Any, xp: Any = jnp) -> Any:
    """Scales (..., p) that give a curvature of that diagonal a diagonal of ones, with the functions of `xp`."""
    largest = xp.max(diagonal, axis=-1, keepdims=True, initial=0.0)
    curved = xp.maximum(diagonal, xp.maximum(1e-14 * largest, 1e-300))
    return jax.lax.rsqrt(curved) if xp is jnp else curved**-0.5


def _trial_step(hessian: Array, gradient: Array, scale: Array, damping: Array, free: Array, room: tuple[Array, Array]):
    """Step of the model with Marquardt damping, the decrease it predicts, and whether it can be used."""
    scaled = hessian * scale[:, None] * scale[None, :]
    scaled = jnp.where(free[:, None] & free[None, :], scaled, 0.0) + jnp.diag(jnp.where(free, damping, 1.0))
    step, positive = solve_positive(scaled, jnp.where(free, -scale * gradient, 0.0))
    step = jnp.clip(scale * step, *room)
    predicted = -(gradient @ step) - 0.5 * step @ hessian @ step
    return step, predicted, positive & jnp.all(jnp.isfinite(step)) & (predicted > 0)


def weigh(value, best, predicted, damping, streak, finite, tolerance, xp: Any = jnp) -> tuple[Any, Any, Any, Any]:
    """What a damped solver makes of a trial: whether it is better, the next damping and streak, and the status.

    value: of the objective there; best: of the best point so far, infinite before the first. Elementwise,
    with the functions of `xp`: jax.numpy or NumPy.
    """
    fresh = xp.isinf(best)
    # A last step whose promise is below rounding is taken on trust: the objective can no longer tell it is better.
    negligible = tolerance * xp.abs(best)
    last = (predicted <= negligible) & (value <= best + negligible)
    better = finite & ((value < best) | (last & ~fresh))
    gain = xp.where(fresh, xp.inf, best - value)
    ratio = gain / predicted
    # The damping moves faster the longer it has moved one way: a far start asks for many decades of it, and back.
    good = better & (ratio > 0.9)
    longer = xp.where(good, xp.maximum(streak, 0) + 1, xp.where(better, 0, xp.minimum(streak, 0) - 1))
    faster = 4.0 ** xp.minimum(xp.abs(longer), 2.0)
    eased = damping * xp.where(good, 1 / faster, xp.where(ratio < 0.25, 3.0, 1.0))
    moved = xp.where(better, eased, xp.maximum(faster * damping, 1e-6))
    moved = xp.where(fresh, damping, xp.maximum(moved, _SMALLEST_DAMPING))
    small = (better & (gain <= negligible) & (ratio > 0.25)) | (predicted <= negligible)
    status = xp.where(moved > _LARGEST_DAMPING, STUCK, RUNNING)
    status = xp.where(small & (moved < 1.0) & ~fresh, CONVERGED, status)
    status = xp.where(fresh & ~finite, NOT_FINITE, status).astype(jnp.int32)
    return better, moved, xp.where(fresh, 0, longer), status


@cache
def damped_newton(
    *,
    exact: bool = True,
    initial_damping: float = 10.0,
    tolerance: float = 1e-13,
    trusting: bool = False,
    nearby: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Newton's method with Marquardt damping, falling back to Gauss-Newton where the Hessian is not positive definite.

    Stops on scale-free grounds: when the decrease predicted or made is below `tolerance` times the objective while
    the damping is small. Steps that do not lower the objective are taken back, so `state.point` and `state.value` are
    the answer.

    Args:
        exact: use the exact Hessian where it is positive definite; False gives Levenberg-Marquardt.
        initial_damping: damping relative to the diagonal of the curvature.
        tolerance: relative decrease that counts as none.
        trusting: take the last step, which promises less than that, without looking at the objective there: one
            evaluation less, `state.value` is then that before it.
        nearby: for starts near an optimum, where a step that goes too far crosses kinks rather than valleys: after a
            refused step at whose end the objective rises, try the point between where its slopes along the step
            vanish if they change evenly (the secant method). And `trusting` goes by what will be left after the last
            step: what that promises, times ten times the share that it is of what the step before it promised.

    The transformation's `update(grads, state, params, *, value, ...)` takes the objective at `params` as `value`, and
    either `curvature` (a `Curvature`) or `value_fn` (the objective as a function of params, whose Hessian is then
    taken). `lower` and `upper` bound params (flattened). The numerical method follows Nocedal & Wright, Numerical
    Optimization (2006), sections 10.3 and 7.1, with a projection on bounds.
    """

    def init(params: Any) -> DampedState:
        flat, _ = ravel_pytree(params)
        square = jnp.zeros((flat.shape[0], flat.shape[0]), flat.dtype)
        number = jnp.zeros((), flat.dtype)
        return DampedState(
            point=flat,
            value=number + jnp.inf,
            gradient=jnp.zeros_like(flat),
            curvature=Curvature(square, square),
            damping=number + initial_damping,
            predicted=number + 1.0,
            streak=number,
            status=jnp.asarray(RUNNING, jnp.int32),
        )

    def update(
        updates, state, params=None, *, value, curvature=None, value_fn=None, lower=-jnp.inf, upper=jnp.inf, **_
    ):
        trial, unravel = ravel_pytree(params)
        gradient, _ = ravel_pytree(updates)
        if curvature is None:
            if value_fn is None:
                raise InputError("update needs value= and either curvature= or value_fn=")
            hessian = jax.hessian(lambda flat: value_fn(unravel(flat)))(trial)
            sizes, directions = jnp.linalg.eigh(hessian)
            curvature = Curvature((directions * jnp.abs(sizes)) @ directions.T, hessian)

        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        better, damping, streak, status = weigh(
            value, state.value, state.predicted, state.damping, state.streak, finite, tolerance
        )
        tried, slopes = trial - state.point, (state.gradient, gradient)
        point, best, gradient, curvature = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (trial, value, gradient, curvature),
            (state.point, state.value, state.gradient, state.curvature),
        )

        free = ~(((point <= lower) & (gradient > 0)) | ((point >= upper) & (gradient < 0)))
        room = (lower - point, upper - point)
        scale = unit_scale(jnp.diagonal(curvature.gauss_newton))

        def steps_of(models: Array) -> tuple[Array, Array, Array]:
            return jax.vmap(lambda model: _trial_step(model, gradient, scale, damping, free, room))(models)

        # Newton's step where the exact model has one. The two are worked out side by side, which compiles once.
        steps, promises, usables = steps_of(jnp.stack(curvature if exact else curvature[:1]))
        step, predicted, usable = (jnp.where(usables[-1], x[-1], x[0]) for x in (steps, promises, usables))
        # Without a usable step nothing moves and nothing is learnt; more damping makes one next time.
        damping = jnp.where(usable, damping, 10.0 * damping)
        predicted = jnp.where(usable, predicted, 1.0)
        if nearby:
            before, beyond = (slope @ tried for slope in slopes)
            too_far = finite & ~better & (before < 0) & (beyond > 0)
            share = jnp.clip(before / (before - beyond), 0.05, 0.95)
            step = jnp.where(too_far, share * tried, step)
            predicted = jnp.where(too_far, -0.5 * share * before, predicted)
            usable = usable | too_far
        target = point + jnp.where(usable, step, 0.0)
        if trusting:
            left = predicted
            if nearby:
                follows = jnp.isfinite(state.value) & better & (state.streak >= 0)
                left = predicted * jnp.where(follows, jnp.minimum(10 * predicted / state.predicted, 1.0), 1.0)
            last = (status == RUNNING) & usable & (left <= tolerance * jnp.abs(best)) & (damping < 1.0)
            point, status = jnp.where(last, jnp.clip(target, lower, upper), point), jnp.where(last, CONVERGED, status)
        new_state = DampedState(
            point, best, gradient, curvature, damping, predicted, streak.astype(damping.dtype), status
        )
        return unravel(target - trial), new_state

    return optax.GradientTransformationExtraArgs(init, update)


def levenberg_marquardt(
    *, initial_damping: float = 10.0, tolerance: float = 1e-13, trusting: bool = False, nearby: bool = False
) -> optax.GradientTransformationExtraArgs:
    """`damped_newton` without second derivatives: cheaper per step, and more starts end short of the optimum."""
    return damped_newton(
        exact=False, initial_damping=initial_damping, tolerance=tolerance, trusting=trusting, nearby=nearby
    )
