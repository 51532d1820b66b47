"""Which pictures a report has, and their numbers as a page needs them: few enough, and to six digits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._base.errors import InputError
from jaxscale._base.files import finite
from jaxscale._fitting.result import FitResult
from jaxscale._pages.drawn import drawn
from jaxscale._pages.markup import Markup
from jaxscale._planning.plan import Plan
from jaxscale.plot._charts import approach_charts, comparison_charts, decision_charts, fit_charts, plan_charts
from jaxscale.plot._charts.chart import Chart, Dots

_MOST_DOTS = 2000  # of one mark; more are too many to see and to keep
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its place in the page: under which heading, and whether it stands beside another."""

    id: str
    section: str
    chart: Chart
    beside: bool = False

    @cached_property
    def shown(self) -> Chart:
        """The chart with no more dots than can be seen."""
        panels = tuple(replace(p, marks=tuple(map(_thinned, p.marks))) for p in self.chart.panels)
        return replace(self.chart, panels=panels)

    @cached_property
    def drawn(self) -> Markup:
        """It as SVG, which stands in the page until its script draws, and where none runs."""
        return drawn(self.shown, self.id)

    def to_dict(self) -> dict[str, Any]:
        """The chart as plain data for the page."""
        return _rounded(self.shown.to_dict())


def figures_of(
    result: FitResult | None, plan: Plan | None, row: int, comparison: Comparison | None
) -> tuple[Figure, ...]:
    """All pictures that these records have."""
    found: list[Figure] = []

    def take(id: str, section: str, make: Callable[[], Chart], beside: bool = False) -> None:
        try:
            found.append(Figure(id, section, make(), beside))
        except InputError:  # this record has no such picture; what is missing is said in the tables
            return

    if plan is not None:
        if sum(math.isfinite(row.loss) for row in plan.rows) > 1:
            take("frontier", "plan", lambda: plan_charts.frontier(plan))
        take("swings", "plan", lambda: _with_bars(decision_charts.swings(plan, "N", row)))
        take("price-of-size", "plan", lambda: decision_charts.price_of_size(plan, row))
    if result is not None and result.runs is not None:
        draws = plan.request.source.record if plan is not None and plan.request is not None else None
        draws = draws if getattr(draws, "draws", None) is not None else None
        to = plan.rows[row].budget if plan is not None and plan.unit == "FLOPs" else None
        largest = float(result.runs.variable("C").max()) if {"N", "D"} <= set(result.runs.variables) else 0.0
        to = None if to is None or not to > largest else 3 * to
        take("isoflops", "fit", lambda: approach_charts.isoflops_of_fit(result), True)
        take("contours", "fit", lambda: decision_charts.contours(result, to, draws), True)
        take("extrapolation", "fit", lambda: decision_charts.extrapolation(result, to), True)
        take("observed", "fit", lambda: fit_charts.observed(result), True)
        take("residuals", "fit", lambda: fit_charts.residuals(result))
    if result is not None and len(result.starts.value):
        take("starts-reached", "fit", lambda: fit_charts.starts(result), True)
    if comparison is not None:
        take("held-out", "comparison", lambda: _with_marks(comparison_charts.held_out(comparison)))
    return tuple(found)


def _with_bars(chart: Chart) -> Chart:
    if not chart.panels[0].y.names:
        raise InputError("nothing moves this plan")
    return chart


def _with_marks(chart: Chart) -> Chart:
    """Without panels that only have a line at zero: a comparison read from a file knows no single runs."""
    kept = tuple(p for p in chart.panels if any(not hasattr(mark, "at") or hasattr(mark, "end") for mark in p.marks))
    return replace(chart, panels=kept, columns=len(kept), size=(chart.size[0] / 2 * len(kept), chart.size[1]))


def _thinned(mark: Any) -> Any:
    """Of more dots than can be seen, as many as can, evenly through the table; what is named stays."""
    if not isinstance(mark, Dots) or len(mark.x) <= _MOST_DOTS:
        return mark
    stride = -(-len(mark.x) // _MOST_DOTS)
    kept = np.arange(len(mark.x)) % stride == 0
    kept |= np.array([bool(name) for name in mark.names]) if mark.names else False
    names = tuple(name for name, keep in zip(mark.names, kept, strict=True) if keep) if mark.names else ()
    label = f"{mark.label or 'runs'}, one in {stride} drawn"
    return replace(mark, x=np.asarray(mark.x)[kept], y=np.asarray(mark.y)[kept], names=names, label=label)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return finite(float(f"{value:.{_DIGITS}g}")) if isinstance(value, float) else value
