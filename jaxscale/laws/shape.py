"""What the shape of a model costs: its width and depth, and the share of its parameters in feed-forward layers."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_MCLEISH = "McLeish et al. 2025 (arXiv 2502.06857)"
_BIAN = "Bian et al. 2025 (arXiv 2510.18245)"
_WIDTH = Variable("width", "", "width of the model")

# --- Gemstones: width and depth ---

_TERMS = {"w": "width", "d": "depth", "n": "N", "t": "D"}


def _log_loss_gemstones(p: Params, **logs: Array) -> Array:
    return logsumexp(p.log_E, *(p[f"log_a_{k}"] - p[f"alpha_{k}"] * logs[f"log_{x}"] for k, x in _TERMS.items()))


def _fitted(log_E: float, logs: tuple[float, ...], exponents: tuple[float, ...], source: str, **more: Any) -> Published:
    amplitudes = {f"a_{k}": math.exp(x) for k, x in zip(_TERMS, logs, strict=True)}
    powers = {f"alpha_{k}": x for k, x in zip(_TERMS, exponents, strict=True)}
    return Published({"E": math.exp(log_E), **amplitudes, **powers}, f"{_MCLEISH}, {source}", **more)


gemstones = Law(
    "gemstones",
    _log_loss_gemstones,
    variables=(
        _WIDTH,
        Variable("depth", "", "number of layers"),
        replace(N, meaning="parameters that take part in a token"),
        D,
    ),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        *(
            Parameter(f"a_{k}", meaning=f"{x} term at {x} = 1", dimension={x: f"alpha_{k}", "loss": 1})
            for k, x in _TERMS.items()
        ),
        *(Parameter(f"alpha_{k}", "identity", meaning=f"exponent of {x}") for k, x in _TERMS.items()),
    ),
    formula="L = E + a_w / width^alpha_w + a_d / depth^alpha_d + a_n / N^alpha_n + a_t / D^alpha_t",
    serves="How wide and how deep a model of a given size should be.",
    seen_to="2B parameters, 350B tokens",
    source=_MCLEISH,
    note="Rows of one model's checkpoints are correlated by 0.91: intervals that take them for independent are narrow.",
    constants={
        "mcleish": _fitted(
            0.4282,
            (1.0820, -0.2187, 6.0902, 10.4720),
            (0.2196, 0.4759, 0.3636, 0.4935),
            "the authors' fit to all checkpoints of their group hot_100b+, to 350B tokens",
            note="Huber 1e-4 on log loss (mcleish7/gemstone-scaling-laws 5f42047), 0.06 % above the optimum: "
            "see recomputed.",
        ),
        "recomputed": _fitted(
            math.log(1.5147),
            (1.0597, -0.2154, 6.1693, 11.4925),
            (0.2082, 0.4844, 0.3684, 0.5365),
            "refitted to the 770 checkpoints of the group hot_100b+, to 350B tokens",
            status="recomputed",
            note="Sum of Huber losses (delta 1e-4) of log loss: 2.948053e-4; the authors' constants give 2.949708e-4.",
        ),
    },
)

# --- Bian et al.: width and the feed-forward share, conditional on size and tokens ---


class BestShape(NamedTuple):
    """The shape of least loss: width, and parameters in feed-forward layers over those in attention."""

    width: Any
    r: Any


def _log_penalty(log_off: Array, steepness: Any) -> Array:
    """Log of 1 + s (ln u + 1 / u - 1), which is least, 0, where the shape is u = 1 times the best."""
    return jnp.log1p(steepness * (log_off + jnp.expm1(-log_off)))


def _log_loss_bian(p: Params, *, log_N: Array, log_D: Array, log_width: Array, log_r: Array) -> Array:
    at_best = logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D)
    width = _log_penalty(log_width - 0.5 * log_N - p.log_x_0, p.s_x)
    return at_best + width + _log_penalty(log_r - p.log_r_0, p.s_r)


def _best_shape(params: Mapping[str, Any], N: Any) -> BestShape:
    """Width and feed-forward share of least loss at size N."""
    p = Params(params)
    return BestShape(p.x_0 * jnp.sqrt(N), p.r_0 * jnp.ones_like(jnp.asarray(N, float)))


def _as_printed(params: Mapping[str, Any]) -> tuple[Any, ...]:
    """The paper's a0, a1, a2, b0, b1, b2, with both factors 1 at the best shape."""
    p = Params(params)
    pairs = ((p.s_x, p.x_0), (p.s_r, p.r_0))
    return tuple(x for s, best in pairs for x in (1 - s * (1 + jnp.log(best)), s, s * best))


bian_shape = Law(
    "bian_shape",
    _log_loss_bian,
    variables=(
        replace(N, meaning="parameters without embeddings"),
        D,
        _WIDTH,
        Variable("r", "", "parameters in feed-forward layers over those in attention"),
    ),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss of the best shape", dimension={"loss": 1}),
        Parameter("A", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("B", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter("x_0", meaning="best width over the square root of N", dimension={"N": -0.5}),
        Parameter("s_x", meaning="how fast the loss rises beside it"),
        Parameter("r_0", meaning="best r"),
        Parameter("s_r", meaning="how fast the loss rises beside it"),
    ),
    formula=(
        "L = (E + A / N^alpha + B / D^beta) (1 + s_x h(width / (x_0 sqrt N))) (1 + s_r h(r / r_0)), "
        "h(u) = ln u + 1 / u - 1"
    ),
    serves="Which width and feed-forward share a model may have to serve faster, and what that costs in loss.",
    seen_to="3B parameters, 100B tokens",
    source=f"{_BIAN}, Equation 3",
    note=(
        "Form only, as quoted in public notes. The paper writes (a0 + a1 ln x + a2 / x)(b0 + b1 ln r + b2 / r) times "
        "the loss of the best shape, whose scale two of the six can take: here both factors are 1 at the best shape "
        "(as_printed gives the six). Runs with r below 0.5 or above 5 are said to break it."
    ),
    closed_forms={"best_shape": _best_shape, "as_printed": _as_printed},
)
