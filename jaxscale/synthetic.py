"""Runs from a known truth, shared by the demo, tests, benchmarks and notebooks."""

from collections.abc import Mapping
from importlib.resources import files
from io import StringIO

import numpy as np
import pandas as pd

from jaxscale._base.settings import in_float64
from jaxscale._data.runs import Runs
from jaxscale.laws import Instance, Law, chinchilla

_DEMO_FILE = "_data/demo.csv"
_AT_ONCE = 64  # budgets: for each of their numbers, JAX would compile every operation of a closed form anew


def isoflop_design(budgets, sizes_per_budget: int, spread: float = 8.0, law_params: Mapping[str, float] | None = None):
    """N and D, each (n_budgets * sizes_per_budget,), of a sweep of model sizes at each compute budget.

    Args:
        budgets: compute in FLOPs, C = 6 N D.
        sizes_per_budget: models per budget, evenly spaced in log N.
        spread: the sweep runs from the optimum / spread to the optimum * spread.
        law_params: chinchilla parameters that say where the optimum is; Epoch's refit by default.
    """
    params = dict(law_params or demo_truth().params)
    budgets = np.atleast_1d(np.asarray(budgets, np.float64))
    filled = np.pad(budgets, (0, -len(budgets) % _AT_ONCE), "edge")
    with in_float64():
        optimum = np.asarray(chinchilla.closed_forms["allocation"](params, filled).N)[: len(budgets)]
    factors = np.geomspace(1 / spread, spread, sizes_per_budget)
    sizes = np.outer(optimum, factors).ravel()
    budgets = np.repeat(budgets, sizes_per_budget)
    return sizes, budgets / (6.0 * sizes)


def observe(
    law: Law,
    params: Mapping[str, float],
    variables: Mapping[str, np.ndarray],
    *,
    noise: float = 0.0,
    bad: int = 0,
    bad_by: tuple[float, float] = (0.05, 0.2),
    seed: int = 0,
) -> Runs:
    """Runs of a law at given variables, each (n_runs,), with Gaussian noise of that standard deviation.

    The noise is on the log of a positive response, else on the response. `bad` runs, chosen at random, come out too
    high by a relative amount drawn from `bad_by`, as runs do that diverged.
    """
    rng = np.random.default_rng(seed)
    positive = law.response.domain == "positive"
    exact = np.asarray(law.predict(params, **variables))
    error = noise * rng.standard_normal(exact.shape)
    response = np.exp(np.log(exact) + error) if positive else exact + error
    spoiled = rng.choice(len(response), size=bad, replace=False)
    response[spoiled] *= 1 + rng.uniform(*bad_by, size=bad)
    return Runs(dict(variables), response, law.response.name)


def demo_truth() -> Instance:
    """What the demo runs were drawn from: Epoch's refit of the Chinchilla law."""
    return chinchilla.published["besiroglu"]


def make_demo_frame() -> pd.DataFrame:
    """The demo table: six compute budgets of nine models, noise of 0.4 % on the loss, and three bad runs."""
    sizes, tokens = isoflop_design(np.geomspace(1e18, 3e20, 6), 9)
    sizes, tokens = np.round(sizes, -4), np.round(tokens, -6)
    runs = observe(chinchilla, demo_truth().params, {"N": sizes, "D": tokens}, noise=0.004, bad=3, seed=0)
    return pd.DataFrame({
        "params": sizes.astype(np.int64),
        "tokens": tokens.astype(np.int64),
        "flops": 6.0 * sizes * tokens,
        "loss": runs.response.round(4),
    })  # fmt: skip


def demo_frame() -> pd.DataFrame:
    """The embedded demo table, as `make_demo_frame` made it: columns params, tokens, flops, loss."""
    text = files("jaxscale").joinpath(_DEMO_FILE).read_text(encoding="utf-8")
    kinds = {"params": np.int64, "tokens": np.int64, "flops": np.float64, "loss": np.float64}
    return pd.read_csv(StringIO(text), dtype=str).astype(kinds)


def demo_runs() -> Runs:
    """The embedded demo table as `Runs`."""
    return Runs.from_frame(demo_frame())
