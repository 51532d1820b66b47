"""Plans after a change: the plan that would be made afresh, what differs, and what cannot be changed."""

import json
import re
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import referencing
from sources import BESIROGLU, draws_like, fit_like

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._planning.changes import _new
from jaxscale._planning.frontier import frontier
from jaxscale._planning.tornado import tornado
from jaxscale._planning.what_if import what_if
from jaxscale.laws import chinchilla


@pytest.fixture(scope="module")
def plan():
    return frontier(fit_like(), [1e22, 1e24], cost=costs.six_nd.with_inference(tokens=2e12), limits={"N_max": 7e10})


def test_a_sigma_moves_theta_by_a_standard_error(plan):
    change = what_if(plan, set={"beta": "+1sigma", "A": "-2 sigma"})
    covariance = plan.request.source.covariance.matrix
    np.testing.assert_allclose(change.after.params["beta"], plan.params["beta"] + covariance[4, 4] ** 0.5)
    np.testing.assert_allclose(change.after.params["A"], plan.params["A"] * np.exp(-2 * covariance[0, 0] ** 0.5))
    frame = change.to_frame()
    assert list(frame["quantity"][:5]) == ["N", "D", "tokens_per_param", "loss", "cost"]
    np.testing.assert_allclose(frame["after"] - frame["before"], frame["difference"])
    assert np.isfinite(frame["first_order"]).all()


def test_a_sigma_is_the_standard_error_that_was_published():
    """Besiroglu et al. give .0154 for alpha and 124.52 for A, whose logarithm moves by 124.52 / 482.01."""
    plan = frontier(chinchilla.published["besiroglu"], 1e24)
    told = what_if(plan, set={"alpha": "+1sigma", "A": "-1sigma"}).to_frame()["after"]
    by_hand = what_if(plan, set={"alpha": 0.3478 + 0.0154, "A": 482.01 * np.exp(-124.52 / 482.01)}).to_frame()["after"]
    np.testing.assert_allclose(told, by_hand, rtol=1e-9)


def test_changes_give_the_plan_that_would_be_made_afresh(plan):
    changed = what_if(plan, cost=costs.six_nd, limits={"N_max": None, "D_max": 1e12}, budgets=[1e23, 1e25])
    afresh = frontier(fit_like(), [1e23, 1e25], limits={"D_max": 1e12})
    for mine, theirs in zip(changed.after.rows, afresh.rows, strict=True):
        np.testing.assert_allclose([mine.N, mine.D, mine.loss], [theirs.N, theirs.D, theirs.loss], rtol=1e-10)
    assert changed.first_order == ({}, {})  # another cost model is no change of a number
    assert set(changed.changes) == {"cost", "limits", "budgets"}


@pytest.mark.slow
def test_a_loss_to_reach_heads_its_rows():
    plan = frontier(BESIROGLU, reach_loss=[2.2, 2.1])
    printed = str(what_if(plan, limits={"N_max": 5e9, "D_max": 1e9}))
    assert "loss to reach" in printed and "budget" not in printed
    assert "2.1: the limits contradict each other" in printed
    assert "budget" not in str(plan)


def test_a_cost_that_stays_differs_by_nothing(plan):
    change = what_if(plan, set={"beta": "+1sigma"})
    assert [line.split()[-5:] for line in str(change).splitlines() if " cost " in line] == [
        ["1e22", "1e22", "0", "0", "ok"], ["1e24", "1e24", "0", "0", "ok"]
    ]  # fmt: skip
    assert repr(change).startswith("<WhatIf chinchilla, changed 'beta': <Plan chinchilla, 2 rows: N ")


@pytest.mark.parametrize(
    ("text", "after"),
    [("+1e23", 1.1e24), ("-1e23", 9e23), ("x1.1", 1.1e24), ("100 PF-days", 8.64e21), ("+100 PF-days", 1.00864e24)],
)
def test_a_budget_of_so_much_more(text, after):
    change = what_if(frontier(BESIROGLU, 1e24), set={"budget": text})
    assert change.rows[0][1].budget == pytest.approx(after, rel=1e-12)


def test_another_source():
    plan = frontier(BESIROGLU, 1e24)
    other = chinchilla.published["hoffmann_tex"]
    change = what_if(plan, source=other)
    assert change.after.rows[0].N == frontier(other, 1e24).rows[0].N
    # To first order in all five parameters at once: the direction is right, the size is far.
    assert change.first_order[0]["loss"] != plan.rows[0].loss


def test_draws_move_with_their_centre():
    plan = frontier(draws_like(200), 1e24)
    change = what_if(plan, set={"E": "x1.1"})
    before, after = plan.rows[0].intervals["N"], change.after.rows[0].intervals["N"]
    np.testing.assert_allclose(before, after, rtol=1e-9)  # E does not move the allocation
    assert change.after.rows[0].intervals["loss"][0] > plan.rows[0].intervals["loss"][0]


@pytest.mark.slow
def test_a_limit_that_comes_in_and_contradicts(plan):
    change = what_if(plan, limits={"N_min": 9e10})
    assert [new.status for _, new in change.rows] == ["infeasible", "infeasible"]
    assert "N_max, N_min" in str(change)


@pytest.mark.slow
def test_worth_of_repetition_can_be_changed():
    plan = frontier(BESIROGLU, 1e24, limits={"U": 2e11})
    change = what_if(plan, set={"R_D_star": "x1.0001"})
    (old, new), (foretold,) = change.rows[0], change.first_order
    assert new.loss < old.loss  # repetitions are worth more
    np.testing.assert_allclose(new.loss - old.loss, foretold["loss"] - old.loss, rtol=1e-3)
    table = tornado(plan, "loss").to_frame()
    assert {"R_D_star", "R_N_star", "U"} <= set(table["assumption"])


def test_sensitivity_is_sorted_by_what_matters(plan):
    table = plan.sensitivity().to_frame()
    assert {"inference_tokens", "N_max", "budget", "A"} <= set(table["parameter"])
    first = table[table["budget"] == 1e22]
    # One per cent more tokens to serve: compare with planning again.
    slope = first.set_index("parameter").loc["inference_tokens", "N"]
    up, down = (what_if(plan, set={"inference_tokens": f"x{1 + e}"}).after.rows[0].N for e in (1e-4, -1e-4))
    np.testing.assert_allclose(slope, np.log(up / down) / 2e-4, rtol=1e-5)


def test_written_as_the_schema_says(plan):
    schemas = [
        json.loads((files("jaxscale") / "schemas" / f"{name}.json").read_text("utf-8"))
        for name in ("what_if", "plan", "fit")
    ]
    registry = referencing.Registry().with_resources(
        [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas]
    )
    check = jsonschema.Draft202012Validator(schemas[0], registry=registry)
    for change in (what_if(plan, set={"beta": "+1sigma"}), what_if(plan, limits={"N_min": 9e10})):
        document = json.loads(json.dumps(change.to_dict(), allow_nan=False))
        check.validate(document)
        with pytest.raises(jsonschema.ValidationError):
            check.validate(document | {"rows": []})
    jsonschema.Draft202012Validator(schemas[1], registry=registry).validate(plan.to_dict())
    assert "<" not in str(what_if(plan, set={"beta": "+1sigma"})._repr_html_().split("<style>")[0].replace("<div", ""))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing was changed"),
        ({"set": {"heads": 3}}, "rests on nothing called 'heads'"),
        ({"set": {"N_max": "+1sigma"}}, "N_max is no fitted parameter"),
        ({"set": {"N_max": -1}}, "N_max must be positive"),
        ({"set": {"beta": "soon"}}, "set beta: give a number, .*'soon' is not a number"),
        *[({"set": {"beta": x}}, "set beta: give a number, text such as") for x in (None, [1], True, 1j, np.nan)],
        *[({"set": {"beta": x}}, re.escape(f"'{x}' is not a number")) for x in ("x1.2.3", "+.sigma", "", "x", "10%")],
        ({"set": {"beta": "+1e400sigma"}}, "beyond the largest number"),
        ({"set": {"A": "x1e400"}}, "beyond the largest number"),
        ({"set": [("beta", 1)]}, "set takes names and values"),
        ({"budgets": 1e24}, "the plan has 2 rows"),
        ({"cost": "seven_nd"}, "no cost model 'seven_nd'"),
        ({"limits": {"speed": 1}}, "no limit 'speed'"),
    ],
)
def test_what_cannot_be_changed(plan, options, message):
    with pytest.raises(InputError, match=message):
        what_if(plan, **options)


def test_steps_too_far_for_float64_are_foretold_without_a_number(plan):
    found = what_if(plan, set={"beta": "1e5sigma"}).to_frame()
    assert len(found) == 10 and not np.isfinite(found["first_order"]).all()


@pytest.mark.parametrize(
    ("value", "old", "signed", "new"),
    [("3", 2.0, False, 3.0), ("+1", 2.0, False, 3.0), ("-0.5", 2.0, False, 1.5), ("-0.5", 2.0, True, -0.5),
     ("+0.1", -0.3, True, -0.2), ("x1.5", 2.0, False, 3.0), (4, 2.0, False, 4.0)],
)  # fmt: skip
def test_a_change_is_a_value_a_factor_or_so_much_more(value, old, signed, new):
    assert _new("price", value, old, signed=signed) == pytest.approx(new, rel=1e-15)
