"""What pictures of decisions show: loss over sizes and tokens, extrapolation, the price of another size, what moves a
plan and what a change does to it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, inert, plural
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale._planning.frontier import frontier
from jaxscale._planning.other_sizes import other_sizes
from jaxscale._planning.plan import Plan
from jaxscale._planning.sensitivity import called
from jaxscale._planning.tornado import tornado
from jaxscale._planning.what_if import WhatIf
from jaxscale.laws import Law
from jaxscale.plot._charts import plan_charts
from jaxscale.plot._charts.axis_words import letter, response_axis, response_words, short, variable_axis, with_unit
from jaxscale.plot._charts.chart import (
    Area,
    Axis,
    Bars,
    Chart,
    Contours,
    Dots,
    Line,
    Mark,
    Panel,
    Role,
    Rule,
    Span,
    band,
)
from jaxscale.plot._charts.fit_charts import observed, residuals, starts
from jaxscale.plot._charts.plan_charts import quantity_axis

_ASSUMED = {"inference_tokens": "tokens served", "D_max": "cap on tokens", "N_max": "cap on size", "U": "unique tokens"}
_FINE = 25  # budgets of a line
_GRID = 120
_FACTOR = 12.0  # how far the price of another size looks, up and down


def overview(result: FitResult, runs: Runs | None = None) -> Chart:
    """Predicted and observed, residuals against one variable, the extrapolation, the starts; those that there are."""
    runs = runs_of(result, runs)
    names = {v.name for v in result.law.variables}
    against = "C" if names == {"N", "D"} else next((v.name for v in result.law.variables if v.domain != "vector"), None)
    charts = [observed(result, None, runs), *([residuals(result, against, runs)] if against else [])]
    charts += [extrapolation(result, None, None, None, runs)] if names == {"N", "D"} else []
    charts += [starts(result)] if len(result.starts.value) else []
    panels = tuple(replace(panel, title=chart.title) for chart in charts for panel in chart.panels)
    trust = "trustworthy" if result.verdict.trustworthy else "NOT TRUSTWORTHY"
    title = f"{short(result.label)}, {plural(runs.count, 'run')}: {trust}"
    size = (8.4, 3.7 * -(-len(panels) // 2) + 0.6)
    return Chart(title, " ".join([f"{title}.", *(chart.alt for chart in charts)]), panels, 2, size)


def contours(result: FitResult, to: float | None = None, draws: Any = None, runs: Runs | None = None) -> Chart:
    """Lines of equal response over sizes and tokens, the runs, lines of equal compute, and the best of each budget with
    its interval.

    Raises:
        InputError: the law is not one of N and D.
    """
    runs = runs_of(result, runs)
    _needs_n_and_d(result.law)
    compute = runs.variable("C")
    low, high = float(compute.min()), float(to or 100 * compute.max())
    budgets = np.geomspace(low, high, _FINE)
    rows = [r for r in frontier(draws or result, budgets, level=result.level).rows if math.isfinite(r.N)]
    line = np.array([[r.budget, r.N, r.D, r.loss] for r in rows]).reshape(-1, 4).T
    ends = np.array([r.intervals.get("N", (math.nan, math.nan)) for r in rows]).reshape(-1, 2)
    every = {name: np.append(runs.variable(name), line[k]) for k, name in ((1, "N"), (2, "D"))}
    sides = {name: (float(values.min()) / 1.6, float(values.max()) * 1.6) for name, values in every.items()}
    n, d = (np.geomspace(*sides[name], _GRID) for name in ("N", "D"))
    grid = [g.ravel() for g in np.meshgrid(n, d)]
    z = np.asarray(result.predict(N=grid[0], D=grid[1])).reshape(len(d), len(n))
    marks: list[Mark] = [
        Contours(n, d, z, _levels(line[3] if len(rows) else z), f"equal {response_words(result.law, runs)[0]}", "muted")
    ]
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    for k, e in enumerate(decades):
        across = 10.0**e / (6 * n)
        inside = (across >= sides["D"][0]) & (across <= sides["D"][1])
        if inside.sum() > 1:
            label = "equal compute (FLOPs)" if k == 0 else ""
            marks.append(Line(n[inside][::-1], across[inside][::-1], label, "ink", "dotted", f"1e{e}"))
    known = np.isfinite(ends).all(axis=1)
    if known.any():
        c, lo, hi = line[0][known], ends[known, 0], ends[known, 1]
        corners = np.concatenate([lo, hi[::-1]]), np.concatenate([c / (6 * lo), (c / (6 * hi))[::-1]])
        marks.append(Area(*corners, f"{100 * result.level:g} % interval of the best N", "fit"))
    marks.append(Dots(runs.variable("N"), runs.variable("D"), plural(runs.count, "run"), "other"))
    marks += [Line(line[1], line[2], "best N and D of each budget", "fit")] if rows else []
    axes = [variable_axis(result.law, name, data=result.response.data) for name in ("N", "D")]
    axes = [Axis(a.label, True, "count", ends=sides[name]) for a, name in zip(axes, ("N", "D"), strict=True)]
    name, unit = response_words(result.law, runs)
    between = f"from {format_number(low, 2, suffixes=False)} to {format_number(high, 2, suffixes=False)} FLOPs"
    alt = f"{with_unit(name, unit)} over sizes and {result.response.data}, {plural(runs.count, 'run')}"
    alt += f", and the best of budgets {between}." if rows else f". No budget {between} has a best size."
    title = "Where budgets are spent best" if rows else "No budget has a best size"
    return Chart(title, alt, (Panel(axes[0], axes[1], tuple(marks)),), size=(6.4, 5.4))


def extrapolation(
    result: FitResult,
    to: float | None = None,
    held_out: Runs | None = None,
    targets: Mapping[str, tuple[float, float]] | None = None,
    runs: Runs | None = None,
) -> Chart:
    """The response of the best model over compute, dashed and with its interval beyond the runs; the runs, others that
    were held out, and values written down beforehand.

    Raises:
        InputError: the law is not one of N and D.
    """
    runs = runs_of(result, runs)
    _needs_n_and_d(result.law)
    compute = runs.variable("C")
    reach = float(compute.max())
    given = [c for c, _ in (targets or {}).values()]
    further = [float(held_out.variable("C").max())] if held_out is not None else []
    budgets = np.geomspace(float(compute.min()), float(to or max(1000 * reach, *given, *further, 0.0)), 2 * _FINE)
    rows = [r for r in frontier(result, budgets, level=result.level).rows if math.isfinite(r.loss)]
    c, loss = np.array([r.budget for r in rows]), np.array([r.loss for r in rows])
    ends = np.array([r.intervals.get("loss", (math.nan, math.nan)) for r in rows]).reshape(-1, 2)
    inside = c <= reach
    join = max(int(inside.sum()) - 1, 0)
    marks: list[Mark] = [Span(float(compute.min()), reach, "x", "compute of the runs")]
    if np.isfinite(ends).all(axis=1).any():
        marks.append(band(c, ends[:, 0], ends[:, 1], f"{100 * result.level:g} % interval of the law", "fit"))
    marks += [
        Dots(compute, runs.response, f"{plural(runs.count, 'run')} fitted", "muted"),
        *([Line(c[inside], loss[inside], "best model of each budget", "fit")] if inside.any() else []),
        *([Line(c[join:], loss[join:], "the same beyond the runs", "fit", "dashed")] if rows else []),
    ]
    if held_out is not None:
        label = f"{plural(held_out.count, 'run')} held out"
        marks.append(Dots(held_out.variable("C"), held_out.response, label, "other", "square"))
    if targets:
        x, y = (np.array([pair[k] for pair in targets.values()], np.float64) for k in (0, 1))
        marks.append(Dots(x, y, "written down beforehand", "odd", "cross", tuple(inert(t, 28) for t in targets)))
    y = response_axis(result.law, runs)
    last = rows[-1] if rows else None
    alt = f"{y.label} of the best model over compute, from {plural(runs.count, 'run')}" + (
        f"; at {format_number(last.budget, 2, suffixes=False)} FLOPs it is {format_number(last.loss)}."
        if last
        else "; no budget has a best model."
    )
    panel = Panel(Axis("compute C (FLOPs)", True, "count"), y, tuple(marks))
    return Chart("What the law foretells" if last else "No budget has a best model", alt, (panel,), size=(6.2, 4.4))


def price_of_size(plan: Plan, row: int = -1) -> Chart:
    """What another size than the best one costs at one budget: in the response, or in what the same response takes; by
    the plan's own cost, with what is served, and with repeated tokens as the plan counts them.

    Raises:
        InputError: the law is not one of N and D, or the plan has no answer there.
    """
    _needs_n_and_d(plan.law)
    best = plan.rows[row]
    _needs_answer(plan, row)
    factors = np.geomspace(1 / _FACTOR, _FACTOR, 49)
    sizes = best.N * factors
    others = other_sizes(plan, row, sizes)
    positive = plan.law.response.logged
    extra = others.response - best.loss
    extra = 100 * extra / best.loss if positive else extra
    paid, known = np.isfinite(extra), np.isfinite(others.times)
    name, unit = response_words(plan.law)
    bound = bool(set(best.binding) - {"budget", "reach_loss"})
    here = [Rule(best.N, "x", "planned size, held by a limit" if bound else "best size", "ink", "dotted")]
    beyond = [_beyond_limits(plan, sizes, tokens) for tokens in (others.tokens, others.tokens_needed)]
    spent = "compute" if plan.cost == "six_nd" else "cost"
    x = Axis("model size N (parameters)", True, "count")
    words = f"change of {name} ({'%' if positive else unit or 'its unit'})"
    panels = (
        Panel(
            x, Axis(words), (*beyond[0], *here, Rule(0.0, "y", "", "muted"), Line(sizes[paid], extra[paid], "", "fit"))
        ),
        Panel(
            x,
            Axis(f"{spent} for the same {name} (times)", True, "count"),
            (*beyond[1], *here, Line(sizes[known], others.times[known], "", "fit")),
        ),
    )
    half = float(np.interp(math.log(0.5), np.log(factors), others.times))
    alt = f"At {format_number(best.cost, 3, suffixes=False)} {plan.unit} the best size is {format_number(best.N)}" + (
        f"; half of it needs {format_number(half, 3)} times the {spent} for the same {name}."
        if math.isfinite(half)
        else "."
    )
    return Chart("The price of another size", alt, panels, 2, (8.4, 3.6))


def _beyond_limits(plan: Plan, sizes: np.ndarray, tokens: np.ndarray) -> list[Mark]:
    """Sizes that would break the plan's limits on N or D."""
    most = {name: plan.limits.get(f"{name}_max", math.inf) * (1 + 1e-6) for name in ("N", "D")}
    bad = np.flatnonzero((sizes > most["N"]) | (tokens > most["D"]))
    pieces = np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1) if len(bad) else []
    last = len(sizes) - 1
    ends = ((sizes[max(p[0] - 1, 0)], sizes[min(p[-1] + 1, last)]) for p in pieces)
    return [Span(float(low), float(high), "x", "beyond the limits") for low, high in ends]


def swings(plan: Plan, quantity: str = "N", row: int = -1, change: float = 0.1) -> Chart:
    """How far one quantity of a plan swings when each assumption moves alone, the largest swing on top.

    Raises:
        InputError: the plan has no answer there.
    """
    _needs_answer(plan, row, quantity)
    asked = plan.rows[row]
    frame = tornado(_only(plan, row), quantity, change).to_frame()
    frame = frame.replace([np.inf, -np.inf], np.nan).dropna(subset=["low", "high"])
    frame = frame[frame.swing > 1e-6].iloc[:12]
    base = asked.of(quantity)
    place = np.arange(len(frame), dtype=np.float64)[::-1]
    axis = quantity_axis(plan, quantity)
    log = axis.log and base > 0 and bool((frame[["low", "high"]].to_numpy() > 0).all())
    shown = (lambda v: format_number(v, 3)) if axis.form == "count" else (lambda v: format_number(v, 4, suffixes=False))
    swung = frame[["low", "high"]].to_numpy(np.float64)
    words = [swing_words(shown(less), shown(more), less - base, more - base) for less, more in swung]
    looks: tuple[tuple[str, Role], ...] = ("− a step less", "fit"), ("+ a step more", "other")
    bars = [
        Bars(place, np.full(len(frame), base), swung[:, k], "x", label, role, names=tuple(pair[k] for pair in words))
        for k, (label, role) in enumerate(looks)
    ]
    steps = [str(s).replace("1 sigma", "1σ") for s in frame.step]
    names = tuple(f"{_ASSUMED.get(a, letter(a))} ±{s}" for a, s in zip(frame.assumption, steps, strict=True))[::-1]
    both = np.append(swung.ravel(), base)
    low, high = float(both.min()), float(both.max())
    pad = (0.28 if all(all(pair) for pair in words) else 0.45) * (math.log(high / low) if log else high - low) or 0.1
    ends = (low / math.exp(pad), high * math.exp(pad)) if log else (low - pad, high + pad)
    x = Axis(axis.label, log, axis.form, ends=ends)
    y = Axis("", names=names, ends=(-0.6, len(frame) - 0.4))
    marks = (*bars, Rule(base, "x", f"plan: {shown(base)}", "ink", "solid"))
    heading = plan.headings[row]
    most = f" Most by {names[-1]}." if names else " Nothing moves it."
    alt = f"What moves {axis.label} for {heading}, planned {shown(base)}.{most}"
    size = (6.4, 0.36 * len(frame) + 1.7)
    return Chart(
        f"What moves {short(called(quantity, plan.response))}: {heading}", alt, (Panel(x, y, marks),), size=size
    )


def swing_words(less: str, more: str, down: float, up: float) -> tuple[str, str]:
    """What stands at the two bars of an assumption; where both lie on one side, all of it at the longer one."""
    words = f"{less} (−)", f"{more} (+)"
    if down * up < 0:
        return words
    return (", ".join(words), "") if abs(down) >= abs(up) else ("", ", ".join(reversed(words)))


def what_if(found: WhatIf) -> Chart:
    """A plan before and after a change."""
    changed = ", ".join(f"{inert(name, 20)} {inert(text, 30)}" for name, text in found.changes.items())
    chart = plan_charts.frontier(found.before, beside={"after the change": found.after}, first="before")
    return Chart(
        "What the change does", f"Changed: {changed}. {chart.alt}", chart.panels, chart.columns, chart.size, "x"
    )


def _only(plan: Plan, row: int) -> Plan:
    """The plan of one of its rows."""
    k, request = range(len(plan.rows))[row], plan.request
    asked = None if request is None else replace(request, targets=(request.targets[k],))
    return replace(plan, rows=(plan.rows[k],), beside=plan.beside[k : k + 1], request=asked)


def _needs_answer(plan: Plan, row: int, quantity: str = "N") -> None:
    asked = plan.rows[row]
    if not math.isfinite(asked.of(quantity)):
        raise InputError(f"the plan has no answer for {plan.headings[row]}: {asked.remark}")


def _needs_n_and_d(law: Law) -> None:
    if {v.name for v in law.variables} != {"N", "D"}:
        names = ", ".join(v.name for v in law.variables)
        raise InputError(f"this picture is of laws of N and D; {law.name} takes {names}")


def _levels(losses: np.ndarray, count: int = 9) -> np.ndarray:
    """Round values between the least and the largest, closer where the frontier flattens."""
    low, high = float(losses.min()), float(losses.max())
    if not high > low:
        return np.array([low])
    floor = low - 0.025 * (high - low)
    raw = floor + np.geomspace(low - floor, high - floor, count)[1:-1]
    digits = max(0, 2 - math.floor(math.log10(high - low) + 1e-9))
    return np.unique(np.round(raw, digits))
