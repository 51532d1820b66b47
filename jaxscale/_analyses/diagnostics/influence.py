"""What each run does to a fit: how parameters, a decision and the run's own prediction change when it is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from jaxscale import costs
from jaxscale._analyses.diagnostics.quantity import Derived, make_derived
from jaxscale._base.answered import Answered
from jaxscale._base.devices import compile_options
from jaxscale._base.errors import InputError
from jaxscale._base.files import INFLUENCE_FORMAT
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.programs import Program, kept
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.settings import in_float64
from jaxscale._base.text import as_move, format_number
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._problem.arrays import Overrides, Points, ProblemArrays, Task
from jaxscale._problem.evaluate import evaluator, predictor
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.solve import NEAR
from jaxscale._solver.solve_stack import solve_stack
from jaxscale._trust.covariance import powell_covariance
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale.costs import CostModel
from jaxscale.optim import damped_newton, settled

_SHOWN = 10
_MOST_REFITS = 1000  # of single runs left out, unless asked otherwise: they take a fraction of a second


@dataclass(frozen=True)
class LeftOut:
    """A refit without some runs: their rows, and the change of every parameter (theta) and of the quantity.

    change: of the log of the quantity where it is positive, else of itself; None if there is no quantity.
    """

    label: str
    rows: tuple[int, ...]
    theta: Mapping[str, float] = field(hash=False)
    change: float | None


@dataclass(frozen=True, eq=False)
class Influence(Reporting, Pictured, Answered):
    """What leaving out each run does; arrays are (n_runs,) in the order of the runs, nan for those of weight zero.

    rows         row numbers in the table
    theta        (n_runs, n_parameters) change of theta
    change       change of the log of the quantity where it is positive, else of itself; None without a quantity
    pull         largest change of a parameter in standard errors (DFBETAS)
    leverage     0 to 1: diagonal of the hat matrix of the law's slopes at the optimum
    outlier      log observed - log predicted, or the plain difference, over its robust standard deviation
    predicted    the law's response at each run, of the fit without that run
    together     refits without the few runs that move the quantity (or else pull) most, one set for each direction
    groups       refits without each group
    exact        whether the changes are of refits, or of one Newton step from the fit
    """

    _format = INFLUENCE_FORMAT

    label: str
    names: tuple[str, ...]
    rows: np.ndarray
    theta: np.ndarray
    quantity: Derived | None
    change: np.ndarray | None
    pull: np.ndarray
    leverage: np.ndarray
    outlier: np.ndarray
    observed: np.ndarray
    predicted: np.ndarray
    together: tuple[LeftOut, ...]
    groups: tuple[LeftOut, ...]
    exact: bool
    notes: tuple[str, ...]
    response: Measure = field(default_factory=Measure)

    def to_frame(self) -> pd.DataFrame:
        """One row for each run, index `row`: changes of theta by parameter and of the quantity, pull, leverage, outlier
        score, observed response, and its prediction by the fit without it."""
        columns: dict[str, Any] = {} if self.change is None else {"change": self.change}
        columns |= {"pull": self.pull, "leverage": self.leverage, "outlier": self.outlier}
        columns |= {"observed": self.observed, "predicted_without": self.predicted}
        columns |= {f"theta_{name}": self.theta[:, k] for k, name in enumerate(self.names)}
        return pd.DataFrame(columns, index=pd.Index(self.rows, name="row"))

    @property
    def order(self) -> np.ndarray:
        """Positions of the runs, those that move the quantity (or else pull) most first."""
        size = self.pull if self.change is None else np.abs(self.change)
        return np.argsort(-np.nan_to_num(size), kind="stable")

    def _words(self, change: float | None) -> str:
        if change is None:
            return ""
        if self.quantity is not None and self.quantity.logged:
            return as_move(float(np.expm1(change)))
        return f"{change:+.3g}"

    def sentences(self) -> tuple[str, ...]:
        """What the most influential runs do together, in words."""
        out = []
        for left in self.together:
            what = "run" if len(left.rows) == 1 else f"{len(left.rows)} runs"
            rows = ", ".join(map(str, left.rows))
            if self.quantity is not None:
                out.append(f"Without {what} {rows}, {self.quantity.name} moves by {self._words(left.change)}.")
            else:
                moved = ", ".join(f"{n} {x:+.2g}" for n, x in left.theta.items() if x)
                out.append(f"Without {what} {rows}, theta moves by {moved}.")
        return tuple(out)

    def report(self) -> Report:
        """What the strongest runs do together, then run by run, then by group."""
        word = self.response.given_word
        header = ["row", "pull (s.e.)", "leverage", "outlier (sigma)", f"observed {word}", "predicted without"]
        if self.quantity is not None:
            header.insert(1, f"{self.quantity.name} moves by")
        rows = []
        values = self.observed, self.predicted
        for k in self.order[:_SHOWN]:
            losses = [format_number(float(self.response.to_given(x[k])), 4, False) for x in values]
            scores = [f"{self.pull[k]:.2f}", f"{self.leverage[k]:.2f}", f"{self.outlier[k]:+.1f}"]
            cells = [str(self.rows[k]), *scores, *losses]
            if self.change is not None:
                cells.insert(1, self._words(float(self.change[k])))
            rows.append(tuple(cells))
        blocks: list[Table | Lines] = [
            Lines("Together", self.sentences()),
            Table("Runs that count most, each left out by itself", tuple(header), tuple(rows)),
        ]
        if self.groups:
            moved = tuple((g.label, str(len(g.rows)), self._moves(g)) for g in self.groups)
            blocks.append(Table("Groups, each left out whole", ("group", "runs", "moves by"), moved))
        how = "Every change is of a refit."
        if not self.exact:
            how = "Changes by single runs are of one Newton step from the fit, those by several of a refit."
        blocks.append(Lines("", (how, "Nothing was dropped; look into a run before leaving it out.", *self.notes)))
        return Report(f"{self.label} · influence of {len(self.rows)} runs", None, tuple(blocks))

    def _moves(self, left: LeftOut) -> str:
        if left.change is not None:
            return self._words(left.change)
        return ", ".join(f"{n} {x:+.2g}" for n, x in left.theta.items() if x)

    def __repr__(self) -> str:
        return f"<Influence of {len(self.rows)} runs: {' '.join(self.sentences())}>"


def influence(
    result: FitResult,
    quantity: str | Callable[..., Any] | None = None,
    *,
    budget: float | str | None = None,
    cost: CostModel | str = costs.six_nd,
    at: Mapping[str, float] | None = None,
    by: Sequence[Any] | None = None,
    together: int | None = None,
    exact: bool | None = None,
    runs: Runs | None = None,
) -> Influence:
    """How each run moves the parameters and a decision, what the fit without it predicts for it, which runs stand out.

    Single runs are left out by a refit, or by one Newton step on the objective without them: the optimum differentiated
    implicitly in the run's weight (Giordano et al. 2019, "A Swiss Army infinitesimal jackknife"), with the run's own
    curvature taken away (Pregibon 1981, "Logistic regression diagnostics"). Sets of runs are refitted; those looked at
    are the ones whose single changes add up to most in each direction (Broderick, Giordano & Meager 2020, "An automatic
    finite-sample robustness metric").

    Args:
        result: the fit.
        quantity, budget, cost, at: what to watch beside the parameters, as in `profile`; with a budget alone, N.
        by: a label for each run; each group is left out whole. The runs' own clusters if they have them.
        together: how many runs are left out together. None: 3, of fewer than four runs all but one.
        exact: refit without every single run (the default up to 1,000 runs), or take the Newton step. On the Epoch runs
            the two correlate at .993 and more; steps fall short where a single run bends the fit far.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: the quantity is none, labels are too many or too few, or the runs are missing.
    """
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    wanted = "N" if quantity is None and budget is not None else quantity
    watched = None
    if wanted is not None or at is not None:
        watched = make_derived(
            result.law, wanted, budget=budget, cost=costs.as_cost(cost), at=at, response=result.response
        )
    labels = runs.clusters if by is None else tuple(map(str, by))
    if labels is not None and len(labels) != runs.count:
        raise InputError(f"by= has {len(labels)} labels for {runs.count} runs")
    together = max(1, min(3, runs.count - 1)) if together is None else together
    if not 1 <= together < runs.count:
        raise InputError(f"together (--together) must be from 1 to {runs.count - 1}, got {together!r}")
    with in_float64():
        return _influence(result, problem, runs, watched, labels, together, exact)


def _influence(
    result: FitResult,
    problem: Problem,
    runs: Runs,
    watched: Derived | None,
    labels: tuple[str, ...] | None,
    together: int,
    exact: bool | None,
) -> Influence:
    best = problem.reduce(result.theta)
    linear = linearize(problem, best)
    used, notes = linear.used, []
    exact = problem.count <= _MOST_REFITS if exact is None else exact
    if exact:
        moved = _refits(problem, best, [np.arange(problem.count) == k for k in range(problem.count)])
    else:
        moved = best + _newton_steps(problem, best, linear)
    moved[~used] = np.nan
    if lost := int((used & ~np.isfinite(moved).all(axis=1)).sum()):
        notes.append(f"{lost} refits without a run did not converge; their numbers are missing.")

    value, values = None, None
    if watched is not None:
        value = _measured(watched, problem, best[None])[0]
        values = _measured(watched, problem, moved) - value
    covariance = powell_covariance(linear)
    errors = np.full(len(best), np.nan) if covariance is None else np.sqrt(np.diag(covariance.matrix))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(errors > 0, np.abs(moved - best) / errors, 0.0)
    pull = np.where(used, relative.max(axis=1), np.nan)

    score = pull if values is None else values
    sets, names = _sets(np.nan_to_num(score), together, one_way=values is None)
    kept = problem.full(np.where(np.isfinite(moved), moved, best))
    logs = tuple(x[: problem.count] for x in problem.points.logs)
    predicted = np.array(_compiled_predictions(problem.without_errors.task)(kept, logs))
    if problem.task.space == "log":
        predicted = np.exp(predicted)
    groups = [] if labels is None else list(dict.fromkeys(labels))
    masks = sets + [np.array(labels) == g for g in groups]
    refitted = _refits(problem, best, masks)
    lefts = []
    for label, mask, free in zip(names + groups, masks, refitted, strict=True):
        theta = dict(zip(result.law.parameter_names, problem.full(free) - problem.full(best), strict=True))
        change = None
        if watched is not None:
            change = float(_measured(watched, problem, free[None])[0] - value)
        rows = tuple(int(r) for r in runs.rows[mask])
        lefts.append(LeftOut(label, rows, {k: float(v) for k, v in theta.items()}, change))
    theta_moved = problem.full(moved) - problem.full(best)
    fixed = np.array(problem.layout.slots) < 0
    theta_moved[:, fixed] = 0.0
    return Influence(
        label=result.label,
        names=result.law.parameter_names,
        rows=np.asarray(runs.rows),
        theta=theta_moved,
        quantity=watched,
        change=values,
        pull=pull,
        leverage=linear.leverage,
        outlier=np.where(used & (linear.sigma > 0), -linear.residuals / (linear.sigma or np.nan), np.nan),
        observed=np.asarray(runs.response),
        predicted=np.where(np.isfinite(moved).all(axis=1), predicted, np.nan),
        together=tuple(lefts[: len(sets)]),
        groups=tuple(lefts[len(sets) :]),
        exact=exact,
        notes=tuple(notes),
        response=result.response,
    )


def _newton_steps(problem: Problem, best: np.ndarray, linear: Linearization) -> np.ndarray:
    """(n_runs, free): the step that leaves each run out."""
    room, curved = ~linear.held, int(linear.scatter.curved.sum())
    if curved < 2 * room.sum():
        raise InputError(f"only {curved} runs lie where the objective is curved; use exact=True (leave --one-step out)")
    hessian, own = _compiled_hessians(problem.task)(best, problem.tables())
    hessian = np.asarray(hessian)[np.ix_(room, room)]
    own = np.asarray(own)[: problem.count][:, room][:, :, room]
    scores = (linear.jacobian * linear.psi[:, None])[:, room]
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    if np.linalg.eigvalsh(hessian / np.outer(scale, scale)).min(initial=1.0) < 1e-10:
        raise InputError(
            "the objective has no curvature at this optimum to differentiate through; use exact=True (leave "
            "--one-step out)"
        )
    without = hessian - own
    sound = np.linalg.eigvalsh(without / np.outer(scale, scale)).min(axis=1) > 1e-10
    without[~sound] = hessian  # this run alone holds a direction; to first order then
    steps = np.zeros_like(linear.jacobian)
    steps[:, room] = np.linalg.solve(without, scores[:, :, None])[:, :, 0]
    return steps


@kept
def _compiled_hessians(task: Task):
    """Hessian of the objective, (free, free), and each run's share of it, (n_runs, free, free)."""
    evaluate = evaluator(task, exact=True)

    def run(free: Array, tables: ProblemArrays) -> tuple[Array, Array]:
        points, prior = tables.points, tables.loss.prior
        bare = tables._replace(loss=tables.loss._replace(prior=None))

        def alone(run: Points):
            one = jax.tree.map(lambda x: x[None], run)
            found = evaluate(free[None], bare._replace(points=one), jnp.zeros(1)).curvature
            assert found is not None
            return found.exact[0]

        shares = jax.vmap(alone)(points)
        shares = jnp.where((points.weights > 0)[:, None, None], shares, 0.0)
        whole = shares.sum(axis=0)
        return whole if prior is None else whole + jnp.diag(prior.weight), shares

    return Program(run, compile_options())


@kept
def _compiled_predictions(task: Task):
    predict = predictor(task)
    return Program(lambda thetas, runs: jax.vmap(lambda theta, logs: predict(tuple(theta), logs))(thetas, runs))


@kept
def _compiled_measure(measure: Callable[[Any, Any], Any]):
    return Program(lambda free, given: jax.vmap(measure, (0, None))(free, given))


def _measured(watched: Derived, problem: Problem, free: np.ndarray) -> np.ndarray:
    """The quantity (its log where positive) at free values (k, free)."""
    measure, given = watched.of_free(problem)
    return np.asarray(_compiled_measure(measure)(free, given))


def _refits(problem: Problem, best: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """Optima (k, free) without the runs of each mask, (n_runs,); nan where a refit does not converge."""
    own = problem.points.weights[: problem.count]
    weights = problem.padded(np.array([np.where(mask, 0.0, own) for mask in masks]))
    table, starts = np.zeros(len(masks), int), np.repeat(best[None], len(masks), axis=0)
    free, _, status, _ = solve_stack(
        Stack.of([problem]), damped_newton(), table, starts, own=Overrides(weights), damping=NEAR
    )
    return np.where(settled(status)[:, None], free, np.nan)


def _sets(score: np.ndarray, together: int, one_way: bool) -> tuple[list[np.ndarray], list[str]]:
    """The runs whose changes add up to most, upwards and downwards, as masks; without those that move nothing."""
    masks, names = [], []
    for sign, name in ((1, "up"), (-1, "down")):
        strongest = np.argsort(-sign * score, kind="stable")[:together]
        strongest = strongest[sign * score[strongest] > 0]
        if len(strongest) and not (one_way and sign < 0):
            masks.append(np.isin(np.arange(len(score)), strongest))
            names.append(name)
    return masks, names
