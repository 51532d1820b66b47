"""Whether a law that is not convex is better elsewhere: a look over all that the limits leave, point by point.

A descent ends in the valley it starts in. Points are spread evenly over logs of the variables, and each is also moved
onto every limit that cuts the region, the budget first: where limits leave a curve or less (an equality of D / N, a
ring), all its branches are met. A second look goes to where the best points of the first lie. Points better than all
near them are valleys, and where to descend from.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.spatial import KDTree

from jaxscale._allocation.constrained import OK, correct
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.placing import BETTER, KEPT, Valleys, Worth, look, placed

_POINTS = 3000  # of each of both looks
# Of three variables and more, points are few: from the best ones walks along each variable, to and fro, follow.
_WALKS, _WALKERS, _STEPS, _LENGTH = 3, 8, 120, 12.0
_BEST = 0.02  # share of the points that say where to look again
_CONSIDERED = 4000  # best points that may be valleys
_ASKED = 500  # of them for their neighbours at once: often the best ones are valleys enough
_NEAREST = 4  # neighbours that are asked for first
_FEWER_POINTS, _APART = 300, 0.25  # inside a program of somebody else; how far valleys are apart there
VALLEYS = 16  # for each problem, at most
_LARGEST_COUNT, _REACH = 64.0, 20.0  # log of N or D; how far around the usual start of all else
_SPACE = 2e6  # numbers of what is given, for so many points at once


def can_be_scanned(decision: Decision) -> bool:
    """Whether points can be spread over what is decided. Mixtures have starts of their own, and repeated data too."""
    return not (decision.mixtures or decision.repeated)


def valleys_of(decision: Decision, givens: np.ndarray, worth: Worth | None = None) -> Valleys:
    """Of every problem (b, k), the best first; `worth`: by what, if not by what the decision makes least."""
    each_time = max(1, int(_SPACE / (_POINTS * givens.shape[1] * 4)))
    parts = [
        _some(decision, givens[i : i + each_time], worth and partial(_later, worth, i))
        for i in range(0, len(givens), each_time)
    ]
    return Valleys(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _later(worth: Worth, first: int, which: np.ndarray, x: np.ndarray) -> np.ndarray:
    return worth(which + first, x)


def _some(decision: Decision, givens: np.ndarray, worth: Worth | None) -> Valleys:
    b, n, m = len(givens), len(decision.variables), len(decision.row_names)
    low, high = _box(decision, givens, np)
    even = spread(_POINTS, n)
    found: list[list[tuple[np.ndarray, ...]]] = [[] for _ in givens]
    sets: list[np.ndarray] = []
    for again in (False, True):
        points = low[:, None] + (high - low)[:, None] * even
        if not again:
            nothing = np.full((b * _POINTS, n), m)
            _, _, distances = look(decision, points.reshape(-1, n), nothing, np.repeat(givens, _POINTS, axis=0))
            sets = [_sets(d, n) for d in distances.reshape(b, _POINTS, m)]
        lanes = [
            (np.tile(x, (len(s), 1)), np.repeat(s, _POINTS, axis=0), np.tile(given, (len(s) * _POINTS, 1)))
            for x, s, given in zip(points, sets, givens, strict=True)
        ]
        x, held, each_given = (np.concatenate(part) for part in zip(*lanes, strict=True))
        counts = [len(lane[0]) for lane in lanes]
        x, value, _ = look(decision, x, held, each_given, worth, np.repeat(np.arange(b), counts))
        ends = np.cumsum(counts)[:-1]
        for i, part in enumerate(zip(*(np.split(v, ends) for v in (x, held, value)), strict=True)):
            keep = np.isfinite(part[2])
            found[i].append(tuple(v[keep] for v in part))
            if keep.any() and not again:
                best = part[0][np.argsort(part[2])[: max(50, int(_BEST * keep.sum()))]][: keep.sum()]
                room = 0.5 + 0.2 * np.ptp(best, axis=0)
                low[i], high[i] = best.min(axis=0) - room, best.max(axis=0) + room
        alone = np.array([name in decision.raw for name in decision.variables])
        low[:, alone], high[:, alone] = np.maximum(low[:, alone], 0.0), np.minimum(high[:, alone], 1.0)
    for k in range(_WALKS if n > 2 else 0):
        begin = _of_each(found, m)
        steps = ((np.arange(_STEPS) + 0.5 + k / _WALKS) / _STEPS - 0.5)[:, None, None] * _LENGTH * np.eye(n)
        x = (begin.x[:, :_WALKERS, None] + steps.reshape(-1, n)).reshape(b, -1, n)
        held = np.repeat(begin.held[:, :_WALKERS], len(steps) * n, axis=1)
        which = np.repeat(np.arange(b), x.shape[1])
        here = look(decision, x.reshape(-1, n), held.reshape(-1, n), givens[which], worth, which)
        for i, part in enumerate(zip(here[0].reshape(x.shape), held, here[1].reshape(b, -1), strict=True)):
            keep = np.isfinite(part[2])
            found[i].append(tuple(v[keep] for v in part))
    return _of_each(found, m)


def _of_each(found: list[list[tuple[np.ndarray, ...]]], m: int) -> Valleys:
    chosen = []
    for looks in found:
        x, held, value = (np.concatenate(part) for part in zip(*looks, strict=True))
        chosen.append(_valleys(x, held, value, m))
    return Valleys(*(np.stack(part) for part in zip(*chosen, strict=True)))


def spread(count: int, n: int) -> np.ndarray:
    """(count, n) points evenly over the unit cube, no two of them alike in any coordinate: multiples of powers of the
    root of x^(n + 1) = x + 1 (Roberts 2018), for one variable the golden section."""
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (n + 1))
    return (0.5 + np.arange(1, count + 1)[:, None] * root ** -np.arange(1.0, n + 1)) % 1


def _box(decision: Decision, givens: Any, xp: Any) -> tuple[Any, Any]:
    """Where to look at first, (..., n) twice, for what is given, (..., k)."""
    units = {v.name: v.unit for v in decision.law.variables}
    ends: tuple[list[Any], list[Any]] = ([], [])
    for name, usual in zip(decision.variables, decision.usual, strict=True):
        low, high = usual - _REACH, usual + _REACH
        if name in ("N", "D") or units.get(name) in ("parameters", "tokens"):
            low, high = 0.0, _LARGEST_COUNT
        if name in decision.raw:
            low, high = 0.0, 1.0
        low, high = (xp.full_like(givens[..., 0], v) for v in (low, high))
        if f"{name}_min" in decision.names:
            low = xp.maximum(low, givens[..., decision.names.index(f"{name}_min")])
        if f"{name}_max" in decision.names:
            high = xp.minimum(high, givens[..., decision.names.index(f"{name}_max")])
        ends[0].append(low)
        ends[1].append(xp.maximum(high, low))
    return xp.stack(ends[0], axis=-1), xp.stack(ends[1], axis=-1)


def sets_of_limits(decision: Decision) -> np.ndarray:
    """None, each and each pair of the rows that somebody set, (count, n)."""
    m, n = len(decision.row_names), len(decision.variables)
    singles = [[], *([j] for j in range(m) if j not in decision.hard)]
    pairs = [[i, j] for i in range(m) for j in range(i + 1, m) if n > 1 and not {i, j} & set(decision.hard)]
    return np.array([[*s, *[m] * (n - len(s))] for s in (*singles, *pairs)], float)


def best_valley(decision: Decision, given: Array) -> tuple[Array, Array, Array, tuple[Array, Array]]:
    """Of one problem, in pure JAX and with fewer points: x (n,), prices of the rows (m,) and the value of the best
    certified point, which is infinite where none is, or where some point of the scan is better; then the best points
    of the scan, (points, n), and their values."""
    n, sets = len(decision.variables), sets_of_limits(decision)
    low, high = _box(decision, given, jnp)
    points = low + (high - low) * jnp.asarray(np.tile(spread(_FEWER_POINTS, n), (len(sets), 1)))
    x, value, distances, prices = jax.vmap(lambda x, held: placed(decision, x, held, given))(
        points, jnp.asarray(np.repeat(sets, _FEWER_POINTS, axis=0))
    )
    value = jnp.where((distances.max(axis=1) <= KEPT) & jnp.isfinite(value), value, jnp.inf)
    chosen, left = [], value
    for _ in range(VALLEYS):
        best = jnp.argmin(left)
        chosen.append(best)
        left = jnp.where(jnp.abs(x - x[best]).max(axis=1) < _APART, jnp.inf, left)
    index = jnp.stack(chosen)
    found = correct(decision, jnp.tile(given[:, None], (1, VALLEYS)), x[index].T, prices[index].T)
    down = jnp.where((found.status == OK) & (found.value <= value[index] + BETTER), found.value, jnp.inf)
    best = jnp.argmin(down)
    least = jnp.where(down[best] <= value.min() + BETTER, down[best], jnp.inf)
    return found.x[:, best], found.multipliers[:, best], least, (x[index], value[index])


def _sets(distances: np.ndarray, n: int) -> np.ndarray:
    """The sets of rows (count, n) to move points onto, from the distances of even points (P, m): none, and each row
    that is broken anywhere; equalities, which are two rows that together leave no room, belong to all sets."""
    m = distances.shape[1]
    equal: list[int] = []
    twins: set[int] = set()
    with np.errstate(invalid="ignore"):
        for i in range(m):
            for j in range(i + 1, m):
                room = np.abs(distances[:, i] + distances[:, j]) / (1 + np.abs(distances[:, i]))
                if i not in twins and j not in twins and np.fmax.reduce(room) < 1e-9:
                    equal.append(i)
                    twins |= {i, j}
    equal = equal[:n]
    others = [j for j in range(m) if j not in twins and (distances[:, j] > 0).any()]
    sets = [equal, *([*equal, j] for j in others if len(equal) < n)]
    return np.array([[*s, *[m] * (n - len(s))] for s in sets], float)


def _valleys(x: np.ndarray, held: np.ndarray, value: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points better than those near them, the best first; filled up to `VALLEYS`."""
    n = x.shape[1]
    out = np.zeros((VALLEYS, n)), np.full((VALLEYS, n), float(m)), np.full(VALLEYS, np.inf)
    if not len(x):
        return out
    order = np.argsort(value, kind="stable")[:_CONSIDERED]
    x, held, value = x[order], held[order], value[order]
    count, tree = min(len(x), 4 * n + 4), KDTree(x)
    chosen = np.empty(0, int)
    for start in range(0, len(x), _ASKED):
        here = np.arange(start, min(start + _ASKED, len(x)))
        # Sorted by value, a point is a valley if no neighbour has a smaller number, nor is it a copy of one chosen. Of
        # most the very nearest tell.
        for asked in (min(_NEAREST, count), count):
            near = np.reshape(tree.query(x[here], asked)[1], (len(here), asked))
            here = here[near.min(axis=1) >= here]
        chosen = np.concatenate([chosen, here])[:VALLEYS]
        if len(chosen) == VALLEYS:
            break
    for target, source in zip(out, (x, held, value), strict=True):
        target[: len(chosen)] = source[chosen]
        target[len(chosen) :] = source[chosen[0]] if target.ndim > 1 else np.inf
    return out
