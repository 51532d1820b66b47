"""The verbs `fit_many` and `fit_stream`: every group of a table fitted, side by side or together."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.progress import Shown, listening, tell
from jaxscale._base.settings import in_float64
from jaxscale._base.text import inert
from jaxscale._base.validation import Progress
from jaxscale._data.runs import read_quietly
from jaxscale._fitting.blocks import blocks_of
from jaxscale._fitting.dask_workers import dask_client, entries_of, on_workers
from jaxscale._fitting.fit_groups import fit_groups, options_of
from jaxscale._fitting.fit_stack import make_results
from jaxscale._fitting.fits import Entry, Failure, Fits
from jaxscale._fitting.grouping import Group, columns_of_groups, groups_in
from jaxscale._fitting.options import FitOptions, rows_for
from jaxscale._fitting.pending import Pending, each_alone_at_worst
from jaxscale._fitting.pooling.fit_together import fit_together, noise_of
from jaxscale._fitting.pooling.one_value import Ratio
from jaxscale._fitting.pooling.sharing import Sharing
from jaxscale._fitting.result import FitResult
from jaxscale.laws import Law

T = TypeVar("T")
_GROUPS_AT_ONCE = 1024


def fit_many(
    law: Law | str,
    data: Any,
    *,
    by: str | Sequence[str] = "group",
    columns: Mapping[str, str | None] | None = None,
    share: str | Sequence[str] | Mapping[str, float] = (),
    progress: Progress | bool | None = None,
    weights: str | None = None,
    client: Any = None,
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
        progress: called as progress(done, total, "groups") as they are done, the total of an iterator being 0, for
            unknown, and of "compiling", from another thread, as by `fit`; True for a line on standard error. What it
            raises ends the call.
        weights: column of weights.
        client: a Dask client, the address of a scheduler, or "local" for a process on each core: groups are fitted by
            its workers (extra `cluster`). Bits are then those of `fit_shards`, whatever the workers.
        **options: of `read_runs` (N, D, C, loss, ...) and of `fit` (objective, starts, intervals, ...).

    Raises:
        InputError: there is no column `by`, two groups have one name, an option is unknown, or a parameter cannot be
            shared.
    """
    widths, by = _widths(share), columns_of_groups(by)
    reading, how = options_of(law, columns, weights, options)
    if widths:
        if client is not None:
            raise InputError("a joint fit is one fit of all groups, for one machine; leave out client= or share=")
        with listening(progress, "fitting"):
            return _fit_shared(data, by, reading, how, widths)
    return _fits(by, [pair for chunk in _heard(_chunks(data, by, reading, how, client), progress) for pair in chunk])


def fit_stream(
    law: Law | str,
    data: Any,
    *,
    by: str | Sequence[str] = "group",
    columns: Mapping[str, str | None] | None = None,
    progress: Progress | bool | None = None,
    weights: str | None = None,
    client: Any = None,
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """`fit_many` for more groups than fit in memory: yields `Fits.to_frame` of some groups at a time, forgets them.

    Arguments are those of `fit_many`; give an iterator of (group, runs), so that not all runs are in memory either.
    Only the names are kept. A second group of one name is an InputError when the iterator comes to it.
    """
    by = columns_of_groups(by)
    reading, how = options_of(law, columns, weights, options)
    for chunk in _heard(_chunks(data, by, reading, how, client), progress):
        yield _fits(by, chunk).to_frame()


def _fits(by: str | tuple[str, ...], pairs: Sequence[tuple[Group, Entry]], sharing: Sharing | None = None) -> Fits:
    values = () if isinstance(by, str) else tuple(group.values for group, _ in pairs)
    return Fits(by, tuple((group.name, entry) for group, entry in pairs), sharing, values)


def _chunks(
    data: Any,
    by: str | tuple[str, ...],
    reading: Mapping[str, Any],
    how: FitOptions,
    client: Any,
) -> Iterator[list[tuple[Group, Entry]]]:
    """Groups fitted some at a time, in their order, here or by the workers of a client."""
    groups = groups_in(data, by, reading)
    total = len(groups) if isinstance(groups, list) else 0
    done = 0
    if client is None:
        waiting = iter(groups)
        while chunk := list(itertools.islice(waiting, _GROUPS_AT_ONCE)):
            yield fit_groups(chunk, reading, how, done, total)
            done += len(chunk)
        return
    with dask_client(client) as connected:
        for some, entries in on_workers(connected, blocks_of(groups), reading, how, entries_of):
            done += len(some)
            tell(done, total, "groups")
            yield list(zip(some, entries, strict=True))


def _heard(chunks: Iterator[T], progress: Progress | bool | None) -> Iterator[T]:
    """The chunks, while each of which is made `progress` listens, and nobody while others work with one."""
    shown = Shown("fitting") if progress is True else None
    try:
        while True:
            with listening(shown or progress):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk
    finally:
        if shown is not None:
            shown.close()


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
            "a joint fit has its own solver, starts='auto' or a number (--starts), and intervals 'auto', 'bootstrap', "
            "'quick' or None (--intervals); leave out optimizer=, and ask for one of these"
        )
    groups = list(groups_in(data, by, reading))
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
        }
        again: dict[str, Any] = {}
        if problems[0].provisional:
            sharing, near, pooled = fit_together(problems, tables, widths, intervals="none", **options)
            noise = noise_of(pooled, how.objective)
            problems, again["near"] = [how.problem(runs, noise) for runs in tables], near
            if how.priors:  # of which the test knows nothing
                again["test"] = Ratio(sharing.statistic, sharing.constraints, sharing.freedom, sharing.p_value)
        sharing, members, _ = fit_together(problems, tables, widths, intervals=how.intervals, **options, **again)

    @cache
    def results() -> dict[int, FitResult | Exception]:
        by_group = dict(zip(fitted, members, strict=True))
        return each_alone_at_worst(lambda part: make_results([by_group[k] for k in part], how), fitted)

    for k in fitted:
        entries[k] = Pending(lambda k=k: results()[k])
    return _fits(by, [(group, entries[k]) for k, group in enumerate(groups)], sharing)
