"""What a refused fit is told to do next: runs that do what is said of them, and what the table gives."""

import re

import numpy as np
import pytest
from helpers import LAW, TRUTH

import jaxscale as js
from jaxscale._base.text import parse_number

SWEEP = js.synthetic.isoflop_design(np.geomspace(1e18, 1e20, 4), 5, spread=8.0)
SIZES = np.geomspace(1e7, 1e10, 20)


def fitted(N, D, noise=0.003, bend=0.0) -> js.FitResult:
    loss = LAW.predict(TRUTH, N=N, D=D) * np.exp(noise * np.random.default_rng(0).standard_normal(len(N)))
    loss = loss * np.exp(bend * (np.log(N) - np.log(N).mean()) * (np.log(D) - np.log(D).mean()))
    return js.fit(LAW, js.Runs({"N": N, "D": D}, loss), intervals="quick")


@pytest.mark.slow
def test_the_runs_that_are_asked_for_do_what_is_said_of_them():
    before = fitted(*SWEEP, noise=0.02).verdict
    found = re.search(r"Next: (\d+) runs at (\S+) FLOPs .* from (\S+) to (\S+) param.* to x(\S+) and", before.next_step)
    assert not before.trustworthy and found is not None, before.next_step
    count, flops, low, high, factor = int(found[1]), *map(parse_number, found.groups()[1:])
    N = np.resize(np.geomspace(low, high, 5), count)
    after = fitted(np.append(SWEEP[0], N), np.append(SWEEP[1], flops / (6 * N)), noise=0.02).verdict
    assert after.trustworthy and after.next_step == ""
    assert 1 < after.margins[0].known < 1.1 * factor  # another fit, other noise
    assert "isoflop (jaxscale isoflop)" in before.next_step


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ((SIZES, 20 * SIZES), "Next: isoFLOP runs, 3 budgets from"),
        ((np.full(20, 1e9), np.geomspace(1e9, 1e12, 20)), "so that tokens per parameter run from"),
        ((SIZES, 20 * SIZES[::-1] * 1e-3), "Next: mend the table"),
    ],
)
def test_tables_that_cannot_tell_are_told_what_would(runs, said):
    assert said in fitted(*runs).verdict.next_step


def test_no_runs_are_asked_for_where_the_loss_is_the_same_in_all():
    runs = js.Runs({"N": SWEEP[0], "D": SWEEP[1]}, np.full(20, 2.5))
    verdict = js.fit(LAW, runs, intervals=None).verdict
    assert verdict.next_step == "Next: another column of the loss, as this one is the same in every run."
    alone = js.fit(LAW, runs.subset([0]), intervals=None).verdict
    assert alone.next_step.startswith("Next: isoFLOP runs")


def test_no_runs_are_asked_for_where_the_law_is_wrong():
    verdict = fitted(*SWEEP, bend=0.03).verdict
    assert verdict.next_step.startswith("Next: another law (compare)"), verdict
    assert type(verdict).from_dict(verdict.to_dict()) == verdict
