"""Weights by the standard errors of losses."""

import math

import numpy as np
import pytest
from helpers import four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly

LOSS, ERRORS = np.array([3.0, 2.8, 2.5, 2.2]), np.array([0.03, 0.014, 0.005, 0.022])


def weights_of(**options: object) -> np.ndarray:
    runs = read_quietly(four_runs(loss=LOSS, se=ERRORS), loss_se="se", **options)
    assert runs.weights is not None
    return runs.weights


def test_weights_are_by_inverse_variance_of_the_log_loss() -> None:
    """By hand: relative errors of 1, .5, .2 and 1 %."""
    by_hand = 1 / np.array([1.0, 0.5, 0.2, 1.0]) ** 2
    np.testing.assert_allclose(weights_of(), by_hand / by_hand.mean(), rtol=1e-4)
    np.testing.assert_allclose(weights_of(loss_unit="bits"), weights_of(), rtol=1e-12)
    said = read_quietly(four_runs(loss=LOSS, se=ERRORS), loss_se="se").record
    assert said.conventions["weights"] == "inverse variance, by the standard errors of column 'se'"
    assert said.columns["weights"] == "se"
    assert read_quietly(four_runs(w=ERRORS), weights="w").record.conventions["weights"] == "column 'w'"


def test_of_a_response_that_may_be_negative_errors_are_absolute() -> None:
    table = four_runs(loss=None, elo=[-1.0, 0.5, 2.0, 3.0], se=[1.0, 2.0, 2.0, 1.0])
    runs = read_quietly(table, response="elo", loss_se="se", domains={"response": "real"})
    np.testing.assert_allclose(runs.weights, [1.6, 0.4, 0.4, 1.6], rtol=1e-12)


@given(st.lists(st.floats(1e-4, 0.1), min_size=4, max_size=4), st.floats(1e-3, 1e3))
def test_weights_do_not_depend_on_the_unit(errors: list[float], unit: float) -> None:
    errors_, one = np.array(errors), read_quietly(four_runs(loss=LOSS, se=errors), loss_se="se").weights
    assert one is not None and math.isclose(one.mean(), 1.0, rel_tol=1e-12)
    other = read_quietly(four_runs(loss=LOSS * unit, se=errors_ * unit), loss_se="se").weights
    np.testing.assert_allclose(other, one, rtol=1e-9)
    order = np.argsort(errors_ / LOSS)
    assert (np.diff(one[order]) <= 1e-12).all()


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"se": [0.1, 0, 0.1, 0.1]}, {}, r"between 0 and the loss, which is not so in row 2; mend"),
        ({"se": [0.1, 9, 0.1, 9]}, {}, r"which is not so in rows 2, 4; mend"),
        ({"se": [0.1, -1, 0.1, 0.1]}, {}, "row 2 holds '-1.0', below 0"),
        ({"se": [0.1] * 4}, {"weights": "se"}, r"weights follow from loss_se \(--loss-se\)"),
    ],
)
def test_errors_that_cannot_be_used(changes: dict, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_quietly(four_runs(**changes), loss_se="se", **options)
