"""Solves many decisions at once: batches, second chances, what contradicts what, and the derivatives of each answer."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocate import conditions, optimum
from jaxscale._batches import batched
from jaxscale._constrained import FAILED, FLAT, INFEASIBLE, OK, Solution, solve
from jaxscale._decision import Decision

_LARGEST_IMBALANCE, _LARGEST_VIOLATION = 1e-9, 1e-10  # an answer is certified below both
_STRICT_RHO = 1e4
_SHIFTS = (0.0, 4.0, -4.0, 8.0)  # of the starts, for problems that failed
_STEP = 1e-5  # in a log, from a kink to where all is smooth
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


def _solve_one(decision: Decision, settings: tuple, given: Array, on: Array, near: Array) -> Solution:
    """settings: shift of the starts, weight, rho, iterations; near: x and multipliers to begin with if these are 0."""
    n = len(decision.variables)
    shift, weight, rho, iterations = settings
    starts = jnp.where(iterations > 0, decision.starts(given) + shift, near[:n])
    return solve(decision, given, starts, on, weight, rho, iterations, near[n:])


def _optimum_one(decision: Decision, _: tuple, given: Array) -> tuple[Any, ...]:
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


def solve_many(decision: Decision, givens: np.ndarray, near: tuple[np.ndarray, np.ndarray] | None = None) -> Answers:
    """The answer to every problem, (b, k) of what is given; a problem that fails gets further chances of its own.

    `near` holds x and multipliers of a problem much like each, from which convex ones are solved faster.
    """
    if decision.plain:
        return _solve_plain(decision, givens)
    if near is None or not decision.convex:
        return _solve_afresh(decision, givens)
    everything_on = np.ones((len(givens), len(decision.row_names)))
    answers = _attempt(decision, givens, everything_on, iterations=0.0, near=np.hstack(near))
    left = np.flatnonzero(answers.status != OK)
    if left.size:
        answers = _better(answers, left, _solve_afresh(decision, givens[left]), also_bad=True)
    return answers


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
    near: np.ndarray | None = None,
) -> Answers:
    count = len(givens)
    settings = (shift, weight, rho, iterations)
    if near is None:
        near = np.zeros((count, len(decision.variables) + switches.shape[1]))
    outputs = batched(_solve_one, decision, [givens, switches, near], settings)
    found = dict(zip(Solution._fields, outputs, strict=True))
    return Answers(**{name: found[name] for name in Answers.__dataclass_fields__ if name != "corner"})


def _solve_plain(decision: Decision, givens: np.ndarray) -> Answers:
    x, price, value, imbalance, violation, corner = batched(_optimum_one, decision, [givens])
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


def _evaluate_one(decision: Decision, _: tuple, x: Array, given: Array) -> tuple[Array, Array]:
    return decision.response(tuple(x), given), decision.log_cost(tuple(x), given)


def evaluate(decision: Decision, x: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """Log response and log cost of every x with what is given, (b, 2)."""
    return np.stack(batched(_evaluate_one, decision, [x, givens]), axis=-1)


# --- Derivatives of an answer ----------------------------------------------------------------------------------------


def _expand_one(decision: Decision, _: tuple, x: Array, multipliers: Array, given: Array) -> tuple[Array, ...]:
    """Values, slopes and the Lagrangian's curvature in (x, given): (2 + m,), (2 + m, n + k), (n, n + k)."""
    n = x.shape[0]

    def functions(z: Array) -> Array:
        point, given = tuple(z[:n]), z[n:]
        first = decision.response(point, given), decision.log_cost(point, given)
        return jnp.stack([*first, *decision.rows(point, given)])

    def lagrangian(z: Array) -> Array:
        values = functions(z)
        return values[0 if decision.goal == "loss" else 1] + multipliers @ values[2:]

    z = jnp.concatenate([x, given])
    return functions(z), jax.jacfwd(functions)(z), jax.jacfwd(jax.grad(lagrangian))(z)[:n]


@dataclass(frozen=True)
class Expansion:
    """One answer to first order. Quantities are the logs of the decision variables, then log response, then log cost.

    slopes: (n + 2, k) of each quantity in what is given, with the limits held that have a price; touched: whether
    others are just reached, so that slopes differ from side to side, see `sides`; curvature: least one of the loss
    along directions that keep the active limits, nan if there is no such direction; residual: the largest part of the
    optimality equations, recomputed.
    curved_moves: (k, k), the curvature of the Lagrangian along the moves of the optimum.
    """

    slopes: np.ndarray
    touched: bool
    curvature: float
    residual: float
    curved_moves: np.ndarray
    active: tuple[int, ...]


def expand(decision: Decision, answers: Answers, givens: np.ndarray) -> list[Expansion | None]:
    """Derivatives of every answer by the implicit function theorem; None for those that are none."""
    safe = np.where(np.isfinite(answers.x), answers.x, 1.0)
    values, slopes, curvature = batched(_expand_one, decision, [safe, answers.multipliers, givens])
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
    # One epoch is an end of its range where the loss is level, so that nothing changes there.
    smooth = np.array([name == "epochs_min" for name in decision.row_names])
    touched = bool((touching & ~priced & ~smooth).any())
    gradient = slopes[0 if decision.goal == "loss" else 1][:n] + multipliers @ rows[:, :n]
    held = _independent(rows[:, :n], np.flatnonzero(priced))
    left = _slopes(slopes, curvature, rows, held, n)
    flatness = np.nan
    basis = np.linalg.svd(rows[held][:, :n])[2][len(held) :] if held else np.eye(n)
    if len(basis):
        flatness = float(np.linalg.eigvalsh(basis @ curvature[:, :n] @ basis.T).min())
    residual = float(np.abs(gradient).max() / scale)
    moves = left[:n].T @ curvature[:, :n] @ left[:n]
    return Expansion(left, touched, flatness, residual, moves, tuple(map(int, np.flatnonzero(touching))))


def sides(decision: Decision, given: np.ndarray, names: list[str]) -> np.ndarray:
    """Slopes on both sides of a problem at a kink or a change of active limits, (2, n + 2, len(names)): as each of the
    names falls, and as it rises.

    They are those of two problems a step and two steps away, where all is smooth, taken to the limit.
    """
    steps = _STEP * np.array([-1.0, -2.0, 1.0, 2.0])
    columns = [decision.names.index(name) for name in names]
    near = np.tile(given, (len(columns), len(steps), 1))
    for row, column in enumerate(columns):
        near[row, :, column] += steps
    near = near.reshape(-1, len(given))
    found = expand(decision, solve_many(decision, near), near)
    nothing = np.full((len(decision.variables) + 2, len(given)), np.nan)
    slopes = np.stack([nothing if e is None else e.slopes for e in found])
    own = np.stack([slopes[k, :, columns[k // len(steps)]] for k in range(len(slopes))])
    own = own.reshape(len(columns), 2, 2, -1)  # name, side, one or two steps
    return np.moveaxis(2 * own[:, :, 0] - own[:, :, 1], 0, -1)


def _independent(rows: np.ndarray, candidates: np.ndarray) -> list[int]:
    chosen: list[int] = []
    for index in candidates:
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
