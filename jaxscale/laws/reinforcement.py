"""Reinforcement learning after pre-training: reward against compute, error against size, and reward that is chased too
far."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale.laws._law import Law
from jaxscale.laws._math import log
from jaxscale.laws._parameters import C, N, Parameter, Params, Variable

# --- Reward against compute ---


def _reward(p: Params, *, gpu_hours: Array) -> Array:
    started = gpu_hours > 0
    log_hours = log(jnp.where(started, gpu_hours, 1.0))
    gained = (p.A - p.R0) * jax.nn.sigmoid(p.B * (log_hours - p.log_C_mid))
    return p.R0 + jnp.where(started, gained, 0.0)


scalerl_sigmoid = Law(
    "scalerl_sigmoid",
    _reward,
    variables=(Variable("gpu_hours", "GPU-hours", "compute spent on reinforcement learning", "count"),),
    response=Variable("pass_rate", "", "share of answers that pass", "unit", better="higher"),
    parameters=(
        Parameter("R0", "logit", meaning="pass rate before"),
        Parameter("A", "logit", meaning="pass rate that endless compute would reach"),
        Parameter("C_mid", unit="GPU-hours", meaning="compute of half the gain", dimension={"gpu_hours": 1}),
        Parameter("B", meaning="steepness"),
    ),
    formula="R = R0 + (A - R0) / (1 + (C_mid / gpu_hours)^B)",
    serves="Whether more compute in reinforcement learning is worth it, and which recipe has the higher ceiling.",
    seen_to="100,000 GPU-hours",
    source="Khatri et al. 2025 (arXiv 2510.13786)",
    note=(
        "Form only: constants belong to one recipe (notes give A = 0.61 for the one the paper recommends). The paper "
        "fixes R0 at the measured start and leaves out the first 1500 GPU-hours. A and B trade off until compute is "
        "far beyond C_mid."
    ),
)

# --- Error against size and compute ---


def _log_error(p: Params, *, log_N: Array, log_C: Array) -> Array:
    efficiency = p.k_max * jax.nn.sigmoid(log_N - p.log_N_0)
    return efficiency * (p.log_C_0 + p.r * log_N - log_C)


tan_rl = Law(
    "tan_rl",
    _log_error,
    variables=(N, replace(C, meaning="compute spent on reinforcement learning")),
    response=Variable("error", "", "1 less the share of problems solved at one attempt"),
    parameters=(
        Parameter("C_0", meaning="compute of an error of one at N = 1", dimension={"C": 1, "N": "-r"}),
        Parameter("r", "identity", meaning="exponent of N in that compute"),
        Parameter("N_0", unit="parameters", meaning="size of half the efficiency", dimension={"N": 1}),
        Parameter("k_max", meaning="efficiency, the exponent of compute, of endlessly large models"),
    ),
    formula="error = (C_0 N^r / C)^(k_max N / (N + N_0))",
    serves="Whether a larger model learns faster from the same reinforcement learning.",
    seen_to="72B parameters",
    source="Tan et al. 2025 (arXiv 2509.25300)",
    note=(
        "Form only, from the authors' code: constants belong to one kind of model and benchmark. Tokens or problems "
        "seen may stand in for compute. Repeating problems 25 times did no harm."
    ),
)

# --- Reward that is chased too far ---

_KL = Variable("KL", "nats", "divergence from the model before optimisation")
_GOLD = Variable("reward", "", "true reward, above that before", "real", better="higher")
_GAO = "Gao et al. 2022 (arXiv 2210.10760)"
_FORM = "Form only: constants belong to one reward model. d is the square root of KL."


def _best_of_n(p: Params, *, log_KL: Array) -> Array:
    d = jnp.exp(log_KL / 2)
    return d * (p.a - p.b * d)


def _best_kl_of_n(params: Mapping[str, Any]) -> Any:
    """KL of the greatest true reward, (a / (2 b))^2."""
    p = Params(params)
    return (p.a / (2 * p.b)) ** 2


def _reward_of_n(params: Mapping[str, Any], n: Any) -> Array:
    """True reward of the best of n answers, of which KL = ln n - (n - 1) / n; n above 1."""
    return _best_of_n(Params(params), log_KL=jnp.log(jnp.log(n) - (n - 1) / n))


gao_best_of_n = Law(
    "gao_best_of_n",
    _best_of_n,
    variables=(_KL,),
    response=_GOLD,
    parameters=(
        Parameter("a", meaning="gain per d at the start", dimension={"KL": -0.5, "reward": 1}),
        Parameter("b", meaning="how fast it is lost", dimension={"KL": -1, "reward": 1}),
    ),
    formula="reward = d (a - b d), d = sqrt(KL)",
    serves="How many answers to choose from before the reward model is fooled.",
    seen_to="reward models of 3B parameters, judged by one of 6B",
    source=_GAO,
    note=_FORM,
    closed_forms={"best_KL": _best_kl_of_n, "reward_of_n": _reward_of_n},
)


def _optimised(p: Params, *, log_KL: Array) -> Array:
    return jnp.exp(log_KL / 2) * (p.a - p.b * log_KL / 2)


def _best_kl_of_optimisation(params: Mapping[str, Any]) -> Array:
    """KL of the greatest true reward, exp(2 a / b - 2)."""
    p = Params(params)
    return jnp.exp(2 * p.a / p.b - 2)


def _after_rounds(params: Mapping[str, Any], KL: Any, k: Any) -> Array:
    """True reward where the reward model is trained anew k times, after equal parts of d: d (a - b ln d + b ln k)."""
    p = Params(params)
    return jnp.sqrt(KL) * (p.a - p.b * jnp.log(KL) / 2 + p.b * jnp.log(k))


gao_rl = Law(
    "gao_rl",
    _optimised,
    variables=(replace(_KL, fixed_unit=True),),
    response=_GOLD,
    parameters=(
        Parameter("a", meaning="gain per d at d = 1", dimension={"reward": 1}),
        Parameter("b", meaning="how fast it is lost", dimension={"reward": 1}),
    ),
    formula="reward = d (a - b ln d), d = sqrt(KL)",
    serves="When to stop reinforcement learning against a reward model.",
    seen_to="reward models of 3B parameters, judged by one of 6B",
    source=_GAO,
    note=_FORM,
    closed_forms={"best_KL": _best_kl_of_optimisation, "after_rounds": _after_rounds},
)
