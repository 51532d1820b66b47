"""Weights of laws from held-out predictions: against SciPy, and what they do not depend on."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from jaxscale._analyses.comparison.stacking import log_densities, stacked


def test_weights_make_the_mixture_most_likely():
    logs = 2 * np.random.default_rng(0).normal(size=(3, 40))

    def badness(z):
        return -np.mean(np.log(np.exp(z - np.logaddexp.reduce(z)) @ np.exp(logs)))

    found = minimize(badness, np.zeros(3)).x
    assert stacked(logs) == pytest.approx(np.exp(found - np.logaddexp.reduce(found)), abs=1e-4)
    assert stacked(logs + 1000.0) == pytest.approx(stacked(logs))
    better = np.array([[0.0, 0.0], [-5.0, -3.0]])
    assert stacked(better) == pytest.approx([1, 0], abs=1e-6)


def test_densities_are_normal_with_the_width_of_the_interval():
    width, reach = 0.02, norm.ppf(0.95)
    trial = SimpleNamespace(
        reason="",
        observed=np.array([2.0, 2.5]),
        predicted=np.array([2.1, 2.5]),
        low=np.array([2.1, 2.5]) * np.exp(-reach * width),
        high=np.array([2.1, 2.5]) * np.exp(reach * width),
    )
    expected = norm.logpdf(np.log([2.0, 2.5]), np.log([2.1, 2.5]), width)
    assert log_densities([trial], True, 0.9) == pytest.approx(expected)
    assert log_densities([SimpleNamespace(reason="it failed")], True, 0.9) is None
    trial.low = np.full(2, np.nan)
    assert log_densities([trial], True, 0.9) is None
