"""Transfer between data sets: published figures."""

import numpy as np
import pytest
from helpers import as_printed, closed, of, random_params, sizes_and_tokens

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("hernandez_transfer:text_to_python", {"D_F": 1e6, "N": 1e9}, "6.00833e8"),
    ("hernandez_transfer:mix_to_python", {"D_F": 1e6, "N": 1e9}, "2.08075e9"),
    ("hernandez_transfer:text_to_python", {"D_F": 3e5, "N": 4e7}, "1.42370e8"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def test_published_closed_form_of_transfer():
    text = "hernandez_transfer:text_to_python"
    assert of(text, "multiplier", 1e6, 1e9) == as_printed("601.83")
    assert of(text, "multiplier", 3e5, 4e7) - 1 == as_printed("474.6")


def test_ratios_of_transfer():
    D_T = laws.instance("hernandez_transfer:text_to_python").predict(
        D_F=np.array([1e6, 1e6, 1e7]), N=np.array([1e9, 1e10, 1e9])
    )
    assert D_T[1] / D_T[0] == as_printed("2.3988")
    assert D_T[2] / D_T[0] == as_printed("1.5136")


# --- Reductions ---


def test_no_transfer_leaves_the_data_as_it_is():
    D_F, N = sizes_and_tokens(31).values()
    nothing = {k: v * (0 if k == "k" else 1) for k, v in random_params("hernandez_transfer").items()}
    np.testing.assert_array_equal(closed("hernandez_transfer", "effective_data", nothing, D_F, N), D_F)
    np.testing.assert_array_equal(closed("hernandez_transfer", "multiplier", nothing, D_F, N), 1.0)
