"""Biases of the runs: against fits of runs that have them, and records made by hand."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from helpers import LAW, sweep

import jaxscale as js

BUDGETS = [1e22, 1e24]
SMALL = 1e-6
EMBEDDINGS = "embeddings in N"


def biased(runs: js.Runs, name: str, by: float, corpus: np.ndarray) -> js.Runs:
    """The runs with that much more of a bias; written out a second time, in plain numbers."""
    N, D = runs.variable("N"), runs.variable("D")
    if name == EMBEDDINGS:
        return js.Runs({"N": N / (1 - by * (N / N.min()) ** (-2 / 3)), "D": D}, runs.response)
    shift = {
        "per decade of N": np.log10(N / N.min()),
        "per decade of D": np.log10(D / D.min()),
        "per decade of C": np.log10(N * D / (N * D).min()),
        "of the largest N": (N.max() < 2 * N).astype(float),
        "of web": (corpus == "web").astype(float),
        "of code": (corpus == "code").astype(float),
    }[name]
    return js.Runs({"N": N, "D": D}, np.array(runs.response) * np.exp(by * shift))


@pytest.fixture(scope="module")
def asked():
    runs = sweep(5, 8, noise=0.003, seed=4)
    corpus = np.array(["web", "code"])[np.arange(40) % 2]
    result = js.fit(LAW, runs, intervals="quick")
    return runs, corpus, result, js.bias(js.frontier(result, BUDGETS), by=corpus)


def best_n(result: js.FitResult, runs: js.Runs) -> np.ndarray:
    """Log N planned from a fit of other runs that begins where this one ended."""
    there = js.fit(LAW, runs, starts=[result.params], intervals=None)
    return np.log([row.N for row in js.frontier(there, BUDGETS).rows])


@pytest.mark.slow
def test_first_order_is_that_of_refits(asked):
    runs, corpus, result, found = asked
    assert found.biases == (
        *("per decade of N", "per decade of D", "per decade of C", "of the largest N"),
        *("of web", "of code", EMBEDDINGS),
    )
    for name, rows in found.summary.groupby("bias"):
        step = SMALL * (100 if name == EMBEDDINGS else 1)
        ends = [best_n(result, biased(runs, str(name), sign * step, corpus)) for sign in (1, -1)]
        theirs = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(rows["first_order"] / rows["size"], theirs, rtol=1e-3, atol=1e-3, err_msg=str(name))


@pytest.mark.slow
def test_moves_and_what_is_needed_are_those_of_refits(asked):
    runs, corpus, result, found = asked
    plan = js.frontier(result, BUDGETS)
    for name in ("per decade of N", "per decade of D", EMBEDDINGS):
        rows = found.summary[found.summary["bias"] == name]
        # The runs at hand have the bias: those without it are the truth.
        for k, row in enumerate(rows.to_dict("records")):
            for of, expected in (("size", row["move"]), ("needed_N", np.log(2))):
                if not np.isfinite(row[of]):
                    continue
                size = row[of]
                if name == EMBEDDINGS:  # taken out where `biased` puts in
                    N = runs.variable("N")
                    without = js.Runs(
                        {"N": N * (1 - size * (N / N.min()) ** (-2 / 3)), "D": runs.variable("D")}, runs.response
                    )
                else:
                    without = biased(runs, name, -size, corpus)
                moved = np.log(plan.rows[k].N) - best_n(result, without)[k]
                tolerance = {"rtol": 1e-5} if of == "size" else {"rtol": 0.02}
                np.testing.assert_allclose(abs(moved), abs(expected), **tolerance)
    # The compute that the plan at hand wastes where the law without the bias holds, by that law itself.
    row = found.summary[(found.summary["bias"] == "per decade of N") & (found.summary["budget"] == 1e24)].iloc[0]
    truth = js.fit(LAW, biased(runs, "per decade of N", -row["needed_waste"], corpus), intervals=None)
    reached = truth.predict(N=plan.rows[1].N, D=plan.rows[1].D)
    needed = js.frontier(truth, reach_loss=reached).rows[0].cost
    assert 1 - needed / 1e24 == pytest.approx(0.1, rel=0.05)


@pytest.mark.slow
def test_learning_rates_that_go_off_with_size_move_n_as_the_record_says(asked):
    # Planted: 1 % per decade of N in runs that every verdict trusts. Taken out, N is that of the sound runs.
    runs, corpus, result, _ = asked
    off = js.fit(LAW, biased(runs, "per decade of N", 0.01, corpus), intervals="quick")
    found = js.bias(js.frontier(off, BUDGETS), size=0.01)
    sound = [row.N for row in js.frontier(result, BUDGETS).rows]
    rows = found.summary[found.summary["bias"] == "per decade of N"]
    assert off.verdict.trustworthy and (rows["left"] < 3).all()
    np.testing.assert_allclose(rows["N"], sound, rtol=1e-6)
    assert (rows["move"] < -0.1).all()
    for size, least in ((0, "size"), (0.2, "size"), (float("nan"), "size")):
        with pytest.raises(js.InputError, match=least):
            js.bias(js.frontier(result, BUDGETS), size=size)
    with pytest.raises(js.InputError, match="by has 3 labels for 40 runs"):
        js.bias(js.frontier(result, BUDGETS), by="abc")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["format"] == "jaxscale.bias/1"


def made() -> js.Bias:
    """One target, two biases whose move is -20 times their size."""
    sizes = np.array([0.001, 0.01, 0.1, -0.001, -0.01, -0.1])
    names = ("per decade of N", "of <b>web\x1b[31m")
    frame = pd.DataFrame(
        [
            {"budget": 1e24, "bias": name, "size": s, "move": -20 * s, "waste": s**2, "N": 1e11, "D": 2e12, "loss": 1.9}
            for name in names
            for s in sizes
        ]
    )
    rows = frame[frame["size"] == 0.001].assign(first_order=-0.02, left=0.3, needed_N=-0.035, needed_waste=np.nan)
    return js.Bias("law", "budget", ("budget 1e24 FLOPs",), "FLOPs", 2.0, 0.1, names, rows, frame)


def test_what_a_record_says_writes_and_shows():
    found = made()
    text = " ".join(str(found).split())
    assert "per decade of N +0.1 % -2 % -2 % 100B 0.0001 % 0.3 -3.5 % more" in text and "\x1b" not in text
    assert "<b>" not in found._repr_html_() and "per decade of N moves N by -2 %>" in repr(found)
    schema = json.loads((files("jaxscale") / "schemas" / "bias.json").read_text("utf-8"))
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert len(document["sizes"]) == 12 and document["rows"][0]["needed_waste"] is None
    (panel,) = found.plot().chart.panels
    assert [np.log(mark.y[-1]) for mark in panel.marks[1:]] == pytest.approx([2.0, 2.0])


def test_only_plans_of_fits_answer():
    with pytest.raises(js.InputError, match="only a plan made from a fit"):
        js.bias(js.frontier(js.laws.instance("chinchilla:besiroglu"), 1e22))
    with pytest.raises(js.InputError, match="only a plan made from a fit"):
        js.bias(3)


@pytest.mark.slow
def test_of_a_plan_over_a_doubt_it_is_that_of_the_point(asked):
    _, corpus, result, found = asked
    hedged = js.frontier(result, BUDGETS, under="draws")
    pd.testing.assert_frame_equal(js.bias(hedged, by=corpus).frame, found.frame)
    of_runs = [js.run_sensitivity(plan).to_frame() for plan in (hedged, js.frontier(result, BUDGETS))]
    pd.testing.assert_frame_equal(*of_runs)
