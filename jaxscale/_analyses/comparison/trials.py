"""One law, or a baseline, tried on one hold-out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from jaxscale._analyses.comparison.best_sizes import best_size_factor
from jaxscale._analyses.comparison.comparison import Trial
from jaxscale._base.errors import InputError
from jaxscale._base.settings import in_float64
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit_many import fit_many
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.result import FitResult
from jaxscale._problem.problem import Problem, make_problem
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale.laws import Law, Variable

NEAREST, LOG_LINEAR = "(nearest run)", "(log-linear)"
BASELINES = (NEAREST, LOG_LINEAR)


# One law without one hold-out ----------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Split:
    """One hold-out, and how errors on it are measured.

    holdout: its label. mask (n_runs,): the runs held out. budgets: positions of the runs of each budget with a best
    size. response: what the laws predict; errors are relative where it is positive.
    """

    holdout: str
    runs: Runs
    mask: np.ndarray
    budgets: Sequence[np.ndarray]
    response: Variable


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fit to the runs that were not held out, and its linearization at all runs."""

    result: FitResult
    problem: Problem
    at: Linearization
    response: np.ndarray  # (n_runs,) predicted


def attempts_of(law: Law, runs: Runs, held: Sequence[np.ndarray], options: Mapping[str, Any]) -> list["Fitted | str"]:
    """For each mask of runs held out (n_runs,) the fit to the others, or why there is none; all side by side.

    Runs held out weigh nothing, so that all share one compiled program.
    """
    weights = np.ones(runs.count) if runs.weights is None else runs.weights
    tables = {str(k): replace(runs, weights=np.where(mask, 0.0, weights)) for k, mask in enumerate(held)}
    try:
        fits = fit_many(law, tables, intervals="quick", **options)
    except InputError as error:
        return [str(error)] * len(held)
    return [one.text if isinstance(one, Failure) else _fitted(law, runs, one, options) for _, one in fits]


def _fitted(law: Law, runs: Runs, result: FitResult, options: Mapping[str, Any]) -> "Fitted | str":
    """A fit with what it predicts for all runs, or why it cannot be used."""
    pins = {k: options[k] for k in ("fixed", "tied", "bounds", "priors") if k in options}
    problem = make_problem(law, runs, result.objective, **pins, noise=result.noise)
    with in_float64():
        at = linearize(problem, problem.reduce(result.theta))
    value = at.residuals / problem.whitening + problem.observed
    with np.errstate(over="ignore"):
        value = np.exp(value) if problem.task.space == "log" else value
    if wrong := int((~np.isfinite(value)).sum()):
        return f"the fitted law is not finite at {wrong} of {runs.count} runs"
    return Fitted(result, problem, at, value)


def judge_trial(label: str, split: Split, it: Fitted, level: float) -> Trial:
    """The errors of a fitted law, whether its intervals hold the runs held out, and its verdict."""
    low, high = _prediction_interval(it, split.mask, split.runs.count, level)
    held = split.runs.response[split.mask]
    inside = (low <= held) & (held <= high)
    trial = _measured(label, split, it.response)
    return replace(
        trial,
        covered=float(inside.mean()) if np.isfinite(low).all() else math.nan,
        trustworthy=it.result.verdict.trustworthy,
        codes=tuple(dict.fromkeys(it.result.verdict.codes)),
        params=dict(it.result.params),
        low=low,
        high=high,
    )


def _measured(label: str, split: Split, predicted: np.ndarray) -> Trial:
    """Errors of predictions (n_runs,) on the runs held out and on the others."""
    runs, mask, response = split.runs, split.mask, split.response
    used = np.ones(runs.count, bool) if runs.weights is None else runs.weights > 0
    off = predicted / runs.response - 1 if response.logged else predicted - runs.response
    factor, count = best_size_factor(runs, predicted, [b[mask[b]] for b in split.budgets], response)
    nothing = np.full(int(mask.sum()), math.nan)
    return Trial(
        label,
        split.holdout,
        error=float(np.abs(off[mask]).mean()),
        bias=float(off[mask].mean()),
        worst=float(np.abs(off[mask]).max()),
        train_error=float(np.abs(off[~mask & used]).mean()),
        optimum_factor=factor,
        optimum_budgets=count,
        observed=np.array(runs.response[mask]),
        predicted=predicted[mask],
        low=nothing,
        high=nothing,
    )


def _prediction_interval(it: Fitted, mask: np.ndarray, count: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n_held_out,) of the intervals that should hold a further run; nan without a covariance."""
    nothing = np.full(int(mask.sum()), math.nan)
    covariance, sigma = it.result.covariance, it.result.sigma
    if covariance is None or not np.isfinite(sigma):
        return nothing, nothing
    order = [covariance.names.index(name) for name in it.problem.free_names]
    slopes = it.at.jacobian[mask]
    variance = np.einsum("ni,ij,nj->n", slopes, covariance.matrix[np.ix_(order, order)], slopes) + sigma**2
    freedom = max(count - int(mask.sum()) - slopes.shape[1], 1)
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
    whitening = it.problem.whitening[mask]
    centre, half = it.at.residuals[mask] / whitening + it.problem.observed[mask], half / whitening
    low, high = centre - half, centre + half
    with np.errstate(over="ignore"):
        return (np.exp(low), np.exp(high)) if it.problem.task.space == "log" else (low, high)


def baseline_trial(label: str, split: Split, laws: Sequence[Law]) -> Trial:
    """What anyone can do without a law, from the variables that the laws read."""
    runs, mask, response = split.runs, split.mask, split.response
    names = list(dict.fromkeys(v for law in laws for v in law.variables))
    have = {v.name for v in names}
    columns = []
    for v in names:
        if v.name == "C" and {"N", "D"} <= have:
            continue
        try:
            values = runs.variable(v.name).reshape(runs.count, -1)
        except InputError:
            continue  # the law that wants it says so
        columns.append(np.log(values) if v.domain == "positive" else values)
    if not columns:
        return Trial(label, split.holdout, "the runs have none of the laws' variables")
    x = np.concatenate(columns, axis=1)
    y = np.log(runs.response) if response.logged else runs.response
    weights = runs.precision
    known = ~mask & (weights > 0)
    if label == NEAREST:
        spread = x[known].std(axis=0)
        scaled = x / np.where(spread > 0, spread, 1.0)
        distance = ((scaled[:, None] - scaled[known][None]) ** 2).sum(axis=2)
        value = y[known][distance.argmin(axis=1)]
    else:
        design = np.column_stack([np.ones(runs.count), x])
        root = np.sqrt(weights[known])
        value = design @ np.linalg.lstsq(design[known] * root[:, None], y[known] * root, rcond=None)[0]
    return _measured(label, split, np.exp(value) if response.logged else value)
