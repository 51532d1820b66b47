"""The verb `rescaling`: what one group's parameters and tokens count for in another's, with joint intervals."""

from dataclasses import replace
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, quoted
from jaxscale._data.runs import Runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.fits import Fits
from jaxscale._fitting.result import FitResult
from jaxscale.laws.optimizers import rescaled_optimizer


def rescaling(fits: Fits, reference: str, new: str | None = None, **options: Any) -> FitResult:
    """How many times more a parameter (rho_N) and a token (rho_D) count in one group of runs than in another.

    Both groups' runs in one fit of `laws.rescaled_optimizer`: E, A, B, alpha and beta in common, as in
    `fit_many("chinchilla", table, by="optimizer", share=("E", "alpha", "beta"))`, whose A and B are the same law
    otherwise written: rho_N = (A_reference / A_new)^(1 / alpha), and rho_D with B and beta. The intervals of both
    factors, and their covariance, hold what the groups share. At equal loss, each at its best size, the new one needs
    rho_N rho_D times less compute at every scale, which `multiplier(fits, between=(reference, new), at=...)` tells with
    the interval of the difference.

    Args:
        fits: of chinchilla, one group for each optimiser (or recipe), with their runs.
        reference: the group whose factors are 1.
        new: the group whose factors are told; needed where there are more than two groups.
        **options: of `fit` (intervals, level, draws, seed, ...); the objective is that of the fits unless given.

    Raises:
        InputError: there is no such group, its fit is not of chinchilla, or it does not carry its runs.
    """
    others = [name for name, _ in fits.entries if name != reference]
    if new is None:
        if len(others) != 1:
            raise InputError(f"say which group is compared with {quoted(reference)}: new= one of {inert(others, 200)}")
        new = others[0]
    if new == reference:
        raise InputError(f"new and reference are both {quoted(new)}; name two groups")
    pair = (fits[reference], fits[new])
    for name, result in zip((reference, new), pair, strict=True):
        if result.law.name != "chinchilla":
            raise InputError(f"group {quoted(name)} is a fit of {result.law.name}; fit chinchilla to each group first")
    runs = _side_by_side([_runs_of(name, result) for name, result in zip((reference, new), pair, strict=True)])
    return fit(rescaled_optimizer, runs, **{"objective": pair[0].objective, **options})


def _runs_of(name: str, result: FitResult) -> Runs:
    if result.runs is None:
        raise InputError(f"the fit of group {quoted(name)} does not carry its runs; fit the table again")
    return result.runs


def _side_by_side(tables: list[Runs]) -> Runs:
    """Both groups' runs, and which group each is of: `new` is 0 or 1."""
    weighted = any(t.weights is not None for t in tables)
    clustered = any(t.clusters is not None for t in tables)
    variables = {name: np.concatenate([t.variables[name] for t in tables]) for name in ("N", "D")}
    variables["new"] = np.repeat([0.0, 1.0], [t.count for t in tables])
    weights = [np.ones(t.count) if t.weights is None else t.weights for t in tables]
    known = any(t.errors is not None for t in tables)
    errors = [np.ones(t.count) if t.errors is None else t.errors for t in tables]
    clusters = [
        tuple(f"{k} {label}" for label in (t.clusters or map(str, range(t.count)))) for k, t in enumerate(tables)
    ]
    return replace(
        Runs(variables, np.concatenate([t.response for t in tables]), tables[0].response_name),
        weights=np.concatenate(weights) if weighted else None,
        errors=np.concatenate(errors) if known else None,
        clusters=clusters[0] + clusters[1] if clustered else None,
    )
