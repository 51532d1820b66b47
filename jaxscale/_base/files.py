"""Plain JSON: what is written is finite and says its format, and what is read is checked, part by part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.plain_data import json_text
from jaxscale._base.text import inert, quoted, write_atomic
from jaxscale._base.version import __version__

# What a file holds, by the first entry in it. A schema of each lies in `schemas`, called by the word in the middle.
FIT_FORMAT, FITS_FORMAT, DRAWS_FORMAT = "jaxscale.fit/1", "jaxscale.fits/1", "jaxscale.draws/1"
PLAN_FORMAT, WHAT_IF_FORMAT = "jaxscale.plan/1", "jaxscale.what_if/1"
COMPARE_FORMAT, CARD_FORMAT = "jaxscale.compare/1", "jaxscale.card/1"
SKILLS_FORMAT = "jaxscale.skills/1"
RECIPE_FORMAT = "jaxscale.recipe/1"
BIAS_FORMAT = "jaxscale.bias/1"
MULTIPLIER_FORMAT = "jaxscale.multiplier/1"
REPORT_FORMAT = "jaxscale.report/1"
FORECAST_FORMAT, SCORE_FORMAT = "jaxscale.forecast/1", "jaxscale.score/1"
WATCH_FORMAT = "jaxscale.watch/1"
NEXT_RUNS_FORMAT = "jaxscale.next_runs/1"
PROFILE_FORMAT, INFLUENCE_FORMAT = "jaxscale.profile/1", "jaxscale.influence/1"
MULTIVERSE_FORMAT, APPROACHES_FORMAT = "jaxscale.multiverse/1", "jaxscale.approaches/1"
ISOFLOP_FORMAT, ENVELOPE_FORMAT = "jaxscale.isoflop/1", "jaxscale.envelope/1"
MODELS_FORMAT = "jaxscale.models/1"
T = TypeVar("T")


class Saved:
    """A record that has a file."""

    _format: ClassVar[str]

    def _document(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """The record's parts as plain data, with its format and who wrote it; numbers that are not finite are None."""
        return finite({"format": self._format, "jaxscale_version": __version__, **parts})

    def to_dict(self) -> dict[str, Any]:
        """The record as plain dicts, lists, numbers and text."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the record as JSON, see `to_dict`; the file is there whole, or not at all.

        Raises:
            InputError: the file cannot be written there.
        """
        write_atomic(path, json_text(self.to_dict()) + "\n")


def finite(value: Any) -> Any:
    """The same plain data with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def typed(value: Any, kind: type[T]) -> T:
    """The value, which must be of that kind; true and false are no integers."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{quoted(value)} where {kind.__name__} is expected")
    return value


def list_of(values: Any, kind: type[T]) -> list[T]:
    """A list whose entries are all of that kind."""
    return [typed(value, kind) for value in typed(values, list)]


def rows_of_numbers(name: str, values: Any) -> list[Any]:
    """A list of numbers, or of lists of numbers, finite or not; `name` is what the error calls it."""
    for row in typed(values, list):
        for value in row if isinstance(row, list) else [row]:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"{quoted(name)} holds {quoted(value)}, not a number")
    return values


def number(value: Any, missing: float | None = None) -> float:
    """A finite number; None is `missing`, where that is given."""
    if value is None and missing is not None:
        return missing
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(float(value)):
        raise InputError(f"expected a finite number, found {inert(value, 60)}")
    return float(value)


def number_or_none(value: Any) -> float | None:
    return None if value is None else number(value)


def level(value: Any) -> float:
    share = number(value)
    if not 0 < share < 1:
        raise InputError(f"a level lies between 0 and 1, found {share!r}")
    return share


def numbers(data: Mapping[str, Any]) -> dict[str, float]:
    return {str(k): number(v) for k, v in data.items()}


def matrix(data: Any, columns: int) -> np.ndarray:
    return np.array([[number(x) for x in row] for row in data], np.float64).reshape(-1, columns)


def pairs(data: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {str(k): (number(low), number(high)) for k, (low, high) in data.items()}


def interval(low: Any, high: Any) -> tuple[float, float]:
    """An interval, of which an end that is missing is open."""
    return number(low, float("-inf")), number(high, float("inf"))
