"""Plans on a grid of budgets (and of tokens served), between which a page interpolates, and how far off that is."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from jaxscale._planning.plan_points import Points, points_of
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request

BUDGETS, DEMANDS = 25, 13  # four nodes a decade
DECADES, DEMAND_DECADES = 3.0, 1.5  # to each side of the plan
_MOST_PLANNED = 60_000  # draws at nodes
_DEMAND = "inference_tokens"
_LOGGED = ("N", "D", "tokens_per_param")
_SHORT = {"tokens_per_param": "ratio"}


def grid_of(request: Request, budget: float) -> tuple[dict[str, Any], dict[str, float], bool]:
    """Axes and values as `web/grid.js` reads them; the largest errors halfway between the nodes: relative, of N and D,
    of the ends of their intervals, and of the response with its interval; and whether intervals were left out, which
    would take many seconds."""
    tokens = request.cost.assumptions.get(_DEMAND)
    reach = DECADES * math.log(10)
    budgets = np.linspace(math.log(budget) - reach, math.log(budget) + reach, BUDGETS)
    far = DEMAND_DECADES * math.log(10)
    demands = math.log(tokens) + np.linspace(-far, far, DEMANDS) if tokens else np.array([0.0])
    between, places = (budgets[:-1] + budgets[1:]) / 2, (0, DEMANDS // 2, DEMANDS - 2) if tokens else (None,)
    halfway = [None if j is None else (demands[j] + demands[j + 1]) / 2 for j in places]
    request, bare = _in_seconds(request, BUDGETS * len(demands) + len(between) * len(places))
    asked = [_asked(request, budgets, served if tokens else None) for served in demands]
    asked += [_asked(request, between, served) for served in halfway]
    columns = [_values(points) for points in points_of(asked)]
    values = {name: np.stack([c[name] for c in columns[: len(demands)]], axis=1) for name in columns[0]}
    errors = {"sizes": 0.0, "intervals": 0.0, "response": 0.0}
    for j, true in zip(places, columns[len(demands) :], strict=True):
        for name, value in true.items():
            along = values[name] if j is None else cubic(values[name].T, np.array([j + 0.5]))[0][:, None]
            found = cubic(along, np.arange(BUDGETS - 1) + 0.5)[:, 0]
            off = np.abs(found - value) if not name.startswith("loss") else np.abs(found / value - 1)
            off = off[np.isfinite(off)]
            kind = "response" if name.startswith("loss") else "intervals" if name.endswith(("_lo", "_hi")) else "sizes"
            errors[kind] = max(errors[kind], float(off.max(initial=0.0)))
    axes = [_axis(budgets), *([_axis(demands)] if tokens else [])]
    known = {name: v for name, v in values.items() if np.isfinite(v).any()}
    return {"axes": axes, "values": {name: _rounded(v) for name, v in known.items()}}, errors, bare


def _in_seconds(request: Request, nodes: int) -> tuple[Request, bool]:
    """The same without draws where all of them at all nodes would take many seconds: those of what is not convex are
    planned one by one. And whether that is so."""
    draws = request.source.draws
    if request.doubt is not None or draws is None or nodes * len(draws) <= _MOST_PLANNED:
        return request, False
    if Posed.of(request).decision.convex:
        return request, False
    return replace(request, source=replace(request.source, draws=None, covariance=None)), True


def cubic(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (n, k) at equal steps, at `places` (m,) counted in steps: Catmull-Rom, and at an end the curve goes on as
    a parabola. What `web/grid.js` does."""
    before, after = (3 * values[i] - 3 * values[j] + values[k] for i, j, k in ((0, 1, 2), (-1, -2, -3)))
    padded = np.concatenate([before[None], values, after[None]])
    i = np.clip(np.floor(places).astype(int), 0, len(values) - 2)
    t = (places - i)[:, None]
    p = [padded[i + k] for k in range(4)]
    return (
        ((-t + 2) * t - 1) * t / 2 * p[0]
        + ((3 * t - 5) * t * t + 2) / 2 * p[1]
        + ((-3 * t + 4) * t + 1) * t / 2 * p[2]
        + (t - 1) * t * t / 2 * p[3]
    )


def _asked(request: Request, budgets: np.ndarray, served: float | None) -> Request:
    cost = request.cost if served is None else request.cost.with_assumptions(**{_DEMAND: math.exp(served)})
    return replace(request, goal="loss", targets=tuple(np.exp(budgets).tolist()), cost=cost)


def _values(points: Points) -> dict[str, np.ndarray]:
    """By name as `web/grid.js` calls it: logs of sizes and ratios, and the response; nan where there is no plan."""
    found: dict[str, np.ndarray] = {}
    for name in (*_LOGGED, "loss"):
        for key, v in zip(("", "_lo", "_hi"), points[name], strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                found[_SHORT.get(name, name) + key] = np.log(v) if name in _LOGGED else v
    return found


def _axis(logs: np.ndarray) -> dict[str, Any]:
    return {"first": float(logs[0]), "step": float(logs[1] - logs[0]), "count": len(logs)}


def _rounded(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{x:.9g}") if math.isfinite(x) else None for x in row] for row in values.tolist()]
