"""How well the runs tell the parameters apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxscale._base.files import number, numbers
from jaxscale._trust.linearization import Linearization

# Measured on simulated designs of the Chinchilla law: sound ones have condition numbers of 3.6e4 to 9.4e4 and relative
# errors of an exponent of .05 to .16; too narrow ones 1.5e6 and more.
WARN_CONDITION, HOPELESS_CONDITION = 3e5, 1e9
WEAK_RELATIVE_ERROR = 0.25
# Where a warning becomes fatal was set on the tuning seeds of studies/verdicts.py. Sound tables reach the first
# number, tables whose decision is wrong begin at the second:
HOPELESS_RELATIVE_ERROR = 0.5  # .44, .53: standard error of an exponent
NOISY = 0.2  # .07, .25: typical residual over the spread of what the law explains; then WEAK_RELATIVE_ERROR is fatal


@dataclass(frozen=True)
class Identification:
    """How well the runs, and priors if there are any, tell the parameters apart.

    condition_number: of J'J with columns of unit norm. correlations: of the estimates, by "name,name", from J'J alone.
    sloppiest: the combination of free values that the runs determine least, weights of unit length, largest first.
    """

    condition_number: float
    correlations: Mapping[str, float] = field(hash=False)
    sloppiest: Mapping[str, float] = field(hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return {
            "condition_number": self.condition_number,
            "correlations": dict(self.correlations),
            "sloppiest": dict(self.sloppiest),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Identification":
        """What `to_dict` wrote; a condition number that is missing is infinite."""
        condition = number(data["condition_number"], float("inf"))
        return cls(condition, numbers(data["correlations"]), numbers(data["sloppiest"]))


def identify(at: Linearization, units: np.ndarray) -> Identification:
    """Conditioning of the normalised Jacobian at an optimum; `units` (free, free) takes it to plain counts."""
    jacobian = (at.jacobian @ units)[at.used] * np.sqrt(at.weights[at.used])[:, None]
    if at.precision.any():
        jacobian = np.concatenate([jacobian, at.rows_of_priors @ units])
    norms = np.linalg.norm(jacobian, axis=0)
    if not np.all(np.isfinite(jacobian)) or not np.all(norms > 0):
        dead = {n: 1.0 for n, size in zip(at.names, norms, strict=True) if not size > 0}
        return Identification(float("inf"), {}, dead)
    _, singular, directions = np.linalg.svd(jacobian / norms, full_matrices=False)
    if len(jacobian) < len(norms):
        singular, directions = np.append(singular, 0.0), np.vstack([directions, np.zeros_like(norms)])
    smallest = singular[-1] / singular[0]
    condition = float(smallest**-2) if smallest > 0 else float("inf")
    order = np.argsort(-np.abs(directions[-1]), kind="stable")
    sign = np.sign(directions[-1][order[0]]) or 1.0
    sloppiest = {at.names[k]: float(sign * directions[-1][k]) for k in order}
    correlations = {}
    if np.isfinite(condition) and condition < 1e15:
        inverse = directions.T @ np.diag(singular**-2.0) @ directions
        scale = np.sqrt(np.diag(inverse))
        together = (inverse / (scale[:, None] * scale)).tolist()
        correlations = {f"{at.names[j]},{at.names[i]}": together[i][j] for i in range(len(norms)) for j in range(i)}
    return Identification(condition, correlations, sloppiest)
