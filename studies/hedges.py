"""What plans over a doubt save, beside the figures that their defaults were chosen on, of an earlier study (2026-11).

    python -m studies.hedges [--repetitions K] [--table]

- `draws`: Epoch's 240 runs, 1,000 draws, 1e24 FLOPs: how far the plan of least mean regret lies from the point's, what
  it saves in the mean, and the plan of least CVaR in the worst tenth, in per cent of the compute.
- `laws`: 12 or 15 runs (four or five budgets, 1e18 to 1e21 FLOPs, of three sizes), noise .6 %, of a planted truth,
  chinchilla or skaling. Chinchilla, skaling and Kaplan's L(N, D) are fitted with weak priors and weighed by how they
  foretell each budget's runs from the others; the plan of least mean regret over them and their covariances is made at
  1e23 and 1e24 FLOPs, and judged, as that of chinchilla's point, by the truth: mean regret of the point, what the hedge
  saves of it, and the 90th percentiles of both, in per cent of the compute.

What was found earlier is `EARLIER`: with laws and fits of its own, priors on the sizes of the terms, and 120 tables a
cell. `hedges.json` keeps what was found.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js
from studies.next_runs import NOISE, TRUTHS, best_sizes, law, regret

EARLIER: dict[str, Any] = {
    "draws": {"size": 1.02, "saves": 0.016, "cvar_saves": 0.1},
    "laws": {"skaling": {"saves": [0.8, 1.4], "point_90": 7.5, "hedge_90": 2.7}, "chinchilla": {"saves": [-0.1, 0.0]}},
}
RESULTS = Path(__file__).with_suffix(".json")
BUDGETS, LEVELS = (1e23, 1e24), (4, 5)


def over_draws() -> dict[str, float]:
    """Of Epoch's runs at 1e24 FLOPs."""
    fit = js.fit("chinchilla", js.datasets.load("chinchilla_epoch"), intervals="quick")
    drawn, found = js.bootstrap(fit), {}
    for name, aim in (("", "regret"), ("cvar_", "cvar:0.9")):
        plan = js.frontier(drawn, 1e24, under="draws", minimise=aim)
        (beside,) = plan.beside
        assert beside is not None
        found |= {f"{name}size": plan.rows[0].N / beside.point.N, f"{name}saves": 100 * beside.saves}
    return {name: round(value, 4) for name, value in found.items()}


def table(kind: str, levels: int, rng: np.random.Generator) -> js.Runs:
    """Runs of a truth."""
    C = np.repeat(np.geomspace(1e18, 1e21, levels), 3)
    N = np.sqrt(C / 120) * 10 ** np.tile(np.linspace(-0.6, 0.6, 3), levels)
    D = C / 6 / N
    loss = law(tuple(TRUTHS[kind].items()), N, D) * np.exp(NOISE * rng.standard_normal(len(N)))
    return js.Runs({"N": N, "D": D}, loss)


def hedged(runs: js.Runs) -> tuple[np.ndarray, np.ndarray, float]:
    """Log N of the point and of the hedge at BUDGETS (2,), and the weight of chinchilla."""
    least = float(runs.response.min())
    exponents = {"alpha": (0.4, 0.2), "beta": (0.4, 0.2)}
    laws = {
        "chinchilla": ("chinchilla", {"priors": {"E": (0.65 * least, 0.35), **exponents}}),
        "skaling": ("skaling", {"priors": {"E": (0.65 * least, 1.5), "k": (1.0, 0.7), **exponents}}),
        "kaplan_nd": "kaplan_nd",
    }
    C = runs.variable("C")
    budgets = [np.abs(np.log(C / one)) < 0.01 for one in np.unique(C.round(-12))]
    tried = js.compare(runs, laws, holdout=budgets, objective=js.Huber("matched"))
    (fit,) = (one.result for one in tried.contenders if one.label == "chinchilla")
    assert fit is not None
    point = np.array([best_sizes(fit.params, c) for c in BUDGETS])
    try:
        plan = js.frontier(fit, BUDGETS, under=tried, minimise="regret")
    except js.InputError:  # too many draws of some law have no plan
        return point, point, np.nan
    sizes = np.array([np.log(row.N) if row.status == "ok" else x for row, x in zip(plan.rows, point, strict=True)])
    return point, sizes, tried.stacking_weights().get("chinchilla", 0.0)


def over_laws(kind: str, levels: int, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """Regrets by the truth, at each budget."""
    rng = np.random.default_rng([seed, *kind.encode(), levels])
    found = [hedged(table(kind, levels, rng)) for _ in range(repetitions)]
    point, hedge = (np.stack(part) for part in list(zip(*found, strict=True))[:2])
    before, after = (100 * regret(TRUTHS[kind], x, np.array(BUDGETS)) for x in (point, hedge))
    error = (before - after).std(axis=0, ddof=1) / np.sqrt(repetitions)
    parts = {
        "point": before.mean(axis=0),
        "saves": (before - after).mean(axis=0),
        "error": error,
        "point_90": np.quantile(before, 0.9, axis=0),
        "hedge_90": np.quantile(after, 0.9, axis=0),
    }
    weight = [one[2] for one in found]
    return {name: np.round(x, 3).tolist() for name, x in parts.items()} | {
        "weight_of_chinchilla": round(float(np.nanmean(weight)), 3),
        "not_hedged": int(np.isnan(weight).sum()),
        "repetitions": repetitions,
    }


def written() -> dict[str, Any]:
    """What was found, by part."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.hedges")
    asked.add_argument("--repetitions", type=int, default=40)
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    if not told.table:
        cells = {
            kind: {3 * k: over_laws(kind, k, told.repetitions) for k in LEVELS} for kind in ("skaling", "chinchilla")
        }
        RESULTS.write_text(json.dumps({"draws": over_draws(), "laws": cells}, indent=1) + "\n", encoding="utf-8")
    for part, found in written().items():
        print(f"{part}: {json.dumps(found)}\n  earlier: {EARLIER[part]}")


if __name__ == "__main__":
    main()
