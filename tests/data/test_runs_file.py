"""Runs as plain data and back, what is refused on the way, and the lines that people read."""

import json
import math

import numpy as np
import pytest
from helpers import FOUR, four_runs, same_runs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


def test_notes_come_back_from_a_file_as_they_were() -> None:
    runs = Runs.from_frame(four_runs(params=[0.1, 0.3, 1, 3], flops=[9 * n * d for n, d in zip(N, D, strict=True)]))
    assert [note.severity for note in runs.record.notes] == ["warning", "fatal"]
    assert Runs.from_data(json.loads(json.dumps(runs.to_data()))).record.notes == runs.record.notes


def full() -> Runs:
    """Runs that use every field."""
    frame = four_runs(w=[1, 2, 3, 4], seed=list("aabb"), x=[1, 2, 3, 4], y=[5, 6, 7, 8], keep=[1, 1, 1, 0])
    frame["loss"] = [3.4, 3.0, "bad", 2.4]
    options = {"weights": "w", "run": "seed", "mix": ["x", "y"], "on_bad": "drop", "where": "keep == 1"}
    return Runs.from_frame(frame, **options)


def test_runs_go_to_plain_data_and_back() -> None:
    runs = full()
    data = json.loads(json.dumps(runs.to_data(), allow_nan=False))
    assert same_runs(Runs.from_data(data), runs)
    assert data["data"]["mix"] == [[1, 5], [2, 6]]
    assert data["dropped"] == [{"row": 3, "column": "loss", "reason": runs.record.dropped[0].reason}]
    assert data["ranges"]["N"] == [1e8, 3e8]
    short = runs.to_data(max_rows=1)
    assert short["data"] is short["rows"] is short["weights"] is short["clusters"] is None
    assert short["sha256"] == runs.sha256
    with pytest.raises(InputError, match="does not carry its rows"):
        Runs.from_data(short)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(1e-300, 1e300)))
def test_any_runs_survive_json(values: np.ndarray) -> None:
    runs = Runs({"N": values[:, 0], "D": values[:, 1]}, values[:, 2])
    assert same_runs(Runs.from_data(json.loads(json.dumps(runs.to_data()))), runs)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data", []),
        ("data", {}),
        ("data.N", "text"),
        ("data.N", [1e8]),
        ("data.N", [1e8, "3e8"]),
        ("data.N", [1e8, None]),
        ("data.N", [1e8, True]),
        ("data.N", [1e8, math.nan]),
        ("data.N", [1e8, 10**400]),
        ("data.N", [1e8, 3.1e8]),  # another number: the hash no longer fits
        ("data.mix", [[1, 5], [2]]),
        ("data.loss", [[3.4], [3.0]]),
        ("response", "acc"),
        ("response", None),
        ("count", 3),
        ("count", "2"),
        ("count", True),
        ("sha256", "0" * 64),
        ("sha256", None),
        ("rows", [1]),
        ("rows", [1, 2.5]),
        ("rows", None),
        ("weights", [1]),
        ("weights", [-1, 1]),
        ("weights", {"a": 1}),
        ("clusters", ["a"]),
        ("clusters", [1, 2]),
        ("columns", ["N"]),
        ("columns", {"N": 3}),
        ("conventions", {"D": 1}),
        ("dropped", [{"row": 3}]),
        ("dropped", [3]),
        ("duplicates", [[1, "2"]]),
        ("notes", [{"code": 1, "text": "x"}]),
        ("notes", [{"code": "x", "text": "x", "severity": "deadly"}]),
        ("notes", [{"code": "x", "text": "x", "rows": ["1"]}]),
        ("guessed", "N"),
        ("filters", None),
        ("filtered", "1"),
    ],
)
def test_data_that_was_not_written_by_us_is_refused(path: str, value: object) -> None:
    data = full().to_data()
    *parents, last = path.split(".")
    (data[parents[0]] if parents else data)[last] = value
    with pytest.raises(InputError):
        Runs.from_data(data)


@pytest.mark.parametrize("data", [None, [], "runs", 3, {}])
def test_data_of_another_kind_is_refused(data: object) -> None:
    with pytest.raises(InputError):
        Runs.from_data(data)


def test_data_with_a_part_missing_is_refused() -> None:
    data = full().to_data()
    for name in data.keys() - {"ranges", "measure"}:  # ranges follow from the rows, and older files say no measure
        with pytest.raises(InputError):
            Runs.from_data({key: value for key, value in data.items() if key != name})


def test_printed_forms() -> None:
    text = str(full())
    assert text.splitlines() == [
        "2 runs",
        "  N        100M to 300M parameters  (column 'params', recognised by its name)",
        "  D        2B to 10B tokens  (column 'tokens', recognised by its name)",
        "  mix      1 to 6  (columns 'x', 'y')",
        "  loss     3 to 3.4 nats per token  (column 'loss', recognised by its name)",
        "  weights  column 'w'",
        "  C        6 N D",
        "  filter   1 row left out, kept where keep == 1",
        "  dropped  1 row with a bad cell, first row 3: 'loss' not a number",
    ]
    assert repr(full()) == "<Runs: 2 runs, N 100M to 300M, D 2B to 10B, mix 1 to 6, loss 3 to 3.4>"
