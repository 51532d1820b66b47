"""Tables counted in thousands or billions: how far they are from plain counts, and what that does to a law's
parameters."""

import numpy as np

from jaxscale._problem.problem import Problem

_THOUSAND = np.log(1000.0)
# Tables whose median lies outside these ranges are counted in thousands, millions, billions, ...; the second number
# is a typical median in plain counts. Inside, a published grid is used as it was published.
_PLAIN = {"N": ((1e5, 1e14), 1e9), "D": ((1e7, 1e16), 2e10), "C": ((1e14, 1e28), 1e21), "loss": ((0.05, 50.0), 2.5)}
_LOGS_OF_PLAIN = {name: (*np.log(ends), np.log(typical)) for name, (ends, typical) in _PLAIN.items()}


def unit_shift(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """What to add to starts given for plain counts if the table is in thousands, billions, ...; zero for plain
    counts."""
    shift, law = np.zeros_like(theta), problem.law
    units = _units(problem)
    if units:
        values_of = dict(zip(law.parameter_names, law.naturals(theta).T, strict=True))
        for name, by in units.items():
            for k, parameter in enumerate(law.parameters):
                if parameter.transform == "log":
                    shift[:, k] += by * parameter.growth(name, values_of)
    return shift


def _units(problem: Problem) -> dict[str, float]:
    """The log of how many plain counts one of the table's counts is, by name, of what is not counted plainly."""
    law = problem.law
    logs: dict[str, np.ndarray] = {v.name: x for v, x in zip(law.variables, problem.points.logs, strict=True)}
    logs[law.response.name] = (
        problem.points.observed if problem.task.space == "log" else safe_log(problem.points.observed)
    )
    units = {}
    for name, values in logs.items():
        if name not in _PLAIN or np.ndim(values) != 1:
            continue
        low, high, typical = _LOGS_OF_PLAIN[name]
        if low <= values.min() and values.max() <= high:
            continue
        real = problem.points.weights > 0
        middle = float(np.median(values[real])) if real.any() else typical
        if not low <= middle <= high:
            units[name] = _THOUSAND * np.round((middle - typical) / _THOUSAND)
    return units


def in_plain_counts(problem: Problem, free: np.ndarray) -> np.ndarray:
    """Derivative (free, free) of the free values with respect to those of the same table in plain counts.

    Conditioning is judged in plain counts, whatever the table is counted in, since its thresholds were measured there.
    """
    if not _units(problem):
        return np.eye(len(free))

    def shift(x: np.ndarray) -> np.ndarray:
        return problem.reduce(unit_shift(problem, problem.full(x)))

    nudges = 1e-4 * np.eye(len(free))
    return np.eye(len(free)) + ((shift(free + nudges) - shift(free - nudges)) / 2e-4).T


def safe_log(values: np.ndarray) -> np.ndarray:
    """Log, and 0 where there is none."""
    return np.log(np.where(values > 0, values, 1.0))
