"""`python -m studies.under_way`: how often intervals of the final loss of a run under way hold the truth.

Planted curves: a Chinchilla law in the tokens seen, weighed by the learning rate so far, less a gain from annealing in
the area that the rate has fallen (the forms of Tissue et al. 2024), of models of 30M to 1.6B parameters trained on 5 to
80 tokens a parameter; runs differ by .3 % for good (seeds), checkpoints by .6 % (Gaussian, or Student's t(4)).
Schedules: a cosine to a tenth, constant with a decay over the last fifth, constant. 5, 8 or 16 finished runs, and one
that has done .2, .5 or .8 of its way: one more like them, or the best of all (`largest`), which lies beyond the others.

Figures of 400 sets a cell are kept in `under_way.json` (standard error of a share of 90 %: 1.5 %), with how often a
run is stopped that would have reached its goal, of those which would: the goal is the final loss that the law has for
the run, without its noise, which half of them reach; a twentieth may be stopped.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js

SCHEDULES = ("cosine", "decay", "constant")
KINDS = ("Gaussian", "t(4)", "largest")
FINISHED, PROGRESS = (5, 8, 16), (0.2, 0.5, 0.8)
RESULTS = Path(__file__).with_suffix(".json")
_CHECKPOINTS, _STEPS = 60, 2000
LAW = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


def curves(schedule: str, kind: str, finished: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Progress (60,), losses (finished + 1, 60) of which the last is of the run under way, and what the law has for
    its end."""
    N = 10 ** rng.uniform(7.5, 9.2, finished + 1)
    D = 20 * N * 10 ** rng.uniform(-0.6, 0.6, finished + 1)
    at, p = np.arange(1, _STEPS + 1) / _STEPS, np.arange(1, _CHECKPOINTS + 1) / _CHECKPOINTS
    rate = {
        "cosine": 0.1 + 0.45 * (1 + np.cos(np.pi * at)),
        "decay": np.where(at < 0.8, 1, 1 - 4.5 * (at - 0.8)),
        "constant": np.ones(_STEPS),
    }[schedule]
    seen, fallen = (np.interp(p, at, np.cumsum(v)) / _STEPS for v in (rate, 1 - rate))
    tokens = D[:, None] * seen / seen[-1]
    loss = LAW["E"] + LAW["A"] * N[:, None] ** -LAW["alpha"] + LAW["B"] * tokens ** -LAW["beta"]
    loss -= 0.12 * (N[:, None] / 3e8) ** -0.05 * fallen
    noise = rng.standard_t(4, loss.shape) / np.sqrt(2) if kind == "t(4)" else rng.standard_normal(loss.shape)
    seeds = rng.standard_normal((finished + 1, 1))
    order = np.argsort(-loss[:, -1]) if kind == "largest" else np.arange(finished + 1)
    return p, (loss * np.exp(0.003 * seeds + 0.006 * noise))[order], float(loss[order[-1], -1])


def study(schedule: str, kind: str, finished: int, sets: int, seed: int = 0) -> dict[str, Any]:
    """Of each progress: share of the 90 % intervals that hold the final loss, median half width in per cent, and of the
    runs that reach their goal the share that is stopped."""
    held, width, stopped = np.zeros((3, sets, len(PROGRESS)))
    reached = np.zeros(sets, bool)
    for k in range(sets):
        rng = np.random.default_rng([seed, SCHEDULES.index(schedule), KINDS.index(kind), finished, k])
        p, loss, goal = curves(schedule, kind, finished, rng)
        reached[k] = loss[-1, -1] <= goal
        for j, progress in enumerate(PROGRESS):
            found = js.watch(table(p, loss, progress), "new", 1.0, goal=goal)
            held[k, j] = found.interval[0] <= loss[-1, -1] <= found.interval[1]
            width[k, j] = np.log(found.interval[1] / found.interval[0]) / 2
            stopped[k, j] = found.stop
    return {
        "sets": sets,
        "held": held.mean(axis=0).round(4).tolist(),
        "half_width_percent": (100 * np.median(width, axis=0)).round(2).tolist(),
        "stopped_of_good": stopped[reached].mean(axis=0).round(4).tolist(),
    }


def table(p: np.ndarray, loss: np.ndarray, progress: float) -> js.Runs:
    """The curves as runs, the last one, called new, up to its progress."""
    rows = np.repeat(np.arange(len(loss)), len(p)), np.tile(p, len(loss))
    kept = (rows[0] < len(loss) - 1) | (rows[1] <= progress + 1e-9)
    names = tuple("new" if i == len(loss) - 1 else f"run {i}" for i in rows[0][kept])
    return js.Runs({"D": rows[1][kept]}, loss.ravel()[kept], clusters=names)


def written() -> dict[str, Any]:
    """What `study` found, by schedule, kind and number of finished runs."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def line(name: str, cell: dict[str, Any]) -> str:
    """A cell in per cent."""
    shares = " ".join(f"{100 * x:5.1f}" for x in (*cell["held"], *cell["stopped_of_good"]))
    return f"{name:24s} {shares}  " + " ".join(f"{x:5.2f}" for x in cell["half_width_percent"])


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.under_way")
    asked.add_argument("--sets", type=int, default=400)
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    print("schedule, kind, finished: held at .2 .5 .8; stopped of the good; half width")
    for name, cell in written().items() if told.table else ():
        print(line(name, cell))
    for schedule in () if told.table else SCHEDULES:
        for kind in KINDS:
            for finished in FINISHED:
                name = f"{schedule}, {kind}, {finished}"
                cells = written() | {name: study(schedule, kind, finished, told.sets)}
                whole = {"level": 0.9, "progress": PROGRESS, "cells": cells}
                RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
                print(line(name, cells[name]), flush=True)


if __name__ == "__main__":
    main()
