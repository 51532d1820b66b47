"""Whether rows that nobody named a run for look like checkpoints of fewer runs, whose errors go together."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxscale._base.text import as_percent
from jaxscale._base.verdict import Reason, Severity
from jaxscale._data.checkpoints import CHECKPOINTS, Curves, curves_by_size, curves_by_steps, even_share, ordered_curves
from jaxscale._data.wording import spelt, valued_flag
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.residuals import correlation_along, dependence

FEWEST_ROWS = 4  # of a run whose errors are followed
FEWEST_IN_A_LOG = 6  # rows in even steps that are pointed out whatever their errors
# By how much intervals are too narrow that take the rows of a run for independent, sqrt(1 + (rows - 1) correlation) for
# errors that a run has in common (Kish 1965, Survey Sampling, sec. 5.4): warned of and fatal; and how many standard
# errors the correlation must lie from none.
TOO_NARROW = 1.25, 1.5
STANDARD_ERRORS = 3.0, 4.0
MORE_THAN_NEIGHBOURS = 0.2
# Runs; t and size (of the log response) of a drift, and how many times it exceeds the scatter of whole runs, which
# bends the law along all of them alike.
FEWEST_DRIFTING, DRIFT_T, DRIFT_SIZE, DRIFT_IN_RUNS = 6, 5.0, 2e-3, 1.5
NEGLIGIBLE, NOTHING = 1e-3, 1e-6  # residuals of logs below which no dependence matters, and that are rounding


def checkpoint_checks(e: Evidence) -> Iterator[Reason]:
    """Rows of one N along which D rises in even steps, as in a log, or of which there are several series for one N that
    hang together more than neighbours of other series do."""
    sigma, used = e.at.sigma, e.at.used
    log_space = e.problem.task.space == "log"
    if e.runs.clusters is not None or e.problem.law.along_runs or not sigma > (NOTHING if log_space else 0.0):
        return
    variables = {name: values[used] for name, values in e.runs.variables.items() if values.ndim == 1}
    found = [
        _Series(curves, even, *correlation_along(curves.labels, curves.progress, e.at.residuals[used]))
        for curves, even in _told_apart(variables)
    ]
    if any(not one.even for one in found):
        neighbours = e.ask(dependence)
        found = [one for one in found if one.even or one.rho > neighbours + MORE_THAN_NEIGHBOURS]
    if not found:
        return
    worst = max(found, key=lambda one: one.score)
    if worst.narrow > TOO_NARROW[0] and worst.score > STANDARD_ERRORS[0]:
        much = worst.narrow > TOO_NARROW[1] and worst.score > STANDARD_ERRORS[1]
        negligible = log_space and sigma < NEGLIGIBLE
        yield worst.reason(
            "fatal" if much and not negligible else "warning",
            f"errors go together along them (rank correlation {worst.rho:+.2f}), so that intervals may be "
            f"{worst.narrow:.1f} times too narrow",
        )
    elif worst.even and 2 * worst.curves.of_at_least(FEWEST_IN_A_LOG).sum() > len(worst.curves.labels):
        yield worst.reason("info", "their errors do not go together, though")


def _told_apart(variables: dict[str, np.ndarray]) -> Iterator[tuple[Curves, bool]]:
    """Ways to take the rows for checkpoints of runs that are long enough to follow, and whether by even steps."""
    sizes = variables.get("N")
    if sizes is not None and sizes.ndim == 1:
        ordered = np.sort(sizes)
        if 2 * FEWEST_ROWS * np.count_nonzero(ordered[1:] == ordered[:-1]) < (FEWEST_ROWS - 1) * len(sizes):
            return  # too few repeat for that
        _, of_size, counts = np.unique(sizes, return_inverse=True, return_counts=True)
        if 2 * (counts[of_size] >= FEWEST_ROWS).sum() < len(sizes):
            return  # a run has one size
    for way in (ordered_curves, curves_by_steps, curves_by_size):
        curves = way(variables)
        if curves is None or 2 * curves.of_at_least(FEWEST_ROWS).sum() < len(curves.labels):
            continue
        even = even_share(curves.labels, curves.progress) > 0.5
        if even or _of_one_size(curves, variables):
            yield curves, even


def _of_one_size(curves: Curves, variables: dict[str, np.ndarray]) -> bool:
    """Whether runs have, in the mean, another of their size."""
    return len(np.unique(variables.get("N", np.zeros(1)))) <= 0.5 * curves.runs


def drift_checks(e: Evidence) -> Iterator[Reason]:
    """Whether errors drift along the runs that rows are named for, as where the learning rate falls to the end of each:
    Student's t of the slopes against log D of all runs that are long enough."""
    labels, D = e.runs.clusters, e.runs.variables.get("D")
    if labels is None or D is None or D.ndim != 1 or e.problem.law.along_runs or e.problem.task.space != "log":
        return
    used = e.at.used
    above, names, log_d = -e.at.residuals[used], np.array(labels)[used], np.log(D[used])
    falls, means = [], []
    for name in np.unique(names):
        mine = names == name
        x = log_d[mine] - log_d[mine].mean()
        if mine.sum() >= FEWEST_ROWS and np.ptp(x) > 0:
            falls.append(float(x @ above[mine] / (x @ x) * np.ptp(x)))
            means.append(float(above[mine].mean()))
    if len(falls) < FEWEST_DRIFTING or not np.std(falls) > 0:
        return
    mean, t = float(np.mean(falls)), float(np.mean(falls) / np.std(falls, ddof=1) * math.sqrt(len(falls)))
    if abs(t) > DRIFT_T and abs(mean) > max(DRIFT_SIZE, DRIFT_IN_RUNS * float(np.std(means))):
        yield Reason(
            CHECKPOINTS,
            "warning",
            f"errors drift along runs: from its first to its last row a run {'falls' if mean < 0 else 'rises'} "
            f"{as_percent(abs(mean))} more than the law says (t = {t:.0f}), as where the learning rate falls to the "
            f"end of each; laws of final losses take the last of each run, {spelt('checkpoints', 'last')}",
        )


class _Series(NamedTuple):
    """Rows taken for checkpoints, whether D rises in even steps along most runs, and how errors go together."""

    curves: Curves
    even: bool
    rho: float
    pairs: int

    @property
    def score(self) -> float:
        """How many standard errors the correlation lies above none."""
        return self.rho * math.sqrt(self.pairs)

    @property
    def narrow(self) -> float:
        """By how much intervals are too narrow that take rows for independent."""
        counts = np.unique(np.array(self.curves.labels), return_counts=True)[1]
        return math.sqrt(max(1 + (float((counts**2).sum() / counts.sum()) - 1) * self.rho, 0.0))

    def reason(self, severity: Severity, found: str) -> Reason:
        """What was found, and what to do."""
        if self.curves.runs == 1:
            return Reason(CHECKPOINTS, severity, f"rows look like checkpoints of one run (D rises evenly): {found}")
        series = "series of one N with D rising" + (" in even steps" if self.even else "")
        return Reason(
            CHECKPOINTS,
            severity,
            f"rows look like checkpoints of about {self.curves.runs} runs ({series}): {found}; if they are, "
            f'name the run of each row, run="..." ({valued_flag("run", "COLUMN")}), or take the last of each series, '
            f"{spelt('checkpoints', 'last')}",
        )
