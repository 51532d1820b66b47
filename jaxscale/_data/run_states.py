"""How the runs of a tracker ended: what its states say, in every tracker's words, and losses that show a divergence."""

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.text import format_number, inert, quoted
from jaxscale._data.cells import is_missing
from jaxscale._data.checkpoints import reads
from jaxscale._data.wording import flag

_STATE = re.compile(r"(wandb|mlflow|sys|run|job|trial|training|train|final|exit|end)*(state|status)")
_WELL = re.compile(r"(is|has|run|was|did|training)*(finished|completed|succeeded)")
_BADLY = re.compile(r"(sys|is|has|run|was|did|training)*(crashed|failed|diverged|killed|preempted|aborted|unfinished)")
_FINISHED_WORDS = """
    finished finish complete completed success succeeded successful done ok published closed inactive terminated
"""  # the last is Ray's word for a trial that came to its end
_UNFINISHED_WORDS = """
    running crashed crash failed failure fail killed kill error errored canceled cancelled cancelledby preempted
    preempting aborted abort interrupted stopped timeout timedout oom outofmemory nodefail pending queued scheduled
    waiting created inprogress active paused suspended resuming starting started initializing submitted unfinished
    incomplete diverged pruned lost dead nan
"""
_FINISHED, _UNFINISHED = frozenset(_FINISHED_WORDS.split()), frozenset(_UNFINISHED_WORDS.split())
_TRUE, _FALSE = frozenset(["true", "yes", "1", "1.0"]), frozenset(["false", "no", "0", "0.0"])
_CHANCE, _FAR = 15.0, 5.0  # nats: above the loss by chance of any vocabulary; and so many times the median of the runs


class States(NamedTuple):
    """The column that says how each run ended, and in words why a run does not count, "" where it does."""

    column: str
    unfinished: list[str]


def states_in(frame: pd.DataFrame, unused: Collection[str]) -> list[States]:
    """Every column of states among those without another part: by its name, and by cells most of which are states."""
    found = []
    for name in unused:
        if not any(reads(pattern, name) for pattern in (_STATE, _WELL, _BADLY)):
            continue
        cells = ["" if is_missing(cell) else str(cell).strip().lower() for cell in frame[name].tolist()]
        said = sum(map(bool, cells))
        if reads(_STATE, name):
            words = [_letters(cell) for cell in cells]
            if 2 * sum(word in _FINISHED or word in _UNFINISHED for word in words) > said > 0:
                shown = [
                    inert(cell, 30) if word in _UNFINISHED else "" for cell, word in zip(cells, words, strict=True)
                ]
                found.append(States(name, shown))
        elif said and {cell for cell in cells if cell} <= _TRUE | _FALSE:
            if reads(_WELL, name):
                found.append(States(name, [f"has not {_last(name)}" if cell in _FALSE else "" for cell in cells]))
            elif reads(_BADLY, name):
                found.append(States(name, [_last(name) if cell in _TRUE else "" for cell in cells]))
    return found


def bad_losses(
    cells: pd.Series, values: np.ndarray, to_nats: Callable[[np.ndarray], np.ndarray] | None
) -> Iterator[tuple[int, str, bool]]:
    """Position of each loss that is no number or absurd, what is wrong, and whether the cell is just empty.

    `values` are the numbers of the cells, and `to_nats` makes losses of them; without it no number is absurd.
    """
    name = quoted(cells.name)
    with np.errstate(all="ignore"):  # what is no loss is refused later
        nats = np.full(len(values), np.nan) if to_nats is None else to_nats(values)
    finite = nats[np.isfinite(nats)]
    bound = max(_CHANCE, _FAR * float(np.median(finite))) if len(finite) else np.inf
    for i, cell in enumerate(cells.tolist()):
        if np.isinf(values[i]):
            yield i, f"has an infinite {name}", False
        elif is_missing(cell):
            is_nan = isinstance(cell, str) and cell.strip().lower() == "nan"
            yield i, f"has {name} NaN" if is_nan else f"has no {name}", not is_nan
        elif np.isfinite(nats[i]) and nats[i] > bound:
            keep = f'{flag("where")} "{inert(cells.name)} > 0" keeps it'
            yield i, f"has {name} {format_number(values[i], suffixes=False)}, far above the others ({keep})", False


def _letters(cell: str) -> str:
    """A state in letters alone, without the name of its kind (`JOB_STATE_SUCCEEDED`, `TrialState.COMPLETE`)."""
    return re.sub(r"[^a-z]", "", cell.split(".")[-1].removeprefix("job_state_"))


def _last(name: str) -> str:
    return re.split(r"[/._ ]", name)[-1].lower()
