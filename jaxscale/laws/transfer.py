"""Transfer from pre-training to a small data set: what it is worth in data of that set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._parameters import N, Parameter, Params, Variable

_PAPER = "Hernandez et al. 2021 (arXiv 2102.01293)"
_SECOND_HAND = "Two independent public notes print the same; not read in the paper itself."

_D_F = Variable("D_F", "characters", "data fine-tuned on")
_D_T = Variable("D_T", "characters", "data transferred: what pre-training saves of fine-tuning data", better="higher")


def _log_transferred(p: Params, *, log_D_F: Array, log_N: Array) -> Array:
    return p.log_k + p.alpha * log_D_F + p.beta * log_N


def _effective_data(params: Mapping[str, Any], D_F: Any, N: Any) -> Array:
    """D_E = D_F + D_T: the characters a model trained from scratch would need for the same loss."""
    return D_F + jnp.exp(_log_transferred(Params(params), log_D_F=jnp.log(D_F), log_N=jnp.log(N)))


def _multiplier(params: Mapping[str, Any], D_F: Any, N: Any) -> Array:
    """D_E / D_F: how many times more the fine-tuning data is worth after pre-training."""
    return _effective_data(params, D_F, N) / D_F


def _published(k: float, alpha: float, beta: float, what: str) -> Published:
    return Published({"k": k, "alpha": alpha, "beta": beta}, f"{_PAPER}, {what}", "unverified", note=_SECOND_HAND)


hernandez_transfer = Law(
    "hernandez_transfer",
    _log_transferred,
    variables=(_D_F, replace(N, meaning="non-embedding parameters")),
    response=_D_T,
    parameters=(
        Parameter(
            "k",
            unit="characters^(1 - alpha) params^-beta",
            meaning="data transferred at D_F = N = 1",
            dimension={"D_T": 1, "D_F": "-alpha", "N": "-beta"},
        ),
        Parameter("alpha", "identity", meaning="exponent of fine-tuning data; small where pre-training was close"),
        Parameter("beta", "identity", meaning="exponent of N"),
    ),
    formula="D_T = k D_F^alpha N^beta, D_E = D_F + D_T",
    serves="Whether to pre-train: what it saves of fine-tuning data.",
    source=_PAPER,
    note=(
        "Only while data is scarce: D_F at most a tenth of what the model would need from scratch. The loss after "
        "fine-tuning is that of kaplan_nd with D_E for its D."
    ),
    constants={
        "text_to_python": _published(1.9e4, 0.18, 0.38, "pre-trained on text, fine-tuned on Python"),
        "mix_to_python": _published(2.1e5, 0.096, 0.38, "pre-trained on text and other code, fine-tuned on Python"),
    },
    closed_forms={"effective_data": _effective_data, "multiplier": _multiplier},
)
