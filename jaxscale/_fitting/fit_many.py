"""The verbs `fit_many` and `fit_stream`: every group of a table fitted, side by side or together."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxscale._base.devices import workers
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs, as_runs
from jaxscale._data.tables import read_frame
from jaxscale._fitting.fit_stack import fit_stack, make_result
from jaxscale._fitting.fits import Entry, Failure, Fits
from jaxscale._fitting.options import FitOptions
from jaxscale._fitting.result import FitResult
from jaxscale._pooling.sharing import Ratio, fit_together, noise_of
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import MOST_STACKED, Stack, stacked_rows
from jaxscale.laws import Law

_READING = frozenset({"N", "D", "C", "loss", "response", "run", "where", "on_bad", "loss_unit", "domains"})
_GROUPS_AT_ONCE = 1024

Group = tuple[str, Any, np.ndarray | None]  # name, runs or a table, row numbers


def fit_many(
    law: Law | str,
    data: Any,
    *,
    by: str = "group",
    columns: Mapping[str, str] | None = None,
    share: str | Sequence[str] | Mapping[str, float] = (),
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Fits:
    """Fit a law to every group of a table, side by side. A group that cannot be fitted is a row with its reason.

    Every group is fitted as `fit` would fit it alone, or all together where they `share` parameters. The verdict and
    record of a group are made when looked at.

    Args:
        law: the law, or its name.
        data: a table with a column `by` (anything `read_runs` takes), a mapping of group to `Runs` or tables, or an
            iterator of such pairs. See `fit_stream` for more than fit in memory.
        by: the column that names the group.
        columns: further variables by column, as in `read_runs`.
        share: parameters with one value for all groups, ("alpha", "beta"); or how far apart values may lie around a
            common centre, {"alpha": 0.05}: the standard deviation between groups in theta, which is the logarithm of a
            positive parameter (partial pooling). 0 is one value for all, infinity nothing in common. `Fits.sharing`
            is the record of the joint fit, with a test of one value for all; intervals are "auto", "bootstrap" (of all
            groups at once), "quick" or None. A prior of what is shared is of the common value or centre and counts
            once; another is of each group's own value. Objectives are matched to the scatter of all groups together,
            and priors weighed against it; the test leaves priors out.
        progress: called as progress(done, total, what); the total of an iterator is 0, for unknown.
        weights: column of weights.
        **options: of `read_runs` (N, D, C, loss, ...) and of `fit` (objective, starts, intervals, ...).

    Raises:
        InputError: there is no column `by`, an option is unknown, or a parameter cannot be shared.
    """
    widths = _widths(share)
    reading, how = _options_of(law, columns, weights, options)
    if widths:
        return _fit_shared(data, by, reading, how, widths, progress)
    chunks = _chunks(data, by, reading, how, progress)
    return Fits(by, tuple(entry for chunk in chunks for entry in chunk))


def fit_stream(
    law: Law | str,
    data: Any,
    *,
    by: str = "group",
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """`fit_many` for more groups than fit in memory: yields `Fits.to_frame` of some groups at a time, forgets them.

    Arguments are those of `fit_many`; give an iterator of (group, runs), so that not all runs are in memory either.
    """
    reading, how = _options_of(law, columns, weights, options)
    for chunk in _chunks(data, by, reading, how, progress):
        yield Fits(by, tuple(chunk)).to_frame()


def _options_of(
    law: Law | str, columns: Mapping[str, str] | None, weights: str | None, options: Mapping[str, Any]
) -> tuple[dict[str, Any], FitOptions]:
    """What a call says about reading tables, and how to fit."""
    reading = {"weights": weights, **dict(columns or {})} | {k: v for k, v in options.items() if k in _READING}
    return reading, FitOptions.of(law, **{k: v for k, v in options.items() if k not in _READING})


def _chunks(
    data: Any, by: str, reading: Mapping[str, Any], how: FitOptions, progress: Progress | None
) -> Iterator[list[tuple[str, Entry]]]:
    """Groups fitted some at a time, in their order."""
    groups = _groups(data, by)
    total = len(groups) if isinstance(groups, list) else 0
    done, waiting = 0, iter(groups)
    while chunk := list(itertools.islice(waiting, _GROUPS_AT_ONCE)):
        yield _fit_groups(chunk, reading, how)
        done += len(chunk)
        if progress is not None:
            progress(done, total, "groups")


def _fit_groups(groups: Sequence[Group], reading: Mapping[str, Any], how: FitOptions) -> list[tuple[str, Entry]]:
    """Fit each group, side by side with others of its size."""
    entries: dict[int, Entry] = {}
    stacks: dict[tuple[int, int], list[tuple[int, Problem, Runs]]] = {}
    with jax.enable_x64(True):
        for k, (_, rows, numbers) in enumerate(groups):
            try:
                runs = as_runs(rows, row_numbers=numbers, **reading)
                problem = how.problem(runs)
                stacks.setdefault((stacked_rows(problem), len(problem.losses)), []).append((k, problem, runs))
            except InputError as error:
                entries[k] = Failure("bad_input", str(error))
    parts = [
        alike[first : first + MOST_STACKED] for alike in stacks.values() for first in range(0, len(alike), MOST_STACKED)
    ]

    def fitted(part: Sequence[tuple[int, Problem, Runs]]) -> list[tuple[int, Callable[[], FitResult] | InputError]]:
        indices, problems, tables = zip(*part, strict=True)
        with jax.enable_x64(True):  # a setting of each thread
            return list(zip(indices, fit_stack(Stack.of(problems), tables, how), strict=True))

    # In threads, so that one stack of tables is made ready while another is being solved.
    worker_count, devices = workers(how.devices)
    with ThreadPoolExecutor(worker_count if worker_count > len(devices) else 1) as pool:
        for k, made in itertools.chain.from_iterable(pool.map(fitted, parts)):
            entries[k] = Failure("bad_input", str(made)) if isinstance(made, InputError) else cache(made)
    return [(name, entries[k]) for k, (name, *_) in enumerate(groups)]


def _widths(share: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """How far apart each shared parameter may lie; what is not shared is left out."""
    if not isinstance(share, Mapping):
        share = dict.fromkeys([share] if isinstance(share, str) else share, 0.0)
    for name, width in share.items():
        if isinstance(width, bool) or not isinstance(width, (int, float)) or not width >= 0:
            raise InputError(f"share: {inert(name)} takes a width from 0 on, got {width!r}")
    return {name: float(width) for name, width in share.items() if width < np.inf}


def _fit_shared(
    data: Any,
    by: str,
    reading: Mapping[str, Any],
    how: FitOptions,
    widths: Mapping[str, float],
    progress: Progress | None,
) -> Fits:
    """All groups in one joint fit."""
    for name in widths:
        if name not in how.law.parameter_names or name in how.fixed:
            known = ", ".join(n for n in how.law.parameter_names if n not in how.fixed)
            raise InputError(f"law {how.law.name!r} has no parameter {quoted(name)} to share; it fits {known}")
    if (
        how.solver != "damped_newton"
        or how.intervals == "profile"
        or not (how.starts == "auto" or isinstance(how.starts, int))
    ):
        raise InputError(
            "a joint fit has its own solver, starts='auto' or a number, and intervals 'auto', 'bootstrap', 'quick' or "
            "None; leave out optimizer=, and ask for one of these"
        )
    groups = list(_groups(data, by))
    entries: dict[str, Entry] = {}
    names, problems, tables = [], [], []
    with jax.enable_x64(True):
        for name, rows, numbers in groups:
            try:
                runs = as_runs(rows, row_numbers=numbers, **reading)
                problems.append(how.problem(runs))
                tables.append(runs)
                names.append(name)
            except InputError as error:
                entries[name] = Failure("bad_input", str(error))
        if not problems:
            return Fits(by, tuple(entries.items()))
        options: dict[str, Any] = {"starts": how.starts if isinstance(how.starts, int) else None, "seed": how.seed,
                   "level": how.level, "draws": how.draws, "progress": progress}  # fmt: skip
        again: dict[str, Any] = {}
        if problems[0].provisional:
            sharing, near, pooled = fit_together(problems, tables, widths, intervals="none", **options)
            noise = noise_of(pooled, how.objective)
            problems, again["near"] = [how.problem(runs, noise) for runs in tables], near
            if how.priors:  # of which the test knows nothing
                again["test"] = Ratio(sharing.statistic, sharing.constraints, sharing.freedom, sharing.p_value)
        sharing, members, _ = fit_together(problems, tables, widths, intervals=how.intervals, **options, **again)
    for name, runs, m in zip(names, tables, members, strict=True):
        entries[name] = cache(partial(make_result, m.optimum, runs, m.found, None, (), how, m))
    return Fits(by, tuple((name, entries[name]) for name, *_ in groups), sharing)


def _groups(data: Any, by: str) -> list[Group] | Iterator[Group]:
    """Name, rows and row numbers (of the whole table, from 1) of every group, in the order of their first row."""
    if isinstance(data, Mapping) and all(isinstance(v, Runs) or hasattr(v, "columns") for v in data.values()):
        return [(str(name), rows, None) for name, rows in data.items()]
    if isinstance(data, Iterator):
        return ((str(name), rows, None) for name, rows in data)
    frame = read_frame(data)
    if by not in frame.columns:
        there = ", ".join(inert(c) for c in frame.columns)
        raise InputError(f"there is no column {quoted(by)} to group by; the table has {there}")
    frame = frame.reset_index(drop=True)
    return [(str(name), rows, rows.index.to_numpy() + 1) for name, rows in frame.groupby(by, sort=False, dropna=False)]
