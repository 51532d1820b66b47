"""Approach 3: the best sizes of a fitted law."""

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from jaxscale._analyses.approaches.envelope import envelope
from jaxscale._analyses.approaches.isoflop import isoflop
from jaxscale._analyses.approaches.side_by_side import Approach
from jaxscale._analyses.approaches.trend import Interval
from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.result import FitResult
from jaxscale._planning.frontier import frontier
from jaxscale.costs import compute_ratios
from jaxscale.laws import chinchilla


def fit_law(runs: Runs, sampling: Mapping[str, Any]) -> tuple[FitResult | None, str]:
    """Approach 3, and why it says nothing: a fit that cannot be trusted has no row."""
    options = {**sampling, "draws": max(sampling["draws"], 20)}
    try:
        found = fit(chinchilla, runs, **options)
    except InputError as error:
        return None, str(error)
    return found, "" if found.verdict.trustworthy else str(found.verdict)


def fit_row(found: FitResult, runs: Runs, budgets: tuple[float, ...]) -> Approach:
    plan = frontier(found, budgets)
    a, interval = share(found)
    largest = float(runs.variable("C").max())
    return Approach(
        "fit",
        a,
        interval,
        1 - a,
        None if interval is None else (1 - interval[1], 1 - interval[0]),
        tuple((r.N, r.intervals.get("N")) for r in plan.rows),
        tuple((r.D, r.intervals.get("D")) for r in plan.rows),
        tuple(max(0.0, math.log10(b / largest)) for b in budgets),
    )


def share(found: FitResult) -> tuple[float, Interval | None]:
    """a = beta / (alpha + beta) of a fit, with its interval by the delta method."""
    alpha, beta = found.params["alpha"], found.params["beta"]
    a = beta / (alpha + beta)
    names = () if found.covariance is None else found.covariance.names
    if found.covariance is None or not {"alpha", "beta"} <= set(names):
        return a, None
    slope = np.zeros(len(names))
    slope[names.index("alpha")] = -beta / (alpha + beta) ** 2
    slope[names.index("beta")] = alpha / (alpha + beta) ** 2
    variance = float(slope @ found.covariance.matrix @ slope)
    if not variance >= 0:
        return a, None
    half = NormalDist().inv_cdf((1 + found.level) / 2) * math.sqrt(variance)
    return a, (a - half, a + half)


def with_bias(row: Approach, runs: Runs, fitted: FitResult, best: Approach, budgets: tuple[float, ...]) -> Approach:
    """The row with what its approach gets wrong on losses of exactly the fitted law (`best`) at the same runs."""
    if row.missing or row.code == "fit" or compute_ratios(runs) is not None:
        return row
    exact = replace(runs, response=np.asarray(fitted.predict(N=runs.variable("N"), D=runs.variable("D"))))
    try:
        if row.code == "envelope":
            record = envelope(exact, draws=0)
        else:
            record = isoflop(exact, method=row.code, points=None, draws=0)
    except InputError:
        return row
    furthest = max(budgets)
    truth = best.D[budgets.index(furthest)][0]
    return replace(row, bias_a=record.N.exponent - best.a, bias_D=record.D.at(furthest)[0] / truth - 1)
