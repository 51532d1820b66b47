"""Whether the runs speak against one value for all groups: a likelihood ratio, in units of the noise."""

from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc

from jaxscale._fitting.pooling.arrowhead import Arrowhead, minimise
from jaxscale._fitting.pooling.joint_optimum import JointOptimum
from jaxscale._fitting.pooling.joint_search import JointPool

CONTRADICTED = 0.01  # p-value below which a verdict says that the runs speak against one value for all
_SEPARATE_STARTS = 8


class Ratio(NamedTuple):
    """Likelihood ratio of one value for all: see `Sharing`, whose fields these are."""

    statistic: float | None = None
    constraints: int | None = None
    freedom: int | None = None
    p_value: float | None = None

    def words(self, names: str, groups: int, priors: bool) -> str:
        """What the test says of parameters of these names, in a sentence."""
        if self.p_value is None:
            why = "there is one group" if groups < 2 else "not every group has runs enough to be fitted alone"
            return f"whether groups have one {names} cannot be tested: {why}"
        word = "contradict" if self.p_value < CONTRADICTED else "do not contradict"
        return (
            f"the runs {word} one {names} for all groups: likelihood ratio {self.statistic:.3g} on {self.constraints} "
            f"and {self.freedom} degrees of freedom, p = {self.p_value:.2g}{', priors left out' if priors else ''}"
        )


def ratio_of(common: JointOptimum, pool: JointPool) -> Ratio:
    """One value for all, the optimum `common`, against separate fits, which start from it and from the pool."""
    separate = _separately(common, pool)
    count, k = len(common.at), len(common.centre)
    if count < 2 or separate is None or separate.pooled.freedom < 1:
        return Ratio()
    m1, m2 = separate.pooled.moments
    constraints, freedom = k * (count - 1), separate.pooled.freedom
    statistic = max(0.0, 2 * (common.pooled.height - separate.pooled.height) * m1 / m2)
    return Ratio(statistic, constraints, freedom, float(fdtrc(constraints, freedom, statistic / constraints)))


def _separately(common: JointOptimum, pool: JointPool) -> JointOptimum | None:
    """Every group at its own optimum with nothing in common; None where a group has too few runs for that."""
    if any(at.freedom < 0 for at in common.at):
        return None
    begin = np.concatenate([[common.free], pool.alone(_SEPARATE_STARTS)])  # (starts, groups, p)
    count, groups, p = begin.shape
    apart = Arrowhead.of(common.arrowhead.problems, (), (), 1.0)
    each = np.tile(np.arange(groups), count)
    found = minimise(apart, begin.reshape(-1, 1, p), np.zeros((len(each), 0)), group=each[:, None])
    pick = np.argmin(found.value.reshape(count, groups), axis=0)
    return JointOptimum(apart, found.free.reshape(count, groups, p)[pick, np.arange(groups)], np.zeros(0))
