"""What the objective says of one quantity at a time: its profile, the interval from it, and tests of pins and ties."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale import costs
from jaxscale._analyses.diagnostics.quantity import Derived, make_derived
from jaxscale._base.answered import Answered
from jaxscale._base.errors import InputError
from jaxscale._base.files import PROFILE_FORMAT
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.settings import in_float64
from jaxscale._base.text import plural
from jaxscale._base.validation import check_level
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._trust.linearization import linearize
from jaxscale._trust.profile_curves import profile_curve
from jaxscale.costs import CostModel
from jaxscale.laws import Law


@dataclass(frozen=True, eq=False)
class Profile(Reporting, Pictured, Answered):
    """How the objective rises when one quantity is held away from its estimate and everything else is refitted.

    low, high: the interval at `level`; infinite where the runs do not bound the quantity. values (k,), ascending, in
    the quantity's unit; rise (k,): of the objective, in units in which an end of the interval has the value 1. theta
    (k, n_parameters): the refits. notes: what to know.
    """

    _format = PROFILE_FORMAT

    law: Law
    quantity: Derived
    estimate: float
    low: float
    high: float
    level: float
    values: np.ndarray
    rise: np.ndarray
    theta: np.ndarray
    label: str
    notes: tuple[str, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    @property
    def bounded(self) -> bool:
        """Whether the runs bound the quantity on both sides."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    def to_frame(self) -> pd.DataFrame:
        """One row for each value looked at: value, rise, and in natural units each parameter refitted there."""
        parameters = pd.DataFrame(self.law.naturals(self.theta), columns=pd.Index(self.law.parameter_names))
        return pd.concat([pd.DataFrame({"value": self.values, "rise": self.rise}), parameters], axis=1)

    def report(self) -> Report:
        """The estimate and its interval, then what to know."""
        q, percent = self.quantity, f"{100 * self.level:g} % interval"
        span = q.span(self.low, self.high)
        row = (q.name, q.shown(self.estimate), span, q.unit)
        table = Table("", ("quantity", "estimate", percent, "unit"), (row,))
        return Report(f"{self.label} · profile", None, (table, Lines("", self.notes)) if self.notes else (table,))

    def __repr__(self) -> str:
        q = self.quantity
        return f"<Profile of {q.name}: {q.shown(self.estimate)}, {q.span(self.low, self.high)}>"


def profile(
    result: FitResult,
    quantity: str | Callable[..., Any] | None = None,
    *,
    budget: float | str | None = None,
    cost: CostModel | str = costs.six_nd,
    at: Mapping[str, float] | None = None,
    level: float | None = None,
    runs: Runs | None = None,
) -> Profile:
    """The interval of a parameter, or of anything that follows from the parameters, by scaled profile of the objective.

    A value c is inside while 2 (F(c) - F) m1 / m2 is at most t(n - p)^2, F(c) being the objective refitted with the
    quantity held at c, m1 the expected slope of psi and m2 its mean square; for least squares this is the usual
    profile t (Bates & Watts 1988, sec. 6.1), for robust ones it follows Schrader & Hettmansperger (1980). It needs no
    normal approximation, so it may be lopsided, or open where the runs do not bound the quantity. Runs must be
    independent of each other.

    Args:
        result: the fit.
        quantity: a parameter's name; with `budget` one of N (the default), D, loss, tokens_per_param of the best run;
            or a function of the parameters by name in natural units, in pure JAX: lambda p: p["beta"] / (p["alpha"] +
            p["beta"]).
        budget: in the unit of `cost`, or in words, see `costs.budget`.
        cost: cost model of the budget, or its name.
        at: variables of one run, {"N": 70e9, "D": 1.4e12}: the quantity is its response.
        level: of the interval; the fit's own if not given.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: the quantity is none, the runs are missing, or they leave no degrees of freedom.
    """
    level = result.level if level is None else check_level(level)
    wanted = "N" if quantity is None and budget is not None else quantity
    asked = make_derived(result.law, wanted, budget=budget, cost=costs.as_cost(cost), at=at, response=result.response)
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    with in_float64():
        best = problem.reduce(result.theta)
        linear = linearize(problem, best)
        if linear.freedom < 1:
            raise InputError(
                f"{plural(runs.count, 'run')} for {plural(len(best), 'parameter')}: nothing is left to tell the noise "
                "by, and no interval covers; add runs, or fix parameters (fixed=, --fix)"
            )
        measure, given = asked.of_free(problem)
        (curve,) = profile_curve(problem, best, linear, measure, given[None], level)
    if not np.isfinite(curve.estimate):
        raise InputError(f"{asked.name} does not exist at this fit: the law has no optimum there")
    notes = []
    for side, end, outermost in (("below", curve.low, curve.reached[0]), ("above", curve.high, curve.reached[1])):
        if np.isinf(end):
            far = asked.shown(asked.natural(outermost))
            notes.append(
                f"These runs do not bound {asked.name} {side}: the objective rises too little all the way to {far}."
            )
    if curve.lowest < curve.start * (1 - 1e-9):
        notes.append(
            "A lower objective than that of the fit was met on the way; fit again with starts='paper' (--starts paper)."
        )
    if runs.clusters is not None:
        notes.append("Rows of one independent run were counted as if they were independent.")
    if linear.freedom < 10:
        notes.append(f"{linear.freedom} degrees of freedom.")
    return Profile(
        law=result.law,
        quantity=asked,
        estimate=float(asked.natural(curve.estimate)),
        low=float(asked.natural(curve.low)),
        high=float(asked.natural(curve.high)),
        level=level,
        values=np.asarray(asked.natural(curve.values)),
        rise=np.maximum(curve.objective - curve.start, 0) / curve.rise,
        theta=problem.full(curve.free),
        label=result.label,
        notes=tuple(notes),
    )
