"""What the picture of a backtest shows: errors on runs that were not fitted to, over how far beyond the others they
lie."""

import math
from collections.abc import Mapping

import numpy as np

from jaxscale._analyses.comparison.comparison import Comparison, Trial
from jaxscale._base.settings import in_float64
from jaxscale._base.text import format_number, plural
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._trust.foretelling import foretold_runs, in_order
from jaxscale._trust.linearization import linearize
from jaxscale._trust.tables_beside import OneTable
from jaxscale.plot._charts.axis_words import response_words, short, with_unit
from jaxscale.plot._charts.chart import SERIES, Axis, Chart, Dots, Line, Mark, Panel, Rule, Shape, Span, Word
from jaxscale.plot._charts.fit_charts import in_logs

_SHARES = (0.15, 0.3, 0.45, 0.6)  # of the runs, those of most compute, that the others foretell
_FAR = 6.0  # typical residuals beyond which a run is drawn at the edge
_BINS, _MOST_LAWS = 5, 6
_MOST_DRAWN = 300  # runs of one cut, evenly taken from more
_SHAPES: tuple[Shape, ...] = ("dot", "square", "up", "down", "ring", "tick")
_TITLE = "Fitted to the smaller runs, the larger foretold"


def of_fit(result: FitResult, runs: Runs | None = None) -> Chart:
    """Each of the larger runs above what the law foretells when it is fitted to the smaller ones, for several cuts. The
    fits are those of the verdict: robust ones of the law linearized at its optimum."""
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    with in_float64():
        at = linearize(problem, problem.reduce(result.theta))
    pairs = list(zip(problem.law.variables, problem.points.logs, strict=True))
    logs = {v.name: np.asarray(x)[: runs.count][at.used] for v, x in pairs if np.ndim(x) == 1}
    found = foretold_runs(OneTable(at, logs, runs.clusters), _SHARES) if logs else []
    if not found:
        return _nothing("too few runs to foretell some from others")
    name, order = in_order(logs)
    logged = name == "C" or next(v for v, _ in pairs if v.name == name).logged
    scale = 100 if in_logs(result) else 1
    typical = scale * result.sigma
    edge = max(_FAR * typical, max(float(np.quantile(np.abs(scale * off), 0.9)) for _, off in found)) or 1.0
    marks: list[Mark] = [Span(-typical, typical, "y", "typical residual", "muted")] if typical > 0 else []
    marks.append(Rule(0.0, "y"))
    told = []
    for k, (late, off) in enumerate(found):
        place = 0.85 * k / max(len(found) - 1, 1)
        largest = float(order[~late].max())
        x = np.exp(order[late] - largest) if logged else order[late] - largest
        y = scale * off
        inside = np.abs(y) <= edge
        count = plural(int((~late).sum()), "run")
        label = f"{count} fitted, {_upto(name, logs, largest, logged)}"
        some = np.flatnonzero(inside)[:: -(-int(inside.sum()) // _MOST_DRAWN) or 1]
        marks.append(Dots(x[some], y[some], label, place, _SHAPES[k] if inside.sum() <= _MOST_DRAWN else "dot"))
        for sign, shape in ((1, "up"), (-1, "down")):
            far = ~inside & (sign * y > 0)
            if far.any():
                marks.append(Dots(x[far], np.full(far.sum(), sign * edge), "beyond the edge", "odd", shape))  # pyright: ignore[reportArgumentType]
        told.append(f"{count} foretell {len(y)} others within {format_number(float(np.median(np.abs(y))), 2)}")
    what, unit = response_words(result.law, runs)
    unit = "%" if scale == 100 else unit
    beyond = "over" if logged else "above"
    words = f"{'compute' if name == 'C' else short(name)} {beyond} the largest fitted to{' (times)' if logged else ''}"
    panel = Panel(
        Axis(words, logged, "count"),
        Axis(with_unit(f"{what} above what is foretold", unit), ends=(-1.1 * edge, 1.1 * edge)),
        tuple(marks),
    )
    alt = f"{'; '.join(told)} {unit}".rstrip() + ", in the median."
    return Chart(_TITLE, alt[0].upper() + alt[1:], (panel,), size=(6.2, 4.2))


def _upto(name: str, logs: Mapping[str, np.ndarray], largest: float, logged: bool) -> str:
    """The largest run fitted to, in words."""
    if name != "C":
        return f"up to {short(name)} {format_number(math.exp(largest) if logged else largest, 3)}"
    flops = math.exp(largest) * (1 if "C" in logs else 6)
    return f"up to {format_number(flops, 2, suffixes=False)} FLOPs"


def of_comparison(found: Comparison) -> Chart:
    """The typical error of each law over how many times the largest compute fitted to the runs held out lie; over the
    hold-outs, in their order, where runs have no compute."""
    scale = 100 if found.relative else 1
    unit = "%" if found.relative else found.unit
    judged = [c for c in found.contenders if math.isfinite(c.error)][:_MOST_LAWS]
    beyond = {h.label: np.array(h.beyond) for h in found.holdouts}
    measured = all(len(of) and (of > 0).all() for of in beyond.values())
    marks: list[Mark] = []
    told = []
    for k, contender in enumerate(judged):
        trials = [t for t in found.trials if t.law == contender.label and not t.reason]
        x, y = _errors(trials, beyond, found.relative) if measured else _by_holdout(trials, found)
        known = np.isfinite(y) & (y > 0)
        x, y = x[known], scale * y[known]
        if not len(x):
            continue
        role, name = SERIES[k % len(SERIES)], short(contender.label)
        marks.append(Line(x, y, "", role, "dotted" if contender.law is None else "solid"))
        marks.append(Dots(x, y, name, role, _SHAPES[k % len(_SHAPES)]))
        told.append(f"{name} {format_number(float(y[-1]), 3)}")
    if not marks:
        return _nothing("no law could be judged")
    axis = Axis("compute over the largest fitted to (times)", True, "count")
    if not measured:
        labels = tuple(short(h.label) for h in found.holdouts)
        axis = Axis("hold-out", names=labels, ends=(-0.5, len(labels) - 0.5))
    y_axis = Axis(with_unit("typical error on runs held out", unit), True)
    alt = (
        f"Typical error of each law on the runs held out that lie farthest, in {unit or 'its unit'}: {', '.join(told)}."
    )
    return Chart("Error against extrapolation", alt, (Panel(axis, y_axis, tuple(marks)),), size=(6.2, 4.2))


def _errors(trials: list[Trial], beyond: dict[str, np.ndarray], relative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distances and root mean squares of errors there, in bins of as many runs held out each; of a comparison read from
    a file, which holds no single errors, the mean size for each hold-out."""
    if not any(len(t.observed) for t in trials):
        pairs = sorted((float(np.exp(np.log(beyond[t.holdout]).mean())), t.error) for t in trials)
        x, y = zip(*pairs, strict=True) if pairs else ((), ())
        return np.array(x), np.array(y)
    seen, said = (np.concatenate([getattr(t, name) for t in trials]) for name in ("observed", "predicted"))
    far = np.concatenate([beyond[t.holdout] for t in trials])
    off = said / seen - 1 if relative else said - seen
    distinct, group = np.unique(np.round(np.log(far), 2), return_inverse=True)
    bins = min(_BINS, len(distinct))
    part = np.minimum(bins * group // len(distinct), bins - 1)
    centres = np.array([np.exp(np.log(far[part == k]).mean()) for k in range(bins)])
    return centres, np.array([np.sqrt(np.mean(off[part == k] ** 2)) for k in range(bins)])


def _by_holdout(trials: list[Trial], found: Comparison) -> tuple[np.ndarray, np.ndarray]:
    places = {h.label: float(k) for k, h in enumerate(found.holdouts)}
    return np.array([places[t.holdout] for t in trials]), np.array([t.error for t in trials])


def _nothing(why: str) -> Chart:
    panel = Panel(Axis("", ticks=False), Axis("", ticks=False), (Word(why),))
    return Chart(_TITLE, f"{why[0].upper()}{why[1:]}.", (panel,))
