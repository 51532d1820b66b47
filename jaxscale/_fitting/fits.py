"""Fits of the groups of a table, those that failed among them, and their file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.report import Report, Reporting, Table
from jaxscale._base.text import inert, plain, quoted
from jaxscale._fitting.pending import Pending
from jaxscale._fitting.pooling.sharing import Sharing
from jaxscale._fitting.result import FitResult, fit_from
from jaxscale.laws import Law


def _apart(column: str) -> str:
    """A column of groups, under a name that no other column of the table of fits has."""
    return f"by_{column}" if column in ("ok", "trustworthy", "runs", "objective", "codes", "error") else column


@dataclass(frozen=True)
class Failure:
    """Why a group has no fit: a code and a sentence."""

    code: str
    text: str


Entry = FitResult | Failure | Pending
GroupValue = str | int | float | bool | None


@dataclass(frozen=True, eq=False)
class Fits(Reporting, files.Saved):
    """Fits of many groups. A group that could not be fitted is a `Failure` with its reason, and disturbs no other.

    by: the column that groups are of, or several. A group of one column is called by its value, as text, one of several
    by their values with commas between them, as in a CSV file: `fits["c4, adamw"]`, or `fits["c4", "adamw"]`. values:
    of several columns, those of each group as they are in the table, None where one is missing; empty for one column.
    `entries` may hold fits that are `Pending`: their verdicts are reached when somebody looks.
    `sharing` is the record of the joint fit where groups share parameters. `for name, one in fits` goes through all of
    them; `items` and `summary` are properties.
    """

    _columns = 160
    _format = files.FITS_FORMAT

    by: str | tuple[str, ...]
    entries: tuple[tuple[str, Entry], ...]
    sharing: Sharing | None = None
    values: tuple[tuple[GroupValue, ...], ...] = ()

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns that groups are of."""
        return (self.by,) if isinstance(self.by, str) else self.by

    @property
    def items(self) -> tuple[tuple[str, FitResult | Failure], ...]:
        """Every group with its fit, or why there is none."""
        return tuple((name, _made(entry)) for name, entry in self.entries)

    def __iter__(self) -> Iterator[tuple[str, FitResult | Failure]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, group: str | tuple[GroupValue, ...]) -> FitResult:
        """The fit of a group, by its name or its values. Raises InputError if there is none, with the reason."""
        group = group if isinstance(group, str) else group_name(group)
        for name, entry in self.entries:
            if name == group:
                item = _made(entry)
                if isinstance(item, Failure):
                    raise InputError(f"group {quoted(group)} has no fit: {item.text}")
                return item
        raise InputError(f"no group {quoted(group)}; there are {', '.join(inert(n) for n, _ in self.entries[:20])}")

    def to_frame(self) -> pd.DataFrame:
        """One row for each group: the columns it is of (text where it is one), ok, trustworthy, runs, parameters with
        their intervals, objective, codes, error. A column of groups called like one of these gets `by_` before it."""
        rows = []
        for (_, item), values in zip(self.items, self._values(), strict=True):
            row: dict[str, Any] = dict(zip(map(_apart, self.by_columns), values, strict=True))
            if isinstance(item, Failure):
                rows.append(row | {"ok": False, "error": f"{item.code}: {item.text}"})
                continue
            row |= {"ok": True, "trustworthy": item.verdict.trustworthy, "runs": item.record.count}
            for name, value in item.params.items():
                low, high = item.intervals.params.get(name, (np.nan, np.nan))
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
            row |= {"objective": item.value, "codes": " ".join(dict.fromkeys(item.verdict.codes)), "error": ""}
            rows.append(row)
        return pd.DataFrame(rows)

    def _values(self) -> tuple[tuple[GroupValue, ...], ...]:
        """What each group has in each column that it is of."""
        return tuple((name,) for name, _ in self.entries) if isinstance(self.by, str) else self.values

    @property
    def _by_words(self) -> str:
        return ", ".join(self.by_columns)

    def report(self) -> Report:
        """One row for each group, failures with their reason."""
        fitted = [item for _, item in self.items if isinstance(item, FitResult)]
        names = fitted[0].law.parameter_names if fitted else ()
        rows = []
        for group, item in sorted(self.items, key=lambda entry: _how_good(entry[1])):
            if isinstance(item, Failure):
                rows.append((group, "failed", "", *("" for _ in names), item.text))
            else:
                state = "trustworthy" if item.verdict.trustworthy else "NOT TRUSTWORTHY"
                values = (plain(item.params[n]) for n in names)
                rows.append((group, state, str(item.record.count), *values, ", ".join(item.verdict.deciding)))
        law = f"{fitted[0].law.name} · " if fitted else ""
        table = Table("", (self._by_words, "verdict", "runs", *names, "why"), tuple(rows), self._counts())
        together = self.sharing.blocks() if self.sharing else ()
        return Report(f"{law}{len(self.items)} groups by {self._by_words}", self.summary, (*together, table))

    def _counts(self) -> str:
        """What decides the verdicts, with how many groups each code does."""
        fitted = [item for _, item in self.items if isinstance(item, FitResult)]
        refused = Counter(code for f in fitted if not f.verdict.trustworthy for code in f.verdict.deciding)
        warned = Counter(code for f in fitted if f.verdict.trustworthy for code in f.verdict.deciding)
        said = (
            f"{what}: {', '.join(f'{code} {count}' for code, count in counts.most_common())}."
            for what, counts in (("Refused for", refused), ("Warned of", warned))
            if counts
        )
        return " ".join(said)

    @property
    def summary(self) -> str:
        """How many groups have which outcome, in words."""
        fitted = [item for _, item in self.items if isinstance(item, FitResult)]
        good = sum(f.verdict.trustworthy for f in fitted)
        return f"{good} trustworthy, {len(fitted) - good} not, {len(self.items) - len(fitted)} failed"

    def __repr__(self) -> str:
        return f"<Fits, {len(self.items)} groups by {inert(self._by_words)}: {self.summary}>"

    def to_dict(self) -> dict[str, Any]:
        """All groups in the format `jaxscale.fits/1`."""
        fits = []
        for (group, item), values in zip(self.items, self._values(), strict=True):
            named = {"group": group} if isinstance(self.by, str) else {"group": group, "values": list(values)}
            if isinstance(item, Failure):
                fits.append({**named, "ok": False, "fit": None, "error": {"code": item.code, "text": item.text}})
            else:
                fits.append({**named, "ok": True, "fit": item.to_dict(), "error": None})
        sharing = None if self.sharing is None else self.sharing.to_dict()
        return self._document(
            {
                "by": self.by if isinstance(self.by, str) else list(self.by),
                "sharing": sharing,
                "fits": fits,
            }
        )


def group_name(values: Sequence[Any]) -> str:
    """What the group of several columns is called: its values with commas between them, as in a CSV file, so that no
    two are called alike."""
    return ", ".join(_cell(str(value)) for value in values)


def _cell(text: str) -> str:
    plain = text and text.strip() == text and not set(text) & {",", '"'}
    return text if plain else '"' + text.replace('"', '""') + '"'


def _made(entry: Entry) -> FitResult | Failure:
    try:
        return entry.result if isinstance(entry, Pending) else entry
    except Exception as error:  # a fault of ours, which takes no other group with it
        return Failure("no_verdict", f"its verdict failed: {type(error).__name__}: {inert(error, 200)}")


def entry_from(entry: Mapping[str, Any], law: Law | None) -> FitResult | Failure:
    """A fit, or why there is none, of an entry of `jaxscale.fits/1`."""
    if entry["ok"]:
        return fit_from(entry["fit"], law)
    return Failure(str(entry["error"]["code"]), str(entry["error"]["text"]))


def fits_from(data: Mapping[str, Any], law: Law | None) -> Fits:
    """What `Fits.to_dict` described."""
    items = [(str(entry["group"]), entry_from(entry, law)) for entry in data["fits"]]
    sharing = data.get("sharing")
    together = None if sharing is None else Sharing.from_dict(sharing)
    if isinstance(data["by"], str):
        return Fits(data["by"], tuple(items), together)
    by = tuple(map(str, data["by"]))
    values = tuple(tuple(entry["values"]) for entry in data["fits"])
    for of_group in values:
        if len(of_group) != len(by) or not all(isinstance(v, str | int | float | None) for v in of_group):
            raise InputError(
                f"a group has the values {inert(of_group, 60)}, where {', '.join(map(inert, by))} need one each"
            )
    return Fits(by, tuple(items), together, values)


def _how_good(item: FitResult | Failure) -> int:
    """Bad ones first."""
    return 0 if isinstance(item, Failure) else 1 + item.verdict.trustworthy
