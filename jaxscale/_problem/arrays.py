"""What a solver works on, as arrays: tables of runs, what a start has for itself, and what was reached."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxscale._problem.losses import Loss
from jaxscale._problem.objectives import Space
from jaxscale.laws import Law


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """`numpy.zeros` where XLA on CPU reads an array without a copy of it: at addresses that 64 divides."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)


class Points(NamedTuple):
    """Runs as a law sees them. Leading axes for several tables come first; runs are last.

    `logs` holds one array per variable of the law (logged where positive), `response` the observed response in the
    space of the residual, `weights` is zero on padding. Where runs have standard errors, residuals are in units of
    them: `whitening` is one over each (the typical one is 1), and `response` is multiplied by it.
    """

    logs: tuple[Any, ...]
    response: Any
    weights: Any
    whitening: Any = None

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What a `predictor` reads of each run."""
        return self.logs if self.whitening is None else (*self.logs, self.whitening)

    @property
    def observed(self) -> Any:
        """The response, whatever its errors: its log, or as it is."""
        return self.response if self.whitening is None else self.response / self.whitening

    def at(self, rows: np.ndarray) -> "Points":
        """The runs of these numbers, of one table."""
        whitening = None if self.whitening is None else self.whitening[rows]
        return Points(tuple(x[rows] for x in self.logs), self.response[rows], self.weights[rows], whitening)


class Layout(NamedTuple):
    """Which entries of theta are free: `slots[i]` is the column of the free vector that parameter i reads, or -1 if
    pinned."""

    slots: tuple[int, ...]

    @property
    def free(self) -> int:
        """Number of free values."""
        return max(self.slots) + 1

    @property
    def plain(self) -> bool:
        """Whether every entry is free, and none tied."""
        return self.slots == tuple(range(len(self.slots)))

    def full(self, free: Any, pinned: Any) -> tuple[Any, ...]:
        """Theta, a tuple of scalars, from the free values and the pinned ones (n_parameters,)."""
        return tuple(free[s] if s >= 0 else pinned[i] for i, s in enumerate(self.slots))


SMALL_BATCH = 1024  # batches up to this size share one compiled shape


class Problems(NamedTuple):
    """What a batch of starts is fitted to.

    `tables` are the `ProblemArrays` of one table, or have a leading axis of tables, and `table` says which each start
    uses, (n_starts,). `own` is what starts have for themselves.
    """

    tables: Any
    own: "Overrides"
    table: Any


class Overrides(NamedTuple):
    """Numbers of each start's own, which override those of the table it is fitted to, as bootstrap draws have them.

    Each (n_starts, ...), or with more rows, of which the first count, or None where the table's hold: weights and
    response of the runs, centre of the priors.
    `places` says which runs of its table a start is fitted to, in order, and weights and response are then of those;
    None for all of them.
    """

    weights: Any = None
    response: Any = None
    centre: Any = None
    places: Any = None

    def rows(self, which: Any) -> "Overrides":
        """That of some starts."""
        return Overrides(*(None if x is None else x[which] for x in self))

    def spread(self, places: np.ndarray, size: int) -> "Overrides":
        """What start k has as that of start `places[k]`, of so many; the others have zeros, which take no memory. What
        has so many rows already, and all in their place, is not copied."""
        stay = np.array_equal(places, np.arange(len(places)))

        def moved(x: np.ndarray) -> np.ndarray:
            if stay and len(x) == size:
                return x
            out = zeros((size, *x.shape[1:]), x.dtype)
            out[places] = x[: len(places)]
            return out

        return Overrides(*(None if x is None else moved(np.asarray(x)) for x in self))

    def within(self, tables: "ProblemArrays") -> "ProblemArrays":
        """The tables with what is a start's own."""
        points, loss = tables.points, tables.loss
        if self.weights is not None:
            points = points._replace(weights=self.weights)
        if self.response is not None:
            points = points._replace(response=self.response)
        if self.centre is not None and loss.prior is not None:
            loss = loss._replace(prior=loss.prior._replace(centre=self.centre))
        return tables._replace(points=points, loss=loss)


class ProblemArrays(NamedTuple):
    """Runs, pinned values, the shape of the misfit and bounds of one table, or of several along a leading axis."""

    points: Points
    pinned: Any
    loss: Loss
    lower: Any
    upper: Any


class Solutions(NamedTuple):
    """What each start reached: free values (n_starts, free), objective, status code of `jaxscale.optim`, steps."""

    free: np.ndarray
    value: np.ndarray
    status: np.ndarray
    steps: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Solutions"]) -> "Solutions":
        """One after the other."""
        if not parts:
            return cls(np.empty((0, 0)), np.empty(0), np.empty(0, np.int32), np.empty(0, np.int32))
        return parts[0] if len(parts) == 1 else cls(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    def of(self, which: Any) -> "Solutions":
        """Those of some of the starts."""
        return Solutions(*(x[which] for x in self))


class Task(NamedTuple):
    """The static part of a solve: everything that decides which program is compiled."""

    law: Law
    layout: Layout
    space: Space
    whitened: bool = False  # whether residuals are in units of standard errors, see `Points`


def padded_rows(count: int) -> int:
    """Rows to which a table of so many runs is padded: 16, 64 or a larger power of two, as in a stack of tables.

    A program of its own, for 24, 32, 48, 96 or 192 rows, would take a tenth to a fifth off fits of 30 ms, and makes the
    first fit of such a table wait 1.5 s.
    """
    return 16 if count <= 16 else max(64, 1 << (count - 1).bit_length())
