"""Optima in corners: a planted one, with the price of its limit by hand."""

from dataclasses import dataclass
from typing import Any

import jax
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


def _least(law: Law, way: dict, budget: float, largest: float) -> float:
    """The least log loss of a budget along a dense grid of sizes, and where the law has its kinks."""
    kinks = budget / 6 / np.exp((np.pi * np.arange(100) - way["p"]) / way["w"])
    N = np.concatenate([np.geomspace(1e6, largest, 400_001), kinks[(kinks > 1e6) & (kinks < largest)]])
    return float(np.log(law.predict(way, N=N, D=budget / 6 / N).min()))


@pytest.mark.slow
@pytest.mark.parametrize("minimise", ["expected", "cvar:0.5"])
def test_a_hedge_over_laws_with_kinks_is_no_worse_than_a_dense_grid(minimise):
    """The mean loss and the worst half of the regrets of three laws with kinks at different tokens, within a budget and
    a largest size: no plan came of it. A regret is what a law loses over its own grid's best, by
    what more of the budget gains there in finite differences."""

    def loss(a, w, p, *, N, D):
        plain = TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"]
        return plain + a * jnp.abs(jnp.sin(w * jnp.log(D) + p))

    law, budget, rng = Law.from_loss(loss), 3e23, np.random.default_rng(4)
    largest = 3e10 if minimise == "expected" else 3e11  # where by each law more of the budget gains something
    ways = [{"a": rng.uniform(0.01, 0.05), "w": rng.uniform(0.8, 3), "p": rng.uniform(0, 6)} for _ in range(3)]
    under = [law.at(**way) for way in ways]
    plan = js.frontier(under[0], budget, limits={"N_max": largest}, under=under, weights=[1, 1, 1], minimise=minimise)
    (row,) = plan.rows
    assert row.status == "ok" and not row.certificate["global"]
    assert row.cost <= budget * (1 + 1e-9) and largest * (1 + 1e-9) >= row.N
    N = np.append(np.geomspace(1e6, largest, 200_001), row.N)
    D = np.append(budget / 6 / N[:-1], row.D)
    losses = np.array([law.predict(way, N=N, D=D) for way in ways])
    if minimise == "expected":
        aim = losses.mean(axis=0)
    else:
        low, best, high = (np.array([_least(law, w, budget * f, largest) for w in ways]) for f in (0.999, 1, 1.001))
        regrets = np.sort((np.log(losses) - best[:, None]) / ((low - high) / 2e-3)[:, None], axis=0)
        aim = (regrets[2] + regrets[1] / 2) / 1.5
    assert aim[-1] <= aim[:-1].min() + (1e-6 if minimise == "expected" else 1e-4)


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


@pytest.mark.slow
def test_allocate_finds_a_corner_within_limits_and_tells_no_slope_there():
    """The same corner, in somebody else's program."""
    law = Law.from_loss(
        lambda a, *, N, D: TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + a * jnp.abs(jnp.log(D) - 27.0)
    )

    def best(log_budget):
        found = js.allocate(law, {"a": 0.05}, js.costs.six_nd, jnp.exp(log_budget), {"N_min": 1e9})
        return jnp.log(jnp.stack([found.N, found.D]))

    with jax.enable_x64(True):
        total = np.log(1e24)
        found, slopes = jax.jit(lambda x: jax.jvp(best, (x,), (jnp.ones_like(x),)))(total)
    np.testing.assert_allclose(found, [total - np.log(6) - 27.0, 27.0], atol=1e-8)
    assert np.isnan(slopes).all()
