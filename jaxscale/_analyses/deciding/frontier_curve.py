"""The best response of a recipe over compute, tabulated once and read in between."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.interpolate import CubicHermiteSpline, CubicSpline

from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.derivatives import expand
from jaxscale._allocation.per_draw import TARGETS, follow
from jaxscale._base.errors import InputError
from jaxscale._base.settings import in_float64
from jaxscale._planning.frontier import request_of
from jaxscale._planning.posed import Posed
from jaxscale._planning.source import Source

_HALVINGS = 50


@dataclass(frozen=True, eq=False)
class FrontierCurve:
    """The best response by compute, lower being better: its log, or the response itself where that may be negative;
    the sign is turned where higher is better.

    x: logs of compute, (n,), growing. value, slope: of the best response there and its derivative by x, (n,), or
    (draws, n). gradient: derivatives of the value by theta, (n, n_parameters), of the point estimate alone. least:
    the log of compute below which limits leave no plan; whole: whether there are plans up to the end that was wanted.
    """

    x: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    gradient: np.ndarray | None = None
    least: float = -np.inf
    whole: bool = True

    @cached_property
    def _values(self) -> CubicHermiteSpline:
        return CubicHermiteSpline(self.x, self.value, self.slope, axis=-1)

    @cached_property
    def _gradients(self) -> CubicSpline:
        assert self.gradient is not None
        return CubicSpline(self.x, self.gradient, axis=0)

    def value_at(self, x: Any) -> np.ndarray:
        """The value at logs of compute (m,): (m,), or (draws, m)."""
        return self._values(x)

    def slope_at(self, x: Any) -> np.ndarray:
        """Its derivative by the log of compute."""
        return self._values(x, 1)

    def gradient_at(self, x: Any) -> np.ndarray:
        """Its derivatives by theta, (m, n_parameters)."""
        return self._gradients(x)

    def reach(self, values: np.ndarray) -> np.ndarray:
        """The log of the least compute that reaches each of `values`, (m,) or (draws, m): infinite where the curve ends
        above it (nan where it ends early), minus infinity (or the least there is) where it begins below. By bisection
        of the cubic pieces between the points."""
        own = np.atleast_2d(self.value)
        wanted = np.broadcast_to(values, (len(own), np.shape(values)[-1]))
        # The piece that holds it; a curve that rounding makes rise is taken for level.
        falling = np.minimum.accumulate(own, axis=1)
        k = np.stack([np.searchsorted(-f, -w, side="left") for f, w in zip(falling, wanted, strict=True)]) - 1
        early, late = k < 0, k >= self.x.size - 1
        k = np.clip(k, 0, self.x.size - 2)
        width = np.diff(self.x)[k]
        rows = np.arange(len(own))[:, None]
        start, end = own[rows, k], own[rows, k + 1]
        leave, arrive = (np.atleast_2d(self.slope)[rows, k + j] * width for j in (0, 1))
        low, high = np.zeros_like(start), np.ones_like(start)
        for _ in range(_HALVINGS):
            t = (low + high) / 2
            s = 1 - t
            y = start * s * s * (1 + 2 * t) + end * t * t * (3 - 2 * t) + s * t * (leave * s - arrive * t)
            above = y > wanted
            low, high = np.where(above, t, low), np.where(above, high, t)
        x = self.x[k] + width * (low + high) / 2
        x = np.where(late, np.inf if self.whole else np.nan, np.where(early, self.least, x))
        return x.reshape((*np.shape(self.value)[:-1], x.shape[1]))


def curve_of(source: Source, x: np.ndarray, *, logged: bool, cost: Any, limits: Any) -> FrontierCurve:
    """The curve of the point estimate through logs of compute `x`, without those where there is no best decision.

    Raises:
        InputError: there is one at fewer than two of them.
    """
    posed = _posed(source, x, cost, limits)
    decision = posed.decision
    with in_float64():
        givens = posed.givens(source.theta)
        found = expand(decision, solve_many(decision, givens), givens)
    known = [k for k, e in enumerate(found) if e is not None and np.isfinite(e.values[-2])]
    if len(known) < 2:
        raise InputError(f"{source.label} has no best decision at these budgets: see what frontier says of them")
    count = len(source.theta)
    own = [e for e in found if e is not None and np.isfinite(e.values[-2])]
    value = np.array([e.values[-2] for e in own])
    slopes = np.array([e.slopes[-2] for e in own])
    if decision.law.response.logged and not logged:  # the response itself, to go with a law that knows no logs
        value = np.exp(value)
        slopes = slopes * value[:, None]
    sign = decision.sign
    least = float(x[known[0]]) if known[0] else -np.inf
    ends = {"least": least, "whole": known[-1] == len(x) - 1}
    return FrontierCurve(x[known], sign * value, sign * slopes[:, count], sign * slopes[:, :count], **ends)


def curves_of_draws(
    source: Source, draws: np.ndarray, x: np.ndarray, *, logged: bool, cost: Any, limits: Any
) -> FrontierCurve:
    """The curves of parameters (draws, n_parameters), each planned for itself, through at most 32 logs of compute; nan
    where a draw has no best decision."""
    assert len(x) <= TARGETS
    posed = _posed(source, x, cost, limits)
    decision = posed.decision
    with in_float64():
        point = solve_many(decision, posed.givens(source.theta))
        found = follow(decision, draws, posed.wanted, posed.rest, point)
    value = np.where(found.sound, found.value, np.nan).T
    slope = -np.where(found.sound, found.price, np.nan).T
    if decision.law.response.logged and not logged:
        value = decision.sign * np.exp(decision.sign * value)
        slope = slope * np.abs(value)
    return FrontierCurve(x, value, slope)


def _posed(source: Source, x: np.ndarray, cost: Any, limits: Any) -> Posed:
    return Posed.of(request_of(source, np.exp(x), cost=cost, limits=limits))
