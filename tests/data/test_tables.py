"""Tables of every kind: what is read, and what is refused with which words."""

import gzip
import io
import json
import pickle
import sys
import tracemalloc
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError, JaxscaleError, MissingExtraError
from jaxscale._data import tables
from jaxscale._data.runs import Runs, read_runs
from jaxscale._data.tables import read_frame

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


class Interchange:
    """Something with only the interchange protocol."""

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame

    def __dataframe__(self, *args: object, **kwargs: object) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.frame.__dataframe__(*args, **kwargs)


class ToPandas:
    """Something that becomes a frame."""

    def __init__(self, frame: object):
        self.to_pandas = lambda: frame


class ArrowStream:
    """Something with only the Arrow stream."""

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow

        return pyarrow.table(self.frame).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f,
        lambda f: f.set_index(pd.Index([5, 5, 6, 6])),
        lambda f: f.rename(columns={"params": "N"}),
        lambda f: {name: list(f[name]) for name in f},
        lambda f: {name: f[name].set_axis(range(i, i + 4)) for i, name in enumerate(f)},
        lambda f: {name: tuple(f[name]) for name in f},
        lambda f: {name: f[name].to_numpy() for name in f},
        ToPandas,
        pytest.param(ArrowStream, marks=pytest.mark.skipif(find_spec("pyarrow") is None, reason="reads Arrow")),
        Interchange,
        lambda f: io.StringIO(f.to_csv(index=False)),
        lambda f: io.BytesIO(f.to_csv().encode()),
        lambda f: io.StringIO(f.to_json(orient="records", lines=True)),
    ],
)
def test_every_kind_of_table(make) -> None:
    assert read_runs(make(pd.DataFrame(four_runs()))).sha256 == Runs.from_frame(four_runs()).sha256


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "the int is not a table"),
        ([[1, 2]], "the list is not a table"),
        (None, "the NoneType is not a table"),
        (ToPandas(pd.Series([1])), "is one column"),
        ({"params": [1e8, 1e9], "loss": [1.0]}, "equally long: 'params' 2, 'loss' 1"),
        ({"params": [1e8, 1e9], "loss": 3.0}, "'loss' a single value"),
        ({"params": [1e8, 1e9], "loss": "abc"}, "'loss' a single value"),
        ({"params": np.ones((2, 2)), "loss": [1, 2]}, "cannot be read as a table"),
        (pd.DataFrame([[1, 2]], columns=["loss", "loss"]), "more than one column called 'loss'"),
        (pd.DataFrame({"params": [], "loss": []}), "no rows"),
        ({}, "no rows"),
    ],
)
def test_what_is_no_table(source: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_runs(source)


# Files

HEAD = "params,tokens,loss\n"
CSV = HEAD + "".join(f"{n:.0f},{d:.0f},{loss}\n" for n, d, loss in zip(*FOUR.values(), strict=True))
ROWS = [{"params": n, "tokens": d, "loss": loss} for n, d, loss in zip(*FOUR.values(), strict=True)]
LINES = "\n".join(map(json.dumps, ROWS))
GOOD = {
    "runs.csv": CSV,
    "RUNS.CSV": CSV,
    "bom.csv": b"\xef\xbb\xbf" + CSV.encode(),
    "crlf.csv": CSV.replace("\n", "\r\n"),
    "blank_lines.csv": "\n\n" + CSV.replace("\n", "\n\n"),
    "no_last_newline.csv": CSV.rstrip(),
    "spaces.csv": CSV.replace(",", ", ").replace("params", " params "),
    "quoted.csv": CSV.replace("100000000,", '"100,000,000",'),
    "index.csv": "".join(f"{i or ''},{line}\n" for i, line in enumerate(CSV.splitlines())),
    "tabs.csv": CSV.replace(",", "\t"),
    "runs.tsv": CSV.replace(",", "\t"),
    "runs.csv.gz": gzip.compress(CSV.encode()),
    "gz_without_its_ending.csv": gzip.compress(CSV.encode()),
    "runs.txt": CSV,
    "semicolons.csv": CSV.replace(",", ";"),
    "pipes.csv": CSV.replace(",", "|"),
    "utf16.csv": CSV.encode("utf-16"),
    "utf16.jsonl": LINES.encode("utf-16"),
    "comments.csv": "# a sweep, of 26 Nov\n#\n\n" + CSV,
    "trailing.csv": CSV.replace("\n", ",,\n"),
    "markdown.md": "".join(
        f"| {' | '.join(line.split(','))} |\n" + "|---|:-:|--:|\n" * (not i) for i, line in enumerate(CSV.splitlines())
    ),
    "runs.v2.csv": CSV,
    "runs": CSV,
    "runs.jsonl": LINES,
    "runs.ndjson": LINES + "\n\n",
    "runs.jsonl.gz": gzip.compress(LINES.encode()),
    "lines": LINES,
    "lines.json": LINES,
    "rows.json": json.dumps(ROWS, indent=1),
    "columns.json": json.dumps(four_runs()),
    "pandas.json": pd.DataFrame(four_runs()).to_json(),
    "json": json.dumps(ROWS),
}


@pytest.mark.parametrize("name", GOOD)
def test_files(name: str, tmp_path: Path) -> None:
    content = GOOD[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    wanted = Runs.from_frame(four_runs()).sha256
    assert read_runs(path).sha256 == wanted
    assert read_runs(str(path), N="params").sha256 == wanted
    with path.open("rb") as file:
        assert read_runs(file).sha256 == wanted


@pytest.mark.parametrize("name", ["runs.csv", "runs.tsv", "runs.jsonl", "rows.json"])
def test_standard_input(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = GOOD[name]
    assert isinstance(content, str)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read_runs("-").sha256 == Runs.from_frame(four_runs()).sha256


def test_standard_input_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    with pytest.raises(InputError, match="nothing is piped"):
        read_runs("-")


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(four_runs())
    frame.to_parquet(tmp_path / "runs.parquet")
    frame.set_index("params").to_parquet(tmp_path / "no_ending")
    wanted = Runs.from_frame(four_runs()).sha256
    assert read_runs(tmp_path / "runs.parquet").sha256 == read_runs(tmp_path / "no_ending").sha256 == wanted
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "runs.parquet").read_bytes()[:-20])
    (tmp_path / "text.parquet").write_text(CSV)
    frame[:0].to_parquet(tmp_path / "empty.parquet")
    for name, message in {"cut": "as Parquet", "text": "as Parquet", "empty": "no rows"}.items():
        with pytest.raises(InputError, match=message):
            read_runs(tmp_path / f"{name}.parquet")


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for source in (io.BytesIO(b"PAR1xxxxPAR1"), ArrowStream(pd.DataFrame(four_runs()))):
        with pytest.raises(MissingExtraError, match=r"pip install 'jaxscale\[io\]'"):
            read_runs(source)


def test_a_file_of_text_is_not_reinterpreted(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(HEAD.strip() + ",run,text\n1e8,2e9,3.0,007,NA\n1e9,2e9,2.0,1e3,0x10\n")
    frame = read_frame(path)
    assert frame.iloc[0].tolist() == ["1e8", "2e9", "3.0", "007", "NA"]
    assert Runs.from_frame(frame, run="run").clusters == ("007", "1e3")
    assert Runs.from_frame(frame, where="run == '007'").count == 1


BROKEN = {
    "empty.csv": ("", "is empty"),
    "blank.csv": (" \n\n", "is empty"),
    "empty.json": ("", "is empty"),
    "header.csv": (HEAD, "has a header but no rows"),
    "short.csv": (CSV + "1,2\n", "line 6 has 2 cells where the header has 3"),
    "long.csv": (CSV + "1,2,3,4\n", "line 6 has 4 cells where the header has 3"),
    "long_quoted.csv": ('a,b\n"x\ny",1\n1,2,3\n', "line 4 has 3 cells"),
    "twice.csv": ("loss,params,loss\n1,2,3\n", "more than one column called 'loss'"),
    "spaced_twice.csv": ("loss,params, loss\n1,2,3\n", "more than one column called 'loss'"),
    "unnamed.csv": ("params,,loss\n1,2,3\n", "column 2 of the header has no name"),
    "no_header.csv": (CSV.removeprefix(HEAD), "the first line holds numbers"),
    "spaces.txt": ("params tokens  loss\n1 2  3\n", "separated by spaces, by one .* save it with commas or tabs"),
    "open_quote.csv": (HEAD + '1,2,"3\n1,2,3\n', "line 3 cannot be read"),
    "huge_cell.csv": (HEAD + "1,2," + "9" * 200_000 + "\n", "line 2 cannot be read: field larger"),
    "cut_utf8.csv": ("é,".encode() + CSV.encode() + b"caf\xe9,1,1\n", "not UTF-8 text: byte 0xe9 in line 6"),
    "cut_utf16.csv": (CSV.encode("utf-16")[:-1], "begins like UTF-16"),
    "binary.csv": (b"params,loss\n\x00\x01\x02", "binary"),
    "runs.xlsx": (b"PK\x03\x04\x00", "Excel workbook"),
    "runs.xls": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        r"of the old kind \(.xls\); save it as .xlsx or the sheet as CSV",
    ),
    "runs.pkl": (pickle.dumps(ROWS), "binary|not UTF-8"),
    "cut.csv.gz": (gzip.compress(CSV.encode())[:-9], "broken gzip"),
    "bad.csv.gz": (b"\x1f\x8bxxxxxxxxxxxxxx", "broken gzip"),
    "cut.jsonl": (LINES + '\n{"params": ', "line 5 is not JSON"),
    "array.jsonl": (LINES + "\n[1, 2]", "row 5 is not a JSON object"),
    "repeated.jsonl": ('{"loss": 1, "loss": 2}', "more than one column called 'loss'"),
    "cut.json": (json.dumps(ROWS, indent=1)[:-3], "line .* is not JSON"),
    "scalars.json": ("[1, 2]", "row 1 is not a JSON object"),
    "value.json": ("3", "one JSON value"),
    "none.json": ("[]", "no rows"),
    "lengths.json": ('{"params": [1, 2], "loss": [1]}', "equally long"),
    "deep.json": ("[" * 100_000, "nested too deeply|is not JSON"),
    "fit.json": ('{"format": "jaxscale.fit/1", "law": "chinchilla"}', "'jaxscale.fit/1' file"),
    "longint.json": ('[{"params": ' + "9" * 5000 + "}]", "cannot be read as JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as error:
        read_runs(path)
    assert name in str(error.value) or name in ("repeated.jsonl", "lengths.json")
    assert len(str(error.value)) < 1000


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("runs.csv", "one.csv"):
        (tmp_path / name).write_text(CSV)
    cases = {
        "is a folder": tmp_path,
        r"there is no file '.*run\.csv'; did you mean 'runs\.csv'\?$": tmp_path / "run.csv",
        r"there is no file '.*zzz'$": tmp_path / "zzz",
        r"there is no file '.*nofile.csv'$": tmp_path / "nofile.csv",
        "its folder does not exist": tmp_path / "missing" / "runs.csv",
        r"there is no file '~nobody-of-that-name/": "~nobody-of-that-name/runs.csv",
        r"no file 'a\\x00b'": "a\0b",
        "(?i)name too long": "x" * 10_000,
    }
    for message, source in cases.items():
        with pytest.raises(InputError, match=message):
            read_runs(source)


def test_the_limits_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 100))
    monkeypatch.setattr(tables, "MAX_BYTES", 4000)  # the compressed file is smaller, its content is not
    assert path.stat().st_size < 4000
    with pytest.raises(InputError, match="GiB; keep only"):
        read_runs(path)
    monkeypatch.setattr(tables, "MAX_JSON_BYTES", 50)
    with pytest.raises(InputError, match="MiB; save it as CSV"):
        read_runs(io.StringIO(LINES))
    monkeypatch.setattr(tables, "MAX_JSON_BYTES", 4000)
    with monkeypatch.context() as cells:
        cells.setattr(tables, "MAX_CELLS", 8)
        with pytest.raises(InputError, match="million cells; keep only"):
            read_runs(io.StringIO(CSV))
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    for source in (io.StringIO(CSV), io.StringIO(LINES), pd.DataFrame(four_runs())):
        with pytest.raises(InputError, match="million rows"):
            read_runs(source)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with open(path, "wb") as file:
        file.truncate(3 * 1024**3)  # a hole: it takes no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="larger than 1 GiB"):
            read_runs(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_large_tables_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_frame(io.StringIO(CSV))
    for at_once in (1, 2, 3):
        monkeypatch.setattr(tables, "_ROWS_AT_ONCE", at_once)
        pd.testing.assert_frame_equal(read_frame(io.StringIO(CSV)), whole)


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_an_error_of_ours(data: bytes) -> None:
    try:
        read_runs(io.BytesIO(data))
    except JaxscaleError as error:
        assert str(error)  # noqa: PT017 - a table may also come out


@given(st.text(alphabet='01,.-\n\t"{}[]:eNaloss params', max_size=80))
def test_no_text_makes_anything_but_an_error_of_ours(text: str) -> None:
    try:
        read_runs(io.StringIO(HEAD + text))
    except JaxscaleError as error:
        assert str(error)  # noqa: PT017 - a table may also come out
