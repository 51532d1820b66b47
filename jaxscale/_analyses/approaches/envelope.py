"""Approach 1: at each compute budget the training curve that is lowest there, and the power law through their sizes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from jaxscale._analyses.approaches.trend import Trend, check_resampling, through, trend_table, words
from jaxscale._base.answered import Answered
from jaxscale._base.errors import InputError
from jaxscale._base.files import ENVELOPE_FORMAT
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import plural, quoted
from jaxscale._data.runs import Runs, as_runs

How = Literal["curves", "hull", "bins"]

FEWEST_ON_IT = 3  # curves on the used part of an envelope: one model says nothing of how the best size grows
FEWEST_CURVES = 5  # resampled with replacement, fewer leave too few different ones
_SAME_SIZE = 0.005  # where no column names the runs, sizes this close in logs are one curve
_WORDS = {
    "curves": "each curve interpolated in logs, the lowest at evenly spaced budgets",
    "hull": "checkpoints on the lower convex hull of log loss against log compute",
    "bins": "the lowest checkpoint in each interval of log compute",
}


@dataclass(frozen=True, eq=False)
class Envelope(Reporting, Pictured, Answered):
    """The lower envelope of training curves, and the power laws through its sizes: `N` and `D` are `Trend`s.

    points: budget, N, D and loss where the envelope was taken, and `used`: False where the lowest curve is of the
    smallest or the largest model that has a checkpoint on either side of that budget, so that a smaller or larger one
    might have been lower. sensitivity: the exponent of N when the envelope is taken in other ways.
    """

    _format = ENVELOPE_FORMAT

    how: How
    count: int
    points: pd.DataFrame
    N: Trend
    D: Trend
    sensitivity: pd.DataFrame
    curves: int
    curves_used: int
    runs: int
    level: float
    seed: int
    notes: tuple[str, ...] = field(default=())
    data: str = "tokens"  # what D counts

    def to_frame(self) -> pd.DataFrame:
        """One row for each point of the envelope: budget, N, D, loss, tokens_per_param, used."""
        return self.points.copy()

    @property
    def verdict(self) -> str:
        """One line: the exponent and how far it moves with how the envelope is taken, or why there is none."""
        if self.N.count < 2:
            return (
                f"NO EXPONENT: {plural(self.curves_used, 'model')} {'is' if self.curves_used == 1 else 'are'} lowest "
                f"where smaller and larger ones can be compared with; it takes {FEWEST_ON_IT}"
            )
        low, high = self.sensitivity.exponent.min(), self.sensitivity.exponent.max()
        ends = words(self.N.interval, "{:.4f}".format)
        return (
            f"N grows as C^{self.N.exponent:.4f} ({100 * self.level:g} % {ends}); "
            f"{low:.3f} to {high:.3f} when the envelope is taken in other ways"
        )

    def report(self) -> Report:
        """Exponents first, then how they move with how the envelope is taken, then what to know."""
        rows = tuple(
            (row.way, f"{row.exponent:.4f}" if math.isfinite(row.exponent) else "–", str(row.points), str(row.curves))
            for row in self.sensitivity.itertuples()
        )
        header = ("how the envelope is taken", "a of N", "points used", "curves on it")
        blocks: list[Table | Lines] = [trend_table((self.N, self.D), self.data), Table("Sensitivity", header, rows)]
        if self.notes:
            blocks.append(Lines("To know", self.notes))
        title = f"Approach 1 (envelope) · {plural(self.curves, 'curve')} · {self.runs} checkpoints · {_WORDS[self.how]}"
        return Report(title, self.verdict, tuple(blocks))

    def __repr__(self) -> str:
        return f"<Envelope {self.how}: {self.verdict}>"


def envelope(
    runs: Runs | Any,
    *,
    how: How = "curves",
    count: int = 200,
    level: float = 0.9,
    draws: int = 500,
    seed: int = 0,
) -> Envelope:
    """Approach 1 of Hoffmann et al. 2022 (arXiv 2203.15556, Section 3.1): the lower envelope of training curves.

    Args:
        runs: checkpoints, several to a curve: `Runs` with N, D (or C) and a `run` column, or anything `read_runs`
            takes. Without a `run` column the runs of one size are taken for one curve.
        how: "curves" interpolates every curve in logs and takes the lowest at `count` evenly spaced budgets, as
            published; "hull" takes the checkpoints on the lower convex hull of log loss against log compute; "bins" the
            lowest checkpoint in each of `count` intervals of log compute.
        level, draws, seed: of the intervals: whole curves are resampled, and the envelope taken again. draws=0 leaves
            them out, as do fewer than five curves.

    Losses in the middle of a schedule are higher than those of a run that ends there, so curves of one long schedule
    favour small models; Hoffmann et al. trained each size with several schedules for that reason.

    Raises:
        InputError: an argument cannot be used, or no curve has two checkpoints.
    """
    runs = as_runs(runs)
    check_resampling(level, draws)
    if how not in get_args(How):
        raise InputError(f"how must be one of {', '.join(get_args(How))}, got {quoted(how)}")
    if count < 5:
        raise InputError(f"count must be at least 5, got {count}")
    curves = _curves(runs)
    if len(curves) < 3:
        raise InputError(
            f"an envelope needs training curves of at least three models, and {len(curves)} have two checkpoints; "
            'name the column of the run with run="..." (--run-column COLUMN)'
        )
    every = _Curves.of(curves)
    taken = _take(every, how, count)
    trends = _trends(every, taken, how, count, level, draws if len(curves) >= FEWEST_CURVES else 0, seed)
    used = taken.used
    points = pd.DataFrame({
        "budget": np.exp(taken.log_c),
        "N": np.exp(taken.log_n),
        "D": np.exp(taken.log_d),
        "loss": np.exp(taken.log_loss),
        "tokens_per_param": np.exp(taken.log_d - taken.log_n),
        "used": used,
    })  # fmt: skip
    notes = []
    if (~used).any():
        notes.append(
            f"{int((~used).sum())} of {plural(len(used), 'point')} not used: there the lowest curve is of the smallest "
            "or largest model to compare with, so the best size may lie outside."
        )
    if runs.clusters is None:
        notes.append("No column names the runs: those of one size were taken for one curve.")
    if draws and len(curves) < FEWEST_CURVES:
        notes.append(f"No intervals: {len(curves)} curves are too few to resample.")
    lost = int(np.isnan(trends[0].draws[:, 1]).sum())
    if lost and trends[0].interval is None and np.isfinite(trends[0].exponent):
        notes.append(
            f"No intervals: {lost} of {len(trends[0].draws)} resamples have fewer than {FEWEST_ON_IT} curves on the "
            "envelope; more sizes around the best ones would give some."
        )
    notes.append("Along one schedule a loss in the middle is not that of a run that ends there.")
    return Envelope(
        how=how,
        count=count,
        points=points,
        N=trends[0],
        D=trends[1],
        sensitivity=_sensitivity(every),
        curves=len(curves),
        curves_used=taken.curves,
        runs=runs.count,
        level=level,
        seed=seed,
        notes=tuple(notes),
        data=runs.record.measure.data,
    )


# --- Curves ---


class _Curve(NamedTuple):
    """Checkpoints of one run in logs, ascending in compute."""

    log_c: np.ndarray
    log_n: np.ndarray
    log_d: np.ndarray
    log_loss: np.ndarray


def _curves(runs: Runs) -> list[_Curve]:
    """The training curves with two checkpoints or more."""
    if (runs.response <= 0).any():
        raise InputError(f"an envelope needs a positive response; {quoted(runs.response_name)} is not")
    columns = [np.log(runs.variable(name)) for name in ("C", "N", "D")] + [np.log(runs.response)]
    if runs.clusters is not None:
        labels = np.unique(np.array(runs.clusters), return_inverse=True)[1]
    else:
        order = np.argsort(columns[1], kind="stable")
        labels = np.empty(runs.count, np.int64)
        labels[order] = np.cumsum(np.diff(columns[1][order], prepend=columns[1][order][0]) > _SAME_SIZE)
    found = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        mine = mine[np.argsort(columns[0][mine], kind="stable")]
        if len(np.unique(columns[0][mine])) > 1:
            found.append(_Curve(*(c[mine] for c in columns)))
    return found


class _Curves(NamedTuple):
    """All checkpoints, (n,) in logs with the number of their curve, and the ends and sizes of the curves."""

    log_c: np.ndarray
    log_n: np.ndarray
    log_d: np.ndarray
    log_loss: np.ndarray
    curve: np.ndarray
    each: tuple[_Curve, ...]

    @classmethod
    def of(cls, each: list[_Curve]) -> "_Curves":
        log_c, log_n, log_d, log_loss = (np.concatenate([getattr(c, name) for c in each]) for name in _Curve._fields)
        return cls(
            log_c, log_n, log_d, log_loss, np.repeat(np.arange(len(each)), [len(c.log_c) for c in each]), tuple(each)
        )

    def only(self, kept: np.ndarray) -> "_Curves":
        """Those of the curves that are kept, by number."""
        return _Curves.of([self.each[k] for k in kept])


class _Taken(NamedTuple):
    """Points of an envelope, (n,) in logs; `used` where smaller and larger models could be compared with."""

    log_c: np.ndarray
    log_n: np.ndarray
    log_d: np.ndarray
    log_loss: np.ndarray
    curve: np.ndarray
    used: np.ndarray

    @property
    def curves(self) -> int:
        """How many curves the used points lie on."""
        return len(np.unique(self.curve[self.used]))


# --- Ways to take the envelope ---


def _take(curves: _Curves, how: str, count: int) -> _Taken:
    return _WAYS[how](curves, count)


def _lowest_curves(curves: _Curves, count: int) -> _Taken:
    grid = np.linspace(curves.log_c.min(), curves.log_c.max(), count)
    heights = np.array([np.interp(grid, c.log_c, c.log_loss, np.inf, np.inf) for c in curves.each])
    winner = heights.argmin(axis=0)
    covered = np.isfinite(heights[winner, np.arange(count)])
    grid, winner = grid[covered], winner[covered]

    def at(name: str) -> np.ndarray:
        return np.array(
            [
                np.interp(x, curves.each[k].log_c, getattr(curves.each[k], name))
                for x, k in zip(grid, winner, strict=True)
            ]
        )

    return _compared(curves, grid, at("log_n"), at("log_d"), at("log_loss"), winner)


def _on_hull(curves: _Curves, count: int) -> _Taken:
    order = np.lexsort((curves.log_loss, curves.log_c))
    x, y = curves.log_c[order], curves.log_loss[order]
    last = int(np.argmin(y))
    hull: list[int] = []
    for i in range(last + 1):  # Andrew's monotone chain, up to the lowest loss
        while len(hull) > 1 and (y[hull[-1]] - y[hull[-2]]) * (x[i] - x[hull[-2]]) >= (y[i] - y[hull[-2]]) * (
            x[hull[-1]] - x[hull[-2]]
        ):
            hull.pop()
        hull.append(i)
    return _checkpoints(curves, order[hull])


def _in_bins(curves: _Curves, count: int) -> _Taken:
    edges = np.linspace(curves.log_c.min(), curves.log_c.max(), count + 1)
    index = np.clip(np.searchsorted(edges, curves.log_c, side="right") - 1, 0, count - 1)
    order = np.lexsort((curves.log_loss, index))
    _, first = np.unique(index[order], return_index=True)
    return _checkpoints(curves, order[first])


_WAYS: dict[str, Callable[[_Curves, int], _Taken]] = {
    "curves": _lowest_curves,
    "hull": _on_hull,
    "bins": _in_bins,
}


def _checkpoints(curves: _Curves, chosen: np.ndarray) -> _Taken:
    columns = (getattr(curves, name)[chosen] for name in (*_Curve._fields, "curve"))
    return _compared(curves, *columns)


def _compared(
    curves: _Curves,
    log_c: np.ndarray,
    log_n: np.ndarray,
    log_d: np.ndarray,
    log_loss: np.ndarray,
    curve: np.ndarray,
) -> _Taken:
    """Points with a note whether a smaller and a larger model have checkpoints on both sides of that compute."""
    begins, ends = (np.array([c.log_c[k] for c in curves.each]) for k in (0, -1))
    sizes = np.array([c.log_n.mean() for c in curves.each])
    there = (begins <= log_c[:, None] + 1e-9) & (log_c[:, None] <= ends + 1e-9)
    smaller = (there & (sizes < log_n[:, None] - _SAME_SIZE)).any(axis=1)
    larger = (there & (sizes > log_n[:, None] + _SAME_SIZE)).any(axis=1)
    return _Taken(log_c, log_n, log_d, log_loss, curve, np.asarray(smaller & larger))


# --- The line, and what moves it ---


def _line(taken: _Taken) -> np.ndarray:
    """Intercept and slope of log N and of log D, (2, 2); nan where fewer than three curves are on the envelope."""
    if taken.curves < FEWEST_ON_IT:
        return np.full((2, 2), np.nan)
    x = taken.log_c[taken.used]
    middle = x.mean()
    columns = np.stack([np.ones_like(x), x - middle], axis=1)
    both = np.stack([taken.log_n[taken.used], taken.log_d[taken.used]], axis=1)
    intercept, slope = np.linalg.lstsq(columns, both, rcond=None)[0]
    return np.stack([intercept - slope * middle, slope], axis=1)


def _trends(
    curves: _Curves, taken: _Taken, how: str, count: int, level: float, draws: int, seed: int
) -> tuple[Trend, Trend]:
    rng = np.random.default_rng(seed)
    lines = np.full((draws, 2, 2), np.nan)
    for k in range(draws):
        kept = np.unique(rng.integers(len(curves.each), size=len(curves.each)))
        if len(kept) > 2:
            lines[k] = _line(_take(curves.only(kept), how, count))
    found = []
    for i, of in enumerate("ND"):
        there = taken.used & (taken.curves >= FEWEST_ON_IT)
        values = np.where(there, (taken.log_n, taken.log_d)[i], np.nan)
        trend = through(of, taken.log_c, values, None, level=level, seed=seed)
        found.append(trend.with_draws(lines[:, i]))
    return found[0], found[1]


def _sensitivity(curves: _Curves) -> pd.DataFrame:
    """Exponents of N for each way to take the envelope, and for the lower and the upper half of its budgets."""
    rows = []
    for how, count in (
        ("curves", 50),
        ("curves", 200),
        ("curves", 1500),
        ("hull", 0),
        ("bins", 10),
        ("bins", 20),
        ("bins", 40),
    ):
        taken = _take(curves, how, count)
        rows.append((how + (f", {count}" if count else ""), taken))
    whole = _take(curves, "curves", 200)
    middle = np.median(whole.log_c[whole.used]) if whole.used.any() else 0.0
    for which, half in (("lower", whole.log_c <= middle), ("upper", whole.log_c >= middle)):
        rows.append((f"curves, 200, {which} half of the budgets", whole._replace(used=whole.used & half)))
    everything = whole._replace(used=np.ones_like(whole.used))
    rows.append(("curves, 200, with the smallest and largest models", everything))
    return pd.DataFrame(
        [(way, _line(t)[0, 1], int(t.used.sum()), t.curves) for way, t in rows],
        columns=["way", "exponent", "points", "curves"],
    )
