"""Every picture of every record: readable whatever the data, with the record's own numbers."""

import json

import numpy as np
import pytest
from pictures import CASES, check_words

import jaxscale as js

FIT_PICTURES = ("residuals", "observed", "starts")


@pytest.fixture(scope="module")
def plan(fitted) -> js.Plan:
    return js.frontier(fitted, [1e18, 1e20, 1e22, 1e24])


def line_of(axes, count: int) -> np.ndarray:
    """The points of the one line or set of dots with so many of them, (count, 2)."""
    (found,) = (line.get_xydata() for line in axes.lines if len(line.get_xydata()) == count)
    return np.asarray(found)


@pytest.mark.parametrize("case", ["demo", "hostile"])
def test_pictures_of_fits_overlap_no_words(fitted, case, monkeypatch):
    for name in ("residuals", "observed"):
        check_words(CASES[case](fitted).plot(name), monkeypatch)


@pytest.mark.slow  # 20,000 runs, and a law of its own to compile
@pytest.mark.parametrize("case", CASES)
def test_every_picture_of_fits_overlaps_no_words(fitted, case, monkeypatch):
    for name in FIT_PICTURES:
        check_words(CASES[case](fitted).plot(name), monkeypatch)


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
    assert far == {text.get_text().partition(":")[0] for axes in picture.axes for text in axes.texts}
    assert picture.axes[0].get_ylabel() == "loss above the fit (%)"


def test_a_frontier_has_the_numbers_of_its_plan(plan):
    picture = plan.plot("frontier")
    for axes, name in zip(picture.axes, ("N", "D", "tokens_per_param", "loss"), strict=True):
        expected = [(row.budget, getattr(row, name)) for row in plan.rows]
        assert all((line.get_xydata() == expected).all() for line in axes.lines)
        band = axes.patches[-1].get_xy()
        np.testing.assert_array_equal(band[:4, 1], [row.intervals[name][0] for row in plan.rows])
        np.testing.assert_array_equal(band[7:3:-1, 1], [row.intervals[name][1] for row in plan.rows])
    assert "N 80.8M" in picture.alt and "{" not in picture.alt


def test_a_frontier_says_what_it_has_not(plan, fitted):
    with pytest.raises(js.InputError, match="a plan has no 'E'; choose of 'N', 'D', 'tokens_per_param', 'loss'"):
        js.plot.frontier(plan, of="E")
    with pytest.raises(js.InputError, match="a Plan has no picture 'residuals'; choose one of frontier"):
        plan.plot("residuals")
    with pytest.raises(js.InputError, match="cannot be drawn against 'E'; choose of N, D, C"):
        fitted.plot("residuals", against="E")


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
    for picture in (plan.plot(), fitted.plot()):
        data = json.loads(json.dumps(picture.chart.to_dict(), allow_nan=False))
        assert data["title"] and data["alt"] == picture.alt
        assert {mark["mark"] for panel in data["panels"] for mark in panel["marks"]} >= {"dots", "line"}


def test_without_matplotlib_the_extra_is_named(fitted, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(js.MissingExtraError, match=r"jaxscale\[plot\]"):
        js.plot.residuals(fitted)
