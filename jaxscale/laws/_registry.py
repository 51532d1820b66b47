"""Which laws ship and how they are found: by name, with options, in a chain, with published constants."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import reduce
from operator import rshift
from types import MappingProxyType
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.laws import (
    attention,
    batch,
    corpora,
    curves,
    data_constrained,
    data_quality,
    distillation,
    downstream,
    finetuning,
    hoffmann,
    hyperparameters,
    inference,
    kaplan,
    low_communication,
    mixtures,
    modalities,
    moe,
    moe_design,
    optimizers,
    parallel,
    power,
    precision,
    quantization,
    reinforcement,
    schedules,
    shape,
    sparsity,
    surfaces,
    transfer,
    vocabulary,
)
from jaxscale.laws._law import Instance, Law

_AT = "law.at(NAME=VALUE, ...) (--at NAME=VALUE,...)"
# Laws are listed family by family, in each as its file defines them.
_FAMILIES = (
    hoffmann,
    kaplan,
    data_constrained,
    optimizers,
    shape,
    hyperparameters,
    batch,
    moe,
    moe_design,
    sparsity,
    attention,
    schedules,
    surfaces,
    transfer,
    finetuning,
    corpora,
    modalities,
    vocabulary,
    inference,
    parallel,
    low_communication,
    distillation,
    reinforcement,
    downstream,
    power,
    data_quality,
    mixtures,
    precision,
    quantization,
    curves,
)
_PLAIN: Mapping[str, Law] = MappingProxyType(
    {law.name: law for family in _FAMILIES for law in vars(family).values() if isinstance(law, Law)}
)
# Laws with options are made by a call; without arguments it gives the default.
_MADE_BY_A_CALL: Mapping[str, Callable[..., Law]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            power.power_law,
            power.log_law,
            data_quality.goyal_filtering,
            data_quality.ye_mixing,
            mixtures.shukor_mixture,
            vocabulary.tao_vocab,
            precision.kumar_precision_train,
            precision.kumar_ptq,
            quantization.quantised_after,
            curves.bnsl,
            curves.alabdulmohsin_m1,
            curves.alabdulmohsin_m2,
            curves.alabdulmohsin_m3,
            curves.alabdulmohsin_m4,
        )
    }
)


def names() -> tuple[str, ...]:
    """Names of all laws, in the order they are listed."""
    return (*_PLAIN, *_MADE_BY_A_CALL)


def get(name: str, **options: Any) -> Law:
    """The law of that name, with its options if it has any: `get(law.name, **law.options)` gives a shipped law back.

    Options may stand in the name, `bnsl(breaks=2)`, and a chain of laws has `>>` in it, `chinchilla >> gadre_err`.

    Raises:
        InputError: there is no such law, or it has no such option; the message names those that come close, or all.
    """
    *steps, last = (part.strip() for part in name.split(">>"))
    if steps:
        return reduce(rshift, [*map(get, steps), get(last, **options)])
    if written := re.fullmatch(r"(\w+)\((.*)\)", name):
        return get(written[1], **_options(written[1], written[2]), **options)
    if law := _PLAIN.get(name):
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


def as_law(law: Any) -> Law:
    """A law as it is, or the one of that name. Raises InputError for anything else."""
    if isinstance(law, str):
        return get(law)
    if not isinstance(law, Law):
        raise InputError(
            f"law must be a Law or the name of one, got {quoted(law)}"
            + ("; call it" if any(law is maker for maker in _MADE_BY_A_CALL.values()) else "")
        )
    return law


def _options(name: str, text: str) -> dict[str, Any]:
    """`breaks=2, variable=C` as a mapping; whole numbers, true and false are read as such."""
    options: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not key or not equals or not value:
            first = next(iter(_MADE_BY_A_CALL[name]().options), "option") if name in _MADE_BY_A_CALL else "option"
            raise InputError(
                f"options of a law are written option=value, such as {name}({first}={pair.strip('= ')}); "
                f"got {quoted(pair)}"
            )
        plain = {"true": True, "false": False}.get(value.lower(), value)
        options[key] = int(value) if value.isdecimal() else plain
    return options


def label_of(law: Law) -> str:
    """The law's name, with the options that are not the default: `bnsl(breaks=2)`, as the command line takes it."""
    usual = _MADE_BY_A_CALL[law.name]().options if law.name in _MADE_BY_A_CALL else {}
    special = ", ".join(f"{k}={v}" for k, v in law.options.items() if usual.get(k) != v)
    return f"{law.name}({special})" if special else law.name


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
        raise InputError(
            f"name the constants too, as law:instance; {name!r} has {', '.join(law.constants)}. Constants of your own "
            f"are given with {_AT}"
        )
    if constants not in law.constants:
        own = f". Constants of your own are given with {_AT}" if "=" in constants else ""
        raise InputError(f"law {name!r} has no instance {constants!r}{_suggestion(constants, law.constants)}{own}")
    return law.published[constants]


def _suggestion(wrong: str, known: Iterable[str]) -> str:
    known = tuple(known)
    close = get_close_matches(wrong, known, n=3)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else f"; there are {', '.join(known)}"
