"""Answering and serving: published figures, counted choices, bills paid twice."""

import itertools
import math

import jax
import numpy as np
import pytest
from helpers import as_printed, of, random_params, respond

from jaxscale import costs, laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("snell_exchange:six_nd", {"M": 14, "R": 0.16}, "257.75"),
    ("snell_exchange:six_nd", {"M": 14, "R": 0.79}, "63.367"),
    ("snell_exchange:six_nd", {"M": 14, "R": 22}, "15.773"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


_SWE = {"a": 1.838851, "b": 0.209035}


FORMS = [  # laws that ship without constants, at those of a check
    (laws.brown_passk, _SWE, {"k": 1}, ".159"),  # the curve through two points of SWE-bench Lite
    (laws.brown_passk, _SWE, {"k": 250}, ".56"),
]


@pytest.mark.parametrize(("law", "params", "variables", "printed"), FORMS)
def test_form_at_the_constants_of_a_check(law, params, variables, printed):
    assert law.predict(params, **variables) == as_printed(printed)


def test_published_closed_form_of_choices():
    assert laws.pass_at_k(10, 3, 5) == as_printed(".916667")


def test_ten_times_the_training_saves_search():
    test = laws.instance("jones_train_test:hex_9x9").predict(train=np.array([1e15, 1e16]), elo=np.array([0.0, 0.0]))
    assert test[0] / test[1] == as_printed("15.85")
    assert np.log10(test[0]) == pytest.approx(29 - 1.2 * 15, rel=1e-12)
    stronger = laws.instance("jones_train_test:hex_9x9").predict(train=1e15, elo=500.0)
    assert np.log10(stronger / test[0]) == pytest.approx(0.004 * 500, rel=1e-12)


def test_training_and_serving_on_one_bill():
    """Second routes: serving thrice the tokens trained on doubles the compute; the cost models say the same."""
    law = laws.instance("sardana_flops:six_nd")
    assert law.predict(N=7e9, D=1e12, D_inf=3e12) == pytest.approx(2 * 6 * 7e9 * 1e12)
    cost = costs.six_nd.with_inference(tokens=2e12)
    money = costs.six_nd.dollars("a100", mfu=0.5, price=1.5)
    for tokens, mfu in ((7e10, 0.5), (2e11, 0.01)):
        money += costs.inference(tokens).dollars("a100-40gb", mfu=mfu, price=1.1, peak=624e12)
    with jax.enable_x64(True):
        assert law.predict(N=16e9, D=3e12, D_inf=2e12) == pytest.approx(float(cost.compute(16e9, 3e12)), rel=1e-12)
        ours = laws.instance("sardana_dollar:a100").predict(N=16e9, D=3e12, D_in=7e10, D_out=2e11)
        assert ours == pytest.approx(float(money.compute(16e9, 3e12)), rel=1e-12)


@pytest.mark.parametrize(
    ("quality", "requests", "size", "tokens", "saved"),
    [(30e9, 1.5e9, 16e9, 3.35e12, 0.17), (70e9, 35.1e9, 21.5e9, 27e12, 0.54)],
)
def test_cheapest_bills_that_sardana_et_al_print(quality, requests, size, tokens, saved):
    """Near, not to the digit: the settings, read second-hand, on a grid of sizes with the paper's constants."""
    base, bill = laws.instance("chinchilla:sardana"), laws.instance("sardana_dollar:a100")
    served = {"D_in": 70 * requests, "D_out": 215 * requests}
    own = of("chinchilla:sardana", "budget_at_size", quality) / (6 * quality)
    loss = base.predict(N=quality, D=float(own))
    p, sizes = base.params, quality * np.geomspace(0.2, 1, 4000)
    left = loss - p["E"] - p["A"] * sizes ** -p["alpha"]
    sizes, left = sizes[left > 0], left[left > 0]
    needed = (p["B"] / left) ** (1 / p["beta"])
    bills = bill.predict(N=sizes, D=needed, **served)
    best = int(np.argmin(bills))
    assert (sizes[best], needed[best]) == (pytest.approx(size, rel=0.03), pytest.approx(tokens, rel=0.1))
    assert 1 - bills[best] / bill.predict(N=quality, D=float(own), **served) == pytest.approx(saved, abs=0.025)


# --- Answering ---


def test_pass_at_k_counts_the_choices():
    for n, c, k in itertools.product((1, 5, 12), (0, 1, 4, 12), (1, 2, 5, 12)):
        if c <= n and k <= n:
            expected = 1 - math.comb(n - c, k) / math.comb(n, k)
            assert laws.pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(laws.pass_at_k(10**4, np.array([0, 10**3]), 1), [0, 0.1], rtol=1e-9)
    for wrong in ((5, 6, 1), (5, 1, 6), (5, -1, 1), (5, 1, 0)):
        with pytest.raises(InputError, match="pass_at_k needs"):
            laws.pass_at_k(*wrong)


def test_coverage_limits():
    p = random_params("brown_passk")
    np.testing.assert_allclose(respond("brown_passk", p, k=1.0), np.exp(-p["a"]), rtol=1e-13)
    np.testing.assert_allclose(respond("brown_passk", p, k=np.exp(300.0)), 1, atol=1e-15)
    a, b = -math.log(0.159), math.log(math.log(0.159) / math.log(0.56)) / math.log(250)
    assert (a, b) == (as_printed("1.838851"), as_printed("0.209035"))


def test_exchange_pays_the_same_bill():
    M, R, N, D = 14.0, 0.79, 1e9, 2e10
    k = laws.instance("snell_exchange:six_nd").predict(M=M, R=R)
    assert 6 * N * D + 2 * N * R * D * k == pytest.approx(M * (6 * N * D + 2 * N * R * D), rel=1e-13)
    assert laws.instance("snell_exchange:six_nd").predict(M=1.0, R=R) == 1.0
