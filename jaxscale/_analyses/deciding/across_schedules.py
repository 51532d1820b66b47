"""Runs of several schedules of learning rates beside one under way: what annealing brings is taken out of their curves.

The law is that of Tissue et al. 2024 (arXiv 2408.11029), by shares of a run and of its peak rate. Over a run ln L =
ln(E + A S1^-alpha) - c S2 (to first order in c S2, of a run's own E and A), where S1 is the area under the rate so
far and S2 the area under its annealing momentum, which gains what the rate falls and forgets it over a share tau of
the run. Alpha, tau and c are shared by all runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxscale._analyses.deciding.aligned import Along, Told, regress, side_of, weights_between, weights_of_level
from jaxscale._analyses.deciding.rates import Rates
from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, inert, listed

Reading = Callable[[np.ndarray, float], np.ndarray]  # weights of values at growing places for that at one

_GRID = np.linspace(0.0, 1.0, 1001)  # shares of a run
_MEMORIES = (0.02, 0.06, 0.2, 0.6, np.inf)  # tau
_EXPONENTS = (0.2, 0.35, 0.5, 0.8)  # alpha
_SETTLED = 0.1  # share of a run from which on its curve follows the law
_FEWEST = 4  # checkpoints of a finished run from there on
_FALLS = 0.02  # S2 of a run whose rate is called constant; a cosine to zero has .5
_LEAST = 1e-3  # of the peak: what a rate of zero counts for in the area, so that it grows everywhere
_COUNTS = 1e-3  # of the greatest likelihood: an alpha and tau with less is left out
_FURTHER = 1.5  # of the most that a finished run's rate has fallen: further than that the law is followed beyond


@dataclass(frozen=True, eq=False)
class Course:
    """What the learning rate did over a run, at shares of it evenly from 0 to 1: the area under it, of its peak, and
    that under the annealing momentum, (tau, shares)."""

    area: np.ndarray
    annealed: np.ndarray

    @classmethod
    def of(cls, rates: Rates) -> "Course":
        """Of rates at some shares of a run; before the first they are taken to be as there."""
        rate = np.interp(_GRID, rates[0], rates[1] / rates[1].max())
        falls = np.maximum(-np.diff(rate, prepend=rate[0]), 0.0)
        step = _GRID[1]
        grown = np.exp(_GRID / np.array(_MEMORIES)[:, None])  # exp(50) at most
        momenta = np.cumsum(falls * grown, axis=1) / grown
        above = np.maximum(rate, _LEAST)
        area = np.concatenate([[0.0], np.cumsum((above[1:] + above[:-1]) / 2) * step])
        return cls(area, np.cumsum(momenta, axis=1) * step)

    def share(self, progress: np.ndarray | float) -> np.ndarray:
        """Of the whole area, what lies before a progress."""
        return np.interp(progress, _GRID, self.area) / self.area[-1]

    def gains(self, progress: np.ndarray | float) -> np.ndarray:
        """S2 at a progress, (tau, ...)."""
        return np.stack([np.interp(progress, _GRID, one) for one in self.annealed])

    @property
    def fallen(self) -> float:
        """S2 at the end where nothing is forgotten."""
        return float(self.annealed[-1, -1])


@dataclass(frozen=True, eq=False)
class ByRates:
    """A run under way beside finished ones of any schedule, each with the course of its rates; that of the run under
    way is its own so far, and then as planned.

    With what annealing brought taken out, finished runs are read at the share of the area under their rates that the
    run under way has reached, moved by their own curves to as much area as it has there. The log losses at its end are
    regressed on those so far, and what annealing will bring is put in. Of alpha and tau those of a grid count by their
    likelihood. The error has three parts: the scatter of that regression, how alpha and tau differ, and how c would
    without each of the runs (jackknife).
    """

    own: Along
    finished: Mapping[str, Along]
    own_course: Course
    courses: Mapping[str, Course]

    def check(self, run: str) -> None:
        """That the rate of a finished run fell, if that of the run under way does, and that their curves are known.

        Raises:
            InputError: none did, so that nothing says what it brings; or a run has too few checkpoints.
        """
        bare = [name for name, one in self.finished.items() if (one.progress >= _SETTLED).sum() < _FEWEST]
        if bare:
            raise InputError(
                f"run{'s' * (len(bare) > 1)} {listed(bare)}: fewer than {_FEWEST} checkpoints after "
                f"{as_percent(_SETTLED)} of the way, which say too little of how losses fall; leave them out "
                "(without=, --without)"
            )
        if self._most < _FALLS <= self.own_course.fallen:
            raise InputError(
                f"the learning rate of {inert(run)} falls, that of no finished run did: nothing says what it brings"
            )

    @property
    def note(self) -> str:
        """How it was told, and whether the law is followed beyond what was seen."""
        fallen, seen = self.own_course.fallen, self._most
        how = (
            "Runs are aligned by the area under their learning rates, and what annealing brought is taken out of their "
            "losses (the law of Tissue et al. 2024, its constants from the finished runs)."
        )
        if fallen <= _FURTHER * seen or fallen < _FALLS:
            return how
        return (
            f"{how} ITS RATE FALLS EARLIER OR FURTHER THAN THAT OF ANY FINISHED RUN: the law is followed beyond them."
        )

    def foretell(self, now: float, then: float, typical: bool = False) -> Told:
        """The log loss at progress `then`, as seen from progress `now`; of a typical run instead of this one."""
        told = self._constants
        gain = self.own_course.gains(then)

        def foretold(model: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            here, levels = self._levels(now, model, c)
            ends = self._others(then, weights_between, model, c)
            value, error = regress(levels.mean(-1) if typical else here, levels, ends)
            return value - c * gain[model % len(_MEMORIES)], error

        values, errors = foretold(told.model, told.c)
        value = float(told.weights @ values)
        without, _ = foretold(np.full(len(told.c_without), told.best), told.c_without)
        n = len(without)
        spread = float(told.weights @ (errors**2 + (values - value) ** 2))
        spread += (n - 1) / n * float(np.sum((without - without.mean()) ** 2))
        return Told(value, float(np.sqrt(spread)), n - 2)

    def side(self, now: float) -> str | None:
        """Whether its loss, without what annealing brought, lies "below" or "above" those of all others."""
        told = self._constants
        best = int(np.argmax(told.weights))
        here, levels = self._levels(now, told.model[best : best + 1], told.c[best : best + 1])
        return side_of(float(here[0]), levels[0])

    def _levels(self, now: float, model: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log losses at a progress without what annealing brought: of the run under way, (models,), and of the others
        where it is, (models, n)."""
        weights = weights_of_level(self.own_course.share(self.own.progress), float(self.own_course.share(now)))
        own = weights @ self.own.logs + c * (self.own_course.gains(self.own.progress) @ weights)[model % len(_MEMORIES)]
        return own, self._others(now, weights_of_level, model, c)

    def _others(self, at: float, reading: Reading, model: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Log losses of the others without what annealing brought, where the run under way is at a progress: (models,
        n)."""
        share, area = float(self.own_course.share(at)), float(np.interp(at, _GRID, self.own_course.area))
        alpha, tau = model // len(_MEMORIES), model % len(_MEMORIES)
        found = []
        for one in self._curves:
            read = one.columns @ reading(one.share, share)
            level, slope = (one.fits[alpha, 0] + c[:, None] * one.fits[alpha, 1 + tau]).T
            power = -np.array(_EXPONENTS)[alpha]
            there, here = (np.maximum(level + slope * x**power, _LEAST) for x in (area, share * one.area))
            found.append(read[0] + c * read[1 + tau] + np.log(there / here))
        return np.stack(found, axis=1)

    @cached_property
    def _most(self) -> float:
        return max(course.fallen for course in self.courses.values())

    @cached_property
    def _curves(self) -> list["_Finished"]:
        return [_Finished.of(one, self.courses[name]) for name, one in self.finished.items()]

    @cached_property
    def _constants(self) -> "_Constants":
        """By least squares: each curve is a sum of its own 1 and S1^-alpha, and of -c S2, c being of all."""
        xy, xx, yy = np.stack([one.products for one in self._curves], axis=-1)
        c, rest = _through(xy.sum(-1), xx.sum(-1), yy.sum(-1))
        count = sum(one.settled for one in self._curves)
        variance = max(float(rest.min()) / max(count - 2 * len(self._curves) - 3, 1), 1e-300)
        weights = np.exp(-(rest - rest.min()) / (2 * variance))
        best = int(np.argmax(weights))
        without, _ = _through(*(m[best].sum() - m[best] for m in (xy, xx, yy)))
        model = np.flatnonzero(weights > _COUNTS)
        return _Constants(weights[model] / weights[model].sum(), model, c[model], best, without)


@dataclass(frozen=True, eq=False)
class _Finished:
    """A finished run: shares of the area under its rates at its checkpoints (n,), and all of it; log losses and S2 for
    each tau, (1 + tau, n); of its loss over the last, and of each S2, the two columns' coefficients, (alpha, 1 + tau,
    2), and the sums of products of what these leave of S2 and the loss, (3, alpha and tau); over `settled` of its
    checkpoints."""

    share: np.ndarray
    area: float
    columns: np.ndarray
    fits: np.ndarray
    products: np.ndarray
    settled: int

    @classmethod
    def of(cls, run: Along, course: Course) -> "_Finished":
        """Of its checkpoints and the course of its rates."""
        columns, area = np.vstack([run.logs, course.gains(run.progress)]), float(course.area[-1])
        share, some = course.share(run.progress), run.progress >= _SETTLED
        values = np.vstack([np.exp(run.logs - run.logs[-1]), columns[1:]])[:, some]
        fits, products = [], []
        for alpha in _EXPONENTS:
            basis = np.stack([np.ones(some.sum()), (area * share[some]) ** -alpha])
            coefficients = values @ np.linalg.pinv(basis)
            y, *gains = values - coefficients @ basis
            fits.append(coefficients)
            products += [(-gain @ y, gain @ gain, y @ y) for gain in gains]
        return cls(share, area, columns, np.stack(fits), np.array(products).T, int(some.sum()))


@dataclass(frozen=True, eq=False)
class _Constants:
    """Weights, places and c of each alpha and tau that counts; the place of the best, and c by it without each run."""

    weights: np.ndarray
    model: np.ndarray
    c: np.ndarray
    best: int
    c_without: np.ndarray


def _through(xy: np.ndarray, xx: np.ndarray, yy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slope c >= 0 of least squares from sums of products, and what it leaves."""
    c = np.where(xx > 1e-12, np.maximum(xy, 0.0) / np.maximum(xx, 1e-12), 0.0)
    return c, yy - 2 * c * xy + c**2 * xx
