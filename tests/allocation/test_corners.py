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


def test_what_is_least_may_be_another_than_the_decisions():
    """As for a hedge, which is least by all draws together: |x - .1| in place of 2 |x - .3|, for the second alone."""
    begin, givens = np.array([[0.0, 0.0], [0.5, -0.5]]), np.array([[0.1], [0.0]])

    def worth(which, x):
        return np.abs(x[:, 0] - np.where(which == 1, 0.1, 0.3)) + np.maximum(x[:, 1] / 2, -x[:, 1])

    x, value = lowest_near(Corner(), begin, np.array([0.3, 0.9]), givens, worth)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(value, [0.2, 0.1], atol=1e-8)
    np.testing.assert_allclose(x.sum(axis=1), givens[:, 0], atol=1e-8)


@pytest.mark.slow
def test_a_hedge_over_laws_with_kinks_is_no_worse_than_a_dense_grid():
    """The mean loss of three laws with kinks at different tokens, within a budget and a largest size: no plan came of
    it."""

    def loss(a, w, p, *, N, D):
        plain = TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"]
        return plain + a * jnp.abs(jnp.sin(w * jnp.log(D) + p))

    law, budget, rng = Law.from_loss(loss), 3e23, np.random.default_rng(4)
    ways = [{"a": rng.uniform(0.01, 0.05), "w": rng.uniform(0.8, 3), "p": rng.uniform(0, 6)} for _ in range(3)]
    plan = js.frontier(
        law.at(**ways[0]),
        budget,
        limits={"N_max": 3e10},
        under=[law.at(**way) for way in ways],
        weights=[1, 1, 1],
    )
    N = np.geomspace(1e6, 3e10, 200_001)
    best = np.mean([law.predict(way, N=N, D=budget / 6 / N) for way in ways], axis=0).min()
    (row,) = plan.rows
    assert row.status == "ok" and not row.certificate["global"]
    mine = np.mean([law.predict(way, N=row.N, D=row.D) for way in ways])
    assert mine <= best * (1 + 1e-6)
    assert row.cost <= budget * (1 + 1e-9) and row.N <= 3e10 * (1 + 1e-9)


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
