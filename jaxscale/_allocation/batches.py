"""One function over many problems: a few lanes at once, batches that bound memory, all cores or devices."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._base.devices import compile_options, workers
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64

# Lanes at once, and problems in a batch. What a core works on must stay in its cache, a lane waits for the slowest of
# its fellows, and a single problem for copies of itself in all of them; an accelerator wants many.
_ON_CPU, _ON_ACCELERATOR = (16, 1024), (16384, 16384)
_ALIKE = 128  # lanes on a CPU of hundreds of problems and more that take as many steps
_HEAVY = 16  # so many times fewer, where each problem is itself over hundreds of draws
_FEW = 4  # up to a batch over so many, problems gain less from a program that runs faster than its compilation takes

# From so many problems on, a program that runs faster is worth compiling for longer.
_OFTEN = 200_000


def batched(
    function: Callable[..., Sequence[Array]],
    static: Hashable,
    arrays: Sequence[np.ndarray],
    shared: Sequence[Any] = (),
    *,
    heavy: bool = False,
    alike: bool = False,
    few: bool = False,
    of: int = 0,
) -> list[np.ndarray]:
    """`function(static, shared, *arrays)` in float64, over the last axis of all arrays, (any, count), a few at once.

    `shared` holds numbers and arrays that are the same for all; `heavy`: a single problem fills the processor;
    `alike`: there are many, none of which waits long for the others; `few`: they are mostly a handful, for which the
    program is compiled in half the time; `of` how many there are in all, where these are some of them or hold several
    each. What comes out has the problems last too. Whatever their number, it is one compiled program, but of `few`
    another for hundreds, and of all another for hundreds of thousands; `function` and `static` must be equal for equal
    work.
    """
    count = arrays[0].shape[-1]
    worker_count, devices = workers(None)
    on_cpu = devices[0].platform == "cpu"
    often = max(count, of) >= _OFTEN
    lanes, size = _ON_CPU if on_cpu else _ON_ACCELERATOR
    if on_cpu and (alike or often):
        lanes = _ALIKE
    if heavy:
        lanes, size = lanes // _HEAVY, size // _HEAVY
    run = _compiled(devices[0].platform, function, static, lanes, often, on_cpu and few and count <= size // _FEW)
    common = tuple(np.asarray(v, np.float64) for v in shared)

    def part(k: int) -> list[np.ndarray]:
        start = k * size
        here = min(size, count - start)
        filling = ((0, 0), (0, size - here))  # with copies of the last problem
        some = [np.pad(np.asarray(a[:, start : start + here], np.float64), filling, "edge") for a in arrays]
        device = devices[0] if on_cpu else devices[k % len(devices)]
        with in_float64(), jax.default_device(device):  # settings of each thread
            outputs = run(here, common, *some)
            return [np.asarray(output)[..., :here] for output in outputs]

    shapes = (tuple(a.shape[:-1] for a in arrays), tuple(v.shape for v in common))
    parts = run.in_threads(part, -(-count // size), worker_count, shapes)
    return [np.concatenate(some, axis=-1) for some in zip(*parts, strict=True)]


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one problem, as `batched` takes it."""

    @wraps(function)
    def over_lanes(static: Any, shared: Any, *arrays: Array) -> Any:
        one = partial(function, static, shared)
        return jax.vmap(one, in_axes=-1, out_axes=-1)(*arrays)

    return over_lanes


@kept
def _compiled(
    platform: str, function: Callable[..., Any], static: Hashable, lanes: int, often: bool, once: bool
) -> Program:
    def run(count: Array, shared: Any, *arrays: Array) -> Any:
        return _run(partial(function, static, shared), lanes, count, arrays)

    return Program(run, compile_options(platform, often=often, once=once))


def _run(over_lanes: Callable[..., Any], lanes: int, count: Array, arrays: Sequence[Array]) -> Any:
    """`over_lanes(*arrays)` for the first `count` problems, as many at once as there are lanes."""

    over_lanes = jax.jit(over_lanes, inline=True)  # traced once, for its shapes and its values

    def some(k: Array, results: Any) -> Any:
        found = over_lanes(*(lax.dynamic_slice_in_dim(a, k * lanes, lanes, -1) for a in arrays))
        return jax.tree.map(
            lambda all_, new: lax.dynamic_update_slice_in_dim(all_, new, k * lanes, all_.ndim - 1), results, found
        )

    shapes = jax.eval_shape(over_lanes, *(a[..., :lanes] for a in arrays))
    nothing = jax.tree.map(lambda s: jnp.zeros((*s.shape[:-1], arrays[0].shape[-1]), s.dtype), shapes)
    return lax.fori_loop(0, (count + lanes - 1) // lanes, some, nothing)
