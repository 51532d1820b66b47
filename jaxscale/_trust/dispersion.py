"""The scatter of runs around an optimum, and the dispersion of a robust objective: by how much it may rise."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import ndtri, stdtrit

from jaxscale._base.robust import sigma_of_sizes, sigma_of_sorted
from jaxscale._problem.losses import HuberLoss, Loss

# Below this many robust standard deviations Huber's delta makes nearly least absolute deviations of it. Measured under
# Gaussian noise: 7 to 24 % more error of the best N than with a matched delta; under long tails it can be the better.
FAR_BELOW_NOISE = 0.5


@lru_cache(maxsize=1024)
def _band_width(n: int, share: float) -> float:
    """Half the width of Hall and Sheather's band around the quantile `share` of n normal values, in standard
    deviations."""
    z = ndtri(share)
    h = (1.5 / n * ndtri(0.975) ** 2 * np.exp(-(z**2)) / (2 * np.pi * (2 * z**2 + 1))) ** (1 / 3)
    low, high = ndtri([max(share - h, 0.001), min(share + h, 0.999)])
    return float((high - low) / 2)


@dataclass(frozen=True, eq=False)
class Scatter:
    """Runs around an optimum, of one table or of all groups of a joint fit side by side.

    residuals: (n_runs,), log predicted - log observed (or the plain difference). psi: (n_runs,), derivative of each
    run's misfit, weights included. weights: (n_runs,), with the factor on overestimates. parameters: how many were
    fitted to these runs. What follows from these is worked out when first asked for, and kept.
    """

    residuals: np.ndarray
    psi: np.ndarray
    weights: np.ndarray
    loss: Loss
    parameters: int

    @cached_property
    def used(self) -> np.ndarray:
        """Runs that count, (n_runs,)."""
        return self.weights > 0

    @cached_property
    def freedom(self) -> int:
        """Runs that count, less the parameters fitted."""
        return int(self.used.sum()) - self.parameters

    @cached_property
    def sigma(self) -> float:
        """Robust scale of the residuals: 1.4826 times their median absolute size, without the p smallest, which a
        nearly absolute fit passes through. Of a fit that lies below most runs, around the middle of the residuals."""
        residuals = self.residuals[self.used]
        if self.share_below == 0.5:
            size = np.sort(np.abs(residuals))[self.parameters :]
        else:
            size = np.sort(np.abs(residuals - np.median(residuals))) if self.freedom > 0 else np.empty(0)
        return float(sigma_of_sorted(size)) if len(size) else float("nan")

    @property
    def share_below(self) -> float:
        """Share of the runs that the objective leaves below the law: half, unless overestimates count otherwise."""
        return 1 / (1 + float(self.loss.overestimate))

    @cached_property
    def far_below_noise(self) -> bool:
        """Whether the objective makes nearly least absolute deviations of these residuals."""
        return isinstance(self.loss, HuberLoss) and self.loss.size < FAR_BELOW_NOISE * self.sigma

    @cached_property
    def runs_below(self) -> float:
        """How many runs a lower edge, a quantile below the middle, leaves below the law; infinite for other fits, of
        which nothing follows from that."""
        edge = self.far_below_noise and self.share_below < 0.5
        return self.share_below * float(self.used.sum()) if edge else np.inf

    @cached_property
    def curved(self) -> np.ndarray:
        """Runs that the objective is curved at, (n_runs,)."""
        within = np.abs(self.residuals) <= self.loss.delta if isinstance(self.loss, HuberLoss) else True
        return self.used & within

    @cached_property
    def height(self) -> float:
        """The objective summed over runs, without priors."""
        return float(np.sum(self.weights * self.loss.height(self.residuals)))

    def under(self, loss: Loss) -> "Scatter":
        """The same residuals as another misfit weighs them."""
        return replace(self, loss=loss, psi=self.weights * loss.score(self.residuals))

    def slopes(self, sigma: float) -> tuple[np.ndarray, float]:
        """Estimated slope of psi at each run used, at weight one, as shares (n_used,) and a factor common to all.

        Where psi is smooth it is the slope itself. Huber's counts only where |residual| <= delta, a handful of runs
        when delta is far below the noise `sigma`; there the band is Hall and Sheather's (1988, J. R. Statist. Soc. B
        50, of the quantile that is fitted), never narrower than delta.
        """
        residuals = self.residuals[self.used]
        if not isinstance(self.loss, HuberLoss):
            return self.loss.slope(residuals), 1.0
        if not np.isfinite(self.loss.delta):
            return np.ones(len(residuals)), 1.0
        width = _band_width(len(residuals), self.share_below)
        band = max(float(self.loss.delta), sigma * width)
        return 1.0 * (np.abs(residuals) < band), min(1.0, float(self.loss.delta) / band)

    @cached_property
    def moments(self) -> tuple[float, float]:
        """(m1, m2): the expected slope of psi and the mean of psi squared, so that 2 (F(c) - F) m1 / m2 is near a chi2.

        m1 is the geometric mean of an estimate from the residuals (`slopes`) and the Gaussian value at the robust
        sigma; for squares both are one, and the statistic is the usual ratio of sums of squares. Scaling of
        likelihood-ratio statistics of M-estimators: Schrader & Hettmansperger (1980), Biometrika 67(1), Eq. 2.5. The
        band of the estimate goes by the median of all residuals, since the p that the fit passes through are taken from
        those counted in it; by `sigma` it would be wider, and intervals from 9 runs would cover 97 instead of 94 %.
        """
        used = self.used
        psi, weights = self.psi[used], self.weights[used]
        n, p, sigma = len(psi), self.parameters, self.sigma
        m2 = float(np.sum(psi**2) / max(n - p, 1))
        typical = float(weights.mean())
        if np.isinf(self.loss.size) or not sigma > 0:
            return typical, m2
        around = 0.0 if self.share_below == 0.5 else np.median(self.residuals[used])
        shares, factor = self.slopes(float(sigma_of_sizes(np.abs(self.residuals[used] - around))))
        counted = float(shares.sum() if self.share_below == 0.5 else shares @ weights / typical)
        counted = max(counted - p, 1) / max(n - p, 1) * factor
        return float(typical * np.sqrt(counted * self.loss.gaussian_slope(sigma))), m2

    @cached_property
    def dispersion(self) -> float:
        """m2 / m1: near the optimum the objective rises by this times half of chi squared."""
        m1, m2 = self.moments
        return m2 / m1

    @cached_property
    def bread_weights(self) -> np.ndarray:
        """What each run adds to the slope of psi as the residuals show it, (n_runs,), see `slopes`."""
        shares, factor = self.slopes(self.sigma)
        slopes = np.zeros(len(self.weights))
        slopes[self.used] = self.weights[self.used] * shares * factor
        return slopes

    @cached_property
    def expected_weights(self) -> np.ndarray:
        """What each run adds to the slope of psi that is expected of the noise, (n_runs,)."""
        m1, _ = self.moments
        return m1 * self.weights / self.weights[self.used].mean()

    def rise(self, level: float) -> float:
        """By how much the objective may rise within an interval of that level: m2 / m1 times half of t(n - p)
        squared."""
        m1, m2 = self.moments
        return float(0.5 * stdtrit(max(self.freedom, 1), (1 + level) / 2) ** 2 * m2 / m1)
