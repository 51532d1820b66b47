"""Robust misfit between a law and some runs: the choices a user has, and their value and derivatives for many lanes
at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as separate

from jaxscale._errors import InputError
from jaxscale.laws import Law
from jaxscale.laws._rewrite import vectorised
from jaxscale.optim import Curvature

Space = Literal["log", "raw"]


@dataclass(frozen=True)
class Huber:
    """Sum over runs of w Huber_delta(residual): squares up to delta, straight lines beyond (Hoffmann et al. 2022, Eq.
    3).

    The residual is log predicted - log observed ("log") or their plain difference ("raw"). `overestimate` multiplies
    the weight of runs that the law predicts too high.
    """

    delta: float = 1e-3
    overestimate: float = 1.0
    space: Space = "log"
    kind: ClassVar[str] = "huber"

    def __post_init__(self):
        _check(self)

    def deltas(self, scale: float) -> tuple[float, ...]:
        """Values of delta fitted one after the other, each from the optimum of the one before. `scale` is not used."""
        return (self.delta,)


@dataclass(frozen=True)
class SquaredError:
    """Half the sum over runs of w residual^2, on logs ("log") or on the response itself ("raw")."""

    space: Space = "log"
    overestimate: float = 1.0
    kind: ClassVar[str] = "squared"

    def __post_init__(self):
        _check(self)

    @property
    def delta(self) -> float:
        """Infinite: squares everywhere."""
        return float("inf")

    def deltas(self, scale: float) -> tuple[float, ...]:
        """One stage."""
        return (self.delta,)


@dataclass(frozen=True)
class AbsoluteError:
    """Sum over runs of w |residual| (least absolute deviations), reached through Huber fits of ever smaller delta.

    `delta` is the last one, as a share of the typical response: the optimum of a log loss moves in the fourth digit
    of A from 1e-6 to 1e-9, and in the seventh beyond.
    """

    delta: float = 1e-6
    space: Space = "log"
    overestimate: float = 1.0
    kind: ClassVar[str] = "absolute"

    def __post_init__(self):
        _check(self)

    def deltas(self, scale: float) -> tuple[float, ...]:
        """Values of delta fitted one after the other, for a response whose typical size in the residual's space is
        `scale`."""
        first = max(1e-2, self.delta)
        steps = max(1, round(2 * np.log10(first / self.delta)) + 1)
        return tuple(float(scale * d) for d in np.geomspace(first, self.delta, steps))


Objective = Huber | SquaredError | AbsoluteError
OBJECTIVES: dict[str, type] = {"huber": Huber, "squared": SquaredError, "absolute": AbsoluteError}


def _check(objective: Objective) -> None:
    for name in ("delta", "overestimate"):
        value = getattr(objective, name)
        boundless = name == "delta" and objective.kind == "squared"
        if not value > 0 or (np.isinf(value) and not boundless):
            raise InputError(f"{name} must be a positive number, got {value!r}")
    if objective.space not in ("log", "raw"):
        raise InputError(f"space must be 'log' or 'raw', got {objective.space!r}")


class Points(NamedTuple):
    """Runs as a law sees them. Leading axes for several tables come first; runs are last.

    `logs` holds one array per variable of the law (logged where positive), `response` the observed response in the
    space of the residual, `weights` is zero on padding.
    """

    logs: tuple[Any, ...]
    response: Any
    weights: Any

    def at(self, rows: np.ndarray) -> "Points":
        """The runs of these numbers, of one table."""
        return Points(tuple(x[rows] for x in self.logs), self.response[rows], self.weights[rows])


class Loss(NamedTuple):
    """The shape of the misfit, as data: no number here causes a new compilation."""

    delta: Any
    overestimate: Any


class Layout(NamedTuple):
    """Which entries of theta are free: `slots[i]` is the column of the free vector that parameter i reads, or -1 if
    pinned."""

    slots: tuple[int, ...]

    @property
    def free(self) -> int:
        """Number of free values."""
        return max(self.slots) + 1

    def full(self, free: Any, pinned: Any) -> tuple[Any, ...]:
        """Theta, a tuple of scalars, from the free values and the pinned ones (n_parameters,)."""
        return tuple(free[s] if s >= 0 else pinned[i] for i, s in enumerate(self.slots))


def residual_space(law: Law, objective: Objective) -> Space:
    """ "log" only where the response has a logarithm."""
    return objective.space if law.response.domain == "positive" else "raw"


def predictor(law: Law, space: Space) -> Callable[[tuple, tuple], Array]:
    """`predict(theta, logs)`: what is compared with the observed response of one run."""

    def predict(theta: tuple, logs: tuple) -> Array:
        value = law.log_response(theta, logs)
        return jnp.exp(value) if space == "raw" and law.response.domain == "positive" else value

    return vectorised(predict)


def misfit(residual: Array, weights: Array, loss: Loss) -> tuple[Array, Array, Array]:
    """Contribution to the objective, its derivative psi, and the weight inside the quadratic part, elementwise."""
    weights = weights * jnp.where(residual > 0, loss.overestimate, 1.0)
    clipped = jnp.clip(residual, -loss.delta, loss.delta)
    return weights * clipped * (residual - 0.5 * clipped), weights * clipped, weights


class Evaluation(NamedTuple):
    """Objective (lanes,), gradient (lanes, free) and curvature (lanes, free, free)."""

    value: Array
    gradient: Array
    curvature: Curvature | None


def value_of(law: Law, layout: Layout, space: Space):
    """`value(free, pinned, points, loss)`: the objective of one problem. Leading axes are for the caller's vmap."""
    predict = predictor(law, space)

    def value(free: Array, pinned: Array, points: Points, loss: Loss) -> Array:
        theta = layout.full(free, pinned)
        residual = separate(jax.vmap(lambda logs: predict(theta, logs))(points.logs)) - points.response
        return jnp.sum(separate(misfit(residual, points.weights, loss)[0]))

    return value


def evaluator(law: Law, layout: Layout, space: Space, *, exact: bool, second_order: bool = True):
    """`evaluate(free, pinned, points, loss, outer_share)` for many lanes; see `DampedState.outer_share`.

    Arrays of `points`, `pinned` and `loss` may have a lane axis or be shared. Everything is one pass of elementwise
    work per run, then one batched product; `separate` keeps XLA from fusing the product into the pass, which would
    make it scalar.
    """
    predict = predictor(law, space)

    def of_free(free: tuple, pinned: Array, logs: tuple) -> Array:
        return predict(layout.full(free, pinned), logs)

    value_and_jacobian = jax.value_and_grad(of_free)
    jacobian = jax.grad(of_free)

    def hessian_rows(free: tuple, pinned: Array, logs: tuple) -> list[Array]:
        """Lower triangle row by row, one tangent at a time, so that the zeros of a tangent cost nothing."""
        rows = []
        for j in range(len(free)):

            def along(x, j=j):
                return jacobian((*free[:j], x, *free[j + 1 :]), pinned, logs)[: j + 1]

            rows.extend(jax.jvp(along, (free[j],), (jnp.ones_like(free[j]),))[1])
        return rows

    def evaluate(
        free: Array, pinned: Array, points: Points, loss: Loss, outer_share: Array | None = None
    ) -> Evaluation:
        p = free.shape[1]
        logs_axes = 0 if points.response.ndim == 2 else None
        columns = tuple(free[:, i] for i in range(p))

        def per_run(function):
            def one_lane(x, pins, logs):
                return jax.vmap(function, (None, None, 0))(x, pins, logs)

            return jax.vmap(one_lane, (0, 0 if pinned.ndim == 2 else None, logs_axes))(columns, pinned, points.logs)

        loss = Loss(*(jnp.reshape(x, (-1, 1)) for x in loss))
        predicted, jac = separate(per_run(value_and_jacobian))
        residual = predicted - points.response
        contribution, psi, weights = misfit(residual, points.weights, loss)
        beyond = jnp.zeros_like(residual)
        if outer_share is not None:
            beyond = outer_share[:, None] * loss.delta / jnp.maximum(jnp.abs(residual), 1e-300)
        inner = weights * jnp.where(jnp.abs(residual) <= loss.delta, 1.0, beyond)
        contribution, psi, inner = separate((contribution, psi, inner))
        if not second_order:
            gradient = jnp.stack([jnp.sum(separate(j * psi), axis=1) for j in jac], axis=1)
            return Evaluation(jnp.sum(contribution, axis=1), gradient, None)

        left = jnp.stack([*(j * inner for j in jac), psi, contribution], axis=1)
        right = jnp.stack([*jac, jnp.ones_like(psi)], axis=1)
        product = jnp.einsum("bin,bjn->bij", *separate((left, right)))
        gauss_newton = product[:, :p, :p]
        hessian = gauss_newton
        if exact:
            rows = separate(jnp.stack(per_run(hessian_rows), axis=1))
            triangle = jnp.einsum("bkn,bn->bk", rows, psi)
            hessian = gauss_newton + triangle[:, _triangle_index(p)]
        return Evaluation(product[:, p + 1, p], product[:, p, :p], Curvature(gauss_newton, hessian))

    return evaluate


def _triangle_index(p: int) -> np.ndarray:
    """Position in the lower triangle, row by row, of every entry of a symmetric (p, p) matrix."""
    i, j = np.indices((p, p))
    return np.maximum(i, j) * (np.maximum(i, j) + 1) // 2 + np.minimum(i, j)
