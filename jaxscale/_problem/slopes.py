"""Residuals of every run and their slopes in the free values, for a stack of problems."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._base.devices import compile_options
from jaxscale._base.programs import Program, kept
from jaxscale._problem.arrays import Task
from jaxscale._problem.evaluate import predictor
from jaxscale._problem.stack import Stack

_LANES = 32  # places side by side in one program


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
    return Program((lambda free, tables: jax.vmap(run)(free, tables)) if many else run, compile_options())


def slopes_of(stack: Stack, free: np.ndarray) -> list[np.ndarray]:
    """Residuals (len(stack), rows), Jacobians (len(stack), rows, free), psi and weights of all problems, padding with
    them, at free values (len(stack), free); call under float64."""
    run = _compiled(stack.first.task, stack.many)
    return [stack.each(x) for x in run(stack.filled(free), stack.stages[-1])]


def slopes_at(stack: Stack, free: np.ndarray) -> list[np.ndarray]:
    """`slopes_of` for a single problem at many places: free values (n, free), and n in place of the stack's axis."""
    if len(free) <= _LANES // 4:  # each for itself, and nothing more is compiled
        each = [slopes_of(stack, x[None]) for x in free]
    else:
        run = _compiled(stack.first.task, False, places=True)
        padded = free[np.minimum(np.arange(-(-len(free) // _LANES) * _LANES), len(free) - 1)]
        each = [run(padded[k : k + _LANES], stack.stages[-1]) for k in range(0, len(padded), _LANES)]
    return [np.concatenate([np.asarray(x) for x in parts])[: len(free)] for parts in zip(*each, strict=True)]
