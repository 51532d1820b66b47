"""Loss as a function of the learning-rate schedule: annealing momentum, and the multi-power law.

The variable `lr` is a vector: the learning rate of every step so far, warm-up included. Zeros at its end are no steps,
so that runs of different lengths share a table. Changes of the rate count once it has fallen for the first time:
warm-up adds to the area under the schedule and to nothing else.
"""

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log
from jaxscale.laws._parameters import Parameter, Params, Variable

_TISSUE = "Tissue et al. 2024 (arXiv 2408.11029)"
_MULTI_POWER = "Luo et al. 2025 (arXiv 2503.12811), authors' repository"

_LR = Variable("lr", "learning rate", "learning rate of every step, warm-up included", domain="vector")
_L0 = Parameter("L0", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1})
_A = Parameter("A", unit="nats lr^alpha", meaning="loss at unit area", dimension={"lr": "alpha", "loss": 1})
_ALPHA = Parameter("alpha", "identity", meaning="exponent of the area under the schedule")


def _falls(lr: Array) -> Array:
    """How far the rate fell before each step, (..., steps); zero until it first falls, and where there is no step."""
    before = jnp.concatenate([lr[..., :1], lr[..., :-1]], axis=-1)
    after_warmup = jnp.cumsum(lr < before, axis=-1) > 0
    return jnp.where(after_warmup & (lr > 0), before - lr, 0.0)


def _from_here(x: Array) -> Array:
    """Sum of this step and all later ones, (..., steps)."""
    return jnp.cumsum(x[..., ::-1], axis=-1)[..., ::-1]


def _log_fallen(p: Params, lr: Array, drop: Array) -> Array:
    """log(L0 + A S1^-alpha - drop), not a number where the drop would leave nothing."""
    before = p.L0 + jnp.exp(p.log_A - p.alpha * log(jnp.sum(lr, axis=-1)))
    return log(before) + jnp.log1p(-drop / before)


def _per_run(value: Array) -> Array:
    """A parameter beside vectors: (...) -> (..., 1)."""
    return jnp.asarray(value)[..., None]


# --- Annealing momentum ---


def _log_loss_annealed(p: Params, *, lr: Array) -> Array:
    steps_left = _from_here(jnp.where(lr > 0, 1.0, 0.0).astype(lr.dtype))
    log_lam = _per_run(p.log_lam)
    # m decays by lam at every step, so that each fall adds 1 + lam + lam^2 + ... until the end.
    worth = jnp.expm1(steps_left * log_lam) / jnp.expm1(log_lam)
    return _log_fallen(p, lr, p.C * jnp.sum(_falls(lr) * worth, axis=-1))


tissue_annealing = Law(
    "tissue_annealing",
    _log_loss_annealed,
    variables=(_LR,),
    parameters=(
        _L0,
        _A,
        _ALPHA,
        Parameter("C", unit="nats per lr", meaning="gain from annealing", dimension={"lr": -1, "loss": 1}),
        Parameter(
            "lam", "logit", meaning="share of the annealing momentum kept from step to step, lambda in the paper"
        ),
    ),
    formula="L = L0 + A S1^-alpha - C S2, with S1 = sum lr_i, S2 = sum m_i, m_i = lam m_(i-1) + lr_(i-1) - lr_i",
    serves="How the learning rate should fall.",
    source=_TISSUE,
    along_runs=True,
    note="At a constant rate S2 = 0. The paper finds lam near 0.99 to 0.999; no constants of it were verified.",
)

# --- Multi-power law ---


def _log_loss_multi_power(p: Params, *, lr: Array) -> Array:
    gamma, scale, beta = (_per_run(x) for x in (p.gamma, p.C, p.beta))
    there = lr > 0
    x = scale * jnp.exp(-gamma * log(jnp.where(there, lr, 1.0))) * _from_here(lr)
    gain = -jnp.expm1(-beta * jnp.log1p(x))
    return _log_fallen(p, lr, p.B * jnp.sum(_falls(lr) * gain, axis=-1))


def _published(size: str, *values: float) -> Published:
    names = ("L0", "A", "alpha", "B", "C", "beta", "gamma")
    return Published(
        dict(zip(names, values, strict=True)),
        f"{_MULTI_POWER}, {size} model",
        note="As updated in the repository; the paper prints other values.",
    )


multi_power_law = Law(
    "multi_power_law",
    _log_loss_multi_power,
    variables=(_LR,),
    parameters=(
        _L0,
        _A,
        _ALPHA,
        Parameter("B", unit="nats per lr", meaning="gain from a fall of the rate", dimension={"lr": -1, "loss": 1}),
        Parameter(
            "C",
            meaning="how fast the gain comes",
            unit="lr^(gamma - 1)",
            dimension={"lr": lambda values: values["gamma"] - 1},
        ),
        Parameter("beta", "identity", meaning="exponent with which the gain saturates"),
        Parameter("gamma", "identity", meaning="exponent of the rate fallen to"),
    ),
    formula=(
        "L = L0 + A S^-alpha - B sum_k (lr_(k-1) - lr_k) (1 - (C lr_k^-gamma S_k + 1)^-beta), "
        "with S = sum lr_i and S_k = sum of lr_i from step k on"
    ),
    serves="How the learning rate should fall, and the loss at any step.",
    seen_to="400M parameters",
    source=_MULTI_POWER,
    along_runs=True,
    note="At a constant rate a power law in the area under the schedule.",
    constants={
        "25m": _published("25M", 3.040, 0.525, 0.508, 363.788, 2.066, 0.583, 0.641),
        "100m": _published("100M", 2.651, 0.601, 0.453, 437.946, 2.132, 0.598, 0.655),
        "400m": _published("400M", 2.375, 0.654, 0.429, 523.425, 2.025, 0.594, 0.635),
    },
)
