"""Whether a formula is convex or concave in its variables, taken apart operation by operation.

A plan whose objective is convex in the logs of the decision variables has one optimum, and a certificate of it is a
global one. What is known of each number on the way is how it bends in the variables, its sign, and, where it is
positive, how its logarithm bends: sums of powers are log-convex, as are their products and positive powers (geometric
programs, Boyd et al. 2007, Optim. Eng. 8). A rising function of what is convex, as the steps after the first of a chain
may be, has one valley too (quasi-convex, Boyd & Vandenberghe 2004, 3.4). What does not follow from such rules counts as
unknown: never the other way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import jax
import numpy as np
from jax.extend import core

from jaxscale._base.settings import in_float64
from jaxscale.laws._rewrite import vectorised

Bend = Literal["constant", "affine", "convex", "concave", "unknown"]
_PASSED_ON = frozenset([
    "broadcast_in_dim", "convert_element_type", "copy", "reduce_precision", "reshape", "squeeze", "stop_gradient",
])  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """What is known of a number.

    bend: how it moves with the variables. sign: 1, -1 or 0 (unknown). log_bend: that of its logarithm, where it is
    positive. value: the number itself, where it stands in the formula. offsets: multiples of opaque numbers (largest
    terms that a sum of exponentials is shifted by) that are added to it, and log_offsets those added to its logarithm;
    `bend` and `log_bend` are of what is left without them. within: how that bends of which it is a rising function.
    """

    bend: Bend = "unknown"
    sign: int = 0
    log_bend: Bend = "unknown"
    value: float | None = None
    offsets: Mapping[Any, float] = field(default_factory=dict)
    log_offsets: Mapping[Any, float] = field(default_factory=dict)
    within: Bend = "unknown"

    @property
    def valley(self) -> Bend:
        """How it bends, or that of which it is a rising function, as far as is known."""
        if self.bend != "unknown" and not self.offsets:
            return self.bend
        logs = self.log_bend if self.sign == 1 and not self.log_offsets else "unknown"
        return self.within if self.within != "unknown" else logs


_NOTHING = _Known()


def bends_of(formula: Callable[..., Any], parameters: int, variables: int) -> tuple[Bend, Bend]:
    """How `formula(parameters, variables)`, of two tuples of scalars, bends in its variables whatever the parameters,
    and how that bends of which it is a rising function.

    Formulas that loop, or that JAX cannot trace with scalars, are "unknown".
    """
    numbers = [np.float64(0.5)] * (parameters + variables)

    def of_numbers(*x: Any) -> Any:
        return formula(x[:parameters], x[parameters:])

    try:
        with in_float64():
            closed = jax.make_jaxpr(vectorised(of_numbers))(*numbers)
    except Exception:  # whatever a user's formula raises: it will be raised again, with its reason, where it is used
        return "unknown", "unknown"
    known = [_Known("constant")] * parameters + [_Known("affine")] * variables
    (answer,) = _follow(closed.jaxpr, [_number(x) for x in closed.consts], known)
    return "unknown" if answer.offsets else answer.bend, answer.valley


def _number(value: Any) -> _Known:
    if np.ndim(value):
        return _NOTHING
    x = float(value)
    return _Known("constant", int(np.sign(x)) if np.isfinite(x) else 0, "constant" if x > 0 else "unknown", x)


def _follow(jaxpr: Any, consts: list[_Known], arguments: list[_Known]) -> list[_Known]:
    """What is known of a jaxpr's outputs."""
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> _Known:
        return _number(variable.val) if isinstance(variable, core.Literal) else known[variable]

    for equation in jaxpr.eqns:
        inputs = [read(v) for v in equation.invars]
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if inner is not None and len(inner.jaxpr.invars) == len(inputs) and _is_call(equation):
            outputs = _follow(inner.jaxpr, [_number(x) for x in inner.consts], inputs)
        else:
            outputs = [_apply(equation, inputs)] * len(equation.outvars)
        known.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _is_call(equation: Any) -> bool:
    return equation.primitive.name in ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat")


def _apply(equation: Any, inputs: list[_Known]) -> _Known:
    """What is known of the result of one operation."""
    name, first = equation.primitive.name, inputs[0] if inputs else _NOTHING
    if any(getattr(v.aval, "shape", ()) for v in equation.outvars):
        return _NOTHING
    match name:
        case "add" | "add_any":
            return _add(first, inputs[1])
        case "sub":
            return _add(first, _scaled(inputs[1], -1.0))
        case "neg":
            return _scaled(first, -1.0)
        case "mul":
            return _product(first, inputs[1])
        case "div":
            return _product(first, _power(inputs[1], -1.0))
        case "exp":
            return _exp(first)
        case "log":
            return _log(first)
        case "log1p":
            return _log(_add(_number(1.0), first))
        case "expm1":
            return _add(_exp(first), _number(-1.0))
        case "logistic":
            return _power(_add(_number(1.0), _exp(_scaled(first, -1.0))), -1.0)
        case "sqrt":
            return _power(first, 0.5)
        case "integer_pow" | "square":
            return _power(first, float(equation.params.get("y", 2)))
        case "pow":
            return (
                _power(first, inputs[1].value)
                if inputs[1].value is not None
                else _exp(_product(inputs[1], _log(first)))
            )
        case "max" | "min":
            return _extreme(inputs)
        case "abs" if first.sign == 1:
            return first
        case "is_finite":
            return _number(1.0)  # a formula is asked about where it is finite
        case "eq" | "ne" if first.sign and inputs[1].value == 0:
            return _number(float(name == "ne"))
        case "gt" | "ge" | "lt" | "le" if first.sign and inputs[1].value == 0:
            return _number(float((first.sign > 0) == (name in ("gt", "ge"))))
        case "select_n":
            return _opaque() if first.value is None else inputs[1 + int(first.value)]
    return first if name in _PASSED_ON else _NOTHING


def _bent(one: Bend, other: Bend) -> Bend:
    """How a sum bends."""
    order = ("constant", "affine")
    if one in order and other in order:
        return "constant" if one == other == "constant" else "affine"
    if one in order or one == other:
        return other
    return one if other in order else "unknown"


def _flipped(bend: Bend, factor: float) -> Bend:
    turned: dict[Bend, Bend] = {"convex": "concave", "concave": "convex"}
    return turned.get(bend, bend) if factor < 0 else bend


def _add(one: _Known, other: _Known) -> _Known:
    """A sum: of positive numbers whose logarithms are convex the logarithm is convex."""
    for nothing, it in ((one, other), (other, one)):
        if nothing.value == 0:
            return it
    sign = one.sign if one.sign == other.sign else 0
    log_bend: Bend = "unknown"
    log_offsets = one.log_offsets
    if sign == 1 and one.log_offsets == other.log_offsets and not (one.offsets or other.offsets):
        both = {one.log_bend, other.log_bend}
        log_bend = (
            "constant" if both == {"constant"} else "convex" if both <= {"constant", "affine", "convex"} else "unknown"
        )
    value = None if one.value is None or other.value is None else one.value + other.value
    if value is not None:
        return _number(value)
    offsets = {k: one.offsets.get(k, 0.0) + other.offsets.get(k, 0.0) for k in {*one.offsets, *other.offsets}}
    offsets = {k: x for k, x in offsets.items() if x}
    within: Bend = "unknown"
    for level, it in ((one, other), (other, one)):
        if level.bend == "constant" and not level.offsets:
            within = it.valley
    return _Known(_bent(one.bend, other.bend), sign, log_bend, None, offsets, log_offsets if sign == 1 else {}, within)


def _scaled(it: _Known, factor: float) -> _Known:
    if it.value is not None:
        return _number(it.value * factor)
    offsets = {k: x * factor for k, x in it.offsets.items()}
    positive = factor > 0
    return _Known(
        _flipped(it.bend, factor),
        it.sign if positive else -it.sign,
        it.log_bend if positive else "unknown",
        None,
        offsets,
        it.log_offsets if positive else {},
        _flipped(it.valley, factor),
    )


def _product(one: _Known, other: _Known) -> _Known:
    for factor, it in ((one, other), (other, one)):
        if factor.value is not None:
            return _scaled(it, factor.value) if factor.value else _number(0.0)
    sign = one.sign * other.sign
    log_bend = _bent(one.log_bend, other.log_bend) if one.sign == other.sign == 1 else "unknown"
    bend: Bend = "unknown"
    within: Bend = "unknown"
    log_offsets = _sum_of(one.log_offsets, other.log_offsets)
    for factor, it in ((one, other), (other, one)):
        if factor.bend == "constant" and not factor.offsets and not factor.log_offsets:
            within = _flipped(it.valley, factor.sign) if factor.sign else within
            if it.bend in ("constant", "affine") and not it.offsets:
                bend = it.bend
            elif factor.sign:
                bend = _flipped(it.bend, factor.sign) if not it.offsets else "unknown"
    if bend == "unknown" and log_bend in ("constant", "affine", "convex") and not log_offsets:
        bend = "convex"  # exp of a convex function
    return _Known(bend, sign, log_bend, None, {}, log_offsets if one.sign == other.sign == 1 else {}, within)


def _sum_of(one: Mapping[Any, float], other: Mapping[Any, float], times: float = 1.0) -> dict[Any, float]:
    total = {k: one.get(k, 0.0) + times * other.get(k, 0.0) for k in {*one, *other}}
    return {k: x for k, x in total.items() if x}


def _exp(it: _Known) -> _Known:
    if it.value is not None:
        return _number(float(np.exp(it.value)))
    convex = it.bend in ("affine", "convex") and not it.offsets
    bend: Bend = "constant" if it.bend == "constant" and not it.offsets else "convex" if convex else "unknown"
    return _Known(bend, 1, it.bend, None, {}, dict(it.offsets), it.valley)


def _log(it: _Known) -> _Known:
    if it.value is not None:
        return _number(float(np.log(it.value))) if it.value > 0 else _NOTHING
    if it.sign != 1:
        return _NOTHING
    if it.log_bend == "unknown" and it.bend == "concave":
        return _Known("concave")
    return _Known(it.log_bend, 0, "unknown", None, dict(it.log_offsets), {}, it.valley)


def _power(it: _Known, exponent: float) -> _Known:
    """A positive number to a power that stands in the formula."""
    if it.value is not None:
        return _number(it.value**exponent) if it.value else _NOTHING
    if exponent == 1:
        return it
    if it.sign == 1:
        return _exp(replace(_scaled(replace(_log(it), value=None), exponent), sign=0))
    if it.bend == "constant" and float(exponent).is_integer():
        return _Known("constant", 1 if exponent % 2 == 0 else 0)
    return _Known("convex") if exponent == 2 and it.bend == "affine" and not it.offsets else _NOTHING


def _extreme(inputs: list[_Known]) -> _Known:
    """The larger or smaller of two: it may also be what a sum of exponentials is shifted by."""
    if all(it.bend == "constant" and not it.offsets for it in inputs):
        signs = {it.sign for it in inputs}
        sign = signs.pop() if len(signs) == 1 else 0
        return _Known("constant", sign, "constant" if sign == 1 else "unknown")
    return _opaque()


def _opaque() -> _Known:
    """A number of which nothing is known but that it is the same wherever it stands."""
    return _Known("constant", 0, "unknown", None, {object(): 1.0})
