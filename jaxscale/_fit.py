"""The main verbs: starts x problems -> one batched solve -> the best of each, its intervals and verdict -> a result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import jax
import numpy as np
import optax

from jaxscale._errors import InputError
from jaxscale._identification import identify, linearize
from jaxscale._intervals import Covariance, Progress, bootstrap_draws, make_intervals, powell_covariance
from jaxscale._objective import Huber, Objective
from jaxscale._problem import Problem, make_problem, pins
from jaxscale._result import Draws, Failure, FitResult, Fits, Starts
from jaxscale._runs import Runs, read_runs
from jaxscale._solve import FAR, NEAR, SMALL_BATCH, Solutions, solve
from jaxscale._starts import candidates, ranked
from jaxscale._tables import read_frame
from jaxscale._text import inert, quoted
from jaxscale._units import in_plain_counts
from jaxscale._verdict import Evidence, judge
from jaxscale.laws import Law, get
from jaxscale.optim import NOT_FINITE, damped_newton

Bounds = Mapping[str, tuple[float | None, float | None]]
IntervalMethod = Literal["auto", "quick", "bootstrap", "none"]

_FIRST_BATCH = 16  # starts that "auto" finishes before it asks whether enough of them agree
_ENOUGH_AGREEING = 5
_MOST_FINISHED = 1024
_LIKENESS_ROWS = 64
_DEFAULT_STEPS, _FIRST_ORDER_STEPS = 300, 5000


def fit(
    law: Law | str,
    runs: Runs | Any,
    *,
    objective: Objective | None = None,
    starts: Literal["auto", "paper"] | int | Sequence[Mapping[str, float]] = "auto",
    optimizer: optax.GradientTransformation | None = None,
    intervals: IntervalMethod | None = "auto",
    level: float = 0.9,
    draws: int = 1000,
    fixed: Mapping[str, float] | None = None,
    tied: Iterable[Sequence[str]] = (),
    bounds: Bounds | None = None,
    weights: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FitResult:
    """Fit a law to runs: the best of many certified local optima, with intervals and a verdict.

    Args:
        law: the law, or its name.
        runs: `Runs`, or anything `read_runs` takes.
        objective: `Huber(1e-3)` on log residuals by default (Hoffmann et al. 2022, Eq. 3), summed over runs.
        starts: "auto" screens the law's grid (or drawn starts) by the objective and finishes the best and some others
        until
            enough agree; "paper" finishes the whole published grid; a number finishes that many of the screened; or
            mappings of natural parameter values.
        optimizer: any optax transformation; the damped Newton of `jaxscale.optim` by default.
        intervals: "auto" chooses by the number of runs and their conditioning and says so; "quick", "bootstrap", or
        None. level: of the intervals.
        draws: resampled fits for "bootstrap".
        fixed: parameters held at a natural value. tied: groups of parameters that share one value.
        bounds: (low, high) in natural units by parameter; None leaves an end open.
        weights: one weight for each run, replacing those of `runs`; a column name if `runs` is a table.
        seed: of everything random; the same call gives the same result.
        progress: called as progress(done, total, what).

    Raises:
        InputError: the runs lack something the law reads, or an argument cannot be used. A fit that is bad but
        possible is
            returned with a verdict that says so.
    """
    law = get(law) if isinstance(law, str) else law
    objective = Huber() if objective is None else objective
    runs = _as_runs(runs, weights)
    tied = tuple(tuple(group) for group in tied)
    _check_options(starts, intervals, level, draws)
    chosen, solver, steps = _optimizer(optimizer)
    problem = make_problem(law, runs, objective, fixed=fixed, tied=tied, bounds=bounds)
    with jax.enable_x64(True):
        tried, solutions, considered = _search(problem, chosen, starts, seed, steps)
        best = _first_lowest(solutions.value)
        if not np.isfinite(solutions.value[best]):
            raise InputError(
                f"law {law.name!r} is not finite at any of {len(tried)} starts; "
                "check the units, or give starts=[{...}]"
            )
        free = solutions.free[best]
        at = linearize(problem, free)
        identification = identify(at, in_plain_counts(problem, free))
        quick = powell_covariance(at)
        made, covariance = make_intervals(
            problem, chosen, free, at, identification,
            method=intervals or "none", level=level, draws=draws, seed=seed, clusters=runs.clusters, progress=progress,
        )  # fmt: skip
    lowest = float(solutions.value[best])
    agree = _agreeing(solutions.value, lowest, problem)
    record = Starts(
        mode=starts if isinstance(starts, str) else ("number" if isinstance(starts, int) else "given"),
        count=considered,
        screened=considered if starts != "paper" and isinstance(starts, (str, int)) else 0,
        finished=len(tried),
        at_best=int(agree.sum()),
        failed=int((solutions.status == NOT_FINITE).sum()),
        theta=problem.full(solutions.free),
        value=solutions.value,
        status=solutions.status,
        steps=solutions.steps,
        names=law.parameter_names,
    )
    still = np.all(tried == solutions.free, axis=0) if len(tried) else np.zeros(problem.layout.free, bool)
    evidence = Evidence(
        problem, runs, free, at, identification, covariance or quick, record.finished, record.at_best,
        tuple(n for n, s in zip(problem.free_names, still, strict=True) if s),
    )  # fmt: skip
    theta = problem.full(free)
    value = float(at.weights @ np.abs(at.residuals)) if objective.kind == "absolute" else lowest
    return FitResult(
        law=law,
        params=law.natural(theta) | dict(fixed or {}),
        theta=theta,
        objective=objective,
        value=value,
        gradient_norm=at.gradient_norm,
        precision="float64",
        sigma=at.sigma,
        starts=record,
        verdict=judge(evidence),
        identification=identification,
        intervals=made,
        covariance=None if covariance is None else _of_theta(problem, covariance),
        runs=runs,
        record=runs.record,
        runs_sha256=runs.sha256,
        fixed={k: float(v) for k, v in (fixed or {}).items()},
        tied=tied,
        bounds={name: (_plain(low), _plain(high)) for name, (low, high) in (bounds or {}).items()},
        optimizer=solver,
        seed=seed,
    )


def _as_runs(runs: Any, weights: Any) -> Runs:
    if not isinstance(runs, Runs):
        if weights is None or isinstance(weights, str):
            return read_runs(runs, weights=weights)
        runs = read_runs(runs)
    if weights is None:
        return runs
    if isinstance(weights, str):
        raise InputError(
            f"these runs were read already; give the column at reading: read_runs(..., weights={weights!r})"
        )
    return replace(runs, weights=np.asarray(weights, np.float64))


_CHECKED = {"starts": "auto", "intervals": "auto", "level": 0.9, "draws": 1000}


def _check_options(starts: Any, intervals: Any, level: float, draws: int) -> None:
    if isinstance(starts, str) and starts not in ("auto", "paper"):
        raise InputError(f"starts must be 'auto', 'paper', a number or a list of mappings, got {quoted(starts)}")
    if isinstance(starts, int) and starts < 1:
        raise InputError(f"starts must be at least 1, got {starts}")
    if intervals not in (None, "auto", "quick", "bootstrap", "none"):
        raise InputError(f"intervals must be 'auto', 'quick', 'bootstrap' or None, got {quoted(intervals)}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1 (0.9 is 90 %), got {level!r}")
    if draws < 20:
        raise InputError(f"draws must be at least 20, got {draws}")


def _optimizer(
    optimizer: optax.GradientTransformation | None,
) -> tuple[optax.GradientTransformationExtraArgs, str, int]:
    if optimizer is None:
        return damped_newton(), "damped_newton", _DEFAULT_STEPS
    return optax.with_extra_args_support(optimizer), "given", _FIRST_ORDER_STEPS


def _search(problem: Problem, optimizer, starts, seed: int, steps: int) -> tuple[np.ndarray, Solutions, int]:
    """The starts that were run to the end, what each reached, and how many were considered."""
    free = candidates(problem, starts, seed)
    if starts == "paper" or not isinstance(starts, (str, int)):
        return free, _descend(problem, optimizer, free, steps), len(free)
    order = ranked(_likeness(problem), free, seed, problem.deltas[0])
    if not len(order):
        raise InputError(
            f"law {problem.law.name!r} is not finite at any of its {len(free)} starts; "
            "check the units, or give starts=[{...}]"
        )
    if isinstance(starts, int):
        if starts > len(order):
            raise InputError(
                f"starts={starts}, but only {len(order)} distinct starts are known for law {problem.law.name!r}"
            )
        return free[order[:starts]], _descend(problem, optimizer, free[order[:starts]], steps), len(free)
    tried, parts, first = [], [], 0
    while first < min(len(order), _MOST_FINISHED):
        batch = free[order[first : max(_FIRST_BATCH, 2 * first)]]
        tried.append(batch)
        parts.append(_descend(problem, optimizer, batch, steps))
        first += len(batch)
        values = np.concatenate([p.value for p in parts])
        if _agreeing(values, float(np.min(values)), problem).sum() >= _ENOUGH_AGREEING:
            break
    return np.concatenate(tried), Solutions(*(np.concatenate(x) for x in zip(*parts, strict=True))), len(free)


def _likeness(problem: Problem) -> Problem:
    """The problem on a few of its runs, where it has many: good enough to rank starts and to take their first steps."""
    return problem.thinned(_LIKENESS_ROWS) if problem.count >= 2 * _LIKENESS_ROWS else problem


def _descend(problem: Problem, optimizer, free: np.ndarray, steps: int) -> Solutions:
    """Run every start to the end, through each stage of the objective."""
    begin, damping, solutions = free, FAR, None
    if optimizer is damped_newton() and len(free) > SMALL_BATCH and problem.count >= 2 * _LIKENESS_ROWS:
        few = _likeness(problem)
        rough = solve(few.task, damped_newton(tolerance=1e-4), begin, few.batch(len(begin)), max_steps=steps)
        begin = np.where(np.isfinite(rough.free), rough.free, free)
        damping = NEAR
    for delta in problem.deltas:
        batch = problem.batch(len(begin), delta)
        solutions = solve(problem.task, optimizer, begin, batch, max_steps=steps, damping=damping)
        begin, damping = np.where(np.isfinite(solutions.free), solutions.free, free), NEAR
    assert solutions is not None  # an objective has at least one stage
    return solutions


def _plain(end: float | None) -> float | None:
    return None if end is None else float(end)


def _first_lowest(values: np.ndarray) -> int:
    """The first start whose objective is the lowest but for rounding, so that rounding does not choose between
    equals."""
    finite = np.where(np.isfinite(values), values, np.inf)
    return int(np.flatnonzero(finite <= finite.min() * (1 + 1e-13))[0])


def _agreeing(values: np.ndarray, lowest: float, problem: Problem) -> np.ndarray:
    """Which objectives equal the lowest: within 1e-9 of it, and never finer than rounding of a perfect fit."""
    spread = float(np.std(problem.points.response[: problem.count]))
    noise = 1e-14 * problem.count * min(problem.delta, spread or 1.0) ** 2
    return values - lowest <= 1e-9 * abs(lowest) + noise


def _of_theta(problem: Problem, covariance: Covariance) -> Covariance:
    """The covariance of the free values as one of theta: tied parameters each get their row, fixed ones have none."""
    slots = problem.layout.slots
    chosen = [s for s in slots if s >= 0]
    names = tuple(n for n, s in zip(problem.law.parameter_names, slots, strict=True) if s >= 0)
    return Covariance(names, covariance.matrix[np.ix_(chosen, chosen)], covariance.method)


def bootstrap(
    result: FitResult, *, draws: int = 1000, seed: int = 1, runs: Runs | None = None, progress: Progress | None = None
) -> Draws:
    """Refit resampled runs, each draw to its own optimum. Whole clusters are drawn where the runs name them (`run=`).

    Args:
        result: the fit.
        draws: how many.
        seed: of the resampling.
        runs: the runs, where the fit was read from a file that does not carry them.
        progress: called as progress(done, total, what).

    Raises:
        InputError: the runs are missing, or not those of the fit.
    """
    runs = result.runs if runs is None else runs
    if runs is None:
        raise InputError("this fit does not carry its runs; give them as runs=")
    if runs.sha256 != result.runs_sha256:
        raise InputError("these are not the runs of the fit: their SHA-256 differs")
    _check_options("auto", "bootstrap", result.level, draws)
    problem = make_problem(
        result.law, runs, result.objective, fixed=result.fixed, tied=result.tied, bounds=result.bounds
    )
    with jax.enable_x64(True):
        drawn = bootstrap_draws(
            problem,
            damped_newton(),
            problem.reduce(result.theta),
            draws=draws,
            seed=seed,
            clusters=runs.clusters,
            progress=progress,
        )
    kept = drawn[np.isfinite(drawn).all(axis=1)]
    if len(kept) < 0.9 * draws:
        raise InputError(f"only {len(kept)} of {draws} resampled fits converged; the runs do not determine this law")
    method = "pairs" if runs.clusters is None else "cluster_pairs"
    return Draws(
        result.law,
        result.params,
        result.theta,
        problem.full(kept),
        method,
        seed,
        result.level,
        result.record,
        result.verdict,
        result.runs_sha256,
    )


_READING = frozenset({"N", "D", "C", "loss", "response", "run", "where", "on_bad", "loss_unit", "domains"})


def fit_many(
    law: Law | str,
    data: Any,
    *,
    by: str = "group",
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Fits:
    """Fit a law to every group of a table. A group that cannot be fitted is a row with its reason.

    Args:
        law: the law, or its name.
        data: a table with a column `by` (anything `read_runs` takes), or a mapping of group to `Runs` or tables.
        by: the column that names the group.
        columns: further variables by column, as in `read_runs`.
        progress: called as progress(done, total, what).
        weights: column of weights.
        **options: of `read_runs` (N, D, C, loss, ...) and of `fit` (objective, starts, intervals, ...).

    Raises:
        InputError: there is no column `by`, or an option is unknown.
    """
    law = get(law) if isinstance(law, str) else law
    reading = {k: options.pop(k) for k in list(options) if k in _READING} | dict(columns or {})
    reading["weights"] = weights
    _check_options(*(options.get(k, d) for k, d in _CHECKED.items()))
    pins(law, options.get("fixed") or {}, tuple(options.get("tied", ())), options.get("bounds") or {})
    items: list[tuple[str, FitResult | Failure]] = []
    groups = _groups(data, by)
    for k, (name, rows, numbers) in enumerate(groups):
        try:
            table = rows if isinstance(rows, Runs) else read_runs(rows, row_numbers=numbers, **reading)
            items.append((name, fit(law, table, **options)))
        except InputError as error:
            items.append((name, Failure("bad_input", str(error))))
        if progress is not None:
            progress(k + 1, len(groups), "groups")
    return Fits(by, tuple(items))


def _groups(data: Any, by: str) -> list[tuple[str, Any, np.ndarray | None]]:
    """Name, rows and row numbers (of the whole table, from 1) of every group, in the order of their first row."""
    if isinstance(data, Mapping) and all(isinstance(v, Runs) or hasattr(v, "columns") for v in data.values()):
        return [(str(name), rows, None) for name, rows in data.items()]
    frame = read_frame(data)
    if by not in frame.columns:
        there = ", ".join(inert(c) for c in frame.columns)
        raise InputError(f"there is no column {quoted(by)} to group by; the table has {there}")
    frame = frame.reset_index(drop=True)
    return [(str(name), rows, rows.index.to_numpy() + 1) for name, rows in frame.groupby(by, sort=False, dropna=False)]
