"""Tables of other layouts become one run a row: charts of trackers, pivots, runs side by side, metrics in rows."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, plural, quoted
from jaxscale._data.cells import is_missing
from jaxscale._data.checkpoints import STEP, reads
from jaxscale._data.headers import is_number
from jaxscale._data.names import key, meaning_of
from jaxscale._data.quantities import parse_quantity

_SERIES = re.compile(r"(?P<run>.+) - (?P<metric>\S.*?)(?P<end>__MIN|__MAX)?", re.DOTALL)
_CORNER = re.compile(r"\s*(?:\\|/|\||×|\bby\b|\bvs\.?)\s*", re.IGNORECASE)

_NAMES_A_METRIC = frozenset(["metric", "metricname", "key", "name", "variable", "measure", "quantity", "field", "tag"])
_HOLDS_A_METRIC = frozenset(["value", "metricvalue"])
_MOST_ROWS_OF_NAMES = 400


def one_run_a_row(frame: pd.DataFrame, shown: str) -> tuple[pd.DataFrame, str]:
    """The table with one run (and step) in a row, and what is said of it; the table itself where it has no such layout.

    Raises InputError for a pivot that does not say what its rows and columns are.
    """
    columns = list(frame.columns)
    series = [match for name in columns[1:] if (match := _SERIES.fullmatch(name))]
    if series and len(series) == len(columns) - 1 and _is_chart(series):
        return _of_chart(frame, series)
    if len(columns) > 2 and all(map(_is_amount, columns[1:])):
        return _of_pivot(frame, shown)
    if _is_turned(frame):
        return _turned(frame)
    named = [
        name for name in columns if key(name) in _NAMES_A_METRIC and not pd.api.types.is_numeric_dtype(frame[name])
    ]
    values = [name for name in columns if key(name) in _HOLDS_A_METRIC]
    if len(named) == len(values) == 1 and _symbols(frame[named[0]]):
        return _of_metrics(frame, named[0], values[0], shown)
    return frame, ""


def _is_chart(series: list[re.Match[str]]) -> bool:
    """Whether columns are called `run - metric`, of the same metrics for all runs, or with ends that trackers write."""
    runs = {match["run"] for match in series}
    metrics = {match["metric"] for match in series}
    return any(match["end"] for match in series) or (len(runs) > 1 and len(runs) * len(metrics) == len(series))


def _of_chart(frame: pd.DataFrame, series: list[re.Match[str]]) -> tuple[pd.DataFrame, str]:
    plain = {(match["run"], match["metric"]) for match in series if not match["end"]}
    kept: dict[str, dict[str, str]] = {}  # run: column of the new table: column of the old one
    for match in series:
        end, key = match["end"] or "", (match["run"], match["metric"])
        if not end or (key not in plain and end == "__MIN"):
            kept.setdefault(match["run"], {})[match["metric"] + end] = match[0]
    metrics = list(dict.fromkeys(metric for columns in kept.values() for metric in columns))
    axis = frame.columns[0]
    parts = []
    for run, columns in kept.items():
        cells = {axis: frame[axis], **{metric: frame[column] for metric, column in columns.items()}}
        part = pd.DataFrame(cells, dtype=object)
        there = ~part[list(columns)].map(is_missing).all(axis=1)
        part.insert(0, "run", run)
        parts.append(part[there])
    table = pd.concat(parts, ignore_index=True).reindex(columns=["run", axis, *metrics])
    said = f"a tracker's chart of {plural(len(kept), 'run')}, one row for each run and {inert(axis, 40)}"
    return table.astype(object).where(table.notna(), ""), said


def _of_pivot(frame: pd.DataFrame, shown: str) -> tuple[pd.DataFrame, str]:
    corner, *across = frame.columns
    units = {parse_quantity(name).unit for name in across}
    parts = [part for part in _CORNER.split(corner) if part]
    if len(parts) == 1 and len(units) == 1 and next(iter(units)) in ("parameters", "tokens", "FLOPs"):
        parts.append(next(iter(units)))
    symbols = [found.symbol if (found := meaning_of(part)) else "" for part in parts]
    if len(parts) != 2 or len(set(symbols) - {"", "loss"}) != 2:
        raise InputError(
            f"{shown} is a pivot: columns {listed(across, 3)} are numbers, with one run in each cell below them; write "
            f"into its first cell what its rows and its columns are, as in 'params \\ tokens', in the place of "
            f"{quoted(corner)}, or make it one row for each run: "
            f"frame.melt(id_vars={quoted(corner)}, var_name='tokens', value_name='loss')"
        )
    long = frame.melt(id_vars=corner, var_name=parts[1], value_name="loss").rename(columns={corner: parts[0]})
    there = ~long["loss"].map(is_missing)
    said = f"a pivot, {inert(parts[0], 40)} down and {inert(parts[1], 40)} across, its cells taken for the loss"
    empty = int(np.sum(~there))
    said += f", {plural(empty, 'empty cell')} left out" if empty else ""
    return long[there].reset_index(drop=True).astype(object), said


def _symbols(cells: Iterable[Any]) -> set[str]:
    """Which of N, D, C, U and the loss the cells of a column name."""
    names = {str(cell).strip() for cell in islice(cells, _MOST_ROWS_OF_NAMES)}
    return {found.symbol for name in names if (found := meaning_of(name)) is not None}


def _is_turned(frame: pd.DataFrame) -> bool:
    """Whether the first column names the loss and a variable, once each, and no other column is called like one."""
    first = frame.iloc[:, 0]
    if not 1 < len(frame) <= _MOST_ROWS_OF_NAMES or len(frame.columns) < 3 or pd.api.types.is_numeric_dtype(first):
        return False
    symbols = _symbols(first)
    return "loss" in symbols and len(symbols) > 1 and first.is_unique and not _symbols(frame.columns[1:])


def _turned(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    corner, *runs = frame.columns
    table = pd.DataFrame(frame.iloc[:, 1:].to_numpy(object).T, columns=pd.Index(map(str, frame[corner])))
    if "run" not in table.columns:
        table.insert(0, "run", np.array(runs, dtype=object))
    return table, f"runs side by side, {plural(len(runs), 'column')} turned into rows"


def _of_metrics(frame: pd.DataFrame, named: str, value: str, shown: str) -> tuple[pd.DataFrame, str]:
    """One row for each run of a table with one row for each of its metrics."""
    run = [name for name in frame.columns if name not in (named, value)]
    cells = frame[[*run, named]].map(lambda cell: str(cell).strip()).assign(**{value: frame[value]})
    twice, metrics = cells.duplicated([*run, named]), list(dict.fromkeys(cells[named]))
    table = None if twice.any() or not run else cells.pivot(index=run, columns=named, values=value).reset_index()
    if table is None or len(table) == len(frame) > len(frame) / len(metrics):
        why = f"row {int(np.flatnonzero(twice)[0]) + 1} has a metric that its run has already" if twice.any() else ""
        why = why or (f"every row has its own {listed(run, 3)}" if run else "no column names the run")
        raise InputError(
            f"{shown} has a row for each metric of a run ({quoted(named)}, {quoted(value)}), and {why}: keep the "
            "column that names the run and one value of each metric, or make it one row for each run, by "
            f"frame.pivot(index='run', columns={quoted(named)}, values={quoted(value)})"
        )
    table.columns.name = None
    table = table[[*run, *metrics]].astype(object)
    table = _of_histories(table, [name for name in run if not reads(STEP, name)], metrics) if len(run) > 1 else table
    said = f"a row for each metric in {quoted(named, 40)}, {plural(len(frame), 'row')} that became {len(table)}"
    return table.where(table.notna(), ""), said


def _of_histories(table: pd.DataFrame, run: list[str], metrics: list[str]) -> pd.DataFrame:
    """A size that a run logged once in all of its rows, and no rows without a loss; `run` leaves the step out. Tokens
    are not: those of the end are not those of a loss before it."""
    if len(run) == len(table.columns) - len(metrics) or not run:
        return table
    losses = [name for name in metrics if "loss" in _symbols([name])]
    there = table[losses].notna().any(axis=1)
    for name in (name for name in metrics if _symbols([name]) <= {"N"}):
        of_run = table.groupby(run)[name]
        if bool((of_run.count() == 1).all()):
            table[name] = of_run.transform("first")
    return table[there].reset_index(drop=True) if losses else table


def _is_amount(name: str) -> bool:
    """Whether the name of a column is a number, or one with a unit: `1e9`, `4B tokens`."""
    if is_number(name):
        return True
    try:
        return bool(parse_quantity(name).unit)
    except InputError:
        return False
