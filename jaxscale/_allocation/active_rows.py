"""Newton's method on the optimality equations of the rows that hold, which certifies an answer, see `constrained`."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxscale._allocation.lane_algebra import (
    Listed,
    added,
    cholesky,
    diagonal,
    dot,
    for_each,
    largest,
    least,
    over_rows,
    select,
    turned,
)
from jaxscale._allocation.local_model import ConstrainedProblem, curvature_of, first_order, scaled, scaling_of

_LONGEST_STEP = 2.0  # in any variable, at once
_STEPS = 20  # of Newton's method on the optimality equations
_SOLVED = 2e4  # in units of rounding: where it stops
_KKT, _VIOLATION = 4e6, 4e5  # likewise: what is certified
DETERMINED = 1e-6  # a variable known to better than this


class Certificate(NamedTuple):
    """What Newton's method reached, in arrays of JAX or NumPy."""

    x: Any  # `Listed`
    prices: Any  # of the rows as they were given, with the objective as it was given
    kkt: Any
    violation: Any
    error: Any  # in x, as the last step tells and as rounding of the slopes may hide
    steps: Any

    @property
    def certified(self) -> Any:
        """Whether the equations are solved, all rows kept and no price negative: the value is right, if not x."""
        eps = jnp.finfo(self.kkt.dtype).eps
        return (self.kkt < _KKT * eps) & (self.violation < _VIOLATION * eps)


def newton(
    problem: ConstrainedProblem, given: Array, on: Array, weight: Array, x: Listed, prices: Array
) -> Certificate:
    """Newton's method on the optimality equations, with the rows that hold guessed anew in every step.

    They are those whose price outweighs their slack: rows of negative price go and violated ones come (Hintermueller,
    Ito and Kunisch 2002, doi 10.1137/S1052623401383558). It has no safeguard but the certificate.
    """
    n, unknown = len(x), jnp.full_like(x[0], jnp.inf)
    rounding = jnp.finfo(unknown.dtype).eps
    enough = _SOLVED * rounding

    def unfinished(state: Certificate) -> Array:
        return ((state.kkt > enough) | (state.violation > enough)) & (state.steps < _STEPS)

    def advance(state: Certificate) -> Certificate:
        here = first_order(problem, state.x, given)
        scaling = scaling_of(here, on)
        values, slopes, gradient = scaled(here, scaling, weight)
        prices = state.prices * scaling.lift / jnp.where(scaling.rows > 0, scaling.rows, 1.0)
        # Where more rows meet than there are variables the choice can go round in circles. It is varied then: violated
        # rows come before all others, and the order of the rest is shuffled.
        late, shuffled = state.steps > 3, 0.618034 * state.steps * (1 + jnp.arange(len(values)))[:, None] % 1
        weights = jnp.where(late, 0.02 + shuffled, 1.0)
        urgent = jnp.where(late & (state.steps % 2 == 0), 1e6, 1.0)
        scores = jnp.maximum(prices + values * jnp.where(values > 0, urgent, 1.0), 0.0)
        chosen = choose(slopes, weights * scores, n)
        rows, right = slopes_of_chosen(chosen, slopes), for_each(lambda pick: over_rows(pick, values), chosen)
        nu = for_each(lambda pick: over_rows(pick, prices), chosen)
        left = for_each(lambda a, column: a + dot(nu, column), gradient, turned(rows))
        kkt = largest([largest(for_each(jnp.abs, v)) for v in (left, right)] + [largest(for_each(jnp.negative, nu))])
        hessian = curvature_of(problem, state.x, given, weight * scaling.lift, dot(chosen, nu) * scaling.rows)
        dx, dnu, curvature = kkt_step(hessian, rows, for_each(was_chosen, chosen), left, right)
        length, violation = jnp.maximum(largest(for_each(jnp.abs, dx)), 1e-30), values.max(axis=0)
        # Where rounding alone leads far the objective is flat, and here is as good as there.
        flat = (kkt <= enough) & (violation <= enough) & (length > DETERMINED)
        share = jnp.where(flat, 0.0, jnp.minimum(1.0, _LONGEST_STEP / length))
        held = dot(chosen, for_each(lambda a, b: a + share * b, nu, dnu))
        moved = for_each(lambda a, b: a + share * b, state.x, dx)
        error = jnp.maximum(length, rounding * largest(for_each(jnp.abs, gradient)) / curvature)
        new = Certificate(moved, held * scaling.rows / scaling.lift, kkt, violation, error, state.steps + 1)
        return select(unfinished(state), new, state)

    first = Certificate(x, prices, unknown, unknown, unknown, jnp.zeros(unknown.shape, jnp.int32))
    return lax.while_loop(lambda state: unfinished(state).any(), advance, first)


def choose(slopes: Listed, scores: Array, n: int) -> Listed:
    """At most n rows of positive score and independent slopes, best scores first; each as one-hot weights (or none)."""
    scores = scores * (1 - 1e-9 * jnp.arange(len(scores), dtype=scores.dtype))[:, None]  # the first of equals
    lengths = dot(slopes, slopes)

    def next_best(left: tuple[Listed, Array], _: None = None) -> tuple[tuple[Listed, Array], Array]:
        rest, scores = left  # the part of each row outside those already chosen, and what they score
        new = jnp.where(dot(rest, rest) > 1e-8 * lengths, scores, 0.0)
        best = new.max(axis=0)
        pick = ((new == best) & (best > 0)).astype(new.dtype)
        row = for_each(lambda v: over_rows(pick, v), rest)
        size = dot(row, row) + (1e-300 if best.dtype == jnp.float64 else 1e-30)
        along = dot(rest, row) / size
        return (for_each(lambda v, a: v - along * a, rest, row), scores * (1 - pick)), pick

    if not isinstance(slopes, tuple):
        return lax.scan(next_best, (slopes, scores), length=n)[1]
    left, chosen = (slopes, scores), []
    for _ in range(n):
        left, pick = next_best(left)
        chosen.append(pick)
    return tuple(chosen)


def slopes_of_chosen(chosen: Listed, slopes: Listed) -> Listed:
    """Of each chosen row its slope in each variable."""
    return for_each(lambda pick: for_each(lambda v: over_rows(pick, v), slopes), chosen)


def kkt_step(hessian: Listed, rows: Listed, used: Listed, left: Listed, right: Listed) -> tuple[Listed, Listed, Array]:
    """(dx, dprices) with H dx + B' dprices = -left and B dx = -right, where rows not used have no part; and the least
    curvature met, that of H along the rows or of the rows across."""
    columns = turned(rows)
    back, pivots = cholesky(added(hessian, dot, columns, columns), safe=False)
    through = for_each(back, rows)
    schur = added(diagonal(for_each(lambda v: 1.0 - v, used)), dot, rows, through)
    u = back(for_each(lambda a, column: -a - dot(column, right), left, columns))
    dprices = cholesky(schur, safe=False)[0](for_each(lambda row, r: dot(row, u) + r, rows, right))
    dx = for_each(lambda a, column: a - dot(column, dprices), u, turned(through))
    return dx, for_each(jnp.multiply, dprices, used), least(for_each(jnp.abs, pivots))


def was_chosen(pick: Array) -> Array:
    """1 where a row was chosen, else 0."""
    return pick.sum(axis=0)
