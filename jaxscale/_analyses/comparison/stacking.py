"""Weights of laws by how they predict held-out runs together."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

_ROUNDS, _SETTLED = 10_000, 1e-10


def log_densities(trials: Sequence[Any], relative: bool, level: float) -> np.ndarray | None:
    """Log density of every held-out response by one law's own predictions and intervals, over all its trials; None
    where one is missing."""
    if any(t.reason for t in trials) or not trials:
        return None
    found = (np.concatenate([getattr(t, name) for t in trials]) for name in ("observed", "predicted", "low", "high"))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed, predicted, low, high = (np.log(v) if relative else v for v in found)
        width = (high - low) / (2 * NormalDist().inv_cdf((1 + level) / 2))
        logs = -0.5 * ((observed - predicted) / width) ** 2 - np.log(width) - 0.5 * np.log(2 * np.pi)
    return logs if len(logs) and np.isfinite(logs).all() else None


def stacked(logs: np.ndarray) -> np.ndarray:
    """The weights (laws,) that make the mean log of the mixture's density greatest, from log densities (laws, runs).

    The problem is concave; each round gives a law its mean share of the density (the EM algorithm), which never lowers
    it.
    """
    density = np.exp(logs - logs.max(axis=0))
    weights = np.full(len(logs), 1 / len(logs))
    for _ in range(_ROUNDS):
        new = (weights[:, None] * density / (weights @ density)).mean(axis=1)
        if np.abs(new - weights).max() < _SETTLED:
            break
        weights = new
    return weights / weights.sum()
