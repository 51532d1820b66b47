"""Objectives matched to the noise, on a straight line in logs: SciPy's robust least squares, formulas by hand."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import least_squares, minimize_scalar
from scipy.stats import norm, t

import jaxscale as js

LINE = js.laws.power_law("D", floor=False)
MATCHED = {"student": js.StudentT(), "huber": js.Huber("matched")}


def line(seed: int = 0, count: int = 40) -> js.Runs:
    D = np.geomspace(1e9, 1e12, count)
    noise = 0.01 * np.random.default_rng(seed).standard_t(3, count)
    return js.Runs({"D": D}, 30 * D**-0.08 * np.exp(noise))


@cache
def fitted(name: str) -> js.FitResult:
    return js.fit(LINE, line(), objective=MATCHED[name], intervals="quick")


def straight(runs: js.Runs) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the slopes of log loss in theta, (n, 2), and log loss."""
    logs = np.log(runs.variables["D"])
    return np.stack([np.ones_like(logs), -logs], axis=1), np.log(runs.response)


def scipys(runs: js.Runs, loss, scale: float, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """Theta of SciPy's robust least squares (weights as repeated runs: whole numbers)."""
    X, y = straight(runs)
    times = np.broadcast_to(weights, y.shape).round().astype(int)
    X, y = np.repeat(X, times, axis=0), np.repeat(y, times)
    start = np.linalg.lstsq(X, y, rcond=None)[0]
    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 5000, "x_scale": "jac"}
    return least_squares(lambda x: X @ x - y, start, lambda x: X, loss=loss, f_scale=scale, **tight).x


def student(z: np.ndarray, freedom: float = 4.0) -> np.ndarray:
    """SciPy's rho of (r / scale)^2 and its first two derivatives."""
    return np.stack([freedom * np.log1p(z / freedom), 1 / (1 + z / freedom), -1 / freedom / (1 + z / freedom) ** 2])


def first_noise(runs: js.Runs) -> float:
    """Robust standard deviation of a Huber fit with delta 1e-3, without its two smallest residuals."""
    X, y = straight(runs)
    size = np.sort(np.abs(X @ scipys(runs, "huber", 1e-3) - y))[2:]
    return 1.4826 * float(np.median(size))


@pytest.mark.parametrize("name", ["huber", pytest.param("student", marks=pytest.mark.slow)])
def test_a_matched_objective_is_scipys_at_the_noise_of_the_first_fit(name):
    result, sigma = fitted(name), first_noise(line())
    assert result.noise.sigma == pytest.approx(sigma, rel=1e-4)
    if name == "student":
        assert result.objective == js.StudentT(4.0, result.noise.sigma)
        oracle = scipys(line(), student, result.noise.sigma)
    else:
        assert result.objective == js.Huber(1.345 * result.noise.sigma)
        oracle = scipys(line(), "huber", 1.345 * result.noise.sigma)
    np.testing.assert_allclose(result.theta, oracle, rtol=1e-7)
    assert result.gradient_norm < 1e-8 and result.verdict.trustworthy
    given = js.fit(LINE, line(), objective=result.objective, intervals=None)
    np.testing.assert_allclose(given.theta, result.theta, rtol=1e-9)
    assert given.noise is None and given.value == pytest.approx(result.value, rel=1e-12)


@pytest.mark.slow
def test_the_objective_is_the_likelihood_of_students_t():
    """From its peak, and by a factor that makes small residuals count as squares."""
    (X, y), scale = straight(line()), fitted("student").objective.scale
    below = t.logpdf(0, 4) - t.logpdf((X @ fitted("student").theta - y) / scale, 4)
    assert fitted("student").value == pytest.approx(below.sum() * scale**2 * 4 / 5, rel=1e-9)


@pytest.mark.slow
def test_quick_standard_errors_of_students_t_are_the_sandwich_corrected_for_leverage():
    result = fitted("student")
    (X, y), s = straight(line()), result.objective.scale
    u = (X @ result.theta - y) ** 2 / (4 * s**2)
    psi, slope = (X @ result.theta - y) / (1 + u), (1 - u) / (1 + u) ** 2
    bread = np.linalg.inv(X.T @ (slope[:, None] * X))
    room = 1 - np.diag(X @ np.linalg.inv(X.T @ X) @ X.T)
    inner = X.T @ ((psi / room)[:, None] ** 2 * X)
    np.testing.assert_allclose(result.covariance.matrix, bread @ inner @ bread, rtol=1e-6)


@pytest.mark.slow
def test_every_verb_takes_a_matched_fit(tmp_path):
    """Draws are SciPy's optima of their own runs, the profile is scaled by formulas written out here, runs left out are
    refits, and what comes back from a file answers the same."""
    result, runs = fitted("student"), line()
    s = result.objective.scale
    result.save(tmp_path / "fit.json")
    loaded = js.FitResult.load(tmp_path / "fit.json")
    assert loaded.objective == result.objective and loaded.noise == result.noise and str(loaded) == str(result)

    draws = js.bootstrap(loaded, draws=20, seed=2)
    rng = np.random.default_rng(2)
    for theta in draws.draws[:5]:
        times = np.bincount(rng.integers(runs.count, size=runs.count), minlength=runs.count)
        np.testing.assert_allclose(theta, scipys(runs, student, s, times), rtol=1e-6)

    resampled = js.fit(LINE, runs, objective=js.StudentT(), intervals="bootstrap", draws=50)
    ends = np.quantile(js.bootstrap(resampled, draws=50, seed=0).draws[:, 1], [0.05, 0.95])
    assert resampled.intervals.method == "pairs_percentile" and "(percentile)" not in resampled.intervals.why
    assert resampled.intervals.params["alpha"] == pytest.approx(tuple(ends), rel=1e-9)

    profile = js.profile(loaded, "alpha")
    X, y = straight(runs)
    r = X @ result.theta - y
    u = r**2 / (4 * s**2)
    n, sigma = len(r), 1.4826 * np.median(np.sort(np.abs(r))[2:])
    gaussian = quad(lambda z: norm.pdf(z) * (1 - (z * sigma / s) ** 2 / 4) / (1 + (z * sigma / s) ** 2 / 4) ** 2, -9, 9)
    m1 = np.sqrt((np.sum((1 - u) / (1 + u) ** 2) - 2) / (n - 2) * gaussian[0])
    m2 = np.sum((r / (1 + u)) ** 2) / (n - 2)
    low, _ = profile.interval
    width = 4 * s**2

    def held(log_A):
        return 0.5 * width * np.log1p((X @ [log_A, low] - y) ** 2 / width).sum()

    around = np.log(result.params["A"]) + (low - result.params["alpha"]) * X[:, 1].mean() * -1
    rise = minimize_scalar(held, (around - 0.1, around + 0.1), options={"xtol": 1e-12}).fun - result.value
    assert 2 * rise * m1 / m2 == pytest.approx(t.ppf(0.95, n - 2) ** 2, rel=1e-5)

    influence = js.influence(loaded, together=1)
    k = int(influence.order[0])
    without = scipys(runs.subset(np.arange(n) != k), student, s)
    np.testing.assert_allclose(influence.theta[k], without - result.theta, rtol=1e-4)


@pytest.mark.slow
def test_a_ratio_test_is_the_same_by_absolute_values_and_by_the_huber_they_end_in():
    statistics = []
    for objective in (js.AbsoluteError(1e-6), js.Huber(1e-6)):
        result = js.fit(LINE, line(), objective=objective, intervals=None)
        statistics.append(js.ratio_test(result, fixed={"alpha": 0.081}).statistic)
    assert 0.1 < statistics[0] < 100 and statistics[0] == pytest.approx(statistics[1], rel=0.02)


@pytest.mark.slow
def test_outliers_hardly_pull_on_students_t():
    """A tenth of the runs off by half: least squares follow, Student's t does not."""
    runs = line()
    bad = replace(runs, response=runs.response * np.where(np.arange(40) % 10 == 0, 1.5, 1.0))
    off = {}
    for name, objective in {"student": js.StudentT(), "squares": js.SquaredError()}.items():
        with_bad, without = (js.fit(LINE, r, objective=objective, intervals=None) for r in (bad, runs))
        off[name] = with_bad.theta - without.theta
    assert abs(off["student"][1]) < 0.1 * abs(off["squares"][1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: js.StudentT(freedom=0.0),
        lambda: js.StudentT(freedom="matched"),
        lambda: js.StudentT(scale=-1.0),
        lambda: js.StudentT(scale="robust"),
        lambda: js.Huber("Matched"),
        lambda: js.AbsoluteError(delta="matched"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(make):
    with pytest.raises(js.InputError, match="must be a positive number"):
        make()
