"""The variables that a law reads, its parameters, and the maps between their natural and unconstrained values."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._base.errors import InputError
from jaxscale.laws._math import log

Transform = Literal["log", "logit", "identity"]
Domain = Literal["positive", "real", "unit", "count", "vector"]
Power = float | str | Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Variable:
    """One thing a law reads off a run, or its response.

    `domain` says which values are possible. Only "positive" variables are logged before a law sees them; a "vector" has
    its own axis last. A variable without a unit is a pure number. `fixed_unit`: the law holds in this unit alone, since
    another one would do more than rescale parameters (where logs of two variables are multiplied, for instance).
    `better` is about a response: "lower" (a loss, an error, a bill), "higher" (an accuracy) or "neither" (a best size).
    `stands_for` names the variable in whose place the next law of a chain may read a response: a loss on another corpus
    is a loss. `shares`: of a vector that divides a whole, how many shares it has; they add up to 1, and a plan decides
    them as `parts`, h1, h2, ...
    """

    name: str
    unit: str = ""
    meaning: str = ""
    domain: Domain = "positive"
    fixed_unit: bool = False
    better: Literal["lower", "higher", "neither"] = "lower"
    stands_for: str = ""
    shares: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the shares of a whole, h1, h2, ...; none of another variable."""
        return tuple(f"{self.name}{i}" for i in range(1, self.shares + 1))

    @property
    def logged(self) -> bool:
        """Whether its logarithm is taken before a law sees it: of positive variables."""
        return self.domain == "positive"

    @property
    def argument(self) -> str:
        """The keyword under which a law's function receives it: `log_N` if it is logged, `epochs` if not."""
        return f"log_{self.name}" if self.logged else self.name


N = Variable("N", "parameters", "size of the model")
D = Variable("D", "tokens", "tokens trained on")
C = Variable("C", "FLOPs", "compute spent on training")
LOSS = Variable("loss", "nats per token", "mean cross-entropy on held-out text")
_STANDARD = {"N": N, "D": D, "C": C, "loss": LOSS}


def log_spent(logs: Mapping[str, Any]) -> Any | None:
    """Log of what runs cost to train, of the logs of a law's positive variables by name: of C, or else of 6 N D, in
    FLOPs; of a law's one variable, of that; None where there is no such measure."""
    if "C" in logs:
        return logs["C"]
    if {"N", "D"} <= logs.keys():
        return math.log(6.0) + logs["N"] + logs["D"]
    return next(iter(logs.values())) if len(logs) == 1 else None


def variable_of(name: str) -> Variable:
    """The variable of that name: one that laws share, or a pure number."""
    return _STANDARD.get(name, Variable(name))


@dataclass(frozen=True)
class Parameter:
    """One fitted number of a law.

    `transform` maps it to the unconstrained `theta`: "log" for what must be positive, "logit" for what must lie between
    0 and 1, "identity" otherwise. `grid` holds the published starting values of theta, if any. `dimension` says how the
    parameter grows when a variable (or the response) is counted in smaller units: `{"D": "beta", "loss": 1}` is a
    quantity in loss x tokens^beta. Starts are scaled with it, so that a fit does not depend on the units of the table.
    Powers are numbers, other parameters' values, written "beta", "-a" or "1/alpha", or functions of the values by name;
    see `growth`. Variables of one unit need only one of them named.
    """

    name: str
    transform: Transform = "log"
    unit: str = ""
    meaning: str = ""
    grid: tuple[float, ...] = ()
    dimension: Mapping[str, Power] = field(default_factory=dict, hash=False)

    @property
    def range(self) -> str:
        """Which natural values are possible, for people."""
        return {"log": "positive", "logit": "between 0 and 1", "identity": "real"}[self.transform]

    def to_theta(self, value: float) -> float:
        """The unconstrained value of a natural one.

        Raises:
            InputError: the value is outside the parameter's range.
        """
        if self.transform == "logit" and not 0 < value < 1:
            raise InputError(f"parameter {self.name} must lie between 0 and 1, got {value!r}")
        if self.transform == "log" and not value > 0:
            cure = "; for next to none of it give a small number, such as 1e-9" if value == 0 else ""
            raise InputError(f"parameter {self.name} must be positive, got {value!r}{cure}")
        return float(unconstrained(self.transform, value, np))

    def to_natural(self, theta: float) -> float:
        """The natural value of an unconstrained one; infinite where that is beyond float64."""
        with np.errstate(over="ignore"):
            return float(natural(self.transform, theta, np))

    def slope(self, theta: float) -> float:
        """Derivative of the natural value in theta: the value itself in logs, p (1 - p) of a share p, else 1."""
        value = self.to_natural(theta)
        if self.transform == "logit":
            return value * self.to_natural(-theta)
        return value if self.transform == "log" else 1.0

    def growth(self, of: str, values: Mapping[str, Any]) -> Any:
        """The power of a unit that the parameter grows with: 0 if it does not depend on it; pure JAX.

        Args:
            of: name of a variable or the response.
            values: natural values of the law's parameters by name.
        """
        power = self.dimension.get(of, 0.0)
        if callable(power):
            return power(values)
        if not isinstance(power, str):
            return power
        if power.startswith("-"):
            return -values[power[1:]]
        return 1 / values[power[2:]] if power.startswith("1/") else values[power]


def unconstrained(transform: Transform, value: Any, xp: Any) -> Any:
    """Theta of natural values, elementwise, with the functions of `xp`: jax.numpy or NumPy. No value is checked."""
    if transform == "log":
        return xp.log(value)
    return xp.log(value) - xp.log1p(-value) if transform == "logit" else value


def natural(transform: Transform, theta: Any, xp: Any) -> Any:
    """Natural values of theta: the inverse of `unconstrained`."""
    if transform == "log":
        return xp.exp(theta)
    return xp.exp(-xp.logaddexp(0.0, -theta)) if transform == "logit" else theta


class Params:
    """A law's parameters by name, as its formula wants them: `p.A` is the natural value, `p.log_A` its logarithm.

    Nothing is computed for a name the formula does not use, so a law in logs never leaves them. `logged` and `logits`
    name the values that are given as logarithms and as logits.
    """

    __slots__ = ("_logged", "_logits", "_values")

    def __init__(self, values: Mapping[str, Any], logged: Iterable[str] = (), logits: Iterable[str] = ()):
        self._values = values
        self._logged = frozenset(logged)
        self._logits = frozenset(logits)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            text = f"this law has no parameter {name!r}; it has {', '.join(self._values)}"
            raise AttributeError(text) from None

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            value = self._values[name]
            if name in self._logits:
                return jax.nn.sigmoid(value)
            return jnp.exp(value) if name in self._logged else value
        bare = name.removeprefix("log_")
        if bare != name and bare in self._values:
            value = self._values[bare]
            if bare in self._logits:
                return jax.nn.log_sigmoid(value)
            return value if bare in self._logged else log(jnp.asarray(value))
        raise KeyError(f"this law has no parameter {name!r}; it has {', '.join(self._values)}")

    @property
    def raw(self) -> dict[str, Any]:
        """The values as they were given: natural, or unconstrained where they are known as logarithms or logits."""
        return dict(self._values)

    def of(self, raw: Mapping[str, Any]) -> "Params":
        """Other values of the same kind, by the same names."""
        return Params(raw, self._logged, self._logits)

    def renamed(self, names: Mapping[str, str]) -> "Params":
        """Some of the parameters under other names: `names` maps the new ones to those here."""
        logged, logits = ([new for new, old in names.items() if old in kind] for kind in (self._logged, self._logits))
        return Params({new: self._values[old] for new, old in names.items()}, logged, logits)
