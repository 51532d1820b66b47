"""Estimates beside the usual one: what objectives matched to the noise say, Huber's and Student's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax

from jaxscale._base.errors import InputError
from jaxscale._base.files import numbers
from jaxscale._problem.losses import Loss, Prior, StudentLoss
from jaxscale._problem.objectives import Huber, Objective, StudentT, objective_from
from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._solver.damped import solve_positive_many
from jaxscale._solver.search import refined
from jaxscale._solver.solve import NEAR
from jaxscale._trust.linearization import Linearization
from jaxscale.optim import CONVERGED, RUNNING, STUCK, weigh

_MOST_STEPS = 200
_TOLERANCE = 1e-13


@dataclass(frozen=True)
class AtNoise:
    """The estimate by an objective matched to the noise: the objective, and parameters in natural units."""

    objective: Huber | StudentT
    params: Mapping[str, float]

    @property
    def heading(self) -> str:
        """Of a column that holds the estimate."""
        objective = self.objective
        return f"Student-t({objective.freedom:g})" if isinstance(objective, StudentT) else "noise-matched"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file; space and overestimate are those of the fit beside which it stands."""
        return {"kind": self.objective.kind, **self.objective.shape, "params": dict(self.params)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], beside: Objective, names: Sequence[str]) -> "AtNoise":
        """What `to_dict` wrote beside a fit with that objective and parameters of these names."""
        params = numbers(data["params"])
        if data["kind"] not in ("huber", "student") or not isinstance(beside, Huber) or set(params) != set(names):
            raise InputError("its noise-matched estimates do not fit its law or objective")
        made = objective_from({**data, "space": beside.space, "overestimate": beside.overestimate})
        assert isinstance(made, Huber | StudentT)
        return cls(made, params)


def estimates_at_noise(
    stack: Stack,
    free: np.ndarray,
    at: Sequence[Linearization],
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    max_steps: int,
    devices: Sequence[Any] | None = None,
) -> dict[int, tuple[AtNoise, ...]]:
    """For every table whose Huber delta lies far below the noise, the optima with a matched one and with Student's t
    that are found from its own, (tables, free), where they are; all in one batch each, of the programs that fitted
    the tables. Call under float64."""
    pairs = enumerate(zip(stack.problems, at, strict=True))
    far = [k for k, (problem, one) in pairs if isinstance(problem.objective, Huber) and one.far_below_noise]
    if not far:
        return {}
    made: dict[int, tuple[AtNoise, ...]] = dict.fromkeys(far, ())
    for kind in (Huber("matched"), StudentT()):
        shapes = {}
        problems = list(stack.problems)
        for k in far:
            usual = problems[k].objective
            shapes[k] = replace(kind, overestimate=usual.overestimate, space=usual.space).at(at[k].sigma)
            (loss,) = shapes[k].losses(1.0)
            problems[k] = replace(problems[k], losses=(_with_priors(loss, problems[k], at[k]),))
        if isinstance(kind, StudentT):
            found, ended = _by_student(stack, {k: problems[k].loss for k in far}, free)
        else:
            reached = refined(Stack.of(problems), optimizer, free, max_steps=max_steps, devices=devices)
            found = reached.free
            ended = np.isfinite(reached.value) & np.isin(reached.status, (CONVERGED, STUCK))
        for k in far:
            if ended[k]:
                params = problems[k].law.natural(problems[k].full(found[k]))
                made[k] += (AtNoise(shapes[k], params),)
    return made


def _with_priors(loss: Loss, problem: Problem, at: Linearization) -> Loss:
    """The priors of the problem beside another loss, weighed against the same scatter."""
    prior, noise = problem.loss.prior, problem.noise
    if prior is None or noise is None:
        return loss
    slope, square = at.scatter.under(loss).moments
    return loss._replace(prior=prior._replace(weight=prior.weight * square / slope / noise.dispersion))


def _by_student(stack: Stack, losses: Mapping[int, Any], free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Optima by Student's t of some tables that are found from (tables, free), and which were, (tables,).

    Damped Gauss-Newton steps of all tables at once, on the slopes that `linearize_all` compiled: the solver's program
    for this objective would take seconds to compile, for one descent from beside the optimum.
    """
    count = len(stack)
    scale, freedom = np.ones((count, 1)), np.ones((count, 1))
    prior = Prior(np.zeros(free.shape), np.zeros(free.shape))
    for k, one in losses.items():
        scale[k], freedom[k] = one.scale, one.freedom
        prior.centre[k], prior.weight[k] = (0.0, 0.0) if one.prior is None else one.prior
    loss = StudentLoss(scale, freedom, None)  # of all; `weights` know of overestimates
    lower, upper = (np.array([getattr(p, end) for p in stack.problems]) for end in ("lower", "upper"))
    point, trial, value = free.copy(), free.copy(), np.full(count, np.inf)
    slope, bend = np.zeros(free.shape), np.zeros((*free.shape, free.shape[1]))
    damping, predicted, streak = np.full(count, NEAR), np.ones(count), np.zeros(count)
    status = np.full(count, CONVERGED)
    status[list(losses)] = RUNNING
    with np.errstate(all="ignore"):  # what is not finite is not better, and tables that have ended are no longer read
        for _ in range(_MOST_STEPS):
            residuals, jacobian, _, weights = slopes_of(stack, trial)
            here = (weights * loss.height(residuals)).sum(axis=1) + prior.penalty(trial)
            psi, inner = weights * loss.score(residuals), weights * np.maximum(loss.slope(residuals), 0.0)
            gradient = np.einsum("tni,tn->ti", jacobian, psi) + prior.weight * (trial - prior.centre)
            curvature = np.einsum("tni,tn,tnj->tij", jacobian, inner, jacobian)
            curvature += prior.weight[:, None] * np.eye(free.shape[1])
            finite = np.isfinite(here) & np.isfinite(gradient).all(axis=1) & np.isfinite(curvature).all(axis=(1, 2))
            better, damping, streak, now = weigh(here, value, predicted, damping, streak, finite, _TOLERANCE, np)
            better &= status == RUNNING
            status = np.where(status == RUNNING, now, status)
            point[better], value[better], slope[better], bend[better] = (
                x[better] for x in (trial, here, gradient, curvature)
            )
            if not np.any(status == RUNNING):
                break
            trial, predicted, usable = _trial(point, slope, bend, damping, lower, upper)
            damping = np.where(usable, damping, 10.0 * damping)
    return point, np.isfinite(value) & np.isin(status, (CONVERGED, STUCK))


def _trial(point, slope, bend, damping, lower, upper) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the damped model is lowest within the bounds, (tables, free), by how much, and whether it is (tables,)."""
    held = ((point <= lower) & (slope > 0)) | ((point >= upper) & (slope < 0))
    diagonal = np.diagonal(bend, axis1=1, axis2=2)
    scale = np.maximum(diagonal, np.maximum(1e-14 * diagonal.max(axis=1, keepdims=True), 1e-300)) ** -0.5
    scaled = np.where(held[:, :, None] | held[:, None, :], 0.0, bend * scale[:, :, None] * scale[:, None, :])
    scaled += np.where(held, 1.0, damping[:, None])[:, :, None] * np.eye(point.shape[1])
    step, usable = solve_positive_many(scaled, np.where(held, 0.0, -scale * slope)[..., None])
    trial = np.clip(point + scale * step[..., 0], lower, upper)
    step = trial - point
    predicted = -np.sum(slope * step, axis=1) - 0.5 * np.einsum("ti,tij,tj->t", step, bend, step)
    usable &= np.isfinite(trial).all(axis=1) & (predicted > 0)
    return np.where(usable[:, None], trial, point), np.where(usable, predicted, 1.0), usable
