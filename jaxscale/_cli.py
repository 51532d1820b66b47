"""The command line: each command reads its arguments, calls one public function and prints what came back.

Nothing here computes. Input that cannot be used ends with a sentence on standard error and exit status 2; anything else
that goes wrong is a defect of jaxscale and ends with exit status 3. JAX and pandas are imported by the commands that
need them (through the lazy names of `jaxscale`), so that `--help` and `--version` are quick.
"""

import io
import json
import logging
import math
import os
import re
import runpy
import shutil
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import jaxscale as js
from jaxscale._errors import InputError, JaxscaleError, JaxscaleWarning
from jaxscale._report import Lines, Report, Table, to_text
from jaxscale._text import format_number, inert, parse_number, quoted, write_atomic

# What typer raises when a command line is wrong; it has no public name.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])
_OBJECTIVES = ("huber", "student", "squared", "squared-raw", "absolute")
_INTERVALS = ("auto", "quick", "bootstrap", "profile", "none")
_SLOW = 2.0  # seconds of silence before progress is shown
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
    with _progress("fitting the demo set") as progress:
        result = js.fit(js.laws.get("chinchilla"), runs, progress=progress)
        plan = js.frontier(result, _DEMO_BUDGETS)
    rows = []
    for name, value in result.params.items():
        actual, interval = truth.params[name], result.intervals.params.get(name)
        inside = "–" if interval is None else "yes" if interval[0] <= actual <= interval[1] else "no"
        rows.append((name, _plain(actual), _plain(value), _interval(interval), inside))
    header = ("parameter", "truth", "estimate", f"{100 * result.level:g} % interval", "inside")
    note = (
        "inside: whether the interval holds the truth. A robust loss limits the bias that bad runs bring, but does not "
        "remove it."
    )
    _print(
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
_Objective = Annotated[str, _option("--objective", "|".join(_OBJECTIVES), "Misfit to minimise.")]
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
        _Text, _option("--intervals", "|".join(_INTERVALS), "Kind of intervals.  [default: auto]")
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
    _check_output(output, runs)
    if bootstrap is not None and (intervals or "bootstrap").lower() != "bootstrap":
        raise InputError(f"--bootstrap {inert(bootstrap)} contradicts --intervals {inert(intervals)}; give one of them")
    chosen = _law(law)
    reading, others = _reading(
        [chosen], N=N, D=D, C=C, loss=loss, response=response, run=run_column, weights=weights, col=col, where=where,
        on_bad=on_bad, loss_unit=loss_unit,
    )  # fmt: skip
    fitting = {
        "objective": _objective(objective, delta),
        "starts": starts if starts in ("auto", "paper") else _count(starts, "--starts", 1, "auto, paper or"),
        "intervals": _intervals(intervals, bootstrap),
        "level": _number(level, "--level"),
        "fixed": _numbers(fix, "--fix", "NAME=VALUE"),
        "tied": [_names(text) for text in tie or ()],
        "priors": _priors(prior),
        "seed": _count(seed, "--seed", 0),
    }
    if bootstrap is not None:
        fitting["draws"] = _count(bootstrap, "--bootstrap", 1)
    if share and by is None:
        raise InputError("--share is about groups; name their column with --by")
    if chosen.steps:
        if unusable := [
            flag for flag, given in (("--by", by), ("--tie", tie), ("--starts", starts != "auto")) if given
        ]:
            raise InputError(f"{unusable[0]} cannot be used with a chain of laws")
        fitting = {name: value for name, value in fitting.items() if name not in ("starts", "tied")}
        checked = js.read_runs(runs, **reading, **others)
        with _progress("fitting") as progress:
            record = js.fit_chain(chosen, checked, joint=joint, **fitting, progress=progress)
    elif joint:
        raise InputError(
            f"--joint belongs to a chain of laws, such as 'chinchilla >> gadre_err'; {chosen.name} is none"
        )
    elif by is None:
        checked = js.read_runs(runs, **reading, **others)
        with _progress("fitting") as progress:
            record = js.fit(chosen, checked, **fitting, progress=progress)
    else:
        fitting |= {} if share is None else {"share": _shares(share)}
        with _progress("fitting") as progress:
            record = js.fit_many(chosen, runs, by=by, columns=others, **reading, **fitting, progress=progress)
    members = _members(record, None)
    if all(_failed(one) for _, one in members):
        name, failure = members[0]
        raise InputError(
            f"none of the {len(members)} groups could be fitted; the first, {quoted(name)}: {failure.text}"
        )
    _deliver(record, output, as_json)
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
    _check_output(output, runs)
    entries = [_law(text) for text in _law_names(laws)]
    reading, others = _reading(
        entries, N=N, D=D, C=C, loss=loss, response=response, run=run_column, weights=weights, col=col, where=where,
        on_bad=on_bad, loss_unit=loss_unit,
    )  # fmt: skip
    if not holdout and rolling is None and leave_out is None:
        raise _UsageError("say which runs to hold out: --holdout 'C > 1e21', --rolling C or --leave-out COL")
    with _progress("fitting") as progress:
        record = js.compare(
            runs,
            entries,
            holdout=holdout or None,
            rolling=rolling,
            cuts=_count(cuts, "--cuts", 1),
            leave_out=leave_out,
            objective=_objective(objective, delta),
            level=_number(level, "--level"),
            seed=_count(seed, "--seed", 0),
            columns=others,
            progress=progress,
            **reading,
        )
    _deliver(record, output, as_json)


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
    given = {name: _number(text, f"-{name}") for name, text in (("N", N), ("D", D), ("C", C)) if text is not None}
    for name, value in _numbers(at, "--at", "VAR=VALUE").items():
        if name in given:
            raise InputError(f"--at: the value of {quoted(name)} is given twice")
        given[name] = value
    members = _members(_record(source, law), group)
    with _progress("predicting"):
        rows = [{"group": name or None, **_prediction(one, given)} for name, one in members]
    if as_json:
        print(_json({"variables": given, "rows": rows}))
        return
    sound = [one for _, one in members if not _failed(one)]
    response = sound[0].law.response if sound else None
    fits = [one for one in sound if isinstance(one, js.FitResult)]
    level = f"{100 * fits[0].level:g} % " if fits else ""
    header = ("fit", response.unit or response.name if response else "", f"{level}interval", "note")
    cells = tuple(
        (row["group"] or source, _value(row["value"]), _interval(row["interval"], 5), _caution(row, one))
        for row, (_, one) in zip(rows, members, strict=True)
    )
    notes = [
        f"{_source(one.constants)} Published constants have no interval."
        for one in sound
        if isinstance(one, js.laws.Instance)
    ]
    if any(row["interval"] for row in rows):
        notes.append("The interval is the error of the law fitted; a single run scatters around it.")
    if any(row["beyond_runs"] for row in rows):
        notes.append("Beyond the runs, numbers hold only if the law does.")
    place = ", ".join(f"{name} = {_amount(name, value)}" for name, value in given.items())
    title = f"{response.name if response else 'nothing'} at {place}"
    _print(Report(title, blocks=(Table("", header, cells), Lines("", tuple(notes)))))


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
    """Find the best model for each budget, or the cheapest that reaches each loss.

    Model size, training tokens and loss, each with its interval where the fit has intervals; which limits bind, and
    what one more unit of each would change.
    """
    _check_output(output, source)
    limits = _plan_limits(limit, max_tokens, max_params, unique_tokens)
    asked = _plan_request(budget, reach_loss, cost, inference_tokens, limits, level)
    members = _members(_record(source, law), group)
    if len(members) > 1 and (as_json or output is not None):
        raise InputError(
            f"FIT {quoted(source)} holds {len(members)} fits; a file of a plan is of one: choose it with --group"
        )
    with _progress("planning"):
        plans: list[tuple[str, Any]] = [
            (name, one if _failed(one) else js.frontier(one, **asked)) for name, one in members
        ]
    if len(plans) == 1 and not _failed(plans[0][1]):
        _deliver(plans[0][1], output, as_json)
        return
    _print(
        *(
            Report(f"{name} · no plan", plan.text)
            if _failed(plan)
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
    _check_output(output, source)
    changes = _pairs(set_, "--set", "NAME=VALUE")
    limits = _plan_limits(limit, max_tokens, max_params, unique_tokens)
    # --set changes what the plan already has, so with it limits and demand belong to the plan before.
    before = _plan_request(
        budget, reach_loss, cost, inference_tokens if changes else None, limits if changes else {}, level
    )
    after: dict[str, Any] = {"set": changes} if changes else {}
    if not changes and limits:
        after["limits"] = limits
    if not changes and inference_tokens is not None:
        after["cost"] = _plan_cost(cost, inference_tokens)
    members = _members(_record(source, law), group)
    if len(members) != 1:
        raise InputError(f"FIT {quoted(source)} holds {len(members)} fits; choose one with --group")
    if _failed(members[0][1]):
        raise InputError(members[0][1].text)
    with _progress("planning"):
        change = js.what_if(js.frontier(members[0][1], **before), **after)
    _deliver(change, output, as_json)


@app.command()
def models(
    source: Annotated[
        str, typer.Argument(metavar="[FIT]", help="What to judge them by: a fit, or law:instance.")
    ] = "chinchilla:besiroglu",
) -> None:
    """Compare known models with the best use of their own size, and of their own compute."""
    _print(js.reference_models(_members(_record(source, None), None)[0][1]).report())


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
        _print(_law_report(js.laws.get(law)))
        return
    every = [js.laws.get(each) for each in js.laws.names()]
    rows = tuple((law.name, law.formula, ", ".join(law.published) or "–") for law in every)
    note = "`jaxscale laws NAME` shows one in full. Constants go where a fit goes: `frontier chinchilla:besiroglu`."
    _print(Report(f"{len(every)} laws", blocks=(Table("", ("law", "formula", "published constants"), rows, note),)))


# -- reading arguments


def _reading(
    laws: Sequence[Any], *, col: _Texts, where: _Texts, on_bad: str, loss_unit: str, **columns: _Text
) -> tuple[dict[str, Any], dict[str, str]]:
    """What `read_runs` is called with for some laws: its own options, and the columns of further variables."""
    variables = {v.name: v for law in laws for v in (*law.variables, *(step.response for step in law.steps[:-1]))}
    if columns["loss"] is not None and columns["response"] is not None and "loss" not in variables:
        raise InputError("--loss and --response name the same column; give one of them")
    reading: dict[str, Any] = {name: column for name, column in columns.items() if column is not None}
    others = _pairs(col, "--col", "VAR=COL")
    for name in others:
        if name not in variables:
            who, has = (f"law {laws[0].name} has no", "it has") if len(laws) == 1 else ("no law has a", "they have")
            raise InputError(f"--col: {who} variable {quoted(name)}; {has} {', '.join(variables)}")
        if name in reading:
            raise InputError(f"--col: the column of {quoted(name)} is given twice")
    domains = {"response": laws[0].response.domain} | {v.name: v.domain for v in variables.values()}
    reading["domains"] = {name: domain for name, domain in domains.items() if domain in ("real", "unit", "count")}
    reading["where"] = tuple(where or ())
    reading["on_bad"] = _choice(on_bad, "--on-bad", ("raise", "drop"))
    reading["loss_unit"] = _choice(loss_unit, "--loss-unit", ("nats", "bits"))
    return reading, others


def _number(text: str, option: str) -> float:
    try:
        return parse_number(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def _budget(text: str) -> float:
    try:
        return _number(text, "--budget")
    except InputError as error:
        several = text.split(",")
        if len(several) < 2:
            raise
        options = " ".join(f"--budget {inert(each.strip(), 30)}" for each in several[:3])
        raise InputError(f"{error}. For several budgets repeat the option: {options}") from None


def _plan_limits(
    limit: Iterable[str] | None, max_tokens: str | None, max_params: str | None, unique_tokens: str | None
) -> dict[str, float]:
    """Limits by name from all options that give one."""
    limits = _numbers(limit, "--limit", "NAME=VALUE, such as N_max=70B")
    short = {"D_max": ("--max-tokens", max_tokens), "N_max": ("--max-params", max_params)}
    for name, (option, text) in (short | {"U": ("--unique-tokens", unique_tokens)}).items():
        if text is not None:
            if name in limits:
                raise InputError(f"{option} and --limit {name} say the same; give one of them")
            limits[name] = _number(text, option)
    return limits


def _plan_cost(cost: str, inference_tokens: str | None) -> Any:
    model = js.costs.get(cost)
    if inference_tokens is None:
        return model
    return model.with_inference(tokens=_number(inference_tokens, "--inference-tokens"))


def _plan_request(
    budget: Sequence[str] | None,
    reach_loss: Sequence[str] | None,
    cost: str,
    inference_tokens: str | None,
    limits: dict[str, float],
    level: str | None,
) -> dict[str, Any]:
    """What `frontier` is called with."""
    if bool(budget) == bool(reach_loss):
        raise _UsageError("give --budget or --reach-loss, one of the two")
    return {
        "budgets": [_budget(text) for text in budget] if budget else None,
        "reach_loss": [_number(text, "--reach-loss") for text in reach_loss] if reach_loss else None,
        "cost": _plan_cost(cost, inference_tokens),
        "limits": limits,
        "level": None if level is None else _number(level, "--level"),
    }


def _count(text: str, option: str, least: int, otherwise: str = "") -> int:
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < least:
        raise InputError(
            f"{option} takes {otherwise} a whole number from {least} on, got {quoted(text)}".replace("  ", " ")
        )
    return int(text)


def _choice(text: str, option: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise InputError(f"{option} takes {', '.join(choices[:-1])} or {choices[-1]}, got {quoted(text)}")
    return text


def _pairs(texts: Iterable[str] | None, option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError(f"{option} takes {form}, got {quoted(text)}")
        if name.strip() in pairs:
            raise InputError(f"{option} names {quoted(name.strip())} twice; give it once")
        pairs[name.strip()] = value.strip()
    return pairs


def _numbers(texts: Iterable[str] | None, option: str, form: str) -> dict[str, float]:
    return {name: _number(value, f"{option} {inert(name)}") for name, value in _pairs(texts, option, form).items()}


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names):
        raise InputError(f"--tie takes two or more names with commas between them (alpha,beta), got {quoted(text)}")
    return names


def _priors(texts: Iterable[str] | None) -> dict[str, tuple[float, float]]:
    priors = {}
    for name, text in _pairs(texts, "--prior", "NAME=CENTRE:WIDTH").items():
        centre, colon, width = text.partition(":")
        if not colon:
            raise InputError(f"--prior takes NAME=CENTRE:WIDTH (alpha=0.35:0.05), got {quoted(f'{name}={text}')}")
        priors[name] = _number(centre, "--prior"), _number(width, "--prior")
    return priors


def _shares(texts: Iterable[str]) -> dict[str, float]:
    """Widths by parameter: `alpha,beta` are one for all groups, `alpha=0.05` lies apart."""
    shares: dict[str, float] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, equals, width = (x.strip() for x in part.partition("="))
        if not name or (equals and not width):
            raise InputError(
                f"--share takes names with commas between them, alpha,beta or alpha=0.05; got {quoted(part)}"
            )
        shares[name] = _number(width, f"--share {inert(name)}") if equals else 0.0
    return shares


def _objective(kind: str, delta: str | None) -> Any:
    if _choice(kind, "--objective", _OBJECTIVES) == "huber":
        if delta is None:
            return js.Huber()
        return js.Huber("matched" if delta.lower() == "matched" else _number(delta, "--delta"))
    if delta is not None:
        raise InputError(f"--delta belongs to --objective huber; {kind} has none")
    space = "raw" if kind == "squared-raw" else "log"
    return {"absolute": js.AbsoluteError, "student": js.StudentT}.get(kind, lambda: js.SquaredError(space=space))()


def _intervals(kind: str | None, draws: str | None) -> str | None:
    if kind is None:
        return "auto" if draws is None else "bootstrap"
    return None if _choice(kind.lower(), "--intervals", _INTERVALS) == "none" else kind.lower()


def _law_names(text: str) -> list[str]:
    """Names between commas, those inside brackets left alone: `chinchilla,bnsl(breaks=2, variable=C)` is two."""
    names = [name.strip() for name in re.split(r",(?![^()]*\))", text)]
    if not all(names):
        raise InputError(f"--laws takes names with commas between them (chinchilla,kaplan_nd), got {quoted(text)}")
    return names


def _law(text: str) -> Any:
    """The law of that name, `name(option=value)`, or of that name in a Python file, whose code is run."""
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        return js.laws.get(text)
    if not Path(path).is_file():
        raise InputError(f"--law: there is no file {quoted(path)}")
    try:
        found = runpy.run_path(path, run_name="jaxscale_user_law")
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--law: running {quoted(path)} failed: {type(error).__name__}: {inert(error, 200)}"
        ) from error
    if not isinstance(found.get(name), js.Law):
        known = ", ".join(key for key, value in found.items() if isinstance(value, js.Law)) or "none"
        raise InputError(f"--law: {quoted(path)} holds no law named {quoted(name)}; it holds: {known}")
    return found[name]


def _record(source: str, law: str | None) -> Any:
    """What FIT names: the record in a file, or a law with published constants."""
    if Path(source).is_file():
        return js.load(source, law=None if law is None else _law(law))
    if law is not None or not (source in js.laws.names() or (":" in source and not source.endswith(".json"))):
        problem = "a folder, not a file" if Path(source).is_dir() else "not a file that exists"
        raise InputError(
            f"FIT {quoted(source)} is {problem}; give one that `jaxscale fit -o` wrote, or law:instance"
            " such as chinchilla:besiroglu"
        )
    return js.laws.instance(source)


def _members(record: Any, group: str | None) -> list[tuple[str, Any]]:
    """The fits in a record with the names of their groups, or the one asked for; a record of one fit has no name."""
    if not isinstance(record, js.Fits):
        if group is not None:
            raise InputError(f"--group {quoted(group)}: FIT holds one fit and no groups; leave --group out")
        return [("", record)]
    found: list[tuple[str, Any]] = [(name, one) for name, one in record if group in (None, name)]
    if not found and group is None:
        raise InputError("FIT holds no fits")
    if not found:
        names = ", ".join(quoted(name) for name, _ in list(record)[:10])
        raise InputError(f"--group {quoted(group)}: there is no such group; the file has {names}")
    if group is not None and _failed(found[0][1]):
        raise InputError(f"--group {quoted(group)}: its fit failed: {inert(found[0][1].text)}")
    return found


def _failed(one: Any) -> bool:
    """Whether a group has the reason of a failure where others have their fit."""
    return not hasattr(one, "law")


def _check_output(output: Path | None, source: str) -> None:
    """Refuse what could not be written before any work is done."""
    if output is None:
        return
    if str(output) == "-":
        raise InputError("-o writes a file; use --json to print the JSON")
    if output.is_dir():
        raise InputError(f"-o {quoted(output)} is a folder; name a file in it")
    if not output.parent.is_dir():
        raise InputError(f"-o {quoted(output)}: the folder {quoted(output.parent)} does not exist; make it first")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise InputError(f"-o {quoted(output)}: no permission to write there")
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise InputError(f"-o {quoted(output)} would overwrite what is read; give another name")


# -- printing


def _prediction(one: Any, given: dict[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"value": None, "interval": None, "trustworthy": None, "beyond_runs": {}, "error": None}
    if _failed(one):
        return row | {"error": one.text}
    if not hasattr(one, "predict"):
        raise InputError("FIT holds draws, which serve `jaxscale frontier`; predict with the fit they came from")
    fitted = isinstance(one, js.FitResult)
    value, interval = one.predict_interval(**given) if fitted else (one.predict(**given), None)
    if fitted:
        row |= {"trustworthy": one.verdict.trustworthy, "beyond_runs": one.beyond_runs(**given)}
    if not math.isfinite(value):
        return row | {"error": "the law is not finite there"}
    if interval is not None:
        interval = list(interval) if all(map(math.isfinite, interval)) else None
    return row | {"value": value, "interval": interval}


def _caution(row: dict[str, Any], one: Any) -> str:
    """What to know before believing a prediction."""
    if row["error"]:
        return row["error"]
    cautions = [] if row["trustworthy"] is not False else [str(one.verdict)]
    far = [
        f"{name} is {format_number(times, 3)} times the {'largest' if times > 1 else 'smallest'} run's"
        for name, times in row["beyond_runs"].items()
    ]
    if far:
        cautions.append(f"extrapolates: {', '.join(far)}")
    if row["interval"] is None and isinstance(one, js.FitResult):
        why = one.intervals.why if one.covariance is None else "the law is too steep or the covariance too wide here"
        cautions.append(f"no interval: {why}")
    return "; ".join(cautions)


def _law_report(law: Any) -> Report:
    blocks: list[Table | Lines] = [Lines("", tuple(text for text in (law.formula, law.note, law.source) if text))]
    variables = tuple((v.name, v.unit, v.domain, v.meaning) for v in (law.response, *law.variables))
    blocks.append(Table("Response and variables", ("name", "unit", "domain", "meaning"), variables))
    parameters = tuple(
        (p.name, p.unit, "positive" if p.transform == "log" else "real", p.meaning) for p in law.parameters
    )
    blocks.append(Table("Parameters", ("name", "unit", "domain", "meaning"), parameters))
    if law.constants:
        names = law.parameter_names
        rows = tuple(
            (key, *(_plain(c.params[n], 6) if n in c.params else "–" for n in names), c.status)
            for key, c in law.constants.items()
        )
        sources = tuple(f"{key}: {_source(c)}" for key, c in law.constants.items())
        blocks.append(Table("Published constants", ("name", *names, "status"), rows))
        blocks.append(Lines("Where they come from", sources))
    return Report(
        f"{law.name}: {law.response.name} from {', '.join(v.name for v in law.variables)}", blocks=tuple(blocks)
    )


def _source(constants: Any) -> str:
    return f"{constants.source} ({constants.status}).{' ' * bool(constants.note)}{constants.note}"


def _deliver(record: Any, output: Path | None, as_json: bool) -> None:
    """Write or print a finished record as the options ask."""
    if output is not None:
        write_atomic(output, _json(record.to_dict()) + "\n")
        verdict = record.report().verdict
        print(f"wrote {quoted(output)}" + (f": {inert(verdict)}" if verdict else ""), file=sys.stderr)
    if as_json:
        print(_json(record.to_dict()))
    elif output is None:
        _print(record.report())


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False)


def _print(*reports: Report) -> None:
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    print("\n\n".join(to_text(report, width) for report in reports))


def _value(value: float | None) -> str:
    return "–" if value is None else _plain(value, 6)


def _plain(value: float, digits: int = 4) -> str:
    """A number that is no count: without suffix."""
    return format_number(value, digits, suffixes=False)


def _amount(name: str, value: float) -> str:
    return format_number(value) if name in ("N", "D", "C") else _plain(value)


def _interval(interval: Sequence[float] | None, digits: int = 4) -> str:
    return "–" if interval is None else " to ".join(_plain(end, digits) for end in interval)


class _Progress:
    """Says on standard error how far a slow piece of work is: one changing line on a terminal, else a line at times."""

    def __init__(self, what: str):
        self._began = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        first = f"{what} ... (the first time compiles; this takes some seconds)"
        self._waiting = threading.Timer(_SLOW, self._say, [first])
        self._waiting.daemon = True
        self._waiting.start()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done == 0 or now - self._began < _SLOW or now - self._shown < (0.2 if self._terminal else 10):
            return
        rate = done / (now - self._began)
        self._say(f"{what}: {done} of {total}, {rate:.3g} a second, {max(total - done, 0) / rate:.0f} s left")

    def close(self) -> None:
        self._waiting.cancel()
        if self._terminal and self._shown > self._began:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _say(self, text: str) -> None:
        self._shown = time.monotonic()
        start, end = ("\r\x1b[K", "") if self._terminal else ("", "\n")
        print(start + inert(text), end=end, file=sys.stderr, flush=True)


@contextmanager
def _progress(what: str) -> Iterator[_Progress]:
    progress = _Progress(what)
    try:
        yield progress
    finally:
        progress.close()


# -- the process


def run(arguments: Sequence[str]) -> int:
    """Do one command and return its exit status; every error ends here, as a sentence on standard error."""
    debug = os.environ.get("JAXSCALE_DEBUG", "0") not in ("", "0") or "--debug" in arguments
    try:
        with _spoken_warnings(debug):
            status = app(args=list(arguments), prog_name="jaxscale", standalone_mode=False) or 0
    except _UsageError as error:
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
