"""The best decision for one budget, differentiable through its optimality conditions.

Written for one law, one set of parameters and one budget; `jax.vmap` adds axes. Limits, other variables and other goals
are for the constrained solver; N and D within a budget alone have a solver of their own, which is faster.

With x = log N, y = log D, f the law's log loss and c the log cost, the optimum spends the budget and gains as much from
the next bit of it in N as in D:

    c(x, y) = log budget,        f_x / c_x = f_y / c_y.

The second condition is solved in the form log(-f_x) - log(-f_y) + log c_y - log c_x = 0. That stays precise where
an irreducible loss makes f itself flat, and for laws that are sums of powers it is a straight line in (x, y).
Every curve of constant cost is crossed once by each line of constant u = (x - y) / 2, so u is the one unknown, whatever
the cost, and s = (x + y) / 2 follows from the budget.
"""

import math
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from jaxscale._allocation.constrained import OK, settled, solve_constrained
from jaxscale._allocation.corners import lowest_in_program
from jaxscale._allocation.decide import decide, is_plain
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.placing import BETTER
from jaxscale._allocation.root import decreasing_root
from jaxscale._allocation.scan import best_valley, can_be_scanned
from jaxscale._allocation.undefined import undefined
from jaxscale._base.devices import compile_options
from jaxscale._base.errors import InputError
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import as_usual, in_float64
from jaxscale.costs import CostModel
from jaxscale.laws import Allocation, Law, Params
from jaxscale.laws._compiled import examine
from jaxscale.laws._math import floating
from jaxscale.limits import read_limits

_FAR = 63.0  # log of what is no model's size and no number of tokens: there a law has no best decision
_POLISHED = 2  # best valleys whose corners are looked for
_FURTHEST, _POINTS = 20.0, 1601  # u up to which laws of several valleys are looked at, and at how many points


@as_usual()
def allocate(
    law: Law,
    params: Mapping[str, Any],
    cost: CostModel,
    budget: Any = None,
    limits: Any = None,
    *,
    fixed: Mapping[str, Any] | None = None,
    reach_loss: Any = None,
) -> Any:
    """The decision variables of the best response within a budget, or of least cost to reach one. Pure JAX.

    Works under `jit`, `vmap`, `grad`, `jacfwd` and `hessian`, in every parameter, the budget, the cost's assumptions
    and the values of limits. Needs no start. N and D within a budget alone follow the caller's dtype. All else is
    computed in float64: in a program without it numbers are widened inside and the answer comes back in the caller's
    dtype; what is traced there cannot be widened, and is refused with words.

    The best response is the lowest, or the highest where the law says that higher is better (an accuracy).

    Without limits the law must be smooth and fall in both N and D, and the cost must grow in both; the whole budget is
    spent. Where the law has no optimum between the ends (an exponent of zero, say), or the limits cannot all be kept,
    or the optimum could not be certified, all answers are nan. Outside of programs the points where a law of one's own
    gives a number are scanned where it gives none elsewhere, and it is said where none can be certified. In a corner of
    the law within limits answers are the best near by, and their derivatives are nan.

    Args:
        law: a law; static under `jit`.
        params: natural values by name, scalars, may be traced.
        cost: cost model; static under `jit`.
        budget: in the unit of `cost`, a scalar, may be traced.
        limits: see `jaxscale.limits`; values may be traced.
        fixed: variables held at a value.
        reach_loss: the response to reach, instead of a budget: at most a loss or an error, at least an accuracy.

    Returns:
        A named tuple of the law's decision variables in natural units: `Allocation(N, D)` for laws of these two. The
        shares of a mixture are one array, (k,).

    Raises:
        InputError: the law, cost and limits do not belong together, a parameter is missing or unknown, something is not
            a scalar, limits are traced without float64, or the law is nan where the best point may lie.
    """
    law.check(params)
    examine(law)
    cost.check()
    if (budget is None) == (reach_loss is None):
        raise InputError("give a budget or the loss to reach, one of the two")
    plain = limits is None and not fixed and reach_loss is None and is_plain(law, cost)
    target = floating(budget if reach_loss is None else reach_loss)
    scalars = {name: floating(params[name]) for name in law.parameter_names}
    decision, more = None, {name: floating(value) for name, value in cost.assumptions.items()}
    if not plain:
        kept, unique = read_limits(limits)
        decision, values = decide(law, cost, kept, unique, "loss" if reach_loss is None else "cost", fixed)
        more = {name: floating(value) for name, value in values.natural.items()}
    for name, value in {**scalars, **more, "reach_loss" if budget is None else "budget": target}.items():
        if jnp.ndim(value):
            raise InputError(
                f"allocate takes one set of parameters and one budget, but {name} has shape {jnp.shape(value)}; "
                "use jax.vmap for many"
            )
    dtype = jnp.result_type(*scalars.values(), target)
    traced = any(isinstance(x, Tracer) for x in (*scalars.values(), *more.values(), target))
    if decision is None:
        scalars, more = ({k: jnp.asarray(v, dtype) for k, v in values.items()} for values in (scalars, more))
        given = (scalars, more, jnp.asarray(target, dtype))
        best = Allocation(*(_traced if traced else _compiled)(_within_budget, law, cost)(*given))
        if traced or (law.convex and cost.convex) or np.isfinite(best).all():
            return best
        decision, values = decide(law, cost, (), None, "loss", None)  # which scans where the law gives numbers
        more = {name: floating(value) for name, value in values.natural.items()}
    static, given = (decision, tuple(more)), (scalars, tuple(more.values()), target)
    if jnp.result_type(float) == jnp.float64:
        found = (_traced if traced else _compiled)(_within_limits, *static)(*given)
        answer = [x.astype(dtype) for x in found]
    elif traced:
        raise InputError(
            f"allocate with limits, other variables or a loss to reach needs float64, and {dtype} is traced here; "
            "call it inside `with jax.enable_x64(True):`, or set jax_enable_x64 when the program starts"
        )
    else:
        with in_float64():
            wide = [np.asarray(x) for x in _compiled(_within_limits, *static)(*given)]
        answer = [jnp.asarray(x, dtype) for x in wide]
    fields = decision.fields
    if not (traced or all(np.isfinite(x).all() for x in answer)):
        with in_float64():
            nowhere = undefined(decision, np.asarray(_given(*static, *given)))
        if nowhere is not None:
            raise InputError(f"no best point could be certified: {nowhere.told(decision)}; look in its formula")
    return (Allocation if fields == Allocation._fields else namedtuple("Allocation", fields))(*answer)


@kept
def _compiled(function: Callable[..., Any], *static: Any) -> Callable[..., Any]:
    """Programs that are called for one problem; whoever has many traces them."""
    return Program(partial(function, *static), compile_options(once=True))


@kept
def _traced(function: Callable[..., Any], *static: Any) -> Callable[..., Any]:
    """What is traced is one program too where nobody compiles the whole: slopes outside `jit`, say, else hundreds."""
    return jax.jit(partial(function, *static))


def _within_budget(law: Law, cost: CostModel, params: dict[str, Array], assumptions: dict[str, Array], budget: Array):
    given = (law, cost.log_cost, False, params, assumptions, jnp.log(budget))
    near = None if law.convex and cost.convex else lax.stop_gradient(_valley(*given))
    return tuple(map(jnp.exp, optimum(*given, near)))


def _valley(
    law: Law,
    log_cost: Callable[..., Any],
    in_theta: bool,
    values: dict[str, Array],
    assumptions: dict[str, Array],
    log_budget: Array,
) -> tuple[Array, Array]:
    """Between which u (see `optimum`) the lowest valley of a budget lies, by a look along all of it."""
    total = _spends_all(partial(log_cost, **assumptions), log_budget)
    line = jnp.linspace(-_FURTHEST, _FURTHEST, _POINTS, dtype=log_budget.dtype)
    s = jax.vmap(total)(line)
    losses = jax.vmap(partial(response, law, in_theta, values))(s + line, s - line)
    best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))
    left, right = line[jnp.maximum(best - 1, 0)], line[jnp.minimum(best + 1, _POINTS - 1)]
    return jnp.where(best > 0, left, -jnp.inf), jnp.where(best < _POINTS - 1, right, jnp.inf)


def _spends_all(cost: Callable[[Array, Array], Array], log_budget: Array) -> Callable[[Array], Array]:
    """What makes of u an s such that N = exp(s + u), D = exp(s - u) spends the budget."""
    noise, limit = _noise_and_limit(log_budget)

    def total(u: Array) -> Array:
        def spent(s: Array) -> tuple[Array, Array]:
            value, slope = jax.jvp(lambda s: cost(s + u, s - u), (s,), (jnp.ones_like(s),))
            return log_budget - value, -slope

        return decreasing_root(spent, log_budget / 2, noise, 2 * limit)

    return total


def _noise_and_limit(log_budget: Array) -> tuple[Array, float]:
    dtype = log_budget.dtype
    noise = 4 * jnp.finfo(dtype).eps * (4 + jnp.abs(log_budget))
    return noise, 0.45 * math.log(jnp.finfo(dtype).max)  # beyond it N or D or D / N could overflow


def _within_limits(
    decision: Decision, names: tuple[str, ...], params: Mapping[str, Any], more: tuple[Any, ...], target: Any
) -> list[Array]:
    """Natural values of the decision variables, in float64, see `_given`."""
    given = _given(decision, names, params, more, target)
    starts = lax.stop_gradient(decision.starts(given))
    found = solve_constrained(decision, given, starts, jnp.ones(len(decision.row_names)))
    x, good = found.x, (found.status == OK) & jnp.isfinite(found.value)
    if can_be_scanned(decision) and not decision.convex:
        kept = lax.stop_gradient(given)
        known, prices, value, begun = best_valley(decision, kept)
        still = lax.stop_gradient(jnp.concatenate([known, prices]))[:, None]
        other, _ = settled(decision, given[:, None], still[: len(known)], still[len(known) :])
        better = ~good | (value < found.value - BETTER)
        certified = jnp.minimum(value, jnp.where(good, found.value, jnp.inf))
        x, good = jnp.where(better, other[:, 0], x), jnp.where(better, jnp.isfinite(value), good)
        wanted = begun[1].min() < certified - BETTER  # no equations lead down to it: the law may have a corner there
        ends, values = jax.vmap(lambda x, value: lowest_in_program(decision, x, value, kept, wanted))(
            *(v[:_POLISHED] for v in begun)
        )
        best = jnp.argmin(values)
        corner = wanted & (values[best] < certified - BETTER) & (ends[best].max() < _FAR)
        x, good = jnp.where(corner, _unsloped(given, ends[best], corner), x), good | corner
    return list(decision.natural(tuple(jnp.where(good, x, jnp.nan)), given).values())


def _given(
    decision: Decision, names: tuple[str, ...], params: Mapping[str, Any], more: tuple[Any, ...], target: Any
) -> Array:
    """What the decision is given, in its own space; `more` is what is given beside params and target, as `names` calls
    it, in the decision's order."""
    law = decision.law
    wide = {name: jnp.asarray(value, jnp.float64) for name, value in params.items()}
    wanted = jnp.asarray(target, jnp.float64)
    wanted = wanted if decision.goal == "cost" and not law.response.logged else jnp.log(wanted)
    raw = law.raw_names
    rest = [jnp.asarray(x, jnp.float64) for x in more]
    rest = [x if name in raw else jnp.log(x) for name, x in zip(names, rest, strict=True)]
    return jnp.stack([*law.theta_of(wide), wanted, *rest])


@jax.custom_jvp
def _unsloped(given: Array, x: Array, corner: Array) -> Array:
    """x, in a corner of the law, where nobody knows how it moves with what is given."""
    return x


@_unsloped.defjvp
def _unsloped_jvp(primals: tuple, tangents: tuple) -> tuple:
    _, x, corner = primals
    return x, jnp.broadcast_to(tangents[0].sum() * jnp.where(corner, jnp.nan, 0.0), x.shape)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def optimum(
    law: Law,
    log_cost: Callable[..., Any],
    in_theta: bool,
    values: dict[str, Array],
    assumptions: dict[str, Array],
    log_budget: Array,
    near: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """(log N, log D) of least loss with log cost = `log_budget`, all scalars of one dtype; nan where there is none.

    `values` are the law's parameters by name: unconstrained if `in_theta`, else natural. `log_cost` is the formula of a
    cost model and `assumptions` are its numbers, natural values. Laws of several valleys are searched between the two
    u of `near`.
    """
    cost = partial(log_cost, **assumptions)
    noise, limit = _noise_and_limit(log_budget)
    total = _spends_all(cost, log_budget)

    def balance(u: Array) -> tuple[Array, Array]:
        s = total(u)
        c_x, c_y = jax.grad(cost, (0, 1))(s + u, s - u)
        s_u = (c_y - c_x) / (c_x + c_y)  # the budget stays spent
        along = partial(_balance, law, cost, in_theta, values)
        return jax.jvp(along, (s + u, s - u), (s_u + 1, s_u - 1))

    u = decreasing_root(balance, jnp.zeros_like(log_budget), noise, limit, near)
    s = total(u)
    return s + u, s - u


@optimum.defjvp
@as_usual()
def _optimum_jvp(
    law: Law, log_cost: Callable[..., Any], in_theta: bool, primals: tuple, tangents: tuple
) -> tuple[tuple, tuple]:
    """Implicit differentiation; the solve inside is `optimum` again, so derivatives of every order follow."""
    values, assumptions, log_budget, near = primals
    x, y = optimum(law, log_cost, in_theta, values, assumptions, log_budget, near)
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)

    _, push = jax.linearize(partial(conditions, law, log_cost, in_theta), values, assumptions, log_budget, x, y)
    still = jax.tree.map(jnp.zeros_like, primals[:3])
    (p_x, q_x), (p_y, q_y), (p, q) = push(*still, one, zero), push(*still, zero, one), push(*tangents[:3], zero, zero)
    determinant = p_x * q_y - p_y * q_x
    return (x, y), ((p_y * q - q_y * p) / determinant, (q_x * p - p_x * q) / determinant)


def conditions(
    law: Law,
    log_cost: Callable[..., Any],
    in_theta: bool,
    values: dict[str, Array],
    assumptions: dict[str, Array],
    log_budget: Array,
    x: Array,
    y: Array,
) -> tuple[Array, Array]:
    """What must vanish at the optimum: (log ratio of marginal gains of N and D per cost, log of cost over budget)."""
    cost = partial(log_cost, **assumptions)
    return _balance(law, cost, in_theta, values, x, y), cost(x, y) - log_budget


def response(law: Law, in_theta: bool, values: dict[str, Array], x: Array, y: Array) -> Array:
    """The law's log response at x = log N, y = log D."""
    params = law.params_of_theta(values) if in_theta else Params(values)
    return law.evaluate(params, log_N=x, log_D=y)


def _balance(
    law: Law, cost: Callable[[Array, Array], Array], in_theta: bool, values: dict[str, Array], x: Array, y: Array
) -> Array:
    """Log of the gain from the next bit of cost in N over that in D; -inf if N gains nothing, inf if D does not."""
    f_x, f_y = jax.grad(partial(response, law, in_theta, values), (0, 1))(x, y)
    c_x, c_y = jax.grad(cost, (0, 1))(x, y)
    gain_x, gain_y = jnp.maximum(-f_x, 0), jnp.maximum(-f_y, 0)
    return (jnp.log(gain_x) - jnp.log(gain_y)) + (jnp.log(c_y) - jnp.log(c_x))
