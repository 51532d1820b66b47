"""Surfaces L(N, D) that bend where Chinchilla's does not: exponents that drift with size, and a power of the sum."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, D, N, Parameter, Params
from jaxscale.laws.hoffmann import Exponents, chinchilla

_FARSEER = "Li et al. 2025 (arXiv 2506.10972)"
_SKALING = "arXiv 2608.07222"

# --- Farseer ---


def _log_loss_farseer(p: Params, *, log_N: Array, log_D: Array) -> Array:
    exponent, log_data, log_floor = (p[f"a{i}"] * jnp.exp(p[f"g{i}"] * log_N) + p[f"b{i}"] for i in (1, 2, 3))
    return logsumexp(log_floor, log_data - jnp.exp(exponent) * log_D)


_TERMS = {1: "the exponent of D", 2: "the data term", 3: "the loss at endless data"}

farseer = Law(
    "farseer",
    _log_loss_farseer,
    variables=(replace(N, meaning="parameters without embeddings"), replace(D, fixed_unit=True)),
    response=replace(LOSS, unit="bits per character", fixed_unit=True),
    parameters=tuple(
        parameter
        for i, of in _TERMS.items()
        for parameter in (
            Parameter(f"a{i}", "identity", meaning=f"how the log of {of} follows N", dimension={"N": f"-g{i}"}),
            Parameter(f"g{i}", "identity", meaning=f"exponent of N in the log of {of}"),
            Parameter(f"b{i}", "identity", meaning=f"log of {of} where N plays no part"),
        )
    ),
    formula="L = exp(a3 N^g3 + b3) + exp(a2 N^g2 + b2) D^-exp(a1 N^g1 + b1)",
    serves="How many parameters and tokens, where one exponent does not fit all sizes.",
    source=_FARSEER,
    note="Nine parameters that trade off: it takes runs of many sizes and token counts to tell them apart.",
)

# --- A power of the sum ---


def _log_loss_skaling(p: Params, *, log_N: Array, log_D: Array) -> Array:
    return logsumexp(p.log_E, p.k * logsumexp(p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D))


def _skaling_exponents(params: Mapping[str, Any]) -> Exponents:
    """Exponents of compute on the frontier of C = kappa N D: those of chinchilla, with gamma times k."""
    a, b, gamma = chinchilla.closed_forms["exponents"](params)
    return Exponents(a, b, Params(params).k * gamma)


def _skaling_loss_at_budget(params: Mapping[str, Any], C: Any, kappa: Any = 6.0) -> Array:
    """The least loss for C = kappa N D."""
    best = chinchilla.closed_forms["allocation"](params, C, kappa)
    return jnp.exp(_log_loss_skaling(Params(params), log_N=jnp.log(best.N), log_D=jnp.log(best.D)))


skaling = Law(
    "skaling",
    _log_loss_skaling,
    variables=(N, D),
    parameters=(
        Parameter("A", unit="nats^(1/k) params^alpha", meaning="size term", dimension={"N": "alpha", "loss": "1/k"}),
        Parameter("B", unit="nats^(1/k) tokens^beta", meaning="data term", dimension={"D": "beta", "loss": "1/k"}),
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N inside the sum"),
        Parameter("beta", "identity", meaning="exponent of D inside the sum"),
        Parameter(
            "k",
            meaning="power of the sum; 1 is chinchilla, below 1 each helps the more, the more there is of the other",
        ),
    ),
    formula="L = E + (A / N^alpha + B / D^beta)^k",
    serves="How many parameters and tokens, and how much each helps the other.",
    source=_SKALING,
    note="The best size and tokens do not depend on E or k. E and k trade off: E may vanish in a fit.",
    closed_forms={
        "exponents": _skaling_exponents,
        "allocation": chinchilla.closed_forms["allocation"],
        "tokens_per_param": chinchilla.closed_forms["tokens_per_param"],
        "budget_at_size": chinchilla.closed_forms["budget_at_size"],
        "loss_at_budget": _skaling_loss_at_budget,
    },
)
