"""Runs that could be done: a table of them, or a box of sizes as a fine grid."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, parse_number, plural, quoted
from jaxscale._data.names import Meaning, meaning_of
from jaxscale._data.runs import Runs
from jaxscale.laws import Law

_FINE = 31  # a side of the grid: what whole runs lose on it is far below what a run tells
_COARSE = 9  # values of each further variable
# Logs of what a box may give (of C / 6) in those of N and D.
_IN_LOGS = {"N": (1.0, 0.0), "D": (0.0, 1.0), "C": (1.0, 1.0), "D_per_N": (-1.0, 1.0)}


def read_offered(given: Any, law: Law, what: str) -> dict[str, np.ndarray]:
    """Variables of the law by name, (m,) each, of a table: a frame, columns by name, runs, or the path of a CSV file.

    A column is that of a variable's name, or else the only one whose name means it (params, tokens_B).

    Raises:
        InputError: a column is missing, or a cell is not a number that its variable may have.
    """
    if isinstance(given, Runs):
        given = dict(given.variables)
    if isinstance(given, str | Path):
        try:
            given = pd.read_csv(given)
        except (OSError, ValueError) as error:
            raise InputError(f"{what}: {quoted(given)} is not a table of CSV: {inert(error, 200)}") from None
    try:
        frame = pd.DataFrame(given).reset_index(drop=True)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be a table with columns {_names(law)}, or a box; got {quoted(given)}") from None
    found = {v.name: _meant(v.name, frame.columns) for v in law.variables}
    if None in found.values() or not len(frame):
        has = f"columns {listed(list(map(str, frame.columns)))}" if len(frame.columns) else "no column"
        raise InputError(
            f"{what} wants a row for each run and columns {_names(law)}; it has {plural(len(frame), 'row')} and {has}"
        )
    return {v.name: _column(frame[one[0]], one[1], v, what) for v in law.variables if (one := found[v.name])}


def _meant(variable: str, columns: Iterable[Any]) -> tuple[Any, float] | None:
    """The column of a variable and the factor of its unit; None where none or several could be it."""
    if variable in (columns := list(columns)):
        return variable, 1.0
    named = [
        (name, meaning.factor or 1.0) for name in columns if (meaning := _meaning(name)) and meaning.symbol == variable
    ]
    return named[0] if len(named) == 1 else None


def _meaning(name: Any) -> Meaning | None:
    return meaning_of(name) if isinstance(name, str) else None


def _names(law: Law) -> str:
    return ", ".join(v.name for v in law.variables)


def _column(cells: pd.Series, factor: float, variable: Any, what: str) -> np.ndarray:
    values = np.empty(len(cells))
    for k, cell in enumerate(cells):
        try:  # of a column with a unit, cells have none
            values[k] = parse_number(cell) if isinstance(cell, str) and factor == 1 else factor * float(cell)
        except (InputError, TypeError, ValueError):
            values[k] = np.nan
        if not np.isfinite(values[k]) or (variable.logged and not values[k] > 0):
            must = "a positive number" if variable.logged else "a number"
            raise InputError(f"{what}: column {inert(cells.name)}, row {k + 1}: {quoted(cell)} is not {must}")
    return values


def is_box(given: Any) -> bool:
    """Whether candidates are ranges by name, of N, D, C or D_per_N among them."""
    return isinstance(given, Mapping) and all(
        np.ndim(v) == 0 or (isinstance(v, tuple | list) and len(v) == 2) for v in given.values()
    )


def grid_of(box: Mapping[str, Any], law: Law) -> dict[str, np.ndarray]:
    """Every combination of values within a box: 31 of two of N, D, C (6 N D) and D_per_N, evenly in logs; of further
    variables of the law 9 within a range, or the one given.

    Raises:
        InputError: the box does not say all of the law's variables, or a range is none.
    """
    known = {v.name: v for v in law.variables}
    sizes = [name for name in box if name in _IN_LOGS]
    further = [name for name in known if name not in ("N", "D")]
    if not {"N", "D"} <= known.keys() or len(sizes) != 2 or set(box) - set(sizes) != set(further):
        more = f" and {', '.join(further)}" if further else ""
        raise InputError(
            f"a box gives ranges of two of {', '.join(_IN_LOGS)}{more}, such as "
            "{'C': (1e18, 1e21), 'D_per_N': (5, 100)} (--box C=1e18..1e21,D_per_N=5..100); got "
            f"{', '.join(map(quoted, box)) or 'nothing'}"
        )
    axes = [_axis(name, box[name], _FINE, True) for name in sizes]
    axes += [_axis(name, box[name], _COARSE, known[name].logged) for name in further]
    values = dict(zip((*sizes, *further), (a.ravel() for a in np.meshgrid(*axes, indexing="ij")), strict=True))
    known_logs = np.stack([np.log(values[name] / (6 if name == "C" else 1)) for name in sizes])
    n, d = np.linalg.solve([_IN_LOGS[name] for name in sizes], known_logs)
    return {"N": np.exp(n), "D": np.exp(d)} | {name: values[name] for name in further}


def _axis(name: str, given: Any, count: int, logged: bool) -> np.ndarray:
    ends = [given, given] if np.ndim(given) == 0 else list(given)
    try:
        low, high = (parse_number(x) if isinstance(x, str) else float(x) for x in ends)
    except (InputError, TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low <= high and (low > 0 or not logged)):
        raise InputError(f"box: {name} must be a range (low, high){' above 0' * logged}, got {quoted(given)}")
    if low == high:
        return np.array([low])
    return np.geomspace(low, high, count) if logged else np.linspace(low, high, count)
