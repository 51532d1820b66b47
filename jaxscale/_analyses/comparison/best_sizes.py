"""How far a law's best size is from that of held-out isoFLOP curves."""

import math

import numpy as np

from jaxscale._data.runs import Runs
from jaxscale.laws import Variable

BUDGET_GAP, _BUDGET_WIDTH = 0.03, 0.2  # in log C: runs of one budget lie closer than the first, all within the second
_FEWEST_SIZES = 5  # of one budget, for a parabola
_FARTHEST = 50.0  # e-folds from the runs: a parabola whose vertex lies beyond bends by rounding alone


def budget_groups(runs: Runs) -> list[np.ndarray]:
    """Positions of the runs of every compute budget at which several sizes were trained."""
    if not {"N"} <= set(runs.variables) or not ({"C"} <= set(runs.variables) or {"D"} <= set(runs.variables)):
        return []
    log_C = np.log(runs.variable("C"))
    order = np.argsort(log_C, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(log_C[order]) > BUDGET_GAP) + 1)
    return [g for g in groups if np.ptp(log_C[g]) <= _BUDGET_WIDTH]


def best_size_factor(
    runs: Runs, predicted: np.ndarray, budgets: list[np.ndarray], response: Variable
) -> tuple[float, int]:
    """Geometric mean over budgets of the factor between the best sizes by the runs and by the predictions.

    Both are vertices of least-squares parabolas in log N through the same runs, so that the parabola's own bias
    cancels: the lowest points, or the highest of a `response` of which higher is better. Budgets whose runs show none
    between their smallest and largest model are left out; nan if the predictions show none where the runs do.
    """
    misses, turned = [], -1.0 if response.better == "higher" else 1.0
    for group in budgets:
        log_N = np.log(runs.variables["N"][group])
        if len(np.unique(np.round(log_N, 2))) < _FEWEST_SIZES:
            continue
        observed, foretold = (
            _vertex(log_N, turned * (np.log(y[group]) if response.logged else y[group]))
            for y in (runs.response, predicted)
        )
        if not log_N.min() < observed < log_N.max():
            continue
        misses.append(abs(foretold - observed))
    return (float(np.exp(np.mean(misses))) if misses else math.nan), len(misses)


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Where the least-squares parabola through (x, y) is least; nan if it has no minimum."""
    middle = x.mean()
    bend, slope, _ = np.polyfit(x - middle, y, 2)
    away = -slope / (2 * bend) if bend > 0 else math.nan
    return float(middle + away) if abs(away) < _FARTHEST else math.nan
