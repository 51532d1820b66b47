"""Uncertainty of an optimum: a quick standard error, and bootstrap draws refitted in one batch. Takes a problem and
its solve."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import optax
from scipy.special import ndtr, ndtri, stdtrit

from jaxscale._identification import Identification, Linearization, linearize
from jaxscale._problem import Problem
from jaxscale._solve import NEAR, SMALL_BATCH, solve
from jaxscale.optim import CONVERGED, STUCK

Method = Literal["auto", "quick", "bootstrap", "none"]
Progress = Callable[[int, int, str], None]

FEWEST_RUNS_FOR_PAIRS = (
    20  # below, a resample keeps too few distinct runs (measured: 12 % singular at 9 runs, none at 20)
)
FEWEST_DEGREES_OF_FREEDOM = 4
FEWEST_CLUSTERS = 8
_DRAWS_PER_CHUNK = 4096  # bounds memory: one row of weights for each draw
HOPELESS_CONDITION = 1e9
_RIVALS = 24  # optima of other draws that every draw is checked against


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of the free values of theta: names, matrix (free, free), and the method it came from."""

    names: tuple[str, ...]
    matrix: np.ndarray
    method: str


@dataclass(frozen=True)
class Intervals:
    """Intervals of the parameters in natural units, and how they were made.

    `why` says why this method, or why there are none. `standard_errors` are of the natural value for parameters
    fitted as they are, and of the logarithm (a relative error) for those fitted in logs; `draws` counts the resampled
    fits behind them.
    """

    level: float
    method: str
    why: str
    params: dict[str, tuple[float, float]] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    draws: int | None = None


def powell_covariance(at: Linearization) -> Covariance | None:
    """Sandwich covariance of the free values with Powell's kernel estimate of the slope of psi (Powell 1991).

    The usual sandwich counts curvature only where |residual| <= delta, a handful of runs when delta is far below the
    noise, and covers 61 to 90 % of the time; here the band is Hall and Sheather's (1988), never narrower than delta.
    None where the runs do not determine all parameters.
    """
    used = at.used
    jacobian, psi, weights, residuals = at.jacobian[used], at.psi[used], at.weights[used], at.residuals[used]
    jacobian = jacobian[:, ~at.held]
    if at.freedom < 1 or not len(jacobian):
        return None
    if np.isfinite(at.delta):
        n = len(residuals)
        sigma = at.sigma
        h = n ** (-1 / 3) * ndtri(0.975) ** (2 / 3) * (0.75 / np.pi) ** (1 / 3)
        band = max(at.delta, sigma * ndtri(min(0.5 + h, 0.999)))
        bread_weights = weights * (np.abs(residuals) < band) * min(1.0, at.delta / band)
    else:
        bread_weights = weights
    bread = jacobian.T @ (jacobian * bread_weights[:, None])
    meat = jacobian.T @ (jacobian * psi[:, None] ** 2)
    scale = np.sqrt(np.diag(bread))
    if not np.all(scale > 0) or not np.linalg.cond(bread / np.outer(scale, scale)) < 1e12:
        return None
    inverse = np.linalg.inv(bread / np.outer(scale, scale)) / np.outer(scale, scale)
    inner = inverse @ meat @ inverse
    matrix = np.zeros((len(at.held), len(at.held)))
    matrix[np.ix_(~at.held, ~at.held)] = inner
    return Covariance(at.names, matrix, "powell_sandwich")


def resampling_weights(problem: Problem, draws: int, seed: int, clusters: tuple[str, ...] | None) -> np.ndarray:
    """How often each run counts in each draw, times its own weight, shape (draws, rows). Whole clusters move
    together."""
    rng = np.random.default_rng(seed)
    own = problem.points.weights[: problem.count]
    labels, index = np.unique(np.arange(problem.count) if clusters is None else np.array(clusters), return_inverse=True)
    times = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=draws)
    return problem.padded(times[:, index] * own)


def bootstrap_draws(
    problem: Problem,
    optimizer: optax.GradientTransformationExtraArgs,
    best: np.ndarray,
    *,
    draws: int,
    seed: int,
    clusters: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Free values (draws, free) refitted to resampled runs, each from the optimum of all runs, each checked against
    others.

    A draw that stops short, or above an optimum that another draw found, is restarted there; one that still does not
    converge is nan.
    """
    weights = resampling_weights(problem, draws, seed, clusters)
    free = np.empty((draws, problem.layout.free))
    value = np.empty(draws)
    status = np.empty(draws, np.int64)
    chunk = SMALL_BATCH if draws <= SMALL_BATCH else _DRAWS_PER_CHUNK
    for first in range(0, draws, chunk):
        rows = slice(first, min(first + chunk, draws))
        start = np.repeat(best[None], rows.stop - rows.start, axis=0)
        found = _refit(problem, optimizer, start, weights[rows])
        free[rows], value[rows], status[rows] = found
        if progress is not None:
            progress(rows.stop, draws, "bootstrap draws")
    for _ in range(2):
        rival, height = _best_rival(problem, free, value, weights, seed)
        again = np.flatnonzero((height < value * (1 - 1e-9)) | ((status != CONVERGED) & (status != STUCK)))
        if not len(again):
            break
        found, reached, ended = _refit(problem, optimizer, rival[again], weights[again])
        better = reached < value[again]
        free[again[better]], value[again[better]], status[again[better]] = found[better], reached[better], ended[better]
    free[(status != CONVERGED) & (status != STUCK)] = np.nan
    return free


def _refit(problem, optimizer, start, weights):
    solution = solve(problem.task, optimizer, start, problem.batch(len(start), weights=weights), damping=NEAR)
    return solution.free, solution.value, solution.status


def _best_rival(problem: Problem, free: np.ndarray, value: np.ndarray, weights: np.ndarray, seed: int):
    """For every draw, the lowest of its objective over some other draws' optima, and where."""
    at = np.random.default_rng(seed).permutation(len(free))[:_RIVALS]
    at = at[np.isfinite(free[at]).all(axis=1)]
    if not len(at):
        return free, np.full(len(free), np.inf)
    contributions = _contributions(problem, free[at])  # (rivals, rows), at weight one
    heights = np.nan_to_num(weights @ contributions.T, nan=np.inf)
    pick = heights.argmin(axis=1)
    return free[at][pick], heights[np.arange(len(free)), pick]


def _contributions(problem: Problem, free: np.ndarray) -> np.ndarray:
    """Each run's share of the objective, weights left out, at some free values: (len(free), rows)."""
    own = problem.points.weights
    out = []
    for x in free:
        at = linearize(problem, x)
        size = np.clip(np.abs(at.residuals), 0, at.delta)
        factor = np.where(at.residuals > 0, problem.objective.overestimate, 1.0)
        out.append(problem.padded(factor * size * (np.abs(at.residuals) - 0.5 * size)))
    return np.array(out) * (own > 0)


def bias_corrected(draws: np.ndarray, estimate: float, level: float) -> tuple[float, float]:
    """Bias-corrected percentile interval of draws (n,) around an estimate (Efron 1981)."""
    below = np.mean(draws < estimate) + 0.5 * np.mean(draws == estimate)
    shift = ndtri(np.clip(below, 1 / (len(draws) + 1), len(draws) / (len(draws) + 1)))
    tails = ndtr(2 * shift + ndtri([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, tails)
    return float(low), float(high)


def choose_method(
    method: Method, at: Linearization, identification: Identification, clusters: tuple[str, ...] | None
) -> tuple[str, str]:
    """The method to use and the reason, as the simulation study of the Chinchilla law recommends by size and
    conditioning."""
    used = int(at.used.sum())
    if method == "none":
        return "none", "not asked for"
    if method != "auto":
        return method, "asked for"
    if at.freedom < FEWEST_DEGREES_OF_FREEDOM:
        return (
            "none",
            f"{used} runs leave {at.freedom} degrees of freedom for {at.jacobian.shape[1]} parameters; "
            "no interval covers",
        )
    if not identification.condition_number < HOPELESS_CONDITION:
        return (
            "none",
            f"condition number {identification.condition_number:.1e}: the runs do not determine the parameters",
        )
    if clusters is not None:
        groups = len(set(clusters))
        if groups < FEWEST_CLUSTERS:
            return "none", f"only {groups} independent runs behind {used} rows; no interval covers"
        return "bootstrap", f"{groups} independent runs, resampled whole (percentile)"
    if used >= FEWEST_RUNS_FOR_PAIRS:
        return "bootstrap", f"{used} independent runs, resampled (bias-corrected percentile)"
    return "quick", f"{used} runs are too few to resample; sandwich with Powell's kernel and Student's t"


def make_intervals(
    problem: Problem,
    optimizer: optax.GradientTransformationExtraArgs,
    best: np.ndarray,
    at: Linearization,
    identification: Identification,
    *,
    method: Method,
    level: float,
    draws: int,
    seed: int,
    clusters: tuple[str, ...] | None,
    progress: Progress | None = None,
) -> tuple[Intervals, Covariance | None]:
    """Intervals of all parameters by the method asked for or chosen, and the covariance of the free values behind
    them."""
    chosen, why = choose_method(method, at, identification, clusters)
    if chosen == "none":
        return Intervals(level, "none", why), None
    quick = powell_covariance(at)
    if chosen == "quick":
        if quick is None:
            return Intervals(
                level, "none", "the sandwich matrix is singular: the runs do not determine the parameters"
            ), None
        errors = np.sqrt(np.diag(quick.matrix))
        half = stdtrit(max(at.freedom, 1), (1 + level) / 2) * errors
        ends = {n: (best[k] - half[k], best[k] + half[k]) for k, n in enumerate(quick.names) if not at.held[k]}
        return _natural_intervals(problem, level, "powell_sandwich", why, ends, errors, None), quick

    drawn = bootstrap_draws(problem, optimizer, best, draws=draws, seed=seed, clusters=clusters, progress=progress)
    good = np.isfinite(drawn).all(axis=1)
    if good.sum() < max(20, 0.9 * draws):
        return Intervals(level, "none", f"only {good.sum()} of {draws} resampled fits converged"), None
    kept = drawn[good]
    if lost := int(draws - good.sum()):
        why += f"; {lost} of {draws} resampled fits did not converge and are left out"
    covariance = Covariance(at.names, np.cov(kept, rowvar=False).reshape(len(at.names), -1), "bootstrap")
    tails = ((1 - level) / 2, (1 + level) / 2)
    ends = {}
    percentile = clusters is not None
    for k, name in enumerate(at.names):
        if at.held[k]:
            continue
        ends[name] = tuple(np.quantile(kept[:, k], tails)) if percentile else bias_corrected(kept[:, k], best[k], level)
    label = "cluster_pairs_percentile" if clusters is not None else "pairs_bias_corrected"
    return _natural_intervals(problem, level, label, why, ends, kept.std(axis=0, ddof=1), len(kept)), covariance


def _natural_intervals(problem, level, method, why, ends, errors, draws) -> Intervals:
    """Intervals by parameter, tied ones alike, from intervals (and standard errors) by free value."""
    params, standard_errors = {}, {}
    for parameter, slot in zip(problem.law.parameters, problem.layout.slots, strict=True):
        if slot < 0:
            continue
        name = problem.free_names[slot]
        natural = tuple(parameter.to_natural(x) for x in ends.get(name, ()))
        if natural and np.all(np.isfinite(natural)):
            params[parameter.name] = natural
            standard_errors[parameter.name] = float(errors[slot])
    return Intervals(level, method, why, params, standard_errors, draws)
