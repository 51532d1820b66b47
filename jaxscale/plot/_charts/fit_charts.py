"""What pictures of a fit show: residuals, predicted beside observed, what its starts reached."""

from collections.abc import Sequence

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, plural, quoted
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale.plot._charts.axis_words import response_axis, response_words, short, variable_axis, with_unit
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Line, Mark, Panel, Rule, Shape, Span, Word

_MOST_NAMED = 6
_HIDING = 2000  # runs that would hide a line behind them
_FAR = 6.0  # typical residuals beyond which a run is drawn at the edge, so that the others can be seen
_BINS = 12
_SAME_PLACE = 0.01  # of the width of an axis: marks that close cannot be told apart
_AGREE = 1e-9  # of the objective: starts that ended closer than that reached one optimum, as `Starts` counts them
_EDGES: dict[Shape, int] = {"up": 1, "down": -1}


def in_logs(result: FitResult) -> bool:
    """Whether residuals are those of logs, shown in per cent, and not plain differences."""
    return result.law.response.logged and result.objective.space == "log"


def predicted(result: FitResult, runs: Runs) -> np.ndarray:
    """What the law says of each run, (n_runs,)."""
    return np.asarray(result.predict(**{v.name: runs.variable(v.name) for v in result.law.variables}))


def residuals_of(result: FitResult, runs: Runs) -> np.ndarray:
    """Observed over predicted, (n_runs,): 100 times the log of it, about per cent; or the difference, see `in_logs`."""
    values = predicted(result, runs)
    return 100 * np.log(runs.response / values) if in_logs(result) else runs.response - values


def residuals(result: FitResult, against: str | Sequence[str] | None = None, runs: Runs | None = None) -> Chart:
    """One panel for each variable: residuals, a running median, the size of a typical one, and odd rows by number."""
    runs = runs_of(result, runs)
    variables = _against(result, runs, against)
    r = residuals_of(result, runs)
    scale, percent = (100, " %") if in_logs(result) else (1, "")
    typical = scale * result.sigma
    largest = float(np.abs(r).max())
    edge = max(_FAR * typical if np.isfinite(typical) else 0.0, float(np.quantile(np.abs(r), 0.9)))
    edge = edge if 0 < edge < largest else largest or 1.0
    inside = np.abs(r) <= edge
    name, unit = response_words(result.law, runs)
    y = Axis(with_unit(f"{name} above the fit", "%" if percent else unit), ends=(-1.1 * edge, 1.1 * edge))
    order = np.argsort(-np.abs(r), kind="stable")
    named = {int(k) for k in order[:_MOST_NAMED] if not inside[k]}
    panels = []
    for variable in variables:
        x = runs.variable(variable)
        marks: list[Mark] = []
        if np.isfinite(typical) and typical > 0:
            marks.append(Span(-typical, typical, "y", "typical residual", "fit"))
        marks += [Rule(0.0, "y"), Dots(x[inside], r[inside], "", "fit")]
        for shape, sign in _EDGES.items():
            off = ~inside & (sign * r > 0)
            if off.any():
                names = _joined(
                    (np.log(x) if (x > 0).all() else x)[off],
                    [f"row {runs.rows[k]}: {r[k]:+.2g}{percent}" if k in named else "" for k in np.flatnonzero(off)],
                )
                edges = np.full(off.sum(), sign * edge)
                marks.append(Dots(x[off], edges, "beyond the edge", "odd", shape, names))
        if middle := _running_median(x, r):
            marks.append(Line(*middle, "running median", "ink"))
        panels.append(Panel(variable_axis(result.law, variable, x, result.response.data), y, tuple(marks)))
    odd = ", ".join(str(runs.rows[k]) for k in order if k in named)
    alt = (
        f"Residuals of {plural(runs.count, 'run')} against {', '.join(map(short, variables))}. A typical one is "
        f"{format_number(typical, 2)}{percent}, the largest {format_number(largest, 2)}{percent}."
        + (f" Far off: row {odd}." if odd else "")
    )
    width = {1: 4.8, 2: 6.4}.get(len(panels), 2.5 * len(panels) + 0.4)
    return Chart("Residuals should show no pattern", alt, tuple(panels), len(panels), (width, 3.4), "y")


def observed(result: FitResult, held_out: Runs | None = None, runs: Runs | None = None) -> Chart:
    """What the law says of each run beside what was measured, and of runs that it was not fitted to."""
    runs = runs_of(result, runs)
    values = predicted(result, runs)
    sets = [(runs.response, values, f"{plural(runs.count, 'run')} fitted", "fit", "dot", runs)]
    if held_out is not None:
        others = predicted(result, held_out)
        label = f"{plural(held_out.count, 'run')} held out"
        sets.append((held_out.response, others, label, "other", "square", held_out))
    every = np.concatenate([part for one in sets for part in one[:2]])
    log = bool(result.law.response.logged and (every > 0).all())
    low, high = float(every.min()), float(every.max())
    pad = 0.04 * (np.log(high / low) if log else high - low) or 1.0
    ends = (low / np.exp(pad), high * np.exp(pad)) if log else (low - pad, high + pad)
    same = Line(np.array(ends), np.array(ends), "predicted = observed", "ink", "dashed")
    marks: list[Mark] = [] if runs.count > _HIDING else [same]
    off = np.abs(residuals_of(result, runs))
    far = [int(k) for k in np.argsort(-off, kind="stable")[:_MOST_NAMED]]
    limit = _FAR * result.sigma * (100 if in_logs(result) else 1)
    named = {k for k in far if off[k] > limit > 0}
    for seen, said, label, role, shape, table in sets:
        names = _rows(table, np.ones(table.count, bool), named) if table is runs else ()
        marks.append(Dots(said, seen, label, role, shape, names))  # pyright: ignore[reportArgumentType]
    marks += [] if marks[0] is same else [same]
    x, y = (response_axis(result.law, runs, before=word, log=log) for word in ("predicted", "observed"))
    panel = Panel(Axis(x.label, log, ends=ends), Axis(y.label, log, ends=ends), tuple(marks))
    name, unit = response_words(result.law, runs)
    alt = (
        f"Observed {name} against what {short(result.label)} predicts, from {format_number(low)} to "
        + f"{format_number(high)} {unit}".rstrip()
        + f", of {plural(runs.count, 'run')} fitted"
        + (f" and {held_out.count} held out" if held_out is not None else "")
        + "."
    )
    return Chart("What the law says, and what was seen", alt, (panel,), size=(5.2, 4.8))


def starts(result: FitResult) -> Chart:
    """How far above the best objective each start ended, in order."""
    found = result.starts
    if not len(found.value):
        panel = Panel(Axis("", ticks=False), Axis("", ticks=False), (Word(f"{found}"),))
        return Chart("What the starts reached", f"A file keeps no more of the starts than this: {found}.", (panel,))
    finite = np.sort(found.value[np.isfinite(found.value)])
    best = float(finite[0])
    scale = abs(best) or 1.0
    above = 100 * (finite - best) / scale
    place = np.arange(1, len(finite) + 1, dtype=np.float64)
    same = place <= max(found.at_best, 1)
    log = bool(above.max() > 100 * _AGREE)
    least = 100 * _AGREE
    shown = np.maximum(above, least) if log else above
    marks: list[Mark] = [
        *([Span(least / 10, least, "y", "one optimum")] if log else []),
        Dots(place[same], shown[same], f"{found.at_best} reached this optimum", "fit"),
        *([Dots(place[~same], shown[~same], "ended elsewhere", "odd", "up")] if (~same).any() else []),
    ]
    x = Axis(f"{plural(len(finite), 'start')} that ended, lowest first", form="count", ends=(0.0, len(finite) + 1.0))
    ends = (least / 10, 10 * float(above.max())) if log else (-0.1, 1.0)
    y = Axis("objective above the best (%)" if best else "objective above the best", log, ends=ends)
    alt = f"{plural(len(finite), 'start')} that ended, {found.at_best} of them at the best objective, {best:.6g}."
    return Chart("How many starts agree", alt, (Panel(x, y, tuple(marks)),), size=(5.2, 3.6))


def _against(result: FitResult, runs: Runs, against: str | Sequence[str] | None) -> list[str]:
    """The variables asked for; by default those of the law that are single numbers, and the compute of N and D."""
    names = [v.name for v in result.law.variables if v.domain != "vector"]
    names += ["C"] if {"N", "D"} <= set(names) and "C" not in names else []
    known = [*names, *(name for name in runs.variables if name not in names)]
    if against is None:
        return names or ["row"]
    chosen = [against] if isinstance(against, str) else list(against)
    for name in chosen:
        if name not in known or runs.variable(name).ndim > 1:
            raise InputError(f"residuals cannot be drawn against {quoted(name)}; choose of {', '.join(known)}")
    return chosen


def _rows(runs: Runs, mask: np.ndarray, named: set[int]) -> tuple[str, ...]:
    return tuple(f"row {runs.rows[k]}" if k in named else "" for k in np.flatnonzero(mask))


def _joined(x: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Names of points that lie side by side at an edge: of those at one place, which share a mark, the first has all,
    a line each."""
    near = _SAME_PLACE * (float(np.ptp(x)) or 1.0)
    lines = [[name] if name else [] for name in names]
    for k in range(len(names)):
        first = int(np.flatnonzero(np.abs(x - x[k]) <= near)[0])
        if first != k:
            lines[first] += lines[k]
            lines[k] = []
    return tuple("\n".join(of) for of in lines)


def _running_median(x: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Medians of residuals in bins of as many runs each, at the middle of their places; None for fewer than 15 runs or
    three places."""
    if len(x) < 15 or len(np.unique(x)) < 3:
        return None
    order = np.argsort(x, kind="stable")
    parts = np.array_split(order, max(3, min(_BINS, len(x) // 5)))
    middle = (lambda v: float(np.exp(np.log(v).mean()))) if (x > 0).all() else (lambda v: float(v.mean()))
    return np.array([middle(x[p]) for p in parts]), np.array([float(np.median(r[p])) for p in parts])
