"""What a fit is judged by."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxscale._base.measure import Measure
from jaxscale._base.verdict import Reason
from jaxscale._data.runs import Runs
from jaxscale._problem.problem import Problem
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.identification import Identification
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.questions import Needed
from jaxscale._trust.tables_beside import Answer, OneTable, SideBySide

# A check: the reasons that it finds, and on its way the robust fits that it needs.
Finding = Generator[Reason | Sequence[Needed], Any, None]
ROUNDING = 1e-6  # of logs, or as shares of the response


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything the checks look at."""

    problem: Problem
    runs: Runs
    free: np.ndarray  # (free,) the optimum
    at: Linearization
    identification: Identification
    covariance: Covariance | None  # of the free values, the best there is
    finished: int
    at_best: int
    never_moved: tuple[str, ...]
    in_float32: bool = False  # whether the first steps were
    whole: tuple[Reason, ...] | None = None  # of one group of a joint fit: what `judge_whole` found
    edge: Mapping[str, float] | None = None  # natural parameters of the lower edge, where runs scatter above the law

    @cached_property
    def response(self) -> Measure:
        """What the runs show, in words."""
        response = self.problem.law.response
        return self.runs.record.measure.under(response.name, response.unit)

    @cached_property
    def exact(self) -> bool:
        """Whether the law leaves nothing of the runs but rounding, of which nothing is to be said: somebody computed
        them by it."""
        size = 1.0 if self.problem.task.space == "log" else float(np.median(np.abs(self.runs.response)))
        problem, off = self.problem, self.at.residuals
        off = (off if problem.points.whitening is None else off / problem.whitening)[self.at.used]
        return bool(np.max(np.abs(off), initial=0.0) <= ROUNDING * size)

    @cached_property
    def scalar_logs(self) -> dict[str, np.ndarray]:
        """The law's scalar variables at the runs used, (n_used,), logged where positive."""
        used = self.at.used
        rows = slice(len(used)) if used.all() else np.flatnonzero(used)
        pairs = zip(self.problem.law.variables, self.problem.points.logs, strict=True)
        return {v.name: np.asarray(x)[rows] for v, x in pairs if np.ndim(x) == 1}

    @property
    def table(self) -> OneTable:
        """The runs at the optimum, and what the law reads of each."""
        return OneTable(self.at, self.scalar_logs, self.runs.clusters)

    @cached_property
    def beside(self) -> tuple[SideBySide, int]:
        """The tables that are judged at once, and which of them this is: itself alone, unless `judge` has others."""
        return SideBySide.of([self.table]), 0

    def ask(self, of: Callable[[SideBySide], Sequence[Answer]]) -> Answer:
        """What a function finds of this table, as it works it out for all that are judged beside it."""
        side, k = self.beside
        return side.ask(of)[k]
