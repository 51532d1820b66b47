"""The optimum of every objective by second routes: SciPy, linear programmes, limits."""

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import Table, least_absolute, minimise, table_of
from scipy.optimize import least_squares

import jaxscale as js
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
    "lower edge": js.LowerEdge(0.2),
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


def quick_fit(runs, **options) -> js.FitResult:
    return js.fit("chinchilla", runs, intervals=None, **options)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if n not in ("absolute", "student")])
def test_the_optimum_is_scipys(name, runs):
    objective = OBJECTIVES[name]
    table = table_for(runs, objective)
    result = quick_fit(runs, objective=objective)
    oracle = minimise(table, THETA)
    assert result.value == pytest.approx(table.value(result.theta), rel=1e-11)
    assert result.value <= table.value(oracle) * (1 + 1e-11)
    np.testing.assert_allclose(result.theta, oracle, rtol=2e-3)
    assert result.gradient_norm < 1e-7


@pytest.mark.parametrize("space", ["log", "raw"])
def test_least_squares_is_scipys(space, runs):
    table = table_of(runs, delta=np.inf, raw=space == "raw")
    found = least_squares(table.residuals, THETA, table.jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    result = quick_fit(runs, objective=js.SquaredError(space=space))
    np.testing.assert_allclose(result.theta, found.x, rtol=1e-6)
    assert result.value == pytest.approx(found.cost, rel=1e-11)


def test_least_absolute_deviations_is_the_linear_programmes(runs):
    """A vertex: as many residuals vanish as there are parameters. Reached exactly by successive linear programmes."""
    theta, least = least_absolute(table_of(runs), THETA)
    close = quick_fit(runs, objective=js.AbsoluteError(delta=1e-9))
    np.testing.assert_allclose(close.theta, theta, rtol=1e-6)
    assert close.value == pytest.approx(least, rel=1e-8)
    assert np.sum(np.abs(table_of(runs).residuals(theta)) < 1e-9) >= 5
    assert quick_fit(runs, objective=js.AbsoluteError()).value == pytest.approx(least, rel=1e-5)


def test_a_wide_huber_is_least_squares_and_a_narrow_one_least_absolute(runs):
    squares, absolute = quick_fit(runs, objective=js.SquaredError()), quick_fit(runs, objective=js.AbsoluteError())
    wide, narrow = quick_fit(runs, objective=js.Huber(10.0)), quick_fit(runs, objective=js.Huber(1e-7))
    assert wide.value == pytest.approx(squares.value, rel=1e-12)
    np.testing.assert_allclose(wide.theta, squares.theta, rtol=1e-7)
    assert narrow.value / 1e-7 == pytest.approx(absolute.value, rel=1e-4)


def test_an_overestimate_costs_more_so_the_law_moves_down(runs):
    even, uneven = quick_fit(runs, objective=js.Huber(0.05)), quick_fit(runs, objective=js.Huber(0.05, overestimate=10))
    above = [float(np.mean(f.predict(**runs.variables) > runs.response)) for f in (even, uneven)]
    assert above[1] < 0.35 < above[0]


def test_the_edge_of_a_half_is_the_middle():
    assert js.LowerEdge(0.5).losses(1.0) == js.Huber().losses(1.0)


@pytest.mark.slow
def test_a_lower_edge_is_where_runs_pile_up_and_the_middle_is_not():
    """Losses above an edge by exponential scatter that grows with N, as of settings that only small models were tuned
    for. The share q of the runs lies below the edge times (1 - q)^-scatter."""
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e22, 12), 20)
    scatter = 0.004 * (N / N.min()) ** 0.45
    above = scatter * np.random.default_rng(3).exponential(size=N.size)
    runs = js.Runs({"N": N, "D": D}, LAW.predict(TRUTH, N=N, D=D) * np.exp(above))
    edge, middle = quick_fit(runs, objective=js.LowerEdge(0.05)), quick_fit(runs)
    a = [f.params["beta"] / (f.params["alpha"] + f.params["beta"]) for f in (edge, middle)]
    truth = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
    assert abs(a[0] - truth) < 0.02 and abs(a[1] - truth) > 0.08
    below = np.log(edge.predict(N=N, D=D) / runs.response)
    assert np.mean(below > 1e-3) <= 0.05 <= np.mean(below > -1e-3)  # delta is 1e-3
    assert edge.gradient_norm < 1e-7 and edge.starts.at_best >= 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: js.Huber(0.0),
        lambda: js.Huber(-1e-3),
        lambda: js.Huber(float("inf")),
        lambda: js.Huber(float("nan")),
        lambda: js.Huber(overestimate=0.0),
        lambda: js.Huber(space="sqrt"),
        lambda: js.SquaredError(space="LOG"),
        lambda: js.SquaredError(overestimate=float("inf")),
        lambda: js.AbsoluteError(delta=0.0),
        lambda: js.LowerEdge(delta=0.0),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(make):
    with pytest.raises(js.InputError, match="must be"):
        make()


@pytest.mark.parametrize("q", [0.0, 0.6, 10, float("nan"), "matched"])
def test_a_share_below_the_edge_that_makes_no_sense_is_refused(q):
    with pytest.raises(js.InputError, match="must lie between 0 and"):
        js.LowerEdge(q)
