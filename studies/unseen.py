"""`python -m studies.unseen`: which faults of a table could any verdict see, and which could none?

Losses are made by the Chinchilla law with a fault planted, without noise, and the law is fitted to them by squares of
logs. What it cannot follow is all that a test has to go by. With noise of standard deviation sigma the best test of
all, told which fault to look for, asks whether |rest| / sigma is more than noise would make; at a false alarm in 1,000
tables it finds nine in ten where that is 3.29 + 1.28 = 4.6 or more (`SEEN`). A fault below is fitted away: the law
with other constants says the same of these runs, though not of the next, and no verdict from these runs can tell.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import norm

import jaxscale as js

LEVEL, POWER = 1e-3, 0.9
SEEN = float(norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER))
NOISE = 0.004
EPOCH = js.laws.chinchilla.published["besiroglu"].params
Loss = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]


def law(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    E, A, B, alpha, beta = (EPOCH[k] for k in ("E", "A", "B", "alpha", "beta"))
    return E + A * N**-alpha + B * D**-beta


def _late(C: np.ndarray) -> np.ndarray:
    return np.median(C) * 1.001 < C


# By what happened: the strength, and losses of N, D at that strength.
FAULTS: dict[str, tuple[float, Loss]] = {
    "large models at too large a learning rate, % a decade of N": (
        0.01, lambda N, D, s, _: law(N, D) * (1 + s * np.log10(N / N.min()))),
    "small models at too large a learning rate, %": (
        0.05, lambda N, D, s, _: law(N, D) * (1 + s * (N / N.min()) ** -0.3)),
    "data that grow worse as more are taken, nats a decade of D": (
        0.03, lambda N, D, s, _: law(N, D) + s * np.log10(D / D.min())),
    "data that grow better as more are taken, nats a decade of D": (
        0.02, lambda N, D, s, _: law(N, D) - s * np.log10(D / D.min())),
    "batches too large for large models with few tokens, %": (
        0.01, lambda N, D, s, _: law(N, D) * (1 + s * np.maximum(0, np.log10(30 * N / D)))),
    "runs of the largest budget cut short, %": (
        0.01, lambda N, D, s, _: law(N, D) * np.where(0.99 * (N * D).max() < N * D, 1 + s, 1)),
    "a better corpus from the middle budget on, nats": (0.03, lambda N, D, s, _: law(N, D) - s * _late(N * D)),
    "the same": (0.1, lambda N, D, s, _: law(N, D) - s * _late(N * D)),
    "runs of the least budget spoiled, %": (
        0.02, lambda N, D, s, _: law(N, D) * np.where(1.01 * (N * D).min() > N * D, 1 + s, 1)),
    "two corpora at random, nats": (0.05, lambda N, D, s, rng: law(N, D) - s * (rng.random(len(N)) < 0.5)),
    "tokens of the warm-up that teach nothing, 1e9": (
        0.1, lambda N, D, s, _: law(N, np.maximum(D - s * 1e9, 1e6))),
    "runs tuned at 20 tokens per parameter alone, %": (
        0.01, lambda N, D, s, _: law(N, D) * (1 + s * np.log10(D / N / 20) ** 2)),
}  # fmt: skip


def sweep() -> tuple[np.ndarray, np.ndarray]:
    """60 runs: 6 budgets of 10 sizes."""
    return js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10, spread=8.0)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """36 runs: 6 sizes by 6 numbers of tokens per parameter."""
    N, ratio = np.meshgrid(np.geomspace(3e7, 6e9, 6), np.geomspace(5, 500, 6))
    return N.ravel(), (N * ratio).ravel()


def rest(loss: np.ndarray, N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """What the law, fitted to losses without noise, leaves of their logs."""

    def off(theta: np.ndarray) -> np.ndarray:
        a, b, e, alpha, beta = theta
        return np.log(np.exp(e) + np.exp(a - alpha * np.log(N)) + np.exp(b - beta * np.log(D))) - np.log(loss)

    start = [np.log(EPOCH["A"]), np.log(EPOCH["B"]), np.log(EPOCH["E"]), EPOCH["alpha"], EPOCH["beta"]]
    return least_squares(off, start, x_scale=[0.1, 0.1, 0.01, 0.01, 0.01], xtol=1e-14, ftol=1e-14, max_nfev=500).fun


def visible(fault: str, design: tuple[np.ndarray, np.ndarray], noise: float = NOISE) -> float:
    """|rest| over the noise; seen from `SEEN` on."""
    (N, D), (strength, spoiled) = design, FAULTS[fault]
    return float(np.linalg.norm(rest(spoiled(N, D, strength, np.random.default_rng(0)), N, D)) / noise)


def main() -> None:
    print(f"|rest| / noise of {100 * NOISE:g} %; the best test sees {SEEN:.1f} and more")
    for fault, (strength, _) in FAULTS.items():
        shown = 100 * strength if "%" in fault else strength
        print(f"{fault:62s} {shown:5g} sweep {visible(fault, sweep()):6.1f} grid {visible(fault, grid()):6.1f}")


if __name__ == "__main__":
    main()
