"""How a table of text is laid out: what separates its cells, where its header is, and which cells are only frame."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from jaxscale._base.errors import InputError
from jaxscale._base.text import plural
from jaxscale._data.headers import is_number, used

_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "pipes"}
SPACES = " "  # one or more; WIDE_SPACES: two or more
WIDE_SPACES = "  "
_RUNS = {SPACES: re.compile(r"\s+"), WIDE_SPACES: re.compile(r"\s{2,}|\t")}
_SAID = {";": "separated by semicolons", SPACES: "separated by spaces", WIDE_SPACES: "separated by two spaces or more"}
_SAMPLED = 30  # records by which the separator is found
_DECLARED = re.compile(r"sep=([,;\t|])\s*", re.IGNORECASE)  # the first line of some spreadsheets
LAYOUT = "jaxscale.layout"  # what `attrs` of a frame says of its file
_EMPHASIS = re.compile(r"^(\*\*\*|\*\*|__|\*|`)(?=\S)(.*[^\s*_`])\1$")  # bold, italic, code: of the whole cell
_RULE = re.compile(r"\s*:?-+:?\s*")
_DRAWN = re.compile(
    r"[ ]*[+|]?[-=]{2,}(?:\+[-=]{2,})*[+|]?[ ]*|[ ]*[-=]{3,}(?: +[-=]{3,})+[ ]*"
)  # of a box in plain text
_BOX = re.compile(r"[\s\u2500-\u257f]*[\u2500\u2501\u2550][\s\u2500-\u257f]*")  # of one in letters for boxes
_UPRIGHTS = str.maketrans("\u2502\u2503\u2551", "|||")
_COUNT = re.compile(r"\([0-9]+ rows?\)")  # below a table that a database prints
_FIRST_LINES = 12


@dataclass(frozen=True)
class TableLayout:
    """The separator of a table (SPACES and WIDE_SPACES are runs of them), the lines before its header, whether pipes
    frame its rows, and what is said of it."""

    separator: str
    skipped: int = 0
    framed: bool = False
    said: str = ""


def without_drawn_rules(text: str) -> str:
    """The text of a table, and the rules of a box around it blank: `+-----+`, `|---+---|` or `=== ===`, as drawn."""
    first = text[: 2**14].split("\n")[:_FIRST_LINES]
    drawn = any(_BOX.fullmatch(line) for line in first)
    if not drawn and not any(_DRAWN.fullmatch(line.rstrip("\r")) for line in first):
        return text
    lines = (text.translate(_UPRIGHTS) if drawn else text).split("\n")
    rules = (_DRAWN, _BOX, _COUNT)
    return "\n".join("" if any(rule.fullmatch(line.rstrip("\r")) for rule in rules) else line for line in lines)


def layout_of(text: str, kind: str, shown: str, *, cut: bool = False) -> TableLayout:
    """The layout of a table by the first part of its text, `cut` where there is more; `kind` is what the name of the
    file says, or empty.

    Lines before the header that begin with "#" are comments, unless the last of them is the header itself: as many
    cells as the line after it, which holds a number. Raises InputError where two separators would do.
    """
    lines = list(io.StringIO(text, newline=""))  # the lines that are counted when it is read
    lines = lines[:-1] if cut and len(lines) > 1 else lines
    start = 0
    while start < len(lines) - 1 and not lines[start].strip():
        start += 1
    declared = _DECLARED.fullmatch(lines[start]) if start < len(lines) - 1 else None
    first = start + 1 if declared else start
    while first < len(lines) - 1 and (not lines[first].strip() or lines[first].startswith("#")):
        first += 1
    comments = [i for i in range(start, first) if lines[i].startswith("#")]
    if comments:
        header, row = ([_shape(line, c) for c in _SEPARATORS] for line in (lines[comments[-1]], lines[first]))
        if any(a == b > 1 for a, b in zip(header, row, strict=True)) and _holds_number(lines[first]):
            first = comments.pop()
    said = [plural(len(comments), "comment line") + " before the header"] if comments else []
    body = lines[first:]
    _check_is_table(body, shown)
    while len(body) > 2 and _is_title(body[0], next((line for line in body[1:] if line.strip()), "")):
        body = [line for line in body[1:] if line.strip()]  # only to see how it goes on
    framed = body[0].strip().startswith("|") and body[0].strip().endswith("|") and body[0].strip() != "|"
    separator = "|" if framed else declared[1] if declared else _separator(body, kind, shown)
    if separator == "|":
        ruled = len(body) > 1 and bool(re.fullmatch(r"[\s|:-]*-[\s|:-]*", body[1]))
        said.append("a Markdown table" if framed or ruled else "separated by pipes")
    elif separator in _SAID:
        said.append(_SAID[separator])
    return TableLayout(separator, first, framed, ", ".join(said))


def _check_is_table(lines: Sequence[str], shown: str) -> None:
    """Raises InputError for text in a language of pages."""
    start = lines[0].lstrip()
    if re.match(r"<[!?a-zA-Z]", start):
        raise InputError(f"{shown} is HTML or XML, not a table of text; save the table as CSV")
    if start.startswith("\\begin{") or re.search(r"&.*\\\\\s*(?:\\hline\s*)?$", start.rstrip()):
        raise InputError(f"{shown} is a table of LaTeX; write commas for &, and leave the \\\\ and rules out")


def _is_title(line: str, below: str) -> bool:
    """Whether a line has no separator, and the line below it has one between names."""
    return not any(c in line for c in _SEPARATORS) and any(c in below for c in _SEPARATORS) and not _holds_number(below)


def _separator(lines: Sequence[str], kind: str, shown: str) -> str:
    """The separator that cuts the first records into equally many cells."""
    if kind == "tsv":
        return "\t"
    widths = {c: width for c in _SEPARATORS if (width := _width(lines, c)) > 1}
    usual = "\t" if "," not in lines[0] and "\t" in lines[0] else ","
    if usual in widths:
        wider = [c for c, width in widths.items() if width > widths[usual]]
        if wider:
            raise InputError(
                f"{shown}: its cells may be separated by {_SEPARATORS[usual]} ({plural(widths[usual], 'column')}) or "
                f"by {_SEPARATORS[wider[0]]} ({widths[wider[0]]}); put quotes around cells that hold either, or save "
                "it with tabs under a name that ends in .tsv"
            )
        return usual
    if len(widths) == 1:
        return next(iter(widths))
    if widths:
        raise InputError(
            f"{shown}: its cells may be separated by {' or '.join(_SEPARATORS[c] for c in widths)}; save it with commas"
        )
    if not any(c in lines[0] for c in _SEPARATORS) and (spaces := _spaces(lines, shown)):
        return spaces
    if usual not in lines[0]:
        return max(";|", key=lines[0].count) if any(c in lines[0] for c in ";|") else usual
    return usual


def _spaces(lines: Sequence[str], shown: str) -> str:
    """SPACES or WIDE_SPACES where they cut all of the first lines into equally many cells, else nothing.

    Rows may have one cell more than the header, their number, as printed data frames have. Raises InputError where both
    would do and differ.
    """
    fits = {}
    for spaces in (SPACES, WIDE_SPACES):
        records = [cells_between(line, spaces) for line in lines[:_SAMPLED] if line.strip()]
        widths = {len(cells) for cells in records[1:]}
        numbered = [cells[0] for cells in records[1:]] == [str(i) for i in range(len(records) - 1)]
        if len(widths) == 1 and min(widths) > 1 and min(widths) - len(records[0]) in ((0, 1) if numbered else (0,)):
            fits[spaces] = min(widths)
    if len(set(fits.values())) > 1:
        raise InputError(
            f"{shown}: columns seem to be separated by spaces, by one ({fits[SPACES]} columns) or by two and more "
            f"({fits[WIDE_SPACES]}); save it with commas or tabs"
        )
    return next(iter(fits), "")


def cells_between(line: str, spaces: str) -> list[str]:
    """The cells of a line with SPACES or WIDE_SPACES between them."""
    return _RUNS[spaces].split(line.strip())


def _width(lines: Sequence[str], separator: str) -> int:
    """How many cells each of the first records has, up to trailing empty ones; 0 where they differ."""
    try:
        records = list(islice(_records(lines, TableLayout(separator)), _SAMPLED))
    except csv.Error:
        return 0
    records = [cells for cells in records if any(cell.strip() for cell in cells)]
    if len(records) > 2 and all(map(_RULE.fullmatch, records[1])):
        del records[1]
    widths = set(map(used, records[:1]))
    widths |= {len(cells) for cells in records[1:] if len(cells) < max(widths) or used(cells) > max(widths)}
    return widths.pop() if len(widths) == 1 else 0


def _shape(line: str, separator: str) -> int:
    return line.count(separator) + 1


def _holds_number(line: str) -> bool:
    return any(is_number(cell) for cell in re.split(r"[,;\t|]", line))


def _records(lines: Sequence[str], layout: TableLayout) -> Iterator[list[str]]:
    yield from csv.reader(lines, delimiter=layout.separator, strict=True, skipinitialspace=True)


def unframed(cells: list[str], layout: TableLayout, below_header: bool) -> list[str] | None:
    """The cells of a record without the frame and the emphasis of Markdown; None for the rule below its header."""
    if layout.separator != "|":
        return cells
    cells = [_EMPHASIS.sub(r"\2", cell.strip()) for cell in cells]
    if layout.framed:
        cells = cells[1:] if not cells[0] else cells
        cells = cells[:-1] if cells and not cells[-1] else cells
    return None if below_header and cells and all(map(_RULE.fullmatch, cells)) else cells


def row_of(cells: list[str], header: Sequence[str], line: int, shown: str) -> list[str]:
    """The cells of a row, as many as the header has names; blank ones beyond it are left out. Raises InputError."""
    width = len(header)
    if len(cells) == width:
        return cells
    if len(cells) > width >= used(cells):
        return cells[:width]
    raise InputError(
        f"{shown}: line {line} has {plural(len(cells), 'cell')} where the header has "
        f"{width}; put quotes around a cell that holds the separator, or fill the row up"
    )
