"""What the picture of skills shows: what each way of foretelling scores missed by on families left out."""

import numpy as np

from jaxscale._analyses.comparison.skills import METHODS, Skills
from jaxscale.plot._charts.axis_words import short
from jaxscale.plot._charts.chart import SERIES, Axis, Chart, Dots, Mark, Panel, Rule, Shape

_SHAPES: tuple[Shape, ...] = ("dot", "square", "up", "down")


def skills(found: Skills) -> Chart:
    """The mean error of each way at each benchmark, lowest benchmarks best told, and below them the mean of all."""
    errors = 100 * found.errors[list(METHODS)].to_numpy(float)
    order = np.argsort(-np.nanmin(errors, axis=1), kind="stable")
    names = ("mean of all", *(short(found.scores[k]) for k in order))
    rows = np.vstack([np.nanmean(errors, axis=0), errors[order]])
    place = np.arange(len(rows), dtype=np.float64)
    marks: list[Mark] = [Rule(0.5, "y", "", "muted", "dotted")]
    marks += [
        Dots(rows[:, k], place, way, role, shape)
        for k, (way, role, shape) in enumerate(zip(METHODS, SERIES, _SHAPES, strict=False))
    ]
    panel = Panel(
        Axis("mean error on families left out (points of 100)"), Axis("", names=names, ends=(-0.6, len(rows) - 0.4)),
        tuple(marks),
    )  # fmt: skip
    told = ", ".join(f"{way} {x:.1f}" for way, x in zip(METHODS, rows[0], strict=True))
    alt = f"Mean error in points of 100 over {len(found.scores)} benchmarks, on families left out: {told}."
    return Chart("Scores of larger models: which way to foretell", alt, (panel,), size=(6.2, 0.3 * len(rows) + 1.8))
