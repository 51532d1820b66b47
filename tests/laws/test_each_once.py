"""Derivatives that have much in common, worked out once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LAW_CASES

from jaxscale.laws._each_once import each_once


def _with_second_derivatives(law):
    def value(theta, logs):
        return law.log_response(tuple(theta), logs)

    return lambda theta, logs: (value(theta, logs), jax.grad(value)(theta, logs), jax.hessian(value)(theta, logs))


@pytest.mark.parametrize("label", ["chinchilla", "parscale"])
def test_the_same_is_found_in_fewer_equations(label):
    (case,) = [c for c in LAW_CASES if c.label == label]
    theta = jnp.asarray(case.law.theta(case.truth))
    logs = tuple(np.log(7.0 + k) for k in range(len(case.law.variables)))
    plain = _with_second_derivatives(case.law)
    for found, expected in zip(each_once(plain)(theta, logs), plain(theta, logs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    counts = [len(jax.make_jaxpr(f)(theta, logs).eqns) for f in (each_once(plain), plain)]
    assert counts[0] < 0.8 * counts[1]


def test_what_only_looks_alike_is_kept_apart_and_what_is_done_is_done():
    def function(x):
        jax.debug.print("{}", x)
        jax.debug.print("{}", x)
        unused = jnp.sin(x)
        del unused
        return {
            "copies": (jnp.exp(x), jnp.exp(x)),
            "zeros": (jnp.copysign(x, 0.0), jnp.copysign(x, -0.0)),
            "const": 2.0,
        }

    found = each_once(function)(1.0)
    assert [float(v) for v in found["zeros"]] == [1.0, -1.0]
    assert found["copies"][0] == found["copies"][1] == jnp.exp(1.0) and found["const"] == 2.0
    names = [equation.primitive.name for equation in jax.make_jaxpr(each_once(function))(1.0).eqns]
    assert names.count("exp") == 1 and "sin" not in names
    assert sum(name.startswith("debug") for name in names) == 2
