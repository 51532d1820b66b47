"""`python -m studies.multiplier`: how often intervals of the equivalent-compute multiplier hold the truth.

Pairs of Chinchilla laws, of which B needs the compute of A, 1/1.05 of it, 1/1.3, or a share that grows with scale. 36
runs each (six budgets from 3e17 to 6e21 FLOPs by six sizes), with the same designs and noise that correlates by .7
(`shared`), the same designs and independent noise (`same`), or B's runs elsewhere (`separate`); errors of .5 % in the
loss, Gaussian or Student's t(3). What is printed, at 1e21 FLOPs (inside the runs) and 1e23 (beyond): how many of the
90 % intervals of C_B / C_A hold the truth, how wide they are against the two frontiers' own intervals added, and how
often B or A is chosen at a threshold of 2 %; and how many intervals of the trend hold theirs.

Figures of 1,000 tables a cell are kept in `multiplier.json` (standard error of a share of 90 %: .95 %): of shared noise
and of separate designs, Gaussian. Some 45 ms of CPU a table.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
SCALES = (1e21, 1e23)
GAINS = {"equal": 1.0, "1.05x": 1.05, "1.3x": 1.3, "shrinking": 1.5}
DESIGNS = ("shared", "same", "separate")
CORRELATION, NOISE = 0.7, 0.005
_WIDTHS = 200  # tables of a cell whose intervals' widths are compared
NOISES = ("Gaussian", "t(3)")
RESULTS = Path(__file__).with_suffix(".json")


def pair(gain: str) -> tuple[dict[str, float], dict[str, float]]:
    """Constants of A and B. L_B(N, D) = L_A(sqrt(m) N, sqrt(m) D) needs 1/m of the compute at any scale; with a smaller
    exponent beta, matched at 1e19 FLOPs where D is 2e10, less and less of the gain is left."""
    m = GAINS[gain]
    other = dict(TRUTH)
    other["A"] *= m ** (-TRUTH["alpha"] / 2)
    other["B"] *= m ** (-TRUTH["beta"] / 2)
    if gain == "shrinking":
        other["beta"] = 0.277
        other["B"] *= 2e10 ** (other["beta"] - TRUTH["beta"])
    return dict(TRUTH), other


@dataclass(frozen=True, eq=False)
class Seen:
    """Of one kind of pair: shares (scales,) of intervals that hold the truth, median width of intervals in logs over
    that of the two added (of the first 200 tables), shares of choices of B and of A; share of the trends' intervals
    that hold theirs; and how many tables."""

    held: tuple[float, ...]
    narrower: tuple[float, ...]
    chose_b: tuple[float, ...]
    chose_a: tuple[float, ...]
    trend: float
    tables: int


def tables(design: str, noise: str, count: int, seed: int) -> dict[str, dict[str, js.Runs]]:
    """Runs of A (under "A") and of each B (under its pair), by number of the table; all B have the same errors."""
    rng = np.random.default_rng([seed, *design.encode()])
    N, D = js.synthetic.isoflop_design(np.geomspace(3e17, 6e21, 6), 6, spread=6.0)
    laws = {"A": TRUTH} | {gain: pair(gain)[1] for gain in GAINS}
    made: dict[str, dict[str, js.Runs]] = {name: {} for name in laws}
    for k in range(count):
        own = {name: _errors(rng, noise, len(N)) for name in "AB"}
        both = _errors(rng, noise, len(N))
        moved = [x * math.exp(rng.uniform(-0.4, 0.4)) for x in (N, D)]
        share = CORRELATION if design == "shared" else 0.0
        for name, law in laws.items():
            n, d = moved if design == "separate" and name != "A" else (N, D)
            error = math.sqrt(share) * both + math.sqrt(1 - share) * own["A" if name == "A" else "B"]
            loss = js.laws.chinchilla.predict(law, N=n, D=d) * np.exp(error)
            made[name][str(k)] = js.Runs.from_frame({"N": n, "D": d, "loss": loss})
    return made


def _errors(rng: np.random.Generator, noise: str, count: int) -> np.ndarray:
    return NOISE * (rng.standard_normal(count) if noise == "Gaussian" else rng.standard_t(3, count) / math.sqrt(3))


def study(
    design: str, noise: str, count: int, *, gains: Sequence[str] = tuple(GAINS), seed: int = 0, **fit: Any
) -> Iterator[tuple[str, Seen]]:
    """Fit `count` pairs of tables and compare them, for one kind of pair after the other."""
    made = tables(design, noise, count, seed)
    fits = {name: js.fit_many("chinchilla", made[name], **fit) for name in ("A", *gains)}
    for gain in gains:
        yield gain, _seen(gain, [{"A": fits["A"][str(k)], "B": fits[gain][str(k)]} for k in range(count)])


def _seen(gain: str, pairs: Sequence[Mapping[str, Any]]) -> Seen:
    points = {name: js.laws.chinchilla.at(**law) for name, law in zip("AB", pair(gain), strict=True)}
    truth = js.multiplier(points, at=SCALES)
    kept: list[tuple[list[Any], ...]] = []
    narrow = []
    for fits in pairs:
        if any(f.covariance is None for f in fits.values()):
            continue
        found = js.multiplier(fits, at=SCALES)
        held = [_holds(row.interval, true.ratio) for row, true in zip(found.rows, truth.rows, strict=True)]
        kept.append(
            (held, [row.choice for row in found.rows], [_holds(found.trends[0].interval, truth.trends[0].factor)])
        )
        if len(narrow) < _WIDTHS and np.isfinite([row.interval for row in found.rows]).all():
            narrow.append(narrower(fits, found))
    held, choice, trend = (np.array(part) for part in zip(*kept, strict=True))
    return Seen(
        tuple(held.mean(axis=0)),
        tuple(np.median(narrow, axis=0)),
        tuple((choice == "candidate").mean(axis=0)),
        tuple((choice == "baseline").mean(axis=0)),
        float(trend.mean()),
        len(kept),
    )


def narrower(fits: Mapping[str, Any], found: Any) -> list[float]:
    """By scale, the width of the interval (in logs) over that of the two frontiers' intervals of the loss, each turned
    into compute by its slope and added."""
    plans = [js.frontier(fits["A"], SCALES), js.frontier(fits["B"], [row.compute_needed for row in found.rows])]
    out = []
    for i, row in enumerate(found.rows):
        slope = plans[1].rows[i].sensitivities["loss"]["budget"]
        added = sum(math.log(p.rows[i].intervals["loss"][1] / p.rows[i].intervals["loss"][0]) for p in plans)
        out.append(math.log(row.interval[1] / row.interval[0]) / (added / abs(slope)))
    return out


def _holds(interval: tuple[float, float] | None, true: float) -> bool:
    return interval is not None and interval[0] <= true <= interval[1]


def written() -> dict[str, Any]:
    """What `Seen` holds, by noise, design and pair."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def line(name: str, cell: Mapping[str, Any]) -> str:
    """A cell of `written`, in per cent."""
    many = (*cell["held"], *cell["narrower"], *cell["chose_b"], *cell["chose_a"], cell["trend"])
    return f"{name:28s}" + " ".join(f"{100 * x:5.1f}" for x in many) + f"  {cell['tables']}"


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.multiplier")
    asked.add_argument("--tables", type=int, default=1000)
    asked.add_argument("--noise", nargs="*", default=NOISES, choices=NOISES)
    asked.add_argument("--design", nargs="*", default=DESIGNS, choices=DESIGNS)
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    print("noise, design, pair: held at 1e21, 1e23; width over added; chose B; chose A; trend held; tables")
    for name in written() if told.table else ():
        print(line(name, written()[name]))
    for noise in () if told.table else told.noise:
        for design in told.design:
            for gain, seen in study(design, noise, told.tables, intervals="quick"):
                name = f"{noise}, {design}, {gain}"
                cells = written() | {name: {k: _rounded(v) for k, v in asdict(seen).items()}}
                RESULTS.write_text(json.dumps({"level": 0.9, "cells": cells}, indent=1) + "\n", encoding="utf-8")
                print(line(name, cells[name]), flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [round(float(x), 4) for x in value]
    return round(value, 4)


if __name__ == "__main__":
    main()
