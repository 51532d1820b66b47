"""Answers to many problems: which limits contradict, and least cost against least loss."""

import jax
import numpy as np
import pytest
from random_plans import ask, possible

from jaxscale import costs
from jaxscale._allocation.allocate import allocate
from jaxscale._allocation.answers import conflict
from jaxscale._allocation.constrained import INFEASIBLE
from jaxscale.laws import chinchilla

pytestmark = pytest.mark.slow  # a program for each kind


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


COUNTS = {"plain": 1000, "counted": 150, "repeated": 500, "three": 300, "five": 100, "six": 100}


@pytest.mark.parametrize("kind", COUNTS)
def test_conflicts_of_random_plans_are_minimal(kind):
    found = ask(kind, COUNTS[kind], seed=7001)
    sizes = []
    for i in np.flatnonzero(found.answers.status == INFEASIBLE)[:10]:
        names = conflict(found.decision, found.givens[i], found.answers.blame[i])
        assert not possible(kind, found.problems, i, names)
        for name in names:
            assert possible(kind, found.problems, i, [other for other in names if other != name])
        sizes.append(len(names))
    assert max(sizes) > 1


def test_least_cost_inverts_least_loss():
    p = chinchilla.published["besiroglu"].params
    loss = float(chinchilla(p, **chinchilla.closed_forms["allocation"](p, 1e23)._asdict()))
    best = allocate(chinchilla, p, costs.six_nd, reach_loss=loss)
    np.testing.assert_allclose(6 * best.N * best.D, 1e23, rtol=1e-9)
