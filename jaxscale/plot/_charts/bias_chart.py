"""What the picture of biases shows: how far each moves the best size, whatever its size."""

import math

import numpy as np

from jaxscale._analyses.diagnostics.bias import Bias
from jaxscale._base.text import as_move, inert
from jaxscale.plot._charts.chart import SERIES, Axis, Chart, Line, Mark, Panel, Rule


def bias(found: Bias, row: int = -1) -> Chart:
    """By how much each bias of a response moves the best N of one row, over its size; those that move it most."""
    target = list(dict.fromkeys(found.frame["budget"]))[row]
    some = found.frame[(found.frame["budget"] == target) & (found.frame["size"] > 0)]
    largest = {name: np.nanmax(np.abs(one["move"])) for name, one in some.groupby("bias", sort=False)}
    chosen = sorted(largest, key=lambda name: -np.nan_to_num(largest[name]))[: len(SERIES)]
    marks: list[Mark] = [Rule(found.factor, "y", f"off by {found.factor:g}x", "muted", "dashed")]
    for name, role in zip(chosen, SERIES, strict=False):
        one = some[some["bias"] == name]
        marks.append(Line(one["size"].to_numpy(), np.exp(np.abs(one["move"].to_numpy())), inert(name, 30), role))
    x = Axis(
        "size of the bias (share of the response, or of the smallest N)"
        if found.relative
        else "size of the bias (its own unit)",
        True,
        "percent",
    )
    y = Axis("best N off by a factor of", True, ends=(1.0, max(3.0, 1.5 * found.factor)))
    heading = found.headings[row]
    lines = found.summary[found.summary["budget"] == target]
    said = "; ".join(
        f"{found.amount(one['bias'], one['size'])} {inert(one['bias'])} by {as_move(math.expm1(one['move']))}"
        for one in lines.to_dict("records")
    )
    return Chart(
        f"How wrong may the runs be? {heading}",
        f"How biases move the best N at {heading}: {said}.",
        (Panel(x, y, tuple(marks)),),
        size=(6.4, 4.2),
    )
