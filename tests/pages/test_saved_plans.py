"""Plans and comparisons from files say what they said, and the lines of a report make it again."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

import jaxscale as js
from jaxscale._analyses.comparison.comparison import Comparison, Contender, Holdout, Recommendation, Trial
from jaxscale._cli.app import run
from jaxscale._pages.reproduction import lines_of
from jaxscale._pages.saved_plans import comparison_from, plan_from
from jaxscale.limits import read_limits


def test_a_plan_from_its_file_is_the_plan(fitted, plan, tmp_path):
    path = tmp_path / "plan.json"
    plan.save(path)
    read = plan_from(path, fitted)
    assert read.to_dict() == plan.to_dict()
    assert fitted.report_html(plans=path) == fitted.report_html(plans=plan)


def test_intervals_of_draws_stay_those_of_the_file_and_sliders_have_none(fitted, plan, tmp_path):
    document = plan.to_dict()
    document["method"] = "percentiles of 300 draws"
    document["rows"][1]["intervals"]["N"] = [8e10, 1e11]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    text = fitted.report_html(plans=path)
    assert "80B to 100B" in text and "come from draws that the plan&#x27;s file does not hold" in text


def test_a_plan_of_a_cost_that_only_python_knows_is_shown_without_sliders(fitted, plan, tmp_path):
    document = plan.to_dict() | {"cost": "my own"}
    (tmp_path / "plan.json").write_text(json.dumps(document))
    text = fitted.report_html(plans=tmp_path / "plan.json")
    assert "No sliders: This plan was read from a file that does not hold all it takes to plan again." in text
    assert "91.5B" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["params"].update(alpha=0.4), "with other constants than this fit"),
        (lambda d: d.pop("rows"), "is not a whole file"),
        (lambda d: d["rows"][0].update(N="many"), "expected a finite number"),
        (lambda d: d.update(format="jaxscale.plan/9"), r"holds 'jaxscale\.plan/9', not jaxscale\.plan/1"),
    ],
)
def test_a_file_that_is_no_plan_of_this_fit_is_refused_in_words(change, words, fitted, plan, tmp_path):
    document = plan.to_dict()
    change(document)
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(js.InputError, match=words):
        plan_from(tmp_path / "plan.json", fitted)


def test_a_comparison_from_its_file_says_the_same(tmp_path):
    """Made by hand, so that nothing is fitted."""
    seen = np.linspace(2.0, 2.5, 6)
    trials = tuple(Trial(n, "C > 1", error=0.01, observed=seen, predicted=seen) for n in ("chinchilla", "nearest"))
    contenders = (
        Contender("chinchilla", js.laws.chinchilla, 5, 0.01, 0.0, 1.0, 1.1, -10.0, -9.0, "trustworthy", True),
        Contender("nearest", None, 0, 0.05, 0.05, float("nan"), float("nan")),
    )
    found = Comparison("loss", "nats per token", True, 0.9, "Huber", "", (Holdout("C > 1", 5, (1, 2)),), contenders,
                       trials, Recommendation("chinchilla", ("least error",)))  # fmt: skip
    found.save(tmp_path / "compare.json")
    read = comparison_from(tmp_path / "compare.json")
    assert read.to_dict() == found.to_dict()
    assert read.report() == found.report()


def test_lines_name_every_choice(fitted, plan):
    limits, unique = read_limits({"D_max": 2e12, "D_per_N": (None, 40), "U": 1e12})
    asked = replace(plan.request, limits=limits, unique=unique)
    bounded = replace(fitted, bounds={"E": (1.0, None), "alpha": (0.2, 0.6)})
    python, shell = lines_of(bounded, (replace(plan, request=asked),))
    assert "bounds={'E': (1.0, None), 'alpha': (0.2, 0.6)}" in python
    assert "--bounds E=1.0: --bounds alpha=0.2:0.6" in shell
    assert (
        "limits={'D_max': 2000000000000.0, 'D_per_N': (None, 40.0), 'U': 1000000000000.0}" in python
        and "intervals='quick'" in python
    )
    assert (
        "--limit D_max=2000000000000.0 --limit D_per_N_max=40.0 --limit U=1000000000000.0" in shell
        and "--intervals quick" in shell
    )
    without = {k: c for k, c in fitted.record.columns.items() if k != "C"}
    other = replace(fitted, record=replace(fitted.record, columns=without))
    python, shell = lines_of(other, (), table="a table.csv", reading={"C": False})
    assert "js.read_runs('a table.csv', N='params', D='tokens', loss='loss', C=False)" in python
    assert "fit 'a table.csv' --law chinchilla" in shell and "-C none" in shell
    assert fitted.runs_sha256 in python and fitted.runs_sha256 in shell
    several = replace(plan, request=replace(asked, limits=(), unique=(2e12, None)))
    python, shell = lines_of(fitted, (several,))
    assert "'U': (2000000000000.0, None)" in python and "--limit U=2000000000000.0,-" in shell


@pytest.mark.slow
def test_the_lines_of_a_report_make_its_numbers_again(fitted, plan, tmp_path, monkeypatch, capsys):
    """Both languages, run as they are printed."""
    monkeypatch.chdir(tmp_path)
    js.synthetic.demo_frame().to_csv("runs.csv", index=False)
    python, shell = lines_of(fitted, (plan,))
    names: dict = {}
    exec(python, names)
    assert names["plan"].to_dict() == plan.to_dict()
    assert names["result"].params == fitted.params
    (tmp_path / "report.html").unlink()
    for line in shell.splitlines():
        if not line.startswith("#"):
            assert run(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "plan.json").read_text("utf-8"))["rows"] == plan.to_dict()["rows"]
    assert "With 1e24 FLOPs: train 91.5B parameters on 1.82T tokens" in (tmp_path / "report.html").read_text("utf-8")
