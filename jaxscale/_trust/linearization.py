"""What the runs say at an optimum, row by row: residuals and slopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxscale._base.robust import quantiles_of
from jaxscale._problem.losses import Loss
from jaxscale._problem.problem import Noise, Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._trust.dispersion import Scatter
from jaxscale._trust.robust_fits import Asked, RobustFits, each_fit
from jaxscale._trust.slopes_beside import SURE, scaled, slopes_beside

DECILES = 0.1, 0.5, 0.9


@dataclass(frozen=True, eq=False)
class Linearization:
    """The fit near its optimum, row by row (padding left out). `free` indexes the free values.

    residuals: (n_runs,), log predicted - log observed (or the plain difference). jacobian: (n_runs, free).
    psi: derivative of each run's misfit, weights included. weights: (n_runs,), with the factor on overestimates.
    What follows from these is worked out when first asked for, and kept.
    """

    names: tuple[str, ...]
    residuals: np.ndarray
    jacobian: np.ndarray
    psi: np.ndarray
    weights: np.ndarray
    loss: Loss
    held: np.ndarray  # (free,) True where a bound holds the value
    free: np.ndarray | None = None  # (free,) where this is; with it priors are taken into account
    noise: Noise | None = None

    @cached_property
    def scatter(self) -> Scatter:
        """The runs without their slopes."""
        return Scatter(self.residuals, self.psi, self.weights, self.loss, self.jacobian.shape[1])

    @cached_property
    def used(self) -> np.ndarray:
        """Runs that count, (n_runs,)."""
        return self.scatter.used

    @cached_property
    def free_slopes(self) -> np.ndarray:
        """Those of the runs that count in the values that no bound holds, (n_used, <= free)."""
        rows = self.jacobian if self.used.all() else self.jacobian[self.used]
        return rows[:, ~self.held] if self.held.any() else rows

    @cached_property
    def freedom(self) -> int:
        """Runs that count, less the parameters fitted."""
        return self.scatter.freedom

    @cached_property
    def sigma(self) -> float:
        """Robust scale of the residuals, see `Scatter.sigma`."""
        return self.scatter.sigma

    @cached_property
    def far_below_noise(self) -> bool:
        """Whether the objective makes nearly least absolute deviations of these residuals."""
        return self.scatter.far_below_noise

    @property
    def corrected_draws(self) -> bool:
        """Whether percentiles of resampled fits are corrected for bias: those of a fit to the middle whose Huber delta
        is far below the noise are too wide as they are, others too narrow once corrected. Of lower edges, 5 to 20 of 50
        to 200 runs below (exponential and Gaussian scatter): 83 to 98 % of 90 % intervals hold the truth as they are,
        80 to 95 % corrected."""
        return self.far_below_noise and self.scatter.share_below >= 0.5

    @cached_property
    def basis(self) -> tuple[np.ndarray, np.ndarray | None]:
        """`directions`, and what `free_slopes` are multiplied by to be them, (free, free), where that is known."""
        return bases_of([self])[0]

    @property
    def directions(self) -> np.ndarray:
        """What the law can do to the runs that count, bounds left out: orthonormal columns (n_used, <= free)."""
        return self.basis[0]

    @cached_property
    def matchable(self) -> bool:
        """Whether there are more runs than parameters, slopes of which are known."""
        return self.freedom >= 1 and not self.held.all() and bool(np.isfinite(self.jacobian[self.used]).all())

    @cached_property
    def matched(self) -> RobustFits:
        """The linearized law fitted to log observed - log predicted of the runs that count (or the plain difference)
        by Huber's estimator matched to the noise, whatever the fit's own objective."""
        return each_fit([self.to_match])[0]

    @cached_property
    def deciles(self) -> np.ndarray:
        """The lowest decile, the median and the highest decile of what `matched` leaves, (3,)."""
        return quantiles_of(self.matched.left, DECILES)

    @property
    def to_match(self) -> Asked:
        """What `matched` is of."""
        return Asked(self.directions, -self.residuals[self.used], self.weights[self.used])

    @cached_property
    def gradient_norm(self) -> float:
        """Largest cosine between a column of the Jacobian and psi, bounds left out: zero at an optimum, whatever the
        units."""
        if not self.precision.any():
            squares = np.diagonal(self.jacobian.T @ self.jacobian)  # as a product of matrices, which is the quickest
            size = (np.sqrt(squares) * np.sqrt(self.psi @ self.psi))[~self.held]
            projected = np.abs(self.psi @ self.jacobian)[~self.held]
            return float(np.max(projected[size > 0] / size[size > 0], initial=0.0))
        roots = np.sqrt(self.precision)  # a prior is one more run: its slope, and its residual in `off`
        off = 0.0 * roots if self.free is None or self.loss.prior is None else self.free - self.loss.prior.centre
        size = np.hypot(np.linalg.norm(self.jacobian, axis=0), roots)
        size = size * np.hypot(np.linalg.norm(self.psi), np.linalg.norm(roots * off))
        projected = np.abs(self.jacobian.T @ self.psi + self.precision * off)[~self.held]
        size = size[~self.held]
        return float(np.max(projected[size > 0] / size[size > 0], initial=0.0))

    @cached_property
    def precision(self) -> np.ndarray:
        """What priors add to the curvature of the objective, (free,)."""
        prior = self.loss.prior
        return np.zeros(self.jacobian.shape[1]) if prior is None else np.asarray(prior.weight)

    @cached_property
    def rows_of_priors(self) -> np.ndarray:
        """Priors as further rows of the Jacobian, (free, free), as informative as runs of weight one."""
        slope = 1.0 if self.noise is None else self.noise.slope / float(self.weights[self.used].mean())
        return np.diag(np.sqrt(self.precision / slope))

    @cached_property
    def leverage(self) -> np.ndarray:
        """Diagonal of the hat matrix of the slopes, 0 to 1, (n_runs,); nan for runs that do not count."""
        used, room = self.used, ~self.held
        rows = self.jacobian[used][:, room] * np.sqrt(self.weights[used])[:, None]
        rows = np.concatenate([rows, self.rows_of_priors[room][:, room]])
        norms = np.linalg.norm(rows, axis=0)
        left, singular, _ = np.linalg.svd(rows / np.where(norms > 0, norms, 1.0), full_matrices=False)
        out = np.full(len(used), np.nan)
        out[used] = (left[: used.sum(), singular > 1e-10 * singular[0]] ** 2).sum(axis=1)
        return out


def bases_of(tables: Sequence[Linearization]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """`Linearization.basis` of each table: by products of the columns where these know enough."""
    found: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
    slopes = [at.free_slopes for at in tables]
    for part in slopes_beside(slopes):
        unit, norms, known = scaled(part.products())
        square, axes = np.linalg.eigh(unit)
        known &= square[:, 0] > SURE * square[:, -1] if len(square.T) else False
        square[~known] = 1.0
        to = axes / np.sqrt(square)[:, None] / np.where(norms > 0, norms, 1.0)[..., None]
        columns = part.rows @ to
        found |= {k: (columns[i, : part.counts[i]], to[i]) for i, k in enumerate(part.which) if known[i]}
    for k, rows in enumerate(slopes):
        if k not in found:
            norms = np.linalg.norm(rows, axis=0)
            left, singular, _ = np.linalg.svd(rows[:, norms > 0] / norms[norms > 0], full_matrices=False)
            found[k] = left[:, singular > 1e-10 * singular.max(initial=0.0)], None
    return [found[k] for k in range(len(tables))]


def linearize(problem: Problem, free: np.ndarray) -> Linearization:
    """Residuals and slopes of a problem at free values (free,); call under float64."""
    return linearize_all(Stack.of([problem]), np.asarray(free)[None])[0]


def linearize_all(stack: Stack, free: np.ndarray) -> list[Linearization]:
    """Residuals and slopes of each problem at its free values, (len(stack), free); call under float64."""
    arrays = slopes_of(stack, free)
    found = []
    for k, (problem, at) in enumerate(zip(stack.problems, free, strict=True)):
        residuals, jacobian, psi, weights = (x[k, : problem.count] for x in arrays)
        held = problem.at_bound(at)
        found.append(
            Linearization(problem.free_names, residuals, jacobian, psi, weights, problem.loss, held, at, problem.noise)
        )
    return found


def match_all(tables: Sequence[Linearization]) -> None:
    """Work out `matched` of every table whose runs have slopes, all at once; each keeps its own."""
    some = [at for at in tables if "matched" not in vars(at) and at.matchable]
    fresh = [at for at in some if "basis" not in vars(at)]
    for at, basis in zip(fresh, bases_of(fresh), strict=True):
        vars(at)["basis"] = basis
    for at, fit in zip(some, each_fit([at.to_match for at in some]), strict=True):
        vars(at)["matched"] = fit  # as the cached property would
