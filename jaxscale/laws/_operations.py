"""Which operations a law's formula is made of, and whether XLA gets them right in wide vectors."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np

from jaxscale.laws._law import Law
from jaxscale.laws._rewrite import vectorised

# What XLA on CPU was seen to get right in vectors of 512 bits. Arctangents it gets wrong (jax 0.10.2), silently.
_RIGHT_WHEN_WIDE = frozenset([
    "abs", "add", "add_any", "and", "broadcast_in_dim", "clamp", "cond",
    "convert_element_type", "copy", "custom_jvp_call", "div", "eq", "exp", "expm1", "ge", "gt", "integer_pow",
    "is_finite", "jit", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pjit",
    "pow", "select_n", "sign", "sqrt", "square", "stop_gradient", "sub",
])  # fmt: skip


def wide(law: Law) -> bool:
    """Whether a law uses nothing but what XLA on CPU was seen to get right in vectors of 512 bits."""
    return _operations(law) <= _RIGHT_WHEN_WIDE


@lru_cache(maxsize=256)
def _operations(law: Law) -> frozenset[str]:
    """Names of all JAX primitives in a law's formula as it is solved for; "unknown" where it reads vectors, whose
    length is not told."""
    if any(v.domain == "vector" for v in law.variables):
        return frozenset(["unknown"])
    numbers = [np.float64(0.5)] * (len(law.parameters) + len(law.variables))
    p = len(law.parameters)
    found: set[str] = set()

    def visit(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            found.add(equation.primitive.name)
            for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
                if hasattr(inner, "eqns"):
                    visit(inner)

    visit(jax.make_jaxpr(vectorised(lambda *x: law.log_response(x[:p], x[p:])))(*numbers))
    return frozenset(found)
