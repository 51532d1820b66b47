"""Tables that hold several runs in a row become one run a row: charts that trackers save, and pivots."""

import re

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, plural, quoted
from jaxscale._data.cells import is_missing
from jaxscale._data.headers import is_number
from jaxscale._data.names import meaning_of
from jaxscale._data.quantities import parse_quantity

_SERIES = re.compile(r"(?P<run>.+) - (?P<metric>\S.*?)(?P<end>__MIN|__MAX)?", re.DOTALL)
_CORNER = re.compile(r"\s*(?:\\|/|\||×|\bby\b|\bvs\.?)\s*", re.IGNORECASE)


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


def _is_amount(name: str) -> bool:
    """Whether the name of a column is a number, or one with a unit: `1e9`, `4B tokens`."""
    if is_number(name):
        return True
    try:
        return bool(parse_quantity(name).unit)
    except InputError:
        return False
