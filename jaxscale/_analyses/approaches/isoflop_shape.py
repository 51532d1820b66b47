"""The curve that a law of sizes and tokens draws along a compute budget, fitted to all budgets at once.

Along budget c, where log D = s_c - q log N, the law E + A N^-alpha + B D^-beta is a floor, a falling and a rising
exponential in log N; q is 1 where compute is a multiple of N D, else what the table's own compute says:

    L_c(N) = E_c + A_c N^-alpha + B_c D^-beta
    lowest at  log N = (log(alpha A_c / (q beta B_c)) + beta s_c) / (alpha + q beta)

A parabola is its expansion around the optimum: it misses the third-order term, which is what biases it when alpha and
beta differ. Here alpha and beta are shared by all budgets, and E_c, A_c, B_c are each budget's own, so nothing ties
the optima of different budgets together: their line keeps its own exponent, as Approach 2 wants.

Given alpha and beta the rest is linear. Residuals are relative to the observed loss. The linear part is projected out
(variable projection, Golub & Pereyra 1973), and the two exponents are found by damped Gauss-Newton with Kaufman's
(1975) Jacobian, -P (dPhi/dalpha) c with P the projection onto what the columns Phi cannot reach. A run that diverged
must not move an optimum far, so beyond 1.345 typical residuals squares turn into straight lines (Huber 1964), by
reweighted least squares. Every start and every resample is a row of one batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxscale._base.robust import HUBER_TURN, sigma_of_sizes

_START = (0.12, 0.35, 0.9)
_LEAST, _MOST = math.log(0.02), math.log(3.0)
_STEPS, _STILL = 60, 1e-10
_ROUNDS, _ROUNDS_OF_DRAWS, _STEPS_PER_ROUND = 40, 5, 3
_NO_NOISE = 1e-10


@dataclass(frozen=True, eq=False)
class SharedShape:
    """alpha, beta; linear: (n_budgets, 3), E_c and the two terms at the pivots; log_best: (n_budgets,) optima in logs.

    pivots: (n_budgets, 2), log N and log D that the terms refer to. trade: q; offsets: (n_budgets,), q log N + log D at
    the budget. drawn: (draws, n_budgets), optima of resampled residuals. relative: residuals of all runs, observed less
    curve, as shares of the observed loss; typical: their robust standard deviation.
    """

    alpha: float
    beta: float
    linear: np.ndarray
    pivots: np.ndarray
    trade: float
    offsets: np.ndarray
    log_best: np.ndarray
    drawn: np.ndarray
    relative: np.ndarray
    typical: float

    def loss(self, budget: int, log_n: float, log_d: float | None = None) -> float:
        """The curve of one budget (by position) at a size, with the tokens that this leaves of exactly the budget."""
        (E, A, B), (n, d) = self.linear[budget], self.pivots[budget]
        log_d = self.offsets[budget] - self.trade * log_n if log_d is None else log_d
        return float(E + A * math.exp(-self.alpha * (log_n - n)) + B * math.exp(-self.beta * (log_d - d)))


def fit_shape(
    tables: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    offsets: np.ndarray,
    trade: float = 1.0,
    *,
    draws: int,
    seed: int,
) -> SharedShape:
    """The shared shape of budgets, each (log N, log D, loss) of its runs; `offsets` is `trade` log N + log D of each
    budget."""
    pivots = np.array([[log_n.mean(), log_d.mean()] for log_n, log_d, _ in tables])
    longest = max(len(loss) for *_, loss in tables)

    def padded(values: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([np.pad(v, (0, longest - len(v))) for v in values])

    u = padded([n - log_n for (log_n, _, _), (n, _) in zip(tables, pivots, strict=True)])
    v = padded([d - log_d for (_, log_d, _), (_, d) in zip(tables, pivots, strict=True)])
    weights = padded([1 / loss for *_, loss in tables])  # zero on padding
    ones = (weights > 0).astype(float)

    starts = np.log(np.array([(a, b) for a in _START for b in _START]))
    reached, values = _descend(u, v, weights, np.broadcast_to(ones, (len(starts), *ones.shape)), starts, _STEPS)
    best, linear, residual = _robust(u, v, weights, ones[None], reached[[int(np.argmin(values))]], _ROUNDS)
    real = ones > 0
    relative = residual[0][real]
    drawn = np.full((draws, len(tables)), np.nan)
    freedom = int(real.sum()) - 3 * len(tables) - 2
    if draws and freedom > 0:
        pool = (relative - relative.mean()) * math.sqrt(real.sum() / freedom)
        noise = np.random.default_rng(seed).choice(pool, (draws, *ones.shape)) * ones
        targets = ones - residual + noise
        start = np.repeat(best, draws, axis=0)
        theirs, their_linear, _ = _robust(u, v, weights, targets, start, _ROUNDS_OF_DRAWS)
        drawn = _lowest(theirs, their_linear, pivots, trade, offsets)
    alpha, beta = np.exp(best[0])
    return SharedShape(
        float(alpha),
        float(beta),
        linear[0],
        pivots,
        trade,
        offsets,
        _lowest(best, linear, pivots, trade, offsets)[0],
        drawn,
        relative,
        float(_typical(residual, ones)[0, 0, 0]),
    )


def _typical(residual: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """Robust standard deviation of each row of residuals (rows, n_budgets, k), as (rows, 1, 1)."""
    return sigma_of_sizes(np.abs(residual[:, ones > 0]), axis=1)[:, None, None]


def _robust(
    u: np.ndarray, v: np.ndarray, weights: np.ndarray, targets: np.ndarray, logs: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exponents (rows, 2) in logs, linear coefficients and residuals (rows, n_budgets, k) of Huber's estimator."""
    ones = (weights > 0).astype(float)
    shares = np.broadcast_to(ones, targets.shape)
    for _ in range(rounds):
        logs, _ = _descend(u, v, weights * shares, targets * shares, logs, _STEPS_PER_ROUND)
        residual = _project(u, v, weights * shares, targets * shares, logs)[0] / np.where(shares > 0, shares, 1.0)
        turn = HUBER_TURN * np.maximum(_typical(residual, ones), _NO_NOISE)
        before, shares = shares, ones * np.sqrt(turn / np.maximum(np.abs(residual), turn))
        if np.abs(shares - before).max() < _STILL:
            break
    logs, _ = _descend(u, v, weights * shares, targets * shares, logs, _STEPS)
    scaled, linear, *_ = _project(u, v, weights * shares, targets * shares, logs)
    return logs, linear, scaled / np.where(shares > 0, shares, 1.0)


def _lowest(logs: np.ndarray, linear: np.ndarray, pivots: np.ndarray, trade: float, offsets: np.ndarray) -> np.ndarray:
    """Log N (rows, n_budgets) where each curve is lowest; nan for curves without a lowest point."""
    alpha, beta = np.exp(logs[:, :1]), np.exp(logs[:, 1:])
    A, B = linear[..., 1], linear[..., 2]
    rising = (A > 0) & (B > 0)
    ratio = np.log(np.where(rising, A, 1.0) / np.where(rising, B, 1.0)) + np.log(alpha / (trade * beta))
    step = (ratio + beta * (offsets - trade * pivots[:, 0] - pivots[:, 1])) / (alpha + trade * beta)
    return np.where(rising, pivots[:, 0] + step, np.nan)


def _project(
    u: np.ndarray, v: np.ndarray, weights: np.ndarray, targets: np.ndarray, logs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Residuals (rows, n_budgets, k), linear coefficients (rows, n_budgets, 3), and the residuals' slopes in log alpha
    and log beta, for targets (rows, n_budgets, k) and exponents (rows, 2) in logs."""
    alpha, beta = (np.exp(logs[:, j])[:, None, None] for j in (0, 1))
    falling, rising = weights * np.exp(alpha * u), weights * np.exp(beta * v)
    columns = (np.broadcast_to(weights, falling.shape), falling, rising)
    basis: list[np.ndarray] = []
    upper = np.zeros((*falling.shape[:2], 3, 3))
    for j, column in enumerate(columns):
        for _ in range(2):  # Gram-Schmidt, twice is enough
            for i, direction in enumerate(basis):
                along = (direction * column).sum(axis=-1)
                upper[..., i, j] += along
                column = column - along[..., None] * direction
        size = np.sqrt((column**2).sum(axis=-1))
        upper[..., j, j] = np.where(size > 0, size, 1.0)
        basis.append(column / upper[..., j, j][..., None])

    def out_of_reach(y: np.ndarray) -> np.ndarray:
        for direction in basis:
            y = y - (direction * y).sum(axis=-1)[..., None] * direction
        return y

    inner = np.stack([(direction * targets).sum(axis=-1) for direction in basis], axis=-1)
    B = inner[..., 2] / upper[..., 2, 2]
    A = (inner[..., 1] - upper[..., 1, 2] * B) / upper[..., 1, 1]
    E = (inner[..., 0] - upper[..., 0, 1] * A - upper[..., 0, 2] * B) / upper[..., 0, 0]
    residual = out_of_reach(out_of_reach(targets))
    in_alpha = -out_of_reach(A[..., None] * alpha * u * falling)
    in_beta = -out_of_reach(B[..., None] * beta * v * rising)
    return residual, np.stack([E, A, B], axis=-1), in_alpha, in_beta


def _descend(
    u: np.ndarray, v: np.ndarray, weights: np.ndarray, targets: np.ndarray, logs: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exponents (rows, 2) in logs where damped Gauss-Newton ends from each start, and half the squares left there."""
    logs = np.array(logs)
    damping = np.full(len(logs), 1e-3)

    def measured(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        residual, _, in_alpha, in_beta = _project(u, v, weights, targets, at)
        flat = residual.reshape(len(at), -1)
        slopes = np.stack([in_alpha, in_beta], axis=1).reshape(len(at), 2, -1)
        return 0.5 * (flat**2).sum(axis=1), np.einsum("rjk,rk->rj", slopes, flat), slopes @ slopes.swapaxes(1, 2)

    value, gradient, square = measured(logs)
    for _ in range(steps):
        scale = np.einsum("rjj->rj", square) + 1e-300
        damped = square + damping[:, None, None] * scale[:, :, None] * np.eye(2) + 1e-300 * np.eye(2)
        step = -np.linalg.solve(damped, gradient[..., None])[..., 0]
        trial = np.clip(logs + np.clip(step, -1.0, 1.0), _LEAST, _MOST)
        moved = np.abs(trial - logs).max(axis=1)
        reached, their_gradient, their_square = measured(trial)
        better = reached <= value
        logs = np.where(better[:, None], trial, logs)
        value = np.where(better, reached, value)
        gradient = np.where(better[:, None], their_gradient, gradient)
        square = np.where(better[:, None, None], their_square, square)
        damping = np.clip(np.where(better, damping / 9, damping * 4), 1e-12, 1e8)
        if (moved < _STILL).all():
            break
    return logs, value
