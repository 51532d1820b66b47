"""Least f(x) with g(x) <= 0 for one small problem, certified, and differentiable in everything that was given.

Pure JAX, written for one problem of two to six variables; `jax.vmap` adds axes. What to solve is a `Problem`.

1. An interior point method (primal-dual, with Mehrotra's predictor and corrector) on the elastic problem

       min  w f(x) + rho t   with   g_j(x) <= t,   t >= 0,

   which has an interior whatever the limits are. Its t is zero where the limits can be kept.
2. The active rows are guessed from multipliers over slacks, and Newton's method solves the equations they leave
   (Karush, Kuhn and Tucker). Rows with negative multipliers go, violated ones come, and it is tried again.
3. An answer counts only with its certificate: equations solved, every limit kept, no multiplier negative.

Derivatives of every order follow from those equations by implicit differentiation, with the active rows held.
Vectors are tuples of scalars and small systems are solved by unrolled elimination: under `vmap` every operation then
runs over the batch.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax

OK, INFEASIBLE, FAILED, FLAT = 0, 1, 2, 3  # flat: the value is certified, the point is not

_MU = 0.1  # complementarity at the start
_RHO = 10.0  # price of violation; rows and objective are scaled to slopes of about one
_LONGEST_STEP = 2.0  # in any variable, at once
_ITERATIONS = 60
_LOST_PIVOT = 1e-7  # in place of a pivot that rounding took
_STEPS = 10  # of Newton's method on the optimality equations
_SOLVED = 2e4  # in units of rounding: where it stops
_KKT, _VIOLATION = 4e6, 4e5  # likewise: what is certified
_DETERMINED = 1e-6  # a variable known to better than this
_FAR = 0.05  # the correction moves the interior point's answer by no more

Scalars = tuple[Array, ...]


class Problem(Protocol):
    """What to solve. It is static under `jit`: equal problems must be equal, numbers belong into `given`."""

    def objective(self, x: Scalars, given: Array) -> Array:
        """f, a scalar, of scale one."""
        ...

    def rows(self, x: Scalars, given: Array) -> Scalars:
        """g, (m,), each at most zero where its limit is kept. They must bound x from all sides."""
        ...


class Solution(NamedTuple):
    """The answer to one problem.

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


def solve(
    problem: Problem,
    given: Array,
    starts: Array,
    on: Array,
    weight: Any = 1.0,
    rho: Any = _RHO,
    iterations: Any = _ITERATIONS,
    multipliers: Array | None = None,
) -> Solution:
    """Least objective within the rows that are switched on; differentiable in `given`.

    A problem much like one whose answer is known needs no interior point: with `iterations` 0 the only start is that
    answer's x, and `multipliers` are its own. This takes a fifth of the time, fails where the answer is not near, and
    looks for no other optimum.

    Args:
        problem: static.
        given: (k,) the numbers the problem depends on.
        starts: (n_starts, n) points to start from; the best answer counts.
        on: (m,) 1 for rows that count, 0 for those left out.
        weight: of the objective; with 0 only the limits are looked at, to see whether they can be kept.
        rho: price of violation. It must exceed the sum of the (scaled) multipliers.
        iterations: most steps of the interior point method.
        multipliers: (m,) to begin with where there are no such steps.
    """
    first = jnp.zeros_like(on) if multipliers is None else multipliers
    settings = [jnp.asarray(v, given.dtype) for v in (weight, rho, iterations, first)]
    x, found, _, info = _core(problem, given, starts, on, *settings)
    value = problem.objective(tuple(x), given)
    return Solution(x=x, multipliers=found, value=value, **jax.tree.map(lax.stop_gradient, info))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _core(
    problem: Problem,
    given: Array,
    starts: Array,
    on: Array,
    weight: Array,
    rho: Array,
    iterations: Array,
    multipliers: Array,
) -> tuple:
    """(x, multipliers, chosen rows as one-hot weights (n, m), what else is known)."""
    one = partial(
        _from_one_start, problem, given, on=on, weight=weight, rho=rho, most=iterations, multipliers=multipliers
    )
    if starts.shape[0] == 1:
        return one(starts[0])
    x, found, chosen, info = jax.vmap(one)(starts)
    status = info["status"]
    values = jax.vmap(lambda p: problem.objective(tuple(p), given))(x)
    # A certified point counts before a flat one of the same value.
    values = jnp.where(status == OK, values, jnp.where(status == FLAT, values + 1e-10, jnp.inf))
    # Where no start has an answer the one that violates least speaks for all.
    best = jnp.where(jnp.isfinite(values).any(), jnp.argmin(values), jnp.argmin(info["violation"]))
    agreement = (values <= values[best] + 1e-9).mean(dtype=given.dtype)
    info = {name: v[best] for name, v in info.items()}
    info["agreement"] = agreement
    return x[best], found[best], chosen[best], info


@_core.defjvp
def _core_jvp(problem: Problem, primals: tuple, tangents: tuple) -> tuple:
    """The optimality equations stay solved; `_core` is called again inside, so that derivatives of every order
    follow."""
    given = primals[0]
    x, multipliers, chosen, info = out = _core(problem, *primals)
    rows = tuple(map(tuple, lax.stop_gradient(chosen)))
    point = tuple(x)
    prices = tuple(_dot(pick, tuple(multipliers)) for pick in rows)

    def equations(given: Array) -> tuple[Scalars, Scalars]:
        lagrangian, picked = _equality(problem, given, rows, prices)
        return _gradient(lagrangian, point), picked(point)

    left, right = jax.jvp(equations, (given,), (tangents[0],))[1]
    lagrangian, picked = _equality(problem, given, rows, prices)
    dx, dprices = _kkt_step(lagrangian, picked, _used(rows), point, left, right, hold=lambda v: v)
    dmultipliers = tuple(_dot(column, dprices) for column in zip(*rows, strict=True))
    still = jax.tree.map(_no_tangent, (chosen, info))
    return out, (jnp.stack(dx), jnp.stack(dmultipliers), *still)


def _no_tangent(value: Array) -> Any:
    if jnp.issubdtype(value.dtype, jnp.floating):
        return jnp.zeros_like(value)
    return jnp.zeros(value.shape, jax.dtypes.float0)


def _scaled(
    problem: Problem, given: Array, x0: Scalars, switches: Scalars, weight: Any = 1.0
) -> tuple[Callable[[Scalars], Array], Callable[[Scalars], Scalars], Array, Scalars]:
    """Objective and rows with slopes of order one at x0, and the factors that made them so.

    A flat loss is raised, and a row of small slope too: its multiplier would be huge.
    """
    steepest = _largest(jnp.abs(v) for v in _gradient(lambda x: problem.objective(x, given), x0))
    lift = jnp.clip(0.1 / (steepest + 1e-12), 1.0, 100.0)
    row_slopes = _jacobian(lambda x: problem.rows(x, given), x0)
    scales = tuple(jnp.clip(1 / (_largest(jnp.abs(v) for v in row) + 1e-12), 1e-3, 300.0) for row in row_slopes)

    def f(x: Scalars) -> Array:
        return weight * lift * problem.objective(x, given)

    def g(x: Scalars) -> Scalars:
        rows = zip(switches, scales, problem.rows(x, given), strict=True)
        return tuple(o * a * b - (1 - o) for o, a, b in rows)  # a row that is off is kept with ease

    return f, g, lift, scales


def _from_one_start(
    problem: Problem,
    given: Array,
    start: Array,
    on: Array,
    weight: Array,
    rho: Array,
    most: Array,
    multipliers: Array,
) -> tuple:
    dtype = start.dtype
    x0, switches = tuple(start), tuple(on)
    f, g, lift, scales = _scaled(problem, given, x0, switches, weight)

    eps = jnp.finfo(dtype).eps
    known = tuple(lift * v / scale for v, scale in zip(tuple(multipliers), scales, strict=True))
    interior, prices, error, iterations = lax.cond(
        most > 0,
        lambda: _interior_point(f, g, x0, rho, most, 5e4 * eps),
        lambda: (x0, known, jnp.inf * lift, jnp.zeros((), jnp.int32)),
    )
    last = _newton(f, g, interior, prices)
    moved = _largest(jnp.abs(a - b) for a, b in zip(last.x, interior, strict=True))
    good = last.certified & ((moved < _FAR) | (most == 0))

    x = tuple(jnp.where(good, a, b) for a, b in zip(last.x, interior, strict=True))
    violation = jnp.maximum(_largest(g(x)), 0.0)
    settled = error < 1e4 * 5e4 * eps
    flat = good | (settled & (violation < 1e-8) & (error < 4e6 * eps))
    status = jnp.where((violation > 1e-8) & settled, INFEASIBLE, jnp.where(flat, FLAT, FAILED))
    status = jnp.where(good & (last.error < _DETERMINED), OK, status)
    held = tuple(
        jnp.where(good, mine, theirs) * scale / (weight * lift + (weight == 0))
        for mine, theirs, scale in zip(last.prices, prices, scales, strict=True)
    )
    info = {
        "status": status.astype(jnp.int32),
        "kkt": jnp.where(good, last.kkt, error),
        "violation": violation,
        "blame": jnp.stack([o * p / rho for o, p in zip(switches, prices, strict=True)]),
        "agreement": jnp.ones((), dtype),
        "iterations": iterations,
    }
    return jnp.stack(x), jnp.stack(held), jnp.stack([jnp.stack(row) for row in last.rows]), info


# --- 1. Interior point ---------------------------------------------------------------------------------------------


def _interior_point(
    f: Callable[[Scalars], Array],
    g: Callable[[Scalars], Scalars],
    x: Scalars,
    rho: Array,
    most: Array,
    tolerance: Any,
) -> tuple[Scalars, Scalars, Array, Array]:
    """(x, multipliers of the rows, largest residual, iterations) of the elastic problem."""
    n = len(x)
    one = jnp.ones_like(x[0])
    tiny = jnp.finfo(one.dtype).tiny

    class State(NamedTuple):
        x: Scalars
        t: Array
        slack: Scalars  # of the rows, then of t >= 0
        price: Scalars
        error: Array
        iteration: Array

    def advance(state: State) -> State:
        x, t, s, lam = state.x, state.t, state.slack, state.price
        m = len(s) - 1

        def lagrangian(y: Scalars) -> Array:
            return f(y) + _dot(lam[:m], g(y))

        # The barriers keep XLA from computing derivatives and steps again for everything that uses them.
        levels, jacobian, slopes, hessian = lax.optimization_barrier(
            (g(x), _jacobian(g, x), _gradient(lagrangian, x), _hessian(lagrangian, x))
        )
        dual = (*slopes, rho - sum(lam[:-1], lam[-1]))
        primal = (*(v - t + b for v, b in zip(levels, s, strict=False)), s[-1] - t)
        mu = _dot(lam, s) / (m + 1)
        w = [a / b for a, b in zip(lam, s, strict=True)]
        dual, primal, mu, w = lax.optimization_barrier((dual, primal, mu, w))

        matrix: list[list[Any]] = [[None] * (n + 1) for _ in range(n + 1)]
        for i in range(n):
            weighted = [w[q] * jacobian[q][i] for q in range(m)]
            for j in range(i + 1):
                matrix[i][j] = hessian[i][j] + sum(
                    (weighted[q] * jacobian[q][j] for q in range(1, m)), weighted[0] * jacobian[0][j]
                )
            matrix[n][i] = -sum(weighted[1:], weighted[0])
        matrix[n][n] = sum(w[:m], w[m])
        back = _cholesky(lax.optimization_barrier(matrix), safe=True)

        def direction(complementarity: Sequence[Array]) -> tuple[Scalars, Scalars, Scalars]:
            """Steps of (x, t), slacks and prices towards the rows' wanted products of slack and price."""
            q = [(p * r - c) / b for p, r, c, b in zip(lam, primal, complementarity, s, strict=True)]
            towards = [
                -dual[i] - sum((jacobian[j][i] * q[j] for j in range(1, m)), jacobian[0][i] * q[0]) for i in range(n)
            ]
            step = lax.optimization_barrier(back(lax.optimization_barrier((*towards, -dual[n] + sum(q[:m], q[m])))))
            along = (*(_dot(row, step[:n]) - step[n] for row in jacobian), -step[n])
            ds = tuple(-r - a for r, a in zip(primal, along, strict=True))
            dlam = tuple((-c - p * e) / b for c, p, e, b in zip(complementarity, lam, ds, s, strict=True))
            return lax.optimization_barrier((step, ds, dlam))

        def room(values: Sequence[Array], changes: Sequence[Array], share: Any) -> Array:
            return 1 / jnp.maximum(_largest(-b / a for a, b in zip(values, changes, strict=True)) / share, 1.0)

        # While the slopes do not balance, products stay above rounding: weights of 1e10 would drown a flat loss.
        floor = jnp.maximum(0.01 * tolerance, 1e-2 * _largest(map(jnp.abs, dual)))
        floor = jnp.minimum(floor, 1e-3)
        _, ds, dlam = direction([a * b for a, b in zip(lam, s, strict=True)])
        ahead, dual_ahead = room(s, ds, 1.0), room(lam, dlam, 1.0)
        after = _dot(
            [p + dual_ahead * dp for p, dp in zip(lam, dlam, strict=True)],
            [b + ahead * db for b, db in zip(s, ds, strict=True)],
        )
        target = lax.optimization_barrier(jnp.maximum(jnp.clip(after / (m + 1) / mu, 0, 1) ** 3 * mu, floor))
        step, ds, dlam = direction([p * b - target + dp * db for p, b, dp, db in zip(lam, s, dlam, ds, strict=True)])
        share = jnp.clip(1 - mu, 0.995, 1 - 1e-6)
        # A jump of curvature can make full steps cycle; two of three late steps are halved.
        damping = jnp.where((state.iteration > 14) & (state.iteration % 3 > 0), 0.5, 1.0)
        longest = jnp.maximum(_largest(map(jnp.abs, step)), tiny)
        ahead = damping * jnp.minimum(room(s, ds, share), _LONGEST_STEP / longest)
        ahead, dual_ahead = lax.optimization_barrier((ahead, damping * room(lam, dlam, share)))
        return State(
            tuple(a + ahead * b for a, b in zip(x, step, strict=False)),
            t + ahead * step[n],
            tuple(a + ahead * b for a, b in zip(s, ds, strict=True)),
            tuple(a + dual_ahead * b for a, b in zip(lam, dlam, strict=True)),
            jnp.maximum(_largest(map(jnp.abs, (*dual, *primal))), mu),
            state.iteration + 1,
        )

    levels = g(x)
    t = jnp.maximum(_largest(levels), 0.0) + 0.5
    slack = tuple(jnp.maximum(t - v, 0.05) for v in levels)
    # The price of t carries the whole price of violation at first: that balances it and saves half the iterations.
    price = tuple(_MU / v for v in slack)
    first = State(x, t, (*slack, t), (*price, rho * one), jnp.inf * one, jnp.zeros((), jnp.int32))
    last = lax.while_loop(lambda s: (s.error > tolerance) & (s.iteration < most), advance, first)
    return last.x, last.price[:-1], last.error, last.iteration


# --- 2. Active rows ------------------------------------------------------------------------------------------------


class _Certificate(NamedTuple):
    """What Newton's method reached; `rows` are those that hold, as one-hot weights."""

    x: Scalars
    prices: Scalars  # of all rows
    rows: tuple[Scalars, ...]
    kkt: Array
    violation: Array
    error: Array  # in x, as the last step tells
    steps: Array

    @property
    def certified(self) -> Array:
        """Whether the equations are solved, all rows kept and no price negative: the value is right, if not x."""
        eps = jnp.finfo(self.kkt.dtype).eps
        return (self.kkt < _KKT * eps) & (self.violation < _VIOLATION * eps)


def _newton(
    f: Callable[[Scalars], Array], g: Callable[[Scalars], Scalars], x: Scalars, prices: Scalars
) -> _Certificate:
    """Newton's method on the optimality equations, with the rows that hold guessed anew in every step.

    They are those whose price outweighs their slack: rows of negative price go and violated ones come (Hintermueller,
    Ito and Kunisch 2002, doi 10.1137/S1052623401383558). It has no safeguard but the certificate.
    """
    n, one = len(x), jnp.ones_like(x[0])
    enough = _SOLVED * jnp.finfo(one.dtype).eps

    def advance(state: _Certificate) -> _Certificate:
        x, prices = state.x, state.prices
        levels, slopes = lax.optimization_barrier((g(x), _jacobian(g, x)))
        scores = tuple(jnp.maximum(p + v, 0.0) for p, v in zip(prices, levels, strict=True))
        rows = lax.optimization_barrier(_choose(slopes, scores, n))
        nu = lax.optimization_barrier(tuple(_dot(row, prices) for row in rows))
        lagrangian, picked = _equality_of(f, g, rows, nu)
        left, right = lax.optimization_barrier((_gradient(lagrangian, x), picked(x)))
        kkt = _largest((*map(jnp.abs, left), *map(jnp.abs, right), *(-v for v in nu)))
        dx, dnu = _kkt_step(lagrangian, picked, _used(rows), x, left, right)
        length, violation = _largest((*map(jnp.abs, dx), 1e-30 * one)), _largest(levels)
        # Where rounding alone leads far the objective is flat, and here is as good as there.
        flat = (kkt <= enough) & (violation <= enough) & (length > _DETERMINED)
        share = jnp.where(flat, 0.0, jnp.minimum(1.0, _LONGEST_STEP / length))
        nu = tuple(a + share * b for a, b in zip(nu, dnu, strict=True))
        held = tuple(_dot(column, nu) for column in zip(*rows, strict=True))
        moved = tuple(a + share * b for a, b in zip(x, dx, strict=True))
        return _Certificate(moved, held, rows, kkt, violation, length, state.steps + 1)

    def unfinished(state: _Certificate) -> Array:
        return ((state.kkt > enough) | (state.violation > enough)) & (state.steps < _STEPS)

    nothing = ((0 * one,) * len(prices),) * n
    unknown = jnp.inf * one
    first = _Certificate(x, prices, nothing, unknown, unknown, unknown, jnp.zeros((), jnp.int32))
    return lax.while_loop(unfinished, advance, first)


def _choose(slopes: Sequence[Scalars], scores: Scalars, n: int) -> tuple[Scalars, ...]:
    """At most n rows of positive score and independent slopes, best scores first; each as one-hot weights (or none)."""
    chosen, basis = [], []
    for _ in range(n):
        rest = []
        for row in slopes:  # the part of each row outside those already chosen
            for b in basis:
                along = _dot(row, b)
                row = tuple(u - along * v for u, v in zip(row, b, strict=True))
            rest.append(row)
        new = [
            jnp.where(_dot(r, r) > 1e-8 * _dot(a, a), score, 0.0)
            for score, r, a in zip(scores, rest, slopes, strict=True)
        ]
        new = lax.optimization_barrier(new)
        best = lax.optimization_barrier(_largest(new))
        free = (best > 0).astype(best.dtype)
        pick = []
        for value in new:  # the first of equals only
            hit = free * (value == best)
            free = free - hit
            pick.append(hit)
        pick = lax.optimization_barrier(pick)
        chosen.append(tuple(pick))
        row = tuple(_dot(pick, tuple(r[i] for r in rest)) for i in range(n))
        length = jnp.sqrt(_dot(row, row) + 1e-300 if best.dtype == jnp.float64 else _dot(row, row) + 1e-30)
        basis.append(lax.optimization_barrier(tuple(v / length for v in row)))
        scores = tuple(score * (1 - hit) for score, hit in zip(scores, pick, strict=True))
    return tuple(chosen)


def _used(rows: Sequence[Scalars]) -> Scalars:
    return tuple(reduce(lambda a, b: a + b, row) for row in rows)


def _equality_of(
    f: Callable[[Scalars], Array], all_rows: Callable[[Scalars], Scalars], rows: Sequence[Scalars], prices: Scalars
) -> tuple[Callable[[Scalars], Array], Callable[[Scalars], Scalars]]:
    """The Lagrangian and the values of the chosen rows, as functions of x."""

    def picked(x: Scalars) -> Scalars:
        values = all_rows(x)
        return tuple(_dot(row, values) for row in rows)

    return lambda x: f(x) + _dot(prices, picked(x)), picked


def _equality(problem: Problem, given: Array, rows: Sequence[Scalars], prices: Scalars) -> tuple:
    """As `_equality_of`, for the problem as it was given, without scales."""

    return _equality_of(lambda x: problem.objective(x, given), lambda x: problem.rows(x, given), rows, prices)


def _kkt_step(
    lagrangian: Callable[[Scalars], Array],
    picked: Callable[[Scalars], Scalars],
    used: Scalars,
    x: Scalars,
    left: Scalars,
    right: Scalars,
    hold: Callable[[Any], Any] = lax.optimization_barrier,
) -> tuple[Scalars, Scalars]:
    """(dx, dprices) with H dx + B' dprices = -left and B dx = -right, where rows not used have no part."""
    n, k = len(x), len(used)
    rows, hessian, left, right = hold((_jacobian(picked, x), _hessian(lagrangian, x), left, right))
    matrix = [[hessian[i][j] + sum(row[i] * row[j] for row in rows) for j in range(n)] for i in range(n)]
    back = _cholesky(matrix, safe=False, hold=hold)
    through = hold([back(row) for row in rows])
    schur = [[_dot(rows[i], through[j]) + ((1.0 - used[i]) if i == j else 0.0) for j in range(k)] for i in range(k)]
    back_schur = _cholesky(schur, safe=False, hold=hold)

    def once(left: Scalars, right: Scalars) -> tuple[Scalars, Scalars]:
        raised = tuple(-a - sum(row[i] * r for row, r in zip(rows, right, strict=True)) for i, a in enumerate(left))
        u = hold(back(raised))
        dprices = hold(back_schur(tuple(_dot(row, u) + r for row, r in zip(rows, right, strict=True))))
        dx = tuple(u[i] - sum(v[i] * d for v, d in zip(through, dprices, strict=True)) for i in range(n))
        return dx, tuple(a * b for a, b in zip(dprices, used, strict=True))

    return once(left, right)


# --- Small algebra -------------------------------------------------------------------------------------------------


def _derivative(function: Callable[[Scalars], Any], x: Scalars, i: int) -> Any:
    return jax.jvp(lambda v: function((*x[:i], v, *x[i + 1 :])), (x[i],), (jnp.ones_like(x[i]),))[1]


def _gradient(function: Callable[[Scalars], Array], x: Scalars) -> Scalars:
    return tuple(_derivative(function, x, i) for i in range(len(x)))


def _jacobian(function: Callable[[Scalars], Scalars], x: Scalars) -> tuple[Scalars, ...]:
    """One tuple of slopes for each row."""
    return tuple(zip(*_gradient(function, x), strict=True))  # type: ignore[arg-type]


def _hessian(function: Callable[[Scalars], Array], x: Scalars) -> list[list[Array]]:
    n = len(x)
    hessian: list[list[Any]] = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            hessian[i][j] = hessian[j][i] = _derivative(lambda y: _derivative(function, y, i), x, j)  # noqa: B023
    return hessian


def _dot(a: Sequence[Array], b: Sequence[Array]) -> Array:
    return reduce(lambda total, pair: total + pair[0] * pair[1], zip(a, b, strict=True), 0.0 * b[0])


def _largest(values: Any) -> Array:
    return reduce(jnp.maximum, values)


def _cholesky(
    matrix: Sequence[Sequence[Any]], safe: bool, hold: Callable[[Any], Any] = lax.optimization_barrier
) -> Callable[[Scalars], Scalars]:
    """Solver for a symmetric matrix, of which the lower part is read, as L diag(d) L'.

    If `safe`, pivots that are negative or lost become positive, so that a step goes downhill.
    """
    n = len(matrix)
    lower: list[list[Any]] = [[None] * n for _ in range(n)]
    inverse: list[Any] = [None] * n
    pivots: list[Any] = [None] * n
    for j in range(n):
        pivot = reduce(lambda a, k: a - lower[j][k] ** 2 * pivots[k], range(j), matrix[j][j])
        if safe:
            least = 1e-12 + 4e-16 * jnp.abs(matrix[j][j])
            pivot = jnp.where(pivot > least, pivot, jnp.maximum(jnp.abs(pivot), jnp.maximum(least, _LOST_PIVOT)))
        else:
            pivot = jnp.where(jnp.abs(pivot) > 1e-30, pivot, 1e-30)
        pivots[j], inverse[j] = pivot, 1 / pivot
        for i in range(j + 1, n):
            part = reduce(lambda a, k: a - lower[i][k] * lower[j][k] * pivots[k], range(j), matrix[i][j])
            lower[i][j] = part * inverse[j]

    lower, inverse = hold((lower, inverse))

    def back(b: Scalars) -> Scalars:
        y: list[Any] = []
        for i in range(n):
            y.append(reduce(lambda a, k: a - lower[i][k] * y[k], range(i), b[i]))
        x: list[Any] = [None] * n
        for i in reversed(range(n)):
            x[i] = reduce(lambda a, k: a - lower[k][i] * x[k], range(i + 1, n), y[i] * inverse[i])
        return tuple(x)

    return back
