"""Scaling laws fitted, judged and planned with, in JAX.

`read_runs` -> `fit` -> `frontier`. Importing this package loads nothing heavy, changes no JAX setting and touches no
device.

The wings, in the order of the line; the first sentence of each folder says what it is and how to read it:

    _base         what everything stands on: errors, words, reports, files
    _data         a table becomes checked runs
    laws          formulas, parameters, published constants
    optim         the solver, as an optax transformation
    _problem      law, runs and objective as arrays, with value and slopes
    _solver       from many starts to the lowest optimum
    _trust        intervals and the verdict
    _pooling      groups that share parameters
    _fitting      results, and the verbs that make them
    costs, limits, reference          what a plan spends and keeps to
    _allocation   the best decision, certified and differentiable
    _planning     plans, what-if, known models
    _recipes      what exactly to train: shapes, batches, devices
    _diagnostics  questions to a finished fit or plan
    _cluster      fits of more sets than one machine can do
    _comparison   which law predicts held-out runs
    _approaches   Approaches 1, 2 and 3 side by side
    _deciding     which recipe is better, which runs to do next, and whether what was foretold held
    _charts, plot what pictures show, as arrays; and drawn
    _pages        a report of it all: one HTML file, Markdown or JSON
    synthetic, datasets               made-up and real runs
    _app          the page in which tables are fitted and sliders moved
    _cli          the command line
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxscale._base.version import __version__ as __version__

if TYPE_CHECKING:
    from jaxscale import costs as costs
    from jaxscale import datasets as datasets
    from jaxscale import laws as laws
    from jaxscale import limits as limits
    from jaxscale import optim as optim
    from jaxscale import plot as plot
    from jaxscale import reference as reference
    from jaxscale import synthetic as synthetic
    from jaxscale._allocation.allocate import allocate as allocate
    from jaxscale._app.serve import serve as serve
    from jaxscale._approaches.approaches import approaches as approaches
    from jaxscale._approaches.envelope import envelope as envelope
    from jaxscale._approaches.isoflop import isoflop as isoflop
    from jaxscale._base.errors import DataWarning as DataWarning
    from jaxscale._base.errors import InputError as InputError
    from jaxscale._base.errors import JaxscaleError as JaxscaleError
    from jaxscale._base.errors import JaxscaleWarning as JaxscaleWarning
    from jaxscale._base.errors import MissingExtraError as MissingExtraError
    from jaxscale._base.errors import PrecisionWarning as PrecisionWarning
    from jaxscale._cluster.fit_shards import fit_shards as fit_shards
    from jaxscale._cluster.fits_table import FitsTable as FitsTable
    from jaxscale._cluster.fits_table import read_fits as read_fits
    from jaxscale._cluster.merge_shards import merge_shards as merge_shards
    from jaxscale._comparison.compare import compare as compare
    from jaxscale._comparison.comparison import Comparison as Comparison
    from jaxscale._data.runs import Runs as Runs
    from jaxscale._data.runs import read_runs as read_runs
    from jaxscale._deciding.chosen_runs import NextRuns as NextRuns
    from jaxscale._deciding.equal_loss import multiplier as multiplier
    from jaxscale._deciding.forecast import Forecast as Forecast
    from jaxscale._deciding.forecast import forecast as forecast
    from jaxscale._deciding.forecast import read_forecast as read_forecast
    from jaxscale._deciding.multiplier import Multiplier as Multiplier
    from jaxscale._deciding.next_runs import next_runs as next_runs
    from jaxscale._deciding.score import Score as Score
    from jaxscale._deciding.score import score as score
    from jaxscale._diagnostics.bias import Bias as Bias
    from jaxscale._diagnostics.bias import bias as bias
    from jaxscale._diagnostics.influence import Influence as Influence
    from jaxscale._diagnostics.influence import influence as influence
    from jaxscale._diagnostics.multiverse import Multiverse as Multiverse
    from jaxscale._diagnostics.multiverse import multiverse as multiverse
    from jaxscale._diagnostics.profile import Profile as Profile
    from jaxscale._diagnostics.profile import profile as profile
    from jaxscale._diagnostics.ratio_test import RatioTest as RatioTest
    from jaxscale._diagnostics.ratio_test import ratio_test as ratio_test
    from jaxscale._diagnostics.run_sensitivity import run_sensitivity as run_sensitivity
    from jaxscale._fitting.bootstrap import bootstrap as bootstrap
    from jaxscale._fitting.chains import fit_chain as fit_chain
    from jaxscale._fitting.draws import Draws as Draws
    from jaxscale._fitting.fit import fit as fit
    from jaxscale._fitting.fit_many import fit_many as fit_many
    from jaxscale._fitting.fit_many import fit_stream as fit_stream
    from jaxscale._fitting.fits import Fits as Fits
    from jaxscale._fitting.load import load as load
    from jaxscale._fitting.posterior import posterior as posterior
    from jaxscale._fitting.rescaling import rescaling as rescaling
    from jaxscale._fitting.result import FitResult as FitResult
    from jaxscale._planning.frontier import frontier as frontier
    from jaxscale._planning.known_models import reference_models as reference_models
    from jaxscale._planning.plan import Plan as Plan
    from jaxscale._planning.sensitivity import Sensitivity as Sensitivity
    from jaxscale._planning.tornado import tornado as tornado
    from jaxscale._planning.what_if import WhatIf as WhatIf
    from jaxscale._planning.what_if import what_if as what_if
    from jaxscale._problem.objectives import AbsoluteError as AbsoluteError
    from jaxscale._problem.objectives import Huber as Huber
    from jaxscale._problem.objectives import LowerEdge as LowerEdge
    from jaxscale._problem.objectives import SquaredError as SquaredError
    from jaxscale._problem.objectives import StudentT as StudentT
    from jaxscale._recipes.recipe import recipe as recipe
    from jaxscale._recipes.written_recipe import Recipe as Recipe
    from jaxscale.costs import CostModel as CostModel
    from jaxscale.laws import Law as Law
    from jaxscale.limits import Limit as Limit

# Where each public name lives. It is imported when it is first asked for.
_HOMES: dict[str, tuple[str, ...]] = {
    "_base.errors": (
        "DataWarning",
        "InputError",
        "JaxscaleError",
        "JaxscaleWarning",
        "MissingExtraError",
        "PrecisionWarning",
    ),
    "_data.runs": ("Runs", "read_runs"),
    "laws": ("Law",),
    "_problem.objectives": ("AbsoluteError", "Huber", "LowerEdge", "SquaredError", "StudentT"),
    "_fitting.bootstrap": ("bootstrap",),
    "_fitting.chains": ("fit_chain",),
    "_fitting.draws": ("Draws",),
    "_fitting.fit": ("fit",),
    "_fitting.fit_many": ("fit_many", "fit_stream"),
    "_fitting.fits": ("Fits",),
    "_fitting.load": ("load",),
    "_fitting.posterior": ("posterior",),
    "_fitting.rescaling": ("rescaling",),
    "_fitting.result": ("FitResult",),
    "costs": ("CostModel",),
    "limits": ("Limit",),
    "_allocation.allocate": ("allocate",),
    "_app.serve": ("serve",),
    "_planning.frontier": ("frontier",),
    "_planning.plan": ("Plan",),
    "_planning.known_models": ("reference_models",),
    "_planning.sensitivity": ("Sensitivity",),
    "_planning.tornado": ("tornado",),
    "_planning.what_if": ("WhatIf", "what_if"),
    "_recipes.recipe": ("recipe",),
    "_recipes.written_recipe": ("Recipe",),
    "_deciding.chosen_runs": ("NextRuns",),
    "_deciding.next_runs": ("next_runs",),
    "_diagnostics.bias": ("Bias", "bias"),
    "_diagnostics.influence": ("Influence", "influence"),
    "_diagnostics.multiverse": ("Multiverse", "multiverse"),
    "_diagnostics.profile": ("Profile", "profile"),
    "_diagnostics.ratio_test": ("RatioTest", "ratio_test"),
    "_diagnostics.run_sensitivity": ("run_sensitivity",),
    "_deciding.equal_loss": ("multiplier",),
    "_deciding.forecast": ("Forecast", "forecast", "read_forecast"),
    "_deciding.multiplier": ("Multiplier",),
    "_cluster.fit_shards": ("fit_shards",),
    "_cluster.fits_table": ("FitsTable", "read_fits"),
    "_cluster.merge_shards": ("merge_shards",),
    "_deciding.score": ("Score", "score"),
    "_comparison.compare": ("compare",),
    "_comparison.comparison": ("Comparison",),
    "_approaches.approaches": ("approaches",),
    "_approaches.envelope": ("envelope",),
    "_approaches.isoflop": ("isoflop",),
}
_NAMESPACES: tuple[str, ...] = ("costs", "datasets", "laws", "limits", "optim", "plot", "reference", "synthetic")
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__: list[str] = sorted((*_HOME_OF, *_NAMESPACES, "__version__"))  # pyright: ignore[reportUnsupportedDunderAll]


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
