"""What every benchmark hands in: a row with the outcome beside the time; and how times are taken."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import jaxscale as js

CLOSE = 1e-9  # a start has reached the optimum if its objective is within this of the best known, relatively


@dataclass(frozen=True)
class Row:
    """One line of the table. Seconds are of wall time; `compile` is what the first call took beyond the second.

    `ratio` is how many times faster than the rival that the job names, in the same process; `x` is the size of the job
    where several sizes make a curve.
    """

    job: str
    method: str
    outcome: str
    run: float
    compile: float | None = None
    ratio: float | None = None
    x: float | None = None


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result of the second call, its seconds, and what the first took beyond them."""
    start = time.perf_counter()
    call()
    middle = time.perf_counter()
    result = call()
    end = time.perf_counter()
    return result, end - middle, max(0.0, (middle - start) - (end - middle))


def each(solver: Callable, misfit: Any, starts: np.ndarray) -> tuple[np.ndarray, float]:
    """Objectives of a rival over starts, and its seconds per start."""
    begin = time.perf_counter()
    values = np.array([solver(misfit, start) for start in starts])
    return values, (time.perf_counter() - begin) / len(starts)


def table_of_runs() -> tuple[js.Runs, str]:
    """Epoch's 240 runs where JAXSCALE_DATA has them, else as many synthetic ones."""
    if os.environ.get("JAXSCALE_DATA"):
        return js.datasets.load("chinchilla_epoch"), "240 Epoch runs"
    return planted(240, seed=1), "240 synthetic runs"


def planted(runs: int, seed: int, noise: float = 0.005, decades: float = 4.0) -> js.Runs:
    """Runs on the Chinchilla law: about ten sizes at each of some budgets over `decades` from 1e18 FLOPs on."""
    truth = js.synthetic.demo_truth()
    # Up to 320 runs are part of one design, since a law is compiled for every shape it is evaluated on.
    budgets = max(32, -(-runs // 10))
    sizes, tokens = js.synthetic.isoflop_design(np.geomspace(1e18, 10 ** (18 + decades), budgets), 10)
    whole = js.synthetic.observe(truth.law, truth.params, {"N": sizes, "D": tokens}, noise=noise, seed=seed)
    return whole.subset(np.random.default_rng(seed).permutation(whole.count)[:runs])
