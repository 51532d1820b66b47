"""How many starts are worked on side by side changes no answer: a queue of few lanes, or a lane for each start."""

import numpy as np
import pytest

import jaxscale as js
from jaxscale._base.settings import in_float64
from jaxscale._problem.arrays import Overrides
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import NOTHING, Stack
from jaxscale._solver import solve
from jaxscale._solver.solve_stack import solve_stack

LAW = js.laws.chinchilla
lanes_for = solve.lanes_for


@pytest.fixture(scope="module")
def stack() -> Stack:
    truth = js.synthetic.demo_truth()
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    design = {"N": N, "D": D}
    tables = [js.synthetic.observe(LAW, truth.params, design, noise=0.005, seed=k) for k in range(2)]
    with in_float64():
        return Stack.of([make_problem(LAW, runs, js.Huber()) for runs in tables])


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_a_lane_for_each_start_finds_what_a_queue_finds(stack, monkeypatch, own):
    rng = np.random.default_rng(0)
    starts = np.array([5.0, 6.0, 0.5, 0.3, 0.3]) + rng.normal(0, 0.3, (40, 5))
    rows = stack.batch(np.zeros(1, np.int64), -1, NOTHING).tables.points.response.shape[-1]
    weights = Overrides(rng.poisson(1.0, (40, rows)).astype(float) + 1) if own else NOTHING
    found = []
    for platform in ("cpu", "cuda"):
        monkeypatch.setattr(solve, "lanes_for", lambda rows, starts, _, p=platform: lanes_for(rows, starts, p))
        solve._compiled.cache_clear()
        with in_float64():
            table = np.arange(40) % 2
            found.append(solve_stack(stack, js.optim.damped_newton(), table, starts, own=weights, smallest=128))
    queue, side_by_side = found
    np.testing.assert_allclose(side_by_side.free, queue.free, rtol=1e-9)
    np.testing.assert_allclose(side_by_side.value, queue.value, rtol=1e-13)
    np.testing.assert_array_equal(side_by_side.status, queue.status)
    np.testing.assert_array_equal(side_by_side.steps, queue.steps)


def test_an_accelerator_works_on_thousands_and_bounds_its_points():
    assert solve.lanes_for(256, 64, "cuda") == 64  # each has its own
    assert solve.lanes_for(256, 16384, "cuda") == 4096
    assert solve.lanes_for(1 << 15, 4096, "cuda") == 512
    assert solve.lanes_for(1 << 22, 4096, "tpu") == solve.FEW_LANES
    assert solve.lanes_for(256, 16384) == 16 and solve.lanes_for(64, 16384) == 32
