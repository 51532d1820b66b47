"""How the errors of two fits go together: what noise they share, and how much of it cancels in a difference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxscale._base.settings import in_float64
from jaxscale._base.text import plural
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, problem_of
from jaxscale._planning.source import Source
from jaxscale._trust.linearization import linearize

Kind = Literal["matched_runs", "joint_fit", "independent"]
FEWEST_MATCHED = 8  # designs in common, from which a correlation of residuals is believed
_SAME_DESIGN = 6  # digits in which the variables of two runs of one design agree


@dataclass(frozen=True, eq=False)
class Pairing:
    """How two fits' errors go together.

    kind: "matched_runs" (both have runs of the same designs, whose residuals correlate), "joint_fit" (they share
    parameters) or "independent". correlation: of the residuals of matched runs, as the objective counts them (its
    scores), nan where there are none; matched: how many runs that is; text: the same in a sentence.
    """

    kind: Kind
    text: str
    matched: int = 0
    correlation: float = float("nan")


@dataclass(frozen=True, eq=False)
class JointErrors:
    """Covariances of linear forms of the parameters (theta) of several fits, each known by its number.

    own: the covariance of each fit's theta, (p, p), zero where a parameter was fixed. pairings: of the first fit with
    each other one.
    """

    own: tuple[np.ndarray, ...]
    cross: dict[tuple[int, int], Callable[[np.ndarray, np.ndarray], np.ndarray]]
    pairings: tuple[Pairing, ...]

    def variance(self, i: int, a: np.ndarray) -> np.ndarray:
        """Of forms a (..., p) of the parameters of fit i: (...)."""
        return np.maximum(np.einsum("...p,pq,...q->...", a, self.own[i], a), 0.0)

    def covariance(self, i: int, a: np.ndarray, j: int, b: np.ndarray) -> np.ndarray:
        """Of forms a (..., p) of fit i and b (..., q) of another fit j."""
        if i > j:
            return self.covariance(j, b, i, a)
        return self.cross[i, j](a, b)

    def of_differences(self, first: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
        """The covariance (k, k) of: a form of fit 0 less one of each other fit, (p,) each. Correlations found pair by
        pair need not go together, so that what is negative in it is set to zero."""
        forms = [first, *others]
        n = len(forms)
        whole = np.diag([float(self.variance(i, a)) for i, a in enumerate(forms)])
        for i in range(n):
            for j in range(i + 1, n):
                whole[i, j] = whole[j, i] = float(self.covariance(i, forms[i], j, forms[j]))
        less = np.hstack([np.ones((n - 1, 1)), -np.eye(n - 1)])
        values, vectors = np.linalg.eigh(less @ whole @ less.T)
        return (vectors * np.maximum(values, 0.0)) @ vectors.T


def joint_errors(names: Sequence[str], sources: Sequence[Source]) -> JointErrors:
    """The errors of fits, by their covariances and by what their runs have in common.

    With one noise in the residuals of both at the same designs, correlated by rho, parameters go together as

        Cov(a . theta_A, b . theta_B) = rho s(a) s(b) sum_m w_m(a) w_m(b) / (|w(a)| |w(b)|),

    w(a) = a . (J'WJ)^-1 J' W^1/2 over the runs, m those matched: the sandwich covariance of two M-estimators whose
    scores correlate by rho (as in seemingly unrelated regressions, Zellner 1962, JASA 57), with each one's own standard
    error s as its fit says it. Runs of one design are paired in the order of their tables.

    Fits that share parameters c know of each other through c alone, so that Cov(theta_A, theta_B) =
    Cov(theta_A, c) Cov(c)^-1 Cov(c, theta_B); the covariance of each group holds all three.
    """
    own = tuple(_full_covariance(source) for source in sources)
    cross, pairings = {}, []
    for i in range(len(sources)):
        for j in range(i + 1, len(sources)):
            cross[i, j], pairing = _cross(names, sources, own, i, j)
            if i == 0:
                pairings.append(pairing)
    return JointErrors(own, cross, tuple(pairings))


def _full_covariance(source: Source) -> np.ndarray:
    out = np.zeros((len(source.theta),) * 2)
    if source.covariance is not None:
        index = [source.law.index(name) for name in source.covariance.names]
        out[np.ix_(index, index)] = source.covariance.matrix
    return out


def _cross(
    names: Sequence[str], sources: Sequence[Source], own: Sequence[np.ndarray], i: int, j: int
) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Pairing]:
    fits = [s.record if isinstance(s.record, FitResult) else None for s in (sources[i], sources[j])]
    first, second = fits
    both = f"{names[i]} and {names[j]}"
    if first is None or second is None:
        return _nothing, Pairing("independent", f"{both}: taken for independent; only fits say what runs they share.")
    common = [n for n, width in first.shared.items() if width == 0 and second.shared.get(n) == 0]
    if common and all(first.params[n] == second.params[n] for n in common):
        a, b = ([s.law.index(n) for n in common] for s in (sources[i], sources[j]))
        middle = np.linalg.pinv(own[i][np.ix_(a, a)], hermitian=True)
        between = own[i][:, a] @ middle @ own[j][b]
        text = f"{both}: one joint fit with {', '.join(common)} in common, whose error is one error."
        return lambda x, y: np.einsum("...p,pq,...q->...", x, between, y), Pairing("joint_fit", text)
    if first.shared or second.shared:
        return _nothing, Pairing("independent", f"{both}: taken for independent, though they were fitted together.")
    if first.runs is None or second.runs is None:
        return _nothing, Pairing("independent", f"{both}: taken for independent; a fit does not carry its runs.")
    here, there = _matched(first.runs, second.runs, sources[i])
    if len(here) < FEWEST_MATCHED:
        few = plural(len(here), "design") if len(here) else "no design"
        return _nothing, Pairing("independent", f"{both}: independent, with {few} in common.", len(here))
    (moves, scores), (other_moves, other_scores) = _influences(first), _influences(second)
    pair = scores[here], other_scores[there]
    size = np.sqrt((pair[0] @ pair[0]) * (pair[1] @ pair[1]))
    rho = float(pair[0] @ pair[1] / size) if size > 0 else 0.0

    def matched(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        v, w = a @ moves, b @ other_moves
        lengths = np.linalg.norm(v, axis=-1) * np.linalg.norm(w, axis=-1)
        along = np.einsum("...m,...m->...", v[..., here], w[..., there]) / np.where(lengths > 0, lengths, 1.0)
        variances = (np.einsum("...p,pq,...q->...", x, own[k], x) for x, k in ((a, i), (b, j)))
        first_, second_ = (np.sqrt(np.maximum(v, 0.0)) for v in variances)
        return rho * along * first_ * second_

    text = (
        f"{both}: paired, {plural(len(here), 'run')} of the same designs, whose residuals correlate by {rho:+.2f} "
        "(as the objective counts them)."
    )
    return matched, Pairing("matched_runs", text, len(here), rho)


def _nothing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.zeros(np.broadcast_shapes(a.shape[:-1], b.shape[:-1]))


def _matched(first: Runs, second: Runs, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Positions of runs of the same design in two tables, paired in their order."""
    designs: dict[Any, list[int]] = {}
    names = [v.name for v in source.law.variables if v.name in first.variables]
    keys = [_designs(runs, names) for runs in (first, second)]
    for position, key in enumerate(keys[1]):
        designs.setdefault(key, []).append(position)
    pairs = [(k, designs[key].pop(0)) for k, key in enumerate(keys[0]) if designs.get(key)]
    here, there = np.array(pairs, dtype=int).reshape(-1, 2).T
    return here, there


def _designs(runs: Runs, names: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [np.asarray(runs.variable(name), np.float64).reshape(runs.count, -1) for name in names]
    return [tuple(f"{x:.{_SAME_DESIGN}g}" for x in row) for row in np.concatenate(columns, axis=1)]


def _influences(result: FitResult) -> tuple[np.ndarray, np.ndarray]:
    """How theta moves with the score of each run, (p, n_runs), and the scores (n_runs,), both over the root of the
    run's weight."""
    problem = problem_of(result)
    with in_float64():
        at = linearize(problem, problem.reduce(result.theta))
    roots = np.sqrt(np.maximum(at.weights, 0.0))
    rows = np.where(at.held, 0.0, at.jacobian) * roots[:, None]
    free = np.linalg.pinv(np.vstack([rows, at.rows_of_priors]))[:, : len(rows)]
    slots = np.array(problem.layout.slots)
    moves = np.where((slots >= 0)[:, None], free[np.maximum(slots, 0)], 0.0)
    return moves, np.where(roots > 0, at.psi / np.where(roots > 0, roots, 1.0), 0.0)
