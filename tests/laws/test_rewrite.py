"""Formulas rewritten to vectorise: the value and the derivatives of the formula as it was written, everywhere."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LAW_CASES

from jaxscale.laws import log, logsumexp
from jaxscale.laws._rewrite import vectorised

FORMULAS = {
    "powers": lambda x, y: 2.0 + 3.0 * jnp.exp(x) ** -y + jnp.exp(y) ** 0.5 + jnp.exp(x) ** 2,
    "a power of a power": lambda x, y: (jnp.exp(x) ** y) ** -0.3,
    "a power of a sum": lambda x, y: (1.0 + jnp.exp(x)) ** y,
    "a power of a quotient": lambda x, y: (2.0 * jnp.exp(x) / jnp.exp(y)) ** (1 / (3.5 + y)),
    "powers of what may be negative": lambda x, y: x**2.0 + (x - 1.0) ** 3 + jnp.abs(y) ** 1.5,
    "logaddexp": lambda x, y: jnp.logaddexp(x, jnp.logaddexp(y, 0.3)),
    "logsumexp": lambda x, y: jax.nn.logsumexp(jnp.stack([x, 2 * y, x - y])),
    "a sum over a list": lambda x, y: jnp.log(jnp.sum(jnp.exp(jnp.array([x, 0.5, y]) * jnp.stack([y, x, 0.1])))),
    "a product with a matrix": lambda x, y: jnp.stack([x, y]) @ jnp.array([[1.0, 2.0], [0.5, 1.0]]) @ jnp.stack([y, x]),
    "logsumexp of ours": lambda x, y: logsumexp(x, 2 * y, -jnp.inf),
    "log of exp": lambda x, y: jnp.log(jnp.exp(x)) * log(jnp.exp(y)) + jnp.log(1.5 + jnp.exp(x)),
    "log1p": lambda x, y: jnp.log1p(jnp.exp(-jnp.abs(x))) + jnp.log1p(1e-9 * y),
    "softplus and sigmoid": lambda x, y: jax.nn.softplus(x) * jax.nn.sigmoid(y) + jax.nn.log_sigmoid(x),
    "where": lambda x, y: jnp.where(x > y, jnp.exp(x), jnp.log1p(jnp.exp(y))),
    "loops and other functions": lambda x, y: jax.lax.fori_loop(0, 3, lambda _, v: jnp.tanh(v) + x, y) + jnp.arctan(y),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_derivatives_are_those_of_the_formula(name):
    formula = FORMULAS[name]
    points = np.random.default_rng(0).uniform(-3, 3, (20, 2))

    def both(x, y):
        """One program, of the formula as written and as rewritten."""
        return [(f(x, y), jax.grad(f, (0, 1))(x, y), jax.hessian(f, (0, 1))(x, y)) for f in (formula, rewritten)]

    with jax.enable_x64(True):
        rewritten = vectorised(formula)
        expected, found = jax.jit(jax.vmap(both))(*points.T)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_slow_operations_are_gone():
    """No logarithm and no power is left to libm, and none of exp(x) is taken."""
    text = str(jax.make_jaxpr(vectorised(FORMULAS["powers"]))(0.3, 0.7))
    assert " pow " not in text and text.count("exp") == 5
    for name in ("logaddexp", "logsumexp", "log1p", "a power of a sum", "a power of a quotient", "a sum over a list"):
        program = str(jax.make_jaxpr(jax.vmap(vectorised(FORMULAS[name])))(np.ones(2), np.ones(2)))
        assert not re.search(r"log1p| pow | stack|concatenate|\[2,3\]", program)


def test_a_power_of_nothing_is_as_in_numpy():
    """A share of zero is a run without that corpus: share**k is 0 there, and so is its slope by k."""
    power = vectorised(lambda x, k: x**k)
    with jax.enable_x64(True):
        for x, k in itertools.product((0.0, 0.3), (-1.5, 0.0, 0.5, 2.0)):
            expected = np.power(np.float64(x), k) if (x or k >= 0) else np.inf
            assert jax.jit(power)(x, k) == pytest.approx(expected, rel=1e-14)
        assert np.isnan(jax.jit(power)(-1.0, 0.5))
        assert jax.grad(power, 1)(0.0, 1.5) == 0


def test_float32_stays_float32():
    """Unless the formula itself leaves it: with 64-bit JAX an array of numbers in it is float64."""
    x, y = jnp.float32(0.5), jnp.float32(0.2)
    for formula, wide in itertools.product(FORMULAS.values(), (False, True)):
        with jax.enable_x64(wide):
            found = jax.eval_shape(vectorised(formula), x, y).dtype
            assert found == jax.eval_shape(formula, x, y).dtype
            assert wide or found == jnp.float32


def test_every_law_keeps_its_value():
    cases = LAW_CASES[:12]
    runs = [case.logs(case.random_variables(5, seed=1)) for case in cases]
    thetas = [tuple(case.law.theta(case.truth)) for case in cases]

    def values(runs, change=lambda f: f):
        """Of every law at one run."""
        return [change(case.law.log_response)(theta, x) for case, theta, x in zip(cases, thetas, runs, strict=True)]

    with jax.enable_x64(True):
        expected, found = jax.jit(jax.vmap(lambda runs: (values(runs), values(runs, vectorised))))(runs)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
