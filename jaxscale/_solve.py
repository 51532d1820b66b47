"""Many minimisations at once: a queue of starts worked off by a fixed number of lanes, inside one compiled loop.

A lane that finishes writes its result and takes the next start in the same iteration, so nobody waits for the slowest.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from jaxscale._objective import Layout, Loss, Points, Space, evaluator, value_of
from jaxscale.laws import Law
from jaxscale.optim import CONVERGED, NOT_FINITE, RUNNING, STEP_LIMIT, DampedState

# A lane's working set must stay in the second-level cache of a core: about this many points over all lanes (perf: 64
# x 240).
_POINTS_IN_FLIGHT = 64 * 256
SMALL_BATCH = 1024  # batches up to this size share one compiled shape
FEW_LANES = 16
FAR, NEAR = 10.0, 1e-5  # damping to begin with, relative to the curvature: for starts of a grid, and beside an optimum
_PATIENCE = 20  # steps without progress after which an optimizer that has no stopping rule of its own is stopped
_NO_PROGRESS = 1e-13


class Problems(NamedTuple):
    """What a batch of starts is fitted to.

    `points` and `pinned` are one table's, or have a leading axis of tables; `weights`, if given, has a leading axis of
    alternative weights and replaces those of `points`. `table` and `weighting` say which each start uses, (n_starts,).
    """

    points: Any
    pinned: Any
    weights: Any
    table: Any
    weighting: Any
    loss: Any
    lower: Any
    upper: Any


class Solutions(NamedTuple):
    """What each start reached: free values (n_starts, free), objective, status code of `jaxscale.optim`, steps."""

    free: np.ndarray
    value: np.ndarray
    status: np.ndarray
    steps: np.ndarray


class Task(NamedTuple):
    """The static part of a solve: everything that decides which program is compiled."""

    law: Law
    layout: Layout
    space: Space


def lanes_for(rows: int, starts: int) -> int:
    """Lanes that keep a core busy and its cache sufficient, for tables of that many (padded) rows.

    Few starts get few lanes: every iteration costs as much as all lanes do, and the last starts would leave most idle.
    """
    most = FEW_LANES if starts <= SMALL_BATCH else 64
    return int(np.clip(_POINTS_IN_FLIGHT // max(rows, 1), 2, most))


def solve(
    task: Task,
    optimizer: optax.GradientTransformationExtraArgs,
    starts: np.ndarray,
    problems: Problems,
    *,
    max_steps: int = 300,
    damping: float = FAR,
    devices: Sequence[Any] | None = None,
) -> Solutions:
    """Minimise from every start, shape (n_starts, free); call under float64. Nothing here raises for a start that
    fails.

    `damping` is what a damped solver begins with: `FAR` from the optimum, or `NEAR` it. Other optimizers ignore it.
    The starts are dealt out to `devices` (all of this process by default), each of which works off a queue of its own.
    """
    devices = tuple(jax.local_devices() if devices is None else devices)
    rows = problems.points.response.shape[-1]
    run = _compiled(task, optimizer, lanes_for(rows, len(starts)), max_steps, devices)
    dealt, problems, place, counts = _deal(np.asarray(starts), problems, len(devices))
    with jax.default_device(devices[0]):
        found = run(dealt, counts, problems, np.float64(damping))
    return Solutions(*(np.asarray(x)[place] for x in found))


def _deal(starts: np.ndarray, problems: Problems, hands: int):
    """Starts padded to a bucket and dealt out like cards, so that no device gets all the hard ones.

    Returns the starts in dealt order, the problems with `table` and `weighting` in the same order, where each start is
    found again, and how many each device has. The counts are data: another number of starts compiles nothing.
    """
    count = len(starts)
    smallest = 1 << max(4, (SMALL_BATCH // hands).bit_length() - 1)
    size = hands * bucket(-(-count // hands), smallest)
    dealt = np.arange(size).reshape(-1, hands).T.ravel()  # position in a hand -> start
    place = np.empty(size, np.int64)
    place[dealt] = np.arange(size)
    source = np.minimum(dealt, count - 1)
    if problems.weights is not None and len(problems.weights) < size:
        extra = np.zeros((size - len(problems.weights), problems.weights.shape[1]))
        problems = problems._replace(weights=np.concatenate([np.asarray(problems.weights), extra]))
    problems = problems._replace(
        table=np.asarray(problems.table)[source], weighting=np.asarray(problems.weighting)[source]
    )
    counts = np.array([len(range(k, count, hands)) for k in range(hands)])
    return starts[source], problems, place[:count], counts


def bucket(count: int, smallest: int = 16) -> int:
    """The next size in 16, 24, 32, 48, 64, 96, ...: few distinct shapes, at most half wasted."""
    size = smallest
    while size < count:
        size = size * 3 // 2 if (size & (size - 1)) == 0 else size * 4 // 3
    return size


def compile_options(platform: str | None = None) -> dict[str, Any] | None:
    """XLA options that only CPUs know: wide vectors, and no threads inside the small batched products."""
    if (platform or jax.default_backend()) != "cpu":
        return None
    return {"xla_cpu_prefer_vector_width": 512, "xla_cpu_multi_thread_eigen": False}


@lru_cache(maxsize=256)
def _compiled(task: Task, optimizer, lanes: int, max_steps: int, devices: tuple[Any, ...]):
    def run(starts: Array, counts: Array, problems: Problems, damping: Array):
        return _work_off(task, optimizer, starts, counts[0], problems, damping, lanes, max_steps)

    options = compile_options(devices[0].platform)
    if len(devices) > 1:
        split, whole = PartitionSpec("starts"), PartitionSpec()
        specs = Problems(whole, whole, whole, split, split, whole, whole, whole)
        mesh = Mesh(np.array(devices), ("starts",))
        sharded = jax.shard_map(run, mesh=mesh, in_specs=(split, split, specs, whole), out_specs=split, check_vma=False)
        return jax.jit(sharded, compiler_options=options)
    return jax.jit(run, compiler_options=options)


class _Lanes(NamedTuple):
    """State of the lanes, and the results written so far (one extra row takes what idle lanes write)."""

    start: Array  # which start each lane works on
    trial: Array
    optimizer: Any
    best: Array
    value: Array
    idle: Array  # steps since the last progress
    steps: Array
    next: Array
    done: Array
    results: tuple[Array, ...]


def _work_off(task, optimizer, starts, count, problems, damping, lanes, max_steps):
    size, free = starts.shape
    dtype = starts.dtype
    probe = jax.eval_shape(optimizer.init, starts[0])
    second_order = isinstance(probe, DampedState)
    evaluate = evaluator(task.law, task.layout, task.space, exact=True, second_order=second_order)
    value = value_of(task.law, task.layout, task.space)
    per_table = problems.points.response.ndim == 2

    def begin(x: Array) -> Any:
        state = optimizer.init(x)
        return state._replace(damping=damping.astype(dtype)) if second_order else state

    def problem_of(start: Array) -> tuple[Points, Array]:
        """The table, and pinned values, of each start; what all share stays without a lane axis."""
        points, pinned = problems.points, problems.pinned
        if per_table:
            points, pinned = jax.tree.map(lambda x: x[problems.table[start]], (points, pinned))
        if problems.weights is not None:
            points = points._replace(weights=problems.weights[problems.weighting[start]])
        return points, pinned

    def advance(evaluation, state, trial, points, pinned, start):
        """One step of the optimizer in every lane."""

        def one(grad, state, trial, value_here, curvature, points, pinned):
            more = {"curvature": curvature, "lower": problems.lower, "upper": problems.upper} if second_order else {}
            updates, state = optimizer.update(
                grad,
                state,
                trial,
                value=value_here,
                grad=grad,
                value_fn=lambda x: value(x, pinned, points, problems.loss),
                **more,
            )
            return jnp.clip(optax.apply_updates(trial, updates), problems.lower, problems.upper), state

        table_axis = 0 if per_table else None
        weights_axis = 0 if points.weights.ndim == 2 else None
        points_axes = Points(tuple(table_axis for _ in points.logs), table_axis, weights_axis)
        axes = (0, 0, 0, 0, 0, points_axes, table_axis)
        return jax.vmap(one, axes)(
            evaluation.gradient, state, trial, evaluation.value, evaluation.curvature, points, pinned
        )

    def step(s: _Lanes) -> _Lanes:
        active = s.start < count
        points, pinned = problem_of(jnp.minimum(s.start, size - 1))
        outer_share = s.optimizer.outer_share if second_order else None
        now = evaluate(s.trial, pinned, points, problems.loss, outer_share)
        trial, state = advance(now, s.optimizer, s.trial, points, pinned, s.start)

        idle = jnp.where(s.value - now.value > _NO_PROGRESS * jnp.abs(now.value), 0, s.idle + 1)
        if second_order:
            best, lowest, status = state.point, state.value, state.status
        else:
            better = now.value < s.value
            best = jnp.where(better[:, None], s.trial, s.best)
            lowest = jnp.where(better, now.value, s.value)
            status = jnp.where(idle >= _PATIENCE, CONVERGED, RUNNING)
            status = jnp.where((s.steps == 0) & ~jnp.isfinite(now.value), NOT_FINITE, status)
        status = jnp.where((status == RUNNING) & (s.steps + 1 >= max_steps), STEP_LIMIT, status)

        finished = active & (status != RUNNING)
        row = jnp.where(finished, s.start, size)
        results = tuple(
            out.at[row].set(x) for out, x in zip(s.results, (best, lowest, status, s.steps + 1), strict=True)
        )

        # Lanes that finished take the next starts of the queue.
        following = jnp.where(finished, s.next + jnp.cumsum(finished) - 1, s.start)
        fresh = starts[jnp.minimum(following, size - 1)]
        trial = jnp.where(finished[:, None], fresh, trial)
        state = jax.tree.map(
            lambda new, old: jnp.where(finished.reshape((-1,) + (1,) * (old.ndim - 1)), new, old),
            jax.vmap(begin)(fresh),
            state,
        )
        count_finished = jnp.sum(finished)
        return _Lanes(
            start=following,
            trial=trial,
            optimizer=state,
            best=best,
            value=jnp.where(finished, jnp.inf, lowest),
            idle=jnp.where(finished, 0, idle),
            steps=jnp.where(finished, 0, s.steps + 1),
            next=s.next + count_finished,
            done=s.done + count_finished,
            results=results,
        )

    first = jnp.arange(lanes)
    trial = starts[jnp.minimum(first, size - 1)]
    zero = jnp.zeros(lanes, jnp.int32)
    state = _Lanes(
        start=first,
        trial=trial,
        optimizer=jax.vmap(begin)(trial),
        best=trial,
        value=jnp.full(lanes, jnp.inf, dtype),
        idle=zero,
        steps=zero,
        next=jnp.asarray(lanes),
        done=jnp.asarray(0),
        results=(
            jnp.full((size + 1, free), jnp.nan, dtype),
            jnp.full(size + 1, jnp.inf, dtype),
            jnp.full(size + 1, RUNNING, jnp.int32),
            jnp.zeros(size + 1, jnp.int32),
        ),
    )
    state = lax.while_loop(lambda s: s.done < count, step, state)
    return tuple(x[:size] for x in state.results)


@cache
def _compiled_values(task: Task):
    value = value_of(task.law, task.layout, task.space)

    def run(starts, pinned, points, loss):
        return lax.map(lambda x: value(x, pinned, points, loss), starts, batch_size=64)

    return jax.jit(run, compiler_options=compile_options())


def values_at(task: Task, starts: np.ndarray, pinned: np.ndarray, points: Points, loss: Loss) -> np.ndarray:
    """Objective of one table at every start, (n_starts,): the cheap look that decides which starts are worth
    finishing."""
    extra = bucket(len(starts), SMALL_BATCH) - len(starts)
    padded = np.concatenate([starts, np.repeat(starts[-1:], extra, axis=0)])
    return np.asarray(_compiled_values(task)(padded, pinned, points, loss))[: len(starts)]
