"""Standard errors of losses, and what runs count with by them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers import four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs, read_quietly

LOSS, ERRORS = np.array([3.0, 2.8, 2.5, 2.2]), np.array([0.03, 0.014, 0.005, 0.022])


def precision_of(errors: object = ERRORS, unit: float = 1.0, **options: object) -> np.ndarray:
    runs = read_quietly(four_runs(loss=LOSS * unit, se=errors), loss_se="se", **options)
    assert runs.weights is None
    return runs.precision


def test_runs_count_by_inverse_variance_of_the_log_loss() -> None:
    """By hand: relative errors of 1, .5, .2 and 1 %."""
    by_hand = 1 / np.array([1.0, 0.5, 0.2, 1.0]) ** 2
    np.testing.assert_allclose(precision_of(), by_hand / by_hand.mean(), rtol=1e-4)
    np.testing.assert_allclose(precision_of(loss_unit="bits"), precision_of(), rtol=1e-12)
    said = read_quietly(four_runs(loss=LOSS, se=ERRORS), loss_se="se").record
    assert said.conventions["loss_se"] == "residuals in units of each run's standard error, column 'se'"
    assert said.columns["loss_se"] == "se"
    assert read_quietly(four_runs(w=ERRORS), weights="w").record.conventions["weights"] == "column 'w'"


def test_errors_given_as_an_array_are_said_too() -> None:
    runs = Runs({"N": LOSS * 1e9, "D": LOSS * 1e10}, LOSS, errors=ERRORS / LOSS)
    assert "residuals in units of each run's standard error" in str(runs)
    assert Runs({"N": LOSS * 1e9}, LOSS).record.conventions == {}


def test_of_a_response_that_may_be_negative_errors_are_absolute() -> None:
    table = four_runs(loss=None, elo=[-1.0, 0.5, 2.0, 3.0], se=[1.0, 2.0, 2.0, 1.0])
    runs = read_quietly(table, response="elo", loss_se="se", domains={"response": "real"})
    np.testing.assert_allclose(runs.precision, [1.6, 0.4, 0.4, 1.6], rtol=1e-12)


@given(st.lists(st.floats(1e-4, 0.1), min_size=4, max_size=4), st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(errors: list[float], unit: float) -> None:
    errors_ = np.array(errors)
    one, other = precision_of(errors_), precision_of(errors_ * unit, unit)
    assert math.isclose(one.mean(), 1.0, rel_tol=1e-12)
    np.testing.assert_allclose(other, one, rtol=1e-9)
    order = np.argsort(errors_ / LOSS)
    assert (np.diff(one[order]) <= 1e-12).all()


def test_equal_errors_are_exactly_one() -> None:
    assert read_quietly(four_runs(loss=LOSS, se=LOSS / 64), loss_se="se").errors.tolist() == [1.0] * 4


def test_the_typical_run_is_one_of_those_that_are_kept() -> None:
    """Checkpoints that are left out, with errors a hundred times as large, change nothing."""
    table = {
        "params": np.repeat([1e8, 3e8, 1e9, 3e9], 2),
        "tokens": np.repeat([2e9, 1e10, 5e10, 2e11], 2) / np.tile([2.0, 1.0], 4),
        "loss": np.repeat(LOSS, 2) + np.tile([0.2, 0.0], 4),
        "se": np.repeat(ERRORS, 2) * np.tile([100.0, 1.0], 4) / 10,
        "name": np.repeat(list("abcd"), 2),
    }
    ends = read_quietly(table, loss_se="se", run="name", checkpoints="last")
    alone = read_quietly(four_runs(loss=LOSS, se=ERRORS / 10), loss_se="se")
    np.testing.assert_allclose(ends.errors, alone.errors, rtol=1e-12)


def test_errors_behind_the_sign_are_used_where_they_are_asked_for() -> None:
    for mark in (".", ","):
        cells = [f"{y} ± {e}".replace(".", mark) for y, e in zip(LOSS, ERRORS, strict=True)]
        read = read_quietly(four_runs(loss=cells), loss_se="loss", decimal=mark)
        np.testing.assert_allclose(read.precision, precision_of(), rtol=1e-12)
        assert read.response.tolist() == LOSS.tolist() and read.record.columns["loss_se"] == "loss"
    with pytest.raises(InputError, match=r"'loss, after ±'.*row 2"):
        read_quietly(four_runs(loss=[*cells[:1], "2,8", *cells[2:]]), loss_se="loss", decimal=",")


def test_errors_go_into_files_frames_and_parts() -> None:
    runs = read_quietly(four_runs(loss=LOSS, se=ERRORS), loss_se="se")
    back = Runs.from_data(json.loads(json.dumps(runs.to_data())))
    assert back.errors.tolist() == runs.errors.tolist() and back.sha256 == runs.sha256
    assert runs.sha256 != read_quietly(four_runs(loss=LOSS)).sha256
    assert runs.to_frame()["errors"].tolist() == runs.errors.tolist()
    assert runs.subset([2, 0]).errors.tolist() == runs.errors[[2, 0]].tolist()
    assert "errors" not in read_quietly(four_runs()).to_data()
    for bad in ([1.0, 1.0, 0.0, 1.0], [1.0], [1.0, np.nan, 1.0, 1.0]):
        with pytest.raises(InputError, match="errors"):
            replace(runs, errors=bad)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"se": [0.1, 0, 0.1, 0.1]}, {}, r"between 0 and the loss, which is not so in row 2; mend"),
        ({"se": [0.1, 9, 0.1, 9]}, {}, r"which is not so in rows 2, 4; mend"),
        ({"se": [0.1, -1, 0.1, 0.1]}, {}, "row 2 holds '-1.0', below 0"),
        ({"loss": [9, 8, 1.2, 7], "se": [0.3] * 4}, {"loss_unit": "perplexity"}, "which is not so in row 3; mend"),
        ({"error": [0.1] * 4}, {}, r"no column 'se' \(loss_se\)"),
        ({"se": [0.1] * 4}, {"weights": "se"}, r"weights follow from loss_se \(--loss-se\)"),
    ],
)
def test_errors_that_cannot_be_used(changes: dict, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_quietly(four_runs(**changes), loss_se="se", **options)
