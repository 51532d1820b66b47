"""Interior points and Newton's method as two programs, of which each is often asked for alone; see `constrained`."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.active_rows import Certificate, newton
from jaxscale._allocation.constrained import InteriorEnd, Solution, descended, judged, of_best_start
from jaxscale._allocation.lane_algebra import listed, stacked
from jaxscale._allocation.local_model import ConstrainedProblem, value_at


def ended_by_start(
    problem: ConstrainedProblem, given: Array, starts: Array, on: Array, *settings: Array
) -> tuple[Array, ...]:
    """`InteriorEnd` from starts (count, n, lanes), and the objectives there: (count, ..., lanes) each."""
    count = len(starts)
    ended = descended(problem, given, starts, on, *settings)
    value = value_at(problem, ended.x, jnp.tile(given, (1, count)))
    return tuple(jnp.moveaxis(v.reshape(*v.shape[:-1], count, -1), -2, 0) for v in (*ended, value))


def polished(
    problem: ConstrainedProblem, given: Array, on: Array, weight: Any, x: Array, prices: Array
) -> tuple[Array, ...]:
    """The parts of a `Certificate` of what Newton's method makes of x (n, lanes), and the objectives there."""
    last = newton(problem, given, on, weight, listed(x), prices)
    return *last._replace(x=stacked(last.x)), value_at(problem, last.x, given)


def along_lanes(found: Sequence[np.ndarray]) -> tuple[InteriorEnd, np.ndarray]:
    """What `ended_by_start` found, start by start along the lanes."""
    *parts, value = (np.moveaxis(v, 0, -2).reshape(*v.shape[1:-1], -1) for v in found)
    return InteriorEnd(*parts), value


def together(ended: tuple[InteriorEnd, np.ndarray], last: tuple[Certificate, np.ndarray], count: int) -> Solution:
    """The best answer of `count` starts, from where interior points ended and what Newton's method made of that, with
    the objectives at both."""
    with np.errstate(all="ignore"):  # what went nowhere may be infinite
        found = judged(ended[0], last[0], lambda good, _: np.where(good, last[1], ended[1]), np)
        return of_best_start(found, count, np)
