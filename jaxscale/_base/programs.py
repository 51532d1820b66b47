"""Compiled programs: how many are kept, in this process and on this machine, and who waits while one is compiled."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import jax
import numpy as np
from jax.core import Tracer

from jaxscale._base import store

T = TypeVar("T")
Maker = TypeVar("Maker", bound=Callable[..., Any])

MOST_KEPT = 256  # of each kind
# On CPUs each program takes some 20 to 300 areas of memory, and the 65,530 that Linux gives a process are fewer than
# 256 laws fitted and planned with would take: the next program would end it with a segmentation fault.
MOST_AREAS = 0.5  # of what the system gives
_LOOK_EVERY = 8  # programs: counting areas takes as long as a call, up to some 30 ms


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
        self._jitted: Any = jax.jit(run, compiler_options=dict(options) if options else None)
        self._run, self._options, self._stored = run, options, stored
        self._ready: dict[Hashable, Callable[..., Any]] = {}
        self._last_call: dict[Hashable, int] = {}
        self._compiled_for: set[Hashable] = set()
        _programs.add(self)

    def __call__(self, *arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        if any(isinstance(x, Tracer) for x in leaves):
            return self._jitted(*arguments)
        if not self._stored:
            try:
                return self._jitted(*arguments)
            except jax.errors.JaxRuntimeError as error:
                return store.without_barriers(self._jitted.lower(*arguments), error)(*arguments)
        config: Any = jax.config
        place = config.jax_enable_x64, config.jax_default_device
        kinds = tuple((np.shape(x), getattr(x, "dtype", type(x)), getattr(x, "sharding", None)) for x in leaves)
        shapes = tree, kinds, place
        ready = self._ready.get(shapes)
        if ready is None:
            if next(_made) % _LOOK_EVERY == 0:
                release_the_oldest()
            ready = store.compiled(self._run, self._jitted, arguments, self._options)
            self._ready[shapes] = ready
        self._last_call[shapes] = next(_calls)
        return ready(*arguments)

    def last_calls(self) -> list[tuple[int, Hashable]]:
        """When each executable was last called, as the number of that call in this process."""
        return [(number, shapes) for shapes, number in list(self._last_call.items())]

    def release(self, shapes: Hashable) -> None:
        """Let go of an executable; it is compiled, or found on this machine, when it is asked for again."""
        self._last_call.pop(shapes, None)
        if self._ready.pop(shapes, None) is self._jitted:
            self._ready.clear()
            self._last_call.clear()
        self._jitted.clear_cache()  # JAX holds what it compiled too, and tells no shapes apart

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


_programs: WeakSet[Program] = WeakSet()
_made, _calls = count(1), count()


def release_the_oldest() -> None:
    """Where this process takes more areas of memory than it should, let go of the half of its executables that were
    not called for longest."""
    if areas_of_memory() <= MOST_AREAS * _areas_given():
        return
    found = [(number, program, shapes) for program in list(_programs) for number, shapes in program.last_calls()]
    for _, program, shapes in sorted(found, key=lambda each: each[0])[: len(found) // 2]:
        program.release(shapes)


def areas_of_memory() -> int:
    """How many this process takes; 0 where the system does not tell."""
    with suppress(OSError):
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    return 0


@cache
def _areas_given() -> float:
    with suppress(OSError, ValueError):
        return float(Path("/proc/sys/vm/max_map_count").read_text())
    return float("inf")
