"""The factor between best sizes is found back."""

import pytest
from helpers import TRUTH, sweep

import jaxscale as js


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
