"""Plans for budgets: published points, rows that fail or lie far from the data, and what is refused."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from helpers import compilations
from sources import BESIROGLU, COVARIANCE, draws_like, fit_like

import jaxscale as js
from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._planning.frontier import frontier
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
    assert "without a covariance" in plan.notes[0]


@pytest.mark.parametrize(
    "given", [1e24, "1e24", 10**24, np.float32(1e24), np.array(1e24), [1e24], np.array([1e24]), (1e24,)]
)
def test_forms_of_one_budget(given):
    (row,) = frontier(BESIROGLU, given).rows
    np.testing.assert_allclose(row.N, frontier(BESIROGLU, 1e24).rows[0].N, rtol=1e-6)


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
    frontier(first, [1e20, 1e21], cost=costs.CostModel("fresh", lambda log_N, log_D: 2 + log_N + log_D, convex=True))
    assert compilations() > before  # the count below would see one
    frontier(first, [1e20, 1e21])
    before = compilations()
    frontier(BESIROGLU, [1e22, 1e23, 1e24])
    assert compilations() == before


# --- what a row says --------------------------------------------------------------------------------------------------


def test_distance_from_the_data():
    runs = SimpleNamespace(ranges={"N": (1e7, 1e9), "D": (1e9, 1e12), "loss": (2.0, 4.0)})
    near, far = frontier(fit_like(record=runs), [1e18, 5.76e23]).rows
    assert near.decades_beyond_data == 0
    np.testing.assert_allclose(far.decades_beyond_data, np.log10(far.N / 1e9), rtol=1e-12)  # D is only 0.1 beyond
    assert near.times_largest_run is None


@pytest.mark.parametrize(
    ("budgets", "trustworthy", "said"),
    [
        ([1e20, 1e21], True, None),
        ([5e21], True, "5e21 FLOPs is 5 times your largest run; the verdict vouches for 10."),
        (
            [1e21, 3.3e24],
            True,
            "3,300 times your largest run; the verdict vouches for 10 (1 of 2 budgets lies beyond).",
        ),
        ([3.3e24], False, "3.3e24 FLOPs is 3,300 times your largest run."),
    ],
)
def test_what_the_verdict_vouches_for_is_told_in_compute(budgets, trustworthy, said):
    plan = frontier(fit_like(verdict=SimpleNamespace(trustworthy=trustworthy, scope=1e22)), budgets)
    np.testing.assert_allclose(plan.to_frame()["times_largest_run"], np.array(budgets) / 1e21, rtol=1e-9)
    text = " ".join(str(plan).split())
    assert (said in text) if said else ("largest run" not in text)


def test_no_interior_optimum_is_a_failed_row():
    flat = Instance(chinchilla, "flat", Published({**BESIROGLU.params, "alpha": 0.0}, "made up"))
    plan = frontier(flat, [1e21, 1e24])
    assert [row.status for row in plan.rows] == ["failed", "failed"]
    assert all(np.isnan([row.N, row.D, row.loss, row.cost]).all() for row in plan.rows)
    assert "loss keeps falling towards one end" in plan.rows[0].note
    assert "2 of 2 budgets have no certified optimum" in str(plan)
    assert plan.to_dict()["rows"][0]["N"] is None
    assert plan.to_frame()["N"].isna().all()


@pytest.mark.slow
def test_an_optimum_in_a_corner_of_the_law_is_found_and_named():
    corner = Law.from_loss(
        lambda E, A, B, a, b, *, N, D: E + A * N**-a + B * jax.numpy.minimum(D, 1e11) ** -b, name="corner"
    )
    source = Instance(corner, "x", Published({"E": 1.8, "A": 480.0, "B": 2085.0, "a": 0.35, "b": 0.37}, "made up"))
    (row,) = frontier(source, 1e24).rows
    assert row.status == "ok"
    np.testing.assert_allclose([row.N, row.D], [1e24 / 6e11, 1e11], rtol=1e-11)
    assert "corner" in row.note


@pytest.mark.slow
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
        (BESIROGLU, ["1e21", "1e21 flips"], {}, "budget 2 of 2: '1e21 flips' is not a number"),
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:look at the table")
def test_the_tables_own_compute_is_offered_and_planned_with():
    """Against the same plan with the cost written out, and silence where the table's compute is 6 N D."""
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 6)))
    runs = js.Runs.from_frame({"N": N, "D": D, "C": 2 * N**1.04 * D, "loss": BESIROGLU.predict(N=N, D=D)})
    fit = SimpleNamespace(law=chinchilla, params=BESIROGLU.params, record=None, runs=runs)
    plain = frontier(fit, 1e22)
    assert any('cost="table"' in note for note in plain.notes)
    (row,) = frontier(fit, 1e22, cost="table").rows
    written = costs.CostModel("own", lambda n, d: np.log(2) + 1.04 * n + d, convex=True)
    (same,) = frontier(BESIROGLU, 1e22, cost=written).rows
    assert (row.N, row.D, row.loss) == pytest.approx((same.N, same.D, same.loss), rel=1e-6)
    as_usual = js.Runs.from_frame({"N": N, "D": D, "C": 6 * N * D, "loss": runs.response})
    assert not any("table" in note for note in frontier(SimpleNamespace(**{**vars(fit), "runs": as_usual}), 1e22).notes)
    with pytest.raises(InputError, match="brings none"):
        frontier(BESIROGLU, 1e22, cost="table")


@pytest.mark.slow
def test_a_law_of_one_variable_says_how_much_of_it_reaches_a_response():
    """x = ((L - E) / A)^(-1 / alpha), and its interval by the delta method from the formula's slopes."""
    law, truth = js.laws.power_law("hours"), {"A": 70.0, "E": 4.0, "alpha": 0.45}
    errors = {"A": 0.7, "E": 0.05, "alpha": 0.004}
    plan = frontier(law.at(**truth, standard_errors=errors), reach_loss=[5.0, 10.0])

    def hours(loss: float, A: float, E: float, alpha: float) -> float:
        return ((loss - E) / A) ** (-1 / alpha)

    for row, loss in zip(plan.rows, (5.0, 10.0), strict=True):
        best = hours(loss, **truth)
        assert row.status == "ok" and row.variables["hours"] == pytest.approx(best, rel=1e-8)
        assert row.cost == pytest.approx(best, rel=1e-8)
        steps = [np.log(hours(loss, **truth | {k: truth[k] + 1e-4 * s}) / best) / 1e-4 for k, s in errors.items()]
        half = 1.6448536 * np.sqrt(sum(x**2 for x in steps))
        assert np.log(np.divide(row.intervals["cost"], best)) == pytest.approx([-half, half], rel=1e-3)
    printed = str(plan)
    assert "hours" in printed and "D/N" not in printed
    (never,) = frontier(law.at(**truth), reach_loss=3.0).rows
    assert never.status == "infeasible"
    (held,) = frontier(js.laws.chinchilla.published["besiroglu"], reach_loss=2.2, fixed={"N": 1e10}).rows
    assert held.cost == pytest.approx(6 * 1e10 * held.D)  # what a size costs is compute, not tokens
    assert (held.N, held.tokens_per_param) == (1e10, pytest.approx(held.D / 1e10, rel=1e-14))


def test_plans_for_models_that_cannot_be_are_refused_in_a_sentence():
    low, sound, high = frontier(BESIROGLU, [100, 1e22, 1e40]).rows
    assert (low.status, sound.status, high.status) == ("failed", "ok", "failed")
    assert "tokens (none learns from fewer than 1M); look at the units" in low.note
    assert "parameters (no model has 1e15)" in high.note and np.isnan(high.N)
    images = SimpleNamespace(ranges={}, counts_tokens=False)
    assert frontier(fit_like(record=images), 1e12).rows[0].status == "ok"


def test_limits_and_prices_of_data_that_are_no_tokens_are_called_so():
    source = fit_like(record=SimpleNamespace(ranges={}, counts_tokens=False), response=Measure(data="images"))
    plan = frontier(source, 1e21, limits={"D_max": 1e10})
    assert plan.rows[0].shadow_price["D_max"].unit == "nats per token per trillion images"
    assert "Limits: D_max 10B images." in str(plan)
    assert "token" not in str(plan).replace("nats per token", "")
