"""Parameters that groups have in common: one fit of all groups, and how sure it is.

A width says how far apart a parameter may lie between groups: 0, one value for all; a number, values spread around a
common centre like a normal distribution of that standard deviation in theta (partial pooling, Gelman & Hill 2007, ch.
12); infinite, nothing in common. A robust objective is no likelihood, so it is put in units of its own noise first, as
for profiles: `Scatter.dispersion` is what half a squared standard normal value weighs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.errors import InputError
from jaxscale._base.progress import tell
from jaxscale._base.verdict import Reason, Verdict
from jaxscale._data.runs import Runs
from jaxscale._fitting.pooling.arrowhead import Arrowhead, minimise
from jaxscale._fitting.pooling.joint_optimum import JointOptimum
from jaxscale._fitting.pooling.joint_search import (
    ROUNDS,
    JointPool,
    agreeing_starts,
    lowest_of,
    search_together,
    solutions_of,
)
from jaxscale._fitting.pooling.one_value import CONTRADICTED, Ratio, ratio_of
from jaxscale._fitting.pooling.sharing import Sharing
from jaxscale._problem.objectives import Objective
from jaxscale._problem.problem import Noise, Problem
from jaxscale._solver.outcome import Search
from jaxscale._solver.solve import NEAR
from jaxscale._trust.dispersion import Scatter
from jaxscale._trust.draw_weights import resampling_weights
from jaxscale._trust.fitted_table import FittedTable
from jaxscale._trust.identification import HOPELESS_CONDITION
from jaxscale._trust.interval_method import FEWEST_CLUSTERS, FEWEST_DEGREES_OF_FREEDOM, FEWEST_RUNS_FOR_PAIRS
from jaxscale._trust.intervals import make_intervals, spreads_around
from jaxscale._trust.judge import judge_whole
from jaxscale._trust.judge_optimum import gradient_tolerance
from jaxscale._trust.judge_parameters import contradicted
from jaxscale.optim import settled

_NOISE_ROUNDS, _NOISE_SETTLED = 12, 1e-3
_LANES = 4096  # groups times draws refitted at once


def noise_of(runs: Scatter, objective: Objective) -> Noise:
    """The scatter of all groups around a first joint fit, which objective and priors of the next are matched to.

    Raises:
        InputError: there is none.
    """
    if not runs.sigma > 0:
        what, instead = "priors could be weighed against", "fix parameters instead"
        if objective.matched:
            what, instead = "the objective could be matched to", "give its delta or scale as a number"
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
    tried, reached = search_together(alike, begin, starts)
    common = JointOptimum(alike, *lowest_of(reached))
    if test is None:
        test = ratio_of(common, pool)
    at, arrowhead = common, alike
    if apart.any():
        for _ in range(_NOISE_ROUNDS):
            arrowhead = Arrowhead.of(problems, columns, apart, at.noise)
            found = minimise(arrowhead, at.free[None], at.centre[None], damping=NEAR)
            at = JointOptimum(arrowhead, *lowest_of(found))
            if abs(np.log(at.noise / arrowhead.noise)) < _NOISE_SETTLED:
                break
        tried, reached = search_together(arrowhead, np.concatenate([[at.free], begin]), starts)
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
                "groups lie apart: share={...: width} (--share NAME=WIDTH)",
                params=tuple(widths),
            ),
        )
    in_common = [at.at[0].names[c] for c in columns]
    reasons += tuple(contradicted(in_common, at.centre, arrowhead.prior, problems[0].noise))
    method, why = _method(intervals, at, tables)
    drawn = _bootstrap(at, tables, draws, seed) if method == "bootstrap" else None
    members = [
        _member(at, k, tables[k], tried, reached, widths, reasons, method, why, level, drawn)
        for k in range(len(problems))
    ]
    centres, ends = _centres(at, widths, level, method, drawn)
    sharing = Sharing(
        widths=dict(widths),
        centres=centres,
        intervals=ends,
        level=level,
        value=lowest,
        gradient_norm=at.gradient_norm,
        noise=arrowhead.noise if apart.any() else at.noise,
        groups=len(problems),
        runs=used,
        parameters=at.parameters,
        finished=len(tried),
        at_best=at_best,
        **test._asdict(),
        test=test.words(words, len(problems), problems[0].priors),
        verdict=Verdict(reasons),
    )
    return sharing, members, at.pooled


def _member(at, k, runs, tried, reached, widths, reasons, method, why, level, drawn) -> FittedTable:
    """Group number k, with its identification, covariance and intervals."""
    optimum = at.group(k)
    condition = optimum.identification.condition_number
    if method != "none" and not condition < HOPELESS_CONDITION:
        method, why = "none", f"condition number {condition:.1e}: the runs do not determine this group's parameters"
    spread = None if drawn is None else spreads_around([optimum], [drawn[0][:, k]], level, [False])[0]
    intervals, kept = make_intervals(optimum, method=method, why=why, level=level, spread=spread)
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


def _centres(at, widths, level, method, drawn) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Natural values of the centres and their intervals, by parameter."""
    law, slots, columns = (
        at.arrowhead.problems[0].law,
        at.arrowhead.problems[0].layout.slots,
        list(at.arrowhead.columns),
    )
    tails = ((1 - level) / 2, (1 + level) / 2)
    ends = None
    if drawn is not None:
        good = drawn[1][np.isfinite(drawn[1]).all(axis=1)]
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


def _bootstrap(at: JointOptimum, tables: Sequence[Runs], draws: int, seed: int):
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
        tell(first + n, draws, "bootstrap draws")
    return free, centre
