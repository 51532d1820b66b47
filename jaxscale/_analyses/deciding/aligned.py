"""Curves of runs aligned by progress: where a loss will be, by a regression over finished runs at the same share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

_WINDOW = 0.6  # a level is read off a line through the checkpoints from this share of the place on


@dataclass(frozen=True, eq=False)
class Along:
    """Of one run: progress, growing, and log losses."""

    progress: np.ndarray
    logs: np.ndarray

    def level(self, at: float) -> float:
        """The log loss at a progress, from what was seen up to there."""
        return float(weights_of_level(self.progress, at) @ self.logs)

    def at(self, at: float) -> float:
        """The log loss at a progress, between the checkpoints around it."""
        return float(np.interp(math.log(at), np.log(self.progress), self.logs))


def weights_of_level(places: np.ndarray, at: float) -> np.ndarray:
    """What each value at growing places, (n,), counts for the level at one of them: that of a line over log places
    through those of the last two fifths of the way there, which takes out their noise."""
    near = (places <= at * (1 + 1e-9)) & (places >= _WINDOW * at)
    if near.sum() < 3:
        return weights_between(places, at)
    x = np.log(places[near] / at)
    spread = x - x.mean()
    weights = np.zeros(len(places))
    weights[near] = 1 / len(x) - x.mean() * spread / (spread @ spread)
    return weights


def weights_between(places: np.ndarray, at: float) -> np.ndarray:
    """What each value at growing places, (n,), counts for that at one of them, between its neighbours in logs."""
    x = np.log(places)
    weights = np.zeros(len(places))
    k = int(np.clip(np.searchsorted(x, math.log(at)), 1, max(len(x) - 1, 1)))
    if len(x) == 1:
        return np.ones(1)
    share = float(np.clip((math.log(at) - x[k - 1]) / (x[k] - x[k - 1]), 0.0, 1.0))
    weights[k - 1], weights[k] = 1 - share, share
    return weights


@dataclass(frozen=True)
class Told:
    """A log loss to come: its value, standard error of a new run, and degrees of freedom."""

    value: float
    error: float
    freedom: int

    def half(self, level: float) -> float:
        """Half of the interval."""
        return float(stdtrit(self.freedom, (1 + level) / 2)) * self.error

    def chance(self, target: float) -> float:
        """That it is at most the target."""
        return float(stdtr(self.freedom, (target - self.value) / max(self.error, 1e-300)))


def regress(here: np.ndarray, levels: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The y of a run that is `here`, where others are at `levels` and have y, (..., n); and its standard error."""
    n, spread = y.shape[-1], levels - levels.mean(-1, keepdims=True)
    across = np.sum(spread**2, -1)
    sure = across > 0
    safe = np.where(sure, across, 1.0)
    slope = np.where(sure, np.sum(spread * y, -1) / safe, 1.0)
    left = y - y.mean(-1, keepdims=True) - slope[..., None] * spread
    scale = np.sqrt(np.sum(left**2, -1) / (n - 2))
    beyond = here - levels.mean(-1)
    away = np.where(sure, beyond**2 / safe, 0.0)
    return y.mean(-1) + slope * beyond, scale * np.sqrt(1 + 1 / n + away)


@dataclass(frozen=True, eq=False)
class ByProgress:
    """A run under way beside finished ones that had its schedule: at one progress they are at one stage of it."""

    own: Along
    finished: Mapping[str, Along]

    def foretell(self, now: float, then: float, typical: bool = False, smooth: bool = False) -> Told:
        """The log loss at progress `then`, as seen from progress `now`; of a typical run instead of this one; of a
        level instead of a checkpoint."""
        levels = self._levels(now)
        here = np.asarray(levels.mean() if typical else self.own.level(now))
        ends = self._levels(then) if smooth else np.array([c.at(then) for c in self.finished.values()])
        value, error = regress(here, levels, ends)
        return Told(float(value), float(error), len(levels) - 2)

    def side(self, now: float) -> str | None:
        """Whether its loss lies "below" or "above" those of all others."""
        return side_of(self.own.level(now), self._levels(now))

    def _levels(self, now: float) -> np.ndarray:
        return np.array([c.level(now) for c in self.finished.values()])


def side_of(here: float, levels: np.ndarray) -> str | None:
    """Whether a level lies "below" or "above" all others."""
    return "below" if here < levels.min() else "above" if here > levels.max() else None
