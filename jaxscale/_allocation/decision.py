"""What a plan decides: law, cost and limits as one small constrained problem in the decision variables.

A `Decision` is static; every number in it (parameters, prices, demand, budget, limits) travels beside it in one vector
`given`, in the law's unconstrained space for parameters and in logs for all else. Derivatives in it are elasticities.

Positive variables are decided in logs, a share that stands alone as it is. The shares of a mixture are logs z too, and
what law, cost and limits see is z - log sum exp(z): shares add up to one whatever z is. Half the square of that sum is
added to the objective, which is zero where it is least, so that there z are the logs of the shares themselves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale.laws import Law
from jaxscale.laws._constants import Repetition
from jaxscale.laws._math import log, logsumexp
from jaxscale.limits import UNIQUE_TOKENS, evaluate_limit

Goal = Literal["loss", "cost"]

_STARTS = {"N": 20.7, "D": 25.3, "epochs": 0.5}  # 1e9 parameters, 1e11 tokens
_STARTS_BY_UNIT = {"parameters": 20.7, "tokens": 25.3}
_TILTS = (0.0, 3.0, -3.0, -6.0)
_ALONE_STARTS = (0.4, 0.1, 0.8, 0.03)  # of a share that stands alone, one with each tilt
_MOST_OF_ONE = 4.0  # in logs: how much more there is of one share of a mixture, where a start is mostly of it
# The ends of a share. At the lower one it counts as nothing; logarithms and powers stay finite.
LEAST_SHARE, _LEAST_ALONE, _MOST_ALONE, _SAFE = 1e-9, 1e-12, 1 - 1e-9, 1e-13


@dataclass(frozen=True)
class Row:
    """A limit without its numbers: `names` maps its own values to names in `given`."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    main: str | None = None
    unit: str = ""


class Mixture(NamedTuple):
    """A vector of shares that add up to one, by its name and theirs."""

    name: str
    shares: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """The best response within a budget, or the least cost to reach one, within limits: a `ConstrainedProblem`."""

    law: Law
    goal: Goal
    cost: Callable[..., Any]
    cost_variables: tuple[str, ...]
    cost_names: tuple[tuple[str, str], ...]
    limits: tuple[Row, ...]
    fixed: tuple[str, ...]  # of a mixture that is held its shares, one by one
    repeated: Repetition | None
    convex: bool
    one_valley: bool  # or what is least rises with something convex: a certified answer is the best
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
    def mixtures(self) -> tuple[Mixture, ...]:
        """Of the law, free or held."""
        return tuple(Mixture(v.name, v.parts) for v in self.law.variables if v.parts)

    @property
    def free_mixtures(self) -> tuple[Mixture, ...]:
        """Those that are decided."""
        return tuple(m for m in self.mixtures if m.shares[0] not in self.fixed)

    @property
    def ends_of_shares(self) -> tuple[str, ...]:
        """Names of the rows that keep shares of mixtures from nothing."""
        return tuple(f"{name}_min" for m in self.free_mixtures for name in m.shares)

    @property
    def raw(self) -> frozenset[str]:
        """Names of variables, decided or held, that are no logs."""
        return self.law.raw_names

    @property
    def _alone(self) -> tuple[str, ...]:
        """Shares that are decided and belong to no mixture."""
        return tuple(v.name for v in self.law.variables if v.domain == "unit" and v.name not in self.fixed)

    @property
    def hard(self) -> tuple[int, ...]:
        """The rows that are ends of shares which stand alone, see `ConstrainedProblem`."""
        return tuple(range(1 + len(self.limits), 1 + len(self.limits) + 2 * len(self._alone)))

    @property
    def row_names(self) -> tuple[str, ...]:
        """Of the rows, the target first."""
        ends = (f"{name} {side}" for name in self._alone for side in (">= 0", "<= 1"))
        return (self.target, *(row.name for row in self.limits), *ends)

    @property
    def variables(self) -> tuple[str, ...]:
        """Of x: the law's variables that are free, a mixture as its shares, and epochs where data is repeated."""
        mine = tuple(name for v in self.law.variables for name in (v.parts or (v.name,)) if name not in self.fixed)
        return (*(v for v in mine if v != UNIQUE_TOKENS), "epochs") if self.repeated is not None else mine

    @property
    def fields(self) -> tuple[str, ...]:
        """What is decided, by the names of the law's variables: a mixture as one."""
        whole = {m.shares[0]: m.name for m in self.free_mixtures}
        others = {name for m in self.free_mixtures for name in m.shares[1:]}
        return tuple(whole.get(name, name) for name in self.variables if name not in others)

    def logs(self, x: tuple, given: Array) -> dict[str, Any]:
        """Logs of all variables by name; those whose domain is not positive as they are, and mixtures (k,) too."""
        logs = {name: given[self.names.index(name)] for name in self.fixed}
        logs |= dict(zip(self.variables, x, strict=True))
        for mixture in self.mixtures:
            if mixture in self.free_mixtures:
                total = logsumexp(*(logs[name] for name in mixture.shares))
                logs |= {name: logs[name] - total for name in mixture.shares}
            logs[mixture.name] = jnp.stack([jnp.exp(logs[name]) for name in mixture.shares])
        return logs

    def unbalance(self, x: tuple) -> Any:
        """What keeps the sum of a mixture's shares at one: zero there, positive elsewhere."""
        at = dict(zip(self.variables, x, strict=True))
        return sum(0.5 * logsumexp(*(at[name] for name in m.shares)) ** 2 for m in self.free_mixtures)

    def natural(self, x: tuple, given: Array) -> dict[str, Any]:
        """Natural values of what is decided, by the names of the law's variables: mixtures as vectors (k,)."""
        logs, whole = self.logs(x, given), {m.name for m in self.free_mixtures}
        as_it_is = self.raw | whole
        return {name: logs[name] if name in as_it_is else jnp.exp(logs[name]) for name in self.fields}

    def values(self, x: np.ndarray) -> dict[str, float]:
        """Natural values of what is decided, from x (n,): shares one by one, those left out as zero."""
        with np.errstate(over="ignore"):
            found = {n: float(v if n in self.raw else np.exp(v)) for n, v in zip(self.variables, x, strict=True)}
        left = {name for m in self.free_mixtures for name in m.shares if found[name] < 1.01 * LEAST_SHARE}
        left |= {name for name in self._alone if found[name] < 2 * _LEAST_ALONE}
        return {name: 0.0 if name in left else value for name, value in found.items()}

    def _log_of(self, name: str, logs: dict[str, Any]) -> Any:
        return log(jnp.maximum(logs[name], _SAFE)) if name in self.raw else logs[name]

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
        return self.cost(*(self._log_of(v, logs) for v in self.cost_variables), **assumptions)

    def objective(self, x: tuple, given: Array) -> Array:
        """What is least at the best decision: `lowered`, or log cost."""
        least = self.lowered(x, given) if self.goal == "loss" else self.log_cost(x, given)
        return least + self.unbalance(x)

    def rows(self, x: tuple, given: Array) -> tuple:
        """The target first, then the limits, then the ends of shares; each at most zero where it is kept."""
        target = given[self.names.index(self.target)]
        spends = self.goal == "loss"
        first = self.log_cost(x, given) - target if spends else self.sign * (self.response(x, given) - target)
        logs = self.logs(x, given)
        ends = (end for name in self._alone for end in (_LEAST_ALONE - logs[name], logs[name] - _MOST_ALONE))
        return (first, *(self._row(row, logs, given) for row in self.limits), *ends)

    def _row(self, row: Row, logs: dict[str, Any], given: Array) -> Any:
        values = {mine: given[self.names.index(name)] for mine, name in row.names}
        return jnp.asarray(evaluate_limit(row.function, row.arguments, {**values, **logs}, self.raw), given.dtype)

    @property
    def usual(self) -> np.ndarray:
        """Where starts lie whatever is given, (n,); within a budget N and D are moved to spend it."""
        units = {v.name: v.unit for v in self.law.variables}
        usual = {name: -math.log(len(m.shares)) for m in self.free_mixtures for name in m.shares}
        usual |= dict.fromkeys(self._alone, _ALONE_STARTS[0]) | _STARTS
        return np.array([usual.get(v, _STARTS_BY_UNIT.get(units.get(v, ""), 2.0)) for v in self.variables])

    def starts(self, given: Array, shift: Any = 0.0) -> Array:
        """(n_starts, n) points to start from: one if the problem is convex, else several. `shift` moves all that are
        logs."""
        x = jnp.asarray(self.usual, given.dtype)
        scales = jnp.asarray([float(v in ("N", "D")) for v in self.variables], given.dtype)
        if self.goal == "loss":
            gap = given[self.names.index("budget")] - self.log_cost(tuple(x), given)
            x = x + jnp.clip(gap, -60, 60) * scales / jnp.maximum(scales.sum(), 1)
        still = {name for m in self.free_mixtures for name in m.shares} | self.raw
        moves = {"N": 1.0, "D": -1.0, "epochs": -0.3} | dict.fromkeys(still, 0.0)
        tilt = jnp.asarray([moves.get(v, 0.5) for v in self.variables], given.dtype)
        alone = np.array([v in self._alone for v in self.variables])
        tilts, places = (_TILTS[:1], _ALONE_STARTS[:1]) if self.convex else (_TILTS, _ALONE_STARTS)
        starts = [jnp.where(alone, at, x + t * tilt) for t, at in zip(tilts, places, strict=True)]
        for m in self.free_mixtures:  # mostly of one domain
            starts += [x + _MOST_OF_ONE * np.array([v == most for v in self.variables]) for most in m.shares]
        moved = np.array([v not in still for v in self.variables])
        return jnp.stack(starts) + shift * jnp.asarray(moved, given.dtype)
