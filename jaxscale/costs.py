"""Cost models: compute spent by a model of N parameters on D tokens."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._errors import InputError
from jaxscale._text import format_number, quoted
from jaxscale.laws._math import floating


@dataclass(frozen=True)
class CostModel:
    """What a training run costs: `log_cost(log_N, log_D) -> log cost`, pure JAX, for one run.

    It must grow with N and with D. It is written in logs, where no budget overflows. Cost models add up and can be
    multiplied by a positive number: `a + b`, `2 * a`.

    Args:
        name: short lower-case name, kept with every plan.
        log_cost: the formula.
        unit: what is spent.
        meaning: what is counted, and how N must be counted for it.
        source: paper, equation.
    """

    name: str
    log_cost: Callable[[Any, Any], Any]
    unit: str = "FLOPs"
    meaning: str = ""
    source: str = ""

    def compute(self, N: Any, D: Any) -> Array:
        """Cost in natural units of N parameters and D tokens; pure JAX, broadcasts, follows the caller's dtype."""
        return jnp.exp(self.log_cost(jnp.log(floating(N)), jnp.log(floating(D))))

    def __add__(self, other: "CostModel") -> "CostModel":
        if not isinstance(other, CostModel):
            return NotImplemented
        if other.unit != self.unit:
            raise InputError(
                f"cannot add {self.name} in {self.unit} to {other.name} in {other.unit}; bring both to one unit"
            )
        return CostModel(
            f"{self.name} + {other.name}",
            lambda log_N, log_D: jnp.logaddexp(self.log_cost(log_N, log_D), other.log_cost(log_N, log_D)),
            self.unit,
            " + ".join(x.meaning or x.name for x in (self, other)),
        )

    def __rmul__(self, factor: float) -> "CostModel":
        if not isinstance(factor, int | float):
            return NotImplemented
        if not 0 < factor < math.inf:
            raise InputError(f"a cost can be multiplied by a positive finite number, got {factor!r}")
        shown = format_number(factor)
        return CostModel(
            f"{shown} * ({self.name})" if " + " in self.name else f"{shown} * {self.name}",
            lambda log_N, log_D: math.log(factor) + self.log_cost(log_N, log_D),
            self.unit,
            f"{shown} times ({self.meaning or self.name})",
        )


def _log_six_nd(log_N: Any, log_D: Any) -> Any:
    return math.log(6) + log_N + log_D


six_nd = CostModel(
    "six_nd",
    _log_six_nd,
    meaning="6 N D: per parameter and token 2 FLOPs forward and 4 backward; N counts all parameters",
    source="Hoffmann et al. 2022 (arXiv 2203.15556)",
)
kaplan = CostModel(
    "kaplan",
    _log_six_nd,
    meaning="6 N D with the context term left out; N counts the parameters without embeddings",
    source="Kaplan et al. 2020 (arXiv 2001.08361)",
)
_ALL = (six_nd, kaplan)


def names() -> tuple[str, ...]:
    """Names of all cost models, in the order they are listed."""
    return tuple(cost.name for cost in _ALL)


def get(name: str) -> CostModel:
    """The cost model of that name.

    Raises:
        InputError: there is no such cost model; the message lists those there are.
    """
    for cost in _ALL:
        if cost.name == name:
            return cost
    raise InputError(f"there is no cost model {quoted(name)}; choose one of {', '.join(names())}")


__all__ = ["CostModel", "get", "kaplan", "names", "six_nd"]
