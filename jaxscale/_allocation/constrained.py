"""Least f(x) with g(x) <= 0 for small problems, certified, and differentiable in everything that was given.

Pure JAX, for problems of two to some ten variables, many at once. What to solve is a `ConstrainedProblem`, written
for one case.

1. An interior point method (primal-dual, with Mehrotra's predictor and corrector) on the elastic problem

       min  w f(x) + rho t   with   g_j(x) <= t,   t >= 0,

   which has an interior whatever the limits are. Its t is zero where the limits can be kept. Hard rows are kept
   without t.
2. The active rows are guessed from multipliers over slacks, and Newton's method solves the equations they leave
   (Karush, Kuhn and Tucker). Rows with negative multipliers go, violated ones come, and it is tried again.
3. An answer counts only with its certificate: equations solved, every limit kept, no multiplier negative.

Derivatives of every order follow from those equations by implicit differentiation, with the active rows held.

The last axis of all arrays is that of the problems, called lanes: what is said of one number is done for the whole lane
axis, in vectors of the processor. Variables are tuples of n arrays (lanes,), what is told of rows is one array
(m, lanes), and slopes of rows are n such arrays. Sums over rows are where the compiler stores what it has: written out
over single rows, it computes everything again for each of its uses.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

from jaxscale._allocation.active_rows import (
    DETERMINED,
    Certificate,
    choose,
    kkt_step,
    newton,
    slopes_of_chosen,
    was_chosen,
)
from jaxscale._allocation.interior_point import interior_point
from jaxscale._allocation.lane_algebra import Listed, dot, for_each, largest, listed, over_rows, stacked
from jaxscale._allocation.local_model import (
    ConstrainedProblem,
    curvature_of,
    first_order,
    rows_at,
    value_at,
)
from jaxscale._base.settings import as_usual

OK, INFEASIBLE, FAILED, FLAT = 0, 1, 2, 3  # flat: the value is certified, the point is not

_RHO = 10.0  # price of violation; rows and objective are scaled to slopes of about one
_ITERATIONS = 60
_CLOSED = 5e4  # residual of the interior point, in units of rounding, at which it stops
_FAR = 0.05  # the correction moves the interior point's answer by no more


class Solution(NamedTuple):
    """The answers, in JAX or NumPy, lanes last: x (n, lanes), multipliers and blame (m, lanes), all else (lanes,).

    `kkt` is the largest part of the optimality equations left over and `violation` the largest row, both after scaling.
    `blame` says, where the limits cannot all be kept, how much each is part of it; it sums to about one. `agreement` is
    the share of starts that reached this objective or a point as good.
    """

    x: Any
    multipliers: Any
    value: Any
    status: Any
    kkt: Any
    violation: Any
    blame: Any
    agreement: Any
    iterations: Any


class InteriorEnd(NamedTuple):
    """Where an interior point led: x (n, lanes), multipliers (m, lanes) of the rows as they were given, the largest
    residual, the largest row after scaling, blame (m, lanes), and iterations; arrays of JAX or NumPy."""

    x: Any
    multipliers: Any
    error: Any
    violation: Any
    blame: Any
    iterations: Any


def solve_constrained(
    problem: ConstrainedProblem,
    given: Array,
    starts: Array,
    on: Array,
    weight: Any = 1.0,
    rho: Any = _RHO,
    iterations: Any = _ITERATIONS,
) -> Solution:
    """Least objective within the rows that are switched on; differentiable in `given`.

    Args:
        problem: static.
        given: (k, lanes) the numbers the problems depend on; without lanes it is one problem, here and in what follows.
        starts: (n_starts, n, lanes) points to start from; the best answer counts.
        on: (m, lanes) 1 for rows that count, 0 for those left out.
        weight: of the objective; with 0 only the limits are looked at, to see whether they can be kept.
        rho: price of violation. It must exceed the sum of the (scaled) multipliers.
        iterations: most steps of the interior point method.
    """
    if given.ndim == 1:
        one = solve_constrained(problem, given[:, None], starts[..., None], on[:, None], weight, rho, iterations)
        return Solution(*(v[..., 0] for v in one))
    settings = [jnp.asarray(v, given.dtype) for v in (weight, rho, iterations)]
    x, multipliers, info = _core(problem, given, starts, on, *settings)
    return Solution(
        x=x, multipliers=multipliers, value=value_at(problem, x, given), **jax.tree.map(lax.stop_gradient, info)
    )


def correct(problem: ConstrainedProblem, given: Array, x: Array, multipliers: Array) -> Solution:
    """The answers to problems much like some whose answers x and `multipliers` are known, with all rows on.

    It takes a few steps of Newton's method, fails where the answer is not near, and looks for no other optimum.
    """
    on = jnp.ones_like(multipliers)
    last = newton(problem, given, on, jnp.ones((), given.dtype), listed(x), multipliers)
    return certified(last._replace(x=stacked(last.x)), value_at(problem, last.x, given))


def certified(last: Certificate, value: Any, xp: Any = jnp) -> Solution:
    """Answers as Newton's method left them, x (n, lanes), with the objectives there."""
    return Solution(
        x=last.x,
        multipliers=last.prices,
        value=value,
        status=xp.where(last.certified, xp.where(last.error < DETERMINED, OK, FLAT), FAILED),
        kkt=last.kkt,
        violation=xp.maximum(last.violation, 0.0),
        blame=xp.zeros_like(last.prices),
        agreement=xp.ones_like(last.kkt),
        iterations=last.steps,
    )


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _core(
    problem: ConstrainedProblem, given: Array, starts: Array, on: Array, weight: Array, rho: Array, iterations: Array
) -> tuple:
    """(x, multipliers, what else is known). A caller's `vmap` adds lanes, since other axes are slow."""
    solver = custom_vmap(partial(_best_of_starts, problem))

    @solver.def_vmap
    def _(size: int, batched: list[bool], *arguments: Array) -> tuple:
        settings = arguments[3:]
        assert not any(batched[3:])  # weight, rho and iterations are the same for all problems

        def merged(v: Array, has: bool) -> Array:
            v = jnp.moveaxis(v, 0, -2) if has else jnp.broadcast_to(v[..., None, :], (*v.shape[:-1], size, v.shape[-1]))
            return v.reshape(*v.shape[:-2], -1)

        found = solver(*map(merged, arguments[:3], batched[:3]), *settings)
        apart = jax.tree.map(lambda v: jnp.moveaxis(v.reshape(*v.shape[:-1], size, -1), -2, 0), found)
        return apart, jax.tree.map(lambda _: True, apart)

    return solver(given, starts, on, weight, rho, iterations)


@as_usual()
def _best_of_starts(
    problem: ConstrainedProblem, given: Array, starts: Array, on: Array, weight: Array, rho: Array, iterations: Array
) -> tuple:
    count = len(starts)
    many, switches = jnp.tile(given, (1, count)), jnp.tile(on, (1, count))
    ended = descended(problem, given, starts, on, weight, rho, iterations)
    last = newton(problem, many, switches, weight, listed(ended.x), ended.multipliers)

    def value(_: Array, x: Array) -> Array:
        return value_at(problem, x, many) if count > 1 else jnp.zeros_like(x[0])

    found = of_best_start(judged(ended, last._replace(x=stacked(last.x)), value), count)._asdict()
    del found["value"]  # whoever asks computes it, with its slopes
    return found.pop("x"), found.pop("multipliers"), found


def of_best_start(found: Solution, count: int, xp: Any = jnp) -> Solution:
    """Of `count` answers to each problem, which follow one another along the lanes, start by start, the best."""
    if count == 1:
        return found

    def apart(v: Any) -> Any:
        return v.reshape(*v.shape[:-1], count, -1)

    status, violation, values = apart(found.status), apart(found.violation), apart(found.value)
    # A certified point counts before a flat one of the same value.
    values = xp.where(status == OK, values, xp.where(status == FLAT, values + 1e-10, xp.inf))
    # Where no start has an answer the one that violates least speaks for all.
    best = xp.argmin(xp.where(xp.isfinite(values).any(axis=0), values, violation), axis=0)
    lane = xp.arange(values.shape[1])
    agreement = (values <= values[best, lane] + 1e-9).mean(axis=0, dtype=values.dtype)
    return Solution(*(apart(v)[..., best, lane] for v in found))._replace(agreement=agreement)


@_core.defjvp
@as_usual()
def _core_jvp(problem: ConstrainedProblem, primals: tuple, tangents: tuple) -> tuple:
    """The optimality equations stay solved; `_core` is called again inside, so that derivatives of every order
    follow."""
    x, multipliers, info = out = _core(problem, *primals)
    return out, (*_tangents(problem, primals[0], tangents[0], x, multipliers), jax.tree.map(_no_tangent, info))


def _tangents(
    problem: ConstrainedProblem, given: Array, moved: Array, x: Array, multipliers: Array
) -> tuple[Array, Array]:
    """Of x and multipliers, which solve the optimality equations, where `given` moves."""
    point = listed(x)
    n, one = len(point), jnp.ones_like(point[0])
    slopes = first_order(problem, point, given).slopes
    steepness = jnp.maximum(largest(for_each(jnp.abs, slopes)), 1e-30)
    scores = jnp.maximum(multipliers * steepness, 0.0)
    chosen = lax.stop_gradient(choose(for_each(lambda v: v / steepness, slopes), scores, n))

    def equations(given: Array) -> tuple[Listed, Listed]:
        here = first_order(problem, point, given)
        left = for_each(lambda a, b: a + over_rows(multipliers, b), here.gradient, here.slopes)
        return left, for_each(lambda pick: over_rows(pick, here.values), chosen)

    left, right = jax.jvp(equations, (given,), (moved,))[1]
    hessian = curvature_of(problem, point, given, one, multipliers)
    dx, dprices, _ = kkt_step(hessian, slopes_of_chosen(chosen, slopes), for_each(was_chosen, chosen), left, right)
    return stacked(dx), dot(chosen, dprices)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def settled(problem: ConstrainedProblem, given: Array, x: Array, multipliers: Array) -> tuple[Array, Array]:
    """x and multipliers, certified elsewhere, as they are, with their derivatives in `given`; lanes last."""
    return x, multipliers


@settled.defjvp
@as_usual()
def _settled_jvp(problem: ConstrainedProblem, primals: tuple, tangents: tuple) -> tuple:
    x, multipliers = out = settled(problem, *primals)
    return out, _tangents(problem, primals[0], tangents[0], x, multipliers)


def _no_tangent(value: Array) -> Any:
    if jnp.issubdtype(value.dtype, jnp.floating):
        return jnp.zeros_like(value)
    return jnp.zeros(value.shape, jax.dtypes.float0)


def descended(
    problem: ConstrainedProblem,
    given: Array,
    starts: Array,
    on: Array,
    weight: Any = 1.0,
    rho: Any = _RHO,
    most: Any = _ITERATIONS,
) -> InteriorEnd:
    """Where interior points lead from starts (count, n, lanes), which follow one another along the lanes."""
    count, n, _ = starts.shape
    given, on = jnp.tile(given, (1, count)), jnp.tile(on, (1, count))
    begin = listed(starts.transpose(1, 0, 2).reshape(n, -1))
    last = interior_point(problem, given, on, begin, weight, rho, most, _CLOSED * jnp.finfo(given.dtype).eps)
    scaling, prices = last.scaling, last.price[:-1]
    return InteriorEnd(
        stacked(last.x),
        prices * scaling.rows / scaling.lift,
        last.error,
        jnp.maximum((scaling.rows * rows_at(problem, last.x, given) - scaling.off).max(axis=0), 0.0),
        on * prices / rho,
        last.iteration,
    )


def judged(ended: InteriorEnd, last: Certificate, value: Callable[[Any, Any], Any], xp: Any = jnp) -> Solution:
    """What is known of answers: certified by what Newton's method made of them, or where interior points ended.

    `last.x` is (n, lanes); value(good, x) are the objectives at the x that count, `good` telling certified ones.
    """
    eps = xp.finfo(ended.x.dtype).eps
    good = last.certified & (xp.abs(last.x - ended.x).max(axis=0) < _FAR)
    x = xp.where(good, last.x, ended.x)
    violation = xp.where(good, xp.maximum(last.violation, 0.0), ended.violation)
    settled = ended.error < 1e4 * _CLOSED * eps
    flat = good | (settled & (violation < 1e-8) & (ended.error < 4e6 * eps))
    status = xp.where((violation > 1e-8) & settled, INFEASIBLE, xp.where(flat, FLAT, FAILED))
    return Solution(
        x=x,
        multipliers=xp.where(good, last.prices, ended.multipliers),
        value=value(good, x),
        status=xp.where(good & (last.error < DETERMINED), OK, status).astype(xp.int32),
        kkt=xp.where(good, last.kkt, ended.error),
        violation=violation,
        blame=ended.blame,
        agreement=xp.ones_like(violation),
        iterations=ended.iterations,
    )
