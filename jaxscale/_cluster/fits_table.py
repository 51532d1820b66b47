"""Fits of many sets in files: questions answered by reading the columns they need, never all records."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import PATH_LIMIT, inert, plain, plural, quoted
from jaxscale._cluster.job import Job
from jaxscale._cluster.parts import parts_in
from jaxscale._cluster.sets_in_parquet import parquet_tools
from jaxscale._cluster.shards import Shard
from jaxscale._fitting.fits import Failure, GroupValue, entry_from
from jaxscale._fitting.result import FitResult
from jaxscale.laws import Law

TABLE_FORMAT = "jaxscale.fits_table/1"
_MOST_REASONS = 8


@dataclass(frozen=True, eq=False)
class FitsTable(Reporting):
    """Fits of many sets in Parquet, in the order of their numbers. Nothing is in memory but what was asked for.

    files: of the parts that are there. by: the columns that sets are of. about: what the files say of all their rows
    (law, options, versions, inputs). missing: shards whose part is not there (yet). law: one of your own, which whole
    fits need.
    """

    files: tuple[Path, ...]
    by: tuple[str, ...]
    about: dict[str, Any]
    missing: tuple[Shard, ...] = ()
    law: Law | None = None

    def __len__(self) -> int:
        return sum(parquet_tools().parquet.read_metadata(file).num_rows for file in self.files)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows as frames of some thousands each, of all columns or some: one row for each set, as in `to_frame`."""
        pa = parquet_tools()
        for file in self.files:
            with pa.parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(columns=None if columns is None else list(columns)):
                    yield pa.Table.from_batches([batch]).to_pandas()

    def to_frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One row for each set: what it is called, set (its number), ok, trustworthy, codes, error_code, error, each
        parameter with _low, _high and _se, objective, covariance (of theta, row by row) and what its starts did."""
        return pd.concat([*self.batches(columns)], ignore_index=True)

    @property
    def parameters(self) -> pd.DataFrame:
        """One row for each set that was fitted: its name, and each parameter with the ends of its interval."""
        names = [f"{name}{end}" for name in self._parameter_names for end in ("", "_low", "_high")]
        frame = self.to_frame([*self._by_columns, "ok", *names])
        return frame[frame["ok"]].drop(columns="ok").reset_index(drop=True)

    @property
    def failures(self) -> pd.DataFrame:
        """One row for each set that has no fit: its name, number, and why."""
        wanted = [*self._by_columns, "set", "ok", "error_code", "error"]
        parts = [frame[~frame["ok"]] for frame in self.batches(wanted)]
        return pd.concat(parts, ignore_index=True).drop(columns="ok")

    @cached_property
    def _counted(self) -> tuple[Counter[str], Counter[str], int, int]:
        """How often each verdict code and each reason of a failure occurs, and how many are trustworthy and fitted."""
        codes: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        trusted = fitted = 0
        for frame in self.batches(["ok", "trustworthy", "codes", "error_code", "error"]):
            for of_set in frame["codes"]:
                codes.update(of_set)
            bad = frame[~frame["ok"]]
            reasons.update(f"{code}: {text}" for code, text in zip(bad["error_code"], bad["error"], strict=True))
            trusted += int(frame["trustworthy"].fillna(False).astype(bool).sum())
            fitted += int(frame["ok"].sum())
        return codes, reasons, trusted, fitted

    @property
    def codes(self) -> dict[str, int]:
        """For how many sets each verdict code holds, the most frequent first."""
        return dict(self._counted[0].most_common())

    @property
    def summary(self) -> str:
        """How many sets have which outcome, in words."""
        _, reasons, trusted, fitted = self._counted
        return f"{trusted:,} trustworthy, {fitted - trusted:,} not, {sum(reasons.values()):,} failed"

    @property
    def untrustworthy(self) -> int:
        """How many sets are not trustworthy or have no fit."""
        return len(self) - self._counted[2]

    def to_dict(self) -> dict[str, Any]:
        """What is there in numbers; the fits themselves stay in their files."""
        codes, reasons, trusted, fitted = self._counted
        return {
            "law": self.about["law"],
            "by": list(self.by),
            "sets": len(self),
            "fitted": fitted,
            "trustworthy": trusted,
            "codes": dict(codes.most_common()),
            "failures": dict(reasons.most_common()),
            "files": list(map(str, self.files)),
            "missing": [shard.index for shard in self.missing],
        }

    def __getitem__(self, group: str | tuple[GroupValue, ...]) -> FitResult:
        """The whole fit of a set, by its name or its values, where records were kept.

        Raises:
            InputError: there is no such set, it has no fit (the reason is told), or its record was not kept.
        """
        values = [None if v is None else str(v) for v in group] if isinstance(group, tuple) else self._values(group)
        for file in self.files:
            found = self._row_in(file, values)
            if found is not None:
                return self._fit_at(file, found, group)
        raise InputError(f"there is no set {quoted(group)}" + (f"; {self._missing_words}" if self.missing else ""))

    def _values(self, group: str) -> list[str | None]:
        return [group] if len(self.by) == 1 else [*next(csv.reader([group], skipinitialspace=True))]

    def _row_in(self, file: Path, values: Sequence[str | None]) -> dict[str, Any] | None:
        pa = parquet_tools()
        if len(values) != len(self.by):
            raise InputError(f"a set has a value for each of {', '.join(self.by)}, got {inert(values, 60)}")
        which: Any = None
        for name, value in zip(self._by_columns, values, strict=True):
            field = pa.dataset.field(name)
            alike = field.is_null() if value is None else field == value
            which = alike if which is None else which & alike
        rows = pa.parquet.read_table(file, columns=["ok", "error_code", "error", "record_at"], filters=which)
        return rows.slice(0, 1).to_pylist()[0] if rows.num_rows else None

    def _fit_at(self, file: Path, row: dict[str, Any], group: Any) -> FitResult:
        if not row["ok"]:
            raise InputError(f"set {quoted(group)} has no fit: {row['error']}")
        records = file.with_suffix(".jsonl")
        if row["record_at"] is None or not records.is_file():
            why = "were not kept" if row["record_at"] is None else f"are not there: {quoted(records.name)} is missing"
            raise InputError(
                f"whole records {why}; its numbers are in to_frame(). Fit with records=True (--records), or fit this "
                "set alone"
            )
        with open(records, "rb") as lines:
            lines.seek(row["record_at"])
            item = entry_from(json.loads(lines.readline()), self.law)
        assert not isinstance(item, Failure)
        return item

    @property
    def _by_columns(self) -> list[str]:
        return list(parquet_tools().parquet.read_schema(self.files[0]).names[: len(self.by)])

    @property
    def _parameter_names(self) -> list[str]:
        names = parquet_tools().parquet.read_schema(self.files[0]).names
        return [name for name in names if f"{name}_se" in names]

    @property
    def _missing_words(self) -> str:
        shown = ", ".join(str(shard.index) for shard in self.missing[:10])
        more = f" and {len(self.missing) - 10} more" if len(self.missing) > 10 else ""
        return f"{plural(len(self.missing), 'part')} not there: {shown}{more}"

    def report(self) -> Report:
        """How many sets of which outcome, the spread of the parameters, verdict codes, and why sets failed."""
        title = f"{self.about['law']} · {plural(len(self), 'set')} by {', '.join(self.by)}"
        blocks: list[Table | Lines] = [Lines("", (self._missing_words,))] if self.missing else []
        codes, reasons, _, fitted = self._counted
        if fitted:
            values = self.to_frame(self._parameter_names)
            rows = tuple(
                (name, *(plain(float(x)) for x in np.nanquantile(values[name].to_numpy(float), (0.05, 0.5, 0.95))))
                for name in self._parameter_names
            )
            blocks.append(Table("Parameters over sets", ("name", "5 % lie below", "median", "5 % lie above"), rows))
        if codes:
            blocks.append(Table("Verdicts", ("code", "sets"), tuple((c, f"{n:,}") for c, n in codes.most_common())))
        if reasons:
            common = reasons.most_common(_MOST_REASONS)
            left = sum(reasons.values()) - sum(n for _, n in common)
            note = f"{left:,} more sets failed for other reasons; `failures` lists all." if left else ""
            blocks.append(
                Table(
                    "Failed",
                    ("sets", "why"),
                    tuple((f"{n:,}", inert(" ".join(text.split()), 200)) for text, n in common),
                    note,
                )
            )
        return Report(title, self.summary, tuple(blocks))

    def __repr__(self) -> str:
        return f"<FitsTable, {plural(len(self), 'set')} by {inert(', '.join(self.by))}>"


def read_fits(path: str | Path, law: Law | None = None) -> FitsTable:
    """The fits in a folder that `fit_shards` writes, finished or not, or in a file that it or `merge_shards` wrote.

    law: one of your own, for whole fits.

    Raises:
        InputError: the path holds no fits.
    """
    path = expanded(path)
    missing: tuple[Shard, ...] = ()
    if path.is_dir():
        job = Job.read(path)
        parts = parts_in(path, job.shards)
        missing = tuple(Shard(k, job.shards) for k, part in enumerate(parts, 1) if part is None)
        files = tuple(path / f"{part.shard.name}.parquet" for part in parts if part is not None)
        if not files:
            first = job.words_for(f"1/{job.shards}")
            raise InputError(f"{quoted(path, PATH_LIMIT)} holds no part yet; to make the first: {first}")
    elif path.is_file():
        files = (path,)
    else:
        raise InputError(f"there is no file or folder {quoted(path, PATH_LIMIT)}")
    about = _about(files[0])
    return FitsTable(files, tuple(about["by"]), about, missing, law)


def _about(file: Path) -> dict[str, Any]:
    """What a file of fits says of all its rows. InputError if it is none."""
    pa = parquet_tools()
    shown = quoted(file, PATH_LIMIT)
    try:
        metadata = pa.parquet.read_schema(file).metadata or {}
        about = json.loads(metadata[b"jaxscale"])
        if about["format"] != TABLE_FORMAT:
            raise KeyError
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{shown} cannot be read as Parquet: {inert(error, 100)}; a part that is broken is made again by the call "
            "that made it"
        ) from None
    except (KeyError, ValueError):
        raise InputError(f"{shown} is no file of fits that fit_shards or merge_shards wrote") from None
    return about
