"""What all parts of a job have in common, written once in its folder: whoever differs is told in what."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jaxscale import laws
from jaxscale._base.errors import InputError
from jaxscale._base.files import finite
from jaxscale._base.text import PATH_LIMIT, inert, quoted, write_atomic
from jaxscale._base.version import __version__
from jaxscale._fitting.options import FitOptions
from jaxscale.laws import Law

JOB_FORMAT = "jaxscale.job/1"
_NAME = "job.json"
_MAY_DIFFER = ("command", "source")  # the same rows may lie elsewhere
_UNSAID: dict[str, tuple[Any, ...]] = {"loss_unit": (None,), "on_bad": ("raise",), "where": (None, (), [])}


@dataclass(frozen=True)
class Job:
    """What is fitted, how, into how many parts, and by which versions.

    options: of the law, of reading and of fitting, by name. inputs: SHA-256 of the sets, and how many there are.
    command: how to make shard {shard}, in words for people.
    """

    by: tuple[str, ...]
    law: str
    options: Mapping[str, Any]
    inputs: Mapping[str, Any]
    shards: int
    records: bool
    versions: Mapping[str, str]
    command: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return finite({"format": JOB_FORMAT, **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}})

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """The job of a folder. InputError if there is none."""
        path = folder / _NAME
        try:
            data = json.loads(path.read_text("utf-8"))
            if data.pop("format") != JOB_FORMAT:
                raise ValueError("its format is another")
            return cls(**data | {"by": tuple(data["by"])})
        except FileNotFoundError:
            raise InputError(
                f"{quoted(folder, PATH_LIMIT)} is no folder of fits: it has no {_NAME}; fit_shards (jaxscale fit "
                "--shard) makes one"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{quoted(path, PATH_LIMIT)} cannot be read: {inert(error, 100)}") from None

    @property
    def sha256(self) -> str:
        """Of what all parts must have in common."""
        data = {name: value for name, value in self.to_dict().items() if name not in _MAY_DIFFER}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def claim(self, folder: Path) -> None:
        """Be the first in the folder, or one of the same job. InputError names what differs."""
        if not (folder / _NAME).exists():
            own = folder / f".{_NAME}.{os.getpid()}"
            write_atomic(own, json.dumps(self.to_dict(), indent=1) + "\n")
            try:
                os.link(own, folder / _NAME)  # fails where another was quicker
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                os.replace(own, folder / _NAME)
            finally:
                own.unlink(missing_ok=True)
        there = Job.read(folder)
        if there.sha256 != self.sha256:
            raise InputError(f"{quoted(folder, PATH_LIMIT)} holds {_difference(there, self)}")

    def words_for(self, shards: str) -> str:
        """The call that makes some shards."""
        return self.command.replace("{shard}", shards)


def options_told(law: Law, reading: Mapping[str, Any], how: FitOptions) -> dict[str, Any]:
    """All that decides what a fit is, as plain data. A law or an optimizer of one's own is told by its code, as far as
    that goes."""
    fitting = {name: getattr(how, name) for name in FitOptions.names() if name not in ("devices", "optimizer")}
    fitting |= {"objective": how.objective.to_dict(), "optimizer": None if how.optimizer is None else "given"}
    own = {} if law.name in laws.names() else {"code": _code(law.function)}
    # What is said and holds unsaid too is left out: the command line says it, and its bytes are those of Python.
    said = {name: value for name, value in reading.items() if name not in _UNSAID or value not in _UNSAID[name]}
    return _plain({"law_options": dict(law.options), **own, **said, **fitting})


def versions() -> dict[str, str]:
    """The versions that the bits of a fit depend on."""
    import jax
    import numpy as np

    return {"jaxscale": __version__, "jax": jax.__version__, "numpy": np.__version__}


def _difference(there: Job, here: Job) -> str:
    """In what two jobs differ, and what to do."""
    folder = "give another folder"
    if there.law != here.law:
        return f"fits of law {quoted(there.law)}, and this is of {quoted(here.law)}; {folder}"
    if there.shards != here.shards:
        return (
            f"parts of {there.shards} shards, and this is one of {here.shards}. Of an array that is submitted again in "
            f"part, name the shard as in 3/{there.shards}, or submit the whole array: parts that are there are skipped"
        )
    for what, old, new in (
        ("version", there.versions, here.versions),
        ("option", there.options, here.options),
        ("", {"by": list(there.by), "records": there.records}, {"by": list(here.by), "records": here.records}),
    ):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                shown = f"{what} {name}".strip()
                return (
                    f"fits with {shown} {inert(json.dumps(old.get(name)), 80)}, and this is with "
                    f"{inert(json.dumps(new.get(name)), 80)}; say the same again, or {folder}"
                )
    return (
        f"fits of other sets ({there.inputs['sets']:,} of {quoted(there.source)}, SHA-256 "
        f"{there.inputs['sha256'][:12]}; these are {here.inputs['sets']:,}, {here.inputs['sha256'][:12]}); {folder}"
    )


def _code(function: Any) -> str:
    """SHA-256 of what a function does, by its own code."""
    code = getattr(function, "__code__", None) or getattr(getattr(function, "loss", None), "__code__", None)
    told = (
        "unknown"
        if code is None
        else repr(
            (code.co_code, code.co_names, [c for c in code.co_consts if c is None or isinstance(c, int | float | str)])
        )
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Plain data that JSON gives back as it was."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.to_dict() if hasattr(value, "to_dict") else str(value)
