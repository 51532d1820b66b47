"""Groups fitted side by side with others of their size: what a call says, and the fits."""

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from jaxscale._base.devices import workers
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.settings import in_float64
from jaxscale._base.text import quoted
from jaxscale._data.runs import Runs, read_quietly
from jaxscale._fitting.fit_stack import fit_stack
from jaxscale._fitting.fits import Entry, Failure
from jaxscale._fitting.grouping import Group
from jaxscale._fitting.options import FitOptions, reading_for, rows_for
from jaxscale._fitting.pending import Pending
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import FEW_STACKED, MOST_STACKED, Stack, stacked_rows
from jaxscale.laws import Law

_READING = frozenset(
    {"N", "D", "C", "loss", "response", "run", "checkpoints", "loss_se", "where", "on_bad", "loss_unit", "domains"}
    | {"units", "decimal", "best_of", "encoding"}
)
_Table = tuple[int, Problem, Runs]  # and which group it is
_Stacks = dict[tuple[int, int], list[_Table]]  # by padded rows and stages of the objective
_SHORT = 1024  # rows


def options_of(
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


def fit_groups(
    groups: Sequence[Group], reading: Mapping[str, Any], how: FitOptions, before: int = 0, total: int = 0
) -> list[tuple[Group, Entry]]:
    """Fit each group, side by side with others of its size, and tell of groups as they are done: of `total`, `before`
    which there were others."""
    entries: dict[int, Entry] = {}
    stacks: _Stacks = {}
    with in_float64():
        for k, group in enumerate(groups):
            try:
                runs = rows_for([how.law], read_quietly(group.rows, row_numbers=group.numbers, **reading))
                problem = how.problem(runs)
                stacks.setdefault((stacked_rows(problem), len(problem.losses)), []).append((k, problem, runs))
            except InputError as error:
                entries[k] = Failure("bad_input", str(error))
    parts = [part for alike in _fewer(stacks).values() for part in _in_parts(alike)]

    def fitted(part: Sequence[_Table]) -> list[tuple[int, Pending | InputError]]:
        indices, problems, tables = zip(*part, strict=True)
        with listening(None), in_float64():  # a setting of each thread
            return list(zip(indices, fit_stack(Stack.of(problems), tables, how), strict=True))

    # In threads, so that one stack of tables is made ready while another is being solved.
    worker_count, devices = workers(how.devices)
    tell(before + len(entries), total, "groups")
    contexts = [copy_context() for _ in parts]  # of who listens
    with ThreadPoolExecutor(worker_count if worker_count > len(devices) else 1) as pool:
        try:
            for part in pool.map(lambda context, part: context.run(fitted, part), contexts, parts):
                for k, made in part:
                    entries[k] = Failure("bad_input", str(made)) if isinstance(made, InputError) else made
                tell(before + len(entries), total, "groups")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has not begun need not
            raise
    return [(group, entries[k]) for k, group in enumerate(groups)]


def _fewer(stacks: _Stacks) -> _Stacks:
    """The same with few short tables put among longer ones, where there are any: their padding takes milliseconds,
    programs of their own seconds to compile."""
    found = dict(sorted(stacks.items()))
    for rows, losses in list(found):
        longer = [size for size, others in found if rows < size <= _SHORT and others == losses]
        if longer and len(found[rows, losses]) <= FEW_STACKED:
            found[longer[0], losses] = found.pop((rows, losses)) + found[longer[0], losses]
    return found


def _in_parts(alike: Sequence[_Table]) -> list[Sequence[_Table]]:
    """As few as hold `MOST_STACKED` each, of near numbers of tables, so that programs of one shape serve them all."""
    count = -(-len(alike) // MOST_STACKED)
    ends = [k * len(alike) // count for k in range(count + 1)]
    return [alike[first:last] for first, last in itertools.pairwise(ends)]
