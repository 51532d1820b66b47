"""What is set for a process that is ours alone: caches, warnings, streams, the last word on errors."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxscale._base.errors import DataWarning, JaxscaleWarning
from jaxscale._base.text import inert


def fail(status: int, message: str) -> int:
    print("error: " + "\n".join(inert(line) for line in message.splitlines()), file=sys.stderr)
    return status


@contextmanager
def spoken_warnings(debug: bool) -> Iterator[None]:
    """Our warnings as one line each on standard error; those of other packages only when looking for a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", JaxscaleWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {inert(message)}", file=sys.stderr)
        yield


@contextmanager
def left_to_the_report(printed: bool) -> Iterator[None]:
    """No warning of what is noticed in a table, where a report is printed that says it."""
    with warnings.catch_warnings():
        if printed:
            warnings.simplefilter("ignore", DataWarning)
        yield


def cache_folder() -> Path | None:
    """The folder for this user's caches on this platform, if the user has a home."""
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
