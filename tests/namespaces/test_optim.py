"""The solvers as optax transformations: known minima reached in a plain loop, whatever the scale and structure."""

import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

from jaxscale.optim import (
    CONVERGED,
    NOT_FINITE,
    RUNNING,
    STATUS_TEXT,
    STEP_LIMIT,
    STUCK,
    Curvature,
    damped_newton,
    levenberg_marquardt,
)

# Functions of Moré, Garbow & Hillstrom 1981: residuals, a start, where half their sum of squares is least.
CASES = {
    "rosenbrock": (lambda x: jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0], [1.0, 1.0]),
    "beale": (
        lambda x: jnp.stack([c - x[0] * (1 - x[1] ** k) for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))]),
        [2.5, 0.4],  # from the standard (1, 1) a descent may also run off along the valley y = 1
        [3.0, 0.5],
    ),
    "helical_valley": (
        lambda x: jnp.stack(
            [
                10 * (x[2] - 5 / jnp.pi * jnp.arctan2(x[1], x[0])),
                10 * (jnp.hypot(x[0], x[1]) - 1),
                x[2],
            ]
        ),
        [-1.0, 1e-3, 0.0],
        [1.0, 0.0, 0.0],
    ),
    "wood": (
        lambda x: jnp.stack(
            [
                10 * (x[1] - x[0] ** 2),
                1 - x[0],
                90**0.5 * (x[3] - x[2] ** 2),
                1 - x[2],
                10**0.5 * (x[1] + x[3] - 2),
                10**-0.5 * (x[1] - x[3]),
            ]
        ),
        [-3.0, -1.0, -3.0, -1.0],
        [1.0, 1.0, 1.0, 1.0],
    ),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@cache
def half_squares(name):
    """Half the sum of squares of a case, raised by one."""
    return lambda x: 0.5 * jnp.sum(CASES[name][0](x) ** 2) + 1.0


@cache
def compiled_step(optimizer, value_fn, curvature):
    """One step of a plain optax loop, made once for a solver and an objective."""

    @jax.jit
    def step(params, state, data, more):
        def value_of(params):
            return value_fn(params, *data)

        value, grads = jax.value_and_grad(value_of)(params)
        options = {"curvature": curvature(params)} if curvature else {"value_fn": value_of}
        updates, state = optimizer.update(grads, state, params, value=value, grad=grads, **options, **more)
        return optax.apply_updates(params, updates), state

    return step


def loop(optimizer, value_fn, params, *data, steps=300, curvature=None, **more):
    """The states after each step of a plain optax loop; `data` are passed on to the objective."""
    step = compiled_step(optimizer, value_fn, curvature)
    state, states = optimizer.init(params), []
    while len(states) < steps and int(state.status) == RUNNING:
        params, state = step(params, state, data, more)
        states.append(state)
    return states


@pytest.mark.parametrize("make", [damped_newton, levenberg_marquardt])
@pytest.mark.parametrize("name", CASES)
def test_reaches_the_known_minimum_in_a_plain_optax_loop(name, make):
    _, start, minimum = CASES[name]
    states = loop(make(), half_squares(name), jnp.array(start))
    assert states[-1].status == CONVERGED
    assert states[-1].value == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(states[-1].point, minimum, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_gauss_newton_curvature_alone_is_enough(name):
    """Levenberg-Marquardt never reads the exact Hessian: it may be anything."""
    residuals, start, minimum = CASES[name]

    def curvature(x):
        J = jax.jacobian(residuals)(x)
        return Curvature(J.T @ J, jnp.full((len(x), len(x)), jnp.nan))

    for optimizer in (
        levenberg_marquardt(),
        damped_newton(),
    ):  # damped Newton falls back to it where the Hessian is no use
        states = loop(optimizer, half_squares(name), jnp.array(start), curvature=curvature)
        assert states[-1].status == CONVERGED
        np.testing.assert_allclose(states[-1].point, minimum, atol=2e-6)


def test_the_objective_never_rises_and_the_state_holds_the_best():
    value_fn = half_squares("rosenbrock")
    states = loop(damped_newton(), value_fn, jnp.array(CASES["rosenbrock"][1]))
    value_fn = jax.jit(value_fn)
    values = [float(s.value) for s in states]
    assert all(b <= a for a, b in itertools.pairwise(values))
    for state in states:
        assert state.value == pytest.approx(float(value_fn(state.point)), rel=1e-12)


def test_the_last_steps_shrink_the_error_ever_faster():
    """Where the damping has faded, Newton's method more than doubles the number of right digits of any fixed rate."""
    _, start, minimum = CASES["wood"]
    states = loop(damped_newton(), half_squares("wood"), jnp.array(start))
    errors = [float(np.max(np.abs(s.point - np.array(minimum)))) for s in states]
    late = [e for e in errors if 1e-12 < e < 1e-2]
    assert len(late) <= 8


@pytest.mark.parametrize("name", ["wood", pytest.param("beale", marks=pytest.mark.slow)])
def test_a_last_step_that_is_trusted_is_the_one_that_would_be_tried(name):
    """It saves the evaluation there, and ends where the other ends."""
    start, value_fn = CASES[name][1], half_squares(name)
    tried = loop(levenberg_marquardt(), value_fn, jnp.array(start))
    trusted = loop(levenberg_marquardt(trusting=True), value_fn, jnp.array(start))
    assert len(trusted) == len(tried) - 1
    assert trusted[-1].status == CONVERGED
    np.testing.assert_allclose(trusted[-1].point, tried[-1].point, atol=1e-12)
    assert float(value_fn(trusted[-1].point)) <= float(trusted[-1].value) * (1 + 1e-13)


def test_after_a_step_too_far_the_point_where_slopes_vanish_is_tried():
    """Of |x| from 1, by a curvature that sends it to -3: slopes along the step are -4 and 4, so halfway, to -1."""
    optimizer = levenberg_marquardt(initial_damping=0.0, nearby=True)
    quarter, x = jnp.array([[0.25]]), jnp.array([1.0])
    state = optimizer.init(x)
    for expected in (-3.0, -1.0):
        step, state = optimizer.update(
            jnp.sign(x), state, x, value=jnp.abs(x[0]), curvature=Curvature(quarter, quarter)
        )
        x = x + step
        assert float(x[0]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_steps_nearby_are_fewer_and_end_at_the_same_optimum(seed):
    """Of a curve through 40 points by a Huber loss that few residuals are inner ones of, which has one optimum."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 40)
    columns, target = jnp.array(np.stack([np.ones(40), x, x**2], axis=1)), jnp.array(rng.standard_normal(40))

    def value_fn(params):
        residual = columns @ params - target
        clipped = jnp.clip(residual, -0.03, 0.03)
        return jnp.sum(clipped * (residual - 0.5 * clipped))

    def curvature(params):
        size = jnp.abs(columns @ params - target)
        matrix = (columns * jnp.where(size <= 0.03, 1.0, 1e-4 / size)[:, None]).T @ columns
        return Curvature(matrix, matrix)

    steps, ends = [], []
    for nearby in (False, True):
        optimizer = levenberg_marquardt(initial_damping=1e-9, trusting=True, nearby=nearby)
        states = loop(optimizer, value_fn, jnp.zeros(3), curvature=curvature)
        assert states[-1].status == CONVERGED
        steps.append(len(states))
        ends.append(float(value_fn(states[-1].point)))
    least = minimize(lambda p: float(value_fn(p)), np.zeros(3), method="Powell", options={"xtol": 1e-9, "ftol": 1e-14})
    assert ends == pytest.approx([least.fun] * 2, rel=1e-8)
    assert ends[1] == pytest.approx(ends[0], rel=1e-12)
    assert steps[1] < 0.8 * steps[0], steps


@pytest.mark.slow
def test_params_may_be_any_pytree():
    _, start, minimum = CASES["wood"]
    tree = {"inner": (jnp.array(start[0]), jnp.array(start[1:3])), "last": jnp.array([[start[3]]])}

    def value_fn(p):
        return half_squares("wood")(jnp.concatenate([p["inner"][0][None], p["inner"][1], p["last"][0]]))

    optimizer = damped_newton()

    def first_step(p):
        value, grads = jax.value_and_grad(value_fn)(p)
        return optimizer.update(grads, optimizer.init(p), p, value=value, value_fn=value_fn)[0]

    updates = jax.eval_shape(first_step, tree)
    assert jax.tree.structure(updates) == jax.tree.structure(tree)
    assert [x.shape for x in jax.tree.leaves(updates)] == [x.shape for x in jax.tree.leaves(tree)]
    np.testing.assert_allclose(loop(optimizer, value_fn, tree)[-1].point, minimum, atol=2e-6)


def times(x, factor):
    return factor * half_squares("wood")(x)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_scale_of_the_objective_changes_nothing(factor):
    start = jnp.array(CASES["wood"][1])
    plain = loop(damped_newton(), half_squares("wood"), start)
    scaled = loop(damped_newton(), times, start, factor)
    assert len(plain) == len(scaled)
    np.testing.assert_allclose(scaled[-1].point, plain[-1].point, rtol=1e-9)


def test_the_scale_of_the_parameters_changes_nothing():
    value_fn = half_squares("beale")
    start, units = [2.5, 0.4], jnp.array([1e3, 1e-2])
    plain = loop(damped_newton(), value_fn, jnp.array(start))
    scaled = loop(damped_newton(), lambda x: value_fn(x / units), jnp.array(start) * units)
    assert abs(len(plain) - len(scaled)) <= 1
    np.testing.assert_allclose(scaled[-1].point / units, plain[-1].point, rtol=1e-7)


@pytest.mark.parametrize(
    ("lower", "upper"), [([-2.0, -2.0], [0.5, 2.0]), ([1.5, -2.0], [4.0, 2.0]), ([0, 1.2], [3, 9])]
)
def test_bounds_hold_and_the_answer_is_scipys(lower, upper):
    value_fn = half_squares("rosenbrock")
    lower, upper = np.array(lower, float), np.array(upper, float)
    start = np.clip([2.0, 2.0], lower, upper)
    states = loop(damped_newton(), value_fn, jnp.array(start), lower=jnp.array(lower), upper=jnp.array(upper))
    for state in states:
        assert np.all(state.point >= lower) and np.all(state.point <= upper)
    oracle = minimize(
        jax.jit(jax.value_and_grad(value_fn)),
        start,
        jac=True,
        bounds=list(zip(lower, upper, strict=True)),
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    assert states[-1].status in (CONVERGED, STUCK)  # held in a corner, no step is left
    np.testing.assert_allclose(states[-1].point, oracle.x, atol=1e-5)


def test_a_start_without_a_finite_objective_says_so_at_once():
    states = loop(damped_newton(), lambda x: jnp.sum(jnp.log(x)), jnp.array([-1.0, 2.0]))
    assert len(states) == 1 and states[0].status == NOT_FINITE


def test_a_trial_without_a_finite_objective_is_taken_back():
    """-log(x) + x has its minimum at 1 and no value below 0, where Newton's first step from 5 would go undamped."""
    states = loop(damped_newton(initial_damping=1e-9), lambda x: jnp.sum(x - jnp.log(x)) + 1.0, jnp.array([5.0]))
    assert states[-1].status == CONVERGED
    np.testing.assert_allclose(states[-1].point, [1.0], rtol=1e-6)


def test_an_exact_zero_of_the_gradient_ends_as_stuck_or_converged():
    states = loop(damped_newton(), lambda x: jnp.sum(x**2) + 3.0, jnp.zeros(2))
    assert states[-1].status in (CONVERGED, STUCK)
    np.testing.assert_array_equal(states[-1].point, [0.0, 0.0])


@pytest.mark.slow
def test_many_starts_under_vmap_equal_one_at_a_time():
    value_fn = half_squares("rosenbrock")
    optimizer = damped_newton()
    starts = jnp.array([[-1.2, 1.0], [2.0, 2.0], [0.0, -3.0]])

    def ten_steps(x):
        def step(_, carry):
            x, state = carry
            value, grads = jax.value_and_grad(value_fn)(x)
            updates, state = optimizer.update(grads, state, x, value=value, value_fn=value_fn)
            return optax.apply_updates(x, updates), state

        return jax.lax.fori_loop(0, 10, step, (x, optimizer.init(x)))[1].point

    together = jax.jit(jax.vmap(ten_steps))(starts)
    one = jax.jit(ten_steps)
    np.testing.assert_allclose(together, [one(x) for x in starts], rtol=1e-9)


def test_follows_the_callers_precision():
    with jax.enable_x64(False):
        states = loop(damped_newton(tolerance=1e-6), half_squares("beale"), jnp.array([2.5, 0.4]))
        assert {x.dtype for x in (states[-1].point, states[-1].value, states[-1].damping)} == {jnp.dtype("float32")}
        np.testing.assert_allclose(states[-1].point, [3.0, 0.5], rtol=1e-2)


def test_every_status_has_a_sentence():
    assert len(STATUS_TEXT) == len({RUNNING, CONVERGED, STUCK, NOT_FINITE, STEP_LIMIT})
    assert damped_newton() is damped_newton()  # the same arguments give the same object, so that nothing compiles twice
