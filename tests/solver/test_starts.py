"""Where fits start: the published grid, screened points, given starts, and what is refused."""

import itertools

import jax
import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import PAPER_GRID, table_of

import jaxscale as js
from jaxscale._problem.objectives import Huber
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.starts import published_grid, screened

MINE = js.Law.from_loss(lambda A, alpha, E, B, beta, *, N, D: E + A * N**-alpha + B * D**-beta, name="mine")
CLIFF = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha / (alpha < 1.0), name="cliff")


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def in_units(runs: js.Runs, **units: float) -> js.Runs:
    variables = {name: values / units.get(name, 1.0) for name, values in runs.variables.items()}
    return js.Runs(variables, runs.response / units.get("loss", 1.0))


def test_paper_is_the_grid_of_hoffmann_et_al(runs):
    """alpha, beta in {0, .5, ..., 2}, e in {-1, -.5, ..., 1}, a, b in {0, 5, ..., 25}: their appendix D.3."""
    free = published_grid(make_problem(LAW, runs, Huber()))
    assert free.shape == (4500, 5) and set(map(tuple, free)) == set(map(tuple, PAPER_GRID))


def test_starts_move_with_the_units_of_the_table(runs):
    """N in millions, D in billions, loss in thousandths: every start has the objective it has in plain counts."""
    units = {"N": 1e6, "D": 1e9, "loss": 1e-3}
    plain, scaled = (make_problem(LAW, r, Huber()) for r in (runs, in_units(runs, **units)))
    theta, moved = map(published_grid, (plain, scaled))
    a, b, e = (moved - theta)[:, :3].T
    np.testing.assert_allclose(a, -theta[:, 3] * np.log(1e6) + np.log(1e3), atol=1e-9)
    np.testing.assert_allclose(b, -theta[:, 4] * np.log(1e9) + np.log(1e3), atol=1e-9)
    np.testing.assert_allclose(e, np.log(1e3), atol=1e-9)
    some = np.random.default_rng(0).choice(4500, 50, replace=False)
    values = [[table_of(r).value(x) for x in t[some]] for r, t in ((runs, theta), (in_units(runs, **units), moved))]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)


def test_plain_counts_take_the_grid_as_published(runs):
    problem = make_problem(LAW, in_units(runs, N=3.0, D=0.2), Huber())
    np.testing.assert_array_equal(published_grid(problem), published_grid(make_problem(LAW, runs, Huber())))


def test_pinned_and_tied_parameters_leave_no_starts_twice(runs):
    fixed = published_grid(make_problem(LAW, runs, Huber(), fixed={"E": 1.8}))
    tied = published_grid(make_problem(LAW, runs, Huber(), tied=[("alpha", "beta")]))
    assert fixed.shape == (4500 // 5, 4) and tied.shape == (4500 // 5, 4)
    assert len(np.unique(fixed, axis=0)) == 900 == len(np.unique(tied, axis=0))


def pool_of(problem, seed: int = 0, least: int = 0) -> np.ndarray:
    """Usable screened starts of one problem, in the order they are tried."""
    stack = Stack.of([problem])
    pool = screened(stack, stack, seed, least)
    return pool.free[0][pool.usable[0]]


def test_starts_lie_within_bounds(runs):
    problem = make_problem(LAW, runs, Huber(), bounds={"alpha": (0.1, 0.7), "E": (None, 1.9)})
    for free in (published_grid(problem), pool_of(problem)):
        assert np.all(free >= problem.lower) and np.all(free <= problem.upper)


def test_the_most_promising_come_first_and_some_by_chance(runs):
    """By the objective on the runs; 60 are too few for any to be left out."""
    problem, table = make_problem(LAW, runs, Huber()), table_of(runs)
    free = pool_of(problem)
    values = np.array([table.value(x) for x in free])
    assert len(set(map(tuple, free))) == len(free) == 64
    assert values[0] == pytest.approx(values.min(), rel=1e-12)
    assert np.all(np.diff([values[k] for k in range(24) if k % 4 != 3]) >= 0)
    assert np.median(values[3:24:4]) > np.median(values)
    np.testing.assert_array_equal(free, pool_of(problem))
    assert not np.array_equal(free, pool_of(problem, seed=1))


def test_the_published_grid_is_screened_with_every_run(runs):
    """Each of its 25 pairs of exponents is there, as good as the best of the 180 points that the grid has for the pair.

    Terms are solved for by least squares, so by Huber's measure they may be a trifle worse than a lucky point.
    """
    problem, table = make_problem(LAW, runs, Huber()), table_of(runs)
    best: dict[tuple[float, float], float] = {}
    for theta in published_grid(problem):
        pair = tuple(theta[3:])
        best[pair] = min(best.get(pair, np.inf), table.value(theta))
    screened_at = {tuple(theta[3:]): table.value(theta) for theta in pool_of(problem)}
    assert len(best) == 25 and best.keys() <= screened_at.keys()
    ratios = [screened_at[pair] / value for pair, value in best.items()]
    assert max(ratios) < 1.01 and np.median(ratios) < 0.8


def test_screened_starts_keep_pins_and_ties(runs):
    problem = make_problem(LAW, runs, Huber(), fixed={"E": 1.8}, tied=[("alpha", "beta")])
    free, table = pool_of(problem), table_of(runs)
    full = problem.full(free)
    assert np.all(full[:, 2] == np.log(1.8)) and np.all(full[:, 3] == full[:, 4])
    assert len(free) == 32  # one exponent is left to draw
    grid = problem.full(published_grid(problem))
    assert min(map(table.value, full)) < 0.5 * min(map(table.value, grid))


def test_more_starts_than_usual_are_drawn_when_asked_for(runs):
    assert len(pool_of(make_problem(LAW, runs, Huber()), least=300)) >= 300


def test_every_table_of_a_stack_has_the_starts_it_would_have_alone(runs):
    N, D = js.synthetic.isoflop_design(np.geomspace(1e19, 1e22, 5), 10)
    other = js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.005, seed=2)
    problems = [make_problem(LAW, r, Huber()) for r in (runs, in_units(other, N=1e6), other)]
    stack = Stack.of(problems)
    pool = screened(stack, stack, 0)
    for k, problem in enumerate(problems):
        np.testing.assert_allclose(pool.free[k][pool.usable[k]], pool_of(problem), rtol=1e-9)


def test_starts_that_are_not_finite_are_left_out(runs):
    """Wherever alpha is above one this law overflows to nothing."""
    stack = Stack.of([make_problem(CLIFF, runs, Huber())])
    pool = screened(stack, stack, 0)
    usable = pool.usable[0]
    assert usable.any() and not usable.all() and not usable[usable.argmin() :].any()
    assert np.all(pool.free[0][usable][:, 2] < 0)  # log alpha


def test_starts_go_on_until_enough_agree(runs):
    """Sound runs are certain after the first few; where starts disagree all are finished, and the doubt is told."""
    assert js.fit(LAW, runs, intervals=None).starts.finished == 8
    N, D = runs.variables["N"], runs.variables["D"]
    noisy = js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.05, seed=1)
    hard = js.fit(LAW, noisy.subset(np.random.default_rng(0).choice(60, 8, replace=False)), intervals=None).starts
    assert hard.finished == 64 and hard.undiscovered > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("units", [{}, {"N": 1e9, "D": 1e12}, {"N": 1e-6, "loss": 1e6}])
def test_an_unknown_laws_starts_fit_the_units(units, runs):
    result = js.fit(MINE, in_units(runs, **units), intervals=None)
    assert result.value == pytest.approx(js.fit(LAW, runs, intervals=None).value, rel=1e-8)
    assert result.starts.at_best >= 5


@pytest.mark.parametrize("count", [1, 7, 64])
def test_a_number_finishes_that_many(count, runs):
    starts = js.fit(LAW, runs, starts=count, intervals=None).starts
    assert (starts.mode, starts.finished, len(starts.value), starts.theta.shape) == ("number", count, count, (count, 5))
    assert starts.screened == starts.count == 64


def test_given_starts_are_run_as_given(runs):
    given = [TRUTH, {"A": 1.0, "B": 1.0, "E": 1.0, "alpha": 0.5, "beta": 0.5}]
    result = js.fit(LAW, runs, starts=given, intervals=None)
    assert (result.starts.mode, result.starts.finished, result.starts.screened) == ("given", 2, 0)
    assert result.value == pytest.approx(js.fit(LAW, runs, intervals=None).value, rel=1e-9)
    pinned = js.fit(LAW, runs, starts=[{k: v for k, v in TRUTH.items() if k != "E"}], fixed={"E": 1.8}, intervals=None)
    assert pinned.params["E"] == 1.8


CASES = {
    "paper without a grid": (js.laws.power_law(), {"starts": "paper"}, "no published grid"),
    "an unknown word": (LAW, {"starts": "grid"}, "starts must be 'auto', 'paper'"),
    "none": (LAW, {"starts": 0}, "at least 1"),
    "an empty list": (LAW, {"starts": []}, "starts is empty"),
    "a missing parameter": (LAW, {"starts": [{"A": 1.0}]}, "misses parameter B, E, alpha, beta"),
    "a parameter that must be positive": (LAW, {"starts": [{**TRUTH, "A": -1.0}]}, "A must be positive"),
    "more than are finite": (CLIFF, {"starts": 64}, "is finite at only"),
}


@pytest.mark.parametrize("name", CASES)
def test_starts_that_cannot_be_used_are_refused(name, runs):
    law, options, message = CASES[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(law, runs, intervals=None, **options)


def test_the_oracles_grid_is_the_laws():
    assert list(itertools.product(*(p.grid for p in LAW.parameters))) == list(map(tuple, PAPER_GRID))
