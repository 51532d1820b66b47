"""What residuals tell, by brute force: neighbours alike, values that are distinct."""

import numpy as np
import pytest

from jaxscale._trust.neighbours import correlation_at_most
from jaxscale._trust.residuals import distinct, neighbour_correlation, ranks_of
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


def test_what_neighbours_correlate_by_at_most_is_not_exceeded():
    """By a tree of each table, of scattered and of regular designs, on which many runs are exactly as near."""
    rng = np.random.default_rng(3)
    steps = np.stack(np.meshgrid(np.arange(8.0), np.arange(9.0)), axis=-1).reshape(-1, 2)
    designs = [rng.standard_normal((n, 2)) @ [[1.0, 0.6], [0.0, 0.5]] for n in (20, 60, 90)]
    designs += [
        steps,
        np.log(10) / 3 * steps[:47] + 18.0,
        steps @ [[1.0, -1.0], [1.0, 2.0]],
        np.repeat(steps, 2, axis=0),
    ]
    pairs = [(points, noise) for points in designs for noise in (0.3, 1.0, 10.0)]
    errors = [np.sin(points[:, 0]) + noise * rng.standard_normal(len(points)) for points, noise in pairs]
    counts = np.array([len(one) for one in errors])
    logs, ranks = np.zeros((len(pairs), 2, counts.max())), np.zeros((len(pairs), counts.max()))
    for k, ((points, _), one, n) in enumerate(zip(pairs, errors, counts, strict=True)):
        logs[k, :, :n], ranks[k, :n] = points.T, ranks_of(one)
    most = correlation_at_most(logs, np.arange(counts.max()) < counts[:, None], ranks)
    exact = [neighbour_correlation(points, one) for (points, _), one in zip(pairs, errors, strict=True)]
    assert (most > np.array(exact) - 1e-12).all()
    assert (most[:9] - exact[:9]).max() < 0.25 and min(exact) < 0.1 and max(exact) > 0.3
