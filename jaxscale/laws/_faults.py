"""What is wrong with a formula that a user wrote, in a sentence that names it, says what it did, and how to mend it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.errors import ConcretizationTypeError, TracerArrayConversionError, TracerBoolConversionError

from jaxscale._base.errors import InputError

_OTHERS = tuple(str(Path(file).resolve().parent) for file in (jax.__file__, np.__file__))
_OURS = str(Path(__file__).resolve().parents[1])


class _NoNumber(TypeError):
    """What a formula returned is not one real number for each run."""


@contextmanager
def in_words(owner: str) -> Iterator[None]:
    """Whatever a formula raises, as InputError in words; `owner` begins the sentence: "law 'mine'"."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a formula may raise anything
        raise InputError(f"{owner} {_told(error)}") from error


def number_of(value: Any, *inputs: Any) -> Array:
    """What a formula returned, as one real number for each run.

    Args:
        value: what it returned.
        *inputs: what it was given for one run, or for many where they broadcast; a vector as its first number.
    """
    shape = np.broadcast_shapes(*map(np.shape, inputs))
    if value is None:
        raise _NoNumber("returns None; end it with `return` and the response of one run")
    if not isinstance(value, Array | np.ndarray | np.generic | int | float | complex):
        raise _NoNumber(f"returns a {type(value).__name__}; return one number, the response of one run")
    try:
        fits = np.broadcast_shapes(np.shape(value), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        what = "one run" if shape == () else f"runs of shape {shape}"
        raise _NoNumber(
            f"returns an array of shape {np.shape(value)} for {what}; return one number for each, such as the sum of "
            "the array, and see that arrays from outside the formula do not stretch it"
        )
    kind = jnp.result_type(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    elif not jnp.issubdtype(kind, jnp.floating):
        raise _NoNumber(f"returns numbers of type {kind}; return real ones, without rounding or comparing")
    return jnp.asarray(value)


def _told(error: Exception) -> str:
    """What happened, where, and what to do."""
    if isinstance(error, _NoNumber):
        return str(error)
    text = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, TracerBoolConversionError):
        told = "branches on a value (if, while, and, or, max, min); write jnp.where(condition, a, b), jnp.maximum"
    elif isinstance(error, TracerArrayConversionError):
        told = "gives its values to NumPy; write jnp.exp for np.exp, and so on (import jax.numpy as jnp)"
    elif isinstance(error, ConcretizationTypeError):
        told = "takes a plain number out of a value (float(), int(), math); write jnp.log for math.log, and so on"
    elif "callback" in text.lower():
        told = "calls back into Python, which has no derivative and takes one number at a time; write it in jax.numpy"
    else:
        told = f"raises {type(error).__name__}: {text}"
    return told + _place(error)


def _place(error: Exception) -> str:
    """The user's line that it happened in, if there is one."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = str(Path(frame.filename).resolve())
        if (
            not file.startswith((*_OTHERS, _OURS))
            and "contextlib" not in file
            and not frame.filename.startswith("<froz")
        ):
            return f" ({Path(frame.filename).name}, line {frame.lineno}{': ' + frame.line if frame.line else ''})"
    return ""
