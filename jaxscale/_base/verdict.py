"""What is said of a table or a fit, and whether to believe it: reasons with a code and a severity."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxscale._base.errors import InputError
from jaxscale._base.files import number

Severity = Literal["info", "warning", "fatal"]
_WORST_FIRST: tuple[Severity, ...] = ("fatal", "warning", "info")


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
class Verdict:
    """Trustworthy unless a reason is fatal."""

    reasons: tuple[Reason, ...] = ()

    @classmethod
    def of(cls, reasons: Iterable[Reason]) -> "Verdict":
        """The verdict for reasons in any order: the worst first, those of one severity as they came."""
        return cls(tuple(sorted(reasons, key=lambda reason: _WORST_FIRST.index(reason.severity))))

    @property
    def trustworthy(self) -> bool:
        """No reason is fatal."""
        return all(r.severity != "fatal" for r in self.reasons)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all reasons."""
        return tuple(r.code for r in self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return {"trustworthy": self.trustworthy, "reasons": [reason.to_dict() for reason in self.reasons]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Verdict":
        """What `to_dict` wrote. Raises InputError where it contradicts itself."""
        verdict = cls(tuple(map(Reason.from_dict, data["reasons"])))
        if verdict.trustworthy is not data["trustworthy"]:
            raise InputError("its verdict contradicts its reasons")
        return verdict

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
