"""Estimates beside the usual one: objectives matched to the noise, Huber's and Student's, and the lower edge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, overload

import numpy as np
import optax

from jaxscale._base.errors import InputError
from jaxscale._base.files import numbers
from jaxscale._problem.losses import Loss, Prior, StudentLoss
from jaxscale._problem.objectives import Huber, LowerEdge, Objective, StudentT, objective_from
from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._solver.damped import Descents, newton_step
from jaxscale._solver.search import refined
from jaxscale._solver.solve import NEAR
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.residuals import scatters_above
from jaxscale.optim import CONVERGED, settled

_MOST_STEPS = 200
_DOWN = (0.3, 0.2, 0.1)  # shares below a lower edge, each found from the one before: from the middle some are not


@dataclass(frozen=True)
class AtNoise:
    """The estimate by an objective matched to the noise, or of the lower edge: the objective, and parameters in natural
    units."""

    objective: Huber | StudentT | LowerEdge
    params: Mapping[str, float] = field(hash=False)

    @property
    def heading(self) -> str:
        """Of a column that holds the estimate."""
        objective = self.objective
        if isinstance(objective, LowerEdge):
            return "lower edge"
        return f"Student-t({objective.freedom:g})" if isinstance(objective, StudentT) else "noise-matched"

    @property
    def way(self) -> str:
        """How it was found, in words."""
        words = self.objective.words
        return (
            f"the {words}" if isinstance(self.objective, LowerEdge) else f"an objective matched to the noise ({words})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file; space and overestimate are those of the fit beside which it stands."""
        return {"kind": self.objective.kind, **self.objective.shape, "params": dict(self.params)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], beside: Objective, names: Sequence[str]) -> "AtNoise":
        """What `to_dict` wrote beside a fit with that objective and parameters of these names."""
        params = numbers(data["params"])
        kinds = ("huber", "student", "lower_edge") if isinstance(beside, Huber) else ("lower_edge",)
        if data["kind"] not in kinds or set(params) != set(names):
            raise InputError("its other estimates do not fit its law or objective")
        made = objective_from({**data, "space": beside.space, "overestimate": beside.overestimate})
        assert isinstance(made, Huber | StudentT | LowerEdge)
        return cls(made, params)


class Estimates(Sequence[AtNoise]):
    """Estimates beside the usual one, or what finds them when somebody first looks, since no verdict goes by them."""

    def __init__(self, found: tuple[AtNoise, ...] | Callable[[], tuple[AtNoise, ...]]):
        self._either, self._one_at_a_time = found, Lock()

    @property
    def _found(self) -> tuple[AtNoise, ...]:
        with self._one_at_a_time:
            if not isinstance(self._either, tuple):
                self._either = self._either()  # it held all tables that were fitted beside this one
            return self._either

    @overload
    def __getitem__(self, index: int) -> AtNoise: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AtNoise, ...]: ...
    def __getitem__(self, index: int | slice) -> AtNoise | tuple[AtNoise, ...]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._found == tuple(other)

    def __hash__(self) -> int:
        return hash(self._found)

    def __repr__(self) -> str:
        return repr(self._found)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._found,)  # sent to another process, they are found


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
        shapes, losses = {}, {}
        usual = stack.first.objective
        alike = replace(kind, overestimate=usual.overestimate, space=usual.space)
        for k in far:
            shapes[k] = alike.at(at[k].sigma)
            (loss,) = shapes[k].losses(1.0)
            losses[k] = _with_priors(loss, stack.problems[k], at[k])
        if isinstance(kind, StudentT):
            found, ended = (x[far] for x in _by_student(stack, losses, free))
        else:
            one = losses[far[0]]  # for tables that nothing is asked of
            other = stack.with_losses([losses.get(k, one) for k in range(len(stack))])
            reached = refined(other, optimizer, free[far], max_steps=max_steps, devices=devices, tables=far)
            found, ended = reached.free, np.isfinite(reached.value) & settled(reached.status)
        for k, theta, there in zip(far, found, ended, strict=True):
            if there:
                made[k] += (AtNoise(shapes[k], stack.first.law.natural(stack.problems[k].full(theta))),)
    return made


def lower_edges(
    stack: Stack,
    free: np.ndarray,
    at: Sequence[Linearization],
    clusters: Sequence[tuple[str, ...] | None],
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    max_steps: int,
    devices: Sequence[Any] | None = None,
) -> dict[int, AtNoise]:
    """For every table whose runs scatter to one side of the law, above it, the lower edge that is found from its
    optimum, (tables, free), where one is; by the program that fitted the tables. Call under float64."""
    lower_is_better = stack.first.law.response.better == "lower"
    some = [k for k, (one, of) in enumerate(zip(at, clusters, strict=True)) if scatters_above(one, of)]
    if not some or not lower_is_better or stack.first.priors:
        return {}
    edges, found, ended = [], free[some], np.ones(len(some), bool)
    for q in _DOWN:
        edges = [LowerEdge(q, space=problem.objective.space) for problem in stack.problems]
        bare = stack.with_losses([edge.losses(1.0)[-1] for edge in edges])
        reached = refined(bare, optimizer, found, max_steps=max_steps, devices=devices, tables=some)
        found, ended = reached.free, np.isfinite(reached.value) & settled(reached.status)
    law = stack.first.law
    return {
        k: AtNoise(edges[k], law.natural(stack.problems[k].full(theta)))
        for k, theta, there in zip(some, found, ended, strict=True)
        if there
    }


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
    rows = max(p.count for p in stack.problems)
    lower, upper = (np.array([getattr(p, end) for p in stack.problems]) for end in ("lower", "upper"))
    point, trial = free.copy(), free.copy()
    slope, bend = np.zeros(free.shape), np.zeros((*free.shape, free.shape[1]))
    descents = Descents(count, NEAR, _MOST_STEPS)
    descents.status[np.setdiff1d(np.arange(count), list(losses))] = CONVERGED
    with np.errstate(all="ignore"):  # what is not finite is not better, and tables that have ended are no longer read
        while len(some := descents.running):
            two = np.resize(some, max(len(some), min(count, 2)))  # one table would be another program's
            running = stack if len(some) == count else stack.some(two)
            residuals, jacobian, _, weights = (x[: len(some), :rows] for x in slopes_of(running, trial[two]))
            loss = StudentLoss(scale[some], freedom[some], None)  # `weights` know of overestimates
            mine = Prior(prior.centre[some], prior.weight[some])
            here = (weights * loss.height(residuals)).sum(axis=1) + mine.penalty(trial[some])
            psi, inner = weights * loss.score(residuals), weights * np.maximum(loss.slope(residuals), 0.0)
            gradient = (psi[:, None] @ jacobian)[:, 0] + mine.weight * (trial[some] - mine.centre)
            curvature = np.swapaxes(jacobian * inner[..., None], 1, 2) @ jacobian
            curvature += mine.weight[:, None] * np.eye(free.shape[1])
            finite = np.isfinite(here) & np.isfinite(gradient).all(axis=1) & np.isfinite(curvature).all(axis=(1, 2))
            better = descents.weigh(some, here, finite)
            point[some[better]] = trial[some[better]]
            slope[some[better]], bend[some[better]] = gradient[better], curvature[better]
            a = descents.running
            held = ((point[a] <= lower[a]) & (slope[a] > 0)) | ((point[a] >= upper[a]) & (slope[a] < 0))
            step, usable = newton_step(bend[a], slope[a], descents.damping[a], held)
            moved = np.clip(point[a] + step, lower[a], upper[a])
            step = moved - point[a]
            expected = -np.sum(slope[a] * step, axis=1) - 0.5 * np.einsum("ti,tij,tj->t", step, bend[a], step)
            usable &= np.isfinite(moved).all(axis=1) & (expected > 0)
            trial[a] = np.where(usable[:, None], moved, point[a])
            descents.promise(a, expected, usable)
    return point, np.isfinite(descents.value) & settled(descents.status)
