"""Records of the approaches beside each other, and their report."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import IsoFlop, Method
from jaxscale._analyses.approaches.trend import Interval, words
from jaxscale._base.answered import Answered
from jaxscale._base.files import APPROACHES_FORMAT
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number
from jaxscale._fitting.result import FitResult

Code = Literal["envelope", "parabola", "akima", "unbiased", "fit"]
_NAMES: dict[Code, str] = {
    "envelope": "1: envelope of training curves",
    "parabola": "2: isoFLOP, parabola",
    "akima": "2: isoFLOP, Akima",
    "unbiased": "2: isoFLOP, unbiased",
    "fit": "3: fit of the law",
}
METHODS: tuple[Method, ...] = ("parabola", "akima", "unbiased")
_WIDE = 0.1  # width of an interval of the exponent within which agreement means little


@dataclass(frozen=True, eq=False)
class Approach:
    """What one approach says: exponents of N and D with intervals, and N and D at each budget of the comparison.

    `missing` says why there is nothing (all nan then). N and D: (value, interval) for each budget. bias_a, bias_D: what
    the approach alone would get wrong on losses of exactly the fitted law at these very sizes and budgets: its exponent
    less the true one, and its D at the largest budget relative to the true one less 1; nan where not known.
    """

    code: Code
    a: float = math.nan
    a_interval: Interval | None = None
    b: float = math.nan
    b_interval: Interval | None = None
    N: tuple[tuple[float, Interval | None], ...] = ()
    D: tuple[tuple[float, Interval | None], ...] = ()
    decades_beyond: tuple[float, ...] = ()
    bias_a: float = math.nan
    bias_D: float = math.nan
    missing: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return _NAMES[self.code]


@dataclass(frozen=True)
class Difference:
    """Why approaches disagree, or may: a code that means one thing for ever, and a sentence."""

    code: str
    text: str


@dataclass(frozen=True)
class Counted:
    """The exponent that a way to look at the runs gives when model and compute are counted in one of two ways."""

    convention: str
    how: str
    a: float
    interval: Interval | None


@dataclass(frozen=True, eq=False)
class Approaches(Reporting, Pictured, Answered):
    """The approaches on one table. `agree` is False where intervals of an exponent, or of N at a budget, are apart.

    envelope, isoflops (by method) and fit are the full records, None or absent where `rows` says what is missing.
    counting: the exponents with and without embeddings, empty unless asked for.
    """

    _columns = 120
    _format = APPROACHES_FORMAT

    rows: tuple[Approach, ...]
    reasons: tuple[Difference, ...]
    budgets: tuple[float, ...]
    agree: bool
    level: float
    runs: int
    envelope: Envelope | None
    isoflops: dict[str, IsoFlop]
    fit: FitResult | None
    counting: tuple[Counted, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row for each approach: exponents and, for each budget, N and D, with the ends of their intervals."""
        records = []
        for row in self.rows:
            record: dict[str, Any] = {"approach": row.name, "missing": row.missing}
            pairs = {"a": (row.a, row.a_interval), "b": (row.b, row.b_interval)}
            for k, budget in enumerate(self.budgets):
                for of, values in (("N", row.N), ("D", row.D)):
                    pairs[f"{of}({budget:.3g})"] = values[k] if values else (math.nan, None)
            for name, (value, ends) in pairs.items():
                low, high = ends or (math.nan, math.nan)
                record |= {name: value, f"{name}_lo": low, f"{name}_hi": high}
            records.append(record | {"bias_a": row.bias_a, "bias_D": row.bias_D})
        return pd.DataFrame(records).set_index("approach")

    @property
    def verdict(self) -> str:
        """One line: whether the approaches that could be taken agree, and between which exponents they lie."""
        found = [row for row in self.rows if not row.missing]
        if len(found) < 2:
            return f"NOTHING TO COMPARE: {len(found)} of {len(self.rows)} approaches could be taken"
        low, high = min(r.a for r in found), max(r.a for r in found)
        ends = [r.a_interval for r in found if r.a_interval]
        if self.agree and max((high - low for low, high in ends), default=0.0) > _WIDE:
            return f"The approaches agree within their (wide) intervals: N grows as C^{low:.3f} to C^{high:.3f}"
        if self.agree:
            return f"THE APPROACHES AGREE within their intervals: N grows as C^{low:.3f} to C^{high:.3f}"
        return f"THE APPROACHES DISAGREE: N grows as C^{low:.3f} to C^{high:.3f}; the reasons are below"

    def report(self) -> Report:
        """Whether they agree, then each approach, its allocations, why they differ, and the two ways to count."""
        percent = f"{100 * self.level:g} %"
        fixed = "{:.4f}".format
        exponents = tuple(
            (
                row.name,
                fixed(row.a),
                words(row.a_interval, fixed),
                fixed(row.b),
                words(row.b_interval, fixed),
                f"{row.bias_a:+.4f}" if math.isfinite(row.bias_a) else "–",
            )
            for row in self.rows
            if not row.missing
        )
        header = ("approach", "a: N as C^a", percent, "b: D as C^b", percent, "its own bias of a")
        note = "Its own bias: what it would get wrong on losses of exactly the fitted law at these sizes and budgets."
        blocks: list[Table | Lines] = [
            Table("Exponents", header, exponents, note if any(math.isfinite(r.bias_a) for r in self.rows) else "")
        ]
        allocations = tuple(
            (
                flops(budget),
                row.name,
                format_number(row.N[k][0]),
                words(row.N[k][1], lambda v: format_number(v, 3)),
                format_number(row.D[k][0]),
                words(row.D[k][1], lambda v: format_number(v, 3)),
                f"{row.decades_beyond[k]:.1f}",
            )
            for k, budget in enumerate(self.budgets)
            for row in self.rows
            if not row.missing
        )
        data = next((x.response.data for x in (self.fit, *self.isoflops.values()) if x is not None), "tokens")
        header = ("budget (FLOPs)", "approach", "N", percent, f"D ({data})", percent, "decades beyond")
        blocks.append(Table(f"Best size and {data}", header, allocations))
        why = {row.missing: [r.name for r in self.rows if r.missing == row.missing] for row in self.rows if row.missing}
        if why:
            blocks.append(Lines("Not taken", tuple(f"{'; '.join(names)}: {text}" for text, names in why.items())))
        if self.reasons:
            blocks.append(Lines("Why they differ", tuple(f"{r.code}: {r.text}" for r in self.reasons)))
        if self.counting:
            rows = tuple((c.convention, c.how, fixed(c.a), words(c.interval, fixed)) for c in self.counting)
            header = ("counted", "how", "a: N as C^a", percent)
            note = "Kaplan et al. 2020 counted without embeddings and found 0.73; Hoffmann et al. 2022 with, and 0.5."
            blocks.append(Table("The same runs, counted in two ways", header, rows, note))
        return Report(f"Approaches 1, 2 and 3 · {self.runs} runs", self.verdict, tuple(blocks))

    def __repr__(self) -> str:
        return f"<Approaches: {self.verdict}>"


def flops(budget: float) -> str:
    """Without suffix: 2.2e14, not 220T."""
    return format_number(budget, suffixes=False)
