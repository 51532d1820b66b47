"""Corpora in a column that lie on different laws are found; columns that change nothing are not."""

import numpy as np
import pytest
from helpers import LAW, sweep

import jaxscale as js

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
