"""Plans: points, intervals by two routes, what is absent, what is refused, how it is shown."""

import json
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from helpers import compilations
from sources import BESIROGLU, COVARIANCE, draws_like, fit_like

from jaxscale import Huber, costs
from jaxscale._base.errors import InputError
from jaxscale._planning.frontier import QUANTITIES, frontier
from jaxscale._planning.sensitivity import moved
from jaxscale._trust.matched import AtNoise
from jaxscale.laws import Instance, Law, Published, Variable, chinchilla, kaplan_n

# --- points -----------------------------------------------------------------------------------------------------------


def test_plan_of_published_constants():
    source = chinchilla.published["besiroglu"]
    wide = jax.config.read("jax_enable_x64")
    plan = frontier(source, [1e21, "5.76e23"])
    assert jax.config.read("jax_enable_x64") == wide
    assert [row.status for row in plan.rows] == ["ok", "ok"]
    np.testing.assert_allclose([row.N for row in plan.rows], [2.778459e9, 7.224870e10], rtol=5e-7)
    np.testing.assert_allclose([row.D for row in plan.rows], [5.998528e10, 1.328744e12], rtol=5e-7)
    for row in plan.rows:
        assert type(row.N) is float
        assert row.loss == pytest.approx(source.predict(N=row.N, D=row.D), rel=1e-13)
        assert row.tokens_per_param == pytest.approx(row.D / row.N, rel=1e-13)
        assert row.cost == pytest.approx(row.budget, rel=1e-13)
        assert max(row.certificate[name] for name in ("kkt", "violation")) < 1e-12
        assert row.certificate["global"]
        assert row.intervals == {}
        assert row.decades_beyond_data is None
    assert plan.method is None
    assert "neither a covariance nor draws" in plan.notes[0]


@pytest.mark.parametrize(
    "given", [1e24, "1e24", 10**24, np.float32(1e24), np.array(1e24), [1e24], np.array([1e24]), (1e24,)]
)
def test_forms_of_one_budget(given):
    (row,) = frontier(BESIROGLU, given).rows
    np.testing.assert_allclose(row.N, frontier(BESIROGLU, 1e24).rows[0].N, rtol=1e-6)


def test_a_plan_says_how_the_estimate_at_the_noise_would_move_it():
    """Of a known fit, by the closed form: N = G (C / 6)^a."""
    params = dict(BESIROGLU.params) | {"A": 1.2 * BESIROGLU.params["A"]}
    plan = frontier(fit_like(at_noise=(AtNoise(Huber(0.006), params),)), [1e21, 1e24])
    move = 100 * (1.2 ** (1 / (params["alpha"] + params["beta"])) - 1)
    assert f"(Huber 0.006) this plan moves: N by {move:+.2g} %, D by {100 * (1 / (1 + move / 100) - 1):+.2g} %" in str(
        plan.notes
    )


@pytest.mark.parametrize("count", [1, 8, 9, 5000])
def test_any_number_of_budgets_in_order(count):
    budgets = 10 ** np.linspace(18, 27, count)
    plan = frontier(BESIROGLU, (b for b in budgets))
    exact = chinchilla.closed_forms["allocation"]
    np.testing.assert_array_equal([row.budget for row in plan.rows], budgets)
    with jax.enable_x64(True):
        np.testing.assert_allclose([row.N for row in plan.rows], exact(BESIROGLU.params, budgets).N, rtol=1e-11)


def test_a_second_plan_compiles_nothing():
    first = Instance(chinchilla, "mine", Published({**BESIROGLU.params, "alpha": 0.3}, "made up"))
    before = compilations()
    frontier(first, [1e20, 1e21], cost=costs.CostModel("fresh", lambda log_N, log_D: 2 + log_N + log_D))
    assert compilations() > before  # the count below would see one
    frontier(first, [1e20, 1e21])
    before = compilations()
    frontier(BESIROGLU, [1e22, 1e23, 1e24])
    assert compilations() == before


def test_sensitivity_against_closed_form():
    budgets = np.array([1e21, 1e24])
    p = BESIROGLU.params
    total = p["alpha"] + p["beta"]
    log_N = np.array([np.log(row.N) for row in frontier(BESIROGLU, budgets).rows])
    exact = {  # derivatives of log N* = (log(alpha A / (beta B)) + beta log(C / 6)) / (alpha + beta)
        "A": 1 / total + 0 * log_N,
        "B": -1 / total + 0 * log_N,
        "E": 0 * log_N,
        "alpha": (1 / p["alpha"] - log_N) / total,
        "beta": (np.log(budgets / 6) - 1 / p["beta"] - log_N) / total,
        "budget": p["beta"] / total + 0 * log_N,
    }
    plan = frontier(BESIROGLU, budgets)
    for name, derivative in exact.items():
        frame = plan.sensitivity(name).to_frame()
        np.testing.assert_allclose(frame["N"], derivative, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(frame["tokens_per_param"], frame["D"] - frame["N"], rtol=1e-12, atol=1e-12)
        assert set(frame["per"]) == {"raw" if name in ("alpha", "beta") else "log"}
    answers = plan.sensitivity()
    text = str(answers)
    for heading, row in zip(("budget 1e21 FLOPs", "budget 1e24 FLOPs"), range(2), strict=True):
        lines = [line.split() for line in text.split(heading)[1].splitlines()]
        printed = {line[0]: line for line in lines[:9] if line}
        assert float(printed["B"][2]) == pytest.approx(exact["B"][row], rel=0.01)
        assert float(printed["beta"][2]) == pytest.approx(p["beta"] * exact["beta"][row], rel=0.01)
        assert printed["beta"][1] == "0.3672" and float(printed["budget"][1]) > 0
    assert repr(answers) == f"<Sensitivity what 1 % more of one assumption changes · {plan.label}: 12 answers>"
    assert "<h4>budget 1e24 FLOPs</h4>" in answers._repr_html_()
    everything = answers.to_frame()
    assert len(everything) == 2 * 6
    # Envelope: at the optimum, the loss answers to E as if nothing else moved.
    loss_per_E = everything.query("parameter == 'E'")["loss"]
    np.testing.assert_allclose(loss_per_E, [p["E"] / row.loss for row in plan.rows], rtol=1e-10)
    with pytest.raises(
        InputError, match="no parameter 'gamma' in chinchilla; choose one of A, B, E, alpha, beta, budget"
    ):
        plan.sensitivity("gamma")


# --- intervals --------------------------------------------------------------------------------------------------------


def test_delta_method_against_gaussian_draws_of_a_small_covariance():
    small = COVARIANCE / 400
    budgets = [1e21, 5.76e23, 1e26]
    delta = frontier(fit_like(small, level=0.8), budgets)
    drawn = frontier(draws_like(20_000, small, level=0.8), budgets)
    assert delta.method == "delta method, covariance by bootstrap"
    assert drawn.method == "percentiles of 20000 draws"
    for one, other in zip(delta.rows, drawn.rows, strict=True):
        assert one.N == other.N
        for name in QUANTITIES:
            low, high = np.log(one.intervals[name])
            assert low < np.log(getattr(one, name)) < high
            # A 10 % quantile of 20,000 draws has a standard error of 1 % of the half width.
            np.testing.assert_allclose(np.log(other.intervals[name]), [low, high], atol=0.03 * (high - low))


def test_intervals_of_the_240_epoch_runs():
    # Known: 80 % interval of D/N at 5.76e23 (11.0, 30.8) from Gaussian draws; the delta method is a little narrower.
    delta = frontier(fit_like(), 5.76e23, level=0.8).rows[0].intervals["tokens_per_param"]
    drawn = frontier(draws_like(20_000), 5.76e23, level=0.8).rows[0].intervals["tokens_per_param"]
    np.testing.assert_allclose(delta, [10.7, 29.9], rtol=0.01)
    np.testing.assert_allclose(drawn, [11.0, 30.8], rtol=0.05)


def test_level_comes_from_the_source_unless_given():
    assert frontier(BESIROGLU, 1e21).level == 0.9
    wide, narrow = (frontier(fit_like(level=0.5), 1e24, level=level) for level in (0.95, None))
    assert (wide.level, narrow.level) == (0.95, 0.5)
    widths = [np.diff(np.log(plan.rows[0].intervals["N"]))[0] for plan in (wide, narrow)]
    np.testing.assert_allclose(widths[0] / widths[1], 1.959963985 / 0.674489750, rtol=1e-8)  # normal quantiles


def test_parameters_without_a_row_in_the_covariance_are_exact():
    order = [3, 0]
    names = tuple(chinchilla.parameter_names[i] for i in order)
    part = COVARIANCE[np.ix_(order, order)]
    padded = np.zeros((5, 5))
    padded[np.ix_(order, order)] = part
    few, all_five = frontier(fit_like(part, names), 1e24), frontier(fit_like(padded), 1e24)
    np.testing.assert_allclose(few.rows[0].intervals["D"], all_five.rows[0].intervals["D"], rtol=1e-12)


def test_no_uncertainty_in_what_no_parameter_moves():
    only_E = frontier(fit_like(np.array([[0.01]]), ("E",)), 1e24).rows[0]
    np.testing.assert_allclose(only_E.intervals["N"], only_E.N, rtol=1e-9)
    low, high = only_E.intervals["loss"]
    share = BESIROGLU.params["E"] / only_E.loss
    np.testing.assert_allclose(np.log(high / low), 2 * 1.644853627 * 0.1 * share, rtol=1e-8)


@pytest.mark.parametrize("broken", [np.full((5, 5), np.nan), -COVARIANCE])
def test_a_broken_covariance_gives_no_interval(broken):
    assert frontier(fit_like(broken), 1e24).rows[0].intervals == {}


def test_draws_without_an_optimum_are_left_out_and_counted():
    source = draws_like(100)
    source.draws[:5, 3] = -0.1  # alpha
    source.draws[5, 0] = np.nan
    plan = frontier(source, 1e24)
    assert "6 of 100 draws have no best N and D" in plan.notes[0]
    kept = SimpleNamespace(**{**vars(source), "draws": source.draws[6:]})
    assert plan.rows[0].intervals == frontier(kept, 1e24).rows[0].intervals
    source.draws[:11, 3] = -0.1  # more than the tails hold
    assert frontier(source, 1e24).rows[0].intervals == {}


def test_theta_is_taken_from_the_source_where_it_has_one():
    # A floor that vanished in the fit: its log is -inf, its natural value 0.
    params = {**BESIROGLU.params, "E": 0.0}
    theta = chinchilla.theta(BESIROGLU.params)
    theta[2] = -np.inf
    source = fit_like(theta=theta)
    source.params = params
    (row,), (with_floor,) = frontier(source, 1e24).rows, frontier(BESIROGLU, 1e24).rows
    np.testing.assert_allclose(row.N, with_floor.N, rtol=1e-12)
    np.testing.assert_allclose(row.loss, with_floor.loss - BESIROGLU.params["E"], rtol=1e-12)
    assert set(row.intervals) == set(QUANTITIES)


# --- what a row says --------------------------------------------------------------------------------------------------


def test_distance_from_the_data():
    runs = SimpleNamespace(ranges={"N": (1e7, 1e9), "D": (1e9, 1e12), "loss": (2.0, 4.0)})
    near, far = frontier(fit_like(record=runs), [1e18, 5.76e23]).rows
    assert near.decades_beyond_data == 0
    np.testing.assert_allclose(far.decades_beyond_data, np.log10(far.N / 1e9), rtol=1e-12)  # D is only 0.1 beyond
    assert "1 of 2 budgets needs N or D beyond the largest run, 5.76e23 by 1.9 decades" in str(
        frontier(fit_like(record=runs), [1e18, 5.76e23])
    )


def test_a_plan_says_first_that_its_fit_is_not_trustworthy():
    plan = frontier(fit_like(verdict=SimpleNamespace(trustworthy=False)), 1e24)
    assert str(plan).splitlines()[1] == "THE FIT BEHIND THIS PLAN IS NOT TRUSTWORTHY"
    assert plan.notes[0] == "The fit behind this plan is not trustworthy; see its verdict."
    assert "NOT TRUSTWORTHY" in repr(plan)
    sound = frontier(fit_like(verdict=SimpleNamespace(trustworthy=True)), 1e24)
    assert "trustworthy" not in str(sound).lower()
    (row,) = sound.rows
    assert repr(sound) == f"<Plan chinchilla, 1 row: N {row.N / 1e9:.4g}B and D {row.D / 1e12:.4g}T>"


def test_no_interior_optimum_is_a_failed_row():
    flat = Instance(chinchilla, "flat", Published({**BESIROGLU.params, "alpha": 0.0}, "made up"))
    plan = frontier(flat, [1e21, 1e24])
    assert [row.status for row in plan.rows] == ["failed", "failed"]
    assert all(np.isnan([row.N, row.D, row.loss, row.cost]).all() for row in plan.rows)
    assert "loss keeps falling towards one end" in plan.rows[0].note
    assert "2 of 2 budgets have no certified optimum" in str(plan)
    assert plan.to_dict()["rows"][0]["N"] is None
    assert plan.to_frame()["N"].isna().all()


def test_an_optimum_in_a_corner_of_the_law_is_found_and_named():
    corner = Law.from_loss(
        lambda E, A, B, a, b, *, N, D: E + A * N**-a + B * jax.numpy.minimum(D, 1e11) ** -b, name="corner"
    )
    source = Instance(corner, "x", Published({"E": 1.8, "A": 480.0, "B": 2085.0, "a": 0.35, "b": 0.37}, "made up"))
    (row,) = frontier(source, 1e24).rows
    assert row.status == "ok"
    np.testing.assert_allclose([row.N, row.D], [1e24 / 6e11, 1e11], rtol=1e-11)
    assert "corner" in row.note


def test_a_fit_not_to_be_trusted_is_named():
    source = fit_like(verdict=SimpleNamespace(trustworthy=False))
    assert "not trustworthy" in frontier(source, 1e24).notes[0]


def test_frame_dictionary_and_text():
    plan = frontier(fit_like(label="<b>mine</b>\x1b[31m"), [1e21, 1e24])
    frame = plan.to_frame()
    assert list(frame["budget"]) == [1e21, 1e24]
    for name in QUANTITIES:
        assert (frame[f"{name}_lo"] < frame[name]).all()
        assert (frame[f"{name}_hi"] > frame[name]).all()
    plain = plan.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["format"] == "jaxscale.plan/1"
    promised = ["budget", "status", "conflict", "N", "D", "loss", "tokens_per_param", "cost", "binding", "certificate"]
    promised += ["shadow_price", "intervals", "regret", "decades_beyond_data", "variables", "reach_loss", "note"]
    assert list(plain["rows"][0]) == promised
    assert plain["rows"][1]["cost"]["FLOPs"] == pytest.approx(1e24)
    text = str(plan)
    assert "90 %" in text
    assert "delta method" in text
    assert "\x1b" not in text
    assert "<b>" not in plan._repr_html_()
    with pytest.raises(FrozenInstanceError):
        plan.level = 0.5  # pyright: ignore


def test_a_response_that_is_not_positive_keeps_its_scale():
    law = Law(
        "signed",
        lambda p, log_N, log_D: -5 + p.A * jax.numpy.exp(-p.a * log_N) + p.B * jax.numpy.exp(-p.b * log_D),
        parameters=("A", "B", "a", "b"),
        response=Variable("score", domain="real"),
    )
    params = {"A": 480.0, "B": 2085.0, "a": 0.35, "b": 0.37}
    source = SimpleNamespace(
        law=law, params=params, covariance=SimpleNamespace(names=["A"], matrix=[[0.01]], method="assumption")
    )
    (row,) = frontier(source, 1e24).rows
    assert row.loss == pytest.approx(law.predict(params, N=row.N, D=row.D))
    assert row.intervals["loss"][0] < row.loss < row.intervals["loss"][1] < 0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "budgets", "options", "message"),
    [
        (BESIROGLU, [], {}, "no budget; give at least one"),
        (BESIROGLU, [1e21, -1e21], {}, "budget 2 of 2 must be positive and finite"),
        (BESIROGLU, 0, {}, "the budget must be positive"),
        (BESIROGLU, float("nan"), {}, "must be positive and finite"),
        (BESIROGLU, [np.inf], {}, "must be positive and finite"),
        (BESIROGLU, "lots", {}, "the budget: 'lots' is not a number"),
        (BESIROGLU, ["1e21", "1e21 FLOPs"], {}, "budget 2 of 2: '1e21 FLOPs' is not a number"),
        (BESIROGLU, None, {}, "give budgets or reach_loss, one of the two"),
        (BESIROGLU, True, {}, "must be positive and finite, got 'True'"),
        (BESIROGLU, [[1e21]], {}, "the budget is not a number"),
        (BESIROGLU, 10**400, {}, "the budget is not a number"),
        (BESIROGLU, 1e21, {"cost": "seven_nd"}, "no cost model 'seven_nd'; choose one of six_nd, kaplan"),
        (BESIROGLU, 1e21, {"cost": 6}, "cost must be a CostModel or one of six_nd, kaplan"),
        (BESIROGLU, 1e21, {"limits": {"N": 1e9}}, "there is no limit 'N'; write N_max"),
        (BESIROGLU, 1e21, {"limits": 1e9}, "limits are a mapping"),
        (BESIROGLU, 1e21, {"limits": {"N_max": -1}}, "N_max must be positive"),
        (BESIROGLU, 1e21, {"limits": {"E_max": 8}}, "limit 'E_max' asks for 'log_E'"),
        (BESIROGLU, 1e21, {"limits": {"D_per_N": 20}}, "D_per_N takes a pair"),
        (BESIROGLU, 1e21, {"fixed": {"N": 1e9, "D": 1e10}}, "nothing to plan"),
        (BESIROGLU, 1e21, {"reach_loss": 2.0}, "give budgets or reach_loss"),
        (BESIROGLU, 1e21, {"cost": costs.kaplan}, "cost must be a CostModel .* call it"),
        (BESIROGLU, 1e21, {"level": 90}, r"level must lie between 0 and 1 \(0.9 is 90 %\), got 90"),
        (chinchilla, 1e21, {}, "made from a fit, draws or a law with published constants, got 'Law'"),
        ("chinchilla:besiroglu", 1e21, {}, "got 'str'"),
        (chinchilla.published["minicpm_avg"], 1e21, {}, "law 'chinchilla' misses parameter A, B, E"),
        (next(iter(kaplan_n.published.values())), 1e21, {}, "cost six_nd is one of N, D, but law kaplan_n has N"),
        (fit_like(names=("a", "b", "c", "d", "e")), 1e21, {}, "the covariance names a, b, c, d, e"),
        (fit_like(COVARIANCE[:4]), 1e21, {}, "must be square"),
        (
            SimpleNamespace(**{**vars(draws_like(3)), "draws": np.ones((3, 4))}),
            1e21,
            {},
            r"shape \(count, 5\), got \(3, 4\)",
        ),
    ],
)
def test_what_cannot_be_planned(source, budgets, options, message):
    with pytest.raises(InputError, match=message):
        frontier(source, budgets, **options)


def test_cost_by_name():
    assert frontier(BESIROGLU, 1e21, cost="kaplan").cost == "kaplan"


@pytest.mark.parametrize(
    ("slope", "step", "logged", "text"),
    [
        (1.4, 0.01, True, "+1.4 %"),
        (-1.4, 1e-4, True, "-0.014 %"),
        (1e9, 0.01, True, "+1e+09 %"),  # beside a loss that cannot be reached
        (-30.0, 0.01, False, "-0.3"),
        (1e-12, 0.01, True, "0 %"),
        (np.nan, 0.01, True, "-"),
    ],
)
def test_a_step_moves_logs_by_per_cent(slope, step, logged, text):
    assert moved(slope, step, logged) == text


def test_tables_of_a_plan_that_cannot_be_say_why():
    plan = frontier(BESIROGLU, [1e20, 1e24], limits={"N_min": 1e9, "D_min": 1e13})
    text = str(plan.sensitivity())
    assert "1 of 2 budgets cannot keep to all limits" in text
    first, second = text.split("budget 1e24 FLOPs")
    assert "N_min" in first.split("budget 1e20 FLOPs")[1] and "alpha" not in first and "alpha" in second
