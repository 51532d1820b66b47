"""The interior point of the elastic problem, primal-dual, with a predictor and a corrector; see `constrained`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxscale._allocation.lane_algebra import (
    Listed,
    added,
    bordered,
    cholesky,
    dot,
    for_each,
    joined,
    largest,
    over_rows,
    select,
)
from jaxscale._allocation.local_model import (
    ConstrainedProblem,
    Scaling,
    curvature_of,
    first_order,
    scaled,
    scaling_of,
)

_MU = 0.1  # complementarity at the start
_LONGEST_STEP = 2.0  # in any variable, at once


class Interior(NamedTuple):
    """Where an interior point is.

    slack, price: of the rows, then of t >= 0. error: the largest residual. scaling: by slopes where it began.
    """

    x: Listed
    t: Array
    slack: Array
    price: Array
    error: Array
    iteration: Array
    scaling: Scaling


def interior_point(
    problem: ConstrainedProblem,
    given: Array,
    on: Array,
    x: Listed,
    weight: Any,
    rho: Any,
    most: Any,
    tolerance: Any,
) -> Interior:
    """Where the elastic problem's interior point leads from x."""
    n, one = len(x), jnp.ones_like(x[0])
    tiny = jnp.finfo(one.dtype).tiny
    hard = list(problem.hard)

    def begun(levels: Array) -> tuple[Array, Array, Array]:
        """t, slacks and prices to begin with, where the rows have these values."""
        t = jnp.maximum(levels.max(axis=0), 0.0) + 0.5
        slack = jnp.maximum(t - levels, 0.05)
        if hard:
            slack = slack.at[jnp.array(hard)].set(jnp.maximum(-levels[jnp.array(hard)], 1e-9))
        # The price of t carries the whole price of violation at first: that balances it and saves half the iterations.
        return t, jnp.concatenate([slack, t[None]]), jnp.concatenate([_MU / slack, (rho * one)[None]])

    def unfinished(state: Interior) -> Array:
        return (state.error > tolerance) & (state.iteration < most)

    def advance(state: Interior) -> Interior:
        here, first = first_order(problem, state.x, given), state.iteration == 0
        scaling = select(first, scaling_of(here, on), state.scaling)
        levels, slopes, gradient = scaled(here, scaling, weight)
        t, s, lam = select(first, begun(levels), (state.t, state.slack, state.price))
        m = len(s)
        values, slopes = _with_zero(levels), for_each(_with_zero, slopes)  # with t >= 0 as one more row, 0 <= t
        hessian = curvature_of(problem, state.x, given, weight * scaling.lift, lam[:-1] * scaling.rows)
        yields = _yielding(s, hard)
        dual = for_each(lambda a, b: a + over_rows(lam, b), gradient, slopes)
        dual = joined(dual, rho - over_rows(yields, lam))
        primal = values - yields * t + s
        mu = over_rows(lam, s) / m
        w = lam / s
        weighted = for_each(lambda v: w * v, slopes)
        border = joined(for_each(lambda v: -over_rows(yields, v), weighted), over_rows(yields, w))
        matrix = bordered(added(hessian, over_rows, weighted, slopes), border)
        back, _ = cholesky(matrix, safe=True)

        def direction(complementarity: Array) -> tuple[Listed, Array, Array]:
            """Steps of (x, t), slacks and prices towards the rows' wanted products of slack and price."""
            q = (lam * primal - complementarity) / s
            towards = for_each(lambda a, v: -a - over_rows(v, q), dual[:n], slopes)
            step = back(joined(towards, over_rows(yields, q) - dual[n]))
            ds = yields * step[n] - dot(slopes, step[:n]) - primal
            return step, ds, (-complementarity - lam * ds) / s

        def room(values: Array, changes: Array, share: Any) -> Array:
            return 1 / jnp.maximum((-changes / values).max(axis=0) / share, 1.0)

        # While the slopes do not balance, products stay above rounding: weights of 1e10 would drown a flat loss.
        floor = jnp.maximum(0.01 * tolerance, 1e-2 * largest(for_each(jnp.abs, dual)))
        floor = jnp.minimum(floor, 1e-3)
        _, ds, dlam = direction(lam * s)
        after = over_rows(lam + room(lam, dlam, 1.0) * dlam, s + room(s, ds, 1.0) * ds)
        target = jnp.maximum(jnp.clip(after / m / mu, 0, 1) ** 3 * mu, floor)
        step, ds, dlam = direction(lam * s - target + dlam * ds)
        share = jnp.clip(1 - mu, 0.995, 1 - 1e-6)
        # A jump of curvature can make full steps cycle; two of three late steps are halved.
        damping = jnp.where((state.iteration > 14) & (state.iteration % 3 > 0), 0.5, 1.0)
        longest = jnp.maximum(largest(for_each(jnp.abs, step)), tiny)
        ahead = damping * jnp.minimum(room(s, ds, share), _LONGEST_STEP / longest)
        dual_ahead = damping * room(lam, dlam, share)
        new = Interior(
            for_each(lambda a, b: a + ahead * b, state.x, step[:n]),
            t + ahead * step[n],
            s + ahead * ds,
            lam + dual_ahead * dlam,
            jnp.maximum(jnp.maximum(largest(for_each(jnp.abs, dual)), jnp.abs(primal).max(axis=0)), mu),
            state.iteration + 1,
            scaling,
        )
        return select(unfinished(state), new, state)

    # What the first iteration makes of x, so that the law stands once in the program.
    nothing, rows = jnp.zeros_like(one), jnp.zeros_like(on)
    slack = jnp.concatenate([rows, nothing[None]])
    start = Interior(
        x,
        nothing,
        slack,
        slack,
        jnp.inf * one,
        jnp.zeros(one.shape, jnp.int32),
        Scaling(nothing, rows, rows),
    )
    return lax.while_loop(lambda s: unfinished(s).any(), advance, start)


def _yielding(rows: Array, hard: Sequence[int]) -> Any:
    """1 for every row that gives way to t, 0 for those that are hard, (rows, 1)."""
    return jnp.array([[float(j not in hard)] for j in range(len(rows))], rows.dtype) if hard else 1.0


def _with_zero(rows: Array) -> Array:
    return jnp.concatenate([rows, jnp.zeros_like(rows[:1])])
