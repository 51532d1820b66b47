"""What each draw of a bootstrap is fitted to: runs drawn again, weights of the runs, or residuals with random signs."""

from typing import Literal

import numpy as np

from jaxscale._problem.arrays import Overrides
from jaxscale._problem.problem import Problem
from jaxscale._trust.covariance import LEAST_ROOM
from jaxscale._trust.interval_method import more_pairs
from jaxscale._trust.linearization import Linearization

Kind = Literal["pairs", "bayesian", "wild"]


def _units(problem: Problem, clusters: tuple[str, ...] | None) -> tuple[int, np.ndarray]:
    """How many independent runs there are, and which of them each row belongs to."""
    labels, index = np.unique(np.arange(problem.count) if clusters is None else np.array(clusters), return_inverse=True)
    return len(labels), index


def resampling_weights(
    problem: Problem,
    draws: int,
    rng: np.random.Generator,
    clusters: tuple[str, ...] | None,
    kind: Kind = "pairs",
    more: int = 0,
) -> np.ndarray:
    """How often each run counts in each draw, on average once, times its own weight, shape (draws, rows): by drawing as
    many runs as there are and `more` for "pairs", by shares of a flat Dirichlet distribution for "bayesian". Whole
    clusters move together."""
    own = problem.points.weights[: problem.count]
    count, index = _units(problem, clusters) if clusters is not None else (problem.count, slice(None))
    if kind == "bayesian":
        times = rng.standard_exponential((draws, count))
        times *= count / times.sum(axis=1, keepdims=True)
    else:
        picked = rng.integers(count, size=(draws, count + more))
        picked += count * np.arange(draws)[:, None]
        times = np.bincount(picked.ravel(), minlength=draws * count).reshape(draws, count)
    weights = np.zeros((draws, len(problem.points.response)))
    counted = weights[:, : problem.count]
    np.multiply(times[:, index], 1.0 if kind == "bayesian" else count / (count + more), out=counted)
    counted *= own
    return weights


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


def resampled(
    problem: Problem,
    draws: int,
    rng: np.random.Generator,
    clusters: tuple[str, ...] | None,
    kind: Kind = "pairs",
    at: Linearization | None = None,
    more: int | None = None,
) -> Overrides:
    """What each draw is fitted to: runs resampled, two more than there are where each is independent and parameters are
    five or more ("pairs"), or as many `more` as is said, and priors with their centres drawn anew within their widths.
    `at` is the fit, for "wild"."""
    if kind == "wild":
        assert at is not None
        response = wild_responses(problem, at, draws, rng, clusters)
        own = Overrides(np.repeat(problem.points.weights[None], draws, axis=0), response)
    else:
        usual = more_pairs(len(problem.free_names)) if more is None else more
        more = usual if clusters is None else 0
        own = Overrides(resampling_weights(problem, draws, rng, clusters, kind, more))
    prior = problem.loss.prior
    if prior is None or problem.noise is None:
        return own
    there = prior.weight > 0
    width = np.sqrt(problem.noise.dispersion / np.where(there, prior.weight, 1.0)) * there
    return own._replace(centre=prior.centre + width * rng.standard_normal((draws, len(width))))
