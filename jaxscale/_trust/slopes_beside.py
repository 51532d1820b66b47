"""Slopes of the runs of several tables side by side, as padded arrays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_AT_ONCE = 1 << 16  # numbers in the slopes of tables side by side, so that what follows stays in a core's cache
# Least over largest eigenvalue of products of columns, from which on products know as much as the columns do.
SURE = 1e-6


class Slopes(NamedTuple):
    """Rows of slopes (tables, rows, values) of some tables, `which`, with zeros behind the first `counts` of each."""

    which: list[int]
    rows: np.ndarray
    counts: np.ndarray

    def padded(self, values: Sequence[np.ndarray] | Mapping[int, np.ndarray]) -> np.ndarray:
        """One value of each row, as arrays of all tables that there are, (rows of that table,), with zeros behind."""
        out = np.zeros(self.rows.shape[:2])
        for k, (one, n) in enumerate(zip(self.which, self.counts, strict=True)):
            out[k, :n] = values[one]
        return out

    def products(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Of the columns, (tables, values, values), each row weighed by (tables, rows)."""
        heavy = self.rows if weights is None else self.rows * weights[..., None]
        return np.swapaxes(self.rows, 1, 2) @ heavy


def slopes_beside(rows: Sequence[np.ndarray], among: Sequence[int] | None = None) -> Iterator[Slopes]:
    """Rows (n, values) of each table, or of those `among` them: those of as many values together, of near numbers of
    rows and not too many at once."""
    order = sorted(range(len(rows)) if among is None else among, key=lambda k: rows[k].shape[::-1])
    part: list[int] = []
    for k in [*order, None]:
        if part and (
            k is None or rows[k].shape[1] != rows[part[0]].shape[1] or (len(part) + 1) * rows[k].size > _AT_ONCE
        ):
            counts = np.array([len(rows[j]) for j in part])
            if len(part) == 1:
                yield Slopes(part, rows[part[0]][None], counts)
            else:
                out = np.zeros((len(part), int(counts.max()), rows[part[0]].shape[1]))
                for place, j in enumerate(part):
                    out[place, : counts[place]] = rows[j]
                yield Slopes(part, out, counts)
            part = []
        if k is not None:
            part.append(k)


def scaled(products: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of columns (tables, values, values) as those of columns of norm one, the norms (tables, values), and for
    which tables they are known: else the first is the identity."""
    norms = np.sqrt(np.maximum(np.diagonal(products, axis1=1, axis2=2), 0.0))
    known: np.ndarray = np.logical_and((norms > 0).all(axis=1), np.isfinite(products).all(axis=(1, 2)))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = products / (norms[:, :, None] * norms[:, None])
    return np.where(known[:, None, None], unit, np.eye(norms.shape[1])), norms, known
