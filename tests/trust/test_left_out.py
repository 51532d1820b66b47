"""What leaving out runs does, from the linearized law, against a closed form and against refits of the law itself."""

import jax
import numpy as np
import pytest
from helpers import LAW, TRUTH
from scipy.stats import spearmanr

import jaxscale as js
from jaxscale._fitting.result import problem_of
from jaxscale._problem.losses import HuberLoss, Prior
from jaxscale._trust.left_out import changes_without, uncorrelated
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale._trust.questions import answered


def linear(loss, n=25, p=3, seed=0) -> Linearization:
    """A straight fit by least squares of n runs, at its optimum."""
    rng = np.random.default_rng(seed)
    jacobian, observed, weights = rng.standard_normal((n, p)), rng.standard_normal(n), rng.uniform(0.5, 2, n)
    prior = np.zeros(p) if loss.prior is None else loss.prior.weight
    free = np.linalg.solve(
        jacobian.T @ (jacobian * weights[:, None]) + np.diag(prior), jacobian.T @ (weights * observed)
    )
    residuals = jacobian @ free - observed
    return Linearization(
        tuple("abc"), residuals, jacobian, weights * residuals, weights, loss, np.zeros(p, bool), free
    )  # fmt: skip


@pytest.mark.parametrize("prior", [None, Prior(np.zeros(3), np.array([2.0, 0.0, 0.5]))])
def test_for_squares_it_is_the_jackknife(prior):
    """Change without run i: H^-1 J_i w_i r_i / (1 - h_i) (Belsley, Kuh & Welsch 1980, Eq. 2.1)."""
    at = linear(HuberLoss(np.inf, 1.0, prior))
    hessian = at.jacobian.T @ (at.jacobian * at.weights[:, None]) + np.diag(at.precision)
    steps = np.linalg.solve(hessian, (at.jacobian * at.psi[:, None]).T).T
    hat = at.weights * np.einsum("ni,ni->n", at.jacobian, np.linalg.solve(hessian, at.jacobian.T).T)
    found = dict(answered(changes_without(at, np.arange(25), np.eye(3), *uncorrelated([at]))))
    assert sorted(found) == list(range(25))
    for k, change in found.items():
        assert change == pytest.approx(steps[k] / (1 - hat[k]), rel=1e-7)


def test_runs_of_several_rows_are_left_out_whole():
    at = linear(HuberLoss(np.inf, 1.0))
    for unit, change in answered(changes_without(at, np.arange(25) // 5, np.eye(3), *uncorrelated([at]))):
        kept = np.arange(25) // 5 != unit
        heavy = np.sqrt(at.weights[kept])[:, None]
        refitted, *_ = np.linalg.lstsq(
            heavy * at.jacobian[kept], heavy[:, 0] * (at.jacobian @ at.free - at.residuals)[kept]
        )
        assert change == pytest.approx(refitted - at.free, rel=1e-6)


def _tables():
    rng = np.random.default_rng(1)
    N, ratio = np.meshgrid(np.geomspace(3e7, 6e9, 6), np.geomspace(5, 500, 6))
    sizes = np.exp(rng.uniform(np.log(1e7), np.log(1e10), 60))
    yield *js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 5), 0.004 * rng.standard_normal(30)
    yield N.ravel(), (N * ratio).ravel(), 0.004 * rng.standard_t(3, 36)
    yield sizes, sizes * np.exp(rng.uniform(np.log(3), np.log(400), 60)), 0.01 * rng.standard_normal(60)


def _best_n_without(result: js.FitResult, runs: js.Runs, budget: float) -> tuple[np.ndarray, np.ndarray]:
    """Runs, and how far the log of the best N (Hoffmann et al. 2022, Eq. 4) moves without each."""
    problem = problem_of(result, runs)
    free = problem.reduce(result.theta)

    def log_n(free):
        p = dict(zip(LAW.parameter_names, free, strict=True))
        share = np.log(p["alpha"] / p["beta"]) + p["A"] - p["B"] + p["beta"] * np.log(budget / 6)
        return share / (p["alpha"] + p["beta"])

    slopes = np.array([log_n(free + h) - log_n(free - h) for h in 1e-5 * np.eye(5)]) / 2e-5
    with jax.enable_x64(True):
        at = linearize(problem, free)
        found = dict(answered(changes_without(at, np.arange(runs.count), slopes[None], *uncorrelated([at]))))
    return np.array(list(found)), np.array([log_n(free + x) - log_n(free) for x in found.values()])


@pytest.mark.slow
def test_runs_are_ranked_as_by_refits_and_those_that_decide_the_demonstration_are_named():
    """By how much the best N at ten times the compute moves without each run, against refits of the law."""
    demo = js.Runs.from_frame(js.synthetic.demo_frame())
    made = [js.Runs({"N": N, "D": D}, LAW.predict(TRUTH, N=N, D=D) * np.exp(e)) for N, D, e in _tables()]
    for runs in (demo, *made):
        result = js.fit(LAW, runs, intervals="quick")
        compute = 6 * float(np.max(runs.variable("N") * runs.variable("D")))
        refits = js.influence(result, budget=10 * compute)
        chosen, changes = _best_n_without(result, runs, 10 * compute)
        assert spearmanr(np.abs(refits.change)[chosen], np.abs(changes)).statistic > 0.95
        assert changes[np.argmax(np.abs(changes))] == pytest.approx(refits.change[refits.order[0]], rel=0.2)
    [reason] = [r for r in js.fit(LAW, demo).verdict.reasons if r.code == "influential_runs"]
    assert reason.rows[:3] == (9, 46, 37)
    assert "without row 9 alone the best N at 10 times the largest compute moves by +6." in reason.text
