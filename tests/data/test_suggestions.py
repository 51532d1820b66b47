"""What is said where no column is recognised: flags that can be pasted, and that lead on."""

import math
import re
import shlex

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs, read_quietly

pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N = [1e8, 3e8, 1e9, 3e9]


@pytest.mark.parametrize(
    ("column", "cells", "flags", "options"),
    [
        ("WER (%)", [30, 20, 15, 12.5], "--response 'WER (%)'", {"response": "WER (%)"}),
        ("val_cer", [0.3, 0.2, 0.15, 0.1], "--response val_cer", {"response": "val_cer"}),
        ("test_poisson_deviance", [0.3, 0.2, 0.15, 0.1], "--response test_poisson_deviance", {}),
        (
            "MMLU acc (%)",
            [30, 45, 60, 70],
            "--loss 'MMLU acc (%)' --loss-unit accuracy",
            {"loss": "MMLU acc (%)", "loss_unit": "accuracy"},
        ),
        ("HellaSwag", [0.3, 0.4, 0.5, 0.6], "--loss HellaSwag --loss-unit accuracy", {}),
        ("Elo", [-60, 120, 300, 400], "--response Elo", {"response": "Elo", "domains": {"response": "real"}}),
    ],
)
def test_a_table_without_a_loss_is_told_how_its_response_is_named(
    column: str, cells: list[float], flags: str, options: dict
) -> None:
    with pytest.raises(InputError, match="no column is recognised as the loss") as error:
        Runs.from_frame({"params": N, column: cells, "val_acc_stderr": [0.1] * 4})
    assert f"({flags})" in str(error.value)
    if options:
        assert len(Runs.from_frame({"params": N, column: cells}, **options).response) == 4


def test_one_score_below_0_is_enough_to_name_the_option_for_scores_of_either_sign() -> None:
    with pytest.raises(InputError, match="--response-domain real"):
        Runs.from_frame({"params": N, "Elo": [-60, 20, 90, 150]}, response="Elo")
    with pytest.raises(InputError) as error:
        Runs.from_frame({"params": N, "loss": [-3.5, 3.2, 3, 2.8]})
    assert "--response-domain" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "formula"),
    [
        (("total_steps", "global_batch_size", "seq_len"), "total_steps*global_batch_size*seq_len"),
        (("train/step", "batch_size", "context length"), "`train/step`*batch_size*`context length`"),
        (("num_iterations", "batch_size_in_tokens"), "num_iterations*batch_size_in_tokens"),
        (("iter", "gbsz", "block_size"), "iter*gbsz*block_size"),
        (("steps", "batch_size"), ""),
        (("consumed_train_samples", "seq_length"), "consumed_train_samples*seq_length"),
        (("samples_per_second", "seq_length"), ""),
        (("steps", "warmup_steps", "micro_batch", "global_batch", "seq_len"), ""),
        (("steps_per_second", "batch_size", "seq_len"), ""),
    ],
)
def test_steps_times_batch_times_length_are_offered_as_tokens(names: tuple[str, ...], formula: str) -> None:
    table = {"params": N, "loss": [3.5, 3.2, 3, 2.8]} | {name: [100, 200, 300, 400] for name in names}
    with pytest.raises(InputError) as error:
        Runs.from_frame(table).variable("D")
    found = re.search(r"\(-D (?!COLUMN)(.*?)\)", str(error.value))
    assert (shlex.split(found[1]) if found else [""]) == [formula]
    if formula:
        product = [float(x) ** len(names) for x in (100, 200, 300, 400)]
        assert Runs.from_frame(table, D=formula).variables["D"].tolist() == product


def test_standard_errors_that_are_not_used_are_named_with_the_option_that_uses_them() -> None:
    table = {"params": N, "val_loss": [3.5, 3.2, 3, 2.8], "val_loss_stderr": [0.01, 0.02, 0.01, 0.01]}
    said = Runs.from_frame(table).record.conventions["loss"]
    assert 'loss_se="val_loss_stderr" (--loss-se val_loss_stderr) weighs by them' in said
    assert "may be" not in str(Runs.from_frame(table, loss_se="val_loss_stderr").record.conventions)
    other = {"acc_stderr" if name == "val_loss_stderr" else name: cells for name, cells in table.items()}
    assert "loss_se" not in Runs.from_frame(other).record.conventions.get("loss", "")


def test_units_in_other_tongues_are_read(tmp_path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("Parameter (Mio.);Token (Mrd.);loss\n100,0;2,5;3,5\n250,5;9,0;3,1\n")
    runs = read_quietly(file)
    assert runs.variables["N"].tolist() == [1e8, 2.505e8] and runs.variables["D"].tolist() == [2.5e9, 9e9]


def test_shares_with_a_per_cent_sign_are_read_by_the_flags_that_are_told() -> None:
    table = {"params": N, "error": ["72.8%", "60%", "45%", "30.5 %"]}
    with pytest.raises(InputError, match=r"--response error"):
        Runs.from_frame(table)
    with pytest.raises(InputError, match=r"--response-domain unit"):
        Runs.from_frame(table, response="error")
    runs = Runs.from_frame(table, response="error", domains={"response": "unit"})
    assert runs.response.tolist() == pytest.approx([0.728, 0.6, 0.45, 0.305], rel=1e-15)
    with pytest.raises(InputError) as error:  # a number of parameters is no share
        Runs.from_frame({"params": ["5%", 2, 3, 4], "loss": [3, 2.5, 2, 1.5]})
    assert "--response-domain" not in str(error.value)


@pytest.mark.parametrize(("perplexity", "refused"), [("eval/ppl/c4_en", 1), ("valid_perplexity", 1), ("ppl", 0)])
def test_a_training_loss_beside_a_perplexity_of_the_validation_is_a_question(perplexity: str, refused: int) -> None:
    table = {"params": N, "train/loss": [3.5, 3.2, 3.0, 2.8], perplexity: [40.0, 30.0, 25.0, 20.0]}
    if not refused:
        (note,) = Runs.from_frame(table).record.notes
        assert (note.code, note.severity) == ("other_columns", "info")
        assert f"--loss {perplexity} --loss-unit perplexity" in note.text
        return
    with pytest.raises(InputError, match=f"--loss {perplexity} --loss-unit perplexity or --loss train/loss"):
        Runs.from_frame(table)
    asked = Runs.from_frame(table, loss=perplexity, loss_unit="perplexity")
    assert asked.response[0] == pytest.approx(math.log(40.0), rel=1e-15)
    assert Runs.from_frame(table, loss_unit="perplexity").record.columns["loss"] == perplexity
    assert Runs.from_frame(table, loss="train/loss").record.columns["loss"] == "train/loss"


def test_a_perplexity_that_is_of_the_training_loss_is_no_question() -> None:
    losses = [3.5, 3.2, 3.0, 2.8]
    table = {"params": N, "train/loss": losses, "val_ppl": [round(math.exp(x), 3) for x in losses]}
    assert not Runs.from_frame(table).record.notes


LOSSES = [3.5, 3.2, 3.0, 2.8]


@pytest.mark.parametrize(
    ("columns", "symbol", "told"),
    [
        ({"params": N, "tokens": N, "lss": LOSSES}, "D", 'loss="lss" (--loss lss)'),
        ({"params": N, "val_los": LOSSES}, "D", 'loss="val_los" (--loss val_los)'),
        ({"parms": N, "tokens": N, "loss": LOSSES}, "N", 'N="parms" (-N parms)'),
        ({"params": N, "train tokns": N, "loss": LOSSES}, "D", "-D 'train tokns'"),
        ({"parms": N, "loss": LOSSES}, "N", "perhaps N=\"parms\" (-N 'parms')"),
        ({"params": N, "env_frames": N, "loss": LOSSES}, "D", 'D="env_frames" (-D env_frames)'),
        ({"params": N, "audio hours": N, "loss": LOSSES}, "D", "-D 'audio hours'"),
        ({"Backbone params (M)": N, "tokens": N, "loss": LOSSES}, "N", "-N 'Backbone params (M)'"),
        ({"params": N, "log10_flops": N, "loss": LOSSES}, "D", "-C '10^log10_flops'), from which it follows"),
        ({"params": N, "compute, all stages": N, "loss": LOSSES}, "D", "(-C 'compute, all stages'), from which it"),
        ({"params": N, "iteration": N, "loss": LOSSES}, "D", "tokens are steps times the tokens of a batch"),
        ({"params": N, "trainer/step": N, "loss": LOSSES}, "D", "-D 'trainer/step*524288'"),
        ({"params": N, "n_updates": N, "loss": LOSSES}, "D", "-D 'n_updates*524288'"),
        ({"params": N, "tokens_per_param": N, "loss": LOSSES}, "D", "-D 'params*tokens_per_param'"),
        ({"params": N, "epochs": N, "dataset_tokens": N, "loss": LOSSES}, "D", "-D 'epochs*dataset_tokens'"),
        ({"params": N, "global_step": N, "loss": LOSSES}, "D", "-D 'global_step*524288'"),
    ],
)
def test_a_slip_or_another_count_is_told_the_flag_that_reads_it(columns: dict, symbol: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        Runs.from_frame(columns).variable(symbol)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "tokens_per_sec",
            "max_tokens",
            "val_tokens",
            "warmup_tokens",
            "batch_tokens",
            "eval_samples",
            "context_tokens",
        ),
        *("lr_decay_frames", "data_path", "tokens_dropped"),
    ],
)
def test_a_rate_or_a_limit_is_offered_for_nothing(name: str) -> None:
    with pytest.raises(InputError) as error:
        Runs.from_frame({"params": N, name: N, "loss": LOSSES}).variable("D")
    assert "may be" not in str(error.value) and "compute it" not in str(error.value)


def test_sizes_in_millions_are_no_factor_of_a_ratio() -> None:
    runs = Runs.from_frame({"params (M)": [100, 300, 1000, 3000], "tokens_per_param": N, "loss": LOSSES})
    with pytest.raises(InputError) as error:
        runs.variable("D")
    assert "tokens_per_param" in str(error.value)
    assert "compute it" not in str(error.value)
