"""Every draw planned for itself, followed from the plan of the point estimate."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.batches import batched
from jaxscale._allocation.constrained import FLAT, OK, correct, settled
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.local_model import value_at
from jaxscale._allocation.placing import evaluate

TARGETS = 32  # of draws, at once


@dataclass(frozen=True)
class Followed:
    """Every draw planned for itself, for each target: x is (targets, n, draws), all else (targets, draws).

    value: of what is least there, see `Decision.objective`; price: multiplier of the budget; worse: how much higher
    `Decision.lowered` is if the plan of the point is kept to; sound: whether there is an answer.
    """

    x: np.ndarray
    value: np.ndarray
    price: np.ndarray
    worse: np.ndarray
    sound: np.ndarray


def follow(
    decision: Decision,
    draws: np.ndarray,
    wanted: np.ndarray,
    rest: np.ndarray,
    point: Answers,
    near: bool = False,
    *,
    of: int = 0,
) -> Followed:
    """Plans for all draws (count, p) of the law's parameters, for up to `TARGETS` targets `wanted`; `rest` is all else
    that is given, (k,) or (targets, k), and `point` has the plan for the law's own parameters.

    Where a law is not convex each draw is solved afresh, from several starts; or `near` by, with a certificate that
    nothing around its answer is better, as far as that leads. `of` is how many plans there are in all, where these are
    some of them.
    """
    targets, count, n = len(wanted), len(draws), len(decision.variables)
    plan, rest = np.where(np.isfinite(point.x), point.x, 1.0), np.broadcast_to(rest, (targets, rest.shape[-1]))
    if (decision.convex or near) and not decision.plain:
        filling = ((0, TARGETS - targets), (0, 0))
        shared = (
            np.pad(wanted, filling[0]),
            np.pad(rest, filling),
            np.pad(plan, filling),
            np.pad(point.multipliers, filling),
            targets,
        )
        found = batched(_follow, decision, [draws.T], shared, alike=True, of=max(of, targets * count))
        x, value, price, worse, sound = (v[:targets].copy() for v in found)
    else:
        x = np.empty((targets, n, count))
        value, price, worse = np.empty((3, targets, count))
        sound = np.zeros((targets, count), bool)
    k, i = np.nonzero(~sound)
    if k.size:
        givens = np.column_stack([draws[i], wanted[k], rest[k]])
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

    def one(k: Array, state: tuple) -> tuple:
        results, near, change = state  # how far x and multipliers are from the plan, and how that changed
        last, before = wanted[jnp.maximum(k - 1, 0)], wanted[jnp.maximum(k - 2, 0)]
        pace = jnp.where(last == before, 0.0, jnp.clip((wanted[k] - last) / (last - before), -2.0, 2.0))
        guess = plan[k] + near + pace * change
        others = jnp.broadcast_to(rest[k][:, None], (rest.shape[1], lanes))
        given = jnp.concatenate([theta, jnp.broadcast_to(wanted[k], (1, lanes)), others])
        found = correct(decision, given, guess[:n], guess[n:])
        away = jnp.where(found.status == OK, jnp.concatenate([found.x, found.multipliers]) - plan[k], 0.0)
        kept = decision.lowered(tuple(plan[k, :n]), given)
        new = found.x, found.value, found.multipliers[0], kept - found.value, found.status == OK
        results = jax.tree.map(lambda all_, v: lax.dynamic_update_index_in_dim(all_, v, k, 0), results, new)
        return results, away, jnp.where(k > 0, away - near, 0.0)

    shapes = (n, lanes), *[(lanes,)] * 3
    nothing = (*(jnp.zeros((len(wanted), *s)) for s in shapes), jnp.zeros((len(wanted), lanes), bool))
    still = jnp.zeros((n + m, lanes))
    return lax.fori_loop(0, count.astype(int), one, (nothing, still, still))[0]


def slopes_of_best(
    decision: Decision, draws: np.ndarray, wanted: np.ndarray, rest: np.ndarray, found: Followed
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of value and price of what `follow` found, in the target and in all of `rest`: (targets, draws, k) each;
    nan where no equations lead to the answer."""
    k, i = np.nonzero(found.sound)
    rest = np.broadcast_to(rest, (len(found.sound), rest.shape[-1]))
    value, price = np.full((2, *found.sound.shape, 1 + rest.shape[1]), np.nan)
    if k.size:
        givens = np.column_stack([draws[i], wanted[k], rest[k]])
        prices = np.zeros((len(decision.row_names), len(k)))
        prices[0] = found.price[k, i]
        *slopes, sound = batched(_slopes_of_best, decision, [givens.T, found.x[k, :, i].T, prices])
        value[k, i], price[k, i] = (np.where(sound.astype(bool), v, np.nan).T for v in slopes)
    return value, price


def _slopes_of_best(decision: Decision, _: tuple, given: Array, x: Array, prices: Array) -> tuple[Array, ...]:
    found = correct(decision, given, x, prices)

    def best(given: Array) -> tuple[Array, Array]:
        x, multipliers = settled(decision, given, found.x, found.multipliers)
        return value_at(decision, x, given), multipliers[0]

    start = len(decision.law.parameters)
    units = jnp.eye(len(given), dtype=given.dtype)[start:, :, None] + jnp.zeros_like(given)
    value, price = jax.vmap(lambda unit: jax.jvp(best, (given,), (unit,))[1])(units)
    return value, price, found.status == OK
