"""What is fitted: a law, some runs, an objective and pins, turned into padded arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.files import numbers
from jaxscale._base.text import quoted
from jaxscale._data.runs import Runs
from jaxscale._problem.arrays import Layout, Points, ProblemArrays, Task, padded_rows
from jaxscale._problem.evaluate import residual_space
from jaxscale._problem.losses import Loss, Prior
from jaxscale._problem.objectives import Objective
from jaxscale.laws import Law
from jaxscale.laws._compiled import examine

Priors = Mapping[str, tuple[float, float]]

_THETA_LIMIT = 300.0  # a logged parameter beyond exp(+-300) has left float64's useful range
_ON_BOUND = 1e-9  # of theta
_VANISHING_FLOOR = 1e-6  # a floor below this share of the least response can no longer be told from none


@dataclass(frozen=True)
class Noise:
    """The scatter of the runs around a first fit, which objectives and priors are matched to.

    sigma: robust standard deviation in the space of the residual. slope, square: expected slope of psi and mean of its
    square, of the objective that is fitted in the end. Near an optimum the objective rises by `dispersion` times half
    of chi squared: for squares the variance of the noise.
    """

    sigma: float
    slope: float
    square: float

    @property
    def dispersion(self) -> float:
        """What one unit of the objective's rise means, see above."""
        return self.square / self.slope

    def to_dict(self) -> dict[str, float]:
        """Plain data for a file."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Noise":
        """What `to_dict` wrote."""
        return cls(**numbers(data))


@dataclass(frozen=True, eq=False)
class Problem:
    """One table, ready to be minimised. Arrays are NumPy; row arrays are padded, see `padded_rows`, with rows of weight
    zero."""

    law: Law
    objective: Objective
    task: Task
    points: Points
    pinned: np.ndarray  # (n_parameters,), nan where free
    lower: np.ndarray  # (free,)
    upper: np.ndarray
    count: int  # rows before padding
    asked: frozenset[str]  # parameters with a bound the user gave
    losses: tuple[Loss, ...]  # stages of the objective, the last being the one asked for
    noise: Noise | None = None
    priors: bool = False  # whether there are any; they are in `losses` once the noise is known

    @property
    def layout(self) -> Layout:
        """Which parameters are free, and which move together."""
        return self.task.layout

    @property
    def free_names(self) -> tuple[str, ...]:
        """A name for each free value: that of the first parameter that reads it."""
        return _first_names(self.law.parameter_names, self.layout.slots)

    def full(self, free: np.ndarray) -> np.ndarray:
        """Theta (..., n_parameters) from free values (..., free)."""
        if self.layout.plain:
            return np.array(free)
        slots = np.array(self.layout.slots)
        theta = np.take(free, slots, axis=-1)
        theta[..., slots < 0] = self.pinned[slots < 0]
        return theta

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Free values (..., free) of theta (..., n_parameters); of tied parameters the first counts."""
        slots = self.layout.slots
        return np.asarray(theta)[..., [slots.index(k) for k in range(self.layout.free)]]

    def at_lower(self, free: np.ndarray) -> np.ndarray:
        """Which free values (free,) lie on their lower bound, but for rounding."""
        return free <= self.lower + _ON_BOUND

    def at_bound(self, free: np.ndarray) -> np.ndarray:
        """Which free values (free,) a bound holds, but for rounding."""
        return self.at_lower(free) | (free >= self.upper - _ON_BOUND)

    @property
    def loss(self) -> Loss:
        """The misfit asked for, as data."""
        return self.losses[-1]

    @property
    def whitening(self) -> np.ndarray:
        """What the residual of each run is multiplied by, (count,), see `Points`."""
        given = self.points.whitening
        return np.ones(self.count) if given is None else given[: self.count]

    @property
    def observed(self) -> np.ndarray:
        """The responses, whatever their errors: their logs, or as they are, (count,)."""
        return np.asarray(self.points.observed)[: self.count]

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the responses, as `observed` has them."""
        return float(np.std(self.observed))

    @property
    def without_errors(self) -> "Problem":
        """The same runs with residuals as they are, as those of runs not yet done."""
        if self.points.whitening is None:
            return self
        points = self.points._replace(response=self.points.observed, whitening=None)
        return replace(self, points=points, task=self.task._replace(whitened=False))

    @property
    def provisional(self) -> bool:
        """Whether objective or priors wait for the noise that a fit of this problem shows."""
        return self.noise is None and (self.objective.matched or self.priors)

    def tables(self, stage: int = -1) -> ProblemArrays:
        """The numbers of this problem at a stage of the objective, as the solver takes them."""
        return ProblemArrays(self.points, self.pinned, self.losses[stage], self.lower, self.upper)

    def subsample(self, rows: int) -> "Problem":
        """The same problem on some of its runs, evenly spread over the response: a cheap subsample, to begin with."""
        used = np.flatnonzero(self.points.weights > 0)
        by_response = used[np.argsort(self.points.observed[used], kind="stable")]
        some = np.sort(by_response[_spread_evenly(len(used), rows)])
        return replace(self, points=_pad(self.points.at(some), padded_rows(len(some))), count=len(some))

    def with_rows(self, rows: int) -> "Problem":
        """The same problem, padded to at least that many rows."""
        return self if len(self.points.response) >= rows else replace(self, points=_pad(self.points, rows))

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Weights (..., count) extended with the zeros of the padding."""
        extra = self.points.response.shape[0] - self.count
        return np.concatenate([rows, np.zeros((*rows.shape[:-1], extra))], axis=-1)


@lru_cache
def _first_names(names: tuple[str, ...], slots: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(names[slots.index(k)] for k in range(max(slots) + 1))


@lru_cache
def _spread_evenly(count: int, most: int) -> np.ndarray:
    """Numbers of `most` of so many rows, or of all of them, evenly spread."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(int)


def make_problem(
    law: Law,
    runs: Runs,
    objective: Objective,
    *,
    fixed: Mapping[str, float] | None = None,
    tied: Sequence[Sequence[str]] = (),
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    priors: Priors | None = None,
    noise: Noise | None = None,
) -> Problem:
    """Check that the runs have what the law reads, apply pins, ties and bounds, and pad.

    An objective is matched to the noise, and priors are weighed against it, by `noise`; without it the problem is that
    of the first fit, which has no priors.

    Raises:
        InputError: a variable is missing, or a pin, tie, bound or prior names no parameter or contradicts another.
    """
    fixed, bounds, priors = dict(fixed or {}), dict(bounds or {}), dict(priors or {})
    examine(law)
    pinned, layout = pins(law, fixed, tied, bounds)
    centre, precision = read_priors(law, layout, priors)
    space = residual_space(law, objective)
    logs = tuple(_logged(_variable(law, runs, v.name), v.domain) for v in law.variables)
    response = np.asarray(runs.response, np.float64)
    if law.response.domain == "positive" and not (response > 0).all():
        row, name = int(np.argmin(response)), runs.record.measure.name
        raise InputError(
            f"row {runs.rows[row]}: {quoted(name)} is {response[row]:g}, and law {law.name} predicts what is above 0; "
            + _of_either_sign(law)
        )
    weights = np.ones(len(response)) if runs.weights is None else np.asarray(runs.weights, np.float64)
    lower, upper = _box(law, layout, response, bounds)
    observed = np.log(response) if space == "log" else response
    whitening = _whitening(runs, weights, law.response.logged and space == "raw")
    whitened = observed if whitening is None else observed * whitening
    points = _pad(Points(logs, whitened, weights, whitening), padded_rows(len(response)))
    task = Task(law, layout, space, whitening is not None)
    scale = 1.0 if space == "log" else float(np.median(np.abs(response))) or 1.0
    losses = objective.losses(scale)
    if noise is not None:
        objective = objective.at(noise.sigma)
        losses = objective.losses(scale)
        if priors:
            losses = tuple(x._replace(prior=Prior(centre, noise.dispersion * precision)) for x in losses)
    return Problem(
        law=law,
        objective=objective,
        task=task,
        points=points,
        pinned=pinned,
        lower=lower,
        upper=upper,
        count=len(response),
        asked=frozenset(bounds),
        losses=losses,
        noise=noise,
        priors=bool(priors),
    )


def _variable(law: Law, runs: Runs, name: str) -> np.ndarray:
    """The values of a variable of the law. Raises InputError, with a law that does without it if there is one."""
    try:
        return runs.variable(name)
    except InputError as error:
        others = [symbol for symbol, values in runs.variables.items() if values.ndim == 1 and (values > 0).all()]
        if not others:
            raise
        x = others[0]
        option = "power_law" if x == "N" else f"'power_law(variable={x})'"
        alone = f"jaxscale fit --law {option} (laws.power_law({x!r}))"
        raise InputError(f"{error}. Or fit a law of {x} alone: {alone}") from None


def _whitening(runs: Runs, weights: np.ndarray, as_shares: bool) -> np.ndarray | None:
    """What the runs' residuals are multiplied by, (n_runs,); None if errors are equal, or there are none. `as_shares`:
    errors are those of logs, and residuals plain differences."""
    if runs.errors is None:
        return None
    whitening = 1 / runs.errors
    if as_shares:
        whitening = whitening / runs.response
        whitening = whitening / np.sqrt(np.mean(whitening[weights > 0] ** 2))
    return None if (whitening == 1).all() else whitening


def _of_either_sign(law: Law) -> str:
    """Which laws take responses that are not positive, of the variable of this law."""
    x = law.variables[0].name
    return (
        f"of either sign are --law 'power_law(variable={x}, real=true)' (laws.power_law({x!r}, real=True)), "
        f"y = E + A {x}^-alpha, and --law 'log_law(variable={x})' (laws.log_law({x!r})), y = a + b ln {x}"
    )


def pins(
    law: Law, fixed: Mapping[str, float], tied: Sequence[Sequence[str]], bounds: Mapping[str, object]
) -> tuple[np.ndarray, Layout]:
    """Theta of the fixed parameters (n_parameters,), nan elsewhere, and which of the others move together.

    Raises:
        InputError: a pin, tie or bound names no parameter, or nothing is left to fit.
    """
    for name in (*fixed, *bounds, *(n for group in tied for n in group)):
        law.index(name)  # names it where there is none
    pinned = np.full(len(law.parameters), np.nan)
    for i, parameter in enumerate(law.parameters):
        if parameter.name in fixed:
            pinned[i] = parameter.to_theta(float(fixed[parameter.name]))
    layout = Layout(_slots(law, fixed, tied))
    if layout.free == 0:
        raise InputError("every parameter is fixed, so there is nothing to fit; use predict with these values")
    return pinned, layout


def read_priors(law: Law, layout: Layout, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Centre and precision (1 / width^2) of the Gaussian prior of each free value, (free,); precision 0 without one.

    Raises:
        InputError: a prior names no free parameter, or its centre or width is not one.
    """
    weighted, precision = np.zeros(layout.free), np.zeros(layout.free)
    for name, prior in priors.items():
        k = law.index(name)
        if layout.slots[k] < 0:
            raise InputError(f"{name} is fixed, so a prior of it changes nothing; leave out one of the two")
        try:
            centre, width = (float(x) for x in prior)
        except (TypeError, ValueError):
            raise InputError(f"a prior is a pair (centre, width), got {prior!r} for {name}") from None
        if not (np.isfinite(centre) and 0 < width < np.inf):
            raise InputError(f"a prior has a finite centre and a positive width, got {prior!r} for {name}")
        weighted[layout.slots[k]] += law.parameters[k].to_theta(centre) / width**2
        precision[layout.slots[k]] += 1 / width**2
    return weighted / np.where(precision > 0, precision, 1.0), precision


def _slots(law: Law, fixed: Mapping[str, float], tied: Sequence[Sequence[str]]) -> tuple[int, ...]:
    leader = {name: name for name in law.parameter_names}
    for group in tied:
        if len(group) < 2:
            raise InputError(f"a tie joins two or more parameters, got {list(group)!r}")
        transforms = {p.transform for p in law.parameters if p.name in group}
        if len(transforms) > 1:
            raise InputError(f"{' and '.join(group)} cannot be tied: one is fitted in logs, the other is not")
        if pins := [n for n in group if n in fixed]:
            raise InputError(f"{pins[0]} is both fixed and tied; fix every parameter of the tie, or none")
        first = leader[group[0]]
        for name in group[1:]:
            leader = {k: first if v == leader[name] else v for k, v in leader.items()}
    slots: dict[str, int] = {}
    out = []
    for name in law.parameter_names:
        out.append(-1 if name in fixed else slots.setdefault(leader[name], len(slots)))
    return tuple(out)


def _logged(values: np.ndarray, domain: str) -> np.ndarray:
    return np.log(values) if domain == "positive" else np.asarray(values, np.float64)


def _box(law: Law, layout: Layout, response: np.ndarray, bounds: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the free values: what the user asked for, else only what keeps theta meaningful."""
    lower, upper = np.full(layout.free, -np.inf), np.full(layout.free, np.inf)
    for parameter, slot in zip(law.parameters, layout.slots, strict=True):
        if slot < 0:
            continue
        low, high = (-_THETA_LIMIT, _THETA_LIMIT) if parameter.transform == "log" else (-np.inf, np.inf)
        if parameter.transform == "log" and dict(parameter.dimension) == {law.response.name: 1}:
            low = np.log(_VANISHING_FLOOR * response.min())
        if parameter.name in bounds:
            ends = bounds[parameter.name]
            low = (
                low
                if ends[0] is None
                else (parameter.to_theta(ends[0]) if ends[0] > 0 or parameter.transform == "identity" else low)
            )
            high = high if ends[1] is None else parameter.to_theta(ends[1])
            if not low < high:
                raise InputError(f"bounds of {parameter.name} leave no room: {ends[0]!r} to {ends[1]!r}")
        lower[slot], upper[slot] = max(lower[slot], low), min(upper[slot], high)
    return lower, upper


def _pad(points: Points, rows: int) -> Points:
    """Points padded to that many rows by repeating the last one with weight zero."""
    count = len(points.response)
    padded = points.at(np.minimum(np.arange(rows), count - 1))
    padded.weights[count:] = 0.0
    return padded
