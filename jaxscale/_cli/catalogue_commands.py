"""Commands that look things up: models and laws."""

from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.report import Report, Table
from jaxscale._cli import fit_argument, printing
from jaxscale._cli.flags import Constants, Json, Output


def models(
    source: Annotated[
        str, typer.Argument(metavar="[FIT]", help="What to judge them by: a fit, law:instance, or a law with --at.")
    ] = "chinchilla:besiroglu",
    at: Constants = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Compare known models with the best use of their compute."""
    judged = js.reference_models(fit_argument.members(fit_argument.record(source, None, at), None)[0][1])
    printing.deliver(judged, output, as_json)


def laws(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one law in full.")] = None,
    as_json: Json = False,
) -> None:
    """List the laws, or show one in full.

    In full: formula, the decision it serves, up to which scale it was seen to hold, variables with units, parameters,
    published constants with their status and source. The name of published constants, such as besiroglu, shows their
    law.
    """
    if name is not None:
        law = name.partition(":")[0]
        if law not in js.laws.names():  # perhaps constants of one
            law = next((each for each in js.laws.names() if law in js.laws.get(each).constants), law)
        shown = js.laws.get(law)
        if as_json:
            printing.print_document("laws", {"laws": [_described(shown)]})
        else:
            printing.print_reports(printing.law_report(shown))
        return
    every = [js.laws.get(each) for each in js.laws.names()]
    if as_json:
        printing.print_document("laws", {"laws": [_described(law) for law in every]})
        return
    rows = tuple((law.name, _decides(law), law.formula, ", ".join(law.published) or "–") for law in every)
    note = "`jaxscale laws NAME` shows one in full. Constants go where a fit goes: `frontier chinchilla:besiroglu`."
    table = Table("", ("law", "what it helps to decide", "formula", "published constants"), rows, note)
    printing.print_reports(Report(f"{len(every)} laws", blocks=(table,)))


def _decides(law: Any) -> str:
    """The decision a law serves, and how far it was seen to hold where that is known."""
    return law.serves + (f" Seen to hold up to {law.seen_to}." if law.seen_to else "")


def _described(law: Any) -> dict[str, Any]:
    """A law in full as plain data."""
    return {
        **{key: getattr(law, key) for key in ("name", "formula", "serves", "seen_to", "note", "source")},
        "response": _quantity(law.response, law.response.domain),
        "variables": [_quantity(v, v.domain) for v in law.variables],
        "parameters": [_quantity(p, p.range) for p in law.parameters],
        "constants": {
            key: {"params": dict(c.params), **{part: getattr(c, part) for part in ("status", "source", "note")}}
            for key, c in law.constants.items()
        },
    }


def _quantity(one: Any, domain: str) -> dict[str, str]:
    """A variable, a response or a parameter: what it is called, counted in, and may be."""
    return {"name": one.name, "unit": one.unit, "domain": domain, "meaning": one.meaning}
