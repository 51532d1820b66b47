"""Sentences that both interfaces print: where a flag is named, the argument of Python is named too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "jaxscale"
ONE_INTERFACE = ("_cli", "_pages")


def texts(source: str) -> Iterator[str]:
    """Every text in a source, docstrings left out, with X for what is filled in."""
    tree = ast.parse(source)
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def one_sided(text: str) -> bool:
    """Whether a text names a flag in brackets, and neither `argument=`, nor a law, nor begins with the argument."""
    flags = re.findall(r"\(--([a-z]+)", text)
    return bool(flags) and not re.search(r"\w=(?!=)|laws\.", text) and not text.startswith(tuple(flags))


def test_a_message_that_names_a_flag_names_the_argument_too():
    files = [path for path in PACKAGE.rglob("*.py") if not {*path.parts} & {*ONE_INTERFACE}]
    found = [(path.name, text) for path in files for text in texts(path.read_text("utf-8")) if one_sided(text)]
    assert found == []


def test_what_names_the_flag_alone_is_found():
    assert [
        text for text in texts('x = "take more starts (--starts)"; f"say kind={x} (--kind {x})"') if one_sided(text)
    ] == ["take more starts (--starts)"]
