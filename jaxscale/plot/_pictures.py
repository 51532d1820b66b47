"""The pictures, one function each."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import IsoFlop
from jaxscale._analyses.approaches.side_by_side import Approaches
from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._analyses.comparison.skills import Skills
from jaxscale._analyses.deciding.chosen_runs import NextRuns
from jaxscale._analyses.deciding.forecast import Forecast
from jaxscale._analyses.deciding.multiplier import Multiplier
from jaxscale._analyses.deciding.score import Score
from jaxscale._analyses.deciding.watched import Watched
from jaxscale._analyses.diagnostics.bias import Bias
from jaxscale._analyses.diagnostics.influence import Influence
from jaxscale._analyses.diagnostics.multiverse import Multiverse
from jaxscale._analyses.diagnostics.profile import Profile
from jaxscale._data.runs import Runs
from jaxscale._fitting.draws import Draws
from jaxscale._fitting.result import FitResult
from jaxscale._planning.plan import Plan
from jaxscale._planning.recipes.written_recipe import Recipe
from jaxscale._planning.what_if import WhatIf
from jaxscale.laws import Instance
from jaxscale.plot._charts import (
    approach_charts,
    backtest_chart,
    bias_chart,
    chain_chart,
    comparison_charts,
    decision_charts,
    fit_charts,
    forecast_charts,
    multiplier_chart,
    next_runs_chart,
    plan_charts,
    question_charts,
    recipe_chart,
    skills_chart,
    valley_chart,
    watch_chart,
)
from jaxscale.plot._draw import draw
from jaxscale.plot._picture import Picture


# --- Of a fit ---
def overview(result: FitResult, *, runs: Runs | None = None, ax: Any = None) -> Picture:
    """Four pictures that a fit needs: predicted and observed, residuals against compute (or the law's first variable),
    what it foretells, and what its starts reached; of laws that are not of N and D, those that they have.

    Raises:
        InputError: the runs are missing.
    """
    return draw(decision_charts.overview(result, runs), ax)


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


def contours(
    result: FitResult, to: float | None = None, *, draws: Any = None, runs: Runs | None = None, ax: Any = None
) -> Picture:
    """Lines of equal loss over sizes and tokens, with the runs, lines of equal compute, and the best of each budget.

    Args:
        result: the fit, of a law of N and D.
        to: the largest budget, in FLOPs; 100 times the largest run by default.
        draws: `Draws` of the fit for the interval of the best N, in place of the fit's own.
        runs, ax: as in `residuals`.

    Raises:
        InputError: the runs are missing, or the law takes other variables.
    """
    return draw(decision_charts.contours(result, to, draws, runs), ax)


def extrapolation(
    result: FitResult,
    to: float | None = None,
    *,
    held_out: Runs | None = None,
    targets: Mapping[str, tuple[float, float]] | None = None,
    runs: Runs | None = None,
    ax: Any = None,
) -> Picture:
    """The loss of the best model of each budget, dashed beyond the runs, with the interval of the law.

    Args:
        result: the fit, of a law of N and D.
        to: the largest budget, in FLOPs; 1000 times the largest run by default.
        held_out: larger runs that the fit has not seen.
        targets: predictions written down beforehand: (FLOPs, response) by name.
        runs, ax: as in `residuals`.

    Raises:
        InputError: the runs are missing, or the law takes other variables.
    """
    return draw(decision_charts.extrapolation(result, to, held_out, targets, runs), ax)


def backtest(record: FitResult | Comparison, *, runs: Runs | None = None, ax: Any = None) -> Picture:
    """The error over how far beyond the runs fitted to it is made.

    Of a fit the larger runs as the smaller ones foretell them, for several cuts, by robust fits of the law linearized
    at its optimum, as the verdict makes them. Of a comparison the root mean square error of each law on the runs held
    out, in bins of compute over the largest compute fitted to.

    Args:
        record: a fit or a comparison.
        runs: of a fit that was read from a file which does not carry them.
        ax: axes to draw on.

    Raises:
        InputError: the runs are missing.
    """
    if isinstance(record, Comparison):
        return draw(backtest_chart.of_comparison(record), ax)
    return draw(backtest_chart.of_fit(record, runs), ax)


def chain(result: FitResult, *, runs: Runs | None = None, ax: Any = None) -> Picture:
    """Each step of a chain by itself, loss to accuracy say, and the last response from the first variables.

    Raises:
        InputError: the law is no chain, or the runs are missing.
    """
    return draw(chain_chart.chain(result, runs), ax)


def valley(
    record: FitResult | Instance,
    over: Sequence[str] | None = None,
    *,
    at: Mapping[str, float] | None = None,
    between: Mapping[str, tuple[float, float]] | None = None,
    within: float = 0.005,
    runs: Runs | None = None,
    ax: Any = None,
) -> Picture:
    """A response over one or two settings, such as learning rate and batch, with its best and the region as good.

    Args:
        record: a fit, or published constants.
        over: the variables to draw over; the first two that `at` does not hold if not given.
        at: values of the others, {"N": 1e9}; runs within 2 % of them are drawn.
        between: ends of the variables drawn over, {"lr": (1e-4, 1e-2)}; those of the runs if not given.
        within: how far from the best, as a share of the response, counts as good as it; of a response that may be
            negative, as a share of the range drawn.
        runs, ax: as in `residuals`.

    Raises:
        InputError: a variable is unknown, is not held, or has no range.
    """
    return draw(valley_chart.valley(record, tuple(over or ()), at, between, within, runs), ax)


# --- Of plans ---
def frontier(
    plan: Plan,
    of: str | Sequence[str] | None = None,
    *,
    beside: Mapping[str, Plan] | None = None,
    name: str = "",
    ax: Any = None,
) -> Picture:
    """The best size, tokens, tokens per parameter and response over the budgets of a plan, with their intervals.

    Args:
        plan: the plan; of some ten budgets or more its lines are smooth.
        of: quantities of the plan, one panel for each: N, D, tokens_per_param, loss, cost or a variable of the law.
        beside: other plans for comparison, by name.
        name: what the plan itself is called beside them; its label by default.
        ax: axes to draw on, as many as there are panels.

    Raises:
        InputError: the plan has no such quantity.
    """
    return draw(plan_charts.frontier(plan, of, dict(beside or {}), name), ax)


def price_of_size(plan: Plan, row: int = -1, *, ax: Any = None) -> Picture:
    """What a smaller or a larger model than the best costs at the budget of one row of a plan, by the plan's own cost,
    with what is served and repeated tokens: how much worse it is, and how much more it takes to be as good.

    Raises:
        InputError: the law takes other variables than N and D, or the plan has no answer in that row.
    """
    return draw(decision_charts.price_of_size(plan, row), ax)


def tornado(plan: Plan, quantity: str = "N", *, row: int = -1, change: float = 0.1, ax: Any = None) -> Picture:
    """How far one quantity of a plan swings when each assumption moves alone; see `jaxscale.tornado`.

    Raises:
        InputError: there is no such quantity, or the plan was not made by `frontier`.
    """
    return draw(decision_charts.swings(plan, quantity, row, change), ax)


def what_if(found: WhatIf, *, ax: Any = None) -> Picture:
    """A plan before and after a change."""
    return draw(decision_charts.what_if(found), ax)


# --- Of approaches, questions and comparisons ---
def isoflops(
    record: IsoFlop | Approaches | FitResult, *, tolerance: float = 0.1, runs: Runs | None = None, ax: Any = None
) -> Picture:
    """The losses of each budget over sizes, with the curve through them and its lowest point.

    Args:
        record: isoFLOP profiles (curves, lowest points with intervals, grey where outside the runs, and the power law
            through them); approaches, whose unbiased profiles are taken; or a fit, its law drawn along each budget.
        tolerance: how far a run's compute may be from its budget, as a share; of a fit.
        runs, ax: as in `residuals`.

    Raises:
        InputError: there are no budgets with several sizes.
    """
    if isinstance(record, FitResult):
        return draw(approach_charts.isoflops_of_fit(record, tolerance, runs), ax)
    return draw(approach_charts.isoflops(record), ax)


def envelope(found: Envelope, runs: Runs | None = None, *, ax: Any = None) -> Picture:
    """The lowest loss at each compute, the training curves under it where the runs are given, and the best sizes."""
    return draw(approach_charts.envelope(found, runs), ax)


def approaches(found: Approaches, *, ax: Any = None) -> Picture:
    """The exponent of the best size, and the best size at the largest budget, as each approach says it."""
    return draw(approach_charts.approaches(found), ax)


def profile(found: Profile, *, ax: Any = None) -> Picture:
    """How the objective rises when one quantity is held away from its estimate, and the interval that follows."""
    return draw(question_charts.profile(found), ax)


def pairs(draws: Draws, names: Sequence[str] | None = None, *, ax: Any = None) -> Picture:
    """Histograms of the parameters' draws, each pair of parameters, and their correlations.

    Raises:
        InputError: the law has no such parameter, or more than seven; choose with `names`.
    """
    return draw(question_charts.pairs(draws, tuple(names or ())), ax)


def influence(found: Influence, *, ax: Any = None) -> Picture:
    """The runs that count most, each left out by itself, and how far off and how far out each run lies."""
    return draw(question_charts.influence(found), ax)


def multiverse(found: Multiverse, decision: str = "N", *, ax: Any = None) -> Picture:
    """A specification curve (Simonsohn, Simmons & Nelson 2020): the answers in order, and below each the options that
    led to it.

    Raises:
        InputError: `decision` is none of N, D, loss.
    """
    return draw(question_charts.multiverse(found, decision), ax)


def bias(found: Bias, row: int = -1, *, ax: Any = None) -> Picture:
    """How far each bias of the runs moves the best N of one row of a plan, over the size of the bias."""
    return draw(bias_chart.bias(found, row), ax)


def next_runs(found: NextRuns, *, ax: Any = None) -> Picture:
    """Where the next runs lie, and what deciding then would waste as they come in, with and without their price."""
    return draw(next_runs_chart.next_runs(found), ax)


def held_out(found: Comparison, *, ax: Any = None) -> Picture:
    """The mean error of each law on runs held out, and the error on each of them."""
    return draw(comparison_charts.held_out(found), ax)


# --- Of decisions ---
def multiplier(found: Multiplier, *, ax: Any = None) -> Picture:
    """The compute that each recipe needs for the loss that the baseline reaches, over scale, with its interval."""
    return draw(multiplier_chart.multiplier(found), ax)


def recipe(found: Recipe, *, ax: Any = None) -> Picture:
    """Shapes near the planned size and what rounding to them costs, batches that laws name, and memory by stage."""
    return draw(recipe_chart.recipe(found), ax)


def forecast(found: Forecast, *, ax: Any = None) -> Picture:
    """What is foretold of runs to come, with the interval of the law and the wider one of a new run."""
    return draw(forecast_charts.forecast(found), ax)


def score(found: Score, *, ax: Any = None) -> Picture:
    """How far new runs lie from what was foretold, which lie outside their interval, and how often intervals held."""
    return draw(forecast_charts.score(found), ax)


def skills(found: Skills, *, ax: Any = None) -> Picture:
    """What each way of foretelling scores of benchmarks missed by on families of models left out."""
    return draw(skills_chart.skills(found), ax)


def watch(found: Watched, *, ax: Any = None) -> Picture:
    """The loss of a run under way, so far and to come with its interval, among those of finished runs."""
    return draw(watch_chart.watch(found), ax)


def coverage(found: Score | Comparison, *, ax: Any = None) -> Picture:
    """How often intervals held what they promised: of a score at every level, of a comparison for each law."""
    return draw(forecast_charts.coverage(found), ax)
