"""The numbers of a trial by a second route: loops, SciPy, densities."""

import numpy as np
import pytest
from helpers import TRUTH, sweep
from oracles import minimise, table_of
from scipy import stats

import jaxscale as js
from jaxscale._analyses.comparison.trials import LOG_LINEAR, NEAREST


def six_budgets(noise: float, seed: int = 0) -> js.Runs:
    """Six budgets of nine sizes on the Chinchilla law."""
    return sweep(6, 9, top=3e20, noise=noise, seed=seed)


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return six_budgets(0.004)


@pytest.fixture(scope="module")
def comparison(runs) -> js.Comparison:
    return js.compare(runs, ["chinchilla", "kaplan_nd", "muennighoff"], holdout="C > 4e19", rolling="C", cuts=2)


def test_errors_are_those_of_an_independent_fit(runs, comparison):
    """SciPy fits the runs below the cut from the truth; the errors are then worked out by hand."""
    held = runs.variable("C") > 4e19
    theta = minimise(
        table_of(runs.subset(~held)), [np.log(TRUTH["A"]), np.log(TRUTH["B"]), np.log(TRUTH["E"]), 0.35, 0.37]
    )
    off = np.expm1(table_of(runs).residuals(theta))
    trial = comparison["chinchilla", "C > 4e19"]
    assert trial.error == pytest.approx(np.abs(off[held]).mean(), rel=1e-6)
    assert trial.bias == pytest.approx(off[held].mean(), rel=1e-6)
    assert trial.worst == pytest.approx(np.abs(off[held]).max(), rel=1e-6)
    assert trial.train_error == pytest.approx(np.abs(off[~held]).mean(), rel=1e-6)
    assert trial.predicted == pytest.approx(runs.response[held] * (1 + off[held]), rel=1e-8)


@pytest.mark.slow
def test_a_trial_is_the_fit_of_the_remaining_runs_alone(runs, comparison):
    held = runs.variable("C") > 4e19
    alone = js.fit("kaplan_nd", runs.subset(~held), intervals="quick")
    trial = comparison["kaplan_nd", "C > 4e19"]
    assert trial.params == pytest.approx(alone.params, rel=1e-6)
    assert trial.trustworthy is alone.verdict.trustworthy
    where = np.flatnonzero(held)[0]
    _, ends = alone.predict_interval(N=runs.variables["N"][where], D=runs.variables["D"][where])
    of_law = np.log(ends[1] / ends[0]) / 2 / stats.norm.ppf(0.95)
    half = stats.t.ppf(0.95, (~held).sum() - 4) * np.hypot(of_law, alone.sigma)
    assert np.log(trial.high[0] / trial.low[0]) / 2 == pytest.approx(half, rel=1e-5)


def test_baselines_are_those_of_a_loop():
    rng = np.random.default_rng(3)  # a grid would have two nearest runs now and then
    N, D = np.exp(rng.uniform(17, 22, 54)), np.exp(rng.uniform(21, 26, 54))
    runs = js.synthetic.observe(js.laws.chinchilla, TRUTH, {"N": N, "D": D}, noise=0.01)
    held = np.arange(54) % 3 == 0
    found = js.compare(runs, "chinchilla", holdout=held)
    x = np.log(np.stack([N, D], axis=1))
    nearest = []
    for point in x[held]:
        distances = [np.sum(((point - other) / x[~held].std(axis=0)) ** 2) for other in x[~held]]
        nearest.append(runs.response[~held][int(np.argmin(distances))])
    assert found[NEAREST, "mask 1"].predicted == pytest.approx(nearest)
    design, y = np.column_stack([np.ones(54), x]), np.log(runs.response)
    slopes = np.linalg.solve(design[~held].T @ design[~held], design[~held].T @ y[~held])
    assert found[LOG_LINEAR, "mask 1"].predicted == pytest.approx(np.exp(design[held] @ slopes), rel=1e-8)


@pytest.mark.parametrize(
    ("objective", "density"), [(js.Huber(), stats.laplace), (js.SquaredError(), stats.norm)], ids=lambda x: str(x)[:7]
)
def test_information_criteria_are_those_of_the_density_named(runs, objective, density):
    (law, *_) = js.compare(runs, "chinchilla", rolling="C", cuts=1, objective=objective).contenders
    residuals = np.log(js.laws.chinchilla.predict(law.params, N=runs.variables["N"], D=runs.variables["D"]))
    residuals -= np.log(runs.response)
    _, scale = density.fit(residuals, floc=0)
    likelihood = density.logpdf(residuals, scale=scale).sum()
    assert law.aic == pytest.approx(2 * 6 - 2 * likelihood, rel=1e-9)
    assert law.bic == pytest.approx(np.log(54) * 6 - 2 * likelihood, rel=1e-9)


def test_without_noise_the_true_law_misses_nothing():
    found = js.compare(six_budgets(0.0), ["chinchilla", "kaplan_nd"], rolling="C", cuts=2)
    for holdout in found.holdouts:
        trial = found["chinchilla", holdout.label]
        assert trial.error < 1e-7
        assert trial.optimum_factor == pytest.approx(1, abs=1e-5)
        assert trial.optimum_budgets >= 1
        assert found["kaplan_nd", holdout.label].error > 1e-3
    assert found.recommendation.law == "chinchilla"


def test_intervals_hold_as_many_runs_as_they_promise():
    """Twelve tables of a planted law, one fit each: 324 held-out runs, promised 90 %, standard error 1.7 %, more since
    those of one table share a fit."""
    held = [js.compare(six_budgets(0.005, seed), "chinchilla", holdout="C > 2e19").contenders for seed in range(12)]
    covered = [c.covered for cs in held for c in cs if c.law is not None]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.06)
