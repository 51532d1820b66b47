"""Laws of mixtures start where each term counts, and their many parameters are found from there."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

import jaxscale as js
from jaxscale._base.settings import in_float64
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.starts import drawn

LAW = js.laws.shukor_mixture(domains=3, joint=True)
TRUTH = {
    **{"E": 1.2, "alpha": 0.34, "beta": 0.3, "gamma_A": 0.6, "gamma_B": 0.8},
    **{"C1": 1.6, "C2": 0.9, "C3": 0.5, "gamma1": 0.5, "gamma2": 0.35, "gamma3": 0.6},
    **{"A1": 1.5e4, "A2": 3e4, "A3": 2e4, "B1": 3600.0, "B2": 2500.0, "B3": 3300.0},
}


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    N, D = (np.exp(rng.uniform(*np.log(ends), 200)) for ends in ((2e8, 8e9), (5e9, 2e11)))
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D, "h": rng.dirichlet(np.ones(3), 200)}, noise=0.002, seed=1)


def starts_of(runs):
    with in_float64():
        stack = Stack.of([make_problem(LAW, runs, js.SquaredError())])
        return drawn(stack, stack.subsample(64), 0)[0]


@pytest.mark.slow
def test_each_term_of_a_start_is_a_share_of_the_response(runs):
    """At the middle of the data, with equal shares: none is next to nothing, none many times the response."""
    middle = {name: float(np.exp(np.mean(np.log(runs.variable(name))))) for name in ("N", "D")}
    free = starts_of(runs)
    p = {name: free[0, :200, k] for k, name in enumerate(LAW.parameter_names)}
    A, B = (np.log(np.mean([np.exp(p[f"{x}{i}"]) for i in range(1, 4)], axis=0)) for x in "AB")
    terms = {
        "size": np.exp(np.exp(p["gamma_A"]) * A - p["alpha"] * np.log(middle["N"])),
        "data": np.exp(np.exp(p["gamma_B"]) * B - p["beta"] * np.log(middle["D"])),
    }
    for term in terms.values():
        share = term / np.exp(np.mean(np.log(runs.response)))
        assert np.all((share > 0.05) & (share < 1.5))
    alike = np.ptp([p[f"gamma{i}"] for i in range(1, 4)], axis=0) == 0
    assert np.mean(alike) == pytest.approx(0.75)


@pytest.mark.slow
def test_standard_errors_of_the_runs_move_no_start(runs):
    uneven = replace(runs, errors=np.geomspace(0.2, 2.0, runs.count))
    np.testing.assert_allclose(starts_of(uneven), starts_of(runs), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_seventeen_parameters_are_found(runs):
    """At least as low as SciPy's least squares from the planted truth, and most starts agree."""
    found = js.fit(LAW, runs, objective=js.SquaredError(), intervals=None)
    assert found.starts.at_best >= 5

    h = runs.variable("h")
    log_N, log_D, log_h = (np.log(x) for x in (runs.variable("N"), runs.variable("D"), h))

    def residuals(z):
        p = dict(zip(LAW.parameter_names, z, strict=True))
        C, gamma, A, B = (np.array([p[f"{x}{i}"] for i in range(1, 4)]) for x in ("C", "gamma", "A", "B"))
        sizes = np.exp(np.exp(p["gamma_A"]) * np.log(h @ np.exp(A)) - p["alpha"] * log_N)
        tokens = np.exp(np.exp(p["gamma_B"]) * np.log(h @ np.exp(B)) - p["beta"] * log_D)
        floor = 1 / np.exp(C + gamma * log_h).sum(axis=1)
        return np.log(np.exp(p["E"]) + floor + sizes + tokens) - np.log(runs.response)

    scipy = least_squares(residuals, LAW.theta(TRUTH), x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=400)
    assert found.value <= scipy.cost * (1 + 1e-7)
