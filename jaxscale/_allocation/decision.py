"""What a plan decides: law, cost and limits as one small constrained problem in the logs of the decision variables.

A `Decision` is static; every number in it (parameters, prices, demand, budget, limits) travels beside it in one vector
`given`, in the law's unconstrained space for parameters and in logs for all else. Derivatives in it are elasticities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.costs import CostModel
from jaxscale.laws import Law, Params, chinchilla, gadre_overtrain, kaplan_nd, muennighoff
from jaxscale.laws._math import logsumexp
from jaxscale.laws.data_constrained import log_worth
from jaxscale.limits import UNIQUE_TOKENS, Limit, bound, evaluate_limit

Goal = Literal["loss", "cost"]

_FURTHEST = {1: 1e39, -1: 1.0}  # a variable's range where no limit says otherwise
_STARTS = {"N": 20.7, "D": 25.3, "epochs": 0.5}  # 1e9 parameters, 1e11 tokens
_REPETITION = ("R_D_star", "R_N_star")
# Log loss is convex in the logs of the variables for laws that are sums of powers.
_SUMS_OF_POWERS = frozenset({chinchilla.function, gadre_overtrain.function, kaplan_nd.function})


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
    """Least loss within a budget, or least cost to reach a loss, within limits; a `Problem` of the constrained
    solver."""

    law: Law
    goal: Goal
    cost: Callable[..., Any]
    cost_variables: tuple[str, ...]
    cost_names: tuple[tuple[str, str], ...]
    limits: tuple[Row, ...]
    fixed: tuple[str, ...]
    repeated: bool
    convex: bool
    names: tuple[str, ...]  # of `given`
    plain: bool  # N and D within a budget and no limits: see `_allocate.optimum`

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
        return (*(v for v in mine if v != UNIQUE_TOKENS), "epochs") if self.repeated else mine

    def logs(self, x: tuple, given: Array) -> dict[str, Any]:
        """Logs of all variables by name; those whose domain is not positive as they are."""
        logs = {name: given[self.names.index(name)] for name in self.fixed}
        return logs | dict(zip(self.variables, x, strict=True))

    def response(self, x: tuple, given: Array) -> Array:
        """Log of what the law predicts."""
        logs = self.logs(x, given)
        values = {name: given[self.names.index(name)] for name in self.law.parameter_names}
        if not self.repeated:
            params = self.law.params_of_theta(values)
            return self.law.function(params, **{v.argument: logs[v.name] for v in self.law.variables})
        logged = [p.name for p in self.law.parameters if p.transform == "log"]
        values |= {name: given[self.names.index(name)] for name in _REPETITION}
        return _repeated(Params(values, {*logged, *_REPETITION}), logs["N"], logs["D"], logs["epochs"])

    def log_cost(self, x: tuple, given: Array) -> Array:
        """Log of what is spent."""
        logs = self.logs(x, given)
        assumptions = {mine: jnp.exp(given[self.names.index(name)]) for mine, name in self.cost_names}
        return self.cost(*(logs[v] for v in self.cost_variables), **assumptions)

    def objective(self, x: tuple, given: Array) -> Array:
        """Log loss or log cost."""
        return self.response(x, given) if self.goal == "loss" else self.log_cost(x, given)

    def rows(self, x: tuple, given: Array) -> tuple:
        """The target first, then the limits; each at most zero where it is kept."""
        reached = self.log_cost(x, given) if self.goal == "loss" else self.response(x, given)
        first = reached - given[self.names.index(self.target)]
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


def decide(
    law: Law,
    cost: CostModel,
    limits: tuple[Limit, ...],
    unique: Any = None,
    goal: Goal = "loss",
    fixed: Mapping[str, Any] | None = None,
    assumed: Mapping[str, float] | None = None,
) -> tuple[Decision, dict[str, Any], frozenset[str]]:
    """The decision, the natural values of all that is given beside the law's parameters and the target, and which of
    them nobody asked for (the ends of the variables' ranges). `assumed` takes the place of published constants of
    repetition, where the law has none of its own.

    Raises:
        InputError: law, cost and limits do not belong together.
    """
    fixed = dict(fixed or {})
    known = [v.name for v in law.variables]
    strange = [name for name in fixed if name not in known]
    if strange:
        raise InputError(f"law {law.name} has no variable {quoted(strange[0])} to hold; it has {', '.join(known)}")
    for variable in law.variables:
        if variable.domain != "positive" and variable.name not in fixed:
            raise InputError(
                f"{variable.name} of law {law.name} is not positive, so a plan cannot choose it; hold it with "
                f"fixed={{'{variable.name}': ...}}"
            )
    repeated, law_has_U = False, UNIQUE_TOKENS in known
    values: dict[str, Any] = {}
    if law.function is muennighoff.function:
        repeated = UNIQUE_TOKENS not in fixed
        if repeated and unique is None:
            raise InputError(f"law {law.name} needs to know how many unique tokens there are: limits={{'U': 1e12}}")
    elif unique is not None and law.function is chinchilla.function:
        repeated = True
        values |= {k: v for k, v in muennighoff.constants["muennighoff_c4"].params.items() if k in _REPETITION}
        values |= assumed or {}
    elif unique is not None and not law_has_U:
        raise InputError(
            f"how much repeated tokens are worth is known for laws chinchilla and muennighoff, not for {law.name}; "
            "limit D_max instead"
        )
    if unique is not None:
        limit = bound(UNIQUE_TOKENS, 1, UNIQUE_TOKENS, unique)
        if repeated:
            limit = bound(UNIQUE_TOKENS, 1, "D", unique, "epochs")
        limits = (*limits, Limit(limit.function, "U", limit.values, "U", "tokens", True, limit.arguments))
    free = [name for name in known if name not in fixed and not (repeated and name == UNIQUE_TOKENS)]
    everything = [*free, *fixed, *(["epochs"] if repeated else [])]
    if not free:
        raise InputError("everything is held fixed, so there is nothing to plan; leave a variable free")
    missing = [v for v in cost.variables if v not in everything]
    if missing:
        raise InputError(
            f"cost {cost.name} is one of {', '.join(cost.variables)}, but law {law.name} has {', '.join(known)}; "
            "choose a "
            "law and a cost of the same variables"
        )
    taken = {*law.parameter_names, *fixed, *values, "budget", "reach_loss"}
    values |= fixed

    def join(prefix: str, name: str, value: Any) -> str:
        free_name = name if name not in taken else f"{prefix}.{name}"
        taken.add(free_name)
        values[free_name] = value
        return free_name

    cost_names = tuple((name, join("cost", name, value)) for name, value in cost.assumptions.items())
    # Every plan has the rows that bound its variables, at the ends of the range where no limit is asked for: whichever
    # are, it is one compiled program.
    requested = limits
    asked = {limit.name: limit for limit in limits}
    variables = [*free, *(["epochs"] if repeated else [])]
    standard = [(f"{v}_{end}", sign, v, None) for v in variables for end, sign in (("max", 1), ("min", -1))]
    if "N" in free and "D" in free:
        standard += [("D_per_N_min", -1, "D", "N"), ("D_per_N_max", 1, "D", "N")]
    ends = {name: _FURTHEST[sign] for name, sign, _, _ in standard} | {"D_per_N_min": 1e-39}
    rows = []
    bounds = [
        asked.pop(name, None) or bound(name, sign, top, ends[name], bottom) for name, sign, top, bottom in standard
    ]
    limits = (*bounds, *asked.values())
    for limit in limits:
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
        convex=law.function in _SUMS_OF_POWERS
        and not repeated
        and cost.convex
        and all(limit.convex for limit in limits),
        names=(*law.parameter_names, "budget" if goal == "loss" else "reach_loss", *values),
        plain=goal == "loss"
        and not requested
        and sorted(free) == ["D", "N"]
        and not (fixed or repeated)
        and cost.variables == ("N", "D"),
    )
    return decision, values, frozenset(name for name, *_ in standard) - {limit.name for limit in requested}


def _repeated(p: Params, log_N: Any, log_D: Any, log_epochs: Any) -> Any:
    """Log loss where each token is seen `epochs` >= 1 times: law `muennighoff` with U = D / epochs.

    The law itself takes the smaller of U and D, which has a corner where they are equal. Here that corner is an end of
    the range of epochs, and the loss is smooth in it.
    """
    log_fresh = log_D - log_epochs
    # Fewer than one epoch is visited on the way: D' is continued as a mirror image, smoothly since it is level there.
    log_shown = log_fresh + jnp.where(log_epochs >= 0, log_epochs, -log_epochs)
    log_G = (jnp.log(p.alpha / p.beta) + p.log_A - p.log_B) / (p.alpha + p.beta)
    log_N_fresh = jnp.minimum(log_N, log_G + (p.beta / p.alpha) * (log_G + log_fresh))
    worth_N, worth_D = (
        log_worth(log_N_fresh, log_N, p.R_N_star),
        log_worth(log_fresh, log_shown, p.R_D_star) + log_D - log_shown,
    )
    return logsumexp(p.log_E, p.log_A - p.alpha * worth_N, p.log_B - p.beta * worth_D)
