"""Sentences that both interfaces print: where a flag is named, the argument of Python is named too, and the flag where
the argument is and there is one."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer

from jaxscale._cli.app import app

PACKAGE = Path(__file__).resolve().parents[2] / "jaxscale"
ONE_INTERFACE = ("_cli", "_pages", "plot")  # `--plot` takes a file, and nothing that a picture is asked for
NAME_FLAGS = {"flag", "spelt", "valued_flag"}  # functions that write a flag
OF_PYTHON_ALONE = (  # what the command line cannot come to
    *("by= has X labels", "by takes a column", "group X needs a tuple", "units takes factors", "set takes names"),
    *("fixed holds some", "X of law X is neither", "nothing is restricted", "a joint fit is one fit of all groups"),
    *("law X is X at any of", "these runs were read already", "every worker uses", "recipes are compared from fits"),
    *("next_runs takes a fit", "give a budget, a run (at=)", "under takes a list", "under is 'draws'"),
    *("give weights= of the laws", "give weights once", "needs group=", "shukor_mixture takes joint"),
)


def filled(value: ast.expr) -> str:
    """A part of a text: X for what is filled in, a flag where a function writes one."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    called = {x.func.id for x in ast.walk(value) if isinstance(x, ast.Call) and isinstance(x.func, ast.Name)}
    return "--X" if called & NAME_FLAGS else "X"


def texts(source: str) -> Iterator[str]:
    """Every text in a source, docstrings left out, with X for what is filled in."""
    tree = ast.parse(source)
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(map(filled, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def one_sided(text: str) -> bool:
    """Whether a text names a flag in brackets, and neither `argument=`, nor a law, nor begins with the argument."""
    flags = re.findall(r"\(--([a-z]+)", text)
    return bool(flags) and not re.search(r"\w=(?!=)|laws\.", text) and not text.startswith(tuple(flags))


def without_flag(text: str, flags: set[str]) -> bool:
    """Whether a text names an argument for which there is a flag, and no flag."""
    arguments = {a for a in re.findall(r"\b([a-z_]{2,})=(?!=)", text) if {a, a.removesuffix("s")} & flags}
    sentence = " " in text and not text.startswith(OF_PYTHON_ALONE)
    return sentence and bool(arguments) and "--" not in text and not re.search(r"\bjs\.|laws\.", text)


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """Every text of the package that a user of either interface may see, with its file."""
    paths = [path for path in PACKAGE.rglob("*.py") if not {*path.parts} & {*ONE_INTERFACE}]
    return tuple((path.name, text) for path in paths for text in texts(path.read_text("utf-8")))


def test_a_message_that_names_a_flag_names_the_argument_too():
    assert [(name, text) for name, text in messages() if one_sided(text)] == []


def test_a_message_that_names_an_argument_names_the_flag_too():
    commands = typer.main.get_command(app).commands.values()
    flags = {o[2:].replace("-", "_") for c in commands for p in c.params for o in p.opts if o.startswith("--")}
    assert {"tolerance", "starts", "limit", "head_size"} <= flags
    assert [(name, text) for name, text in messages() if without_flag(text, flags)] == []
    assert without_flag("give a larger tolerance=", flags) and not without_flag("give tolerance= (--tolerance)", flags)


def test_what_names_the_flag_alone_is_found():
    assert [
        text for text in texts('x = "take more starts (--starts)"; f"say kind={x} (--kind {x})"') if one_sided(text)
    ] == ["take more starts (--starts)"]


def test_no_share_is_written_with_an_exponent():
    """`4e+02 %` for 420 %: `as_percent` and `as_move` write shares."""
    wrong = [p for p in PACKAGE.rglob("*.py") if re.search(r"\.\d?g\} ?%", p.read_text(encoding="utf-8"))]
    assert not wrong
