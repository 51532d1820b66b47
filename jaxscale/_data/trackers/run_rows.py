"""What the runs of every tracker become: a row each, or one for each evaluation; what was set is `config.x`."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from jaxscale._base.errors import InputError

_DEEPEST = 8  # levels of a config
_MOST_TEXT = 1000  # characters of a text; longer ones are prompts and programs


Evaluated = Callable[[set[str]], set[str]]  # the metrics among some names of which each evaluation is a row


class TrackedRun(NamedTuple):
    """A run as its tracker knows it; what it does not know is None."""

    name: str | None
    id: str | None
    state: str | None
    created: Any  # when it began, in a form that sorts
    config: Mapping[str, Any]  # what was set, mappings inside mappings
    summary: Mapping[str, Any]  # the last value of each metric
    history: Iterable[Mapping[str, Any]] = ()  # what was logged at each `_step`, in their order, where it was asked for


def by_step(metrics: Mapping[str, Iterable[tuple[int, float]]]) -> list[dict[str, Any]]:
    """What was logged at each step, of metrics as pairs of step and value."""
    rows: dict[int, dict[str, Any]] = {}
    for name, values in metrics.items():
        for step, value in values:
            rows.setdefault(step, {"_step": step})[name] = value
    return [rows[step] for step in sorted(rows)]


def frame_of(runs: Iterable[TrackedRun], shown: str, evaluated: Evaluated | None = None) -> pd.DataFrame:
    """One row for each run: `name`, `id`, `state`, `created`, `config.x`, and metrics by their own names; of a run with
    a history one row for each evaluation of the metrics that `evaluated` chooses, with the last value of the rest.

    Numbers, texts and truth values are kept; a number that is none is the text NaN, so that it is not taken for
    missing. Raises InputError where there is no run.
    """
    rows = []
    for run in runs:
        row = {name: getattr(run, name) for name in ("name", "id", "state", "created")}
        row |= dict(_cells(run.config, "config"))
        for values in (_evaluations(run.history, evaluated) if evaluated else []) or [run.summary]:
            rows.append(row | {f"summary.{name}" if name in row else name: c for name, c in _cells(values, "")})
    if not rows:
        raise InputError(f"there are no runs in {shown}")
    frame = pd.DataFrame(rows, dtype=object)
    return frame.drop(columns=[name for name in ("name", "id", "state", "created") if frame[name].isna().all()])


def _evaluations(history: Iterable[Mapping[str, Any]], evaluated: Evaluated) -> list[dict[str, Any]]:
    """The state of all metrics at each entry that has one of those evaluated."""
    entries = [{name: value for name, value in entry.items() if value is not None} for entry in history]
    losses = evaluated({name for entry in entries for name in entry})
    rows: list[dict[str, Any]] = []
    state: dict[str, Any] = {}
    for entry in entries:
        state |= entry
        if losses & entry.keys():
            rows.append({name: value for name, value in state.items() if name in entry or name not in losses})
    return rows


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
