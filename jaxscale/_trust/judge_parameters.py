"""Whether the runs determine the parameters, and what a plan would decide from them; whether priors agree."""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxscale._base.text import as_percent
from jaxscale._base.verdict import BEYOND, Margin, Reason
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
from jaxscale._trust.plan_beyond import plan_beyond
from jaxscale.laws._parameters import log_spent

FAR_FROM_PRIOR = 2.0  # widths: beyond, 5 % of the time even were the runs to say nothing
# Half widths of 90 % intervals, in logs: warned of, and refused where a plan may well be off by what makes it a bad one
# (a factor of two in the best N, 3 % of the loss).
SIZE_KNOWN = float(np.log(1.5)), float(np.log(2.0))
LOSS_KNOWN = float(np.log(1.015)), float(np.log(1.03))


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
    for name, error in _relative_errors(e):
        if error > WEAK_RELATIVE_ERROR:
            limit = WEAK_RELATIVE_ERROR if _noisy(e) else HOPELESS_RELATIVE_ERROR
            # What multiplies a term may well be near zero; then the term hardly matters, and the rest is known.
            factor = name in linear_parameters(e.problem)
            yield Reason(
                "weakly_identified",
                "fatal" if error > limit and not factor else "warning",
                f"{_known_only(name, error)}; add runs that vary what it governs, or fix it",
                params=(name,),
            )


def _noisy(e: Evidence) -> bool:
    """Whether runs scatter by a good part of what the law explains."""
    used = e.at.used
    if e.problem.task.space != "log" or not used.any():
        return False
    return e.at.sigma > NOISY * float(np.std((e.problem.observed + e.at.residuals / e.problem.whitening)[used]))


def _known_only(name: str, error: float) -> str:
    if error < 1:
        return f"{name} is known only to {100 * error:.0f} % (one standard error)"
    return f"the runs say nothing about {name} (standard error {error:.2g} times its value)"


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
    decision = plan_beyond(e)
    if decision is None:
        return
    size, loss = decision.ends
    beyond = f"at {BEYOND:g} times the largest compute of these runs"
    for end, (warned, most), known, line in (
        (
            size,
            SIZE_KNOWN,
            f"the best N {beyond} is known only to a factor of {_factor(size)}",
            f"a factor of {_factor(SIZE_KNOWN[1])}",
        ),
        (
            loss,
            LOSS_KNOWN,
            f"the least {e.response.name} {beyond} is known only to {_per_cent(loss)}",
            _per_cent(LOSS_KNOWN[1]),
        ),
    ):
        if end > warned:
            yield Reason(
                "weakly_identified",
                "fatal" if end > most else "warning",
                f"{known} (90 % interval, refused beyond {line}); add larger runs, or runs on both sides of the best N",
            )


def margins(e: Evidence) -> tuple[Margin, ...]:
    """How far what a plan decides is from being refused; none where `plan_beyond` is None."""
    decision = plan_beyond(e)
    if decision is None:
        return ()
    of = "best N", f"least {e.response.name}"
    lines = SIZE_KNOWN[1], LOSS_KNOWN[1]
    pairs = zip(of, np.exp(np.minimum(decision.ends, 700.0)), np.exp(lines), strict=True)
    return tuple(Margin(f"the {name}", float(known), float(line)) for name, known, line in pairs)


def scope(e: Evidence) -> float | None:
    """The largest compute of plans that the verdict speaks of."""
    logged = {v.name for v in e.problem.law.variables if v.logged}
    spent = log_spent({name: x for name, x in e.scalar_logs.items() if name in logged})
    if spent is None or not len(spent):
        return None
    with np.errstate(over="ignore"):
        most = float(BEYOND * np.exp(np.max(spent)))
    return most if np.isfinite(most) else None


def _factor(log: float) -> str:
    return f"{np.exp(min(log, 700.0)):.2g}"


def _per_cent(log: float) -> str:
    return as_percent(np.expm1(min(log, 9.0)))


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
