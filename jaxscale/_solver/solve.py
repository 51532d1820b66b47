"""Many minimisations at once: a queue of starts worked off by a fixed number of lanes, inside one compiled loop.

A lane that finishes writes its result and takes the next start in the same iteration, so nobody waits for the slowest.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.lax import optimization_barrier
from jax.sharding import Mesh, PartitionSpec

from jaxscale._base.devices import compile_options, workers
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64
from jaxscale._problem.arrays import SMALL_BATCH, Overrides, ProblemArrays, Problems, Solutions, Task
from jaxscale._problem.evaluate import evaluator, value_of
from jaxscale.laws._operations import wide
from jaxscale.optim import CONVERGED, NOT_FINITE, RUNNING, STEP_LIMIT, DampedState

# Lanes share what an iteration costs whatever their number, but the last starts leave most of them idle, and their
# working set must stay in the second-level cache of a core: about this many points over all lanes. Measured on fits of
# 300 tables, their draws, 4,500 starts of one table and fits of 2,000 runs: 64 lanes of 256 take 1.2 to 1.9 times as
# long. Of few starts half as many points: a default fit of 245 runs takes a quarter longer with all of them.
_POINTS_IN_FLIGHT, _MOST_LANES = 16 * 256, 32
FEW_LANES = 16
# An accelerator takes as long for a few lanes as for many: as many as fill it, of points that its memory bears with
# some hundred numbers each.
_LANES_ON_ACCELERATOR, _POINTS_ON_ACCELERATOR = 4096, 1 << 24
# Damping to begin with, relative to the curvature: for starts of a grid, near an optimum, at one but for rounding, and
# where a law bent beside the fit has it (both so small that the first step is Newton's, see `DampedState.outer_share`).
FAR, NEAR, AT, FORETOLD = 10.0, 1e-5, 1e-8, 1e-9
_PATIENCE = 20  # steps without progress after which an optimizer that has no stopping rule of its own is stopped
_NO_PROGRESS = 1e-13


def lanes_for(rows: int, starts: int, platform: str = "cpu") -> int:
    """Lanes that keep a core busy and its cache sufficient, for tables of that many (padded) rows.

    Few starts get few lanes: every iteration costs as much as all lanes do, and the last starts would leave most idle.
    On an accelerator thousands of starts have lanes of their own.
    """
    if platform != "cpu":
        return int(np.clip(_POINTS_ON_ACCELERATOR // max(rows, 1), FEW_LANES, min(starts, _LANES_ON_ACCELERATOR)))
    most, points = (FEW_LANES, _POINTS_IN_FLIGHT // 2) if starts <= SMALL_BATCH else (_MOST_LANES, _POINTS_IN_FLIGHT)
    return int(np.clip(points // max(rows, 1), 2, most))


def solve(
    task: Task,
    optimizer: optax.GradientTransformationExtraArgs,
    starts: np.ndarray,
    problems: Problems,
    *,
    max_steps: int = 300,
    damping: float | np.ndarray = FAR,
    devices: Sequence[Any] | None = None,
    smallest: int = SMALL_BATCH,
) -> Solutions:
    """Minimise from every start, shape (n_starts, free); call under float64. Nothing here raises for a start that
    fails.

    `damping` is what a damped solver begins with, one number or one for each start: `FAR` from the optimum, `NEAR` it,
    `AT` it or where it is `FORETOLD`. Other optimizers ignore it. The starts are dealt out to `devices` (all of this
    process, or every core, by default), each of which works off a queue of its own. Batches of up to `smallest` starts
    share one compiled shape.
    """
    worker_count, devices = workers(devices)
    of_each = problems.tables.points.response if problems.own.places is None else problems.own.places
    rows = of_each.shape[-1]
    begun = np.asarray(starts), np.broadcast_to(np.float64(damping), len(starts))
    (shuffled, dampings), problems, place, counts = _shuffle(begun, problems, worker_count, smallest)
    lanes = lanes_for(rows, len(shuffled) // len(devices), devices[0].platform)
    run = _compiled(task, optimizer, lanes, max_steps, devices)
    if worker_count == len(devices):
        with jax.default_device(devices[0]):
            found = run(shuffled, counts, problems, dampings)
    else:
        found = _in_threads(run, worker_count, devices[0], shuffled, counts, problems, dampings)
    return Solutions(*(np.asarray(x)[place] for x in found))


def _in_threads(
    program: Program,
    worker_count: int,
    device: Any,
    starts: np.ndarray,
    counts: np.ndarray,
    problems: Problems,
    dampings: np.ndarray,
):
    """The program for each worker in a thread of its own."""
    each = len(starts) // worker_count

    def one(k: int) -> tuple[np.ndarray, ...]:
        mine = slice(k * each, (k + 1) * each)
        part = Problems(problems.tables, problems.own.rows(mine), problems.table[mine])
        with in_float64(), jax.default_device(device):  # settings of each thread
            return tuple(np.asarray(x) for x in program(starts[mine], counts[k : k + 1], part, dampings[mine]))

    shapes = tuple((np.shape(x), np.asarray(x).dtype) for x in jax.tree.leaves(problems))
    parts = program.in_threads(one, worker_count, worker_count, (each, shapes))
    return tuple(np.concatenate(x) for x in zip(*parts, strict=True))


def _shuffle(begun: tuple[np.ndarray, np.ndarray], problems: Problems, worker_count: int, smallest: int):
    """Starts and their damping padded to a bucket and shuffled among the workers, so that none gets all the hard ones.

    Returns both in shuffled order, the problems in the same order, where each start is found again, and how many
    each worker has. The counts are data: another number of starts compiles nothing.
    """
    count = len(begun[0])
    each = 1 << max(4, (smallest // worker_count).bit_length() - 1)
    while each * worker_count < count:
        each *= 4
    size = worker_count * each
    shuffled = np.arange(size).reshape(-1, worker_count).T.ravel()  # position in a worker's queue -> start
    place = np.empty(size, np.int64)
    place[shuffled] = np.arange(size)
    source = np.minimum(shuffled, count - 1)
    own = problems.own.spread(place[:count], size)
    problems = Problems(problems.tables, own, np.asarray(problems.table)[source])
    counts = np.array([len(range(k, count, worker_count)) for k in range(worker_count)])
    return tuple(x[source] for x in begun), problems, place[:count], counts


@kept
def _compiled(task: Task, optimizer, lanes: int, max_steps: int, devices: tuple[Any, ...]) -> Program:
    def run(starts: Array, counts: Array, problems: Problems, dampings: Array):
        return _work_off(task, optimizer, starts, counts[0], problems, dampings, lanes, max_steps)

    options = compile_options(devices[0].platform, wide(task.law))
    if len(devices) > 1:
        split, whole = PartitionSpec("starts"), PartitionSpec()
        specs: Any = (whole, split, split)  # of problems
        mesh = Mesh(np.array(devices), ("starts",))
        sharded = jax.shard_map(
            run, mesh=mesh, in_specs=(split, split, Problems(*specs), split), out_specs=split, check_vma=False
        )
        return Program(sharded, options, stored=False)
    return Program(run, options)


class _Lanes(NamedTuple):
    """State of the lanes, and the results written so far."""

    start: Array  # which start each lane works on
    owned: list[Array]  # tables of the lanes' own, if tables differ, and what else they have for themselves
    trial: Array
    optimizer: Any
    best: Array
    value: Array
    idle: Array  # steps since the last progress
    steps: Array
    next: Array
    done: Array
    results: Array  # a row for each start: where it ended, the objective, status and steps


def _work_off(task, optimizer, starts, count, problems, dampings, lanes, max_steps):
    size, free = starts.shape
    dtype = starts.dtype
    probe = jax.eval_shape(optimizer.init, starts[0])
    second_order = isinstance(probe, DampedState)
    evaluate = evaluator(task, exact=True, second_order=second_order)
    value = value_of(task)
    many = problems.tables.points.response.ndim == 2
    some = problems.own.places is not None  # of the runs of a table, each start those it takes
    apart = many or some
    queued = lanes != size  # else each lane has one start and takes no other

    def begin(start: Array) -> tuple[Array, Any]:
        """Where a start begins, and the state of its optimizer."""
        x = starts[start]
        state = optimizer.init(x)
        return x, state._replace(damping=dampings[start].astype(dtype)) if second_order else state

    # What a lane has of its own is copied to it when it takes a start. Gathered anew in every step it would cost as
    # much as the law itself, since XLA on CPU fuses a gather into its use, one number at a time.
    def own(start: Array) -> tuple[Any, Overrides]:
        """What a start has for itself."""
        table = jax.tree.map(lambda x: x[problems.table[start]], problems.tables) if many else problems.tables
        mine = problems.own.rows(start)
        if some:
            table = table._replace(points=table.points.at(mine.places))
        mine = mine._replace(places=None)
        return (mine.within(table), Overrides()) if apart else (None, mine)

    put_together, taken_apart = _by_shape(jax.eval_shape(own, 0))

    def tables_of(owned: Any) -> ProblemArrays:
        """The table of each lane; what all share stays without a lane axis."""
        owned = taken_apart(owned)
        return owned[1].within(owned[0] if apart else problems.tables)

    def advance(evaluation, state, trial, tables):
        """One step of the optimizer in every lane."""

        def one(grad, state, trial, value_here, curvature, table):
            bounds = {"lower": table.lower, "upper": table.upper}
            updates, state = optimizer.update(
                grad,
                state,
                trial,
                value=value_here,
                grad=grad,
                value_fn=lambda x: value(x, table),
                **({"curvature": curvature, **bounds} if second_order else {}),
            )
            return jnp.clip(optax.apply_updates(trial, updates), *bounds.values()), state

        axes = jax.tree.map(lambda x, shared: 0 if apart or x.ndim > shared.ndim else None, tables, problems.tables)
        return jax.vmap(one, (0, 0, 0, 0, 0, axes))(
            evaluation.gradient, state, trial, evaluation.value, evaluation.curvature, tables
        )

    def step(s: _Lanes) -> _Lanes:
        active = s.start < count
        tables = tables_of(s.owned)
        outer_share = s.optimizer.outer_share if second_order else None
        now = evaluate(s.trial, tables, outer_share)
        trial, state = advance(now, s.optimizer, s.trial, tables)
        # All that is read of a lane's own has been read: it can be written over where it lies.
        owned, trial = optimization_barrier((s.owned, trial))
        s = s._replace(owned=owned)

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
        found = jnp.column_stack([best, lowest, status.astype(dtype), (s.steps + 1).astype(dtype)])
        after = s._replace(trial=trial, optimizer=state, best=best, value=lowest, idle=idle, steps=s.steps + 1)
        after = after._replace(done=s.done + jnp.sum(finished))
        if queued:
            return queue_on(after, finished, found)
        return after._replace(start=jnp.where(finished, size, s.start), results=chosen(finished, found, s.results))

    def queue_on(s: _Lanes, finished: Array, found: Array) -> _Lanes:
        """Lanes that finished write what they found, and take the next starts of the queue."""
        count_so_far = jnp.cumsum(finished)
        following = jnp.where(finished, s.next + count_so_far - 1, s.start)
        lane_of = jnp.sum(count_so_far <= first[:, None], axis=1)  # of the k-th that finished

        def one(k: Array, carried: tuple[list[Array], Array]) -> tuple[list[Array], Array]:
            (owned, results), lane = carried, lane_of[k]
            fresh = put_together(own(jnp.minimum(following[lane], size - 1)))
            owned = [lax.dynamic_update_index_in_dim(old, new, lane, 1) for old, new in zip(owned, fresh, strict=True)]
            return owned, lax.dynamic_update_index_in_dim(results, found[lane], s.start[lane], 0)

        owned, results = lax.fori_loop(0, jnp.sum(finished), one, (s.owned, s.results))
        fresh, state = jax.vmap(begin)(jnp.minimum(following, size - 1))
        return s._replace(
            start=following,
            owned=owned,
            trial=jnp.where(finished[:, None], fresh, s.trial),
            optimizer=chosen(finished, state, s.optimizer),
            value=jnp.where(finished, jnp.inf, s.value),
            idle=jnp.where(finished, 0, s.idle),
            steps=jnp.where(finished, 0, s.steps),
            next=s.next + jnp.sum(finished),
            results=results,
        )

    def chosen(here: Array, new: Any, old: Any) -> Any:
        """`new` in the lanes that are `here`, `old` in the others."""
        return jax.tree.map(lambda a, b: jnp.where(here.reshape((-1,) + (1,) * (b.ndim - 1)), a, b), new, old)

    first = jnp.arange(lanes)
    trial, state = jax.vmap(begin)(jnp.minimum(first, size - 1))
    zero = jnp.zeros(lanes, jnp.int32)
    waiting = _Lanes(
        start=first,
        owned=jax.vmap(lambda start: put_together(own(start)), out_axes=1)(jnp.minimum(first, size - 1)),
        trial=trial,
        optimizer=state,
        best=trial,
        value=jnp.full(lanes, jnp.inf, dtype),
        idle=zero,
        steps=zero,
        next=jnp.asarray(lanes),
        done=jnp.asarray(0),
        results=jnp.tile(jnp.array([*[jnp.nan] * free, jnp.inf, RUNNING, 0], dtype), (size, 1)),
    )
    found = lax.while_loop(lambda s: s.done < count, step, waiting).results
    return found[:, :free], found[:, free], *(found[:, k].astype(jnp.int32) for k in (free + 1, free + 2))


def _by_shape(tree: Any) -> tuple[Callable[[Any], list[Array]], Callable[[list[Array]], Any]]:
    """Two functions for trees like this one: its arrays of one shape and type put together, as few arrays, and a tree
    of arrays with a lane axis taken apart again from arrays (alike, lanes, ...)."""
    leaves, whole = jax.tree.flatten(tree)
    kinds: dict[Any, list[int]] = {}
    for k, leaf in enumerate(leaves):
        kinds.setdefault((leaf.shape, leaf.dtype), []).append(k)

    def put_together(tree: Any) -> list[Array]:
        leaves = jax.tree.leaves(tree)
        return [jnp.stack([leaves[k] for k in alike]) for alike in kinds.values()]

    def taken_apart(arrays: list[Array]) -> Any:
        pairs = zip(kinds.values(), arrays, strict=True)
        found = {k: array[i] for alike, array in pairs for i, k in enumerate(alike)}
        return jax.tree.unflatten(whole, [found[k] for k in range(len(leaves))])

    return put_together, taken_apart
