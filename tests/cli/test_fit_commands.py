"""Fitting, comparing and predicting from a shell: what is printed, written and refused."""

import io
import json
import math
import re
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import TRUTH, table_text

import jaxscale as js

LAW = """
import jax.numpy as jnp
import jaxscale as js

mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * jnp.exp(-alpha * jnp.log(N)), name="mine")
"""
HOSTILE = ("<img src=x onerror=alert(1)>", "\x1b[2J\x1b]0;owned\x07", "=cmd()|' /C calc'!A0", "\u202eevil")


def by_hand(N, D):
    p = TRUTH
    return p["E"] + p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]


# --- fit ---


def test_fit_writes_what_it_prints_as_json_and_the_same_bytes_twice(jaxscale, folder):
    status, out, err = jaxscale("fit", "runs.csv", "-o", "one.json", "--bootstrap", "20")
    assert (status, out) == (0, "")
    assert err.startswith("wrote 'one.json': trustworthy") and err.count("\n") == 1
    said = err.rstrip().partition("; ")[2].split(", ")
    status, out, _ = jaxscale("fit", "runs.csv", "-o", "two.json", "--bootstrap", "20", "--json")
    assert status == 0
    assert (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()
    assert out == (folder / "one.json").read_text()
    record = json.loads(out)
    assert record["format"] == "jaxscale.fit/1"
    assert record["intervals"]["draws"] == 20
    assert said[:2] == ["chinchilla", "30 runs"]
    assert [float(text.split()[1]) for text in said[2:]] == pytest.approx(list(record["params"].values()), rel=1e-3)
    assert sorted(path.name for path in folder.iterdir()) == ["one.json", "runs.csv", "two.json"]


def test_fit_reports_the_verdict_before_any_parameter(jaxscale):
    status, out, _ = jaxscale("fit", "runs.csv", "--intervals", "quick")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("chinchilla · 30 runs")
    assert lines[1].startswith("trustworthy")
    assert out.index("alpha") > out.index("trustworthy")


def test_fit_reads_standard_input(jaxscale, folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table_text().encode())))
    status, out, _ = jaxscale("fit", "-", "--intervals", "none", "--json")
    assert status == 0
    assert (
        json.loads(out)["params"]
        == json.loads(jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1])["params"]
    )


def test_fit_in_bits_is_the_fit_in_nats(jaxscale, folder):
    """A loss of ln 2 nats is one bit, so both give the same constants."""
    rows = [line.split(",") for line in table_text().splitlines()[1:]]
    bits = "".join(f"{n},{d},{float(x) / math.log(2)!r}\n" for n, d, x in rows)
    (folder / "bits.csv").write_text("params,tokens,loss\n" + bits)
    nats = json.loads(jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1])["theta"]
    status, out, _ = jaxscale(
        "fit", "bits.csv", "--loss-unit", "bits", "--intervals", "none", "-o", "bits.json", "--json"
    )
    record = json.loads(out)
    assert (status, record["theta"]) == (0, pytest.approx(nats, rel=1e-8))
    assert record["response"] == {"name": "loss", "unit": "nats", "loss_unit": "bits", "per_cent": False}


@pytest.mark.slow
def test_bits_in_bits_out(jaxscale, folder):
    """Predictions, plans and what is to be reached are in the unit of the table; files are in the law's, and say so."""
    rows = [line.split(",") for line in table_text().splitlines()[1:]]
    bits = "".join(f"{n},{d},{float(x) / math.log(2) / 4:.17g}\n" for n, d, x in rows)
    (folder / "bits.csv").write_text("params,tokens,val_bpb\n" + bits)
    fitted = jaxscale("fit", "bits.csv", "--loss-unit", "bpb:4", "--intervals", "none", "-o", "bits.json", "--json")[1]
    constants = ",".join(f"{name}={value!r}" for name, value in json.loads(fitted)["params"].items())
    _, out, _ = jaxscale("predict", "bits.json", "-N", "1B", "-D", "20B")
    (found,) = re.findall(r"bits\.json +([0-9.]+) +– +([0-9.]+)", out)
    assert "bits per byte" in out and "nats per token" in out
    assert [float(x) for x in found] == pytest.approx(
        [by_hand(1e9, 2e10) / math.log(2) / 4, by_hand(1e9, 2e10)], rel=1e-2
    )
    reached = json.loads(jaxscale("frontier", "bits.json", "--reach", "0.8", "--json")[1])
    nats = 0.8 * 4 * math.log(2)
    same = json.loads(jaxscale("frontier", "chinchilla", "--at", constants, "--reach", repr(nats), "--json")[1])
    assert reached["response"]["unit"] == "nats per token" and reached["response"]["loss_unit"] == "bpb:4.0"
    assert reached["rows"][0]["N"] == pytest.approx(same["rows"][0]["N"], rel=1e-9)
    assert reached["rows"][0]["reach_loss"] == pytest.approx(nats, rel=1e-12)
    _, out, _ = jaxscale("what-if", "bits.json", "--reach", "0.8", "--set", "reach_loss=0.75")
    assert "loss to reach" in out and re.search(r"0\.8 +loss +0\.8 +0\.75 +-0\.05 ", out)
    status, _, err = jaxscale("allocate", "bits.json", "--reach", "-1")
    assert status == 2 and "--reach -1 is not to be reached: no loss (bits per byte) is so" in err


def test_strict_is_about_the_verdict_alone(jaxscale, folder):
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", table_text()))
    assert jaxscale("fit", "one_d.csv", "--intervals", "none")[0] == 0
    status, out, _ = jaxscale("fit", "one_d.csv", "--intervals", "none", "--strict", "-o", "fit.json")
    assert (status, out) == (1, "")
    assert not json.loads((folder / "fit.json").read_text())["verdict"]["trustworthy"]
    assert jaxscale("fit", "runs.csv", "--intervals", "none", "--strict")[0] == 0


def test_bad_rows_are_dropped_only_when_asked_and_counted(jaxscale, folder):
    (folder / "gap.csv").write_text(table_text() + "1e9,,3.0\n")
    status, out, _ = jaxscale("fit", "gap.csv", "--on-bad", "drop", "--intervals", "none", "--json")
    assert status == 0
    assert [(row["row"], row["column"]) for row in json.loads(out)["runs"]["dropped"]] == [(31, "tokens")]


def test_a_doubtful_table_is_warned_of_where_no_report_says_so(jaxscale, folder):
    (folder / "gap.csv").write_text(table_text() + "1e9,,3.0\n")
    flags = ("fit", "gap.csv", "--on-bad", "drop", "--intervals", "none")
    warning = "warning: look at the table: dropped 1 row with a bad cell, first row 31: 'tokens' missing\n"
    status, out, err = jaxscale(*flags)
    assert (status, err) == (0, "")
    assert "1 row with a bad cell, first row 31: 'tokens' missing" in " ".join(out.split())
    assert jaxscale(*flags, "--json")[2] == warning
    assert jaxscale(*flags, "-o", "fit.json")[2].startswith(warning)
    status, out, err = jaxscale("compare", "gap.csv", "--on-bad", "drop", "--laws", "chinchilla", "--rolling", "D")
    assert (status, err) == (0, warning) and "bad cell" not in out


def test_a_column_of_groups_is_pointed_out_where_the_fit_cannot_be_trusted(jaxscale, folder):
    rows = table_text().splitlines()
    groups = [f"{row},{name}" for row, name in zip(rows, ["corpus", *["web", "code", "books"] * 10], strict=True)]
    (folder / "groups.csv").write_text("\n".join(groups))
    (folder / "one_d.csv").write_text(re.sub(r"(?m)^(\d+),\d+", r"\1,2000000000", "\n".join(groups)))
    hint = "info, possible_groups: column 'corpus' has 3 values, all in one fit; one fit per group:"
    assert hint not in jaxscale("fit", "groups.csv", "--intervals", "none")[1]
    assert hint in jaxscale("fit", "one_d.csv", "--intervals", "none")[1]


def test_checkpoints_of_a_log_are_said_and_taken_as_asked(jaxscale, folder):
    lines = ["run_name,params,tokens,loss"]
    for k, line in enumerate(table_text().splitlines()[1:]):
        N, D, loss = map(float, line.split(","))
        lines += [f"run {k},{N},{D * share},{loss * (2 - share)}" for share in (0.75, 1)]
    (folder / "log.csv").write_text("\n".join(lines))
    flags = ("fit", "log.csv", "--intervals", "none")
    _, out, err = jaxscale(*flags)
    assert "60 rows are checkpoints of 30 runs (column 'run_name'), of which the last of" in " ".join(out.split())
    assert err == ""
    for more, count in (((), 30), (("--checkpoints", "last"), 30), (("--checkpoints", "all"), 60)):
        fitted = json.loads(jaxscale(*flags, *more, "--json")[1])["runs"]
        assert fitted["count"] == count and (fitted["clusters"] is None) == (count == 30)
    assert json.loads(jaxscale(*flags, "--checkpoints", "none", "--json")[1])["runs"]["clusters"] is None
    status, _, err = jaxscale(*flags, "--checkpoints", "first")
    assert (status, err) == (2, "error: checkpoints must be one of last, best, all, none; not 'first'\n")


def test_the_best_of_a_sweep_is_fitted_where_asked_for_and_pointed_out_where_not(jaxscale, folder):
    lines = table_text().splitlines()
    rates = [(0.001, 1.04), (0.002, 1.0), (0.004, 1.02)]
    rows = [(*map(float, line.split(",")), lr, worse) for line in lines[1:] for lr, worse in rates]
    text = "\n".join(f"{N},{D},{loss * worse},{lr}" for N, D, loss, lr, worse in rows)
    (folder / "sweep.csv").write_text("params,tokens,loss,lr\n" + text)
    best = jaxscale("fit", "sweep.csv", "--best-of", "lr", "--intervals", "none", "--json")[1]
    alone = jaxscale("fit", "runs.csv", "--intervals", "none", "--json")[1]
    assert json.loads(best)["params"] == json.loads(alone)["params"]
    out = " ".join(jaxscale("fit", "sweep.csv", "--intervals", "none")[1].split())
    assert "90 rows are 30 designs, each with several settings of 'lr'" in out and "--best-of lr" in out


def test_standard_errors_of_the_loss_are_said_and_what_they_make_the_runs_worth(jaxscale, folder):
    lines = table_text().splitlines()
    errors = [
        "se",
        *(f"{float(line.split(',')[2]) * e:.6f}" for line, e in zip(lines[1:], [0.01, 0.02] * 15, strict=True)),
    ]
    (folder / "errors.csv").write_text("\n".join(f"{line},{e}" for line, e in zip(lines, errors, strict=True)))
    flags = ("fit", "errors.csv", "--loss-se", "se", "--intervals", "none")
    out = " ".join(jaxscale(*flags)[1].split())
    assert "loss_se: residuals in units of each run's standard error, column 'se'" in out
    assert "weights by the runs' standard errors run from 0.4 to 1.6: 30 runs are worth 22.1 of equal weight" in out
    runs = json.loads(jaxscale(*flags, "--json")[1])["runs"]
    assert runs["weights"] is None
    assert np.allclose(np.array(runs["errors"]) ** -2, [1.6, 0.4] * 15, rtol=1e-3)
    assert "leave weights (--weights) out" in jaxscale(*flags, "--weights", "se")[2]


def test_findings_about_the_same_rows_are_one_and_rows_are_explained(jaxscale, folder):
    rows = table_text().splitlines()
    n, d, x = rows[19].split(",")
    (folder / "odd.csv").write_text("\n".join([*rows[:19], f"{n},{d},{float(x) * 1.3}", *rows[20:]]))
    out = " ".join(jaxscale("fit", "odd.csv", "--intervals", "none")[1].split())
    assert "warning, outliers: 1 run lies more than 10 typical residuals off the law (row 19); " in out
    assert out.count("row 19") == 1
    assert out.count("Rows are counted from 1 below the header.") == 1
    (folder / "quiet.csv").write_text(table_text(1))
    assert "Rows are counted" not in jaxscale("fit", "quiet.csv", "--intervals", "none")[1]


def test_the_report_shows_what_was_derived_and_no_suffix_on_a_parameter(jaxscale, folder):
    rows = [line.split(",") for line in table_text().splitlines()[1:]]
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
        "0.7 % in these runs (and 1 more); the law misses 0.8 % of the loss that a quadratic in log N and log D shows"
    )


# --- many fits, and what tables say ---


@pytest.fixture
def many(folder):
    """Three groups, the middle one broken."""
    broken = '1e9,2e9,-1,"broken"\n' * 5
    text = table_text(0, "web") + broken + table_text(1, "code", header=False)
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
    lines = table_text(0).splitlines()
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
    (folder / "hostile.csv").write_text(table_text(0, name), encoding="utf-8")
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


# --- a law of one's own ---


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


# --- predict ---


def test_predict_runs_the_file_of_a_law_once(jaxscale, folder):
    """It ran twice where --at gave constants."""
    (folder / "law.py").write_text(LAW + "\nprint('running', file=open('ran.txt', 'a'))\n")
    status, out, _ = jaxscale(
        "predict", "mine", "--law", "law.py:mine", "--at", "E=1,A=2,alpha=.5", "--at", "N=100", "--json"
    )
    assert status == 0 and json.loads(out)["variables"] == {"N": 100}
    assert json.loads(out)["rows"][0]["value"] == pytest.approx(1 + 2 * 100**-0.5)
    assert (folder / "ran.txt").read_text() == "running\n"


def test_predict_is_the_formula(jaxscale):
    arguments = ("predict", "chinchilla:besiroglu", "-N", "70B", "-D", "1.4T")
    row = json.loads(jaxscale(*arguments, "--json")[1])["rows"][0]
    assert row["value"] == pytest.approx(by_hand(70e9, 1.4e12), rel=1e-12)
    assert row["interval"] is None
    status, out, _ = jaxscale(*arguments)
    assert status == 0
    assert f"{by_hand(70e9, 1.4e12):.5f}" in out
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


# --- demo ---


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
    assert len(re.findall(r"^ +1e2[1-4]  ", out, re.MULTILINE)) == 4
    assert "jaxscale fit " in out.splitlines()[-2]
    assert "jaxscale frontier " in out.splitlines()[-1]
    assert sorted(folder.iterdir()) == before


# --- compare ---


@pytest.fixture
def recipes(folder):
    """The demo table under other names, with recipes in turn."""
    frame = js.synthetic.demo_frame().rename(columns={"loss": "val"}).assign(recipe=["a", "b", "c"] * 18)
    frame.to_csv(folder / "recipes.csv", index=False)
    return "recipes.csv"


def test_the_file_is_that_of_the_same_call_in_python(jaxscale, folder, recipes):
    flags = ("--laws", "chinchilla", "--holdout", "flops > 1e20", "--leave-out", "recipe", "--loss", "val")
    status, out, err = jaxscale("compare", recipes, *flags, "-o", "trial.json")
    assert (status, out) == (0, "")
    assert "Recommended: chinchilla" in err
    written = json.loads((folder / "trial.json").read_text())
    found = js.compare(recipes, "chinchilla", holdout="flops > 1e20", leave_out="recipe", loss="val")
    assert written == json.loads(json.dumps(found.to_dict()))
    assert [h["label"] for h in written["holdout"]] == ["flops > 1e20", "recipe == a", "recipe == b", "recipe == c"]


def test_the_report_begins_with_the_recommendation(jaxscale, recipes):
    status, out, _ = jaxscale(
        "compare", recipes, "--laws", "chinchilla", "--rolling", "C", "--cuts", "2", "--loss", "val"
    )
    assert status == 0
    first, second, *_ = out.splitlines()
    assert first == "1 law · loss · 2 hold-outs · Huber 0.001 on logs"
    assert second == "Recommended: chinchilla"
    assert "(nearest run)" in out and "C > 2e20" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--laws", "chinchilla"), "say which runs to hold out"),
        (("--laws", "chinchilla,", "--rolling", "C"), "--laws takes names"),
        (("--laws", "bnsl(breaks=99)", "--rolling", "C"), "breaks from 0 to 9"),
        (("--laws", "bnsl(bends=1)", "--rolling", "C"), "has no option 'bends'"),
        (("--laws", "chinchilla", "--holdout", "size > 3"), "there is no column 'size' (hold-out"),
        (("--laws", "chinchilla", "--holdout", "flops"), "hold-out 'flops' must read COLUMN OP VALUE"),
        (("--laws", "chinchilla", "--holdout", "flops > 1", "--col", "E=recipe"), "has no variable 'E'"),
    ],
)
def test_what_is_wrong_is_said(jaxscale, recipes, flags, message):
    status, out, err = jaxscale("compare", recipes, "--loss", "val", *flags)
    assert (status, out) == (2, "")
    assert message in err
