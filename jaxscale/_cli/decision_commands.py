"""Commands that decide: which recipe is better."""

from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._cli import arguments, printing
from jaxscale._cli.flags import Json, Level, Output, OwnLaw, PlotFile, Seed, Text, option
from jaxscale._cli.groups import PlanOptions


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
    """Say with how much compute one recipe reaches what another reaches.

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
        if arguments.failed(recipes.get(name)) and name in recipes:
            raise InputError(f"recipe {quoted(name)} has no fit: {recipes[name].text}")
    if request["reach_loss"] is not None and names[0] in recipes:
        request = arguments.reached(request, recipes[names[0]])
    with printing.progress("comparing"):
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
        )
    printing.deliver(found, output, as_json, plot)


def _named(source: str, law: str | None) -> list[tuple[str, Any]]:
    """The recipes that one argument names, with their fits."""
    name, equals, file = source.partition("=")
    given = name if equals and not Path(source).is_file() else ""
    found = arguments.members(arguments.record(file if given else source, law), None)
    own = Path(source).stem if Path(source).is_file() else source
    return [(f"{given} {member}".strip() or own, one) for member, one in found]
