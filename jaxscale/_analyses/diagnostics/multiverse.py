"""How far the answer moves with choices that an analyst could as well have made otherwise: all of them, refitted."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from jaxscale import costs
from jaxscale._base.answered import Answered
from jaxscale._base.errors import InputError
from jaxscale._base.files import MULTIVERSE_FORMAT
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.progress import listening, tell
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.robust import HUBER_TURN
from jaxscale._base.text import format_number, inert
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs, as_runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.options import rows_for
from jaxscale._fitting.result import FitResult
from jaxscale._planning.frontier import frontier
from jaxscale._problem.objectives import AbsoluteError, Huber, Objective, SquaredError
from jaxscale._trust.judge_influence import FAR_OFF_IN_SIGMA
from jaxscale.costs import CostModel
from jaxscale.laws import Law
from jaxscale.laws._registry import as_law

DECISIONS = ("N", "D", "loss")
_MOST_FITS = 500
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Multiverse(Reporting, Pictured, Answered):
    """One fit for each combination of choices, and the decision it leads to at one budget.

    choices: by name, the labels of its options, the first being the usual one. frame: a row for each combination: the
    labels, N, D and loss of the best run, whether the fit is trustworthy, and why there is no answer where there is
    none. budget: in `unit`. response: what the loss is, whose law's numbers the frame holds.
    """

    _format = MULTIVERSE_FORMAT

    budget: float
    unit: str
    response: Measure
    choices: Mapping[str, tuple[str, ...]]
    frame: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """One row for each combination of choices, see `frame`."""
        return self.frame.copy()

    def spread(self) -> pd.DataFrame:
        """Which choice moves the answer most: for N, D and loss, the largest over the smallest answer that one choice
        gives while the others stay, as a typical (geometric mean) and a largest factor. One row for each choice."""
        rows = {}
        for choice in self.choices:
            others = [c for c in self.choices if c != choice]
            row: dict[str, float] = {}
            for name in DECISIONS:
                logs = np.log(self.frame[name])
                groups = logs.groupby([self.frame[c] for c in others]) if others else [((), logs)]
                ranges = [g.max() - g.min() for _, g in groups if g.notna().sum() > 1]
                row[name] = math.exp(np.mean(ranges)) if ranges else math.nan
                row[f"{name}_largest"] = math.exp(max(ranges)) if ranges else math.nan
            rows[choice] = row
        table = pd.DataFrame.from_dict(rows, orient="index")
        return table.sort_values("N", ascending=False, kind="stable").rename_axis("choice")

    @property
    def _budget(self) -> str:
        return f"{format_number(self.budget, 3, suffixes=False)} {self.unit}"

    def report(self) -> Report:
        """The range of answers, then which choice moves them most, then the combinations at both ends."""
        kept = self.frame.dropna(subset=["N"])
        counts = f"{len(self.frame)} fits, {int(self.frame['trustworthy'].sum())} of them trustworthy"
        title = f"Multiverse · {counts} · budget {self._budget}"
        if not len(kept):
            return Report(title, None, (Lines("", ("No combination of choices gives an answer.",)),))
        usual = self.frame.iloc[0]
        ranges = []
        for name in DECISIONS:
            ends = kept[name].min(), kept[name].max()
            low, high = (self._shown(name, x) for x in (reversed(ends) if self._turned(name) else ends))
            ranges.append((self._title(name), self._shown(name, usual[name]), f"{low} to {high}", self._unit(name)))
        spread = self.spread()
        moved = [
            (inert(c), str(len(self.choices[c])), *(f"x {spread[n][c]:.3g}" for n in DECISIONS)) for c in spread.index
        ]
        ordered = kept.sort_values("N", kind="stable")
        if len(ordered) > _SHOWN:
            ordered = pd.concat([ordered.head(_SHOWN // 2), ordered.tail(_SHOWN // 2)])
        combinations = []
        for row in ordered.to_dict("records"):
            answers = (self._shown(n, row[n]) for n in DECISIONS)
            combinations.append(
                (*(inert(row[c]) for c in self.choices), *answers, "yes" if row["trustworthy"] else "no")
            )
        blocks: list[Table | Lines] = [
            Table("", ("", "usual choices", "over all choices", "unit"), tuple(ranges)),
            Table(
                "What one choice moves, the others held (largest answer over smallest, typical)",
                ("choice", "options", *map(self._title, DECISIONS)),
                tuple(moved),
            ),
            Table("Ends", (*self.choices, *map(self._title, DECISIONS), "trustworthy"), tuple(combinations)),
        ]
        if missing := len(self.frame) - len(kept):
            blocks.append(Lines("", (f"{missing} combinations give no answer; the column `why` of `frame` says why.",)))
        return Report(title, None, tuple(blocks))

    def _shown(self, name: str, value: float) -> str:
        if name == "loss":
            value = self.response.to_given(value)
        return format_number(float(value), 4, name != "loss") if math.isfinite(value) else "none"

    def _turned(self, name: str) -> bool:
        return name == "loss" and self.response.falls

    def _title(self, name: str) -> str:
        return f"best {self.response.given_name if name == 'loss' else name}"

    def _unit(self, name: str) -> str:
        return {"N": "parameters", "D": self.response.data}.get(name, self.response.given_unit)

    def __repr__(self) -> str:
        return f"<Multiverse of {len(self.frame)} fits, choices: {', '.join(map(inert, self.choices))}>"


def multiverse(
    runs: Runs | Mapping[str, Runs] | Any,
    *,
    budget: float | str,
    cost: CostModel | str = costs.six_nd,
    laws: tuple[Law | str, ...] | list[Law | str] = ("chinchilla",),
    objectives: Mapping[str, Objective] | None = None,
    outliers: bool = True,
    weights: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Mapping[str, float]] | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Multiverse:
    """Refit the runs under every combination of choices, and compare the decisions at one budget.

    Args:
        runs: the runs, or several readings of them by label, such as {"N with embeddings": ..., "N without": ...}; the
            first is the usual one. Also anything `read_runs` takes.
        budget: in the unit of `cost`, or in words, see `costs.budget`.
        cost: cost model, or its name.
        laws: laws or their names.
        objectives: by label; by default Huber(1e-3), Huber matched to the noise (1.345 robust standard deviations of
            the usual fit, Huber 1981), least squares and least absolute deviations, all on log residuals.
        outliers: also fit without the runs that lie more than ten typical residuals off the usual fit, if there are.
        weights: weights by label, each with one weight for each run or None.
        fixed: pins by label, {"E free": {}, "E = 1.69": {"E": 1.69}}.
        seed: of the fits.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: there are no choices, more than 500 combinations, or the usual fit is impossible.
    """
    readings = dict(runs) if isinstance(runs, Mapping) and all(isinstance(r, Runs) for r in runs.values()) else None
    chosen = [as_law(law) for law in laws]
    readings = {label: rows_for(chosen, read) for label, read in (readings or {"as given": as_runs(runs)}).items()}
    if not chosen:
        raise InputError("laws is empty; give at least one")
    cost = costs.as_cost(cost)
    budget = costs.budget(budget, cost)
    with listening(progress, "fitting"):
        usual = fit(chosen[0], next(iter(readings.values())), intervals=None, seed=seed)
        options: dict[str, dict[str, Any]] = {
            "law": {law.name: law for law in chosen},
            "objective": dict(_objectives(usual) if objectives is None else objectives),
            "runs": readings,
            "outliers": {"all runs": False}
            | ({"without outliers": True} if outliers and _far_off(usual).any() else {}),
            "weights": dict(weights or {"as given": None}),
            "fixed": {label: dict(pins) for label, pins in (fixed or {"nothing": {}}).items()},
        }
        choices, combinations = _combinations(options)

        @cache
        def without_outliers(reading: str) -> np.ndarray:
            return ~_far_off(fit(chosen[0], readings[reading], intervals=None, seed=seed))

        tell(0, len(combinations), "fits")
        rows = []
        for k, labels in enumerate(combinations):
            of = dict(zip(options, labels, strict=True))
            law, objective, table, drop, weight, pins = (options[name][of[name]] for name in options)
            answer: dict[str, Any] = dict.fromkeys(DECISIONS, math.nan) | {"trustworthy": False, "why": ""}
            try:
                keep = without_outliers(of["runs"]) if drop else np.ones(table.count, bool)
                given = None if weight is None else np.asarray(weight, np.float64)[keep]
                result = fit(
                    law, table.subset(keep), objective=objective, fixed=pins, weights=given, seed=seed, intervals=None
                )
                row = frontier(result, budget, cost=cost).rows[0]
                answer |= {"trustworthy": result.verdict.trustworthy, "why": row.note}
                answer |= {name: getattr(row, name) for name in DECISIONS if row.status == "ok"}
            except InputError as error:
                answer["why"] = str(error)
            rows.append({name: of[name] for name in choices} | answer)
            tell(k + 1, len(combinations), "fits")
    return Multiverse(budget, cost.unit, usual.response, choices, pd.DataFrame(rows))


def _objectives(usual: FitResult) -> dict[str, Objective]:
    """What residuals may be judged by, where the caller does not say; one is matched to the noise of the usual fit."""
    matched = float(f"{HUBER_TURN * usual.sigma:.3g}") if usual.sigma > 0 else None
    return {
        "Huber 0.001": Huber(),
        **({} if matched is None else {f"Huber, noise-matched ({matched:g})": Huber(matched)}),
        "least squares": SquaredError(),
        "least absolute": AbsoluteError(),
    }


def _combinations(
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, ...]]]:
    """The choices that have several options, with their labels; and every combination of labels of all choices."""
    choices = {name: tuple(option) for name, option in options.items() if len(option) > 1}
    if not choices:
        raise InputError("there is nothing to choose; give several laws, objectives, readings of the runs or weights")
    combinations = list(itertools.product(*options.values()))
    if len(combinations) > _MOST_FITS:
        counts = " x ".join(f"{len(labels)} {name}" for name, labels in choices.items())
        raise InputError(f"{counts} are {len(combinations)} combinations; {_MOST_FITS} at most")
    return choices, combinations


def _far_off(result: FitResult) -> np.ndarray:
    """Runs more than ten typical residuals off a fit, (n_runs,)."""
    runs = result.runs
    assert runs is not None  # a fit just made carries its runs
    predicted = result.predict(**{v.name: runs.variable(v.name) for v in result.law.variables})
    log = result.law.response.domain == "positive" and result.objective.space == "log"
    residual = np.log(runs.response / predicted) if log else runs.response - predicted
    return np.abs(residual) > FAR_OFF_IN_SIGMA * result.sigma
