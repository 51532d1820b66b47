"""Solves many decisions at once: batches, second chances, what contradicts what, and the derivatives of each answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._allocation.allocate import conditions, optimum
from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK, Solution, correct, solve
from jaxscale._allocation.decision import Decision

_LARGEST_IMBALANCE, _LARGEST_VIOLATION = 1e-9, 1e-10  # an answer is certified below both
_STRICT_RHO = 1e4
_SHIFTS = (0.0, 4.0, -4.0, 8.0)  # of the starts, for problems that failed
_STEP = 1e-5  # in a log, from a kink to where all is smooth
TARGETS = 32  # of draws, at once
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


def _solve(decision: Decision, settings: tuple, given: Array, on: Array) -> Solution:
    """settings: shift of the starts, weight, rho, iterations."""
    shift, weight, rho, iterations = settings
    starts = jax.vmap(decision.starts, in_axes=-1, out_axes=-1)(given) + shift
    return solve(decision, given, starts, on, weight, rho, iterations)


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
    if decision.plain:
        return _solve_plain(decision, givens)
    if not decision.convex:
        return _solve_afresh(decision, givens)
    # A certificate is proof enough where there is but one optimum, and most problems need no interior point for it.
    answers = _answers(batched(_correct, decision, [givens.T]))
    left = np.flatnonzero(answers.status != OK)
    return _better(answers, left, _solve_afresh(decision, givens[left]), also_bad=True) if left.size else answers


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
    return _answers(batched(_solve, decision, [givens.T, switches.T], (shift, weight, rho, iterations)))


def _answers(outputs: Sequence[np.ndarray]) -> Answers:
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


# --- Many draws ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Followed:
    """Every draw planned for itself, for each target: x is (targets, n, draws), all else (targets, draws).

    price: multiplier of the budget; worse: log response lost by keeping to the plan of the point; sound: whether there
    is an answer.
    """

    x: np.ndarray
    value: np.ndarray
    price: np.ndarray
    worse: np.ndarray
    sound: np.ndarray


def follow(decision: Decision, draws: np.ndarray, wanted: np.ndarray, rest: np.ndarray, point: Answers) -> Followed:
    """Plans for all draws (count, p) of the law's parameters, for up to `TARGETS` targets `wanted`; `rest` is all else
    that is given, and `point` has the plan for the law's own parameters."""
    targets, count, n = len(wanted), len(draws), len(decision.variables)
    plan = np.where(np.isfinite(point.x), point.x, 1.0)
    if decision.convex and not decision.plain:
        filling = ((0, TARGETS - targets), (0, 0))
        shared = np.pad(wanted, filling[0]), rest, np.pad(plan, filling), np.pad(point.multipliers, filling), targets
        found = batched(_follow, decision, [draws.T], shared)
        x, value, price, worse, sound = (v[:targets].copy() for v in found)
    else:
        x = np.empty((targets, n, count))
        value, price, worse = np.empty((3, targets, count))
        sound = np.zeros((targets, count), bool)
    k, i = np.nonzero(~sound)
    if k.size:
        givens = np.column_stack([draws[i], wanted[k], np.broadcast_to(rest, (len(k), len(rest)))])
        answers = solve_many(decision, givens)
        x[k, :, i], value[k, i], price[k, i] = answers.x, answers.value, answers.multipliers[:, 0]
        worse[k, i] = evaluate(decision, plan[k], givens)[:, 0] - answers.value
        sound[k, i] = np.isin(answers.status, (OK, FLAT)) & np.isfinite(answers.x).all(axis=1)
    return Followed(x, value, price, worse, sound)


def _follow(decision: Decision, shared: tuple, theta: Array) -> tuple[Array, ...]:
    """x, value, price, worse, sound of some draws; targets first, draws last.

    One target after the other is begun at the plan of the point, moved by how far the draw was from it at those before.
    """
    wanted, rest, plan, multipliers, count = shared
    n, m, lanes = plan.shape[1], multipliers.shape[1], theta.shape[-1]
    plan = jnp.concatenate([plan, multipliers], axis=1)[..., None]
    others = jnp.broadcast_to(rest[:, None], (len(rest), lanes))

    def one(k: Array, state: tuple) -> tuple:
        results, near, change = state  # how far x and multipliers are from the plan, and how that changed
        last, before = wanted[jnp.maximum(k - 1, 0)], wanted[jnp.maximum(k - 2, 0)]
        pace = jnp.where(last == before, 0.0, jnp.clip((wanted[k] - last) / (last - before), -2.0, 2.0))
        guess = plan[k] + near + pace * change
        given = jnp.concatenate([theta, jnp.broadcast_to(wanted[k], (1, lanes)), others])
        found = correct(decision, given, guess[:n], guess[n:])
        away = jnp.where(found.status == OK, jnp.concatenate([found.x, found.multipliers]) - plan[k], 0.0)
        kept = decision.response(tuple(plan[k, :n]), given)
        new = found.x, found.value, found.multipliers[0], kept - found.value, found.status == OK
        results = jax.tree.map(lambda all_, v: lax.dynamic_update_index_in_dim(all_, v, k, 0), results, new)
        return results, away, jnp.where(k > 0, away - near, 0.0)

    shapes = (n, lanes), *[(lanes,)] * 3
    nothing = (*(jnp.zeros((len(wanted), *s)) for s in shapes), jnp.zeros((len(wanted), lanes), bool))
    still = jnp.zeros((n + m, lanes))
    return lax.fori_loop(0, count.astype(int), one, (nothing, still, still))[0]


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
    return decision.response(tuple(x), given), decision.log_cost(tuple(x), given)


def evaluate(decision: Decision, x: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """Log response and log cost of every x with what is given, (b, 2)."""
    return np.stack(batched(_evaluate, decision, [x.T, givens.T]), axis=-1)


# --- Derivatives of an answer ----------------------------------------------------------------------------------------


@each
def _expand(decision: Decision, _: tuple, x: Array, multipliers: Array, given: Array) -> tuple[Array, ...]:
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

    values: (n + 2,) of the quantities; slopes: (n + 2, k) of each in what is given, with the limits held that have a
    price; touched: whether others are just reached, so that slopes differ from side to side, see `sides`; curvature:
    least one of the loss along directions that keep the active limits, nan if there is no such direction; residual: the
    largest part of the optimality equations, recomputed; hessian: (n, n) of the Lagrangian; active: limits reached.
    """

    values: np.ndarray
    slopes: np.ndarray
    touched: bool
    curvature: float
    residual: float
    hessian: np.ndarray
    active: tuple[int, ...]

    @property
    def curved_moves(self) -> np.ndarray:
        """(k, k), the curvature of the Lagrangian along the moves of the optimum."""
        moves = self.slopes[: len(self.hessian)]
        return moves.T @ self.hessian @ moves


def expand(decision: Decision, answers: Answers, givens: np.ndarray) -> list[Expansion | None]:
    """Derivatives of every answer by the implicit function theorem; None for those that are none."""
    parts = _expansions(decision, answers, givens)
    return [
        Expansion(
            values,
            slopes,
            bool(touched),
            float(curvature),
            float(residual),
            hessian,
            tuple(map(int, np.flatnonzero(at))),
        )
        if status in (OK, FLAT)
        else None
        for status, values, slopes, touched, curvature, residual, hessian, at in zip(
            answers.status, *parts, strict=True
        )
    ]


def _expansions(decision: Decision, answers: Answers, givens: np.ndarray) -> tuple[np.ndarray, ...]:
    """What an `Expansion` holds, as arrays over all answers."""
    safe = np.where(np.isfinite(answers.x), answers.x, 1.0)
    outputs = batched(_expand, decision, [safe.T, answers.multipliers.T, givens.T])
    values, slopes, curvature = (np.moveaxis(v, -1, 0) for v in outputs)
    n, goal = safe.shape[1], 0 if decision.goal == "loss" else 1
    rows, hessian = slopes[:, 2:], curvature[:, :, :n]
    scale = np.maximum(np.abs(slopes[:, goal, :n]).max(axis=1), 1e-300)
    lengths = np.maximum(np.abs(rows[:, :, :n]).max(axis=2), 1e-300)
    touching = np.abs(values[:, 2:]) / lengths < 1e-8
    priced = touching & (answers.multipliers * lengths > 1e-8 * scale[:, None])
    # One epoch is an end of its range where the loss is level, so that nothing changes there.
    smooth = np.array([name == "epochs_min" for name in decision.row_names])
    touched = (touching & ~priced & ~smooth).any(axis=1)
    gradient = slopes[:, goal, :n] + np.einsum("bm,bmn->bn", answers.multipliers, rows[:, :, :n])
    held, basis = _independent(rows, priced, n)
    across = np.einsum("bin,bij->bnj", basis, basis)  # projects on the slopes of the rows that are held
    along = np.eye(n) - across
    steep = 1 + np.abs(hessian).sum(axis=(1, 2))
    reduced = along @ hessian @ along + steep[:, None, None] * across
    free = (np.abs(basis).sum(axis=2) > 0).sum(axis=1) < n
    flatness = np.where(free, np.linalg.eigvalsh(np.nan_to_num(reduced)).min(axis=1), np.nan)
    moves = _moves(curvature, held, n)
    changes = slopes[:, :2, :n] @ moves + slopes[:, :2, n:]
    residual = np.abs(gradient).max(axis=1) / scale
    quantities = np.concatenate([safe, values[:, :2]], axis=1)
    return quantities, np.concatenate([moves, changes], axis=1), touched, flatness, residual, hessian, touching


def _independent(rows: np.ndarray, candidates: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first candidates (b, m) among the rows (b, m, n + k) whose slopes in x are independent: (b, n, n + k), and an
    orthonormal basis of these slopes, (b, n, n); zero where there are fewer."""
    held, basis = np.zeros((len(rows), n, rows.shape[2])), np.zeros((len(rows), n, n))
    count = np.zeros(len(rows), int)
    for j in range(rows.shape[1]):
        row = rows[:, j, :n]
        rest = row - np.einsum("bi,bji,bjk->bk", row, basis, basis)
        length = np.linalg.norm(rest, axis=1)
        new = np.flatnonzero(candidates[:, j] & (length > 1e-7) & (count < n))
        held[new, count[new]] = rows[new, j]
        basis[new, count[new]] = rest[new] / length[new, None]
        count[new] += 1
    return held, basis


def _moves(curvature: np.ndarray, held: np.ndarray, n: int) -> np.ndarray:
    """Slopes of x, (b, n, k), where the rows held stay reached."""
    unused = (np.abs(held[:, :, :n]).sum(axis=2) == 0)[:, :, None] * np.eye(n)
    system = np.block([[curvature[:, :, :n], np.swapaxes(held[:, :, :n], 1, 2)], [held[:, :, :n], unused]])
    right = -np.concatenate([curvature[:, :, n:], held[:, :, n:]], axis=1)
    try:
        return np.linalg.solve(system, right)[:, :n]
    except np.linalg.LinAlgError:  # one of them has no solution
        if len(system) == 1:
            return np.full((1, n, right.shape[2]), np.nan)
        return np.concatenate([_moves(curvature[i : i + 1], held[i : i + 1], n) for i in range(len(system))])


def sides(decision: Decision, givens: np.ndarray, names: list[str]) -> np.ndarray:
    """Slopes on both sides of problems at a kink or a change of active limits, (b, 2, n + 2, len(names)): as each of
    the names falls, and as it rises.

    They are those of two problems a step and two steps away, where all is smooth, taken to the limit.
    """
    if len(givens) > 64:
        return np.concatenate([sides(decision, givens[i : i + 64], names) for i in range(0, len(givens), 64)])
    steps = _STEP * np.array([-1.0, -2.0, 1.0, 2.0])
    columns = [decision.names.index(name) for name in names]
    shape = (len(givens), len(columns), len(steps))
    near = np.broadcast_to(givens[:, None, None], (*shape, givens.shape[1])).copy()
    for row, column in enumerate(columns):
        near[:, row, :, column] += steps
    near = near.reshape(-1, givens.shape[1])
    answers = solve_many(decision, near)
    slopes = _expansions(decision, answers, near)[1]
    slopes[~np.isin(answers.status, (OK, FLAT))] = np.nan
    own = np.tile(np.repeat(columns, len(steps)), len(givens))
    found = slopes[np.arange(len(near)), :, own].reshape(*shape[:2], 2, 2, -1)  # problem, name, side, one or two steps
    return np.moveaxis(2 * found[:, :, :, 0] - found[:, :, :, 1], 1, -1)
