"""Parallel streams: one model run P times on each token with different prefixes, and the answers combined."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, N, Parameter, Params, Variable

_PAPER = "Chen et al. 2025 (arXiv 2505.10475)"


def _log_loss(p: Params, *, log_N: Array, log_P: Array) -> Array:
    return logsumexp(p.log_E, p.alpha * (p.log_A - log_N - jnp.log1p(p.k * log_P)))


def _size_factor(params: Mapping[str, Any], P: Any) -> Array:
    """How many times the parameters would do what P streams do: k ln P + 1."""
    return 1 + Params(params).k * jnp.log(P)


def _refit(E: float, A: float, alpha: float, k: float, corpus: str) -> Published:
    return Published(
        {"A": A, "E": E, "alpha": alpha, "k": k},
        f"{_PAPER}, {corpus}",
        "recomputed",
        note="Refitted to the losses in the authors' script, which print the same digits.",
    )


parscale = Law(
    "parscale",
    _log_loss,
    variables=(N, Variable("P", "", "parallel streams, at least 1")),
    parameters=(
        Parameter(
            "A",
            unit="parameters",
            meaning="size at which the reducible loss of one stream would be one nat",
            grid=tuple(math.log(1e9) + x for x in range(-4, 5)),
            dimension={"N": 1, "loss": "1/alpha"},
        ),
        Parameter("E", unit=LOSS.unit, meaning="irreducible loss", grid=(-1.0, -0.5, 0.0), dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of size", grid=(0.0, 0.5, 1.0, 1.5, 2.0)),
        Parameter("k", meaning="worth of a stream", grid=tuple(math.log(x) for x in (0.2, 0.4, 0.6, 0.8))),
    ),
    formula="L = E + (A / (N (k ln P + 1)))^alpha",
    serves="Whether parallel streams may stand in for parameters.",
    seen_to="4.4B parameters with 8 streams",
    source=_PAPER,
    note="N without embeddings. The logarithm is natural: one stream is a power law in N.",
    constants={
        "stack_v2_python": _refit(0.691207, 1.130707e7, 0.189358, 0.393457, "Stack-V2 Python"),
        "pile": _refit(1.288588, 1.975166e8, 0.196281, 0.334442, "Pile"),
    },
    closed_forms={"size_factor": _size_factor},
)
