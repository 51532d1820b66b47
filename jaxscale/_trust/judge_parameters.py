"""Whether the runs determine the parameters, and what a plan would decide from them; whether priors agree."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.verdict import Reason
from jaxscale._problem.losses import Prior
from jaxscale._problem.problem import Noise
from jaxscale._solver.projection import linear_parameters
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.identification import (
    HOPELESS_CONDITION,
    HOPELESS_RELATIVE_ERROR,
    NOISY,
    WARN_CONDITION,
    WEAK_RELATIVE_ERROR,
)
from jaxscale.laws import chinchilla

FAR_FROM_PRIOR = 2.0  # widths: beyond, 5 % of the time even were the runs to say nothing
# Set as the thresholds of `identification` were: sound tables reach the first number behind each, wrong decisions begin
# at the second.
SIZE_BEYOND = 0.26, 0.4  # .35, .5: standard error of log N*, warned of and fatal
LOSS_BEYOND = 0.006, 0.0085  # .0075, .0094: standard error of the log of the least loss
BEYOND = 10.0


def conditioning_checks(e: Evidence) -> Iterator[Reason]:
    condition = e.identification.condition_number
    heaviest = " against ".join(list(e.identification.sloppiest)[:2])
    if not condition < HOPELESS_CONDITION:
        yield Reason(
            "ill_conditioned",
            "fatal",
            f"the runs do not determine {heaviest} (condition number {condition:.1e}, refused above "
            f"{HOPELESS_CONDITION:.0e}); fix or tie one, or widen the runs",
        )
    elif condition > WARN_CONDITION:
        yield Reason(
            "ill_conditioned",
            "warning",
            f"the runs hardly determine {heaviest} (condition number {condition:.1e}, sound below "
            f"{WARN_CONDITION:.0e}); widen the range of the runs",
        )
    used, noisy = e.at.used, False
    if e.problem.task.space == "log" and used.any():
        explained = float(np.std(e.problem.points.response[: len(used)][used] + e.at.residuals[used]))
        noisy = e.at.sigma > NOISY * explained
    limit = WEAK_RELATIVE_ERROR if noisy else HOPELESS_RELATIVE_ERROR
    for name, error in _relative_errors(e):
        if error > WEAK_RELATIVE_ERROR:
            # What multiplies a term may well be near zero; then the term hardly matters, and the rest is known.
            factor = name in linear_parameters(e.problem)
            yield Reason(
                "weakly_identified",
                "fatal" if error > limit and not factor else "warning",
                f"{name} is known only to {100 * error:.0f} % (one standard error); "
                "add runs that vary what it governs, or fix it",
                params=(name,),
            )


def _relative_errors(e: Evidence) -> Iterator[tuple[str, float]]:
    """Standard error over value of parameters fitted as they are (exponents); logs are wide in sound fits."""
    if e.covariance is None:
        return
    errors = np.sqrt(np.diag(e.covariance.matrix))
    for parameter, slot in zip(e.problem.law.parameters, e.problem.layout.slots, strict=True):
        if slot >= 0 and parameter.transform == "identity" and not e.at.held[slot] and e.free[slot] != 0:
            yield parameter.name, float(errors[slot] / abs(e.free[slot]))


def decision_checks(e: Evidence) -> Iterator[Reason]:
    """How well the runs determine what a plan would decide somewhat beyond them."""
    found = errors_beyond(e)
    if found is None:
        return
    size, loss = found
    beyond = f"{BEYOND:g} times the largest compute of these runs"
    for error, (warn, hopeless), text in (
        (size, SIZE_BEYOND, f"the best N at {beyond} is known only to a factor of {np.exp(min(size, 700.0)):.2g}"),
        (loss, LOSS_BEYOND, f"the least {e.response.name} at {beyond} is known only to {100 * min(loss, 1e4):.2g} %"),
    ):
        if error > warn:
            text += " (one standard error); add larger runs, or runs on both sides of the best N"
            yield Reason("weakly_identified", "fatal" if error > hopeless else "warning", text)


def errors_beyond(e: Evidence) -> tuple[float, float] | None:
    """Standard errors of log N* and of the log of the least loss at `BEYOND` times the largest compute, C = 6 N D, by
    the delta method, widened for few runs as Student's t is; None for laws whose optimum is not that of Hoffmann et al.
    2022, Eq. 4: N* = (alpha A / (beta B))^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta))."""
    law, logs = e.problem.law, e.scalar_logs
    if law.closed_forms.get("allocation") is not chinchilla.closed_forms["allocation"] or e.covariance is None:
        return None
    theta = dict(zip(law.parameter_names, e.problem.full(e.free), strict=True))
    alpha, beta = theta["alpha"], theta["beta"]
    if set(logs) != {"N", "D"} or not (alpha > 0 and beta > 0) or e.at.freedom < 1:
        return None
    log_product = np.log(BEYOND) + np.max(logs["N"] + logs["D"])  # of N and D
    log_n = (np.log(alpha / beta) + theta["A"] - theta["B"] + beta * log_product) / (alpha + beta)
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
    size, loss = wider * np.sqrt(np.maximum(np.nan_to_num(variance, nan=np.inf), 0.0))
    return float(size), float(loss)


def prior_checks(e: Evidence) -> Iterator[Reason]:
    if e.problem.loss.prior is not None:
        yield from contradicted(e.at.names, e.free, e.problem.loss.prior, e.problem.noise)


def contradicted(names: Sequence[str], values: np.ndarray, prior: Prior, noise: Noise | None) -> Iterator[Reason]:
    """Values that ended far from the centre of their prior."""
    if noise is None:
        return
    widths_off = np.abs(values - prior.centre) * np.sqrt(prior.weight / (noise.dispersion or np.nan))
    for name, off in zip(names, widths_off, strict=True):
        if off > FAR_FROM_PRIOR:
            yield Reason(
                "prior_contradicted",
                "warning",
                f"{name} ended {off:.1f} widths from the centre of its prior: runs and prior contradict each other; "
                "check both, or widen the prior",
                params=(name,),
            )
