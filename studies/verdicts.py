"""`python -m studies.verdicts`: is the verdict right? Labelled tables, and what default fits say of them.

A table is labelled by how it was made, or by what its fit predicts against what is known; never by its verdict:

- **bad** if no fit of the law could be right: the runs cannot tell its parameters apart, or no law lies behind them
  (`hopeless`); or if the fitted law is off, ten times beyond the largest compute in the table, by more than 3 % in the
  loss or more than a factor of two in the best N, the truth being known (`OFF`).
- **good** if it was made without a fault and is off by at most 1.5 % and a factor of 1.5 (`NEAR`). What lies between,
  or is near the truth in spite of a fault, by luck, is neither, and not counted.

Real tables are labelled by runs held out: a fourth of them, those of the most compute, which the fit of the others
misses by a median of at most 1.5 % (good) or more than 3 % (bad); or as hopeless by design. They need JAXSCALE_DATA.

Besides planted kinds there are the faults of `studies.faults`, of which some leave a trace that the best test, told
what to look for, finds nine times in ten (`studies.unseen`): of those it is counted how often a reason names a misfit.

A false "trustworthy" is a bad table whose verdict is trustworthy; a false alarm a good one whose verdict is not.
`--designs` asks instead of tables of designs drawn at random, on which the law holds, whether refusal follows the
actual error, and whether what a fit says of its own plan holds. A design is sound where, by its true law and noise, the
fit of a table is off by more than 3 % or a factor of two at most one time in ten, see `known_at_truth`; the verdict
knows neither. `--faults` asks how often each fault that can be seen is named, on 48 tables of each.
`--seeds tuning` runs the tables that the thresholds were set on; the default reports on others. `--json FILE` keeps it.
"""

import argparse
import json
import math
import os
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, t

import jaxscale as js
from jaxscale._base.verdict import Margin
from studies import faults
from studies.faults import FAULTS, SCATTERED
from studies.unseen import NOISE, SEEN, rest

OFF = 0.03, 2.0  # of the loss, and factor of the best N
NEAR = 0.015, 1.5
DESIGNS, EACH = (48, 16), range(50, 114)  # of little noise, and of more; seeds of each
LATER = range(7000, 7048)  # seeds of `--faults`
BEYOND = 10.0  # times the largest compute in the table
SEEDS = {"tuning": range(0, 4), "reported": range(200, 204)}

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of N and D, without noise
CHINCHILLA = js.laws.chinchilla
EPOCH = CHINCHILLA.published["besiroglu"].params
OTHERS = (
    EPOCH,
    {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
    {"E": 1.5, "A": 4000.0, "B": 600.0, "alpha": 0.48, "beta": 0.30},
)
FLAT = {"E": 0.9, "A": 8.0, "B": 14.0, "alpha": 0.12, "beta": 0.13}  # 1 % of noise hides which way is down


@dataclass(frozen=True)
class Case:
    """A table, how it came about, and what is known of it."""

    kind: str
    frame: pd.DataFrame
    law: js.Law = CHINCHILLA
    truth: Loss | None = None
    hopeless: bool = False
    held: pd.DataFrame | None = None  # runs that the fit does not see
    run: str | None = None  # column of independent runs
    faulty: bool = False  # made with one of `FAULTS`
    trace: float = 0.0  # of the fault beside the noise, see `unseen.rest`
    spread: float = math.nan  # of `at_random`: by how much a median of one run varies, in logs

    def runs(self) -> js.Runs:
        """The table as a user would read it; what is doubtful in it is for the verdict to say."""
        columns = {v.name: v.name for v in self.law.variables}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", js.DataWarning)
            return js.Runs.from_frame(self.frame, **columns, response="loss", run=self.run)

    def label(self, result: js.FitResult) -> str:
        """good, bad, or neither; the verdict is not looked at."""
        if self.hopeless:
            return "bad"
        if self.held is not None:
            variables = {v.name: self.held[v.name].to_numpy() for v in self.law.variables}
            off, factor = float(np.median(np.abs(result.predict(**variables) / self.held["loss"] - 1))), 1.0
        else:
            off, factor = self.errors(result)
        if off <= NEAR[0] and factor <= NEAR[1] and self.kind not in UNSOUND and not self.faulty:
            return "good"
        return "bad" if not (off <= OFF[0] and factor <= OFF[1]) else "neither"

    def errors(self, result: js.FitResult) -> tuple[float, float]:
        """Of the loss at the true optimum beyond the runs, relatively; and the factor by which the best N is off."""
        assert self.truth is not None
        N = self.frame["N"].to_numpy(float)
        if len(result.law.variables) == 1:
            far = BEYOND * N.max()
            return abs(float(result.predict(N=far)) / float(self.truth(far, far)) - 1), 1.0
        budget = BEYOND * 6 * float(np.max(N * self.frame["D"].to_numpy(float)))
        sizes = np.geomspace(1e4, 1e14, 20001)
        tokens = budget / (6 * sizes)
        true, fitted = self.truth(sizes, tokens), np.asarray(result.predict(N=sizes, D=tokens))
        best = int(np.argmin(true))
        factor = float(np.exp(abs(np.log(sizes[np.argmin(fitted)] / sizes[best]))))
        return float(abs(fitted[best] / true[best] - 1)), factor


# --- Tables that were planted ---


def law(params: Mapping[str, float]) -> Loss:
    """The Chinchilla law."""
    E, A, B, alpha, beta = (params[k] for k in ("E", "A", "B", "alpha", "beta"))
    return lambda N, D: E + A * N**-alpha + B * D**-beta


def crossed(strength: float, N: np.ndarray, D: np.ndarray) -> Loss:
    """The law times exp(strength log N log D), both logs from the middle of the runs."""
    n, d = np.log(N).mean(), np.log(D).mean()
    return lambda N, D: law(EPOCH)(N, D) * np.exp(strength * (np.log(N) - n) * (np.log(D) - d))


def sweep(budgets: int = 6, sizes: int = 10, low: float = 1e18, high: float = 1e21, spread: float = 8.0):
    return js.synthetic.isoflop_design(np.geomspace(low, high, budgets), sizes, spread=spread)


def grid(sizes: int = 6, ratios: int = 6, low: float = 3e7, high: float = 6e9):
    N, ratio = np.meshgrid(np.geomspace(low, high, sizes), np.geomspace(5, 500, ratios))
    return N.ravel(), (N * ratio).ravel()


def scatter(count: int, rng: np.random.Generator):
    N = np.exp(rng.uniform(np.log(1e7), np.log(1e10), count))
    return N, N * np.exp(rng.uniform(np.log(3), np.log(400), count))


def frame(N, D, loss) -> pd.DataFrame:
    return pd.DataFrame({"N": np.asarray(N, float), "D": np.asarray(D, float), "loss": np.asarray(loss, float)})


def planted(kind: str, seed: int) -> Case:
    """The table of a kind, by its seed. Half of the kinds are sound; the others are what goes wrong in practice."""
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed])

    def noisy(loss, sigma):
        return loss * np.exp(sigma * rng.standard_normal(len(loss)))

    truth = law(OTHERS[seed % len(OTHERS)] if kind in SOUND else EPOCH)
    N, D = sweep()
    loss, sigma = truth(N, D), 0.005

    def made(**known):
        return Case(kind, frame(N, D, noisy(loss, sigma)), truth=truth, **known)

    match kind:
        # Sound.
        case "a sweep":
            return made()
        case "a large sweep":
            N, D = sweep(9, 20)
            loss = truth(N, D)
            return made()
        case "a grid":
            N, D = grid()
            loss, sigma = truth(N, D), 0.003
            return made()
        case "scattered runs":
            N, D = scatter(100, rng)
            loss, sigma = truth(N, D), 0.01
            return made()
        case "25 runs":
            N, D = sweep(5, 5)
            loss, sigma = truth(N, D), 0.002
            return made()
        case "15 runs":
            N, D = grid(5, 3)
            loss, sigma = truth(N, D), 0.001
            return made()
        case "heavy tails":
            loss, sigma = loss * np.exp(0.004 * rng.standard_t(2.5, len(loss))), 0.0
            return made()
        case "small models scatter more":
            loss, sigma = loss * np.exp(0.02 * (N / N.min()) ** -0.4 * rng.standard_normal(len(N))), 0.001
            return made()
        case "three diverged runs":
            loss[rng.choice(len(loss), 3, replace=False)] *= rng.uniform(1.05, 1.3, 3)
            return made()
        case "one run logged at a tenth":
            loss[rng.integers(len(loss))] *= 0.1
            return made()
        case "losses of three digits":
            return Case(kind, frame(N, D, np.round(noisy(loss, 0.004), 2)), truth=truth)
        case "no noise":
            sigma = 1e-6
            return made()
        case "rows twice":
            single = frame(N, D, noisy(loss, 0.004))
            return Case(kind, pd.concat([single, single.iloc[:20]], ignore_index=True), truth=truth)
        case "checkpoints of named runs":
            N = np.repeat(np.geomspace(3e7, 6e9, 16), 10)
            D = N * np.tile(np.geomspace(4, 200, 10), 16)
            loss = truth(N, D) * np.repeat(np.exp(0.004 * rng.standard_normal(16)), 10)
            table = frame(N, D, noisy(loss, 0.001)).assign(run=np.repeat([f"r{k}" for k in range(16)], 10))
            return Case(kind, table, truth=truth, run="run")
        case "overtrained runs":
            N, ratio = np.meshgrid(np.geomspace(3e7, 3e9, 7), np.geomspace(20, 3000, 7))
            N, D = N.ravel(), (N * ratio).ravel()
            loss, sigma = truth(N, D), 0.003
            return made()
        case "Kaplan's law":
            kaplan = js.laws.kaplan_nd

            def truth(N, D):
                return np.asarray(kaplan.predict(kaplan.published["kaplan"].params, N=N, D=D))

            return Case(kind, frame(N, D, noisy(truth(N, D), 0.003)), kaplan, truth)
        case "a curve of sizes":
            N = np.geomspace(1e6, 1e10, 24)
            loss = 1.7 + 60.0 * N**-0.25
            table = frame(N, N, noisy(loss, 0.002))
            return Case(kind, table, js.laws.power_law(), lambda N, D: 1.7 + 60.0 * N**-0.25)
        # Made soundly, but the exponents are so small that noise hides the best N.
        case "small exponents, a grid":
            truth = law(FLAT)
            N, D = grid()
            loss, sigma = truth(N, D), 0.003
            return made()
        case "small exponents, scattered runs":
            truth = law(FLAT)
            N, D = scatter(100, rng)
            loss, sigma = truth(N, D), 0.01
            return made()
        case "small exponents, checkpoints":
            truth = law(FLAT)
            N = np.repeat(np.geomspace(3e7, 6e9, 16), 10)
            D = N * np.tile(np.geomspace(4, 200, 10), 16)
            loss = truth(N, D) * np.repeat(np.exp(0.004 * rng.standard_normal(16)), 10)
            table = frame(N, D, noisy(loss, 0.001)).assign(run=np.repeat([f"r{k}" for k in range(16)], 10))
            return Case(kind, table, truth=truth, run="run")
        # Hopeless: the runs cannot tell.
        case "one ray":
            N = np.geomspace(1e7, 1e11, 40)
            D = 20 * N
        case "nearly one ray":
            N = np.geomspace(1e7, 1e11, 40)
            D = 20 * N * np.exp(0.02 * rng.standard_normal(40))
        case "one budget":
            N, D = sweep(1, 40)
        case "nearly one budget":
            N, D = sweep(3, 14, 1e20, 1.05e20)
        case "one size":
            N, D = np.full(40, 1e9), np.geomspace(1e9, 1e12, 40)
        case "two sizes":
            N, D = np.resize([2e8, 3e9], 40), np.geomspace(1e9, 1e12, 40)
        case "one number of tokens":
            N, D = np.geomspace(1e7, 1e11, 40), np.full(40, 1e11)
        case "five runs":
            N, D = (x[[0, 13, 27, 41, 59]] for x in (N, D))
        case "eight runs":
            N, D = (x[::8] for x in (N, D))
        case "a run copied":
            N, D = np.full(40, 1e9), np.full(40, 2e10)
        # Hopeless: no law behind them, or two.
        case "losses drawn at random":
            return Case(kind, frame(N, D, rng.uniform(2, 4, len(N))), hopeless=True)
        case "losses shuffled":
            return Case(kind, frame(N, D, rng.permutation(loss)), hopeless=True)
        case "losses that rise":
            return Case(kind, frame(N, D, noisy(8.0 - loss, 0.004)), hopeless=True)
        case "accuracies for losses":
            return Case(kind, frame(N, D, noisy(1 / (1 + np.exp(3 * (loss - 2.6))), 0.01)), hopeless=True)
        case "one loss for all":
            return Case(kind, frame(N, D, noisy(np.full(len(N), 2.5), 0.003)), hopeless=True)
        case "two corpora in one":
            other = law({**EPOCH, "E": 0.8, "B": 9000.0, "beta": 0.42})
            return Case(
                kind, frame(N, D, noisy(np.where(np.arange(len(N)) % 2, loss, other(N, D)), 0.004)), hopeless=True
            )
        # A law lies behind them; whether its fit is near the truth decides.
        case "half the tokens in billions":
            return Case(kind, frame(N, np.where(rng.random(len(D)) < 0.5, D / 1e9, D), noisy(loss, 0.004)), truth=truth)
        case "half the losses in bits":
            mixed = np.where(rng.random(len(D)) < 0.5, loss / np.log(2), loss)
            return Case(kind, frame(N, D, noisy(mixed, 0.004)), truth=truth)
        case "columns swapped in half the rows":
            swap = rng.random(len(D)) < 0.5
            return Case(kind, frame(np.where(swap, D, N), np.where(swap, N, D), noisy(loss, 0.004)), truth=truth)
        case "columns swapped":
            return Case(kind, frame(D, N, noisy(loss, 0.004)), truth=truth)
        case "a narrow range":
            N, D = np.tile(np.geomspace(1e9, 1.3e9, 6), 10), np.repeat(np.geomspace(1e10, 1.3e10, 10), 6)
            loss = truth(N, D)
            return made()
        case "a fairly narrow range":
            N, D = np.tile(np.geomspace(1e9, 3e9, 6), 10), np.repeat(np.geomspace(1e10, 3e10, 10), 6)
            loss, sigma = truth(N, D), 0.01
            return made()
        case "20 runs with noise of 8 %":
            N, D = sweep(4, 5)
            loss, sigma = truth(N, D), 0.08
            return made()
        case "12 runs with noise of 2 %":
            N, D = sweep(3, 4)
            loss, sigma = truth(N, D), 0.02
            return made()
        case "a third of the runs diverged":
            loss = np.where(rng.random(len(N)) < 0.35, loss * rng.uniform(1.1, 2.0, len(N)), loss)
            return made()
        case "large runs diverged":
            loss = np.where(N > 1e9, loss * (1 + 0.05 * np.log(N / 1e9)), loss)
            return made()
        case "large runs not annealed":
            loss = np.where(N * D > 3e19, loss * 1.04, loss)
            return made()
        case "checkpoints before the end":
            done = rng.uniform(0.1, 1.0, len(N))
            loss, D = truth(N, D) * (1 + 0.12 * (1 - done)), D * done
            return Case(kind, frame(N, D, noisy(loss, 0.004)), truth=truth)
        case "an evaluation that saturates":
            loss = np.maximum(loss, np.quantile(loss, 0.5))
            sigma = 0.002
            return made()
        case "small models with too much embedding":

            def truth(N, D):
                return law(EPOCH)(np.maximum(N - 4e7 * (N / 1e8) ** 0.33, 1e6), D)

            loss, sigma = truth(N, D), 0.003
            return made()
        case "repeated data":
            unique = 2e9

            def truth(N, D):
                more = np.maximum(D / unique - 1, 0)
                return law(EPOCH)(N, np.minimum(D, unique) + unique * 15 * (1 - np.exp(-more / 15)))

            loss, sigma = truth(N, D), 0.003
            return made()
        case "a cross term":
            truth = crossed(0.02, N, D)
            loss, sigma = truth(N, D), 0.004
            return made()
        case "a weak cross term":
            truth = crossed(0.004, N, D)
            loss, sigma = truth(N, D), 0.004
            return made()
        case "a break":

            def truth(N, D):
                return law(EPOCH)(N, D) * (1 + (N / 1e9) ** 2) ** -0.06

            loss, sigma = truth(N, D), 0.004
            return made()
        case "no floor in sight":

            def truth(N, D):
                return 3 * (N / 1e9) ** -0.05 * (D / 1e10) ** -0.06

            loss, sigma = truth(N, D), 0.004
            return made()
        case "a floor that the law lacks":
            N = np.geomspace(1e6, 1e9, 24)

            def truth(N, D):
                return 1.7 + 60.0 * N**-0.25

            table = frame(N, N, noisy(truth(N, N), 0.002))
            return Case(kind, table, js.laws.power_law(floor=False), truth)
        case "tokens that hardly matter":
            N, D = np.tile(np.geomspace(1e7, 1e9, 6), 6), np.repeat(np.geomspace(3e14, 1e16, 6), 6)
            loss = truth(N, D)
            return made()
        case "sizes that hardly matter":
            N, D = np.tile(np.geomspace(1e12, 1e14, 6), 6), np.repeat(np.geomspace(1e8, 1e10, 6), 6)
            loss = truth(N, D)
            return made()
        case "learning rates not tuned":
            loss = loss * (1 + 0.03 * rng.exponential(1.0, len(N)))

            def truth(N, D):
                return law(EPOCH)(N, D) * (1 + 0.03 * np.log(2))  # the next such run, in the median

            return made()
        case "correlated checkpoints taken for runs":
            N = np.repeat(np.geomspace(1e8, 3e9, 6), 20)
            D = N * np.tile(np.geomspace(2, 60, 20), 6)
            loss, sigma = truth(N, D) * np.repeat(np.exp(0.015 * rng.standard_normal(6)), 20), 0.001
            return made()
        case _:
            raise KeyError(kind)
    return Case(kind, frame(N, D, noisy(truth(N, D), 0.004)), hopeless=True)


SOUND = (
    "a sweep", "a large sweep", "a grid", "scattered runs", "25 runs", "15 runs", "heavy tails",
    "small models scatter more", "three diverged runs", "one run logged at a tenth", "losses of three digits",
    "no noise", "rows twice", "checkpoints of named runs", "overtrained runs", "Kaplan's law", "a curve of sizes",
)  # fmt: skip
UNSOUND = (
    "small exponents, a grid", "small exponents, scattered runs", "small exponents, checkpoints",
    "one ray", "nearly one ray", "one budget", "nearly one budget", "one size", "two sizes", "one number of tokens",
    "five runs", "eight runs", "a run copied", "losses drawn at random", "losses shuffled", "losses that rise",
    "accuracies for losses", "one loss for all", "two corpora in one", "half the tokens in billions",
    "half the losses in bits", "columns swapped in half the rows", "columns swapped", "a narrow range",
    "a fairly narrow range", "20 runs with noise of 8 %", "12 runs with noise of 2 %", "a third of the runs diverged",
    "large runs diverged", "large runs not annealed", "checkpoints before the end", "an evaluation that saturates",
    "small models with too much embedding", "repeated data", "a cross term", "a weak cross term", "a break",
    "no floor in sight", "a floor that the law lacks", "tokens that hardly matter", "sizes that hardly matter",
    "learning rates not tuned", "correlated checkpoints taken for runs",
)  # fmt: skip
KINDS = SOUND + UNSOUND


def at_random(design: int, seed: int) -> Case:
    """A sound table of a design drawn by its number: a sweep, a grid, scattered runs or runs around 20 tokens per
    parameter; 9 to 300 of them, over 1.5 to 3.5 decades, with .1 to 1 % of noise, or for the last of `DESIGNS` 1 to 3,
    long-tailed in every fifth."""
    draw, rng = np.random.default_rng([81, design]), np.random.default_rng([82, design, seed])
    count = int(np.exp(draw.uniform(np.log(9), np.log(300))))
    span, low = 10 ** draw.uniform(1.5, 3.5), 10 ** draw.uniform(17, 19.5)
    match design % 4:
        case 0:
            budgets = int(draw.integers(3, 10)) if count > 40 else 3 + design // 4 % 2
            N, D = sweep(budgets, max(3, round(count / budgets)), low, low * span, draw.uniform(3, 20))
        case 1:
            sizes = max(3, int(np.sqrt(count)))
            ends = 10 ** draw.uniform(6.5, 8), 10 ** draw.uniform(9, 10.2)
            ratios = np.geomspace(draw.uniform(2, 10), draw.uniform(100, 1000), max(3, count // sizes))
            N, ratio = np.meshgrid(np.geomspace(*ends, sizes), ratios)
            N, D = N.ravel(), (N * ratio).ravel()
        case 2:
            N, D = scatter(count, draw)
        case _:
            compute = np.exp(draw.uniform(np.log(low), np.log(low * span), count))
            N = np.sqrt(compute / 6 / (20 * np.exp(draw.normal(0, 1.2, count))))
            D = compute / 6 / N
    noise = (1e-3, 1e-2) if design < DESIGNS[0] else (1e-2, 3e-2)
    sigma, truth = float(np.exp(draw.uniform(*np.log(noise)))), law(OTHERS[design % 3])
    if design % 5 == 4:
        tails, peak = rng.standard_t(4, len(N)) / np.sqrt(2), t(4).pdf(0) * np.sqrt(2)
    else:
        tails, peak = rng.standard_normal(len(N)), norm.pdf(0)
    spread = sigma / (2 * peak)  # of a median (Laplace 1818), which fits with Huber's delta far below the noise take
    return Case(f"design {design}", frame(N, D, truth(N, D) * np.exp(sigma * tails)), truth=truth, spread=spread)


def known_at_truth(case: Case, params: Mapping[str, float]) -> tuple[float, float]:
    """Half widths, in logs, of what holds 90 % of the best N and of the least loss ten times beyond the runs, of fits
    of such tables: by the information of the runs at the true law and noise, with slopes by differences."""
    N, D = case.frame["N"].to_numpy(), case.frame["D"].to_numpy()
    log_product = math.log(BEYOND * float(np.max(N * D)))
    theta = np.array([*(math.log(params[k]) for k in "EAB"), params["alpha"], params["beta"]])

    def losses(theta: np.ndarray, n, d) -> np.ndarray:
        e, a, b, alpha, beta = theta
        return np.log(np.exp(e) + np.exp(a - alpha * n) + np.exp(b - beta * d))

    def plan(theta: np.ndarray) -> np.ndarray:
        _, a, b, alpha, beta = theta
        n = (math.log(alpha / beta) + a - b + beta * log_product) / (alpha + beta)
        return np.array([n, losses(theta, n, log_product - n)])

    def slopes(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return np.stack([(of(theta + h) - of(theta - h)) / 2e-5 for h in 1e-5 * np.eye(5)], axis=1)

    rows = slopes(lambda theta: losses(theta, np.log(N), np.log(D)))
    scale = np.linalg.norm(rows, axis=0)
    left = np.linalg.solve(np.linalg.qr(rows / scale)[1].T, (slopes(plan) / scale).T)
    size, loss = norm.ppf(0.95) * case.spread * np.sqrt((left**2).sum(axis=0))
    return float(size), float(loss)


# --- Tables with a fault of `studies.faults` ---

# Reasons that speak of runs that do not lie on the law.
MISFIT = {
    "backtest_failed", "cross_term", "groups_differ", "influential_runs", "lack_of_fit", "one_sided_scatter",
    "outliers", "residual_trend", "residuals_dependent", "two_levels",
}  # fmt: skip


def with_fault(fault: str, strength: float, design: Callable, seed: int) -> Case:
    """A table with a fault at a strength, and noise of .4 %."""
    N, D = design()
    kind = f"{fault} ({100 * strength if '%' in fault else strength:g}, {design.__name__})"
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed])
    loss, truth = FAULTS[fault].planted(strength, N, D, rng)
    left = float(np.linalg.norm(rest(loss, N, D))) / NOISE if fault not in SCATTERED else 0.0
    noisy = loss * np.exp(NOISE * rng.standard_normal(len(N)))
    return Case(kind, frame(N, D, noisy), truth=truth, faulty=True, trace=left)


# --- Real tables ---

# One ray by design, every run stops at 20 tokens per parameter; and one whose exponent of N is .05 or .13 as embeddings
# are counted or not.
_HOPELESS = ("jaxsweep_curves", "misfitting_openlm")
_REAL = {
    "chinchilla_epoch": [{}], "datablations_c4": [{}], "misfitting_openlm": [{}], "misfitting_lr_sweep": [{}],
    "oellm_optima": [{}], "jaxsweep_curves": [{}], "porian_refinedweb": None, "gemstones": None,
}  # fmt: skip


def real() -> Iterator[Case]:
    """The real tables with sizes, tokens and losses, three fourths of each."""
    for name, choices in _REAL.items():
        entry = js.datasets.info(name)
        groups = choices or [{"group": g} for g in dict.fromkeys(js.datasets.frame(name)[entry.group or ""])]
        for options in groups:
            runs = js.datasets.load(name, **options)
            kind = f"{name} {options['group']}" if options else name
            table = frame(runs.variable("N"), runs.variable("D"), runs.response)
            run = None
            if runs.clusters is not None and len(set(runs.clusters)) < runs.count:
                table, run = table.assign(run=list(runs.clusters)), "run"
            if name in _HOPELESS:
                yield Case(kind, table, hopeless=True, run=run)
                continue
            order = np.argsort(table["N"] * table["D"], kind="stable")
            cut = len(order) - len(order) // 4
            yield Case(kind, table.iloc[order[:cut]], held=table.iloc[order[cut:]], run=run)


# --- Judged ---


@dataclass(frozen=True)
class Judged:
    """A case with its label and verdict."""

    case: Case
    label: str
    trustworthy: bool
    said: str
    within: bool | None = None  # of a planted table: whether the plan is off by less than `OFF`
    off: float = math.nan  # of it: how far, in the loss and as a factor of the best N
    factor: float = math.nan
    margins: tuple[Margin, ...] = ()

    @property
    def beyond(self) -> tuple[bool, bool, bool]:
        """Whether the best N and the loss are further off than the 90 % intervals of the verdict say, each, and whether
        either is than the verdict says of both."""
        errors = self.factor, 1 + self.off
        apart = [error > margin.known for error, margin in zip(errors, self.margins, strict=True)]
        return *apart, any(error > margin.bound for error, margin in zip(errors, self.margins, strict=True))

    @property
    def named(self) -> bool:
        """Whether a reason says that runs do not lie on the law."""
        return bool(MISFIT & {code.lstrip("!") for code in self.said.split()})

    @property
    def wrong(self) -> str:
        """ "false trustworthy", "false alarm", or nothing."""
        if self.label == "bad" and self.trustworthy:
            return "false trustworthy"
        return "false alarm" if self.label == "good" and not self.trustworthy else ""


def judged(cases: list[Case]) -> list[Judged]:
    """All cases, fitted side by side with defaults."""
    found: dict[int, Judged] = {}
    for chosen in {id(c.law): c.law for c in cases}.values():
        mine = {str(k): c for k, c in enumerate(cases) if c.law is chosen}
        fits = js.fit_many(chosen, {k: c.runs() for k, c in mine.items()})
        for k, result in fits:
            case = mine[k]
            if not isinstance(result, js.FitResult):
                found[int(k)] = Judged(case, "bad" if case.hopeless else "neither", False, result.text)
                continue
            told = [r for r in result.verdict.reasons if r.severity != "info"]
            reasons = [f"{'!' if r.severity == 'fatal' else ''}{r.code}" for r in told]
            said, within, off, factor = " ".join(dict.fromkeys(reasons)), None, math.nan, math.nan
            if case.truth is not None:
                off, factor = case.errors(result)
                within = off <= OFF[0] and factor <= OFF[1]
            verdict = result.verdict
            found[int(k)] = Judged(
                case, case.label(result), verdict.trustworthy, said, within, off, factor, verdict.margins
            )
    return [found[k] for k in range(len(cases))]


def tables(seeds: range) -> list[Case]:
    """The planted tables, and the real ones where JAXSCALE_DATA has them; of `FAULTS` twice as many as of a kind."""
    cases = [planted(kind, seed) for kind in KINDS for seed in seeds]
    twice = [*seeds, *(1000 + seed for seed in seeds)]
    for fault, about in FAULTS.items():
        pairs = [(strength, design) for strength in about.strengths for design in (faults.sweep, faults.grid)]
        cases += [with_fault(fault, *pair, seed) for pair in pairs for seed in twice]
    return [*cases, *(real() if os.environ.get("JAXSCALE_DATA") else ())]


def of_designs() -> Iterator[str]:
    """Whether tables are refused whose plan is right, and trusted whose plan is not."""
    cases = [at_random(design, seed) for design in range(sum(DESIGNS)) for seed in EACH]
    rows = judged(cases)
    beyond = np.array([r.within is not True for r in rows]).reshape(sum(DESIGNS), -1)
    refused = np.array([not r.trustworthy for r in rows]).reshape(beyond.shape)
    runs = [len(c.frame) for c in cases]
    known = [known_at_truth(c, OTHERS[k % 3]) for k, c in enumerate(cases[:: len(EACH)])]
    sound = np.array([size <= math.log(OFF[1]) and loss <= math.log1p(OFF[0]) for size, loss in known])
    usual = np.arange(len(sound)) < DESIGNS[0]
    lines = math.log(OFF[1]), math.log1p(OFF[0])
    near = np.array([max(np.divide(one, lines)) for one in known])  # to the lines by the true law and noise
    near = np.broadcast_to(near[:, None], beyond.shape)
    surpassed = np.array([r.beyond if r.trustworthy else (False,) * 3 for r in rows]).reshape(*beyond.shape, 3)
    for name, chosen in (
        (f"the {sound.sum()} sound ones of {len(sound)} designs, {min(runs)} to {max(runs)} runs", sound),
        (f"the {(usual & sound).sum()} sound ones of {DESIGNS[0]} with .1 to 1 % of noise", usual & sound),
        (f"the {(~sound).sum()} others", ~sound),
        ("all designs", sound | True),
    ):
        off, no = beyond[chosen], refused[chosen]
        yield (
            f"{name}: of {(~off).sum()} tables within 3 % and a factor of two {(no & ~off).sum()} are refused "
            f"({100 * (no & ~off).sum() / (~off).sum():.1f} %), of {off.sum()} beyond {(~no & off).sum()} are trusted "
            f"({100 * (~no & off).sum() / off.size:.1f} % of all)"
        )
        share = 100 * surpassed[chosen].sum(axis=(0, 1)) / (~no).sum()
        yield (
            f"    of {(~no).sum()} trusted ones the best N of {share[0]:.1f} % and the loss of {share[1]:.1f} % lie "
            f"beyond their own 90 % intervals, one of both of {share[2]:.1f} % beyond what is said of them together"
        )
        cut = np.sort(near[chosen][~off])[::-1][(no & ~off).sum()]
        yield (
            f"    a rule that knows the true law and noise, and refuses as many of the right ones, trusts "
            f"{(near[chosen][off] <= cut).sum()} of the {off.sum()}"
        )
    for r in rows:
        if r.within is False and r.trustworthy:
            yield f"trusted though {100 * r.off:.1f} % and x{r.factor:.2f} off: {r.case.kind} ({r.said})"


def of_faults() -> Iterator[str]:
    """How often each fault that the best test finds is named, on tables of its own."""
    pairs = [(f, x, d) for f, about in FAULTS.items() for x in about.strengths for d in (faults.sweep, faults.grid)]
    seen = [pair for pair in pairs if with_fault(*pair, LATER[0]).trace >= SEEN]
    rows = judged([with_fault(*pair, seed) for pair in seen for seed in LATER])
    for k in range(len(seen)):
        mine = rows[k * len(LATER) : (k + 1) * len(LATER)]
        share = 100 * np.mean([r.named for r in mine])
        yield f"{share:5.1f} % named, trace {mine[0].case.trace:6.1f}: {mine[0].case.kind}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.verdicts", description=__doc__)
    parser.add_argument("--seeds", choices=SEEDS, default="reported")
    parser.add_argument("--json", metavar="FILE", help="also write every table's label and verdict")
    parser.add_argument("--designs", action="store_true", help="sound tables of random designs, refused or not")
    parser.add_argument("--faults", action="store_true", help="48 tables of each fault that the best test finds")
    options = parser.parse_args()
    if options.designs or options.faults:
        print(*(of_designs() if options.designs else of_faults()), sep="\n")
        return 0
    rows = judged(tables(SEEDS[options.seeds]))
    for kind in dict.fromkeys(r.case.kind for r in rows):
        mine = [r for r in rows if r.case.kind == kind]
        labels = " ".join(f"{r.label}/{'yes' if r.trustworthy else 'no'}" for r in mine)
        print(f"{kind:40s} {labels:60s} {mine[0].said}" + (f" trace {mine[0].case.trace:.1f}, named "
              f"{sum(r.named for r in mine)}" if mine[0].case.faulty else ""))  # fmt: skip
    count = Counter((r.label, r.trustworthy) for r in rows)
    print(
        f"{len(rows)} tables. Bad: {count['bad', False]} not trustworthy, {count['bad', True]} falsely trustworthy. "
        f"Good: {count['good', True]} trustworthy, {count['good', False]} false alarms. Neither: "
        f"{count['neither', True] + count['neither', False]}."
    )
    traced = [r for r in rows if r.case.trace >= SEEN]
    print(f"Of {len(traced)} tables whose fault the best test would find, {sum(r.named for r in traced)} are named as "
          f"misfits; so are {sum(r.named for r in rows if r.label == 'good')} of the good.")  # fmt: skip
    for r in rows:
        if r.wrong:
            print(f"{r.wrong}: {r.case.kind} ({r.said})")
    if options.json:
        text = json.dumps(
            [{"kind": r.case.kind, "label": r.label, "trustworthy": r.trustworthy, "reasons": r.said} for r in rows]
        )
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
