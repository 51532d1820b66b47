"""The scale of a robust objective's rise: by how much it may grow within an interval."""

import numpy as np
from scipy.special import stdtrit

from jaxscale._trust.linearization import Linearization


def scale_of(at: Linearization) -> tuple[float, float]:
    """(m1, m2): the expected slope of psi and the mean of psi squared, so that 2 (F(c) - F) m1 / m2 is near a chi2.

    m1 is the geometric mean of an estimate from the residuals (`Linearization.slopes`) and the Gaussian value at the
    robust sigma; for squares both are one, and the statistic is the usual ratio of sums of squares. Scaling of
    likelihood-ratio statistics of M-estimators: Schrader & Hettmansperger (1980), Biometrika 67(1), Eq. 2.5. The band
    of the estimate goes by the median of all residuals, since the p that the fit passes through are taken from those
    counted in it; by `sigma` it would be wider, and intervals from 9 runs would cover 97 instead of 94 %.
    """
    used = at.used
    psi, weights = at.psi[used], at.weights[used]
    n, p, sigma = len(psi), at.jacobian.shape[1], at.sigma
    m2 = float(np.sum(psi**2) / max(n - p, 1))
    typical = float(weights.mean())
    if np.isinf(at.loss.size) or not sigma > 0:
        return typical, m2
    shares, factor = at.slopes(1.4826 * float(np.median(np.abs(at.residuals[used]))))
    counted = max(float(shares.sum()) - p, 1) / max(n - p, 1) * factor
    return float(typical * np.sqrt(counted * at.loss.gaussian_slope(sigma))), m2


def rise_for(at: Linearization, level: float) -> float:
    """By how much the objective may rise within an interval of that level: m2 / m1 times half of t(n - p) squared."""
    m1, m2 = scale_of(at)
    return float(0.5 * stdtrit(max(at.freedom, 1), (1 + level) / 2) ** 2 * m2 / m1)
