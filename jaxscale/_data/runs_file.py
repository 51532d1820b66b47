"""The record of how a table became runs, and runs as they are written in a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from jaxscale._base import files
from jaxscale._base.measure import Measure
from jaxscale._base.text import format_number, inert, listed, plural, quoted
from jaxscale._base.validation import check_choice
from jaxscale._base.verdict import Reason
from jaxscale._data.cells import DroppedRow
from jaxscale._data.columns import MEANINGS
from jaxscale._data.group_columns import Groups
from jaxscale._data.notes import counts_tokens


@dataclass(frozen=True)
class RunsRecord:
    """How a table became `Runs`. Row numbers count the data rows of the source from 1, without the header."""

    count: int = 0
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)  # symbol: source column(s)
    guessed: tuple[str, ...] = ()  # symbols whose column was recognised by its name
    # {"D": "C / (6 N)", "subset": "51 of 54 runs"}
    conventions: Mapping[str, str] = field(default_factory=dict, hash=False)
    dropped: tuple[DroppedRow, ...] = ()
    filters: tuple[str, ...] = ()
    filtered: int = 0  # rows that the filters left out
    duplicates: tuple[tuple[int, ...], ...] = ()  # row numbers of rows with the same variables and response
    notes: tuple[Reason, ...] = ()  # what looks unintended; the codes are those of `notes`
    ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=dict, hash=False
    )  # symbol: smallest, largest value
    measure: Measure = field(default_factory=Measure)  # what the response is, and how people count it
    # Rows are checkpoints and nobody said which to take: laws of final losses take the last of each run. Not in files.
    open_checkpoints: bool = field(default=False, compare=False)
    unused: tuple[str, ...] = field(default=(), compare=False)  # columns with no part in the runs; not kept in files
    groups: Mapping[str, Groups] = field(default_factory=dict, compare=False, repr=False)  # columns; not kept in files

    @property
    def counts_tokens(self) -> bool:
        """Whether D may be tokens, by the name of its column."""
        return counts_tokens(self.columns.get("D"), self.computed("D"))

    def computed(self, symbol: str) -> bool:
        """Whether the column of a symbol was written as a formula of others."""
        return self.conventions.get(symbol, "").startswith("computed")

    def plain_column(self, symbol: str) -> str:
        """The one column of a symbol whose cells count one by one, or ""."""
        column, said = self.columns.get(symbol), self.conventions.get(symbol, "")
        return column if isinstance(column, str) and "multiplied" not in said and not self.computed(symbol) else ""

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line that is worth a look; harmless to print."""
        lines = []
        response = [*self.ranges][-1:]  # what is predicted comes last
        for symbol, (low, high) in self.ranges.items():
            unit, label, counted = MEANINGS.get(symbol, ""), symbol, symbol in MEANINGS
            if symbol == "D":
                unit = self.measure.data
            if symbol in response:
                low, high = self.measure.ends(low, high)
                unit, label, counted = self.measure.given_unit, self.measure.given_name, False
            ends = [format_number(x, suffixes=counted) for x in (low, high)]
            span = ends[0] if low == high else " to ".join(ends)
            sources = []
            if symbol in self.columns:
                column = self.columns[symbol]
                sources.append(f"column {quoted(column)}" if isinstance(column, str) else f"columns {listed(column)}")
            if symbol in self.guessed:
                sources.append("recognised by its name")
            if symbol in self.conventions:
                sources.append(inert(self.conventions[symbol]))
            source = f"  ({', '.join(sources)})" if sources else ""
            lines.append((inert(label), span + (f" {unit}" if unit else "") + source))
        for symbol, text in self.conventions.items():
            if symbol not in self.ranges and text != "nats":
                lines.append((inert(symbol), inert(text)))
        if self.filters:
            left_out = f"{plural(self.filtered, 'row')} left out, kept where "
            lines.append(("filter", left_out + " and ".join(map(inert, self.filters))))
        if self.dropped:
            lines.append(("dropped", self._dropped_rows()))
        return lines

    def doubts(self) -> tuple[str, ...]:
        """What a person should look at before the runs are used: rows dropped, and what looks unintended."""
        dropped = (f"dropped {self._dropped_rows()}",) if self.dropped else ()
        return (*dropped, *(inert(note.text) for note in self.notes if note.severity != "info"))

    def _dropped_rows(self) -> str:
        first = self.dropped[0]
        example = f"first row {first.row}: {quoted(first.column)} {inert(first.reason)}"
        return f"{plural(len(self.dropped), 'row')} with a bad cell, {example}"

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {
            "columns": {symbol: c if isinstance(c, str) else list(c) for symbol, c in self.columns.items()},
            "guessed": list(self.guessed),
            "conventions": dict(self.conventions),
            "filters": list(self.filters),
            "filtered": self.filtered,
            "dropped": [row._asdict() for row in self.dropped],
            "duplicates": [list(group) for group in self.duplicates],
            "notes": [
                {"code": note.code, "text": note.text, "severity": note.severity, "rows": list(note.rows)}
                for note in self.notes
            ],
            "ranges": {symbol: list(limits) for symbol, limits in self.ranges.items()},
            "measure": self.measure.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The record that `to_dict` wrote; count and ranges are those of the runs. Raises InputError and KeyError."""
        return cls(
            columns={
                files.typed(symbol, str): c if isinstance(c, str) else tuple(files.list_of(c, str))
                for symbol, c in data["columns"].items()
            },
            guessed=tuple(files.list_of(data["guessed"], str)),
            conventions={files.typed(k, str): files.typed(v, str) for k, v in data["conventions"].items()},
            dropped=tuple(
                DroppedRow(files.typed(d["row"], int), files.typed(d["column"], str), files.typed(d["reason"], str))
                for d in files.list_of(data["dropped"], dict)
            ),
            filters=tuple(files.list_of(data["filters"], str)),
            filtered=files.typed(data["filtered"], int),
            duplicates=tuple(tuple(files.list_of(group, int)) for group in files.list_of(data["duplicates"], list)),
            notes=tuple(map(_note, files.list_of(data["notes"], dict))),
            measure=Measure.from_dict(data.get("measure"), files.typed(data["response"], str)),
        )


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the runs that a file holds. Raises InputError and KeyError for what could not have been written."""
    held = files.typed(data["data"], dict)
    arrays = {files.typed(name, str): files.rows_of_numbers(name, values) for name, values in held.items()}
    name = files.typed(data["response"], str)
    return {
        "response": arrays.pop(name),
        "response_name": name,
        "variables": arrays,
        "weights": None if data["weights"] is None else files.rows_of_numbers("weights", data["weights"]),
        "errors": None if data.get("errors") is None else files.rows_of_numbers("errors", data["errors"]),
        "clusters": None if data["clusters"] is None else tuple(files.list_of(data["clusters"], str)),
        "rows": np.array(files.list_of(data["rows"], int), dtype=np.int64),
        "record": RunsRecord.from_dict(data),
    }


def is_of(data: Mapping[str, Any], sha256: str, count: int) -> bool:
    """Whether a file was written with as many runs and with this hash. Raises InputError and KeyError."""
    return files.typed(data["sha256"], str) == sha256 and files.typed(data["count"], int) == count


def _note(data: Mapping[str, Any]) -> Reason:
    severity = data.get("severity", "warning")
    check_choice("a severity", severity, ("info", "warning", "fatal"))
    rows = tuple(files.list_of(data.get("rows", []), int))
    return Reason(files.typed(data["code"], str), severity, files.typed(data["text"], str), rows)
