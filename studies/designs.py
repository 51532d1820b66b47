"""Figures that the method of `next_runs` was chosen on, of an earlier study (2026-11), found again with its designs.

    python -m studies.designs [--table]

Runs from a box of sizes, by slopes at a planted law: what is left by runs in shares, by whole ones and by a coarse
grid, and how many runs 1e21 FLOPs buy best, without and with a fixed cost of 1e19 FLOPs each. The law is Chinchilla's
with Epoch's constants, noise .6 %, and weak priors; two curves of five sizes are made (1e18 and 3e18 FLOPs). What is
left is the waste expected of the size chosen at 1e23 FLOPs, in per cent of the compute. What was found earlier is
written out as `EARLIER`; with the powers of the cost that were tried there all of it comes out to its digits. The three
that `next_runs` tries choose 259 and 46 runs where those chose 306 and 42, and leave .2 % more.

Of the earlier study's replays on pools of runs no program is left; `studies.next_runs` is such a study, in one batch.
`designs.json` keeps what was found.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale._analyses.deciding.information import EXPONENTS, believe, choose
from studies.next_runs import NOISE, TRUTHS, best_sizes

EARLIER: dict[str, Any] = {"shares": 1.0191, "whole": 1.05, "coarse": "1 to 6 % above", "runs": [306, 42]}
RESULTS = Path(__file__).with_suffix(".json")
_TRIED = (0.0, 0.3, 0.6, 0.8, 1.0, 1.2)  # powers of the cost, in the earlier study


def box() -> dict[str, Any]:
    """Waste expected in per cent after 1e20 FLOPs of runs: in shares, in whole runs of a fine grid of sizes and of one
    of 7 x 7; and of 1e21 FLOPs in whole runs, with their numbers without and with a fixed cost of 1e19 FLOPs, by the
    exponents of the earlier study and by ours. Runs of 1e18 FLOPs and more at 2 to 500 tokens per parameter."""

    def whole(side: int, budget: float, fixed: float = 0.0, exponents: Sequence[float] = _TRIED) -> tuple[int, float]:
        known, new, target, cost = _linear(side, budget)
        belief = believe(np.linalg.cholesky(known).T, np.ones(len(known)), new, 1.0, target)
        runs, left = choose([belief], cost + fixed, budget, repeats=True, most=2000, exponents=exponents)
        return len(runs), round(100 * left, 4)

    theirs, ours = ([whole(41, 1e21, fixed, p) for fixed in (0.0, 1e19)] for p in (_TRIED, EXPONENTS["c"]))
    return {
        "shares": round(100 * _in_shares(*_linear(41, 1e20), 1e20), 4),
        "whole": whole(41, 1e20)[1],
        "coarse": whole(7, 1e20)[1],
        "runs": [runs for runs, _ in theirs],
        "left": theirs[0][1],
        "ours": [runs for runs, _ in ours],
        "ours_left": ours[0][1],
    }


def _linear(side: int, most: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of a grid of sizes up to a compute: information of pilot and priors (5, 5); slopes of runs over the noise (m, 5);
    of the decision, so that its variance is the waste expected (5,); costs (m,). Parameters are logs of A and B at a
    pivot, of E and of exponents; the pilot is two curves of five sizes."""
    t, first = TRUTHS["chinchilla"], np.repeat([1e18, 3e18], 5)
    compute, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e18, most, side), np.geomspace(2, 500, side)))
    a, b, n0, d0 = t["alpha"], t["beta"], np.log(1e17) / 2, np.log(1e20) / 2

    def slopes(N: np.ndarray, D: np.ndarray) -> np.ndarray:
        terms = np.stack([t["A"] * N**-a, t["B"] * D**-b, np.full_like(N, t["E"])])
        of_a, of_b, of_e = terms / terms.sum(axis=0)
        return np.stack([of_a, of_b, of_e, -of_a * a * (np.log(N) - n0), -of_b * b * (np.log(D) - d0)], 1) / NOISE

    sizes = np.sqrt(first / 120) * 10 ** np.tile(np.linspace(-0.7, 0.7, 5), 2)
    made, new = slopes(sizes, first / 6 / sizes), slopes(np.sqrt(compute / 6 / ratio), np.sqrt(compute / 6 * ratio))
    known = made.T @ made + np.diag(np.array([1.5, 1.5, 0.35, 0.5, 0.5]) ** -2.0)
    x, along = best_sizes(t, 1e23) - n0, np.log(1e23 / 6) - n0 - d0
    target = np.array([1, -1, 0, 1 - a * x, b * (along - x) - 1]) / (a + b) * np.sqrt((a + b) / 2)
    return known, new, target, compute


def _in_shares(known: np.ndarray, new: np.ndarray, target: np.ndarray, cost: np.ndarray, budget: float) -> float:
    """The least variance where runs may be done in shares, by multiplicative steps on what is spent on each
    (Silvey, Titterington & Torsney 1978, Communications in Statistics)."""
    spent = np.full(len(cost), budget / len(cost))
    for _ in range(5000):
        towards = np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target)
        spent = spent * np.abs(new @ towards) / np.sqrt(cost)
        spent *= budget / spent.sum()
    return float(target @ np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target))


def written() -> dict[str, Any]:
    """What was found."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.designs")
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    if not asked.parse_args().table:
        RESULTS.write_text(json.dumps(box()) + "\n", encoding="utf-8")
    print(f"{written()}\nearlier: {EARLIER}")


if __name__ == "__main__":
    main()
