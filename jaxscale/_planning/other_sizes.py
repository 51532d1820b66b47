"""What other sizes than the best would take: tokens and response at the same cost, the cost of the same response."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxscale._allocation.placing import evaluate
from jaxscale._planning.plan import Plan
from jaxscale._planning.posed import Posed

_HALVINGS = 60
_FEWEST, _MOST = -8.0, 16.0  # logs of how many times the tokens of the same 6 N D


class OtherSizes(NamedTuple):
    """For each size (n,): tokens and response where it costs what the plan does, tokens and times the cost of the plan
    for the same response; nan where there are none."""

    tokens: np.ndarray
    response: np.ndarray
    tokens_needed: np.ndarray
    times: np.ndarray


def other_sizes(plan: Plan, row: int, sizes: np.ndarray) -> OtherSizes:
    """Of models of other sizes (n,), in parameters, beside row number `row` of the plan: by the plan's own cost, with
    what is served, and the law as it is planned with, repeated tokens too."""
    best, request = plan.rows[row], plan.request
    usual = np.log(best.N * best.D / sizes)
    posed = None if request is None else Posed.of(request)
    free = () if posed is None else tuple(v for v in posed.decision.variables if v != "epochs")
    unique = None if request is None else request.unique
    if request is None or posed is None or set(free) != {"N", "D"} or isinstance(unique, tuple):
        return _of_compute(plan, row, sizes, usual)
    decision = posed.decision
    if decision.repeated is None and request.cost.name == "six_nd":  # the same, and no program of its own
        return _of_compute(plan, row, sizes, usual)
    givens = np.tile(posed.givens(request.source.theta)[row], (len(sizes), 1))
    at = {"N": np.log(sizes)}

    def both(log_D: np.ndarray) -> np.ndarray:
        values = at | {"D": log_D}
        if decision.repeated is not None and unique is not None:
            values["epochs"] = np.maximum(log_D - math.log(unique), 0.0)
        return evaluate(decision, np.stack([values[v] for v in decision.variables], axis=1), givens)

    spent = math.log(best.cost)
    goal = decision.sign * (math.log(best.loss) if decision.law.response.logged else best.loss)
    same_cost = _largest(usual, lambda log_D: both(log_D)[:, 1] <= spent)
    response = decision.sign * both(same_cost)[:, 0]
    needed = _largest(usual, lambda log_D: both(log_D)[:, 0] > goal)
    times = np.exp(both(needed)[:, 1] - spent)
    response = np.exp(response) if decision.law.response.logged else response
    return OtherSizes(np.exp(same_cost), response, np.exp(needed), times)


def _of_compute(plan: Plan, row: int, sizes: np.ndarray, usual: np.ndarray) -> OtherSizes:
    """By 6 N D and tokens that are all fresh."""
    best, sign = plan.rows[row], -1.0 if plan.law.response.better == "higher" else 1.0

    def response(log_D: np.ndarray) -> np.ndarray:
        return np.asarray(plan.law.predict(plan.params, N=sizes, D=np.exp(log_D)))

    needed = _largest(usual, lambda log_D: sign * (response(log_D) - best.loss) > 0)
    return OtherSizes(np.exp(usual), response(usual), np.exp(needed), np.exp(needed - usual))


def _largest(usual: np.ndarray, holds: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Log tokens (n,) up to which something holds, by halving; nan where that is beyond all that is looked at."""
    low, high = usual + _FEWEST, usual + _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        kept = holds(middle)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    inside = (low > usual + _FEWEST) & (high < usual + _MOST)
    return np.where(inside, high, math.nan)
