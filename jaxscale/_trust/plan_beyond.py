"""What a plan would decide somewhat beyond the runs, and how well they determine it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.verdict import BEYOND
from jaxscale._trust.evidence import Evidence
from jaxscale.laws import chinchilla

_NORMAL = float(stdtrit(np.inf, 0.95))  # half a 90 % interval, in standard errors


@dataclass(frozen=True, eq=False)
class PlanBeyond:
    """The best N and the least loss at `BEYOND` times the largest compute, C = 6 N D.

    errors: (2,), standard errors of log N* and of the log of the least loss by the delta method, widened for few runs
    as Student's t is. slopes: (2, free), of the same in the free values.
    """

    errors: np.ndarray
    slopes: np.ndarray

    @property
    def ends(self) -> tuple[float, float]:
        """Half widths of their 90 % intervals, in logs."""
        size, loss = _NORMAL * self.errors
        return float(size), float(loss)


def plan_beyond(e: Evidence) -> PlanBeyond | None:
    """The decision, worked out once; None where `log_best_size` is, or nothing says how sure it is."""
    if e not in _KNOWN:
        _KNOWN[e] = _plan_beyond(e)
    return _KNOWN[e]


def _plan_beyond(e: Evidence) -> PlanBeyond | None:
    law, full = e.problem.law, e.problem.full(e.free)
    log_n = log_best_size(e, full)
    if log_n is None or e.covariance is None or e.at.freedom < 1:
        return None
    theta = dict(zip(law.parameter_names, full, strict=True))
    alpha, beta, log_product = theta["alpha"], theta["beta"], _log_product(e)
    log_d = log_product - log_n
    of_best = {"A": 1.0, "B": -1.0, "alpha": 1 / alpha - log_n, "beta": log_product - 1 / beta - log_n}
    # The loss does not change with N at the optimum.
    slopes = in_free(e, {name: slope / (alpha + beta) for name, slope in of_best.items()})
    slopes = np.stack([slopes, in_free(e, loss_slopes(theta, log_n, log_d))])
    variance = np.einsum("qi,ij,qj->q", slopes, e.covariance.matrix, slopes)
    wider = stdtrit(e.at.freedom, 0.95) / _NORMAL
    return PlanBeyond(wider * np.sqrt(np.maximum(np.nan_to_num(variance, nan=np.inf), 0.0)), slopes)


_KNOWN: WeakKeyDictionary[Evidence, PlanBeyond | None] = WeakKeyDictionary()


def loss_slopes(theta: Mapping[str, float], log_n: Any, log_d: Any) -> dict[str, Any]:
    """Derivatives of the log loss by E + A N^-alpha + B D^-beta in theta, at any runs."""
    size = theta["A"] - theta["alpha"] * log_n
    terms = np.array([np.broadcast_to(theta["E"], np.shape(size)), size, theta["B"] - theta["beta"] * log_d])
    floor, of_size, of_tokens = np.exp(terms - np.logaddexp.reduce(terms))
    return {"E": floor, "A": of_size, "B": of_tokens, "alpha": -log_n * of_size, "beta": -log_d * of_tokens}


def in_free(e: Evidence, of: Mapping[str, Any]) -> np.ndarray:
    """Slopes in theta by name as slopes in the free values, last."""
    slopes = np.zeros((*np.shape(next(iter(of.values()))), len(e.free)))
    for name, k in zip(e.problem.law.parameter_names, e.problem.layout.slots, strict=True):
        if k >= 0 and not e.at.held[k]:
            slopes[..., k] += of.get(name, 0.0)
    return slopes


def log_best_size(e: Evidence, theta: np.ndarray, log_product: float | None = None) -> float | None:
    """Log N* there, or at another log N D, for theta (n_parameters,); None for laws whose optimum is not that of
    Hoffmann et al. 2022, Eq. 4: N* = (alpha A / (beta B))^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta))."""
    law = e.problem.law
    if law.closed_forms.get("allocation") is not chinchilla.closed_forms["allocation"]:
        return None
    value = dict(zip(law.parameter_names, map(float, theta), strict=True))
    alpha, beta = value["alpha"], value["beta"]
    if set(e.scalar_logs) != {"N", "D"} or not (alpha > 0 and beta > 0):
        return None
    log_product = _log_product(e) if log_product is None else log_product
    return (np.log(alpha / beta) + value["A"] - value["B"] + beta * log_product) / (alpha + beta)


def _log_product(e: Evidence) -> float:
    """Log N D there."""
    return float(np.log(BEYOND) + np.max(e.scalar_logs["N"] + e.scalar_logs["D"]))
