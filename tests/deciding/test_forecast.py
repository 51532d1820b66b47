"""Forecasts: intervals by hand, files that tell what was changed in them, fits that differ in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import table
from scipy.stats import norm, t

import jaxscale as js

AT = [{"N": 7e9, "D": 1.4e11}, {"N": "1B", "D": "20B"}]


@pytest.fixture(scope="module")
def fit() -> js.FitResult:
    return js.fit("chinchilla", js.Runs.from_frame(table()), intervals="quick")


@pytest.fixture(scope="module")
def made(fit) -> js.Forecast:
    return js.forecast(fit, AT)


def test_a_new_run_scatters_around_the_law(fit, made):
    row = made.rows[0]
    value, ends = fit.predict_interval(N=7e9, D=1.4e11)
    assert (row.predicted, row.law_interval) == (value, ends)
    error = np.log(ends[1] / value) / norm.ppf(0.95)
    half = t.ppf(0.95, 30 - 5) * np.hypot(error, fit.sigma)
    assert np.log(row.run_interval) - np.log(value) == pytest.approx([-half, half])
    assert made.rows[1].variables == {"N": 1e9, "D": 2e10}
    assert made.to_frame().loc[0, "run_high"] == row.run_interval[1]


def test_new_runs_of_the_law_lie_in_its_intervals_as_often_as_they_promise(fit):
    """Runs drawn around the fitted law, whose own error is then left out: nine in ten, or a few more."""
    N = np.geomspace(1e8, 1e9, 400)
    told = js.forecast(fit, [{"N": n, "D": 20 * n} for n in N])
    error = np.random.default_rng(0).normal(0, fit.sigma, 400)
    new = js.Runs.from_frame({"N": N, "D": 20 * N, "loss": fit.predict(N=N, D=20 * N) * np.exp(error)})
    (standing,) = js.score(told, new).standings
    assert (standing.runs, standing.judged) == (400, 400)
    assert 0.87 <= standing.held / 400 <= 0.97


def test_a_file_comes_back_and_says_what_was_changed_in_it(made, tmp_path):
    file = tmp_path / "said.json"
    made.save(file)
    assert js.read_forecast(file).to_dict() == made.to_dict()
    assert js.read_forecast(file).altered == ()
    changes = {
        "predictions": lambda d: d["rows"][0].update(predicted=2.0),
        "law": lambda d: d["params"].update(E=1.0),
        "runs": lambda d: d["runs"]["rows"].pop("3"),
        "version": lambda d: d.update(jaxscale_version="9.9"),
    }
    for part, change in changes.items():
        data = json.loads(json.dumps(made.to_dict()))
        change(data)
        file.write_text(json.dumps(data))
        found = js.read_forecast(file)
        assert found.altered == (part,)
        assert f"ALTERED after it was frozen: {part}" in str(found)


def test_what_is_otherwise_in_a_fit_is_named(fit, made):
    assert made.changes(fit) == ()
    frame = table()
    frame["loss"][4] *= 1.01
    runs = js.Runs.from_frame({k: v[:29] for k, v in frame.items()})
    other = replace(fit, runs=runs, runs_sha256=runs.sha256, params={**fit.params, "E": 1.5})
    constants, rows = made.changes(other)
    assert constants == "other constants: E"
    assert rows == "other runs: changed in row 5; gone from row 30"
    assert replace(made, version="0.0.1").changes(fit) == (f"jaxscale is {js.__version__}, it was 0.0.1",)


def test_a_plan_is_frozen_with_its_best_sizes(fit):
    plan = js.frontier(fit, [1e22, 1e23])
    told = js.forecast(fit, plan)
    assert [row.budget for row in told.rows] == [1e22, 1e23]
    assert told.rows[1].optimum["N"] == (plan.rows[1].N, *plan.rows[1].intervals["N"])
    assert told.rows[0].predicted == pytest.approx(plan.rows[0].loss)
    with pytest.raises(js.InputError, match="plan is of another fit"):
        js.forecast(replace(fit, params={**fit.params, "E": 1.5}), plan)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ([], "no run to foretell"),
        (5, "runs to come are a table, a plan or a list"),
        ([5], "runs to come are a table, a plan or a list"),
        ([{"N": 1e9}], "run 1 to come has no D"),
        ([{"N": "big", "D": 1}], "N is not a number: 'big'"),
    ],
)
def test_what_cannot_be_foretold_is_refused(fit, at, words):
    with pytest.raises(js.InputError, match=words):
        js.forecast(fit, at)


def test_files_of_other_records_are_named(fit, made, tmp_path):
    made.save(tmp_path / "said.json")
    fit.save(tmp_path / "fit.json")
    with pytest.raises(js.InputError, match=r"holds a Forecast; use jaxscale\.read_forecast"):
        js.load(tmp_path / "said.json")
    with pytest.raises(js.InputError, match=r"holds a FitResult; use jaxscale\.load"):
        js.read_forecast(tmp_path / "fit.json")
    with pytest.raises(js.InputError, match="not from Instance"):
        js.forecast(js.laws.instance("chinchilla:besiroglu"), AT)
