"""Exports of trackers become one row a run: what did not end well is set aside by name, pieces are joined."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxscale._base.errors import DataWarning, InputError
from jaxscale._data.runs import Runs, read_quietly, read_runs

# As the table of runs is exported: the newest first, options of the run and summaries side by side.
EXPORT = """\
"Name","State","Notes","User","Tags","Created","Runtime","Sweep","ID","lr","n_params","_step","tokens_seen","val/loss"
"d12-resume","finished","-","me","","2026-03-02T10:00:00.000Z","900","","id6","0.001","1.2e8","4000","4000000000","3.1"
"d20","running","-","me","","2026-03-01T15:00:00.000Z","50","","id5","0.001","5.6e8","100","100000000","7.2"
"d16","finished","-","me","","2026-03-01T14:00:00.000Z","700","","id4","0.001","2.7e8","4000","4000000000","2.9"
"d12","crashed","-","me","","2026-03-01T13:00:00.000Z","500","","id3","0.001","1.2e8","1500","1500000000","3.4"
"d8","finished","-","me","","2026-03-01T12:00:00.000Z","300","","id2","0.001","5e7","4000","4000000000","3.5"
"d4","finished","-","me","","2026-03-01T11:00:00.000Z","200","","id1","0.01","2e7","4000","4000000000","NaN"
"""


def export(*changes: tuple[str, str], **options: object) -> Runs:
    text = EXPORT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read_quietly(io.StringIO(text), **options)


def said(runs: Runs, code: str) -> str:
    return " ".join(note.text for note in runs.record.notes if note.code == code)


def test_an_export_gives_one_row_for_each_run_that_ended_well() -> None:
    runs = export()
    assert runs.rows.tolist() == [1, 3, 5] and runs.response.tolist() == [3.1, 2.9, 3.5]
    assert said(runs, "runs_set_aside") == (
        "2 runs set aside: 'd20' (row 2) running, 'd4' (row 6) has 'val/loss' NaN; "
        "--where \"State != ''\" keeps runs of every state"
    )
    assert "1 row is left out as pieces of 1 resumed run of which another row counts: 'd12'" in said(
        runs, "resumed_runs"
    )
    with pytest.warns(DataWarning, match="2 runs set aside: 'd20'"):
        read_runs(io.StringIO(EXPORT))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"where": "State != ''"}, [1, 2, 3, 5]),  # a loss that is no number is never kept
        ({"where": "State == finished"}, [1, 3, 5]),
        ({"where": "State == crashed"}, [4]),
        ({"where": "val/loss < 9"}, [1, 3, 5]),
        ({"where": "lr < 0.005"}, [1, 3, 5]),
        ({"checkpoints": "last"}, [1, 3, 5]),
        ({"checkpoints": "best"}, [1, 3, 5]),
        ({"checkpoints": "none"}, [1, 3, 5]),  # the crashed piece is a run of its own, and did not finish
        ({"checkpoints": "none", "where": "State != ''"}, [1, 2, 3, 4, 5]),
        ({"checkpoints": "all", "where": "State != ''"}, [1, 2, 3, 4, 5]),
    ],
)
def test_filters_and_checkpoints_decide_what_is_kept(options: dict[str, object], rows: list[int]) -> None:
    assert export(**options).rows.tolist() == rows


def test_a_loss_far_above_the_others_is_kept_where_a_filter_speaks_of_losses() -> None:
    assert export(('"2.9"', '"1e9"'), where="val/loss > 0").rows.tolist() == [1, 3, 5]


def test_all_pieces_of_a_resumed_run_are_resampled_together() -> None:
    runs = export(("crashed", "finished"), checkpoints="all")
    assert runs.rows.tolist() == [1, 3, 4, 5]
    assert runs.clusters == ("d12", "d16 (row 3)", "d12", "d8 (row 5)")


@pytest.mark.parametrize(
    ("changes", "rows", "words"),
    [
        ([("3.1", "3.6")], [1, 3, 5], ""),  # the last piece counts, whatever its loss
        ([("3.1", "3.6"), ("crashed", "finished")], [1, 3, 5], ""),
        ([('1500000000","3.4', '4000000000","3.4')], [1, 3, 5], ""),  # a column of planned tokens
        ([('"4000","4000000000","3.1', '"900","900000000","3.1')], [3, 5], "(rows 1, 4) its last piece"),
        ([('"finished","-","me","","2026-03-02', '"killed","-","me","","2026-03-02')], [3, 5], "(rows 1, 4) killed"),
        ([('"d12-resume"', '"d12_resumed_from_step_1500"')], [1, 3, 5], ""),
        ([('"d12-resume"', '"resume-d12"')], [1, 3, 5], ""),
        ([('"d12-resume"', '"d12 (resumed 2)"')], [1, 3, 5], ""),
        ([('"d12-resume"', '"d12"'), ('"id6"', '"id3"')], [1, 3, 5], ""),  # one ID is one run
        ([('"d12-resume"', '"d12-r2"'), ("crashed", "finished")], [1, 3, 4, 5], ""),  # says nothing
        ([('"d12-resume"', '"d12"'), ("crashed", "finished")], [1, 3, 4, 5], ""),  # nor do equal names
        ([('"1.2e8","4000"', '"9.9e8","4000"'), ("crashed", "finished")], [1, 3, 4, 5], ""),  # another size
        ([('"d8"', '"d12"'), ('"5e7"', '"1.2e8"'), ("crashed", "finished")], [1, 3, 4, 5], ""),  # of which run?
        ([('"2.9"', '"1e9"')], [1, 5], "'d16' (row 3) has 'val/loss' 1e9, far above the others (--where"),
        ([('"2.9"', '"Infinity"')], [1, 5], "'d16' (row 3) has an infinite 'val/loss'"),
        ([('"2.9"', '""')], [1, 5], "'d16' (row 3) has no 'val/loss'"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_run(changes: list[tuple[str, str]], rows: list[int], words: str) -> None:
    runs = export(*changes)
    assert runs.rows.tolist() == rows
    assert words in said(runs, "runs_set_aside")
    assert ("goes on one of 2 runs called 'd12'" in said(runs, "resumed_runs")) == (changes[0][0] == '"d8"')


SIZES = [1e7, 3e7, 1e8, 3e8]
STATES = {
    "State": ("finished", "crashed"),  # W&B
    "status": ("FINISHED", "KILLED"),  # MLflow
    "Status": ("RunStatus.COMPLETED", "RunStatus.CANCELED"),
    "job_state": ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"),  # Vertex AI
    "slurm.job.state": ("COMPLETED", "CANCELLED by 1000"),
    "info.status": ("TERMINATED", "ERROR"),  # Ray
    "trial_status": ("TrialState.COMPLETE", "TrialState.PRUNED"),  # Optuna
    "sys/state": ("inactive", "active"),  # Neptune
    "finished": ("True", "False"),
    "is_completed": (1, 0),
    "sys/failed": (False, True),
    "crashed": ("no", "yes"),
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_read_in_the_words_of_every_tracker(name: str) -> None:
    good, bad = STATES[name]
    table = pd.DataFrame({"params": SIZES, "tokens": [1e9] * 4, "loss": [4.0, 3.7, np.nan, 3.2]})
    table[name] = [good, good, bad, good]
    runs = read_quietly(table)
    assert runs.rows.tolist() == [1, 2, 4] and "a run (row 3)" in said(runs, "runs_set_aside")
    with pytest.raises(InputError, match="1 of 4 cells cannot be used, row 3"):
        read_quietly(table.drop(columns=name))


NO_STATES = [{"state": list("CNTC")}, {"status": ["new", "old"] * 2}, {"failed": [0.1, 2, 3, 4]}, {}]


@pytest.mark.parametrize("column", NO_STATES)
def test_other_tables_are_left_alone(column: dict[str, list[object]]) -> None:
    table = {"params": SIZES, "tokens": [1e9] * 4, "loss": [4.0, 3.7, 3.5, 3.2], **column}
    assert read_quietly(table).count == 4
    with pytest.raises(InputError, match="1 of 4 cells cannot be used"):
        read_quietly(table | {"loss": [4.0, 3.7, None, 3.2]})


@pytest.mark.parametrize("with_id", [True, False])
def test_logs_of_resumed_runs_are_the_checkpoints_of_one_run_each(with_id: bool) -> None:
    """Six rows a run: `a` is resumed after three, `b` never, and `c`, resumed as well, crashed in the end."""
    rows = [
        {"name": name + "-resume" * (name != "b" and k > 3), "step": 100 * k, "tokens": k * 1e9, "loss": 4 - k / 8 - j}
        | {"params": 1e7 * 2**j, "state": "crashed" if name == "c" and k > 3 else "finished"}
        for j, name in enumerate("abc")
        for k in range(1, 7)
    ]
    table = pd.DataFrame(rows)
    if with_id:
        table["run_id"] = "id-" + table["name"]
    runs = read_quietly(table)
    assert (runs.count, runs.record.open_checkpoints, set(runs.clusters or ())) == (12, True, {"a", "b"})
    assert runs.at_end().rows.tolist() == [6, 12] == read_quietly(table, checkpoints="last").rows.tolist()
    assert "1 run set aside: 'c' (rows 13, 14, 15, 16, 17, ...) crashed" in said(runs, "runs_set_aside")
    assert read_quietly(table, checkpoints="none").count == 15


def test_where_no_run_is_left() -> None:
    words = "no run of the table is left: 2 runs set aside: 'd12' (rows 1, 4) failed, 'd16' (row 3) failed"
    with pytest.raises(InputError, match=re.escape(words)):
        export(("finished", "failed"), ("crashed", "failed"), where=["lr < 0.005", "_step > 1000", "n_params > 1e8"])


@settings(max_examples=40)
@given(st.data())
def test_random_pieces_and_states_become_one_row_for_each_run(data: st.DataObject) -> None:
    """Planted: of each run some pieces, each farther than the one before, in any order. A run counts where its last
    piece finished with a loss that is one, and then by that piece."""
    mark = data.draw(st.sampled_from(["-resume", "_resumed", " (continued)", "-restart-{}", "ID"]))
    rows = [{"Name": "sure", "State": "finished", "ID": "id", "params": 1e10, "tokens": 1e9, "val/loss": "2.5"}]
    expected = {("sure", 1e9)}
    for k in range(data.draw(st.integers(2, 6))):
        pieces = data.draw(st.integers(1, 3))
        for j in range(pieces):
            state = data.draw(st.sampled_from(["finished", "finished", "crashed", "failed", "killed", "running"]))
            loss = data.draw(st.sampled_from(["3.25", "3.25", "NaN", "inf", ""]))
            name = f"run{k}" + ("" if j == 0 or mark == "ID" else mark.format(j) * (1 if "{" in mark else j))
            row = {"Name": name, "State": state, "ID": f"id{k}" + (f".{j}" if mark != "ID" else "")}
            row |= {"params": 1e7 * 2**k, "tokens": 1e9 * (j + 1), "val/loss": loss}
            rows.append(row)
            if j == pieces - 1 and state == "finished" and loss == "3.25":
                expected.add((row["Name"], row["tokens"]))
    table = pd.DataFrame(data.draw(st.permutations(rows)), dtype=object)
    runs = read_quietly(table)
    kept = table.iloc[runs.rows - 1]
    assert set(zip(kept["Name"], kept["tokens"], strict=True)) == expected and runs.count == len(expected)
