"""What pictures of comparisons of laws show: errors on runs that were held out."""

import math

import numpy as np

from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale.plot._charts.axis_words import short, with_unit
from jaxscale.plot._charts.chart import SERIES, Axis, Bars, Chart, Dots, Mark, Panel, Rule, Shape, Word

_SHAPES: tuple[Shape, ...] = ("dot", "square", "up", "down", "ring", "tick")
_MOST_LAWS = 6


def held_out(found: Comparison) -> Chart:
    """The mean error of each law, least first, and its error on each run held out."""
    scale = 100 if found.relative else 1
    unit = "%" if found.relative else found.unit
    judged = [c for c in found.contenders if math.isfinite(c.error)]
    if not judged:
        panel = Panel(Axis("", ticks=False), Axis("", ticks=False), (Word("no law could be judged"),))
        return Chart("Errors on runs held out", "No law could be judged.", (panel,))
    place = np.arange(len(judged), dtype=np.float64)[::-1]
    errors = scale * np.array([c.error for c in judged])
    choice = found.recommendation.law
    bars: list[Mark] = []
    for mine, label in ((True, "recommended"), (False, "")):
        of = np.array([(c.label == choice) is mine for c in judged])
        if of.any():
            words = tuple(f"{e:.3g}" for e in errors[of])
            bars.append(
                Bars(place[of], np.zeros(of.sum()), errors[of], "x", label, "other" if mine else "fit", names=words)
            )
    x = Axis(with_unit("mean size of the error", unit), ends=(0.0, 1.25 * float(errors.max()) or 1.0))
    names = Axis("", names=tuple(short(c.label) for c in reversed(judged)), ends=(-0.6, len(judged) - 0.4))
    marks: list[Mark] = [Rule(0.0, "y", "", "ink")]
    log = True
    for k, contender in enumerate(judged[:_MOST_LAWS]):
        trials = [t for t in found.trials if t.law == contender.label and not t.reason and len(t.observed)]
        if not trials:
            continue
        seen, said = (np.concatenate([getattr(t, name) for t in trials]) for name in ("observed", "predicted"))
        with np.errstate(divide="ignore", invalid="ignore"):
            off = scale * (said / seen - 1) if found.relative else said - seen
        log &= bool((seen > 0).all())
        marks.append(Dots(seen, off, short(contender.label), SERIES[k % 6], _SHAPES[k % 6]))
    observed = Axis(with_unit(f"observed {short(found.response)}", found.unit), log and found.relative)
    panels = (
        Panel(x, names, tuple(bars)),
        Panel(observed, Axis(with_unit("predicted above observed", unit)), tuple(marks)),
    )
    best = judged[0]
    error = f"{scale * best.error:.3g} {unit}".rstrip()
    alt = f"Mean errors on runs held out, least {short(best.label)} with {error}. " + (
        f"Recommended: {short(choice)}." if choice else "No law is recommended."
    )
    return Chart("Errors on runs held out", alt, panels, 2, (8.8, max(3.4, 0.34 * len(judged) + 1.6)))
