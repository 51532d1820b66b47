"""Sensitivities of a plan against its closed form, and steps in words."""

import numpy as np
import pytest
from sources import BESIROGLU

from jaxscale._base.errors import InputError
from jaxscale._planning.frontier import frontier
from jaxscale._planning.sensitivity import moved


def test_sensitivity_against_closed_form():
    budgets = np.array([1e21, 1e24])
    p = BESIROGLU.params
    total = p["alpha"] + p["beta"]
    log_N = np.array([np.log(row.N) for row in frontier(BESIROGLU, budgets).rows])
    exact = {  # derivatives of log N* = (log(alpha A / (beta B)) + beta log(C / 6)) / (alpha + beta)
        "A": 1 / total + 0 * log_N,
        "B": -1 / total + 0 * log_N,
        "E": 0 * log_N,
        "alpha": (1 / p["alpha"] - log_N) / total,
        "beta": (np.log(budgets / 6) - 1 / p["beta"] - log_N) / total,
        "budget": p["beta"] / total + 0 * log_N,
    }
    plan = frontier(BESIROGLU, budgets)
    for name, derivative in exact.items():
        frame = plan.sensitivity(name).to_frame()
        np.testing.assert_allclose(frame["N"], derivative, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(frame["tokens_per_param"], frame["D"] - frame["N"], rtol=1e-12, atol=1e-12)
        assert set(frame["per"]) == {"raw" if name in ("alpha", "beta") else "log"}
    answers = plan.sensitivity()
    text = str(answers)
    for heading, row in zip(("budget 1e21 FLOPs", "budget 1e24 FLOPs"), range(2), strict=True):
        lines = [line.split() for line in text.split(heading)[1].splitlines()]
        printed = {line[0]: line for line in lines[:9] if line}
        assert float(printed["B"][2]) == pytest.approx(exact["B"][row], rel=0.01)
        assert float(printed["beta"][2]) == pytest.approx(p["beta"] * exact["beta"][row], rel=0.01)
        assert printed["beta"][1] == "0.3672" and float(printed["budget"][1]) > 0
    assert repr(answers) == f"<Sensitivity what 1 % more of one assumption changes · {plan.label}: 12 answers>"
    assert "<h4>budget 1e24 FLOPs</h4>" in answers._repr_html_()
    everything = answers.to_frame()
    assert len(everything) == 2 * 6
    # Envelope: at the optimum, the loss answers to E as if nothing else moved.
    loss_per_E = everything.query("parameter == 'E'")["loss"]
    np.testing.assert_allclose(loss_per_E, [p["E"] / row.loss for row in plan.rows], rtol=1e-10)
    with pytest.raises(
        InputError, match="no parameter 'gamma' in chinchilla; choose one of A, B, E, alpha, beta, budget"
    ):
        plan.sensitivity("gamma")


@pytest.mark.parametrize(
    ("slope", "step", "logged", "text"),
    [
        (1.4, 0.01, True, "+1.4 %"),
        (-1.4, 1e-4, True, "-0.014 %"),
        (1e9, 0.01, True, "+1e+09 %"),  # beside a loss that cannot be reached
        (-30.0, 0.01, False, "-0.3"),
        (1e-12, 0.01, True, "0 %"),
        (np.nan, 0.01, True, "-"),
    ],
)
def test_a_step_moves_logs_by_per_cent(slope, step, logged, text):
    assert moved(slope, step, logged) == text
