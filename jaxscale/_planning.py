"""Solves many decisions at once: batches, second chances, what contradicts what, and the derivatives of each answer."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocate import conditions, optimum
from jaxscale._constrained import FAILED, FLAT, INFEASIBLE, OK, Solution, solve
from jaxscale._decision import Decision

_BUCKETS = (8, 64, 2048)  # problems solved at once: a table by hand, and all else in batches that bound memory
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


def batched(
    function: Callable[..., Sequence[Array]], static: Any, arrays: Sequence[np.ndarray], threads: bool = True
) -> list[np.ndarray]:
    """`function(static, *arrays)` in float64 over the leading axis of all arrays, in batches of one of a few sizes.

    Batches are filled up with copies of the last problem, so that new numbers compile nothing.
    """
    count = len(arrays[0])
    size = next((bucket for bucket in _BUCKETS if bucket >= count), _BUCKETS[-1])

    def part(start: int) -> list[np.ndarray]:
        index = np.minimum(np.arange(start, start + size), count - 1)
        with jax.enable_x64(True):  # a setting of each thread
            outputs = function(static, *(a[index] for a in arrays))
            return [np.asarray(output)[: count - start] for output in outputs]

    starts = range(0, count, size)
    first = part(0)
    workers = min(os.cpu_count() or 1, len(starts) - 1)
    if workers > 1 and threads:
        with ThreadPoolExecutor(workers) as pool:
            rest = list(pool.map(part, starts[1:]))
    else:
        rest = [part(start) for start in starts[1:]]
    return [np.concatenate(parts) for parts in zip(first, *rest, strict=True)]


@partial(jax.jit, static_argnums=0)
def _solve_batch(
    decision: Decision, givens: Array, on: Array, shift: Array, weight: Array, rho: Array, iterations: Array
) -> Solution:
    def one(given: Array, on: Array, shift: Array, *settings: Array) -> Solution:
        return solve(decision, given, decision.starts(given) + shift, on, *settings)

    return jax.vmap(one)(givens, on, shift, weight, rho, iterations)


@partial(jax.jit, static_argnums=0)
def _optimum_batch(decision: Decision, givens: Array) -> tuple[Array, ...]:
    """x (b, 2), multiplier of the budget, log response, imbalance, violation, and whether the law has a corner
    there."""

    def one(given: Array) -> tuple[Any, ...]:
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

    return jax.vmap(one)(givens)


def solve_many(decision: Decision, givens: np.ndarray) -> Answers:
    """The answer to every problem, (b, k) of what is given; a problem that fails gets further chances of its own."""
    if decision.plain:
        return _solve_plain(decision, givens)
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
            feasible[try_] = phase_one.status == OK
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


def _better(answers: Answers, index: np.ndarray, attempt: Answers) -> Answers:
    """Answers with those of the attempt that succeeded in place."""
    good = np.isin(attempt.status, (OK, FLAT))
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
    columns = [np.full(len(givens), value) for value in (shift, weight, rho, iterations)]
    found = Solution(*batched(_solve_batch, decision, [givens, np.ascontiguousarray(switches), *columns]))  # type: ignore[arg-type]
    return Answers(**{name: getattr(found, name) for name in Answers.__dataclass_fields__ if name != "corner"})


def _solve_plain(decision: Decision, givens: np.ndarray) -> Answers:
    x, price, value, imbalance, violation, corner = batched(_optimum_batch, decision, [givens])
    count = len(x)
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
    m = len(decision.row_names)
    asked = list(range(m))

    def cannot(sets: list[list[int]]) -> list[bool]:
        switches = np.array([[float(j in chosen) for j in range(m)] for chosen in sets])
        givens = np.tile(given, (len(sets), 1))
        impossible = np.ones(len(sets), bool)
        for shift in _SHIFTS[: 1 if decision.convex else None]:
            impossible &= _attempt(decision, givens, switches, shift, weight=0.0).status != OK
        return list(impossible)

    blamed = [j for j in asked if blame[j] > _BLAMED]
    kept = blamed if blamed and cannot([blamed])[0] else asked
    for j in list(kept):
        rest = [i for i in kept if i != j]
        if len(kept) > 1 and cannot([rest])[0]:
            kept = rest
    return tuple(decision.row_names[j] for j in kept)


@partial(jax.jit, static_argnums=0)
def _evaluate_batch(decision: Decision, x: Array, givens: Array) -> tuple[Array, Array]:
    """Log response and log cost, (b,) each."""
    return jax.vmap(lambda x, given: (decision.response(tuple(x), given), decision.log_cost(tuple(x), given)))(
        x, givens
    )


def evaluate(decision: Decision, x: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """Log response and log cost of every x with what is given, (b, 2)."""
    return np.stack(batched(_evaluate_batch, decision, [x, givens]), axis=-1)


# --- Derivatives of an answer ----------------------------------------------------------------------------------------


@partial(jax.jit, static_argnums=0)
def _expand_batch(decision: Decision, x: Array, multipliers: Array, givens: Array) -> tuple[Array, ...]:
    """Values, slopes and the Lagrangian's curvature in (x, given): (b, 2 + m), (b, 2 + m, n + k), (b, n, n + k)."""
    n = x.shape[1]

    def one(x: Array, multipliers: Array, given: Array) -> tuple[Array, ...]:
        def functions(z: Array) -> Array:
            point, given = tuple(z[:n]), z[n:]
            first = decision.response(point, given), decision.log_cost(point, given)
            return jnp.stack([*first, *decision.rows(point, given)])

        def lagrangian(z: Array) -> Array:
            values = functions(z)
            return values[0 if decision.goal == "loss" else 1] + multipliers @ values[2:]

        z = jnp.concatenate([x, given])
        return functions(z), jax.jacfwd(functions)(z), jax.jacfwd(jax.grad(lagrangian))(z)[:n]

    return jax.vmap(one)(x, multipliers, givens)


@dataclass(frozen=True)
class Expansion:
    """One answer to first order. Quantities are the logs of the decision variables, then log response, then log cost.

    slopes: (n + 2, k) of each quantity in what is given; one_sided: the same with limits that touch without a price
    held and left, or None where there are none; curvature: least one of the loss along directions that keep the active
    limits, nan if there is no such direction; residual: the largest part of the optimality equations, recomputed.
    curved_moves: (k, k), the curvature of the Lagrangian along the moves of the optimum.
    """

    slopes: np.ndarray
    one_sided: tuple[np.ndarray, np.ndarray] | None
    curvature: float
    residual: float
    curved_moves: np.ndarray
    active: tuple[int, ...]


def expand(decision: Decision, answers: Answers, givens: np.ndarray) -> list[Expansion | None]:
    """Derivatives of every answer by the implicit function theorem; None for those that are none."""
    safe = np.where(np.isfinite(answers.x), answers.x, 1.0)
    values, slopes, curvature = batched(_expand_batch, decision, [safe, answers.multipliers, givens])
    return [
        _expansion(decision, answers.x[i], answers.multipliers[i], values[i], slopes[i], curvature[i])
        if answers.status[i] in (OK, FLAT)
        else None
        for i in range(len(givens))
    ]


def _expansion(
    decision: Decision,
    x: np.ndarray,
    multipliers: np.ndarray,
    values: np.ndarray,
    slopes: np.ndarray,
    curvature: np.ndarray,
) -> Expansion:
    n, rows, levels = len(x), slopes[2:], values[2:]
    scale = max(np.abs(slopes[0 if decision.goal == "loss" else 1][:n]).max(), 1e-300)
    lengths = np.maximum(np.abs(rows[:, :n]).max(axis=1), 1e-300)
    touching = np.abs(levels) / lengths < 1e-8
    priced = touching & (multipliers * lengths > 1e-8 * scale)
    weak = touching & ~priced
    gradient = slopes[0 if decision.goal == "loss" else 1][:n] + multipliers @ rows[:, :n]
    held = _independent(rows[:, :n], np.flatnonzero(priced))
    both = _independent(rows[:, :n], np.flatnonzero(priced), np.flatnonzero(weak))
    left = _slopes(slopes, curvature, rows, held, n)
    one_sided = None
    if len(both) > len(held):
        one_sided = (left, _slopes(slopes, curvature, rows, both, n))
    flatness = np.nan
    basis = np.linalg.svd(rows[held][:, :n])[2][len(held) :] if held else np.eye(n)
    if len(basis):
        flatness = float(np.linalg.eigvalsh(basis @ curvature[:, :n] @ basis.T).min())
    residual = float(np.abs(gradient).max() / scale)
    moves = left[:n].T @ curvature[:, :n] @ left[:n]
    return Expansion(left, one_sided, flatness, residual, moves, tuple(map(int, np.flatnonzero(touching))))


def _independent(rows: np.ndarray, *groups: np.ndarray) -> list[int]:
    chosen: list[int] = []
    for index in np.concatenate(groups).astype(int):
        if np.linalg.matrix_rank(rows[[*chosen, index]], tol=1e-7) > len(chosen):
            chosen.append(int(index))
    return chosen


def _slopes(slopes: np.ndarray, curvature: np.ndarray, rows: np.ndarray, active: list[int], n: int) -> np.ndarray:
    a = len(active)
    system = np.zeros((n + a, n + a))
    system[:n, :n], system[:n, n:], system[n:, :n] = curvature[:, :n], rows[active][:, :n].T, rows[active][:, :n]
    right = -np.vstack([curvature[:, n:], rows[active][:, n:]])
    try:
        dx = np.linalg.solve(system, right)[:n]
    except np.linalg.LinAlgError:
        dx = np.full((n, right.shape[1]), np.nan)
    return np.vstack([dx, slopes[:2, :n] @ dx + slopes[:2, n:]])
