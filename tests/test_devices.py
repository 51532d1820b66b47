"""Work shared between devices: the answers of one, two and eight devices are the same. Needs a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest

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
