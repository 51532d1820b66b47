"""Draws of the posterior against the same posterior on a grid, on a straight line in logs."""

import sys

import numpy as np
import pytest
from scipy.stats import norm, t

import jaxscale as js

LINE = js.laws.power_law("D", floor=False)


def line(**options) -> js.Runs:
    D = np.geomspace(1e9, 1e12, 12)
    noise = 0.02 * np.random.default_rng(0).standard_normal(12)
    return js.Runs({"D": D}, 30 * D**-0.08 * np.exp(noise), **options)


@pytest.mark.slow
def test_draws_are_of_the_posterior_on_a_grid():
    pytest.importorskip("numpyro")
    fitted = js.fit(LINE, line(), objective=js.StudentT(), intervals=None)
    draws = js.posterior(fitted, draws=4000, seed=3)
    assert draws.method == "nuts" and draws.draws.shape == (4000, 2) and "NUTS" in str(draws)
    logs = np.log(line().variables["D"])
    X, y = np.stack([np.ones_like(logs), -logs], axis=1), np.log(line().response)
    s = fitted.sigma
    root = np.linalg.inv(np.linalg.cholesky(X.T @ X)).T * s  # its product with itself: s^2 / (X'X)
    z = np.linspace(-6, 6, 61)
    points = np.stack(np.meshgrid(z, z, np.linspace(-1.5, 1.5, 41), indexing="ij"), axis=-1).reshape(-1, 3)
    theta, scale = fitted.theta + points[:, :2] @ root.T, s * np.exp(points[:, 2])
    log_density = norm.logpdf(points[:, :2], scale=np.sqrt(12)).sum(axis=1) + norm.logpdf(points[:, 2])
    log_density += t.logpdf(theta @ X.T - y, 4, scale=scale[:, None]).sum(axis=1)
    mass = np.exp(log_density - log_density.max())
    mass /= mass.sum()
    mean = mass @ theta
    spread = np.sqrt(mass @ (theta - mean) ** 2)
    assert np.all(np.abs(draws.draws.mean(axis=0) - mean) < 0.1 * spread)
    np.testing.assert_allclose(draws.draws.std(axis=0), spread, rtol=0.08)
    lows = [theta[order, 1][np.searchsorted(np.cumsum(mass[order]), 0.05)] for order in [np.argsort(theta[:, 1])]]
    assert draws.interval("alpha", 0.9)[0] == pytest.approx(lows[0], abs=0.15 * spread[1])


def test_it_says_what_is_missing(monkeypatch):
    for name in ("numpyro", "numpyro.infer"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(js.MissingExtraError, match=r"jaxscale\[bayes\]"):
        js.posterior(None)  # type: ignore[arg-type]
