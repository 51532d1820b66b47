"""Records of every kind, made without a fit: what a picture of them must show is then known beforehand."""

from dataclasses import replace

import numpy as np
import pandas as pd
from pictures import HOSTILE

import jaxscale as js
from jaxscale._analyses.comparison.comparison import Comparison, Contender, Holdout, Recommendation, Trial
from jaxscale._analyses.diagnostics.influence import Influence
from jaxscale._analyses.diagnostics.multiverse import Multiverse
from jaxscale._analyses.diagnostics.profile import Profile
from jaxscale._analyses.diagnostics.quantity import Derived
from jaxscale._base.measure import Measure


def draws_of(result: js.FitResult, hostile: bool = False) -> js.Draws:
    """Draws around a fit: theta moved by normal numbers."""
    rng = np.random.default_rng(0)
    made = js.Draws.of(result, result.theta + 0.02 * rng.standard_normal((300, len(result.theta))), "pairs", 0)
    if not hostile:
        return made
    names = {p.name: f"{p.name}{HOSTILE}" for p in result.law.parameters}
    law = replace(result.law, parameters=tuple(replace(p, name=names[p.name]) for p in result.law.parameters))
    return replace(made, law=law, params={names[k]: v for k, v in result.params.items()})


def profile_of(result: js.FitResult, hostile: bool = False) -> Profile:
    """A parabola around alpha, whose interval ends where it is 1."""
    values = np.linspace(0.30, 0.40, 21)
    asked = Derived(HOSTILE if hostile else "alpha", "", False, False, lambda theta, given: theta[0], np.empty(0))
    rise = ((values - 0.35) / 0.02) ** 2
    theta = np.tile(result.theta, (21, 1))
    return Profile(result.law, asked, 0.35, 0.33, 0.37, 0.9, values, rise, theta, "law", ())


def influence_of(result: js.FitResult, hostile: bool = False) -> Influence:
    """Thirty runs, of which the last moves the decision most."""
    n = 30
    change = np.linspace(-0.01, 0.3, n)
    asked = Derived(
        HOSTILE if hostile else "best N", "parameters", True, True, lambda theta, given: theta[0], np.empty(0)
    )
    zeros = np.zeros(n)
    return Influence(
        "law", ("E",), np.arange(1, n + 1), np.zeros((n, 1)), asked, change, np.abs(change), np.linspace(0.01, 0.4, n),
        np.linspace(-3, 9, n), zeros, zeros, (), (), True, (),
    )  # fmt: skip


def multiverse_of(result: js.FitResult, hostile: bool = False) -> Multiverse:
    """Three objectives by two laws."""
    laws = (HOSTILE, "b") if hostile else ("chinchilla", "kaplan_nd")
    objectives = (HOSTILE, "squares", "absolute")
    name = HOSTILE if hostile else "law"
    rows = [
        {name: a, "objective": b, "N": 1e10 * (1 + i + 3 * j), "D": 1e12, "loss": 2.0, "trustworthy": i != j, "why": ""}
        for i, a in enumerate(laws)
        for j, b in enumerate(objectives)
    ]
    rows[1]["N"] = np.nan
    return Multiverse(1e24, "FLOPs", Measure(), {name: laws, "objective": objectives}, pd.DataFrame(rows))


def comparison_of(result: js.FitResult, hostile: bool = False) -> Comparison:
    """Two laws and a baseline on six runs held out."""
    seen = np.linspace(2.0, 2.5, 6)
    labels = (HOSTILE, f"other {HOSTILE}", "nearest") if hostile else ("chinchilla", "kaplan_nd", "nearest")
    trials = tuple(
        Trial(name, "C > 1", observed=seen, predicted=seen * (1 + 0.01 * k)) for k, name in enumerate(labels)
    )
    held = (Holdout("C > 1", 5, (1, 2, 3, 4, 5, 6), (2.0, 2.0, 4.0, 4.0, 8.0, 8.0)),)
    contenders = tuple(Contender(name, None, 0, 0.01 * k, 0.01 * k, 1.0, 1.0) for k, name in enumerate(labels))
    return Comparison(
        HOSTILE if hostile else "loss", "nats per token", True, 0.9, "Huber", "", held,
        contenders, trials, Recommendation(labels[0], ()),
    )  # fmt: skip


SIZES = np.geomspace(1e9, 1e11, 12)


def forecast_of(result: js.FitResult, hostile: bool = False) -> js.Forecast:
    """Twelve runs to come, each of another size, at 20 tokens per parameter."""
    law = replace(result.law, name=HOSTILE) if hostile else result.law
    return js.forecast(replace(result, law=law), [{"N": n, "D": 20 * n} for n in SIZES])


def score_of(result: js.FitResult, hostile: bool = False) -> js.Score:
    """The same once they are there, the last 1 % above what was foretold, by two forecasts of which one is 1 % off."""
    one = forecast_of(result)
    seen = np.array([row.predicted for row in one.rows]) * np.repeat([1.0, 1.01], [11, 1])
    names = (HOSTILE, f"other {HOSTILE}") if hostile else ("chinchilla", "other")
    rows = tuple(
        replace(row, predicted=1.01 * row.predicted, run_interval=tuple(1.01 * end for end in row.run_interval))
        for row in one.rows
    )
    runs = js.Runs({"N": SIZES, "D": 20 * SIZES}, seen)
    return js.score({names[0]: one, names[1]: replace(one, rows=rows)}, runs)
