"""Filtered and mixed data: values of a check, the product over passes, the best mixture."""

import math

import jax
import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, random_params, respond
from scipy.optimize import minimize

from jaxscale import laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

_POOL = {"a": 1.0, "b": -0.2, "tau": 2.0, "d": 0.1}


FORMS = [  # laws that ship without constants, at those of a check
    (laws.goyal_filtering(), _POOL, {"D": 6.4e6, "U": 12.8e6}, ".143528"),
    (laws.goyal_filtering(), _POOL, {"D": 12.8e6, "U": 12.8e6}, ".137893"),
    (laws.goyal_filtering(), _POOL, {"D": 25.6e6, "U": 12.8e6}, ".134355"),
    (laws.goyal_filtering(), _POOL, {"D": 128e6, "U": 12.8e6}, ".131489"),
    (laws.goyal_filtering(), _POOL | {"tau": math.inf}, {"D": 128e6, "U": 12.8e6}, ".123909"),
]


@pytest.mark.parametrize(("law", "params", "variables", "printed"), FORMS)
def test_form_at_the_constants_of_a_check(law, params, variables, printed):
    assert law.predict(params, **variables) == as_printed(printed)


# --- Filtering and mixtures ---


def by_the_product(p: dict, pool: float, passes: int) -> float:
    """The law as printed, whole passes only; exponents in lists, one for each pool."""
    half = [2 ** (-1 / (len(p["b"]) * tau)) for tau in p["tau"]]
    exponents = [np.mean([b * h**j for b, h in zip(p["b"], half, strict=True)]) for j in range(passes)]
    reducible = (p["a"] * pool) ** exponents[0]
    for j in range(2, passes + 1):
        reducible *= (j / (j - 1)) ** exponents[j - 1]
    return p["d"] + reducible


@pytest.mark.parametrize("passes", [1, 2, 3, 10, 100, 128])
def test_filtering_is_the_product_over_passes(passes):
    pool = 3e6
    one = {"a": 0.7, "b": [-0.3], "tau": [7.0], "d": 0.05}
    ours = laws.goyal_filtering().predict({"a": 0.7, "b": -0.3, "tau": 7.0, "d": 0.05}, D=passes * pool, U=pool)
    assert ours == pytest.approx(by_the_product(one, pool, passes), rel=1e-12)
    two = {"a": 0.7, "b": [-0.3, -0.1], "tau": [7.0, 3.0], "d": 0.05}
    params = {"a": 0.7, "b_1": -0.3, "b_2": -0.1, "tau_1": 7.0, "tau_2": 3.0, "d": 0.05}
    ours = laws.goyal_filtering(pools=2).predict(params, D=passes * pool, U=pool)
    assert ours == pytest.approx(by_the_product(two, pool, passes), rel=1e-12)


def test_data_that_keeps_its_worth_is_a_power_law():
    p = random_params("goyal_filtering") | {"tau": np.full(COUNT, np.inf)}
    D = 10 ** np.random.default_rng(41).uniform(5, 12, COUNT)
    bare = {"A": p["a"] ** p["b"], "E": p["d"], "alpha": -p["b"]}
    expected = respond(laws.power_law("D"), bare, D=D)
    np.testing.assert_allclose(respond("goyal_filtering", p, D=D, U=1e7), expected, rtol=1e-12)


def test_a_constant_added_to_every_slope_rescales_k():
    rng = np.random.default_rng(42)
    r = rng.dirichlet(np.ones(4), COUNT)
    t, shift = rng.normal(size=4), 0.7
    law = laws.ye_mixing(domains=4)

    def params(k: float, t: np.ndarray) -> dict[str, float]:
        return {"c": 1.3, "k": k} | {f"t_{j + 1}": t[j] - t[3] for j in range(3)}

    expected = 1.3 + 0.6 * np.exp(r @ t)
    np.testing.assert_allclose(law.predict(params(0.6 * np.exp(t[3]), t), r=r), expected, rtol=1e-13)
    shifted = 0.6 * np.exp(-shift) * np.exp(t[3] + shift)
    np.testing.assert_allclose(law.predict(params(shifted, t + shift), r=r), expected, rtol=1e-13)


def test_best_mixture_meets_the_conditions_of_an_optimum_on_the_simplex():
    rng = np.random.default_rng(43)
    law, count, weights = laws.ye_mixing(domains=4), 3, np.array([0.5, 0.3, 0.2])
    for t in rng.normal(scale=2.0, size=(5, count, 3)):
        params = {"c": np.ones(count), "k": rng.uniform(0.3, 1, count)} | {f"t_{j + 1}": t[:, j] for j in range(3)}
        r = closed(law, "best_mixture", params, weights)

        def total(x, params=params):
            return float(weights @ respond(law, params, r=x))

        slopes = np.c_[t, np.zeros(count)]
        gradient = (weights * params["k"] * np.exp(slopes @ r)) @ slopes
        assert r.sum() == pytest.approx(1, abs=1e-12)
        multiplier = gradient @ r
        assert np.all(gradient >= multiplier - 1e-4)  # what is left out is no better ...
        assert np.all(r * (gradient - multiplier) < 1e-6)  # ... and what is used is no worse
        found = minimize(
            total, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints={"type": "eq", "fun": lambda x: x.sum() - 1}
        )
        assert total(r) <= found.fun + 1e-6


# --- Laws made by a call ---

OPTIONS = [
    (lambda: laws.goyal_filtering(0), "pools=1, 2"),
    (lambda: laws.goyal_filtering(True), "pools=1, 2"),
    (lambda: laws.ye_mixing(1), "domains=2, 3"),
    (lambda: laws.ye_mixing("3"), "domains=2, 3"),
]


@pytest.mark.parametrize(("call", "words"), OPTIONS)
def test_options_that_cannot_be(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_gradient_where_nothing_is_repeated():
    """Data that is not repeated, passes on or repeats for ever."""
    law = laws.goyal_filtering()
    many = jax.jit(jax.vmap(jax.grad(law.log_response, argnums=(0, 1)), in_axes=(None, 0)))
    with jax.enable_x64(True):
        passes = np.log(np.array([1e-6, 1.0, 2.0, 3.0, 128.0, 1e9]))
        gradient = many(tuple(law.theta(_POOL)), (passes + np.log(1e7), np.full(6, np.log(1e7))))
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
