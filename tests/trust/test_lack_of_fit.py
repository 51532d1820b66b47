"""What speaks against a law beside its scatter: planted misfits at their size, and chances that are uniform without."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import f as fisher

from jaxscale._problem.losses import HuberLoss
from jaxscale._trust import lack_of_fit
from jaxscale._trust.foretelling import foretold
from jaxscale._trust.lack_of_fit import misfits, steps
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.tables_beside import OneTable, SideBySide, side_by_side


def plane(seed=0, n=60, noise=0.004, added=0.0, repeats=1, clusters=None):
    """Runs of a law that is a plane in two logs, `added` to their log response, at its least squares."""
    rng = np.random.default_rng(seed)
    x, y = np.repeat(rng.uniform(-2, 2, (2, n // repeats)), repeats, axis=1)
    off = noise * rng.standard_normal(n) + (added(x, y) if callable(added) else added)
    if clusters is not None:
        off = off + 4 * noise * rng.standard_normal(n)[np.unique(clusters, return_inverse=True)[1]]
    jacobian = np.stack([np.ones(n), x, y], axis=1)
    residuals = jacobian @ np.linalg.lstsq(jacobian, off, rcond=None)[0] - off  # log predicted - log observed
    at = Linearization(
        tuple("abc"), residuals, jacobian, residuals, np.ones(n), HuberLoss(np.inf, 1.0), np.zeros(3, bool)
    )  # fmt: skip
    return at, {"N": x, "D": y}


COUNTS = 60, 80, 9, 200, 40  # of tables side by side


def alone(of, at, logs, clusters=None):
    """What is found of one table."""
    return of(SideBySide.of([OneTable(at, logs, clusters)]))[0]


@pytest.mark.parametrize("runs", [1, 10, 30])
def test_runs_from_some_compute_on_that_lie_lower_are_counted(runs):
    """The F statistic is that of a regression with a column of its own for them, in NumPy."""
    at, logs = plane(4, added=lambda x, y: -0.012 * (x + y >= np.sort(x + y)[-runs]))
    found = alone(steps, at, logs)
    upper = 1.0 * (logs["N"] + logs["D"] >= np.sort(logs["N"] + logs["D"])[-found.runs])
    columns = np.column_stack([at.jacobian, upper])
    left = at.residuals - columns @ np.linalg.lstsq(columns, at.residuals, rcond=None)[0]
    f = (at.residuals @ at.residuals - left @ left) / (left @ left / 56)
    assert found.misfit.f == pytest.approx(f, rel=0.6)  # of a robust fit
    assert found.misfit.p == pytest.approx(fisher.sf(found.misfit.f, 1, 56), rel=1e-9)
    assert found.misfit.p < (0.05 if runs == 1 else 1e-4) and abs(found.runs - runs) <= (0 if runs == 1 else 8)
    coefficient = np.linalg.lstsq(columns, -at.residuals, rcond=None)[0][-1]
    assert found.off == pytest.approx(coefficient, rel=0.2) and found.off == pytest.approx(
        -0.012, abs=0.008 if runs == 1 else 0.005
    )


def test_without_a_step_few_tables_show_one():
    """At the chance from which on it is said, with eight ways to cut: less than one table in a hundred of noise."""
    chances = [alone(steps, *plane(seed, n=40)).misfit.p for seed in range(100)]
    assert np.mean(np.array(chances) < 0.02) < 0.2 and sum(p < 1e-3 for p in chances) <= 3


def test_without_misfit_chances_are_uniform():
    """Each of two nested tests has a uniform chance; that of the less likely one is below it, but not below half."""
    least, late = [], []
    for seed in range(200):
        at, logs = plane(seed)
        least.append(alone(misfits, at, logs).p)
        late.append(alone(foretold, at, logs).p)
    assert 0.02 < np.mean(np.array(least) < 0.05) < 0.12
    assert 0.03 < np.mean(np.array(late) < 0.05) < 0.16  # the least of three cuts
    assert min(least) > 1e-4 and min(late) > 1e-4


def test_the_f_statistic_is_the_one_of_two_regressions():
    """(RSS0 - RSS1) / q over RSS1 / (n - p - q), where no residual is large enough to be downweighted."""
    at, logs = plane(3, added=lambda x, y: 0.004 * x * y)
    x, y = ((v - v.mean()) / v.std() for v in logs.values())
    columns = np.stack([x**0, x, y, x * x, x * y, y * y], axis=1)
    left = at.residuals - columns @ np.linalg.lstsq(columns, at.residuals, rcond=None)[0]
    f = (at.residuals @ at.residuals - left @ left) / 3 / (left @ left / 54)
    found = alone(misfits, at, logs)
    assert found.against.startswith("a quadratic") and found.f == pytest.approx(f, rel=0.35)
    assert found.p == pytest.approx(fisher.sf(found.f, 3, 54), rel=1e-9)


@pytest.mark.parametrize("size", [0.002, 0.01])
def test_a_misfit_is_found_at_its_size(size):
    at, logs = plane(1, n=200, added=lambda x, y: size * x * y / np.std(x * y))
    found = alone(misfits, at, logs)
    assert found.p < 1e-4 and found.size == pytest.approx(size, rel=0.2)
    assert found.ratio > 1.05


def test_repeated_runs_show_what_no_smooth_surface_does():
    """A wave too short for a cubic; sizes that repeat are told from rows that were copied."""
    wave = plane(2, n=80, repeats=4, added=lambda x, y: 0.03 * np.sin(40 * x))
    found = alone(misfits, *wave)
    assert found.against == "runs that repeat" and found.p < 1e-6 and found.size == pytest.approx(0.02, rel=0.3)
    chances = [alone(misfits, *plane(seed, n=80, repeats=4)).p for seed in range(60)]  # the least of three
    assert np.mean(np.array(chances) < 0.01) < 0.1 and min(chances) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [1, 2])
def test_a_table_of_many_runs_is_judged_in_little_memory(repeats):
    """Ten thousand places in the plane, none or each of which repeats: not one column for each."""
    added = (lambda x, y: 0.02 * np.sin(40 * x)) if repeats == 2 else 0.0
    at, logs = plane(n=10_000 * repeats, added=added, repeats=repeats)
    tracemalloc.start()
    found = alone(misfits, at, logs)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3e8
    assert found.against == "runs that repeat" if repeats == 2 else found.p > 1e-3
    if repeats == 2:
        assert found.p < 1e-30


def test_repeats_of_a_table_of_many_runs_are_seen_in_some_of_them(monkeypatch):
    """A wave of a third of the noise, which 4,000 runs show, is seen in 2,000 of them; none where there is none."""
    wave = plane(3, n=4000, repeats=20, added=lambda x, y: 0.002 * np.sin(40 * x))
    whole = alone(misfits, *wave)
    monkeypatch.setattr(lack_of_fit, "_MOST_REPEATS", 2000)
    some = alone(misfits, *wave)
    assert some.against == whole.against == "runs that repeat" and whole.p < some.p < 1e-6
    assert some.size == pytest.approx(whole.size, rel=0.2) and some.ratio > 1.02
    chances = [alone(misfits, *plane(seed, n=2400, repeats=20)).p for seed in range(20)]
    assert min(chances) > 1e-4 and np.mean(np.array(chances) < 0.01) < 0.2


def test_the_largest_runs_are_foretold_and_where_they_are_off_it_is_by_what_was_planted():
    """Outliers among them do not count; an error that whole runs share widens what counts as off."""
    at, logs = plane(0, added=lambda x, y: 0.02 * (x + y > np.sort(x + y)[-13]))
    found = alone(foretold, at, logs)
    assert found.runs == 12 and found.off == pytest.approx(0.02, abs=3 * found.error) and found.p < 1e-4
    outlier = plane(0, added=lambda x, y: 0.5 * (x + y == (x + y).max()))
    assert alone(foretold, *outlier).p > 1e-3
    runs = tuple(f"r{k % 12}" for k in range(60))
    chances = np.array([[alone(foretold, *plane(s, clusters=runs), c).p for c in (None, runs)] for s in range(40)])
    assert np.mean(chances[:, 1] < 0.01) <= 0.15


@pytest.mark.parametrize("of", [misfits, foretold])
def test_tables_of_all_sizes_side_by_side_are_as_each_alone(of):
    """With and without repeated runs, named runs and bounds that hold a value; too few runs for anything too."""
    runs = tuple(f"r{k % 12}" for k in range(60))
    tables = [OneTable(*plane(k, n=n, repeats=1 + k % 2), None if n != 60 else runs) for k, n in enumerate(COUNTS)]
    at, logs = plane(7)
    tables.append(OneTable(replace(at, held=np.array([True, False, False])), logs))
    parts = side_by_side(tables)
    assert len(parts) == 2 and sorted(k for which, _ in parts for k in which) == list(range(6))
    for which, side in parts:
        for k, found in zip(which, of(side), strict=True):
            one = of(SideBySide.of([tables[k]]))[0]
            assert (found is None) is (one is None) and (found is None or found[0] == one[0])
            np.testing.assert_allclose((found or ())[1:], (one or ())[1:], rtol=1e-8)
