"""Numbered sets of runs of whatever is given, read in bounded memory."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.text import PATH_LIMIT, quoted
from jaxscale._cluster.sets_in_csv import SetsInCsv
from jaxscale._cluster.sets_in_memory import SetsInMemory
from jaxscale._cluster.sets_in_parquet import SetsInParquet
from jaxscale._cluster.sets_on_disk import SetsOnDisk
from jaxscale._fitting.grouping import Group

_LARGE_CSV = 64 * 2**20  # bytes; a smaller one is read whole, whatever its layout


class NumberedSets(Protocol):
    """Sets of runs, numbered from 0 in an order that the source states."""

    @property
    def sha256(self) -> str:
        """Of names and rows."""
        ...

    def __len__(self) -> int:
        """How many sets."""
        ...

    def read(self, numbers: range) -> Iterator[Group]:
        """The sets of these numbers."""
        ...

    def close(self) -> None:
        """Done with it."""
        ...


def numbered_sets(data: Any, by: str | tuple[str, ...]) -> NumberedSets:
    """The sets in a Parquet file or a folder of such, in a CSV file, in any table that `read_runs` takes, in a mapping
    of names to tables, or in an iterable of such pairs; in the order of their first row.

    Raises:
        InputError: nothing to be read, or no column `by`.
    """
    if isinstance(data, (str, os.PathLike)):
        path = expanded(data)
        if path.is_dir():
            if not any(path.rglob("*.parquet")):
                raise InputError(f"folder {quoted(path, PATH_LIMIT)} holds no .parquet files; name a folder that does")
            return SetsInParquet(path, by)
        if path.suffix.lower() in (".parquet", ".pq") and path.is_file():
            return SetsInParquet(path, by)
        if path.suffix.lower() in (".csv", ".tsv") and path.is_file() and path.stat().st_size > _LARGE_CSV:
            return SetsInCsv(path, by)
        return SetsInMemory(data, by)
    pairs = isinstance(data, Iterable) and not isinstance(data, Mapping) and not hasattr(data, "columns")
    return SetsOnDisk(data, by) if pairs and not hasattr(data, "read") else SetsInMemory(data, by)
