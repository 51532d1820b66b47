"""A table comes in: its bytes become a frame, and its columns what they seem to be."""

import gzip
import io
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, plural, quoted
from jaxscale._data.names import meaning_of
from jaxscale._data.tables import read_frame
from jaxscale._pages.app.asked_reading import ROLES, Reading, on_page
from jaxscale._pages.app.browsers import HeldTable

MOST_BYTES, MOST_UNPACKED, MOST_ROWS = 32 * 2**20, 128 * 2**20, 100_000
_NAME = 80


@dataclass(frozen=True)
class Guess:
    """Which column is which role, what was noticed in reading the table so, why it cannot be read so (""), how many
    runs it then has, in words, and how roles without a column follow from others."""

    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    problem: str = ""
    count: str = ""
    computed: Mapping[str, str] = field(default_factory=dict)


def table_of(data: bytes, name: str) -> HeldTable:
    """The table in some bytes.

    Raises:
        InputError: there is none, or it is too large.
    """
    if not data:
        raise InputError("the file is empty")
    try:
        frame = read_frame(io.BytesIO(_unpacked(data)))
    except InputError as error:
        raise InputError(str(error).replace("the file object", quoted(name or "the file"))) from None
    if len(frame) > MOST_ROWS:
        raise InputError(
            f"the table has {plural(len(frame), 'row')}; the page takes {MOST_ROWS:,}, the command line more"
        )
    return HeldTable(inert(name, _NAME) or "table", frame)


def _unpacked(data: bytes) -> bytes:
    """What is in a gzipped file, counted while it is unpacked; other bytes, and what is none, as they are."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error):
        return data  # which is refused in words where tables are read
    if len(found) > MOST_UNPACKED:
        raise InputError(
            f"unpacked it is more than {MOST_UNPACKED // 2**20} MiB, which is all that is taken; "
            "the command line takes larger tables"
        )
    return found


def read(table: HeldTable, reading: Reading | None = None) -> js.Runs:
    """The runs of a table, read as it was asked for, or as is asked now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the record holds them, and the page shows it
        return js.Runs.from_frame(table.frame, **(reading or table.reading).options)


def guess(table: HeldTable, reading: Reading | None = None) -> Guess:
    """What the columns seem to be, as far as they were not corrected."""
    try:
        runs = read(table, reading)
        for symbol in ("N", "D"):  # what every law of the page takes
            runs.variable(symbol)
    except InputError as error:
        return Guess(_by_name(table), (), on_page(error))
    record = runs.record
    found = {role: c for role, c in record.columns.items() if role in ROLES and isinstance(c, str)}
    left = [f"{plural(record.filtered, 'row')} left out by the filter"] if record.filtered else []
    left += [f"{plural(len(record.dropped), 'row')} that cannot be used left out"] if record.dropped else []
    notes, count = tuple(on_page(note.text) for note in record.notes), "; ".join([plural(runs.count, "run"), *left])
    computed = {role: how for role, how in record.conventions.items() if role in ROLES and role not in found}
    return Guess(found, notes, "", count, computed)


def _by_name(table: HeldTable) -> dict[str, str]:
    """For tables that cannot be read as they are: by the names of columns alone."""
    found = {role: c for role, c in table.reading.options.items() if role in ROLES and c}
    for column in map(str, table.frame.columns):
        meaning = meaning_of(column)
        if meaning is not None and meaning.symbol in ROLES and column not in found.values():
            found.setdefault(meaning.symbol, column)
    return found
