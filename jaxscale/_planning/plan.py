"""A finished plan: the best decision for every budget, with what binds it, what that costs, and how sure it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.files import PLAN_FORMAT, Saved
from jaxscale._base.latex import ForPapers, with_intervals
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.reported import Reported
from jaxscale._base.text import as_percent, as_times, format_number, plural, quoted
from jaxscale._planning.doubt import Doubt
from jaxscale._planning.plan_notes import UNTRUSTED, beyond, drift, times_largest, troubles
from jaxscale._planning.plan_row import BesidePoint, PlanRow
from jaxscale._planning.request import Request
from jaxscale._planning.sensitivity import Sensitivity, all_moved, answers
from jaxscale.laws import Law


@dataclass(frozen=True, repr=False)
class Plan(Reporting, Pictured, Reported, ForPapers, Saved):
    """Best decisions over budgets. `method` says how intervals came about; None: there are none.

    Rows, `to_frame` and files hold the law's numbers, in `response.unit`; reports show them as people gave them.

    `assumptions` are the values of everything the plan rests on beside the law's parameters, by name. Of a plan over
    draws or laws (`doubt`) N, D and prices are those of the hedge, the loss is its mean over the doubt, and `beside`
    has the plan at the point estimate, row by row (None where there is none).
    """

    _format = PLAN_FORMAT

    law: Law
    params: Mapping[str, float] = field(hash=False)
    cost: str
    unit: str
    level: float
    method: str | None
    rows: tuple[PlanRow, ...]
    label: str = ""
    notes: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict, hash=False)
    assumptions: Mapping[str, float] = field(default_factory=dict, hash=False)
    per: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    request: Request | None = field(default=None, repr=False, compare=False)
    doubt: Doubt | None = field(default=None, repr=False, compare=False)
    beside: tuple[BesidePoint | None, ...] = ()
    response: Measure = field(default_factory=Measure)

    @property
    def target(self) -> str:
        """What each row was asked for: the budget, or the loss to reach."""
        reaching = any(row.reach_loss is not None for row in self.rows)
        return f"{self.response.given_name} to reach" if reaching else "budget"

    def shown(self, quantity: str, value: float) -> float:
        """A quantity as people count it: the response in the unit in which it was given."""
        return self.response.to_given(value) if quantity == "loss" else value

    def shown_target(self, row: PlanRow) -> float:
        """What a row was asked for, as people count it."""
        return row.target if row.reach_loss is None else self.response.to_given(row.target)

    @property
    def headings(self) -> tuple[str, ...]:
        """What each row was asked for, in words: "budget 1e24 FLOPs"."""
        unit = self.unit if self.target == "budget" else self.response.given_unit
        return tuple(f"{self.target} {format_number(self.shown_target(row))} {unit}".rstrip() for row in self.rows)

    @property
    def quantities(self) -> dict[str, str]:
        """Titles of what answers to a change, by name."""
        titles = {"tokens_per_param": "D/N", "loss": self.response.name}  # derivatives are of the law's numbers
        return {name: titles.get(name, name) for row in self.rows for name in row.sensitivities}

    @property
    def others(self) -> tuple[str, ...]:
        """What is decided beside N and D: shares, experts, bits, epochs."""
        first = dict.fromkeys(name for row in self.rows for name in row.sensitivities)
        return tuple(name for name in first if name not in ("N", "D", "tokens_per_param", "loss", "cost"))

    @property
    def shadow_price(self) -> pd.DataFrame:
        """What one more unit of each binding limit, and of the budget, changes: one row per budget and limit."""
        rows = [
            {"budget": row.budget, "of": name, "value": price.value, "unit": price.unit}
            for row in self.rows
            for name, price in row.shadow_price.items()
        ]
        return pd.DataFrame(rows, columns=["budget", "of", "value", "unit"])

    def to_frame(self) -> pd.DataFrame:
        """One row per budget: budget, N, D, loss, tokens_per_param, `_lo` and `_hi` of these four, status, decades,
        cost, other variables with their `_lo` and `_hi`, binding limits and regret."""
        columns: dict[str, Any] = {"budget": [row.budget for row in self.rows]}
        columns |= {name: [getattr(row, name) for row in self.rows] for name in ("N", "D", "loss", "tokens_per_param")}
        for name in ("N", "D", "loss", "tokens_per_param"):
            ends = [row.intervals.get(name, (math.nan, math.nan)) for row in self.rows]
            columns |= {f"{name}_lo": [low for low, _ in ends], f"{name}_hi": [high for _, high in ends]}
        decades = [math.nan if row.decades_beyond_data is None else row.decades_beyond_data for row in self.rows]
        columns |= {"status": [row.status for row in self.rows], "decades_beyond_data": decades}
        columns |= {"times_largest_run": [times_largest(row) for row in self.rows]}
        columns |= {"cost": [row.cost for row in self.rows]}
        others = dict.fromkeys(v for row in self.rows for v in row.variables if v not in ("N", "D"))
        columns |= {v: [row.variables.get(v, math.nan) for row in self.rows] for v in others}
        for name in (v for v in others if any(v in row.intervals for row in self.rows)):
            ends = [row.intervals.get(name, (math.nan, math.nan)) for row in self.rows]
            columns |= {f"{name}_lo": [low for low, _ in ends], f"{name}_hi": [high for _, high in ends]}
        columns |= {"binding": [" ".join(row.binding) for row in self.rows]}
        columns |= {
            f"regret_{key}": [row.regret.get(key, math.nan) for row in self.rows] for key in ("loss", "compute")
        }
        return pd.DataFrame(columns)

    def sensitivity(self, name: str | None = None) -> Sensitivity:
        """How the plan answers to one assumption, or to each: derivatives with the active limits held, no refit.

        Printed, it says by how many per cent N, D, D/N and loss move with 1 % more. `to_frame()` has one row per budget
        and assumption, those that matter most first. Its columns N, D, tokens_per_param, loss (and cost, where a loss
        is to be reached) hold the derivative of the log of each (of a response that need not be positive, its own) in
        the log of the assumption (per "log": an elasticity) or in the assumption itself (per "raw": exponents, shares).

        Raises:
            InputError: the plan rests on nothing of that name.
        """
        if name is not None and name not in self.per:
            raise InputError(
                f"there is no parameter {quoted(name)} in {self.law.name}; choose one of {', '.join(self.per)}"
            )
        values = {**self.params, **self.assumptions}
        units = {p: abs(values.get(p, 1.0)) if per == "raw" else 1.0 for p, per in self.per.items()}
        tables = []
        for row in self.rows:
            table = []
            for p in self.per if name is None else (name,):
                slopes = {q: row.sensitivities[q].get(p, math.nan) for q in row.sensitivities}
                weight = max((abs(s) * units[p] for s in slopes.values() if math.isfinite(s)), default=0.0)
                table.append((weight, {"budget": row.budget, "parameter": p, "per": self.per[p]} | slopes))
            tables.append(pd.DataFrame([entry for _, entry in sorted(table, key=lambda pair: -pair[0])]))

        def cells(answer: Mapping[str, Any]) -> tuple[str, ...]:
            of = answer["parameter"]
            value = format_number(values[of]) if of in values else ""
            return of, value, *all_moved(self, answer, 0.01 * units[of])

        return answers(
            self,
            "what 1 % more of one assumption changes",
            tables,
            ("assumption", "value", *self.quantities.values()),
            cells,
            "To first order, with the limits that bind held; large numbers are slopes, not forecasts: see what_if.",
        )

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data in the format jaxscale.plan/1; what is absent is None or empty."""
        return self._document(
            {
                "law": self.law.name,
                "law_options": dict(self.law.options),
                "response": self.response.to_dict(),
                "params": dict(self.params),
                "cost": self.cost,
                "limits": dict(self.limits),
                "assumptions": dict(self.assumptions),
                "level": self.level,
                "method": self.method,
                "rows": [self._row(row) for row in self.rows],
                "notes": list(self.notes),
                "doubt": None if self.doubt is None else self._doubt(self.doubt),
            }
        )

    def _doubt(self, doubt: Doubt) -> dict[str, Any]:
        over = [
            {"law": p.source.law.name, "label": p.source.label, "weight": p.weight, "way": p.way}
            for p in doubt.possibilities
        ]
        beside = [
            None
            if each is None
            else {name: value for name, value in vars(each).items() if name != "point"}
            | {"point": {name: getattr(each.point, name) for name in ("N", "D", "loss")}}
            for each in self.beside
        ]
        return {"minimised": doubt.minimised, "over": over, "beside": beside}

    def _row(self, row: PlanRow) -> dict[str, Any]:
        return {
            "budget": row.budget,
            "status": row.status,
            "conflict": list(row.conflict),
            **{name: getattr(row, name) for name in ("N", "D", "loss", "tokens_per_param")},
            "cost": {self.unit: row.cost},
            "binding": list(row.binding),
            "certificate": dict(row.certificate),
            "shadow_price": {k: {"value": p.value, "unit": p.unit} for k, p in row.shadow_price.items()},
            "intervals": {name: list(ends) for name, ends in row.intervals.items()},
            "regret": dict(row.regret),
            "decades_beyond_data": row.decades_beyond_data,
            "times_largest_run": row.times_largest_run,
            "variables": dict(row.variables),
            "reach_loss": row.reach_loss,
            "note": row.note,
            "drift": {of: dict(moves) for of, moves in row.drift.items()},
        }

    def report(self) -> Report:
        """The plan as a table of text."""
        reaching = any(row.reach_loss is not None for row in self.rows)
        banded = any(row.intervals for row in self.rows)
        known = {v.name for v in self.law.variables}
        shown = {name: name for name in ("N", "D") if name in known}
        shown |= {"tokens_per_param": "D/N"} if len(shown) == 2 else {}
        shown |= {name: name for name in self.others}
        itself = self.cost in known  # the one variable, as what there is to be spent least of
        cost = self.cost if itself and self.unit == self.cost else f"{self.cost if itself else 'cost'} ({self.unit})"
        shown |= {"cost": cost} if reaching else {"loss": self.response.heading}
        if itself and self.cost in shown:
            del shown[self.cost]
        unit = self.response.given_unit if reaching else self.unit
        header = [f"{self.target} ({unit})" if unit else self.target]
        for title in shown.values():
            header += [title, f"{100 * self.level:g} %"] if banded else [title]
        binding = any(set(row.binding) - {"budget", "reach_loss"} for row in self.rows)
        cells = []
        for row in self.rows:
            line = [format_number(self.shown_target(row)), *(c for n in shown for c in self._cells(row, n, banded))]
            cells.append((*line, ", ".join(row.binding)) if binding else tuple(line))
        header += ["bound by"] if binding else []
        if len(self.rows) > 1 and any(times_largest(row) > 1.005 for row in self.rows):
            header.append("x largest run")
            cells = [(*line, as_times(times_largest(row))) for line, row in zip(cells, self.rows, strict=True)]
        blocks: list[Table | Lines] = [Table("", tuple(header), tuple(cells))]
        prices = [
            (format_number(self.shown_target(row)), name, format_number(value, 3), unit)
            for row in self.rows
            for name, (value, unit) in self._prices(row).items()
        ]
        if prices and (binding or reaching):
            blocks.append(
                Table("One more unit of each limit", (self.target, "of", "changes by", "unit"), tuple(prices))
            )
        if self.doubt is not None:
            blocks.append(self._beside(self.doubt))
        notes = self._notes(banded)
        if notes:
            blocks.append(Lines("", tuple(notes)))
        spent = self.cost if self.cost == self.unit else f"{self.cost} in {self.unit}"
        return Report(f"plan · {self.label} · cost {spent}", self.summary or None, tuple(blocks))

    def _beside(self, doubt: Doubt) -> Table:
        """The hedge against the plan at the point estimate."""
        known = {"N": "N", "D": "D"} if any("N" in row.variables for row in self.rows) else {}
        header = (self.target, *(f"point's {name}" for name in known), "hedge saves", "costs if the point is right")
        header += ("mean regret, from the point's", f"{100 * self.level:g} % regret")
        rows = []
        for row, each in zip(self.rows, self.beside, strict=True):
            numbers = ["-"] * (len(header) - 1)
            if each is not None:
                sizes = (format_number(each.point.variables[name]) for name in known)
                numbers = [*sizes, *(as_percent(share) for share in (each.saves, each.costs))]
                pairs = (each.point_regret, each.regret), (each.point_high, each.high)
                numbers += [f"{as_percent(before, 3)} to {as_percent(after, 3)}" for before, after in pairs]
            rows.append((format_number(self.shown_target(row)), *numbers))
        note = (
            f"Least is the {doubt.minimised}, over {doubt.over}. Shares are of the budget; a regret is what a plan "
            "wastes of it if a draw is the truth."
        )
        return Table("Beside the plan at the point estimate", header, tuple(rows), note)

    def paper_table(self) -> Table:
        """The best decision for each target with intervals, without D/N where limits bind; the caption says the law and
        how it was fitted, cost, limits, and how sure it is."""
        table = self.report().blocks[0]
        assert isinstance(table, Table)
        units = {v.name: self.response.counted(v.unit) for v in self.law.variables}
        units |= {self.response.heading: self.response.given_unit} if "(" not in self.response.heading else {}
        level = f"{100 * self.level:g} %"
        table = _for_paper(with_intervals(table, level, units))
        limits = ", ".join(f"{name} {format_number(value)}" for name, value in self.limits.items())
        fitted, assumed = "", ""
        if self.request is not None:
            fitted = getattr(self.request.source.record, "fitted_by", "")
            limits = ", ".join(self.request.limits_described()) or limits
            assumed = self._assumed(self.request)
        sure = f"In brackets: {level} intervals, {self.method}" if self.method else "Without intervals"
        held = ", none where limits hold the value" if self.method and "bound by" in table.header else ""
        sentences = [
            f"Best model for each {self.target} by the law {self.label or self.law.name}",
            f" {fitted};" if fitted else ",",
            f" cost {self.cost}",
            f" ({assumed})" if assumed else "",
            f", limits {limits}" if limits else "",
            f". {sure}{held}.",
            f" Note: {self.summary}." if self.summary else "",
        ]
        return Table("".join(sentences), table.header, table.rows)

    @property
    def summary(self) -> str:
        """What is wrong with the plan as a whole, in words; empty where nothing is."""
        sentences = ["THE FIT BEHIND THIS PLAN IS NOT TRUSTWORTHY"] if UNTRUSTED in self.notes else []
        return "; ".join([*sentences, *troubles(self.rows, self._of)])

    @property
    def _of(self) -> str:
        return "budgets" if self.target == "budget" else "targets"

    def _notes(self, banded: bool) -> list[str]:
        notes = [note for note in self.notes if note != UNTRUSTED]
        if self.request is not None and (assumed := self._assumed(self.request)):
            notes.append(f"The cost assumes {assumed}.")
        if self.request is not None and (kept := self.request.limits_described()):
            notes.append(f"Limits: {', '.join(kept)}.")
        for row in self.rows:
            if row.note:
                notes.append(f"{format_number(self.shown_target(row))}: {row.remark}")
        if banded:
            notes.append(f"Intervals: {self.method}.")
        regrets = [
            abs(self.response.slope(row.loss)) * row.regret["loss"]
            for row in self.rows
            if row.regret.get("loss", math.nan) > 1e-12 * abs(row.loss)  # else rounding: nothing is left to decide
        ]
        if regrets:
            largest = " (worst row shown)" if len(regrets) > 1 else ""
            cost = f"{format_number(max(regrets), 2)} in {self.response.heading}"
            notes.append(
                f"If the true law differs from the fit as much as its draws do, this plan loses {cost} on average "
                f"against the best one{largest}."
            )
        notes += drift(self.rows, self.law, self.response, "N" if self.doubt is None else "the point's N")
        notes += beyond(self.rows, self.law, self._of, vouched=UNTRUSTED not in self.notes)
        if self.response.converted:
            notes.append(self.response.said())
        return notes

    @staticmethod
    def _assumed(request: Request) -> str:
        return ", ".join(f"{name} {format_number(value)}" for name, value in request.cost.assumptions.items())

    def _prices(self, row: PlanRow) -> dict[str, tuple[float, str]]:
        """Shadow prices and their units as people count the response."""
        response, prices = self.response, {}
        for name, price in row.shadow_price.items():
            value, unit = price.value, price.unit
            if response.converted and unit.startswith(f"{response.word} per "):
                value, unit = value * response.slope(row.loss), response.given_word + unit[len(response.word) :]
            elif response.converted and unit.endswith(f" {response.word}"):
                value, unit = value / response.slope(row.loss), unit.removesuffix(response.word) + response.given_word
            prices[name] = value, unit
        return prices

    def _cells(self, row: PlanRow, name: str, banded: bool) -> tuple[str, ...]:
        value = self.shown(name, row.of(name))
        point = format_number(value) if math.isfinite(value) else "-"
        if value == 0 and name in self.others:  # a share that is left out, at the least that the solver allows
            return ("about 0", "-") if banded else ("about 0",)
        if not banded:
            return (point,)
        digits = 4 if name == "loss" else 3
        ends = row.intervals.get(name)
        if ends is not None and name == "loss":
            ends = self.response.ends(*ends)
        return (point, "-" if ends is None else "–".join(format_number(end, digits) for end in ends))

    def __repr__(self) -> str:
        cells = ((self._cells(row, "N", False)[0], self._cells(row, "D", False)[0]) for row in self.rows[:3])
        rows = ", ".join(f"N {n} and D {d}" for n, d in cells)
        return f"<Plan {self.label}, {plural(len(self.rows), 'row')}: {self.summary or rows}>"


def _for_paper(table: Table) -> Table:
    """A table with what binds in lines of their own, and without D/N beside it, which anybody can divide."""
    if "bound by" not in table.header:
        return table
    kept = [j for j, name in enumerate(table.header) if name != "D/N"]
    bound = table.header.index("bound by")
    rows = ([row[j].replace(", ", ",\n") if j == bound else row[j] for j in kept] for row in table.rows)
    return Table(table.title, tuple(table.header[j] for j in kept), tuple(map(tuple, rows)), table.note)
