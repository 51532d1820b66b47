"""Excel workbooks: the one sheet with a table in it, cell by cell. Needs openpyxl, which the extra `xlsx` brings."""

import datetime
import io
import warnings
import zipfile
from typing import Any

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.text import inert, listed

_MOST_BYTES = 1024**3  # of all parts of the archive, once they are no longer compressed


def sheet_records(data: bytes, shown: str, most_cells: int) -> tuple[list[list[Any]], str]:
    """The cells of the sheet that has any, without blank rows and columns before them, and its name.

    Numbers stay numbers, shares that a sheet shows in per cent become text such as `72.8%`, formulas are what they were
    when the workbook was saved. Raises InputError, and MissingExtraError without openpyxl.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{shown} is a broken Excel workbook or another zip archive: {inert(error, 100)}") from None
    if "xl/workbook.xml" not in names:
        raise InputError(f"{shown} is a zip archive and no Excel workbook (.xlsx); save the sheet as CSV")
    if size > _MOST_BYTES:
        raise InputError(f"{shown} is an Excel workbook of more than 1 GiB; save the sheet as CSV")
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError(
            f"{shown} is an Excel workbook, which needs openpyxl: pip install 'jaxscale[xlsx]'"
        ) from None
    sheets: dict[str, list[list[Any]]] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not kept
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            for sheet in book.worksheets:
                sheet.reset_dimensions()
                rows, count = [], 0
                for cells in sheet.iter_rows():
                    rows.append([_value(cell) for cell in cells])
                    count += len(cells)
                    if count > most_cells:
                        raise InputError(f"{shown} has more than {most_cells:,} cells; keep only the rows needed")
                if records := _without_margin(rows):
                    sheets[str(sheet.title)] = records
    except InputError:
        raise
    except Exception as error:  # openpyxl has no class for what it cannot read
        raise InputError(f"{shown} cannot be read as an Excel workbook: {inert(error, 100)}") from None
    if not sheets:
        raise InputError(f"{shown} is an Excel workbook without a cell in it")
    if len(sheets) > 1:
        raise InputError(
            f"{shown} has several sheets, {listed(list(sheets))}; keep one of them, save it as CSV, or read it with "
            f"pandas.read_excel(FILE, sheet_name={next(iter(sheets))!r})"
        )
    ((title, records),) = sheets.items()
    return records, title


def _value(cell: Any) -> Any:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)) and "%" in str(getattr(cell, "number_format", "")):
        return f"{100.0 * value:.15g}%"
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return str(value)
    return value


def _without_margin(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows without blank ones around them, all as long as the longest, without blank columns on the left."""
    filled = [i for i, row in enumerate(rows) if any(str(cell).strip() for cell in row)]
    if not filled:
        return []
    rows = rows[filled[0] : filled[-1] + 1]
    left = min(next((j for j, cell in enumerate(row) if str(cell).strip()), len(row)) for row in rows)
    width = max(map(len, rows))
    return [(row + [""] * (width - len(row)))[left:] for row in rows]
