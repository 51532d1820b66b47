"""The lowest of many local optima, for many tables at once: which starts are finished, until enough of them agree."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optax

from jaxscale._base.progress import tell
from jaxscale._problem.arrays import SMALL_BATCH, Solutions
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import FEW_STACKED, Stack
from jaxscale._solver.outcome import CERTAIN_ENOUGH, SAME_OPTIMUM, Search, agreeing, undiscovered
from jaxscale._solver.solve import FAR, NEAR
from jaxscale._solver.solve_stack import solve_stack
from jaxscale._solver.starts import SUBSAMPLE_ROWS, Pool, given_points, published_grid, screened
from jaxscale._solver.valley import floors, has_valleys
from jaxscale.optim import CONVERGED, damped_newton, levenberg_marquardt

_RELAXED = 5.0  # how much wider the quadratic range of the objective is while starts are far off
_ROUGH, _TO_MEET = damped_newton(tolerance=1e-4), damped_newton(tolerance=1e-8)
_ROUGH_TO_MEET = levenberg_marquardt(tolerance=1e-8)
_SMOOTH = 25.0  # the same, where an objective that is nearly least absolute deviations has no dents
_SAME_PLACE = 1e-3  # in theta
_FIRST_ROUND = 8  # starts that "auto" finishes before it asks whether enough of them agree
_MOST_FINISHED = 256
_ENOUGH_AGREEING = 5
_MOST_SHAKES, _SHAKES, _SHAKEN = 8, 256, 8  # rounds, starts in each, and optima they are placed around
_PERTURBATIONS = 0.03, 3.0  # in theta
_IN_VAIN = 3  # rounds in a row that find nothing lower


def search(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    starts: str | int | Sequence[Mapping[str, float]],
    *,
    seed: int,
    max_steps: int,
    devices: Sequence[Any] | None = None,
) -> list[Search]:
    """Minimise every problem of a stack from its starts; call under float64.

    A table without any usable start has an empty search.

    Raises:
        InputError: the starts asked for are not to be had.
    """

    subsample = stack.subsample(SUBSAMPLE_ROWS)

    def finish(table: np.ndarray, free: np.ndarray, around: bool = False) -> Solutions:
        rules = {"meet": starts == "auto", "around": around}
        return _descend(stack, subsample, table, optimizer, free, max_steps, devices, **rules)

    if starts != "auto" and not isinstance(starts, int):
        tell(0, 0, "searching")
        points = [published_grid(p) if isinstance(starts, str) else given_points(p, starts) for p in stack.problems]
        table = np.repeat(np.arange(len(stack)), [len(x) for x in points])
        solutions = finish(table, np.concatenate(points))
        return [Search(x, solutions.of(table == k), len(x)) for k, x in enumerate(points)]

    tell(0, 0, "screening")
    pool = screened(stack, subsample, seed, starts if isinstance(starts, int) else 0)
    considered = pool.free.shape[1]
    tried: list[list[np.ndarray]] = [[] for _ in range(len(stack))]
    reached: list[list[Solutions]] = [[] for _ in range(len(stack))]
    tell(0, 0, "searching")
    open_, taken, most = np.arange(len(stack)), 0, min(considered, _MOST_FINISHED)
    goal = min(_FIRST_ROUND, considered)
    if isinstance(starts, int):
        goal = most = starts
    while len(open_) and taken < most:
        table, free = _take(pool, open_, taken, goal)
        if not len(table):
            break
        solutions = finish(table, free)
        ends = (np.searchsorted(table, open_, side) for side in ("left", "right"))  # tables come in their order
        for k, first, last in zip(open_, *ends, strict=True):
            tried[k].append(free[first:last])
            reached[k].append(solutions.of(slice(first, last)))
        taken, goal = goal, min(2 * goal, most)
        tell(taken, 0, "searching")
        open_ = np.array([k for k in open_ if not _certain(Solutions.joined(reached[k]), stack.problems[k])], np.int64)
    empty = np.empty((0, stack.first.layout.free))
    found = [
        Search(np.concatenate([empty, *x]), Solutions.joined(r), considered)
        for x, r in zip(tried, reached, strict=True)
    ]
    if starts == "auto":
        for k in open_:
            if np.isfinite(found[k].lowest) and _agreement(found[k].solutions, stack.problems[k]) < _ENOUGH_AGREEING:
                found[k] = _perturbed(
                    found[k], stack.problems[k], seed, lambda free, k=k: finish(np.full(len(free), k), free, True)
                )
    return found


def _perturbed(found: Search, problem: Problem, seed: int, finish: Callable[[np.ndarray], Solutions]) -> Search:
    """The search with lower optima added that lie around the lowest ones found, as long as there are any.

    Where hardly any starts agree, the lowest of them may be a way short of the bottom (basin hopping, Wales & Doye
    1997). Only what is lower is added: starts placed around an optimum and back in it are no sign of agreement.
    """
    rng = np.random.default_rng(seed)
    in_vain = 0
    for k in range(_MOST_SHAKES):
        tell(len(found.tried) + k * _SHAKES, 0, "searching")
        lowest = found.solutions.free[np.argsort(found.solutions.value, kind="stable")[:_SHAKEN]]
        around = lowest[rng.integers(len(lowest), size=_SHAKES)]
        shortest, longest = np.log(_PERTURBATIONS)
        lengths = np.exp(rng.uniform(shortest, longest, (_SHAKES, 1)))
        begin = np.clip(around + lengths * rng.standard_normal(around.shape), problem.lower, problem.upper)
        reached = finish(begin)
        best = int(np.argmin(reached.value))
        if not reached.value[best] < found.lowest * (1 - SAME_OPTIMUM):
            in_vain += 1
            if in_vain == _IN_VAIN:
                break
            continue
        in_vain = 0
        better = Solutions.joined([found.solutions, reached.of(slice(best, best + 1))])
        found = Search(np.concatenate([found.tried, begin[best : best + 1]]), better, found.considered)
    return found


def refined(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    near: np.ndarray,
    *,
    max_steps: int,
    devices: Sequence[Any] | None = None,
    tables: Sequence[int] | None = None,
) -> Solutions:
    """The optimum of each table, or of some `tables`, that lies near a point of its own, (tables, free); call under
    float64."""
    which = np.arange(len(stack)) if tables is None else np.array(tables)
    return solve_stack(stack, optimizer, which, near, max_steps=max_steps, damping=NEAR, devices=devices)


def _take(pool: Pool, tables: np.ndarray, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The next starts of some tables: which table each belongs to, and where it starts, (n, free)."""
    usable = pool.usable[tables, first:last]
    return np.repeat(tables, usable.sum(axis=1)), pool.free[tables, first:last][usable]


def _certain(found: Solutions, problem: Problem) -> bool:
    """Whether enough starts agree on the lowest optimum, and hardly any would lead elsewhere."""
    return _agreement(found, problem) >= _ENOUGH_AGREEING and undiscovered(found) <= CERTAIN_ENOUGH


def _agreement(found: Solutions, problem: Problem) -> int:
    return int(agreeing(found.value, float(np.min(found.value, initial=np.inf)), problem).sum())


def _descend(
    stack: Stack,
    subsample: Stack,
    table: np.ndarray,
    optimizer: optax.GradientTransformationExtraArgs,
    free: np.ndarray,
    max_steps: int,
    devices: Sequence[Any] | None,
    meet: bool,
    around: bool,
) -> Solutions:
    """Run every start to the end, through each stage of the objective; those that meet (if they may) go on as one.
    `around`: whether they lie around optima of one table."""
    begin, damping, end_of = free, FAR, None
    rows = stack.stages[-1].points.response.shape[-1]
    damped = optimizer is damped_newton()
    if damped and meet and has_valleys(stack.first):
        begin = floors(stack, table, begin)
    elif damped and (
        (len(free) > SMALL_BATCH and (meet or rows >= 2 * SUBSAMPLE_ROWS))
        or (len(stack) > FEW_STACKED and rows > SUBSAMPLE_ROWS and meet and not around)
    ):
        # Many starts, and those of many tables, take their first steps on some of the runs, which costs less.
        rough, rows = (_ROUGH_TO_MEET, subsample.relaxed(_RELAXED)) if meet else (_ROUGH, subsample)
        options = {"stage": 0, "max_steps": max_steps, "devices": devices}
        found = solve_stack(rows, rough, table, begin, **options)
        if meet:
            distinct, end_of = meeting(table, found)
            # Of most tables they meet by steps of half the price; where they do not, Newton's have to say so.
            tables, places = np.unique(table[distinct], return_counts=True)
            apart = np.isin(table, tables[places > 1])
            if apart.any():
                again = solve_stack(rows, _TO_MEET, table[apart], begin[apart], smallest=SMALL_BATCH, **options)
                for old, new in zip(found, again, strict=True):
                    old[apart] = new
                distinct, end_of = meeting(table, found)
            begin, table = _finite_or(found.free, free)[distinct], table[distinct]
        else:
            begin = _finite_or(found.free, free)
        damping = NEAR
    options = {"max_steps": max_steps, "devices": devices}
    if end_of is not None:
        options["smallest"] = SMALL_BATCH  # one of each table is left: few lanes
    solutions = _through_stages(stack, optimizer, table, begin, damping=damping, **options)
    if end_of is not None:
        # One way down for all that met may end in a dent beside the bottom: another comes from where the dents are not.
        wide = solve_stack(stack.relaxed(_SMOOTH), optimizer, table, solutions.free, damping=NEAR, **options)
        again = _through_stages(stack, optimizer, table, _finite_or(wide.free, begin), damping=NEAR, **options)
        lower = again.value < solutions.value
        pairs = zip(again, solutions, strict=True)
        solutions = Solutions(*(np.where(lower.reshape(-1, *[1] * (b.ndim - 1)), a, b) for a, b in pairs))
    return solutions if end_of is None else solutions.of(end_of)


def _through_stages(
    stack: Stack,
    optimizer: optax.GradientTransformationExtraArgs,
    table: np.ndarray,
    begin: np.ndarray,
    damping: float,
    **options: Any,
) -> Solutions:
    """Where starts end, each stage of the objective taken up where the one before it ended."""
    solutions = solve_stack(stack, optimizer, table, begin, stage=0, damping=damping, **options)
    for stage in range(1, len(stack.stages)):
        begin = _finite_or(solutions.free, begin)
        solutions = solve_stack(stack, optimizer, table, begin, stage=stage, damping=NEAR, **options)
    return solutions


def _finite_or(free: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(free), free, otherwise)


def meeting(table: np.ndarray, found: Solutions) -> tuple[np.ndarray, np.ndarray]:
    """Starts of which no two have met, (distinct,), and with which of these each start goes on, (n_starts,).

    Starts meet where they converge to one point: what follows would be the same for each of them.
    """
    alone = np.where(found.status == CONVERGED, -1, np.arange(len(table)))
    place = np.round(found.free / _SAME_PLACE)
    _, distinct, end_of = np.unique(
        np.column_stack([table, alone, place]), axis=0, return_index=True, return_inverse=True
    )
    return distinct, end_of.reshape(-1)
