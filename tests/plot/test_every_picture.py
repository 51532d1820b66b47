"""Every picture of every record, plain and with hostile names, on a figure of its own and on axes given."""

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_records import comparison_of, draws_of, forecast_of, influence_of, multiverse_of, profile_of, score_of
from matplotlib.figure import Figure
from pictures import CASES, HOSTILE, check_words, with_runs

import jaxscale as js
from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import IsoFlop
from jaxscale._analyses.approaches.side_by_side import Approaches
from jaxscale._analyses.deciding.joint_errors import Pairing
from jaxscale._analyses.deciding.multiplier import EqualLoss, ScaleTrend, choice_of
from jaxscale.plot._by_record import PICTURES
from studies import under_way

NAMES = {False: ("A", "B", "C"), True: (HOSTILE, f"other {HOSTILE}", f"third {HOSTILE}")}
REFUSED = {  # in words, of the cases of a fit: what has no such picture
    ("few", "isoflops"): "no compute budget has runs of several sizes",
    ("negative", "isoflops"): "isoFLOP profiles need a positive response",
}


def plan_of(result: js.FitResult, hostile: bool) -> js.Plan:
    return js.frontier(CASES["hostile"](result) if hostile else result, [1e18, 1e20, 1e22, 1e24])


def multiplier_of(result: js.FitResult, hostile: bool) -> js.Multiplier:
    """Two candidates over three scales, of which the second is worse."""
    a, *others = NAMES[hostile]
    rows = []
    for name, ratio in zip(others, (0.8, 1.3), strict=True):
        for compute in (1e21, 1e22, 1e23):
            ends = (0.9 * ratio, 1.1 * ratio)
            rows.append(EqualLoss(name, compute, 2.1, ratio * compute, ratio, ends, choice_of(ends, 0.02)))
    trends = tuple(ScaleTrend(name, 1e21, 1e23, 0.9, (0.85, 0.95)) for name in others)
    pairing = (Pairing("independent", "told."),)
    told = ("How.", "six_nd", "FLOPs", ("chinchilla",) * 3, 0)
    return js.Multiplier(a, tuple(others), tuple(rows), trends, pairing, 0.9, 0.02, *told)


def skills_of(result: js.FitResult, hostile: bool) -> js.Skills:
    """Errors of four ways on three benchmarks."""
    names = NAMES[hostile]
    ways = ("sigmoid of compute", "with families", "skills", "principal components")
    errors = {way: 0.02 * (1 + k) + 0.01 * np.arange(3) for k, way in enumerate(ways)}
    frame = pd.DataFrame({**errors, "families": 3}, index=pd.Index(names, name="benchmark"))
    return js.Skills(names, ("a", "b", "c"), 9, 0, dict.fromkeys(names, 0.0), frame, {})


def watched_of(result: js.FitResult, hostile: bool) -> js.Watched:
    """Half of a run among eight."""
    p, loss, _ = under_way.curves("cosine", "Gaussian", 8, np.random.default_rng(0))
    frame = under_way.table(p, loss, 0.5).to_frame().replace({"new": NAMES[hostile][0]})
    runs = js.Runs({"D": frame["D"].to_numpy()}, frame["loss"].to_numpy(), clusters=tuple(frame["run"]))
    return js.watch(runs, NAMES[hostile][0], goal=2.5)


def envelope_of(result: js.FitResult, hostile: bool) -> Envelope:
    """Of curves of six sizes."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 3e9, 6), np.geomspace(2e9, 2e11, 12)))
    return js.envelope(js.synthetic.observe(result.law, result.params, {"N": N, "D": D}), draws=0)


def chained(result: js.FitResult) -> js.FitResult:
    """A chain of which the error is .85 - 2 exp(-.9 loss)."""
    law = js.laws.chinchilla >> js.laws.get("gadre_err")
    variables = {k: result.runs.variables[k] for k in ("N", "D")}
    loss = np.asarray(result.predict(**variables))
    runs = js.Runs({**variables, "loss": loss}, 0.85 - 2.0 * np.exp(-0.9 * loss), "error")
    truth = {**result.params, "epsilon": 0.85, "k": 2.0, "gamma": 0.9}
    return replace(with_runs(result, runs), law=law, params={name: truth[name] for name in law.parameter_names})


def next_runs_of(result: js.FitResult, hostile: bool) -> js.NextRuns:
    return js.next_runs(result, {"C": (1e18, 1e21), "D_per_N": (5, 100)}, budget=1e21, at=1e23, fixed=1e18)


def recipe_of(result: js.FitResult, hostile: bool) -> js.Recipe:
    made = js.recipe(N=8e9, D=1.6e11, devices="512 x H100 @ 40%", batch="step_law")
    return replace(made, label=NAMES[hostile][0])


MADE = {
    js.FitResult: lambda result, hostile: CASES["hostile"](result) if hostile else result,
    type(js.laws.chinchilla.published["besiroglu"]): lambda result, hostile: js.synthetic.demo_truth(),
    js.Plan: plan_of,
    js.WhatIf: lambda result, hostile: js.what_if(plan_of(result, hostile), limits={"D_max": 3e11}),
    IsoFlop: lambda result, hostile: js.isoflop(result.runs, draws=50),
    Envelope: envelope_of,
    Approaches: lambda result, hostile: js.approaches(result.runs, draws=50),
    js.Profile: profile_of,
    js.Draws: draws_of,
    js.NextRuns: next_runs_of,
    js.Bias: lambda result, hostile: js.bias(plan_of(result, False), by=[NAMES[hostile][k % 2] for k in range(54)]),
    js.Influence: influence_of,
    js.Multiverse: multiverse_of,
    js.Comparison: comparison_of,
    js.Multiplier: multiplier_of,
    js.Recipe: recipe_of,
    js.Forecast: forecast_of,
    js.Score: score_of,
    js.Skills: skills_of,
    js.Watched: watched_of,
}
NAMED = (
    js.Plan,
    js.WhatIf,
    js.Draws,
    js.Bias,
    js.Multiplier,
    js.Recipe,
    js.Skills,
    js.Watched,
)  # others: test_pictures
ASKED = {"valley": {"between": {"N": (1e8, 1e11), "D": (1e9, 1e13)}}}  # what constants without runs cannot know


def test_each_picture_is_a_function_and_a_method_and_takes_axes():
    assert set(MADE) == set(PICTURES)
    for kind, pictures in PICTURES.items():
        assert callable(kind.plot)
        for one in pictures:
            assert getattr(js.plot, one.__name__) is one
            assert inspect.signature(one).parameters["ax"].kind is inspect.Parameter.KEYWORD_ONLY
    public = {name for name in vars(js.plot) if not name.startswith("_")}
    assert public == {one.__name__ for pictures in PICTURES.values() for one in pictures}


def goes_on_axes(one, record, picture, asked=()):
    """A picture drawn on axes of a figure that is there already."""
    panels, columns = len(picture.chart.panels), picture.chart.columns
    figure = Figure(figsize=(12, 9))
    axes = [figure.add_subplot(-(-panels // columns), columns, k + 1) for k in range(panels)]
    assert one(record, **dict(asked), ax=axes) is figure and figure.axes[:panels] == axes
    assert any(each.get_xlabel() or each.get_ylabel() or each.texts for each in axes)


@pytest.mark.slow  # curves, plans and answers of every kind
@pytest.mark.parametrize("kind", [kind for kind in MADE if kind is not js.FitResult], ids=lambda kind: kind.__name__)
def test_every_picture_of_every_record_reads_and_goes_on_axes(kind, fitted, monkeypatch):
    record = MADE[kind](fitted, False)
    for one in PICTURES[kind]:
        asked = ASKED.get(one.__name__, {})
        picture = record.plot(one.__name__, **asked)
        check_words(picture, monkeypatch)
        goes_on_axes(one, record, picture, asked)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMED, ids=lambda kind: kind.__name__)
def test_every_picture_with_names_of_others_reads(kind, fitted, monkeypatch):
    record = MADE[kind](fitted, True)
    for one in PICTURES[kind]:
        check_words(record.plot(one.__name__), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_picture_of_every_table_of_runs_reads(case, fitted, monkeypatch):
    """The demo, nine runs, twenty thousand, hostile names, responses of either sign."""
    result = CASES[case](fitted)
    for one in PICTURES[js.FitResult]:
        name = one.__name__
        if (case, name) in REFUSED:
            with pytest.raises(js.InputError, match=REFUSED[case, name]):
                result.plot(name)
            continue
        if name == "chain" and case != "demo":
            continue
        record = chained(result) if name == "chain" else result
        check_words(picture := record.plot(name), monkeypatch)
        if case == "demo":
            goes_on_axes(one, record, picture)
