"""Sparse weights: parameters that are zero, and how many dense ones those that are left are worth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published, Status
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_PAPER = "Frantar et al. 2023 (arXiv 2309.08520)"


def _log_size_factor(p: Params, S: Array) -> Array:
    return logsumexp(p.log_a_S + p.b_S * jnp.log1p(-S), p.log_c_S)


def _log_loss(p: Params, *, log_N: Array, log_D: Array, S: Array) -> Array:
    size = _log_size_factor(p, S) - p.b_N * log_N
    return logsumexp(size, p.b_D * (p.log_a_D - log_D), p.log_c)


def _dense_equivalent(params: Mapping[str, Any], S: Any) -> Array:
    """How many parameters of a dense model one non-zero parameter is worth at sparsity S."""
    p = Params(params)
    return jnp.exp((_log_size_factor(p, jnp.zeros(())) - _log_size_factor(p, jnp.asarray(S))) / p.b_N)


def _fitted(what: str, status: Status, note: str, *values: float) -> Published:
    names = ("a_S", "b_S", "c_S", "b_N", "a_D", "b_D", "c")
    return Published(
        dict(zip(names, values, strict=True)), f"{_PAPER}, {what}", status, note=f"Read in a survey{note}."
    )


frantar_sparsity = Law(
    "frantar_sparsity",
    _log_loss,
    variables=(
        replace(N, meaning="parameters that are not zero"),
        D,
        Variable("S", "", "share of parameters that are zero; below 1", "unit"),
    ),
    parameters=(
        Parameter(
            "a_S", unit="nats params^b_N", meaning="part of the size term that sparsity removes",
            dimension={"N": "b_N", "loss": 1},
        ),
        Parameter("b_S", "identity", meaning="exponent of 1 - S"),
        Parameter("c_S", unit="nats params^b_N", meaning="part that it leaves", dimension={"N": "b_N", "loss": 1}),
        Parameter("b_N", "identity", meaning="exponent of N"),
        Parameter(
            "a_D", unit="tokens", meaning="D at which the data term would be one nat",
            dimension={"D": 1, "loss": "1/b_D"},
        ),
        Parameter("b_D", meaning="exponent of D"),
        Parameter("c", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
    ),
    formula="L = (a_S (1 - S)^b_S + c_S) / N^b_N + (a_D / D)^b_D + c",
    serves="How sparse to train weights, for hardware that skips zeros.",
    source=_PAPER,
    note="At one sparsity this is chinchilla in non-zero parameters.",
    constants={
        "t5_c4": _fitted(
            "T5 on C4", "recomputed", "; that three quarters of zeros are worth 2.16 times the parameters follows",
            16.8, 0.722, 45.0, 0.245, 6.90e8, 0.203, 0.651,
        ),
        "vit_jft": _fitted("ViT on JFT", "unverified", "", 294.0, 0.821, 468.0, 0.392, 2.37e8, 0.890, 4.517),
    },
    closed_forms={"dense_equivalent": _dense_equivalent},
)  # fmt: skip
