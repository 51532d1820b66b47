"""Corpora in a column that lie on different laws are found; columns that change nothing are not."""

import re

import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep

import jaxscale as js
from jaxscale._trust.tables_beside import OneTable, SideBySide
from jaxscale._trust.two_levels import two_levels

RNG = np.random.default_rng(5)
RUNS = sweep(noise=0.004)
CORPUS = np.where(RNG.random(RUNS.count) < 0.5, "web", "books")


def judged(**columns):
    frame = {"N": RUNS.variable("N"), "D": RUNS.variable("D"), "loss": RUNS.response, "corpus": CORPUS, **columns}
    return js.fit(LAW, js.read_runs(frame), intervals=None).verdict


@pytest.mark.parametrize(("lower", "severity"), [(0.0, None), (0.01, "warning"), (0.05, "fatal")])
def test_corpora_of_different_floors_are_told_by_how_far_they_lie_apart(lower, severity):
    verdict = judged(loss=RUNS.response - lower * (CORPUS == "books"))
    found = [r for r in verdict.reasons if r.code == "groups_differ"]
    assert [r.severity for r in found] == ([severity] if severity else [])
    if severity:
        assert "by='corpus' (--by 'corpus')" in found[0].text and "F = " in found[0].text


# --- Without a column ---


def test_two_corpora_that_no_column_tells_apart_are_found_and_their_rows_named():
    """Half of the runs, at random, .1 nats lower; the same levels are found by rows in another order."""
    lower = CORPUS == "books"
    frame = {"N": RUNS.variable("N"), "D": RUNS.variable("D"), "loss": RUNS.response - 0.1 * lower}
    for order in (np.arange(RUNS.count), RNG.permutation(RUNS.count)):
        verdict = js.fit(LAW, js.read_runs({k: v[order] for k, v in frame.items()}), intervals=None).verdict
        (found,) = [r for r in verdict.reasons if r.code == "two_levels"]
        mine = set((np.flatnonzero(lower[order]) + 1).tolist())
        others = set(range(1, RUNS.count + 1)) - mine
        assert found.severity == "warning" and set(found.rows) in (mine, others) and "(--by)" in found.text
        assert f"the {'lower' if set(found.rows) == mine else 'higher'} one" in found.text
        assert 0.03 < float(re.search(r"two levels, (\S+) %", found.text)[1]) / 100 < 0.05  # of some 2.7 nats


def test_noise_is_seldom_two_levels_and_two_levels_are_found_as_by_all_splits():
    """Of a constant, the split that leaves least is found among all, by their sums of squares."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((400, 40))
    constant = np.full((400, 40, 1), 40**-0.5)
    side = beside(constant, x)
    ratio = np.array([found.left if found else 1.0 for found in two_levels(side)])
    assert np.mean(ratio < 1) <= 0.02
    apart = x + 6 * rng.permuted(np.tile(np.arange(40) < 16, (400, 1)), axis=1)
    for row, found in zip(apart, two_levels(beside(constant, apart)), strict=True):
        assert found is not None
        ranked = np.sort(row)
        left = min(ranked[:k].var() * k + ranked[k:].var() * (40 - k) for k in range(8, 33))
        assert found.left == pytest.approx(np.sqrt(left / (40 * row.var())), rel=1e-9)
        assert row[found.lower].max() < row[~found.lower].min()
        assert found.apart == pytest.approx(row[~found.lower].mean() - row[found.lower].mean(), rel=1e-9)


def beside(law: np.ndarray, above: np.ndarray) -> SideBySide:
    """Tables of that many runs, with what the law leaves of them."""
    tables, rows = above.shape
    ones = np.ones(above.shape)
    return SideBySide(
        tables=(OneTable(None, {}),) * tables,  # pyright: ignore
        counts=np.full(tables, rows),
        above=above,
        psi=above,
        weights=ones,
        evened=ones,
        law=law,
        full=np.ones(tables, bool),
        logs=np.zeros((tables, 0, rows)),
    )


def test_rounding_is_no_level():
    frame = {
        "N": RUNS.variable("N"),
        "D": RUNS.variable("D"),
        "loss": np.round(LAW.predict(TRUTH, N=RUNS.variable("N"), D=RUNS.variable("D")), 2),
    }
    assert "two_levels" not in js.fit(LAW, js.read_runs(frame), intervals=None).verdict.codes
