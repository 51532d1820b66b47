"""Uncertainty of an optimum: a quick standard error, and intervals from it, from resampled fits or from profiles."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtr, ndtri, stdtrit

from jaxscale._base.validation import Progress
from jaxscale._problem.problem import Problem
from jaxscale._trust.identification import Identification, Linearization
from jaxscale._trust.profile_curves import entry, profile

Method = Literal["auto", "quick", "bootstrap", "profile", "none"]
FEWEST_RUNS_FOR_PAIRS = (
    20  # below, a resample keeps too few distinct runs (measured: 12 % singular at 9 runs, none at 20)
)
# A draw of as many runs as there are holds 63 % of them, and its fit then spreads too widely where runs are few. On the
# designs that this was set on, 20 to 30 runs, 90 to 94 % of intervals held the truth, with two more a draw 88 to 93 %;
# where runs are many it changes little.
MORE_PAIRS = 2
FEWEST_DEGREES_OF_FREEDOM = 4
LEAST_ROOM = 1e-3  # of 1 - leverage, where residuals are divided by it
_MOST_SINGULAR = 0.02  # share of draws that hardly determine the parameters, beyond which runs are not resampled
_CENTRAL = 0.9  # share of the draws that a covariance is of
_CONCENTRATIONS = 6
FEWEST_CLUSTERS = 8
# Measured on simulated designs of the Chinchilla law: sound ones have condition numbers of 3.6e4 to 9.4e4 and relative
# errors of an exponent of .05 to .16; too narrow ones 1.5e6 and more.
WARN_CONDITION, HOPELESS_CONDITION = 3e5, 1e9
WEAK_RELATIVE_ERROR = 0.25


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of the free values of theta: names, matrix (free, free), and the method it came from: "bootstrap" of
    all draws, "central_bootstrap" as `central_covariance` has it, "powell_sandwich" or "leverage_sandwich", and
    "profile" where one of those two was scaled to profiles."""

    names: tuple[str, ...]
    matrix: np.ndarray
    method: str


@dataclass(frozen=True)
class Intervals:
    """Intervals of the parameters in natural units, and how they were made.

    `why` says why this method, or why there are none. `standard_errors` are of the natural value for parameters
    fitted as they are, and of the logarithm (a relative error) for those fitted in logs; of resampled fits they are the
    spread of all draws, of which there were `draws`, while a plan goes by the central ones (`central_covariance`). An
    end that the runs do not bound is infinite.
    """

    level: float
    method: str
    why: str
    params: dict[str, tuple[float, float]] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    draws: int | None = None


def bread_weights(at: Linearization) -> np.ndarray:
    """What each run adds to the expected slope of psi, (n_runs,), see `Linearization.slopes`."""
    shares, factor = at.slopes(at.sigma)
    slopes = np.zeros(len(at.weights))
    slopes[at.used] = at.weights[at.used] * shares * factor
    return slopes


def powell_covariance(at: Linearization) -> Covariance | None:
    """Sandwich covariance of the free values with Powell's kernel estimate of the slope of psi (Powell 1991).

    The usual sandwich counts curvature only where |residual| <= delta, and covers 61 to 90 % of the time when delta is
    far below the noise; see `Linearization.slopes`. A prior counts as one more observation, whose centre would be off
    by its width. None where the runs do not determine all parameters.

    Where psi is not far below the noise it shrinks with the residuals, which a fit draws towards it: its square is then
    divided by 1 - leverage (HC2: MacKinnon & White 1985, J. Econometrics 29). Measured for objectives matched to the
    noise and squares, 20 to 72 runs: 88 to 92 % instead of 81 to 90; by (1 - leverage)^2 (HC3) it would be 90 to 95.
    Sizes of 1e-3 where residuals are 6e-3 do not shrink: 90 to 93 % without, 92 to 96 with.
    """
    used = at.used
    jacobian, psi = at.jacobian[used][:, ~at.held], at.psi[used]
    if at.freedom < 1 or not jacobian.size:
        return None
    precision = at.precision[~at.held]
    bread = jacobian.T @ (jacobian * bread_weights(at)[used][:, None]) + np.diag(precision)
    scale = np.sqrt(np.maximum(np.diag(bread), 0.0))
    if not np.all(scale > 0) or not np.linalg.cond(bread / np.outer(scale, scale)) < 1e12:
        return None
    inverse = np.linalg.inv(bread / np.outer(scale, scale)) / np.outer(scale, scale)
    if not at.far_below_noise:
        psi = psi / np.sqrt(np.maximum(1 - at.leverage[used], LEAST_ROOM))
    scores = inverse @ (jacobian * psi[:, None]).T
    inner = scores @ scores.T  # symmetric and without negative variances, whatever rounding does to the inverse
    if at.noise is not None and precision.any():
        of_priors = inverse * np.sqrt(at.noise.dispersion * precision)
        inner = inner + of_priors @ of_priors.T
    matrix = np.zeros((len(at.held), len(at.held)))
    matrix[np.ix_(~at.held, ~at.held)] = inner
    return Covariance(at.names, matrix, "powell_sandwich" if at.far_below_noise else "leverage_sandwich")


def bias_corrected(draws: np.ndarray, estimate: float, level: float) -> tuple[float, float]:
    """Bias-corrected percentile interval of draws (n,) around an estimate (Efron 1981)."""
    below = np.mean(draws < estimate) + 0.5 * np.mean(draws == estimate)
    shift = ndtri(np.clip(below, 1 / (len(draws) + 1), len(draws) / (len(draws) + 1)))
    tails = ndtr(2 * shift + ndtri([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, tails)
    return float(low), float(high)


def covariance_of(names: tuple[str, ...], draws: np.ndarray, corrected: bool) -> Covariance:
    """Covariance behind intervals that are percentiles of draws (n, free), `corrected` for bias or plain."""
    if corrected:
        return Covariance(names, central_covariance(draws), "central_bootstrap")
    return Covariance(names, np.cov(draws, rowvar=False).reshape(len(names), -1), "bootstrap")


def percentiles(draws: np.ndarray, estimate: float, level: float, corrected: bool) -> tuple[float, float]:
    """Percentile interval of draws (n,), corrected for bias or plain."""
    if corrected:
        return bias_corrected(draws, estimate, level)
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def central_covariance(draws: np.ndarray) -> np.ndarray:
    """Covariance (free, free) of the central 90 % of draws (n, free) by Mahalanobis distance, times what makes it that
    of all draws where they are normal: concentration steps as in Rousseeuw & Van Driessen (1999, Technometrics 41).

    Where runs are few and the objective is nearly least absolute deviations, some draws lie very far out. With 20 to 30
    runs a plan's interval from the covariance of all draws holds the truth 95 to 98 % of the time, from this one 90 to
    96 on the designs it was set on, 90 to 94 on others (`studies.coverage`).
    """
    units = draws.std(axis=0)
    moves = units > 0  # others are held, by a bound
    matrix = np.zeros((len(units), len(units)))
    if not moves.any():
        return matrix
    scaled = (draws[:, moves] - np.median(draws[:, moves], axis=0)) / units[moves]
    kept, centre, whitening = scaled, np.zeros(moves.sum()), _whitening(scaled)
    for _ in range(_CONCENTRATIONS):
        distance = np.linalg.norm((scaled - centre) @ whitening, axis=1)
        central = scaled[distance <= np.quantile(distance, _CENTRAL)]
        narrower = _whitening(central - central.mean(axis=0))
        if narrower.shape[1] < whitening.shape[1]:  # a bound holds most of the draws
            break
        kept, centre, whitening = central, central.mean(axis=0), narrower
    rank, share = whitening.shape[1], len(kept) / len(scaled)
    shrinkage = gammainc(rank / 2 + 1, gammaincinv(rank / 2, share)) / share
    matrix[np.ix_(moves, moves)] = np.cov(kept, rowvar=False) * np.outer(units[moves], units[moves]) / shrinkage
    return matrix


def _whitening(rows: np.ndarray) -> np.ndarray:
    """What rows (n, free) are multiplied by to spread alike in every direction that they spread in, (free, rank)."""
    _, singular, axes = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.sum(singular > 1e-10 * singular[0]))
    return axes[:rank].T / singular[:rank]


def singular_share(at: Linearization) -> float:
    """Share of resampled tables, of 400, whose condition number (of unit columns, as in `Identification`) is more than
    ten times that of all runs. Such draws spread without bound: with 9 runs they are 10 to 25 %, with 12 2 to 4 %, with
    20 well spread ones none."""
    used, room = at.used, ~at.held
    if not room.any():
        return 0.0
    rows = at.jacobian[used][:, room] * np.sqrt(at.weights[used])[:, None]
    priors = at.rows_of_priors[room][:, room]
    lengths = np.sqrt((rows**2).sum(axis=0) + (priors**2).sum(axis=0))
    rows, priors = (x / np.where(lengths > 0, lengths, 1.0) for x in (rows, priors))
    count, p = rows.shape
    times = np.random.default_rng(0).multinomial(count + MORE_PAIRS, np.full(count, 1 / count), size=400)
    products = (rows[:, :, None] * rows[:, None, :]).reshape(count, p * p)
    drawn = _conditions((times * (count / (count + MORE_PAIRS)) @ products).reshape(-1, p, p) + priors.T @ priors)
    return float(np.mean(drawn > 10 * _conditions(rows.T @ rows + priors.T @ priors)))


def _conditions(products: np.ndarray) -> np.ndarray:
    """Condition numbers of J'J (..., p, p) once the columns of J have unit length."""
    norms = np.sqrt(np.maximum(np.diagonal(products, axis1=-2, axis2=-1), 1e-300))
    values = np.linalg.eigvalsh(products / (norms[..., :, None] * norms[..., None, :]))
    return values[..., -1] / np.maximum(values[..., 0], 1e-300)


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
        count = at.jacobian.shape[1]
        if at.freedom < 0:
            return "none", f"{used} runs cannot determine {count} parameters"
        return "none", f"{used} runs leave {at.freedom} degrees of freedom for {count} parameters; no interval covers"
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
        if (share := singular_share(at)) > _MOST_SINGULAR:
            few = (
                f"{100 * share:.0f} % of resampled tables hardly determine the parameters, which a few runs tell apart"
            )
            return "profile", f"{few}; scaled likelihood ratio, {at.freedom} degrees of freedom"
        corrected = "bias-corrected " if at.far_below_noise else ""
        return "bootstrap", f"{used} independent runs, {used + MORE_PAIRS} drawn at a time ({corrected}percentile)"
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
        return _profile_intervals(problem, best, at, quick, level, why, clustered, progress)
    if method == "quick":
        if quick is None:
            return Intervals(
                level, "none", "the sandwich matrix is singular: the runs do not determine the parameters"
            ), None
        errors = np.sqrt(np.diag(quick.matrix))
        half = stdtrit(max(at.freedom if freedom is None else freedom, 1), (1 + level) / 2) * errors
        ends = {n: (best[k] - half[k], best[k] + half[k]) for k, n in enumerate(quick.names) if not at.held[k]}
        return _natural_intervals(problem, level, quick.method, why, ends, errors, None), quick

    assert drawn is not None
    draws, good = len(drawn), np.isfinite(drawn).all(axis=1)
    if good.sum() < max(20, 0.9 * draws):
        return Intervals(level, "none", f"only {good.sum()} of {draws} resampled fits converged"), None
    kept = drawn[good]
    if lost := int(draws - good.sum()):
        why += f"; {lost} of {draws} resampled fits did not converge and are left out"
    # Where Huber's delta is far below the noise, percentiles are too wide; elsewhere corrected ones are too narrow.
    corrected = not clustered and freedom is None and at.far_below_noise
    covariance = covariance_of(at.names, kept, corrected)
    ends = {
        name: percentiles(kept[:, k], best[k], level, corrected) for k, name in enumerate(at.names) if not at.held[k]
    }
    label = "pairs_bias_corrected" if corrected else "cluster_pairs_percentile" if clustered else "pairs_percentile"
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


def _profile_intervals(
    problem, best, at, quick, level, why, clustered, progress
) -> tuple[Intervals, Covariance | None]:
    """Where the objective, refitted with a parameter held, has risen too far on either side."""
    if at.freedom < 1:
        return Intervals(level, "none", f"{at.freedom} degrees of freedom; no interval covers"), quick
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
    lengths = np.array([c.high - c.low for c in curves])
    covariance = _as_long(quick, free, lengths, level) if at.used.sum() >= FEWEST_RUNS_FOR_PAIRS else quick
    return _natural_intervals(problem, level, "profile", why, ends, errors, None), covariance


def _as_long(quick: Covariance | None, free: np.ndarray, lengths: np.ndarray, level: float) -> Covariance | None:
    """The quick covariance, scaled so that intervals from it are as long as those of the profiles of the values `free`,
    in the geometric mean of those that are closed.

    Where a few of many runs tell parameters apart, a plan's interval from the quick one holds the truth 81 to 86 % of
    the time, from this one 86 to 92 (30 runs, 3 of them off a ray). With fewer than 20 runs the quick one does: 89 to
    94 %.
    """
    if quick is None:
        return None
    ratio = lengths / (2 * ndtri((1 + level) / 2) * np.sqrt(np.diag(quick.matrix)[free]))
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if not len(ratio):
        return quick
    return Covariance(quick.names, quick.matrix * np.exp(2 * np.mean(np.log(ratio))), "profile")


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
