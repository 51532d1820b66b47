"""Each kind of mark, drawn on matplotlib's axes."""

from functools import singledispatch
from typing import Any

import numpy as np

from jaxscale.plot._charts.chart import Area, Bars, Contours, Dots, Line, Rule, Span, Whiskers, Word
from jaxscale.plot._style import colour

_SHAPES: dict[str, dict[str, Any]] = {
    "dot": {"marker": "o", "markersize": 3.6},
    "ring": {"marker": "o", "markersize": 6, "markerfacecolor": "white"},
    "square": {"marker": "s", "markersize": 4.2, "markerfacecolor": "white"},
    "up": {"marker": "^", "markersize": 5},
    "down": {"marker": "v", "markersize": 5},
    "tick": {"marker": "|", "markersize": 9},
    "cross": {"marker": "P", "markersize": 6.5, "markeredgecolor": "white"},
    "pixel": {"marker": ".", "markersize": 2.2},
}
_DASHES = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.8))}
_MANY = 2000  # points above which they are smaller, and pixels in a vector file


@singledispatch
def draw_mark(mark: Any, ax: Any, z: int) -> Any:
    """Draw one mark at height z, and return what stands for it in a legend."""
    raise TypeError(f"{type(mark).__name__} is no mark")


@draw_mark.register
def _points(mark: Dots, ax: Any, z: int) -> Any:
    c = colour(mark.role)
    hollow = mark.shape in ("ring", "square")
    style = {"color": c, "markeredgecolor": c, "markeredgewidth": 1.2 if hollow else 0.0} | _SHAPES[mark.shape]
    style |= {"markeredgewidth": 0.7} if mark.shape == "cross" else {}
    style |= {"markeredgewidth": 1.2} if mark.shape == "tick" else {}
    many = len(mark.x) > 200 and not hollow
    style |= {"markersize": 2.4} if len(mark.x) > _MANY and mark.shape == "dot" else {}
    edge = mark.shape in ("up", "down")
    (line,) = ax.plot(
        mark.x, mark.y, linestyle="none", zorder=z, rasterized=len(mark.x) > _MANY, clip_on=not edge,
        alpha=(0.35 if len(mark.x) > _MANY else 0.6) if many else (0.85 if mark.shape == "dot" else 1.0), **style,
    )  # fmt: skip
    if not many:
        return line
    return type(line)([], [], linestyle="none", **{**style, "markersize": max(style["markersize"], 3.6)})


@draw_mark.register
def _line(mark: Line, ax: Any, z: int) -> Any:
    width = 0.9 if mark.dash == "dotted" else 1.5
    (line,) = ax.plot(mark.x, mark.y, color=colour(mark.role), linestyle=_DASHES[mark.dash], linewidth=width, zorder=z)
    return line


@draw_mark.register
def _area(mark: Area, ax: Any, z: int) -> Any:
    if not len(mark.x):
        return None
    (area,) = ax.fill(mark.x, mark.y, color=colour(mark.role), alpha=0.22, linewidth=0, zorder=z)
    return area


@draw_mark.register
def _intervals(mark: Whiskers, ax: Any, z: int) -> Any:
    known = np.isfinite(mark.low) & np.isfinite(mark.high)
    lines = ax.hlines if mark.along == "x" else ax.vlines
    at = mark.y if mark.along == "x" else mark.x
    return lines(at[known], mark.low[known], mark.high[known], color=colour(mark.role), linewidth=1.6, zorder=z)


@draw_mark.register
def _bars(mark: Bars, ax: Any, z: int) -> Any:
    style = {"color": colour(mark.role), "alpha": 0.82, "linewidth": 0, "zorder": z}
    if mark.along == "x":
        return ax.barh(mark.at, mark.end - mark.start, left=mark.start, height=mark.width, **style)
    return ax.bar(mark.at, mark.end - mark.start, bottom=mark.start, width=mark.width, **style)


@draw_mark.register
def _rule(mark: Rule, ax: Any, z: int) -> Any:
    across = ax.axvline if mark.along == "x" else ax.axhline
    return across(mark.at, color=colour(mark.role), linewidth=0.9, linestyle=_DASHES[mark.dash], zorder=z)


@draw_mark.register
def _span(mark: Span, ax: Any, z: int) -> Any:
    across = ax.axvspan if mark.along == "x" else ax.axhspan
    return across(mark.low, mark.high, color=colour(mark.role), alpha=0.13, linewidth=0, zorder=z)


@draw_mark.register
def _contours(mark: Contours, ax: Any, z: int) -> Any:
    look = {"colors": [colour(mark.role)], "linewidths": 0.7, "linestyles": "solid"}  # negative ones too
    ax.contour(mark.x, mark.y, mark.z, levels=mark.levels, zorder=z, **look)
    return ax.plot([], [], color=colour(mark.role), linewidth=0.7)[0]


@draw_mark.register
def _word(mark: Word, ax: Any, z: int) -> Any:
    ax.set_axis_off()
    text = ax.text(0.5, 0.5, mark.text, transform=ax.transAxes, ha="center", va="center", color=colour(mark.role))
    text.set_wrap(True)
    return None
