"""What the command line prints, writes and answers."""

import io
import json
import math
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import jaxscale as js
from jaxscale._cli import app, printing

COMMANDS = ("demo", "fit", "compare", "predict", "frontier", "what-if", "models", "laws")
CONSTANTS = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}  # Besiroglu et al. 2024
LAW = """
import jax.numpy as jnp
import jaxscale as js

mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * jnp.exp(-alpha * jnp.log(N)), name="mine")
"""
HOSTILE = ("<img src=x onerror=alert(1)>", "\x1b[2J\x1b]0;owned\x07", "=cmd()|' /C calc'!A0", "\u202eevil")


def besiroglu(N, D):
    """The formula by hand."""
    return CONSTANTS["E"] + CONSTANTS["A"] * N ** -CONSTANTS["alpha"] + CONSTANTS["B"] * D ** -CONSTANTS["beta"]


def table(seed: int = 0, group: str | None = None, header: bool = True) -> str:
    """Thirty runs with noise of half a per cent, as CSV."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 4e11, 5)))
    loss = besiroglu(N, D) * np.exp(0.005 * np.random.default_rng(seed).standard_normal(30))
    tail = "" if group is None else f',"{group}"'
    rows = "".join(f"{n:.0f},{d:.0f},{x:.6f}{tail}\n" for n, d, x in zip(N, D, loss, strict=True))
    return ("params,tokens,loss" + ("" if group is None else ",corpus") + "\n") * header + rows


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A fresh folder to work in, a terminal wide enough for any table, and no word of progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(printing, "_SLOW", 60)
    (tmp_path / "runs.csv").write_text(table())
    return tmp_path


@pytest.fixture
def asked(monkeypatch) -> list[tuple[js.Law, js.Runs, dict]]:
    """What `js.fit` is asked for: law, runs, options. The fit itself is not made."""
    asked = []

    def fit(law, runs, **options):
        asked.append((law, runs, options))
        raise js.InputError("not fitted")

    monkeypatch.setattr(js, "fit", fit)
    return asked


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(js.__file__).parents[1])}


def process(*arguments: str, environment: Mapping[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "jaxscale", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=dict(environment), check=False)


# -- help, version, the process


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


def test_our_warnings_are_a_line_each_and_those_of_others_are_not_shown(jaxscale, monkeypatch):
    get = js.laws.get

    def warn(name):
        warnings.warn("units\x1b[2J look odd", js.DataWarning, stacklevel=1)
        warnings.warn("something inside", DeprecationWarning, stacklevel=1)
        return get(name)

    monkeypatch.setattr(js.laws, "get", warn)
    status, _, err = jaxscale("laws", "chinchilla")
    assert (status, err) == (0, "warning: units\\x1b[2J look odd\n")


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
    kept = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("JAX_", "XDG_"))}
    return kept | {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}


def test_the_process_is_set_up_before_jax_is_imported(tmp_path, home):
    code = """
import os, sys
sys.argv = ["jaxscale", "laws", "power_law"]
from jaxscale._cli.app import main
assert main() == 0
from jax import config
print(config.jax_compilation_cache_dir, config.jax_enable_x64, config.jax_persistent_cache_min_compile_time_secs)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=home)
    cache, *others = done.stdout.splitlines()[-1].split()
    assert cache.startswith(str(tmp_path))
    assert others == ["True", "0.0"]


def test_settings_of_jax_that_the_user_made_are_kept(monkeypatch, capsys):
    kept = {
        "JAX_COMPILATION_CACHE_DIR": "mine",
        "JAX_ENABLE_X64": "0",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "7",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "8",
    }
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["jaxscale", "--version"])
    assert app.main() == 0
    assert {name: os.environ[name] for name in kept} == kept


@pytest.mark.slow
def test_compilations_are_kept_in_the_users_cache(tmp_path, home):
    assert process("frontier", "chinchilla:besiroglu", "--budget", "1e21", environment=home).returncode == 0
    assert list(tmp_path.glob("**/jaxscale/xla/*"))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line_that_is_wiped(monkeypatch):
    now = 0.0
    monkeypatch.setattr(sys, "stderr", Terminal())
    with printing.progress("fitting", clock=lambda: now) as progress:
        now = 59.0
        progress(1, 40, "groups")  # not yet slow
        assert sys.stderr.getvalue() == ""
        now = 62.0
        progress(1, 4, "groups\x1b[2J")
        now = 62.1
        progress(2, 4, "groups")  # just said
        now = 64.0
        progress(2, 4, "groups")
    text = sys.stderr.getvalue()
    assert re.findall(r"groups\S*: .* left", text.replace("\r", "\n")) == [
        "groups\\x1b[2J: 1 of 4, 0.0161 a second, 186 s left",
        "groups: 2 of 4, 0.0312 a second, 64 s left",
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
    monkeypatch.setattr(printing, "_SLOW", 0.01)
    with printing.progress("fitting"):
        assert sys.stderr.spoken.wait(30)
    assert sys.stderr.getvalue().startswith("fitting ...")
    assert sys.stderr.getvalue().count("\n") == 1


# -- fit


def test_fit_writes_what_it_prints_as_json_and_the_same_bytes_twice(jaxscale, folder):
    status, out, err = jaxscale("fit", "runs.csv", "-o", "one.json", "--bootstrap", "20")
    assert (status, out) == (0, "")
    assert err.startswith("wrote 'one.json': trustworthy")
    status, out, _ = jaxscale("fit", "runs.csv", "-o", "two.json", "--bootstrap", "20", "--json")
    assert status == 0
    assert (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()
    assert out == (folder / "one.json").read_text()
    record = json.loads(out)
    assert record["format"] == "jaxscale.fit/1"
    assert record["intervals"]["draws"] == 20
    assert sorted(path.name for path in folder.iterdir()) == ["one.json", "runs.csv", "two.json"]


def test_fit_reports_the_verdict_before_any_parameter(jaxscale):
    status, out, _ = jaxscale("fit", "runs.csv", "--intervals", "quick")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("chinchilla · 30 runs")
    assert lines[1].startswith("trustworthy")
    assert out.index("alpha") > out.index("trustworthy")


def test_fit_reads_standard_input(jaxscale, folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table().encode())))
    status, out, _ = jaxscale("fit", "-", "--intervals", "none", "--json")
    assert status == 0
    assert (
        json.loads(out)["params"]
        == json.loads(jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1])["params"]
    )


def test_fit_passes_every_choice_on(jaxscale, folder, asked):
    text = table().replace("params,tokens,loss", "size,seen,bpt")
    (folder / "odd.csv").write_text(text)
    names = ("-N", "size", "-D", "seen", "--loss", "bpt")
    choices = ("--fix", "E=1.8", "--tie", "alpha,beta", "--objective", "squared-raw", "--starts", "8", "--seed", "5")
    more = ("--intervals", "quick", "--level", "0.8", "--where", "seen > 3B")
    jaxscale("fit", "odd.csv", *names, *choices, *more)
    [(law, runs, options)] = asked
    assert (law, options.pop("progress") is not None) == (js.laws.chinchilla, True)
    assert options == {
        "fixed": {"E": 1.8},
        "tied": [("alpha", "beta")],
        "priors": {},
        "objective": js.SquaredError(space="raw"),
        "starts": 8,
        "seed": 5,
        "intervals": "quick",
        "level": 0.8,
    }
    assert (runs.count, runs.record.filtered) == (24, 6)


OBJECTIVES = {
    "": js.Huber(1e-3),
    "--delta 0.01": js.Huber(0.01),
    "--delta matched": js.Huber("matched"),
    "--objective student": js.StudentT(),
    "--objective absolute": js.AbsoluteError(),
}


@pytest.mark.parametrize("arguments", OBJECTIVES)
def test_kinds_of_objectives(jaxscale, asked, arguments):
    jaxscale("fit", "runs.csv", *arguments.split())
    [(_, _, options)] = asked
    assert options["objective"] == OBJECTIVES[arguments]


@pytest.mark.parametrize(
    ("arguments", "intervals", "draws"),
    [
        ((), "auto", None),
        (("--intervals", "none"), None, None),
        (("--intervals", "None"), None, None),
        (("--intervals", "Quick"), "quick", None),
        (("--bootstrap", "50"), "bootstrap", 50),
        (("--bootstrap", "50", "--intervals", "bootstrap"), "bootstrap", 50),
    ],
)
def test_kinds_of_intervals(jaxscale, asked, arguments, intervals, draws):
    jaxscale("fit", "runs.csv", *arguments)
    [(_, _, options)] = asked
    assert (options["intervals"], options.get("draws")) == (intervals, draws)


def test_fit_finds_every_variable_and_response_of_a_law(jaxscale, folder, asked):
    (folder / "steps.csv").write_text("params,steps,loss\n1e6,1e3,4\n1e7,1e4,3\n")
    jaxscale("fit", "steps.csv", "--law", "kaplan_ns", "--col", "S_min=steps")
    (folder / "batches.csv").write_text("l,b\n2,1e6\n3,2e6\n")
    jaxscale("fit", "batches.csv", "--law", "kaplan_bcrit", "--loss", "l", "--response", "b")
    read = [
        ({name: values.tolist() for name, values in runs.variables.items()}, runs.response.tolist())
        for _, runs, _ in asked
    ]
    assert read == [({"N": [1e6, 1e7], "S_min": [1e3, 1e4]}, [4, 3]), ({"loss": [2, 3]}, [1e6, 2e6])]


def test_fit_in_bits_is_the_fit_in_nats(jaxscale, folder):
    """A loss of ln 2 nats is one bit, so both give the same constants."""
    rows = [line.split(",") for line in table().splitlines()[1:]]
    bits = "".join(f"{n},{d},{float(x) / math.log(2)!r}\n" for n, d, x in rows)
    (folder / "bits.csv").write_text("params,tokens,loss\n" + bits)
    nats = json.loads(jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1])["theta"]
    again = json.loads(jaxscale("fit", "bits.csv", "--loss-unit", "bits", "--intervals", "none", "--json")[1])["theta"]
    assert again == pytest.approx(nats, rel=1e-8)


def test_strict_is_about_the_verdict_alone(jaxscale, folder):
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", table()))
    assert jaxscale("fit", "one_d.csv", "--intervals", "none")[0] == 0
    status, out, _ = jaxscale("fit", "one_d.csv", "--intervals", "none", "--strict", "-o", "fit.json")
    assert (status, out) == (1, "")
    assert not json.loads((folder / "fit.json").read_text())["verdict"]["trustworthy"]
    assert jaxscale("fit", "runs.csv", "--intervals", "none", "--strict")[0] == 0


def test_bad_rows_are_dropped_only_when_asked_and_counted(jaxscale, folder):
    (folder / "gap.csv").write_text(table() + "1e9,,3.0\n")
    status, out, _ = jaxscale("fit", "gap.csv", "--on-bad", "drop", "--intervals", "none", "--json")
    assert status == 0
    assert [(row["row"], row["column"]) for row in json.loads(out)["runs"]["dropped"]] == [(31, "tokens")]


def test_a_column_of_groups_is_pointed_out_where_the_fit_cannot_be_trusted(jaxscale, folder):
    rows = table().splitlines()
    groups = [f"{row},{name}" for row, name in zip(rows, ["corpus", *["web", "code", "books"] * 10], strict=True)]
    (folder / "groups.csv").write_text("\n".join(groups))
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", "\n".join(groups)))
    hint = "info, possible_groups: column 'corpus' has 3 values, all in one fit; one fit per group:"
    assert hint not in jaxscale("fit", "groups.csv", "--intervals", "none")[1]
    assert hint in jaxscale("fit", "one_d.csv", "--intervals", "none")[1]


def test_findings_about_the_same_rows_are_one_and_rows_are_explained(jaxscale, folder):
    rows = table().splitlines()
    n, d, x = rows[19].split(",")
    (folder / "odd.csv").write_text("\n".join([*rows[:19], f"{n},{d},{float(x) * 1.3}", *rows[20:]]))
    out = " ".join(jaxscale("fit", "odd.csv", "--intervals", "none")[1].split())
    assert "warning, influential_runs, outliers: 1 run pulls far more than the rest (row 19); " in out
    assert "the same run lies more than 10 typical residuals off the law" in out
    assert out.count("row 19") == 1
    assert out.count("Rows are counted from 1 below the header.") == 1
    (folder / "quiet.csv").write_text(table(1))
    assert "Rows are counted" not in jaxscale("fit", "quiet.csv", "--intervals", "none")[1]


def test_the_report_shows_what_was_derived_and_no_suffix_on_a_parameter(jaxscale, folder):
    rows = [line.split(",") for line in table().splitlines()[1:]]
    compute = "".join(f"{n},{6 * float(n) * float(d)!r},{x}\n" for n, d, x in rows)
    (folder / "flops.csv").write_text("params,flops,loss\n" + compute)
    assert "D: 2B to 400B tokens  (C / (6 N))" in jaxscale("fit", "flops.csv", "--intervals", "none")[1]
    result = js.fit("chinchilla", str(folder / "flops.csv"), intervals=None)
    large = replace(result, params={**result.params, "A": 42762000000000.0, "E": 98765.4}, at_noise=())
    assert re.search(r"^  A +4\.2762e13 +not computed +nats params\^alpha$", str(large), re.MULTILINE)
    assert re.search(r"^  E +98765\.4 +not computed ", str(large), re.MULTILINE)


def test_a_parameter_at_its_bound_has_no_interval_and_says_so(folder):
    """The floor of the truth, 1.82, lies below the bound."""
    result = js.fit("chinchilla", str(folder / "runs.csv"), bounds={"E": (2.0, None)}, intervals="quick")
    assert "E" not in result.intervals.params
    assert re.search(r"^  E +2 +– +2 +2 +nats per token +at bound$", str(result), re.MULTILINE)
    assert result.to_frame().loc["E", "note"] == "at bound"
    assert np.isnan(result.to_frame().loc["E", "low"])
    [reason] = [r for r in result.verdict.reasons if r.code == "at_bound"]
    assert reason.params == ("E",)
    assert str(result.verdict) == (
        "NOT TRUSTWORTHY: E sits on its lower bound; the law misses a term in log N x log N that moves the loss by "
        "0.7 % in these runs (and 1 more)"
    )


# -- many fits, and what tables say


@pytest.fixture
def many(folder):
    """Three groups, the middle one broken."""
    broken = '1e9,2e9,-1,"broken"\n' * 5
    text = table(0, "web") + broken + table(1, "code", header=False)
    (folder / "many.csv").write_text(text)
    return "many.csv"


def test_by_prints_a_row_for_each_group_and_the_reason_of_a_failure(jaxscale, many):
    status, out, err = jaxscale("fit", many, "--by", "corpus", "--intervals", "none")
    assert (status, err) == (0, "")
    rows = {row.split()[0]: row for row in out.splitlines() if row.startswith("  ") and row.split()}
    assert {"web", "broken", "code"} <= rows.keys()
    assert "failed" in rows["broken"]
    assert "loss" in out
    assert jaxscale("fit", many, "--by", "corpus", "--intervals", "none", "--strict")[0] == 1


def test_a_broken_group_disturbs_no_other(jaxscale, many, folder):
    status, out, err = jaxscale("fit", many, "--by", "corpus", "--intervals", "none", "-o", "fits.json")
    assert (status, out, err) == (0, "", "wrote 'fits.json': 2 trustworthy, 0 not, 1 failed\n")
    assert repr(js.load(folder / "fits.json")) == "<Fits, 3 groups by corpus: 2 trustworthy, 0 not, 1 failed>"
    entries = {entry["group"]: entry for entry in json.loads((folder / "fits.json").read_text())["fits"]}
    assert [entry["ok"] for entry in entries.values()] == [True, False, True]
    alone = json.loads(jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1])
    assert entries["web"]["fit"]["params"] == pytest.approx(alone["params"], rel=1e-10)


def test_predict_and_frontier_use_every_group_or_the_one_named(jaxscale, many):
    jaxscale("fit", many, "--by", "corpus", "--intervals", "quick", "-o", "fits.json")
    status, out, _ = jaxscale("predict", "fits.json", "-N", "1B", "-D", "20B")
    assert status == 0
    assert re.search(r"^  web +2\.\d+ +2\.\d+ to 2\.\d+$", out, re.MULTILINE)
    assert re.search(r"^  broken +– ", out, re.MULTILINE)
    status, out, _ = jaxscale("frontier", "fits.json", "--budget", "1e21")
    assert status == 0
    assert out.count("plan · chinchilla") == 2
    assert "broken · no plan" in out
    status, out, _ = jaxscale("frontier", "fits.json", "--budget", "1e21", "--group", "code", "--json")
    assert (status, json.loads(out)["format"]) == (0, "jaxscale.plan/1")
    for arguments in (("--group", "broken"), ("--group", "nowhere"), ("--json",), ("-o", "plan.json")):
        status, out, err = jaxscale("frontier", "fits.json", "--budget", "1e21", *arguments)
        assert (status, out) == (2, "")
        assert "--group" in err


def test_by_takes_several_columns(jaxscale, folder):
    lines = table(0).splitlines()
    rows = [f"{line},{'web' if k % 2 else 'code, raw'},{64 * (1 + k // 2 % 2)}" for k, line in enumerate(lines[1:])]
    (folder / "wide.csv").write_text("\n".join([lines[0] + ",corpus,width", *rows]).replace("code, raw", '"code, raw"'))
    status, out, err = jaxscale("fit", "wide.csv", "--by", "corpus, width", "--intervals", "none", "-o", "fits.json")
    assert (status, out) == (0, "") and "wrote 'fits.json'" in err
    entries = json.loads((folder / "fits.json").read_text())["fits"]
    assert [entry["group"] for entry in entries] == ['"code, raw", 64', "web, 64", '"code, raw", 128', "web, 128"]
    assert entries[0]["values"] == ["code, raw", "64"]
    status, out, _ = jaxscale("predict", "fits.json", "-N", "1B", "-D", "20B", "--group", "web, 128", "--json")
    assert status == 0 and json.loads(out)["rows"][0]["group"] == "web, 128"
    for by, message in (("corpus,depth", "'depth'"), ("corpus,", "--by takes columns"), ("corpus,corpus", "differ")):
        status, out, err = jaxscale("fit", "wide.csv", "--by", by)
        assert (status, out) == (2, "") and message in err


def test_no_group_that_can_be_fitted_is_bad_input(jaxscale, many, folder):
    before = sorted(folder.iterdir())
    status, out, err = jaxscale("fit", many, "--by", "corpus", "--fix", "gamma=1", "-o", "fits.json")
    assert (status, out) == (2, "")
    assert "gamma" in err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", HOSTILE)
def test_text_of_a_table_comes_out_inert(jaxscale, folder, name):
    (folder / "hostile.csv").write_text(table(0, name), encoding="utf-8")
    arguments = ("fit", "hostile.csv", "--by", "corpus", "--intervals", "none")
    status, out, err = jaxscale(*arguments)
    assert status == 0
    assert all(c == "\n" or c.isprintable() for c in out + err)
    status, out, _ = jaxscale(*arguments, "--json")
    assert out.isascii()
    assert all(c == "\n" or c.isprintable() for c in out)
    assert json.loads(out)["fits"][0]["group"] == name
    fits = js.fit_many("chinchilla", str(folder / "hostile.csv"), by="corpus", intervals=None)
    html = fits._repr_html_()
    assert "<img" not in html
    assert all(c == "\n" or c.isprintable() for c in html)
    jaxscale(*arguments, "-o", "fits.json")
    for command in (("predict", "fits.json", "-N", "1B", "-D", "20B"), ("frontier", "fits.json", "--budget", "1e21")):
        status, out, err = jaxscale(*command)
        assert status == 0
        assert all(c == "\n" or c.isprintable() for c in out + err)
    status, out, err = jaxscale("predict", "fits.json", "-N", "1B", "-D", "20B", "--group", "x")
    assert status == 2
    assert all(c == "\n" or c.isprintable() for c in err)


# -- a law of one's own


def test_a_law_of_ones_own_is_fitted_saved_and_predicted_with(jaxscale, folder):
    (folder / "law.py").write_text(LAW)
    status, out, err = jaxscale("fit", "runs.csv", "--law", "law.py:mine", "--intervals", "none", "-o", "fit.json")
    assert (status, out) == (0, ""), err
    record = json.loads((folder / "fit.json").read_text())
    assert (record["law"], set(record["params"])) == ("mine", {"E", "A", "alpha"})
    status, out, _ = jaxscale("predict", "fit.json", "-N", "1B", "--law", "law.py:mine", "--json")
    p = record["params"]
    assert status == 0
    assert json.loads(out)["rows"][0]["value"] == pytest.approx(p["E"] + p["A"] * 1e9 ** -p["alpha"], rel=1e-12)
    status, out, err = jaxscale("predict", "fit.json", "-N", "1B")
    assert (status, out) == (2, "")
    assert "mine" in err
    assert sorted(path.name for path in folder.iterdir()) == ["fit.json", "law.py", "runs.csv"]


# -- predict, frontier, laws


def test_predict_is_the_formula(jaxscale):
    arguments = ("predict", "chinchilla:besiroglu", "-N", "70B", "-D", "1.4T")
    row = json.loads(jaxscale(*arguments, "--json")[1])["rows"][0]
    assert row["value"] == pytest.approx(besiroglu(70e9, 1.4e12), rel=1e-12)
    assert row["interval"] is None
    status, out, _ = jaxscale(*arguments)
    assert status == 0
    assert f"{besiroglu(70e9, 1.4e12):.5f}" in out
    assert "loss at N = 70B, D = 1.4T" in out
    assert (
        jaxscale("predict", "chinchilla:besiroglu", "--at", "N=70B", "--at", "D=1.4T", "--json")[1]
        == jaxscale(*arguments, "--json")[1]
    )


def test_predict_gives_the_interval_of_a_fit(jaxscale):
    jaxscale("fit", "runs.csv", "--intervals", "quick", "--level", "0.8", "-o", "fit.json")
    row = json.loads(jaxscale("predict", "fit.json", "-N", "1B", "-D", "20B", "--json")[1])["rows"][0]
    assert row["interval"][0] < row["value"] < row["interval"][1]
    out = jaxscale("predict", "fit.json", "-N", "1B", "-D", "20B")[1]
    assert "80 % interval" in out
    assert "a single run scatters around it" in out


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
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", table()))
    jaxscale("fit", "one_d.csv", "--intervals", "none", "-o", "fit.json")
    out = " ".join(jaxscale("predict", "fit.json", "-N", "1B", "-D", "2B")[1].split())
    assert "NOT TRUSTWORTHY: D takes only one value in these runs" in out
    assert "no interval: not asked for" in out


def test_frontier_is_the_closed_form(jaxscale, folder):
    """Under C = 6 N D the best N is G (C/6)^(beta/(alpha+beta)), G = (alpha A / (beta B))^(1/(alpha+beta))."""
    p = CONSTANTS
    total = p["alpha"] + p["beta"]
    best = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total) * (1e24 / 6) ** (p["beta"] / total)
    status, out, err = jaxscale(
        "frontier", "chinchilla:besiroglu", "--budget", "1e21", "--budget", "1e24", "-o", "plan.json"
    )
    assert (status, out) == (0, "")
    assert err == "wrote 'plan.json'\n"
    rows = json.loads((folder / "plan.json").read_text())["rows"]
    assert [row["budget"] for row in rows] == [1e21, 1e24]
    assert rows[1]["N"] == pytest.approx(best, rel=1e-10)
    assert rows[1]["D"] == pytest.approx(1e24 / 6 / best, rel=1e-10)


def test_a_file_of_draws_is_planned_with_but_not_predicted_with(jaxscale, folder):
    result = js.fit("chinchilla", str(folder / "runs.csv"), intervals=None)
    js.bootstrap(result, draws=20).save(folder / "draws.json")
    status, out, _ = jaxscale("frontier", "draws.json", "--budget", "1e21", "--json")
    assert (status, json.loads(out)["method"]) == (0, "percentiles of 20 draws")
    status, out, err = jaxscale("predict", "draws.json", "-N", "1B", "-D", "20B")
    assert (status, out) == (2, "")
    assert "draws" in err


def test_laws_lists_all_and_shows_one(jaxscale):
    status, out, _ = jaxscale("laws")
    assert status == 0
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in js.laws.names())
    for name in js.laws.names():
        status, out, _ = jaxscale("laws", name)
        assert status == 0
        words = " ".join(out.split())
        law = js.laws.get(name)
        assert law.formula in words
        for key, constants in law.constants.items():
            assert f"{key}: {constants.source} ({constants.status})." in words
    assert jaxscale("laws", "besiroglu") == jaxscale("laws", "chinchilla:besiroglu") == jaxscale("laws", "chinchilla")


# -- demo


def test_demo_says_it_is_synthetic_and_shows_truth_verdict_and_plan(jaxscale, folder, monkeypatch):
    monkeypatch.setattr(js, "fit", partial(js.fit, intervals="quick"))  # a fifth of the time
    before = sorted(folder.iterdir())
    status, out, err = jaxscale("demo")
    assert (status, err) == (0, "")
    assert "synthetic" in out.splitlines()[0]
    shown = re.search(r"^  alpha +(\S+) +(\S+) +(\S+) to (\S+) +(yes|no)$", out, re.MULTILINE)
    assert shown is not None
    truth, estimate, low, high = map(float, shown.groups()[:4])
    assert shown[5] == ("yes" if low <= truth <= high else "no")
    assert truth == js.synthetic.demo_truth().params["alpha"]
    assert low < estimate < high
    assert abs(estimate - truth) < 2 * (high - low)
    assert "trustworthy" in out
    assert len(re.findall(r"^ +1e2[1-4] ", out, re.MULTILINE)) == 4
    assert "jaxscale fit " in out.splitlines()[-2]
    assert "jaxscale frontier " in out.splitlines()[-1]
    assert sorted(folder.iterdir()) == before
