"""Runs out of a table: what is recognised, converted, refused, dropped, noticed and kept."""

import copy
import hashlib
import json
import math
import os
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxscale._base.errors import InputError
from jaxscale._base.verdict import Reason
from jaxscale._data.runs import Runs
from jaxscale._data.runs_file import RunsRecord

N, D, LOSS = [1e8, 3e8, 1e9, 3e9], [2e9, 1e10, 5e10, 2e11], [3.4, 3.0, 2.7, 2.4]


def table(**changes: object) -> dict[str, object]:
    """Four good runs, with columns changed, added, or taken out by None."""
    columns: dict[str, object] = {"params": N, "tokens": D, "loss": LOSS, **changes}
    return {name: column for name, column in columns.items() if column is not None}


def named(names: str) -> dict[str, list[float]]:
    """A table of four runs with these columns, no two alike."""
    return {name: [1e9 * (i + j + 1) for j in range(4)] for i, name in enumerate(names.split())}


# Which column is what


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ("params tokens loss", {"N": "params", "D": "tokens", "loss": "loss"}),
        ("N D C U loss", {"N": "N", "D": "D", "C": "C", "U": "U", "loss": "loss"}),
        ("n d L loss", {"N": "n", "D": "d", "loss": "loss"}),
        ("N_Params Train-Tokens Val.Loss", {"N": "N_Params", "D": "Train-Tokens", "loss": "Val.Loss"}),
        ("model_size flops eval_loss", {"N": "model_size", "C": "flops", "loss": "eval_loss"}),
        ("params params_total params_non_embedding loss", {"N": "params", "loss": "loss"}),
        ("N params_total loss", {"N": "N", "loss": "loss"}),
        ("params loss loss_train loss_wiki", {"N": "params", "loss": "loss"}),
        ("params val_loss train_loss", {"N": "params", "loss": "val_loss"}),
        ("params train_loss step", {"N": "params", "loss": "train_loss"}),
        ("params tokens flops flops_6nd loss", {"N": "params", "D": "tokens", "C": "flops", "loss": "loss"}),
        ("params tokens unique_tokens loss", {"N": "params", "D": "tokens", "U": "unique_tokens", "loss": "loss"}),
    ],
)
def test_columns_are_recognised_by_name(names: str, columns: dict[str, str]) -> None:
    record = Runs.from_frame(named(names)).record
    assert record.columns == columns
    assert record.guessed == tuple(columns)


@pytest.mark.parametrize(
    ("names", "options", "columns", "guessed"),
    [
        ("a b c", {"N": "a", "D": "b", "loss": "c"}, {"N": "a", "D": "b", "loss": "c"}, set()),
        ("params b loss", {"D": "b"}, {"N": "params", "D": "b", "loss": "loss"}, {"N", "loss"}),
        ("params params_total loss", {"N": "params_total"}, {"N": "params_total", "loss": "loss"}, {"loss"}),
        ("params tokens loss", {"D": False}, {"N": "params", "loss": "loss"}, {"N", "loss"}),
        ("params acc loss", {"response": "acc"}, {"N": "params", "acc": "acc"}, {"N"}),
        ("acc loss", {"response": "acc", "loss": "loss"}, {"loss": "loss", "acc": "acc"}, set()),
        ("params val_loss loss", {"response": "val_loss"}, {"N": "params", "loss": "val_loss"}, {"N"}),
        ("params loss e", {"E": "e"}, {"N": "params", "E": "e", "loss": "loss"}, {"N", "loss"}),
        ("x y loss", {"mix": ["x", "y"]}, {"mix": ("x", "y"), "loss": "loss"}, {"loss"}),
        ("tokens C loss", {"N": "tokens"}, {"N": "tokens", "C": "C", "loss": "loss"}, {"C", "loss"}),
    ],
)
def test_columns_are_named(names: str, options: dict, columns: dict, guessed: set[str]) -> None:
    record = Runs.from_frame(named(names), **options).record
    assert record.columns == columns
    assert set(record.guessed) == guessed


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ("params_total params_non_embedding loss", {}, "'params_total', 'params_non_embedding' could each be N.*-N"),
        ("N params loss", {}, "'N', 'params' could each be N"),
        ("params val_loss eval_loss", {}, "'val_loss', 'eval_loss' could each be loss.*--loss 'val_loss'"),
        ("params U unique_tokens loss", {}, "could each be U.*--col U='U'"),
        ("params tokens", {}, "no column is recognised as the loss; there are 'params', 'tokens'"),
        ("loss a b", {}, "no column is recognised as a variable.*'loss', 'a', 'b'"),
        (
            "params_b tokens_b loss",
            {},
            r"'params_b' may be N,.* billions.*\n.*'tokens_b' may be D,",
        ),
        ("params loss", {"D": "token"}, r"no column 'token' \(D\); there are 'params', 'loss'"),
        ("params tokens loss", {"D": "tokns"}, "did you mean 'tokens'"),
        ("params tokens loss", {"N": "params", "D": "params"}, "'params' is named twice, for N and D"),
        ("params loss w", {"weights": "params", "N": "params"}, "'params' is named twice"),
        ("params loss", {"loss": ["params", "loss"]}, "one column"),
        ("params loss", {"mix": []}, "at least one column"),
        ("params loss", {"row": "loss"}, "cannot be called 'row'"),
        ("params a b", {"response": "a", "a": "b"}, "'a' is the response"),
        ("params acc", {"response": "acc", "loss_unit": "bits"}, "needs a column that is the loss"),
    ],
)
def test_columns_that_are_not_clear(names: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(named(names), **options)


def test_the_record_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Python orders sets of text by a hash that differs from process to process."""
    code = """
import json
from jaxscale._data.runs import Runs
names = "params tokens flops unique_tokens loss val_loss".split()
print(json.dumps(Runs.from_frame({name: [1e9 + i, 2e9 + i] for i, name in enumerate(names)}).to_data()))
"""
    root = str(Path(__file__).parents[2])
    said = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": root, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        said.add(done.stdout)
    assert len(said) == 1
    assert json.loads(said.pop())["guessed"] == ["N", "D", "C", "U", "loss"]


@pytest.mark.parametrize(
    ("names", "symbol", "other"),
    [
        ("params tokens loss val_loss", "loss", "val_loss"),
        ("params tokens val_loss train_loss", "loss", "train_loss"),
        ("params params_total tokens loss", "N", "params_total"),
    ],
)
def test_columns_that_would_also_fit_are_mentioned(names: str, symbol: str, other: str) -> None:
    runs = Runs.from_frame(named(names))
    assert runs.record.conventions[symbol] == f"'{other}' would also fit"
    assert f"recognised by its name, '{other}' would also fit)" in str(runs)
    told = {"N": "params", "loss": runs.record.columns["loss"]}
    assert "would also fit" not in str(Runs.from_frame(named(names), **told))


@pytest.mark.parametrize(
    ("names", "symbol", "words"),
    [
        (
            "params_b tokens_b flops loss",
            "N",
            "'params_b' may be N, .* in units of 1e9, billions: multiply it .*-N COL",
        ),
        ("params_b tokens_b flops loss", "D", "'tokens_b' may be D.*; columns not used: 'params_b', 'tokens_b'"),
        ("N(M) tokens loss", "N", "units of 1e6, millions"),
        ("model_size_millions tokens loss", "N", "units of 1e6, millions"),
        ("tokens[T] params loss", "D", "units of 1e12, trillions"),
        ("model_b tokens loss", "N", r'Name its column with N="..." \(-N COLUMN\); columns not used: .model_b'),
        ("params tokens loss", "S", r'Name its column with S="..." \(--col S=COLUMN\)$'),
    ],
)
def test_a_missing_variable_is_looked_for_among_the_other_columns(names: str, symbol: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Runs.from_frame(named(names)).variable(symbol)


def test_compute_stands_in_for_what_is_missing() -> None:
    flops = [6 * n * d for n, d in zip(N, D, strict=True)]
    runs = Runs.from_frame(table(tokens=None, flops=flops))
    np.testing.assert_allclose(runs.variables["D"], D, rtol=1e-15)
    assert list(runs.variables) == ["N", "D", "C"]
    assert runs.record.conventions["D"] == "C / (6 N)"
    runs = Runs.from_frame(table(params=None, flops=flops))
    np.testing.assert_allclose(runs.variable("N"), N, rtol=1e-15)
    assert runs.record.conventions["N"] == "C / (6 D)"
    runs = Runs.from_frame(table())
    np.testing.assert_allclose(runs.variable("C"), flops, rtol=1e-15)
    assert runs.record.conventions["C"] == "6 N D"
    assert "D" not in Runs.from_frame(table(tokens=None, flops=flops), D=False).variables
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


# Cells


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "uint64", "float32", "float64", "Int64", "Float64", "object", "str"]
)
def test_every_kind_of_column_becomes_float64(dtype: str) -> None:
    frame = pd.DataFrame({"params": pd.Series([1000000, 2000000], dtype="int64").astype(dtype), "loss": [3.0, 2.0]})
    runs = Runs.from_frame(frame)
    assert runs.variables["N"].dtype == np.float64
    assert runs.variables["N"].tolist() == [1e6, 2e6]


def test_numbers_are_read_as_people_write_them() -> None:
    runs = Runs.from_frame(table(params=["70B", "1.4T", "5.76e9", " 1,000,000 "], tokens=[10**30, "1_0e9", 2e9, "3g"]))
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
        Runs.from_frame(table(**changes), **options)
    message = str(error.value)
    assert re.search(rf"column '{column}' .* of 4 cells .*row {row} holds '.*', {reason}", message)
    assert 'on_bad="drop" (--on-bad drop)' in message
    if "4 of 4" not in message:
        runs = Runs.from_frame(table(**changes), **options, on_bad="drop")
        (dropped,) = runs.record.dropped
        assert dropped.row == row and dropped.column == column and dropped.reason.startswith(reason)
        assert runs.count == runs.record.count == 3
        assert runs.rows.tolist() == [r for r in (1, 2, 3, 4) if r != row]
        assert len(runs.clusters or "123") == 3


def test_all_bad_cells_come_in_one_message() -> None:
    bad = table(params=["x\x1b[2J", None, 1e9, 1e9], tokens=[1e9, 0, 1e9, "inf"], spare=["not", "looked", "at", ""])
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
    runs = Runs.from_frame(bad, on_bad="drop")
    assert [(d.row, d.column) for d in runs.record.dropped] == [(1, "params"), (2, "params"), (4, "tokens")]
    with pytest.raises(InputError, match="Every row has a bad cell"):
        Runs.from_frame(table(params=[0, 0, 0, 0]), on_bad="drop")


def test_a_recognised_column_nobody_needs_is_left_out_where_it_is_bad() -> None:
    runs = Runs.from_frame(table(flops=[1e20, "", 1e20, 1e20], unique_tokens=["?", 1, 1, 1]), on_bad="drop")
    assert runs.count == 4 and set(runs.variables) == {"N", "D"} == set(runs.record.columns) - {"loss"}
    assert "row 2 holds '', missing: left out" in runs.record.conventions["C"]
    assert runs.variable("C")[0] == 6 * N[0] * D[0]
    with pytest.raises(InputError, match=r"column 'flops' \(C\)"):
        Runs.from_frame(table(flops=[1e20, "", 1e20, 1e20]), C="flops")
    with pytest.raises(InputError, match=r"column 'flops' \(C\)"):  # here D would follow from it
        Runs.from_frame(table(flops=[1e20, "", 1e20, 1e20], tokens=None))


def test_loss_in_bits_becomes_nats() -> None:
    runs = Runs.from_frame(table(), loss_unit="bits")
    np.testing.assert_allclose(runs.response, np.array(LOSS) * math.log(2), rtol=1e-15)
    assert runs.record.conventions["loss_unit"] == "bits, times ln 2"
    as_variable = Runs.from_frame(table(acc=[1, 2, 3, 4]), response="acc", loss="loss", loss_unit="bits")
    np.testing.assert_allclose(as_variable.variables["loss"], runs.response, rtol=1e-15)
    assert as_variable.response.tolist() == [1, 2, 3, 4]


def test_weights_vectors_clusters_and_domains() -> None:
    frame = table(w=[0, 1, 2, 3], seed=[1, 1, 2, 2], x=[-1, 0, 1, 2], y=[1, 2, 3, 4], acc=[0, 0.5, 1, True])
    runs = Runs.from_frame(
        frame,
        response="acc",
        weights="w",
        run="seed",
        mix=["x", "y"],
        domains={"acc": "unit", "mix": "real"},
    )
    assert (runs.response_name, runs.clusters) == ("acc", ("1", "1", "2", "2"))
    assert runs.weights is not None and runs.weights.tolist() == [0, 1, 2, 3]
    assert runs.variables["mix"].tolist() == [[-1, 1], [0, 2], [1, 3], [2, 4]]
    assert list(runs.to_frame()) == ["N", "D", "mix[0]", "mix[1]", "acc", "weights", "run"]


# Filters


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("params > 300M", [3, 4]),
        ("params>=300M", [2, 3, 4]),
        ("tokens < 10B", [1]),
        ("tokens <= 1e10", [1, 2]),
        ("loss == 2.7", [3]),
        ("loss != 2.7", [1, 2, 4]),
        ("corpus == web", [1, 2]),
        ("corpus == 'web'", [1, 2]),
        ('corpus != "web"', [3, 4]),
        ("corpus == a > b", [3]),
        ("learning rate > 0.1", [2, 3, 4]),
        ("'learning rate' > 0.1", [2, 3, 4]),
        ("a<b < 3", [1, 2]),
        ("text == 3M", [1]),
        ("text == 'x y'", [2]),
        ("text != 3M", [2, 3, 4]),
        ('text == ""', [4]),
        ("text != na", [1, 2, 3]),
        ("gap > 0", [1, 3]),
        ("gap == ''", [2, 4]),
        ("gap != ''", [1, 3]),
        ("gap != 1", [2, 3, 4]),
        ("done == true", [1, 3]),
        ("done == 0", [2, 4]),
        ("word == True", [1, 3]),
        (["params > 1e8", "corpus == web"], [2]),
        ([], [1, 2, 3, 4]),
    ],
)
def test_filters(rule: str | list[str], rows: list[int]) -> None:
    frame = table(
        **{
            "corpus": ["web", "web ", "a > b", "books"],
            "learning rate": [0.1, 0.2, 0.3, 0.4],
            "a<b": [1, 2, 3, 4],
            "text": ["3M", "x y", "07", ""],
            "gap": [1, None, 2, math.nan],
            "done": [True, False, True, False],
            "word": ["True", "False", "True", "no"],
        }
    )
    runs = Runs.from_frame(frame, where=rule)
    assert runs.rows.tolist() == rows
    assert runs.record.filters == ((rule,) if isinstance(rule, str) else tuple(rule))
    assert runs.record.filtered == 4 - len(rows)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("loss", "must read COLUMN OP VALUE"),
        ("loss = 3", "must read COLUMN OP VALUE"),
        ("loss >", "must read COLUMN OP VALUE"),
        ("> 3", "must read COLUMN OP VALUE"),
        ("", "must read COLUMN OP VALUE"),
        ("los > 3", "no column 'los'.*did you mean 'loss'"),
        ("loss =< 3", "no column 'loss ='"),
        ("__import__('os').system('x') == 1", "no column '__import__"),
        ("text < 3", "< needs numbers, but column 'text' holds 'x' in row 1"),
        ("text < x", "needs a number on the right, not 'x'"),
        ("loss > 1,5", "needs a number on the right"),
        ("loss == low", "column 'loss' holds numbers, and 'low' is none"),
        ("loss > 99", "no row is left by the filter 'loss > 99'"),
    ],
)
def test_filters_that_cannot_be_used(rule: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(table(text=["x", "y", "1", "2"]), where=rule)


# What is noticed


@pytest.mark.parametrize(
    ("changes", "options", "codes", "words"),
    [
        ({}, {}, [], ""),
        ({"params": [0.1, 0.3, 1, 3]}, {}, ["suspicious_units"], "N has a median of 0.65 parameters"),
        ({"tokens": [2, 10, 50, 200]}, {}, ["suspicious_units"], "D has a median of 30 tokens"),
        ({"tokens": None, "flops": [1, 2, 3, 4]}, {}, ["suspicious_units"], "PF-days"),
        ({"loss": [30, 20, 15, 11]}, {}, ["suspicious_units"], "perplexity"),
        ({"loss": None, "val_ppl": LOSS}, {"loss": "val_ppl"}, ["suspicious_units"], "perplexity"),
        ({"loss": None, "loss_bits": LOSS}, {"loss": "loss_bits"}, ["suspicious_units"], 'loss_unit="bits"'),
        ({"loss": None, "c4_bpb": LOSS}, {"loss": "c4_bpb"}, ["suspicious_units"], 'loss_unit="bits"'),
        ({"loss": None, "loss_bits": LOSS}, {"loss": "loss_bits", "loss_unit": "bits"}, [], ""),
        ({"loss": None, "habits": LOSS}, {"loss": "habits"}, [], ""),
        ({"flops": [6.6 * n * d for n, d in zip(N, D, strict=True)]}, {}, [], ""),
        ({"flops": [9 * n * d for n, d in zip(N, D, strict=True)]}, {}, ["mixed_conventions"], "1.5 times 6 N D"),
        (
            {"flops": [k * n * d for k, n, d in zip([6, 6, 18, 6], N, D, strict=True)]},
            {},
            ["mixed_conventions"],
            "from 1 to 3; row 3 is",
        ),
        (
            {"params": [1e8, 3e9, 1e8, 1e8], "tokens": [1e9] * 4, "loss": [3, 2, 3, 3]},
            {},
            ["duplicate_rows"],
            "2 rows repeat another in all variables and the response: 1, 3, 4",
        ),
    ],
)
def test_notes(changes: dict, options: dict, codes: list[str], words: str) -> None:
    record = Runs.from_frame(table(**changes), **options).record
    assert [note.code for note in record.notes] == codes
    assert words in "".join(note.text for note in record.notes)
    assert {note.severity for note in record.notes} <= {"warning"}


@pytest.mark.parametrize(
    ("factor", "severity"), [(9.9, "warning"), (10.1, "fatal"), (0.11, "warning"), (1e-9, "fatal")]
)
def test_compute_in_another_unit_is_fatal(factor: float, severity: str) -> None:
    """C ten times off 6 N D, up or down, is no matter of what is counted."""
    flops = [factor * 6 * n * d for n, d in zip(N, D, strict=True)]
    notes = Runs.from_frame(table(flops=flops)).record.notes
    assert [note.severity for note in notes if note.code == "mixed_conventions"] == [severity]


def test_a_column_named_in_a_larger_unit_is_fatal() -> None:
    """Nobody who reads "(M)" in the name can take such numbers for parameters."""
    frame = table(**{"params": None, "Model size (M)": [50, 100, 200, 400]})
    (note,) = Runs.from_frame(frame, N="Model size (M)").record.notes
    assert (note.code, note.severity) == ("suspicious_units", "fatal")
    assert note.text == (
        "N is not counted one by one: column 'Model size (M)' is by its name in units of 1e6, millions, and its median "
        "reads 150 parameters; multiply it in the table"
    )


def test_rows_of_a_note_are_numbers() -> None:
    flops = [k * n * d for k, n, d in zip([6, 6, 18, 6], N, D, strict=True)]
    (note,) = Runs.from_frame(table(flops=flops)).record.notes
    assert note.rows == (3,)
    (note,) = Runs.from_frame({"N": [1e8, 1e8, 1e9, 1e8], "loss": [3, 3, 2, 3]}).record.notes
    assert note.rows == (1, 2, 4)


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        (["web", "code", "books"] * 10, True),
        (["web", "code", None] * 10, True),
        (["web"] * 30, False),
        ([f"run{i}" for i in range(30)], False),
        (["1", "2", "3"] * 10, False),
        ([1.0, 2.0, 3.0] * 10, False),
        ([["web"], ["code"], ["books"]] * 10, False),
    ],
)
def test_a_column_of_few_words_may_name_groups(cells: list, noted: bool) -> None:
    frame = {"params": np.geomspace(1e8, 1e9, 30), "loss": np.linspace(4, 3, 30), "corpus": cells}
    notes = Runs.from_frame(frame).record.notes
    assert [(n.code, n.severity) for n in notes] == [("possible_groups", "info")] * noted
    assert all("'corpus' has" in n.text and "--by 'corpus'" in n.text for n in notes)
    if noted:  # a part with one value, or a fit that uses the column, has nothing to say
        assert Runs.from_frame(frame, where="corpus == web").record.notes == ()
        assert Runs.from_frame(frame, run="corpus", on_bad="drop").record.notes == ()


def test_notes_come_back_from_a_file_as_they_were() -> None:
    runs = Runs.from_frame(table(params=[0.1, 0.3, 1, 3], flops=[9 * n * d for n, d in zip(N, D, strict=True)]))
    assert [note.severity for note in runs.record.notes] == ["warning", "fatal"]
    assert Runs.from_data(json.loads(json.dumps(runs.to_data()))).record.notes == runs.record.notes


def test_duplicates_follow_a_subset() -> None:
    runs = Runs.from_frame({"N": [1e8, 1e8, 1e9, 1e9, 1e8], "loss": [3, 3, 2, 2, 3]})
    assert runs.record.duplicates == ((1, 2, 5), (3, 4))
    part = runs.subset(np.array([True, False, True, False, True]))
    assert part.record.duplicates == ((1, 5),)
    text = "1 row repeats another in all variables and the response: 1, 5"
    assert part.record.notes == (Reason("duplicate_rows", "warning", text, rows=(1, 5)),)
    assert runs.subset([0, 2]).record.notes == ()


def test_a_subset_says_of_how_many_it_is() -> None:
    runs = Runs.from_frame(table())
    part = runs.subset([0, 1, 2])
    assert part.record.conventions["subset"] == "3 of 4 runs"
    assert part.subset([0, 1]).record.conventions["subset"] == "2 of 3 of 4 runs"
    assert "subset  3 of 4 runs" in str(part)
    assert "subset" not in runs.subset([3, 2, 1, 0]).record.conventions


# The record itself


def full() -> Runs:
    """Runs that use every field."""
    frame = table(w=[1, 2, 3, 4], seed=list("aabb"), x=[1, 2, 3, 4], y=[5, 6, 7, 8], keep=[1, 1, 1, 0])
    frame["loss"] = [3.4, 3.0, "bad", 2.4]
    options = {"weights": "w", "run": "seed", "mix": ["x", "y"], "on_bad": "drop", "where": "keep == 1"}
    return Runs.from_frame(frame, **options)


def same(a: Runs, b: Runs) -> bool:
    return (
        a.sha256 == b.sha256
        and a.rows.tolist() == b.rows.tolist()
        and a.record == b.record
        and a.response_name == b.response_name
    )


def test_runs_go_to_plain_data_and_back() -> None:
    runs = full()
    data = json.loads(json.dumps(runs.to_data(), allow_nan=False))
    assert same(Runs.from_data(data), runs)
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
    assert same(Runs.from_data(json.loads(json.dumps(runs.to_data()))), runs)


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
    for name in data.keys() - {"ranges"}:  # the ranges follow from the rows
        with pytest.raises(InputError):
            Runs.from_data({key: value for key, value in data.items() if key != name})


def test_the_hash_is_of_content() -> None:
    runs = Runs.from_frame(table())
    reordered = Runs.from_frame({"loss": LOSS, "D": D, "N": [str(n) for n in N]})
    by_hand = b"".join(
        json.dumps([name, [4]]).encode() + struct.pack("<4d", *values)
        for name, values in (("D", D), ("N", N), ("response loss", LOSS))
    )
    assert runs.sha256 == reordered.sha256 == hashlib.sha256(by_hand).hexdigest()
    others = [table(loss=[3.4, 3.0, 2.7, 2.5]), {"N": D, "D": N, "loss": LOSS}, table(flops=D)]
    assert len({runs.sha256, *(Runs.from_frame(frame).sha256 for frame in others)}) == 4
    weighted, clustered = Runs.from_frame(table(w=N), weights="w"), Runs.from_frame(table(w=N), run="w")
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
        assert same(again, runs)
    assert runs != copy.copy(runs)  # compared by identity; compare sha256 instead


@pytest.mark.parametrize("index", [[2, 0], np.array([True, False, True, False]), slice(1, None), [3], [0, 0, 1]])
def test_subset(index: object) -> None:
    frame = table(w=[1, 2, 3, 4], s=list("abcd"), x=[1, 2, 3, 4], y=[5, 6, 7, 8])
    runs = Runs.from_frame(frame, weights="w", run="s", mix=["x", "y"])
    part = runs.subset(index)
    picked = runs.to_frame().iloc[index]  # type: ignore[call-overload]
    pd.testing.assert_frame_equal(part.to_frame(), picked)
    assert part.record.ranges["N"] == (picked["N"].min(), picked["N"].max())
    assert part.record.count == part.count == len(picked)


def test_a_frame_of_runs_gives_the_runs_back() -> None:
    runs = Runs.from_frame(table())
    assert Runs.from_frame(runs.to_frame()).sha256 == runs.sha256


def test_printed_forms() -> None:
    text = str(full())
    assert text.splitlines() == [
        "2 runs",
        "  N        100M to 300M parameters  (column 'params', recognised by its name)",
        "  D        2B to 10B tokens  (column 'tokens', recognised by its name)",
        "  mix      1 to 6  (columns 'x', 'y')",
        "  loss     3 to 3.4 nats per token  (column 'loss', recognised by its name)",
        "  C        6 N D",
        "  filter   1 row left out, kept where keep == 1",
        "  dropped  1 row with a bad cell, first row 3: 'loss' not a number",
    ]
    assert repr(full()) == "<Runs: 2 runs, N 100M to 300M, D 2B to 10B, mix 1 to 6, loss 3 to 3.4>"


def test_text_of_the_table_comes_out_inert() -> None:
    evil = "\x1b[31m<script>\u202e"
    runs = Runs.from_frame({evil: N, "loss": LOSS, "g": [evil, "a", "b", "c"]}, **{evil: evil}, where=f"g != '{evil}'")
    for shown in (str(runs), repr(runs), runs._repr_html_()):
        assert "\x1b" not in shown and "\u202e" not in shown and "\\x1b" in shown
    assert "<script" not in runs._repr_html_()
    with pytest.raises(InputError) as error:
        Runs.from_frame({"params": [evil], evil: [1]}, loss=evil)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_bad": "ignore"}, "on_bad must be one of raise, drop; not 'ignore'"),
        ({"loss_unit": "hartleys"}, "loss_unit must be one of nats, bits; not 'hartleys'"),
        ({"domains": {"N": "big"}}, "the domain of 'N' must be one of positive, real, unit, count; not 'big'"),
        ({"row_numbers": [1, 2]}, "row_numbers has 2 values for 4 rows"),
        ({"weights": "zero"}, "every weight is 0"),
    ],
)
def test_options_that_cannot_be_used(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(table(zero=[0] * 4), **options)


def test_row_numbers_of_a_part_are_those_of_the_whole() -> None:
    frame = pd.DataFrame(table(group=list("abab")))
    part = frame[frame["group"] == "b"]
    runs = Runs.from_frame(part, row_numbers=np.flatnonzero(frame["group"] == "b") + 1, where="loss < 3")
    assert runs.rows.tolist() == [4]
