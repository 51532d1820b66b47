"""Sets on Dask workers, by a client that does its tasks at once: order, few under way, tasks that lose workers."""

import sys
from concurrent.futures import Future
from contextlib import nullcontext

import dask.config
import distributed
import numpy as np
import pytest
from helpers import table

import jaxscale as js
from jaxscale._fitting import blocks, dask_workers


class Client:
    """Does a task when it is submitted, in this process; tasks in which a set is deadly lose their workers."""

    def __init__(self):
        self.suspects = 0

    def scheduler_info(self, n_workers):
        return {"workers": {"one": {}, "two": {}}}

    def submit(self, task, plan, data, suspect, **options):
        self.suspects += suspect
        future: Future = Future()
        if b"deadly" in data and not suspect:
            future.set_exception(distributed.KilledWorker("task", _Worker(), 2))
        else:
            future.set_result(task(plan, data, suspect))
        return future


class _Worker:
    address = "tcp://there"


def bad_sets(count):
    for k in range(count):
        yield f"set {k}", {**table(), "loss": np.full(30, -1.0)}


def test_sets_come_back_in_their_order_and_few_tasks_are_ahead(monkeypatch):
    monkeypatch.setattr(dask_workers, "blocks_in_task", lambda workers: 1)
    asked = []
    pairs = ((asked.append(name), (name, rows))[1] for name, rows in bad_sets(150))
    stream = js.fit_stream("chinchilla", pairs, client=Client())
    first = next(stream)
    assert first["group"].tolist() == [f"set {k}" for k in range(16)]
    assert len(asked) <= 16 * 3 * 2  # three tasks for each of two workers
    assert [len(frame) for frame in stream] == [16] * 8 + [6]


def test_tasks_are_longer_where_a_scheduler_has_many_workers_to_serve():
    assert [dask_workers.blocks_in_task(n) for n in (0, 2, 200, 1000, 10**6)] == [4, 4, 4, 20, 32]


@pytest.mark.parametrize("where", ["local:2", "tcp://there:8786"])
def test_few_messages_are_kept_whoever_sends_them(where, monkeypatch):
    """They hold the tables of their tasks, and Dask keeps 1,000 of each stream."""
    kept = []

    def made(*_, **__):
        kept.append(dask.config.get("distributed.admin.low-level-log-length"))
        return nullcontext(Client())

    before = dask.config.get("distributed.admin.low-level-log-length")
    for name in ("LocalCluster", "Client"):
        monkeypatch.setattr(distributed, name, made)
    with dask_workers.dask_client(where):
        pass
    assert kept == [10] * len(kept) and kept
    assert dask.config.get("distributed.admin.low-level-log-length") == before > 100


def test_a_task_that_lost_its_workers_has_its_sets_tried_in_children(monkeypatch):
    died = blocks.Failure("worker_died", "the process that fitted it died 3 times")
    monkeypatch.setattr(
        blocks,
        "_deadly",
        lambda block, *_: {k: died for k, group in enumerate(block) if group.name == "deadly"},
    )
    client = Client()
    sets = [*bad_sets(20), ("deadly", {**table(), "loss": np.full(30, -1.0)})]
    fits = js.fit_many("chinchilla", iter(sets), client=client)
    assert {name: fit.code for name, fit in fits if name in ("deadly", "set 19")} == {
        "deadly": "worker_died",
        "set 19": "bad_input",
    }
    assert client.suspects == 1 and len(fits) == 21


def test_what_cannot_be_is_told():
    with pytest.raises(js.InputError, match="leave out devices= where there is a client"):
        js.fit_many("chinchilla", bad_sets(1), client=Client(), devices=["cpu"])
    with pytest.raises(js.InputError, match="leave out client= or share="):
        js.fit_many("chinchilla", bad_sets(1), client=Client(), share="alpha")
    with pytest.raises(js.InputError, match=r"takes a dask.distributed Client, the address of a scheduler or 'local'"):
        js.fit_many("chinchilla", bad_sets(1), client=3)
    with pytest.raises(js.InputError, match="local:x: give the number of workers"):
        js.fit_many("chinchilla", bad_sets(1), client="local:x")


def test_a_law_that_cannot_travel_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha)
    with pytest.raises(js.InputError, match=r"cannot be sent to another process.*def in a module.*jaxscale\[cluster\]"):
        js.fit_many(mine, bad_sets(1), client=Client())


def test_a_worker_of_another_version_is_told():
    plan = blocks.packed(("9.9", {}, None, None))
    with pytest.raises(js.InputError, match=r"a worker has jaxscale .* and the client 9.9; install one on both"):
        dask_workers.fit_task(plan, blocks.packed([]), False)
