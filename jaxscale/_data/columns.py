"""Which column of a table is what: the columns that a caller names, and those recognised by their names."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, quoted
from jaxscale._data.candidates import Look, recognised
from jaxscale._data.names import key, meaning_of
from jaxscale._data.suggestions import misspelt, of_logs, of_one_variable, of_steps, responses
from jaxscale._data.wording import column_of, flag

Column = str | Sequence[str] | Literal[False] | None

MEANINGS = {"N": "parameters", "D": "tokens", "C": "FLOPs", "U": "unique tokens", "loss": "nats per token"}

FIRST = ("N", "D", "C", "U")
_SYMBOLS = (*FIRST, "loss")  # what is recognised without being told
_RESERVED = frozenset(["row", "rows", "run", "weights", "response"])


@dataclass(frozen=True)
class Chosen:
    """Which column is what, and what the response is."""

    columns: dict[str, str | tuple[str, ...]]  # symbol, "weights" or "run": its column(s)
    guessed: frozenset[str]
    rivals: dict[str, list[str]]  # guessed symbol: columns that its names know as well
    response: str  # the symbol that is the response


def choose(
    columns: list[str],
    given: Mapping[str, Column],
    response: str | None,
    weights: str | None,
    run: str | None,
    look: Look,
    units: Mapping[str, float] | None = None,
    loss_words: frozenset[str] | None = None,
) -> Chosen:
    """Settle which column holds what: first those named, then those recognised by their names and cells.

    `look` gives the numbers of a column and which cells hold something else; `units` are factors that the caller gives,
    and `loss_words` are words of the unit that the caller gives to the loss, None where none is given.
    """
    for symbol in given:
        if symbol in _RESERVED or not symbol:
            raise InputError(f"a variable cannot be called {quoted(symbol)}; choose another symbol")
    named = {
        s: existing(columns, s, column) for s, column in given.items() if column is not None and column is not False
    }
    answer = "loss"
    if response is not None:
        column = existing(columns, "response", response)
        said = meaning_of(column)
        is_loss = said is not None and said.symbol == "loss" and "loss" not in named
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
    wanted = {
        symbol
        for symbol in _SYMBOLS
        if symbol not in named and given.get(symbol) is not False and not (symbol == "loss" and response is not None)
    }
    taken = {*used, *(name for name in (weights, run) if name is not None)}
    same = {symbol: _called(symbol, columns, taken) for symbol, column in given.items() if column is None}
    by_symbol = {symbol: name for symbol, name in same.items() if name is not None and symbol not in _SYMBOLS}
    named |= by_symbol
    used |= {name: symbol for symbol, name in by_symbol.items()}
    guessed, rivals = recognised([name for name in columns if name not in used], wanted, look, units or {}, loss_words)
    used |= {column: symbol for symbol, column in guessed.items()}
    found: dict[str, str | tuple[str, ...]] = {**named, **guessed}
    if answer not in found:
        raise InputError(
            f"no column is recognised as the loss; there are {listed(columns)}. "
            + responses(columns)
            + f'Name it with loss="..." ({flag("loss")}), or another response with response="..." ({flag("response")})'
        )
    symbols = [symbol for symbol in dict.fromkeys([*FIRST, *found]) if symbol in found and symbol != answer]
    if not symbols:
        raise InputError(
            f"no column is recognised as a variable (N, D, C, U); there are {listed(columns)}. "
            f'Name them with N="...", D="..." ({flag("N")}, {flag("D")})'
            + "".join(f"; perhaps {column_of(s, near)}" for s in ("N", "D") if (near := misspelt(s, columns)))
            + of_steps(columns)
            + (
                of_logs(columns)
                or of_one_variable([c for c in columns if c not in (named.get(answer), weights, run)], look)
            )
        )
    ordered = {symbol: found[symbol] for symbol in [*symbols, answer]}
    for role, column in (("weights", weights), ("run", run)):
        if column is not None:
            ordered[role] = existing(columns, role, column)
    return Chosen(ordered, frozenset(guessed) | frozenset(by_symbol), rivals, answer)


def _called(symbol: str, columns: list[str], taken: Collection[str]) -> str | None:
    """The column that bears the name of a variable, but for case, spaces and signs; None if there is none, or two."""
    if symbol in columns:
        return symbol if symbol not in taken else None
    found = [name for name in columns if key(name) == key(symbol) and name not in taken]
    return found[0] if len(found) == 1 else None


def existing(columns: list[str], role: str, column: Any) -> Any:
    """`column`, which must be there; a list of columns becomes a tuple."""
    if isinstance(column, (list, tuple)):
        if not column:
            raise InputError(f"{inert(role)} needs at least one column")
        return tuple(existing(columns, role, name) for name in column)
    name = str(column)
    if name not in columns:
        close = nearest(name, columns)
        hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {listed(columns)}"
        raise InputError(f"there is no column {quoted(name)} ({inert(role)}); {hint}")
    return name


def nearest(name: str, columns: Sequence[str]) -> list[str]:
    """Columns that a name may be a slip of: but for spaces and signs the same, else written much like it, else those of
    which a word is."""
    names = [str(column) for column in columns]
    close = [c for c in names if key(c) == key(name)] or difflib.get_close_matches(name, names, n=3)
    return close or [c for c in names if difflib.get_close_matches(key(name), re.split(r"[^a-z0-9]+", c.lower()))][:3]
