"""A request posed as numbers: the decision, its targets, and what is given beside the law's parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxscale._allocation.decide import Values, decide
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion
from jaxscale._planning.request import Request


@dataclass(frozen=True, eq=False)
class Posed:
    """targets: as they were asked for; wanted: their logs (of a response that need not be positive, themselves); rest:
    logs of `values`, but of variables that are not positive as they are, (k,), or (n_targets, k) of each target."""

    decision: Decision
    values: Values
    targets: np.ndarray
    wanted: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(cls, request: Request) -> "Posed":
        """The decision of a request, checked."""
        law = request.source.law
        decision, values = decide(
            law, request.cost, request.limits, request.unique, request.goal, request.fixed, request.assumed
        )
        raw = law.raw_names
        rest = np.array([float(v) if k in raw else math.log(float(v)) for k, v in values.natural.items()])
        targets = np.asarray(request.targets)
        wanted = targets if request.goal == "cost" and not law.response.logged else np.log(targets)
        return cls(decision, values, targets, wanted, rest)

    def givens(self, theta: np.ndarray) -> np.ndarray:
        """What is given for each target, (n_targets, k), at parameters (n_params,)."""
        givens = np.empty((len(self.wanted), len(theta) + 1 + self.rest.shape[-1]))
        parts = np.split(givens, [len(theta), len(theta) + 1], axis=1)
        parts[0][:], parts[1][:, 0], parts[2][:] = theta, self.wanted, self.rest
        return givens

    @property
    def assumptions(self) -> dict[str, float]:
        """What somebody asked for beside the law's parameters and the target, by name."""
        return {name: float(v) for name, v in self.values.natural.items() if name not in self.values.implicit}

    @cached_property
    def shown(self) -> list[str]:
        """Names of what is given that somebody asked for, or that is a parameter."""
        return [name for name in self.decision.names if name not in self.values.implicit]

    @cached_property
    def _combinations(self) -> tuple[tuple[str, ...], np.ndarray]:
        n, variables = len(self.decision.variables), self.decision.variables
        unit = np.eye(n + 2)
        parts: dict[str, np.ndarray] = {v: unit[variables.index(v)] for v in ("N", "D") if v in variables}
        if "N" in parts and "D" in parts:
            parts["tokens_per_param"] = parts["D"] - parts["N"]
        parts |= {v: unit[k] for k, v in enumerate(variables) if v not in parts}
        parts["loss"] = unit[n]
        if self.decision.goal == "cost":
            parts["cost"] = unit[n + 1]
        return tuple(parts), np.array(list(parts.values()))

    def logged(self, quantity: str) -> bool:
        """Whether a quantity is told through its log: not a share that stands alone, nor a response of either sign."""
        law = self.decision.law
        return law.response.logged if quantity == "loss" else quantity not in law.raw_names

    @property
    def quantities(self) -> tuple[str, ...]:
        """What a plan tells."""
        return self._combinations[0]

    @property
    def combine(self) -> np.ndarray:
        """The quantities (logs, but for shares that stand alone) as combinations of x, log response and log cost,
        (q, n + 2)."""
        return self._combinations[1]

    def logs(self, expansions: Sequence[Expansion | None]) -> np.ndarray:
        """x, log response and log cost at every answer, (n_targets, n + 2); nan where there is none."""
        nothing = np.full(len(self.decision.variables) + 2, np.nan)
        return np.stack([nothing if e is None else e.values for e in expansions])

    def natural(self, expansion: Expansion | None) -> dict[str, float]:
        """The quantities at an answer as people count them, by name; nan where there is none."""
        return self.natural_at(self.logs([expansion])[0])

    def natural_at(self, logs: np.ndarray) -> dict[str, float]:
        """The quantities at x, log response and log cost (n + 2,), as people count them, by name."""
        values = self.combine @ logs
        return {
            q: math.exp(v) if self.logged(q) else v for q, v in zip(self.quantities, map(float, values), strict=True)
        }
