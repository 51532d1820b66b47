"""Variable projection: which parameters a law is linear in, and starts with those solved for."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._base.devices import compile_options
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64
from jaxscale._problem.arrays import ProblemArrays, Task
from jaxscale._problem.evaluate import value_of
from jaxscale._problem.problem import Problem
from jaxscale.laws import Law
from jaxscale.laws._operations import wide
from jaxscale.optim import solve_positive

LEAST_SHARE = 1e-3  # a positive parameter that is solved for keeps at least this share of the response


# --- variable projection ---
def _response(law: Law, linear: tuple[int, ...]) -> Callable[..., Array]:
    """`f(natural values of the linear parameters, theta, logs)`: the response of one run in natural units."""

    def response(values: Sequence[Any], theta: Sequence[Any], logs: tuple) -> Array:
        full = list(theta)
        for k, value in zip(linear, values, strict=True):
            full[k] = jnp.log(value) if law.parameters[k].transform == "log" else value
        answer = law.log_response(full, logs)
        return jnp.exp(answer) if law.response.domain == "positive" else answer

    return response


def linear_parameters(problem: Problem) -> tuple[str, ...]:
    """Names of free, untied parameters in which the response is jointly linear."""
    with in_float64():
        return tuple(problem.law.parameter_names[k] for k in linear_indices(problem.task, lengths(problem)))


def lengths(problem: Problem) -> tuple[int, ...]:
    """Of each variable that is a vector its length, else 0."""
    return tuple(np.shape(x)[1] if np.ndim(x) == 2 else 0 for x in problem.points.logs)


@kept
def linear_indices(task: Task, vectors: tuple[int, ...]) -> tuple[int, ...]:
    """Indices of free, untied parameters in which the response is jointly linear.

    Found by doubling one parameter or two at random points: what one adds must not depend on another, nor on how often
    it is added. Differences are used because a second derivative takes seconds to compile. `vectors` gives the length
    of each variable that is a vector, else 0. Call under float64.
    """
    law, slots = task.law, task.layout.slots
    able = [
        k
        for k, p in enumerate(law.parameters)
        if p.transform != "logit" and slots[k] >= 0 and slots.count(slots[k]) == 1
    ]
    if not able:
        return ()
    rng, count, m = np.random.default_rng(0), 256, len(able)
    logs = tuple(
        rng.uniform(0.0, 6.0 if v.domain == "positive" else 1.0, (count, length) if length else count)
        for v, length in zip(law.variables, vectors, strict=True)
    )
    theta = rng.uniform(-2.0, 1.0, (count, len(law.parameters)))
    values = np.exp(rng.uniform(-2.0, 1.0, (count, m)))
    one = np.eye(m)
    more = np.concatenate([np.zeros((1, m)), one, (one[:, None] + one[None]).reshape(-1, m)])  # added, in its own size
    response = _response(law, tuple(able))

    def at(values: Array, theta: Array, logs: tuple) -> Array:
        return jax.vmap(lambda k: response(tuple(values * (1 + k)), tuple(theta), logs))(more)

    program = Program(lambda *each: jax.vmap(at)(*each), compile_options(once=True))
    found = np.asarray(program(values, theta, logs))
    found = found[np.isfinite(found).all(axis=1)]
    base, single, double = found[:, :1], found[:, 1 : m + 1], found[:, m + 1 :].reshape(-1, m, m)
    added = np.abs(single - base)
    bent = np.abs(double - single[:, :, None] - single[:, None, :] + base[:, :, None])
    size = np.abs(found).max(axis=1)
    usable = added.min(axis=1) > 1e-6 * size
    if not usable.any():
        return ()
    least = np.minimum(added[:, :, None], added[:, None, :]) + 1e-14 * size[:, None, None] / 1e-6
    curved = np.any((bent > 1e-6 * least)[usable], axis=0)
    chosen: list[int] = []
    for k in range(m):
        if not curved[k, k] and not any(curved[k, j] for j in chosen):
            chosen.append(k)
    return tuple(able[k] for k in chosen)


@kept
def screener(task: Task, linear: tuple[int, ...], many: bool):
    """`run(theta (n, n_parameters), tables) -> (free (n, free), objective (n,))`; with an axis of tables if `many`, the
    first `count` (1,) of which are screened: `run(theta, tables, count)`."""
    law, layout, space, _ = task
    response, value = _response(law, linear), value_of(task)
    leaders = [layout.slots.index(k) for k in range(layout.free)]

    def solved_for(theta: Array, table: ProblemArrays) -> list[Any]:
        """Theta with its linear parameters at their least-squares values, in relative residuals."""
        values, logs = list(theta), table.points.logs
        if not linear:
            return values
        ones = tuple(jnp.ones_like(theta[0]) for _ in linear)
        at_one, slopes = jax.vmap(lambda run: jax.value_and_grad(response)(ones, tuple(values), run))(logs)
        observed = jnp.exp(table.points.observed) if space == "log" else table.points.observed
        counts = table.points.weights > 0
        size = jnp.maximum(jnp.abs(observed), 1e-12 * jnp.abs(observed).max() + 1e-300)
        columns = jnp.where(counts, jnp.stack(slopes) / size, 0.0)
        target = jnp.where(counts, (observed - at_one) / size, 0.0) + jnp.sum(columns, axis=0)
        norms = jnp.sqrt(jnp.sum(columns**2, axis=1))
        scaled = columns / norms[:, None]
        gram = jnp.sum(scaled[:, None] * scaled, axis=2)
        found, _ = solve_positive(gram + 1e-10 * jnp.eye(len(linear)), jnp.sum(scaled * target, axis=1))
        floor = LEAST_SHARE * jnp.sqrt(jnp.sum(target**2))
        for j, k in enumerate(linear):
            if law.parameters[k].transform == "log":
                values[k] = jnp.log(jnp.maximum(found[j], floor)) - jnp.log(norms[j])
            else:
                values[k] = found[j] / norms[j]
        return values

    def one(theta: Array, table: ProblemArrays) -> tuple[Array, Array]:
        values = solved_for(theta, table)
        free = jnp.clip(jnp.stack([values[k] for k in leaders]), table.lower, table.upper)
        return free, value(free, table)

    def run(theta: Array, table: ProblemArrays) -> tuple[Array, Array]:
        return lax.map(lambda t: one(t, table), theta, batch_size=64)

    def over_tables(theta: Array, tables: ProblemArrays, count: Array) -> tuple[Array, Array]:
        def screened(k: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
            fresh = run(*jax.tree.map(lambda x: x[k], (theta, tables)))
            return jax.tree.map(lambda old, new: old.at[k].set(new), found, fresh)

        nothing = jnp.zeros((*theta.shape[:2], layout.free)), jnp.full(theta.shape[:2], jnp.inf)
        return lax.fori_loop(0, count[0], screened, nothing)

    return Program(over_tables if many else run, compile_options(wide=wide(task.law)))
