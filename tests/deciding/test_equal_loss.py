"""Equal-loss compute by closed forms: Chinchilla scaled along its frontier, power laws, published frontiers."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

import jaxscale as js
from jaxscale._analyses.deciding.equal_loss import balanced_percentiles, critical
from jaxscale._analyses.deciding.joint_errors import JointErrors
from studies.multiplier import DESIGNS, GAINS, TRUTH, pair, study, written

CHINCHILLA = js.laws.chinchilla
POWER = js.laws.power_law("C", floor=False)
# Frontiers in PF-days, Liu et al. 2025, "Muon is scalable for LLM training", table 3.
MOONLIGHT = {"AdamW": POWER.at(A=2.608, alpha=0.054), "Muon": POWER.at(A=2.506, alpha=0.052)}


@pytest.mark.parametrize("gain", ["equal", "1.05x", "1.3x"])
def test_a_recipe_that_is_worth_m_times_its_compute_has_that_multiplier_at_every_scale(gain):
    """L_B(N, D) = L_A(sqrt(m) N, sqrt(m) D), so that C_A = m C_B under C = 6 N D."""
    a, b = (CHINCHILLA.at(**law) for law in pair(gain))
    found = js.multiplier({"A": a, "B": b}, at=["1e19", 1e22, 1e25])
    m = {"equal": 1.0, "1.05x": 1.05, "1.3x": 1.3}[gain]
    assert [row.multiplier for row in found.rows] == pytest.approx([m] * 3, rel=1e-6)
    assert found.trends[0].factor == pytest.approx(1, abs=1e-6)
    loss = found.rows[1].response
    assert js.multiplier({"A": a, "B": b}, loss=loss).rows[0].compute == pytest.approx(1e22, rel=1e-6)


def test_the_published_frontiers_of_moonlight_need_half_of_the_compute():
    """52 % of the FLOPs, the paper says; by its constants .46 to .53 from 1 to 25 PF-days."""
    scales = np.array([1.0, 4.05, 18.0, 25.0])
    found = js.multiplier(MOONLIGHT, at=scales)
    closed = (2.506 / 2.608 * scales**0.054) ** (1 / 0.052)
    assert [row.compute_needed for row in found.rows] == pytest.approx(closed, rel=1e-9)
    assert [round(row.ratio, 2) for row in found.rows] == [0.46, 0.49, 0.52, 0.53]
    assert found.trends[0].factor == pytest.approx(10 ** (1 - 0.054 / 0.052), rel=1e-9)  # AdamW catches up
    other_way = js.multiplier(MOONLIGHT, ["Muon", "AdamW"], at=4.05).rows[0]
    assert other_way.ratio == pytest.approx(1.99, abs=0.005)


def test_of_scores_that_are_better_when_higher_more_is_better():
    """y = a + b ln x: a point more is worth exp(1 / b) of x."""
    law = js.laws.log_law("C")
    found = js.multiplier({"A": law.at(a=1, b=2), "B": law.at(a=2, b=2)}, at=100.0).rows[0]
    assert (found.ratio, found.response) == pytest.approx((math.exp(-0.5), 1 + 2 * math.log(100)))


def test_intervals_are_those_of_fieller():
    """log L = log A - alpha log C: the c at which two lines cannot be told apart solve a quadratic equation."""
    a = POWER.at(A=2.608, alpha=0.054, standard_errors={"A": 0.004})
    b = POWER.at(A=2.5, alpha=0.052, standard_errors={"A": 0.005, "alpha": 0.0008})
    row = js.multiplier({"A": a, "B": b}, at=math.exp(2.0), level=0.9).rows[0]
    z = norm.ppf(0.95)
    va, vb, slope = (0.004 / 2.608) ** 2, (0.005 / 2.5) ** 2, 0.0008**2
    p = math.log(2.608) - 0.054 * 2 - math.log(2.5)  # (p + alpha c)^2 = z^2 (va + vb + c^2 slope)
    ends = np.sort(np.roots([0.052**2 - z**2 * slope, 2 * p * 0.052, p**2 - z**2 * (va + vb)]).real)
    assert np.log(row.interval) + 2 == pytest.approx(ends, abs=2e-5)


def test_draws_are_each_compared_for_themselves():
    rng = np.random.default_rng(3)
    draws = {k: POWER.theta({"A": 2.6, "alpha": 0.05}) + rng.normal(0, 5e-4, (400, 2)) for k in "AB"}
    recipes = {k: SimpleNamespace(law=POWER, params={"A": 2.6, "alpha": 0.05}, draws=v) for k, v in draws.items()}
    row = js.multiplier(recipes, at=math.exp(3.0), seed=5).rows[0]
    rng = np.random.default_rng(5)
    a, b = (draws[k][rng.permutation(400)] for k in "AB")
    needed = (b[:, 0] - a[:, 0] + a[:, 1] * 3) / b[:, 1] - 3
    assert np.log(row.interval) == pytest.approx(np.quantile(needed, [0.05, 0.95], method="nearest"), abs=1e-6)
    assert row.ratio == pytest.approx(1, abs=1e-6)


def test_what_a_recipe_never_reaches_is_said_and_decides():
    good = CHINCHILLA.at(**TRUTH, standard_errors={"E": 0.02})
    bad = CHINCHILLA.at(**{**TRUTH, "E": 2.2}, standard_errors={"E": 0.02})
    found = js.multiplier({"good": good, "bad": bad}, at=1e24)
    assert (found.chosen, found.rows[0].ratio, found.rows[0].multiplier) == ("good", math.inf, 0)
    assert "bad does not reach the loss that good reaches at 1e24 FLOPs" in found.verdict
    turned = js.multiplier({"bad": bad, "good": good}, at=1e24)
    assert (turned.chosen, turned.rows[0].ratio) == ("good", 0)
    assert "with less than a hundredth of the compute" in turned.verdict
    unsure = CHINCHILLA.at(**{**TRUTH, "E": 1.8}, standard_errors={"E": 0.2})
    low, high = js.multiplier({"good": good, "unsure": unsure}, at=1e24).rows[0].interval
    assert low < 1 and high == math.inf


def test_limits_are_kept_by_both():
    """Where both may train no longer than 1e11 tokens, the frontier is L(C / 6e11, 1e11)."""
    a, b = (CHINCHILLA.at(**law) for law in pair("1.3x"))
    row = js.multiplier({"A": a, "B": b}, at=1e24, limits={"D_max": 1e11}).rows[0]
    reached = CHINCHILLA.predict(b.params, N=row.compute_needed / 6e11, D=1e11)
    assert reached == pytest.approx(CHINCHILLA.predict(a.params, N=1e24 / 6e11, D=1e11), rel=1e-7)


def test_intervals_of_several_hold_at_once():
    """Of independent candidates and a baseline that is known, Sidak's; balanced percentiles likewise."""
    own = (np.zeros((1, 1)), *(np.eye(1),) * 3)
    joint = JointErrors(own, {(i, j): lambda a, b: np.zeros(()) for i in range(4) for j in range(i + 1, 4)}, ())
    sidak = norm.ppf((1 + 0.9 ** (1 / 3)) / 2)
    assert critical(joint, np.ones(1), [np.ones(1)] * 3, 0.9, 0) == pytest.approx(sidak, abs=0.01)
    ends = balanced_percentiles(np.random.default_rng(0).standard_normal((3, 40_000)), 0.9)
    assert np.abs(ends) == pytest.approx(np.full((3, 2), sidak), abs=0.05)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give at .compute of the baseline. or loss"),
        ({"at": 1.0, "loss": 2.0}, "one of the two"),
        ({"at": 1.0, "between": ["AdamW", "SOAP"]}, "no recipe 'SOAP'; there are 'AdamW', 'Muon'"),
        ({"at": 1.0, "between": ["AdamW"]}, "two recipes or more, the baseline first"),
        ({"at": -1.0}, "must be positive"),
        ({"at": 1.0, "threshold": 2}, "threshold is a share of compute"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(given, words):
    with pytest.raises(js.InputError, match=words):
        js.multiplier(MOONLIGHT, **given)


def test_a_loss_that_the_baseline_never_reaches_is_named():
    with pytest.raises(js.InputError, match=r"the baseline A reaches no loss of 1.5"):
        js.multiplier({"A": CHINCHILLA.at(**TRUTH), "B": CHINCHILLA.at(**TRUTH)}, loss=1.5)


def test_responses_of_two_kinds_are_not_compared():
    with pytest.raises(js.InputError, match=r"A predicts loss and B score"):
        js.multiplier({"A": MOONLIGHT["Muon"], "B": js.laws.log_law("C").at(a=1, b=2)}, at=1.0)


def test_a_table_without_a_column_of_recipes_is_refused():
    with pytest.raises(js.InputError, match="by="):
        js.multiplier("runs.csv", at=1e22)


ASKED = [f"Gaussian, {design}, {gain}" for design in ("shared", "separate") for gain in GAINS]


def test_the_study_says_that_intervals_hold():
    """1,000 tables a cell, standard error .95 %."""
    cells = written()
    assert set(ASKED) <= set(cells)
    for name, cell in cells.items():
        assert cell["tables"] >= 990
        assert min(*cell["held"], cell["trend"]) >= 0.87 and max(*cell["held"], cell["trend"]) <= 0.93, name
        if name.endswith("equal"):
            assert max(*cell["chose_b"]) <= 0.05, name
        if "shared" in name:
            assert max(cell["narrower"]) <= 0.7, name


@pytest.mark.slow  # 600 fits
@pytest.mark.parametrize("design", DESIGNS)
def test_other_tables_say_what_the_study_says(design):
    ((_, seen),) = study(design, "Gaussian", 100, gains=["equal"], seed=1, intervals="quick")
    assert seen.tables == 100
    assert np.abs(np.array([*seen.held, seen.trend]) - 0.9).max() < 3.5 * 0.03  # .03: standard error
    assert max(seen.chose_b) <= 0.1
    assert max(seen.narrower) < (0.6 if design == "shared" else 0.8)
