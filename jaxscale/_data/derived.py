"""Columns that a caller writes as a formula of others are added to the table, with what was computed of what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, quoted
from jaxscale._data.cells import read_column
from jaxscale._data.decimals import POINT
from jaxscale._data.formulas import Formula, looks_like_one, parse
from jaxscale._data.model_names import sizes_in
from jaxscale._data.names import meaning_of
from jaxscale._data.unit_words import trailing_unit


@dataclass(frozen=True)
class ComputedColumns:
    """A table with the columns that formulas give, and of which columns each of those is computed."""

    frame: pd.DataFrame
    sources: dict[str, tuple[str, ...]]  # formula: columns in it

    def said(self, symbol_of: Mapping[str, Any]) -> dict[str, str]:
        """What is said of the symbols whose column is computed."""
        said = {}
        for symbol, column in symbol_of.items():
            for name in (column,) if isinstance(column, str) else column:
                if name in self.sources:
                    units = [one for one in self.sources[name] if _has_unit(one)]
                    as_they_are = f" with the cells of {listed(units)} as they are" if units else ""
                    said[symbol] = f"computed{as_they_are}"
        return said


def derive(frame: pd.DataFrame, given: Sequence[Any], rows: np.ndarray, marks: Mapping[str, str]) -> ComputedColumns:
    """The table with a column for each of `given` that is no column but a formula of some. Cells that give no number
    hold text which says why. Raises InputError."""
    columns = list(frame.columns)
    names = [name for one in given for name in (one if isinstance(one, list | tuple) else (one,))]
    formulas = [
        parse(text, columns)
        for text in dict.fromkeys(name for name in names if isinstance(name, str))
        if text not in columns and looks_like_one(text, columns)
    ]
    if not formulas:
        return ComputedColumns(frame, {})
    added = frame.assign(**{one.text: _cells(one, frame, rows, marks) for one in formulas})
    added.attrs = frame.attrs
    return ComputedColumns(added, {one.text: one.columns for one in formulas})


def _cells(formula: Formula, frame: pd.DataFrame, rows: np.ndarray, marks: Mapping[str, str]) -> Any:
    """The cells of a column that is computed: numbers, and text that says why there is none."""
    values: dict[str, np.ndarray] = {}
    for name in formula.sized:
        values[name], missing = sizes_in(frame[name])
        if missing.any():
            i = int(np.flatnonzero(missing)[0])
            raise InputError(
                f"the formula {quoted(formula.text)}: row {rows[i]} of column {quoted(name)} holds "
                f"{quoted(frame[name].iloc[i])}, which says no size, or several; filter such rows out (where=, --where)"
            )
    for name in formula.columns:
        if name in formula.sized:
            continue
        read = read_column(frame[name], marks.get(name, "") or POINT)
        for i, fault in read.faults.items():
            raise InputError(
                f"the formula {quoted(formula.text)}: row {rows[i]} of column {quoted(name)} holds "
                f"{quoted(frame[name].iloc[i])}, {fault}"
            )
        values[name] = read.values.copy()
        values[name][read.percent] /= 100.0
    result = np.broadcast_to(formula.of(values), (len(frame),))
    bad = np.flatnonzero(~np.isfinite(result))
    if not len(bad):
        return result.copy()
    cells: list[Any] = result.tolist()
    for i in bad:
        odd = [name for name in formula.columns if not np.isfinite(values[name][i])]
        cells[i] = "no number, " + ", ".join(
            f"{name} = {inert(frame[name].iloc[i], 30)}" for name in odd or formula.columns
        )
    return pd.Series(cells, index=frame.index, dtype=object)


def _has_unit(column: str) -> bool:
    meaning = meaning_of(column)
    return (meaning.factor if meaning is not None else trailing_unit(column)) is not None
