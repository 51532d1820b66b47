"""Values, slopes and curvature of every objective: SciPy's Huber function, finite differences."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import Table, table_of

import jaxscale as js
from jaxscale._problem.evaluate import evaluator, value_of
from jaxscale._problem.problem import make_problem

THETA = LAW.theta(TRUTH)

OBJECTIVES = {
    "huber": js.Huber(1e-3),
    "wide huber, overestimates x 10": js.Huber(0.05, overestimate=10.0),
    "huber on raw loss": js.Huber(1e-2, space="raw"),
    "squares": js.SquaredError(),
    "squares on raw loss": js.SquaredError(space="raw"),
    "absolute": js.AbsoluteError(),
    "student": js.StudentT(freedom=3, scale=0.01, overestimate=2.0),
}


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    """Sixty runs, with noise of 2 %: enough to tell objectives apart."""
    return sweep(noise=0.02, bad=3, seed=4)


def table_for(runs: js.Runs, objective, **options) -> Table:
    problem = make_problem(LAW, runs, objective)
    raw = objective.space == "raw"
    freedom = objective.freedom if objective.kind == "student" else None
    more = {"overestimate": objective.overestimate, "raw": raw, "freedom": freedom}
    return table_of(runs, delta=problem.loss.size, **more, **options)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_value_slope_and_curvature_anywhere(name, runs):
    """Values against SciPy's Huber function, slopes and curvature against central differences of the oracle."""
    objective = OBJECTIVES[name]
    weights = np.random.default_rng(0).uniform(0.5, 3.0, runs.count)
    table = table_for(runs, objective, weights=weights)
    problem = make_problem(LAW, replace(runs, weights=weights), objective)
    lanes = THETA + 0.05 * np.random.default_rng(1).standard_normal((4, 5))

    @jax.jit
    def evaluated(lanes, tables):
        alone = jax.lax.map(lambda x: value_of(problem.task)(x, tables), lanes)
        return evaluator(problem.task, exact=True)(lanes, tables), alone

    with jax.enable_x64(True):
        found, alone = evaluated(lanes, problem.tables())
    np.testing.assert_allclose(found.value, [table.value(x) for x in lanes], rtol=1e-11)
    np.testing.assert_allclose(alone, found.value, rtol=1e-12)
    for k, x in enumerate(lanes):
        steps = 1e-6 * np.eye(5)
        slope = [(table.value(x + s) - table.value(x - s)) / 2e-6 for s in steps]
        np.testing.assert_allclose(found.gradient[k], slope, rtol=1e-6, atol=1e-7 * np.abs(slope).max())
        bend = np.array([(table.gradient(x + s) - table.gradient(x - s)) / 2e-6 for s in steps])
        np.testing.assert_allclose(found.curvature.exact[k], bend, rtol=1e-5, atol=1e-6 * np.abs(bend).max())
        jacobian, r = table.jacobian(x), table.residuals(x)
        inner = weights * np.where(r > 0, objective.overestimate, 1.0) * (np.abs(r) <= table.delta)
        if table.freedom is not None:  # the slope of psi, where it is positive
            share = r**2 / (table.freedom * table.delta**2)
            inner = weights * np.where(r > 0, objective.overestimate, 1.0) * np.maximum(1 - share, 0) / (1 + share) ** 2
        expected = jacobian.T @ (jacobian * inner[:, None])
        np.testing.assert_allclose(found.curvature.gauss_newton[k], expected, rtol=1e-9, atol=1e-9 * np.abs(bend).max())


def test_products_are_the_same_for_many_slopes_and_for_few(runs, monkeypatch):
    """Columns one at a time, or all at once where there are many parameters."""
    problem = make_problem(LAW, runs, js.Huber())
    lanes = THETA + 0.05 * np.random.default_rng(1).standard_normal((4, 5))

    def gauss_newton():
        return evaluator(problem.task, exact=False)(lanes, problem.tables(), np.full(4, 0.3))

    with jax.enable_x64(True):
        few = jax.jit(gauss_newton)()
        monkeypatch.setattr("jaxscale._problem.evaluate._MOST_ROWS", 4)
        many = jax.jit(gauss_newton)()
    np.testing.assert_allclose(few.gradient, many.gradient, rtol=1e-11)
    np.testing.assert_allclose(few.curvature.gauss_newton, many.curvature.gauss_newton, rtol=1e-11)
