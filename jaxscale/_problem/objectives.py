"""Robust misfit between a law and some runs: the choices a user has, and their value and derivatives for many lanes
at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as separate
from scipy.special import ndtr

from jaxscale._base.errors import InputError
from jaxscale.laws import Law
from jaxscale.laws._rewrite import vectorised
from jaxscale.optim import Curvature

Space = Literal["log", "raw"]
Matched = Literal["matched"]

FIRST_DELTA = 1e-3  # of the Huber fit that shows the noise, where an objective is matched to it
# Where Huber's estimator turns linear, in standard deviations: 95 % efficient under Gaussian noise (Huber 1981, sec.
# 4.2).
HUBER_AT_NOISE = 1.345


@dataclass(frozen=True)
class Huber:
    """Sum over runs of w Huber_delta(residual): squares up to delta, straight lines beyond (Hoffmann et al. 2022, Eq.
    3).

    The residual is log predicted - log observed ("log") or their plain difference ("raw"). `overestimate` multiplies
    the weight of runs that the law predicts too high. `delta="matched"` is 1.345 robust standard deviations of the
    residuals of a first fit with delta 1e-3; the fit's own `objective` says which number that was.
    """

    delta: float | Matched = FIRST_DELTA
    overestimate: float = 1.0
    space: Space = "log"
    kind: ClassVar[str] = "huber"

    def __post_init__(self):
        _check(self, "delta", "overestimate")

    @property
    def matched(self) -> bool:
        """Whether delta waits for the noise of a first fit."""
        return self.delta == "matched"

    def at(self, sigma: float) -> "Huber":
        """The objective for residuals of that (robust) standard deviation."""
        return replace(self, delta=HUBER_AT_NOISE * sigma) if self.matched else self

    @property
    def words(self) -> str:
        """What is minimised, for a reader."""
        return "Huber matched to the noise" if self.delta == "matched" else f"Huber {self.delta:.4g}"

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """Shapes of the misfit fitted one after the other, each from the optimum of the one before: one. Where delta
        is not known yet, that of the first fit, whose residuals are about `scale` times a relative error."""
        delta = FIRST_DELTA * scale if self.delta == "matched" else self.delta
        return (HuberLoss(np.float64(delta), np.float64(self.overestimate)),)


@dataclass(frozen=True)
class SquaredError:
    """Half the sum over runs of w residual^2, on logs ("log") or on the response itself ("raw")."""

    space: Space = "log"
    overestimate: float = 1.0
    kind: ClassVar[str] = "squared"
    matched: ClassVar[bool] = False
    delta: ClassVar[float] = float("inf")  # squares everywhere
    words: ClassVar[str] = "least squares"

    def __post_init__(self):
        _check(self, "overestimate")

    def at(self, sigma: float) -> "SquaredError":
        """The same: squares have no scale."""
        return self

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """One stage."""
        return (HuberLoss(np.float64(self.delta), np.float64(self.overestimate)),)


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
    matched: ClassVar[bool] = False
    words: ClassVar[str] = "least absolute deviations"

    def __post_init__(self):
        _check(self, "delta", "overestimate")

    def at(self, sigma: float) -> "AbsoluteError":
        """The same: absolute values have no scale."""
        return self

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """Shapes of the misfit fitted one after the other, for a response whose typical size in the residual's space is
        `scale`."""
        first = max(1e-2, self.delta)
        steps = max(1, round(2 * np.log10(first / self.delta)) + 1)
        sizes = (scale * d for d in np.geomspace(first, self.delta, steps))
        return tuple(HuberLoss(np.float64(d), np.float64(self.overestimate)) for d in sizes)


@dataclass(frozen=True)
class StudentT:
    """Misfit of Student's t with v = `freedom` degrees of freedom: sum over runs of w v s^2 / 2 ln(1 + r^2 / (v s^2)).

    Squares within the noise, logarithms far beyond it: the score w r / (1 + r^2 / (v s^2)) falls off, so that a run far
    from the law hardly pulls (Lange, Little & Taylor 1989, JASA 84, Eq. 4, who advise v = 4). It is the negative log
    likelihood times s^2 v / (v + 1), so that runs near the law count as squares do.

    The scale s is not fitted along: with it the likelihood has no bound where the law passes through as many runs as it
    has parameters. `scale="matched"` takes the robust standard deviation of the residuals of a first Huber fit with
    delta 1e-3 (an MM-estimator, Yohai 1987, Ann. Statist. 15); the fit's own `objective` says which number that was.
    `overestimate` and `space` are as in `Huber`.
    """

    freedom: float = 4.0
    scale: float | Matched = "matched"
    overestimate: float = 1.0
    space: Space = "log"
    kind: ClassVar[str] = "student"
    delta: ClassVar[float] = float("inf")  # straight nowhere

    def __post_init__(self):
        _check(self, "freedom", "scale", "overestimate")

    @property
    def matched(self) -> bool:
        """Whether the scale waits for the noise of a first fit."""
        return self.scale == "matched"

    def at(self, sigma: float) -> "StudentT":
        """The objective for residuals of that (robust) standard deviation."""
        return replace(self, scale=sigma) if self.matched else self

    @property
    def words(self) -> str:
        """What is minimised, for a reader."""
        scale = "matched to the noise" if self.scale == "matched" else f"of scale {self.scale:.4g}"
        return f"Student-t({self.freedom:g}) {scale}"

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """One stage; where the scale is not known yet, that of the first fit, see `Huber.losses`."""
        if self.scale == "matched":
            return Huber(overestimate=self.overestimate, space=self.space, delta="matched").losses(scale)
        return (StudentLoss(np.float64(self.scale), np.float64(self.freedom), np.float64(self.overestimate)),)


Objective = Huber | SquaredError | AbsoluteError | StudentT
OBJECTIVES: dict[str, type] = {k.kind: k for k in (Huber, SquaredError, AbsoluteError, StudentT)}


def _check(objective: Any, *names: str) -> None:
    for name in names:
        value = getattr(objective, name)
        if value == "matched" and name in ("delta", "scale") and objective.kind != "absolute":
            continue
        if isinstance(value, str) or not value > 0 or np.isinf(value):
            may = " or 'matched'" if name == "scale" or (name == "delta" and objective.kind == "huber") else ""
            raise InputError(f"{name} must be a positive number{may}, got {value!r}")
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


class Prior(NamedTuple):
    """What pulls the free values, each (..., free): weight / 2 (value - centre)^2 is added to the objective."""

    centre: Any
    weight: Any

    def penalty(self, free: Any) -> Any:
        """What is added to the objective, (...,)."""
        return 0.5 * (self.weight * (free - self.centre) ** 2).sum(axis=-1)


class HuberLoss(NamedTuple):
    """The shape of Huber's misfit, and priors beside it, as data: no number here causes a new compilation."""

    delta: Any
    overestimate: Any
    prior: Prior | None = None

    @property
    def size(self) -> float:
        """Residuals up to this size count as squares."""
        return float(self.delta)

    def misfit(self, residual: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Contribution to the objective, its derivative psi, and the weight inside the quadratic part, elementwise."""
        weights = weights * jnp.where(residual > 0, self.overestimate, 1.0)
        clipped = self.score(residual)
        return weights * clipped * (residual - 0.5 * clipped), weights * clipped, weights

    def score(self, residual: Any) -> Any:
        """psi at weight one, of NumPy or JAX arrays."""
        return residual.clip(-self.delta, self.delta)

    def height(self, residual: np.ndarray) -> np.ndarray:
        """The misfit at weight one."""
        clipped = self.score(residual)
        return clipped * (residual - 0.5 * clipped)

    def curvature(self, residual: Array, weights: Array, outer_share: Array | None) -> tuple[Array, Array]:
        """Slope of psi for weights as `misfit` gives them: never negative, with a share of the reweighted curvature of
        outer residuals, and the same again."""
        beyond = jnp.zeros_like(residual)
        if outer_share is not None:
            beyond = outer_share * self.delta / jnp.maximum(jnp.abs(residual), 1e-300)
        slope = weights * jnp.where(jnp.abs(residual) <= self.delta, 1.0, beyond)
        return slope, slope

    def wider(self, factor: float) -> "HuberLoss":
        """The same with residuals counted as squares up to `factor` times further."""
        return self._replace(delta=factor * self.delta)

    def gaussian_slope(self, sigma: float) -> float:
        """Expected slope of psi, at weight one, under Gaussian noise."""
        return float(2 * ndtr(self.delta / sigma) - 1)


class StudentLoss(NamedTuple):
    """The shape of Student's misfit, as data; methods as in `HuberLoss`."""

    scale: Any
    freedom: Any
    overestimate: Any
    prior: Prior | None = None

    @property
    def size(self) -> float:
        """Residuals up to this size count nearly as squares."""
        return float(self.scale)

    def misfit(self, residual: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Contribution to the objective, its derivative psi, and the weight of small residuals, elementwise."""
        weights = weights * jnp.where(residual > 0, self.overestimate, 1.0)
        width = self.freedom * self.scale**2
        return weights * 0.5 * width * jnp.log1p(residual**2 / width), weights * self.score(residual), weights

    def curvature(self, residual: Array, weights: Array, outer_share: Array | None) -> tuple[Array, Array]:
        """Slope of psi: once never negative, with a share of the reweighted curvature (psi over the residual), and once
        as it is, negative beyond scale sqrt(freedom)."""
        slope = weights * self.slope(residual)
        guarded = jnp.maximum(slope, 0.0)
        if outer_share is not None:
            reweighted = weights / (1 + residual**2 / (self.freedom * self.scale**2))
            guarded = guarded + outer_share * (reweighted - guarded)
        return guarded, slope

    def score(self, residual: Any) -> Any:
        """psi at weight one, of NumPy or JAX arrays."""
        return residual / (1 + residual**2 / (self.freedom * self.scale**2))

    def height(self, residual: np.ndarray) -> np.ndarray:
        """The misfit at weight one."""
        width = self.freedom * self.scale**2
        return 0.5 * width * np.log1p(residual**2 / width)

    def slope(self, residual: Any) -> Any:
        """Slope of psi at weight one, of NumPy or JAX arrays."""
        share = residual**2 / (self.freedom * self.scale**2)
        return (1 - share) / (1 + share) ** 2

    def wider(self, factor: float) -> "StudentLoss":
        """The same with residuals counted nearly as squares up to `factor` times further."""
        return self._replace(scale=factor * self.scale)

    def gaussian_slope(self, sigma: float) -> float:
        """Expected slope of psi, at weight one, under Gaussian noise."""
        z, probability = np.polynomial.hermite_e.hermegauss(80)
        return float(probability @ self.slope(sigma * z) / probability.sum())


Loss = HuberLoss | StudentLoss


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
        total = jnp.sum(separate(loss.misfit(residual, points.weights)[0]))
        return total if loss.prior is None else total + loss.prior.penalty(free)

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
        logs_axes = 0 if pinned.ndim == 2 else None
        columns = tuple(free[:, i] for i in range(p))

        def per_run(function):
            def one_lane(x, pins, logs):
                return jax.vmap(function, (None, None, 0))(x, pins, logs)

            return jax.vmap(one_lane, (0, 0 if pinned.ndim == 2 else None, logs_axes))(columns, pinned, points.logs)

        prior = loss.prior
        loss = jax.tree.map(lambda x: jnp.reshape(x, (-1, 1)), loss._replace(prior=None))
        predicted, jac = separate(per_run(value_and_jacobian))
        residual = predicted - points.response
        contribution, psi, weights = loss.misfit(residual, points.weights)
        inner, slope = loss.curvature(residual, weights, None if outer_share is None else outer_share[:, None])
        lacking = None if slope is inner else slope - inner  # of the exact curvature, where it may be negative
        contribution, psi, inner = separate((contribution, psi, inner))
        if not second_order:
            gradient = jnp.stack([jnp.sum(separate(j * psi), axis=1) for j in jac], axis=1)
            return _with_prior(Evaluation(jnp.sum(contribution, axis=1), gradient, None), free, prior)

        left = jnp.stack([*(j * inner for j in jac), psi, contribution], axis=1)
        right = jnp.stack([*jac, jnp.ones_like(psi)], axis=1)
        product = jnp.einsum("bin,bjn->bij", *separate((left, right)))
        gauss_newton = product[:, :p, :p]
        hessian = gauss_newton
        if exact:
            if lacking is not None:
                rest = jnp.stack([j * separate(lacking) for j in jac], axis=1)
                hessian = hessian + jnp.einsum("bin,bjn->bij", *separate((rest, right[:, :p])))
            rows = separate(jnp.stack(per_run(hessian_rows), axis=1))
            triangle = jnp.einsum("bkn,bn->bk", rows, psi)
            hessian = hessian + triangle[:, _triangle_index(p)]
        found = Evaluation(product[:, p + 1, p], product[:, p, :p], Curvature(gauss_newton, hessian))
        return _with_prior(found, free, prior)

    return evaluate


def _with_prior(found: Evaluation, free: Array, prior: Prior | None) -> Evaluation:
    if prior is None:
        return found
    diagonal = jnp.eye(free.shape[1]) * prior.weight[..., None, :]
    curvature = jax.tree.map(lambda x: x + diagonal, found.curvature)
    return Evaluation(
        found.value + prior.penalty(free), found.gradient + prior.weight * (free - prior.centre), curvature
    )


def _triangle_index(p: int) -> np.ndarray:
    """Position in the lower triangle, row by row, of every entry of a symmetric (p, p) matrix."""
    i, j = np.indices((p, p))
    return np.maximum(i, j) * (np.maximum(i, j) + 1) // 2 + np.minimum(i, j)
