"""Commands that look things up: models and laws."""

from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.report import Report, Table
from jaxscale._cli import fit_argument, printing
from jaxscale._cli.flags import Constants


def models(
    source: Annotated[
        str, typer.Argument(metavar="[FIT]", help="What to judge them by: a fit, law:instance, or a law with --at.")
    ] = "chinchilla:besiroglu",
    at: Constants = None,
) -> None:
    """Compare known models with the best use of their compute."""
    printing.print_reports(
        js.reference_models(fit_argument.members(fit_argument.record(source, None, at), None)[0][1]).report()
    )


def laws(name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one law in full.")] = None) -> None:
    """List the laws, or show one in full.

    In full: formula, the decision it serves, up to which scale it was seen to hold, variables with units, parameters,
    published constants with their status and source. The name of published constants, such as besiroglu, shows their
    law.
    """
    if name is not None:
        law = name.partition(":")[0]
        if law not in js.laws.names():  # perhaps constants of one
            law = next((each for each in js.laws.names() if law in js.laws.get(each).constants), law)
        printing.print_reports(printing.law_report(js.laws.get(law)))
        return
    every = [js.laws.get(each) for each in js.laws.names()]
    rows = tuple((law.name, _decides(law), law.formula, ", ".join(law.published) or "–") for law in every)
    note = "`jaxscale laws NAME` shows one in full. Constants go where a fit goes: `frontier chinchilla:besiroglu`."
    table = Table("", ("law", "what it helps to decide", "formula", "published constants"), rows, note)
    printing.print_reports(Report(f"{len(every)} laws", blocks=(table,)))


def _decides(law: Any) -> str:
    """The decision a law serves, and how far it was seen to hold where that is known."""
    return law.serves + (f" Seen to hold up to {law.seen_to}." if law.seen_to else "")
