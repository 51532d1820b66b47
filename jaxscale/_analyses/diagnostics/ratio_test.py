"""The verb `ratio_test`: do the runs contradict a simpler law?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import fdtrc

from jaxscale._base.errors import InputError
from jaxscale._base.settings import in_float64
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._trust.linearization import linearize


@dataclass(frozen=True, eq=False)
class RatioTest:
    """A fit beside one in which something is held or shared: is the second credible?

    statistic: 2 (F restricted - F) m1 / m2, which F(constraints, freedom) times `constraints` would be under the
    restriction; p_value: how often it would be at least that large. restricted: the fit with the restriction.
    """

    restriction: str
    statistic: float
    constraints: int
    freedom: int
    p_value: float
    restricted: FitResult

    def __str__(self) -> str:
        word = "contradict" if self.p_value < 0.05 else "do not contradict"
        return (
            f"The runs {word} {self.restriction}: likelihood ratio {self.statistic:.3g} on {self.constraints} and "
            f"{self.freedom} degrees of freedom, p = {self.p_value:.2g}"
        )

    def __repr__(self) -> str:
        return f"<RatioTest {self}>"


def ratio_test(
    result: FitResult,
    *,
    fixed: Mapping[str, float] | None = None,
    tied: Iterable[Sequence[str]] = (),
    runs: Runs | None = None,
) -> RatioTest:
    """Test a pin, {"E": 1.69}, or a tie, [("alpha", "beta")], by a scaled likelihood ratio, see `profile`.

    Args:
        result: the fit without the restriction. fixed, tied: the restriction, as `fit` takes them.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: nothing is restricted, or not by what `fit` could do.
    """
    fixed, tied = dict(fixed or {}), tuple(tuple(group) for group in tied)
    if result.priors:
        raise InputError("priors take part in this fit's objective; test a restriction on a fit without them")
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    restricted = fit(
        result.law,
        runs,
        objective=result.objective,
        intervals=None,
        seed=result.seed,
        fixed={**result.fixed, **fixed},
        tied=(*result.tied, *tied),
        bounds=result.bounds,
    )
    constraints = problem.layout.free - problem_of(restricted, runs).layout.free
    if constraints < 1:
        raise InputError("nothing is restricted; give fixed={...} or tied=[...] that the fit does not have already")
    with in_float64():
        linear = linearize(problem, problem.reduce(result.theta))
    if linear.freedom < 1:
        raise InputError(f"{linear.freedom} degrees of freedom: nothing can be tested; add runs or fix parameters")
    m1, m2 = linear.scatter.moments
    rise = restricted.value - result.value
    if result.objective.kind == "absolute":  # whose value is a sum of absolute residuals, not of Huber's last stage
        rise *= problem.loss.size
    statistic = max(0.0, 2 * rise * m1 / m2)
    words = [f"{name} = {value:g}" for name, value in fixed.items()] + [" = ".join(group) for group in tied]
    p_value = float(fdtrc(constraints, linear.freedom, statistic / constraints))
    return RatioTest(" and ".join(words), statistic, constraints, linear.freedom, p_value, restricted)
