"""The constrained solver against an exact scan in one dimension, SciPy, finite differences and hand-made problems."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_plans import judge, possible

from jaxscale import costs, limits
from jaxscale._allocation.allocate import allocate
from jaxscale._allocation.answers import _solve_afresh, conflict, evaluate, solve_many
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK, solve_constrained
from jaxscale._allocation.decision import decide
from jaxscale._allocation.per_draw import follow
from jaxscale._planning.frontier import frontier
from jaxscale.laws import chinchilla, muennighoff

pytestmark = pytest.mark.slow  # the oracles scan every problem


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


# --- Random problems against an exact oracle --------------------------------------------------------------------------


judged = cache(judge)
COUNTS = {"plain": 1000, "counted": 150, "repeated": 500, "three": 300, "five": 100, "six": 100}
FLAT_SHARE = {"repeated": 0.05}  # where data is seen many times the loss has plateaus, in other kinds it has none


@pytest.mark.parametrize("kind", COUNTS)
def test_random_plans(kind):
    found = judged(kind, COUNTS[kind], seed=7001)
    assert found.wrong == {}
    assert found.flat <= FLAT_SHARE.get(kind, 0) * found.feasible
    assert 0.5 < found.feasible / COUNTS[kind] < 1


@pytest.mark.parametrize("kind", COUNTS)
def test_conflicts_of_random_plans_are_minimal(kind):
    found = judged(kind, COUNTS[kind], seed=7001)
    sizes = []
    for i in np.flatnonzero(found.answers.status == INFEASIBLE)[:10]:
        names = conflict(found.decision, found.givens[i], found.answers.blame[i])
        assert not possible(kind, found.problems, i, names)
        for name in names:
            assert possible(kind, found.problems, i, [other for other in names if other != name])
        sizes.append(len(names))
    assert max(sizes) > 1


# --- Many draws -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budgets", [np.geomspace(1e20, 1e26, 30), np.array([1e26, 1e20, 3e23, 3e23])])
def test_draws_followed_from_budget_to_budget_are_planned_as_by_interior_points(budgets):
    # Five limits, one after the other of which binds, up to a corner where three of them meet.
    asked = {"N_max": 1e11, "D_max": 5e12, "D_per_N": (12, 40)}
    days = limits.days(6 * 1e11 * 4e12 / (4096 * 989e12 * 0.4 * 86400), 4096, mfu=0.4, peak=989e12)
    decision, values, _ = decide(chinchilla, costs.six_nd, *limits.read([asked, days]))
    theta, rest = chinchilla.theta(chinchilla.published["besiroglu"].params), np.log(list(values.values()))
    draws = theta + np.random.default_rng(3).normal(0, [0.25, 0.4, 0.015, 0.015, 0.02], (40, 5))

    def givens(thetas, budgets):
        return np.column_stack([thetas, np.log(budgets), np.tile(rest, (len(budgets), 1))])

    point = solve_many(decision, givens(np.tile(theta, (len(budgets), 1)), budgets))
    found = follow(decision, draws, np.log(budgets), rest, point)
    one_by_one = givens(np.repeat(draws, len(budgets), axis=0), np.tile(budgets, len(draws)))
    exact = _solve_afresh(decision, one_by_one)
    assert found.sound.all() and (exact.status == OK).all()
    np.testing.assert_allclose(np.moveaxis(found.x, -1, 0).reshape(-1, 2), exact.x, atol=1e-8)
    np.testing.assert_allclose(found.value.T.ravel(), exact.value, atol=1e-13)
    np.testing.assert_allclose(found.price.T.ravel(), exact.multipliers[:, 0], atol=1e-9)
    kept = evaluate(decision, np.tile(point.x, (len(draws), 1)), one_by_one)[:, 0]
    np.testing.assert_allclose(found.worse.T.ravel(), kept - exact.value, atol=1e-13)


# --- Repeated data: a law with kinks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "status"), [(1e19, OK), (1e22, FLAT)], ids=["within", "on a plateau"])
def test_a_vertex_at_the_kink_of_repetition(budget, status):
    # More parameters than are best for the data there is, and just enough tokens to use it once: a true corner. With
    # the larger budget more parameters are worth nothing that float64 could see.
    U = 1e9
    decision, values, _ = decide(muennighoff, costs.six_nd, *limits.read({"U": U, "N_min": 1e8, "D_max": U}))
    params = muennighoff.published["muennighoff_c4"].params
    given = np.array(
        [*muennighoff.theta(params), *(np.log({**values, "budget": budget}[k]) for k in decision.names[7:])]
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


# --- Derivatives -----------------------------------------------------------------------------------------------------

# Every case has all the limits, so that it is one program: what is not named does not bind.
LIMITS = {"N_max": 1e30, "D_max": 1e30, "D_per_N": 1e-3}
CASES = {
    "nothing but the budget binds": {"N_max": 1e12},
    "the largest size binds": {"N_max": 1e10},
    "budget and ratio bind": {"D_per_N": 60.0},
    "two limits without the budget": {"N_max": 1e9, "D_max": 1e10},
}


def _point(case):
    """Logs of (A, B, E, alpha, beta, budget, tokens served, limits...)."""
    p = chinchilla.published["besiroglu"].params
    numbers = (LIMITS | CASES[case]).values()
    return jnp.log(jnp.array([*(p[k] for k in chinchilla.parameter_names), 1e24, 1e12, *numbers]))


def _outputs(logs):
    """log N, log D and log loss."""
    params = dict(zip(chinchilla.parameter_names, jnp.exp(logs[:5]), strict=True))
    budget, served, N_max, D_max, ratio = jnp.exp(logs[5:])
    asked = {"N_max": N_max, "D_max": D_max, "D_per_N": (ratio, None)}
    best = allocate(chinchilla, params, costs.six_nd.with_inference(tokens=served), budget, limits=asked)
    loss = chinchilla(params, N=best.N, D=best.D)
    return jnp.log(jnp.stack([best.N, best.D, loss]))


@jax.jit
def _with_slopes(logs):
    return _outputs(logs), jax.jacfwd(_outputs)(logs)


def _differences(function, at, step):
    """Slopes of a function of many points at once, (inputs, ...), by differences of fourth order."""
    h = step * jnp.eye(len(at))
    a, b, c, d = (function(at + k * h) for k in (-2, -1, 1, 2))
    return (a - 8 * b + 8 * c - d) / (12 * step)


@pytest.mark.parametrize("case", CASES)
def test_derivatives_against_finite_differences(case):
    at = _point(case)
    theirs = _differences(lambda points: jnp.stack([_with_slopes(x)[0] for x in points]), at, 1e-4).T
    np.testing.assert_allclose(_with_slopes(at)[1], theirs, rtol=1e-6, atol=1e-8)


def test_reverse_mode_and_second_order():
    at = _point("budget and ratio bind")

    def loss(at):
        return _outputs(at)[2]

    gradients = jax.jit(jax.vmap(jax.grad(loss)))
    hessian = jax.jit(jax.hessian(loss))(at)
    np.testing.assert_allclose(hessian, _differences(gradients, at, 1e-4), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)
    at_once = gradients(jnp.broadcast_to(at, (len(at), len(at))))
    np.testing.assert_allclose(at_once, jnp.broadcast_to(_with_slopes(at)[1][2], at_once.shape), rtol=1e-12, atol=1e-15)


def test_gradients_of_repetition_in_batches():
    p = muennighoff.published["muennighoff_c4"].params

    def decisions(logs):
        """A mixture of log N, log D and log loss, at logs of the law's parameters, the budget, U and N_max."""
        params = dict(zip(muennighoff.parameter_names, jnp.exp(logs[:7]), strict=True))
        budget, U, N_max = jnp.exp(logs[7:])
        best = allocate(muennighoff, params, costs.six_nd, budget, limits={"U": U, "N_max": N_max})
        loss = muennighoff(params, N=best.N, D=best.D, U=U)
        return jnp.log(best.N) + 0.7 * jnp.log(best.D) - 0.4 * jnp.log(loss)

    both = jax.jit(jax.vmap(jax.value_and_grad(decisions)))
    # Data repeated freely, repeated with the size capped, seen less than once, and that with the size capped.
    points = [(1e22, 25e9, 1e12), (1e22, 25e9, 5e9), (1e21, 1e12, 1e12), (1e21, 1e12, 1e9)]
    for numbers in points:
        at = jnp.log(jnp.array([*(p[k] for k in muennighoff.parameter_names), *numbers]))
        mine = both(jnp.broadcast_to(at, (len(at), len(at))))[1]
        assert jnp.isfinite(mine).all()
        theirs = _differences(lambda points: both(points)[0], at, 1e-3)
        np.testing.assert_allclose(mine, jnp.broadcast_to(theirs, mine.shape), rtol=1e-6, atol=1e-7)


def test_one_sided_derivatives_where_a_limit_is_just_touched():
    # N_max exactly at the best size: less of it binds, more of it does not.
    best = chinchilla.closed_forms["allocation"](chinchilla.published["besiroglu"].params, 1e24)
    (row,) = frontier(chinchilla.published["besiroglu"], 1e24, limits={"N_max": float(best.N)}).rows
    np.testing.assert_allclose(row.one_sided["N"]["N_max"], [1, 0], atol=1e-9)
    np.testing.assert_allclose(row.one_sided["D"]["budget"], [1 - row.sensitivities["N"]["budget"], 1], atol=1e-9)


# Data runs out exactly at the best number of tokens: epochs and the worth of parameters both have a kink there.
with jax.enable_x64(True):
    KINK = float(chinchilla.closed_forms["allocation"](chinchilla.published["muennighoff_c4"].params, 1e22).D)


@pytest.mark.parametrize("U", [KINK * 0.999, KINK, KINK * 1.001])
def test_derivatives_of_repetition_at_and_beside_its_kinks(U):
    def logs(budget, U):
        (row,) = frontier(muennighoff.published["muennighoff_c4"], budget, limits={"U": U}).rows
        return row, np.log([row.N, row.D, row.tokens_per_param, row.loss])

    row, middle = logs(1e22, U)
    assert row.status == "ok"
    assert (row.one_sided != {}) == (U == KINK)
    for name, at in {"budget": lambda f: (1e22 * f, U), "U": lambda f: (1e22, U * f)}.items():
        for side, sign in enumerate((-1, 1)):
            near, far = (sign * (logs(*at(np.exp(sign * k * 1e-4)))[1] - middle) / (k * 1e-4) for k in (1, 2))
            for i, quantity in enumerate(row.sensitivities):
                mine = row.one_sided.get(quantity, {}).get(name, (row.sensitivities[quantity][name],) * 2)[side]
                np.testing.assert_allclose(mine, 2 * near[i] - far[i], atol=2e-6)


# --- What cannot be ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flat:
    """A loss that does not depend on x at all."""

    def objective(self, x, given):
        return given[0] + 0 * x[0]

    def rows(self, x, given):
        return x[0] - 3, -x[0], x[1] - 3, -x[1]


def test_a_loss_without_slope_is_called_flat_or_certified_anywhere():
    found = solve_constrained(Flat(), jnp.array([1.0]), jnp.array([[1.0, 1.0]]), jnp.ones(4))
    assert found.status in (OK, FLAT)
    assert found.value == 1


@dataclass(frozen=True)
class Corner:
    """The least of |x - 1| + (y - 2)^2: a corner, which no smooth solver certifies."""

    def objective(self, x, given):
        return given[0] * jnp.abs(x[0] - 1) + (x[1] - 2) ** 2

    def rows(self, x, given):
        return x[0] - 30, -30 - x[0], x[1] - 30, -30 - x[1]


def test_a_corner_is_not_certified_by_mistake():
    found = solve_constrained(Corner(), jnp.array([1.0]), jnp.array([[4.0, 4.0]]), jnp.ones(4))
    assert found.status == FAILED


def test_nan_where_limits_contradict():
    p = chinchilla.published["besiroglu"].params
    best = allocate(chinchilla, p, costs.six_nd, 1e20, limits={"N_min": 1e12, "D_min": 1e12})
    assert jnp.isnan(best.N)


def test_least_cost_inverts_least_loss():
    p = chinchilla.published["besiroglu"].params
    loss = float(chinchilla(p, **chinchilla.closed_forms["allocation"](p, 1e23)._asdict()))
    best = allocate(chinchilla, p, costs.six_nd, reach_loss=loss)
    np.testing.assert_allclose(6 * best.N * best.D, 1e23, rtol=1e-9)
