"""Scores of forecasts made by hand, so that what must come out is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

import jaxscale as js
from jaxscale._analyses.deciding.forecast import Forecast, ForecastRow
from jaxscale._analyses.deciding.score import clopper_pearson
from jaxscale._base.measure import Measure

N = np.array([1e9, 2e9, 4e9, 8e9])


def told(times: float = 1.0, width: float = 0.02) -> Forecast:
    """2.5 times a factor, at four sizes."""
    rows = tuple(
        ForecastRow({"N": float(n), "D": 1e11}, 2.5 * times, None, (2.5 * times - width, 2.5 * times + width))
        for n in N
    )
    law = js.laws.chinchilla
    params = law.published["besiroglu"].params
    made = Forecast(law, dict(params), Measure(), rows, 0.9, 0.005, 20, "0" * 64, {"1": "ab"}, 0)
    return replace(made, seals=made.computed_seals())


def came(*losses: float) -> js.Runs:
    return js.Runs.from_frame(
        {"N": N[: len(losses)] * 1.004, "D": np.full(len(losses), 1e11), "loss": np.array(losses)}
    )


def test_errors_are_signed_and_in_shares_of_the_loss():
    found = js.score(told(), came(2.51, 2.49, 2.55))
    (standing,) = found.standings
    errors = np.array([0.01, -0.01, 0.05]) / 2.5
    assert (standing.bias, standing.spread) == pytest.approx((errors.mean(), np.sqrt(np.mean(errors**2))))
    assert (standing.held, standing.judged, found.not_run) == (2, 3, 1)
    assert [run.held for run in found.runs] == [True, True, False]
    assert found.verdict.startswith("chinchilla: 3 runs off by +0.67 % on average, 2 of 3 in their 90 % intervals")
    assert "as they promise so far as these runs say" in found.verdict
    assert "fewer than they promise" in js.score(told(), came(2.6, 2.6, 2.4, 2.6)).verdict


@pytest.mark.parametrize(("held", "count"), [(0, 5), (3, 8), (8, 8)])
def test_the_uncertainty_of_a_coverage_is_that_of_a_binomial(held, count):
    low, high = clopper_pearson(held, count, 0.9)
    assert low == pytest.approx(beta.ppf(0.05, held, count - held + 1) if held else 0)
    assert high == pytest.approx(beta.ppf(0.95, held + 1, count - held) if held < count else 1)


def test_of_several_the_least_off_comes_first_and_what_was_altered_is_named():
    bad = replace(told(1.02), level=0.8)
    found = js.score({"first": bad, "second": told()}, came(2.5, 2.51))
    assert found.best == "second" and [s.name for s in found.standings] == ["second", "first"]
    assert found.standings[1].altered == ("predictions",)
    assert found.verdict.startswith("ALTERED after freezing: first; least off is second")
    assert len(found.to_frame()) == 4
    assert list(js.score([told(), told(1.01)], came(2.5)).to_frame().forecast) == ["chinchilla", "chinchilla 2"]


def test_runs_nobody_foretold_are_named_and_not_scored():
    extra = js.Runs.from_frame({"N": [1e9, 3e9], "D": [1e11, 1e11], "loss": [2.5, 2.5]})
    found = js.score(told(), extra)
    assert (found.unscored, found.not_run) == ((2,), 3)
    assert "not scored: rows 2" in str(found)
    with pytest.raises(js.InputError, match="none of these 1 runs was foretold: no run has its N and D within 1 %"):
        js.score(told(), js.Runs.from_frame({"N": [3e9], "D": [1e11], "loss": [2.5]}))


@pytest.mark.parametrize("given", [5, [told(), 5], {"mine": None}])
def test_what_is_no_forecast_is_refused(given):
    with pytest.raises(js.InputError, match="score takes what forecast made or the file"):
        js.score(given, came(2.5))
