"""Tables fitted side by side as alone, and the estimates matched to the noise beside a fit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import LAW, TRUTH, swept_frame
from scipy.optimize import least_squares
from scipy.stats import t as student_t

import jaxscale as js
from jaxscale._fitting import fit_stack


def test_a_delta_far_below_the_noise_has_the_matched_estimates_beside_it(frame, result):
    matched = js.Huber(1.345 * result.sigma)
    assert result.turning_point == pytest.approx(1e-3 / result.sigma) and result.turning_point < 0.5
    huber, student = result.at_noise
    assert huber.objective == matched and student.objective == js.StudentT(scale=result.sigma)
    assert " noise-matched  Student-t(4) " in str(result)
    close = js.fit("chinchilla", frame, objective=matched, intervals=None)
    assert huber.params == pytest.approx(close.params, rel=1e-6)
    assert close.at_noise == () and "noise-matched" not in str(close)


def test_estimates_beside_a_fit_are_found_when_looked_at_and_travel_found(monkeypatch, frame, result):
    asked, found = [], fit_stack.estimates_at_noise
    monkeypatch.setattr(fit_stack, "estimates_at_noise", lambda *a, **k: asked.append(1) or found(*a, **k))
    fits = js.fit_many("chinchilla", {"one": frame, "other": frame}, intervals=None)
    assert fits.to_frame()["runs"].tolist() == 2 * [len(frame)] and asked == []
    beside = fits["one"].at_noise
    assert len(beside) == 2 and beside[1].params == pytest.approx(result.at_noise[1].params, rel=1e-6)
    assert fits["other"].at_noise == beside and beside != beside[:1] and asked == [1]
    copied = pickle.loads(pickle.dumps(fits["one"].at_noise))
    assert copied == beside and repr(copied) == repr(beside) and asked == [1]


def test_student_beside_it_is_the_likeliest_of_scipys():
    """For one table and for several with outliers at once: -log t_4(r / s) by SciPy, which knows no solver of ours."""
    tables = {
        str(k): swept_frame(k).assign(loss=lambda f, k=k: f["loss"] * (1 + 0.2 * (f.index < k))) for k in range(3)
    }
    for _, one in js.fit_many("chinchilla", tables, intervals=None):
        second, (N, D), seen = one.at_noise[1], one.runs.variables.values(), np.log(one.runs.response)
        scale = second.objective.scale

        def off(theta, N=N, D=D, seen=seen):
            a, b, e, alpha, beta = theta
            return np.log(np.exp(e) + np.exp(a) * N**-alpha + np.exp(b) * D**-beta) - seen

        def robust(z):
            return 4 * np.array([np.log1p(z / 4), 1 / (4 + z), -1 / (4 + z) ** 2])

        found = least_squares(off, one.theta, loss=robust, f_scale=scale, x_scale="jac", xtol=1e-15, ftol=1e-15)
        theta = LAW.theta(second.params)
        likelihood = [student_t.logpdf(off(x) / scale, 4).sum() for x in (theta, found.x)]
        assert likelihood[0] >= likelihood[1] - 1e-9
        np.testing.assert_allclose(theta, found.x, rtol=1e-5)


@pytest.mark.slow
def test_groups_of_other_sizes_are_fitted_side_by_side_as_alone():
    """Two stacks of tables, one of them with resampled intervals for some groups only; each equals a fit of its own."""
    sizes = {"a": 60, "b": 55, "c": 10, "d": 100}
    tables = {k: js.Runs.from_frame(wide(seed, n)) for seed, (k, n) in enumerate(sizes.items())}
    fits = js.fit_many("chinchilla", tables, draws=50)
    for name, runs in tables.items():
        alone = js.fit("chinchilla", runs, draws=50)
        assert fits[name].params == pytest.approx(alone.params, rel=1e-8)
        assert fits[name].intervals.method == alone.intervals.method
        for k, ends in alone.intervals.params.items():
            assert fits[name].intervals.params[k] == pytest.approx(ends, rel=1e-5)
        assert fits[name].verdict.codes == alone.verdict.codes


@pytest.mark.slow
def test_starts_that_meet_go_on_as_one_and_find_what_64_of_their_own_find():
    """Enough groups for starts to meet, noisy and with outliers, so that there are several optima to tell apart."""
    rng = np.random.default_rng(11)
    tables = {}
    for k in range(140):
        runs = js.Runs.from_frame(swept_frame(k, 60, noise=0.02))
        outliers = np.where(rng.random(60) < 0.1, np.exp(0.2 * rng.standard_normal(60)), 1.0)
        tables[str(k)] = js.Runs(dict(runs.variables), runs.response * outliers)
    together = js.fit_many("chinchilla", tables, intervals=None)
    alone = js.fit_many("chinchilla", tables, intervals=None, starts=64)
    for name, item in together:
        assert item.value <= alone[name].value * (1 + 1e-9)
        assert item.gradient_norm < 1e-8 and item.starts.at_best >= 5


def wide(seed: int, count: int) -> pd.DataFrame:
    """Runs on the Chinchilla law over more budgets than `sweep`, any count up to 120, well spread."""
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e22, 12), 10)
    runs = js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.005, seed=seed)
    return runs.to_frame().reset_index(drop=True).iloc[np.linspace(0, 119, count).round().astype(int)]
