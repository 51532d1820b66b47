"""`python -m studies.under_way`: how often intervals of the final loss of a run under way hold the truth.

Planted curves: a Chinchilla law in the tokens seen, weighed by the learning rate so far, less a gain from annealing in
the area that the rate has fallen (the forms of Tissue et al. 2024), of models of 30M to 1.6B parameters trained on 5 to
80 tokens a parameter; runs differ by .3 % for good (seeds), checkpoints by .6 % (Gaussian, or Student's t(4)).
Schedules: a cosine to a tenth, constant with a decay over the last fifth, constant. 5, 8 or 16 finished runs, and one
that has done .2, .5 or .8 of its way: one more like them, or the best of all (`largest`), which lies beyond the others.

Figures of 400 sets a cell are kept in `under_way.json` (standard error of a share of 90 %: 1.5 %), with how often a
run is stopped that would have reached its goal, of those which would: the goal is the final loss that the law has for
the run, without its noise, which half of them reach; a twentieth may be stopped.

Across schedules (`ACROSS`): finished runs of two schedules, and one under way of a third, whose rates are known and
planned (`ahead`). The gain from annealing is linear in the area fallen for ever, as above (`lasting`), or comes and
goes as by the multi-power law (Luo et al. 2025; `saturating`), which is not the law that is fitted. The last pair asks
beyond what was seen: no finished run's rate fell before its last fifth. 100 sets a cell (standard error 3 %), of 8
runs with Gaussian noise all, of 16 with t(4) some.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js
from jaxscale._analyses.deciding.across_schedules import ByRates, Course
from jaxscale._analyses.deciding.aligned import Along

SCHEDULES = ("cosine", "decay", "constant")
KINDS = ("Gaussian", "t(4)", "largest")
FINISHED, PROGRESS = (5, 8, 16), (0.2, 0.5, 0.8)
RESULTS = Path(__file__).with_suffix(".json")
_CHECKPOINTS, _STEPS = 60, 2000
LAW = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


ACROSS = {
    "cosine and constant, then decay": (("cosine", "constant"), "decay"),
    "cosine and decay, then linear": (("cosine", "decay"), "linear"),
    "cosine and decay, then constant": (("cosine", "decay"), "constant"),
    "cosine and linear, then decay": (("cosine", "linear"), "decay"),
    "decay and constant, then cosine": (("decay", "constant"), "cosine"),
}
BEYOND = "decay and constant, then cosine"
GAINS = ("lasting", "saturating")


def curves(
    schedule: str, kind: str, finished: int, rng: np.random.Generator, *others: str, gain: str = "lasting"
) -> tuple[np.ndarray, np.ndarray, float]:
    """Progress (60,), losses (finished + 1, 60) of which the last is of the run under way, and what the law has for
    its end. With `others`, finished runs have these schedules in turn, and tokens count by their rate alone."""
    N = 10 ** rng.uniform(7.5, 9.2, finished + 1)
    D = 20 * N * 10 ** rng.uniform(-0.6, 0.6, finished + 1)
    p = np.arange(1, _CHECKPOINTS + 1) / _CHECKPOINTS
    each = [*(others[k % len(others)] for k in range(finished)), schedule] if others else [schedule]
    seen, gained = (np.stack(rows) for rows in zip(*(_along(name, gain) for name in each), strict=True))
    tokens = D[:, None] * (seen if others else seen / seen[:, -1:])
    loss = LAW["E"] + LAW["A"] * N[:, None] ** -LAW["alpha"] + LAW["B"] * tokens ** -LAW["beta"]
    loss -= (N[:, None] / 3e8) ** -0.05 * gained
    noise = rng.standard_t(4, loss.shape) / np.sqrt(2) if kind == "t(4)" else rng.standard_normal(loss.shape)
    seeds = rng.standard_normal((finished + 1, 1))
    order = np.argsort(-loss[:, -1]) if kind == "largest" else np.arange(finished + 1)
    return p, (loss * np.exp(0.003 * seeds + 0.006 * noise))[order], float(loss[order[-1], -1])


def rate_of(schedule: str, at: np.ndarray) -> np.ndarray:
    """The learning rate at shares of a run, of its peak."""
    return {
        "cosine": 0.1 + 0.45 * (1 + np.cos(np.pi * at)),
        "decay": np.where(at < 0.8, 1, 1 - 4.5 * (at - 0.8)),
        "linear": 1 - 0.9 * at,
        "constant": np.ones(len(at)),
    }[schedule]


@cache
def _along(schedule: str, gain: str) -> tuple[np.ndarray, np.ndarray]:
    """At each checkpoint: the area under the rate, and what its falls have brought, in nats."""
    at, p = np.arange(1, _STEPS + 1) / _STEPS, np.arange(1, _CHECKPOINTS + 1) / _CHECKPOINTS
    rate = rate_of(schedule, at)
    area = np.cumsum(rate) / _STEPS
    if gain == "lasting":
        return np.interp(p, at, area), 0.12 * np.interp(p, at, np.cumsum(1 - rate)) / _STEPS
    falls, before = -np.diff(rate, prepend=1.0), np.concatenate([[0.0], area[:-1]])
    brought = np.zeros(_CHECKPOINTS)
    for j, until in enumerate(np.interp(p, at, area)):
        some = (at <= p[j]) & (falls > 0)
        after = until - before[some]  # the area from each fall on
        brought[j] = np.sum(falls[some] * (1 - (1 + 40 * rate[some] ** -0.64 * after) ** -0.59))
    return np.interp(p, at, area), 0.06 * brought


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


def study_across(name: str, gain: str, kind: str, finished: int, sets: int, seed: int = 0) -> dict[str, Any]:
    """As `study`, of `ACROSS`; the end alone, without the path there."""
    others, own = ACROSS[name]
    held, width = np.zeros((2, sets, len(PROGRESS)))
    p = np.arange(1, _CHECKPOINTS + 1) / _CHECKPOINTS
    rates = {k: Course.of((p, rate_of(k, p))) for k in (*others, own)}
    for k in range(sets):
        rng = np.random.default_rng([seed, 9, list(ACROSS).index(name), GAINS.index(gain), finished, k])
        _, loss, _ = curves(own, kind, finished, rng, *others, gain=gain)
        done = {f"run {i}": Along(p, np.log(loss[i])) for i in range(finished)}
        courses = {f"run {i}": rates[others[i % len(others)]] for i in range(finished)}
        for j, progress in enumerate(PROGRESS):
            seen = p <= progress + 1e-9
            beside = ByRates(Along(p[seen], np.log(loss[-1, seen])), done, rates[own], courses)
            told = beside.foretell(float(p[seen][-1]), 1.0)
            width[k, j] = told.half(0.9)
            held[k, j] = abs(np.log(loss[-1, -1]) - told.value) <= width[k, j]
    return {
        "sets": sets,
        "held": held.mean(axis=0).round(4).tolist(),
        "half_width_percent": (100 * np.median(width, axis=0)).round(2).tolist(),
    }


def planned(schedule: str, p: np.ndarray) -> dict[float, float]:
    """The rate of a schedule at each checkpoint, as `watch` takes what is ahead."""
    return dict(zip(p.tolist(), rate_of(schedule, p).tolist(), strict=True))


def crossed(p: np.ndarray, loss: np.ndarray, progress: float, own: str, others: Sequence[str]) -> js.Runs:
    """As `table`, with learning rates."""
    runs = table(p, loss, progress)
    names, D = np.array(runs.clusters), runs.variables["D"]
    lr = np.empty(len(D))
    for k, name in enumerate(dict.fromkeys(runs.clusters or ())):
        of = own if name == "new" else others[k % len(others)]
        lr[names == name] = 3e-4 * rate_of(of, D[names == name])
    return js.Runs({"D": D, "lr": lr}, runs.response, clusters=runs.clusters)


def table(p: np.ndarray, loss: np.ndarray, progress: float) -> js.Runs:
    """The curves as runs, the last one, called new, up to its progress."""
    rows = np.repeat(np.arange(len(loss)), len(p)), np.tile(p, len(loss))
    kept = (rows[0] < len(loss) - 1) | (rows[1] <= progress + 1e-9)
    names = tuple("new" if i == len(loss) - 1 else f"run {i}" for i in rows[0][kept])
    return js.Runs({"D": rows[1][kept]}, loss.ravel()[kept], clusters=names)


def written() -> dict[str, Any]:
    """What `study` and `study_across` found, by schedule, kind and number of finished runs."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def line(name: str, cell: dict[str, Any]) -> str:
    """A cell in per cent."""
    shares = " ".join(f"{100 * x:5.1f}" for x in (*cell["held"], *cell.get("stopped_of_good", ())))
    return f"{name:24s} {shares}  " + " ".join(f"{x:5.2f}" for x in cell["half_width_percent"])


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m studies.under_way")
    asked.add_argument("--sets", type=int, default=400)
    asked.add_argument("--across", action="store_true", help="only those of several schedules")
    asked.add_argument("--table", action="store_true", help="print what was written and stop")
    told = asked.parse_args()
    print("schedule, kind, finished: held at .2 .5 .8; stopped of the good; half width")
    for name, cell in written().items() if told.table else ():
        print(line(name, cell))
    alike: dict[str, Callable[[], dict[str, Any]]] = {
        f"{schedule}, {kind}, {finished}": partial(study, schedule, kind, finished, told.sets)
        for schedule in SCHEDULES
        for kind in KINDS
        for finished in FINISHED
    }
    crossing = {
        f"{name}, {gain}, {kind}, {finished}": partial(study_across, name, gain, kind, finished, told.sets)
        for name in ACROSS
        for gain in GAINS
        for kind, finished in (("Gaussian", 8), ("t(4)", 16))
    }
    for name, found in () if told.table else ((alike if not told.across else {}) | crossing).items():
        cells = written() | {name: found()}
        whole = {"level": 0.9, "progress": PROGRESS, "cells": cells}
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        print(line(name, cells[name]), flush=True)


if __name__ == "__main__":
    main()
