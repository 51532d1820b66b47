"""Rows that are pieces of one run, which was resumed: those with one ID, or a name such as `a-resume` beside `a`."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.text import plural, quoted
from jaxscale._data.candidates import Look
from jaxscale._data.cells import is_missing
from jaxscale._data.checkpoints import SAME_SIZE, STEP, reads

_NAME = re.compile(r"(wandb|mlflow|tags|run|display|full|experiment|exp|job|trial)*name")
_ID = re.compile(r"(wandb|mlflow|run|job|trial)*(id|uuid|uid)")
_CREATED = re.compile(r"(run)*(created(at)?|starttime|started(at)?|timestamp)")
_MARK = r"(?:resum(?:e[ds]?|ing)|restart(?:ed)?|continued?|cont)"
_GOES_ON = re.compile(
    rf"{_MARK}[-_. ]+(?:(?:of|from)[-_. ]+)?(?P<tail>.+)|"
    rf"(?P<head>.+?)[-_./: ]+[(\[]?{_MARK}(?:[-_. ]*(?:(?:from|at)[-_. ]*)?(?:(?:step|ckpt|it)[-_. ]*)?\d+k?)?[)\]]?",
    re.IGNORECASE,
)

_LONGEST = 200  # characters of a name that is looked at
_FEWEST_OF_A_LOG = 3  # rows of one name, where no ID says that they are runs of their own


class Pieces(NamedTuple):
    """Which rows are of one resumed run."""

    names: list[str]  # of the run of every row, to be shown
    column: str | None  # that they come from
    groups: dict[str, list[int]]  # positions of the pieces of each resumed run, from its start to its end
    falls: frozenset[str]  # runs whose last piece has seen fewer tokens than an earlier one
    unsure: tuple[str, ...]  # what could not be told


def pieces_of(
    frame: pd.DataFrame,
    unused: Sequence[str],
    columns: Mapping[str, str | tuple[str, ...]],
    look: Look,
    run: str | None = None,
) -> Pieces:
    """The pieces of resumed runs in a table; `run` is the column that the caller says names the run of each row.

    A name that goes on another belongs to it where that stands once and the sizes are equal; what goes on one of
    several is left alone, and said.
    """
    count = len(frame)
    named, by_id = _best(unused, _NAME), _best(unused, _ID)
    shown = run or named or by_id
    names = [""] * count if shown is None else _labels(frame[shown])
    keys = [""] * count if (run or by_id) is None else _labels(frame[run or by_id])
    sizes, progress = (_numbers(columns.get(symbol), look, count) for symbol in ("N", "D"))
    groups: dict[str, list[int]] = {}
    unsure: list[str] = []
    of_a_log = not any(keys) and np.median([len(rows) for rows in _grouped(names).values()] or [0]) >= _FEWEST_OF_A_LOG
    for base, members in _grouped([_base(name) for name in names]).items():
        first = [i for i in members if names[i] == base]
        if len(first) == len(members) or not _alike(sizes[members]):
            continue
        if len({keys[i] or str(i) for i in first}) > 1 and not of_a_log:
            later = next(names[i] for i in members if names[i] != base)
            unsure.append(f"{quoted(later)} goes on one of {plural(len(first), 'run')} called {quoted(base)}")
        elif len(members) > 1:
            groups[base] = members
    taken = {i for members in groups.values() for i in members}
    for key, members in _grouped(keys).items():
        if len(members) > 1 and not taken.intersection(members) and _alike(sizes[members]):
            name = names[members[0]]
            groups[key if name in groups or not name else name] = members
    if not np.isfinite(progress).any():
        progress = _numbers(columns.get("C"), look, count)
    created, step = _times(frame, unused), _numbers(_best(list(frame.columns), STEP), look, count)
    rank = np.argsort(np.lexsort((np.arange(count), created, _filled(step), _filled(progress))))
    groups = {name: sorted(members, key=rank.__getitem__) for name, members in groups.items()}
    falls = (name for name, members in groups.items() if _falls(progress[members], created[members]))
    return Pieces(names, shown, groups, frozenset(falls), tuple(unsure))


def _base(name: str) -> str:
    """The name without the mark that it goes on another, once or several times."""
    while match := _GOES_ON.fullmatch(name[:_LONGEST]):
        name = match["tail"] or match["head"]
    return name


def _best(names: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    """The first of the names of a pattern with the fewest parts, so that `Name` is before `config.model.name`."""
    return min(
        (name for name in names if reads(pattern, name)), key=lambda name: len(re.split("[/.]", name)), default=None
    )


def _labels(cells: pd.Series) -> list[str]:
    return ["" if is_missing(cell) else str(cell).strip() for cell in cells.tolist()]


def _grouped(labels: Sequence[str]) -> dict[str, list[int]]:
    """Positions by label; a row without one is in no group."""
    groups: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        if label:
            groups.setdefault(label, []).append(i)
    return groups


def _numbers(column: str | tuple[str, ...] | None, look: Look, count: int) -> np.ndarray:
    return look(column)[0] if isinstance(column, str) else np.full(count, np.nan)


def _times(frame: pd.DataFrame, unused: Sequence[str]) -> np.ndarray:
    """When each row was created, in any unit; nan where that is not known."""
    column = _best(unused, _CREATED)
    if column is None:
        return np.full(len(frame), np.nan)
    cells = frame[column]
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isfinite(numbers).any():
        return numbers
    times = pd.to_datetime(cells.astype(str), errors="coerce", utc=True, format="mixed")
    return np.array([time.timestamp() if time is not pd.NaT else np.nan for time in times.tolist()])


def _alike(sizes: np.ndarray) -> bool:
    there = sizes[np.isfinite(sizes) & (sizes > 0)]
    return not len(there) or float(np.ptp(np.log(there))) <= SAME_SIZE


def _falls(progress: np.ndarray, created: np.ndarray) -> bool:
    """Whether the piece that was created last, of one each, has seen fewer tokens than another."""
    if not np.isfinite(created).all() or len(np.unique(created)) < len(created):
        return False
    last = progress[np.argmax(created)]
    return bool(np.isfinite(last) and last < np.nanmax(progress))


def _filled(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf)
