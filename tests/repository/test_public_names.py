"""The public names, listed by hand so that adding one is a visible act, and what importing them does."""

import ast
import json
from pathlib import Path

import pytest
from helpers import ROOT, run_python

import jaxscale

PUBLIC = {
    # nouns
    "AbsoluteError",
    "Bias",
    "Comparison",
    "CostModel",
    "Draws",
    "FitResult",
    "Forecast",
    "Fits",
    "FitsTable",
    "Huber",
    "Influence",
    "Law",
    "Limit",
    "LowerEdge",
    "Multiplier",
    "Multiverse",
    "NextRuns",
    "Plan",
    "Profile",
    "RatioTest",
    "Recipe",
    "Runs",
    "Sensitivity",
    "Score",
    "Skills",
    "SquaredError",
    "StudentT",
    "Watched",
    "WhatIf",
    # verbs
    "allocate",
    "approaches",
    "bias",
    "bootstrap",
    "compare",
    "envelope",
    "fit",
    "fit_chain",
    "fit_many",
    "fit_shards",
    "fit_stream",
    "forecast",
    "frontier",
    "isoflop",
    "influence",
    "load",
    "merge_shards",
    "multiplier",
    "multiverse",
    "next_runs",
    "posterior",
    "profile",
    "ratio_test",
    "read_fits",
    "read_forecast",
    "read_runs",
    "recipe",
    "reference_models",
    "rescaling",
    "serve",
    "run_sensitivity",
    "score",
    "skills",
    "tornado",
    "watch",
    "what_if",
    # namespaces
    "costs",
    "datasets",
    "laws",
    "limits",
    "optim",
    "plot",
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


def test_public_names_are_these():
    assert len(jaxscale.__all__) == len(set(jaxscale.__all__))
    assert set(jaxscale.__all__) - {"__version__"} == PUBLIC
    assert [name for name in jaxscale.__all__ if not hasattr(jaxscale, name)] == []


def test_type_checkers_see_the_names_that_are_imported_when_asked_for():
    tree = ast.parse(Path(jaxscale.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}  # pyright: ignore
    homes = dict.fromkeys(jaxscale._NAMESPACES, "jaxscale") | {
        name: f"jaxscale.{home}" for name, home in jaxscale._HOME_OF.items()
    }
    assert seen == homes


def test_modules_without_an_underscore_are_public_namespaces():
    names = {path.stem for path in (ROOT / "jaxscale").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert {name for name in names if not name.startswith("_")} - {"schemas", "py"} <= PUBLIC


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    code = (
        "import sys, jaxscale; print(sorted({'jax', 'numpy', 'pandas', 'scipy', 'rich', 'typer'} & set(sys.modules)))"
    )
    assert run_python("-c", code, folder=tmp_path).strip() == "[]"


@pytest.mark.slow
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
    modules = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "jaxscale").rglob("*.py"))
    names = [".".join(m.parts).removesuffix(".__init__") for m in modules if m.name != "__main__"]  # which runs
    expected = {"settings": [], "environment": True, "filters": True, "backends": False, "unneeded": []}
    assert json.loads(run_python("-c", code, *names, folder=tmp_path)) == expected
