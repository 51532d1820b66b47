"""Where a fit starts: published grids, given points, and points made from the data."""

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import Stack
from jaxscale._problem.units import safe_log, unit_shift
from jaxscale._solver.projection import lengths, linear_indices, screener
from jaxscale.laws import Law, Parameter

SUBSAMPLE_ROWS = 64  # runs that are enough to rank starts by, and to take first steps on
_DRAWN = (16, 32, 64, 256, 1024, 4096)  # points drawn, by how many parameters cannot be solved for
_EXPONENTS = (0.02, 3.0)  # where the exponent of a scaling law is looked for
_OF_MIXTURES = (0.1, 1.0)  # exponents of laws of mixtures, and the shares of the response that their terms have
_WIDEST_LOGIT = 4.0  # shares are looked for between 2 % and 98 %
_DECADES_AROUND_DATA = 3.0  # how far beyond the data the scale of a variable is looked for


def published_grid(problem: Problem) -> np.ndarray:
    """Free values (n, free) of the law's published grid, in the units of the table.

    Raises:
        InputError: the law has none.
    """
    law = problem.law
    if not all(p.grid for p in law.parameters):
        raise InputError(
            f"law {law.name!r} has no published grid of starts; use starts='auto' (--starts auto) or a number"
        )
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


def drawn(stack: Stack, subsample: Stack, seed: int, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """At least `least` starts of each table, (tables, n, free), and the objective on a
    subsample of its runs, (tables, n). The k-th start of every table has the same exponents.

    Parameters in which the response is linear are solved for by least squares (variable projection, Golub & Pereyra
    1973), which does better than any grid of them. The others take every combination of the law's published grid,
    where it has one, and are drawn as exponents or as scales of the data, so that starts fit the units. What the parts
    of a mixture have each for themselves is drawn once for all of them, three times out of four: they differ by less
    than what is drawn at random, and there is less to search.
    """
    task, law = stack.first.task, stack.first.law
    linear = linear_indices(task, lengths(stack.first))
    slots = task.layout.slots
    varied = [k for k, slot in enumerate(slots) if slot >= 0 and slots.index(slot) == k and k not in linear]
    grid = _grid_over(law, varied)
    count = _DRAWN[min(len(varied), len(_DRAWN) - 1)]
    while count < max(least, 2 * len(grid)):
        count *= 4
    pattern = _pattern(law, count - len(grid), seed)
    theta = _candidates(subsample, grid, pattern)
    count = (np.array([len(stack)]),) if stack.many else ()
    free, value = screener(task, linear, stack.many)(subsample.filled(theta), subsample.stages[0], *count)
    return subsample.each(free), subsample.each(value)


def screened(stack: Stack, subsample: Stack, seed: int, least: int = 0) -> Pool:
    """The points of `drawn`, ordered by the objective on some of the runs of each table."""
    free, value = drawn(stack, subsample, seed, least)
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
    drawn = _Pattern(
        place,
        known | (rng.random((count, p)) < 0.7),
        rng.integers(len(law.variables), size=(count, p)),
        np.where(known | (rng.random((count, p)) < 0.75), 1.0, -1.0),
    )
    for alike in _of_parts(law):
        for values in drawn:
            values[:, alike] = np.where(np.arange(count)[:, None] % 4 < 3, values[:, alike[:1]], values[:, alike])
    return drawn


def _of_parts(law: Law) -> list[list[int]]:
    """Parameters, by index, that parts of a mixture have each for themselves: C1, C2, ... of the shares h1, h2, ..."""
    names = law.parameter_names
    groups = []
    for variable in law.variables:
        numbers = range(1, len(variable.parts) + 1)
        for stem in [name[:-1] for name in names if variable.parts and name.endswith("1")]:
            if all(f"{stem}{i}" in names for i in numbers):
                groups.append([names.index(f"{stem}{i}") for i in numbers])
    return groups


def _candidates(stack: Stack, grid: np.ndarray, pattern: _Pattern) -> np.ndarray:
    """Theta (tables, n, n_parameters) of a grid and of a pattern, in units of the table, with its pins and ties."""
    law, slots = stack.first.law, stack.first.layout.slots
    sized = any(law.parameters[alike[0]].dimension for alike in _of_parts(law))
    theta = _by_dimension(stack, pattern) if sized else _from_data(stack, pattern)
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
        x = stack.each(x).reshape(len(stack), -1)  # padding repeats a run
        lows.append(x.min(axis=1) - margin)
        highs.append(x.max(axis=1) + margin)
    columns = [_draw(p, k, pattern, np.array(lows).T, np.array(highs).T) for k, p in enumerate(law.parameters)]
    return np.stack(columns, axis=2)


def _by_dimension(stack: Stack, pattern: _Pattern) -> np.ndarray:
    """Theta (tables, n, n_parameters) of sizes that follow from their dimensions: each term is then a share of the
    response at the middle of the data. With very many parameters a term that is next to nothing somewhere stays so."""
    law, task = stack.first.law, stack.first.task
    points = stack.stages[0].points
    observed = points.observed if task.space == "log" else safe_log(np.abs(points.observed))
    columns = [*zip(law.variables, points.logs, strict=True), (law.response, observed)]
    middle = {v.name: stack.each(x).reshape(len(stack), -1).mean(axis=1) for v, x in columns if v.domain == "positive"}
    low, high = np.log(_OF_MIXTURES)
    drawn = low + pattern.place * (high - low)
    values = {p.name: np.exp(drawn[:, k]) for k, p in enumerate(law.parameters) if not p.dimension}
    theta = np.empty((len(stack), len(drawn), len(law.parameters)))
    for k, p in enumerate(law.parameters):
        size = sum(np.outer(middle[name], np.ones(len(drawn)) * p.growth(name, values)) for name in p.dimension)
        theta[:, :, k] = drawn[:, k] + size if p.transform == "log" else np.exp(drawn[:, k])
    return theta


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
