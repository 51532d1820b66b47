"""Derivatives of a plan in the runs behind it: against fits of the same runs with one of them nudged."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import sweep
from sources import BESIROGLU

import jaxscale as js
from jaxscale._planning.make_plan import make_plan

pytestmark = pytest.mark.slow

BUDGETS = [1e22, 1e24]
LIMITS = {"N_max": 5e10}  # binds at the larger budget
NUDGE = 1e-4


@pytest.fixture(scope="module")
def fitted():
    runs = sweep(5, 8, noise=0.003, seed=4)
    return runs, js.fit("chinchilla", runs, intervals=None)


def answers(result):
    plan = js.frontier(result, BUDGETS, limits=LIMITS)
    return plan, np.log([[getattr(row, q) for q in ("N", "D", "tokens_per_param", "loss")] for row in plan.rows])


def test_against_refits_with_one_run_nudged(fitted):
    runs, result = fitted
    plan, _ = answers(result)
    found = js.run_sensitivity(plan)
    table, text = found.to_frame(), str(found)
    assert text.count(f"and {runs.count - 10} more, see to_frame()") == 2 and "0.01 % higher" in text
    assert f"{table['N'][0] / 100:+.3g} %" in text.splitlines()[4]
    assert len(table) == 2 * runs.count
    first = table[table["budget"] == BUDGETS[0]]
    matter = first.iloc[:, 3:].abs().max(axis=1)
    assert (np.diff(matter) <= 0).all()
    for row in [*first["row"][:3], first["row"].iloc[-1]]:  # the last lies beyond delta, and moves nothing
        ends = []
        for sign in (1, -1):
            response = np.array(runs.response)
            response[list(runs.rows).index(row)] *= np.exp(sign * NUDGE)
            nudged = js.Runs(runs.variables, response, runs.response_name)
            ends.append(answers(js.fit("chinchilla", nudged, starts=[result.params], intervals=None))[1])
        theirs = (ends[0] - ends[1]) / (2 * NUDGE)
        mine = table[table["row"] == row].sort_values("budget")[["N", "D", "tokens_per_param", "loss"]]
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


def test_all_losses_rise_alike(fitted):
    # Losses counted in another unit scale A, B and E alike: log N* stays, log loss moves with them.
    _, result = fitted
    table = js.run_sensitivity(answers(result)[0]).to_frame()
    total = table.groupby("budget")[["N", "D", "loss"]].sum()
    np.testing.assert_allclose(total, [[0, 0, 1]] * 2, atol=1e-6)


def test_a_plan_without_runs_is_refused():
    with pytest.raises(js.InputError, match="only a plan made from a fit answers to runs"):
        js.run_sensitivity(js.frontier(BESIROGLU, 1e22))


def test_parameters_at_their_bounds_do_not_move(fitted):
    runs, result = fitted
    held = dict(result.params) | {"E": 1.2}
    fixed = {name: held[name] for name in ("A", "B", "alpha", "beta")}
    bound = js.fit("chinchilla", runs, fixed=fixed, bounds={"E": (None, 1.2)}, intervals=None)
    assert bound.params["E"] == pytest.approx(1.2)
    table = js.run_sensitivity(js.frontier(bound, 1e22)).to_frame()
    assert not table[["N", "D", "loss"]].to_numpy().any()


def test_slopes_without_end_are_printed(fitted):
    _, result = fitted
    request = js.frontier(result, reach_loss=result.params["E"] * 1.00003).request
    assert request is not None
    plan = make_plan(replace(request, source=replace(request.source, of_text=False)))  # no size is impossible
    for answers in (js.run_sensitivity(plan), plan.sensitivity()):
        assert "e+" in str(answers)
