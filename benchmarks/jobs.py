"""The jobs that are timed. Each gives rows: what was done, how well it ended, and how long it took."""

import os
import time
from dataclasses import dataclass

import jax
import numpy as np
import optax

import jaxscale as js
from benchmarks import rivals

CLOSE = 1e-9  # a start has reached the optimum if its objective is within this of the best known, relatively


@dataclass(frozen=True)
class Row:
    """One line of the table. Seconds are of wall time; `compile` is what the first call took beyond the second."""

    job: str
    method: str
    outcome: str
    run: float
    compile: float | None = None
    ratio: float | None = None  # how many times faster than SciPy with analytic gradient and tight tolerances


def table_of_runs() -> tuple[js.Runs, str]:
    """Epoch's 240 runs where JAXSCALE_DATA has them, else as many synthetic ones."""
    if os.environ.get("JAXSCALE_DATA"):
        return js.datasets.load("chinchilla_epoch"), "240 Epoch runs"
    sizes, tokens = js.synthetic.isoflop_design(np.geomspace(1e18, 1e22, 24), 10)
    truth = js.synthetic.demo_truth()
    return js.synthetic.observe(
        truth.law, truth.params, {"N": sizes, "D": tokens}, noise=0.005, seed=1
    ), "240 synthetic runs"


def timed(call):
    """Result of the second call, its seconds, and what the first took beyond them."""
    start = time.perf_counter()
    call()
    middle = time.perf_counter()
    result = call()
    end = time.perf_counter()
    return result, end - middle, max(0.0, (middle - start) - (end - middle))


def each(solver, misfit, starts) -> tuple[np.ndarray, float]:
    """Objectives of a rival over starts, and its seconds per start."""
    begin = time.perf_counter()
    values = np.array([solver(misfit, start) for start in starts])
    return values, (time.perf_counter() - begin) / len(starts)


def published_grid(seed: int = 0) -> np.ndarray:
    """Theta (4500, 5) of the published starts."""
    axes = [p.grid for p in js.laws.chinchilla.parameters]
    return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)


def fits(runs: js.Runs, sample: int) -> list[Row]:
    """The whole published grid, a fit as a user calls it, and 4,000 resampled fits, against SciPy in the same
    process."""
    misfit = rivals.Misfit(runs.variable("N"), runs.variable("D"), runs.response)
    grid = published_grid()
    some = grid[np.random.default_rng(0).choice(len(grid), sample, replace=False)]
    law = js.laws.chinchilla

    before = each(rivals.scipy_tight, misfit, some)
    paper, paper_run, paper_compile = timed(lambda: js.fit(law, runs, starts="paper", intervals=None))
    auto, auto_run, auto_compile = timed(lambda: js.fit(law, runs, intervals="quick"))
    whole, whole_run, whole_compile = timed(lambda: js.fit(law, runs))
    draws, draws_run, draws_compile = timed(lambda: js.bootstrap(whole, draws=4000))
    after = each(rivals.scipy_tight, misfit, some)
    per_start = 0.5 * (before[1] + after[1])
    best = min(paper.value, auto.value, before[0].min())

    def share(values) -> str:
        return f"{100 * np.mean(np.asarray(values) <= best * (1 + CLOSE)):.1f} % of {len(values)} starts at the optimum"

    rows = [
        Row(
            "published grid", "jaxscale, all to the end", share(paper.starts.value),
            paper_run, paper_compile, len(grid) * per_start / paper_run,
        ),
        Row(
            "one fit", "jaxscale, auto, quick intervals", f"objective {auto.value / best - 1:+.0e} of best",
            auto_run, auto_compile, len(grid) * per_start / auto_run,
        ),
        Row("one fit", "jaxscale, auto, 1,000 draws", f"{whole.intervals.draws} draws kept", whole_run, whole_compile),
        Row(
            "4,000 draws", "jaxscale", worse_draws(runs, draws, sample),
            draws_run, draws_compile, 4000 * per_draw(runs, draws, sample) / draws_run,
        ),
        Row("published grid", f"SciPy tight, {sample} starts", share(before[0]), len(grid) * per_start, None, 1.0),
    ]  # fmt: skip
    for name, solver, starts in (
        ("SciPy defaults, differences", rivals.scipy_defaults, some),
        ("SciPy least_squares, 4 good starts", rivals.scipy_least_squares, rivals.GOOD_STARTS),
    ):
        values, seconds = each(solver, misfit, starts)
        rows.append(
            Row(
                "published grid",
                f"{name} (per start x 4,500)",
                share(values),
                seconds * len(grid),
                None,
                per_start / seconds,
            )
        )
    given = [law.natural(theta) for theta in some]
    lbfgs, run, compile_ = timed(lambda: js.fit(law, runs, starts=given, optimizer=optax.lbfgs(), intervals=None))
    rows.append(
        Row(
            "published grid",
            "optax.lbfgs batched (per start x 4,500)",
            share(lbfgs.starts.value),
            run / sample * len(grid),
            compile_,
            per_start * sample / run,
        )
    )
    return rows


def _draw_misfit(runs: js.Runs, weights: np.ndarray) -> rivals.Misfit:
    return rivals.Misfit(runs.variable("N"), runs.variable("D"), runs.response, weights)


def _resampled(runs: js.Runs, draws: js.Draws, count: int):
    """The weights of some draws, as jaxscale's seed gives them, and theta found for each."""
    rng = np.random.default_rng(draws.seed)
    weights = rng.multinomial(runs.count, np.full(runs.count, 1 / runs.count), size=len(draws.draws)).astype(float)
    return zip(weights[:count], draws.draws[:count], strict=True)


def worse_draws(runs: js.Runs, draws: js.Draws, count: int) -> str:
    """How many of some draws end above SciPy's refit from the same optimum."""
    worse = 0
    for weights, theta in _resampled(runs, draws, count):
        misfit = _draw_misfit(runs, weights)
        worse += misfit.value(theta) > rivals.scipy_tight(misfit, draws.theta) * (1 + CLOSE)
    return f"{worse} of {count} worse than SciPy's by {CLOSE:g}"


def per_draw(runs: js.Runs, draws: js.Draws, count: int) -> float:
    """Seconds of SciPy for one warm refit."""
    misfits = [_draw_misfit(runs, weights) for weights, _ in _resampled(runs, draws, count)]
    begin = time.perf_counter()
    for misfit in misfits:
        rivals.scipy_tight(misfit, draws.theta)
    return (time.perf_counter() - begin) / count


def many_sets(sets: int) -> list[Row]:
    """`fit_many` over planted sets of 60 to 120 runs."""
    truth = js.synthetic.demo_truth()
    rng = np.random.default_rng(3)
    tables = {}
    for k in range(sets):
        sizes, tokens = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), int(rng.integers(10, 20)))
        tables[str(k)] = js.synthetic.observe(truth.law, truth.params, {"N": sizes, "D": tokens}, noise=0.005, seed=k)
    found, run, compile_ = timed(lambda: js.fit_many(truth.law, tables, intervals=None))
    good = sum(getattr(item, "verdict", None) is not None for _, item in found)
    return [Row(f"{sets} sets", "jaxscale fit_many, auto", f"{good} fitted", run, compile_)]


def planning(runs: js.Runs) -> list[Row]:
    """Plans for 100 budgets from 1,000 draws."""
    draws = js.bootstrap(js.fit(js.laws.chinchilla, runs, intervals=None), draws=1000)
    plan, run, compile_ = timed(lambda: js.frontier(draws, np.geomspace(1e20, 1e26, 100)))
    worst = max(row.certificate["kkt"] for row in plan.rows)
    return [Row("100 budgets x 1,000 draws", "jaxscale frontier", f"worst KKT residual {worst:.0e}", run, compile_)]


def floor(points: int = 256, lanes: int = 64) -> list[Row]:
    """The transcendentals that one evaluation of the law cannot do without, per lane: three exponentials and a
    logarithm."""
    with jax.enable_x64(True):
        x = np.linspace(-3.0, 0.0, points * lanes).reshape(lanes, points)
        from_exp = jax.jit(lambda x: js.laws.log(jax.numpy.exp(x) + jax.numpy.exp(x - 1) + jax.numpy.exp(x - 2)))

        def repeat():
            for _ in range(200):
                out = from_exp(x)
            return jax.block_until_ready(out)

        _, run, compile_ = timed(repeat)
    return [
        Row("floor", "exp x 3 + log of 256 runs", f"{run / 200 / lanes * 1e6:.2f} us per evaluation", run, compile_)
    ]
