"""Options that always come together: a command takes the group as one argument, and `spread` makes options of it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Any

from jaxscale._cli import arguments
from jaxscale._cli.flags import (
    Budgets,
    Checkpoints,
    ColumnC,
    ColumnD,
    ColumnLoss,
    ColumnN,
    Columns,
    CostName,
    Decimal,
    Level,
    Limits,
    LossUnit,
    MaxParams,
    MaxTokens,
    OnBad,
    Reached,
    ResponseColumn,
    RunColumn,
    Served,
    Unique,
    Units,
    WeightsColumn,
    Where,
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
    run_column: RunColumn = None
    checkpoints: Checkpoints = None
    where: Where = None
    on_bad: OnBad = "raise"
    loss_unit: LossUnit = "nats"
    unit: Units = None
    decimal: Decimal = None
    weights: WeightsColumn = None

    def reading(self, laws: Sequence[Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """What `read_runs` is called with for some laws: its own options, and the columns of further variables."""
        return arguments.reading(
            laws,
            col=self.col,
            where=self.where,
            on_bad=self.on_bad,
            loss_unit=self.loss_unit,
            unit=self.unit,
            decimal=self.decimal,
            N=self.N,
            D=self.D,
            C=self.C,
            loss=self.loss,
            response=self.response,
            run=self.run_column,
            checkpoints=self.checkpoints,
            weights=self.weights,
        )


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
    level: Level = None

    def request(self, changed: bool = False) -> dict[str, Any]:
        """What `frontier` is called with; without limits and demand where these are the change."""
        limits = arguments.plan_limits(self.limit, self.max_tokens, self.max_params, self.unique_tokens)
        served = None if changed else self.inference_tokens
        return arguments.plan_request(self.budget, self.reach, self.cost, served, {} if changed else limits, self.level)

    def change(self) -> dict[str, Any]:
        """What `what_if` is called with where limits and demand are the change."""
        limits = arguments.plan_limits(self.limit, self.max_tokens, self.max_params, self.unique_tokens)
        change: dict[str, Any] = {"limits": limits} if limits else {}
        if self.inference_tokens is not None:
            change["cost"] = arguments.plan_cost(self.cost, self.inference_tokens)
        return change


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
