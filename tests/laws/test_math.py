"""The shared logarithm and the sum of exponentials, against NumPy's."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale import laws


def test_log_is_numpys_to_a_unit_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate([
        np.exp(rng.uniform(-700, 700, 50_000)),
        1 + rng.uniform(-0.3, 0.5, 50_000),
        1 + np.ldexp(rng.uniform(-1, 1, 5_000), rng.integers(-52, -1, 5_000)),
        [1.0, 2.0, 0.5, np.sqrt(0.5), np.nextafter(np.sqrt(0.5), 0), np.finfo(float).max, np.finfo(float).tiny],
    ])  # fmt: skip
    with jax.enable_x64(True):
        np.testing.assert_allclose(laws.log(x), np.log(x), rtol=3e-16, atol=0)
        special = np.array([0.0, -0.0, np.inf, np.nan, -1.0, -np.inf])
        np.testing.assert_array_equal(laws.log(special), [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan])
    with jax.enable_x64(False):
        single = laws.log(np.float32([0.5, 3e38]))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, np.log(np.float32([0.5, 3e38])), rtol=1e-6)


def test_log_differentiates():
    x = np.array([1e-200, 0.3, 1.0, 7.0, 1e300])
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.vmap(jax.grad(laws.log))(x), 1 / x, rtol=1e-15)
        np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(laws.log)))(x[1:4]), -1 / x[1:4] ** 2, rtol=1e-14)
        np.testing.assert_allclose(jax.vmap(jax.jacfwd(laws.log))(x), 1 / x, rtol=1e-15)
        assert np.isinf(jax.grad(laws.log)(0.0))


def test_logsumexp_of_far_and_absent_terms():
    with jax.enable_x64(True):
        terms = np.array([[1000.0, 999.0, -np.inf], [-1e4, -1e4, -np.inf], [0.0, -800.0, 3.0]]).T
        values = [laws.logsumexp(*t) for t in terms.T]
        np.testing.assert_allclose(values, np.logaddexp.reduce(terms, axis=0), rtol=1e-15)
        assert laws.logsumexp(-np.inf, -np.inf) == -np.inf
        weights = jax.grad(lambda t: laws.logsumexp(t[0], t[1], t[2]))(jnp.array([1.0, 2.0, -jnp.inf]))
    np.testing.assert_allclose(weights, [1 / (1 + np.e), np.e / (1 + np.e), 0], rtol=1e-15)
