"""Records, tables and arrays as what JSON holds. Loads nothing heavy."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

_NOT_WRITTEN = ("draws", "theta", "frame")  # of every resample or refit; what `rows` has
_FOLLOW = ("verdict", "interval")  # what a record says of its fields


def plain_data(value: Any) -> Any:
    """Plain data; numbers that are not finite are None, laws and the like their names."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain_data(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain_data(one) for one in value]
    if hasattr(value, "columns"):  # a data frame
        named = any(name is not None for name in value.index.names)
        return plain_data((value.reset_index() if named else value).to_dict("records"))
    if hasattr(value, "tolist"):  # an array, or a number of one
        return plain_data(value.tolist())
    if hasattr(value, "to_dict"):  # a record with a file
        return value.to_dict()
    return str(getattr(value, "name", "")) if callable(value) else fields_of(value)


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a record, and what it says of them, by their names in Python."""
    names = [field.name for field in fields(record) if field.name not in _NOT_WRITTEN]
    found = {name: getattr(record, name) for name in (*names, *_FOLLOW) if hasattr(record, name)}
    return {name: plain_data(one) for name, one in found.items() if not callable(one) or hasattr(one, "name")}


def json_text(data: Any) -> str:
    """The text of plain data."""
    return json.dumps(data, indent=1, allow_nan=False)
