"""Planning from a shell: limits, losses to reach, what if."""

import json
from pathlib import Path

import pytest
from helpers import TRUTH

import jaxscale as js

NAMED = "chinchilla:besiroglu"
ROUNDED = "chinchilla:hoffmann_rounded"  # without standard errors


def test_frontier_is_the_closed_form(jaxscale, folder):
    """Under C = 6 N D the best N is G (C/6)^(beta/(alpha+beta)), G = (alpha A / (beta B))^(1/(alpha+beta))."""
    p = TRUTH
    total = p["alpha"] + p["beta"]
    best = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total) * (1e24 / 6) ** (p["beta"] / total)
    status, out, err = jaxscale(
        "frontier", "chinchilla:besiroglu", "--budget", "1e21", "--budget", "1e24", "-o", "plan.json"
    )
    assert (status, out) == (0, "")
    assert err == "wrote 'plan.json'\n"
    rows = json.loads((folder / "plan.json").read_text())["rows"]
    assert [row["budget"] for row in rows] == [1e21, 1e24]
    assert rows[1]["N"] == pytest.approx(best, rel=1e-10)
    assert rows[1]["D"] == pytest.approx(1e24 / 6 / best, rel=1e-10)


def test_a_file_of_draws_is_planned_with_but_not_predicted_with(jaxscale, folder):
    result = js.fit("chinchilla", str(folder / "runs.csv"), intervals=None)
    js.bootstrap(result, draws=20).save(folder / "draws.json")
    status, out, _ = jaxscale("frontier", "draws.json", "--budget", "1e21", "--json")
    assert (status, json.loads(out)["method"]) == (0, "percentiles of 20 draws")
    status, out, err = jaxscale("predict", "draws.json", "-N", "1B", "-D", "20B")
    assert (status, out) == (2, "")
    assert "draws" in err


def test_limits_bind_and_have_prices(jaxscale):
    flags = ("--limit", "D_per_N_min=40", "--max-params", "100B")
    status, out, _ = jaxscale("frontier", NAMED, "--budget", "1e24", *flags)
    assert status == 0
    assert "budget, D_per_N_min" in out
    assert "nats per token per doubling of the budget" in out
    status, out, _ = jaxscale("frontier", NAMED, "--budget", "1e24", *flags, "--json")
    (row,) = json.loads(out)["rows"]
    (expected,) = js.frontier(js.laws.instance(NAMED), 1e24, limits={"D_per_N": (40, None), "N_max": 1e11}).rows
    assert (row["N"], row["D"]) == (expected.N, expected.D)


def test_budgets_and_costs_in_words_are_those_of_python(jaxscale):
    asked = ("--budget", "512 x H100 x 45 days", "--cost", "dollars:h100,mfu=.4,price=2")
    status, out, _ = jaxscale("what-if", NAMED, *asked, "--set", "budget=+512 x H100 x 1 week", "--json")
    (row,) = json.loads(out)["rows"]
    cost = js.costs.six_nd.dollars("h100", mfu=0.4, price=2)
    before, after = js.frontier(js.laws.instance(NAMED), [512 * 45 * 48, 512 * 52 * 48], cost=cost).rows
    assert status == 0 and row["before"]["cost"] == {"dollars": before.cost}
    assert (row["before"]["N"], row["after"]["N"]) == (before.N, after.N)
    text = jaxscale("frontier", NAMED, *asked)[1]
    assert "1.106M" in text and "The cost assumes mfu 0.4, peak 989T, price 2." in text


@pytest.mark.slow
def test_the_plan_says_how_much_of_the_budget_serving_takes(jaxscale):
    asked = ("--inference-tokens", "5T", "--limit", "memory=80 GB at bf16", "--limit", "days=20 on 512 x H100 @ 40%")
    status, out, _ = jaxscale("frontier", NAMED, "--budget", "512 x H100 x 45 days @ 40%", *asked, "--json")
    plan = json.loads(out)
    (row,) = plan["rows"]
    served = 2 * row["N"] * 5e12 / row["cost"]["FLOPs"]
    assert status == 0 and f"Serving takes {100 * served:.3g} % of the cost." in plan["notes"]
    assert plan["limits"] == {"memory": 80e9, "days": 20}
    assert 6 * row["N"] * row["D"] <= 512 * 0.4 * 989e12 * 86400 * 20 * (1 + 1e-9) and row["N"] <= 40e9 * (1 + 1e-9)


@pytest.mark.slow
def test_the_cheapest_model_that_reaches_a_loss(jaxscale):
    status, out, _ = jaxscale("frontier", NAMED, "--reach-loss", "2.0", "--inference-tokens", "2T", "--json")
    (row,) = json.loads(out)["rows"]
    assert status == 0
    assert row["reach_loss"] == 2
    assert row["loss"] == pytest.approx(2, rel=1e-9)
    assert row["cost"]["FLOPs"] == pytest.approx(6 * row["N"] * row["D"] + 2 * row["N"] * 2e12, rel=1e-9)


def test_what_if_by_flags_and_by_set(jaxscale):
    status, out, _ = jaxscale("what-if", NAMED, "--budget", "1e24", "--max-tokens", "1T", "-o", "change.json")
    assert (status, out) == (0, "")
    written = json.loads(Path("change.json").read_text())
    assert written["format"] == "jaxscale.what_if/1"
    assert written["rows"][0]["before"]["D"] > 1e12
    assert written["rows"][0]["after"]["D"] == pytest.approx(1e12)
    status, out, _ = jaxscale("what-if", NAMED, "--budget", "1e24", "--max-tokens", "1T", "--set", "D_max=x1.1")
    assert status == 0
    assert "D_max: x1.1" in out
    assert "to first order" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frontier", NAMED), "give --budget or --reach"),
        (("frontier", NAMED, "--budget", "1e24", "--reach-loss", "2"), "one of the two"),
        (("frontier", NAMED, "--budget", "1e24", "--limit", "speed=3"), "there is no limit 'speed'"),
        (("frontier", NAMED, "--budget", "1e24", "--limit", "N_max"), "--limit takes NAME=VALUE"),
        (
            ("frontier", NAMED, "--budget", "1e24", "--limit", "N_max=1B", "--max-params", "2B"),
            "say the same; give one of them",
        ),
        (("frontier", NAMED, "--budget", "1e24", "--inference-tokens", "many"), "'many' is not a number"),
        (("frontier", NAMED, "--budget", "$2M"), "--budget: '$2M' is in dollars, but cost six_nd is in FLOPs"),
        (("frontier", NAMED, "--budget", "1e21,1e24"), "repeat the option: --budget 1e21 --budget 1e24"),
        (("frontier", NAMED, "--budget", "$2M", "--cost", "dollars:h100"), "--cost: dollars needs price"),
        (("frontier", NAMED, "--budget", "1e24", "--limit", "memory=much"), "--limit: memory: 'much' cannot be read"),
        (("what-if", NAMED, "--budget", "1e24"), "nothing was changed"),
        (("what-if", NAMED, "--budget", "1e24", "--set", "heads=3"), "rests on nothing called 'heads'"),
        (("what-if", ROUNDED, "--budget", "1e24", "--set", "beta=+1sigma"), "standard error of beta is not known"),
    ],
)
def test_what_cannot_be_asked(jaxscale, arguments, message):
    status, out, err = jaxscale(*arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_allocate_is_what_python_allocates(jaxscale):
    status, out, _ = jaxscale(
        "allocate", "chinchilla", "--at", CONSTANTS, "--budget", "1e21", "--budget", "1e24", "--json"
    )
    law = js.laws.chinchilla.at(**{name: float(value) for name, value in (x.split("=") for x in CONSTANTS.split(","))})
    expected = [js.allocate(law.law, law.params, js.costs.six_nd, budget) for budget in (1e21, 1e24)]
    rows = json.loads(out)["rows"]
    assert status == 0 and [(row["N"], row["D"]) for row in rows] == [(float(x.N), float(x.D)) for x in expected]
    text = jaxscale("allocate", "chinchilla", "--at", CONSTANTS, "--budget", "1e24")[1]
    assert f"{rows[1]['N'] / 1e9:.2f}B" in text and "cost six_nd in FLOPs" in text


CONSTANTS = "E=1.8172,A=482.01,B=2085.43,alpha=0.3478,beta=0.3658"


def test_constants_of_ones_own_go_where_published_ones_go(jaxscale):
    shipped = jaxscale("frontier", NAMED, "--budget", "1e24", "--json")
    own = jaxscale("frontier", "chinchilla", "--at", CONSTANTS, "--budget", "1e24", "--json")
    apart = [part for pair in CONSTANTS.split(",") for part in ("--at", pair)]
    again = jaxscale("frontier", "chinchilla", *apart, "--budget", "1e24", "--json")
    assert own[0] == 0 and own[1] == again[1]
    assert json.loads(own[1])["rows"][0]["N"] == json.loads(shipped[1])["rows"][0]["N"]
    models = [jaxscale("models", NAMED)[1], jaxscale("models", "chinchilla", "--at", CONSTANTS)[1]]
    assert models[0].replace(NAMED, "chinchilla:own") == models[1]


def test_errors_of_ones_own_constants_give_intervals(jaxscale):
    status, out, _ = jaxscale(
        "frontier", "chinchilla", "--at", CONSTANTS.replace("1.8172", "1.8172+-0.03"), "--budget", "1e24", "--json"
    )
    (row,) = json.loads(out)["rows"]
    assert status == 0
    low, high = row["intervals"]["loss"]
    # E alone is in doubt: the loss moves by as much as E does.
    assert (high - low) / 2 == pytest.approx(1.6448536 * 0.03, rel=1e-3)
    doubted = CONSTANTS.replace(",A", "±0.03,A")
    status, out, _ = jaxscale("predict", "chinchilla", "--at", doubted, "-N", "70B", "-D", "1T", "--json")
    (one,) = json.loads(out)["rows"]
    assert status == 0 and (one["interval"][1] - one["interval"][0]) / 2 == pytest.approx(1.6448536 * 0.03, rel=1e-3)


@pytest.mark.slow
def test_accuracies_are_reached_by_either_name_of_the_flag(jaxscale):
    constants = "E=0.4,A=8,B=20,alpha=.2,beta=.25,chance=.25,ceiling=.9,k=4,x_0=.8"
    outputs = [
        jaxscale("frontier", "bhagia_two_step", "--at", constants, flag, "0.6", "--json")
        for flag in ("--reach", "--reach-loss")
    ]
    assert outputs[0] == outputs[1] and outputs[0][0] == 0
    (row,) = json.loads(outputs[0][1])["rows"]
    assert row["status"] == "ok" and row["loss"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chinchilla", "--at", "E=1.9"), "misses parameter A, B, alpha, beta"),
        (("chinchilla", "--at", CONSTANTS + ",gamma=1"), "has no parameter gamma"),
        (("chinchilla", "--at", "E"), "--at"),
        (("chinchilla", "--at", CONSTANTS.replace("1.8172", "much")), "--at E"),
        ((NAMED, "--at", CONSTANTS), "is not the name of one; give a law such as chinchilla"),
    ],
)
def test_what_are_no_constants_of_ones_own(jaxscale, arguments, message):
    status, out, err = jaxscale("frontier", *arguments, "--budget", "1e24")
    assert (status, out) == (2, "") and message in err


@pytest.mark.slow
def test_plans_over_several_laws_are_those_of_python(jaxscale):
    names, weights = ("chinchilla:besiroglu", "chinchilla:hoffmann_tex"), (0.6, 0.4)
    words = [word for name, w in zip(names, weights, strict=True) for word in ("--under", f"{name}={w}")]
    status, out, _ = jaxscale("frontier", NAMED, "--budget", "1e24", *words, "--json")
    laws = [js.laws.instance(name) for name in names]
    expected = js.frontier(laws[0], 1e24, under=laws, weights=weights)
    assert status == 0 and json.loads(out)["doubt"] == expected.to_dict()["doubt"]
    assert json.loads(out)["rows"][0]["N"] == expected.rows[0].N
    status, _, err = jaxscale("frontier", NAMED, "--budget", "1e24", "--under", "all")
    assert status == 2 and "--under takes laws, draws, or FIT=WEIGHT" in err
    status, _, err = jaxscale("frontier", NAMED, "--budget", "1e24", "--minimise", "regret")
    assert status == 2 and "of a plan over a doubt" in err
