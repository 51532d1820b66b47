"""Resampled fits: the optimum of each draw, all draws in one batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxscale._base.devices import compile_options, workers
from jaxscale._base.programs import Program, kept
from jaxscale._base.progress import tell
from jaxscale._problem.arrays import SMALL_BATCH, Overrides, Task, zeros
from jaxscale._problem.evaluate import predictor
from jaxscale._problem.losses import Prior
from jaxscale._problem.stack import Stack
from jaxscale._solver.solve import FORETOLD, NEAR
from jaxscale._solver.solve_stack import STARTS_AT_ONCE, solve_stack
from jaxscale._trust.bent_law import bent_laws
from jaxscale._trust.draw_weights import Drawn, Kind, drawn_of
from jaxscale._trust.interval_method import MORE_PAIRS
from jaxscale._trust.linearization import linearize_all
from jaxscale.optim import STEP_LIMIT, damped_newton, levenberg_marquardt, settled

_AT_ONCE = 256  # draws whose rivals are looked at together
_IN_CACHE = 256  # draws whose runs are picked out together
_RIVALS = 24  # optima of other draws that every draw is checked against
_ROUNDING = 1e-4  # of sums in float32, as a share, with room
_WORTH_A_PROGRAM = 1 << 16  # draws for which smaller tables get a program of their own


def bootstrap_draws(
    stack: Stack,
    best: np.ndarray,
    *,
    draws: int,
    seed: int,
    clusters: Sequence[tuple[str, ...] | None],
    kind: Kind = "pairs",
    more: int | None = None,
    devices: Sequence[Any] | None = None,
) -> np.ndarray:
    """Free values (tables, draws, free) refitted to resampled runs, from the optimum of all runs, (tables, free).

    A draw that stops short, or above an optimum that another draw found, is restarted there; one that still does not
    converge is nan. Every table is resampled by the same seed, as it would be alone. `more`: as `resampled` has it.
    """
    found = np.empty((len(stack), draws, best.shape[1]))
    at = linearize_all(stack, best) if kind == "wild" else [None] * len(stack)
    rngs = [np.random.default_rng(seed) for _ in stack.problems]
    rivals: list[np.ndarray | None] = [None] * len(stack)
    on_host = workers(devices)[1][0].platform == "cpu"  # an accelerator does not wait for starts from there
    bent = bent_laws(stack, best) if on_host else [None] * len(stack)
    done, rows = 0, stack.stages[-1].points.response.shape[-1]
    leaves_out = kind == "pairs" and all(x is None for x in clusters)
    # Pieces of one table's draws, several tables together where they have few: this bounds memory.
    for size, batch in (
        (size, batch)
        for size, some in _by_size(stack, rows, draws)
        for batch in _batches(
            [(k, first, min(draws - first, STARTS_AT_ONCE)) for k in some for first in range(0, draws, STARTS_AT_ONCE)]
        )
    ):
        table = np.repeat([k for k, _, _ in batch], [count for _, _, count in batch])
        parts = [drawn_of(stack.problems[k], count, rngs[k], clusters[k], kind, at[k], more) for k, _, count in batch]
        places = _places_of(table)
        most = _most_drawn(size) if leaves_out else rows
        start, damping = best[table], np.full(len(table), NEAR)
        for (k, _, _), mine, part in zip(batch, places, parts, strict=True):
            if (law := bent[k]) is not None:
                start[mine], better = law.near(part.weights(np.float32), part.response, part.centre)
                damping[mine] = np.where(better, FORETOLD, NEAR)
        few = draws * len(stack) <= SMALL_BATCH
        fits = _refit(stack, table, start, parts, rivals, devices, most, few, damping)
        for (k, first, count), mine in zip(batch, places, strict=True):
            found[k, first : first + count] = fits[mine]
            done += count
        tell(done, draws * len(stack), "bootstrap draws")
    return found


def _by_size(stack: Stack, rows: int, draws: int) -> Iterator[tuple[int, np.ndarray]]:
    """(runs at most, which tables) of a stack padded to `rows`, those with three quarters at most apart where there are
    draws enough to be worth a program of their own."""
    counts = np.array([problem.count for problem in stack.problems])
    small = counts <= 3 * rows // 4
    if min(small.sum(), (~small).sum()) * draws < _WORTH_A_PROGRAM and not small.all():
        small[:] = False
    for size, some in ((3 * rows // 4, small), (rows, ~small)):
        if some.any():
            yield size, np.flatnonzero(some)


def _most_drawn(runs: int) -> int:
    """How many different runs a draw from that many has but once in 100,000 times, as a multiple of eight."""
    mean = runs * (1 - (1 - 1 / runs) ** (runs + MORE_PAIRS))
    return min(-8 * int(-(mean + 4.3 * 0.31 * np.sqrt(runs)) // 8), runs)  # by a normal approximation


def _joined(parts: Sequence[Drawn], rows: int) -> Overrides:
    """What draws of several tables are fitted to, as a solver takes it, padded to so many rows."""
    own = zip(*(part.padded(rows) for part in parts), strict=True)
    return Overrides(*(None if x[0] is None else np.concatenate(x) for x in own))


def _without_others(parts: Sequence[Drawn], most: int) -> tuple[Overrides, np.ndarray]:
    """What draws are fitted to without the runs that they leave out, and for which draws `most` runs are enough."""
    draws = sum(len(part.times) for part in parts)
    room = max(draws, STARTS_AT_ONCE)  # so that `Overrides.spread` need not copy them
    weights, places = zeros((room, most), float), zeros((room, most), np.int32)
    column, enough, done = np.arange(most, dtype=np.int32), [], 0
    for part in parts:
        runs, alike = len(part.once), (part.once == part.once[0]).all()
        for drawn in np.split(part.times, range(_IN_CACHE, len(part.times), _IN_CACHE)):
            mine = slice(done, done := done + len(drawn))
            there = drawn != 0
            counts = there.view(np.uint8).sum(axis=1, dtype=np.int32)
            first = np.cumsum(counts) - counts
            # Beyond what a draw has come runs of the next one, with weight zero.
            flat = np.empty(counts.sum() + most, np.int32)
            flat[:-most] = np.flatnonzero(there)
            flat[-most:] = flat[-most - 1]
            times = sliding_window_view(drawn.ravel().take(flat), most)[first]
            times *= column < counts[:, None]
            here = sliding_window_view(flat, most)[first]
            here -= runs * np.arange(len(drawn), dtype=np.int32)[:, None]
            np.minimum(here, runs - 1, out=places[mine])
            np.multiply(times, part.once[0] if alike else part.once.take(places[mine]), out=weights[mine])
            enough.append(counts <= most)
    centres = [part.centre for part in parts if part.centre is not None]
    return Overrides(weights, None, np.concatenate(centres) if centres else None, places), np.concatenate(enough)


def _batches(pieces: Sequence[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Pieces put together up to `STARTS_AT_ONCE` draws."""
    batch: list[tuple[int, int, int]] = []
    for piece in pieces:
        if batch and sum(count for _, _, count in batch) + piece[2] > STARTS_AT_ONCE:
            yield batch
            batch = []
        batch.append(piece)
    yield batch


def _refit(
    stack: Stack,
    table: np.ndarray,
    start: np.ndarray,
    parts: Sequence[Drawn],
    rivals: list[np.ndarray | None],
    devices: Sequence[Any] | None,
    most: int,
    few: bool,
    damping: np.ndarray,
) -> np.ndarray:
    """Free values (n, free) of each draw's own optimum, nan where there is none; notes rivals of tables met first.
    `parts` are what the draws of each table are fitted to, `damping` what each begins with.

    Beside an optimum Gauss-Newton steps are as good as Newton's and cost half, without the runs that a draw leaves out
    (`most` remain) two thirds of that; the few draws that end badly, or have more runs, are taken up by Newton's. So
    `few` draws that a program takes longer to make than to run share that of the fit.
    """
    begun: dict[str, Any] = {"damping": damping, "devices": devices}
    rows = stack.stages[-1].points.response.shape[-1]
    if few:
        free, value, status, _ = solve_stack(stack, damped_newton(), table, start, own=_joined(parts, rows), **begun)
    else:
        less, whole = (_joined(parts, rows), None) if most == rows else _without_others(parts, most)
        begun |= {"smallest": STARTS_AT_ONCE}  # the last few share the program of the others
        optimizer = levenberg_marquardt(trusting=True, nearby=True)
        free, value, status, _ = solve_stack(stack, optimizer, table, start, own=less, **begun)
        if whole is not None:
            value, status = np.where(whole, value, np.inf), np.where(whole, status, STEP_LIMIT)
    free, value, status = free.copy(), value.copy(), status.copy()
    rival, height = free.copy(), np.full(len(free), np.inf)
    places = _places_of(table)
    for mine, part in zip(places, parts, strict=True):
        k = int(table[mine.start])
        found = rivals[k]
        rivals[k] = found = free[mine][:_RIVALS] if found is None else found
        asked = np.where(settled(status[mine]), value[mine], np.inf)
        rival[mine], height[mine] = _best_rival(stack, k, found, free[mine], asked, part)
    again = (height < value * (1 - 1e-9)) | ~settled(status)
    if again.any():
        own = _joined([part.rows(again[mine]) for part, mine in zip(parts, places, strict=True)], rows)
        again = np.flatnonzero(again)
        options: dict[str, Any] = {"own": own, "damping": NEAR, "devices": devices}
        fresh = solve_stack(stack, damped_newton(), table[again], rival[again], **options)
        better = fresh.value < value[again]
        kept = again[better]
        free[kept], value[kept], status[kept] = fresh.free[better], fresh.value[better], fresh.status[better]
    free[~settled(status)] = np.nan
    return free


def _places_of(table: np.ndarray) -> list[slice]:
    """Where the draws of each table lie, which follow one another."""
    ends = np.flatnonzero(np.diff(table, append=-1)) + 1
    return [slice(int(first), int(last)) for first, last in zip([0, *ends[:-1]], ends, strict=True)]


def _best_rival(
    stack: Stack, k: int, rivals: np.ndarray, free: np.ndarray, value: np.ndarray, own: Drawn
) -> tuple[np.ndarray, np.ndarray]:
    """Optima of other draws, tried on every draw of table k: the one where its own objective is least, (n, free), and
    the objective there, (n,); itself and infinity where none comes near the `value` that it has."""
    rival, height = free.copy(), np.full(len(free), np.inf)
    rivals = rivals[np.isfinite(rivals).all(axis=1)]
    if not len(rivals):
        return rival, height
    padded = rivals[np.minimum(np.arange(_RIVALS), len(rivals) - 1)]
    one = stack.one(k)
    prior = one.loss.prior

    def pulled(heights: np.ndarray, some: Any) -> np.ndarray:
        if own.centre is not None and prior is not None:
            heights = heights + Prior(own.centre[some, None], prior.weight).penalty(padded)
        return np.where(np.isnan(heights), np.inf, heights)

    if own.response is None:
        contributions = np.asarray(_contributions(stack.first.task)(padded, one))  # (rivals, rows), at weight one
        each = (contributions[:, : len(own.once)] * own.once).T
        near = pulled(own.times.astype(np.float32) @ each.astype(np.float32), slice(None)).min(axis=1)
        some = np.flatnonzero(near <= value * (1 + _ROUNDING))
        heights = pulled(own.times[some] @ each, some)
    else:
        some, whole = np.arange(len(free)), own.padded(stack.stages[-1].points.response.shape[-1])
        heights = np.concatenate(
            [
                np.asarray(_contributions_of(stack.first.task)(padded, one, *whole.rows(_part(first, len(free)))[:2]))
                for first in range(0, len(free), _AT_ONCE)
            ]
        )[: len(free)]
        heights = pulled(heights, some)
    if len(some):
        pick = heights.argmin(axis=1)
        rival[some], height[some] = padded[pick], heights[np.arange(len(some)), pick]
    return rival, height


@kept
def _contributions(task: Task):
    """`run(free (n, free), table) -> (n, rows)`: each run's share of the objective, at weight one."""
    predict = predictor(task)

    def run(free, table):
        theta = task.layout.full(free, table.pinned)
        residual = jax.vmap(lambda inputs: predict(theta, inputs))(table.points.inputs) - table.points.response
        return table.loss.misfit(residual, 1.0 * (table.points.weights > 0))[0]

    return Program(lambda free, table: jax.vmap(run, (0, None))(free, table), compile_options())


def _part(first: int, count: int) -> np.ndarray:
    """`_AT_ONCE` positions from `first` on, the last one repeated."""
    return np.minimum(np.arange(first, first + _AT_ONCE), count - 1)


@kept
def _contributions_of(task: Task):
    """`run(free (rivals, free), table, weights (n, rows), response (n, rows)) -> (n, rivals)`: the objective of each
    rival for draws that have responses of their own, without priors."""
    predict = predictor(task)

    def run(free, table, weights, response):
        def one(free):
            theta = task.layout.full(free, table.pinned)
            residual = jax.vmap(lambda inputs: predict(theta, inputs))(table.points.inputs) - response
            return table.loss.misfit(residual, weights)[0].sum(axis=1)

        return jax.lax.map(one, free).T

    return Program(run, compile_options())
