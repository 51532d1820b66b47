"""The same formula in operations that vectorise: what a user writes in plain `jnp` runs about as fast as what ships.

XLA on CPU calls libm for every float64 logarithm and power, one number at a time. Here a traced formula is played back
with `jaxscale.laws.log` in place of other logarithms, exp(x y) in place of exp(x)**y, and sums of a few numbers written
out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from jaxscale.laws._math import log, logsumexp

_LONGEST_SUM = 16


def vectorised(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of pytrees of scalars or short vectors with one result, rewritten whenever it is traced."""

    def rewritten(*arguments: Any) -> Any:
        closed = jax.make_jaxpr(function)(*arguments)
        (answer,) = _play(closed.jaxpr, closed.consts, jax.tree.leaves(arguments), {})
        return answer

    return rewritten


def _play(jaxpr: Any, consts: Any, arguments: Any, logs: dict[int, Any]) -> list[Any]:
    """Values of a jaxpr's outputs. `logs` holds (value, logarithm) of values known as exponentials, by identity."""
    values = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    def exponential(exponent: Any) -> Any:
        value = jnp.exp(exponent)
        logs[id(value)] = (value, exponent)
        return value

    for equation in jaxpr.eqns:
        inputs = [read(v) for v in equation.invars]
        name, parameters = equation.primitive.name, equation.params
        first: Any = inputs[0] if inputs else None
        if name in ("jit", "pjit", "closed_call"):
            inner = parameters["jaxpr"]
            outputs = _play(inner.jaxpr, inner.consts, inputs, logs)
        elif name == "exp":
            outputs = [exponential(first)]
        elif name == "log":
            outputs = [logs[id(first)][1] if id(first) in logs else log(first)]
        elif name == "log1p":
            whole = 1.0 + first
            outputs = [log(whole) - ((whole - 1.0) - first) / whole]
        elif name == "custom_jvp_call" and _function(equation) == ("jax", "logaddexp"):
            outputs = [logsumexp(*inputs)]
        elif name == "pow" and id(first) in logs:
            outputs = [exponential(logs[id(first)][1] * inputs[1])]
        elif name in ("reduce_sum", "reduce_max") and jnp.ndim(first) == 1 and jnp.size(first) <= _LONGEST_SUM:
            total = first[0]
            for k in range(1, jnp.size(first)):
                total = total + first[k] if name == "reduce_sum" else jnp.maximum(total, first[k])
            outputs = [total]
        else:
            answer = equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(parameters))
            outputs = answer if equation.primitive.multiple_results else [answer]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _function(equation: Any) -> tuple[str, str]:
    """Package and name of the function behind a call with derivatives of its own."""
    source = equation.params["call_jaxpr"].jaxpr.debug_info
    return "jax" if "jax" in Path(source.func_filename or "").parts else "", source.func_name
