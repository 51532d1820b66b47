"""What a trial of laws found: each law's errors on each hold-out, all of them side by side, and the law to take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._analyses.comparison.stacking import log_densities, stacked
from jaxscale._base.errors import InputError
from jaxscale._base.files import COMPARE_FORMAT, Saved
from jaxscale._base.latex import ForPapers
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, listed, plural
from jaxscale._fitting.result import FitResult
from jaxscale.laws import Law

_MOST_COLUMNS = 4  # of hold-outs side by side


@dataclass(frozen=True)
class Holdout:
    """Runs kept aside: what they are, how many runs are left to fit to, and the row numbers of those kept aside.

    beyond: of each of these its compute over the largest compute fitted to; empty where runs have none.
    """

    label: str
    trained: int
    rows: tuple[int, ...]
    beyond: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Trial:
    """One law fitted without one hold-out. Errors are relative (predicted / observed - 1) where the response is
    positive, plain differences elsewhere; what could not be had is nan.

    reason: why there is no prediction, or "". error, bias, worst: mean size, mean, and largest size of the errors on
    the runs held out; train_error: mean size on those fitted to. covered: share of held-out runs inside their
    prediction interval. optimum_factor: by what factor the best size at the held-out budgets is missed, at least 1, the
    geometric mean over `optimum_budgets` budgets. observed, predicted, low, high: (n_held_out,), in the order of
    `Holdout.rows`.
    """

    law: str
    holdout: str
    reason: str = ""
    error: float = math.nan
    bias: float = math.nan
    worst: float = math.nan
    train_error: float = math.nan
    covered: float = math.nan
    optimum_factor: float = math.nan
    optimum_budgets: int = 0
    trustworthy: bool | None = None
    codes: tuple[str, ...] = ()
    params: Mapping[str, float] = field(default_factory=dict)
    observed: np.ndarray = field(default_factory=lambda: np.empty(0))
    predicted: np.ndarray = field(default_factory=lambda: np.empty(0))
    low: np.ndarray = field(default_factory=lambda: np.empty(0))
    high: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class Contender:
    """One law of a trial, or a baseline, over all hold-outs: mean error, bias and coverage; and what a fit to all runs
    says: parameters, information criteria and verdict. `law` is None for a baseline.

    result: that fit, which files leave out; None for a baseline.
    """

    label: str
    law: Law | None
    parameters: int
    error: float
    bias: float
    covered: float
    optimum_factor: float
    aic: float = math.nan
    bic: float = math.nan
    verdict: str = ""
    trustworthy: bool | None = None
    params: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    result: FitResult | None = None


@dataclass(frozen=True)
class Recommendation:
    """The law to extrapolate with, or None, and the sentences that say why."""

    law: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison(Reporting, Pictured, ForPapers, Saved):
    """The outcome of a trial. Frozen; `contenders` are ordered from the least error up, `trials` by law and hold-out.

    likelihood: which one the information criteria are of. notes: what to know about the hold-outs.
    """

    _columns = 120
    _format = COMPARE_FORMAT

    response: str
    unit: str
    relative: bool
    level: float
    objective: str
    likelihood: str
    holdouts: tuple[Holdout, ...]
    contenders: tuple[Contender, ...]
    trials: tuple[Trial, ...]
    recommendation: Recommendation
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: tuple[str, str]) -> Trial:
        """The trial of a law and a hold-out, by their labels."""
        for trial in self.trials:
            if (trial.law, trial.holdout) == key:
                return trial
        known = f"{listed([c.label for c in self.contenders])} and {listed([h.label for h in self.holdouts])}"
        raise InputError(f"there is no trial {key!r}; there are {known}")

    def to_frame(self) -> pd.DataFrame:
        """One row for each law and hold-out."""
        counts = {h.label: (h.trained, len(h.rows)) for h in self.holdouts}
        rows = []
        for t in self.trials:
            trained, held_out = counts[t.holdout]
            row = {name: getattr(t, name) for name in _TRIAL_FIELDS}
            row |= {"trained": trained, "held_out": held_out, "codes": " ".join(t.codes)}
            rows.append(row)
        order = ["law", "holdout", "trained", "held_out", *(n for n in _TRIAL_FIELDS if n not in ("law", "holdout"))]
        return pd.DataFrame(rows)[order]

    def predictions(self) -> pd.DataFrame:
        """One row for each held-out run and law: observed, predicted, and the ends of the prediction interval."""
        rows = {h.label: h.rows for h in self.holdouts}
        parts = [
            pd.DataFrame({
                "law": t.law, "holdout": t.holdout, "row": rows[t.holdout], "observed": t.observed,
                "predicted": t.predicted, "low": t.low, "high": t.high,
            })
            for t in self.trials if not t.reason
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def stacking_weights(self) -> dict[str, float]:
        """Weights of the laws that predict the runs held out best together, by label; they sum to one.

        Each law predicts a held-out response as normal (of its log where it is positive), with the width of its own
        prediction interval; weights are those of the highest mean log density of their mixture (Yao et al. 2018,
        doi 10.1214/17-BA1091). They follow from held-out runs alone, whatever fits best.

        Raises:
            InputError: no law predicted all held-out runs with an interval.
        """
        tried = {c.label: [self[c.label, h.label] for h in self.holdouts] for c in self.contenders if c.law is not None}
        densities = {label: log_densities(trials, self.relative, self.level) for label, trials in tried.items()}
        logs = {label: v for label, v in densities.items() if v is not None}
        if not logs:
            raise InputError(
                "no law of this comparison predicted all runs held out with an interval, so none has a weight"
            )
        return dict(zip(logs, map(float, stacked(np.stack(list(logs.values())))), strict=True)) | {
            label: 0.0 for label, v in densities.items() if v is None
        }

    def report(self) -> Report:
        """The recommendation first, then its reasons, then one table of all laws, then what failed and what to know."""
        title = (
            f"{plural(sum(c.law is not None for c in self.contenders), 'law')} · {self.response} · "
            f"{plural(len(self.holdouts), 'hold-out')} · {self.objective}"
        )
        choice = self.recommendation.law
        verdict = f"Recommended: {choice}" if choice else "No law is recommended"
        blocks: list[Table | Lines] = [Lines("Why", self.recommendation.reasons), self._table()]
        failed: dict[tuple[str, str], list[str]] = {}
        for t in self.trials:
            if t.reason:
                failed.setdefault((t.law, t.reason), []).append(t.holdout)
        if failed:
            lines = (f"{law}, on {', '.join(where)}: {reason}" for (law, reason), where in failed.items())
            blocks.append(Lines("Failed", tuple(lines)))
        budgets = {t.holdout: t.optimum_budgets for t in self.trials}
        held = tuple(
            f"{h.label}: fitted to {plural(h.trained, 'run')}, {len(h.rows)} held out, with a best size at "
            f"{plural(budgets[h.label], 'budget')}"
            for h in self.holdouts
        )
        blocks.append(Lines("Hold-outs", (*held, *self.notes)))
        return Report(title, verdict, tuple(blocks))

    def paper_table(self) -> Table:
        """Errors on the runs held out; the caption says which, what was minimised, and what the columns mean."""
        held = "; ".join(f"{h.label}: {h.trained} fitted, {len(h.rows)} held out" for h in self.holdouts)
        choice = self.recommendation.law
        said = f"Recommended: {choice}." if choice else "No law is recommended."
        table = self._table()
        caption = f"Laws of {self.response} fitted by {self.objective}, judged on runs held out ({held}). {said}"
        return Table(caption, table.header, table.rows, table.note)

    def _table(self) -> Table:
        by_holdout = self.holdouts if 1 < len(self.holdouts) <= _MOST_COLUMNS else ()
        size = self._size
        least = {k: min((getattr(c, k) for c in self.contenders if math.isfinite(getattr(c, k))), default=math.nan)
                 for k in ("aic", "bic")}  # fmt: skip
        rows = []
        for c in self.contenders:
            each = (size(self[c.label, h.label].error) for h in by_holdout)
            rows.append((
                c.label,
                str(c.parameters) if c.law is not None else "–",
                *each,
                size(c.error),
                size(c.bias, sign=True),
                percent(c.covered, 0),
                "–" if math.isnan(c.optimum_factor) else f"x {c.optimum_factor:.2f}",
                _criterion(c.aic - least["aic"]),
                _criterion(c.bic - least["bic"]),
                {True: "trustworthy", False: "not trustworthy", None: "–"}[c.trustworthy],
            ))  # fmt: skip
        mean = "mean" if len(self.holdouts) > 1 else "error"
        header = (
            "law", "params", *(h.label for h in by_holdout), mean, "bias", f"inside {100 * self.level:g} %",
            "best N off", "ΔAIC", "ΔBIC", "verdict",
        )  # fmt: skip
        scale = "predicted / observed - 1" if self.relative else f"predicted - observed, {self.unit or 'plain'}"
        note = (
            f"Errors on held-out runs, mean size of {scale}; bias is their mean, below 0 if predictions are too low. "
            f"Inside: share of held-out runs within their prediction interval. Best N off: factor between the best "
            f"size at the held-out budgets and the predicted, both by a parabola through the same runs. "
            f"{self.likelihood}"
        )
        return Table("Held-out errors", header, tuple(rows), note)

    def _size(self, value: float, sign: bool = False) -> str:
        if not math.isfinite(value):
            return "–"
        if self.relative:
            return percent(value, 2, sign)
        return f"{value:+.4g}" if sign else format_number(value, 4, suffixes=False)

    def __repr__(self) -> str:
        return f"<Comparison, {len(self.contenders)} laws and baselines: {self.report().verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """The comparison in the format `jaxscale.compare/1`; what is missing is None."""
        contenders = []
        for c in self.contenders:
            entry = {k: getattr(c, k) for k in _CONTENDER_FIELDS} | {"params": dict(c.params)}
            law = None if c.law is None else {"law": c.law.name, "law_options": dict(c.law.options)}
            contenders.append(entry | {"baseline": c.law is None} | (law or {"law": None, "law_options": {}}))
        rows = [
            {k: getattr(t, k) for k in _TRIAL_FIELDS} | {"codes": list(t.codes), "params": dict(t.params)}
            for t in self.trials
        ]
        holdouts = [vars(h) | {"rows": list(h.rows), "beyond": list(h.beyond)} for h in self.holdouts]
        choice = {"law": self.recommendation.law, "reasons": list(self.recommendation.reasons)}
        return self._document({
            "response": {"name": self.response, "unit": self.unit, "relative": self.relative},
            "level": self.level,
            "objective": self.objective,
            "likelihood": self.likelihood,
            "laws": contenders,
            "holdout": holdouts,
            "rows": rows,
            "recommendation": choice,
            "notes": list(self.notes),
        })  # fmt: skip


_TRIAL_FIELDS = (
    "law", "holdout", "reason", "error", "bias", "worst", "train_error", "covered", "optimum_factor",
    "optimum_budgets", "trustworthy", "codes",
)  # fmt: skip
_CONTENDER_FIELDS = (
    "label", "parameters", "error", "bias", "covered", "optimum_factor", "aic", "bic", "verdict", "trustworthy",
    "reason",
)  # fmt: skip


def percent(value: float, digits: int, sign: bool = False) -> str:
    """A share in percent, a dash where there is none."""
    return "–" if not math.isfinite(value) else f"{100 * value:{'+' if sign else ''}.{digits}f} %"


def _criterion(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.1f}"
