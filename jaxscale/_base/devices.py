"""Which devices share the work, and how programs are compiled for them."""

import os
from collections.abc import Sequence
from typing import Any

import jax


def workers(devices: Sequence[Any] | None) -> tuple[int, tuple[Any, ...]]:
    """How many share the work, and the devices that programs are compiled for.

    Accelerators share it by sharding. On a CPU threads do, as many as there are CPU devices, or cores if `devices` is
    None: XLA works off a program in the thread that calls it, and one compiled program serves all.
    """
    given = tuple(jax.local_devices() if devices is None else devices)
    if given[0].platform != "cpu":
        return len(given), given
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (cores if devices is None else len(given)), given[:1]


def compile_options(platform: str | None = None, wide: bool = False) -> dict[str, Any] | None:
    """XLA options that only CPUs know: no threads inside the small batched products, and wide vectors (10 to 25 %
    faster) for a program that uses nothing but what they are known to get right, see `laws._operations.wide`."""
    if (platform or jax.default_backend()) != "cpu":
        return None
    return {"xla_cpu_multi_thread_eigen": False} | ({"xla_cpu_prefer_vector_width": 512} if wide else {})
