"""Commands that decide: which recipe is better; what is foretold, of runs and benchmarks, and what of it held; whether
to stop a run."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._cli import arguments, fit_argument, printing
from jaxscale._cli.flags import (
    Budgets,
    FittedFile,
    Group,
    Json,
    Level,
    Output,
    OwnLaw,
    PlotFile,
    RunsTable,
    Seed,
    Text,
    Texts,
    option,
)
from jaxscale._cli.groups import PlanOptions, TableOptions


def multiplier(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FIT",
            help="Fits of recipes: a file of several (`jaxscale fit --by recipe -o`), or a file each, NAME=FILE to "
            "name it; or law:instance.",
        ),
    ],
    *,
    between: Annotated[
        Text, option("--between", "A,B,...", "Recipes to compare, the baseline first.  [default: all, in their order]")
    ] = None,
    asked: PlanOptions,
    threshold: Annotated[str, option("--threshold", "X", "Share of compute from which a difference counts.")] = "0.02",
    level: Level = None,
    seed: Seed = "0",
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Say how much compute one recipe needs to match another.

    Each along its own best sizes: C_A / C_B at equal loss, with the interval of the difference, its trend with scale,
    and whether to choose B, A, or to run more. --budget is the compute of the baseline, --reach a loss that it
    reaches. For example `multiplier fits.json --between adamw,muon --budget 1e22 --budget 1e24`.
    """
    for source in sources:
        arguments.check_output(output, source)
        arguments.check_plot(plot, source)
    request = asked.request(level)
    recipes: dict[str, Any] = {}
    for source in sources:
        for name, one in _named(source, law):
            if name in recipes:
                raise InputError(f"two recipes are called {quoted(name)}; name files as NAME=FILE")
            recipes[name] = one
    names = list(recipes) if between is None else arguments.by(between, "--between", "adamw,muon")
    for name in names:
        if fit_argument.failed(recipes.get(name)) and name in recipes:
            raise InputError(f"recipe {quoted(name)} has no fit: {recipes[name].text}")
    if request["reach_loss"] is not None and names[0] in recipes:
        request = arguments.reached(request, recipes[names[0]])
    with printing.progress("comparing") as progress:
        found = js.multiplier(
            recipes,
            names,
            at=request["budgets"],
            loss=request["reach_loss"],
            cost=request["cost"],
            limits=request["limits"] or None,
            threshold=arguments.number(threshold, "--threshold"),
            level=request["level"],
            seed=arguments.count(seed, "--seed", 0),
            progress=progress,
        )
    printing.deliver(found, output, as_json, plot)


def _named(source: str, law: str | None) -> list[tuple[str, Any]]:
    """The recipes that one argument names, with their fits."""
    name, equals, file = source.partition("=")
    given = name if equals and not Path(source).is_file() else ""
    found = fit_argument.members(fit_argument.record(file if given else source, law), None)
    own = Path(source).stem if Path(source).is_file() else source
    return [(f"{given} {member}".strip() or own, one) for member, one in found]


def forecast(
    source: FittedFile,
    *,
    at: Annotated[Texts, option("--at", "NAME=VALUE,...", "A run to come: N=70B,D=1.4T; repeat.")] = None,
    budget: Budgets = None,
    level: Level = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Freeze what a fit says of runs to come.

    The response of each with intervals of the law and of a new run, with hashes that tell later whether anything was
    changed. --budget freezes the best run of a budget, its size too. `score` says afterwards what held.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    if bool(at) == bool(budget):
        raise arguments.UsageError("give --at or --budget, one of the two")
    chosen = None if level is None else arguments.number(level, "--level")
    result = fit_argument.fitted(source, law, group)
    with printing.progress("predicting") as progress:
        runs: Any = [arguments.numbers([*text.split(",")], "--at", "NAME=VALUE,NAME=VALUE") for text in at or ()]
        if budget:
            runs = js.frontier(
                result, [arguments.budget(text, js.costs.six_nd) for text in budget], level=chosen, progress=progress
            )
        found = js.forecast(result, runs, level=chosen)
    printing.deliver(found, output, as_json, plot)


def score(
    runs: RunsTable,
    forecasts: Annotated[list[str], typer.Argument(metavar="FORECAST", help="Files that `jaxscale forecast` wrote.")],
    *,
    table: TableOptions,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Say what held of forecasts, now that the runs are there.

    Errors, how many runs lie in their intervals and what that speaks for, and which law did best. A forecast that was
    changed after it was frozen is named.
    """
    for file in (runs, *forecasts):
        arguments.check_output(output, file)
        arguments.check_plot(plot, file)
    own = None if law is None else fit_argument.law_named(law)
    read = {Path(file).stem: js.read_forecast(file, own) for file in forecasts}
    checked = table.read(runs, laws=[one.law for one in read.values()])
    printing.deliver(js.score(read, checked), output, as_json, plot)


def skills(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="A row for each public model; or a file that `skills -o` wrote.")
    ],
    *,
    scores: Annotated[
        Text, option("--scores", "COL,COL,...", "Columns of scores, shares of one; needed but for a file of skills.")
    ] = None,
    family: Annotated[str, option("--family", "COL", "Column of families.")] = "family",
    N: Annotated[str, option("-N", "COL", "Column of parameters.")] = "N",
    D: Annotated[str, option("-D", "COL", "Column of training tokens.")] = "D",
    chance: Annotated[
        Texts, option("--chance", "COL=SHARE,...", "What guessing scores; 0 if not said; repeat.")
    ] = None,
    number: Annotated[
        Text, option("--number", "K", "How many skills the benchmarks share.  [default: 2, or 1 of two benchmarks]")
    ] = None,
    at: Annotated[
        Texts, option("--at", "N=X,D=X,family=NAME", "A larger model to foretell the scores of; repeat.")
    ] = None,
    by: Annotated[
        Text, option("--way", "NAME", "Foretell every score in this way.  [default: the one that missed it by least]")
    ] = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Say what larger models will score on benchmarks.

    From the scores of public models: sigmoids of compute, skills that all benchmarks share (Sloth) and principal
    components of scores (Ruan), with what each missed by on families left out. For example
    `skills models.csv --scores mmlu,gsm8k --chance mmlu=.25 --at N=70B,D=15T,family=Llama-3`.
    """
    arguments.check_output(output, table)
    arguments.check_plot(plot, table)
    if scores is not None:
        columns = arguments.by(scores, "--scores", "mmlu,gsm8k")
        guess = arguments.numbers(arguments.apart(chance), "--chance", "COL=SHARE")
        with printing.progress("leaving families out"):
            many = None if number is None else arguments.count(number, "--number", 1)
            found = js.skills(table, scores=columns, family=family, N=N, D=D, chance=guess, number=many)
    elif table.endswith(".json"):
        found = js.Skills.load(table)
    else:
        raise arguments.UsageError("give --scores, the columns of benchmarks with commas between them")
    if at:
        found = found.foretell([_model_asked(text) for text in at], by=by)
    printing.deliver(found, output, as_json, plot)


def _model_asked(text: str) -> dict[str, Any]:
    """N=70B,D=15T,family=Llama-3 as its parts."""
    form = "N=X,D=X,family=NAME"
    given = arguments.pairs(arguments.apart([text]), "--at", form)
    if set(given) != {"N", "D", "family"}:
        raise InputError(f"--at takes {form}, got {quoted(text)}")
    return {**{name: arguments.number(given[name], f"--at {name}") for name in ("N", "D")}, "family": given["family"]}


def watch(
    curves: RunsTable,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The name of the run under way.")],
    *,
    table: TableOptions,
    until: Annotated[
        Text, option("--until", "X", "Its tokens in all, such as 100B.  [default: those of the others, if they agree]")
    ] = None,
    goal: Annotated[Text, option("--goal", "LOSS", "A final loss to reach, such as that of the best run.")] = None,
    stop_below: Annotated[str, option("--stop-below", "X", "The chance of the goal below which to stop.")] = "0.05",
    without: Annotated[Texts, option("--without", "NAME", "A run that does not count; repeat.")] = None,
    rate: Annotated[
        Text, option("--lr", "COL", "Column of the learning rate: runs of another schedule are told by it.")
    ] = None,
    ahead: Annotated[
        Text,
        option(
            "--ahead",
            "SHARE=RATE,...",
            "How the rate goes on, in shares of its peak: .8=1,1=0 decays over the last fifth; or the name of a "
            "finished run. Runs of every schedule count then.",
        ),
    ] = None,
    level: Annotated[str, option("--level", "P", "Coverage of the intervals.")] = "0.9",
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Say where a run under way will end, and whether to stop it.

    From checkpoints of finished runs, aligned by the share of their tokens: the final loss with its interval, the
    chance of --goal, and when it will be settled. Rows are checkpoints, --run-column names the run of each. For
    example `watch curves.csv big --run-column run --until 100B --goal 2.31`.
    """
    arguments.check_output(output, curves)
    arguments.check_plot(plot, curves)
    table = replace(table, checkpoints=table.checkpoints or "all")
    runs = table.read(curves) if rate is None else table.read(curves, {"lr": rate}, domains={"lr": "count"})
    target = None if goal is None else float(runs.record.measure.to_law(arguments.number(goal, "--goal")))
    found = js.watch(
        runs,
        run,
        None if until is None else arguments.number(until, "--until"),
        goal=target,
        stop_below=arguments.number(stop_below, "--stop-below"),
        level=arguments.number(level, "--level"),
        without=without or (),
        ahead=None if ahead is None else arguments.course(ahead),
    )
    printing.deliver(found, output, as_json, plot)
