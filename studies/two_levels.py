"""`python -m studies.two_levels`: could a test see two corpora mixed at random, with no column of them?

Half of the runs, at random, lie lower by some nats, with noise of .4 %. The test splits what the law, linearized at the
truth, leaves of the log losses where two levels fit best, at least a fifth of the runs on each, fits the law again
beside the two levels, and does so six times. Two levels are found where that leaves less, beside one level, than in all
but one in a hundred tables of Gaussian noise on the same design. The verdict asks the same (`two_levels`).
"""

import numpy as np

from studies.faults import grid, law, sweep
from studies.one_sided import TRUTH
from studies.unseen import NOISE

TABLES, ROUNDS, LEAST_SHARE, LEVEL = 2000, 6, 0.2, 1e-2
STRENGTHS = 0.02, 0.03, 0.05  # nats


def slopes(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Of log loss in theta, (n_runs, 5)."""
    sizes, tokens = TRUTH["A"] * N ** -TRUTH["alpha"], TRUTH["B"] * D ** -TRUTH["beta"]
    loss = TRUTH["E"] + sizes + tokens
    parts = [sizes, tokens, np.full(len(N), TRUTH["E"]), -sizes * np.log(N), -tokens * np.log(D)]
    return np.stack([part / loss for part in parts], axis=1)


def left_by_two(logs: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The standard deviation that the law and two levels leave over that of the law alone, of tables (tables, n)."""
    n = logs.shape[1]
    basis, _ = np.linalg.qr(columns)
    kept = np.eye(n) - basis @ basis.T
    alone = logs @ kept
    room, total = np.sqrt(np.diag(kept)), (alone**2).sum(axis=1)
    x, least, below = alone / room, total.copy(), np.arange(1, n)
    for _ in range(ROUNDS):
        order = np.argsort(x, axis=1)
        ranked = np.take_along_axis(x, order, axis=1)
        sums = np.cumsum(ranked, axis=1)
        between = (sums[:, :-1] * n - below * sums[:, -1:]) ** 2 / (below * (n - below))  # sum of squares, times n
        between[:, np.minimum(below, n - below) < LEAST_SHARE * n] = -1.0
        upper = (np.arange(n) > between.argmax(axis=1)[:, None]).astype(float)
        levels = np.zeros_like(x)
        np.put_along_axis(levels, order, upper, axis=1)
        apart = levels @ kept
        length = np.maximum((apart**2).sum(axis=1), 1e-12)
        step = (apart * alone).sum(axis=1) / length
        least = np.minimum(least, total - step**2 * length)
        x = (alone - step[:, None] * apart) / room + step[:, None] * levels
    return np.sqrt(least / total)


def found(design: tuple[np.ndarray, np.ndarray], nats: float, rng: np.random.Generator) -> float:
    """Share of tables in which two levels that far apart are found."""
    N, D = design
    columns, shape = slopes(N, D), (TABLES, len(N))
    cut = np.quantile(left_by_two(rng.standard_normal((4 * TABLES, len(N))), columns), LEVEL)
    mixed = np.log1p(-nats * (rng.random(shape) < 0.5) / law(N, D))
    return float(np.mean(left_by_two(mixed + NOISE * rng.standard_normal(shape), columns) < cut))


if __name__ == "__main__":
    rng = np.random.default_rng(15)
    for name, design in (("sweep of 60", sweep()), ("grid of 36", grid())):
        shares = (f"{nats:g} nats {100 * found(design, nats, rng):.0f} %" for nats in STRENGTHS)
        print(f"{name}: {', '.join(shares)}", flush=True)
