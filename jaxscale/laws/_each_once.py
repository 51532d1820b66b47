"""A function with its derivatives, played back with nothing worked out twice.

What derivatives of several orders have in common each of them traces for itself. XLA finds out again that it is the
same, but late: it takes longer to compile, and puts much of it into several loops, each of which computes it anew.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
from jax.extend.core import Literal

_Equation = tuple[Any, list[Any], Any]  # primitive, inputs, and the equation as it was traced


def each_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of pytrees of scalars, traced by itself: every equation is played once, and none that no result needs.

    Called under `vmap`, only what is left is batched.
    """

    def played(*arguments: Any) -> Any:
        closed, results = jax.make_jaxpr(function, return_shape=True)(*arguments)
        equations, outputs = _distinct(closed.jaxpr)
        values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        values.update(zip(closed.jaxpr.invars, jax.tree.leaves(arguments), strict=True))

        def read(variable: Any) -> Any:
            return variable.val if isinstance(variable, Literal) else values[variable]

        for primitive, inputs, equation in _needed(equations, outputs):
            answer = primitive.bind(*map(read, inputs), **primitive.get_bind_params(equation.params))
            values.update(zip(equation.outvars, answer if primitive.multiple_results else [answer], strict=True))
        return jax.tree.unflatten(jax.tree.structure(results), map(read, outputs))

    return played


def _distinct(jaxpr: Any) -> tuple[list[_Equation], list[Any]]:
    """Primitive, inputs and equation of all that no earlier equation says, reading what those that are left give; and
    where the outputs are then found."""
    earlier: dict[Hashable, Any] = {}
    same: dict[Any, Any] = {}  # a variable that nothing gives any more -> the one with its value

    def now(variable: Any) -> Any:
        return variable if isinstance(variable, Literal) else same.get(variable, variable)

    kept = []
    for equation in jaxpr.eqns:
        inputs = list(map(now, equation.invars))
        told = [(str(x.aval), repr(x.val)) if isinstance(x, Literal) else x for x in inputs]  # -0.0 is not 0.0
        try:
            first = earlier.setdefault((equation.primitive, *told, *sorted(equation.params.items())), equation)
        except TypeError:  # parameters that cannot be compared
            first = equation
        if first is equation or equation.effects:
            kept.append((equation.primitive, inputs, equation))
        else:
            same.update(zip(equation.outvars, first.outvars, strict=True))
    return kept, list(map(now, jaxpr.outvars))


def _needed(equations: Sequence[_Equation], outputs: Sequence[Any]) -> list[_Equation]:
    """Those that outputs come from, and those that do something."""
    needed, kept = {x for x in outputs if not isinstance(x, Literal)}, []
    for primitive, inputs, equation in reversed(equations):
        if equation.effects or not needed.isdisjoint(equation.outvars):
            kept.append((primitive, inputs, equation))
            needed.update(x for x in inputs if not isinstance(x, Literal))
    return kept[::-1]
