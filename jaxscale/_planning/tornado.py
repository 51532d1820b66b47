"""The verb `tornado`: how far a plan swings when each assumption moves alone."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, quoted
from jaxscale._planning.changes import with_value
from jaxscale._planning.foretold import first_order_moves, number_or_dash
from jaxscale._planning.moved_plans import moved_plans
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import QUANTITIES
from jaxscale._planning.request import Request
from jaxscale._planning.sensitivity import Sensitivity, answers, called


def tornado(plan: Plan, quantity: str = "N", change: float = 0.1) -> Sensitivity:
    """How far one quantity swings when each assumption moves alone, those that matter most first.

    Parameters of the law move by one standard error, as behind the plan's intervals, where its source has a covariance
    and no bound holds them; all else by the share `change` of its value, down and up. A plan under doubt is over many
    values of the parameters already, so they do not move; all else does, over the same doubt. Columns of `to_frame()`:
    budget, assumption, step, low and high (optimised again), first_order_low and first_order_high (by the plan's
    derivatives), swing (|high - low| relative to the value planned).

    Raises:
        InputError: there is no such quantity.
    """
    known = (*QUANTITIES, "cost", *plan.others)
    if quantity not in known:
        raise InputError(f"there is no quantity {quoted(quantity)}; choose one of {', '.join(known)}")
    if not 0 < change < 1:
        raise InputError(f"change is a share between 0 and 1, got {change!r}")
    request = plan.request
    if request is None:
        raise InputError("this plan was not made by frontier, so it cannot be made again")
    source, law = request.source, request.source.law
    names = () if source.covariance is None else source.covariance.names
    known = [name for name in names if source.standard_error(name) > 0]  # the others are held by a bound
    shares = {p.name: p for p in law.parameters if p.transform == "logit"}
    steps: list[tuple[str, str]] = []
    ends: list[Request] = []
    for name in plan.per:
        if request.doubt is not None and name in law.parameter_names:
            continue
        if name in ("budget", "reach_loss"):
            ends += [replace(request, targets=tuple(t * k for t in request.targets)) for k in (1 - change, 1 + change)]
            steps.append((name, f"{100 * change:g} %"))
            continue
        sigma = name in plan.params and name in known
        step = "1 sigma" if sigma else f"{100 * change:g} %"
        values: tuple[Any, Any] = ("-1sigma", "+1sigma") if sigma else (f"x{1 - change!r}", f"x{1 + change!r}")
        if name in shares and not sigma:  # a share may not leave its range
            at, step = float(source.theta[law.index(name)]), f"{100 * change:g} % of the odds"
            low, high = (shares[name].to_natural(at + math.log(k)) for k in (1 - change, 1 + change))
            values = low, high
        ends += [with_value(plan, request, name, value) for value in values]
        steps.append((name, step))
    plans = moved_plans(plan, request, ends)
    tables: list[list[dict[str, Any]]] = [[] for _ in plan.rows]
    for (name, step), *pair in zip(steps, plans[::2], plans[1::2], strict=True):
        foretold = [first_order_moves(plan, p, False) for p in pair]
        for i, row in enumerate(plan.rows):
            low, high = (p.rows[i].of(quantity) for p in pair)
            base = row.of(quantity)
            tables[i].append(
                {
                    "budget": row.budget,
                    "assumption": name,
                    "step": step,
                    "low": low,
                    "high": high,
                    "first_order_low": foretold[0][i].get(quantity, math.nan),
                    "first_order_high": foretold[1][i].get(quantity, math.nan),
                    "swing": abs(high - low) / abs(base) if base else math.nan,  # a share that is left out
                }
            )
    title = called(quantity, plan.response)
    together = " In truth parameters of a fit move together, as the intervals of the plan know." if known else ""
    if request.doubt is not None:
        together = f" Parameters of the law stay: the plan is over {request.doubt.over}."

    def cells(answer: Mapping[str, Any]) -> tuple[str, ...]:
        values = (answer[end] for end in ("low", "high", "first_order_low", "first_order_high"))
        ends = (number_or_dash(plan.shown(quantity, value)) for value in values)
        swing = 0.0 if answer["swing"] <= 1e-9 else answer["swing"]
        return answer["assumption"], answer["step"], *ends, as_percent(swing, 3)

    sort = {"by": "swing", "ascending": False, "kind": "stable", "na_position": "first"}
    return answers(
        plan,
        f"what moves {title} most",
        [pd.DataFrame(table).sort_values(**sort) for table in tables],
        ("assumption", "step", f"{title}, a step less", "a step more", "foretold, less", "foretold, more", "swing"),
        cells,
        "Each assumption moves alone and the plan is made again; foretold: by the derivatives of the plan." + together,
    )
