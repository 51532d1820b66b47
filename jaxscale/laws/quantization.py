"""Models served in few bits: trained for it from the start, or quantised afterwards. Kumar et al. are in precision."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable
from jaxscale.laws.hoffmann import chinchilla
from jaxscale.laws.precision import kumar_precision_train, kumar_ptq

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
    seen_to="12B parameters, 206B tokens",
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

# --- Training in full, serving in few bits ---

_RISES = ("kumar", "ouyang")


def quantised_after(rise: str = "kumar") -> Law:
    """Loss of a model that is trained in 16 bits and served in P: chinchilla's, and what quantising adds.

    Bits are then something a plan decides: fewer are cheaper to serve and take less memory, and cost loss. The same
    argument gives the same object, so that a law asked for twice is compiled once.

    Args:
        rise: the law of what quantising adds, "kumar" (`kumar_ptq`, an exponential of bits) or "ouyang" (`ouyang_ptq`,
            a power).

    Raises:
        InputError: there is no such rise.
    """
    if rise not in _RISES:
        raise InputError(f"quantised_after takes rise as 'kumar' or 'ouyang'; got {rise!r}")
    return _quantised_after(rise)


@cache
def _quantised_after(rise: str) -> Law:
    added = kumar_ptq() if rise == "kumar" else ouyang_ptq

    def log_loss(p: Params, *, log_N: Array, log_D: Array, log_P: Array) -> Array:
        before = chinchilla.function(p, log_N=log_N, log_D=log_D)
        return logsumexp(before, added.function(p, log_N=log_N, log_D=log_D, log_P=log_P))

    def of_a_loss(parameter: Parameter) -> Parameter:
        """The rise is of the loss here."""
        dimension = {"loss" if k == "loss_rise" else k: power for k, power in parameter.dimension.items()}
        return replace(parameter, dimension=dimension)

    trained, after = kumar_precision_train().constants["kumar"], added.constants
    both = {name: trained.params[name] for name in chinchilla.parameter_names}
    return Law(
        "quantised_after",
        log_loss,
        variables=added.variables,
        parameters=(*chinchilla.parameters, *map(of_a_loss, added.parameters)),
        ranges={"P_max": 16},
        formula=f"L = E + A / N^alpha + B / D^beta + {added.formula.removeprefix('loss_rise = ')}",
        serves="How large a model to train in 16 bits, on how many tokens, and in how few bits to serve it.",
        seen_to=added.seen_to,
        source=added.source,
        note=(
            "More tokens may make the quantised model worse. Constants of another base or another way of quantising: "
            "`.at(**base.params, **rise.params)`."
        ),
        constants={
            "kumar": Published(
                both | dict(after["kumar"].params),
                after["kumar"].source,
                note=f"Trained in 16 bits, at which N_eff would be .3 % less than N. {after['kumar'].note}",
            )
        }
        if rise == "kumar"
        else {},
        options={"rise": rise},
    )
