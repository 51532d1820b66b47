"""Draws followed from budget to budget are planned as by interior points."""

import jax
import numpy as np
import pytest

from jaxscale import costs, limits
from jaxscale._allocation.answers import _solve_afresh, solve_many
from jaxscale._allocation.constrained import OK
from jaxscale._allocation.decide import decide
from jaxscale._allocation.per_draw import follow
from jaxscale._allocation.placing import evaluate
from jaxscale.laws import chinchilla

pytestmark = pytest.mark.slow  # every draw is planned twice


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("budgets", [np.geomspace(1e20, 1e26, 30), np.array([1e26, 1e20, 3e23, 3e23])])
def test_draws_followed_from_budget_to_budget_are_planned_as_by_interior_points(budgets):
    # Five limits, one after the other of which binds, up to a corner where three of them meet.
    asked = {"N_max": 1e11, "D_max": 5e12, "D_per_N": (12, 40)}
    days = limits.days(6 * 1e11 * 4e12 / (4096 * 989e12 * 0.4 * 86400), 4096, mfu=0.4, peak=989e12)
    decision, values = decide(chinchilla, costs.six_nd, *limits.read_limits([asked, days]))
    theta, rest = chinchilla.theta(chinchilla.published["besiroglu"].params), np.log(list(values.natural.values()))
    draws = theta + np.random.default_rng(3).normal(0, [0.25, 0.4, 0.015, 0.015, 0.02], (40, 5))

    def givens(thetas, budgets):
        return np.column_stack([thetas, np.log(budgets), np.tile(rest, (len(budgets), 1))])

    point = solve_many(decision, givens(np.tile(theta, (len(budgets), 1)), budgets))
    found = follow(decision, draws, np.log(budgets), rest, point)
    one_by_one = givens(np.repeat(draws, len(budgets), axis=0), np.tile(budgets, len(draws)))
    exact = _solve_afresh(decision, one_by_one)
    assert found.sound.all() and (exact.status == OK).all()
    np.testing.assert_allclose(np.moveaxis(found.x, -1, 0).reshape(-1, 2), exact.x, atol=1e-8)
    np.testing.assert_allclose(found.value.T.ravel(), exact.value, atol=1e-13)
    np.testing.assert_allclose(found.price.T.ravel(), exact.multipliers[:, 0], atol=1e-9)
    kept = evaluate(decision, np.tile(point.x, (len(draws), 1)), one_by_one)[:, 0]
    np.testing.assert_allclose(found.worse.T.ravel(), kept - exact.value, atol=1e-13)
