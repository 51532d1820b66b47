"""What leaving out runs does to an optimum, by robust fits of the linearized law: nothing is compiled for it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._problem.losses import Loss
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.questions import Asking
from jaxscale._trust.slopes_beside import scaled, slopes_beside
from jaxscale._trust.tables_beside import SideBySide

# Reweightings: the change of a parameter is then off by a tenth of a standard error at most, and runs are ranked as by
# refits of the law itself (Spearman's correlation .97 and more), also where delta lies far below the noise.
_REWEIGHTINGS = 40
_LAST = 2  # of them in all digits
# Whether any fit of a table matters is told by so many steps of all, so many more of the few that then have moved what
# is watched the furthest, and the share of what matters that they reach. Steps go further, as it is the end that is
# asked for. Of 1,975 tables of all kinds none that mattered had less than .69, none let go ended above .60.
_STRETCH, _OF_ALL, _OF_FURTHEST, _FURTHEST = 1.9, 5, 9, 8
_FAR_FROM = 0.5
_SETTLED = 1e-3  # standard deviations of the noise: the largest change with which they end sooner
_MOST_FITS = 32  # sets of runs left out one at a time; first order tells which of many matter
_AT_ONCE = 1 << 17  # weights of fits that are made together, so that they stay in a core's cache


def uncorrelated(tables: Sequence[Linearization]) -> list[np.ndarray | None]:
    """Of each table what its slopes, each run and prior as informative as one of weight one, are multiplied by to be
    orthonormal, (p, p); None where their rank is less."""
    found: list[np.ndarray | None] = [None] * len(tables)
    heavy = [_heavy(at) for at in tables]
    for part in slopes_beside(heavy, [k for k, one in enumerate(heavy) if one.size]):
        unit, norms, known = scaled(part.products())
        square = np.linalg.eigvalsh(unit)
        sure = known & (square[:, 0] > 1e-9 * square[:, -1])  # else rounding of the products matters
        unit[~sure] = np.eye(unit.shape[1])
        to = np.linalg.inv(np.swapaxes(np.linalg.cholesky(unit), 1, 2))
        for place in np.flatnonzero(known):
            k, size = part.which[place], norms[place]
            if sure[place]:
                found[k] = to[place] / size[:, None]
            elif np.linalg.matrix_rank(one := heavy[k] / (size := np.linalg.norm(heavy[k], axis=0))) == len(size):
                found[k] = np.linalg.inv(np.linalg.qr(one)[1]) / size[:, None]
    return found


def _heavy(at: Linearization) -> np.ndarray:
    rows, prior = at.free_slopes * np.sqrt(at.weights[at.used])[:, None], at.precision[~at.held]
    return np.concatenate([rows, np.diag(np.sqrt(prior))]) if len(rows) and prior.any() else rows


def uncorrelated_slopes(side: SideBySide) -> list[np.ndarray | None]:
    """`uncorrelated` of tables side by side."""
    return uncorrelated([table.at for table in side.tables])


class Left(NamedTuple):
    """Fits that are wanted of one table without some of its runs: without all runs of each unit of `chosen` (sets,),
    where `units` (n,) says which each run belongs to, None where each is one. They are of the law's slopes as
    orthonormal columns (n, p), from residuals (n,) at an optimum, with weights (n,). `precision` (p, p) and `pull` (p,)
    are what priors add to curvature and gradient; a fit has ended that moves by `enough` at most. None is made of a
    table where none would move `watched` (p, quantities) by `least`, as far as can be told without."""

    columns: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    units: np.ndarray | None
    chosen: np.ndarray
    precision: np.ndarray
    pull: np.ndarray
    loss: Loss
    enough: float
    watched: np.ndarray
    least: float

    @property
    def gone(self) -> tuple[np.ndarray, np.ndarray]:
        """Which runs are left out: pairs of a set and a run."""
        if self.units is None:
            return np.arange(len(self.chosen)), self.chosen
        sets, runs = np.nonzero(self.units == self.chosen[:, None])
        return sets, runs

    @staticmethod
    def each(asked: Sequence["Left"]) -> list[np.ndarray | None]:
        """Where all fits of each table end, (sets, p) in its columns; None where none is made."""
        return refits(asked)


def changes_without(
    at: Linearization, units: np.ndarray | None, slopes: np.ndarray, to_free: np.ndarray | None, least: float = 0.0
) -> Asking[list[tuple[int, np.ndarray]]]:
    """(unit, change of the free values (free,)) without all runs of a unit, for the units that move `slopes` most.

    The objective of the fit is minimised on the linearized law without these runs, by iteratively reweighted least
    squares (Holland & Welsch 1977, Communications in Statistics A6), for all sets side by side. For squares this is the
    jackknife of the linearized law. One Newton step instead (Pregibon 1981) would go by the few runs within delta of
    the law: on the demonstration it puts the strongest run at twice its effect.

    Args:
        at: the optimum. There are none where its runs do not determine the free values.
        units: (n_used,), which unit each run that counts belongs to, from 0: a run of several rows; None where each is
            one.
        slopes: (quantities, free), of what is watched, each divided by its standard error.
        to_free: what `uncorrelated` says of the table.
        least: a change of `slopes` that matters. There are none where all are smaller.
    """
    if to_free is None:
        return []
    used, room = at.used, ~at.held
    weights, residuals, prior, believed = at.weights[used], at.residuals[used], at.precision[room], at.loss.prior
    rows, watched = at.free_slopes @ to_free, slopes[:, room] @ to_free
    score = rows @ watched.T * at.psi[used][:, None]
    if not len(watched):
        score = np.zeros((1, 0))
    elif units is not None:
        score = np.stack([np.bincount(units, one) for one in score.T], axis=1)
    chosen = np.sort(np.argsort(-np.abs(score).max(axis=1, initial=0.0), kind="stable")[:_MOST_FITS])
    away, pull = np.zeros((len(prior), len(prior))), np.zeros(len(prior))
    if believed is not None:
        away = to_free.T @ (prior[:, None] * to_free)
        pull = pull if at.free is None else to_free.T @ (prior * (at.free - believed.centre)[room])
    (moved,) = yield [
        Left(
            rows,
            residuals,
            weights,
            units,
            chosen,
            away,
            pull,
            at.loss._replace(prior=None),
            _SETTLED * at.sigma,
            watched.T,
            least,
        )
    ]
    if moved is None:
        return []
    changes = np.zeros((len(chosen), len(room)))
    changes[:, room] = moved @ to_free.T
    return list(zip(chosen.tolist(), changes, strict=True))


def refits(asked: Sequence[Left]) -> list[np.ndarray | None]:
    """Where the fits of each table end, those of as many columns and sets side by side."""
    ended: list[np.ndarray | None] = [None] * len(asked)
    for part in _parts(asked, _may_matter(asked)):
        some = [asked[k] for k in part]
        # To where they settle in half the digits, which takes half the time, and on from there in all, which a set of
        # runs that hardly determines the law needs.
        begin = _reweighted(some, None, _REWEIGHTINGS - _LAST)
        begin = np.where(np.isfinite(begin), begin, 0.0).astype(np.float64)
        for k, moved in zip(part, _reweighted(some, begin, _LAST), strict=True):
            ended[k] = moved
    return ended


def _parts(asked: Sequence[Left], which: Iterable[int]) -> Iterator[list[int]]:
    """Tables whose fits can be made side by side, of near numbers of runs and not too many at once."""

    def like(k: int) -> tuple[object, ...]:
        one = asked[k]
        return type(one.loss).__name__, *one.watched.shape, len(one.chosen), len(one.residuals)

    part: list[int] = []
    for k in sorted(which, key=like):
        if part and (
            like(k)[:-1] != like(part[0])[:-1]
            or (len(part) + 1) * len(asked[k].chosen) * len(asked[k].residuals) > _AT_ONCE
        ):
            yield part
            part = []
        part.append(k)
    if part:
        yield part


def _may_matter(asked: Sequence[Left]) -> list[int]:
    """Tables of which some fit may move what is watched by what matters."""
    near = [k for k, one in enumerate(asked) if not one.least > 0]
    begin: dict[int, np.ndarray] = {}
    fewer = list(asked)
    for part in _parts(asked, [k for k, one in enumerate(asked) if one.least > 0]):
        moved = _reweighted([asked[k] for k in part], None, _OF_ALL, _STRETCH)
        furthest = np.argsort(-_most([asked[k] for k in part], moved), axis=1)[:, :_FURTHEST]
        for k, one, of in zip(part, moved, furthest, strict=True):
            begin[k], fewer[k] = one[of], asked[k]._replace(chosen=asked[k].chosen[of])
    for part in _parts(fewer, begin):
        some = [fewer[k] for k in part]
        moved = _reweighted(some, np.stack([begin[k] for k in part]), _OF_FURTHEST, _STRETCH)
        far = _most(some, moved).max(axis=1) < _FAR_FROM * np.array([one.least for one in some])
        near += [k for k, one in zip(part, far, strict=True) if not one]
    return near


def _most(some: Sequence[Left], moved: np.ndarray) -> np.ndarray:
    """By how much moves (tables, sets, p) move what is watched the furthest, (tables, sets)."""
    watched = np.stack([one.watched for one in some]).astype(np.float32)
    with np.errstate(all="ignore"):  # what is not finite may be anything
        return np.nan_to_num(np.abs(moved @ watched).max(axis=2, initial=0.0), nan=np.inf)


def _reweighted(some: Sequence[Left], begin: np.ndarray | None, steps: int, stretch: float = 1.0) -> np.ndarray:
    """Where fits end that begin at (tables, sets, p), in numbers of its kind, or at the optimum, in half the digits,
    after `steps` at most; tables are padded to the rows of the longest, and those that have ended are let go. Steps but
    the first go `stretch` times as far; up to twice as far none raises the objective."""
    dtype: Any = np.float32 if begin is None else begin.dtype
    most, p, sets = max(len(one.residuals) for one in some), some[0].columns.shape[1], len(some[0].chosen)
    columns, residuals = np.zeros((len(some), p, most), dtype), np.zeros((len(some), 1, most), dtype)
    weights = np.zeros((len(some), 1, most), dtype)
    for k, one in enumerate(some):
        n = len(one.residuals)
        columns[k, :, :n], residuals[k, 0, :n], weights[k, 0, :n] = one.columns.T, one.residuals, one.weights
    heavy, first, second = columns * weights, *np.triu_indices(p)
    summed = np.concatenate([*(heavy[:, k, None] * columns[:, k:] for k in range(p)), heavy * residuals], axis=1)
    place = np.zeros((p, p), int)  # of each product of two columns among those that are summed
    place[first, second] = place[second, first] = np.arange(len(first))
    gone = [one.gone for one in some]
    table = np.repeat(np.arange(len(some)), [len(rows) for _, rows in gone])
    of_set, row = (np.concatenate(x) for x in zip(*gone, strict=True))
    away = (np.stack([one.precision for one in some], axis=-1) + 1e-12 * np.eye(p)[..., None])[..., None].astype(dtype)
    pull = np.stack([one.pull for one in some], axis=-1)[..., None].astype(dtype)
    loss = jax.tree.map(lambda *leaves: np.reshape(leaves, (-1, 1, 1)).astype(dtype), *(one.loss for one in some))
    enough, left = np.array([one.enough for one in some]), np.arange(len(some))
    moved = np.zeros((p, len(some), sets), dtype) if begin is None else np.ascontiguousarray(begin.transpose(2, 0, 1))
    ended = np.empty((len(some), sets, p), dtype)
    with np.errstate(all="ignore"):  # what is left of a table may not determine it
        for step in range(steps):
            off = residuals if begin is None and step == 0 else moved.transpose(1, 2, 0) @ columns + residuals
            size = np.abs(off)
            share = loss.share(np.maximum(size, np.finfo(dtype).tiny, out=size))
            share = share if share.shape[1] == sets else np.repeat(share, sets, axis=1)
            share[table, of_set, row] = 0.0
            sums = (summed @ share.swapaxes(1, 2)).transpose(1, 0, 2)  # (sums, tables, sets)
            before, moved = moved, -solved_positive(sums[place] + away, sums[len(first) :] + pull)
            if stretch != 1.0 and step:
                moved = before + np.float32(stretch) * (moved - before)
            going = np.abs(moved - before).max(axis=(0, 2)) > enough
            if not going.all() or step + 1 == steps:
                done = ~going if step + 1 < steps else np.ones_like(going)
                ended[left[done]] = moved[:, done].transpose(1, 2, 0)
                if not going.any():
                    break
                summed, columns, residuals = summed[going], columns[going], residuals[going]
                left, enough = left[going], enough[going]
                moved, away, pull = moved[:, going], away[:, :, going], pull[:, going]
                loss = jax.tree.map(lambda x, going=going: x[going], loss)
                kept = going[table]
                table, of_set, row = (np.cumsum(going) - 1)[table[kept]], of_set[kept], row[kept]
    return ended


def solved_positive(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions (p, ...) of many positive definite systems, (p, p, ...) and (p, ...), by elimination without pivoting:
    of a hundred small ones NumPy's own takes ten times as long."""
    work = np.concatenate([matrix, right[:, None]], axis=1)
    last = len(work) - 1
    for k in range(last + 1):
        row = work[k, k + 1 :]
        row /= work[k, k]
        if k < last:
            work[k + 1 :, k + 1 :] -= work[k + 1 :, k, None] * row
    found = work[:, -1]
    for k in range(last, 0, -1):
        found[:k] -= work[:k, k] * found[k]
    return found
