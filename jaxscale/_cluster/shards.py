"""Which sets are a shard's: the third of seven, from words, numbers or the variables of a SLURM array."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, quoted
from jaxscale._fitting.blocks import SETS_IN_BLOCK


@dataclass(frozen=True)
class Shard:
    """Number `index` of `count` shards, from 1."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """What its files are called, but for their endings."""
        return f"part-{self.index:05d}-of-{self.count:05d}"

    def sets(self, total: int) -> range:
        """The numbers of its sets, from 0, of `total`: whole blocks that follow each other, as many as any other shard
        has but for one."""
        blocks = -(-total // SETS_IN_BLOCK)
        first, last = ((self.index - one) * blocks // self.count for one in (1, 0))
        return range(min(first * SETS_IN_BLOCK, total), min(last * SETS_IN_BLOCK, total))


def shard_of(given: Any, environment: Mapping[str, str] | None = None) -> Shard:
    """The shard that is meant by (3, 7), "3/7", or "slurm": what the variables of a SLURM array task say.

    Raises:
        InputError: no such shard.
    """
    if given == "slurm":
        return _of_slurm(os.environ if environment is None else environment)
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", given)
        numbers = tuple(map(int, found.groups())) if found else ()
    else:
        numbers = tuple(given) if isinstance(given, tuple | list) else ()
    if len(numbers) != 2 or not all(isinstance(x, int) and not isinstance(x, bool) for x in numbers):
        raise InputError(
            f"a shard is given as 3/7, the third of seven, (3, 7) in Python, or slurm; got {inert(given, 60)}"
        )
    index, count = numbers
    if not 1 <= index <= count:
        raise InputError(f"there is no shard {index}/{count}: shards are counted from 1 to {count}")
    return Shard(index, count)


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    numbers = {}
    for name, otherwise in (("ID", None), ("COUNT", None), ("MIN", "1"), ("STEP", "1")):
        text = environment.get(f"SLURM_ARRAY_TASK_{name}", otherwise)
        if text is None:
            raise InputError(
                f"SLURM_ARRAY_TASK_{name} is not set: this is no task of an array; submit with sbatch --array=1-9, or "
                "name the shard: 3/7"
            )
        if not text.strip().isdecimal():
            raise InputError(f"SLURM_ARRAY_TASK_{name} is {quoted(text)}, not a whole number")
        numbers[name] = int(text)
    place, rest = divmod(numbers["ID"] - numbers["MIN"], max(numbers["STEP"], 1))
    if rest or not 0 <= place < numbers["COUNT"]:
        raise InputError(
            f"task {numbers['ID']} is none of an array of {numbers['COUNT']} from {numbers['MIN']} on; "
            "SLURM_ARRAY_TASK_MIN says where an array begins (1 where it is not set)"
        )
    return Shard(place + 1, numbers["COUNT"])
