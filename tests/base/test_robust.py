"""Robust scales beside the normal distribution's own."""

import numpy as np
import pytest
from scipy.stats import norm

from jaxscale._base.robust import HUBER_TURN, sigma_of_sizes


def test_the_scale_of_normal_residuals_is_their_standard_deviation():
    sizes = np.abs(3.0 * norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    assert sigma_of_sizes(sizes) == pytest.approx(3.0, rel=1e-4)
    assert sigma_of_sizes(np.stack([sizes, 2 * sizes]), axis=1, keepdims=True).shape == (2, 1)


def test_where_huber_turns_the_estimator_is_95_percent_efficient():
    """Efficiency of a location estimate: (E psi')^2 / E psi^2 under the normal distribution."""
    c = HUBER_TURN
    inside = 2 * norm.cdf(c) - 1
    square = inside - 2 * c * norm.pdf(c) + c**2 * (1 - inside)
    assert inside**2 / square == pytest.approx(0.95, abs=2e-4)
