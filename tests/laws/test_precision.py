"""Bits of training and of what is quantised after it: published figures, reductions, the cheapest precision."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, of, random_params, respond, sizes_and_tokens
from scipy.optimize import brentq, minimize_scalar

from jaxscale import laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

_MANY = {"P_w": np.inf, "P_a": np.inf, "P_kv": np.inf}


PREDICTIONS = [
    ("kumar_precision_train:kumar", {"N": 1e9, "D": 2e10, **_MANY}, "3.049731"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 3}, "0.0497168"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 4}, "0.00914709"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 6}, "3.09630e-4"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def _train(bias: str, bits: float) -> float:
    law = laws.kumar_precision_train(bias)
    return float(closed(law, "effective_size", law.published["kumar"].params, 1.0, bits, bits, bits))


CLOSED_FORMS: list[tuple[str, Callable[[], object], str]] = [
    ("no offset, 4 bits", lambda: _train("none", 4), ".638919"),
    ("no offset, 6 bits", lambda: _train("none", 6), ".833116"),
    ("no offset, 8 bits", lambda: _train("none", 8), ".924107"),
    ("no offset, 16 bits", lambda: _train("none", 16), ".996761"),
    ("in the exponent, 4 bits", lambda: _train("exponent", 4), ".190988"),
    ("in the exponent, 6 bits", lambda: _train("exponent", 6), ".611291"),
    ("in the exponent, 8 bits", lambda: _train("exponent", 8), ".827760"),
    ("in the exponent, 16 bits", lambda: _train("exponent", 16), ".993659"),
    ("shift, 4 bits", lambda: _train("shift", 4), ".417999"),
    ("shift, 6 bits", lambda: _train("shift", 6), ".752520"),
    ("shift, 8 bits", lambda: _train("shift", 8), ".893298"),
    ("shift, 16 bits", lambda: _train("shift", 16), ".995820"),
    ("enough data, 3 bits", lambda: of("kumar_ptq:kumar", "critical_tokens", 1e9, 3, 1.806e4, 0.4965), "5.4504e10"),
    ("enough data, 4 bits", lambda: of("kumar_ptq:kumar", "critical_tokens", 1e9, 4, 1.806e4, 0.4965), "2.9460e11"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "printed"), [c[1:] for c in CLOSED_FORMS], ids=[c[0] for c in CLOSED_FORMS])
def test_published_closed_form(value, printed):
    assert float(value()) == as_printed(printed)


# --- Statements about published constants ---


def test_cheapest_precision():
    """Tied gammas: e^x = 1 + 3 x; else against a search, and its derivative against differences."""
    law = laws.kumar_precision_train()
    tied = dict(law.published["kumar"].params, gamma_w=2.0, gamma_a=2.0, gamma_kv=2.0)
    assert float(closed(law, "best_precision", tied)) / 2 == as_printed("1.9038")
    assert float(closed(law, "best_precision", tied)) / 2 == pytest.approx(
        brentq(lambda x: np.exp(x) - 1 - 3 * x, 1, 3), rel=1e-12
    )
    p = law.published["kumar"].params
    gammas = np.array([p["gamma_w"], p["gamma_a"], p["gamma_kv"]])

    def cost(bits: float) -> float:
        return np.log(bits) - np.sum(np.log(-np.expm1(-bits / gammas)))

    best = float(closed(law, "best_precision", p))
    assert best == pytest.approx(minimize_scalar(cost, bounds=(1, 16), method="bounded").x, rel=1e-5)
    with jax.enable_x64(True):
        slope = jax.grad(law.closed_forms["best_precision"])(p)["gamma_w"]
    step = 1e-5
    ends = [float(closed(law, "best_precision", {**p, "gamma_w": p["gamma_w"] + s})) for s in (step, -step)]
    assert float(slope) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_more_data_hurts_a_quantised_model_beyond_the_critical_tokens():
    q, p = random_params("kumar_ptq"), random_params("kumar_precision_train", 1)
    size, bits = 1e9 * np.ones(COUNT), 4.0
    enough = closed(laws.kumar_ptq(), "critical_tokens", q, size, bits, p["B"], p["beta"])

    def total(tokens: np.ndarray) -> np.ndarray:
        return p["B"] * tokens ** -p["beta"] + respond("kumar_ptq", q, N=size, D=tokens, P=bits)

    for factor in (0.95, 1.05):
        assert np.all(total(factor * enough) > total(enough))


# --- Laws that are other laws at some values of their parameters or variables ---


def _kumar_of_many_bits() -> tuple:
    p, at = random_params("kumar_precision_train"), sizes_and_tokens()
    return respond("kumar_precision_train", p, **at, P_w=500.0, P_a=500.0, P_kv=500.0), respond("chinchilla", p, **at)


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("kumar at many bits is chinchilla", _kumar_of_many_bits, 1e-13),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---

OPTIONS = [
    (lambda: laws.kumar_ptq("minus"), ("'none', 'exponent', 'shift'", "'minus'")),
    (lambda: laws.get("kumar_precision_train", bias=1), ("kumar_precision_train", "got 1")),
]


@pytest.mark.parametrize(("call", "words"), OPTIONS)
def test_options_are_checked(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)
