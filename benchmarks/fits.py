"""One table: the published grid, a fit as a user calls it, 4,000 resampled fits, and what an iteration costs."""

import importlib.util
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxscale as js
from benchmarks import rivals
from benchmarks.rows import CLOSE, Row, each, table_of_runs, timed
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.solve_stack import solve_stack
from jaxscale._trust.draw_weights import resampled

LAW = js.laws.chinchilla


def published_grid() -> np.ndarray:
    """Theta (4500, 5) of the published starts."""
    axes = [p.grid for p in LAW.parameters]
    return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)


def fits(sample: int) -> list[Row]:
    """Against SciPy with analytic gradient and tight tolerances, timed before and after in the same process."""
    runs, _ = table_of_runs()
    misfit = rivals.Misfit(runs.variable("N"), runs.variable("D"), runs.response)
    grid = published_grid()
    some = grid[np.random.default_rng(0).choice(len(grid), sample, replace=False)]

    before = each(rivals.scipy_tight, misfit, some)
    paper, paper_run, paper_compile = timed(lambda: js.fit(LAW, runs, starts="paper", intervals=None))
    auto, auto_run, auto_compile = timed(lambda: js.fit(LAW, runs, intervals="quick"))
    whole, whole_run, whole_compile = timed(lambda: js.fit(LAW, runs))
    draws, draws_run, draws_compile = timed(lambda: js.bootstrap(whole, draws=4000))
    after = each(rivals.scipy_tight, misfit, some)
    per_start = 0.5 * (before[1] + after[1])
    refits, (per_draw,) = against_refits(runs, draws, sample)
    worse = np.sum(refits[:, 0] > refits[:, 1] * (1 + CLOSE))
    best = min(paper.value, auto.value, before[0].min())

    def share(values: np.ndarray) -> str:
        return f"{100 * np.mean(np.asarray(values) <= best * (1 + CLOSE)):.1f} % of {len(values)} starts at the optimum"

    def grid_row(method: str, values: np.ndarray, seconds: float, compile_: float | None = None) -> Row:
        """A rival's row: its seconds per start for the whole grid."""
        return Row("published grid", method, share(values), seconds * len(grid), compile_, per_start / seconds)

    def fitted(optimizer: optax.GradientTransformation) -> tuple[js.FitResult, float, float]:
        return timed(
            lambda: js.fit(LAW, runs, starts=list(map(LAW.natural, some)), optimizer=optimizer, intervals=None)
        )

    lbfgs, lbfgs_run, lbfgs_compile = fitted(optax.lbfgs())
    rows = [
        grid_row("jaxscale, all to the end", paper.starts.value, paper_run / len(grid), paper_compile),
        Row(
            "one fit", "jaxscale, auto, quick intervals", f"objective {auto.value / best - 1:+.0e} of best",
            auto_run, auto_compile, len(grid) * per_start / auto_run,
        ),
        Row("one fit", "jaxscale, auto, 1,000 draws", f"{whole.intervals.draws} draws kept", whole_run, whole_compile),
        Row(
            "4,000 draws", "jaxscale", f"{worse} of {sample} worse than SciPy's by {CLOSE:g}",
            draws_run, draws_compile, 4000 * per_draw / draws_run,
        ),
        grid_row(f"SciPy tight, {sample} starts", before[0], per_start),
        grid_row("SciPy defaults, differences", *each(rivals.scipy_defaults, misfit, some)),
        grid_row("SciPy least_squares, 4 good starts", *each(rivals.scipy_least_squares, misfit, rivals.GOOD_STARTS)),
        grid_row("optax.lbfgs, batched", lbfgs.starts.value, lbfgs_run / sample, lbfgs_compile),
    ]  # fmt: skip
    if importlib.util.find_spec("optimistix") is not None:
        values, run, compile_ = timed(lambda: rivals.optimistix_lm(misfit, some))
        rows.append(grid_row("optimistix LM, batched", values, run / sample, compile_))
    return rows


def against_refits(
    runs: js.Runs,
    draws: js.Draws,
    count: int,
    solvers: Sequence[Callable] = (rivals.scipy_tight,),
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[np.ndarray, np.ndarray]:
    """Objectives of some draws, (count, 1 + solvers): ours first, then those of SciPy's refits from the same optimum;
    and each solver's seconds per refit."""
    with jax.enable_x64(True):
        problem = make_problem(LAW, runs, js.Huber())
    weights = resampled(problem, len(draws.draws), np.random.default_rng(draws.seed), None).weights[:count]
    misfits = [rivals.Misfit(runs.variable("N"), runs.variable("D"), runs.response, w[: runs.count]) for w in weights]
    values = [[misfit.value(theta) for misfit, theta in zip(misfits, draws.draws[:count], strict=True)]]
    seconds = []
    for solver in solvers:
        begin = clock()
        values.append([solver(misfit, draws.theta) for misfit in misfits])
        seconds.append((clock() - begin) / count)
    return np.array(values).T, np.array(seconds)


def iterations() -> list[Row]:
    """CPU microseconds of one iteration of one lane over those of the law's own transcendentals, on one device."""
    runs, name = table_of_runs()
    with jax.enable_x64(True):
        floor = _floor(runs.count)
        rows = [Row("iteration", "floor: exp x 3 + log", f"{1e6 * floor:.2f} us for {name}", floor)]
        stack = Stack.of([make_problem(LAW, runs, js.Huber())])
        theta = np.asarray(published_grid())
        for method, optimizer in (
            ("Gauss-Newton", js.optim.levenberg_marquardt()),
            ("Newton", js.optim.damped_newton()),
        ):
            table = np.zeros(len(theta), np.int64)

            def run(optimizer=optimizer, table=table):
                return solve_stack(stack, optimizer, table, theta, devices=jax.devices()[:1])

            run()
            begin = time.process_time()
            steps = run().steps.sum()
            seconds = (time.process_time() - begin) / steps
            rows.append(Row("iteration", method, f"{seconds / floor:.1f} x the floor", seconds))
    return rows


def _floor(points: int, lanes: int = 64) -> float:
    """CPU seconds for three exponentials and a logarithm of every run, for one lane of many."""
    x = np.linspace(-3.0, 0.0, points * lanes).reshape(lanes, points)
    law = jax.jit(lambda x: js.laws.log(jnp.exp(x) + jnp.exp(x - 1) + jnp.exp(x - 2)))
    law(x).block_until_ready()
    begin = time.process_time()
    for _ in range(300):
        law(x).block_until_ready()
    return (time.process_time() - begin) / 300 / lanes
