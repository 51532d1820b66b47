"""How laws are pickled: those that ship by their names, chains by their steps, a user's own by its function.

Loading gives the same object wherever there is one, so that what was compiled for it is used again.
"""

import copyreg
import pickle
from dataclasses import fields
from operator import rshift
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.pickling import Carried, carried, packed, unpacked
from jaxscale._base.programs import kept
from jaxscale.laws._law import Law
from jaxscale.laws._registry import get


def _reduced(law: Law) -> tuple[Any, ...]:
    if law.steps and rshift(*law.steps) is law:
        return rshift, law.steps
    if _by_name(law.name, tuple(law.options.items())) is law:
        return _by_name, (law.name, tuple(law.options.items()))
    owner = f"law {law.name!r}"
    rest = {f.name: getattr(law, f.name) for f in fields(law) if f.name not in ("function", "closed_forms")}
    rest["closed_forms"] = dict(law.closed_forms)
    return _own, (carried(law.function, owner), packed(rest, owner))


def _by_name(name: str, options: tuple[tuple[str, Any], ...]) -> Law | None:
    try:
        return get(name, **dict(options))
    except InputError:
        return None


@kept
def _own(function: Carried, rest: bytes) -> Law:
    """The same function and definition give the same object."""
    return Law(function=unpacked(function), **pickle.loads(rest))


copyreg.pickle(Law, _reduced)  # pyright: ignore[reportArgumentType]
