"""A table comes in: its bytes become a frame, and its columns what they seem to be."""

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, plural, quoted
from jaxscale._data.names import meaning_of
from jaxscale._data.tables import read_frame
from jaxscale._pages.app.browsers import HeldTable

MOST_BYTES, MOST_ROWS = 32 * 2**20, 100_000
ROLES = {"N": "Parameters N", "D": "Training tokens D", "C": "Compute C (FLOPs)", "loss": "Loss"}
NONE = "-"  # a role that no column has
LOSS_UNITS = {"nats": "nats per token", "bits": "bits per token", "perplexity": "perplexity"}
BAD_ROWS = {"raise": "is an error", "drop": "is left out, and the report says so"}
CHOICES = {"loss_unit": ("Unit of the loss", LOSS_UNITS), "on_bad": ("A row that cannot be used", BAD_ROWS)}
_NAME = 80


@dataclass(frozen=True)
class Guess:
    """Which column is which role, what was noticed in reading the table so, and why it cannot be read so ("")."""

    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    problem: str = ""


def table_of(data: bytes, name: str) -> HeldTable:
    """The table in some bytes.

    Raises:
        InputError: there is none, or it is too large.
    """
    if not data:
        raise InputError("the file is empty")
    try:
        frame = read_frame(io.BytesIO(data))
    except InputError as error:
        raise InputError(str(error).replace("the file object", quoted(name))) from None
    if len(frame) > MOST_ROWS:
        raise InputError(
            f"the table has {plural(len(frame), 'row')}; the page takes {MOST_ROWS:,}, the command line more"
        )
    return HeldTable(inert(name, _NAME) or "table", frame)


def read(table: HeldTable) -> js.Runs:
    """The runs of a table, read as it was asked for: a column that is None is recognised, "-" is no column."""
    asked: dict[str, Any] = {role: False if c == NONE else c for role, c in table.columns.items()}
    asked |= table.reading
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the record holds them, and the page shows it
        return js.Runs.from_frame(table.frame, **asked)


def guess(table: HeldTable) -> Guess:
    """What the columns seem to be, as far as they were not corrected."""
    try:
        runs = read(table)
    except InputError as error:
        return Guess(_by_name(table), (), on_page(error))
    found = {role: c for role, c in runs.record.columns.items() if role in ROLES and isinstance(c, str)}
    return Guess(found, tuple(on_page(note.text) for note in runs.record.notes))


def on_page(said: object) -> str:
    """A message in the words of the page: an option of Python and its flag become the choice that stands there."""

    def choice(found: re.Match[str]) -> str:
        option, value = found.groups()
        if option in ROLES:
            return f"“{ROLES[option]}”"
        label, values = CHOICES.get(option, ("", {}))
        return f"“{label}: {values[value]}”" if value in values else found[0]

    losses_alone = inert(said).replace(', or another response with response="..." (--response)', "")
    return re.sub(r'(\w+)="([^"]*)" \(-[^()]*\)', choice, losses_alone)


def _by_name(table: HeldTable) -> dict[str, str]:
    """For tables that cannot be read as they are: by the names of columns alone."""
    found = {role: c for role, c in table.columns.items() if c and c != NONE}
    for column in map(str, table.frame.columns):
        meaning = meaning_of(column)
        if meaning is not None and meaning.symbol in ROLES and column not in found.values():
            found.setdefault(meaning.symbol, column)
    return found
