"""The command app: the page."""

from typing import Annotated

import typer

import jaxscale as js
from jaxscale._cli import arguments
from jaxscale._cli.flags import Text, option
from jaxscale._cli.process import say


def app(
    runs: Annotated[
        str | None, typer.Argument(metavar="[RUNS]", help="Table to begin with; without it, drop one on the page.")
    ] = None,
    *,
    host: Annotated[
        str, option("--host", "ADDRESS", "Where to listen; any but this machine's own lets others in, unencrypted.")
    ] = "127.0.0.1",
    port: Annotated[Text, option("--port", "N", "Port to listen at.  [default: 8462 where free]")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Serve a page: drop a table, fit, move sliders.

    On this machine alone, and in its memory alone, until you press Ctrl-C. Needs the extra app.
    """
    number = None if port is None else arguments.count(port, "--port", 0)
    js.serve(runs, host=host, port=number, browser=not no_browser, say=say)
