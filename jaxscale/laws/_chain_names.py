"""What the parameters of a chain of laws are called, and how they scale under those names."""

from collections.abc import Iterable, Mapping

from jaxscale._base.errors import InputError
from jaxscale.laws._parameters import Power


def names_in_chain(chain: str, names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Names of a second law's parameters in the chain, by their own: one that is taken gets the ending `_2`, `_3`, ...

    Raises:
        InputError: all of its endings are taken.
    """
    found: dict[str, str] = {}
    for name in names:
        endings = ("", *(f"_{k}" for k in range(2, 10)))
        free = [name + ending for ending in endings if name + ending not in {*taken, *found.values()}]
        if not free:
            raise InputError(f"{chain}: no more than nine laws of a chain have a parameter {name!r}")
        found[name] = free[0]
    return found


def power_in_chain(power: Power, names: Mapping[str, str]) -> Power:
    """A power of a parameter of the second law, read under the names of the chain."""
    if callable(power):
        return lambda values: power({mine: values[theirs] for mine, theirs in names.items()})
    if not isinstance(power, str):
        return power
    start = next((sign for sign in ("-", "1/") if power.startswith(sign)), "")
    return start + names[power.removeprefix(start)]
