"""Past one machine: throughput of Dask workers, memory, what a task costs, and what 1,000 workers would do.

    python -m benchmarks.cluster --sets 1280 --plot memory.png
    python -m benchmarks.cluster --ready 100000 --plot memory.png
    python -m benchmarks.cluster --bytes 1000

The second line has workers answer without a fit, and looks at what the client alone holds over many tasks. The third
fits the same sets in one process, in seven shards of which two are killed midway, and by two Dask workers of which two
are killed, and compares the merged files.
Not among the jobs of `python -m benchmarks`: it needs the extra `cluster`, and every core to itself.
"""

import argparse
import hashlib
import heapq
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale._cluster.rows import Rows
from jaxscale._fitting import dask_workers
from jaxscale._fitting.blocks import SETS_IN_BLOCK, packed
from jaxscale._fitting.dask_workers import blocks_in_task, dask_client
from jaxscale._fitting.grouping import given_group

LAW, RUNS = js.laws.chinchilla, 20
SETS_IN_TASK = SETS_IN_BLOCK * blocks_in_task(2)  # of one worker or two


def sets(count: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Planted sets of 20 runs, noise of .3 %."""
    for k in range(count):
        rng = np.random.default_rng(k)
        N, D = 10 ** rng.uniform(7, 10, RUNS), 10 ** rng.uniform(9, 11, RUNS)
        loss = (1.7 + 400 * N**-0.34 + 1200 * D**-0.31) * np.exp(0.003 * rng.standard_normal(RUNS))
        yield f"set {k}", pd.DataFrame({"N": N, "D": D, "loss": loss})


def resident(pid: int) -> float:
    """MiB that a process holds (Linux)."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(pid: int) -> float:
    """Seconds that a process has computed (Linux)."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Memory of some processes over time, in a thread."""

    def __init__(self, pids: dict[str, int]):
        self.pids, self.seen, self._done = pids, {name: [] for name in pids}, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(1.0):
            for name, pid in self.pids.items():
                self.seen[name].append(resident(pid))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def lines(self) -> Iterator[str]:
        for name, seen in self.seen.items():
            marks = [seen[min(len(seen) - 1, len(seen) * k // 5)] for k in range(6)] if seen else []
            yield f"    {name}: " + ", ".join(f"{x:.0f}" for x in marks) + " MiB at sixths of the time"


def throughput(source: Path, count: int, workers: int, folder: Path) -> tuple[float, dict[str, list[float]]]:
    """Seconds for all sets by some workers, after a first task for each that loads its programs, and what each process
    held second by second, in MiB."""
    with dask_client(f"local:{workers}") as client:
        for _ in js.fit_stream(LAW, sets(SETS_IN_TASK * workers), intervals="quick", client=client):
            pass
        pids = {f"worker {k}": pid for k, pid in enumerate(client.run(os.getpid).values())} | {"client": os.getpid()}
        before = {name: processor_seconds(pid) for name, pid in pids.items()}
        begin = time.perf_counter()
        with Watch(pids) as watch:
            js.fit_shards(LAW, source, by="corpus", intervals="quick", out=folder, client=client)
        took = time.perf_counter() - begin
        spent = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
        print(f"{workers} worker{'s' * (workers > 1)}: {count:,} sets in {took:.1f} s, {count / took:.1f} a second")
        each = ", ".join(f"{name} {x:.1f} s" for name, x in spent.items())
        worked = sum(seconds for name, seconds in spent.items() if name != "client")
        print(f"    processor: {each}")
        print(
            f"    a set takes {1e3 * worked / count:.1f} ms of a worker and {1e3 * spent['client'] / count:.2f} ms of "
            f"the client with its scheduler, {100 * spent['client'] / worked:.1f} % of that"
        )
        print("\n".join(watch.lines()))
        if workers == 1:
            task = spent["worker 0"] / count * SETS_IN_TASK
            print(f"    a task of {SETS_IN_TASK} sets: {task:.2f} s of a worker")
            cost, sent = cost_of_task(client)
            print(f"    client and scheduler: {1e3 * cost:.2f} ms a task, {100 * cost / task:.2f} % of it")
            print(f"    bytes of a task: {sent:,} sent")
            simulated(cost, task / SETS_IN_TASK)
    return took, watch.seen


def ready(row: dict, plan: bytes, blocks: bytes, suspect: bool) -> list[tuple[dict, None]]:
    """A task whose sets all have the same answer, which is known."""
    return [(row | {"corpus": group.name}, None) for block in pickle.loads(blocks) for group in block]


def client_alone(count: int, folder: Path) -> dict[str, list[float]]:
    """What the client holds while workers answer at once: second by second, in MiB."""
    source = folder / "runs.parquet"
    name, frame = next(sets(1))
    fitted = given_group(name, frame, "corpus"), js.fit(LAW, frame, intervals="quick")
    ((row, _),) = Rows(("corpus",), LAW, False)([fitted])
    names = np.repeat([f"set {k}" for k in range(count)], RUNS)
    pd.DataFrame({"corpus": names, **{c: np.tile(frame[c], count) for c in frame}}).to_parquet(source)
    del names
    dask_workers.fit_task = partial(ready, row)
    with dask_client("local:2") as client, Watch({"client": os.getpid()}) as watch:
        begin = time.perf_counter()
        js.fit_shards(LAW, source, by="corpus", intervals="quick", out=folder / "many", client=client)
        print(f"{count:,} sets in {time.perf_counter() - begin:.0f} s, without a fit")
    print("\n".join(watch.lines()))
    return watch.seen


def cost_of_task(client) -> tuple[float, int]:
    """Processor seconds of client and scheduler (one process here) for a task that does nothing, of the usual size."""
    data = packed([list(sets(SETS_IN_TASK))])
    count = 300
    client.gather([client.submit(len, data, pure=False) for _ in range(20)])
    begin = time.process_time()
    for first in range(0, count, 20):
        client.gather([client.submit(len, data, pure=False) for _ in range(first, first + 20)])
    return (time.process_time() - begin) / count, len(data)


def simulated(cost: float, one: float, workers: int = 1000) -> None:
    """Efficiency of many workers behind one scheduler that serves one task at a time.

    Assumptions: a set takes a worker `one` and every task costs the scheduler `cost`, both in seconds; lengths of tasks
    spread log-normally by a fifth; each worker has two tasks waiting (so that it idles only when the scheduler is
    behind); the network and the reading of the source are quick enough: at 1,000 workers and 4 s a task that is 250
    tasks a second.
    """
    usual = SETS_IN_BLOCK * blocks_in_task(workers)
    rng = np.random.default_rng(0)
    print(f"    {workers:,} workers, simulated:")
    for in_task in (usual // 16, usual // 4, usual, 4 * usual):
        length = one * in_task
        served, tasks = 0.0, 30 * workers
        queue = [(0.0, k) for k in range(3 * workers)]  # when a worker asks for a task to put behind those it has
        free = np.zeros(workers)
        busy = 0.0
        for _ in range(tasks):
            asked, slot = heapq.heappop(queue)
            served = max(served, asked) + cost
            worker, takes = slot % workers, length * np.exp(0.2 * rng.standard_normal())
            free[worker] = max(free[worker], served) + takes
            busy += takes
            heapq.heappush(queue, (free[worker], slot))
        words = f"tasks of {in_task:5,} sets, {length:6.2f} s" + (", as they are" if in_task == usual else "")
        print(f"      {words}: efficiency {busy / (workers * free.max()):.0%}")


def same_bytes(count: int, folder: Path) -> set[str]:
    """SHA-256 of the merged files of three ways to fit the same sets, shards and workers being killed on the way."""
    source, job = folder / "runs.parquet", {"by": "corpus", "intervals": "quick"}
    pd.concat([frame.assign(corpus=name) for name, frame in sets(count)]).to_parquet(source)
    js.fit_shards(LAW, source, out=folder / "one", **job)
    for k in (5, 2, 7, 1, 4, 6, 3):
        words = [sys.executable, "-m", "jaxscale", "fit", str(source), "--by", "corpus", "--intervals", "quick"]
        words += ["--shard", f"{k}/7", "-o", str(folder / "seven")]
        if k in (2, 4):  # its first blocks are done, and none is written
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                note = folder / "seven" / f".part-{k:05}-of-00007.begun"
                while process.poll() is None and not (note.exists() and min(map(int, _under_way(note))) > 0):
                    time.sleep(0.01)
                process.kill()
            print(f"shard {k}/7 was killed with status {process.returncode}")
            assert not [*(folder / "seven").glob(f"part-{k:05}*")]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with dask_client("local:2") as client:
        killed: list[tuple[str, int]] = []  # by whom it was started and is started again, and its process

        def kill(done: int, total: int | None, what: str) -> None:
            started_by = {address: each["nanny"] for address, each in client.scheduler_info()["workers"].items()}
            for address, pid in client.run(os.getpid).items():
                again = not killed or ((started_by[address], pid) != killed[0] and started_by[address] == killed[0][0])
                if len(killed) < 2 and again:
                    killed.append((started_by[address], pid))
                    os.kill(pid, signal.SIGKILL)
                    print(f"worker {started_by[address]} was killed (process {pid}) after {done} sets")

        js.fit_shards(LAW, source, out=folder / "dask", client=client, progress=kill, **job)
        assert len(killed) == 2, "the second time it was not back before the last set was fitted"
    found = set()
    for way in ("one", "seven", "dask"):
        merged = folder / f"{way}.parquet"
        js.merge_shards(folder / way, merged)
        found.add(hashlib.sha256(merged.read_bytes()).hexdigest())
        print(f"{way}: {len(js.read_fits(merged)):,} sets, SHA-256 {hashlib.sha256(merged.read_bytes()).hexdigest()}")
    return found


def _under_way(note: Path) -> list[str]:
    """The blocks under way, by the note that a shard keeps of them; block 0 while it is being written."""
    try:
        return list(json.loads(note.read_text())) or ["0"]
    except (OSError, ValueError):
        return ["0"]


def drawn(memory: dict[str, dict[str, list[float]]], path: Path) -> None:
    """A picture of what each process held, one panel for each number of workers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(memory), 3.5), layout="constrained")
    panels = figure.subplots(1, len(memory), sharey=True, squeeze=False)[0]
    for axes, (title, seen) in zip(panels, memory.items(), strict=True):
        for name, values in seen.items():
            axes.plot(np.arange(len(values)) + 1, values, label=name)
        axes.set(title=title, xlabel="seconds")
        axes.legend(loc="lower right")
    panels[0].set(ylabel="resident memory (MiB)", ylim=(0, None))
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1280)
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw the memory of each process (needs matplotlib)")
    parser.add_argument("--ready", metavar="SETS", type=int, help="only what the client holds, over so many sets")
    parser.add_argument("--bytes", metavar="SETS", type=int, help="only whether every way writes the same bytes")
    options = parser.parse_args()
    count = options.sets
    if options.bytes:
        with tempfile.TemporaryDirectory() as folder:
            print("the same bytes:", len(same_bytes(options.bytes, Path(folder))) == 1)
        return
    if options.ready:
        with tempfile.TemporaryDirectory() as folder:
            seen = client_alone(options.ready, Path(folder))
        if options.plot is not None:
            drawn({"workers that answer at once": seen}, options.plot)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "runs.parquet"
        pd.concat([frame.assign(corpus=name) for name, frame in sets(count)]).to_parquet(source)
        (one, alone), (two, both) = (throughput(source, count, n, Path(folder) / str(n)) for n in (1, 2))
        merged = []
        for workers in ("1", "2"):
            js.merge_shards(Path(folder) / workers, Path(folder) / f"{workers}.parquet")
            merged.append((Path(folder) / f"{workers}.parquet").read_bytes())
    if options.plot is not None:
        drawn({"one worker": alone, "two workers": both}, options.plot)
    print(f"two workers do {one / two:.2f} times what one does; the same bytes: {merged[0] == merged[1]}")


if __name__ == "__main__":
    main()
