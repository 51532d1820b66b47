"""Compiled programs kept on this machine for the next process: a folder of this user's, bounded in size.

An entry is machine code, and is loaded like a pickle: whoever can write one can run what he likes. So a folder or an
entry that somebody else owns or can write to is never read. What cannot be read, is damaged or was made for another
machine is compiled again; nothing here raises.
"""

import hashlib
import os
import pickle
import platform
import stat
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from jaxscale._base.folders import cache_folder
from jaxscale._base.identity import identity_of
from jaxscale._base.progress import compiling

MOST_BYTES = 512 * 2**20  # beyond it the entries that were not used for longest go
FOUND = "/jaxscale/programs/found"  # told to whoever listens by `jax.monitoring`, of each program that was left here
_MISSED = "/jax/compilation_cache/cache_misses"  # JAX's own event: its cache lacked a program, which is compiled
_DIGEST = hashlib.sha256
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def folder() -> Path | None:
    """Where programs are kept: `JAXSCALE_CACHE`, nowhere (None) if that says "off"; else a folder among this user's
    caches, but nowhere if JAX has been told of a cache of its own."""
    config: Any = jax.config
    told = os.environ.get("JAXSCALE_CACHE", "").strip()
    if told:
        return None if told.lower() in ("off", "0", "no", "false") else Path(told)
    if config.jax_compilation_cache_dir:
        return None
    base = cache_folder()
    return base / "jaxscale" / "programs" if base else None


def compiled(
    run: Callable[..., Any], jitted: Any, arguments: tuple[Any, ...], options: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """The executable of a function for these arguments: the one that an earlier process left, or a new one, which is
    left; `jitted` itself, the function under `jax.jit` with the same options, where none are kept.

    A function whose identity can be told is not even traced; of others the name of the entry is their lowered text.
    """
    config: Any = jax.config
    where = folder()
    if where is None or jax.process_count() > 1:
        with compiling():
            try:
                jitted.lower(*arguments).compile()  # which `jitted` then finds
            except jax.errors.JaxRuntimeError as error:
                return without_barriers(jitted.lower(*arguments), error)
        return jitted
    in_tree = jax.tree.structure((arguments, {}))
    identity = identity_of(run)
    lowered = None
    if identity is None:
        lowered = jitted.lower(*arguments)
        entry = where / _name(lowered.as_text(), options)
    else:
        kinds = [
            (np.shape(x), str(getattr(x, "dtype", type(x))), getattr(x, "weak_type", False), getattr(x, "sharding", ""))
            for x in jax.tree.leaves(arguments)
        ]
        entry = where / _name(f"{identity}\0{in_tree}\0{kinds}", options)
    with suppress(Exception):  # an entry of another make of machine, or none at all
        content = _read(entry)
        if content is not None:
            payload, outcome = pickle.loads(content)
            left = _Left(deserialize_and_load(payload, in_tree, jax.tree.structure(outcome)), jitted)
            jax.monitoring.record_event(FOUND)
            return left
    with compiling():
        lowered = lowered or jitted.lower(*arguments)
        missed = _heard.missed  # what JAX's own cache gave could not be run from here
        try:
            executable = lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            executable = without_barriers(lowered, error)
        if config.jax_compilation_cache_dir and _heard.missed == missed:
            return executable
        with suppress(Exception):  # no room, no right, or a platform whose programs cannot be written
            outcome = jax.tree.unflatten(lowered.out_tree, [0] * lowered.out_tree.num_leaves)
            _write(entry, pickle.dumps((serialize(executable)[0], outcome)))
    return executable


def without_barriers(lowered: Any, error: Exception) -> Any:
    """The executable of a program that keeps its barriers (see `devices.compile_options`) in a loop so small that XLA
    compiles it in one piece, where it knows none; any other error is raised."""
    if "opt-barrier" not in str(error):
        raise error
    return lowered.compile(compiler_options={"xla_disable_hlo_passes": ""})


class _Heard(threading.local):
    """How many programs JAX's own cache has lacked in this thread."""

    missed = 0

    def hear(self, event: str, **_: str | int) -> None:
        self.missed += event == _MISSED


_heard = _Heard()
jax.monitoring.register_event_listener(_heard.hear)


class _Left:
    """An executable that an earlier process left; where it cannot be run after all, the function is compiled."""

    def __init__(self, executable: Callable[..., Any], jitted: Callable[..., Any]):
        self.run, self.jitted = executable, jitted

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self.run(*arguments)
        except jax.errors.JaxRuntimeError:
            self.run = self.jitted
            return self.run(*arguments)


def _name(program: str, options: Mapping[str, Any] | None) -> str:
    """A program, with everything else that decides what machine code it becomes."""
    config: Any = jax.config
    device = config.jax_default_device or jax.local_devices()[0]
    parts = (
        program,
        sorted((options or {}).items()),
        config.jax_enable_x64,
        config.jax_default_matmul_precision,
        config.jax_numpy_dtype_promotion,
        jax.__version__,
        version("jaxlib"),
        str(device),
        getattr(device, "device_kind", ""),
        jax.device_count(),
        os.environ.get("XLA_FLAGS", ""),
        os.environ.get("LIBTPU_INIT_ARGS", ""),
        _machine(),
    )
    return _DIGEST("\0".join(map(str, parts)).encode()).hexdigest()


@cache
def _machine() -> str:
    """The processor, with what it can do."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))}))
    return f"{platform.machine()} {platform.processor()} {platform.platform()}"


def _ours(found: os.stat_result) -> bool:
    """Whether it is this user's, no link, and nobody else can write to it."""
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & _OTHERS_WRITE)


def _read(entry: Path) -> bytes | None:
    if not (_ours(entry.parent.lstat()) and _ours(entry.lstat())):
        return None
    with entry.open("rb") as file:
        if not _ours(os.fstat(file.fileno())):  # the very file that is read, whatever lies at its place by now
            return None
        content = file.read()
    size = _DIGEST().digest_size
    with suppress(OSError):  # where nothing can be written it is found all the same
        os.utime(entry)
    return content[size:] if _DIGEST(content[size:]).digest() == content[:size] else None


def _write(entry: Path, payload: bytes) -> None:
    """Whole or not at all, whoever else writes the same."""
    entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _ours(entry.parent.lstat()):
        return
    number, name = tempfile.mkstemp(dir=entry.parent, suffix=".new")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(_DIGEST(payload).digest() + payload)
        Path(name).replace(entry)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _keep_within(entry.parent, len(payload))


_counted: dict[Path, tuple[int, int]] = {}  # bytes of each folder when they were last counted, and written since


def _keep_within(where: Path, written: int) -> None:
    """Entries last used longest ago go where all together are too large. Counting thousands takes longer than writing
    one, so it is done anew once a quarter of the room is used: others may write as well."""
    total, since = _counted.get(where, (MOST_BYTES, 0))
    _counted[where] = total, since + written
    if total + 4 * (since + written) <= MOST_BYTES:
        return
    entries = []
    for path in where.iterdir():
        with suppress(OSError):
            entries.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in entries)
    most = MOST_BYTES if total <= MOST_BYTES else 0.9 * MOST_BYTES  # with room for more
    for _, size, path in sorted(entries):
        if total <= most:
            break
        with suppress(OSError):
            path.unlink()
        total -= size
    _counted[where] = total, 0
