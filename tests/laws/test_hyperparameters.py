"""Best learning rates, batches and tokens per parameter: published figures."""

import numpy as np
import pytest
from helpers import as_printed

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("deepseek_alloc:M", {"C": 1e20}, "5.251267e9"),
    ("deepseek_alloc:D", {"C": 1e20}, "1.904530e10"),
    ("deepseek_hparams:lr", {"C": 1e20}, "9.85998e-4"),
    ("deepseek_hparams:B", {"C": 1e20}, "1.017145e6"),
    ("deepseek_hparams:lr", {"C": 9.94553e23}, "3.1201e-4"),
    ("deepseek_hparams:B", {"C": 9.94553e23}, "2.06541e7"),
    ("step_law:lr", {"N": 1e9, "D": 1e11}, "1.632499e-3"),
    ("step_law:B", {"N": 1e9, "D": 1e11}, "1.107715e6"),
    ("step_law:lr", {"N": 7e9, "D": 1.4e12}, "9.165569e-4"),
    ("step_law:B", {"N": 7e9, "D": 1.4e12}, "4.998815e6"),
    ("porian_hparams:lr", {"N": 1e8}, "4.8775e-3"),
    ("porian_hparams:B", {"N": 1e8}, "3.1874e5"),
    ("minicpm:tokens_per_param", {"C": 1e21}, "167"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


# --- Statements about published constants ---


def test_published_ratios():
    budget = np.array([1e18, 1e20, 1e24])
    per_token, tokens = (laws.instance(f"deepseek_alloc:{x}").predict(C=budget) for x in "MD")
    np.testing.assert_allclose(per_token * tokens / budget, 1.000119, atol=6e-7)
    rate, batch = (laws.instance(f"step_law:{x}").predict(N=1e9, D=np.array([1e11, 4e11])) for x in ("lr", "B"))
    assert (rate[1] / rate[0], batch[1] / batch[0]) == (as_printed("1.53"), as_printed("2.21"))


def test_bootstrap_medians_confirm_what_is_printed_within_their_errors():
    for what in ("lr", "B"):
        printed, medians = (laws.step_law.constants[name] for name in (what, f"{what}_bootstrap"))
        assert medians.standard_errors
        for name, error in medians.standard_errors.items():
            assert abs(printed.params[name] - medians.params[name]) < 0.1 * error
