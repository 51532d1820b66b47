"""What the picture of a multiplier shows: the compute that each needs for what a baseline reaches, over scale."""

import numpy as np

from jaxscale._analyses.deciding.multiplier import Multiplier
from jaxscale.plot._charts.axis_words import short, with_unit
from jaxscale.plot._charts.chart import SERIES, Axis, Chart, Dots, Line, Mark, Panel, Rule, Span, Whiskers, band


def multiplier(found: Multiplier) -> Chart:
    """Compute needed over the compute of the baseline, with its interval; below 1 a candidate is better."""
    a = short(found.baseline)
    marks: list[Mark] = [Span(1 - found.threshold, 1 / (1 - found.threshold), "y", "too little to count")]
    every = []
    for k, name in enumerate(found.candidates):
        rows, role = found.of(name), SERIES[k % len(SERIES)]
        x, ratio = np.array([r.compute for r in rows]), np.array([r.ratio for r in rows])
        ends = np.array([r.interval or (np.nan, np.nan) for r in rows])
        ratio, low, high = (np.where((v > 0) & np.isfinite(v), v, np.nan) for v in (ratio, *ends.T))
        every += [*ratio, *low, *high]
        label, curve = f"{100 * found.level:g} % interval of {short(name)}", len(rows) > 2
        if np.isfinite([low, high]).any():
            marks.append(band(x, low, high, label, role) if curve else Whiskers(x, ratio, low, high, "y", label, role))
        marks.append((Line if curve else Dots)(x, ratio, short(name), role))
    marks.insert(1, Rule(1.0, "y", "", "ink", "solid", f"as {a}"))
    known = np.array([v for v in every if np.isfinite(v)])
    ends = (0.9 * min(known.min(), 0.95), 1.1 * max(known.max(), 1.05)) if known.size else None
    y = Axis(f"{found.spent} needed, times that of {a}", True, "plain", ends=ends)
    x_axis = Axis(with_unit(f"{found.spent} of {a}", found.unit), True, "count")
    alt = f"{found.verdict}. Below 1 a recipe needs less than {a} for the same {found.response.given_name}."
    panel = Panel(x_axis, y, tuple(marks))
    return Chart(f"What reaches the {found.response.given_name} of {a}", alt, (panel,), size=(6.2, 4.2))
