"""Priors, on a straight line in logs: least squares with priors are the Bayesian linear regression, in closed form."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import huber
from scipy.stats import norm, t

import jaxscale as js
from jaxscale._problem.problem import make_problem
from jaxscale._trust.draw_weights import resampled
from jaxscale._trust.linearization import linearize

LINE = js.laws.power_law("D", floor=False)
PRIORS = {"alpha": (0.1, 0.004), "A": (20.0, 0.2)}
CENTRE, PRECISION = np.array([np.log(20.0), 0.1]), np.array([1 / 0.2**2, 1 / 0.004**2])


def line(seed: int = 0, count: int = 40) -> js.Runs:
    D = np.geomspace(1e9, 1e12, count)
    return js.Runs({"D": D}, 30 * D**-0.08 * np.exp(0.05 * np.random.default_rng(seed).standard_normal(count)))


def squares(runs: js.Runs, **options) -> js.FitResult:
    return js.fit(LINE, runs, objective=js.SquaredError(), **{"priors": PRIORS, "intervals": "quick", **options})


@pytest.fixture(scope="module")
def fitted() -> js.FitResult:
    return squares(line())


def straight(runs: js.Runs) -> tuple[np.ndarray, np.ndarray, float]:
    """Slopes of log loss in theta, (n, 2), log loss, and the variance of the noise around the line without priors."""
    logs = np.log(runs.variables["D"])
    X, y = np.stack([np.ones_like(logs), -logs], axis=1), np.log(runs.response)
    rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    return X, y, float(rest @ rest / (len(y) - 2))


def posterior(X, y, variance, weights=1.0, centre=CENTRE) -> np.ndarray:
    """Mean of the normal linear model with a normal prior (Bishop 2006, Eq. 3.50 and 3.51), runs counted `weights`
    times."""
    normal = (X * np.reshape(weights, (-1, 1))).T
    return np.linalg.solve(normal @ X / variance + np.diag(PRECISION), normal @ y / variance + PRECISION * centre)


def test_least_squares_with_priors_are_the_posterior_mean(fitted):
    X, y, variance = straight(line())
    np.testing.assert_allclose(fitted.theta, posterior(X, y, variance), rtol=1e-8)
    alone = squares(line(), priors=None)
    assert alone.params["alpha"] < fitted.params["alpha"] < 0.1  # between runs and prior
    assert fitted.noise.dispersion == pytest.approx(variance, rel=1e-9)
    r = X @ fitted.theta - y
    penalty = 0.5 * variance * PRECISION @ (fitted.theta - CENTRE) ** 2
    assert fitted.value == pytest.approx(0.5 * r @ r + penalty, rel=1e-9)
    assert fitted.gradient_norm < 1e-9
    assert fitted.identification.condition_number < 0.7 * alone.identification.condition_number
    unit = np.concatenate([X, np.diag(np.sqrt(variance * PRECISION))])
    unit = unit / np.linalg.norm(unit, axis=0)
    assert fitted.identification.condition_number == pytest.approx(np.linalg.cond(unit.T @ unit), rel=1e-6)


def test_a_prior_is_one_more_observation_to_the_standard_errors(fitted):
    X, y, variance = straight(line())
    bread = np.linalg.inv(X.T @ X + np.diag(variance * PRECISION))
    psi = X @ fitted.theta - y
    squares = (psi / (1 - np.diag(X @ bread @ X.T))) ** 2
    meat = X.T * squares @ X + np.diag(variance**2 * PRECISION)
    np.testing.assert_allclose(fitted.covariance.matrix, bread @ meat @ bread, rtol=1e-6)
    exact = np.sqrt(np.diag(variance * bread))  # of the posterior, which the sandwich estimates
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance.matrix)), exact, rtol=0.2)


def test_narrow_priors_are_pins_and_wide_ones_nothing():
    narrow = squares(line(), priors={"alpha": (0.09, 1e-9)})
    X, y, _ = straight(line())
    assert narrow.theta[1] == pytest.approx(0.09, abs=1e-9)
    assert narrow.theta[0] == pytest.approx(np.mean(y - 0.09 * X[:, 1]), rel=1e-6)
    wide = squares(line(), priors={"alpha": (0.5, 1e6), "A": (1.0, 1e6)})
    np.testing.assert_allclose(wide.theta, squares(line(), priors=None).theta, rtol=1e-9)


def test_a_prior_that_the_runs_contradict_is_named():
    result = squares(line(), priors={"alpha": (0.3, 0.01)})
    (reason,) = [r for r in result.verdict.reasons if r.code == "prior_contradicted"]
    off = (0.3 - result.params["alpha"]) / 0.01
    assert f"alpha ended {off:.1f} widths" in reason.text and off > 2
    assert "prior_contradicted" not in squares(line(), priors={"alpha": (0.081, 0.002)}).verdict.codes


def test_a_fit_with_priors_comes_back_from_its_file_and_shows_them(fitted, tmp_path):
    fitted.save(tmp_path / "fit.json")
    loaded = js.FitResult.load(tmp_path / "fit.json")
    assert loaded.priors == PRIORS and loaded.noise == fitted.noise and str(loaded) == str(fitted)
    card = fitted.card().to_dict()["sections"]
    assert ["prior of alpha", "0.1 ± 0.004, a standard deviation of theta"] in card["Law"]
    assert ["matched to", f"the scatter of a first fit, {fitted.noise.sigma:.3g}"] in card["Fit"]
    text = " ".join(str(fitted).split())
    assert "prior 20 ± 0.2 in the log" in text and "prior 0.1 ± 0.004" in text and "(sum over runs and priors)" in text


@pytest.mark.slow
def test_draws_and_profiles_are_in_closed_form(fitted):
    """Each draw has runs and a centre of its own. The profile of a parabola crosses at Student's t."""
    X, y, variance = straight(line())
    problem = make_problem(LINE, line(), fitted.objective, priors=PRIORS, noise=fitted.noise)
    own = resampled(problem, 200, np.random.default_rng(5), None)
    draws = js.bootstrap(fitted, draws=200, seed=5).draws
    for theta, weights, centre in list(zip(draws, own.weights, own.centre, strict=True))[:10]:
        np.testing.assert_allclose(theta, posterior(X, y, variance, weights[:40], centre), rtol=1e-7)
    assert np.all(np.abs(own.centre.mean(axis=0) - CENTRE) < 4 / np.sqrt(200 * PRECISION))
    np.testing.assert_allclose(own.centre.std(axis=0), PRECISION**-0.5, rtol=0.2)

    r = X @ fitted.theta - y
    inverse = np.linalg.inv(X.T @ X + np.diag(variance * PRECISION))
    half = t.ppf(0.95, 38) * np.sqrt(r @ r / 38 * inverse[1, 1])
    ends = fitted.params["alpha"] - half, fitted.params["alpha"] + half
    assert js.profile(fitted, "alpha").interval == pytest.approx(ends, rel=1e-6)

    left = js.influence(fitted, together=1, exact=False).theta[3]
    expected = posterior(X, y, variance, np.arange(40) != 3) - fitted.theta
    np.testing.assert_allclose(left, expected, rtol=1e-6)  # one Newton step on a parabola
    with pytest.raises(js.InputError, match="priors take part"):
        js.ratio_test(fitted, fixed={"alpha": 0.1})


@pytest.mark.slow
def test_each_group_has_its_own_noise_and_priors_weigh_as_they_do_alone():
    alone = js.fit(LINE, line(1), objective=js.Huber("matched"), priors=PRIORS, intervals=None)
    few = line().subset(np.arange(40) < 2)
    groups = js.fit_many(
        LINE, {"a": line(), "b": line(1), "c": few}, objective=js.Huber("matched"), priors=PRIORS, intervals=None
    )
    np.testing.assert_allclose(groups["b"].theta, alone.theta, rtol=1e-8)
    assert groups["b"].noise.sigma == pytest.approx(alone.noise.sigma, rel=1e-8) != groups["a"].noise.sigma
    with pytest.raises(js.InputError, match="no scatter that the objective could be matched to"):
        groups["c"]  # two runs, two parameters


def test_hubers_objective_with_priors_is_scipys():
    """With the dispersion of the first fit by the formulas of the profile, also at the noise-matched estimate."""
    runs = line()
    alone, result = (js.fit(LINE, runs, priors=x, intervals=None) for x in (None, PRIORS))
    X, y, _ = straight(runs)
    with jax.enable_x64(True):
        m1, m2 = linearize(make_problem(LINE, runs, alone.objective), alone.theta).scatter.moments
    assert result.noise.dispersion == pytest.approx(m2 / m1, rel=1e-6)
    second, third = result.at_noise
    delta, width = second.objective.delta, 4 * third.objective.scale**2
    r = X @ result.theta - y  # of which the priors' weight beside the others is told

    def slope(r):
        return (width - r**2) * width / (width + r**2) ** 2

    smooth = quad(lambda z: slope(np.sqrt(width / 4) * z) * norm.pdf(z), -9, 9)[0]
    squares = [np.sum(psi**2) / 38 for psi in (np.clip(r, -delta, delta), r * width / (width + r**2))]
    slopes = [(np.sum(x) - 2) / 38 * y for x, y in ((np.abs(r) < delta, 2 * norm.cdf(1.345) - 1), (slope(r), smooth))]
    factors = (m2 / m1, *(x / np.sqrt(y) for x, y in zip(squares, slopes, strict=True)))
    misfits = (partial(huber, 1e-3), partial(huber, delta), lambda r: width / 2 * np.log1p(r**2 / width))
    thetas = (result.theta, LINE.theta(second.params), LINE.theta(third.params))
    for misfit, factor, theta in zip(misfits, factors, thetas, strict=True):

        def whole(x, misfit=misfit, factor=factor):
            return misfit(X @ x - y).sum() + 0.5 * factor * PRECISION @ (x - CENTRE) ** 2

        found = minimize(whole, theta, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-16})
        assert whole(theta) <= found.fun * (1 + 1e-9)
        np.testing.assert_allclose(theta, found.x, rtol=1e-4)
    assert abs(result.params["alpha"] - 0.1) < abs(alone.params["alpha"] - 0.1)


REFUSED = {
    "no such parameter": ({"gamma": (1, 1)}, {}, "no parameter 'gamma'"),
    "fixed too": ({"alpha": (0.1, 1)}, {"fixed": {"alpha": 0.1}}, "alpha is fixed"),
    "no width": ({"alpha": 0.1}, {}, "a pair"),
    "a width of zero": ({"alpha": (0.1, 0)}, {}, "positive width"),
    "not finite": ({"alpha": (float("nan"), 1)}, {}, "finite centre"),
    "negative where positive": ({"A": (-1, 1)}, {}, "A must be positive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_prior_that_makes_no_sense_is_refused(name):
    priors, options, message = REFUSED[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(LINE, line(), priors=priors, **options)


def test_two_runs_cannot_weigh_a_prior():
    with pytest.raises(js.InputError, match="no scatter that priors could be weighed against"):
        squares(replace(line(), weights=1.0 * np.isin(np.arange(40), [0, 20])))


def test_priors_on_the_command_line(jaxscale, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(js, "fit", lambda law, runs, **options: asked.update(options))
    line().to_frame().to_csv(tmp_path / "runs.csv", index=False)
    fit = ("fit", str(tmp_path / "runs.csv"), "--law", "power_law(variable=D, floor=False)", "--intervals", "none")
    jaxscale(*fit, "--prior", "alpha=0.1:0.004", "--prior", "A=20:20%")
    status, _, error = jaxscale(*fit, "--prior", "alpha=0.1")
    assert status == 2 and "NAME=CENTRE:WIDTH" in error
    jaxscale(*fit, "--prior", "alpha=0.1:0.004", "--prior", "A=20:.2")
    assert asked["priors"] == PRIORS
