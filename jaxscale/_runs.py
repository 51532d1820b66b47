"""Tables in: files and frames become `Runs`, checked float64 arrays with a record of what was done to the table."""

import csv
import difflib
import gzip
import hashlib
import io
import json
import math
import numbers
import os
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
import pandas as pd

from jaxscale._errors import InputError, MissingExtraError
from jaxscale._text import ACCEPTED_NUMBERS, PATH_LIMIT, escape_html, format_number, inert, parse_number, quoted

MAX_BYTES = 2 * 1024**3
MAX_ROWS = 20_000_000
MAX_ROWS_IN_FILE = 100_000  # a saved fit carries its rows up to this many

T = TypeVar("T")
Column = str | Sequence[str] | Literal[False] | None

MEANINGS = {"N": "parameters", "D": "tokens", "C": "FLOPs", "U": "unique tokens", "loss": "nats per token"}
DOMAINS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "positive": ("not above 0", lambda v: v > 0),
    "real": ("not finite", np.isfinite),
    "unit": ("not between 0 and 1", lambda v: (v >= 0) & (v <= 1)),
    "count": ("below 0", lambda v: v >= 0),
}

# Column names read without being told, best rank first: the best rank that matches anything decides, and two matches
# in it are an error. Names are compared in lower case without spaces and punctuation; the symbol itself (N, D, C, U),
# in that case, is in the best rank.
ALIASES: dict[str, tuple[frozenset[str], ...]] = {
    symbol: tuple(frozenset(rank.split()) for rank in ranks)
    for symbol, ranks in {
        "N": (
            "params",
            """n nparams numparams parameters nparameters numparameters paramcount parametercount modelsize modelparams
            modelparameters totalparams paramstotal totalparameters activeparams paramsactive paramsnonembedding
            nonembeddingparams nonembedding nnonembedding""",
        ),
        "D": (
            "tokens",
            """d ntokens numtokens tokencount traintokens trainingtokens tokenstrained tokensseen seentokens totaltokens
            tokenstotal trainedtokens""",
        ),
        "C": (
            "flops",
            """c flop compute totalflops flopstotal trainflops trainingflops totalcompute traincompute trainingcompute
            flops6nd numflops nflops""",
        ),
        "U": ("uniquetokens", "u nuniquetokens numuniquetokens uniquetraintokens tokensunique"),
        "loss": (
            "loss",
            """valloss validloss validationloss evalloss evaluationloss testloss heldoutloss finalloss finalvalloss
            finalvalidationloss finalevalloss lossval lossvalid lossvalidation losseval losstest lossfinal c4loss lossc4
            crossentropy nll""",
            "trainloss trainingloss losstrain losstraining finaltrainloss",
        ),
    }.items()
}
_FIRST = ("N", "D", "C", "U")
_FLAGS = {"N": "-N", "D": "-D", "C": "-C", "loss": "--loss"}
_MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "nil", "none", "missing", "-", "--", "?"])
_RESERVED = frozenset(["row", "rows", "run", "weights", "response"])


class DroppedRow(NamedTuple):
    """A row left out because of a bad cell: its number, the column and what was wrong."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class RunsRecord:
    """How a table became `Runs`. Row numbers count the data rows of the source from 1, without the header."""

    count: int = 0
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)  # symbol: source column(s)
    guessed: tuple[str, ...] = ()  # symbols whose column was recognised by its name
    conventions: Mapping[str, str] = field(default_factory=dict)  # {"D": "C / (6 N)", "loss_unit": "nats"}
    dropped: tuple[DroppedRow, ...] = ()
    filters: tuple[str, ...] = ()
    filtered: int = 0  # rows that the filters left out
    duplicates: tuple[tuple[int, ...], ...] = ()  # row numbers of rows with the same variables and response
    notes: tuple[tuple[str, str], ...] = ()  # (code, sentence): suspicious_units, mixed_conventions, duplicate_rows
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # symbol: smallest and largest value


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Finished training runs, checked: float64 arrays by law symbol, each finite and of the same length.

    variables      law symbol -> (n_runs,), or (n_runs, k) for a vector; N in parameters, D in tokens, C in FLOPs
    response       (n_runs,), what the law predicts; `response_name` says what it is ("loss": nats per token)
    weights        (n_runs,), at least 0 and not all 0, or None
    clusters       label of the independent training run that each row belongs to, or None
    rows           (n_runs,) row numbers in the source, counted from 1 without the header
    record         what was read, guessed, converted, dropped and noticed

    The arrays are read-only. Raises InputError for lengths that differ and values that are not finite.
    """

    variables: Mapping[str, np.ndarray]
    response: np.ndarray
    response_name: str = "loss"
    weights: np.ndarray | None = None
    clusters: tuple[str, ...] | None = None
    rows: np.ndarray = field(default_factory=lambda: np.array([], dtype=np.int64))  # empty: 1, 2, ...
    record: RunsRecord = field(default_factory=lambda: RunsRecord())

    def __post_init__(self) -> None:
        response = _finite(self.response_name, self.response)
        if response.ndim != 1 or not len(response):
            raise InputError(f"{quoted(self.response_name)} needs one value for each run, and at least one run")
        count = len(response)
        variables = {name: _finite(name, values) for name, values in self.variables.items()}
        if not variables:
            raise InputError("runs need at least one variable, such as N or D, beside the response")
        weights = None if self.weights is None else _finite("weights", self.weights)
        rows = np.array(self.rows if len(self.rows) else np.arange(1, count + 1), dtype=np.int64)
        rows.flags.writeable = False
        for name, values in [*variables.items(), ("weights", weights), ("run", self.clusters), ("rows", rows)]:
            if values is not None and len(values) != count:
                raise InputError(f"{quoted(name)} has {len(values)} values for {count} of {quoted(self.response_name)}")
        for name, values in variables.items():
            if name == self.response_name or values.ndim > 2 or not values.size:
                raise InputError(f"variable {quoted(name)} must be (n_runs,) or (n_runs, k), and not the response")
        if weights is not None and (weights.ndim != 1 or (weights < 0).any() or not weights.any()):
            raise InputError("weights must be one number at least 0 for each run, and not all 0")
        arrays = [*variables.items(), (self.response_name, response)]
        ranges = {name: (float(values.min()), float(values.max())) for name, values in arrays}
        checked = {
            "variables": variables,
            "response": response,
            "weights": weights,
            "clusters": None if self.clusters is None else tuple(map(str, self.clusters)),
            "rows": rows,
            "record": replace(self.record, count=count, ranges=ranges),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        N: Column = None,
        D: Column = None,
        C: Column = None,
        loss: Column = None,
        response: str | None = None,
        weights: str | None = None,
        run: str | None = None,
        where: str | Iterable[str] = (),
        on_bad: Literal["raise", "drop"] = "raise",
        loss_unit: Literal["nats", "bits"] = "nats",
        domains: Mapping[str, str] | None = None,
        row_numbers: Sequence[int] | np.ndarray | None = None,
        **columns: Column,
    ) -> Self:
        """Checked runs from a table: one row for each run.

        frame        a pandas frame, anything that turns into one (`to_pandas`, Arrow, interchange protocol), or a
                     mapping of column names to equally long columns
        N, D, C      column of the model size, the training tokens, the compute. None: recognised by its name, if it is
                     there; False: not looked for. With C and one of N and D, the other follows from C = 6 N D.
        loss         column of the loss; the response unless `response` names another column
        response     column of another response; `loss` is then a variable like any other
        weights      column of weights, at least 0; run: column that names the independent training run
        where        one comparison or several, all of which must hold: "COL OP VALUE" with < <= > >= == !=
        on_bad       "raise": a bad cell is an error; "drop": its row is left out, and the record says so
        loss_unit    "bits" multiplies the loss by ln 2
        domains      symbol -> "positive" (the default), "real", "unit" (0 to 1) or "count" (at least 0)
        row_numbers  row numbers of the source, where `frame` is a part of it; by default 1, 2, ...
        columns      any other variable by its symbol, U="unique_tokens"; a list of columns makes a vector

        Only columns in use are checked. A recognised U, or a recognised C beside N and D, is left out where it has a
        bad cell. Raises InputError.
        """
        frame = _as_frame(frame)
        rows = np.arange(1, len(frame) + 1) if row_numbers is None else np.asarray(row_numbers, dtype=np.int64)
        if len(rows) != len(frame):
            raise InputError(f"row_numbers has {len(rows)} values for {len(frame)} rows")
        if not len(frame):
            raise InputError("the table has no rows")
        _one_of("on_bad", on_bad, ("raise", "drop"))
        _one_of("loss_unit", loss_unit, ("nats", "bits"))
        for symbol, domain in (domains or {}).items():
            _one_of(f"the domain of {quoted(symbol)}", domain, DOMAINS)
        filters = (where,) if isinstance(where, str) else tuple(where)
        keep = _filter(frame, filters, rows)
        filtered = int((~keep).sum())
        if filtered:
            frame, rows = frame[keep], rows[keep]

        chosen = _choose(list(frame.columns), {"N": N, "D": D, "C": C, "loss": loss, **columns}, response, weights, run)
        cells = _read_cells(frame, rows, chosen, domains or {}, drop=on_bad == "drop")
        values, rows, conventions = cells.values, cells.rows, cells.conventions
        weights_read = values.pop("weights", None)
        if weights_read is not None and not weights_read.any():
            raise InputError(f"column {quoted(weights)} (weights): every weight is 0; at least one must be above 0")
        if "loss" in values:
            conventions["loss_unit"] = "nats" if loss_unit == "nats" else "bits, times ln 2"
            values["loss"] = values["loss"] * (1.0 if loss_unit == "nats" else math.log(2.0))
        elif loss_unit == "bits":
            raise InputError('loss_unit="bits" needs a column that is the loss; name it with loss="..." (--loss)')
        answer = values.pop(chosen.response)
        _complete(values, conventions, {symbol for symbol, column in (("N", N), ("D", D)) if column is False})
        duplicates = _duplicates([*values.values(), answer], rows)
        kept_columns = {s: column for s, column in chosen.columns.items() if s not in cells.left_out}
        record = RunsRecord(
            columns=kept_columns,
            guessed=tuple(symbol for symbol in chosen.guessed if symbol in kept_columns),
            conventions=conventions,
            dropped=cells.dropped,
            filters=filters,
            filtered=filtered,
            duplicates=duplicates,
            notes=tuple(_notes({**values, chosen.response: answer}, rows, kept_columns, loss_unit, duplicates)),
        )
        return cls(values, answer, chosen.response, weights_read, cells.clusters, rows, record)

    @property
    def count(self) -> int:
        """How many runs there are."""
        return len(self.response)

    @property
    def sha256(self) -> str:
        """Hash of names, shapes and float64 contents, in row order: the same runs give the same hash anywhere."""
        digest = hashlib.sha256()
        arrays = [*sorted(self.variables.items()), (f"response {self.response_name}", self.response)]
        if self.weights is not None:
            arrays.append(("weights", self.weights))
        for name, values in arrays:
            digest.update(json.dumps([name, list(values.shape)]).encode())
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        if self.clusters is not None:
            digest.update(json.dumps(self.clusters).encode())
        return digest.hexdigest()

    def variable(self, symbol: str) -> np.ndarray:
        """The values of a variable, (n_runs,) or (n_runs, k); C is 6 N D where only N and D are there.

        Raises InputError, listing what is there.
        """
        if symbol in self.variables:
            return self.variables[symbol]
        if symbol == "C" and {"N", "D"} <= self.variables.keys():
            return 6.0 * self.variables["N"] * self.variables["D"]
        flag = f"{_FLAGS[symbol]} COLUMN" if symbol in _FLAGS else f"--col {inert(symbol)}=COLUMN"
        raise InputError(
            f"the runs have no variable {quoted(symbol)}; they have {', '.join(map(inert, self.variables))}. "
            f'Name its column with {inert(symbol)}="..." (on the command line {flag})'
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each run: variables (a vector as `E[0]`, `E[1]`), response, `weights`, `run`; index `row`."""
        data: dict[str, Any] = {}
        for name, values in self.variables.items():
            data |= {name: values} if values.ndim == 1 else {f"{name}[{j}]": c for j, c in enumerate(values.T)}
        data[self.response_name] = self.response
        if self.weights is not None:
            data["weights"] = self.weights
        if self.clusters is not None:
            data["run"] = list(self.clusters)
        return pd.DataFrame(data, index=pd.Index(self.rows, name="row"))

    def subset(self, index: Any) -> Self:
        """The runs that a mask, a slice or a sequence of positions picks, in that order."""
        index = np.atleast_1d(np.arange(self.count)[index])
        rows = self.rows[index]
        kept = set(rows.tolist())
        groups = (tuple(row for row in group if row in kept) for group in self.record.duplicates)
        duplicates = tuple(group for group in groups if len(group) > 1)
        notes = [note for note in self.record.notes if note[0] != "duplicate_rows"]
        record = replace(self.record, duplicates=duplicates, notes=(*notes, *_duplicate_note(duplicates)))
        return type(self)(
            {name: values[index] for name, values in self.variables.items()},
            self.response[index],
            self.response_name,
            None if self.weights is None else self.weights[index],
            None if self.clusters is None else tuple(self.clusters[i] for i in index),
            rows,
            record,
        )

    def to_data(self, max_rows: int = MAX_ROWS_IN_FILE) -> dict[str, Any]:
        """The `runs` part of a file: plain dicts, lists, numbers and text; `data` is None above `max_rows` runs."""
        record = self.record
        arrays = {**self.variables, self.response_name: self.response}
        whole = self.count <= max_rows
        return {
            "count": self.count,
            "response": self.response_name,
            "columns": {symbol: c if isinstance(c, str) else list(c) for symbol, c in record.columns.items()},
            "guessed": list(record.guessed),
            "conventions": dict(record.conventions),
            "filters": list(record.filters),
            "filtered": record.filtered,
            "dropped": [row._asdict() for row in record.dropped],
            "duplicates": [list(group) for group in record.duplicates],
            "notes": [{"code": code, "text": text} for code, text in record.notes],
            "ranges": {symbol: list(limits) for symbol, limits in record.ranges.items()},
            "sha256": self.sha256,
            "data": {name: values.tolist() for name, values in arrays.items()} if whole else None,
            "weights": self.weights.tolist() if whole and self.weights is not None else None,
            "clusters": list(self.clusters) if whole and self.clusters is not None else None,
            "rows": self.rows.tolist() if whole else None,
        }

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The runs that `to_data` described. Raises InputError for anything it could not have written."""
        if isinstance(data, Mapping) and data.get("data", ...) is None:
            raise InputError("the file does not carry its rows (there are too many); give the table again")
        try:
            runs = cls._from_data(data)
            intact = _typed(data["sha256"], str) == runs.sha256 and _typed(data["count"], int) == runs.count
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise InputError(f"the runs in the file cannot be read: {inert(reason, 200)}") from None
        if not intact:
            raise InputError("the runs in the file are not those it was written with: their SHA-256 or count differs")
        return runs

    @classmethod
    def _from_data(cls, data: Any) -> Self:
        arrays = {_typed(name, str): _float_list(name, values) for name, values in _typed(data["data"], dict).items()}
        response = _typed(data["response"], str)
        record = RunsRecord(
            columns={
                _typed(symbol, str): c if isinstance(c, str) else tuple(_list_of(c, str))
                for symbol, c in data["columns"].items()
            },
            guessed=tuple(_list_of(data["guessed"], str)),
            conventions={_typed(k, str): _typed(v, str) for k, v in data["conventions"].items()},
            dropped=tuple(
                DroppedRow(_typed(d["row"], int), _typed(d["column"], str), _typed(d["reason"], str))
                for d in _list_of(data["dropped"], dict)
            ),
            filters=tuple(_list_of(data["filters"], str)),
            filtered=_typed(data["filtered"], int),
            duplicates=tuple(tuple(_list_of(group, int)) for group in _list_of(data["duplicates"], list)),
            notes=tuple((_typed(n["code"], str), _typed(n["text"], str)) for n in _list_of(data["notes"], dict)),
        )
        weights, clusters = data["weights"], data["clusters"]
        answer = arrays.pop(response)
        return cls(
            arrays,
            answer,
            response,
            None if weights is None else _float_list("weights", weights),
            None if clusters is None else tuple(_list_of(clusters, str)),
            np.array(_list_of(data["rows"], int), dtype=np.int64),
            record,
        )

    def _summary(self) -> list[tuple[str, str]]:
        """Label and text of each line that is worth a look."""
        record = self.record
        lines = []
        for symbol, (low, high) in record.ranges.items():
            span = format_number(low) if low == high else f"{format_number(low)} to {format_number(high)}"
            unit = MEANINGS.get(symbol, "")
            if symbol in record.columns:
                column = record.columns[symbol]
                source = f"column {quoted(column)}" if isinstance(column, str) else f"columns {_listed(column)}"
                source += ", recognised by its name" if symbol in record.guessed else ""
            else:
                source = record.conventions.get(symbol, "")
            lines.append((inert(symbol), span + (f" {unit}" if unit else "") + (f"  ({source})" if source else "")))
        for symbol, text in record.conventions.items():
            if symbol not in record.ranges and text != "nats":
                lines.append((inert(symbol), inert(text)))
        if record.filters:
            left_out = f"{_plural(record.filtered, 'row')} left out, kept where "
            lines.append(("filter", left_out + " and ".join(map(inert, record.filters))))
        if record.dropped:
            first = record.dropped[0]
            example = f"first row {first.row}: {quoted(first.column)} {inert(first.reason)}"
            lines.append(("dropped", f"{_plural(len(record.dropped), 'row')} with a bad cell, {example}"))
        return lines + [(code, inert(text)) for code, text in record.notes]

    def __repr__(self) -> str:
        ranges = (f"{inert(s)} {format_number(a)} to {format_number(b)}" for s, (a, b) in self.record.ranges.items())
        return f"<Runs: {_plural(self.count, 'run')}, {', '.join(ranges)}>"

    def __str__(self) -> str:
        lines = self._summary()
        width = max(len(label) for label, _ in lines)
        return "\n".join([_plural(self.count, "run"), *(f"  {label:<{width}}  {text}" for label, text in lines)])

    def _repr_html_(self) -> str:
        body = "".join(f"<tr><th>{escape_html(a)}</th><td>{escape_html(b)}</td></tr>" for a, b in self._summary())
        return f"<table><caption>{_plural(self.count, 'run')}</caption>{body}</table>"


def read_runs(source: Any, **options: Any) -> Runs:
    """Runs from a file, a frame or standard input: `read_frame`, then `Runs.from_frame` with the options."""
    return Runs.from_frame(read_frame(source), **options)


# Which column is what ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chosen:
    columns: dict[str, str | tuple[str, ...]]  # symbol, "weights" or "run": its column(s)
    guessed: frozenset[str]
    response: str  # the symbol that is the response


def _choose(
    columns: list[str], given: Mapping[str, Column], response: str | None, weights: str | None, run: str | None
) -> _Chosen:
    """Settle which column holds what: first those named, then those recognised."""
    for symbol in given:
        if symbol in _RESERVED or not symbol:
            raise InputError(f"a variable cannot be called {quoted(symbol)}; choose another symbol")
    named = {
        s: _existing(columns, s, column) for s, column in given.items() if column is not None and column is not False
    }
    answer = "loss"
    if response is not None:
        column = _existing(columns, "response", response)
        is_loss = any(_key(column) in rank for rank in ALIASES["loss"]) and "loss" not in named
        answer = "loss" if is_loss or named.get("loss") == column else column
        if named.get(answer, column) != column:
            raise InputError(f"{quoted(answer)} is the response and cannot be a variable's symbol as well")
        named[answer] = column
    if not isinstance(named.get(answer, ""), str):
        raise InputError("the response is one column, not several")
    used: dict[str, str] = {}
    for symbol, column in [*named.items(), *([("weights", str(weights))] if weights is not None else [])]:
        for name in (column,) if isinstance(column, str) else column:
            if used.setdefault(name, symbol) != symbol:
                raise InputError(f"column {quoted(name)} is named twice, for {inert(used[name])} and {inert(symbol)}")
    guessed = {}
    for symbol in ALIASES:
        if symbol not in named and given.get(symbol) is not False and not (symbol == "loss" and response is not None):
            column = _recognise([name for name in columns if name not in used], symbol)
            if column is not None:
                guessed[symbol] = column
                used[column] = symbol
    found: dict[str, str | tuple[str, ...]] = {**named, **guessed}
    if answer not in found:
        raise InputError(
            f"no column is recognised as the loss; there are {_listed(columns)}. "
            'Name it with loss="..." (--loss), or another response with response="..." (--response)'
        )
    symbols = [symbol for symbol in dict.fromkeys([*_FIRST, *found]) if symbol in found and symbol != answer]
    if not symbols:
        raise InputError(
            f"no column is recognised as a variable (N, D, C, U); there are {_listed(columns)}. "
            'Name them with N="...", D="..." (on the command line -N, -D)'
        )
    ordered = {symbol: found[symbol] for symbol in [*symbols, answer]}
    for role, column in (("weights", weights), ("run", run)):
        if column is not None:
            ordered[role] = _existing(columns, role, column)
    return _Chosen(ordered, frozenset(guessed), answer)


def _existing(columns: list[str], role: str, column: Any) -> Any:
    """`column`, which must be there; a list of columns becomes a tuple."""
    if isinstance(column, (list, tuple)):
        if not column:
            raise InputError(f"{inert(role)} needs at least one column")
        return tuple(_existing(columns, role, name) for name in column)
    name = str(column)
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=3) or [c for c in columns if _key(c) == _key(name)]
        hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {_listed(columns)}"
        raise InputError(f"there is no column {quoted(name)} ({inert(role)}); {hint}")
    return name


def _recognise(columns: list[str], symbol: str) -> str | None:
    """The column of the best rank of the symbol's aliases that matches any."""
    for rank, names in enumerate(ALIASES[symbol]):
        found = [column for column in columns if _key(column) in names or (rank == 0 and column == symbol)]
        if len(found) == 1:
            return found[0]
        if found:
            flag = f"{_FLAGS[symbol]} " if symbol in _FLAGS else f"--col {symbol}="
            raise InputError(
                f"columns {_listed(found)} could each be {symbol}; choose one with "
                f'{symbol}="{inert(found[0], 60)}" (on the command line {flag}{quoted(found[0])})'
            )
    return None


def _key(name: str) -> str:
    return re.sub(r"[\s_.\-]", "", name).lower()


def _listed(names: Sequence[object], most: int = 12) -> str:
    return ", ".join(map(quoted, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


# What the cells hold -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cells:
    values: dict[str, np.ndarray]
    rows: np.ndarray
    clusters: tuple[str, ...] | None
    conventions: dict[str, str]
    dropped: tuple[DroppedRow, ...]
    left_out: frozenset[str]  # recognised columns that nobody asked for and that have bad cells


def _read_cells(
    frame: pd.DataFrame, rows: np.ndarray, chosen: _Chosen, domains: Mapping[str, str], *, drop: bool
) -> _Cells:
    """Numbers out of the chosen columns, and every bad cell of all of them in one error or in the record."""
    values: dict[str, np.ndarray] = {}
    conventions: dict[str, str] = {}
    dropped: dict[int, DroppedRow] = {}
    problems: list[str] = []
    labels: list[str] | None = None
    for symbol, source in chosen.columns.items():
        domain = "count" if symbol == "weights" else domains.get(symbol, "positive")
        if symbol == chosen.response:
            domain = domains.get("response", domain)
        spare = symbol in chosen.guessed and (symbol == "U" or (symbol == "C" and {"N", "D"} <= chosen.columns.keys()))
        parts = []
        for name in (source,) if isinstance(source, str) else source:
            if symbol == "run":
                labels = ["" if _is_missing(cell) else str(cell).strip() for cell in frame[name]]
                faults = {i: "missing" for i, label in enumerate(labels) if not label}
            else:
                numbers_read, is_text = _numbers(frame[name])
                faults = _faults(numbers_read, is_text, domain)
                parts.append(numbers_read)
            if not faults:
                continue
            first = next(iter(faults))
            problem = (
                f"column {quoted(name)} ({inert(symbol)}): {len(faults)} of {len(frame)} cells cannot be used, "
                f"row{'s' * (len(faults) > 1)} {_some([int(rows[i]) for i in faults])}; "
                f"row {rows[first]} holds {quoted(frame[name].iloc[first])}, {faults[first]}"
            )
            if spare:
                conventions[symbol] = f"{problem}: left out"
                continue
            problems.append(problem)
            for i, reason in faults.items():
                dropped.setdefault(i, DroppedRow(int(rows[i]), name, reason))
        if parts and symbol not in conventions:
            values[symbol] = parts[0] if isinstance(source, str) else np.stack(parts, axis=1)
    if problems and not drop:
        raise InputError(
            "\n".join(problems) + "\nRows count from 1 below the header, and numbers read like "
            f"{ACCEPTED_NUMBERS}. Mend the cells, filter the rows out "
            '(where=, --where), or have them dropped and counted: on_bad="drop" (--on-bad drop)'
        )
    keep = np.ones(len(frame), dtype=bool)
    keep[list(dropped)] = False
    if not keep.any():
        raise InputError("\n".join(problems) + "\nEvery row has a bad cell, so that none is left")
    return _Cells(
        values={symbol: array[keep] for symbol, array in values.items()},
        rows=rows[keep],
        clusters=None if labels is None else tuple(np.array(labels, dtype=object)[keep]),
        conventions=conventions,
        dropped=tuple(dropped[i] for i in sorted(dropped)),
        left_out=frozenset(conventions),
    )


def _numbers(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """float64 values of a column, nan where there is none, and a mask of the cells that hold something else."""
    is_text = np.zeros(len(cells), dtype=bool)
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_complex_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan), is_text
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells.tolist()):
        try:
            values[i] = float(cell) if isinstance(cell, (str, numbers.Real, Decimal)) else math.nan
            is_text[i] = values[i] != values[i] and not _is_missing(cell)
        except OverflowError:
            values[i] = math.inf
        except ValueError:
            if not _is_missing(cell):
                try:
                    values[i] = parse_number(str(cell))
                except InputError:
                    is_text[i] = True
    return values, is_text


def _is_missing(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _MISSING
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and cell != cell)


def _faults(values: np.ndarray, is_text: np.ndarray, domain: str) -> dict[int, str]:
    """Position of each cell outside the domain: what is wrong with it."""
    words, inside = DOMAINS[domain]
    faults = {}
    for i in np.flatnonzero(~(np.isfinite(values) & inside(values))):
        value = values[i]
        faults[int(i)] = (
            "not a number"
            if is_text[i]
            else "missing"
            if math.isnan(value)
            else "not finite"
            if math.isinf(value)
            else words
        )
    return faults


# Filters -------------------------------------------------------------------------------------------------------------

_COMPARISONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
}


def _filter(frame: pd.DataFrame, filters: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    """Mask of the rows for which every comparison holds."""
    keep = np.ones(len(frame), dtype=bool)
    for text in filters:
        keep &= _holds(frame, text, rows)
        if not keep.any():
            raise InputError(f"no row is left by the filter {' and '.join(map(quoted, filters))}")
    return keep


def _holds(frame: pd.DataFrame, text: str, rows: np.ndarray) -> np.ndarray:
    """Where "COL OP VALUE" holds. A missing cell equals only "", and is neither above nor below anything."""
    column, operator, value = _comparison(text, list(frame.columns))
    operand, literal = None, _unquoted(value)
    values, is_text = _numbers(frame[column])
    if literal == value:
        literal = "" if value.lower() in _MISSING else value
        try:
            operand = parse_number(value)
        except InputError:
            if not is_text.any():
                operand = {"true": 1.0, "false": 0.0}.get(value.lower())
    if operand is not None:
        if is_text.any() and operator not in ("==", "!="):
            i = int(np.argmax(is_text))
            raise InputError(
                f"filter {quoted(text)}: {operator} needs numbers, but column {quoted(column)} holds "
                f"{quoted(frame[column].iloc[i])} in row {rows[i]}; text compares with == and != only"
            )
        return _COMPARISONS[operator](values, operand)
    if operator not in ("==", "!="):
        raise InputError(f"filter {quoted(text)}: {operator} needs a number on the right, not {quoted(value)}")
    if literal == value and not is_text.any():
        raise InputError(f"filter {quoted(text)}: column {quoted(column)} holds numbers, and {quoted(value)} is none")
    equal = (
        np.array(["" if _is_missing(cell) else str(cell).strip() for cell in frame[column]], dtype=object) == literal
    )
    return equal if operator == "==" else ~equal


def _comparison(text: str, columns: list[str]) -> tuple[str, str, str]:
    """Column, operator and value of "COL OP VALUE"; the first operator with a column on its left counts."""
    found = list(re.finditer("|".join(_COMPARISONS), text))
    for match in found:
        left, value = text[: match.start()].strip(), text[match.end() :].strip()
        for column in (left, _unquoted(left)):
            if column in columns and value:
                return column, match[0], value
    if not found or not text[: found[0].start()].strip() or not text[found[0].end() :].strip():
        raise InputError(f"filter {quoted(text)} must read COLUMN OP VALUE, with OP one of {' '.join(_COMPARISONS)}")
    _existing(columns, f"filter {quoted(text)}", _unquoted(text[: found[0].start()].strip()))
    raise InputError(f"filter {quoted(text)} cannot be read")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`" else text


# What the numbers say about the table --------------------------------------------------------------------------------

# A median below this is hardly a count of parameters, tokens or FLOPs.
_LEAST_PLAUSIBLE = {"N": (1e4, "1e9 for billions"), "D": (1e5, "1e9 for billions"), "C": (1e10, "8.64e19 for PF-days")}


def _complete(values: dict[str, np.ndarray], conventions: dict[str, str], refused: set[str]) -> None:
    """Add N or D from C = 6 N D where the other two are there, and put N, D, C, U first."""
    have = {symbol for symbol in ("N", "D", "C") if symbol in values and values[symbol].ndim == 1}
    if have == {"N", "D"} and "C" not in values:
        conventions["C"] = "6 N D" + (f"; {conventions['C']}" if "C" in conventions else "")
    for missing, other in (("D", "N"), ("N", "D")):
        if have == {"C", other} and missing not in refused:
            values[missing] = values["C"] / (6.0 * values[other])
            conventions[missing] = f"C / (6 {other})"
    ordered = {symbol: values.pop(symbol) for symbol in _FIRST if symbol in values}
    rest = dict(values)
    values.clear()
    values.update(ordered | rest)


def _duplicates(arrays: Sequence[np.ndarray], rows: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Row numbers of each group of rows that agree in every array."""
    matrix = np.ascontiguousarray(np.column_stack(arrays)) + 0.0  # -0.0 becomes 0.0: rows are compared as bytes
    keys = matrix.view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1]))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    members: dict[int, list[int]] = {}
    for i in np.flatnonzero(counts[group] > 1):
        members.setdefault(int(group[i]), []).append(int(rows[i]))
    return tuple(sorted(tuple(numbers_) for numbers_ in members.values()))


def _notes(
    values: Mapping[str, np.ndarray],
    rows: np.ndarray,
    columns: Mapping[str, str | tuple[str, ...]],
    loss_unit: str,
    duplicates: tuple[tuple[int, ...], ...],
) -> Iterator[tuple[str, str]]:
    """(code, sentence) of everything in the table that looks unintended."""
    for symbol, (least, factor) in _LEAST_PLAUSIBLE.items():
        if symbol in columns and symbol in values and (median := float(np.median(values[symbol]))) < least:
            yield (
                "suspicious_units",
                f"{symbol} has a median of {format_number(median)} {MEANINGS[symbol]}: if column "
                f"{_listed([columns[symbol]])} is in larger units, multiply it ({factor})",
            )
    if isinstance(source := columns.get("loss"), str):
        median = float(np.median(values["loss"]))
        if re.search(r"ppl|perplexity", source, re.IGNORECASE) or median > 12:
            yield (
                "suspicious_units",
                f"column {quoted(source)}, median {format_number(median)}, looks like perplexity: "
                "take its natural logarithm to have nats per token",
            )
        elif loss_unit == "nats" and re.search(r"(?<![a-z])(bits?|bp[bctw])(?![a-z])", source, re.IGNORECASE):
            yield (
                "suspicious_units",
                f'column {quoted(source)} looks like bits: loss_unit="bits" (--loss-unit bits) turns them into nats',
            )
    if {"N", "D", "C"} <= columns.keys() & values.keys():
        ratio = values["C"] / (6.0 * values["N"] * values["D"])
        median, low, high = (float(v) for v in (np.median(ratio), ratio.min(), ratio.max()))
        if abs(median - 1) > 0.3:
            yield (
                "mixed_conventions",
                f"C is {format_number(median, 3)} times 6 N D in the median ({format_number(low, 3)} to "
                f"{format_number(high, 3)}): N, D and C may count different things, such as embeddings, "
                "attention or repeated data",
            )
        elif high > 2 * low:
            odd = int(np.argmax(np.abs(np.log(ratio / median))))
            yield (
                "mixed_conventions",
                f"C / (6 N D) runs from {format_number(low, 3)} to {format_number(high, 3)}; row {rows[odd]} is "
                "farthest from the rest: the rows may not count N, D or C alike",
            )
    yield from _duplicate_note(duplicates)


def _duplicate_note(duplicates: tuple[tuple[int, ...], ...]) -> Iterator[tuple[str, str]]:
    if duplicates:
        copies = sum(len(group) - 1 for group in duplicates)
        shown = "; ".join(_some(group) for group in duplicates[:5]) + ("; ..." if len(duplicates) > 5 else "")
        yield (
            "duplicate_rows",
            f"{_plural(copies, 'row')} repeat{'s' * (copies == 1)} another in all variables and the response: {shown}",
        )


# Files and other tables ----------------------------------------------------------------------------------------------

_KINDS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".jsonl": "lines", ".ndjson": "lines"}
_KINDS |= {".parquet": "parquet", ".pq": "parquet"}


def read_frame(source: Any) -> pd.DataFrame:
    """The table in a file, on standard input ("-") or in a file object; a frame passes through.

    CSV, TSV, JSON lines, JSON (a list of rows, or columns) and Parquet (extra `io`), each also gzipped, by the ending
    of the name or else by the content. Text cells stay as written; nothing is taken for a number or for missing here.
    A pandas index without a name (an empty first column name) may stay. At most 2 GiB and 20 million rows. Raises
    InputError, and MissingExtraError for Parquet without pyarrow.
    """
    if isinstance(source, (str, os.PathLike)) and str(source) == "-":
        if sys.stdin.isatty():
            raise InputError("nothing is piped into standard input; give a file, or pipe a table in")
        return _table(_limited(getattr(sys.stdin, "buffer", sys.stdin), "standard input"), "", "standard input")
    if isinstance(source, (str, os.PathLike)):
        path, shown = Path(source).expanduser(), f"file {quoted(source, PATH_LIMIT)}"
        try:
            with open(path, "rb") as file:
                data = _limited(file, shown)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(_unreadable(path, error)) from None
        endings = [ending.lower() for ending in path.suffixes]
        return _table(data, _KINDS.get(([e for e in endings if e != ".gz"] or [""])[-1], ""), shown)
    if hasattr(source, "read"):
        return _table(_limited(source, "the file object"), "", "the file object")
    return _as_frame(source)


def _limited(file: Any, shown: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if isinstance(data, str):
        data = data.encode("utf-8", errors="surrogateescape")
    if len(data) > MAX_BYTES:
        raise InputError(f"{shown} is larger than {MAX_BYTES / 1024**3:g} GiB; keep only the columns and rows needed")
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
            return f"there is no file {shown}" + (f"; did you mean {' or '.join(map(quoted, close))}?" if close else "")
    except (OSError, ValueError):
        pass
    return f"file {shown} cannot be read: {inert(getattr(error, 'strerror', None) or error)}"


def _table(data: bytes, kind: str, shown: str) -> pd.DataFrame:
    """The table in some bytes; `kind` is what the name says, or empty."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = _limited(gzip.GzipFile(fileobj=io.BytesIO(data)), shown)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{shown} is broken gzip data: {inert(error, 100)}") from None
    if data[:4] == b"PAR1" or (kind == "parquet" and data):
        return _parquet(data, shown)
    if data[:2] == b"PK":
        raise InputError(f"{shown} is an Excel workbook or another zip archive; save the sheet as CSV")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{shown} is UTF-16 text; save it as UTF-8")
    if b"\0" in data:
        raise InputError(f"{shown} is binary, not a table of text; CSV, TSV, JSON lines and Parquet can be read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{shown} is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8"
        ) from None
    if not text.strip():
        raise InputError(f"{shown} is empty")
    is_json = kind in ("json", "lines") or (not kind and text.lstrip()[0] in "[{")
    frame = _json(text, kind, shown) if is_json else _delimited(text, kind, shown)
    if not len(frame):
        raise InputError(f"{shown} has a header but no rows")
    return frame


def _delimited(text: str, kind: str, shown: str) -> pd.DataFrame:
    first = text.lstrip("\r\n").splitlines()[0]
    delimiter = "\t" if kind == "tsv" or ("," not in first and "\t" in first) else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if not header:
                header = _header(cells, shown)
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{shown}: line {reader.line_num} has {_plural(len(cells), 'cell')} where the header has "
                    f"{len(header)}; put quotes around a cell that holds the separator, or fill the row up"
                )
            rows.append(cells)
            if len(rows) > MAX_ROWS:
                raise InputError(_too_many(shown))
    except csv.Error as error:
        raise InputError(f"{shown}: line {reader.line_num} cannot be read: {inert(error)}") from None
    return pd.DataFrame(np.array(rows, dtype=object).reshape(len(rows), len(header)), columns=pd.Index(header))


def _header(cells: list[str], shown: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and ";" in names[0]:
        raise InputError(f"{shown}: columns seem to be separated by ';'; save it with commas or tabs")
    empty = [i + 1 for i, name in enumerate(names) if not name and i]
    if empty or names == [""]:
        raise InputError(f"{shown}: column{'s' * (len(empty) > 1)} {_some(empty or [1])} of the header has no name")
    if all(_is_number(name) for name in names):
        raise InputError(f"{shown}: the first line holds numbers ({_listed(names, 3)}); it must name the columns")
    _unique(names, shown)
    return names


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except InputError:
        return False
    return True


def _unique(names: Sequence[str], shown: str) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InputError(f"{shown} has more than one column called {_listed(repeated)}; give each its own name")


def _json(text: str, kind: str, shown: str) -> pd.DataFrame:
    try:
        try:
            table = _json_lines(text, shown) if kind == "lines" else json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise InputError(f"{shown}: line {error.lineno} is not JSON: {error.msg}") from None
            table = _json_lines(text, shown)
    except RecursionError:
        raise InputError(f"{shown} is JSON nested too deeply for a table") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown} cannot be read as JSON: {inert(error, 100)}") from None
    if isinstance(table, dict):
        if str(table.get("format", "")).startswith("jaxscale."):
            raise InputError(f"{shown} is a {quoted(table['format'])} file that jaxscale wrote, not a table of runs")
        kinds = {type(value) for value in table.values()}
        if kinds <= {list, dict} and len(kinds) == 1:  # columns, as lists or as pandas writes them by default
            return _as_frame({name: list(c.values()) if isinstance(c, dict) else c for name, c in table.items()})
        table = [table]
    if not isinstance(table, list):
        raise InputError(f"{shown} holds one JSON value, not a list of rows")
    if len(table) > MAX_ROWS:
        raise InputError(_too_many(shown))
    for number, row in enumerate(table, 1):
        if not isinstance(row, dict):
            raise InputError(f"{shown}: row {number} is not a JSON object of column names and values")
    return _as_frame(pd.DataFrame(table, dtype=object))


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
    _unique([name for name, _ in pairs], "a JSON object")
    return dict(pairs)


def _parquet(data: bytes, shown: str) -> pd.DataFrame:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(_NEEDS_PYARROW.format(what=f"{shown} is Parquet and")) from None
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        if file.metadata.num_rows > MAX_ROWS:
            raise InputError(_too_many(shown))
        # Without its metadata, so that a column which was a pandas index stays a column.
        frame = file.read().to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{shown} cannot be read as Parquet: {inert(error, 100)}") from None
    if not len(frame):
        raise InputError(f"{shown} has no rows")
    return _as_frame(frame)


def _as_frame(table: Any) -> pd.DataFrame:
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
    _unique(labels, kind)
    return frame if all(isinstance(label, str) for label in frame.columns) else frame.set_axis(labels, axis=1)


def _column(values: Any) -> Any:
    return values if isinstance(values, pd.api.extensions.ExtensionArray) else np.asarray(values)


_NEEDS_PYARROW = "{what} needs pyarrow: pip install 'jaxscale[io]'"


def _too_many(shown: str) -> str:
    return f"{shown} has more than {MAX_ROWS // 1_000_000} million rows; keep only those needed"


# Small helpers -------------------------------------------------------------------------------------------------------


def _finite(name: str, values: Any) -> np.ndarray:
    """A read-only float64 copy, all finite."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{quoted(name)} must hold numbers") from None
    bad = np.argwhere(~np.isfinite(array))
    if array.ndim == 0 or len(bad):
        raise InputError(
            f"{quoted(name)} must hold finite numbers" + (f"; value {bad[0][0] + 1} is not" if len(bad) else "")
        )
    array.flags.writeable = False
    return array


def _one_of(what: str, value: object, choices: Iterable[str]) -> None:
    if value not in tuple(choices):
        raise InputError(f"{what} must be one of {', '.join(choices)}; not {quoted(value)}")


def _typed(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{quoted(value)} where {kind.__name__} is expected")
    return value


def _list_of(values: Any, kind: type[T]) -> list[T]:
    return [_typed(value, kind) for value in _typed(values, list)]


def _float_list(name: str, values: Any) -> np.ndarray:
    """A list of numbers, or of equally long lists of numbers."""
    for row in _typed(values, list):
        for value in row if isinstance(row, list) else [row]:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{quoted(name)} holds {quoted(value)}, not a number")
    return _finite(name, values)


def _some(values: Sequence[object], most: int = 5) -> str:
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" + "s" * (count != 1)
