"""Tables in: the bytes of a file, or any table in memory, become a data frame; nothing in it is interpreted here."""

import csv
import difflib
import gzip
import io
import json
import os
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.folders import expanded
from jaxscale._base.text import PATH_LIMIT, inert, plural, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.decimals import MARKS, SEPARATOR, table_marks
from jaxscale._data.encodings import as_utf8
from jaxscale._data.headers import LOOKED_AT, header_in, unique, used, without_copies
from jaxscale._data.json_tables import rows_in
from jaxscale._data.names import losses_among
from jaxscale._data.separators import (
    LAYOUT,
    SPACES,
    WIDE_SPACES,
    TableLayout,
    cells_between,
    layout_of,
    row_of,
    unframed,
    without_drawn_rules,
)
from jaxscale._data.trackers.addresses import is_address, read_address
from jaxscale._data.wide import one_run_a_row
from jaxscale._data.workbooks import sheet_records

MAX_BYTES, MAX_JSON_BYTES = 1024**3, 256 * 1024**2  # JSON takes some twenty times its size while it is read
MAX_ROWS, MAX_CELLS = 20_000_000, 20_000_000  # a cell of text takes about 130 bytes
_STEPS = ("all", "best")  # `checkpoints` that need what a tracker logged at each step
_ROWS_AT_ONCE = 65_536
_ENOUGH_FOR_LAYOUT = 2**18

_KINDS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".jsonl": "lines", ".ndjson": "lines"}
_KINDS |= {".parquet": "parquet", ".pq": "parquet"}


def read_frame(
    source: Any, progress: Progress | bool | None = None, options: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """The table in a file, on standard input ("-"), in a file object or at an address; a frame passes through.

    CSV, TSV, JSON lines, JSON (rows or columns, at any level; logs of trainers), Excel workbooks (extra `xlsx`) and
    Parquet (extra `io`), each also gzipped, by the ending of the name or else by the content. Cells of text may be
    separated by commas, tabs, semicolons, pipes (Markdown tables too) or spaces, below titles, comment lines and
    several header rows, in UTF-8, UTF-16, cp1252 or what letters or `options` ("encoding") say. Charts that trackers
    save (`run - loss`) and pivots that say what they are become one row for each run and step. `attrs` says what was
    found. Cells stay as written: nothing is taken for a number or for missing here. A pandas index without a name (an
    empty first column name) may stay. At most 1 GiB (256 MiB of JSON), 20 million rows and 20 million cells, which
    takes some 3 GB while it is read.

    Addresses are of the runs of a tracker, one row each with `config.x`, the last value of each metric, name and
    state, or one for each evaluation where `options` for reading have `checkpoints` "all" or "best"; or of a table on
    the Hugging Face Hub. `read_runs` lists them, and progress(done, total, what) is called while they are read. Raises
    InputError, and MissingExtraError for Parquet without pyarrow and for addresses without their package.
    """
    asked = options or {}
    encoding = None if asked.get("encoding") is None else str(asked["encoding"])
    if isinstance(source, str) and is_address(source):
        shown = quoted(source, PATH_LIMIT)
        response = str(asked.get("loss") or asked.get("response") or "")
        evaluated = partial(losses_among, response) if asked.get("checkpoints") in _STEPS else None
        return read_address(
            source, lambda data, name: _table(data, _kind(Path(name)), shown, encoding), progress, evaluated
        )
    if isinstance(source, (str, os.PathLike)) and str(source) == "-":
        if sys.stdin.isatty():
            raise InputError("nothing is piped into standard input; give a file, or pipe a table in")
        return _table(
            _limited(getattr(sys.stdin, "buffer", sys.stdin), "standard input"), "", "standard input", encoding
        )
    if isinstance(source, (str, os.PathLike)):
        path, shown = expanded(source), f"file {quoted(source, PATH_LIMIT)}"
        try:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size > MAX_BYTES:  # before any of it is in memory
                    raise InputError(_too_large(shown))
                data = _limited(file, shown)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(_unreadable(path, error)) from None
        return _table(data, _kind(path), shown, encoding)
    if hasattr(source, "read"):
        return _table(_limited(source, "the file object"), "", "the file object", encoding)
    return as_frame(source)


def _kind(path: Path) -> str:
    """What the name of a file says that it holds, or nothing."""
    endings = [ending.lower() for ending in path.suffixes]
    return _KINDS.get(([ending for ending in endings if ending != ".gz"] or [""])[-1], "")


def _limited(file: Any, shown: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if isinstance(data, str):
        data = data.encode("utf-8", errors="surrogateescape")
    if len(data) > MAX_BYTES:
        raise InputError(_too_large(shown))
    return data


def _unreadable(path: Path, error: Exception) -> str:
    shown = quoted(path, PATH_LIMIT)
    try:
        if path.is_dir():
            return f"{shown} is a folder; give a file in it"
        if not path.parent.is_dir():
            return f"there is no file {shown}: its folder does not exist"
        if not path.exists():
            close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=3)
            close = [
                name for name in close if difflib.get_close_matches(Path(name).stem, [path.stem])
            ]  # not its ending
            return f"there is no file {shown}" + (f"; did you mean {' or '.join(map(quoted, close))}?" if close else "")
    except (OSError, ValueError):
        pass
    return f"file {shown} cannot be read: {inert(getattr(error, 'strerror', None) or error)}"


def _table(data: bytes, kind: str, shown: str, encoding: str | None = None) -> pd.DataFrame:
    """The table in some bytes; `kind` is what the name says, or empty."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = _limited(gzip.GzipFile(fileobj=io.BytesIO(data)), shown)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{shown} is broken gzip data: {inert(error, 100)}") from None
    if data[:4] == b"PAR1" or (kind == "parquet" and data):
        return _parquet(data, shown)
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(f"{shown} is an Excel workbook of the old kind (.xls); save it as .xlsx or the sheet as CSV")
    is_book = data[:2] == b"PK"
    frame, was = (_workbook(data, shown), "") if is_book else _of_text(data, kind, shown, encoding)
    layout = frame.attrs.get(LAYOUT, "")
    if not len(frame):
        raise InputError(f"{shown} has a header but no rows")
    attrs = frame.attrs
    frame, wide = one_run_a_row(frame, shown)
    frame.attrs = attrs | {MARKS: table_marks(frame)}
    if said := _and(layout, wide, f"read as {was}" if was else ""):
        frame.attrs[LAYOUT] = said
    return frame


def _of_text(data: bytes, kind: str, shown: str, asked: str | None) -> tuple[pd.DataFrame, str]:
    """The table in the bytes of a text, and the name of its encoding where that is not UTF-8."""
    data, encoding = as_utf8(data, shown, asked)
    text = data.decode("utf-8-sig")
    if not text.strip():
        raise InputError(f"{shown} is empty")
    is_json = kind in ("json", "lines") or (not kind and text[:1000].lstrip()[:1] in ("[", "{"))
    if is_json and len(data) > MAX_JSON_BYTES:
        raise InputError(f"{shown} is JSON larger than {MAX_JSON_BYTES / 1024**2:g} MiB; save it as CSV or Parquet")
    if is_json:
        return _json(text, kind, shown), encoding
    if (plain := without_drawn_rules(text)) is not text:
        text, data = plain, plain.encode()
    layout = layout_of(text[:_ENOUGH_FOR_LAYOUT], kind, shown, cut=len(text) > _ENOUGH_FOR_LAYOUT)
    del text  # a second copy of a large file
    return _delimited(data, layout, shown), encoding


def _delimited(data: bytes, layout: TableLayout, shown: str) -> pd.DataFrame:
    """The table in UTF-8 text, cell by cell."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    above = sum(1 for _ in islice(text, layout.skipped))
    comments: list[int] = []
    below: list[int] = []
    numbered = _kept(text, layout, above, shown, comments, below)
    first = list(islice(numbered, LOOKED_AT))
    if not first:
        raise InputError(f"{shown} has a header but no rows")
    records = [cells for _, cells in first]
    if layout.separator in (SPACES, WIDE_SPACES) and len(records) > 1 and len(records[1]) == len(records[0]) + 1:
        records[0].insert(0, "")  # the numbers of rows, in front of a printed data frame
    found = header_in(records, shown)
    header = found.names
    rows: list[list[str]] = []
    parts: list[np.ndarray] = []  # lists of lists take three times the memory
    for count, (line, cells) in enumerate(chain(first[found.rows :], numbered), 1):
        rows.append(row_of(cells, header, line, shown))
        if count > MAX_ROWS or count * len(header) > MAX_CELLS:
            raise InputError(_too_many(shown))
        if len(rows) == _ROWS_AT_ONCE:
            parts.append(np.array(rows, dtype=object))
            rows = []
    parts.append(np.array(rows, dtype=object).reshape(len(rows), len(header)))
    frame, blank = _framed(np.concatenate(parts), header)
    frame, copies = without_copies(frame, shown)
    between = f"{plural(len(comments), 'comment line')} between the rows left out" if comments else ""
    between = _and(between, f"{plural(len(below), 'line')} of text below the table left out" if below else "")
    frame.attrs |= {SEPARATOR: layout.separator, LAYOUT: _and(layout.said, found.said, between, blank, copies)}
    return frame


def _kept(
    text: Iterable[str], layout: TableLayout, above: int, shown: str, comments: list[int], below: list[int]
) -> Iterator[tuple[int, list[str]]]:
    """The number of the line and the cells of each record that is not blank; lines of comments go to `comments`, those
    of text below a framed table to `below`."""
    quoting = csv.QUOTE_NONE if layout.framed else csv.QUOTE_MINIMAL
    spaced = layout.separator in (SPACES, WIDE_SPACES)
    separator = "," if spaced else layout.separator
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True, quoting=quoting)
    records: Iterator[tuple[int, list[str]]] = (
        ((i, cells_between(line, layout.separator)) for i, line in enumerate(text, above + 1))
        if spaced
        else ((above + reader.line_num, cells) for cells in reader)
    )
    wide = 0
    try:
        for line, cells in records:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if layout.framed and wide and len(cells) == 1 and not cells[0].lstrip().startswith("#"):
                below.append(line)
                continue
            if below:
                raise InputError(
                    f"{shown}: another table begins in line {line}, below the text in line {below[0]}; keep one of them"
                )
            if (kept := unframed(cells, layout, wide == 1)) is None:
                continue
            if wide and kept and kept[0][:1] in "# " and kept[0].lstrip().startswith("#") and used(kept) == 1:
                comments.append(line)
                continue
            wide += used(kept) > 1
            yield line, kept
    except csv.Error as error:
        raise InputError(f"{shown}: line {above + reader.line_num} cannot be read: {inert(error)}") from None


def _framed(table: np.ndarray, header: list[str]) -> tuple[pd.DataFrame, str]:
    """A frame of cells without blank rows at its end, and what is said of those."""
    full = len(table)
    while full and not any(str(cell).strip() for cell in table[full - 1]):  # what spreadsheets leave below a table
        full -= 1
    blank = f"{plural(len(table) - full, 'blank row')} at the end left out" if full < len(table) else ""
    return pd.DataFrame(table[:full], columns=pd.Index(header)), blank


def _and(*said: str) -> str:
    return ", ".join(filter(None, said))


def _workbook(data: bytes, shown: str) -> pd.DataFrame:
    """The table in a workbook of Excel, as `_delimited` reads those of text."""
    records, _ = sheet_records(data, shown, MAX_CELLS)
    found = header_in([[str(cell) for cell in row] for row in records[:LOOKED_AT]], shown)
    rows = [row_of(row, found.names, i, shown) for i, row in enumerate(records[found.rows :], found.rows + 1)]
    table = np.empty((len(rows), len(found.names)), dtype=object)
    for i, row in enumerate(rows):
        table[i, :] = row
    frame, blank = _framed(table, found.names)
    frame, copies = without_copies(frame, shown)
    frame.attrs[LAYOUT] = _and("an Excel workbook", found.said, blank, copies)
    return frame


def _json(text: str, kind: str, shown: str) -> pd.DataFrame:
    try:
        try:
            table = _json_lines(text, shown) if kind == "lines" else json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise InputError(f"{shown}: line {error.lineno} is not JSON: {error.msg}") from None
            table = _json_lines(text, shown)
        rows, said = rows_in(table, shown)
    except RecursionError:
        raise InputError(f"{shown} is JSON nested too deeply for a table") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown} cannot be read as JSON: {inert(error, 100)}") from None
    if isinstance(rows, dict):
        return as_frame(rows)
    if len(rows) > MAX_ROWS or len(rows) * len({name for row in rows for name in row}) > MAX_CELLS:
        raise InputError(_too_many(shown))
    frame = as_frame(pd.DataFrame(rows, dtype=object))
    frame.attrs[LAYOUT] = said
    return frame


def _json_lines(text: str, shown: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line, object_pairs_hook=_object))
            except json.JSONDecodeError as error:
                raise InputError(f"{shown}: line {number} is not JSON: {error.msg}") from None
    return rows


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique([name for name, _ in pairs], "a JSON object")
    return dict(pairs)


def _parquet(data: bytes, shown: str) -> pd.DataFrame:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(_NEEDS_PYARROW.format(what=f"{shown} is Parquet and")) from None
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        if file.metadata.num_rows > MAX_ROWS or file.metadata.num_rows * file.metadata.num_columns > MAX_CELLS:
            raise InputError(_too_many(shown))
        # Without its metadata, so that a column which was a pandas index stays a column.
        frame = file.read().to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{shown} cannot be read as Parquet: {inert(error, 100)}") from None
    if not len(frame):
        raise InputError(f"{shown} has no rows")
    return as_frame(frame)


def as_frame(table: Any) -> pd.DataFrame:
    """Any kind of table in memory as a pandas frame with unique text labels."""
    kind = f"the {type(table).__name__}"
    try:
        if isinstance(table, pd.DataFrame):
            frame = table
        elif hasattr(table, "to_pandas"):
            frame = table.to_pandas()
        elif hasattr(table, "__arrow_c_stream__"):
            import pyarrow

            frame = pyarrow.table(table).to_pandas()
        elif hasattr(table, "__dataframe__"):
            with warnings.catch_warnings():  # pandas would rather read Arrow, which such a table does not offer
                warnings.simplefilter("ignore", DeprecationWarning)
                frame = pd.api.interchange.from_dataframe(table)
        elif isinstance(table, Mapping):
            # Without their indexes, by which pandas would align columns, and without stretching single values.
            columns = {str(name): c.array if isinstance(c, pd.Series) else c for name, c in table.items()}
            lengths = {name: len(c) for name, c in columns.items() if hasattr(c, "__len__") and not isinstance(c, str)}
            if set(lengths) != set(columns) or len(set(lengths.values())) > 1:
                shown = ", ".join(f"{quoted(name)} {lengths.get(name, 'a single value')}" for name in columns)
                raise InputError(f"the columns must be equally long: {shown}")
            as_list = {name: c if hasattr(c, "dtype") else list(c) for name, c in columns.items()}
            frame = pd.DataFrame({n: c if isinstance(c, list) else _column(c) for n, c in as_list.items()})
        else:
            raise InputError(
                f"{kind} is not a table; give a file, a data frame or a mapping of column names to columns"
            )
    except ImportError:
        raise MissingExtraError(_NEEDS_PYARROW.format(what=f"reading {kind}")) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{kind} cannot be read as a table: {inert(error, 200)}") from None
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{kind} is one column, not a table")
    if len(frame) > MAX_ROWS:
        raise InputError(_too_many(kind))
    labels = [str(label) for label in frame.columns]
    unique(labels, kind)
    return frame if all(isinstance(label, str) for label in frame.columns) else frame.set_axis(labels, axis=1)


def _column(values: Any) -> Any:
    return values if isinstance(values, pd.api.extensions.ExtensionArray) else np.asarray(values)


_NEEDS_PYARROW = "{what} needs pyarrow: pip install 'jaxscale[io]'"


def _too_many(shown: str) -> str:
    return (
        f"{shown} has more than {MAX_ROWS // 1_000_000} million rows or {MAX_CELLS // 1_000_000} million cells; "
        "keep only the rows and columns needed"
    )


def _too_large(shown: str) -> str:
    return f"{shown} is larger than {MAX_BYTES / 1024**3:g} GiB; keep only the columns and rows needed"
