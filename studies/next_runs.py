"""How good are the runs that `next_runs` chooses: against those of others, on planted truths and pools of real runs.

    python -m studies.next_runs [--repetitions K] [--only NAME...] [--table]

Each pool is a table of runs that could be done. The cheapest of them are a pilot; each method spends growing shares of
what the rest costs, its runs are observed, all are fitted by chinchilla, and the best N at ten times the largest budget
is judged: regret is the extra compute that this N costs. One batch, without rounds between.

Planted pools have nine budgets (1e18 to 1e22 FLOPs) of nine sizes, of which the two cheapest budgets are the pilot, and
are judged by their truth: chinchilla; offset (runs below 3e19 FLOPs are up to 2 % worse than their law); skaling (an
inner exponent of .45, which chinchilla cannot follow); uneven (the scatter falls from 2 % to .3 % with compute). Real
ones are of `js.datasets`; a repetition takes two thirds of their runs at random, the cheapest sixth of which is the
pilot, and is judged by the fit of all runs, as nothing better is known.

Rivals: random runs; the cheapest first; a ladder of whole isoFLOP curves from the cheapest on, each from its middle
outwards; `suggest_runs` of simple-scaling-laws 0.2 (which needs Python 3.12; its rule is written out here: by draws of
the law, the run whose value explains most of the variance of ln N* for its cost, one after the other). Where a pilot
has no plan, neither rule says anything, and runs are taken at random.

Found by 16 repetitions of eleven pools: mean regret over that of random choice, in the geometric mean over the pools,
for .2, 1, 5 and 20 % of what the rest costs, is .81 .65 .39 .42 for `next_runs`, which keeps a fifth for a check, 1.00
.91 .53 .44 for the cheapest first, 1.01 .83 .50 .54 for the ladder, .88 .77 .55 .50 for `suggest_runs`, and .76 .59 .50
.51 for D-optimal runs. Over all spendings `next_runs` wastes .54 times what random choice does (90 % interval .45 to
.65), .80 of the cheapest first (.70 to .91), .79 of the ladder (.69 to .90), .82 of `suggest_runs` (.73 to .92), .99 of
what it did when a misfit was a nuisance to its choice.

Noise is that of the repetitions and, on real pools, of what judges: the differences are taken anew by 200 fits of all
runs resampled. In none of 176 cells (pool, rival, spending) is a rival better beyond it: of the differences' chances by
Student's t the least, for all cells together by Holm's method, is .84 (random runs on epoch for .2 %); two are below
.05 by themselves, where nine would be by chance. What judges counts: of porian base the best size by the fit of all 88
runs is known to 15 %, so that to buy every run of a pool there wastes 2.8 +- .7 % of the compute, more than 20 % of
them by any rule but random choice and the D-optimal one. The .6 % by which `next_runs` is above the cheapest first
there, on these draws and on others, for they have one judge, is known to .9 %.

With a misfit it was chosen on other draws of the pools (seed 7): .73 .52 .34 .36 there, beside .80 .59 .41 .35 for
`suggest_runs`. `next_runs.json` keeps means over repetitions with their standard errors, and those of the differences
to `next_runs`, by the fit that judges; `judge` is what these vary by with it.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import jaxscale as js

TRUTHS = {
    "chinchilla": {"E": 1.8172, "A": 477.83, "B": 2143.4, "alpha": 0.34731, "beta": 0.36717, "k": 1.0},
    "skaling": {"E": 1.220, "A": 3355.0, "B": 18186.0, "alpha": 0.408, "beta": 0.431, "k": 0.452},
}
PLANTED = ("chinchilla", "offset", "skaling", "uneven")
REAL = {
    "epoch": ("chinchilla_epoch", None),
    "datablations": ("datablations_c4", None),
    "misfitting": ("misfitting_openlm", None),
    "gemstones": ("gemstones", "cool_end"),
    "porian tuned": ("porian_refinedweb", "rw_hp-tuned_warmup-short_decay-const_count-standard"),
    "porian base": ("porian_refinedweb", "rw_hp-base_warmup-short_decay-chinchilla_count-standard"),
    "porian kaplan": ("porian_refinedweb", "rw_hp-base_warmup-long_decay-kaplan_count-kaplan"),
}
NOISE = 0.006
SHARES = (0.002, 0.01, 0.05, 0.2)
WORST = 1.0  # a regret above, or no plan, counts as that
OURS: dict[str, dict[str, Any]] = {"next_runs": {}, "D-optimal": {"check": 0.0, "criterion": "d"}}
RIVALS = ("random", "cheapest first", "isoFLOP ladder", "suggest_runs")
METHODS = (*RIVALS, *OURS)
ALL = "all runs"
RESULTS = Path(__file__).with_suffix(".json")
_DRAWS, _LEAST_PILOT, _JUDGES = 300, 12, 200


@dataclass(frozen=True, eq=False)
class Pool:
    """Runs that could be done, (n,) each, level being the isoFLOP curve of each; and the constants that judge."""

    N: np.ndarray
    D: np.ndarray
    loss: np.ndarray
    level: np.ndarray
    truth: tuple[tuple[str, float], ...]
    pilot: np.ndarray  # whether a run is one of the pilot's

    @property
    def C(self) -> np.ndarray:
        return 6 * self.N * self.D


def planted(kind: str, rng: np.random.Generator) -> Pool:
    """The pool of a truth, observed."""
    budgets = np.repeat(np.geomspace(1e18, 1e22, 9), 9)
    N = np.sqrt(budgets / 120) * 10 ** np.tile(np.linspace(-0.7, 0.7, 9), 9)
    D = budgets / (6 * N)
    truth = tuple(TRUTHS.get(kind, TRUTHS["chinchilla"]).items())
    scatter = 0.02 * (budgets / 1e18) ** (-np.log10(0.02 / 0.003) / 4) if kind == "uneven" else NOISE
    offset = 0.02 * np.clip(1 - np.log(budgets / 1e18) / np.log(30), 0, 1) if kind == "offset" else 0.0
    loss = law(truth, N, D) * np.exp(scatter * rng.standard_normal(len(N)) + offset)
    return Pool(N, D, loss, budgets, truth, budgets < 4e18)


@cache
def _fitted(name: str) -> js.FitResult:
    """All runs of a data set, whose fit judges."""
    data, group = REAL[name]
    return js.fit("chinchilla", js.datasets.load(data, group=group), intervals=None, objective=js.Huber("matched"))


@cache
def judges(name: str) -> dict[str, np.ndarray]:
    """Constants of fits of its runs resampled, (_JUDGES,) by name: by how much the fit that judges may be off."""
    fit = _fitted(name)
    drawn = fit.law.naturals(js.bootstrap(fit, draws=_JUDGES).draws)
    return dict(zip(fit.law.parameter_names, drawn.T, strict=True))


def real(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[tuple[str, float], ...]]:
    """N, D, loss of all runs of a data set, and the constants of their fit."""
    fit = _fitted(name)
    runs = fit.runs
    assert runs is not None
    return runs.variables["N"], runs.variables["D"], runs.response, (*fit.params.items(), ("k", 1.0))


def sampled(name: str, rng: np.random.Generator) -> Pool:
    """Two thirds of the runs of a data set; curves are half decades of compute."""
    N, D, loss, truth = real(name)
    some = np.sort(rng.choice(len(N), 2 * len(N) // 3, replace=False))
    N, D, loss = N[some], D[some], loss[some]
    C = 6 * N * D
    first = np.argsort(C, kind="stable")[: max(_LEAST_PILOT, len(C) // 6)]
    return Pool(N, D, loss, np.floor(2 * np.log10(C)), truth, np.isin(np.arange(len(C)), first))


def law(truth: Sequence[tuple[str, float]], N: np.ndarray, D: np.ndarray) -> np.ndarray:
    t = dict(truth)
    return t["E"] + (t["A"] * N ** -t["alpha"] + t["B"] * D ** -t["beta"]) ** t["k"]


def regret(truth: Mapping[str, Any], log_n: Any, budget: Any, worst: float = WORST) -> Any:
    """Extra compute of training sizes at a budget, as a share, by the truth, or by each of arrays of constants. Exact,
    as the least of what a loss is above E is a power of the compute, whatever k; no size wastes the worst."""
    a, b = truth["alpha"], truth["beta"]

    def above(n: Any) -> Any:
        return np.logaddexp(np.log(truth["A"]) - a * n, np.log(truth["B"]) - b * (np.log(budget / 6) - n))

    with np.errstate(all="ignore"):
        over = (above(log_n) - above(best_sizes(truth, budget))) * (a + b) / (a * b)
        return np.where(np.isfinite(over), np.expm1(np.clip(over, 0, np.log1p(worst))), worst)


def best_sizes(p: Mapping[str, Any], budget: Any) -> Any:
    """Log N at a budget by Hoffmann et al. 2022, Eq. 4, of constants or arrays of them."""
    a, b = p["alpha"], p["beta"]
    with np.errstate(all="ignore"):
        return (np.log(a * p["A"] / (b * p["B"])) + b * np.log(budget / 6)) / (a + b)


def spend(order: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """The runs of an order that a budget pays for, those that it does not being left out."""
    chosen = []
    for i in order:
        if cost[i] <= budget:
            chosen.append(i)
            budget -= cost[i]
    return np.array(chosen, int)


def suggested(fit: js.FitResult, pool: Pool, rest: np.ndarray, budget: float, at: float) -> np.ndarray:
    """`suggest_runs` of simple-scaling-laws 0.2 (design.py): greedy Cov(ln N*, f)^2 / (Var f + s^2) over draws, per
    cost, with one run for each place of the pool."""
    assert fit.covariance is not None
    rng = np.random.default_rng(0)
    theta = rng.multivariate_normal(fit.theta, fit.covariance.matrix, _DRAWS, method="svd")
    p = dict(zip(fit.law.parameter_names, fit.law.naturals(theta).T, strict=True))
    values = np.log(
        p["E"][:, None]
        + p["A"][:, None] * pool.N[rest] ** -p["alpha"][:, None]
        + p["B"][:, None] * pool.D[rest] ** -p["beta"][:, None]
    )
    joint = np.cov(np.column_stack([best_sizes(p, at), values]), rowvar=False)
    noise, cost, left, chosen = max(fit.sigma**2, 1e-12), pool.C[rest], budget, []
    free = np.ones(len(rest), bool)
    while (free & (cost <= left)).any():
        gain = joint[0, 1:] ** 2 / (np.diag(joint)[1:] + noise) / cost
        i = int(np.argmax(np.where(free & (cost <= left), gain, -np.inf)))
        column = joint[:, 1 + i].copy()
        joint = joint - np.outer(column, column) / (column[1 + i] + noise)
        chosen.append(rest[i])
        free[i], left = False, left - cost[i]
    return np.array(chosen, int)


def chosen_by(
    method: str, fit: js.FitResult, pool: Pool, rest: np.ndarray, budget: float, at: float, rng: np.random.Generator
) -> np.ndarray:
    """Which runs of the pool a method does for a budget."""
    N, D, C = pool.N, pool.D, pool.C
    if method in OURS:
        if not (C[rest] <= budget).any():
            return np.array([], int)
        try:
            found = js.next_runs(fit, {"N": N[rest], "D": D[rest]}, budget=budget, at=at, fixed=0, **OURS[method]).frame
        except js.InputError:  # the pilot has no plan, of which runs could make surer
            return spend(rng.permutation(rest), C, budget)
        left, chosen = list(rest), []
        for n, d in zip(found["N"], found["D"], strict=True):
            i = min(left, key=lambda i: abs(np.log(N[i] / n)) + abs(np.log(D[i] / d)))
            chosen.append(i)
            left.remove(i)
        return np.array(chosen, int)
    if method == "suggest_runs" and fit.covariance is not None:
        return suggested(fit, pool, rest, budget, at)
    orders = {
        "random": rng.permutation(rest),
        "suggest_runs": rng.permutation(rest),  # where nothing says how sure the fit is
        "cheapest first": rest[np.argsort(C[rest], kind="stable")],
        "isoFLOP ladder": rest[np.lexsort((np.abs(np.log(D[rest] / N[rest] / 20)), pool.level[rest]))],
    }
    return spend(orders[method], C, budget)


def replay(kind: str, repetitions: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Regrets (judges, repetitions, shares) of each method, the first of the judges being the truth; and those of all
    runs of the pool (judges, repetitions, 1)."""
    tables, budgets, truth = {}, np.empty(repetitions), ()
    for k in range(repetitions):
        rng = np.random.default_rng([seed, *kind.encode(), k])
        pool = planted(kind, rng) if kind in PLANTED else sampled(kind, rng)
        pilot, rest = np.flatnonzero(pool.pilot), np.flatnonzero(~pool.pilot)
        truth, budgets[k] = pool.truth, 10 * float(pool.C.max())
        fit = js.fit(
            "chinchilla", js.Runs({"N": pool.N[pilot], "D": pool.D[pilot]}, pool.loss[pilot]), intervals="quick"
        )
        tables[f"{k}/{ALL}/0"] = js.Runs({"N": pool.N, "D": pool.D}, pool.loss)
        for method in METHODS:
            for j, share in enumerate(SHARES):
                new = chosen_by(method, fit, pool, rest, share * pool.C[rest].sum(), float(budgets[k]), rng)
                some = np.concatenate([pilot, new])
                tables[f"{k}/{method}/{j}"] = js.Runs({"N": pool.N[some], "D": pool.D[some]}, pool.loss[some])
    sizes = {method: np.full((repetitions, len(SHARES)), np.nan) for method in METHODS}
    sizes[ALL] = np.full((repetitions, 1), np.nan)
    for name, fit in js.fit_many("chinchilla", tables, intervals=None):
        k, method, j = name.split("/")
        if isinstance(fit, js.FitResult):
            sizes[method][int(k), int(j)] = best_sizes(fit.params, budgets[int(k)])
    others = {} if kind in PLANTED else judges(kind)
    by = {
        name: np.append(value, others.get(name, []))[:, None, None]
        for name, value in truth
        if name in ("A", "B", "alpha", "beta")
    }
    return {method: regret(by, log_n, budgets[:, None]) for method, log_n in sizes.items()}


def summed_up(found: dict[str, np.ndarray]) -> dict[str, Any]:
    """In per cent: means with their standard errors, and how much higher `next_runs` is, with the standard error also
    of what judges: of the means by fits of all runs resampled."""

    def pair(x: np.ndarray) -> dict[str, list[float]]:
        error = x.std(0, ddof=1) / np.sqrt(len(x))
        return {"mean": (100 * x.mean(0)).round(3).tolist(), "error": (100 * error).round(3).tolist()}

    def less(x: np.ndarray) -> dict[str, list[float]]:
        of_judges = x[1:].mean(1).std(0) if len(x) > 1 else np.zeros(x.shape[2])
        return pair(x[0]) | {"judge": (100 * of_judges).round(3).tolist()}

    ours = found["next_runs"]
    return {
        "repetitions": ours.shape[1],
        "regret": {method: pair(x[0]) for method, x in found.items()},
        "next_runs_less": {method: less(ours - found[method]) for method in METHODS if method != "next_runs"},
    }


def written() -> dict[str, Any]:
    """What was found, by pool."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def show(kind: str, one: dict[str, Any]) -> None:
    """The regrets of one pool as a table."""
    shares = ", ".join(f"{100 * s:g} %" for s in SHARES)
    print(f"{kind}, {one['repetitions']} repetitions: mean regret (%) when {shares} of the pool is spent")
    for method, x in one["regret"].items():
        cells = (f"{m:8.2f} +-{e:5.2f}" for m, e in zip(x["mean"], x["error"], strict=True))
        print(f"  {method:16s}" + "".join(cells), flush=True)


def over_all(rival: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean over pools of the log of the regret of `next_runs` over that of a rival, at each spending and over all
    of them (shares + 1,), and its standard error from the repetitions, of which both methods saw the same."""
    values, variances = [], []
    for one in written().values():
        (ours, own), (theirs, its) = (
            (np.array(one["regret"][name]["mean"]), np.array(one["regret"][name]["error"]))
            for name in ("next_runs", rival)
        )
        common = (own**2 + its**2 - np.array(one["next_runs_less"][rival]["error"]) ** 2) / 2
        values.append(np.log(ours / theirs))
        variances.append((own / ours) ** 2 + (its / theirs) ** 2 - 2 * common / (ours * theirs))
    mean, error = np.mean(values, axis=0), np.sqrt(np.maximum(np.sum(variances, axis=0), 0)) / len(values)
    # Spendings of one repetition share its pilot: the error of their mean is at most the mean of their errors.
    return np.append(mean, mean.mean()), np.append(error, error.mean())


def rivals_better() -> list[tuple[float, str, str, float]]:
    """Of each pool, rival and spending: the chance of so much more regret by `next_runs` if it had no more, by
    Student's t of the paired differences, with the error of what judges; by Holm's method for all of them together.
    The least come first."""
    found = []
    for pool, one in written().items():
        for rival in RIVALS:
            less = one["next_runs_less"][rival]
            errors = np.hypot(less["error"], less["judge"])
            for share, mean, error in zip(SHARES, less["mean"], errors, strict=True):
                chance = float(student.sf(mean / error, one["repetitions"] - 1)) if error > 0 else 1.0
                found.append((chance, pool, rival, share))
    return by_holm(found)


def by_holm(found: list[tuple[float, str, str, float]]) -> list[tuple[float, str, str, float]]:
    """The least chances first, as they are for all of them together (Holm 1979, Scand. J. Statist. 6)."""
    found = sorted(found)
    adjusted = np.maximum.accumulate([min(1.0, (len(found) - k) * cell[0]) for k, cell in enumerate(found)])
    return [(float(p), *cell[1:]) for p, cell in zip(adjusted, found, strict=True)]


def over_random() -> dict[str, list[float]]:
    """Mean regret over that of random choice, in the median over the pools, by method."""
    regrets = [one["regret"] for one in written().values()]
    ratios = {m: [np.divide(r[m]["mean"], r["random"]["mean"]) for r in regrets] for m in METHODS}
    return {m: np.median(x, axis=0).round(2).tolist() for m, x in ratios.items()}


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.next_runs")
    asked.add_argument("--repetitions", type=int, default=16)
    asked.add_argument("--only", nargs="*", default=(*PLANTED, *REAL), choices=(*PLANTED, *REAL))
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    for kind in () if told.table else told.only:
        record = written() | {kind: summed_up(replay(kind, told.repetitions))}
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        show(kind, record[kind])
    if told.table:
        for kind, one in written().items():
            show(kind, one)
    print("ratio to random choice, median over the pools")
    for method, ratios in over_random().items():
        print(f"  {method:16s}" + "".join(f"{v:9.2f}" for v in ratios))
    print("next_runs over a rival, geometric mean over the pools, with 90 % intervals; the last: over all spendings")
    for rival in RIVALS:
        mean, error = over_all(rival)
        ends = zip(*(np.exp(mean + k * 1.645 * error) for k in (0, -1, 1)), strict=True)
        print(f"  {rival:16s}" + "".join(f"  {m:.2f} [{low:.2f}, {high:.2f}]" for m, low, high in ends))
    print("rivals that are better, chance under equality for all together (Holm)")
    for chance, pool, rival, share in rivals_better()[:5]:
        print(f"  {chance:.2g}: {rival} on {pool} for {100 * share:g} %")


if __name__ == "__main__":
    main()
