"""The verb `merge_shards`: one file of all parts, once every part is there and is what was written."""

from pathlib import Path
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.progress import listening, tell
from jaxscale._base.text import PATH_LIMIT, plural, quoted
from jaxscale._base.validation import Progress
from jaxscale._cluster.fits_table import FitsTable, read_fits
from jaxscale._cluster.job import Job
from jaxscale._cluster.parts import FitsWriter, Part, no_room, parts_in
from jaxscale._cluster.sets_in_parquet import parquet_tools
from jaxscale._cluster.shards import Shard
from jaxscale.laws import Law

_AT_ONCE = 2**20  # bytes of records


def merge_shards(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    law: Law | None = None,
    progress: Progress | bool | None = None,
) -> FitsTable:
    """Check that all parts of a folder are there, and write their fits to one Parquet file, in the order of the sets.

    The same bytes whatever the number of shards. Reads and writes some thousand rows at a time. Whole records, where
    they were kept, go beside it (`fits.jsonl`).

    Args:
        folder: what `fit_shards` wrote to.
        out: the file, `fits.parquet`; None: only check.
        law: one of your own, for whole fits of the result.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: a part is missing, broken, of another job or there twice; the message has the call that makes it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {quoted(folder, PATH_LIMIT)}")
    job = Job.read(folder)
    parts = _checked(folder, job)
    if out is None:
        return read_fits(folder, law)
    path = expanded(out)
    if path.is_dir():
        raise InputError(f"{quoted(path, PATH_LIMIT)} is a folder; name a file in it, such as fits.parquet")
    pa = parquet_tools()
    schema = pa.parquet.read_schema(folder / f"{parts[0].shard.name}.parquet")
    room = no_room(path.parent, quoted(path.name))
    with listening(progress, "merging"), room, FitsWriter(path, schema, job.records) as writer:
        for done, part in enumerate(parts):
            _add(writer, folder / f"{part.shard.name}.parquet", job.records)
            tell(done + 1, len(parts), "parts")
        writer.finish()
    return read_fits(path, law)


def _checked(folder: Path, job: Job) -> list[Part]:
    """The entry of every part. InputError where one is missing or is not what was written."""
    found = parts_in(folder, job.shards)
    if missing := [Shard(k, job.shards) for k, part in enumerate(found, 1) if part is None]:
        shown = ", ".join(f"{s.index}/{s.count}" for s in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise InputError(
            f"{plural(len(missing), 'part')} of {job.shards} not there: {shown}{more}. To make the first: "
            f"{job.words_for(f'{missing[0].index}/{job.shards}')}"
        )
    parts = [part for part in found if part is not None]
    following = 0
    for part in parts:
        again = f"delete {part.shard.name}.* and make it again: {job.words_for(f'{part.shard.index}/{job.shards}')}"
        if part.job_sha256 != job.sha256:
            raise InputError(f"part {part.shard.index}/{job.shards} is of other options, sets or versions; {again}")
        if fault := part.fault(folder):
            raise InputError(f"part {part.shard.index}/{job.shards} cannot be used: {fault}; {again}")
        if part.first != following:
            raise InputError(f"part {part.shard.index}/{job.shards} holds sets of another, or misses some; {again}")
        following += part.count
    if following != job.inputs["sets"]:
        raise InputError(f"the parts hold {following:,} of {job.inputs['sets']:,} sets; make them again")
    strange = {path.stem for path in folder.glob("part-*.parquet")} - {part.shard.name for part in parts}
    if strange:
        raise InputError(f"{quoted(sorted(strange)[0] + '.parquet')} is no part of this job; move it elsewhere")
    return parts


def _add(writer: FitsWriter, file: Path, records: bool) -> None:
    """The rows of a part, and its records, whose places move by what is there already."""
    pa: Any = parquet_tools()
    moved = writer.records_at if records else 0
    with pa.parquet.ParquetFile(file) as part:
        for batch in part.iter_batches():
            table = pa.Table.from_batches([batch])
            if records:
                at = table.schema.get_field_index("record_at")
                places = pa.compute.add(table.column(at), pa.scalar(moved, pa.int64()))
                table = table.set_column(at, table.schema.field(at), places)
            writer.add(table)
    if records:
        with open(file.with_suffix(".jsonl"), "rb") as lines:
            while data := lines.read(_AT_ONCE):
                writer.add_records(data)
