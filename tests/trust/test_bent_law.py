"""Where the optima of resampled fits lie by a law bent beside the fit, against these optima."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW, swept_frame

import jaxscale as js
from jaxscale._base.settings import in_float64
from jaxscale._problem.losses import HuberLoss, StudentLoss
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._trust.bent_law import bent_laws
from jaxscale._trust.draw_weights import Kind, resampled
from jaxscale._trust.linearization import linearize
from jaxscale._trust.resampling import bootstrap_draws

LINE = js.laws.power_law("D", floor=False)
D = np.geomspace(1e9, 1e12, 40)
NOISE = 0.02 * np.random.default_rng(0).standard_normal(40) * np.linspace(0.5, 2, 40)
RUNS = js.Runs({"D": D}, 30 * D**-0.08 * np.exp(NOISE))
COLUMNS, VALUES = np.stack([np.ones(40), -np.log(D)], axis=1), np.log(RUNS.response)


def begun(law: js.Law, runs: js.Runs, kind: Kind = "pairs", **options):
    """What 300 draws of a fit are fitted to, and where the bent law has their optima."""
    result = js.fit(law, runs, intervals=None, **options)
    with in_float64():
        given = {k: v for k, v in options.items() if k in ("priors", "bounds")}
        problem = make_problem(law, runs, result.objective, noise=result.noise, **given)
        own = resampled(problem, 300, np.random.default_rng(0), None, kind, linearize(problem, result.theta))
        (bent,) = bent_laws(Stack.of([problem]), result.theta[None])
    return result, problem, own, bent


@pytest.mark.parametrize("kind", ["pairs", "wild"])
def test_draws_of_a_straight_law_are_foretold_to_rounding(kind):
    _, _, own, bent = begun(LINE, RUNS, kind, objective=js.SquaredError())
    assert bent is not None
    free, better = bent.near(*own[:3])
    assert better.all()
    for k in range(300):
        root = np.sqrt(own.weights[k, :40])
        target = VALUES if own.response is None else own.response[k, :40]
        expected = np.linalg.lstsq(COLUMNS * root[:, None], target * root, rcond=None)[0]
        np.testing.assert_allclose(free[k], expected, rtol=1e-5)


def test_priors_of_draws_pull_what_is_foretold():
    """By weighted least squares with the prior as one more run, whose centre is drawn anew."""
    objective, priors = js.SquaredError(), {"alpha": (0.1, 0.002)}
    _, problem, own, bent = begun(LINE, RUNS, objective=objective, priors=priors)
    assert problem.loss.prior is not None
    weight = problem.loss.prior.weight
    assert bent is not None
    free, better = bent.near(*own[:3])
    assert better.all() and weight[1] > 0 == weight[0]
    for k in range(300):
        normal = COLUMNS.T @ (own.weights[k, :40, None] * COLUMNS) + np.diag(weight)
        right = COLUMNS.T @ (own.weights[k, :40] * VALUES) + weight * own.centre[k]
        np.testing.assert_allclose(free[k], np.linalg.solve(normal, right), rtol=1e-5)


@pytest.mark.parametrize(
    "objective",
    [js.Huber(), js.Huber("matched"), js.StudentT(), js.Huber(1e-3, overestimate=3.0)],
    ids=["huber", "matched", "student", "edge"],
)
def test_most_draws_are_foretold_much_nearer_than_the_fit_is(objective, runs):
    """As shares of the spread of the draws, themselves found by a solver that does not know the bent law's answer."""
    result, problem, own, bent = begun(LAW, runs, objective=objective)
    stack, near = Stack.of([problem]), result.theta[None]
    with in_float64():
        (found,) = bootstrap_draws(stack, near, draws=300, seed=0, clusters=[None])
    assert bent is not None
    free, better = bent.near(*own[:3])
    assert np.mean(better) > 0.6
    np.testing.assert_array_equal(free[~better], np.broadcast_to(result.theta, free[~better].shape))
    off, away = (np.linalg.norm((x - found)[better] / found.std(axis=0), axis=1) for x in (free, result.theta))
    assert np.median(off) < 0.02 * np.median(away)


def test_nothing_is_foretold_where_a_bound_holds_a_value_or_runs_do_not_determine_one(runs):
    assert begun(LAW, runs, bounds={"alpha": (0.5, 1.0)})[-1] is None
    one_size = replace(RUNS, variables={"N": np.full(40, 1e9), "D": D})
    assert begun(LAW, one_size)[-1] is None
    exact = replace(RUNS, response=30 * D**-0.08)
    assert begun(LINE, exact)[-1] is None  # no scatter that draws could have


def test_draws_end_where_they_do_without_what_is_foretold(monkeypatch):
    """The same objectives, and none above, of a thousand draws beyond those that share the program of the fit."""
    result = js.fit(LAW, js.Runs.from_frame(swept_frame(3, 60, 0.005)), intervals=None)
    told = js.bootstrap(result, draws=1100).draws
    monkeypatch.setattr("jaxscale._trust.resampling.bent_laws", lambda stack, free: [None] * len(stack))
    np.testing.assert_allclose(told, js.bootstrap(result, draws=1100).draws, atol=5e-5)


@pytest.mark.parametrize("loss", [HuberLoss(0.3, 1.0), StudentLoss(0.3, 4.0, 1.0)], ids=["huber", "student"])
@pytest.mark.parametrize("outer_share", [0.0, 0.3, 1.0])
def test_scores_and_their_slopes_are_those_of_the_solver(loss, outer_share):
    residual = np.random.default_rng(0).standard_normal((3, 50))
    score, slope = np.empty_like(residual), np.empty_like(residual)
    loss.scores(residual, outer_share, score, slope)
    with in_float64():
        expected = loss.curvature(residual, np.ones_like(residual), np.float64(outer_share))[0]
    np.testing.assert_allclose(score, loss.score(residual), rtol=1e-12)
    np.testing.assert_allclose(slope, expected, rtol=1e-12, atol=1e-15)
