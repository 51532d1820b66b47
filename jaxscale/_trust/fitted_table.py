"""One table fitted, by itself or as a group of a joint fit, as its record needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxscale._base.verdict import Reason
from jaxscale._data.runs import Runs
from jaxscale._solver.outcome import Search
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.intervals import Intervals
from jaxscale._trust.matched import AtNoise
from jaxscale._trust.optimum import Optimum


@dataclass(frozen=True, eq=False)
class FittedTable:
    """Everything that the fit of one table found.

    value: of the objective, of these runs alone. covariance: of the free values, behind the intervals. at_noise:
    estimates by objectives matched to the noise, and the `edge`, the lower one where there is one. widths: of a joint
    fit, how far apart the parameters in common may lie, by name, in theta. whole: of a joint fit, the reasons that hold
    for all its groups; None for a table fitted alone, whose own optimum and number of runs are judged.
    """

    optimum: Optimum
    runs: Runs
    found: Search
    value: float
    intervals: Intervals
    covariance: Covariance | None
    at_noise: Sequence[AtNoise] = ()
    edge: AtNoise | None = None
    widths: Mapping[str, float] = field(default_factory=dict)
    whole: tuple[Reason, ...] | None = None
