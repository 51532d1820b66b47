"""The command that says what exactly to train."""

from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted, write_atomic
from jaxscale._cli import arguments, fit_argument, printing
from jaxscale._cli.flags import Constants, Group, Json, OwnLaw, PlotFile, Text, option
from jaxscale._cli.groups import PlanOptions
from jaxscale._cli.process import say


def recipe(
    source: Annotated[
        Text,
        typer.Argument(
            metavar="[PLAN]",
            help="File that `jaxscale frontier -o` wrote; or FIT as frontier takes it, with --budget, or -N and -D.",
            show_default=False,
        ),
    ] = None,
    *,
    N: Annotated[Text, option("-N", "N", "Parameters, instead of those of a plan.")] = None,
    D: Annotated[Text, option("-D", "D", "Training tokens, instead of those of a plan.")] = None,
    row: Annotated[Text, option("--row", "K", "Row of a plan of several, counted from 0.")] = None,
    count: Annotated[
        Text,
        option(
            "--count",
            "total|without_embeddings|with_head",
            "Which parameters N means; with_head: all but the table that reads tokens.  [default: as the law says]",
        ),
    ] = None,
    vocabulary: Annotated[str, option("--vocabulary", "V", "Rows of the tables of tokens.")] = "128256",
    tied: Annotated[bool, typer.Option("--tied", help="One table reads and predicts tokens.")] = False,
    context: Annotated[str, option("--context", "T", "Tokens of a sequence.")] = "4096",
    ffn: Annotated[
        str, option("--ffn", "gated|plain", "Three matrices of 8/3 width, to a multiple of 256, or two of 4 width.")
    ] = "gated",
    head_size: Annotated[str, option("--head-size", "K", "Channels of a head.")] = "128",
    kv_heads: Annotated[Text, option("--kv-heads", "K", "Heads of keys and values.  [default: one a head]")] = None,
    aspect: Annotated[str, option("--aspect", "LEAST:MOST", "Bounds of width over layers.")] = "64:128",
    wish: Annotated[str, option("--wish", "X", "The width over layers to prefer among sizes within 2 %.")] = "100",
    layers: Annotated[Text, option("--layers", "K", "Hold the number of layers.")] = None,
    width: Annotated[Text, option("--width", "K", "Hold the width.")] = None,
    shapes: Annotated[str, option("--shapes", "K", "How many shapes to propose.")] = "5",
    batch: Annotated[
        Text,
        option("--batch", "TOKENS|LAW", "Tokens of a step, or a law to take batch and rate from, such as step_law."),
    ] = None,
    critical: Annotated[
        str, option("--critical", "TOKENS|kaplan_bcrit|none", "Largest efficient batch, or the law that says it.")
    ] = "kaplan_bcrit",
    devices: Annotated[
        Text, option("--devices", "WORDS", "What to train on: '512 x H100 @ 40%' (of the dense 16-bit peak).")
    ] = None,
    micro_batch: Annotated[str, option("--micro-batch", "K", "Sequences on a device at a time.")] = "1",
    recompute: Annotated[
        bool | None,
        typer.Option("--recompute/--no-recompute", help="Recompute activations.  [default: if nothing fits otherwise]"),
    ] = None,
    checkpoints: Annotated[str, option("--checkpoints", "K", "How many checkpoints to write.")] = "20",
    asked: PlanOptions,
    at: Constants = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write FILE.yaml (the shape to take), or JSON."),
    ] = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Say what exactly to train: shape, batch, days and memory.

    Exact parameters and FLOPs of shapes near the planned size, what laws of batch and learning rate say, and bytes on
    each device. For example `recipe plan.json --devices '512 x H100 @ 40%'`, `recipe chinchilla:besiroglu --budget
    1e24`, `recipe -N 8B -D 160B`.
    """
    arguments.check_output(output, source or "")
    arguments.check_plot(plot, source or "")
    least, colon, most = aspect.partition(":")
    if not colon:
        raise InputError(f"--aspect takes LEAST:MOST, such as 64:128; got {quoted(aspect)}")
    options: dict[str, Any] = {
        "count": count, "tied": tied, "ffn": ffn, "batch": batch, "devices": devices, "recompute": recompute,
        "critical": None if critical == "none" else critical, "wish": arguments.number(wish, "--wish"),
        "aspect": (arguments.number(least, "--aspect"), arguments.number(most, "--aspect")),
    }  # fmt: skip
    numbers = {
        "vocabulary": vocabulary, "context": context, "head_size": head_size, "kv_heads": kv_heads, "layers": layers,
        "width": width, "shapes": shapes, "micro_batch": micro_batch, "checkpoints": checkpoints,
    }  # fmt: skip
    for name, text in numbers.items():
        if text is not None:
            options[name] = arguments.count(text, f"--{name.replace('_', '-')}", 1)
    options |= {} if row is None else {"row": arguments.count(row, "--row", 0)}
    sizes = {"N": N, "D": D}
    options |= {k: arguments.number(text, f"-{k}") for k, text in sizes.items() if text is not None}
    made = js.recipe(_source(source, asked, at, group, law, planned="N" not in options), **options)
    if output is not None and output.suffix.lower() in (".yaml", ".yml"):
        write_atomic(output, made.to_yaml())
        say(f"wrote {quoted(output)}")
        output = None
        if not as_json:
            printing.draw(made, plot)
            return
    printing.deliver(made, output, as_json, plot)


def _source(source: str | None, asked: PlanOptions, at: Any, group: str | None, law: str | None, planned: bool) -> Any:
    """What a recipe is made from: the file of a plan, the plan of a fit for a budget, or a law to go with N and D."""
    wants_plan = bool(asked.budget or asked.reach)
    if source is None:
        if planned or wants_plan:
            raise arguments.UsageError("give PLAN, the file of a plan; or FIT with --budget; or -N and -D")
        return None
    if planned and not wants_plan:
        return source
    if not planned and wants_plan:
        raise arguments.UsageError("give --budget (or --reach), or -N and -D; not both")
    members = fit_argument.members(fit_argument.record(source, law, at), group)
    if len(members) != 1 or fit_argument.failed(members[0][1]):
        raise InputError(f"FIT {quoted(source)} holds {len(members)} fits; choose one that is whole with --group")
    one = members[0][1]
    if not planned:
        return one
    with printing.progress("planning") as progress:
        return js.frontier(one, **arguments.reached(asked.request(None), one), progress=progress)
