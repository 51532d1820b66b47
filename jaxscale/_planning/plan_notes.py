"""What a plan says beside it: which rows went wrong, how far beyond the runs they lie, what a drift would move."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from jaxscale._base.measure import Measure
from jaxscale._base.text import as_move, as_times, format_number, with_article
from jaxscale._base.verdict import BEYOND
from jaxscale._planning.plan_row import PlanRow, Status, log_spent_by
from jaxscale.laws import Law

_TROUBLES: dict[Status, tuple[str, str]] = {  # said of one row, and of more
    "infeasible": ("cannot keep to all limits", "cannot keep to all limits"),
    "failed": ("has no certified optimum", "have no certified optimum"),
    "flat": ("has other sizes that do as well", "have other sizes that do as well"),
}


UNTRUSTED = "The fit behind this plan is not trustworthy; see its verdict."  # the first note of such a plan


def _share(count: int, rows: Sequence[PlanRow], of: str) -> str:
    """That many of the rows, as the subject of a sentence."""
    return "the plan" if len(rows) == 1 else f"{count} of {len(rows)} {of}"


def troubles(rows: Sequence[PlanRow], of: str) -> Iterator[str]:
    """What went wrong, a sentence for each kind; `of` says what the rows are: budgets, or targets."""
    counts = Counter(row.status for row in rows)
    for status, (one, more) in _TROUBLES.items():
        if count := counts[status]:
            yield f"{_share(count, rows, of)} {one if count == 1 else more}"


def times_largest(row: PlanRow) -> float:
    """What a row spends on training over the most that a run spent; nan where that is not known."""
    return math.nan if row.times_largest_run is None else row.times_largest_run


def beyond(rows: Sequence[PlanRow], law: Law, of: str, *, vouched: bool) -> list[str]:
    """How far the plan lies beyond the largest run, and beyond what the verdict vouches for, in compute."""
    times = [times_largest(row) for row in rows]
    if not (most := max((t for t in times if t > 1.005), default=0.0)):
        return []
    spent = math.exp(min(log_spent_by(law, rows[times.index(most)].variables) or 0.0, 700.0))
    logged = [v for v in law.variables if v.logged]
    unit = "FLOPs" if len(logged) > 1 else logged[0].unit or logged[0].name
    far = f"{format_number(spent, 3)} {unit} is {as_times(most)} times your largest run"
    if not vouched:
        return [f"{far}."]
    count = sum(t > BEYOND * 1.005 for t in times)
    if not count:
        return [f"{far}; the verdict vouches for {BEYOND:g}."]
    lie = f" ({_share(count, rows, of)} {'lies' if count == 1 else 'lie'} beyond)" if len(rows) > 1 else ""
    return [f"{far}; the verdict vouches for {BEYOND:g}{lie}."]


def drift(rows: Sequence[PlanRow], law: Law, response: Measure, size_of: str = "N") -> list[str]:
    """What a bias of the runs that no verdict can see would do to the best size, in a sentence."""
    size, moved_by = 0.001, []
    for of in dict.fromkeys(of for row in rows for of in row.drift):
        moves = [math.expm1(size * row.drift[of].get("N", math.nan)) for row in rows if of in row.drift]
        if moves and all(map(math.isfinite, moves)):
            ends = dict.fromkeys(map(as_move, (min(moves), max(moves))))
            moved_by.append(f"per decade of {of} {f'moves {size_of} ' * (not moved_by)}by {' to '.join(ends)}")
    if not moved_by:
        return []
    high = f"{100 * size:g} %" if law.response.logged else f"{size:g}"
    drifting = with_article(response.given_name)
    return [
        f"No residual shows {drifting} that drifts with scale (learning rates tuned at one size, "
        f"say): {high} too high {', '.join(moved_by)}; js.bias (jaxscale bias) says more."
    ]
