"""The shape of a run's misfit as data, with its derivatives: no number here compiles anything."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtr, ndtri


class Prior(NamedTuple):
    """What pulls the free values, each (..., free): weight / 2 (value - centre)^2 is added to the objective."""

    centre: Any
    weight: Any

    def penalty(self, free: Any) -> Any:
        """What is added to the objective, (...,)."""
        return 0.5 * (self.weight * (free - self.centre) ** 2).sum(axis=-1)


class HuberLoss(NamedTuple):
    """The shape of Huber's misfit, and priors beside it, as data: no number here causes a new compilation."""

    delta: Any
    overestimate: Any
    prior: Prior | None = None

    @property
    def size(self) -> float:
        """Residuals up to this size count as squares."""
        return float(self.delta)

    def misfit(self, residual: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Contribution to the objective, its derivative psi, and the weight inside the quadratic part, elementwise."""
        weights = weights * jnp.where(residual > 0, self.overestimate, 1.0)
        clipped = self.score(residual)
        return weights * clipped * (residual - 0.5 * clipped), weights * clipped, weights

    def score(self, residual: Any) -> Any:
        """psi at weight one, of NumPy or JAX arrays."""
        return residual.clip(-self.delta, self.delta)

    def share(self, size: np.ndarray) -> np.ndarray:
        """psi over the residual at weight one, by its absolute size, above 0."""
        share = self.delta / size
        return np.minimum(1.0, share, out=share)

    def scores(self, residual: np.ndarray, outer_share: float, score: np.ndarray, slope: np.ndarray) -> None:
        """Write `score` and what `curvature` gives at weight one over NumPy arrays."""
        np.clip(residual, -self.delta, self.delta, out=score)
        np.divide(score, residual, out=slope)  # 1 for inner residuals
        inner = np.floor(slope)
        slope *= outer_share
        np.maximum(slope, inner, out=slope)

    def height(self, residual: np.ndarray) -> np.ndarray:
        """The misfit at weight one."""
        clipped = self.score(residual)
        return clipped * (residual - 0.5 * clipped)

    def curvature(self, residual: Array, weights: Array, outer_share: Array | None) -> tuple[Array, Array]:
        """Slope of psi for weights as `misfit` gives them: never negative, with a share of the reweighted curvature of
        outer residuals, and the same again."""
        beyond = jnp.zeros_like(residual)
        if outer_share is not None:
            beyond = outer_share * self.delta / jnp.maximum(jnp.abs(residual), 1e-300)
        slope = weights * jnp.where(jnp.abs(residual) <= self.delta, 1.0, beyond)
        return slope, slope

    def wider(self, factor: float) -> "HuberLoss":
        """The same with residuals counted as squares up to `factor` times further."""
        return self._replace(delta=factor * self.delta)

    def gaussian_slope(self, sigma: float) -> float:
        """Expected slope of psi, at weight one in the mean, under Gaussian noise; of which the law is no mean where
        overestimates count otherwise, but the quantile that as many runs lie below."""
        share = 1 / (1 + self.overestimate)
        above, below = (np.abs(ndtr(ndtri(share) + end * self.delta / sigma) - share) for end in (1, -1))
        return float((below * self.overestimate + above) / (share * self.overestimate + 1 - share))


class StudentLoss(NamedTuple):
    """The shape of Student's misfit, as data; methods as in `HuberLoss`."""

    scale: Any
    freedom: Any
    overestimate: Any
    prior: Prior | None = None

    @property
    def size(self) -> float:
        """Residuals up to this size count nearly as squares."""
        return float(self.scale)

    def misfit(self, residual: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Contribution to the objective, its derivative psi, and the weight of small residuals, elementwise."""
        weights = weights * jnp.where(residual > 0, self.overestimate, 1.0)
        width = self.freedom * self.scale**2
        return weights * 0.5 * width * jnp.log1p(residual**2 / width), weights * self.score(residual), weights

    def curvature(self, residual: Array, weights: Array, outer_share: Array | None) -> tuple[Array, Array]:
        """Slope of psi: once never negative, with a share of the reweighted curvature (psi over the residual), and once
        as it is, negative beyond scale sqrt(freedom)."""
        slope = weights * self.slope(residual)
        guarded = jnp.maximum(slope, 0.0)
        if outer_share is not None:
            reweighted = weights / (1 + residual**2 / (self.freedom * self.scale**2))
            guarded = guarded + outer_share * (reweighted - guarded)
        return guarded, slope

    def score(self, residual: Any) -> Any:
        """psi at weight one, of NumPy or JAX arrays."""
        return residual / (1 + residual**2 / (self.freedom * self.scale**2))

    def share(self, size: np.ndarray) -> np.ndarray:
        """psi over the residual at weight one, by its absolute size."""
        return 1 / (1 + size**2 / (self.freedom * self.scale**2))

    def scores(self, residual: np.ndarray, outer_share: float, score: np.ndarray, slope: np.ndarray) -> None:
        """Write `score` and what `curvature` gives at weight one, guarded, over NumPy arrays."""
        share = self.share(residual)
        np.multiply(share, residual, out=score)
        np.maximum(self.slope(residual), 0, out=slope)
        slope += outer_share * (share - slope)

    def height(self, residual: np.ndarray) -> np.ndarray:
        """The misfit at weight one."""
        width = self.freedom * self.scale**2
        return 0.5 * width * np.log1p(residual**2 / width)

    def slope(self, residual: Any) -> Any:
        """Slope of psi at weight one, of NumPy or JAX arrays."""
        share = residual**2 / (self.freedom * self.scale**2)
        return (1 - share) / (1 + share) ** 2

    def wider(self, factor: float) -> "StudentLoss":
        """The same with residuals counted nearly as squares up to `factor` times further."""
        return self._replace(scale=factor * self.scale)

    def gaussian_slope(self, sigma: float) -> float:
        """Expected slope of psi, at weight one, under Gaussian noise."""
        z, probability = np.polynomial.hermite_e.hermegauss(80)
        return float(probability @ self.slope(sigma * z) / probability.sum())


Loss = HuberLoss | StudentLoss
