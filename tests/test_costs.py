"""Cost models: figures, arithmetic, precision, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale import costs
from jaxscale._errors import InputError


def test_names_and_get_agree():
    assert costs.names() == ("six_nd", "kaplan")
    assert all(costs.get(name).name == name for name in costs.names())
    assert costs.six_nd.unit == "FLOPs"
    with pytest.raises(InputError, match="no cost model 'seven_nd'; choose one of six_nd, kaplan"):
        costs.get("seven_nd")


@pytest.mark.parametrize(
    ("cost", "N", "D", "expected"),
    [
        (costs.six_nd, 175e9, 1, 1.05e12),  # a token of GPT-3
        (costs.six_nd, 67e9, 1.5e12, 6.03e23),  # Hoffmann et al., table 3, says 5.76e23: its tokens are rounded up
        (costs.kaplan, 96 * 12 * 12288**2, 1, 6 * 173_946_175_488),  # GPT-3 by shape, without embeddings
    ],
)
def test_training_flops(cost, N, D, expected):
    with jax.enable_x64(True):
        np.testing.assert_allclose(cost.compute(N, D), expected, rtol=1e-13)


def test_large_integers_do_not_wrap():
    # The product overflows int64, and either factor int32.
    cost = costs.six_nd.compute(np.array([10**12]), 10**13)
    np.testing.assert_allclose(cost, 6e25, rtol=1e-5)


def test_follows_the_dtype_of_its_arguments():
    with jax.enable_x64(True):
        assert costs.six_nd.compute(jnp.float32(1e9), 10**10).dtype == jnp.float32
        assert costs.six_nd.compute(np.ones(3), 1e9).shape == (3,)


def test_sums_and_multiples():
    N, D = 3e9, 7e10
    overhead = costs.CostModel(
        "overhead", lambda log_N, log_D: np.log(50.0) + log_N, meaning="50 FLOPs a parameter, once"
    )
    both = costs.six_nd + 2 * overhead
    with jax.enable_x64(True):
        np.testing.assert_allclose(both.compute(N, D), 6 * N * D + 100 * N, rtol=1e-13)
        np.testing.assert_allclose((1.5 * both).compute(N, D), 9 * N * D + 150 * N, rtol=1e-13)
    assert (1.5 * both).name == "1.5 * (six_nd + 2 * overhead)"
    assert "50 FLOPs a parameter" in both.meaning


def test_sums_and_multiples_that_mean_nothing():
    dollars = costs.CostModel("rent", lambda log_N, log_D: log_N + log_D, unit="dollars")
    with pytest.raises(InputError, match="six_nd in FLOPs to rent in dollars"):
        costs.six_nd + dollars
    for factor in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="positive finite"):
            factor * costs.six_nd
    with pytest.raises(TypeError):
        costs.six_nd + 1  # pyright: ignore
    with pytest.raises(TypeError):
        "2" * costs.six_nd  # pyright: ignore
