"""The command line: each command reads its arguments, calls one public function and prints what came back.

Nothing here computes. Input that cannot be used ends with a sentence on standard error and exit status 2; anything else
that goes wrong is a defect of jaxscale and ends with exit status 3. JAX and pandas are imported by the commands that
need them (through the lazy names of `jaxscale`), so that `--help` and `--version` are quick.
"""

import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

import jaxscale as js
from jaxscale._base.errors import JaxscaleError
from jaxscale._base.text import inert
from jaxscale._cli import (
    approach_commands,
    arguments,
    catalogue_commands,
    cluster_commands,
    decision_commands,
    fit_commands,
    page_command,
    plan_commands,
    question_commands,
    recipe_commands,
)
from jaxscale._cli.groups import spread
from jaxscale._cli.process import fail, fill_closed_streams, refused, say, silence, spoken_warnings

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


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
        say(context.get_help())
        raise typer.Exit(2)


_COMMANDS = {
    "demo": fit_commands.demo,
    "fit": fit_commands.fit,
    "merge": cluster_commands.merge,
    "compare": fit_commands.compare,
    "predict": fit_commands.predict,
    "show": question_commands.show,
    "card": question_commands.card,
    "report": question_commands.report,
    "app": page_command.app,
    "bootstrap": question_commands.bootstrap,
    "profile": question_commands.profile,
    "influence": question_commands.influence,
    "bias": question_commands.bias,
    "multiverse": question_commands.multiverse,
    "approaches": approach_commands.approaches,
    "isoflop": approach_commands.isoflop,
    "envelope": approach_commands.envelope,
    "frontier": plan_commands.frontier,
    "solve": plan_commands.solve,
    "what-if": plan_commands.what_if,
    "allocate": plan_commands.allocate,
    "next-runs": plan_commands.next_runs,
    "recipe": recipe_commands.recipe,
    "multiplier": decision_commands.multiplier,
    "forecast": decision_commands.forecast,
    "score": decision_commands.score,
    "skills": decision_commands.skills,
    "watch": decision_commands.watch,
    "models": catalogue_commands.models,
    "laws": catalogue_commands.laws,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(spread(_command))


@cache
def _program() -> Callable[..., Any]:
    """All commands. Typer would put them together anew for each, which takes longer than most of them."""
    return get_command(app)


def run(words: Sequence[str]) -> int:
    """Do one command and return its exit status; every error ends here, as a sentence on standard error."""
    debug = os.environ.get("JAXSCALE_DEBUG", "0") not in ("", "0") or "--debug" in words
    try:
        with spoken_warnings(debug):
            status = _program()(args=list(words), prog_name="jaxscale", standalone_mode=False) or 0
    except arguments.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jaxscale"
        return fail(2, f"{error.format_message()}\nSee `{command} --help`.")
    except JaxscaleError as error:
        return fail(2, str(error))
    except SystemExit:  # the reader of our output went away, and typer has silenced the streams
        return 141
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and (words_of_it := refused(error)) is not None:
            return fail(2, words_of_it)
        problem = f"internal failure, {type(error).__name__}: {inert(error, 200)}"
        return fail(
            3, f"{problem}\nThis is a defect of jaxscale: please report it with what JAXSCALE_DEBUG=1 makes it print."
        )
    return fail(130, "interrupted") if status == 130 else status


def main() -> int:
    """Entry point of the `jaxscale` program: sets up the process, which is ours alone, and runs the command."""
    os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX reads it when it is imported, which has not happened yet
    logging.getLogger("jax").setLevel(logging.ERROR)
    fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        return 141
    except OSError as error:
        silence(sys.stdout)
        return status or fail(2, refused(error) or f"cannot write standard output: {error}")
    return status
