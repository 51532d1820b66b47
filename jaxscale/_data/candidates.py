"""The columns that could be N, D, C, U or the loss, ranked by their names and their cells: a winner, or a question."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, quoted
from jaxscale._data.names import OVERALL, TRAINING, is_perplexity, loss_in, meaning_of, words_of
from jaxscale._data.unit_words import unit_named
from jaxscale._data.wording import valued_flag

# The numbers of a column, nan where a cell holds none, and which cells hold something else.
Look = Callable[[str], tuple[np.ndarray, np.ndarray]]

_LABEL = 0.06  # a size written short, 12M for 12,047,168, is off by less
_PERPLEXITY = frozenset(["ppl"])
_IN_BITS = 3  # the rank of losses in bits
_ROUNDED = 0.01  # nats: a loss and the logarithm of its perplexity are off by less, where both are written short
_LEAST_RUN = 1e15  # FLOPs: a second of one accelerator, or a pass of one model, is less
_LEAST_BUDGET = 1e12  # what is called only "budget" is FLOPs from here on, and dollars below


@dataclass(frozen=True)
class _Candidate:
    column: str
    rank: int
    factor: float | None


def recognised(
    columns: Sequence[str],
    wanted: set[str],
    look: Look,
    units: Mapping[str, float],
    loss_words: frozenset[str] | None = None,
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The column of each wanted symbol that has one, and the others that its name would fit, by symbol.

    A loss in a unit with words of its own is looked for in the columns that have those words, if there are any; where
    no unit is asked for (None) and nothing is a loss, perplexities are. Raises InputError, with the flags that settle
    it, where several are as likely.
    """
    look = cache(look)
    candidates: dict[str, list[_Candidate]] = {}
    for column in columns:
        if (found := meaning_of(column)) is not None and found.symbol in wanted:
            candidates.setdefault(found.symbol, []).append(_Candidate(column, found.rank, found.factor))
    words = loss_words
    if words is None and not _able("loss", candidates.get("loss", []), look):
        words = _PERPLEXITY
    if "loss" in wanted and words:
        named = [(column, found) for column in columns if (found := loss_in(column, words)) is not None]
        if named:
            candidates["loss"] = [_Candidate(column, found.rank, None) for column, found in named]
    taken: dict[str, str] = {}
    rivals: dict[str, list[str]] = {}
    candidates["C"] = [one for one in candidates.get("C", []) if not _speed(one, look)]
    for symbol in ("N", "D", "C", "U", "loss"):
        able = _able(symbol, candidates.get(symbol, []), look)
        if not able:
            continue
        winner = _winner(symbol, [one for one in able if symbol != "loss" or not _of_training(one, able)], look, units)
        _check_namesakes(symbol, winner, columns, look)
        taken[symbol] = winner.column
        others = [one.column for one in able if one != winner]
        if symbol == "loss" and winner.rank in (0, TRAINING) and not is_perplexity(winner.column):
            perplexities = [c for c in columns if loss_in(c, _PERPLEXITY) and not _log_of(c, winner, look)]
            if winner.rank == TRAINING:
                _check_validation(winner, perplexities)
                others += perplexities
            others += [column for column in perplexities if column not in others and _of_validation(column)]
        if others:
            rivals[symbol] = others
    return taken, rivals


def _able(symbol: str, candidates: list[_Candidate], look: Look) -> list[_Candidate]:
    """Those whose cells can be what their names say; a name that says just that is left to the reader of cells."""
    able = [one for one in candidates if _cells_fit(symbol, one.column, *look(one.column))]
    return able or [one for one in candidates if one.rank == 0][:1]


def _cells_fit(symbol: str, column: str, cells: np.ndarray, is_text: np.ndarray) -> bool:
    """Whether most cells that are not empty are numbers, and such as the symbol can be."""
    numbers = cells[np.isfinite(cells)]
    if not len(numbers) or len(numbers) < int(is_text.sum()):
        return len(cells) == 0
    middle = float(np.median(numbers / 2.0)) * 2.0
    if symbol == "loss":
        return not (middle > 100 and bool(np.all(numbers == np.round(numbers))))
    return middle >= _LEAST_BUDGET or {word for part in words_of(column) for word in part} != {"budget"}


def _of_training(one: _Candidate, able: Sequence[_Candidate]) -> bool:
    """Whether a loss is that of training as another is called like it, and of the validation: "lm loss" beside "lm loss
    validation", "loss" beside any loss of the validation in nats.
    """
    said = _all_words(one) - OVERALL
    others = [_all_words(other) for other in able if other.rank < (_IN_BITS if one.rank == 0 else TRAINING)]
    return "eval" not in said and any("eval" in words and said <= words for words in others)


def _log_of(perplexity: str, loss: _Candidate, look: Look) -> bool:
    """Whether a column of losses holds the logarithms of perplexities."""
    with np.errstate(all="ignore"):
        off = np.abs(np.log(look(perplexity)[0]) - look(loss.column)[0])
    return bool(np.any(off < _ROUNDED)) and not bool(np.any(off > _ROUNDED))


def _of_validation(name: str) -> bool:
    return any("eval" in part for part in words_of(name))


def _check_validation(training: _Candidate, perplexities: Sequence[str]) -> None:
    """Raises InputError where all losses are of training and a perplexity is of the validation, which laws are of."""
    for name in perplexities:
        if _of_validation(name):
            first, second = (valued_flag("loss", shlex.quote(inert(one, 200))) for one in (name, training.column))
            raise InputError(
                f"columns {listed([name, training.column])} could each be loss: one is a perplexity of the validation, "
                "whose logarithm is the loss that laws are of, the other a loss of training; choose one with "
                f'loss="{inert(name, 200)}", loss_unit="perplexity" or loss="{inert(training.column, 200)}" (on the '
                f"command line {first} --loss-unit perplexity or {second})"
            )


def _all_words(one: _Candidate) -> set[str]:
    return {word for part in words_of(one.column) for word in part}


def _speed(one: _Candidate, look: Look) -> bool:
    """Whether a column called only "tflops" or "gflops" is a speed, or what one pass takes: too little for a run."""
    words = [word for part in words_of(one.column) for word in part]
    if one.factor is None or words[-1:] != ["flops"] or {"total", "train"}.intersection(words):
        return False
    numbers = look(one.column)[0]
    numbers = numbers[np.isfinite(numbers)]
    return len(numbers) > 0 and float(np.median(numbers)) * one.factor < _LEAST_RUN


def _winner(symbol: str, able: list[_Candidate], look: Look, units: Mapping[str, float]) -> _Candidate:
    """The one of the best rank, if there is one, or if those in it say the same."""
    best = min(one.rank for one in able)
    first = [one for one in able if one.rank == best]
    if symbol == "N" and any(_active(one) for one in able):
        first = [one for one in able if one.rank <= 1]  # of experts, total and active counts are both usual
    if len(first) == 1:
        return first[0]
    precise = max(first, key=lambda one: (len(np.unique(look(one.column)[0])), not _short(look(one.column)[0])))
    if all(_same(symbol, look(precise.column)[0], look(one.column)[0], precise, one) for one in first):
        return precise
    options = " or ".join(valued_flag(symbol, shlex.quote(inert(one.column, 200))) for one in first[:4])
    python = " or ".join(f'{symbol}="{inert(one.column, 200)}"' for one in first[:4])
    raise InputError(
        f"columns {listed([one.column for one in first])} could each be {symbol}; choose one with {python} "
        f"(on the command line {options})" + _unit_hint(symbol, first, units) + _experts_hint(symbol, first)
    )


def _check_namesakes(symbol: str, winner: _Candidate, columns: Sequence[str], look: Look) -> None:
    """Raises InputError where another column had the same name, `loss.1` as pandas writes it, and other cells."""
    pattern = re.compile(re.escape(winner.column) + r"\.[0-9]+")
    for name in filter(pattern.fullmatch, columns):
        if not np.array_equal(look(name)[0], look(winner.column)[0], equal_nan=True):
            first, second = (f"{symbol}={quoted(one)}".replace("'", '"') for one in (winner.column, name))
            flags = " or ".join(valued_flag(symbol, shlex.quote(inert(one, 200))) for one in (winner.column, name))
            raise InputError(
                f"two columns were called {quoted(winner.column)}, the second is {quoted(name)} now, and they differ; "
                f"choose one with {first} or {second} (on the command line {flags})"
            )


def _experts_hint(symbol: str, first: Sequence[_Candidate]) -> str:
    """What active and total parameters are, where a table has both."""
    if symbol != "N" or len({_active(one) for one in first}) == 1:
        return ""
    return (
        ". Active parameters are those that one token passes through: they give its FLOPs, so plans by 6ND need them; "
        "of experts, the total is what memory holds"
    )


def _active(one: _Candidate) -> bool:
    return any("active" in part for part in words_of(one.column))


def _same(symbol: str, left: np.ndarray, right: np.ndarray, one: _Candidate, other: _Candidate) -> bool:
    """Whether two columns hold the same numbers, up to their units and to what a label such as 12M leaves out."""
    if one == other:
        return True
    here = np.isfinite(left) & (left > 0)
    if not here.any() or bool((here != (np.isfinite(right) & (right > 0))).any()):
        return False
    left, right = left[here], right[here]
    label = symbol == "N" and one.rank == other.rank == 0 and _short(right)
    ratio = np.log(left) - np.log(right) + np.log((one.factor or 1.0) / (other.factor or 1.0))
    return bool(np.all(np.abs(ratio) < (_LABEL if label else 1e-9)))


def _short(cells: np.ndarray) -> bool:
    """Whether three digits write every number, as in 12M."""
    return all(x == float(f"{x:.2e}") for x in cells[np.isfinite(cells)][:1000].tolist())


def _unit_hint(symbol: str, first: list[_Candidate], units: Mapping[str, float]) -> str:
    """The units of the candidates whose headers give one."""
    named = [one for one in first if one.factor is not None and symbol not in units]
    if not named:
        return ""
    said = ", ".join(f"'{inert(one.column, 60)}' in {unit_named(one.factor or 1.0)}" for one in named[:4])
    return f"; by their names {said}: it is applied"
