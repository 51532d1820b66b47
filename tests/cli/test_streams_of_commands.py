"""Commands, as their standard output is full, or nobody reads it: a sentence and a status, no more."""

import os
import shlex
import sys
from contextlib import suppress

import pytest
from helpers import table_text

import jaxscale as js
from jaxscale._cli import app

# What each command is asked for, where `runs.csv` and `fit.json` lie: those that take long print as these do.
QUICK = {"merge": "nowhere", "recipe": "-N 1e9 -D 1e11", "score": "nowhere.json", "skills": "runs.csv", "laws": ""}
WITH_A_FIT = {
    "fit": "runs.csv --intervals none", "compare": "runs.csv --laws chinchilla", "predict": "fit.json -N 1e9 -D 1e11",
    "card": "fit.json", "report": "fit.json --format json", "bootstrap": "fit.json --draws 2",
    "isoflop": "runs.csv --draws 0", "envelope": "runs.csv --draws 0", "frontier": "fit.json --budget 1e21",
    "allocate": "chinchilla:besiroglu --budget 1e21", "multiplier": "fit.json fit.json --at 1e21",
    "forecast": "fit.json -N 1e9 -D 1e11",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    (folder / "runs.csv").write_text(table_text())
    js.fit("chinchilla", str(folder / "runs.csv"), intervals="quick").save(folder / "fit.json")
    return folder


def full():
    return open("/dev/full", "w", buffering=1)


def unread():
    read, write = os.pipe()
    os.close(read)
    return open(write, "w", buffering=1)


def check(words: str, monkeypatch, capfd) -> None:
    """Status 2 and a sentence where nothing can be written, 141 where nobody reads; other failures stay."""
    monkeypatch.setattr(sys, "argv", ["jaxscale", *shlex.split(words)])
    for stream, status in ((full(), 2), (unread(), 141)):
        monkeypatch.setattr(sys, "stdout", stream)
        found = app.main()
        with suppress(OSError):
            stream.close()
        err = capfd.readouterr().err
        assert "Traceback" not in err and "internal failure" not in err, err
        assert found == status or (found == 2 and "error: " in err), (found, err)
        assert status != 2 or err.count("error: ") == 1, err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", QUICK)
def test_a_quick_command_without_a_place_to_write(command, folder, monkeypatch, capfd):
    check(f"{command} {QUICK[command]}", monkeypatch, capfd)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", WITH_A_FIT)
def test_a_command_without_a_place_to_write(command, made, monkeypatch, capfd):
    monkeypatch.chdir(made)
    check(f"{command} {WITH_A_FIT[command]}", monkeypatch, capfd)
