"""Commands that ask a finished fit, or all fits of a table: show, card, report, bootstrap, profile, influence, bias,
multiverse."""

from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted, write_atomic
from jaxscale._cli import arguments, fit_argument, printing
from jaxscale._cli.flags import (
    CostName,
    FittedFile,
    Group,
    Json,
    Level,
    Output,
    OwnLaw,
    PlotFile,
    RunsTable,
    Seed,
    Texts,
    option,
)
from jaxscale._cli.groups import PlanOptions, QuantityOptions, TableOptions
from jaxscale._cli.process import say


def show(source: FittedFile, *, group: Group = None, law: OwnLaw = None) -> None:
    """Print what a file holds: a fit, fits of many groups, or draws."""
    found = fit_argument.record(source, law)
    if group is not None:
        ((_, found),) = fit_argument.members(found, group)
    if not hasattr(found, "report"):
        raise InputError(f"FIT {quoted(source)} holds nothing to show; `jaxscale laws NAME` shows laws")
    printing.print_reports(found.report())


def card(
    source: FittedFile,
    *,
    group: Group = None,
    law: OwnLaw = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write Markdown to FILE.md, or JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write down what a reader needs to repeat and to judge a fit.

    As Markdown, for a repository or an appendix.
    """
    arguments.check_output(output, source)
    made = fit_argument.fitted(source, law, group).card()
    if output is not None and output.suffix.lower() in (".md", ".markdown"):
        write_atomic(output, made.to_markdown())
        say(f"wrote {quoted(output)}")
        output = None
    elif output is None and not as_json:
        print(made.to_markdown(), end="")
    if output is not None or as_json:
        printing.deliver(made, output, as_json)


def report(
    source: FittedFile,
    *,
    plan: Annotated[
        Texts,
        option("--plan", "PLAN", "File that `jaxscale frontier FIT -o` wrote; the first is the decision; repeat."),
    ] = None,
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="FILE", help="File that `jaxscale compare -o` wrote.")
    ] = None,
    title: Annotated[str, option("--title", "TEXT", "Heading, in place of the decision in a sentence.")] = "",
    group: Group = None,
    law: OwnLaw = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write FILE.html, or FILE.md (Markdown) or FILE.json."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a fit and its plans as one page to show and to check.

    The decision with its intervals and how far to trust it comes first; then the verdict, sliders that plan again in
    the page, pictures, tables, and the lines that make it again. The page is one file and fetches nothing. Without
    --plan the decision is for ten times the compute of the largest run; without -o Markdown is printed.
    """
    for given in (source, *(plan or ()), *([compare] if compare else [])):
        arguments.check_output(output, given)
    if output is not None and output.suffix.lower() not in (".html", ".htm", ".md", ".markdown", ".json"):
        raise InputError(f"-o {quoted(output)}: give a name that ends in .html, .md or .json")
    result = fit_argument.fitted(source, law, group)
    told = {"plans": plan or (), "compare": compare, "title": title}
    printed = ("json" if as_json else "md") if as_json or output is None else None
    with printing.progress("planning"):
        if output is not None:
            result.report_html(output, **told)
        text = "" if printed is None else result.report_html(form=printed, **told)
    if output is not None:
        say(f"wrote {quoted(output)}: {result.verdict}")
    print(text, end="")


def bootstrap(
    source: FittedFile,
    *,
    draws: Annotated[str, option("--draws", "K", "How many.")] = "1000",
    kind: Annotated[
        str,
        option("--kind", "pairs|bayesian|wild", "Runs drawn anew, weighed anew, or residuals of changed signs."),
    ] = "pairs",
    seed: Seed = "1",
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Refit resampled runs, as draws to plan with.

    -o writes a file that goes where a fit goes: `frontier draws.json --budget 1e24`.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    asked = {"draws": arguments.count(draws, "--draws", 1), "seed": arguments.count(seed, "--seed", 0)}
    result = fit_argument.fitted(source, law, group)
    with printing.progress("resampling") as progress:
        found = js.bootstrap(result, kind=kind, progress=progress, **asked)  # pyright: ignore[reportArgumentType]
    printing.deliver(found, output, as_json, plot)


def profile(
    source: FittedFile,
    *,
    asked: QuantityOptions,
    level: Level = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Find the interval of one quantity by refits along it.

    Nothing is taken for normal, and the interval is open where the runs do not bound the quantity. For example
    `profile fit.json alpha`, `profile fit.json N --budget 1e24`, `profile fit.json --at N=70B,D=1.4T`.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    of = asked.options()
    result = fit_argument.fitted(source, law, group)
    with printing.progress("refitting"):
        found = js.profile(result, level=None if level is None else arguments.number(level, "--level"), **of)
    printing.deliver(found, output, as_json, plot)


def influence(
    source: FittedFile,
    *,
    asked: QuantityOptions,
    together: Annotated[
        str | None, option("--together", "K", "How many runs are left out together.  [default: 3 at most]")
    ] = None,
    one_step: Annotated[
        bool, typer.Option("--one-step", help="Foretell refits without single runs by one Newton step each.")
    ] = False,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """See which runs decide a fit and a plan.

    What changes without each run, and without the few that count most. `influence fit.json` watches the parameters,
    `influence fit.json --budget 1e24` the best N as well.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    of = asked.options()
    most = None if together is None else arguments.count(together, "--together", 1)
    result = fit_argument.fitted(source, law, group)
    with printing.progress("refitting"):
        found = js.influence(result, together=most, exact=False if one_step else None, **of)
    printing.deliver(found, output, as_json, plot)


def bias(
    source: FittedFile,
    *,
    asked: PlanOptions,
    size: Annotated[str, option("--size", "X", "Of the bias whose effect is told, as a share of the loss.")] = "0.001",
    factor: Annotated[str, option("--factor", "X", "By how much N is off at the bias that is looked for.")] = "2",
    waste: Annotated[str, option("--waste", "X", "Share of the compute that is wasted at another one.")] = "0.1",
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """See how wrong the runs may be before the plan is.

    What a loss too high by so much per decade of N, of D, of C or at the largest models, or an N that counts
    embeddings, does to the best N, where residuals need not show it; and the smallest such bias that matters.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    given = {"size": size, "factor": factor, "waste": waste}
    options: dict[str, Any] = {name: arguments.number(text, f"--{name}") for name, text in given.items()}
    request = asked.request(None)
    result = fit_argument.fitted(source, law, group)
    with printing.progress("refitting"):
        found = js.bias(js.frontier(result, **arguments.reached(request, result)), **options)
    printing.deliver(found, output, as_json, plot)


def multiverse(
    runs: RunsTable,
    *,
    budget: Annotated[str, option("--budget", "C", "What the decision has to spend, as in `frontier`.")],
    cost: CostName = "six_nd",
    laws: Annotated[
        str, option("--laws", "A,B,C", "Laws of `jaxscale laws`, bnsl(breaks=2) or path.py:name (RUNS THE CODE there).")
    ] = "chinchilla",
    table: TableOptions,
    seed: Seed = "0",
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """See what other choices of law and objective would decide.

    Every law, objective and treatment of outliers is fitted and planned with.
    """
    arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    entries = [fit_argument.law_named(text) for text in arguments.law_names(laws)]
    model = arguments.plan_cost(cost)
    spend = arguments.budget(budget, model)
    checked = table.read(runs, laws=entries)
    with printing.progress("fitting") as progress:
        found = js.multiverse(
            checked,
            budget=spend,
            cost=model,
            laws=entries,
            seed=arguments.count(seed, "--seed", 0),
            progress=progress,
        )
    printing.deliver(found, output, as_json, plot)
