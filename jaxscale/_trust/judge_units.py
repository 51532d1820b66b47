"""Whether values are possible: numbers of text models, their tokens and losses in nats, that no run can have."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from jaxscale._base.robust import median_of
from jaxscale._base.text import format_number, inert, listed
from jaxscale._base.verdict import Reason
from jaxscale._data.names import words_of
from jaxscale._data.notes import MIXED_CONVENTIONS, SUSPICIOUS_UNITS
from jaxscale._data.wording import column_of, spelt
from jaxscale._trust.evidence import Evidence

# What the median run can have. The smallest models of language in print have 768 parameters (Kaplan et al. 2020, Fig.
# 6), the largest some 1e13; below 1e5 tokens nothing is learnt; all text there is has fewer than 1e16.
POSSIBLE = {"N": (1e3, 1e14, "parameters"), "D": (1e5, 1e16, "tokens")}
FEWEST_TOKENS = 0.2  # per parameter in the median run; real tables begin at 2.5, swapped columns have .04
UNIFORM = 12.5  # nats: the loss of one who knows nothing, ln V, of 256,000 tokens
RISING, FEWEST_PAIRS, MOST_RUNS = 2 / 3, 15, 200  # share of ordered pairs of runs in which the larger one is worse
# Runs by which most tables are known to be far from that: of 1,384 tables, as they are, with N and D swapped, losses
# negated or shuffled, none below a third by them has .25 by all.
_FIRST_RUNS, _FAR_FROM_RISING = 48, 1 / 3
_SPREAD = np.arange(_FIRST_RUNS) * ((np.sqrt(5.0) - 1) / 2) % 1.0  # over a table, in step with no order of it
_STEPS = frozenset(["step", "steps", "iteration", "iterations", "iters", "updates"])
_UNITS = SUSPICIOUS_UNITS, MIXED_CONVENTIONS


def of_text(e: Evidence) -> bool:
    """Whether the law and the table are of text: parameters, tokens and a loss, none of them under another name."""
    return e.problem.law.of_text and e.runs.response_name == "loss" and e.runs.record.counts_tokens


def unit_checks(e: Evidence) -> Iterator[Reason]:
    """Values that are impossible for text, the gravest alone; then what was noted of the table."""
    found = next(_impossible(e), "") if of_text(e) else ""
    if found:
        yield Reason(SUSPICIOUS_UNITS, "fatal", found)
    for note in e.runs.record.notes:
        if note.code == SUSPICIOUS_UNITS and found:
            continue
        loud = note.severity == "fatal" and note.code in _UNITS and not e.problem.law.of_text
        yield replace(note, severity="warning") if loud else note


def _impossible(e: Evidence) -> Iterator[str]:
    used, columns = e.at.used, e.runs.record.columns
    values = {name: e.runs.variables[name][used] for name in ("N", "D") if name in e.runs.variables}
    if not used.any():
        return
    loss = e.runs.response[used]

    def column(symbol: str) -> str:
        return f"column {listed([columns[symbol]])} for {symbol}" if symbol in columns else symbol

    named = columns.get("D")
    if isinstance(named, str) and not e.runs.record.computed("D") and _says_steps(named):
        yield (
            f"{column('D')} counts optimiser steps, not tokens: give tokens, "
            + column_of("D", f"{inert(named)} * batch * length")
        )
    middle = {name: median_of(x) for name, x in values.items()}
    for name, value in middle.items():
        least, most, unit = POSSIBLE[name]
        if not least <= value <= most:
            symbol = name if name in columns or "C" not in columns else "C"
            source = column(name) if symbol == name else f"{name}, computed from {column('C')},"
            given = columns.get(symbol, symbol)
            yield (
                f"{source} has a median of {format_number(value, 3)} {unit}, {'fewer' if value < least else 'more'} "
                f"than any run: if the table counts in another unit, such as billions, say so, "
                + column_of(symbol, f"{inert(given) if isinstance(given, str) else symbol} * 1e9")
            )
    ratio = median_of(values["D"] / values["N"])
    if ratio < FEWEST_TOKENS:
        how = "" if "D" in columns or "C" not in columns else f" (D is computed from {column('C')} and N)"
        yield (
            f"the median run has {format_number(ratio, 3)} tokens per parameter{how}, real ones more than one: if "
            f"{column('N')} and {column('D')} are swapped, or in different units, fix the table"
        )
    above = median_of(loss)
    rises = _share_rising(values, loss)
    if above > UNIFORM:
        what = (
            f"an accuracy in per cent, as it rises with size: {spelt('loss_unit', 'accuracy')}"
            if rises > RISING
            else f"perplexity: {spelt('loss_unit', 'perplexity')}"
        )
        yield (
            f"{column('loss')} has a median of {format_number(above, 3)} nats per token, more than a model that knows "
            f"nothing would have (ln 256,000 = 12.5): it may be {what}"
        )
    if rises > RISING:
        yield (
            f"in {100 * rises:.0f} % of pairs of runs in which one has more parameters and more tokens, that one has "
            f"the higher loss: {column('loss')} may be an accuracy or a score: name it so, "
            f"{spelt('loss_unit', 'accuracy')} or {spelt('response', 'COLUMN')}"
        )


def _says_steps(name: str) -> bool:
    words = {word for part in words_of(name) for word in part}
    return bool(words & _STEPS) and not words & {"token", "tokens"}


def _share_rising(values: Mapping[str, np.ndarray], loss: np.ndarray) -> float:
    """Of pairs of runs of which one has at least as many parameters and tokens, and twice the compute, the share in
    which it has the higher loss, which no law that falls in both allows; 0 where there are too few. Of some of the runs
    alone where these are far from `RISING`."""
    if len(loss) > _FIRST_RUNS:
        spread = (_SPREAD * len(loss)).astype(int)
        share, pairs = _rising_among(values, loss, spread)
        if pairs >= FEWEST_PAIRS and share < _FAR_FROM_RISING:
            return share
    chosen = np.linspace(0, len(loss) - 1, min(len(loss), MOST_RUNS)).astype(int)
    share, pairs = _rising_among(values, loss, chosen)
    return share if pairs >= FEWEST_PAIRS else 0.0


def _rising_among(values: Mapping[str, np.ndarray], loss: np.ndarray, chosen: np.ndarray) -> tuple[float, int]:
    """That share among some runs, and of how many pairs."""
    size, tokens, loss = np.log(values["N"][chosen]), np.log(values["D"][chosen]), loss[chosen]
    further = size[:, None] >= size - 1e-9
    further &= tokens[:, None] >= tokens - 1e-9
    further &= (size + tokens)[:, None] > size + tokens + np.log(2.0)
    pairs = int(np.count_nonzero(further))
    further &= loss[:, None] > loss
    return float(np.count_nonzero(further) / max(pairs, 1)), pairs
