"""`python -m studies.unseen`: which faults of a table could any verdict see, and which could none?

Losses are made by the Chinchilla law with a fault planted, without noise, and the law is fitted to them by squares of
logs. What it cannot follow is all that a test has to go by. With noise of standard deviation sigma the best test of
all, told which fault to look for, asks whether |rest| / sigma is more than noise would make; at a false alarm in 1,000
tables it finds nine in ten where that is 3.29 + 1.28 = 4.6 or more (`SEEN`). A fault below is fitted away: the law
with other constants says the same of these runs, though not of the next, and no verdict from these runs can tell.
"""

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import norm

from studies.faults import EPOCH, FAULTS, SCATTERED, grid, sweep

LEVEL, POWER = 1e-3, 0.9
SEEN = float(norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER))
NOISE = 0.004


def rest(loss: np.ndarray, N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """What the law, fitted to losses without noise, leaves of their logs."""

    def off(theta: np.ndarray) -> np.ndarray:
        a, b, e, alpha, beta = theta
        return np.log(np.exp(e) + np.exp(a - alpha * np.log(N)) + np.exp(b - beta * np.log(D))) - np.log(loss)

    start = [np.log(EPOCH["A"]), np.log(EPOCH["B"]), np.log(EPOCH["E"]), EPOCH["alpha"], EPOCH["beta"]]
    return least_squares(off, start, x_scale=[0.1, 0.1, 0.01, 0.01, 0.01], xtol=1e-14, ftol=1e-14, max_nfev=500).fun


def visible(fault: str, design: tuple[np.ndarray, np.ndarray], strength: float, noise: float = NOISE) -> float:
    """|rest| over the noise; seen from `SEEN` on."""
    N, D = design
    spoiled, _ = FAULTS[fault].planted(strength, N, D, np.random.default_rng(0))
    return float(np.linalg.norm(rest(spoiled, N, D)) / noise)


def main() -> None:
    print(f"|rest| / noise of {100 * NOISE:g} %; the best test sees {SEEN:.1f} and more")
    for fault, about in FAULTS.items():
        for strength in about.strengths if fault not in SCATTERED else ():
            shown = 100 * strength if "%" in fault else strength
            seen = [visible(fault, design(), strength) for design in (sweep, grid)]
            print(f"{fault:62s} {shown:5g} sweep {seen[0]:6.1f} grid {seen[1]:6.1f}")


if __name__ == "__main__":
    main()
