"""What residuals tell, by brute force: neighbours alike, values that are distinct."""

import numpy as np
import pytest

from jaxscale._trust.residuals import distinct, neighbour_correlation
from studies.one_sided import fires


def test_neighbours_by_brute_force():
    rng = np.random.default_rng(0)
    points, residuals = rng.standard_normal((50, 2)) * [1.0, 30.0], rng.standard_normal(50)
    unit = points / points.std(axis=0)
    distance = np.linalg.norm(unit[:, None] - unit[None], axis=2) + np.diag(np.full(50, np.inf))
    nearest = distance.argmin(axis=1)
    ranks = np.argsort(np.argsort(residuals)).astype(float)
    expected = np.corrcoef(ranks, ranks[nearest])[0, 1]
    assert neighbour_correlation(points, residuals) == pytest.approx(expected, abs=1e-12)
    assert abs(neighbour_correlation(points, points[:, 0])) > 0.5


def test_values_packed_closely_over_a_wide_range_are_many():
    """Neighbours a thousandth apart counted as one value, however far they reached."""
    assert distinct(np.linspace(0, 1, 1001), most=1001) in (48, 49, 50)  # by the last bit
    assert distinct(np.array([0.0, 0.01, 0.015]), most=9) == 1
    assert distinct(np.array([0.0, 0.03, 0.031, 0.07]), most=9) == 3


@pytest.mark.parametrize("kind", ["Gaussian", "Student-t(4)"])
def test_noise_does_not_pass_for_scatter_to_one_side(kind):
    """By simulation; 0 to 4 of 200 where the rate is .5 %."""
    assert fires(kind, 40, 200) <= 0.02


def test_scatter_to_one_side_is_found():
    """Of an exponential variable the decile skewness is (ln 10 + ln 10/9 - 2 ln 2) / (ln 10 - ln 10/9) = .465."""
    assert fires("exponential", 160, 50) > 0.9
