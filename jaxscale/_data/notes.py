"""What the numbers of a table say about it: units that look wrong, conventions that are mixed, rows that repeat."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from jaxscale._base.text import format_number, listed, plural, quoted, some
from jaxscale._base.verdict import Reason
from jaxscale._data.columns import MEANINGS
from jaxscale._data.names import data_in
from jaxscale._data.wording import spelt

# The codes of what is noticed.
SUSPICIOUS_UNITS = "suspicious_units"
MIXED_CONVENTIONS = "mixed_conventions"
DUPLICATE_ROWS = "duplicate_rows"

# A median below this is hardly a count of parameters, tokens or FLOPs; and what larger units it may be in.
_LEAST_PLAUSIBLE = {
    "N": (1e4, "1e6 (millions) or 1e9 (billions)"),
    "D": (1e5, "1e6 (millions) or 1e9 (billions)"),
    "C": (1e10, "1e18 (exaFLOPs) or 8.64e19 (PF-days)"),
}
# Set on the tables of studies/verdicts.py: real ones have 2.5 to 2,000 tokens per parameter in the median, spread by
# 1.2e5 at most; swapped columns have .04, rows in billions beside others a spread of 4e12.
_FEWEST_TOKENS, _MOST_SPREAD = 0.2, 1e7
# More than any run has: the largest models in print have some 1e13 parameters, the longest runs saw 4e13 tokens, and
# some 3e14 tokens of public text are worth training on (Villalobos et al. 2024).
_MOST = {"N": 1e14, "D": 3e14}
_OTHER_UNIT = 10.0  # C that far off 6 N D is no convention of counting: a column is in another unit
_OF_BYTES = f", {spelt('loss_unit', 'bpb:4.3')} into nats per token of 4.3 bytes"


def repeated_rows(arrays: Sequence[np.ndarray], rows: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Row numbers of each group of rows that agree in every array."""
    matrix = np.ascontiguousarray(np.column_stack(arrays)) + 0.0  # -0.0 becomes 0.0: rows are compared as bytes
    keys = matrix.view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1]))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    members: dict[int, list[int]] = {}
    for i in np.flatnonzero(counts[group] > 1):
        members.setdefault(int(group[i]), []).append(int(rows[i]))
    return tuple(sorted(tuple(numbers_) for numbers_ in members.values()))


def number_notes(
    values: Mapping[str, np.ndarray],
    rows: np.ndarray,
    columns: Mapping[str, str | tuple[str, ...]],
    loss_unit: str,
    silent: Collection[str] = (),
) -> Iterator[Reason]:
    """Everything in the numbers that looks unintended; the names of `silent` columns say nothing, as of those that are
    computed, or whose unit the caller gave."""
    in_larger_units, text = False, counts_tokens(columns.get("D"), columns.get("D") in silent)
    for symbol, (least, factors) in _LEAST_PLAUSIBLE.items():
        if symbol == "D" and not text:
            continue
        if symbol in columns and symbol in values and (median := _median(values[symbol])) < least:
            in_larger_units = True
            column = columns[symbol]
            yield Reason(
                SUSPICIOUS_UNITS,
                "warning",
                f"{symbol} has a median of {format_number(median)} {MEANINGS[symbol]}: if column {listed([column])} is "
                f"in larger units, multiply it in the table by {factors}",
            )
    for symbol, most in _MOST.items():
        if text and symbol in columns and symbol in values and values[symbol].ndim == 1:
            far = np.flatnonzero(values[symbol] > most)
            yield from _impossible_rows(symbol, values[symbol][far], rows[far], columns[symbol])
    if isinstance(source := columns.get("loss"), str) and loss_unit in ("nats", "bits", "bpb"):
        median = _median(values["loss"])
        name = "" if source in silent else source
        if re.search(r"ppl|perplexity", name, re.IGNORECASE) or median > 12:
            yield Reason(
                SUSPICIOUS_UNITS,
                "warning",
                f"column {quoted(source)}, median {format_number(median)}, looks like perplexity: "
                f"{spelt('loss_unit', 'perplexity')} takes its natural logarithm, the loss in nats per token",
            )
        elif loss_unit == "nats" and re.search(r"(?<![a-z])(bits?|bp[bctw])(?![a-z])", name, re.IGNORECASE):
            yield Reason(
                SUSPICIOUS_UNITS,
                "warning",
                f"column {quoted(source)} looks like bits: {spelt('loss_unit', 'bits')} turns them into nats"
                + (_OF_BYTES if re.search(r"bp[bc](?![a-z])|per.(byte|char)", name, re.IGNORECASE) else ""),
            )
    logs = {s: np.log(values[s]) for s in ("N", "D", "C") if s in columns and s in values and _counts(values[s])}
    if {"N", "D"} <= logs.keys():
        median, low, high, odd = _spread(logs["D"] - logs["N"])
        if high > _MOST_SPREAD * low:
            yield Reason(
                SUSPICIOUS_UNITS,
                "fatal",
                f"tokens per parameter run from {format_number(low, 3)} to {format_number(high, 3)}; row {rows[odd]} "
                "is farthest from the rest: some rows count N or D in another unit; fix the table",
                (int(rows[odd]),),
            )
        elif median < _FEWEST_TOKENS and text and not in_larger_units:
            yield Reason(
                SUSPICIOUS_UNITS,
                "fatal",
                f"the median run has {format_number(median, 3)} tokens per parameter, real ones more than one: if "
                f"columns {listed([columns['N']])} (N) and {listed([columns['D']])} (D) are swapped, or in different "
                "units, fix the table",
            )
    if {"N", "D", "C"} <= logs.keys():
        median, low, high, odd = _spread(logs["C"] - logs["N"] - logs["D"] - math.log(6.0))
        times = f"C is {format_number(median, 3)} times 6 N D in the median"
        span = f"({format_number(low, 3)} to {format_number(high, 3)})"
        if not text:
            pass
        elif not 1 / _OTHER_UNIT < median < _OTHER_UNIT:
            yield Reason(
                MIXED_CONVENTIONS,
                "fatal",
                f"{times} {span}: N, D or C is not in parameters, tokens or FLOPs; fix the table, or if "
                "C alone is wrong, read it without (C=False, -C none)",
            )
        elif abs(median - 1) > 0.3:
            yield Reason(
                MIXED_CONVENTIONS,
                "warning",
                f"{times} {span}: N, D and C may count different things, such as embeddings, "
                "attention or repeated data",
            )
        elif high > 2 * low:
            yield Reason(
                MIXED_CONVENTIONS,
                "warning",
                f"C / (6 N D) runs from {format_number(low, 3)} to {format_number(high, 3)}; row {rows[odd]} is "
                "farthest from the rest: the rows may not count N, D or C alike",
                rows=(int(rows[odd]),),
            )


def _impossible_rows(symbol: str, values: np.ndarray, rows: np.ndarray, column: object) -> Iterator[Reason]:
    """Single runs with more parameters or tokens than any run can have, the worst first."""
    if not len(rows):
        return
    named = tuple(int(row) for row in rows[np.argsort(-values, kind="stable")])
    more = len(named) > 1
    yield Reason(
        SUSPICIOUS_UNITS,
        "fatal",
        f"row{'s' * more} {some(named)} of column {listed([column])} {'have up to' if more else 'has'} "
        f"{format_number(float(values.max()), 3)} {MEANINGS[symbol]}, more than any run: a thousand times too many, or "
        "in another unit; fix the table",
        named,
    )


def counts_tokens(column: str | tuple[str, ...] | None, computed: bool = False) -> bool:
    """Whether a column of data may count tokens, by the words of its name, if it is not computed."""
    if not isinstance(column, str) or computed:
        return True
    return data_in(column) == "tokens"


def _median(values: np.ndarray) -> float:
    """The median, also of numbers so large that the sum of two is infinite."""
    return 2.0 * float(np.median(values / 2.0))


def _counts(values: np.ndarray) -> bool:
    """Whether these are one positive number for each run."""
    return values.ndim == 1 and bool(np.all(values > 0))


def _spread(log_ratio: np.ndarray) -> tuple[float, float, float, int]:
    """Median, least and largest of a ratio, in logs so that none overflows on the way, and the position of the run
    farthest from the median."""
    middle = float(np.median(log_ratio))
    median, low, high = (math.exp(min(float(x), 700.0)) for x in (middle, log_ratio.min(), log_ratio.max()))
    return median, low, high, int(np.argmax(np.abs(log_ratio - middle)))


def duplicate_note(duplicates: tuple[tuple[int, ...], ...]) -> Iterator[Reason]:
    """Rows that repeat another, if there are any."""
    if duplicates:
        copies = sum(len(group) - 1 for group in duplicates)
        shown = "; ".join(some(group) for group in duplicates[:5]) + ("; ..." if len(duplicates) > 5 else "")
        yield Reason(
            DUPLICATE_ROWS,
            "warning",
            f"{plural(copies, 'row')} repeat{'s' * (copies == 1)} another in all variables and the response: {shown}",
            rows=tuple(row for group in duplicates for row in group),
        )
