"""How a plan answers to the loss of each run behind it, through the fit's own optimality."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pandas as pd
from jax import Array

from jaxscale._base.devices import compile_options
from jaxscale._base.errors import InputError
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64
from jaxscale._base.text import format_number
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import PlanRow
from jaxscale._planning.sensitivity import Sensitivity, all_moved, answers
from jaxscale._problem.arrays import ProblemArrays, Task
from jaxscale._problem.evaluate import value_of
from jaxscale._problem.problem import Problem

_SHOWN = 10  # runs that are printed
_STEP = 1e-4  # of a response, for what is printed: a tenth of the usual delta


def run_sensitivity(plan: Plan, runs: Runs | None = None) -> Sensitivity:
    """Derivatives of every answer of a plan in the observed response of every run, without a refit.

    The fitted parameters theta solve grad F(theta, y) = 0, so d theta / d y = -(F_theta,theta)^-1 F_theta,y; parameters
    on a bound stay there. The plan's own derivatives carry theta on to N, D and loss. With Huber's misfit only runs
    within delta of the law move anything: the others pull with a force that does not depend on their distance.

    Printed, it says by how much N, D, D/N and loss move with a very small step, for the runs that matter most: a run
    that is off by more than Huber's delta (.1 % as a rule) pulls no harder. `to_frame()` has one row per budget and
    run, those that matter most first. Columns: budget, row (of the table), observed, N, D, tokens_per_param, loss (and
    cost, where a loss is to be reached): derivatives of the log of each in the log of the observed response, or in the
    response itself where the fit compared responses as they are.

    Args:
        plan: made from a fit; of one over a doubt it is asked of the plan at the point estimate.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: the plan was not made from a fit, or its runs are missing.
    """
    plan, result = of_its_fit(plan)
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    with in_float64():
        moves = of_theta(problem, moves_of_responses(problem, problem.reduce(result.theta))[0])
    tables = []
    for row in plan.rows:
        slopes = {q: of @ moves for q, of in slopes_in_theta(plan, row, result.theta).items()}
        table = pd.DataFrame({"budget": row.budget, "row": runs.rows, "observed": np.asarray(runs.response)} | slopes)
        order = np.argsort(-table[list(slopes)].abs().max(axis=1).to_numpy(), kind="stable")
        tables.append(table.iloc[order])
    name = plan.response.name
    step = "0.01 % higher" if result.objective.space == "log" else "higher by 0.0001"

    def cells(answer: Mapping[str, Any]) -> tuple[str, ...]:
        return str(answer["row"]), format_number(answer["observed"]), *all_moved(plan, answer, _STEP)

    return answers(
        plan,
        f"what the {name} of each run moves",
        tables,
        ("row", name, *plan.quantities.values()),
        cells,
        f"How the plan would move if the {name} of that run were {step}, to first order, while it stays "
        "within Huber's delta of the law. Rows are counted from 1 below the header; runs that move "
        "nothing lie where the objective no longer asks how far off they are.",
        most=_SHOWN,
    )


def of_its_fit(plan: Plan) -> tuple[Plan, FitResult]:
    """The plan at the point estimate, and the fit that it was made from.

    Raises:
        InputError: it was made from something else.
    """
    request = plan.request if isinstance(plan, Plan) else None
    result = None if request is None else request.source.record
    if request is None or not isinstance(result, FitResult):
        raise InputError("only a plan made from a fit answers to runs; make it with frontier(fit(...), ...)")
    return plan if request.doubt is None else make_plan(replace(request, doubt=None)), result


@kept
def _compiled(task: Task) -> Any:
    value = value_of(task)

    def second_derivatives(free: Array, tables: ProblemArrays) -> tuple[Array, Array]:
        points = tables.points

        def slope(free: Array, response: Array) -> Array:
            return jax.grad(value)(free, tables._replace(points=points._replace(response=response)))

        return jax.jacfwd(slope)(free, points.response), jax.jacrev(slope, 1)(free, points.response)

    return Program(second_derivatives, compile_options())


def moves_of_responses(problem: Problem, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the free values in each run's response, (free, n_runs), nan where the optimum is singular; and the
    curvature of the objective that they come from, (free, free). Call under float64."""
    curvature, mixed = map(np.asarray, _compiled(problem.task)(free, problem.tables()))
    return answered(problem, free, curvature, mixed[:, : problem.count] * problem.whitening), curvature


def answered(problem: Problem, free: np.ndarray, curvature: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """How the free values answer to changes of the gradient of the objective, (free, k): by minus its curvature's
    inverse, those on a bound not at all."""
    loose = ~problem.at_bound(free)
    moves = np.zeros_like(forces)
    if not loose.any():
        return moves
    inner = curvature[np.ix_(loose, loose)]
    unit = 1 / np.sqrt(np.maximum(np.abs(np.diag(inner)), 1e-300))
    scaled = inner * unit * unit[:, None]
    if np.linalg.cond(scaled) > 1e14:
        moves[:] = np.nan
    else:
        moves[loose] = -unit[:, None] * np.linalg.solve(scaled, unit[:, None] * forces[loose])
    return moves


def slopes_in_theta(plan: Plan, row: PlanRow, theta: np.ndarray) -> dict[str, np.ndarray]:
    """By quantity, its derivatives (n_parameters,) in theta: a plan's own are per unit of a share, those of theta per
    unit of its log odds."""
    law = plan.law
    scales = [p.slope(x) if p.transform == "logit" else 1.0 for p, x in zip(law.parameters, theta, strict=True)]
    return {
        quantity: np.array([by_name[p.name] * scale for p, scale in zip(law.parameters, scales, strict=True)])
        for quantity, by_name in row.sensitivities.items()
    }


def of_theta(problem: Problem, moves: np.ndarray) -> np.ndarray:
    """Moves of the free values (free, k) as those of theta, (n_parameters, k): tied ones go together, pinned ones
    stay."""
    return np.stack([moves[s] if s >= 0 else 0 * moves[0] for s in problem.layout.slots])
