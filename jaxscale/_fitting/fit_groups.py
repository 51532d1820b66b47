"""Groups fitted side by side with others of their size: what a call says, and the fits."""

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
from jaxscale._problem.stack import MOST_STACKED, Stack, stacked_rows
from jaxscale.laws import Law

_READING = frozenset(
    {"N", "D", "C", "loss", "response", "run", "checkpoints", "loss_se", "where", "on_bad", "loss_unit", "domains"}
    | {"units", "decimal", "best_of", "encoding"}
)


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
