"""Runs chosen for a decision: what they cost, how sure it is before and after, and whether they are worth it."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from jaxscale._base.files import NEXT_RUNS_FORMAT, Saved
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import as_percent, format_number, plural
from jaxscale._planning.plan import Plan

QUANTITIES = {"N": "N", "loss": "loss", "D_per_N": "tokens_per_param"}
_SHOWN = 20


@dataclass(frozen=True, eq=False)
class NextRuns(Reporting, Pictured, Saved):
    """Runs to do next for one decision.

    plan: the decision as it is now, in one row. frame: the runs, see `to_frame`. budget: in `unit`, and fixed likewise,
    per run; None if not given, and then `otherwise` runs would be chosen at `otherwise_fixed` each. sd_if_off: standard
    deviation of the log of the target before the runs, where the law is off by the misfit. offered, made: runs to
    choose from, and those of the fit, by variable. running: how many are under way; left_by_running: what is left of
    the variance of the log of the target, and of log N, once they are in.
    """

    _format = NEXT_RUNS_FORMAT

    label: str
    target: str
    heading: str
    unit: str
    budget: float
    level: float
    criterion: str
    misfit: float
    check: float
    fixed: float | None
    otherwise: int | None
    otherwise_fixed: float
    running: int
    left_by_running: tuple[float, float]
    trustworthy: bool
    plan: Plan
    frame: pd.DataFrame
    sd_if_off: float
    offered: pd.DataFrame = field(repr=False)
    made: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row for each run, the check first, then in the order in which they were chosen: why ("check" or
        "choice"), the law's variables, compute (6 N D, FLOPs), cost (in `unit`, with the fixed part), the response
        foretold, and what is left of the variance of the log of the target by the law alone (`left`), of that of log N
        (`left_N`), and of that of the target if the law is off by the misfit (`left_if_off`), once this run and those
        above it are in; of what runs under way leave."""
        return self.frame.copy()

    @property
    def spent(self) -> float:
        """What all runs cost together."""
        return float(self.frame["cost"].sum())

    @property
    def value(self) -> float:
        """The target as it is planned now."""
        return float(getattr(self.plan.rows[0], QUANTITIES[self.target]))

    @property
    def before(self) -> tuple[float, float] | None:
        """The interval of the target now; None where the fit has none."""
        return self.plan.rows[0].intervals.get(QUANTITIES[self.target])

    @property
    def after(self) -> tuple[float, float] | None:
        """The interval that is expected once all runs, those under way too, are fitted, if the law holds."""
        if self.before is None or not len(self.frame):
            return self.before
        shrink = math.sqrt(self.left_by_running[0] * float(self.frame["left"].iloc[-1]))
        if self.target == "loss" and not self.plan.law.response.logged:
            low, high = (self.value + shrink * (end - self.value) for end in self.before)
        else:
            low, high = (self.value * (end / self.value) ** shrink for end in self.before)
        return low, high

    @property
    def regret(self) -> float:
        """What deciding without the runs wastes in expectation, in `unit`, if the law holds, once those under way are
        in; nan where that is not known."""
        return self.left_by_running[1] * float(self.plan.rows[0].regret.get("compute", math.nan))

    @property
    def regret_compute(self) -> float:
        """The same in FLOPs: that share of the decision's 6 N D; nan where its law has no N and D."""
        row = self.plan.rows[0]
        return self.regret / row.budget * 6 * row.of("N") * row.of("D")

    @cached_property
    def savings(self) -> np.ndarray:
        """What of that the runs take away, (n_runs,), once each and those above it are in."""
        return self.regret * (1 - self.frame["left_N"].to_numpy(float))

    @cached_property
    def worth(self) -> int | None:
        """How many of the runs, in their order, are worth their price together; None where the regret is not known."""
        if not math.isfinite(self.regret):
            return None
        net = self.savings - np.cumsum(self.frame["cost"].to_numpy(float))
        return int(np.argmax(net)) + 1 if len(net) and net.max() > 0 else 0

    @property
    def advice(self) -> str:
        """Whether to do them, in a sentence."""
        if not len(self.frame):
            return "No run that is offered tells anything about this."
        if self.worth is None:
            return "Nothing says what deciding now would waste, so not whether these runs are worth their price."
        if self.worth == 0:
            return "Decide now, if the law is to be believed: these runs cost more than they save."
        if self.worth < len(self.frame):
            return f"The first {plural(self.worth, 'run')} of {len(self.frame)} are worth their price, the others not."
        return "The runs are worth their price." if len(self.frame) > 1 else "The run is worth its price."

    def to_dict(self) -> dict[str, Any]:
        """The record in the format `jaxscale.next_runs/1`; what could not be had is None."""
        row = self.plan.rows[0]
        return self._document(
            {
                "law": self.plan.law.name,
                "target": self.target,
                "at": row.target,
                "unit": self.unit,
                "budget": self.budget,
                "criterion": self.criterion,
                "misfit": self.misfit,
                "check": self.check,
                "fixed": self.fixed,
                "running": self.running,
                "trustworthy": self.trustworthy,
                "value": self.value,
                "level": self.level,
                "before": None if self.before is None else list(self.before),
                "after": None if self.after is None else list(self.after),
                "spent": self.spent,
                "regret": self.regret,
                "savings": float(self.savings[-1]) if len(self.savings) else 0.0,
                "worth": self.worth,
                "advice": self.advice,
                "rows": self.frame.to_dict("records"),
            }
        )

    def report(self) -> Report:
        """Whether to do them first, then the runs, and what they do."""
        names = [v.name for v in self.plan.law.variables]
        both = {"N", "D"} <= set(names)
        header = ("", "runs", *names, *(("D/N",) if both else ()), f"cost each ({self.unit})", "foretold")
        groups = (
            self.frame.groupby(["why", *names, "cost"], sort=False)["foretold"].agg(["size", "first"]).reset_index()
        )
        rows = []
        for row in groups.to_dict("records"):
            ratio = (format_number(row["D"] / row["N"], 3),) if both else ()
            numbers = (format_number(row[name], 3) for name in names)
            loss = format_number(self.plan.shown("loss", row["first"]), 4, False)
            rows.append((row["why"], str(row["size"]), *numbers, *ratio, format_number(row["cost"], 3), loss))
        more = f"and {len(rows) - _SHOWN} more kinds of run, see to_frame()" if len(rows) > _SHOWN else ""
        title = f"next runs · {self.label} · for {self._title} at {self.heading}"
        blocks: list[Table | Lines] = [
            Table("", header, tuple(rows[:_SHOWN]), more),
            Lines("What they do", tuple(self._effects())),
            Lines("", tuple(self._notes())),
        ]
        distrust = "" if self.trustworthy else "THE FIT IS NOT TRUSTWORTHY, and what follows rests on it. "
        return Report(title, distrust + self.advice, tuple(blocks))

    @property
    def _title(self) -> str:
        return {"N": "the best N", "D_per_N": "the best D/N"}.get(self.target, f"the {self.plan.response.given_name}")

    def _span(self, ends: tuple[float, float] | None) -> str:
        if ends is None:
            return "not known"
        ends = self.plan.response.ends(*ends) if self.target == "loss" else ends
        digits = 4 if self.target == "loss" else 3
        return " to ".join(format_number(end, digits, self.target != "loss") for end in ends)

    def _effects(self) -> list[str]:
        if not len(self.frame):
            return []
        percent = f"{100 * self.level:g} %"
        number = format_number(self.plan.shown(QUANTITIES[self.target], self.value), 4, self.target != "loss")
        lines = [
            f"{self.target} {number}, {percent} interval {self._span(self.before)}; expected {self._span(self.after)}"
        ]
        reach = float(ndtri((1 + self.level) / 2)) * self.sd_if_off
        if self.misfit and self.criterion != "d":
            ends = (reach, reach * math.sqrt(float(self.frame["left_if_off"].iloc[-1])))
            now, then = (as_percent(x) if x < 0.2 else f"a factor of {math.exp(min(x, 50)):.3g}" for x in ends)
            lines.append(f"if the law is off by {self.misfit:g} typical residuals: known to {now} now, to {then} then")
        lines.append(
            f"{plural(len(self.frame), 'run')} for {format_number(self.spent, 3)} of {self._amount(self.budget)}"
        )
        if math.isfinite(self.regret):
            price, compute = float(self.frame["cost"].sum()), self.regret_compute
            in_money = self.unit != "FLOPs" and math.isfinite(compute)
            also = f" ({format_number(compute, 3, suffixes=False)} FLOPs)" if in_money else ""
            lines.append(
                f"deciding {'once those under way are in' if self.running else 'now'} wastes "
                f"{self._amount(self.regret)}{also} in expectation; the runs save "
                f"{self._amount(self.savings[-1])} of it for {self._amount(price)}"
            )
        return lines

    def _amount(self, value: float) -> str:
        return f"{format_number(value, 3, suffixes=False)} {self.unit}"

    def _notes(self) -> list[str]:
        notes = []
        if self.fixed is None:
            notes.append(
                f"No fixed cost per run was given (fixed=, --fixed). At {self._amount(self.otherwise_fixed)} each, "
                f"{plural(self.otherwise or 0, 'run')} would be chosen instead of {len(self.frame)}."
            )
        if self.running:
            notes.append(f"Counted at what is expected of them: {plural(self.running, 'run')} under way.")
        checks = int((self.frame["why"] == "check").sum())
        share = f"{100 * self.check:g} % of the budget"
        if checks:
            notes.append(
                f"The check ({share} kept for it) is the largest run that this pays: leave it out of the fit, and "
                "go on only if it lies where the law foretells."
            )
        elif self.check:
            notes.append(
                f"No run that is offered costs as little as {share}, kept for a check at scale: leave the dearest of "
                "the chosen out of the fit first, and see whether it lies where the law foretells."
            )
        else:
            notes.append("Nothing is kept for a check at scale (check=0, --check 0).")
        notes.append("No design helps a wrong law: all of this holds if the law does.")
        return notes

    def __repr__(self) -> str:
        runs = plural(len(self.frame), "run")
        return f"<NextRuns {self.label}: {runs} for {self._title} at {self.heading}. {self.advice}>"
