"""Charts of what was foretold: backtests, forecasts, scores, coverage, each number found in another way."""

from dataclasses import replace

import numpy as np
import pytest
from made_records import comparison_of, forecast_of, score_of
from pictures import CASES, HOSTILE, check_words

import jaxscale as js
from jaxscale.plot._charts import backtest_chart, forecast_charts
from jaxscale.plot._charts.chart import Area, Dots, Line, Whiskers, Word


def marks(panel, kind) -> list:
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_a_backtest_places_runs_by_the_compute_fitted_to(fitted):
    (panel,) = backtest_chart.of_fit(fitted).panels
    first = marks(panel, Dots)[0]  # the least extrapolation: most runs fitted
    compute = np.sort(fitted.runs.variable("C"))
    late = compute >= compute[-8] * (1 - 1e-6)  # 15 % of 54 runs
    assert "46 runs fitted" in first.label and f"{late.sum()} others" in backtest_chart.of_fit(fitted).alt
    assert panel.x.log and panel.y.label == "loss above what is foretold (%)"
    assert first.x.max() <= compute[-1] / compute[~late].max() * (1 + 1e-6)


@pytest.mark.slow  # two fits
def test_a_backtest_is_what_refits_to_the_smaller_runs_foretell(fitted):
    (panel,) = backtest_chart.of_fit(fitted).panels
    runs = fitted.runs
    order = np.log(runs.variables["N"] * runs.variables["D"])
    inside = [mark for mark in marks(panel, Dots) if mark.role != "odd"]
    for drawn, share in zip((inside[0], inside[-1]), (0.15, 0.6), strict=True):
        late = order >= np.sort(order)[54 - round(share * 54)] - 1e-6
        refit = js.fit(fitted.law, runs.subset(~late), intervals=None, objective=js.Huber("matched"))
        said = refit.predict(N=runs.variables["N"][late], D=runs.variables["D"][late])
        off = 100 * np.log(runs.response[late] / said)
        near = np.abs(off) < 2.5  # others are drawn at the edge
        np.testing.assert_allclose(drawn.y, off[near], atol=0.15)  # the law is bent, the fits of the verdict are not


def test_a_backtest_needs_runs_to_foretell_from(fitted):
    (panel,) = backtest_chart.of_fit(CASES["few"](fitted)).panels
    assert marks(panel, Word)[0].text == "too few runs to foretell some from others"


def test_errors_of_laws_grow_with_the_distance(fitted):
    found = comparison_of(fitted)
    (panel,) = backtest_chart.of_comparison(found).panels
    for line, trial in zip(marks(panel, Line), found.trials[1:], strict=True):  # the first has no error at all
        square = (100 * (trial.predicted / trial.observed - 1)) ** 2
        assert line.x.tolist() == pytest.approx([2.0, 4.0, 8.0])
        np.testing.assert_allclose(line.y, np.sqrt(square.reshape(3, 2).mean(axis=1)))
    trials = tuple(replace(trial, error=0.01) for trial in found.trials)
    unknown = replace(found, trials=trials, holdouts=(replace(found.holdouts[0], beyond=()),))
    assert backtest_chart.of_comparison(unknown).panels[0].x.names == ("C > 1",)


def test_an_interval_of_the_level_needed_ends_at_the_run(fitted):
    found = score_of(fitted)
    *_, last = (run for run in found.runs if run.forecast == "chinchilla")
    assert 0.1 < last.level_needed < 0.999
    (row,) = js.forecast(fitted, {"N": 1e11, "D": 2e12}, level=last.level_needed).rows
    assert row.run_interval[1] == pytest.approx(last.observed, rel=1e-6)
    assert [run.level_needed for run in found.runs if run.error == 0] == pytest.approx([0.0] * 12, abs=1e-9)
    share = forecast_charts.held_at([r for r in found.runs if r.forecast == "other"], np.array([-1e-9, 0.9, 1.0]))
    standing = {s.name: s for s in found.standings}["other"]
    assert share.tolist() == [0.0, standing.held / standing.judged, 1.0]


def test_chance_of_a_coverage_is_the_binomial(fitted):
    from scipy.stats import binom

    panel = forecast_charts.coverage(score_of(fitted)).panels[0]
    (chance,) = marks(panel, Area)
    at = 50
    low, high = chance.y[at], chance.y[::-1][at]
    assert (low, high) == (100 * binom.ppf(0.05, 12, 0.5) / 12, 100 * binom.ppf(0.95, 12, 0.5) / 12)


def test_a_forecast_draws_its_own_intervals(fitted):
    found = forecast_of(fitted)
    run, law = marks(forecast_charts.forecast(found).panels[0], Whiskers)
    assert run.low.tolist() == [row.run_interval[0] for row in found.rows]
    assert law.high.tolist() == [row.law_interval[1] for row in found.rows]
    assert (run.low < law.low).all()
    two = js.forecast(fitted, [{"N": 1e10, "D": 2e11}, {"N": 2e11, "D": 1e10}])  # of one compute: side by side
    assert forecast_charts.forecast(two).panels[0].y.names == ("N 200B, D 10B", "N 10B, D 200B")


def test_coverage_of_a_comparison_counts_runs_held_out(fitted, monkeypatch):
    found = comparison_of(fitted)
    laws = tuple(replace(c, law=fitted.law, covered=0.5) for c in found.contenders)
    trials = tuple(replace(t, covered=0.5) for t in found.trials)
    found = replace(found, contenders=laws, trials=trials)
    (panel,) = forecast_charts.coverage(found).panels
    assert panel.y.names == ("nearest: 3 of 6", "kaplan_nd: 3 of 6", "chinchilla: 3 of 6")
    check_words(found.plot("coverage"), monkeypatch)
    check_words(comparison_of(fitted, True).plot("backtest"), monkeypatch)
    check_words(score_of(fitted, True).plot("coverage"), monkeypatch)
    assert HOSTILE not in score_of(fitted, True).plot("coverage").alt
