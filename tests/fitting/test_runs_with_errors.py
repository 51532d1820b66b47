"""Runs whose losses have standard errors: the residual of each counts in units of its own."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import table_of
from scipy.optimize import minimize, root
from scipy.special import huber

import jaxscale as js
from jaxscale._analyses.comparison.trials import attempts_of
from jaxscale._analyses.diagnostics.run_sensitivity import moves_of_responses
from jaxscale._base.settings import in_float64
from jaxscale._problem.problem import make_problem
from jaxscale._trust.draw_weights import wild_responses
from jaxscale._trust.linearization import linearize

ERRORS = np.tile([0.4, 4.0], 30)  # of sixty runs, every second ten times as uncertain
DELTA = 2e-3


def with_errors(seed: int = 3, sigma: float = 0.004) -> js.Runs:
    """Sixty runs with noise `sigma` times their errors, which are over the typical one."""
    runs = sweep(noise=1e-9)
    errors = ERRORS * np.sqrt(np.mean(ERRORS**-2.0))
    noise = sigma * errors * np.random.default_rng(seed).standard_normal(60)
    return replace(runs, response=runs.response * np.exp(noise), errors=errors)


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return with_errors()


@pytest.fixture(scope="module")
def result(runs: js.Runs) -> js.FitResult:
    return js.fit(LAW, runs, objective=js.Huber(DELTA), intervals="quick")


def test_the_optimum_is_that_of_the_objective_written_out(runs: js.Runs, result: js.FitResult) -> None:
    """The oracle has one delta for all, so it is asked for each half of the runs: Huber's function of r / s with delta
    is that of r with delta s, over s^2."""
    halves = [runs.subset(runs.errors == e) for e in np.unique(runs.errors)]
    tables = [table_of(x, delta=DELTA * x.errors[0], weights=x.errors[0] ** -2.0) for x in halves]

    def written_out(theta: np.ndarray) -> float:
        return float(np.sum(huber(DELTA, table_of(runs).residuals(theta) / runs.errors)))

    def slope(theta: np.ndarray) -> np.ndarray:
        return np.sum([t.value_and_gradient(theta)[1] for t in tables], axis=0)

    near = result.theta + 1e-4 * np.array([1, -1, 0.1, 0.1, -0.1])
    assert sum(t.value(near) for t in tables) == pytest.approx(written_out(near), rel=1e-12)
    scipy = minimize(written_out, near, jac=slope, method="BFGS", options={"gtol": 1e-10}).x
    scipy = root(slope, scipy, tol=1e-14).x
    assert result.value == pytest.approx(written_out(scipy), rel=1e-12)
    np.testing.assert_allclose(result.theta, scipy, rtol=1e-9)


def test_weights_by_hand_multiply_the_objective_as_they_did(runs: js.Runs, result: js.FitResult) -> None:
    """With squares both are one; with Huber's function they are two, which the optima show."""
    bare = replace(runs, errors=None)
    by_weight = js.fit(LAW, bare, objective=js.Huber(DELTA), weights=runs.errors**-2.0, intervals=None)
    assert np.abs(by_weight.theta - result.theta).max() > 1e-3
    squares = [
        js.fit(LAW, x, objective=js.SquaredError(), intervals=None, **more)
        for x, more in ((runs, {}), (bare, {"weights": runs.errors**-2.0}))
    ]
    np.testing.assert_allclose(squares[0].theta, squares[1].theta, rtol=1e-8)
    given = js.fit(LAW, runs, objective=js.Huber(DELTA), weights=runs.errors**-2.0, intervals=None)
    assert given.theta.tolist() == by_weight.theta.tolist()  # they stand in the place of errors


def test_equal_errors_change_nothing() -> None:
    bare = sweep()
    same = replace(bare, errors=np.ones(bare.count))
    a, b = (js.fit(LAW, x, objective=js.Huber(DELTA), intervals="quick").to_dict() for x in (bare, same))
    assert a["runs"].pop("sha256") != b["runs"].pop("sha256")
    assert b["runs"].pop("errors") == [1.0] * bare.count
    assert a["runs"].pop("conventions") == {}
    assert b["runs"].pop("conventions") == {"loss_se": "residuals in units of each run's standard error"}
    assert a == b


def test_on_plain_losses_errors_are_those_of_the_losses(runs: js.Runs) -> None:
    problem = make_problem(LAW, runs, js.Huber(DELTA, space="raw"))
    absolute = runs.errors * runs.response
    np.testing.assert_allclose(problem.whitening * absolute, (problem.whitening * absolute)[0], rtol=1e-12)
    assert np.mean(problem.whitening**2) == pytest.approx(1.0)
    np.testing.assert_allclose(problem.observed, runs.response, rtol=1e-14)


def test_the_verdict_counts_runs_by_their_errors(result: js.FitResult) -> None:
    """Thirty of 60 runs weigh a hundredth: (30.3)^2 / 30.003 = 30.6 runs of equal weight."""
    told = [r for r in result.verdict.reasons if r.code == "uneven_weights"]
    assert [r.severity for r in told] == ["info"] and "60 runs are worth 30.6 of equal weight" in told[0].text
    assert "standard errors" in told[0].text
    assert result.verdict.trustworthy and "gradient_not_zero" not in result.verdict.codes
    assert result.sigma == pytest.approx(0.004, rel=0.2)  # of a run of typical error


def test_what_comes_after_a_fit_knows_of_errors(runs: js.Runs, result: js.FitResult, tmp_path) -> None:
    result.save(tmp_path / "fit.json")
    again = js.load(tmp_path / "fit.json")
    draws = [js.bootstrap(x, draws=40, seed=3).theta for x in (result, again)]
    assert draws[0].tolist() == draws[1].tolist()
    problem = make_problem(LAW, runs, result.objective)
    with in_float64():
        at = linearize(problem, problem.reduce(result.theta))
        signed = wild_responses(problem, at, 2, np.random.default_rng(0), None)[:, : runs.count]
    fitted = np.log(result.law.predict(result.params, N=runs.variables["N"], D=runs.variables["D"]))
    off = np.log(runs.response) - fitted
    shrunk = 1 - at.leverage
    np.testing.assert_allclose(np.abs(signed * runs.errors - fitted), np.abs([off / shrunk] * 2), rtol=1e-6, atol=1e-12)
    without = js.influence(result, exact=True)
    k = int(np.nanargmax(without.pull))
    refit = js.fit(LAW, runs.subset(np.arange(60) != k), objective=result.objective, intervals=None)
    np.testing.assert_allclose(without.theta[k], refit.theta - result.theta, atol=1e-6)
    np.testing.assert_allclose(without.predicted[k], refit.predict(N=runs.variables["N"][k], D=runs.variables["D"][k]))


def test_what_a_loss_moves_is_what_a_refit_shows(runs: js.Runs) -> None:
    """Of squares, of which a refit to one loss .01 % higher is the second route; and what is predicted of runs held
    out is the law's."""
    squares = {"objective": js.SquaredError(), "intervals": "quick"}
    result, k = js.fit(LAW, runs, **squares), 50
    problem = make_problem(LAW, runs, result.objective)
    with in_float64():
        moves, _ = moves_of_responses(problem, problem.reduce(result.theta))
    other = js.fit(LAW, replace(runs, response=runs.response * np.exp(1e-5 * (np.arange(60) == k))), **squares)
    np.testing.assert_allclose(moves[:, k], (other.theta - result.theta) / 1e-5, rtol=1e-3)
    held = runs.response < 2.6
    (trial,) = attempts_of(LAW, runs, [held], {"objective": js.SquaredError()})
    np.testing.assert_allclose(trial.response, LAW.predict(trial.result.params, **runs.variables), rtol=1e-9)


@pytest.mark.slow
def test_intervals_hold_the_truth_and_errors_are_smaller_where_noise_differs_tenfold() -> None:
    """200 tables, 90 % intervals of the default fit; beside it the same runs with weights by inverse variance, under
    which Huber's delta is one number for all."""
    runs, tables = sweep(noise=1e-9), {}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        errors = 10 ** rng.uniform(-1, 0, 60)
        errors = errors * np.sqrt(np.mean(errors**-2.0))
        noise = 0.004 * errors * rng.standard_normal(60)
        tables[str(seed)] = replace(runs, response=runs.response * np.exp(noise), errors=errors)
    weighed = {k: replace(t, errors=None, weights=t.errors**-2.0) for k, t in tables.items()}
    fits = [fit for _, fit in js.fit_many(LAW, tables)]
    before = [fit for _, fit in js.fit_many(LAW, weighed, intervals=None)]
    for name in ("alpha", "beta", "E"):
        low, high = np.array([fit.intervals.params[name] for fit in fits]).T
        assert 0.87 <= np.mean((low <= TRUTH[name]) & (TRUTH[name] <= high)) <= 0.93
        off, off_before = (np.array([fit.params[name] for fit in x]) - TRUTH[name] for x in (fits, before))
        assert np.mean(off**2) < np.mean(off_before**2)
    assert all(fit.verdict.trustworthy for fit in fits)
