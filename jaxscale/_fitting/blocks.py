"""Sets fitted in blocks that are always the same, so that the bits of a fit depend on its table and no machine's size.

What shares a batch, and how many cores share the work, changes the last digits of a fit. So a set belongs to the block
of its number, a block is fitted as one, in one thread on one device, and whatever is done in parallel is blocks.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from jaxscale._base.devices import workers
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, plural
from jaxscale._fitting.fit_groups import fit_groups
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.grouping import Group
from jaxscale._fitting.options import FitOptions
from jaxscale._fitting.pending import Pending
from jaxscale._fitting.result import FitResult
from jaxscale._problem.stack import FEW_STACKED

SETS_IN_BLOCK = FEW_STACKED  # a block of one size of table is one full stack of the small kind
TRIES = 3
Fitted = tuple[Group, FitResult | Failure]


def blocks_of(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """Groups in blocks, in their order; the last may be short."""
    waiting = iter(groups)
    while block := list(islice(waiting, SETS_IN_BLOCK)):
        yield block


def on_each_device(how: FitOptions) -> list[FitOptions]:
    """The same options for each that may fit a block of its own: every core of a CPU, or every accelerator."""
    count, devices = workers(how.devices)
    one = [replace(how, devices=(device,)) for device in devices]
    return one * (count // len(one))


def fit_block(block: Sequence[Group], reading: Mapping[str, Any], how: FitOptions) -> list[Fitted]:
    """Fit a block and make its records. Where that raises, it is tried twice more; then each set is tried alone, those
    that raise are failures, and the others are fitted as a block again."""
    try:
        return _made(block, reading, how, TRIES)
    except Exception as error:
        why = _failure(error)
    lost: dict[int, Failure] = {}
    for k, group in enumerate(block):
        try:
            _made([group], reading, how, TRIES)
        except Exception as error:
            lost[k] = _failure(error)
    kept = [group for k, group in enumerate(block) if k not in lost]
    try:
        fitted = iter(_made(kept if lost else [], reading, how, TRIES))
    except Exception as error:
        fitted, why = iter(()), _failure(error)
    return [(group, lost[k]) if k in lost else next(fitted, (group, why)) for k, group in enumerate(block)]


def fit_suspect(block: Sequence[Group], reading: Mapping[str, Any], how: FitOptions) -> list[Fitted]:
    """Fit a block in which a set may bring its process down: each is tried in a child, and those of which three
    children died are failures."""
    died = _deadly(block, reading, how)
    fitted = iter(fit_block([group for k, group in enumerate(block) if k not in died], reading, how))
    return [(group, died[k]) if k in died else next(fitted) for k, group in enumerate(block)]


def packed(value: Any) -> bytes:
    """A value as another process can read it. InputError where it cannot."""
    try:
        import cloudpickle  # laws of one's own, lambdas among them
    except ImportError:
        cloudpickle = pickle
    try:
        return cloudpickle.dumps(value)
    except Exception as error:
        raise InputError(
            f"this cannot be sent to another process: {inert(error, 200)}. A law of your own goes there where its "
            "function is written with def in a module, or where cloudpickle is installed (pip install "
            "'jaxscale[cluster]')"
        ) from None


def _made(block: Sequence[Group], reading: Mapping[str, Any], how: FitOptions, tries: int) -> list[Fitted]:
    for left in reversed(range(tries)):
        try:
            return [
                (group, entry.result if isinstance(entry, Pending) else entry)
                for group, entry in fit_groups(block, reading, how)
            ]
        except Exception:
            if not left:
                raise
    raise AssertionError("at least one try")


def _failure(error: Exception) -> Failure:
    return Failure("fit_failed", f"fitting it failed {TRIES} times: {type(error).__name__}: {inert(error, 200)}")


def _deadly(block: Sequence[Group], reading: Mapping[str, Any], how: FitOptions) -> dict[int, Failure]:
    """The sets, by their place in the block, that bring down a process which fits them alone."""
    died: dict[int, Failure] = {}
    deaths, first = 0, 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    while first < len(block):
        task = packed((block[first:], dict(reading), replace(how, devices=None)))
        command = [sys.executable, "-c", f"from {__name__} import try_each; try_each()"]
        child = subprocess.run(command, input=task, capture_output=True, env=environment)
        passed = child.stdout.count(b"\n")
        deaths, first = deaths if passed == 0 else 0, first + passed
        if first == len(block):
            break
        deaths += 1
        if deaths == TRIES:
            how_ = f"signal {-child.returncode}" if child.returncode < 0 else f"status {child.returncode}"
            died[first] = Failure(
                "worker_died", f"the process that fitted it died {plural(TRIES, 'time')}, last with {how_}"
            )
            deaths, first = 0, first + 1
    return died


def try_each() -> None:
    """Fit each set that standard input holds, alone, and print a line after each: what a child does."""
    block, reading, how = pickle.load(sys.stdin.buffer)
    how = on_each_device(how)[0]
    for group in block:
        with suppress(Exception):  # it survives, and says why when it is fitted
            _made([group], reading, how, 1)
        print(flush=True)
