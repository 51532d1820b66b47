"""What a plan would decide somewhat beyond the runs, and how well they determine it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.verdict import BEYOND
from jaxscale._trust.evidence import Evidence
from jaxscale.laws import chinchilla

_LEVEL = 0.9


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
        size, loss = stdtrit(np.inf, (1 + _LEVEL) / 2) * self.errors
        return float(size), float(loss)


def plan_beyond(e: Evidence) -> PlanBeyond | None:
    """The decision; None where `log_best_size` is, or nothing says how sure it is."""
    law, full = e.problem.law, e.problem.full(e.free)
    log_n = log_best_size(e, full)
    if log_n is None or e.covariance is None or e.at.freedom < 1:
        return None
    theta = dict(zip(law.parameter_names, full, strict=True))
    alpha, beta, log_product = theta["alpha"], theta["beta"], _log_product(e)
    log_d = log_product - log_n
    terms = np.array([theta["E"], theta["A"] - alpha * log_n, theta["B"] - beta * log_d])
    floor, of_size, of_tokens = np.exp(terms - np.logaddexp.reduce(terms))
    of_best = {"A": 1.0, "B": -1.0, "alpha": 1 / alpha - log_n, "beta": log_product - 1 / beta - log_n}
    # The loss does not change with N at the optimum.
    of_loss = {"E": floor, "A": of_size, "B": of_tokens, "alpha": -log_n * of_size, "beta": -log_d * of_tokens}
    slopes = np.zeros((2, len(e.free)))
    for name, k in zip(law.parameter_names, e.problem.layout.slots, strict=True):
        if k >= 0 and not e.at.held[k]:
            slopes[:, k] += of_best.get(name, 0.0) / (alpha + beta), of_loss.get(name, 0.0)
    variance = np.einsum("qi,ij,qj->q", slopes, e.covariance.matrix, slopes)
    wider = stdtrit(e.at.freedom, 0.95) / stdtrit(np.inf, 0.95)
    return PlanBeyond(wider * np.sqrt(np.maximum(np.nan_to_num(variance, nan=np.inf), 0.0)), slopes)


def log_best_size(e: Evidence, theta: np.ndarray) -> float | None:
    """Log N* there for theta (n_parameters,); None for laws whose optimum is not that of Hoffmann et al. 2022, Eq. 4:
    N* = (alpha A / (beta B))^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta))."""
    law = e.problem.law
    if law.closed_forms.get("allocation") is not chinchilla.closed_forms["allocation"]:
        return None
    value = dict(zip(law.parameter_names, map(float, theta), strict=True))
    alpha, beta = value["alpha"], value["beta"]
    if set(e.scalar_logs) != {"N", "D"} or not (alpha > 0 and beta > 0):
        return None
    return (np.log(alpha / beta) + value["A"] - value["B"] + beta * _log_product(e)) / (alpha + beta)


def _log_product(e: Evidence) -> float:
    """Log N D there."""
    return float(np.log(BEYOND) + np.max(e.scalar_logs["N"] + e.scalar_logs["D"]))
