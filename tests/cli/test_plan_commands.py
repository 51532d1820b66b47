"""Planning from a shell: limits, losses to reach, what if."""

import json
from pathlib import Path

import pytest
from helpers import TRUTH

import jaxscale as js

NAMED = "chinchilla:besiroglu"


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
        (("what-if", NAMED, "--budget", "1e24"), "nothing was changed"),
        (("what-if", NAMED, "--budget", "1e24", "--set", "heads=3"), "rests on nothing called 'heads'"),
        (("what-if", NAMED, "--budget", "1e24", "--set", "beta=+1sigma"), "standard error of beta is not known"),
    ],
)
def test_what_cannot_be_asked(jaxscale, arguments, message):
    status, out, err = jaxscale(*arguments)
    assert (status, out) == (2, "")
    assert message in err
