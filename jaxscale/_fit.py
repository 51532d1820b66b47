"""The main verbs: starts x tables -> one batched solve -> the best of each, its intervals and verdict -> results."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import jax
import numpy as np
import optax
import pandas as pd

from jaxscale._at_noise import AtNoise, estimates_at_noise
from jaxscale._errors import InputError
from jaxscale._identification import Linearization, identify, linearize_all
from jaxscale._intervals import (
    Covariance,
    Intervals,
    Progress,
    choose_method,
    largest_relative_error,
    make_intervals,
    powell_covariance,
)
from jaxscale._objective import Huber, Objective
from jaxscale._problem import Noise, Priors, Problem, make_problem, pins, read_priors
from jaxscale._profiling import scale_of
from jaxscale._resampling import Kind, bootstrap_draws
from jaxscale._result import Draws, Entry, Failure, FitResult, Fits, Starts
from jaxscale._runs import Runs, as_runs, read_runs
from jaxscale._search import Search, agreeing, refined, search, undiscovered, with_lower
from jaxscale._sharing import Member, fit_together
from jaxscale._solve import workers
from jaxscale._stack import MOST_STACKED, Stack, in_float32, stacked_rows
from jaxscale._tables import read_frame
from jaxscale._text import inert, quoted
from jaxscale._units import in_plain_counts
from jaxscale._verdict import Evidence, judge
from jaxscale.laws import Law, get
from jaxscale.optim import NOT_FINITE, damped_newton

Bounds = Mapping[str, tuple[float | None, float | None]]
IntervalMethod = Literal["auto", "quick", "bootstrap", "profile", "none"]

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
    priors: Priors | None = None,
    weights: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
    devices: Sequence[Any] | None = None,
) -> FitResult:
    """Fit a law to runs: the best of many certified local optima, with intervals and a verdict.

    Args:
        law: the law, or its name.
        runs: `Runs`, or anything `read_runs` takes.
        objective: `Huber(1e-3)` on log residuals by default (Hoffmann et al. 2022, Eq. 3), summed over runs; also
            `SquaredError`, `AbsoluteError`, and `Huber("matched")` and `StudentT()`, which are matched to the noise
            that a first fit by `Huber(1e-3)` shows.
        starts: "auto" makes starts from the data, screens them by the objective and finishes the best and some others
            until enough agree; "paper" finishes the law's whole published grid; a number finishes that many of the
            screened; or mappings of natural parameter values.
        optimizer: any optax transformation; the damped Newton of `jaxscale.optim` by default.
        intervals: "auto" chooses by the number of runs and their conditioning and says so; "quick", "bootstrap",
            "profile", or None.
        level: of the intervals.
        draws: resampled fits for "bootstrap".
        fixed: parameters held at a natural value. tied: groups of parameters that share one value.
        bounds: (low, high) in natural units by parameter; None leaves an end open.
        priors: Gaussian knowledge from elsewhere, (centre, width) by parameter: the centre in natural units, the width
            one standard deviation of theta, which is the logarithm of a positive parameter (0.1 is 10 %) and the
            parameter itself for others, exponents say. See below.
        weights: one weight for each run, replacing those of `runs`; a column name if `runs` is a table.
        seed: of everything random; the same call gives the same result.
        progress: called as progress(done, total, what).
        devices: JAX devices that share the work; all of this process by default.

    With priors the objective is F + (m2 / m1) sum (theta_j - c_j)^2 / (2 w_j^2). The factor, mean of psi squared over
    the expected slope of psi (the variance of the noise, for squares), is taken from a first fit without priors: it
    makes a prior weigh what one more observation of theta_j with error w_j would. So it is taken in standard errors and
    intervals too: their draws each have a centre of their own within the width.

    Raises:
        InputError: the runs lack something the law reads, or an argument cannot be used. A fit that is bad but
            possible is returned with a verdict that says so.
    """
    how = _how(law, objective, starts, optimizer, intervals, level, draws, fixed, tied, bounds, priors, seed, devices)
    read = _weighted(runs, weights)
    with jax.enable_x64(True):
        (made,) = _fit_stack(Stack.of([how.problem(read)]), [read], how, progress)
    if isinstance(made, InputError):
        raise made
    return made()


@dataclass(frozen=True, eq=False)
class _How:
    """Everything a fit is told but its runs, checked."""

    law: Law
    objective: Objective
    starts: Any
    optimizer: optax.GradientTransformationExtraArgs
    solver: str
    max_steps: int
    intervals: Any
    level: float
    draws: int
    fixed: Mapping[str, float]
    tied: tuple[tuple[str, ...], ...]
    bounds: Bounds
    priors: Priors
    seed: int
    devices: Sequence[Any] | None

    def problem(self, runs: Runs, noise: Noise | None = None) -> Problem:
        """The problem these runs pose, see `make_problem`."""
        pins = {"fixed": self.fixed, "tied": self.tied, "bounds": self.bounds, "priors": self.priors}
        return make_problem(self.law, runs, self.objective, **pins, noise=noise)


def _how(
    law: Law | str,
    objective: Objective | None = None,
    starts: Any = "auto",
    optimizer: optax.GradientTransformation | None = None,
    intervals: Any = "auto",
    level: float = 0.9,
    draws: int = 1000,
    fixed: Mapping[str, float] | None = None,
    tied: Iterable[Sequence[str]] = (),
    bounds: Bounds | None = None,
    priors: Priors | None = None,
    seed: int = 0,
    devices: Sequence[Any] | None = None,
) -> _How:
    law = get(law) if isinstance(law, str) else law
    _check_options(starts, intervals, level, draws)
    fixed, bounds, tied = dict(fixed or {}), dict(bounds or {}), tuple(tuple(group) for group in tied)
    priors = dict(priors or {})
    read_priors(law, pins(law, fixed, tied, bounds)[1], priors)
    if optimizer is None:
        chosen, solver, steps = damped_newton(), "damped_newton", _DEFAULT_STEPS
    else:
        chosen, solver, steps = optax.with_extra_args_support(optimizer), "given", _FIRST_ORDER_STEPS
    return _How(
        law, Huber() if objective is None else objective, starts, chosen, solver, steps,
        intervals or "none", level, draws, fixed, tied, bounds, priors, seed, devices,
    )  # fmt: skip


def _fit_stack(
    stack: Stack, runs: Sequence[Runs], how: _How, progress: Progress | None = None, near: np.ndarray | None = None
) -> list[Callable[[], FitResult] | InputError]:
    """Fit every table of a stack: what makes its result, or why there is none. Call under float64.

    The verdict and the record of each table are made when asked for, with its second estimate, for all tables at once.
    `near`, (tables, free), are further starts, which count only where they end lower than all others.
    """
    options: dict[str, Any] = {"max_steps": how.max_steps, "devices": how.devices}
    searches = search(stack, how.optimizer, how.starts, seed=how.seed, **options)
    if near is not None:
        searches = with_lower(searches, near, refined(stack, how.optimizer, near, **options))
    anywhere = np.zeros(stack.first.layout.free)
    free = np.array([s.solutions.free[s.best] if np.isfinite(s.lowest) else anywhere for s in searches])
    at = linearize_all(stack, free)
    if stack.first.provisional:
        return _fit_at_noise(stack, runs, how, progress, searches, free, at)
    refitted = _refitted(stack, runs, free, at, searches, how, progress)

    @cache
    def at_noise() -> dict[int, AtNoise]:
        with jax.enable_x64(True):
            return estimates_at_noise(stack, free, at, how.optimizer, **options)

    def result(k: int) -> FitResult:
        return _result(stack.problems[k], runs[k], searches[k], free[k], at[k], refitted.get(k), at_noise().get(k), how)

    made: list[Callable[[], FitResult] | InputError] = []
    for k, found in enumerate(searches):
        wanted = how.starts if isinstance(how.starts, int) else 0
        if not np.isfinite(found.lowest):
            made.append(_nowhere_finite(how, found))
        elif len(found.tried) < wanted:
            text = f"starts={wanted}, but law {how.law.name!r} is finite at only {len(found.tried)} of the points known"
            made.append(InputError(text))
        else:
            made.append(partial(result, k))
    return made


def _fit_at_noise(
    stack: Stack,
    runs: Sequence[Runs],
    how: _How,
    progress: Progress | None,
    searches: Sequence[Search],
    free: np.ndarray,
    at: Sequence[Linearization],
) -> list[Callable[[], FitResult] | InputError]:
    """Fit every table by an objective matched to the noise that its first fit shows, and priors weighed against it."""
    made: dict[int, Callable[[], FitResult] | InputError] = {}
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
        scales = [scale_of(x) for x in linearize_all(Stack.of(bare), near)]
        noises = [Noise(at[k].sigma, *scale) for k, scale in zip(some, scales, strict=True)]
        second = Stack.of([how.problem(table, noise) for table, noise in zip(tables, noises, strict=True)])
        made |= zip(some, _fit_stack(second, tables, how, progress, near), strict=True)
    return [made[k] for k in range(len(stack))]


def _nowhere_finite(how: _How, found: Search) -> InputError:
    return InputError(
        f"law {how.law.name!r} is not finite at any of {found.considered} starts; "
        "check the units, or give starts=[{...}]"
    )


def _refitted(
    stack: Stack,
    runs: Sequence[Runs],
    free: np.ndarray,
    at: Sequence[Linearization],
    searches: Sequence[Search],
    how: _How,
    progress: Progress | None,
) -> dict[int, tuple[Intervals, Covariance | None]]:
    """Intervals of those tables that are refitted for them."""
    if how.intervals not in ("auto", "bootstrap", "profile"):
        return {}
    methods = {}
    for k, problem in enumerate(stack.problems):
        if np.isfinite(searches[k].lowest):
            conditioning = identify(at[k], in_plain_counts(problem, free[k]))
            relative = largest_relative_error(problem, free[k], at[k])
            methods[k] = choose_method(how.intervals, at[k], conditioning, runs[k].clusters, relative)
    chosen = [k for k, (method, _) in methods.items() if method == "bootstrap"]
    made = {}
    for k, (method, why) in methods.items():
        if method == "profile":
            options = {"level": how.level, "clustered": runs[k].clusters is not None, "progress": progress}
            made[k] = make_intervals(stack.problems[k], free[k], at[k], method=method, why=why, **options)
    for first in range(0, len(chosen), MOST_STACKED):
        some = chosen[first : first + MOST_STACKED]
        part = stack if len(some) == len(stack) else Stack.of([stack.problems[k] for k in some])
        drawn = bootstrap_draws(
            part, free[some], draws=how.draws, seed=how.seed, clusters=[runs[k].clusters for k in some],
            progress=progress, devices=how.devices,
        )  # fmt: skip
        for k, thetas in zip(some, drawn, strict=True):
            method, why = methods[k]
            made[k] = make_intervals(
                stack.problems[k], free[k], at[k], method=method, why=why, level=how.level, drawn=thetas,
                clustered=runs[k].clusters is not None,
            )  # fmt: skip
    return made


def _result(
    problem: Problem,
    runs: Runs,
    found: Search,
    free: np.ndarray,
    at: Linearization,
    refitted: tuple[Intervals, Covariance | None] | None,
    at_noise: AtNoise | None,
    how: _How,
    member: Member | None = None,
) -> FitResult:
    """The record of one fit, with its verdict; of a joint fit, that of one `member`."""
    law, solutions = how.law, found.solutions
    if member is None:
        identification = identify(at, in_plain_counts(problem, free))
        relative = largest_relative_error(problem, free, at)
        method, why = choose_method(how.intervals, at, identification, runs.clusters, relative)
        made, covariance = refitted or make_intervals(problem, free, at, method=method, why=why, level=how.level)
        quick, value, gradient_norm = powell_covariance(at), found.lowest, at.gradient_norm
    else:
        identification, made, covariance = member.identification, member.intervals, member.interval_covariance
        quick, value, gradient_norm = member.covariance, member.value, member.gradient_norm
    listed = not isinstance(how.starts, (str, int))
    record = Starts(
        mode=how.starts if isinstance(how.starts, str) else ("given" if listed else "number"),
        count=found.considered,
        screened=0 if listed or how.starts == "paper" else found.considered,
        finished=len(found.tried),
        at_best=int(agreeing(solutions.value, found.lowest, problem).sum()),
        failed=int((solutions.status == NOT_FINITE).sum()),
        undiscovered=undiscovered(solutions),
        theta=problem.full(solutions.free),
        value=solutions.value,
        status=solutions.status,
        steps=solutions.steps,
        names=law.parameter_names,
    )
    still = np.all(found.tried == solutions.free, axis=0)
    evidence = Evidence(
        problem, runs, free, at, identification, covariance or quick, record.finished, record.at_best,
        tuple(n for n, s in zip(problem.free_names, still, strict=True) if s), in_float32(how.devices),
        member.reasons if member else None,
    )  # fmt: skip
    theta = problem.full(free)
    absolute = how.objective.kind == "absolute"
    return FitResult(
        law=law,
        params=law.natural(theta) | dict(how.fixed),
        theta=theta,
        objective=problem.objective,
        value=float(at.weights @ np.abs(at.residuals)) if absolute else value,
        gradient_norm=gradient_norm,
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
        fixed={k: float(v) for k, v in how.fixed.items()},
        tied=how.tied,
        bounds={name: (_plain(low), _plain(high)) for name, (low, high) in how.bounds.items()},
        optimizer=how.solver,
        seed=how.seed,
        priors={name: (float(c), float(w)) for name, (c, w) in how.priors.items()},
        noise=problem.noise,
        at_noise=at_noise,
        shared=member.widths if member else {},
    )


def _weighted(runs: Any, weights: Any) -> Runs:
    """The runs, with weights by their column's name or one for each run."""
    if weights is None:
        return as_runs(runs)
    if not isinstance(weights, str):
        return replace(as_runs(runs), weights=np.asarray(weights, np.float64))
    if isinstance(runs, Runs):
        raise InputError(
            f"these runs were read already; give the column at reading: read_runs(..., weights={weights!r})"
        )
    return read_runs(runs, weights=weights)


def _check_options(starts: Any, intervals: Any, level: float, draws: int) -> None:
    if isinstance(starts, str) and starts not in ("auto", "paper"):
        raise InputError(f"starts must be 'auto', 'paper', a number or a list of mappings, got {quoted(starts)}")
    if isinstance(starts, int) and starts < 1:
        raise InputError(f"starts must be at least 1, got {starts}")
    if intervals not in (None, "auto", "quick", "bootstrap", "profile", "none"):
        raise InputError(f"intervals must be 'auto', 'quick', 'bootstrap', 'profile' or None, got {quoted(intervals)}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1 (0.9 is 90 %), got {level!r}")
    if draws < 20:
        raise InputError(f"draws must be at least 20, got {draws}")


def _plain(end: float | None) -> float | None:
    return None if end is None else float(end)


def _of_theta(problem: Problem, covariance: Covariance) -> Covariance:
    """The covariance of the free values as one of theta: tied parameters each get their row, fixed ones have none."""
    slots = problem.layout.slots
    chosen = [s for s in slots if s >= 0]
    names = tuple(n for n, s in zip(problem.law.parameter_names, slots, strict=True) if s >= 0)
    return Covariance(names, covariance.matrix[np.ix_(chosen, chosen)], covariance.method)


def runs_of(result: FitResult, runs: Runs | None = None) -> Runs:
    """The runs of a fit, which are given where it does not carry them.

    Raises:
        InputError: they are missing, or not those of the fit.
    """
    runs = result.runs if runs is None else runs
    if runs is None:
        raise InputError("this fit does not carry its runs; give them as runs=")
    if runs.sha256 != result.runs_sha256:
        raise InputError("these are not the runs of the fit: their SHA-256 differs")
    return runs


def problem_of(result: FitResult, runs: Runs | None = None) -> Problem:
    """What was fitted, for another question about it; see `runs_of`.

    Raises:
        InputError: it was fitted together with other groups.
    """
    if result.shared:
        raise InputError(
            f"{', '.join(result.shared)} of this group were fitted together with other groups, whose runs it does not "
            "carry; ask fit_many(..., share=...) for its intervals, or fit the group alone"
        )
    return make_problem(
        result.law,
        runs_of(result, runs),
        result.objective,
        fixed=result.fixed,
        tied=result.tied,
        bounds=result.bounds,
        priors=result.priors,
        noise=result.noise,
    )


def bootstrap(
    result: FitResult,
    *,
    kind: Kind = "pairs",
    draws: int = 1000,
    seed: int = 1,
    runs: Runs | None = None,
    progress: Progress | None = None,
    devices: Sequence[Any] | None = None,
) -> Draws:
    """Refit resampled runs, each draw to its own optimum. Whole clusters are drawn where the runs name them (`run=`).

    Kinds, and how often their 90 % percentile intervals held the truth in simulations of the Chinchilla law with 12 to
    240 runs, the law right:

    - "pairs": runs drawn with replacement (Efron 1979). 92 to 98 %, too wide where runs are few; `fit` corrects its
      intervals for bias, which gives 89 to 94 %.
    - "bayesian": every run counts, by weights of a flat Dirichlet distribution (Rubin 1981, Ann. Statist. 9): no draw
      is singular. 89 to 94 %, and 10 to 30 % narrower, where Huber's delta lies below the noise; 81 to 86 % with 9
      runs. Refused for other objectives, where it is 76 to 86 % (15, 36 and 108 runs).
    - "wild": the runs stay where they are, residuals over 1 - leverage change their signs (Wu 1986, Ann. Statist. 14;
      Davidson & Flachaire 2008, J. Econometrics 146). 86 to 92 % for Huber's objective matched to the noise, 85 to 90 %
      for Student's t. Refused where Huber's delta lies below the noise, and for least absolute deviations, where it is
      60 to 88 %.

    Args:
        result: the fit.
        kind: of the resampling, see above.
        draws: how many.
        seed: of the resampling.
        runs: the runs, where the fit was read from a file that does not carry them.
        progress: called as progress(done, total, what).
        devices: JAX devices that share the work; all of this process by default.

    Raises:
        InputError: the runs are missing, or not those of the fit, or the kind is none, or not honest for its objective.
    """
    _check_options("auto", "bootstrap", result.level, draws)
    if kind not in ("pairs", "bayesian", "wild"):
        raise InputError(f"kind must be 'pairs', 'bayesian' or 'wild', got {quoted(kind)}")
    runs = runs_of(result, runs)
    if any(step.response.name in runs.variables for step in result.law.steps[:-1]):
        raise InputError("a chain is resampled where it is fitted: fit_chain(..., intervals='bootstrap', draws=...)")
    problem = problem_of(result, runs)
    _check_honest(kind, result, problem)
    with jax.enable_x64(True):
        (drawn,) = bootstrap_draws(
            Stack.of([problem]), problem.reduce(result.theta)[None], draws=draws, seed=seed,
            clusters=[runs.clusters], kind=kind, progress=progress, devices=devices,
        )  # fmt: skip
    kept = drawn[np.isfinite(drawn).all(axis=1)]
    if len(kept) < 0.9 * draws:
        raise InputError(f"only {len(kept)} of {draws} resampled fits converged; the runs do not determine this law")
    method = kind if runs.clusters is None else f"cluster_{kind}"
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


def _check_honest(kind: Kind, result: FitResult, problem: Problem) -> None:
    """Refuse a kind of bootstrap where its intervals are known not to cover."""
    sigma = result.sigma if result.noise is None else result.noise.sigma
    far_below = problem.loss.size < sigma
    where = f"residuals count as squares up to {problem.loss.size / sigma:.2g} of the typical one" if sigma > 0 else ""
    if kind == "bayesian" and not far_below:
        raise InputError(
            f"Bayesian weights give intervals that cover 76 to 86 % instead of 90 where {where}; use kind='pairs' or "
            "'wild'"
        )
    if kind == "wild" and far_below:
        raise InputError(
            f"the wild bootstrap gives intervals that cover 60 to 88 % instead of 90 where {where}; use kind='pairs', "
            "or fit by Huber('matched'), StudentT() or SquaredError()"
        )
    if kind == "wild" and result.objective.overestimate != 1:
        raise InputError("residuals cannot change signs where overestimates count more; use kind='pairs'")


_READING = frozenset({"N", "D", "C", "loss", "response", "run", "where", "on_bad", "loss_unit", "domains"})
_GROUPS_AT_ONCE = 1024

Group = tuple[str, Any, np.ndarray | None]  # name, runs or a table, row numbers


def fit_many(
    law: Law | str,
    data: Any,
    *,
    by: str = "group",
    columns: Mapping[str, str] | None = None,
    share: str | Sequence[str] | Mapping[str, float] = (),
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Fits:
    """Fit a law to every group of a table, side by side. A group that cannot be fitted is a row with its reason.

    Every group is fitted as `fit` would fit it alone, or all together where they `share` parameters. The verdict and
    record of a group are made when looked at.

    Args:
        law: the law, or its name.
        data: a table with a column `by` (anything `read_runs` takes), a mapping of group to `Runs` or tables, or an
            iterator of such pairs. See `fit_stream` for more than fit in memory.
        by: the column that names the group.
        columns: further variables by column, as in `read_runs`.
        share: parameters with one value for all groups, ("alpha", "beta"); or how far apart values may lie around a
            common centre, {"alpha": 0.05}: the standard deviation between groups in theta, which is the logarithm of a
            positive parameter (partial pooling). 0 is one value for all, infinity nothing in common. `Fits.sharing`
            is the record of the joint fit, with a test of one value for all; intervals are "auto", "bootstrap" (of all
            groups at once), "quick" or None.
        progress: called as progress(done, total, what); the total of an iterator is 0, for unknown.
        weights: column of weights.
        **options: of `read_runs` (N, D, C, loss, ...) and of `fit` (objective, starts, intervals, ...).

    Raises:
        InputError: there is no column `by`, an option is unknown, or a parameter cannot be shared.
    """
    widths = _widths(share)
    if widths:
        reading = {"weights": weights, **dict(columns or {})}
        return _fit_shared(law, data, by, reading, widths, progress, options)
    chunks = _chunks(law, data, by, {"weights": weights, **dict(columns or {})}, progress, options)
    return Fits(by, tuple(entry for chunk in chunks for entry in chunk))


def fit_stream(
    law: Law | str,
    data: Any,
    *,
    by: str = "group",
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """`fit_many` for more groups than fit in memory: yields `Fits.to_frame` of some groups at a time, forgets them.

    Arguments are those of `fit_many`; give an iterator of (group, runs), so that not all runs are in memory either.
    """
    for chunk in _chunks(law, data, by, {"weights": weights, **dict(columns or {})}, progress, options):
        yield Fits(by, tuple(chunk)).to_frame()


def _chunks(
    law: Law | str,
    data: Any,
    by: str,
    reading: dict[str, Any],
    progress: Progress | None,
    options: dict[str, Any],
) -> Iterator[list[tuple[str, Entry]]]:
    """Groups fitted some at a time, in their order."""
    reading |= {k: options.pop(k) for k in list(options) if k in _READING}
    how = _how(law, **options)
    groups = _groups(data, by)
    total = len(groups) if isinstance(groups, list) else 0
    done, waiting = 0, iter(groups)
    while chunk := list(itertools.islice(waiting, _GROUPS_AT_ONCE)):
        yield _fit_groups(chunk, reading, how)
        done += len(chunk)
        if progress is not None:
            progress(done, total, "groups")


def _fit_groups(groups: Sequence[Group], reading: Mapping[str, Any], how: _How) -> list[tuple[str, Entry]]:
    """Fit each group, side by side with others of its size."""
    entries: dict[int, Entry] = {}
    stacks: dict[tuple[int, int], list[tuple[int, Problem, Runs]]] = {}
    with jax.enable_x64(True):
        for k, (_, rows, numbers) in enumerate(groups):
            try:
                runs = as_runs(rows, row_numbers=numbers, **reading)
                problem = how.problem(runs)
                stacks.setdefault((stacked_rows(problem), len(problem.losses)), []).append((k, problem, runs))
            except InputError as error:
                entries[k] = Failure("bad_input", str(error))
    parts = [
        alike[first : first + MOST_STACKED] for alike in stacks.values() for first in range(0, len(alike), MOST_STACKED)
    ]

    def fitted(part: Sequence[tuple[int, Problem, Runs]]) -> list[tuple[int, Callable[[], FitResult] | InputError]]:
        indices, problems, tables = zip(*part, strict=True)
        with jax.enable_x64(True):  # a setting of each thread
            return list(zip(indices, _fit_stack(Stack.of(problems), tables, how), strict=True))

    # In threads, so that one stack of tables is made ready while another is being solved.
    hands, devices = workers(how.devices)
    with ThreadPoolExecutor(hands if hands > len(devices) else 1) as pool:
        for k, made in itertools.chain.from_iterable(pool.map(fitted, parts)):
            entries[k] = Failure("bad_input", str(made)) if isinstance(made, InputError) else cache(made)
    return [(name, entries[k]) for k, (name, *_) in enumerate(groups)]


def _widths(share: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """How far apart each shared parameter may lie; what is not shared is left out."""
    if not isinstance(share, Mapping):
        share = dict.fromkeys([share] if isinstance(share, str) else share, 0.0)
    for name, width in share.items():
        if isinstance(width, bool) or not isinstance(width, (int, float)) or not width >= 0:
            raise InputError(f"share: {inert(name)} takes a width from 0 on, got {width!r}")
    return {name: float(width) for name, width in share.items() if width < np.inf}


def _fit_shared(
    law: Law | str,
    data: Any,
    by: str,
    reading: dict[str, Any],
    widths: Mapping[str, float],
    progress: Progress | None,
    options: dict[str, Any],
) -> Fits:
    """All groups in one joint fit."""
    reading |= {k: options.pop(k) for k in list(options) if k in _READING}
    how = _how(law, **options)
    for name in widths:
        if name not in how.law.parameter_names or name in how.fixed:
            known = ", ".join(n for n in how.law.parameter_names if n not in how.fixed)
            raise InputError(f"law {how.law.name!r} has no parameter {quoted(name)} to share; it fits {known}")
    if how.objective.matched or how.objective.kind == "student" or how.priors:
        raise InputError(
            "a joint fit takes Huber's objective with a number for delta, squares or absolute values, and no priors; "
            'what groups have in common may lie a width apart: share={"alpha": 0.05}'
        )
    if (
        how.solver != "damped_newton"
        or how.intervals == "profile"
        or not (how.starts == "auto" or isinstance(how.starts, int))
    ):
        raise InputError(
            "a joint fit has its own solver, starts='auto' or a number, and intervals 'auto', 'bootstrap', 'quick' or "
            "None; leave out optimizer=, and ask for one of these"
        )
    groups = list(_groups(data, by))
    entries: dict[str, Entry] = {}
    names, problems, tables = [], [], []
    with jax.enable_x64(True):
        for name, rows, numbers in groups:
            try:
                runs = as_runs(rows, row_numbers=numbers, **reading)
                problems.append(how.problem(runs))
                tables.append(runs)
                names.append(name)
            except InputError as error:
                entries[name] = Failure("bad_input", str(error))
        if not problems:
            return Fits(by, tuple(entries.items()))
        sharing, members = fit_together(
            problems, tables, widths, starts=how.starts if isinstance(how.starts, int) else None, seed=how.seed,
            intervals=how.intervals, level=how.level, draws=how.draws, progress=progress,
        )  # fmt: skip
    for name, runs, m in zip(names, tables, members, strict=True):
        entries[name] = cache(partial(_result, m.problem, runs, m.found, m.free, m.at, None, None, how, m))
    return Fits(by, tuple((name, entries[name]) for name, *_ in groups), sharing)


def _groups(data: Any, by: str) -> list[Group] | Iterator[Group]:
    """Name, rows and row numbers (of the whole table, from 1) of every group, in the order of their first row."""
    if isinstance(data, Mapping) and all(isinstance(v, Runs) or hasattr(v, "columns") for v in data.values()):
        return [(str(name), rows, None) for name, rows in data.items()]
    if isinstance(data, Iterator):
        return ((str(name), rows, None) for name, rows in data)
    frame = read_frame(data)
    if by not in frame.columns:
        there = ", ".join(inert(c) for c in frame.columns)
        raise InputError(f"there is no column {quoted(by)} to group by; the table has {there}")
    frame = frame.reset_index(drop=True)
    return [(str(name), rows, rows.index.to_numpy() + 1) for name, rows in frame.groupby(by, sort=False, dropna=False)]
