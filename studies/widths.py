"""`python -m studies.widths`: whether the default intervals are as narrow as the same methods written by themselves.

The tables are those of `studies.coverage`, so `fit`'s own intervals come from there. The other side is written with
NumPy and SciPy alone: the laws with their first and second derivatives, Huber's optimum of every resampled table by
Newton's method from the truth and from the fit, bias-corrected ends (percentiles where whole runs are drawn), and the
scaled profile, whose ends a root finder brackets over refits with the quantity pinned. Resampling has other seeds, and
draws as many runs as there are, as the textbooks do; `fit` draws two more, which makes its intervals sqrt(n / (n + 2))
as wide in large tables, and a little less in small ones.

A ratio is the width that `fit` gives over the other one; reported are its median over tables, and the standard error of
that median. Results are written to `widths.json` beside this file; `--table` prints them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import log_softmax, logsumexp, ndtr, ndtri
from scipy.stats import t as student

import jaxscale as js
from studies.coverage import BUDGET, CELLS, DRAWS, LEVEL, Outcome, outcomes

RESULTS = Path(__file__).with_name("widths.json")
DELTA = 1e-3
LOG_PRODUCT = np.log(BUDGET / 6)  # of N and D
COMPARED = {  # tables of each cell; profiles have no chance in them
    "chinchilla, 60 scattered, gaussian": 64, "chinchilla, 60 scattered, heavy": 64,
    "chinchilla, 36 in a grid, gaussian": 64, "chinchilla, 20 in a grid, heavy": 64,
    "chinchilla, 15 in a grid, gaussian": 16, "chinchilla, 15 in a grid, heavy": 16,
    "chinchilla, 12 in a sweep, gaussian": 16, "chinchilla, 12 runs x 20, by_run": 64,
    "kaplan_nd, 60 scattered, gaussian": 64,
}  # fmt: skip
_AT_ONCE = 16  # tables that `fit` takes side by side
_STEPS = 400
_ZERO, CONVERGED = 1e-8, 1e-6  # cosine of the gradient: where a draw is done, and where it counts
_TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2

Ends = tuple[float, float]


# --- The laws: log loss = power x log of a sum of exponentials of what is linear in the parameters ---


@dataclass(frozen=True)
class Table:
    """Runs of one law. terms (n, K, q) and offset (n, K): log of the K terms is terms @ phi + offset; with `power` one
    more parameter, the last, multiplies the log of their sum. Logs are centred, which `centre` says."""

    terms: np.ndarray
    offset: np.ndarray
    power: bool
    response: np.ndarray
    centre: tuple[float, float]
    cluster: np.ndarray  # number of the independent run of each row

    @classmethod
    def of(cls, law: js.Law, runs: js.Runs) -> "Table":
        n, d = (np.log(runs.variables[k]) for k in "ND")
        centre = float(n.mean()), float(d.mean())
        n, d, one, zero = n - centre[0], d - centre[1], np.ones(len(n)), np.zeros(len(n))
        if law.name == "chinchilla":  # a, b, e, alpha, beta
            terms = [[one, zero, zero, -n, zero], [zero, one, zero, zero, -d], [zero, zero, one, zero, zero]]
            offset = np.zeros((len(n), 3))
        else:  # kaplan_nd: ratio of the exponents times log N_c, that ratio, log D_c, alpha_D
            terms = [[one, -n, zero], [zero, zero, one]]
            offset = np.stack([zero, -d], axis=1)
        labels = np.arange(len(n)) if runs.clusters is None else np.unique(runs.clusters, return_inverse=True)[1]
        stacked, power = np.moveaxis(np.array(terms), 2, 0), law.name != "chinchilla"
        return cls(stacked, offset, power, np.log(runs.response), centre, labels)

    def residuals(self, phi: np.ndarray) -> np.ndarray:
        """(draws, n) at phi (draws, q)."""
        return self._power(phi)[:, None] * logsumexp(self._logs(phi), axis=2) - self.response

    def derivatives(self, phi: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of the residuals (draws, n, q), and the sum of psi times their second derivatives, (draws, q, q)."""
        logs, power = self._logs(phi), self._power(phi)
        share = np.exp(log_softmax(logs, axis=2))
        mean = np.einsum("bik,ikq->biq", share, self.terms)
        second = np.einsum("bik,ikp,ikq->bpq", share * psi[:, :, None], self.terms, self.terms, optimize=True)
        second -= np.swapaxes(mean * psi[:, :, None], 1, 2) @ mean
        second, slopes = second * power[:, None, None], mean * power[:, None, None]
        if self.power:
            cross = np.einsum("bi,biq->bq", psi, mean)
            second = np.pad(second, ((0, 0), (0, 1), (0, 1)))
            second[:, -1, :-1] = second[:, :-1, -1] = cross
            slopes = np.concatenate([slopes, logsumexp(logs, axis=2)[:, :, None]], axis=2)
        return slopes, second

    def _logs(self, phi: np.ndarray) -> np.ndarray:
        linear = phi[:, :-1] if self.power else phi
        return np.einsum("ikq,bq->bik", self.terms, linear, optimize=True) + self.offset

    def _power(self, phi: np.ndarray) -> np.ndarray:
        return phi[:, -1] if self.power else np.ones(len(phi))


def start_of(law: js.Law, table: Table, truth: Mapping[str, float]) -> np.ndarray:
    """phi of the true parameters."""
    n, d = table.centre
    if law.name == "chinchilla":
        a, b = np.log(truth["A"]) - truth["alpha"] * n, np.log(truth["B"]) - truth["beta"] * d
        return np.array([a, b, np.log(truth["E"]), truth["alpha"], truth["beta"]])
    ratio = truth["alpha_N"] / truth["alpha_D"]
    return np.array([ratio * (np.log(truth["N_c"]) - n), ratio, np.log(truth["D_c"]) - d, truth["alpha_D"]])


def targets_of(law: js.Law, table: Table, phi: np.ndarray) -> dict[str, np.ndarray]:
    """What intervals are of, (draws,) each, in logs where `studies.coverage` has logs; phi (draws, q)."""
    n, d = table.centre
    if law.name == "chinchilla":
        a, b, e, alpha, beta = phi.T
        a, b = a + alpha * n, b + beta * d
        best = (np.log(alpha / beta) + a - b + beta * LOG_PRODUCT) / (alpha + beta)
        loss = logsumexp([e, a - alpha * best, b - beta * (LOG_PRODUCT - best)], axis=0)
        return {"E": e, "alpha": alpha, "beta": beta, "a": beta / (alpha + beta), "N*": best, "loss*": loss}
    u, ratio, scale, power = phi.T
    u, scale = u + ratio * n, scale + d
    best = (np.log(ratio) + u - scale + LOG_PRODUCT) / (1 + ratio)
    loss = power * logsumexp([u - ratio * best, scale - (LOG_PRODUCT - best)], axis=0)
    return {"alpha_N": np.log(ratio * power), "alpha_D": np.log(power), "N*": best, "loss*": loss}


# --- Huber's optimum ---


@dataclass(frozen=True)
class Pin:
    """Chinchilla parameters with one of them given by the others, so that a target keeps its value: `whole` makes phi
    of the other four, (draws, 5), and the slope of the one that is given, (draws, 4)."""

    given: int
    solve: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

    def whole(self, free: np.ndarray) -> np.ndarray:
        return np.insert(free, self.given, self.solve(free)[0], axis=1)

    def slopes(self, free: np.ndarray) -> np.ndarray:
        """d phi / d free, (draws, 5, 4)."""
        return np.insert(np.broadcast_to(np.eye(4), (len(free), 4, 4)), self.given, self.solve(free)[1], axis=1)


def minimise(
    table: Table, weights: np.ndarray, start: np.ndarray, pin: Pin | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Optima (draws, q), their objectives and cosines of their gradients, for weights (draws, n) of the runs.

    Newton's steps under a damping that grows until the objective falls; while it is large, runs beyond delta count with
    the weight of iterative reweighting, delta / |residual|. Pinned, second derivatives of the pin are left out.
    """
    phi, damping, stalled = np.array(start, float), np.ones(len(start)), np.zeros(len(start), int)
    value, cosine = _objective(table, weights, phi, pin), np.full(len(start), np.inf)
    going = np.flatnonzero(np.isfinite(value))
    for _ in range(_STEPS):
        if not len(going):
            break
        here, w, lam = phi[going], weights[going], damping[going]
        full = here if pin is None else pin.whole(here)
        residual = table.residuals(full)
        psi, inside = w * np.clip(residual, -DELTA, DELTA), np.abs(residual) <= DELTA
        slopes, second = table.derivatives(full, psi)
        if pin is not None:
            chain = pin.slopes(here)
            slopes, second = slopes @ chain, np.swapaxes(chain, 1, 2) @ second @ chain
        gradient = np.einsum("biq,bi->bq", slopes, psi)
        squares = np.einsum("biq,biq->bq", slopes * w[:, :, None], slopes)
        size = np.sqrt(squares * (psi**2).sum(axis=1, keepdims=True))
        cosine[going] = np.abs(gradient / np.maximum(size, 1e-300)).max(axis=1)
        beyond = np.minimum(1.0, 1e3 * lam)[:, None] * DELTA / np.maximum(np.abs(residual), DELTA)
        curved = w * np.where(inside, 1.0, beyond)
        gauss = np.swapaxes(slopes * curved[:, :, None], 1, 2) @ slopes
        squares = np.maximum(squares, 1e-12 * squares.max(axis=1, keepdims=True))
        scale = squares * (DELTA / np.maximum(np.abs(residual).mean(axis=1, keepdims=True), DELTA))
        unit = np.eye(scale.shape[1]) * scale[:, None]
        newton = gauss + second + lam[:, None, None] * unit
        least = np.linalg.eigvalsh(newton / np.sqrt(scale[:, :, None] * scale[:, None]))[:, 0]
        safe = gauss + (lam[:, None, None] + 1e-12) * unit
        matrix = np.where((least > 1e-13)[:, None, None], newton, safe)
        trial = here - np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0]
        height = _objective(table, w, trial, pin)
        better = height < value[going]
        stalled[going] = np.where(height < value[going] * (1 - 1e-12), 0, stalled[going] + 1)
        moved = going[better]
        phi[moved], value[moved] = trial[better], height[better]
        damping[going] = np.clip(np.where(better, lam / 5, lam * 4), 1e-14, 1e8)
        going = going[~((cosine[going] < _ZERO) | (stalled[going] > 25))]
    return phi, value, cosine


def _objective(table: Table, weights: np.ndarray, phi: np.ndarray, pin: Pin | None) -> np.ndarray:
    with np.errstate(all="ignore"):
        size = np.abs(table.residuals(phi if pin is None else pin.whole(phi)))
        inner = np.minimum(size, DELTA)
        return np.nan_to_num((weights * inner * (size - inner / 2)).sum(axis=1), nan=np.inf)


def best_fit(law: js.Law, table: Table, truth: Mapping[str, float]) -> tuple[np.ndarray, float]:
    """phi (q,) and objective: from the truth and from places around it."""
    start = start_of(law, table, truth)
    lengths = np.repeat([0.0, 0.03, 0.1, 0.3], [1, 8, 8, 8])[:, None]
    begin = start * (1 + lengths * np.random.default_rng(0).standard_normal((25, len(start))))
    phi, value, _ = minimise(table, np.ones((len(begin), len(table.response))), begin)
    return phi[value.argmin()], float(value.min())


# --- The methods ---


def resampled(table: Table, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each row counts in each draw of runs (whole clusters) with replacement, (draws, n)."""
    count = table.cluster.max() + 1
    return rng.multinomial(count, np.full(count, 1 / count), size=draws)[:, table.cluster].astype(float)


def bootstrap(
    law: js.Law, table: Table, fit: np.ndarray, truth: Mapping[str, float], weights: np.ndarray
) -> dict[str, Ends]:
    """Ends by target, of resampled tables with these weights: bias-corrected (Efron 1987, JASA 82, Eq. 2.3 without
    acceleration), or percentiles of whole clusters. Of each draw the lower optimum counts, from the truth and the fit.
    """
    starts = (start_of(law, table, truth), fit)
    found = [minimise(table, weights, np.repeat(x[None], len(weights), axis=0)) for x in starts]
    lower, each = np.argmin([value for _, value, _ in found], axis=0), np.arange(len(weights))
    phi, cosine = (np.stack([f[k] for f in found])[lower, each] for k in (0, 2))
    if np.mean(cosine < CONVERGED) < 0.97:
        raise AssertionError(f"{100 * np.mean(cosine >= CONVERGED):.1f} % of the draws did not converge")
    ends, clustered = {}, table.cluster.max() + 1 < len(table.response)
    estimate = targets_of(law, table, fit[None])
    for name, values in targets_of(law, table, phi).items():
        shift = 0.0 if clustered else 2 * ndtri(np.clip(np.mean(values < estimate[name]), 1e-4, 1 - 1e-4))
        low, high = np.quantile(values, ndtr(shift + ndtri(_TAILS)))
        ends[name] = float(low), float(high)
    return ends


def scale_of(residuals: np.ndarray, parameters: int) -> tuple[float, float]:
    """m1 and m2, so that 2 (F(c) - F) m1 / m2 may be held against t(n - p)^2: the slope of psi, the geometric mean of a
    count in Hall and Sheather's band and of its Gaussian value, and the mean of psi squared. Which residuals make the
    sigma of either was chosen by coverage; it is the same choice on both sides, which widths cannot check."""
    n, p = len(residuals), parameters
    size = np.sort(np.abs(residuals))
    sigma = 1.4826 * np.median(size[p:])
    h = n ** (-1 / 3) * ndtri(0.975) ** (2 / 3) * (1.5 / (2 * np.pi)) ** (1 / 3)
    band = max(DELTA, 1.4826 * np.median(size) * ndtri(0.5 + h))  # the p least residuals are taken from the count
    counted = (np.sum(size < band) - p) / (n - p) * DELTA / band
    return float(np.sqrt(counted * 2 * DELTA * 0.3989 / sigma)), float(np.sum(np.minimum(size, DELTA) ** 2) / (n - p))


def profile(table: Table, fit: np.ndarray, least: float, wanted: tuple[str, ...] | None = None) -> dict[str, Ends]:
    """Ends by target (all, or those wanted) of the Chinchilla law: where the objective, refitted with the target
    pinned, has risen too far."""
    residuals = table.residuals(fit[None])[0]
    m1, m2 = scale_of(residuals, 5)
    limit = student.ppf(_TAILS[1], len(residuals) - 5)

    def end(name: str, value: float, sign: int) -> float:
        near = [fit]

        def over(c: float) -> float:
            """Root of the ratio at c, less its limit."""
            pin = pinned(name, c, table)
            starts = np.delete(np.array([fit, *near[-3:]]), pin.given, axis=1)
            free, height, _ = minimise(table, np.ones((len(starts), len(table.response))), starts, pin)
            near.append(pin.whole(free[[height.argmin()]])[0])
            return float(np.sqrt(max(2 * (height.min() - least) * m1 / m2, 0.0))) - limit

        inside, step = value, 0.01
        for _ in range(30):
            beyond = inside + sign * step
            if name in ("alpha", "beta", "a") and beyond <= 0:
                beyond = inside / 2
            if name == "a" and beyond >= 1:
                beyond = (1 + inside) / 2
            if over(beyond) > 0:
                return root_scalar(over, bracket=(inside, beyond), xtol=1e-5 * abs(beyond - value)).root
            inside, step = beyond, 1.5 * step
        return sign * np.inf

    at = targets_of(js.laws.chinchilla, table, fit[None])
    names = wanted or tuple(at)
    return {name: (end(name, float(at[name][0]), -1), end(name, float(at[name][0]), 1)) for name in names}


def pinned(name: str, c: float, table: Table) -> Pin:
    """The pin that keeps a target of the Chinchilla law at c."""
    n, d = table.centre

    def constant(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(free), c), np.zeros((len(free), 4))

    if name in ("E", "alpha", "beta"):
        return Pin({"E": 2, "alpha": 3, "beta": 4}[name], constant)
    if name == "a":  # beta = alpha a / (1 - a)

        def beta(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            ratio = c / (1 - c)
            return ratio * free[:, 3], np.broadcast_to(ratio * np.eye(4)[3], (len(free), 4))

        return Pin(4, beta)
    if name == "N*":  # solved for a

        def of_size(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            b, _, alpha, beta = free.T
            b = b + beta * d
            whole = (alpha + beta) * c - np.log(alpha / beta) + b - beta * LOG_PRODUCT
            slopes = [np.ones_like(b), 0 * b, c - 1 / alpha - n, c + 1 / beta + d - LOG_PRODUCT]
            return whole - alpha * n, np.stack(slopes, axis=1)

        return Pin(0, of_size)

    def floor(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solved for e; what lies above the floor is least at the best size, so its slopes are those at fixed size."""
        a, b, alpha, beta = free.T
        whole_a, whole_b = a + alpha * n, b + beta * d
        best = (np.log(alpha / beta) + whole_a - whole_b + beta * LOG_PRODUCT) / (alpha + beta)
        of_size, of_tokens = np.exp(whole_a - alpha * best), np.exp(whole_b - beta * (LOG_PRODUCT - best))
        rest = np.exp(c) - of_size - of_tokens
        slopes = [-of_size, -of_tokens, of_size * (best - n), of_tokens * (LOG_PRODUCT - best - d)]
        return np.log(rest), np.stack(slopes, axis=1) / rest[:, None]

    return Pin(2, floor)


# --- What is reported ---


def compared(name: str, numbers: range) -> list[tuple[Outcome, dict[str, Ends]]]:
    """For some tables of a cell: the intervals of `fit`, and those of the same method here."""
    cell = CELLS[name]
    parts = (range(k, min(k + _AT_ONCE, numbers.stop)) for k in numbers[::_AT_ONCE])
    found = [outcome for part in parts for outcome in outcomes(cell, part)]
    other: list[dict[str, Ends]] = []
    for k, outcome in zip(numbers, found, strict=True):
        table = Table.of(cell.law, cell.table(k))
        fit, value = best_fit(cell.law, table, cell.truth)
        at = targets_of(cell.law, table, fit[None])
        ours = [outcome.estimate[target] for target in at]
        np.testing.assert_allclose(ours, np.concatenate(list(at.values())), rtol=1e-4, atol=1e-5, err_msg=f"{name} {k}")
        if outcome.method == "bootstrap":
            weights = resampled(table, DRAWS, np.random.default_rng([20261127, k]))
            other.append(bootstrap(cell.law, table, fit, cell.truth, weights))
        else:
            other.append(profile(table, fit, value) if outcome.method == "profile" else {})
    return list(zip(found, other, strict=True))


def study(name: str, tables: int) -> dict[str, Any]:
    """Median ratio of widths by target, of one cell."""
    pairs = compared(name, range(tables))
    methods = [outcome.method for outcome, _ in pairs]
    ratio, error, opened = {}, {}, {}
    for target in next(other for _, other in pairs if other):
        ends = np.array([(outcome.ends[target], other[target]) for outcome, other in pairs if other])
        widths = ends[:, :, 1] - ends[:, :, 0]
        ours, theirs = widths[np.isfinite(widths).all(axis=1)].T
        ratio[target] = round(float(np.median(ours / theirs)), 3)
        error[target] = round(float(1.2533 * np.std(ours / theirs, ddof=1) / np.sqrt(len(ours))), 3)
        opened[target] = np.isinf(widths).sum(axis=0).tolist()
    return {
        "tables": tables,
        "methods": {m: methods.count(m) for m in sorted(set(methods))},
        "ratio": ratio,
        "standard_error": error,
        "open": {t: x for t, x in opened.items() if any(x)},  # of fit, and here
    }


def written() -> dict[str, Any]:
    """The cells that were compared."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def table() -> str:
    """Markdown: a row for each cell."""
    lines = ["| law, runs, noise | tables | method | median ratio, lowest and highest target |", "|---|---|---|---|"]
    for name, c in written().items():
        low, high = min(c["ratio"], key=c["ratio"].__getitem__), max(c["ratio"], key=c["ratio"].__getitem__)
        ends = (f"{c['ratio'][t]:.3f} +- {c['standard_error'][t]:.3f} ({t})" for t in (low, high))
        lines.append(f"| {name} | {c['tables']} | {', '.join(c['methods'])} | {', '.join(ends)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.widths", description=__doc__)
    parser.add_argument("--cells", nargs="+", metavar="WORDS", default=[""], help="cells whose name holds one of these")
    parser.add_argument("--tables", type=int, help="tables of each cell (default 64, of profiles 16)")
    parser.add_argument("--table", action="store_true", help="print what was written and stop")
    options = parser.parse_args()
    names = [] if options.table else [n for n in COMPARED if any(words in n for words in options.cells)]
    for name in names:
        begin = time.perf_counter()
        cells = written() | {name: study(name, options.tables or COMPARED[name])}
        ordered = {n: cells[n] for n in COMPARED if n in cells}
        whole = {"level": LEVEL, "draws": DRAWS, "budget": BUDGET, "cells": ordered}
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {cells[name]}, {time.perf_counter() - begin:.0f} s", flush=True)
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
