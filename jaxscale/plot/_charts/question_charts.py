"""What pictures of questions to a fit or plan show: a profile, influence, a multiverse, draws, what moves a plan."""

import math

import numpy as np

from jaxscale._analyses.diagnostics.influence import Influence
from jaxscale._analyses.diagnostics.multiverse import DECISIONS, Multiverse
from jaxscale._analyses.diagnostics.profile import Profile
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, inert, listed, plural, quoted
from jaxscale._fitting.draws import Draws
from jaxscale.plot._charts.axis_words import letter, short, with_unit
from jaxscale.plot._charts.chart import Axis, Bars, Chart, Dots, Line, Mark, Panel, Role, Rule, Shape, Span, Word

_MOST_ROWS = 10
_MOST_PARAMETERS = 7
_MOST_DRAWS = 2000  # of a cloud


def profile(found: Profile) -> Chart:
    """How the objective rises away from the estimate, and where it reaches the end of the interval."""
    q = found.quantity
    log = q.logged and bool((found.values > 0).all())
    shown = np.isfinite(found.values) & np.isfinite(found.rise) & (found.rise <= 4)
    shown = shown if shown.sum() > 1 else np.isfinite(found.values)
    percent = f"{100 * found.level:g} % interval"
    marks: list[Mark] = []
    if found.bounded:
        marks.append(Span(found.low, found.high, "x", percent, "fit"))
    marks += [
        Rule(1.0, "y", f"where the {percent} ends", "muted", "dashed"),
        Rule(found.estimate, "x", "estimate", "odd"),
        Line(found.values[shown], found.rise[shown], "objective, all else refitted", "fit"),
    ]
    x = Axis(with_unit(letter(q.name), q.unit), log, "count" if q.counted else "plain")
    y = Axis("rise of the objective (scaled)", ends=(-0.15, max(1.3, float(found.rise[shown].max()) * 1.05)))
    span = f"{q.shown(found.low)} to {q.shown(found.high)}"
    alt = f"Profile of {short(q.name)}: estimate {q.shown(found.estimate)}, {percent} {span}."
    return Chart(f"How sure is {short(q.name)}?", alt, (Panel(x, y, tuple(marks)),), size=(5.4, 3.9))


def influence(found: Influence) -> Chart:
    """The runs that count most, each left out by itself; and leverage beside how far off each run lies."""
    order = found.order[:_MOST_ROWS]
    place = np.arange(len(order), dtype=np.float64)[::-1]
    names = tuple(f"row {found.rows[k]}" for k in reversed(order))
    quantity = found.quantity
    if found.change is not None and quantity is not None:
        values = 100 * np.expm1(found.change[order]) if quantity.logged else found.change[order]
        label = with_unit(
            f"change of {letter(quantity.name)} without the run", "%" if quantity.logged else quantity.unit
        )
    else:
        values = found.pull[order]
        label = "largest change of a parameter (standard errors)"
    zero = np.zeros(len(order))
    up = values >= 0
    looks: tuple[tuple[np.ndarray, Role], ...] = ((up, "other"), (~up, "fit"))
    bars = [
        Bars(place[m], zero[m], values[m], "x", "", role, names=tuple(f"{v:+.3g}" for v in values[m]))
        for m, role in looks
        if m.any()
    ]
    ends = _with_room(min(0.0, float(np.nanmin(values, initial=0))), max(0.0, float(np.nanmax(values, initial=0))))
    off = np.argsort(-np.abs(np.nan_to_num(found.outlier)), kind="stable")
    top = {*order[: _MOST_ROWS // 2].tolist(), *off[: _MOST_ROWS // 3].tolist()}
    named = tuple(f"row {row}" if k in top else "" for k, row in enumerate(found.rows))
    panels = (
        Panel(Axis(label, ends=ends), Axis("", names=names, ends=(-0.6, len(order) - 0.4)), (*bars, Rule(0.0, "x"))),
        Panel(
            Axis("leverage (0 to 1)"),
            Axis("residual (robust standard deviations)"),
            (Rule(0.0, "y"), Dots(found.leverage, found.outlier, "", "fit", names=named)),
        ),
    )
    alt = f"Influence of {plural(len(found.rows), 'run')}. {' '.join(found.sentences())}"
    return Chart("Which runs decide", alt, panels, 2, (8.6, 3.9))


def multiverse(found: Multiverse, decision: str = "N") -> Chart:
    """A specification curve (Simonsohn, Simmons & Nelson 2020): the answers in order, and the options that led to each.

    Raises:
        InputError: there is no such decision.
    """
    if decision not in DECISIONS:
        raise InputError(f"decision must be one of {', '.join(DECISIONS)}, got {quoted(decision)}")
    ordered = found.frame.dropna(subset=[decision]).sort_values(decision, kind="stable").reset_index(drop=True)
    unit = {"N": "parameters", "D": found.response.data}.get(decision, found.response.unit)
    words = short(found.response.name) if decision == "loss" else decision
    budget = f"{format_number(found.budget, 3, suffixes=False)} {found.unit}"
    place = np.arange(len(ordered), dtype=np.float64)
    values = ordered[decision].to_numpy(np.float64)
    good = ordered["trustworthy"].to_numpy(bool)
    looks: tuple[tuple[np.ndarray, str, Role, Shape], ...] = (
        (good, "trustworthy", "fit", "dot"),
        (~good, "not trustworthy", "odd", "up"),
    )
    marks: list[Mark] = [Dots(place[m], values[m], label, role, shape) for m, label, role, shape in looks if m.any()]
    usual = (found.frame.loc[[0], list(found.choices)].iloc[0] == ordered[list(found.choices)]).all(axis=1).to_numpy()
    if usual.any():
        marks.insert(0, Dots(place[usual], values[usual], "usual choices", "ink", "ring"))
    labels = [(c, option) for c, options in found.choices.items() for option in options]
    chosen: list[Mark] = [
        Dots(place[m], np.full(m.sum(), float(len(labels) - 1 - k)), "", "ink", "tick")
        for k, (choice, option) in enumerate(labels)
        if (m := (ordered[choice] == option).to_numpy()).any()
    ]
    names = tuple(inert(f"{c}: {option}", 44) for c, option in reversed(labels))
    x = Axis("combinations, in order of the answer", ticks=False, ends=(-0.8, max(len(ordered) - 0.2, 0.8)))
    logged = decision != "loss"
    y = Axis(with_unit(f"best {words}", unit), logged, "count" if logged else "plain")
    panels = (
        Panel(x, y, tuple(marks), height=3.0),
        Panel(
            x, Axis("", names=names, ends=(-0.7, len(labels) - 0.3)), tuple(chosen), height=max(1.0, 0.28 * len(labels))
        ),
    )
    shown = [format_number(v) for v in (values.min(), values.max())] if len(values) else ["none"]
    span = " to ".join(dict.fromkeys(shown))
    alt = f"Best {words} for {budget} in {len(ordered)} ways to fit the runs: {f'{span} {unit}'.rstrip()}."
    title = f"Best {words} for {budget}, {len(ordered)} ways to fit the runs"
    return Chart(title, alt, panels, 1, (8.0, 3.2 + 0.28 * len(labels)), "x")


def pairs(draws: Draws, names: tuple[str, ...] | None = None) -> Chart:
    """Each parameter's draws on the diagonal, pairs of parameters below it and their correlations above.

    Raises:
        InputError: the law has no such parameter, or there are too many to see.
    """
    known = {p.name: p for p in draws.law.parameters}
    chosen = list(names or known)
    if unknown := [n for n in chosen if n not in known]:
        raise InputError(f"the law has no parameters {listed(unknown)}; choose of {', '.join(known)}")
    if len(chosen) > _MOST_PARAMETERS:
        raise InputError(
            f"{len(chosen)} parameters are too many to see; choose up to {_MOST_PARAMETERS} of them, "
            f"names=({chosen[0]!r}, ...)"
        )
    frame = draws.to_frame()
    wide = {n: float(frame[n].quantile(0.95)) > 3 * max(float(frame[n].quantile(0.05)), 1e-300) for n in chosen}
    logged = {n: known[n].transform == "log" and (wide[n] or float(frame[n].median()) > 100) for n in chosen}
    values = {n: np.log10(frame[n]) if logged[n] else frame[n].to_numpy() for n in chosen}
    values = {n: np.asarray(v, np.float64) for n, v in values.items()}
    at = {n: math.log10(draws.params[n]) if logged[n] else float(draws.params[n]) for n in chosen}
    ends = {}
    for n in chosen:
        low, high = np.quantile(values[n][np.isfinite(values[n])], [0.001, 0.999])
        low, high = min(low, at[n]), max(high, at[n])
        pad = 0.08 * (high - low) or 0.5
        ends[n] = float(low - pad), float(high + pad)
    label = {n: f"log₁₀ {letter(n)}" if logged[n] else letter(n) for n in chosen}
    some = slice(None, None, -(-len(frame) // _MOST_DRAWS))
    tail = (1 - draws.level) / 2
    panels = []
    k = len(chosen)
    for i, row in enumerate(chosen):
        for j, column in enumerate(chosen):
            x = Axis(label[column] if i == k - 1 else "", ends=ends[column], ticks=i == k - 1)
            y = Axis(label[row] if j == 0 else "", ends=ends[row], ticks=j == 0)
            if j > i:
                both = np.isfinite(values[row]) & np.isfinite(values[column])
                with np.errstate(invalid="ignore"):
                    rho = float(np.corrcoef(values[row][both], values[column][both])[0, 1])
                text = "–" if not math.isfinite(rho) else f"{rho:+.4f}" if abs(rho) > 0.99 else f"{rho:+.2f}"
                panels.append(Panel(x, y, (Word(text, "ink" if abs(rho) > 0.3 else "muted"),)))
            elif i == j:
                counts, edges = np.histogram(values[row], bins=24, range=ends[row])
                middle, width = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
                sides = np.quantile(values[row], [tail, 1 - tail])
                bars = Bars(middle, np.zeros(len(counts)), counts.astype(float), "y", "draws", "fit", width)
                rules = [Rule(float(s), "x", f"{100 * draws.level:g} % of draws", "muted", "dotted") for s in sides]
                y = Axis("draws" if j == 0 else "", ends=(0.0, 1.08 * float(counts.max())), ticks=False)
                panels.append(Panel(x, y, (bars, *rules, Rule(at[row], "x", "fit", "odd"))))
            else:
                cloud = Dots(values[column][some], values[row][some], "", "fit", "pixel")
                fit = Dots(np.array([at[column]]), np.array([at[row]]), "", "odd", "cross")
                panels.append(Panel(x, y, (cloud, fit)))
    alt = f"{len(frame)} draws of {', '.join(map(short, chosen))}: histograms, pairs, and correlations."
    title = f"{len(frame):,} draws of the constants, and their correlations"
    return Chart(title, alt, tuple(panels), k, (1.35 * k + 0.6, 1.3 * k + 0.9))


def _with_room(low: float, high: float) -> tuple[float, float]:
    """Ends of an axis of bars that leave room for what stands at their ends."""
    pad = 0.22 * (high - low) or 1.0
    return low - pad * (low < 0), high + pad * (high > 0) or pad
