"""One problem's function over many problems: a few lanes at once, batches that bound memory, all cores or devices."""

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._solve import compile_options, workers

# Lanes at once, and problems in a batch. What a core works on must stay in its cache, and a lane waits for the slowest
# of its fellows; an accelerator wants many.
_ON_CPU, _ON_ACCELERATOR = (128, 2048), (16384, 16384)


def batched(
    function: Callable[..., Sequence[Array]], static: Hashable, arrays: Sequence[np.ndarray], shared: Any = ()
) -> list[np.ndarray]:
    """`function(static, shared, *rows)` of one problem's rows, in float64, over the leading axis of all arrays,
    (count, any). `shared` holds numbers that are the same for all.

    Whatever their number, it is one compiled program; `function` and `static` must be equal for equal work.
    """
    count = len(arrays[0])
    hands, devices = workers(None)
    on_cpu = devices[0].platform == "cpu"
    lanes, size = _ON_CPU if on_cpu else _ON_ACCELERATOR
    run = _compiled(devices[0].platform)
    starts = range(0, count, size)

    def part(start: int) -> list[np.ndarray]:
        here = min(size, count - start)
        filling = ((0, size - here), (0, 0))  # with copies of the last problem
        some = [np.pad(np.asarray(a[start : start + here], np.float64), filling, "edge") for a in arrays]
        device = devices[0] if on_cpu else devices[start // size % len(devices)]
        with jax.enable_x64(True), jax.default_device(device):  # settings of each thread
            outputs = run(function, static, lanes, here, tuple(map(np.float64, shared)), *some)
            return [np.asarray(output)[:here] for output in outputs]

    first = part(0)
    if min(hands, len(starts) - 1) > 1:
        with ThreadPoolExecutor(hands) as pool:
            rest = list(pool.map(part, starts[1:]))
    else:
        rest = [part(start) for start in starts[1:]]
    return [np.concatenate(parts) for parts in zip(first, *rest, strict=True)]


@cache
def _compiled(platform: str) -> Callable[..., Any]:
    return jax.jit(_run, static_argnums=(0, 1, 2), compiler_options=compile_options(platform))


def _run(function: Callable[..., Any], static: Any, lanes: int, count: Array, shared: Any, *arrays: Array) -> Any:
    over_lanes = jax.vmap(partial(function, static, shared))

    def some(k: Array, results: Any) -> Any:
        found = over_lanes(*(lax.dynamic_slice_in_dim(a, k * lanes, lanes) for a in arrays))
        return jax.tree.map(lambda all_, new: lax.dynamic_update_slice_in_dim(all_, new, k * lanes, 0), results, found)

    shapes = jax.eval_shape(over_lanes, *arrays)
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    return lax.fori_loop(0, (count + lanes - 1) // lanes, some, nothing)
