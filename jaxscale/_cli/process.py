"""What is set for a process that is ours alone: caches, warnings, streams, the last word on errors."""

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from jaxscale._base.errors import DataWarning, JaxscaleWarning
from jaxscale._base.text import inert, quoted

# What an operating system says where nothing is wrong with jaxscale: no room, no right, no stream.
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EBADF, errno.EACCES, errno.EPERM)


def say(text: str, end: str = "\n") -> None:
    """Text on standard error; where that cannot be written, the command goes on without."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def fail(status: int, message: str) -> int:
    say("error: " + "\n".join(inert(line) for line in message.splitlines()))
    return status


def refused(error: OSError) -> str | None:
    """What the operating system refused, in words; None where the error may be a defect."""
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) and error.filename is not None:
        return f"{quoted(error.filename)} cannot be the name of a file: {(error.strerror or str(error)).lower()}"
    if error.errno not in _REFUSED:
        return None
    what = "standard output" if error.filename is None else quoted(error.filename)
    why = "it is closed" if error.errno == errno.EBADF else (error.strerror or str(error)).lower()
    return f"cannot write {what}: {why}"


def silence(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere, so that leaving does not try to write it again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fill_closed_streams() -> None:
    """Put something in the place of standard streams that are closed, lest a file that is opened takes their number:
    nothing to read, an output that refuses, an error stream that forgets."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115


@contextmanager
def spoken_warnings(debug: bool) -> Iterator[None]:
    """Our warnings as one line each on standard error; those of other packages only when looking for a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", JaxscaleWarning)
        warnings.showwarning = lambda message, *_, **__: say(f"warning: {inert(message)}")
        yield


@contextmanager
def left_to_the_report(printed: bool) -> Iterator[None]:
    """No warning of what is noticed in a table, where a report is printed that says it."""
    with warnings.catch_warnings():
        if printed:
            warnings.simplefilter("ignore", DataWarning)
        yield
