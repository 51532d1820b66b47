"""Surfaces beyond two separate terms: reductions and the frontier."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers import COUNT, closed, random_params, respond, sizes_and_tokens

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Laws that are other laws at some values of their parameters or variables ---


def _skaling_is_chinchilla() -> tuple:
    p, at = random_params("skaling"), sizes_and_tokens()
    return respond("skaling", {**p, "k": np.ones(COUNT)}, **at), respond("chinchilla", p, **at)


def _skaling_is_kaplan() -> tuple:
    p, at = random_params("kaplan_nd"), sizes_and_tokens()
    inner = p["alpha_N"] / p["alpha_D"]
    same = {"E": 0.0, "A": p["N_c"] ** inner, "alpha": inner, "B": p["D_c"], "beta": 1.0, "k": p["alpha_D"]}
    return respond("skaling", same, **at), respond("kaplan_nd", p, **at)


def _farseer_is_chinchilla() -> tuple:
    """Powers of N become powers of its exponential as g3 -> 0: a size term, and no floor."""
    p, at = random_params("chinchilla"), sizes_and_tokens()
    g = 1e-7
    a3 = -p["alpha"] / g
    limit = {"a1": 0.0, "g1": 0.0, "b1": np.log(p["beta"]), "a2": 0.0, "g2": 0.0, "b2": np.log(p["B"])}
    ours = respond("farseer", {**limit, "a3": a3, "g3": g, "b3": np.log(p["A"]) - a3}, **at)
    return ours, respond("chinchilla", {**p, "E": 0.0}, **at)


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("skaling with k = 1 is chinchilla", _skaling_is_chinchilla, 1e-13),
    ("skaling without a floor is kaplan_nd", _skaling_is_kaplan, 1e-11),
    ("farseer with vanishing powers is chinchilla", _farseer_is_chinchilla, 1e-4),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def test_skaling_frontier():
    p, C = random_params("skaling"), 10 ** np.random.default_rng(2).uniform(18, 26, COUNT)
    best = closed("skaling", "allocation", p, C)
    least = closed("skaling", "loss_at_budget", p, C)
    np.testing.assert_allclose(respond("skaling", p, N=best.N, D=best.D), least, rtol=1e-12)
    for factor in (0.95, 1.05):
        assert np.all(respond("skaling", p, N=factor * best.N, D=best.D / factor) > least)
    more = closed("skaling", "loss_at_budget", p, 10 * C)
    gamma = -np.log10((more - p["E"]) / (least - p["E"]))
    np.testing.assert_allclose(closed("skaling", "exponents", p).gamma, gamma, rtol=1e-9)
    np.testing.assert_allclose(closed("skaling", "budget_at_size", p, best.N), C, rtol=1e-11)
