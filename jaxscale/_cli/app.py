"""The command line: each command reads its arguments, calls one public function and prints what came back.

Nothing here computes. Input that cannot be used ends with a sentence on standard error and exit status 2; anything else
that goes wrong is a defect of jaxscale and ends with exit status 3. JAX and pandas are imported by the commands that
need them (through the lazy names of `jaxscale`), so that `--help` and `--version` are quick.
"""

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError, JaxscaleError, JaxscaleWarning
from jaxscale._base.report import Lines, Report, Table
from jaxscale._base.text import inert, quoted
from jaxscale._cli import arguments
from jaxscale._cli import output as show

_DEMO_BUDGETS = (1e21, 1e22, 1e23, 1e24)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_Text = str | None
_Texts = list[str] | None
_Table = Annotated[
    str, typer.Argument(metavar="RUNS", help="Table of runs: CSV, TSV, JSON lines, Parquet; - is standard input.")
]
_Fit = Annotated[
    str,
    typer.Argument(metavar="FIT", help="File that `jaxscale fit -o` wrote, or law:instance (chinchilla:besiroglu)."),
]
_OwnLaw = Annotated[
    str | None,
    typer.Option(
        "--law", metavar="PATH.PY:NAME", help="The law of your own that FIT was made with; RUNS THE CODE in that file."
    ),
]
_Group = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Of a file of many fits, use only this group.")
]
_Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write JSON to FILE.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of the report.")]


def _option(flag: str, value: str, help: str) -> Any:
    return typer.Option(flag, metavar=value, help=help)


@app.callback(invoke_without_command=True)
def _jaxscale(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal failure.")] = False,
) -> None:
    """Scaling laws you can check: fit a law to a table of training runs, see whether to trust it, plan the next run."""
    if version:
        print(f"jaxscale {js.__version__}")
        raise typer.Exit
    context.obj = {"debug": debug}
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


@app.command()
def demo() -> None:
    """Fit, judge and plan on a made-up sweep."""
    runs, truth = js.synthetic.demo_runs(), js.synthetic.demo_truth()
    with show.progress("fitting the demo set") as progress:
        result = js.fit(js.laws.get("chinchilla"), runs, progress=progress)
        plan = js.frontier(result, _DEMO_BUDGETS)
    rows = []
    for name, value in result.params.items():
        actual, interval = truth.params[name], result.intervals.params.get(name)
        inside = "–" if interval is None else "yes" if interval[0] <= actual <= interval[1] else "no"
        rows.append((name, show.plain(actual), show.plain(value), show.interval(interval), inside))
    header = ("parameter", "truth", "estimate", f"{100 * result.level:g} % interval", "inside")
    note = (
        "inside: whether the interval holds the truth. A robust loss limits the bias that bad runs bring, but does not "
        "remove it."
    )
    show.print_reports(
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


_ColumnN = Annotated[_Text, _option("-N", "COL", "Column of model sizes.")]
_ColumnD = Annotated[_Text, _option("-D", "COL", "Column of training tokens.")]
_ColumnC = Annotated[_Text, _option("-C", "COL", "Column of training FLOPs; with -N it gives D = C/6N.")]
_ColumnLoss = Annotated[_Text, _option("--loss", "COL", "Column of losses.")]
_Columns = Annotated[_Texts, _option("--col", "VAR=COL", "Column of another variable of the law; repeat.")]
_Response = Annotated[_Text, _option("--response", "COL", "Column of what the law predicts, if not a loss.")]
_RunColumn = Annotated[_Text, _option("--run-column", "COL", "Which run a row is a checkpoint of.")]
_Where = Annotated[_Texts, _option("--where", "'COL OP VALUE'", "Rows to keep, with < <= > >= == or !=; repeat.")]
_OnBad = Annotated[str, _option("--on-bad", "raise|drop", "What to do with rows that cannot be used.")]
_LossUnit = Annotated[str, _option("--loss-unit", "nats|bits", "Unit of the losses; bits become nats.")]
_Objective = Annotated[str, _option("--objective", "|".join(arguments.OBJECTIVES), "Misfit to minimise.")]
_Delta = Annotated[
    _Text, _option("--delta", "X", "Where Huber turns linear, or matched (to the noise).  [default: 0.001]")
]
_Weights = Annotated[_Text, _option("--weights", "COL", "Column of weights of the runs.")]
_Seed = Annotated[str, _option("--seed", "K", "Seed of everything random.")]


@app.command()
def fit(
    runs: _Table,
    law: Annotated[
        str,
        _option("--law", "NAME", "One of `jaxscale laws`, 'first >> second', or path.py:name (RUNS THE CODE there)."),
    ] = ("chinchilla"),
    N: _ColumnN = None,
    D: _ColumnD = None,
    C: _ColumnC = None,
    loss: _ColumnLoss = None,
    col: _Columns = None,
    response: _Response = None,
    by: Annotated[_Text, _option("--by", "COL", "Fit each group of this column on its own.")] = None,
    share: Annotated[
        _Texts, _option("--share", "A,B", "Of all groups one A and B; A=0.05 lets groups lie that far apart in theta.")
    ] = None,
    run_column: _RunColumn = None,
    where: _Where = None,
    on_bad: _OnBad = "raise",
    loss_unit: _LossUnit = "nats",
    objective: _Objective = "huber",
    delta: _Delta = None,
    weights: _Weights = None,
    starts: Annotated[
        str, _option("--starts", "auto|paper|K", "Screened, the whole published grid, or K points.")
    ] = "auto",
    intervals: Annotated[
        _Text, _option("--intervals", "|".join(arguments.INTERVALS), "Kind of intervals.  [default: auto]")
    ] = None,
    level: Annotated[str, _option("--level", "P", "Coverage of the intervals.")] = "0.9",
    bootstrap: Annotated[_Text, _option("--bootstrap", "K", "Intervals from K bootstrap draws.")] = None,
    fix: Annotated[_Texts, _option("--fix", "NAME=VALUE", "Hold a parameter; repeat.")] = None,
    tie: Annotated[_Texts, _option("--tie", "A,B", "Fit parameters as one; repeat.")] = None,
    prior: Annotated[
        _Texts, _option("--prior", "NAME=CENTRE:WIDTH", "Gaussian prior; width of the log where positive; repeat.")
    ] = None,
    joint: Annotated[bool, typer.Option("--joint", help="Fit all steps of a chain of laws at once.")] = False,
    seed: _Seed = "0",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 if the fit is not trustworthy.")] = False,
    output: _Output = None,
    as_json: _Json = False,
) -> None:
    """Fit a law to a table of training runs.

    The report says first whether the fit can be trusted, and why.

    Columns are found by their names where they are usual (params, tokens, loss, ...); what was guessed is reported.
    Numbers may be written 70B or 1.4T.
    """
    arguments.check_output(output, runs)
    if bootstrap is not None and (intervals or "bootstrap").lower() != "bootstrap":
        raise InputError(f"--bootstrap {inert(bootstrap)} contradicts --intervals {inert(intervals)}; give one of them")
    chosen = arguments.law_named(law)
    reading, others = arguments.reading(
        [chosen], N=N, D=D, C=C, loss=loss, response=response, run=run_column, weights=weights, col=col, where=where,
        on_bad=on_bad, loss_unit=loss_unit,
    )  # fmt: skip
    fitting = {
        "objective": arguments.objective(objective, delta),
        "starts": starts if starts in ("auto", "paper") else arguments.count(starts, "--starts", 1, "auto, paper or"),
        "intervals": arguments.intervals(intervals, bootstrap),
        "level": arguments.number(level, "--level"),
        "fixed": arguments.numbers(fix, "--fix", "NAME=VALUE"),
        "tied": [arguments.names(text) for text in tie or ()],
        "priors": arguments.priors(prior),
        "seed": arguments.count(seed, "--seed", 0),
    }
    if bootstrap is not None:
        fitting["draws"] = arguments.count(bootstrap, "--bootstrap", 1)
    if share and by is None:
        raise InputError("--share is about groups; name their column with --by")
    if chosen.steps:
        if unusable := [
            flag for flag, given in (("--by", by), ("--tie", tie), ("--starts", starts != "auto")) if given
        ]:
            raise InputError(f"{unusable[0]} cannot be used with a chain of laws")
        fitting = {name: value for name, value in fitting.items() if name not in ("starts", "tied")}
        checked = js.read_runs(runs, **reading, **others)
        with show.progress("fitting") as progress:
            record = js.fit_chain(chosen, checked, joint=joint, **fitting, progress=progress)
    elif joint:
        raise InputError(
            f"--joint belongs to a chain of laws, such as 'chinchilla >> gadre_err'; {chosen.name} is none"
        )
    elif by is None:
        checked = js.read_runs(runs, **reading, **others)
        with show.progress("fitting") as progress:
            record = js.fit(chosen, checked, **fitting, progress=progress)
    else:
        fitting |= {} if share is None else {"share": arguments.shares(share)}
        with show.progress("fitting") as progress:
            record = js.fit_many(chosen, runs, by=by, columns=others, **reading, **fitting, progress=progress)
    members = arguments.members(record, None)
    if all(arguments.failed(one) for _, one in members):
        name, failure = members[0]
        raise InputError(
            f"none of the {len(members)} groups could be fitted; the first, {quoted(name)}: {failure.text}"
        )
    show.deliver(record, output, as_json)
    if strict and not all(isinstance(one, js.FitResult) and one.verdict.trustworthy for _, one in members):
        raise typer.Exit(1)


@app.command()
def compare(
    runs: _Table,
    laws: Annotated[
        str,
        _option("--laws", "A,B,C", "Laws of `jaxscale laws`, bnsl(breaks=2) or path.py:name (RUNS THE CODE there)."),
    ],
    holdout: Annotated[
        _Texts, _option("--holdout", "'COL OP VALUE'", "Runs held out, with < <= > >= == or !=; repeat.")
    ] = None,
    rolling: Annotated[
        _Text, _option("--rolling", "VAR", "Fit the smaller runs, predict the larger, by N, D or C.")
    ] = (None),
    cuts: Annotated[str, _option("--cuts", "K", "How many cuts of --rolling.")] = "3",
    leave_out: Annotated[_Text, _option("--leave-out", "COL", "Hold out each value of a column in turn.")] = None,
    N: _ColumnN = None,
    D: _ColumnD = None,
    C: _ColumnC = None,
    loss: _ColumnLoss = None,
    col: _Columns = None,
    response: _Response = None,
    run_column: _RunColumn = None,
    where: _Where = None,
    on_bad: _OnBad = "raise",
    loss_unit: _LossUnit = "nats",
    objective: _Objective = "huber",
    delta: _Delta = None,
    weights: _Weights = None,
    level: Annotated[str, _option("--level", "P", "Coverage of the prediction intervals.")] = "0.9",
    seed: _Seed = "0",
    output: _Output = None,
    as_json: _Json = False,
) -> None:
    """See which law predicts runs that it was not fitted to.

    Each law is fitted without the runs held out and judged by them, beside two baselines without a law. The report
    begins with a recommendation and its reasons.
    """
    arguments.check_output(output, runs)
    entries = [arguments.law_named(text) for text in arguments.law_names(laws)]
    reading, others = arguments.reading(
        entries, N=N, D=D, C=C, loss=loss, response=response, run=run_column, weights=weights, col=col, where=where,
        on_bad=on_bad, loss_unit=loss_unit,
    )  # fmt: skip
    if not holdout and rolling is None and leave_out is None:
        raise arguments.UsageError("say which runs to hold out: --holdout 'C > 1e21', --rolling C or --leave-out COL")
    with show.progress("fitting") as progress:
        record = js.compare(
            runs,
            entries,
            holdout=holdout or None,
            rolling=rolling,
            cuts=arguments.count(cuts, "--cuts", 1),
            leave_out=leave_out,
            objective=arguments.objective(objective, delta),
            level=arguments.number(level, "--level"),
            seed=arguments.count(seed, "--seed", 0),
            columns=others,
            progress=progress,
            **reading,
        )
    show.deliver(record, output, as_json)


@app.command()
def predict(
    source: _Fit,
    N: Annotated[_Text, _option("-N", "X", "Size of the model.")] = None,
    D: Annotated[_Text, _option("-D", "X", "Training tokens.")] = None,
    C: Annotated[_Text, _option("-C", "X", "Training compute, for laws that take it.")] = None,
    at: Annotated[list[str] | None, _option("--at", "VAR=VALUE", "Another variable of the law; repeat.")] = None,
    group: _Group = None,
    law: _OwnLaw = None,
    as_json: _Json = False,
) -> None:
    """Predict one run, with its interval.

    Numbers may be written 70B or 1.4T.
    """
    given = {
        name: arguments.number(text, f"-{name}") for name, text in (("N", N), ("D", D), ("C", C)) if text is not None
    }
    for name, value in arguments.numbers(at, "--at", "VAR=VALUE").items():
        if name in given:
            raise InputError(f"--at: the value of {quoted(name)} is given twice")
        given[name] = value
    members = arguments.members(arguments.record(source, law), group)
    with show.progress("predicting"):
        rows = [{"group": name or None, **show.prediction(one, given)} for name, one in members]
    if as_json:
        print(show.json_text({"variables": given, "rows": rows}))
        return
    sound = [one for _, one in members if not arguments.failed(one)]
    response = sound[0].law.response if sound else None
    fits = [one for one in sound if isinstance(one, js.FitResult)]
    level = f"{100 * fits[0].level:g} % " if fits else ""
    header = ("fit", response.unit or response.name if response else "", f"{level}interval", "note")
    cells = tuple(
        (row["group"] or source, show.value(row["value"]), show.interval(row["interval"], 5), show.caution(row, one))
        for row, (_, one) in zip(rows, members, strict=True)
    )
    notes = [
        f"{show.source(one.constants)} Published constants have no interval."
        for one in sound
        if isinstance(one, js.laws.Instance)
    ]
    if any(row["interval"] for row in rows):
        notes.append("The interval is the error of the law fitted; a single run scatters around it.")
    if any(row["beyond_runs"] for row in rows):
        notes.append("Beyond the runs, numbers hold only if the law does.")
    place = ", ".join(f"{name} = {show.amount(name, value)}" for name, value in given.items())
    title = f"{response.name if response else 'nothing'} at {place}"
    show.print_reports(Report(title, blocks=(Table("", header, cells), Lines("", tuple(notes)))))


_Budgets = Annotated[_Texts, _option("--budget", "C", "What to spend, in the unit of the cost: FLOPs; repeat.")]
_Losses = Annotated[_Texts, _option("--reach-loss", "L", "Loss to reach at least cost, instead of budgets; repeat.")]
_Cost = Annotated[str, _option("--cost", "NAME", "What a run costs.")]
_Served = Annotated[_Text, _option("--inference-tokens", "T", "Tokens to serve; their compute is part of the cost.")]
_Limits = Annotated[
    _Texts,
    _option(
        "--limit", "NAME=VALUE", "Keep to a limit: N_max, N_min, D_max, D_min, D_per_N_max, D_per_N_min, U; repeat."
    ),
]
_MaxTokens = Annotated[_Text, _option("--max-tokens", "D", "Most training tokens; --limit D_max.")]
_MaxParams = Annotated[_Text, _option("--max-params", "N", "Largest model; --limit N_max.")]
_Unique = Annotated[_Text, _option("--unique-tokens", "U", "Unique tokens there are; others are repetitions.")]
_Level = Annotated[_Text, _option("--level", "P", "Coverage of the intervals.  [default: as in FIT]")]


@app.command()
def frontier(
    source: _Fit,
    budget: _Budgets = None,
    reach_loss: _Losses = None,
    cost: _Cost = "six_nd",
    inference_tokens: _Served = None,
    limit: _Limits = None,
    max_tokens: _MaxTokens = None,
    max_params: _MaxParams = None,
    unique_tokens: _Unique = None,
    group: _Group = None,
    level: _Level = None,
    law: _OwnLaw = None,
    output: _Output = None,
    as_json: _Json = False,
) -> None:
    """Find the best model for each budget, or for each loss to reach.

    Model size, training tokens and loss, each with its interval where the fit has intervals; which limits bind, and
    what one more unit of each would change.
    """
    arguments.check_output(output, source)
    limits = arguments.plan_limits(limit, max_tokens, max_params, unique_tokens)
    asked = arguments.plan_request(budget, reach_loss, cost, inference_tokens, limits, level)
    members = arguments.members(arguments.record(source, law), group)
    if len(members) > 1 and (as_json or output is not None):
        raise InputError(
            f"FIT {quoted(source)} holds {len(members)} fits; a file of a plan is of one: choose it with --group"
        )
    with show.progress("planning"):
        plans: list[tuple[str, Any]] = [
            (name, one if arguments.failed(one) else js.frontier(one, **asked)) for name, one in members
        ]
    if len(plans) == 1 and not arguments.failed(plans[0][1]):
        show.deliver(plans[0][1], output, as_json)
        return
    show.print_reports(
        *(
            Report(f"{name} · no plan", plan.text)
            if arguments.failed(plan)
            else replace(plan.report(), title=f"{name} · {plan.report().title}")
            for name, plan in plans
        )
    )


@app.command("what-if")
def what_if(
    source: _Fit,
    budget: _Budgets = None,
    reach_loss: _Losses = None,
    set_: Annotated[
        _Texts,
        _option("--set", "NAME=VALUE", "Change a parameter, limit, price or demand: 0.3, x1.1 or +1sigma; repeat."),
    ] = None,
    cost: _Cost = "six_nd",
    inference_tokens: _Served = None,
    limit: _Limits = None,
    max_tokens: _MaxTokens = None,
    max_params: _MaxParams = None,
    unique_tokens: _Unique = None,
    group: _Group = None,
    level: _Level = None,
    law: _OwnLaw = None,
    output: _Output = None,
    as_json: _Json = False,
) -> None:
    """Compare a plan with the one after a change.

    Limits and demand are the change; with --set they belong to both plans, and what --set names is the change. Shown
    are old, new and difference for every budget, and the difference that derivatives foretell.
    """
    arguments.check_output(output, source)
    changes = arguments.pairs(set_, "--set", "NAME=VALUE")
    limits = arguments.plan_limits(limit, max_tokens, max_params, unique_tokens)
    # --set changes what the plan already has, so with it limits and demand belong to the plan before.
    before = arguments.plan_request(
        budget, reach_loss, cost, inference_tokens if changes else None, limits if changes else {}, level
    )
    after: dict[str, Any] = {"set": changes} if changes else {}
    if not changes and limits:
        after["limits"] = limits
    if not changes and inference_tokens is not None:
        after["cost"] = arguments.plan_cost(cost, inference_tokens)
    members = arguments.members(arguments.record(source, law), group)
    if len(members) != 1:
        raise InputError(f"FIT {quoted(source)} holds {len(members)} fits; choose one with --group")
    if arguments.failed(members[0][1]):
        raise InputError(members[0][1].text)
    with show.progress("planning"):
        change = js.what_if(js.frontier(members[0][1], **before), **after)
    show.deliver(change, output, as_json)


@app.command()
def models(
    source: Annotated[
        str, typer.Argument(metavar="[FIT]", help="What to judge them by: a fit, or law:instance.")
    ] = "chinchilla:besiroglu",
) -> None:
    """Compare known models with the best use of their compute."""
    show.print_reports(js.reference_models(arguments.members(arguments.record(source, None), None)[0][1]).report())


@app.command()
def laws(name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one law in full.")] = None) -> None:
    """List the laws, or show one in full.

    In full: formula, variables with units, parameters, published constants with their status and source. The name of
    published constants, such as besiroglu, shows their law.
    """
    if name is not None:
        law = name.partition(":")[0]
        if law not in js.laws.names():  # perhaps constants of one
            law = next((each for each in js.laws.names() if law in js.laws.get(each).constants), law)
        show.print_reports(show.law_report(js.laws.get(law)))
        return
    every = [js.laws.get(each) for each in js.laws.names()]
    rows = tuple((law.name, law.formula, ", ".join(law.published) or "–") for law in every)
    note = "`jaxscale laws NAME` shows one in full. Constants go where a fit goes: `frontier chinchilla:besiroglu`."
    show.print_reports(
        Report(f"{len(every)} laws", blocks=(Table("", ("law", "formula", "published constants"), rows, note),))
    )


# -- the process


def run(words: Sequence[str]) -> int:
    """Do one command and return its exit status; every error ends here, as a sentence on standard error."""
    debug = os.environ.get("JAXSCALE_DEBUG", "0") not in ("", "0") or "--debug" in words
    try:
        with _spoken_warnings(debug):
            status = app(args=list(words), prog_name="jaxscale", standalone_mode=False) or 0
    except arguments.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jaxscale"
        return _fail(2, f"{error.format_message()}\nSee `{command} --help`.")
    except JaxscaleError as error:
        return _fail(2, str(error))
    except SystemExit:  # the reader of our output went away, and typer has silenced the streams
        return 141
    except Exception as error:
        if debug:
            traceback.print_exc()
        problem = f"internal failure, {type(error).__name__}: {inert(error, 200)}"
        return _fail(
            3, f"{problem}\nThis is a defect of jaxscale: please report it with what JAXSCALE_DEBUG=1 makes it print."
        )
    return _fail(130, "interrupted") if status == 130 else status


def main() -> int:
    """Entry point of the `jaxscale` program: sets up the process, which is ours alone, and runs the command."""
    settings = {
        "JAX_ENABLE_X64": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    cache = _cache_folder()
    if cache is not None:
        settings["JAX_COMPILATION_CACHE_DIR"] = str(cache / "jaxscale" / "xla")
    for name, value in settings.items():  # JAX reads them when it is imported, which has not happened yet
        os.environ.setdefault(name, value)
    logging.getLogger("jax").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _fail(status: int, message: str) -> int:
    print("error: " + "\n".join(inert(line) for line in message.splitlines()), file=sys.stderr)
    return status


@contextmanager
def _spoken_warnings(debug: bool) -> Iterator[None]:
    """Our warnings as one line each on standard error; those of other packages only when looking for a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", JaxscaleWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {inert(message)}", file=sys.stderr)
        yield


def _cache_folder() -> Path | None:
    """The folder for this user's caches on this platform, if the user has a home."""
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
