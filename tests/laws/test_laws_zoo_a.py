"""Repeated data, hyper-parameters, experts, precision, curves, schedules, surfaces: figures and reductions."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import COUNT, LAW_CASES, SCHEDULES, as_printed, closed, of, random_params, respond
from scipy.optimize import brentq, minimize, minimize_scalar

import jaxscale as js
from jaxscale import laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # dozens of laws, each a program to compile

# --- Published figures ---

_PEAK, _STEPS = 3e-4, 21840
_WARMUP = _PEAK * np.arange(1, 2161) / 2160
_CONSTANT = np.concatenate([_WARMUP, np.full(_STEPS, _PEAK)])
_COSINE = np.concatenate([_WARMUP, _PEAK * (0.55 + 0.45 * np.cos(np.pi * np.linspace(0, 1, _STEPS)))])
_MANY = {"P_w": np.inf, "P_a": np.inf, "P_kv": np.inf}

PREDICTIONS = [
    ("muennighoff:muennighoff_c4", {"N": 6.34e9, "D": 242e9, "U": 25e9}, "2.22564408899845"),
    ("muennighoff:muennighoff_c4", {"N": 8.67e9, "D": 178e9, "U": 25e9}, "2.22696340750879"),
    ("llama3_dopt:text", {"C": 3.8e25}, "1.0464e13"),
    ("llama3_dopt:figure", {"C": 3.8e25}, "1.6294e13"),
    ("deepseek_alloc:M", {"C": 1e20}, "5.251267e9"),
    ("deepseek_alloc:D", {"C": 1e20}, "1.904530e10"),
    ("deepseek_hparams:lr", {"C": 1e20}, "9.85998e-4"),
    ("deepseek_hparams:B", {"C": 1e20}, "1.017145e6"),
    ("deepseek_hparams:lr", {"C": 9.94553e23}, "3.1201e-4"),
    ("deepseek_hparams:B", {"C": 9.94553e23}, "2.06541e7"),
    ("step_law:lr", {"N": 1e9, "D": 1e11}, "1.632499e-3"),
    ("step_law:B", {"N": 1e9, "D": 1e11}, "1.107715e6"),
    ("step_law:lr", {"N": 7e9, "D": 1.4e12}, "9.165569e-4"),
    ("step_law:B", {"N": 7e9, "D": 1.4e12}, "4.998815e6"),
    ("porian_hparams:lr", {"N": 1e8}, "4.8775e-3"),
    ("porian_hparams:B", {"N": 1e8}, "3.1874e5"),
    ("minicpm:tokens_per_param", {"C": 1e21}, "167"),
    ("clark_routed:s_base", {"N": 1e8, "E": 1}, "2.74415"),
    ("clark_routed:s_base", {"N": 1e8, "E": 64}, "2.43053"),
    ("clark_routed:s_base", {"N": 1.3e9, "E": 64}, "2.04978"),
    ("krajewski_granularity:moe", {"N": 64e8, "D": 4.37e9, "G": 8}, "3.0444"),
    ("krajewski_granularity:moe", {"N": 1e8, "D": 4.37e9, "G": 8}, "3.9004"),
    ("krajewski_granularity:moe", {"N": 64e9, "D": 28.94e9, "G": 16}, "2.4218"),
    ("krajewski_granularity:moe", {"N": 192e9, "D": 72.90e9, "G": 16}, "2.1828"),
    ("krajewski_granularity:moe", {"N": 448e9, "D": 137.60e9, "G": 32}, "2.0203"),
    ("krajewski_granularity:moe", {"N": 4480e9, "D": 941.07e9, "G": 32}, "1.6500"),
    ("krajewski_granularity:moe", {"N": 19200e9, "D": 2.96e12, "G": 64}, "1.4649"),
    ("krajewski_granularity:moe", {"N": 64000e9, "D": 7.94e12, "G": 64}, "1.3337"),
    ("abnar_sparsity:abnar", {"N": 1e9, "D": 2e10, "S": 0}, "2.565681"),
    ("abnar_sparsity:abnar", {"N": 1e9, "D": 2e10, "S": 0.9}, "2.701872"),
    ("abnar_sparsity:abnar", {"N": 1e10, "D": 1e11, "S": 0.95}, "2.190219"),
    ("abnar_sparsity:abnar", {"N": 1.88e10, "D": 1.102e11, "S": 0.98}, "2.169335"),
    ("ludziejewski_joint_moe:ludziejewski", {"N": 1e9, "D": 2e10, "E": 1}, "2.577600"),
    ("ludziejewski_joint_moe:ludziejewski", {"N": 1e9, "D": 2e10, "E": 8}, "2.508777"),
    ("kumar_precision_train:kumar", {"N": 1e9, "D": 2e10, **_MANY}, "3.049731"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 3}, "0.0497168"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 4}, "0.00914709"),
    ("kumar_ptq:kumar", {"N": 1e9, "D": 2e10, "P": 6}, "3.09630e-4"),
    ("multi_power_law:400m", {"lr": _CONSTANT}, "2.660994"),
    ("multi_power_law:100m", {"lr": _CONSTANT}, "2.901933"),
    ("multi_power_law:25m", {"lr": _CONSTANT}, "3.237146"),
    ("multi_power_law:400m", {"lr": _COSINE}, "2.601654"),
    ("multi_power_law:100m", {"lr": _COSINE}, "2.859222"),
    ("multi_power_law:25m", {"lr": _COSINE}, "3.206861"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


_ONE_BREAK = {"a": 0.0, "b": 1.0, "c0": 0.2, "c1": 0.5, "d1": 1e3, "f1": 0.3}
_FIGURE_1 = {
    **{"a": 1e-3, "b": 4660.0, "c0": 0.05},
    **{"c1": 0.49, "c2": -0.811, "c3": 2.1, "d1": 3e6, "d2": 1e14, "d3": 2e20, "f1": 1.1, "f2": 1.425, "f3": 0.05},
}
_M4 = {"eps_inf": 0.1, "eps_0": 0.9, "alpha": 1.0, "beta": 10.0, "c": -0.5}
_NO_BEND = {**_M4, "alpha": 0.0}
AT_PARAMETERS: list[tuple[laws.Law, dict[str, float], dict[float, str]]] = [
    (laws.bnsl(0, "x"), {"a": 0.5, "b": 10.0, "c0": 0.3}, {1e6: "0.658489"}),
    (laws.bnsl(1, "x"), _ONE_BREAK, {1e3: ".226383881"}),
    (
        laws.bnsl(3, "x"),
        _FIGURE_1,
        {1.0: "4659.997752", 3e6: "1521.519808", 1e10: "27.722113"}
        | {1e14: ".427646", 2e20: "9.082662", 1e22: ".008626751"},
    ),
    (laws.alabdulmohsin_m4("x"), _M4, {1.0: ".8272727273", 1e2: ".5", 1e4: ".1727272727", 1e6: ".1079207921"}),
    (laws.alabdulmohsin_m4("x"), _NO_BEND, {1e4: ".2000000000", 1e6: ".1100000000"}),
]  # fmt: skip


@pytest.mark.parametrize(("law", "params", "values"), AT_PARAMETERS, ids=lambda x: getattr(x, "name", ""))
def test_stated_value(law, params, values):
    assert list(law.predict(params, x=np.array(list(values)))) == [as_printed(printed) for printed in values.values()]


def _worth(epochs: float) -> float:
    """What `epochs` passes are worth, in fresh ones."""
    return of("muennighoff:muennighoff_c4", "effective", 1e9, epochs * 1e9, 1e9).D / 1e9


def _joint(form: str, *args: float) -> object:
    return of("ludziejewski_joint_moe:ludziejewski", form, *args)


def _train(bias: str, bits: float) -> float:
    law = laws.kumar_precision_train(bias)
    return float(closed(law, "effective_size", law.published["kumar"].params, 1.0, bits, bits, bits))


CLOSED_FORMS: list[tuple[str, Callable[[], object], str]] = [
    ("4 epochs", lambda: _worth(4), "3.725673"),
    ("4 epochs, of fresh", lambda: 100 * _worth(4) / 4, "93.14"),
    ("16 epochs", lambda: _worth(16), "10.582457"),
    ("endless epochs", lambda: _worth(1e6), "16.387756"),
    ("best N for U", lambda: of("muennighoff:muennighoff_c4", "effective", 1e15, 1.0, 1.0).N / 6.309743, "0.0509865"),
    ("gadre C4 D/N", lambda: of("gadre_overtrain:c4", "tokens_per_param"), "3.36"),
    ("gadre RedPajama D/N", lambda: of("gadre_overtrain:rpj", "tokens_per_param"), "7.42"),
    ("gadre RefinedWeb D/N", lambda: of("gadre_overtrain:rw", "tokens_per_param"), "5.85"),
    ("clark, one expert", lambda: of("clark_routed:s_base", "experts", 1), "1.847"),
    ("clark, endless experts", lambda: of("clark_routed:s_base", "experts", 1e12), "314.478"),
    ("clark, 5M with 128", lambda: of("clark_routed:s_base", "effective_size", 5e6, 128), "5.18e7"),
    ("clark, cut-off S-BASE", lambda: of("clark_routed:s_base", "cutoff_size"), "1.0e12"),
    ("clark, cut-off RL-R", lambda: of("clark_routed:rl_r", "cutoff_size"), "3.2e10"),
    ("clark, cut-off HASH", lambda: of("clark_routed:hash", "cutoff_size"), "2.2e11"),
    ("joint, 1e20, 1", lambda: _joint("allocation", 1e20, 1).N, "1.7269e9"),
    ("joint, 1e20, 1", lambda: _joint("allocation", 1e20, 1).D, "9.6512e9"),
    ("joint, 1e20, 8", lambda: _joint("allocation", 1e20, 8).N, "9.9000e8"),
    ("joint, 1e20, 8", lambda: _joint("allocation", 1e20, 8).D, "1.6835e10"),
    ("joint, 1e20, 32", lambda: _joint("allocation", 1e20, 32).N, "6.7417e8"),
    ("joint, 1e20, 32", lambda: _joint("allocation", 1e20, 32).D, "2.4722e10"),
    ("joint, 1e22, 1", lambda: _joint("allocation", 1e22, 1).N, "1.8878e10"),
    ("joint, 1e22, 8", lambda: _joint("allocation", 1e22, 8).N, "1.4480e10"),
    ("joint, 1e22, 32", lambda: _joint("allocation", 1e22, 32).N, "1.2282e10"),
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


def test_published_ratios():
    budget = np.array([1e18, 1e20, 1e24])
    per_token, tokens = (laws.instance(f"deepseek_alloc:{x}").predict(C=budget) for x in "MD")
    np.testing.assert_allclose(per_token * tokens / budget, 1.000119, atol=6e-7)
    rate, batch = (laws.instance(f"step_law:{x}").predict(N=1e9, D=np.array([1e11, 4e11])) for x in ("lr", "B"))
    assert (rate[1] / rate[0], batch[1] / batch[0]) == (as_printed("1.53"), as_printed("2.21"))


def test_gadre_held_out_runs():
    """The notebook prints these errors for unrounded constants: those that round to ours lie on both sides of it."""
    law, params = laws.gadre_overtrain, laws.instance("gadre_overtrain:rpj").params
    for size, tokens, predicted, observed, error in (
        (1.44e9, 921.5e9, 2.519827, 2.502054, "0.7103"),
        (6.89e9, 137.8e9, 2.442745, 2.424993, "0.7320"),
    ):
        assert 100 * (predicted / observed - 1) == pytest.approx(float(error), abs=1e-3)
        low, high = (law.predict({**params, "eta": eta}, N=size, D=tokens) for eta in (0.13645, 0.13635))
        assert low < predicted < high < 1.002 * low


def test_muennighoff_optimum_of_the_authors_grid():
    """N 7.02236e9 and D 2.37337e11 for C = 1e22 on 25B unique tokens, on a grid of 0.4 %."""
    law = laws.instance("muennighoff:muennighoff_c4")

    def loss(log_size: float) -> float:
        return law.predict(N=np.exp(log_size), D=1e22 / (6 * np.exp(log_size)), U=25e9)

    best = np.exp(minimize_scalar(loss, bounds=np.log([1e9, 1e11]), method="bounded", options={"xatol": 1e-9}).x)
    assert best == pytest.approx(7.02236e9, rel=0.02)
    assert 1e22 / (6 * best) / 25e9 == pytest.approx(9.49, rel=0.02)
    assert loss(np.log(7.02236e9)) == pytest.approx(loss(np.log(best)), rel=1e-5)


def test_krajewski_published_losses_are_a_little_above_the_rounded_law():
    size = 64 * np.array([1e8, 1e9, 3e9, 7e9, 70e9, 300e9, 1e12])
    tokens = np.array([4.37e9, 28.94e9, 72.90e9, 137.60e9, 941.07e9, 2.96e12, 7.94e12])
    published = [3.133, 2.491, 2.245, 2.076, 1.694, 1.503, 1.367]
    law = laws.instance("krajewski_granularity:moe").predict(
        N=size, D=tokens, G=np.array([8, 16, 16, 32, 32, 64, 64.0])
    )
    np.testing.assert_allclose(law, published, rtol=0.035)


def test_joint_moe_published_coefficients():
    experts = np.array([1, 2, 4, 8, 16, 32])
    printed = [
        (30.3640, -0.1817, 53.9838, -0.1965),
        (27.7982, -0.1780, 66.8401, -0.2065),
        (24.8462, -0.1731, 87.7022, -0.2192),
        (21.8330, -0.1676, 119.9126, -0.2338),
        (19.0159, -0.1617, 167.5073, -0.2494),
        (16.5424, -0.1557, 234.6726, -0.2652),
    ]
    np.testing.assert_allclose(np.transpose(_joint("coefficients", experts)), printed, rtol=3e-3)
    ours = (("30.3993", "-.1818", "53.8434", "-.1964"), ("16.5454", "-.1557", "234.6293", "-.2653"))
    for E, row in zip((1, 32), ours, strict=True):
        assert [float(x) for x in _joint("coefficients", E)] == [as_printed(x) for x in row]
    for C, E, size, tokens in (  # Table 1, rounded
        (1e20, 1, 1.7e9, 9.7e9),
        (1e20, 8, 990e6, 17e9),
        (1e20, 32, 669e6, 24.9e9),
        (1e22, 1, 18.8e9, 88.6e9),
        (1e22, 8, 14.4e9, 115.8e9),
        (1e22, 32, 12.2e9, 136.9e9),
    ):
        np.testing.assert_allclose(_joint("allocation", C, E), (size, tokens), rtol=0.02)


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


def _sizes_and_tokens(seed: int = 31) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"N": 10 ** rng.uniform(6, 13, COUNT), "D": 10 ** rng.uniform(8, 14, COUNT)}


def _muennighoff_small() -> tuple:
    """Enough unique tokens, and a size below the best one for them: no repetition of either kind."""
    p, at = random_params("muennighoff"), _sizes_and_tokens()
    g = closed("chinchilla", "G", p)
    best = g * (g * at["D"]) ** (p["beta"] / p["alpha"])
    at["N"] = np.minimum(at["N"], best)
    U = at["D"] * np.geomspace(1, 1e3, COUNT)
    return respond("muennighoff", p, **at, U=U), respond("chinchilla", p, **at)


def _muennighoff_as_good_as_new() -> tuple:
    p, at = random_params("muennighoff"), _sizes_and_tokens()
    lasting = {**p, "R_D_star": 1e13, "R_N_star": 1e13}
    return respond("muennighoff", lasting, **at, U=1e-2 * at["D"]), respond("chinchilla", p, **at)


def _gadre() -> tuple:
    p, at = random_params("gadre_overtrain"), _sizes_and_tokens()
    return respond("gadre_overtrain", p, **at), respond(
        "chinchilla", closed("gadre_overtrain", "as_chinchilla", p), **at
    )


def _gadre_optimum() -> tuple:
    p = random_params("gadre_overtrain")
    ours = closed("gadre_overtrain", "tokens_per_param", p)
    return ours, closed("chinchilla", "tokens_per_param", closed("gadre_overtrain", "as_chinchilla", p), 1e21)


def _skaling_is_chinchilla() -> tuple:
    p, at = random_params("skaling"), _sizes_and_tokens()
    return respond("skaling", {**p, "k": np.ones(COUNT)}, **at), respond("chinchilla", p, **at)


def _skaling_is_kaplan() -> tuple:
    p, at = random_params("kaplan_nd"), _sizes_and_tokens()
    inner = p["alpha_N"] / p["alpha_D"]
    same = {"E": 0.0, "A": p["N_c"] ** inner, "alpha": inner, "B": p["D_c"], "beta": 1.0, "k": p["alpha_D"]}
    return respond("skaling", same, **at), respond("kaplan_nd", p, **at)


def _farseer_is_chinchilla() -> tuple:
    """Powers of N become powers of its exponential as g3 -> 0: a size term, and no floor."""
    p, at = random_params("chinchilla"), _sizes_and_tokens()
    g = 1e-7
    a3 = -p["alpha"] / g
    limit = {"a1": 0.0, "g1": 0.0, "b1": np.log(p["beta"]), "a2": 0.0, "g2": 0.0, "b2": np.log(p["B"])}
    ours = respond("farseer", {**limit, "a3": a3, "g3": g, "b3": np.log(p["A"]) - a3}, **at)
    return ours, respond("chinchilla", {**p, "E": 0.0}, **at)


def _kumar_of_many_bits() -> tuple:
    p, at = random_params("kumar_precision_train"), _sizes_and_tokens()
    return respond("kumar_precision_train", p, **at, P_w=500.0, P_a=500.0, P_kv=500.0), respond("chinchilla", p, **at)


def _joint_at_one_number_of_experts() -> tuple:
    p, at, experts = random_params("ludziejewski_joint_moe"), _sizes_and_tokens(), np.linspace(1, 64, COUNT)
    at_experts = closed("ludziejewski_joint_moe", "as_chinchilla", p, experts)
    return respond("ludziejewski_joint_moe", p, **at, E=experts), respond("chinchilla", at_experts, **at)


def _granular_at_one_granularity() -> tuple:
    p, at, G = random_params("krajewski_granularity"), _sizes_and_tokens(), np.geomspace(1, 64, COUNT)
    as_chinchilla = closed("krajewski_granularity", "as_chinchilla", p, G)
    return respond("krajewski_granularity", p, **at, G=G), respond("chinchilla", as_chinchilla, **at)


def _fine_granularity() -> tuple:
    p, at = random_params("krajewski_granularity"), _sizes_and_tokens()
    plain = {"A": p["a"], "B": p["b"], "E": p["c"], "alpha": p["alpha"], "beta": p["beta"]}
    return respond("krajewski_granularity", p, **at, G=1e300), respond("chinchilla", plain, **at)


def _routed_with_one_expert() -> tuple:
    """One expert: a power law in N."""
    p, at = random_params("clark_routed"), _sizes_and_tokens()
    alpha = -(p["a"] + p["c"] * np.log10(p["E_start"]))
    amplitude = 10 ** (p["d"] + p["b"] * np.log10(p["E_start"]))
    one = respond("clark_routed", p, N=at["N"], E=1.0)
    return one, respond(laws.power_law("N", floor=False), {"A": amplitude, "alpha": alpha}, N=at["N"])


def _unbroken() -> tuple:
    p, x = random_params("bnsl"), _sizes_and_tokens()["D"]
    return respond(laws.bnsl(0), p, D=x), respond(
        laws.power_law("D"), {"A": p["b"], "E": p["a"], "alpha": p["c0"]}, D=x
    )


def _break_of_no_strength() -> tuple:
    p, x = random_params("bnsl"), _sizes_and_tokens()["D"]
    flat = {"c1": 0.0, "d1": 1e10, "f1": 0.02}
    return respond(laws.bnsl(1), {**p, **flat}, D=x), respond(laws.bnsl(0), p, D=x)


def _bent(name: str, other: str, **special: float) -> tuple:
    p = {**random_params("alabdulmohsin_m2"), "x_s": 1e9, "alpha": 0.5, "eps_0": 50.0, **special}
    ours, theirs = (laws.get(x) for x in (name, other))
    x = 10 ** np.random.default_rng(5).uniform(6, 14, COUNT)
    first, second = ({k: p[k] for k in law.parameter_names} for law in (ours, theirs))
    return respond(ours, first, D=x), respond(theirs, second, D=x)


def _constant_rate(law: str) -> tuple:
    p = random_params(law)
    lr = 1e-3 * np.ones((COUNT, 50))
    area = {"A": p["A"], "E": p["L0"], "alpha": p["alpha"]}
    return respond(law, p, lr=lr), respond(laws.power_law("S1"), area, S1=0.05)


def _no_gain_from_falls() -> tuple:
    p, lr = random_params("multi_power_law"), SCHEDULES[np.arange(COUNT) % len(SCHEDULES)]
    area = {"A": p["A"], "E": p["L0"], "alpha": p["alpha"]}
    return respond("multi_power_law", {**p, "B": 0.0}, lr=lr), respond(laws.power_law("S1"), area, S1=lr.sum(axis=1))


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("muennighoff without repetition is chinchilla", _muennighoff_small, 1e-13),
    ("muennighoff with lasting data is chinchilla", _muennighoff_as_good_as_new, 1e-5),
    ("gadre is chinchilla with one exponent", _gadre, 1e-12),
    ("gadre has chinchilla's optimum", _gadre_optimum, 1e-11),
    ("skaling with k = 1 is chinchilla", _skaling_is_chinchilla, 1e-13),
    ("skaling without a floor is kaplan_nd", _skaling_is_kaplan, 1e-11),
    ("farseer with vanishing powers is chinchilla", _farseer_is_chinchilla, 1e-4),
    ("kumar at many bits is chinchilla", _kumar_of_many_bits, 1e-13),
    ("joint law at fixed experts is chinchilla", _joint_at_one_number_of_experts, 1e-12),
    ("krajewski at fixed granularity is chinchilla", _granular_at_one_granularity, 1e-13),
    ("krajewski at endless granularity", _fine_granularity, 1e-12),
    ("clark with one expert is a power law", _routed_with_one_expert, 1e-11),
    ("bnsl without breaks is a power law", _unbroken, 1e-13),
    ("a break of no strength is none", _break_of_no_strength, 1e-13),
    ("M4 with alpha = 0 is M2", lambda: _bent("alabdulmohsin_m4", "alabdulmohsin_m2", alpha=0.0), 1e-12),
    ("M2 without a floor is M1", lambda: _bent("alabdulmohsin_m2", "alabdulmohsin_m1", eps_inf=0.0), 1e-13),
    ("M3 that never saturates is M1", lambda: _bent("alabdulmohsin_m3", "alabdulmohsin_m1", x_s=np.inf), 1e-13),
    ("tissue at a constant rate", lambda: _constant_rate("tissue_annealing"), 1e-12),
    ("multi-power law at a constant rate", lambda: _constant_rate("multi_power_law"), 1e-12),
    ("multi-power law without B", _no_gain_from_falls, 1e-12),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def _by_hand_multi_power(p: dict, lr: np.ndarray) -> float:
    start = int(np.argmax(np.diff(lr) < 0)) + 1  # the first step with a lower rate than the one before
    area = np.sum(lr)
    gain = sum(
        (lr[k - 1] - lr[k]) * (1 - (p["C"] * lr[k] ** -p["gamma"] * np.sum(lr[k:]) + 1) ** -p["beta"])
        for k in range(start, len(lr))
    )
    return p["L0"] + p["A"] * area ** -p["alpha"] - p["B"] * gain


def _by_hand_tissue(p: dict, lr: np.ndarray) -> float:
    start = int(np.argmax(np.diff(lr) < 0)) + 1
    momentum, total = 0.0, 0.0
    for k in range(start, len(lr)):
        momentum = p["lam"] * momentum + lr[k - 1] - lr[k]
        total += momentum
    return p["L0"] + p["A"] * np.sum(lr) ** -p["alpha"] - p["C"] * total


@pytest.mark.parametrize(
    ("name", "by_hand"), [("multi_power_law", _by_hand_multi_power), ("tissue_annealing", _by_hand_tissue)]
)
def test_schedules_step_by_step(name, by_hand):
    case = next(case for case in LAW_CASES if case.law.name == name)
    falling = [lr[lr > 0] for lr in SCHEDULES if np.any(np.diff(lr) < 0)]
    expected = [by_hand(case.truth, lr) for lr in falling]
    padded = np.stack([np.pad(lr, (0, 70 - len(lr))) for lr in falling])  # zeros at the end are no steps
    np.testing.assert_allclose(case.law.predict(case.truth, lr=padded), expected, rtol=1e-12)


def test_a_falling_rate_lowers_loss_at_equal_area():
    """Rates that never rise after warm-up gain something; the gain is what B or C scales."""
    for name, gain in (("multi_power_law", "B"), ("tissue_annealing", "C")):
        case = next(case for case in LAW_CASES if case.law.name == name)
        falls = np.array([lr for lr in SCHEDULES if np.any(np.diff(lr) < 0) and np.all(np.diff(lr)[10:] <= 0)])
        none = case.law.predict({**case.truth, gain: 1e-30}, lr=falls)
        assert len(falls) >= 8
        assert np.all(case.law.predict(case.truth, lr=falls) < none)


def test_m4_solves_its_equation():
    """The loss against bisection of the equation as printed, for alpha on both sides of one."""
    law = laws.alabdulmohsin_m4("x")
    rng = np.random.default_rng(8)
    count = 60
    p = {
        "beta": 10 ** rng.uniform(-2, 3, count), "c": -rng.uniform(0.05, 1.5, count),
        "alpha": 10 ** rng.uniform(-2, 1, count), "eps_inf": rng.uniform(0.01, 1, count),
        "eps_0": rng.uniform(1.1, 10, count),
    }  # fmt: skip
    x = 10 ** rng.uniform(-6, 12, count)
    ours = respond(law, p, x=x)
    for k in range(count):
        beta, c, alpha, low, high = (p[name][k] for name in ("beta", "c", "alpha", "eps_inf", "eps_0"))

        def residual(z: float, k=k, beta=beta, c=c, alpha=alpha, low=low, high=high) -> float:
            above, below = (high - low) / (1 + np.exp(-z)), (high - low) / (1 + np.exp(z))
            return np.log(above) - alpha * np.log(below) - np.log(beta) - c * np.log(x[k])

        z = brentq(residual, -600, 600, xtol=1e-13, rtol=1e-14)
        assert ours[k] == pytest.approx(low + (high - low) / (1 + np.exp(-z)), rel=1e-11)


def test_m4_has_second_derivatives():
    """Curvature through the equation, against differences of the gradient: a fit's Hessian depends on it."""
    case = next(case for case in LAW_CASES if case.law.name == "alabdulmohsin_m4")
    theta = case.law.theta(case.truth)
    with jax.enable_x64(True):
        gradient = jax.jit(jax.vmap(jax.grad(lambda t: case.law.log_response(tuple(t), (jnp.log(1e5),)))))
        hessian = jax.jit(jax.hessian(lambda t: case.law.log_response(tuple(t), (jnp.log(1e5),))))(theta)
        step = 1e-5 * np.eye(len(theta))
        numeric = (gradient(theta + step) - gradient(theta - step)) / 2e-5
    np.testing.assert_allclose(hessian, numeric, rtol=1e-6, atol=1e-9)


def test_muennighoff_worth_of_repetition():
    """D' grows with D and flattens, and meets D with the same slope where repetition begins."""
    p = laws.instance("muennighoff:muennighoff_c4").params
    tokens = np.geomspace(1e8, 1e12, 400)
    worth = closed("muennighoff", "effective", p, 1e6, tokens, 1e10).D
    np.testing.assert_allclose(worth[tokens < 1e10], tokens[tokens < 1e10], rtol=1e-12)
    slopes = np.diff(worth) / np.diff(tokens)
    assert np.all(np.diff(slopes) <= 1e-9) and np.all(slopes > 0)
    edge = 1e10 * np.array([1 - 1e-4, 1, 1 + 1e-4])
    at_edge = closed("muennighoff", "effective", p, 1e6, edge, 1e10).D
    np.testing.assert_allclose(np.diff(at_edge) / np.diff(edge), 1, atol=1e-5)


def test_bnsl_slopes():
    """Far from its breaks the law is a power law: -c0 before them, -(c0 + sum c_i) beyond."""
    p = {"a": 0.0, "b": 5.0, "c0": 0.2, "c1": 0.3, "d1": 1e4, "f1": 0.5, "c2": -0.1, "d2": 1e8, "f2": 0.3}
    x = np.array([1e-6, 1e-5, 1e18, 1e19])
    logs = np.log10(laws.bnsl(2, "x").predict(p, x=x))
    np.testing.assert_allclose((logs[1] - logs[0], logs[3] - logs[2]), (-0.2, -0.4), atol=1e-9)
    swapped = {**p, "c1": p["c2"], "d1": p["d2"], "f1": p["f2"], "c2": p["c1"], "d2": p["d1"], "f2": p["f1"]}
    np.testing.assert_allclose(laws.bnsl(2, "x").predict(swapped, x=x), laws.bnsl(2, "x").predict(p, x=x), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bnsl_with_sharp_breaks(dtype):
    """A break of width 0.02, where (x / d)^(1 / f) would overflow: finite, and a kink between two power laws."""
    p = {"a": 1e-3, "b": 100.0, "c0": 0.2, "c1": 0.4, "d1": 1e10, "f1": 0.02}
    law, log_x = laws.bnsl(1, "x"), np.log(np.geomspace(1e-10, 1e30, 41)).astype(dtype)
    theta = tuple(dtype(t) for t in law.theta(p))
    with jax.enable_x64(dtype == np.float64):
        one_run = jax.value_and_grad(law.log_response, argnums=(0, 1))
        value, gradient = jax.jit(jax.vmap(one_run, in_axes=(None, 0)))(theta, (log_x,))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    x = np.exp(log_x.astype(np.float64))
    kink = p["a"] + p["b"] * x**-0.2 * np.maximum(1, x / 1e10) ** -0.4
    np.testing.assert_allclose(np.exp(value), kink, rtol=0.006)  # the corner is rounded by 2^(0.4 x 0.02)


def test_more_experts_help_below_the_cutoff_alone():
    params = laws.instance("clark_routed:s_base").params
    cutoff = float(of("clark_routed:s_base", "cutoff_size"))
    for size, sign in ((0.5 * cutoff, -1), (2 * cutoff, 1)):
        losses = laws.clark_routed.predict(params, N=size, E=np.array([1, 4, 16, 64, 256]))
        assert np.all(sign * np.diff(losses) > 0)
    effective = float(of("clark_routed:s_base", "effective_size", 5e6, 128))
    dense, routed = (laws.clark_routed.predict(params, N=n, E=e) for n, e in ((effective, 1), (5e6, 128)))
    assert dense == pytest.approx(routed, rel=1e-12)


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: laws.bnsl(-1), ("breaks from 0 to 9", "-1")),
        (lambda: laws.bnsl(breaks=1.5), ("breaks from 0 to 9", "1.5")),
        (lambda: laws.bnsl(variable="my column"), ("'my column'", "variable")),
        (lambda: laws.get("bnsl", variable="a"), ("'a' twice",)),
        (lambda: laws.alabdulmohsin_m2("2x"), ("alabdulmohsin_m2", "'2x'")),
        (lambda: laws.kumar_ptq("minus"), ("'none', 'exponent', 'shift'", "'minus'")),
        (lambda: laws.get("kumar_precision_train", bias=1), ("kumar_precision_train", "got 1")),
    ],
)
def test_options_are_checked(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)


# --- Real data ---


def _by_hand_muennighoff(p: dict, size: np.ndarray, tokens: np.ndarray, unique: np.ndarray) -> np.ndarray:
    unique = np.minimum(unique, tokens)
    ratio = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    fresh_size = np.minimum(size, ratio * (ratio * unique) ** (p["beta"] / p["alpha"]))
    size_worth = fresh_size * (1 + p["R_N_star"] * (1 - np.exp(-(size / fresh_size - 1) / p["R_N_star"])))
    data_worth = unique * (1 + p["R_D_star"] * (1 - np.exp(-(tokens / unique - 1) / p["R_D_star"])))
    return p["E"] + p["A"] * size_worth ** -p["alpha"] + p["B"] * data_worth ** -p["beta"]


@pytest.mark.data
def test_muennighoff_on_its_182_runs(data_folder):
    """The authors' second stage, base held: their figures reproduce, and they are not the least of their objective.

    At the printed R_D* 15.388 and R_N* 5.310 the objective is the printed one. The optimum there, 15.372 and 5.315, is
    lower in its sixth digit only. SciPy from a grid of starts finds four optima; the least, .0158047, lies at 95.4 and
    1.71: the runs say little about how fast repeated data and surplus parameters lose their worth.
    """
    frame = pd.read_csv(data_folder / "datablations_c4.csv").query("in_fit182 == 1")
    runs = js.Runs.from_frame(frame, N="params", D="tokens", U="unique_tokens", loss="loss")
    variables = {name: runs.variable(name) for name in "NDU"}
    published = laws.instance("muennighoff:muennighoff_c4").params
    base = {k: published[k] for k in laws.chinchilla.parameter_names}

    columns = tuple(variables.values())

    def huber_sum(predicted: np.ndarray) -> float:
        residual = np.abs(np.log(predicted / runs.response))
        return float(np.sum(np.where(residual <= 1e-3, residual**2 / 2, 1e-3 * (residual - 5e-4))))

    def objective(params: dict) -> float:
        predicted = _by_hand_muennighoff(params, *columns)
        np.testing.assert_allclose(laws.muennighoff.predict(params, **variables), predicted, rtol=1e-12)
        return huber_sum(predicted)

    assert runs.count == 182
    assert objective(published) == pytest.approx(0.0158259366, rel=1e-6)
    near = js.fit(laws.muennighoff, runs, fixed=base, intervals=None, starts=[published])
    best = js.fit(laws.muennighoff, runs, fixed=base, intervals=None)
    assert best.value < near.value <= objective(published)
    assert near.value <= 0.0158259366
    stars = ("R_D_star", "R_N_star")
    for name in stars:
        assert near.params[name] == pytest.approx(published[name], rel=2e-3)

    def least(start: tuple[float, float]) -> tuple[float, np.ndarray]:
        """SciPy's simplex, restarted, in logs of the two."""
        at = np.log(start)
        for _ in range(3):
            found = minimize(
                lambda t: huber_sum(_by_hand_muennighoff(base | dict(zip(stars, np.exp(t), strict=True)), *columns)),
                at, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-16},
            )  # fmt: skip
            at = found.x
        return found.fun, np.exp(at)

    value, at = least((15.4, 5.3))
    assert near.value == pytest.approx(value, rel=1e-8)
    np.testing.assert_allclose([near.params[name] for name in stars], at, rtol=1e-4)
    tried = [least(start) for start in itertools.product((3.0, 15.0, 50.0, 100.0), (1.5, 5.0, 30.0))]
    value, at = min(tried, key=lambda x: x[0])
    assert best.value == pytest.approx(value, rel=1e-8)
    np.testing.assert_allclose([best.params[name] for name in stars], at, rtol=1e-4)
    np.testing.assert_allclose(at, (95.37, 1.706), rtol=1e-3)
    for law, printed in ((laws.muennighoff, "0.7722046"), (laws.chinchilla, "0.4451684")):
        params, at = {k: published[k] for k in law.parameter_names}, {v.name: variables[v.name] for v in law.variables}
        left = np.sum((law.predict(params, **at) - runs.response) ** 2)
        assert 1 - left / np.sum((runs.response - runs.response.mean()) ** 2) == as_printed(printed)
