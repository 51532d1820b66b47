"""Damped Newton steps in NumPy beside those of JAX and of linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxscale._solver.damped import Descents, newton_step, solve_positive_many
from jaxscale.optim import CONVERGED, NOT_FINITE, STEP_LIMIT, Curvature, damped_newton, unit_scale


def curvatures(count: int, p: int, seed: int = 0) -> np.ndarray:
    """Positive definite matrices (count, p, p) of columns that differ in size by many decades."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 3 * p, p)) * 10.0 ** rng.uniform(-3, 3, (count, 1, p))
    return np.swapaxes(rows, 1, 2) @ rows


def test_steps_are_those_of_linear_algebra():
    bend, gradient = curvatures(5, 4), np.random.default_rng(1).standard_normal((5, 4))
    damping, held = np.geomspace(1e-6, 10, 5), np.zeros((5, 4), bool)
    held[2, 1] = held[3, [0, 3]] = True
    step, usable = newton_step(bend, gradient, damping, held)
    assert usable.all()
    for k in range(5):
        room = ~held[k]
        matrix = bend[k][np.ix_(room, room)] + damping[k] * np.diag(np.diag(bend[k])[room])
        scale = np.sqrt(np.diag(matrix))
        expected = -np.linalg.solve(matrix / np.outer(scale, scale), gradient[k, room] / scale) / scale
        np.testing.assert_allclose(step[k, room], expected, rtol=1e-7)
        assert not step[k, held[k]].any()
    _, positive = solve_positive_many(np.array([np.eye(2), np.diag([1.0, -1.0])]), np.ones((2, 2, 1)))
    assert positive.tolist() == [True, False]


def test_the_scale_is_one_in_numpy_and_jax():
    diagonal = np.array([[4.0, 1e-30, 0.0], [0.0, 0.0, 0.0]])
    with jax.enable_x64(True):
        traced = np.array([unit_scale(jnp.asarray(row)) for row in diagonal])
    np.testing.assert_allclose(unit_scale(diagonal, np), traced, rtol=1e-15)
    assert traced[0].tolist() == [0.5, *[1 / np.sqrt(4e-14)] * 2]


@pytest.mark.slow
def test_descents_go_where_the_transformation_does():
    """Two valleys of Rosenbrock's kind with the same Gauss-Newton curvature, one by each route."""

    def residuals(x):
        return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0], 0.5 + 0.1 * x[1]])

    def objective(x):
        return 0.5 * jnp.sum(residuals(x) ** 2)

    starts = np.array([[-1.2, 1.0], [0.0, 2.0]])
    with jax.enable_x64(True):
        at = jax.jit(jax.vmap(lambda x: (objective(x), jax.grad(objective)(x), jax.jacfwd(residuals)(x))))
        descents, trial, point = Descents(2, 10.0, 300), starts.copy(), starts.copy()
        gradient, bend = np.zeros((2, 2)), np.zeros((2, 2, 2))
        while len(some := descents.running):
            value, slope, jacobian = (np.asarray(x)[some] for x in at(trial))
            better = descents.weigh(some, value, np.isfinite(value))
            b = some[better]
            point[b], gradient[b] = trial[b], slope[better]
            bend[b] = (np.swapaxes(jacobian, 1, 2) @ jacobian)[better]
            a = descents.running
            step, usable = newton_step(bend[a], gradient[a], descents.damping[a], np.zeros((len(a), 2), bool))
            trial[a] = point[a] + step
            expected = -np.sum(gradient[a] * step, axis=1) - 0.5 * np.einsum("si,sij,sj->s", step, bend[a], step)
            descents.promise(a, expected, usable & (expected > 0))
        np.testing.assert_allclose(at(point)[1], 0.0, atol=1e-6)
        assert (descents.status == CONVERGED).all()
        for k, x in enumerate(starts):
            optimizer, params, steps = damped_newton(exact=False), jnp.asarray(x), 0

            @jax.jit
            def step(params, state, value, slope, jacobian, optimizer=optimizer):
                square = Curvature(jacobian.T @ jacobian, jacobian.T @ jacobian)
                updates, state = optimizer.update(slope, state, params, value=value, curvature=square)
                return optax.apply_updates(params, updates), state

            state = jax.jit(optimizer.init)(params)
            while state.status == 0:
                params, state = step(params, state, *(np.asarray(y)[0] for y in at(np.asarray(params)[None])))
                steps += 1
            assert steps == descents.steps[k]
            np.testing.assert_allclose(state.point, point[k], rtol=1e-9)


def test_descents_end_with_a_reason():
    descents = Descents(3, 1.0, 2)
    nan, one = np.array([np.nan]), np.ones(1)
    descents.weigh(np.array([0]), nan, np.isfinite(nan))
    for value in (1.0, 0.5):
        descents.weigh(np.array([1]), value * one, one > 0)
        descents.promise(np.array([1]), one, one > 0)
    assert descents.status[:2].tolist() == [NOT_FINITE, STEP_LIMIT]
    assert descents.running.tolist() == [2] and descents.value[1] == 0.5
