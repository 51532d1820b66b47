"""What pictures of forecasts show: what is foretold, and what of it held."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import bdtr

from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._analyses.deciding.forecast import Forecast, ForecastRow
from jaxscale._analyses.deciding.score import Score, ScoredRun, clopper_pearson
from jaxscale._base.text import format_number, plural
from jaxscale.plot._charts.axis_words import short, with_unit
from jaxscale.plot._charts.chart import (
    SERIES,
    Axis,
    Chart,
    Dots,
    Line,
    Mark,
    Panel,
    Rule,
    Shape,
    Whiskers,
    Word,
    band,
)

_SHAPES: tuple[Shape, ...] = ("dot", "square", "up", "down", "ring", "tick")
_LEVELS = np.linspace(0.0, 1.0, 101)
_MOST_NAMED = 30
_PROMISE = "What intervals promise, and hold"


def forecast(found: Forecast) -> Chart:
    """The response of each run to come, with the interval of the law and the wider one of a new run: over compute where
    runs have N and D, else one below the other."""
    rows = found.rows
    y = np.array([row.predicted for row in rows])
    law, run = (
        np.array([ends or (math.nan, math.nan) for ends in both]).T
        for both in ([row.law_interval for row in rows], [row.run_interval for row in rows])
    )
    percent = f"{100 * found.level:g} %"
    response = Axis(with_unit(short(found.response.name), found.response.unit))
    places = _compute(found)
    if places is not None:
        x, axis, along = places, Axis("compute C (FLOPs)", True, "count"), "y"
        points = x, y
    else:
        x = np.arange(len(rows), dtype=np.float64)[::-1]
        names = tuple(_named(row.variables) for row in reversed(rows)) if len(rows) <= _MOST_NAMED else ()
        axis, along = Axis("" if names else "run to come", names=names, ends=(-0.6, len(rows) - 0.4)), "x"
        points = y, x
    marks: tuple[Mark, ...] = (
        Whiskers(*points, run[0], run[1], along, f"{percent} of a new run", "muted"),
        Whiskers(*points, law[0], law[1], along, f"{percent} of the law", "fit"),
        Dots(*points, "foretold", "ink"),
    )
    panel = Panel(axis, response, marks) if along == "y" else Panel(response, axis, marks)
    told = "; ".join(_told(row) for row in rows[:3])
    more = f", and {len(rows) - 3} more" if len(rows) > 3 else ""
    alt = f"{response.label} of {plural(len(rows), 'run')} to come by {short(found.law.name)}: {told}{more}."
    height = 4.0 if along == "y" else 0.3 * len(rows) + 1.6 if len(rows) <= _MOST_NAMED else 5.0
    return Chart(f"Foretold by {short(found.law.name)}, before the runs", alt, (panel,), size=(6.2, max(2.4, height)))


def score(found: Score) -> Chart:
    """How far each new run lies from what was foretold, filled where its interval holds it, and how often intervals of
    every level held."""
    scale, unit = (100, "%") if found.relative else (1, found.response.unit)
    marks: list[Mark] = [Rule(0.0, "y")]
    for k, standing in enumerate(found.standings):
        mine = [run for run in found.runs if run.forecast == standing.name]
        x, y = (np.array(v, np.float64) for v in ([r.observed for r in mine], [scale * r.error for r in mine]))
        out = np.array([run.held is False for run in mine])
        role, shape = SERIES[k % len(SERIES)], _SHAPES[k % len(_SHAPES)]
        marks.append(Dots(x[~out], y[~out], short(standing.name), role, shape))
        if out.any():
            names = tuple(f"row {run.row}" for run in mine if run.held is False)
            named = names if len(names) <= _MOST_NAMED else ()
            marks.append(Dots(x[out], y[out], "outside its interval", "odd", "cross", named))
    name = short(found.response.name)
    errors = Panel(
        Axis(with_unit(f"observed {name}", found.response.unit)),
        Axis(with_unit(f"{name} above what was foretold", unit)),
        tuple(marks),
    )
    judged = any(run.level_needed is not None for run in found.runs)
    panels = (errors, *((_levels_panel(found),) if judged else ()))
    return Chart("Foretold, and what came", f"{found.verdict}.", panels, len(panels), (4.4 * len(panels), 3.9))


def coverage(found: Score | Comparison) -> Chart:
    """How often intervals held what they promised: of a score at every level, of a comparison for each law."""
    if isinstance(found, Score):
        if all(run.level_needed is None for run in found.runs):
            return _nothing("the forecasts have no intervals")
        words = [f"{short(s.name)}: {s.held} of {s.judged} in {100 * s.level:g} % intervals" for s in found.standings]
        return Chart(_PROMISE, f"{'; '.join(words)}.", (_levels_panel(found),), size=(5.2, 4.6))
    laws = [c.label for c in found.contenders if c.law is not None and math.isfinite(c.covered)]
    held = {label: _held_by(found, label) for label in laws}
    if not held:
        return _nothing("no law has intervals at the runs held out")
    place = np.arange(len(held), dtype=np.float64)[::-1]
    share = np.array([100 * inside / count for inside, count in held.values()])
    ends = 100 * np.array([clopper_pearson(inside, count, 0.9) for inside, count in held.values()])
    marks = (
        Rule(100 * found.level, "x", "", "ink", "dashed", f"promised: {100 * found.level:g} %"),
        Whiskers(share, place, ends[:, 0], ends[:, 1], "x", "90 % interval, were runs independent", "fit"),
        Dots(share, place, "runs held out that lie inside", "fit"),
    )
    named = tuple(f"{short(label)}: {k} of {n}" for label, (k, n) in held.items())
    names = Axis("", names=named[::-1], ends=(-0.6, len(laws) - 0.4))
    panel = Panel(Axis("inside the interval (%)", ends=(0.0, 105.0)), names, marks)
    alt = f"Runs held out inside their {100 * found.level:g} % interval: {'; '.join(named)}."
    return Chart(_PROMISE, alt, (panel,), size=(6.2, 0.36 * len(laws) + 1.7))


def _held_by(found: Comparison, label: str) -> tuple[int, int]:
    """Runs held out that lie inside their interval, and all of them."""
    trials = [t for t in found.trials if t.law == label and math.isfinite(t.covered)]
    counts = {h.label: len(h.rows) for h in found.holdouts}
    inside = sum(round(t.covered * counts[t.holdout]) for t in trials)
    return inside, sum(counts[t.holdout] for t in trials)


def _levels_panel(found: Score) -> Panel:
    """Shares of runs inside intervals of every level, and what as many runs would show were the intervals right."""
    levels = 100 * _LEVELS
    marks: list[Mark] = []
    count = max(standing.judged for standing in found.standings)
    low, high = _chance(count, _LEVELS)
    marks.append(band(levels, 100 * low, 100 * high, f"90 % of chance, for {plural(count, 'run')}", "muted"))
    marks.append(Line(levels, levels, "as promised", "ink", "dashed"))
    for k, standing in enumerate(s for s in found.standings if s.judged):
        share = held_at([run for run in found.runs if run.forecast == standing.name], _LEVELS)
        marks.append(Line(levels, 100 * share, short(standing.name), SERIES[k % len(SERIES)]))
    ends = (0.0, 100.0)
    return Panel(
        Axis("level of the interval (%)", ends=ends), Axis("runs inside (%)", ends=(-2.0, 102.0)), tuple(marks)
    )


def held_at(runs: Sequence[ScoredRun], levels: np.ndarray) -> np.ndarray:
    """Share of runs that an interval of each level holds, (n_levels,)."""
    needed = np.array([run.level_needed for run in runs if run.level_needed is not None])
    return (needed[None] <= levels[:, None]).mean(axis=1)


def _chance(count: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which shares of `count` runs nine in ten would lie if each were held with that chance."""
    held = np.arange(count + 1)
    below = bdtr(held[None], count, shares[:, None])
    return (below >= 0.05).argmax(axis=1) / count, (below >= 0.95).argmax(axis=1) / count


def _compute(found: Forecast) -> np.ndarray | None:
    """Compute of the runs to come, where they have N and D that differ."""
    if not {"N", "D"} <= set(found.rows[0].variables) or len(found.rows) < 2:
        return None
    x = np.array([6 * row.variables["N"] * row.variables["D"] for row in found.rows])
    apart = np.diff(np.sort(np.log(x)))
    return x if (x > 0).all() and (apart > 0.02).all() else None


def _named(variables: Mapping[str, float]) -> str:
    return ", ".join(f"{short(name)} {format_number(value, 3)}" for name, value in variables.items())


def _told(row: ForecastRow) -> str:
    span = "" if row.run_interval is None else ", {} to {}".format(*map(format_number, row.run_interval))
    return f"{_named(row.variables)}: {format_number(row.predicted)}{span}"


def _nothing(why: str) -> Chart:
    panel = Panel(Axis("", ticks=False), Axis("", ticks=False), (Word(why),))
    return Chart(_PROMISE, f"{why[0].upper()}{why[1:]}.", (panel,))
