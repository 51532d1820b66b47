"""Columns of words, with no part in the runs, whose few values may each deserve a fit of their own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxscale._base.text import quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.cells import is_missing, read_numbers
from jaxscale._data.wording import valued_flag

POSSIBLE_GROUPS = "possible_groups"  # the code of what is noticed
_FEWEST_IN_GROUP, _MOST_GROUPS = 5, 20


@dataclass(frozen=True, eq=False)
class Groups:
    """The values of such a column, and which one each row has: `codes[row]` is its place in `values`, -1 for none."""

    values: tuple[str, ...]
    codes: np.ndarray


def groups_in(frame: pd.DataFrame, unused: Sequence[str], rows: np.ndarray) -> dict[str, Groups]:
    """By column, for rows of these numbers."""
    found = {}
    for name in unused:
        cells = frame[name]
        if pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
            continue
        try:
            values = [value for value in cells.unique() if not is_missing(value)]
        except TypeError:  # cells that are lists
            continue
        if not 2 <= len(values) <= min(_MOST_GROUPS, len(cells) // _FEWEST_IN_GROUP):
            continue
        if all(isinstance(value, str) for value in values) and read_numbers(pd.Series(values, dtype=object))[1].all():
            places = {value: k for k, value in enumerate(values)}
            codes = np.full(int(rows.max()) + 1, -1)
            codes[rows] = [places.get(value, -1) if isinstance(value, str) else -1 for value in cells]
            found[name] = Groups(tuple(values), codes)
    return found


def group_notes(groups: Mapping[str, Groups]) -> Iterator[Reason]:
    """That they are there: an "info", as they matter only where a fit cannot be trusted."""
    for name, group in groups.items():
        yield Reason(
            POSSIBLE_GROUPS,
            "info",
            f"column {quoted(name)} has {len(group.values)} values, all in one fit; one fit per group: "
            f"fit_many(..., by={quoted(name)}) ({valued_flag('by', quoted(name))})",
        )
