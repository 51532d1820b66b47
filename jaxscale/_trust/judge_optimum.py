"""Whether an optimum is one: its gradient, starts that agree, values that moved and that no bound holds."""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxscale._base.verdict import Reason
from jaxscale._problem.problem import Problem
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.linearization import Linearization

GRADIENT_TOLERANCE = 1e-5
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of a residual, as a share of the response; 1 eps was seen
FEW_AGREEING = 0.05
ELSE = "leave optimizer at its default, if you set it; else try starts=500 (--starts 500) or a simpler law"
FAINT = 1e-2  # of the median norm of a column of the Jacobian: the runs hardly feel such a parameter


def gradient_tolerance(problems: Sequence[Problem], at: Sequence[Linearization]) -> float:
    """The largest `gradient_norm` that counts as zero: more where residuals are so small that they are mostly rounding.

    A law that passes through every run leaves nothing but rounding to point anywhere.
    """
    size = np.linalg.norm(np.concatenate([x.psi for x in at]))
    if not size > 0:
        return GRADIENT_TOLERANCE
    off = [
        x.weights * p.whitening * (np.abs(p.observed) + (p.task.space == "log"))  # of logs near zero too
        for p, x in zip(problems, at, strict=True)
    ]
    return GRADIENT_TOLERANCE + float(ROUNDING * np.linalg.norm(np.concatenate(off)) / size)


def optimum_checks(e: Evidence) -> Iterator[Reason]:
    if not e.at.gradient_norm <= GRADIENT_TOLERANCE:  # the least that there is
        tolerance = gradient_tolerance([e.problem], [e.at])
        yield from gradient_not_zero(e.at.gradient_norm, tolerance, _runs_off(e))
    if e.never_moved:
        yield Reason(
            "never_moved",
            "fatal",
            f"{', '.join(e.never_moved)} never moved from the start: the runs say nothing about it",
            params=e.never_moved,
        )
    if e.in_float32:
        yield Reason(
            "low_precision",
            "info",
            "these devices have no float64, so starts descended in float32 on them and were finished in float64 on "
            "the host",
        )
    yield from starts_disagree(e.finished, e.at_best)


def _runs_off(e: Evidence) -> str:
    """The positive parameter that the solver was still moving off to zero or infinity, where the runs feel it least."""
    norms = np.linalg.norm(e.at.jacobian[e.at.used], axis=0)
    slots, free = e.problem.layout.slots, ~e.at.held
    if not free.any() or not np.isfinite(norms).all():
        return ""
    logged = [
        (norms[slot], p.name, float(e.free[slot]))
        for p, slot in zip(e.problem.law.parameters, slots, strict=True)
        if slot >= 0 and free[slot] and p.transform == "log"
    ]
    least, name, value = min(logged, default=(np.inf, "", 0.0))
    if not least < FAINT * np.median(norms[free]):
        return ""
    return (
        f"{name} runs off to {'infinity' if value > 0 else 'zero'} (now {np.exp(np.clip(value, -700, 700)):.2g}), "
        f"where these runs no longer tell it; fix it or take a simpler law, and see from where on they tell: "
        f"profile(result, {name!r}) (jaxscale profile)"
    )


def gradient_not_zero(gradient_norm: float, tolerance: float, runs_off: str = "") -> Iterator[Reason]:
    if not gradient_norm <= tolerance:
        yield Reason(
            "gradient_not_zero",
            "fatal",
            f"the solver stopped where the gradient is not zero (cosine {gradient_norm:.1e}, should be below "
            f"{tolerance:.1g}); {runs_off or ELSE}",
        )


def starts_disagree(finished: int, at_best: int) -> Iterator[Reason]:
    share = at_best / max(finished, 1)
    if finished >= 8 and (at_best < 2 or share < FEW_AGREEING):
        yield Reason(
            "starts_disagree",
            "fatal" if at_best < 2 else "warning",
            f"only {at_best} of {finished} starts agree on the minimum; try starts='paper' "
            "(--starts paper) or more starts, or a simpler law",
        )


def at_bounds(e: Evidence) -> Iterator[Reason]:
    for k, name in enumerate(e.at.names):
        if not e.at.held[k]:
            continue
        members = [p.name for p, s in zip(e.problem.law.parameters, e.problem.layout.slots, strict=True) if s == k]
        side = "lower" if e.problem.at_lower(e.free)[k] else "upper"
        if e.problem.asked & set(members):
            text = f"{name} sits on its {side} bound; widen the bound, or fix {name} if you are sure of it"
        elif dict(e.problem.law.parameters[e.problem.law.parameter_names.index(name)].dimension) == {
            e.problem.law.response.name: 1
        }:
            text = (
                f"{name} fell to zero: these runs show no floor, so nothing beyond their range can be predicted; "
                f"profile(result, {name!r}) (jaxscale profile) says how high it may be. Add larger runs or fix {name}, "
                f"or, where the {e.problem.law.response.name} may fall below 0, say so (--response-domain real, "
                "domains={'response': 'real'}) and fit a law that may too: power_law(real=True), or one of your own"
            )
        else:
            text = f"{name} ran off to its {side} limit: these runs do not determine it; fix it or take a simpler law"
        yield Reason("at_bound", "fatal", text, params=tuple(members))
