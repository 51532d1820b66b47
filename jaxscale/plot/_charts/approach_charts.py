"""What pictures of the approaches show: isoFLOP valleys, the envelope of training curves, exponents side by side."""

import math
from collections.abc import Sequence

import numpy as np

from jaxscale._analyses.approaches.budgets import by_budget
from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import Budget, IsoFlop
from jaxscale._analyses.approaches.side_by_side import Approaches
from jaxscale._analyses.approaches.trend import Trend
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, plural
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale._planning.frontier import frontier
from jaxscale.plot._charts.axis_words import response_axis, response_words, short, with_unit
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Line, Mark, Panel, Whiskers, Word, band

_SIZE = Axis("model size N (parameters)", True, "count")
_BEST = Axis("best size N (parameters)", True, "count")
_COMPUTE = Axis("compute C (FLOPs)", True, "count")
_LOSS = Axis("loss (nats per token)")
_FINE = 60  # points of a curve
_MOST_BUDGETS = 9  # curves that can be told apart


def isoflops(found: IsoFlop | Approaches) -> Chart:
    """Losses over sizes at each budget, the curve through them, its lowest point with its interval (grey where that is
    outside the runs); and the best sizes over budgets with the power law through them."""
    if isinstance(found, Approaches):
        if "unbiased" not in found.isoflops:
            raise InputError(f"no isoFLOP profiles could be taken: {found.rows[-2].missing}")
        found = found.isoflops["unbiased"]
    shown = _some(found.profiles)
    marks: list[Mark] = []
    for profile, place in zip(shown, _places(np.log([p.budget for p in shown])), strict=True):
        role = "muted" if profile.note else place
        marks.append(
            Line(
                profile.curve[0],
                profile.curve[1],
                "",
                role,
                "dashed" if profile.note else "solid",
                _flops(profile.budget),
            )
        )
        marks.append(Dots(profile.sizes, profile.loss, "", role, "up" if profile.note else "dot"))
    percent = f"{100 * found.level:g} % interval"
    _, N, loss, ends = _optima(shown)
    marks += [
        Whiskers(N, loss, ends[:, 0], ends[:, 1], "x", percent, "ink"),
        Dots(N, loss, "best size of a budget", "ink", "ring"),
    ]
    if any(p.note for p in shown):
        marks.append(Dots(np.array([]), np.array([]), "best size outside the runs", "muted", "up"))
    sizes = np.concatenate([p.sizes for p in shown])
    valley = Axis(
        _SIZE.label, True, "count", ends=(sizes.min() / 1.2, sizes.max() * (sizes.max() / sizes.min()) ** 0.17)
    )
    loss_axis = Axis(with_unit(short(found.response.name), found.response.unit))
    budgets, N, _, ends = _optima(found.profiles)
    line = (*_trend(found.N, percent), Whiskers(budgets, N, ends[:, 0], ends[:, 1], "y", "", "ink"))
    right = Panel(_COMPUTE, _BEST, (*line, Dots(budgets, N, "", "ink", "ring")))
    count = plural(len(found.profiles), "budget")
    some = f", {len(shown)} of them drawn" if len(shown) < len(found.profiles) else ""
    alt = f"{count} with a curve of losses over sizes each{some}. {found.verdict}."
    title = "Each budget has a best size" + (f": {len(shown)} of {count}" if some else "")
    return Chart(title, alt, (Panel(valley, loss_axis, tuple(marks)), right), 2, (9.2, 4.2))


def _some(profiles: Sequence[Budget]) -> list[Budget]:
    """As many budgets as can be told apart, over their whole range; where there are more, those with a best size."""
    if len(profiles) <= _MOST_BUDGETS:
        return list(profiles)
    good = [p for p in profiles if not p.note]
    chosen = good if len(good) > 1 else list(profiles)
    places = np.linspace(0, len(chosen) - 1, min(_MOST_BUDGETS, len(chosen))).round().astype(int)
    return [chosen[k] for k in places]


def _optima(profiles: Sequence[Budget]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Budgets, best sizes and losses of the profiles that have one, (n,), and the ends of intervals, (n, 2)."""
    good = [p for p in profiles if not p.note]
    ends = np.array([p.interval or (math.nan, math.nan) for p in good]).reshape(-1, 2)
    return (
        np.array([p.budget for p in good]),
        np.array([p.N for p in good]),
        np.array([p.best_loss for p in good]),
        ends,
    )


def isoflops_of_fit(result: FitResult, tolerance: float = 0.1, runs: Runs | None = None) -> Chart:
    """The runs of each budget, what the law says along it, and the frontier through its best sizes.

    Raises:
        InputError: the law is not one of N and D, or no budget has runs of several sizes.
    """
    runs = runs_of(result, runs)
    if {v.name for v in result.law.variables} != {"N", "D"}:
        raise InputError(f"isoFLOP curves are of laws of N and D; {result.law.name} takes other variables")
    tables = by_budget(runs, None, tolerance)
    if len(tables) > _MOST_BUDGETS:
        places = np.linspace(0, len(tables) - 1, _MOST_BUDGETS).round().astype(int)
        tables = [tables[k] for k in places]
    if not tables:
        raise InputError(f"no compute budget has runs of several sizes within {100 * tolerance:g} %")
    row_at = {int(row): k for k, row in enumerate(runs.rows)}
    marks: list[Mark] = []
    budgets = np.exp([t.log_budget for t in tables])
    for table, budget, place in zip(tables, budgets, _places(np.log(budgets)), strict=True):
        mine = [row_at[int(row)] for row in table.rows]
        N = runs.variable("N")[mine]
        fine = np.geomspace(N.min() / 1.15, N.max() * 1.15, _FINE)
        curve = np.asarray(result.predict(N=fine, D=budget / (6 * fine)))
        marks += [
            Line(fine, curve, "", place, "solid", _flops(budget)),
            Dots(N, runs.response[mine], "", place),
        ]
    between = np.geomspace(budgets.min() / 1.6, budgets.max() * 1.6, 31)
    rows = frontier(result, np.concatenate([budgets, between]), level=result.level).rows
    best, line = rows[: len(budgets)], rows[len(budgets) :]
    marks += [
        Line(np.array([r.N for r in line]), np.array([r.loss for r in line]), "frontier", "ink"),
        Dots(np.array([r.N for r in best]), np.array([r.loss for r in best]), "best size of a budget", "ink", "ring"),
    ]
    sizes = runs.variable("N")
    low, high = float(sizes.min()), float(sizes.max())
    x = Axis(_SIZE.label, True, "count", ends=(low / 1.4, high * (high / low) ** 0.17))
    name = response_words(result.law, runs)[0]
    alt = f"{name} over sizes at {plural(len(tables), 'budget')}, with the law's curve and the best size of each."
    panel = Panel(x, response_axis(result.law, runs), tuple(marks))
    return Chart("Each budget has a best size", alt, (panel,), size=(6.4, 4.6))


def envelope(found: Envelope, runs: Runs | None = None) -> Chart:
    """The lowest loss at each compute and the best sizes there; with the runs given, their training curves too."""
    points = found.to_frame()
    used = points.used.to_numpy(bool)
    C, N, loss = (points[name].to_numpy() for name in ("budget", "N", "loss"))
    marks: list[Mark] = []
    if runs is not None:
        labels = np.array(runs.clusters if runs.clusters is not None else [f"{n:.3g}" for n in runs.variable("N")])
        x, y = runs.variable("C"), runs.response
        for k, label in enumerate(dict.fromkeys(labels.tolist())):
            mine = np.flatnonzero(labels == label)
            mine = mine[np.argsort(x[mine], kind="stable")]
            marks.append(Line(x[mine], y[mine], "training curves" if k == 0 else "", "muted"))
    sets = ((used, "on the envelope", "fit", "dot"), (~used, "not used: an end of the sizes", "odd", "pixel"))
    for mask, label, role, shape in sets:
        if mask.any():
            marks.append(Dots(C[mask], loss[mask], label, role, shape))  # pyright: ignore[reportArgumentType]
    sizes = [Dots(C[m], N[m], "", role, shape) for m, _, role, shape in sets if m.any()]  # pyright: ignore[reportArgumentType]
    percent = f"{100 * found.level:g} % interval"
    panels = (
        Panel(_COMPUTE, _LOSS, tuple(marks)),
        Panel(_COMPUTE, _BEST, (*_trend(found.N, percent), *sizes)),
    )
    alt = f"The envelope of {plural(found.curves, 'training curve')}. {found.verdict}."
    return Chart("The lowest curve at each compute", alt, panels, 2, (9.2, 4.0))


def approaches(found: Approaches) -> Chart:
    """The exponent of N, and N at the largest budget, as each approach says it."""
    taken = [row for row in found.rows if not row.missing]
    if not taken:
        panel = Panel(Axis("", ticks=False), Axis("", ticks=False), (Word(found.verdict),))
        return Chart("No approach could be taken", found.verdict, (panel,))
    names = tuple(row.name for row in reversed(taken))
    place = np.arange(len(taken), dtype=np.float64)[::-1]
    percent = f"{100 * found.level:g} % interval"
    last = len(found.budgets) - 1
    budget = _flops(found.budgets[last])
    panels = []
    for axis, values, ends in (
        (Axis("a, where best N grows as C^a"), [r.a for r in taken], [r.a_interval for r in taken]),
        (
            Axis(f"best N at {budget} FLOPs (parameters)", True, "count"),
            [r.N[last][0] for r in taken],
            [r.N[last][1] for r in taken],
        ),
    ):
        sides = np.array([e or (math.nan, math.nan) for e in ends])
        x = np.array(values)
        marks = (Whiskers(x, place, sides[:, 0], sides[:, 1], "x", percent, "fit"), Dots(x, place, "estimate", "ink"))
        panels.append(Panel(axis, Axis("", names=names, ends=(-0.6, len(taken) - 0.4)), marks))
    return Chart("What each approach says", f"{found.verdict}.", tuple(panels), 2, (8.6, 0.34 * len(taken) + 1.5), "y")


def _trend(trend: Trend, label: str) -> tuple[Mark, ...]:
    """The power law through optima, with its interval, half a decade beyond them; nothing where there is none."""
    if not math.isfinite(trend.exponent):
        return ()
    x = np.geomspace(trend.budgets[0] / 3, trend.budgets[1] * 3, _FINE)
    found = [trend.at(c) for c in x]
    ends = np.array([e or (math.nan, math.nan) for _, e in found])
    line = Line(x, np.array([v for v, _ in found]), f"N as C^{trend.exponent:.3f}", "fit")
    return (band(x, ends[:, 0], ends[:, 1], label, "fit"), line) if np.isfinite(ends).any() else (line,)


def _places(logs: np.ndarray) -> list[float]:
    """Places of budgets on the scale of what is in order."""
    width = float(np.ptp(logs))
    return [float((x - logs.min()) / width) if width else 0.3 for x in logs]


def _flops(budget: float) -> str:
    return format_number(budget, 2, suffixes=False)
