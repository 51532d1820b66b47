"""Optima in corners: a planted one, with the price of its limit by hand."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale as js
from jaxscale._allocation.corners import inclusion, lowest_near
from jaxscale.laws import Law

TRUTH = js.laws.chinchilla.published["besiroglu"].params


@dataclass(frozen=True)
class Corner:
    """2 |x - .3| + max(y / 2, -y) with x + y at most what is given: least at (.3, given - .3), where another bit of it
    is worth one."""

    row_names = ("sum",)
    variables = ("x", "y")
    raw: Any = frozenset()

    def objective(self, x, given):
        return 2 * jnp.abs(x[0] - 0.3) + jnp.maximum(x[1] / 2, -x[1])

    def rows(self, x, given):
        return (x[0] + x[1] - given[0],)


def test_the_lowest_point_of_a_corner_and_the_price_there():
    begin, givens = np.array([[0.0, 0.0], [0.5, -0.5]]), np.array([[0.1], [0.0]])
    x, value = lowest_near(Corner(), begin, np.array([0.6, 0.9]), givens)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(x, [[0.3, -0.2], [0.3, -0.3]], atol=1e-8)
    np.testing.assert_allclose(value, [0.2, 0.3], atol=1e-8)
    left, prices = inclusion(Corner(), x, givens)  # pyright: ignore[reportArgumentType]
    assert (left < 1e-9).all()
    np.testing.assert_allclose(prices, 1.0, rtol=1e-9)
    left, _ = inclusion(Corner(), x - np.array([0.0, 0.01]), givens)  # pyright: ignore[reportArgumentType]
    assert (left > 0.1).all()  # no optimum: nothing balances the slope of y


@pytest.mark.slow
def test_a_plan_in_a_corner_tells_what_the_budget_is_worth_and_no_more():
    """Tokens at a kink, all else of the budget in N: the price is that of N alone."""
    law = Law.from_loss(
        lambda a, *, N, D: TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + a * jnp.abs(jnp.log(D) - 27.0)
    )
    budget, D = 1e24, np.exp(27.0)
    (row,) = js.frontier(law.at(a=0.05), budget, limits={"N_min": 1e9}).rows
    N = budget / 6 / D
    np.testing.assert_allclose([row.N, row.D], [N, D], rtol=1e-8)
    assert row.status == "ok" and "corner" in row.note and row.binding == ("budget",)
    assert row.certificate["kkt"] < 1e-8
    slope = -TRUTH["alpha"] * TRUTH["A"] * N ** -TRUTH["alpha"]
    assert row.shadow_price["budget"].value == pytest.approx(np.log(2) * slope, rel=1e-6)
    assert all(np.isnan(x) for x in row.sensitivities["N"].values())
