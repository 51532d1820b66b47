"""JSON in the forms that people and programs write: the same runs from all of them, or a sentence."""

import io
import itertools
import json
from typing import Any

import pandas as pd
import pytest
from helpers import FOUR, four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.json_tables import rows_in
from jaxscale._data.names import meaning_of
from jaxscale._data.runs import Runs, read_runs
from jaxscale._data.separators import LAYOUT
from jaxscale._data.tables import read_frame

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()
ROWS = [{"params": n, "tokens": d, "loss": x} for n, d, x in zip(N, D, LOSS, strict=True)]
NESTED = [
    {"config": {"model": {"n_params": {"value": n, "desc": None}}}, "summary": {"n_tokens": d, "val": {"loss": x}}}
    for n, d, x in zip(N, D, LOSS, strict=True)
]
FORMS = {
    "rows": ROWS,
    "rows under a name": {"name": "sweep", "runs": ROWS},
    "rows deep inside": {"meta": {"by": "me"}, "data": {"all": {"runs": ROWS}}},
    "columns": four_runs(),
    "pandas": json.loads(pd.DataFrame(four_runs()).to_json()),
    "pandas split": json.loads(pd.DataFrame(four_runs()).to_json(orient="split")),
    "pandas table": json.loads(pd.DataFrame(four_runs()).to_json(orient="table")),
    "runs by name": {f"run {i}": row for i, row in enumerate(ROWS)},
    "runs by name inside": {"by": "me", "sweep": {f"{'abcdefg'[i]}": row for i, row in enumerate(ROWS)}},
    "a log in each run": [
        {"params": row["params"], "log": [{"tokens": row["tokens"], "loss": row["loss"]}]} for row in ROWS
    ],
    "objects in rows": NESTED,
    "objects in runs by name": {f"run {i}": row for i, row in enumerate(NESTED)},
    "objects in rows under a name": {"runs": NESTED},
}


def read(value: Any, **options: Any) -> Runs:
    return read_runs(io.StringIO(json.dumps(value)), **options)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_runs(form: str) -> None:
    assert read(FORMS[form]).sha256 == Runs.from_frame(four_runs()).sha256


def test_lines_of_objects_in_objects() -> None:
    text = "\n".join(map(json.dumps, NESTED))
    assert read_runs(io.StringIO(text)).sha256 == Runs.from_frame(four_runs()).sha256
    columns = list(read_frame(io.StringIO(text)).columns)
    assert columns == ["config.model.n_params", "summary.n_tokens", "summary.val.loss"]


def test_where_the_rows_were_is_said() -> None:
    assert read(FORMS["rows deep inside"]).record.conventions["layout"] == "rows under 'data.all.runs'"
    assert read(FORMS["runs by name"]).record.conventions["layout"] == "one run for each name"
    assert "layout" not in read(ROWS).record.conventions


def test_one_run_in_one_object() -> None:
    assert read(NESTED[0]).response.tolist() == LOSS[:1]


def test_a_log_beside_final_losses_stays_a_cell() -> None:
    rows = [{**row, "history": [{"step": 1, "tokens": 1e6, "loss": 9.0}]} for row in ROWS]
    assert read(rows).sha256 == Runs.from_frame(four_runs()).sha256


def test_a_letter_in_a_path_is_no_unit() -> None:
    """Nor is the name of a run, such as b, a factor of a billion."""
    assert meaning_of("b.params") == meaning_of("runs.b.params") == ("N", 0, None)
    assert meaning_of("params.b") == meaning_of("params_b")


def test_the_size_beside_a_log_is_that_of_its_rows() -> None:
    log = [{"tokens": d, "loss": x} for d, x in zip(D, LOSS, strict=True)]
    runs = read({"config": {"n_params": 124e6}, "seed": 3, "history": log})
    assert runs.variables["N"].tolist() == [124e6] * 4
    assert "seed" not in runs.record.unused


def trainer_state(with_evaluation: bool) -> dict[str, Any]:
    log: list[dict[str, Any]] = []
    for step in (500, 1000, 1500):
        log.append({"epoch": 0.1, "loss": 3.0 - step / 1e4, "step": step, "num_input_tokens_seen": step * 1000})
        if with_evaluation:
            log.append({"epoch": 0.1, "eval_loss": 3.1 - step / 1e4, "eval_runtime": 1.0, "step": step})
    log.append({"epoch": 0.1, "train_runtime": 9.0, "train_loss": 3.2, "total_flos": 1e15, "step": 1500})
    return {"best_metric": None, "epoch": 1.0, "global_step": 1500, "total_flos": 1e15, "log_history": log}


def test_a_trainer_state_is_its_log() -> None:
    runs = read(trainer_state(False))
    assert runs.response.tolist() == pytest.approx([2.95, 2.9, 2.85])
    assert runs.variables["D"].tolist() == [5e5, 1e6, 1.5e6]
    assert runs.record.columns["loss"] == "train/loss"  # what the file calls "loss" is of training
    assert runs.record.conventions["layout"] == "the log_history of a trainer, one row per step"
    both = read(trainer_state(True), D="step*1000")
    assert both.record.columns["loss"] == "eval_loss"
    assert both.response.tolist() == pytest.approx([3.05, 3.0, 2.95])
    assert "C" not in both.variables


def test_a_log_without_tokens_says_how_to_compute_them() -> None:
    state = {"log_history": [{"step": 500, "loss": 3.0}, {"step": 1000, "loss": 2.9}]}
    with pytest.raises(InputError, match=r"""D="step\*524288" \(-D 'step\*524288'\)"""):
        read(state)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": ROWS, "b": {"c": ROWS}}, r"several lists of rows, 'a', 'b.c'; keep one of them: jq '.a' FILE"),
        ([{"a.b": 1, "a": {"b": 2}}], "row 1 has more than one column called 'a.b'"),
        ([{"a": 1}, 3], "row 2 is not a JSON object"),
        ({"log_history": [3]}, "row 1 is not a JSON object"),
        ({"columns": ["a", "a"], "data": [[1, 2]]}, "more than one column called 'a'"),
        ({"format": "jaxscale.fit/1", "runs": ROWS}, "'jaxscale.fit/1' file"),
        (3, "one JSON value"),
    ],
)
def test_what_holds_no_rows_is_named(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows_in(value, "the file")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab.", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_any_json_is_rows_or_a_sentence(value: Any) -> None:
    try:
        rows, said = rows_in(value, "the file")
    except InputError as error:
        assert str(error).startswith("the file")  # noqa: PT017 - rows may also come out
        return
    assert isinstance(said, str)
    for row in rows if isinstance(rows, list) else []:
        assert not any(isinstance(cell, dict) and cell for cell in row.values())


def test_rows_with_columns_of_their_own_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxscale._data.tables.MAX_CELLS", 50)
    with pytest.raises(InputError, match="million cells"):
        read([{f"column {i}": 1} for i in range(10)])


def test_a_sweep_of_one_size_is_no_log_of_one_run() -> None:
    """Rows of one architecture with several learning rates at each number of tokens are runs of their own."""
    grid = itertools.product((10**5, 10**6, 10**7), (1000, 4000, 16000), (1e-3, 3e-3, 1e-2))
    rows = [
        {"arch": {"name": f"mlp{n}"}, "train": {"steps": k, "lr": lr}, "params": n, "tokens": k * 8192, "loss": 2 + lr}
        for n, k, lr in grid
    ]
    record = read(rows).record
    assert "run" not in record.columns
    assert not [note for note in record.notes if note.code == "checkpoints"]


def test_layout_is_kept_in_the_frame() -> None:
    assert read_frame(io.StringIO(json.dumps({"runs": ROWS}))).attrs[LAYOUT] == "rows under 'runs'"


def test_a_file_of_a_fit_is_told_what_reads_it(tmp_path):
    file = tmp_path / "fit.json"
    file.write_text('{"format": "jaxscale.fit/1"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"not a table of runs; jaxscale report shows it, .* js.load reads it"):
        read_runs(file)
