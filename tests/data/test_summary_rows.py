"""Rows that sum up others: totals and means below the runs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxscale as js
from jaxscale._data.runs import read_quietly

N = np.array([1e8, 3e8, 1e9, 3e9, 1e10])
D = np.array([2e9, 8e9, 2e10, 6e10, 9e10])
LOSS = np.array([3.41, 3.12, 2.85, 2.61, 2.49])
STATISTICS = {
    "mean": np.mean,
    "Average": np.mean,
    "TOTAL": np.sum,
    "Sum:": np.sum,
    "median": np.median,
    "Std. dev.": lambda x: np.std(x, ddof=1),
    "min": np.min,
    "Maximum": np.max,
    "Grand total": np.sum,
    "Mittelwert": np.mean,
    "Summe": np.sum,
}


def table(label: str, row: list, column: str = "model") -> pd.DataFrame:
    names = [*"abcde", label]
    values = np.vstack([np.column_stack([N, D, LOSS]), row])
    return pd.DataFrame({column: names, "params": values[:, 0], "tokens": values[:, 1], "loss": values[:, 2]})


@pytest.mark.parametrize("label", STATISTICS)
def test_a_row_that_is_what_its_label_says_of_the_others_is_no_run(label: str) -> None:
    row = [STATISTICS[label](x) for x in (N, D, LOSS)]
    with pytest.warns(js.DataWarning, match=f"row 6 sums up the others .'model' is '{label}'. and is left out"):
        runs = js.read_runs(table(label, row))
    assert runs.response.tolist() == LOSS.tolist() and runs.rows.tolist() == [1, 2, 3, 4, 5]
    kept = read_quietly(table(label, row), where="model != ''")
    assert kept.count == 6


def test_a_total_without_a_loss_is_no_bad_cell() -> None:
    assert read_quietly(table("Total", [N.sum(), D.sum(), np.nan])).count == 5


def test_several_rows_of_statistics_are_named_together() -> None:
    frame = table("mean", [N.mean(), D.mean(), LOSS.mean()])
    frame.loc[len(frame)] = ["std", np.std(N, ddof=1), np.std(D, ddof=1), np.std(LOSS, ddof=1)]
    frame = pd.concat([frame.iloc[:5]] * 2 + [frame.iloc[5:]], ignore_index=True)
    frame.loc[11, ["params", "tokens", "loss"]] = frame.iloc[:10][["params", "tokens", "loss"]].std()
    with pytest.warns(js.DataWarning, match=r"rows 11, 12 sum up the others .* keeps them"):
        assert js.read_runs(frame).count == 10


@given(st.sampled_from(sorted(STATISTICS)), st.lists(st.floats(0.2, 5.0), min_size=3, max_size=3))
def test_a_run_that_is_only_called_so_stays(label: str, times: list[float]) -> None:
    """A pooling called "mean", a model called "max"."""
    row = [STATISTICS[label](x) * t for x, t in zip((N, D, LOSS), times, strict=True)]
    agrees = all(abs(t - 1) <= 0.01 for t in times)
    assert read_quietly(table(label, row)).count == (5 if agrees else 6)


def test_one_of_many_runs_of_a_size_stays_though_its_loss_is_near_their_mean() -> None:
    """Its name may be that of a setting; without its size it is a mean."""
    frame = pd.DataFrame(
        {"pooling": ["mean", *"abcd"], "params": 1e8, "tokens": 2e9, "loss": [3.0, 2.9, 3.1, 3.05, 2.95]}
    )
    assert read_quietly(frame).count == 5
    frame.loc[0, "params"] = np.nan
    assert read_quietly(frame).count == 4
