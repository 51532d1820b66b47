"""What a plan decides: law, cost and limits as one small constrained problem in the logs of the decision variables.

A `Decision` is static; every number in it (parameters, prices, demand, budget, limits) travels beside it in one vector
`given`, in the law's unconstrained space for parameters and in logs for all else. Derivatives in it are elasticities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.costs import CostModel
from jaxscale.laws import Law
from jaxscale.laws._constants import Repetition
from jaxscale.laws._law import examine
from jaxscale.limits import UNIQUE_TOKENS, Limit, bound, evaluate_limit

Goal = Literal["loss", "cost"]

_FURTHEST = {1: 1e39, -1: 1e-39}  # a variable's range where no limit says otherwise
_COUNTED = ("N", "D", UNIQUE_TOKENS, "epochs")  # from 1 on
_STARTS = {"N": 20.7, "D": 25.3, "epochs": 0.5}  # 1e9 parameters, 1e11 tokens


@dataclass(frozen=True)
class Row:
    """A limit without its numbers: `names` maps its own values to names in `given`."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    main: str | None = None
    unit: str = ""


@dataclass(frozen=True)
class Decision:
    """The best response within a budget, or the least cost to reach one, within limits: a `ConstrainedProblem`."""

    law: Law
    goal: Goal
    cost: Callable[..., Any]
    cost_variables: tuple[str, ...]
    cost_names: tuple[tuple[str, str], ...]
    limits: tuple[Row, ...]
    fixed: tuple[str, ...]
    repeated: Repetition | None
    convex: bool
    names: tuple[str, ...]  # of `given`
    plain: bool  # N and D within a budget and no limits: see `allocate.optimum`

    @property
    def sign(self) -> float:
        """What the response is multiplied by to be the lower the better."""
        return -1.0 if self.law.response.better == "higher" else 1.0

    @property
    def target(self) -> str:
        """Name of the number that the first row keeps to."""
        return "budget" if self.goal == "loss" else "reach_loss"

    @property
    def row_names(self) -> tuple[str, ...]:
        """Of the rows, the target first."""
        return (self.target, *(row.name for row in self.limits))

    @property
    def variables(self) -> tuple[str, ...]:
        """Of x: the law's variables that are free, and epochs where data is repeated."""
        mine = tuple(v.name for v in self.law.variables if v.name not in self.fixed)
        return (*(v for v in mine if v != UNIQUE_TOKENS), "epochs") if self.repeated is not None else mine

    def logs(self, x: tuple, given: Array) -> dict[str, Any]:
        """Logs of all variables by name; those whose domain is not positive as they are."""
        logs = {name: given[self.names.index(name)] for name in self.fixed}
        return logs | dict(zip(self.variables, x, strict=True))

    def response(self, x: tuple, given: Array) -> Array:
        """Log of what the law predicts."""
        logs = self.logs(x, given)
        values = {name: given[self.names.index(name)] for name in self.law.parameter_names}
        if self.repeated is None:
            params = self.law.params_of_theta(values)
            return self.law.evaluate(params, **{v.argument: logs[v.name] for v in self.law.variables})
        constants = {name: given[self.names.index(name)] for name in self.repeated.constants}
        params = self.law.params_of_theta(values, constants)
        return self.repeated.function(params, logs["N"], logs["D"], logs["epochs"])

    def lowered(self, x: tuple, given: Array) -> Array:
        """Log of the response (or the response itself), turned so that lower is better."""
        return self.sign * self.response(x, given)

    def log_cost(self, x: tuple, given: Array) -> Array:
        """Log of what is spent."""
        logs = self.logs(x, given)
        assumptions = {mine: jnp.exp(given[self.names.index(name)]) for mine, name in self.cost_names}
        return self.cost(*(logs[v] for v in self.cost_variables), **assumptions)

    def objective(self, x: tuple, given: Array) -> Array:
        """What is least at the best decision: `lowered`, or log cost."""
        return self.lowered(x, given) if self.goal == "loss" else self.log_cost(x, given)

    def rows(self, x: tuple, given: Array) -> tuple:
        """The target first, then the limits; each at most zero where it is kept."""
        target = given[self.names.index(self.target)]
        spends = self.goal == "loss"
        first = self.log_cost(x, given) - target if spends else self.sign * (self.response(x, given) - target)
        logs = self.logs(x, given)
        return (first, *(self._row(row, logs, given) for row in self.limits))

    def _row(self, row: Row, logs: dict[str, Any], given: Array) -> Any:
        values = {mine: given[self.names.index(name)] for mine, name in row.names}
        return jnp.asarray(evaluate_limit(row.function, row.arguments, {**values, **logs}), given.dtype)

    def starts(self, given: Array) -> Array:
        """(n_starts, n) points to start from: one if the problem is convex, else several."""
        x = jnp.asarray([_STARTS.get(v, 2.0) for v in self.variables], given.dtype)
        scales = jnp.asarray([float(v in ("N", "D")) for v in self.variables], given.dtype)
        if self.goal == "loss":
            gap = given[self.names.index("budget")] - self.log_cost(tuple(x), given)
            x = x + jnp.clip(gap, -60, 60) * scales / jnp.maximum(scales.sum(), 1)
        tilts = [0.0] if self.convex else [0.0, 3.0, -3.0, -6.0]
        tilt = jnp.asarray([{"N": 1.0, "D": -1.0, "epochs": -0.3}.get(v, 0.5) for v in self.variables], given.dtype)
        return jnp.stack([x + t * tilt for t in tilts])


class Values(NamedTuple):
    """What is given beside the law's parameters and the target: natural values by name, and which of the names nobody
    asked for (the ends of the variables' ranges)."""

    natural: dict[str, Any]
    implicit: frozenset[str]


def decide(
    law: Law,
    cost: CostModel,
    limits: tuple[Limit, ...],
    unique: Any = None,
    goal: Goal = "loss",
    fixed: Mapping[str, Any] | None = None,
    assumed: Mapping[str, float] | None = None,
) -> tuple[Decision, Values]:
    """The decision, and the values of all that is given with it. `assumed` takes the place of published constants of
    repetition, where the law has none of its own.

    Raises:
        InputError: law, cost and limits do not belong together.
    """
    fixed = dict(fixed or {})
    examine(law)
    _check(law, fixed)
    repeated = _repetition(law, unique, fixed)
    values = dict(repeated.constants) | dict(assumed or {}) if repeated else {}
    requested = limits if unique is None else (*limits, _unique_limit(unique, repeated is not None))
    known = [v.name for v in law.variables]
    free = [name for name in known if name not in fixed and not (repeated and name == UNIQUE_TOKENS)]
    free += ["epochs"] if repeated else []
    if not set(free) - {"epochs"}:
        raise InputError("everything is held fixed, so there is nothing to plan; leave a variable free")
    everything = [*free, *fixed]
    if [v for v in cost.variables if v not in everything]:
        raise InputError(
            f"cost {cost.name} is one of {', '.join(cost.variables)}, but law {law.name} has {', '.join(known)}; "
            "choose a law and a cost of the same variables"
        )
    cost.check()
    taken = {*law.parameter_names, *fixed, *values, "budget", "reach_loss"}
    values |= fixed

    def join(prefix: str, name: str, value: Any) -> str:
        free_name = name if name not in taken else f"{prefix}.{name}"
        taken.add(free_name)
        values[free_name] = value
        return free_name

    cost_names = tuple((name, join("cost", name, value)) for name, value in cost.assumptions.items())
    kept, implicit = _with_ranges(requested, free)
    rows = []
    for limit in kept:
        limit.check(everything)
        names = tuple((name, join(limit.name, name, value)) for name, value in limit.values.items())
        main = dict(names).get(limit.main or "")
        rows.append(Row(limit.name, limit.function, limit.arguments, names, main, limit.unit))
    decision = Decision(
        law=law,
        goal=goal,
        cost=cost.log_cost,
        cost_variables=cost.variables,
        cost_names=cost_names,
        limits=tuple(rows),
        fixed=tuple(fixed),
        repeated=repeated,
        convex=law.convex and repeated is None and cost.convex and all(limit.convex for limit in kept),
        names=(*law.parameter_names, "budget" if goal == "loss" else "reach_loss", *values),
        plain=goal == "loss" and not (requested or fixed or repeated) and is_plain(law, cost),
    )
    return decision, Values(values, implicit)


def is_plain(law: Law, cost: CostModel) -> bool:
    """Whether law and cost are of N and D, which one equation in one unknown decides while there are no limits."""
    two = sorted(v.name for v in law.variables) == ["D", "N"] and all(v.logged for v in law.variables)
    return two and law.response.better == "lower" and cost.variables == ("N", "D")


def _check(law: Law, fixed: Mapping[str, Any]) -> None:
    """Raise InputError for a law that says nothing of what is better, or that a plan cannot choose the variables of."""
    known = [v.name for v in law.variables]
    if law.response.better == "neither":
        raise InputError(
            f"law {law.name} predicts {law.response.name} ({law.response.meaning}), of which neither more nor less is "
            "better, so there is nothing to plan; use predict"
        )
    strange = [name for name in fixed if name not in known]
    if strange:
        raise InputError(f"law {law.name} has no variable {quoted(strange[0])} to hold; it has {', '.join(known)}")
    for variable in law.variables:
        if not variable.logged and variable.name not in fixed:
            raise InputError(
                f"{variable.name} of law {law.name} is not positive, so a plan cannot choose it; hold it with "
                f"fixed={{'{variable.name}': ...}}"
            )


def _repetition(law: Law, unique: Any, fixed: Mapping[str, Any]) -> Repetition | None:
    """The law's form in epochs where data is repeated, or None where it is not."""
    if UNIQUE_TOKENS in [v.name for v in law.variables]:
        if law.repeated is None or UNIQUE_TOKENS in fixed:
            return None
        if unique is None:
            raise InputError(f"law {law.name} needs to know how many unique tokens there are: limits={{'U': 1e12}}")
        return law.repeated
    if unique is not None and law.repeated is None:
        raise InputError(
            f"how much repeated tokens are worth is known for laws chinchilla and muennighoff, not for {law.name}; "
            "limit D_max instead"
        )
    return law.repeated if unique is not None else None


def _unique_limit(unique: Any, repeated: bool) -> Limit:
    """Unique tokens as a limit: on U itself, or on D over epochs."""
    top, bottom = ("D", "epochs") if repeated else (UNIQUE_TOKENS, None)
    limit = bound(UNIQUE_TOKENS, 1, top, unique, bottom)
    return Limit(limit.function, "U", limit.values, "U", "tokens", True, limit.arguments)


def _with_ranges(requested: tuple[Limit, ...], free: list[str]) -> tuple[tuple[Limit, ...], frozenset[str]]:
    """The limits with the ends of the range of every variable where none is asked for, and the names of those ends.

    Every plan has these rows: whichever limits are asked for, it is one compiled program.
    """
    asked = {limit.name: limit for limit in requested}
    standard = [(f"{v}_{end}", sign, v, None) for v in free for end, sign in (("max", 1), ("min", -1))]
    if "N" in free and "D" in free:
        standard += [("D_per_N_min", -1, "D", "N"), ("D_per_N_max", 1, "D", "N")]
    ends = {name: 1.0 if sign < 0 and v in _COUNTED else _FURTHEST[sign] for name, sign, v, _ in standard}
    ends |= {"D_per_N_min": _FURTHEST[-1]}
    bounds = [
        asked.pop(name, None) or bound(name, sign, top, ends[name], bottom) for name, sign, top, bottom in standard
    ]
    implicit = frozenset(name for name, *_ in standard) - {limit.name for limit in requested}
    return (*bounds, *asked.values()), implicit
