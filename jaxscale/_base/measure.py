"""What a response is called and counted in: by the law that predicts it, and by the people who gave it."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from jaxscale._base.text import format_number

NATS_PER_TOKEN = "nats per token"
_NO_UNIT = frozenset(["", "as the instance says"])  # of a law's response: what it is only a table can say


@dataclass(frozen=True)
class Conversion:
    """A unit of the loss that is not the law's: its numbers become the law's by `to_law`, and back by `to_given`.

    unit: the words of it; law_unit: what laws then count in; name: what its numbers are called, where that is no loss;
    slope: derivative of `to_given`, by the law's number.
    """

    unit: str
    law_unit: str
    to_law: Callable[[Any], Any]
    to_given: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    name: str = ""
    law_name: str = "loss"


def _factor(unit: str, law_unit: str, factor: float) -> Conversion:
    return Conversion(unit, law_unit, lambda x: x * factor, lambda x: x / factor, lambda x: 0 * x + 1 / factor)


def _one_less(x: Any) -> Any:
    return 1.0 - x


def _same(x: Any) -> Any:
    return x


_CONVERSIONS = {
    "nats": Conversion(NATS_PER_TOKEN, NATS_PER_TOKEN, _same, _same, lambda x: 0 * x + 1.0),
    "bits": _factor("bits", "nats", math.log(2.0)),
    "perplexity": Conversion("", NATS_PER_TOKEN, np.log, np.exp, np.exp, "perplexity"),
    "accuracy": Conversion("", "", _one_less, _one_less, lambda x: 0 * x - 1.0, "accuracy", "error"),
    "error": Conversion("", "", _same, _same, lambda x: 0 * x + 1.0, "error", "error"),
}
_PER_BYTE = re.compile(r"bpb:(.+)")


def conversion(loss_unit: str) -> Conversion:
    """That of a unit as `loss_unit` writes it: nats, bits, bpb:4.3, perplexity, accuracy or error."""
    if per_byte := _PER_BYTE.fullmatch(loss_unit):
        return _factor("bits per byte", NATS_PER_TOKEN, math.log(2.0) * float(per_byte[1]))
    return _CONVERSIONS[loss_unit]


@dataclass(frozen=True)
class Measure:
    """What a response is: `name` and `unit` are those of the numbers that a law predicts, which records and files hold.

    Reports and the command line show and read numbers as people gave them: in `loss_unit`, shares of one in per cent
    where the cells were (`per_cent`). `to_given` and `to_law` go from one to the other. `data` are what D counts.
    """

    name: str = "loss"
    unit: str = NATS_PER_TOKEN
    loss_unit: str = "nats"
    per_cent: bool = False
    data: str = "tokens"

    @property
    def _conversion(self) -> Conversion:
        return conversion(self.loss_unit)

    @property
    def converted(self) -> bool:
        """Whether people count it otherwise than the law does."""
        return self.per_cent or self.loss_unit not in ("nats", "error")

    @property
    def falls(self) -> bool:
        """Whether what people gave falls where the law's number rises: an accuracy, of which 1 - accuracy is fitted."""
        return self.loss_unit == "accuracy"

    @property
    def linear(self) -> bool:
        """Whether the two are proportional."""
        return self.loss_unit not in ("perplexity", "accuracy")

    @property
    def given_name(self) -> str:
        """What people call it."""
        return self._conversion.name if self.loss_unit in ("perplexity", "accuracy") else self.name

    @property
    def given_unit(self) -> str:
        """The unit of what people gave; empty for pure numbers."""
        if self.per_cent:
            return "%"
        return self._conversion.unit if self.converted else self.unit

    @property
    def given_short(self) -> str:
        """The unit of what people gave in a word: "bpb", "bits", "perplexity", "accuracy"."""
        return "per cent" if self.per_cent else self.loss_unit.partition(":")[0]

    @property
    def given_word(self) -> str:
        """The unit of what people gave, or else its name."""
        return self.given_unit or self.given_name

    @property
    def word(self) -> str:
        """The unit of the law's numbers, or else their name."""
        return self.unit or self.name

    @property
    def heading(self) -> str:
        """The head of a column: "loss (bits per byte)", "wer (%)", "elo"; plain "loss" in nats per token."""
        unit = "" if self.given_unit == NATS_PER_TOKEN else self.given_unit
        return f"{self.given_name} ({unit})" if unit else self.given_name

    def to_given(self, value: Any) -> Any:
        """The law's number, or an array of them, as people count it."""
        given = self._conversion.to_given(value)
        return 100 * given if self.per_cent else given

    def to_law(self, value: Any) -> Any:
        """The law's number of one as people count it; nan where there is none, as of a perplexity below 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._conversion.to_law(value / 100 if self.per_cent else value)

    def slope(self, value: float) -> float:
        """How much what people count moves, at a law's number, with one of the law's."""
        return float(self._conversion.slope(value)) * (100 if self.per_cent else 1)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """The ends of an interval as people count, the lower first."""
        a, b = self.to_given(low), self.to_given(high)
        return (b, a) if self.falls else (a, b)

    def difference(self, before: float, after: float) -> float:
        """What people see change."""
        return self.to_given(after) - self.to_given(before) if self.converted else after - before

    def counted(self, words: str) -> str:
        """Words about tokens as words about what D counts."""
        if self.data == "tokens":
            return words
        return re.sub(r"\bTokens\b", self.data.capitalize(), re.sub(r"\btokens\b", self.data, words))

    def of_parameter(self, unit: str) -> str:
        """The unit of a law's parameter, written for a loss in nats, where this is predicted."""
        unit = self.counted(unit)
        if self.unit == NATS_PER_TOKEN:
            return unit
        return re.sub(r"\bnats(?= |\^|$)", self.word, unit.replace(NATS_PER_TOKEN, self.word))

    def said(self) -> str:
        """What a reader of numbers as people count must know; empty where there is no other way to count."""
        if not self.converted:
            return ""
        each = {"perplexity": f"exp of the loss in {self.unit}", "accuracy": f"1 - {self.name}"}.get(self.loss_unit)
        if each is not None:
            each = f"{self.given_name} is {each}"
        elif self.per_cent:
            return f"{self.given_name} is in per cent; files hold shares of one."
        else:
            each = f"1 {self._one} is {format_number(self.to_law(1.0), 4, False)} {self.unit}"
        per_cent = ", here in per cent" if self.per_cent else ""
        return f"{each[0].upper()}{each[1:]}{per_cent}; files hold {self.unit or self.name}."

    @property
    def _one(self) -> str:
        return self.given_unit.replace("bits", "bit", 1)

    def under(self, name: str, unit: str) -> "Measure":
        """The same, predicted by a law whose response has that name and unit: a law that knows better than "nats per
        token" what it counts in is believed, and a loss by another name is called by it."""
        if name == "loss":
            plain = self.loss_unit == "nats" and self.unit == NATS_PER_TOKEN
            return replace(self, unit=unit) if plain and unit not in _NO_UNIT else self
        known = "" if unit in _NO_UNIT else unit
        mine = "" if self.unit == NATS_PER_TOKEN else self.unit
        return replace(self, name=name if self.name == "loss" else self.name, unit=mine or known)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        other = {} if self.data == "tokens" else {"data": self.data}
        return {"name": self.name, "unit": self.unit, "loss_unit": self.loss_unit, "per_cent": self.per_cent} | other

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, name: str = "loss") -> Self:
        """What `to_dict` wrote; of files that are older, what follows from the `name` of the response."""
        if data is None:
            return cls(name, NATS_PER_TOKEN if name == "loss" else "")
        conversion(str(data["loss_unit"]))
        counted = str(data.get("data", "tokens"))
        return cls(str(data["name"]), str(data["unit"]), str(data["loss_unit"]), data["per_cent"] is True, counted)
