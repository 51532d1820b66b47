"""Everything a fit is told beside its runs, checked once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import optax

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._data.runs import Runs, as_runs, read_runs
from jaxscale._problem.objectives import Huber, Objective
from jaxscale._problem.problem import Noise, Priors, Problem, make_problem, pins, read_priors
from jaxscale.laws import Law, get
from jaxscale.optim import damped_newton

Bounds = Mapping[str, tuple[float | None, float | None]]
IntervalMethod = Literal["auto", "quick", "bootstrap", "profile", "none"]
_DEFAULT_STEPS, _FIRST_ORDER_STEPS = 300, 5000


@dataclass(frozen=True, eq=False)
class FitOptions:
    """Everything a fit is told but its runs, checked."""

    law: Law
    objective: Objective
    starts: Any
    optimizer: optax.GradientTransformationExtraArgs
    solver: str
    max_steps: int
    intervals: Any
    level: float
    draws: int
    fixed: Mapping[str, float]
    tied: tuple[tuple[str, ...], ...]
    bounds: Bounds
    priors: Priors
    seed: int
    devices: Sequence[Any] | None

    @classmethod
    def of(
        cls,
        law: Law | str,
        objective: Objective | None = None,
        starts: Any = "auto",
        optimizer: optax.GradientTransformation | None = None,
        intervals: Any = "auto",
        level: float = 0.9,
        draws: int = 1000,
        fixed: Mapping[str, float] | None = None,
        tied: Iterable[Sequence[str]] = (),
        bounds: Bounds | None = None,
        priors: Priors | None = None,
        seed: int = 0,
        devices: Sequence[Any] | None = None,
    ) -> "FitOptions":
        """The arguments of `fit`, checked, with their defaults in place."""
        law = get(law) if isinstance(law, str) else law
        _check_options(starts, intervals, level, draws)
        fixed, bounds, tied = dict(fixed or {}), dict(bounds or {}), tuple(tuple(group) for group in tied)
        priors = dict(priors or {})
        read_priors(law, pins(law, fixed, tied, bounds)[1], priors)
        if optimizer is None:
            chosen, solver, steps = damped_newton(), "damped_newton", _DEFAULT_STEPS
        else:
            chosen, solver, steps = optax.with_extra_args_support(optimizer), "given", _FIRST_ORDER_STEPS
        return cls(
            law, Huber() if objective is None else objective, starts, chosen, solver, steps,
            intervals or "none", level, draws, fixed, tied, bounds, priors, seed, devices,
        )  # fmt: skip

    def problem(self, runs: Runs, noise: Noise | None = None) -> Problem:
        """The problem these runs pose, see `make_problem`."""
        pins = {"fixed": self.fixed, "tied": self.tied, "bounds": self.bounds, "priors": self.priors}
        return make_problem(self.law, runs, self.objective, **pins, noise=noise)


def weighted(runs: Any, weights: Any) -> Runs:
    """The runs, with weights by their column's name or one for each run."""
    if weights is None:
        return as_runs(runs)
    if not isinstance(weights, str):
        return replace(as_runs(runs), weights=np.asarray(weights, np.float64))
    if isinstance(runs, Runs):
        raise InputError(
            f"these runs were read already; give the column at reading: read_runs(..., weights={weights!r})"
        )
    return read_runs(runs, weights=weights)


def _check_options(starts: Any, intervals: Any, level: float, draws: int) -> None:
    if isinstance(starts, str) and starts not in ("auto", "paper"):
        raise InputError(f"starts must be 'auto', 'paper', a number or a list of mappings, got {quoted(starts)}")
    if isinstance(starts, int) and starts < 1:
        raise InputError(f"starts must be at least 1, got {starts}")
    if intervals not in (None, "auto", "quick", "bootstrap", "profile", "none"):
        raise InputError(f"intervals must be 'auto', 'quick', 'bootstrap', 'profile' or None, got {quoted(intervals)}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1 (0.9 is 90 %), got {level!r}")
    check_draws(draws)


def check_draws(draws: int) -> None:
    """Refuse fewer draws than an interval can be read from."""
    if draws < 20:
        raise InputError(f"draws must be at least 20, got {draws}")


def float_or_none(end: float | None) -> float | None:
    return None if end is None else float(end)
