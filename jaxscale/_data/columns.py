"""Which column of a table is what: the columns that a caller names, and those recognised by their names."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, quoted
from jaxscale._data.wording import column_of, flag, valued_flag

Column = str | Sequence[str] | Literal[False] | None

MEANINGS = {"N": "parameters", "D": "tokens", "C": "FLOPs", "U": "unique tokens", "loss": "nats per token"}

# Column names read without being told, best rank first: the best rank that matches anything decides, and two matches
# in it are an error. Names are compared in lower case without spaces and punctuation; the symbol itself (N, D, C, U),
# in that case, is in the best rank.
ALIASES: dict[str, tuple[frozenset[str], ...]] = {
    symbol: tuple(frozenset(rank.split()) for rank in ranks)
    for symbol, ranks in {
        "N": (
            "params",
            """n nparams numparams parameters nparameters numparameters paramcount parametercount modelsize modelparams
            modelparameters totalparams paramstotal totalparameters activeparams paramsactive paramsnonembedding
            nonembeddingparams nonembedding nnonembedding""",
        ),
        "D": (
            "tokens",
            """d ntokens numtokens tokencount traintokens trainingtokens tokenstrained tokensseen seentokens totaltokens
            tokenstotal trainedtokens""",
        ),
        "C": (
            "flops",
            """c flop compute totalflops flopstotal trainflops trainingflops totalcompute traincompute trainingcompute
            flops6nd numflops nflops""",
        ),
        "U": ("uniquetokens", "u nuniquetokens numuniquetokens uniquetraintokens tokensunique"),
        "loss": (
            "loss",
            """valloss validloss validationloss evalloss evaluationloss testloss heldoutloss finalloss finalvalloss
            finalvalidationloss finalevalloss lossval lossvalid lossvalidation losseval losstest lossfinal c4loss lossc4
            crossentropy nll""",
            "trainloss trainingloss losstrain losstraining finaltrainloss",
        ),
    }.items()
}
FIRST = ("N", "D", "C", "U")
_RESERVED = frozenset(["row", "rows", "run", "weights", "response"])


@dataclass(frozen=True)
class Chosen:
    """Which column is what, and what the response is."""

    columns: dict[str, str | tuple[str, ...]]  # symbol, "weights" or "run": its column(s)
    guessed: frozenset[str]
    rivals: dict[str, list[str]]  # guessed symbol: columns that its names know as well
    response: str  # the symbol that is the response


def choose(
    columns: list[str], given: Mapping[str, Column], response: str | None, weights: str | None, run: str | None
) -> Chosen:
    """Settle which column holds what: first those named, then those recognised."""
    for symbol in given:
        if symbol in _RESERVED or not symbol:
            raise InputError(f"a variable cannot be called {quoted(symbol)}; choose another symbol")
    named = {
        s: existing(columns, s, column) for s, column in given.items() if column is not None and column is not False
    }
    answer = "loss"
    if response is not None:
        column = existing(columns, "response", response)
        is_loss = any(_key(column) in rank for rank in ALIASES["loss"]) and "loss" not in named
        answer = "loss" if is_loss or named.get("loss") == column else column
        if named.get(answer, column) != column:
            raise InputError(f"{quoted(answer)} is the response and cannot be a variable's symbol as well")
        named[answer] = column
    if answer in ("run", "weights"):
        raise InputError(
            f"the response cannot be called {quoted(answer)}, which means something else; rename that column"
        )
    if not isinstance(named.get(answer, ""), str):
        raise InputError("the response is one column, not several")
    used: dict[str, str] = {}
    for symbol, column in [*named.items(), *([("weights", str(weights))] if weights is not None else [])]:
        for name in (column,) if isinstance(column, str) else column:
            if used.setdefault(name, symbol) != symbol:
                raise InputError(f"column {quoted(name)} is named twice, for {inert(used[name])} and {inert(symbol)}")
    guessed = {}
    for symbol in ALIASES:
        if symbol not in named and given.get(symbol) is not False and not (symbol == "loss" and response is not None):
            column = _recognise([name for name in columns if name not in used], symbol)
            if column is not None:
                guessed[symbol] = column
                used[column] = symbol
    found: dict[str, str | tuple[str, ...]] = {**named, **guessed}
    if answer not in found:
        raise InputError(
            f"no column is recognised as the loss; there are {listed(columns)}. "
            f'Name it with loss="..." ({flag("loss")}), or another response with response="..." ({flag("response")})'
        )
    symbols = [symbol for symbol in dict.fromkeys([*FIRST, *found]) if symbol in found and symbol != answer]
    if not symbols:
        raise InputError(
            f"no column is recognised as a variable (N, D, C, U); there are {listed(columns)}. "
            + (
                _in_larger_units(columns, ("N", "D", "C"))
                or f'Name them with N="...", D="..." ({flag("N")}, {flag("D")})'
            )
        )
    ordered = {symbol: found[symbol] for symbol in [*symbols, answer]}
    for role, column in (("weights", weights), ("run", run)):
        if column is not None:
            ordered[role] = existing(columns, role, column)
    rivals = {s: [c for c in columns if c not in used and any(_key(c) in r for r in ALIASES[s])] for s in guessed}
    return Chosen(ordered, frozenset(guessed), {s: others for s, others in rivals.items() if others}, answer)


def existing(columns: list[str], role: str, column: Any) -> Any:
    """`column`, which must be there; a list of columns becomes a tuple."""
    if isinstance(column, (list, tuple)):
        if not column:
            raise InputError(f"{inert(role)} needs at least one column")
        return tuple(existing(columns, role, name) for name in column)
    name = str(column)
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=3) or [c for c in columns if _key(c) == _key(name)]
        hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {listed(columns)}"
        raise InputError(f"there is no column {quoted(name)} ({inert(role)}); {hint}")
    return name


def _recognise(columns: list[str], symbol: str) -> str | None:
    """The column of the best rank of the symbol's aliases that matches any."""
    for rank, names in enumerate(ALIASES[symbol]):
        found = [column for column in columns if _key(column) in names or (rank == 0 and column == symbol)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"columns {listed(found)} could each be {symbol}; choose one with "
                f'{symbol}="{inert(found[0], 60)}" (on the command line {valued_flag(symbol, quoted(found[0]))})'
            )
    return None


def _key(name: str) -> str:
    return re.sub(r"[\s_.\-]", "", name).lower()


def where_to_find(symbol: str, unused: Sequence[str]) -> str:
    """What to do about a symbol that no column was recognised as."""
    hint = _in_larger_units(unused, (symbol,)) or f"Name its column with {column_of(symbol)}"
    return hint + (f"; columns not used: {listed(unused)}" if unused else "")


_LARGER_UNIT = re.compile(
    r"(?P<name>.*[^\s_.\-(\[])[\s_.\-(\[]+"
    r"(?:(?P<K>k|thousands?)|(?P<M>m|mn|millions?)|(?P<B>b|bn|g|billions?)|(?P<T>t|tn|trillions?))[)\]]?",
    re.IGNORECASE,
)


_FACTORS = {"K": "1e3, thousands", "M": "1e6, millions", "B": "1e9, billions", "T": "1e12, trillions"}


def larger_unit(column: str) -> tuple[str, str] | None:
    """The name without its unit, and the unit, of a column that is named as in thousands, millions or more."""
    match = _LARGER_UNIT.fullmatch(column)
    return None if match is None else (match["name"], next(text for u, text in _FACTORS.items() if match[u]))


def _in_larger_units(columns: Sequence[str], symbols: Sequence[str]) -> str:
    """A sentence about each symbol with a column that is named like it, but in thousands, millions or more."""
    sentences = []
    for symbol in symbols:
        for column in columns:
            found = larger_unit(column)
            if found and any(_key(found[0]) in rank for rank in ALIASES.get(symbol, ())):
                sentences.append(
                    f"Column {quoted(column)} may be {symbol}, but by its name it is in units of {found[1]}: "
                    f"multiply it in the table, then name it with {column_of(symbol)}"
                )
                break
    return "\n".join(sentences)
