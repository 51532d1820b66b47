"""The verb `next_runs`: the runs that make a decision surer for their cost, and whether to do them at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxscale import costs
from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.derivatives import expand
from jaxscale._analyses.deciding.chosen_runs import NextRuns
from jaxscale._analyses.deciding.information import Belief, Knowing, Surroundings, believe, choose
from jaxscale._analyses.deciding.offered_runs import grid_of, is_box, read_offered
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.settings import in_float64
from jaxscale._base.text import quoted
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs
from jaxscale._fitting.draws import Draws
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._planning.frontier import request_of
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.posed import Posed
from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale._trust.plan_beyond import BEYOND
from jaxscale.costs import CostModel, check_positive

Target = Literal["N", "loss", "D_per_N"]
_QUANTITY = {"N": "N", "loss": "loss", "D_per_N": "tokens_per_param"}
_MISFIT = 2.0  # its scale, in standard deviations of the noise
_DRAWS = 4  # of the parameters, the estimate being the first
_MOST_MADE = 2000  # runs that a misfit is told by; of more, evenly spaced ones that stand for all
_SIZE, _ASKED = 0, 1  # places of log N and of the target among slopes
_WIDE = 0.05  # e-folds of N, for the curvature of the law along a budget
_FIXED_SHARE = 0.01  # of the budget: the fixed cost per run whose effect is told where none was given


def next_runs(
    result: FitResult,
    candidates: Any = None,
    *,
    budget: float | str,
    at: float | str | None = None,
    target: Target = "N",
    cost: CostModel | str = costs.six_nd,
    fixed: float | None = None,
    limits: Any = None,
    running: Any = None,
    criterion: Literal["c", "d", "misfit"] = "c",
    misfit: float = _MISFIT,
    check: float = 0.2,
    draws: Draws | None = None,
    most: int = 200,
    runs: Runs | None = None,
    progress: Progress | bool | None = None,
) -> NextRuns:
    """The runs to do next: those that make one decision surer for what they cost, and a check of the law at scale.

    By default c-optimal: greedily those that lower the variance of the decision most for cost^p, the best of several p,
    in the mean over draws of the parameters. As a law that is off misplaces what matters to the decision, what runs
    tell of all parameters counts beside it (the log determinant by parameter beside the log of the variance: CD-optimal
    designs, Atkinson, Donev & Tobias 2007, Optimum Experimental Designs, with SAS); `misfit=0` takes the decision
    alone. How sure the runs leave it where the law is off is told beside: by a smooth misfit, a Gaussian process in log
    N and log D of `misfit` standard deviations of the noise and a length of 4 e-folds. By default it chooses no run;
    with `criterion="misfit"` it is a nuisance to what the law says of the decision, which made choices worse in replays
    (`studies.designs`): what it does at the decision itself no run takes away, as the law that is fitted then knows
    nothing of it. Most is told at the corners of what is offered: of a box, whose runs may be repeated, choices pile up
    there, of a table each row is taken once.
    `criterion="d"` takes the gain in the log determinant of the parameters per cost^0.4 (Fedorov 1972, Theory of
    Optimal Experiments) instead. Outcomes are taken at what is expected of them, by the slopes of the law at the fit;
    the noise of a run is what the fit's objective makes of the scatter of the runs.

    A share of the budget is kept for one run at the largest scale that it pays for, where the law foretells the lowest
    loss: leave it out of the fit, see whether the law foretold it, and only then spend on. No design helps a wrong law.

    Whether to go on follows from the law alone, without the misfit: deciding now wastes so much compute on average
    (`Plan` regret), of which the runs, in their order, take away a part; they are worth it up to where that part less
    their price is greatest.

    Args:
        result: the fit.
        candidates: runs that could be done: a frame, a mapping of columns or the path of a CSV file with the law's
            variables, each row once; or a box {"C": (1e18, 1e21), "D_per_N": (5, 100)} of two of N, D, C = 6 N D and
            D_per_N, from which runs may be repeated. By default the box from the least compute of the runs to the
            budget, at their ratios of D to N.
        budget: what the runs may cost together, in the unit of `cost`.
        at: the budget of the decision, in the same unit; ten times the dearest run, if not given.
        target: what is to be sure there: N, the loss or D_per_N.
        cost: cost model of runs and decision, or its name.
        fixed: what each run costs beside, in the same unit. It changes the answer much; without it, what it would
            change is told.
        limits: of the decision, as in `frontier`.
        running: runs under way, a table of the law's variables: they count at what they are expected to tell.
        criterion: "c", "d" or "misfit".
        misfit: scale of the misfit that the law may have, in standard deviations of the noise; 0 for a law that holds.
        check: the share of the budget that is kept for the run at the largest scale.
        draws: of the parameters, to choose over; by default from the covariance of the fit.
        most: runs at most.
        runs: the runs, where the fit was read from a file that does not carry them.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        InputError: the fit, its runs or a table cannot be used, nothing that is offered fits the budget, or a limit
            already decides the target.
    """
    if not isinstance(result, FitResult):
        raise InputError(f"next_runs takes a fit, made with fit(law, runs); got {quoted(type(result).__name__)}")
    _check(target, criterion, misfit, check, most)
    runs = runs_of(result, runs)
    problem = problem_of(result, runs)
    model = costs.as_cost(cost) if not (isinstance(cost, str) and cost == "table") else costs.from_runs(runs)
    spend = _amount("budget", costs.budget(budget, model))
    try:
        extra = 0.0 if fixed is None else float(fixed)
    except (TypeError, ValueError):
        extra = np.nan
    if not (np.isfinite(extra) and extra >= 0):
        raise InputError(f"fixed must be what each run costs beside, 0 or more, got {quoted(fixed)}")
    law = result.law
    made = {v.name: runs.variable(v.name) for v in law.variables}
    with listening(progress, "choosing"):
        tell(0, 0, "what the runs offered would tell")
        with in_float64():
            if at is None:
                at = BEYOND * float(np.max(_cost_of(model, made)))
            plan = make_plan(request_of(result, at, cost=model, limits=limits))
            if plan.rows[0].status != "ok":
                raise InputError(f"there is no plan at {plan.headings[0]} to make surer: {plan.rows[0].remark}")
            offered, repeats = _offered(candidates, law, made, spend, model)
            price = _cost_of(model, offered) + extra
            kept = np.flatnonzero(np.isfinite(price) & (price <= spend))
            if not len(kept):
                raise InputError(
                    f"no run that is offered costs at most the budget of {spend:.3g} {model.unit}; the cheapest costs "
                    f"{np.nanmin(price):.3g}"
                )
            offered, price = {name: x[kept] for name, x in offered.items()}, price[kept]
            going = None if running is None else read_offered(running, law, "running")
            posing = _Posing.of(plan, problem, target, draws)
            foretold = np.asarray(result.predict(**offered))
            made_there = posing.seen(going)
            slopes = [
                posing.jacobian(offered, free) for free in (posing.frees[:1] if criterion == "d" else posing.frees)
            ]
            alone, of_size = (posing.belief(offered, slopes[0], made_there, which) for which in (_ASKED, _SIZE))
            nuisance: dict[str, Any] = {"misfit": misfit if criterion == "misfit" else 0.0, "aimed": False}
            beliefs = [posing.belief(offered, rows, made_there, draw=k, **nuisance) for k, rows in enumerate(slopes)]
            if_off = posing.belief(offered, slopes[0], made_there, misfit=misfit)
            before = posing.seen(None)
            now = [posing.belief(offered, slopes[0], before, which).decision for which in (_ASKED, _SIZE)]
        first = _check_run(foretold, price, check * spend, law.response.better == "higher") if check else []
        paid = float(price[first].sum())
        rules: dict[str, Any] = {"criterion": "d" if criterion == "d" else "c", "repeats": repeats}
        if criterion != "d" and misfit:
            rules |= {"hedge": alone, "parameters": int(posing.room.sum())}
        chosen, _ = choose(beliefs, price, spend - paid, first=first, most=max(most - len(first), 0), **rules)
        otherwise = None
        if fixed is None:
            dearer = price + _FIXED_SHARE * spend
            some = [i for i in first if dearer[i] <= spend]
            rest = spend - float(dearer[some].sum())
            otherwise = len(some) + len(choose(beliefs[:1], dearer, rest, first=some, **rules)[0])
    everything = [*first, *chosen]
    frame = pd.DataFrame({name: x[everything] for name, x in offered.items()})
    frame.insert(0, "why", ["check"] * len(first) + ["choice"] * len(chosen))
    if {"N", "D"} <= set(offered):
        frame["compute"] = 6 * frame["N"] * frame["D"]
    frame["cost"] = price[everything]
    frame["foretold"] = foretold[everything]
    for name, belief in (("left", alone), ("left_N", of_size), ("left_if_off", if_off)):
        frame[name] = _left(belief, everything)
    return NextRuns(
        label=plan.label,
        target=target,
        heading=plan.headings[0],
        unit=model.unit,
        budget=spend,
        level=plan.level,
        criterion=criterion,
        misfit=misfit,
        check=check,
        fixed=fixed,
        otherwise=otherwise,
        otherwise_fixed=_FIXED_SHARE * spend,
        running=0 if going is None else len(next(iter(going.values()))),
        left_by_running=(alone.decision / now[0], of_size.decision / now[1]),
        trustworthy=result.verdict.trustworthy,
        plan=plan,
        frame=frame,
        sd_if_off=float(np.sqrt(if_off.decision)),
        offered=pd.DataFrame(offered),
        made=pd.DataFrame(made),
    )


def _check(target: str, criterion: str, misfit: float, check: float, most: int) -> None:
    for name, value in (("misfit", misfit), ("check", check), ("most", most)):
        if not isinstance(value, int | float | np.number):
            raise InputError(f"{name} must be a number, got {quoted(value)}")
    if target not in _QUANTITY:
        raise InputError(f"target must be one of {', '.join(_QUANTITY)}, got {quoted(target)}")
    if criterion not in ("c", "d", "misfit"):
        raise InputError(
            'criterion must be "c" (the decision), "d" (all parameters) or "misfit" (the decision, the law being off), '
            f"got {quoted(criterion)}"
        )
    if not 0 <= misfit <= 100:
        raise InputError(f"misfit must be 0 to 100 standard deviations of the noise, got {quoted(misfit)}")
    if not 0 <= check < 1:
        raise InputError(f"check must be a share of the budget from 0 to below 1, got {quoted(check)}")
    if most < 1:
        raise InputError(f"most must be at least 1 run, got {quoted(most)}")


def _amount(name: str, value: float) -> float:
    return float(check_positive(name, name, value))


def _cost_of(model: CostModel, variables: Mapping[str, np.ndarray]) -> np.ndarray:
    """What runs cost, (m,); call under float64."""
    if missing := [name for name in model.variables if name not in variables]:
        raise InputError(f"cost {model.name} is of {', '.join(missing)}, which the law's runs do not say")
    return np.exp(np.asarray(model(*(np.log(variables[name]) for name in model.variables))))


def _offered(
    given: Any, law: Any, made: Mapping[str, np.ndarray], spend: float, model: CostModel
) -> tuple[dict[str, np.ndarray], bool]:
    if given is None:
        if set(made) != {"N", "D"}:
            raise InputError(f"give candidates: a table with columns {', '.join(made)}, or a box of them")
        compute, ratio = 6 * made["N"] * made["D"], made["D"] / made["N"]
        low, middle = float(compute.min()), float(np.median(ratio))
        scale = low * np.geomspace(1.0, 1e9, 361)  # as far as the budget reaches
        price = _cost_of(model, {"N": np.sqrt(scale / 6 / middle), "D": np.sqrt(scale / 6 * middle)})
        high = float(scale[price <= spend].max(initial=low))
        given = {"C": (low, high), "D_per_N": (float(ratio.min()), float(ratio.max()))}
    if is_box(given):
        return grid_of(given, law), True
    return read_offered(given, law, "candidates"), False


def _check_run(foretold: np.ndarray, price: np.ndarray, share: float, higher: bool) -> list[int]:
    """The run of the best response that a share of the budget pays for: the largest scale, well balanced."""
    within = np.flatnonzero(price <= share * (1 + 1e-12))
    if not len(within):
        return []
    best = foretold[within] if higher else -foretold[within]
    return [int(within[np.argmax(best)])]


@dataclass(frozen=True, eq=False)
class _Posing:
    """A decision and the runs behind it, as arrays in the free values that no bound holds."""

    plan: Plan
    problem: Problem
    at: Linearization
    room: np.ndarray
    frees: np.ndarray  # (k, free), of the estimate and of draws around it
    slopes: np.ndarray  # (k, 2, room): of log N and of the target in the free values
    value: float
    slope: np.ndarray

    @classmethod
    def of(cls, plan: Plan, problem: Problem, target: Target, draws: Draws | None) -> "_Posing":
        """Call under float64."""
        request = plan.request
        assert request is not None
        source, posed = request.source, Posed.of(request)
        free = problem.reduce(source.theta)
        at = linearize(problem, free)
        if not at.sigma > 0:
            raise InputError(
                "the runs leave no scatter around the law, so that nothing says what another run would tell"
            )
        quantity = _QUANTITY[target]
        if quantity not in posed.quantities:
            raise InputError(f"law {plan.law.name!r} decides no {target}; choose another target")
        thetas = np.concatenate([source.theta[None], _around(source, draws)])
        givens = np.concatenate([posed.givens(theta) for theta in thetas])
        expansions = expand(posed.decision, solve_many(posed.decision, givens), givens)
        known = [k for k, e in enumerate(expansions) if e is not None and np.isfinite(e.slopes).all()]
        of = [posed.quantities.index("N") if "N" in posed.quantities else posed.quantities.index(quantity)]
        of.append(posed.quantities.index(quantity))
        layout, room = problem.layout, ~at.held
        slopes = np.zeros((len(known), 2, layout.free))
        for j, k in enumerate(known):
            expansion = expansions[k]
            assert expansion is not None
            by_theta = (posed.combine @ expansion.slopes)[of][:, : len(layout.slots)]
            for i, slot in enumerate(layout.slots):
                if slot >= 0:
                    slopes[j, :, slot] += by_theta[:, i]
        if not known or known[0] != 0 or not np.abs(slopes[0, 1][room]).max(initial=0.0) > 1e-9:
            bound = ", ".join(set(plan.rows[0].binding) - {"budget"})
            raise InputError(
                f"{target} at {plan.headings[0]} does not follow from the runs"
                + (f": {bound} decides it" if bound else "")
                + '; leave the limit out, or ask for target="loss" (--target loss)'
            )
        value, slope = _answer(plan, request.cost, target, problem.task.space == "log")
        frees = problem.reduce(thetas[known])
        return cls(plan, problem, at, room, frees, slopes[:, :, room], value, slope)

    @property
    def noise(self) -> float:
        """Variance that one further run counts with: that of the objective's estimate, see `Scatter.moments`."""
        slope, square = self.at.scatter.moments
        return square / slope**2

    def seen(self, going: Mapping[str, np.ndarray] | None) -> tuple[list[np.ndarray], np.ndarray]:
        """Runs made and under way, as the law takes them, each (n,), and the variances they count with, (n,)."""
        at, used = self.at, self.at.used
        made = [np.asarray(x)[: self.problem.count][used] for x in self.problem.points.logs]
        noise = self.noise * np.mean(at.weights[used]) / at.weights[used] / self.problem.whitening[used] ** 2
        if going is None:
            return made, noise
        more = self._raw(going)
        joined = [np.concatenate(pair) for pair in zip(made, more, strict=True)]
        return joined, np.concatenate([noise, np.full(len(more[0]), self.noise)])

    def belief(
        self,
        offered: Mapping[str, np.ndarray],
        slopes: np.ndarray,
        seen: tuple[list[np.ndarray], np.ndarray],
        which: int = _ASKED,
        misfit: float = 0.0,
        draw: int = 0,
        aimed: bool = True,
    ) -> Belief:
        """What is known of runs offered, of these slopes (m, room), and of the decision at a draw of the parameters, by
        the law alone, or where it is off by a `misfit` in standard deviations of the noise; unless `aimed`, of what the
        law says of the decision, to which the misfit is a nuisance."""
        at, (made, noise) = self.at, seen
        around = None
        if scale := misfit * at.sigma:
            some = np.arange(len(noise))
            if len(some) > _MOST_MADE:
                some = np.linspace(0, len(noise) - 1, _MOST_MADE).round().astype(int)
                made, noise = [x[some] for x in made], noise[some] * (_MOST_MADE / len(noise))
            where = np.log([self.plan.rows[0].variables[v.name] for v in self.problem.law.variables if v.logged])
            new = self._logged(self._raw(offered))
            value, slope = (self.value, self.slope) if aimed else (0.0, np.zeros_like(self.slope))
            around = Surroundings(self._logged(made), new, scale, where, value, slope)
        precision = np.diag(at.precision[self.room]) / max(at.scatter.dispersion, 1e-300)
        rows = self._jacobian(made, self.frees[draw])
        return believe(rows, noise, slopes, self.noise, self.slopes[draw, which], precision, around)

    def jacobian(self, offered: Mapping[str, np.ndarray], free: np.ndarray) -> np.ndarray:
        """Slopes of the law at runs offered, (m, room)."""
        return self._jacobian(self._raw(offered), free)

    def _raw(self, variables: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Variables as the law takes them, each (m,)."""
        return [np.log(variables[v.name]) if v.logged else variables[v.name] for v in self.problem.law.variables]

    def _logged(self, raw: list[np.ndarray]) -> np.ndarray:
        """Of variables as the law takes them those that are logs, (m, v)."""
        return np.stack([x for x, v in zip(raw, self.problem.law.variables, strict=True) if v.logged], axis=1)

    def _jacobian(self, logs: list[np.ndarray], free: np.ndarray) -> np.ndarray:
        """Slopes of the law at runs (m, room), by the program that made those of the fit."""
        problem, count = self.problem.without_errors, len(logs[0])
        rows = len(problem.points.response)
        parts = []
        for start in range(0, count, rows):
            block = [x[start : start + rows] for x in logs]
            size = len(block[0])
            padded = tuple(np.concatenate([x, np.repeat(x[-1:], rows - size)]) for x in block)
            one = replace(problem, points=problem.points._replace(logs=padded))
            parts.append(slopes_of(Stack.of([one]), free[None])[1][0, :size])
        return np.concatenate(parts)[:, self.room]


def _left(belief: Belief, chosen: list[int]) -> list[float]:
    """What is left of the variance of the decision after each run."""
    state, left = Knowing(belief), []
    for i in chosen:
        state.add(i)
        left.append(max(state.decision, 0.0) / belief.decision)
    return left


def _around(source: Any, draws: Draws | None) -> np.ndarray:
    """Further values of theta to choose over, (k, n_parameters)."""
    if draws is not None:
        if draws.law is not source.law:
            raise InputError("draws are of another law than the fit")
        return draws.draws[np.linspace(0, len(draws.draws) - 1, min(_DRAWS - 1, len(draws.draws))).round().astype(int)]
    covariance = source.covariance
    if covariance is None or not np.isfinite(covariance.matrix).all():
        return np.empty((0, len(source.theta)))
    index = [source.law.index(name) for name in covariance.names]
    values, axes = np.linalg.eigh(np.asarray(covariance.matrix))
    steps = np.random.default_rng(0).standard_normal((_DRAWS - 1, len(index))) * np.sqrt(np.maximum(values, 0.0))
    thetas = np.repeat(source.theta[None], _DRAWS - 1, axis=0)
    thetas[:, index] += steps @ axes.T
    return thetas


def _answer(plan: Plan, cost: CostModel, target: Target, in_log: bool) -> tuple[float, np.ndarray]:
    """How the target answers to a misfit (of the log response, or else of the response) at the decision: to its value,
    and to its derivative along a direction in the logs of the law's variables, (v,).

    The best N lies where the response is least along the budget, so a misfit g moves log N by minus its slope along the
    budget over the curvature there; the response itself moves by g.
    """
    law, row = plan.law, plan.rows[0]
    names = [v.name for v in law.variables if v.logged]
    slope = np.zeros(len(names))
    if target == "loss":
        return (1.0 if in_log or not law.response.logged else 1 / row.loss), slope
    if not {"N", "D"} <= set(names) or set(row.binding) - {"budget"}:
        return 0.0, slope
    logs = {name: np.log(row.variables[name]) for name in cost.variables}

    def spent(moved: str, by: float) -> float:
        return float(cost(*(logs[name] + by * (name == moved) for name in cost.variables)))

    by_n, by_d = (spent(name, _WIDE) - spent(name, -_WIDE) for name in ("N", "D"))
    along = -by_n / by_d  # d log D / d log N at one cost
    n, d = row.N * np.exp(_WIDE * np.array([-1, 0, 1])), row.D * np.exp(along * _WIDE * np.array([-1, 0, 1]))
    response = np.asarray(law.predict(plan.params, **{**row.variables, "N": n, "D": d}))
    low, middle, high = np.log(response) if in_log and law.response.logged else response
    curvature = (low - 2 * middle + high) / _WIDE**2
    if not abs(curvature) > 1e-8:
        return 0.0, slope
    share = 1.0 if target == "N" else along - 1.0
    slope[names.index("N")], slope[names.index("D")] = -share / curvature, -share * along / curvature
    return 0.0, slope
