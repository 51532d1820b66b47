"""Plain JSON: what is written is finite, and what is read is checked, part by part."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, write_atomic


def save(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write a file; it is there whole, or not at all. A number that is not finite is an error: `finite` leaves none."""
    write_atomic(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


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
