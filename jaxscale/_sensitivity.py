"""How a plan answers to what it rests on: a table for each of its rows, to print and to work with."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxscale._report import Lines, Report, Table, to_html, to_text
from jaxscale._text import plural


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """Answers of a plan. frame: all of them, as numbers; blocks: what is printed, in plain units."""

    title: str
    frame: pd.DataFrame
    blocks: tuple[Table | Lines, ...]

    def to_frame(self) -> pd.DataFrame:
        """Every answer; the call that made them says what its columns are."""
        return self.frame.copy()

    def report(self) -> Report:
        """A table for each row of the plan."""
        return Report(self.title, None, self.blocks)

    def __str__(self) -> str:
        return to_text(self.report())

    def __repr__(self) -> str:
        return f"<Sensitivity {self.title}: {plural(len(self.frame), 'answer')}>"

    def _repr_html_(self) -> str:
        return to_html(self.report())


def sensitivity_of(
    title: str,
    tables: Sequence[tuple[str, pd.DataFrame]],
    header: tuple[str, ...],
    cells: Callable[[Mapping[str, Any]], tuple[str, ...]],
    note: str,
    most: int | None = None,
) -> Sensitivity:
    """Tables by heading, each row of which `cells` writes out under the header, of long ones the first `most`."""
    blocks: list[Table | Lines] = []
    for heading, table in tables:
        shown = table.head(len(table) if most is None else most)
        rows = tuple(cells({str(name): value for name, value in row.items()}) for row in shown.to_dict("records"))
        left = len(table) - len(shown)
        blocks.append(Table(heading, header, rows, f"and {left:,} more, see to_frame()" if left else ""))
    frame = pd.concat([table for _, table in tables], ignore_index=True)
    return Sensitivity(title, frame, (*blocks, Lines("", (note,))))


def moved(slope: float, logged: bool = True) -> str:
    """What a change by a hundredth moves, by its derivative: "+1.4 %" of a log, else the difference itself."""
    if not math.isfinite(slope):
        return "-"
    change = 100 * math.expm1(slope / 100) if logged else slope / 100
    text = "0" if abs(slope) < 1e-9 else f"{change:+.3g}"
    return f"{text} %" if logged else text
