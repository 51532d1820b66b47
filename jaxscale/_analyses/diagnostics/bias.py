"""What a systematic error of the runs, which no residual need show, does to a plan; and how large it may be."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.per_draw import TARGETS, follow
from jaxscale._analyses.diagnostics.run_sensitivity import (
    answered,
    moves_of_responses,
    of_its_fit,
    of_theta,
    slopes_in_theta,
)
from jaxscale._base.errors import InputError
from jaxscale._base.files import BIAS_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.settings import in_float64
from jaxscale._base.text import as_move, as_percent, format_number, inert, quoted
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import problem_of, runs_of
from jaxscale._planning.plan import Plan
from jaxscale._planning.posed import Posed
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import stacks_of
from jaxscale._solver.search import refined
from jaxscale._trust.drift import decades_of
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale.optim import damped_newton, settled

_LADDER = math.sqrt(2.0)  # sizes tried are this apart
_DOWN, _UP, _LARGEST = 4, 16, 0.3  # steps of the ladder below and above the size asked for; of a response, in logs
_MISCOUNT, _MOST_MISCOUNTED = 0.1, 0.9
_STEP = 1e-6  # of a miscount, for its derivative
_MAX_STEPS = 500
_MOST_GROUPS = 20


@dataclass(frozen=True, eq=False)
class Bias(Reporting, Pictured, Saved):
    """What systematic errors of the runs do to a plan.

    frame: a row for each target, bias and size, of both signs, as `to_frame` describes. summary: a row for each target
    and bias, at the size asked for. factor, waste: what `needed_N` and `needed_waste` are the smallest biases for.
    """

    _format = BIAS_FORMAT

    label: str
    target: str
    headings: tuple[str, ...]
    unit: str
    factor: float
    waste: float
    biases: tuple[str, ...]
    summary: pd.DataFrame
    frame: pd.DataFrame
    relative: bool = True
    response: Measure = field(default_factory=Measure)

    def to_frame(self) -> pd.DataFrame:
        """One row for each target and bias: budget (or loss to reach), bias, size (of a response a share, in logs), and
        at that size

        first_order   move of log N to first order, by implicit derivatives of the fit (no refit)
        move          move of log N: the plan as it is over that of a refit with the bias taken out
        N, D, loss    planned after that refit
        waste         share of the compute that the plan as it is then wastes
        left          what the law does not take up, in standard deviations of a test that knows what to look for
        needed_N      smallest bias of either sign that moves N by `factor`; nan if none that was tried does
        needed_waste  smallest bias of either sign that wastes that share of the compute
        """
        return self.summary.copy()

    def to_dict(self) -> dict[str, Any]:
        """The record in the format `jaxscale.bias/1`: both frames as rows; what could not be had is None."""
        parts = {name: getattr(self, name) for name in ("target", "unit", "factor", "waste", "relative")}
        return self._document(
            {
                "label": self.label,
                **parts,
                "rows": self.summary.to_dict("records"),
                "sizes": self.frame.to_dict("records"),
            }
        )

    def amount(self, bias: str, size: float) -> str:
        """A size of a bias in words."""
        if not math.isfinite(size):
            return "more"
        percent = self.relative or bias == _COUNTED
        return as_percent(size, signed=True) if percent else f"{size:+.2g}"

    def report(self) -> Report:
        """A table for each target, then how to read it."""
        header = ("bias", "of", "moves N", "first order", "N without", "wastes", "left")
        header += (f"N x {self.factor:g} at", f"{100 * self.waste:g} % at")
        blocks: list[Table | Lines] = []
        for heading, (_, some) in zip(self.headings, self.summary.groupby("budget", sort=False), strict=True):
            rows = []
            for row in some.to_dict("records"):
                amounts = [self.amount(row["bias"], row[name]) for name in ("size", "needed_N", "needed_waste")]
                moved = [_percent(math.expm1(row[name])) for name in ("move", "first_order")]
                n = format_number(row["N"]) if math.isfinite(row["N"]) else "-"
                left = f"{row['left']:.1f}" if math.isfinite(row["left"]) else "-"
                cells = (amounts[0], *moved, n, _percent(row["waste"], False), left, *amounts[1:])
                rows.append((inert(row["bias"]), *cells))
            blocks.append(Table(heading, header, tuple(rows)))
        what = self.response.given_name
        notes = [
            f"Were each {what} too high by that much (negative: too low), the plan as it is would be off by so much in "
            f"N. Last two columns: the smallest bias that moves N by a factor of {self.factor:g}, and that wastes "
            f"{100 * self.waste:g} % of the compute.",
            "Left: what the law does not take up of it, in standard deviations of a test that knows what to look for. "
            "Below about 3 no residual shows it: train a run at the largest scale with care, and see whether it lies "
            "where the law says.",
        ]
        if _COUNTED in set(self.summary["bias"]):
            notes.append(f"{_COUNTED}: that share of the smallest N is embeddings, falling as N^(-2/3).")
        blocks.append(Lines("", tuple(notes)))
        return Report(f"how wrong may the runs be · {self.label}", None, tuple(blocks))

    def __repr__(self) -> str:
        first = self.summary.iloc[0]
        moved = _percent(math.expm1(first["move"]))
        return f"<Bias of {self.label}: {self.amount(first['bias'], first['size'])} {first['bias']} moves N by {moved}>"


def bias(
    plan: Plan,
    *,
    size: float = 1e-3,
    by: Sequence[Any] | None = None,
    factor: float = 2.0,
    waste: float = 0.1,
    runs: Runs | None = None,
) -> Bias:
    """What a systematic error of the runs does to a plan: a loss too high by so much per decade of N, of D, of C, of
    the largest models only (N within a factor of two of the largest), or of one group; and an N that counts embeddings
    which the law does not mean.

    The plan rests on runs with the bias; the truth is a refit of the runs with the bias taken out, followed to its own
    best N, D and loss by the planner. To first order the fitted theta moves by minus the curvature of the objective's
    inverse times the change of its gradient, as in `run_sensitivity`; with Huber's misfit that is exact for a bias so
    small that no run crosses delta. What a law takes up of a bias leaves no trace in its residuals.

    Args:
        plan: made from a fit whose law has N; of one over a doubt it is asked of the plan at the point estimate.
        size: of the bias whose effect is told, as a share of the response (of one that may be negative, in its unit).
        by: a label for each run, such as its corpus: a bias of each group alone.
        factor: by how much N is off at `needed_N`.
        waste: the share of the compute that is wasted at `needed_waste`.
        runs: the runs, where the fit was read from a file that does not carry them.

    Raises:
        InputError: the plan was not made from a fit of a law of N, its runs are missing, or a number is out of range.
    """
    for name, value, low, high in (("size", size, 0, 0.1), ("factor", factor, 1, 1e3), ("waste", waste, 0, 1)):
        if not low < value < high:
            raise InputError(f"{name} must be between {low:g} and {high:g}, got {quoted(value)}")
    plan, result = of_its_fit(plan)
    problem = problem_of(result, runs)
    if "N" not in {v.name for v in plan.law.variables}:
        raise InputError(f"law {plan.law.name!r} has no N for a bias to move; bias is for plans of model sizes")
    runs = runs_of(result, runs)
    request = plan.request
    assert request is not None  # `of_its_fit` has looked
    with in_float64():
        free = problem.reduce(result.theta)
        at = linearize(problem, free)
        kinds = list(_kinds(problem, runs, by, size))
        firsts = _first_order(plan, problem, free, kinds, result.theta)
        sizes = [(k, s) for k, kind in enumerate(kinds) for s in kind.ladder]
        thetas = _refits(problem, free, [kinds[k].without(s) for k, s in sizes])
        moved = _planned(Posed.of(request), result.theta, thetas)
    logged = plan.law.response.logged
    rows = []
    for i, row in enumerate(plan.rows):
        for j, (k, s) in enumerate(sizes):
            log_n, log_d, response, lost = moved[i, j]
            answer = {"N": math.exp(log_n), "D": math.exp(log_d), "loss": math.exp(response) if logged else response}
            change = {"move": math.log(row.N) - log_n, "waste": lost}
            rows.append({"budget": row.target, "bias": kinds[k].name, "size": s, **change, **answer})
    frame = pd.DataFrame(rows)
    table = []
    for i in range(len(plan.rows)):
        for k, kind in enumerate(kinds):
            one = frame.iloc[[i * len(sizes) + j for j, (of, _) in enumerate(sizes) if of == k]]
            here = one.iloc[int((one["size"] - kind.size).abs().argmin())].to_dict()
            needed = {
                "needed_N": _needed(one["size"], one["move"].abs(), math.log(factor)),
                "needed_waste": _needed(one["size"], one["waste"], waste),
            }
            left = _left(at, kind, here["size"])
            table.append({**here, "first_order": float(firsts[i, k]) * here["size"], "left": left, **needed})
    order = ["budget", "bias", "size", "first_order", "move", "N", "D", "loss", "waste", "left"]
    order += ["needed_N", "needed_waste"]
    return Bias(
        label=plan.label,
        target=plan.target,
        headings=plan.headings,
        unit=plan.unit,
        factor=factor,
        waste=waste,
        biases=tuple(kind.name for kind in kinds),
        summary=pd.DataFrame(table)[order],
        frame=frame,
        relative=logged,
        response=plan.response,
    )


_COUNTED = "embeddings in N"


@dataclass(frozen=True, eq=False)
class _Kind:
    """One bias. shift: (n_runs,), of the responses as the objective compares them, or of log N, for a bias of one."""

    name: str
    problem: Problem
    shift: np.ndarray
    size: float
    of_size: bool = False

    @property
    def ladder(self) -> list[float]:
        """Sizes to try, of both signs."""
        most = _MOST_MISCOUNTED if self.of_size else _LARGEST
        sizes = [self.size * _LADDER**k for k in range(-_DOWN, _UP + 1)]
        return [sign * s for sign in (1, -1) for s in sizes if s <= max(most, self.size)]

    def without(self, size: float) -> Problem:
        """The problem with that much of it taken out."""
        problem = self.problem
        points, pad = problem.points, len(problem.points.response) - problem.count
        if not self.of_size:
            response = points.response - size * np.pad(self.shift * problem.whitening, (0, pad))
            return replace(problem, points=points._replace(response=response))
        place = [v.name for v in problem.law.variables].index("N")
        logs = list(points.logs)
        logs[place] = logs[place] + np.pad(np.log1p(-size * self.shift), (0, pad))
        return replace(problem, points=points._replace(logs=tuple(logs)))


def _kinds(problem: Problem, runs: Runs, by: Sequence[Any] | None, size: float) -> Iterator[_Kind]:
    law, count = problem.law, problem.count
    # A share of the response, where its residual is a plain difference.
    unit = np.ones(count)
    if law.response.logged and problem.task.space == "raw":
        unit = problem.observed
    names = [v.name for v in law.variables if v.logged]
    logs = {
        v.name: np.asarray(x)[:count]
        for v, x in zip(law.variables, problem.points.logs, strict=True)
        if v.name in names and np.ndim(x) == 1
    }
    along = {name: logs[name] for name in ("N", "D") if name in logs}
    if len(along) == 2:
        along["C"] = logs["N"] + logs["D"]
    for name, x in along.items():
        yield _Kind(f"per decade of {name}", problem, unit * decades_of(x), size)
    largest = logs["N"] > logs["N"].max() - math.log(2)
    yield _Kind("of the largest N", problem, unit * largest, size)
    if by is not None:
        labels = np.array([str(label) for label in by])
        if len(labels) != runs.count:
            raise InputError(f"by has {len(labels)} labels for {runs.count} runs; give one for each")
        groups = dict.fromkeys(labels)
        if not 1 < len(groups) <= _MOST_GROUPS:
            raise InputError(f"by has {len(groups)} different labels; give 2 to {_MOST_GROUPS}")
        for label in groups:
            yield _Kind(f"of {label}", problem, unit * (labels == label), size)
    # Embeddings are vocabulary times width, and width grows as N^(1/3).
    yield _Kind(_COUNTED, problem, np.exp(-2 / 3 * (logs["N"] - logs["N"].min())), _MISCOUNT, True)


def _first_order(plan: Plan, problem: Problem, free: np.ndarray, kinds: list[_Kind], theta: np.ndarray) -> np.ndarray:
    """Derivatives of log N planned (n_rows, n_kinds) in the size of each bias that the runs have."""
    by_response, curvature = moves_of_responses(problem, free)
    moves = []
    for kind in kinds:
        if not kind.of_size:
            moves.append(by_response @ kind.shift)
            continue
        ends = [_gradient(kind.without(sign * _STEP), free) for sign in (1, -1)]
        force = (ends[1] - ends[0]) / (2 * _STEP)
        moves.append(answered(problem, free, curvature, force[:, None])[:, 0])
    of = of_theta(problem, np.array(moves).T)
    return np.array([slopes_in_theta(plan, row, theta)["N"] @ of for row in plan.rows])


def _gradient(problem: Problem, free: np.ndarray) -> np.ndarray:
    """Of the objective over the runs, (free,)."""
    at = linearize(problem, free)
    return at.jacobian.T @ at.psi


def _refits(problem: Problem, free: np.ndarray, others: list[Problem]) -> np.ndarray:
    """Theta (len(others), n_parameters) of fits that begin at the optimum; nan where one does not converge."""
    found = []
    for stack in stacks_of(others):
        near = np.repeat(free[None], len(stack), axis=0)
        reached = refined(stack, damped_newton(), near, max_steps=_MAX_STEPS)
        found.append(np.where(settled(reached.status)[:, None], reached.free, np.nan))
    return problem.full(np.concatenate(found))


def _planned(posed: Posed, theta: np.ndarray, thetas: np.ndarray) -> np.ndarray:
    """Log N, log D, response (its log where positive) and the share of compute wasted by the plan at `theta`, for each
    target and each of `thetas`, (targets, len(thetas), 4)."""
    decision, targets = posed.decision, len(posed.wanted)
    point = solve_many(decision, posed.givens(theta))
    answer = np.full((targets, len(thetas), 4), np.nan)
    some = np.flatnonzero(np.isfinite(thetas).all(axis=1))
    for first in range(0, targets if len(some) else 0, TARGETS):
        part = slice(first, first + TARGETS)
        found = follow(decision, thetas[some], posed.wanted[part], posed.rest, point[part])
        kept = found.sound
        for place, name in enumerate(("N", "D")):
            if name in decision.variables:
                values = found.x[:, decision.variables.index(name)]
                answer[part, some, place] = np.where(kept, values, np.nan)
        if decision.goal == "loss":
            answer[part, some, 2] = np.where(kept, decision.sign * found.value, np.nan)
            with np.errstate(divide="ignore", invalid="ignore"):
                lost = np.where(found.price > 1e-12, -np.expm1(-np.maximum(found.worse, 0) / found.price), np.nan)
            answer[part, some, 3] = np.where(kept, lost, np.nan)
        else:
            answer[part, some, 2] = posed.wanted[part, None]
    return answer


def _needed(sizes: Any, effect: Any, enough: float) -> float:
    """The smallest size, of either sign, at which an effect is large enough; log-log between the sizes tried."""
    sizes, effect = np.asarray(sizes, float), np.asarray(effect, float)
    best = math.nan
    for sign in (1, -1):
        mine = np.sign(sizes) == sign
        x, y = np.abs(sizes[mine]), effect[mine]
        order = np.argsort(x)
        x, y = x[order], y[order]
        over = np.flatnonzero(y >= enough)
        if not len(over):
            continue
        k = int(over[0])
        at = float(x[k])
        if k and np.isfinite(y[k - 1]) and y[k - 1] > 0:
            share = math.log(enough / y[k - 1]) / math.log(y[k] / y[k - 1])
            at = float(x[k - 1] * (x[k] / x[k - 1]) ** share)
        if not abs(best) <= at:
            best = sign * at
    return best


def _left(at: Linearization, kind: _Kind, size: float) -> float:
    """How far a bias stands out of what the law takes up of it, in standard deviations of a test aimed at it."""
    used = at.used
    shift = kind.shift * kind.problem.whitening
    if kind.of_size:
        with in_float64():
            changed = linearize(kind.without(size), np.asarray(at.free))
        shift = (changed.residuals - at.residuals) / size
    rows = at.jacobian[used][:, ~at.held]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    rest = shift[used] - rows @ np.linalg.lstsq(rows, shift[used], rcond=1e-10)[0]
    return abs(size) * float(np.linalg.norm(rest)) / at.sigma if at.sigma > 0 else math.nan


def _percent(share: float, signed: bool = True) -> str:
    if not math.isfinite(share):
        return "-"
    share = share if abs(share) > 1e-9 else 0.0  # rounding of refits
    return as_move(share) if signed else as_percent(share)
