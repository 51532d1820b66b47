"""The verb `fit`: starts x tables -> one batched solve -> the best of each, its intervals and verdict -> results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import jax
import numpy as np
import optax

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs, as_runs, read_runs
from jaxscale._fitting.result import FitResult, Starts
from jaxscale._pooling.sharing import Member
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.objectives import Huber, Objective
from jaxscale._problem.problem import Noise, Priors, Problem, make_problem, pins, read_priors
from jaxscale._problem.stack import MOST_STACKED, Stack
from jaxscale._problem.units import in_plain_counts
from jaxscale._solver.outcome import Search, agreeing, undiscovered, with_lower
from jaxscale._solver.search import refined, search
from jaxscale._solver.solve import AT
from jaxscale._solver.solve_stack import in_float32, solve_stack
from jaxscale._solver.trust_region import descend
from jaxscale._trust.covariance import Covariance, powell_covariance
from jaxscale._trust.dispersion import scale_of
from jaxscale._trust.identification import identify
from jaxscale._trust.interval_method import choose_method
from jaxscale._trust.intervals import Intervals, largest_relative_error, make_intervals
from jaxscale._trust.judge import Evidence, gradient_tolerance, judge
from jaxscale._trust.linearization import Linearization, linearize_all
from jaxscale._trust.matched import AtNoise, estimates_at_noise
from jaxscale._trust.resampling import bootstrap_draws
from jaxscale.laws import Law, get
from jaxscale.optim import CONVERGED, NOT_FINITE, damped_newton

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
            screened; or mappings of natural parameter values, of which the best is run again by a slower trust region
            where it ends in trouble.
        optimizer: any optax transformation; the damped Newton of `jaxscale.optim` by default.
        intervals: "auto" chooses by the number of runs, their conditioning and whether resampled ones would still
            determine the law, and says so; "quick", "bootstrap", "profile", or None.
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
    how = How.of(law, objective, starts, optimizer, intervals, level, draws, fixed, tied, bounds, priors, seed, devices)
    read = _weighted(runs, weights)
    with jax.enable_x64(True):
        (made,) = fit_stack(Stack.of([how.problem(read)]), [read], how, progress)
    if isinstance(made, InputError):
        raise made
    return made()


@dataclass(frozen=True, eq=False)
class How:
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

    @classmethod
    def of(
        cls,
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
    ) -> "How":
        """The arguments of `fit`, checked, with their defaults in place."""
        law = get(law) if isinstance(law, str) else law
        _check_options(starts, intervals, level, draws)
        fixed, bounds, tied = dict(fixed or {}), dict(bounds or {}), tuple(tuple(group) for group in tied)
        priors = dict(priors or {})
        read_priors(law, pins(law, fixed, tied, bounds)[1], priors)
        if optimizer is None:
            chosen, solver, steps = damped_newton(), "damped_newton", _DEFAULT_STEPS
        else:
            chosen, solver, steps = optax.with_extra_args_support(optimizer), "given", _FIRST_ORDER_STEPS
        return cls(
            law, Huber() if objective is None else objective, starts, chosen, solver, steps,
            intervals or "none", level, draws, fixed, tied, bounds, priors, seed, devices,
        )  # fmt: skip

    def problem(self, runs: Runs, noise: Noise | None = None) -> Problem:
        """The problem these runs pose, see `make_problem`."""
        pins = {"fixed": self.fixed, "tied": self.tied, "bounds": self.bounds, "priors": self.priors}
        return make_problem(self.law, runs, self.objective, **pins, noise=noise)


def fit_stack(
    stack: Stack, runs: Sequence[Runs], how: How, progress: Progress | None = None, near: np.ndarray | None = None
) -> list[Callable[[], FitResult] | InputError]:
    """Fit every table of a stack: what makes its result, or why there is none. Call under float64.

    The verdict and the record of each table are made when asked for, with its second estimate, for all tables at once.
    `near`, (tables, free), are further starts, which count only where they end lower than all others.
    """
    options: dict[str, Any] = {"max_steps": how.max_steps, "devices": how.devices}
    searches = search(stack, how.optimizer, how.starts, seed=how.seed, **options)
    if near is not None:
        searches = with_lower(searches, near, refined(stack, how.optimizer, near, **options))
    free = _best(stack, searches)
    at = linearize_all(stack, free)
    if how.solver == "damped_newton" and not isinstance(how.starts, (str, int)) and len(stack.stages) == 1:
        searches = [_with_care(p, s, x, options) for p, s, x in zip(stack.problems, searches, at, strict=True)]
        free = _best(stack, searches)
        at = linearize_all(stack, free)
    if stack.first.provisional:
        return _fit_at_noise(stack, runs, how, progress, searches, free, at)
    refitted = _refitted(stack, runs, free, at, searches, how, progress)

    @cache
    def at_noise() -> dict[int, tuple[AtNoise, ...]]:
        with jax.enable_x64(True):
            return estimates_at_noise(stack, free, at, how.optimizer, **options)

    def result(k: int) -> FitResult:
        return make_result(
            stack.problems[k], runs[k], searches[k], free[k], at[k], refitted.get(k), at_noise().get(k, ()), how
        )

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


def _best(stack: Stack, searches: Sequence[Search]) -> np.ndarray:
    """Free values (tables, free) at the lowest optimum of each table; zeros where nothing is finite."""
    anywhere = np.zeros(stack.first.layout.free)
    return np.array([s.solutions.free[s.best] if np.isfinite(s.lowest) else anywhere for s in searches])


def _with_care(problem: Problem, found: Search, at: Linearization, options: Mapping[str, Any]) -> Search:
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
    how: How,
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
        made |= zip(some, fit_stack(second, tables, how, progress, near), strict=True)
    return [made[k] for k in range(len(stack))]


def _nowhere_finite(how: How, found: Search) -> InputError:
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
    how: How,
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


def make_result(
    problem: Problem,
    runs: Runs,
    found: Search,
    free: np.ndarray,
    at: Linearization,
    refitted: tuple[Intervals, Covariance | None] | None,
    at_noise: tuple[AtNoise, ...],
    how: How,
    member: Member | None = None,
) -> FitResult:
    """The record of one fit, with its verdict; of a joint fit, that of one `member`."""
    law, solutions = how.law, found.solutions
    if member is None:
        identification = identify(at, in_plain_counts(problem, free))
        if refitted is None:
            relative = largest_relative_error(problem, free, at)
            method, why = choose_method(how.intervals, at, identification, runs.clusters, relative)
            refitted = make_intervals(problem, free, at, method=method, why=why, level=how.level)
        made, covariance = refitted
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
        bounds={name: (_float_or_none(low), _float_or_none(high)) for name, (low, high) in how.bounds.items()},
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
    check_draws(draws)


def check_draws(draws: int) -> None:
    """Refuse fewer draws than an interval can be read from."""
    if draws < 20:
        raise InputError(f"draws must be at least 20, got {draws}")


def _float_or_none(end: float | None) -> float | None:
    return None if end is None else float(end)


def _of_theta(problem: Problem, covariance: Covariance) -> Covariance:
    """The covariance of the free values as one of theta: tied parameters each get their row, fixed ones have none."""
    slots = problem.layout.slots
    chosen = [s for s in slots if s >= 0]
    names = tuple(n for n, s in zip(problem.law.parameter_names, slots, strict=True) if s >= 0)
    return Covariance(names, covariance.matrix[np.ix_(chosen, chosen)], covariance.method)
