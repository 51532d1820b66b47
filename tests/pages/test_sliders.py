"""What the page computes with: which laws it plans with exactly, and costs and limits in its terms."""

import math

import numpy as np
import pytest

import jaxscale as js
from jaxscale import costs
from jaxscale._pages.plan_grid import cubic
from jaxscale._pages.powers import roles_of
from jaxscale._pages.sliders import sliders_of
from jaxscale._pages.spending import bounds_of, named, spending_of, words_of
from jaxscale.limits import read_limits

FLOPS_OF_A_DOLLAR = 0.4 * 989e12 * 3600 / 2  # of an H100 at 40 % of its peak and $2 an hour


def test_sums_of_two_powers_are_known_by_their_values():
    chinchilla = js.laws.chinchilla
    theta = chinchilla.theta(chinchilla.published["besiroglu"].params)
    assert roles_of(chinchilla, theta) == {"E": 2, "A": 0, "alpha": 3, "B": 1, "beta": 4}
    tied = js.Law.from_loss(lambda a, b, p, *, N, D: b * D**-p + a * N**-p)
    assert roles_of(tied, tied.theta({"a": 300.0, "b": 900.0, "p": 0.3})) == {
        "E": None, "A": 0, "alpha": 2, "B": 1, "beta": 2
    }  # fmt: skip
    kaplan = js.laws.kaplan_nd
    assert roles_of(kaplan, kaplan.theta({"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.095})) is None


@pytest.mark.parametrize(
    ("text", "tokens", "product", "per_token", "price"),
    [
        ("six_nd", None, 6.0, 2.0, None),
        ("six_nd", 2e13, 6.0, 2.0, None),
        ("moe:active=.1", None, 0.6, 2.0, None),
        ("dollars:h100,mfu=.4,price=2", 5e12, 6 / FLOPS_OF_A_DOLLAR, 2 / FLOPS_OF_A_DOLLAR, 2.0),
        ("gpu_hours:h100,mfu=.4", None, 3 / FLOPS_OF_A_DOLLAR, 1 / FLOPS_OF_A_DOLLAR, None),
    ],
)
def test_costs_are_read_as_products_and_written_as_text(text, tokens, product, per_token, price):
    """Second route: the factors by hand."""
    cost = costs.get(text, inference_tokens=tokens)
    found = spending_of(cost)
    assert found is not None
    assert (found.product, found.per_token) == pytest.approx((product, per_token), rel=1e-9, abs=0)
    assert (found.served, found.tokens, found.price) == (0.0, tokens, price)
    words = words_of(cost)
    assert words is not None and words[1] == tokens
    again = costs.get(words[0], inference_tokens=words[1])
    assert (again.name, again.unit, dict(again.assumptions)) == (cost.name, cost.unit, dict(cost.assumptions))
    assert named(cost.name, cost.unit, {**cost.assumptions, "other": 1.0}) is None


def test_a_cost_that_is_no_such_product_is_none():
    assert spending_of(costs.kaplan_ctx()) is None
    assert spending_of(costs.CostModel("odd", lambda log_N, log_D: 1.1 * log_N + log_D)) is None


def test_limits_are_read_as_bounds_and_the_tightest_counts():
    limits, _ = read_limits([{"N_max": 1e12, "D_per_N": (2, 40), "D_min": 1e9}, js.limits.memory(8e10, 2)])
    found = bounds_of(limits)
    assert found is not None
    assert {kind: bound["name"] for kind, bound in found.items()} == {
        "N_max": "memory", "ratio_min": "D_per_N_min", "ratio_max": "D_per_N_max", "D_min": "D_min"
    }  # fmt: skip
    values = [found[kind]["value"] for kind in ("N_max", "ratio_min", "ratio_max", "D_min")]
    assert values == pytest.approx([4e10, 2, 40, 1e9], rel=1e-12)
    assert bounds_of([js.limits.days(30, devices=1024)]) is None  # of N D together
    assert bounds_of([js.Limit(lambda N, D: D / N - 400, name="ratio")]) is None  # not linear in logs


def test_between_nodes_a_parabola_is_met_exactly_and_a_smooth_curve_nearly():
    x, places = np.arange(9.0), np.linspace(0, 8, 33)
    values = np.stack([2 - x + 0.3 * x**2, np.exp(0.1 * x)], axis=1)
    found = cubic(values, places)
    assert found[:, 0] == pytest.approx(2 - places + 0.3 * places**2, abs=1e-12)
    assert found[:, 1] == pytest.approx(np.exp(0.1 * places), rel=2e-4)


def test_each_slider_begins_at_the_plan(plan):
    row = plan.rows[1]
    model = sliders_of(plan, row).model
    assert model is not None
    by_id = {c["id"]: c for c in model["controls"]}
    assert list(by_id) == ["budget", "served", "cap", "price", "sigmas"]
    assert by_id["budget"]["base"] == row.budget
    assert all(c["low"] <= 0 <= c["high"] for c in model["controls"])
    assert by_id["served"]["none"] == by_id["cap"]["none"] == 0
    assert model["bill"]["per_hour"] == pytest.approx(FLOPS_OF_A_DOLLAR * 2)
    assert math.isclose(model["normal"], 1.6448536269514722)


@pytest.mark.slow
def test_sliders_of_a_plan_under_doubt_stand_between_hedged_plans_and_begin_at_its_own():
    """They planned at the point estimate, here the first of two laws whose best sizes lie far apart."""
    first = js.laws.chinchilla.published["besiroglu"]
    under = [first, js.laws.chinchilla.at(**{**first.params, "alpha": 0.42, "beta": 0.33})]
    plan = js.frontier(first, [1e22], under=under, weights=[1, 1])
    model = sliders_of(plan, plan.rows[0]).model
    assert model is not None and model["kind"] == "grid"
    middle = len(model["grid"]["values"]["N"]) // 2
    assert np.exp(np.ravel(model["grid"]["values"]["N"][middle])[0]) == pytest.approx(plan.rows[0].N, rel=1e-6)
    alone = js.frontier(first, [1e22]).rows[0]
    assert abs(np.log(plan.rows[0].N / alone.N)) > 0.05
    unique = js.frontier(first, [1e22], under=under, weights=[1, 1], limits={"U": 2e11})
    none = sliders_of(unique, unique.rows[0])
    assert none.model is None and "unique tokens" in none.note
