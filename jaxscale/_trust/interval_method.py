"""Which method of intervals a table deserves, and why."""

from functools import lru_cache
from typing import Literal

import numpy as np

from jaxscale._base.text import plural
from jaxscale._base.triangle import lower_triangle, places_in_triangle
from jaxscale._trust.identification import HOPELESS_CONDITION, WARN_CONDITION, WEAK_RELATIVE_ERROR, Identification
from jaxscale._trust.linearization import Linearization

Method = Literal["auto", "quick", "bootstrap", "profile", "none"]
# Below, a resample keeps too few distinct runs (measured: 12 % singular at 9 runs, none at 20).
FEWEST_RUNS_FOR_PAIRS = 20
# A draw of as many runs as there are holds 63 % of them, and its fit then spreads too widely where runs are few. On the
# designs that this was set on, 20 to 30 runs, 90 to 94 % of intervals held the truth, with two more a draw 88 to 93 %;
# where runs are many it changes little. Fits of fewer parameters spread less: of four (20 runs) 87 % hold with two
# more, 88.5 with one, 89.5 with none.
MORE_PAIRS = 2
_FEWEST_FREE_FOR_MORE = 5
FEWEST_DEGREES_OF_FREEDOM = 4
_MOST_SINGULAR = 0.02  # share of draws that hardly determine the parameters, beyond which runs are not resampled
FEWEST_CLUSTERS = 8
_KEPT_RUNS = 512  # of tables whose resampled ones are kept for the next table of as many runs


def more_pairs(free: int) -> int:
    """How many runs beyond those there are a draw has, by the number of free parameters."""
    return MORE_PAIRS if free >= _FEWEST_FREE_FOR_MORE else 0


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
    drawn_runs = count + more_pairs(len(at.held))
    times = (_times_drawn if count <= _KEPT_RUNS else _times_drawn.__wrapped__)(count, drawn_runs)
    first, second = lower_triangle(p)
    products = (count / drawn_runs * rows[:, first] * rows[:, second]).T @ times.T.astype(float)
    drawn, believed = products[places_in_triangle(p)], priors.T @ priors  # (p, p, draws)
    drawn += believed[..., None]
    most = 10 * float(_conditions(rows.T @ rows + believed))
    norms = np.sqrt(np.maximum(np.diagonal(drawn).T, 1e-300))
    # No eigenvalue is above p, the trace: where none is below p over the limit, as elimination tells of all at once,
    # the condition number is within it, and few are left whose eigenvalues are worked out.
    least = np.maximum(p / most, 1e-12) * np.eye(p)
    unsure = np.moveaxis(drawn[..., ~_positive(drawn / (norms[:, None] * norms) - least[..., None])], -1, 0)
    return float(np.sum(_conditions(unsure) > most) / len(times))


def _positive(matrices: np.ndarray) -> np.ndarray:
    """Which of matrices (p, p, n) are positive definite, (n,); they are overwritten."""
    found = np.ones(matrices.shape[-1], bool)
    with np.errstate(all="ignore"):  # elimination goes on in those that are not
        for k in range(len(matrices)):
            found &= matrices[k, k] > 0
            below = matrices[k + 1 :, k]
            matrices[k + 1 :, k + 1 :] -= below[:, None] * (below / matrices[k, k])
    return found


@lru_cache(maxsize=256)
def _times_drawn(count: int, drawn: int) -> np.ndarray:
    """How often each run counts in 400 resampled tables, (400, count): kept, since it takes longer than all else."""
    times = np.random.default_rng(0).multinomial(drawn, np.full(count, 1 / count), size=400)
    return times.astype(np.uint8 if times.max() < 256 else np.int16)


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
    near_bounds: tuple[str, ...] = (),
) -> tuple[str, str]:
    """The method to use and the reason, as the simulation study of the Chinchilla law recommends by size and
    conditioning. `largest_relative_error`: of the parameters fitted as they are (exponents), one standard error.
    `near_bounds`: parameters that a bound holds, or may hold in a resampled fit."""
    used = int(at.used.sum())
    if method == "none":
        return "none", "not asked for"
    if method != "auto":
        return method, "asked for"
    if at.freedom < FEWEST_DEGREES_OF_FREEDOM:
        count = at.jacobian.shape[1]
        if at.freedom < 0:
            return "none", f"{plural(used, 'run')} cannot determine {count} parameters"
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
    if (below := at.scatter.runs_below) < at.jacobian.shape[1]:
        few = f"{below:.1f} of {used} runs lie below the law, too few for {at.jacobian.shape[1]} parameters"
        return "none", f"about {few}; no interval covers"
    condition = identification.condition_number
    if condition > WARN_CONDITION or largest_relative_error > WEAK_RELATIVE_ERROR:
        weak = (
            f"condition number {condition:.1e}"
            if condition > WARN_CONDITION
            else f"an exponent is known only to {100 * largest_relative_error:.0f} %"
        )
        return "profile", f"weakly identified ({weak}), so the rise of the objective is followed, not a normal curve"
    if near_bounds:
        cut = f"a bound of {' and '.join(near_bounds)} would cut resampled fits off"
        return "profile", f"{cut}, so the rise of the objective is followed"
    if used >= FEWEST_RUNS_FOR_PAIRS:
        if (share := singular_share(at)) > _MOST_SINGULAR:
            few = (
                f"{100 * share:.0f} % of resampled tables hardly determine the parameters, which a few runs tell apart"
            )
            return "profile", f"{few}; scaled likelihood ratio, {at.freedom} degrees of freedom"
        if not at.far_below_noise:
            return "quick", f"{used} independent runs and an objective that follows the size of their residuals"
        corrected = "bias-corrected " if at.corrected_draws else ""
        drawn = used + more_pairs(len(at.held))
        return "bootstrap", f"{used} independent runs, {drawn} drawn at a time ({corrected}percentile)"
    return "profile", f"{used} runs are too few to resample; scaled likelihood ratio, {at.freedom} degrees of freedom"
