"""Independent routes to the numbers of a fit: the Chinchilla law written out in NumPy, minimised by SciPy.

theta = (ln A, ln B, ln E, alpha, beta), the order of `js.laws.chinchilla`. Nothing here calls jaxscale.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.special import huber, logsumexp

PAPER_GRID = np.array(
    list(
        itertools.product(
            range(0, 26, 5), range(0, 26, 5), np.arange(-1, 1.1, 0.5), np.arange(0, 2.1, 0.5), np.arange(0, 2.1, 0.5)
        )
    )
)


@dataclass(frozen=True, eq=False)
class Table:
    """Runs as plain arrays, each (n_runs,), and the objective they are fitted by: a sum of weighted Huber losses, or
    of Student's."""

    N: np.ndarray
    D: np.ndarray
    loss: np.ndarray
    weights: np.ndarray | float = 1.0
    delta: float = 1e-3
    overestimate: float = 1.0
    raw: bool = False
    freedom: float | None = None  # of Student's t, whose scale `delta` then is

    def residuals(self, theta: np.ndarray) -> np.ndarray:
        """log predicted - log observed, or their plain difference."""
        predicted = logsumexp(self._terms(theta), axis=0)
        return np.exp(predicted) - self.loss if self.raw else predicted - np.log(self.loss)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Slope of every residual, (n_runs, 5), by hand."""
        terms = self._terms(theta)
        total = logsumexp(terms, axis=0)
        in_A, in_B, in_E = np.exp(terms if self.raw else terms - total)
        return np.stack([in_A, in_B, in_E, -in_A * np.log(self.N), -in_B * np.log(self.D)], axis=1)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Both at once, written for speed."""
        terms = np.exp(self._terms(theta))
        total = terms.sum(axis=0)
        r = total - self.loss if self.raw else np.log(total / self.loss)
        clipped = np.clip(r, -self.delta, self.delta)
        factor = self._factor(r)
        psi = factor * clipped if self.raw else factor * clipped / total
        weighted = terms * psi
        in_A, in_B, in_E = weighted.sum(axis=1)
        slope = np.array([in_A, in_B, in_E, -weighted[0] @ np.log(self.N), -weighted[1] @ np.log(self.D)])
        return float(np.sum(factor * clipped * (r - 0.5 * clipped))), slope

    def value(self, theta: np.ndarray) -> float:
        """The objective, with SciPy's Huber function."""
        r = self.residuals(theta)
        if self.freedom is not None:
            width = self.freedom * self.delta**2
            return float(np.sum(self._factor(r) * 0.5 * width * np.log1p(r**2 / width)))
        sizes = 0.5 * r**2 if np.isinf(self.delta) else huber(self.delta, r)
        return float(np.sum(self._factor(r) * sizes))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Slope of the objective, (5,)."""
        return self.jacobian(theta).T @ self.scores(theta)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Slope of each run's share of the objective in its residual, (n_runs,)."""
        r = self.residuals(theta)
        if self.freedom is not None:
            return self._factor(r) * r / (1 + r**2 / (self.freedom * self.delta**2))
        return self._factor(r) * np.clip(r, -self.delta, self.delta)

    def _factor(self, r: np.ndarray) -> np.ndarray:
        return self.weights * np.where(r > 0, self.overestimate, 1.0)

    def _terms(self, theta: np.ndarray) -> np.ndarray:
        a, b, e, alpha, beta = theta
        return np.stack([a - alpha * np.log(self.N), b - beta * np.log(self.D), np.full(len(self.N), float(e))])


def table_of(runs, **options) -> Table:
    """The same numbers as `Runs` with N, D and loss."""
    return Table(np.array(runs.variables["N"]), np.array(runs.variables["D"]), np.array(runs.response), **options)


def minimise(table: Table, theta: np.ndarray, free=range(5), bounds=None) -> np.ndarray:
    """Theta where a tight L-BFGS-B with the analytic gradient ends from one start; only the entries `free` move."""
    free = list(free)
    theta = np.array(theta, float)
    size = max(table.value(theta), 1e-300)

    def whole(x):
        full = theta.copy()
        full[free] = x
        return full

    def scaled(x):
        value, slope = table.value_and_gradient(whole(x))
        return value / size, slope[free] / size

    for _ in range(2):  # restarted, since a stop by its own tolerances is often early
        found = minimize(
            scaled,
            theta[free],
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 20},
        )
        theta = whole(found.x)
    return theta


def best_of(table: Table, starts: int, seed: int = 0) -> float:
    """The least objective that SciPy reaches from that many starts of the published grid."""
    chosen = np.random.default_rng(seed).permutation(len(PAPER_GRID))[:starts]
    with np.errstate(all="ignore"):
        return min(table.value(minimise(table, PAPER_GRID[k])) for k in chosen)


def least_absolute(table: Table, theta: np.ndarray, steps: int = 60) -> tuple[np.ndarray, float]:
    """Exact least absolute deviations by successive linear programmes with a trust region (Osborne & Watson 1971).

    Returns theta and the sum of absolute residuals.
    """
    n, width = len(table.N), 0.1
    value = np.abs(table.residuals(theta)).sum()
    for _ in range(steps):
        r, J = table.residuals(theta), table.jacobian(theta)
        scale = 1 / np.linalg.norm(J, axis=0)
        # min sum(up + down) over (step, up, down) with r + J step = up - down
        equal = np.hstack([J * scale, -np.eye(n), np.eye(n)])
        box = [(-width * np.sqrt(n), width * np.sqrt(n))] * 5 + [(0, None)] * (2 * n)
        program = linprog(np.r_[np.zeros(5), np.ones(2 * n)], A_eq=equal, b_eq=-r, bounds=box, method="highs")
        trial = theta + scale * program.x[:5]
        reached = np.abs(table.residuals(trial)).sum()
        if value - reached > 0.1 * (value - program.fun):
            done = value - reached <= 1e-15 * value
            theta, value, width = trial, reached, 2 * width
            if done:
                break
        else:
            width /= 4
        if width < 1e-13:
            break
    return theta, float(value)
