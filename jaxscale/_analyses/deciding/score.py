"""What held of a forecast, once the runs are there: the verb `score` and its record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv, stdtr, stdtrit

from jaxscale._analyses.deciding.forecast import Forecast, ForecastRow, read_forecast
from jaxscale._base.errors import InputError
from jaxscale._base.files import SCORE_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, inert, plural, quoted
from jaxscale._data.runs import Runs, read_runs
from jaxscale._fitting.options import reading_for

_SAME_RUN = 0.01  # how far the variables of a run may be from those foretold


@dataclass(frozen=True)
class ScoredRun:
    """One run that was foretold: its row in the new table, observed and predicted response, the signed error
    (observed / predicted - 1 of a positive response, else the difference), whether it lies in its interval, and the
    level of the smallest interval that would hold it (both None without one)."""

    forecast: str
    row: int
    observed: float
    predicted: float
    error: float
    held: bool | None
    level_needed: float | None = None


@dataclass(frozen=True)
class Standing:
    """One forecast over the runs that came. bias, spread: mean and root mean square of the errors. held of judged runs
    lie in their intervals; coverage: which shares that speaks for (Clopper & Pearson 1934), at the same level; None
    without intervals. altered: parts of the forecast that were changed after it was frozen."""

    name: str
    law: str
    level: float
    runs: int
    bias: float
    spread: float
    held: int
    judged: int
    coverage: tuple[float, float] | None
    altered: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Score(Reporting, Pictured, Saved):
    """What held: `standings` from the smallest error up, `runs` by forecast. unscored: new runs nobody foretold, by
    row; not_run: how many runs foretold did not come. relative: whether errors are shares of the response."""

    _format = SCORE_FORMAT

    standings: tuple[Standing, ...]
    runs: tuple[ScoredRun, ...]
    unscored: tuple[int, ...]
    not_run: int
    relative: bool
    response: Measure = field(default_factory=Measure)

    @property
    def best(self) -> str:
        """The forecast whose errors are least, in the root mean square."""
        return self.standings[0].name

    def to_frame(self) -> pd.DataFrame:
        """One row for each forecast and run."""
        return pd.DataFrame([vars(run) for run in self.runs])

    @property
    def verdict(self) -> str:
        """What held, in words."""
        first = self.standings[0]
        words = f"{inert(first.name)}: {plural(first.runs, 'run')} off by {self._error(first.bias)} on average"
        if first.coverage is not None:
            words += f", {first.held} of {first.judged} in their {100 * first.level:g} % intervals{_honest(first)}"
        if len(self.standings) > 1:
            words = f"least off is {words}"
        altered = [s for s in self.standings if s.altered]
        if altered:
            words = f"ALTERED after freezing: {', '.join(inert(s.name) for s in altered)}; {words}"
        return words

    def _error(self, value: float) -> str:
        return f"{100 * value:+.2f} %" if self.relative else f"{value:+.3g}"

    def report(self) -> Report:
        """The verdict, every forecast, and every run."""
        cells = []
        for s in self.standings:
            low, high = s.coverage or (math.nan, math.nan)
            cells.append(
                (
                    inert(s.name),
                    inert(s.law),
                    str(s.runs),
                    self._error(s.bias),
                    self._error(s.spread).lstrip("+"),
                    f"{s.held} of {s.judged}" if s.judged else "–",
                    f"{100 * low:.0f} to {100 * high:.0f} %" if s.coverage else "–",
                    ", ".join(s.altered) or "no",
                )
            )
        header = ("forecast", "law", "runs", "mean error", "rms error", "in interval", "speaks for", "altered")
        runs = tuple(
            (
                inert(run.forecast),
                str(run.row),
                format_number(float(self.response.to_given(run.observed)), 5, suffixes=False),
                format_number(float(self.response.to_given(run.predicted)), 5, suffixes=False),
                self._error(run.error),
                {True: "yes", False: "NO", None: "–"}[run.held],
            )
            for run in self.runs
        )
        names = ("forecast", "row", f"observed {self.response.heading}", "predicted", "error", "in interval")
        notes = []
        if self.not_run:
            notes.append(f"{plural(self.not_run, 'run')} foretold did not come.")
        if self.unscored:
            rows = ", ".join(map(str, self.unscored[:10]))
            notes.append(f"Not foretold within 1 % of their variables, and not scored: rows {rows}.")
        blocks = (
            Table("Forecasts, the least off first", header, tuple(cells)),
            Table("Runs", names, runs, "Error: observed above predicted."),
            *((Lines("", tuple(notes)),) if notes else ()),
        )
        return Report(f"score of {plural(len(self.standings), 'forecast')}", self.verdict, blocks)

    def __repr__(self) -> str:
        return f"<Score: {self.verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """The score in the format `jaxscale.score/1`."""
        standings = [
            {**vars(s), "coverage": None if s.coverage is None else list(s.coverage), "altered": list(s.altered)}
            for s in self.standings
        ]
        return self._document(
            {
                "response": self.response.to_dict(),
                "relative": self.relative,
                "best": self.best,
                "text": self.verdict,
                "standings": standings,
                "runs": [vars(run) for run in self.runs],
                "unscored": list(self.unscored),
                "not_run": self.not_run,
            }
        )


def score(forecasts: Any, runs: Any, **reading: Any) -> Score:
    """What held of forecasts: errors, how many runs lie in their intervals, and which law did best.

    A run is the one foretold if each of its variables is within 1 % of it.

    Args:
        forecasts: a `Forecast` or the path of its file; or several, as a list or a mapping of name to one.
        runs: the new runs: `Runs`, or a table as `read_runs` takes it.
        **reading: of `read_runs`, for a table.

    Raises:
        InputError: there is no forecast, they are of different responses, or no run was foretold.
    """
    named = _named(forecasts)
    first = next(iter(named.values()))
    if any(f.law.response.name != first.law.response.name for f in named.values()):
        raise InputError("the forecasts are of different responses; score those of one at a time")
    table = runs if isinstance(runs, Runs) else read_runs(runs, **{**reading_for(first.law), **reading})
    relative = first.law.response.logged
    scored: list[ScoredRun] = []
    standings, missing, seen = [], 0, set[int]()
    for name, one in named.items():
        pairs = _matched(one, table)
        missing = max(missing, len(one.rows) - len({id(row) for _, row in pairs}))
        mine = [_scored(name, one, row, int(table.rows[k]), float(table.response[k]), relative) for k, row in pairs]
        seen |= {run.row for run in mine}
        scored += mine
        if mine:
            standings.append(_standing(name, one, mine))
    if not standings:
        names = " and ".join(v.name for v in first.law.variables)
        raise InputError(
            f"none of these {table.count} runs was foretold: no run has its {names} within 1 % of a run in the forecast"
        )
    standings.sort(key=lambda s: s.spread)
    unscored = tuple(int(row) for row in table.rows if int(row) not in seen)
    return Score(tuple(standings), tuple(scored), unscored, missing, relative, first.response)


def _named(forecasts: Any) -> dict[str, Forecast]:
    several = isinstance(forecasts, Mapping | Sequence) and not isinstance(forecasts, str)
    each = forecasts.values() if isinstance(forecasts, Mapping) else forecasts if several else [forecasts]
    if wrong := [one for one in each if not isinstance(one, Forecast | str | Path)]:
        raise InputError(
            f"score takes what forecast made or the file it was saved to, got {quoted(type(wrong[0]).__name__)}"
        )
    if isinstance(forecasts, Mapping):
        given = dict(forecasts)
    elif isinstance(forecasts, Sequence) and not isinstance(forecasts, str):
        given = {}
        for k, one in enumerate(forecasts):
            name = one.label if isinstance(one, Forecast) else Path(one).stem
            given[name if name not in given else f"{name} {k + 1}"] = one
    else:
        given = {forecasts.label if isinstance(forecasts, Forecast) else Path(forecasts).stem: forecasts}
    if not given:
        raise InputError("there is no forecast to score")
    return {str(name): one if isinstance(one, Forecast) else read_forecast(one) for name, one in given.items()}


def _matched(one: Forecast, table: Runs) -> list[tuple[int, ForecastRow]]:
    """Positions of new runs, each with the nearest run foretold."""
    names = [v.name for v in one.law.variables]
    told = np.array([[row.variables[name] for name in names] for row in one.rows])
    came = np.column_stack([np.asarray(table.variable(name), np.float64) for name in names])
    off = np.max(np.abs(came[:, None] - told) / np.maximum(np.abs(told), 1e-300), axis=2)
    nearest = off.argmin(axis=1)
    return [(k, one.rows[j]) for k, j in enumerate(nearest) if off[k, j] <= _SAME_RUN]


def _scored(name: str, of: Forecast, told: ForecastRow, row: int, observed: float, relative: bool) -> ScoredRun:
    error = observed / told.predicted - 1 if relative else observed - told.predicted
    held = needed = None
    if told.run_interval is not None:
        low, high = told.run_interval
        held = low <= observed <= high
        if relative:
            off, half = math.log(observed / told.predicted), math.log(high / low) / 2
        else:
            off, half = error, (high - low) / 2
        standard = half / float(stdtrit(of.freedom, (1 + of.level) / 2))  # an interval is Student's t, see `forecast`
        needed = float(2 * stdtr(of.freedom, abs(off) / standard) - 1)
    return ScoredRun(name, row, observed, told.predicted, error, held, needed)


def _standing(name: str, one: Forecast, runs: Sequence[ScoredRun]) -> Standing:
    errors = np.array([run.error for run in runs])
    judged = [run.held for run in runs if run.held is not None]
    held = sum(judged)
    coverage = clopper_pearson(held, len(judged), one.level) if judged else None
    spread = float(np.sqrt(np.mean(errors**2)))
    return Standing(
        name, one.law.name, one.level, len(runs), float(errors.mean()), spread, held, len(judged), coverage, one.altered
    )


def clopper_pearson(held: int, count: int, level: float) -> tuple[float, float]:
    """The shares that `held` of `count` do not speak against, at a level (Clopper & Pearson 1934, Biometrika 26)."""
    tail = (1 - level) / 2
    low = float(betaincinv(held, count - held + 1, tail)) if held else 0.0
    high = float(betaincinv(held + 1, count - held, 1 - tail)) if held < count else 1.0
    return low, high


def _honest(standing: Standing) -> str:
    """Whether the intervals held as often as they should, as far as so few runs say."""
    assert standing.coverage is not None
    low, high = standing.coverage
    if standing.level > high:
        return ", fewer than they promise"
    return ", more than they promise" if standing.level < low else ", as they promise so far as these runs say"
