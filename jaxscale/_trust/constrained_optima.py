"""Constrained optima of many quantities of many tables: a queue worked off by lanes, in one compiled loop.

A quantity is pulled towards a value until the objective and the pull are lowest together. Written for any smooth
function of the free values, of which a parameter is the simplest.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._base.devices import compile_options, workers
from jaxscale._base.programs import Program, kept
from jaxscale._problem.arrays import ProblemArrays, Task
from jaxscale._problem.evaluate import evaluator
from jaxscale._problem.problem import Problem
from jaxscale._solver.solve import NEAR
from jaxscale._trust.linearization import Linearization
from jaxscale.optim import CONVERGED, RUNNING, Curvature, DampedState, damped_newton, settled

Measure = Callable[[Array, Array], Array]
_QUEUE = 1280  # starts that one call takes
# Of them worked on side by side; all of them where an accelerator does. Profiles of tables of 12 runs take a tenth
# longer with 8 or 32, twice as long with 128.
_ON_CPU = 16
_MOST_STEPS = 300
_NEGLIGIBLE = 1e-13  # relative decrease that counts as none
_NUDGE = 1e-6  # of a free value, for second derivatives of a quantity


def entry(free: Array, row: Array) -> Array:
    """The measure of a parameter: `row` is one where it stands, zero elsewhere."""
    return free @ row


class Constrained(NamedTuple):
    """Constrained optima: free values (k, free), the value of the quantity there, the objective, and by how much that
    rises along the profile for one unit of the quantity, which is the pull."""

    free: np.ndarray
    value: np.ndarray
    objective: np.ndarray
    rate: np.ndarray

    def of(self, which: Any) -> "Constrained":
        """Some of them."""
        return Constrained(*(x[which] for x in self))


class Wanted(NamedTuple):
    """Constrained optima to look for: of which quantities (k,), from where (k, free), near what (k,), pulled how hard
    (k,)."""

    quantity: np.ndarray
    start: np.ndarray
    target: np.ndarray
    stiffness: np.ndarray

    def of(self, which: Any) -> "Wanted":
        """Some of them."""
        return Wanted(*(x[which] for x in self))


Visit = tuple[Wanted, float]  # and the damping to begin with


class Profiled(NamedTuple):
    """A table whose profiles are wanted: its problem, optimum (free,), and the fit there; and what measures each
    quantity, (q, ...)."""

    problem: Problem
    best: np.ndarray
    at: Linearization
    given: np.ndarray


class Engine:
    """Some tables of one size and one measure, with everything padded to one compiled shape, with room for so many."""

    def __init__(self, tables: Sequence[Profiled], measure: Measure, room: int):
        self.profiled, self.run = tables, _compiled(tables[0].problem.task, measure, _lanes())
        whole = [tables[min(k, len(tables) - 1)].problem for k in range(room)]
        self.stages = [
            jax.tree.map(lambda *leaves: np.stack(leaves), *(p.tables(stage) for p in whole))
            for stage in range(len(whole[0].losses))
        ]
        self._lower, self._upper = (np.array([getattr(p, end) for p in whole]) for end in ("lower", "upper"))
        starts = np.concatenate([np.repeat(one.best[None], len(one.given), axis=0) for one in tables])
        table = np.repeat(np.arange(len(tables)), [len(one.given) for one in tables])
        none, given = np.zeros(len(starts)), np.concatenate([one.given for one in tables])
        _, *found = self._run(-1, starts, none, none, given, table, np.full(len(starts), NEAR), 1)
        self._around = [[x[table == k] for x in found] for k in range(len(tables))]

    def around(self, k: int) -> tuple[np.ndarray, np.ndarray, float]:
        """At the optimum of table k: slopes (q, free) and values (q,) of the quantities, and the objective."""
        value, objective, slope = self._around[k]
        return slope, value, float(objective[0])

    def solve(self, asked: Sequence[tuple[int, Visit]]) -> list[Constrained]:
        """What some of the tables ask for."""
        counts = [len(wanted.target) for _, (wanted, _) in asked]
        table = np.repeat([k for k, _ in asked], counts)
        _, starts, targets, stiffness = (np.concatenate(x) for x in zip(*(w for _, (w, _) in asked), strict=True))
        given = np.concatenate([self.profiled[k].given[wanted.quantity] for k, (wanted, _) in asked])
        starts = np.clip(starts, self._lower[table], self._upper[table])
        damping, found = np.repeat([damping for _, (_, damping) in asked], counts), [starts]
        for stage in range(len(self.stages)):
            begin = damping if stage == 0 else np.full(len(starts), NEAR)
            found = self._run(stage, found[0], targets, stiffness, given * 1.0, table, begin, _MOST_STEPS)
        free, value, objective = found[:3]
        whole, last = Constrained(free, value, objective, stiffness * (targets - value)), np.cumsum(counts)
        return [whole.of(slice(end - count, end)) for end, count in zip(last, counts, strict=True)]

    def _run(self, stage: int, *each: Any) -> list[np.ndarray]:
        *starts, steps = each
        out, count = [], len(starts[0])
        for first in range(0, count, _QUEUE):
            rows = np.minimum(np.arange(first, first + _QUEUE), count - 1)
            some = min(_QUEUE, count - first)
            found = self.run(*(np.asarray(x)[rows] for x in starts), self.stages[stage], np.array([some, steps]))
            out.append([np.asarray(a)[:some] for a in found])
        return [np.concatenate(x) for x in zip(*out, strict=True)]


class _Lane(NamedTuple):
    """What each lane works on, where it stands, and the results written so far."""

    start: Array
    own: Any  # its table, target, stiffness, and what measures its quantity
    trial: Array
    solver: DampedState
    value: Array  # of the quantity, and below the objective and the slope of the quantity, all at `solver.point`
    objective: Array
    slope: Array
    steps: Array
    next: Array
    results: tuple[Array, ...]


def _lanes() -> int:
    return _ON_CPU if workers(None)[1][0].platform == "cpu" else _QUEUE


@kept
def _compiled(task: Task, measure: Measure, lanes: int):
    """Damped Newton in every lane on the objective plus a quadratic pull of a quantity towards a value."""
    evaluate = evaluator(task, exact=True)
    optimizer = damped_newton()
    value_and_slope = jax.value_and_grad(measure)

    def with_slopes(x: Array, given: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian of the quantity, the last by differences, since it only steers Newton's step and
        derivatives of an optimum inside an optimum take long to compile."""
        if measure is entry:
            return *value_and_slope(x, given), jnp.zeros((len(x), len(x)))
        steps = jnp.concatenate([jnp.zeros((1, len(x))), _NUDGE * jnp.eye(len(x))])
        value, slope = jax.vmap(value_and_slope, (0, None))(x + steps, given)
        bend = (slope[1:] - slope[0]) / _NUDGE
        return value[0], slope[0], jnp.where(jnp.isfinite(bend), (bend + bend.T) / 2, 0.0)

    def run(starts, targets, stiffness, given, table, damping, tables: ProblemArrays, counts) -> Any:
        """A queue of starts, worked off by lanes that take the next one when they are done."""
        count, most = counts

        def begin(which: Array) -> tuple[Array, Any, DampedState]:
            """Where a lane begins, and what it has of its own."""
            which = jnp.minimum(which, len(starts) - 1)
            own = jax.tree.map(lambda x: x[table[which]], tables), targets[which], stiffness[which], given[which]
            solver = jax.vmap(optimizer.init)(starts[which])
            return starts[which], own, solver._replace(damping=damping[which])

        def pick(here: Array, new: Any, old: Any) -> Any:
            def one(a: Array, b: Array) -> Array:
                return jnp.where(here.reshape((-1,) + (1,) * (a.ndim - 1)), a, b)

            return jax.tree.map(one, new, old)

        def step(s: _Lane) -> _Lane:
            mine, target, stiff, quantity = s.own
            now = evaluate(s.trial, mine, s.solver.outer_share)
            value, slope, bend = jax.vmap(with_slopes)(s.trial, quantity)
            off = value - target
            square = stiff[:, None, None] * slope[:, :, None] * slope[:, None, :]
            assert now.curvature is not None  # second order is the default
            bent = (stiff * off)[:, None, None] * bend
            curvature = Curvature(now.curvature.gauss_newton + square, now.curvature.exact + square + bent)
            gradient = now.gradient + (stiff * off)[:, None] * slope
            height = now.value + 0.5 * stiff * off**2

            def one(gradient, solver, trial, height, curvature, lower, upper):
                updates, solver = optimizer.update(
                    gradient, solver, trial, value=height, curvature=curvature, lower=lower, upper=upper
                )
                return jnp.clip(trial + updates, lower, upper), solver

            trial, solver = jax.vmap(one)(gradient, s.solver, s.trial, height, curvature, mine.lower, mine.upper)
            # What promises nothing more is left where it was looked at, with value and objective that belong together.
            promised = (solver.predicted <= _NEGLIGIBLE * jnp.abs(solver.value)) & (solver.damping < 1.0)
            status = jnp.where((solver.status == RUNNING) & promised, CONVERGED, solver.status)
            taken = jnp.all(solver.point == s.trial, axis=1)
            at_point = pick(taken, (value, now.value, slope), (s.value, s.objective, s.slope))
            done = (s.start < count) & ((status != RUNNING) | (s.steps + 1 >= most))
            ended = settled(status) | (most == 1)
            sound = jnp.isfinite(at_point[0]) & jnp.isfinite(at_point[1]) & ended
            found = solver.point, at_point[0], jnp.where(sound, at_point[1], jnp.inf), at_point[2]
            row = jnp.where(done, s.start, len(starts) + first)  # of the others beyond the end: nothing is written
            results = tuple(
                out.at[row].set(x, mode="drop", unique_indices=True) for out, x in zip(s.results, found, strict=True)
            )

            start = jnp.where(done, s.next + jnp.cumsum(done) - 1, s.start)
            following = start, s.own, trial, solver, *at_point, s.steps + 1

            def refilled(following: Any) -> Any:
                fresh, own, clean = begin(start)
                nothing = jnp.full(lanes, jnp.nan)
                new = start, own, fresh, clean, nothing, nothing, jnp.full_like(fresh, jnp.nan), jnp.zeros_like(s.steps)
                return pick(done, new, following)

            following = lax.cond(jnp.any(done), refilled, lambda x: x, following)
            return _Lane(*following, next=s.next + jnp.sum(done), results=results)

        first = jnp.arange(lanes)
        trial, own, solver = begin(first)
        nothing = jnp.full(lanes, jnp.nan)
        results = tuple(jnp.full((len(starts), *n), jnp.nan) for n in (starts.shape[1:], (), (), starts.shape[1:]))
        lane = _Lane(
            start=first,
            own=own,
            trial=trial,
            solver=solver,
            value=nothing,
            objective=nothing,
            slope=jnp.full_like(trial, jnp.nan),
            steps=jnp.zeros(lanes, jnp.int32),
            next=jnp.asarray(lanes),
            results=results,
        )
        last = lax.while_loop(lambda s: jnp.any(s.start < count), step, lane)
        return last.results

    return Program(run, compile_options())
