"""`python -m studies.extrapolation`: the learning curves of Alabdulmohsin et al. 2022, the last point held out.

For every law and model: the error at the held-out 512M examples, and the objective on the other points beside the least
that SciPy reaches from 64 starts. The formulas are written out in NumPy here; nothing but `js.compare` is jaxscale's.
Needs JAXSCALE_DATA, the folder with alabdulmohsin_nmt.csv.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, huber, log_expit

import jaxscale as js

LAWS = ("alabdulmohsin_m1", "alabdulmohsin_m2", "alabdulmohsin_m3", "alabdulmohsin_m4", "bnsl")
HELD_OUT, DELTA = "benchmark_split == test", 1e-3


# --- The laws once more: log loss from a vector, and where vectors start ---


def m1(v, x, top):
    """beta x^c."""
    return v[0] + v[1] * np.log(x)


def m2(v, x, top):
    """eps_inf + beta x^c."""
    return np.logaddexp(v[2], m1(v, x, top))


def m3(v, x, top):
    """beta (1 / x + 1 / x_s)^-c."""
    return v[0] - v[1] * np.logaddexp(-np.log(x), -v[2])


def m4(v, x, top):
    """(L - eps_inf) / (eps_0 - L)^alpha = beta x^c, solved for L = eps_inf + (eps_0 - eps_inf) sigmoid(z); eps_0 is
    `top` or more."""
    eps_inf, eps_0, alpha = np.exp(v[2]), top + np.exp(v[3]), np.exp(v[4])
    if eps_inf >= eps_0:
        return np.full(len(x), np.inf)
    target = m1(v, x, top) - (1 - alpha) * np.log(eps_0 - eps_inf)
    z = np.where(target < 0, target, target / alpha)
    for _ in range(15):  # the left side rises and bends one way, so Newton's method cannot miss
        z = z - (log_expit(z) - alpha * log_expit(-z) - target) / (expit(-z) + alpha * expit(z))
    return np.log(eps_inf + (eps_0 - eps_inf) * expit(z))


def bnsl(v, x, top):
    """a + b x^-c0 (1 + (x / d1)^(1 / f1))^(-c1 f1)."""
    f = np.exp(v[5])
    return np.logaddexp(v[0], v[1] - v[2] * np.log(x) - v[3] * f * np.logaddexp(0, (np.log(x) - v[4]) / f))


Ranges = tuple[tuple[float, float], ...]
_POWER: Ranges = ((0.0, 8.0), (-0.8, -0.05))
RIVALS: Mapping[str, tuple[Callable, Ranges]] = {
    "alabdulmohsin_m1": (m1, _POWER),
    "alabdulmohsin_m2": (m2, (*_POWER, (-4.0, -0.5))),
    "alabdulmohsin_m3": (m3, (*_POWER, (13.0, 23.0))),
    "alabdulmohsin_m4": (m4, (*_POWER, (-4.0, -0.5), (-4.0, 2.0), (-2.0, 1.5))),
    "bnsl": (bnsl, ((-4.0, -0.5), (0.0, 8.0), (0.05, 0.8), (-0.5, 0.5), (13.0, 20.0), (-2.0, 1.5))),
}


@dataclass(frozen=True, eq=False)
class Curve:
    """One model's losses by examples seen; x and log_loss are all but the last point, `top` is their largest loss."""

    model: str
    frame: pd.DataFrame
    x: np.ndarray
    log_loss: np.ndarray
    top: float


def curves() -> list[Curve]:
    """The five models."""
    frame = js.datasets.frame("alabdulmohsin_nmt").astype({"examples": float, "loss": float})
    found = []
    for model, rows in frame.groupby("model", sort=False):
        train = rows[rows.benchmark_split == "train"]
        x, loss = train.examples.to_numpy(), train.loss.to_numpy()
        found.append(Curve(str(model), rows.reset_index(drop=True), x, np.log(loss), float(loss.max())))
    return found


def objective(log_predicted: np.ndarray, curve: Curve) -> float:
    """Sum of Huber on log residuals over the points fitted to."""
    value = float(np.sum(huber(DELTA, log_predicted - curve.log_loss)))
    return value if np.isfinite(value) else 1e10


def scipy_best(law: str, curve: Curve, starts: int = 64, seed: int = 0) -> float:
    """The least objective that SciPy reaches: L-BFGS-B from random starts, and a simplex from the best of them."""
    form, ranges = RIVALS[law][0], np.array(RIVALS[law][1])
    rng = np.random.default_rng(seed)

    def scaled(v):
        with np.errstate(all="ignore"):
            return 1e3 * objective(form(v, curve.x, curve.top), curve)

    found = []
    for _ in range(starts):
        start = rng.uniform(ranges[:, 0], ranges[:, 1])
        gap = np.median(curve.log_loss - form(start, curve.x, curve.top))
        if np.isfinite(gap):
            start[1 if law == "bnsl" else 0] += gap  # begin at the height of the points
        end = minimize(scaled, start, method="L-BFGS-B", options={"maxiter": 150})
        found.append((end.fun, end.x))
    least, best = min(found, key=lambda pair: pair[0])
    simplex = {"maxiter": 10000, "maxfev": 10000, "xatol": 1e-12, "fatol": 1e-16, "adaptive": True}
    return min(least, minimize(scaled, best, method="Nelder-Mead", options=simplex).fun) / 1e3


def trial(curve: Curve) -> js.Comparison:
    """All laws on one model, the last point held out."""
    # On two curves eps_0 and alpha of M4 grow together without end, down a valley that few starts follow far.
    m4 = {"bounds": {"eps_0": (curve.top, None)}, "starts": 1024}
    entries = {law: (law, m4 if law.endswith("m4") else {}) for law in LAWS}
    return js.compare(curve.frame, entries, holdout=HELD_OUT, D="examples", loss="loss")


def main() -> int:
    """Print the table."""
    rows = []
    for curve in curves():
        began = time.perf_counter()
        found = trial(curve)
        took = time.perf_counter() - began
        for law in LAWS:
            it = found[law, HELD_OUT]
            mine = objective(np.log(js.laws.get(law).predict(it.params, D=curve.x)), curve)
            began = time.perf_counter()
            rival = scipy_best(law, curve)
            rows.append((curve.model, law, it.bias, mine, rival, mine <= rival * (1 + 1e-9), " ".join(it.codes)))
            print(*rows[-1], f"{took:.1f} s, SciPy {time.perf_counter() - began:.1f} s", file=sys.stderr)
    table = pd.DataFrame(rows, columns=["model", "law", "error", "objective", "scipy", "no_higher", "codes"])
    print(table.pivot(index="model", columns="law", values="error").map("{:+.2%}".format).to_string())
    print("mean size", table.assign(error=table.error.abs()).groupby("law").error.mean().map("{:.2%}".format).to_dict())
    print(f"objective no higher than SciPy's best of 64 starts: {table.no_higher.sum()} of {len(table)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
