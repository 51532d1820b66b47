"""Every command under every fault from outside: a sentence and the right status, and what can be done is done.

A command computes once; under the faults it is given what its public functions returned, so that 29 commands meet
eight faults in one process. `test_process.py` has processes of their own.
"""

import contextlib
import io
import os
import resource
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import table_text

import jaxscale as js
from jaxscale._cli import app

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")

# What each command is asked for, where `made` has put its files.
WORDS = {
    "demo": "",
    "fit": "runs.csv --intervals none",
    "merge": "fits/",
    "compare": "runs.csv --laws power_law --holdout 'params > 1e9'",
    "predict": "fit.json -N 1e9 -D 1e11",
    "card": "fit.json",
    "report": "fit.json",
    "app": "",
    "bootstrap": "fit.json --draws 20",
    "profile": "fit.json alpha",
    "influence": "fit.json alpha --one-step",
    "bias": "fit.json --budget 1e21",
    "multiverse": "runs.csv --budget 1e21 --laws chinchilla",
    "approaches": "sweep.csv --draws 0",
    "isoflop": "sweep.csv --draws 0",
    "envelope": "runs.csv --draws 0",
    "frontier": "fit.json --budget 1e21",
    "solve": "hours.json --reach 5",
    "what-if": "chinchilla:besiroglu --budget 1e21 --set E=1.8",
    "allocate": "chinchilla:besiroglu --budget 1e21",
    "next-runs": "fit.json --budget 1e20 --at 1e22",
    "recipe": "-N 1e9 -D 1e11",
    "multiplier": "old=fit.json new=fit.json --budget 1e21",
    "forecast": "fit.json --at N=1B,D=100B",
    "score": "new.csv said.json",
    "skills": "skills.json --at N=70B,D=15T,family=b",
    "watch": "curves.csv new --until 1B",
    "models": "",
    "laws": "",
}
WRITES_NOTHING = {"allocate", "app", "demo", "laws", "models", "predict", "solve"}
FUNCTIONS = [name for command in WORDS if (name := command.replace("-", "_")) in js.__all__ and name != "laws"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a file of each kind that commands read."""
    folder = tmp_path_factory.mktemp("faults")
    with contextlib.chdir(folder):
        (folder / "runs.csv").write_text(table_text())
        fit = js.fit("chinchilla", "runs.csv", intervals="quick")
        fit.save("fit.json")
        js.forecast(fit, [{"N": 1e9, "D": 2e10}]).save("said.json")
        (folder / "new.csv").write_text("N,D,loss\n1e9,2e10,2.9\n")
        names, scores = ["mmlu", "gsm8k"], np.linspace(-2, 2, 9)
        tokens, sizes = np.repeat([1e12, 2e12, 3e11], 3), np.tile([1e9, 7e9, 7e10], 3)
        models = {"family": list("aaabbbccc"), "N": sizes, "D": tokens}
        models |= {name: 1 / (1 + np.exp(-x * scores)) for name, x in zip(names, (1.0, 1.5), strict=True)}
        js.skills(pd.DataFrame(models), scores=names, N="N", D="D", family="family", number=1).save("skills.json")
        steps = np.linspace(0.05, 1, 20)
        curves = [(f"run {k}", 1e9 * x, 2 + (1 + k / 10) * x**-0.2) for k in range(6) for x in steps]
        curves += [("new", 1e9 * x, 2.3 + x**-0.2) for x in steps[:8]]
        pd.DataFrame(curves, columns=pd.Index(["run", "tokens", "loss"])).to_csv("curves.csv", index=False)
        groups = table_text(group="a") + table_text(group="b", header=False)
        (folder / "sets.csv").write_text(groups)  # no group can be fitted, so that nothing is compiled
        assert app.run(shlex.split("fit sets.csv --by corpus --where 'loss < 0' --shard 1/1 -o fits/")) == 0
        js.synthetic.demo_frame().to_csv("sweep.csv", index=False)
        hours = np.array([10.0, 30, 100, 300, 1000, 3000])
        pd.DataFrame({"hours": hours, "wer": 4 + 60 * hours**-0.45}).to_csv("hours.csv", index=False)
        runs = js.read_runs("hours.csv", response="wer", hours="hours")
        js.fit(js.laws.power_law("hours"), runs, intervals=None).save("hours.json")
    return folder


class Kept:
    """The public functions of jaxscale, each of which computes once and then returns or raises the same again."""

    def __init__(self, monkeypatch):
        self.known, self.turn = {}, {}
        for name in FUNCTIONS:
            monkeypatch.setattr(js, name, self.keep(name, getattr(js, name)))

    def keep(self, name, function):
        def again(*given, **options):
            turn = self.turn[name] = self.turn.get(name, 0) + 1
            if (name, turn) not in self.known:
                self.known[name, turn] = function(*given, **options)
            return self.known[name, turn]

        return again

    def run(self, words, stdout, stderr):
        """The status of a command as a process of its own would end with these streams, from the beginning."""
        self.turn = {}
        before, numbers = (sys.stdout, sys.stderr), [os.dup(1), os.dup(2)]
        try:
            sys.argv, sys.stdout, sys.stderr = ["jaxscale", *shlex.split(words)], stdout, stderr
            return app.main()
        finally:
            sys.stdout, sys.stderr = before
            for number, kept in enumerate(numbers, 1):  # what was put in the place of a closed stream
                os.dup2(kept, number)
                os.close(kept)


def full():
    return open("/dev/full", "w", buffering=1)


def unread():
    read, write = os.pipe()
    os.close(read)
    return open(write, "w", buffering=1)


def has_failed(err):
    return "Traceback" in err or "internal failure" in err


@pytest.mark.slow
@pytest.mark.parametrize("command", WORDS)
def test_a_command_under_faults(command, made, monkeypatch):
    monkeypatch.chdir(made)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(js, "serve", lambda runs, *, say, **_: say("The page is there"))
    kept, words = Kept(monkeypatch), f"{command} {WORDS[command]}"
    out, err = io.StringIO(), io.StringIO()
    assert kept.run(words, out, err) == 0, err.getvalue()
    expected = out.getvalue()
    for stream, status in ((full(), 2), (None, 2), (unread(), 141)):
        err = io.StringIO()
        status = status if expected else 0  # the page tells its address on standard error
        assert kept.run(words, stream, err) == status
        assert not has_failed(err.getvalue()) and err.getvalue().count("error: ") == (status == 2), err.getvalue()
        with contextlib.suppress(OSError, AttributeError):
            stream.close()
    for stream in (full(), None, unread()):
        out = io.StringIO()
        assert (kept.run(words, out, stream), out.getvalue()) == (0, expected)
        with contextlib.suppress(OSError, AttributeError):
            stream.close()
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JAXSCALE_CACHE", str(made / "runs.csv"))
    out, err = io.StringIO(), io.StringIO()
    assert (kept.run(words, out, err), out.getvalue()) == (0, expected)
    assert not has_failed(err.getvalue()) and "error: " not in err.getvalue()
    if command not in WRITES_NOTHING:
        check_that_no_room_is_told(kept, f"{words} -o out.{'parquet' if command == 'merge' else 'json'}", made)


def check_that_no_room_is_told(kept, words, folder):
    """With room for a few bytes in each file: a sentence that names the file, and none of it left."""
    there = sorted(os.listdir(folder))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out, err = io.StringIO(), io.StringIO()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
        status = kept.run(words, out, err)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (status, out.getvalue()) == (2, "")
    said = err.getvalue()
    assert "error: cannot write " in said and f"'{words.split()[-1]}'" in said and not has_failed(said)
    assert sorted(os.listdir(folder)) == there
