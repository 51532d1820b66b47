"""Options that always come together: a command takes the group as one argument, and `spread` makes options of it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._cli import arguments, printing
from jaxscale._cli.flags import (
    BestOf,
    Budgets,
    Checkpoints,
    ColumnC,
    ColumnD,
    ColumnLoss,
    ColumnN,
    Columns,
    CostName,
    Decimal,
    Encoding,
    Limits,
    LossErrors,
    LossUnit,
    MaxParams,
    MaxTokens,
    OnBad,
    Reached,
    ResponseColumn,
    ResponseDomain,
    RunColumn,
    Seed,
    Served,
    Text,
    Texts,
    Unique,
    Units,
    WeightsColumn,
    Where,
    option,
)


@dataclass(frozen=True)
class TableOptions:
    """How a table of runs is read: its columns, rows and units."""

    N: ColumnN = None
    D: ColumnD = None
    C: ColumnC = None
    loss: ColumnLoss = None
    col: Columns = None
    response: ResponseColumn = None
    response_domain: ResponseDomain = None
    run_column: RunColumn = None
    checkpoints: Checkpoints = None
    best_of: BestOf = None
    where: Where = None
    on_bad: OnBad = "raise"
    loss_unit: LossUnit = None
    unit: Units = None
    decimal: Decimal = None
    encoding: Encoding = None
    weights: WeightsColumn = None
    loss_se: LossErrors = None

    def reading(self, laws: Sequence[Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
        """What `read_runs` is called with for some laws: its own options, and the columns of further variables."""
        return arguments.reading(
            laws,
            col=self.col,
            where=self.where,
            on_bad=self.on_bad,
            loss_unit=self.loss_unit,
            unit=self.unit,
            decimal=self.decimal,
            encoding=self.encoding,
            N=self.N,
            D=self.D,
            C=self.C,
            loss=self.loss,
            response=self.response,
            response_domain=self.response_domain,
            run=self.run_column,
            checkpoints=self.checkpoints,
            best_of=self.best_of,
            weights=self.weights,
            loss_se=self.loss_se,
        )

    def read(
        self,
        source: str,
        further: Mapping[str, str] | None = None,
        laws: Sequence[Any] | None = None,
        domains: Mapping[str, str] | None = None,
    ) -> Any:
        """The runs in a table, for some laws or for one of N and D; `further` are columns of variables of no law, and
        `domains` which values they may have."""
        reading, others = self.reading(laws or [js.laws.get("chinchilla")])
        reading["domains"] |= domains or {}
        return read_runs(source, **reading, **others, **(further or {}))


@dataclass(frozen=True)
class Resampling:
    """Intervals from resampled runs."""

    level: Annotated[str, option("--level", "P", "Coverage of the intervals.")] = "0.9"
    draws: Annotated[str, option("--draws", "K", "Resamples behind the intervals; 0 leaves intervals out.")] = "500"
    seed: Seed = "0"

    def options(self) -> dict[str, Any]:
        """Level, draws and seed as Python takes them."""
        return {
            "level": arguments.number(self.level, "--level"),
            "draws": arguments.count(self.draws, "--draws", 0),
            "seed": arguments.count(self.seed, "--seed", 0),
        }


@dataclass(frozen=True)
class QuantityOptions:
    """One number that follows from a fit."""

    quantity: Annotated[
        Text,
        typer.Argument(
            metavar="[QUANTITY]",
            help="A parameter, or with --budget one of N, D, loss, tokens_per_param of the best run.",
            show_default=False,
        ),
    ] = None
    budget: Annotated[Text, option("--budget", "C", "What the best run has to spend, as in `frontier`.")] = None
    cost: CostName = "six_nd"
    at: Annotated[
        Texts, option("--at", "NAME=VALUE,...", "The variables of one run, whose loss is the quantity; repeat.")
    ] = None

    def options(self) -> dict[str, Any]:
        """Quantity, budget, cost and point as Python takes them."""
        model = arguments.plan_cost(self.cost)
        return {
            "quantity": self.quantity,
            "budget": None if self.budget is None else arguments.budget(self.budget, model),
            "cost": model,
            "at": arguments.numbers(arguments.apart(self.at), "--at", "NAME=VALUE,NAME=VALUE") or None,
        }


@dataclass(frozen=True)
class PlanOptions:
    """What a plan is asked for: what to spend or to reach, what that costs, and what to keep to."""

    budget: Budgets = None
    reach: Reached = None
    cost: CostName = "six_nd"
    inference_tokens: Served = None
    limit: Limits = None
    max_tokens: MaxTokens = None
    max_params: MaxParams = None
    unique_tokens: Unique = None

    def request(self, level: str | None, changed: bool = False) -> dict[str, Any]:
        """What `frontier` is called with; without limits and demand where these are the change."""
        limits = arguments.plan_limits(self.limit, self.max_tokens, self.max_params, self.unique_tokens)
        served = None if changed else self.inference_tokens
        return arguments.plan_request(self.budget, self.reach, self.cost, served, {} if changed else limits, level)

    def change(self) -> dict[str, Any]:
        """What `what_if` is called with where limits and demand are the change."""
        limits = arguments.plan_limits(self.limit, self.max_tokens, self.max_params, self.unique_tokens)
        change: dict[str, Any] = {"limits": limits} if limits else {}
        if self.inference_tokens is not None:
            change["cost"] = arguments.plan_cost(self.cost, self.inference_tokens)
        return change


def read_runs(source: str, **reading: Any) -> Any:
    """The runs in a table or at an address, with progress where that takes long."""
    with printing.progress("reading") as progress:
        return js.read_runs(source, progress=progress, **reading)


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for every field of each group among its arguments, in the place of the group."""
    groups: dict[str, Any] = {}
    options: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            options += [
                inspect.Parameter(
                    each.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if each.default is MISSING else each.default,
                    annotation=each.type,
                )
                for each in fields(parameter.annotation)
            ]
        else:
            options.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def spread_out(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)}) for name, group in groups.items()
        }
        command(**given, **made)

    spread_out.__signature__ = inspect.Signature(options)  # pyright: ignore[reportAttributeAccessIssue]
    spread_out.__annotations__ = {option.name: option.annotation for option in options}
    return spread_out
