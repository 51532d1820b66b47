"""Charts as SVG that needs no script: what stands in a page until its own script draws, and where none may run.

The marks, their classes and the places of names are those of `web/chart.js`; panels have one width, and wrap."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from jaxscale._pages.drawn_marks import POINT, SHAPES, Frame, Place, look_of, put, px
from jaxscale._pages.markup import Markup, join, tag
from jaxscale.plot._charts.chart import (
    Area,
    Axis,
    Bars,
    Chart,
    Contours,
    Dots,
    Mark,
    Panel,
    Rule,
    Span,
    Whiskers,
    Word,
)
from jaxscale.plot._charts.ticks import tick_texts, ticks

_WIDTH, _LOW, _HIGH = 340.0, 200.0, 250.0
_FONT = 12.0  # pixels of a letter's height
_LINE = 15.0  # pixels from a line of words to the next
_EACH_NAME = 28  # pixels of height for each thing that an axis holds
_NARROW, _WIDE = frozenset("ijl.,:;|!()[]'tfrI "), frozenset("mwMW%@—")


def drawn(chart: Chart, id: str) -> Markup:
    """Panels and a key, for the place of a picture of that id."""
    shared: Sequence[Panel] = chart.panels if chart.shared else ()
    boxes = []
    for k, panel in enumerate(chart.panels):
        words = [
            tag("p", text, class_=c) for text, c in ((panel.title, "panel-title"), (panel.note, "panel-note")) if text
        ]
        boxes.append(tag("div", *words, _panel(panel, chart, shared or (panel,), f"{id}-in-{k}")))
    return join(
        tag("div", *boxes, class_="panels drawn", role="img", aria_label=chart.alt),
        tag("ul", *_key(chart), class_="key"),
    )


def _panel(panel: Panel, chart: Chart, together: Sequence[Panel], id: str) -> Markup:
    ax, ay = panel.x, panel.y
    (x0, x1), (y0, y1) = (
        _ends(axis, together if chart.shared == key else (panel,), key) for axis, key in ((ax, "x"), (ay, "y"))
    )
    shape = chart.size[1] / math.ceil(len(chart.panels) / chart.columns) / (chart.size[0] / chart.columns)
    height = 70.0 + _EACH_NAME * len(ay.names) if ay.names else round(min(max(_WIDTH * shape, _LOW), _HIGH))
    named = any(isinstance(mark, Rule) and mark.name for mark in panel.marks)
    top, bottom = (24.0 if ay.label else 20.0 if named else 8.0), height - (38.0 if ax.label else 20.0)
    y_ticks, y_texts = _ticks(ay, y0, y1, int((bottom - top) / 32))
    y_names = [_lines_of(name, _WIDTH * 0.34) for name in ay.names]
    left, right = 10 + max([8.0, *map(_long, chain(y_texts, *y_names))]), _WIDTH - 14
    x_ticks, x_texts = _ticks(ax, x0, x1, int((right - left) / 58))
    f = Frame(_scale(ax.log, x0, x1, left, right), _scale(ay.log, y0, y1, bottom, top), left, right, top, bottom)
    words = _Words(height)
    grid: list[Markup] = []
    last = -math.inf
    for value, text in zip(x_ticks, x_texts, strict=True):
        x, half = float(f.X(value)), _long(text) / 2
        grid.append(tag("path", d=f"M{px(x)},{px(top)}V{px(bottom)}", class_="gridline"))
        at = min(x, _WIDTH - half - 1)
        if at - half >= last + 6:  # else there is no room beside the one before
            last = at + half
            grid.append(words.keep(text, (at, bottom + 15, "middle"), None))
    for value, text in zip(y_ticks, y_texts, strict=True):
        y = float(f.Y(value))
        grid.append(tag("path", d=f"M{px(left)},{px(y)}H{px(right)}", class_="gridline"))
        grid.append(words.keep(text, (left - 6, y + 4, "end"), None))
    for i, lines in enumerate(y_names):
        first = float(f.Y(i)) + 4 - _FONT * (len(lines) - 1) / 2
        grid += [words.keep(line, (left - 6, first + _FONT * k, "end"), "ink") for k, line in enumerate(lines)]
    if ax.ticks or ay.ticks:
        grid.append(tag("path", d=f"M{px(left)},{px(top)}V{px(bottom)}H{px(right)}", class_="frame"))
    labels = [words.keep(_cut(ay.label, _WIDTH - 4), (2, 13, "start"), "label")] if ay.label else []
    if ax.label:
        labels.append(words.keep(_cut(ax.label, _WIDTH - 18), (right, height - 6, "end"), "label"))
    for mark in panel.marks:
        put(mark, f)
    words.taken += [(x - 3.5, y - 3.5, x + 3.5, y + 4) for x, y in f.edge]
    for text, places, kind in f.names:
        free = [p for p in places if top - 6 <= p[1] < bottom + 2 and p[0] > left - 2]
        f.over.append(words.put(text, free, kind, f.points))
    inside = tag("rect", x=px(left), y=px(top - 2), width=px(right - left + 2),
                 height=px(bottom - top + 4))  # fmt: skip
    clip = tag("defs", tag("clipPath", inside, id=id))
    body = tag("g", *f.body, clip_path=f"url(#{id})")
    return tag(
        "svg", clip, tag("g", *grid, class_="grid"), body, *labels, *f.over,
        viewBox=f"0 0 {px(_WIDTH)} {px(height)}", aria_hidden="true", focusable="false",
    )  # fmt: skip


# --- Axes ---
def _values(mark: Mark, key: str) -> Iterable[Any]:
    """Every number of a mark along "x" or "y"."""
    if isinstance(mark, Word):
        return []
    if isinstance(mark, Bars):
        return [mark.start, mark.end] if mark.along == key else [mark.at - mark.width, mark.at + mark.width]
    if isinstance(mark, Whiskers) and mark.along == key:
        return [mark.low, mark.high, getattr(mark, key)]
    if isinstance(mark, Rule):
        return [mark.at] if mark.along == key else []
    if isinstance(mark, Span):
        return [mark.low, mark.high] if mark.along == key else []
    return [getattr(mark, key)]


def _ends(axis: Axis, panels: Sequence[Panel], key: str) -> tuple[float, float]:
    if axis.ends is not None:
        return axis.ends
    parts = [np.asarray(v, np.float64).ravel() for p in panels for mark in p.marks for v in _values(mark, key)]
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values) & (values > 0 if axis.log else True)]
    if not len(values):
        return (1.0, 10.0) if axis.log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if axis.log:
        pad = (high / low) ** 0.04 if high > low else 2.0
        return low / pad, high * pad
    pad = 0.05 * (high - low) if high > low else abs(high) or 1.0
    return low - pad, high + pad


def _scale(log: bool, start: float, end: float, a: float, b: float) -> Callable[[Any], np.ndarray]:
    def to_pixels(values: Any) -> np.ndarray:
        v = np.asarray(values, np.float64)
        if not log:
            return a + (b - a) * (v - start) / (end - start)
        with np.errstate(divide="ignore", invalid="ignore"):
            return a + (b - a) * (np.log(v) - math.log(start)) / (math.log(end) - math.log(start))

    return to_pixels


def _ticks(axis: Axis, low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    if axis.names or not axis.ticks:
        return [], []
    found = ticks(low, high, axis.log, axis.form == "count", most)
    return found, tick_texts(found, axis.form, axis.log)


# --- Words that must not hide each other ---
def _long(text: str) -> float:
    """Pixels of a text of 12 px, in the widest of usual fonts."""
    return _FONT * sum(map(_letter, text))


def _letter(c: str) -> float:
    if c in _NARROW:
        return 0.4
    if c in _WIDE or not c.isascii():
        return 0.97 if c in _WIDE or ord(c) > 0x2E80 else 0.84
    return 0.72 if c.isupper() else 0.63


def _cut(text: str, room: float) -> str:
    if _long(text) <= room:
        return text
    while len(text) > 1 and _long(text + "…") > room:
        text = text[:-1]
    return text + "…"


def _lines_of(name: str, room: float) -> list[str]:
    """A name in one line, or in two where it is longer and has a space to break at."""
    words = re.split(" (?!%)", name)
    fitting = [n for n in range(1, len(words)) if _long(" ".join(words[:n])) <= room]
    if _long(name) <= room or not fitting:
        return [_cut(name, room)]
    return [" ".join(words[: fitting[-1]]), _cut(" ".join(words[fitting[-1] :]), room)]


class _Words:
    """Where words of a panel stand."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.taken: list[tuple[float, float, float, float]] = []

    def _box(self, text: str, place: Place) -> tuple[float, float, float, float]:
        x, y, anchor = place
        long = _long(text)
        x0 = x if anchor == "start" else x - long if anchor == "end" else x - long / 2
        return x0 - 2, y - 11, x0 + long + 2, y + 3

    def keep(self, text: str, place: Place, kind: str | None) -> Markup:
        """Words that stand where they stand."""
        self.taken.append(self._box(text, place))
        x, y, anchor = place
        return tag("text", text, x=px(x), y=px(y), text_anchor=anchor, class_=kind)

    def put(self, text: str, places: Sequence[Place], kind: str, points: Sequence[tuple[float, float]]) -> Markup:
        """Words, a line below another where there are several, at the first place that is free and hides no point, else
        at the first that is free, which they may also stand on; nothing where none is."""
        first, *rest = text.split("\n")
        longest, below = max((first, *rest), key=_long), _LINE * len(rest)
        found: tuple[Place, tuple[float, float, float, float]] | None = None
        for x, y, anchor in [(x, y - up, a) for x, y, a in places for up in ((0.0, below) if below else (0.0,))]:
            x0, y0, x1, y1 = self._box(longest, (x, y, anchor))
            y1 += below
            inside = x0 >= 0 and y0 >= 0 and x1 <= _WIDTH and y1 <= self.height
            if not inside or any(x1 >= a and x0 <= c and y1 >= b and y0 <= d for a, b, c, d in self.taken):
                continue
            bare = not any(x0 < a < x1 and y0 < b < y1 for a, b in points)
            if bare or found is None:
                found = (x, y, anchor), (x0, y0, x1, y1)
            if bare:
                break
        if found is None:
            return Markup("")
        (x, y, anchor), box = found
        self.taken.append(box)
        lines = (tag("tspan", line, x=px(x), dy=px(_LINE)) for line in rest)
        return tag("text", first, *lines, x=px(x), y=px(y), text_anchor=anchor, class_=kind)


# --- The key ---
def _key(chart: Chart) -> Iterable[Markup]:
    """What each look stands for, once."""
    seen = set()
    for mark in (mark for panel in chart.panels for mark in panel.marks):
        label = getattr(mark, "label", "")
        if label and label not in seen:
            seen.add(label)
            yield tag("li", _swatch(mark), label)


def _swatch(mark: Any) -> Markup:
    c = look_of(mark.role)
    if isinstance(mark, Dots):
        shape = SHAPES.get(mark.shape, POINT)
        made = tag(
            "path", d=f"M11,6{shape}", class_=f"{f'dots {mark.shape}' if mark.shape in SHAPES else 'points'} {c}"
        )
    elif isinstance(mark, Area | Span | Bars):
        kind = {Area: "area", Span: "span", Bars: "bar"}[type(mark)]
        made = tag("rect", x="2", y="1", width="18", height="10", class_=f"{kind} {c}")
    elif isinstance(mark, Whiskers):
        made = tag("path", d="M11,0V12", class_=f"whiskers {c}")
    else:
        kind = "line thin" if isinstance(mark, Contours) else type(mark).__name__.lower()
        made = tag("path", d="M1,6H21", class_=f"{kind} {getattr(mark, 'dash', '')} {c}")
    return tag("svg", made, width="22", height="12", viewBox="0 0 22 12", aria_hidden="true")
