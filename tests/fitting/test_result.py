"""Finished fits: what they print, what they predict, and what comes back from a file."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale._fitting.fits import Failure

LAW = js.laws.chinchilla
TRUTH = LAW.published["besiroglu"].params


def planted(seed: int = 1) -> js.Runs:
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.005, seed=seed)


def one_ray() -> js.Runs:
    """Eight noisy runs at D = 20 N: the ends of the intervals leave the range of numbers."""
    N = np.geomspace(1e7, 1e8, 8)
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": 20 * N}, noise=0.1, seed=0)


@pytest.fixture(scope="module")
def full() -> js.FitResult:
    """A fit of a table that was read, so that the record has something to say."""
    frame = planted().to_frame().rename(columns={"N": "params", "D": "tokens"})
    frame.loc[3, "loss"] = np.nan
    runs = js.Runs.from_frame(frame, on_bad="drop", where="params > 1e6")
    return js.fit("chinchilla", runs)


@pytest.fixture(scope="module")
def kinds(full) -> dict[str, js.FitResult]:
    """Fits that differ in every part of the file."""
    runs = planted()
    return {
        "bootstrap": full,
        "quick": js.fit("chinchilla", runs, intervals="quick"),
        "pinned": js.fit(
            "chinchilla", runs, fixed={"E": 1.8}, tied=[("alpha", "beta")], bounds={"A": (1, None)}, intervals=None
        ),
        "squares on raw loss": js.fit("chinchilla", runs, objective=js.SquaredError(space="raw"), intervals=None),
        "absolute": js.fit("chinchilla", runs, objective=js.AbsoluteError(), intervals="quick"),
        "weights and clusters": js.fit(
            "chinchilla",
            replace(runs, weights=np.linspace(1, 2, 60), clusters=tuple(f"r{k // 5}" for k in range(60))),
            draws=50,
        ),
        "three runs": js.fit("chinchilla", runs.subset([0, 25, 50])),
        "options": js.fit(js.laws.power_law("D"), runs, intervals="quick"),
        "one ray": js.fit("chinchilla", one_ray(), intervals="quick"),
    }


@pytest.fixture(scope="module")
def fits() -> js.Fits:
    tables = {"good": planted(), "<b>bad</b>": planted().to_frame().assign(loss=-1.0)}
    return js.fit_many("chinchilla", tables, intervals=None)


@pytest.fixture(scope="module")
def draws(full) -> js.Draws:
    return js.bootstrap(full, draws=40, seed=3)


KINDS = (
    "bootstrap",
    "quick",
    "pinned",
    "squares on raw loss",
    "absolute",
    "weights and clusters",
    "three runs",
    "options",
    "one ray",
)


# --- files ---


@pytest.mark.parametrize("name", KINDS)
def test_a_fit_comes_back_from_its_file(name, kinds, tmp_path):
    path, again = tmp_path / "fit.json", tmp_path / "again.json"
    kinds[name].save(path)
    loaded = js.FitResult.load(path)
    loaded.save(again)
    assert loaded.to_dict() == kinds[name].to_dict()
    assert path.read_bytes() == again.read_bytes()
    assert loaded.params == pytest.approx(kinds[name].params, rel=1e-14)
    assert str(loaded) == str(kinds[name])
    assert (loaded.law is kinds[name].law and loaded.objective == kinds[name].objective) or name == "absolute"


@pytest.mark.parametrize("name", ["bootstrap", "quick", "pinned"])
def test_the_standard_errors_of_an_older_file_are_of_theta(name, kinds, tmp_path):
    data = kinds[name].to_dict()
    data["intervals"]["standard_errors"] = data["intervals"].pop("theta_standard_errors")
    (tmp_path / "old.json").write_text(json.dumps(data))
    ours, loaded = kinds[name].intervals, js.FitResult.load(tmp_path / "old.json").intervals
    assert loaded.theta_standard_errors == ours.theta_standard_errors
    assert loaded.standard_errors == pytest.approx(ours.standard_errors, rel=1e-12)


def test_a_loaded_fit_goes_where_a_fit_goes(kinds, tmp_path):
    kinds["bootstrap"].save(tmp_path / "fit.json")
    loaded = js.load(tmp_path / "fit.json")
    assert loaded.predict(N=7e9, D=1e12) == pytest.approx(kinds["bootstrap"].predict(N=7e9, D=1e12), rel=1e-13)
    one, two = (js.bootstrap(f, draws=20, seed=4).draws for f in (loaded, kinds["bootstrap"]))
    np.testing.assert_allclose(one, two, rtol=1e-9)
    assert loaded.starts.to_frame().empty


def test_draws_come_back_from_their_file(draws, tmp_path):
    draws.save(tmp_path / "draws.json")
    loaded = js.load(tmp_path / "draws.json")
    loaded.save(tmp_path / "again.json")
    assert loaded.to_dict() == draws.to_dict()
    assert (tmp_path / "draws.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    np.testing.assert_array_equal(loaded.draws, draws.draws)
    assert loaded.interval("alpha") == draws.interval("alpha")


def test_fits_come_back_from_their_file(fits, tmp_path):
    fits.save(tmp_path / "fits.json")
    loaded = js.load(tmp_path / "fits.json")
    loaded.save(tmp_path / "again.json")
    assert loaded.to_dict() == fits.to_dict()
    assert (tmp_path / "fits.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert isinstance(dict(loaded)["<b>bad</b>"], Failure)


def test_a_law_of_ones_own_is_passed_in(tmp_path):
    mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha, name="mine")
    N = np.geomspace(1e7, 1e11, 60)
    js.fit(
        mine, js.synthetic.observe(mine, {"E": 1.7, "A": 300.0, "alpha": 0.34}, {"N": N}, noise=1e-3), intervals=None
    ).save(tmp_path / "fit.json")
    assert js.load(tmp_path / "fit.json", law=mine).law is mine
    with pytest.raises(js.InputError, match="a law of your own is given as law="):
        js.load(tmp_path / "fit.json")
    with pytest.raises(js.InputError, match="was fitted with law 'mine', not 'chinchilla'"):
        js.load(tmp_path / "fit.json", law=LAW)


def test_a_file_says_nothing_of_when_or_where(full, tmp_path):
    full.save(tmp_path / "fit.json")
    text = (tmp_path / "fit.json").read_text("utf-8")
    data = json.loads(text)
    assert str(tmp_path) not in text and "/" not in data["runs"]["sha256"]
    assert not [key for key in data if key in ("time", "date", "created", "path", "host", "device")]
    assert data["format"] == "jaxscale.fit/1" and data["jaxscale_version"] == js.__version__


def test_a_number_that_is_not_finite_is_null(kinds):
    squares = kinds["squares on raw loss"].to_dict()
    assert squares["objective"]["delta"] is None
    three = kinds["three runs"].to_dict()
    assert three["identification"]["condition_number"] is None and three["covariance"] is None
    for result in kinds.values():
        json.dumps(result.to_dict(), allow_nan=False)


def test_the_file_holds_what_the_result_holds(full):
    data = json.loads(json.dumps(full.to_dict()))
    assert data["params"] == full.params and list(data["theta"].values()) == full.theta.tolist()
    assert data["objective"]["value"] == full.value and data["objective"]["kind"] == "huber"
    assert data["verdict"]["trustworthy"] is full.verdict.trustworthy
    assert data["starts"]["at_best"] == full.starts.at_best
    assert data["runs"]["count"] == 59 and data["runs"]["dropped"][0]["row"] == 3
    assert data["intervals"]["params"]["alpha"] == list(full.intervals.params["alpha"])


def _set(*path, value):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def _drop(*path):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


# What was done to a good file, and a word of the message. All of it must be an InputError that names the file.
DAMAGED = {
    "another version": (_set("format", value="jaxscale.fit/2"), "this version reads jaxscale.fit/1"),
    "another format": (_set("format", value="somebody.else/1"), "somebody.else/1"),
    "no format": (_drop("format"), "no file that jaxscale wrote"),
    "a format that is a list": (_set("format", value=["jaxscale.fit/1"]), ""),
    "a law that is not known": (_set("law", value="kaplun"), "law="),
    "a law that is a number": (_set("law", value=7), ""),
    "options of a law that it lacks": (_set("law_options", value={"breaks": 2}), ""),
    "a parameter missing": (_drop("theta", "alpha"), "alpha"),
    "a parameter too many": (_set("theta", "gamma", value=1.0), "gamma"),
    "a parameter as text": (_set("theta", "alpha", value="0.3"), "finite number"),
    "a parameter as true": (_set("theta", "alpha", value=True), "finite number"),
    "a parameter as null": (_set("theta", "alpha", value=None), "finite number"),
    "a huge integer": (_set("theta", "alpha", value=10**400), ""),
    "an objective that is not known": (_set("objective", "kind", value="cubic"), "cubic"),
    "an objective that makes no sense": (_set("objective", "delta", value=-1.0), "delta must be"),
    "a verdict that contradicts itself": (_set("verdict", "trustworthy", value=False), "contradicts"),
    "a severity that is not known": (
        _set("verdict", "reasons", value=[{"code": "x", "severity": "dire", "text": ""}]),
        "",
    ),
    "a covariance of other parameters": (_set("covariance", "names", value=["a", "b", "c", "d", "e"]), "covariance"),
    "a covariance that is not square": (_set("covariance", "matrix", value=[[1.0, 2.0]]), ""),
    "a ragged covariance": (_set("covariance", "matrix", value=[[1.0], [1.0, 2.0]]), ""),
    "an interval with one end": (_set("intervals", "params", "alpha", value=[0.3]), ""),
    "a standard error of another parameter": (
        _set("intervals", "theta_standard_errors", value={"gamma": 0.1}),
        "standard errors",
    ),
    "a run changed": (_set("runs", "data", "loss", 0, value=1.0), "SHA-256"),
    "runs without a hash": (_drop("runs", "sha256"), "sha256"),
    "a count as text": (_set("starts", "count", value="many"), "finite number"),
    "a seed as a list": (_set("seed", value=[]), ""),
    "no verdict": (_drop("verdict"), "verdict"),
    "starts as null": (_set("starts", value=None), ""),
    "ties as a number": (_set("constraints", "tied", value=3), ""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name, full, tmp_path):
    change, message = DAMAGED[name]
    data = json.loads(json.dumps(full.to_dict()))
    change(data)
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(js.InputError, match=message or None) as caught:
        js.load(path)
    assert "damaged.json" in str(caught.value)


TEXTS = {
    "empty": b"",
    "truncated": None,  # made from a good file below
    "not JSON": b"params: 3",
    "a list": b"[]",
    "a number": b"7",
    "huge nesting": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"format": ' * 50_000,
    "not text": bytes(range(128, 256)),
    "infinity": b'{"format": "jaxscale.fit/1", "law": Infinity}',
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_fit_file_is_refused(name, full, tmp_path):
    path = tmp_path / "other.json"
    full.save(path)
    path.write_bytes(path.read_bytes()[:2000] if TEXTS[name] is None else TEXTS[name])
    with pytest.raises(js.InputError, match=r"other\.json"):
        js.load(path)


def test_a_file_that_is_not_there_and_one_of_another_kind(draws, tmp_path):
    with pytest.raises(js.InputError, match="cannot read"):
        js.load(tmp_path / "nothing.json")
    with pytest.raises(js.InputError, match="cannot read"):
        js.load(tmp_path)
    draws.save(tmp_path / "draws.json")
    with pytest.raises(js.InputError, match="holds Draws, not one fit"):
        js.FitResult.load(tmp_path / "draws.json")


# --- predictions ---


def test_predictions_are_the_laws_at_the_parameters(full):
    p = full.params
    N, D = np.array([1e8, 7e10]), np.array([1e10, 1.4e12])
    expected = p["E"] + p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]
    np.testing.assert_allclose(full.predict(N=N, D=D), expected, rtol=1e-13)
    assert type(full.predict(N=7e10, D=1.4e12)) is float


@pytest.mark.parametrize(
    ("name", "variables"),
    [("bootstrap", {"N": 7e10, "D": 1.4e12}), ("quick", {"N": 1e9, "D": 1e11}), ("options", {"D": 1e12})],
)
def test_the_interval_of_a_prediction_is_monte_carlos(name, variables, kinds):
    """Parameters drawn from the covariance, made so small that the law is straight over them."""
    result = kinds[name]
    small = 1e-4
    result = replace(result, covariance=replace(result.covariance, matrix=small * result.covariance.matrix))
    value, (low, high) = result.predict_interval(**variables)
    draws = np.random.default_rng(0).multivariate_normal(result.theta, result.covariance.matrix, size=40_000)
    values = [np.exp(draws[:, k]) if p.transform == "log" else draws[:, k] for k, p in enumerate(result.law.parameters)]
    responses = by_hand(result.law, values, variables)
    assert value == pytest.approx(result.predict(**variables), rel=1e-14)
    half = 0.5 * np.diff(np.quantile(np.log(responses), [0.05, 0.95]))[0]
    assert 0.5 * np.log(high / low) == pytest.approx(half, rel=0.03)
    assert low < value < high


def by_hand(law, values, variables):
    """By hand, for the two laws of the test above."""
    if law.name == "chinchilla":
        A, B, E, alpha, beta = values
        return E + A / variables["N"] ** alpha + B / variables["D"] ** beta
    A, E, alpha = values
    return E + A / variables["D"] ** alpha


def test_a_prediction_without_a_covariance_has_no_interval(kinds):
    value, interval = kinds["pinned"].predict_interval(N=1e9, D=1e10)
    assert interval is None and value == kinds["pinned"].predict(N=1e9, D=1e10)
    with pytest.raises(js.InputError, match="one run"):
        kinds["quick"].predict_interval(N=np.array([1e9, 1e10]), D=np.array([1e9, 1e10]))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"N": 1e9}, "misses variable D"),
        ({"N": 1e9, "D": 1e9, "C": 1}, "no variable C"),
        ({"N": -1, "D": 1e9}, "positive"),
    ],
)
def test_a_prediction_that_cannot_be_made_is_refused(variables, message, full):
    with pytest.raises(js.InputError, match=message):
        full.predict(**variables)


# --- what people see ---


def test_the_verdict_comes_first(kinds, fits):
    for result in kinds.values():
        text, html = str(result), result._repr_html_()
        lines = text.splitlines()
        assert lines[1].split(":")[0].split(",")[0] in ("trustworthy", "NOT TRUSTWORTHY")
        body = html.split("</style>")[1]
        assert body.index('class="verdict"') < body.index("<table")
        for name, value in result.params.items():
            assert name in text and name in html
            assert not 1e-3 < value < 1e6 or f"{value:.6g}" in text
        for reason in result.verdict.reasons:
            assert reason.code in text and reason.code in html
    assert "NOT TRUSTWORTHY" in str(kinds["three runs"])


def test_text_from_the_table_is_inert_in_a_report(fits):
    html = fits._repr_html_()
    assert "<b>bad</b>" not in html and "&lt;b&gt;bad&lt;/b&gt;" in html
    assert "1 failed" in str(fits)


def test_a_frame_of_parameters(full):
    frame = full.to_frame()
    assert list(frame.index) == list(LAW.parameter_names)
    assert frame["value"].to_dict() == full.params
    assert frame.loc["alpha", "low"] == full.intervals.params["alpha"][0]
    assert frame.loc["alpha", "standard_error"] == full.intervals.standard_errors["alpha"]


def test_the_frame_says_what_was_held(kinds):
    notes = kinds["pinned"].to_frame()["note"]
    assert (
        notes["E"] == "fixed"
        and notes["alpha"] == "tied to beta"
        and notes["beta"] == "tied to alpha"
        and notes["A"] == ""
    )


def test_a_frame_of_groups(fits):
    frame = fits.to_frame()
    assert frame["ok"].tolist() == [True, False] and len(fits) == 2
    assert frame.loc[0, "alpha"] == fits["good"].params["alpha"]
    assert frame.loc[1, "error"].startswith("bad_input: ") and pd.isna(frame.loc[1, "alpha"])
    with pytest.raises(js.InputError, match="has no fit"):
        fits["<b>bad</b>"]
    with pytest.raises(js.InputError, match="no group 'other'"):
        fits["other"]


def test_a_frame_of_draws_and_their_intervals(draws):
    frame = draws.to_frame()
    assert list(frame.columns) == list(LAW.parameter_names) and len(frame) == 40
    np.testing.assert_allclose(np.log(frame["A"]), draws.draws[:, 0])
    np.testing.assert_array_equal(frame["alpha"], draws.draws[:, 3])
    assert draws.interval("A", 0.8) == pytest.approx(tuple(np.quantile(frame["A"], [0.1, 0.9])))
    with pytest.raises(js.InputError, match="no parameter 'gamma'"):
        draws.interval("gamma")
    assert str(draws).splitlines()[1].startswith(("trustworthy", "NOT TRUSTWORTHY"))


def test_records_are_frozen(full, fits, draws):
    for record in (full, fits, draws, full.verdict, full.intervals, full.starts):
        with pytest.raises(FrozenInstanceError):
            record.seed = 1


def test_runs_without_any_scatter_can_be_shown():
    same = js.fit("chinchilla", planted().subset(np.zeros(30, int)), intervals="quick")
    assert same.sigma == 0 or same.value < 1e-20
    assert "NOT TRUSTWORTHY" in str(same) and "NOT TRUSTWORTHY" in same._repr_html_()
    N, D = (np.array(planted().variables[k]) for k in "ND")
    exact = js.fit("chinchilla", js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}))
    assert exact.params == pytest.approx(TRUTH, rel=1e-5) and str(exact)
