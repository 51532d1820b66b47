"""The verb `fit`: one table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optax

from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.settings import in_float64
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit_stack import fit_stack
from jaxscale._fitting.options import Bounds, FitOptions, IntervalMethod, StartsOption, rows_for, weighted
from jaxscale._fitting.result import FitResult
from jaxscale._problem.objectives import Objective
from jaxscale._problem.problem import Priors
from jaxscale._problem.stack import Stack
from jaxscale.laws import Law


def fit(
    law: Law | str,
    runs: Runs | Any,
    *,
    objective: Objective | None = None,
    starts: StartsOption = "auto",
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
    progress: Progress | bool | None = None,
    devices: Sequence[Any] | None = None,
) -> FitResult:
    """Fit a law to runs: the best of many certified local optima, with intervals and a verdict.

    Args:
        law: the law, or its name.
        runs: `Runs`, or anything `read_runs` takes. Of checkpoints the last of each run, unless they were read with
            `checkpoints="all"` or the law describes losses along a run.
        objective: `Huber(1e-3)` on log residuals by default (Hoffmann et al. 2022, Eq. 3), summed over runs; also
            `SquaredError`, `AbsoluteError`, and `Huber("matched")` and `StudentT()`, which are matched to the noise
            that a first fit by `Huber(1e-3)` shows; `LowerEdge(0.1)` leaves a tenth of the runs below the law, where
            untuned settings left the others above.
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
        progress: called as progress(done, total, what); True for a line on standard error. See below.
        devices: JAX devices that share the work; all of this process by default.

    With priors the objective is F + (m2 / m1) sum (theta_j - c_j)^2 / (2 w_j^2). The factor, mean of psi squared over
    the expected slope of psi (the variance of the noise, for squares), is taken from a first fit without priors: it
    makes a prior weigh what one more observation of theta_j with error w_j would. So it is taken in standard errors and
    intervals too: their draws each have a centre of their own within the width.

    `progress` hears of each stage as it begins, with 0 done of 0, for unknown: "screening", "searching", "finishing",
    "intervals" and "verdict", the first three twice where an objective is matched to the noise; of starts and draws as
    they are done ("searching", "bootstrap draws"); and of "compiling" where a program is new to this machine, after
    which it hears again what it heard last. What it raises ends the fit there and reaches the caller.

    Raises:
        InputError: the runs lack something the law reads, or an argument cannot be used. A fit that is bad but
            possible is returned with a verdict that says so.
    """
    how = FitOptions.of(
        law,
        objective=objective,
        starts=starts,
        optimizer=optimizer,
        intervals=intervals,
        level=level,
        draws=draws,
        fixed=fixed,
        tied=tied,
        bounds=bounds,
        priors=priors,
        seed=seed,
        devices=devices,
    )
    read = rows_for([how.law], weighted(runs, weights, how.law))
    with listening(progress, "fitting"):
        with in_float64():
            (made,) = fit_stack(Stack.of([how.problem(read)]), [read], how)
        if isinstance(made, InputError):
            raise made
        tell(0, 0, "verdict")
        return made.result
