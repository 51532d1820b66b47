"""How the time of a fit grows: with runs, with starts, with parameters. Each curve can be drawn."""

from pathlib import Path

import numpy as np

import jaxscale as js
from benchmarks.rows import Row, planted, timed

LAW = js.laws.chinchilla


def runs(counts: tuple[int, ...] = (24, 240, 2_400, 24_000, 240_000)) -> list[Row]:
    """One fit without intervals, over the number of runs."""
    rows = []
    for count in counts:
        table = planted(count, seed=2)
        result, run, compile_ = timed(lambda table=table: js.fit(LAW, table, intervals=None))
        outcome = f"gradient {result.gradient_norm:.0e}, {result.starts.at_best} of {result.starts.finished} agree"
        rows.append(Row("runs", f"{count:,}", outcome, run, compile_, x=count))
    return rows


def starts(counts: tuple[int, ...] = (1, 8, 64, 512, 4_096)) -> list[Row]:
    """One fit of 240 runs, over the number of starts that are finished."""
    table = planted(240, seed=2)
    rows = []
    for count in counts:
        result, run, compile_ = timed(lambda count=count: js.fit(LAW, table, starts=count, intervals=None))
        rows.append(Row("starts", f"{count:,}", f"{result.starts.at_best} agree", run, compile_, x=count))
    return rows


def parameters(counts: tuple[int, ...] = (3, 5, 7, 9)) -> list[Row]:
    """16 starts of a sum of powers, over the number of parameters."""
    rng = np.random.default_rng(0)
    variables = {f"x{k}": np.exp(rng.uniform(0, 6, 240)) for k in range(4)}
    rows = []
    for count in counts:
        law = _sum_of_powers((count - 1) // 2)
        names = [v.name for v in law.variables]
        truth = {p: {"E": 1.7, "A": 2.0, "a": 0.4}[p[0]] for p in law.parameter_names}
        table = js.synthetic.observe(law, truth, {x: variables[x] for x in names}, noise=0.005, seed=1)
        result, run, compile_ = timed(lambda law=law, table=table: js.fit(law, table, starts=16, intervals=None))
        rows.append(Row("parameters", f"{count}", f"{result.starts.at_best} of 16 agree", run, compile_, x=count))
    return rows


def _sum_of_powers(terms: int) -> js.Law:
    """E + A0 x0^-a0 + A1 x1^-a1 + ..."""

    def log_loss(p, **logs):
        powers = (p[f"log_A{k}"] - p[f"a{k}"] * logs[f"log_x{k}"] for k in range(terms))
        return js.laws.logsumexp(p.log_E, *powers)

    names = ("E", *(f"{kind}{k}" for k in range(terms) for kind in "Aa"))
    return js.Law(f"powers_{terms}", log_loss, tuple(f"x{k}" for k in range(terms)), names)


def draw(rows: list[Row], folder: Path) -> None:
    """A picture for every job whose rows have sizes."""
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for job in dict.fromkeys(r.job for r in rows if r.x is not None):
        points = [(r.x, r.run) for r in rows if r.job == job]
        if len(points) < 2:
            continue
        figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
        axes.loglog(*zip(*points, strict=True), "o-")
        axes.set(xlabel=f"number of {job}", ylabel="seconds, compiled", title=f"Time of a fit by {job}")
        axes.grid(alpha=0.3, which="both")
        figure.savefig(folder / f"{job.replace(' ', '_')}.png", dpi=120)
        plt.close(figure)
