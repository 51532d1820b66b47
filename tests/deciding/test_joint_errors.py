"""How errors of two fits go together: by bootstraps of the same runs, and by closed forms of shared slopes."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import table

import jaxscale as js
from jaxscale._analyses.deciding.joint_errors import joint_errors
from jaxscale._planning.source import source_of
from jaxscale._trust.covariance import Covariance


@pytest.fixture(scope="module")
def fits() -> dict[str, js.FitResult]:
    """Two recipes of the same designs, whose noise is nearly one."""
    frame = table()
    rng = np.random.default_rng(1)
    other = {**frame, "loss": frame["loss"] * np.exp(0.002 * rng.standard_normal(30) - 0.01)}
    made = {name: js.Runs.from_frame(x) for name, x in (("A", frame), ("B", other))}
    return {name: js.fit("chinchilla", runs, intervals="quick") for name, runs in made.items()}


def joint(*fits: js.FitResult):
    return joint_errors([f"r{k}" for k in range(len(fits))], [source_of(f) for f in fits])


@pytest.mark.slow  # an objective of its own to compile, and bootstraps
def test_the_same_runs_resampled_go_together_as_the_residuals_say(fits):
    """Pairs drawn by one seed are the same runs of both tables; the form is the log loss of a larger run."""
    squares = {"objective": js.SquaredError(), "intervals": "quick"}
    fits = {name: js.fit("chinchilla", fit.runs, **squares) for name, fit in fits.items()}
    errors = joint(fits["A"], fits["B"])
    at = {"N": 1e10, "D": 2e11}
    step = 1e-6
    forms, predicted = [], []
    for fit in fits.values():
        own = np.eye(5) * step
        ends = [[np.log(fit.law.predict(fit.law.natural(fit.theta + s * e), **at)) for e in own] for s in (1, -1)]
        forms.append((np.array(ends[0]) - np.array(ends[1])) / (2 * step))
        draws = js.bootstrap(fit, draws=300, seed=7).draws
        predicted.append([np.log(fit.law.predict(fit.law.natural(d), **at)) for d in draws])
    found = errors.covariance(0, forms[0], 1, forms[1])
    found /= np.sqrt(errors.variance(0, forms[0]) * errors.variance(1, forms[1]))
    assert errors.pairings[0].kind == "matched_runs" and errors.pairings[0].matched == 30
    assert found == pytest.approx(np.corrcoef(predicted)[0, 1], abs=0.07)
    assert found > 0.8
    assert errors.covariance(1, forms[1], 0, forms[0]) == errors.covariance(0, forms[0], 1, forms[1])


def test_a_fit_beside_itself_has_no_error_of_the_difference(fits):
    form = np.arange(1.0, 6.0)
    errors = joint(fits["A"], fits["A"])
    assert errors.pairings[0].correlation == pytest.approx(1)
    assert errors.covariance(0, form, 1, form) == pytest.approx(errors.variance(0, form))
    assert errors.of_differences(form, [form])[0, 0] == pytest.approx(0, abs=1e-9 * errors.variance(0, form))


def test_runs_of_other_designs_and_few_of_the_same_are_independent(fits):
    runs = fits["B"].runs
    elsewhere = replace(fits["B"], runs=replace(runs, variables={**runs.variables, "N": 1.01 * runs.variables["N"]}))
    assert joint(fits["A"], elsewhere).pairings[0].kind == "independent"
    few = replace(fits["B"], runs=runs.subset(slice(0, 7)))
    (pairing,) = joint(fits["A"], few).pairings
    assert (pairing.kind, pairing.matched) == ("independent", 7)
    assert "7 designs in common" in pairing.text
    lost = joint(fits["A"], replace(fits["B"], runs=None))
    assert "does not carry its runs" in lost.pairings[0].text
    assert lost.covariance(0, np.ones(5), 1, np.ones(5)) == 0


def test_fits_that_share_a_parameter_know_of_each_other_through_it(fits):
    """y = a_g - c x with one c: Cov(a_1, a_2) = mean(x_1) mean(x_2) Var(c), by least squares."""
    means, c = (3.0, 5.0), 0.4
    own = [np.array([[0.1 + m * m * c, m * c], [m * c, c]]) for m in means]
    made = [
        replace(
            f, params=dict(fits["A"].params), shared={"alpha": 0.0}, covariance=Covariance(("A", "alpha"), v, "made")
        )
        for f, v in zip(fits.values(), own, strict=True)
    ]
    errors = joint(*made)
    names = list(made[0].law.parameter_names)
    a, alpha = (np.eye(5)[names.index(n)] for n in ("A", "alpha"))
    assert errors.pairings[0].kind == "joint_fit"
    assert errors.covariance(0, a, 1, a) == pytest.approx(15 * c)
    assert errors.covariance(0, alpha, 1, alpha) == pytest.approx(c)
    apart = joint(replace(made[0], shared={"alpha": 0.1}), made[1])
    assert apart.pairings[0].kind == "independent"
