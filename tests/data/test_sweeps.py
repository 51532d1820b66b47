"""Sweeps over settings: the best of each design is kept where asked for, and pointed out where not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly


def swept(counts: list[int], seed: int = 0, **columns: object) -> pd.DataFrame:
    """Designs with so many learning rates each, in any order; tokens are whole batches, so not quite the same."""
    rng = np.random.default_rng(seed)
    rows = [
        {"params": 1e7 * 2**j, "tokens": 1e9 * 3**j * (1 + 1e-3 * k), "lr": 1e-3 * 2**k, "design": j}
        for j, count in enumerate(counts)
        for k in range(count)
    ]
    table = pd.DataFrame(rows).assign(loss=2 + rng.random(len(rows)), **columns)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=8), st.integers(0, 2**32 - 1))
def test_the_lowest_of_each_design_is_kept(counts: list[int], seed: int) -> None:
    """By pandas, from the number of the design, which the reader does not see."""
    table = swept(counts, seed)
    runs = read_quietly(table, best_of="lr")
    best = table.loc[sorted(table.groupby("design")["loss"].idxmin())]
    assert runs.rows.tolist() == [i + 1 for i in best.index]
    assert runs.response.tolist() == best["loss"].tolist()
    assert [note.code for note in runs.record.notes if note.code == "sweep"] == ["sweep"]


@pytest.mark.parametrize("name", ["lr", "learning_rate", "config.lr", "peak_lr", "batch_size", "weight decay", "beta2"])
def test_a_sweep_is_pointed_out(name: str) -> None:
    table = swept([4] * 6).rename(columns={"lr": name})
    (note,) = [note for note in read_quietly(table).record.notes if note.code == "sweep"]
    assert note.severity == "warning"
    assert "24 rows are 6 designs" in note.text and f"(--best-of {name})" in note.text


# Checkpoints of two runs at the same tokens, whose learning rate falls along them.
SCHEDULES = pd.DataFrame(
    {"run": np.repeat(["a", "b"], 5), "tokens": np.tile(np.arange(1, 6) * 1e9, 2), "loss": np.linspace(4, 3, 10)}
).assign(lr=np.geomspace(1e-3, 1e-4, 10))


@pytest.mark.parametrize(
    "table",
    [
        swept([1] * 12),  # one setting of each design
        swept([3] * 4).rename(columns={"lr": "seed"}),  # repeats
        swept([3] * 4).assign(lr=1e-3),
        swept([1] * 12).assign(lr=np.geomspace(1e-4, 1e-3, 12)),
        swept([2, 1, 1, 1, 1, 1]),
        SCHEDULES,
    ],
    ids=range(6),
)
def test_other_tables_are_not_taken_for_sweeps(table: pd.DataFrame) -> None:
    assert all(note.code != "sweep" for note in read_quietly(table).record.notes)


def test_designs_that_lie_close_together_do_not_run_into_one() -> None:
    """A hundred numbers of tokens, each .3 % above the one before: 1 % holds four of them."""
    table = pd.DataFrame({"params": 1e8, "tokens": 1e9 * 1.003 ** np.arange(100), "lr": 1e-3})
    table["loss"] = np.linspace(3.0, 2.0, 100)
    assert read_quietly(table, best_of="lr").rows.tolist() == [4 * k + 4 for k in range(25)]


def test_of_checkpoints_the_last_are_compared() -> None:
    """The run of the second rate is lower at the end and higher in the middle."""
    table = pd.DataFrame({
        "run_id": list("aaabbb"), "params": 1e7, "tokens": [1e9, 2e9, 3e9] * 2, "lr": [1.0] * 3 + [2.0] * 3,
        "loss": [3.0, 2.8, 2.6, 3.3, 2.9, 2.5],
    })  # fmt: skip
    runs = read_quietly(table, best_of="lr")
    assert (runs.rows.tolist(), runs.clusters, runs.record.open_checkpoints) == ([6], None, False)


@pytest.mark.parametrize(
    ("best_of", "message"),
    [("rate", "there is no column 'rate'"), ("params", "column 'params' is N, which tells designs apart")],
)
def test_columns_that_are_no_settings_are_refused(best_of: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_quietly(swept([2, 2]), best_of=best_of)
