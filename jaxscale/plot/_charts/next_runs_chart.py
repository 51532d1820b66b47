"""What the picture of next runs shows: where they lie, and what the decision gains as they come in."""

import numpy as np

from jaxscale._analyses.deciding.chosen_runs import NextRuns
from jaxscale._base.text import format_number
from jaxscale.plot._charts.axis_words import variable_axis
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Line, Mark, Panel, Rule

_MOST_OFFERED = 600


def next_runs(found: NextRuns) -> Chart:
    """Runs made, offered and chosen over the law's first two variables; and what deciding then would waste, over what
    the runs have cost."""
    law, frame = found.plan.law, found.frame
    names = [v.name for v in law.variables if v.logged][:2]
    x, y = names[0], names[-1]
    check = (frame["why"] == "check").to_numpy()
    some = found.offered.iloc[:: -(-len(found.offered) // _MOST_OFFERED)]
    row = found.plan.rows[0]
    marks: list[Mark] = [
        Dots(some[x].to_numpy(), some[y].to_numpy(), "offered", "muted", "pixel"),
        Dots(found.made[x].to_numpy(), found.made[y].to_numpy(), "made", "ink", "ring"),
        Dots(frame[x].to_numpy()[~check], frame[y].to_numpy()[~check], "chosen", "fit"),
    ]
    if check.any():
        marks.append(Dots(frame[x].to_numpy()[check], frame[y].to_numpy()[check], "check", "odd", "square"))
    marks.append(Dots(np.array([row.variables[x]]), np.array([row.variables[y]]), "the decision", "other", "cross"))
    where = Panel(variable_axis(law, x), variable_axis(law, y), tuple(marks))
    spent = np.concatenate([[0.0], np.cumsum(frame["cost"].to_numpy(float))])
    left = np.concatenate([[1.0], frame["left_N"].to_numpy(float)])
    lines: list[Mark]
    if np.isfinite(found.regret):
        wasted, label = found.regret * left, f"cost ({found.unit})"
        lines = [
            Line(spent, wasted, "wasted by deciding then", "fit"),
            Line(spent, wasted + spent, "with the price of the runs", "odd", "dashed"),
        ]
        if found.worth:
            lines.append(Rule(float(spent[found.worth]), "x", "worth it up to here", "muted", "dotted"))
    else:
        lines = [Line(spent, left, "by the law alone", "fit")]
        label = "variance left (share)"
    form = "count" if np.isfinite(found.regret) else "plain"
    gain = Panel(Axis(f"spent on runs ({found.unit})", form="count"), Axis(label, form=form), tuple(lines))
    span = " to ".join(format_number(end) for end in found.after or ())
    what = f"{found.target} at {found.heading}"
    alt = f"{len(frame)} runs for {what}; expected interval {span or 'not known'}. {found.advice}"
    return Chart(f"Which runs next? {what}", alt, (where, gain), 2, (9.0, 4.0))
