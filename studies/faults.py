"""Faults of a table that leave a law of the same look: what was logged, and what the next run will reach.

Each fault is planted in the Chinchilla law with Epoch's constants, at one strength or more, on a sweep of 60 runs and
a grid of 36. `studies.unseen` asks which of them any verdict could see, `studies.verdicts` what the verdict says.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import jaxscale as js

EPOCH = js.laws.chinchilla.published["besiroglu"].params
Law = Callable[[np.ndarray, np.ndarray], np.ndarray]  # losses of N and D


def law(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    E, A, B, alpha, beta = (EPOCH[k] for k in ("E", "A", "B", "alpha", "beta"))
    return E + A * N**-alpha + B * D**-beta


def sweep() -> tuple[np.ndarray, np.ndarray]:
    """60 runs: 6 budgets of 10 sizes."""
    return js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10, spread=8.0)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """36 runs: 6 sizes by 6 numbers of tokens per parameter."""
    N, ratio = np.meshgrid(np.geomspace(3e7, 6e9, 6), np.geomspace(5, 500, 6))
    return N.ravel(), (N * ratio).ravel()


@dataclass(frozen=True)
class Fault:
    """loss(strength, N, D, rng): the law that the runs follow, as a function of N and D, without independent noise, or
    their losses where each run has its own share. lasts: whether the next run follows it too, or the law."""

    strengths: tuple[float, ...]
    loss: Callable[..., Law | np.ndarray]
    lasts: bool = False

    def planted(self, strength: float, N: np.ndarray, D: np.ndarray, rng: np.random.Generator):
        """Losses of these runs, (n_runs,), and the law of the next one."""
        made = self.loss(strength, N, D, rng)
        if isinstance(made, np.ndarray):
            return made, law
        return made(N, D), made if self.lasts else law


def _times(factor: Law) -> Law:
    return lambda N, D: law(N, D) * (1 + factor(N, D))


def _late(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return np.median(N * D) * 1.001 < N * D


def _with_embeddings(strength: float, N: np.ndarray, D: np.ndarray, rng: np.random.Generator) -> Law:
    """The law holds for sizes without embeddings, of `strength` times a usual vocabulary; the column counts them."""
    inner = np.geomspace(1e3, 1e15, 20_001)
    total = inner + strength * 50_257 * (inner * 64 / 12) ** (1 / 3)
    return lambda N, D: law(np.exp(np.interp(np.log(N), np.log(total), np.log(inner))), D)


def _joined(strength: float, N: np.ndarray, D: np.ndarray, rng: np.random.Generator) -> Law:
    """The two terms joined as by Kaplan: the k-th root of the sum of their k-th powers."""

    def joined(N: np.ndarray, D: np.ndarray) -> np.ndarray:
        sizes, tokens = EPOCH["A"] * N ** -EPOCH["alpha"], EPOCH["B"] * D ** -EPOCH["beta"]
        return EPOCH["E"] + (sizes**strength + tokens**strength) ** (1 / strength)

    return joined


def _repeated(strength: float, N: np.ndarray, D: np.ndarray, rng: np.random.Generator) -> Law:
    unique = strength * 1e9

    def repeated(N: np.ndarray, D: np.ndarray) -> np.ndarray:
        again = np.maximum(D / unique - 1, 0)
        return law(N, np.minimum(D, unique) + unique * 15 * (1 - np.exp(-again / 15)))

    return repeated


def _bent(strength: float, N: np.ndarray, D: np.ndarray, rng: np.random.Generator) -> Law:
    middle = np.exp(np.log(N).mean())
    sizes = EPOCH["A"], EPOCH["alpha"]
    return lambda M, D: law(M, D) + sizes[0] * M ** -sizes[1] * ((1 + M / middle) ** strength - 1)


# By what happened; strengths in the unit said.
FAULTS: dict[str, Fault] = {
    "large models at too large a learning rate, % a decade of N": Fault(
        (0.003, 0.01), lambda s, N, D, rng: law(N, D) * (1 + s * np.log10(N / N.min()))),
    "the same, and the next one too, % a decade of N": Fault(
        (0.01,), lambda s, N, D, rng: _times(lambda M, _: s * np.log10(np.maximum(M / N.min(), 1))), lasts=True),
    "small models at too large a learning rate, %": Fault(
        (0.02, 0.05), lambda s, N, D, rng: _times(lambda M, _: s * (M / N.min()) ** -0.3), lasts=True),
    "data that grow worse as more are taken, nats a decade of D": Fault(
        (0.01, 0.03), lambda s, N, D, rng: lambda M, T: law(M, T) + s * np.log10(T / D.min()), lasts=True),
    "data that grow better as more are taken, nats a decade of D": Fault(
        (0.02,), lambda s, N, D, rng: lambda M, T: law(M, T) - s * np.log10(T / D.min()), lasts=True),
    "batches too large for large models with few tokens, %": Fault(
        (0.01, 0.03), lambda s, N, D, rng: _times(lambda M, T: s * np.maximum(0, np.log10(30 * M / T))), lasts=True),
    "runs of the largest budget cut short, %": Fault(
        (0.01, 0.03), lambda s, N, D, rng: law(N, D) * np.where(0.99 * (N * D).max() < N * D, 1 + s, 1)),
    "runs of the least budget spoiled, %": Fault(
        (0.02,), lambda s, N, D, rng: law(N, D) * np.where(1.01 * (N * D).min() > N * D, 1 + s, 1)),
    "a better corpus from the middle budget on, nats": Fault(
        (0.03, 0.1), lambda s, N, D, rng: law(N, D) - s * _late(N, D)),
    "two corpora at random, nats": Fault(
        (0.05,), lambda s, N, D, rng: law(N, D) - s * (rng.random(len(N)) < 0.5)),
    "tokens of the warm-up that teach nothing, 1e9": Fault(
        (0.1, 0.3), lambda s, N, D, rng: lambda M, T: law(M, np.maximum(T - s * 1e9, 1e6)), lasts=True),
    "runs tuned at 20 tokens per parameter alone, %": Fault(
        (0.01,), lambda s, N, D, rng: law(N, D) * (1 + s * np.log10(D / N / 20) ** 2)),
    "embeddings counted that do not count, times 50k words": Fault((1.0,), _with_embeddings, lasts=True),
    "terms joined as by Kaplan, power": Fault((1.5, 0.8), _joined, lasts=True),
    "data repeated, 1e9 unique tokens": Fault((5.0,), _repeated, lasts=True),
    "an exponent of N that bends in the middle of the runs": Fault((0.1,), _bent, lasts=True),
    "scatter that grows with N, % at the largest": Fault(
        (0.02,), lambda s, N, D, rng: law(N, D) * np.exp(s * (N / N.max()) ** 0.5 * rng.standard_normal(len(N)))),
    "scatter upwards, most at small models, %": Fault(
        (0.02,), lambda s, N, D, rng: law(N, D) * (1 + s * (N / N.min()) ** -0.3 * rng.exponential(1, len(N)))),
}  # fmt: skip
SCATTERED = tuple(name for name in FAULTS if name.startswith("scatter"))  # which no curve of N and D shows
