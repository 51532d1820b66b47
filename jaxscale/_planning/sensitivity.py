"""How a plan answers to what it rests on: a table for each of its rows, to print and to work with."""

import math
from dataclasses import dataclass

import pandas as pd

from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import plural


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Reporting):
    """Answers of a plan. frame: all of them, as numbers; blocks: what is printed; verdict: what is wrong with the plan
    as a whole, if anything is."""

    title: str
    verdict: str | None
    frame: pd.DataFrame
    blocks: tuple[Table | Lines, ...]

    def to_frame(self) -> pd.DataFrame:
        """Every answer; the call that made them says what its columns are."""
        return self.frame.copy()

    def report(self) -> Report:
        """A table for each row of the plan."""
        return Report(self.title, self.verdict, self.blocks)

    def __repr__(self) -> str:
        return f"<Sensitivity {self.title}: {plural(len(self.frame), 'answer')}>"


def moved(slope: float, step: float, logged: bool) -> str:
    """What a step moves to first order, by its slope: "+1.4 %" of a log, else the difference itself."""
    if not math.isfinite(slope):
        return "-"
    change = (100 if logged else 1) * slope * step
    text = "0" if abs(slope) < 1e-9 else f"{change:+.3g}"
    return f"{text} %" if logged else text
