"""What the picture of a run under way shows: its loss so far and to come among those of finished runs."""

import numpy as np

from jaxscale._analyses.deciding.watched import Watched
from jaxscale.plot._charts.axis_words import short, with_unit
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Line, Mark, Panel, Rule, band

_FIRST = 0.02  # progress from which on curves are drawn; before it they fall too fast to be seen beside the rest
_MOST = 40  # curves of finished runs


def watch(found: Watched) -> Chart:
    """Loss over the share of tokens seen: the finished runs, the run under way, its band from here, and the goal."""
    marks: list[Mark] = []
    for k, (x, y) in enumerate(list(found.finished.values())[:_MOST]):
        shown = x >= _FIRST
        marks.append(Line(x[shown], found.response.to_given(y[shown]), "" if k else "finished runs", "muted"))
    p, value, low, high = found.path.T
    to_given = found.response.to_given
    marks.append(band(p, to_given(low), to_given(high), f"{100 * found.level:g} % interval", "fit"))
    marks.append(Line(p, to_given(value), "foretold", "fit"))
    x, y = found.own
    marks.append(Line(x[x >= _FIRST], to_given(y[x >= _FIRST]), short(found.run), "ink"))
    marks.append(Dots(np.array([1.0]), np.array([to_given(found.foretold)]), "its end", "fit"))
    if found.goal is not None:
        marks.append(Rule(float(to_given(found.goal)), "y", "goal", "odd", "dashed"))
    response = Axis(with_unit(short(found.response.given_name), found.response.given_unit), True, "plain")
    panel = Panel(Axis(f"share of its {found.counted} seen", True, "plain"), response, tuple(marks))
    return Chart(f"Where {short(found.run)} will end", found.advice, (panel,), size=(6.2, 4.2))
