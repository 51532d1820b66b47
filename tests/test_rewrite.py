"""Formulas rewritten to vectorise: the value and the derivatives of the formula as it was written, everywhere."""

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
    "logaddexp": lambda x, y: jnp.logaddexp(x, jnp.logaddexp(y, 0.3)),
    "logsumexp": lambda x, y: jax.nn.logsumexp(jnp.stack([x, 2 * y, x - y])),
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
    with jax.enable_x64(True):
        for of in (lambda f: f, lambda f: jax.grad(f, (0, 1)), lambda f: jax.hessian(f, (0, 1))):
            expected, found = (jax.jit(jax.vmap(of(f)))(*points.T) for f in (formula, vectorised(formula)))
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_slow_operations_are_gone():
    """No logarithm and no power is left to libm, and none of exp(x) is taken."""
    text = str(jax.make_jaxpr(vectorised(FORMULAS["powers"]))(0.3, 0.7))
    assert " pow " not in text and text.count("exp") == 5
    for name in ("logaddexp", "logsumexp", "log1p"):
        program = str(jax.make_jaxpr(jax.vmap(vectorised(FORMULAS[name])))(np.ones(2), np.ones(2)))
        assert "log1p" not in program


def test_float32_stays_float32():
    for formula in FORMULAS.values():
        assert vectorised(formula)(jnp.float32(0.5), jnp.float32(0.2)).dtype == jnp.float32


def test_every_law_keeps_its_value():
    with jax.enable_x64(True):
        for case in LAW_CASES[:12]:
            runs = case.logs(case.random_variables(5, seed=1))
            theta = tuple(case.law.theta(case.truth))
            for k in range(5):
                logs = tuple(x[k] for x in runs)
                expected = case.law.log_response(theta, logs)
                np.testing.assert_allclose(vectorised(case.law.log_response)(theta, logs), expected, rtol=1e-13)
