"""Starts of laws of many parameters are brought to the floor of their valley: SciPy's least squares, planted truths."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import jaxscale as js
from jaxscale import datasets
from jaxscale._base.settings import in_float64
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.valley import floors, has_valleys

TRUTH = (1.5, 2.0, 0.3, 40.0, 0.25, 90.0, 0.4)
RANGES = {"width": (64, 4096), "N": (1e6, 1e9), "D": (1e8, 1e11)}
STARTS = np.log([(1.0, 1.0, 0.5, 10.0, 0.5, 10.0, 0.5), (2.0, 9.0, 0.1, 3.0, 0.1, 400.0, 0.7)])


def three_powers(E, A, alpha, B, beta, C, gamma, *, width, N, D):
    return E + A * width**-alpha + B * N**-beta + C * D**-gamma


LAW = js.Law.from_loss(three_powers)


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    at = {k: np.exp(rng.uniform(*np.log(ends), 60)) for k, ends in RANGES.items()}
    return js.Runs.from_frame(
        {**at, "loss": three_powers(*TRUTH, **at) * np.exp(0.003 * rng.standard_normal(60))},
        width="width",
    )


def squares(theta, runs):
    """Relative residuals of natural values given as logs."""
    at = {name: runs.variable(name) for name in RANGES}
    return three_powers(*np.exp(theta), **at) / runs.response - 1


def test_a_floor_is_scipys_least_squares(runs):
    problem = make_problem(LAW, runs, js.Huber(1e-4))
    with in_float64():
        found = floors(Stack.of([problem]), np.zeros(2, int), STARTS)
    least = min(2 * least_squares(squares, x, args=(runs,), xtol=1e-15, ftol=1e-15).cost for x in STARTS)
    for x in found:
        assert np.sum(squares(x, runs) ** 2) == pytest.approx(least, rel=1e-4)


def test_every_fourth_start_and_laws_of_few_parameters_are_left_alone(runs):
    problem = make_problem(LAW, runs, js.Huber(1e-4))
    starts = np.repeat(STARTS[:1], 8, axis=0)
    with in_float64():
        moved = (floors(Stack.of([problem]), np.zeros(8, int), starts) != starts).any(axis=1)
        assert has_valleys(problem)
        assert not has_valleys(make_problem(js.laws.chinchilla, runs, js.Huber()))
        assert not has_valleys(make_problem(LAW, runs, js.Huber(), fixed={"E": 1.5, "A": 2.0, "B": 40.0}))
    assert moved.tolist() == [True, True, True, False] * 2


def test_many_starts_side_by_side_end_where_each_ends_alone(runs):
    problem = make_problem(LAW, runs, js.Huber(1e-4))
    starts = np.log(TRUTH) + 0.3 * np.random.default_rng(1).standard_normal((40, 7))
    starts[5] = np.nan
    with in_float64():
        stack = Stack.of([problem])
        together = floors(stack, np.zeros(40, int), starts)
        alone = [floors(stack, np.zeros(1, int), starts[k : k + 1])[0] for k in range(0, 12)]
    for k, one in enumerate(alone):
        np.testing.assert_allclose(together[k], starts[k] if k % 4 == 3 else one, rtol=1e-6, err_msg=str(k))


def test_starts_of_many_tables_reach_the_floor_that_each_table_has_alone(runs):
    problems = [make_problem(LAW, runs.subset(np.arange(count)), js.Huber(1e-4)) for count in (40, 60)]
    with in_float64():
        both = floors(Stack.of(problems), np.array([0, 1, 1, 0]), STARTS[[0, 0, 1, 1]])
        alone = [floors(Stack.of([one]), np.zeros(2, int), STARTS) for one in problems]
    np.testing.assert_allclose(both[[0, 3]], alone[0], rtol=1e-6)
    np.testing.assert_allclose(both[[1, 2]], alone[1], rtol=1e-6)


def test_a_start_without_a_finite_response_is_left_alone(runs):
    problem = make_problem(LAW, runs, js.Huber())
    nowhere = np.full((1, 7), np.nan)
    with in_float64():
        np.testing.assert_array_equal(floors(Stack.of([problem]), np.zeros(1, int), nowhere), nowhere)


@pytest.mark.slow
@pytest.mark.data
def test_the_law_of_gemstones_written_by_a_user():
    def shape(E, A, alpha, B, beta, C, gamma, F, delta, *, width, depth, N, D):
        return E + A * width**-alpha + B * depth**-beta + C * N**-gamma + F * D**-delta

    runs = datasets.load("gemstones", group="hot_100b+", checkpoints="none", width="width", depth="depth")
    fit = js.fit(js.Law.from_loss(shape), runs, objective=js.Huber(1e-4), intervals=None)
    assert runs.count == 770
    assert fit.value <= 2.948054e-4
    assert fit.starts.at_best >= 0.5 * fit.starts.finished and fit.starts.finished <= 64
