"""The kinds of faults A to P by which real tables were read or judged wrong, each on random tables of its kind.

Several have theirs in tests/data, beside what they are of: A checkpoints in test_checkpoints.py, B decimal marks in
test_decimals.py, H names in test_columns.py, I layouts in test_separators.py, test_headers.py, test_wide.py and
test_json_tables.py, J units in test_quantities.py, test_loss_units.py and test_columns.py, K sweeps in test_sweeps.py.
"""

import re
import shlex

import numpy as np
import pytest
from helpers import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxscale as js
from jaxscale._data.runs import Runs, read_quietly

pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
FEW = settings(max_examples=5)  # of what makes a fit
SOME = settings(max_examples=25)
TRUTH = {"E": 1.7, "A": 400.0, "alpha": 0.34, "B": 410.0, "beta": 0.28}
X = np.geomspace(1e6, 1e9, 12)
NO_TEXT = ["images", "train images", "n_demonstrations", "hours", "chars", "episodes", "molecules", "examples"]
RESPONSES = ["WER (%)", "elo", "accuracy gap", "mAP error", "optimal_wd", "rmse", "time_to_solve"]


def noise_free(seed: int, **columns) -> dict[str, np.ndarray]:
    """Thirty runs on a law drawn near Hoffmann's."""
    rng = np.random.default_rng(seed)
    truth = {name: x * np.exp(0.1 * rng.standard_normal()) for name, x in TRUTH.items()}
    N, D = (np.exp(rng.uniform(*np.log(ends), 30)) for ends in ((3e7, 3e9), (1e9, 1e11)))
    return {"params": N, "tokens": D, "loss": np.asarray(js.laws.chinchilla.predict(truth, N=N, D=D)), **columns}


def fatal(result: js.FitResult) -> set[str]:
    return {reason.code for reason in result.verdict.reasons if reason.severity == "fatal"}


@given(st.floats(0.8, 1.2), st.floats(0.8, 1.2), st.floats(0.2, 5.0), st.integers(3, 9))
@settings(max_examples=15)
@pytest.mark.slow
def test_c_and_l_profiles_follow_the_compute_of_the_table_from_three_sizes_on(a, b, k, sizes):
    """C = k N^a D^b: N grows as C^(beta / (b alpha + a beta)), in closed form.

    From five sizes on the shape is the law's own, so that optima are the closed form's. Parabolas through three or four
    sizes miss it, since the law is steeper towards small sizes; they are those of `numpy.linalg.lstsq`.
    """
    alpha, beta = TRUTH["alpha"], TRUTH["beta"]
    scale = k * 1e9 ** (1 - a) * 1e10 ** (1 - b)
    growth = beta / (b * alpha + a * beta)
    budgets = np.geomspace(1e19, 1e22, 5)
    best = (b * alpha * TRUTH["A"] / (a * beta * TRUTH["B"]) * (budgets / scale) ** (beta / b)) ** (b * growth / beta)
    away = np.log(np.geomspace(0.5, 2, sizes))
    N = (best[:, None] * np.exp(away)).ravel()
    C = np.repeat(budgets, sizes)
    D = (C / scale / N**a) ** (1 / b)
    loss = np.asarray(js.laws.chinchilla.predict(TRUTH, N=N, D=D))
    found = js.isoflop(Runs({"N": N, "D": D, "C": C}, loss), draws=0)
    exact = sizes >= 5
    assert found.method == ("unbiased" if exact else "parabola")
    if not exact:
        assert found.to_frame()["N"].to_numpy() == pytest.approx(best, rel=0.02)
        each = np.kron(np.eye(5), np.stack([np.ones(sizes), away], axis=1))  # a height and a slope for each budget
        columns = np.column_stack([each, np.tile(away**2, 5)])
        *lines, curvature = np.linalg.lstsq(columns, np.log(loss), rcond=None)[0]
        best = best * np.exp(-np.array(lines[1::2]) / (2 * curvature))
        growth = np.polyfit(np.log(budgets), np.log(best), 1)[0]
    assert found.N.exponent == pytest.approx(growth, abs=1e-7)
    assert found.to_frame()["N"].to_numpy() == pytest.approx(best, rel=1e-6)


@given(
    st.sampled_from(NO_TEXT), st.sampled_from([("", 1), (" (M)", 1e6), (" (thousands)", 1e3)]), st.floats(1e-3, 10.0)
)
@SOME
def test_d_and_f_data_that_are_no_text_have_any_ratio_and_their_own_words(column, unit, ratio):
    table = {"params": X, column + unit[0]: X * ratio / unit[1], "val_loss": np.linspace(3, 2, 12)}
    runs = read_quietly(table, D=column + unit[0])
    assert runs.variables["D"] == pytest.approx(X * ratio, rel=1e-12)
    assert not [note for note in runs.record.notes if note.severity == "fatal"]
    assert "token" not in str(runs)


@given(st.floats(-5, 5), st.floats(0.2, 0.8), st.floats(1.0, 30.0))
@FEW
@pytest.mark.slow
def test_e_a_floor_of_either_sign_is_found_where_the_response_may_be_negative(floor, alpha, A):
    table = {"x": X / 1e6, "y": floor + A * (X / 1e6) ** -alpha}
    runs = js.read_runs(table, x="x", response="y", domains={"response": "real"})
    law = js.laws.power_law("x", real=True)
    found = js.fit(law, runs, objective=js.SquaredError("raw"), intervals="none").params
    assert [found["E"], found["A"], found["alpha"]] == pytest.approx([floor, A, alpha], rel=1e-4, abs=1e-4)


@given(st.floats(-5, -0.5), st.sampled_from(["y", "score", "delta"]))
@SOME
def test_e_and_n_values_below_zero_are_told_the_domain(lowest, name):
    with pytest.raises(js.InputError, match="--response-domain real"):
        js.read_runs({"x": X, name: np.linspace(lowest, 3, 12)}, x="x", response=name)


@given(st.sampled_from(RESPONSES), st.floats(0.1, 90))
@SOME
def test_f_no_response_but_a_loss_is_called_one_or_counted_in_nats(name, value):
    runs = read_quietly({"x": X, name: value + np.arange(12.0)}, x="x", response=name)
    assert not re.search(r"\b(loss|nats|token)", str(runs))
    assert runs.record.measure.given_name in name


@given(st.integers(0, 2**31))
@FEW
@pytest.mark.slow
def test_g_tables_without_noise_raise_no_alarm(seed):
    result = js.fit("chinchilla", js.read_runs(noise_free(seed)), intervals="none")
    assert result.verdict.trustworthy, result.verdict
    alarms = {"residual_trend", "lack_of_fit", "influential_runs", "mixed_conventions", "groups_differ", "one_sided"}
    assert not alarms & {reason.code for reason in result.verdict.reasons}


@given(st.floats(0.5, 5), st.floats(5.0, 80.0), st.floats(0.2, 0.8), st.floats(1.1, 3.0))
@FEW
@pytest.mark.slow
def test_m_a_law_of_one_variable_is_solved_for_it(floor, A, alpha, times):
    """E + A x^-alpha = r at x = (A / (r - E))^(1 / alpha)."""
    law = js.laws.power_law("hours")
    plan = js.frontier(law.at(E=floor, A=A, alpha=alpha), reach_loss=[floor * times])
    assert plan.rows[0].variables["hours"] == pytest.approx((A / (floor * times - floor)) ** (1 / alpha), rel=1e-6)


@given(st.integers(0, 2**31), st.floats(0.05, 0.2))
@FEW
@pytest.mark.slow
def test_o_groups_on_laws_of_their_own_are_not_pooled_in_silence(seed, apart):
    rng = np.random.default_rng(seed)
    x = np.tile(np.geomspace(1e6, 1e9, 12), 2)
    loss = (1.5 + 60 * x**-0.3) * np.exp(0.002 * rng.standard_normal(24))
    table = {"params": x, "loss": loss, "corpus": ["web"] * 12 + ["books"] * 12}
    law = js.laws.power_law()
    assert "groups_differ" not in fatal(js.fit(law, js.read_runs(table), intervals="none"))
    table["loss"] = loss * np.where(np.arange(24) < 12, 1, 1 + apart)
    assert not js.fit(law, js.read_runs(table), intervals="none").verdict.trustworthy


@given(st.integers(1, 4), st.integers(0, 3))
@SOME
def test_p_one_thing_is_not_called_several(rows, bad):
    table = {"params": X[:rows], "tokens": X[:rows], "loss": [*["x"] * min(bad, rows), *[3.0] * rows][:rows]}
    try:
        said = str(read_quietly(table, on_bad="drop" if bad % 2 else "raise"))
    except js.InputError as error:
        said = str(error)
    assert not re.search(r"(?<!row )(?<![.\d])1 (?!is|was|has|does)[a-z]+s\b(?<!ss)", said), said


# --- N: advice that can be followed ---
CASES = ROOT / "tests" / "cases"
ADVICE = re.compile(r"\((?:on the command line )?(-[^()]*(?:\([^()]*\)[^()]*)*)\)|(--law '[^']*'(?: --col '[^']*')?)")
# Where no flag can help: what is wrong is in the table.
NO_FLAG = {
    "04b_weight_decay_tilde.csv": "04_weight_decay.csv",
    "77d_no_header.csv": "there is no header",
    "04_weight_decay.csv": "nothing in the table says what is predicted",
    "23_offset.csv": "nor here",
    "25_bounds.csv": "nor here",
    "27_two_points.csv": "a model without data has no law",
}


def advised(message: str, tried: list[str]) -> list[str]:
    """The first advice of a message that has not been tried, as flags."""
    for found in ADVICE.finditer(" ".join(message.split())):
        text = (found[1] or found[2]).split(" or ")[0]
        if "COLUMN" in text or "..." in text or text in tried or not re.match(r"--?[\w-]+ ", text):
            continue
        tried.append(text)
        return shlex.split(text)
    return []


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir() if path.name not in NO_FLAG))
def test_n_what_a_refusal_advises_leads_to_a_fit(jaxscale, monkeypatch, name):
    """The first flags of each message, pasted, until a fit is begun: the refusals of every case are a way in."""

    def begun(*_, **__):
        raise js.InputError("begun")

    monkeypatch.setattr(js, "fit", begun)
    flags: list[str] = []
    tried: list[str] = []
    for _ in range(6):
        status, _, err = jaxscale("fit", str(CASES / name), *flags, "--intervals", "none")
        assert status == 2, err
        if "error: begun" in err:
            return
        more = advised(err, tried)
        assert more, (flags, err)
        flags += more
    raise AssertionError(flags)
