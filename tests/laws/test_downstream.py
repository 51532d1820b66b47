"""From loss to tasks: printed errors, and two steps that are both steps."""

import math

import numpy as np
import pytest
from helpers import COUNT, closed, random_params, respond, sizes_and_tokens, true_params
from scipy.special import expit

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---


def test_the_errors_that_gadre_et_al_print():
    """Their notebook's predictions, from the loss of gadre_overtrain; constants are rounded to four digits."""
    predict = laws.instance("gadre_err:rpj_17").predict
    rounding = 5e-5 * (1 + math.exp(-0.7146 * 2.5) * (1 + 2.2065 * 2.5))
    for loss, error, observed, percent in (
        (2.442745, 0.471856, 0.471637, 0.0464),
        (2.519827, 0.492496, 0.475215, 3.6365),
    ):
        assert predict(loss=loss) == pytest.approx(error, abs=rounding)
        assert 100 * (error / observed - 1) == pytest.approx(percent, abs=2e-4)


# --- From loss to tasks ---


def test_loss_for_error_inverts():
    p = random_params("gadre_err")
    loss = np.random.default_rng(44).uniform(1.5, 6, COUNT)
    error = respond("gadre_err", p, loss=loss)
    np.testing.assert_allclose(closed("gadre_err", "loss_for_error", p, error), loss, rtol=1e-9)
    np.testing.assert_allclose(respond("gadre_err", p, loss=1e3), p["epsilon"], rtol=1e-14)
    perplexity = p["epsilon"] - p["k"] * np.exp(loss) ** -p["gamma"]
    np.testing.assert_allclose(error, perplexity, rtol=1e-12)


def test_two_steps_are_both_steps():
    p, C, (N, D) = true_params("llama3_two_step"), np.geomspace(1e18, 1e26, 9), sizes_and_tokens(45).values()
    ends = {k: p[k] for k in ("chance", "ceiling", "k", "x_0")}
    first = laws.llama3_task_loss.predict({k: p[k] for k in ("slope", "C_0")}, C=C)
    np.testing.assert_allclose(first, -0.1 * np.log10(C / 1e31), rtol=1e-12)
    np.testing.assert_allclose(closed("llama3_two_step", "task_loss", p, C), first, rtol=1e-13)
    second = laws.task_accuracy.predict(ends, task_loss=first)
    np.testing.assert_allclose(second, 0.25 + 0.65 * expit(-4.0 * (first - 0.8)), rtol=1e-13)
    np.testing.assert_allclose(laws.llama3_two_step.predict(p, C=C), second, rtol=1e-13)
    p = true_params("bhagia_two_step")
    first = laws.chinchilla.predict({k: p[k] for k in laws.chinchilla.parameter_names}, N=N, D=D)
    np.testing.assert_allclose(closed("bhagia_two_step", "task_loss", p, N, D), first, rtol=1e-13)
    second = laws.task_accuracy.predict(ends, task_loss=first)
    np.testing.assert_allclose(laws.bhagia_two_step.predict(p, N=N, D=D), second, rtol=1e-13)
    one = {k: p["k"] * p[k] for k in "AB"} | {k: p[k] for k in ("alpha", "beta", "chance", "ceiling")}
    one["s"] = p["k"] * (p["x_0"] - p["E"])
    np.testing.assert_allclose(laws.bhagia_one_step.predict(one, N=N, D=D), second, rtol=1e-12)
