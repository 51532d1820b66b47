"""Commands about best sizes without a law, or beside one: approaches, isoflop, envelope."""

from dataclasses import replace
from typing import Annotated, Any

import jaxscale as js
from jaxscale._cli import arguments, printing
from jaxscale._cli.flags import Json, Output, PlotFile, RunsTable, Text, Texts, option
from jaxscale._cli.groups import Resampling, TableOptions


def approaches(
    runs: RunsTable,
    *,
    budget: Annotated[
        Texts,
        option(
            "--budget", "C", "FLOPs to compare best sizes at; repeat.  [default: the largest run's, and 100 times it]"
        ),
    ] = None,
    non_embedding: Annotated[
        Text,
        option(
            "--non-embedding",
            "COL|OMEGA",
            "Also count without embeddings: column of those sizes, or omega of N + omega N^(1/3).",
        ),
    ] = None,
    table: TableOptions,
    resampling: Resampling,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Compare Approaches 1, 2 and 3 to the best size.

    Side by side on the same runs, and why they differ.
    """
    arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    asked = resampling.options()
    omega, others = arguments.number_or_column(non_embedding)
    checked = table.read(runs, {} if others is None else {"M": others})
    if budget:
        asked["budgets"] = [arguments.budget(text, "six_nd") for text in budget]
    with printing.progress("fitting") as progress:
        found = js.approaches(checked, non_embedding=omega if others is None else "M", progress=progress, **asked)
    printing.deliver(found, output, as_json, plot)


def isoflop(
    runs: RunsTable,
    *,
    method: Annotated[
        str, option("--method", "unbiased|akima|parabola", "How the lowest point of a budget is found.")
    ] = "unbiased",
    points: Annotated[str, option("--points", "K|all", "Sizes nearest the lowest that a parabola goes through.")] = "5",
    budget: Annotated[
        Texts, option("--budget", "C", "Budgets of the runs in FLOPs; repeat.  [default: found from the runs]")
    ] = None,
    tolerance: Annotated[
        str, option("--tolerance", "SHARE", "How far a run's compute may be from its budget.")
    ] = "0.1",
    table: TableOptions,
    resampling: Resampling,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Find the best size of each compute budget (Approach 2).

    And the power law through them, by which the best size grows with compute.
    """
    arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    asked: dict[str, Any] = resampling.options() | {
        "method": method,
        "points": None if points == "all" else arguments.count(points, "--points", 1, "all or"),
        "tolerance": arguments.number(tolerance, "--tolerance"),
    }
    if budget:
        asked["budgets"] = [arguments.budget(text, "six_nd") for text in budget]
    checked = table.read(runs)
    with printing.progress("fitting"):
        found = js.isoflop(checked, **asked)
    printing.deliver(found, output, as_json, plot)


def envelope(
    runs: RunsTable,
    *,
    how: Annotated[str, option("--how", "curves|hull|bins", "How the envelope is taken.")] = "curves",
    count: Annotated[str, option("--count", "K", "At how many budgets, or in how many bins.")] = "200",
    table: TableOptions,
    resampling: Resampling,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Find the lowest training curve at each compute (Approach 1).

    And the power law through their sizes. Rows are checkpoints; --run-column names the column that says of which run.
    """
    arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    asked: dict[str, Any] = resampling.options() | {"how": how, "count": arguments.count(count, "--count", 1)}
    checked = replace(table, checkpoints=table.checkpoints or "all").read(runs)  # what it is about
    with printing.progress("resampling"):
        found = js.envelope(checked, **asked)
    printing.deliver(found, output, as_json, plot)
