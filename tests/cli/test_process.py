"""Warnings are a line each, and what the operating system refuses is a sentence and an exit status."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import jaxscale as js

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(js.__file__).parents[1]), "PYTHON": sys.executable}


def shell(command: str, **more: str) -> tuple[int, str, str]:
    """Exit status and both streams of a line for a shell, in which JS is jaxscale."""
    line = f'JS() {{ "$PYTHON" -m jaxscale "$@"; }}; {command}'
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=120, env=ENVIRONMENT | more, check=False
    )
    return done.returncode, done.stdout, done.stderr


needs_a_full_device = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
FULL = "error: cannot write standard output: no space left on device\n"
CLOSED = "error: cannot write standard output: it is closed\n"


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize(
    ("command", "status", "out", "err"),
    [
        pytest.param("JS --version >/dev/full", 2, "", FULL, marks=needs_a_full_device),
        pytest.param("JS fit --help >/dev/full", 2, "", FULL, marks=needs_a_full_device),
        pytest.param("JS nosuch >/dev/full 2>/dev/full", 2, "", "", marks=needs_a_full_device),
        pytest.param("JS nosuch 2>/dev/full", 2, "", "", marks=needs_a_full_device),
        ("JS --version >&-", 2, "", CLOSED),
        ("JS --version 2>&-", 0, f"jaxscale {js.__version__}\n", ""),
        ("JS nosuch 2>&-", 2, "", ""),
        ("JS nosuch <&- >&- 2>&-", 2, "", ""),
        ("{ JS fit --help; echo $? >&2; } | true", 0, "", "141\n"),
    ],
)
def test_streams_that_are_full_or_closed(command, status, out, err):
    assert shell(command) == (status, out, err)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closes streams as a POSIX shell does")
def test_a_file_is_written_whole_though_both_streams_are_closed(folder):
    plan = "JS frontier chinchilla:besiroglu --budget 1e21 -o plan.json"
    assert shell(f"{plan} <&- >&- 2>&-") == (0, "", "")
    written = (folder / "plan.json").read_text()
    assert shell("JS frontier chinchilla:besiroglu --budget 1e21 --json")[1] == written
    assert shell("JS fit - <&-") == (2, "", "error: standard input is empty\n")


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["a file", "nowhere", "no home"])
def test_a_cache_that_cannot_be_written_is_done_without(folder, monkeypatch, cache):
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAXSCALE_CACHE", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delitem(ENVIRONMENT, name, raising=False)
    more = {"a file": {"XDG_CACHE_HOME": str(folder / "runs.csv")}, "nowhere": {"HOME": "/proc"}}.get(cache, {})
    status, out, err = shell("JS allocate chinchilla:besiroglu --budget 1e21", **more)
    assert status == 0 and "2.778B" in out
    said = [line for line in err.splitlines() if "compiles" not in line and line != "planning ..."]  # a slow machine
    assert said == []


def test_our_warnings_are_a_line_each_and_those_of_others_are_not_shown(jaxscale, monkeypatch):
    get = js.laws.get

    def warn(name):
        warnings.warn("units\x1b[2J look odd", js.DataWarning, stacklevel=1)
        warnings.warn("something inside", DeprecationWarning, stacklevel=1)
        return get(name)

    monkeypatch.setattr(js.laws, "get", warn)
    status, _, err = jaxscale("laws", "chinchilla")
    assert (status, err) == (0, "warning: units\\x1b[2J look odd\n")
