"""Hedged decisions of laws that are not convex: a scan of what the doubt makes of all that the limits leave."""

from dataclasses import replace

import numpy as np

from jaxscale._allocation.answers import Answers
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.corners import inclusion, lowest_near
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.hedge import Doubts
from jaxscale._allocation.placing import BETTER, Valleys, Worth, look
from jaxscale._allocation.scan import valleys_of

_POLISHED = 4  # best valleys that are looked into where no equations lead down


def or_elsewhere(
    doubts: Doubts, decision: Decision, givens: np.ndarray, answers: Answers, prices: np.ndarray, worth: Worth
) -> Answers:
    """The answers (b), or others from the valleys of a scan where those are better.

    Args:
        doubts: what is hedged.
        decision, givens: of one law and what it is given, (b, k): limits, costs and budgets are those of all.
        answers: hedged from the best decisions of the laws alone.
        prices: (b, m), of the rows, from which Newton's method begins.
        worth: what is least.
    """
    valleys = valleys_of(decision, givens, worth)
    b, K, n = valleys.x.shape
    which = np.repeat(np.arange(b), K)
    down = doubts.of(which).near(doubts.hedge.start(valleys.x.reshape(-1, n)), prices[which])
    begun = valleys.value
    reached = _reached(down, which, n, worth)
    reached = np.where(reached <= begun.ravel() + BETTER, reached, np.inf).reshape(b, K)
    own = _reached(answers, np.arange(b), n, worth)
    best = reached.argmin(axis=1)
    answers = answers.with_others(reached.min(axis=1) < own - BETTER, down[np.arange(b) * K + best])
    own = np.minimum(own, reached.min(axis=1))
    short = np.flatnonzero(begun.min(axis=1) < own - BETTER)
    if short.size:  # an interior point may still lead down from there
        tried = doubts.of(short).far([doubts.hedge.start(valleys.x[short, 0])])
        found = _reached(tried, short, n, worth)
        good = short[found <= begun[short].min(axis=1) + BETTER]
        mine = np.isin(short, good)
        merged = {name: v.copy() for name, v in vars(answers).items() if v is not None}
        for name, v in merged.items():
            v[good] = getattr(tried, name)[mine]
        answers, own[good] = Answers(**merged), found[mine]
    lost = np.flatnonzero(begun.min(axis=1) < own - BETTER)
    if lost.size and doubts.hedge.aim != "tail":
        answers = _in_corners(doubts, decision, givens, answers, valleys, lost, worth)
    return answers


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
    begins = valleys.value[lost, :_POLISHED].ravel()
    usable = np.isfinite(begins)
    which, begins, x = which[usable], begins[usable], valleys.x[lost, :_POLISHED].reshape(-1, n)[usable]
    x, value = lowest_near(decision, x, begins, givens[which], lambda of, at: worth(which[of], at))
    first = np.array([np.flatnonzero(which == i)[np.argmin(value[which == i])] for i in lost])
    left, prices = inclusion(doubts.hedge, x[first], doubts.givens[lost])
    _, _, distances = look(decision, x[first], np.full((len(lost), n), m), givens[lost])
    agreement = np.array([np.mean(value[which == i] <= value[k] + BETTER) for i, k in zip(lost, first, strict=True)])
    new = {name: v.copy() for name, v in vars(replace(answers, corner=np.zeros(len(givens), bool))).items()}
    parts = {
        "x": x[first], "multipliers": prices, "value": value[first], "status": np.full(len(lost), OK), "kkt": left,
        "violation": np.maximum(distances.max(axis=1), 0.0), "agreement": agreement,
        "blame": np.zeros_like(prices), "corner": np.ones(len(lost), bool),
    }  # fmt: skip
    for name, part in parts.items():
        new[name][lost] = part
    return Answers(**new)
