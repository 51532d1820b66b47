"""A second estimate beside the usual one: what Huber's objective says when its delta is matched to the noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax

from jaxscale._identification import Linearization
from jaxscale._objective import Huber, HuberLoss, Loss
from jaxscale._problem import Problem
from jaxscale._profiling import scale_of
from jaxscale._search import refined
from jaxscale._stack import Stack
from jaxscale.optim import CONVERGED, STUCK


@dataclass(frozen=True)
class AtNoise:
    """The estimate by an objective matched to the noise: the objective, and parameters in natural units."""

    objective: Huber
    params: Mapping[str, float]


def _with_priors(loss: Loss, problem: Problem, at: Linearization) -> Loss:
    """The priors of the problem beside another loss, weighed against the same scatter."""
    prior, noise = problem.loss.prior, problem.noise
    if prior is None or noise is None or not isinstance(loss, HuberLoss):
        return loss
    slope, square = scale_of(replace(at, loss=loss, psi=at.weights * np.clip(at.residuals, -loss.delta, loss.delta)))
    return loss._replace(prior=prior._replace(weight=prior.weight * square / slope / noise.dispersion))


def estimates_at_noise(
    stack: Stack,
    free: np.ndarray,
    at: Sequence[Linearization],
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    max_steps: int,
    devices: Sequence[Any] | None = None,
) -> dict[int, AtNoise]:
    """For every table whose Huber delta lies far below the noise, the optimum with a matched one that is found from
    its own, (tables, free), if it is; all in one batch of the programs that fitted them. Call under float64."""
    objectives: dict[int, Huber] = {}
    problems = list(stack.problems)
    for k, (problem, linear) in enumerate(zip(stack.problems, at, strict=True)):
        usual = problem.objective
        if isinstance(usual, Huber) and linear.far_below_noise:
            objectives[k] = replace(usual, delta="matched").at(linear.sigma)
            (loss,) = objectives[k].losses(1.0)
            problems[k] = replace(problem, objective=objectives[k], losses=(_with_priors(loss, problem, linear),))
    if not objectives:
        return {}
    found = refined(Stack.of(problems), optimizer, free, max_steps=max_steps, devices=devices)
    ended = np.isfinite(found.value) & np.isin(found.status, (CONVERGED, STUCK))
    return {
        k: AtNoise(objective, problems[k].law.natural(problems[k].full(found.free[k])))
        for k, objective in objectives.items()
        if ended[k]
    }
