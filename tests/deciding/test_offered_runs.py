"""Tables and boxes of runs that could be done."""

import numpy as np
import pandas as pd
import pytest
from helpers import LAW, planted

import jaxscale as js
from jaxscale._analyses.deciding.offered_runs import grid_of, is_box, read_offered


def test_tables_of_every_kind_are_read(tmp_path):
    frame = pd.DataFrame({"name": ["a", "b"], "N": ["70M", "1.2B"], "D": [2e9, 3e10]})
    frame.to_csv(tmp_path / "runs.csv", index=False)
    for given in (frame, dict(frame), str(tmp_path / "runs.csv"), planted(0, 0.0, N=[7e7, 1.2e9], D=[2e9, 3e10])):
        found = read_offered(given, LAW, "candidates")
        np.testing.assert_allclose([found["N"], found["D"]], [[7e7, 1.2e9], [2e9, 3e10]])
    named = pd.DataFrame({"n_params": ["70M", "1.2B"], "tokens (billions)": [2, 30], "width": [512, 2048]})
    found = read_offered(named, LAW, "candidates")
    np.testing.assert_allclose([found["N"], found["D"]], [[7e7, 1.2e9], [2e9, 3e10]])
    assert not is_box(frame) and not is_box({"N": [1e8, 1e9, 1e10], "D": [1e9, 1e10, 1e11]})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pd.DataFrame({"N": [1e8]}), "columns N, D; it has 1 row"),
        (pd.DataFrame({"N": [], "D": []}), "it has 0 rows"),
        (pd.DataFrame({"N": [1e8, -1.0], "D": [1e9, 1e9]}), "column N, row 2: '-1.0' is not a positive number"),
        (pd.DataFrame({"N": [1e8, 1e9], "D": ["1B", "much"]}), "column D, row 2: 'much' is not"),
        (pd.DataFrame({"params": [1e8], "tokens_B": ["1B"]}), "column tokens_B, row 1: '1B' is not a positive number"),
        (pd.DataFrame({"params": [1e8], "tokens": [1e9], "D_tokens": [2e9]}), "columns N, D; it has 1 row"),
        ("nowhere.csv", "'nowhere.csv' is not a table"),
        (3, "must be a table"),
    ],
)
def test_what_is_no_table_is_told(given, words):
    with pytest.raises(js.InputError, match=words):
        read_offered(given, LAW, "candidates")


@pytest.mark.parametrize(
    "box",
    [
        {"C": (1e18, 1e21), "D_per_N": ("5", "100")},
        {"N": (1e8, 1e10), "D": (1e9, "1T")},
        {"C": (1e18, 1e21), "N": 1e9},
        {"D": (1e9, 1e11), "D_per_N": (5, 100)},
    ],
)
def test_a_box_holds_what_it_says(box):
    assert is_box(box)
    found = grid_of(box, LAW)
    N, D = found["N"], found["D"]
    of = {"N": N, "D": D, "C": 6 * N * D, "D_per_N": D / N}
    for name, ends in box.items():
        low, high = (float(str(x).replace("T", "e12")) for x in (ends if isinstance(ends, tuple) else (ends, ends)))
        assert of[name].min() == pytest.approx(low) and of[name].max() == pytest.approx(high)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ({"C": (1e18, 1e21)}, "ranges of two of N, D, C, D_per_N"),
        ({"C": (1e18, 1e21), "E": (1, 2)}, "ranges of two"),
        ({"C": (1e21, 1e18), "D_per_N": (5, 100)}, "C must be a range"),
        ({"C": (0, 1e18), "D_per_N": (5, 100)}, "above 0"),
        ({"C": ("a", 1e18), "D_per_N": (5, 100)}, "C must be a range"),
    ],
)
def test_what_is_no_box_is_told(box, words):
    with pytest.raises(js.InputError, match=words):
        grid_of(box, LAW)
