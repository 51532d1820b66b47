"""A finished fit: what it prints, what it predicts, and what comes back from its file."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep

import jaxscale as js
from jaxscale._base import files
from jaxscale._base.verdict import Verdict
from jaxscale._problem.objectives import objective_from
from jaxscale._problem.problem import Noise
from jaxscale._solver.outcome import Starts
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.identification import Identification
from jaxscale._trust.intervals import Intervals


def test_a_result_holds_plain_numbers(result):
    assert all(type(v) is float for v in (*result.params.values(), result.value, result.gradient_norm, result.sigma))
    assert type(result.theta) is np.ndarray and result.theta.dtype == np.float64
    assert result.precision == "float64" and result.label == "chinchilla" and result.level == 0.9


def test_params_are_the_natural_values_of_theta(result):
    a, b, e, alpha, beta = result.theta
    expected = {"A": np.exp(a), "B": np.exp(b), "E": np.exp(e), "alpha": alpha, "beta": beta}
    assert result.params == pytest.approx(expected, rel=1e-14)


def one_ray() -> js.Runs:
    """Eight noisy runs at D = 20 N: the ends of the intervals leave the range of numbers."""
    N = np.geomspace(1e7, 1e8, 8)
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": 20 * N}, noise=0.1, seed=0)


@pytest.fixture(scope="module")
def kinds(full) -> dict[str, js.FitResult]:
    """Fits that differ in every part of the file."""
    runs = sweep()
    return {
        "bootstrap": full,
        "quick": js.fit("chinchilla", runs, intervals="quick"),
        "pinned": js.fit(
            "chinchilla",
            runs.subset(range(30)),
            fixed={"E": 1.8},
            tied=[("alpha", "beta")],
            bounds={"A": (1, None)},
            intervals=None,
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


@pytest.mark.parametrize("name", KINDS)
def test_each_part_of_a_fit_writes_and_reads_itself(name, kinds):
    made = kinds[name]
    written = json.loads(json.dumps(files.finite(made.intervals.to_dict())))
    assert Intervals.from_dict(written, made.law, made.theta) == made.intervals
    assert Verdict.from_dict(made.verdict.to_dict()) == made.verdict
    assert Starts.from_dict(made.starts.to_dict(), LAW.parameter_names).to_dict() == made.starts.to_dict()
    assert Identification.from_dict(files.finite(made.identification.to_dict())) == made.identification
    if made.covariance is not None:
        again = Covariance.from_dict(made.covariance.to_dict(), made.law.parameter_names)
        np.testing.assert_array_equal(again.matrix, made.covariance.matrix)


@pytest.mark.parametrize(
    "objective",
    [
        js.Huber(0.02, 2.0, "raw"),
        js.SquaredError("raw", 3.0),
        js.AbsoluteError(overestimate=2.0),
        js.StudentT(3.0, 0.1),
        js.LowerEdge(0.2, 0.01, "raw"),
    ],
)
def test_an_objective_and_its_noise_write_and_read_themselves(objective):
    assert objective_from(objective.to_dict()) == objective
    noise = Noise(0.01, 0.5, 2e-5)
    assert Noise.from_dict(noise.to_dict()) == noise


def test_a_loaded_fit_goes_where_a_fit_goes(kinds, tmp_path):
    kinds["bootstrap"].save(tmp_path / "fit.json")
    loaded = js.load(tmp_path / "fit.json")
    assert loaded.predict(N=7e9, D=1e12) == pytest.approx(kinds["bootstrap"].predict(N=7e9, D=1e12), rel=1e-13)
    one, two = (js.bootstrap(f, draws=20, seed=4).draws for f in (loaded, kinds["bootstrap"]))
    np.testing.assert_allclose(one, two, rtol=1e-9)
    assert loaded.starts.to_frame().empty


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


def test_records_are_frozen(full, fits, draws):
    for record in (full, fits, draws, full.verdict, full.intervals, full.starts):
        with pytest.raises(FrozenInstanceError):
            record.seed = 1


def test_runs_without_any_scatter_can_be_shown():
    same = js.fit("chinchilla", sweep().subset(np.zeros(30, int)), intervals="quick")
    assert same.sigma == 0 or same.value < 1e-20
    assert "NOT TRUSTWORTHY" in str(same) and "NOT TRUSTWORTHY" in same._repr_html_()
    N, D = (np.array(sweep().variables[k]) for k in "ND")
    exact = js.fit("chinchilla", js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}))
    assert exact.params == pytest.approx(TRUTH, rel=1e-5) and str(exact)


# Tables for papers
def test_the_table_for_a_paper_has_the_constants_and_says_what_was_done(result):
    table = result.paper_table()
    assert [row[0] for row in table.rows] == list(result.law.parameter_names)
    for name, value, span, _ in table.rows:
        unit = 10.0 ** -len(value.partition(".")[2])
        assert float(value) == pytest.approx(result.params[name], abs=0.51 * unit)
        ends = [float(end) for end in span.split(" to ")]
        assert ends == pytest.approx(result.intervals.params[name], abs=0.51 * unit)
    for words in ("law chinchilla", "60 runs", "Huber 0.001 on log loss", "Intervals: ", "Verdict: "):
        assert words in table.title
    assert all(row[1] in result.to_markdown() and row[1] in result.to_latex() for row in table.rows)
    caption = js.frontier(result, [1e22]).paper_table().title  # a plan's table says how its law was fitted, too
    assert result.fitted_by in table.title and f"{result.fitted_by}; cost six_nd. In brackets: 90 % " in caption
    assert "hoffmann2022" in result.cite() and "huber1964" in result.cite()
