"""The best decision for many givens at once, with second chances in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.allocate import conditions, optimum
from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import (
    FAILED,
    FLAT,
    INFEASIBLE,
    OK,
    Solution,
    certified,
)
from jaxscale._allocation.corners import inclusion, lowest_near
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.placing import BETTER, Valleys, descend, look, newtons
from jaxscale._allocation.scan import can_be_scanned, valleys_of
from jaxscale._allocation.two_programs import along_lanes, ended_by_start, together

_LARGEST_IMBALANCE, _LARGEST_VIOLATION = 1e-9, 1e-10  # an answer is certified below both
_STRICT_RHO = 1e4
_SHIFTS = (0.0, 4.0, -4.0, 8.0)  # of the starts, for problems that failed
_POLISHED = 4  # best valleys that are looked into where equations do not lead down
_BLAMED = 0.02  # share of the violation's price from which a limit is part of a conflict


@dataclass(frozen=True)
class Answers:
    """Arrays over problems. x: (b, n); multipliers and blame: (b, m), of the rows."""

    x: np.ndarray
    multipliers: np.ndarray
    value: np.ndarray
    status: np.ndarray
    kkt: np.ndarray
    violation: np.ndarray
    agreement: np.ndarray
    blame: np.ndarray
    corner: np.ndarray | None = None

    def __getitem__(self, some: Any) -> "Answers":
        return replace(self, **{name: v[some] for name, v in vars(self).items() if v is not None})

    def with_others(self, some: np.ndarray, others: "Answers") -> "Answers":
        """These answers with the others', as many, where `some` (b,) is true."""
        kept = {name: v.copy() for name, v in vars(self).items() if v is not None}
        for name, v in kept.items():
            v[some] = getattr(others, name)[some]
        return Answers(**kept)


def _interior(decision: Decision, settings: tuple, given: Array, on: Array, start: Array) -> tuple[Array, ...]:
    """Where interior points lead from the usual starts, or from one that is not nan, and the objectives there, by start
    (starts, ..., lanes); settings: shift of the usual starts, weight, rho, iterations."""
    shift, *others = settings
    usual = jax.vmap(partial(decision.starts, shift=shift), in_axes=-1, out_axes=-1)(given)
    return ended_by_start(decision, given, jnp.where(jnp.isnan(start), usual, start), on, *others)


@each
def _optimum(decision: Decision, _: tuple, given: Array) -> tuple[Any, ...]:
    """x (2,), multiplier of the budget, log response, imbalance, violation, and whether the law has a corner there."""
    at = dict(zip(decision.names, given, strict=True))
    values = {name: at[name] for name in decision.law.parameter_names}
    assumptions = {mine: jnp.exp(at[name]) for mine, name in decision.cost_names}
    problem = (decision.law, decision.cost, True, values, assumptions, at["budget"])
    log_N, log_D = optimum(*problem)
    imbalance, violation = conditions(*problem, log_N, log_D)
    # At a corner the balance of gains jumps through zero: N is wanted more just below it and less just above.
    near = 1e-7
    below, above = (conditions(*problem, log_N + e, log_D - e)[0] for e in (-near, near))
    corner = (below > 0) & (above < 0) & (jnp.abs(imbalance) > _LARGEST_IMBALANCE)
    by_name = {"N": log_N, "D": log_D}
    x = tuple(by_name[name] for name in decision.variables)
    gains = jax.grad(lambda x: decision.response(x, given))(x)
    costs = jax.grad(lambda x: decision.log_cost(x, given))(x)
    price = -sum(g * c for g, c in zip(gains, costs, strict=True)) / sum(c * c for c in costs)
    return jnp.stack(x), price, decision.response(x, given), jnp.abs(imbalance), jnp.abs(violation), corner


def solve_many(decision: Decision, givens: np.ndarray, like: tuple[np.ndarray, np.ndarray] | None = None) -> Answers:
    """The answer to every problem, (b, k) of what is given; a problem that fails gets further chances of its own.

    `like`: problems (t, k) that are scanned in place of these, where a law is not convex, and which of them each of
    these is much like, (b,).
    """
    if not decision.convex:
        answers = _solve_plain(decision, givens) if decision.plain else _solve_afresh(decision, givens)
        lost = np.flatnonzero(answers.status != OK) if decision.one_valley else np.arange(len(givens))
    elif decision.plain:
        return _solve_plain(decision, givens)
    else:
        # A certificate is proof enough where there is but one optimum, and most problems need no interior point for it.
        shapes = (len(decision.row_names), len(decision.variables))
        on, anywhere = (np.full((size, len(givens)), value) for size, value in zip(shapes, (1.0, np.nan), strict=True))
        answers = answers_of(certified(*newtons(decision, givens.T, on, anywhere, 0 * on), np))
        left = np.flatnonzero(answers.status != OK)
        if left.size:
            answers = _better(answers, left, _solve_afresh(decision, givens[left]), also_bad=True)
        lost = np.flatnonzero(answers.status == FAILED)  # the law may have corners
    if not lost.size or not can_be_scanned(decision):
        return answers
    scanned = like if like is None else (like[0], like[1][lost])
    again = _or_elsewhere(decision, givens[lost], answers[lost], scanned)
    if len(lost) == len(givens):
        return again
    corner = np.zeros(len(givens), bool) if answers.corner is None else answers.corner
    return _better(replace(answers, corner=corner), lost, again)


def solve_near(decision: Decision, givens: np.ndarray, like: tuple[np.ndarray, np.ndarray]) -> Answers:
    """As `solve_many`, of problems (b, k) some way off those that `like` names.

    Where a law is not convex these are scanned for all: each problem whose starts and valleys do not all lead to one
    certified answer is scanned for itself.
    """
    if decision.one_valley or not can_be_scanned(decision):
        return solve_many(decision, givens)
    answers = solve_many(decision, givens, like)
    apart = np.flatnonzero((answers.agreement < 1) | ~np.isin(answers.status, (OK, FLAT)))
    return _better(answers, apart, solve_many(decision, givens[apart]), also_bad=True) if apart.size else answers


def _or_elsewhere(
    decision: Decision, givens: np.ndarray, answers: Answers, like: tuple[np.ndarray, np.ndarray] | None
) -> Answers:
    """The answers, or others from the valleys of a scan where those are better."""
    count, starts = len(givens), 1 if decision.plain else 4
    every, none = np.arange(count), np.zeros(count, bool)
    valleys = valleys_of(decision, givens) if like is None else valleys_of(decision, like[0]).of(like[1])
    found, begun = descend(decision, valleys, givens)
    shape = begun.shape
    value, status = (found[Solution._fields.index(name)].reshape(shape) for name in ("value", "status"))
    good = np.isin(status, (OK, FLAT)) & np.isfinite(begun) & (value <= begun + BETTER)
    down = np.where(good, value, np.inf)
    own = np.where(np.isin(answers.status, (OK, FLAT)) & np.isfinite(answers.value), answers.value, np.inf)
    # Where no valley ends in a certified point below the best of the scan, an interior point may still lead there.
    short = np.flatnonzero(begun.min(axis=1) < np.minimum(down.min(axis=1), own) - BETTER)
    best = down.argmin(axis=1)
    others = answers_of([v.reshape(*v.shape[:-1], *shape)[..., every, best] for v in found])
    others = replace(others, corner=none)
    if short.size:
        from_best = valleys.x[short][np.arange(len(short)), begun[short].argmin(axis=1)]
        every_row = np.ones((len(short), len(decision.row_names)))
        tried = _attempt(decision, givens[short], every_row, starts=from_best)
        good = np.isin(tried.status, (OK, FLAT)) & (tried.value <= begun[short].min(axis=1) + BETTER)
        down[short[good], best[short[good]]] = tried.value[good]
        others = _better(others, short[good], replace(tried[good], corner=none[short[good]]))
    least = down.min(axis=1)
    corner = none if answers.corner is None else answers.corner
    answers = replace(answers, corner=corner)
    better = least < own - BETTER
    reached = np.where(better, least, own)
    agreeing = (down <= reached[:, None] + BETTER).sum(axis=1) + np.where(better, 0, starts * answers.agreement)
    answers = answers.with_others(better, others)
    lanes = starts + np.isfinite(begun).sum(axis=1)
    answers = replace(answers, agreement=np.where(np.isfinite(reached), agreeing / lanes, answers.agreement))
    lost = np.flatnonzero(begun.min(axis=1) < reached - BETTER)
    if (at := np.flatnonzero(corner & ~better)).size:  # of the plain solver, which knows no price there
        kkt, multipliers = answers.kkt.copy(), answers.multipliers.copy()
        kkt[at], multipliers[at] = inclusion(decision, answers.x[at], givens[at])
        answers = replace(answers, kkt=kkt, multipliers=multipliers)
    if lost.size:
        answers = answers.with_others(*_in_corners(decision, givens, answers, valleys, begun, lost))
    return answers


def _in_corners(
    decision: Decision, givens: np.ndarray, answers: Answers, valleys: Valleys, begun: np.ndarray, lost: np.ndarray
) -> tuple[np.ndarray, Answers]:
    """Which answers are beaten by points of the scan that no equations lead down from, and the best points near
    those."""
    order = np.argsort(begun[lost], axis=1)[:, :_POLISHED]
    pairs = lost[:, None].repeat(order.shape[1], 1)
    begins = begun[pairs, order].ravel()
    usable = np.isfinite(begins)
    which, begins = pairs.ravel()[usable], begins[usable]
    x, value = lowest_near(decision, valleys.x[pairs, order].reshape(-1, valleys.x.shape[2])[usable], begins,
                           givens[which])  # fmt: skip
    first = np.array([np.flatnonzero(which == i)[np.argmin(value[which == i])] for i in lost])
    left, prices = inclusion(decision, x[first], givens[lost])
    places, _, distances = look(decision, x[first], np.full_like(x[first], len(decision.row_names)), givens[lost])
    agreement = np.array([np.mean(value[which == i] <= value[k] + BETTER) for i, k in zip(lost, first, strict=True)])
    beaten, new = np.zeros(len(givens), bool), {n: v.copy() for n, v in vars(answers).items() if v is not None}
    beaten[lost] = True
    parts = {
        "x": places, "multipliers": prices, "value": value[first], "status": np.full(len(lost), OK), "kkt": left,
        "violation": np.maximum(distances.max(axis=1), 0.0), "agreement": agreement,
        "blame": np.zeros_like(prices), "corner": np.ones(len(lost), bool),
    }  # fmt: skip
    for name, part in parts.items():
        new[name][lost] = part
    return beaten, Answers(**new)


def _solve_afresh(decision: Decision, givens: np.ndarray) -> Answers:
    count = len(givens)
    switches = np.ones((count, len(decision.row_names)))
    answers = _attempt(decision, givens, switches)
    left = np.flatnonzero((answers.status != OK) & (answers.status != FLAT))
    if left.size:
        feasible = np.zeros(count, bool)
        blame = answers.blame.copy()
        for shift in _SHIFTS:  # can the limits be kept at all?
            try_ = left[~feasible[left]]
            if not try_.size:
                break
            phase_one = _attempt(decision, givens[try_], switches[try_], shift, weight=0.0)
            # Where the law gives no number on the way, that the limits cannot be kept is not shown.
            feasible[try_] = ~(phase_one.violation >= _LARGEST_IMBALANCE)
            blame[try_] = phase_one.blame
            if decision.convex:
                break
        status = answers.status.copy()
        status[left] = np.where(feasible[left], FAILED, INFEASIBLE)
        answers = Answers(**{**vars(answers), "status": status, "blame": blame})
        # Where a limit's price is high, no number of steps leads there at the usual price of violation.
        longer, stricter = ([(shift, *how) for shift in _SHIFTS] for how in ((10.0, 400.0), (_STRICT_RHO, 100.0)))
        for shift, rho, iterations in (stricter[0], *longer, *stricter[1:]):
            again = np.flatnonzero(answers.status == FAILED)
            if not again.size:
                break
            answers = _better(
                answers, again, _attempt(decision, givens[again], switches[again], shift, 1.0, rho, iterations)
            )
    return answers


def _better(answers: Answers, index: np.ndarray, attempt: Answers, also_bad: bool = False) -> Answers:
    """Answers with those of the attempt in place that succeeded, or all of them."""
    good = np.isin(attempt.status, (OK, FLAT)) | also_bad
    merged = {}
    for name, old in vars(answers).items():
        if old is None:
            continue
        new = old.copy()
        new[index[good]] = getattr(attempt, name)[good]
        merged[name] = new
    return Answers(**merged)


def _attempt(
    decision: Decision,
    givens: np.ndarray,
    switches: np.ndarray,
    shift: float = 0.0,
    weight: float = 1.0,
    rho: float = 10.0,
    iterations: float = 60.0,
    starts: np.ndarray | None = None,
) -> Answers:
    """By interior points from the usual starts, or from `starts` (b, n), and Newton's method from where they end.

    These are two programs, of which each is often asked for alone.
    """
    begin = np.full((len(givens), len(decision.variables)), np.nan) if starts is None else starts
    settings = (shift, weight, rho, iterations)
    found = batched(_interior, decision, [givens.T, switches.T, begin.T], settings, few=True)
    (ended, value), count = along_lanes(found), len(found[0])
    many, on = np.tile(givens.T, count), np.tile(switches.T, count)
    last = newtons(decision, many, on, ended.x, ended.multipliers, weight)
    return answers_of(together((ended, value), last, count))


def answers_of(outputs: Sequence[np.ndarray]) -> Answers:
    found = dict(zip(Solution._fields, outputs, strict=True))
    return Answers(**{name: found[name].T for name in Answers.__dataclass_fields__ if name != "corner"})


def _solve_plain(decision: Decision, givens: np.ndarray) -> Answers:
    x, price, value, imbalance, violation, corner = batched(_optimum, decision, [givens.T])
    x, count = x.T, len(givens)
    multipliers = np.zeros((count, len(decision.row_names)))
    multipliers[:, 0] = price
    finite = np.isfinite(x).all(axis=1) & np.isfinite(value)
    good = finite & ((imbalance <= _LARGEST_IMBALANCE) | corner) & (violation <= _LARGEST_VIOLATION)
    nothing = np.zeros((count, multipliers.shape[1]))
    status = np.where(good, OK, FAILED)
    kkt = np.where(corner, 0.0, imbalance)
    return Answers(x, multipliers, value, status, kkt, violation, np.ones(count), nothing, corner)


def conflict(decision: Decision, given: np.ndarray, blame: np.ndarray) -> tuple[str, ...]:
    """Names of a smallest set of limits that cannot be kept together: without any one of them the rest can.

    Rows blamed by the elastic problem are tried first; then limits are left out one at a time.
    """
    m, hard = len(decision.row_names), decision.hard
    asked = [j for j in range(m) if j not in hard]

    def cannot(sets: list[list[int]]) -> list[bool]:
        switches = np.array([[float(j in chosen or j in hard) for j in range(m)] for chosen in sets])
        givens = np.tile(given, (len(sets), 1))
        impossible = np.ones(len(sets), bool)
        for shift in _SHIFTS[: 1 if decision.convex else None]:
            impossible &= _attempt(decision, givens, switches, shift, weight=0.0).violation > _LARGEST_IMBALANCE
        return list(impossible)

    blamed = [j for j in asked if blame[j] > _BLAMED]
    kept = blamed if blamed and cannot([blamed])[0] else asked
    for j in list(kept):
        rest = [i for i in kept if i != j]
        if len(kept) > 1 and cannot([rest])[0]:
            kept = rest
    return tuple(decision.row_names[j] for j in kept)
