"""Kinds of resampling: weights as they are drawn, and draws of least squares in closed form."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import LAW, swept_frame
from scipy.optimize import least_squares

import jaxscale as js
from jaxscale._base.settings import in_float64
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._trust import resampling
from jaxscale._trust.draw_weights import resampled, resampling_weights
from jaxscale._trust.interval_method import MORE_PAIRS
from jaxscale._trust.linearization import linearize
from jaxscale._trust.resampling import bootstrap_draws


def test_draws_count_runs_times_their_own_weights(runs):
    own = np.linspace(0.5, 2.0, runs.count)
    problem = make_problem(LAW, replace(runs, weights=own), js.Huber())
    weights = resampling_weights(problem, 50, np.random.default_rng(3), None)
    times = weights[:, : runs.count] / own
    np.testing.assert_allclose(times, np.round(times), atol=1e-12)
    np.testing.assert_allclose(times.sum(axis=1), runs.count)
    assert weights.shape[1] == problem.points.response.shape[0] and not weights[:, runs.count :].any()
    np.testing.assert_allclose(times.var(), 1 - 1 / runs.count, rtol=0.05)  # multinomial
    drawn = resampled(problem, 50, np.random.default_rng(3), None).weights[:, : runs.count] / own
    np.testing.assert_allclose(drawn.sum(axis=1), runs.count)
    more = drawn * (runs.count + MORE_PAIRS) / runs.count
    np.testing.assert_allclose(more, np.round(more), atol=1e-12)


def test_draws_of_few_parameters_have_as_many_runs_as_there_are(runs):
    """Where E is held, two more made 90 % intervals hold 87 %, see `studies.coverage_asked`; steps of a chain must draw
    the same runs, and say how many."""
    four = make_problem(LAW, runs, js.Huber(), fixed={"E": 1.69})
    rng = np.random.default_rng
    drawn, alike = (
        resampled(problem, 50, rng(3), None, more=more).weights[:, : runs.count]
        for problem, more in ((four, None), (make_problem(LAW, runs, js.Huber()), 0))
    )
    np.testing.assert_array_equal(drawn, np.round(drawn))
    np.testing.assert_array_equal(drawn, alike)
    chained = resampled(four, 50, rng(3), None, more=MORE_PAIRS).weights
    np.testing.assert_array_equal(chained, resampled(make_problem(LAW, runs, js.Huber()), 50, rng(3), None).weights)


def test_clusters_move_whole(runs):
    clusters = tuple(f"run {k // 6}" for k in range(runs.count))
    problem = make_problem(LAW, runs, js.Huber())
    times = resampling_weights(problem, 40, np.random.default_rng(0), clusters)[:, : runs.count].reshape(40, 10, 6)
    np.testing.assert_array_equal(times, np.repeat(times[:, :, :1], 6, axis=2))
    np.testing.assert_array_equal(times[:, :, 0].sum(axis=1), 10)


LINE = js.laws.power_law("D", floor=False)
CLUSTERS = tuple(f"run {k // 4}" for k in range(40))


def line(**options) -> js.Runs:
    D = np.geomspace(1e9, 1e12, 40)
    noise = 0.02 * np.random.default_rng(0).standard_normal(40) * np.linspace(0.5, 2, 40)
    return replace(js.Runs({"D": D}, 30 * D**-0.08 * np.exp(noise)), **options)


def squares(**options) -> js.FitResult:
    return js.fit(LINE, line(**options), objective=js.SquaredError(), intervals=None)


def straight(runs: js.Runs) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the slopes of log loss in theta, (n, 2), and log loss."""
    logs = np.log(runs.variables["D"])
    return np.stack([np.ones_like(logs), -logs], axis=1), np.log(runs.response)


def test_bayesian_weights_are_dirichlets_and_clusters_move_whole():
    own = np.linspace(0.5, 2.0, 40)
    problem = make_problem(LINE, line(weights=own), js.Huber())
    weights = resampling_weights(problem, 4000, np.random.default_rng(0), None, "bayesian")
    times = weights[:, :40] / own
    assert np.all(times > 0) and not weights[:, 40:].any()
    np.testing.assert_allclose(times.sum(axis=1), 40)
    np.testing.assert_allclose(times.var(), 39 / 41, rtol=0.02)  # n^2 times that of a flat Dirichlet distribution
    whole = resampling_weights(problem, 10, np.random.default_rng(0), CLUSTERS, "bayesian")[:, :40] / own
    np.testing.assert_allclose(whole.reshape(10, 10, 4), np.repeat(whole[:, ::4, None], 4, axis=2))


def test_draws_are_least_squares_without_the_runs_that_they_leave_out(monkeypatch):
    result, draws = squares(), 1100  # more than share the program of the fit
    monkeypatch.setattr(resampling, "_most_drawn", lambda runs: 25)  # half of the draws have more
    problem = make_problem(LINE, result.runs, js.SquaredError())
    drawn = js.bootstrap(result, draws=draws, seed=5).draws
    weights = resampled(problem, draws, np.random.default_rng(5), None).weights[:, : result.runs.count]
    columns, values = straight(result.runs)
    for theta, w in zip(drawn, weights, strict=True):
        expected = np.linalg.lstsq(columns * np.sqrt(w)[:, None], values * np.sqrt(w), rcond=None)[0]
        np.testing.assert_allclose(theta, expected, rtol=1e-8)
    distinct = (weights > 0).sum(axis=1)
    assert distinct.max() <= 40 and 0.2 < np.mean(distinct > 25) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [None, CLUSTERS], ids=["runs", "clusters"])
@pytest.mark.parametrize("kind", ["bayesian", "wild"])
def test_every_draw_is_least_squares_of_its_own_runs(kind, clusters):
    result = squares(clusters=clusters)
    X, y = straight(line())
    problem = make_problem(LINE, line(), result.objective)
    with jax.enable_x64(True):
        at = linearize(problem, result.theta)
        options = {"draws": 600, "seed": 4, "clusters": [clusters], "kind": kind}
        (draws,) = bootstrap_draws(Stack.of([problem]), result.theta[None], **options)
    own = resampled(problem, 600, np.random.default_rng(4), clusters, kind, at)
    hat = np.einsum("ij,ji->i", X, np.linalg.solve(X.T @ X, X.T))
    off = (y - X @ result.theta) / (1 - hat)
    for k in range(600):
        weights, target = own.weights[k, :40], y
        if kind == "wild":
            target = own.response[k, :40]
            np.testing.assert_allclose(np.abs(target - X @ result.theta), np.abs(off), rtol=1e-6, atol=1e-12)
            signs = np.sign((target - X @ result.theta) * off)
            assert clusters is None or len(set(map(tuple, signs.reshape(10, 4)))) <= 2
        theta = np.linalg.solve(X.T @ (weights[:, None] * X), X.T @ (weights * target))
        np.testing.assert_allclose(draws[k], theta, rtol=1e-7)
    if kind == "wild" and clusters is None:  # their covariance is MacKinnon and White's (1985) HC3
        bread = np.linalg.inv(X.T @ X)
        hc3 = bread @ (X.T @ (off[:, None] ** 2 * X)) @ bread
        np.testing.assert_array_equal(js.bootstrap(result, kind="wild", draws=600, seed=4).draws, draws)
        np.testing.assert_allclose(draws.std(axis=0), np.sqrt(np.diag(hc3)), rtol=0.1)


@pytest.mark.slow
def test_wild_draws_of_students_t_are_scipys():
    result = js.fit(LINE, line(), objective=js.StudentT(), intervals=None)
    problem = make_problem(LINE, line(), result.objective)
    with jax.enable_x64(True):
        own = resampled(problem, 20, np.random.default_rng(1), None, "wild", linearize(problem, result.theta))
    X, _ = straight(line())

    def loss(z):
        return np.stack([4 * np.log1p(z / 4), 1 / (1 + z / 4), -0.25 / (1 + z / 4) ** 2])

    for theta, target in list(zip(js.bootstrap(result, kind="wild", draws=20).draws, own.response, strict=True))[:5]:
        found = least_squares(
            lambda x, y=target[:40]: X @ x - y, result.theta, loss=loss, f_scale=result.objective.scale,
            xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac",
        )  # fmt: skip
        np.testing.assert_allclose(theta, found.x, rtol=1e-6)


@pytest.mark.slow
def test_the_last_few_of_many_draws_go_with_the_others_and_end_no_higher_than_alone(monkeypatch):
    """4,096 draws go side by side, so those of a fifth table are left over. Alone they take Newton's steps, by which
    one of these thousand ends in an optimum that is .03 % worse; all others end in the same."""
    asked, ended = [], []
    solve, refit = resampling.solve_stack, resampling._refit

    def noted(stack, optimizer, table, free, **options):
        asked.append((len(free), options.get("smallest")))
        return solve(stack, optimizer, table, free, **options)

    def kept(stack, table, start, parts, *options):
        own = resampling._joined(parts, stack.stages[-1].points.response.shape[-1])
        ended.append((stack, own.weights[table == 4 % len(stack)], refit(stack, table, start, parts, *options)))
        return ended[-1][-1]

    monkeypatch.setattr(resampling, "solve_stack", noted)
    monkeypatch.setattr(resampling, "_refit", kept)
    tables = {str(k): swept_frame(k, 40, 0.01) for k in range(5)}
    told = {"N": "N", "D": "D", "loss": "loss", "intervals": "bootstrap"}
    js.fit_many(LAW, tables, **told)
    assert [one for one in asked if one[1]] == [(4000, 4096), (1000, 4096)]
    js.fit_many(LAW, {"4": tables["4"]}, **told)
    (_, theirs, together), (stack, weights, alone) = ended[1:]
    count = stack.first.count
    np.testing.assert_array_equal(theirs[:, :count], weights[:, :count])
    with in_float64():
        share = resampling._contributions(stack.first.task)
        heights = [np.einsum("nr,nr->n", weights, np.asarray(share(x, stack.one(0)))) for x in (together, alone)]
    assert np.all(heights[0] <= heights[1] * (1 + 1e-10))
    same = heights[1] <= heights[0] * (1 + 1e-10)
    assert same.sum() >= 999
    np.testing.assert_allclose(together[same], alone[same], atol=5e-5)
