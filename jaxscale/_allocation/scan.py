"""Whether a law that is not convex is better elsewhere: a look along the whole budget, point by point.

A descent ends in the valley it starts in. For two variables all that a budget leaves is one line, of which a thousand
points cost less than one descent.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import Solution, solve_constrained
from jaxscale._allocation.decision import Decision

_FURTHEST, _POINTS = 20.0, 1601  # log of the ratio of the two variables, either way, is up to twice that
_NEWTON_STEPS = 8  # to the budget, which most costs reach in one
_SPENT = 1e-9  # how near, in logs
BETTER = 1e-9  # by so much of the log response or more a point must be better to count


@each
def _scan(decision: Decision, _: tuple, given: Array) -> tuple[Array, Array]:
    """The best point of the line within the limits (2,), and its value; infinite where there is none."""
    budget = given[decision.names.index(decision.target)]

    def at(u: Array) -> tuple[Array, Array]:
        def closer(_: Any, s: Array) -> Array:
            spent, slope = jax.jvp(lambda s: decision.log_cost((s + u, s - u), given), (s,), (jnp.ones_like(s),))
            return s + jnp.clip((budget - spent) / slope, -60.0, 60.0)

        s = jax.lax.fori_loop(0, _NEWTON_STEPS, closer, budget / 2)
        x = (s + u, s - u)
        spent, *limits = decision.rows(x, given)
        kept = (jnp.abs(spent) <= _SPENT) & (jnp.max(jnp.stack([*limits, jnp.full_like(spent, -1.0)])) <= 0)
        value = decision.lowered(x, given)
        return jnp.stack(x), jnp.where(kept & jnp.isfinite(value), value, jnp.inf)

    points, values = jax.vmap(at)(jnp.linspace(-_FURTHEST, _FURTHEST, _POINTS, dtype=given.dtype))
    best = jnp.argmin(values)
    return points[best], values[best]


def _from(decision: Decision, _: tuple, given: Array, start: Array) -> Solution:
    return solve_constrained(decision, given, start[None], jnp.ones((len(decision.row_names), given.shape[-1])))


def can_be_scanned(decision: Decision) -> bool:
    """Whether a budget leaves a line of decisions, of which nobody knows that it has but one valley."""
    logs = not (decision.mixtures or decision.raw.intersection(decision.variables))
    return not decision.convex and decision.goal == "loss" and len(decision.variables) == 2 and logs


def look_elsewhere(
    decision: Decision, givens: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...] | None]:
    """Which problems (b, k) have a point on the line that is better than the value found (b,), the value there, and the
    `Solution`s that lead down from there; None where there are none."""
    points, found = batched(_scan, decision, [givens.T])
    beaten = np.flatnonzero(found < np.where(np.isfinite(values), values, np.inf) - BETTER)
    if not beaten.size:
        return beaten, found[beaten], None
    return beaten, found[beaten], tuple(batched(_from, decision, [givens[beaten].T, points[:, beaten]]))
