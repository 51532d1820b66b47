"""Blocks of sets fitted by the workers of a Dask cluster, in order, with few under way at a time."""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jaxscale._base.devices import cores
from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.text import inert, quoted
from jaxscale._base.version import __version__
from jaxscale._fitting.blocks import TRIES, Fitted, fit_block, fit_suspect, on_each_device, packed
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.grouping import Group
from jaxscale._fitting.options import FitOptions
from jaxscale._fitting.result import FitResult

# A task is seconds of work, so that what the scheduler does for it (.5 to 2 ms) weighs nothing: more where it has
# many workers to serve.
_BLOCKS_IN_TASK, _WORKERS_FOR_A_BLOCK = (4, 32), 50
_ROWS_IN_TASK = 2**16
_TASKS_AHEAD = 3  # for each worker: one at work, the others there before they are wanted
Make = Callable[[Sequence[Fitted]], Any]

# What is set for a worker of this machine before JAX starts there: a block is fitted in one thread of a CPU. (One
# process uses all accelerators of a machine; several would take the memory of the first from each other.)
WORKER_ENVIRONMENT = {"NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
# What Dask asks of processes that wait, up to 50 times a second, takes 3 % of a core here and 2 % of each worker; so
# seldom it takes .6 and .2 %.
_SELDOM = {
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
}
# Each stream keeps its last 1,000 messages to be looked at, with the tables in them: 80 MiB after 600 tasks.
_BRIEFLY = {"distributed.admin.low-level-log-length": 10}


@contextmanager
def dask_client(client: Any) -> Iterator[Any]:
    """A Dask client: the one given, or one of the address of a scheduler, or of workers on this machine ("local",
    "local:4"), which are ended afterwards.

    Raises:
        MissingExtraError: Dask is not installed.
        InputError: there is no scheduler at the address.
    """
    if not isinstance(client, str):
        if not hasattr(client, "submit") or not hasattr(client, "scheduler_info"):
            raise InputError(
                f"client takes a dask.distributed Client, the address of a scheduler or 'local', got {inert(client)}"
            )
        yield client
        return
    distributed = _distributed()
    if client.partition(":")[0] == "local":
        with _local_cluster(client.partition(":")[2]) as cluster, distributed.Client(cluster) as made:
            yield made
        return
    import dask.config

    try:
        with dask.config.set(_BRIEFLY):
            made = distributed.Client(client, timeout="20s")
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {quoted(client)}: {inert(error, 100)}; give its address, such as "
            "tcp://HOST:8786, or local"
        ) from None
    with made:
        yield made


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingExtraError("Dask workers need distributed: pip install 'jaxscale[cluster]'") from None
    return distributed


@contextmanager
def _local_cluster(count: str) -> Iterator[Any]:
    """A scheduler with workers on this machine, one process on each core, or as many as are said."""
    import dask.config

    if count and not (count.isdecimal() and int(count)):
        raise InputError(f"local:{inert(count)}: give the number of workers, as in local:4")
    settings = {
        **_SELDOM,
        **_BRIEFLY,
        "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
        "distributed.scheduler.allowed-failures": TRIES - 1,
    }
    with (
        dask.config.set(settings),
        _distributed().LocalCluster(
            n_workers=int(count or cores()), threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
    ):
        yield cluster


def on_workers(
    client: Any, blocks: Iterable[Sequence[Group]], reading: Mapping[str, Any], how: FitOptions, make: Make
) -> Iterator[tuple[list[Group], Any]]:
    """The groups of some blocks, without their rows, and what `make` makes there of their fits; in order.

    A worker that is lost has its tasks done by another. Of a task that lost one after the other, each set is tried in a
    child of the worker, and what kills that is a failure.
    """
    if how.devices is not None:
        raise InputError("every worker uses the devices of its own; leave out devices= where there is a client")
    distributed = _distributed()
    plan = packed((__version__, dict(reading), how, make))
    waiting: deque[tuple[list[Group], bytes, Any]] = deque()
    tasks = _tasks(blocks, blocks_in_task(_workers_of(client)))
    submit = {"pure": False, "retries": TRIES - 1}
    try:
        while True:
            room = _TASKS_AHEAD * max(2, _workers_of(client))
            while len(waiting) < room and (task := next(tasks, None)) is not None:
                data = _packed_sets(task)
                bare = [group._replace(rows=None, numbers=None) for block in task for group in block]
                waiting.append((bare, data, client.submit(fit_task, plan, data, False, **submit)))
            if not waiting:
                return
            bare, data, future = waiting[0]
            try:
                made = future.result()
            except distributed.KilledWorker:
                future = client.submit(fit_task, plan, data, True, **submit)
                waiting[0] = bare, data, future
                made = future.result()
            waiting.popleft()
            yield bare, made
    finally:
        for _, _, future in waiting:
            future.cancel()


def blocks_in_task(workers: int) -> int:
    """How many blocks a task has at most, for so many workers."""
    least, most = _BLOCKS_IN_TASK
    return min(max(least, workers // _WORKERS_FOR_A_BLOCK), most)


def _workers_of(client: Any) -> int:
    return len(client.scheduler_info(n_workers=-1)["workers"])


def _packed_sets(task: Sequence[Sequence[Group]]) -> bytes:
    """The sets of a task as a worker can read them. They are data, of which the plain way takes half the time."""
    try:
        return pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
    except Exception:  # names or cells that only the other way can take
        return packed(task)


def _tasks(blocks: Iterable[Sequence[Group]], most: int) -> Iterator[list[Sequence[Group]]]:
    """Blocks put together for a task, as many as have few rows, `most` at most."""
    some: list[Sequence[Group]] = []
    rows = 0
    for block in blocks:
        some.append(block)
        rows += sum(len(getattr(g.rows, "response", g.rows)) for g in block)
        if len(some) == most or rows > _ROWS_IN_TASK:
            yield some
            some, rows = [], 0
    if some:
        yield some


def fit_task(plan: bytes, blocks: bytes, suspect: bool) -> Any:
    """What a worker does for a task."""
    reading, how, make = _plan(plan)
    fit = fit_suspect if suspect else fit_block
    return make([pair for block in pickle.loads(blocks) for pair in fit(block, reading, how)])


@lru_cache(maxsize=8)  # laws are equal to themselves alone: read once, so that programs are compiled once
def _plan(plan: bytes) -> tuple[dict[str, Any], FitOptions, Make]:
    version, reading, how, make = pickle.loads(plan)
    if version != __version__:
        raise InputError(f"a worker has jaxscale {__version__} and the client {version}; install one on both")
    return reading, on_each_device(replace(how, devices=None))[0], make


def entries_of(fitted: Sequence[Fitted]) -> list[FitResult | Failure]:
    """The fits alone, for a client that knows which groups it asked for."""
    return [entry for _, entry in fitted]
