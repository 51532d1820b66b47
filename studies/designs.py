"""Figures that the method of `next_runs` was chosen on, of an earlier study (2026-11), found again with it.

    python -m studies.designs [--only NAME...] [--pools NAME...] [--repetitions K] [--table]

That study had fits and designs of its own; what it found is written out here as `EARLIER`. Found again are

- `box`: runs from a box of sizes, by slopes at a planted law: what is left by runs in shares, by whole ones and by a
  coarse grid, and how many runs 1e21 FLOPs buy best, without and with a fixed cost of 1e19 FLOPs each. With the powers
  of the cost that were tried there all of it comes out to its digits; the three that `next_runs` tries choose 259 and
  46 runs where those chose 306 and 42, and leave .2 % more.
- `in_flight`: the waste after two batches of .03 % of a pool, the second chosen with the first counted as under way,
  waited for, or ignored, in 160 pools: 2.05, 2.04 and 2.37 +- .25 %, where it was 1.85, 1.73 and 2.20 (with all
  priors, as below, 2.04, 2.09 and 2.35).
- `stop`: what is spent and wasted together, by a rule and for fixed shares of the decision's compute, in 96 pools. At
  1e23 FLOPs 1.21 +- .14 % by the rule (1.25), 1.51 +- .23 and 1.08 +- .13 for .1 and .3 % (1.35 to 1.57), 3.31 for 3 %
  (3.2); at 1e24 .75 +- .08 by the rule and .78 +- .07 for the best share (.55 and .71). The rule is as good as the best
  share, which nobody knows beforehand. For .01 % of 1e23 it is 9.5 +- 1.2, where 3.2 is told, most likely of .03 %,
  which has 3.5 +- .4: the fits of that study, with what is lost of its replays written anew, give 5.2 to 6.7 +- 1.2 and
  3.0 to 3.2 +- .5 on its pools, by the pilot, and 1.19 +- .12 and .58 +- .07 by the rule. A few pools make such means
  (the worst four of 48 made 38 % of 9.2; none is at the cap).
- `wrong_law`: waste, as more is spent, where Kaplan's joint law holds and Chinchilla's is fitted: it grows by every
  method, from 50 to 130 % up to 900 to 1,000 % (70 to 900).
- `rounds`: waste over that of random choice at five growing spendings, all runs fitted after each, in the median over
  twelve pools, with a standard error from resampled repetitions, five a pool (.05 to .19): of 30 ratios three lie two
  of these off the earlier ones, none 2.5. Cheapest first .97 1.09 .58 .86 .74, ladder 1.06 .94 .60 .81 .85,
  `suggest_runs` .78 .83 .60 .75 .66, D-optimal .72 .52 .48 .65 .53, c-optimal .73 .55 .37 .59 .52, and
  with a misfit (`criterion="misfit"`), a fifth being kept for a check, .58 .58 .51 .70 .58. `next_runs` by default,
  which no method of that study is, .47 .56 .37 .68 .58 (.76 of what `suggest_runs` wastes, 90 % interval .65 to .91).
- `rounds_all_priors`: the same by fits with all priors, 48 repetitions of planted pools and 16 of real ones (errors of
  .04 to .08), and by all nine methods: cheapest first 1.08 .88 .54 .59 .89, a ladder by size 1.00 1.00 .57 .54 .84,
  from the middle of each curve 1.13 1.03 .58 .64 .85, squared error .83 .81 .72 .67 .72, `suggest_runs` .61 .62 .42 .58
  .76, D-optimal .52 .60 .48 .62 .71, c-optimal .49 .48 .43 .52 .74, the whole horizon .60 .54 .45 .53 .74, with
  a misfit .64 .64 .53 .58 .81 (without a check .60 .55 .48 .49 .78; over pools and spendings 1.05 and .98 of what
  `suggest_runs` wastes). Of 45 ratios 32 lie within two errors of both studies (the earlier one's taken as large as
  these). `next_runs` by default, .58 .57 .43 .57 .77, wastes .98 of what `suggest_runs` does (.96 to 1.01), by pool .65
  (gemstones) to 1.30 (epoch), and .94 (.92 to .95) of what it does with a misfit; after the eighth repetitions, on
  which that was decided, .96 (.94 to .98); in `rounds` .90 (.87 to .96). Five of the 13 other ratios are of the first
  spending, where the earlier study has 1.00 for most methods, as if
  its pilots of real pools, of which nothing is known, left nothing to choose there. On planted pools its own fits, as
  above, give .56 .53 .20 .43 .66 for c-optimal and .52 .51 .19 .45 .65 for D-optimal; here .44 .51 .31 .48 .70 and .50
  .56 .31 .59 .71 are found.

- `judges`: by how much that depends on the fit that judges real pools. With it, and the noise of repetitions, in none
  of 300 cells of `rounds_all_priors` (pool, rival, spending) is a rival better than `next_runs` (1 for all together by
  Holm's method, the least by itself .027), nor in any of 240 of `rounds`.
- `unchecked`: what the check costs where `suggest_runs` wastes less in `rounds_all_priors`. On planted Chinchilla
  without a check .96 (.89 to 1.04) of what that wastes, with it 1.14 (1.05 to 1.23); on epoch 1.13 and 1.30, on porian
  kaplan 1.13 and 1.17.

Waste is the extra compute that the chosen N costs, in per cent (at most 1,000): at ten times the dearest run of the
pool, in `box` at 1e23 FLOPs. Fits are robust ones matched to the noise with weak priors on E and exponents; in `stop`
and `rounds_all_priors` with those of the earlier study on A and B at the middle of planted pools too. Planted pools
spend .05, .2, 1, 5 and 20 % of what the rest costs, as there, after a pilot of the cheapest .02 %. Real ones spend 1,
3, 10, 30 and 60 %: the earlier study says 100 %, where all methods have the same runs, and yet its figures for it
differ, so that what they are of is not known. Of its nine real pools the seven that it names are here. Of a ladder "as
published" it says no more than that it is not the centred one; here it takes sizes as tables have them, from the
smallest. Of the design for the whole horizon each round carries out what its budget pays, in the order of choice; the
cheapest first did worse (.98 .82 .59 .79 .54 of six repetitions). `designs.json` keeps what was found.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import jaxscale as js
from studies.design_box import WIDTHS, box, slopes_of
from studies.next_runs import (
    NOISE,
    PLANTED,
    REAL,
    Pool,
    best_sizes,
    by_holm,
    judges,
    law,
    planted,
    regret,
    sampled,
    spend,
    suggested,
)

EARLIER: dict[str, Any] = {
    "box": {"shares": 1.0191, "whole": 1.05, "coarse": "1 to 6 % above", "runs": [306, 42]},
    "in_flight": {"counted": 1.85, "waited for": 1.73, "ignored": 2.20},
    "stop": {
        "1e+23": {"rule": 1.25, "fixed": [1.35, 1.57], "3 %": 3.2},
        "1e+24": {"rule": 0.55, "fixed": [0.71]},
    },
    "wrong_law": [70.0, 900.0],
    "rounds": {
        "cheapest first": [1.04, 0.95, 0.62, 0.86, 1.00],
        "ladder by size": [1.00, 1.05, 0.37, 0.56, 0.74],
        "isoFLOP ladder": [1.00, 0.83, 0.52, 0.79, 0.77],
        "squared error": [1.04, 1.20, 0.73, 0.63, 0.74],
        "suggest_runs": [1.00, 0.82, 0.51, 0.57, 0.58],
        "D-optimal": [1.00, 0.54, 0.34, 0.63, 0.70],
        "c-optimal": [1.00, 0.73, 0.59, 0.58, 0.59],
        "whole horizon": [0.89, 0.61, 0.36, 0.53, 0.62],
        "with a misfit": [0.85, 0.52, 0.34, 0.47, 0.61],
    },
}
RESULTS = Path(__file__).with_suffix(".json")
SPENT = {True: (0.0005, 0.002, 0.01, 0.05, 0.2), False: (0.01, 0.03, 0.1, 0.3, 0.6)}  # planted, real
OURS: dict[str, dict[str, Any]] = {
    "D-optimal": {"criterion": "d", "check": 0.0},
    "c-optimal": {"misfit": 0.0, "check": 0.0},
    "whole horizon": {"misfit": 0.0, "check": 0.0},
    "without check": {"criterion": "misfit", "check": 0.0},
    "with a misfit": {"criterion": "misfit"},
    "next_runs": {},
    "unchecked": {"check": 0.0},
}
RIVALS = ("random", "cheapest first", "ladder by size", "isoFLOP ladder", "suggest_runs")
FIRST_TRIED = (
    "random", "cheapest first", "isoFLOP ladder", "suggest_runs", "D-optimal", "c-optimal", "with a misfit", "next_runs"
)  # fmt: skip
METHODS = (*RIVALS[:4], "squared error", "suggest_runs", *(name for name in OURS if name != "unchecked"))
POOLS = (*PLANTED, "bumps", *REAL)
ABOVE = ("chinchilla", "epoch", "porian kaplan")  # where with all priors `suggest_runs` wastes less
JUDGED = ("porian tuned", *ABOVE[1:])  # real ones on which what judges may count
KAPLAN = {"E": 1e-3, "A": 6.4e13 ** (0.076 / 0.103), "B": 1.8e13, "alpha": 0.076 / 0.103, "beta": 1.0, "k": 0.103}
N0, D0 = 1e9, 2e10  # the middle of planted pools and of epoch; that of other real ones lies up to 40 times below
LAW = js.Law.from_loss(
    lambda E, A, B, alpha, beta, *, N, D: E + A * (N / N0) ** -alpha + B * (D / D0) ** -beta, name="from the middle"
)
SHARES = {"E": (0.65, 0.35), "A": (0.2, 1.5), "B": (0.2, 1.5)}  # of the least loss, and widths, in logs
EXPONENT = {"alpha": (0.4, 0.5), "beta": (0.4, 0.5)}
FIXED = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # of the decision
_PILOT, _WORST, _MOST_ROUNDS = 2e-4, 10.0, 8


def pool_of(kind: str, rng: np.random.Generator) -> Pool:
    """A pool, observed; of a planted one the pilot is its cheapest .02 %."""
    if kind in REAL:
        return sampled(kind, rng)
    made = planted(kind if kind in PLANTED else "chinchilla", rng)
    loss, truth = made.loss, made.truth
    if kind == "bumps":
        logs = np.log(np.stack([made.N, made.D], axis=1))
        near = np.sum((logs[:, None] - logs) ** 2, axis=2)
        smooth = np.linalg.cholesky(np.exp(-near / (2 * 1.5**2)) + 1e-9 * np.eye(len(near)))
        wave = smooth @ rng.standard_normal(len(near)) + rng.standard_normal(len(near)) / 3
        loss = law(truth, made.N, made.D) * np.exp(NOISE * wave)
    elif kind == "kaplan":
        truth = tuple(KAPLAN.items())
        loss = law(truth, made.N, made.D) * np.exp(NOISE * rng.standard_normal(len(loss)))
    order = np.lexsort((rng.random(len(loss)), made.C.round(-12)))
    pilot = np.zeros(len(loss), bool)
    pilot[order[np.cumsum(made.C[order]) <= _PILOT * made.C.sum()]] = True
    return Pool(made.N, made.D, loss, made.level, truth, pilot)


def fitted(
    pools: Mapping[str, Pool], runs: Mapping[str, np.ndarray], all_priors: bool = False
) -> dict[str, js.FitResult]:
    """Fits of some runs of pools, by name, with priors on E and exponents, or `all_priors` of the earlier study; those
    that cannot be are left out."""
    tables = {k: js.Runs({"N": pools[k].N[i], "D": pools[k].D[i]}, pools[k].loss[i]) for k, i in runs.items()}
    if all_priors:
        least = min((float(pools[k].loss.min()) for k in tables), default=1.0)
        law, priors = LAW, {name: (share * least, width) for name, (share, width) in SHARES.items()} | EXPONENT
    else:
        least = min((float(t.response.min()) for t in tables.values()), default=1.0)
        law, priors = "chinchilla", {"E": (0.65 * least, 0.35), "alpha": (0.4, 0.2), "beta": (0.4, 0.2)}
    found = js.fit_many(law, tables, intervals="quick", objective=js.Huber("matched"), priors=priors)
    return {name: fit for name, fit in found if isinstance(fit, js.FitResult)}


def wastes(pool: Pool, fit: js.FitResult | None, at: float | None = None) -> float:
    """Of a fit of a pool, in per cent, at ten times its dearest run if nothing else is said."""
    at = _decision_of(pool) if at is None else at
    return 100 * float(regret(dict(pool.truth), _size_by(fit, at), at, _WORST))


def _decision_of(pool: Pool) -> float:
    return 10 * float(pool.C.max())


def _size_by(fit: js.FitResult | None, at: float) -> float:
    """Log of the best N by a fit."""
    if fit is None:
        return np.nan
    n, d = _middle_of(fit)
    return np.log(n) + float(best_sizes(fit.params, at / (n * d)))


def _middle_of(fit: js.FitResult) -> tuple[float, float]:
    """N and D in units of which a fit has its parameters."""
    return (N0, D0) if fit.law.name == LAW.name else (1.0, 1.0)


def next_of(
    method: str,
    fit: js.FitResult | None,
    pool: Pool,
    have: np.ndarray,
    budget: float,
    rng: np.random.Generator,
    whole: float | None = None,
    **more,
) -> np.ndarray:
    """Which runs of the pool beside those at hand (n,) a method does next; `whole` is what all rounds to come spend."""
    rest, N, D, C = np.setdiff1d(np.arange(len(pool.N)), have), pool.N, pool.D, pool.C
    at = 10 * float(C.max())
    if not (C[rest] <= budget).any():
        return np.array([], int)
    if method in OURS and fit is not None:
        horizon = whole if method == "whole horizon" else None
        try:
            asked = {"at": at, **OURS[method], **more, "budget": horizon or budget, "fixed": 0, "most": 500}
            found = js.next_runs(fit, {"N": N[rest], "D": D[rest]}, **asked).frame
        except js.InputError:  # there is no plan to make surer
            return spend(rng.permutation(rest), C, budget)
        chosen = _places(pool, rest, found)
        return chosen if horizon is None else spend(chosen, C, budget)
    if method == "squared error" and fit is not None:
        return _foretelling_all(fit, pool, have, budget)
    if method == "suggest_runs" and fit is not None and fit.covariance is not None:
        n, d = _middle_of(fit)
        return suggested(fit, replace(pool, N=N / n, D=D / d), rest, budget / (n * d), at / (n * d))
    orders = {
        "cheapest first": rest[np.argsort(C[rest], kind="stable")],
        "ladder by size": rest[np.lexsort((N[rest], pool.level[rest]))],
        "isoFLOP ladder": rest[np.lexsort((np.abs(np.log(D[rest] / N[rest] / 20)), pool.level[rest]))],
    }
    return spend(orders.get(method, rng.permutation(rest)), C, budget)


def _foretelling_all(fit: js.FitResult, pool: Pool, have: np.ndarray, budget: float) -> np.ndarray:
    """Greedily the runs that lower the mean variance of what is foretold for all runs of the pool most, per cost^0.4
    (Cohn, Ghahramani & Jordan 1996, Journal of Artificial Intelligence Research), by a fit with all priors."""
    slopes = slopes_of(fit.params, pool.N / N0, pool.D / D0) / fit.sigma
    unsure = np.linalg.inv(slopes[have].T @ slopes[have] + np.diag(WIDTHS**-2.0))
    free, chosen = np.ones(len(pool.N), bool), []
    free[have] = False
    while (can := free & (budget >= pool.C)).any():
        shared = slopes @ unsure @ slopes.T
        gain = (shared**2).mean(axis=0) / (1 + np.diag(shared))
        i = int(np.argmax(np.where(can, gain / pool.C**0.4, -np.inf)))
        towards = unsure @ slopes[i]
        unsure = unsure - np.outer(towards, towards) / (1 + slopes[i] @ towards)
        chosen.append(i)
        free[i], budget = False, budget - pool.C[i]
    return np.array(chosen, int)


def rounds(
    kind: str, repetitions: int, methods: tuple[str, ...] = METHODS, seed: int = 0, all_priors: bool = False
) -> dict[str, np.ndarray]:
    """Waste in per cent (repetitions, spendings) of each method, which chooses by a fit of the runs before."""
    pools, sizes = replayed(kind, repetitions, methods, seed, all_priors)
    return {
        method: np.array(
            [100 * regret(dict(p.truth), x, _decision_of(p), _WORST) for p, x in zip(pools, found, strict=True)]
        )
        for method, found in sizes.items()
    }


def replayed(
    kind: str, repetitions: int, methods: tuple[str, ...], seed: int, all_priors: bool
) -> tuple[list[Pool], dict[str, np.ndarray]]:
    """The pools, and by each method the logs of the sizes chosen for the decision (repetitions, spendings)."""
    shares = SPENT[kind not in REAL]
    pools, runs, rngs = {}, {}, {}
    for k in range(repetitions):
        pool = pool_of(kind, np.random.default_rng([seed, *kind.encode(), k]))
        for method in methods:
            name = f"{k}/{method}"
            pools[name], runs[name] = pool, np.flatnonzero(pool.pilot)
            rngs[name] = np.random.default_rng([seed, k, *method.encode()])
    found = {method: np.empty((repetitions, len(shares))) for method in methods}
    fits = fitted(pools, runs, all_priors)
    for j, share in enumerate(shares):
        for name, pool in pools.items():
            spent = pool.C[runs[name]].sum() - pool.C[pool.pilot].sum()
            budget = share * pool.C[~pool.pilot].sum() - spent
            method = name.split("/")[1]
            whole = shares[-1] * pool.C[~pool.pilot].sum() - spent
            new = next_of(method, fits.get(name), pool, runs[name], budget, rngs[name], whole)
            runs[name] = np.concatenate([runs[name], new])
        fits = fitted(pools, runs, all_priors)
        for name, pool in pools.items():
            k, method = name.split("/")
            found[method][int(k), j] = _size_by(fits.get(name), _decision_of(pool))
    return [pools[f"{k}/{methods[0]}"] for k in range(repetitions)], found


def judge_errors(kind: str, repetitions: int) -> dict[str, list[float]]:
    """By how much the waste of `next_runs` above that of each rival, with all priors, is unsure (spendings,) because
    the fit that judges a real pool is: it varies by so much over fits of its runs resampled."""
    pools, sizes = replayed(kind, repetitions, (*RIVALS, "next_runs"), 0, True)
    by = {name: x[:, None, None] for name, x in judges(kind).items() if name != "E"}
    at = np.array([_decision_of(pool) for pool in pools])[:, None]
    means = {method: 100 * regret(by, x, at, _WORST).mean(axis=1) for method, x in sizes.items()}
    return {rival: (means["next_runs"] - means[rival]).std(axis=0).round(3).tolist() for rival in RIVALS}


def rivals_better(
    kept: Mapping[str, Any], judged: Mapping[str, Mapping[str, Any]]
) -> list[tuple[float, str, str, float]]:
    """Of each pool, rival and spending: the chance of so much more waste by `next_runs` if it had no more, for all of
    them together, as in `studies.next_runs`. The least come first."""
    found = []
    for pool, one in kept.items():
        for rival in [name for name in RIVALS if name in one]:
            more = np.array(one["next_runs"]) - np.array(one[rival])
            errors = np.hypot(more.std(axis=0, ddof=1) / np.sqrt(len(more)), judged.get(pool, {}).get(rival, 0.0))
            for j, (mean, error) in enumerate(zip(more.mean(axis=0), errors, strict=True)):
                chance = float(student.sf(mean / error, len(more) - 1)) if error > 0 else 1.0
                found.append((chance, pool, rival, SPENT[pool not in REAL][j]))
    return by_holm(found)


def in_flight(repetitions: int, share: float = 3e-4, seed: int = 0) -> dict[str, np.ndarray]:
    """Waste in per cent (repetitions,) after two batches of a share of the pool each."""
    pools = {str(k): pool_of("chinchilla", np.random.default_rng([seed, k])) for k in range(repetitions)}
    start = {k: np.flatnonzero(pool.pilot) for k, pool in pools.items()}
    rng, fits = np.random.default_rng(seed), fitted(pools, start)
    budgets = {k: share * pool.C.sum() for k, pool in pools.items()}
    asked: dict[str, Any] = {"misfit": 0.0, "check": 0.0}
    first = {k: next_of("next_runs", fits[k], p, start[k], budgets[k], rng, **asked) for k, p in pools.items()}
    both = {k: np.concatenate([start[k], first[k]]) for k in pools}
    again = fitted(pools, both)
    out = {}
    for name in ("counted", "waited for", "ignored"):
        then = {}
        for k, p in pools.items():
            known = again[k] if name == "waited for" else fits[k]
            going = {"N": p.N[first[k]], "D": p.D[first[k]]} if name == "counted" else None
            more = next_of("next_runs", known, p, both[k], budgets[k], rng, running=going, **asked)
            then[k] = np.concatenate([both[k], more])
        last = fitted(pools, then)
        out[name] = np.array([wastes(pools[k], last.get(k)) for k in pools])
    return out


def stopped(at: float, repetitions: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Spent and wasted together, in per cent of the compute of the decision (repetitions,): by the rule, and for fixed
    shares of it.

    The rule: of budgets up to 3 % of the decision the one after which what is spent and the waste expected are least
    together, by the law alone; a third of it is spent, the cheapest first, all is fitted again; until none is worth it.
    """
    pools = {str(k): pool_of("chinchilla", np.random.default_rng([seed, k])) for k in range(repetitions)}
    start = {k: np.flatnonzero(pool.pilot) for k, pool in pools.items()}
    begun, rng = fitted(pools, start, True), np.random.default_rng(seed)
    asked: dict[str, Any] = {"misfit": 0.0, "check": 0.0}
    runs, fits, alive = dict(start), dict(begun), set(pools)
    for _ in range(_MOST_ROUNDS):
        for k in sorted(alive):
            rest = np.setdiff1d(np.arange(len(pools[k].N)), runs[k])
            more = _worth_doing(pools[k], fits.get(k), rest, at, asked)
            runs[k] = np.concatenate([runs[k], more])
            alive -= set() if len(more) else {k}
        fits |= fitted({k: pools[k] for k in alive}, {k: runs[k] for k in alive}, True)

    def total(k: str, did: np.ndarray, fit: js.FitResult | None) -> float:
        return 100 * (pools[k].C[did].sum() - pools[k].C[start[k]].sum()) / at + wastes(pools[k], fit, at)

    out = {"rule": np.array([total(k, runs[k], fits.get(k)) for k in pools])}
    for share in FIXED:
        did = {
            k: np.concatenate([i, next_of("next_runs", begun.get(k), pools[k], i, share * at, rng, at=at, **asked)])
            for k, i in start.items()
        }
        last = fitted(pools, did, True)
        out[f"{100 * share:g} %"] = np.array([total(k, did[k], last.get(k)) for k in pools])
    return out


def _worth_doing(
    pool: Pool, fit: js.FitResult | None, rest: np.ndarray, at: float, asked: Mapping[str, Any]
) -> np.ndarray:
    """Runs that the rule does next; none if it stops."""
    best: tuple[float, float, js.NextRuns | None] = np.inf, 0.0, None
    for budget in at * np.geomspace(1e-5, 3e-2, 10) if fit is not None else ():
        try:
            found = js.next_runs(fit, {"N": pool.N[rest], "D": pool.D[rest]}, budget=budget, at=at, fixed=0, **asked)
        except js.InputError:  # it pays for no run, or there is no plan to make surer
            continue
        left = found.regret - found.savings[-1] if len(found.savings) else found.regret
        if (together := found.spent + left) < min(best[0], found.regret):
            best = together, budget, found
    if best[2] is None:
        return np.array([], int)
    chosen = _places(pool, rest, best[2].frame)
    chosen = chosen[np.argsort(pool.C[chosen], kind="stable")]
    third = np.cumsum(pool.C[chosen]) - pool.C[chosen] <= best[1] / 3
    return chosen[third]


def _places(pool: Pool, rest: np.ndarray, frame: Any) -> np.ndarray:
    """Which of the rest of a pool the runs of a frame are."""
    place: dict[tuple[float, float], list[int]] = {}
    for i in rest:
        place.setdefault((pool.N[i], pool.D[i]), []).append(int(i))
    return np.array([place[n, d].pop() for n, d in zip(frame["N"], frame["D"], strict=True)], int)


def mean_of(values: np.ndarray) -> dict[str, Any]:
    """Mean over repetitions with its standard error."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return {"mean": np.round(values.mean(axis=0), 3).tolist(), "error": np.round(error, 3).tolist()}


def over_random(kept: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean waste over that of random choice in the median over pools (spendings,), with its standard error, of each
    other method that was tried."""
    rng, out = np.random.default_rng(0), {}
    wastes = {kind: {m: np.array(x) for m, x in one.items()} for kind, one in kept.items()}
    for method in [m for m in next(iter(wastes.values())) if m != "random"]:
        ratios = []
        for draw in range(301):  # the first is of the repetitions as they are
            each = []
            for one in wastes.values():
                count = len(one["random"])
                some = np.arange(count) if draw == 0 else rng.integers(count, size=count)
                with np.errstate(divide="ignore"):  # a median minds no pool that is all but without waste
                    each.append(one[method][some].mean(axis=0) / one["random"][some].mean(axis=0))
            ratios.append(np.median(each, axis=0))
        out[method] = ratios[0], np.std(ratios[1:], axis=0)
    return out


def beside(kept: Mapping[str, Any], method: str, rival: str) -> tuple[float, float, float]:
    """Mean waste of a method over that of a rival, in the geometric mean over pools and spendings, with the 90 %
    interval of resampled repetitions; nan where some of these waste nothing."""
    rng, ratios = np.random.default_rng(0), []
    for draw in range(401):  # the first is of the repetitions as they are
        each = []
        for one in kept.values():
            ours, theirs = np.array(one[method]), np.array(one[rival])
            some = np.arange(len(ours)) if draw == 0 else rng.integers(len(ours), size=len(ours))
            with np.errstate(divide="ignore", invalid="ignore"):  # of few repetitions all may be without waste
                each.append(np.log(ours[some].mean(axis=0) / theirs[some].mean(axis=0)))
        ratios.append(np.exp(np.mean(each)))
    return float(ratios[0]), *(float(x) for x in np.quantile(ratios[1:], [0.05, 0.95]))


def written() -> dict[str, Any]:
    """What was found, by part."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def _keep(part: str, value: Any) -> None:
    RESULTS.write_text(json.dumps(written() | {part: value}) + "\n", encoding="utf-8")


def lines() -> Iterator[str]:
    """What was found beside what was found earlier."""
    kept = written()
    for part in ("box", "in_flight", "stop", "wrong_law"):
        if part in kept:
            yield f"{part}: {kept[part]}; earlier {EARLIER[part]}"
    for part in ("rounds", "rounds_all_priors"):
        if part not in kept:
            continue
        yield f"{part}: waste over random choice, median over {len(kept[part])} pools; earlier"
        for method, (ratio, error) in over_random(kept[part]).items():
            cells = (f"{r:5.2f} +-{e:4.2f}" for r, e in zip(ratio, error, strict=True))
            told = (f"{x:.2f}" for x in EARLIER["rounds"].get(method, ()))
            yield f"  {method:16s}" + " ".join(cells) + "   " + " ".join(told)
        tried = list(next(iter(kept[part].values())))
        yield "waste over that of others, geometric mean over pools and spendings, with 90 % intervals"
        for method in [m for m in ("next_runs", "with a misfit", "without check") if m in tried]:
            ratios = {rival: beside(kept[part], method, rival) for rival in tried if rival != method}
            yield f"  {method}: " + ", ".join(f"{k} {r:.2f} ({a:.2f} to {b:.2f})" for k, (r, a, b) in ratios.items())
        yield "rivals that are better, chance under equality for all together (Holm)"
        for chance, pool, rival, share in rivals_better(kept[part], kept.get("judges", {}))[:3]:
            yield f"  {chance:.2g}: {rival} on {pool} for {100 * share:g} %"
    for pool, waste in kept.get("unchecked", {}).items():
        beside_it = {pool: {"unchecked": waste} | kept["rounds_all_priors"][pool]}
        ratios = {rival: beside(beside_it, "unchecked", rival) for rival in ("suggest_runs", "next_runs")}
        told = ", ".join(f"{r:.2f} ({a:.2f} to {b:.2f}) of {k}" for k, (r, a, b) in ratios.items())
        yield f"next_runs without a check on {pool}, with all priors: {told}"


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.designs")
    parts = ("box", "in_flight", "stop", "wrong_law", "rounds", "rounds_all_priors", "unchecked", "judges")
    asked.add_argument("--only", nargs="*", default=parts, choices=parts)
    asked.add_argument("--pools", nargs="*", default=POOLS, choices=POOLS)
    asked.add_argument("--repetitions", type=int, default=16)
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    for part in () if told.table else told.only:
        if part == "box":
            _keep(part, box())
        elif part == "in_flight":
            _keep(part, {name: mean_of(x) for name, x in in_flight(10 * told.repetitions).items()})
        elif part == "stop":
            for at in (1e23, 1e24):
                found = {name: mean_of(x) for name, x in stopped(at, 6 * told.repetitions).items()}
                _keep(part, written().get(part, {}) | {f"{at:.0e}": found})
        elif part == "wrong_law":
            found = rounds("kaplan", told.repetitions, ("random", "cheapest first", "next_runs"))
            _keep(part, {name: mean_of(x) for name, x in found.items()})
        elif part == "judges":
            for kind in JUDGED:
                _keep(part, written().get(part, {}) | {kind: judge_errors(kind, told.repetitions)})
        elif part == "unchecked":
            for kind in ABOVE:
                waste = rounds(kind, told.repetitions * (1 if kind in REAL else 3), (part,), all_priors=True)[part]
                _keep(part, written().get(part, {}) | {kind: np.round(waste, 3).tolist()})
        else:
            for kind in told.pools:
                if part == "rounds":
                    waste = rounds(kind, max(told.repetitions // 3, 1), FIRST_TRIED)
                else:
                    waste = rounds(kind, told.repetitions * (1 if kind in REAL else 3), all_priors=True)
                found = {m: np.round(x, 3).tolist() for m, x in waste.items()}
                _keep(part, written().get(part, {}) | {kind: found})
                print(kind, flush=True)
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
