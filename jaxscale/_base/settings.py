"""The settings that everything is computed under, whatever the program around has set for itself.

A caller may look for NaNs in its own code, forbid implicit promotion or transfers, or run without `jit`. None of that
may change an answer, stop a fit whose bad starts are known to overflow, or have a program compiled anew.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax
import numpy as np


@contextmanager
def as_usual() -> Iterator[None]:
    """JAX and NumPy as they come, in the caller's precision and on its device: for pure JAX functions."""
    with ExitStack() as stack:
        for setting in (
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.debug_key_reuse(False),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.default_matmul_precision(None),
            jax.transfer_guard("allow"),
            jax.disable_jit(False),
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
        ):
            stack.enter_context(setting)
        yield


@contextmanager
def in_float64() -> Iterator[None]:
    """The same in float64: for everything that returns plain numbers. Settings are of each thread."""
    with as_usual(), jax.enable_x64(True):
        yield
