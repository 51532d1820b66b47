"""Headers of several rows: merged cells, units, titles; every way of writing them gives the same runs."""

import io
from pathlib import Path

import pytest
from helpers import FOUR, four_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.headers import header_in
from jaxscale._data.runs import Runs, read_quietly, read_runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


UNITS = "a row of units below the header"
HEADERS = [
    ("a,b 1,2", "a,b", 1, ""),
    ("a,b x,y 1,2", "a,b", 1, ""),  # text below a complete header is a row
    ("a,b nan,nan 1,2", "a,b", 1, ""),
    (",Model,,Loss, id,n,tokens,val,x 0,1,2,3,", "id,Model/n,Model/tokens,Loss/val,Loss/x", 2, "2 header rows"),
    ("train,train,val loss,acc,loss 1,2,3", "train/loss,train/acc,val/loss", 2, "2 header rows"),
    ("A,,B, x,,x, p,q,p,q 1,2,3,4", "A/x/p,A/x/q,B/x/p,B/x/q", 3, "3 header rows"),
    ("params,Result, ,loss,acc 1,2,3", "params,Result/loss,Result/acc", 2, "2 header rows"),
    ("params,tokens,loss M,B,nats 1,2,3", "params (M),tokens (B),loss (nats)", 2, UNITS),
    ("params,tokens,loss (millions),(B),- 1,2,3", "params (millions),tokens (B),loss", 2, UNITS),
    ("params,tokens,loss dense,moe,nats 1,2,3", "params,tokens,loss", 1, ""),
    ("Sweep,, params,tokens,loss 1,2,3", "params,tokens,loss", 2, "1 title line above the header"),
    ("Sweep,, ,, params,tokens,loss 1,2,3", "params,tokens,loss", 3, "1 title line above the header"),
    ("Sweep,, M,,R n,d,l 1,2,3", "M/n,M/d,R/l", 3, "1 title line above the header, 2 header rows"),
    ("params,tokens,loss,, 1,2,3,,", "params,tokens,loss", 1, ""),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "names", "count", "said"), HEADERS)
def test_headers(rows: str, names: str, count: int, said: str) -> None:
    header = header_in([row.split(",") for row in rows.split(" ")], "the file")
    assert (",".join(header.names), header.rows, header.said) == (names, count, said)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,,b", "1,2,3", "4,5,6"], "column 2 of the header has no name"),
        (["a,,b", "x,nan,nan", "4,5,6"], "column 2 of the header has no name"),  # a run that failed
        (["1,2", "3,4"], "the first line holds numbers .* put a line with their names above it, such as params,tokens"),
    ],
)
def test_rows_that_name_no_columns(rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        header_in([row.split(",") for row in rows], "the file")


@settings(max_examples=50)
@given(
    st.sampled_from(["plain", "merged", "repeated", "units", "title", "title and merged"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_every_header_separator_mark_and_encoding_gives_the_same_runs(
    layout: str, separator: str, decimal: str, encoding: str
) -> None:
    if separator == "," == decimal:
        separator = "\t"
    losses = [3.1445, 2.5, 2.25, 1.9]
    scale = (1e6, 1e9) if layout == "units" else (1, 1)
    rows = [
        [f"{n / scale[0]:.0f}", f"{d / scale[1]:.0f}", str(x).replace(".", decimal), "café"]
        for n, d, x in zip(N, D, losses, strict=True)
    ]
    names = ["params", "tokens", "loss", "note"]
    above = {
        "merged": [["Model", "", "Result", ""]],
        "repeated": [["Model", "Model", "Result", "Result"]],
        "title": [["Sweep of May", "", "", ""]],
        "title and merged": [["Sweep of May", "", "", ""], ["Model", "", "Result", ""]],
    }.get(layout, [])
    below = [["M", "B", "nats", ""]] if layout == "units" else []
    text = "\n".join(map(separator.join, [*above, names, *below, *rows])) + "\n"
    runs = read_runs(io.BytesIO(text.encode(encoding)))
    assert runs.sha256 == Runs.from_frame(four_runs(loss=losses)).sha256


def test_a_name_that_is_there_twice_is_one_column_if_the_cells_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text("Name,params,tokens,loss,loss\nr0,1e8,2e9,3.5,3.5\nr1,3e8,6e9,3.1, 3.1\n")
    runs = read_quietly(file)
    assert runs.response.tolist() == [3.5, 3.1]
    assert runs.record.conventions["layout"] == "a second column called 'loss', with the same cells, left out"
    file.write_text("Name,params,tokens,loss,loss\nr0,1e8,2e9,3.5,3.5\nr1,3e8,6e9,3.1,2.9\n")
    with pytest.raises(InputError, match="called 'loss', and they differ: columns 4 and 5 hold"):
        read_quietly(file)


@pytest.mark.parametrize("symbol", ["N", "D", "loss"])
def test_the_second_of_one_name_as_pandas_calls_it_is_no_rival_but_a_question(symbol: str) -> None:
    table = {"params": [1e8, 3e8], "tokens": [2e9, 6e9], "loss": [3.5, 3.1]}
    name = {"N": "params", "D": "tokens", "loss": "loss"}[symbol]
    same = Runs.from_frame({**table, f"{name}.1": table[name]})
    assert same.record.columns[symbol] == name
    other = {**table, f"{name}.1": [x * 1.1 for x in table[name]]}
    with pytest.raises(InputError, match=f'two columns were called .*{symbol}="{name}\\.1"'):
        Runs.from_frame(other)
    assert Runs.from_frame(other, **{symbol: f"{name}.1"}).record.columns[symbol] == f"{name}.1"
