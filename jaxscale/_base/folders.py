"""Where a user's files lie on this platform."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """The folder for this user's caches, if the user has a home."""
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with `~` as a user's home; as it is written where there is no such user, or no home."""
    return Path(os.path.expanduser(path))
