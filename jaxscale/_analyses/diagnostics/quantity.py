"""A number that follows from a law's parameters, as a smooth function of them: a parameter, the best N at a budget, the
loss of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale import costs
from jaxscale._allocation.allocate import allocate
from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.pickling import HoldsFunction
from jaxscale._base.programs import Program
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._problem.arrays import Layout
from jaxscale._problem.problem import Problem
from jaxscale._trust.constrained_optima import entry
from jaxscale.costs import CostModel
from jaxscale.laws import Law
from jaxscale.laws._faults import in_words, number_of

_PLANNED = {"N": "parameters", "D": "tokens", "tokens_per_param": "tokens per parameter", "loss": ""}


@dataclass(frozen=True, eq=False)
class Derived:
    """`function(theta, given)` is the quantity, or its logarithm if `logged`; theta a tuple of scalars, pure JAX.

    `given` (k,) holds what may change without a new compilation: a budget, the point of a prediction.
    """

    name: str
    unit: str
    logged: bool
    counted: bool  # shown with suffixes, 70B
    function: Callable[[tuple, Array], Array]
    given: np.ndarray
    measure: Measure | None = None  # of a response, how people count it

    def natural(self, value: Any) -> Any:
        """The quantity in its unit; infinite where it is open."""
        if not self.logged:
            return value
        with np.errstate(over="ignore"):
            return np.where(np.isneginf(value), -np.inf, np.exp(value))

    def shown(self, value: float) -> str:
        """A value of it as people read it; `open` where it is infinite."""
        if self.measure is not None:
            value = self.measure.to_given(value)
        return format_number(value, 4 if self.counted else 6, self.counted) if np.isfinite(value) else "open"

    def span(self, low: float, high: float) -> str:
        """Both ends of an interval as people read them, the lower first."""
        turned = self.measure is not None and self.measure.falls
        return " to ".join(map(self.shown, (high, low) if turned else (low, high)))

    def of_free(self, problem: Problem) -> tuple[Callable[[Array, Array], Array], np.ndarray]:
        """The function of a problem's free values, and what it is given: `given` and the pinned values; of a free
        parameter where it stands, so that one program, which intervals use too, serves all of them."""
        slot = problem.layout.slots[self.function.k] if isinstance(self.function, _Entry) else -1
        if slot >= 0:
            return entry, np.eye(problem.layout.free)[slot]
        return _of_free(self.function, problem.layout), np.concatenate([problem.pinned, self.given])


def make_derived(
    law: Law,
    wanted: str | Callable[..., Any] | None = None,
    *,
    budget: float | str | None = None,
    cost: CostModel | None = None,
    at: Mapping[str, float] | None = None,
    response: Measure | None = None,
) -> Derived:
    """The quantity asked for.

    Args:
        law: the law.
        wanted: a parameter; with a budget N, D, loss or tokens_per_param; or a function of the parameters by name in
            natural units, pure JAX, such as lambda p: p["beta"] / (p["alpha"] + p["beta"]).
        budget: in the unit of `cost`: the quantity is that of the best run within it.
        cost: cost model of the budget.
        at: the variables of one run, whose response is the quantity.
        response: what the response is called and counted in, by default as the law has it.

    Raises:
        InputError: nothing of that name, or more than one thing, was asked for.
    """
    response = response or Measure().under(law.response.name, law.response.unit)
    if at is not None and (budget is not None or callable(wanted)):
        raise InputError("give a budget, a run (at=) or a function, one of them")
    if callable(wanted):
        if budget is not None:
            raise InputError("a function of the parameters takes no budget; use js.allocate inside it")
        name = getattr(wanted, "__name__", "quantity").replace("<lambda>", "your quantity")
        return Derived(name, "", False, False, _OfParameters(law, wanted), np.empty(0))
    if at is not None:
        return _response(law, wanted, at, response)
    if budget is not None:
        amount = np.nan if cost is None else costs.budget(budget, cost)
        if cost is None or not 0 < amount < np.inf:
            raise InputError(f"a budget must be positive, in the unit of its cost model; got {quoted(budget)}")
        names = {"loss": response.given_name}
        wanted = "loss" if wanted in (response.name, response.given_name, law.response.name) else wanted
        if wanted not in _PLANNED:
            raise InputError(
                f"at a budget there is {', '.join(names.get(n, n) for n in _PLANNED)}; got {quoted(wanted)}"
            )
        measure = response if wanted == "loss" else None
        unit = response.counted(_PLANNED[wanted]) if measure is None else measure.given_unit
        name = f"best {names.get(wanted, wanted)} for {format_number(amount, 3, suffixes=False)} {cost.unit}"
        logs = np.array([np.log(amount)])
        return Derived(name, unit, True, wanted in ("N", "D"), _Planned(law, cost, wanted), logs, measure)
    if wanted is None:
        raise InputError(
            f"name a quantity: a parameter ({', '.join(law.parameter_names)}), N, D, loss or tokens_per_param at a "
            "budget (--budget), or the variables of one run (at=, --at)"
        )
    wanted = str(wanted)
    try:
        k = law.index(wanted)
    except InputError as error:
        more = (
            "N, D and loss want a budget (--budget), loss of one run wants at={'N': ..., 'D': ...} (--at N=...,D=...)"
        )
        raise InputError(f"{error}. {more}") from None
    parameter = law.parameters[k]
    if parameter.transform == "logit":
        return Derived(wanted, parameter.unit, False, False, _OfParameters(law, _Getter(wanted)), np.empty(0))
    return Derived(wanted, parameter.unit, parameter.transform == "log", False, _Entry(k), np.empty(0))


@dataclass(frozen=True)
class _Getter:
    name: str

    def __call__(self, params: Any) -> Any:
        return params[self.name]


@lru_cache(maxsize=64)
def _of_free(function: Callable[[tuple, Array], Array], layout: Layout) -> Callable[[Array, Array], Array]:
    n = len(layout.slots)

    def measure(free: Array, given: Array) -> Array:
        return function(layout.full(free, given[:n]), given[n:])

    return measure


@dataclass(frozen=True)
class _Entry:
    """One value of theta."""

    k: int

    def __call__(self, theta: tuple, given: Array) -> Array:
        return theta[self.k]


@dataclass(frozen=True)
class _OfParameters(HoldsFunction):
    """A function of the parameters by name."""

    law: Law
    function: Callable[..., Any]

    def __call__(self, theta: tuple, given: Array) -> Array:
        params = self.law.params_of_theta(dict(zip(self.law.parameter_names, theta, strict=True)))
        with in_words("the quantity"):
            return number_of(self.function(params), *theta)


@dataclass(frozen=True)
class _Planned:
    """The log of what is best within the budget whose log is given."""

    law: Law
    cost: CostModel
    wanted: str

    def __call__(self, theta: tuple, given: Array) -> Array:
        law, wanted = self.law, self.wanted
        params = law.params_of_theta(dict(zip(law.parameter_names, theta, strict=True)))
        natural = {name: params[name] for name in law.parameter_names}
        best = allocate(law, natural, self.cost, jnp.exp(given[0]))._asdict()
        if wanted == "loss":
            return law.log_response(theta, [jnp.log(best[v.name]) for v in law.variables])
        return jnp.log(best["D"] / best["N"] if wanted == "tokens_per_param" else best[wanted])


@dataclass(frozen=True)
class _ResponseOf:
    """The response of the run whose variables are given."""

    law: Law

    def __call__(self, theta: tuple, given: Array) -> Array:
        return self.law.log_response(theta, [given[k] for k in range(len(self.law.variables))])


def _response(law: Law, wanted: str | None, at: Mapping[str, float], response: Measure) -> Derived:
    names = [v.name for v in law.variables]
    if wanted not in (None, "loss", law.response.name, response.name, response.given_name) or set(at) != set(names):
        raise InputError(
            f"at= (--at) gives the {response.given_name} of one run and wants {', '.join(names)}; "
            f"got {', '.join(at) or 'nothing'}" + ("" if wanted is None else f" and {quoted(wanted)}")
        )
    values = [parse_number(x) if isinstance(x, str) else float(x) for x in (at[n] for n in names)]
    for v, x in zip(law.variables, values, strict=True):
        if v.domain == "vector" or not np.isfinite(x) or (v.domain == "positive" and not x > 0):
            raise InputError(f"{v.name} must be one {v.domain} number, got {quoted(at[v.name])}")
    logs = [np.log(x) if v.domain == "positive" else x for v, x in zip(law.variables, values, strict=True)]
    words = ", ".join(f"{n} = {format_number(x)}" for n, x in zip(names, values, strict=True))
    logged = law.response.domain == "positive"
    name = f"{response.given_name} at {words}"
    return Derived(name, response.given_unit, logged, False, _ResponseOf(law), np.array(logs), response)


@lru_cache(maxsize=64)
def derived_slopes(function: Callable[[Array, Array], Array]) -> Callable[[Any, Any], Any]:
    """(value, gradient) of a function of the free values, compiled."""
    return Program(lambda free, given: jax.value_and_grad(function)(free, given))
