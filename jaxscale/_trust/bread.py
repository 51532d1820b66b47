"""The bread of the sandwich, of several tables side by side: products of their slopes with what priors believe."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxscale._trust.linearization import Linearization
from jaxscale._trust.slopes_beside import SURE, Slopes, scaled

_WORST_CONDITION = 1e12


class Bread(NamedTuple):
    """Of tables side by side: products of columns of norm one (tables, values, values), the identity where not
    `known`; the norms (tables, values); the precisions of priors (tables, values); whether the runs determine the
    values (tables,); and the tables to be done alone, since else their digits depend on what stands beside."""

    unit: np.ndarray
    size: np.ndarray
    believed: np.ndarray
    known: np.ndarray
    alone: list[int]


def bread_of(
    part: Slopes, tables: Sequence[Linearization], weights: Sequence[np.ndarray] | Mapping[int, np.ndarray]
) -> Bread:
    """The bread of the tables of `part`, each row weighed by one of `weights`, (rows of that table,) each."""
    believed = np.stack([tables[k].precision[~tables[k].held] for k in part.which])
    products = part.products(part.padded(weights)) + believed[:, None] * np.eye(believed.shape[1])
    unit, size, known = scaled(products)
    square = np.abs(np.linalg.eigvalsh(unit))
    known &= square.max(axis=1) < _WORST_CONDITION * square.min(axis=1)
    alone = known & (square.min(axis=1) < SURE * square.max(axis=1)) if len(tables) > 1 else np.zeros_like(known)
    known &= ~alone
    unit[~known] = np.eye(unit.shape[1])
    return Bread(unit, size, believed, known, [part.which[place] for place in np.flatnonzero(alone)])
