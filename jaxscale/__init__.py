"""Scaling laws fitted, judged and planned with, in JAX.

`read_runs` -> `fit` -> `frontier`. Importing this package loads nothing heavy, changes no JAX setting and touches no
device.

The wings, in the order of the line; the first sentence of each folder says what it is and how to read it:

    _base         what everything stands on: errors, words, reports, files
    _data         a table becomes checked runs; trackers
    laws          formulas, parameters, published constants
    optim         the solver, as an optax transformation
    _problem      law, runs and objective as arrays, with value and slopes
    _solver       from many starts to the lowest optimum
    _trust        intervals and the verdict
    _fitting      results, and the verbs that make them; pooling: groups that share parameters
    _cluster      fits of more sets than one machine can do
    costs, limits                     what a plan spends and keeps to
    reference                         accelerators with their prices, and known models
    _allocation   the best decision, certified and differentiable
    _planning     plans, what-if, known models; recipes: what exactly to train
    _analyses     questions to fits and plans: diagnostics, approaches, comparison, deciding
    plot          pictures: what they show, as arrays, and drawn
    _pages        a report of it all as one file; the page in which tables are fitted and sliders moved
    synthetic                         made-up runs
    datasets                          which public runs the tests read, and how (no files come with it)
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
    from jaxscale._analyses.approaches.approaches import approaches as approaches
    from jaxscale._analyses.approaches.envelope import envelope as envelope
    from jaxscale._analyses.approaches.isoflop import isoflop as isoflop
    from jaxscale._analyses.comparison.compare import compare as compare
    from jaxscale._analyses.comparison.comparison import Comparison as Comparison
    from jaxscale._analyses.comparison.skills import Skills as Skills
    from jaxscale._analyses.comparison.skills import skills as skills
    from jaxscale._analyses.deciding.chosen_runs import NextRuns as NextRuns
    from jaxscale._analyses.deciding.equal_loss import multiplier as multiplier
    from jaxscale._analyses.deciding.forecast import Forecast as Forecast
    from jaxscale._analyses.deciding.forecast import forecast as forecast
    from jaxscale._analyses.deciding.forecast import read_forecast as read_forecast
    from jaxscale._analyses.deciding.multiplier import Multiplier as Multiplier
    from jaxscale._analyses.deciding.next_runs import next_runs as next_runs
    from jaxscale._analyses.deciding.score import Score as Score
    from jaxscale._analyses.deciding.score import score as score
    from jaxscale._analyses.deciding.watch import watch as watch
    from jaxscale._analyses.deciding.watched import Watched as Watched
    from jaxscale._analyses.diagnostics.bias import Bias as Bias
    from jaxscale._analyses.diagnostics.bias import bias as bias
    from jaxscale._analyses.diagnostics.influence import Influence as Influence
    from jaxscale._analyses.diagnostics.influence import influence as influence
    from jaxscale._analyses.diagnostics.multiverse import Multiverse as Multiverse
    from jaxscale._analyses.diagnostics.multiverse import multiverse as multiverse
    from jaxscale._analyses.diagnostics.profile import Profile as Profile
    from jaxscale._analyses.diagnostics.profile import profile as profile
    from jaxscale._analyses.diagnostics.ratio_test import RatioTest as RatioTest
    from jaxscale._analyses.diagnostics.ratio_test import ratio_test as ratio_test
    from jaxscale._analyses.diagnostics.run_sensitivity import run_sensitivity as run_sensitivity
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
    from jaxscale._data.runs import Runs as Runs
    from jaxscale._data.runs import read_runs as read_runs
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
    from jaxscale._pages.app.serve import serve as serve
    from jaxscale._planning.frontier import frontier as frontier
    from jaxscale._planning.known_models import reference_models as reference_models
    from jaxscale._planning.plan import Plan as Plan
    from jaxscale._planning.recipes.recipe import recipe as recipe
    from jaxscale._planning.recipes.written_recipe import Recipe as Recipe
    from jaxscale._planning.sensitivity import Sensitivity as Sensitivity
    from jaxscale._planning.tornado import tornado as tornado
    from jaxscale._planning.what_if import WhatIf as WhatIf
    from jaxscale._planning.what_if import what_if as what_if
    from jaxscale._problem.objectives import AbsoluteError as AbsoluteError
    from jaxscale._problem.objectives import Huber as Huber
    from jaxscale._problem.objectives import LowerEdge as LowerEdge
    from jaxscale._problem.objectives import SquaredError as SquaredError
    from jaxscale._problem.objectives import StudentT as StudentT
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
    "_pages.app.serve": ("serve",),
    "_planning.frontier": ("frontier",),
    "_planning.plan": ("Plan",),
    "_planning.known_models": ("reference_models",),
    "_planning.sensitivity": ("Sensitivity",),
    "_planning.tornado": ("tornado",),
    "_planning.what_if": ("WhatIf", "what_if"),
    "_planning.recipes.recipe": ("recipe",),
    "_planning.recipes.written_recipe": ("Recipe",),
    "_analyses.deciding.chosen_runs": ("NextRuns",),
    "_analyses.deciding.next_runs": ("next_runs",),
    "_analyses.diagnostics.bias": ("Bias", "bias"),
    "_analyses.diagnostics.influence": ("Influence", "influence"),
    "_analyses.diagnostics.multiverse": ("Multiverse", "multiverse"),
    "_analyses.diagnostics.profile": ("Profile", "profile"),
    "_analyses.diagnostics.ratio_test": ("RatioTest", "ratio_test"),
    "_analyses.diagnostics.run_sensitivity": ("run_sensitivity",),
    "_analyses.deciding.equal_loss": ("multiplier",),
    "_analyses.deciding.forecast": ("Forecast", "forecast", "read_forecast"),
    "_analyses.deciding.multiplier": ("Multiplier",),
    "_cluster.fit_shards": ("fit_shards",),
    "_cluster.fits_table": ("FitsTable", "read_fits"),
    "_cluster.merge_shards": ("merge_shards",),
    "_analyses.deciding.score": ("Score", "score"),
    "_analyses.deciding.watch": ("watch",),
    "_analyses.deciding.watched": ("Watched",),
    "_analyses.comparison.compare": ("compare",),
    "_analyses.comparison.comparison": ("Comparison",),
    "_analyses.comparison.skills": ("Skills", "skills"),
    "_analyses.approaches.approaches": ("approaches",),
    "_analyses.approaches.envelope": ("envelope",),
    "_analyses.approaches.isoflop": ("isoflop",),
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
