"""A pin or a tie is tested by the ratio of sums of squares."""

import numpy as np
import pytest
from helpers import LAW, sweep
from scipy.stats import f as f_distribution
from scipy.stats import t

import jaxscale as js

LINE = js.laws.power_law("C", floor=False)


@pytest.fixture(scope="module")
def few() -> js.FitResult:
    return js.fit(LAW, sweep(3, 4))


@pytest.fixture(scope="module")
def line() -> js.FitResult:
    C = np.geomspace(1e18, 1e22, 15)
    noise = 0.02 * np.random.default_rng(3).standard_normal(15)
    runs = js.Runs({"C": C}, 30 * C**-0.05 * np.exp(noise))
    return js.fit(LINE, runs, objective=js.SquaredError(), intervals="profile")


def straight(result: js.FitResult) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of the log of a power law: theta and its covariance, from the normal equations."""
    logs = np.log(result.runs.variables["C"])
    X = np.stack([np.ones_like(logs), -logs], axis=1)
    theta, rest, *_ = np.linalg.lstsq(X, np.log(result.runs.response), rcond=None)
    return theta, rest[0] / (len(logs) - 2) * np.linalg.inv(X.T @ X)


@pytest.mark.slow
def test_a_pin_or_a_tie_is_tested_by_the_ratio_of_sums_of_squares(line, few):
    theta, covariance = straight(line)
    found = js.ratio_test(line, fixed={"alpha": 0.048})
    z = (theta[1] - 0.048) / np.sqrt(covariance[1, 1])
    assert found.statistic == pytest.approx(z**2, rel=1e-6)
    assert found.p_value == pytest.approx(2 * t.sf(abs(z), 13), rel=1e-6)
    both = js.ratio_test(few, fixed={"E": 1.7}, tied=[("alpha", "beta")])
    assert both.constraints == 2 and both.freedom == 7 and "E = 1.7 and alpha = beta" in str(both)
    assert both.p_value == pytest.approx(f_distribution.sf(both.statistic / 2, 2, 7), rel=1e-9)
    assert both.restricted.params["alpha"] == both.restricted.params["beta"]
    with pytest.raises(js.InputError, match="nothing is restricted"):
        js.ratio_test(few)
