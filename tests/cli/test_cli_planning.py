"""Planning from a shell: limits, losses to reach, what if, known models."""

import json
from pathlib import Path

import pytest

import jaxscale as js
from jaxscale._cli import printing

BESIROGLU = "chinchilla:besiroglu"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A fresh folder to work in, a wide terminal, and no word of progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(printing, "_SLOW", 600)
    return tmp_path


def test_limits_bind_and_have_prices(jaxscale):
    flags = ("--limit", "D_per_N_min=40", "--max-params", "100B")
    status, out, _ = jaxscale("frontier", BESIROGLU, "--budget", "1e24", *flags)
    assert status == 0
    assert "budget, D_per_N_min" in out
    assert "nats per token per doubling of the budget" in out
    status, out, _ = jaxscale("frontier", BESIROGLU, "--budget", "1e24", *flags, "--json")
    (row,) = json.loads(out)["rows"]
    (expected,) = js.frontier(js.laws.instance(BESIROGLU), 1e24, limits={"D_per_N": (40, None), "N_max": 1e11}).rows
    assert (row["N"], row["D"]) == (expected.N, expected.D)


@pytest.mark.slow
def test_the_cheapest_model_that_reaches_a_loss(jaxscale):
    status, out, _ = jaxscale("frontier", BESIROGLU, "--reach-loss", "2.0", "--inference-tokens", "2T", "--json")
    (row,) = json.loads(out)["rows"]
    assert status == 0
    assert row["reach_loss"] == 2
    assert row["loss"] == pytest.approx(2, rel=1e-9)
    assert row["cost"]["FLOPs"] == pytest.approx(6 * row["N"] * row["D"] + 2 * row["N"] * 2e12, rel=1e-9)


def test_what_if_by_flags_and_by_set(jaxscale):
    status, out, _ = jaxscale("what-if", BESIROGLU, "--budget", "1e24", "--max-tokens", "1T", "-o", "change.json")
    assert (status, out) == (0, "")
    written = json.loads(Path("change.json").read_text())
    assert written["format"] == "jaxscale.what_if/1"
    assert written["rows"][0]["before"]["D"] > 1e12
    assert written["rows"][0]["after"]["D"] == pytest.approx(1e12)
    status, out, _ = jaxscale("what-if", BESIROGLU, "--budget", "1e24", "--max-tokens", "1T", "--set", "D_max=x1.1")
    assert status == 0
    assert "D_max: x1.1" in out
    assert "to first order" in out


def test_known_models(jaxscale):
    status, out, _ = jaxscale("models")
    assert status == 0
    assert "GPT-3" in out
    assert "at its compute" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frontier", BESIROGLU), "give --budget or --reach-loss"),
        (("frontier", BESIROGLU, "--budget", "1e24", "--reach-loss", "2"), "one of the two"),
        (("frontier", BESIROGLU, "--budget", "1e24", "--limit", "speed=3"), "there is no limit 'speed'"),
        (("frontier", BESIROGLU, "--budget", "1e24", "--limit", "N_max"), "--limit takes NAME=VALUE"),
        (
            ("frontier", BESIROGLU, "--budget", "1e24", "--limit", "N_max=1B", "--max-params", "2B"),
            "say the same; give one of them",
        ),
        (("frontier", BESIROGLU, "--budget", "1e24", "--inference-tokens", "many"), "'many' is not a number"),
        (("what-if", BESIROGLU, "--budget", "1e24"), "nothing was changed"),
        (("what-if", BESIROGLU, "--budget", "1e24", "--set", "heads=3"), "rests on nothing called 'heads'"),
        (("what-if", BESIROGLU, "--budget", "1e24", "--set", "beta=+1sigma"), "standard error of beta is not known"),
        (("models", "kaplan_n:kaplan"), "by a law of N and D"),
    ],
)
def test_what_cannot_be_asked(jaxscale, arguments, message):
    status, out, err = jaxscale(*arguments)
    assert (status, out) == (2, "")
    assert message in err
