"""Sweeps: several settings (learning rates, batch sizes, ...) of one design, of which the best counts."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.columns import existing
from jaxscale._data.names import words_of
from jaxscale._data.wording import flag

SWEEP = "sweep"  # the code of what is noticed
_ALIKE = 0.01  # in logs: values that differ by less are one, such as tokens rounded to whole batches
_SETTINGS = re.compile(
    r"lr|learning rate|(peak|max|base) (lr|learning rate)|batch|batch size|(global )?batch (size|tokens)|bs|wd|"
    r"weight decay|warmup( (steps|tokens|frac|fraction|ratio))?|beta ?[12]|momentum|dropout|optimizer|schedule|init std"
)
_LEAST_SHARE = 0.5  # of the rows stand beside another setting of their design


def settings_among(columns: Sequence[str]) -> list[str]:
    """Columns that are named as settings are (learning rate, batch size, ...)."""
    return [name for name in columns if any(_SETTINGS.fullmatch(" ".join(part)) for part in words_of(name)[-1:])]


def settings_of(best_of: str | Sequence[str], columns: Sequence[str], used: Mapping[str, object]) -> tuple[str, ...]:
    """The columns that a sweep is over. Raises InputError for one that is not there or is a variable of the runs."""
    names = (best_of,) if isinstance(best_of, str) else tuple(best_of)
    if not names:
        raise InputError(f'best_of names the columns that a sweep is over: best_of=["lr"] ({flag("best_of")} lr)')
    for name in names:
        existing(list(columns), "best_of", name)
        taken = next((symbol for symbol, column in used.items() if column == name), None)
        if taken is not None:
            raise InputError(
                f"column {quoted(name)} is {inert(taken)}, which tells designs apart; best_of ({flag('best_of')}) "
                "takes columns of settings"
            )
    return names


def designs(variables: Mapping[str, np.ndarray]) -> np.ndarray:
    """A number for each row, the same for rows with the same values of all variables, (n_rows,)."""
    found = np.zeros(len(next(iter(variables.values()))), dtype=np.int64)
    for values in variables.values():
        for column in values.reshape(len(values), -1).T:
            measure = np.log(column) if bool(np.all(column > 0)) else column
            number = np.searchsorted(_firsts(np.unique(measure)), measure, side="right") - 1
            found = np.unique(found * (number.max() + 1) + number, return_inverse=True)[1]
    return found


def _firsts(rising: np.ndarray) -> np.ndarray:
    """The first of each group of alike values, from the lowest on."""
    first = np.flatnonzero(np.diff(rising, prepend=-np.inf) > _ALIKE)
    last = np.append(first[1:], len(rising)) - 1
    if np.all(rising[last] - rising[first] <= _ALIKE):  # as nearly always: no chain of values longer than a group
        return rising[first]
    starts = []
    while len(rising):
        starts.append(rising[0])
        rising = rising[np.searchsorted(rising, rising[0] + _ALIKE, side="right") :]
    return np.array(starts)


def lowest_of_each(design: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Positions of the row of each design whose response is lowest, as they stand; of equals the first."""
    order = np.lexsort((np.arange(len(response)), response, design))
    first = np.diff(design[order], prepend=-1) > 0
    return np.sort(order[first])


def _changes(column: pd.Series, runs: Sequence[str]) -> bool:
    """Whether cells change along the runs, as a schedule does."""
    return bool((column.astype(str).groupby(np.asarray(runs)).nunique() > 1).any())


def best_note(settings: Sequence[str], rows: int, kept: int) -> Reason:
    """What was done."""
    return Reason(
        SWEEP, "info", f"of {rows} rows the lowest of each of {kept} designs is taken, over {listed(list(settings))}"
    )


def sweep_note(
    frame: pd.DataFrame, unused: Sequence[str], variables: Mapping[str, np.ndarray], runs: Sequence[str] | None
) -> Iterator[Reason]:
    """Settings that vary while the variables stay, in most rows; not along `runs`, where rows are checkpoints."""
    settings = [name for name in settings_among(unused) if runs is None or not _changes(frame[name], runs)]
    if not settings:
        return
    design = designs(variables)
    counts = np.bincount(design)
    if np.mean(counts[design] > 1) < _LEAST_SHARE:
        return
    swept = [
        name for name in settings if (frame[name].astype(str).groupby(design).nunique() > 1).mean() >= _LEAST_SHARE
    ]
    if swept:
        names = ",".join(inert(name) for name in swept)
        yield Reason(
            SWEEP,
            "warning",
            f"{len(design)} rows are {len(counts)} designs, each with several settings of {listed(swept)}: all are in "
            f"one fit, and laws are of the best setting; best_of={swept!r} ({flag('best_of')} {names}) keeps the "
            "lowest of each",
        )
