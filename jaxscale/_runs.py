"""A table becomes `Runs`: checked float64 arrays with a record of what was read, guessed, converted and noticed."""

import difflib
import hashlib
import json
import math
import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
import pandas as pd

from jaxscale._errors import InputError
from jaxscale._tables import as_frame, read_frame
from jaxscale._text import (
    ACCEPTED_NUMBERS,
    escape_html,
    format_number,
    inert,
    listed,
    parse_number,
    plural,
    quoted,
    some,
)

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


class Note(NamedTuple):
    """Something in a table that looks unintended: a code, a sentence, how bad it is, and the rows it is about.

    An "info" matters only where a fit cannot be trusted.
    """

    code: str
    text: str
    severity: Literal["info", "warning", "fatal"] = "warning"
    rows: tuple[int, ...] = ()


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
    conventions: Mapping[str, str] = field(default_factory=dict)  # {"D": "C / (6 N)", "subset": "51 of 54 runs"}
    dropped: tuple[DroppedRow, ...] = ()
    filters: tuple[str, ...] = ()
    filtered: int = 0  # rows that the filters left out
    duplicates: tuple[tuple[int, ...], ...] = ()  # row numbers of rows with the same variables and response
    notes: tuple[Note, ...] = ()  # suspicious_units, mixed_conventions, duplicate_rows, possible_groups
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # symbol: smallest and largest value
    unused: tuple[str, ...] = field(default=(), compare=False)  # columns with no part in the runs; not kept in files

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line that is worth a look; harmless to print."""
        lines = []
        for symbol, (low, high) in self.ranges.items():
            ends = [format_number(x, suffixes=symbol in MEANINGS) for x in (low, high)]
            span = ends[0] if low == high else " to ".join(ends)
            unit = MEANINGS.get(symbol, "")
            sources = []
            if symbol in self.columns:
                column = self.columns[symbol]
                sources.append(f"column {quoted(column)}" if isinstance(column, str) else f"columns {listed(column)}")
            if symbol in self.guessed:
                sources.append("recognised by its name")
            if symbol in self.conventions:
                sources.append(inert(self.conventions[symbol]))
            source = f"  ({', '.join(sources)})" if sources else ""
            lines.append((inert(symbol), span + (f" {unit}" if unit else "") + source))
        for symbol, text in self.conventions.items():
            if symbol not in self.ranges and text != "nats":
                lines.append((inert(symbol), inert(text)))
        if self.filters:
            left_out = f"{plural(self.filtered, 'row')} left out, kept where "
            lines.append(("filter", left_out + " and ".join(map(inert, self.filters))))
        if self.dropped:
            first = self.dropped[0]
            example = f"first row {first.row}: {quoted(first.column)} {inert(first.reason)}"
            lines.append(("dropped", f"{plural(len(self.dropped), 'row')} with a bad cell, {example}"))
        return lines


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
        frame = as_frame(frame)
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
        for symbol, others in chosen.rivals.items():
            conventions[symbol] = f"{listed(others, 3)} would also fit" + (
                f"; {conventions[symbol]}" if symbol in conventions else ""
            )
        if "loss" in values:
            conventions["loss_unit"] = "nats" if loss_unit == "nats" else "bits, times ln 2"
            values["loss"] = values["loss"] * (1.0 if loss_unit == "nats" else math.log(2.0))
        elif loss_unit == "bits":
            raise InputError('loss_unit="bits" needs a column that is the loss; name it with loss="..." (--loss)')
        answer = values.pop(chosen.response)
        _complete(values, conventions, {symbol for symbol, column in (("N", N), ("D", D)) if column is False})
        duplicates = _duplicates([*values.values(), answer], rows)
        kept_columns = {s: column for s, column in chosen.columns.items() if s not in cells.left_out}
        used = {
            name for column in chosen.columns.values() for name in ((column,) if isinstance(column, str) else column)
        }
        unused = [name for name in frame.columns if name not in used]
        notes = [
            *_notes({**values, chosen.response: answer}, rows, kept_columns, loss_unit),
            *_duplicate_note(duplicates),
            *_group_notes(frame, unused),
        ]
        record = RunsRecord(
            columns=kept_columns,
            guessed=tuple(symbol for symbol in kept_columns if symbol in chosen.guessed),
            conventions=conventions,
            dropped=cells.dropped,
            filters=filters,
            filtered=filtered,
            duplicates=duplicates,
            notes=tuple(notes),
            unused=tuple(unused),
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
        raise InputError(
            f"the runs have no variable {quoted(symbol)}; they have {', '.join(map(inert, self.variables))}. "
            + _where_to_find(symbol, self.record.unused)
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
        notes = [note for note in self.record.notes if note.code != "duplicate_rows"]
        conventions = dict(self.record.conventions)
        if sorted(rows.tolist()) != sorted(self.rows.tolist()):
            conventions["subset"] = f"{len(rows)} of {conventions.get('subset', plural(self.count, 'run'))}"
        record = replace(
            self.record,
            conventions=conventions,
            duplicates=duplicates,
            notes=(*notes, *_duplicate_note(duplicates)),
        )
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
            "notes": [{**note._asdict(), "rows": list(note.rows)} for note in record.notes],
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
            notes=tuple(map(_note_from, _list_of(data["notes"], dict))),
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

    def _lines(self) -> list[tuple[str, str]]:
        return self.record.lines() + [(note.code, inert(note.text)) for note in self.record.notes]

    def __repr__(self) -> str:
        ranges = (f"{inert(s)} {format_number(a)} to {format_number(b)}" for s, (a, b) in self.record.ranges.items())
        return f"<Runs: {plural(self.count, 'run')}, {', '.join(ranges)}>"

    def __str__(self) -> str:
        lines = self._lines()
        width = max(len(label) for label, _ in lines)
        return "\n".join([plural(self.count, "run"), *(f"  {label:<{width}}  {text}" for label, text in lines)])

    def _repr_html_(self) -> str:
        body = "".join(f"<tr><th>{escape_html(a)}</th><td>{escape_html(b)}</td></tr>" for a, b in self._lines())
        return f"<table><caption>{plural(self.count, 'run')}</caption>{body}</table>"


def read_runs(source: Any, **options: Any) -> Runs:
    """Runs from a file, a frame or standard input: `read_frame`, then `Runs.from_frame` with the options."""
    return Runs.from_frame(read_frame(source), **options)


# Which column is what ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chosen:
    columns: dict[str, str | tuple[str, ...]]  # symbol, "weights" or "run": its column(s)
    guessed: frozenset[str]
    rivals: dict[str, list[str]]  # guessed symbol: columns that its names know as well
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
    if answer in ("run", "weights"):
        raise InputError(
            f"the response cannot be called {quoted(answer)}, which means something else; rename that column"
        )
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
            f"no column is recognised as the loss; there are {listed(columns)}. "
            'Name it with loss="..." (--loss), or another response with response="..." (--response)'
        )
    symbols = [symbol for symbol in dict.fromkeys([*_FIRST, *found]) if symbol in found and symbol != answer]
    if not symbols:
        raise InputError(
            f"no column is recognised as a variable (N, D, C, U); there are {listed(columns)}. "
            + (_in_larger_units(columns, ("N", "D", "C")) or 'Name them with N="...", D="..." (-N, -D)')
        )
    ordered = {symbol: found[symbol] for symbol in [*symbols, answer]}
    for role, column in (("weights", weights), ("run", run)):
        if column is not None:
            ordered[role] = _existing(columns, role, column)
    rivals = {s: [c for c in columns if c not in used and any(_key(c) in r for r in ALIASES[s])] for s in guessed}
    return _Chosen(ordered, frozenset(guessed), {s: others for s, others in rivals.items() if others}, answer)


def _existing(columns: list[str], role: str, column: Any) -> Any:
    """`column`, which must be there; a list of columns becomes a tuple."""
    if isinstance(column, (list, tuple)):
        if not column:
            raise InputError(f"{inert(role)} needs at least one column")
        return tuple(_existing(columns, role, name) for name in column)
    name = str(column)
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=3) or [c for c in columns if _key(c) == _key(name)]
        hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {listed(columns)}"
        raise InputError(f"there is no column {quoted(name)} ({inert(role)}); {hint}")
    return name


def _recognise(columns: list[str], symbol: str) -> str | None:
    """The column of the best rank of the symbol's aliases that matches any."""
    for rank, names in enumerate(ALIASES[symbol]):
        found = [column for column in columns if _key(column) in names or (rank == 0 and column == symbol)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"columns {listed(found)} could each be {symbol}; choose one with "
                f'{symbol}="{inert(found[0], 60)}" (on the command line {_flag(symbol)}{quoted(found[0])})'
            )
    return None


def _key(name: str) -> str:
    return re.sub(r"[\s_.\-]", "", name).lower()


def _flag(symbol: str) -> str:
    """How the column of a symbol is named on the command line."""
    return f"{_FLAGS[symbol]} " if symbol in _FLAGS else f"--col {inert(symbol)}="


def _where_to_find(symbol: str, unused: Sequence[str]) -> str:
    """What to do about a symbol that no column was recognised as."""
    hint = _in_larger_units(unused, (symbol,)) or f'Name its column with {inert(symbol)}="..." ({_flag(symbol)}COLUMN)'
    return hint + (f"; columns not used: {listed(unused)}" if unused else "")


_LARGER_UNIT = re.compile(
    r"(?P<name>.*[^\s_.\-(\[])[\s_.\-(\[]+"
    r"(?:(?P<K>k|thousands?)|(?P<M>m|mn|millions?)|(?P<B>b|bn|g|billions?)|(?P<T>t|tn|trillions?))[)\]]?",
    re.IGNORECASE,
)


def _in_larger_units(columns: Sequence[str], symbols: Sequence[str]) -> str:
    """A sentence about the first column that is named like a symbol, but in thousands, millions or more; or nothing."""
    for symbol in symbols:
        for column in columns:
            match = _LARGER_UNIT.fullmatch(column)
            if match and any(_key(match["name"]) in rank for rank in ALIASES.get(symbol, ())):
                words = {"K": "1e3, thousands", "M": "1e6, millions", "B": "1e9, billions", "T": "1e12, trillions"}
                unit = next(words[u] for u in words if match[u])
                return (
                    f"Column {quoted(column)} may be {symbol}, but by its name it is in units of {unit}: "
                    f'multiply it in the table, then name it with {symbol}="..." ({_flag(symbol)}COLUMN)'
                )
    return ""


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
                f"row{'s' * (len(faults) > 1)} {some([int(rows[i]) for i in faults])}; "
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
        keep &= holds(frame, text, rows)
        if not keep.any():
            raise InputError(f"no row is left by the filter {' and '.join(map(quoted, filters))}")
    return keep


def holds(frame: pd.DataFrame, text: str, rows: np.ndarray, what: str = "filter") -> np.ndarray:
    """Where "COL OP VALUE" holds. A missing cell equals only "", and is neither above nor below anything.

    `rows` are the numbers of the rows, and `what` is what the comparison is for, both for messages.
    """
    column, operator, value = _comparison(text, list(frame.columns), what)
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
                f"{what} {quoted(text)}: {operator} needs numbers, but column {quoted(column)} holds "
                f"{quoted(frame[column].iloc[i])} in row {rows[i]}; text compares with == and != only"
            )
        return _COMPARISONS[operator](values, operand)
    if operator not in ("==", "!="):
        raise InputError(f"{what} {quoted(text)}: {operator} needs a number on the right, not {quoted(value)}")
    if literal == value and not is_text.any():
        raise InputError(f"{what} {quoted(text)}: column {quoted(column)} holds numbers, and {quoted(value)} is none")
    equal = (
        np.array(["" if _is_missing(cell) else str(cell).strip() for cell in frame[column]], dtype=object) == literal
    )
    return equal if operator == "==" else ~equal


def _comparison(text: str, columns: list[str], what: str) -> tuple[str, str, str]:
    """Column, operator and value of "COL OP VALUE"; the first operator with a column on its left counts."""
    found = list(re.finditer("|".join(_COMPARISONS), text))
    for match in found:
        left, value = text[: match.start()].strip(), text[match.end() :].strip()
        for column in (left, _unquoted(left)):
            if column in columns and value:
                return column, match[0], value
    if not found or not text[: found[0].start()].strip() or not text[found[0].end() :].strip():
        raise InputError(f"{what} {quoted(text)} must read COLUMN OP VALUE, with OP one of {' '.join(_COMPARISONS)}")
    _existing(columns, f"{what} {quoted(text)}", _unquoted(text[: found[0].start()].strip()))
    raise InputError(f"{what} {quoted(text)} cannot be read")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`" else text


# What the numbers say about the table --------------------------------------------------------------------------------

# A median below this is hardly a count of parameters, tokens or FLOPs.
_LEAST_PLAUSIBLE = {
    "N": (1e4, "by 1e9 if it is in billions"),
    "D": (1e5, "by 1e9 if it is in billions"),
    "C": (1e10, "by 8.64e19 if it is in PF-days"),
}
# Set on the tables of benchmarks/verdicts.py: real ones have 2.5 to 2,000 tokens per parameter in the median, spread by
# 1.2e5 at most; swapped columns have .04, rows in billions beside others a spread of 4e12.
_FEWEST_TOKENS, _MOST_SPREAD = 0.2, 1e7
_OTHER_UNIT = 10.0  # C that far off 6 N D is no convention of counting: a column is in another unit
_FEWEST_IN_GROUP, _MOST_GROUPS = 5, 20


def _complete(values: dict[str, np.ndarray], conventions: dict[str, str], refused: set[str]) -> None:
    """Add N or D from C = 6 N D where the other two are there, and put N, D, C, U first."""
    have = {symbol for symbol in ("N", "D", "C") if symbol in values and values[symbol].ndim == 1}
    if have == {"N", "D"} and "C" not in values:
        conventions["C"] = "6 N D" + (f"; {conventions['C']}" if "C" in conventions else "")
    for missing, other in (("D", "N"), ("N", "D")):
        if have == {"C", other} and missing not in refused:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # what is not finite is refused below
                values[missing] = values["C"] / values[other] / 6.0
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
) -> Iterator[Note]:
    """Everything in the numbers that looks unintended."""
    in_larger_units = False
    for symbol, (least, factor) in _LEAST_PLAUSIBLE.items():
        if symbol in columns and symbol in values and (median := _median(values[symbol])) < least:
            in_larger_units = True
            yield Note(
                "suspicious_units",
                f"{symbol} has a median of {format_number(median)} {MEANINGS[symbol]}: if column "
                f"{listed([columns[symbol]])} is in larger units, fix the table: multiply it {factor}",
            )
    if isinstance(source := columns.get("loss"), str):
        median = _median(values["loss"])
        if re.search(r"ppl|perplexity", source, re.IGNORECASE) or median > 12:
            yield Note(
                "suspicious_units",
                f"column {quoted(source)}, median {format_number(median)}, looks like perplexity: fix the table: "
                "its natural logarithm is the loss in nats per token",
            )
        elif loss_unit == "nats" and re.search(r"(?<![a-z])(bits?|bp[bctw])(?![a-z])", source, re.IGNORECASE):
            yield Note(
                "suspicious_units",
                f'column {quoted(source)} looks like bits: loss_unit="bits" (--loss-unit bits) turns them into nats',
            )
    logs = {s: np.log(values[s]) for s in ("N", "D", "C") if s in columns and s in values and _counts(values[s])}
    if {"N", "D"} <= logs.keys():
        median, low, high, odd = _spread(logs["D"] - logs["N"])
        if high > _MOST_SPREAD * low:
            yield Note(
                "suspicious_units",
                f"tokens per parameter run from {format_number(low, 3)} to {format_number(high, 3)}; row {rows[odd]} "
                "is farthest from the rest: some rows count N or D in another unit; fix the table",
                "fatal",
                (int(rows[odd]),),
            )
        elif median < _FEWEST_TOKENS and not in_larger_units:
            yield Note(
                "suspicious_units",
                f"the median run has {format_number(median, 3)} tokens per parameter, real ones more than one: if "
                f"columns {listed([columns['N']])} (N) and {listed([columns['D']])} (D) are swapped, or in different "
                "units, fix the table",
                "fatal",
            )
    if {"N", "D", "C"} <= logs.keys():
        median, low, high, odd = _spread(logs["C"] - logs["N"] - logs["D"] - math.log(6.0))
        times = f"C is {format_number(median, 3)} times 6 N D in the median"
        span = f"({format_number(low, 3)} to {format_number(high, 3)})"
        if not 1 / _OTHER_UNIT < median < _OTHER_UNIT:
            yield Note(
                "mixed_conventions",
                f"{times} {span}: N, D or C is not in parameters, tokens or FLOPs; fix the table, or if "
                "C alone is wrong, read it without (C=False)",
                "fatal",
            )
        elif abs(median - 1) > 0.3:
            yield Note(
                "mixed_conventions",
                f"{times} {span}: N, D and C may count different things, such as embeddings, "
                "attention or repeated data",
            )
        elif high > 2 * low:
            yield Note(
                "mixed_conventions",
                f"C / (6 N D) runs from {format_number(low, 3)} to {format_number(high, 3)}; row {rows[odd]} is "
                "farthest from the rest: the rows may not count N, D or C alike",
                rows=(int(rows[odd]),),
            )


def _median(values: np.ndarray) -> float:
    """The median, also of numbers so large that the sum of two is infinite."""
    return 2.0 * float(np.median(values / 2.0))


def _counts(values: np.ndarray) -> bool:
    """Whether these are one positive number for each run."""
    return values.ndim == 1 and bool(np.all(values > 0))


def _spread(log_ratio: np.ndarray) -> tuple[float, float, float, int]:
    """Median, least and largest of a ratio, in logs so that none overflows on the way, and the position of the run
    farthest from the median."""
    middle = float(np.median(log_ratio))
    median, low, high = (math.exp(min(float(x), 700.0)) for x in (middle, log_ratio.min(), log_ratio.max()))
    return median, low, high, int(np.argmax(np.abs(log_ratio - middle)))


def _duplicate_note(duplicates: tuple[tuple[int, ...], ...]) -> Iterator[Note]:
    if duplicates:
        copies = sum(len(group) - 1 for group in duplicates)
        shown = "; ".join(some(group) for group in duplicates[:5]) + ("; ..." if len(duplicates) > 5 else "")
        yield Note(
            "duplicate_rows",
            f"{plural(copies, 'row')} repeat{'s' * (copies == 1)} another in all variables and the response: {shown}",
            rows=tuple(row for group in duplicates for row in group),
        )


def _group_notes(frame: pd.DataFrame, unused: Sequence[str]) -> Iterator[Note]:
    """Columns of words, with no part in the runs, whose few values may each deserve a fit of their own."""
    for name in unused:
        cells = frame[name]
        if pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
            continue
        try:
            values = [value for value in cells.unique() if not _is_missing(value)]
        except TypeError:  # cells that are lists
            continue
        if not 2 <= len(values) <= min(_MOST_GROUPS, len(cells) // _FEWEST_IN_GROUP):
            continue
        if all(isinstance(value, str) for value in values) and _numbers(pd.Series(values, dtype=object))[1].all():
            yield Note(
                "possible_groups",
                f"column {quoted(name)} has {len(values)} values, all in one fit; one fit per group: "
                f"fit_many(..., by={quoted(name)}) (--by {quoted(name)})",
                "info",
            )


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


def _note_from(data: Mapping[str, Any]) -> Note:
    severity = data.get("severity", "warning")
    _one_of("a severity", severity, ("info", "warning", "fatal"))
    rows = tuple(_list_of(data.get("rows", []), int))
    return Note(_typed(data["code"], str), _typed(data["text"], str), severity, rows)


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
