"""Marks of a chart as SVG: what `web/chart.js` draws, with the same classes; see `drawn`."""

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxscale._pages.markup import Markup, tag
from jaxscale.plot._charts.chart import (
    Area,
    Bars,
    Contours,
    Dots,
    Line,
    Mark,
    Role,
    Rule,
    Span,
    Whiskers,
    Word,
)
from jaxscale.plot._charts.ticks import tick_texts

Place = tuple[float, float, str]  # in pixels, and how words stand there: start, middle or end


@dataclass
class Frame:
    """A panel while it is drawn: from values to pixels, its ends, what lies in it and over it, marks at its edge (x, y)
    that no name may hide, points that none should, and names to be placed, (text, places, class)."""

    X: Callable[[Any], np.ndarray]
    Y: Callable[[Any], np.ndarray]
    left: float
    right: float
    top: float
    bottom: float
    body: list[Markup] = field(default_factory=list)
    over: list[Markup] = field(default_factory=list)
    edge: list[tuple[float, float]] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    names: list[tuple[str, list[Place], str]] = field(default_factory=list)

    def path(self, d: str, kind: str) -> None:
        """A path inside the panel, if there is anything of it."""
        if d:
            self.body.append(tag("path", d=d, class_=kind))


SHAPES = {  # around 0, 0
    "ring": "m-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0", "square": "m-3,-3h6v6h-6z", "up": "m0,-4.5l4.2,7.5h-8.4z",
    "down": "m0,4.5l4.2,-7.5h-8.4z", "tick": "m0,-6v12",
    "cross": "m-4,-1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z",
}  # fmt: skip
POINT = "h0"  # a dot is a line of no length with round ends


def px(value: float) -> str:
    """A number of pixels, as short as it can be."""
    return f"{value:.1f}".removesuffix(".0")


def look_of(role: Role) -> str:
    """The class of a role, from which its colour follows."""
    return f"r-{role}" if isinstance(role, str) else f"r-s{round(8 * min(max(role, 0.0), 1.0))}"


def _curve(x: np.ndarray, y: np.ndarray) -> str:
    """A path through pixels, broken where they are not finite."""
    parts, down = [], False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(a) and math.isfinite(b):
            parts.append(f"{'L' if down else 'M'}{px(a)},{px(b)}")
        down = math.isfinite(a) and math.isfinite(b)
    return "".join(parts)


def _around(x: float, y: float) -> list[Place]:
    return [
        (x + 6, y + 4, "start"), (x - 6, y + 4, "end"), (x, y - 7, "middle"), (x, y + 16, "middle"),
        (x + 6, y - 8, "start"), (x - 6, y + 17, "end"),
    ]  # fmt: skip


def _dots(m: Dots, c: str, f: Frame) -> None:
    x, y = f.X(m.x), f.Y(m.y)
    shape = SHAPES.get(m.shape, POINT)
    known = np.isfinite(x) & np.isfinite(y)
    d = "".join(f"M{px(a)},{px(b)}{shape}" for a, b in zip(x[known].tolist(), y[known].tolist(), strict=True))
    small = m.shape == "pixel" or len(m.x) > 800
    kind = f"dots {m.shape}" if m.shape in SHAPES else f"points{' small' if small else ''}"
    made = tag("path", d=d, class_=f"{kind}{' many' if len(m.x) > 200 else ''} {c}")
    at_edge = m.shape in ("up", "down")
    (f.over if at_edge else f.body).append(made)
    places = f.edge if at_edge else f.points
    places += zip(x[known].tolist(), y[known].tolist(), strict=True)
    for k, name in enumerate(m.names):
        if name:
            f.names.append((name, _around(float(x[k]), float(y[k])), f"name {c}"))


def _line(m: Line, c: str, f: Frame) -> None:
    x, y = f.X(m.x), f.Y(m.y)
    f.path(_curve(x, y), f"line {m.dash} {c}")
    if m.name:
        inside = [(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)
                  if f.left <= a <= f.right and f.top <= b <= f.bottom]  # fmt: skip
        beside = ((4, -4, "start"), (-4, -4, "end"), (4, 12, "start"), (-4, 12, "end"))
        places = [(a + dx, b + dy, anchor) for a, b in (*inside[::-1], *inside) for dx, dy, anchor in beside]
        f.names.append((m.name, places, f"name {c}"))


def _area(m: Area, c: str, f: Frame) -> None:
    if d := _curve(f.X(m.x), f.Y(m.y)):
        f.path(d[0] + d[1:].replace("M", "L") + "Z", f"area {c}")


def _whiskers(m: Whiskers, c: str, f: Frame) -> None:
    along, across = (f.X, f.Y) if m.along == "x" else (f.Y, f.X)
    low, high = along(m.low), along(m.high)
    at = across(m.y if m.along == "x" else m.x)
    parts = []
    for a, b, k in zip(low.tolist(), high.tolist(), at.tolist(), strict=True):
        if all(map(math.isfinite, (a, b, k))):
            parts.append(f"M{px(a)},{px(k)}H{px(b)}" if m.along == "x" else f"M{px(k)},{px(a)}V{px(b)}")
    f.path("".join(parts), f"whiskers {c}")


def _bars(m: Bars, c: str, f: Frame) -> None:
    flat = m.along == "x"
    along, across = (f.X, f.Y) if flat else (f.Y, f.X)
    starts, ends = along(m.start), along(m.end)
    sides = across(np.asarray(m.at) - m.width / 2), across(np.asarray(m.at) + m.width / 2)
    for k in range(len(m.at)):
        start, end, a, b = (float(v[k]) for v in (starts, ends, *sides))
        if not (math.isfinite(start) and math.isfinite(end)):
            continue
        first, second = (min(start, end), abs(end - start)), (min(a, b), abs(b - a))
        (x, width), (y, height) = (first, second) if flat else (second, first)
        f.body.append(
            tag(
                "rect",
                x=px(x),
                y=px(y),
                width=px(width),
                height=px(height),
                class_=f"bar {c}",
            )
        )
        if k < len(m.names) and m.names[k]:
            middle, back = (a + b) / 2, end < start
            out: Place = (end - 5, middle + 4, "end") if back else (end + 5, middle + 4, "start")
            inward: Place = (end + 5, middle + 4, "start") if back else (end - 5, middle + 4, "end")
            f.names.insert(0, (m.names[k], [out, inward] if flat else [(middle, end - 5, "middle")], "name ink"))


def _rule(m: Rule, c: str, f: Frame) -> None:
    if m.along == "x":
        x = float(f.X(m.at))
        f.path(f"M{px(x)},{px(f.top)}V{px(f.bottom)}", f"rule {m.dash} {c}")
        places: list[Place] = [(x, f.top - 6, "middle"), (x + 4, f.top + 10, "start"), (x - 4, f.top + 10, "end")]
        places += [(x + 4, f.bottom - 5, "start"), (x - 4, f.bottom - 5, "end")]
    else:
        y = float(f.Y(m.at))
        f.path(f"M{px(f.left)},{px(y)}H{px(f.right)}", f"rule {m.dash} {c}")
        places = [(f.right - 3, y - 4, "end"), (f.left + 3, y - 4, "start")]
    if m.name:
        f.names.append((m.name, places, "name ink"))


def _span(m: Span, c: str, f: Frame) -> None:
    flat = m.along == "x"
    low, high = (f.left, f.right) if flat else (f.top, f.bottom)
    a, b = sorted(min(max(float((f.X if flat else f.Y)(v)), low), high) for v in (m.low, m.high))
    x, width, y, height = (a, b - a, f.top, f.bottom - f.top) if flat else (f.left, f.right - f.left, a, b - a)
    f.body.append(tag("rect", x=px(x), y=px(y), width=px(width), height=px(height), class_=f"span {c}"))


def _contours(m: Contours, c: str, f: Frame) -> None:
    x, y, z = f.X(m.x), f.Y(m.y), np.asarray(m.z, np.float64)
    for level in np.asarray(m.levels, np.float64).tolist():
        pieces = _level(x, y, z, level)
        f.path(
            "".join(f"M{px(a)},{px(b)}L{px(p)},{px(q)}" for (a, b), (p, q) in pieces),
            f"line thin {c}",
        )
        ends = sorted((p for p, _ in pieces), key=lambda p: p[1] - p[0])
        (text,) = tick_texts([level], "plain", False)
        f.names.append((text, [(a - 3, b + 4, "end") for a, b in ends[::4]], f"name halo {c}"))


def _level(x: np.ndarray, y: np.ndarray, z: np.ndarray, level: float) -> list[tuple[tuple[float, float], ...]]:
    """Where values on a grid equal a level: straight pieces (marching squares)."""
    around = np.stack([z[:-1, :-1], z[:-1, 1:], z[1:, 1:], z[1:, :-1]])
    higher = (around > level).sum(axis=0)
    found = []
    for j, i in np.argwhere((higher > 0) & (higher < 4) & np.isfinite(around).all(axis=0)).tolist():
        corners = ((x[i], y[j]), (x[i + 1], y[j]), (x[i + 1], y[j + 1]), (x[i], y[j + 1]))
        values, cut = around[:, j, i].tolist(), []
        for k, n in ((0, 1), (1, 2), (2, 3), (3, 0)):
            if (values[k] > level) != (values[n] > level):
                t = (level - values[k]) / (values[n] - values[k])
                cut.append(tuple(float(a + t * (b - a)) for a, b in zip(corners[k], corners[n], strict=True)))
        found += [tuple(cut[:2]), *([tuple(cut[2:])] if len(cut) == 4 else [])]
    return found


def _word(m: Word, c: str, f: Frame) -> None:
    x, y = (f.left + f.right) / 2, (f.top + f.bottom) / 2
    lines = textwrap.wrap(m.text, 44)
    f.over += [tag("text", line, x=px(x), y=px(y + 15 * k), text_anchor="middle", class_=f"name {c}")
               for k, line in enumerate(lines)]  # fmt: skip


def put(mark: Mark, frame: Frame) -> None:
    """One mark, drawn into a frame."""
    _DRAW[type(mark)](mark, look_of(mark.role), frame)


_DRAW: dict[type, Callable[[Any, str, Frame], None]] = {
    Dots: _dots, Line: _line, Area: _area, Whiskers: _whiskers, Bars: _bars, Rule: _rule, Span: _span,
    Contours: _contours, Word: _word,
}  # fmt: skip
