"""A chart drawn with matplotlib: panels, axes, marks, one legend that hides no data, and words where there is room."""

import textwrap
from typing import Any, cast

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale.plot._charts.chart import Axis, Chart, Panel
from jaxscale.plot._charts.ticks import tick_texts, ticks
from jaxscale.plot._marks import draw_mark
from jaxscale.plot._picture import Picture, matplotlib, picture_class
from jaxscale.plot._placing import drawable, fit_texts, name_marks
from jaxscale.plot._style import SETTINGS

_LETTER = 0.6  # width of a letter over the size of its font, of DejaVu Sans in the mean
_TICK_ROOM = (46.0, 24.0)  # points that a tick label takes along x and y


def draw(chart: Chart, ax: Any = None) -> Picture:
    """The chart on axes given (one for each panel), whose figure is returned, or on a picture of its own.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: there are not as many axes as panels.
    """
    package = matplotlib()
    with package.rc_context(SETTINGS):
        if ax is None:
            figure = picture_class()(figsize=chart.size, layout="constrained")
            figure.chart, figure.alt = chart, chart.alt
            panels = _grid(chart, figure)
            figure.suptitle(
                _wrapped(chart.title, 72 * chart.size[0], 10), x=0.012, ha="left", fontsize=10, fontweight="bold"
            )
        else:
            panels = list(np.ravel(np.asarray(ax, dtype=object)))
            if len(panels) != len(chart.panels):
                raise InputError(
                    f"this picture has {len(chart.panels)} panels, and ax= holds {len(panels)} axes; give one for each"
                )
            figure = panels[0].get_figure()
            if len(panels) == 1 and not chart.panels[0].title:
                panels[0].set_title(drawable(chart.title), fontweight="bold", fontsize=10)
        legend: dict[str, Any] = {}
        for panel, axes in zip(chart.panels, panels, strict=True):
            _draw_marks(panel, axes, legend)
        for k, (panel, axes) in enumerate(zip(chart.panels, panels, strict=True)):
            _set_axes(panel, axes, _labelled(chart, k))
        _add_legend(legend, figure, None if ax is None else panels[0])
        for panel, axes in zip(chart.panels, panels, strict=True):
            _set_ticks(panel.x, axes.xaxis, axes)
            _set_ticks(panel.y, axes.yaxis, axes)
        if ax is None:
            figure.align_ylabels()
        figure.draw_without_rendering()  # so that all has its place and size
        fit_texts(figure, panels)
        name_marks(figure, [(panel.marks, axes) for panel, axes in zip(chart.panels, panels, strict=True)])
    return cast(Picture, figure)


def _grid(chart: Chart, figure: Any) -> list[Any]:
    """Axes of a figure's own, one for each panel, in rows."""
    rows = -(-len(chart.panels) // chart.columns)
    heights = [chart.panels[k * chart.columns].height for k in range(rows)]
    share = {f"share{chart.shared}": True} if chart.shared else {}
    every = figure.subplots(rows, chart.columns, squeeze=False, height_ratios=heights, **share).ravel()
    for spare in every[len(chart.panels) :]:
        spare.remove()
    return list(every[: len(chart.panels)])


def _labelled(chart: Chart, k: int) -> tuple[bool, bool]:
    """Whether panel k says what its x and its y axis are: of a shared axis the outermost does."""
    below = k + chart.columns < len(chart.panels)
    return not (chart.shared == "x" and below), not (chart.shared == "y" and k % chart.columns)


def _draw_marks(panel: Panel, axes: Any, legend: dict[str, Any]) -> None:
    for axis, set_scale in ((panel.x, axes.set_xscale), (panel.y, axes.set_yscale)):
        if axis.log:
            set_scale("log")
    if panel.title:
        axes.set_title(drawable(panel.title), fontweight="bold")
    for z, mark in enumerate(panel.marks, start=2):
        artist = draw_mark(mark, axes, z)
        label = drawable(getattr(mark, "label", ""))
        if label and artist is not None:
            legend.setdefault(label, artist)


def _set_axes(panel: Panel, axes: Any, outer: tuple[bool, bool]) -> None:
    """Ends, labels, and the names of places; ticks at numbers come when sizes are known."""
    for axis, of, set_ends, shown in (
        (panel.x, axes.xaxis, axes.set_xlim, outer[0]),
        (panel.y, axes.yaxis, axes.set_ylim, outer[1]),
    ):
        if axis.ends is not None:
            set_ends(*axis.ends)
        of.set_label_text(drawable(axis.label) if shown else "")
        low, high = sorted(map(float, of.get_view_interval()))
        if axis.log and high < low * 1.000001:  # a single value needs room around it
            set_ends(low / 2, high * 2)
            low, high = low / 2, high * 2
        if axis.names:
            of.set_ticks(range(len(axis.names)), [drawable(name) for name in axis.names])
            of.set_tick_params(length=0)
            of.grid(False)
        else:
            of.set_ticks([])
        of.set_ticks([], minor=True)
        of.set_view_interval(low, high, ignore=True)


def _set_ticks(axis: Axis, of: Any, axes: Any) -> None:
    """Round numbers on an axis of numbers, as many as it has room for."""
    if axis.names or not axis.ticks:
        return
    low, high = sorted(map(float, of.get_view_interval()))
    across = of.axis_name == "x"
    box, figure = axes.get_position(), axes.get_figure()  # before the layout: about what it will be
    points = 72 * (box.width * figure.get_figwidth() if across else box.height * figure.get_figheight())
    places = ticks(low, high, axis.log, axis.form == "count", int(points / _TICK_ROOM[0 if across else 1]))
    of.set_ticks(places, tick_texts(places, axis.form, axis.log))
    of.set_view_interval(low, high, ignore=True)


def _add_legend(legend: dict[str, Any], figure: Any, axes: Any) -> None:
    """Below everything on a figure of its own; below the axes that were given."""
    if not legend:
        return
    labels = [f" {label}" if label.startswith("_") else label for label in legend]
    width = 72 * (figure.get_figwidth() if axes is None else figure.get_figwidth() * axes.get_position().width)
    columns = max(1, int(width / (8 * _LETTER * max(map(len, labels)) + 34)))
    style = {"ncols": min(columns, len(labels)), "columnspacing": 1.2, "handlelength": 1.6, "borderaxespad": 0.3}
    handles = list(legend.values())
    if axes is None:
        figure.legend(handles, labels, loc="outside lower center", **style)
        return
    from matplotlib.transforms import ScaledTranslation

    below = axes.transAxes + ScaledTranslation(0, -38 / 72, axes.get_figure().dpi_scale_trans)
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, **style)


def _wrapped(text: str, points: float, size: float) -> str:
    """Text in lines no longer than that many points, as far as the mean width of letters tells."""
    return "\n".join(textwrap.wrap(drawable(text), max(12, int(points / (size * _LETTER * 1.12)))))
