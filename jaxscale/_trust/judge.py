"""Whether a fit may be trusted: the checks, of which each says what it found in a sentence for people."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Literal

from jaxscale._base.verdict import Reason, Verdict
from jaxscale._data.group_columns import POSSIBLE_GROUPS
from jaxscale._trust.evidence import Evidence, Finding
from jaxscale._trust.judge_checkpoints import checkpoint_checks, drift_checks
from jaxscale._trust.judge_design import design_checks, too_few_runs, weight_checks
from jaxscale._trust.judge_fit import fit_checks
from jaxscale._trust.judge_groups import group_checks
from jaxscale._trust.judge_influence import influence_checks, outlier_checks
from jaxscale._trust.judge_optimum import at_bounds, gradient_not_zero, optimum_checks, starts_disagree
from jaxscale._trust.judge_parameters import (
    LOSS_KNOWN,
    SIZE_KNOWN,
    conditioning_checks,
    decision_checks,
    margins,
    prior_checks,
    scope,
)
from jaxscale._trust.judge_residuals import residual_checks
from jaxscale._trust.judge_units import unit_checks
from jaxscale._trust.linearization import match_all
from jaxscale._trust.next_step import next_step
from jaxscale._trust.plan_beyond import plan_all
from jaxscale._trust.questions import Asking, together
from jaxscale._trust.tables_beside import side_by_side

Scope = Literal["alone", "each"]


def judge(tables: Sequence[Evidence]) -> list[Verdict]:
    """The verdict of each table."""
    match_all([e.at for e in tables])
    for which, side in side_by_side([e.table for e in tables]):
        for place, k in enumerate(which):
            vars(tables[k])["beside"] = side, place  # as the cached property would
    plan_all(tables)
    return together(map(_judged, tables))


def _judged(evidence: Evidence) -> Asking[Verdict]:
    """All checks, the worst first; hints about the table only where something is fatal."""
    alone = evidence.whole is None
    reasons = [*(evidence.whole or ())]
    for of, check in _CHECKS:
        if alone or of == "each":
            reasons += yield from _reasons(check(evidence))
    if all(r.severity != "fatal" for r in reasons):
        reasons = [r for r in reasons if r.code != POSSIBLE_GROUPS]
    lines = SIZE_KNOWN[1], LOSS_KNOWN[1]
    return Verdict.of(reasons, scope(evidence), margins(evidence), next_step(evidence, reasons, lines))


def _reasons(finding: Finding | Iterator[Reason]) -> Asking[list[Reason]]:
    """What a check finds, once it has the robust fits that it needs."""
    reasons, fits = [], None
    while True:
        try:
            item = finding.send(fits) if isinstance(finding, Generator) else next(finding)
        except StopIteration:
            return reasons
        fits = None
        if isinstance(item, Reason):
            reasons.append(item)
        else:
            fits = yield item


def judge_whole(
    gradient_norm: float, tolerance: float, finished: int, at_best: int, used: int, parameters: int
) -> tuple[Reason, ...]:
    """What holds for all groups of a joint fit: its optimum, and runs enough for all its parameters."""
    return (
        *gradient_not_zero(gradient_norm, tolerance),
        *starts_disagree(finished, at_best),
        *too_few_runs(used, parameters),
    )


# A table fitted alone is checked for all of these; of a joint fit each group for those of scope "each", since
# `judge_whole` did the others for all groups together.
_CHECKS: tuple[tuple[Scope, Callable[[Evidence], Finding | Iterator[Reason]]], ...] = (
    ("alone", optimum_checks),
    ("each", at_bounds),
    ("alone", design_checks),
    ("each", weight_checks),
    ("each", conditioning_checks),
    ("each", decision_checks),
    ("each", influence_checks),
    ("each", outlier_checks),
    ("each", residual_checks),
    ("each", fit_checks),
    ("each", group_checks),
    ("each", checkpoint_checks),
    ("each", drift_checks),
    ("each", prior_checks),
    ("each", unit_checks),
)
