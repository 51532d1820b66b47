"""The unit that a caller gives to the loss: what turns its cells into a loss that falls, in nats per token if it can.

An accuracy becomes an error, 1 - accuracy, so that a law of a loss fits it; an error stays what it is, a share of one.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.measure import NATS_PER_TOKEN, Measure, conversion
from jaxscale._base.text import parse_number, quoted
from jaxscale._data.names import meaning_of, words_of
from jaxscale._data.wording import flag, spelt

Inside = tuple[str, Callable[[np.ndarray], np.ndarray]]  # words for cells outside, and which cells are inside


@dataclass(frozen=True)
class LossUnit:
    """A unit by its name and what is said of it; `conversion` knows how cells in it become the loss.

    named    words, as `names` spells them, of columns that hold a loss in this unit
    inside   which cells can be in this unit, None for any loss; `share` says that they may be in per cent
    """

    name: str
    said: str
    named: frozenset[str] = frozenset()
    inside: Inside | None = None
    share: bool = False
    text: str = ""  # as `loss_unit` writes it, where that is not the name

    @property
    def spec(self) -> str:
        """As `loss_unit` writes it."""
        return self.text or self.name

    def convert(self, values: np.ndarray) -> np.ndarray:
        """The loss of cells in this unit."""
        return conversion(self.spec).to_law(values)


_BITS = frozenset(["bits", "bpb"])
_UNITS = {
    unit.name: unit
    for unit in (
        LossUnit("nats", "nats"),
        LossUnit("bits", "bits, times ln 2", _BITS),
        LossUnit(
            "perplexity",
            "perplexity, whose natural logarithm is the loss",
            frozenset(["ppl"]),
            ("not above 1, as a perplexity is", lambda v: v > 1),
        ),
        LossUnit(
            "accuracy",
            "accuracy; the loss is 1 - accuracy, a share of one",
            frozenset(["acc", "accuracy"]),
            ("not a share from 0 to below 1, as an accuracy with an error to fit is", lambda v: (v >= 0) & (v < 1)),
            share=True,
        ),
        LossUnit(
            "error",
            "error, a share of one",
            frozenset(["err", "error", "wer", "cer"]),
            ("not a share above 0 and up to 1, as an error is", lambda v: (v > 0) & (v <= 1)),
            share=True,
        ),
    )
}
_LOGARITHMS = frozenset(["log", "ln"])  # of a perplexity they are nats
_LESS_THAN_A_TOKEN = frozenset(["byte", "bytes", "char", "chars", "character", "characters", "word", "words", "dim"])
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
    return LossUnit("bpb", said, _BITS, text=f"bpb:{size!r}")


def unit_of_header(column: str, computed: Collection[str] = ()) -> LossUnit:
    """The unit that the name of a column gives to its losses: bits or perplexity, else nats; bits per byte stay what
    they are, as nobody said how many bytes a token has, and a formula says for itself."""
    words = {word for part in words_of(column) for word in part}
    if column in computed or words & _LOGARITHMS:
        return _UNITS["nats"]
    if "ppl" in words:
        return _UNITS["perplexity"]
    if re.search(r"(?<![a-z])bpt(?![a-z])", column.lower()):
        return _UNITS["bits"]
    of_less = "bpb" in words or ("per" in words and words & _LESS_THAN_A_TOKEN)
    return _UNITS["bits" if "bits" in words and not of_less else "nats"]


def in_per_cent(name: str) -> bool:
    """Whether the name of a column says that its cells are in per cent."""
    return "%" in name or bool(re.search(r"(?<![a-z])(per ?cent|pct)(?![a-z])", name.replace("_", " "), re.IGNORECASE))


# Of a loss that nobody converted, by a word of its column: what its numbers are.
_UNCONVERTED = {
    "bpb": ("loss", "bits per byte"),
    "bits": ("loss", "bits"),
    "ppl": ("perplexity", ""),
}
_PER_CENT = re.compile(r"[\s_]*([(\[]\s*)?(%|(?<![a-z])(per ?cent|pct))(\s*[)\]])?\s*$", re.IGNORECASE)
_NO_LOSS = frozenset(word for unit in _UNITS.values() if unit.share for word in unit.named)


def measure_of(
    symbol: str, column: str, unit: LossUnit, per_cent: bool, data: str = "tokens", *, computed: bool = False
) -> Measure:
    """What a response is, by its symbol, its column and the unit that the caller gives to a loss.

    `per_cent` says that cells were in per cent and became shares of one, and `data` what D counts: of other data than
    tokens nats are not per token. `computed` says that `column` is a formula: of ln(ppl) the loss is in nats.
    """
    measure = _measure_of(symbol, column, unit, per_cent, computed)
    if data == "tokens":
        return measure
    return replace(measure, unit="nats" if measure.unit == NATS_PER_TOKEN else measure.unit, data=data)


def _measure_of(symbol: str, column: str, unit: LossUnit, per_cent: bool, computed: bool) -> Measure:
    words = {word for part in words_of(column.replace("%", " ")) for word in part}
    label = _PER_CENT.sub("", column).strip(" %_") or column
    if symbol == "loss" and unit.name != "nats":
        made = conversion(unit.spec)
        name = label if unit.name == "error" and words & _NO_LOSS else made.law_name
        return Measure(name, made.law_unit, unit.spec, per_cent)
    meaning = meaning_of(column)
    is_loss = meaning is not None and meaning.symbol == "loss"
    if symbol != "loss" or (not is_loss and (words & _NO_LOSS or in_per_cent(column))):
        return Measure(label, "%" if in_per_cent(column) and not per_cent else "", per_cent=per_cent)
    found = next((named for word, named in _UNCONVERTED.items() if word in words), None)
    if found is None or computed:
        return Measure()
    exact = re.search(r"bp([ctw])(?![a-z])", column, re.IGNORECASE)
    per = {"c": "bits per character", "t": "bits per token", "w": "bits per word"}
    return Measure(found[0], per[exact[1].lower()] if exact else found[1])
