"""Chains of laws, loss to accuracy say, fitted to runs that show every step: one after the other, or all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale._base.programs import kept
from jaxscale._base.progress import listening
from jaxscale._base.settings import in_float64
from jaxscale._base.validation import Progress, enough_of
from jaxscale._base.verdict import Verdict
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.options import Bounds, IntervalMethod, rows_for
from jaxscale._fitting.result import FitResult
from jaxscale._problem.objectives import Huber, Objective
from jaxscale._problem.problem import Priors, make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.outcome import Starts
from jaxscale._trust.covariance import Covariance, covariance_of
from jaxscale._trust.identification import Identification
from jaxscale._trust.interval_method import FEWEST_CLUSTERS, FEWEST_RUNS_FOR_PAIRS, MORE_PAIRS
from jaxscale._trust.intervals import Intervals, natural_errors
from jaxscale._trust.linearization import linearize
from jaxscale._trust.percentiles import percentile_ends
from jaxscale._trust.resampling import bootstrap_draws
from jaxscale.laws import Law, Variable
from jaxscale.laws._parameters import Params
from jaxscale.laws._registry import as_law

_ABOUT_PARAMETERS = ("gradient_not_zero", "at_bound", "never_moved", "ill_conditioned", "weakly_identified")


def fit_chain(
    chain: Law | str,
    runs: Runs,
    *,
    joint: bool = False,
    objective: Objective | None = None,
    intervals: IntervalMethod | None = "auto",
    level: float = 0.9,
    draws: int = 1000,
    fixed: Mapping[str, float] | None = None,
    bounds: Bounds | None = None,
    priors: Priors | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> FitResult:
    """Fit `first >> second` to runs that show what lies between: the result predicts and plans from first to last.

    From the last response alone the scale between the steps cannot be told (a larger loss with a slower rate gives the
    same errors), so every step's response must be in the table.

    Args:
        chain: laws joined by `>>`, or the name of a chain.
        runs: with the last response, and what lies between as variables: `read_runs(table, response="error",
            loss="loss")`, with `domains={"response": "unit"}` where 0 is possible.
        joint: False fits each step to its own columns (two stages). True fits all at once, starting there: one sum over
            all responses, those after the first scaled so that their typical residual is that of the first.
        objective: of every step, Huber(1e-3) by default; on logs where a step's response is positive.
        intervals: "bootstrap" resamples runs and refits all steps to the same ones, so that the covariance holds what
            they share; "quick" takes Powell's sandwich (of each step alone unless joint); "auto" chooses by the number
            of independent runs; None.
        level, draws, seed, progress: as for `fit`.
        fixed, bounds, priors: by the chain's parameter names.

    Raises:
        InputError: the law is no chain, or the runs lack a step's response.
    """
    chain = as_law(chain)
    steps = _steps(chain)
    if len(steps) < 2:
        raise InputError(f"law {chain.name!r} is no chain; join two laws, as in chinchilla >> gadre_err, or use fit")
    if runs.response_name != chain.response.name and runs.response_name in runs.variables:
        raise InputError(f"the runs' response is {runs.response_name}, the chain predicts {chain.response.name}")
    for name in (*(fixed or {}), *(bounds or {}), *(priors or {})):
        chain.index(name)  # names it where there is none
    objective = Huber() if objective is None else objective
    runs = rows_for(steps, runs)
    tables = [_table(step, runs, last=step is steps[-1]) for step in steps]
    names = _names(chain, steps)
    independent = runs.count if runs.clusters is None else len(set(runs.clusters))
    if intervals == "auto":
        enough = independent >= (FEWEST_RUNS_FOR_PAIRS if runs.clusters is None else FEWEST_CLUSTERS)
        intervals = "bootstrap" if enough else "quick"
    each = {"objective": objective, "level": level, "seed": seed}
    first = [
        fit(
            step,
            table,
            intervals=None if intervals != "quick" or joint else "quick",
            fixed=_own(fixed, name),
            bounds=_own(bounds, name),
            priors=_own(priors, name),
            **each,
        )
        for step, table, name in zip(steps, tables, names, strict=True)
    ]
    staged = _joined(chain, runs, first, names, dict(fixed or {}), dict(bounds or {}))
    staged = replace(staged, priors=dict(priors or {}), noise=None)
    if joint:
        pins = {"fixed": fixed, "bounds": bounds, "priors": priors}
        return _fit_jointly(
            chain,
            steps,
            tables,
            staged,
            first,
            runs,
            draws=draws,
            intervals=intervals,
            progress=progress,
            **pins,
            **each,
        )
    if intervals != "bootstrap":
        return staged
    return _with_draws(staged, first, tables, runs, draws=draws, level=level, seed=seed, progress=progress)


def _steps(law: Law) -> list[Law]:
    """The laws of a chain from first to last, chains in it taken apart."""
    return [one for step in law.steps for one in _steps(step)] if law.steps else [law]


def _names(chain: Law, steps: Sequence[Law]) -> list[dict[str, str]]:
    """For every step, its parameters' names in the chain by their own."""
    rest = list(chain.parameter_names)
    return [{own: rest.pop(0) for own in step.parameter_names} for step in steps]


def _own(given: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any]:
    return {own: given[name] for own, name in names.items() if given and name in given}


def _table(step: Law, runs: Runs, last: bool) -> Runs:
    """The runs as one step sees them."""
    name = step.response.name
    if not last and name not in runs.variables:
        have = ", ".join(runs.variables)
        raise InputError(
            f"the runs do not show {name}, which lies between the steps; they have {have}. Name its column at reading: "
            f'read_runs(..., {name}="...", response="...") (--col {name}=COLUMN --response COLUMN)'
        )
    response = runs.response if last else runs.variables[name]
    variables = {v.name: runs.variable(v.name) for v in step.variables}
    return Runs(variables, response, name, runs.weights, runs.clusters, runs.rows, errors=runs.errors)


def _joined(
    chain: Law, runs: Runs, parts: Sequence[FitResult], names: Sequence[Mapping[str, str]], fixed: dict, bounds: dict
) -> FitResult:
    """One result of the steps' own: a covariance without cross terms, and the reasons of all verdicts."""
    theta = np.concatenate([part.theta for part in parts])
    reasons = tuple(
        replace(r, text=f"in {part.law.name}, {r.text}", params=tuple(name.get(p, p) for p in r.params))
        for part, name in zip(parts, names, strict=True)
        for r in part.verdict.reasons
    )
    worst, worst_names = max(zip(parts, names, strict=True), key=lambda pair: pair[0].identification.condition_number)
    correlations = {
        ",".join(name[p] for p in pair.split(",")): value
        for part, name in zip(parts, names, strict=True)
        for pair, value in part.identification.correlations.items()
    }
    counts = {
        k: sum(getattr(part.starts, k) for part in parts)
        for k in ("count", "screened", "finished", "at_best", "failed")
    }
    last = parts[-1]
    covariances = [part.covariance for part in parts]
    covariance = None
    if all(c is not None for c in covariances):
        blocks = [c for c in covariances if c is not None]
        labels = tuple(name[p] for c, name in zip(blocks, names, strict=True) for p in c.names)
        matrix = np.zeros((len(labels), len(labels)))
        at = 0
        for block in blocks:
            end = at + len(block.names)
            matrix[at:end, at:end] = block.matrix
            at = end
        covariance = Covariance(labels, matrix, blocks[-1].method)
    ends = {name[p]: e for part, name in zip(parts, names, strict=True) for p, e in part.intervals.params.items()}
    errors, of_theta = (
        {name[p]: e for part, name in zip(parts, names, strict=True) for p, e in getattr(part.intervals, kind).items()}
        for kind in ("standard_errors", "theta_standard_errors")
    )
    why = last.intervals.why + ("; each step on its own" if covariance is not None else "")
    return replace(
        last,
        law=chain,
        params=chain.natural(theta),
        theta=theta,
        value=sum(part.value for part in parts),
        gradient_norm=max(part.gradient_norm for part in parts),
        starts=Starts.summed("auto", counts, chain.parameter_names),
        verdict=Verdict.of(
            reasons,
            parts[0].verdict.scope,
            parts[0].verdict.margins,
            next((part.verdict.next_step for part in parts if part.verdict.next_step), ""),
        ),
        identification=Identification(
            worst.identification.condition_number,
            correlations,
            {worst_names[p]: w for p, w in worst.identification.sloppiest.items()},
        ),
        intervals=replace(last.intervals, why=why, params=ends, standard_errors=errors, theta_standard_errors=of_theta),
        covariance=covariance,
        runs=runs,
        record=runs.record,
        runs_sha256=runs.sha256,
        fixed={k: float(v) for k, v in fixed.items()},
        bounds=bounds,
        at_noise=(),
        optimizer=f"{last.optimizer}, {len(parts)} stages",
    )


def _with_draws(
    staged: FitResult,
    parts: Sequence[FitResult],
    tables: Sequence[Runs],
    runs: Runs,
    *,
    draws: int,
    level: float,
    seed: int,
    progress: Progress | bool | None,
) -> FitResult:
    """The same with intervals and a covariance from refits of every step to the same resampled runs."""
    drawn, far = [], []
    with listening(progress, "resampling"), in_float64():
        for part, table in zip(parts, tables, strict=True):
            pins = {"fixed": part.fixed, "bounds": part.bounds, "priors": part.priors}
            problem = make_problem(part.law, table, part.objective, **pins, noise=part.noise)
            # One seed and as many rows (or clusters) for every step: draw k resamples the same runs in each.
            (free,) = bootstrap_draws(
                Stack.of([problem]),
                problem.reduce(part.theta)[None],
                draws=draws,
                seed=seed,
                clusters=[table.clusters],
                more=MORE_PAIRS,
            )
            drawn.append(problem.full(free))
            far.append(linearize(problem, problem.reduce(part.theta)).far_below_noise)
    theta = np.concatenate(drawn, axis=1)
    kept = theta[np.isfinite(theta).all(axis=1)]
    if not enough_of(len(kept), draws):
        return replace(
            staged, intervals=Intervals(level, "none", f"only {len(kept)} of {draws} resampled fits converged")
        )
    free = [k for k, name in enumerate(staged.law.parameter_names) if name not in staged.fixed]
    names = tuple(staged.law.parameter_names[k] for k in free)
    clustered = runs.clusters is not None
    corrected = [not clustered and x for x in far]  # as for a fit of one step, see `make_intervals`
    of_step = np.repeat(corrected, [len(part.theta) for part in parts])
    ends = {}
    for k in free:
        parameter = staged.law.parameters[k]
        low, high = percentile_ends(kept[:, k], staged.theta[k], level, of_step[k])
        ends[parameter.name] = (parameter.to_natural(low), parameter.to_natural(high))
    count = len(set(runs.clusters)) if runs.clusters is not None else runs.count
    words = ["bias-corrected percentile" if x else "percentile" for x in corrected]
    if same := len(set(words)) == 1:
        how = words[0]
    else:
        how = ", ".join(f"{word} for {part.law.name}" for word, part in zip(words, parts, strict=True))
    method = ("pairs_bias_corrected" if corrected[0] else "pairs_percentile") if same else "pairs_by_step"
    errors = dict(zip(names, kept[:, free].std(axis=0, ddof=1).tolist(), strict=True))
    return replace(
        staged,
        covariance=covariance_of(names, kept[:, free], all(corrected)),
        intervals=Intervals(
            level,
            "cluster_pairs_percentile" if clustered else method,
            f"{count} independent runs, every step refitted to the same resampled ones ({how})",
            ends,
            natural_errors(staged.law, staged.theta, errors),
            len(kept),
            errors,
        ),
    )


@kept
def _joint_law(chain: Law) -> Law:
    """All steps as one law of stacked rows: `step` says which response a row holds, `scale` what it is multiplied
    with."""
    steps = _steps(chain)
    names = _names(chain, steps)

    def function(p: Params, *, step: Array, scale: Array, **logs: Array) -> Array:
        inputs, value = logs, jnp.zeros(())
        for k, (law, name) in enumerate(zip(steps, names, strict=True)):
            out = law.evaluate(p.renamed(name), **inputs)
            value = jnp.where(step == k, scale * out, value)
            if k + 1 < len(steps):
                takes = steps[k + 1].variables[0]
                logged = law.response.domain == "positive" and takes.domain != "positive"
                inputs = {takes.argument: jnp.exp(out) if logged else out}
        return value

    return Law(
        f"{chain.name}, all steps",
        function,
        variables=(*steps[0].variables, Variable("step", domain="real"), Variable("scale", domain="real")),
        parameters=tuple(replace(p, dimension={}) for p in chain.parameters),
        response=Variable("stacked", domain="real"),
    )


def _fit_jointly(
    chain: Law,
    steps: Sequence[Law],
    tables: Sequence[Runs],
    staged: FitResult,
    parts: Sequence[FitResult],
    runs: Runs,
    **options: Any,
) -> FitResult:
    scales = [parts[0].sigma / part.sigma for part in parts]
    if not np.all(np.isfinite(scales)) or min(scales) <= 0:
        raise InputError(
            "a step fits its runs without error, so steps cannot be weighed; fit with joint=False (leave --joint out)"
        )
    responses = [
        scale * (np.log(table.response) if step.response.domain == "positive" else table.response)
        for step, table, scale in zip(steps, tables, scales, strict=True)
    ]
    count = len(steps)
    variables = {v.name: np.tile(runs.variable(v.name), count) for v in steps[0].variables}
    variables |= {"step": np.repeat(np.arange(float(count)), runs.count), "scale": np.repeat(scales, runs.count)}
    labels = runs.clusters or tuple(map(str, runs.rows))
    stacked = Runs(
        variables,
        np.concatenate(responses),
        "stacked",
        None if runs.weights is None else np.tile(runs.weights, count),
        labels * count,
        np.tile(runs.rows, count),
        errors=None if runs.errors is None else np.tile(runs.errors, count),
    )
    law = _joint_law(chain)
    found = fit(law, stacked, starts=[{**staged.params}], **options)
    mine = tuple(r for r in found.verdict.reasons if r.code in _ABOUT_PARAMETERS)
    others = tuple(r for r in staged.verdict.reasons if r.code not in _ABOUT_PARAMETERS)
    return replace(
        found,
        law=chain,
        at_noise=(),
        sigma=parts[-1].sigma,
        starts=staged.starts,
        verdict=Verdict.of((*mine, *others), staged.verdict.scope, staged.verdict.margins, staged.verdict.next_step),
        runs=runs,
        record=runs.record,
        runs_sha256=runs.sha256,
        optimizer=f"{found.optimizer}, all steps at once",
    )
