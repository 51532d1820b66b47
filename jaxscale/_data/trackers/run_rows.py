"""What the runs of every tracker become: one row each, what was set as `config.x`, the last value of the rest."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from jaxscale._base.errors import InputError

_DEEPEST = 8  # levels of a config
_MOST_TEXT = 1000  # characters of a text; longer ones are prompts and programs


class TrackedRun(NamedTuple):
    """A run as its tracker knows it; what it does not know is None."""

    name: str | None
    id: str | None
    state: str | None
    created: Any  # when it began, in a form that sorts
    config: Mapping[str, Any]  # what was set, mappings inside mappings
    summary: Mapping[str, Any]  # the last value of each metric


def frame_of(runs: Iterable[TrackedRun], shown: str) -> pd.DataFrame:
    """One row for each run: `name`, `id`, `state`, `created`, `config.x`, and metrics by their own names.

    Numbers, texts and truth values are kept; a number that is none is the text NaN, so that it is not taken for
    missing. Raises InputError where there is no run.
    """
    rows = []
    for run in runs:
        row = {name: getattr(run, name) for name in ("name", "id", "state", "created")}
        row |= dict(_cells(run.config, "config"))
        row |= {f"summary.{name}" if name in row else name: cell for name, cell in _cells(run.summary, "")}
        rows.append(row)
    if not rows:
        raise InputError(f"there are no runs in {shown}")
    frame = pd.DataFrame(rows, dtype=object)
    return frame.drop(columns=[name for name in ("name", "id", "state", "created") if frame[name].isna().all()])


def _cells(values: Mapping[str, Any], above: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The names and values of what fits into a cell."""
    for name, value in values.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping):
            if depth < _DEEPEST and "_type" not in value:  # as pictures and histograms say what they are
                yield from _cells(value, path, depth + 1)
            continue
        value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
        if isinstance(value, float) and math.isnan(value):
            yield path, "NaN"
        elif isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _MOST_TEXT):
            yield path, value
