"""Plans of numbers that moved are those made from scratch, whatever was scanned for them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sources import fit_like

import jaxscale as js
from jaxscale import costs
from jaxscale._allocation import answers
from jaxscale._planning.changes import with_value
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.moved_plans import moved_plans
from studies import valleys


def moved_both_ways(plan):
    """The request of a plan, those with each of its numbers a tenth lower and higher, and their plans."""
    asked = plan.request
    ends = [with_value(plan, asked, name, factor) for name in plan.per for factor in ("x0.9", "x1.1")]
    return ends, moved_plans(plan, asked, ends)


def made_alone(ends):
    return [make_plan(replace(end, source=end.source.without_uncertainty())) for end in ends]


@pytest.mark.slow
def test_what_needs_no_scan_is_the_same_to_the_last_bit():
    cost = costs.six_nd.with_inference(tokens=2e12)
    plan = js.frontier(fit_like(), [1e22, 1e24], cost=cost, limits={"N_max": 7e10})
    ends, found = moved_both_ways(plan)
    for one, alone in zip(found, made_alone(ends), strict=True):
        assert [row.variables for row in one.rows] == [row.variables for row in alone.rows]
        assert [(row.loss, row.status, row.sensitivities) for row in one.rows] == [
            (row.loss, row.status, row.sensitivities) for row in alone.rows
        ]
        assert (one.params, one.assumptions) == (alone.params, alone.assumptions)


def counted(monkeypatch):
    """How many problems each call scans."""
    scanned, scan = [], answers.valleys_of

    def noted(decision, givens, worth=None):
        scanned.append(len(givens))
        return scan(decision, givens, worth)

    monkeypatch.setattr(answers, "valleys_of", noted)
    return scanned


@pytest.mark.slow
def test_one_scan_serves_all_where_every_valley_leads_to_one_answer(monkeypatch):
    source = js.laws.hunyuan_moe.published["hunyuan"]
    plan = js.frontier(source, [1e24], cost=costs.moe(), limits=js.limits.memory(640e9))
    scanned = counted(monkeypatch)
    ends, found = moved_both_ways(plan)
    assert len(ends) == 30 and sum(scanned) == 1
    none_is_worse(found, made_alone(ends))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "limit"), [("ripple in D / N", "ring"), ("saturating", "band")])
def test_what_may_lie_in_another_valley_is_scanned_for_itself(kind, limit, monkeypatch):
    case = valleys.Case.random(np.random.default_rng(1), kind, limit, reach=False)
    plan = js.frontier(valleys.LAWS[kind].at(**case.numbers), [case.budget], limits=case.limits)
    scanned = counted(monkeypatch)
    ends, found = moved_both_ways(plan)
    assert sum(scanned) > 1  # the ring and the band have two sides
    none_is_worse(found, made_alone(ends))


def none_is_worse(found, alone):
    for one, other in zip(found, alone, strict=True):
        (row,), (best,) = one.rows, other.rows
        assert row.status == best.status
        if math.isfinite(best.loss):
            assert math.log(row.loss) <= math.log(best.loss) + 1e-9
