"""Runs themselves: derived variables, hash, subsets, copies, and text that comes out inert."""

import copy
import hashlib
import json
import math
import pickle
import struct

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs, same_runs

from jaxscale._base.errors import InputError
from jaxscale._base.verdict import Reason
from jaxscale._data.runs import Runs
from jaxscale._data.runs_file import RunsRecord

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


def test_compute_stands_in_for_what_is_missing() -> None:
    flops = [6 * n * d for n, d in zip(N, D, strict=True)]
    runs = Runs.from_frame(four_runs(tokens=None, flops=flops))
    np.testing.assert_allclose(runs.variables["D"], D, rtol=1e-15)
    assert list(runs.variables) == ["N", "D", "C"]
    assert runs.record.conventions["D"] == "C / (6 N)"
    runs = Runs.from_frame(four_runs(params=None, flops=flops))
    np.testing.assert_allclose(runs.variable("N"), N, rtol=1e-15)
    assert runs.record.conventions["N"] == "C / (6 D)"
    runs = Runs.from_frame(four_runs())
    np.testing.assert_allclose(runs.variable("C"), flops, rtol=1e-15)
    assert runs.record.conventions["C"] == "6 N D"
    assert "D" not in Runs.from_frame(four_runs(tokens=None, flops=flops), D=False).variables
    with pytest.raises(InputError, match=r"no variable 'U'; they have N, D\. .*--col U=COLUMN"):
        runs.variable("U")


def test_products_of_integer_columns_do_not_wrap() -> None:
    frame = pd.DataFrame({"params": np.array([70_000_000_000] * 2), "tokens": np.array([15_000_000_000_000] * 2)})
    wrapped = 6 * frame["params"] * frame["tokens"]
    assert (wrapped != 6 * 70e9 * 15e12).all()  # what int64 would give
    runs = Runs.from_frame(frame.assign(loss=2.0))
    assert runs.variable("C").tolist() == [6 * 70e9 * 15e12] * 2
    derived = Runs.from_frame(frame.assign(loss=2.0, flops=6.3e24), D=False, N="params", C="flops")
    assert derived.variables["C"].dtype == np.float64


def test_duplicates_follow_a_subset() -> None:
    runs = Runs.from_frame({"N": [1e8, 1e8, 1e9, 1e9, 1e8], "loss": [3, 3, 2, 2, 3]})
    assert runs.record.duplicates == ((1, 2, 5), (3, 4))
    part = runs.subset(np.array([True, False, True, False, True]))
    assert part.record.duplicates == ((1, 5),)
    text = "1 row repeats another in all variables and the response: 1, 5"
    assert part.record.notes == (Reason("duplicate_rows", "warning", text, rows=(1, 5)),)
    assert runs.subset([0, 2]).record.notes == ()


def test_a_subset_says_of_how_many_it_is() -> None:
    runs = Runs.from_frame(four_runs())
    part = runs.subset([0, 1, 2])
    assert part.record.conventions["subset"] == "3 of 4 runs"
    assert part.subset([0, 1]).record.conventions["subset"] == "2 of 3 of 4 runs"
    assert "subset  3 of 4 runs" in str(part)
    assert "subset" not in runs.subset([3, 2, 1, 0]).record.conventions


def test_the_hash_is_of_content() -> None:
    runs = Runs.from_frame(four_runs())
    reordered = Runs.from_frame({"loss": LOSS, "D": D, "N": [str(n) for n in N]})
    by_hand = b"".join(
        json.dumps([name, [4]]).encode() + struct.pack("<4d", *values)
        for name, values in (("D", D), ("N", N), ("response loss", LOSS))
    )
    assert runs.sha256 == reordered.sha256 == hashlib.sha256(by_hand).hexdigest()
    others = [four_runs(loss=[3.4, 3.0, 2.7, 2.5]), {"N": D, "D": N, "loss": LOSS}, four_runs(flops=D)]
    assert len({runs.sha256, *(Runs.from_frame(frame).sha256 for frame in others)}) == 4
    weighted, clustered = Runs.from_frame(four_runs(w=N), weights="w"), Runs.from_frame(four_runs(w=N), run="w")
    assert len({runs.sha256, weighted.sha256, clustered.sha256, runs.subset([1, 0, 2, 3]).sha256}) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": {}}, "at least one variable"),
        ({"variables": {"N": [1, 2, 3]}}, "'N' has 3 values for 2 of 'loss'"),
        ({"variables": {"N": [1, math.nan]}}, "'N' must hold finite numbers; value 2"),
        ({"variables": {"N": ["a", "b"]}}, "'N' must hold numbers"),
        ({"variables": {"N": np.ones((2, 2, 2))}}, r"\(n_runs, k\)"),
        ({"variables": {"N": np.ones((2, 0))}}, r"\(n_runs, k\)"),
        ({"variables": {"loss": [1, 2]}}, "not the response"),
        ({"response": []}, "at least one run"),
        ({"response": 3.0}, "finite numbers"),
        ({"weights": [0, 0]}, "not all 0"),
        ({"weights": [1, -1]}, "at least 0"),
        ({"clusters": ("a",)}, "'run' has 1 values"),
        ({"rows": [1, 2, 3]}, "'rows' has 3 values"),
    ],
)
def test_runs_made_by_hand_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs(**{"variables": {"N": [1e8, 1e9]}, "response": [3.0, 2.0], **arguments})


def test_runs_cannot_be_changed_and_can_be_copied() -> None:
    source = np.array(N)
    runs = Runs({"N": source}, np.array(LOSS), weights=np.ones(4))
    source[0] = 7
    assert runs.variables["N"][0] == 1e8
    for array in (runs.variables["N"], runs.response, runs.weights, runs.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1  # type: ignore[index]
    assert runs.rows.tolist() == [1, 2, 3, 4]
    assert runs.record == RunsRecord(4, ranges={"N": (1e8, 3e9), "loss": (2.4, 3.4)})
    for again in (copy.deepcopy(runs), pickle.loads(pickle.dumps(runs))):
        assert same_runs(again, runs)
    assert runs != copy.copy(runs)  # compared by identity; compare sha256 instead


@pytest.mark.parametrize("index", [[2, 0], np.array([True, False, True, False]), slice(1, None), [3], [0, 0, 1]])
def test_subset(index: object) -> None:
    frame = four_runs(w=[1, 2, 3, 4], s=list("abcd"), x=[1, 2, 3, 4], y=[5, 6, 7, 8])
    runs = Runs.from_frame(frame, weights="w", run="s", mix=["x", "y"])
    part = runs.subset(index)
    picked = runs.to_frame().iloc[index]  # type: ignore[call-overload]
    pd.testing.assert_frame_equal(part.to_frame(), picked)
    assert part.record.ranges["N"] == (picked["N"].min(), picked["N"].max())
    assert part.record.count == part.count == len(picked)


def test_a_frame_of_runs_gives_the_runs_back() -> None:
    runs = Runs.from_frame(four_runs())
    assert Runs.from_frame(runs.to_frame()).sha256 == runs.sha256


def test_text_of_the_table_comes_out_inert() -> None:
    evil = "\x1b[31m<script>\u202e"
    runs = Runs.from_frame({evil: N, "loss": LOSS, "g": [evil, "a", "b", "c"]}, **{evil: evil}, where=f"g != '{evil}'")
    for shown in (str(runs), repr(runs), runs._repr_html_()):
        assert "\x1b" not in shown and "\u202e" not in shown and "\\x1b" in shown
    assert "<script" not in runs._repr_html_()
    with pytest.raises(InputError) as error:
        Runs.from_frame({"params": [evil], evil: [1]}, loss=evil)
    assert "\x1b" not in str(error.value)
