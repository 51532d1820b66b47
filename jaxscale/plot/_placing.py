"""Words that overlap nothing: measured after the layout, wrapped to their axis, and named only where there is room."""

import textwrap
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from jaxscale._base.text import format_number
from jaxscale.plot._charts.chart import Bars, Contours, Dots, Line, Mark, Rule
from jaxscale.plot._style import MUTED, colour

_GAP = 5.0  # points between a point and its name
_NAME_SIZE = 7.5
_MOST_COVERED = 2  # points that a name may hide


@cache
def _font() -> Any:
    from matplotlib import font_manager

    return font_manager.get_font(font_manager.findfont("DejaVu Sans"))


def drawable(text: str) -> str:
    """Text whose letters the font has; others are shown as U+FFFD."""
    if text.isascii():
        return text
    return "".join(c if ord(c) < 128 or _font().get_char_index(ord(c)) else "\ufffd" for c in text)


def fit_texts(figure: Any, panels: Sequence[Any]) -> None:
    """Labels of axes in lines no longer than the axis, and no tick label over another."""
    changed = False
    for axes in panels:
        box = axes.get_window_extent()
        for axis, length in ((axes.xaxis, box.width), (axes.yaxis, box.height)):
            label = axis.label
            if not label.get_text():
                continue
            extent = label.get_window_extent()
            size = extent.width if axis is axes.xaxis else extent.height
            if size > length:
                letters = max(8, int(len(label.get_text()) * length / size) - 1)
                label.set_text("\n".join(textwrap.wrap(label.get_text(), letters)))
                changed = True
    if changed:
        figure.draw_without_rendering()
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            _thin(axis)


def _thin(axis: Any) -> None:
    """Every second tick label, and again, until none lies over another."""
    labels = [label for label in axis.get_ticklabels() if label.get_text()]
    for _ in range(6):
        boxes = [label.get_window_extent() for label in labels]
        if len(boxes) < 2 or not any(_meet(a, b, 1.0) for a, b in pairwise(boxes)):
            return
        for label in labels[1::2]:
            label.set_visible(False)
        labels = labels[::2]


def _meet(a: Any, b: Any, gap: float = 0.0) -> bool:
    return a.x0 < b.x1 + gap and b.x0 < a.x1 + gap and a.y0 < b.y1 + gap and b.y0 < a.y1 + gap


def name_marks(figure: Any, drawn: Sequence[tuple[Sequence[Mark], Any]]) -> None:
    """Names of points, lines, bars and rules, each at the first of its places that is free of words and, best, of
    points; a name without a place is left out."""
    taken = _texts(figure, [axes for _, axes in drawn])
    for marks, axes in drawn:
        points = _points_of(marks, axes)
        for mark in marks:
            for places, text, role, ways in _wanted(mark, axes):
                _put(axes, places, text, role, ways, taken, points, room=_room(mark, axes))


def _texts(figure: Any, panels: Sequence[Any]) -> list[Any]:
    """Boxes of all words drawn so far, in pixels."""
    found = [label for axes in panels for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
    found += [axis.label for axes in panels for axis in (axes.xaxis, axes.yaxis)]
    found += [text for axes in panels for text in (axes.title, axes._left_title, axes._right_title, *axes.texts)]
    legends = [*figure.legends, *(axes.get_legend() for axes in panels)]
    found += [text for legend in legends if legend is not None for text in legend.get_texts()]
    found += [*figure.texts, *([figure._suptitle] if getattr(figure, "_suptitle", None) else [])]
    return [text.get_window_extent() for text in found if text.get_visible() and text.get_text().strip()]


def _points_of(marks: Sequence[Mark], axes: Any) -> np.ndarray:
    """Dots in pixels, (n, 2)."""
    at = [np.column_stack([m.x, m.y]) for m in marks if isinstance(m, Dots) and len(m.x)]
    if not at:
        return np.empty((0, 2))
    return axes.transData.transform(np.concatenate(at).astype(np.float64))


_RIGHT, _LEFT, _ABOVE, _BELOW = (1, 0), (-1, 0), (0, 1), (0, -1)
_AROUND = (_RIGHT, _LEFT, _ABOVE, _BELOW, (1, 1), (-1, 1), (1, -1), (-1, -1))
_APART = tuple((dx, dy) for dy in (-3, 3, -5, 5) for dx in (0, 1, -1))  # a line or two away, where nearer is taken


def _wanted(mark: Mark, axes: Any) -> list[tuple[list[tuple[float, float]], str, Any, Sequence[tuple[int, int]]]]:
    """What a mark wants named: at which places (in pixels), the words, and on which sides they may stand."""
    to_pixels = axes.transData.transform
    if isinstance(mark, Dots) and mark.names:
        at = [(x, y, name) for x, y, name in zip(mark.x, mark.y, mark.names, strict=True) if name]
        return [([tuple(to_pixels((x, y)))], name, mark.role, (*_AROUND, *_APART)) for x, y, name in at]
    if isinstance(mark, Line) and mark.name and len(mark.x):
        ends = [tuple(to_pixels((mark.x[k], mark.y[k]))) for k in (-1, 0)]
        return [(ends, mark.name, mark.role, (_RIGHT, (1, 1), (1, -1), _ABOVE, _LEFT))]
    if isinstance(mark, Contours):
        return _wanted_contours(axes)
    if isinstance(mark, Bars) and mark.names:
        out = []
        for at, start, end, name in zip(mark.at, mark.start, mark.end, mark.names, strict=True):
            across = mark.along == "x"
            place = tuple(to_pixels((end, at) if across else (at, end)))
            way = (_RIGHT if end >= start else _LEFT) if across else (_ABOVE if end >= start else _BELOW)
            out.append(([place], name, "ink", (way,)))
        return out
    if isinstance(mark, Rule) and mark.name:
        box = axes.get_window_extent()
        if mark.along == "x":
            x = float(to_pixels((mark.at, 1.0 if axes.get_yscale() == "log" else 0.0))[0])
            return [([(x, box.y1)], mark.name, mark.role, (_ABOVE,))]
        y = float(to_pixels((1.0 if axes.get_xscale() == "log" else 0.0, mark.at))[1])
        return [([(box.x1, y)], mark.name, mark.role, ((-1, 1), (-1, -1)))]
    return []


def _wanted_contours(axes: Any) -> list[tuple[list[tuple[float, float]], str, Any, Sequence[tuple[int, int]]]]:
    """The level of each line of equal value, on the line: near its right end, or further along it."""
    (drawn,) = (c for c in axes.collections if hasattr(c, "allsegs"))
    levels = [float(v) for v in drawn.levels]
    digits = max((len(f"{v:.6g}".partition(".")[2]) for v in levels), default=0)
    wide = bool(levels) and 0 < 20 * min(levels) < max(levels)
    out = []
    for level, segments in zip(drawn.levels, drawn.allsegs, strict=True):
        if segments:
            line = axes.transData.transform(max(segments, key=len))
            line = line if line[-1, 0] >= line[0, 0] else line[::-1]
            places = [tuple(line[int(share * (len(line) - 1))]) for share in (0.93, 0.86, 0.78, 0.7, 0.6, 0.5)]
            text = format_number(float(level), 3, suffixes=False) if wide else f"{level:.{digits}f}"
            out.append((places, text, "muted", ((0, 0),)))
    return out


def _room(mark: Mark, axes: Any) -> Any:
    """Where names of a mark may stand: those of points within their panel or just above it, others on the figure."""
    figure = axes.get_figure()
    box = axes.get_window_extent() if isinstance(mark, Dots) else figure.bbox
    above = 12 * figure.dpi / 72 if isinstance(mark, Dots) else -1
    return box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 + above


def _put(
    axes: Any, places: Any, text: str, role: Any, ways: Sequence[Any], taken: list[Any], points: Any, room: Any
) -> None:
    """One name at the best of its places; none if each is taken or off the picture."""
    figure = axes.get_figure()
    unit = figure.dpi / 72
    label = axes.annotate(
        drawable(text), places[0], (0, 0), xycoords="figure pixels", textcoords="offset points", fontsize=_NAME_SIZE,
        color=MUTED if role == "muted" else colour(role), annotation_clip=False, zorder=20,
    )  # fmt: skip
    label.set_in_layout(False)
    best = None
    for place, (dx, dy) in ((place, way) for place in places for way in ways):
        _stand(label, place, dx, dy)
        box = label.get_window_extent()
        if box.x0 < room[0] or box.y0 < room[1] or box.x1 > room[2] or box.y1 > room[3]:
            continue
        if any(_meet(box, other, 2 * unit) for other in taken):
            continue
        inside = (points[:, 0] > box.x0 - 2) & (points[:, 0] < box.x1 + 2)
        covered = int((inside & (points[:, 1] > box.y0 - 2) & (points[:, 1] < box.y1 + 2)).sum())
        if covered <= _MOST_COVERED and (best is None or covered < best[0]):
            best = covered, place, dx, dy, box
        if not covered:
            break
    if best is None:
        label.remove()
        return
    _, place, dx, dy, box = best
    _stand(label, place, dx, dy)
    if (dx, dy) == (0, 0):  # on a line, which it interrupts
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    inverse = axes.transData.inverted().transform(place)
    label.xycoords, label.xy = "data", tuple(map(float, inverse))
    taken.append(box)


def _stand(label: Any, place: Any, dx: int, dy: int) -> None:
    """Put a label on one side of a place, so many gaps away, or on it."""
    label.set_ha("left" if dx > 0 else "right" if dx else "center")
    label.set_va("bottom" if dy > 0 else "top" if dy else "center")
    label.xy, label.xyann = place, (_GAP * dx, _GAP * dy)
