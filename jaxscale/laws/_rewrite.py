"""The same formula in operations that vectorise: what a user writes in plain `jnp` runs about as fast as what ships.

XLA on CPU calls libm for every float64 logarithm and power, one number at a time, and gains nothing from vectors of
three numbers. Here a traced formula is played back with `jaxscale.laws.log` in place of other logarithms, exp(y log x)
in place of x**y, and a short vector made of numbers (`jnp.stack` of some terms) as those numbers, each by itself.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxscale.laws._math import log, logsumexp

_LONGEST = 16  # numbers in a vector that is taken apart
_FOLDS = {"reduce_sum": jnp.add, "reduce_max": jnp.maximum, "reduce_min": jnp.minimum}
_EACH_BY_ITSELF = frozenset([
    "abs", "add", "and", "convert_element_type", "copy", "div", "eq", "exp", "expm1", "ge", "gt", "integer_pow",
    "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow",
    "select_n", "sign", "sqrt", "square", "stop_gradient", "sub", "tanh",
])  # fmt: skip


class _Apart(tuple):
    """The numbers of a short vector."""


def vectorised(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of pytrees of scalars or short vectors with one result, rewritten whenever it is traced."""

    def rewritten(*arguments: Any) -> Any:
        closed = jax.make_jaxpr(function)(*arguments)
        (answer,) = _play(closed.jaxpr, closed.consts, jax.tree.leaves(arguments), _Logs())
        return _together(answer)

    return jax.jit(rewritten, inline=True)  # once for all who differentiate it


class _Logs:
    """Logarithms of the values that are known as exponentials, or as products and quotients of such."""

    def __init__(self):
        self.known: dict[int, tuple[Any, Any]] = {}  # by identity; the value is held, or its identity might be reused

    def note(self, value: Any, logarithm: Any) -> Any:
        """`value`, whose logarithm is known from now on."""
        self.known[id(value)] = (value, logarithm)
        return value

    def of(self, value: Any) -> Any:
        """The logarithm if it is known, else None."""
        if id(value) in self.known:
            return self.known[id(value)][1]
        constant = not isinstance(value, jax.Array) and np.ndim(value) == 0 and value > 0
        return np.log(value) if constant else None


def _play(jaxpr: Any, consts: Any, arguments: Any, logs: _Logs) -> list[Any]:
    """Values of a jaxpr's outputs."""
    values = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        outputs = _vectors(equation, [read(v) for v in equation.invars], logs)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _vectors(equation: Any, inputs: list[Any], logs: _Logs) -> Sequence[Any]:
    """Outputs of an equation, short vectors of numbers taken apart as long as that is possible."""
    name, parameters = equation.primitive.name, equation.params
    if name in ("jit", "pjit", "closed_call"):
        inner = parameters["jaxpr"]
        return _play(inner.jaxpr, inner.consts, inputs, logs)
    shape = getattr(equation.outvars[0].aval, "shape", ())
    if name in _FOLDS and (parts := _taken_apart(inputs[0])) is not None:
        return [reduce(_FOLDS[name], parts)]
    if all(isinstance(x, _Apart) or jnp.ndim(x) == 0 for x in inputs):
        parts = [x if isinstance(x, _Apart) else (x,) for x in inputs]
        if name in ("reshape", "squeeze") and shape == ():
            return [parts[0][0]]
        if len(shape) == 1 and shape[0] <= _LONGEST:
            if name in ("stack", "concatenate"):
                return [_Apart(itertools.chain(*parts))]
            wide = [x if len(x) == shape[0] else x * shape[0] for x in parts]
            if name in ("broadcast_in_dim", "reshape"):
                return [_Apart(wide[0])]
            if name in _EACH_BY_ITSELF:
                return [_Apart(_numbers(equation, list(x), logs)[0] for x in zip(*wide, strict=True))]
    return _numbers(equation, [_together(x) for x in inputs], logs)


def _taken_apart(value: Any) -> tuple[Any, ...] | None:
    """The numbers of a vector, if it is short."""
    if isinstance(value, _Apart):
        return value
    return tuple(value) if jnp.ndim(value) == 1 and jnp.size(value) <= _LONGEST else None


def _together(value: Any) -> Any:
    return jnp.stack(value) if isinstance(value, _Apart) else value


def _numbers(equation: Any, inputs: list[Any], logs: _Logs) -> Sequence[Any]:
    """Outputs of an equation, in operations that vectorise."""
    name = equation.primitive.name
    first: Any = inputs[0] if inputs else None
    if name == "exp":
        return [logs.note(jnp.exp(first), first)]
    if name == "log":
        known = logs.of(first)
        return [log(first) if known is None else known]
    if name == "log1p":
        whole = 1.0 + first
        return [log(whole) - ((whole - 1.0) - first) / whole]
    if name == "custom_jvp_call" and _function(equation) == ("jax", "logaddexp"):
        return [logsumexp(*inputs)]
    if name == "pow" and jnp.issubdtype(jnp.result_type(inputs[1]), jnp.floating):
        return [_power(first, inputs[1], logs)]
    answer = equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(equation.params))
    outputs = answer if equation.primitive.multiple_results else [answer]
    if name in ("mul", "div"):
        one, other = map(logs.of, inputs)
        if one is not None and other is not None:
            logs.note(outputs[0], one + other if name == "mul" else one - other)
    return outputs


def _power(base: Any, exponent: Any, logs: _Logs) -> Any:
    """base**exponent; of a negative base nothing but whole powers, which are not left to a logarithm."""
    if not isinstance(exponent, jax.Array) and float(exponent).is_integer():
        return jax.lax.integer_pow(base, int(exponent))
    known = logs.of(base)
    if known is not None:
        return logs.note(jnp.exp(known * exponent), known * exponent)
    nothing = base == 0
    answer = jnp.exp(exponent * log(jnp.where(nothing, 1.0, base)))
    return jnp.where(nothing, jnp.where(exponent == 0, 1.0, jnp.where(exponent > 0, 0.0, jnp.inf)), answer)


def _function(equation: Any) -> tuple[str, str]:
    """Package and name of the function behind a call with derivatives of its own."""
    source = equation.params["call_jaxpr"].jaxpr.debug_info
    return "jax" if "jax" in Path(source.func_filename or "").parts else "", source.func_name
