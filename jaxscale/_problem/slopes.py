"""Residuals of every run and their slopes in the free values, for a stack of problems."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.lax import optimization_barrier

from jaxscale._base.devices import compile_options
from jaxscale._base.programs import Program, kept
from jaxscale._problem.arrays import Task
from jaxscale._problem.evaluate import predictor
from jaxscale._problem.stack import FEW_STACKED, Stack

_LANES = 32  # places side by side in one program
_TABLES = FEW_STACKED  # that are done at once, of those that there are


@kept
def _compiled(task: Task, many: bool, places: bool = False):
    predict = predictor(task)

    def run(free, table):
        columns = tuple(free[i] for i in range(task.layout.free))

        def of_free(columns, inputs):
            return predict(task.layout.full(columns, table.pinned), inputs)

        predicted, slopes = jax.vmap(jax.value_and_grad(of_free), (None, 0))(columns, table.points.inputs)
        residual = predicted - table.points.response
        _, psi, weights = table.loss.misfit(residual, table.points.weights)
        return residual, jnp.stack(slopes, axis=1), psi, weights

    if places:
        return Program(lambda free, table: jax.vmap(run, (0, None))(free, table), compile_options())

    def over_tables(free, tables, count):
        def block(k, found):
            some = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, k * _TABLES, _TABLES), (free, tables))
            fresh = optimization_barrier(jax.vmap(run)(*some))
            return jax.tree.map(
                lambda old, new: lax.dynamic_update_slice_in_dim(old, new, k * _TABLES, 0), found, fresh
            )

        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(jax.vmap(run), free, tables))
        return lax.fori_loop(0, (count[0] + _TABLES - 1) // _TABLES, block, nothing)

    return Program(over_tables if many else run, compile_options())


def slopes_of(stack: Stack, free: np.ndarray) -> list[np.ndarray]:
    """Residuals (len(stack), rows), Jacobians (len(stack), rows, free), psi and weights of all problems, padding with
    them, at free values (len(stack), free); call under float64."""
    run = _compiled(stack.first.task, stack.many)
    count = (np.array([len(stack)]),) if stack.many else ()
    return [stack.each(x) for x in run(stack.filled(free), stack.stages[-1], *count)]


def slopes_at(stack: Stack, free: np.ndarray) -> list[np.ndarray]:
    """`slopes_of` for a single problem at many places: free values (n, free), and n in place of the stack's axis."""
    if len(free) <= _LANES // 4:  # each for itself, and nothing more is compiled
        each = [slopes_of(stack, x[None]) for x in free]
    else:
        run = _compiled(stack.first.task, False, places=True)
        padded = free[np.minimum(np.arange(-(-len(free) // _LANES) * _LANES), len(free) - 1)]
        each = [run(padded[k : k + _LANES], stack.stages[-1]) for k in range(0, len(padded), _LANES)]
    return [np.concatenate([np.asarray(x) for x in parts])[: len(free)] for parts in zip(*each, strict=True)]
