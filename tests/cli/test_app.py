"""The command line as a whole: help, versions, exit statuses, and a process that is set up first."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import jaxscale as js
from jaxscale._cli import app

COMMANDS = (
    *("demo", "fit", "merge", "compare", "predict"),
    *("show", "card", "report", "app", "bootstrap", "profile", "influence", "bias", "multiverse"),
    *("approaches", "isoflop", "envelope", "frontier", "solve", "what-if", "allocate"),
    *("next-runs", "recipe", "multiplier", "forecast", "score", "skills", "watch", "models", "laws"),
)


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(js.__file__).parents[1])}


def process(*arguments: str, environment: Mapping[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "jaxscale", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=dict(environment), check=False)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("fit", "--help")])
def test_help_and_version_are_quick(arguments):
    """Half a second from start to end, counted in processor time, since other work may hold the cores."""
    seconds = []
    while len(seconds) < 3 and min(seconds, default=1.0) >= 0.5:
        before = os.times()
        assert process(*arguments).returncode == 0
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy():
    heavy = "{'jax', 'numpy', 'pandas', 'scipy', 'rich'}"
    code = (
        f"import sys; from jaxscale._cli.app import run; run(['fit', '-h']); print(sorted({heavy} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=ENVIRONMENT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_the_commands_and_each_has_its_own(jaxscale):
    status, out, _ = jaxscale("--help")
    assert status == 0
    assert re.findall(r"^  ([\w-]+) {2,}\w", out.partition("Commands:")[2], re.MULTILINE) == list(COMMANDS)
    assert "..." not in out.partition("Commands:")[2]  # one-line descriptions are whole
    for command in COMMANDS:
        assert jaxscale(command, "--help")[0] == 0


def test_amounts_of_compute_in_help_are_amounts_that_are_read(jaxscale):
    amounts = set()
    for command in COMMANDS:
        words = " ".join(jaxscale(command, "--help")[1].split())
        amounts |= set(re.findall(r"'(?:budget=)?[+]?(\d+ x \w+ x [^']*)'", words))
    assert {"512 x H100 x 45 days @ 40%", "512 x H100 x 1 week @ 40%"} <= amounts
    assert all(js.costs.budget(amount, "six_nd") > 1e20 for amount in amounts)


def test_help_says_that_a_law_of_ones_own_runs_code(jaxscale):
    for command in ("fit", "predict", "frontier"):
        assert "RUNS THE CODE" in " ".join(jaxscale(command, "--help")[1].split())


def test_version(jaxscale):
    assert jaxscale("--version") == (0, f"jaxscale {js.__version__}\n", "")


def test_no_command_is_a_usage_error_that_shows_the_help(jaxscale):
    status, out, err = jaxscale()
    assert (status, out) == (2, "")
    assert "Commands:" in err


def test_an_internal_failure_is_status_3_and_says_how_to_report_it(jaxscale, monkeypatch, capsys):
    def fail(name):
        raise RuntimeError("a\nb\x1b[2J")

    monkeypatch.setattr(js.laws, "get", fail)
    status, out, err = jaxscale("laws", "chinchilla")
    assert (status, out) == (3, "")
    assert "RuntimeError" in err
    assert "report" in err
    assert err.count("\n") == 2
    monkeypatch.setenv("JAXSCALE_DEBUG", "1")
    assert app.run(["laws", "chinchilla"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_status_130_and_one_line(jaxscale, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(js, "frontier", interrupt)
    status, out, err = jaxscale("frontier", "chinchilla:besiroglu", "--budget", "1e21", "-o", "plan.json")
    assert (status, out) == (130, "")
    assert err.count("\n") == 1
    assert not os.path.exists("plan.json")


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "jaxscale", "laws"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as running:
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.fixture
def home(tmp_path) -> dict[str, str]:
    """The environment of a user with a fresh home and no settings of JAX."""
    kept = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("JAX_", "JAXSCALE_", "XDG_"))}
    return kept | {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}


def test_the_process_is_set_up_before_jax_is_imported(tmp_path, home):
    code = """
import os, sys
sys.argv = ["jaxscale", "laws", "power_law"]
from jaxscale._cli.app import main
assert main() == 0
from jax import config
from jaxscale._base import store
print(store.folder(), config.jax_enable_x64)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=home)
    cache, wide = done.stdout.splitlines()[-1].split()
    assert cache.startswith(str(tmp_path)) and wide == "True"


def test_settings_of_jax_that_the_user_made_are_kept(monkeypatch, capsys):
    kept = {"JAX_COMPILATION_CACHE_DIR": "mine", "JAX_ENABLE_X64": "0"}
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["jaxscale", "--version"])
    assert app.main() == 0
    assert {name: os.environ[name] for name in kept} == kept


@pytest.mark.slow
def test_compilations_are_kept_in_the_users_cache(tmp_path, home):
    assert process("frontier", "chinchilla:besiroglu", "--budget", "1e21", environment=home).returncode == 0
    assert list(tmp_path.glob("**/jaxscale/programs/*"))


@pytest.mark.parametrize("command", ["fit runs.csv -o {}", "predict {} -N 1e9 -D 1e10", "fit runs.csv --law {}.py:f"])
def test_a_name_too_long_for_a_file_is_refused_in_words(jaxscale, command):
    status, _, err = jaxscale(*command.format("x" * 5000).split())
    assert status == 2 and "cannot be the name of a file: file name too long" in err and len(err) < 500
