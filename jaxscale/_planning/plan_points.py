"""What many plans say of sizes and response, solved together: for whoever draws them and needs no rows."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.derivatives import expand
from jaxscale._allocation.hedge import weighted_quantile
from jaxscale._allocation.scan import can_be_scanned
from jaxscale._planning.doubt import Doubt
from jaxscale._planning.made_row import intervals_of, judged
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan_row import QUANTITIES
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request
from jaxscale._planning.uncertainty import uncertainty_of
from jaxscale._planning.under_doubt import hedge_plan, log_mean

Points = dict[str, np.ndarray]
_UNKNOWN = (math.nan, math.nan)


def points_of(requests: Sequence[Request]) -> list[Points]:
    """By quantity the value and both ends of the interval for each target, (3, n_targets) in natural units, of the plan
    of each request: as in its rows, nan where it has none. Draws of what has no scan to guard it are followed from the
    plan.

    Requests that differ in numbers alone are one batch for the solver, which takes as long for one problem as for a
    hundred.
    """
    posed = [Posed.of(request) for request in requests]
    first, decision = requests[0], posed[0].decision
    if any(r.doubt is not first.doubt or r.source is not first.source for r in requests) or any(
        one.decision != decision for one in posed
    ):
        return [_of_rows(request) for request in requests]
    if first.doubt is not None:
        return _hedged(requests, posed, first.doubt)
    source, level = first.source, first.interval_level
    givens, near = [one.givens(source.theta) for one in posed], not can_be_scanned(decision)
    answers = solve_many(decision, np.concatenate(givens))
    expansions = expand(decision, answers, np.concatenate(givens))
    found, start = [], 0
    for request, one in zip(requests, posed, strict=True):
        here = slice(start, start := start + len(one.targets))
        some, others = answers[here], expansions[here]
        sure = uncertainty_of(source, one, some, others, level, near)
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


def _hedged(requests: Sequence[Request], posed: Sequence[Posed], doubt: Doubt) -> list[Points]:
    """Of plans under doubt, in one batch: nothing but the decisions, and the losses of the draws there."""
    first, counts = requests[0], [len(one.targets) for one in posed]
    joint = replace(
        posed[0],
        targets=np.concatenate([one.targets for one in posed]),
        wanted=np.concatenate([one.wanted for one in posed]),
        rest=np.concatenate([np.tile(one.rest, (n, 1)) for one, n in zip(posed, counts, strict=True)]),
    )
    point = solve_many(joint.decision, joint.givens(first.source.theta))
    chosen = np.flatnonzero(np.isin(point.status, (OK, FLAT)) & np.isfinite(point.x).all(axis=1))
    points = {name: np.full((3, len(joint.targets)), math.nan) for name in QUANTITIES}
    if chosen.size:
        some = replace(joint, targets=joint.targets[chosen], wanted=joint.wanted[chosen], rest=joint.rest[chosen])
        hedged = hedge_plan(first, doubt, some, point[chosen], expanded=False)
        if hedged.lost > 0:  # a draw that is lost for one target is left out of all of a plan, not of all plans
            return [_of_rows(request) for request in requests]
        level, logged = first.interval_level, joint.decision.law.response.logged
        response = log_mean(hedged.losses, hedged.weight, joint)
        for j, i in enumerate(chosen):
            if judged(first, hedged.posed.decision, hedged.answers, j, None)[0] not in ("ok", "flat"):
                continue
            values = {**joint.natural_at(np.array([*hedged.answers.x[j], response[j], 0.0])), **first.fixed}
            values.setdefault("tokens_per_param", values.get("D", math.nan) / values.get("N", math.nan))
            for name in points:
                points[name][0, i] = values.get(name, math.nan)
            ends = [
                weighted_quantile(hedged.losses[j], hedged.weight, end) for end in ((1 - level) / 2, (1 + level) / 2)
            ]
            points["loss"][1:, i] = np.exp(ends) if logged else ends
    splits = np.cumsum(counts)[:-1]
    parts = {name: np.split(found, splits, axis=1) for name, found in points.items()}
    return [{name: part[k] for name, part in parts.items()} for k in range(len(requests))]


def _of_rows(request: Request) -> Points:
    # Estimates by other objectives are for the notes, which nobody reads here.
    rows = make_plan(replace(request, source=replace(request.source, at_noise=()))).rows
    return {
        name: np.array([(getattr(row, name), *row.intervals.get(name, _UNKNOWN)) for row in rows]).T
        for name in QUANTITIES
    }
