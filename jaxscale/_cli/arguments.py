"""What the words of a command line mean: numbers, names, budgets, laws and files, or a sentence about what is wrong."""

import csv
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import typer

import jaxscale as js
from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.text import inert, parse_number, quoted

# What typer raises when a command line is wrong; it has no public name.
UsageError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])
OBJECTIVES = ("huber", "student", "squared", "squared-raw", "absolute", "lower-edge")
INTERVALS = ("auto", "quick", "bootstrap", "profile", "none")


def reading(
    laws: Sequence[Any],
    *,
    col: Sequence[str] | None,
    where: Sequence[str] | None,
    on_bad: str,
    loss_unit: str | None,
    unit: Sequence[str] | None,
    decimal: str | None = None,
    encoding: str | None = None,
    best_of: str | None = None,
    response_domain: str | None = None,
    **columns: str | None,
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """What `read_runs` is called with for some laws: its own options, and the columns of further variables, None where
    one is recognised by the name of its variable."""
    variables = {v.name: v for law in laws for v in (*law.variables, *(step.response for step in law.steps[:-1]))}
    if columns["loss"] is not None and columns["response"] is not None and "loss" not in variables:
        raise InputError("--loss and --response name the same column; give one of them")
    reading: dict[str, Any] = {name: column for name, column in columns.items() if column is not None}
    reading |= {name: False for name in ("N", "D", "C") if (columns.get(name) or "").lower() == "none"}
    others: dict[str, str | None] = {**pairs(col, "--col", "VAR=COL")}
    for name in others:
        if name not in variables:
            who, has = (f"law {laws[0].name} has no", "it has") if len(laws) == 1 else ("no law has a", "they have")
            flagged = f" (the column of compute is named with -{name})" if name == "C" else ""
            raise InputError(f"--col: {who} variable {quoted(name)}; {has} {', '.join(variables)}{flagged}")
        if name in reading:
            raise InputError(f"--col: the column of {quoted(name)} is given twice")
    others |= {
        name: None
        for name, v in variables.items()
        if v.domain != "vector" and name not in {*others, "N", "D", "C", "U", "loss"}
    }
    domains = {"response": laws[0].response.domain} | {v.name: v.domain for v in variables.values()}
    if response_domain is not None:
        domains["response"] = _choice(response_domain, "--response-domain", ("positive", "real", "unit"))
    reading["domains"] = {name: domain for name, domain in domains.items() if domain in ("real", "unit", "count")}
    reading["where"] = tuple(where or ())
    reading["on_bad"] = _choice(on_bad, "--on-bad", ("raise", "drop"))
    if loss_unit is not None:
        reading["loss_unit"] = loss_unit
    if factors := numbers(unit, "--unit", "VAR=FACTOR, such as N=1e6"):
        reading["units"] = factors
    if best_of is not None:
        reading["best_of"] = by(best_of, "--best-of", "lr,batch")
    if encoding is not None:
        reading["encoding"] = encoding
    if decimal is not None:
        reading["decimal"] = _choice(decimal, "--decimal", (".", ","))
    return reading, others


def number(text: str, option: str) -> float:
    """A number as people write it (70B, 1.4T, 1e21)."""
    try:
        return parse_number(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def budget(text: str, cost: Any) -> float:
    """What there is to spend, in the unit of the cost: a number, or words such as `512 x H100 x 45 days @ 40%`."""
    try:
        return js.costs.budget(text, js.costs.six_nd if cost == "table" else cost)
    except InputError as error:
        several = text.split(",")
        if len(several) < 2:
            raise InputError(f"--budget: {error}") from None
        options = " ".join(f"--budget {inert(each.strip(), 30)}" for each in several[:3])
        raise InputError(f"--budget: {error}. For several budgets repeat the option: {options}") from None


def plan_limits(
    limit: Iterable[str] | None, max_tokens: str | None, max_params: str | None, unique_tokens: str | None
) -> dict[str, float | str]:
    """Limits by name from all options that give one; those that have words as they are."""
    limits: dict[str, float | str] = {}
    for name, text in pairs(limit, "--limit", "NAME=VALUE, such as N_max=70B").items():
        worded = name in js.limits.WORDED or (name == js.limits.UNIQUE_TOKENS and _is_list(text))
        limits[name] = text if worded else number(text, f"--limit {inert(name)}")
        if worded:
            try:
                js.limits.read_limits({name: text})
            except InputError as error:
                raise InputError(f"--limit: {str(error).removeprefix('limit ')}") from None
    short = {"D_max": ("--max-tokens", max_tokens), "N_max": ("--max-params", max_params)}
    for name, (option, text) in (short | {"U": ("--unique-tokens", unique_tokens)}).items():
        if text is not None:
            if name in limits:
                raise InputError(f"{option} and --limit {name} say the same; give one of them")
            limits[name] = number(text, option)
    return limits


def _is_list(text: str) -> bool:
    """Whether commas part numbers, one for each domain: 2e12,3e11,-; not the thousands of one."""
    try:
        parse_number(text)
    except InputError:
        return "," in text
    return False


def plan_cost(cost: str, inference_tokens: str | None = None) -> Any:
    """The cost model of that name, with the tokens to be served; "table", which the fit settles, as it is."""
    served = None if inference_tokens is None else number(inference_tokens, "--inference-tokens")
    if cost == "table" and served is None:
        return cost
    if cost == "table":
        raise InputError("--inference-tokens: the compute of a table counts training alone; give another --cost")
    try:
        return js.costs.get(cost, inference_tokens=served)
    except InputError as error:
        raise InputError(f"--cost: {error}") from None


def plan_request(
    spend: Sequence[str] | None,
    reach: Sequence[str] | None,
    cost: str,
    inference_tokens: str | None,
    limits: dict[str, float | str],
    level: str | None,
) -> dict[str, Any]:
    """What `frontier` is called with."""
    if bool(spend) == bool(reach):
        raise UsageError("give --budget or --reach, one of the two")
    model = plan_cost(cost, inference_tokens)
    return {
        "budgets": [budget(text, model) for text in spend] if spend else None,
        "reach_loss": [number(text.strip().removesuffix("%"), "--reach") for text in reach] if reach else None,
        "cost": model,
        "limits": limits,
        "level": None if level is None else number(level, "--level"),
    }


def reached(request: dict[str, Any], one: Any) -> dict[str, Any]:
    """The request, with what is to be reached in the unit of the law of a fit; it is given as the fit's table was."""
    if request["reach_loss"] is None:
        return request
    wanted = [one.response.to_law(x) for x in request["reach_loss"]]
    for given, own in zip(request["reach_loss"], wanted, strict=True):
        if not math.isfinite(own) or (own <= 0 and one.law.response.domain != "real"):
            raise InputError(f"--reach {given:g} is not to be reached: no {one.response.heading} is so")
    return request | {"reach_loss": wanted}


def reached_after(text: str, one: Any) -> str:
    """What --set gives to reach, as text in the unit of the law of a fit."""
    if one.response.converted and text.strip()[:1] == "+":
        raise InputError(f"--set reach_loss: give what is to be reached itself, got {quoted(text)}")
    if not one.response.converted or (one.response.linear and re.match(r"[x*]", text.strip())):
        return text
    return repr(
        reached({"reach_loss": [number(text.strip().removesuffix("%"), "--set reach_loss")]}, one)["reach_loss"][0]
    )


def count(text: str, option: str, least: int, otherwise: str = "") -> int:
    """A whole number, `least` at least."""
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < least:
        raise InputError(
            f"{option} takes {otherwise} a whole number from {least} on, got {quoted(text)}".replace("  ", " ")
        )
    return int(text)


def _choice(text: str, option: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise InputError(f"{option} takes {', '.join(choices[:-1])} or {choices[-1]}, got {quoted(text)}")
    return text


def pairs(texts: Iterable[str] | None, option: str, form: str) -> dict[str, str]:
    """NAME=VALUE, each name once."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError(f"{option} takes {form}, got {quoted(text)}")
        if name.strip() in pairs:
            raise InputError(f"{option} names {quoted(name.strip())} twice; give it once")
        pairs[name.strip()] = value.strip()
    return pairs


def numbers(texts: Iterable[str] | None, option: str, form: str) -> dict[str, float]:
    """NAME=NUMBER."""
    return {name: number(value, f"{option} {inert(name)}") for name, value in pairs(texts, option, form).items()}


def ranges(text: str, option: str) -> dict[str, Any]:
    """NAME=LOW..HIGH,NAME=VALUE: ranges and values by name."""
    found: dict[str, Any] = {}
    for name, value in pairs(text.split(","), option, "NAME=LOW..HIGH").items():
        ends = [number(end, f"{option} {inert(name)}") for end in value.split("..")]
        if len(ends) > 2:
            raise InputError(f"{option} {inert(name)}: a range is LOW..HIGH, got {quoted(value)}")
        found[name] = tuple(ends) if len(ends) == 2 else ends[0]
    return found


def course(text: str) -> dict[float, float] | str:
    """SHARE=RATE,SHARE=RATE: how a learning rate goes on; or the name of a run, such as lr=3e-4."""
    if "=" not in text or text.lstrip()[:1] not in "0123456789.":
        return text
    given = pairs(apart([text]), "--ahead", "SHARE=RATE")
    return {number(share, "--ahead"): number(rate, "--ahead") for share, rate in given.items()}


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names):
        raise InputError(f"--tie takes two or more names with commas between them (alpha,beta), got {quoted(text)}")
    return names


def by(text: str, option: str = "--by", such_as: str = "corpus,optimizer") -> list[str]:
    """Columns with commas between them, as in the header of a CSV file: one that has a comma itself is in quotes."""
    try:
        (columns,) = csv.reader([text], skipinitialspace=True)
    except (ValueError, csv.Error):
        columns = []
    columns = [column.strip() for column in columns]
    if not columns or not all(columns):
        raise InputError(f"{option} takes columns with commas between them ({such_as}), got {quoted(text)}")
    return columns


def priors(texts: Iterable[str] | None) -> dict[str, tuple[float, float]]:
    """NAME=CENTRE:WIDTH."""
    priors = {}
    for name, text in pairs(texts, "--prior", "NAME=CENTRE:WIDTH").items():
        centre, colon, width = text.partition(":")
        if not colon:
            raise InputError(f"--prior takes NAME=CENTRE:WIDTH (alpha=0.35:0.05), got {quoted(f'{name}={text}')}")
        priors[name] = number(centre, "--prior"), number(width, "--prior")
    return priors


def bounds(texts: Iterable[str] | None) -> dict[str, tuple[float | None, float | None]]:
    """NAME=LOW:HIGH, either end left out where it is open."""
    bounds = {}
    for name, text in pairs(texts, "--bounds", "NAME=LOW:HIGH").items():
        ends = [number(end, f"--bounds {inert(name)}") if end.strip() else None for end in text.split(":")]
        if len(ends) != 2 or ends == [None, None]:
            raise InputError(f"--bounds takes NAME=LOW:HIGH, NAME=LOW: or NAME=:HIGH, got {quoted(f'{name}={text}')}")
        bounds[name] = ends[0], ends[1]
    return bounds


def shares(texts: Iterable[str]) -> dict[str, float]:
    """Widths by parameter: `alpha,beta` are one for all groups, `alpha=0.05` lies apart."""
    shares: dict[str, float] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, equals, width = (x.strip() for x in part.partition("="))
        if not name or (equals and not width):
            raise InputError(
                f"--share takes names with commas between them, alpha,beta or alpha=0.05; got {quoted(part)}"
            )
        shares[name] = number(width, f"--share {inert(name)}") if equals else 0.0
    return shares


def objective(kind: str, delta: str | None) -> Any:
    """The objective that --objective and --delta name; `lower-edge:0.2` is that of a share of 0.2 below the law."""
    kind, colon, share = kind.partition(":")
    if _choice(kind, "--objective", OBJECTIVES) == "lower-edge":
        edge = js.LowerEdge(number(share, "--objective lower-edge")) if colon else js.LowerEdge()
        return edge if delta is None else replace(edge, delta=number(delta, "--delta"))
    if colon:
        raise InputError(f"--objective {kind} takes nothing behind a colon; got {quoted(share)}")
    if kind == "huber":
        if delta is None:
            return js.Huber()
        return js.Huber("matched" if delta.lower() == "matched" else number(delta, "--delta"))
    if delta is not None:
        raise InputError(f"--delta belongs to --objective huber and lower-edge; {kind} has none")
    space = "raw" if kind == "squared-raw" else "log"
    return {"absolute": js.AbsoluteError, "student": js.StudentT}.get(kind, lambda: js.SquaredError(space=space))()


def intervals(kind: str | None, draws: str | None) -> str | None:
    """The method of the intervals."""
    if kind is None:
        return "auto" if draws is None else "bootstrap"
    return None if _choice(kind.lower(), "--intervals", INTERVALS) == "none" else kind.lower()


def law_names(text: str) -> list[str]:
    """Names between commas, those inside brackets left alone: `chinchilla,bnsl(breaks=2, variable=C)` is two."""
    names = [name.strip() for name in re.split(r",(?![^()]*\))", text)]
    if not all(names):
        raise InputError(f"--laws takes names with commas between them (chinchilla,kaplan_nd), got {quoted(text)}")
    return names


def apart(texts: Iterable[str] | None) -> list[str]:
    """Each NAME=VALUE of texts with several, commas between them."""
    return [pair for text in texts or () for pair in text.split(",")]


def number_or_column(text: str | None) -> tuple[float | None, str | None]:
    """A number, or else the name of a column."""
    try:
        return (None if text is None else parse_number(text)), None
    except InputError:
        return None, text


def check_plot(plot: Path | None, source: str) -> None:
    """Refuse a picture that could not be drawn or written before any work is done."""
    if plot is None:
        return
    if plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"--plot {quoted(plot)}: give a name that ends in .png, .svg or .pdf")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("pictures need matplotlib: pip install 'jaxscale[plot]'")
    check_output(plot, source, "--plot")


def check_output(output: Path | None, source: str, flag: str = "-o") -> None:
    """Refuse what could not be written before any work is done."""
    if output is None:
        return
    if str(output) == "-":
        raise InputError("-o writes a file; use --json to print the JSON")
    if output.is_dir():
        raise InputError(f"{flag} {quoted(output)} is a folder; name a file in it")
    if not output.parent.is_dir():
        raise InputError(f"{flag} {quoted(output)}: the folder {quoted(output.parent)} does not exist; make it first")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise InputError(f"{flag} {quoted(output)}: no permission to write there")
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise InputError(f"{flag} {quoted(output)} would overwrite what is read; give another name")
