"""Fits that are done but for their record."""

import jaxscale as js
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
