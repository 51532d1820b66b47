"""Power laws in any variable."""

import numpy as np
import pytest
from helpers import budgets, random_params, respond

from jaxscale import laws


@pytest.mark.parametrize("variable", ["N", "D", "C", "examples"])
def test_power_law_in_any_variable(variable):
    x = np.array([1e6, 1e9, 1e12])
    floored = laws.power_law(variable).predict({"A": 20.0, "E": 1.5, "alpha": 0.3}, **{variable: x})
    np.testing.assert_allclose(floored, 1.5 + 20.0 * x**-0.3, rtol=1e-14)
    bare = laws.power_law(variable, floor=False).predict({"A": 20.0, "alpha": 0.3}, **{variable: x})
    np.testing.assert_allclose(bare, 20.0 * x**-0.3, rtol=1e-14)


def test_scores_of_either_sign():
    x = np.array([1e3, 1e6, 1e9])
    p = {"A": -3000.0, "E": 1500.0, "alpha": 0.1}
    np.testing.assert_allclose(laws.power_law("N", real=True).predict(p, N=x), 1500 - 3000 * x**-0.1, rtol=1e-13)
    np.testing.assert_allclose(
        laws.log_law("D").predict({"a": -900.0, "b": 70.0}, D=x), -900 + 70 * np.log(x), rtol=1e-13
    )
    assert laws.get("power_law(variable=hours, real=true)") is laws.power_law("hours", real=True)


def test_power_law_without_a_floor_is_kaplan_n():
    p = random_params("kaplan_n")
    ours = {"A": p["N_c"] ** p["alpha_N"], "alpha": p["alpha_N"]}
    size = budgets()
    expected = respond("kaplan_n", p, N=size)
    np.testing.assert_allclose(respond(laws.power_law("N", floor=False), ours, N=size), expected, rtol=1e-12)
