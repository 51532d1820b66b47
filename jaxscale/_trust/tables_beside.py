"""The runs of several tables side by side, as padded arrays: what a verdict goes by is worked out for all at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from jaxscale._trust.linearization import Linearization
from jaxscale._trust.robust_fits import RobustFits

Answer = TypeVar("Answer")
_AT_ONCE = 1 << 16  # numbers in the directions of tables side by side, so that what follows stays in a core's cache


@dataclass(frozen=True, eq=False)
class OneTable:
    """One table at its optimum, with `logs`, the scalar variables of the law at the runs used (logged where positive),
    and the independent run of each row, if rows are named for one."""

    at: Linearization
    logs: Mapping[str, np.ndarray]
    clusters: tuple[str, ...] | None = None

    @cached_property
    def directions(self) -> np.ndarray:
        """Those of `at`, none where slopes are not known."""
        at = self.at
        return at.directions if np.isfinite(at.jacobian).all() else np.empty((int(at.used.sum()), 0))

    @cached_property
    def like(self) -> tuple[Any, ...]:
        """What tables must have in common to stand side by side."""
        return tuple(self.logs), self.directions.shape[1], self.at.matchable


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Tables of the same variables and as many directions. The runs of each that count come first, in their order;
    behind them are zeros.

    counts: (tables,) of the runs. above: (tables, rows), log observed - log predicted (or the plain difference).
    evened: weights of mean one. law: (tables, rows, directions), `Linearization.directions` of each. full: (tables,),
    whether these are as many as there are free values that no bound holds. logs: (tables, variables, rows).
    """

    tables: tuple[OneTable, ...]
    counts: np.ndarray
    above: np.ndarray
    psi: np.ndarray
    weights: np.ndarray
    evened: np.ndarray
    law: np.ndarray
    full: np.ndarray
    logs: np.ndarray
    _known: dict[Callable[..., Any], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Sequence[OneTable]) -> "SideBySide":
        """Tables that are `like` one another."""
        directions = [t.directions for t in tables]
        counts = np.array([len(x) for x in directions])
        shape = len(tables), int(counts.max(initial=0))
        above, psi, weights = (np.zeros(shape) for _ in range(3))
        law = np.zeros((*shape, directions[0].shape[1]))
        logs = np.zeros((shape[0], len(tables[0].logs), shape[1]))
        for k, (table, n) in enumerate(zip(tables, counts, strict=True)):
            at = table.at
            used = at.used if n < len(at.used) else slice(None)
            above[k, :n], psi[k, :n], weights[k, :n] = at.residuals[used], at.psi[used], at.weights[used]
            law[k, :n] = directions[k]
            for j, x in enumerate(table.logs.values()):
                logs[k, j, :n] = x
        full = np.array([x.shape[1] == (~t.at.held).sum() for x, t in zip(directions, tables, strict=True)])
        evened = weights * (counts / weights.sum(axis=1))[:, None]
        return cls(tuple(tables), counts, np.negative(above, out=above), psi, weights, evened, law, full, logs)

    def ask(self, of: Callable[["SideBySide"], Sequence[Answer]]) -> Sequence[Answer]:
        """What a function finds of each table, worked out when first asked for, and kept."""
        if of not in self._known:
            self._known[of] = of(self)
        return self._known[of]

    def some(self, which: np.ndarray) -> "SideBySide":
        """Some of the tables."""
        rows = slice(int(self.counts[which].max(initial=0)))
        return SideBySide(
            tables=tuple(self.tables[k] for k in which),
            counts=self.counts[which],
            above=self.above[which, rows],
            psi=self.psi[which, rows],
            weights=self.weights[which, rows],
            evened=self.evened[which, rows],
            law=self.law[which, rows],
            full=self.full[which],
            logs=self.logs[which, :, rows],
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variables."""
        return tuple(self.tables[0].logs)

    @cached_property
    def real(self) -> np.ndarray:
        """Which rows are runs, (tables, rows)."""
        return np.arange(self.above.shape[1]) < self.counts[:, None]

    @cached_property
    def centred(self) -> np.ndarray:
        """Logs from their mean, (tables, variables, rows)."""
        return (self.logs - self.mean(self.logs)[..., None]) * self.real[:, None]

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Of values (tables, ..., rows) that are zero where there are no runs."""
        return values.sum(axis=-1) / self.counts.reshape(-1, *[1] * (values.ndim - 2))

    @cached_property
    def units(self) -> np.ndarray | None:
        """The independent run of each row, (tables, rows), from 0; None where each is one in every table."""
        if all(t.clusters is None for t in self.tables):
            return None
        units = np.tile(np.arange(self.above.shape[1]), (len(self.tables), 1))
        for k, table in enumerate(self.tables):
            if table.clusters is not None:
                names = np.array(table.clusters)[table.at.used]
                units[k, : self.counts[k]] = np.unique(names, return_inverse=True)[1]
        return units

    @cached_property
    def matched(self) -> RobustFits:
        """`Linearization.matched` of every table."""
        fits = [t.at.matched for t in self.tables]
        left, weights = np.zeros(self.above.shape), np.zeros(self.above.shape)
        for k, fit in enumerate(fits):
            left[k, : self.counts[k]], weights[k, : self.counts[k]] = fit.left, fit.weights
        found, turn, bend = (np.stack([x[i] for x in fits]) for i in (0, 3, 4))
        return RobustFits(found, left, weights, turn, bend, self.counts)


def variances(side: SideBySide) -> list[float]:
    """Of the noise of each table, see `RobustFits.variance`."""
    return side.matched.variance.tolist()


def side_by_side(tables: Sequence[OneTable]) -> list[tuple[list[int], SideBySide]]:
    """All tables, those that are alike together, of near numbers of runs and not too many at once; and which they
    are."""
    order = sorted(range(len(tables)), key=lambda k: (tables[k].like, len(tables[k].directions)))
    parts: list[list[int]] = []
    for k in order:
        size = tables[k].directions.size
        if not parts or tables[k].like != tables[parts[-1][0]].like or (len(parts[-1]) + 1) * size > _AT_ONCE:
            parts.append([])
        parts[-1].append(k)
    return [(part, SideBySide.of([tables[k] for k in part])) for part in parts]
