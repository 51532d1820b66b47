"""Linear fits by Huber's estimator matched to the noise: SciPy's optimum, and each of many as if alone."""

import numpy as np
from scipy.optimize import least_squares

from jaxscale._trust.robust_fits import Asked, each_fit, robust_fits

rng = np.random.default_rng(5)
COLUMNS = np.linalg.qr(rng.standard_normal((40, 3)))[0]
VALUES = COLUMNS @ [1.0, -2.0, 0.5] + 0.01 * rng.standard_t(3, 40)


def test_scipy_finds_no_better_fit_at_the_same_turn():
    fit = robust_fits(COLUMNS, VALUES, np.ones(40))
    scipy = least_squares(lambda x: COLUMNS @ x - VALUES, np.zeros(3), loss="huber", f_scale=fit.turn, xtol=1e-15)
    np.testing.assert_allclose(fit.found, scipy.x, atol=2e-4 * 0.01)  # ten reweightings, against the noise of .01
    np.testing.assert_allclose(fit.left, VALUES - COLUMNS @ fit.found)


def test_squares_of_gaussian_noise_have_their_variance():
    values = 0.01 * rng.standard_normal((300, 40))
    fits = robust_fits(np.broadcast_to(COLUMNS, (300, 40, 3)), values, np.ones((300, 40)))
    assert abs(np.median(fits.variance) / 0.01**2 - 1) < 0.1
    assert abs(fits.found.std() / 0.01 - 1) < 0.1  # of orthonormal columns the standard error is that of the noise


def test_many_fits_are_as_each_alone():
    weights = rng.uniform(0.5, 2, (4, 40))
    columns, values = COLUMNS * rng.uniform(0.5, 2, (4, 1, 3)), VALUES + 0.01 * rng.standard_normal((4, 40))
    many = robust_fits(columns, values, weights)
    for k in range(4):
        for found, alone in zip(many, robust_fits(columns[k], values[k], weights[k]), strict=True):
            np.testing.assert_allclose(found[k], alone, rtol=1e-9, atol=1e-15)


def test_a_column_of_which_no_run_counts_has_no_coefficient():
    columns = np.stack([np.ones(20), np.arange(20) == 3], axis=1)
    fit = robust_fits(columns, np.linspace(1, 2, 20), (np.arange(20) != 3) * 1.0)
    assert fit.found[1] == 0 and np.isfinite(fit.variance)


def test_fits_of_all_sizes_that_are_asked_for_together_are_as_each_alone():
    sizes = [(40, 3), (25, 3), (40, 2), (31, 1), (26, 3)]
    asked = [
        Asked(rng.standard_normal(size), rng.standard_normal(size[0]), rng.uniform(0.5, 2, size[0])) for size in sizes
    ]
    for one, fit in zip(asked, each_fit(asked), strict=True):
        for found, alone in zip((*fit, fit.variance), (*(lone := robust_fits(*one)), lone.variance), strict=True):
            np.testing.assert_allclose(found, alone, rtol=1e-9, atol=1e-13)
    assert each_fit([]) == []
