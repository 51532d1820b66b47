"""What the derivatives of a plan foretell of another."""

import math
import sys

from jaxscale._base.text import format_number
from jaxscale._planning.plan import Plan


def first_order_moves(plan: Plan, after: Plan, structural: bool) -> tuple[dict[str, float], ...]:
    """What the old plan's derivatives foretell for each row of the new one; empty if they cannot."""
    if structural or plan.law is not after.law:
        return ({},) * len(plan.rows)
    old = {**plan.params, **plan.assumptions}
    new = {**after.params, **after.assumptions}
    # A limit that comes in changes nothing to first order while it does not bind; one that goes away likewise.
    moves = {}
    for name in plan.per:
        if name in old and name in new and old[name] != new[name]:
            moves[name] = new[name] - old[name] if plan.per[name] == "raw" else math.log(new[name] / old[name])
    positive = plan.law.response.logged
    foretold = []
    for row, changed in zip(plan.rows, after.rows, strict=True):
        steps = dict(moves)
        if row.reach_loss is not None and changed.reach_loss is not None:
            new, old = changed.reach_loss, row.reach_loss
            steps["reach_loss"] = math.log(new / old) if positive else new - old
        elif changed.reach_loss is None:
            steps["budget"] = math.log(changed.budget / row.budget)
        values = {}
        for quantity, slopes in row.sensitivities.items():
            change = sum(slopes.get(name, 0.0) * step for name, step in steps.items())
            value = row.of(quantity)
            logged = positive if quantity == "loss" else quantity not in plan.law.raw_names
            values[quantity] = value * _exp(change) if logged else value + change
        values.setdefault("cost", row.cost * _exp(steps.get("budget", 0.0)))
        foretold.append(values)
    return tuple(foretold)


def _exp(change: float) -> float:
    """Infinite where a slope is followed too far for float64."""
    return math.exp(change) if change < math.log(sys.float_info.max) else math.inf


def number_or_dash(value: float) -> str:
    return format_number(value) if math.isfinite(value) else "-"
