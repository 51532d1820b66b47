"""Which recipe reaches the same loss with less compute: the record, its words and its file."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from jaxscale._analyses.deciding.joint_errors import Pairing
from jaxscale._base.errors import InputError
from jaxscale._base.files import MULTIPLIER_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, inert, listed

Choice = Literal["candidate", "baseline", "either", "more_runs", "no_evidence", "not_judged"]
Interval = tuple[float, float] | None
_WORDS: dict[Choice, str] = {
    "candidate": "choose {b}",
    "baseline": "choose {a}",
    "either": "{a} or {b}, which differ by less than {t}",
    "more_runs": "more runs",
    "no_evidence": "no evidence either way",
    "not_judged": "not judged",
}


@dataclass(frozen=True)
class EqualLoss:
    """One candidate against the baseline at one scale.

    compute: what the baseline spends, in the unit of the cost, at its best; response: what it reaches with that.
    compute_needed: what the candidate needs for the same at its best. ratio: compute_needed / compute, below 1 where
    the candidate is better; both are infinite beyond 100 times the compute, and 0 below a hundredth. interval: of the
    ratio, likewise, so that an upper end that the runs do not bound is infinite; None where nothing is known. choice:
    what the interval says at the threshold.
    """

    candidate: str
    compute: float
    response: float
    compute_needed: float
    ratio: float
    interval: Interval
    choice: Choice

    @property
    def multiplier(self) -> float:
        """compute / compute_needed = C_A / C_B: how many times the baseline's compute a unit of the candidate's is
        worth, above 1 where the candidate is better."""
        return 1 / self.ratio if self.ratio else math.inf

    @property
    def multiplier_interval(self) -> Interval:
        """The interval of `multiplier`."""
        if self.interval is None:
            return None
        low, high = self.interval
        return 1 / high, 1 / low if low else math.inf


@dataclass(frozen=True)
class ScaleTrend:
    """How the multiplier C_A / C_B of a candidate changes with scale: the factor per tenfold compute of the baseline,
    with its interval, between two scales; below 1 the candidate loses ground. Missing (nan) where there is none."""

    candidate: str
    low: float
    high: float
    factor: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class Multiplier(Reporting, Pictured, Saved):
    """Recipes against a baseline: the compute that each needs for the response that the baseline reaches.

    rows: by candidate, then by scale. trends: by candidate. threshold: share of compute from which a difference
    counts. method: of the intervals, which hold for all candidates at once where there are several (`simultaneous`).
    pairings: of the baseline with each candidate.
    """

    _columns = 130
    _format = MULTIPLIER_FORMAT

    baseline: str
    candidates: tuple[str, ...]
    rows: tuple[EqualLoss, ...]
    trends: tuple[ScaleTrend, ...]
    pairings: tuple[Pairing, ...]
    level: float
    threshold: float
    method: str
    cost: str
    unit: str
    laws: tuple[str, ...]
    seed: int
    notes: tuple[str, ...] = ()
    response: Measure = field(default_factory=Measure)

    def of(self, candidate: str) -> tuple[EqualLoss, ...]:
        """The rows of one candidate, by growing compute.

        Raises:
            InputError: there is no such candidate.
        """
        if candidate not in self.candidates:
            raise InputError(f"no candidate {inert(candidate)}; there are {listed(self.candidates)}")
        return tuple(row for row in self.rows if row.candidate == candidate)

    @property
    def simultaneous(self) -> bool:
        """Whether the intervals hold for all candidates at once."""
        return len(self.candidates) > 1

    @property
    def deciding(self) -> EqualLoss:
        """The row that the verdict is about: of the largest scale, the candidate that surely needs least compute (whose
        interval ends lowest), or else seems to."""
        last = [self.of(candidate)[-1] for candidate in self.candidates]
        return min(last, key=lambda row: (row.interval[1] if row.interval else math.inf, row.ratio))

    @property
    def verdict(self) -> str:
        """What to do, in words."""
        row = self.deciding
        return f"{self._choice(row)}: {self.sentence(row)}"

    @property
    def chosen(self) -> str | None:
        """The recipe to choose; None where the runs do not say."""
        row = self.deciding
        return {"candidate": row.candidate, "baseline": self.baseline}.get(row.choice)

    def _choice(self, row: EqualLoss) -> str:
        return _WORDS[row.choice].format(a=inert(self.baseline), b=inert(row.candidate), t=self._percent)

    @property
    def _percent(self) -> str:
        return f"{100 * self.threshold:g} %"

    def _why(self, row: EqualLoss) -> str:
        """What in the interval the choice comes from, in a sentence; empty where there is none."""
        a, b, t = inert(self.baseline), inert(row.candidate), self._percent
        if row.interval is None:
            return ""
        return {
            "candidate": f"Anywhere in the interval {b} saves more than {t} of the {self.spent}.",
            "baseline": f"Anywhere in the interval {b} costs more than {t} of the {self.spent}.",
            "either": f"A difference of {t} or more is ruled out.",
            "more_runs": f"That {a} is better by {t} is ruled out, that {b} is not."
            if row.interval[0] < 1 - self.threshold
            else f"That {b} is better by {t} is ruled out, that {a} is not.",
            "no_evidence": f"{b} may be better by {t}, and so may {a}.",
        }.get(row.choice, "")

    def _more(self, row: EqualLoss) -> str:
        """Where runs that would tell come from, if there is need of them."""
        if row.choice not in ("more_runs", "no_evidence"):
            return ""
        return (
            f"Which runs would tell: next_runs (jaxscale next-runs) of each fit, its {self.response.given_name} at "
            f"{_amount(row.compute)} {self.unit} being the target. Runs of the same designs for both cancel what they "
            "share."
        )

    @property
    def spent(self) -> str:
        """What is spent, as a noun: "compute" for FLOPs, else the unit of the cost."""
        return "compute" if self.unit == "FLOPs" else self.unit

    def sentence(self, row: EqualLoss) -> str:
        """One row in words, from which the direction cannot be mistaken."""
        a, b = inert(self.baseline), inert(row.candidate)
        value = format_number(float(self.response.to_given(row.response)), 4, suffixes=False)
        where = f"the {self.response.given_name} that {a} reaches at {_amount(row.compute)} {self.unit} ({value})"
        ends = "" if row.interval is None else f" {_span(row.interval)}"
        if not math.isfinite(row.ratio):
            return f"{b} does not reach {where} within 100 times the {self.spent}, by its law{ends}"
        times = f"{_ratio(row.ratio)} times" if row.ratio else "less than a hundredth of"
        return f"{b} reaches {where} with {times} the {self.spent}{ends}"

    def _trend_words(self, trend: ScaleTrend) -> str:
        a, b = inert(self.baseline), inert(trend.candidate)
        if not math.isfinite(trend.factor):
            return f"{b}: no trend with scale could be had."
        ends = "" if trend.interval is None else f" {_span(trend.interval)}"
        factor = f"the multiplier C_{a} / C_{b} changes by a factor of {trend.factor:.3f}{ends}"
        moves = f"{b}: per tenfold {self.spent} {factor}"
        if trend.interval is None:
            return f"{moves}."
        low, high = trend.interval
        if abs(math.log(trend.factor)) + math.log(high / low) < 1e-6:
            return f"{b}: the same at every scale, which what the fits have in common implies."
        if low <= 1 <= high:
            return f"{moves}: no trend with scale can be told."
        return f"{moves}: {b} {'loses' if trend.factor < 1 else 'gains'} ground as runs grow."

    def to_frame(self) -> pd.DataFrame:
        """One row for each candidate and scale; `ratio` is compute_needed / compute, `multiplier` its inverse."""
        rows = []
        for row in self.rows:
            low, high = row.interval or (math.nan, math.nan)
            least, most = row.multiplier_interval or (math.nan, math.nan)
            rows.append(
                {
                    "baseline": self.baseline,
                    "candidate": row.candidate,
                    "compute": row.compute,
                    "response": row.response,
                    "compute_needed": row.compute_needed,
                    "ratio": row.ratio,
                    "ratio_low": low,
                    "ratio_high": high,
                    "multiplier": row.multiplier,
                    "multiplier_low": least,
                    "multiplier_high": most,
                    "choice": row.choice,
                }
            )
        return pd.DataFrame(rows)

    def report(self) -> Report:
        """The verdict, then every scale, the trend, and how the intervals were made."""
        a, spent = inert(self.baseline), self.spent
        percent = f"{100 * self.level:g} % interval"
        header = (
            *(("recipe",) if self.simultaneous else ()),
            f"{spent} of {a} ({self.unit})",
            f"{self.response.heading} reached",
            f"{spent} needed",
            f"times {a}'s",
            percent,
            "multiplier",
            "verdict",
        )
        cells = []
        for row in self.rows:
            given = float(self.response.to_given(row.response))
            line = (
                _amount(row.compute),
                format_number(given, 4, suffixes=False),
                _amount(row.compute_needed) if 0 < row.compute_needed < math.inf else "",
                _ratio(row.ratio),
                "–" if row.interval is None else _span(row.interval),
                _ratio(row.multiplier) if row.multiplier else "below 0.01",
                self._choice(row),
            )
            cells.append((inert(row.candidate), *line) if self.simultaneous else line)
        names = " and ".join(dict.fromkeys(self.laws))
        title = f"{a} against {_names(self.candidates)} · equal {self.response.given_name} at least {spent} · {names}"
        sure = any(row.interval is not None for row in self.rows)
        how = [
            self._why(self.deciding),
            self._more(self.deciding),
            self.method,
            *(pairing.text for pairing in self.pairings if sure),
        ]
        blocks: tuple[Table | Lines, ...] = (
            Table(
                f"What each needs for what {a} reaches, both at their best",
                header,
                tuple(cells),
                f"Better than {a}: below 1 times its {spent}, a multiplier (C_{a} / C) above 1.",
            ),
            Lines("With scale", tuple(map(self._trend_words, self.trends))),
            Lines("How sure", tuple(filter(None, (*how, *self.notes)))),
        )
        return Report(title, self.verdict, blocks)

    def __repr__(self) -> str:
        return f"<Multiplier {inert(self.baseline)} against {_names(self.candidates)}: {self.verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """The comparison in the format `jaxscale.multiplier/1`; an end or a number that is infinite is None."""
        return self._document(
            {
                "baseline": self.baseline,
                "candidates": list(self.candidates),
                "laws": list(self.laws),
                "response": self.response.to_dict(),
                "cost": {"name": self.cost, "unit": self.unit},
                "level": self.level,
                "threshold": self.threshold,
                "simultaneous": self.simultaneous,
                "method": self.method,
                "seed": self.seed,
                "verdict": {"choice": self.deciding.choice, "chosen": self.chosen, "text": self.verdict},
                "rows": [
                    {
                        **vars(row),
                        "interval": None if row.interval is None else list(row.interval),
                        "multiplier": row.multiplier,
                        "multiplier_interval": None if row.interval is None else list(row.multiplier_interval or ()),
                    }
                    for row in self.rows
                ],
                "trends": [
                    {**vars(t), "interval": None if t.interval is None else list(t.interval)} for t in self.trends
                ],
                "pairings": [vars(pairing) for pairing in self.pairings],
                "notes": list(self.notes),
            }
        )


def choice_of(interval: Interval, threshold: float) -> Choice:
    """What an interval of compute_needed / compute says, where `threshold` is the least saving that counts: the
    candidate is better below 1 - threshold, the baseline above 1 / (1 - threshold)."""
    if interval is None or any(end != end for end in interval):
        return "not_judged"
    low, high = interval
    better, worse = 1 - threshold, 1 / (1 - threshold)
    if high < better:
        return "candidate"
    if low > worse:
        return "baseline"
    if low >= better and high <= worse:
        return "either"
    return "no_evidence" if low < better and high > worse else "more_runs"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(inert, names))


def _amount(value: float) -> str:
    return format_number(value, 3, suffixes=False)


def _ratio(value: float) -> str:
    """A ratio, followed up to a hundred times and down to a hundredth."""
    return format_number(value, 3, suffixes=False) if math.isfinite(value) else "over 100"


def _span(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"[{_ratio(low)}, {_ratio(high)}]"
