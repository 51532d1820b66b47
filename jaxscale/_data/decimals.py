"""Which mark of a column is the decimal one: found from whole columns and the whole table, never from one cell."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._data.quantities import FACTOR_WORDS, split_error
from jaxscale._data.wording import spelt

SEPARATOR, MARKS = "jaxscale.separator", "jaxscale.marks"  # what `attrs` of a frame says of its file and its columns
POINT, COMMA = ".", ","
UNSETTLED = "?"  # a comma before three digits may be either mark; so may a point
SOME_COMMAS = "?,"  # points are decimal marks, but a comma before three digits may be either mark

# What cells show. A comma or a point before the last three digits, as in 3,144, can be either mark: OPEN_COMMA and
# OPEN_POINT. GROUPED beside a mark: the other one separates thousands for certain, as in 1,000,000.
_OPEN_COMMA, _OPEN_POINT, _GROUPED = "open comma", "open point", "grouped "
_CELL = re.compile(
    r"""[+−-]?(?P<digits>[0-9]*(?:[.,][0-9]+)+)
        (?P<exponent>[eE][+-]?[0-9]+|[ ]?[×x*·⋅][ ]?10[\^⁺⁻⁰¹²³⁴-⁹].*)?
        (?:\s?(?:bn|tn|[kmbgtq])|\s*(?:_FACTORS_)s?\.?)?\s*(?:%|tok|tokens?|params?|parameters?|flops?|nats?)?""".replace(
        "_FACTORS_", "|".join(FACTOR_WORDS)
    ),
    re.VERBOSE | re.IGNORECASE,
)
_SPACES = re.compile("(?<=[0-9])[ '’\u00a0\u2007\u2009\u202f](?=[0-9]{3})")
_SWAPPED = str.maketrans(".,", ",.")


def table_marks(frame: pd.DataFrame) -> Mapping[str, str]:
    """The decimal mark of each column whose cells do not plainly have points.

    COMMA, POINT (every comma could be either mark, and other columns have commas that separate thousands for certain),
    UNSETTLED or SOME_COMMAS. A column alone decides where it can; then the rest of the table; then semicolons between
    the cells of the file, which go with decimal commas. Points in other columns settle nothing: a program may write
    3.144 and a person 3,144 beside it. A frame that was cut out of another keeps the marks of the whole.
    """
    if isinstance(kept := frame.attrs.get(MARKS), Mapping):
        return kept
    if not any(_odd(cell) for name in frame.columns if not _typed(frame[name]) for cell in frame[name].tolist()):
        return {}
    signs = {name: _signs(frame[name].tolist()) for name in frame.columns if not _typed(frame[name])}
    marks = {name: mark for name, shown in signs.items() if (mark := _of_column(shown))}
    strong = {mark for mark in marks.values() if mark in (POINT, COMMA)}
    strong |= {POINT, COMMA} if SOME_COMMAS in marks.values() else set()
    semicolons = frame.attrs.get(SEPARATOR) == ";"
    some_points = any(shown == {_OPEN_POINT} for shown in signs.values())
    thousands = any(_GROUPED + POINT in shown for name, shown in signs.items() if marks.get(name) == POINT)
    settled = {name: mark for name, mark in marks.items() if mark != POINT}
    for name, shown in signs.items():
        if shown == {_OPEN_COMMA}:
            settled[name] = _of_open_commas(strong, semicolons, some_points, thousands)
        elif shown == {_OPEN_POINT} and COMMA in strong:
            settled[name] = UNSETTLED if POINT in strong else COMMA
    return settled


def _of_column(shown: set[str]) -> str:
    """The mark that the cells of one column settle, or "" where they do not."""
    marks = {sign.removeprefix(_GROUPED) for sign in shown} & {POINT, COMMA}
    if marks == {COMMA}:
        return SOME_COMMAS if _OPEN_POINT in shown and _GROUPED + COMMA not in shown else COMMA
    if marks == {POINT}:
        return SOME_COMMAS if _OPEN_COMMA in shown and _GROUPED + POINT not in shown else POINT
    return SOME_COMMAS if marks or {_OPEN_COMMA, _OPEN_POINT} <= shown else ""


def _of_open_commas(strong: set[str], semicolons: bool, some_points: bool, thousands: bool) -> str:
    """The mark of a column in which every comma could be either, by what else there is."""
    commas = strong == {COMMA} or (semicolons and not strong and not some_points)
    return COMMA if commas else POINT if thousands and strong == {POINT} and not semicolons else UNSETTLED


def _signs(cells: Iterable[Any]) -> set[str]:
    """What the cells of a column show of its decimal mark."""
    cells = list(cells)
    texts = {cell for cell in cells if isinstance(cell, str)}
    signs = {sign for cell in texts for part in split_error(cell) if (sign := _sign(part))}
    if signs and any(isinstance(cell, (int, float)) and cell == cell for cell in cells):
        signs.add(POINT)  # whoever made numbers of these left the others as they are
    return signs


def _sign(text: str) -> str:
    """What one number shows: a mark, with or without _GROUPED, an open one, or nothing."""
    match = _CELL.fullmatch(_SPACES.sub("", text.strip()))
    if match is None:
        return ""
    head, *groups = re.split("[.,]", match["digits"])
    marks = [c for c in match["digits"] if c in ".,"]
    other = {POINT: COMMA, COMMA: POINT}
    starts = 1 <= len(head) <= 3 and head[0] != "0"
    if len(marks) == 1:
        if starts and len(groups[0]) == 3 and not match["exponent"]:
            return _OPEN_COMMA if marks == [COMMA] else _OPEN_POINT
        return marks[0]
    last = other[marks[0]]  # the decimal mark, where there is one
    thousands = groups[:-1] if marks[-1] == last else groups
    if starts and len(head) < 3 and set(marks[: len(thousands)]) == {COMMA} and _of_india(thousands):
        return _GROUPED + POINT
    if not starts or set(marks[:-1]) != {marks[0]} or any(len(group) != 3 for group in thousands):
        return ""
    return _GROUPED + last


def _of_india(groups: list[str]) -> bool:
    """Whether these are the groups of 12,34,567 behind the first."""
    return len(groups) > 1 and [len(group) for group in groups] == [2] * (len(groups) - 1) + [3]


def is_open(text: str, mark: str) -> bool:
    """Whether a cell may be read in two ways, in a column with this mark."""
    open_ones = {UNSETTLED: {_OPEN_COMMA, _OPEN_POINT}, SOME_COMMAS: {_OPEN_COMMA}}.get(mark, set())
    return bool(open_ones) and bool(open_ones & {_sign(part) for part in split_error(text)})


def with_points(text: str) -> str:
    """A cell with decimal commas, its marks exchanged."""
    return text.translate(_SWAPPED)


def both_ways(text: str) -> str:
    """What is wrong with a cell that may be read in two ways, and how to mend it."""
    mark, name = (",", "comma") if "," in text else (".", "point")
    decimal, whole = text.strip()[:30].replace(mark, "."), text.strip()[:30].replace(mark, "")
    return (
        f"whose {name} may be a decimal mark or separate thousands: write {decimal} or {whole}, in the whole column, "
        f"or say which mark is decimal: {spelt('decimal', ',')} or {spelt('decimal', '.')}"
    )


def marks_as_asked(frame: pd.DataFrame, decimal: str | None) -> Mapping[str, str]:
    """The marks of the columns where the caller says which mark is the decimal one, else those that are found."""
    if decimal is None:
        return table_marks(frame)
    if decimal not in (POINT, COMMA):
        raise InputError(f"decimal must be '.' or ',' (--decimal), not {quoted(decimal)}")
    return {name: decimal for name in frame.columns if not _typed(frame[name])}


def _odd(cell: Any) -> bool:
    return isinstance(cell, str) and ("," in cell or cell.count(".") > 1)


def _typed(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype)
