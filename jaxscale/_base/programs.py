"""Compiled programs: how many are kept, in this process and on this machine, and who waits while one is compiled."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import jax
import numpy as np
from jax.core import Tracer

from jaxscale._base import store

T = TypeVar("T")
Maker = TypeVar("Maker", bound=Callable[..., Any])

MOST_KEPT = 256  # of each kind


def kept(make: Maker) -> Maker:
    """Keep what `make` made of its last `MOST_KEPT` arguments, and release what is older with its compiled code.

    Laws are equal to themselves alone: without a bound, a process that fits one new law after another would grow for
    ever. What is made must hold the law itself, not take it as a static argument, which JAX keeps for its own reasons.
    """
    return lru_cache(maxsize=MOST_KEPT)(make)  # pyright: ignore[reportReturnType]


class Program:
    """A function that is compiled for each set of shapes it is first called with, or found compiled on this machine.

    `stored=False` for one that runs on several devices at once.
    """

    def __init__(self, run: Callable[..., Any], options: Mapping[str, Any] | None = None, *, stored: bool = True):
        self._jitted = jax.jit(run, compiler_options=dict(options) if options else None)
        self._run, self._options, self._stored = run, options, stored
        self._ready: dict[Hashable, Callable[..., Any]] = {}
        self._compiled_for: set[Hashable] = set()

    def __call__(self, *arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        if not self._stored or any(isinstance(x, Tracer) for x in leaves):
            return self._jitted(*arguments)
        config: Any = jax.config
        place = config.jax_enable_x64, config.jax_default_device
        kinds = tuple((np.shape(x), getattr(x, "dtype", type(x)), getattr(x, "sharding", None)) for x in leaves)
        ready = self._ready.get((tree, kinds, place))
        if ready is None:
            ready = store.compiled(self._run, self._jitted, arguments, self._options)
            self._ready[tree, kinds, place] = ready
        return ready(*arguments)

    def in_threads(self, part: Callable[[int], T], count: int, threads: int, shapes: Hashable) -> list[T]:
        """`part(k)` for every k below `count`, each of which calls this program with arguments of these shapes.

        Where they are new, the first part compiles the program before the others start.
        """
        done = [part(k) for k in range(0 if shapes in self._compiled_for else min(count, 1))]
        self._compiled_for.add(shapes)
        rest = range(len(done), count)
        if min(threads, len(rest)) > 1:
            with ThreadPoolExecutor(threads) as pool:
                return done + list(pool.map(part, rest))
        return done + [part(k) for k in rest]
