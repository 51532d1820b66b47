"""Numbers beside a law: constants that somebody published or that a user gives, how sure they are, and what repetition
needs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale.laws._parameters import Parameter

Status = Literal["verified", "recomputed", "unverified", "own"]


@dataclass(frozen=True)
class Published:
    """Constants somebody published for a law: values by name in natural units, where they come from, how far they
    were checked.

    `status`: "verified" was read in the primary source, "recomputed" follows from public data or other verified
    constants, "unverified" was neither, "own" is what a user gave. Parameters that were not published are absent.
    """

    params: Mapping[str, float] = field(hash=False)
    source: str
    status: Status = "verified"
    standard_errors: Mapping[str, float] = field(default_factory=dict, hash=False)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Repetition:
    """A law's form where every token is seen `epochs` >= 1 times: `function(params, log_N, log_D, log_epochs)`, the log
    of its response, of which D / epochs tokens are unique.

    `constants` are natural values of what it needs beside the law's own parameters, as published.
    """

    function: Callable[..., Any]
    constants: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class GivenCovariance:
    """How sure constants are: covariance `matrix` (n_names, n_names) of theta, of the parameters `names`."""

    names: tuple[str, ...]
    matrix: np.ndarray
    method: str


def covariance_of(
    parameters: Iterable[Parameter], values: Mapping[str, float], standard_errors: Any, covariance: Any
) -> GivenCovariance | None:
    """The covariance of theta from what a user gives in natural units, to first order; None where nothing is given.

    Args:
        parameters: of the law, all of them.
        values: natural values by name.
        standard_errors: by name; a parameter without one is known exactly.
        covariance: (n_parameters, n_parameters) in the order of `parameters`, or a frame with their names.

    Raises:
        InputError: both are given, a name is unknown, or a number is none.
    """
    parameters = list(parameters)
    names = tuple(p.name for p in parameters)
    slopes = np.array([p.slope(p.to_theta(values[p.name])) for p in parameters])
    if standard_errors is not None and covariance is not None:
        raise InputError("give standard_errors or a covariance, one of the two")
    if standard_errors is not None:
        errors = dict(standard_errors)
        strange = [name for name in errors if name not in names]
        if strange:
            raise InputError(
                f"there is no parameter {strange[0]!r} to have a standard error; there are {', '.join(names)}"
            )
        for name, error in errors.items():
            if not (isinstance(error, int | float) and 0 <= error < np.inf):
                raise InputError(f"the standard error of {name} must be a number from 0 on, got {error!r}")
        matrix = np.diag([float(errors.get(name, 0.0)) ** 2 for name in names])
        return GivenCovariance(names, matrix / np.outer(slopes, slopes), "given standard errors")
    if covariance is None:
        return None
    if hasattr(covariance, "loc"):
        missing = [name for name in names if name not in covariance.index or name not in covariance.columns]
        if missing:
            raise InputError(f"the covariance has no row and column {missing[0]!r}; it needs {', '.join(names)}")
        covariance = covariance.loc[list(names), list(names)]
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (len(names), len(names)):
        raise InputError(
            f"the covariance has shape {matrix.shape}; it needs a row and a column for each of {', '.join(names)}"
        )
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() < -1e-9 * np.abs(matrix).max():
        raise InputError("a covariance is symmetric and has no negative variance in any direction; this one is not")
    return GivenCovariance(names, matrix / np.outer(slopes, slopes), "given covariance")
