"""Cells become numbers: what each chosen column of a table holds, and what is wrong with cells that hold none."""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import ACCEPTED_NUMBERS, inert, plural, quoted, some
from jaxscale._data.columns import FIRST, Chosen
from jaxscale._data.decimals import COMMA, POINT, both_ways, is_open, with_points
from jaxscale._data.loss_units import LossUnit, in_per_cent
from jaxscale._data.quantities import UNITS, parse_quantity
from jaxscale._data.wording import flag, spelt

DOMAINS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "positive": ("not above 0", lambda v: v > 0),
    "real": ("not finite", np.isfinite),
    "unit": ("not between 0 and 1", lambda v: (v >= 0) & (v <= 1)),
    "count": ("below 0", lambda v: v >= 0),
}
MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "nil", "none", "missing", "-", "--", "?"])


class DroppedRow(NamedTuple):
    """A row left out because of a bad cell: its number, the column and what was wrong."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class Cells:
    """What the chosen columns hold, (n_rows,) each, without the rows that were dropped."""

    values: dict[str, np.ndarray]
    rows: np.ndarray
    clusters: tuple[str, ...] | None
    conventions: dict[str, str]
    dropped: tuple[DroppedRow, ...]
    left_out: frozenset[str]  # recognised columns that nobody asked for and that have bad cells
    said: dict[str, str]  # how cells of a symbol were read, where that is not plain
    units: dict[str, str]  # the unit that cells of a symbol name


def read_cells(
    frame: pd.DataFrame,
    rows: np.ndarray,
    chosen: Chosen,
    domains: Mapping[str, str],
    *,
    drop: bool,
    marks: Mapping[str, str] = MappingProxyType({}),
    loss_unit: LossUnit | None = None,
) -> Cells:
    """Numbers out of the chosen columns, and every bad cell of all of them in one error or in the record.

    `marks` are the decimal marks of the columns that do not plainly have points; the loss stays in its unit.
    """
    values: dict[str, np.ndarray] = {}
    conventions: dict[str, str] = {}
    dropped: dict[int, DroppedRow] = {}
    problems: list[str] = []
    said: dict[str, str] = {}
    units: dict[str, str] = {}
    labels: list[str] | None = None
    for symbol, source in chosen.columns.items():
        domain = "count" if symbol == "weights" else domains.get(symbol, "positive")
        if symbol == chosen.response:
            domain = domains.get("response", domain)
        expected = DOMAINS[domain]
        share, in_unit = domain == "unit", False
        if symbol == "loss" and loss_unit is not None and loss_unit.inside is not None:
            expected, share, in_unit = loss_unit.inside, loss_unit.share, True
        spare = symbol in chosen.guessed and (symbol == "U" or (symbol == "C" and {"N", "D"} <= chosen.columns.keys()))
        parts = []
        for name in (source,) if isinstance(source, str) else source:
            if symbol == "run":
                labels = ["" if is_missing(cell) else str(cell).strip() for cell in frame[name]]
                faults = {i: "missing" for i, label in enumerate(labels) if not label}
            else:
                mark = marks.get(name, "")
                read = read_column(frame[name], mark or POINT)
                hundredths = share and _in_per_cent(name, read, median=symbol == "loss" and in_unit)
                if hundredths:
                    read = _divided(read)
                if read.units:
                    units.setdefault(symbol, next(iter(read.units.values())))
                hundredths |= share and bool(read.percent)
                faults = _faults(read, expected, share, symbol == "loss", symbol == chosen.response) | _of_another_unit(
                    read.units, symbol
                )
                faults = dict(sorted(faults.items()))
                parts.append(read.values)
                if text := _said(read, hundredths, mark, frame[name]):
                    said[symbol] = text
            if not faults:
                continue
            first = next(iter(faults))
            problem = (
                f"column {quoted(name)} ({inert(symbol)}): {len(faults)} of {plural(len(frame), 'cell')} "
                "cannot be used, "
                f"row{'s' * (len(faults) > 1)} {some([int(rows[i]) for i in faults])}; "
                f"row {rows[first]} holds {quoted(frame[name].iloc[first])}, {faults[first]}"
            )
            if spare:
                conventions[symbol] = f"{problem}: left out"
                continue
            if (
                symbol == chosen.response
                and domain == "positive"
                and not in_unit
                and _negative(parts, symbol == "loss")
            ):
                problem += f". Scores that may be negative: {_EITHER_SIGN}"
            problems.append(problem)
            for i, reason in faults.items():
                dropped.setdefault(i, DroppedRow(int(rows[i]), name, reason))
        if parts and symbol not in conventions:
            values[symbol] = parts[0] if isinstance(source, str) else np.stack(parts, axis=1)
    if problems and not drop:
        raise InputError(
            "\n".join(problems) + "\nRows count from 1 below the header, and numbers read like "
            f"{ACCEPTED_NUMBERS}. Mend the cells, filter the rows out (where=, {flag('where')}), or have them dropped "
            f"and counted: {spelt('on_bad', 'drop')}"
        )
    keep = np.ones(len(frame), dtype=bool)
    keep[list(dropped)] = False
    if not keep.any():
        raise InputError("\n".join(problems) + "\nEvery row has a bad cell, so that none is left")
    return Cells(
        values={symbol: array[keep] for symbol, array in values.items()},
        rows=rows[keep],
        clusters=None if labels is None else tuple(np.array(labels, dtype=object)[keep]),
        conventions=conventions,
        dropped=tuple(dropped[i] for i in sorted(dropped)),
        left_out=frozenset(conventions),
        said={symbol: text for symbol, text in said.items() if symbol not in conventions},
        units=units,
    )


_EITHER_SIGN = (
    'domains={"response": "real"} (--response-domain real), with a law of either sign such as '
    "--law log_law (laws.log_law)"
)


class ReadColumn(NamedTuple):
    """What one column holds: float64 values, nan where there is none, and what its cells of text say."""

    values: np.ndarray
    is_text: np.ndarray  # mask of the cells that hold something else than a number
    faults: dict[int, str]  # what is wrong with some of those
    units: dict[int, str]  # the unit that a cell names
    percent: list[int]  # cells in per cent, as they stand
    errors: int  # cells with a measurement error after the number


def read_column(cells: Any, mark: str = POINT) -> ReadColumn:
    """The numbers of a column whose decimal mark is `mark`."""
    is_text = np.zeros(len(cells), dtype=bool)
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_complex_dtype(cells.dtype):
        return ReadColumn(cells.to_numpy(dtype=np.float64, na_value=np.nan), is_text, {}, {}, [], 0)
    values = np.full(len(cells), np.nan)
    read = ReadColumn(values, is_text, {}, {}, [], 0)
    errors = 0
    for i, cell in enumerate(cells.tolist()):
        if mark != POINT and isinstance(cell, str) and ("," in cell or "." in cell):
            if is_open(cell, mark):
                is_text[i], read.faults[i] = True, both_ways(cell)
                continue
            cell = with_points(cell) if mark == COMMA else cell
            if "," in cell:  # float() takes no commas, and what is left of them separates thousands
                errors += _read_text(cell, i, read)
                continue
        try:
            values[i] = float(cell) if isinstance(cell, (str, numbers.Real, Decimal)) else math.nan
            is_text[i] = values[i] != values[i] and not is_missing(cell)
        except OverflowError:
            values[i] = math.inf
        except ValueError:
            if not is_missing(cell):
                errors += _read_text(str(cell), i, read)
    return read._replace(errors=errors)


def _read_text(text: str, i: int, read: ReadColumn) -> bool:
    """Enters cell `i` into what was read; whether it has a measurement error."""
    try:
        quantity = parse_quantity(text)
    except InputError:
        read.is_text[i] = True
        return False
    read.values[i] = quantity.value
    if quantity.unit:
        read.units[i] = quantity.unit
    if quantity.percent:
        read.percent.append(i)
    return quantity.has_error


def read_numbers(cells: Any, mark: str = POINT) -> tuple[np.ndarray, np.ndarray]:
    """float64 values of a column, nan where there is none, and a mask of the cells that hold something else."""
    read = read_column(cells, mark)
    if read.percent:  # whether shares of one or of a hundred are compared with is not known
        read.is_text[read.percent], read.values[read.percent] = True, np.nan
    return read.values, read.is_text


def is_missing(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and cell != cell)


def _negative(parts: list[np.ndarray], is_loss: bool) -> bool:
    """Whether cells are numbers below 0, of a loss several, as one may be a slip."""
    return any(int((values < 0).sum()) > is_loss for values in parts)


def _in_per_cent(name: str, read: ReadColumn, median: bool) -> bool:
    """Whether cells of a share without a sign are in per cent: by the header, or with `median` as most are above 1."""
    plain = np.delete(read.values, read.percent)
    plain = plain[np.isfinite(plain)]
    return bool(len(plain)) and (in_per_cent(name) or (median and not read.percent and 1 < np.median(plain) <= 100))


def _divided(read: ReadColumn) -> ReadColumn:
    """Cells without a per cent sign divided by 100."""
    plain = np.ones(len(read.values), dtype=bool)
    plain[read.percent] = False
    return read._replace(values=np.where(plain, read.values / 100.0, read.values))


def _faults(
    read: ReadColumn,
    expected: tuple[str, Callable[[np.ndarray], np.ndarray]],
    share: bool,
    is_loss: bool,
    is_response: bool,
) -> dict[int, str]:
    """Position of each cell outside of what is expected: what is wrong with it. Per cent become shares of one."""
    words, inside = expected
    values = read.values
    faults = {}
    if read.percent and share:
        values[read.percent] /= 100.0
    else:
        units = ', or say domains={"response": "unit"} (--response-domain unit)' if is_response else ""
        if is_loss:
            units = f", or say {spelt('loss_unit', 'error')} or {spelt('loss_unit', 'accuracy')}"
        faults = {
            i: f"in per cent, and no share is meant here: write {values[i] / 100.0:.6g}{units}" for i in read.percent
        }
    for i in map(int, np.flatnonzero(~(np.isfinite(values) & inside(values)))):
        value = values[i]
        faults.setdefault(
            i,
            read.faults.get(i, "not a number")
            if read.is_text[i]
            else "missing"
            if math.isnan(value)
            else "not finite"
            if math.isinf(value)
            else words,
        )
    return faults


def _of_another_unit(units: Mapping[int, str], symbol: str) -> dict[int, str]:
    """Cells that name another unit than the symbol has, or than the first cell that names one."""
    expected = UNITS.get(symbol) or next(iter(units.values()), "")
    return {i: f"which is in {unit}, not in {expected}" for i, unit in units.items() if unit != expected}


def _said(read: ReadColumn, hundredths: bool, mark: str, cells: pd.Series) -> str:
    """How the cells of a column were read, where that is not plain."""
    said = []
    if mark in (COMMA, POINT):
        marks = {c for cell in cells.tolist() if isinstance(cell, str) for c in ".," if c in cell}
        roles = ((",", "commas are decimal marks"), (".", "points separate thousands"))
        roles = roles if mark == COMMA else ((",", "commas separate thousands"),)
        said = [role for c, role in roles if c in marks]
    if hundredths:
        said.append("per cent, divided by 100")
    if read.errors:
        said.append(
            f"the error after \u00b1 is left to loss_se= (--loss-se) of this column ({plural(read.errors, 'cell')})"
        )
    return ", ".join(said)


def complete(values: Mapping[str, np.ndarray], refused: set[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The variables with N, D, C, U first, and N or D from C = 6 N D where the other two are there; and which relation
    was used, by symbol."""
    completed, conventions = dict(values), {}
    have = {symbol for symbol in ("N", "D", "C") if symbol in values and values[symbol].ndim == 1}
    if have == {"N", "D"} and "C" not in values:
        conventions["C"] = "6 N D"
    for missing, other in (("D", "N"), ("N", "D")):
        if have == {"C", other} and missing not in refused:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # what is not finite is refused later
                completed[missing] = values["C"] / values[other] / 6.0
            conventions[missing] = f"C / (6 {other})"
    first = {symbol: completed[symbol] for symbol in FIRST if symbol in completed}
    return first | completed, conventions
