"""Parameters that groups have in common: one fit of all groups, how sure it is, and whether the runs speak against it.

A width says how far apart a parameter may lie between groups: 0, one value for all; a number, values spread around a
common centre like a normal distribution of that standard deviation in theta (partial pooling, Gelman & Hill 2007, ch.
12); infinite, nothing in common. A robust objective is no likelihood, so it is put in units of its own noise first, as
for profiles: `Scatter.dispersion` is what half a squared standard normal value weighs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtrit

from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.report import Lines, Table
from jaxscale._base.text import format_number
from jaxscale._base.validation import Progress
from jaxscale._base.verdict import Reason, Verdict
from jaxscale._data.runs import Runs
from jaxscale._pooling.arrowhead import Arrowhead, minimise
from jaxscale._pooling.joint_optimum import JointOptimum
from jaxscale._pooling.joint_search import ROUNDS, JointPool, agreeing_starts, lowest_of, search_together, solutions_of
from jaxscale._problem.objectives import Objective
from jaxscale._problem.problem import Noise, Problem
from jaxscale._solver.outcome import Search
from jaxscale._solver.solve import NEAR
from jaxscale._trust.dispersion import Scatter
from jaxscale._trust.fitted_table import FittedTable
from jaxscale._trust.interval_method import (
    FEWEST_CLUSTERS,
    FEWEST_DEGREES_OF_FREEDOM,
    FEWEST_RUNS_FOR_PAIRS,
    HOPELESS_CONDITION,
)
from jaxscale._trust.intervals import make_intervals
from jaxscale._trust.judge import judge_whole
from jaxscale._trust.judge_optimum import gradient_tolerance
from jaxscale._trust.judge_parameters import contradicted
from jaxscale._trust.resampling import resampling_weights
from jaxscale.optim import settled

CONTRADICTED = 0.01  # p-value below which a verdict says that the runs speak against one value for all
_SEPARATE_STARTS = 8
_NOISE_ROUNDS, _NOISE_SETTLED = 12, 1e-3
_LANES = 4096  # groups times draws refitted at once


@dataclass(frozen=True, eq=False)
class Sharing:
    """The joint fit behind groups with parameters in common.

    widths: by parameter, in theta; 0 is one value for all. centres: natural values that groups share or lie around,
    with intervals (missing where there are none). value: objective of all runs, with the weight of what lies apart;
    noise: what half a squared standard normal value weighs in it. parameters: fitted in all, an offset counted by
    how far the runs determine it. finished starts, of which at_best reached this optimum.

    statistic: 2 (F with one value for all - F separate) m1 / m2, which is F(constraints, freedom) times `constraints`
    if groups are alike; p_value: how often it would be at least that large. None, with the reason in `test`, where the
    groups cannot be fitted alone.
    """

    widths: Mapping[str, float]
    centres: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    level: float
    value: float
    gradient_norm: float
    noise: float
    groups: int
    runs: int
    parameters: float
    finished: int
    at_best: int
    statistic: float | None
    constraints: int | None
    freedom: int | None
    p_value: float | None
    test: str
    verdict: Verdict

    def blocks(self) -> tuple[Table | Lines, ...]:
        """What a report says of it."""
        rows = []
        for name, centre in self.centres.items():
            ends = self.intervals.get(name)
            span = "not computed" if ends is None else " to ".join(_plain(x) for x in ends)
            width = self.widths[name]
            rows.append((name, "one value" if width == 0 else f"apart by {width:g}", _plain(centre), span))
        title = f"In common to {self.groups} groups"
        header = ("name", "how", "value or centre", f"{100 * self.level:g} % interval")
        apart = " (values kept together count in part)" if any(self.widths.values()) else ""
        lines = [
            self.test,
            f"joint objective {self.value:.10g} over {self.runs} runs, {self.parameters:.4g} parameters{apart}, "
            f"gradient {self.gradient_norm:.1e}; {self.at_best} of {self.finished} starts reached this optimum",
        ]
        lines += [f"{r.severity}, {r.code}: {r.text}" for r in self.verdict.reasons]
        note = "Apart by: standard deviation between groups, in theta." if any(self.widths.values()) else ""
        return Table(title, header, tuple(rows), note), Lines("Joint fit", tuple(lines))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        intervals = {k: list(ends) for k, ends in self.intervals.items()}
        return {**vars(self), "intervals": intervals, "verdict": self.verdict.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Sharing":
        """What `to_dict` wrote."""

        def count(name: str) -> int:
            return int(files.number(data[name]))

        def maybe(name: str) -> int | None:
            return None if data[name] is None else count(name)

        return cls(
            widths=files.numbers(data["widths"]),
            centres=files.numbers(data["centres"]),
            intervals=files.pairs(data["intervals"]),
            level=files.level(data["level"]),
            value=files.number(data["value"]),
            gradient_norm=files.number(data["gradient_norm"]),
            noise=files.number(data["noise"]),
            groups=count("groups"),
            runs=count("runs"),
            parameters=files.number(data["parameters"]),
            finished=count("finished"),
            at_best=count("at_best"),
            statistic=files.number_or_none(data["statistic"]),
            constraints=maybe("constraints"),
            freedom=maybe("freedom"),
            p_value=files.number_or_none(data["p_value"]),
            test=str(data["test"]),
            verdict=Verdict.from_dict(data["verdict"]),
        )

    def __str__(self) -> str:
        return self.test

    def __repr__(self) -> str:
        return f"<Sharing {', '.join(self.widths)}, {self.groups} groups: {self.verdict}>"


class Ratio(NamedTuple):
    """Likelihood ratio of one value for all: see `Sharing`, whose fields these are."""

    statistic: float | None = None
    constraints: int | None = None
    freedom: int | None = None
    p_value: float | None = None


def noise_of(runs: Scatter, objective: Objective) -> Noise:
    """The scatter of all groups around a first joint fit, which objective and priors of the next are matched to.

    Raises:
        InputError: there is none.
    """
    if not runs.sigma > 0:
        what, instead = ("the objective could be matched to", "give its delta or scale as a number") if (
            objective.matched
        ) else ("priors could be weighed against", "fix parameters instead")  # fmt: skip
        raise InputError(f"the first joint fit leaves no scatter that {what}; {instead}")
    loss = objective.at(runs.sigma).losses(1.0)[-1] if objective.matched else runs.loss
    return Noise(runs.sigma, *runs.under(loss).moments)


def fit_together(
    problems: Sequence[Problem],
    tables: Sequence[Runs],
    widths: Mapping[str, float],
    *,
    starts: int | None,
    seed: int,
    intervals: str,
    level: float,
    draws: int,
    near: Sequence[FittedTable] = (),
    test: Ratio | None = None,
    progress: Progress | None = None,
) -> tuple[Sharing, list[FittedTable], Scatter]:
    """Fit groups with parameters in common, from several starts; call under float64.

    Args:
        problems, tables: of every group, one task.
        widths: of the parameters in common, finite.
        starts: how many to finish; None finishes more until enough agree.
        seed: of starts and draws.
        intervals: "auto", "quick", "bootstrap" or "none"; level and draws as for `fit`.
        near: of another joint fit, whose optimum is one more start.
        test: of one value for all, in place of one of these problems; they have priors, which the test leaves out.
        progress: called as progress(done, total, what).

    Returns:
        The record, the groups, and the runs of all groups side by side.
    """
    law, layout = problems[0].law, problems[0].layout
    by_column: dict[int, float] = {}
    for name, width in widths.items():
        column = layout.slots[law.parameter_names.index(name)]
        if by_column.setdefault(column, width) != width:
            raise InputError(f"{name} is tied to another parameter that is shared with another width")
    columns, apart = list(by_column), np.array(list(by_column.values()))
    alike = Arrowhead.of(problems, columns, np.zeros(len(columns)), 1.0)
    pool = JointPool.of(alike.problems, seed, starts or ROUNDS[-1])
    begin = pool.together()
    if near:
        begin = np.concatenate([[[m.optimum.free for m in near]], begin])
    tried, reached = search_together(alike, begin, starts, progress)
    common = JointOptimum(alike, *lowest_of(reached))
    if test is None:
        test = _test(common, _separately(common, pool))
    at, arrowhead = common, alike
    if apart.any():
        for _ in range(_NOISE_ROUNDS):
            arrowhead = Arrowhead.of(problems, columns, apart, at.noise)
            found = minimise(arrowhead, at.free[None], at.centre[None], damping=NEAR)
            at = JointOptimum(arrowhead, *lowest_of(found))
            if abs(np.log(at.noise / arrowhead.noise)) < _NOISE_SETTLED:
                break
        tried, reached = search_together(arrowhead, np.concatenate([[at.free], begin]), starts, progress)
        at = JointOptimum(arrowhead, *lowest_of(reached))
    words = " and ".join(widths)
    lowest = float(reached.value.min())
    at_best = int(agreeing_starts(reached.value, arrowhead).sum())
    tolerance, used = gradient_tolerance(at.arrowhead.problems, at.at), int(at.pooled.used.sum())
    reasons = judge_whole(at.gradient_norm, tolerance, len(tried), at_best, used, round(at.parameters))
    if test.p_value is not None and test.p_value < CONTRADICTED:
        reasons += (
            Reason(
                "sharing_contradicted",
                "warning",
                f"the runs speak against one {words} for all groups (p = {test.p_value:.2g}); share less, or let "
                "groups lie apart: share={...: width}",
                params=tuple(widths),
            ),
        )
    in_common = [at.at[0].names[c] for c in columns]
    reasons += tuple(contradicted(in_common, at.centre, arrowhead.prior, problems[0].noise))
    method, why = _method(intervals, at, tables)
    drawn_ = _bootstrap(at, tables, draws, seed, progress) if method == "bootstrap" else None
    members = [
        _member(at, k, tables[k], tried, reached, widths, reasons, method, why, level, drawn_)
        for k in range(len(problems))
    ]
    centres, ends = _centres(at, widths, level, method, drawn_)
    sharing = Sharing(
        dict(widths), centres, ends, level, lowest, at.gradient_norm, arrowhead.noise if apart.any() else at.noise,
        len(problems), int(at.pooled.used.sum()), at.parameters, len(tried), at_best, *test,
        _words(words, len(problems), test, problems[0].priors), Verdict(reasons),
    )  # fmt: skip
    return sharing, members, at.pooled


def _member(at, k, runs, tried, reached, widths, reasons, method, why, level, drawn_) -> FittedTable:
    """Group number k, with its identification, covariance and intervals."""
    optimum = at.group(k)
    condition = optimum.identification.condition_number
    if method != "none" and not condition < HOPELESS_CONDITION:
        method, why = "none", f"condition number {condition:.1e}: the runs do not determine this group's parameters"
    drawn_free = None if drawn_ is None else drawn_[0][:, k]
    intervals, kept = make_intervals(optimum, method=method, why=why, level=level, drawn=drawn_free)
    prior = optimum.at.loss.prior
    value = optimum.at.scatter.height + (0.0 if prior is None else float(prior.penalty(optimum.free)))
    found = Search(tried[:, k], solutions_of(reached, k), len(tried))
    return FittedTable(
        optimum=optimum,
        runs=runs,
        found=found,
        value=value,
        intervals=intervals,
        covariance=kept,
        widths=widths,
        whole=reasons,
    )


def _centres(at, widths, level, method, drawn_) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Natural values of the centres and their intervals, by parameter."""
    law, slots, columns = (
        at.arrowhead.problems[0].law,
        at.arrowhead.problems[0].layout.slots,
        list(at.arrowhead.columns),
    )
    tails = ((1 - level) / 2, (1 + level) / 2)
    ends = None
    if drawn_ is not None:
        good = drawn_[1][np.isfinite(drawn_[1]).all(axis=1)]
        ends = np.quantile(good, tails, axis=0) if len(good) >= 20 else None
    elif method == "quick" and at.covariances is not None:
        half = stdtrit(max(at.pooled.freedom, 1), tails[1]) * np.sqrt(np.diag(at.covariances[1]))
        ends = np.array([at.centre - half, at.centre + half])
    centres, intervals = {}, {}
    for name in widths:
        index = law.parameter_names.index(name)
        parameter, j = law.parameters[index], columns.index(slots[index])
        centres[name] = parameter.to_natural(float(at.centre[j]))
        if ends is not None:
            low, high = (parameter.to_natural(float(x)) for x in ends[:, j])
            intervals[name] = (low, high)
    return centres, intervals


# --- how sure ---


def _method(wanted: str, at: JointOptimum, tables: Sequence[Runs]) -> tuple[str, str]:
    """The method of the intervals and the reason."""
    used, freedom = int(at.pooled.used.sum()), at.pooled.freedom
    if wanted == "none":
        return "none", "not asked for"
    if wanted != "auto":
        return wanted, "asked for; all groups at once"
    if freedom < FEWEST_DEGREES_OF_FREEDOM:
        return "none", f"{used} runs leave {freedom} degrees of freedom for {at.parameters:.3g} parameters"
    clustered = [t.clusters for t in tables if t.clusters is not None]
    if clustered:
        count = sum(len(set(c)) for c in clustered) + sum(t.count for t in tables if t.clusters is None)
        if count < FEWEST_CLUSTERS:
            return "none", f"only {count} independent runs behind {used} rows; no interval covers"
        return "bootstrap", f"{count} independent runs, resampled whole in every group (percentile)"
    if used >= FEWEST_RUNS_FOR_PAIRS:
        return "bootstrap", f"{used} independent runs, resampled in every group (percentile)"
    return "quick", f"{used} runs are too few to resample, {freedom} degrees of freedom; all groups at once"


def _bootstrap(at: JointOptimum, tables: Sequence[Runs], draws: int, seed: int, progress: Progress | None):
    """Joint fits to resampled runs: free values (draws, groups, p) and centres (draws, k), nan where none was had.

    Runs are drawn within each group. Where groups may lie apart or values have priors, the places that each draw's
    offsets and values are pulled to are drawn too, so that the spread of the draws is that around each group's own
    truth (randomize-then-optimize, Bardsley et al. 2014, SIAM J. Sci. Comput. 36(4)).
    """
    arrowhead = at.arrowhead
    rng = np.random.default_rng(seed)
    groups, p = at.free.shape
    free, centre = np.full((draws, groups, p), np.nan), np.full((draws, len(at.centre)), np.nan)
    widths = np.where(arrowhead.partly_pooled, 1.0, at.widths_of(arrowhead.weighed))
    size = max(1, _LANES // groups)
    for first in range(0, draws, size):
        n = min(size, draws - first)
        weights = np.stack(
            [resampling_weights(q, n, rng, t.clusters) for q, t in zip(arrowhead.problems, tables, strict=True)], axis=1
        )
        perturbed = perturbed_centre = None
        if arrowhead.weighed.any():
            perturbed = arrowhead.target + widths * rng.standard_normal((n, groups, p))
        if arrowhead.prior.weight.any():
            perturbed_centre = at.widths_of(arrowhead.prior.weight) * rng.standard_normal((n, len(at.centre)))
            perturbed_centre += arrowhead.prior.centre
        begin = (np.broadcast_to(x, (n, *x.shape)) for x in (at.free, at.centre))
        found = minimise(
            arrowhead, *begin, weights=weights, perturbed=perturbed, perturbed_centre=perturbed_centre, damping=NEAR
        )
        good = settled(found.status)
        free[first : first + n][good], centre[first : first + n][good] = found.free[good], found.centre[good]
        if progress is not None:
            progress(first + n, draws, "bootstrap draws")
    return free, centre


def _separately(common: JointOptimum, pool: JointPool) -> "JointOptimum | None":
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


def _test(common: JointOptimum, separate: JointOptimum | None) -> Ratio:
    """One value for all against separate fits."""
    count, k = len(common.at), len(common.centre)
    if count < 2 or separate is None or separate.pooled.freedom < 1:
        return Ratio()
    m1, m2 = separate.pooled.moments
    constraints, freedom = k * (count - 1), separate.pooled.freedom
    statistic = max(0.0, 2 * (common.pooled.height - separate.pooled.height) * m1 / m2)
    return Ratio(statistic, constraints, freedom, float(fdtrc(constraints, freedom, statistic / constraints)))


def _words(names: str, groups: int, test: Ratio, priors: bool) -> str:
    statistic, constraints, freedom, p_value = test
    if p_value is None:
        why = "there is one group" if groups < 2 else "not every group has runs enough to be fitted alone"
        return f"whether groups have one {names} cannot be tested: {why}"
    word = "contradict" if p_value < CONTRADICTED else "do not contradict"
    return (
        f"the runs {word} one {names} for all groups: likelihood ratio {statistic:.3g} on {constraints} and {freedom} "
        f"degrees of freedom, p = {p_value:.2g}{', priors left out' if priors else ''}"
    )


def _plain(value: float) -> str:
    return format_number(value, 5, suffixes=False)
