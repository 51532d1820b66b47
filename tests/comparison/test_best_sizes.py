"""The factor between best sizes is found back: of losses by the lowest point, of accuracies by the highest."""

import math

import numpy as np
import pytest
from helpers import TRUTH, sweep

import jaxscale as js
from jaxscale._analyses.comparison.best_sizes import best_size_factor, budget_groups
from jaxscale.laws import Variable

LOSS = Variable("loss")
LOWER, HIGHER = Variable("error", domain="unit"), Variable("accuracy", domain="unit", better="higher")


def six_budgets(noise: float, seed: int = 0) -> js.Runs:
    """Six budgets of nine sizes on the Chinchilla law."""
    return sweep(6, 9, top=3e20, noise=noise, seed=seed)


@pytest.mark.slow
def test_the_factor_of_the_best_size_is_found_back():
    """Predictions of the same law with its optimum moved: N* grows as A^(1 / (alpha + beta)) (Hoffmann et al. 2022)."""
    moved = js.Law.from_loss(
        lambda k, *, N, D: TRUTH["E"] + TRUTH["A"] * k * 1.5 * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"],
        name="moved",
    )
    found = js.compare(
        six_budgets(0.0), {"moved": (moved, {"bounds": {"k": (0.9999999, 1.0000001)}})}, holdout="C > 1e20"
    )
    expected = 1.5 ** (1 / (TRUTH["alpha"] + TRUTH["beta"]))
    assert found["moved", "C > 1e20"].optimum_factor == pytest.approx(expected, rel=0.05)  # by parabolas


@pytest.mark.parametrize("response", [LOWER, HIGHER], ids=lambda response: response.better)
def test_the_best_is_the_lowest_or_the_highest(response):
    """Parabolas in log N with vertices a factor of 1.5 apart, turned the way the response is better."""
    sign = -1.0 if response.better == "higher" else 1.0
    N = np.geomspace(1e8, 1e9, 7)
    observed, predicted = (0.5 + sign * 0.05 * (np.log(N) - math.log(best)) ** 2 for best in (3e8, 4.5e8))
    runs = js.Runs({"N": N, "D": 1e20 / 6 / N}, observed, response.name)
    factor, count = best_size_factor(runs, predicted, budget_groups(runs), response)
    assert count == 1 and factor == pytest.approx(1.5, rel=1e-9)
    upside_down = LOWER if response is HIGHER else HIGHER
    assert best_size_factor(runs, predicted, budget_groups(runs), upside_down)[1] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rounding", [0.0, 1e-12, 1e-9], ids=str)
def test_a_straight_line_has_no_best_size_however_budgets_are_rounded(rounding):
    """A law that is linear in log N along a budget bends by the rounding of D alone, and says no size in silence."""
    N = np.geomspace(1e8, 1e9, 9)
    D = 1e20 / 6 / N * (1 + rounding * np.random.default_rng(0).standard_normal(9))
    runs = js.Runs({"N": N, "D": D}, 2 + 0.05 * (np.log(N) - math.log(3e8)) ** 2)
    predicted = np.exp(0.8 - 0.05 * np.log(N) - 0.02 * np.log(D))
    factor, count = best_size_factor(runs, predicted, budget_groups(runs), LOSS)
    assert math.isnan(factor) and count == 1
