"""What a cell of text says besides its number: a unit in words, a measurement error, a per cent sign."""

import re
from typing import NamedTuple

from jaxscale._base.errors import InputError
from jaxscale._base.text import parse_number

UNITS = {"N": "parameters", "D": "tokens", "U": "tokens", "C": "FLOPs", "loss": "nats"}
_WORD = re.compile(
    r"(?<=[0-9.)\skmbgtqndsKMBGTQNDS²³¹⁰⁴-⁹])\s*(?P<word>tok|tokens?|params?|parameters?|flops?|nats?)$", re.I
)
# A factor in words, and the suffix that says the same.
FACTOR_WORDS = {"thousand": "k", "million": "M", "mio": "M", "mln": "M", "billion": "B", "mrd": "B", "trillion": "T"}
_FACTOR = re.compile(rf"(?<=[0-9])\s*(?P<factor>{'|'.join(FACTOR_WORDS)})s?\.?$", re.IGNORECASE)
_UNIT_OF = {"tok": "tokens", "par": "parameters", "flo": "FLOPs", "nat": "nats"}  # by how the word begins
_ERROR = re.compile(r"\s*(?:±|\+/-|\+-)\s*")
_LAST_DIGITS = re.compile(r"(?P<number>[+-]?[0-9]+[.,](?P<places>[0-9]{1,12}))\((?P<error>[0-9]{1,6})\)", re.ASCII)
_LATEX = re.compile(r"\\(?:times|cdot|pm|textpm|,|;|!|%)\s*|\{,\}|[${}]")
_LATEX_SIGNS = {"\\times": "×", "\\cdot": "×", "\\pm": "±", "\\textpm": "±", "{,}": ",", "\\%": "%"}
_SPACED = re.compile(r"([+-]?[1-9][0-9]{0,2})((?: [0-9]{3}){2,})(?![0-9])", re.ASCII)


class ReadCell(NamedTuple):
    """A number, the unit named after it (or ""), whether it is in per cent and whether an error stands behind it."""

    value: float
    unit: str = ""
    percent: bool = False
    has_error: bool = False


def split_error(text: str) -> list[str]:
    """A cell, or the number and the error of a cell that has both: `4.283 ± 0.003`, `4.283(3)`; LaTeX becomes text."""
    text = _without_latex(text)
    if text.endswith(")") and (digits := _LAST_DIGITS.fullmatch(text.strip())):  # the error is of the last digits
        places = len(digits["places"])
        return [digits["number"], f"{int(digits['error']) / 10**places:.{places}f}"]
    return _ERROR.split(text)


def _without_latex(text: str) -> str:
    if "\\" in text or (text[:1] == "$" == text[-1:] and len(text) > 2):
        return _LATEX.sub(lambda found: _LATEX_SIGNS.get(found[0].strip(), ""), text)
    return text


def parse_quantity(text: str) -> ReadCell:
    """A cell as people write it: `1.4T tokens`, `1.3 billion`, `4.283 ± 0.003`, `4.283(3) nats`, `72.8%`, `1 000 000`,
    `$5.76 \\times 10^{23}$`.

    The value is the number as it stands, so 72.8 of the last but one, and without the error. Spaces separate thousands
    only from a million on: `1 000` may be two numbers. Raises InputError.
    """
    text = text.strip()
    text = _without_latex(text).strip()
    word = _WORD.search(text[-40:])
    number, *errors = split_error(text[: -len(word[0])] if word else text)
    number = _FACTOR.sub(lambda found: FACTOR_WORDS[found["factor"].lower()], number.rstrip())
    percent = number.endswith("%") or (bool(errors) and errors[-1].endswith("%"))
    if percent:
        number, errors = number.removesuffix("%"), [error.removesuffix("%") for error in errors]
    if len(errors) > 1 or (word and percent) or (errors and not parse_number(errors[0]) >= 0):
        raise InputError("not one number with one error and one unit")
    spaced = _SPACED.match(number)
    if spaced:
        number = number[: spaced.end()].replace(" ", "") + number[spaced.end() :]
    unit = _UNIT_OF[word["word"][:3].lower()] if word else ""
    return ReadCell(parse_number(number), unit, percent, bool(errors))
