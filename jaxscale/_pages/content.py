"""What a report says, once for all of its forms: the decision, how far to trust it, where every number came from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._base.files import REPORT_FORMAT, finite
from jaxscale._base.report import Report, Table, table_markdown, to_markdown
from jaxscale._base.text import format_number, inert, plural
from jaxscale._base.verdict import Verdict
from jaxscale._base.version import __version__
from jaxscale._fitting.result import FitResult
from jaxscale._pages.page_charts import Figure, figures_of
from jaxscale._pages.reproduction import lines_of
from jaxscale._pages.sliders import Sliders, sliders_of
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import PlanRow
from jaxscale.plot._charts.axis_words import short, with_unit

_NAMES = {"N": "Best size N", "D": "Training tokens D", "tokens_per_param": "Tokens per parameter"}


@dataclass(frozen=True)
class Answer:
    """One number of the decision: its name, and value and interval in words ("" where there is none)."""

    name: str
    key: str
    value: str
    interval: str


@dataclass(frozen=True, eq=False)
class Content:
    """A fit with its plans and a comparison; a fit alone, or plans alone. given: whether somebody asked for the plans,
    or they were made for want of any. table, reading: the file of the runs, and how `read_runs` is to read it."""

    result: FitResult | None
    plans: tuple[Plan, ...]
    comparison: Comparison | None = None
    given: bool = True
    title: str = ""
    table: str = ""
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> Plan | None:
        """The plan that the decision is of: the first."""
        return self.plans[0] if self.plans else None

    @cached_property
    def row(self) -> int:
        """Which row of it: of the rows with an answer that of the largest budget (of the hardest target)."""
        rows = self.plans[0].rows if self.plans else ()
        answered = [k for k, row in enumerate(rows) if row.status in ("ok", "flat")]
        return max(answered, key=lambda k: (rows[k].cost, -k)) if answered else max(len(rows) - 1, 0)

    @property
    def decided(self) -> PlanRow | None:
        """The row of the decision, where it has an answer."""
        row = self.plans[0].rows[self.row] if self.plans else None
        return row if row is not None and row.status in ("ok", "flat") else None

    @property
    def verdict(self) -> Verdict | None:
        """Of the fit, or of what the plan was made from; None of published constants."""
        request = self.plan.request if self.plan is not None else None
        record = self.result or getattr(getattr(request, "source", None), "record", None)
        found = getattr(record, "verdict", None)
        return found if isinstance(found, Verdict) else None

    # --- The first screen ---
    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The decision in numbers."""
        plan, row = self.plan, self.decided
        if plan is None or row is None:
            return ()
        shown = [name for name in ("N", "D", "tokens_per_param") if math.isfinite(getattr(row, name))]
        names = {name: plan.response.counted(text) for name, text in _NAMES.items()}
        found = [_answer(names[name], name, getattr(row, name), row.intervals.get(name)) for name in shown]
        found += [_answer(inert(k), k, v, None) for k, v in row.variables.items() if k not in _NAMES]
        response, ends = plan.response, row.intervals.get("loss")
        words = format_number(response.to_given(row.loss), 4, suffixes=False)
        between = "" if ends is None or row.reach_loss is not None else _between(response.ends(*ends), 4, False)
        name = with_unit(short(response.given_name), short(response.given_unit))
        found.append(Answer(name[:1].upper() + name[1:], "loss", words, between))
        if row.reach_loss is not None:
            found.append(_answer(f"Cost ({plan.unit})", "cost", row.cost, row.intervals.get("cost")))
        return tuple(found)

    @cached_property
    def headline(self) -> str:
        """The decision in a sentence."""
        if self.title:
            return self.title
        plan, row = self.plan, self.decided
        if plan is None:
            assert self.result is not None
            return f"{self.result.law.name}, fitted to {plural(self.result.record.count, 'run')}"
        if row is None:
            return f"No plan for {plan.headings[self.row]}: {plan.rows[self.row].remark}"
        what = {a.key: a.value for a in self.answers}
        if "N" in what and "D" in what:
            done = f"train {what['N']} parameters on {what['D']} {plan.response.data}"
        else:
            done = ", ".join(f"{k} {v}" for k, v in what.items() if k not in ("loss", "tokens_per_param", "cost"))
        if row.reach_loss is None:
            return f"With {format_number(row.target)} {plan.unit}: {done}"
        unit = f" {plan.response.given_unit}" if plan.response.given_unit else ""
        return f"For a {plan.response.given_name} of {format_number(plan.shown_target(row))}{unit}: {done}"

    @cached_property
    def trust(self) -> tuple[str, ...]:
        """How far to trust the decision, the verdict first."""
        plan, row = self.plan, self.decided
        verdict = self.verdict
        label = "" if plan is None else plan.label
        first = str(verdict) if verdict is not None else f"Constants of {label}: published or given, not fitted here"
        said = [first[:1].upper() + first[1:] + "."]
        if plan is None:
            return tuple(said)
        if not self.given:
            said.append("No plan was given: this one is for ten times the compute of the largest run.")
        if row is not None and row.decades_beyond_data is not None:
            far = row.decades_beyond_data
            said.append(
                f"It needs N or D {format_number(10**far, 3)} times those of the largest run."
                if far > 0.005
                else "N and D lie within those of the runs."
            )
        if plan.method is None:
            said.append("No intervals: how sure the constants are is not known.")
        else:
            said.append(f"Intervals: {100 * plan.level:g} %, {plan.method}.")
        return tuple(said)

    # --- The rest ---
    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The pictures."""
        return figures_of(self.result, self.plan, self.row, self.comparison)

    @cached_property
    def sliders(self) -> Sliders:
        """The what-if sliders around the decision."""
        if self.plan is None or self.decided is None:
            return Sliders(None, "There is no plan to start from.")
        return sliders_of(self.plan, self.decided)

    @cached_property
    def lines(self) -> tuple[str, str]:
        """Python, and commands, that make it again."""
        return lines_of(self.result, self.plans, self.table, self.reading)

    @property
    def level(self) -> float:
        """Of the intervals of the decision."""
        return self.plans[0].level if self.plans else 0.9

    def decision_table(self) -> Table:
        """The first screen as a table."""
        heading = self.plans[0].headings[self.row] if self.plans else ""
        rows = tuple((a.name, a.value, a.interval or "–") for a in self.answers)
        return Table(heading, ("", "best", f"{100 * self.level:g} % interval"), rows)

    def plan_reports(self) -> tuple[Report, ...]:
        """What each plan says of itself."""
        return tuple(plan.report() for plan in self.plans)

    def to_markdown(self) -> str:
        """The report without pictures and sliders, for a repository."""
        parts = [to_markdown(Report(self.headline, " ".join(self.trust))).replace("## ", "# ", 1)]
        if self.answers:
            parts.append(table_markdown(self.decision_table()))
        if self.result is not None:
            parts.append(to_markdown(self.result.report()))
        parts += [to_markdown(report) for report in self.plan_reports()]
        if self.comparison is not None:
            parts.append(to_markdown(self.comparison.report()))
        if self.result is not None:
            parts.append(self.result.card().to_markdown())
        parts.append("## How to make this again\n")
        parts += [_fenced(text, kind) for text, kind in zip(self.lines, ("python", "console"), strict=True)]
        return "\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The report in the format `jaxscale.report/1`: the decision, and the records behind it as their files."""
        plan, row = self.plan, self.decided
        decision: Mapping[str, Any] | None = None
        if plan is not None and row is not None:
            decision = {
                "target": plan.target,
                "asked": row.target,
                "unit": plan.unit,
                **{name: getattr(row, name) for name in ("budget", "N", "D", "tokens_per_param", "loss", "cost")},
                "variables": dict(row.variables),
                "intervals": {name: list(ends) for name, ends in row.intervals.items()},
                "level": plan.level,
                "method": plan.method,
            }
        python, shell = self.lines
        return finite(
            {
                "format": REPORT_FORMAT,
                "jaxscale_version": __version__,
                "headline": self.headline,
                "trust": list(self.trust),
                "verdict": None if self.verdict is None else self.verdict.to_dict(),
                "decision": decision,
                "params": dict(self.result.params if self.result is not None else self.plans[0].params),
                "plans": [p.to_dict() for p in self.plans],
                "comparison": None if self.comparison is None else self.comparison.to_dict(),
                "card": None if self.result is None else self.result.card().to_dict(),
                "again": {"python": python, "shell": shell},
            }
        )


def _answer(name: str, key: str, value: float, ends: tuple[float, float] | None) -> Answer:
    return Answer(name, key, format_number(value, 3), "" if ends is None else _between(ends, 3, True))


def _between(ends: tuple[float, float], digits: int, suffixes: bool) -> str:
    return " to ".join(format_number(end, digits, suffixes) for end in ends)


def _fenced(text: str, kind: str) -> str:
    """Code in Markdown, whose fence nothing in it can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{kind}\n{text}\n{fence}\n"
