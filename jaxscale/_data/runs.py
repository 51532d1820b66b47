"""`Runs`: checked float64 arrays with a record of what was read, guessed, converted and noticed."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from jaxscale._base.errors import DataWarning, InputError, PrecisionWarning, warn
from jaxscale._base.measure import Measure
from jaxscale._base.text import escape_html, format_number, inert, listed, plural, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.checkpoints import CHECKPOINTS, Curves, along, checkpoint_note, last_of_each
from jaxscale._data.columns import Column
from jaxscale._data.model_names import NOMINAL_SIZES
from jaxscale._data.notes import DUPLICATE_ROWS, duplicate_note
from jaxscale._data.reading import read_fields
from jaxscale._data.runs_file import RunsRecord, fields_of, is_of
from jaxscale._data.suggestions import where_to_find
from jaxscale._data.tables import as_frame, read_frame

MAX_ROWS_IN_FILE = 100_000  # a saved fit carries its rows up to this many


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Finished training runs, checked: float64 arrays by law symbol, each finite and of the same length.

    variables      law symbol -> (n_runs,), or (n_runs, k) for a vector; N in parameters, D in tokens, C in FLOPs
    response       (n_runs,), what the law predicts; `response_name` is its symbol, and `record.measure` says what it is
    weights        (n_runs,), at least 0 and not all 0, or None
    clusters       label of the independent training run that each row belongs to, or None
    rows           (n_runs,) row numbers in the source, counted from 1 without the header
    record         what was read, guessed, converted, dropped and noticed
    errors         (n_runs,) standard errors of the response (of its log where it is positive) over the typical one, so
                   that the mean of 1 / errors^2 is one, or None: a fit takes residuals in units of them

    The arrays are read-only. Raises InputError for lengths that differ and values that are not finite.
    """

    variables: Mapping[str, np.ndarray]
    response: np.ndarray
    response_name: str = "loss"
    weights: np.ndarray | None = None
    clusters: tuple[str, ...] | None = None
    rows: np.ndarray = field(default_factory=lambda: np.array([], dtype=np.int64))  # empty: 1, 2, ...
    record: RunsRecord = field(default_factory=lambda: RunsRecord())
    errors: np.ndarray | None = None

    def __post_init__(self) -> None:
        response = _finite(self.response_name, self.response)
        if response.ndim != 1 or not len(response):
            raise InputError(f"{quoted(self.response_name)} needs one value for each run, and at least one run")
        count = len(response)
        variables = {name: _finite(name, values) for name, values in self.variables.items()}
        if not variables:
            raise InputError("runs need at least one variable, such as N or D, beside the response")
        weights = None if self.weights is None else _finite("weights", self.weights)
        errors = None if self.errors is None else _finite("errors", self.errors)
        rows = np.array(self.rows if len(self.rows) else np.arange(1, count + 1), dtype=np.int64)
        rows.flags.writeable = False
        for name, values in [
            *variables.items(),
            ("weights", weights),
            ("errors", errors),
            ("run", self.clusters),
            ("rows", rows),
        ]:
            if values is not None and len(values) != count:
                raise InputError(f"{quoted(name)} has {len(values)} values for {count} of {quoted(self.response_name)}")
        for name, values in variables.items():
            if name == self.response_name or values.ndim > 2 or not values.size:
                raise InputError(f"variable {quoted(name)} must be (n_runs,) or (n_runs, k), and not the response")
        if weights is not None and (weights.ndim != 1 or (weights < 0).any() or not weights.any()):
            raise InputError("weights must be one number at least 0 for each run, and not all 0")
        if errors is not None and (errors.ndim != 1 or not (errors > 0).all()):
            raise InputError("errors must be one number above 0 for each run")
        arrays = [*variables.items(), (self.response_name, response)]
        ranges = {name: (float(values.min()), float(values.max())) for name, values in arrays}
        measure = self.record.measure
        if measure == Measure() and self.response_name != "loss":
            measure = Measure(self.response_name, "")
        said = self.record.conventions
        if errors is not None and "loss_se" not in said:  # not read from a column
            said = {**said, "loss_se": "residuals in units of each run's standard error"}
        checked = {
            "variables": variables,
            "response": response,
            "weights": weights,
            "errors": errors,
            "clusters": None if self.clusters is None else tuple(map(str, self.clusters)),
            "rows": rows,
            "record": replace(self.record, count=count, ranges=ranges, measure=measure, conventions=said),
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
        loss_se: str | None = None,
        run: str | None = None,
        checkpoints: Literal["last", "best", "all", "none"] | None = None,
        best_of: str | Sequence[str] = (),
        where: str | Iterable[str] = (),
        on_bad: Literal["raise", "drop"] = "raise",
        loss_unit: str | None = None,
        domains: Mapping[str, str] | None = None,
        units: Mapping[str, float] | None = None,
        decimal: Literal[".", ","] | None = None,
        row_numbers: Sequence[int] | np.ndarray | None = None,
        encoding: str | None = None,
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
        loss_se      column of standard errors of the loss, in its unit: a fit takes each residual over the run's own
                     error (relative to the typical one), so that squares count by inverse variance, and Huber's delta
                     lies further out for a run that is less sure; of cells such as `4.283 ± 0.003` the column itself
        checkpoints  of runs with several rows: "last" takes the last row of each, "best" the one with the lowest
                     response, "all" every row, "none" takes rows for runs of their own. None: a column that names the
                     run of each row is noticed where sizes stay and tokens rise within it, and laws of final losses are
                     then fitted to the last row of each run; with `run` it is "all".
        best_of      columns of settings that a sweep is over, ["lr", "batch"]: of rows with the same variables the one
                     with the lowest response is kept; of checkpoints the last are compared
        where        one comparison or several, all of which must hold: "COL OP VALUE" with < <= > >= == !=
        on_bad       "raise": a bad cell is an error; "drop": its row is left out, and the record says so
        loss_unit    None: as the header says, "val_loss (bits)" or "val_ppl", else nats. "nats"; "bits", times ln 2;
                     "bpb:4.3", bits per byte with 4.3 bytes per token; "perplexity", whose logarithm is taken;
                     "accuracy", of which 1 - accuracy is the loss, or "error", both as shares of one or in per cent.
                     Columns are recognised by names of that unit first
        domains      symbol -> "positive" (the default), "real", "unit" (0 to 1) or "count" (at least 0)
        units        symbol -> factor of its cells, {"N": 1e6}; overrules the unit that a header such as "params (M)"
                     gives, which is applied where the cells agree with it; 1 leaves them as they are
        decimal      the decimal mark of cells of text; None: found from the whole table, and refused where it is open
        row_numbers  row numbers of the source, where `frame` is a part of it; by default 1, 2, ...
        encoding     of the text of a file, as Python names it ("gb18030", "shift_jis"); `read_runs` decodes by it, and
                     a table in memory has none. None: UTF-8, or what a byte order mark or its letters show
        columns      any other variable by its symbol, U="unique_tokens"; a list of columns makes a vector

        In the place of a column may stand a formula of columns, D="steps*batch*length", N="millions*1e6",
        loss="ln(val_ppl)", response="1 - acc": numbers, + - * / ^, brackets, ln, log2, log10, exp and sqrt, of cells as
        they stand. A name with signs that would be read otherwise is put in quotes.

        In the table of a tracker (a column says how each run ended, as `State` does, or it has several of the columns
        that trackers add) runs that did not finish, or whose loss is missing, not finite or far above all others, are
        set aside and named, and resumed runs (one ID, or `a-resume` beside `a`) are one row; what `where` says of the
        state or of the loss goes before: where="State != ''" keeps runs of every state.

        Cells of text are read as people write them (`70B`, `1.4T tokens`, `5.76×10^23`, `4.283 ± 0.003`), with the
        decimal mark that the whole table shows; how is in the record, and what may be read in two ways is refused.
        Only columns in use are checked. A recognised U, or a recognised C beside N and D, is left out where it has a
        bad cell. Raises InputError. Warns (`DataWarning`) of rows dropped and of what looks unintended, and
        (`PrecisionWarning`) of columns in float16.
        """
        table = as_frame(frame)
        fields = read_fields(
            table,
            N=N,
            D=D,
            C=C,
            loss=loss,
            response=response,
            weights=weights,
            loss_se=loss_se,
            run=run,
            checkpoints=checkpoints,
            best_of=best_of,
            where=where,
            on_bad=on_bad,
            loss_unit=loss_unit,
            domains=domains,
            units=units,
            decimal=decimal,
            row_numbers=row_numbers,
            encoding=encoding,
            **columns,
        )
        runs = cls(**fields)
        _warn(runs.record, table)
        return runs

    @property
    def count(self) -> int:
        """How many runs there are."""
        return len(self.response)

    @property
    def precision(self) -> np.ndarray:
        """What each run counts with, (n_runs,): its weight over the square of its standard error, 1 where all are
        alike."""
        weights = np.ones(self.count) if self.weights is None else self.weights
        return weights if self.errors is None else weights / self.errors**2

    @property
    def sha256(self) -> str:
        """Hash of names, shapes and float64 contents, in row order: the same runs give the same hash anywhere."""
        digest = hashlib.sha256()
        arrays = [*sorted(self.variables.items()), (f"response {self.response_name}", self.response)]
        arrays += [(name, x) for name, x in (("weights", self.weights), ("errors", self.errors)) if x is not None]
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
            + (self._sizes_in_names() if symbol == "N" else "")
            + where_to_find(symbol, self.record.unused, self.record.plain_column("N"))
        )

    def _sizes_in_names(self) -> str:
        """How sizes that stand in names are asked for, as a sentence."""
        said = [inert(note.text) for note in self.record.notes if note.code == NOMINAL_SIZES]
        return "".join(f"{text[:1].upper()}{text[1:]}. " for text in said)

    def to_frame(self) -> pd.DataFrame:
        """One row for each run: variables (a vector as `E[0]`, `E[1]`), response, `weights`, `errors`, `run`; index
        `row`."""
        data: dict[str, Any] = {}
        for name, values in self.variables.items():
            data |= {name: values} if values.ndim == 1 else {f"{name}[{j}]": c for j, c in enumerate(values.T)}
        data[self.response_name] = self.response
        data |= {name: x for name, x in (("weights", self.weights), ("errors", self.errors)) if x is not None}
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
        notes = [note for note in self.record.notes if note.code != DUPLICATE_ROWS]
        conventions = dict(self.record.conventions)
        if sorted(rows.tolist()) != sorted(self.rows.tolist()):
            conventions["subset"] = f"{len(rows)} of {conventions.get('subset', plural(self.count, 'run'))}"
        record = replace(
            self.record,
            conventions=conventions,
            duplicates=duplicates,
            notes=(*notes, *duplicate_note(duplicates)),
        )
        return type(self)(
            {name: values[index] for name, values in self.variables.items()},
            self.response[index],
            self.response_name,
            None if self.weights is None else self.weights[index],
            None if self.clusters is None else tuple(self.clusters[i] for i in index),
            rows,
            record,
            None if self.errors is None else self.errors[index],
        )

    def at_end(self) -> Self:
        """The last row of each run, where rows are checkpoints and nobody said which to take; else the same runs."""
        if not self.record.open_checkpoints or self.clusters is None:
            return self
        curves = Curves(self.clusters, along(self.variables, self.count), _column_of(self.record))
        ends = self.subset(last_of_each(curves.labels, curves.progress))
        return replace(ends, clusters=None, record=_settled(ends.record, curves, "last"))

    def along_runs(self) -> Self:
        """Every row, and nothing left open, where rows are checkpoints."""
        if not self.record.open_checkpoints or self.clusters is None:
            return self
        curves = Curves(self.clusters, along(self.variables, self.count), _column_of(self.record))
        clusters = self.clusters if curves.runs > 1 else None
        return replace(self, clusters=clusters, record=_settled(self.record, curves, "all"))

    def to_data(self, max_rows: int = MAX_ROWS_IN_FILE) -> dict[str, Any]:
        """The `runs` part of a file: plain dicts, lists, numbers and text; `data` is None above `max_rows` runs."""
        arrays = {**self.variables, self.response_name: self.response}
        whole = self.count <= max_rows
        return {
            "count": self.count,
            "response": self.response_name,
            **self.record.to_dict(),
            "sha256": self.sha256,
            "data": {name: values.tolist() for name, values in arrays.items()} if whole else None,
            "weights": self.weights.tolist() if whole and self.weights is not None else None,
            **({"errors": self.errors.tolist()} if whole and self.errors is not None else {}),
            "clusters": list(self.clusters) if whole and self.clusters is not None else None,
            "rows": self.rows.tolist() if whole else None,
        }

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The runs that `to_data` described. Raises InputError for anything it could not have written."""
        if isinstance(data, Mapping) and data.get("data", ...) is None:
            raise InputError("the file does not carry its rows (there are too many); give the table again")
        try:
            runs = cls(**fields_of(data))
            intact = is_of(data, runs.sha256, runs.count)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise InputError(f"the runs in the file cannot be read: {inert(reason, 200)}") from None
        if not intact:
            raise InputError("the runs in the file are not those it was written with: their SHA-256 or count differs")
        return runs

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


def read_runs(source: Any, *, progress: Progress | bool | None = None, **options: Any) -> Runs:
    """Runs from a file, a frame, standard input ("-") or a tracker, with the options of `Runs.from_frame`.

    Columns: N, D, C, loss, response, weights, loss_se, run; other variables by their symbol, U="unique_tokens". Rows:
    where, on_bad, checkpoints, best_of, row_numbers. Cells: loss_unit, units, decimal, domains, encoding.
    `help(Runs.from_frame)` says what each does.

    `source` is a path, a frame or an address. Files may be CSV, TSV, JSON, Excel (extra `xlsx`) or Parquet (`io`).
    Addresses, each with an extra of its own name:

    "wandb:ENTITY/PROJECT"          every run of a project of Weights & Biases
    "mlflow:PLACE#EXPERIMENT"       of a folder, the file of a database or a tracking server; `#EXPERIMENT` may be left
                                    out where only one has runs, and PLACE where MLFLOW_TRACKING_URI says it
    "tensorboard:FOLDER"            one run for each folder with event files
    "trackio:PROJECT"               of Trackio's folder on this machine
    "hf://datasets/USER/NAME/FILE"  a table on the Hugging Face Hub (extra `hub`)

    A tracker's run is one row: what was set as `config.x`, the last value of each metric, its name and its state; runs
    that did not finish or diverged are set aside and named, as `Runs.from_frame` says. With `checkpoints="all"` or
    "best" it is one row for each evaluation of the loss, with the last value of the other metrics. `progress` is called
    as progress(done, total, what) while a tracker is read; True is a line on standard error. Raises InputError, and
    MissingExtraError.
    """
    return Runs.from_frame(read_frame(source, progress, options), **options)


def as_runs(source: Any, **options: Any) -> Runs:
    """Runs as they are, and anything else as `read_runs` reads it."""
    return source if isinstance(source, Runs) else read_runs(source, **options)


def read_quietly(source: Any, **options: Any) -> Runs:
    """`as_runs` without a warning, for tables of which what is noticed is said in another way."""
    return source if isinstance(source, Runs) else Runs(**read_fields(read_frame(source, None, options), **options))


def _column_of(record: RunsRecord) -> str | None:
    column = record.columns.get("run")
    return column if isinstance(column, str) else None


def _settled(record: RunsRecord, curves: Curves, taken: str) -> RunsRecord:
    """The record once it is known which checkpoints are taken."""
    notes = tuple(checkpoint_note(curves, taken) if note.code == CHECKPOINTS else note for note in record.notes)
    return replace(record, notes=notes, open_checkpoints=False)


def _warn(record: RunsRecord, frame: pd.DataFrame) -> None:
    if doubts := record.doubts():
        warn(f"look at the table: {'. '.join(doubts)}", DataWarning)
    used = [name for c in record.columns.values() for name in ((c,) if isinstance(c, str) else c)]
    if narrow := [name for name in used if name in frame.columns and frame[name].dtype == np.float16]:
        warn(
            f"column{'s' * (len(narrow) > 1)} {listed(narrow)}: float16 rounds by up to 0.05 %, which may be more than "
            "what tells laws apart; keep the numbers in float32 or float64 from where they are measured",
            PrecisionWarning,
        )


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
