"""The best (N, D) for one budget, differentiable through its optimality condition.

Written for one law, one set of parameters and one budget; `jax.vmap` adds axes.

With x = log N, y = log D, f the law's log loss and c the log cost, the optimum spends the budget and gains as much from
the next bit of it in N as in D:

    c(x, y) = log budget,        f_x / c_x = f_y / c_y.

The second condition is solved in the form log(-f_x) - log(-f_y) + log c_y - log c_x = 0. That stays precise where
an irreducible loss makes f itself flat, and for laws that are sums of powers it is a straight line in (x, y).
Every curve of constant cost is crossed once by each line of constant u = (x - y) / 2, so u is the one unknown, whatever
the cost, and s = (x + y) / 2 follows from the budget.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale._errors import InputError
from jaxscale.costs import CostModel
from jaxscale.laws import Law, Params
from jaxscale.laws._math import floating

_MAX_ITERATIONS = 200  # bisection alone needs about 60
_FIRST_REACH = 16.0  # longest first step in log N or log D while no bracket is known


class Allocation(NamedTuple):
    """Parameters and tokens that reach the least loss for a budget, in natural units."""

    N: Array
    D: Array


def allocate(law: Law, params: Mapping[str, Any], cost: CostModel, budget: Any, limits: None = None) -> Allocation:
    """The N and D of least loss with `cost(N, D) = budget`. Pure JAX; follows the caller's dtype.

    Works under `jit`, `vmap`, `grad`, `jacfwd` and `hessian`, in every parameter and in the budget. Needs no start. The
    law must be smooth and fall in both N and D, the cost must grow in both. Where the law has no optimum between the
    ends (an exponent of zero, say), both answers are nan.

    Args:
        law: a law in the variables N and D; static under `jit`.
        params: natural values by name, scalars, may be traced.
        cost: cost model; static under `jit`.
        budget: in the unit of `cost`, a scalar, may be traced.
        limits: only None.

    Raises:
        InputError: the law is not one in N and D, a parameter is missing or unknown, or something is not a scalar.
    """
    check_plannable(law, params, limits)
    values = {name: floating(params[name]) for name in law.parameter_names}
    budget = floating(budget)
    for name, value in {**values, "budget": budget}.items():
        if jnp.ndim(value):
            raise InputError(
                f"allocate takes one set of parameters and one budget, but {name} has shape {jnp.shape(value)}; "
                "use jax.vmap for many"
            )
    dtype = jnp.result_type(*values.values(), budget)
    values = {name: jnp.asarray(value, dtype) for name, value in values.items()}
    log_N, log_D = optimum(law, cost, False, values, jnp.log(jnp.asarray(budget, dtype)))
    return Allocation(jnp.exp(log_N), jnp.exp(log_D))


def check_plannable(law: Law, params: Mapping[str, Any], limits: object) -> None:
    """Raise InputError unless a plan can be made with this law, these parameters and these limits."""
    if sorted(v.name for v in law.variables) != ["D", "N"] or any(v.domain != "positive" for v in law.variables):
        variables = ", ".join(v.name for v in law.variables)
        raise InputError(
            f"a plan needs a law of N and D, but {law.name} is a law of {variables}; use one such as chinchilla"
        )
    missing = [name for name in law.parameter_names if name not in params]
    unknown = [name for name in params if name not in law.parameter_names]
    if missing or unknown:
        problem = f"misses {', '.join(missing)}" if missing else f"does not know {', '.join(unknown)}"
        raise InputError(f"law {law.name} {problem}; it takes all of {', '.join(law.parameter_names)}")
    if limits is not None:
        raise InputError("limits are not available in this version; leave out limits, or give limits=None")


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def optimum(
    law: Law, cost: CostModel, in_theta: bool, values: dict[str, Array], log_budget: Array
) -> tuple[Array, Array]:
    """(log N, log D) of least loss with log cost = `log_budget`, all scalars of one dtype; nan where there is none.

    `values` are the law's parameters by name: unconstrained if `in_theta`, else natural.
    """
    dtype = log_budget.dtype
    noise = 4 * jnp.finfo(dtype).eps * (4 + jnp.abs(log_budget))
    limit = 0.45 * math.log(jnp.finfo(dtype).max)  # beyond it N or D or D / N could overflow

    def total(u: Array) -> Array:
        """s such that N = exp(s + u), D = exp(s - u) spends the budget."""

        def spent(s: Array) -> tuple[Array, Array]:
            value, slope = jax.jvp(lambda s: cost.log_cost(s + u, s - u), (s,), (jnp.ones_like(s),))
            return log_budget - value, -slope

        return _decreasing_root(spent, log_budget / 2, noise, 2 * limit)

    def balance(u: Array) -> tuple[Array, Array]:
        s = total(u)
        c_x, c_y = jax.grad(cost.log_cost, (0, 1))(s + u, s - u)
        s_u = (c_y - c_x) / (c_x + c_y)  # the budget stays spent
        along = partial(_balance, law, cost, in_theta, values)
        return jax.jvp(along, (s + u, s - u), (s_u + 1, s_u - 1))

    u = _decreasing_root(balance, jnp.zeros_like(log_budget), noise, limit)
    s = total(u)
    return s + u, s - u


@optimum.defjvp
def _optimum_jvp(law: Law, cost: CostModel, in_theta: bool, primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    """Implicit differentiation; the solve inside is `optimum` again, so derivatives of every order follow."""
    values, log_budget = primals
    x, y = optimum(law, cost, in_theta, values, log_budget)
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)

    _, push = jax.linearize(partial(conditions, law, cost, in_theta), values, log_budget, x, y)
    still = jax.tree.map(jnp.zeros_like, primals)
    (p_x, q_x), (p_y, q_y), (p, q) = push(*still, one, zero), push(*still, zero, one), push(*tangents, zero, zero)
    determinant = p_x * q_y - p_y * q_x
    return (x, y), ((p_y * q - q_y * p) / determinant, (q_x * p - p_x * q) / determinant)


def conditions(
    law: Law, cost: CostModel, in_theta: bool, values: dict[str, Array], log_budget: Array, x: Array, y: Array
) -> tuple[Array, Array]:
    """What must vanish at the optimum: (log ratio of marginal gains of N and D per cost, log of cost over budget)."""
    return _balance(law, cost, in_theta, values, x, y), cost.log_cost(x, y) - log_budget


def response(law: Law, in_theta: bool, values: dict[str, Array], x: Array, y: Array) -> Array:
    """The law's log response at x = log N, y = log D."""
    params = Params(values, (p.name for p in law.parameters if p.transform == "log") if in_theta else ())
    return law.function(params, log_N=x, log_D=y)


def _balance(law: Law, cost: CostModel, in_theta: bool, values: dict[str, Array], x: Array, y: Array) -> Array:
    """Log of the gain from the next bit of cost in N over that in D; -inf if N gains nothing, inf if D does not."""
    f_x, f_y = jax.grad(partial(response, law, in_theta, values), (0, 1))(x, y)
    c_x, c_y = jax.grad(cost.log_cost, (0, 1))(x, y)
    gain_x, gain_y = jnp.maximum(-f_x, 0), jnp.maximum(-f_y, 0)
    return (jnp.log(gain_x) - jnp.log(gain_y)) + (jnp.log(c_y) - jnp.log(c_x))


def _decreasing_root(
    function: Callable[[Array], tuple[Array, Array]], start: Array, noise: Array, limit: float
) -> Array:
    """Where a function falls through zero, by Newton's method kept inside a bracket; nan if not within +-`limit`.

    `function(t)` gives value and slope. Values below `noise` count as zero. Of infinite values only the sign is used.
    """
    eps = jnp.finfo(start.dtype).eps

    class State(NamedTuple):
        t: Array
        low: Array  # largest t seen with a positive value
        high: Array  # smallest t seen with a negative value
        step: Array  # length of the last step inside the bracket
        reach: Array  # longest step allowed while there is no bracket
        iterations: Array
        done: Array

    def advance(state: State) -> State:
        t = state.t
        value, slope = function(t)
        low, high = jnp.where(value > 0, t, state.low), jnp.where(value < 0, t, state.high)
        newton = t - value / slope
        sound = (slope < 0) & jnp.isfinite(newton)
        bracketed = jnp.isfinite(low) & jnp.isfinite(high)
        # Inside the bracket Newton must stay there and halve its step each time; otherwise bisect.
        fast = sound & (newton > low) & (newton < high) & (jnp.abs(newton - t) <= state.step / 2)
        inside = jnp.where(fast, newton, low / 2 + high / 2)
        wanted = jnp.where(sound, newton - t, jnp.sign(value) * state.reach)
        outside = jnp.clip(t + jnp.clip(wanted, -state.reach, state.reach), -limit, limit)
        zero = jnp.abs(value) <= noise
        narrow = bracketed & (high - low <= 2 * eps * jnp.maximum(1, jnp.abs(t)))
        stuck = jnp.isnan(value) | (~bracketed & (outside == t) & ~zero)
        following = jnp.where(bracketed, inside, outside)
        following = jnp.where(zero, jnp.where(sound, newton, t), jnp.where(narrow, t, following))
        return State(
            t=jnp.where(stuck, jnp.nan, following),
            low=low,
            high=high,
            step=jnp.where(bracketed, jnp.abs(following - t), state.step),
            reach=2 * state.reach,
            iterations=state.iterations + 1,
            done=zero | narrow | stuck,
        )

    infinity = jnp.full_like(start, jnp.inf)
    first = State(
        start,
        -infinity,
        infinity,
        infinity,
        jnp.full_like(start, _FIRST_REACH),
        jnp.zeros((), jnp.int32),
        jnp.isnan(start),
    )
    last = lax.while_loop(lambda state: ~state.done & (state.iterations < _MAX_ITERATIONS), advance, first)
    return jnp.where(last.done, last.t, jnp.nan)
