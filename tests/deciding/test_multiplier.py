"""What a multiplier says of itself: the choice at a threshold, and words whose direction cannot be mistaken."""

import math

import pytest

import jaxscale as js
from jaxscale._analyses.deciding.joint_errors import Pairing
from jaxscale._analyses.deciding.multiplier import EqualLoss, ScaleTrend, choice_of


def made(*rows: tuple[str, float, float, tuple[float, float] | None], trend=(0.9, (0.85, 0.95))) -> js.Multiplier:
    """Rows as (candidate, compute, ratio, interval)."""
    names = tuple(dict.fromkeys(name for name, *_ in rows))
    return js.Multiplier(
        "A", names,
        tuple(EqualLoss(n, c, 2.135, r * c, r, ends, choice_of(ends, 0.02)) for n, c, r, ends in rows),
        tuple(ScaleTrend(n, 1e21, 1e23, *trend) for n in names), (Pairing("independent", "told."),), 0.9, 0.02,
        "How.", "six_nd", "FLOPs", ("chinchilla", "chinchilla"), 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "choice"),
    [
        ((0.79, 0.87), "candidate"),
        ((0.79, 0.981), "more_runs"),
        ((0.79, 1.02), "more_runs"),
        ((0.79, 1.03), "no_evidence"),
        ((0.985, 1.015), "either"),
        ((0.99, 1.1), "more_runs"),
        ((1.03, 1.1), "baseline"),
        ((math.inf, math.inf), "baseline"),
        ((0.0, 0.0), "candidate"),
        ((0.0, math.inf), "no_evidence"),
        (None, "not_judged"),
    ],
)
def test_the_choice_follows_from_the_whole_interval(interval, choice):
    assert choice_of(interval, 0.02) == choice


def test_the_verdict_says_who_needs_how_much_of_whose_compute():
    found = made(("B", 1e22, 0.83, (0.79, 0.87)))
    words = "B reaches the loss that A reaches at 1e22 FLOPs (2.135) with 0.83 times the compute [0.79, 0.87]"
    assert found.verdict == f"choose B: {words}"
    assert found.chosen == "B"
    assert found.rows[0].multiplier == pytest.approx(1 / 0.83)
    assert found.rows[0].multiplier_interval == pytest.approx((1 / 0.87, 1 / 0.79))
    text = " ".join(str(found).split())
    assert "Anywhere in the interval B saves more than 2 % of the compute." in text
    assert "multiplier C_A / C_B changes by a factor of 0.900 [0.85, 0.95]: B loses ground as runs grow." in text


@pytest.mark.parametrize(
    ("trend", "words"),
    [
        ((1.1, (1.05, 1.15)), "B gains ground as runs grow"),
        ((0.98, (0.9, 1.05)), "no trend with scale can be told"),
        ((1.0, (1.0, 1.0)), "the same at every scale"),
        ((math.nan, None), "no trend with scale could be had"),
        ((0.9, None), "by a factor of 0.900."),
    ],
)
def test_the_trend_is_told_only_where_there_is_one(trend, words):
    assert words in " ".join(str(made(("B", 1e22, 0.83, (0.79, 0.87)), trend=trend)).split())


def test_of_several_the_one_that_is_surely_better_decides_at_the_largest_scale():
    found = made(
        ("B", 1e21, 0.5, (0.4, 0.6)), ("B", 1e23, 0.6, (0.3, 1.2)),
        ("C", 1e21, 0.9, (0.8, 1.1)), ("C", 1e23, 0.8, (0.7, 0.9)),
    )  # fmt: skip
    assert (found.chosen, found.deciding.candidate, found.deciding.compute) == ("C", "C", 1e23)
    assert [row.compute for row in found.of("B")] == [1e21, 1e23]
    with pytest.raises(js.InputError, match="no candidate D"):
        found.of("D")


def test_the_frame_and_the_file_hold_both_directions():
    found = made(("B", 1e22, 0.8, (0.5, math.inf)))
    frame = found.to_frame().iloc[0]
    assert (frame.ratio, frame.multiplier, frame.ratio_high, frame.multiplier_low) == (0.8, 1.25, math.inf, 0)
    row = found.to_dict()["rows"][0]
    assert (row["ratio"], row["interval"], row["multiplier_interval"]) == (0.8, [0.5, None], [0.0, 2.0])
    assert found.to_dict()["verdict"]["choice"] == "no_evidence"
    assert "Which runs would tell: next_runs" in str(found)
    assert "over 100" in str(found)


def test_the_picture_shows_the_ratios_and_where_they_do_not_count():
    found = made(*(("B", c, 0.8, (0.7, 0.9)) for c in (1e21, 1e22, 1e23)))
    chart = found.plot().chart
    (panel,) = chart.panels
    line = next(mark for mark in panel.marks if type(mark).__name__ == "Line")
    assert line.x.tolist() == [1e21, 1e22, 1e23] and line.y.tolist() == [0.8] * 3
    assert chart.alt.startswith("choose B: B reaches the loss that A reaches at 1e23 FLOPs")
    assert made(("B", 1e22, math.inf, (math.inf, math.inf))).plot().chart.panels[0].y.ends is None
    (bare,) = made(("B", 1e22, 0.8, None)).plot().chart.panels
    assert not any("interval" in getattr(mark, "label", "") for mark in bare.marks)  # none is known, none is promised
