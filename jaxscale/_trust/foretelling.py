"""The runs of most compute as the others foretell them: by robust linear fits beside the linearized law, of many tables
at once. Nothing is compiled for them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from jaxscale._trust.lack_of_fit import inflation
from jaxscale._trust.robust_fits import REWEIGHTINGS, RobustFits, in_parts
from jaxscale._trust.tables_beside import OneTable, SideBySide

_SHARES = 0.2, 1 / 3, 0.5  # of the runs, those of most compute, that the others foretell
# Reweightings of robust fits, and chances after these below which they go on: of 495 tables of all kinds none fell to a
# quarter.
_FIRST_REWEIGHTINGS, _WORTH_THE_REST = 4, 0.02
_FEWEST_FORETOLD, _FEWEST_BEFORE = 3, 6  # runs, and degrees of freedom
_WORST_CONDITION, _SURE_CONDITION = 1e6, 1e3  # of the law's slopes at the others; below the second by their products


class Foretold(NamedTuple):
    """The runs of most compute as the others foretell them.

    runs: how many. off: how far above what is foretold they lie, in the log response. error: the standard error of
    that. p: the chance of more under the law.
    """

    runs: int
    off: float
    error: float
    p: float

    @property
    def t(self) -> float:
        """Standard errors."""
        return abs(self.off) / self.error


def foretold(side: SideBySide) -> list[Foretold | None]:
    """Of each table the runs of most compute (of most of the first variable, where there is no N and D) as the others
    foretell them, at the cut that speaks most against the law."""
    found = _foretold(side, _FIRST_REWEIGHTINGS)
    unlikely = np.array([k for k, one in enumerate(found) if one is not None and one.p < _WORTH_THE_REST], int)
    if len(unlikely):
        for k, one in zip(unlikely, _foretold(side.some(unlikely), REWEIGHTINGS), strict=True):
            found[k] = one
    return found


def _foretold(side: SideBySide, reweightings: int) -> list[Foretold | None]:
    """`foretold` by robust fits that are reweighted so often."""
    found: list[list[Foretold]] = [[] for _ in side.tables]
    later = _later(side, _SHARES, reweightings)
    if later is None:
        return [None] * len(found)
    early, counts = later.early, side.counts[later.tables] - later.early
    late = np.arange(counts.max()) < counts[:, None]
    rows = np.minimum(early[:, None] + np.arange(late.shape[1]), side.above.shape[1] - 1)
    off, weights, units = (
        None if x is None else np.take_along_axis(x, rows, axis=1) for x in (later.off, later.weights, later.units)
    )
    assert off is not None and weights is not None
    level = in_parts(late[..., None] * 1.0, off * late, weights * late, counts, reweightings)
    middle = (np.take_along_axis(later.columns, rows[..., None], axis=1) * late[..., None]).sum(axis=1)
    middle /= counts[:, None]
    before = later.fit.variance
    of_fit = before * inflation(later.fit.psi, later.units) * (middle**2).sum(axis=1)
    of_late = np.maximum(level.variance, before) * inflation(level.psi, units) / counts
    error, high = np.sqrt(of_fit + of_late), level.found[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = 2 * stdtr(later.independent - side.law.shape[2], -np.abs(high) / error)
    for k, count, *numbers in zip(later.tables, counts, high, error, chance, strict=True):
        if numbers[1] > 0:
            found[k].append(Foretold(int(count), *map(float, numbers)))
    return [min(cuts, key=lambda one: one.p, default=None) for cuts in found]


def foretold_runs(table: OneTable, shares: Sequence[float] = _SHARES) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each share of the runs, those of most compute: which they are, (n_used,), and how far each lies above what
    the others foretell, in the log response. A share that leaves too few runs to foretell from is left out."""
    later = _later(SideBySide.of([table]), shares)
    found = []
    for early, order, off in () if later is None else zip(later.early, later.order, later.off, strict=True):
        late, above = np.ones(len(order), bool), np.empty(len(order))
        late[order[:early]] = False
        above[order] = off
        found.append((late, above[late]))
    return found


def in_order(logs: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """Along what runs are foretold, and its log: compute, or the first variable where there is no N and D."""
    if {"N", "D"} <= set(logs):
        return "C", logs["N"] + logs["D"]
    name = "C" if "C" in logs else next(iter(logs))
    return name, logs[name]


class _Later(NamedTuple):
    """Cuts of tables, (cuts,): which table, its rows in the order of their compute, (cuts, rows), of which the first
    `early` foretell the others: the law's slopes as columns that are orthonormal in those, their fit, and how far above
    it each row lies. independent: runs among the first."""

    tables: np.ndarray
    order: np.ndarray
    early: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    units: np.ndarray | None
    fit: RobustFits
    off: np.ndarray
    independent: np.ndarray


def _later(side: SideBySide, shares: Sequence[float], reweightings: int = REWEIGHTINGS) -> _Later | None:
    """For each share the tables that have runs enough to foretell it; None where there are none."""
    p, rows = side.law.shape[2], side.above.shape[1]
    if not p or not side.names:
        return None
    logs = {name: side.logs[:, k] for k, name in enumerate(side.names)}
    compute = np.where(side.real, in_order(logs)[1], np.inf)
    order = np.argsort(compute, axis=1, kind="stable")
    compute, above, weights = (np.take_along_axis(x, order, axis=1) for x in (compute, side.above, side.evened))
    law = np.take_along_axis(side.law, order[..., None], axis=1)
    units = None if side.units is None else np.take_along_axis(side.units, order, axis=1)
    first = side.counts - np.maximum(np.round(np.outer(shares, side.counts)).astype(int), _FEWEST_FORETOLD)
    ends = np.take_along_axis(compute, np.maximum(first, 0).T, axis=1).T - 1e-6
    early = (compute < ends[..., None]).sum(axis=2)
    enough = side.full & (first >= p + _FEWEST_BEFORE) & (early >= p + _FEWEST_BEFORE)
    for k in range(1, len(first)):  # a cut that another share makes too
        enough[k] &= (first[k] != first[:k]).all(axis=0)
    share, which = np.nonzero(enough)
    early = early[share, which]
    mask = np.arange(rows) < early[:, None]
    independent = early
    if units is not None:
        units, alone = units[which], np.array([t.clusters is None for t in side.tables])[which]
        independent = _distinct(units, mask)
        kept = alone | (independent > p)
        which, early, mask, independent, units = (x[kept] for x in (which, early, mask, independent, units))
    to, sound = _orthonormal(law[which] * mask[..., None])
    if not sound.all():
        which, early, mask, independent, to = (x[sound] for x in (which, early, mask, independent, to))
        units = None if units is None else units[sound]
    if not len(which):
        return None
    columns, above, weights = law[which] @ to, above[which], weights[which]
    fit = in_parts(columns * mask[..., None], above * mask, weights * mask, early, reweightings)
    off = above - (columns @ fit.found[..., None])[..., 0]
    return _Later(which, order[which], early, columns, weights, units, fit, off, independent)


def _orthonormal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What slopes (tables, rows, p) are multiplied by to be orthonormal, (tables, p, p), and for which tables it is
    known."""
    square, axes = np.linalg.eigh(np.swapaxes(rows, 1, 2) @ rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        to, condition = axes / np.sqrt(square)[:, None], np.sqrt(square[:, -1] / square[:, 0])
    sound = condition < _SURE_CONDITION
    for k in np.flatnonzero(~sound):  # of which the products know too little
        mixed = np.linalg.qr(rows[k])[1]
        sound[k] = np.linalg.cond(mixed) < _WORST_CONDITION
        if sound[k]:
            to[k] = np.linalg.inv(mixed)
    return to, sound


def _distinct(units: np.ndarray, of: np.ndarray) -> np.ndarray:
    """How many units there are among some rows of each table."""
    ordered = np.sort(np.where(of, units, -1), axis=1)
    new = (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    return new.sum(axis=1) + (ordered[:, 0] >= 0)
