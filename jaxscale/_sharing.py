"""Parameters that groups have in common: one fit of all groups, how sure it is, and whether the runs speak against it.

A width says how far apart a parameter may lie between groups: 0, one value for all; a number, values spread around a
common centre like a normal distribution of that standard deviation in theta (partial pooling, Gelman & Hill 2007, ch.
12); infinite, nothing in common. A robust objective is no likelihood, so it is put in units of its own noise first, as
for profiles: m2 / m1 of `scale_of` is what half a squared standard normal value weighs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtrit

from jaxscale._arrow import Arrow, Reached, minimise
from jaxscale._errors import InputError
from jaxscale._identification import Identification, Linearization, identify, linearize_all
from jaxscale._intervals import (
    FEWEST_CLUSTERS,
    FEWEST_DEGREES_OF_FREEDOM,
    FEWEST_RUNS_FOR_PAIRS,
    HOPELESS_CONDITION,
    LEAST_ROOM,
    Covariance,
    Intervals,
    Progress,
    bread_weights,
    make_intervals,
)
from jaxscale._objective import Objective
from jaxscale._problem import Noise, Problem
from jaxscale._profiling import scale_of
from jaxscale._report import Lines, Table
from jaxscale._resampling import resampling_weights
from jaxscale._runs import Runs
from jaxscale._search import CERTAIN_ENOUGH, Search, agreeing, undiscovered
from jaxscale._solve import NEAR, Solutions
from jaxscale._stack import MOST_STACKED, Stack
from jaxscale._starts import LIKENESS_ROWS, drawn
from jaxscale._text import format_number
from jaxscale._units import in_plain_counts
from jaxscale._verdict import Reason, Verdict, contradicted, gradient_tolerance, judge_whole
from jaxscale.optim import CONVERGED, STUCK

CONTRADICTED = 0.01  # p-value below which a verdict says that the runs speak against one value for all
_SEPARATE_STARTS = 8
_ROUNDS = (8, 16, 32, 64)  # starts finished before asking again whether they agree
_ENOUGH_AGREEING = 5
_EXCHANGES = 3
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

    def __str__(self) -> str:
        return self.test

    def __repr__(self) -> str:
        return f"<Sharing {', '.join(self.widths)}, {self.groups} groups: {self.verdict}>"


@dataclass(frozen=True, eq=False)
class Member:
    """One group's part of a joint fit, as its record needs it."""

    problem: Problem
    free: np.ndarray
    at: Linearization
    found: Search
    value: float
    gradient_norm: float
    identification: Identification
    covariance: Covariance | None
    intervals: Intervals
    interval_covariance: Covariance | None
    widths: Mapping[str, float]
    reasons: tuple[Reason, ...]


class Ratio(NamedTuple):
    """Likelihood ratio of one value for all: see `Sharing`, whose fields these are."""

    statistic: float | None = None
    constraints: int | None = None
    freedom: int | None = None
    p_value: float | None = None


def noise_of(runs: Linearization, objective: Objective) -> Noise:
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
    psi = runs.weights * loss.score(runs.residuals)
    return Noise(runs.sigma, *scale_of(replace(runs, loss=loss, psi=psi)))


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
    near: Sequence[Member] = (),
    test: Ratio | None = None,
    progress: Progress | None = None,
) -> tuple[Sharing, list[Member], Linearization]:
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
        The record, the groups, and all runs side by side (only the width of its Jacobian can be used).
    """
    law, layout = problems[0].law, problems[0].layout
    by_column: dict[int, float] = {}
    for name, width in widths.items():
        column = layout.slots[law.parameter_names.index(name)]
        if by_column.setdefault(column, width) != width:
            raise InputError(f"{name} is tied to another parameter that is shared with another width")
    columns, apart = list(by_column), np.array(list(by_column.values()))
    alike = Arrow.of(problems, columns, np.zeros(len(columns)), 1.0)
    pool = _Pool.of(alike.problems, seed, starts or _ROUNDS[-1])
    begin = pool.together()
    if near:
        begin = np.concatenate([[[m.free for m in near]], begin])
    tried, reached = _search(alike, begin, starts, progress)
    common = _Optimum(alike, *_best(reached))
    if test is None:
        test = _test(common, _separately(common, pool))
    at, arrow = common, alike
    if apart.any():
        for _ in range(_NOISE_ROUNDS):
            arrow = Arrow.of(problems, columns, apart, at.noise)
            found = minimise(arrow, at.free[None], at.centre[None], damping=NEAR)
            at = _Optimum(arrow, *_best(found))
            if abs(np.log(at.noise / arrow.noise)) < _NOISE_SETTLED:
                break
        tried, reached = _search(arrow, np.concatenate([[at.free], begin]), starts, progress)
        at = _Optimum(arrow, *_best(reached))
    words = " and ".join(widths)
    lowest = float(reached.value.min())
    at_best = int(_agreeing(reached.value, arrow).sum())
    tolerance, used = gradient_tolerance(at.arrow.problems, at.at), int(at.pooled.used.sum())
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
    reasons += tuple(contradicted(in_common, at.centre, arrow.prior, problems[0].noise))
    method, why = _method(intervals, at, tables)
    drawn_ = _bootstrap(at, tables, draws, seed, progress) if method == "bootstrap" else None
    members = [
        _member(at, k, tried, reached, widths, reasons, method, why, level, drawn_) for k in range(len(problems))
    ]
    centres, ends = _centres(at, widths, level, method, drawn_)
    sharing = Sharing(
        dict(widths), centres, ends, level, lowest, at.gradient_norm, arrow.noise if apart.any() else at.noise,
        len(problems), int(at.pooled.used.sum()), at.parameters, len(tried), at_best, *test,
        _words(words, len(problems), test, problems[0].priors), Verdict(reasons),
    )  # fmt: skip
    return sharing, members, at.pooled


# --- the search ---


class _Pool(NamedTuple):
    """Points drawn for every group (groups, n, p) and its objective there (groups, n), infinite where there is none.

    The k-th point of each group has the same exponents, so together they are a start of the joint fit.
    """

    free: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, problems: Sequence[Problem], seed: int, least: int) -> "_Pool":
        parts = [drawn(stack, stack.thinned(LIKENESS_ROWS), seed, least) for stack in _stacks(problems)]
        free, value = (np.concatenate(x) for x in zip(*parts, strict=True))
        return cls(free, np.where(np.isfinite(value), value, np.inf))

    def together(self) -> np.ndarray:
        """Starts (n, groups, p) of all groups, the lowest sum first."""
        total = self.value.sum(axis=0)
        order = np.argsort(total, kind="stable")
        order = order[np.isfinite(total[order])]
        if not len(order):
            raise InputError("the law is not finite at any start for all groups at once; check the units of each group")
        return np.moveaxis(self.free, 1, 0)[order]

    def alone(self, count: int) -> np.ndarray:
        """Starts (count, groups, p) of each group for itself, its lowest first."""
        order = np.argsort(self.value, axis=1, kind="stable")[:, :count]
        return np.moveaxis(np.take_along_axis(self.free, order[..., None], axis=1), 1, 0)


def _stacks(problems: Sequence[Problem]) -> list[Stack]:
    return [Stack.of(problems[k : k + MOST_STACKED]) for k in range(0, len(problems), MOST_STACKED)]


def _search(
    arrow: Arrow, begin: np.ndarray, starts: int | None, progress: Progress | None
) -> tuple[np.ndarray, Reached]:
    """Starts (n, groups, p) run to the end, until enough agree: where they began and what each reached."""
    centre = begin[..., list(arrow.columns)].mean(axis=1)
    free = begin.copy()
    free[..., list(arrow.columns)] = centre[:, None]  # nobody lies apart to begin with
    first, *more = (starts,) if starts else _ROUNDS
    taken = min(first, len(free))
    reached = _exchanged(arrow, minimise(arrow, free[:taken], centre[:taken]))
    for goal in more:
        goal = min(goal, len(free))
        if goal == taken or _certain(reached, arrow):
            break
        fresh = minimise(arrow, free[taken:goal], centre[taken:goal])
        reached = _exchanged(arrow, Reached(*(np.concatenate(x) for x in zip(reached, fresh, strict=True))))
        taken = goal
        if progress is not None:
            progress(taken, taken, "starts of the joint fit")
    return free[:taken], reached


def _exchanged(arrow: Arrow, reached: Reached) -> Reached:
    """The same, once starts that ended higher went on with each group put where the lowest start for it had brought it.

    Given the centres, groups do not know of each other, so a start need not be right about all of them at once: what
    starts agree on, or not, is the centres.
    """
    groups = np.arange(len(arrow.problems))
    for _ in range(_EXCHANGES):
        best = int(np.argmin(reached.value))
        ends = np.flatnonzero(np.isfinite(reached.value))
        # Each group alone, from where it ended in each start, with the centres of the best.
        own = np.swapaxes(arrow.own(reached.free[ends], reached.centre[ends]), 0, 1)  # (groups, starts, p)
        centre = np.broadcast_to(reached.centre[best], (own.shape[0] * own.shape[1], len(arrow.columns)))
        free = arrow.free(own.reshape(-1, 1, own.shape[-1]), centre)
        alone = minimise(arrow, free, centre, group=np.repeat(groups, len(ends))[:, None], hold=True, damping=NEAR)
        heights = alone.value.reshape(len(groups), len(ends))
        chosen = alone.free.reshape(len(groups), len(ends), -1)[groups, heights.argmin(axis=1)]
        total = heights.min(axis=1).sum() + arrow.prior.penalty(reached.centre[best])
        better = total < reached.value[best] * (1 - 1e-9)
        again = np.flatnonzero(~_agreeing(reached.value, arrow))
        if better:
            again = np.append(again, best)
        if not len(again):
            break
        moved = arrow.free(arrow.own(chosen, reached.centre[best]), reached.centre[again])
        found = minimise(arrow, moved, reached.centre[again])
        lower = found.value < reached.value[again]
        for new, old in zip(found, reached, strict=True):
            old[again[lower]] = new[lower]
        if not better:
            break
    return reached


def _agreeing(values: np.ndarray, arrow: Arrow) -> np.ndarray:
    return np.any([agreeing(values, float(values.min()), p) for p in arrow.problems], axis=0)


def _certain(reached: Reached, arrow: Arrow) -> bool:
    enough = int(_agreeing(reached.value, arrow).sum()) >= _ENOUGH_AGREEING
    return enough and undiscovered(_solutions(reached, 0)) <= CERTAIN_ENOUGH


def _solutions(reached: Reached, k: int) -> Solutions:
    """What starts reached, as the group number k sees it; the objective is that of all."""
    return Solutions(reached.free[:, k], reached.value, reached.status, reached.steps)


def _best(reached: Reached) -> tuple[np.ndarray, np.ndarray]:
    best = int(np.argmin(reached.value))
    return reached.free[best], reached.centre[best]


# --- at the optimum ---


class _Optimum:
    """Everything about a joint fit that follows from where it ended: free values (groups, p), centres (k,)."""

    def __init__(self, arrow: Arrow, free: np.ndarray, centre: np.ndarray):
        self.arrow, self.free, self.centre = arrow, free, centre
        parts, first = [], 0
        for stack in _stacks(arrow.problems):
            parts += linearize_all(stack, free[first : first + len(stack)])
            first += len(stack)
        self.at: list[Linearization] = parts
        self.held = np.array([at.held for at in parts])

    @property
    def own_parameters(self) -> int:
        """Centres and what groups have for themselves; offsets are not counted."""
        count, p = self.free.shape
        return len(self.centre) + count * (p - len(self.centre))

    def _all_runs(self, parameters: int) -> Linearization:
        """All runs side by side. Only the width of its Jacobian can be used."""
        parts = zip(*((at.residuals, at.psi, at.weights) for at in self.at), strict=True)
        residuals, psi, weights = (np.concatenate(x) for x in parts)
        width_alone = np.broadcast_to(0.0, (len(psi), parameters))
        nothing = np.zeros(parameters, bool)
        loss = self.at[0].loss._replace(prior=None)
        return Linearization((), residuals, width_alone, psi, weights, loss, nothing)

    @cached_property
    def pooled(self) -> Linearization:
        """All runs side by side, see `_all_runs`."""
        return self._all_runs(round(self.parameters))

    @cached_property
    def parameters(self) -> float:
        """Parameters fitted in all; an offset counts as much as the runs, and not its width, determine it."""
        loose = self.arrow.loose
        if not loose.any():
            return float(self.own_parameters)
        inverse, along, schur = self._inverted(self.information(_expected(self._all_runs(self.own_parameters))))
        variance = np.diagonal(inverse, axis1=1, axis2=2)[:, loose].copy()
        variance += np.einsum("gik,kl,gil->gi", along[:, loose], np.linalg.inv(schur), along[:, loose])
        return float(self.own_parameters + np.sum(1 - np.clip(self.arrow.noise * variance, 0, 1)))

    @cached_property
    def noise(self) -> float:
        """What half a squared standard normal value weighs in the objective."""
        m1, m2 = scale_of(self.pooled)
        return m2 / m1

    @cached_property
    def gradient_norm(self) -> float:
        """As for a fit of its own: the largest cosine between a column and the scores, over groups and centres."""
        arrow, columns = self.arrow, list(self.arrow.columns)
        off = arrow.own(self.free, self.centre) - arrow.target
        off_centre = self.centre - arrow.prior.centre
        largest, gradient = 0.0, arrow.prior.weight * off_centre
        size, psi = arrow.prior.weight.copy(), float(arrow.prior.weight @ off_centre**2)
        for k, at in enumerate(self.at):
            slope = at.jacobian.T @ at.psi
            norms = np.linalg.norm(at.jacobian, axis=0)
            gradient += slope[columns]
            size += norms[columns] ** 2
            mine = at.psi @ at.psi + arrow.weighed @ off[k] ** 2
            psi += mine
            moved = slope * arrow.size + arrow.weighed * off[k]
            length = np.sqrt((norms * arrow.size) ** 2 + arrow.weighed) * np.sqrt(mine)
            counts = ~self.held[k] & (arrow.size > 0) & (length > 0)
            largest = max(largest, float(np.max(np.abs(moved[counts]) / length[counts], initial=0.0)))
        fixed = self.held[:, columns].all(axis=0) & (arrow.widths == 0)
        total = np.sqrt(size * psi)
        counts = ~fixed & (total > 0)
        return max(largest, float(np.max(np.abs(gradient[counts]) / total[counts], initial=0.0)))

    def information(self, bread: np.ndarray) -> np.ndarray:
        """Curvature of each group's part of the objective, (groups, p, p), where `bread` (runs,) is what each run adds
        to the slope of psi; priors of the centres and the weight of offsets are left out."""
        each = np.split(bread, np.cumsum([len(at.weights) for at in self.at])[:-1])
        return np.array([j.T @ (j * b[:, None]) for j, b in zip(self._slopes, each, strict=True)])

    @cached_property
    def _slopes(self) -> list[np.ndarray]:
        """Jacobians, zero where a bound holds the value."""
        return [np.where(at.held, 0.0, at.jacobian) for at in self.at]

    def _inverted(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the arrow: inverses of the groups (groups, p, p), those times the sides (groups, p, k), and the Schur
        complement of the centres (k, k)."""
        group, between, _ = self.arrow.blocks(information)
        out = (self.arrow.size == 0) | (self.held & ~self.arrow.loose)
        group = group + np.where(out, 1.0, 0.0)[..., None] * np.eye(group.shape[-1])
        scale = np.sqrt(np.diagonal(group, axis1=1, axis2=2))
        scale = np.where(scale > 0, scale, 1.0)
        inverse = np.linalg.pinv(group / scale[:, :, None] / scale[:, None, :], rcond=1e-13, hermitian=True)
        inverse = inverse / scale[:, :, None] / scale[:, None, :]
        along = inverse @ between
        schur = self._told(information).sum(axis=0) + np.diag(self.arrow.prior.weight)
        # A centre that a bound holds is known.
        still = self.held[:, list(self.arrow.columns)].all(axis=0) & (self.arrow.widths == 0)
        schur = np.where(still[:, None] | still, np.diag(np.where(still, 1.0, 0.0)), schur)
        return np.where(out[..., None] | out[:, None, :], 0.0, inverse), along, schur

    def _told(self, information: np.ndarray) -> np.ndarray:
        """What each group says of the centres, (groups, k, k): its part of the Schur complement.

        K (1 + W K)^-1, where K is what it says of its own values and W how far those lie apart; the arrow itself would
        lose the digits that W and K differ by.
        """
        columns = list(self.arrow.columns)
        rest = [c for c in range(len(self.arrow.size)) if c not in columns]
        own = information[:, rest][:, :, rest] + np.diag(self.arrow.weighed[rest])
        inner = np.linalg.pinv(own, rcond=1e-13, hermitian=True)
        side = information[:, rest][:, :, columns]
        known = information[:, columns][:, :, columns] - np.swapaxes(side, 1, 2) @ inner @ side
        return np.linalg.solve(np.eye(len(columns)) + known @ np.diag(self.arrow.widths**2) / self.arrow.noise, known)

    @cached_property
    def covariances(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Sandwich covariance of every group's free values (groups, p, p) and of the centres (k, k), all groups' runs
        counted; the weight of an offset or a prior counts as one observation. None where the centres are not
        determined."""
        arrow = self.arrow
        inverse, along, schur = self._inverted(self.information(bread_weights(self.pooled)))
        tight = np.diagonal(schur)
        if not np.all(tight > 0) or not np.linalg.cond(schur / np.sqrt(np.outer(tight, tight))) < 1e12:
            return None
        centres = np.linalg.inv(schur)
        answer = arrow.size[:, None] * along - arrow.select  # of free values to centres moved back
        psi = [at.psi for at in self.at]
        if not self.pooled.far_below_noise:  # as `powell_covariance` does
            room = (np.maximum(1 - h, LEAST_ROOM) for h in self.leverage)
            psi = [x / np.sqrt(h) for x, h in zip(psi, room, strict=True)]
        pulls = [j * x[:, None] for j, x in zip(self._slopes, psi, strict=True)]
        scores = np.array([pull.T @ pull for pull in pulls])
        scores = scores + self._dispersion * np.diag(np.where(arrow.loose, 0.0, arrow.weighed))
        loose = np.flatnonzero(arrow.loose)
        spread = np.einsum("gik,gij,gjl->gkl", answer, scores, answer)
        spread += arrow.noise**2 * np.einsum("gjk,gjl->gkl", along[:, loose], along[:, loose])
        total = spread.sum(axis=0) + self._dispersion * np.diag(arrow.prior.weight)
        others = total - spread
        back = answer @ centres
        own = inverse * np.outer(arrow.size, arrow.size) + back @ np.swapaxes(answer, 1, 2)
        found = own @ scores @ np.swapaxes(own, 1, 2) + back @ others @ np.swapaxes(back, 1, 2)
        told = arrow.noise * (arrow.size[:, None] * inverse[:, :, loose] + back @ np.swapaxes(along[:, loose], 1, 2))
        found += told @ np.swapaxes(told, 1, 2)
        found = np.where(self.held[..., None] | self.held[:, None, :], 0.0, found)
        return (found + np.swapaxes(found, 1, 2)) / 2, centres @ total @ centres

    @property
    def leverage(self) -> list[np.ndarray]:
        """Diagonal of the hat matrix of all runs, offsets and priors, by group, (runs,)."""
        bread = _expected(self.pooled)
        inverse, along, schur = self._inverted(self.information(bread))
        answer = self.arrow.size[:, None] * along - self.arrow.select
        own = inverse * np.outer(self.arrow.size, self.arrow.size)
        own = own + answer @ np.linalg.pinv(schur, hermitian=True) @ np.swapaxes(answer, 1, 2)
        each = np.split(bread, np.cumsum([len(at.weights) for at in self.at])[:-1])
        return [b * np.einsum("ni,ij,nj->n", j, o, j) for b, j, o in zip(each, self._slopes, own, strict=True)]

    def widths_of(self, weight: np.ndarray) -> np.ndarray:
        """Widths of priors from their weights in the objective; 0 where there is none."""
        return np.sqrt(self._dispersion / np.where(weight > 0, weight, 1.0)) * (weight > 0)

    @property
    def _dispersion(self) -> float:
        """What the weight of a prior is in its own units, see `Noise`; 0 without priors."""
        noise = self.arrow.problems[0].noise
        return 0.0 if noise is None else noise.dispersion

    @cached_property
    def identifications(self) -> list[Identification]:
        """Of every group, what the others know of the parameters in common counted as further runs."""
        arrow, columns = self.arrow, list(self.arrow.columns)
        m1, _ = scale_of(self.pooled)
        each = self._told(self.information(_expected(self.pooled)))
        one, apart = np.eye(len(columns)), np.diag(arrow.widths**2) / arrow.noise
        found = []
        for k, at in enumerate(self.at):
            others = each.sum(axis=0) - each[k] + np.diag(arrow.prior.weight)
            others = np.linalg.solve(one + others @ apart, others) / m1
            sizes, directions = np.linalg.eigh((others + others.T) / 2)
            rows = np.zeros((len(columns), len(arrow.size)))
            rows[:, columns] = np.sqrt(np.maximum(sizes, 0))[:, None] * directions.T
            more = replace(
                at,
                jacobian=np.concatenate([at.jacobian, rows]),
                weights=np.concatenate([at.weights, np.full(len(columns), 1.0)]),
            )
            found.append(identify(more, in_plain_counts(arrow.problems[k], self.free[k])))
        return found


def _member(at, k, tried, reached, widths, reasons, method, why, level, drawn_) -> Member:
    """Group number k, with its identification, covariance and intervals."""
    problem, linear, free = at.arrow.problems[k], at.at[k], at.free[k]
    identification = at.identifications[k]
    covariance = None
    if at.covariances is not None:
        label = "powell_sandwich" if at.pooled.far_below_noise else "leverage_sandwich"
        covariance = Covariance(linear.names, at.covariances[0][k], label)
    if method not in ("none",) and not identification.condition_number < HOPELESS_CONDITION:
        condition = identification.condition_number
        method, why = "none", f"condition number {condition:.1e}: the runs do not determine this group's parameters"
    drawn_free = None if drawn_ is None else drawn_[0][:, k]
    intervals, kept = make_intervals(
        problem, free, linear, method=method, why=why, level=level, drawn=drawn_free, quick=covariance,
        freedom=at.pooled.freedom,
    )  # fmt: skip
    prior = linear.loss.prior
    value = _height(linear) + (0.0 if prior is None else float(prior.penalty(free)))
    found = Search(tried[:, k], _solutions(reached, k), len(tried))
    return Member(
        problem, free, linear, found, value, at.gradient_norm, identification, covariance, intervals, kept, widths,
        reasons,
    )  # fmt: skip


def _centres(at, widths, level, method, drawn_) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Natural values of the centres and their intervals, by parameter."""
    law, slots, columns = at.arrow.problems[0].law, at.arrow.problems[0].layout.slots, list(at.arrow.columns)
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


def _method(wanted: str, at: _Optimum, tables: Sequence[Runs]) -> tuple[str, str]:
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


def _bootstrap(at: _Optimum, tables: Sequence[Runs], draws: int, seed: int, progress: Progress | None):
    """Joint fits to resampled runs: free values (draws, groups, p) and centres (draws, k), nan where none was had.

    Runs are drawn within each group. Where groups may lie apart or values have priors, the places that each draw's
    offsets and values are pulled to are drawn too, so that the spread of the draws is that around each group's own
    truth (randomize-then-optimize, Bardsley et al. 2014, SIAM J. Sci. Comput. 36(4)).
    """
    arrow = at.arrow
    rng = np.random.default_rng(seed)
    groups, p = at.free.shape
    free, centre = np.full((draws, groups, p), np.nan), np.full((draws, len(at.centre)), np.nan)
    widths = np.where(arrow.loose, 1.0, at.widths_of(arrow.weighed))
    size = max(1, _LANES // groups)
    for first in range(0, draws, size):
        n = min(size, draws - first)
        weights = np.stack(
            [resampling_weights(q, n, rng, t.clusters) for q, t in zip(arrow.problems, tables, strict=True)], axis=1
        )
        lean = lean_centre = None
        if arrow.weighed.any():
            lean = arrow.target + widths * rng.standard_normal((n, groups, p))
        if arrow.prior.weight.any():
            lean_centre = at.widths_of(arrow.prior.weight) * rng.standard_normal((n, len(at.centre)))
            lean_centre += arrow.prior.centre
        begin = (np.broadcast_to(x, (n, *x.shape)) for x in (at.free, at.centre))
        found = minimise(arrow, *begin, weights=weights, lean=lean, lean_centre=lean_centre, damping=NEAR)
        good = np.isin(found.status, (CONVERGED, STUCK))
        free[first : first + n][good], centre[first : first + n][good] = found.free[good], found.centre[good]
        if progress is not None:
            progress(first + n, draws, "bootstrap draws")
    return free, centre


def _separately(common: _Optimum, pool: _Pool) -> "_Optimum | None":
    """Every group at its own optimum with nothing in common; None where a group has too few runs for that."""
    if any(at.freedom < 0 for at in common.at):
        return None
    begin = np.concatenate([[common.free], pool.alone(_SEPARATE_STARTS)])  # (starts, groups, p)
    count, groups, p = begin.shape
    apart = Arrow.of(common.arrow.problems, (), (), 1.0)
    each = np.tile(np.arange(groups), count)
    found = minimise(apart, begin.reshape(-1, 1, p), np.zeros((len(each), 0)), group=each[:, None])
    pick = np.argmin(found.value.reshape(count, groups), axis=0)
    return _Optimum(apart, found.free.reshape(count, groups, p)[pick, np.arange(groups)], np.zeros(0))


def _expected(runs: Linearization) -> np.ndarray:
    """What each run adds to the slope of psi that is expected of the noise, (runs,)."""
    m1, _ = scale_of(runs)
    return m1 * runs.weights / runs.weights[runs.used].mean()


def _height(runs: Linearization) -> float:
    """The objective summed over runs, without the weight of offsets and priors."""
    return float(np.sum(runs.weights * runs.loss.height(runs.residuals)))


def _test(common: _Optimum, separate: _Optimum | None) -> Ratio:
    """One value for all against separate fits."""
    count, k = len(common.at), len(common.centre)
    if count < 2 or separate is None or separate.pooled.freedom < 1:
        return Ratio()
    m1, m2 = scale_of(separate.pooled)
    constraints, freedom = k * (count - 1), separate.pooled.freedom
    statistic = max(0.0, 2 * (_height(common.pooled) - _height(separate.pooled)) * m1 / m2)
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
