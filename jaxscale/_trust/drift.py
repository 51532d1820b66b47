"""What a loss that drifts with scale does to a fit, which no residual shows: the law takes most of it up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._trust.bread import bread_of
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.slopes_beside import slopes_beside

DRIFTS = ("N", "D")  # along which losses may drift
Moves = Mapping[str, Mapping[str, float]]  # by N or D: of each parameter, as theta, for one unit a decade


class Drifts(Moves):
    """What `drifts_of` says, worked out when somebody first looks, since no verdict goes by it."""

    def __init__(self, moves: Moves | Callable[[], Moves]):
        self._moves = moves

    @property
    def _found(self) -> Moves:
        if callable(self._moves):
            self._moves = self._moves()  # and lets go of all tables that were fitted beside this one
        return self._moves

    def __getitem__(self, name: str) -> Mapping[str, float]:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return repr(self._found)

    def __reduce__(self) -> tuple[Any, ...]:
        return Drifts, ({name: dict(moves) for name, moves in self.items()},)


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
    return drifts_of_all([problem], [at])[0]


def drifts_of_all(problems: Sequence[Problem], tables: Sequence[Linearization]) -> list[dict[str, dict[str, float]]]:
    """`drifts_of` each table."""
    found: list[dict[str, dict[str, float]]] = [{} for _ in tables]
    shifts = [_shifts(problem) for problem in problems]
    able = [k for k, at in enumerate(tables) if shifts[k] and not at.held.all()]
    weights = [at.scatter.bread_weights for at in tables]
    for part in slopes_beside([at.jacobian[:, ~at.held] for at in tables], able):
        bread = bread_of(part, tables, weights)
        for k in bread.alone:
            found[k] = drifts_of(problems[k], tables[k])
        size = np.where(bread.size > 0, bread.size, 1.0)
        for name in DRIFTS:
            mine = [shifts[k].get(name, np.zeros(0)) for k in part.which]
            force = np.zeros(part.rows.shape[:2])
            for place, (k, shift) in enumerate(zip(part.which, mine, strict=True)):
                force[place, : len(shift)] = shift * weights[k][: len(shift)]
            pulled = (np.swapaxes(part.rows, 1, 2) @ force[..., None])[..., 0] / size
            moved = np.linalg.solve(bread.unit, pulled[..., None])[..., 0] / size
            for place in np.flatnonzero(bread.known):
                k = part.which[place]
                if name in shifts[k]:
                    found[k][name] = _by_name(problems[k], tables[k], moved[place])
    return [{name: mine[name] for name in of if name in mine} for of, mine in zip(shifts, found, strict=True)]


def _shifts(problem: Problem) -> dict[str, np.ndarray]:
    """By N and D: how much a response that drifts by one a decade rises at each run, as residuals are counted."""
    law, shifts = problem.law, {}
    for v, x in zip(law.variables, problem.points.logs, strict=True):
        if v.name in DRIFTS and v.logged:
            shifts[v.name] = decades_of(np.asarray(x)[: problem.count])
            if law.response.logged and problem.task.space == "raw":
                shifts[v.name] = shifts[v.name] * problem.observed
            if problem.points.whitening is not None:
                shifts[v.name] = shifts[v.name] * problem.whitening
    return shifts


def _by_name(problem: Problem, at: Linearization, moved: np.ndarray) -> dict[str, float]:
    """Moves of the free values that no bound holds as those of theta."""
    moves = np.zeros(len(at.held))
    moves[~at.held] = moved
    slots = zip(problem.law.parameter_names, problem.layout.slots, strict=True)
    return {name: float(moves[k]) for name, k in slots if k >= 0}


def read_drifts(data: Mapping[str, Mapping[str, float]] | None) -> dict[str, dict[str, float]]:
    """What a file holds of `drifts_of`; older files hold nothing."""
    return {str(name): {str(k): float(v) for k, v in moves.items()} for name, moves in (data or {}).items()}
