"""Every picture of every record: readable whatever the data, with the record's own numbers."""

import json
import re

import numpy as np
import pytest
from made_records import comparison_of, forecast_of, influence_of, multiverse_of, profile_of, score_of
from pictures import CASES, HOSTILE, check_words

import jaxscale as js
from jaxscale.plot._by_record import PICTURES

_N, _D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 3e9, 6), np.geomspace(2e9, 2e11, 12)))
CURVES = {"N": _N, "D": _D}


@pytest.fixture(scope="module")
def plan(fitted) -> js.Plan:
    return js.frontier(fitted, [1e18, 1e20, 1e22, 1e24])


def line_of(axes, count: int) -> np.ndarray:
    """The points of the one line or set of dots with so many of them, (count, 2)."""
    (found,) = (line.get_xydata() for line in axes.lines if len(line.get_xydata()) == count)
    return np.asarray(found)


@pytest.mark.slow  # a law of its own to compile, and its plan
def test_a_law_without_a_best_model_is_drawn_as_one(fitted):
    """Score = 3 - .05 ln N - .08 ln D: along a budget it falls for ever towards fewer parameters."""
    result = CASES["negative"](fitted)
    plan = js.frontier(result, [1e18, 1e20])
    assert not np.isfinite([row.N for row in plan.rows]).any()
    for picture in (plan.plot(), result.plot("contours"), result.plot("extrapolation")):
        assert picture.chart.title == "No budget has a best " + ("size" if "sizes" in picture.alt else "model")
        assert "best" not in " ".join(t.get_text() for legend in picture.legends for t in legend.get_texts())
    (lines,) = result.plot("contours").axes[0].collections  # negative levels look like the others
    assert (lines.levels < 0).any() and {dash for _, dash in lines.get_linestyle()} == {None}
    for name in ("tornado", "price_of_size"):
        with pytest.raises(js.InputError, match="the plan has no answer for budget 1e20 FLOPs: no best N and D"):
            plan.plot(name)
    span = {k: np.ptp(np.log(result.runs.variables[k])) for k in ("N", "D")}
    (flat,) = (m for m in result.plot("valley", within=0.2).chart.panels[0].marks if type(m).__name__ == "Area")
    reach = 0.2 * (0.05 * span["N"] + 0.08 * span["D"]) / 0.05  # a fifth of all that is drawn, which falls with ln N
    assert np.log(flat.x.max() / flat.x.min()) == pytest.approx(reach, abs=2 * span["N"] / 200)


def test_budgets_of_one_size_have_no_isoflops(fitted):
    with pytest.raises(js.InputError, match="no compute budget"):
        CASES["few"](fitted).plot("isoflops")


@pytest.mark.parametrize("make", [multiverse_of, comparison_of, profile_of, influence_of, score_of, forecast_of])
def test_pictures_overlap_no_words_whatever_the_names(fitted, make, monkeypatch):
    check_words(make(fitted, True).plot(), monkeypatch)


@pytest.mark.slow  # plans of other structures, curves and profiles are compiled
def test_pictures_of_plans_and_approaches_overlap_no_words(fitted, plan, monkeypatch):
    served = js.frontier(fitted, [1e24], cost=js.costs.six_nd.with_inference(tokens=2e13), limits={"D_max": 15e12})
    reached = js.frontier(fitted, reach_loss=[2.0, 2.2])
    curves = js.synthetic.observe(fitted.law, fitted.params, CURVES)
    found = js.envelope(curves, draws=0)
    pictures = [*(one(served) for one in PICTURES[js.Plan]), plan.plot("price_of_size"), reached.plot()]
    pictures += [js.plot.frontier(plan, beside={HOSTILE: plan, f"other {HOSTILE}": served})]
    pictures += [js.what_if(plan, limits={"D_max": 3e11}).plot(), js.isoflop(fitted.runs, draws=50).plot()]
    pictures += [js.approaches(fitted.runs, draws=50).plot(), found.plot(), found.plot(runs=curves)]
    pictures += [js.plot.extrapolation(fitted, targets={HOSTILE: (1e23, 2.0), "b": (1e23, 2.01)}, held_out=fitted.runs)]
    for picture in pictures:
        check_words(picture, monkeypatch)


def test_residuals_are_those_of_the_runs(fitted):
    picture = js.plot.residuals(fitted)
    runs = fitted.runs
    p = fitted.params
    law = p["E"] + p["A"] * runs.variables["N"] ** -p["alpha"] + p["B"] * runs.variables["D"] ** -p["beta"]
    expected = 100 * np.log(runs.response / law)
    for axes, name in zip(picture.axes, ("N", "D", "C"), strict=True):
        near = np.abs(expected) < 6 * 100 * fitted.sigma
        drawn = line_of(axes, near.sum())
        np.testing.assert_allclose(drawn[:, 0], runs.variable(name)[near])
        np.testing.assert_allclose(drawn[:, 1], expected[near], atol=1e-9)
        assert axes.get_xscale() == "log" and axes.get_xlabel()
    far = {f"row {runs.rows[k]}" for k in np.flatnonzero(~near)}
    assert len(far) == 3
    for axes in picture.axes:  # two of the three have one compute, so that they share a mark there
        assert far == set(re.findall(r"row \d+", " ".join(text.get_text() for text in axes.texts)))
    assert picture.axes[0].get_ylabel() == "loss above the fit (%)"


def test_a_frontier_has_the_numbers_of_its_plan(plan):
    picture = plan.plot("frontier")
    for axes, name in zip(picture.axes, ("N", "D", "tokens_per_param", "loss"), strict=True):
        expected = [(row.budget, getattr(row, name)) for row in plan.rows]
        curve, dots = (line.get_xydata() for line in axes.lines)
        at_rows = slice(None, None, (len(curve) - 1) // 3)
        assert (dots == expected).all() and (curve[at_rows] == expected).all()
        low, high = np.split(axes.patches[-1].get_xy()[: 2 * len(curve)], 2)
        np.testing.assert_array_equal(low[at_rows, 1], [row.intervals[name][0] for row in plan.rows])
        np.testing.assert_array_equal(high[::-1][at_rows, 1], [row.intervals[name][1] for row in plan.rows])
    assert "N 80.8M" in picture.alt and "{" not in picture.alt


def test_a_frontier_says_what_it_has_not(plan, fitted):
    with pytest.raises(js.InputError, match="a plan has no 'E'; choose of 'N', 'D', 'tokens_per_param', 'loss'"):
        js.plot.frontier(plan, of="E")
    with pytest.raises(
        js.InputError, match="a Plan has no picture 'residuals'; choose one of frontier, price_of_size, tornado"
    ):
        plan.plot("residuals")
    with pytest.raises(js.InputError, match="cannot be drawn against 'E'; choose of N, D, C"):
        fitted.plot("residuals", against="E")
    with pytest.raises(js.InputError, match="the picture 'residuals' takes no budget=; it takes against, "):
        fitted.plot("residuals", budget=1e22)
    with pytest.raises(js.InputError, match="the picture 'overview' takes no result="):
        fitted.plot(result=3)


def test_pictures_go_on_axes_given_and_pyplot_knows_of_none(plan, fitted, monkeypatch):
    import matplotlib
    from matplotlib.figure import Figure

    before = dict(matplotlib.rcParams)
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    assert js.plot.frontier(plan, of="N", ax=axes[0]) is figure
    js.plot.observed(fitted, ax=axes[1])
    assert axes[0].get_ylabel() == "best size N (parameters)" and axes[1].get_xlabel()
    check_words(figure, monkeypatch)
    with pytest.raises(js.InputError, match="has 3 panels, and ax= holds 2 axes"):
        js.plot.residuals(fitted, ax=axes)
    assert dict(matplotlib.rcParams) == before
    pyplot = __import__("sys").modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_a_picture_carries_its_words_and_is_the_same_file_every_time(fitted, tmp_path):
    picture = fitted.plot("residuals", against="N")
    data, about = picture._repr_mimebundle_()
    assert data["text/plain"] == about["image/png"]["alt"] == picture.alt
    picture.savefig(tmp_path / "1.svg")
    fitted.plot("residuals", against="N").savefig(tmp_path / "2.svg")
    text = (tmp_path / "1.svg").read_text()
    assert text == (tmp_path / "2.svg").read_text()
    assert "loss above the fit" in text and picture.alt in text and "<dc:date>" not in text
    picture.savefig(tmp_path / "1.pdf")
    assert b"Residuals should" in (tmp_path / "1.pdf").read_bytes()


def test_what_a_picture_shows_is_plain_data(plan, fitted):
    for picture in (plan.plot(), fitted.plot("residuals")):
        data = json.loads(json.dumps(picture.chart.to_dict(), allow_nan=False))
        assert data["title"] and data["alt"] == picture.alt
        assert {mark["mark"] for panel in data["panels"] for mark in panel["marks"]} >= {"dots", "line"}


def test_without_matplotlib_the_extra_is_named(fitted, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(js.MissingExtraError, match=r"jaxscale\[plot\]"):
        js.plot.residuals(fitted)
