"""Which blocks a process had begun when it died: one that does so three times holds a set that nothing can fit."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxscale._cluster.shards import Shard
from jaxscale._fitting.blocks import TRIES


class Begun:
    """A small file beside a part, with the blocks under way and how often each was begun and not ended."""

    def __init__(self, folder: Path, shard: Shard):
        self._path = folder / f".{shard.name}.begun"
        self._writing = threading.Lock()
        self._times: dict[str, int] = {}
        with suppress(OSError, ValueError):
            self._times = {str(k): int(n) for k, n in json.loads(self._path.read_text()).items()}

    @contextmanager
    def block(self, number: int) -> Iterator[bool]:
        """While a block is fitted; says whether it was begun and not ended as often as a set is tried."""
        name = str(number)
        with self._writing:
            self._times[name] = self._times.get(name, 0) + 1
            suspect = self._times[name] > TRIES
            self._write()
        yield suspect
        with self._writing:
            self._times.pop(name, None)
            self._write()

    def _write(self) -> None:
        with suppress(OSError):  # a note, without which all goes on
            if self._times:
                self._path.write_text(json.dumps(self._times))
            else:
                self._path.unlink(missing_ok=True)
