"""Whole tables as people have them: the right reading was written down before it was looked what is read.

Twelve runs in the layouts of trackers, trainers, spreadsheets and papers. Each is read as those runs, or refused in a
sentence with certain words.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly

N = np.repeat([124e6, 350e6, 774e6, 1.5e9], 3)
D = np.tile([2.5e9, 8e9, 26e9], 4)
LOSS = np.round(1.7 + 400 / N**0.34 + 410 / D**0.28, 4)
TRAIN, PPL = np.round(LOSS - 0.05, 4), np.exp(LOSS).round(3)
NAMES = [f"r{i:02d}" for i in range(12)]
STATES = ["finished"] * 11 + ["crashed"]
E9 = np.arange(12)
METRICS = ["params", "tokens", "val_loss"]


def plain(values: Iterable[float]) -> list[str]:
    return [f"{x:.10g}" for x in values]


def comma(values: Iterable[float], digits: int) -> list[str]:
    return [f"{x:.{digits}f}".replace(".", ",") for x in values]


def thousands(values: Iterable[float], mark: str) -> list[str]:
    return [f"{int(x):,}".replace(",", mark) for x in values]


def lakhs(value: float) -> str:
    """1240000 as 12,40,000."""
    head, tail = f"{int(value):d}"[:-3], f"{int(value):d}"[-3:]
    groups = [head[max(i - 2, 0) : i] for i in range(len(head), 0, -2)][::-1]
    return ",".join([*groups, tail])


def table(header: str, *columns: Iterable, mark: str = ",", below: str = "") -> str:
    rows = [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([header, *rows]) + "\n" + below


n, d = plain(N), plain(D)
RECORDS = [
    {"config": {"params": a}, "data": {"tokens": b}, "val": {"loss": c}} for a, b, c in zip(N, D, LOSS, strict=True)
]
# File name, text, which of the runs are read ("" for all, a slice).
LONG = [
    (name, metric, x)
    for name, *row in zip(NAMES, n, d, LOSS, strict=True)
    for metric, x in zip(METRICS, row, strict=True)
]
PAGE = "Results of May:\n\n| Model | Params | Tokens | Val loss ↓ |\n|:--|--:|--:|:-:|\n" + "".join(
    f"| {name} | {a / 1e6:g}M | {b / 1e9:g}B | **{c}** |\n" for name, a, b, c in zip(NAMES, N, D, LOSS, strict=True)
)
CONFIG = [(name, 0, "n_params", x) for name, x in zip(NAMES, n, strict=True)]
HISTORY = [
    (name, round(1000 * part), metric, value)
    for i, name in enumerate(NAMES)
    for part in (0.5, 1.0)
    for metric, value in (("tokens", D[i] * part), ("val_loss", LOSS[i] + 0.3 * (1 - part)))
]
READ = {
    "perplexity.csv": (table("params,tokens,val ppl", n, d, np.exp(LOSS)), ...),
    "error_in_brackets.csv": (table("params,tokens,loss", n, d, [f"{x}(4)" for x in LOSS]), ...),
    "histories_in_rows.csv": (table("run,step,tag,value", *zip(*CONFIG, *HISTORY, strict=True)), ...),
    "two_losses_in_rows.csv": (
        table(
            "run,params,tokens,metric,value",
            np.repeat(NAMES, 2),
            np.repeat(n, 2),
            np.repeat(d, 2),
            ["train_loss", "val_loss"] * 12,
            np.column_stack([TRAIN, LOSS]).ravel(),
        ),
        ...,
    ),
    "turned.csv": (
        "\n".join(
            ";".join(row)
            for row in (
                ["Modell", *NAMES],
                ["Parameter (Mio.)", *comma(N / 1e6, 1)],
                ["Tokens (Mrd.)", *comma(D / 1e9, 2)],
                ["Verlust (Test)", *comma(LOSS, 4)],
            )
        ),
        ...,
    ),
    "an_ablation.csv": (table("setting,params,tokens,val_loss", ["loss", "params", *NAMES[2:]], n, d, LOSS), ...),
    "metrics_in_rows.csv": (table("run_id,metric,value", *zip(*LONG, strict=True)), ...),
    "runs_side_by_side.csv": (
        table(f"metric,{','.join(NAMES)}", METRICS, *zip(n, d, LOSS, strict=True)),
        ...,
    ),
    "page.md": (f"{PAGE}\nBold is best.\n", ...),
    "indian.csv": (
        table("run;params;tokens;val_loss", NAMES, map(lakhs, N), map(lakhs, D), LOSS, mark=";"),
        ...,
    ),
    "comet.csv": (table("Name,n_params,tokens_processed,loss,validate_loss", NAMES, n, d, TRAIN, LOSS), ...),
    "units_below.csv": (
        table(
            "Lauf;Parameter;Tokens;Verlust",
            ["-", *NAMES],
            ["Mio.", *N / 1e6],
            ["Mrd.", *D / 1e9],
            ["-", *LOSS],
            mark=";",
        ),
        ...,
    ),
    "tenths_of_runs.csv": (table("run,params,tokens,loss_at_10pct,loss_at_100pct", NAMES, n, d, LOSS + 1, LOSS), ...),
    "chinese_curves.csv": (
        table(
            "实验名称,步数,参数量,训练token数,每秒token数,验证损失",
            np.repeat(NAMES, 3),
            list(range(100, 400, 100)) * 12,
            np.repeat(N, 3),
            np.repeat(D, 3) * np.tile([1 / 3, 2 / 3, 1], 12),
            np.tile([1e5, 2e5, 3e5], 12),
            np.repeat(LOSS, 3) + np.tile([0.4, 0.2, 0], 12),
        ),
        slice(0, 12),
    ),
    "wandb.csv": (
        table(
            "Name,State,Runtime,Created,config.model.n_params,config.data.train_tokens,summary.train/loss,summary.val/loss",
            NAMES,
            STATES,
            E9,
            ["2024-05-01T10:00:00Z"] * 12,
            n,
            d,
            TRAIN,
            LOSS,
        ),
        slice(0, 11),
    ),
    "mlflow.csv": (
        table(
            "run_id,status,artifact_uri,metrics.val_loss,metrics.train_loss,params.n_params,params.n_tokens",
            NAMES,
            ["FINISHED"] * 11 + ["FAILED"],
            NAMES,
            LOSS,
            TRAIN,
            n,
            d,
        ),
        slice(0, 11),
    ),
    "olmo.csv": (
        table(
            "name,_step,throughput/total tokens,train/CE loss,train/PPL,eval/lm/c4_en-validation/CE loss,"
            "eval/lm/c4_en-validation/PPL,model/num_non_embedding_params,throughput/total petaflops,optim/grad norm",
            NAMES,
            E9 + 1000,
            d,
            TRAIN,
            np.exp(TRAIN),
            LOSS,
            PPL,
            n,
            N * D * 6e-15,
            TRAIN / 9,
        ),
        ...,
    ),
    "marin.csv": (
        table(
            "run_name,parameter_count,throughput/total_tokens,throughput/total_gflops,throughput/mfu,global_step,train/loss,"
            "eval/loss,eval/bpb,optim/learning_rate",
            NAMES,
            n,
            d,
            N * D * 6e-9,
            TRAIN * 10,
            E9 + 1000,
            TRAIN,
            LOSS,
            LOSS / 3,
            TRAIN / 1e3,
        ),
        ...,
    ),
    "litgpt.csv": (
        table("run,n_params,iter,total_tokens,loss,val_loss,val_ppl", NAMES, n, E9, d, TRAIN, LOSS, PPL),
        ...,
    ),
    "torchtitan.csv": (
        table(
            "flavor,model_param_count,n_tokens_seen,loss_metrics/global_avg_loss,validation_metrics/loss,mfu(%)",
            ["124M"] * 12,
            n,
            d,
            TRAIN,
            LOSS,
            E9,
        ),
        ...,
    ),
    "nemotron.csv": (
        table("exp_name,model_params_B,consumed_tokens_T,val_loss,train_loss", NAMES, N / 1e9, D / 1e12, LOSS, TRAIN),
        ...,
    ),
    "units_row.csv": (table("model,params,tokens,loss\n,M,B,nats", NAMES, N / 1e6, D / 1e9, LOSS), ...),
    "swiss.csv": (table("params;tokens;loss", thousands(N, "'"), thousands(D, "’"), LOSS, mark=";"), ...),
    "german.csv": (
        table(
            "Modell;Parameter (Mio.);Tokens (Mrd.);Verlust",
            NAMES,
            comma(N / 1e6, 1),
            comma(D / 1e9, 1),
            comma(LOSS, 4),
            mark=";",
        ),
        ...,
    ),
    "french.tsv": (
        table("Paramètres\tJetons\tPerte", thousands(N, "\u00a0"), thousands(D, "\u00a0"), comma(LOSS, 4), mark="\t"),
        ...,
    ),
    "excel.csv": (
        table("params;tokens;loss", [f"{x:.2E}".replace(".", ",") for x in N], comma(D, 1), comma(LOSS, 4), mark=";"),
        ...,
    ),
    "dates.csv": (
        table(
            "date,started,duration,params,tokens,val loss",
            ["2024-05-01"] * 12,
            ["01.05.2024"] * 12,
            ["3h"] * 12,
            n,
            d,
            LOSS,
        ),
        ...,
    ),
    "mean.csv": (
        table("model,params,tokens,loss", NAMES, n, d, LOSS, below=f"mean,{N.mean()},{D.mean()},{LOSS.mean():.4f}\n"),
        ...,
    ),
    "total.csv": (table("model,params,tokens,loss", NAMES, n, d, LOSS, below=f"Total,{N.sum()},{D.sum()},\n"), ...),
    "suffixes.csv": (
        table("model_size,tokens,loss", [f"{x / 1e6:g}m" for x in N], [f"{x / 1e9:g}b" for x in D], LOSS),
        ...,
    ),
    "words.csv": (
        table(
            "params,tokens,loss",
            [f"{x / 1e9:g} billion" if x > 1e9 else f"{x / 1e6:g} million" for x in N],
            [f"{x / 1e9:g}B tok" for x in D],
            LOSS,
        ),
        ...,
    ),
    "thousands.csv": (table("params (k),tokens (k),loss", N / 1e3, D / 1e3, LOSS), ...),
    "units.csv": (
        table("Model size [10^6],Data [10^9 tokens],Validation loss [nats/token]", N / 1e6, D / 1e9, LOSS),
        ...,
    ),
    "two_levels.csv": (table("model,size,data,loss,loss\n,params,tokens,train,val", NAMES, n, d, TRAIN, LOSS), ...),
    "index.csv": (table(",params,tokens,loss", E9, n, d, LOSS), ...),
    "nested.json": (json.dumps({"runs": RECORDS}), ...),
    "columns.json": (json.dumps({"params": N.tolist(), "tokens": D.tolist(), "loss": LOSS.tolist()}), ...),
    "pandas.json": (
        json.dumps({k: dict(enumerate(v.tolist())) for k, v in (("params", N), ("tokens", D), ("loss", LOSS))}),
        ...,
    ),
}
# Text, the symbol that is asked for, words of the refusal.
REFUSED = {
    "three evaluations": (
        table(
            "name,model_params,throughput/total_tokens,eval/c4/CrossEntropyLoss,eval/pile/CrossEntropyLoss,train/loss",
            NAMES,
            n,
            d,
            LOSS,
            LOSS + 0.1,
            TRAIN,
        ),
        "N",
        "--loss eval/c4/CrossEntropyLoss or --loss eval/pile/CrossEntropyLoss",
    ),
    "two counts": (
        table("n_params_nonemb,n_params_total,tok(B),loss", N * 0.8, N, D / 1e9, LOSS),
        "N",
        "-N n_params_nonemb or -N n_params_total",
    ),
    "final and best": (
        table("params,tokens,final_val_loss,best_val_loss", n, d, LOSS, LOSS - 0.01),
        "N",
        "--loss final_val_loss",
    ),
    "training and perplexity": (
        table("params,tokens,train_loss,eval_ppl", n, d, TRAIN, PPL),
        "N",
        "--loss eval_ppl --loss-unit perplexity",
    ),
    "accuracy": (
        table("params,tokens,val_acc", n, d, [f"{100 - 20 * x:.1f}%" for x in LOSS]),
        "N",
        "--loss val_acc --loss-unit accuracy",
    ),
    "cells out of memory": (table("params,tokens,loss", n, d, ["N/A", "OOM", "-", *LOSS[3:]]), "N", "rows 1, 2, 3"),
    "a date": (table("params,tokens,loss", n, d, ["03-Mar", *LOSS[1:]]), "N", "'03-Mar', not a number"),
    "two in one": (table("params,tokens,loss", n, d, [f"{x}/{x}" for x in LOSS]), "N", "not a number"),
    "an open comma": (table("params,tokens,loss", n, d, [f'"{x}"' for x in comma(LOSS, 3)]), "N", "--decimal"),
    "steps": (table("params,steps,batch_tokens,loss", n, E9 + 1, E9 + 1, LOSS), "D", "-D 'steps*batch_tokens'"),
    "a ratio": (table("params,tokens_per_param,loss", n, D / N, LOSS), "D", "-D 'params*tokens_per_param'"),
    "epochs": (table("params,epochs,dataset_tokens,loss", n, E9 + 1, d, LOSS), "D", "-D 'epochs*dataset_tokens'"),
    "logarithms": (
        table("log10_params,log10_tokens,loss", np.log10(N), np.log10(D), LOSS),
        "N",
        "D=\"10^log10_tokens\" (-D '10^log10_tokens')",
    ),
    "natural logarithms": (table("ln(params),tokens,loss", np.log(N), d, LOSS), "N", "-N 'exp(`ln(params)`)'"),
    "a size of what": (table("size[B],tokens,loss", N / 1e9, d, LOSS), "N", "-N 'size[B]'"),
    "a loss at a tenth": (table("params,tokens,loss_at_10pct", n, d, LOSS), "N", "no column is recognised as the loss"),
    "tokens at the end of a history": (
        table(
            "run,step,tag,value",
            *zip(
                *CONFIG, *HISTORY[1::2], *((a, 1000, "tokens", b) for a, b in zip(NAMES, D, strict=True)), strict=True
            ),
        ),
        "N",
        "column 'tokens' (D): 12 of 24 cells cannot be used",
    ),
    "a batch in Chinese": (
        table("参数量,步数,批大小,序列长度,损失", n, E9 + 1, E9 + 1, E9 + 1, LOSS),
        "D",
        "-D '`步数`*`批大小`*`序列长度`'",
    ),
    "each token in Chinese": (table("参数量,每步token数,损失", n, d, LOSS), "D", "no variable 'D'"),
    "two tables on a page": (f"{PAGE}\nLarger:\n\n| a |\n|---|\n| 1 |\n", "N", "another table begins in line 20"),
    "a metric twice": (
        table("run,metric,value", *zip(*LONG, LONG[1], strict=True)),
        "N",
        "row 37 has a metric that its run has already",
    ),
    "metrics and times": (
        table("run,time,metric,value", *zip(*((a, i, b, c) for i, (a, b, c) in enumerate(LONG)), strict=True)),
        "N",
        "every row has its own 'run', 'time'",
    ),
    "a footnote": (
        table("params,tokens,loss", n, d, LOSS, below='"* seed 2",,\n'),
        "N",
        "row 13 holds '* seed 2', not a number",
    ),
    "a second header": (
        table("params,tokens,loss", n, d, LOSS, below="params,tokens,loss\n1,2,3\n"),
        "N",
        "row 13 holds 'params'",
    ),
    "merged cells": (
        table("params,tokens,loss", [x if i % 3 == 0 else "" for i, x in enumerate(n)], d, LOSS),
        "N",
        "row 2 holds '', missing",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_the_runs_of_a_table_are_read(name: str, tmp_path: Path) -> None:
    text, which = READ[name]
    (tmp_path / name).write_text(text, encoding="cp1252" if name == "german.csv" else "utf-8")
    runs = read_quietly(tmp_path / name).at_end()
    which = slice(None) if which is ... else which
    for values, wanted in ((runs.variables["N"], N), (runs.variables["D"], D), (runs.response, LOSS)):
        assert values == pytest.approx(wanted[which], rel=5e-3 if name == "excel.csv" else 1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_read_says_why(name: str, tmp_path: Path) -> None:
    text, symbol, words = REFUSED[name]
    (tmp_path / "runs.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_quietly(tmp_path / "runs.csv").variable(symbol)
    assert words in str(error.value)
