"""A stack of tables minimised in bounded memory, also on devices without float64."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax

from jaxscale._base.devices import host, in_float32, workers
from jaxscale._problem.arrays import SMALL_BATCH, Overrides, Solutions
from jaxscale._problem.stack import FEW_STACKED, NOTHING, Stack
from jaxscale._solver.solve import AT, FAR, solve
from jaxscale.optim import DampedState, damped_newton

STARTS_AT_ONCE = 4096
_SINGLE_TOLERANCE = 1e-5  # relative decrease that float32 can still tell from none


def solve_stack(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    table: np.ndarray,
    free: np.ndarray,
    *,
    stage: int = -1,
    own: Overrides = NOTHING,
    devices: Sequence[Any] | None = None,
    **options: Any,
) -> Solutions:
    """`solve` for a stack: start k, (free,), is fitted to table `table[k]`, with what is its `own`.

    Many tables, and starts with anything of their own, are taken `STARTS_AT_ONCE` at a time: memory is bounded, and one
    compiled shape serves them all. On devices without float64 every start descends in float32 first, and is finished
    in float64 on the host.
    """
    if in_float32(devices):
        damped = isinstance(jax.eval_shape(optimizer.init, free[0]), DampedState)
        rough = damped_newton(tolerance=_SINGLE_TOLERANCE) if damped else optimizer
        single = Overrides(*(None if x is None else x.astype(np.float32) for x in own))._replace(places=own.places)
        begin, options_there = free.astype(np.float32), options | {"devices": devices}
        reached = _in_parts(stack.in_single_precision(), rough, table, begin, stage, single, **options_there)
        found = reached.free.astype(np.float64)
        free = np.where(np.isfinite(found), found, free)
        devices, options = host(), options | {"damping": AT}
    return _in_parts(stack, optimizer, table, free, stage, own, devices=devices, **options)


def _in_parts(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    table: np.ndarray,
    free: np.ndarray,
    stage: int,
    own: Overrides,
    **options: Any,
) -> Solutions:
    # On an accelerator a batch is as large as its lanes are many: a queue takes long to compile there.
    shared = not stack.many and all(x is None for x in own) and workers(options["devices"])[1][0].platform == "cpu"
    at_once = len(free) if shared else STARTS_AT_ONCE
    damping = np.broadcast_to(options.pop("damping", FAR), len(free))
    options.setdefault("smallest", STARTS_AT_ONCE if len(stack) > FEW_STACKED else SMALL_BATCH)
    parts = []
    for first in range(0, len(free), at_once):
        part = slice(first, first + at_once)
        batch = stack.batch(table[part], stage, own.rows(part))
        parts.append(solve(stack.first.task, optimizer, free[part], batch, damping=damping[part], **options))
    return Solutions.joined(parts)
