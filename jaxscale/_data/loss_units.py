"""The unit that a caller gives to the loss: what turns its cells into a loss that falls, in nats per token if it can.

An accuracy becomes an error, 1 - accuracy, so that a law of a loss fits it; an error stays what it is, a share of one.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import parse_number, quoted
from jaxscale._data.wording import flag, spelt

Inside = tuple[str, Callable[[np.ndarray], np.ndarray]]  # words for cells outside, and which cells are inside


@dataclass(frozen=True)
class LossUnit:
    """A unit by its name, how cells in it become the loss, and what is said of that.

    named    words, as `names` spells them, of columns that hold a loss in this unit
    inside   which cells can be in this unit, None for any loss; `share` says that they may be in per cent
    """

    name: str
    said: str
    convert: Callable[[np.ndarray], np.ndarray]
    named: frozenset[str] = frozenset()
    inside: Inside | None = None
    share: bool = False


def _times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: values * factor


_BITS = frozenset(["bits", "bpb"])
_UNITS = {
    unit.name: unit
    for unit in (
        LossUnit("nats", "nats", _times(1.0)),
        LossUnit("bits", "bits, times ln 2", _times(math.log(2.0)), _BITS),
        LossUnit(
            "perplexity",
            "perplexity, whose natural logarithm is the loss",
            np.log,
            frozenset(["ppl"]),
            ("not above 1, as a perplexity is", lambda v: v > 1),
        ),
        LossUnit(
            "accuracy",
            "accuracy; the loss is 1 - accuracy, a share of one",
            lambda values: 1.0 - values,
            frozenset(["acc", "accuracy"]),
            ("not a share from 0 to below 1, as an accuracy with an error to fit is", lambda v: (v >= 0) & (v < 1)),
            share=True,
        ),
        LossUnit(
            "error",
            "error, a share of one",
            _times(1.0),
            frozenset(["err", "error", "wer", "cer"]),
            ("not a share above 0 and up to 1, as an error is", lambda v: (v > 0) & (v <= 1)),
            share=True,
        ),
    )
}
_SAME = {"ppl": "perplexity", "acc": "accuracy"}
_PER_BYTE = re.compile(r"(?:bpb|bits[ _-]per[ _-]byte)\s*(?::\s*(?P<bytes>.*))?", re.IGNORECASE)


def loss_unit_of(text: str) -> LossUnit:
    """The unit of that name; `bpb:4.3` is bits per byte with 4.3 bytes per token. Raises InputError."""
    text = str(text)
    if unit := _UNITS.get(_SAME.get(text, text)):
        return unit
    per_byte = _PER_BYTE.fullmatch(text.strip())
    if per_byte is None:
        raise InputError(
            f"loss_unit ({flag('loss_unit')}) must be one of {', '.join(_UNITS)} or bpb:4.3 (bits per byte, of 4.3 "
            f"bytes per token); not {quoted(text)}"
        )
    if per_byte["bytes"] is None:
        raise InputError(
            "bits per byte become nats per token by the bytes of a token, which the tokenizer and the text settle: say "
            f"how many, {spelt('loss_unit', 'bpb:4.3')} for 4.3; or {spelt('loss_unit', 'bits')} for nats per byte"
        )
    size = parse_number(per_byte["bytes"])
    if not size > 0:
        raise InputError(f"no token has {quoted(per_byte['bytes'])} bytes; write {spelt('loss_unit', 'bpb:4.3')}")
    said = f"bits per byte, times ln 2 and {size:g} bytes per token"
    return LossUnit("bpb", said, _times(math.log(2.0) * size), _BITS)


def in_per_cent(name: str) -> bool:
    """Whether the name of a column says that its cells are in per cent."""
    return "%" in name or bool(re.search(r"(?<![a-z])(per ?cent|pct)(?![a-z])", name.replace("_", " "), re.IGNORECASE))
