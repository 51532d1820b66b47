"""Commands about fits of more sets than one machine can do: a shard of them, and all parts merged."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.plain_data import json_text
from jaxscale._base.text import quoted
from jaxscale._cli import printing
from jaxscale._cli.flags import Json, option
from jaxscale._cli.process import say


def fit_shard(law: Any, runs: str, shard: str, output: Path | None, as_json: bool, **fitting: Any) -> Any:
    """Fit one shard for `jaxscale fit --shard`, and say what is in its part."""
    if output is None or str(output) == "-" or output.is_file():
        raise InputError("--shard writes a part into a folder that all shards share; name it with -o fits/")
    if runs == "-":
        raise InputError("--shard needs sets that every shard can read; give a file or a folder instead of -")
    with printing.progress("fitting") as progress:
        record = js.fit_shards(law, runs, shard=shard, out=output, command=_command(), progress=progress, **fitting)
    say(f"{quoted(record.files[0])} is there")
    show(record, as_json)
    return record


def merge(
    fits: Annotated[str, typer.Argument(metavar="FITS", help="Folder that `jaxscale fit --shard` wrote its parts to.")],
    *,
    output: Annotated[
        Path | None, option("-o", "FILE", "Parquet file to write.  [default: only check that all parts are there]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make one Parquet file of the parts of all shards.

    Every part must be there and be what was written; the message about one that is not has the command that makes it.
    """
    with printing.progress("merging") as progress:
        record = js.merge_shards(fits, output, progress=progress)
    if output is not None:
        say(f"wrote {quoted(output)}")
    show(record, as_json)


def show(record: Any, as_json: bool) -> None:
    """What is in some files of fits, as a report or as JSON."""
    if as_json:
        print(json_text(record.to_dict()))
    else:
        printing.print_reports(record.report())


def _command() -> str:
    """This command, with {shard} in the place of the shard."""
    words = sys.argv[1:]
    for k, word in enumerate(words):
        if word == "--shard":
            words[k + 1 : k + 2] = ["{shard}"]
        elif word.startswith("--shard="):
            words[k] = "--shard={shard}"
    return " ".join(word if "{shard}" in word else shlex.quote(word) for word in ("jaxscale", *words))
