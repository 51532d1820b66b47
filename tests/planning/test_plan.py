"""What a plan says: its verdict first, frames, dictionaries and text."""

import json
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest
from sources import BESIROGLU, fit_like

from jaxscale import Huber
from jaxscale._planning.frontier import frontier
from jaxscale._planning.plan_row import QUANTITIES
from jaxscale._trust.matched import AtNoise

# --- points -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_how_the_estimate_at_the_noise_would_move_it():
    """Of a known fit, by the closed form: N = G (C / 6)^a."""
    params = dict(BESIROGLU.params) | {"A": 1.2 * BESIROGLU.params["A"]}
    plan = frontier(fit_like(at_noise=(AtNoise(Huber(0.006), params),)), [1e21, 1e24])
    move = 100 * (1.2 ** (1 / (params["alpha"] + params["beta"])) - 1)
    N, D = (f"{x:+.2g} %" for x in (move, 100 / (1 + move / 100) - 100))
    assert f"(Huber 0.006) instead, the plan moves: N by {N}, D by {D}" in " ".join(plan.notes)
    none = frontier(fit_like(at_noise=(AtNoise(Huber(0.006), params),)), 100)
    assert none.rows[0].status == "failed" and not any("moves" in note for note in none.notes)
    held = frontier(fit_like(at_noise=(AtNoise(Huber(0.006), params),)), [1e24], limits={"N_max": 3e9, "D_max": 1e12})
    assert "(Huber 0.006) instead, the plan moves: N by +0 %, D by +0 %" in " ".join(held.notes)


# --- what a row says --------------------------------------------------------------------------------------------------


def test_a_plan_says_first_that_its_fit_is_not_trustworthy():
    plan = frontier(fit_like(verdict=SimpleNamespace(trustworthy=False)), 1e24)
    assert str(plan).splitlines()[1] == "THE FIT BEHIND THIS PLAN IS NOT TRUSTWORTHY"
    assert plan.notes[0] == "The fit behind this plan is not trustworthy; see its verdict."
    assert "NOT TRUSTWORTHY" in repr(plan)
    sound = frontier(fit_like(verdict=SimpleNamespace(trustworthy=True)), 1e24)
    assert "trustworthy" not in str(sound).lower()
    (row,) = sound.rows
    assert repr(sound) == f"<Plan chinchilla, 1 row: N {row.N / 1e9:.4g}B and D {row.D / 1e12:.4g}T>"


def test_a_fit_not_to_be_trusted_is_named():
    source = fit_like(verdict=SimpleNamespace(trustworthy=False))
    assert "not trustworthy" in frontier(source, 1e24).notes[0]


def test_frame_dictionary_and_text():
    plan = frontier(fit_like(label="<b>mine</b>\x1b[31m"), [1e21, 1e24])
    frame = plan.to_frame()
    assert list(frame["budget"]) == [1e21, 1e24]
    for name in QUANTITIES:
        assert (frame[f"{name}_lo"] < frame[name]).all()
        assert (frame[f"{name}_hi"] > frame[name]).all()
    plain = plan.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["format"] == "jaxscale.plan/1"
    promised = ["budget", "status", "conflict", "N", "D", "loss", "tokens_per_param", "cost", "binding", "certificate"]
    promised += ["shadow_price", "intervals", "regret", "decades_beyond_data", "times_largest_run"]
    promised += ["variables", "reach_loss", "note", "drift"]
    assert list(plain["rows"][0]) == promised
    assert plain["rows"][1]["cost"]["FLOPs"] == pytest.approx(1e24)
    text = str(plan)
    assert "90 %" in text
    assert "delta method" in text
    assert "\x1b" not in text
    assert "<b>" not in plan._repr_html_()
    with pytest.raises(FrozenInstanceError):
        plan.level = 0.5  # pyright: ignore


# --- what is refused --------------------------------------------------------------------------------------------------


def test_tables_of_a_plan_that_cannot_be_say_why():
    plan = frontier(BESIROGLU, [1e20, 1e24], limits={"N_min": 1e9, "D_min": 1e13})
    text = str(plan.sensitivity())
    assert "1 of 2 budgets cannot keep to all limits" in text
    first, second = text.split("budget 1e24 FLOPs")
    assert "N_min" in first.split("budget 1e20 FLOPs")[1] and "alpha" not in first and "alpha" in second
