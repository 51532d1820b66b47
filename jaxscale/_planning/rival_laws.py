"""Laws that may be true in place of the one that a plan is made from, tried on the runs behind it."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._planning.source import Source, source_of

# Powers that add up, powers under one exponent, and a power of a sum: between them lies what is known of text.
RIVALS = ("chinchilla", "skaling", "kaplan_nd")
_DRAWS = 1000  # of each law, where a fit brings none


def rivals_tried(source: Source) -> Any:
    """A `Comparison` of the law and its rivals, fitted to the smaller of its runs and judged by the larger: only looked
    up here, when it is asked for, since trials of laws stand beside plans.

    Raises:
        InputError: there are no runs, too few to hold some out, or the law is not one of N and D.
    """
    runs = getattr(source.record, "runs", None)
    if runs is None:
        raise InputError(
            f'under="laws" (--under laws) tries laws on the runs behind a fit, and {quoted(source.label)} brings none; '
            "plan from a fit of the table, or give fits of several laws"
        )
    if {v.name for v in source.law.variables} != {"N", "D"}:
        raise InputError(
            f'under="laws" (--under laws) knows laws of N and D, and {quoted(source.label)} is one of '
            f"{', '.join(v.name for v in source.law.variables)}; give fits of several laws"
        )
    others = [name for name in RIVALS if name != source.law.full_name]
    compare = import_module("jaxscale._analyses.comparison.compare").compare
    return compare(runs, [source.law, *others], rolling="C", objective=source.record.objective)


def contender_of(one: Any) -> Source:
    """One law of a comparison, as sure as its fit to all runs is; a point where its file has left that out."""
    result = getattr(one, "result", None)
    return replace(source_of(one), covariance=getattr(result, "covariance", None), record=result)


def with_draws(source: Source, count: int | None) -> Source:
    """With fits of its runs resampled, where it has a fit of them and no draws: only looked up here, as a plan needs no
    fit. A law that they do not determine keeps its point estimate alone."""
    if source.draws is not None or getattr(source.record, "runs", None) is None:
        return source
    bootstrap = import_module("jaxscale._fitting.bootstrap").bootstrap
    try:
        drawn = bootstrap(source.record, draws=count or _DRAWS).draws
    except InputError:
        drawn = None
    return replace(source, covariance=None, draws=drawn)
