"""What many plans say of sizes and response, solved together: for whoever draws them and needs no rows."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.derivatives import expand
from jaxscale._planning.made_row import intervals_of, judged
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan_row import QUANTITIES
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request
from jaxscale._planning.uncertainty import uncertainty_of

Points = dict[str, np.ndarray]
_UNKNOWN = (math.nan, math.nan)


def points_of(requests: Sequence[Request]) -> list[Points]:
    """By quantity the value and both ends of the interval for each target, (3, n_targets) in natural units, of the plan
    of each request: as in its rows, nan where it has none.

    Requests that differ in numbers alone are one batch for the solver, which takes as long for one problem as for a
    hundred.
    """
    posed = [Posed.of(request) for request in requests]
    first, decision = requests[0], posed[0].decision
    if any(r.doubt is not None or r.source is not first.source for r in requests) or any(
        one.decision != decision for one in posed
    ):
        return [_of_rows(request) for request in requests]
    source, level = first.source, first.interval_level
    givens = [one.givens(source.theta) for one in posed]
    answers = solve_many(decision, np.concatenate(givens))
    expansions = expand(decision, answers, np.concatenate(givens))
    found, start = [], 0
    for request, one in zip(requests, posed, strict=True):
        here = slice(start, start := start + len(one.targets))
        some, others = answers[here], expansions[here]
        sure = uncertainty_of(source, one, some, others, level)
        points = {name: np.full((3, len(one.targets)), math.nan) for name in QUANTITIES}
        for i, expansion in enumerate(others):
            if expansion is None or judged(request, decision, some, i, expansion)[0] not in ("ok", "flat"):
                continue
            values = {**one.natural(expansion), **request.fixed}
            values.setdefault("tokens_per_param", values.get("D", math.nan) / values.get("N", math.nan))
            ends = {} if sure.ends is None else intervals_of(request, one, sure.ends[:, i])
            for name, point in points.items():
                point[:, i] = values.get(name, math.nan), *ends.get(name, _UNKNOWN)
        found.append(points)
    return found


def _of_rows(request: Request) -> Points:
    # Estimates by other objectives are for the notes, which nobody reads here.
    rows = make_plan(replace(request, source=replace(request.source, at_noise=()))).rows
    return {
        name: np.array([(getattr(row, name), *row.intervals.get(name, _UNKNOWN)) for row in rows]).T
        for name in QUANTITIES
    }
