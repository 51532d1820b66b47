"""Points moved onto limits by the shortest way, what is least there, and descents from them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.active_rows import Certificate
from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import certified
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.two_programs import polished

_MOVES = 30  # of Newton's method, to the rows; most are linear
_LONGEST_MOVE = 8.0
BETTER = 1e-9  # by so much of the log response or more a point must be better to count
KEPT = 1e-11  # a row is kept that is no further away, in logs


# Of numbers of problems (count,) and points (count, n): what is least there, (count,), in place of a decision's own.
Worth = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Valleys(NamedTuple):
    """For each of b problems K points (b, K, n) to descend from, the rows that each lies on (b, K, n), as numbers
    (that of rows for none), and the value there (b, K), infinite where there are fewer."""

    x: np.ndarray
    held: np.ndarray
    value: np.ndarray

    def of(self, some: Any) -> "Valleys":
        """Those of some problems."""
        return Valleys(*(v[some] for v in self))


def placed(decision: Decision, x: Array, held: Array, given: Array) -> tuple[Array, Array, Array, Array]:
    """One point x (n,) moved onto the rows `held` (n,), by the shortest way: x, the value of what is least there,
    distances to all rows (m,), positive outside, and prices of the rows (m,) that balance the slopes best."""
    m, n = len(decision.row_names), len(x)
    index = held.astype(int)
    alone = jnp.array([name in decision.raw for name in decision.variables])

    def rows(x: Array) -> Array:
        return jnp.stack([*decision.rows(tuple(x), given), jnp.zeros_like(x[0])])

    def look(x: Array) -> tuple[Array, Array]:
        values, push = jax.linearize(rows, x)
        return values, jax.vmap(push)(jnp.eye(n, dtype=x.dtype)).T

    def along(slopes: Array) -> list[tuple[Array, Array, Array]]:
        """For each held row its slopes, the part of them that those before leave, and its length squared."""
        parts: list[tuple[Array, Array, Array]] = []
        for k in range(n):
            own = slopes[index[k]]
            rest = own - sum(((own @ r) / s * r for _, r, s in parts), jnp.zeros_like(own))
            square = rest @ rest
            sound = square > 1e-16 * (own @ own) + 1e-30
            parts.append((own, jnp.where(sound, rest, 0.0), jnp.where(sound, square, 1.0)))
        return parts

    to_go = jnp.where((held < m).any(), jnp.inf, 0.0)

    def closer(state: tuple[Array, ...]) -> tuple[Array, ...]:
        """One move, then a look; the first time a look alone, since nothing is known to move by."""
        x, values, slopes, _, count = state
        move = jnp.zeros_like(x)
        for k, (own, rest, square) in enumerate(along(slopes)):
            move = move - (values[index[k]] + own @ move) / square * rest
        length = jnp.abs(move).max()
        after = x + move * jnp.minimum(1.0, _LONGEST_MOVE / jnp.maximum(length, 1e-30))
        after = jnp.where(alone & (count > 0), jnp.clip(after, 1e-9, 1 - 1e-9), after)
        return after, *look(after), jnp.where(count > 0, length, to_go), count + 1

    def unfinished(state: tuple[Array, ...]) -> Array:
        return (state[4] == 0) | ((state[3] > 1e-13) & (state[4] <= _MOVES))

    nothing = jnp.zeros(m + 1, x.dtype), jnp.zeros((m + 1, n), x.dtype)
    first = (x, *nothing, jnp.zeros_like(to_go), jnp.zeros((), int))
    x, values, slopes, _, _ = jax.lax.while_loop(unfinished, closer, first)
    distances = values[:m] / jnp.maximum(jnp.abs(slopes[:m]).max(axis=1), 1e-12)
    value, gradient = jax.value_and_grad(lambda x: decision.objective(tuple(x), given))(x)
    prices, left, parts = jnp.zeros(m + 1, x.dtype), -gradient, along(slopes)
    for k in reversed(range(n)):  # the last has nothing of those before it in its rest
        own, rest, square = parts[k]
        price = (left @ rest) / square
        prices, left = prices.at[index[k]].add(price), left - price * own
    return x, value, jnp.where(jnp.isfinite(distances), distances, jnp.inf), jnp.maximum(prices[:m], 0.0)


@each
def _placed(decision: Decision, _: tuple, x: Array, held: Array, given: Array) -> tuple[Array, ...]:
    return placed(decision, x, held, given)


def _newton(decision: Decision, shared: tuple, given: Array, on: Array, x: Array, prices: Array) -> tuple[Any, ...]:
    """What Newton's method makes of x, or of the usual start where that is nan; and the objective there."""
    if decision.convex:  # of others nobody asks for it
        x = jnp.where(jnp.isnan(x), jax.vmap(decision.starts, in_axes=-1, out_axes=-1)(given)[0], x)
    return polished(decision, given, on, shared[0], x, prices)


def newtons(
    decision: Decision, given: np.ndarray, on: np.ndarray, x: np.ndarray, prices: np.ndarray, weight: float = 1.0
) -> tuple[Certificate, np.ndarray]:
    """What Newton's method makes of x, all with lanes last, and the objectives there; one program for whoever asks."""
    *last, value = batched(_newton, decision, [given, on, x, prices], (weight,), few=True)
    return Certificate(*last), value


def look(
    decision: Decision,
    x: np.ndarray,
    held: np.ndarray,
    givens: np.ndarray,
    worth: Worth | None = None,
    which: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """Points (b, n) on rows (b, n): where they come to lie (b, n), their values (b,), infinite where a limit is not
    kept, and distances to the rows (b, m). `which`: problems that `worth` is asked about, (b,)."""
    x, value, distances, _ = batched(_placed, decision, [x.T, held.T, givens.T])
    kept = (distances.max(axis=0) <= KEPT) & np.isfinite(value)
    value = np.where(kept, value, np.inf)
    if worth is not None and which is not None and kept.any():
        found = worth(which[kept], x.T[kept])
        value[kept] = np.where(np.isfinite(found), found, np.inf)
    return x.T, value, distances.T


def descend(decision: Decision, valleys: Valleys, givens: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The `Solution`s that all valleys lead down to, (b K) of them, last; and the values they begin at (b, K)."""
    b, K, n = valleys.x.shape
    flat = [valleys.x.reshape(-1, n).T, valleys.held.reshape(-1, n).T, np.repeat(givens, K, axis=0).T]
    x, begun, distances, prices = batched(_placed, decision, flat)
    found = certified(*newtons(decision, flat[2], np.ones_like(prices), x, prices), np)
    begun = np.where(distances.max(axis=0) <= KEPT, begun, np.inf).reshape(b, K)
    return list(found), np.where(np.isfinite(valleys.value), begun, np.inf)


@each
def _evaluate(decision: Decision, _: tuple, x: Array, given: Array) -> tuple[Array, Array]:
    return decision.lowered(tuple(x), given), decision.log_cost(tuple(x), given)


def evaluate(decision: Decision, x: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """`Decision.lowered` and log cost of every x with what is given, (b, 2)."""
    return np.stack(batched(_evaluate, decision, [x.T, givens.T]), axis=-1)
