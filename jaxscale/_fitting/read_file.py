"""Which format a file has, which record reads it, and the law it names."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jaxscale._base.errors import InputError
from jaxscale._base.files import DRAWS_FORMAT, FIT_FORMAT, FITS_FORMAT, FORECAST_FORMAT, SKILLS_FORMAT
from jaxscale._base.text import inert, quoted
from jaxscale.laws import Law, get

_READERS = {FORECAST_FORMAT: "read_forecast", SKILLS_FORMAT: "Skills.load"}  # of what `load` does not read
_NOUNS = {
    **{FIT_FORMAT: "FitResult", FITS_FORMAT: "Fits", DRAWS_FORMAT: "Draws"},
    **{FORECAST_FORMAT: "Forecast", SKILLS_FORMAT: "Skills"},
}
_LARGEST_FILE = 1 << 30
T = TypeVar("T")


def read_file(path: str | Path, law: Law | None, readers: Mapping[str, Callable[[Any, Law | None], T]]) -> T:
    """What the reader of its format makes of a file. Raises InputError for a file that none can read."""
    data = read_json(Path(path))
    kind = data.get("format") if isinstance(data, dict) else None
    if kind is None:
        raise InputError(f"{inert(path)} is JSON, but no file that jaxscale wrote. {_fit_first(path)}")
    if not isinstance(kind, str) or kind not in _NOUNS:
        raise InputError(f"{inert(path)} has the format {quoted(kind)}; this version reads {', '.join(_NOUNS)}")
    if kind not in readers:
        if kind in _READERS or any(other in _READERS for other in readers):
            raise InputError(f"{inert(path)} holds a {_NOUNS[kind]}; use jaxscale.{_READERS.get(kind, 'load')}")
        raise InputError(f"{inert(path)} holds {_NOUNS[kind]}, not one fit; use jaxscale.load")
    try:
        return readers[kind](data, law)
    except InputError as error:
        raise InputError(f"{inert(path)}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{inert(path)} is not a whole {kind} file: {inert(reason, 200)}") from None


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{inert(path)} is larger than 1 GiB, which no fit is")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {inert(path)}: {error.strerror}") from None
    try:
        return json.loads(data.decode("utf-8"))
    except (RecursionError, ValueError) as error:
        if not data.lstrip().startswith(b"{"):
            raise InputError(f"{inert(path)} is no file that jaxscale wrote. {_fit_first(path)}") from None
        raise InputError(f"{inert(path)} is not JSON that jaxscale wrote: {inert(error, 200)}") from None


def _fit_first(path: str | Path) -> str:
    return f"If it is a table of runs, fit it first: jaxscale fit {inert(path)} -o fit.json"


def law_of(data: Mapping[str, Any], law: Law | None) -> Law:
    """The law that a file names, or the one that the caller gives for it."""
    name = data["law"]
    if law is not None:
        if law.name != name:
            raise InputError(f"it was fitted with law {quoted(name)}, not {quoted(law.name)}")
        return law
    try:
        return get(name, **data["law_options"])
    except InputError as error:
        raise InputError(f"{error}; a law of your own is given as law=... (--law path.py:name)") from None
