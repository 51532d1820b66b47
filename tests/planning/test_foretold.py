"""Small changes are foretold by derivatives."""

import numpy as np
import pytest
from sources import fit_like

from jaxscale import costs
from jaxscale._planning.frontier import frontier
from jaxscale._planning.what_if import what_if


@pytest.fixture(scope="module")
def plan():
    return frontier(fit_like(), [1e22, 1e24], cost=costs.six_nd.with_inference(tokens=2e12), limits={"N_max": 7e10})


@pytest.mark.slow
def test_small_changes_are_foretold(plan):
    step = 1 + 1e-4
    change = what_if(plan, set={"A": f"x{step}", "inference_tokens": f"x{step}", "N_max": f"x{step}"})
    for (old, new), foretold in zip(change.rows, change.first_order, strict=True):
        for name in ("N", "D", "tokens_per_param", "loss"):
            moved, expected = getattr(new, name) - getattr(old, name), foretold[name] - getattr(old, name)
            np.testing.assert_allclose(moved, expected, rtol=2e-3, atol=1e-12 * getattr(old, name))
