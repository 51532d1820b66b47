"""How good are the runs that `next_runs` chooses: against random ones, the cheapest, a ladder of isoFLOP curves and
D-optimal ones, on planted truths.

    python -m studies.next_runs [REPETITIONS [TRUTH...]]

A pool of nine budgets (1e18 to 1e22 FLOPs) of nine sizes; the two cheapest budgets are a pilot. Each method spends
growing shares of what the rest of the pool costs, its runs are observed, all are fitted by chinchilla, and the best N
at ten times the largest budget is judged by the truth: regret is the extra compute that this N costs. Truths:
chinchilla; offset (runs below 3e19 FLOPs are up to 2 % worse than their law); skaling (an inner exponent of .45, which
chinchilla cannot follow); uneven (the scatter falls from 2 % to .3 % with compute). One batch, without rounds between.

Kept figures, 24 repetitions of the first three truths (the fourth was not run): regret over that of random choice, in
the median over these, is .37 .50 .36 .27 for `next_runs` at growing spendings, .54 .59 .36 .33 for the cheapest runs
first, .52 .59 .48 .35 for the ladder, .70 .49 .54 .31 for D-optimal runs; medians of 24 are off by about a third.
"""

import json
import sys
from pathlib import Path

import numpy as np

import jaxscale as js

TRUTHS = {
    "chinchilla": {"E": 1.8172, "A": 477.83, "B": 2143.4, "alpha": 0.34731, "beta": 0.36717, "k": 1.0},
    "skaling": {"E": 1.220, "A": 3355.0, "B": 18186.0, "alpha": 0.408, "beta": 0.431, "k": 0.452},
}
KINDS = ("chinchilla", "offset", "skaling", "uneven")
NOISE = 0.006
SHARES = (0.002, 0.01, 0.05, 0.2)
WORST = 10.0  # a regret above, or no plan, counts as that
OURS = {
    "next_runs": {},
    "without a check": {"check": 0.0},
    "without misfit": {"check": 0.0, "misfit": 0.0},
    "D-optimal": {"check": 0.0, "criterion": "d"},
}
METHODS = ("random", "cheapest first", "isoFLOP ladder", *OURS)


def pool() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, D and budget of every run, (81,)."""
    budgets = np.repeat(np.geomspace(1e18, 1e22, 9), 9)
    N = np.sqrt(budgets / 120) * 10 ** np.tile(np.linspace(-0.7, 0.7, 9), 9)
    return N, budgets / (6 * N), budgets


def loss(kind: str, N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """What a run of that truth ends at, without noise and offset."""
    t = TRUTHS.get(kind, TRUTHS["chinchilla"])
    return t["E"] + (t["A"] * N ** -t["alpha"] + t["B"] * D ** -t["beta"]) ** t["k"]


def observed(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Losses of all runs of the pool, (81,)."""
    N, D, C = pool()
    scatter = 0.02 * (C / 1e18) ** (-np.log10(0.02 / 0.003) / 4) if kind == "uneven" else NOISE
    offset = 0.02 * np.clip(1 - np.log(C / 1e18) / np.log(30), 0, 1) if kind == "offset" else 0.0
    return loss(kind, N, D) * np.exp(scatter * rng.standard_normal(len(N)) + offset)


def regret(kind: str, log_n: float, budget: float) -> float:
    """Extra compute of training that size at that budget, as a share, by the truth."""
    if not np.isfinite(log_n):
        return WORST
    grid = np.geomspace(1e6, 1e14, 4001)
    budgets = budget * np.geomspace(1 / (1 + WORST), 1, 400)
    least = np.array([loss(kind, grid, c / (6 * grid)).min() for c in budgets])
    N = np.exp(np.clip(log_n, np.log(1e6), np.log(1e14)))
    needed = np.interp(-loss(kind, N, budget / (6 * N)), -least, budgets)  # loss falls with the budget
    return float(min(budget / needed - 1, WORST))


def best_size(fit: object, budget: float) -> float:
    """Log N at a budget by Hoffmann et al. 2022, Eq. 4; nan where there is none."""
    if not isinstance(fit, js.FitResult):
        return np.nan
    p = fit.params
    a, b = p["alpha"], p["beta"]
    with np.errstate(all="ignore"):
        return (
            float((np.log(a * p["A"] / (b * p["B"])) + b * np.log(budget / 6)) / (a + b)) if a > 0 and b > 0 else np.nan
        )


def spend(order: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """The runs of an order that a budget pays for, those that it does not being left out."""
    chosen = []
    for i in order:
        if cost[i] <= budget:
            chosen.append(i)
            budget -= cost[i]
    return np.array(chosen, int)


def chosen_by(method: str, fit: js.FitResult, rest: np.ndarray, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Which runs of the pool a method does for a budget."""
    N, D, C = pool()
    if method in OURS:
        at = 10 * C.max()
        found = js.next_runs(fit, {"N": N[rest], "D": D[rest]}, budget=budget, at=at, fixed=0, **OURS[method])
        wanted = found.frame["N"].to_numpy()
        return rest[[int(np.argmin(np.abs(N[rest] - n))) for n in wanted]]
    orders = {
        "random": rng.permutation(rest),
        "cheapest first": rest[np.argsort(C[rest], kind="stable")],
        # whole curves from the cheapest on, each from its middle outwards
        "isoFLOP ladder": rest[np.lexsort((np.abs(np.log(D[rest] / N[rest] / 20)), C[rest]))],
    }
    return spend(orders[method], C, budget)


def replay(kind: str, repetitions: int) -> dict[str, np.ndarray]:
    """Regrets (repetitions, shares) of each method."""
    N, D, C = pool()
    pilot, rest = np.flatnonzero(C < 4e18), np.flatnonzero(C >= 4e18)
    at = 10 * C.max()
    tables, fits = {}, {}
    for k in range(repetitions):
        rng = np.random.default_rng([KINDS.index(kind), k])
        seen = observed(kind, rng)
        fits[k] = js.fit("chinchilla", js.Runs({"N": N[pilot], "D": D[pilot]}, seen[pilot]), intervals="quick")
        for method in METHODS:
            for j, share in enumerate(SHARES):
                some = np.concatenate([pilot, chosen_by(method, fits[k], rest, share * C[rest].sum(), rng)])
                tables[f"{k}/{method}/{j}"] = js.Runs({"N": N[some], "D": D[some]}, seen[some])
    done = js.fit_many("chinchilla", tables, intervals=None)
    found = {method: np.full((repetitions, len(SHARES)), np.nan) for method in METHODS}
    for name, fit in done:
        k, method, j = name.split("/")
        found[method][int(k), int(j)] = regret(kind, best_size(fit, at), at)
    return found


def main() -> None:
    """Median regrets in per cent of each truth, kept beside those of others, and their ratio to random choice."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    kept = Path(__file__).with_suffix(".json")
    record = json.loads(kept.read_text()) if kept.exists() else {}
    for kind in sys.argv[2:] or KINDS:
        found = replay(kind, repetitions)
        medians = {method: (100 * np.median(x, 0)).round(2).tolist() for method, x in found.items()}
        record[kind] = {"repetitions": repetitions, "share": SHARES, "median_regret_percent": medians}
        kept.write_text(json.dumps(record, indent=1) + "\n")
        show(kind, record[kind])
    print("ratio to random choice, median over the truths")
    for method in METHODS:
        tables = [one["median_regret_percent"] for one in record.values()]
        ratio = np.median([np.divide(one[method], one["random"]) for one in tables], axis=0)
        print(f"  {method:16s}" + "".join(f"{v:9.2f}" for v in ratio))


def show(kind: str, one: dict) -> None:
    """The regrets of one truth as a table."""
    shares = ", ".join(f"{100 * s:g} %" for s in one["share"])
    print(f"{kind}, {one['repetitions']} repetitions: median regret (%) when {shares} of the pool is spent")
    for method, values in one["median_regret_percent"].items():
        print(f"  {method:16s}" + "".join(f"{v:9.2f}" for v in values), flush=True)


if __name__ == "__main__":
    main()
