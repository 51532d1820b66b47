"""What cannot be used ends with exit status 2, one clear message that names the thing, and nothing written."""

import copy
import json
import re
import shlex
import warnings
from pathlib import Path

import fuzz
import pandas as pd
import pytest

import jaxscale as js
from jaxscale._cli.app import run

HEADER = "params,tokens,loss,group,w,text\n"
SIZES, TOKENS = (3e7, 1e8, 3e8, 1e9, 3e9, 1e10, 3e10), (2e9, 1e10, 5e10, 2e11)


def rows() -> list[str]:
    """Twenty-eight runs on the Chinchilla law with the constants of Besiroglu et al., rounded to four decimals."""
    losses = {(n, d): 1.8172 + 482.01 * n**-0.3478 + 2085.43 * d**-0.3658 for n in SIZES for d in TOKENS}
    return [f"{n:.0f},{d:.0f},{loss:.4f},{'ab'[i % 2]},1,x{i}" for i, ((n, d), loss) in enumerate(losses.items())]


def table(*replaced: str, header: str = HEADER) -> str:
    """The good table, its first rows replaced by those given."""
    return header + "\n".join([*replaced, *rows()[len(replaced) :]]) + "\n"


LAW = """
import jaxscale as js

mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha, name="mine")
number = 3
"""
FILES = {
    "good.csv": table(),
    "empty.csv": "",
    "header.csv": HEADER,
    "ragged.csv": table("1e8,2e9,3.0,a,1,x,7,8"),
    "twice.csv": table(header="params,tokens,loss,loss,w,text\n"),
    "no_loss.csv": table(header="params,tokens,badness,group,w,text\n"),
    "billions.csv": table(header=HEADER.replace("params,tokens", "params_b,tokens_b")),
    "billions_flops.csv": table(header=HEADER.replace("params,tokens", "params_b,flops")),
    "no_variables.csv": "loss\n" + "3.0\n" * 9,
    "two_losses.csv": table(header="params,tokens,val_loss,group,eval_loss,text\n"),
    "missing.csv": table(",2e9,3.0,a,1,x"),
    "word.csv": table("1e8,plenty,3.0,a,1,x"),
    "zero.csv": table("1e8,2e9,0,a,1,x"),
    "negative.csv": table("-1e8,2e9,3.0,a,1,x"),
    "infinite.csv": table("1e8,inf,3.0,a,1,x"),
    "nan.csv": table("1e8,2e9,nan,a,1,x"),
    "exponent_and_suffix.csv": table("1e3B,2e9,3.0,a,1,x"),
    "decimal_comma.csv": table('1e8,2e9,"3,5",a,1,x'),
    "escape.csv": table("1e8,\x1b[2J\x1b]0;owned\x07,3.0,a,1,x"),
    "negative_weight.csv": table("1e8,2e9,3.0,a,-1,x"),
    "weightless.csv": "params,tokens,loss,w\n" + "".join(f"{r.rsplit(',', 3)[0]},0\n" for r in rows()),
    "no_run.csv": table("1e8,2e9,3.0,,1,x"),
    "broken.jsonl": '{"params": 1e8, "tokens": 2e9, "loss": 3.0}\n{"params": 1e8,\n',
    "law.py": LAW,
    "syntax.py": "mine = = 3\n",
    "raises.py": "raise RuntimeError('on purpose')\n",
    "plain.json": '{"a": 1}',
    "list.json": "[1, 2]",
    "rows.json": '[{"params": 1e8, "tokens": 2e9, "loss": 3.0}]',
    "cut.json": '{"format": "jaxscale.fit/1", "law": ',
    "newer.json": '{"format": "jaxscale.fit/99"}',
    "bare.json": '{"format": "jaxscale.fit/1"}',
    "word.json": '{"format": "jaxscale.fit/1", "law": "chinchilla", "params": {"E": "much"}}',
}
BYTES = {
    "runs.xlsx": b"PK\x03\x04" + bytes(60),
    "binary.csv": b"params,tokens,loss\n\xff\xfe\x00\x01\xff\n",
    "cut.csv.gz": b"\x1f\x8b\x08\x00\x00",
}

FIT = {
    "a table that is not there": ("nowhere.csv", "nowhere.csv"),
    "a table that is a folder": ("folder", "folder"),
    "an empty table": ("empty.csv", "empty"),
    "a table of a header only": ("header.csv", "no rows"),
    "a table that is not text": ("binary.csv", "binary.csv"),
    "a compressed table cut short": ("cut.csv.gz", "cut.csv.gz"),
    "a kind of file that is not read": ("runs.xlsx", "runs.xlsx"),
    "JSON lines cut short": ("broken.jsonl", "line 2"),
    "a row with more cells than the header": ("ragged.csv", "line 2"),
    "two columns of one name": ("twice.csv", "'loss'"),
    "no column of losses": ("no_loss.csv", "loss"),
    "columns in larger units": ("billions.csv", "'params_b' may be N.*1e9, billions.*--unit N=1"),
    "columns in larger units beside compute": ("billions_flops.csv", "'params_b' may be N.*--unit N=1"),
    "a factor that is none": ("good.csv --unit N=0", "--unit N=1e6"),
    "a factor of no column": ("good.csv --unit U=1e6", "'U'.*--unit"),
    "no column of a variable": ("no_variables.csv", "variable"),
    "two columns that could be the loss": ("two_losses.csv", "'val_loss', 'eval_loss'"),
    "a missing cell": ("missing.csv", "'params'.*row 1"),
    "a word in a column of numbers": ("word.csv", "'tokens'.*row 1.*'plenty'"),
    "a loss of zero": ("zero.csv", "'loss'.*row 1"),
    "a negative size": ("negative.csv", "'params'.*row 1.*'-1"),
    "an infinite cell": ("infinite.csv", "'tokens'.*row 1"),
    "a cell that is not a number": ("nan.csv", "'loss'.*row 1"),
    "an exponent and a suffix at once": ("exponent_and_suffix.csv", "'1e3B'"),
    "a decimal comma": ("decimal_comma.csv", "'3,5'"),
    "a cell that talks to the terminal": ("escape.csv", r"\\x1b\[2J"),
    "a column that is not there": ("good.csv -N parms", "'parms'.*'params'"),
    "one column for two variables": ("good.csv -N params -D params", "'params'"),
    "a column of losses that is not there": ("good.csv --loss bpb", "'bpb'"),
    "a loss and a response": ("good.csv --loss loss --response w", "--loss and --response"),
    "a column for a variable the law lacks": ("good.csv --col Q=w", "'Q'"),
    "a column without its variable": ("good.csv --col w", "--col.*'w'"),
    "a variable with two columns": ("good.csv -N params --col N=w", "'N'"),
    "a comparison that is none": ("good.csv --where loss", "'loss'"),
    "a comparison of no column": ("good.csv --where 'steps > 3'", "'steps'"),
    "a comparison of text with a number": ("good.csv --where 'text < 3'", "text"),
    "code for a comparison": ("""good.csv --where '__import__("os").getcwd() == 1'""", "__import__"),
    "comparisons that leave nothing": ("good.csv --where 'loss > 99'", "loss > 99"),
    "an unknown way with bad rows": ("good.csv --on-bad ignore", "--on-bad.*'ignore'"),
    "an unknown unit of the loss": ("good.csv --loss-unit hartleys", "--loss-unit.*'hartleys'"),
    "a column of weights that is not there": ("good.csv --weights heavy", "'heavy'"),
    "a negative weight": ("negative_weight.csv --weights w", "'w'.*row 1"),
    "no weight above zero": ("weightless.csv --weights w", "'w'"),
    "a column of runs that is not there": ("good.csv --run-column seed", "'seed'"),
    "a row of no run": ("no_run.csv --run-column group", "'group'.*row 1"),
    "a column of groups that is not there": ("good.csv --by corpus", "'corpus'"),
    "an unknown objective": ("good.csv --objective cubic", "--objective.*'cubic'"),
    "a negative delta": ("good.csv --delta -1", "delta"),
    "a delta that is not a number": ("good.csv --delta nan", "delta"),
    "a delta of squares": ("good.csv --objective squared --delta 1e-3", "--delta"),
    "no starts": ("good.csv --starts 0", "--starts.*'0'"),
    "starts that are not a number": ("good.csv --starts many", "--starts.*'many'"),
    "published starts of a law without": ("good.csv --law law.py:mine --starts paper", "mine.*grid"),
    "unknown intervals": ("good.csv --intervals wide", "--intervals.*'wide'"),
    "a level above one": ("good.csv --level 1.5", "level.*1.5"),
    "a level of nothing": ("good.csv --level 0", "level.*0"),
    "a level that is a word": ("good.csv --level high", "--level.*'high'"),
    "no draws": ("good.csv --bootstrap 0", "--bootstrap.*0|draws.*0"),
    "draws for intervals that draw nothing": ("good.csv --bootstrap 99 --intervals quick", "--bootstrap 99"),
    "a parameter held nowhere": ("good.csv --fix E", "--fix.*'E'"),
    "a parameter held at a word": ("good.csv --fix E=much", "--fix E.*'much'"),
    "a bound without a colon": ("good.csv --bounds E=1", "--bounds takes NAME=LOW:HIGH.*'E=1'"),
    "a bound that is open on both sides": ("good.csv --bounds E=:", "--bounds takes NAME=LOW:HIGH"),
    "a bound that is a word": ("good.csv --bounds E=low:2", "--bounds E.*'low'"),
    "bounds the wrong way round": ("good.csv --bounds E=2:1", "bounds of E leave no room: 2.0 to 1.0"),
    "bounds below what is positive": ("good.csv --bounds E=-2:-1", "parameter E must be positive, got -1"),
    "a parameter held twice": ("good.csv --fix E=1 --fix E=2", "--fix.*'E'"),
    "a parameter the law lacks": ("good.csv --fix gamma=1", "gamma"),
    "a positive parameter held below zero": ("good.csv --fix A=-1", r"\bA\b"),
    "every parameter held": ("good.csv --fix E=1 --fix A=1 --fix B=1 --fix alpha=1 --fix beta=1", "every parameter"),
    "a tie of one": ("good.csv --tie alpha", "--tie.*'alpha'"),
    "a tie with an unknown parameter": ("good.csv --tie alpha,gamma", "gamma"),
    "a parameter both tied and held": ("good.csv --tie alpha,beta --fix alpha=.3", "alpha"),
    "a seed that is not a number": ("good.csv --seed often", "--seed.*'often'"),
    "a negative seed": ("good.csv --seed -1", "seed.*-1"),
    "an unknown law": ("good.csv --law chincilla", "'chincilla'.*'chinchilla'"),
    "a law that needs another variable": ("good.csv --law kaplan_ns", "'S_min'"),
    "a law's file that is not there": ("good.csv --law nowhere.py:mine", "'nowhere.py'"),
    "a law's file that is not Python": ("good.csv --law syntax.py:mine", "'syntax.py'.*SyntaxError"),
    "a law's file that fails": ("good.csv --law raises.py:mine", "'raises.py'.*on purpose"),
    "a law's file without the law": ("good.csv --law law.py:yours", "'yours'.*mine"),
    "a law's file with something else": ("good.csv --law law.py:number", "'number'"),
    "an output in no folder": ("good.csv -o nowhere/out.json", "'nowhere'"),
    "an output that is a folder": ("good.csv -o folder", "'folder'"),
    "an output onto the table": ("good.csv -o good.csv", "'good.csv'"),
    "an output to standard output": ("good.csv -o -", "--json"),
    "an unknown option": ("good.csv --los loss", "--los"),
    "an option without its value": ("good.csv -o out.json --law", "--law"),
    "no table": ("", "RUNS"),
    "two tables": ("good.csv zero.csv", "zero.csv"),
}
AT = "-N 70B -D 1.4T"
PREDICT = {
    "a fit that is not there": (f"nowhere.json {AT}", "'nowhere.json'"),
    "a fit that is a folder": (f"folder {AT}", "'folder'"),
    "a table for a fit": (f"good.csv {AT}", "good.csv.*fit it first: jaxscale fit good.csv -o fit.json"),
    "a table in JSON lines for a fit": (f"broken.jsonl {AT}", "JSON"),
    "a table in JSON for a fit": (f"rows.json {AT}", "fit it first: jaxscale fit rows.json"),
    "a file of something else": (f"plain.json {AT}", "plain.json"),
    "a file of a list": (f"list.json {AT}", "list.json"),
    "a file cut short": (f"cut.json {AT}", "cut.json"),
    "a file of a newer version": (f"newer.json {AT}", "jaxscale.fit/99"),
    "a file with nothing in it": (f"bare.json {AT}", "bare.json"),
    "a file with a word for a number": (f"word.json {AT}", "word.json"),
    "unknown constants": (f"chinchilla:besirolu {AT}", "'besirolu'.*'besiroglu'"),
    "constants of an unknown law": (f"chincilla:besiroglu {AT}", "'chincilla'"),
    "a law without constants": (f"chinchilla {AT}", "'chinchilla'"),
    "a variable left out": ("chinchilla:besiroglu -N 70B", r"\bD\b"),
    "a variable the law lacks": (f"chinchilla:besiroglu {AT} --at epochs=3", "epochs"),
    "a variable given twice": (f"chinchilla:besiroglu {AT} --at N=3", "'N'"),
    "a variable without value": (f"chinchilla:besiroglu {AT} --at epochs", "--at.*'epochs'"),
    "a size that is a word": ("chinchilla:besiroglu -N big -D 1T", "-N.*'big'"),
    "a size of zero": ("chinchilla:besiroglu -N 0 -D 1T", r"\bN\b.*0"),
    "a negative number of tokens": ("chinchilla:besiroglu -N 1B -D -3", r"\bD\b.*-3"),
    "a group of a fit without groups": (f"chinchilla:besiroglu {AT} --group a", "'a'"),
}
FRONTIER = {
    "no budget": ("chinchilla:besiroglu", "--budget"),
    "a budget that is a word": ("chinchilla:besiroglu --budget lots", "--budget.*'lots'"),
    "a negative budget": ("chinchilla:besiroglu --budget -1e21", "budget.*-1"),
    "a budget of zero": ("chinchilla:besiroglu --budget 0", "budget.*0"),
    "two budgets in one": (
        "chinchilla:besiroglu --budget 1e21,1e24",
        "--budget.*'1e21,1e24'.*--budget 1e21 --budget 1e24$",
    ),
    "an infinite budget": ("chinchilla:besiroglu --budget inf", "--budget.*'inf'"),
    "an unknown cost": ("chinchilla:besiroglu --budget 1e21 --cost nine_nd", "'nine_nd'.*six_nd"),
    "a level above one of a plan": ("chinchilla:besiroglu --budget 1e21 --level 2", "level.*2"),
    "a law with nothing to allocate": ("kaplan_n:kaplan --budget 1e21", "kaplan_n"),
    "an output of a plan in no folder": ("chinchilla:besiroglu --budget 1e21 -o nowhere/out.json", "'nowhere'"),
}
OTHERS = {
    "an unknown command": ("fti good.csv", "'fti'"),
    "a law to show that is not there": ("laws chincilla", "'chincilla'.*'chinchilla'"),
    "an option of another command": ("laws --budget 3", "--budget"),
    "an argument where none is taken": ("demo good.csv", "good.csv"),
}
CASES = (
    {name: (f"fit {line}" + ("" if " -o " in line else " -o out.json"), wanted) for name, (line, wanted) in FIT.items()}
    | {name: (f"predict {line}", wanted) for name, (line, wanted) in PREDICT.items()}
    | {
        name: (f"frontier {line}" + ("" if " -o " in line else " -o out.json"), w)
        for name, (line, w) in FRONTIER.items()
    }
    | OTHERS
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, data in BYTES.items():
        (folder / name).write_bytes(data)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_there_are_at_least_forty_kinds():
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_clear_message(case, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("jaxscale._base.progress._SLOW", 60)  # no word of progress while JAX is imported
    line, wanted = CASES[case]
    before = contents(folder)

    status = run(shlex.split(line))

    out, err = capsys.readouterr()
    assert (status, out) == (2, ""), err
    assert err.startswith("error: ")
    assert re.search(wanted, err, re.DOTALL), err
    assert err.count("\n") <= 5, err
    assert "Traceback" not in err
    assert all(c == "\n" or c.isprintable() for c in err)
    assert contents(folder) == before


JUNK = (None, "much", -1, [], {"a": [1]}, ["\x1b[2J"], ..., 1e308)


@pytest.fixture(scope="module")
def fit_file(folder) -> dict:
    """A sound file of a fit; the tests below break it."""
    assert run(["fit", str(folder / "good.csv"), "--intervals", "quick", "-o", str(folder / "fit.json")]) == 0
    text = (folder / "fit.json").read_text()
    (folder / "fit.json").unlink()
    return json.loads(text)


def broken(document: dict, path: tuple, value: object) -> dict:
    """The document with another value at a place, or without the place if the value is `...`."""
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.slow
def test_a_file_broken_anywhere_is_refused_or_harmless(fit_file, folder, monkeypatch, capsys):
    """Entries that a prediction does not need may be odd; what it needs is checked, and nothing ends in a failure."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("jaxscale._base.progress._SLOW", 60)
    places = [(key,) for key in fit_file] + [
        (a, b) for a in fit_file if isinstance(fit_file[a], dict) for b in fit_file[a]
    ]
    refused = 0
    for path in [*places, ("covariance", "matrix", 0, 0), ("covariance", "matrix", 0)]:
        for value in JUNK:
            (folder / "odd.json").write_text(json.dumps(broken(fit_file, path, value)))
            status = run(["predict", "odd.json", "-N", "1B", "-D", "20B", "--json"])
            out, err = capsys.readouterr()
            assert status in (0, 2), (path, value, err)
            assert "\x1b" not in out + err
            assert err.startswith("error: odd.json") or status == 0, (path, value, err)
            refused += status == 2
    (folder / "odd.json").unlink()
    assert refused > 200


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (("format",), ["jaxscale.fit/1"], "format"),
        (("law",), "besiroglu", "'besiroglu'"),
        (("theta", "A"), "much", "much"),
        (("theta", "A"), float("nan"), "nan"),
        (("theta", "A"), 1e308, "A"),
        (("params",), ..., "params"),
        (("covariance", "matrix", 0, 0), -1.0, "covariance"),
        (("intervals", "level"), 2.0, "level"),
        (("verdict", "trustworthy"), "yes", "verdict"),
        (("runs", "data", "loss", 0), 9.0, "SHA-256"),
        (("objective", "kind"), "cubic", "'cubic'"),
    ],
)
def test_a_file_that_does_not_add_up_is_refused_with_words(path, value, wanted, fit_file, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "odd.json").write_text(json.dumps(broken(fit_file, path, value)))
    status = run(["predict", "odd.json", "-N", "1B", "-D", "20B", "--json"])
    out, err = capsys.readouterr()
    (folder / "odd.json").unlink()
    assert (status, out) == (2, "")
    assert err.startswith("error: odd.json")
    assert wanted in err


def test_the_table_the_cases_start_from_is_good(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run(["fit", "good.csv", "--intervals", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"]["count"] == 28


SHARE = {"text": 300, "frames": 200, "fit files": 120, "command lines": 40}  # of the cases of tests/whole/fuzz.py


@pytest.fixture(scope="module")
def fuzz_folder():
    with fuzz.folder():
        yield


@pytest.mark.parametrize("kind", SHARE)
@pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
def test_hostile_input_ends_in_a_result_or_a_sentence(kind, fuzz_folder):
    """Nothing else: no other error, no number that is not finite, nothing that moves a terminal."""
    assert [(seed, found) for seed in range(SHARE[kind]) if (found := fuzz.findings(kind, seed))] == []


@pytest.mark.slow
def test_fits_of_hostile_tables_are_finite_or_not_trustworthy(fuzz_folder):
    assert [(seed, found) for seed in range(8) if (found := fuzz.findings("fits", seed))] == []


# Each was found by tests/whole/fuzz.py.


@pytest.mark.parametrize("name", ["run", "weights"])
def test_a_response_cannot_have_the_name_of_a_role(name):
    table = pd.DataFrame({"params": [1e8, 1e9], "tokens": [1e9, 1e10], name: [3.0, 2.0], "other": [1.0, 2.0]})
    for options in ({}, {name: "other"}):
        with pytest.raises(js.InputError, match=f"response cannot be called '{name}'"):
            js.Runs.from_frame(table, response=name, **options)


def test_counts_near_the_largest_number_are_compared_without_overflow():
    table = {
        "params": [1e-300, 1.5e308],
        "tokens": [1.7e308, 1.6e308],
        "flops": [1.7e308, 1e-300],
        "loss": [2e307, 1e308],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", js.DataWarning)
        notes = js.Runs.from_frame(table).record.notes
    assert {"suspicious_units", "mixed_conventions"} <= {n.code for n in notes}
