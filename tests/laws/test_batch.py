"""Batch, steps and weight decay: identities of McCandlish et al., and published laws against each other."""

import numpy as np
import pytest
from helpers import closed, of, random_params, respond

from jaxscale import laws


def test_steps_and_tokens_lie_on_the_hyperbola():
    p = random_params("mccandlish_steps")
    for B in (1e5, 1e6, 1e7):
        steps = respond("mccandlish_steps", p, B=B)
        np.testing.assert_allclose(closed("mccandlish_steps", "tokens", p, B), B * steps, rtol=1e-13)
        np.testing.assert_allclose((steps / p["S_min"] - 1) * (B * steps / p["E_min"] - 1), 1, rtol=1e-11)


def test_the_critical_batch_costs_twice_the_steps_and_twice_the_tokens():
    p = random_params("mccandlish_steps")
    critical = closed("mccandlish_steps", "critical_batch", p)
    steps = respond("mccandlish_steps", p, B=critical)
    np.testing.assert_allclose((steps / p["S_min"], critical * steps / p["E_min"]), 2, rtol=1e-13)


def test_two_laws_of_the_best_batch_agree():
    """Schaipp's and Step Law's, found apart, within 5 % from 1e10 to 1e13 tokens."""
    D = np.geomspace(1e10, 1e13, 7)
    ours = respond("batch_by_tokens", laws.batch_by_tokens.constants["schaipp"].params, D=D)
    np.testing.assert_allclose(ours, respond("step_law", laws.step_law.constants["B"].params, N=1e9, D=D), rtol=0.05)


def test_the_weight_decay_has_the_best_timescale():
    """tau = B / (lr decay D) = 1.084 (D / N)^-0.527."""
    N, D, B, lr = 1e9, 4e10, 1e6, 3e-4
    decay = float(of("power_lines_timescale:power_lines", "weight_decay", N, D, B, lr))
    assert B / (lr * decay * D) == pytest.approx(1.084 * 40**-0.527, rel=1e-12)
    assert decay == pytest.approx(B * 40**0.527 / (1.084 * lr * D), rel=1e-12)
