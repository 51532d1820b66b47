"""Laws joined by >>: the composition, its plan in closed form, fits in stages and jointly, and files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, huber, logsumexp

import jaxscale as js
from jaxscale._cli import app
from jaxscale._trust import interval_method
from jaxscale._trust.covariance import central_covariance

LOSS, ERROR = js.laws.instance("chinchilla:besiroglu"), js.laws.instance("gadre_err:c4_17")
TRUTH = {**LOSS.params, **ERROR.params}
CHAIN = js.laws.chinchilla >> js.laws.gadre_err


def planted(noise: float, count: int = 60, seed: int = 0) -> js.Runs:
    """Runs with a noisy loss, and errors that follow the observed loss."""
    rng = np.random.default_rng(seed)
    N, D = np.exp(rng.uniform(np.log(3e7), np.log(3e10), count)), np.exp(rng.uniform(21, 27, count))
    loss = LOSS.predict(N=N, D=D) * np.exp(noise * rng.standard_normal(count))
    error = ERROR.predict(loss=loss) + noise * rng.standard_normal(count)
    return js.Runs({"N": N, "D": D, "loss": loss}, error, "error")


def test_a_chain_is_one_law_after_the_other():
    N, D = np.geomspace(1e8, 1e11, 5), np.geomspace(1e10, 1e13, 5)
    assert CHAIN.predict(TRUTH, N=N, D=D) == pytest.approx(ERROR.predict(loss=LOSS.predict(N=N, D=D)), rel=1e-14)
    assert CHAIN.response.name == "error"
    assert [v.name for v in CHAIN.variables] == ["N", "D"]
    accuracy = js.laws.llama3_task_loss >> js.laws.task_accuracy  # the two steps that llama3_two_step is
    two_step = js.laws.llama3_two_step
    params = {"slope": 0.1, "C_0": 1e31, "chance": 0.25, "ceiling": 0.9, "k": 4.0, "x_0": 0.8}
    assert accuracy.predict(params, C=1e24) == pytest.approx(two_step.predict(params, C=1e24), rel=1e-14)


def test_names_that_clash_get_a_number_and_powers_follow():
    halves = js.Law("halves", lambda p, *, log_loss: p.log_A - p.alpha * log_loss, variables=("loss",),
                    parameters=("A", js.laws.Parameter("alpha", "identity", dimension={"loss": "-alpha"})),
                    response="halved")  # fmt: skip
    twice = js.laws.chinchilla >> halves
    assert twice.parameter_names == ("A", "B", "E", "alpha", "beta", "A_2", "alpha_2")
    found = twice.predict({**LOSS.params, "A_2": 3.0, "alpha_2": 2.0}, N=1e9, D=1e10)
    assert found == pytest.approx(3.0 * LOSS.predict(N=1e9, D=1e10) ** -2.0)
    assert twice.parameters[-1].growth("loss", {"alpha_2": 7.0}) == -7.0


def test_the_same_laws_give_the_same_chain_by_name_too():
    assert js.laws.chinchilla >> js.laws.gadre_err is CHAIN
    assert js.laws.get("chinchilla >> gadre_err") is CHAIN
    curve = js.laws.bnsl(2, "C") >> js.laws.gadre_err
    assert js.laws.get(curve.name) is curve
    assert js.laws.get("bnsl(breaks=2, variable=C)") is js.laws.bnsl(2, "C")


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ("chinchilla", "task_accuracy", "chinchilla predicts loss, task_accuracy takes task_loss"),
        ("chinchilla", "kaplan_nd", "kaplan_nd takes N, D"),
    ],
)
def test_what_does_not_fit_together_is_refused(first, then, message):
    with pytest.raises(js.InputError, match=message):
        js.laws.get(f"{first} >> {then}")


@pytest.mark.slow
def test_least_compute_for_an_accuracy_is_the_closed_form():
    """The loss that 60 % accuracy needs, and the budget whose optimum has it (Hoffmann et al. 2022, Eq. 4)."""
    instance = js.laws.Instance(CHAIN, "test", js.laws.Published(TRUTH, "test"))
    plan = js.frontier(instance, reach_loss=0.4)
    assert "error to reach" in str(plan) and "loss to reach" not in str(plan)
    change = js.what_if(plan, set={"gamma": "x1.1"})
    p = TRUTH
    for (row,), gamma in ((plan.rows, p["gamma"]), (change.after.rows, 1.1 * p["gamma"])):
        wanted = (np.log(p["k"]) - np.log(p["epsilon"] - 0.4)) / gamma - p["E"]
        # On the optimum alpha A N^-alpha = beta B D^-beta, so each term is a fixed share of the reducible loss.
        share = p["beta"] / (p["alpha"] + p["beta"])
        N = (p["A"] / (share * wanted)) ** (1 / p["alpha"])
        D = (p["B"] / ((1 - share) * wanted)) ** (1 / p["beta"])
        assert (row.N, row.D, row.cost) == pytest.approx((N, D, 6 * N * D), rel=1e-6)


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return planted(0.004)


@pytest.fixture(scope="module")
def staged(runs) -> js.FitResult:
    return js.fit_chain(CHAIN, runs, draws=200)


@pytest.mark.slow
@pytest.mark.parametrize("joint", [False, True])
def test_a_planted_truth_is_found_back(runs, joint):
    exact = js.fit_chain(CHAIN, planted(1e-9), joint=joint, intervals=None)
    assert exact.params == pytest.approx(TRUTH, rel=1e-4)
    found = js.fit_chain(CHAIN, runs, joint=joint, draws=200)
    for p in CHAIN.parameters:
        off = p.to_theta(found.params[p.name]) - p.to_theta(TRUTH[p.name])
        assert abs(off) < 3 * found.intervals.theta_standard_errors[p.name], p.name
        in_units = p.slope(p.to_theta(found.params[p.name])) * found.intervals.theta_standard_errors[p.name]
        assert found.intervals.standard_errors[p.name] == pytest.approx(in_units, rel=1e-9), p.name
    _, (low, high) = found.predict_interval(N=1e11, D=2e12)
    assert low < ERROR.predict(loss=LOSS.predict(N=1e11, D=2e12)) < high
    assert 0 < high - low < 0.05


@pytest.fixture
def draws_as_in_chains(monkeypatch):
    """Lone fits draw as the steps of a chain do, which share their draws: two more runs, however few the parameters."""
    monkeypatch.setattr(interval_method, "_FEWEST_FREE_FOR_MORE", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("draws_as_in_chains")
def test_stages_are_the_fits_of_each_step_and_draws_are_of_the_same_runs(runs, staged):
    first = js.fit("chinchilla", js.Runs({k: runs.variables[k] for k in "ND"}, runs.variables["loss"]), intervals=None)
    then = js.fit("gadre_err", js.Runs({"loss": runs.variables["loss"]}, runs.response, "error"), intervals=None)
    assert staged.params == pytest.approx({**first.params, **then.params}, rel=1e-12)
    both = np.hstack([js.bootstrap(one, draws=200, seed=0).draws for one in (first, then)])
    assert staged.covariance.matrix == pytest.approx(central_covariance(both), rel=1e-9)
    assert staged.intervals.method == "pairs_bias_corrected"
    plan = js.frontier(staged, reach_loss=0.4)
    assert plan.rows[0].intervals["cost"][0] < plan.rows[0].cost < plan.rows[0].intervals["cost"][1]


@pytest.mark.slow
@pytest.mark.usefixtures("draws_as_in_chains")
def test_each_step_of_a_chain_has_the_end_points_that_suit_its_noise(runs):
    """Of a Huber delta that is typical for the loss, and a tenth of what errors scatter."""
    wide = replace(runs, response=runs.response + 0.04 * np.random.default_rng(5).standard_normal(runs.count))
    found = js.fit_chain(CHAIN, wide, objective=js.Huber(0.004), draws=100)
    assert found.intervals.method == "pairs_by_step"
    assert "(percentile for chinchilla, bias-corrected percentile for gadre_err)" in str(found).replace("\n  ", " ")
    loss = wide.variables["loss"]
    tables = {
        "chinchilla": js.Runs({k: wide.variables[k] for k in "ND"}, loss),
        "gadre_err": js.Runs({"loss": loss}, wide.response, "error"),
    }
    for law, table in tables.items():
        one = js.fit(law, table, objective=js.Huber(0.004), draws=100, intervals="bootstrap")
        for name, ends in one.intervals.params.items():
            assert found.intervals.params[name] == pytest.approx(ends, rel=1e-9)


@pytest.mark.slow
def test_no_other_optimiser_finds_a_better_joint_fit(runs):
    """The stacked objective in NumPy; a simplex from the result cannot lower it."""
    staged = js.fit_chain(CHAIN, runs, intervals=None)
    found = js.fit_chain(CHAIN, runs, joint=True, intervals=None)
    N, D, loss = (runs.variables[k] for k in ("N", "D", "loss"))

    def residuals(theta):
        a, b, e, alpha, beta, odds, k, gamma = theta
        log_loss = logsumexp(np.stack([a - alpha * np.log(N), b - beta * np.log(D), np.full(len(N), e)]), axis=0)
        return log_loss - np.log(loss), expit(odds) - np.exp(k - np.exp(gamma + log_loss)) - runs.response

    first = js.fit("chinchilla", js.Runs({"N": N, "D": D}, loss), intervals=None)
    then = js.fit("gadre_err", js.Runs({"loss": loss}, runs.response, "error"), intervals=None)
    scale = first.sigma / then.sigma

    def objective(theta):
        of_loss, of_error = residuals(theta)
        return np.sum(huber(1e-3, of_loss)) + np.sum(huber(1e-3, scale * of_error))

    assert found.value == pytest.approx(objective(found.theta), rel=1e-9)
    assert found.value <= objective(staged.theta)
    end = minimize(
        objective, found.theta, method="Nelder-Mead", options={"maxfev": 4000, "xatol": 1e-12, "fatol": 1e-16}
    )
    assert found.value <= end.fun * (1 + 1e-9)


@pytest.mark.slow
def test_a_chain_is_saved_and_read_back_by_name(staged, tmp_path):
    staged.save(tmp_path / "fit.json")
    again = js.load(tmp_path / "fit.json")
    assert again.law is CHAIN
    assert again.params == staged.params
    assert again.predict(N=1e10, D=1e12) == staged.predict(N=1e10, D=1e12)


@pytest.mark.slow
def test_a_chain_is_not_resampled_from_its_last_response_alone(staged):
    with pytest.raises(js.InputError, match="resampled where it is fitted"):
        js.bootstrap(staged, draws=20)


def test_what_a_chain_needs_is_said(runs):
    with pytest.raises(js.InputError, match="do not show loss, which lies between"):
        js.fit_chain(CHAIN, js.Runs({k: runs.variables[k] for k in "ND"}, runs.response, "error"))
    with pytest.raises(js.InputError, match="is no chain"):
        js.fit_chain("chinchilla", runs)


@pytest.mark.data
@pytest.mark.slow
def test_gemstones_from_size_and_tokens_to_accuracy(data_folder):
    """770 checkpoints of 22 models, mean error on nine tasks; nothing published: the scatter is the measure."""
    frame = pd.read_csv(data_folder / "gemstones_downstream.csv")
    tasks = [name for name in frame if name.startswith("acc_")]
    frame = frame.assign(
        error=1 - frame[tasks].mean(axis=1), model=frame.width.astype(str) + "x" + frame.depth.astype(str)
    )
    runs = js.Runs.from_frame(frame, N="params", D="tokens", loss="loss", response="error", run="model")
    found = js.fit_chain(CHAIN, runs, intervals=None)
    assert found.verdict.trustworthy
    off = found.predict(N=runs.variables["N"], D=runs.variables["D"]) - runs.response
    assert np.abs(off).mean() < 0.006
    assert np.abs(off).mean() < 0.25 * np.abs(runs.response - runs.response.mean()).mean()


@pytest.mark.slow
def test_a_chain_from_a_shell(runs, staged, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs.to_frame().to_csv("runs.csv", index=False)
    fit = (
        "fit",
        "runs.csv",
        "--law",
        "chinchilla >> gadre_err",
        "--loss",
        "loss",
        "--response",
        "error",
        "-o",
        "fit.json",
    )
    assert app.run((*fit, "--bootstrap", "200")) == 0
    assert js.load("fit.json").params == pytest.approx(staged.params, rel=1e-9)
    capsys.readouterr()
    assert app.run(("predict", "fit.json", "-N", "1B", "-D", "20B", "--json")) == 0
    assert f"{staged.predict(N=1e9, D=2e10):.5f}" in capsys.readouterr().out
    assert app.run((*fit, "--tie", "alpha,beta")) == 2
    assert "--tie cannot be used with a chain" in capsys.readouterr().err
