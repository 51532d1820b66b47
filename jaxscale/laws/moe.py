"""Laws of mixtures of experts: routed models, granularity, sparsity, and size, tokens and experts together.

E is the number of experts, G the granularity, S the share of experts that a token leaves idle: pure numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import LOSS, D, N, Parameter, Params, Variable
from jaxscale.laws.hoffmann import Allocation, chinchilla

_LN10 = math.log(10.0)
_CLARK = "Clark et al. 2022 (arXiv 2202.01169)"
_KRAJEWSKI = "Krajewski et al. 2024 (arXiv 2402.07871)"
_ABNAR = "Abnar et al. 2025 (arXiv 2501.12370)"
_LUDZIEJEWSKI = "Ludziejewski et al. 2025 (arXiv 2502.05172)"
_SECOND_HAND = "As quoted in a survey; not read in the paper itself."
_TWO_NOTES = "Two independent public notes print the same; not read in the paper itself."

_E = Variable("E", meaning="experts, at least one")
_SATURATION = (
    Parameter("E_start", meaning="what one expert counts as"),
    Parameter("E_max", meaning="what endlessly many experts count as; above E_start"),
)


def _log_saturated(p: Params, log_E: Array) -> Array:
    """Log of Ehat: 1 / Ehat = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max, so Ehat(1) = E_start."""
    offset = 1 / (1 / p.E_start - 1 / p.E_max)
    return -log(1 / (jnp.expm1(log_E) + offset) + 1 / p.E_max)


def _saturated(params: Mapping[str, Any], E: Any) -> Array:
    """The effective number of experts Ehat: E_start at one expert, E_max at endlessly many."""
    return jnp.exp(_log_saturated(Params(params), jnp.log(E)))


# --- Clark et al.: routed language models ---

_ROUTED = ("a", "b", "c", "d", "E_start", "E_max")


def _log_loss_routed(p: Params, *, log_N: Array, log_E: Array) -> Array:
    log_Ehat = _log_saturated(p, log_E)
    return p.a * log_N + p.b * log_Ehat + p.c / _LN10 * log_N * log_Ehat + p.d * _LN10


def _effective_size(params: Mapping[str, Any], N: Any, E: Any) -> Array:
    """The size of a model with one expert that is as good as size N with E experts."""
    p = Params(params)
    with_one, with_all = (_log_saturated(p, jnp.log(count)) for count in (1.0, E))
    excess = (p.a + p.c / _LN10 * with_all) * jnp.log(N) + p.b * (with_all - with_one)
    return jnp.exp(excess / (p.a + p.c / _LN10 * with_one))


def _cutoff_size(params: Mapping[str, Any]) -> Array:
    """The size beyond which more experts no longer help: 10^(-b / c). Rounding of c moves it by a factor of a few."""
    p = Params(params)
    return jnp.exp(-p.b / p.c * _LN10)


def _router(name: str, *values: float, off: str) -> Published:
    return Published(
        dict(zip(_ROUTED, values, strict=True)),
        f"{_CLARK}, {name}",
        "unverified",
        note=f"{_SECOND_HAND} 130B tokens. Rounded too far to predict with: on the authors' runs losses are {off} off.",
    )


def _router_recomputed(name: str, *values: float, rms: float) -> Published:
    return Published(
        dict(zip(_ROUTED, values, strict=True)),
        f"{_CLARK}, {name}, refitted to the authors' released runs",
        "recomputed",
        note=f"Least squares on log10 of the loss, rms {rms}; dense runs count as one expert. 130B tokens. Runs: "
        "google-deepmind/scaling_laws_for_routing 42da0c3.",
    )


clark_routed = Law(
    "clark_routed",
    _log_loss_routed,
    variables=(replace(N, meaning="parameters a token passes through", fixed_unit=True), _E),
    response=replace(LOSS, fixed_unit=True),
    parameters=(
        Parameter("a", "identity", meaning="exponent of N at Ehat = 1"),
        Parameter("b", "identity", meaning="exponent of Ehat at N = 1"),
        Parameter("c", "identity", meaning="how much the exponent of each falls per decade of the other"),
        Parameter("d", "identity", meaning="log10 of the loss at N = Ehat = 1"),
        *_SATURATION,
    ),
    formula=(
        "log10 L = a log10 N + b log10 Ehat + c log10 N log10 Ehat + d, "
        "with 1 / Ehat = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max"
    ),
    serves="How many experts to route to at a given size.",
    seen_to="512 experts, 130B tokens",
    source=_CLARK,
    note="All logs are to base 10. Tokens are fixed. At one expert Ehat is E_start, not 1.",
    constants={
        "s_base": _router("S-BASE", -0.082, -0.108, 0.009, 1.104, 1.847, 314.478, off="+0.4 %"),
        "rl_r": _router("RL-R", -0.083, -0.126, 0.012, 1.111, 1.880, 469.982, off="+1.5 %"),
        "hash": _router("HASH", -0.087, -0.136, 0.012, 1.157, 4.175, 477.741, off="-0.9 %"),
        "s_base_recomputed": _router_recomputed("S-BASE", -0.0830, -0.1180, 0.0099, 1.1136, 2.08, 239.0, rms=0.00323),
        "rl_r_recomputed": _router_recomputed("RL-R", -0.0827, -0.1234, 0.0112, 1.1070, 1.72, 470.0, rms=0.00323),
        "hash_recomputed": _router_recomputed("HASH", -0.0874, -0.1384, 0.0126, 1.1595, 4.27, 427.0, rms=0.00298),
    },
    closed_forms={"experts": _saturated, "effective_size": _effective_size, "cutoff_size": _cutoff_size},
)

# --- Krajewski et al.: granularity ---


def _log_size_factor(p: Params, log_G: Array) -> Array:
    return logsumexp(p.log_a, p.log_g - p.gamma * log_G)


def _log_loss_granular(p: Params, *, log_N: Array, log_D: Array, log_G: Array) -> Array:
    return logsumexp(p.log_c, _log_size_factor(p, log_G) - p.alpha * log_N, p.log_b - p.beta * log_D)


def _at_granularity(params: Mapping[str, Any], G: Any) -> dict[str, Any]:
    """The law at one granularity, as parameters of chinchilla: A = a + g / G^gamma. Its costs leave out routing."""
    p = Params(params)
    return {"A": jnp.exp(_log_size_factor(p, jnp.log(G))), "B": p.b, "E": p.c, "alpha": p.alpha, "beta": p.beta}


krajewski_granularity = Law(
    "krajewski_granularity",
    _log_loss_granular,
    variables=(
        replace(N, meaning="parameters of all experts together"),
        D,
        Variable("G", meaning="granularity: into how many parts each expert is cut"),
    ),
    parameters=(
        Parameter("a", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("g", unit="nats params^alpha", meaning="what G = 1 adds to it", dimension={"N": "alpha", "loss": 1}),
        Parameter("b", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("c", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter("gamma", "identity", meaning="exponent of G"),
    ),
    ranges={"G_min": 1},
    formula="L = c + (g / G^gamma + a) / N^alpha + b / D^beta",
    serves="Into how many parts to cut each expert.",
    source=_KRAJEWSKI,
    note=(
        "N is the total, 64 times the size of an expert in their runs. The constants are rounded: they give the "
        "paper's own losses 2 to 3 % low. At one granularity this is chinchilla."
    ),
    constants={
        "moe": Published(
            {"a": 18.1, "g": 2.1, "b": 30.8, "c": 0.47, "alpha": 0.115, "beta": 0.147, "gamma": 0.58},
            f"{_KRAJEWSKI}, 64 experts",
            "unverified",
            note=_TWO_NOTES,
        ),
        "dense": Published(
            {"a": 16.3, "b": 26.7, "c": 0.47, "alpha": 0.126, "beta": 0.127},
            f"{_KRAJEWSKI}, dense models",
            "unverified",
            note=f"{_TWO_NOTES} No granularity, so no g and gamma.",
        ),
    },
    closed_forms={"as_chinchilla": _at_granularity},
)

# --- Abnar et al.: sparsity ---


def _log_loss_sparse(p: Params, *, log_N: Array, log_D: Array, S: Array) -> Array:
    idle = -jnp.log1p(-S)  # log of 1 / (1 - S)
    return logsumexp(
        p.log_a - p.alpha * log_N,
        p.log_b - p.beta * log_D,
        p.log_c + p.lam * idle,
        p.log_d + p.delta * idle - p.gamma * log_N,
        p.log_e,
    )


abnar_sparsity = Law(
    "abnar_sparsity",
    _log_loss_sparse,
    variables=(
        replace(N, meaning="parameters of all experts together"),
        D,
        Variable("S", meaning="share of experts that a token leaves idle, (E - K) / E; below 1", domain="unit"),
    ),
    parameters=(
        Parameter("a", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("b", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("c", unit="nats per token", meaning="sparsity term of a dense model", dimension={"loss": 1}),
        Parameter("d", unit="nats params^gamma", meaning="cross term", dimension={"N": "gamma", "loss": 1}),
        Parameter("e", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter("lam", "identity", meaning="exponent of 1 / (1 - S), lambda in the paper; negative in its fit"),
        Parameter("delta", "identity", meaning="exponent of 1 / (1 - S) in the cross term"),
        Parameter("gamma", "identity", meaning="exponent of N in the cross term"),
    ),
    formula="L = a / N^alpha + b / D^beta + c / (1 - S)^lam + d / ((1 - S)^delta N^gamma) + e",
    serves="What share of experts a token should leave idle.",
    seen_to="idle shares below 0.98: there R2 falls from 0.99 to 0.68",
    source=_ABNAR,
    note="At S = 0 the terms in c and d remain. R2 is 0.99 on the fitted runs and 0.68 on runs held out at S = 0.98.",
    constants={
        "abnar": Published(
            {
                "a": 16612.50, "b": 5455.67, "c": 0.4598, "d": 17.26, "e": 0.94,
                "alpha": 0.5962, "beta": 0.3954, "lam": -0.1666, "delta": 0.1603, "gamma": 0.1595,
            },
            _ABNAR,
            "unverified",
            note=_SECOND_HAND,
        ),
    },
)  # fmt: skip

# --- Ludziejewski et al.: size, tokens and experts together ---


class Coefficients(NamedTuple):
    """The law at one number of experts: L = m N^mu + n D^nu + c."""

    m: Any
    mu: Any
    n: Any
    nu: Any


def _log_coefficients(p: Params, log_E: Array) -> Coefficients:
    """With the logs of m and n."""
    log_Ehat = _log_saturated(p, log_E)
    return Coefficients(
        p.log_a + p.delta * log_Ehat,
        p.alpha + p.gamma * log_Ehat,
        p.log_b + p.omega * log_Ehat,
        p.beta + p.zeta * log_Ehat,
    )


def _log_loss_joint(p: Params, *, log_N: Array, log_D: Array, log_E: Array) -> Array:
    at = _log_coefficients(p, log_E)
    return logsumexp(p.log_c, at.m + at.mu * log_N, at.n + at.nu * log_D)


def _coefficients(params: Mapping[str, Any], E: Any) -> Coefficients:
    """m, mu, n and nu of L = m N^mu + n D^nu + c at E experts."""
    at = _log_coefficients(Params(params), jnp.log(E))
    return Coefficients(jnp.exp(at.m), at.mu, jnp.exp(at.n), at.nu)


def _at_experts(params: Mapping[str, Any], E: Any) -> dict[str, Any]:
    """The law at E experts, as parameters of chinchilla."""
    at = _coefficients(params, E)
    return {"A": at.m, "B": at.n, "E": Params(params).c, "alpha": -at.mu, "beta": -at.nu}


def _allocation_with_experts(params: Mapping[str, Any], C: Any, E: Any, kappa: Any = 6.0) -> Allocation:
    """The active parameters and tokens of least loss among those with kappa N D = C, at E experts."""
    return chinchilla.closed_forms["allocation"](_at_experts(params, E), C, kappa)


ludziejewski_joint_moe = Law(
    "ludziejewski_joint_moe",
    _log_loss_joint,
    variables=(
        replace(N, meaning="parameters a token passes through", fixed_unit=True),
        replace(D, fixed_unit=True),
        _E,
    ),
    parameters=(
        Parameter("a", unit="nats", meaning="size term at N = Ehat = 1", dimension={"loss": 1}),
        Parameter("b", unit="nats", meaning="data term at D = Ehat = 1", dimension={"loss": 1}),
        Parameter("c", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N at Ehat = 1, negative"),
        Parameter("beta", "identity", meaning="exponent of D at Ehat = 1, negative"),
        Parameter("gamma", "identity", meaning="change of N's exponent with ln Ehat"),
        Parameter("zeta", "identity", meaning="change of D's exponent with ln Ehat"),
        Parameter("delta", "identity", meaning="exponent of Ehat in the size term"),
        Parameter("omega", "identity", meaning="exponent of Ehat in the data term"),
        *_SATURATION,
    ),
    formula=(
        "L = a Ehat^delta N^(alpha + gamma ln Ehat) + b Ehat^omega D^(beta + zeta ln Ehat) + c, "
        "with 1 / Ehat = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max"
    ),
    serves="How many experts, under limits of compute and memory.",
    seen_to="2.7B active and 5B total parameters",
    source=_LUDZIEJEWSKI,
    note="Exponents are stored negative, as printed. At one number of experts this is chinchilla in active parameters.",
    constants={
        "ludziejewski": Published(
            {
                "a": 35.91, "b": 35.98, "c": 1.3637, "alpha": -0.1889, "beta": -0.1775, "gamma": 0.0098,
                "zeta": -0.0259, "delta": -0.2285, "omega": 0.5529, "E_start": 2.0732, "E_max": 290.4521,
            },
            f"{_LUDZIEJEWSKI}, Table 3",
        ),
    },
    closed_forms={
        "experts": _saturated,
        "coefficients": _coefficients,
        "as_chinchilla": _at_experts,
        "allocation": _allocation_with_experts,
    },
)  # fmt: skip
