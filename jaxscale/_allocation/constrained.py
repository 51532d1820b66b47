"""Least f(x) with g(x) <= 0 for small problems, certified, and differentiable in everything that was given.

Pure JAX, for problems of two to six variables, many at once. What to solve is a `Problem`, written for one case.

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

Written out over variables, a program grows with the cube of their number. Where there are many, one array with a first
axis of variables takes the place of each tuple, and loops that of what is written out: `_each` works on both.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

from jaxscale._base.settings import as_usual

OK, INFEASIBLE, FAILED, FLAT = 0, 1, 2, 3  # flat: the value is certified, the point is not

_MU = 0.1  # complementarity at the start
_RHO = 10.0  # price of violation; rows and objective are scaled to slopes of about one
_LONGEST_STEP = 2.0  # in any variable, at once
_ITERATIONS = 60
_LOST_PIVOT = 1e-7  # in place of a pivot that rounding took
_STEPS = 20  # of Newton's method on the optimality equations
_SOLVED = 2e4  # in units of rounding: where it stops
_KKT, _VIOLATION = 4e6, 4e5  # likewise: what is certified
_DETERMINED = 1e-6  # a variable known to better than this
_WRITTEN_OUT = 4  # variables up to which all is written out, which is faster to run and longer to compile
_FAR = 0.05  # the correction moves the interior point's answer by no more

Scalars = tuple[Array, ...]
Listed = Sequence[Any] | Array  # one thing for each variable (or chosen row): apart, or as one array


class ConstrainedProblem(Protocol):
    """What to solve. It is static under `jit`: equal problems must be equal, numbers belong into `given`.

    Some rows may be `hard`: linear, kept by every start, and never broken on the way, since the problem is not defined
    beyond them (a share below zero).
    """

    @property
    def hard(self) -> tuple[int, ...]:
        """Which rows are hard."""
        ...

    def objective(self, x: Scalars, given: Array) -> Array:
        """f, a scalar, of scale one."""
        ...

    def rows(self, x: Scalars, given: Array) -> Scalars:
        """g, (m,), each at most zero where its limit is kept. They must bound x from all sides."""
        ...


class Solution(NamedTuple):
    """The answers, lanes last: x (n, lanes), multipliers and blame (m, lanes), all else (lanes,).

    `kkt` is the largest part of the optimality equations left over and `violation` the largest row, both after scaling.
    `blame` says, where the limits cannot all be kept, how much each is part of it; it sums to about one. `agreement` is
    the share of starts that reached this objective or a point as good.
    """

    x: Array
    multipliers: Array
    value: Array
    status: Array
    kkt: Array
    violation: Array
    blame: Array
    agreement: Array
    iterations: Array


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
        x=x, multipliers=multipliers, value=_value(problem, x, given), **jax.tree.map(lax.stop_gradient, info)
    )


def correct(problem: ConstrainedProblem, given: Array, x: Array, multipliers: Array) -> Solution:
    """The answers to problems much like some whose answers x and `multipliers` are known, with all rows on.

    It takes a few steps of Newton's method, fails where the answer is not near, and looks for no other optimum.
    """
    on = jnp.ones_like(multipliers)
    last = _newton(problem, given, on, jnp.ones((), given.dtype), _listed(x), multipliers)
    return Solution(
        x=_stacked(last.x),
        multipliers=last.prices,
        value=_value(problem, last.x, given),
        status=jnp.where(last.certified, jnp.where(last.error < _DETERMINED, OK, FLAT), FAILED),
        kkt=last.kkt,
        violation=jnp.maximum(last.violation, 0.0),
        blame=jnp.zeros_like(multipliers),
        agreement=jnp.ones_like(last.kkt),
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
    count, n, lanes = starts.shape
    first = _listed(starts.transpose(1, 0, 2).reshape(n, -1))
    many = jnp.tile(given, (1, count))
    x, multipliers, info = found = _from_starts(problem, many, first, jnp.tile(on, (1, count)), weight, rho, iterations)
    if count == 1:
        return found
    status, violation = info["status"].reshape(count, lanes), info["violation"].reshape(count, lanes)
    values = _value(problem, x, many).reshape(count, lanes)
    # A certified point counts before a flat one of the same value.
    values = jnp.where(status == OK, values, jnp.where(status == FLAT, values + 1e-10, jnp.inf))
    # Where no start has an answer the one that violates least speaks for all.
    best = jnp.argmin(jnp.where(jnp.isfinite(values).any(axis=0), values, violation), axis=0)
    lane = jnp.arange(lanes)

    def of_best(v: Array) -> Array:
        return v.reshape(*v.shape[:-1], count, lanes)[..., best, lane]

    x, multipliers, info = jax.tree.map(of_best, found)
    info["agreement"] = (values <= values[best, lane] + 1e-9).mean(axis=0, dtype=given.dtype)
    return x, multipliers, info


@_core.defjvp
@as_usual()
def _core_jvp(problem: ConstrainedProblem, primals: tuple, tangents: tuple) -> tuple:
    """The optimality equations stay solved; `_core` is called again inside, so that derivatives of every order
    follow."""
    given = primals[0]
    x, multipliers, info = out = _core(problem, *primals)
    point = _listed(x)
    n, one = len(point), jnp.ones_like(point[0])
    slopes = _first_order(problem, point, given).slopes
    steepness = jnp.maximum(_largest(_each(jnp.abs, slopes)), 1e-30)
    scores = jnp.maximum(multipliers * steepness, 0.0)
    chosen = lax.stop_gradient(_choose(_each(lambda v: v / steepness, slopes), scores, n))

    def equations(given: Array) -> tuple[Listed, Listed]:
        here = _first_order(problem, point, given)
        left = _each(lambda a, b: a + _over_rows(multipliers, b), here.gradient, here.slopes)
        return left, _each(lambda pick: _over_rows(pick, here.values), chosen)

    left, right = jax.jvp(equations, (given,), (tangents[0],))[1]
    hessian = _curvature(problem, point, given, one, multipliers)
    dx, dprices, _ = _kkt_step(hessian, _slopes_of(chosen, slopes), _each(_any, chosen), left, right)
    dmultipliers = _dot(chosen, dprices)
    return out, (_stacked(dx), dmultipliers, jax.tree.map(_no_tangent, info))


def _no_tangent(value: Array) -> Any:
    if jnp.issubdtype(value.dtype, jnp.floating):
        return jnp.zeros_like(value)
    return jnp.zeros(value.shape, jax.dtypes.float0)


def _from_starts(
    problem: ConstrainedProblem, given: Array, x0: Listed, on: Array, weight: Array, rho: Array, most: Array
) -> tuple:
    """From one start for each lane."""
    eps = jnp.finfo(given.dtype).eps
    here = _first_order(problem, x0, given)
    scaling = _scaling(here, on)
    interior, prices, error, iterations = _interior_point(problem, given, scaling, x0, weight, rho, most, 5e4 * eps)
    held = prices * scaling.rows / scaling.lift
    last = _newton(problem, given, on, weight, interior, held)
    moved = _largest(_each(lambda a, b: jnp.abs(a - b), last.x, interior))
    good = last.certified & (moved < _FAR)

    x = _each(lambda a, b: jnp.where(good, a, b), last.x, interior)
    violation = jnp.maximum(_scaled(_first_order(problem, x, given), scaling, weight).values.max(axis=0), 0.0)
    settled = error < 1e4 * 5e4 * eps
    flat = good | (settled & (violation < 1e-8) & (error < 4e6 * eps))
    status = jnp.where((violation > 1e-8) & settled, INFEASIBLE, jnp.where(flat, FLAT, FAILED))
    status = jnp.where(good & (last.error < _DETERMINED), OK, status)
    info = {
        "status": status.astype(jnp.int32),
        "kkt": jnp.where(good, last.kkt, error),
        "violation": violation,
        "blame": on * prices / rho,
        "agreement": jnp.ones_like(violation),
        "iterations": iterations,
    }
    return _stacked(x), jnp.where(good, last.prices, held), info


# --- What a problem is at a point ------------------------------------------------------------------------------------


class _Local(NamedTuple):
    """Rows (m, lanes), their slopes in each variable, and the objective's slopes."""

    values: Array
    slopes: Listed
    gradient: Listed


class _Scaling(NamedTuple):
    """Factors that give objective and rows slopes of order one; those of rows that are off are zero."""

    lift: Array
    rows: Array
    off: Array


# As functions of their own they are traced once for all who need them, which is most of the time before compilation.
@partial(jax.jit, static_argnums=0, inline=True)
def _first_order(problem: ConstrainedProblem, x: Listed, given: Array) -> _Local:
    def one(x: Any, given: Array) -> tuple:
        def both(x: Listed) -> tuple:
            return problem.objective(tuple(x), given), problem.rows(tuple(x), given)

        if isinstance(x, tuple):
            pairs = [_derivative(both, x, i) for i in range(len(x))]
            return pairs[0][0][1], [slope for _, slope in pairs]
        (_, values), push = jax.linearize(both, x)
        return values, jax.vmap(push)(jnp.eye(len(x), dtype=x.dtype))

    values, changes = jax.vmap(one, in_axes=-1, out_axes=-1)(x, given)
    if isinstance(x, tuple):
        slopes, gradient = tuple(jnp.stack(rows) for _, rows in changes), tuple(slope for slope, _ in changes)
    else:
        gradient, slopes = changes[0], jnp.stack(changes[1], axis=1)
    return _Local(jnp.stack(values), slopes, gradient)


@partial(jax.jit, static_argnums=0, inline=True)
def _curvature(problem: ConstrainedProblem, x: Listed, given: Array, factor: Array, prices: Array) -> Listed:
    """Second derivatives of the Lagrangian: rows that are linear have no part in them, nor in the program."""

    def one(x: Listed, given: Array, factor: Array, prices: Array) -> Listed:
        def lagrangian(x: Listed) -> Array:
            return factor * problem.objective(tuple(x), given) + _dot(tuple(prices), problem.rows(tuple(x), given))

        if not isinstance(x, tuple):
            return jax.jacfwd(jax.grad(lagrangian))(x)
        return [
            [_derivative(lambda y, i=i: _derivative(lagrangian, y, i)[1], x, j)[1] for j in range(i + 1)]
            for i in range(len(x))
        ]

    return jax.vmap(one, in_axes=-1, out_axes=-1)(x, given, factor, prices)


@partial(jax.jit, static_argnums=0, inline=True)
def _value(problem: ConstrainedProblem, x: Array, given: Array) -> Array:
    return jax.vmap(lambda x, given: problem.objective(tuple(x), given), in_axes=-1, out_axes=-1)(x, given)


def _scaling(here: _Local, on: Array) -> _Scaling:
    """A flat loss is raised, and a row of small slope too: its multiplier would be huge."""
    lift = jnp.clip(0.1 / (_largest(_each(jnp.abs, here.gradient)) + 1e-12), 1.0, 100.0)
    rows = jnp.clip(1 / (_largest(_each(jnp.abs, here.slopes)) + 1e-12), 1e-3, 300.0)
    return _Scaling(lift, on * rows, 1 - on)


def _scaled(here: _Local, scaling: _Scaling, weight: Array) -> _Local:
    return _Local(
        scaling.rows * here.values - scaling.off,  # a row that is off is kept with ease
        _each(lambda v: scaling.rows * v, here.slopes),
        _each(lambda v: weight * scaling.lift * v, here.gradient),
    )


# --- 1. Interior point ---------------------------------------------------------------------------------------------


class _Interior(NamedTuple):
    x: Listed
    t: Array
    slack: Array  # of the rows, then of t >= 0
    price: Array
    error: Array
    iteration: Array


def _interior_point(
    problem: ConstrainedProblem,
    given: Array,
    scaling: _Scaling,
    x: Listed,
    weight: Array,
    rho: Array,
    most: Array,
    tolerance: Any,
) -> tuple[Listed, Array, Array, Array]:
    """(x, multipliers of the scaled rows, largest residual, iterations) of the elastic problem."""
    n, one = len(x), jnp.ones_like(x[0])
    tiny = jnp.finfo(one.dtype).tiny
    hard = list(problem.hard)

    def look(x: Listed) -> _Local:
        """With t >= 0 as one more row, 0 <= t."""
        here = _scaled(_first_order(problem, x, given), scaling, weight)
        return _Local(_with_zero(here.values), _each(_with_zero, here.slopes), here.gradient)

    def unfinished(state: _Interior) -> Array:
        return (state.error > tolerance) & (state.iteration < most)

    def advance(state: _Interior) -> _Interior:
        t, s, lam = state.t, state.slack, state.price
        m = len(s)
        values, slopes, gradient = look(state.x)
        hessian = _curvature(problem, state.x, given, weight * scaling.lift, lam[:-1] * scaling.rows)
        yields = _yielding(s, hard)
        dual = _each(lambda a, b: a + _over_rows(lam, b), gradient, slopes)
        dual = _joined(dual, rho - _over_rows(yields, lam))
        primal = values - yields * t + s
        mu = _over_rows(lam, s) / m
        w = lam / s
        weighted = _each(lambda v: w * v, slopes)
        border = _joined(_each(lambda v: -_over_rows(yields, v), weighted), _over_rows(yields, w))
        matrix = _bordered(_added(hessian, _over_rows, weighted, slopes), border)
        back, _ = _cholesky(matrix, safe=True)

        def direction(complementarity: Array) -> tuple[Listed, Array, Array]:
            """Steps of (x, t), slacks and prices towards the rows' wanted products of slack and price."""
            q = (lam * primal - complementarity) / s
            towards = _each(lambda a, v: -a - _over_rows(v, q), dual[:n], slopes)
            step = back(_joined(towards, _over_rows(yields, q) - dual[n]))
            ds = yields * step[n] - _dot(slopes, step[:n]) - primal
            return step, ds, (-complementarity - lam * ds) / s

        def room(values: Array, changes: Array, share: Any) -> Array:
            return 1 / jnp.maximum((-changes / values).max(axis=0) / share, 1.0)

        # While the slopes do not balance, products stay above rounding: weights of 1e10 would drown a flat loss.
        floor = jnp.maximum(0.01 * tolerance, 1e-2 * _largest(_each(jnp.abs, dual)))
        floor = jnp.minimum(floor, 1e-3)
        _, ds, dlam = direction(lam * s)
        after = _over_rows(lam + room(lam, dlam, 1.0) * dlam, s + room(s, ds, 1.0) * ds)
        target = jnp.maximum(jnp.clip(after / m / mu, 0, 1) ** 3 * mu, floor)
        step, ds, dlam = direction(lam * s - target + dlam * ds)
        share = jnp.clip(1 - mu, 0.995, 1 - 1e-6)
        # A jump of curvature can make full steps cycle; two of three late steps are halved.
        damping = jnp.where((state.iteration > 14) & (state.iteration % 3 > 0), 0.5, 1.0)
        longest = jnp.maximum(_largest(_each(jnp.abs, step)), tiny)
        ahead = damping * jnp.minimum(room(s, ds, share), _LONGEST_STEP / longest)
        dual_ahead = damping * room(lam, dlam, share)
        new = _Interior(
            _each(lambda a, b: a + ahead * b, state.x, step[:n]),
            t + ahead * step[n],
            s + ahead * ds,
            lam + dual_ahead * dlam,
            jnp.maximum(jnp.maximum(_largest(_each(jnp.abs, dual)), jnp.abs(primal).max(axis=0)), mu),
            state.iteration + 1,
        )
        return _where(unfinished(state), new, state)

    levels = look(x).values[:-1]
    t = jnp.maximum(levels.max(axis=0), 0.0) + 0.5
    slack = jnp.maximum(t - levels, 0.05)
    if hard:
        slack = slack.at[jnp.array(hard)].set(jnp.maximum(-levels[jnp.array(hard)], 1e-9))
    # The price of t carries the whole price of violation at first: that balances it and saves half the iterations.
    first = _Interior(
        x,
        t,
        jnp.concatenate([slack, t[None]]),
        jnp.concatenate([_MU / slack, (rho * one)[None]]),
        jnp.inf * one,
        jnp.zeros(one.shape, jnp.int32),
    )
    last = lax.while_loop(lambda s: unfinished(s).any(), advance, first)
    return last.x, last.price[:-1], last.error, last.iteration


# --- 2. Active rows ------------------------------------------------------------------------------------------------


class _Certificate(NamedTuple):
    """What Newton's method reached."""

    x: Listed
    prices: Array  # of the rows as they were given, with the objective as it was given
    kkt: Array
    violation: Array
    error: Array  # in x, as the last step tells and as rounding of the slopes may hide
    steps: Array

    @property
    def certified(self) -> Array:
        """Whether the equations are solved, all rows kept and no price negative: the value is right, if not x."""
        eps = jnp.finfo(self.kkt.dtype).eps
        return (self.kkt < _KKT * eps) & (self.violation < _VIOLATION * eps)


def _newton(
    problem: ConstrainedProblem, given: Array, on: Array, weight: Array, x: Listed, prices: Array
) -> _Certificate:
    """Newton's method on the optimality equations, with the rows that hold guessed anew in every step.

    They are those whose price outweighs their slack: rows of negative price go and violated ones come (Hintermueller,
    Ito and Kunisch 2002, doi 10.1137/S1052623401383558). It has no safeguard but the certificate.
    """
    n, unknown = len(x), jnp.full_like(x[0], jnp.inf)
    rounding = jnp.finfo(unknown.dtype).eps
    enough = _SOLVED * rounding

    def unfinished(state: _Certificate) -> Array:
        return ((state.kkt > enough) | (state.violation > enough)) & (state.steps < _STEPS)

    def advance(state: _Certificate) -> _Certificate:
        here = _first_order(problem, state.x, given)
        scaling = _scaling(here, on)
        values, slopes, gradient = _scaled(here, scaling, weight)
        prices = state.prices * scaling.lift / jnp.where(scaling.rows > 0, scaling.rows, 1.0)
        # Where more rows meet than there are variables the choice can go round in circles. It is varied then: violated
        # rows come before all others, and the order of the rest is shuffled.
        late, shuffled = state.steps > 3, 0.618034 * state.steps * (1 + jnp.arange(len(values)))[:, None] % 1
        weights = jnp.where(late, 0.02 + shuffled, 1.0)
        urgent = jnp.where(late & (state.steps % 2 == 0), 1e6, 1.0)
        scores = jnp.maximum(prices + values * jnp.where(values > 0, urgent, 1.0), 0.0)
        chosen = _choose(slopes, weights * scores, n)
        rows, right = _slopes_of(chosen, slopes), _each(lambda pick: _over_rows(pick, values), chosen)
        nu = _each(lambda pick: _over_rows(pick, prices), chosen)
        left = _each(lambda a, column: a + _dot(nu, column), gradient, _turned(rows))
        kkt = _largest([_largest(_each(jnp.abs, v)) for v in (left, right)] + [_largest(_each(jnp.negative, nu))])
        hessian = _curvature(problem, state.x, given, weight * scaling.lift, _dot(chosen, nu) * scaling.rows)
        dx, dnu, curvature = _kkt_step(hessian, rows, _each(_any, chosen), left, right)
        length, violation = jnp.maximum(_largest(_each(jnp.abs, dx)), 1e-30), values.max(axis=0)
        # Where rounding alone leads far the objective is flat, and here is as good as there.
        flat = (kkt <= enough) & (violation <= enough) & (length > _DETERMINED)
        share = jnp.where(flat, 0.0, jnp.minimum(1.0, _LONGEST_STEP / length))
        held = _dot(chosen, _each(lambda a, b: a + share * b, nu, dnu))
        moved = _each(lambda a, b: a + share * b, state.x, dx)
        error = jnp.maximum(length, rounding * _largest(_each(jnp.abs, gradient)) / curvature)
        new = _Certificate(moved, held * scaling.rows / scaling.lift, kkt, violation, error, state.steps + 1)
        return _where(unfinished(state), new, state)

    first = _Certificate(x, prices, unknown, unknown, unknown, jnp.zeros(unknown.shape, jnp.int32))
    return lax.while_loop(lambda state: unfinished(state).any(), advance, first)


def _choose(slopes: Listed, scores: Array, n: int) -> Listed:
    """At most n rows of positive score and independent slopes, best scores first; each as one-hot weights (or none)."""
    scores = scores * (1 - 1e-9 * jnp.arange(len(scores), dtype=scores.dtype))[:, None]  # the first of equals
    lengths = _dot(slopes, slopes)

    def choose(left: tuple[Listed, Array], _: None = None) -> tuple[tuple[Listed, Array], Array]:
        rest, scores = left  # the part of each row outside those already chosen, and what they score
        new = jnp.where(_dot(rest, rest) > 1e-8 * lengths, scores, 0.0)
        best = new.max(axis=0)
        pick = ((new == best) & (best > 0)).astype(new.dtype)
        row = _each(lambda v: _over_rows(pick, v), rest)
        size = _dot(row, row) + (1e-300 if best.dtype == jnp.float64 else 1e-30)
        along = _dot(rest, row) / size
        return (_each(lambda v, a: v - along * a, rest, row), scores * (1 - pick)), pick

    if not isinstance(slopes, tuple):
        return lax.scan(choose, (slopes, scores), length=n)[1]
    left, chosen = (slopes, scores), []
    for _ in range(n):
        left, pick = choose(left)
        chosen.append(pick)
    return tuple(chosen)


def _slopes_of(chosen: Listed, slopes: Listed) -> Listed:
    """Of each chosen row its slope in each variable."""
    return _each(lambda pick: _each(lambda v: _over_rows(pick, v), slopes), chosen)


def _kkt_step(hessian: Listed, rows: Listed, used: Listed, left: Listed, right: Listed) -> tuple[Listed, Listed, Array]:
    """(dx, dprices) with H dx + B' dprices = -left and B dx = -right, where rows not used have no part; and the least
    curvature met, that of H along the rows or of the rows across."""
    columns = _turned(rows)
    back, pivots = _cholesky(_added(hessian, _dot, columns, columns), safe=False)
    through = _each(back, rows)
    schur = _added(_diagonal(_each(lambda v: 1.0 - v, used)), _dot, rows, through)
    u = back(_each(lambda a, column: -a - _dot(column, right), left, columns))
    dprices = _cholesky(schur, safe=False)[0](_each(lambda row, r: _dot(row, u) + r, rows, right))
    dx = _each(lambda a, column: a - _dot(column, dprices), u, _turned(through))
    return dx, _each(jnp.multiply, dprices, used), _least(_each(jnp.abs, pivots))


# --- Small algebra -------------------------------------------------------------------------------------------------


def _derivative(function: Callable[[Scalars], Any], x: Scalars, i: int) -> tuple[Any, Any]:
    """The value, and its slope in one variable."""
    return jax.jvp(lambda v: function((*x[:i], v, *x[i + 1 :])), (x[i],), (jnp.ones_like(x[i]),))


def _listed(values: Array) -> Listed:
    """Values (n, lanes) of the variables as all here take them: apart where they are few."""
    return tuple(values) if len(values) <= _WRITTEN_OUT else jnp.asarray(values)


def _stacked(values: Listed) -> Array:
    return jnp.stack(values) if isinstance(values, tuple) else jnp.asarray(values)


def _each(function: Callable[..., Any], *values: Listed) -> Any:
    """What the function makes of each, listed as they are."""
    if isinstance(values[0], Array):
        return jax.vmap(function)(*values)
    return tuple(function(*some) for some in zip(*values, strict=True))


def _joined(values: Listed, last: Array) -> Listed:
    return jnp.concatenate([values, last[None]]) if isinstance(values, Array) else (*values, last)


def _turned(matrix: Listed) -> Listed:
    return matrix.swapaxes(0, 1) if isinstance(matrix, Array) else tuple(zip(*matrix, strict=True))


def _diagonal(values: Listed) -> Listed:
    """A matrix, as `_cholesky` reads it."""
    if isinstance(values, Array):
        return jnp.eye(len(values), dtype=values.dtype)[..., None] * values
    return [[*[0.0] * i, v] for i, v in enumerate(values)]


def _added(matrix: Listed, function: Callable[..., Array], a: Listed, b: Listed) -> Listed:
    """A matrix and function(a[i], b[j]), as `_cholesky` reads it."""
    if isinstance(matrix, Array):
        return matrix + jax.vmap(lambda u: jax.vmap(lambda v: function(u, v))(b))(a)
    return [[matrix[i][j] + function(a[i], b[j]) for j in range(i + 1)] for i in range(len(matrix))]


def _bordered(matrix: Listed, border: Listed) -> Listed:
    """A matrix with one row more, as `_cholesky` reads it."""
    if isinstance(matrix, Array):
        return jnp.concatenate([jnp.pad(matrix, ((0, 0), (0, 1), (0, 0))), jnp.asarray(border)[None]])
    return [*matrix, border]


def _sum(values: Any) -> Array:
    return values.sum(axis=0) if isinstance(values, Array) else reduce(lambda a, b: a + b, values)


def _dot(a: Listed, b: Listed) -> Array:
    return _sum(_each(lambda u, v: u * v, a, b))


def _any(pick: Array) -> Array:
    """1 where a row was chosen, else 0."""
    return pick.sum(axis=0)


def _over_rows(a: Array, b: Array) -> Array:
    return (a * b).sum(axis=0)


def _largest(values: Any) -> Array:
    return values.max(axis=0) if isinstance(values, Array) else reduce(jnp.maximum, values)


def _least(values: Any) -> Array:
    return values.min(axis=0) if isinstance(values, Array) else reduce(jnp.minimum, values)


def _yielding(rows: Array, hard: Sequence[int]) -> Any:
    """1 for every row that gives way to t, 0 for those that are hard, (rows, 1)."""
    return jnp.array([[float(j not in hard)] for j in range(len(rows))], rows.dtype) if hard else 1.0


def _with_zero(rows: Array) -> Array:
    return jnp.concatenate([rows, jnp.zeros_like(rows[:1])])


def _where(condition: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _cholesky(matrix: Listed, safe: bool) -> tuple[Callable[[Listed], Listed], Listed]:
    """Solver for a symmetric matrix, of which the lower part is read, as L diag(d) L'; and d, its pivots.

    If `safe`, pivots that are negative or lost become positive, so that a step goes downhill.
    """
    n = len(matrix)

    def usable(pivot: Array, diagonal: Array) -> Array:
        if not safe:
            return jnp.where(jnp.abs(pivot) > 1e-30, pivot, 1e-30)
        least = 1e-12 + 4e-16 * jnp.abs(diagonal)
        return jnp.where(pivot > least, pivot, jnp.maximum(jnp.abs(pivot), jnp.maximum(least, _LOST_PIVOT)))

    if isinstance(matrix, Array):
        return _cholesky_in_loops(matrix, usable)
    lower: list[list[Any]] = [[None] * n for _ in range(n)]
    inverse: list[Any] = [None] * n
    pivots: list[Any] = [None] * n
    for j in range(n):
        pivot = reduce(lambda a, k: a - lower[j][k] ** 2 * pivots[k], range(j), matrix[j][j])
        pivot = usable(pivot, matrix[j][j])
        pivots[j], inverse[j] = pivot, 1 / pivot
        for i in range(j + 1, n):
            part = reduce(lambda a, k: a - lower[i][k] * lower[j][k] * pivots[k], range(j), matrix[i][j])
            lower[i][j] = part * inverse[j]

    def back(b: Listed) -> Listed:
        y: list[Any] = []
        for i in range(n):
            y.append(reduce(lambda a, k: a - lower[i][k] * y[k], range(i), b[i]))
        x: list[Any] = [None] * n
        for i in reversed(range(n)):
            x[i] = reduce(lambda a, k: a - lower[k][i] * x[k], range(i + 1, n), y[i] * inverse[i])
        return tuple(x)

    return back, pivots


def _cholesky_in_loops(
    matrix: Array, usable: Callable[[Array, Array], Array]
) -> tuple[Callable[[Listed], Listed], Array]:
    """The same of one array (n, n, lanes)."""
    n = len(matrix)
    below = jnp.arange(n)[:, None]

    def eliminate(work: Array, j: Array) -> tuple[Array, tuple[Array, Array]]:
        column = work[:, j]
        pivot = usable(column[j], matrix[j, j])
        column = jnp.where(below > j, column * (1 / pivot), 0.0)
        return work - column[:, None] * column * pivot, (column, pivot)

    _, (columns, pivots) = lax.scan(eliminate, matrix, jnp.arange(n))
    rows = columns.swapaxes(0, 1)

    def back(b: Any) -> Array:
        y = lax.fori_loop(0, n, lambda i, y: y - columns[i] * y[i], b)
        return lax.fori_loop(0, n, lambda k, x: x - rows[n - 1 - k] * x[n - 1 - k], y * (1 / pivots))

    return back, pivots
