"""What is worked out roughly where it cannot matter changes no verdict: every table beside itself without shortcuts."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW

import jaxscale as js
from jaxscale._fitting import fit_stack
from jaxscale._trust import foretelling, lack_of_fit, left_out, residuals
from jaxscale._trust.judge import judge
from jaxscale._trust.lack_of_fit import misfits
from jaxscale._trust.left_out import changes_without, uncorrelated
from jaxscale._trust.questions import answered
from studies.verdicts import planted

KINDS = [  # of 60 runs and fewer, for one compiled shape
    "a sweep", "25 runs", "heavy tails", "one ray", "a cross term", "large runs not annealed",
    "learning rates not tuned", "three diverged runs", "a run copied",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    """Evidence of tables of several kinds, two of each."""
    judged = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_stack, "judge", lambda some: judged.extend(some) or judge(some))
        runs = {f"{kind} {seed}": planted(kind, seed).runs() for kind in KINDS for seed in range(2)}
        js.fit_many(LAW, runs, intervals=None).to_frame()
    assert len(judged) == 2 * len(KINDS)
    return judged


def fresh(tables):
    """The same, of which nothing is known yet."""
    return [replace(e, at=replace(e.at)) for e in tables]


@pytest.mark.slow
def test_verdicts_are_those_without_shortcuts(tables, monkeypatch):
    quick = judge(fresh(tables))
    monkeypatch.setattr(lack_of_fit, "_WORTH_A_FIT", np.inf)
    monkeypatch.setattr(residuals, "_WORTH_A_FIT", 0.0)
    monkeypatch.setattr(foretelling, "_WORTH_THE_REST", np.inf)
    monkeypatch.setattr(left_out, "_FAR_FROM", 0.0)
    whole = judge(fresh(tables))
    assert [v.reasons for v in quick] == [v.reasons for v in whole]
    assert len({r.code for v in quick for r in v.reasons}) > 8


@pytest.mark.slow
def test_a_misfit_that_is_not_fitted_has_its_chance_nearly(tables, monkeypatch):
    sides = [e.beside[0] for e in fresh(tables)]
    quick = [misfits(side)[0] for side in sides]
    monkeypatch.setattr(lack_of_fit, "_WORTH_A_FIT", np.inf)
    pairs = [(a.p, misfits(side)[0].p) for a, side in zip(quick, sides, strict=True) if a is not None]
    rough = np.array([pair for pair in pairs if pair[0] > 0.1])
    assert len(rough) >= 3 and (rough[:, 1] > 0.01).all()
    assert all(a == b for a, b in pairs if a < 0.01)


@pytest.mark.slow
def test_no_fit_without_a_run_is_made_only_where_none_would_matter(tables):
    for e in fresh(tables):
        units, slopes, to_free = np.arange(e.at.used.sum()), np.eye(len(e.at.names)), uncorrelated([e.at])[0]
        if to_free is None:
            continue
        whole = answered(changes_without(e.at, units, slopes, to_free))
        most = float(np.abs([change for _, change in whole]).max())
        for share in (0.5, 0.9, 0.98, 1.5, 4.0):
            found = answered(changes_without(e.at, units, slopes, to_free, share * most))
            if share < 1:
                assert [unit for unit, _ in found] == [unit for unit, _ in whole]
                off = np.array([change for _, change in found]) - [change for _, change in whole]
                assert np.abs(off).max() < 1e-4 * most
            assert share < 4 or not found
