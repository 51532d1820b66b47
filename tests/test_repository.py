"""What is promised about the repository: set-up, versions, public names, imports, and no trace of one machine."""

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import jaxscale

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# A module imports only from lines above it. "" is jaxscale/__init__.py, the public API; the command line alone uses it.
ORDER = [
    "_version",
    "_errors",
    "_text",
    "_report",
    "laws._math",
    "laws._rewrite",
    "laws._law",
    "laws.power",
    "laws.kaplan",
    "laws.chinchilla",
    "laws.data_constrained",
    "laws.hyperparameters",
    "laws.moe",
    "laws.precision",
    "laws.curves",
    "laws.schedules",
    "laws.surfaces",
    "laws.transfer",
    "laws.modalities",
    "laws.data_quality",
    "laws.vocabulary",
    "laws.inference",
    "laws.parallel",
    "laws.distillation",
    "laws.reinforcement",
    "laws.downstream",
    "laws",
    "reference",
    "costs",
    "limits",
    "_constrained",
    "_decision",
    "optim",
    "_objective",
    "_solve",
    "_tables",
    "_columns",
    "_cells",
    "_filters",
    "_notes",
    "_runs",
    "_problem",
    "_stack",
    "_units",
    "_starts",
    "_search",
    "_arrow",
    "_identification",
    "_trust_region",
    "_profiling",
    "_at_noise",
    "_intervals",
    "_resampling",
    "_residuals",
    "_verdict",
    "_joint_search",
    "_joint_optimum",
    "_sharing",
    "_json",
    "_card",
    "_result",
    "_draws",
    "_group_fits",
    "_load",
    "_fit",
    "_bootstrap",
    "_fit_many",
    "_chains",
    "_posterior",
    "_comparison",
    "_recommend",
    "_compare",
    "_allocate",
    "_batches",
    "_quantity",
    "_profile",
    "_influence",
    "_planning",
    "_sensitivity",
    "_plan",
    "_frontier",
    "_run_sensitivity",
    "_multiverse",
    "_what_if",
    "_known_models",
    "_trend",
    "_envelope",
    "_isoflop_shape",
    "_isoflop",
    "_approaches",
    "synthetic",
    "datasets",
    "",
    "_cli_arguments",
    "_cli_output",
    "_cli",
    "__main__",
]

PUBLIC = {
    # nouns
    "AbsoluteError",
    "Comparison",
    "CostModel",
    "Draws",
    "FitResult",
    "Fits",
    "Huber",
    "Influence",
    "Law",
    "Limit",
    "Multiverse",
    "Plan",
    "Profile",
    "RatioTest",
    "Runs",
    "Sensitivity",
    "SquaredError",
    "StudentT",
    "WhatIf",
    # verbs
    "allocate",
    "approaches",
    "bootstrap",
    "compare",
    "envelope",
    "fit",
    "fit_chain",
    "fit_many",
    "fit_stream",
    "frontier",
    "isoflop",
    "influence",
    "load",
    "multiverse",
    "posterior",
    "profile",
    "ratio_test",
    "read_runs",
    "reference_models",
    "run_sensitivity",
    "tornado",
    "what_if",
    # namespaces
    "costs",
    "datasets",
    "laws",
    "limits",
    "optim",
    "reference",
    "synthetic",
    # what a user can catch
    "DataWarning",
    "InputError",
    "JaxscaleError",
    "JaxscaleWarning",
    "MissingExtraError",
    "PrecisionWarning",
}


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def run_python(*arguments: str, folder: Path) -> str:
    """Standard output of a fresh Python process that sees this checkout."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


# Set-up


def test_ci_runs_the_two_commands_that_the_readme_prints():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    in_readme = [line for block in code_blocks("console") for line in block.splitlines() if line.startswith("pip ")]
    assert in_readme == re.findall(r'bash -c "(pip .*)"$', script, flags=re.MULTILINE)
    assert in_readme == ["pip install -e . && jaxscale demo", "pip install -e '.[test]' && pytest"]


def test_ci_script_can_be_run_and_is_what_github_calls():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "- run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_readme_python_and_commands_run(tmp_path):
    python = "\n".join(code_blocks("python"))
    commands = re.findall(r"^\$ jaxscale (.*)$", "\n".join(code_blocks("console")), flags=re.MULTILINE)
    assert "js.fit(" in python
    assert len(commands) >= 3
    assert "alpha" in run_python("-c", python, folder=tmp_path)
    for command in commands:  # they read the table that the Python example wrote
        output = run_python("-m", "jaxscale", *shlex.split(command), folder=tmp_path)
        assert output.strip() or " -o " in command, f"jaxscale {command} printed nothing"
    assert json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))["format"] == "jaxscale.fit/1"


def test_links_of_the_documents_lead_to_files():
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8"))
        assert [link for link in links if not (ROOT / link).exists()] == [], document


# Versions


def test_every_version_is_the_same():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["version"]
    documents = {
        pyproject["tool"]["hatch"]["version"]["path"]: r'^__version__ = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\S+)",
    }
    for document, pattern in documents.items():
        first = re.search(pattern, (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert first is not None, document
        assert first[1] == jaxscale.__version__, document


def test_types_ship_with_the_package():
    assert resources.files(jaxscale).joinpath("py.typed").is_file()


# Names and imports


def test_public_names_are_these():
    assert len(jaxscale.__all__) == len(set(jaxscale.__all__))
    assert set(jaxscale.__all__) - {"__version__"} == PUBLIC
    assert [name for name in jaxscale.__all__ if not hasattr(jaxscale, name)] == []


def test_modules_without_an_underscore_are_public_namespaces():
    assert {name for name in ORDER if name and "." not in name and not name.startswith("_")} <= PUBLIC


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    code = (
        "import sys, jaxscale; print(sorted({'jax', 'numpy', 'pandas', 'scipy', 'rich', 'typer'} & set(sys.modules)))"
    )
    assert run_python("-c", code, folder=tmp_path).strip() == "[]"


def test_importing_every_module_changes_no_setting_and_touches_no_device(tmp_path):
    # SciPy's parts come first for the warning filters that they install themselves. scipy.stats is slow to import.
    code = """
import importlib, json, os, sys, warnings
import jax, optax, pandas, scipy.sparse, scipy.spatial, scipy.special, typer
from jax._src import xla_bridge
before = dict(jax.config.values), dict(os.environ), list(warnings.filters)
import jaxscale
for name in sys.argv[1:]:
    importlib.import_module(name)
for name in jaxscale.__all__:
    getattr(jaxscale, name)
values = dict(jax.config.values)
print(json.dumps({
    "settings": [name for name in values if values[name] != before[0].get(name)],
    "environment": dict(os.environ) == before[1],
    "filters": list(warnings.filters) == before[2],
    "backends": xla_bridge.backends_are_initialized(),
    "unneeded": sorted({"matplotlib", "altair", "numpyro", "distributed", "pooch", "scipy.stats"} & set(sys.modules)),
}))
"""
    names = [module_path(name)[0] for name in ORDER if name != "__main__"]  # importing that one runs it
    expected = {"settings": [], "environment": True, "filters": True, "backends": False, "unneeded": []}
    assert json.loads(run_python("-c", code, *names, folder=tmp_path)) == expected


def module_path(name: str) -> tuple[str, Path]:
    """The dotted name and the file of a line of ORDER."""
    dotted = f"jaxscale.{name}".rstrip(".")
    path = ROOT.joinpath(*dotted.split("."))
    return (dotted, path / "__init__.py") if path.is_dir() else (dotted, path.with_suffix(".py"))


def internal_imports(path: Path, dotted: str) -> list[tuple[str, int, bool]]:
    """What a module imports from the package: line of ORDER, line number, and whether a function hides it."""
    package = dotted if path.name == "__init__.py" else dotted.rpartition(".")[0]
    known = {module_path(name)[0] for name in ORDER}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = importlib.util.resolve_name("." * node.level + source, package)
            # `from jaxscale import laws` takes a module, `from jaxscale.laws import chinchilla` may take either
            targets = [dotted if (dotted := f"{source}.{alias.name}") in known else source for alias in node.names]
        else:
            continue
        for target in targets:
            if target == "jaxscale" or target.startswith("jaxscale."):
                found.append((target.removeprefix("jaxscale").removeprefix("."), node.lineno, id(node) in inside))
    return found


def test_every_module_has_its_place():
    in_package = {path.relative_to(ROOT) for path in (ROOT / "jaxscale").rglob("*.py")}
    assert {module_path(name)[1].relative_to(ROOT) for name in ORDER} == in_package


@pytest.mark.parametrize("name", ORDER, ids=lambda name: name or "__init__")
def test_imports_run_downhill(name):
    dotted, path = module_path(name)
    imports = internal_imports(path, dotted)
    above = set(ORDER[: ORDER.index(name)])
    assert [(target, line) for target, line, _ in imports if target not in above] == []
    assert [(target, line) for target, line, hidden in imports if hidden] == []


def test_the_check_of_imports_sees_every_form(tmp_path):
    path = tmp_path / "_example.py"
    path.write_text(
        "import jax\n"
        "import jaxscale.costs\n"
        "from jaxscale import laws, Law\n"
        "from jaxscale.laws import chinchilla, Parameter\n"
        "from . import _runs\n"
        "from .laws._math import logsumexp\n"
        "def f():\n    from ._fit import fit\n"
    )
    assert internal_imports(path, "jaxscale._example") == [
        ("costs", 2, False),
        ("laws", 3, False),
        ("", 3, False),
        ("laws.chinchilla", 4, False),
        ("laws", 4, False),
        ("_runs", 5, False),
        ("laws._math", 6, False),
        ("_fit", 8, True),
    ]


# Nothing of one machine

MACHINE = {
    "an absolute path": re.compile(r"(?<![\w.~}])/(?:home|Users|root|tmp|opt|mnt|srv|work)/\w"),
    "a package registry": re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs|index[-]url"),
}


def test_no_file_speaks_of_one_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("which files belong to the repository is known to git alone")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}"
        for path in paths
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        for what, pattern in MACHINE.items()
        if pattern.search(line)
    ]
    assert ROOT / "README.md" in paths
    assert found == []
