"""Rows of a table that sum up others, as totals and means below the runs of a sheet do: they are no runs."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.text import inert, quoted, some
from jaxscale._base.verdict import Reason
from jaxscale._data.candidates import Look
from jaxscale._data.wording import flag

SUMMARY_ROWS = "summary_rows"  # the code of what is done
_OF_WORDS: dict[str, Callable[[np.ndarray], float]] = {
    "total totals sum subtotal grandtotal overall summe gesamt somme": np.sum,
    "mean average avg mittel mittelwert durchschnitt moyenne promedio": np.mean,
    "median mediane": np.median,
    "min minimum": np.min,
    "max maximum": np.max,
    "std stdev stddev sd": lambda x: float(np.std(x, ddof=1)) if len(x) > 1 else np.nan,
}
_STATISTICS = {word: statistic for words, statistic in _OF_WORDS.items() for word in words.split()}
_MOST = 0.25  # of the rows may sum up the others
_OFF = 0.01  # that written short
# Numbers that must tell, of a row with all of a run: pooling may be called "mean", and one loss be near that of all.
_FEWEST_TOLD = 2
_AT_AN_END = 12  # rows above and below the runs that may be summaries


class Summaries(NamedTuple):
    """Which rows are of runs, (n_rows,), and what is said of the others."""

    keep: np.ndarray
    notes: tuple[Reason, ...] = ()


def without_summaries(
    frame: pd.DataFrame,
    rows: np.ndarray,
    columns: Mapping[str, str | tuple[str, ...]],
    look: Look,
    filtered: Collection[str],
) -> Summaries:
    """The rows that are of runs: those whose label is `mean`, `Total`, ... and whose numbers are so are none.

    `columns` are those of the symbols, `look` gives the numbers of a column; a label in a column that the caller
    filters by is as the caller wants it.
    """
    keep = np.ones(len(frame), dtype=bool)
    used = {name for c in columns.values() for name in ((c,) if isinstance(c, str) else c)}
    labels: dict[int, tuple[str, str]] = {}
    for name in frame.columns:
        if (name in used and name != columns.get("run")) or name in filtered:
            continue
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            for i in _ends(len(frame)):
                cell = frame[name].iloc[i]
                if isinstance(cell, str) and _letters(cell) in _STATISTICS:
                    labels.setdefault(i, (str(name), cell.strip()))
    if not labels or len(labels) > _MOST * len(frame):
        return Summaries(keep)
    others = np.delete(np.arange(len(frame)), list(labels))
    numbers = {symbol: look(c)[0] for symbol, c in columns.items() if isinstance(c, str) and symbol != "run"}
    found = {}
    for i, (name, cell) in labels.items():
        said = list(_agreement(_STATISTICS[_letters(cell)], i, others, numbers))
        may_be_a_run = len(said) == len(numbers) and sum(tells for _, tells in said) < _FEWEST_TOLD
        if said and all(agrees for agrees, _ in said) and not may_be_a_run:
            found[i] = (name, cell)
    keep[list(found)] = False
    return Summaries(keep, (_note(found, rows),) if found else ())


def _letters(cell: str) -> str:
    return re.sub(r"[^a-z]", "", cell.lower())


def _ends(count: int) -> list[int]:
    """Positions of the first and of the last rows."""
    return sorted({*range(min(count, _AT_AN_END)), *range(max(0, count - _AT_AN_END), count)})


def _agreement(
    statistic: Callable[[np.ndarray], float], i: int, others: np.ndarray, numbers: Mapping[str, np.ndarray]
) -> Iterator[tuple[bool, bool]]:
    """Whether each number of a row is that statistic of the other rows, and whether that tells anything, as it does not
    where all of these are alike; a cell that holds none says nothing."""
    for values in numbers.values():
        rest = values[others]
        rest = rest[np.isfinite(rest)]
        if np.isfinite(values[i]) and len(rest):
            with np.errstate(all="ignore"):
                wanted = statistic(rest)
                off = _OFF * abs(wanted)
                yield bool(abs(values[i] - wanted) <= off), bool(np.any(np.abs(rest - wanted) > off))


def _note(found: Mapping[int, tuple[str, str]], rows: np.ndarray) -> Reason:
    name, cell = next(iter(found.values()))
    where = [int(rows[i]) for i in found]
    several = len(where) > 1
    return Reason(
        SUMMARY_ROWS,
        "warning",
        f"row{'s' * several} {some(where)} {'sum' if several else 'sums'} up the others ({quoted(name)} is "
        f"{quoted(cell)}) and {'are' if several else 'is'} left out; "
        f"{flag('where')} \"{inert(name)} != ''\" keeps {'them' if several else 'it'}",
        tuple(where),
    )
