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
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK, Solution, correct, solve_constrained
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.scan import BETTER, can_be_scanned, look_elsewhere

_LARGEST_IMBALANCE, _LARGEST_VIOLATION = 1e-9, 1e-10  # an answer is certified below both
_STRICT_RHO = 1e4
_SHIFTS = (0.0, 4.0, -4.0, 8.0)  # of the starts, for problems that failed
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


def _solve(decision: Decision, settings: tuple, given: Array, on: Array) -> Solution:
    """settings: shift of the starts, weight, rho, iterations."""
    shift, weight, rho, iterations = settings
    starts = jax.vmap(partial(decision.starts, shift=shift), in_axes=-1, out_axes=-1)(given)
    return solve_constrained(decision, given, starts, on, weight, rho, iterations)


def _correct(decision: Decision, _: tuple, given: Array) -> Solution:
    """From the usual start, without an interior point."""
    start = jax.vmap(decision.starts, in_axes=-1, out_axes=-1)(given)[0]
    return correct(decision, given, start, jnp.zeros((len(decision.row_names), given.shape[-1])))


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


def solve_many(decision: Decision, givens: np.ndarray) -> Answers:
    """The answer to every problem, (b, k) of what is given; a problem that fails gets further chances of its own."""
    if not decision.convex:
        answers = _solve_plain(decision, givens) if decision.plain else _solve_afresh(decision, givens)
        return _or_elsewhere(decision, givens, answers) if can_be_scanned(decision) else answers
    if decision.plain:
        return _solve_plain(decision, givens)
    # A certificate is proof enough where there is but one optimum, and most problems need no interior point for it.
    answers = answers_of(batched(_correct, decision, [givens.T]))
    left = np.flatnonzero(answers.status != OK)
    return _better(answers, left, _solve_afresh(decision, givens[left]), also_bad=True) if left.size else answers


def _or_elsewhere(decision: Decision, givens: np.ndarray, answers: Answers) -> Answers:
    """The answers, or others from the best point of the budget where that is better and leads further down."""
    usable = np.isin(answers.status, (OK, FLAT))
    which, reached, found = look_elsewhere(decision, givens, np.where(usable, answers.value, np.inf))
    if found is None:
        return answers
    others = answers_of(found)
    starts = 1 if decision.plain else 4
    others = replace(others, agreement=np.full(len(which), 1 / (starts + 1)))
    if answers.corner is not None:
        others = replace(others, corner=np.zeros(len(which), bool))
    better = np.isin(others.status, (OK, FLAT)) & (others.value <= reached + BETTER)
    answers = _better(answers, which[better], others[better])
    # What is known not to be the best is no answer, also where the way down from the better point ends in a corner.
    lost = which[~better]
    status = answers.status.copy()
    status[lost] = FAILED
    return replace(answers, status=status)


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
            feasible[try_] = phase_one.violation < _LARGEST_IMBALANCE
            blame[try_] = phase_one.blame
            if decision.convex:
                break
        status = answers.status.copy()
        status[left] = np.where(feasible[left], FAILED, INFEASIBLE)
        answers = Answers(**{**vars(answers), "status": status, "blame": blame})
        for rho, iterations in ((10.0, 400.0), (_STRICT_RHO, 100.0)):
            for shift in _SHIFTS:
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
) -> Answers:
    return answers_of(batched(_solve, decision, [givens.T, switches.T], (shift, weight, rho, iterations)))


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


@each
def _evaluate(decision: Decision, _: tuple, x: Array, given: Array) -> tuple[Array, Array]:
    return decision.lowered(tuple(x), given), decision.log_cost(tuple(x), given)


def evaluate(decision: Decision, x: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """`Decision.lowered` and log cost of every x with what is given, (b, 2)."""
    return np.stack(batched(_evaluate, decision, [x.T, givens.T]), axis=-1)
