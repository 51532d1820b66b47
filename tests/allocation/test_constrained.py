"""Constrained plans: random problems against an exact oracle, kinks of repetition, what cannot be."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_plans import judge

from jaxscale import costs, limits
from jaxscale._allocation.allocate import allocate
from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.constrained import FAILED, FLAT, OK, solve_constrained
from jaxscale._allocation.decide import decide
from jaxscale.laws import chinchilla, muennighoff

pytestmark = pytest.mark.slow  # the oracles scan every problem


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


# --- Random problems against an exact oracle --------------------------------------------------------------------------


COUNTS = {"plain": 1000, "counted": 150, "repeated": 500, "three": 300, "five": 100, "six": 100}
FLAT_SHARE = {"repeated": 0.05}  # where data is seen many times the loss has plateaus, in other kinds it has none


@pytest.mark.parametrize("kind", COUNTS)
def test_random_plans(kind):
    found = judge(kind, COUNTS[kind], seed=7001)
    assert found.wrong == {}
    assert found.flat <= FLAT_SHARE.get(kind, 0) * found.feasible
    assert 0.5 < found.feasible / COUNTS[kind] < 1


# --- Repeated data: a law with kinks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "status"), [(1e19, OK), (1e22, FLAT)], ids=["within", "on a plateau"])
def test_a_vertex_at_the_kink_of_repetition(budget, status):
    # More parameters than are best for the data there is, and just enough tokens to use it once: a true corner. With
    # the larger budget more parameters are worth nothing that float64 could see.
    U = 1e9
    decision, values = decide(muennighoff, costs.six_nd, *limits.read_limits({"U": U, "N_min": 1e8, "D_max": U}))
    params = muennighoff.published["muennighoff_c4"].params
    given = np.array(
        [*muennighoff.theta(params), *(np.log({**values.natural, "budget": budget}[k]) for k in decision.names[7:])]
    )
    answers = solve_many(decision, given[None])
    assert answers.status[0] == status
    at = dict(zip(decision.variables, np.exp(answers.x[0]), strict=True))
    np.testing.assert_allclose([at["D"], at["epochs"]], [U, 1], rtol=1e-9)
    if status == OK:
        assert at["N"] == pytest.approx(budget / 6 / U, rel=1e-9)
    grid = np.geomspace(1e8, budget / 6 / U, 20_001)
    dense = muennighoff.predict(params, N=grid, D=np.full_like(grid, U), U=np.full_like(grid, U))
    assert np.exp(answers.value[0]) <= dense.min() + 1e-12


def test_authors_optimum_under_repetition():
    # Their grid: D 2.37337e11, N 7.02236e9 at a step of 0.4 %; the exact one by dense search is N 7.026159e9.
    params = muennighoff.published["muennighoff_c4"].params
    best = jax.jit(lambda p, C: allocate(muennighoff, p, costs.six_nd, C, limits={"U": 25e9}))(params, 1e22)
    np.testing.assert_allclose([best.N, best.D], [7.02236e9, 2.37337e11], rtol=2e-3)
    np.testing.assert_allclose([best.N, best.D], [7.026159e9, 2.372088e11], rtol=2e-7)
    loss = muennighoff.predict(params, N=float(best.N), D=float(best.D), U=25e9)
    np.testing.assert_allclose(loss, 2.2221292749, rtol=1e-10)
    grid = np.geomspace(1e9, 1e11, 20_001)
    assert loss <= muennighoff.predict(params, N=grid, D=1e22 / 6 / grid, U=np.full_like(grid, 25e9)).min()


# --- What cannot be ---------------------------------------------------------------------------------------------------


solved = jax.jit(solve_constrained, static_argnums=0)


@dataclass(frozen=True)
class Flat:
    """A loss that does not depend on x at all."""

    hard = ()

    def objective(self, x, given):
        return given[0] + 0 * x[0]

    def rows(self, x, given):
        return x[0] - 3, -x[0], x[1] - 3, -x[1]


def test_a_loss_without_slope_is_called_flat_or_certified_anywhere():
    found = solved(Flat(), jnp.array([1.0]), jnp.array([[1.0, 1.0]]), jnp.ones(4))
    assert found.status in (OK, FLAT)
    assert found.value == 1


@dataclass(frozen=True)
class Corner:
    """The least of |x - 1| + (y - 2)^2: a corner, which no smooth solver certifies."""

    hard = ()

    def objective(self, x, given):
        return given[0] * jnp.abs(x[0] - 1) + (x[1] - 2) ** 2

    def rows(self, x, given):
        return x[0] - 30, -30 - x[0], x[1] - 30, -30 - x[1]


def test_a_corner_is_not_certified_by_mistake():
    found = solved(Corner(), jnp.array([1.0]), jnp.array([[4.0, 4.0]]), jnp.ones(4))
    assert found.status == FAILED


def test_nan_where_limits_contradict():
    p = chinchilla.published["besiroglu"].params
    best = allocate(chinchilla, p, costs.six_nd, 1e20, limits={"N_min": 1e12, "D_min": 1e12})
    assert jnp.isnan(best.N)
