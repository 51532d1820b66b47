"""Optima in corners of a law (a maximum, an absolute value), where slopes do not balance and no Newton step ends.

The best point is looked for in ever smaller neighbourhoods, without slopes. What is known of it afterwards: no point
near it is better; and, where that can be shown, slopes around it and prices of limits add up to nothing, which is what
balance means in a corner (Clarke's stationarity).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.placing import KEPT, Worth, look, placed
from jaxscale._allocation.scan import sets_of_limits, spread

_FIRST, _LAST = 0.3, 1e-10  # sizes of the neighbourhoods
_LOOKS = 90
_NEAR, _FEWER_NEAR = 48, 24  # points of each neighbourhood, for each set of rows they are moved onto
_MOST_SETS = 8
_AHEAD = (0.5, 1.0, 3.0)  # times the last move
_AROUND = 1e-7  # of an optimum, where slopes are taken
_TOUCHED = 1e-8


def lowest_near(
    decision: Decision, x: np.ndarray, value: np.ndarray, givens: np.ndarray, worth: Worth | None = None
) -> tuple[np.ndarray, ...]:
    """The best points within reach of x (b, n), whose values are given (b,): where they lie, and their values; by
    `worth`, if not by what the decision makes least."""
    n, m = x.shape[1], len(decision.row_names)
    x, value, last, size = x.copy(), value.copy(), np.zeros_like(x), np.full(len(x), _FIRST)
    nothing = np.full_like(x, m)
    _, _, distances = look(decision, x, nothing, givens)
    for k in range(_LOOKS):
        open_ = np.flatnonzero(size > _LAST)
        if not open_.size:
            break
        cloud = 2 * (spread(_NEAR * (k + 1), n)[-_NEAR:]) - 1
        lanes = []
        for i in open_:
            sets = _sets(distances[i], 2 * size[i], n)
            ahead = x[i] + np.multiply.outer(_AHEAD, last[i])
            points = np.concatenate([x[i] + size[i] * cloud, x[i] + size[i] * _axes(n), ahead])
            count = len(points)
            lanes.append((np.full(count * len(sets), i), np.tile(points, (len(sets), 1)), np.repeat(sets, count, 0)))
        which, points, held = (np.concatenate(part) for part in zip(*lanes, strict=True))
        places, values, far = look(decision, points, held, givens[which], worth, which)
        for i in open_:
            mine = np.flatnonzero(which == i)
            best = mine[np.argmin(values[mine])]
            move = places[best] - x[i]
            if values[best] < value[i]:
                x[i], value[i], last[i], distances[i] = places[best], values[best], move, far[best]
            if not (values[best] <= value[i] and np.abs(move).max() > size[i] / 2):
                size[i] *= 0.5
    return x, value


def lowest_in_program(decision: Decision, x: Array, value: Array, given: Array, wanted: Array) -> tuple[Array, Array]:
    """`lowest_near` one point x (n,), in pure JAX and with fewer points; untouched where it is not `wanted`."""
    n, sets = len(x), sets_of_limits(decision)
    clouds = np.stack([2 * spread(_FEWER_NEAR * (k + 1), n)[-_FEWER_NEAR:] - 1 for k in range(_LOOKS)])

    def around(state: tuple) -> tuple:
        x, value, last, size, k = state
        offsets = [size * jnp.asarray(clouds)[k], size * _axes(n), jnp.multiply.outer(jnp.asarray(_AHEAD), last)]
        points = x + jnp.concatenate(offsets)
        held, lanes = np.repeat(sets, len(points), axis=0), jnp.tile(points, (len(sets), 1))
        places, values, distances, _ = jax.vmap(lambda x, held: placed(decision, x, held, given))(lanes, held)
        values = jnp.where((distances.max(axis=1) <= KEPT) & jnp.isfinite(values), values, jnp.inf)
        best = jnp.argmin(values)
        move, better = places[best] - x, values[best] < value
        far = (values[best] <= value) & (jnp.abs(move).max() > size / 2)
        new = jnp.where(better, places[best], x), jnp.where(better, values[best], value), jnp.where(better, move, last)
        return *new, jnp.where(far, size, size / 2), k + 1

    first = jnp.where(wanted & jnp.isfinite(value), _FIRST, 0.0)
    begin = x, value, jnp.zeros_like(x), first, jnp.zeros((), int)
    x, value, *_ = jax.lax.while_loop(lambda s: (s[3] > _LAST) & (s[4] < _LOOKS), around, begin)
    return x, value


def _axes(n: int) -> np.ndarray:
    steps = np.array([1.0, 0.25, 0.02])[:, None, None] * np.eye(n)
    return np.concatenate([steps, -steps]).reshape(-1, n)


def _sets(distances: np.ndarray, size: float, n: int) -> np.ndarray:
    """Sets of the rows near by, at most n of each, (count, n)."""
    m = len(distances)
    near = [j for j in np.argsort(-distances) if distances[j] > -max(size, 1e-9)]
    sets: list[list[int]] = [[]]
    for j in near:
        sets += [[*s, j] for s in sets if len(s) < n]
    sets = sorted(sets, key=len)[: max(_MOST_SETS, len(near) + 1)]
    return np.array([[*s, *[m] * (n - len(s))] for s in sets], float)


@each
def _slopes(decision: Decision, _: tuple, x: Array, given: Array) -> tuple[Array, Array, Array]:
    """Of what is least (n,), then of the rows (m, n), and the rows."""
    gradient = jax.grad(lambda x: decision.objective(tuple(x), given))(x)
    values, push = jax.linearize(lambda x: jnp.stack(decision.rows(tuple(x), given)), x)
    return gradient, jax.vmap(push)(jnp.eye(len(x), dtype=x.dtype)).T, values


def inclusion(decision: Decision, x: np.ndarray, givens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(b,) what the best mean of the slopes around x (b, n) and prices of the rows leave, beside the largest slope; and
    those prices (b, m)."""
    from scipy.optimize import nnls  # slow to load, and few plans need it

    n, m = x.shape[1], len(decision.row_names)
    offsets = np.concatenate([np.zeros((1, n)), _AROUND * (2 * spread(40, n) - 1), _AROUND * _axes(n)])
    count = len(offsets)
    around = (x[:, None] + offsets).reshape(-1, n)
    gradients, slopes, values = batched(_slopes, decision, [around.T, np.repeat(givens, count, axis=0).T], few=True)
    gradients = gradients.T.reshape(-1, count, n)
    slopes, values = np.moveaxis(slopes, -1, 0).reshape(-1, count, m, n)[:, 0], values.T.reshape(-1, count, m)[:, 0]
    left, prices = np.ones(len(x)), np.zeros((len(x), m))
    for i, of_law in enumerate(gradients):
        lengths = np.maximum(np.abs(slopes[i]).max(axis=1), 1e-12)
        touched = np.flatnonzero(np.abs(values[i]) <= _TOUCHED * lengths)
        scale = max(np.abs(of_law).max(), 1e-300)
        if not np.isfinite(of_law).all():
            continue
        rows = slopes[i][touched] / lengths[touched, None]
        matrix = np.concatenate([of_law / scale, rows]).T
        ones = np.concatenate([np.ones(count), np.zeros(len(touched))])
        weights, _ = nnls(np.vstack([matrix, ones]), np.concatenate([np.zeros(n), [1.0]]))
        weights = weights / max(weights[:count].sum(), 1e-12)
        left[i] = np.abs(matrix @ weights).max()
        prices[i, touched] = weights[count:] * scale / lengths[touched]
    return left, prices
