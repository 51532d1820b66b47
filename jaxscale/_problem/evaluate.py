"""Value, gradient and curvature of an objective at free values, for many lanes at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import optimization_barrier

from jaxscale._base.triangle import places_in_triangle
from jaxscale._problem.arrays import ProblemArrays, Task
from jaxscale._problem.losses import Prior
from jaxscale._problem.objectives import Objective, Space
from jaxscale.laws import Law
from jaxscale.laws._each_once import each_once
from jaxscale.laws._rewrite import vectorised
from jaxscale.optim import Curvature

_MOST_ROWS = 9  # of slopes that are multiplied with one column at a time


def residual_space(law: Law, objective: Objective) -> Space:
    """The space of the residuals: logs where the objective asks for them and the response has a logarithm."""
    return objective.space if law.response.domain == "positive" else "raw"


def predictor(task: Task) -> Callable[[tuple, tuple], Array]:
    """`predict(theta, inputs)`: what is compared with `Points.response` of one run, from its `Points.inputs`."""
    law, _, space, whitened = task

    def predict(theta: tuple, inputs: tuple) -> Array:
        value = law.log_response(theta, inputs[:-1] if whitened else inputs)
        value = jnp.exp(value) if space == "raw" and law.response.domain == "positive" else value
        return inputs[-1] * value if whitened else value

    return vectorised(predict)


class Evaluation(NamedTuple):
    """Objective (lanes,), gradient (lanes, free) and curvature (lanes, free, free)."""

    value: Array
    gradient: Array
    curvature: Curvature | None


def value_of(task: Task) -> Callable[[Array, ProblemArrays], Array]:
    """`value(free, tables)`: the objective of one problem. Leading axes are for the caller's vmap."""
    predict = predictor(task)

    def value(free: Array, tables: ProblemArrays) -> Array:
        points, loss = tables.points, tables.loss
        theta = task.layout.full(free, tables.pinned)
        residual = (
            optimization_barrier(jax.vmap(lambda inputs: predict(theta, inputs))(points.inputs)) - points.response
        )
        total = jnp.sum(optimization_barrier(loss.misfit(residual, points.weights)[0]))
        return total if loss.prior is None else total + loss.prior.penalty(free)

    return value


def evaluator(task: Task, *, exact: bool, second_order: bool = True) -> Callable[..., Evaluation]:
    """`evaluate(free, tables, outer_share=None)` for many lanes, (lanes, free); see `DampedState.outer_share`.

    Arrays of `tables` (a `ProblemArrays`) may have a lane axis or be shared. Everything is one pass of elementwise
    work per run, in which derivatives share what they have in common, then products of `_products`; barriers keep XLA
    from fusing those into the pass, which would make it scalar.
    """
    predict, layout = predictor(task), task.layout

    def of_free(free: tuple, pinned: Array, inputs: tuple) -> Array:
        return predict(layout.full(free, pinned), inputs)

    value_and_jacobian = jax.value_and_grad(of_free)
    jacobian = jax.grad(of_free)

    def hessian_rows(free: tuple, pinned: Array, inputs: tuple) -> list[Array]:
        """Lower triangle row by row, one tangent at a time, so that the zeros of a tangent cost nothing."""
        rows = []
        for j in range(len(free)):

            def along(x, j=j):
                return jacobian((*free[:j], x, *free[j + 1 :]), pinned, inputs)[: j + 1]

            rows.extend(jax.jvp(along, (free[j],), (jnp.ones_like(free[j]),))[1])
        return rows

    @each_once
    def of_run(free: tuple, pinned: Array, inputs: tuple) -> tuple[Any, ...]:
        """What is predicted of a run, its slopes in the free values, and its second derivatives or none."""
        second = hessian_rows(free, pinned, inputs) if exact and second_order else []
        return *value_and_jacobian(free, pinned, inputs), second

    def evaluate(free: Array, tables: ProblemArrays, outer_share: Array | None = None) -> Evaluation:
        pinned, points = tables.pinned, tables.points
        p = free.shape[1]
        inputs_axes = 0 if pinned.ndim == 2 else None
        columns = tuple(free[:, i] for i in range(p))

        def one_lane(x, pins, inputs):
            return jax.vmap(of_run, (None, None, 0))(x, pins, inputs)

        prior = tables.loss.prior
        loss = jax.tree.map(lambda x: jnp.reshape(x, (-1, 1)), tables.loss._replace(prior=None))
        predicted, jac, rows = jax.vmap(one_lane, (0, inputs_axes, inputs_axes))(columns, pinned, points.inputs)
        residual = _apart(predicted - points.response)
        contribution, psi, weights = loss.misfit(residual, points.weights)
        inner, slope = loss.curvature(residual, weights, None if outer_share is None else outer_share[:, None])
        lacking = None if slope is inner else slope - inner  # of the exact curvature, where it may be negative
        contribution, psi, inner = _apart((contribution, psi, inner))
        if not second_order:
            gradient = jnp.stack([jnp.sum(optimization_barrier(j * psi), axis=1) for j in jac], axis=1)
            return _with_prior(Evaluation(jnp.sum(contribution, axis=1), gradient, None), free, prior)

        slopes = optimization_barrier(jnp.stack(jac, axis=1))
        product = _products(slopes, [*(j * inner for j in jac), psi])
        gauss_newton, gradient = product[:, :p], product[:, p]
        hessian = gauss_newton
        if exact:
            if lacking is not None:
                lacking = _apart(lacking)
                hessian = hessian + _products(slopes, [j * lacking for j in jac])
            triangle = jnp.einsum("bkn,bn->bk", optimization_barrier(jnp.stack(rows, axis=1)), psi)
            hessian = hessian + triangle[:, places_in_triangle(p)]
        value = contribution @ jnp.ones(contribution.shape[1], contribution.dtype)  # a sum along rows is scalar
        return _with_prior(Evaluation(value, gradient, Curvature(gauss_newton, hessian)), free, prior)

    return evaluate


def _apart(arrays: Any) -> Any:
    """Arrays (lanes, n) that XLA does not compute again in each of their uses, nor write where an operand stood: loops
    on CPU whose result lies over an operand are scalar, so each is handed over with one more axis."""
    return jax.tree.map(lambda x: x[..., 0], optimization_barrier(jax.tree.map(lambda x: x[..., None], arrays)))


def _products(slopes: Array, columns: list[Array]) -> Array:
    """Sums over runs of slopes (lanes, p, n) times each of some columns (lanes, n), as (lanes, columns, p).

    XLA on CPU vectorises a product of a matrix and a vector; that of two small matrices takes up to twice as long, and
    is as fast from some ten rows on.
    """
    if slopes.shape[1] > _MOST_ROWS:
        return jnp.einsum("bin,bjn->bij", optimization_barrier(jnp.stack(_apart(columns), axis=1)), slopes)
    return jnp.stack([jnp.einsum("bjn,bn->bj", slopes, column) for column in columns], axis=1)


def _with_prior(found: Evaluation, free: Array, prior: Prior | None) -> Evaluation:
    if prior is None:
        return found
    diagonal = jnp.eye(free.shape[1]) * prior.weight[..., None, :]
    curvature = jax.tree.map(lambda x: x + diagonal, found.curvature)
    return Evaluation(
        found.value + prior.penalty(free), found.gradient + prior.weight * (free - prior.centre), curvature
    )
