"""Runs from a known truth are what they say they are, and the embedded demo table is the generator's own."""

import jax
import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale import synthetic

TRUTH = synthetic.demo_truth()


@pytest.mark.parametrize("x64", [False, True])
def test_the_demo_table_is_the_generators(x64):
    with jax.enable_x64(x64):
        made = synthetic.make_demo_frame()
    pd.testing.assert_frame_equal(synthetic.demo_frame(), made, check_exact=True)


def test_the_demo_runs_are_the_table():
    runs, frame = synthetic.demo_runs(), synthetic.demo_frame()
    assert runs.count == 54 and runs.response_name == "loss"
    np.testing.assert_array_equal(runs.variables["N"], frame["params"])
    np.testing.assert_array_equal(runs.variables["D"], frame["tokens"])
    np.testing.assert_array_equal(runs.response, frame["loss"])
    assert runs.record.notes == ()


def test_a_sweep_spends_its_budgets_around_the_optimum():
    budgets = np.geomspace(1e18, 1e22, 5)
    N, D = synthetic.isoflop_design(budgets, 7, spread=4.0)
    np.testing.assert_allclose(6 * N * D, np.repeat(budgets, 7), rtol=1e-12)
    p = TRUTH.params  # closed form of Hoffmann et al. 2022, Eq. 4
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    best = G * (budgets / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    np.testing.assert_allclose(N.reshape(5, 7)[:, 3], best, rtol=1e-10)
    np.testing.assert_allclose(N.reshape(5, 7)[:, [0, -1]], best[:, None] * [0.25, 4.0], rtol=1e-10)


def test_runs_without_noise_lie_on_the_law():
    N, D = synthetic.isoflop_design([1e20], 5)
    runs = synthetic.observe(TRUTH.law, TRUTH.params, {"N": N, "D": D})
    np.testing.assert_allclose(runs.response, TRUTH.predict(N=N, D=D), rtol=1e-15)


def test_noise_and_bad_runs_are_as_asked():
    N, D = synthetic.isoflop_design(np.geomspace(1e18, 1e22, 40), 50)
    observe = {"law": TRUTH.law, "params": TRUTH.params, "variables": {"N": N, "D": D}, "noise": 0.01, "seed": 5}
    errors = np.log(synthetic.observe(**observe).response / TRUTH.predict(N=N, D=D))
    assert errors.std() == pytest.approx(0.01, rel=0.05) and abs(errors.mean()) < 4 * 0.01 / len(N) ** 0.5
    spoiled = synthetic.observe(**observe, bad=7, bad_by=(0.1, 0.3)).response / synthetic.observe(**observe).response
    off = spoiled[spoiled > 1 + 1e-12]
    assert len(off) == 7 and off.min() >= 1.1 and off.max() <= 1.3


def test_the_same_seed_gives_the_same_runs():
    N, D = synthetic.isoflop_design([1e20, 1e21], 5)
    draw = [synthetic.observe(TRUTH.law, TRUTH.params, {"N": N, "D": D}, noise=0.01, bad=1, seed=s) for s in (3, 3, 4)]
    assert draw[0].sha256 == draw[1].sha256 != draw[2].sha256


def test_a_response_other_than_the_loss_keeps_its_name():
    law = js.laws.get("chinchilla_a1")
    runs = synthetic.observe(law, law.published["N"].params, {"C": np.geomspace(1e18, 1e22, 4)})
    assert runs.response_name == law.response.name
