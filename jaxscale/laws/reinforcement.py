"""Reinforcement learning after pre-training: reward against compute."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale.laws._law import Law
from jaxscale.laws._math import log
from jaxscale.laws._parameters import Parameter, Params, Variable


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
        "fixes R0 at the measured start and leaves out the first "
        "1500 GPU-hours. A and B trade off until compute is far beyond C_mid."
    ),
)
