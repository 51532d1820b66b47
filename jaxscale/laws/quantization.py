"""Models served in few bits: trained for it from the start, or quantised afterwards. Kumar et al. are in precision."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_CHEN = "Chen et al. 2025 (arXiv 2505.14302)"
_OUYANG = "Ouyang et al. 2024 (arXiv 2411.17691)"

# --- Quantisation-aware training ---


def _log_rise_trained(p: Params, log_N: Array, log_D: Array, log_G: Array) -> Array:
    doublings = log(log_G / math.log(2.0))
    return p.log_k + p.gamma_D * log_D + p.gamma_G * doublings - p.gamma_N * log_N


def _log_loss_trained(p: Params, *, log_N: Array, log_D: Array, log_G: Array) -> Array:
    full = (p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D)
    return logsumexp(*full, _log_rise_trained(p, log_N, log_D, log_G))


def _loss_rise(params: Mapping[str, Any], N: Any, D: Any, G: Any) -> Array:
    """What quantisation adds to the loss of a model of N parameters and D tokens in groups of G."""
    return jnp.exp(_log_rise_trained(Params(params), jnp.log(N), jnp.log(D), jnp.log(G)))


_FULL = {"E": 1.9279, "A": 237.7042, "B": 596.2490, "alpha": 0.3022, "beta": 0.3022}


def _bits(what: str, k: float, gamma_N: float, gamma_D: float, gamma_G: float, more: str = "") -> Published:
    return Published(
        _FULL | {"k": k, "gamma_N": gamma_N, "gamma_D": gamma_D, "gamma_G": gamma_G},
        f"{_CHEN}, Table 1",
        note=f"{what}.{more} alpha and beta tied.",
    )


chen_qat = Law(
    "chen_qat",
    _log_loss_trained,
    variables=(N, D, Variable("G", "", "group size: how many numbers share a scale, at least 2")),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("A", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("B", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter(
            "k",
            unit="nats params^gamma_N tokens^-gamma_D",
            meaning="what quantisation adds at N = D = 1, G = 2",
            dimension={"N": "gamma_N", "D": "-gamma_D", "loss": 1},
        ),
        Parameter("gamma_N", "identity", meaning="exponent of 1 / N in it"),
        Parameter("gamma_D", "identity", meaning="exponent of D in it"),
        Parameter("gamma_G", "identity", meaning="exponent of log2 G in it"),
    ),
    ranges={"G_min": 2},
    formula="L = E + A / N^alpha + B / D^beta + k D^gamma_D (log2 G)^gamma_G / N^gamma_N",
    serves="In how many bits and how large groups to train a model that will be served quantised.",
    seen_to="973M parameters, 200B tokens",
    source=_CHEN,
    note="One instance for each number of bits of weights (W) and activations (A).",
    constants={
        "w4a4": _bits("W4A4", 0.1582, 0.2186, 0.0745, 0.7779),
        "w4a16": _bits("W4A16", 0.2522, 0.3589, 0.1610, 0.3533),
        "w16a4": _bits("W16A4", 0.1004, 0.1816, 0.0331, 0.9812, " gamma_G is .9821 elsewhere in the paper."),
        "w4a4_fc2_8": _bits("W4A4 with 8 bits into the second feed-forward layer", 0.3519, 0.2637, 0.0964, 0.3407),
        "w16a4_fc2_8": _bits(
            "W16A4 with 8 bits into the second feed-forward layer",
            *(0.1273, 0.2347, 0.0827, 0.4491),
            " gamma_G is .4471 elsewhere in the paper.",
        ),
    },
    closed_forms={"loss_rise": _loss_rise},
)

# --- Quantisation after training ---


def _log_rise_after(p: Params, *, log_N: Array, log_D: Array, log_P: Array) -> Array:
    return p.log_k + p.gamma_D * log_D - p.gamma_N * log_N - p.gamma_P * log_P


def _tokens_for_rise(params: Mapping[str, Any], rise: Any, N: Any, P: Any) -> Array:
    """Tokens after which quantising a model of N parameters to P bits adds `rise` to its loss."""
    p = Params(params)
    at_one = _log_rise_after(p, log_N=jnp.log(N), log_D=jnp.zeros(()), log_P=jnp.log(P))
    return jnp.exp((jnp.log(rise) - at_one) / p.gamma_D)


ouyang_ptq = Law(
    "ouyang_ptq",
    _log_rise_after,
    variables=(
        replace(N, meaning="parameters without embeddings"),
        D,
        Variable("P", "bits", "bits of the weights after training"),
    ),
    response=Variable("loss_rise", "nats per token", "loss after quantising less loss before"),
    parameters=(
        Parameter(
            "k",
            unit="nats params^gamma_N tokens^-gamma_D bits^gamma_P",
            meaning="rise at N = D = 1 and one bit",
            dimension={"N": "gamma_N", "D": "-gamma_D", "P": "gamma_P", "loss_rise": 1},
        ),
        Parameter("gamma_D", "identity", meaning="exponent of D"),
        Parameter("gamma_N", "identity", meaning="exponent of 1 / N"),
        Parameter("gamma_P", "identity", meaning="exponent of 1 / P"),
    ),
    ranges={"P_max": 16},
    formula="loss_rise = k D^gamma_D / (N^gamma_N P^gamma_P)",
    serves="To how few bits a trained model may be brought, and how many tokens are too many for that.",
    source=_OUYANG,
    note="A power of bits where kumar_ptq has an exponential; its exponents of D and N are .5068 and .3439.",
    constants={
        "pythia": Published(
            {"k": 0.017, "gamma_D": 0.5251, "gamma_N": 0.2261, "gamma_P": 5.4967},
            f"{_OUYANG}, caption of Figure 6",
            note="GPTQ on the checkpoints of Pythia. The paper's own Table 1 (tokens until the rise is 0.2) does not "
            "follow: at its four-bit entries for 7B, 70B and 405B the formula gives .219, .264 and .304.",
        )
    },
    closed_forms={"tokens_for_rise": _tokens_for_rise},
)
