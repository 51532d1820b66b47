"""Predictions frozen before the runs are there: the verb `forecast`, its record and its file."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.files import FORECAST_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, inert, parse_number, plural, quoted
from jaxscale._base.validation import check_level
from jaxscale._base.version import __version__
from jaxscale._data.runs import Runs
from jaxscale._fitting import read_file
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale._planning.plan import Plan
from jaxscale.laws import Law

Ends = tuple[float, float] | None
_PARTS = ("law", "runs", "predictions", "version")
_SHORT = 12  # letters of a hash that people compare


@dataclass(frozen=True, eq=False)
class ForecastRow:
    """What is foretold of one run.

    variables: of the law. predicted: its response. law_interval: of the law there, run_interval: of a new run, whose
    scatter is added; None where there is none. budget, optimum: of a row of a plan, what it spends and the best N, D
    and so on with their intervals, {"N": (value, low, high)}.
    """

    variables: Mapping[str, float]
    predicted: float
    law_interval: Ends
    run_interval: Ends
    budget: float | None = None
    optimum: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Forecast(Reporting, Pictured, Saved):
    """What a law says of runs that are still to come, frozen.

    scatter: standard deviation of one run around the law, of the log of a positive response; freedom: of its
    estimate. run_hashes: of each run fitted, by its row in the table. seals: SHA-256 of each part, as it was when
    frozen; `altered` names those that do not agree with what the file holds now.
    """

    _format = FORECAST_FORMAT

    law: Law
    params: Mapping[str, float]
    response: Measure
    rows: tuple[ForecastRow, ...]
    level: float
    scatter: float
    freedom: int
    runs_sha256: str
    run_hashes: Mapping[str, str]
    seed: int
    version: str = __version__
    seals: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The law's name."""
        return self.law.name

    @property
    def sha256(self) -> str:
        """One hash of everything, to be noted where nobody can change it."""
        return _sha256([self.seals[part] for part in _PARTS])

    def computed_seals(self) -> dict[str, str]:
        """SHA-256 of each part as it is now."""
        law = [self.law.name, dict(self.law.options), dict(self.params), self.response.to_dict()]
        predictions = [self.level, self.scatter, self.freedom, self.seed, [_row_dict(row) for row in self.rows]]
        parts = (law, [self.runs_sha256, dict(self.run_hashes)], predictions, self.version)
        return {name: _sha256(part) for name, part in zip(_PARTS, parts, strict=True)}

    @property
    def altered(self) -> tuple[str, ...]:
        """What was changed after it was frozen, of: law, runs, predictions, version."""
        return tuple(part for part, seal in self.computed_seals().items() if self.seals.get(part) != seal)

    def changes(self, fit: FitResult) -> tuple[str, ...]:
        """In sentences, what is otherwise in a fit than in the one that foretold: law, constants, runs, version."""
        found = []
        if (fit.law.name, dict(fit.law.options)) != (self.law.name, dict(self.law.options)):
            found.append(f"the law is {inert(fit.law.name)}, it was {inert(self.law.name)}")
        moved = [n for n, x in fit.params.items() if n in self.params and not math.isclose(x, self.params[n])]
        if moved:
            found.append(f"other constants: {', '.join(map(inert, moved))}")
        if fit.runs_sha256 != self.runs_sha256:
            now = {} if fit.runs is None else _run_hashes(fit.runs)
            both = [row for row in self.run_hashes if now.get(row, self.run_hashes[row]) != self.run_hashes[row]]
            lost, new = ([r for r in a if r not in b] for a, b in ((self.run_hashes, now), (now, self.run_hashes)))
            named = [
                f"{what} {', '.join(map(inert, rows[:5]))}{' and others' if len(rows) > 5 else ''}"
                for what, rows in (("changed in row", both), ("gone from row", lost), ("new in row", new))
                if rows and now
            ]
            found.append("other runs" + (f": {'; '.join(named)}" if named else ""))
        if self.version != __version__:
            found.append(f"jaxscale is {__version__}, it was {inert(self.version)}")
        return tuple(found)

    def to_frame(self) -> pd.DataFrame:
        """One row for each run foretold: variables, predicted, and the ends of both intervals."""
        rows = []
        for row in self.rows:
            law, run = (ends or (math.nan, math.nan) for ends in (row.law_interval, row.run_interval))
            ends = {"law_low": law[0], "law_high": law[1], "run_low": run[0], "run_high": run[1]}
            rows.append({**row.variables, "predicted": row.predicted, **ends})
        return pd.DataFrame(rows)

    def report(self) -> Report:
        """What is foretold, and the hash to keep."""
        percent = f"{100 * self.level:g} %"
        names = [v.name for v in self.law.variables]
        header = (*names, self.response.heading, f"{percent} of the law", f"{percent} of a new run")
        cells = tuple(
            (
                *(format_number(row.variables[name], 4) for name in names),
                _given(self.response, row.predicted),
                *(_span(self.response, ends) for ends in (row.law_interval, row.run_interval)),
            )
            for row in self.rows
        )
        planned = [
            f"At {format_number(row.budget, 3, suffixes=False)}: "
            + ", ".join(f"{n} {_number(x)} [{_number(a)}, {_number(b)}]" for n, (x, a, b) in row.optimum.items())
            for row in self.rows
            if row.budget is not None and row.optimum
        ]
        count = plural(len(self.run_hashes), "run")
        kept = [f"SHA-256 {self.sha256}: note it where it cannot be changed; anybody can write a file anew."]
        kept += [f"Frozen by jaxscale {inert(self.version)} from {count}, {self.runs_sha256[:_SHORT]}."]
        if self.altered:
            kept.insert(0, f"ALTERED after it was frozen: {', '.join(self.altered)}.")
        blocks = [Table("Foretold", header, cells)]
        optimum = (Lines("Best runs, by the plan", tuple(planned)),) if planned else ()
        return Report(f"forecast · {self.law.name} · {plural(len(self.rows), 'run')} to come", None,
                      (*blocks, *optimum, Lines("Frozen", tuple(kept))))  # fmt: skip

    def __repr__(self) -> str:
        return f"<Forecast by {self.law.name} of {plural(len(self.rows), 'run')}, {self.sha256[:_SHORT]}>"

    def to_dict(self) -> dict[str, Any]:
        """The forecast in the format `jaxscale.forecast/1`."""
        parts = {
            "law": self.law.name,
            "law_options": dict(self.law.options),
            "params": dict(self.params),
            "response": self.response.to_dict(),
            "level": self.level,
            "scatter": self.scatter,
            "freedom": self.freedom,
            "seed": self.seed,
            "runs": {"sha256": self.runs_sha256, "rows": dict(self.run_hashes)},
            "rows": [_row_dict(row) for row in self.rows],
            "seals": dict(self.seals),
            "sha256": self.sha256,
        }
        return {**self._document(parts), "jaxscale_version": self.version}


def forecast(result: FitResult, at: Any, *, level: float | None = None, runs: Runs | None = None) -> Forecast:
    """Freeze what a fit says of runs to come, with intervals of the law and of a new run.

    A new run scatters around the law as those fitted do: its interval is Student's t with the runs' degrees of freedom
    times sqrt(s^2 + sigma^2), s the standard error of the law by the delta method and sigma the robust standard
    deviation of the residuals, both of the log of a positive response.

    Args:
        result: the fit.
        at: the runs: mappings or a data frame of the law's variables ({"N": 70e9, "D": 1.4e12}), or a `Plan` made from
            the fit, whose best sizes are kept as well.
        level: of the intervals; the fit's own if not given.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: it is no fit, a variable is missing or not a number, or the plan is of another fit.
    """
    if not isinstance(result, FitResult):
        raise InputError(
            f"a forecast is made from a fit, which knows how runs scatter around it, not from {type(result).__name__}"
        )
    level = check_level(result.level if level is None else level)
    used = runs_of(result, runs)
    freedom = max(used.count - len(set(result.law.parameter_names) - set(result.fixed)), 1)
    made = Forecast(
        result.law, dict(result.params), result.response,
        tuple(_row(result, level, freedom, *design) for design in _designs(result, at)),
        level, float(result.sigma), freedom, result.runs_sha256, _run_hashes(used), result.seed,
    )  # fmt: skip
    return _sealed(made, made.computed_seals())


def read_forecast(path: str | Path, law: Law | None = None) -> Forecast:
    """Read a forecast that `save` wrote; `Forecast.altered` says what in it was changed since.

    Args:
        path: the file.
        law: the law, if it is one of your own.

    Raises:
        InputError: there is no such file, or it holds no forecast.
    """
    return read_file.read_file(path, law, {FORECAST_FORMAT: _forecast_from})


def _forecast_from(data: Mapping[str, Any], law: Law | None) -> Forecast:
    rows = tuple(
        ForecastRow(
            files.numbers(row["variables"]),
            files.number(row["predicted"]),
            None if row["law_interval"] is None else files.interval(*row["law_interval"]),
            None if row["run_interval"] is None else files.interval(*row["run_interval"]),
            files.number_or_none(row["budget"]),
            {str(k): tuple(files.number(x) for x in v) for k, v in row["optimum"].items()},  # pyright: ignore[reportArgumentType]
        )
        for row in data["rows"]
    )
    return Forecast(
        read_file.law_of(data, law), files.numbers(data["params"]), Measure.from_dict(data["response"]), rows,
        files.level(data["level"]), files.number(data["scatter"], math.nan), int(data["freedom"]),
        str(data["runs"]["sha256"]), {str(k): str(v) for k, v in data["runs"]["rows"].items()}, int(data["seed"]),
        str(data["jaxscale_version"]), {part: str(data["seals"][part]) for part in _PARTS},
    )  # fmt: skip


def _sealed(made: Forecast, seals: Mapping[str, str]) -> Forecast:
    return Forecast(**{**vars(made), "seals": dict(seals)})


def _designs(result: FitResult, at: Any) -> list[tuple[dict[str, float], float | None, dict[str, Any]]]:
    """Variables of each run, and of a plan its budget and best sizes with their intervals."""
    names = [v.name for v in result.law.variables]
    if isinstance(at, Plan):
        if dict(at.params) != dict(result.params):
            raise InputError("the plan is of another fit, whose constants differ; make it from this one")
        return [
            (
                {name: float(row.variables[name]) for name in names},
                float(row.budget),
                {k: (float(getattr(row, k)), *ends) for k, ends in row.intervals.items() if k != "loss"},
            )
            for row in at.rows
            if row.variables
        ]
    many = at.to_dict("records") if isinstance(at, pd.DataFrame) else [at] if isinstance(at, Mapping) else at
    many = list(many) if isinstance(many, Iterable) else [many]
    if not all(isinstance(one, Mapping) for one in many):
        raise InputError(
            'runs to come are a table, a plan or a list such as at=[{"N": 70e9, "D": 1.4e12}] (--at N=70B,D=1.4T), '
            f"got {quoted(at)}"
        )
    designs = []
    for number, one in enumerate(many, start=1):
        missing = [name for name in names if name not in one]
        if missing:
            raise InputError(
                f"run {number} to come has no {missing[0]}; law {result.law.name} takes {', '.join(names)}"
            )
        designs.append(({name: _value(number, name, one[name]) for name in names}, None, {}))
    if not designs:
        raise InputError(
            'there is no run to foretell; give at least one, such as at=[{"N": 70e9, "D": 1.4e12}] (--at N=70B,D=1.4T)'
        )
    return designs


def _value(number: int, name: str, given: Any) -> float:
    try:
        return parse_number(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError, InputError):
        raise InputError(f"run {number} to come: {name} is not a number: {quoted(given)}") from None


def _row(
    result: FitResult, level: float, freedom: int, variables: dict[str, float], budget: float | None, optimum: Any
) -> ForecastRow:
    value, ends = result.law.predict_interval(result.params, result.covariance, level=level, **variables)
    logged = result.law.response.logged
    run = None
    if ends is not None and result.sigma > 0:
        width = math.log(ends[1] / value) if logged else ends[1] - value
        error = width / NormalDist().inv_cdf((1 + level) / 2)
        half = float(stdtrit(freedom, (1 + level) / 2)) * math.hypot(error, result.sigma)
        run = (value * math.exp(-half), value * math.exp(half)) if logged else (value - half, value + half)
    return ForecastRow(variables, float(value), ends, run, budget, optimum)


def _row_dict(row: ForecastRow) -> dict[str, Any]:
    spans = {k: None if getattr(row, k) is None else list(getattr(row, k)) for k in ("law_interval", "run_interval")}
    return {
        "variables": dict(row.variables),
        "predicted": row.predicted,
        **spans,
        "budget": row.budget,
        "optimum": {k: list(v) for k, v in row.optimum.items()},
    }


def _run_hashes(runs: Runs) -> dict[str, str]:
    """A short hash of each run's numbers, by its row in the table."""
    columns = [np.asarray(runs.variables[name], np.float64).reshape(runs.count, -1) for name in sorted(runs.variables)]
    numbers = np.column_stack([*columns, runs.response])
    return {
        str(int(row)): _sha256([x.hex() for x in own])[:_SHORT] for row, own in zip(runs.rows, numbers, strict=True)
    }


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(files.finite(value), sort_keys=True).encode()).hexdigest()


def _number(value: float) -> str:
    return format_number(value, 3)


def _given(response: Measure, value: float) -> str:
    return format_number(float(response.to_given(value)), 5, suffixes=False)


def _span(response: Measure, ends: Ends) -> str:
    return "–" if ends is None else " to ".join(format_number(float(x), 5, False) for x in response.ends(*ends))
