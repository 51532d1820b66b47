"""What pictures of plans show: best sizes over budgets, and the price of another size."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, listed, plural, quoted
from jaxscale._planning.plan import Plan
from jaxscale.plot._charts.axis_words import short, variable_axis, with_unit
from jaxscale.plot._charts.chart import SERIES, Axis, Chart, Dots, Line, Mark, Panel, Span, Whiskers, band

_SHAPES = ("dot", "square", "up", "down", "ring", "cross")
_DASHES = ("solid", "dashed", "dotted")
_MOST_DOTS = 12  # rows; of more neither dots nor curves between them are drawn
_BETWEEN = 12  # points of a curve from one row to the next
_FAR = 100.0  # times the largest compute of the runs: from there on they are not drawn, so that budgets have the room
OF = ("N", "D", "tokens_per_param", "loss")


def frontier(
    plan: Plan, of: str | Sequence[str] | None = None, beside: dict[str, Plan] | None = None, first: str = ""
) -> Chart:
    """One panel for each quantity of a plan over its targets, with intervals, and other plans beside it by name, where
    `first` is what the plan itself is called."""
    plans = {short(first or plan.label or plan.law.name): plan, **{short(k): p for k, p in (beside or {}).items()}}
    if any(p.target != plan.target for p in plans.values()):
        raise InputError("plans side by side must all be of budgets, or all of losses to reach")
    names = [of] if isinstance(of, str) else list(of or _quantities(plan))
    for name in names:
        if not hasattr(plan.rows[0], name) and not any(name in row.variables for row in plan.rows):
            raise InputError(f"a plan has no {quoted(name)}; choose of {listed(_quantities(plan))}")
    panels = [Panel(_target_axis(plan), quantity_axis(plan, name), _marks(plans, name)) for name in names]
    missing = sum(row.status not in ("ok", "flat") for row in plan.rows)
    first_words, last_words = _first_and_last(plan)
    reaching = plan.target != "budget"
    what = f"{short(plan.response.name)} to reach" if reaching else "budget"
    alt = (
        f"{', '.join(quantity_axis(plan, name).label for name in names)} for "
        f"{plural(len(plan.rows), 'target' if reaching else what)}. "
        f"{first_words} {last_words}".rstrip()
        + (f" {missing} without an answer." if missing else "")
        + (f" Beside it {', '.join(list(plans)[1:])}." if len(plans) > 1 else "")
    )
    columns = min(len(panels), 2 if len(panels) == 4 else 3)
    height = {1: 3.9}.get(len(panels), 3.1) if len(panels) <= 3 else 5.6
    width = {1: 5.2, 2: 6.8}.get(columns, 8.4)
    title = f"The best model for each {what}" if missing < len(plan.rows) or beside else f"No {what} has a best model"
    return Chart(title, alt, tuple(panels), columns, (width, height), "x")


def quantity_axis(plan: Plan, name: str) -> Axis:
    """The axis of something that a plan decides."""
    if name == "tokens_per_param":
        return Axis(f"{plan.response.data} per parameter D/N", True, "count")
    if name == "cost":
        return Axis(with_unit("cost", plan.unit), True, "count")
    if name == "loss":
        response = plan.response
        return Axis(with_unit(short(response.name), response.unit))
    axis = variable_axis(plan.law, name, data=plan.response.data)
    return Axis(f"best {axis.label.replace('model ', '').replace('training ', '')}", axis.log, axis.form)


def _quantities(plan: Plan) -> list[str]:
    names = {v.name for v in plan.law.variables}
    shown = [name for name in ("N", "D") if name in names] + (["tokens_per_param"] if {"N", "D"} <= names else [])
    shown += [name for row in plan.rows for name in row.variables if name not in ("N", "D")]
    last = "loss" if plan.target == "budget" else "cost"
    return [*dict.fromkeys(shown), last] if plan.cost != last else list(dict.fromkeys(shown))


def _value(row: Any, name: str) -> float:
    return float(row.variables.get(name, math.nan)) if not hasattr(row, name) else float(getattr(row, name))


def _target_axis(plan: Plan) -> Axis:
    if plan.target != "budget":
        return Axis(with_unit(f"{short(plan.response.name)} to reach", plan.response.unit))
    return Axis(with_unit("budget", plan.unit), True, "count")


def _marks(plans: dict[str, Plan], name: str) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    several = len(plans) > 1
    (first, *_) = plans.values()
    reach = _reach_of_runs(first)
    over_budgets = len(first.rows) > 1 and first.target == "budget" and first.unit == "FLOPs"
    if reach is not None and over_budgets and min(row.budget for row in first.rows) < _FAR * reach[1]:
        marks.append(Span(*reach, "x", "compute of the runs"))
    for k, (label, plan) in enumerate(plans.items()):
        role = SERIES[k % len(SERIES)]
        x = np.array([row.target for row in plan.rows])
        y = np.array([_value(row, name) for row in plan.rows])
        ends = np.array([row.intervals.get(name, (math.nan, math.nan)) for row in plan.rows])
        order = np.argsort(x, kind="stable")
        order = order[np.isfinite(y[order])]
        x, y, ends = x[order], y[order], ends[order]
        percent = f"{100 * plan.level:g} % interval"
        along, curve, low, high = _curve(plan, name, order, x, y, ends)
        if len(plan.rows) == 1:
            marks.append(
                Whiskers(x, y, ends[:, 0], ends[:, 1], "y", f"{label}: {percent}" if several else percent, role)
            )
        elif np.isfinite(ends).all(axis=1).any():
            marks.append(band(along, low, high, f"{label}: {percent}" if several else percent, role))
        marks.append(Line(along, curve, label if several else "", role, _DASHES[k % 3] if several else "solid"))
        if len(plan.rows) <= _MOST_DOTS:
            marks.append(Dots(x, y, "", role, _SHAPES[k % 6] if several else "dot"))
    return tuple(marks)


def _curve(
    plan: Plan, name: str, order: np.ndarray, x: np.ndarray, y: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Targets from row to row of `order`, what a quantity is there, and the ends (n, 2) of its interval.

    Between two rows that the same limits bind (of what is best, any two) it is the cubic with the slopes that the plan
    knows, else straight; the ends keep their distance from it.
    """
    if not 1 < len(x) <= _MOST_DOTS:
        return x, y, *ends.T
    rows, per = [plan.rows[i] for i in order], "budget" if plan.target == "budget" else "reach_loss"
    logged = plan.law.response.logged if name == "loss" else name not in plan.law.raw_names
    (into, back) = (np.log, np.exp) if logged and (y > 0).all() else (np.asarray, np.asarray)
    (to_place, from_place) = (np.asarray, np.asarray) if plan.per.get(per) == "raw" else (np.log, np.exp)
    place, value = to_place(x), into(y)
    slope = np.array([row.sensitivities.get(name, {}).get(per, math.nan) for row in rows])
    # Where a limit begins to bind sizes turn a corner; what is best at all does not (the envelope theorem).
    best = name in ("loss", "cost")
    alike = [best or (set(a.binding) == set(b.binding) and not (a.one_sided or b.one_sided)) for a, b in pairwise(rows)]
    step, rise = np.diff(place), np.diff(value)
    chord = rise / np.where(step > 0, step, 1.0)
    steep = np.stack([slope[:-1], slope[1:]])
    # A cubic with slopes of the chord's sign, and no more than three times as steep, neither swings nor overshoots.
    bends = np.array(alike) & (steep * chord >= 0).all(axis=0) & (np.abs(steep) <= 3 * np.abs(chord)).all(axis=0)
    first, last = step * np.where(bends, steep, chord)
    t = np.linspace(0, 1, _BETWEEN, endpoint=False)[:, None]
    middle = value[:-1] + t * (first + t * (3 * rise - 2 * first - last + t * (first + last - 2 * rise)))
    places = place[:-1] + t * step
    with np.errstate(divide="ignore", invalid="ignore"):
        away = into(ends) - value[:, None]
    apart = away[:-1] + t[..., None] * np.diff(away, axis=0)

    def joined(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
        """Row by row, and what is known at the rows as it is."""
        return np.append(np.concatenate([outer[None, :-1], inner[1:]]).T.ravel(), outer[-1])

    low, high = (joined(back(middle + apart[..., k]), ends[:, k]) for k in (0, 1))
    return joined(from_place(places), x), joined(back(middle), y), low, high


def _reach_of_runs(plan: Plan) -> tuple[float, float] | None:
    """Least and largest compute of the runs behind a plan, as far as their ranges tell."""
    source = plan.request.source if plan.request is not None else None
    runs = getattr(getattr(source, "record", None), "runs", None)
    if runs is not None and {"N", "D"} <= set(runs.variables):
        compute = runs.variable("C")
        return float(compute.min()), float(compute.max())
    ranges = (source.ranges if source is not None else None) or {}
    return ranges.get("C")


def _first_and_last(plan: Plan) -> tuple[str, str]:
    found = [(row, words) for row, words in zip(plan.rows, plan.headings, strict=True) if math.isfinite(row.loss)]
    sentences = []
    for row, words in found[:1] + found[1:][-1:]:
        parts = [f"{k} {format_number(v)}" for k, v in row.variables.items()]
        parts.append(f"{short(plan.response.given_name)} {format_number(row.loss)}")
        sentences.append(f"{words}: {', '.join(parts)}.")
    return tuple([*sentences, "", ""][:2])  # pyright: ignore[reportReturnType]
