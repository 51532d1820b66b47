"""How to build a mixture of experts: what it saves of a dense model's compute, granularity, and shared experts."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import LOSS, C, D, N, Parameter, Params, Variable
from jaxscale.laws.power import allocation_law

_LING = "Tian et al. 2025 (arXiv 2507.17702)"
_HUNYUAN = "Tencent Hunyuan 2025 (arXiv 2509.23678)"
_LN2, _LN10 = math.log(2.0), math.log(10.0)

# --- Ling: efficiency leverage ---


def _log_leverage(p: Params, *, log_A: Array, log_G: Array, log_C: Array) -> Array:
    doublings = log_G / _LN2
    exponent = p.a + p.d * log_C / _LN10 + doublings * (p.gamma * doublings + p.beta)
    return exponent * logsumexp(log_A, p.log_A_start)


def _best_leverage_granularity(params: Mapping[str, Any]) -> Array:
    """The granularity of the greatest leverage, 2^(-beta / (2 gamma)), whatever the activation and compute."""
    p = Params(params)
    return 2.0 ** (-p.beta / (2 * p.gamma))


ling_leverage = Law(
    "ling_leverage",
    _log_leverage,
    variables=(
        Variable("A", "", "activation ratio: share of the experts that a token passes through, up to 1"),
        Variable("G", "", "granularity: into how many parts each expert is cut"),
        replace(C, fixed_unit=True),
    ),
    response=Variable(
        "leverage", "", "compute of a dense model over that of the mixture at equal loss", better="higher"
    ),
    parameters=(
        Parameter("a", "identity", meaning="exponent of the activation ratio at C = G = 1"),
        Parameter("d", "identity", meaning="its change with each decade of compute, negative"),
        Parameter("gamma", "identity", meaning="its change with the square of log2 G"),
        Parameter("beta", "identity", meaning="its change with log2 G, negative"),
        Parameter("A_start", meaning="activation at which little more is gained by activating less"),
    ),
    ranges={"A_max": 1, "G_min": 1},
    formula="leverage = (A + A_start)^(a + d log10 C + gamma (log2 G)^2 + beta log2 G)",
    serves="How few experts a token should pass through and how finely to cut them, for what saving of compute.",
    seen_to="28B parameters; a model of 0.85B active parameters on 1T tokens matched a dense one of 6.1B",
    source=_LING,
    note=(
        "The bases of the logarithms are inferred: with these the paper's statements follow (about 7 at A = 3.4 %, "
        "G = 12, 1e22 FLOPs; best G about 12), with others not. The paper also has A_max = 5.3e16, endless in effect."
    ),
    constants={
        "ling": Published(
            {"a": 1.23, "d": -7.61e-2, "gamma": 1.67e-2, "beta": -1.17e-1, "A_start": 1.63e-2},
            _LING,
            "unverified",
            note="Read in public notes, not in the paper. The leverage and best granularity that they quote follow "
            "(6.97 where the paper says over 7), with the logarithms read as the law reads them.",
        )
    },
    closed_forms={"best_granularity": _best_leverage_granularity},
)

ling_hparams = allocation_law(
    "ling_hparams",
    serves="Which learning rate and batch a mixture of experts asks for.",
    source=_LING,
    note="Belongs to the models of ling_leverage. The learning rate falls as the budget's 0.15th power.",
    constants={
        "lr": Published(
            {"k": 1.1576, "a": -0.1529}, _LING, "unverified", note="Learning rate. As quoted in public notes."
        ),
        "B": Published(
            {"k": 0.0694, "a": 0.3644},
            _LING,
            "unverified",
            note="Batch, in a unit that the public notes which quote it do not name.",
        ),
    },
)

# --- Hunyuan: five factors ---


def _log_loss_hunyuan(p: Params, *, log_N: Array, log_D: Array, log_N_a: Array, log_G: Array, S: Array) -> Array:
    G = jnp.exp(log_G)
    design = p.e * G + p.f / G + S * (p.m * S + p.n)
    all_, active = jnp.exp(-p.alpha * log_N), jnp.exp(-p.alpha * log_N_a)
    felt = all_ + p.k * active + p.h * jnp.exp(log_N_a - log_N)
    return log(design * felt + p.a * all_ + p.b * jnp.exp(-p.beta * log_D) + p.c * active + p.eps)


def _best_granularity(params: Mapping[str, Any]) -> Array:
    """The granularity of least loss, sqrt(f / e), whatever the sizes."""
    p = Params(params)
    return jnp.sqrt(p.f / p.e)


def _best_shared(params: Mapping[str, Any]) -> Any:
    """The share of shared experts of least loss, -n / (2 m), whatever the sizes."""
    p = Params(params)
    return -p.n / (2 * p.m)


hunyuan_moe = Law(
    "hunyuan_moe",
    _log_loss_hunyuan,
    variables=(
        replace(N, meaning="parameters of all experts together", fixed_unit=True),
        D,
        Variable("N_a", "parameters", "parameters a token passes through", fixed_unit=True),
        Variable("G", "", "granularity: into how many parts each expert is cut"),
        Variable("S", "", "share of shared experts among those that a token passes through", "unit"),
    ),
    response=replace(LOSS, fixed_unit=True),
    parameters=(
        Parameter("e", meaning="what fine cutting costs"),
        Parameter("f", meaning="what coarse cutting costs"),
        Parameter("m", meaning="square of S in the loss"),
        Parameter("n", "identity", meaning="S in the loss, negative where sharing helps"),
        Parameter("k", meaning="how much design is felt through active parameters"),
        Parameter("h", meaning="how much design is felt through the active share"),
        Parameter("a", meaning="size term of all parameters"),
        Parameter("b", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta"}),
        Parameter("c", meaning="size term of active parameters"),
        Parameter("eps", unit="nats per token", meaning="irreducible loss"),
        Parameter("alpha", "identity", meaning="exponent of both sizes"),
        Parameter("beta", "identity", meaning="exponent of D"),
    ),
    formula=(
        "L = (e G + f / G + m S^2 + n S)(1 / N^alpha + k / N_a^alpha + h N_a / N) + a / N^alpha + b / D^beta "
        "+ c / N_a^alpha + eps"
    ),
    ranges={"N_a_per_N_max": 1, "G_min": 1},
    serves="How many parameters, active and in all, how finely cut experts and how many shared ones, at once.",
    source=_HUNYUAN,
    note="The best granularity and share of shared experts are the same for every size, data and budget: sqrt(f / e) "
    "and -n / (2 m). Memory and compute decide N and N_a.",
    constants={
        "hunyuan": Published(
            {
                "e": 0.1577, "f": 7.2446, "m": 5.1395, "n": -3.2363, "k": 0.0013, "h": 0.0450, "a": 38.051,
                "b": 27129.05, "c": 31.096, "eps": 1.8182, "alpha": 0.2383, "beta": 0.4694,
            },
            _HUNYUAN,
            "unverified",
            note="Read in a survey, not in the paper. The best granularity (about 7) and share of shared experts "
            "(0.31) follow, which rest on e, f, m and n alone.",
        )
    },
    closed_forms={"best_granularity": _best_granularity, "best_shared": _best_shared},
)  # fmt: skip
