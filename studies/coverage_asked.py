"""`python -m studies.coverage_asked`: do intervals hold where more is asked of a fit than its runs alone?

The cells of `studies.coverage` are of fits as they come. These are of what may be asked beside: weights, standard
errors of the runs, parameters held (at their truth), priors (whose centres are as far off as they say, drawn anew for
each table), parameters that groups of runs share, losses predicted for one run, and plans under limits and to reach a
loss. Every table goes through the public functions, one by one; cells are written to the same `coverage.json`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import jaxscale as js
from studies.coverage import (
    BUDGET,
    CHINCHILLA,
    DESIGNS,
    NOISES,
    TRUTH,
    Cell,
    Noise,
    Outcome,
    summary,
    uneven,
    write,
)

NEAR, FAR = {"N": 1e9, "D": 3e10}, {"N": 7e10, "D": 1.4e12}
LARGEST = 2e10  # parameters, below what 1e24 FLOPs ask for
PRIORS = {"alpha": 0.05, "E": 0.03}  # widths: of the log of each


@dataclass(frozen=True)
class Asked:
    """A design and noise of `studies.coverage`, and what is asked beside the runs."""

    design: str
    noise: Noise
    weighted: bool = False
    errors: bool = False  # standard errors of the losses are known
    fixed: tuple[str, ...] = ()
    priors: Mapping[str, float] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    objective: Any = None

    def table(self, seed: int) -> js.Runs:
        cell = Cell(CHINCHILLA, TRUTH, DESIGNS[self.design], self.noise)
        runs = cell.table(seed)
        if not (self.weighted or self.errors):
            return runs
        log_n = np.log(runs.variable("N"))
        share = (log_n - log_n.min()) / np.ptp(log_n)
        scatter = np.exp(np.log(0.015) * (1 - share) + np.log(0.002) * share)  # as `uneven` has it
        if self.errors:
            return replace(runs, errors=scatter * np.sqrt(np.mean(scatter**-2.0)))
        return replace(runs, weights=(0.002 / scatter) ** 2)

    def outcome(self, seed: int) -> Outcome:
        """Intervals of one table, or of the first of three groups that share parameters."""
        options: dict[str, Any] = {"seed": seed}
        if self.objective is not None:
            options["objective"] = self.objective
        if self.fixed:
            options["fixed"] = {name: TRUTH[name] for name in self.fixed}
        if self.priors:
            rng = np.random.default_rng([7, seed])
            options["priors"] = {
                name: (TRUTH[name] * np.exp(width * rng.standard_normal()), width)
                for name, width in self.priors.items()
            }
        if self.shared:
            groups = {str(k): self.table(3 * seed + k) for k in range(3)}
            result = js.fit_many(CHINCHILLA, groups, share=self.shared, draws=200, **options)["0"]
        else:
            result = js.fit(CHINCHILLA, self.table(seed), **options)
        return of_result(result)


def of_result(result: js.FitResult) -> Outcome:
    """Parameters in natural units; predictions and plans as they are told; all but parameters in logs."""
    estimate = {n: result.params[n] for n in ("E", "alpha", "beta") if n in result.intervals.params}
    ends = {n: result.intervals.params[n] for n in estimate}
    for name, run in (("loss near", NEAR), ("loss far", FAR)):
        value, interval = result.predict_interval(**run)
        if interval is not None:
            estimate[name], ends[name] = value, interval
    for name, ask in PLANS.items():
        (row,) = js.frontier(result, **ask).rows
        told = {k: x for k, x in row.intervals.items() if k in _TOLD[name]}
        estimate |= {f"{k}, {name}": np.log(row.of(k)) for k in told}
        ends |= {f"{k}, {name}": (float(np.log(x[0])), float(np.log(x[1]))) for k, x in told.items()}
    return Outcome(result.intervals.method, estimate, ends)


def _reach() -> float:
    return float(js.frontier(CHINCHILLA.at(**TRUTH), 1e23).rows[0].loss)


PLANS: dict[str, dict[str, Any]] = {
    "planned": {"budgets": BUDGET},
    "at most 2e10 parameters": {"budgets": BUDGET, "limits": {"N_max": LARGEST}},
    "to reach a loss": {"reach_loss": _reach()},
}
_TOLD = {"planned": ("N", "loss"), "at most 2e10 parameters": ("loss",), "to reach a loss": ("N", "D", "cost")}


def truth() -> dict[str, float]:
    """Of every target."""
    true = CHINCHILLA.at(**TRUTH)
    out = {n: TRUTH[n] for n in ("E", "alpha", "beta")}
    out |= {"loss near": float(CHINCHILLA.predict(TRUTH, **NEAR)), "loss far": float(CHINCHILLA.predict(TRUTH, **FAR))}
    for name, ask in PLANS.items():
        (row,) = js.frontier(true, **ask).rows
        out |= {f"{k}, {name}": float(np.log(row.of(k))) for k in _TOLD[name]}
    return out


def _cells() -> dict[str, Asked]:
    cells: dict[str, Asked] = {}
    for design in ("20 in a grid", "36 in a grid"):
        for noise in ("gaussian", "heavy", "uneven"):
            cells[f"chinchilla, {design}, {noise}, predicted and planned"] = Asked(design, NOISES[noise])
        cells[f"chinchilla, {design}, uneven, weighted"] = Asked(design, uneven, weighted=True)
        for name, objective in (("standard errors", None), ("standard errors, squares", js.SquaredError())):
            cells[f"chinchilla, {design}, uneven, {name}"] = Asked(design, uneven, errors=True, objective=objective)
        for name in ("E", "alpha"):
            cells[f"chinchilla, {design}, gaussian, {name} fixed"] = Asked(design, NOISES["gaussian"], fixed=(name,))
        cells[f"chinchilla, {design}, gaussian, priors of alpha and E"] = Asked(
            design, NOISES["gaussian"], priors=PRIORS
        )
    cells["chinchilla, 36 in a grid, uneven, weighted squares"] = Asked(
        "36 in a grid", uneven, weighted=True, objective=js.SquaredError()
    )
    cells["chinchilla, three of 20 in a grid, gaussian, alpha and beta shared"] = Asked(
        "20 in a grid", NOISES["gaussian"], shared=("alpha", "beta")
    )
    return cells


CELLS: dict[str, Asked] = _cells()


def study(cell: Asked, simulations: int, told: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Coverage of one cell, as it is written."""
    found = []
    for seed in range(simulations):
        found.append(cell.outcome(seed))
        told(seed)
    return summary(found, truth())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.coverage_asked", description=__doc__)
    parser.add_argument("--cells", nargs="+", metavar="WORDS", default=[""], help="cells whose name holds one of these")
    parser.add_argument("--simulations", type=int, default=300, help="tables for each cell (default 300)")
    options = parser.parse_args()
    for name, cell in CELLS.items():
        if any(words in name for words in options.cells):
            begin = time.process_time()
            result = study(cell, options.simulations)
            write(name, result)
            seconds = time.process_time() - begin
            print(f"{name}: mean {result['mean']:.1f}, {result['coverage']}, {seconds:.0f} s of CPU", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
