"""What is said of a table or a fit, and whether to believe it: reasons with a code and a severity."""

import re
from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "fatal"]


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


@dataclass(frozen=True)
class Verdict:
    """Trustworthy unless a reason is fatal."""

    reasons: tuple[Reason, ...] = ()

    @property
    def trustworthy(self) -> bool:
        """No reason is fatal."""
        return all(r.severity != "fatal" for r in self.reasons)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all reasons."""
        return tuple(r.code for r in self.reasons)

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
