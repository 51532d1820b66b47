"""All combinations of an analyst's choices: each is the fit one would have made alone, and the spread is theirs."""

import itertools

import numpy as np
import pytest
from helpers import LAW, sweep

import jaxscale as js

pytestmark = pytest.mark.slow  # every pin is another program to compile


def table(spoiled: bool) -> js.Runs:
    runs = sweep(5, 8, noise=0.004, seed=2)
    loss = np.array(runs.response)
    loss[[3, 30]] *= 1.2 if spoiled else 1.0
    return js.Runs(runs.variables, loss)


@pytest.fixture(scope="module")
def found() -> js.Multiverse:
    objectives = {"Huber": js.Huber(), "squares": js.SquaredError()}
    pins = {"free": {}, "E = 1.7": {"E": 1.7}}
    return js.multiverse(table(True), budget=1e23, objectives=objectives, fixed=pins)


def test_every_combination_is_the_fit_made_alone(found):
    assert found.choices == {
        "objective": ("Huber", "squares"),
        "outliers": ("all runs", "without outliers"),
        "fixed": ("free", "E = 1.7"),
    }
    runs, without = table(True), table(True).subset([k for k in range(40) if k not in (3, 30)])
    combinations = itertools.product((js.Huber(), js.SquaredError()), (runs, without), ({}, {"E": 1.7}))
    for (objective, data, pins), row in zip(combinations, found.frame.to_dict("records"), strict=True):
        alone = js.fit(LAW, data, objective=objective, fixed=pins, intervals=None)
        best = js.frontier(alone, 1e23).rows[0]
        assert (row["N"], row["D"], row["loss"]) == pytest.approx((best.N, best.D, best.loss), rel=1e-6)
        assert row["trustworthy"] == alone.verdict.trustworthy


def test_spread_is_largest_over_smallest_with_the_rest_held(found):
    logs = np.log(found.frame["N"].to_numpy()).reshape(2, 2, 2)
    spread = found.spread()
    for axis, choice in enumerate(found.choices):
        ranges = np.ptp(logs, axis=axis)
        assert spread["N"][choice] == pytest.approx(np.exp(ranges.mean()), rel=1e-12)
        assert spread["N_largest"][choice] == pytest.approx(np.exp(ranges.max()), rel=1e-12)
    assert list(spread["N"]) == sorted(spread["N"], reverse=True)
    assert spread.loc["outliers", "N"] > 1.01  # two runs spoiled by a fifth matter


def test_report_and_picture_show_every_choice(found):
    text = str(found)
    assert "Multiverse · 8 fits" in text and "usual choices" in text and "without outliers" in text
    figure = found.plot(decision="loss")
    labels = [t.get_text() for t in figure.axes[1].get_yticklabels()]
    assert "fixed: E = 1.7" in labels and len(labels) == 6
    with pytest.raises(js.InputError, match="must be one of N, D, loss"):
        found.plot(decision="E")


def test_readings_weights_and_what_cannot_be_fitted():
    runs = table(False)
    larger = js.Runs({"N": 1.5 * runs.variables["N"], "D": runs.variables["D"]}, runs.response)
    tiny = runs.subset(slice(0, 2))
    readings = {"N": runs, "N with embeddings": larger, "two runs": tiny}
    found = js.multiverse(readings, budget=1e23, objectives={"Huber": js.Huber()})
    first, second, third = found.frame.to_dict("records")
    assert second["N"] != pytest.approx(first["N"], rel=0.01)
    assert not third["trustworthy"]
    weighted = js.multiverse(
        runs, budget=1e23, objectives={"Huber": js.Huber()}, weights={"equal": None, "late": np.linspace(1, 9, 40)}
    )
    assert list(weighted.choices) == ["weights"] and weighted.frame["N"].nunique() == 2
    with pytest.raises(js.InputError, match="nothing to choose"):
        js.multiverse(runs, budget=1e23, objectives={"Huber": js.Huber()})
    many = {str(k): js.Huber(1e-3 + k * 1e-6) for k in range(501)}
    with pytest.raises(js.InputError, match="501 objective are 501 combinations; 500 at most"):
        js.multiverse(runs, budget=1e23, objectives=many)
