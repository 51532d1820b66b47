"""How well the runs tell the parameters apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxscale._base.files import number, numbers
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.slopes_beside import SURE, scaled, slopes_beside

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
    return identify_all([at], [units])[0]


def identify_all(tables: Sequence[Linearization], units: Sequence[np.ndarray]) -> list[Identification]:
    """`identify` of each table."""
    found: dict[int, Identification] = {}
    rows = [_informative(at, of) for at, of in zip(tables, units, strict=True)]
    for part in slopes_beside(rows):
        unit, norms, known = scaled(part.products())
        square, axes = np.linalg.eigh(unit)
        for place, k in enumerate(part.which):
            at = tables[k]
            if not known[place]:
                dead = {n: 1.0 for n, size in zip(at.names, norms[place], strict=True) if not size > 0}
                found[k] = Identification(float("inf"), {}, dead)
            elif square[place, 0] > SURE * square[place, -1]:
                found[k] = _identified(at, np.sqrt(square[place, ::-1]), axes[place].T[::-1])
            else:
                _, singular, directions = np.linalg.svd(rows[k] / np.linalg.norm(rows[k], axis=0), full_matrices=False)
                if len(rows[k]) < len(directions.T):
                    singular = np.append(singular, 0.0)
                    directions = np.vstack([directions, np.zeros(len(directions.T))])
                found[k] = _identified(at, singular, directions)
    return [found[k] for k in range(len(tables))]


def _informative(at: Linearization, units: np.ndarray) -> np.ndarray:
    """Slopes of the runs that count, and priors, each row as informative as a run of weight one."""
    jacobian = at.jacobian if (units == np.eye(len(units))).all() else at.jacobian @ units
    jacobian = jacobian[at.used] * np.sqrt(at.weights[at.used])[:, None]
    return np.concatenate([jacobian, at.rows_of_priors @ units]) if at.precision.any() else jacobian


def _identified(at: Linearization, singular: np.ndarray, directions: np.ndarray) -> Identification:
    """Of columns of norm one, by their singular values and directions, the largest first."""
    smallest = singular[-1] / singular[0]
    condition = float(smallest**-2) if smallest > 0 else float("inf")
    order = np.argsort(-np.abs(directions[-1]), kind="stable")
    sign = np.sign(directions[-1][order[0]]) or 1.0
    sloppiest = {at.names[k]: float(sign * directions[-1][k]) for k in order}
    correlations = {}
    if np.isfinite(condition) and condition < 1e15:
        inverse = directions.T @ (directions * singular[:, None] ** -2.0)
        scale = np.sqrt(np.diag(inverse))
        together, names = (inverse / (scale[:, None] * scale)).tolist(), at.names
        correlations = {f"{names[j]},{names[i]}": together[i][j] for i in range(len(names)) for j in range(i)}
    return Identification(condition, correlations, sloppiest)
