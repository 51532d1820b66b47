"""A formula in natural units, `loss(E, A, alpha, N=N)`, as the function of a law, which takes logarithms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale.laws._faults import number_of
from jaxscale.laws._math import log
from jaxscale.laws._parameters import Params, Variable
from jaxscale.laws._rewrite import vectorised


@dataclass(frozen=True)
class OfLoss:
    """A formula in natural units, as the function of a law."""

    loss: Callable[..., Any]
    parameters: tuple[str, ...]
    variables: tuple[Variable, ...]
    response: Variable

    def __call__(self, params: Params, **logs: Array) -> Array:
        def formula(raw: Mapping[str, Any], logs: Mapping[str, Any]) -> Any:
            own = params.of(raw)
            given = ((v, logs[v.argument]) for v in self.variables)
            values = {v.name: jnp.exp(x) if v.logged else x for v, x in given}
            numbers = [own[name] for name in self.parameters]
            inputs = (one_number(v, values[v.name]) for v in self.variables)
            value = number_of(self.loss(*numbers, **values), *numbers, *inputs)
            return log(value) if self.response.logged else value

        # Logarithms that are known are not taken again, wherever the law is evaluated.
        return vectorised(formula)(params.raw, {v.argument: logs[v.argument] for v in self.variables})


def one_number(variable: Variable, value: Any) -> Any:
    """A scalar as it is, and of a vector, (..., k), what has the shape of one of its numbers."""
    return np.empty(np.shape(value)[:-1]) if variable.domain == "vector" else value
