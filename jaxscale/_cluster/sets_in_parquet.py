"""Sets of a Parquet data set, read some at a time: one pass over the columns that name them, then an index."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.text import PATH_LIMIT, inert, quoted
from jaxscale._data.decimals import MARKS, table_marks
from jaxscale._fitting.grouping import Group, distinct, given_group

_ROWS_AT_ONCE = 2**16  # of a file
_ROWS_IN_WINDOW = 2**19  # of sets that are read together


def parquet_tools() -> Any:
    """pyarrow with what reads and writes Parquet. MissingExtraError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.dataset
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("sets in Parquet and files of fits need pyarrow: pip install 'jaxscale[io]'") from None
    return pyarrow


class _Piece(NamedTuple):
    """A row group: its file, its number there, its first row in the whole, and what its partition says."""

    path: Path
    number: int
    first: int
    partition: dict[str, Any]


class SetsInParquet:
    """Sets of a file, or of all files in a folder in the order of their paths, hive partitions (`corpus=c4/`) being
    columns. A set is numbered by its first row, whatever the row groups; rows of a set need not lie together. Memory:
    the names, and a number for each row where sets do not lie together; `_ROWS_IN_WINDOW` rows at a time.
    """

    def __init__(self, path: Path, by: str | tuple[str, ...]):
        self._by, self._columns_of_sets = by, [by] if isinstance(by, str) else list(by)
        self._shown = quoted(path, PATH_LIMIT)
        self._pieces: list[_Piece] = []
        self._marks: Any = None
        told = hashlib.sha256()
        try:
            self._open(path, told)
            keys, owner = self._index()
        except (parquet_tools().ArrowException, OSError) as error:
            raise InputError(f"{self._shown} cannot be read as Parquet: {inert(error, 100)}") from None
        self._keys = keys
        # Rows in the order of their sets, and where each set begins among them.
        together = bool((np.diff(owner) >= 0).all())
        self._order = None if together else np.argsort(owner, kind="stable")
        self._begins = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(keys)))])
        for group, first in zip(distinct(given_group(key, None, by) for key in keys), self._begins, strict=False):
            told.update(f"{group.name}\0{first}\n".encode())
        self.sha256 = told.hexdigest()

    def _open(self, path: Path, told: Any) -> None:
        """The row groups of all files, whose footers and sizes go into the hash."""
        pa = parquet_tools()
        found = pa.dataset.dataset(str(path), format="parquet", partitioning="hive")
        root, rows = path if path.is_dir() else path.parent, 0
        columns: list[str] | None = None
        for fragment in sorted(found.get_fragments(), key=lambda f: f.path):
            file = Path(fragment.path)
            partition = pa.dataset.get_partition_keys(fragment.partition_expression)
            footer = pa.parquet.read_metadata(file)
            names = footer.schema.to_arrow_schema().names
            if columns is not None and set(names) != set(columns):
                odd = sorted(set(names) ^ set(columns))[0]
                raise InputError(f"{self._shown}: files have different columns; {quoted(odd)} is not in all of them")
            columns = columns or names
            said = [str(file.relative_to(root)), file.stat().st_size, rows, _statistics(footer)]
            told.update(json.dumps(said, default=str).encode())
            for k in range(footer.num_row_groups):
                self._pieces.append(_Piece(file, k, rows, partition))
                rows += footer.row_group(k).num_rows
        there = [*(columns or ()), *(self._pieces[0].partition if self._pieces else ())]
        for name in self._columns_of_sets:
            if name not in there:
                raise InputError(
                    f"there is no column {quoted(name)} to group by; the table has {', '.join(map(inert, there))}"
                )
        if not rows:
            raise InputError(f"{self._shown} has no rows")
        self._rows = rows

    def _index(self) -> tuple[list[Any], np.ndarray]:
        """What each set is called, in the order of their first rows, and the set of each row."""
        number: dict[Any, int] = {}
        owner = np.empty(self._rows, np.int32)
        for first, frame in self._batches(self._pieces, self._columns_of_sets):
            codes = frame.groupby(self._columns_of_sets, sort=False, dropna=False, observed=True).ngroup().to_numpy()
            _, where = np.unique(codes, return_index=True)
            keys = frame.iloc[where][self._columns_of_sets].itertuples(index=False, name=None)
            sets = np.array([number.setdefault(_key(row), len(number)) for row in keys], np.int32)
            owner[first : first + len(codes)] = sets[codes]
        named = [tuple(np.nan if value is None else value for value in key) for key in number]
        return [key[0] if isinstance(self._by, str) else key for key in named], owner

    def _batches(
        self, pieces: Sequence[_Piece], columns: list[str] | None = None
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """The first row and the rows of each batch of some row groups."""
        pa = parquet_tools()
        path, file = None, None
        for piece in pieces:
            if file is None or piece.path != path:
                path, file = piece.path, pa.parquet.ParquetFile(piece.path)
            stored = None if columns is None else [name for name in columns if name not in piece.partition]
            first = piece.first
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[piece.number], columns=stored):
                # Without its metadata, so that a column which was a pandas index stays one; whole numbers stay so even
                # where some are missing.
                table = pa.Table.from_batches([batch])
                frame = table.to_pandas(ignore_metadata=True, types_mapper=_whole if columns else None)
                yield first, frame.assign(**piece.partition)
                first += batch.num_rows

    def __len__(self) -> int:
        return len(self._keys)

    def read(self, numbers: range) -> Iterator[Group]:
        """The sets of these numbers."""
        first = numbers.start
        while first < numbers.stop:
            last = int(np.searchsorted(self._begins, self._begins[first] + _ROWS_IN_WINDOW, side="right")) - 1
            last = min(max(last, first + 1), numbers.stop)
            yield from self._window(first, last)
            first = last

    def _window(self, first: int, last: int) -> Iterator[Group]:
        """Sets whose rows are read together, each row group once."""
        begin, end = self._begins[first], self._begins[last]
        rows = np.arange(begin, end) if self._order is None else self._order[begin:end]
        wanted = np.sort(rows)
        starts = np.array([piece.first for piece in self._pieces])
        touched = np.unique(np.searchsorted(starts, wanted, side="right") - 1)
        frames = []
        for at, frame in self._batches([self._pieces[k] for k in touched]):
            low, high = np.searchsorted(wanted, [at, at + len(frame)])
            if low < high:
                frames.append(frame.iloc[wanted[low:high] - at])
        whole = pd.concat(frames, ignore_index=True)
        if self._order is not None:
            whole = whole.iloc[np.searchsorted(wanted, rows)].reset_index(drop=True)
        for k in range(first, last):
            part = slice(self._begins[k] - begin, self._begins[k + 1] - begin)
            frame = whole.iloc[part]
            frame.attrs[MARKS] = self._decimal_marks()  # of the whole it would be copied into every part, deeply
            yield given_group(self._keys[k], frame, self._by, rows[part] + 1)

    def _decimal_marks(self) -> Any:
        """The decimal marks of columns of text, by the first rows: all sets are read alike."""
        if self._marks is None:
            self._marks = table_marks(next(self._batches(self._pieces))[1])
        return self._marks

    def close(self) -> None:
        """Files are open only while they are read."""


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a set is called; missing is one value, so that it is found again."""
    return tuple(None if pd.isna(value) else value for value in row)


def _whole(kind: Any) -> Any:
    pa = parquet_tools()
    return pd.Int64Dtype() if pa.types.is_integer(kind) else None


def _statistics(footer: Any) -> list[Any]:
    """What the footer of a file says of its contents."""
    return [
        [footer.schema.names, footer.num_rows],
        *(
            [column.total_compressed_size, column.statistics.to_dict() if column.statistics else None]
            for group in map(footer.row_group, range(footer.num_row_groups))
            for column in map(group.column, range(group.num_columns))
        ),
    ]
