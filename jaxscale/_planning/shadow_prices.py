"""Shadow prices in a planner's words: what one more unit of a binding limit changes."""

import math

import numpy as np

from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion
from jaxscale._planning.plan_row import Price
from jaxscale._planning.request import Request

# Units in which a planner thinks, and how many of the plain unit they are.
_PLANNERS_UNITS = {
    "tokens": (1e12, "trillion tokens"),
    "parameters": (1e9, "billion parameters"),
    "bytes": (1e9, "GB"),
    "days": (1.0, "day"),
    "seconds": (1e-3, "millisecond"),
    "dollars": (1.0, "dollar"),
}


def shadow_prices(
    decision: Decision,
    found: Expansion,
    logs: np.ndarray,
    given: np.ndarray,
    implicit: frozenset[str],
    request: Request,
) -> dict[str, Price]:
    """What one more unit of each binding limit changes, in words of a planner; relaxing a limit lowers loss or cost."""
    n = len(decision.variables)
    positive = decision.law.response.logged
    loss = math.exp(logs[n]) if positive else 1.0
    spent, unit = math.exp(logs[n + 1]), request.cost.unit
    word = request.source.response.word
    slopes = dict(
        zip(
            decision.names,
            (found.slopes[n] * loss if decision.goal == "loss" else found.slopes[n + 1] * spent),
            strict=True,
        )
    )
    prices: dict[str, Price] = {}
    if decision.goal == "loss":
        prices["budget"] = Price(float(math.log(2) * slopes["budget"]), f"{word} per doubling of the budget")
    else:
        target = given[decision.names.index("reach_loss")]
        per_nat = slopes["reach_loss"] / (math.exp(target) if positive else 1.0)
        prices["reach_loss"] = Price(float(0.01 * per_nat), f"{unit} per 0.01 {word}")
    for j in found.active:
        if j == 0 or j > len(decision.limits):  # the target, or an end of a share
            continue
        row = decision.limits[j - 1]
        if row.main is None or row.main in implicit:
            continue
        value = math.exp(given[decision.names.index(row.main)])
        many, words = _PLANNERS_UNITS.get(row.unit, (1.0, f"unit of {row.name}"))
        words = request.source.response.counted(words)
        change = float(slopes[row.main] / value * many)
        if decision.goal == "cost":
            prices[row.name] = Price(change, f"{unit} per {words}")
            continue
        prices[row.name] = Price(change, f"{word} per {words}")
        per_unit = slopes["budget"] / math.exp(given[decision.names.index("budget")])
        if decision.sign * per_unit < 0 and math.isfinite(change):
            prices[f"{row.name} in {unit}"] = Price(
                float(change / -per_unit), f"{unit} of budget per {words}, at equal {request.source.response.name}"
            )
    return prices
