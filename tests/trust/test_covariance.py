"""Covariances by second routes: Powell's and MacKinnon's formulas in NumPy, normal draws."""

import numpy as np
import pytest
from helpers import LAW
from oracles import table_of
from scipy.stats import norm, t

import jaxscale as js
from jaxscale._problem.losses import HuberLoss
from jaxscale._trust.covariance import central_covariance, powell_covariance
from jaxscale._trust.linearization import Linearization


def powell_by_hand(table, theta, delta) -> np.ndarray:
    """Sandwich with a uniform kernel in a Hall-Sheather band, written out from the formulas of both papers."""
    r, J, psi = table.residuals(theta), table.jacobian(theta), table.scores(theta)
    n, p = J.shape
    sigma = 1.4826 * np.median(np.sort(np.abs(r))[p:])
    h = n ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * norm.pdf(0) ** 2) ** (1 / 3)
    band = max(delta, sigma * norm.ppf(0.5 + h))
    slope = np.where(np.abs(r) < band, delta / band, 0.0)  # of psi, smoothed: psi rises by 2 delta over 2 band
    bread = np.linalg.inv(J.T @ (slope[:, None] * J))
    return bread @ (J.T @ (psi[:, None] ** 2 * J)) @ bread


def test_quick_standard_errors_are_powells(runs, quick):
    matrix = powell_by_hand(table_of(runs), quick.theta, 1e-3)
    np.testing.assert_allclose(quick.covariance.matrix, matrix, rtol=1e-5, atol=1e-9 * np.abs(matrix).max())
    assert quick.covariance.names == LAW.parameter_names and quick.covariance.method == "powell_sandwich"
    errors = dict(zip(LAW.parameter_names, np.sqrt(np.diag(matrix)), strict=True))
    assert quick.intervals.theta_standard_errors == pytest.approx(errors, rel=1e-5)
    half = t.ppf(0.95, 60 - 5)
    for name, middle in zip(LAW.parameter_names, quick.theta, strict=True):
        ends = np.array([middle - half * errors[name], middle + half * errors[name]])
        ends = np.exp(ends) if name in ("A", "B", "E") else ends
        assert quick.intervals.params[name] == pytest.approx(tuple(ends), rel=1e-5)


def test_least_squares_give_the_sandwich_of_mackinnon_and_white(runs):
    """HC3: each residual over one minus its diagonal entry of the hat matrix; what `auto` takes."""
    result = js.fit(LAW, runs, objective=js.SquaredError())
    table = table_of(runs, delta=np.inf)
    J, r = table.jacobian(result.theta), table.residuals(result.theta)
    bread = np.linalg.inv(J.T @ J)
    squares = (r / (1 - np.diag(J @ bread @ J.T))) ** 2
    np.testing.assert_allclose(result.covariance.matrix, bread @ (J.T * squares @ J) @ bread, rtol=1e-5)
    assert result.intervals.method == "leverage_sandwich"
    half = norm.ppf(0.95) * np.sqrt(result.covariance.matrix[3, 3])
    assert result.intervals.params["alpha"] == pytest.approx((result.theta[3] - half, result.theta[3] + half), rel=1e-9)
    assert "% at 20 to 72 runs" in str(result.card()) and "not measured for" not in str(result.card())


def test_a_singular_design_has_no_standard_errors():
    at = Linearization(
        ("a", "b"), np.ones(9), np.ones((9, 2)), np.ones(9), np.ones(9), HuberLoss(1e-3, 1.0), np.zeros(2, bool)
    )
    assert powell_covariance(at) is None


def test_the_central_covariance_is_that_of_normal_draws_and_knows_no_outliers():
    """In whatever units and however correlated; a value that a bound holds has none."""
    rng = np.random.default_rng(0)
    mix = np.array([[3.0, 0.0, 0.0], [2.9, 0.05, 0.0], [0.0, 1e-4, 1e-6]])
    draws = np.insert(rng.standard_normal((20_000, 3)) @ mix.T, 1, 0.7, axis=1)
    exact = np.insert(np.insert(mix @ mix.T, 1, 0.0, axis=0), 1, 0.0, axis=1)
    there = [0, 2, 3]
    units = np.sqrt(np.outer(np.diag(exact)[there], np.diag(exact)[there]))

    def found() -> np.ndarray:
        matrix = central_covariance(draws)
        np.testing.assert_array_equal(matrix[1], 0.0)
        np.testing.assert_array_equal(matrix[:, 1], 0.0)
        return matrix[np.ix_(there, there)] / units

    np.testing.assert_allclose(found(), exact[np.ix_(there, there)] / units, atol=0.03)
    draws[:1000, there] *= 50
    assert np.all(draws.var(axis=0)[there] > 50 * np.diag(units))
    assert np.all((np.diag(found()) > 1) & (np.diag(found()) < 1.4))


def test_the_central_covariance_of_draws_that_a_bound_holds():
    rng = np.random.default_rng(0)
    free = rng.standard_normal(500)
    for bound in (0.0, 1.5, 2.2):  # half of the draws lie on it, or nearly all
        draws = np.stack([free, np.maximum(rng.standard_normal(500), bound)], axis=1)
        matrix = central_covariance(draws)
        assert matrix[0, 0] == pytest.approx(free.var(), rel=0.2) and np.all(np.linalg.eigvalsh(matrix) >= 0)
        assert 0 < matrix[1, 1] < 1.2 * draws[:, 1].var()
    np.testing.assert_array_equal(central_covariance(np.ones((50, 2))), np.zeros((2, 2)))
    assert central_covariance(draws[:, :1])[0, 0] == pytest.approx(draws[:, 0].var(), rel=0.15)
