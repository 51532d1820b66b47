"""The search for a joint fit of groups: starts that all groups share, run to the end until enough of them agree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.progress import tell
from jaxscale._fitting.pooling.arrowhead import Arrowhead, Reached, minimise
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import stacks_of
from jaxscale._solver.outcome import CERTAIN_ENOUGH, agreeing, undiscovered
from jaxscale._solver.solve import NEAR
from jaxscale._solver.starts import SUBSAMPLE_ROWS, drawn

ROUNDS = (8, 16, 32, 64)  # starts finished before asking again whether they agree
_ENOUGH_AGREEING = 5
_EXCHANGES = 3


class JointPool(NamedTuple):
    """Points drawn for every group (groups, n, p) and its objective there (groups, n), infinite where there is none.

    The k-th point of each group has the same exponents, so together they are a start of the joint fit.
    """

    free: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, problems: Sequence[Problem], seed: int, least: int) -> "JointPool":
        parts = [drawn(stack, stack.subsample(SUBSAMPLE_ROWS), seed, least) for stack in stacks_of(problems)]
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


def search_together(arrowhead: Arrowhead, begin: np.ndarray, starts: int | None) -> tuple[np.ndarray, Reached]:
    """Starts (n, groups, p) run to the end, until enough agree: where they began and what each reached."""
    centre = begin[..., list(arrowhead.columns)].mean(axis=1)
    free = begin.copy()
    free[..., list(arrowhead.columns)] = centre[:, None]  # nobody lies apart to begin with
    first, *more = (starts,) if starts else ROUNDS
    taken = min(first, len(free))
    reached = _exchanged(arrowhead, minimise(arrowhead, free[:taken], centre[:taken]))
    for goal in more:
        goal = min(goal, len(free))
        if goal == taken or _certain(reached, arrowhead):
            break
        fresh = minimise(arrowhead, free[taken:goal], centre[taken:goal])
        reached = _exchanged(arrowhead, Reached.joined([reached, fresh]))
        taken = goal
        tell(taken, 0, "starts of the joint fit")
    return free[:taken], reached


def _exchanged(arrowhead: Arrowhead, reached: Reached) -> Reached:
    """The same, once starts that ended higher went on with each group put where the lowest start for it had brought it.

    Given the centres, groups do not know of each other, so a start need not be right about all of them at once: what
    starts agree on, or not, is the centres.
    """
    groups = np.arange(len(arrowhead.problems))
    for _ in range(_EXCHANGES):
        best = int(np.argmin(reached.value))
        ends = np.flatnonzero(np.isfinite(reached.value))
        # Each group alone, from where it ended in each start, with the centres of the best.
        own = np.swapaxes(arrowhead.own(reached.free[ends], reached.centre[ends]), 0, 1)  # (groups, starts, p)
        centre = np.broadcast_to(reached.centre[best], (own.shape[0] * own.shape[1], len(arrowhead.columns)))
        free = arrowhead.free(own.reshape(-1, 1, own.shape[-1]), centre)
        alone = minimise(arrowhead, free, centre, group=np.repeat(groups, len(ends))[:, None], hold=True, damping=NEAR)
        heights = alone.value.reshape(len(groups), len(ends))
        chosen = alone.free.reshape(len(groups), len(ends), -1)[groups, heights.argmin(axis=1)]
        total = heights.min(axis=1).sum() + arrowhead.prior.penalty(reached.centre[best])
        better = total < reached.value[best] * (1 - 1e-9)
        again = np.flatnonzero(~agreeing_starts(reached.value, arrowhead))
        if better:
            again = np.append(again, best)
        if not len(again):
            break
        moved = arrowhead.free(arrowhead.own(chosen, reached.centre[best]), reached.centre[again])
        found = minimise(arrowhead, moved, reached.centre[again])
        lower = found.value < reached.value[again]
        for new, old in zip(found, reached, strict=True):
            old[again[lower]] = new[lower]
        if not better:
            break
    return reached


def agreeing_starts(values: np.ndarray, arrowhead: Arrowhead) -> np.ndarray:
    return np.any([agreeing(values, float(values.min()), p) for p in arrowhead.problems], axis=0)


def _certain(reached: Reached, arrowhead: Arrowhead) -> bool:
    enough = int(agreeing_starts(reached.value, arrowhead).sum()) >= _ENOUGH_AGREEING
    return enough and undiscovered(solutions_of(reached, 0)) <= CERTAIN_ENOUGH


def solutions_of(reached: Reached, k: int) -> Solutions:
    """What starts reached, as the group number k sees it; the objective is that of all."""
    return Solutions(reached.free[:, k], reached.value, reached.status, reached.steps)


def lowest_of(reached: Reached) -> tuple[np.ndarray, np.ndarray]:
    best = int(np.argmin(reached.value))
    return reached.free[best], reached.centre[best]
