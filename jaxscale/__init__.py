"""Scaling laws fitted, judged and planned with, in JAX.

`read_runs` -> `fit` -> `frontier`. Importing this package loads nothing heavy, changes no JAX setting and touches no
device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxscale._version import __version__

if TYPE_CHECKING:
    from jaxscale import costs, datasets, laws, limits, optim, reference, synthetic
    from jaxscale._allocate import allocate
    from jaxscale._approaches import approaches
    from jaxscale._bootstrap import bootstrap
    from jaxscale._chains import fit_chain
    from jaxscale._compare import compare
    from jaxscale._comparison import Comparison
    from jaxscale._draws import Draws
    from jaxscale._envelope import envelope
    from jaxscale._errors import (
        DataWarning,
        InputError,
        JaxscaleError,
        JaxscaleWarning,
        MissingExtraError,
        PrecisionWarning,
    )
    from jaxscale._fit import fit
    from jaxscale._fit_many import fit_many, fit_stream
    from jaxscale._frontier import Plan, frontier
    from jaxscale._group_fits import Fits
    from jaxscale._influence import Influence, influence
    from jaxscale._isoflop import isoflop
    from jaxscale._known_models import reference_models
    from jaxscale._load import load
    from jaxscale._multiverse import Multiverse, multiverse
    from jaxscale._objective import AbsoluteError, Huber, SquaredError, StudentT
    from jaxscale._posterior import posterior
    from jaxscale._profile import Profile, RatioTest, profile, ratio_test
    from jaxscale._result import FitResult
    from jaxscale._run_sensitivity import run_sensitivity
    from jaxscale._runs import Runs, read_runs
    from jaxscale._sensitivity import Sensitivity
    from jaxscale._what_if import WhatIf, tornado, what_if
    from jaxscale.costs import CostModel
    from jaxscale.laws import Law
    from jaxscale.limits import Limit

_HOMES = {
    "_allocate": ("allocate",),
    "_approaches": ("approaches",),
    "_bootstrap": ("bootstrap",),
    "_chains": ("fit_chain",),
    "_compare": ("compare",),
    "_comparison": ("Comparison",),
    "_draws": ("Draws",),
    "_envelope": ("envelope",),
    "_errors": (
        "DataWarning",
        "InputError",
        "JaxscaleError",
        "JaxscaleWarning",
        "MissingExtraError",
        "PrecisionWarning",
    ),
    "_fit": ("fit",),
    "_fit_many": ("fit_many", "fit_stream"),
    "_frontier": ("Plan", "frontier"),
    "_group_fits": ("Fits",),
    "_isoflop": ("isoflop",),
    "_influence": ("Influence", "influence"),
    "_known_models": ("reference_models",),
    "_load": ("load",),
    "_multiverse": ("Multiverse", "multiverse"),
    "_objective": ("AbsoluteError", "Huber", "SquaredError", "StudentT"),
    "_posterior": ("posterior",),
    "_profile": ("Profile", "RatioTest", "profile", "ratio_test"),
    "_result": ("FitResult",),
    "_run_sensitivity": ("run_sensitivity",),
    "_runs": ("Runs", "read_runs"),
    "_sensitivity": ("Sensitivity",),
    "_what_if": ("WhatIf", "tornado", "what_if"),
    "costs": ("CostModel",),
    "laws": ("Law",),
    "limits": ("Limit",),
}
_NAMESPACES = ("costs", "datasets", "laws", "limits", "optim", "reference", "synthetic")
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AbsoluteError",
    "Comparison",
    "CostModel",
    "DataWarning",
    "Draws",
    "FitResult",
    "Fits",
    "Huber",
    "Influence",
    "InputError",
    "JaxscaleError",
    "JaxscaleWarning",
    "Law",
    "Limit",
    "MissingExtraError",
    "Multiverse",
    "Plan",
    "PrecisionWarning",
    "Profile",
    "RatioTest",
    "Runs",
    "Sensitivity",
    "SquaredError",
    "StudentT",
    "WhatIf",
    "__version__",
    "allocate",
    "approaches",
    "bootstrap",
    "compare",
    "costs",
    "datasets",
    "envelope",
    "fit",
    "fit_chain",
    "fit_many",
    "fit_stream",
    "frontier",
    "influence",
    "isoflop",
    "laws",
    "limits",
    "load",
    "multiverse",
    "optim",
    "posterior",
    "profile",
    "ratio_test",
    "read_runs",
    "reference",
    "reference_models",
    "run_sensitivity",
    "synthetic",
    "tornado",
    "what_if",
]


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return import_module(f"jaxscale.{name}")
    if name in _HOME_OF:
        value = getattr(import_module(f"jaxscale.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'jaxscale' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
