"""The verbs `fit_many` and `fit_stream`: every group of a table fitted, side by side or together."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.devices import workers
from jaxscale._base.errors import InputError
from jaxscale._base.settings import in_float64
from jaxscale._base.text import inert, plural, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.decimals import MARKS, table_marks
from jaxscale._data.runs import Runs, read_quietly
from jaxscale._data.tables import read_frame
from jaxscale._fitting.fit_stack import fit_stack, make_result
from jaxscale._fitting.fits import Entry, Failure, Fits, GroupValue, group_name
from jaxscale._fitting.options import FitOptions, reading_for, rows_for
from jaxscale._fitting.pending import Pending
from jaxscale._pooling.fit_together import fit_together, noise_of
from jaxscale._pooling.one_value import Ratio
from jaxscale._pooling.sharing import Sharing
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import MOST_STACKED, Stack, stacked_rows
from jaxscale.laws import Law

_READING = frozenset(
    {"N", "D", "C", "loss", "response", "run", "checkpoints", "loss_se", "where", "on_bad", "loss_unit", "domains"}
    | {"units", "decimal", "best_of"}
)
_GROUPS_AT_ONCE = 1024


class Group(NamedTuple):
    """One group of a table: what it is called, its runs or rows, their numbers in the whole table, and its values in
    the columns that it is of, where they are several."""

    name: str
    rows: Any
    numbers: np.ndarray | None = None
    values: tuple[GroupValue, ...] = ()


def fit_many(
    law: Law | str,
    data: Any,
    *,
    by: str | Sequence[str] = "group",
    columns: Mapping[str, str | None] | None = None,
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
        by: the column that names the group; or several, ["corpus", "optimizer"], where every combination that occurs
            is a group ("c4, adamw"), and a mapping has tuples for keys.
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
        InputError: there is no column `by`, two groups have one name, an option is unknown, or a parameter cannot be
            shared.
    """
    widths, by = _widths(share), _by(by)
    reading, how = _options_of(law, columns, weights, options)
    if widths:
        return _fit_shared(data, by, reading, how, widths, progress)
    return _fits(by, [pair for chunk in _chunks(data, by, reading, how, progress) for pair in chunk])


def fit_stream(
    law: Law | str,
    data: Any,
    *,
    by: str | Sequence[str] = "group",
    columns: Mapping[str, str | None] | None = None,
    progress: Progress | None = None,
    weights: str | None = None,
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """`fit_many` for more groups than fit in memory: yields `Fits.to_frame` of some groups at a time, forgets them.

    Arguments are those of `fit_many`; give an iterator of (group, runs), so that not all runs are in memory either.
    Only the names are kept. A second group of one name is an InputError when the iterator comes to it.
    """
    by = _by(by)
    reading, how = _options_of(law, columns, weights, options)
    for chunk in _chunks(data, by, reading, how, progress):
        yield _fits(by, chunk).to_frame()


def _by(by: str | Sequence[str]) -> str | tuple[str, ...]:
    """The column that groups are of, or the several."""
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise InputError(f"by takes a column, or several that differ (by=['corpus', 'optimizer']), got {by!r}")
    return names[0] if len(names) == 1 else names


def _fits(by: str | tuple[str, ...], pairs: Sequence[tuple[Group, Entry]], sharing: Sharing | None = None) -> Fits:
    values = () if isinstance(by, str) else tuple(group.values for group, _ in pairs)
    return Fits(by, tuple((group.name, entry) for group, entry in pairs), sharing, values)


def _options_of(
    law: Law | str, columns: Mapping[str, str | None] | None, weights: str | None, options: Mapping[str, Any]
) -> tuple[dict[str, Any], FitOptions]:
    """What a call says about reading tables, and how to fit."""
    if unknown := [name for name in options if name not in {*_READING, *FitOptions.names()}]:
        raise InputError(
            f"there is no option {quoted(unknown[0])}; a fit has {', '.join(FitOptions.names())}, and a table is read "
            f"with {', '.join(sorted(_READING))}"
        )
    how = FitOptions.of(law, **{k: v for k, v in options.items() if k not in _READING})
    asked = {"weights": weights, **dict(columns or {})} | {k: v for k, v in options.items() if k in _READING}
    return {**reading_for(how.law), **asked}, how


def _chunks(
    data: Any,
    by: str | tuple[str, ...],
    reading: Mapping[str, Any],
    how: FitOptions,
    progress: Progress | None,
) -> Iterator[list[tuple[Group, Entry]]]:
    """Groups fitted some at a time, in their order."""
    groups = _groups(data, by)
    total = len(groups) if isinstance(groups, list) else 0
    done, waiting = 0, iter(groups)
    while chunk := list(itertools.islice(waiting, _GROUPS_AT_ONCE)):
        yield _fit_groups(chunk, reading, how)
        done += len(chunk)
        if progress is not None:
            progress(done, total, "groups")


def _fit_groups(groups: Sequence[Group], reading: Mapping[str, Any], how: FitOptions) -> list[tuple[Group, Entry]]:
    """Fit each group, side by side with others of its size."""
    entries: dict[int, Entry] = {}
    stacks: dict[tuple[int, int], list[tuple[int, Problem, Runs]]] = {}
    with in_float64():
        for k, group in enumerate(groups):
            try:
                runs = rows_for([how.law], read_quietly(group.rows, row_numbers=group.numbers, **reading))
                problem = how.problem(runs)
                stacks.setdefault((stacked_rows(problem), len(problem.losses)), []).append((k, problem, runs))
            except InputError as error:
                entries[k] = Failure("bad_input", str(error))
    parts = [
        alike[first : first + MOST_STACKED] for alike in stacks.values() for first in range(0, len(alike), MOST_STACKED)
    ]

    def fitted(part: Sequence[tuple[int, Problem, Runs]]) -> list[tuple[int, Pending | InputError]]:
        indices, problems, tables = zip(*part, strict=True)
        with in_float64():  # a setting of each thread
            return list(zip(indices, fit_stack(Stack.of(problems), tables, how), strict=True))

    # In threads, so that one stack of tables is made ready while another is being solved.
    worker_count, devices = workers(how.devices)
    with ThreadPoolExecutor(worker_count if worker_count > len(devices) else 1) as pool:
        for k, made in itertools.chain.from_iterable(pool.map(fitted, parts)):
            entries[k] = Failure("bad_input", str(made)) if isinstance(made, InputError) else made
    return [(group, entries[k]) for k, group in enumerate(groups)]


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
    by: str | tuple[str, ...],
    reading: Mapping[str, Any],
    how: FitOptions,
    widths: Mapping[str, float],
    progress: Progress | None,
) -> Fits:
    """All groups in one joint fit."""
    for name in widths:
        how.law.index(name)  # names it where there is none
        if name in how.fixed:
            raise InputError(f"{name} is fixed, so there is nothing of it to share; leave out one of the two")
    if (
        how.solver != "damped_newton"
        or how.intervals == "profile"
        or not (how.starts == "auto" or isinstance(how.starts, int))
    ):
        raise InputError(
            "a joint fit has its own solver, starts='auto' or a number, and intervals 'auto', 'bootstrap', 'quick' or "
            "None; leave out optimizer=, and ask for one of these"
        )
    groups = list(_groups(data, by, progress))
    entries: dict[int, Entry] = {}
    fitted, problems, tables = [], [], []
    with in_float64():
        for k, group in enumerate(groups):
            try:
                runs = rows_for([how.law], read_quietly(group.rows, row_numbers=group.numbers, **reading))
                problems.append(how.problem(runs))
                tables.append(runs)
                fitted.append(k)
            except InputError as error:
                entries[k] = Failure("bad_input", str(error))
        if not problems:
            return _fits(by, [(group, entries[k]) for k, group in enumerate(groups)])
        options: dict[str, Any] = {
            "starts": how.starts if isinstance(how.starts, int) else None,
            "seed": how.seed,
            "level": how.level,
            "draws": how.draws,
            "progress": progress,
        }
        again: dict[str, Any] = {}
        if problems[0].provisional:
            sharing, near, pooled = fit_together(problems, tables, widths, intervals="none", **options)
            noise = noise_of(pooled, how.objective)
            problems, again["near"] = [how.problem(runs, noise) for runs in tables], near
            if how.priors:  # of which the test knows nothing
                again["test"] = Ratio(sharing.statistic, sharing.constraints, sharing.freedom, sharing.p_value)
        sharing, members, _ = fit_together(problems, tables, widths, intervals=how.intervals, **options, **again)
    for k, member in zip(fitted, members, strict=True):
        entries[k] = Pending(partial(make_result, member, how))
    return _fits(by, [(group, entries[k]) for k, group in enumerate(groups)], sharing)


def _groups(data: Any, by: str | tuple[str, ...], progress: Progress | None = None) -> list[Group] | Iterator[Group]:
    """Every group, in the order of their first row."""
    if isinstance(data, Mapping) and all(isinstance(v, Runs) or hasattr(v, "columns") for v in data.values()):
        return list(_distinct(_given(key, rows, by) for key, rows in data.items()))
    if isinstance(data, Iterator):
        return _distinct(_given(key, rows, by) for key, rows in data)
    frame = read_frame(data, progress)
    for name in (by,) if isinstance(by, str) else by:
        if name not in frame.columns:
            there = ", ".join(inert(c) for c in frame.columns)
            raise InputError(f"there is no column {quoted(name)} to group by; the table has {there}")
    frame = frame.reset_index(drop=True)
    frame.attrs[MARKS] = table_marks(frame)  # groups are read alike
    column = by if isinstance(by, str) else list(by)
    parts = frame.groupby(column, sort=False, dropna=False, observed=True)
    return list(_distinct(_given(key, rows, by, rows.index.to_numpy() + 1) for key, rows in parts))


def _distinct(groups: Iterable[Group]) -> Iterator[Group]:
    """The groups, as long as no two have one name: a result is found by it, and 1 and "1" are one name."""
    names = set()
    for group in groups:
        if group.name in names:
            raise InputError(f"two groups are called {quoted(group.name)}; give each a name of its own, also as text")
        names.add(group.name)
        yield group


def _given(key: Any, rows: Any, by: str | tuple[str, ...], numbers: np.ndarray | None = None) -> Group:
    """A group by what it is called in a mapping or a table."""
    if isinstance(by, str):
        return Group(str(key), rows, numbers)
    if not isinstance(key, tuple) or len(key) != len(by):
        raise InputError(
            f"group {quoted(key)} needs a tuple of {plural(len(by), 'value')}, one for each of by={list(by)}"
        )
    return Group(group_name(key), rows, numbers, tuple(map(_plain, key)))


def _plain(value: Any) -> GroupValue:
    """A cell as a file can hold it."""
    if pd.isna(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    kept = isinstance(value, str | int) or (isinstance(value, float) and np.isfinite(value))
    return value if kept else str(value)
