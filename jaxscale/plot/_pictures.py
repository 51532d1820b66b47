"""The pictures, one function each."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxscale._charts import fit_charts, plan_charts
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult
from jaxscale._planning.plan import Plan
from jaxscale.plot._draw import draw
from jaxscale.plot._picture import Picture


def residuals(
    result: FitResult, against: str | Sequence[str] | None = None, *, runs: Runs | None = None, ax: Any = None
) -> Picture:
    """How far each run lies above the fit, in per cent where the response is positive: is there a pattern left?

    Args:
        result: the fit.
        against: variables of the runs, one panel for each; by default those of the law, and the compute.
        runs: the runs, where the fit was read from a file that does not carry them.
        ax: axes to draw on, as many as there are panels.

    Raises:
        InputError: the runs are missing, or have no such variable.
    """
    return draw(fit_charts.residuals(result, against, runs), ax)


def observed(result: FitResult, held_out: Runs | None = None, *, runs: Runs | None = None, ax: Any = None) -> Picture:
    """What was measured against what the fit says, of the runs it was fitted to and of others that were held out.

    Raises:
        InputError: the runs are missing.
    """
    return draw(fit_charts.observed(result, held_out, runs), ax)


def starts(result: FitResult, *, ax: Any = None) -> Picture:
    """The objective that each start reached, above the best: do they agree on one optimum?"""
    return draw(fit_charts.starts(result), ax)


def frontier(
    plan: Plan,
    of: str | Sequence[str] | None = None,
    *,
    beside: Mapping[str, Plan] | None = None,
    ax: Any = None,
) -> Picture:
    """The best size, tokens, tokens per parameter and response over the budgets of a plan, with their intervals.

    Args:
        plan: the plan; of some ten budgets or more its lines are smooth.
        of: quantities of the plan, one panel for each: N, D, tokens_per_param, loss, cost or a variable of the law.
        beside: other plans for comparison, by name.
        ax: axes to draw on, as many as there are panels.

    Raises:
        InputError: the plan has no such quantity.
    """
    return draw(plan_charts.frontier(plan, of, dict(beside or {})), ax)
