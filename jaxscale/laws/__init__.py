"""Every law jaxscale ships, by name, and what is needed to write one's own."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.laws._law import Instance, Law, Published
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import Parameter, Params, Variable
from jaxscale.laws.curves import alabdulmohsin_m1, alabdulmohsin_m2, alabdulmohsin_m3, alabdulmohsin_m4, bnsl
from jaxscale.laws.data_constrained import gadre_overtrain, llama3_dopt, muennighoff
from jaxscale.laws.data_quality import goyal_filtering, ye_mixing
from jaxscale.laws.distillation import busbridge_distill, busbridge_supervised
from jaxscale.laws.downstream import (
    bhagia_one_step,
    bhagia_two_step,
    gadre_err,
    llama3_task_loss,
    llama3_two_step,
    task_accuracy,
)
from jaxscale.laws.hoffmann import (
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
from jaxscale.laws.hyperparameters import deepseek_alloc, deepseek_hparams, minicpm, porian_hparams, step_law
from jaxscale.laws.inference import (
    brown_passk,
    jones_train_test,
    pass_at_k,
    sardana_dollar,
    sardana_flops,
    snell_exchange,
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
from jaxscale.laws.modalities import (
    aghajanyan_mixed,
    cherti_clip,
    domain_alloc,
    henighan,
    henighan_alloc,
    henighan_c,
    henighan_text,
    henighan_text_c,
    zhai_vit,
)
from jaxscale.laws.moe import abnar_sparsity, clark_routed, krajewski_granularity, ludziejewski_joint_moe
from jaxscale.laws.parallel import parscale
from jaxscale.laws.power import power_law
from jaxscale.laws.precision import kumar_precision_train, kumar_ptq
from jaxscale.laws.reinforcement import scalerl_sigmoid
from jaxscale.laws.schedules import multi_power_law, tissue_annealing
from jaxscale.laws.surfaces import farseer, skaling
from jaxscale.laws.transfer import hernandez_transfer
from jaxscale.laws.vocabulary import tao_alloc, tao_vocab, tao_vocab_size, tokens_per_character

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
    muennighoff,
    gadre_overtrain,
    llama3_dopt,
    deepseek_alloc,
    deepseek_hparams,
    step_law,
    porian_hparams,
    minicpm,
    clark_routed,
    krajewski_granularity,
    abnar_sparsity,
    ludziejewski_joint_moe,
    tissue_annealing,
    multi_power_law,
    farseer,
    skaling,
    hernandez_transfer,
    henighan,
    henighan_c,
    henighan_text,
    henighan_text_c,
    henighan_alloc,
    aghajanyan_mixed,
    zhai_vit,
    cherti_clip,
    domain_alloc,
    tao_vocab_size,
    tao_alloc,
    brown_passk,
    snell_exchange,
    jones_train_test,
    sardana_flops,
    sardana_dollar,
    parscale,
    busbridge_supervised,
    busbridge_distill,
    scalerl_sigmoid,
    gadre_err,
    task_accuracy,
    llama3_task_loss,
    llama3_two_step,
    bhagia_two_step,
    bhagia_one_step,
)
# Laws with options are made by a call; without arguments it gives the default.
_MADE_BY_A_CALL: Mapping[str, Callable[..., Law]] = MappingProxyType(
    {
        "power_law": power_law,
        "goyal_filtering": goyal_filtering,
        "ye_mixing": ye_mixing,
        "tao_vocab": tao_vocab,
        "kumar_precision_train": kumar_precision_train,
        "kumar_ptq": kumar_ptq,
        "bnsl": bnsl,
        "alabdulmohsin_m1": alabdulmohsin_m1,
        "alabdulmohsin_m2": alabdulmohsin_m2,
        "alabdulmohsin_m3": alabdulmohsin_m3,
        "alabdulmohsin_m4": alabdulmohsin_m4,
    }
)


def names() -> tuple[str, ...]:
    """Names of all laws, in the order they are listed."""
    return (*(law.name for law in _PLAIN), *_MADE_BY_A_CALL)


def get(name: str, **options: Any) -> Law:
    """The law of that name, with its options if it has any: `get(law.name, **law.options)` gives a shipped law back.

    Options may stand in the name, `bnsl(breaks=2)`, and a chain of laws has `>>` in it, `chinchilla >> gadre_err`.

    Raises:
        InputError: there is no such law, or it has no such option; the message names those that come close, or all.
    """
    first, chained, last = name.rpartition(">>")
    if chained:
        return get(first.strip()) >> get(last.strip(), **options)
    if written := re.fullmatch(r"(\w+)\((.*)\)", name):
        return get(written[1], **_options(written[2]), **options)
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


def _options(text: str) -> dict[str, Any]:
    """`breaks=2, variable=C` as a mapping; whole numbers, true and false are read as such."""
    options: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not key or not equals or not value:
            raise InputError(f"options of a law are written option=value, got {quoted(pair)}")
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
        raise InputError(f"name the constants too, as law:instance; {name!r} has {', '.join(law.constants)}")
    if constants not in law.constants:
        raise InputError(f"law {name!r} has no instance {constants!r}{_suggestion(constants, law.constants)}")
    return law.published[constants]


def _suggestion(wrong: str, known: Iterable[str]) -> str:
    known = tuple(known)
    close = get_close_matches(wrong, known, n=3)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else f"; there are {', '.join(known)}"


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
    "abnar_sparsity",
    "aghajanyan_mixed",
    "alabdulmohsin_m1",
    "alabdulmohsin_m2",
    "alabdulmohsin_m3",
    "alabdulmohsin_m4",
    "bhagia_one_step",
    "bhagia_two_step",
    "bnsl",
    "brown_passk",
    "busbridge_distill",
    "busbridge_supervised",
    "cherti_clip",
    "chinchilla",
    "chinchilla_a1",
    "chinchilla_a2",
    "clark_routed",
    "deepseek_alloc",
    "deepseek_hparams",
    "domain_alloc",
    "farseer",
    "gadre_err",
    "gadre_overtrain",
    "get",
    "goyal_filtering",
    "henighan",
    "henighan_alloc",
    "henighan_c",
    "henighan_text",
    "henighan_text_c",
    "hernandez_transfer",
    "instance",
    "jones_train_test",
    "kaplan_alloc",
    "kaplan_bcrit",
    "kaplan_c",
    "kaplan_cmin",
    "kaplan_d",
    "kaplan_frontier",
    "kaplan_n",
    "kaplan_nd",
    "kaplan_ns",
    "krajewski_granularity",
    "kumar_precision_train",
    "kumar_ptq",
    "label_of",
    "llama3_dopt",
    "llama3_task_loss",
    "llama3_two_step",
    "log",
    "logsumexp",
    "ludziejewski_joint_moe",
    "minicpm",
    "muennighoff",
    "multi_power_law",
    "names",
    "parscale",
    "pass_at_k",
    "pearce_song",
    "porian_alloc",
    "porian_hparams",
    "power_law",
    "sardana_dollar",
    "sardana_flops",
    "scalerl_sigmoid",
    "skaling",
    "snell_exchange",
    "step_law",
    "tao_alloc",
    "tao_vocab",
    "tao_vocab_size",
    "task_accuracy",
    "tissue_annealing",
    "tokens_per_character",
    "ye_mixing",
    "zhai_vit",
]
