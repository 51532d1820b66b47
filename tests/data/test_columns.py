"""Which column is what: recognised by name, named, not clear, missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


def named(names: str) -> dict[str, list[float]]:
    """A table of four runs with these columns, no two alike."""
    return {name: [1e9 * (i + j + 1) for j in range(4)] for i, name in enumerate(names.split())}


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
