"""The record of a joint fit: what groups have in common, and whether the runs speak against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxscale._base import files
from jaxscale._base.report import Lines, Table
from jaxscale._base.text import format_number
from jaxscale._base.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Sharing:
    """The joint fit behind groups with parameters in common.

    widths: by parameter, in theta; 0 is one value for all. centres: natural values that groups share or lie around,
    with intervals (missing where there are none). value: objective of all runs, with the weight of what lies apart;
    noise: what half a squared standard normal value weighs in it. parameters: fitted in all, an offset counted by
    how far the runs determine it. finished starts, of which at_best reached this optimum.

    statistic: 2 (F with one value for all - F separate) m1 / m2, which is F(constraints, freedom) times `constraints`
    if groups are alike; p_value: how often it would be at least that large. None, with the reason in `test`, where the
    groups cannot be fitted alone.
    """

    widths: Mapping[str, float]
    centres: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    level: float
    value: float
    gradient_norm: float
    noise: float
    groups: int
    runs: int
    parameters: float
    finished: int
    at_best: int
    statistic: float | None
    constraints: int | None
    freedom: int | None
    p_value: float | None
    test: str
    verdict: Verdict

    def blocks(self) -> tuple[Table | Lines, ...]:
        """What a report says of it."""
        rows = []
        for name, centre in self.centres.items():
            ends = self.intervals.get(name)
            span = "not computed" if ends is None else " to ".join(_plain(x) for x in ends)
            width = self.widths[name]
            rows.append((name, "one value" if width == 0 else f"apart by {width:g}", _plain(centre), span))
        title = f"In common to {self.groups} groups"
        header = ("name", "how", "value or centre", f"{100 * self.level:g} % interval")
        apart = " (values kept together count in part)" if any(self.widths.values()) else ""
        lines = [
            self.test,
            f"joint objective {self.value:.10g} over {self.runs} runs, {self.parameters:.4g} parameters{apart}, "
            f"gradient {self.gradient_norm:.1e}; {self.at_best} of {self.finished} starts reached this optimum",
        ]
        lines += [f"{r.severity}, {r.code}: {r.text}" for r in self.verdict.reasons]
        note = "Apart by: standard deviation between groups, in theta." if any(self.widths.values()) else ""
        return Table(title, header, tuple(rows), note), Lines("Joint fit", tuple(lines))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        intervals = {k: list(ends) for k, ends in self.intervals.items()}
        return {**vars(self), "intervals": intervals, "verdict": self.verdict.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Sharing":
        """What `to_dict` wrote."""

        def count(name: str) -> int:
            return int(files.number(data[name]))

        def maybe(name: str) -> int | None:
            return None if data[name] is None else count(name)

        return cls(
            widths=files.numbers(data["widths"]),
            centres=files.numbers(data["centres"]),
            intervals=files.pairs(data["intervals"]),
            level=files.level(data["level"]),
            value=files.number(data["value"]),
            gradient_norm=files.number(data["gradient_norm"]),
            noise=files.number(data["noise"]),
            groups=count("groups"),
            runs=count("runs"),
            parameters=files.number(data["parameters"]),
            finished=count("finished"),
            at_best=count("at_best"),
            statistic=files.number_or_none(data["statistic"]),
            constraints=maybe("constraints"),
            freedom=maybe("freedom"),
            p_value=files.number_or_none(data["p_value"]),
            test=str(data["test"]),
            verdict=Verdict.from_dict(data["verdict"]),
        )

    def __str__(self) -> str:
        return self.test

    def __repr__(self) -> str:
        return f"<Sharing {', '.join(self.widths)}, {self.groups} groups: {self.verdict}>"


def _plain(value: float) -> str:
    return format_number(value, 5, suffixes=False)
