"""Sets of a table, or of a mapping of tables, that are in memory."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from jaxscale._data.runs import Runs
from jaxscale._data.tables import as_frame
from jaxscale._fitting.grouping import Group, groups_in


class SetsInMemory:
    """Groups as `fit_many` takes them apart, in the order of their first row."""

    def __init__(self, data: Any, by: str | tuple[str, ...]):
        self._groups = list(groups_in(data, by))

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def sha256(self) -> str:
        """Of the names and the rows."""
        whole = hashlib.sha256()
        for group in self._groups:
            whole.update(digest_of(group).encode())
        return whole.hexdigest()

    def read(self, numbers: range) -> Iterator[Group]:
        """The sets of these numbers."""
        yield from self._groups[numbers.start : numbers.stop]

    def close(self) -> None:
        """Nothing is open."""


def digest_of(group: Group) -> str:
    """SHA-256 of a set: its name, and its rows whatever their kind."""
    told = hashlib.sha256(json.dumps([group.name, list(group.values)], default=str).encode())
    if isinstance(group.rows, Runs):
        told.update(group.rows.sha256.encode())
        return told.hexdigest()
    frame = as_frame(group.rows)
    told.update(json.dumps([[str(name), str(kind)] for name, kind in frame.dtypes.items()]).encode())
    try:
        hashes = pd.util.hash_pandas_object(frame, index=False)
    except TypeError:  # cells of several kinds
        hashes = pd.util.hash_pandas_object(frame.astype(str), index=False)
    told.update(hashes.to_numpy().tobytes())
    return told.hexdigest()
