"""Which laws are sums of two powers, E + A N^-alpha + B D^-beta, under whatever names: the page plans with these
exactly."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from jaxscale.laws import Law

ROLES = ("E", "A", "alpha", "B", "beta")
_NEAR = 1e-9  # relative; rounding is 1e-15
# Sizes, tokens and steps of theta at which a law is compared with a sum of powers; any would do that are not special.
_N = np.geomspace(1.3e7, 2.9e11, 4)
_D = np.geomspace(3.7e8, 1.9e13, 4)
_STEPS = (0.0, 0.031, -0.027)


def roles_of(law: Law, theta: np.ndarray) -> dict[str, int | None] | None:
    """Where in theta (n_parameters,) each number of the sum stands; None for the E of a law without, and None for a
    law that is no such sum. Found by comparing values at some runs and parameters, so that laws of one's own count too;
    two numbers may be one parameter (alpha = beta)."""
    kinds = {p.transform for p in law.parameters}
    if {v.name for v in law.variables} != {"N", "D"} or not kinds <= {"log", "identity"} or len(law.parameters) > 5:
        return None
    if not law.response.logged or law.response.better != "lower":
        return None
    n, d = (grid.ravel() for grid in np.meshgrid(_N, _D))
    tries = [theta * (1 + step * np.arange(1, len(theta) + 1)) for step in _STEPS]
    said = [np.asarray(law.predict(law.natural(one), N=n, D=d)) for one in tries]
    values = law.naturals(np.array(tries))
    for places in _assignments(len(theta)):
        if all(np.allclose(_sum(v, places, n, d), s, rtol=_NEAR, atol=0) for v, s in zip(values, said, strict=True)):
            return dict(zip(ROLES, places, strict=True))
    return None


def _assignments(count: int) -> Iterator[tuple[int | None, ...]]:
    """Every way to give the five roles to all of `count` parameters, E to none of them too."""
    for first in (*range(count), None):
        for rest in product(range(count), repeat=4):
            if {first, *rest} - {None} == set(range(count)):
                yield (first, *rest)


def _sum(values: np.ndarray, places: tuple[int | None, ...], n: np.ndarray, d: np.ndarray) -> np.ndarray:
    E, A, alpha, B, beta = (0.0 if place is None else float(values[place]) for place in places)
    with np.errstate(over="ignore"):
        return E + A * n**-alpha + B * d**-beta
