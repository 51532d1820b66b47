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


def test_power_law_without_a_floor_is_kaplan_n():
    p = random_params("kaplan_n")
    ours = {"A": p["N_c"] ** p["alpha_N"], "alpha": p["alpha_N"]}
    size = budgets()
    expected = respond("kaplan_n", p, N=size)
    np.testing.assert_allclose(respond(laws.power_law("N", floor=False), ours, N=size), expected, rtol=1e-12)
