"""What to do about a fit that is refused: the runs that would make it trustworthy, and what its table does give."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.text import as_percent, format_number, plural
from jaxscale._base.verdict import BEYOND, Reason
from jaxscale._data.notes import MIXED_CONVENTIONS, SUSPICIOUS_UNITS
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.plan_beyond import PlanBeyond, in_free, log_best_size, loss_slopes, plan_beyond
from jaxscale._trust.residuals import distinct

_DESIGN = {"few_distinct_sizes", "one_ray", "too_few_runs", "ill_conditioned", "weakly_identified", "at_bound"}
_MISFIT = {"lack_of_fit", "backtest_failed", "residual_trend", "cross_term", "residuals_dependent", "groups_differ"}
_SIZES, _ASIDE = 5, 4.0  # of the runs to add: sizes at one budget, and how many times less and more than the best one
_REPEATS, _TIMES = (1, 2, 4, 8), (1.0, 3.0, BEYOND)  # runs of each of these, budgets over the largest compute
_ENOUGH = 3  # budgets, and sizes at each, of isoFLOP curves
_ONE_BUDGET = 0.2  # logs of compute that differ by less are one budget


def next_step(e: Evidence, reasons: Sequence[Reason], lines: tuple[float, float]) -> str:
    """One or two sentences; empty where nothing is fatal. lines: half widths of log N* and of the log of the least loss
    from which on plans are refused."""
    fatal = {r.code for r in reasons if r.severity == "fatal"}
    if not fatal:
        return ""
    if fatal & {SUSPICIOUS_UNITS, MIXED_CONVENTIONS}:
        return "Next: mend the table; what else is said of it may then be no more true."
    response = e.runs.response[e.at.used]
    if len(response) > 1 and np.ptp(response) == 0:
        return f"Next: another column of the {e.response.name}, as this one is the same in every run."
    first = ""
    if fatal & _MISFIT:
        first = "Next: another law (compare), as more runs of this design do not mend this one."
    elif fatal & _DESIGN:
        first = _runs_to_add(e, lines) or _runs_of_a_design(e)
    return " ".join(filter(None, (first, _best_answer(e, fatal))))


def _runs_to_add(e: Evidence, lines: tuple[float, float]) -> str:
    """The fewest runs, by compute, on one isoFLOP curve around the best size that bring the plan within the lines."""
    decision = plan_beyond(e)
    if decision is None or e.covariance is None or not np.isfinite(decision.errors).all() or not e.at.sigma > 0:
        return ""
    try:
        known = np.linalg.inv(e.covariance.matrix)
    except np.linalg.LinAlgError:
        return ""
    most = float(np.max(e.scalar_logs["N"] + e.scalar_logs["D"]))
    found, full = [], e.problem.full(e.free)
    theta = dict(zip(e.problem.law.parameter_names, map(float, full), strict=True))
    for times in _TIMES:
        log_product = most + math.log(times)
        best = log_best_size(e, full, log_product)
        assert best is not None  # as the decision is not
        sizes = best + np.linspace(-math.log(_ASIDE), math.log(_ASIDE), _SIZES)
        rows = in_free(e, loss_slopes(theta, sizes, log_product - sizes)) / e.at.sigma
        for repeats, ends in zip(_REPEATS, _ends(e, known, rows, decision), strict=True):
            if ends[0] < lines[0] and ends[1] < lines[1]:
                found.append((times * repeats, times, repeats, sizes, ends, log_product))
                break
    if not found:
        return ""
    _, times, repeats, sizes, ends, log_product = min(found, key=lambda one: one[0])
    low, high = (format_number(math.exp(x), 2) for x in (sizes[0], sizes[-1]))
    flops = format_number(6 * math.exp(log_product), 2)
    each = "" if repeats == 1 else f", {repeats} of each"
    return (
        f"Next: {plural(repeats * _SIZES, 'run')} at {flops} FLOPs ({_over(times)}), {_SIZES} sizes from "
        f"{low} to {high} parameters{each}, would let the best N be known to x{math.exp(ends[0]):.2g} and the least "
        f"{e.response.name} to {as_percent(math.expm1(ends[1]))}, if the law holds."
    )


def _over(times: float) -> str:
    return "the largest so far" if times == 1 else f"{times:g} times the largest so far"


def _ends(e: Evidence, known: np.ndarray, rows: np.ndarray, decision: PlanBeyond) -> np.ndarray:
    """Half widths of the decision's intervals with the runs of these rows added so often as `_REPEATS` says,
    (repeats, 2)."""
    repeats = np.array(_REPEATS)
    information = known + (repeats[:, None, None] * rows.T) @ rows
    variance = ((decision.slopes @ np.linalg.pinv(information)) * decision.slopes).sum(axis=2)
    return stdtrit(e.at.freedom + repeats * len(rows), 0.95)[:, None] * np.sqrt(np.maximum(variance, 0.0))


def _runs_of_a_design(e: Evidence) -> str:
    """Runs that would tell the terms apart, where nothing can be computed from a fit that does not."""
    logs = e.scalar_logs
    if not {"N", "D"} <= logs.keys():
        few = [name for name, x in logs.items() if distinct(x, _ENOUGH) < _ENOUGH]
        return f"Next: runs that vary {' and '.join(few)}." if few else ""
    spent = logs["N"] + logs["D"]
    ends = [math.log(6.0) + x for x in (spent.min(), spent.max())]
    if ends[1] - ends[0] < math.log(BEYOND):
        ends[0] = ends[1] - math.log(BEYOND**2)
    low, high = (format_number(math.exp(min(x, 700.0)), 2) for x in ends)
    middle = float(np.median(logs["D"] - logs["N"]))
    ratios = " to ".join(format_number(math.exp(min(middle + step, 700.0)), 2) for step in (-1.5, 1.5))
    return (
        f"Next: isoFLOP runs, 3 budgets from {low} to {high} FLOPs with at least 3 sizes at each, so that tokens per "
        f"parameter run from {ratios}."
    )


def _best_answer(e: Evidence, fatal: set[str]) -> str:
    """What the table gives in spite of all."""
    if "groups_differ" in fatal:
        return "Until then: a fit of each group, or of all with exponents in common (fit_many share=, --share)."
    logs = e.scalar_logs
    if not {"N", "D"} <= logs.keys():
        return ""
    spent = np.sort(logs["N"] + logs["D"])
    starts = np.flatnonzero(np.diff(spent, prepend=-np.inf) > _ONE_BUDGET)
    order = np.argsort(logs["N"] + logs["D"], kind="stable")
    curves = [mine for mine in np.split(order, starts[1:]) if len(mine) >= _ENOUGH]
    full = sum(distinct(logs["N"][mine], _ENOUGH) >= _ENOUGH for mine in curves)
    if full >= _ENOUGH:
        return (
            f"Until then: the table has {full} budgets of 3 and more sizes, of which isoflop (jaxscale isoflop) reads "
            "the best sizes and their exponent without this law."
        )
    if fatal & _MISFIT and len(spent) >= 40:
        from_ = format_number(6 * math.exp(min(float(spent[len(spent) // 2]), 700.0)), 2)
        return f"Until then: a fit of the larger half of the runs, those from {from_} FLOPs on, if it is sound."
    return ""
