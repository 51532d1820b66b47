"""Uncertainty of an optimum: a quick standard error, bootstrap draws refitted in one batch, or profiles."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import jax
import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from jaxscale._identification import Identification, Linearization
from jaxscale._objective import misfit, predictor
from jaxscale._problem import Problem
from jaxscale._profiling import entry, profile
from jaxscale._solve import NEAR, SMALL_BATCH, Task, compile_options
from jaxscale._stack import STARTS_AT_ONCE, Stack, solve_stack
from jaxscale.optim import CONVERGED, STUCK, damped_newton, levenberg_marquardt

Method = Literal["auto", "quick", "bootstrap", "profile", "none"]
Progress = Callable[[int, int, str], None]

FEWEST_RUNS_FOR_PAIRS = (
    20  # below, a resample keeps too few distinct runs (measured: 12 % singular at 9 runs, none at 20)
)
FEWEST_DEGREES_OF_FREEDOM = 4
FEWEST_CLUSTERS = 8
# Measured on simulated designs of the Chinchilla law: sound ones have condition numbers of 3.6e4 to 9.4e4 and relative
# errors of an exponent of .05 to .16; too narrow ones 1.5e6 and more.
WARN_CONDITION, HOPELESS_CONDITION = 3e5, 1e9
WEAK_RELATIVE_ERROR = 0.25
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
    fits behind them. An end that the runs do not bound is infinite.
    """

    level: float
    method: str
    why: str
    params: dict[str, tuple[float, float]] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    draws: int | None = None


def bread_weights(at: Linearization) -> np.ndarray:
    """What each run adds to the expected slope of psi, (n_runs,): Powell's (1991) kernel estimate."""
    if not np.isfinite(at.delta):
        return at.weights
    h = at.used.sum() ** (-1 / 3) * ndtri(0.975) ** (2 / 3) * (0.75 / np.pi) ** (1 / 3)
    band = max(at.delta, at.sigma * ndtri(min(0.5 + h, 0.999)))
    return at.weights * (np.abs(at.residuals) < band) * min(1.0, at.delta / band)


def powell_covariance(at: Linearization) -> Covariance | None:
    """Sandwich covariance of the free values with Powell's kernel estimate of the slope of psi (Powell 1991).

    The usual sandwich counts curvature only where |residual| <= delta, a handful of runs when delta is far below the
    noise, and covers 61 to 90 % of the time; here the band is Hall and Sheather's (1988), never narrower than delta.
    None where the runs do not determine all parameters.
    """
    used = at.used
    jacobian, psi = at.jacobian[used][:, ~at.held], at.psi[used]
    if at.freedom < 1 or not jacobian.size:
        return None
    bread = jacobian.T @ (jacobian * bread_weights(at)[used][:, None])
    scale = np.sqrt(np.diag(bread))
    if not np.all(scale > 0) or not np.linalg.cond(bread / np.outer(scale, scale)) < 1e12:
        return None
    inverse = np.linalg.inv(bread / np.outer(scale, scale)) / np.outer(scale, scale)
    scores = inverse @ (jacobian * psi[:, None]).T
    inner = scores @ scores.T  # symmetric and without negative variances, whatever rounding does to the inverse
    matrix = np.zeros((len(at.held), len(at.held)))
    matrix[np.ix_(~at.held, ~at.held)] = inner
    return Covariance(at.names, matrix, "powell_sandwich")


def resampling_weights(
    problem: Problem, draws: int, rng: np.random.Generator, clusters: tuple[str, ...] | None
) -> np.ndarray:
    """How often each run counts in each draw, times its own weight, shape (draws, rows). Whole clusters move
    together."""
    own = problem.points.weights[: problem.count]
    labels, index = np.unique(np.arange(problem.count) if clusters is None else np.array(clusters), return_inverse=True)
    picked = rng.integers(len(labels), size=(draws, len(labels))) + len(labels) * np.arange(draws)[:, None]
    times = np.bincount(picked.ravel(), minlength=draws * len(labels)).reshape(draws, len(labels))
    return problem.padded(times[:, index] * own)


def bootstrap_draws(
    stack: Stack,
    best: np.ndarray,
    *,
    draws: int,
    seed: int,
    clusters: Sequence[tuple[str, ...] | None],
    progress: Progress | None = None,
    devices: Sequence[Any] | None = None,
) -> np.ndarray:
    """Free values (tables, draws, free) refitted to resampled runs, from the optimum of all runs, (tables, free).

    A draw that stops short, or above an optimum that another draw found, is restarted there; one that still does not
    converge is nan. Every table is resampled by the same seed, as it would be alone.
    """
    found = np.empty((len(stack), draws, best.shape[1]))
    rngs = [np.random.default_rng(seed) for _ in stack.problems]
    rivals: list[np.ndarray | None] = [None] * len(stack)
    # Pieces of one table's draws, several tables together where they have few: this bounds memory.
    pieces = [
        (k, first, min(draws - first, STARTS_AT_ONCE))
        for k in range(len(stack))
        for first in range(0, draws, STARTS_AT_ONCE)
    ]
    done = 0
    for batch in _batches(pieces):
        table = np.repeat([k for k, _, _ in batch], [count for _, _, count in batch])
        weights = [resampling_weights(stack.problems[k], count, rngs[k], clusters[k]) for k, _, count in batch]
        rows = stack.stages[-1].points.response.shape[-1]
        weights = np.concatenate([np.pad(w, ((0, 0), (0, rows - w.shape[1]))) for w in weights])
        fits = _refit(stack, table, best[table], weights, rivals, devices)
        for k, first, count in batch:
            found[k, first : first + count] = fits[table == k]
            done += count
        if progress is not None:
            progress(done, draws * len(stack), "bootstrap draws")
    return found


def _batches(pieces: Sequence[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Pieces put together up to `STARTS_AT_ONCE` draws."""
    batch: list[tuple[int, int, int]] = []
    for piece in pieces:
        if batch and sum(count for _, _, count in batch) + piece[2] > STARTS_AT_ONCE:
            yield batch
            batch = []
        batch.append(piece)
    yield batch


def _refit(
    stack: Stack,
    table: np.ndarray,
    start: np.ndarray,
    weights: np.ndarray,
    rivals: list[np.ndarray | None],
    devices: Sequence[Any] | None,
) -> np.ndarray:
    """Free values (n, free) of each draw's own optimum, nan where there is none; notes rivals of tables met first.

    Beside an optimum Gauss-Newton steps are as good as Newton's and cost half; the few draws that end badly are
    taken up by Newton's. A batch so small that its program takes longer to make than to run shares that of the fit.
    """
    first = damped_newton() if len(table) <= SMALL_BATCH else levenberg_marquardt()
    near: dict[str, Any] = {"damping": NEAR, "devices": devices}
    free, value, status, _ = solve_stack(stack, first, table, start, weights=weights, **near)
    free, value, status = free.copy(), value.copy(), status.copy()
    for _ in range(2):
        rival, height = np.empty_like(free), np.full(len(free), np.inf)
        for k in np.unique(table):
            mine = table == k
            rivals[k] = free[mine][:_RIVALS] if rivals[k] is None else rivals[k]
            rival[mine], height[mine] = _best_rival(stack, k, rivals[k], free[mine], weights[mine])
        again = np.flatnonzero((height < value * (1 - 1e-9)) | ((status != CONVERGED) & (status != STUCK)))
        if not len(again):
            break
        fresh = solve_stack(stack, damped_newton(), table[again], rival[again], weights=weights[again], **near)
        better = fresh.value < value[again]
        kept = again[better]
        free[kept], value[kept], status[kept] = fresh.free[better], fresh.value[better], fresh.status[better]
    free[(status != CONVERGED) & (status != STUCK)] = np.nan
    return free


def _best_rival(stack: Stack, k: int, rivals: np.ndarray, free: np.ndarray, weights: np.ndarray):
    """For every draw of table k, the lowest of its objective over some other draws' optima, and where."""
    rivals = rivals[np.isfinite(rivals).all(axis=1)]
    if not len(rivals):
        return free, np.full(len(free), np.inf)
    padded = rivals[np.minimum(np.arange(_RIVALS), len(rivals) - 1)]
    tables = stack.stages[-1]
    one = jax.tree.map(lambda x: x[k], tables) if stack.many else tables
    contributions = np.asarray(_contributions(stack.first.task)(padded, one))  # (rivals, rows), at weight one
    heights = np.nan_to_num(weights @ contributions.T, nan=np.inf)
    pick = heights.argmin(axis=1)
    return padded[pick], heights[np.arange(len(free)), pick]


@cache
def _contributions(task: Task):
    """`run(free (n, free), table) -> (n, rows)`: each run's share of the objective, at weight one."""
    predict = predictor(task.law, task.space)

    def run(free, table):
        theta = task.layout.full(free, table.pinned)
        residual = jax.vmap(lambda logs: predict(theta, logs))(table.points.logs) - table.points.response
        return misfit(residual, 1.0 * (table.points.weights > 0), table.loss)[0]

    return jax.jit(jax.vmap(run, (0, None)), compiler_options=compile_options())


def bias_corrected(draws: np.ndarray, estimate: float, level: float) -> tuple[float, float]:
    """Bias-corrected percentile interval of draws (n,) around an estimate (Efron 1981)."""
    below = np.mean(draws < estimate) + 0.5 * np.mean(draws == estimate)
    shift = ndtri(np.clip(below, 1 / (len(draws) + 1), len(draws) / (len(draws) + 1)))
    tails = ndtr(2 * shift + ndtri([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, tails)
    return float(low), float(high)


def choose_method(
    method: Method,
    at: Linearization,
    identification: Identification,
    clusters: tuple[str, ...] | None,
    largest_relative_error: float = 0.0,
) -> tuple[str, str]:
    """The method to use and the reason, as the simulation study of the Chinchilla law recommends by size and
    conditioning. `largest_relative_error`: of the parameters fitted as they are (exponents), one standard error."""
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
    condition = identification.condition_number
    if condition > WARN_CONDITION or largest_relative_error > WEAK_RELATIVE_ERROR:
        weak = (
            f"condition number {condition:.1e}"
            if condition > WARN_CONDITION
            else f"an exponent is known only to {100 * largest_relative_error:.0f} %"
        )
        return "profile", f"weakly identified ({weak}), so the rise of the objective is followed, not a normal curve"
    if used >= FEWEST_RUNS_FOR_PAIRS:
        return "bootstrap", f"{used} independent runs, resampled (bias-corrected percentile)"
    return "profile", f"{used} runs are too few to resample; scaled likelihood ratio, {at.freedom} degrees of freedom"


def make_intervals(
    problem: Problem,
    best: np.ndarray,
    at: Linearization,
    *,
    method: str,
    why: str,
    level: float,
    drawn: np.ndarray | None = None,
    clustered: bool = False,
    quick: Covariance | None = None,
    freedom: int | None = None,
    progress: Progress | None = None,
) -> tuple[Intervals, Covariance | None]:
    """Intervals of all parameters by a chosen method, and the covariance of the free values behind them.

    Args:
        problem: the problem, and `best`, `at`: its optimum (free,) and the linearization there.
        method, why: as `choose_method` gives them.
        level: of the intervals.
        drawn: free values (draws, free) of resampled fits, for "bootstrap".
        clustered: whether rows belong to independent runs, which "bootstrap" drew whole.
        quick, freedom: covariance and degrees of freedom of a joint fit of several groups, which do not follow from
            `at`. Its draws are not corrected for bias: pooling pulls on purpose (measured: 89 % hold the truth, 84 %
            with the correction).
        progress: of "profile", which refits; call under float64.
    """
    if method == "none":
        return Intervals(level, "none", why), None
    quick = powell_covariance(at) if freedom is None else quick
    if method == "profile":
        return _profile_intervals(problem, best, at, quick, level, why, clustered, progress), quick
    if method == "quick":
        if quick is None:
            return Intervals(
                level, "none", "the sandwich matrix is singular: the runs do not determine the parameters"
            ), None
        errors = np.sqrt(np.diag(quick.matrix))
        half = stdtrit(max(at.freedom if freedom is None else freedom, 1), (1 + level) / 2) * errors
        ends = {n: (best[k] - half[k], best[k] + half[k]) for k, n in enumerate(quick.names) if not at.held[k]}
        return _natural_intervals(problem, level, "powell_sandwich", why, ends, errors, None), quick

    assert drawn is not None
    draws, good = len(drawn), np.isfinite(drawn).all(axis=1)
    if good.sum() < max(20, 0.9 * draws):
        return Intervals(level, "none", f"only {good.sum()} of {draws} resampled fits converged"), None
    kept = drawn[good]
    if lost := int(draws - good.sum()):
        why += f"; {lost} of {draws} resampled fits did not converge and are left out"
    covariance = Covariance(at.names, np.cov(kept, rowvar=False).reshape(len(at.names), -1), "bootstrap")
    tails = ((1 - level) / 2, (1 + level) / 2)
    ends = {}
    for k, name in enumerate(at.names):
        if at.held[k]:
            continue
        plain = clustered or freedom is not None
        ends[name] = tuple(np.quantile(kept[:, k], tails)) if plain else bias_corrected(kept[:, k], best[k], level)
    label = "cluster_pairs_percentile" if clustered else "pairs_bias_corrected"
    label = label if freedom is None else "joint_pairs_percentile"
    return _natural_intervals(problem, level, label, why, ends, kept.std(axis=0, ddof=1), len(kept)), covariance


def largest_relative_error(problem: Problem, best: np.ndarray, at: Linearization) -> float:
    """Of the parameters fitted as they are (exponents): quick standard error over value."""
    covariance = powell_covariance(at)
    if covariance is None:
        return 0.0
    errors = np.sqrt(np.diag(covariance.matrix))
    raw = {s for p, s in zip(problem.law.parameters, problem.layout.slots, strict=True) if p.transform == "identity"}
    return max((float(errors[s] / abs(best[s])) for s in raw if s >= 0 and best[s] != 0), default=0.0)


def _profile_intervals(problem, best, at, quick, level, why, clustered, progress) -> Intervals:
    """Where the objective, refitted with a parameter held, has risen too far on either side."""
    if at.freedom < 1:
        return Intervals(level, "none", f"{at.freedom} degrees of freedom; no interval covers")
    free = np.flatnonzero(~at.held)
    curves = profile(problem, best, at, entry, np.eye(len(best))[free], level, progress)
    ends = {at.names[k]: (c.low, c.high) for k, c in zip(free, curves, strict=True)}
    open_ends = [f"{n} below" for n, (low, _) in ends.items() if np.isinf(low)]
    open_ends += [f"{n} above" for n, (_, high) in ends.items() if np.isinf(high)]
    if open_ends:
        why += f"; these runs do not bound {', '.join(open_ends)}"
    if any(c.lowest < c.start * (1 - 1e-9) for c in curves):
        why += "; a lower objective was met on the way, so this optimum is not the lowest: try starts='paper'"
    if clustered:
        why += "; rows of one independent run are counted as if they were independent"
    errors = np.full(len(best), np.nan) if quick is None else np.sqrt(np.diag(quick.matrix))
    return _natural_intervals(problem, level, "profile", why, ends, errors, None)


def _natural_intervals(problem, level, method, why, ends, errors, draws) -> Intervals:
    """Intervals by parameter, tied ones alike, from intervals (and standard errors) by free value."""
    params, standard_errors = {}, {}
    for parameter, slot in zip(problem.law.parameters, problem.layout.slots, strict=True):
        if slot < 0:
            continue
        name = problem.free_names[slot]
        natural = tuple(float(x) if np.isinf(x) else parameter.to_natural(x) for x in ends.get(name, ()))
        if natural and (method == "profile" or np.all(np.isfinite(natural))):
            params[parameter.name] = natural
            standard_errors[parameter.name] = float(errors[slot])
    return Intervals(level, method, why, params, standard_errors, draws)
