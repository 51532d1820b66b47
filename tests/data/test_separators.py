"""Layouts of tables of text: separators, Markdown, comment lines, trailing columns; and all of them together."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data import tables
from jaxscale._data.runs import Runs, read_quietly, read_runs
from jaxscale._data.separators import LAYOUT, cells_between, layout_of
from jaxscale._data.tables import read_frame

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


@pytest.mark.parametrize(
    ("text", "cells", "said"),
    [
        ("a,b\n1,2\n", [["1", "2"]], ""),
        ("a;b\n1,5;2\n", [["1,5", "2"]], "separated by semicolons"),
        ("a|b\n1|2\n", [["1", "2"]], "separated by pipes"),
        ("a|b\n---|---\n1|2\n", [["1", "2"]], "a Markdown table"),
        ("| a | b |\n|:--|--:|\n| 1 | 2 |\n| - | |\n", [["1", "2"], ["-", ""]], "a Markdown table"),
        ('\n\n  | a | b |\n  |---|---|\n  | 1 | "2 |\n', [["1", '"2']], "a Markdown table"),
        ("sep=;\na;b\n1;2\n", [["1", "2"]], "separated by semicolons"),
        ("# note\na,b\n1,2\n", [["1", "2"]], "1 comment line before the header"),
        ("# x, y\n# z\n\na,b\n1,2\n", [["1", "2"]], "2 comment lines before the header"),
        ("a,b,,\n1,2,,\n3,4, ,\n", [["1", "2"], ["3", "4"]], ""),
        ("a,b\n1,2\n,\n3,4\n ,\n,\n", [["1", "2"], ["", ""], ["3", "4"]], "2 blank rows at the end left out"),
        ("a;b\n1;2\n;\n", [["1", "2"]], "separated by semicolons, 1 blank row at the end left out"),
        ("a,b\n1,2,\n", [["1", "2"]], ""),
        ("a\tb (x, y)\n1\t2\n", [["1", "2"]], ""),
        ("a;b, c\n1;2\n", [["1", "2"]], "separated by semicolons"),
        ("a,b|c\n1,2\n", [["1", "2"]], ""),
        ("a\n1\n", [["1"]], ""),
        ("a  b\n1  2\n", [["1", "2"]], "separated by spaces"),
        ("  a   b\n 10   2\n  3  40 \n", [["10", "2"], ["3", "40"]], "separated by spaces"),
        ("a b   c\n1 2   x y\n", [["1 2", "x y"]], "separated by two spaces or more"),
        ("a b\n1,5 2,25\n", [["1,5", "2,25"]], "separated by spaces"),
        ("   a  b\n0  1  2\n1  3  4\n", [["0", "1", "2"], ["1", "3", "4"]], "separated by spaces"),
        ("Sweep of May,\na,b\n1,2\n", [["1", "2"]], "1 title line above the header"),
        ("Sweep of May;;\n;;\na;b\n1;2\n", [["1", "2"]], "separated by semicolons, 1 title line above the header"),
        ("Sweep of May\n\na;b\n1,5;2\n", [["1,5", "2"]], "separated by semicolons, 1 title line above the header"),
        ("Sweep\na\tb\n1\t2\n", [["1", "2"]], "1 title line above the header"),
        ("a,b\n# x\n1,2\n# y\n", [["1", "2"]], "2 comment lines between the rows left out"),
        (
            "| a | b |\n|---|---|\n| 1 | 2 |\n# x\n",
            [["1", "2"]],
            "a Markdown table, 1 comment line between the rows left out",
        ),
        ("a,b\n# 1,2\n3,4\n", [["# 1", "2"], ["3", "4"]], ""),
        ("a\n# x\n1\n", [["# x"], ["1"]], ""),
        ("A,,B\na,b,c\n1,2,3\n", [["1", "2", "3"]], "2 header rows"),
        ("a,b\n(M),(B)\n1,2\n", [["1", "2"]], "a row of units below the header"),
        ('a,b\n"1\n# no comment",2\n', [["1\n# no comment", "2"]], ""),
    ],
)
def test_layouts(text: str, cells: list[list[str]], said: str) -> None:
    for ends in ("\n", "\r\n"):
        frame = read_frame(io.BytesIO(text.replace("\n", ends).encode()))
        assert frame.to_numpy().tolist() == [[cell.replace("\n", ends) for cell in row] for row in cells]
        assert frame.attrs.get(LAYOUT, "") == said


def test_a_header_that_begins_with_the_mark_of_comments_stays_the_header() -> None:
    assert list(read_frame(io.StringIO("#,loss\n1,3.0\n")).columns) == ["#", "loss"]
    assert list(read_frame(io.StringIO("# made by hand\n# N,loss\n1,3.0\n")).columns) == ["# N", "loss"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b;c;d\n1,2;3;4\n", r"separated by commas \(2 columns\) or by semicolons \(3\); put quotes around"),
        ("a;b|c\n1;2|3\n", "separated by semicolons or pipes; save it with commas"),
        ("a b  c\n1 2  3\n", r"by spaces, by one \(3 columns\) or by two and more \(2\); save it with commas or tabs"),
        ("<table><tr><td>a</td></tr></table>\n", "is HTML or XML, not a table of text; save the table as CSV"),
        ("a & b \\\\ \\hline\n1 & 2 \\\\\n", "is a table of LaTeX; write commas for &"),
        ("\\begin{tabular}{cc}\n1 & 2\n", "is a table of LaTeX"),
        ("a,b,,\n1,2,,3\n", "line 2 has 4 cells where the header has 2"),
        ("# note\n\na,b\n1,2,3\n", "line 4 has 3 cells where the header has 2"),
        ("a;b\n1;2;3\n", "line 2 has 3 cells where the header has 2"),
        ("| a | b |\n|---|---|\n| 1 |\n", "line 3 has 1 cell where the header has 2"),
        ("a,,,b\n1,2,3,4\n", "columns 2, 3 of the header have no name"),
        (",,\n1,2,3\n", "column 1 of the header has no name"),
        ("| a | b |\n|---|---|\n", "has a header but no rows"),
        ("a,b\n,\n", "has a header but no rows"),
        ("sep=;\n", "has a header but no rows"),
        ("sep=;\na;b\n", "has a header but no rows"),
        ("sep=;\n\n#\n", "has a header but no rows"),
        ("# only notes\n# and more\n", "has a header but no rows"),
    ],
)
def test_what_is_no_table_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_frame(io.StringIO(text))


def test_a_large_table_is_judged_by_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# note\na;b\n" + "1,5;2\n" * 100
    for enough in range(30, 60):
        monkeypatch.setattr(tables, "_ENOUGH_FOR_LAYOUT", enough)
        assert read_frame(io.StringIO(text)).shape == (100, 2)


@given(st.text(alphabet='#,;|\t -:"ab1\n\r', max_size=60))
def test_any_text_has_a_layout_or_a_sentence(text: str) -> None:
    text = "sep=;\n" * text.startswith("a") + text + "x"
    try:
        layout = layout_of(text, "", "file")
    except InputError as error:
        assert str(error).startswith("file")  # noqa: PT017 - a layout may also come out
        return
    if layout.separator not in {",", ";", "|", "\t"}:  # then spaces, which cut all rows into equally many cells
        lines = [line for line in io.StringIO(text, newline="").readlines()[layout.skipped :] if line.strip()]
        _, *rows = (cells_between(line, layout.separator) for line in lines)
        assert len({len(cells) for cells in rows}) == 1 < len(rows[0])


_VALUES = [(1.5e8, 2e9, 3.1445), (2.5e8, 4e9, 2.9), (1.25e9, 8e9, 2.8), (7e10, 1.4e12, 1.9995)]
_SEPARATED = [
    (",", "."),
    ("\t", "."),
    (";", "."),
    ("|", "."),
    ("\t", ","),
    (";", ","),
    ("|", ","),
    ("md", "."),
    ("md", ","),
]


@given(
    st.sampled_from(_SEPARATED),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["", "'", "\u00a0"]),
    st.sampled_from(["", " tokens"]),
    st.sampled_from(["", " nats", " ± 0{}004"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 2),
    st.booleans(),
)
def test_every_layout_mark_encoding_and_unit_gives_the_same_runs(
    separated: tuple[str, str], encoding: str, thousands: str, tokens: str, nats: str, end: str, notes: int, empty: bool
) -> None:
    separator, decimal = separated
    rows = [["params", "tokens", "loss", "±SE"]]
    for n, d, loss in _VALUES:
        counts = [f"{x:,.0f}".replace(",", thousands) for x in (n, d)]
        rows.append([counts[0], counts[1] + tokens, f"{loss}".replace(".", decimal) + nats.format(decimal), "café"])
    if separator == "md":
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, "|---|---|---:|---|")
    else:
        lines = [separator.join(row + ["", ""] * empty) for row in rows]
    text = "".join(line + end for line in ["# made up"] * notes + lines)
    wanted = Runs.from_frame({name: [row[i] for row in _VALUES] for i, name in enumerate(["params", "tokens", "loss"])})
    assert read_runs(io.BytesIO(text.encode(encoding))).sha256 == wanted.sha256


@pytest.mark.parametrize("mark", ["**", "*", "__", "***", "`"])
def test_emphasis_of_markdown_is_no_part_of_a_cell(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "readme.md"
    rows = ((1e8, 2e9, 3.5), (3e8, 6e9, 3.1))
    lines = [f"| r{i} | {n:.0f} | {mark}{d:.0f}{mark} | {mark}{loss}{mark} |" for i, (n, d, loss) in enumerate(rows)]
    file.write_text("\n".join([f"| run_id | {mark}params{mark} | tokens | Val. loss |", "|:--|--:|--:|--:|", *lines]))
    runs = read_quietly(file)
    assert runs.record.columns["N"] == "params"
    assert runs.variables["D"].tolist() == [2e9, 6e9] and runs.response.tolist() == [3.5, 3.1]


BOXES = {
    "mysql": """
+--------+--------+------+
| params | tokens | loss |
+--------+--------+------+
{rows}
+--------+--------+------+
""",
    "psql": " params | tokens | loss \n--------+--------+------\n{rows}\n(3 rows)\n",
    "org": "| params | tokens | loss |\n|--------+--------+------|\n{rows}\n",
    "rst": "======  ======  =====\nparams  tokens   loss\n======  ======  =====\n{rows}\n======  ======  =====\n",
    "simple": "params  tokens   loss\n------  ------  -----\n{rows}\n",
    "grid": "+---+---+---+\n| params | tokens | loss |\n+===+===+===+\n{rows}\n+---+---+---+\n",
    "rich": "┏━━━┳━━━┓\n┃ params ┃ tokens ┃ loss ┃\n┡━━━╇━━━┩\n{rows}\n└───┴───┘\n",
}
ROWS = {"psql": " {} | {} | {} ", "rst": "{}  {}  {}", "simple": "{}  {}  {}", "rich": "│ {} │ {} │ {} │"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", BOXES)
def test_tables_as_consoles_draw_them_are_read(kind: str, end: str) -> None:
    cells = [("1e8", "2e9", "3.1"), ("3e8", "5e9", "2.8"), ("9e8", "9e9", "2.5")]
    between = "\n+---+---+---+\n" if kind == "grid" else "\n"
    rows = between.join(ROWS.get(kind, "| {} | {} | {} |").format(*row) for row in cells)
    text = BOXES[kind].format(rows=rows).replace("\n", end)
    frame = read_frame(io.BytesIO(text.encode()))
    assert list(frame.columns) == ["params", "tokens", "loss"]
    assert [tuple(row) for row in frame.to_numpy()] == cells


def test_a_row_of_dashes_is_missing_and_no_rule() -> None:
    frame = read_frame(io.BytesIO(b"params,tokens,loss\n1,2,3\n--,--,--\n4,5,6\n"))
    assert len(frame) == 3
