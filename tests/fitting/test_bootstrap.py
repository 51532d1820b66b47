"""Draws of the bootstrap are optima of their own runs, by SciPy, and follow seed, pins and clusters."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import minimise, table_of

import jaxscale as js
from jaxscale._problem.problem import make_problem
from jaxscale._trust.draw_weights import resampled


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


@pytest.fixture(scope="module")
def full(runs) -> js.FitResult:
    return js.fit(LAW, runs)


@pytest.mark.parametrize("kind", ["pairs", "bayesian"])
def test_every_draw_is_an_optimum_of_its_own_runs(kind, runs, full):
    """SciPy, started at the draw and at the truth, finds nothing lower."""
    drawn = js.bootstrap(full, kind=kind, draws=20, seed=3)
    problem = make_problem(LAW, runs, full.objective)
    weights = resampled(problem, 20, np.random.default_rng(3), None, kind).weights[:, : runs.count]
    assert len(drawn.draws) == 20 and drawn.method == kind and drawn.seed == 3
    for k in range(6):
        table = table_of(runs, weights=weights[k])
        value = table.value(drawn.draws[k])
        for start in (drawn.draws[k], LAW.theta(TRUTH), full.theta):
            assert value <= table.value(minimise(table, start)) * (1 + 1e-9)


def test_draws_follow_their_seed(full):
    one, same, other = (js.bootstrap(full, draws=30, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.draws, same.draws)
    assert not np.array_equal(one.draws, other.draws)


@pytest.mark.slow
def test_bootstrap_respects_pins(runs):
    result = js.fit(LAW, runs, fixed={"E": 1.8}, tied=[("alpha", "beta")], intervals=None)
    drawn = js.bootstrap(result, draws=20)
    np.testing.assert_array_equal(drawn.draws[:, 2], np.log(1.8))
    np.testing.assert_array_equal(drawn.draws[:, 3], drawn.draws[:, 4])


def test_bootstrap_needs_the_runs_of_the_fit(full):
    with pytest.raises(js.InputError, match="does not carry its runs"):
        js.bootstrap(replace(full, runs=None))
    with pytest.raises(js.InputError, match="not the runs of the fit"):
        js.bootstrap(full, runs=sweep(seed=9))


def test_clusters_widen_the_intervals():
    """Sixty rows that are copies of twenty runs carry the information of twenty."""
    base = sweep(2)
    tripled = base.subset(np.repeat(np.arange(20), 3))
    apart = js.fit(LAW, tripled)
    together = js.fit(LAW, replace(tripled, clusters=tuple(map(str, tripled.rows))))
    assert together.intervals.method == "cluster_pairs_percentile" and "20 independent runs" in together.intervals.why
    ratio = together.intervals.standard_errors["alpha"] / apart.intervals.standard_errors["alpha"]
    assert 1.2 < ratio < 6  # sqrt(3) for many runs
    assert js.bootstrap(together, draws=20).method == "cluster_pairs"
    assert js.bootstrap(together, kind="bayesian", draws=20).method == "cluster_bayesian"


LINE = js.laws.power_law("D", floor=False)


def line(**options) -> js.Runs:
    D = np.geomspace(1e9, 1e12, 40)
    noise = 0.02 * np.random.default_rng(0).standard_normal(40) * np.linspace(0.5, 2, 40)
    return replace(js.Runs({"D": D}, 30 * D**-0.08 * np.exp(noise)), **options)


def squares(**options) -> js.FitResult:
    return js.fit(LINE, line(**options), objective=js.SquaredError(), intervals=None)


def test_a_kind_is_refused_where_it_does_not_cover():
    fitted = squares()
    near_absolute = replace(fitted, objective=js.Huber(1e-3))
    for result in (near_absolute, replace(fitted, objective=js.AbsoluteError())):
        with pytest.raises(js.InputError, match=r"cover 60 to 88 %.*kind='pairs'"):
            js.bootstrap(result, kind="wild")
    with pytest.raises(js.InputError, match=r"cover 76 to 86 %.*'wild'"):
        js.bootstrap(fitted, kind="bayesian")
    with pytest.raises(js.InputError, match="cannot change signs"):
        js.bootstrap(replace(fitted, objective=js.SquaredError(overestimate=2)), kind="wild")
    with pytest.raises(js.InputError, match="kind must be"):
        js.bootstrap(fitted, kind="parametric")
