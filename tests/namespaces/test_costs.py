"""Cost models: figures, arithmetic, conversions, precision, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale as js
from jaxscale import costs
from jaxscale._allocation.allocate import allocate
from jaxscale._base.errors import InputError
from jaxscale.laws import chinchilla

GPT_3 = costs.Shape(layers=96, width=12288, context=2048)


def test_names_and_get_agree():
    assert costs.names() == ("six_nd", "kaplan", "kaplan_ctx", "deepseek")
    assert all(costs.get(name).name == name for name in costs.names())
    assert costs.six_nd.unit == "FLOPs"
    with pytest.raises(InputError, match="no cost model 'seven_nd'; choose one of six_nd, kaplan"):
        costs.get("seven_nd")


@pytest.mark.parametrize(
    ("cost", "N", "D", "expected"),
    [
        (costs.six_nd, 175e9, 1, 1.05e12),  # a token of GPT-3
        (costs.six_nd, 67e9, 1.5e12, 6.03e23),  # Hoffmann et al., table 3, says 5.76e23: its tokens are rounded up
        (costs.kaplan(), 96 * 12 * 12288**2, 1, 6 * 173_946_175_488),  # GPT-3 by shape, without embeddings
        (costs.moe(37 / 671), 671e9, 14.8e12, 3.2856e24),  # DeepSeek-V3
        (costs.kaplan_ctx(2048, 128), 173_946_175_488, 1, GPT_3.kaplan_per_token),  # GPT-3 has just this aspect
        (costs.deepseek, GPT_3.deepseek_M, 1e9, 1.072668082176e21),
    ],
)
def test_training_flops(cost, N, D, expected):
    with jax.enable_x64(True):
        np.testing.assert_allclose(cost.compute(N, D), expected, rtol=1e-9)


def test_haste_costs_compute_as_mccandlish_say():
    """At the critical batch twice the compute and twice the least steps; the same as the law of steps says."""
    small, critical = 20e9, 2e6  # tokens of small batches, and the critical one
    law = {"S_min": small / critical, "E_min": small}
    for batch in (2e4, 2e6, 8e6):
        cost = costs.six_nd.at_batch(batch, critical)
        with jax.enable_x64(True):
            flops = float(cost.compute(1e9, small))
            steps = float(js.laws.mccandlish_steps(law, B=batch))
            hours = float(cost.gpu_hours("h100", mfu=0.4).compute(1e9, small))
        assert flops == pytest.approx(6 * 1e9 * batch * steps, rel=1e-12)
        assert hours == pytest.approx(flops / (0.4 * 989.4e12 * 3600), rel=1e-3)
        assert cost.name == "six_nd at batch" and cost.unit == "FLOPs"
    with pytest.raises(InputError, match="at_batch converts FLOPs"):
        costs.six_nd.dollars("h100", price=2.0).at_batch(1e6, 2e6)


def test_flops_of_a_shape():
    assert GPT_3.N_ne == 173_946_175_488
    assert GPT_3.kaplan_per_token / 3 == 352_724_189_184
    np.testing.assert_allclose(GPT_3.kaplan_per_token, 1.058173e12, rtol=1e-6)
    np.testing.assert_allclose(GPT_3.deepseek_M, 1.072668e12, rtol=1e-6)
    # Hoffmann et al., appendix F, term by term for one sequence: 3 times what runs forward.
    s, d, layers, V, f, heads = 2048, 3584, 36, 32000, 14336, 28
    attention = 2 * 3 * s * d * d + 2 * s * s * d + 3 * heads * s * s + 2 * s * s * d + 2 * s * d * d
    forward = 2 * s * V * d + layers * (attention + 2 * s * 2 * d * f) + 2 * s * d * V
    shape = costs.Shape(layers, d, s, V, f, heads)
    np.testing.assert_allclose(shape.hoffmann_per_token * s, 3 * forward, rtol=1e-14)


def test_embeddings_are_taken_off():
    # Pearce and Song: N = N_ne + omega N_ne^(1/3).
    size = np.array([1.0, 1e3, 1e6, 1e8, 1e9, 1e10, 1e15])
    with jax.enable_x64(True):
        mine = costs.kaplan(omega=47491).compute(size + 47491 * size ** (1 / 3), 1.0)
    np.testing.assert_allclose(mine, 6 * size, rtol=1e-11)


OMEGA = 47491


@jax.jit
@jax.value_and_grad
def log_size_within(log_C):
    """Log of the best size without embeddings, of the law of Besiroglu et al., and its slope."""
    p = chinchilla.published["besiroglu"].params
    best = allocate(chinchilla, p, costs.kaplan(omega=OMEGA), jnp.exp(log_C))
    return costs.kaplan(omega=OMEGA)(jnp.log(best.N), 0.0) - np.log(6)


@pytest.mark.parametrize(("size", "exponent"), [(1e3, 0.762979), (1e8, 0.612792), (1e10, 0.517569)])
def test_local_exponents_of_pearce_and_song(size, exponent):
    p, omega = chinchilla.published["besiroglu"].params, OMEGA
    g_C = size * (size + omega / 3 * size ** (1 / 3)) ** (-1 / p["beta"])
    g_C *= (size + omega * size ** (1 / 3)) ** ((1 + p["alpha"]) / p["beta"])
    budget = 6 * g_C * (p["beta"] * p["B"] / (p["alpha"] * p["A"])) ** (1 / p["beta"])
    with jax.enable_x64(True):
        value, slope = log_size_within(np.log(budget))
    np.testing.assert_allclose(value, np.log(size), rtol=1e-10)
    np.testing.assert_allclose(slope, exponent, atol=6e-7)


def test_hours_days_money_and_energy():
    # 5.88e23 FLOPs at 40 %: H100 412,875 h, $825,750 at $2, 289,012 kWh at 0.7 kW; A100 1,308,761 h.
    with jax.enable_x64(True):
        run = (70e9, 1.4e12)
        hours = costs.six_nd.gpu_hours("h100", mfu=0.4)
        np.testing.assert_allclose(hours.compute(*run), 412_875, rtol=2e-6)
        np.testing.assert_allclose(costs.six_nd.gpu_hours("a100", mfu=0.4).compute(*run), 1_308_761, rtol=2e-6)
        np.testing.assert_allclose(costs.six_nd.dollars("h100", mfu=0.4, price=2).compute(*run), 825_750, rtol=2e-6)
        np.testing.assert_allclose(costs.six_nd.kwh("h100", mfu=0.4, pue=1).compute(*run), 289_012, rtol=4e-6)
        np.testing.assert_allclose(costs.six_nd.days(1000, "h100", mfu=0.4).compute(*run), 412.875 / 24, rtol=2e-6)
    assert (hours.unit, hours.assumptions) == ("hours", {"mfu": 0.4, "peak": 989e12})


def test_serving_as_much_as_was_trained_on_thrice_costs_as_much():
    D = 1e12
    with jax.enable_x64(True):
        np.testing.assert_allclose(costs.inference(3 * D).compute(7e9), costs.six_nd.compute(7e9, D), rtol=1e-13)


def test_training_and_serving_at_different_prices():
    # Sardana et al.: 6 N D at half the peak, prompts at half and generated tokens at 1 % of it, other hourly prices.
    training = costs.six_nd.dollars("a100", mfu=0.5, price=1.5)
    prompts = costs.inference(7e10).dollars("a100-40gb", mfu=0.5, price=1.1, peak=624e12)
    generated = costs.inference(2e11).dollars("a100-40gb", mfu=0.01, price=1.1, peak=624e12)
    total = training + prompts + generated
    N, D = 16e9, 3.35e12
    by_hand = 6 * N * D / (0.5 * 312e12) / 3600 * 1.5
    by_hand += 2 * N * (7e10 / 0.5 + 2e11 / 0.01) / 624e12 / 3600 * 1.1
    with jax.enable_x64(True):
        assert total.unit == "dollars"
        np.testing.assert_allclose(total.compute(N, D), by_hand, rtol=1e-12)
        dearer = float(total.with_assumptions(price=3.0).compute(N, D))
    np.testing.assert_allclose(dearer - by_hand, 6 * N * D / (0.5 * 312e12) / 3600 * 1.5, rtol=1e-12)
    assert set(total.assumptions) == {
        *("mfu", "peak", "price", "inference_tokens", "mfu_2", "peak_2", "price_2"),
        *("inference_tokens_2", "mfu_3", "peak_3", "price_3"),
    }


def test_costs_are_multiplied_and_summed_from_either_side():
    cost, twice = costs.six_nd, 12e19
    for made in (2 * cost, cost * 2, cost * np.float32(2), np.int64(2) * cost, cost / 0.5, sum([cost, cost])):
        assert float(made.compute(1e9, 1e10)) == pytest.approx(twice, rel=1e-5)
    for wrong in (lambda: cost * -1, lambda: cost / 0, lambda: cost * float("nan")):
        with pytest.raises(InputError, match="by a positive finite number"):
            wrong()
    for wrong in (lambda: cost + 1, lambda: cost * "2", lambda: cost * cost):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            wrong()


def test_models_that_differ_in_numbers_alone_share_a_formula():
    one, other = (costs.six_nd.with_inference(tokens=t).dollars("h100", price=2.0) for t in (1e12, 2e12))
    assert one.log_cost == other.log_cost
    assert hash(one.log_cost) == hash(other.log_cost)
    assert one.log_cost != costs.six_nd.log_cost


K = 0.2


def table_of(a: float, b: float, noise: float = 0.0, ray: bool = False) -> js.Runs:
    rng = np.random.default_rng(5)
    N = np.geomspace(1e7, 1e9, 24)
    D = 20 * N if ray else N * rng.permutation(np.geomspace(5, 100, 24))
    C = K * N**a * D**b * np.exp(noise * rng.uniform(-1, 1, 24))
    return js.Runs.from_frame({"N": N, "D": D, "C": C, "loss": 1.7 + 400 * N**-0.34})


@pytest.mark.filterwarnings("ignore:look at the table")
def test_the_compute_of_a_table_is_found_back():
    found = costs.from_runs(table_of(1.1, 0.97))
    assert found.assumptions == pytest.approx({"k": K, "a": 1.1, "b": 0.97}, rel=1e-9)
    assert float(found.compute(1e9, 2e10)) == pytest.approx(K * 1e9**1.1 * 2e10**0.97, rel=1e-4)
    rough = costs.from_runs(table_of(1.1, 0.97, noise=0.05))
    off = np.log(table_of(1.1, 0.97, noise=0.05).variables["C"]) - np.log(
        rough.compute(*(table_of(1.1, 0.97).variables[v] for v in "ND"))
    )
    assert rough.meaning.endswith(f"within {100 * np.expm1(np.abs(off).max()):.2g} %")
    assert costs.from_runs(table_of(1.0, 1.0)).assumptions == pytest.approx({"k": K, "a": 1.0, "b": 1.0})


@pytest.mark.filterwarnings("ignore:look at the table")
@pytest.mark.parametrize(
    "runs",
    [
        lambda: js.Runs.from_frame({"N": [1e7, 2e7, 3e7], "D": [1e9, 3e9, 2e9], "loss": [3.0, 2.9, 2.8]}),
        lambda: js.Runs.from_frame({"N": [1e7, 2e7, 3e7], "C": [1e17, 3e17, 2e17], "loss": [3.0, 2.9, 2.8]}),
        lambda: table_of(1.1, 1.0, ray=True),
        lambda: table_of(-0.1, 1.9),
    ],
    ids=["no compute", "tokens made of it", "one ray", "falls with size"],
)
def test_a_table_that_does_not_say_what_compute_grows_as_is_no_cost(runs):
    with pytest.raises(InputError, match="the compute of this table is no cost"):
        costs.from_runs(runs())


def test_a_cost_is_differentiable_in_its_assumptions():
    with jax.enable_x64(True):

        def spent(tokens):
            return costs.six_nd.with_inference(tokens=tokens).compute(1e9, 1e10)

        np.testing.assert_allclose(jax.grad(spent)(1e11), 2e9, rtol=1e-12)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: costs.six_nd.dollars("h100"), "no price of h100 is known; give price="),
        (lambda: costs.six_nd.dollars("abacus", price=1), "there is no accelerator 'abacus'; choose one of v100"),
        (lambda: costs.six_nd.gpu_hours("h100", mfu=40), "mfu is a share of the peak"),
        (lambda: costs.six_nd.kwh("tpu-v5e"), "board power of tpu-v5e is not known"),
        (lambda: costs.six_nd.gpu_hours().gpu_hours(), "converts FLOPs, but six_nd is in hours"),
        (lambda: costs.six_nd.gpu_hours().with_inference(1e9), "call with_inference before dollars"),
        (lambda: costs.inference(-1), "inference_tokens must be positive"),
        (lambda: costs.inference("lots"), "'lots' is not a number"),
        (lambda: costs.moe(1.5), "share of parameters"),
        (lambda: costs.six_nd.with_assumptions(price=2), "six_nd has no assumption 'price'; it has none"),
    ],
)
def test_what_cannot_be_counted(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_cost_is_shown_in_a_line_without_addresses():
    served = costs.six_nd.with_inference(tokens=2e12)
    assert repr(costs.six_nd) == "CostModel(six_nd: FLOPs of N, D)"
    assert repr(served).endswith("inference_tokens=2e+12)") and "0x" not in repr(served)
