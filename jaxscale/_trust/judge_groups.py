"""Whether runs of several corpora, families or recipes lie on different laws, told apart by a column or by none."""

from collections.abc import Iterator

import numpy as np

from jaxscale._base.text import as_percent, quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.wording import flag, valued_flag
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.lack_of_fit import misfit_between
from jaxscale._trust.residuals import MOST_NAMED
from jaxscale._trust.two_levels import two_levels

UNLIKELY, SIZE = 1e-4, 2e-3  # the chance under one law of what is pointed out, and its least size in logs
SURE, SURE_SIZE = 1e-6, 5e-3
LEVELS_APART = 3e-3  # in logs, where no column tells them apart
_ALIKE = 0.02  # logs of sizes within a group that differ by less are one


def group_checks(e: Evidence) -> Iterator[Reason]:
    """A level of its own for each value of a column, beside the law: the column in which they differ most."""
    central = e.at.scatter.share_below == 0.5
    if e.problem.task.space != "log" or e.problem.law.along_runs or not e.at.sigma > 0 or e.exact or not central:
        return
    rows = np.asarray(e.runs.rows)[e.at.used]
    levels, names = {}, {}
    for column, groups in e.runs.record.groups.items():
        if rows.max(initial=0) >= len(groups.codes):
            continue
        codes, counts = np.unique(groups.codes[rows], return_counts=True)
        if len(codes) > 1 and counts.min() > 1 and not _is_a_size(groups.codes[rows], e.scalar_logs):
            levels[column] = (groups.codes[rows][:, None] == codes) * 1.0
            names[column] = [groups.values[k] for k in codes if k >= 0]
    found = misfit_between(e.table, levels)
    if found is None or not (found.p < UNLIKELY and found.size > SIZE):
        yield from _two_levels(e)
        return
    column = quoted(found.against)
    first = names[found.against][0]
    yield Reason(
        "groups_differ",
        "fatal" if found.p < SURE and found.size > SURE_SIZE else "warning",
        f"runs with different values of column {column} lie {as_percent(found.size, 1)} apart in the "
        f"{e.response.name} (F = {found.f:.0f}), so that one law fits none of them; fit each, by={column} "
        f"({valued_flag('by', column)}), or one, where={quoted(f'{found.against} == {first}')} ({flag('where')})",
    )


def _two_levels(e: Evidence) -> Iterator[Reason]:
    """Levels that no column tells apart."""
    found = e.ask(two_levels)
    if found is None or not found.apart > max(LEVELS_APART, _rounding(e.runs.response[e.at.used])):
        return
    rows = np.asarray(e.runs.rows)[e.at.used]
    low, high = rows[found.lower], rows[~found.lower]
    which, few = ("lower", low) if len(low) <= len(high) else ("higher", high)
    more = f" and {len(few) - MOST_NAMED} more" if len(few) > MOST_NAMED else ""
    yield Reason(
        "two_levels",
        "warning",
        f"the runs lie on two levels, {as_percent(found.apart, 1)} of the {e.response.name} apart, as those of two "
        f"corpora or recipes do (the {which} one: rows {', '.join(map(str, few[:MOST_NAMED]))}{more}); if they are, "
        f"add a column that says which and fit each, by= ({flag('by')})",
        tuple(map(int, few)),
    )


def _rounding(response: np.ndarray) -> float:
    """The unit of the last digit of the response, as a share of it: rounding makes levels half a unit apart."""
    for digits in range(7):
        if np.allclose(np.round(response, digits), response, rtol=1e-12, atol=0.0):
            return float(10.0**-digits / np.min(np.abs(response)))
    return 0.0


def _is_a_size(codes: np.ndarray, logs: dict[str, np.ndarray]) -> bool:
    """Whether a column only says again how large a model is, or which run a row is of: one N in each group."""
    sizes = logs.get("N")
    if sizes is None:
        return False
    return all(np.ptp(sizes[codes == k]) < _ALIKE for k in np.unique(codes))
