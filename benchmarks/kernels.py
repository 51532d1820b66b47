"""Where a device spends its time in one solve: the kernels of 4,096 weighted fits, by what they take in all."""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxscale as js
from benchmarks.rows import Row, table_of_runs, timed
from jaxscale._base.settings import in_float64
from jaxscale._problem.arrays import Overrides
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack, stacked_rows
from jaxscale._solver.solve import FAR
from jaxscale._solver.solve_stack import solve_stack

LAW = js.laws.chinchilla
_MOST = 12  # kernels told of


def kernels(starts: int = 4096) -> list[Row]:
    """One row for the solve, with its steps and points a second, and one for each of the dearest kernels.

    Kernels are read from JAX's profiler, which tells them for accelerators alone.
    """
    runs, _ = table_of_runs()
    with in_float64():
        stack = Stack.of([make_problem(LAW, runs, js.Huber())])
    theta = np.asarray(LAW.theta(LAW.published["besiroglu_converged"].params))
    rng = np.random.default_rng(0)
    begin, table = theta + rng.normal(0, 0.05, (starts, len(theta))), np.zeros(starts, np.int64)
    rows = stacked_rows(stack.first)
    own = Overrides(rng.poisson(1.0, (starts, rows)).astype(float))

    def solve() -> Any:
        with in_float64():
            return solve_stack(stack, js.optim.damped_newton(), table, begin, own=own, damping=FAR)

    found, run, compile_ = timed(solve)
    steps = found.steps.max()
    points = rows * found.steps.sum() / run
    job = f"{starts:,} weighted fits of {rows} rows"
    outcome = f"{steps} steps, {points / 1e6:.3g}M points a second; median objective {np.median(found.value):.6g}"
    told = [Row(job, "one solve", outcome, run, compile_)]
    each = _of_devices(solve)
    for name, (count, seconds) in sorted(each.items(), key=lambda item: -item[1][1])[:_MOST]:
        told.append(Row(job, name[:60], f"{count} launches, {100 * seconds / run:.1f} % of the solve", seconds))
    return told


def _of_devices(solve: Any) -> dict[str, tuple[int, float]]:
    """How often each kernel ran, and its seconds in all."""
    total: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            solve()
        for path in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
                if not plane.name.startswith("/device:"):
                    continue
                for event in (e for line in plane.lines if "Stream" in line.name for e in line.events):
                    count, seconds = total[event.name]
                    total[event.name] = count + 1, seconds + event.duration_ns / 1e9
    return dict(total)
