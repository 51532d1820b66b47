"""Where the law of a decision gives no number, so that a plan keeps away from there, or cannot be had."""

from typing import NamedTuple

import numpy as np

from jaxscale._allocation.decision import Decision
from jaxscale._allocation.placing import evaluate, look
from jaxscale._allocation.scan import can_be_scanned, spread
from jaxscale._base.text import format_number

_POINTS, _REACH = 1000, 9.0  # how many are looked at, and how far around the usual start, in logs
_STEP = 1e-6  # in logs, from an optimum to what may lie beyond it


class Undefined(NamedTuple):
    """A point where the law is nan, x (n,) in logs, and the share of what was looked at where it is."""

    x: np.ndarray
    share: float

    def told(self, decision: Decision) -> str:
        """The law and the point: "law 'mine' gives no number (nan) at N = 1e+09"."""
        at = ", ".join(f"{name} = {format_number(x)}" for name, x in decision.values(self.x).items())
        return f"law {decision.law.name!r} gives no number (nan) at {at}"


def undefined(decision: Decision, given: np.ndarray) -> Undefined | None:
    """The first of points spread over a usual range of sizes, on the budget where there is one, at which the law is
    nan; None where there is none, and where shares or epochs are decided."""
    if not can_be_scanned(decision) or decision.raw:
        return None
    n, m = len(decision.variables), len(decision.row_names)
    x = np.array(decision.usual) + _REACH * (2 * spread(_POINTS, n) - 1)
    givens = np.tile(given, (_POINTS, 1))
    if decision.goal == "loss":
        held = np.full((_POINTS, n), m)
        held[:, 0] = 0
        x, _, _ = look(decision, x, held, givens)
    return _among(decision, x, given)


def undefined_beside(decision: Decision, x: np.ndarray, given: np.ndarray) -> Undefined | None:
    """The same, of points just beside x, along each variable and along what a product of two costs."""
    if not can_be_scanned(decision) or decision.raw:
        return None
    n = len(x)
    steps = np.concatenate([np.eye(n), *([np.eye(n)[i] - np.eye(n)[j]] for i in range(n) for j in range(i))])
    return _among(decision, x + _STEP * np.concatenate([steps, -steps]), given)


def _among(decision: Decision, x: np.ndarray, given: np.ndarray) -> Undefined | None:
    x = x[np.isfinite(x).all(axis=1)]
    if not len(x):
        return None
    bad = np.isnan(evaluate(decision, x, np.tile(given, (len(x), 1)))[:, 0])
    return Undefined(x[bad][0], float(bad.mean())) if bad.any() else None
