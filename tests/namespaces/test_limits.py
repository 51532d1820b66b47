"""Limits: how they are written, what each one means, and what a plan says of those that bind or contradict."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import BESIROGLU

from jaxscale import costs, limits
from jaxscale._base.errors import InputError
from jaxscale._planning.frontier import frontier

pytestmark = pytest.mark.slow  # every limit is a program to compile


def the_row(asked, budget=1e24, **options):
    (row,) = frontier(BESIROGLU, budget, limits=asked, **options).rows
    return row


# Limits beyond the bounds that every plan has: all in one plan and so in one program, where one at a time binds.
_RATIO = limits.Limit(
    lambda log_D, log_N, log_most: log_D - log_N - log_most, "ratio", {"most": 9.0}, "most", convex=True
)
BINDING = {
    "memory": (limits.memory(80e9, bytes_per_param=2), lambda row: row.N * 2 / 80e9),
    "days": (
        limits.days(30, 512, mfu=0.4),
        lambda row: 6 * row.N * row.D / (512 * 0.4 * 989e12 * 86400 * 30),
    ),
    "latency": (limits.latency(0.01), lambda row: row.N * 2 / 3.35e12 / 0.01),
    "serving_price": (
        limits.serving_price(0.05, mfu=0.4, price=2.0),
        lambda row: 2 * row.N * 1e6 / (0.4 * 989e12) / 3600 * 2 / 0.05,
    ),
    "ratio": (_RATIO, lambda row: row.D / row.N / 9),
}


def only(name):
    """All limits of `BINDING`, a million times as wide but for one."""
    return [
        limit
        if limit.name == name
        else replace(limit, values={k: v * 1e6 ** (k == limit.main) for k, v in limit.values.items()})
        for limit, _ in BINDING.values()
    ]


@pytest.mark.parametrize(
    ("asked", "name", "kept"),
    [
        ({"N_max": 1e10}, "N_max", lambda row: row.N / 1e10),
        ({"N_max": "10B"}, "N_max", lambda row: row.N / 1e10),
        ({"N_min": 2e11}, "N_min", lambda row: 2e11 / row.N),
        ({"D_max": 1e12}, "D_max", lambda row: row.D / 1e12),
        ({"D_min": 9e12}, "D_min", lambda row: 9e12 / row.D),
        ({"D_per_N": (None, 10)}, "D_per_N_max", lambda row: row.D / row.N / 10),
        ({"D_per_N": (100, None)}, "D_per_N_min", lambda row: 100 / (row.D / row.N)),
        (limits.Limit(lambda N: N / 3e10 - 1, name="mine"), "mine", lambda row: row.N / 3e10),
        *((only(name), name, kept) for name, (_, kept) in BINDING.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_limit_binds_just_where_it_says(asked, name, kept):
    row = the_row(asked)
    assert row.status == "ok"
    assert set(row.binding) - {"budget"} == {name}
    np.testing.assert_allclose(kept(row), 1, rtol=1e-9)
    assert row.loss > the_row(None).loss
    assert max(row.certificate[k] for k in ("kkt", "violation")) < 1e-9


def test_a_limit_that_does_not_bind_changes_nothing():
    free, kept = the_row(None), the_row({"N_max": 1e12, "D_per_N": (1, 1000)})
    np.testing.assert_allclose([kept.N, kept.D, kept.loss], [free.N, free.D, free.loss], rtol=1e-10)
    assert kept.binding == ("budget",)


def test_least_loss_at_a_given_size():
    row = the_row(None, fixed={"N": 8e9})
    np.testing.assert_allclose([row.N, row.D], [8e9, 1e24 / 6 / 8e9], rtol=1e-10)


def test_contradictions_are_named_and_minimal():
    row = the_row({"N_min": 1e11, "D_per_N": (500, None), "D_max": 1e15})
    assert row.status == "infeasible"
    assert row.conflict == ("budget", "N_min", "D_per_N_min")
    assert np.isnan(row.N)
    plan = frontier(BESIROGLU, 1e24, limits={"N_min": 1e11, "D_per_N": (500, None)})
    assert "the plan cannot keep to all limits" in str(plan)
    assert "budget, N_min, D_per_N_min" in str(plan)
    assert the_row({"N_min": 2e10, "N_max": 1e10}).conflict == ("N_max", "N_min")


def test_a_loss_below_the_floor_cannot_be_reached():
    plan = frontier(BESIROGLU, reach_loss=1.5)
    (row,) = plan.rows
    assert row.status == "infeasible"
    assert "1.5: by this law no model reaches a loss so low\n" in f"{plan}\n"
    assert row.conflict == ("reach_loss",)


def test_shadow_prices_against_planning_again():
    asked = {"N_max": 7e10}
    row = the_row(asked)
    step = 1e6  # parameters
    more, less = the_row({"N_max": 7e10 + step}), the_row({"N_max": 7e10 - step})
    per_billion = (more.loss - less.loss) / (2 * step) * 1e9
    np.testing.assert_allclose(row.shadow_price["N_max"].value, per_billion, rtol=1e-4)
    assert row.shadow_price["N_max"].unit == "nats per token per billion parameters"
    doubling = (the_row(asked, 1e24 * 1.0001).loss - the_row(asked, 1e24 / 1.0001).loss) / (2 * np.log2(1.0001))
    np.testing.assert_allclose(row.shadow_price["budget"].value, doubling, rtol=1e-6)
    # FLOPs of budget worth a billion parameters: give them back and the loss is the same.
    exchange = row.shadow_price["N_max in FLOPs"].value
    traded = the_row({"N_max": 7e10 + step}, 1e24 + exchange * step / 1e9)
    np.testing.assert_allclose(traded.loss, row.loss, rtol=1e-11)


def test_unique_tokens_have_a_price():
    plan = frontier(BESIROGLU, 1e24, limits={"U": 1e11})
    (row,) = plan.rows
    more, less = (frontier(BESIROGLU, 1e24, limits={"U": u}).rows[0] for u in (1.0001e11, 0.9999e11))
    np.testing.assert_allclose(row.shadow_price["U"].value, (more.loss - less.loss) / 2e7 * 1e12, rtol=1e-5)
    assert row.shadow_price["U"].unit == "nats per token per trillion tokens"
    np.testing.assert_allclose(row.variables["epochs"], row.D / 1e11, rtol=1e-9)
    assert set(plan.limits) == {"U"}


def test_dollars_to_reach_a_loss():
    money = costs.six_nd.dollars("h100", mfu=0.4, price=2.0)
    plan = frontier(BESIROGLU, reach_loss=[2.1, 2.0], cost=money, limits={"N_max": 2e10})
    for row in plan.rows:
        np.testing.assert_allclose(row.loss, row.reach_loss, rtol=1e-10)
        np.testing.assert_allclose(row.cost, 6 * row.N * row.D / (0.4 * 989e12) / 3600 * 2, rtol=1e-10)
        assert row.shadow_price["reach_loss"].value < 0
    assert plan.rows[1].shadow_price["N_max"].unit == "dollars per billion parameters"
    assert "cost (dollars)" in str(plan)


def test_a_law_that_falls_for_ever_with_a_size_that_costs_nothing():
    tokens = costs.CostModel("tokens", lambda log_D: log_D, unit="tokens", variables=("D",))
    (row,) = frontier(BESIROGLU, 1e12, cost=tokens).rows
    assert row.status in ("failed", "flat")
    assert row.note


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"speed": 3}, "there is no limit 'speed'; write N_max"),
        ({"N_max": "huge"}, "'huge' is not a number"),
        ({"N_max": float("nan")}, "N_max must be positive and finite"),
        ({"U": 0}, "U must be positive and finite"),
        ({"h1_max": 0}, "for next to nothing give a small number, such as 1e-4, for no limit leave it out"),
        ({"D_per_N": (1, 2, 3)}, "D_per_N takes a pair"),
        ([{"N_max": 1e9}, {"N_max": 1e10}], "two limits are called 'N_max'"),
        ([3], "limits are a mapping"),
        (limits.Limit(lambda N, heads: N - heads), "asks for 'heads'"),
    ],
)
def test_what_is_no_limit(asked, message):
    with pytest.raises(InputError, match=message):
        the_row(asked)


def test_a_limit_names_its_arguments():
    with pytest.raises(InputError, match="name the arguments"):
        limits.Limit(lambda *x: x)
    with pytest.raises(InputError, match="memory bandwidth of v100 is not known"):
        limits.latency(0.01, "v100")
