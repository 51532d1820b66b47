"""Where resampled fits end, nearly: bends against exact second derivatives, ends against the refits themselves."""

import jax
import numpy as np
import pytest
from helpers import LAW

import jaxscale as js
from jaxscale._base.settings import in_float64
from jaxscale._problem.arrays import Overrides
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.solve import AT, NEAR
from jaxscale._solver.solve_stack import solve_stack
from jaxscale._trust.draws_ahead import bent_laws, ends_ahead
from jaxscale._trust.resampling import resampling_weights


@pytest.fixture(scope="module")
def refitted(runs):
    """A table, its optimum and the law there; weights of draws, where they end and how many steps that takes from the
    optimum of all runs, by the solver alone."""
    result = js.fit(LAW, runs, intervals=None)
    with in_float64():
        problem = make_problem(LAW, runs, js.Huber())
        stack = Stack.of([problem])
        (law,) = bent_laws(stack, result.theta[None])
        weights = resampling_weights(problem, 200, np.random.default_rng(0), None)
        starts, table = np.repeat(result.theta[None], 200, axis=0), np.zeros(200, int)
        ends = solve_stack(stack, js.optim.damped_newton(), table, starts, own=Overrides(weights), damping=NEAR)
    return stack, result.theta, law, weights, ends


def test_bends_are_second_derivatives(refitted):
    stack, best, law, _, _ = refitted
    logs = np.stack(stack.first.points.logs)[:, : stack.first.count]
    with in_float64():
        of_run = jax.hessian(lambda theta, logs: LAW.log_response(tuple(theta), tuple(logs)))
        exact = jax.vmap(of_run, (None, 1))(best, logs)
    turned = law.to_free.T @ np.asarray(exact) @ law.to_free
    first, second = np.triu_indices(5)
    np.testing.assert_allclose(law.bends, turned[:, first, second], atol=1e-4 * np.abs(turned).max())
    heavy = law.slopes * np.sqrt(stack.first.points.weights[: stack.first.count])[:, None]
    np.testing.assert_allclose(heavy.T @ heavy, np.eye(5), atol=1e-9)


def test_most_draws_end_where_the_bent_law_says(refitted):
    _, best, law, weights, ends = refitted
    moved, _ = ends_ahead(law, weights)
    spread = np.median(np.abs(ends.free - best), axis=0)
    off = np.abs(best + moved - ends.free) / spread
    assert np.median(off) < 0.02 and np.quantile(off, 0.8) < 0.2


def test_draws_from_there_take_half_the_steps_to_the_same_optima(refitted):
    stack, best, law, weights, ends = refitted
    moved, bend = ends_ahead(law, weights)
    own, table = Overrides(weights, bend=bend), np.zeros(len(weights), int)
    with in_float64():
        found = solve_stack(stack, js.optim.damped_newton(), table, best + moved, own=own, damping=AT)
    assert np.mean(found.value > ends.value * (1 + 1e-9)) <= 0.01
    assert np.mean(found.value < ends.value * (1 - 1e-9)) <= 0.02
    assert np.median(found.steps) <= 0.7 * np.median(ends.steps)


def test_fits_at_a_bound_and_of_other_objectives_are_not_looked_ahead(runs):
    result = js.fit(LAW, runs, intervals=None)
    held = {"alpha": (result.params["alpha"], None)}
    with in_float64():
        for objective, bounds in ((js.SquaredError(), {}), (js.Huber(), held), (js.Huber(overestimate=9), {})):
            stack = Stack.of([make_problem(LAW, runs, objective, bounds=bounds)])
            assert bent_laws(stack, result.theta[None]) == [None]
