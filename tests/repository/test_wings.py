"""The house: every module is in a wing, wings import downhill, and a name says where a thing is."""

import ast
import importlib.util
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from helpers import ROOT

PACKAGE = ROOT / "jaxscale"
_SPENT = {"reference", "costs", "limits"}
_FIT = {"_base", "_data", "laws", "optim", "_problem", "_solver", "_trust", "_fitting.pooling", "_fitting"}
_PLAN = {"_base", "laws", *_SPENT, "_allocation", "_planning"}
_ASKED = {"_analyses.diagnostics", "_analyses.approaches", "_analyses.comparison", "_analyses.deciding"}

# A wing, or a public module beside the wings, imports from itself and from these. "" is jaxscale/__init__.py, the
# public names, which the command line alone uses.
MAY_IMPORT = {
    "_base": set(),
    "_data.trackers": {"_base"},
    "_data": {"_base", "_data.trackers"},
    "laws": {"_base"},
    "optim": {"_base"},
    "_problem": {"_base", "_data", "laws", "optim"},
    "_solver": {"_base", "_data", "laws", "optim", "_problem"},
    "_trust": _FIT - {"_trust", "_fitting.pooling", "_fitting"},
    "_fitting.pooling": _FIT - {"_fitting.pooling", "_fitting"},
    "_fitting": _FIT - {"_fitting"},
    "reference": {"_base", "laws"},
    "costs": {"_base", "laws", "reference"},
    "limits": {"_base", "laws", "reference", "costs"},
    "_allocation": {"_base", "laws", *_SPENT},
    "_planning": _PLAN - {"_planning"},  # a plan needs no fit
    "_planning.recipes": _PLAN,
    "_analyses": set(),  # a face; its rooms follow
    "_analyses.diagnostics": _FIT | _PLAN,
    "_analyses.approaches": _FIT | _PLAN,
    "_analyses.comparison": _FIT,  # laws against runs: no plan, no approach
    "_analyses.deciding": _FIT | _PLAN | _ASKED - {"_analyses.deciding"},
    "synthetic": {"_base", "_data", "laws"},
    "datasets": {"_base", "_data", "laws"},
    "plot._charts": _FIT | _PLAN | _ASKED | {"_planning.recipes"},  # what a picture shows; draws nothing
    "plot": _FIT | _PLAN | _ASKED | {"_planning.recipes", "plot._charts"},
    "_cluster": _FIT,  # fits of more sets than one machine can do
    "_pages": _FIT | _PLAN | _ASKED | {"plot._charts"},  # reports, and their page
    "_pages.app": {"", "_base", "_data", "_pages"},  # the page: what users can call, and the parts of a report
    "": {"_base"},
    "_cli": {"", "_base"},
    "__main__": {"_cli"},
}


def wing_of(dotted: str) -> str:
    """The wing of a module, or the room within a wing that has a line of its own; "" for the package itself."""
    below = dotted.split(".")[1:]
    rooms = (".".join(below[:depth]) for depth in range(len(below), 0, -1))
    return next((room for room in rooms if room in MAY_IMPORT), below[0] if below else "")


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[dotted.removesuffix(".__init__")] = path
    return found


def imports_of(path: Path, dotted: str) -> list[tuple[str, str | None, int, bool]]:
    """What a module imports from the package: module, name, line, and whether a function hides it."""
    return imports_in(ast.parse(path.read_text(encoding="utf-8")), path, dotted)


def imports_in(tree: ast.Module, path: Path, dotted: str) -> list[tuple[str, str | None, int, bool]]:
    package = dotted if path.name == "__init__.py" else dotted.rpartition(".")[0]
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    typing = {id(n) for node in tree.body if isinstance(node, ast.If) for n in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) in typing and dotted == "jaxscale":  # names for type checkers, imported when asked for
            continue
        if isinstance(node, ast.Import):
            targets = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = importlib.util.resolve_name("." * node.level + source, package)
            # `from jaxscale import laws` takes a module, `from jaxscale.laws import chinchilla` a name
            targets = [
                (whole, None) if (whole := f"{source}.{alias.name}") in modules() else (source, alias.name)
                for alias in node.names
            ]
        else:
            continue
        for target, name in targets:
            if target == "jaxscale" or target.startswith("jaxscale."):
                found.append((target, name, node.lineno, id(node) in inside))
    return found


@dataclass
class Said:
    """What the tests ask of the package's text, which is parsed once for all of them."""

    imports: list[tuple[str, str, str | None, int, bool]] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    renamed: list[tuple[str, int, str, str]] = field(default_factory=list)  # by an import: module, line, name, new name
    more_than_prose: list[str] = field(default_factory=list)  # faces of wings


@cache
def said() -> Said:
    found = Said()
    for dotted, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.imports += [(dotted, *each) for each in imports_in(tree, path, dotted)]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.classes[node.name] += 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found.renamed += [(dotted, node.lineno, a.name, a.asname) for a in node.names if a.asname]
        if path.name == "__init__.py" and "._" in dotted and [type(node) for node in tree.body] != [ast.Expr]:
            found.more_than_prose.append(dotted)
    return found


def all_imports() -> list[tuple[str, str, str | None, int, bool]]:
    return said().imports


def test_every_module_is_in_a_wing():
    assert {wing_of(dotted) for dotted in modules()} == set(MAY_IMPORT)
    assert sum(not p.name.startswith("__pycache__") for p in PACKAGE.iterdir()) <= 24


def test_wings_import_downhill():
    against = [
        f"{dotted}:{line} imports {target}"
        for dotted, target, _, line, _ in all_imports()
        if wing_of(target) not in MAY_IMPORT[wing_of(dotted)] | {wing_of(dotted)}
    ]
    assert against == []


def test_no_import_is_hidden_in_a_function():
    assert [f"{dotted}:{line}" for dotted, _, _, line, hidden in all_imports() if hidden] == []


def test_no_circles():
    graph = {dotted: set() for dotted in modules()}
    for dotted, target, _, _, _ in all_imports():
        graph[dotted].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {error.args[1]}")


def test_the_face_of_a_wing_is_prose():
    assert said().more_than_prose == []


def test_no_two_files_share_a_name():
    stems = Counter(path.stem for path in modules().values() if path.stem != "__init__")
    assert [name for name, count in stems.items() if count > 1] == []


def test_the_check_of_imports_sees_every_form(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        "import jax\n"
        "import jaxscale.costs\n"
        "from jaxscale import laws, Law\n"
        "from jaxscale.laws import chinchilla\n"
        "from . import runs\n"
        "from ..laws._math import logsumexp\n"
        "def f():\n    from jaxscale._fitting.fit import fit\n"
    )
    assert imports_of(path, "jaxscale._data.example") == [
        ("jaxscale.costs", None, 2, False),
        ("jaxscale.laws", None, 3, False),
        ("jaxscale", "Law", 3, False),
        ("jaxscale.laws", "chinchilla", 4, False),
        ("jaxscale._data.runs", None, 5, False),
        ("jaxscale.laws._math", "logsumexp", 6, False),
        ("jaxscale._fitting.fit", "fit", 8, True),
    ]


def test_the_face_of_a_wing_names_every_file_in_it():
    for path in sorted(PACKAGE.rglob("_*/**/__init__.py")):
        folder = path.parent
        if not list(folder.glob("[a-z]*.py")):
            continue
        face = (folder / "__init__.py").read_text(encoding="utf-8")
        files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        named = set(re.findall(r"`(\w+)`", face))
        assert files <= named, f"{folder.name}: {sorted(files - named)} are not named in __init__.py"


def test_no_private_name_is_taken_from_another_module():
    taken = [f"{d}:{line} {name}" for d, _, name, line, _ in all_imports() if name and name.startswith("_")]
    assert [t for t in taken if not t.endswith("__version__")] == []


def test_no_import_changes_a_name():
    usual = {"np", "jnp", "pd", "js"}
    assert [each for each in said().renamed if each[3] not in usual | {each[2]}] == []


def test_one_class_name_is_one_thing():
    assert [name for name, count in said().classes.items() if count > 1] == []
