"""Which column is what: recognised by name, named, not clear, missing."""

import csv
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._data.columns import nearest
from jaxscale._data.names import meaning_of
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


def named(names: str) -> dict[str, list[float]]:
    """A table of four runs with these columns, no two alike; losses are no counts."""
    scale = [0.5 if "loss" in name.lower() else 1e9 for name in names.split()]
    return {name: [scale[i] * (i + j + 1) for j in range(4)] for i, name in enumerate(names.split())}


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
        ("params loss val_loss", {"N": "params", "loss": "val_loss"}),
        ("params loss eval/c4/loss train_loss", {"N": "params", "loss": "eval/c4/loss"}),
        ("params loss val_bpb", {"N": "params", "loss": "loss"}),
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
        ("N params loss", {}, r"'N', 'params' could each be N[^.]*$"),
        ("weight_params total_params loss", {}, "-N weight_params or -N total_params"),
        ("params loss val_loss test_loss", {}, "--loss val_loss or --loss test_loss"),
        ("active_params total_params loss", {}, "'total_params' could each be N.*one token passes through: they give"),
        (
            "params val_loss eval_loss",
            {},
            "'val_loss', 'eval_loss' could each be loss.*--loss val_loss or --loss eval_loss",
        ),
        ("params U unique_tokens loss", {}, "could each be U.*--col U=U"),
        ("params tokens", {}, "no column is recognised as the loss; there are 'params', 'tokens'"),
        ("loss a b", {}, "no column is recognised as a variable.*'loss', 'a', 'b'"),
        (
            "params_b tokens_b loss",
            {},
            r"'params_b' may be N,.* billions, .*contradict.*\{\"N\": 1\}.*--unit N=1\)",
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


@pytest.mark.slow
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
        ("params tokens loss val_loss", "loss", "loss"),
        ("params tokens loss loss_c4", "loss", "loss_c4"),
        ("params tokens val_loss train_loss", "loss", "train_loss"),
        ("params params_total tokens loss", "N", "params_total"),
    ],
)
def test_columns_that_would_also_fit_are_mentioned(names: str, symbol: str, other: str) -> None:
    runs = Runs.from_frame(named(names))
    assert runs.record.conventions[symbol] == f"'{other}' would also fit"
    assert f"recognised by its name, '{other}' would also fit)" in str(runs)
    note = next(note for note in runs.record.notes if note.code == "other_columns")
    assert (note.severity, f"not '{other}' ({'--loss' if symbol == 'loss' else '-N'} {other})" in note.text) == (
        "info",
        True,
    )
    told = {"N": "params", "loss": runs.record.columns["loss"]}
    assert "would also fit" not in str(Runs.from_frame(named(names), **told))


@pytest.mark.parametrize(
    ("names", "symbol", "words"),
    [
        ("model_b tokens loss", "N", r'Name its column with N="..." \(-N COLUMN\); columns not used: .model_b'),
        ("params tokens loss", "S", r'Name its column with S="..." \(--col S=COLUMN\)$'),
    ],
)
def test_a_missing_variable_is_looked_for_among_the_other_columns(names: str, symbol: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Runs.from_frame(named(names)).variable(symbol)


# 143 names of columns of public tables of runs: what each one is, its unit, and a number for the table it is of.
with (Path(__file__).parent / "columns.csv").open(encoding="utf-8", newline="") as file:
    PUBLIC = list(csv.DictReader(file))
CELLS = {
    "N": [1e8, 3e8, 1e9, 3.1e9],
    "D": [2e9, 9e9, 2e10, 1e11],
    "C": [1.2e18, 1.6e19, 1.3e20, 1.9e21],
    "U": [1e9, 2e9, 1e10, 3e10],
    "loss": [3.4, 3.1, 2.7, 2.5],
    "train": [3.3, 3.0, 2.6, 2.4],
    "perplexity": [30, 22, 15, 12.5],
    "label": ["100M", "300M", "1000M", "3100M"],
    "-": [0.5, 12, 300, 4e4],
}
PLAIN = {"N": "params", "D": "tokens", "loss": "loss"}


def cells_of(row: dict[str, str], times: float = 1.0) -> list:
    cells = CELLS[row["variable"]]
    return [x * times / float(row["factor"]) for x in cells] if row["variable"] != "label" else cells


@pytest.mark.parametrize("row", PUBLIC, ids=[f"{row['name']}|{row['table']}" for row in PUBLIC])
def test_public_names_are_read_as_what_they_are(row: dict[str, str]) -> None:
    """A column that is N, D, C or the loss, in the place of the plain name; another beside the plain names."""
    name, variable = row["name"], {"train": "loss", "label": "N"}.get(row["variable"], row["variable"])
    named = {symbol: column for symbol, column in PLAIN.items() if symbol != variable}
    table = {column: CELLS[symbol] for symbol, column in named.items()} | {name: cells_of(row)}
    runs = Runs.from_frame(table)
    if variable in ("-", "perplexity"):
        assert runs.record.columns == named
        mentioned = [text for text in runs.record.conventions.values() if name in text]
        assert not mentioned or (variable == "perplexity" and "Eval" in name)
        return
    assert runs.record.columns == {**named, variable: name}
    values = runs.response if variable == "loss" else runs.variables[variable]
    assert values == pytest.approx(CELLS[row["variable"]] if variable != "N" else CELLS["N"], rel=1e-12)
    factor = float(row["factor"])
    said = runs.record.conventions.get(variable, "")
    assert ("multiplied by" in said) == (factor != 1) and (factor == 1 or f"{name}: multiplied by 1e" in said)


def refusal(table: dict, told: dict) -> str:
    try:
        Runs.from_frame(table, **told)
    except InputError as error:
        return str(error)
    return ""


# 225 more names, of tables and logs that no rule was written by, with what each means and where it was found.
with (Path(__file__).parent / "more_columns.csv").open(encoding="utf-8", newline="") as file:
    MORE = list(csv.DictReader(file))
# What no rule reads: a column of them has to be named.
NOT_READ = {"time/token", "content_tokens_seen", "num_scaling_params", "C_epoch", "FLOPs estimados"}


def misread(row: dict[str, str]) -> str:
    """What is wrong with how a name is read, in or beside the place of the plain one; "" if nothing."""
    name, kind = row["name"], row["variable"]
    symbol = {"train": "loss", "bits": "loss"}.get(kind, kind)
    named = {plain: column for plain, column in PLAIN.items() if plain != symbol}
    table = {column: CELLS[plain] for plain, column in named.items()} | {name: cells_of(row)}
    try:
        runs = Runs.from_frame(table)
    except InputError as error:
        return "" if "could each be" in str(error) and kind != "-" else "missed"
    if kind in ("-", "perplexity"):
        rivals = [text for text in runs.record.conventions.values() if "would also fit" in text and name in text]
        taken = runs.record.columns != named or (kind == "-" and bool(rivals))
        return "taken" if taken else ""
    if runs.record.columns != {**named, symbol: name}:
        return "missed"
    values = runs.response if symbol == "loss" else runs.variables[symbol]
    return "" if values == pytest.approx(CELLS[kind], rel=1e-12) else "wrong"


def test_names_that_no_rule_was_written_by() -> None:
    assert not {row["name"] for row in MORE} & {row["name"] for row in PUBLIC}
    wrong = {row["name"]: what for row in MORE if (what := misread(row))}
    assert wrong == dict.fromkeys(NOT_READ, "missed")
    meant = [row for row in MORE if row["variable"] in ("N", "D", "C", "U", "loss", "train")]
    assert len(meant) == 96
    assert 1 - len(wrong) / len(meant) > 0.93


# 230 names as people write them, invented before it was looked which are read.
with (Path(__file__).parent / "invented_columns.csv").open(encoding="utf-8", newline="") as file:
    INVENTED = list(csv.DictReader(file))
CELLS["bits"] = [1.2, 1.1, 1.0, 0.9]


def test_names_that_were_invented_are_read_as_what_they_are() -> None:
    wrong = {row["name"]: what for row in INVENTED if (what := misread(row))}
    assert wrong == dict.fromkeys(["dataset tokens", "gpt_params", "tokens_k"], "missed")


def check_table(rows: dict[str, dict[str, str]]) -> None:
    """All columns of one table, no two alike: each variable is a column that is it, or the choice is named."""
    table = {name: cells_of(row, 1 + i / 7) for i, (name, row) in enumerate(rows.items())}
    kinds = {row["variable"] for name, row in rows.items() if name not in NOT_READ}
    table |= {column: CELLS[symbol] for symbol, column in PLAIN.items() if symbol not in kinds}
    told = {}
    while refused := refusal(table, told):
        symbol = refused.split("could each be ")[1].split(";")[0]
        able = [name for name in table if f'{symbol}="{name}"' in refused]
        assert len(able) > 1 and symbol not in told
        flag = {"loss": "--loss"}.get(symbol, f"-{symbol}")
        assert all(f"{flag} {name}" in refused or f"{flag} '{name}'" in refused for name in able)
        told[symbol] = able[0]
    record = Runs.from_frame(table, **told).record
    for symbol, name in record.columns.items():
        kind = rows[name]["variable"] if name in rows else symbol
        assert kind == symbol or (kind, symbol) in {("label", "N"), ("train", "loss")}
        assert kind != "train" or "loss" not in kinds
    assert {"N", "D", "C", "loss"} & kinds <= record.columns.keys()


@pytest.mark.parametrize("number", sorted({row["table"] for row in PUBLIC}, key=int))
def test_public_tables_are_read_right_or_refused_with_flags(number: str) -> None:
    check_table({row["name"]: row for row in PUBLIC if row["table"] == number})


@pytest.mark.parametrize("source", sorted({row["source"] for row in MORE}))
def test_whole_tables_of_more_names_are_read_right_or_refused_with_flags(source: str) -> None:
    check_table({row["name"]: row for row in MORE if row["source"] == source})


def test_a_column_called_only_flops_with_a_prefix_is_no_compute_where_it_is_too_little_for_a_run() -> None:
    table = {"params": CELLS["N"], "tokens": CELLS["D"], "loss": CELLS["loss"]}
    speeds = [310.0, 402.0, 398.0, 405.0]
    for name in ("tflops", "perf/TFLOPs", "GFLOPs"):
        assert "C" not in Runs.from_frame({**table, name: speeds}).record.columns
        compute = [x / (1e12 if "t" in name.lower()[:7] else 1e9) for x in CELLS["C"]]
        assert Runs.from_frame({**table, name: compute}).record.columns["C"] == name
    assert Runs.from_frame({**table, "total tflops": speeds}).record.columns["C"] == "total tflops"


PREFIXES = ((), ("config",), ("summary",), ("hyperparameters",), ("params",), ("metrics",), ("config", "model"))
SEPARATORS = ("/", ".", "_", "-", " ", "__", "camel")
CASES = (str.lower, str.upper, str.title)
KINDS = {
    "N": ("params", "n params", "total params", "non embedding params", "model size", "active params", "image params"),
    "D": ("tokens", "train tokens", "tokens seen", "num tokens", "num input tokens seen", "train residues"),
    "C": ("flops", "total flops", "training compute", "compute budget"),
    "U": ("unique tokens", "num unique tokens"),
    "loss": ("loss", "val loss", "eval c4 loss", "final loss", "test cross entropy", "validation loss", "train loss"),
    "": (
        "steps", "train steps", "num iterations", "batch size tokens", "tokens per step", "vocab size", "num heads",
        "embedding params", "num embeddings", "learning rate", "train time sec", "val accuracy", "loss scale",
        "flops per token", "num layers", "eval accuracy", "grad norm", "val loss std", "lm head params", "runtime",
        "label smoothing", "tokens per param", "max seq length", "tokens per second", "weight decay", "run id",
        "train samples", "n val lines", "max loss", "train hours", "train params norm",
    ),
}  # fmt: skip
UNITS = {
    "": 1,
    " (M)": 1e6,
    " (B)": 1e9,
    "(T)": 1e12,
    "_millions": 1e6,
    "_B": 1e9,
    " in billions": 1e9,
    " (1E21)": 1e21,
}


def written(words: list[str], separator: str, case) -> str:
    if separator == "camel":
        return words[0].lower() + "".join(word.title() for word in words[1:])
    return separator.join(case(word) for word in words)


@pytest.mark.parametrize("symbol", KINDS)
def test_prefixes_separators_case_and_units_change_nothing_of_the_meaning(symbol: str) -> None:
    for kind, prefix, separator, case in itertools.product(KINDS[symbol], PREFIXES, SEPARATORS, CASES):
        name = written([*prefix, *kind.split()], separator, case)
        for unit, factor in UNITS.items() if symbol not in ("", "loss") else [("", 1)]:
            found = meaning_of(name + unit)
            assert (found.symbol if found else "") == symbol, (name + unit, found)
            assert found is None or (found.factor or 1) == factor, (name + unit, found)


@pytest.mark.parametrize(
    ("name", "symbol", "factor"),
    [
        ("compute (PF-days)", "C", 8.64e19),
        ("PFLOP/s-days", "C", 8.64e19),
        ("gflops", "C", 1e9),
        ("total_GFLOPs", "C", 1e9),
        ("ExaFLOPs", "C", 1e18),
        ("FLOPs (10^21)", "C", 1e21),
        ("bparams", "N", 1e9),
        ("numparams", "N", None),
        ("trainingtokens", "D", None),
        ("val/bpb", "loss", None),
        ("bits per byte", "loss", None),
        ("eval loss (nats/token)", "loss", None),
        ("total_flos", "C", None),
        ("Training data (B tokens)", "D", 1e9),
        ("C (FLOPs)", "C", None),
        ("config/N", "N", None),
    ],
)
def test_units_and_words_that_run_together(name: str, symbol: str, factor: float | None) -> None:
    found = meaning_of(name)
    assert found is not None and (found.symbol, found.factor) == (symbol, factor)


@pytest.mark.parametrize(
    "name",
    [
        "tflops/s",
        "bits",
        "weight_bits",
        "val loss %",
        "N_emb",
        "n_embd",
        "max_tokens",
        "val_tokens",
        "ppl",
        "habits",
        "tokenizer",
        "z_loss",
        "loss_weight",
        "optimizer/params_lr",
        "experts/params",
        "gpu_hours",
        "D/N",
        "flops/token",
        "tokens/param",
        "best_loss_step",
        "target_loss",
        "loss_kind",
    ],
)
def test_names_that_look_like_a_variable_and_are_none(name: str) -> None:
    assert meaning_of(name) is None


def test_the_unit_of_a_header_is_applied_or_overruled() -> None:
    table = {"Params (M)": [100, 300, 1000, 3000], "tokens": CELLS["D"], "loss": CELLS["loss"]}
    runs = Runs.from_frame(table)
    assert runs.variables["N"].tolist() == [1e8, 3e8, 1e9, 3e9]
    assert runs.record.conventions["N"] == "Params (M): multiplied by 1e6, by its name"
    assert Runs.from_frame(table, N="Params (M)").variables["N"].tolist() == [1e8, 3e8, 1e9, 3e9]
    assert Runs.from_frame(table, units={"N": 1e9}).variables["N"].tolist() == [1e11, 3e11, 1e12, 3e12]
    overruled = Runs.from_frame(table, units={"N": 1})
    assert overruled.variables["N"].tolist() == table["Params (M)"]
    assert overruled.record.conventions["N"] == "read as it is, as asked"


@pytest.mark.parametrize("unit", ["(K)", "(M)", "(B)", "(T)"])
@pytest.mark.parametrize(("symbol", "name"), [("N", "params"), ("D", "tokens")])
def test_a_header_that_its_cells_contradict_is_refused(symbol: str, name: str, unit: str) -> None:
    """Plain counts below a header that says millions are not multiplied twice."""
    column = f"{name} {unit}"
    table = {column: CELLS[symbol], "flops": CELLS["C"], "loss": CELLS["loss"]}
    with pytest.raises(InputError, match=rf"contradict each other.*units=.*--unit {symbol}=1\)"):
        Runs.from_frame(table)
    assert Runs.from_frame(table, units={symbol: 1}).variables[symbol].tolist() == CELLS[symbol]


@pytest.mark.parametrize("units", [{"N": 0}, {"N": "1e6"}, {"N": float("nan")}, {"loss": 2}, {"Q": 2}, 7])
def test_units_that_are_none(units) -> None:
    with pytest.raises(InputError, match="unit"):
        Runs.from_frame({"params": CELLS["N"], "loss": CELLS["loss"]}, units=units)


def test_cells_decide_where_names_do_not() -> None:
    """Words are no count, whole numbers in the thousands no loss, half-empty columns still a loss."""
    table = {
        "params": list("abcd"),
        "n_params": CELLS["N"],
        "loss": [1000, 2000, 3000, 4000],
        "val_loss": CELLS["loss"],
    }
    assert Runs.from_frame(table).record.columns == {"N": "n_params", "loss": "val_loss"}
    logged = {"tokens": CELLS["D"], "train_loss": [3.3, 3.1, None, None], "val_loss": [None, None, 3.4, 3.2]}
    runs = Runs.from_frame(logged, on_bad="drop")
    assert runs.record.columns["loss"] == "val_loss"
    assert runs.record.conventions["loss"] == "'train_loss' would also fit"


@pytest.mark.parametrize("names", ["params active_params", "total_params active_params", "n_params activated_params"])
def test_total_and_active_parameters_are_a_question(names: str) -> None:
    first, second = names.split()
    flags = f'choose one with N="{first}" or N="{second}" .*-N {first} or -N {second}'
    with pytest.raises(InputError, match=flags):
        Runs.from_frame(named(names + " loss"))


def test_two_names_of_the_same_numbers_are_no_question() -> None:
    """A label such as 12M beside what it stands for, and one count in two units."""
    label = {"Params": ["12M", "124M", "1.3B"], "N": [12047168, 124475904, 1313722368], "loss": [4, 3, 2.5]}
    assert Runs.from_frame(label).variables["N"].tolist() == label["N"]
    units = {"n_params": CELLS["N"], "parameters (M)": [x / 1e6 for x in CELLS["N"]], "loss": CELLS["loss"]}
    assert Runs.from_frame(units).variables["N"] == pytest.approx(CELLS["N"])
    totals = {"total_params": CELLS["N"], "non_embedding_params": [0.97 * x for x in CELLS["N"]], "loss": CELLS["loss"]}
    with pytest.raises(InputError, match="could each be N"):
        Runs.from_frame(totals)


@pytest.mark.parametrize("name", ["tokens" + " 1e99" * 5, "tokens (0e5)", "a/" * 10_000 + "tokens", "params" * 9_000])
def test_names_that_nobody_writes_do_no_harm(name: str) -> None:
    record = Runs.from_frame({"n_params": CELLS["N"], "loss": CELLS["loss"], name: CELLS["D"]}).record
    assert "multiplied" not in str(record.conventions)


def test_where_nothing_else_is_a_loss_the_logarithm_of_a_perplexity_is() -> None:
    table = {"params": CELLS["N"], "C4 Eval PPL": CELLS["perplexity"]}
    runs = Runs.from_frame(table)
    assert runs.response.tolist() == pytest.approx([math.log(x) for x in CELLS["perplexity"]], rel=1e-15)
    assert runs.record.measure.given_name == "perplexity"
    assert "perplexity, whose natural logarithm is the loss, by its name" in runs.record.conventions["loss_unit"]
    with pytest.raises(InputError, match=r"could each be loss; .* --loss 'C4 Eval PPL' or --loss 'Pile Eval PPL'"):
        Runs.from_frame(table | {"Pile Eval PPL": CELLS["perplexity"][::-1]})


def test_a_column_called_as_a_variable_is_found_and_a_law_of_it_is_named():
    hours = {"Hours": [1, 2, 5], "wer": [70, 50, 40]}
    runs = Runs.from_frame(hours, response="wer", hours=None)
    assert runs.record.columns == {"hours": "Hours", "wer": "wer"} and runs.record.guessed == ("hours",)
    assert (
        "hours"
        not in Runs.from_frame(
            hours | {"params": [1e6, 1e7, 1e8], "HOURS": [1, 2, 3]}, response="wer", hours=None
        ).variables
    )
    with pytest.raises(
        InputError, match=r"A law of 'Hours' alone: jaxscale fit --law 'power_law\(variable=Hours\)'; in Python"
    ):
        Runs.from_frame(hours, response="wer")
    with pytest.raises(
        InputError, match=r"'power_law\(variable=gpu_hours\)' --col 'gpu_hours=gpu-hours'|--law 'power_law"
    ):
        Runs.from_frame({"gpu-hours": [1, 2], "wer": [2, 1]}, response="wer")
    with pytest.raises(InputError, match=r"--response-domain real\), with a law .*--law log_law"):
        Runs.from_frame({"params": [1e6, 1e7, 1e8], "elo": [-300, -100, 50]}, response="elo")


def test_a_misspelt_column_of_tokens_is_pointed_out_where_tokens_follow_from_flops():
    table = {"params": [1e8, 2e8], "tokns": [2e9, 4e9], "flops": [1e18, 5e18], "loss": [3.0, 2.9]}
    record = Runs.from_frame(table).record
    assert record.conventions["D"] == "C / (6 N), not column 'tokns', which is read with D=\"tokns\" (-D tokns)"
    assert Runs.from_frame({k: v for k, v in table.items() if k != "tokns"}).record.conventions["D"] == "C / (6 N)"


def test_a_slip_of_a_name_is_told_what_was_meant():
    columns = ["params", "tokens", "val_loss", "Final Loss", "corpus"]
    assert nearest("parms", columns) == ["params"]
    assert nearest("lss", columns) == ["val_loss", "Final Loss"]
    assert nearest("Val-Loss", columns)[0] == "val_loss"
    assert nearest("zzz", columns) == []
    with pytest.raises(js.InputError, match="to group by; did you mean 'corpus'"):
        js.fit_many("chinchilla", pd.DataFrame({"N": [1e8], "D": [1e9], "loss": [3.0], "corpus": ["a"]}), by="corpsu")


# By what they are read as, with the factor of their unit: kinds of names that a blind trial found unread.
ONCE_UNREAD = {
    "N": {
        "dense_params": 1,
        "#P (M)": 1e6,
        "model.numel": 1,
        "weight_count": 1,
        "policy_params": 1,
        "LLM size (B)": 1e9,
        "num_learnable_params": 1,
        "Modellgröße (Mio. Parameter)": 1e6,
    },
    "C": {"cum_flops": 1, "FLOPs [ZF]": 1e21, "train_petaflop_days": 8.64e19},
    "D": {"global_tokens": 1, "images_seen": 1, "Images (M)": 1e6, "tokens (x10^9)": 1e9, "trained_on_tokens_T": 1e12},
    "U": {"dataset_unique_tokens": 1, "unique_data_tokens (M)": 1e6, "corpus_unique_tokens": 1},
    "loss": {"val_nats": 1, "heldout NLL (nats)": 1, "global_loss": 1, "eval_xe": 1},
}


@pytest.mark.parametrize(
    ("symbol", "name"), [(symbol, name) for symbol, names in ONCE_UNREAD.items() for name in names]
)
def test_kinds_of_names_that_were_once_unread(symbol: str, name: str) -> None:
    found = meaning_of(name)
    assert found is not None
    assert (found.symbol, found.factor or 1) == (symbol, ONCE_UNREAD[symbol][name])


@pytest.mark.parametrize(
    "name",
    [
        *("P", "p (%)", "precision (M)", "size (MB)", "weight", "cells seen", "nats", "distill_loss", "train days"),
        *("loss_limit", "extrapolated_loss", "loss_smoothing", "loss_residual", "time (s. params)"),
    ],
)
def test_names_like_them_that_are_none(name: str) -> None:
    assert meaning_of(name) is None
