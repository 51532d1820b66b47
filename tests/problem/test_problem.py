"""Weights, fixed and tied parameters and bounds: what is left is the optimum of SciPy."""

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import minimise, table_of

import jaxscale as js

THETA = LAW.theta(TRUTH)


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    """Sixty runs, with noise of 2 %: enough to tell objectives apart."""
    return sweep(noise=0.02, bad=3, seed=4)


def quick_fit(runs, **options) -> js.FitResult:
    return js.fit("chinchilla", runs, intervals=None, **options)


@pytest.mark.slow
def test_weights_count_runs(runs):
    """A run of weight two is two runs, one of weight zero is none."""
    few = runs.subset(slice(0, 40))
    times = np.random.default_rng(2).integers(0, 3, few.count)
    weighted = quick_fit(few, weights=times.astype(float))
    repeated = quick_fit(few.subset(np.repeat(np.arange(few.count), times)))
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-8)
    assert weighted.value == pytest.approx(repeated.value, rel=1e-12)


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
    ("law", "columns", "message"),
    [
        (
            "chinchilla",
            {"N": [1e6, 1e7]},
            r"no variable 'D'.*-D COLUMN.*fit a law of N alone: jaxscale fit --law power_law \(laws",
        ),
        (
            "power_law",
            {"C": [1e18, 1e19]},
            r"no variable 'N'.*of C alone: jaxscale fit --law 'power_law\(variable=C\)' \(laws.power",
        ),
        (
            "power_law",
            {"N": [1e6, 1e7], "response": [-3.0, 2.0]},
            r"row 1: 'elo' is -3, .*real=true.*log_law\(variable=N",
        ),
    ],
)
def test_a_law_that_would_do_is_named_where_this_one_cannot(law, columns, message):
    columns = {"response": [3.0, 2.0], **columns}
    runs = js.Runs(
        {k: np.array(v) for k, v in columns.items() if k != "response"}, np.array(columns["response"]), "elo"
    )
    with pytest.raises(js.InputError, match=message):
        js.fit(law, runs)
