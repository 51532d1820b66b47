"""Names of columns from the first rows of a table: one row, several with merged cells, a row of units, titles above."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import listed, parse_number, plural, quoted, some
from jaxscale._data.quantities import parse_quantity

LOOKED_AT = 8  # rows in which a header is looked for
_MOST_ROWS = 4
_UNIT = re.compile(
    r"""[(\[]?\s*(?:%|[kmbgt]|thousands?|millions?|billions?|trillions?|m(?:io|ln|rd|d)\.?|bn|[kmgtpezy]?flops?|pf-?days?|tokens?|params?|
        parameters?|nats?|bits?|bytes?|(?:nats?|bits?)\s?(?:/|per)\s?(?:tokens?|bytes?|char(?:acter)?s?)|steps?|h|hours?|
        (?:[kmbgt]|thousands?|millions?|billions?|trillions?|bn)\s+(?:of\s+)?(?:tokens?|params?|parameters?|flops?|images?)|
        [x×]?\s*(?:1e[0-9]+|10\^[0-9]+)(?:\s+(?:tokens?|params?|parameters?|flops?))?|ppl|
        gpu[ -]?h(?:ours?)?|s|secs?|seconds?|days?|\$|usd)\s*[)\]]?""",
    re.VERBOSE | re.IGNORECASE,
)
_EMPTY = frozenset(["", "-", "–", "—"])
_NO_NAMES = frozenset(["nan", "na", "n/a", "null", "none", "inf"])  # of a row that holds no number because a run failed


@dataclass(frozen=True)
class Header:
    """The names of the columns, how many rows they and titles above them take, and what is said of it."""

    names: list[str]
    rows: int
    said: str = ""


def header_in(records: Sequence[Sequence[str]], shown: str) -> Header:
    """The header that the first records of a table begin with, without trailing columns that have no name; a name may
    be there twice, see `without_copies`.

    Several rows are one header where the first has gaps or repeats names, as merged cells leave them, the rows below it
    hold no number, and together they name every column (`Model/params`); or where the second row holds units alone.
    Raises InputError.
    """
    top = titles = 0
    while below := [i for i in range(top + 1, len(records) - 1) if used(records[i])]:
        if not _is_title(records[top], records[below[0]]):
            break
        top, titles = below[0], titles + 1
    said = [f"{plural(titles, 'title line')} above the header"] if titles else []
    rest = [[cell.strip() for cell in record] for record in records[top:]]
    names, rows = rest[0], 1
    if _is_pivot(rest):
        names, rows = [f"{rest[0][0]} \\ {rest[0][1]}", *rest[1][1:]], 2
    elif (joined := _several(rest)) is not None:
        names, rows = joined
        said.append(f"{rows} header rows")
    elif _is_units(rest):
        units = [unit.strip("()[] ") for unit in rest[1]] + [""] * len(names)
        names = [f"{name} ({unit})" if unit not in _EMPTY else name for name, unit in zip(names, units, strict=False)]
        rows = 2
        said.append("a row of units below the header")
    return Header(_checked(names, shown), top + rows, ", ".join(said))


def _checked(names: list[str], shown: str) -> list[str]:
    names = names[: max(used(names), 1)]
    empty = [i + 1 for i, name in enumerate(names) if not name and i]
    if empty or names == [""]:
        several = len(empty) > 1
        raise InputError(
            f"{shown}: column{'s' * several} {some(empty or [1])} of the header {'have' if several else 'has'} no name"
        )
    if all(map(is_number, names)):
        raise InputError(
            f"{shown}: the first line holds numbers ({listed(names, 3)}); it must name the columns: put a line with "
            "their names above it, such as params,tokens,loss"
        )
    return names


def _several(records: list[list[str]]) -> tuple[list[str], int] | None:
    """The names that the first records give together, and how many those are; None where the first has them all."""
    first = records[0]
    width = max((used(record) for record in records), default=0)
    complete = "" not in first[1 : used(first)] and used(first) >= width and len(set(first)) == len(first)
    if complete or any(map(_holds_number, first)):
        return None
    tops = [_filled(first, width)]
    for rows in range(2, min(_MOST_ROWS, len(records) - 1) + 1):
        bottom = records[rows - 1]
        below = records[rows]
        if any(map(_holds_number, bottom)) or not any(bottom) or _NO_NAMES.intersection(map(str.lower, bottom)):
            return None
        bottom = bottom + [""] * (width - len(bottom))
        own = [any(i < len(record) and record[i] for record in records[:rows]) for i in range(width)]
        parts = [[top[i] for top in tops] + [bottom[i]] if own[i] else [] for i in range(width)]
        names = ["/".join(dict.fromkeys(part for part in of_column if part)) for of_column in parts]
        whole = all(names[1 : used(names)]) and len(set(names)) == len(names) and used(names) >= used(below)
        if whole and any(map(_holds_number, below)):
            return names, rows
        tops.append(_filled(bottom, width))
    return None


def _filled(record: list[str], width: int) -> list[str]:
    """The cells of a row, blank ones filled from the left, as merged cells are meant."""
    filled, last = [], ""
    for i in range(width):
        last = (record[i] if i < len(record) else "") or last
        filled.append(last)
    return filled


def _is_title(record: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a row has one cell, the first, and names more than one column below it."""
    alone = used(record) == 1 and not is_number(record[0])
    return alone and sum(1 for cell in below if cell.strip()) > 1 and not any(map(_holds_number, below))


def _is_pivot(records: list[list[str]]) -> bool:
    """Whether the first row names what is down and what is across, and the second has the numbers across."""
    if len(records) < 3 or used(records[0]) != 2 or not records[0][0]:
        return False
    first, *across = records[1][: used(records[1])] or [""]
    return not first and len(across) > 1 and all(map(_holds_number, across))


def _is_units(records: list[list[str]]) -> bool:
    """Whether the second of some rows holds units and nothing else, at least two, and numbers follow."""
    if len(records) < 3 or not any(map(_holds_number, records[2])):
        return False
    units = [cell for cell in records[1] if cell not in _EMPTY]
    return len(units) > 1 and len(records[1]) <= len(records[0]) and all(map(_UNIT.fullmatch, units))


def _holds_number(cell: str) -> bool:
    """Whether a cell holds a number in any of the ways that cells do, with a decimal comma too."""
    for text in (cell, cell.replace(",", ".")):
        try:
            parse_quantity(text)
        except InputError:
            continue
        return True
    return False


def used(cells: Sequence[Any]) -> int:
    """How many cells there are up to the last that is not blank."""
    return max((i + 1 for i, cell in enumerate(cells) if str(cell).strip()), default=0)


def unique(names: Sequence[str], shown: str) -> None:
    """Raises InputError where two columns have one name."""
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InputError(f"{shown} has more than one column called {listed(repeated)}; give each its own name")


def without_copies(frame: pd.DataFrame, shown: str) -> tuple[pd.DataFrame, str]:
    """The table with one column of each name, and what is said of those left out: copies of another, cell by cell.

    Raises InputError where two of one name differ.
    """
    names = list(frame.columns)
    if len(set(names)) == len(names):
        return frame, ""
    first: dict[str, int] = {}
    copies = []
    for i, name in enumerate(names):
        if name not in first:
            first[name] = i
            continue
        cells, others = ([str(cell).strip() for cell in frame.iloc[:, k]] for k in (first[name], i))
        odd = next((row for row, pair in enumerate(zip(cells, others, strict=True), 1) if pair[0] != pair[1]), None)
        if odd is not None:
            raise InputError(
                f"{shown} has more than one column called {quoted(name)}, and they differ: columns {first[name] + 1} "
                f"and {i + 1} hold {quoted(cells[odd - 1])} and {quoted(others[odd - 1])} in row {odd}; give each its "
                "own name in the header, or leave one out"
            )
        copies.append(name)
    said = f"a second column called {listed(copies)}, with the same cells, left out"
    return frame.iloc[:, sorted(first.values())], said


def is_number(text: str) -> bool:
    """Whether a cell is a number as `parse_number` reads it."""
    try:
        parse_number(text)
    except InputError:
        return False
    return True
