"""Many tables: `fit_many` against SciPy one at a time, what a set costs as sets grow in number, and memory."""

import resource
import time
from collections.abc import Iterator

import jax
import numpy as np
from scipy.optimize import minimize

import jaxscale as js
from benchmarks import rivals
from benchmarks.fits import against_refits
from benchmarks.rows import CLOSE, Row, planted, timed
from jaxscale._problem.problem import make_problem
from jaxscale._problem.stack import Stack
from jaxscale._solver.starts import screened

LAW = js.laws.chinchilla
STARTS = 64


def tables_of(count: int, seed: int = 3) -> dict[str, js.Runs]:
    """Planted sets of 60 to 300 runs; every tenth is hard: noise of 5 %, or budgets over a single decade."""
    rng = np.random.default_rng(seed)
    tables = {}
    for k in range(count):
        hard = {0: {"noise": 0.05}, 5: {"decades": 1.0}}.get(k % 20, {})
        tables[f"set {k}"] = planted(int(rng.integers(60, 301)), seed + k, **hard)
    return tables


def many(count: int, sample: int) -> list[Row]:
    """All starts to the end against SciPy tight, and `auto` against `least_squares` from four good starts."""
    tables = tables_of(count)
    some = list(tables)[:: max(1, count // sample)][:sample]
    misfits = {
        name: rivals.Misfit(tables[name].variable("N"), tables[name].variable("D"), tables[name].response)
        for name in some
    }
    starts = _starts_of(tables[some[0]])
    given = [LAW.natural(theta) for theta in starts]

    begin = time.perf_counter()
    tight = {name: min(rivals.scipy_tight(misfits[name], x) for x in starts) for name in some[: max(1, sample // 3)]}
    per_set_tight = (time.perf_counter() - begin) / len(tight)
    begin = time.perf_counter()
    good = {name: min(rivals.scipy_least_squares(m, x) for x in rivals.GOOD_STARTS) for name, m in misfits.items()}
    per_set_good = (time.perf_counter() - begin) / sample

    auto, auto_run, auto_compile = timed(lambda: js.fit_many(LAW, tables, intervals=None))
    whole, whole_run, whole_compile = timed(lambda: js.fit_many(LAW, tables, starts=given, intervals=None))
    judged = timed(lambda: js.fit_many(LAW, tables, intervals=None).to_frame())[1]
    best = {name: min(auto[name].value, whole[name].value, good[name], tight.get(name, np.inf)) for name in some}

    def missed(values: dict[str, float]) -> str:
        off = [v / best[name] - 1 for name, v in values.items()]
        return f"{np.sum(np.array(off) > CLOSE)} of {len(off)} above the best known, worst {max(off):.0e}"

    return [
        Row(
            f"{count:,} sets", f"jaxscale, {STARTS} starts to the end", missed({n: whole[n].value for n in some}),
            whole_run, whole_compile, count * per_set_tight / whole_run,
        ),
        Row(f"{count:,} sets", f"SciPy tight, {STARTS} starts", missed(tight), per_set_tight * count, None, 1.0),
        Row(
            f"{count:,} sets, auto", "jaxscale", missed({n: auto[n].value for n in some}),
            auto_run, auto_compile, count * per_set_good / auto_run,
        ),
        Row(
            f"{count:,} sets, auto", "jaxscale, with every verdict", "a tidy frame", judged, None,
            count * per_set_good / judged,
        ),
        Row(
            f"{count:,} sets, auto", "SciPy least_squares, 4 good starts", missed(good), per_set_good * count, None, 1.0
        ),
    ]  # fmt: skip


def intervals(count: int, sample: int) -> list[Row]:
    """Default intervals of many tables, in CPU seconds of this process, since other cores may be busy: draws against
    SciPy's refits of some of them, and profiles of tables of 12 runs, whose ends SciPy looks at."""
    tables, few = tables_of(count), {f"set {k}": planted(12, k) for k in range(count)}
    job, tight = f"{count:,} sets x 1,000 draws", "SciPy L-BFGS-B tight, one after another"
    fits, run = _with_frame(tables)
    (ours, bfgs, lbfgs), (by_bfgs, by_lbfgs) = _refits(tables, fits, sample)
    rows = [
        Row(job, "jaxscale", f"{1e3 * run / count:.1f} ms of CPU a set; {ours}", run, None, count * by_bfgs / run),
        Row(job, "SciPy BFGS, one after another", bfgs, count * by_bfgs, None, 1.0),
        Row(job, tight, lbfgs, count * by_lbfgs, None, by_bfgs / by_lbfgs),
    ]
    fits, run = _with_frame(few)
    outcome = f"{1e3 * run / count:.1f} ms of CPU a set; {_ends(few, fits, sample)}"
    return [*rows, Row("12 runs, profiles", "jaxscale", outcome, run)]


def _with_frame(tables: dict[str, js.Runs]) -> tuple[js.Fits, float]:
    """Fits with default intervals, and CPU seconds of them and their frame once all is compiled."""
    js.fit_many(LAW, tables)
    begin = time.process_time()
    fits = js.fit_many(LAW, tables)
    fits.to_frame()
    return fits, time.process_time() - begin


def _refits(tables: dict[str, js.Runs], fits: js.Fits, sample: int) -> tuple[list[str], np.ndarray]:
    """Where draws end, by jaxscale and SciPy's BFGS and L-BFGS-B, as many of each of the first sets (every twentieth is
    of one hard kind: fewer, further apart, would be of some kinds alone); CPU seconds of SciPy's for a thousand."""
    some = {name: tables[name] for name in list(tables)[:sample]}
    each, solvers = max(1, sample // len(some)), (rivals.scipy_bfgs, rivals.scipy_tight)
    found = [
        against_refits(runs, js.bootstrap(fits[name], draws=1100), each, solvers, time.process_time)
        for name, runs in some.items()
    ]
    values = np.concatenate([values for values, _ in found])
    off = values / values.min(axis=1, keepdims=True) - 1
    words = [f"{np.sum(x > CLOSE)} of {len(x)} above the least, worst {x.max():.0e}" for x in off.T]
    return words, 1000 * np.mean([seconds for _, seconds in found], axis=0)


def _ends(tables: dict[str, js.Runs], fits: js.Fits, sample: int) -> str:
    """How much the least objectives that SciPy finds with alpha held at either end differ, as a share of their rise."""
    off = []
    for name, runs in list(tables.items())[:sample]:
        low, high = fits[name].intervals.params.get("alpha", (-np.inf, np.inf))
        if not np.isfinite([low, high]).all():
            continue
        misfit = rivals.Misfit(runs.variable("N"), runs.variable("D"), runs.response)
        heights = [_least(misfit, end, fits[name].theta) - fits[name].value for end in (low, high)]
        off.append(abs(heights[1] - heights[0]) / max(heights))
    off = np.array(off)
    return f"both ends of alpha within 1e-5 of one rise in {np.sum(off < 1e-5)} of {len(off)} by SciPy"


def _least(misfit: rivals.Misfit, alpha: float, theta: np.ndarray) -> float:
    """The least objective with alpha held, that SciPy finds from the fit and from good starts."""

    def held(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slopes = misfit.value_and_gradient(np.insert(x, 3, alpha))
        return value, np.delete(slopes, 3)

    options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000, "maxfun": 5000}
    moved = theta + np.array([20.0, 0, 0, 0, 0]) * (alpha - theta[3])  # A goes with alpha
    starts = [np.delete(x, 3) for x in (moved, *rivals.GOOD_STARTS)]
    return min(minimize(held, x, jac=True, method="L-BFGS-B", options=options).fun for x in starts)


def _starts_of(runs: js.Runs) -> np.ndarray:
    """Theta of starts that both sides finish, for every set."""
    with jax.enable_x64(True):
        stack = Stack.of([make_problem(LAW, runs, js.Huber())])
        return screened(stack, stack, seed=0, least=STARTS).free[0][:STARTS]


def streamed(counts: tuple[int, ...], draws: int | None = None) -> list[Row]:
    """Microseconds and memory per set as sets grow in number: chunks in, rows out, nothing kept."""
    some = list(tables_of(200).values())

    def stream(count: int) -> Iterator[tuple[str, js.Runs]]:
        for k in range(count):
            yield str(k), some[k % len(some)]

    options = {"intervals": None} if draws is None else {"intervals": "bootstrap", "draws": draws}
    rows = []
    for count in counts:
        begin = time.perf_counter()
        fitted = sum(int(frame["ok"].sum()) for frame in js.fit_stream(LAW, stream(count), **options))
        run = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        what = "sets" if draws is None else f"sets x {draws} draws"
        outcome = f"{fitted:,} fitted, {1e3 * run / count:.2f} ms a set, {peak:.2f} GB at most"
        rows.append(Row(f"{count:,} {what}", "jaxscale fit_stream, with verdicts", outcome, run, x=count))
    return rows


def devices(count: int) -> list[Row]:
    """`fit_many` on one device and on all of this process: as it is called by default, and without intervals."""
    rows = []
    for some, what, options in (
        (max(1, count // 10), "1,000 draws each", {}),
        (count, "no intervals", {"intervals": None}),
    ):
        tables = tables_of(some)
        seconds = [
            timed(
                lambda given=given, tables=tables, options=options: js.fit_many(LAW, tables, devices=given, **options)
            )
            for given in (jax.devices()[:1], jax.devices())
        ]
        rows += [
            Row(f"{some:,} sets, {what}", f"{n} device{'s' * (n > 1)}", "", run, None, seconds[0][1] / run)
            for n, (_, run, _) in zip((1, len(jax.devices())), seconds, strict=True)
        ]
    return rows
