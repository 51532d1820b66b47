"""Parameters that enter in a straight line are found, and solved for."""

import jax
import numpy as np
import pytest
from helpers import LAW, sweep

import jaxscale as js
from jaxscale._problem.objectives import Huber
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.projection import linear_parameters
from jaxscale._solver.starts import screened


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def pool_of(problem, seed: int = 0, least: int = 0) -> np.ndarray:
    """Usable screened starts of one problem, in the order they are tried."""
    stack = Stack.of([problem])
    pool = screened(stack, stack, seed, least)
    return pool.free[0][pool.usable[0]]


def test_linear_parameters_are_found_for_every_law(runs):
    mine = js.Law.from_loss(lambda A, alpha, E, B, beta, *, N, D: E + A * N**-alpha + B * D**-beta)
    for law, expected in {
        LAW: "ABE",
        mine: "AEB",
        js.laws.power_law(): "AE",
        js.laws.kaplan_nd: "",  # of degree one in none alone
    }.items():
        assert "".join(linear_parameters(make_problem(law, runs, Huber()))) == expected


def test_linear_parameters_are_solved_for(runs):
    """E, A and B enter linearly: for the exponents drawn they are the least-squares values, by NumPy's own solver."""
    N, D, loss = runs.variables["N"], runs.variables["D"], runs.response
    checked = 0
    for a, b, e, alpha, beta in pool_of(make_problem(LAW, runs, Huber()), least=200):
        if not (alpha < 1 and beta < 1):
            continue
        design = np.stack([N**-alpha, np.ones_like(N), D**-beta], axis=1) / loss[:, None]
        exact = np.linalg.lstsq(design, np.ones_like(loss), rcond=1e-12)[0]
        if np.all(exact > 0) and np.linalg.cond(design / np.linalg.norm(design, axis=0)) < 100:
            np.testing.assert_allclose(np.exp([a, e, b]), exact, rtol=1e-3)
            checked += 1
    assert checked >= 3
