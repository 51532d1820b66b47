"""What is compiled of a law: its response for many runs, and its slopes; and whether they can be, in words."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array

from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64
from jaxscale.laws._faults import in_words
from jaxscale.laws._parameters import Parameter, Variable


class Evaluated(Protocol):
    """A law, of which this much is needed here."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> Sequence[Parameter]: ...

    @property
    def variables(self) -> Sequence[Variable]: ...

    def log_response(self, theta: Iterable[Any], logs: Iterable[Any]) -> Array: ...

    def __call__(self, params: Any, **variables: Any) -> Array: ...


@kept
def examine(law: Evaluated) -> None:
    """Raise InputError, in words, unless the law can be evaluated for many runs at once and has slopes in theta.

    Nothing is computed. Laws of vectors are left to be found out where the length of those is known.
    """
    if any(v.domain == "vector" for v in law.variables):
        return

    def slope(theta: Array, logs: Array) -> Any:
        return jax.jvp(lambda theta: law.log_response(tuple(theta), tuple(logs)), (theta,), (theta,))

    with in_float64(), in_words(f"law {law.name!r}"):
        shapes = (jax.ShapeDtypeStruct((2, len(x)), np.float64) for x in (law.parameters, law.variables))
        jax.eval_shape(jax.vmap(slope), *shapes)


@kept
def program_of_response(law: Evaluated) -> Callable[..., Array]:
    """The response of many runs at parameters by name."""
    return Program(lambda params, runs: jax.vmap(lambda run: law(params, **run))(runs))


def rows_compiled_for(count: int, of_vectors: bool) -> int:
    """How many rows the runs that `program_of_response` takes are padded to. Few sizes are few programs, each of which
    takes longer to compile than thousands of runs to predict, unless their variables are vectors."""
    sizes = () if of_vectors else (64, 512, 4096)
    return next((size for size in sizes if size >= count), 1 << max(4, (count - 1).bit_length()))


@kept
def program_of_slopes(law: Evaluated) -> Callable[..., Array]:
    """Derivatives of the (log) response of one run in theta, (n_parameters,)."""
    return Program(lambda theta, logs: jax.grad(lambda at: law.log_response(tuple(at), logs))(theta))
