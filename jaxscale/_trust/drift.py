"""What a loss that drifts with scale does to a fit, which no residual shows: the law takes most of it up."""

from collections.abc import Mapping

import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._trust.linearization import Linearization

DRIFTS = ("N", "D")  # along which losses may drift
_WORST_CONDITION = 1e12


def decades_of(logs: np.ndarray) -> np.ndarray:
    """By how many powers of ten each value exceeds the least, from natural logs."""
    return (logs - logs.min()) / np.log(10)


def drifts_of(problem: Problem, at: Linearization) -> dict[str, dict[str, float]]:
    """By N and D: derivatives of every fitted parameter, as theta, in a drift of the responses: so much higher for each
    decade above the smallest run's. In logs of a positive response, else in its unit.

    To first order, with the slope of psi smoothed over the noise as `powell_covariance` has it: exact derivatives of a
    Huber objective far below the noise would go by the few runs within delta of the law, and hold for a drift smaller
    than that only. Nothing is compiled for it. Empty where the runs do not determine the parameters.
    """
    room, law = ~at.held, problem.law
    rows, weights = at.jacobian[:, room], at.scatter.bread_weights
    bread = rows.T @ (rows * weights[:, None]) + np.diag(at.precision[room])
    size = np.sqrt(np.maximum(np.diag(bread), 0.0))
    if not len(size) or not np.all(size > 0) or not np.linalg.cond(bread / np.outer(size, size)) < _WORST_CONDITION:
        return {}
    along = {
        v.name: x for v, x in zip(law.variables, problem.points.logs, strict=True) if v.name in DRIFTS and v.logged
    }
    if not along:
        return {}
    shifts = np.array([decades_of(np.asarray(x)[: problem.count]) for x in along.values()]).reshape(len(along), -1)
    if law.response.logged and problem.task.space == "raw":
        shifts = shifts * problem.observed
    shifts = shifts * problem.whitening
    moves = np.zeros((len(along), len(room)))
    moves[:, room] = np.linalg.solve(bread / np.outer(size, size), ((shifts * weights) @ rows / size).T).T / size
    slots = [(name, k) for name, k in zip(law.parameter_names, problem.layout.slots, strict=True) if k >= 0]
    return {of: {name: float(moved[k]) for name, k in slots} for of, moved in zip(along, moves, strict=True)}


def read_drifts(data: Mapping[str, Mapping[str, float]] | None) -> dict[str, dict[str, float]]:
    """What a file holds of `drifts_of`; older files hold nothing."""
    return {str(name): {str(k): float(v) for k, v in moves.items()} for name, moves in (data or {}).items()}
