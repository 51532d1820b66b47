"""Hedged decisions of laws that are not convex: a scan of what the doubt makes of all that the limits leave."""

from dataclasses import replace

import numpy as np

from jaxscale._allocation.answers import Answers
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.corners import inclusion, lowest_near
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.hedge import SHARP, Doubts
from jaxscale._allocation.placing import BETTER, Valleys, Worth, look
from jaxscale._allocation.scan import valleys_of

_POLISHED = 4  # best valleys that are looked into where no equations lead down
_BETTER_TAIL = 1e-6  # as `BETTER`, for the mean of the worst regrets: its edge is rounded off at other answers


def or_elsewhere(
    doubts: Doubts,
    decision: Decision,
    givens: np.ndarray,
    found: tuple[Answers, np.ndarray],
    prices: np.ndarray,
    worth: Worth,
    starts: int,
) -> tuple[Answers, np.ndarray]:
    """The answers (b) and the widths of the tail's edge (b,) there, or others from the valleys of a scan where those
    are better.

    Args:
        doubts: what is hedged.
        decision, givens: of one law and what it is given, (b, k): limits, costs and budgets are those of all.
        found: answers hedged from the best decisions of the laws alone, and widths.
        prices: (b, m), of the rows, from which Newton's method begins.
        worth: what is least.
        starts: from how many points an interior point was led, by a program that serves here as well.
    """
    answers, widths = found
    better = _BETTER_TAIL if doubts.hedge.aim == "tail" else BETTER
    valleys = valleys_of(decision, givens, worth)
    b, K, n = valleys.x.shape
    which, begun = np.repeat(np.arange(b), K), valleys.value
    of_each = doubts.of(which)
    down, widths_down = of_each.sharpened(of_each.near(doubts.hedge.start(valleys.x.reshape(-1, n)), prices[which]))
    reached = _reached(down, which, n, worth)
    reached = np.where(reached <= begun.ravel() + better, reached, np.inf).reshape(b, K)
    own, least, best = _reached(answers, np.arange(b), n, worth), reached.min(axis=1), reached.argmin(axis=1)
    elsewhere, best = least < own - BETTER, np.arange(b) * K + best
    answers, widths = answers.with_others(elsewhere, down[best]), np.where(elsewhere, widths_down[best], widths)
    own = np.minimum(own, least)
    short = np.flatnonzero(begun.min(axis=1) < own - better)
    if short.size:  # an interior point may still lead down from there
        of_short = doubts.of(short)
        begin = doubts.hedge.start(valleys.x[short, 0])
        tried, widths_tried = of_short.sharpened(of_short.far([begin] * starts))
        value = _reached(tried, short, n, worth)
        good = value <= begun[short].min(axis=1) + better
        merged = {name: v.copy() for name, v in vars(answers).items() if v is not None}
        for name, v in merged.items():
            v[short[good]] = getattr(tried, name)[good]
        answers, own[short[good]], widths[short[good]] = Answers(**merged), value[good], widths_tried[good]
    lost = np.flatnonzero(begun.min(axis=1) < own - better)
    if lost.size:
        answers = _in_corners(doubts, decision, givens, answers, valleys, lost, worth)
        widths[lost] = SHARP
    return answers, widths


def _reached(answers: Answers, which: np.ndarray, n: int, worth: Worth) -> np.ndarray:
    """What is least at certified answers of problems `which`, infinite at others."""
    value = np.full(len(which), np.inf)
    good = np.isin(answers.status, (OK, FLAT)) & np.isfinite(answers.x).all(axis=1)
    if good.any():
        value[good] = worth(which[good], answers.x[good, :n])
    return value


def _in_corners(
    doubts: Doubts,
    decision: Decision,
    givens: np.ndarray,
    answers: Answers,
    valleys: Valleys,
    lost: np.ndarray,
    worth: Worth,
) -> Answers:
    """The answers with the best points near the valleys of `lost`, where a law has a corner."""
    which, (n, m) = lost.repeat(_POLISHED), (valleys.x.shape[2], len(decision.row_names))
    begins, x = valleys.value[lost, :_POLISHED].ravel(), valleys.x[lost, :_POLISHED].reshape(-1, n)
    usable = np.isfinite(begins)
    which, begins, x = which[usable], begins[usable], x[usable]
    x, value = lowest_near(decision, x, begins, givens[which], lambda of, at: worth(which[of], at))
    first = np.array([np.flatnonzero(which == i)[np.argmin(value[which == i])] for i in lost])
    here, ends = replace(doubts.of(lost), width=SHARP), x[first]
    _, _, distances = look(decision, ends, np.full((len(lost), n), m), givens[lost])
    if doubts.hedge.aim == "tail":
        ends = np.column_stack([ends, here.begins(ends)])
    left, prices = inclusion(doubts.hedge, ends, here.givens)
    agreement = np.array([np.mean(value[which == i] <= value[k] + BETTER) for i, k in zip(lost, first, strict=True)])
    new = {name: v.copy() for name, v in vars(replace(answers, corner=np.zeros(len(givens), bool))).items()}
    parts = {
        "x": ends, "multipliers": prices, "value": value[first], "status": np.full(len(lost), OK), "kkt": left,
        "violation": np.maximum(distances.max(axis=1), 0.0), "agreement": agreement,
        "blame": np.zeros_like(prices), "corner": np.ones(len(lost), bool),
    }  # fmt: skip
    for name, part in parts.items():
        new[name][lost] = part
    return Answers(**new)
