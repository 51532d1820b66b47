"""Everything a fit is told beside its runs, checked once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import optax

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._base.validation import check_draws, check_level
from jaxscale._data.runs import Runs, as_runs, read_runs
from jaxscale._problem.objectives import Huber, Objective
from jaxscale._problem.problem import Noise, Priors, Problem, make_problem, pins, read_priors
from jaxscale.laws import Law
from jaxscale.laws._registry import as_law
from jaxscale.optim import damped_newton

Bounds = Mapping[str, tuple[float | None, float | None]]
StartsOption = Literal["auto", "paper"] | int | Sequence[Mapping[str, float]]
IntervalMethod = Literal["auto", "quick", "bootstrap", "profile", "none"]
_DEFAULT_STEPS, _FIRST_ORDER_STEPS = 300, 5000


@dataclass(frozen=True, eq=False, kw_only=True)
class FitOptions:
    """Everything a fit is told but its runs, with what holds where nothing is said; `fit` says what each means.

    optimizer: None for the damped Newton of `jaxscale.optim`.

    Raises:
        InputError: an option cannot be used, alone or beside the others.
    """

    law: Law
    objective: Objective = field(default_factory=Huber)
    starts: StartsOption = "auto"
    optimizer: optax.GradientTransformation | None = None
    intervals: IntervalMethod = "auto"
    level: float = 0.9
    draws: int = 1000
    fixed: Mapping[str, float] = field(default_factory=dict)
    tied: tuple[tuple[str, ...], ...] = ()
    bounds: Bounds = field(default_factory=dict)
    priors: Priors = field(default_factory=dict)
    seed: int = 0
    devices: Sequence[Any] | None = None

    def __post_init__(self):
        if isinstance(self.starts, str) and self.starts not in ("auto", "paper"):
            raise InputError(
                f"starts must be 'auto', 'paper', a number or a list of mappings, got {quoted(self.starts)}"
            )
        if isinstance(self.starts, int) and self.starts < 1:
            raise InputError(f"starts must be at least 1, got {self.starts}")
        if self.intervals not in get_args(IntervalMethod):
            raise InputError(
                f"intervals must be 'auto', 'quick', 'bootstrap', 'profile' or None, got {quoted(self.intervals)}"
            )
        check_level(self.level)
        check_draws(self.draws)
        for name in ("fixed", "bounds", "priors"):  # so that they stay what they are, whatever their owner does
            object.__setattr__(self, name, dict(getattr(self, name)))
        read_priors(self.law, pins(self.law, self.fixed, self.tied, self.bounds)[1], self.priors)

    @classmethod
    def of(cls, law: Law | str, **options: Any) -> "FitOptions":
        """The options of `fit` by name. None is what holds where nothing is said, and no intervals for `intervals`."""
        given = {name: value for name, value in options.items() if value is not None}
        if options.get("intervals", "") is None:
            given["intervals"] = "none"
        if "tied" in given:
            given["tied"] = tuple(map(tuple, given["tied"]))
        return cls(law=as_law(law), **given)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The options of `fit` but the law."""
        return tuple(f.name for f in fields(cls) if f.name != "law")

    @cached_property  # compiled programs are kept by it
    def minimiser(self) -> optax.GradientTransformationExtraArgs:
        """What takes the steps."""
        return damped_newton() if self.optimizer is None else optax.with_extra_args_support(self.optimizer)

    @property
    def solver(self) -> str:
        """What a record calls it."""
        return "damped_newton" if self.optimizer is None else "given"

    @property
    def max_steps(self) -> int:
        """After how many steps a start is given up: first-order transformations take more."""
        return _DEFAULT_STEPS if self.optimizer is None else _FIRST_ORDER_STEPS

    def problem(self, runs: Runs, noise: Noise | None = None) -> Problem:
        """The problem these runs pose, see `make_problem`."""
        told = {"fixed": self.fixed, "tied": self.tied, "bounds": self.bounds, "priors": self.priors}
        return make_problem(self.law, runs, self.objective, **told, noise=noise)


def rows_for(laws: Iterable[Law], runs: Runs) -> Runs:
    """The rows that all these laws are fitted to. Where rows are checkpoints and nobody said which to take, every row
    if a law describes losses along a run, reads something else that changes along it, or there is one run alone; else
    the last row of each run."""
    if not runs.record.open_checkpoints or runs.clusters is None:
        return runs
    several = len(set(runs.clusters)) > 1
    whole = any(law.along_runs or _changes(law, runs) for law in laws)
    return runs.at_end() if several and not whole else runs.along_runs()


def _changes(law: Law, runs: Runs) -> bool:
    """Whether a variable of the law beside N, D, C and U changes within a run."""
    names = [v.name for v in law.variables if v.name not in ("N", "D", "C", "U") and v.name in runs.variables]
    values = [runs.variables[name].reshape(runs.count, -1) for name in names]
    first = {label: i for i, label in reversed(list(enumerate(runs.clusters or ())))}
    start = np.array([first[label] for label in runs.clusters or ()], dtype=np.int64)
    return any(bool((x != x[start]).any()) for x in values)


def reading_for(law: Law) -> dict[str, Any]:
    """How a table is read for a law: the domains of what it reads, and its variables by their names."""
    domains = {"response": law.response.domain} | {v.name: v.domain for v in law.variables}
    own = {v.name: None for v in law.variables if v.domain != "vector" and v.name not in ("N", "D", "C", "U", "loss")}
    return {"domains": {name: x for name, x in domains.items() if x in ("real", "unit", "count")}, **own}


def weighted(runs: Any, weights: Any, law: Law) -> Runs:
    """The runs, with weights by their column's name or one for each run; a table is read for the law."""
    if weights is None:
        return as_runs(runs, **reading_for(law))
    if not isinstance(weights, str):
        return replace(as_runs(runs, **reading_for(law)), weights=np.asarray(weights, np.float64), errors=None)
    if isinstance(runs, Runs):
        raise InputError(
            f"these runs were read already; give the column at reading: read_runs(..., weights={weights!r})"
        )
    return read_runs(runs, weights=weights, **reading_for(law))


def float_or_none(end: float | None) -> float | None:
    return None if end is None else float(end)
