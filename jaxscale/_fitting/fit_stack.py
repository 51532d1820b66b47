"""Starts x tables -> one batched solve -> the best of each, its intervals and verdict -> results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from jaxscale._base.devices import in_float32
from jaxscale._base.errors import InputError
from jaxscale._base.progress import tell
from jaxscale._base.settings import in_float64
from jaxscale._base.verdict import Verdict
from jaxscale._data.runs import Runs
from jaxscale._fitting.options import FitOptions, float_or_none
from jaxscale._fitting.pending import Pending, each_alone_at_worst
from jaxscale._fitting.result import FitResult
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.problem import Noise, Problem
from jaxscale._problem.stack import MOST_STACKED, Stack
from jaxscale._solver.outcome import Search, Starts, with_lower
from jaxscale._solver.search import refined, search
from jaxscale._solver.solve import AT
from jaxscale._solver.solve_stack import solve_stack
from jaxscale._solver.trust_region import descend
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.drift import Drifts, Moves, drifts_of_all
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.fitted_table import FittedTable
from jaxscale._trust.interval_method import choose_method
from jaxscale._trust.intervals import Intervals, curves_of, make_intervals, spreads_around
from jaxscale._trust.judge import judge
from jaxscale._trust.judge_optimum import gradient_tolerance
from jaxscale._trust.linearization import Linearization, linearize_all, match_all
from jaxscale._trust.matched import AtNoise, Estimates, estimates_at_noise, lower_edges
from jaxscale._trust.optimum import Optimum, work_out
from jaxscale._trust.resampling import bootstrap_draws
from jaxscale.optim import CONVERGED, damped_newton


def fit_stack(
    stack: Stack,
    runs: Sequence[Runs],
    how: FitOptions,
    near: np.ndarray | None = None,
) -> list[Pending | InputError]:
    """Fit every table of a stack: its fit, or why there is none. Call under float64.

    The verdict and the record of each table are made when asked for, and so are second estimates, for all tables at
    once.
    `near`, (tables, free), are further starts, which count only where they end lower than all others.
    """
    options: dict[str, Any] = {"max_steps": how.max_steps, "devices": how.devices}
    searches = search(stack, how.minimiser, how.starts, seed=how.seed, **options)
    tell(0, 0, "finishing")
    if near is not None:
        searches = with_lower(searches, near, refined(stack, how.minimiser, near, **options))
    free = _best(stack, searches)
    at = linearize_all(stack, free)
    if how.solver == "damped_newton" and not isinstance(how.starts, (str, int)) and len(stack.stages) == 1:
        searches = [_with_trust_region(p, s, x, options) for p, s, x in zip(stack.problems, searches, at, strict=True)]
        free = _best(stack, searches)
        at = linearize_all(stack, free)
    if stack.first.provisional:
        return _fit_at_noise(stack, runs, how, searches, free, at)
    optima = [Optimum(*one) for one in zip(stack.problems, free, at, strict=True)]
    refitted = _refitted(stack, runs, optima, searches, how)

    @cache
    def edges() -> dict[int, AtNoise]:
        match_all(at)
        with in_float64():
            return lower_edges(stack, free, at, [r.clusters for r in runs], how.minimiser, **options)

    @cache
    def matched() -> dict[int, tuple[AtNoise, ...]]:
        with in_float64():
            return estimates_at_noise(stack, free, at, how.minimiser, **options)

    def at_noise(k: int) -> tuple[AtNoise, ...]:
        edge = edges().get(k)
        return (*matched().get(k, ()), *(() if edge is None else (edge,)))

    def fitted(k: int) -> FittedTable:
        intervals, covariance = refitted.get(k) or _without_refits(optima[k], runs[k], how)
        return FittedTable(
            optimum=optima[k],
            runs=runs[k],
            found=searches[k],
            value=searches[k].lowest,
            intervals=intervals,
            covariance=covariance,
            at_noise=Estimates(lambda: at_noise(k)),
            edge=edges().get(k),
        )

    def judged(part: Sequence[int]) -> list[FitResult]:
        work_out([optima[k] for k in part if k not in refitted])
        return make_results(list(map(fitted, part)), how)

    @cache
    def results() -> dict[int, FitResult | Exception]:
        return each_alone_at_worst(judged, sound)

    sound: list[int] = []  # asked of `made`, fits would hold one another until garbage is looked for
    made: list[Pending | InputError] = []
    for k, found in enumerate(searches):
        wanted = how.starts if isinstance(how.starts, int) else 0
        if not np.isfinite(found.lowest):
            made.append(_nowhere_finite(how, found))
        elif len(found.tried) < wanted:
            text = (
                f"starts={wanted} (--starts), but law {how.law.name!r} is finite at only {len(found.tried)} of the "
                "points known; ask for no more"
            )
            made.append(InputError(text))
        else:
            sound.append(k)
            made.append(Pending(lambda k=k: results()[k]))
    return made


def _best(stack: Stack, searches: Sequence[Search]) -> np.ndarray:
    """Free values (tables, free) at the lowest optimum of each table; zeros where nothing is finite."""
    anywhere = np.zeros(stack.first.layout.free)
    return np.array([s.solutions.free[s.best] if np.isfinite(s.lowest) else anywhere for s in searches])


def _with_trust_region(problem: Problem, found: Search, at: Linearization, options: Mapping[str, Any]) -> Search:
    """The search with its lowest start run again by a trust region, where it ended in trouble: somebody chose it."""
    best = found.best if np.isfinite(found.lowest) else None
    if best is None or (
        found.solutions.status[best] == CONVERGED and at.gradient_norm <= gradient_tolerance([problem], [at])
    ):
        return found
    near = descend(problem, found.tried[best])
    again = solve_stack(Stack.of([problem]), damped_newton(), np.zeros(1, int), near[None], damping=AT, **options)
    if not again.value[0] < found.lowest:
        return found
    for old, new in zip(solutions := Solutions(*(x.copy() for x in found.solutions)), again, strict=True):
        old[best] = new[0]
    return found._replace(solutions=solutions)


def _fit_at_noise(
    stack: Stack,
    runs: Sequence[Runs],
    how: FitOptions,
    searches: Sequence[Search],
    free: np.ndarray,
    at: Sequence[Linearization],
) -> list[Pending | InputError]:
    """Fit every table by an objective matched to the noise that its first fit shows, and priors weighed against it."""
    made: dict[int, Pending | InputError] = {}
    for k, table in enumerate(runs):
        if not np.isfinite(searches[k].lowest):
            made[k] = _nowhere_finite(how, searches[k])
        elif not at[k].sigma > 0:
            what = "the objective could be matched to" if how.objective.matched else "priors could be weighed against"
            instead = "give its delta or scale as a number" if how.objective.matched else "fix parameters instead"
            count = "1 run" if table.count == 1 else f"{table.count} runs"
            made[k] = InputError(f"the first fit to {count} leaves no scatter that {what}; {instead}")
    some = [k for k in range(len(stack)) if k not in made]
    if some:
        tables, near = [runs[k] for k in some], free[some]
        shapes = [stack.problems[k].objective.at(at[k].sigma) for k in some]
        bare = [
            replace(stack.problems[k], objective=x, losses=x.losses(1.0)[-1:])
            for k, x in zip(some, shapes, strict=True)
        ]
        scales = [x.scatter.moments for x in linearize_all(Stack.of(bare), near)]
        noises = [Noise(at[k].sigma, *scale) for k, scale in zip(some, scales, strict=True)]
        second = Stack.of([how.problem(table, noise) for table, noise in zip(tables, noises, strict=True)])
        made |= zip(some, fit_stack(second, tables, how, near), strict=True)
    return [made[k] for k in range(len(stack))]


def _nowhere_finite(how: FitOptions, found: Search) -> InputError:
    what = "not positive and finite" if how.law.response.logged else "not finite"
    return InputError(
        f"law {how.law.name!r} is {what} at any of {found.considered} starts; "
        "check the formula and the units, or give starts=[{...}]"
    )


def _refitted(
    stack: Stack,
    runs: Sequence[Runs],
    optima: Sequence[Optimum],
    searches: Sequence[Search],
    how: FitOptions,
) -> dict[int, tuple[Intervals, Covariance | None]]:
    """Intervals of those tables that are refitted for them."""
    if how.intervals not in ("auto", "bootstrap", "profile"):
        return {}
    tell(0, 0, "intervals")
    found = [k for k in range(len(optima)) if np.isfinite(searches[k].lowest)]
    work_out([optima[k] for k in found])
    methods = {k: _method(optima[k], runs[k], how) for k in found}
    chosen = [k for k, (method, _) in methods.items() if method == "bootstrap"]
    made = {}
    followed = [k for k, (method, _) in methods.items() if method == "profile"]
    for k, curves in zip(followed, curves_of([optima[k] for k in followed], how.level), strict=True):
        method, why = methods[k]
        options = {"level": how.level, "clustered": runs[k].clusters is not None, "curves": curves}
        made[k] = make_intervals(optima[k], method=method, why=why, **options)
    for first in range(0, len(chosen), MOST_STACKED):
        some = chosen[first : first + MOST_STACKED]
        part = stack if len(some) == len(stack) else Stack.of([stack.problems[k] for k in some])
        drawn = bootstrap_draws(
            part,
            np.array([optima[k].free for k in some]),
            draws=how.draws,
            seed=how.seed,
            clusters=[runs[k].clusters for k in some],
            devices=how.devices,
        )
        clustered = [runs[k].clusters is not None for k in some]
        spreads = spreads_around([optima[k] for k in some], list(drawn), how.level, clustered)
        for k, spread, whole in zip(some, spreads, clustered, strict=True):
            method, why = methods[k]
            options = {"level": how.level, "clustered": whole, "spread": spread}
            made[k] = make_intervals(optima[k], method=method, why=why, **options)
    return made


def _without_refits(optimum: Optimum, runs: Runs, how: FitOptions) -> tuple[Intervals, Covariance | None]:
    """Intervals of one table for which nothing is refitted: quick ones, or none."""
    method, why = _method(optimum, runs, how)
    return make_intervals(optimum, method=method, why=why, level=how.level)


def _method(optimum: Optimum, runs: Runs, how: FitOptions) -> tuple[str, str]:
    """The method of the intervals of one table and the reason."""
    return choose_method(
        how.intervals,
        optimum.at,
        optimum.identification,
        runs.clusters,
        optimum.largest_relative_error,
        optimum.near_bounds,
    )


def make_results(tables: Sequence[FittedTable], how: FitOptions) -> list[FitResult]:
    """The records of fits, with their verdicts, which are reached side by side."""
    starts = [Starts.of(_mode(how), fitted.found, fitted.optimum.problem) for fitted in tables]
    verdicts = judge([_evidence(*one, how) for one in zip(tables, starts, strict=True)])
    alone = [fitted.optimum for fitted in tables if fitted.optimum.alone]

    @cache
    def drifts() -> dict[Optimum, Moves]:
        return dict(zip(alone, drifts_of_all([x.problem for x in alone], [x.at for x in alone]), strict=True))

    return [_record(*one, drifts, how) for one in zip(tables, starts, verdicts, strict=True)]


def _evidence(fitted: FittedTable, starts: Starts, how: FitOptions) -> Evidence:
    """What the verdict of a fit goes by."""
    optimum, problem = fitted.optimum, fitted.optimum.problem
    return Evidence(
        problem=problem,
        runs=fitted.runs,
        free=optimum.free,
        at=optimum.at,
        identification=optimum.identification,
        covariance=fitted.covariance or optimum.covariance,
        finished=starts.finished,
        at_best=starts.at_best,
        never_moved=tuple(n for n, still in zip(problem.free_names, fitted.found.still, strict=True) if still),
        in_float32=in_float32(how.devices),
        whole=fitted.whole,
        edge=None if fitted.edge is None else fitted.edge.params,
    )


def _record(
    fitted: FittedTable,
    starts: Starts,
    verdict: Verdict,
    drifts: Callable[[], Mapping[Optimum, Moves]],
    how: FitOptions,
) -> FitResult:
    """The record of one fit."""
    law, optimum, runs = how.law, fitted.optimum, fitted.runs
    problem, at = optimum.problem, optimum.at
    theta = problem.full(optimum.free)
    absolute = how.objective.kind == "absolute"
    return FitResult(
        law=law,
        params=law.natural(theta) | dict(how.fixed),
        theta=theta,
        objective=problem.objective,
        value=float(at.weights @ np.abs(at.residuals)) if absolute else fitted.value,
        gradient_norm=optimum.gradient_norm,
        precision="float64",
        sigma=at.sigma,
        starts=starts,
        verdict=verdict,
        identification=optimum.identification,
        intervals=fitted.intervals,
        covariance=None if fitted.covariance is None else _of_theta(problem, fitted.covariance),
        runs=runs,
        record=runs.record,
        runs_sha256=runs.sha256,
        fixed={k: float(v) for k, v in how.fixed.items()},
        tied=how.tied,
        bounds={name: (float_or_none(low), float_or_none(high)) for name, (low, high) in how.bounds.items()},
        optimizer=how.solver,
        seed=how.seed,
        priors={name: (float(c), float(w)) for name, (c, w) in how.priors.items()},
        noise=problem.noise,
        at_noise=fitted.at_noise,
        shared=fitted.widths,
        drifts=Drifts(lambda: drifts()[optimum]) if optimum.alone else {},
    )


def _mode(how: FitOptions) -> str:
    """How starts were made, in one word."""
    return how.starts if isinstance(how.starts, str) else "number" if isinstance(how.starts, int) else "given"


def _of_theta(problem: Problem, covariance: Covariance) -> Covariance:
    """The covariance of the free values as one of theta: tied parameters each get their row, fixed ones have none."""
    slots = problem.layout.slots
    if problem.layout.plain:
        return covariance
    chosen = [s for s in slots if s >= 0]
    names = tuple(n for n, s in zip(problem.law.parameter_names, slots, strict=True) if s >= 0)
    return Covariance(names, covariance.matrix[np.ix_(chosen, chosen)], covariance.method)
