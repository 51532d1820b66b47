"""Work shared between devices: the answers of one, two and eight devices are the same. Needs a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest

import jaxscale as js
from jaxscale._fitting import fit_stack
from jaxscale._solver import solve_stack

# JAX makes several devices of one CPU only if it is told before it starts.
PROGRAM = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", 8)
import numpy as np
import jaxscale as js

truth = js.synthetic.demo_truth()
N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
tables = {
    str(k): js.synthetic.observe(truth.law, truth.params, {"N": N, "D": D}, noise=0.005, seed=k) for k in range(3)
}
answers = {}
for count in (1, 2, 8):
    devices = jax.devices()[:count]
    fits = js.fit_many(truth.law, tables, draws=40, devices=devices)
    draws = js.bootstrap(fits["0"], draws=40, devices=devices)
    answers[count] = {
        "theta": [fit.theta.tolist() for _, fit in fits],
        "steps": [fit.starts.steps.tolist() for _, fit in fits],
        "intervals": [[list(ends) for ends in fit.intervals.params.values()] for _, fit in fits],
        "draws": draws.draws.tolist(),
    }
json.dump(answers, sys.stdout)
"""


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_answer():
    process = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    one, two, eight = json.loads(process.stdout).values()
    assert np.shape(one["draws"]) == (40, 5) and np.shape(one["theta"]) == (3, 5)
    for other in (two, eight):
        for name, expected in one.items():
            np.testing.assert_allclose(other[name], expected, rtol=1e-12, err_msg=name)


@pytest.mark.slow
def test_devices_without_float64_are_helped_by_the_host(monkeypatch):
    """As on a TPU: float32 first, float64 to the end. The answer is that of float64 alone, and the result says so."""
    truth = js.synthetic.demo_truth()
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    runs = js.synthetic.observe(truth.law, truth.params, {"N": N, "D": D}, noise=0.005, seed=1)
    plain = js.fit(truth.law, runs, draws=20)
    precisions = []

    def solve(task, optimizer, starts, problems, **options):
        precisions.append((starts.dtype, problems.tables.points.response.dtype))
        return in_float64(task, optimizer, starts, problems, **options)

    in_float64 = solve_stack.solve
    monkeypatch.setattr(solve_stack, "solve", solve)
    for module in (solve_stack, fit_stack):
        monkeypatch.setattr(module, "in_float32", lambda devices: True)
    helped = js.fit(truth.law, runs, draws=20)
    # The fit and the draws, and then the estimate matched to the noise.
    assert precisions == 2 * [(np.float32, np.float32), (np.float64, np.float64)]
    assert helped.at_noise and precisions[4:] == precisions[:2]
    assert helped.theta == pytest.approx(plain.theta, rel=1e-8) and helped.gradient_norm < 1e-8
    assert helped.intervals.params["alpha"] == pytest.approx(plain.intervals.params["alpha"], rel=1e-6)
    assert "low_precision" in helped.verdict.codes and "low_precision" not in plain.verdict.codes
