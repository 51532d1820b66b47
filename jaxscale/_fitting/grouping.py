"""The groups of a table, a mapping or an iterator: their names, rows and order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, plural, quoted
from jaxscale._data.columns import nearest
from jaxscale._data.decimals import MARKS, table_marks
from jaxscale._data.runs import Runs
from jaxscale._data.tables import read_frame
from jaxscale._fitting.fits import GroupValue, group_name


class Group(NamedTuple):
    """One group of a table: what it is called, its runs or rows, their numbers in the whole table, and its values in
    the columns that it is of, where they are several."""

    name: str
    rows: Any
    numbers: np.ndarray | None = None
    values: tuple[GroupValue, ...] = ()


def columns_of_groups(by: str | Sequence[str]) -> str | tuple[str, ...]:
    """The column that groups are of, or the several."""
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise InputError(f"by takes a column, or several that differ (by=['corpus', 'optimizer']), got {by!r}")
    return names[0] if len(names) == 1 else names


def groups_in(
    data: Any, by: str | tuple[str, ...], options: Mapping[str, Any] | None = None
) -> list[Group] | Iterator[Group]:
    """Every group, in the order of their first row; `options` are those of reading a table."""
    if isinstance(data, Mapping) and all(isinstance(v, Runs) or hasattr(v, "columns") for v in data.values()):
        return list(distinct(given_group(key, rows, by) for key, rows in data.items()))
    if isinstance(data, Iterator):
        return distinct(given_group(key, rows, by) for key, rows in data)
    frame = read_frame(data, None, options)
    for name in (by,) if isinstance(by, str) else by:
        if name not in frame.columns:
            there = ", ".join(inert(c) for c in frame.columns)
            close = nearest(str(name), list(frame.columns))
            meant = f"did you mean {' or '.join(map(quoted, close))}? " if close else ""
            raise InputError(f"there is no column {quoted(name)} to group by; {meant}the table has {there}")
    frame = frame.reset_index(drop=True)
    frame.attrs[MARKS] = table_marks(frame)  # groups are read alike
    column = by if isinstance(by, str) else list(by)
    parts = frame.groupby(column, sort=False, dropna=False, observed=True)
    return list(distinct(given_group(key, rows, by, rows.index.to_numpy() + 1) for key, rows in parts))


def distinct(groups: Iterable[Group]) -> Iterator[Group]:
    """The groups, as long as no two have one name: a result is found by it, and 1 and "1" are one name."""
    names = set()
    for group in groups:
        if group.name in names:
            raise InputError(f"two groups are called {quoted(group.name)}; give each a name of its own, also as text")
        names.add(group.name)
        yield group


def given_group(key: Any, rows: Any, by: str | tuple[str, ...], numbers: np.ndarray | None = None) -> Group:
    """A group by what it is called in a mapping or a table."""
    if isinstance(by, str):
        return Group(str(key), rows, numbers)
    if not isinstance(key, tuple) or len(key) != len(by):
        raise InputError(
            f"group {quoted(key)} needs a tuple of {plural(len(by), 'value')}, one for each of by={list(by)}"
        )
    return Group(group_name(key), rows, numbers, tuple(map(plain_value, key)))


def plain_value(value: Any) -> GroupValue:
    """A cell as a file can hold it."""
    if pd.isna(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    kept = isinstance(value, str | int) or (isinstance(value, float) and np.isfinite(value))
    return value if kept else str(value)
