"""What runs from a box of sizes leave unsure, by slopes at a planted law: a part of `studies.designs`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale._analyses.deciding.information import EXPONENTS, believe, choose
from studies.next_runs import NOISE, TRUTHS, best_sizes

WIDTHS = np.array([1.5, 1.5, 0.35, 0.5, 0.5])  # of priors on the logs of A, B, E, alpha and beta
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
        there = t | {"A": t["A"] * np.exp(-a * n0), "B": t["B"] * np.exp(-b * d0)}
        return slopes_of(there, N / np.exp(n0), D / np.exp(d0)) / NOISE

    sizes = np.sqrt(first / 120) * 10 ** np.tile(np.linspace(-0.7, 0.7, 5), 2)
    made, new = slopes(sizes, first / 6 / sizes), slopes(np.sqrt(compute / 6 / ratio), np.sqrt(compute / 6 * ratio))
    known = made.T @ made + np.diag(WIDTHS**-2.0)
    x, along = best_sizes(t, 1e23) - n0, np.log(1e23 / 6) - n0 - d0
    target = np.array([1, -1, 0, 1 - a * x, b * (along - x) - 1]) / (a + b) * np.sqrt((a + b) / 2)
    return known, new, target, compute


def slopes_of(p: Mapping[str, float], N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Of log losses in the logs of A, B, E, alpha and beta, (m, 5), N and D being in the units of A and B."""
    terms = np.stack([p["A"] * N ** -p["alpha"], p["B"] * D ** -p["beta"], np.full_like(N, p["E"])])
    of_a, of_b, of_e = terms / terms.sum(axis=0)
    return np.stack([of_a, of_b, of_e, -of_a * p["alpha"] * np.log(N), -of_b * p["beta"] * np.log(D)], 1)


def _in_shares(known: np.ndarray, new: np.ndarray, target: np.ndarray, cost: np.ndarray, budget: float) -> float:
    """The least variance where runs may be done in shares, by multiplicative steps on what is spent on each
    (Silvey, Titterington & Torsney 1978, Communications in Statistics)."""
    spent = np.full(len(cost), budget / len(cost))
    for _ in range(5000):
        towards = np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target)
        spent = spent * np.abs(new @ towards) / np.sqrt(cost)
        spent *= budget / spent.sum()
    return float(target @ np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target))
