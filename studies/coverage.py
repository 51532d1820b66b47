"""`python -m studies.coverage`: how often the default 90 % intervals hold the truth, for planted laws and noises.

Every simulated table goes through what `fit_many` does (`auto` starts, the method that `choose_method` picks, 1,000
draws or profiles), 256 tables side by side; those of "quick by ..." have quick intervals, which `auto` takes for these
objectives. A cell is written to `coverage.json` beside this file as it is finished; `--cells` chooses some,
`--simulations` says how many tables, `--list` names them, `--table` prints what is there.

Designs and noises are none that the intervals were built with, see `DESIGNS` and `NOISES`. Besides parameters,
intervals are of a = beta / (alpha + beta), and of the best N and the loss at a budget of 1e24 FLOPs, by the method
chosen for the fit; "N* planned" is the interval that `frontier` prints.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.special import ndtri

import jaxscale as js
from jaxscale import costs
from jaxscale._analyses.diagnostics.quantity import Derived, make_derived
from jaxscale._problem.objectives import Objective
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import MOST_STACKED, Stack
from jaxscale._solver.search import refined, search
from jaxscale._trust.constrained_optima import entry
from jaxscale._trust.covariance import covariance_of
from jaxscale._trust.interval_method import choose_method
from jaxscale._trust.intervals import make_intervals
from jaxscale._trust.linearization import linearize_all
from jaxscale._trust.optimum import Optimum
from jaxscale._trust.percentiles import percentile_ends
from jaxscale._trust.profile_curves import profile_curve
from jaxscale._trust.resampling import bootstrap_draws
from jaxscale.optim import damped_newton

RESULTS = Path(__file__).with_name("coverage.json")
LEVEL, BUDGET, DRAWS = 0.9, 1e24, 1000
FIRST = 64  # simulations whose hits are kept by target, so that a test can repeat them

Variables = dict[str, np.ndarray]
Noise = Callable[[np.random.Generator, Variables, tuple[str, ...] | None], np.ndarray]


# --- Designs: variables of one table ---


def grid(sizes: int, ratios: int):
    """Sizes from 2e7 to 4e9 by tokens per parameter from 4 to 400, each pair once."""
    N, ratio = np.meshgrid(np.geomspace(2e7, 4e9, sizes), np.geomspace(4, 400, ratios))
    return lambda rng: {"N": N.ravel(), "D": (N * ratio).ravel()}


def scatter(count: int):
    """Anew for each table: sizes from 1e7 to 1e10 and tokens per parameter from 2 to 300, both evenly in logs."""

    def draw(rng: np.random.Generator) -> Variables:
        N = np.exp(rng.uniform(np.log(1e7), np.log(1e10), count))
        return {"N": N, "D": N * np.exp(rng.uniform(np.log(2), np.log(300), count))}

    return draw


def sweep(budgets: int, sizes: int):
    """Budgets from 3e17 to 6e21 FLOPs, sizes from a sixth to six times the optimum at each."""
    N, D = js.synthetic.isoflop_design(np.geomspace(3e17, 6e21, budgets), sizes, spread=6.0)
    return lambda rng: {"N": N, "D": D}


def checkpoints(runs: int, each: int):
    """Runs of 3e7 to 6e9 parameters and 30 to 120 tokens per parameter, each seen at `each` fractions of its length."""
    N = np.geomspace(3e7, 6e9, runs)
    ratio = np.resize([30.0, 120.0, 60.0], runs)
    done = np.geomspace(0.05, 1.0, each)
    return lambda rng: {
        "N": np.repeat(N, each),
        "D": (N * ratio)[:, None].repeat(each, 1).ravel() * np.tile(done, runs),
    }


def sizes(count: int):
    """One variable: sizes from 1e6 to 1e10."""
    return lambda rng: {"N": np.geomspace(1e6, 1e10, count)}


# --- Noises: errors of the log response ---


def gaussian(rng, variables, clusters):
    """Standard deviation .6 %."""
    return 0.006 * rng.standard_normal(len(variables["N"]))


def heavy(rng, variables, clusters):
    """Student's t with 2.5 degrees of freedom, times .5 %."""
    return 0.005 * rng.standard_t(2.5, len(variables["N"]))


def uneven(rng, variables, clusters):
    """Standard deviation from 1.5 % at the smallest model to .2 % at the largest."""
    log_n = np.log(variables["N"])
    share = (log_n - log_n.min()) / np.ptp(log_n)
    return np.exp(np.log(0.015) * (1 - share) + np.log(0.002) * share) * rng.standard_normal(len(log_n))


def contaminated(rng, variables, clusters):
    """Standard deviation .5 %, and of .5 in ten runs of a hundred 2.5 %."""
    wild = rng.random(len(variables["N"])) < 0.1
    return np.where(wild, 0.025, 0.005) * rng.standard_normal(len(wild))


def by_run(rng, variables, clusters):
    """Of one run .6 % at every checkpoint alike, and .15 % at each by itself."""
    index = np.unique(np.array(clusters), return_inverse=True)[1]
    return 0.006 * rng.standard_normal(index.max() + 1)[index] + 0.0015 * rng.standard_normal(len(index))


def drifting(rng, variables, clusters):
    """An error that wanders along each run: half of it stays from one checkpoint to the next; heavier tails."""
    index = np.unique(np.array(clusters), return_inverse=True)[1]
    steps = 0.004 * rng.standard_t(4, len(index))
    out = np.empty(len(index))
    for k in range(len(index)):
        before = out[k - 1] if k and index[k] == index[k - 1] else 0.004 * rng.standard_normal()
        out[k] = 0.9 * before + np.sqrt(1 - 0.9**2) * steps[k]
    return out


# --- Cells ---


@dataclass(frozen=True)
class Cell:
    """A law with its truth, a design, a noise, and how many rows belong to one run."""

    law: js.Law
    truth: Mapping[str, float]
    design: Callable[[np.random.Generator], Variables]
    noise: Noise
    each: int = 1
    planned: bool = True  # whether the best run at a budget is a target
    quick: Objective | None = None  # whose quick interval is looked at, in place of the default
    objective: Objective = field(default_factory=js.Huber)
    fitted: Mapping[str, float] | None = None  # what the objective aims at, where that is not the law of the middle
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def table(self, seed: int) -> js.Runs:
        """One simulated table."""
        rng = np.random.default_rng([20261126, seed])
        variables = self.design(rng)
        if len(self.law.steps) > 1:  # what lies between is observed, and what follows goes by it
            first, second = self.law.steps
            ours, theirs = ({n: self.truth[n] for n in step.parameter_names} for step in (first, second))
            loss = np.asarray(first.predict(ours, **variables)) * np.exp(self.noise(rng, variables, None))
            variables["loss"], error = loss, np.asarray(second.predict(theirs, loss=loss))
            return js.Runs(variables, error * np.exp(0.01 * rng.standard_normal(len(error))), second.response.name)
        exact = np.asarray(self.law.predict(self.truth, **variables))
        clusters = None
        if self.each > 1:
            clusters = tuple(f"run {k // self.each}" for k in range(len(exact)))
        loss = exact * np.exp(self.noise(rng, variables, clusters))
        runs = js.Runs(variables, loss, self.law.response.name)
        return runs if clusters is None else replace(runs, clusters=clusters)

    @property
    def targets(self) -> dict[str, Derived]:
        """What intervals are of."""
        law = self.law
        names = [n for n in law.parameter_names if n == "E" or n.startswith(("alpha", "beta"))]
        targets = {n: make_derived(law, n) for n in names}
        if self.planned:
            if {"alpha", "beta"} <= set(law.parameter_names):
                targets["a"] = make_derived(law, _share)
            targets["N*"] = make_derived(law, "N", budget=BUDGET, cost=costs.six_nd)
            targets["loss*"] = make_derived(law, "loss", budget=BUDGET, cost=costs.six_nd)
        else:
            far = {"N": 7e10} if len(law.variables) == 1 else {"N": 7e10, "D": 1.4e12}
            targets["loss far"] = make_derived(law, at=far)
        return targets


def _share(p: Any) -> Any:
    return p["beta"] / (p["alpha"] + p["beta"])


CHINCHILLA, KAPLAN, SKALING, POWER = js.laws.chinchilla, js.laws.kaplan_nd, js.laws.skaling, js.laws.power_law()
# Not the constants that the intervals were built with.
TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
SIXTY = {"E": 1.22, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "k": 0.452}
DESIGNS = {
    "120 in a sweep": sweep(8, 15), "60 scattered": scatter(60), "36 in a grid": grid(6, 6), "20 in a grid": grid(5, 4),
    "72 in a grid": grid(9, 8), "15 in a grid": grid(5, 3), "12 in a sweep": sweep(3, 4), "10 in a sweep": sweep(2, 5),
    "9 in a grid": grid(3, 3),
}  # fmt: skip
QUICK = {"matched Huber": js.Huber("matched"), "Student's t": js.StudentT(), "squares": js.SquaredError()}
NOISES = {"gaussian": gaussian, "heavy": heavy, "uneven": uneven, "contaminated": contaminated}


def _cells() -> dict[str, Cell]:
    cells = {
        f"chinchilla, {design}, {noise}": Cell(CHINCHILLA, TRUTH, DESIGNS[design], NOISES[noise])
        for design, noises in {
            "120 in a sweep": ("gaussian", "heavy", "uneven"),
            "60 scattered": ("gaussian", "heavy", "uneven", "contaminated"),
            "36 in a grid": ("gaussian", "heavy", "uneven"),
            "20 in a grid": ("gaussian", "heavy", "uneven"),
            "15 in a grid": ("gaussian", "heavy", "uneven"),
            "12 in a sweep": ("gaussian", "heavy"),
            "10 in a sweep": ("gaussian", "heavy"),
            "9 in a grid": ("gaussian", "heavy"),
        }.items()
        for noise in noises
    }
    for noise in (by_run, drifting):
        design = checkpoints(12, 20)
        cells[f"chinchilla, 12 runs x 20, {noise.__name__}"] = Cell(CHINCHILLA, TRUTH, design, noise, each=20)
    kaplan = js.laws.kaplan_nd.published["kaplan"].params
    for noise in ("gaussian", "heavy"):
        cells[f"kaplan_nd, 60 scattered, {noise}"] = Cell(KAPLAN, kaplan, scatter(60), NOISES[noise])
        cells[f"skaling, 60 scattered, {noise}"] = Cell(SKALING, SIXTY, scatter(60), NOISES[noise], planned=False)
        cells[f"power_law, 24 sizes, {noise}"] = Cell(
            POWER, {"A": 300.0, "E": 1.7, "alpha": 0.34}, sizes(24), NOISES[noise], planned=False
        )
    cells["kaplan_nd, 15 in a grid, gaussian"] = Cell(KAPLAN, kaplan, grid(5, 3), gaussian)
    cells["power_law, 12 sizes, gaussian"] = Cell(
        POWER, {"A": 300.0, "E": 1.7, "alpha": 0.34}, sizes(12), gaussian, planned=False
    )
    for design in ("20 in a grid", "36 in a grid", "72 in a grid"):
        for noise in ("gaussian", "heavy", "uneven"):
            for name, objective in QUICK.items():
                cells[f"chinchilla, {design}, {noise}, quick by {name}"] = Cell(
                    CHINCHILLA, TRUTH, DESIGNS[design], NOISES[noise], quick=objective
                )
    bounded = {"bounds": {"alpha": (None, TRUTH["alpha"])}}
    cells["chinchilla, 36 in a grid, gaussian, alpha at most its truth"] = Cell(
        CHINCHILLA, TRUTH, DESIGNS["36 in a grid"], gaussian, **bounded
    )
    for over in (3.0, 10.0):  # the law that 25 and 9 % of the runs lie below: higher or lower as a whole
        below = {n: x * np.exp(0.006 * ndtri(1 / (1 + over))) if n in "EAB" else x for n, x in TRUTH.items()}
        design = DESIGNS["36 in a grid" if over == 3 else "72 in a grid"]
        name = f"chinchilla, {'36' if over == 3 else '72'} in a grid, gaussian, overestimates x {over:g}"
        cells[name] = Cell(CHINCHILLA, TRUTH, design, gaussian, objective=js.Huber(overestimate=over), fitted=below)
    chain = CHINCHILLA >> js.laws.gadre_err
    truth = {**TRUTH, **js.laws.gadre_err.published["rpj_17"].params}
    cells["chinchilla >> gadre_err, 36 in a grid, gaussian"] = Cell(chain, truth, DESIGNS["36 in a grid"], gaussian)
    return cells


CELLS = _cells()


# --- Intervals of many tables ---


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of one table: the method, and by target the estimate and both ends (in logs where the target is positive)."""

    method: str
    estimate: dict[str, float]
    ends: dict[str, tuple[float, float]]


def outcomes(cell: Cell, simulations: range) -> Iterator[Outcome]:
    """The default intervals of simulated tables."""
    if len(cell.law.steps) > 1:
        yield from (_of_chain(cell, k) for k in simulations)
        return
    with jax.enable_x64(True):
        for first in simulations[::MOST_STACKED]:
            some = range(first, min(first + MOST_STACKED, simulations.stop))
            tables = [cell.table(k) for k in some]
            yield from _of_stack(cell, tables, first) if cell.quick is None else _of_quick(cell, cell.quick, tables)


def _of_chain(cell: Cell, seed: int) -> Outcome:
    """`fit_chain` of one table; parameters in natural units."""
    result = js.fit_chain(cell.law, cell.table(seed), seed=seed)
    return Outcome(result.intervals.method, dict(result.params), dict(result.intervals.params))


def _of_quick(cell: Cell, objective: Objective, tables: list[js.Runs]) -> Iterator[Outcome]:
    """Quick intervals; of what is no parameter by the delta method, as a plan has them."""
    stack = Stack.of([make_problem(cell.law, runs, objective) for runs in tables])
    best = np.array([s.solutions.free[s.best] for s in search(stack, damped_newton(), "auto", seed=0, max_steps=300)])
    at = linearize_all(stack, best)
    if stack.first.provisional:
        shapes = [objective.at(one.sigma) for one in at]
        pairs = zip(stack.problems, shapes, strict=True)
        stack = Stack.of([replace(p, objective=x, losses=x.losses(1.0)[-1:]) for p, x in pairs])
        best = refined(stack, damped_newton(), best, max_steps=300, devices=None).free
        at = linearize_all(stack, best)
    for one in (Optimum(*o) for o in zip(stack.problems, best, at, strict=True)):
        intervals, covariance = make_intervals(one, method="quick", why="", level=LEVEL)
        if covariance is None:
            yield Outcome("none", {}, {})
            continue
        estimate, ends = {}, {}
        for name, q in cell.targets.items():
            measure, given = q.of_free(one.problem)
            value, slope = (np.asarray(x) for x in _measured(measure)(one.free, given))
            half = ndtri((1 + LEVEL) / 2) * np.sqrt(slope @ covariance.matrix @ slope)
            estimate[name], ends[name] = float(value), (float(value - half), float(value + half))
            if name in intervals.params:
                to_theta = cell.law.parameters[cell.law.parameter_names.index(name)].to_theta
                ends[name] = tuple(float(to_theta(x)) for x in intervals.params[name])
        yield Outcome("quick", estimate, ends)


def _of_stack(cell: Cell, tables: list[js.Runs], seed: int) -> list[Outcome]:
    stack = Stack.of([make_problem(cell.law, runs, cell.objective, bounds=cell.bounds) for runs in tables])
    searches = search(stack, damped_newton(), "auto", seed=0, max_steps=300)
    best = np.array([s.solutions.free[s.best] for s in searches])
    optima = [Optimum(*one) for one in zip(stack.problems, best, linearize_all(stack, best), strict=True)]
    methods = [
        choose_method("auto", o.at, o.identification, table.clusters, o.largest_relative_error, o.near_bounds)[0]
        for o, table in zip(optima, tables, strict=True)
    ]
    drawn: dict[int, np.ndarray] = {}
    if chosen := [k for k, method in enumerate(methods) if method == "bootstrap"]:
        part = stack if len(chosen) == len(stack) else Stack.of([stack.problems[k] for k in chosen])
        clusters = [tables[k].clusters for k in chosen]
        draws = bootstrap_draws(part, best[chosen], draws=DRAWS, seed=seed, clusters=clusters)
        drawn = dict(zip(chosen, draws, strict=True))
    return [
        _intervals(cell, one, methods[k], drawn.get(k), tables[k].clusters is not None) for k, one in enumerate(optima)
    ]


def _intervals(cell: Cell, optimum: Optimum, method: str, drawn: np.ndarray | None, clustered: bool) -> Outcome:
    problem, best, at = optimum.problem, optimum.free, optimum.at
    held = {name for name, on_bound in zip(problem.free_names, at.held, strict=True) if on_bound}
    targets = {name: (q.logged, *q.of_free(problem)) for name, q in cell.targets.items() if name not in held}
    estimate, ends = {}, {}
    kept = None if drawn is None else drawn[np.isfinite(drawn).all(axis=1)]
    if kept is not None and len(kept) < 0.9 * DRAWS:
        method, kept = "none", None
    covariance = optimum.covariance if kept is None else None
    corrected = at.corrected_draws and not clustered
    if kept is not None:
        covariance = covariance_of(at.names, kept, corrected)
    elif method == "profile":
        _, covariance = make_intervals(optimum, method=method, why="", level=LEVEL)
    of_parameters = [n for n in targets if n in cell.law.parameter_names]
    if method == "profile":
        rows = np.array([np.eye(len(best))[problem.free_names.index(n)] for n in of_parameters])
        curves = dict(zip(of_parameters, profile_curve(problem, best, at, entry, rows, LEVEL), strict=True))
        for name, (_, measure, given) in targets.items():
            if name not in curves:
                (curves[name],) = profile_curve(problem, best, at, measure, given[None], LEVEL)
        ends = {name: (c.low, c.high) for name, c in curves.items()}
    for name, (_, measure, given) in targets.items():
        value, slope = (np.asarray(x) for x in _measured(measure)(best, given))
        estimate[name] = float(value)
        if kept is not None:
            values = np.asarray(_mapped(measure)(kept_of_one_shape(kept), given))[: len(kept)]
            values = values[np.isfinite(values)]
            ends[name] = percentile_ends(values, value, LEVEL, corrected)
        if name == "N*" and method != "none" and covariance is not None:
            half = ndtri((1 + LEVEL) / 2) * np.sqrt(slope @ covariance.matrix @ slope)
            estimate["N* planned"], ends["N* planned"] = float(value), (float(value - half), float(value + half))
    return Outcome(method, estimate, ends)


def kept_of_one_shape(kept: np.ndarray) -> np.ndarray:
    """Draws padded to `DRAWS`, so that nothing is compiled again."""
    return kept[np.minimum(np.arange(DRAWS), len(kept) - 1)]


@cache
def _measured(measure: Callable):
    return jax.jit(jax.value_and_grad(measure))


@cache
def _mapped(measure: Callable):
    return jax.jit(jax.vmap(measure, (0, None)))


# --- What is reported ---


def truth_of(cell: Cell) -> dict[str, float]:
    """The true value of each target."""
    if len(cell.law.steps) > 1:
        return dict(cell.truth)
    problem = make_problem(cell.law, cell.table(0), js.Huber())
    theta = problem.reduce(cell.law.theta(cell.fitted or cell.truth))
    with jax.enable_x64(True):
        pairs = ((name, q.of_free(problem)) for name, q in cell.targets.items())
        true = {name: float(measure(theta, given)) for name, (measure, given) in pairs}
    return true | ({"N* planned": true["N*"]} if "N*" in true else {})


def hits(outcome: Outcome, truth: Mapping[str, float]) -> dict[str, bool]:
    """Which intervals hold the truth."""
    return {name: bool(low <= truth[name] <= high) for name, (low, high) in outcome.ends.items()}


def study(cell: Cell, simulations: int) -> dict[str, Any]:
    """Coverage of one cell, as it is written."""
    return summary(list(outcomes(cell, range(simulations))), truth_of(cell))


def summary(found: list[Outcome], truth: Mapping[str, float]) -> dict[str, Any]:
    """Percentages; widths beside those of an exact normal interval."""
    given = [o for o in found if o.ends]
    names = [n for n in truth if any(n in o.ends for o in given)]
    held = {n: np.mean([hits(o, truth)[n] for o in given if n in o.ends]) for n in names}
    width, opened = {}, {}
    for n in names:
        ends = np.array([o.ends[n] for o in given if n in o.ends])
        low, high = np.quantile([o.estimate[n] for o in found if n in o.estimate], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        width[n] = float(np.median(ends[:, 1] - ends[:, 0]) / (high - low))
        opened[n] = float(100 * np.mean(~np.isfinite(ends).all(axis=1)))
    methods = {m: round(100 * sum(o.method == m for o in found) / len(found), 1) for m in {o.method for o in found}}
    chosen = [n for n in names if n != "N* planned"]
    return {
        "simulations": len(found),
        "methods": dict(sorted(methods.items())),
        "coverage": {n: round(100 * float(held[n]), 2) for n in names},
        "standard_error": {n: round(100 * float(np.sqrt(held[n] * (1 - held[n]) / len(given))), 2) for n in names},
        "mean": round(100 * float(np.mean([held[n] for n in chosen])), 2),
        "width": {n: round(width[n], 3) for n in names},
        "open": {n: round(opened[n], 2) for n in names if opened[n] > 0},
        "first": {n: sum(hits(o, truth).get(n, False) for o in found[:FIRST]) for n in names},
    }


def written() -> dict[str, Any]:
    """The cells that were studied."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def write(name: str, result: dict[str, Any]) -> None:
    """Keep what a cell came to."""
    cells = written() | {name: result}
    ordered = {n: cells[n] for n in [*CELLS, *(c for c in cells if c not in CELLS)] if n in cells}
    whole = {"level": LEVEL, "draws": DRAWS, "budget": BUDGET, "cells": ordered}
    RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def table() -> str:
    """Markdown: a row for each cell."""
    lines = [
        "| law, runs, noise | tables | method | mean | lowest | highest | width |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, c in written().items():
        of = {n: x for n, x in c["coverage"].items() if n != "N* planned"}
        low, high = min(of, key=of.__getitem__), max(of, key=of.__getitem__)
        method = max(c["methods"], key=c["methods"].__getitem__)
        share = f"{method} ({c['methods'][method]:.0f} %)" if c["methods"][method] < 99.95 else method
        width = np.median([x for n, x in c["width"].items() if n in of])
        lines.append(
            f"| {name} | {c['simulations']:,} | {share} | {c['mean']:.1f} | {of[low]:.1f} ({low}) | "
            f"{of[high]:.1f} ({high}) | {width:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.coverage", description=__doc__)
    parser.add_argument("--cells", nargs="+", metavar="WORDS", default=[""], help="cells whose name holds one of these")
    parser.add_argument("--simulations", type=int, default=2000, help="tables for each cell (default 2000)")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--table", action="store_true", help="print what was written and stop")
    options = parser.parse_args()
    names = [name for name in CELLS if any(words in name for words in options.cells)]
    if options.list or options.table:
        print("\n".join(names) if options.list else table())
        return 0
    for name in names:
        begin = time.perf_counter()
        result = study(CELLS[name], options.simulations)
        write(name, result)
        print(f"{name}: mean {result['mean']:.1f}, {result['coverage']}, {result['methods']}, "
              f"{time.perf_counter() - begin:.0f} s", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
