"""Cells become numbers, or are refused or dropped by row and reason."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs

from jaxscale._base.errors import DataWarning, InputError
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "uint64", "float32", "float64", "Int64", "Float64", "object", "str"]
)
def test_every_kind_of_column_becomes_float64(dtype: str) -> None:
    frame = pd.DataFrame({"params": pd.Series([1000000, 2000000], dtype="int64").astype(dtype), "loss": [3.0, 2.0]})
    runs = Runs.from_frame(frame)
    assert runs.variables["N"].dtype == np.float64
    assert runs.variables["N"].tolist() == [1e6, 2e6]


def test_numbers_are_read_as_people_write_them() -> None:
    runs = Runs.from_frame(
        four_runs(params=["70B", "1.4T", "5.76e9", " 1,000,000 "], tokens=[10**30, "1_0e9", 2e9, "3g"])
    )
    assert runs.variables["N"].tolist() == [70e9, 1.4e12, 5.76e9, 1e6]
    assert runs.variables["D"].tolist() == [1e30, 10e9, 2e9, 3e9]


BAD = [
    ({"params": [1e8, None, 1e9, 1e9]}, {}, "params", 2, "missing"),
    ({"params": [1e8, "", "1e9", 1e9]}, {}, "params", 2, "missing"),
    ({"params": [1e8, " N/A ", "1e9", 1e9]}, {}, "params", 2, "missing"),
    ({"params": pd.array([1, 2, None, 4], dtype="Int64")}, {}, "params", 3, "missing"),
    ({"params": [1e8, 1e9, "big", 1e9]}, {}, "params", 3, "not a number"),
    ({"params": [1e8, 1e9, "1,5", 1e9]}, {}, "params", 3, "not a number"),
    ({"params": [1e8, 1e9, [1e9], 1e9]}, {}, "params", 3, "not a number"),
    ({"params": pd.to_datetime(["2020-01-01"] * 4)}, {}, "params", 1, "not a number"),
    ({"params": np.array([1e8, 1e9, 1e9, 1j])}, {}, "params", 1, "not a number"),
    ({"params": [1e8, 1e9, 1e9, math.inf]}, {}, "params", 4, "not finite"),
    ({"params": [1e8, 1e9, 1e9, "-inf"]}, {}, "params", 4, "not finite"),
    ({"params": [1e8, 1e9, 1e9, "1e999"]}, {}, "params", 4, "not finite"),
    ({"params": [1e8, 1e9, 1e9, 10**400]}, {}, "params", 4, "not finite"),
    ({"params": [1e8, 0, 1e9, 1e9]}, {}, "params", 2, "not above 0"),
    ({"tokens": [1e8, 1e9, -1, 1e9]}, {}, "tokens", 3, "not above 0"),
    ({"loss": [3, 2, 0, 1]}, {}, "loss", 3, "not above 0"),
    ({"acc": [0.5, 1.5, 0, 1]}, {"response": "acc", "domains": {"acc": "unit"}}, "acc", 2, "not between 0 and 1"),
    ({"acc": [0.5, 1, 0, -1]}, {"response": "acc", "domains": {"response": "unit"}}, "acc", 4, "not between 0 and 1"),
    ({"e": [0, 1, -1, 2]}, {"E": "e", "domains": {"E": "count"}}, "e", 3, "below 0"),
    ({"e": [0, 1, -1, math.nan]}, {"E": "e", "domains": {"E": "real"}}, "e", 4, "missing"),
    ({"x": [1, 2, 3, 4], "y": [1, 2, 3, 0]}, {"mix": ["x", "y"]}, "y", 4, "not above 0"),
    ({"w": [1, 0, -1, 1]}, {"weights": "w"}, "w", 3, "below 0"),
    ({"w": [1, 0, None, 1]}, {"weights": "w"}, "w", 3, "missing"),
    ({"seed": ["a", "b", " ", "a"]}, {"run": "seed"}, "seed", 3, "missing"),
]


@pytest.mark.parametrize(("changes", "options", "column", "row", "reason"), BAD)
def test_a_bad_cell_is_named_or_dropped(changes: dict, options: dict, column: str, row: int, reason: str) -> None:
    with pytest.raises(InputError) as error:
        Runs.from_frame(four_runs(**changes), **options)
    message = str(error.value)
    assert re.search(rf"column '{column}' .* of 4 cells .*row {row} holds '.*', {reason}", message)
    assert 'on_bad="drop" (--on-bad drop)' in message
    if "4 of 4" not in message:
        with pytest.warns(DataWarning, match=rf"dropped 1 row with a bad cell, first row {row}: '{column}' {reason}"):
            runs = Runs.from_frame(four_runs(**changes), **options, on_bad="drop")
        (dropped,) = runs.record.dropped
        assert dropped.row == row and dropped.column == column and dropped.reason.startswith(reason)
        assert runs.count == runs.record.count == 3
        assert runs.rows.tolist() == [r for r in (1, 2, 3, 4) if r != row]
        assert len(runs.clusters or "123") == 3


def test_all_bad_cells_come_in_one_message() -> None:
    bad = four_runs(params=["x\x1b[2J", None, 1e9, 1e9], tokens=[1e9, 0, 1e9, "inf"], spare=["not", "looked", "at", ""])
    with pytest.raises(InputError) as error:
        Runs.from_frame(bad)
    lines = str(error.value).splitlines()
    assert lines[0].startswith(
        "column 'params' (N): 2 of 4 cells cannot be used, rows 1, 2; row 1 holds 'x\\x1b[2J', not"
    )
    assert lines[1].startswith(
        "column 'tokens' (D): 2 of 4 cells cannot be used, rows 2, 4; row 2 holds '0', not above"
    )
    assert len(lines) == 3
    with pytest.warns(DataWarning, match="dropped 3 rows"):
        runs = Runs.from_frame(bad, on_bad="drop")
    assert [(d.row, d.column) for d in runs.record.dropped] == [(1, "params"), (2, "params"), (4, "tokens")]
    with pytest.raises(InputError, match="Every row has a bad cell"):
        Runs.from_frame(four_runs(params=[0, 0, 0, 0]), on_bad="drop")


def test_a_recognised_column_nobody_needs_is_left_out_where_it_is_bad() -> None:
    runs = Runs.from_frame(four_runs(flops=[1e20, "", 1e20, 1e20], unique_tokens=["?", 1, 1, 1]), on_bad="drop")
    assert runs.count == 4 and set(runs.variables) == {"N", "D"} == set(runs.record.columns) - {"loss"}
    assert "row 2 holds '', missing: left out" in runs.record.conventions["C"]
    assert runs.variable("C")[0] == 6 * N[0] * D[0]
    with pytest.raises(InputError, match=r"column 'flops' \(C\)"):
        Runs.from_frame(four_runs(flops=[1e20, "", 1e20, 1e20]), C="flops")
    with pytest.raises(InputError, match=r"column 'flops' \(C\)"):  # here D would follow from it
        Runs.from_frame(four_runs(flops=[1e20, "", 1e20, 1e20], tokens=None))
