"""Progress, and what to know before believing a prediction."""

import io
import json
import re
import sys
import threading

import pytest
from helpers import table_text

from jaxscale._cli import printing


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line_that_is_wiped(monkeypatch):
    now = 0.0
    monkeypatch.setattr(sys, "stderr", Terminal())
    with printing.progress("fitting", clock=lambda: now) as progress:
        now = 59.0
        progress(1, 4, "groups\x1b[2J")  # not yet slow
        assert sys.stderr.getvalue() == ""
        now = 62.0
        progress(1, 4, "groups\x1b[2J")
        now = 62.1
        progress(2, 4, "groups\x1b[2J")  # just said
        now = 64.0
        progress(2, 4, "groups\x1b[2J")
    text = sys.stderr.getvalue()
    assert re.findall(r"groups\S*: .* left", text.replace("\r", "\n")) == [
        "groups\\x1b[2J: 1 of 4, 0.0161 a second, 186 s left",
        "groups\\x1b[2J: 2 of 4, 0.0312 a second, 64 s left",
    ]
    assert "\n" not in text
    assert text.endswith("\r\x1b[K")
    assert "\x1b[2J" not in text


class Awaited(io.StringIO):
    """A stream that one can wait for."""

    def __init__(self):
        super().__init__()
        self.spoken = threading.Event()

    def flush(self):
        self.spoken.set()


def test_progress_elsewhere_is_a_line_after_a_while_and_none_for_quick_work(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Awaited())
    with printing.progress("fitting") as progress:
        progress(1, 2, "groups")
    assert sys.stderr.getvalue() == ""
    monkeypatch.setattr("jaxscale._base.progress._SLOW", 0.01)
    with printing.progress("fitting"):
        assert sys.stderr.spoken.wait(30)
    assert sys.stderr.getvalue().startswith("fitting ...")
    assert sys.stderr.getvalue().count("\n") == 1


def test_predict_says_how_far_it_extrapolates_and_from_what(jaxscale, folder):
    """The runs reach from 100M to 10B parameters and from 2B to 400B tokens."""
    jaxscale("fit", "runs.csv", "--intervals", "quick", "-o", "fit.json")
    row = json.loads(jaxscale("predict", "fit.json", "-N", "70B", "-D", "1B", "--json")[1])["rows"][0]
    assert row["beyond_runs"] == pytest.approx({"N": 7.0, "D": 0.5})
    assert row["trustworthy"] is True
    out = " ".join(jaxscale("predict", "fit.json", "-N", "70B", "-D", "1B")[1].split())
    assert "N is 7 times the largest run's" in out
    assert "Beyond the runs, numbers hold only if the law does." in out
    assert "extrapolates" not in jaxscale("predict", "fit.json", "-N", "10B", "-D", "2B")[1]
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", table_text()))
    jaxscale("fit", "one_d.csv", "--intervals", "none", "-o", "fit.json")
    out = " ".join(jaxscale("predict", "fit.json", "-N", "1B", "-D", "2B")[1].split())
    assert "NOT TRUSTWORTHY: D takes only one value in these runs" in out
    assert "no interval: not asked for" in out
