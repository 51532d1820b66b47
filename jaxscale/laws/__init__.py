"""Every law jaxscale ships, by name, and what is needed to write one's own."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from jaxscale._errors import InputError
from jaxscale.laws._law import Instance, Law, Parameter, Params, Published, Variable
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws.chinchilla import (
    CHINCHILLA_TABLES,
    Allocation,
    Exponents,
    TableRow,
    chinchilla,
    chinchilla_a1,
    chinchilla_a2,
    pearce_song,
    porian_alloc,
)
from jaxscale.laws.kaplan import (
    PF_DAY,
    kaplan_alloc,
    kaplan_bcrit,
    kaplan_c,
    kaplan_cmin,
    kaplan_d,
    kaplan_frontier,
    kaplan_n,
    kaplan_nd,
    kaplan_ns,
)
from jaxscale.laws.power import power_law

_PLAIN = (
    chinchilla,
    chinchilla_a1,
    chinchilla_a2,
    porian_alloc,
    pearce_song,
    kaplan_n,
    kaplan_d,
    kaplan_c,
    kaplan_cmin,
    kaplan_nd,
    kaplan_ns,
    kaplan_bcrit,
    kaplan_alloc,
    kaplan_frontier,
)
# Laws with options are made by a call; without arguments it gives the default.
_MADE_BY_A_CALL: Mapping[str, Callable[..., Law]] = MappingProxyType({"power_law": power_law})


def names() -> tuple[str, ...]:
    """Names of all laws, in the order they are listed."""
    return (*(law.name for law in _PLAIN), *_MADE_BY_A_CALL)


def get(name: str, **options: Any) -> Law:
    """The law of that name, with its options if it has any: `get(law.name, **law.options)` gives a shipped law back.

    Raises:
        InputError: there is no such law, or it has no such option; the message lists those there are.
    """
    for law in _PLAIN:
        if law.name == name:
            if options:
                raise InputError(f"law {name!r} takes no options, got {', '.join(options)}")
            return law
    if name not in _MADE_BY_A_CALL:
        raise InputError(f"there is no law {name!r}{_suggestion(name, names())}")
    allowed = tuple(_MADE_BY_A_CALL[name]().options)
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise InputError(f"law {name!r} has no option {unknown[0]!r}; it takes {', '.join(allowed)}")
    return _MADE_BY_A_CALL[name](**options)


def instance(label: str) -> Instance:
    """Published constants by `law:instance`, such as `chinchilla:besiroglu`.

    Raises:
        InputError: there is no such law or instance; the message lists those there are.
    """
    name, colon, constants = label.partition(":")
    law = get(name)
    if not law.constants:
        raise InputError(f"law {name!r} has no published constants; fit it to runs")
    if not colon:
        raise InputError(f"name the constants too, as law:instance; {name!r} has {', '.join(law.constants)}")
    if constants not in law.constants:
        raise InputError(f"law {name!r} has no instance {constants!r}{_suggestion(constants, law.constants)}")
    return law.published[constants]


def _suggestion(wrong: str, known: Iterable[str]) -> str:
    known = tuple(known)
    close = get_close_matches(wrong, known, n=1)
    guess = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{guess}; there are {', '.join(known)}"


__all__ = [
    "CHINCHILLA_TABLES",
    "PF_DAY",
    "Allocation",
    "Exponents",
    "Instance",
    "Law",
    "Parameter",
    "Params",
    "Published",
    "TableRow",
    "Variable",
    "chinchilla",
    "chinchilla_a1",
    "chinchilla_a2",
    "get",
    "instance",
    "kaplan_alloc",
    "kaplan_bcrit",
    "kaplan_c",
    "kaplan_cmin",
    "kaplan_d",
    "kaplan_frontier",
    "kaplan_n",
    "kaplan_nd",
    "kaplan_ns",
    "log",
    "logsumexp",
    "names",
    "pearce_song",
    "porian_alloc",
    "power_law",
]
