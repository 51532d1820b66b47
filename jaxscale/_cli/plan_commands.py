"""Commands about plans: frontier, what-if and allocate."""

from dataclasses import replace
from typing import Annotated, Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.report import Report, Table
from jaxscale._base.text import quoted
from jaxscale._cli import arguments, fit_argument, printing
from jaxscale._cli.flags import (
    Constants,
    CostName,
    FitFile,
    FittedFile,
    Group,
    Json,
    Level,
    Limits,
    Output,
    OwnLaw,
    PlotFile,
    Text,
    Texts,
    option,
)
from jaxscale._cli.groups import PlanOptions


def frontier(
    source: FitFile,
    *,
    at: Constants = None,
    asked: PlanOptions,
    level: Level = None,
    under: Annotated[
        Texts,
        option(
            "--under",
            "laws|draws|FIT=WEIGHT",
            "Plan over a doubt and show the point estimate's plan beside: laws of N and D tried on the runs of FIT and "
            "weighed by how they predict the larger ones, the draws of FIT (or its covariance), or several laws, "
            "other.json=0.4; repeat.",
        ),
    ] = None,
    minimise: Annotated[
        Text,
        option(
            "--minimise",
            "expected|regret|cvar:0.9",
            "Least with --under: the mean loss, the mean share of the budget wasted, or the mean of the worst tenth "
            "of that.  [default: expected]",
        ),
    ] = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Find the best model for each budget or loss to reach.

    Model size, training tokens and loss, each with its interval where the fit has intervals; which limits bind, and
    what one more unit of each would change.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    request = asked.request(level) | fit_argument.doubt(under, minimise, law)
    members = fit_argument.members(fit_argument.record(source, law, at), group)
    if len(members) > 1 and (as_json or output is not None or plot is not None):
        raise InputError(
            f"FIT {quoted(source)} holds {len(members)} fits; a file of a plan is of one: choose it with --group"
        )
    with printing.progress("planning") as progress:
        plans: list[tuple[str, Any]] = [
            (
                name,
                one
                if fit_argument.failed(one)
                else js.frontier(one, **arguments.reached(request, one), progress=progress),
            )
            for name, one in members
        ]
    if len(plans) == 1 and not fit_argument.failed(plans[0][1]):
        printing.deliver(plans[0][1], output, as_json, plot)
        return
    printing.print_reports(
        *(
            Report(f"{name} · no plan", plan.text)
            if fit_argument.failed(plan)
            else replace(plan.report(), title=f"{name} · {plan.report().title}")
            for name, plan in plans
        )
    )


def solve(
    source: FitFile,
    *,
    at: Constants = None,
    reach: Annotated[Texts, option("--reach", "X", "Loss, error, accuracy or score to reach; repeat.")] = None,
    level: Level = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find how much a law asks for to reach a response.

    For example `solve hours.json --reach 5`: how many hours of speech until 5 % of the words are wrong? Of a law of N
    and D it is the pair that takes the least compute. `frontier --reach` has prices and limits too.
    """
    if not reach:
        raise arguments.UsageError("give --reach, the response to reach")
    frontier(
        source, at=at, asked=PlanOptions(reach=reach), level=level, group=group, law=law, output=output, as_json=as_json
    )


def what_if(
    source: FitFile,
    *,
    at: Constants = None,
    asked: PlanOptions,
    level: Level = None,
    set_: Annotated[
        Texts,
        option(
            "--set",
            "NAME=VALUE",
            "Change a parameter, the budget, a limit, price or demand: 0.3, x1.1, +1 (so much more), +1sigma of a "
            "parameter, 'budget=+512 x H100 x 1 week @ 40%'; repeat.",
        ),
    ] = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Compare a plan with the one after a change.

    Without --set, the limits and demand you give are the change. With --set, both plans keep to them and only what
    --set names differs. Shown are old, new and difference for every budget, and the difference that derivatives
    foretell.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    changes = arguments.pairs(set_, "--set", "NAME=VALUE")
    # --set changes what the plan already has, so with it limits and demand belong to the plan before.
    before = asked.request(level, changed=not changes)
    after: dict[str, Any] = {"set": changes} if changes else asked.change()
    members = fit_argument.members(fit_argument.record(source, law, at), group)
    if len(members) != 1:
        raise InputError(f"FIT {quoted(source)} holds {len(members)} fits; choose one with --group")
    if fit_argument.failed(members[0][1]):
        raise InputError(members[0][1].text)
    one = members[0][1]
    if "reach_loss" in changes:
        changes["reach_loss"] = arguments.reached_after(changes["reach_loss"], one)
    with printing.progress("planning") as progress:
        plan = js.frontier(one, **arguments.reached(before, one), progress=progress)
        change = js.what_if(plan, **after, progress=progress)
    printing.deliver(change, output, as_json, plot)


def next_runs(
    source: FittedFile,
    *,
    budget: Annotated[str, option("--budget", "C", "What the runs may cost together, in the unit of --cost.")],
    at: Annotated[Text, option("--at", "C", "Budget of the decision.  [default: 10 x the dearest run]")] = None,
    target: Annotated[str, option("--target", "N|loss|D_per_N", "What is to be sure there.")] = "N",
    candidates: Annotated[
        Text, option("--candidates", "FILE", "Runs that could be done: CSV with the law's variables as columns.")
    ] = None,
    box: Annotated[
        Text,
        option("--box", "C=LOW..HIGH,D_per_N=LOW..HIGH", "Instead: ranges of two of N, D, C (6ND) and D_per_N."),
    ] = None,
    running: Annotated[Text, option("--running", "FILE", "Runs under way, as --candidates.")] = None,
    fixed: Annotated[Text, option("--fixed", "X", "What each run costs beside, in the unit of --cost.")] = None,
    criterion: Annotated[
        str, option("--criterion", "c|d|misfit", "The decision, all parameters, or the law being off.")
    ] = "c",
    check: Annotated[str, option("--check", "X", "Share of the budget kept for a check at scale.")] = "0.2",
    most: Annotated[str, option("--most", "K", "Runs at most.")] = "200",
    cost: CostName = "six_nd",
    limit: Limits = None,
    group: Group = None,
    law: OwnLaw = None,
    output: Output = None,
    plot: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Choose the runs that make a decision surer for what they cost.

    What the interval of the decision is expected to be then, whether the runs are worth their price, and a check of the
    law at the largest scale. For example `next-runs fit.json --budget 1e21 --at 1e24 --fixed 1e18`.
    """
    arguments.check_output(output, source)
    arguments.check_plot(plot, source)
    if candidates is not None and box is not None:
        raise InputError("give --candidates or --box, one of the two")
    asked: dict[str, Any] = {
        "candidates": candidates if box is None else arguments.ranges(box, "--box"),
        "budget": budget,
        "at": at,
        "target": target,
        "cost": arguments.plan_cost(cost),
        "fixed": None if fixed is None else arguments.number(fixed, "--fixed"),
        "limits": arguments.plan_limits(limit, None, None, None) or None,
        "running": running,
        "criterion": criterion,
        "check": arguments.number(check, "--check"),
        "most": arguments.count(most, "--most", 1),
    }
    result = fit_argument.fitted(source, law, group)
    with printing.progress("choosing") as progress:
        found = js.next_runs(result, **asked, progress=progress)
    printing.deliver(found, output, as_json, plot)


def allocate(
    source: FitFile,
    *,
    at: Constants = None,
    asked: PlanOptions,
    group: Group = None,
    law: OwnLaw = None,
    as_json: Json = False,
) -> None:
    """Find the best model alone, without intervals or prices.

    For example `allocate chinchilla --at E=1.9,A=310,B=1200,alpha=.33,beta=.31 --budget 1e24`.
    """
    request = asked.request(None)
    goal, wanted = ("budget", "budgets") if request["budgets"] else ("reach_loss", "reach_loss")
    rows: list[dict[str, Any]] = []
    response = None
    with printing.progress("planning"):
        for name, one in fit_argument.members(fit_argument.record(source, law, at), group):
            if fit_argument.failed(one):
                rows.append({"group": name, "error": one.text})
                continue
            response = one.response
            if goal == "reach_loss" and len(one.law.variables) == 1:
                (x,) = one.law.variables
                raise InputError(f"law {one.law.name} has {x.name} alone: `solve` says how much of it reaches that")
            for target in arguments.reached(request, one)[wanted]:
                best = js.allocate(
                    one.law, one.params, request["cost"], limits=request["limits"] or None, **{goal: target}
                )
                found = {variable: float(value) for variable, value in best._asdict().items()}
                rows.append({"group": name or None, goal: target} | found)
    if as_json:
        cost, described = request["cost"], None if response is None else response.to_dict()
        parts = {"cost": cost.name, "unit": cost.unit, "response": described, "rows": rows}
        printing.print_document("allocate", parts)
        return
    keys = tuple(dict.fromkeys(key for row in rows for key in row if key != "group" or row["group"]))
    if response is not None:
        rows = [{k: response.to_given(v) if k == "reach_loss" else v for k, v in row.items()} for row in rows]
    header = tuple(f"{response.heading} to reach" if response and key == "reach_loss" else key for key in keys)
    cells = tuple(tuple(printing.cell(row.get(key)) for key in keys) for row in rows)
    note = "A dash: no optimum, or limits that cannot all be kept; `frontier` says which."
    blank = any(value != value for row in rows for value in row.values())
    title = f"best models by {source} · cost {request['cost'].name} in {request['cost'].unit}"
    printing.print_reports(Report(title, blocks=(Table("", header, cells, note if blank else ""),)))
