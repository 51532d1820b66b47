"""Many tables side by side: problems padded to a common shape, so that few programs are compiled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxscale._problem.arrays import SMALL_BATCH, Overrides, ProblemArrays, Problems, zeros
from jaxscale._problem.losses import Loss
from jaxscale._problem.problem import Problem

MOST_STACKED, FEW_STACKED = 256, 16  # tables side by side
_SHORT = 16  # rows of tables that have no more, all of a stack
NOTHING = Overrides()


@dataclass(frozen=True, eq=False)
class Stack:
    """Problems of one task side by side, padded to a common shape: what a batch of starts is fitted to.

    Sizes are few, so that few programs are compiled: one problem stands alone, without a leading axis; others are
    padded to 16 or `MOST_STACKED` tables, and to a power of two of rows, 64 at least or, where none has more, 16.
    """

    problems: tuple[Problem, ...]
    stages: tuple[ProblemArrays, ...]  # of the objective, the last being the one asked for

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "Stack":
        """Stack problems of one task and as many stages, `MOST_STACKED` at most."""
        first = problems[0]
        if len(problems) == 1:
            return cls((first,), tuple(first.tables(k) for k in range(len(first.losses))))
        room = FEW_STACKED if len(problems) <= FEW_STACKED else MOST_STACKED
        short = max(p.count for p in problems) <= _SHORT
        rows = _SHORT if short else max(map(stacked_rows, problems))
        padded = [p.with_rows(rows) for p in problems]
        padded += padded[-1:] * (room - len(problems))
        stages = (jax.tree.map(_stacked, *(p.tables(k) for p in padded)) for k in range(len(first.losses)))
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

    def one(self, k: int, stage: int = -1) -> ProblemArrays:
        """The arrays of one problem, as they are in the stack."""
        tables = self.stages[stage]
        return jax.tree.map(lambda x: x[k], tables) if self.many else tables

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Values of every problem, (len(self), ...), as a program of the stack takes them: one problem's without the
        axis, those of many repeated to fill it up."""
        if not self.many:
            return values[0]
        return values[np.minimum(np.arange(len(self.stages[-1].pinned)), len(self) - 1)]

    def each(self, values: Any) -> np.ndarray:
        """Of every problem, (len(self), ...), what a program of the stack gave, or what the stack holds."""
        return np.asarray(values)[: len(self)] if self.many else np.asarray(values)[None]

    def in_single_precision(self) -> "Stack":
        """The same problems in float32."""
        return Stack(self.problems, jax.tree.map(np.float32, self.stages))

    def relaxed(self, factor: float) -> "Stack":
        """The same problems with residuals counted as squares up to `factor` times further."""

        def wider(tables: ProblemArrays) -> ProblemArrays:
            return tables._replace(loss=tables.loss.wider(factor))

        return Stack(self.problems, tuple(wider(t) for t in self.stages))

    def with_losses(self, losses: Sequence[Loss]) -> "Stack":
        """The same problems with other misfits of one kind, one for each, in a single stage."""
        tables = self.stages[-1]
        if not self.many:
            return Stack(self.problems, (tables._replace(loss=losses[0]),))
        padded = [*losses, *[losses[-1]] * (len(tables.pinned) - len(losses))]
        loss = jax.tree.map(lambda *leaves: np.stack(leaves), *padded)
        return Stack(self.problems, (tables._replace(loss=loss),))

    def subsample(self, rows: int) -> "Stack":
        """The same problems on some of their runs, see `Problem.subsample`."""
        return Stack.of([p.subsample(rows) for p in self.problems])

    def some(self, which: np.ndarray) -> "Stack":
        """Some of its problems, if there are many, two or more, in a stack of the same shape."""

        def moved(x: np.ndarray) -> np.ndarray:
            out = zeros(x.shape, x.dtype)
            out[: len(which)] = x[which]
            return out

        return Stack(tuple(self.problems[k] for k in which), jax.tree.map(moved, self.stages))

    def batch(self, table: np.ndarray, stage: int = -1, own: Overrides = NOTHING) -> Problems:
        """For starts of which number k is fitted to table `table[k]`, with what is its `own`.

        Where there are many tables, or few starts, every start is always given its weights: programs are shared.
        """
        tables = self.stages[stage]
        if own.weights is None and self.many:
            own = own._replace(weights=tables.points.weights[table])
        elif own.weights is None and len(table) <= SMALL_BATCH:
            own = own._replace(weights=np.broadcast_to(tables.points.weights, (len(table), len(tables.points.weights))))
        return Problems(tables, own, np.asarray(table))


def _stacked(*leaves: Any) -> np.ndarray:
    kinds = {np.asarray(x).dtype for x in leaves}
    return np.stack(leaves, out=zeros((len(leaves), *np.shape(leaves[0])), np.result_type(*kinds)))


def stacked_rows(problem: Problem) -> int:
    """Rows to which a problem is padded in a stack: a power of two, 64 at least."""
    return max(64, 1 << (problem.count - 1).bit_length())


def stacks_of(problems: Sequence[Problem]) -> list[Stack]:
    """Problems of one task in stacks of at most `MOST_STACKED`."""
    return [Stack.of(problems[k : k + MOST_STACKED]) for k in range(0, len(problems), MOST_STACKED)]
