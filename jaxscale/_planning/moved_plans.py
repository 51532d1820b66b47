"""Plans of requests that differ from one in a number: solved together, and scanned once for all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxscale._allocation.answers import solve_near
from jaxscale._allocation.derivatives import expand
from jaxscale._planning.made_row import row_of
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request
from jaxscale._planning.uncertainty import Uncertainty


def moved_plans(plan: Plan, asked: Request, requests: Sequence[Request]) -> list[Plan]:
    """The plan of each request at its point estimate, without intervals and one-sided slopes.

    Args:
        plan: made for `asked`, from which each request differs in a number, with as many targets.
    """
    own, posed = Posed.of(asked), [Posed.of(request) for request in requests]
    if asked.doubt is not None or any(one.decision != own.decision for one in posed):
        return [make_plan(replace(r, source=r.source.without_uncertainty())) for r in requests]
    count = len(own.targets)
    givens = [one.givens(request.source.theta) for one, request in zip(posed, requests, strict=True)]
    like = own.givens(asked.source.theta), np.tile(np.arange(count), len(requests))
    answers = solve_near(own.decision, np.concatenate(givens), like)
    expansions = expand(own.decision, answers, np.concatenate(givens))
    unsure = Uncertainty(None, [{}] * count, None, [])
    plans = []
    for k, (request, one, given) in enumerate(zip(requests, posed, givens, strict=True)):
        here, bare = slice(k * count, (k + 1) * count), replace(request, source=request.source.without_uncertainty())
        rows = [
            row_of(bare, one, answers[here], i, expansion, given[i], unsure, {})
            for i, expansion in enumerate(expansions[here])
        ]
        params = {name: float(request.source.params[name]) for name in plan.law.parameter_names}
        plans.append(
            replace(plan, params=params, rows=tuple(rows), assumptions=one.assumptions, method=None, notes=(),
                    request=bare)
        )  # fmt: skip
    return plans
