"""Rows picked by a comparison, "COLUMN OP VALUE": the filters of a table, and hold-outs."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import parse_number, quoted
from jaxscale._data.cells import MISSING, is_missing, read_numbers
from jaxscale._data.columns import existing
from jaxscale._data.decimals import POINT, table_marks

_COMPARISONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
}


def passing(frame: pd.DataFrame, filters: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    """Mask of the rows for which every comparison holds."""
    keep = np.ones(len(frame), dtype=bool)
    for text in filters:
        keep &= holds(frame, text, rows)
        if not keep.any():
            raise InputError(f"no row is left by the filter {' and '.join(map(quoted, filters))}")
    return keep


def filtered_columns(frame: pd.DataFrame, filters: tuple[str, ...]) -> frozenset[str]:
    """The columns that comparisons are of."""
    return frozenset(_comparison(text, list(frame.columns), "filter")[0] for text in filters)


def holds(frame: pd.DataFrame, text: str, rows: np.ndarray, what: str = "filter") -> np.ndarray:
    """Where "COL OP VALUE" holds. A missing cell equals only "", and is neither above nor below anything.

    `rows` are the numbers of the rows, and `what` is what the comparison is for, both for messages.
    """
    column, operator, value = _comparison(text, list(frame.columns), what)
    operand, literal = None, _unquoted(value)
    values, is_text = read_numbers(frame[column], table_marks(frame).get(column, POINT))
    if literal == value:
        literal = "" if value.lower() in MISSING else value
        try:
            operand = parse_number(value)
        except InputError:
            if not is_text.any():
                operand = {"true": 1.0, "false": 0.0}.get(value.lower())
    if operand is not None:
        if is_text.any() and operator not in ("==", "!="):
            i = int(np.argmax(is_text))
            raise InputError(
                f"{what} {quoted(text)}: {operator} needs numbers, but column {quoted(column)} holds "
                f"{quoted(frame[column].iloc[i])} in row {rows[i]}; text compares with == and != only"
            )
        return _COMPARISONS[operator](values, operand)
    if operator not in ("==", "!="):
        raise InputError(f"{what} {quoted(text)}: {operator} needs a number on the right, not {quoted(value)}")
    if literal == value and not is_text.any():
        raise InputError(f"{what} {quoted(text)}: column {quoted(column)} holds numbers, and {quoted(value)} is none")
    equal = np.array(["" if is_missing(cell) else str(cell).strip() for cell in frame[column]], dtype=object) == literal
    return equal if operator == "==" else ~equal


def _comparison(text: str, columns: list[str], what: str) -> tuple[str, str, str]:
    """Column, operator and value of "COL OP VALUE"; the first operator with a column on its left counts."""
    found = list(re.finditer("|".join(_COMPARISONS), text))
    for match in found:
        left, value = text[: match.start()].strip(), text[match.end() :].strip()
        for column in (left, _unquoted(left)):
            if column in columns and value:
                return column, match[0], value
    if not found or not text[: found[0].start()].strip() or not text[found[0].end() :].strip():
        raise InputError(f"{what} {quoted(text)} must read COLUMN OP VALUE, with OP one of {' '.join(_COMPARISONS)}")
    existing(columns, f"{what} {quoted(text)}", _unquoted(text[: found[0].start()].strip()))
    raise InputError(f"{what} {quoted(text)} cannot be read")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`" else text
