"""Derivatives of plans against finite differences, at kinks and where limits are just touched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale import costs
from jaxscale._allocation.allocate import allocate
from jaxscale._planning.frontier import frontier
from jaxscale.laws import chinchilla, muennighoff

pytestmark = pytest.mark.slow  # every case is a program to compile


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


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
        return row, np.log([getattr(row, name, row.variables.get(name)) for name in row.sensitivities])

    row, middle = logs(1e22, U)
    assert row.status == "ok"
    assert (row.one_sided != {}) == (U == KINK)
    for name, at in {"budget": lambda f: (1e22 * f, U), "U": lambda f: (1e22, U * f)}.items():
        for side, sign in enumerate((-1, 1)):
            near, far = (sign * (logs(*at(np.exp(sign * k * 1e-4)))[1] - middle) / (k * 1e-4) for k in (1, 2))
            for i, quantity in enumerate(row.sensitivities):
                mine = row.one_sided.get(quantity, {}).get(name, (row.sensitivities[quantity][name],) * 2)[side]
                np.testing.assert_allclose(mine, 2 * near[i] - far[i], atol=2e-6)
