"""Commands about fits: demo, fit, compare, predict."""

from typing import Annotated

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.report import Lines, Report, Table
from jaxscale._base.text import inert, quoted
from jaxscale._cli import arguments, fit_argument, printing
from jaxscale._cli.cluster_commands import fit_shard
from jaxscale._cli.flags import (
    Delta,
    FitFile,
    Group,
    Json,
    ObjectiveKind,
    Output,
    OwnLaw,
    PlotFile,
    RunsTable,
    Seed,
    Text,
    Texts,
    option,
)
from jaxscale._cli.groups import TableOptions, read_runs
from jaxscale._cli.process import left_to_the_report, say

_DEMO_BUDGETS = (1e21, 1e22, 1e23, 1e24)


def demo() -> None:
    """Fit, judge and plan on a made-up sweep."""
    runs, truth = js.synthetic.demo_runs(), js.synthetic.demo_truth()
    with printing.progress("fitting the demo set") as progress:
        result = js.fit(js.laws.get("chinchilla"), runs, progress=progress)
        plan = js.frontier(result, _DEMO_BUDGETS)
    rows = []
    for name, value in result.params.items():
        actual, interval = truth.params[name], result.intervals.params.get(name)
        inside = "–" if interval is None else "yes" if interval[0] <= actual <= interval[1] else "no"
        rows.append((name, printing.plain(actual), printing.plain(value), printing.interval(interval), inside))
    header = ("parameter", "truth", "estimate", f"{100 * result.level:g} % interval", "inside")
    note = (
        "inside: whether the interval holds the truth. A robust loss limits the bias that bad runs bring, but does not "
        "remove it."
    )
    printing.print_reports(
        Report(
            "The demo set is synthetic: a sweep drawn from a known law, with realistic noise and a few bad runs.",
            blocks=(Table("The truth beside what the fit recovered", header, tuple(rows), note),),
        ),
        result.report(),
        plan.report(),
        Report(
            "Now with your own table, one row per finished run:",
            blocks=(
                Lines(
                    "",
                    (
                        "jaxscale fit runs.csv -N n_params -D n_tokens --loss val_loss -o fit.json",
                        "jaxscale frontier fit.json --budget 1e24",
                    ),
                ),
            ),
        ),
    )


def fit(
    runs: RunsTable,
    *,
    law: Annotated[
        str,
        option("--law", "NAME", "One of `jaxscale laws`, 'first >> second', or path.py:name (RUNS THE CODE there)."),
    ] = "chinchilla",
    by: Annotated[
        Text, option("--by", "COL[,COL]", "Fit each group of this column, or of several, on its own.")
    ] = None,
    share: Annotated[
        Texts, option("--share", "A,B", "Fit A and B with one value for all groups; A=0.05 lets log A vary by 0.05.")
    ] = None,
    table: TableOptions,
    objective: ObjectiveKind = "huber",
    delta: Delta = None,
    starts: Annotated[
        str, option("--starts", "auto|paper|K", "Screened, the whole published grid, or K points.")
    ] = "auto",
    intervals: Annotated[
        Text, option("--intervals", "|".join(arguments.INTERVALS), "Kind of intervals.  [default: auto]")
    ] = None,
    level: Annotated[str, option("--level", "P", "Coverage of the intervals.")] = "0.9",
    bootstrap: Annotated[Text, option("--bootstrap", "K", "Intervals from K bootstrap draws.")] = None,
    fix: Annotated[Texts, option("--fix", "NAME=VALUE", "Hold a parameter; repeat.")] = None,
    tie: Annotated[Texts, option("--tie", "A,B", "Fit parameters as one; repeat.")] = None,
    bounds: Annotated[
        Texts, option("--bounds", "NAME=LOW:HIGH", "Keep a parameter between; an end may be left out; repeat.")
    ] = None,
    prior: Annotated[
        Texts, option("--prior", "NAME=CENTRE:WIDTH", "Gaussian prior; width of the log where positive; repeat.")
    ] = None,
    joint: Annotated[bool, typer.Option("--joint", help="Fit all steps of a chain of laws at once.")] = False,
    seed: Seed = "0",
    shard: Annotated[
        Text, option("--shard", "I/N|slurm", "Of the groups fit the I-th of N shares, as a part in the folder -o.")
    ] = None,
    records: Annotated[bool, typer.Option("--records", help="With --shard: keep whole records too, as JSON.")] = False,
    cluster: Annotated[
        Text, option("--cluster", "ADDRESS|local", "Fit groups by Dask workers: a scheduler's, or one on each core.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 if the fit is not trustworthy.")] = False,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Fit a law to a table of training runs.

    The report says first whether the fit can be trusted, and why.

    Columns are found by their names where they are usual (params, tokens, loss, ...); what was guessed is reported.
    Numbers may be written 70B or 1.4T. RUNS may be runs of a tracker: wandb:ENTITY/PROJECT, mlflow:FOLDER,
    tensorboard:FOLDER, trackio:PROJECT, or a table at hf://datasets/USER/NAME/FILE.
    """
    if shard is None:
        arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    if bootstrap is not None and (intervals or "bootstrap").lower() != "bootstrap":
        raise InputError(f"--bootstrap {inert(bootstrap)} contradicts --intervals {inert(intervals)}; give one of them")
    chosen = fit_argument.law_named(law)
    reading, others = table.reading([chosen])
    fitting = {
        "objective": arguments.objective(objective, delta),
        "starts": starts if starts in ("auto", "paper") else arguments.count(starts, "--starts", 1, "auto, paper or"),
        "intervals": arguments.intervals(intervals, bootstrap),
        "level": arguments.number(level, "--level"),
        "fixed": arguments.numbers(fix, "--fix", "NAME=VALUE"),
        "tied": [arguments.names(text) for text in tie or ()],
        "bounds": arguments.bounds(bounds),
        "priors": arguments.priors(prior),
        "seed": arguments.count(seed, "--seed", 0),
    }
    if bootstrap is not None:
        fitting["draws"] = arguments.count(bootstrap, "--bootstrap", 1)
    if share and by is None:
        raise InputError("--share is about groups; name their column with --by")
    for flag, given in (("--shard", shard), ("--cluster", cluster)):
        if given is not None and (by is None or share):
            raise InputError(f"{flag} is about groups, each fitted on its own; name their column with --by, no --share")
    if records and shard is None:
        raise InputError("--records goes with --shard; without it, -o keeps whole records anyway")
    if plot is not None and by is not None:
        raise InputError("--plot draws one fit, and --by makes many; fit one group with --where 'COL == NAME'")
    if chosen.steps:
        if unusable := [
            flag for flag, given in (("--by", by), ("--tie", tie), ("--starts", starts != "auto")) if given
        ]:
            raise InputError(f"{unusable[0]} cannot be used with a chain of laws")
        fitting = {name: value for name, value in fitting.items() if name not in ("starts", "tied")}
        with left_to_the_report(output is None and not as_json):
            checked = read_runs(runs, **reading, **others)
        with printing.progress("fitting") as progress:
            record = js.fit_chain(chosen, checked, joint=joint, **fitting, progress=progress)
    elif joint:
        raise InputError(
            f"--joint belongs to a chain of laws, such as 'chinchilla >> gadre_err'; {chosen.name} is none"
        )
    elif by is None:
        with left_to_the_report(output is None and not as_json):
            checked = read_runs(runs, **reading, **others)
        with printing.progress("fitting") as progress:
            record = js.fit(chosen, checked, **fitting, progress=progress)
    elif shard is not None:
        fitting |= {"by": arguments.by(by), "records": records, "client": cluster, "columns": others}
        record = fit_shard(chosen, runs, shard, output, as_json, **reading, **fitting)
        if strict and record.untrustworthy:
            raise typer.Exit(1)
        return
    else:
        fitting |= {} if share is None else {"share": arguments.shares(share)}
        try:
            with printing.progress("fitting") as progress:
                record = js.fit_many(
                    chosen,
                    runs,
                    by=arguments.by(by),
                    columns=others,
                    client=cluster,
                    **reading,
                    **fitting,
                    progress=progress,
                )
        except KeyboardInterrupt:
            say("nothing is kept; with --shard 1/20 -o FOLDER and so on to 20/20 each share that is done stays")
            raise
    members = fit_argument.members(record, None)
    if all(fit_argument.failed(one) for _, one in members):
        name, failure = members[0]
        raise InputError(
            f"none of the {len(members)} groups could be fitted; the first, {quoted(name)}: {failure.text}"
        )
    printing.deliver(record, output, as_json, plot)
    if strict and not all(isinstance(one, js.FitResult) and one.verdict.trustworthy for _, one in members):
        if as_json and output is None:  # the report and the line of a file written say it too
            say(f"--strict: {inert(record.report().verdict)}")
        raise typer.Exit(1)


def compare(
    runs: RunsTable,
    *,
    laws: Annotated[
        str,
        option("--laws", "A,B,C", "Laws of `jaxscale laws`, bnsl(breaks=2) or path.py:name (RUNS THE CODE there)."),
    ],
    holdout: Annotated[
        Texts, option("--holdout", "'COL OP VALUE'", "Runs held out, with < <= > >= == or !=; repeat.")
    ] = None,
    rolling: Annotated[
        Text, option("--rolling", "VAR", "Fit the smaller runs, predict the larger, by N, D or C.")
    ] = None,
    cuts: Annotated[Text, option("--cuts", "K", "How many cuts of --rolling (3, fewer of few budgets).")] = None,
    leave_out: Annotated[Text, option("--leave-out", "COL", "Hold out each value of a column in turn.")] = None,
    table: TableOptions,
    objective: ObjectiveKind = "huber",
    delta: Delta = None,
    level: Annotated[str, option("--level", "P", "Coverage of the prediction intervals.")] = "0.9",
    seed: Seed = "0",
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """See which law predicts runs that it was not fitted to.

    Each law is fitted without the runs held out and judged by them, beside two baselines without a law. The report
    begins with a recommendation and its reasons.

    For example `compare runs.csv --laws chinchilla,kaplan_nd --rolling C`.
    """
    arguments.check_output(output, runs)
    arguments.check_plot(plot, runs)
    entries = [fit_argument.law_named(text) for text in arguments.law_names(laws)]
    reading, others = table.reading(entries)
    if not holdout and rolling is None and leave_out is None:
        raise arguments.UsageError("say which runs to hold out: --holdout 'C > 1e21', --rolling C or --leave-out COL")
    with printing.progress("fitting") as progress:
        record = js.compare(
            runs,
            entries,
            holdout=holdout or None,
            rolling=rolling,
            cuts=None if cuts is None else arguments.count(cuts, "--cuts", 1),
            leave_out=leave_out,
            objective=arguments.objective(objective, delta),
            level=arguments.number(level, "--level"),
            seed=arguments.count(seed, "--seed", 0),
            columns=others,
            progress=progress,
            **reading,
        )
    printing.deliver(record, output, as_json, plot)


def predict(
    source: FitFile,
    N: Annotated[Text, option("-N", "X", "Size of the model.")] = None,
    D: Annotated[Text, option("-D", "X", "Training tokens.")] = None,
    C: Annotated[Text, option("-C", "X", "Training compute, for laws that take it.")] = None,
    at: Annotated[
        Texts,
        option("--at", "NAME=VALUE,...", "Other variables of the law, and constants of your own for a law; repeat."),
    ] = None,
    group: Group = None,
    law: OwnLaw = None,
    as_json: Json = False,
) -> None:
    """Predict one run, with its interval.

    Numbers may be written 70B or 1.4T.
    """
    given = {
        name: arguments.number(text, f"-{name}") for name, text in (("N", N), ("D", D), ("C", C)) if text is not None
    }
    record, others = fit_argument.record_at(source, law, at)
    for name, value in others.items():
        if name in given:
            raise InputError(f"--at: the value of {quoted(name)} is given twice")
        given[name] = value
    members = fit_argument.members(record, group)
    with printing.progress("predicting"):
        rows = [{"group": name or None, **printing.prediction(one, given)} for name, one in members]
    sound = [one for _, one in members if not fit_argument.failed(one)]
    response = sound[0].response if sound else None
    if as_json:
        described = None if response is None else response.to_dict()
        printing.print_document("predict", {"variables": given, "response": described, "rows": rows})
        return
    fits = [one for one in sound if getattr(one, "covariance", None) is not None]
    level = f"{100 * getattr(fits[0], 'level', 0.9):g} % " if fits else ""
    plain = (response.word,) if response and response.converted else ()
    header = ("fit", response.given_word if response else "", f"{level}interval", *plain, "note")
    cells = tuple(
        (
            row["group"] or source,
            *printing.as_given(row, response),
            *(printing.value(row["value"]) for _ in plain),
            printing.caution(row, one),
        )
        for row, (_, one) in zip(rows, members, strict=True)
    )
    notes = [
        f"{printing.source(one.constants)} Constants without standard errors have no interval."
        for one in sound
        if isinstance(one, js.laws.Instance) and one.covariance is None
    ]
    if any(row["interval"] for row in rows):
        notes.append("The interval is the error of the law fitted; a single run scatters around it.")
    if any(row["beyond_runs"] for row in rows):
        notes.append("Beyond the runs, numbers hold only if the law does.")
    place = ", ".join(f"{name} = {printing.amount(name, value)}" for name, value in given.items())
    if response and response.converted:
        notes.append(response.said())
    title = f"{response.given_name if response else 'nothing'} at {place}"
    printing.print_reports(Report(title, blocks=(Table("", header, cells), Lines("", tuple(notes)))))
