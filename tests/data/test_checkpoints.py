"""Rows that are checkpoints: which columns name the run of a row, which row of each run is the last, what is said."""

import numpy as np
import pandas as pd
import pytest
from helpers import four_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxscale._base.errors import DataWarning, InputError
from jaxscale._data.checkpoints import curves_by_steps, ordered_curves
from jaxscale._data.runs import Runs, read_quietly

SIZES = np.geomspace(1e7, 1e9, 4)
EVEN, DOUBLING = np.arange(1.0, 6.0), 2.0 ** np.arange(4.0)


def curves(
    name: str | None = "run_id", at: np.ndarray = DOUBLING, twice: bool = False, **columns: object
) -> pd.DataFrame:
    """A run of each size, or two, seen at so many billion tokens."""
    sizes = np.repeat(SIZES, 2) if twice else SIZES
    N, D = np.repeat(sizes, len(at)), np.tile(at * 1e9, len(sizes))
    table = pd.DataFrame({"params": N, "tokens": D, "loss": 1.7 + 400 * N**-0.34 + 400 * D**-0.28})
    if name is not None:
        table[name] = np.repeat([f"r{k:02d}" for k in range(len(sizes))], len(at))
    return table.assign(**{c: np.resize(np.asarray(v, dtype=object), len(table)) for c, v in columns.items()})


def noticed(table: pd.DataFrame, **options: object) -> str | None:
    runs = read_quietly(table, **options)
    assert runs.record.open_checkpoints == (runs.clusters is not None)
    column = runs.record.columns.get("run")
    assert column is None or isinstance(column, str)
    return column


@pytest.mark.parametrize(
    "name",
    [
        "run", "Run", "run_id", "run_name", "Run ID", "runName", "run-key", "wandb_run_id", "config.run_name", "run/id",
        "experiment_id", "exp_name", "trial_id", "job-name", "training_run", "run_no", "run_hash",
    ],
)  # fmt: skip
def test_a_column_that_says_run_is_noticed(name: str) -> None:
    assert noticed(curves(name)) == name
    assert noticed(curves(name, EVEN, twice=True)) == name


MAY_BE = ["Name", "name", "id", "display_name", "Model", "label", "experiment", "config", "uuid", "checkpoint_dir"]


@pytest.mark.parametrize("name", MAY_BE)
def test_a_name_that_may_be_of_a_size_needs_rows_that_look_like_a_log(name: str) -> None:
    assert noticed(curves(name, EVEN)) == name
    assert noticed(curves(name, 2.0 ** np.arange(6.0))) == name  # no grid has six token counts of one name
    for step in ("step", "_step", "global_step", "trainer/global_step", "iteration"):
        assert noticed(curves(name).assign(**{step: np.tile(DOUBLING * 1000, 4)})) == name
    assert noticed(curves(name)) is None  # sizes, each on four token counts


@pytest.mark.parametrize(
    "table",
    [
        curves(None),
        curves(None, EVEN),
        curves(None, run_id=[f"r{k}" for k in range(16)]),  # every row has a run of its own
        curves(None, run=["a", "b", "c", "d"]),  # of all sizes: repeats of a grid
        curves(None, seed=[1, 2, 3, 4]),
        curves("corpus", EVEN),
        curves("optimizer", EVEN),
        curves("Created", EVEN),
        curves("run_group", EVEN),
        curves("run_id").assign(tokens=np.repeat(DOUBLING * 1e9, 4)),  # one row evaluated four times
        curves(None, total_steps=DOUBLING),
    ],
    ids=range(11),
)
def test_independent_runs_stay_as_they_are(table: pd.DataFrame) -> None:
    assert noticed(table) is None
    assert read_quietly(table).sha256 == read_quietly(table, checkpoints="none").sha256


@settings(max_examples=25)
@given(st.data())
def test_the_last_row_of_each_run_is_taken_whatever_the_order(data: st.DataObject) -> None:
    """By pandas: the largest D of every name. Names that stand once, and rows without one, are runs of their own."""
    counts = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=8).filter(lambda c: max(c) >= 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sizes = rng.permutation(np.geomspace(1e7, 1e9, len(counts)))
    table = pd.concat(
        [
            pd.DataFrame({"params": n, "tokens": 1e9 * rng.permutation(np.arange(1, k + 1)), "run_name": f"r{j}"})
            for j, (n, k) in enumerate(zip(sizes, counts, strict=True))
        ]
    )
    table["loss"] = 2 + rng.random(len(table))
    table = table.sample(frac=1, random_state=data.draw(st.integers(0, 2**32 - 1))).reset_index(drop=True)
    runs = read_quietly(table)
    assert (runs.count, len(set(runs.clusters or ()))) == (len(table), len(counts))
    ends = table.loc[sorted(table.groupby("run_name")["tokens"].idxmax())]
    for last in (runs.at_end(), read_quietly(table, checkpoints="last")):
        assert last.clusters is None and not last.record.open_checkpoints
        assert last.rows.tolist() == [i + 1 for i in ends.index]
        assert last.response.tolist() == ends["loss"].tolist()
    lowest = table.loc[sorted(table.groupby("run_name")["loss"].idxmin())]
    assert read_quietly(table, checkpoints="best").rows.tolist() == [i + 1 for i in lowest.index]
    every = read_quietly(table, checkpoints="all")
    assert every.sha256 == runs.sha256 == runs.along_runs().sha256 and not every.record.open_checkpoints
    assert every.clusters == tuple(table["run_name"])


def test_a_run_that_was_resumed_ends_where_it_stood_last() -> None:
    """Two rows at the last step: the later one counts. One name that stands again is enough."""
    again = curves().iloc[[2, 3]].assign(loss=[2.9, 2.8])
    runs = read_quietly(pd.concat([curves(), again], ignore_index=True)).at_end()
    assert runs.rows.tolist() == [8, 12, 16, 18] and runs.response[-1] == 2.8
    single = pd.concat([curves().iloc[3::4], curves().iloc[1:3]], ignore_index=True)
    assert read_quietly(single).at_end().count == 4


def test_rows_without_a_name_are_runs_of_their_own() -> None:
    table = curves()
    table.loc[[0, 1], "run_id"] = [None, " "]
    assert read_quietly(table).at_end().rows.tolist() == [1, 2, 4, 8, 12, 16]


def test_a_name_given_by_the_user_means_every_row_unless_the_last_is_asked_for() -> None:
    table = curves("who")
    assert noticed(table) is None
    every = Runs.from_frame(table, run="who")
    assert (every.count, every.record.open_checkpoints, every.record.notes) == (16, False, ())
    assert read_quietly(table, run="who", checkpoints="last").rows.tolist() == [4, 8, 12, 16]


def test_without_a_name_the_order_of_the_rows_tells_the_runs_where_asked_for() -> None:
    table = curves(None, twice=True)
    assert read_quietly(table, checkpoints="last").rows.tolist() == list(range(4, 33, 4))
    assert len(set(read_quietly(table, checkpoints="all").clusters or ())) == 8
    with pytest.raises(InputError, match=r'name it with run="..." \(--run-column COLUMN\)'):
        Runs.from_frame(curves(None, np.ones(1)), checkpoints="last")
    with pytest.raises(InputError, match="checkpoints must be one of last, best, all, none; not 'first'"):
        Runs.from_frame(four_runs(), checkpoints="first")  # type: ignore[arg-type]


def test_what_is_said() -> None:
    with pytest.warns(DataWarning, match=r"16 rows are checkpoints of 4 runs \(column 'run_id'\): laws"):
        runs = Runs.from_frame(curves())
    (note,) = runs.record.notes
    assert (note.code, note.severity) == ("checkpoints", "warning")
    assert 'checkpoints="all" (--checkpoints all)' in note.text and 'checkpoints="none"' in note.text
    assert "run" in runs.record.guessed
    for settled, words in ((runs.at_end(), "of which the last of each run is taken"), (runs.along_runs(), "all taken")):
        (note,) = settled.record.notes
        assert (note.code, note.severity) == ("checkpoints", "info") and words in note.text
        assert Runs.from_data(settled.to_data()).record == settled.record
    assert read_quietly(curves(), checkpoints="none").record.notes == ()


def test_one_run_alone_keeps_its_rows() -> None:
    one = read_quietly(curves().iloc[:4]).along_runs()
    assert (one.count, one.clusters) == (4, None)
    assert "checkpoints of one run" in one.record.notes[0].text


# --- Without a name ---


def partition(labels) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(np.array(labels) == label).tolist()) for label in set(labels)}


@settings(max_examples=25)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_runs_are_told_by_their_even_steps_in_any_order(counts: list[int], seed: int) -> None:
    """Two runs of each size, the steps of one so long that no multiple of the other's is near."""
    rng = np.random.default_rng(seed)
    rows = [
        (1e7 * (j + 1), step * k, f"{j} {step}")
        for j, count in enumerate(counts)
        for step in (1.0, np.pi * 12)
        for k in range(1, count + 1)
    ]
    N, D = (np.array([row[k] for row in rows]) for k in (0, 1))
    names = [row[2] for row in rows]
    shuffled = rng.permutation(len(rows))
    found = curves_by_steps({"N": N[shuffled], "D": D[shuffled]})
    assert found is not None and partition(found.labels) == partition([names[i] for i in shuffled])


@pytest.mark.parametrize(
    ("N", "D", "labels"),
    [
        ([1, 1, 1, 2, 2, 1, 1], [1, 2, 3, 1, 2, 1, 2], [1, 1, 1, 2, 2, 3, 3]),
        ([1, 2, 1, 2, 1, 2], [1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2]),  # by step
        ([1, 1, 1], [1, 1, 2], [1, 2, 2]),
        ([1, 1], [2, 1], [1, 2]),
    ],
)
def test_rows_of_one_size_are_one_run_while_tokens_rise(N: list, D: list, labels: list) -> None:
    found = ordered_curves({"N": np.array(N, float), "D": np.array(D, float)})
    assert found is not None and partition(found.labels) == partition(labels)


@pytest.mark.parametrize("seed", range(8))
def test_runs_by_steps_are_those_found_by_taking_one_after_the_other(seed):
    """The plain way: of the rows of a size that are left, the least begins a run, and each multiple of it within 5 %
    that is the next goes on with it."""
    rng = np.random.default_rng(seed)
    N, D = rng.integers(1, 4, 90) * 1e8, rng.integers(1, 25, 90) * rng.choice([1.0, 1.03, 3.3], 90) * 1e9
    runs = []
    for size in np.unique(N):
        left = sorted(np.flatnonzero(size == N).tolist(), key=lambda i: (D[i], i))
        while left:
            members = [left[0]]
            for i in left[1:]:
                times = len(members) + 1
                if D[i] >= D[left[0]] * (times - 0.05):
                    if D[i] > D[left[0]] * (times + 0.05):
                        break
                    members.append(i)
            left = [i for i in left if i not in members]
            runs.append(frozenset(members))
    found = curves_by_steps({"N": N, "D": D})
    assert found is not None and partition(found.labels) == set(runs)


def test_without_one_number_of_tokens_for_each_row_there_are_no_curves() -> None:
    assert ordered_curves({"N": np.ones(3)}) is None
    assert curves_by_steps({"D": np.ones(3)}) is None
    assert curves_by_steps({"N": np.ones(3), "D": np.ones((3, 2))}) is None


@pytest.mark.parametrize(
    ("written", "of_runs"),
    [
        ("pythia-{m}-step{s}000", True), ("OLMo-{m}/step{s}000-tokens{s}B", True), ("{m}_ckpt_{s}", True),
        ("{m} epoch {s}", True), ("{m}@checkpoint-{s}k", True), ("{m}/global_step{s}00", True),
        ("{m}-steps{s}000", False), ("{m}-seed{s}", False), ("{m}-v{s}", False),
    ],
)  # fmt: skip
def test_names_that_end_in_a_step_are_of_one_run(written: str, of_runs: bool) -> None:
    rows = [(m, s) for m in ("70m", "160m", "410m", "1b") for s in (1, 2, 4)]
    table = {
        "model": [written.format(m=m, s=s) for m, s in rows],
        "params": [{"70m": 7e7, "160m": 1.6e8, "410m": 4.1e8, "1b": 1e9}[m] for m, _ in rows],
        "tokens": [2e9 * s for _, s in rows],
        "loss": [4 - 0.1 * i for i in range(12)],
    }
    runs = read_quietly(table)
    assert (runs.record.open_checkpoints, runs.at_end().count) == (of_runs, 4 if of_runs else 12)
    assert read_quietly(table, checkpoints="none").at_end().count == 12


@pytest.mark.parametrize(
    ("more", "of_runs"),
    [
        ({"epochs": [1, 2, 4] * 4}, False),
        ({"config.num_epochs": [1, 2, 4] * 4}, False),
        ({"run_id": [f"id{i}" for i in range(12)]}, False),
        ({"epoch": [1, 2, 4] * 4}, True),
        ({"epochs": [1, 2, 3] * 4}, True),
        ({"run_id": ["a", "b", "c", "d"] * 3}, True),
    ],
)
def test_names_that_end_in_epochs_are_settings_where_another_column_says_so(more: dict, of_runs: bool) -> None:
    rows = [(m, s) for m in (7e7, 1.6e8, 4.1e8, 1e9) for s in (1, 2, 4)]
    table = {
        "setting": [f"{m:.0f}_epoch{s}" for m, s in rows],
        "params": [m for m, _ in rows],
        "tokens": [2e9 * s for _, s in rows],
        "loss": [4 - 0.1 * i for i in range(12)],
    }
    assert read_quietly(table | more).at_end().count == (4 if of_runs else 12)
