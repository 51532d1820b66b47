"""How an optimum moves: implicit derivatives in all that is given, and both sides of a kink."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.decision import Decision

_STEP = 1e-5  # in a log, from a kink to where all is smooth


@each
def expansion_at(
    decision: Decision, _: tuple, x: Array, multipliers: Array, given: Array, moves: Array | None = None
) -> tuple[Array, ...]:
    """Values and their slopes, the objective's slopes, and the Lagrangian's curvature in (x, given): (2 + m,),
    (2 + m, n + k), (n,), (n, n + k); k are the named ones of what is given. The others are held, but for the first,
    where `moves` (any * k,) has their slopes in the named ones."""
    n, k = x.shape[0], len(decision.names)

    def functions(z: Array) -> Array:
        others = given[k:]
        if moves is not None:
            others = others.at[: len(moves) // k].add(moves.reshape(-1, k) @ (z[n:] - given[:k]))
        at = tuple(z[:n]), jnp.concatenate([z[n:], others])
        return jnp.stack([decision.objective(*at), decision.response(*at), decision.log_cost(*at), *decision.rows(*at)])

    def both(z: Array) -> tuple[tuple[Array, Array], Array]:
        """In one pass, since tracing is most of what a first plan costs."""
        values, pull = jax.vjp(functions, z)
        return (values, *pull(jnp.concatenate([jnp.array([1.0, 0.0, 0.0], z.dtype), multipliers]))), values

    (slopes, curvature), values = jax.jacfwd(both, has_aux=True)(jnp.concatenate([x, given[:k]]))
    return values[1:], slopes[1:], slopes[0, :n], curvature[:n]


@dataclass(frozen=True)
class Expansion:
    """One answer to first order. Quantities are those of x (logs but for shares), then log response, then log cost.

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
    return expansions(answers, _expansions(decision, answers, givens))


def expansions(answers: Answers, parts: Sequence[np.ndarray]) -> list[Expansion | None]:
    """Expansions of answers from their arrays; None for those that are none."""
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
    found = batched(expansion_at, decision, [safe.T, answers.multipliers.T, givens.T], few=True)
    outputs = [np.moveaxis(v, -1, 0) for v in found]
    parts = derivatives(decision, safe, answers.multipliers, outputs)
    if answers.corner is None or not answers.corner.any():
        return parts
    return _without_corners(decision, answers, np.flatnonzero(answers.corner), outputs[1], parts)


def _without_corners(
    decision: Decision, answers: Answers, at: np.ndarray, first: np.ndarray, parts: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """What is known of answers number `at`, in corners of a law: what limits and budget are worth, by their prices."""
    quantities, slopes, touched, flatness, residual, hessian, touching = (v.copy() for v in parts)
    n = quantities.shape[1] - 2
    worth = np.einsum("bm,bmk->bk", answers.multipliers, first[:, 2:, n:])
    worth[:, : len(decision.law.parameters)] = np.nan
    slopes[at] = np.nan
    if decision.goal == "loss":
        slopes[at, n] = decision.sign * worth[at]
    else:
        slopes[at, n + 1] = worth[at] + np.where(np.isnan(worth[at]), 0.0, first[at, 1, n:])
    touched[at], flatness[at], residual[at] = False, np.nan, answers.kkt[at]
    return quantities, slopes, touched, flatness, residual, hessian, touching


def derivatives(
    decision: Decision, safe: np.ndarray, multipliers: np.ndarray, outputs: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """What an `Expansion` holds, from `expansion_at` every answer."""
    values, slopes, objective, curvature = outputs
    n = safe.shape[1]
    rows, hessian = slopes[:, 2:], curvature[:, :, :n]
    scale = np.maximum(np.abs(objective).max(axis=1), 1e-300)
    lengths = np.maximum(np.abs(rows[:, :, :n]).max(axis=2), 1e-300)
    touching = np.abs(values[:, 2:]) / lengths < 1e-8
    # A share at its least is left out, however little that costs.
    left_out = np.array([name in decision.ends_of_shares for name in decision.row_names])
    priced = touching & ((multipliers * lengths > 1e-8 * scale[:, None]) | left_out)
    # One epoch is an end of its range where the loss is level, so that nothing changes there.
    smooth = np.array([name == "epochs_min" for name in decision.row_names])
    touched = (touching & ~priced & ~smooth).any(axis=1)
    gradient = objective + np.einsum("bm,bmn->bn", multipliers, rows[:, :, :n])
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
    answers = solve_many(decision, near, (givens, np.repeat(np.arange(len(givens)), len(near) // len(givens))))
    slopes = _expansions(decision, answers, near)[1]
    slopes[~np.isin(answers.status, (OK, FLAT))] = np.nan
    own = np.tile(np.repeat(columns, len(steps)), len(givens))
    found = slopes[np.arange(len(near)), :, own].reshape(*shape[:2], 2, 2, -1)  # problem, name, side, one or two steps
    return np.moveaxis(2 * found[:, :, :, 0] - found[:, :, :, 1], 1, -1)
