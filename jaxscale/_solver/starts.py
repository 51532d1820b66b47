"""Where a fit starts: a law's published grid, points given, or points of the grid and of the data, screened."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._base.devices import compile_options
from jaxscale._base.errors import InputError
from jaxscale._problem.arrays import Tables, Task
from jaxscale._problem.evaluate import value_of
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import Stack
from jaxscale._problem.units import safe_log, unit_shift
from jaxscale.laws import Law, Parameter
from jaxscale.laws._operations import wide
from jaxscale.optim import solve_positive

LIKENESS_ROWS = 64  # runs that are enough to rank starts by, and to take first steps on
_DRAWN = (16, 32, 64, 256, 1024, 4096)  # points drawn, by how many parameters cannot be solved for
_EXPONENTS = (0.02, 3.0)  # where the exponent of a scaling law is looked for
_WIDEST_LOGIT = 4.0  # shares are looked for between 2 % and 98 %
_DECADES_AROUND_DATA = 3.0  # how far beyond the data the scale of a variable is looked for
_LEAST_SHARE = 1e-3  # a positive parameter that is solved for keeps at least this share of the response


def published_grid(problem: Problem) -> np.ndarray:
    """Free values (n, free) of the law's published grid, in the units of the table.

    Raises:
        InputError: the law has none.
    """
    law = problem.law
    if not all(p.grid for p in law.parameters):
        raise InputError(f"law {law.name!r} has no published grid of starts; use starts='auto' or a number")
    grid = np.array(list(itertools.product(*(p.grid for p in law.parameters))), np.float64)
    free = np.clip(problem.reduce(grid + unit_shift(problem, grid)), problem.lower, problem.upper)
    return free if problem.layout.free == len(law.parameters) else np.unique(free, axis=0)


def given_points(problem: Problem, starts: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Free values (n, free) of mappings of natural values, moved into their bounds; pinned parameters may be left out.

    Raises:
        InputError: there is no start, or one lacks a parameter.
    """
    pinned = {
        p.name: p.to_natural(t) for p, t in zip(problem.law.parameters, problem.pinned, strict=True) if np.isfinite(t)
    }
    if not len(starts):
        raise InputError("starts is empty; give at least one mapping of parameter values, or 'auto'")
    free = problem.reduce(np.array([problem.law.theta({**pinned, **start}) for start in starts]))
    return np.clip(free, problem.lower, problem.upper)


class Pool(NamedTuple):
    """Screened starts of every table of a stack, most promising first but for every fourth, which is there by chance.

    free (tables, n, free); usable (tables, n): the objective there is finite.
    """

    free: np.ndarray
    usable: np.ndarray


def drawn(stack: Stack, few: Stack, seed: int, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """At least `least` starts of each table, (tables, n, free), and the objective on some of its runs (`few`, a
    likeness), (tables, n). The k-th start of every table has the same exponents.

    Parameters in which the response is linear are solved for by least squares (variable projection, Golub & Pereyra
    1973), which does better than any grid of them. The others take every combination of the law's published grid,
    where it has one, and are drawn as exponents or as scales of the data, so that starts fit the units.
    """
    task, law = stack.first.task, stack.first.law
    linear = _linear(task, _lengths(stack.first))
    slots = task.layout.slots
    varied = [k for k, slot in enumerate(slots) if slot >= 0 and slots.index(slot) == k and k not in linear]
    grid = _grid_over(law, varied)
    count = _DRAWN[min(len(varied), len(_DRAWN) - 1)]
    while count < max(least, 2 * len(grid)):
        count *= 4
    pattern = _pattern(law, count - len(grid), seed)
    theta = _candidates(few, grid, pattern)
    if stack.many:
        room = np.minimum(np.arange(len(few.stages[0].pinned)), len(stack) - 1)
        found = _screener(task, linear, True)(theta[room], few.stages[0])
        free, value = (np.asarray(x)[: len(stack)] for x in found)
    else:
        free, value = (np.asarray(x)[None] for x in _screener(task, linear, False)(theta[0], few.stages[0]))
    return free, value


def screened(stack: Stack, few: Stack, seed: int, least: int = 0) -> Pool:
    """The points of `drawn`, ordered by the objective on some of the runs of each table."""
    free, value = drawn(stack, few, seed, least)
    count = free.shape[1]
    value = np.where(np.isfinite(value), value, np.inf)
    order = np.argsort(value, axis=1, kind="stable")[:, _ranks(count, seed)]
    usable = np.isfinite(np.take_along_axis(value, order, axis=1))
    # What is not usable goes last, so that a batch of the first ones is not empty for want of luck.
    order = np.take_along_axis(order, np.argsort(~usable, axis=1, kind="stable"), axis=1)
    return Pool(np.take_along_axis(free, order[:, :, None], axis=1), np.sort(usable, axis=1)[:, ::-1])


@lru_cache
def _ranks(count: int, seed: int) -> np.ndarray:
    """Ranks in the order in which they are tried: the lowest objective first, every fourth drawn from the rest."""
    by_chance = iter(np.random.default_rng(seed).permutation(count).tolist())
    by_rank, taken, order = iter(range(count)), set(), []
    while len(order) < count:
        queue = by_chance if len(order) % 4 == 3 else by_rank
        rank = next(r for r in itertools.chain(queue, range(count)) if r not in taken)
        taken.add(rank)
        order.append(rank)
    return np.array(order)


def _grid_over(law: Law, varied: Sequence[int]) -> np.ndarray:
    """Theta (n, n_parameters) of the law's published grid with one value for every other parameter; n = 0 where the
    law has none."""
    if not all(p.grid for p in law.parameters):
        return np.empty((0, len(law.parameters)))
    return np.array(
        list(itertools.product(*(p.grid if k in varied else p.grid[:1] for k, p in enumerate(law.parameters))))
    )


# --- drawing ---


class _Pattern(NamedTuple):
    """The random part of drawn points, the same for every table: all (n, n_parameters)."""

    place: np.ndarray  # where in its range a value lies, 0 to 1
    exponent: np.ndarray  # whether it is an exponent, or a scale
    scale_of: np.ndarray  # of which variable
    sign: np.ndarray


def _pattern(law: Law, count: int, seed: int) -> _Pattern:
    """Places are spread evenly over all parameters at once (the additive recurrence of Roberts 2018)."""
    p = len(law.parameters)
    golden = 1.5  # the positive root of x^(p + 1) = x + 1
    for _ in range(64):
        golden = (1 + golden) ** (1 / (p + 1))
    rng = np.random.default_rng(seed)
    steps = golden ** -np.arange(1.0, p + 1)
    place = (rng.random(p) + np.arange(count)[:, None] * steps) % 1.0
    known = np.array([bool(q.grid) for q in law.parameters])  # exponents, where the law comes with a grid
    return _Pattern(
        place,
        known | (rng.random((count, p)) < 0.7),
        rng.integers(len(law.variables), size=(count, p)),
        np.where(known | (rng.random((count, p)) < 0.75), 1.0, -1.0),
    )


def _candidates(stack: Stack, grid: np.ndarray, pattern: _Pattern) -> np.ndarray:
    """Theta (tables, n, n_parameters) of a grid and of a pattern, in units of the table, with its pins and ties."""
    law, slots = stack.first.law, stack.first.layout.slots
    theta = _from_data(stack, pattern)
    theta = np.concatenate([np.broadcast_to(grid, (len(stack), *grid.shape)), theta], axis=1)
    known = np.array([bool(p.grid) for p in law.parameters])
    if known.any():
        for problem, values in zip(stack.problems, theta, strict=True):
            values += unit_shift(problem, values) * known
    theta = theta[:, :, [slots.index(slot) if slot >= 0 else k for k, slot in enumerate(slots)]]
    pinned = np.stack([problem.pinned for problem in stack.problems])[:, None]
    return np.where(np.isfinite(pinned), pinned, theta)


def _from_data(stack: Stack, pattern: _Pattern) -> np.ndarray:
    """Theta (tables, n, n_parameters) of a pattern, with the ranges of each table."""
    law = stack.first.law
    margin = _DECADES_AROUND_DATA * np.log(10.0)
    lows, highs = [], []
    for variable, values in zip(law.variables, stack.stages[0].points.logs, strict=True):
        x = values if variable.domain == "positive" else safe_log(np.abs(values))
        x = (x if stack.many else x[None])[: len(stack)].reshape(len(stack), -1)  # padding repeats a run
        lows.append(x.min(axis=1) - margin)
        highs.append(x.max(axis=1) + margin)
    columns = [_draw(p, k, pattern, np.array(lows).T, np.array(highs).T) for k, p in enumerate(law.parameters)]
    return np.stack(columns, axis=2)


def _draw(parameter: Parameter, k: int, pattern: _Pattern, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Theta values (tables, n) of parameter k: exponents or scales of a variable; shares lie anywhere between 0 and 1.

    `lows` and `highs` (tables, variables) say where the logs of the variables may have their scales.
    """
    place = np.broadcast_to(pattern.place[:, k], (len(lows), len(pattern.place)))
    if parameter.transform == "logit":
        return _WIDEST_LOGIT * (2 * place - 1)
    if parameter.grid and parameter.transform == "log":
        return min(parameter.grid) + place * (max(parameter.grid) - min(parameter.grid))
    low, high = np.log(_EXPONENTS)
    variable = pattern.scale_of[:, k]
    low = np.where(pattern.exponent[:, k], low, lows[:, variable])
    high = np.where(pattern.exponent[:, k], high, highs[:, variable])
    logs = low + place * (high - low)
    return logs if parameter.transform == "log" else np.exp(logs) * pattern.sign[:, k]


# --- variable projection ---


def _response(law: Law, linear: tuple[int, ...]) -> Callable[..., Array]:
    """`f(natural values of the linear parameters, theta, logs)`: the response of one run in natural units."""

    def response(values: Sequence[Any], theta: Sequence[Any], logs: tuple) -> Array:
        full = list(theta)
        for k, value in zip(linear, values, strict=True):
            full[k] = jnp.log(value) if law.parameters[k].transform == "log" else value
        answer = law.log_response(full, logs)
        return jnp.exp(answer) if law.response.domain == "positive" else answer

    return response


def linear_parameters(problem: Problem) -> tuple[str, ...]:
    """Names of free, untied parameters in which the response is jointly linear."""
    with jax.enable_x64(True):
        return tuple(problem.law.parameter_names[k] for k in _linear(problem.task, _lengths(problem)))


def _lengths(problem: Problem) -> tuple[int, ...]:
    """Of each variable that is a vector its length, else 0."""
    return tuple(np.shape(x)[1] if np.ndim(x) == 2 else 0 for x in problem.points.logs)


@lru_cache(maxsize=256)
def _linear(task: Task, vectors: tuple[int, ...]) -> tuple[int, ...]:
    """Indices of free, untied parameters in which the response is jointly linear.

    Found by doubling one parameter or two at random points: what one adds must not depend on another, nor on how often
    it is added. Differences are used because a second derivative takes seconds to compile. `vectors` gives the length
    of each variable that is a vector, else 0. Call under float64.
    """
    law, slots = task.law, task.layout.slots
    able = [
        k
        for k, p in enumerate(law.parameters)
        if p.transform != "logit" and slots[k] >= 0 and slots.count(slots[k]) == 1
    ]
    if not able:
        return ()
    rng, count, m = np.random.default_rng(0), 256, len(able)
    logs = tuple(
        rng.uniform(0.0, 6.0 if v.domain == "positive" else 1.0, (count, length) if length else count)
        for v, length in zip(law.variables, vectors, strict=True)
    )
    theta = rng.uniform(-2.0, 1.0, (count, len(law.parameters)))
    values = np.exp(rng.uniform(-2.0, 1.0, (count, m)))
    one = np.eye(m)
    more = np.concatenate([np.zeros((1, m)), one, (one[:, None] + one[None]).reshape(-1, m)])  # added, in its own size
    response = _response(law, tuple(able))

    def at(values: Array, theta: Array, logs: tuple) -> Array:
        return jax.vmap(lambda k: response(tuple(values * (1 + k)), tuple(theta), logs))(more)

    found = np.asarray(jax.jit(jax.vmap(at))(values, theta, logs))
    found = found[np.isfinite(found).all(axis=1)]
    base, single, double = found[:, :1], found[:, 1 : m + 1], found[:, m + 1 :].reshape(-1, m, m)
    added = np.abs(single - base)
    bent = np.abs(double - single[:, :, None] - single[:, None, :] + base[:, :, None])
    size = np.abs(found).max(axis=1)
    usable = added.min(axis=1) > 1e-6 * size
    if not usable.any():
        return ()
    least = np.minimum(added[:, :, None], added[:, None, :]) + 1e-14 * size[:, None, None] / 1e-6
    curved = np.any((bent > 1e-6 * least)[usable], axis=0)
    chosen: list[int] = []
    for k in range(m):
        if not curved[k, k] and not any(curved[k, j] for j in chosen):
            chosen.append(k)
    return tuple(able[k] for k in chosen)


@lru_cache(maxsize=256)
def _screener(task: Task, linear: tuple[int, ...], many: bool):
    """`run(theta (n, n_parameters), tables) -> (free (n, free), objective (n,))`, with an axis of tables if `many`."""
    law, layout, space = task
    response, value = _response(law, linear), value_of(law, layout, space)
    leaders = [layout.slots.index(k) for k in range(layout.free)]

    def solved_for(theta: Array, table: Tables) -> list[Any]:
        """Theta with its linear parameters at their least-squares values, in relative residuals."""
        values, logs = list(theta), table.points.logs
        if not linear:
            return values
        ones = tuple(jnp.ones_like(theta[0]) for _ in linear)
        at_one, slopes = jax.vmap(lambda run: jax.value_and_grad(response)(ones, tuple(values), run))(logs)
        observed = jnp.exp(table.points.response) if space == "log" else table.points.response
        counts = table.points.weights > 0
        size = jnp.maximum(jnp.abs(observed), 1e-12 * jnp.abs(observed).max() + 1e-300)
        columns = [jnp.where(counts, slope / size, 0.0) for slope in slopes]
        target = jnp.where(counts, (observed - at_one) / size, 0.0) + sum(columns)
        norms = jnp.stack([jnp.sqrt(jnp.sum(c**2)) for c in columns])
        scaled = [c / n for c, n in zip(columns, norms, strict=True)]
        gram = jnp.stack([jnp.stack([jnp.sum(a * b) for b in scaled]) for a in scaled])
        right = jnp.stack([jnp.sum(a * target) for a in scaled])
        found, _ = solve_positive(gram + 1e-10 * jnp.eye(len(linear)), right)
        floor = _LEAST_SHARE * jnp.sqrt(jnp.sum(target**2))
        for j, k in enumerate(linear):
            if law.parameters[k].transform == "log":
                values[k] = jnp.log(jnp.maximum(found[j], floor)) - jnp.log(norms[j])
            else:
                values[k] = found[j] / norms[j]
        return values

    def one(theta: Array, table: Tables) -> tuple[Array, Array]:
        values = solved_for(theta, table)
        free = jnp.clip(jnp.stack([values[k] for k in leaders]), table.lower, table.upper)
        return free, value(free, table.pinned, table.points, table.loss)

    def run(theta: Array, table: Tables) -> tuple[Array, Array]:
        return lax.map(lambda t: one(t, table), theta, batch_size=64)

    def over_tables(theta: Array, tables: Tables) -> tuple[Array, Array]:
        return lax.map(lambda pair: run(*pair), (theta, tables))

    return jax.jit(over_tables if many else run, compiler_options=compile_options(wide=wide(task.law)))
