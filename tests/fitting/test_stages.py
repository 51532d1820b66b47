"""What is heard while a fit is made, and that a fit can be ended there."""

import io
import sys
import time
from itertools import groupby

import jax
import numpy as np
import pytest

import jaxscale as js
from jaxscale._base import progress
from jaxscale._base.programs import Program

STAGES = ["screening", "searching", "finishing", "intervals", "bootstrap draws", "verdict"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def stages_of(told):
    """Stages in their order, without the compilations between."""
    return [what for what, _ in groupby(what for _, _, what in told if what != progress.COMPILING)]


def test_stages_of_a_fit_are_told_in_their_order(frame):
    told = []
    js.fit("chinchilla", frame, progress=lambda *x: told.append(x))
    assert stages_of(told) == STAGES
    assert (1000, 1000, "bootstrap draws") in told


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("stage", STAGES)
def test_a_fit_is_ended_from_any_stage_and_leaves_nothing_behind(stage, error, frame, result):
    told = []

    def stop(done, total, what):
        told.append(what)
        if what == stage:
            raise error("enough")

    before = jax.config.jax_enable_x64, jax.config.jax_debug_nans, np.geterr()
    with pytest.raises(error, match="enough"):
        js.fit("chinchilla", frame, progress=stop)
    assert told[-1] == stage
    assert (jax.config.jax_enable_x64, jax.config.jax_debug_nans, np.geterr()) == before
    progress.tell(1, 1, stage)  # nobody hears it
    assert told.count(stage) == 1
    if stage == "searching":
        assert js.fit("chinchilla", frame).to_dict() == result.to_dict()


def test_groups_are_told_as_they_are_done_and_end_where_told_to(groups, monkeypatch):
    monkeypatch.setattr("jaxscale._fitting.fit_groups.MOST_STACKED", 1)
    told = []
    fits = js.fit_many("chinchilla", groups, by="corpus", intervals=None, progress=lambda *x: told.append(x))
    assert list(dict.fromkeys(x for x in told if x[2] != progress.COMPILING)) == [(k, 3, "groups") for k in range(4)]

    def stop(done, total, what):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        js.fit_many("chinchilla", groups, by="corpus", intervals=None, progress=stop)
    told.clear()
    pairs = iter([(name, rows.drop(columns="corpus")) for name, rows in groups.groupby("corpus")])
    for frame in js.fit_stream("chinchilla", pairs, intervals=None, progress=lambda *x: told.append(x)):
        assert len(frame) == len(fits) and told[-1] == (3, 0, "groups")


def test_a_compilation_is_told_where_it_happens(monkeypatch):
    monkeypatch.setenv("JAXSCALE_CACHE", "off")
    told = []
    program, listening = Program(lambda x: x * 1.75 + 3), progress.listening(lambda *x: told.append(x))
    with listening:
        progress.tell(2, 5, "fits")
        with progress.listening(None):  # a part of the whole, which is told of
            progress.tell(0, 0, "searching")
            program(np.arange(3.0))
            program(np.arange(3.0))
    assert told == [(2, 5, "fits"), (0, 0, "compiling"), (2, 5, "fits")]


@pytest.mark.parametrize(("stream", "said"), [(Terminal, 1), (io.StringIO, 0)])
def test_a_terminal_is_told_once_of_a_call_that_compiles_for_long(stream, said, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr("jaxscale._base.progress._SLOW", 0.05)
    monkeypatch.setattr("jaxscale._base.progress._ON_TERMINAL", progress.Patience())
    for _ in range(3):  # none of which takes that long alone
        with progress.compiling():
            time.sleep(0.03)
    assert sys.stderr.getvalue().count("jaxscale: compiling (the first time; later calls find it ready)\n") == said
    assert sys.stderr.getvalue().count("\n") == said


def test_what_compiles_quickly_is_not_mentioned(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("jaxscale._base.progress._ON_TERMINAL", progress.Patience())
    with progress.compiling():
        pass
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    with progress.compiling():
        pass


def test_a_line_is_shown_to_who_asks_for_one(frame, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("jaxscale._base.progress._SLOW", 0.0)
    js.fit("chinchilla", frame, intervals=None, progress=True)
    text = sys.stderr.getvalue()
    assert text.startswith("\r\x1b[Kfitting") and text.endswith("\r\x1b[K") and "\n" not in text


def test_the_line_has_stages_counts_rates_and_what_is_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    now, said = 0.0, []
    shown = progress.Shown("fitting", clock=lambda: now, say=lambda text, end: said.append(text + end))
    for after, event in (
        (11.0, (0, 0, "screening")),
        (22.0, (0, 0, "compiling")),
        (33.0, (8, 0, "searching")),
        (40.0, (0, 400, "groups")),
        (41.0, (0, 0, "compiling")),
        (41.5, (0, 400, "groups")),
        (60.0, (100, 400, "groups")),
    ):
        now = after
        shown(*event)
    shown.close()
    assert said == [
        "fitting: screening ...\n",
        "fitting: compiling (the first time; later calls find it ready) ...\n",
        "searching: 8 done, 0.727 a second\n",
        "groups: 100 of 400, 5 a second, 60 s left\n",
    ]
