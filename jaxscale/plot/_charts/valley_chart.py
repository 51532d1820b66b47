"""What the picture of a hyper-parameter valley shows: a response over two settings, its best place and the flat region
around it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, listed, plural, quoted
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale.laws import Instance, Law
from jaxscale.plot._charts.axis_words import response_axis, response_words, short, variable_axis
from jaxscale.plot._charts.chart import Area, Axis, Chart, Contours, Dots, Line, Mark, Panel, Span

_GRID, _LEVELS = 201, 7
_NEAR = 0.02  # how far the other variables of a run may be from those of the picture


@dataclass(frozen=True, eq=False)
class _Surface:
    """A response z on a grid of one or two variables, y first."""

    law: Law
    over: tuple[str, ...]
    grids: tuple[np.ndarray, ...]
    z: np.ndarray
    axes: Mapping[str, Axis]
    within: float

    @property
    def sign(self) -> float:
        """Which way is better: 1 down, -1 up, 0 neither."""
        return {"higher": -1.0, "lower": 1.0}.get(self.law.response.better, 0.0)

    @property
    def best(self) -> tuple[dict[str, float] | None, list[str]]:
        """The best place of the grid, and the variables at whose edge it lies; None where no response is better."""
        if not self.sign:
            return None, []
        place = np.unravel_index(np.nanargmin(self.sign * self.z), self.z.shape)[::-1]
        named = list(zip(self.over, self.grids, place, strict=True))
        return {n: float(g[k]) for n, g, k in named}, [n for n, g, k in named if k in (0, len(g) - 1)]

    @property
    def as_good(self) -> np.ndarray:
        """Where the response is within that share of the best; of one that may be negative, of all that is drawn, since
        its zero is nowhere in particular."""
        best = float(np.nanmin(self.sign * self.z))
        whole = abs(best) if self.law.response.logged else float(np.nanmax(self.z) - np.nanmin(self.z))
        return self.sign * self.z <= best + self.within * whole

    @property
    def as_good_words(self) -> str:
        """What is said of it."""
        of = "of the best" if self.law.response.logged else "of the range from the best"
        return f"within {100 * self.within:g} % {of}"


def valley(
    record: FitResult | Instance,
    over: tuple[str, ...] = (),
    at: Mapping[str, float] | None = None,
    between: Mapping[str, tuple[float, float]] | None = None,
    within: float = 0.005,
    runs: Runs | None = None,
) -> Chart:
    """The response over one or two variables, the others held.

    Raises:
        InputError: a variable is unknown, is not held, or has no range; or `within` is not between 0 and 1.
    """
    law, at, between = record.law, dict(at or {}), dict(between or {})
    if not 0 < within < 1:
        raise InputError(f"within is a share of the response, such as 0.005 for half a per cent; got {within!r}")
    names = [v.name for v in law.variables if v.domain != "vector"]
    if unknown := [n for n in (*over, *at, *between) if n not in names]:
        raise InputError(f"law {law.name} has no variable {quoted(unknown[0])} to draw over; it takes {listed(names)}")
    over = tuple(over) or tuple(n for n in names if n not in at)[:2]
    if not 1 <= len(over) <= 2 or len(set(over)) < len(over):
        raise InputError("a valley is over one variable or two that differ: over=('lr', 'B')")
    table = None
    if isinstance(record, FitResult) and (runs is not None or record.runs is not None):
        table = runs_of(record, runs)
    if missing := [v.name for v in law.variables if v.name not in (*over, *at)]:
        raise InputError(f"say at which {' and '.join(missing)} the valley is drawn: at={{{missing[0]!r}: ...}}")
    ends = {name: _range(name, between, table) for name in over}
    axes = {name: variable_axis(law, name, np.array(ends[name])) for name in over}
    grids = [np.geomspace(*ends[n], _GRID) if axes[n].log else np.linspace(*ends[n], _GRID) for n in over]
    mesh = dict(zip(over, (g.ravel() for g in np.meshgrid(*grids)), strict=True))
    held = {n: np.full(mesh[over[0]].shape, x) for n, x in at.items() if n not in over}
    z = np.asarray(record.predict(**mesh, **held)).reshape([_GRID] * len(over))
    seen = _Surface(law, over, tuple(grids), z, axes, within)
    best, at_edge = seen.best
    near = np.zeros(0, bool) if table is None else _near(table, at, over)
    shown = None if table is None or not near.any() else table.subset(near)
    panel = _curve(seen, shown) if len(over) == 1 else _map(seen, shown)
    fixed = ", ".join(f"{short(n)} {format_number(x)}" for n, x in at.items() if n not in over)
    where = f" at {fixed}" if fixed else ""
    name = response_axis(law, table).label
    if best is None:
        title, told = f"{name[0].upper()}{name[1:]}{where}", ""
    else:
        words = ", ".join(f"{short(n)} {format_number(x, 3)}" for n, x in best.items())
        told = f" The best is {words}" + (f", at the edge of {listed(at_edge)}." if at_edge else ".")
        title = "The valley, and how flat it is" if not at_edge else "The best lies at the edge of what is drawn"
    alt = f"{name} over {' and '.join(map(short, over))}{where}.{told}"
    return Chart(title, alt, (panel,), size=(6.2, 4.8))


def _range(name: str, between: Mapping[str, tuple[float, float]], runs: Runs | None) -> tuple[float, float]:
    if name in between:
        low, high = sorted(map(float, between[name]))
    elif runs is not None:
        values = np.asarray(runs.variable(name), np.float64)
        low, high = float(values.min()), float(values.max())
    else:
        raise InputError(f"published constants have no runs: say between which {name}, between={{{name!r}: (1, 10)}}")
    if not low < high:
        raise InputError(f"{name} takes one value in these runs; say between which, between={{{name!r}: (1, 10)}}")
    return low, high


def _near(runs: Runs, at: Mapping[str, float], over: tuple[str, ...]) -> np.ndarray:
    """Which runs have the other variables of the picture."""
    near = np.ones(runs.count, bool)
    for name, value in at.items():
        if name not in over:
            near &= np.abs(runs.variable(name) - value) <= _NEAR * abs(value)
    return near


def _map(seen: _Surface, runs: Runs | None) -> Panel:
    marks: list[Mark] = []
    (x, y), (first, second), (best, _) = seen.grids, seen.over, seen.best
    if best is not None:
        marks += _flat(x, y, seen.as_good, seen.as_good_words)
    marks.append(Contours(x, y, seen.z, _levels(seen.z), f"equal {response_words(seen.law, runs)[0]}", "muted"))
    if runs is not None:
        marks.append(Dots(runs.variable(first), runs.variable(second), plural(runs.count, "run"), "other"))
    if best is not None:
        marks.append(Dots(np.array([best[first]]), np.array([best[second]]), "best", "odd", "cross"))
    return Panel(seen.axes[first], seen.axes[second], tuple(marks))


def _curve(seen: _Surface, runs: Runs | None) -> Panel:
    (name,), (x,), (best, _) = seen.over, seen.grids, seen.best
    marks: list[Mark] = [Line(x, seen.z, "law", "fit")]
    if best is not None:
        flat = x[seen.as_good]
        marks.insert(0, Span(float(flat.min()), float(flat.max()), "x", seen.as_good_words, "fit"))
    if runs is not None:
        marks.append(Dots(runs.variable(name), runs.response, plural(runs.count, "run"), "other"))
    if best is not None:
        lowest = np.array([float(np.interp(best[name], x, seen.z))])
        marks.append(Dots(np.array([best[name]]), lowest, "best", "odd", "cross"))
    return Panel(seen.axes[name], response_axis(seen.law, runs), tuple(marks))


def _flat(x: np.ndarray, y: np.ndarray, inside: np.ndarray, label: str) -> list[Mark]:
    """The region that is as good as the best, as a polygon: its lowest and its highest y at each x."""
    columns = np.flatnonzero(inside.any(axis=0))
    if not len(columns):
        return []
    low = y[inside[:, columns].argmax(axis=0)]
    high = y[len(y) - 1 - inside[::-1][:, columns].argmax(axis=0)]
    return [Area(np.append(x[columns], x[columns][::-1]), np.append(low, high[::-1]), label, "fit")]


def _levels(z: np.ndarray) -> np.ndarray:
    """Values that lie closer near the least one, as a valley does."""
    found = np.quantile(z[np.isfinite(z)], np.linspace(0.04, 0.96, _LEVELS))
    if found[0] > 0 and found[-1] > 20 * found[0]:  # two digits each
        return np.unique([float(f"{level:.2g}") for level in found])
    width = float(np.ptp(found))
    return np.unique(np.round(found, max(0, 2 - math.floor(math.log10(width))))) if width > 0 else found[:1]
