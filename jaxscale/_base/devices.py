"""Which devices share the work, and how programs are compiled for them."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import jax

from jaxscale._base.errors import InputError


def workers(devices: Sequence[Any] | None) -> tuple[int, tuple[Any, ...]]:
    """How many share the work, and the devices that programs are compiled for.

    Accelerators share it by sharding. On a CPU threads do, as many as there are CPU devices, or cores if `devices` is
    None: XLA works off a program in the thread that calls it, and one compiled program serves all.
    """
    given = tuple(jax.local_devices() if devices is None else devices)
    if given[0].platform != "cpu":
        return len(given), given
    return (cores() if devices is None else len(given)), given[:1]


def host() -> tuple[Any, ...]:
    """The CPU, for small work and for what a device without float64 leaves; where JAX was told not to use it, the
    devices it has, if they know float64.

    Raises `InputError` where they do not.
    """
    with suppress(RuntimeError):
        return tuple(jax.local_devices(backend="cpu"))
    found = tuple(jax.local_devices())
    if in_float32(found):
        kind = found[0].platform
        raise InputError(
            f"a {kind.upper()} has no float64, and JAX_PLATFORMS hides the CPU that would finish its fits; "
            f"set JAX_PLATFORMS={kind},cpu"
        )
    return found


def in_float32(devices: Sequence[Any] | None) -> bool:
    """Whether the devices (all of this process if None) have no float64 of their own."""
    return any(d.platform == "tpu" for d in (jax.local_devices() if devices is None else devices))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compile_options(
    platform: str | None = None, wide: bool = False, often: bool = False, once: bool = False
) -> dict[str, Any] | None:
    """XLA options that only CPUs know.

    No threads inside the small batched products. Wide vectors (10 to 25 % faster) for a program that uses nothing but
    what they are known to get right, see `laws._operations.wide`. Barriers are kept: XLA would take them out before it
    fuses loops, and what several loops use would be computed in each of them. And kernels made the plain way, which
    halves the time that XLA compiles for; only a program that runs for seconds gains more from the newer way (`often`:
    the planner's loop is 1.6 times faster by it, fits are not). One that runs a single time or now and then, for
    milliseconds (`once`), is compiled without optimization, in half to three quarters of the time.
    """
    if (platform or jax.default_backend()) != "cpu":
        return None
    options: dict[str, Any] = {"xla_cpu_multi_thread_eigen": False}
    if once:
        options["xla_backend_optimization_level"] = 0
    if wide:
        options["xla_cpu_prefer_vector_width"] = 512
    if jax.__version_info__ < (0, 11):  # later ones know only the newer way, and compile no barriers
        options["xla_disable_hlo_passes"] = "cse_barrier_expander"  # the name of XLA's pass that takes them out
        if not often:
            options["xla_cpu_use_fusion_emitters"] = False
    return options
