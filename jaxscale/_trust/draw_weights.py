"""What each draw of a bootstrap is fitted to: runs drawn again, weights of the runs, or residuals with random signs."""

from typing import Any, Literal, NamedTuple

import numpy as np

from jaxscale._problem.arrays import Overrides
from jaxscale._problem.problem import Problem
from jaxscale._trust.covariance import LEAST_ROOM
from jaxscale._trust.interval_method import more_pairs
from jaxscale._trust.linearization import Linearization

Kind = Literal["pairs", "bayesian", "wild"]
_AT_ONCE = 128  # draws whose runs are drawn and counted together


def _units(problem: Problem, clusters: tuple[str, ...] | None) -> tuple[int, np.ndarray]:
    """How many independent runs there are, and which of them each row belongs to."""
    if clusters is None:
        return problem.count, np.arange(problem.count)
    labels, index = np.unique(np.array(clusters), return_inverse=True)
    return len(labels), index


class Drawn(NamedTuple):
    """What the draws of one table are fitted to, in few bytes.

    times: how often each run counts in each draw, (draws, runs), whole numbers of a byte or two where runs are drawn.
    once: the weight that this is times, (runs,). response, centre: as `Overrides` has them, or None.
    """

    times: np.ndarray
    once: np.ndarray
    response: np.ndarray | None = None
    centre: np.ndarray | None = None

    def rows(self, which: Any) -> "Drawn":
        """That of some draws."""
        own = (None if x is None else x[which] for x in (self.response, self.centre))
        return Drawn(self.times[which], self.once, *own)

    def weights(self, dtype: Any = float, out: np.ndarray | None = None) -> np.ndarray:
        """Weights of the runs in each draw, (draws, runs)."""
        return np.multiply(self.times, self.once.astype(dtype), out=out, dtype=dtype)

    def padded(self, rows: int) -> Overrides:
        """As a solver takes it, for tables of so many rows."""
        weights = np.zeros((len(self.times), rows))
        self.weights(out=weights[:, : len(self.once)])
        response = self.response
        if response is not None:
            response = response[:, np.minimum(np.arange(rows), len(self.once) - 1)]
        return Overrides(weights, response, self.centre)


def resampled_runs(
    problem: Problem,
    draws: int,
    rng: np.random.Generator,
    clusters: tuple[str, ...] | None,
    kind: Kind = "pairs",
    more: int = 0,
) -> Drawn:
    """How often each run counts in each draw, on average once, times its own weight: by drawing as many runs as there
    are and `more` for "pairs", by shares of a flat Dirichlet distribution for "bayesian". Whole clusters move
    together."""
    count, index = _units(problem, clusters)
    share = 1.0
    if kind == "bayesian":
        times = rng.standard_exponential((draws, count))
        times *= count / times.sum(axis=1, keepdims=True)
    else:
        share = count / (count + more)
        times = np.empty((draws, count), np.min_scalar_type(count + more))
        for first in range(0, draws, _AT_ONCE):  # what a cache holds
            some = times[first : first + _AT_ONCE]
            picked = rng.integers(count, size=(len(some), count + more))
            picked += count * np.arange(len(some))[:, None]
            some[:] = np.bincount(picked.ravel(), minlength=some.size).reshape(some.shape)
    return Drawn(times if clusters is None else times[:, index], share * problem.points.weights[: problem.count])


def resampling_weights(problem: Problem, *asked: Any, **options: Any) -> np.ndarray:
    """The weights of `resampled_runs`, (draws, rows)."""
    return resampled_runs(problem, *asked, **options).padded(len(problem.points.response)).weights


def wild_responses(
    problem: Problem,
    at: Linearization,
    draws: int,
    rng: np.random.Generator,
    clusters: tuple[str, ...] | None,
) -> np.ndarray:
    """Responses (draws, rows), in the space of the residual: the fit and each run's residual over 1 - leverage, with a
    random sign, one for a whole cluster."""
    count, index = _units(problem, clusters)
    signs = rng.choice([-1.0, 1.0], size=(draws, count))[:, index]
    shrunk = np.maximum(1 - np.nan_to_num(at.leverage), LEAST_ROOM)
    predicted = problem.points.response[: problem.count] + at.residuals
    rows = len(problem.points.response)
    made = predicted - signs * at.residuals / shrunk
    return made[:, np.minimum(np.arange(rows), problem.count - 1)]


def drawn_of(
    problem: Problem,
    draws: int,
    rng: np.random.Generator,
    clusters: tuple[str, ...] | None,
    kind: Kind = "pairs",
    at: Linearization | None = None,
    more: int | None = None,
) -> Drawn:
    """What each draw is fitted to: runs resampled, two more than there are where each is independent and parameters are
    five or more ("pairs"), or as many `more` as is said, and priors with their centres drawn anew within their widths.
    `at` is the fit, for "wild"."""
    if kind == "wild":
        assert at is not None
        response = wild_responses(problem, at, draws, rng, clusters)
        own = Drawn(np.ones((draws, problem.count), np.uint8), problem.points.weights[: problem.count], response)
    else:
        usual = more_pairs(len(problem.free_names)) if more is None else more
        own = resampled_runs(problem, draws, rng, clusters, kind, usual if clusters is None else 0)
    prior = problem.loss.prior
    if prior is None or problem.noise is None:
        return own
    there = prior.weight > 0
    width = np.sqrt(problem.noise.dispersion / np.where(there, prior.weight, 1.0)) * there
    return own._replace(centre=prior.centre + width * rng.standard_normal((draws, len(width))))


def resampled(problem: Problem, *asked: Any, **options: Any) -> Overrides:
    """`drawn_of`, as a solver takes it."""
    return drawn_of(problem, *asked, **options).padded(len(problem.points.response))
