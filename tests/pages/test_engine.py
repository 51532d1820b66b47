"""The page's planner says what `frontier` says, to every digit that is shown and many more."""

from types import SimpleNamespace

import numpy as np
import pytest
from engines import answered, state_of

import jaxscale as js
from jaxscale._pages.sliders import sliders_of

CHINCHILLA = js.laws.chinchilla
QUANTITIES = {"N": "N", "D": "D", "loss": "loss", "ratio": "tokens_per_param"}


def same(answer: dict, row, rtol: float = 1e-6, bands: bool = True) -> None:
    assert (answer["status"] == "ok") == (row.status == "ok"), (answer, row)
    if row.status != "ok":
        return
    for name, theirs in QUANTITIES.items():
        assert answer[name] == pytest.approx(getattr(row, theirs), rel=rtol)
        if bands and name in row.intervals:
            assert answer["bands"][name] == pytest.approx(row.intervals[theirs], rel=rtol)


@pytest.mark.slow
def test_500_random_states_are_planned_as_frontier_plans_them():
    """Constants, budgets, demand and six limits, so that some contradict: second route, the certified optimum."""
    rng = np.random.default_rng(7)
    plans, cases = [], []
    for _ in range(100):
        theta = rng.uniform([4, 5, -0.5, 0.25, 0.25], [8, 9, 1, 0.5, 0.5])
        source = CHINCHILLA.at(
            **CHINCHILLA.natural(theta), standard_errors={"A": 9.0, "B": 20.0, "E": 0.02, "alpha": 0.01, "beta": 0.02}
        )
        budgets = 10 ** rng.uniform(18, 27, 5)
        middle = np.sqrt(np.median(budgets) / 6)
        width = 10 ** rng.uniform(0.3, 4)
        limits = {
            "N_max": middle * width,
            "N_min": middle / width,
            "D_max": middle * width * 9,
            "D_min": middle / width,
        }
        limits |= {"D_per_N": (10 ** rng.uniform(-3, 1), 10 ** rng.uniform(1.5, 5))}
        if rng.random() < 0.4:  # as if there were none
            limits |= {"N_max": 1e30, "N_min": 1e-3, "D_min": 1e-3}
        cost = js.costs.six_nd.with_inference(10 ** rng.uniform(2, 14))
        plan = js.frontier(source, budgets, cost=cost, limits=limits)
        model = sliders_of(plan, plan.rows[0]).model
        assert model is not None and model["kind"] == "powers"
        cases.append({"model": model, "states": [state_of(model, budget=row.budget) for row in plan.rows]})
        plans.append(plan)
    counts = {"ok": 0, "infeasible": 0}
    for answers, plan in zip(answered(cases), plans, strict=True):
        for answer, row in zip(answers, plan.rows, strict=True):
            same(answer, row)
            counts[row.status] += 1
    assert sum(counts.values()) == 500
    assert min(counts.values()) > 50


@pytest.mark.slow
def test_bands_from_draws_caps_and_moved_exponents_are_those_of_frontier():
    params = CHINCHILLA.published["besiroglu"].params
    theta = CHINCHILLA.theta(params)
    rng = np.random.default_rng(3)
    half = np.diag([0.05, 0.08, 0.01, 0.01, 0.015]) + 0.02 * rng.standard_normal((5, 5))
    draws = theta + rng.standard_normal((200, 5)) @ (0.3 * half)
    source = SimpleNamespace(law=CHINCHILLA, params=params, draws=draws, level=0.8)
    cost = js.costs.six_nd.with_inference(2e12)
    plan = js.frontier(source, [1e22, 1e24], cost=cost, limits={"D_max": 3e12})
    model = sliders_of(plan, plan.rows[1]).model
    assert model is not None and model["draws"] is not None
    # A slider of an exponent moves each draw along the covariance of all: here done by hand.
    j, covariance = 4, np.cov(draws.T)
    beta = theta[j] + 1.5 * np.sqrt(covariance[j, j])
    moved = [x + covariance[:, j] / covariance[j, j] * (beta - x[j]) for x in (theta, *draws)]
    other = SimpleNamespace(law=CHINCHILLA, params=CHINCHILLA.natural(moved[0]), draws=np.array(moved[1:]), level=0.8)
    after = js.frontier(other, [1e24], cost=cost, limits={"D_max": 3e12})
    capped = js.frontier(source, [1e24], cost=cost.with_assumptions(inference_tokens=3e13), limits={"D_max": 4e11})
    states = [
        state_of(model, budget=1e22),
        state_of(model),
        state_of(model, sigmas=1.5),
        state_of(model, served=3e13, cap=4e11),
    ]
    (answers,) = answered([{"model": model, "states": states}])
    for answer, row in zip(answers, (*plan.rows, *after.rows, *capped.rows), strict=True):
        same(answer, row)
    assert answers[3]["binding"] == ["budget", "D_max"]


@pytest.mark.slow
def test_money_and_laws_of_other_names_and_shapes():
    """A price doubled is a budget halved; a law of one's own is known by its values; others go by the grid."""
    mine = js.Law.from_loss(lambda floor, a, p, b, q, *, N, D: floor + b * D**-q + a * N**-p)
    params = CHINCHILLA.published["besiroglu"].params
    named = dict(zip(("floor", "a", "p", "b", "q"), (params[k] for k in ("E", "A", "alpha", "B", "beta")), strict=True))
    dollars = js.costs.get("dollars:h100,mfu=.4,price=2", inference_tokens=1e12)
    plan = js.frontier(mine.at(**named), [1e6, 5e5], cost=dollars)
    model = sliders_of(plan, plan.rows[0]).model
    skaling = js.laws.skaling.at(A=80.0, B=300.0, E=1.6, alpha=0.3, beta=0.32, k=1.1)
    served = js.costs.six_nd.with_inference(1e12)  # without demand this law's plans are powers, and no test
    other = js.frontier(skaling, np.geomspace(2e22, 7e25, 5), cost=served)
    grid = sliders_of(other, other.rows[2])
    assert model is not None and model["kind"] == "powers" and model["draws"] is None
    assert grid.model is not None and grid.model["kind"] == "grid"
    cases = [
        {"model": model, "states": [state_of(model), state_of(model, price=4.0)]},
        {"model": grid.model, "states": [state_of(grid.model, budget=row.budget) for row in other.rows]},
    ]
    exact, between = answered(cases)
    for answer, row in zip(exact, plan.rows, strict=True):
        same(answer, row)
    off = max(abs(a[q] / getattr(row, q) - 1) for a, row in zip(between, other.rows, strict=True) for q in ("N", "D"))
    stated = float(grid.note.split("by ")[1].split(" %")[0]) / 100
    assert 1e-7 < off < 1.5 * stated < 3e-3
