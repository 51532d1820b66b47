"""What a search found: its optima, the lowest, and how many starts agree."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.files import number, number_or_none
from jaxscale._base.text import as_percent
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.problem import Problem
from jaxscale.optim import CONVERGED, NOT_FINITE, STATUS_TEXT

CERTAIN_ENOUGH = 0.05  # expected share of starts that would lead to an optimum not yet seen
_COUNTS = ("count", "screened", "finished", "at_best", "failed")
SAME_OPTIMUM = 1e-6  # optima whose objectives differ by less, relatively, count as one


class Search(NamedTuple):
    """The search for the lowest optimum of one table: where each start that was run to the end began, (n, free), where
    it ended, and how many starts were considered."""

    tried: np.ndarray
    solutions: Solutions
    considered: int

    @property
    def best(self) -> int:
        """The first start whose objective is the lowest but for rounding, so that rounding does not choose between
        equals."""
        value = self.solutions.value
        finite = np.where(np.isfinite(value), value, np.inf)
        return int(np.flatnonzero(finite <= finite.min() * (1 + 1e-13))[0])

    @property
    def still(self) -> np.ndarray:
        """Which free values no start moved, (free,)."""
        return np.all(self.tried == self.solutions.free, axis=0)

    @property
    def lowest(self) -> float:
        """The lowest objective; infinite where no start has a finite one."""
        return float(np.min(self.solutions.value, initial=np.inf))


def agreeing(values: np.ndarray, lowest: float, problem: Problem) -> np.ndarray:
    """Which objectives equal the lowest: within 1e-9 of it, and never finer than rounding of a perfect fit."""
    noise = 1e-14 * problem.count * min(problem.loss.size, problem.spread or 1.0) ** 2
    return values - lowest <= 1e-9 * abs(lowest) + noise


def undiscovered(solutions: Solutions) -> float:
    """Expected share of starts that would lead to an optimum not yet seen: w (w + 1) / (n (n - 1)) after n starts that
    found w (Boender & Rinnooy Kan 1987, Math. Programming 37, for starts drawn alike); 1 where nothing can be said.

    A start that stopped short counts as an optimum of its own: nobody knows where it would have ended.
    """
    values = np.sort(solutions.value[solutions.status == CONVERGED]).tolist()  # few, so that NumPy takes longer
    n = len(solutions.value)
    if n < 2 or not values:
        return 1.0
    distinct = n - len(values) + 1 + sum(b - a > SAME_OPTIMUM * abs(b) for a, b in itertools.pairwise(values))
    return min(1.0, distinct * (distinct + 1) / (n * (n - 1)))


def with_lower(searches: Sequence[Search], near: np.ndarray, found: Solutions) -> list[Search]:
    """Searches with one more start each, `near` (tables, free), where it ended lower than all others."""
    out = list(searches)
    for k, one in enumerate(out):
        if found.value[k] < one.lowest * (1 - SAME_OPTIMUM):
            mine = slice(k, k + 1)
            more = Solutions.joined([one.solutions, found.of(mine)])
            out[k] = Search(np.concatenate([one.tried, near[mine]]), more, one.considered)
    return out


@dataclass(frozen=True, eq=False)
class Starts:
    """What every start reached. `count` starts were considered, `screened` of them by their objective alone, `finished`
    run to the end (those that meet on the way as one); `at_best` of those reached the best objective (within 1e-9 of
    it), `failed` never had a finite one.
    `undiscovered` is the expected share of starts that would lead to an optimum not yet seen (Boender & Rinnooy Kan
    1987); None if it was not kept.

    theta: (finished, n_parameters) where each ended; value: its objective; status: why it ended; steps: iterations.
    All four are empty in a fit read from a file.
    """

    mode: str
    count: int
    screened: int
    finished: int
    at_best: int
    failed: int
    theta: np.ndarray
    value: np.ndarray
    status: np.ndarray
    steps: np.ndarray
    names: tuple[str, ...]
    undiscovered: float | None = None

    @classmethod
    def of(cls, mode: str, found: Search, problem: Problem) -> "Starts":
        """The record of a search of one problem, by mode: "auto", "paper", "number" or "given"."""
        solutions = found.solutions
        return cls(
            mode=mode,
            count=found.considered,
            screened=0 if mode in ("given", "paper") else found.considered,
            finished=len(found.tried),
            at_best=int(agreeing(solutions.value, found.lowest, problem).sum()),
            failed=int((solutions.status == NOT_FINITE).sum()),
            undiscovered=undiscovered(solutions),
            theta=problem.full(solutions.free),
            value=solutions.value,
            status=solutions.status,
            steps=solutions.steps,
            names=problem.law.parameter_names,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file, which does not hold what each start reached."""
        return {"mode": self.mode, **{k: getattr(self, k) for k in _COUNTS}, "undiscovered": self.undiscovered}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], names: tuple[str, ...]) -> "Starts":
        """What `to_dict` wrote of a law with parameters of these names."""
        return cls.summed(
            str(data["mode"]),
            {k: int(number(data[k])) for k in _COUNTS},
            names,
            number_or_none(data.get("undiscovered")),
        )

    @classmethod
    def summed(
        cls, mode: str, counts: Mapping[str, int], names: tuple[str, ...], undiscovered: float | None = None
    ) -> "Starts":
        """A record of counts alone."""
        nothing = np.empty(0)
        return cls(
            mode,
            **counts,
            theta=np.empty((0, len(names))),
            value=nothing,
            status=nothing.astype(int),
            steps=nothing.astype(int),
            names=names,
            undiscovered=undiscovered,
        )

    def __str__(self) -> str:
        tried = f"{self.screened:,} points screened, " if self.screened else ""
        lost = f", {self.failed} ended where the law is not finite" if self.failed else ""
        share = self.undiscovered
        unseen = (
            ""
            if share is None or share >= 1
            else f"; the chance that one more finds another is about {as_percent(share)}"
        )
        return f"{tried}{self.at_best} of {self.finished} searches ended at this optimum{lost}{unseen}"

    def __repr__(self) -> str:
        return f"<Starts {self.mode}: {self}>"

    def to_frame(self) -> pd.DataFrame:
        """One row for each finished start: parameters (theta), objective, steps, and why it ended."""
        frame = pd.DataFrame(self.theta, columns=list(self.names))
        ended = [STATUS_TEXT[s] for s in self.status]
        return frame.assign(objective=self.value, steps=self.steps, ended=ended)
