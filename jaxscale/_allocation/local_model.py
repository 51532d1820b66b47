"""What a constrained problem is at a point: its rows, their slopes, and the curvature of its Lagrangian."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._allocation.lane_algebra import Listed, Scalars, dot, for_each, largest


class ConstrainedProblem(Protocol):
    """What to solve. It is static under `jit`: equal problems must be equal, numbers belong into `given`.

    Some rows may be `hard`: linear, kept by every start, and never broken on the way, since the problem is not defined
    beyond them (a share below zero).
    """

    @property
    def hard(self) -> tuple[int, ...]:
        """Which rows are hard."""
        ...

    def objective(self, x: Scalars, given: Array) -> Array:
        """f, a scalar, of scale one."""
        ...

    def rows(self, x: Scalars, given: Array) -> Scalars:
        """g, (m,), each at most zero where its limit is kept. They must bound x from all sides."""
        ...


class Local(NamedTuple):
    """Rows (m, lanes), their slopes in each variable, and the objective's slopes."""

    values: Array
    slopes: Listed
    gradient: Listed


class Scaling(NamedTuple):
    """Factors that give objective and rows slopes of order one; those of rows that are off are zero."""

    lift: Array
    rows: Array
    off: Array


# As functions of their own they are traced once for all who need them, which is most of the time before compilation.
@partial(jax.jit, static_argnums=0, inline=True)
def first_order(problem: ConstrainedProblem, x: Listed, given: Array) -> Local:
    def one(x: Any, given: Array) -> tuple:
        def both(x: Listed) -> tuple:
            return problem.objective(tuple(x), given), problem.rows(tuple(x), given)

        if isinstance(x, tuple):
            pairs = [_derivative(both, x, i) for i in range(len(x))]
            return pairs[0][0][1], [slope for _, slope in pairs]
        (_, values), push = jax.linearize(both, x)
        return values, jax.vmap(push)(jnp.eye(len(x), dtype=x.dtype))

    values, changes = jax.vmap(one, in_axes=-1, out_axes=-1)(x, given)
    if isinstance(x, tuple):
        slopes, gradient = tuple(jnp.stack(rows) for _, rows in changes), tuple(slope for slope, _ in changes)
    else:
        gradient, slopes = changes[0], jnp.stack(changes[1], axis=1)
    return Local(jnp.stack(values), slopes, gradient)


@partial(jax.jit, static_argnums=0, inline=True)
def curvature_of(problem: ConstrainedProblem, x: Listed, given: Array, factor: Array, prices: Array) -> Listed:
    """Second derivatives of the Lagrangian: rows that are linear have no part in them, nor in the program."""

    def one(x: Listed, given: Array, factor: Array, prices: Array) -> Listed:
        def lagrangian(x: Listed) -> Array:
            return factor * problem.objective(tuple(x), given) + dot(tuple(prices), problem.rows(tuple(x), given))

        if not isinstance(x, tuple):
            return jax.jacfwd(jax.grad(lagrangian))(x)
        return [
            [_derivative(lambda y, i=i: _derivative(lagrangian, y, i)[1], x, j)[1] for j in range(i + 1)]
            for i in range(len(x))
        ]

    return jax.vmap(one, in_axes=-1, out_axes=-1)(x, given, factor, prices)


@partial(jax.jit, static_argnums=0, inline=True)
def value_at(problem: ConstrainedProblem, x: Array, given: Array) -> Array:
    return jax.vmap(lambda x, given: problem.objective(tuple(x), given), in_axes=-1, out_axes=-1)(x, given)


@partial(jax.jit, static_argnums=0, inline=True)
def rows_at(problem: ConstrainedProblem, x: Listed, given: Array) -> Array:
    """All rows, (m, lanes)."""
    return jnp.stack(jax.vmap(lambda x, given: tuple(problem.rows(tuple(x), given)), in_axes=-1, out_axes=-1)(x, given))


def scaling_of(here: Local, on: Array) -> Scaling:
    """A flat loss is raised, and a row of small slope too: its multiplier would be huge."""
    lift = jnp.clip(0.1 / (largest(for_each(jnp.abs, here.gradient)) + 1e-12), 1.0, 100.0)
    rows = jnp.clip(1 / (largest(for_each(jnp.abs, here.slopes)) + 1e-12), 1e-3, 300.0)
    return Scaling(lift, on * rows, 1 - on)


def scaled(here: Local, scaling: Scaling, weight: Array) -> Local:
    return Local(
        scaling.rows * here.values - scaling.off,  # a row that is off is kept with ease
        for_each(lambda v: scaling.rows * v, here.slopes),
        for_each(lambda v: weight * scaling.lift * v, here.gradient),
    )


def _derivative(function: Callable[[Scalars], Any], x: Scalars, i: int) -> tuple[Any, Any]:
    """The value, and its slope in one variable."""
    return jax.jvp(lambda v: function((*x[:i], v, *x[i + 1 :])), (x[i],), (jnp.ones_like(x[i]),))
