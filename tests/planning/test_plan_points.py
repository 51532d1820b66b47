"""What is drawn of many plans is what their rows say, and one batch finds it."""

from dataclasses import replace

import numpy as np
import pytest
from sources import draws_like, fit_like

import jaxscale as js
from jaxscale import costs
from jaxscale._allocation import answers, per_draw
from jaxscale._pages.plan_grid import DEMANDS, grid_of
from jaxscale._planning import plan_points
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan_points import points_of

SERVED = costs.six_nd.with_inference(tokens=2e12)


def served_by(request, *tokens):
    """The request, with as many tokens served as each of these."""
    return [replace(request, cost=request.cost.with_assumptions(inference_tokens=t)) for t in tokens]


def same_as_rows(requests):
    for request, points in zip(requests, points_of(requests), strict=True):
        for i, row in enumerate(make_plan(request).rows):
            for name, (value, *ends) in ((name, points[name][:, i]) for name in points):
                assert np.array_equal(value, getattr(row, name), equal_nan=True)
                assert np.array_equal(ends, row.intervals.get(name, (np.nan, np.nan)), equal_nan=True)


@pytest.mark.parametrize("source", [fit_like(), draws_like(20), fit_like(covariance=np.full((5, 5), np.nan))])
def test_points_of_many_plans_are_those_of_their_rows(source):
    """With a budget that cannot be spent within the limits, and one that leaves them slack."""
    limits = {"N_max": 7e10, "D_max": 3e12}
    asked = js.frontier(source, [1e20, 1e24, 1e30], cost=SERVED, limits=limits | {"N_min": 1e9}).request
    same_as_rows(served_by(asked, 1e11, 2e12))


def test_plans_of_several_sources_are_made_one_by_one():
    asked = js.frontier(fit_like(), [1e20, 1e24], cost=SERVED, limits={"N_max": 7e10, "D_max": 3e12, "N_min": 1e9})
    moved = replace(asked.request, source=asked.request.source.moved("alpha", 0.35))
    same_as_rows([asked.request, moved])


@pytest.mark.slow
def test_a_size_that_is_held_is_told_too():
    same_as_rows([js.frontier(fit_like(), [1e22], cost=SERVED, fixed={"N": 7e9}).request])


@pytest.mark.slow
def test_sliders_over_unique_tokens_within_a_size_are_planned_in_one_batch(monkeypatch):
    """Sixteen grids of budgets, of which some are hard: what was one program's work each time is asked for once."""
    request = js.frontier(fit_like(), [1e22], cost=SERVED, limits={"U": 2e11, "N_max": 5e9}).request
    asked, attempt = [], answers._attempt

    def noted(decision, givens, *more, **named):
        asked.append(len(givens))
        return attempt(decision, givens, *more, **named)

    monkeypatch.setattr(answers, "_attempt", noted)
    grid, _, bare = grid_of(request, 1e22)
    assert not bare
    assert [axis["count"] for axis in grid["axes"]] == [25, DEMANDS]
    assert len(asked) <= 10 and max(asked) == 25 * DEMANDS + 3 * 24
    once = [replace(request, targets=(10**x,)) for x in (21.0, 22.0, 23.0)]
    for one, j in zip(once, (8, 12, 16), strict=True):  # four nodes a decade, the plan's own demand in the middle
        (row,) = make_plan(one).rows
        assert np.exp(grid["values"]["N"][j][DEMANDS // 2]) == pytest.approx(row.N, rel=1e-7)
        assert grid["values"]["loss"][j][DEMANDS // 2] == pytest.approx(row.loss, rel=1e-7)
    drawn = replace(request, source=replace(request.source, draws=np.tile(request.source.theta, (1000, 1))))
    without, _, bare = grid_of(drawn, 1e22)  # of 400,000 plans of draws, minutes, none is made
    assert bare and set(without["values"]) == {"N", "D", "ratio", "loss"}
    assert without["values"]["N"] == grid["values"]["N"]


@pytest.mark.slow
def test_draws_over_unique_tokens_are_followed_from_the_plan_and_few_solved_afresh(monkeypatch):
    """Second route: the rows, whose draws are all solved afresh."""
    asked = js.frontier(draws_like(40), [1e21, 1e22, 1e23], limits={"U": 2e11}).request
    rows = make_plan(asked).rows
    afresh, solve = [], per_draw.solve_many

    def noted(decision, givens, *more):
        afresh.append(len(givens))
        return solve(decision, givens, *more)

    monkeypatch.setattr(per_draw, "solve_many", noted)
    (points,) = points_of([asked])
    assert sum(afresh) <= 0.1 * 3 * 40
    for i, row in enumerate(rows):
        for name in ("N", "D", "loss"):
            assert points[name][:, i] == pytest.approx([getattr(row, name), *row.intervals[name]], rel=1e-7)


@pytest.mark.slow
def test_plans_under_doubt_are_hedged_in_one_batch(monkeypatch):
    doubt = {"under": "draws", "minimise": "expected"}
    asked = js.frontier(draws_like(12), [1e20, 1e24], cost=SERVED, limits={"D_max": 3e12}, **doubt).request
    requests = served_by(asked, 1e11, 2e12)
    plans = [make_plan(request) for request in requests]
    batches, hedge = [], plan_points.hedge_plan

    def noted(request, doubt, posed, point, **named):
        batches.append(len(posed.wanted))
        return hedge(request, doubt, posed, point, **named)

    monkeypatch.setattr(plan_points, "hedge_plan", noted)
    found = points_of(requests)
    assert batches == [4]
    for plan, points in zip(plans, found, strict=True):
        for i, row in enumerate(plan.rows):
            for name in ("N", "D", "tokens_per_param"):
                assert points[name][0, i] == pytest.approx(getattr(row, name), rel=1e-7)
            assert points["loss"][:, i] == pytest.approx([row.loss, *row.intervals["loss"]], rel=1e-9)
