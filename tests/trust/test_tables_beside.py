"""Tables judged side by side are judged as each would be alone, whatever stands beside them."""

from dataclasses import replace

import pytest
from helpers import LAW

import jaxscale as js
from jaxscale._fitting import fit_stack
from jaxscale._trust.judge import judge
from studies.verdicts import planted

KINDS = [  # of 60 runs and fewer, for one compiled shape
    "a sweep", "25 runs", "15 runs", "heavy tails", "one ray", "five runs", "one loss for all", "a cross term",
    "large runs not annealed", "learning rates not tuned", "three diverged runs", "a run copied",
]  # fmt: skip


@pytest.mark.slow
def test_a_stack_of_tables_is_judged_as_each_alone(monkeypatch):
    judged = []

    def remembered(tables):
        judged.extend(zip(tables, verdicts := judge(tables), strict=True))
        return verdicts

    monkeypatch.setattr(fit_stack, "judge", remembered)
    js.fit_many(LAW, {kind: planted(kind, 0).runs() for kind in KINDS}, intervals=None).to_frame()
    assert len(judged) == len(KINDS) and len({code for _, verdict in judged for code in verdict.codes}) > 8
    for beside, verdict in judged:
        [alone] = judge([replace(beside, at=replace(beside.at))])  # of which nothing is known yet
        assert (verdict.reasons, verdict.scope, verdict.next_step) == (alone.reasons, alone.scope, alone.next_step)
        for ours, theirs in zip(verdict.margins, alone.margins, strict=True):
            assert ours.known == pytest.approx(theirs.known, rel=1e-9)
