"""`python -m studies.one_sided`: how often noise passes for one-sided scatter, and how often such scatter is found.

Runs of the Chinchilla law at random sizes and tokens, linearized at the truth; the check is the fit's own. Gaussian and
Student-t(4) noise must stay below 1 %; the others are scatter above the law, with and without noise beside it.
"""

import numpy as np

import jaxscale as js
from jaxscale._problem.losses import HuberLoss
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.residuals import skewness

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
KINDS = {
    "Gaussian": lambda rng, n: rng.standard_normal(n),
    "Student-t(4)": lambda rng, n: rng.standard_t(4, n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "exponential, noise .3": lambda rng, n: rng.exponential(size=n) + 0.3 * rng.standard_normal(n),
}
COUNTS = (12, 20, 40, 80, 160, 320, 1000)


def fires(kind: str, count: int, tables: int, seed: int = 0) -> float:
    """Share of tables in which the check fires."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(tables):
        jacobian = slopes(rng, count)
        residuals = -KINDS[kind](rng, count)
        loss = HuberLoss(1e-3, 1.0)
        at = Linearization(
            js.laws.chinchilla.parameter_names, residuals, jacobian, loss.score(residuals), np.ones(count), loss,
            np.zeros(5, bool),
        )  # fmt: skip
        skew, of_noise = skewness(at, None)
        found += skew > of_noise
    return found / tables


def slopes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Of log loss in theta, (count, 5)."""
    log_n, log_d = rng.uniform(np.log(1e7), np.log(1e10), count), rng.uniform(np.log(2e8), np.log(2e11), count)
    size, data = TRUTH["A"] * np.exp(-TRUTH["alpha"] * log_n), TRUTH["B"] * np.exp(-TRUTH["beta"] * log_d)
    terms = np.stack([size, data, np.full(count, TRUTH["E"])]) / (size + data + TRUTH["E"])
    return np.stack([*terms, -terms[0] * log_n, -terms[1] * log_d], axis=1)


if __name__ == "__main__":
    print("runs".rjust(6), *(kind.rjust(22) for kind in KINDS))
    for n in COUNTS:
        print(f"{n:6d}", *(f"{100 * fires(kind, n, 1000 if n < 1000 else 500):20.1f} %" for kind in KINDS))
