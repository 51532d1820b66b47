"""How a plan answers to what it rests on: a table for each of its rows, to print and to work with."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from jaxscale._base.measure import Measure
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import plural
from jaxscale._planning.plan_row import PlanRow
from jaxscale.laws import Law


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


class Answering(Protocol):
    """What is asked of a plan that answers: its words, its rows with what they remark, and its law."""

    @property
    def law(self) -> Law: ...
    @property
    def label(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def rows(self) -> Sequence[PlanRow]: ...
    @property
    def headings(self) -> tuple[str, ...]: ...
    @property
    def quantities(self) -> Mapping[str, str]: ...


def called(quantity: str, response: Measure) -> str:
    """What a quantity of a plan is called in print."""
    return {"tokens_per_param": "D/N", "loss": response.given_name}.get(quantity, quantity)


def all_moved(plan: Answering, answer: Mapping[str, Any], step: float) -> tuple[str, ...]:
    """How far each quantity moves with a step to first order, by its slope in `answer`."""
    logs = {name: name not in plan.law.raw_names for name in plan.quantities}
    logs |= {"loss": plan.law.response.domain == "positive"}
    return tuple(moved(answer[name], step, logs[name]) for name in plan.quantities)


def answers(
    plan: Answering,
    title: str,
    tables: Sequence[pd.DataFrame],
    header: tuple[str, ...],
    cells: Callable[[Mapping[str, Any]], tuple[str, ...]],
    note: str,
    most: int | None = None,
) -> Sensitivity:
    """A table for each row of a plan, whose lines `cells` writes out under the header, the first `most` of them; those
    that hold no number are left out of what is printed."""
    blocks: list[Table | Lines] = []
    for heading, row, table in zip(plan.headings, plan.rows, tables, strict=True):
        lines = [cells({str(name): value for name, value in line.items()}) for line in table.to_dict("records")]
        lines = [line for line in lines if set(line[2:]) != {"-"}]
        shown = lines[: len(lines) if most is None else most]
        left = len(lines) - len(shown)
        below = "; ".join(filter(None, (f"and {left:,} more, see to_frame()" if left else "", row.remark)))
        blocks.append(Table(heading, header, tuple(shown), below) if shown else Lines(heading, (below or "-",)))
    frame = pd.concat(tables, ignore_index=True)
    return Sensitivity(f"{title} · {plan.label}", plan.summary or None, frame, (*blocks, Lines("", (note,))))
