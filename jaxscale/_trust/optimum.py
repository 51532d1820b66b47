"""One optimum and what follows from it: how well the runs determine it, and how sure its values are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._problem.units import in_plain_counts
from jaxscale._trust.covariance import Covariance, powell_covariance, powell_covariances
from jaxscale._trust.identification import Identification, identify, identify_all
from jaxscale._trust.linearization import Linearization

# Standard errors from a bound within which some resampled fits end on it. Where the truth is the bound of alpha and the
# fit lies inside it (42 runs), 69 to 88 % of intervals from resampled fits hold the truth, of profiles 85 to 94.
_NEAR_BOUND = 3.0


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the search of one table ended. What follows from that is worked out when first asked for, and kept.

    free: (free,), the free values of theta. at: the runs there, row by row.
    """

    problem: Problem
    free: np.ndarray
    at: Linearization

    @property
    def alone(self) -> bool:
        """Whether these runs were fitted by themselves, and not as one group of a joint fit."""
        return True

    @property
    def freedom(self) -> int:
        """Degrees of freedom that intervals go by: runs that count, less the parameters fitted."""
        return self.at.freedom

    @property
    def gradient_norm(self) -> float:
        """How far the gradient is from zero, as a cosine: see `Linearization.gradient_norm`."""
        return self.at.gradient_norm

    @cached_property
    def identification(self) -> Identification:
        """How well the runs tell the parameters apart, judged in plain counts."""
        return identify(self.at, in_plain_counts(self.problem, self.free))

    @cached_property
    def covariance(self) -> Covariance | None:
        """Quick covariance of the free values, a sandwich; None where the runs do not determine them all."""
        return powell_covariance(self.at)

    @cached_property
    def near_bounds(self) -> tuple[str, ...]:
        """Free values by name that lie on a bound of the user's, or within `_NEAR_BOUND` standard errors of one."""
        problem = self.problem
        if not problem.asked or self.covariance is None:
            return ()
        reach = _NEAR_BOUND * np.sqrt(np.diag(self.covariance.matrix))
        near = (self.free - problem.lower <= reach) | (problem.upper - self.free <= reach) | self.at.held
        return tuple(n for n, close in zip(problem.free_names, near, strict=True) if close and n in problem.asked)

    @cached_property
    def largest_relative_error(self) -> float:
        """Of the parameters fitted as they are (exponents): quick standard error over value."""
        if self.covariance is None:
            return 0.0
        errors, best = np.sqrt(np.diag(self.covariance.matrix)), self.free
        pairs = zip(self.problem.law.parameters, self.problem.layout.slots, strict=True)
        raw = {slot for parameter, slot in pairs if parameter.transform == "identity"}
        return max((float(errors[s] / abs(best[s])) for s in raw if s >= 0 and best[s] != 0), default=0.0)


def work_out(optima: Sequence[Optimum]) -> None:
    """What each tells of how sure it is, of all at once; each keeps its own."""
    fresh = [one for one in optima if "covariance" not in vars(one)]
    if not fresh:
        return
    units, at = [in_plain_counts(one.problem, one.free) for one in fresh], [one.at for one in fresh]
    for one, told, covariance in zip(fresh, identify_all(at, units), powell_covariances(at), strict=True):
        vars(one).update(identification=told, covariance=covariance)  # as the cached properties would
