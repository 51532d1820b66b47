"""Groups with parameters in common, minimised together: damped Newton on an arrowhead Hessian.

A group's free values are its own, or lie around a centre that all groups have in common: value = centre + width *
offset, where offsets weigh as standard normal ones would, and a width of 0 leaves one value for all. A prior of what
groups have in common is one of the centre, and counts once; another is of each group's value. Given the centres,
groups do not know of each other, so each step costs one small matrix for each group and one for the centres (a Schur
complement). Written for many starts side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._base.devices import compile_options, host
from jaxscale._base.programs import Program, kept
from jaxscale._problem.arrays import Overrides, ProblemArrays, Task
from jaxscale._problem.evaluate import evaluator
from jaxscale._problem.losses import Prior
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import stacked_rows
from jaxscale._solver.damped import Descents, damped, solve_positive_many
from jaxscale._solver.solve import FAR
from jaxscale.laws._operations import wide
from jaxscale.optim import OUTER_SHARE, unit_scale

_POINTS_AT_ONCE = 64 * 256  # rows times lanes of one evaluation
_MOST_STEPS = 300


class Reached(NamedTuple):
    """Where each start ended: free values (starts, groups, p), centres (starts, k), the objective with the weight of
    the offsets, status code of `jaxscale.optim`, steps."""

    free: np.ndarray
    centre: np.ndarray
    value: np.ndarray
    status: np.ndarray
    steps: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Reached"]) -> "Reached":
        """One after the other."""
        return cls(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    def of(self, which: Any) -> "Reached":
        """Some of the starts."""
        return Reached(*(x[which] for x in self))


@dataclass(frozen=True, eq=False)
class Arrowhead:
    """Problems of one task whose free values `columns` (k,) lie around common centres, `widths` (k,) apart.

    noise: what half a squared offset of one weighs in the objective. prior: of the centres, (k,); the problems have
    those of the other values. Make it with `of`.
    """

    problems: tuple[Problem, ...]
    columns: tuple[int, ...]
    widths: np.ndarray
    noise: float
    prior: Prior

    @classmethod
    def of(cls, problems: Sequence[Problem], columns: Sequence[int], widths: Any, noise: float) -> "Arrowhead":
        """The problems padded to one number of rows; what is one value for all keeps to the bounds of all."""
        widths = np.asarray(widths, np.float64)
        rows = max(stacked_rows(p) for p in problems)
        lower, upper = (np.array([getattr(p, end) for p in problems]) for end in ("lower", "upper"))
        same = [c for c, w in zip(columns, widths, strict=True) if w == 0]
        lower[:, same], upper[:, same] = lower[:, same].max(axis=0), upper[:, same].min(axis=0)
        given = problems[0].loss.prior or Prior(np.zeros(lower.shape[1]), np.zeros(lower.shape[1]))
        in_common = Prior(*(np.asarray(x)[list(columns)] for x in given))
        rest = given._replace(weight=np.where(np.isin(np.arange(lower.shape[1]), columns), 0.0, given.weight))
        prior = rest if np.any(rest.weight > 0) else None
        boxed = (
            replace(p, lower=low, upper=high, losses=tuple(x._replace(prior=prior) for x in p.losses))
            for p, low, high in zip(problems, lower, upper, strict=True)
        )
        return cls(tuple(p.with_rows(rows) for p in boxed), tuple(columns), widths, float(noise), in_common)

    @cached_property
    def stages(self) -> tuple[ProblemArrays, ...]:
        """The tables of all groups, (groups, ...), at each stage of the objective, without priors: see `weighed`."""
        bare = [replace(p, losses=tuple(x._replace(prior=None) for x in p.losses)) for p in self.problems]
        return tuple(
            jax.tree.map(lambda *leaves: np.stack(leaves), *(p.tables(k) for p in bare))
            for k in range(len(bare[0].losses))
        )

    @cached_property
    def size(self) -> np.ndarray:
        """By how much free values (p,) move with the coordinates solved for: widths of offsets, 1 for a group's own."""
        size = np.ones(self.problems[0].layout.free)
        size[list(self.columns)] = self.widths
        return size

    @cached_property
    def weighed(self) -> np.ndarray:
        """Curvature (p,) that the weight of the offsets and priors add."""
        prior = self.problems[0].loss.prior
        return np.where(self.partly_pooled, self.noise, 0.0 if prior is None else prior.weight)

    @cached_property
    def target(self) -> np.ndarray:
        """Where the coordinates (p,) are pulled by that weight: offsets to zero, others to the centre of their
        prior."""
        prior = self.problems[0].loss.prior
        return np.where(self.partly_pooled | (self.weighed == 0), 0.0, 0.0 if prior is None else prior.centre)

    @cached_property
    def partly_pooled(self) -> np.ndarray:
        """Which of the p coordinates are offsets that may differ from zero."""
        partly_pooled = np.zeros(len(self.size), bool)
        partly_pooled[list(self.columns)] = self.widths > 0
        return partly_pooled

    @cached_property
    def select(self) -> np.ndarray:
        """(p, k): one where a free value is the k-th of those in common."""
        return np.eye(len(self.size))[:, list(self.columns)]

    def free(self, own: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Free values (..., groups, p) of coordinates and centres (..., k)."""
        return own * self.size + (centre @ self.select.T)[..., None, :]

    def own(self, free: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Coordinates of free values: offsets of those in common, the others as they are."""
        apart = free - (centre @ self.select.T)[..., None, :]
        return np.where(self.size > 0, apart / np.where(self.size > 0, self.size, 1.0), 0.0)

    def blocks(self, curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The arrowhead of curvatures (..., groups, p, p): of each group (..., groups, p, p), between groups and
        centres (..., groups, p, k), of the centres (..., k, k)."""
        columns = list(self.columns)
        group = curvature * np.outer(self.size, self.size) + np.diag(self.weighed)
        between = curvature[..., columns] * self.size[:, None]
        centres = curvature[..., columns, :][..., columns].sum(axis=-3) + np.diag(self.prior.weight)
        return group, between, centres


def minimise(
    arrowhead: Arrowhead,
    free: np.ndarray,
    centre: np.ndarray,
    *,
    group: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    perturbed: np.ndarray | None = None,
    perturbed_centre: np.ndarray | None = None,
    hold: bool = False,
    damping: float = FAR,
) -> Reached:
    """Minimise from starts (starts, groups, p) and (starts, k), through every stage of the objective; call under
    float64.

    Args:
        arrowhead: what is minimised.
        free, centre: where each start begins.
        group: which table each group of each start is, (starts, groups); all in their order by default.
        weights: of the runs, (starts, groups, rows), in place of their own.
        perturbed: where coordinates are pulled to, (starts, groups, p), in place of `Arrowhead.target`.
        perturbed_centre: where centres are pulled to, (starts, k), in place of the centres of their priors.
        hold: leave the centres where they are; their priors are then left out of the value.
        damping: to begin with.
    """
    if group is None:
        group = np.broadcast_to(np.arange(len(arrowhead.problems)), free.shape[:2])
    found = None
    for stage in range(len(arrowhead.stages)):
        found = _descend(arrowhead, stage, free, centre, group, weights, perturbed, perturbed_centre, hold, damping)
        sound = np.isfinite(found.value)
        free = np.where(sound[:, None, None], found.free, free)
        centre = np.where(sound[:, None], found.centre, centre)
    assert found is not None  # an objective has at least one stage
    return found


class _Model(NamedTuple):
    """The objective near a point, for every start: value, gradient and curvature by group in the free values."""

    value: np.ndarray
    gradient: np.ndarray  # (starts, groups, p)
    gauss_newton: np.ndarray  # (starts, groups, p, p)
    exact: np.ndarray


def _descend(arrowhead, stage, free, centre, group, weights, perturbed, perturbed_centre, hold, damping) -> Reached:
    count, k = len(free), len(arrowhead.columns)
    tables = arrowhead.stages[stage]
    lower, upper = tables.lower[group], tables.upper[group]
    tight = arrowhead.widths == 0
    ends = tuple(
        np.where(tight, x[:, 0][:, list(arrowhead.columns)], far) for x, far in ((lower, -np.inf), (upper, np.inf))
    )
    perturbed = np.broadcast_to(arrowhead.target, free.shape) if perturbed is None else perturbed
    prior = arrowhead.prior if perturbed_centre is None else arrowhead.prior._replace(centre=perturbed_centre)
    prior = Prior(*(np.broadcast_to(x, (count, k)) for x in prior))
    centre = np.clip(centre, *ends)
    own = arrowhead.own(np.clip(free, lower, upper), centre)
    square = (*free.shape, free.shape[2])
    best = _Model(np.full(count, np.inf), np.zeros(free.shape), np.zeros(square), np.zeros(square))
    point, point_centre = own.copy(), centre.copy()
    descents = Descents(count, damping, _MOST_STEPS)
    while len(a := descents.running):
        share = np.minimum(OUTER_SHARE, 1e6 * descents.damping[a])
        mine = None if weights is None else weights[a]
        here = _evaluate(arrowhead, tables, arrowhead.free(own[a], centre[a]), group[a], mine, share)
        pull = 0.5 * np.sum(arrowhead.weighed * (own[a] - perturbed[a]) ** 2, axis=(1, 2))
        if not hold:
            pull = pull + Prior(prior.centre[a], prior.weight[a]).penalty(centre[a])
        here = here._replace(value=here.value + pull)
        finite = np.isfinite(here.value) & np.isfinite(here.gradient).all(axis=(1, 2))
        better = descents.weigh(a, here.value, finite)
        for old, new in zip(best, here, strict=True):
            old[a[better]] = new[better]
        point[a[better]], point_centre[a[better]] = own[a[better]], centre[a[better]]
        a = descents.running
        if not len(a):
            break
        model = _Model(*(x[a] for x in best))
        here_own, here_centre = point[a], point_centre[a]
        gradient = model.gradient * arrowhead.size + arrowhead.weighed * (here_own - perturbed[a])
        of_centre = model.gradient.sum(axis=1)[:, list(arrowhead.columns)] + prior.weight[a] * (
            here_centre - prior.centre[a]
        )
        at = arrowhead.free(here_own, here_centre)
        held = (arrowhead.size == 0) | ((at <= lower[a]) & (gradient > 0)) | ((at >= upper[a]) & (gradient < 0))
        low, high = (x[a] for x in ends)
        held_centre = np.full((len(a), k), hold)
        held_centre |= ((here_centre <= low) & (of_centre > 0)) | ((here_centre >= high) & (of_centre < 0))
        step, step_centre, curvature, usable = _step(
            arrowhead, model, gradient, of_centre, descents.damping[a], held, held_centre
        )
        moved_centre = np.clip(here_centre + step_centre, low, high)
        moved = arrowhead.own(np.clip(arrowhead.free(here_own + step, moved_centre), lower[a], upper[a]), moved_centre)
        step, step_centre = moved - here_own, moved_centre - here_centre
        expected = _decrease(arrowhead, gradient, of_centre, curvature, step, step_centre)
        usable &= np.isfinite(expected) & (expected > 0)
        own[a] = np.where(usable[:, None, None], moved, here_own)
        centre[a] = np.where(usable[:, None], moved_centre, here_centre)
        descents.promise(a, expected, usable)
    return Reached(arrowhead.free(point, point_centre), point_centre, best.value, descents.status, descents.steps)


def _decrease(arrowhead, gradient, of_centre, curvature, step, step_centre) -> np.ndarray:
    """What the quadratic model expects of a step, (starts,)."""
    linear = np.sum(gradient * step, axis=(1, 2)) + np.sum(of_centre * step_centre, axis=1)
    moved = arrowhead.free(step, step_centre)
    bend = np.einsum("sgi,sgij,sgj->s", moved, curvature, moved) + np.sum(arrowhead.weighed * step**2, axis=(1, 2))
    bend = bend + np.sum(arrowhead.prior.weight * step_centre**2, axis=1)
    return -linear - 0.5 * bend


def _step(arrowhead, model, gradient, of_centre, damping, held, held_centre):
    """The damped step in coordinates and centres, the curvature it was made with, and whether it can be used.

    Groups take their exact curvature where it is positive definite. Where the centres have none then, all groups take
    that of Gauss and Newton, which always is.
    """
    group, _, centres = arrowhead.blocks(model.gauss_newton)
    scale, scale_centre = (unit_scale(np.diagonal(x, axis1=-2, axis2=-1), np) for x in (group, centres))

    def solve(curvature: np.ndarray, which: Any):
        group, between, centres = arrowhead.blocks(curvature)
        s, c, h, hc = scale[which], scale_centre[which], held[which], held_centre[which]
        group = damped(group, s, damping[which][:, None, None], h)
        between = np.where(h[..., None] | hc[:, None, None, :], 0.0, between * s[..., None] * c[:, None, None, :])
        centres = damped(centres, c, damping[which][:, None], hc)
        right = np.where(h, 0.0, -s * gradient[which])
        right_centre = np.where(hc, 0.0, -c * of_centre[which])
        solved, sound = solve_positive_many(group, np.concatenate([right[..., None], between], axis=-1))
        alone, along = solved[..., 0], solved[..., 1:]
        schur = centres - np.einsum("sgik,sgil->skl", between, along)
        left = right_centre - np.einsum("sgik,sgi->sk", between, alone)
        moved_centre, joint = solve_positive_many(schur, left[..., None])
        moved_centre = moved_centre[..., 0]
        moved = alone - np.einsum("sgik,sk->sgi", along, moved_centre)
        return s * moved, c * moved_centre, sound, joint

    with np.errstate(all="ignore"):
        curvature = model.exact.copy()
        step, step_centre, sound, joint = solve(curvature, slice(None))
        for again in range(2):
            poor = np.flatnonzero(~(sound.all(axis=1) & joint))
            if not len(poor):
                break
            keep = sound[poor] if again == 0 else np.zeros_like(sound[poor])
            curvature[poor] = np.where(keep[..., None, None], curvature[poor], model.gauss_newton[poor])
            step[poor], step_centre[poor], sound[poor], joint[poor] = solve(curvature[poor], poor)
    usable = sound.all(axis=1) & joint & np.isfinite(step).all(axis=(1, 2)) & np.isfinite(step_centre).all(axis=1)
    return np.where(usable[:, None, None], step, 0.0), np.where(usable[:, None], step_centre, 0.0), curvature, usable


def _evaluate(arrowhead, tables, free, group, weights, share) -> _Model:
    """The model at free values (starts, groups, p), some lanes at a time."""
    count, groups, p = free.shape
    device = host()[0]
    run = _compiled(arrowhead.problems[0].task, device.platform)
    rows = tables.points.response.shape[1]
    lanes = int(np.clip(_POINTS_AT_ONCE // rows, 8, 256))
    flat, table = free.reshape(-1, p), group.reshape(-1)
    share = np.repeat(share, groups)
    parts = []
    for first in range(0, len(flat), lanes):
        lane = np.minimum(np.arange(first, first + lanes), len(flat) - 1)
        own = Overrides(None if weights is None else weights.reshape(-1, rows)[lane])
        mine = own.within(jax.tree.map(lambda x, t=table[lane]: x[t], tables))
        with jax.default_device(device):
            found = run(flat[lane], mine, share[lane])
        parts.append([np.asarray(x)[: len(flat) - first] for x in jax.tree.leaves(found)])
    value, gradient, gauss_newton, exact = (np.concatenate(x) for x in zip(*parts, strict=True))
    shape = (count, groups)
    with np.errstate(invalid="ignore"):
        total = value.reshape(shape).sum(axis=1)
    return _Model(total, gradient.reshape(*shape, p), *(x.reshape(*shape, p, p) for x in (gauss_newton, exact)))


@kept
def _compiled(task: Task, platform: str):
    return Program(evaluator(task, exact=True), compile_options(platform, wide(task.law)))
