"""Figures that the method of `next_runs` was chosen on, of an earlier study (2026-11), found again with it.

    python -m studies.designs [--only NAME...] [--pools NAME...] [--repetitions K] [--table]

That study had fits and designs of its own; what it found is written out here as `EARLIER`. Found again are

- `box`: runs from a box of sizes, by slopes at a planted law: what is left by runs in shares, by whole ones and by a
  coarse grid, and how many runs 1e21 FLOPs buy best, without and with a fixed cost of 1e19 FLOPs each. With the powers
  of the cost that were tried there all of it comes out to its digits; the three that `next_runs` tries choose 259 and
  46 runs where those chose 306 and 42, and leave .2 % more.
- `in_flight`: the waste after two batches of .03 % of a pool, the second chosen with the first counted as under way,
  waited for, or ignored, in 160 pools: 2.05, 2.04 and 2.37 +- .25 %, where it was 1.85, 1.73 and 2.20.
- `stop`: what is spent and wasted together, by a rule and for fixed shares of the decision's compute, in 32 pools: at
  1e23 FLOPs 1.30 +- .19 % by the rule and 1.2 for the best shares (1.25; 1.35 to 1.57), 3.3 for 3 % (3.2); at 1e24 .81
  +- .11 and .77 (.55 and .71). Here the rule is as good as the best share, which nobody knows beforehand, not better.
- `wrong_law`: waste, as more is spent, where Kaplan's joint law holds and Chinchilla's is fitted: it grows by every
  method, from 50 to 130 % up to 900 to 1,000 % (70 to 900).
- `rounds`: waste over that of random choice at five growing spendings, all runs fitted after each, in the median over
  twelve pools, with a standard error from resampled repetitions, five a pool (.05 to .19): of 30 ratios three lie two
  of these off the earlier ones, none 2.5. Cheapest first .97 1.09 .58 .86 .74, ladder 1.06 .94 .60 .81 .85,
  `suggest_runs` .78 .83 .60 .75 .66, D-optimal .72 .52 .48 .65 .53, c-optimal .73 .55 .37 .59 .52, and `next_runs`,
  which keeps a fifth for a check, .58 .58 .51 .70 .58.

Waste is the extra compute that the chosen N costs, in per cent (at most 1,000): at ten times the dearest run of the
pool, in `box` at 1e23 FLOPs. Fits are robust ones matched to the noise with weak priors, as they were there (but for
its priors on A and B at a pivot). Planted pools spend .05, .2, 1, 5 and 20 % of what the rest costs, as there, after a
pilot of the cheapest .02 %. Real ones spend 1, 3, 10, 30 and 60 %: the earlier study says 100 %, where all methods have
the same runs, and yet its figures for it differ, so that what they are of is not known. Of its nine real pools the
seven that it names are here, of its nine methods six: the centred curves, the squared error of prediction and the whole
horizon were left behind by it. `designs.json` keeps what was found.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js
from jaxscale._analyses.deciding.information import EXPONENTS, believe, choose
from studies.next_runs import (
    NOISE,
    PLANTED,
    REAL,
    TRUTHS,
    Pool,
    best_sizes,
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
    "stop": {"1e+23": {"rule": 1.25, "fixed": [1.35, 1.57]}, "1e+24": {"rule": 0.55, "fixed": [0.71]}},
    "wrong_law": [70.0, 900.0],
    "rounds": {
        "cheapest first": [1.04, 0.95, 0.62, 0.86, 1.00],
        "isoFLOP ladder": [1.00, 0.83, 0.52, 0.79, 0.77],  # centred, as that of `studies.next_runs`
        "suggest_runs": [1.00, 0.82, 0.51, 0.57, 0.58],
        "D-optimal": [1.00, 0.54, 0.34, 0.63, 0.70],
        "c-optimal": [1.00, 0.73, 0.59, 0.58, 0.59],
        "next_runs": [0.85, 0.52, 0.34, 0.47, 0.61],
    },
}
RESULTS = Path(__file__).with_suffix(".json")
SPENT = {True: (0.0005, 0.002, 0.01, 0.05, 0.2), False: (0.01, 0.03, 0.1, 0.3, 0.6)}  # planted, real
OURS: dict[str, dict[str, Any]] = {
    "D-optimal": {"criterion": "d", "check": 0.0},
    "c-optimal": {"misfit": 0.0, "check": 0.0},
    "next_runs": {},
}
METHODS = ("random", "cheapest first", "isoFLOP ladder", "suggest_runs", *OURS)
POOLS = (*PLANTED, "bumps", *REAL)
KAPLAN = {"E": 1e-3, "A": 6.4e13 ** (0.076 / 0.103), "B": 1.8e13, "alpha": 0.076 / 0.103, "beta": 1.0, "k": 0.103}
FIXED = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # of the decision
_PILOT, _WORST, _MOST_ROUNDS = 2e-4, 10.0, 8
_TRIED = (0.0, 0.3, 0.6, 0.8, 1.0, 1.2)  # powers of the cost, in the earlier study


# ---------------------------------------------------------------- a box of sizes, by slopes at a planted law


def box() -> dict[str, Any]:
    """Waste expected in per cent after 1e20 FLOPs of runs: in shares, in whole runs of a fine grid of sizes and of one
    of 7 x 7; and of 1e21 FLOPs in whole runs, with their numbers without and with a fixed cost of 1e19 FLOPs, by the
    exponents of the earlier study and by ours. Runs of 1e18 FLOPs and more at 2 to 500 tokens per parameter."""

    def whole(side: int, budget: float, fixed: float = 0.0, exponents: Sequence[float] = _TRIED) -> tuple[int, float]:
        known, new, target, cost = _linear(side, budget)
        belief = believe(np.linalg.cholesky(known).T, np.ones(len(known)), new, 1.0, target)
        runs, left = choose([belief], cost + fixed, budget, repeats=True, most=2000, exponents=exponents)
        return len(runs), round(100 * left, 4)

    theirs, ours = ([whole(41, 1e21, fixed, p) for fixed in (0.0, 1e19)] for p in (_TRIED, EXPONENTS["c"]))
    return {
        "shares": round(100 * _in_shares(*_linear(41, 1e20), 1e20), 4),
        "whole": whole(41, 1e20)[1],
        "coarse": whole(7, 1e20)[1],
        "runs": [runs for runs, _ in theirs],
        "left": theirs[0][1],
        "ours": [runs for runs, _ in ours],
        "ours_left": ours[0][1],
    }


def _linear(side: int, most: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of a grid of sizes up to a compute: information of pilot and priors (5, 5); slopes of runs over the noise (m, 5);
    of the decision, so that its variance is the waste expected (5,); costs (m,). Parameters are logs of A and B at a
    pivot, of E and of exponents; the pilot is two curves of five sizes."""
    t, first = TRUTHS["chinchilla"], np.repeat([1e18, 3e18], 5)
    compute, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e18, most, side), np.geomspace(2, 500, side)))
    a, b, n0, d0 = t["alpha"], t["beta"], np.log(1e17) / 2, np.log(1e20) / 2

    def slopes(N: np.ndarray, D: np.ndarray) -> np.ndarray:
        terms = np.stack([t["A"] * N**-a, t["B"] * D**-b, np.full_like(N, t["E"])])
        of_a, of_b, of_e = terms / terms.sum(axis=0)
        return np.stack([of_a, of_b, of_e, -of_a * a * (np.log(N) - n0), -of_b * b * (np.log(D) - d0)], 1) / NOISE

    sizes = np.sqrt(first / 120) * 10 ** np.tile(np.linspace(-0.7, 0.7, 5), 2)
    made, new = slopes(sizes, first / 6 / sizes), slopes(np.sqrt(compute / 6 / ratio), np.sqrt(compute / 6 * ratio))
    known = made.T @ made + np.diag(np.array([1.5, 1.5, 0.35, 0.5, 0.5]) ** -2.0)
    x, along = best_sizes(t, 1e23) - n0, np.log(1e23 / 6) - n0 - d0
    target = np.array([1, -1, 0, 1 - a * x, b * (along - x) - 1]) / (a + b) * np.sqrt((a + b) / 2)
    return known, new, target, compute


def _in_shares(known: np.ndarray, new: np.ndarray, target: np.ndarray, cost: np.ndarray, budget: float) -> float:
    """The least variance where runs may be done in shares, by multiplicative steps on what is spent on each
    (Silvey, Titterington & Torsney 1978, Communications in Statistics)."""
    spent = np.full(len(cost), budget / len(cost))
    for _ in range(5000):
        towards = np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target)
        spent = spent * np.abs(new @ towards) / np.sqrt(cost)
        spent *= budget / spent.sum()
    return float(target @ np.linalg.solve(known + (new * (spent / cost)[:, None]).T @ new, target))


# ---------------------------------------------------------------- replays


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


def fitted(pools: Mapping[str, Pool], runs: Mapping[str, np.ndarray]) -> dict[str, js.FitResult]:
    """Fits of some runs of pools, by name; those that cannot be are left out."""
    tables = {k: js.Runs({"N": pools[k].N[i], "D": pools[k].D[i]}, pools[k].loss[i]) for k, i in runs.items()}
    least = min((float(t.response.min()) for t in tables.values()), default=1.0)
    priors = {"E": (0.65 * least, 0.35), "alpha": (0.4, 0.2), "beta": (0.4, 0.2)}
    found = js.fit_many("chinchilla", tables, intervals="quick", objective=js.Huber("matched"), priors=priors)
    return {name: fit for name, fit in found if isinstance(fit, js.FitResult)}


def wastes(pool: Pool, fit: js.FitResult | None, at: float | None = None) -> float:
    """Of a fit of a pool, in per cent, at ten times its dearest run if nothing else is said."""
    at = 10 * float(pool.C.max()) if at is None else at
    return 100 * float(regret(dict(pool.truth), best_sizes(fit.params, at) if fit else np.nan, at, _WORST))


def next_of(
    method: str, fit: js.FitResult | None, pool: Pool, have: np.ndarray, budget: float, rng: np.random.Generator, **more
) -> np.ndarray:
    """Which runs of the pool beside those at hand (n,) a method does next."""
    rest, N, D, C = np.setdiff1d(np.arange(len(pool.N)), have), pool.N, pool.D, pool.C
    at = 10 * float(C.max())
    if not (C[rest] <= budget).any():
        return np.array([], int)
    if method in OURS and fit is not None:
        try:
            asked = {"at": at, **OURS[method], **more, "budget": budget, "fixed": 0, "most": 500}
            found = js.next_runs(fit, {"N": N[rest], "D": D[rest]}, **asked).frame
        except js.InputError:  # there is no plan to make surer
            return spend(rng.permutation(rest), C, budget)
        return _places(pool, rest, found)
    if method == "suggest_runs" and fit is not None and fit.covariance is not None:
        return suggested(fit, pool, rest, budget, at)
    orders = {
        "cheapest first": rest[np.argsort(C[rest], kind="stable")],
        "isoFLOP ladder": rest[np.lexsort((np.abs(np.log(D[rest] / N[rest] / 20)), pool.level[rest]))],
    }
    return spend(orders.get(method, rng.permutation(rest)), C, budget)


def rounds(kind: str, repetitions: int, methods: tuple[str, ...] = METHODS, seed: int = 0) -> dict[str, np.ndarray]:
    """Waste in per cent (repetitions, spendings) of each method, which chooses by a fit of the runs before."""
    shares = SPENT[kind not in REAL]
    pools, runs, rngs = {}, {}, {}
    for k in range(repetitions):
        pool = pool_of(kind, np.random.default_rng([seed, *kind.encode(), k]))
        for method in methods:
            name = f"{k}/{method}"
            pools[name], runs[name] = pool, np.flatnonzero(pool.pilot)
            rngs[name] = np.random.default_rng([seed, k, *method.encode()])
    found = {method: np.empty((repetitions, len(shares))) for method in methods}
    fits = fitted(pools, runs)
    for j, share in enumerate(shares):
        for name, pool in pools.items():
            spent = pool.C[runs[name]].sum() - pool.C[pool.pilot].sum()
            budget = share * pool.C[~pool.pilot].sum() - spent
            method = name.split("/")[1]
            new = next_of(method, fits.get(name), pool, runs[name], budget, rngs[name])
            runs[name] = np.concatenate([runs[name], new])
        fits = fitted(pools, runs)
        for name, pool in pools.items():
            k, method = name.split("/")
            found[method][int(k), j] = wastes(pool, fits.get(name))
    return found


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
    begun, rng = fitted(pools, start), np.random.default_rng(seed)
    asked: dict[str, Any] = {"misfit": 0.0, "check": 0.0}
    runs, fits, alive = dict(start), dict(begun), set(pools)
    for _ in range(_MOST_ROUNDS):
        for k in sorted(alive):
            rest = np.setdiff1d(np.arange(len(pools[k].N)), runs[k])
            more = _worth_doing(pools[k], fits.get(k), rest, at, asked)
            runs[k] = np.concatenate([runs[k], more])
            alive -= set() if len(more) else {k}
        fits |= fitted({k: pools[k] for k in alive}, {k: runs[k] for k in alive})

    def total(k: str, did: np.ndarray, fit: js.FitResult | None) -> float:
        return 100 * (pools[k].C[did].sum() - pools[k].C[start[k]].sum()) / at + wastes(pools[k], fit, at)

    out = {"rule": np.array([total(k, runs[k], fits.get(k)) for k in pools])}
    for share in FIXED:
        did = {
            k: np.concatenate([i, next_of("next_runs", begun.get(k), pools[k], i, share * at, rng, at=at, **asked)])
            for k, i in start.items()
        }
        last = fitted(pools, did)
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
    """Mean waste over that of random choice in the median over pools (spendings,), with its standard error."""
    rng, out = np.random.default_rng(0), {}
    wastes = {kind: {m: np.array(x) for m, x in one.items()} for kind, one in kept.items()}
    for method in METHODS[1:]:
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
    if "rounds" in kept:
        yield f"waste over random choice, median over {len(kept['rounds'])} pools; earlier"
        for method, (ratio, error) in over_random(kept["rounds"]).items():
            cells = (f"{r:5.2f} +-{e:4.2f}" for r, e in zip(ratio, error, strict=True))
            yield f"  {method:16s}" + " ".join(cells) + "   " + " ".join(f"{x:.2f}" for x in EARLIER["rounds"][method])


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.designs")
    parts = ("box", "in_flight", "stop", "wrong_law", "rounds")
    asked.add_argument("--only", nargs="*", default=parts, choices=parts)
    asked.add_argument("--pools", nargs="*", default=POOLS, choices=POOLS)
    asked.add_argument("--repetitions", type=int, default=16)
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    for part in () if told.table else told.only:
        if part == "box":
            _keep(part, box())
        elif part == "in_flight":
            _keep(part, {name: mean_of(x) for name, x in in_flight(4 * told.repetitions).items()})
        elif part == "stop":
            for at in (1e23, 1e24):
                found = {name: mean_of(x) for name, x in stopped(at, 2 * told.repetitions).items()}
                _keep(part, written().get(part, {}) | {f"{at:.0e}": found})
        elif part == "wrong_law":
            found = rounds("kaplan", told.repetitions, ("random", "cheapest first", "next_runs"))
            _keep(part, {name: mean_of(x) for name, x in found.items()})
        else:
            for kind in told.pools:
                found = {m: np.round(x, 3).tolist() for m, x in rounds(kind, told.repetitions).items()}
                _keep(part, written().get(part, {}) | {kind: found})
                print(kind, flush=True)
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
