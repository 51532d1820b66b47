"""What is said of a table or a fit, whether to believe it and how far: reasons with a code and a severity, a scope."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxscale._base.errors import InputError
from jaxscale._base.files import number
from jaxscale._base.text import as_percent, format_number

Severity = Literal["info", "warning", "fatal"]
_WORST_FIRST: tuple[Severity, ...] = ("fatal", "warning", "info")
BEYOND = 10.0  # times the largest compute of the runs: as far as a verdict vouches for plans
# 90 % intervals so much wider, in logs, hold all that a plan decides there together in 97 of 100 trusted tables: set on
# 16 tables of each design of `studies.verdicts --designs`, which says how many others keep to it.
_TOGETHER = 1.6


@dataclass(frozen=True)
class Reason:
    """One finding: a code that means one thing for ever, how bad it is, and a sentence with what to do.

    rows: of the table, counted from 1 below the header, the worst first where there is an order. params: of the law.
    """

    code: str
    severity: Severity
    text: str
    rows: tuple[int, ...] = ()
    params: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The first clause of the text."""
        return re.split(r"[;:] | \(|, so ", self.text, maxsplit=1)[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return {**vars(self), "rows": list(self.rows), "params": list(self.params)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Reason":
        """What `to_dict` wrote; older files name no rows and no params."""
        if data["severity"] not in _WORST_FIRST:
            raise InputError("its verdict contradicts its reasons")
        rows = tuple(int(number(row)) for row in data.get("rows", ()))
        params = tuple(map(str, data.get("params", ())))
        return cls(str(data["code"]), data["severity"], str(data["text"]), rows, params)


@dataclass(frozen=True)
class Margin:
    """How well something that a plan decides is known at the scope of a verdict, and from where on it is refused.

    Both are factors, exp of half a 90 % interval of the logarithm: known 1.4 of N is "up to 1.4 times more or less".
    """

    of: str
    known: float
    line: float

    @property
    def bound(self) -> float:
        """The factor within which this and the other margins of a fit lie together, if the law holds, in 97 of 100
        tables that are trusted."""
        return self.known**_TOGETHER

    def told(self, factor: float) -> str:
        """A factor as this margin is told: of what is known closely in per cent."""
        return as_percent(factor - 1) if self.line < 1.1 else f"x{factor:.3g}"

    def __str__(self) -> str:
        line = self.told(self.line)
        if not self.known < 10:
            return f"{self.of} is not known (the line is {line})"
        return f"{self.of} is known to {self.told(self.known)} (the line is {line})"


@dataclass(frozen=True)
class Verdict:
    """Trustworthy unless a reason is fatal.

    scope: the largest compute of plans that it speaks of, `BEYOND` times that of the runs: in FLOPs (6 N D), or in the
    unit of a law's one variable; None where there is no such measure. margins: how far what a plan decides there is
    from being refused, where the law has an optimum in closed form. next_step: what to do where it is refused.
    """

    reasons: tuple[Reason, ...] = ()
    scope: float | None = None
    margins: tuple[Margin, ...] = ()
    next_step: str = ""

    @classmethod
    def of(
        cls, reasons: Iterable[Reason], scope: float | None = None, margins: Iterable[Margin] = (), next_step: str = ""
    ) -> "Verdict":
        """The verdict for reasons in any order: the worst first, those of one severity as they came."""
        ordered = sorted(reasons, key=lambda reason: _WORST_FIRST.index(reason.severity))
        return cls(tuple(ordered), scope, tuple(margins), next_step)

    @property
    def trustworthy(self) -> bool:
        """No reason is fatal."""
        return all(r.severity != "fatal" for r in self.reasons)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all reasons."""
        return tuple(r.code for r in self.reasons)

    @property
    def deciding(self) -> tuple[str, ...]:
        """The codes that make it what it is: the fatal ones, or where there are none the warnings."""
        of = "warning" if self.trustworthy else "fatal"
        return tuple(dict.fromkeys(r.code for r in self.reasons if r.severity == of))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return {
            "trustworthy": self.trustworthy,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "scope": self.scope,
            "next_step": self.next_step,
            "margins": [{**vars(m), "known": m.known if math.isfinite(m.known) else None} for m in self.margins],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Verdict":
        """What `to_dict` wrote; older files name no scope. Raises InputError where it contradicts itself."""
        margins = tuple(
            Margin(str(m["of"]), number(m["known"], math.inf), number(m["line"])) for m in data.get("margins", ())
        )
        scope = None if data.get("scope") is None else number(data["scope"])
        verdict = cls(tuple(map(Reason.from_dict, data["reasons"])), scope, margins, str(data.get("next_step", "")))
        if verdict.trustworthy is not data["trustworthy"]:
            raise InputError("its verdict contradicts its reasons")
        return verdict

    @property
    def margin(self) -> str:
        """How near the fit is to being refused, in a sentence; empty where there are no margins."""
        if self.scope is None or not self.margins:
            return ""
        where = f"At {format_number(self.scope, 2)} FLOPs, {BEYOND:g} times the largest run, "
        near = f"{where}{' and '.join(map(str, self.margins))}"
        if not all(margin.known < 10 for margin in self.margins):
            return f"{near}."
        bounds = " and ".join(margin.told(margin.bound) for margin in self.margins)
        return f"{near}, by 90 % intervals; if the law holds, both lie within {bounds} in 97 of 100 tables."

    def __str__(self) -> str:
        worst: dict[str, list[str]] = {}
        for r in self.reasons:
            if r.severity == "fatal":
                worst.setdefault(r.code, []).append(r.headline)
        if worst:
            clauses = (f"{first} (and {len(more)} more)" if more else first for first, *more in worst.values())
            return "NOT TRUSTWORTHY: " + "; ".join(clauses)
        warnings = dict.fromkeys(r.code for r in self.reasons if r.severity == "warning")
        return "trustworthy" + (f", with warnings: {', '.join(warnings)}" if warnings else "")
