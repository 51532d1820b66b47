"""What the page plans for itself, for laws that are sums of two powers, is what the server plans."""

import numpy as np
import pytest
from browsing import run_node

from jaxscale._pages.app.asked_plan import AskedPlan, answer_to
from jaxscale._pages.app.slider_model import first_asked, sliders_at

pytestmark = pytest.mark.slow  # each kind of plan is compiled

_SCRIPT = """
const Quick = require(process.argv[1]), {model, states} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answer = Quick.answering(model), began = process.cpuUsage();
const answers = states.map(answer), took = process.cpuUsage(began);
process.stdout.write(JSON.stringify({ answers, ms: (took.user + took.system) / 1e3 / states.length }));
"""


def random_states(fitted, target: str, count: int, seed: int) -> list[dict]:
    """Amounts, tokens served, caps and exponents, of which some say nothing."""
    rng = np.random.default_rng(seed)
    row = fitted.content.decided
    states = []
    for _ in range(count):
        state = {"target": target, "price": float(rng.uniform(0.5, 5)), "low": 1e20, "high": 1e26}
        state["sigmas"] = float(rng.choice([0.0, rng.uniform(-2.5, 2.5)]))
        state["served"] = rng.choice([None, 10 ** rng.uniform(9, 14.5)])
        state["cap"] = rng.choice([None, row.D * 10 ** rng.uniform(-1.5, 1)])
        scale = 10 ** rng.uniform(-2.5, 2.5)
        if target == "loss":
            state["loss"] = float(row.loss * rng.uniform(0.97, 1.3))
        else:
            unit = {"dollars": 1e-18, "gpu_days": 1e-20}.get(target, 1.0)
            state["budget"] = row.budget * scale * unit
        if target == "size":
            state["size"] = row.N * 10 ** rng.uniform(-1, 1)
        states.append(state)
    return states


@pytest.mark.parametrize("target", ["flops", "dollars", "gpu_days", "loss", "size"])
def test_the_page_plans_as_the_server_does(fitted, target):
    """Second route: the certified optimum, each of 300 draws for itself, over the whole curve too."""
    states = random_states(fitted, target, 12, seed=len(target))
    model = sliders_at(fitted, first_asked(fitted, target, "")).model
    found = run_node("quick.js", _SCRIPT, {"model": model, "states": states})
    print(f"{target}: {found['ms']:.1f} ms a state")
    planned = 0
    for state, quick in zip(states, found["answers"], strict=True):
        answer = answer_to(fitted, AskedPlan.of(state))
        if quick is None:  # the server alone says why there is none
            assert answer["status"] != "ok"
            continue
        planned += 1
        assert answer["status"] == "ok", (state, answer["note"])
        for name in ("N", "D", "loss", "ratio", "spent", "bill", "budget"):
            assert quick[name] == pytest.approx(answer[name], rel=1e-6), (name, state)
        assert quick["bands"].keys() == answer["bands"].keys(), state
        for name, ends in answer["bands"].items():
            assert quick["bands"][name] == pytest.approx(ends, rel=1e-6), (name, state)
        assert (quick["binding"], quick["asked"]) == (answer["binding"], answer["asked"])
        for name, values in answer["curve"].items():
            theirs = np.array(values, float)
            mine = np.array(quick["curve"][name], float)
            assert np.isnan(mine).tolist() == np.isnan(theirs).tolist(), (name, state, mine, theirs)
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, err_msg=f"{name} {state}")
    assert planned > 6
