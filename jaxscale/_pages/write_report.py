"""The verb `report_html`, which results and plans have: everything about a decision in one file."""

import math
from pathlib import Path
from typing import Any

from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._base.errors import InputError
from jaxscale._base.plain_data import json_text
from jaxscale._base.text import quoted, write_atomic
from jaxscale._fitting.result import FitResult
from jaxscale._pages.content import Content
from jaxscale._pages.page import page_of
from jaxscale._pages.saved_plans import comparison_from, plan_from
from jaxscale._planning.frontier import frontier
from jaxscale._planning.plan import Plan

_FORMS = {
    "html": page_of,
    "md": Content.to_markdown,
    "json": lambda content: json_text(content.to_dict()) + "\n",
}
_ENDINGS = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".json": "json"}
_FURTHER = 10.0  # times the compute of the largest run, for which the verdict answers


def write_report(
    record: FitResult | Plan, path: str | Path | None, plans: Any, compare: Any, title: str, form: str | None = None
) -> str:
    """See `Reported.report_html`."""
    if form is None:
        form = "html" if path is None else _ENDINGS.get(Path(path).suffix.lower(), "")
    if form not in _FORMS:
        told = f"form is one of {', '.join(_FORMS)}; a path says it by its ending, .html, .md or .json"
        raise InputError(f"{told}; got {quoted(path if form == '' else form)}")
    text = _FORMS[form](content_of(record, plans, compare, title))
    if path is not None:
        write_atomic(path, text)
    return text


def content_of(record: FitResult | Plan, plans: Any = (), compare: Any = None, title: str = "") -> Content:
    """What a report says of these records."""
    listed = [plans] if isinstance(plans, Plan | str | Path) else list(plans or ())
    if isinstance(record, Plan):
        made_from = record.request.source.record if record.request is not None else None
        result, asked = made_from if isinstance(made_from, FitResult) else None, [record, *listed]
    else:
        result, asked = record, listed
    found = tuple(_plan(plan, result, k) for k, plan in enumerate(asked, start=1))
    given = bool(found)
    if not found and result is not None:
        found = _usual_plan(result)
    comparison = comparison_from(compare) if isinstance(compare, str | Path) else compare
    if comparison is not None and not isinstance(comparison, Comparison):
        raise InputError(f"compare= takes a comparison or the path of one, got {quoted(type(comparison).__name__)}")
    return Content(result, found, comparison, given, title)


def _plan(plan: Any, result: FitResult | None, k: int) -> Plan:
    if isinstance(plan, str | Path) and result is not None:
        return plan_from(plan, result)
    if not isinstance(plan, Plan):
        raise InputError(f"plans= takes plans of this fit or paths of their files, got {quoted(type(plan).__name__)}")
    if result is not None and (plan.law is not result.law or dict(plan.params) != dict(result.params)):
        raise InputError(
            f"plan {k} is of {quoted(plan.label)} with other constants than this fit; a report is of one fit"
        )
    return plan


def _usual_plan(result: FitResult) -> tuple[Plan, ...]:
    """For want of a plan, one of laws of N and D."""
    budgets = usual_budgets(result)
    return (frontier(result, budgets),) if budgets else ()


def usual_budgets(result: FitResult) -> list[float]:
    """The compute of the largest run, and ten times that; none of laws of other variables."""
    if {v.name for v in result.law.variables} != {"N", "D"} or result.law.response.better == "neither":
        return []
    largest = _largest_compute(result)
    if not math.isfinite(largest):
        return []
    digits = 10.0 ** math.floor(math.log10(largest))
    return [float(f"{round(largest / digits) * digits * k:.3g}") for k in (1.0, _FURTHER)]


def _largest_compute(result: FitResult) -> float:
    if result.runs is not None:
        return float(result.runs.variable("C").max())
    ranges = result.record.ranges
    if "C" in ranges:
        return ranges["C"][1]
    return 6 * ranges["N"][1] * ranges["D"][1] if {"N", "D"} <= ranges.keys() else math.nan
