"""Formulas of costs in logs, pure JAX, and how they add up, scale and convert.

They are values without numbers in them: two models that differ in assumptions alone are one formula, compiled once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxscale.laws._math import logsumexp

_HOUR, _DAY = 3600.0, 86400.0


def join_assumption(name: str, value: float, taken: dict[str, float]) -> str:
    """The name under which an assumption joins `taken`: its own, or with a number where that has another value."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken[free] = value
    return free


def part_of(model: Any, variables: tuple[str, ...], taken: dict[str, float]) -> tuple:
    positions = tuple(variables.index(v) for v in model.variables)
    names = tuple((name, join_assumption(name, value, taken)) for name, value in model.assumptions.items())
    return model.log_cost, positions, names


@dataclass(frozen=True)
class Sum:
    parts: tuple

    def __call__(self, *logs: Any, **assumptions: Any) -> Any:
        left, right = (
            formula(*(logs[i] for i in positions), **{name: assumptions[here] for name, here in names})
            for formula, positions, names in self.parts
        )
        return logsumexp(left, right)


@dataclass(frozen=True)
class Times:
    factor: float
    formula: Callable[..., Any]

    def __call__(self, *logs: Any, **assumptions: Any) -> Any:
        return math.log(self.factor) + self.formula(*logs, **assumptions)


@dataclass(frozen=True)
class Converted:
    formula: Callable[..., Any]
    mine: tuple[str, ...]
    log_factor: Callable[..., Any]
    names: tuple[tuple[str, str], ...]

    def __call__(self, *logs: Any, **assumptions: Any) -> Any:
        cost = self.formula(*logs, **{name: assumptions[name] for name in self.mine})
        return cost + self.log_factor(**{name: assumptions[here] for name, here in self.names})


def device_hours(mfu: Any, peak: Any) -> Any:
    return -jnp.log(mfu * peak) - math.log(_HOUR)


def priced(price: Any) -> Any:
    return jnp.log(price)


def energy(watts: Any, pue: Any) -> Any:
    return jnp.log(watts * pue) - math.log(1000.0)


def hurried(batch: Any, critical_batch: Any) -> Any:
    return jnp.log1p(batch / critical_batch)


def elapsed(devices: Any) -> Any:
    return math.log(_HOUR / _DAY) - jnp.log(devices)


def log_six_nd(log_N: Any, log_D: Any) -> Any:
    return math.log(6) + log_N + log_D


def log_powers(log_N: Any, log_D: Any, k: Any, a: Any, b: Any) -> Any:
    return jnp.log(k) + a * log_N + b * log_D


def log_kaplan_total(log_N: Any, log_D: Any, omega: Any) -> Any:
    return math.log(6) + _log_without_embeddings(log_N, omega) + log_D


def _log_without_embeddings(log_N: Any, omega: Any) -> Any:
    """log N_ne where N = N_ne + omega N_ne^(1/3): one real root of a cubic in N_ne^(1/3), by Cardano's formula."""
    scale = 0.5 * (jnp.log(omega) - math.log(3))
    angle = jnp.arcsinh(jnp.exp(log_N - math.log(2) - 3 * scale)) / 3
    return 3 * (math.log(2) + scale + jnp.log(jnp.sinh(angle)))


def log_context(log_N: Any, log_D: Any, context: Any, aspect: Any) -> Any:
    log_width = (log_N + jnp.log(aspect) - math.log(12)) / 3
    attention = math.log(6) + jnp.log(context) + 2 * log_width - jnp.log(aspect)
    return logsumexp(math.log(6) + log_N, attention) + log_D


def log_deepseek(log_M: Any, log_D: Any) -> Any:
    return log_M + log_D


def log_moe(log_N: Any, log_D: Any, active: Any) -> Any:
    return math.log(6) + jnp.log(active) + log_N + log_D


def log_inference(log_N: Any, inference_tokens: Any) -> Any:
    return math.log(2) + log_N + jnp.log(inference_tokens)


def log_inference_in_bits(log_N: Any, log_bits: Any, inference_tokens: Any) -> Any:
    return log_inference(log_N, inference_tokens) + log_bits - math.log(16)
