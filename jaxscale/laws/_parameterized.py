"""The one map between the numbers people read and those a law is fitted in."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._parameters import Parameter, Params, natural, unconstrained


class Parameterized:
    """What has a name and parameters: from theta, their unconstrained values in order, to natural ones and back."""

    name: str
    parameters: tuple[Parameter, ...]

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of theta."""
        return tuple(p.name for p in self.parameters)

    def index(self, name: str) -> int:
        """Where a parameter stands in theta.

        Raises:
            InputError: the law has no parameter of that name; the message lists those it has.
        """
        if name not in self.parameter_names:
            known = ", ".join(self.parameter_names)
            raise InputError(f"law {self.name!r} has no parameter {name!r}; it has {known}")
        return self.parameter_names.index(name)

    def params_of_theta(self, values: Mapping[str, Any], logs: Mapping[str, Any] | None = None) -> Params:
        """What the law's function takes, from unconstrained values by name, with the logarithms of further positive
        constants if there are any; pure JAX."""
        logged, logits = ([p.name for p in self.parameters if p.transform == kind] for kind in ("log", "logit"))
        more = dict(logs or {})
        return Params({**values, **more}, {*logged, *more}, logits)

    def check(self, params: Mapping[str, Any]) -> None:
        """Raise InputError unless these are all of the law's parameters, by name."""
        self.check_names("parameter", params, self.parameter_names)

    def theta(self, params: Mapping[str, float]) -> np.ndarray:
        """Unconstrained values, shape (n_parameters,), of natural ones, each checked to lie in its range."""
        self.check(params)
        return np.array([p.to_theta(params[p.name]) for p in self.parameters], dtype=np.float64)

    def theta_of(self, params: Mapping[str, Any]) -> tuple[Array, ...]:
        """Unconstrained values of natural ones in the order of `parameters`: pure JAX, nothing is checked."""
        return tuple(unconstrained(p.transform, jnp.asarray(params[p.name]), jnp) for p in self.parameters)

    def natural(self, theta: Iterable[float]) -> dict[str, float]:
        """Natural values by name of unconstrained ones, shape (n_parameters,)."""
        with np.errstate(over="ignore"):
            return {p.name: float(natural(p.transform, t, np)) for p, t in zip(self.parameters, theta, strict=True)}

    def naturals(self, theta: np.ndarray) -> np.ndarray:
        """Natural values of theta, both (..., n_parameters)."""
        columns = np.moveaxis(np.asarray(theta, np.float64), -1, 0)
        with np.errstate(over="ignore"):
            values = [natural(p.transform, x, np) for p, x in zip(self.parameters, columns, strict=True)]
        return np.stack(values, axis=-1)

    def check_names(self, what: str, given: Iterable[str], wanted: Iterable[str]) -> None:
        """Raise InputError unless what is given by name is what is wanted, all of it and nothing else."""
        given, wanted = list(given), list(wanted)
        missing, unknown = [w for w in wanted if w not in given], [g for g in given if g not in wanted]
        if missing or unknown:
            problem = f"misses {what} {', '.join(missing)}" if missing else f"has no {what} {', '.join(unknown)}"
            raise InputError(f"law {self.name!r} {problem}; it takes {', '.join(wanted)}")
