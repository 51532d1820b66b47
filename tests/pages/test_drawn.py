"""Pictures that need no script: every mark is drawn, at its place, with nothing of a table that acts."""

import re

import numpy as np
import pytest

from jaxscale._pages.drawn import drawn
from jaxscale.plot._charts.chart import (
    Area,
    Axis,
    Bars,
    Chart,
    Contours,
    Dots,
    Line,
    Panel,
    Rule,
    Span,
    Whiskers,
    Word,
)

X = np.array([1.0, 10.0, 100.0])
MARKS = (
    Span(2.0, 20.0, "x", "seen"), Area(X, X, "band"), Line(X, X, "law", name="best"), Line(X, X, dash="dashed"),
    Dots(X, X, "runs", names=("<b>one</b>", "", "")), Dots(X, X, "odd", shape="up"), Rule(3.0, "y", name="plan"),
    Whiskers(X, X, X / 2, X * 2, "y", "ends"), Bars(X, X / 2, X * 2, "y", "sums", width=0.1),
    Contours(X, X, np.outer(X, X), np.array([330.0]), "equal"), Word("nothing else"),
)  # fmt: skip


def chart(*marks, x=None) -> Chart:
    axis = x or Axis("size", log=True, ends=(1.0, 100.0))
    return Chart("A title", "What it shows & <more>.", (Panel(axis, Axis("loss", log=True, ends=(1.0, 100.0)), marks),))


def test_every_mark_is_drawn_and_text_stays_text():
    text = drawn(chart(*MARKS), "it")
    for kind in (
        "span",
        "area",
        "line solid",
        "line dashed",
        "points",
        "dots up",
        "rule",
        "whiskers",
        "bar",
        "line thin",
    ):
        assert re.search(rf'class="{kind}', text), kind
    assert "<b>" not in text and "&lt;b&gt;one" in text and 'aria-label="What it shows &amp; &lt;more&gt;."' in text
    assert "style=" not in text and "<script" not in text
    key = text[text.index('class="key"') :]
    assert re.findall(r"</svg>([^<]*)</li>", key) == ["seen", "band", "law", "runs", "odd", "ends", "sums", "equal"]
    assert text.count('id="it-in-0"') == 1 and "url(#it-in-0)" in text


def test_names_hide_no_mark_at_the_edge():
    """Of two marks near the left end the name of the first has no room at either side of it."""
    marks = Dots(np.array([2.0, 2.2]), np.array([90.0, 90.0]), "odd", shape="up", names=("row 1: +20 %", ""))
    text = drawn(chart(marks), "it")
    d, _ = re.findall(r'd="(M[^"]*)" class="dots up', text)  # the other is in the key
    places = [tuple(map(float, pair)) for pair in re.findall(r"M([\d.]+),([\d.]+)", d)]
    ((at, anchor),) = re.findall(r'<text x="([\d.]+)" [^>]*text-anchor="(\w+)"[^>]*>row 1: \+20\s%', text)
    (y,) = re.findall(r'y="([\d.]+)"[^>]*>row 1: \+20\s%', text)
    assert anchor == "middle" and float(at) == places[0][0] and abs(float(y) - places[0][1]) >= 7  # above or below it


def test_names_of_runs_at_one_place_stand_below_each_other():
    marks = Dots(
        np.array([30.0, 30.0]), np.array([90.0, 90.0]), "odd", shape="up", names=("row 31: +15\nrow 35: +5", "")
    )
    text = drawn(chart(marks), "it")
    ((at, below),) = re.findall(r'<text x="([\d.]+)" [^>]*>row 31: \+15<tspan x="([\d.]+)" dy="15">row 35: \+5<', text)
    assert at == below


def test_names_hide_no_point_where_another_place_is_free():
    x = np.array([10.0, 12.0, 14.0, 17.0])
    names = ("row 1", "", "", "")
    for points, anchor in ((x[:1], "start"), (x, "end")):  # to the right, unless others lie there
        text = drawn(chart(Dots(points, np.full(len(points), 10.0), names=names[: len(points)])), "it")
        assert re.findall(r'text-anchor="(\w+)"[^>]*>row 1<', text) == [anchor]


def test_long_names_of_an_axis_stand_in_two_lines():
    panel = Panel(Axis("size"), Axis("", names=("tokens served ±10 %", "budget ±10 %", "x" * 90)), ())
    said = re.findall(r'class="ink">([^<]*)<', drawn(Chart("", "", (panel,)), "it"))
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in said[:3]] == ["tokens served", "±10 %", "budget ±10 %"]
    assert said[3].endswith("…") and len(said) == 4


def test_values_stand_where_a_log_axis_has_them():
    text = drawn(chart(Line(X, X)), "it")
    (d,) = re.findall(r'd="([^"]*)" class="line', text)
    x = [float(at) for at in re.findall(r"[ML]([\d.]+),", d)]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)  # decades are equally long
    gap = drawn(chart(Line(np.array([1.0, np.nan, 10.0, 100.0]), np.array([1.0, 2.0, 10.0, 100.0]))), "it")
    (d,) = re.findall(r'd="([^"]*)" class="line', gap)
    assert d.count("M") == 2 and "nan" not in gap


def test_what_has_no_numbers_is_drawn_too():
    empty = Chart("", "", (Panel(Axis("a"), Axis("b"), ()), Panel(Axis("", names=("x" * 90, "y")), Axis("b"), ())), 2)
    assert drawn(empty, "it").count("<svg") == 2
