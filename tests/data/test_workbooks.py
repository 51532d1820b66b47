"""Excel workbooks: typed cells, per cents, margins and several header rows; and what is no table is named."""

import io
import sys
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
from helpers import FOUR, four_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._data import workbooks
from jaxscale._data.runs import Runs, read_runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
openpyxl = pytest.importorskip("openpyxl")

N, D, LOSS = FOUR.values()
NAMES, ROWS = list(FOUR), [list(row) for row in zip(N, D, LOSS, strict=True)]


def workbook(
    rows: Sequence[Sequence[Any]], down: int = 0, right: int = 0, percent: int | None = None, **others: Any
) -> io.BytesIO:
    """A workbook with these rows in its first sheet, `down` and `right` of its corner."""
    book = openpyxl.Workbook()
    sheet = book.active
    for i, row in enumerate(rows, down + 1):
        for j, value in enumerate(row, right + 1):
            cell = sheet.cell(i, j, value)
            if percent == j and not isinstance(value, str):
                cell.number_format = "0.0%"
    for name, value in others.items():
        book.create_sheet(name)["A1"] = value
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


@settings(max_examples=30)
@given(
    st.sampled_from(["numbers", "text", "comma"]),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(["plain", "merged", "units", "title"]),
    st.booleans(),
)
def test_every_way_of_filling_a_sheet_gives_the_same_runs(
    kind: str, down: int, right: int, top: str, trailing: bool
) -> None:
    scale = (1e6, 1e9) if top == "units" else (1.0, 1.0)
    losses = [3.1445, 2.5, 2.25, 1.9]
    rows: list[list[Any]] = [[n / scale[0], d / scale[1], x] for n, d, x in zip(N, D, losses, strict=True)]
    if kind != "numbers":
        mark = "," if kind == "comma" else "."
        rows = [[f"{n:.0f}", f"{d:.0f}", str(x).replace(".", mark)] for n, d, x in rows]
    above = {"merged": [["Model", None, "Result"]], "title": [["Sweep of May"]]}.get(top, [])
    below = [["M", "B", "nats"]] if top == "units" else []
    file = workbook([*above, NAMES, *below, *rows, *([[None, " ", None]] * 2 if trailing else [])], down, right)
    runs = read_runs(file)
    assert runs.sha256 == Runs.from_frame(four_runs(loss=losses)).sha256
    assert runs.record.conventions["layout"].startswith("an Excel workbook")


def test_per_cent_of_a_sheet_are_shares_once() -> None:
    rows = [["params", "top1 error (%)"], *([n, x] for n, x in zip(N, [0.728, 0.5, 0.4, 0.35], strict=True))]
    for header in ("top1 error (%)", "top1 error"):
        rows[0][1] = header
        runs = read_runs(workbook(rows, percent=2), loss_unit="error")
        assert runs.response.tolist() == pytest.approx([0.728, 0.5, 0.4, 0.35], rel=1e-14)


def test_other_cells_are_what_they_show() -> None:
    import datetime

    rows = [
        [*NAMES, "day", "good", "text"],
        *([*row, datetime.date(2024, 5, i + 1), True, "007"] for i, row in enumerate(ROWS)),
    ]
    file = workbook(rows)
    assert read_runs(file, run="day").clusters == tuple(f"2024-05-0{i} 00:00:00" for i in range(1, 5))
    file.seek(0)
    assert read_runs(file, where=["good == True", "text == '007'"]).count == 4


def test_cells_in_excess_and_errors_of_formulas_are_named_by_row() -> None:
    with pytest.raises(InputError, match="line 3 has 4 cells where the header has 3"):
        read_runs(workbook([NAMES, ROWS[0], [*ROWS[1], 5]]))
    with pytest.raises(InputError, match="row 2 holds '#N/A', missing"):
        read_runs(workbook([NAMES, ROWS[0], [*ROWS[1][:2], "#N/A"]]))


def test_several_sheets_are_listed_and_empty_ones_left_out() -> None:
    with pytest.raises(InputError, match=r"several sheets, 'Sheet', 'other'; keep one.*pandas.read_excel"):
        read_runs(workbook([NAMES, *ROWS], other="x"))
    assert read_runs(workbook([NAMES, *ROWS], empty=None)).sha256 == Runs.from_frame(four_runs()).sha256


def test_what_is_no_workbook_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("runs.csv", "params,loss\n")
    with pytest.raises(InputError, match=r"is a zip archive and no Excel workbook"):
        read_runs(io.BytesIO(file.getvalue()))
    good = workbook([NAMES, *ROWS]).getvalue()
    with pytest.raises(InputError, match="broken Excel workbook"):
        read_runs(io.BytesIO(good[: len(good) // 2]))
    with pytest.raises(InputError, match="without a cell in it"):
        read_runs(workbook([]))
    with pytest.raises(InputError, match="has a header but no rows"):
        read_runs(workbook([NAMES]))
    monkeypatch.setattr("jaxscale._data.tables.MAX_CELLS", 5)
    with pytest.raises(InputError, match="more than 5 cells"):
        read_runs(io.BytesIO(good))
    monkeypatch.setattr(workbooks, "_MOST_BYTES", 100)  # what a small archive may unpack to is known before
    with pytest.raises(InputError, match="of more than 1 GiB"):
        read_runs(io.BytesIO(good))


def test_a_workbook_with_broken_parts_is_named() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook")
    with pytest.raises(InputError, match="cannot be read as an Excel workbook"):
        read_runs(io.BytesIO(file.getvalue()))


def test_without_openpyxl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    file = workbook([NAMES, *ROWS])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'jaxscale\[xlsx\]'"):
        read_runs(file)
