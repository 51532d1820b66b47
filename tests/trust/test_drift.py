"""Losses that drift with scale: the line of every plan, against fits of runs that drift."""

import json

import numpy as np
import pytest
from helpers import LAW, sweep

import jaxscale as js

SMALL = 1e-5
BUDGET = 1e23


def drifting(runs: js.Runs, of: str, by: float) -> js.Runs:
    """The runs with losses too high by that share for each decade of N or D above the smallest."""
    decades = np.log10(runs.variable(of) / runs.variable(of).min())
    return js.Runs(runs.variables, np.array(runs.response) * np.exp(by * decades))


@pytest.mark.parametrize("space", ["log", pytest.param("raw", marks=pytest.mark.slow)])
def test_against_fits_of_runs_that_drift(space):
    # Squares with hardly any noise, so that neither residuals nor kinks enter the refits.
    runs, objective = sweep(5, 8, noise=1e-5, seed=3), js.SquaredError(space=space)
    result = js.fit(LAW, runs, objective=objective, intervals=None)
    row = js.frontier(result, BUDGET).rows[0]
    for of in ("N", "D"):
        ends = []
        for sign in (1, -1):
            there = js.fit(
                LAW, drifting(runs, of, sign * SMALL), objective=objective, starts=[result.params], intervals=None
            )
            best = js.frontier(there, BUDGET).rows[0]
            ends.append(np.array([*there.theta, np.log(best.N), np.log(best.loss)]))
        theirs = (ends[0] - ends[1]) / (2 * SMALL)
        mine = [result.drifts[of][name] for name in LAW.parameter_names] + [row.drift[of][q] for q in ("N", "loss")]
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_the_line_of_a_plan_names_a_learning_rate_that_goes_off_with_size():
    # One per cent per decade of N: such fits are trusted, and off by a fifth in N at ten times the compute.
    moves, said = [], []
    for seed in range(3):
        truth = sweep(6, 10, noise=0.004, seed=seed)
        budget = 60 * float(np.max(truth.variable("N") * truth.variable("D")))
        biased = js.fit(LAW, drifting(truth, "N", 0.01), intervals="quick")
        sound = js.fit(LAW, truth, intervals="quick")
        plan = js.frontier(biased, budget)
        assert biased.verdict.trustworthy
        moves.append(np.log(plan.rows[0].N / js.frontier(sound, budget).rows[0].N))
        said.append(0.01 * plan.rows[0].drift["N"]["N"])
        line = next(note for note in plan.report().blocks[-1].lines if "No residual shows" in note)
        assert (
            f"0.1 % too high per decade of N moves N by {100 * np.expm1(said[-1] / 10):+.2g} %, per decade of D" in line
        )
    np.testing.assert_allclose(np.mean(said), np.mean(moves), rtol=0.1)
    assert -0.3 < np.mean(moves) < -0.1


def test_draws_and_files_carry_it_and_older_files_say_nothing(tmp_path):
    result = js.fit(LAW, sweep(6, 10, noise=0.004, seed=0), intervals="quick")
    document = result.to_dict()
    del document["drifts"]
    result.save(tmp_path / "new.json")
    assert js.load(tmp_path / "new.json").drifts == result.drifts
    (tmp_path / "old.json").write_text(json.dumps(document))
    old = js.load(tmp_path / "old.json")
    assert old.drifts == {}
    assert "No residual" not in str(js.frontier(old, BUDGET)) and "No residual" in str(js.frontier(result, BUDGET))
    assert (
        js.frontier(js.bootstrap(result, draws=20), BUDGET).rows[0].drift == js.frontier(result, BUDGET).rows[0].drift
    )
