"""The verb `fit_shards`: one part of a large job fitted and written, here or by the workers of a cluster."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxscale._base.errors import DataWarning, warn
from jaxscale._base.progress import listening, tell
from jaxscale._base.validation import Progress
from jaxscale._cluster.begun import Begun
from jaxscale._cluster.fits_table import TABLE_FORMAT, FitsTable, read_fits
from jaxscale._cluster.job import Job, options_told, versions
from jaxscale._cluster.numbered_sets import NumberedSets, numbered_sets
from jaxscale._cluster.parts import FitsWriter, Part, locked, no_room
from jaxscale._cluster.rows import Rows, schema_of
from jaxscale._cluster.sets_in_parquet import parquet_tools
from jaxscale._cluster.shards import Shard, shard_of
from jaxscale._fitting.blocks import blocks_of, fit_block, fit_suspect, on_each_device
from jaxscale._fitting.dask_workers import dask_client, on_workers
from jaxscale._fitting.fit_groups import options_of
from jaxscale._fitting.grouping import Group, columns_of_groups
from jaxscale._fitting.options import FitOptions
from jaxscale.laws import Law


def fit_shards(
    law: Law | str,
    source: Any,
    *,
    by: str | Sequence[str],
    shard: tuple[int, int] | str = (1, 1),
    out: str | Path,
    records: bool = False,
    columns: Mapping[str, str | None] | None = None,
    weights: str | None = None,
    client: Any = None,
    progress: Progress | bool | None = None,
    command: str | None = None,
    **options: Any,
) -> FitsTable:
    """Fit one share of the sets of a source and write it as a part of a folder; `merge_shards` makes one file of all.

    Every shard is called with the same arguments, in any order and on any machine that sees source and folder. Sets are
    numbered in the order of their first row and dealt out evenly. A part is there whole or not at all, and one that is
    there is not made again: what was killed is called again as it was. The bytes do not depend on how many shards,
    cores or workers there are (of machines of one kind and versions of one kind; the manifest holds the versions).

    Args:
        law: the law, or its name.
        source: a Parquet file or a folder of such (hive partitions are columns), CSV, any table that `read_runs` takes,
            a mapping of names to tables, or an iterable of such pairs. Parquet and large CSV are read set by set.
        by: the column that names the set, or several.
        shard: (3, 7) or "3/7", the third of seven; "slurm": what the variables of a SLURM array task say.
        out: the folder, the same for all shards.
        records: whether whole records are kept too, as JSON lines: several kB for each set.
        columns, weights, **options: as in `fit_many`.
        client: a Dask client, the address of a scheduler, or "local": sets are fitted by its workers.
        progress: called as progress(done, total, what); True for a line on standard error.
        command: how this call is said, with {shard} for the shard: what messages about missing parts name.

    Raises:
        InputError: something cannot be used; the folder holds parts of other options, sets, versions or shards; another
            process is at work on this shard; there is no room. What is in the folder stays as it is.
    """
    tools = parquet_tools()
    sets_by, mine, folder = columns_of_groups(by), shard_of(shard), Path(out)
    reading, how = options_of(law, columns, weights, options)
    names = (sets_by,) if isinstance(sets_by, str) else sets_by
    with no_room(folder, f"shard {mine.index}/{mine.count}"):
        folder.mkdir(parents=True, exist_ok=True)
    sets = numbered_sets(source, sets_by)
    try:
        job = Job(
            by=names,
            law=how.law.name,
            options=options_told(how.law, reading, how),
            inputs={"sha256": sets.sha256, "sets": len(sets)},
            shards=mine.count,
            records=records,
            versions=versions() | {"pyarrow": tools.__version__},
            command=command or "js.fit_shards(..., shard='{shard}', out=...), all else as before",
            source=str(source) if isinstance(source, str | Path) else type(source).__name__,
        )
        with listening(progress, "fitting"), no_room(folder, f"shard {mine.index}/{mine.count}"):
            job.claim(folder)
            with locked(folder, mine):
                if not _there(folder, mine, job):
                    _write(folder, mine, job, sets, reading, how, client)
    finally:
        sets.close()
    return read_fits(folder / f"{mine.name}.parquet")


def _there(folder: Path, shard: Shard, job: Job) -> bool:
    """Whether the part was made already; a warning says where it was, and is no longer what it was."""
    part = Part.read(folder, shard)
    if part is None:
        return False
    fault = "it is of another job" if part.job_sha256 != job.sha256 else part.fault(folder)
    if fault:
        warn(f"shard {shard.index}/{shard.count} is made again: {fault}", DataWarning)
    return not fault


def _write(
    folder: Path,
    shard: Shard,
    job: Job,
    sets: NumberedSets,
    reading: Mapping[str, Any],
    how: FitOptions,
    client: Any,
) -> None:
    """Fit the sets of a shard and write its part."""
    numbers = shard.sets(len(sets))
    schema = schema_of(how.law, job.by, _table_metadata(job))
    make = Rows(job.by, how.law, job.records)
    blocks = blocks_of(sets.read(numbers))
    number, failed = numbers.start, 0
    with FitsWriter(folder / f"{shard.name}.parquet", schema, job.records) as writer:
        for made in _made(blocks, reading, how, make, client, Begun(folder, shard)):
            rows = []
            for row, record in made:
                row |= {"set": number}
                if record is not None:
                    row |= {"record_at": writer.records_at}
                    writer.add_records(record.encode())
                rows.append(row)
                failed += not row["ok"]
                number += 1
            writer.add(rows)
            tell(number - numbers.start, len(numbers), "sets")
        files = writer.finish()
    Part(shard, numbers.start, len(numbers), failed, job.sha256, files).write(folder)


def _made(
    blocks: Iterable[list[Group]], reading: Mapping[str, Any], how: FitOptions, make: Rows, client: Any, begun: Begun
) -> Iterator[list[tuple[dict[str, Any], str | None]]]:
    """Rows and records of the blocks, in order, a few blocks being fitted at a time."""
    if client is not None:
        with dask_client(client) as connected:
            for _, made in on_workers(connected, blocks, reading, how, make):
                yield made
        return
    places = on_each_device(how)

    def work(k: int, block: list[Group]) -> list[tuple[dict[str, Any], str | None]]:
        with begun.block(k) as suspect:
            fit = fit_suspect if suspect else fit_block
            return make(fit(block, reading, places[k % len(places)]))

    waiting: deque[Future[list[tuple[dict[str, Any], str | None]]]] = deque()
    with ThreadPoolExecutor(len(places)) as pool:
        try:
            for k, block in enumerate(blocks):
                waiting.append(pool.submit(work, k, block))
                if len(waiting) > 2 * len(places):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _table_metadata(job: Job) -> dict[str, Any]:
    """What a file of fits says of all its rows: nothing of shards, so that it is the same for any number of them."""
    told = job.to_dict()
    kept = {name: told[name] for name in ("by", "law", "options", "inputs", "records", "versions")}
    return {"format": TABLE_FORMAT, **kept}
