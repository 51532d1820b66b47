"""The options that several commands share, written once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jaxscale._cli import arguments

Text = str | None
Texts = list[str] | None
RunsTable = Annotated[
    str,
    typer.Argument(
        metavar="RUNS",
        help="Table of runs: CSV, TSV, JSON, Excel, Parquet, wandb:ENTITY/PROJECT and the like; - is standard input.",
    ),
]
FitFile = Annotated[
    str,
    typer.Argument(
        metavar="FIT",
        help="File that `jaxscale fit -o` wrote, law:instance (chinchilla:besiroglu), or a law with --at.",
    ),
]
FittedFile = Annotated[str, typer.Argument(metavar="FIT", help="File that `jaxscale fit -o` wrote.")]
OwnLaw = Annotated[
    str | None,
    typer.Option(
        "--law", metavar="PATH.PY:NAME", help="The law of your own that FIT was made with; RUNS THE CODE in that file."
    ),
]
Group = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Of a file of many fits, use only this group.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write JSON to FILE.")]
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw a picture to FILE.png, .svg or .pdf; needs the extra plot."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of the report.")]


def option(flag: str, value: str, help: str) -> Any:
    return typer.Option(flag, metavar=value, help=help)


ColumnN = Annotated[Text, option("-N", "COL", "Column of model sizes, or a formula of columns: 'millions*1e6'.")]
ColumnD = Annotated[Text, option("-D", "COL", "Column of training tokens, or a formula: 'steps*batch*length'.")]
ColumnC = Annotated[Text, option("-C", "COL", "Column of training FLOPs; with -N it gives D = C/6N. none: use none.")]
ColumnLoss = Annotated[Text, option("--loss", "COL", "Column of losses.")]
Columns = Annotated[Texts, option("--col", "VAR=COL", "Column of another variable of the law; repeat.")]
ResponseColumn = Annotated[Text, option("--response", "COL", "Column of what the law predicts, if not a loss.")]
ResponseDomain = Annotated[
    Text,
    option(
        "--response-domain",
        "positive|real|unit",
        "Which values it may have: real is of either sign, such as Elo (a law such as log_law), unit 0 to 1.",
    ),
]
RunColumn = Annotated[Text, option("--run-column", "COL", "Which run a row is a checkpoint of.")]
Checkpoints = Annotated[
    Text,
    option("--checkpoints", "last|best|all|none", "Of runs with several rows: one row, all, or rows are runs."),
]
BestOf = Annotated[
    Text, option("--best-of", "COL[,COL]", "Settings that a sweep is over: keep the lowest of each design.")
]
Where = Annotated[Texts, option("--where", "'COL OP VALUE'", "Rows to keep, with < <= > >= == or !=; repeat.")]
OnBad = Annotated[str, option("--on-bad", "raise|drop", "What to do with rows that cannot be used.")]
LossUnit = Annotated[
    Text,
    option(
        "--loss-unit",
        "nats|bits|bpb:X|perplexity|accuracy|error",
        "Unit of the losses; all but accuracy (1 - accuracy is fitted) and error become nats. X: bytes per token.  "
        "[default: by the header, else nats]",
    ),
]
Units = Annotated[
    Texts,
    option("--unit", "VAR=FACTOR", "Factor of the cells of N, D, C, ...; overrules the header's unit; repeat."),
]
Decimal = Annotated[Text, option("--decimal", ".|,", "Decimal mark of the cells.  [default: found from the table]")]
Encoding = Annotated[
    Text,
    option("--encoding", "NAME", "Of a file of text: gb18030, shift_jis, cp1251, ...  [default: found from its bytes]"),
]
ObjectiveKind = Annotated[
    str,
    option(
        "--objective",
        "|".join(arguments.OBJECTIVES) + "[:Q]",
        "Misfit to minimise; lower-edge:0.1 leaves 10 % of the runs below the law.",
    ),
]
Delta = Annotated[
    Text, option("--delta", "X", "Where Huber turns linear, or matched (to the noise).  [default: 0.001]")
]
WeightsColumn = Annotated[Text, option("--weights", "COL", "Column of weights of the runs.")]
LossErrors = Annotated[
    Text, option("--loss-se", "COL", "Column of standard errors of the loss: each residual counts in units of its own.")
]
Seed = Annotated[str, option("--seed", "K", "Seed of everything random.")]
Budgets = Annotated[
    Texts,
    option(
        "--budget",
        "C",
        "What to spend: a number in the unit of the cost (FLOPs), '100 PF-days', '512 x H100 x 45 days @ 40%' (of the "
        "peak), or with such a --cost '$2M', '3e6 GPU-hours'; repeat.",
    ),
]
Reached = Annotated[
    Texts,
    typer.Option(
        "--reach",
        "--reach-loss",
        metavar="X",
        help="Loss or error to reach, or accuracy to reach at least, at least cost, instead of budgets; repeat.",
    ),
]
Constants = Annotated[
    Texts, option("--at", "NAME=VALUE,...", "Constants of your own for the law that FIT names, all of them; repeat.")
]
CostName = Annotated[
    str,
    option(
        "--cost",
        "NAME[:ARGUMENTS]",
        "What a run costs: six_nd, table (the compute of the runs fitted), kaplan, moe:active=.1 (FLOPs), "
        "days:512,h100,mfu=.4 (days on 512), "
        "gpu_hours:h100,mfu=.4, kwh:h100,mfu=.4, dollars:h100,mfu=.4,price=2 (an hour's price, yours to give), or "
        "'moe:active=.1 in dollars:...'.",
    ),
]
Served = Annotated[
    Text, option("--inference-tokens", "T", "Tokens to serve over the model's life; the budget pays for them too.")
]
Limits = Annotated[
    Texts,
    option(
        "--limit",
        "NAME=VALUE",
        "Keep to a limit: N_max, N_min, D_max, D_min, D_per_N_max, D_per_N_min, U; 'memory=80 GB at bf16' (weights), "
        "'days=45 on 512 x H100 @ 40%' (of training), 'latency=20 ms on 8 x H100 at bf16' (of a token), "
        "'serving_price=$2 on H100 @ 5%, price=3' (of a million tokens); repeat.",
    ),
]
MaxTokens = Annotated[Text, option("--max-tokens", "D", "Most training tokens; --limit D_max.")]
MaxParams = Annotated[Text, option("--max-params", "N", "Largest model; --limit N_max.")]
Unique = Annotated[Text, option("--unique-tokens", "U", "Unique tokens there are; others are repetitions.")]
Level = Annotated[Text, option("--level", "P", "Coverage of the intervals.  [default: as in FIT]")]
