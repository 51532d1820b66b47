"""The objective by second routes: SciPy for values and optima, finite differences for slopes."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from oracles import Table, least_absolute, minimise, table_of
from scipy.optimize import least_squares

import jaxscale as js
from jaxscale._problem.evaluate import evaluator, value_of
from jaxscale._problem.problem import make_problem

TRUTH = js.laws.chinchilla.published["besiroglu"].params
THETA = js.laws.chinchilla.theta(TRUTH)

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
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    return js.synthetic.observe(js.laws.chinchilla, TRUTH, {"N": N, "D": D}, noise=0.02, bad=3, seed=4)


def table_for(runs: js.Runs, objective, **options) -> Table:
    problem = make_problem(js.laws.chinchilla, runs, objective)
    raw = objective.space == "raw"
    freedom = objective.freedom if objective.kind == "student" else None
    more = {"overestimate": objective.overestimate, "raw": raw, "freedom": freedom}
    return table_of(runs, delta=problem.loss.size, **more, **options)


def quick_fit(runs, **options) -> js.FitResult:
    return js.fit("chinchilla", runs, intervals=None, **options)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_value_slope_and_curvature_anywhere(name, runs):
    """Values against SciPy's Huber function, slopes and curvature against central differences of the oracle."""
    objective = OBJECTIVES[name]
    weights = np.random.default_rng(0).uniform(0.5, 3.0, runs.count)
    table = table_for(runs, objective, weights=weights)
    problem = make_problem(js.laws.chinchilla, replace(runs, weights=weights), objective)
    lanes = THETA + 0.05 * np.random.default_rng(1).standard_normal((4, 5))
    with jax.enable_x64(True):
        found = jax.jit(evaluator(problem.task, exact=True))(lanes, problem.tables())
        alone = [value_of(problem.task)(x, problem.tables()) for x in lanes]
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


@pytest.mark.slow
def test_weights_count_runs(runs):
    """A run of weight two is two runs, one of weight zero is none."""
    few = runs.subset(slice(0, 40))
    times = np.random.default_rng(2).integers(0, 3, few.count)
    weighted = quick_fit(few, weights=times.astype(float))
    repeated = quick_fit(few.subset(np.repeat(np.arange(few.count), times)))
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-8)
    assert weighted.value == pytest.approx(repeated.value, rel=1e-12)


def test_an_overestimate_costs_more_so_the_law_moves_down(runs):
    even, uneven = quick_fit(runs, objective=js.Huber(0.05)), quick_fit(runs, objective=js.Huber(0.05, overestimate=10))
    above = [float(np.mean(f.predict(**runs.variables) > runs.response)) for f in (even, uneven)]
    assert above[1] < 0.35 < above[0]


@pytest.mark.slow
def test_a_fixed_parameter_stays_and_the_rest_is_scipys(runs):
    table = table_of(runs)
    result = quick_fit(runs, fixed={"E": 1.75})
    assert result.params["E"] == 1.75
    oracle = minimise(table, np.where(np.arange(5) == 2, np.log(1.75), THETA), free=[0, 1, 3, 4])
    assert result.value <= table.value(oracle) * (1 + 1e-11)
    np.testing.assert_allclose(result.theta, oracle, rtol=2e-3)
    slope = table.gradient(result.theta)
    size = np.linalg.norm(table.jacobian(result.theta), axis=0) * np.linalg.norm(table.scores(result.theta))
    assert np.all(np.abs(slope / size)[[0, 1, 3, 4]] < 1e-7) and abs(slope / size)[2] > 1e-4


@pytest.mark.slow
def test_tied_parameters_share_one_value_and_their_slopes_cancel(runs):
    result = quick_fit(runs, tied=[("alpha", "beta")])
    assert result.params["alpha"] == result.params["beta"]
    table = table_of(runs)
    slope = table.gradient(result.theta)
    size = np.linalg.norm(table.jacobian(result.theta), axis=0) * np.linalg.norm(table.scores(result.theta))
    assert abs(slope[3] + slope[4]) < 1e-7 * min(size[3:]) < abs(slope[3])
    built_in = js.Law.from_loss(lambda A, B, E, k, *, N, D: E + A / N**k + B / D**k, name="one_exponent")
    same = js.fit(built_in, runs, intervals=None)
    assert same.value == pytest.approx(result.value, rel=1e-10)
    assert same.params["k"] == pytest.approx(result.params["alpha"], rel=1e-7)
    assert result.value > quick_fit(runs).value


def test_a_bound_that_binds_says_so_and_the_rest_is_scipys(runs):
    bounds = {"E": (None, 1.7), "beta": (0.2, 0.9)}
    result = quick_fit(runs, bounds=bounds)
    assert result.params["E"] == pytest.approx(1.7, rel=1e-12)
    assert "at_bound" in result.verdict.codes and not result.verdict.trustworthy
    assert "E sits on its upper bound" in str(result.verdict)
    table = table_of(runs)
    limits = [(None, None), (None, None), (None, np.log(1.7)), (None, None), (0.2, 0.9)]
    oracle = minimise(table, np.where(np.arange(5) == 2, np.log(1.6), THETA), bounds=limits)
    assert result.value <= table.value(oracle) * (1 + 1e-11)
    np.testing.assert_allclose(result.theta, oracle, rtol=2e-3)


def test_a_bound_that_does_not_bind_changes_nothing(runs):
    free, bound = quick_fit(runs), quick_fit(runs, bounds={"E": (1.0, 3.0), "alpha": (None, 5.0)})
    np.testing.assert_allclose(bound.theta, free.theta, rtol=1e-8)
    assert bound.verdict.codes == free.verdict.codes


@pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")  # ten is few parameters
def test_a_response_that_may_be_negative_is_never_logged():
    law = js.Law.from_loss(
        lambda a, b, *, N: a - b * N**-0.5,
        name="score",
        positive=("b",),
        response=js.laws.Variable("score", domain="real"),
    )
    N = np.geomspace(1.0, 100.0, 50)
    score = 0.3 - 2.0 * N**-0.5 + 1e-3 * np.random.default_rng(0).standard_normal(50)
    runs = js.Runs.from_frame({"N": N, "score": score}, response="score", domains={"response": "real"})
    result = js.fit(law, runs, objective=js.SquaredError(), intervals="quick")
    b, a = np.polyfit(-(N**-0.5), score, 1)
    assert (score < 0).any() and result.params == pytest.approx({"a": a, "b": b}, rel=1e-8)
    assert result.predict(N=4.0) == pytest.approx(a - b / 2, rel=1e-8)


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
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(make):
    with pytest.raises(js.InputError, match="must be"):
        make()
