"""Fits that are done but for their record."""

from dataclasses import replace

import numpy as np
import pytest

import jaxscale as js
from jaxscale._fitting import fit_stack
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.pending import Pending


def test_a_verdict_is_reached_once_and_when_somebody_looks(frame):
    made = []

    def make() -> js.FitResult:
        made.append(js.fit("chinchilla", frame, intervals=None))
        return made[-1]

    pending = Pending(make)
    assert made == []
    assert pending.result is pending.result is made[0] and len(made) == 1


def test_the_groups_of_a_table_are_pending_until_looked_at(frame):
    fits = js.fit_many("chinchilla", {"a": frame, "b": frame.head(0)}, intervals=None)
    (_, fitted), (_, failed) = fits.entries
    assert isinstance(fitted, Pending) and not isinstance(failed, Pending)
    assert fits["a"] is fitted.result is dict(fits)["a"]


def test_what_fails_one_table_takes_no_record_of_another(frame, monkeypatch):
    """A fault while one of three is judged: the others' verdicts are those of fits alone, and it is named."""
    clean = js.fit("chinchilla", frame, intervals=None)
    usual = fit_stack.judge

    def judge(tables):
        if any(table.runs.count == len(frame) - 1 for table in tables):
            raise ZeroDivisionError("planted")
        return usual(tables)

    monkeypatch.setattr(fit_stack, "judge", judge)
    fits = js.fit_many("chinchilla", {"a": frame, "b": frame.iloc[1:], "c": frame}, intervals=None)
    items = dict(fits.items)
    for name in "ac":
        verdict = fits[name].verdict
        assert replace(verdict, margins=clean.verdict.margins) == clean.verdict
        known = [[margin.known for margin in each.margins] for each in (verdict, clean.verdict)]
        np.testing.assert_allclose(*known, rtol=1e-14)  # fitted side by side, a table's last bits may differ
    assert items["b"] == Failure("no_verdict", "its verdict failed: ZeroDivisionError: planted")
    assert list(fits.to_frame()["ok"]) == [True, False, True]
    with pytest.raises(ZeroDivisionError, match="planted"):
        js.fit("chinchilla", frame.iloc[1:], intervals=None)
