"""Problems side by side, and one of them."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import jaxscale as js
from jaxscale._problem.problem import make_problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack


@pytest.mark.parametrize("count", [1, 3])
def test_one_of_a_stack_is_the_problem_itself(count):
    problems = [make_problem(js.laws.chinchilla, js.synthetic.demo_runs(), js.Huber(10.0**-k)) for k in range(count)]
    stack = Stack.of(problems)
    for k, problem in enumerate(problems):
        alone, rows = problem.tables(), problem.count
        here = stack.one(k)
        assert float(here.loss.delta) == alone.loss.delta
        np.testing.assert_array_equal(here.points.response[:rows], alone.points.response[:rows])
    values = np.arange(2.0 * count).reshape(count, 2)
    np.testing.assert_array_equal(stack.each(stack.filled(values)), values)
    theta = js.laws.chinchilla.theta(js.laws.chinchilla.published["besiroglu"].params)
    free = theta + 0.01 * np.arange(count)[:, None]
    with jax.enable_x64(True):
        together = slopes_of(stack, free)
        for k, problem in enumerate(problems):
            for a, b in zip(together, slopes_of(Stack.of([problem]), free[k : k + 1]), strict=True):
                np.testing.assert_allclose(a[k, : problem.count], b[0, : problem.count], rtol=1e-12, atol=1e-15)


def test_bounds_hold_but_for_rounding():
    problem = make_problem(js.laws.chinchilla, js.synthetic.demo_runs(), js.Huber(), bounds={"alpha": (0.1, 0.5)})
    free = np.array([0.5, 6.0, 6.0, 0.1 + 1e-12, 0.3])
    assert problem.at_lower(free).tolist() == [False, False, False, True, False]
    free[3] = 0.5 - 1e-12
    assert not problem.at_lower(free).any()
    assert problem.at_bound(free).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("count", [1, 3])
def test_with_other_misfits_a_stack_is_that_of_the_problems_with_them(count):
    runs = js.synthetic.demo_runs()
    problems = [make_problem(js.laws.chinchilla, runs, js.Huber(0.01 * (k + 1))) for k in range(count)]
    losses = [js.LowerEdge(0.1 * (k + 1)).losses(1.0)[-1] for k in range(count)]
    stack = Stack.of(problems).with_losses(losses)
    again = Stack.of([replace(p, losses=(loss,)) for p, loss in zip(problems, losses, strict=True)])
    assert len(stack.stages) == 1 and jax.tree.structure(stack.stages) == jax.tree.structure(again.stages)
    for a, b in zip(jax.tree.leaves(stack.stages), jax.tree.leaves(again.stages), strict=True):
        np.testing.assert_array_equal(a, b)
