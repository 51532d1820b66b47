"""Commands about plans: frontier and what-if."""

from dataclasses import replace
from typing import Annotated, Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.report import Report
from jaxscale._base.text import quoted
from jaxscale._cli import arguments, printing
from jaxscale._cli.flags import (
    Budgets,
    Constants,
    CostName,
    FitFile,
    Group,
    Json,
    Level,
    Limits,
    MaxParams,
    MaxTokens,
    Output,
    OwnLaw,
    Reached,
    Served,
    Texts,
    Unique,
    option,
)


def frontier(
    source: FitFile,
    at: Constants = None,
    budget: Budgets = None,
    reach: Reached = None,
    cost: CostName = "six_nd",
    inference_tokens: Served = None,
    limit: Limits = None,
    max_tokens: MaxTokens = None,
    max_params: MaxParams = None,
    unique_tokens: Unique = None,
    group: Group = None,
    level: Level = None,
    law: OwnLaw = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find the best model for each budget, or for each loss to reach.

    Model size, training tokens and loss, each with its interval where the fit has intervals; which limits bind, and
    what one more unit of each would change.
    """
    arguments.check_output(output, source)
    limits = arguments.plan_limits(limit, max_tokens, max_params, unique_tokens)
    asked = arguments.plan_request(budget, reach, cost, inference_tokens, limits, level)
    members = arguments.members(arguments.record(source, law, at), group)
    if len(members) > 1 and (as_json or output is not None):
        raise InputError(
            f"FIT {quoted(source)} holds {len(members)} fits; a file of a plan is of one: choose it with --group"
        )
    with printing.progress("planning"):
        plans: list[tuple[str, Any]] = [
            (name, one if arguments.failed(one) else js.frontier(one, **asked)) for name, one in members
        ]
    if len(plans) == 1 and not arguments.failed(plans[0][1]):
        printing.deliver(plans[0][1], output, as_json)
        return
    printing.print_reports(
        *(
            Report(f"{name} · no plan", plan.text)
            if arguments.failed(plan)
            else replace(plan.report(), title=f"{name} · {plan.report().title}")
            for name, plan in plans
        )
    )


def what_if(
    source: FitFile,
    at: Constants = None,
    budget: Budgets = None,
    reach: Reached = None,
    set_: Annotated[
        Texts,
        option("--set", "NAME=VALUE", "Change a parameter, limit, price or demand: 0.3, x1.1 or +1sigma; repeat."),
    ] = None,
    cost: CostName = "six_nd",
    inference_tokens: Served = None,
    limit: Limits = None,
    max_tokens: MaxTokens = None,
    max_params: MaxParams = None,
    unique_tokens: Unique = None,
    group: Group = None,
    level: Level = None,
    law: OwnLaw = None,
    output: Output = None,
    as_json: Json = False,
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
        budget, reach, cost, inference_tokens if changes else None, limits if changes else {}, level
    )
    after: dict[str, Any] = {"set": changes} if changes else {}
    if not changes and limits:
        after["limits"] = limits
    if not changes and inference_tokens is not None:
        after["cost"] = arguments.plan_cost(cost, inference_tokens)
    members = arguments.members(arguments.record(source, law, at), group)
    if len(members) != 1:
        raise InputError(f"FIT {quoted(source)} holds {len(members)} fits; choose one with --group")
    if arguments.failed(members[0][1]):
        raise InputError(members[0][1].text)
    with printing.progress("planning"):
        change = js.what_if(js.frontier(members[0][1], **before), **after)
    printing.deliver(change, output, as_json)
