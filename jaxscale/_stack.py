"""Many tables fitted side by side: problems padded to a common shape, and minimised in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

from jaxscale._problem import Problem
from jaxscale._solve import AT, SMALL_BATCH, Own, Problems, Solutions, Tables, solve
from jaxscale.optim import DampedState, damped_newton

MOST_STACKED, _FEW_STACKED = 256, 16  # tables side by side
STARTS_AT_ONCE = 4096
NOTHING = Own()
_SINGLE_TOLERANCE = 1e-5  # relative decrease that float32 can still tell from none


@dataclass(frozen=True, eq=False)
class Stack:
    """Problems of one task side by side, padded to a common shape: what a batch of starts is fitted to.

    Sizes are few, so that few programs are compiled: one problem stands alone, without a leading axis; others are
    padded to 16 or `MOST_STACKED` tables, and to a power of two of rows.
    """

    problems: tuple[Problem, ...]
    stages: tuple[Tables, ...]  # of the objective, the last being the one asked for

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "Stack":
        """Stack problems of one task, rows and stages, `MOST_STACKED` at most."""
        first = problems[0]
        if len(problems) == 1:
            return cls((first,), tuple(first.tables(k) for k in range(len(first.losses))))
        room = _FEW_STACKED if len(problems) <= _FEW_STACKED else MOST_STACKED
        padded = [p.with_rows(stacked_rows(p)) for p in problems]
        padded += padded[-1:] * (room - len(problems))
        stages = (
            jax.tree.map(lambda *leaves: np.stack(leaves), *(p.tables(k) for p in padded))
            for k in range(len(first.losses))
        )
        return cls(tuple(problems), tuple(stages))

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def many(self) -> bool:
        """Whether arrays have a leading axis of tables."""
        return len(self.problems) > 1

    @property
    def first(self) -> Problem:
        """One of the problems: all agree in law, layout, space and number of stages."""
        return self.problems[0]

    def in_single_precision(self) -> "Stack":
        """The same problems in float32."""
        return Stack(self.problems, jax.tree.map(np.float32, self.stages))

    def relaxed(self, factor: float) -> "Stack":
        """The same problems with residuals counted as squares up to `factor` times further."""

        def wider(tables: Tables) -> Tables:
            return tables._replace(loss=tables.loss.wider(factor))

        return Stack(self.problems, tuple(wider(t) for t in self.stages))

    def thinned(self, rows: int) -> "Stack":
        """The same problems on some of their runs, see `Problem.thinned`."""
        return Stack.of([p.thinned(rows) for p in self.problems])

    def batch(self, table: np.ndarray, stage: int = -1, own: Own = NOTHING) -> Problems:
        """For starts of which number k is fitted to table `table[k]`, with what is its `own`.

        Where there are many tables, or few starts, every start is always given its weights: programs are shared.
        """
        tables = self.stages[stage]
        if own.weights is None and self.many:
            own = own._replace(weights=tables.points.weights[table])
        elif own.weights is None and len(table) <= SMALL_BATCH:
            own = own._replace(weights=np.broadcast_to(tables.points.weights, (len(table), len(tables.points.weights))))
        return Problems(tables, own, np.asarray(table))


def stacked_rows(problem: Problem) -> int:
    """Rows to which a problem is padded in a stack: a power of two, 64 at least."""
    return max(64, 1 << (problem.count - 1).bit_length())


def solve_stack(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    table: np.ndarray,
    free: np.ndarray,
    *,
    stage: int = -1,
    own: Own = NOTHING,
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
        single = Own(*(None if x is None else x.astype(np.float32) for x in own))
        found = _in_parts(
            stack.in_single_precision(), rough, table, free.astype(np.float32), stage, single,
            devices=devices, **options,
        ).free.astype(np.float64)  # fmt: skip
        free = np.where(np.isfinite(found), found, free)
        devices, options = jax.local_devices(backend="cpu"), options | {"damping": AT}
    return _in_parts(stack, optimizer, table, free, stage, own, devices=devices, **options)


def in_float32(devices: Sequence[Any] | None) -> bool:
    """Whether the devices (all of this process if None) have no float64 of their own."""
    return any(d.platform == "tpu" for d in (jax.local_devices() if devices is None else devices))


def _in_parts(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    table: np.ndarray,
    free: np.ndarray,
    stage: int,
    own: Own,
    **options: Any,
) -> Solutions:
    at_once = STARTS_AT_ONCE if stack.many or any(x is not None for x in own) else len(free)
    smallest = STARTS_AT_ONCE if len(stack) > _FEW_STACKED else SMALL_BATCH
    parts = []
    for first in range(0, len(free), at_once):
        part = slice(first, first + at_once)
        batch = stack.batch(table[part], stage, own.rows(part))
        parts.append(solve(stack.first.task, optimizer, free[part], batch, smallest=smallest, **options))
    return joined(parts)


def joined(parts: Sequence[Solutions]) -> Solutions:
    """Solutions one after the other."""
    if not parts:
        return Solutions(np.empty((0, 0)), np.empty(0), np.empty(0, np.int32), np.empty(0, np.int32))
    return Solutions(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def stacks_of(problems: Sequence[Problem]) -> list[Stack]:
    """Problems of one task in stacks of at most `MOST_STACKED`."""
    return [Stack.of(problems[k : k + MOST_STACKED]) for k in range(0, len(problems), MOST_STACKED)]
