"""The slow descent for given starts ends where the damped Newton does, for every objective, with priors and bounds."""

import jax
import numpy as np
import pytest

import jaxscale as js
from jaxscale._fitting.result import problem_of
from jaxscale._problem.problem import make_problem
from jaxscale._solver.trust_region import descend

LAW = js.laws.power_law()
TRUTH = {"A": 300.0, "E": 1.7, "alpha": 0.34}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"objective": js.SquaredError()},
        {"objective": js.Huber(1e-3)},
        {"objective": js.StudentT(scale=0.004)},
        {"priors": {"alpha": (0.3, 0.005)}, "bounds": {"E": (1.75, None)}},
    ],
    ids=["squares", "huber", "student", "prior and bound"],
)
def test_both_descents_end_at_one_optimum(options):
    N = np.geomspace(1e6, 1e10, 24)
    noise = np.exp(0.004 * np.random.default_rng(0).standard_t(3, 24))
    runs = js.Runs({"N": N}, LAW.predict(TRUTH, N=N) * noise)
    result = js.fit(LAW, runs, intervals=None, starts=[TRUTH], **options)
    problem = problem_of(result)
    with jax.enable_x64(True):
        start = np.clip(problem.reduce(LAW.theta({"A": 20.0, "E": 2.5, "alpha": 0.1})), problem.lower, problem.upper)
        found = problem.full(descend(problem, start))
    np.testing.assert_allclose(found, result.theta, rtol=2e-6)
    assert not np.allclose(problem.full(start), result.theta, rtol=0.1)


def test_a_start_where_nothing_is_finite_stays():
    problem = make_problem(LAW, js.Runs({"N": np.geomspace(1, 100, 12)}, np.full(12, 2.0)), js.Huber())
    start = np.array([np.nan, 0.5, 0.5])
    with jax.enable_x64(True):
        np.testing.assert_array_equal(descend(problem, start), start)
