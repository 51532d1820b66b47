"""Charts hold the numbers of their records, each found in another way."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers import sweep
from made_records import comparison_of, draws_of, multiverse_of, profile_of
from sources import fit_like

import jaxscale as js
from jaxscale.plot._charts import (
    approach_charts,
    comparison_charts,
    decision_charts,
    fit_charts,
    plan_charts,
    question_charts,
)
from jaxscale.plot._charts.chart import Area, Bars, Dots, Line, Rule, Span, Whiskers, Word

TRUTH = js.laws.chinchilla.published["besiroglu"]


def marks(panel, kind) -> list:
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def loss(N, D):
    p = TRUTH.params
    return p["E"] + p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]


@pytest.fixture(scope="module")
def plan() -> js.Plan:
    return js.frontier(TRUTH, [1e24, 1e21])


def test_the_price_of_another_size_is_what_the_formula_says(plan):
    chart = decision_charts.price_of_size(plan, row=0)
    best = plan.rows[0]
    (extra,), (compute,) = (marks(panel, Line) for panel in chart.panels)
    np.testing.assert_allclose(extra.y, 100 * (loss(extra.x, 1e24 / (6 * extra.x)) / best.loss - 1), atol=1e-9)
    np.testing.assert_allclose(loss(compute.x, compute.y * 1e24 / (6 * compute.x)), best.loss, rtol=1e-9)
    middle = np.argmin(abs(np.log(compute.x / best.N)))
    assert compute.y[middle] == pytest.approx(1, abs=1e-6) and (compute.y >= 1 - 1e-6).all()
    assert len(compute.x) < len(extra.x)  # the smallest models never get there: no compute is drawn for them


@pytest.mark.slow
def test_no_other_size_is_better_where_tokens_are_served_or_repeated():
    """Second route: tokens of each size by hand, and the law's formula; over repeated tokens the plan's own optimum."""
    tokens = 2e12
    served = js.frontier(TRUTH, [1e23], cost=js.costs.six_nd.with_inference(tokens))
    (extra,), (times,) = (marks(panel, Line) for panel in decision_charts.price_of_size(served).panels)
    left = (1e23 - 2 * extra.x * tokens) / (6 * extra.x)
    best = served.rows[0]
    np.testing.assert_allclose(extra.y, 100 * (loss(extra.x, left) / best.loss - 1), atol=1e-7)
    needed = (times.y * 1e23 - 2 * times.x * tokens) / (6 * times.x)
    np.testing.assert_allclose(loss(times.x, needed), best.loss, rtol=1e-9)
    repeated = js.frontier(TRUTH, [1e23], limits={"U": 2e10})
    for plan in (served, repeated):
        (extra,), (times,) = (marks(panel, Line) for panel in decision_charts.price_of_size(plan).panels)
        assert extra.y.min() > -1e-6 and times.y.min() > 1 - 1e-6
        assert extra.x[np.argmin(extra.y)] == pytest.approx(plan.rows[0].N, rel=1e-6)


@pytest.mark.slow  # a plan with a limit is compiled
def test_the_price_of_another_size_says_which_sizes_a_limit_forbids():
    plan = js.frontier(TRUTH, [1e24], limits={"D_max": 1e12})
    chart = decision_charts.price_of_size(plan)
    best = plan.rows[0]
    for panel in chart.panels:
        (beyond,) = marks(panel, Span)  # smaller models would need more tokens than there are
        assert beyond.high == pytest.approx(best.N) and beyond.low < best.N / 10
        assert marks(panel, Rule)[0].label == "planned size, held by a limit"


def test_swings_to_one_side_are_named_at_the_longer_bar():
    words = decision_charts.swing_words
    assert words("9B", "12B", -1.0, 2.0) == ("9B (−)", "12B (+)")
    assert words("12B", "10B", 2.0, 0.0) == ("12B (−), 10B (+)", "")
    assert words("11B", "15B", 1.0, 5.0) == ("", "15B (+), 11B (−)")


def test_budgets_are_drawn_in_their_order(plan):
    chart = plan_charts.frontier(plan, "N")
    (line,), (dots,) = marks(chart.panels[0], Line), marks(chart.panels[0], Dots)
    assert dots.x.tolist() == [1e21, 1e24] and dots.y.tolist() == [plan.rows[1].N, plan.rows[0].N]
    assert (line.x[[0, -1]] == dots.x).all() and (line.y[[0, -1]] == dots.y).all() and (np.diff(line.x) > 0).all()
    assert "budget 1e24 FLOPs" in chart.alt and "interval" not in chart.alt


def test_between_the_rows_a_frontier_is_drawn_where_plans_would_lie():
    """To a fifth of a per cent over three decades; straight lines are off by more, and the band goes along."""
    fit = js.frontier(fit_like(), [1e21, 1e24])
    for name in ("N", "tokens_per_param", "loss"):
        (panel,) = plan_charts.frontier(fit, name).panels
        (line,), (area,) = marks(panel, Line), marks(panel, Area)
        between = js.frontier(fit_like(), line.x[[3, 6, 9]])
        true = np.array([getattr(row, name) for row in between.rows])
        np.testing.assert_allclose(line.y[[3, 6, 9]], true, rtol=2e-3)
        low, high = area.y[: len(line.x)], area.y[::-1][: len(line.x)]
        assert (low < line.y).all() and (line.y < high).all()
        np.testing.assert_array_equal([low[0], high[0]], fit.rows[0].intervals[name])
    losses = [row.loss for row in fit.rows]
    assert math.sqrt(losses[0] * losses[1]) > 1.01 * true[1]


def test_where_other_limits_bind_a_frontier_is_straight():
    capped = js.frontier(fit_like(), [1e21, 1e24], limits={"N_max": 2e10})
    (line,) = marks(plan_charts.frontier(capped, "N").panels[0], Line)
    assert "N_max" in capped.rows[1].binding and "N_max" not in capped.rows[0].binding
    assert np.ptp(np.diff(np.log(line.y)) / np.diff(np.log(line.x))) < 1e-9
    assert line.y.max() == capped.rows[1].N
    (line,) = marks(plan_charts.frontier(capped, "loss").panels[0], Line)
    true = [row.loss for row in js.frontier(fit_like(), line.x[[3, 6, 9]], limits={"N_max": 2e10}).rows]
    np.testing.assert_allclose(line.y[[3, 6, 9]], true, rtol=5e-3)  # straight it would be off by 2 %


def test_a_chart_is_plain_data(plan):
    data = plan_charts.frontier(plan, "loss").to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["panels"][0]["marks"][-1]["mark"] == "dots"


def test_valleys_are_those_of_the_record_and_open_ones_are_grey():
    runs = sweep(5, 9, noise=0.001)
    compute = runs.variable("C")
    smallest = np.isclose(compute, compute.min(), rtol=0.05)
    lopsided = runs.subset(~smallest | (runs.variables["N"] <= np.median(runs.variables["N"][smallest])))
    found = js.isoflop(lopsided, draws=50)
    (open_one, *others) = found.profiles
    assert open_one.note and not any(p.note for p in others)
    left, right = approach_charts.isoflops(found).panels
    valleys = marks(left, Line)
    assert [line.role == "muted" for line in valleys] == [True, *[False] * len(others)]
    np.testing.assert_array_equal(valleys[1].y, others[0].curve[1])
    (rings,) = (dots for dots in marks(left, Dots) if dots.shape == "ring")
    np.testing.assert_array_equal(rings.x, [p.N for p in others])
    (whiskers,) = marks(left, Whiskers)
    np.testing.assert_array_equal(np.column_stack([whiskers.low, whiskers.high]), [p.interval for p in others])
    (trend,) = marks(right, Line)
    slope = np.polyfit(np.log(trend.x), np.log(trend.y), 1)[0]
    assert slope == pytest.approx(found.N.exponent, rel=1e-9)


def test_a_multiverse_is_in_order_and_says_what_led_to_each_answer():
    found = multiverse_of(None)
    top, bottom = question_charts.multiverse(found).panels
    dots = {m.label: m for m in marks(top, Dots)}
    ordered = found.frame.dropna(subset=["N"]).sort_values("N")
    assert dots["trustworthy"].y.tolist() == ordered.N[ordered.trustworthy].tolist()
    squares = bottom.y.names.index("objective: squares")
    (ticks,) = (m for m in marks(bottom, Dots) if m.y[0] == squares)
    assert ordered.objective.iloc[ticks.x.astype(int)].tolist() == ["squares"]
    with pytest.raises(js.InputError, match="must be one of N, D, loss"):
        question_charts.multiverse(found, "E")


def test_errors_of_laws_held_out():
    bars, each = comparison_charts.held_out(comparison_of(None)).panels
    ends = {bars.y.names[int(at)]: end for bar in marks(bars, Bars) for at, end in zip(bar.at, bar.end, strict=True)}
    assert ends == pytest.approx({"chinchilla": 0.0, "kaplan_nd": 1.0, "nearest": 2.0})
    assert [m.y.max() for m in marks(each, Dots)] == pytest.approx([0.0, 1.0, 2.0])


def test_pairs_of_draws_have_their_correlations(fitted):
    draws = draws_of(fitted)
    chart = question_charts.pairs(draws, ("E", "alpha"))
    histogram, words, cloud, _ = chart.panels
    assert marks(histogram, Bars)[0].end.sum() >= 0.99 * len(draws.draws)
    frame = draws.to_frame()
    assert float(marks(words, Word)[0].text) == pytest.approx(frame.E.corr(frame.alpha), abs=0.006)
    np.testing.assert_array_equal(marks(cloud, Dots)[0].y, frame.alpha)
    with pytest.raises(js.InputError, match="the law has no parameters 'X'"):
        question_charts.pairs(draws, ("X",))


def test_starts_that_agree_are_level_and_others_stand_above_them(fitted):
    (panel,) = fit_charts.starts(fitted).panels
    (agreed,) = marks(panel, Dots)
    assert not panel.y.log and panel.y.ends == (-0.1, 1.0) and (agreed.y < 1e-7).all()
    value = np.array([2.0, 3.0, 2.0, 2.0 + 1e-12])
    apart = replace(fitted.starts, value=value, finished=4, at_best=3)
    (panel,) = fit_charts.starts(replace(fitted, starts=apart)).panels
    same, other = marks(panel, Dots)
    assert panel.y.log and len(same.y) == 3 and other.y.tolist() == pytest.approx([50.0])  # per cent of the best
    (strip,) = marks(panel, Span)
    assert (same.y <= strip.high).all()


def test_a_profile_crosses_one_where_its_interval_ends(fitted):
    (panel,) = question_charts.profile(profile_of(fitted)).panels
    (line,) = marks(panel, Line)
    assert np.interp([0.33, 0.37], line.x, line.y) == pytest.approx([1, 1], abs=0.02)
    assert {mark.at for mark in marks(panel, Rule)} == {1.0, 0.35}


@pytest.mark.slow  # every step is another plan
def test_a_tornado_has_the_swings(plan):
    (panel,) = decision_charts.swings(plan, "N", row=0).panels
    expected = js.tornado(plan, "N").to_frame().query("budget == 1e24 and swing > 1e-6")
    low, high = marks(panel, Bars)
    assert low.end.tolist() == expected.low.tolist() and high.end.tolist() == expected.high.tolist()
    assert (low.start == plan.rows[0].N).all()
