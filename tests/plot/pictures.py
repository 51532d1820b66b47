"""What the tests of pictures share: cases, and a look at every word that a picture really draws."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import jaxscale as js
from jaxscale.laws import Law, Parameter, Variable

HOSTILE = "$\\frac{a}{b}$ <script>alert(1)</script> _x_\u202e‮ \x1b[31m 名前 " + "very_long_name_" * 8


def with_runs(result: js.FitResult, runs: js.Runs) -> js.FitResult:
    return replace(result, runs=runs, runs_sha256=runs.sha256, record=runs.record)


def few(result: js.FitResult) -> js.FitResult:
    """Nine of its runs."""
    return with_runs(result, result.runs.subset(slice(0, 54, 6)))


def many(result: js.FitResult) -> js.FitResult:
    """Twenty thousand runs."""
    rng = np.random.default_rng(0)
    N, D = (
        np.exp(rng.uniform(np.log(1e7), np.log(1e11), 20_000)),
        np.exp(rng.uniform(np.log(1e8), np.log(1e13), 20_000)),
    )
    return with_runs(result, js.synthetic.observe(result.law, result.params, {"N": N, "D": D}, noise=0.01, bad=40))


def hostile(result: js.FitResult) -> js.FitResult:
    """Names that are long, and made to act."""
    law = replace(result.law, name=HOSTILE)
    runs = js.Runs(result.runs.variables, result.runs.response, HOSTILE)
    return replace(with_runs(result, runs), law=law)


def negative(result: js.FitResult) -> js.FitResult:
    """A response of either sign: the log of the loss, less one, in a law of its own."""
    law = Law(
        "signed",
        lambda p, *, log_N, log_D: p.E + p.A * -0.1 * log_N + p.B * -0.1 * log_D,
        parameters=tuple(Parameter(name, "identity") for name in ("E", "A", "B")),
        response=Variable("score", "points", domain="real", better="lower"),
    )
    params = {"E": 3.0, "A": 0.5, "B": 0.8}
    variables = {k: result.runs.variables[k] for k in ("N", "D")}
    runs = js.synthetic.observe(law, params, variables, noise=0.02, bad=2)
    theta = law.theta(params)
    return replace(
        with_runs(result, runs), law=law, params=params, theta=theta, sigma=0.02, covariance=None, at_noise=()
    )


CASES: dict[str, Callable[[js.FitResult], js.FitResult]] = {
    "demo": lambda result: result,
    "few": few,
    "many": many,
    "hostile": hostile,
    "negative": negative,
}


def drawn_words(picture: Any, monkeypatch: Any) -> list[tuple[str, Any]]:
    """Every text that the Agg renderer is given, with its box in pixels."""
    seen = []
    canvas = FigureCanvasAgg(picture)
    with monkeypatch.context() as patch:
        draw = Text.draw

        def noted(self, renderer, *args, **kwargs):
            if self.get_visible() and self.get_text().strip():
                seen.append(self)
            return draw(self, renderer, *args, **kwargs)

        patch.setattr(Text, "draw", noted)
        canvas.draw()
    renderer = canvas.get_renderer()
    unique = {id(text): text for text in seen}.values()
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in unique]


def check_words(picture: Any, monkeypatch: Any) -> None:
    """No text overlaps another or leaves the canvas, every axis says what it measures, and no word acts."""
    alt = getattr(picture, "alt", "")  # a figure that was given has none
    assert alt.isprintable() and not re.search(r" [.,;:](?!\d)", alt), ascii(alt)  # a space where a unit is missing
    for panel in picture.chart.panels if alt else ():
        for axis in (panel.x, panel.y):
            assert axis.label.isprintable() and (axis.label or axis.names or not axis.ticks), picture.chart.title
    words = drawn_words(picture, monkeypatch)
    for text, box in words:
        inside = box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= picture.bbox.width + 0.5
        assert inside and box.y1 <= picture.bbox.height + 0.5, f"{text!r} leaves the canvas: {box}"
    for (one, a), (other, b) in combinations(words, 2):
        apart = a.x1 <= b.x0 + 0.5 or b.x1 <= a.x0 + 0.5 or a.y1 <= b.y0 + 0.5 or b.y1 <= a.y0 + 0.5
        assert apart, f"{one!r} overlaps {other!r}"
