"""The files of one shard: its part, perhaps records beside it, and its entry in the manifest; whole, or not there."""

import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import PATH_LIMIT, inert, quoted, write_atomic
from jaxscale._cluster.sets_in_parquet import parquet_tools
from jaxscale._cluster.shards import Shard

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None

PART_FORMAT = "jaxscale.part/1"
ROWS_IN_GROUP = 4096  # of every file of fits, however its rows came together


@dataclass(frozen=True)
class Part:
    """What the manifest says of a shard: numbers of its sets from 0, its job, size and SHA-256 of its files."""

    shard: Shard
    first: int
    count: int
    failed: int
    job_sha256: str
    files: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path, shard: Shard) -> "Part | None":
        """The entry of a shard; None where there is none that can be read."""
        try:
            data = json.loads((folder / f"{shard.name}.json").read_text("utf-8"))
            if data.pop("format") != PART_FORMAT:
                return None
            return cls(**data | {"shard": Shard(*data["shard"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Put the entry beside its files, which are there."""
        data = {"format": PART_FORMAT, **self.__dict__, "shard": [self.shard.index, self.shard.count]}
        write_atomic(folder / f"{self.shard.name}.json", json.dumps(data, indent=1) + "\n")

    def fault(self, folder: Path) -> str:
        """What is wrong with the files of a part, in words; nothing if they are what was written."""
        for name, told in self.files.items():
            path = folder / name
            if not path.is_file():
                return f"{quoted(name)} is not there"
            if (size := path.stat().st_size) != told["bytes"]:
                return f"{quoted(name)} has {size:,} of {told['bytes']:,} bytes"
            if sha256_of(path) != told["sha256"]:
                return f"{quoted(name)} was changed after it was written"
        return ""


def sha256_of(path: Path) -> str:
    """Of what a file holds."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, shard: Shard) -> Iterator[Path]:
    """The shard for this process alone, until it ends, however it does; gives the file that is locked.

    Raises:
        InputError: another process is at work on it.
    """
    path = folder / f".{shard.name}.lock"
    with open(path, "a+") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"another process is at work on shard {shard.index}/{shard.count} in {quoted(folder, PATH_LIMIT)} "
                f"({inert(file.read(100).strip() or 'nothing is known of it')}); if two arrays write the same folder, "
                "end one of them"
            ) from None
        except OSError:
            pass  # a file system without locks: parts are written whole anyway, and are the same
        file.truncate(0)
        file.write(f"host {socket.gethostname()}, process {os.getpid()}\n")
        file.flush()
        yield path
        file.truncate(0)


class FitsWriter:
    """A Parquet file of fits, and perhaps a file of records beside it, which take their names when all is written.

    Row groups have `ROWS_IN_GROUP` rows, so that the bytes do not depend on how rows came.
    """

    def __init__(self, path: Path, schema: Any, records: bool):
        self._pa = parquet_tools()
        self._schema = schema
        self._paths = [path, *([path.with_suffix(".jsonl")] if records else [])]
        self._temporary = [one.with_name(f".{one.name}.tmp") for one in self._paths]
        self._waiting: list[Any] = []
        self._count = 0
        self._files = [open(one, "wb") for one in self._temporary]  # noqa: SIM115 - closed by `close`
        self._writer = self._pa.parquet.ParquetWriter(self._files[0], schema, compression="zstd")

    def __enter__(self) -> "FitsWriter":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind:
            with suppress(OSError):
                self._writer.close()
        for file in self._files:
            with suppress(OSError):
                file.close()
        for one in self._temporary:
            one.unlink(missing_ok=True)

    @property
    def records_at(self) -> int:
        """Where the next record begins."""
        return self._files[1].tell()

    def add(self, rows: Any) -> None:
        """Rows as an Arrow table, or as dicts."""
        if isinstance(rows, list):
            rows = self._pa.Table.from_pylist(rows, schema=self._schema)
        self._waiting.append(rows.cast(self._schema))
        self._count += rows.num_rows
        while self._count >= ROWS_IN_GROUP:
            self._write_group(ROWS_IN_GROUP)

    def add_records(self, data: bytes) -> None:
        """Some of the records, as bytes."""
        self._files[1].write(data)

    def finish(self) -> dict[str, dict[str, Any]]:
        """Write what is left, make sure that it is on the disk, and give the files their names; size and SHA-256 of
        each by its name."""
        if self._count:
            self._write_group(self._count)
        self._writer.close()
        told = {}
        for file, temporary, path in zip(self._files, self._temporary, self._paths, strict=True):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            told[path.name] = {"bytes": temporary.stat().st_size, "sha256": sha256_of(temporary)}
        for temporary, path in zip(self._temporary, self._paths, strict=True):
            os.replace(temporary, path)
        return told

    def _write_group(self, count: int) -> None:
        table = self._pa.concat_tables(self._waiting)
        self._writer.write_table(table.slice(0, count).combine_chunks(), row_group_size=count)
        rest = table.slice(count).combine_chunks()
        self._waiting, self._count = ([rest], rest.num_rows) if rest.num_rows else ([], 0)


@contextmanager
def no_room(folder: Path, unfinished: str) -> Iterator[None]:
    """What an operating system says about files, as a sentence."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        why = "no space is left" if full else (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot write in {quoted(folder, PATH_LIMIT)}: {why}; {unfinished} was not written, and nothing that was "
            "there is lost" + ("; make room, then call the same again" if full else "")
        ) from None


def parts_in(folder: Path, count: int) -> Sequence[Part | None]:
    """The manifest's entry of each shard, None for those that are missing."""
    return [Part.read(folder, Shard(k, count)) for k in range(1, count + 1)]
