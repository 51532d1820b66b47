"""How large a vocabulary should be: Tao et al. 2024, "Scaling Laws with Vocabulary" (arXiv 2407.13623).

N_nv counts parameters outside the vocabulary, N_v = V d those of the vocabulary: V entries of width d. Data is counted
in characters, since a larger vocabulary makes fewer tokens of the same text.
"""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import floating, logsumexp
from jaxscale.laws._parameters import Parameter, Params, Variable
from jaxscale.laws.power import allocation_law

_PAPER = "Tao et al. 2024 (arXiv 2407.13623)"
_CODE = "constants of the authors' repository"
_MILLION, _BILLION = math.log(1e6), math.log(1e9)
_LARGEST_VOCABULARY = 2e5  # the polynomial was fitted up to here

_N_NV = Variable("N_nv", "parameters", "parameters outside the vocabulary")
_V = Variable("V", "", "entries of the vocabulary")
_WIDTH = Variable("d", "parameters per entry", "width of the embedding")


def tokens_per_character(V: Any) -> Array:
    """Tokens a tokenizer with V entries makes of one character, on average; V above 200,000 counts as 200,000."""
    log_V = jnp.log(jnp.minimum(floating(V), _LARGEST_VOCABULARY))
    return 0.00639222 * log_V**2 - 0.15811069 * log_V + 1.20470122


# --- Loss ---


def tao_vocab(as_published: bool = True) -> Law:
    """Unigram-normalised loss against size, vocabulary and characters. Its constants hold with a quirk of their fit.

    The authors' script divided V by 1000 before it asked how many tokens H characters make. Their constants describe
    their runs only that way (R2 0.97; 0.04 with the true V), so the law does the same. All variables are plain counts.

    Args:
        as_published: False counts tokens with the true V, for a fit of one's own. The same value gives the same object.

    Raises:
        InputError: `as_published` is neither true nor false.
    """
    if not isinstance(as_published, bool):
        raise InputError(f"tao_vocab takes as_published=True or as_published=False, got {as_published!r}")
    return _tao_vocab(as_published)


@cache
def _tao_vocab(as_published: bool) -> Law:
    divisor = 1000.0 if as_published else 1.0

    def loss(p: Params, *, log_N_nv: Array, log_V: Array, log_d: Array, log_H: Array) -> Array:
        log_tokens = log_H + jnp.log(tokens_per_character(jnp.exp(log_V) / divisor))
        return -p.E + jnp.exp(
            logsumexp(
                p.log_A1 - p.a1 * (log_N_nv - _MILLION),
                p.log_A2 - p.a2 * (log_V + log_d - _MILLION),
                p.log_B - p.b * (log_tokens - _BILLION),
            )
        )

    constants = Published(
        {
            "E": 5.5327846803337435,
            "A1": 1.8313851559554126,
            "A2": 0.19584238398665638,
            "B": 2.1241123120064955,
            "a1": 0.44660634152009615,
            "a2": 0.6707374679896795,
            "b": 0.44660634152009615,
        },
        f"{_PAPER}, Approach 3, {_CODE}",
        note="a1 and b tied. R2 0.972 on the released runs.",
    )
    return Law(
        "tao_vocab",
        loss,
        variables=(_N_NV, _V, _WIDTH, Variable("H", "characters", "characters trained on")),
        response=Variable("loss_u", "nats per token", "loss less that of a unigram model: negative", "real"),
        parameters=(
            Parameter("E", unit="nats per token", meaning="the limit of loss_u is -E", dimension={"loss_u": 1}),
            Parameter("A1", meaning="size term at N_nv of a million", dimension={"N_nv": "a1", "loss_u": 1}),
            Parameter("A2", meaning="vocabulary term at V d of a million", dimension={"d": "a2", "loss_u": 1}),
            Parameter("B", meaning="data term at a billion tokens", dimension={"H": "b", "loss_u": 1}),
            Parameter("a1", meaning="exponent of N_nv"),
            Parameter("a2", meaning="exponent of V d"),
            Parameter("b", meaning="exponent of tokens"),
        ),
        formula=(
            "L_u = -E + A1 / (N_nv / 1e6)^a1 + A2 / (V d / 1e6)^a2 + B / (tokens / 1e9)^b, "
            f"tokens = H tokens_per_character(V{' / 1000' if as_published else ''})"
        ),
        serves="How large a vocabulary, with the loss it costs to be off.",
        seen_to="3B parameters, 500B characters",
        source=f"{_PAPER}, Approach 3",
        note="Tokens are counted with V / 1000, as in the authors' fit; as_published=False counts them with V.",
        constants={"tao": constants} if as_published else {},
        options={"as_published": as_published},
    )


# --- The best vocabulary ---


def _log_best_vocabulary(p: Params, *, log_N_nv: Array, log_d: Array) -> Array:
    return p.log_k + p.gamma * (log_N_nv - math.log(33e6)) - log_d


def _isoflop(log_k_size: float, size_power: float, log_k_vocabulary: float, vocabulary_power: float) -> Published:
    """Both optima are powers of compute: without it, one is a power of the other."""
    gamma = vocabulary_power / size_power
    k = math.exp(log_k_vocabulary + gamma * (math.log(33e6) - log_k_size))
    return Published(
        {"k": k, "gamma": gamma},
        f"{_PAPER}, Approach 1, {_CODE}",
        "recomputed",
        note="From the two optima of tao_alloc, which share their compute.",
    )


_ISOFLOP = (-2.4846510161625193, 0.5, -1.589031299255507, 0.4163622634135234)

tao_vocab_size = Law(
    "tao_vocab_size",
    _log_best_vocabulary,
    variables=(_N_NV, _WIDTH),
    response=replace(_V, better="neither"),
    parameters=(
        Parameter(
            "k",
            unit="parameters",
            meaning="best V d at N_nv of 33 million",
            dimension={"N_nv": lambda p: -p["gamma"], "d": 1},
        ),
        Parameter("gamma", meaning="exponent of N_nv"),
    ),
    formula="V = k (N_nv / 33e6)^gamma / d",
    serves="How large a vocabulary a size asks for.",
    seen_to="3B parameters, 500B characters",
    source=_PAPER,
    constants={
        "isoflop": _isoflop(*_ISOFLOP),
        "derivative": Published({"k": 3145728.0, "gamma": 0.8353974035228025}, f"{_PAPER}, Approach 2, {_CODE}"),
    },
)

tao_alloc = allocation_law(
    "tao_alloc",
    serves="How to split a budget between vocabulary and the rest of the model.",
    seen_to="3B parameters, 500B characters",
    source=f"{_PAPER}, Approach 1 (isoFLOP profiles)",
    note="C = 6 (N_nv + V d) H f(V), f = tokens_per_character.",
    constants={
        name: Published({"k": math.exp(log_k), "a": a}, f"{_PAPER}, Approach 1, {_CODE}", note=note)
        for name, log_k, a, note in (
            ("N_nv", *_ISOFLOP[:2], "Parameters outside the vocabulary."),
            ("N_v", *_ISOFLOP[2:], "Parameters of the vocabulary, V d."),
        )
    },
)
