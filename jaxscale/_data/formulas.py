"""Columns computed from others, as in `steps*batch*length` or `1 - acc`: a grammar of our own, never run as Python.

    sum      product, then + or - and another, and so on
    product  factor, then * or / and another, and so on
    factor   - factor, or power
    power    atom, or atom ^ factor (also **)
    atom     a number (524288, 1e6, 70B), a column, a function of a sum in brackets, a sum in brackets, or size( )
             of one column: the size that stands in each of its names, 1.4e9 of pythia-1.4b

A column stands as it is, with any signs in its name (`val/loss`), or in quotes. `parse` says what a text means,
`Formula` computes it.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, parse_number, quoted

FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
}
SIZE = "size"  # of the names in a column
_OPERATIONS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
_LONGEST, _DEEPEST = 500, 40  # characters, and brackets or signs inside each other
_NUMBER = re.compile(
    r"(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+|(?:bn|tn|[kmbgtq])(?![A-Za-z0-9_]))?", re.I
)
_SIGNS = {"**": "^", "×": "*", "·": "*", "÷": "/", "−": "-"}
_PUNCTUATION = re.compile(r"\*\*|[-+*/^()×·÷−]")
_WORD = re.compile(r"[^\W0-9][\w.%]*")
_INSIDE_A_NAME = re.compile(r"[\w%]")


@dataclass(frozen=True)
class Number:
    """A number, with the text that says it."""

    value: float


@dataclass(frozen=True)
class Named:
    """The cells of a column."""

    name: str


@dataclass(frozen=True)
class Sized:
    """The sizes in the names that a column holds."""

    name: str


@dataclass(frozen=True)
class Negative:
    """The negative of something."""

    of: "Term"


@dataclass(frozen=True)
class Applied:
    """A function of something."""

    function: str
    of: "Term"


@dataclass(frozen=True)
class Pair:
    """Two things with one of + - * / ^ between them."""

    sign: str
    left: "Term"
    right: "Term"


Term = Number | Named | Sized | Negative | Applied | Pair


@dataclass(frozen=True)
class Formula:
    """What a text means, and the columns in it."""

    text: str
    term: Term
    columns: tuple[str, ...]
    sized: tuple[str, ...] = ()  # columns of names, whose sizes are meant

    def of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The values for those of the columns, (n_rows,) each, of `sized` ones their sizes; not finite where there is
        none."""
        with np.errstate(all="ignore"):
            return np.asarray(_computed(self.term, values), dtype=np.float64)


def _computed(term: Term, values: Mapping[str, np.ndarray]) -> np.ndarray:
    match term:
        case Number(value):
            return np.float64(value)  # type: ignore[return-value]
        case Named(name) | Sized(name):
            return values[name]
        case Negative(of):
            return -_computed(of, values)
        case Applied(function, of):
            return FUNCTIONS[function](_computed(of, values))
        case Pair(sign, left, right):
            return _OPERATIONS[sign](_computed(left, values), _computed(right, values))


class _Token(NamedTuple):
    kind: str  # "number", "column", "function", a sign, or "" at the end
    text: str


def parse(text: str, columns: Sequence[str]) -> Formula:
    """The formula that `text` writes down, of columns that are there. Raises InputError."""
    if len(text) > _LONGEST:
        raise InputError(f"the formula {quoted(text)} is longer than {_LONGEST} characters; add a column to the table")
    tokens = [*_tokens(text, columns), _Token("", "the end")]
    reader = _Reader(text, tokens)
    term = reader.sum(0)
    reader.expect("", "an operation or the end")
    names = tuple(dict.fromkeys(token.text for token in tokens if token.kind == "column"))
    if both := reader.sized & reader.plain:
        raise InputError(f"the formula {quoted(text)} takes column {quoted(min(both))} for numbers and for names")
    if not names:
        raise InputError(f"the formula {quoted(text)} names no column; there are {listed(columns)}")
    return Formula(text, term, names, tuple(name for name in names if name in reader.sized))


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text, self.tokens, self.at = text, tokens, 0
        self.sized: set[str] = set()
        self.plain: set[str] = set()

    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, kind: str, words: str) -> None:
        if self.next().kind != kind:
            raise InputError(f"the formula {quoted(self.text)}: expected {words}, found {inert(self.next().text, 60)}")
        self.take()

    def sum(self, depth: int) -> Term:
        if depth > _DEEPEST:
            raise InputError(f"the formula {quoted(self.text)} is nested more than {_DEEPEST} deep")
        term = self.product(depth)
        while self.next().kind in ("+", "-"):
            term = Pair(self.take().kind, term, self.product(depth))
        return term

    def product(self, depth: int) -> Term:
        term = self.factor(depth)
        while self.next().kind in ("*", "/"):
            term = Pair(self.take().kind, term, self.factor(depth))
        return term

    def factor(self, depth: int) -> Term:
        if depth > _DEEPEST:
            raise InputError(f"the formula {quoted(self.text)} is nested more than {_DEEPEST} deep")
        if self.next().kind == "-":
            self.take()
            return Negative(self.factor(depth + 1))
        base = self.atom(depth)
        if self.next().kind == "^":
            self.take()
            return Pair("^", base, self.factor(depth + 1))
        return base

    def atom(self, depth: int) -> Term:
        token = self.take()
        if token.kind == "number":
            return Number(parse_number(token.text))
        if token.kind == "column":
            self.plain.add(token.text)
            return Named(token.text)
        if token.kind == SIZE:
            self.expect("(", "a bracket after size")
            name = self.next().text
            self.expect("column", "a column of names in size( )")
            self.expect(")", "a closing bracket")
            self.sized.add(name)
            return Sized(name)
        if token.kind == "function":
            self.expect("(", f"a bracket after {token.text}")
        elif token.kind != "(":
            raise InputError(
                f"the formula {quoted(self.text)}: expected a column, a number or a bracket, found "
                f"{inert(token.text, 60)}"
            )
        term = self.sum(depth + 1)
        self.expect(")", "a closing bracket")
        return Applied(token.text, term) if token.kind == "function" else term


def _tokens(text: str, columns: Sequence[str]) -> list[_Token]:
    """The words of a formula; at each place the longest name of a column counts."""
    plain = sorted((name for name in columns if name[:1].isalpha() or name[:1] == "_"), key=len, reverse=True)
    tokens, at = [], 0
    while at < len(text):
        rest = text[at:]
        if rest[0].isspace():
            at += 1
        elif rest[0] in "\"'`":
            end = text.find(rest[0], at + 1)
            if end < 0:
                raise InputError(f"the formula {quoted(text)}: a quote is not closed")
            tokens.append(_Token("column", _known(text[at + 1 : end], columns, text)))
            at = end + 1
        elif name := next((name for name in plain if _stands(name, rest)), ""):
            _check_one_meaning(name, columns, text)
            tokens.append(_Token("column", name))
            at += len(name)
        elif sign := _PUNCTUATION.match(rest):
            tokens.append(_Token(_SIGNS.get(sign[0], sign[0]), sign[0]))
            at += len(sign[0])
        elif number := _NUMBER.match(rest):
            at += len(number[0])
            if at < len(text) and (_INSIDE_A_NAME.match(text[at]) or text[at] == "."):
                raise InputError(
                    f"the formula {quoted(text)}: {inert(text[at - len(number[0]) : at + 10], 40)} is no number; write "
                    "products with *, as in 6*N, and names that begin with a digit in quotes"
                )
            tokens.append(_Token("number", number[0]))
        elif word := _WORD.match(rest):
            sizes = word[0] == SIZE and text[at + len(SIZE) :].lstrip().startswith("(")
            kind = SIZE if sizes else "function" if word[0] in FUNCTIONS else "column"
            tokens.append(_Token(kind, _known(word[0], columns, text) if kind == "column" else word[0]))
            at += len(word[0])
        else:
            raise InputError(
                f"the formula {quoted(text)}: {quoted(rest[0])} cannot stand in one; it has columns, numbers, "
                f"+ - * / ^, brackets and {', '.join(FUNCTIONS)}"
            )
    return tokens


def _stands(name: str, rest: str) -> bool:
    """Whether a name stands at the beginning of a text, and does not go on there."""
    after = rest[len(name) :]
    return rest.startswith(name) and not (_INSIDE_A_NAME.match(name[-1]) and _INSIDE_A_NAME.match(after[:1]))


def _check_one_meaning(name: str, columns: Sequence[str], text: str) -> None:
    """Refuses a name such as `val/loss` where there are columns `val` and `loss` as well."""
    parts = [part for part in re.split(r"[-+*/^()\s]+", name) if part]
    if len(parts) > 1 and all(part in columns or part in FUNCTIONS or _NUMBER.fullmatch(part) for part in parts):
        raise InputError(
            f"the formula {quoted(text)}: {quoted(name)} is a column, and its parts {listed(parts)} are as well; put "
            "quotes around the names of columns inside the formula"
        )


def _known(name: str, columns: Sequence[str], text: str) -> str:
    if name in columns:
        return name
    if name == "log":
        raise InputError(f"the formula {quoted(text)}: log may have several bases; write ln, log2 or log10")
    close = difflib.get_close_matches(name, columns, n=3)
    hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {listed(columns)}"
    raise InputError(f"the formula {quoted(text)}: there is no column {quoted(name)}; {hint}")


def looks_like_one(text: str, columns: Sequence[str]) -> bool:
    """Whether what was given for a column is meant as a formula and not as a name with a slip in it."""
    if not _PUNCTUATION.search(text):
        return False
    certain = re.search(r"[*^×·÷]|\b(?:" + "|".join([*FUNCTIONS, SIZE]) + r")\s*\(|\b1\s*[-−]", text)
    stands = any(_stands(name, text[i:]) for name in columns if name for i in _starts(name, text))
    if difflib.get_close_matches(text, columns, n=1, cutoff=0.9):
        return bool(certain) and stands
    return bool(certain) or stands


def _starts(name: str, text: str) -> list[int]:
    """Where a name begins in a text that is not inside a longer name."""
    found = (match.start() for match in re.finditer(re.escape(name), text))
    return [i for i in found if not i or not _INSIDE_A_NAME.match(text[i - 1])]
