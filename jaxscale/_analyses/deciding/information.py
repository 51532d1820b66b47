"""What further runs would tell about a decision: a joint Gaussian of their responses and of the decision, in NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxscale._base.progress import tell

Criterion = Literal["c", "d"]
EXPONENTS: dict[str, tuple[float, ...]] = {"c": (0.3, 0.6, 0.9), "d": (0.4,)}
LENGTH = 4.0  # of a misfit, in e-folds of N and D
_DIFFUSE = 1e4  # variance of the prior, in those of the fit: runs made count for all but nothing


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a smooth misfit of the law adds: a Gaussian process over the logs of the law's variables, of covariance
    scale^2 exp(-distance^2 / (2 LENGTH^2)), and what it does to the decision there.

    made (n, v), offered (m, v): logs of runs. scale: in the unit of the residuals. at: (v,), the decision. value,
    slope: the decision answers by value times the misfit there, and by the misfit's derivative along slope (v,).
    """

    made: np.ndarray
    offered: np.ndarray
    scale: float
    at: np.ndarray
    value: float
    slope: np.ndarray

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Covariance of the misfit at (a, v) and (b, v), (a, b)."""
        near = np.sum(one**2, 1)[:, None] + np.sum(other**2, 1) - 2 * one @ other.T
        return self.scale**2 * np.exp(-0.5 * np.maximum(near, 0.0) / LENGTH**2)

    def with_decision(self, logs: np.ndarray) -> np.ndarray:
        """Covariance of the misfit at (a, v) with the decision, (a,)."""
        along = (logs - self.at) @ self.slope / LENGTH**2
        return self.between(logs, self.at[None])[:, 0] * (self.value + along)

    @property
    def of_decision(self) -> float:
        """Variance of the decision that the misfit adds."""
        return self.scale**2 * (self.value**2 + float(self.slope @ self.slope) / LENGTH**2)


@dataclass(frozen=True, eq=False)
class Belief:
    """The responses that a law, perhaps with a misfit, foretells for runs that are offered, and the decision; as sure
    as the runs made leave them.

    variance (m,): of each response, without its noise. shared (m,): covariance with the decision. decision: its
    variance. noise: variance of one run. column: covariances of all responses with one of them, (m,), before any run
    was added.
    """

    variance: np.ndarray
    shared: np.ndarray
    decision: float
    noise: float
    column: Callable[[int], np.ndarray]


def believe(
    made: np.ndarray,
    noise_made: np.ndarray,
    offered: np.ndarray,
    noise: float,
    slopes: np.ndarray,
    precision: np.ndarray | None = None,
    around: Surroundings | None = None,
) -> Belief:
    """The belief that runs leave: for one run linear in the parameters, so by Gaussian conditioning.

    Args:
        made: (n, p), slopes of the responses of the runs made in the parameters.
        noise_made: (n,), variances of these runs.
        offered: (m, p), the same slopes of runs offered.
        noise: variance of one of these.
        slopes: (p,), of the decision in the parameters.
        precision: (p, p), what is known beside the runs; by default next to nothing.
        around: the misfit; none by default.
    """
    heavy = made / np.sqrt(noise_made)[:, None]
    known = heavy.T @ heavy + (0.0 if precision is None else precision)
    size = np.sqrt(np.maximum(np.diag(known), 1e-300))
    lower = np.linalg.cholesky(known / np.outer(size, size) + 1e-12 * np.eye(len(size)))
    whiten = (
        np.linalg.inv(lower).T / size[:, None]
    )  # parameters that are uncorrelated, of unit variance, given the runs
    if around is None:
        # Nothing correlates but the parameters: in them all is of size p.
        here, target = offered @ whiten, slopes @ whiten
        return Belief(np.sum(here**2, 1), here @ target, float(target @ target), noise, lambda i: here @ here[i])
    prior = np.eye(len(size)) if precision is None else whiten.T @ precision @ whiten * _DIFFUSE + np.eye(len(size))
    spread = np.linalg.cholesky(_DIFFUSE * np.linalg.inv(prior))
    then, here, target = (x @ whiten @ spread for x in (made, offered, slopes))
    inner = np.linalg.cholesky(then @ then.T + around.between(around.made, around.made) + np.diag(noise_made))
    across = np.linalg.solve(inner, then @ here.T + around.between(around.made, around.offered))
    aimed = np.linalg.solve(inner, then @ target + around.with_decision(around.made))

    def column(i: int) -> np.ndarray:
        own = here @ here[i] + around.between(around.offered, around.offered[i : i + 1])[:, 0]
        return own - across.T @ across[:, i]

    return Belief(
        np.sum(here**2, 1) + around.scale**2 - np.sum(across**2, 0),
        here @ target + around.with_decision(around.offered) - across.T @ aimed,
        float(target @ target + around.of_decision - aimed @ aimed),
        noise,
        column,
    )


class Knowing:
    """A belief as runs are added to it one by one, each a rank-one update: O(m) for every run added before."""

    def __init__(self, belief: Belief):
        self.belief = belief
        self.variance, self.shared, self.decision = belief.variance.copy(), belief.shared.copy(), belief.decision
        self._moves, self._count = np.empty((0, len(self.variance))), 0

    def gains(self, criterion: Criterion) -> np.ndarray:
        """What each run would bring, (m,): how far the variance of the decision falls, or the log determinant."""
        if criterion == "d":
            return np.log1p(np.maximum(self.variance, 0.0) / self.belief.noise)
        return self.shared**2 / (np.maximum(self.variance, 0.0) + self.belief.noise)

    def add(self, i: int) -> None:
        """One run made, with the outcome that is expected of it."""
        if self._count == len(self._moves):
            self._moves = np.concatenate([self._moves, np.empty((max(16, self._count), len(self.variance)))])
        before = self._moves[: self._count]
        column = self.belief.column(i) - before[:, i] @ before
        size = np.sqrt(max(self.variance[i], 0.0) + self.belief.noise)
        move, aimed = column / size, self.shared[i] / size
        self.variance = self.variance - move**2
        self.shared = self.shared - move * aimed
        self.decision -= aimed**2
        self._moves[self._count] = move
        self._count += 1


def choose(
    beliefs: Sequence[Belief],
    cost: np.ndarray,
    budget: float,
    *,
    first: Sequence[int] = (),
    criterion: Criterion = "c",
    hedge: Belief | None = None,
    parameters: int = 1,
    repeats: bool = False,
    most: int = 200,
    exponents: Sequence[float] | None = None,
) -> tuple[list[int], float]:
    """Runs worth most for their cost, in the order in which they were chosen, and what they leave.

    Greedy gain per cost^p, in the mean over beliefs; of several p the one that leaves least within the budget. Of runs
    that are alike in all, the first. What they leave is the variance of the decision for "c" without a `hedge`, else
    the log of it less the log determinant gained, by parameter.

    Args:
        beliefs: for several draws of the parameters.
        cost: (m,), of the runs offered.
        budget: what these may cost together.
        first: runs that are made in any case, already paid for.
        criterion: "c", the variance of the decision, or "d", the determinant of the parameters' covariance.
        hedge: with "c", what the law alone foretells: the log determinant that its `parameters` gain then counts beside
            the log of the variance, each parameter for one (CD-optimal designs: Atkinson, Donev & Tobias 2007, Optimum
            Experimental Designs, with SAS), so that a decision which the law misplaces is not all that is asked about.
        repeats: whether a run may be chosen again.
        most: runs at most.
        exponents: p to try; by default those of the criterion.
    """
    exponents = EXPONENTS[criterion] if exponents is None else exponents
    best: tuple[list[int], float] | None = None
    for k, exponent in enumerate(exponents):
        tell(k, len(exponents), "designs")
        states = [Knowing(belief) for belief in beliefs]
        spread = [] if hedge is None else [Knowing(hedge)]
        known = 0.0  # log determinant that the runs chosen have gained, by parameter
        for i in first:
            for state in (*states, *spread):
                state.add(i)
        left, chosen, free = budget, [], np.ones(len(cost), bool)
        if not repeats:
            free[list(first)] = False
        weight = cost**-exponent
        while len(chosen) < most:
            gain = np.mean(
                [state.gains(criterion) / (state.decision if criterion == "c" else 1) for state in states], 0
            )
            told = spread[0].gains("d") / parameters if spread else np.zeros(len(cost))
            if spread:
                gain = told - np.log1p(-np.minimum(gain, 1 - 1e-9))
            score = np.where(free & (cost <= left * (1 + 1e-12)), gain * weight, -1.0)
            i = int(np.argmax(score))
            if not score[i] > 0 or (criterion == "c" and gain[i] < 1e-9):
                break
            for state in (*states, *spread):
                state.add(i)
            known += float(told[i])
            chosen.append(i)
            left -= cost[i]
            free[i] = repeats
        left_of = np.array([state.decision for state in states])
        value = float(np.mean(np.log(left_of))) - known if spread else float(np.mean(left_of))
        if best is None or value < best[1] - 1e-12 * abs(best[1]):
            best = chosen, value
    assert best is not None
    return best
