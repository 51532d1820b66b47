"""Sets of an iterator: written to a nameless temporary file as they come, so that one at a time is in memory."""

import hashlib
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert
from jaxscale._cluster.sets_in_memory import digest_of
from jaxscale._fitting.grouping import Group, distinct, given_group


class SetsOnDisk:
    """(name, rows) pairs in their order. The file has no name, so that nobody else can read or leave it; TMPDIR says
    where it takes its room."""

    def __init__(self, pairs: Iterable[Any], by: str | tuple[str, ...]):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places: list[int] = []
        whole = hashlib.sha256()
        try:
            for group in distinct(_group_of(pair, by) for pair in pairs):
                self._places.append(self._file.tell())
                pickle.dump(group, self._file)
                whole.update(digest_of(group).encode())
        except BaseException:
            self.close()
            raise
        self.sha256 = whole.hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def read(self, numbers: range) -> Iterator[Group]:
        """The sets of these numbers."""
        for k in numbers:
            self._file.seek(self._places[k])
            yield pickle.load(self._file)

    def close(self) -> None:
        """Give the room back."""
        self._file.close()


def _group_of(pair: Any, by: str | tuple[str, ...]) -> Group:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(f"an iterator of sets gives pairs of a name and a table, got {inert(pair, 60)}")
    key, rows = pair
    return given_group(key, rows, by)
