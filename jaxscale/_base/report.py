"""Turns a finished record into text, HTML and Markdown; knows nothing of how the record was made.

A record describes itself as a `Report`: plain sentences and tables of strings. The three functions here write it out.
They assume that any string may come from somebody's table, so every one is made harmless for where it goes.
"""

import re
import textwrap
import unicodedata
from dataclasses import dataclass

from jaxscale._base.text import escape_html, inert

_GAP = "  "
_INDENT = "  "
_NARROWEST, _LONGEST_WORD = 12, 30  # a column is folded no narrower than this, and no word up to that is broken
_NUMBER = re.compile(r"[-+]?(\d[\d.,_]*|\.\d+)([eE][-+]?\d+)?\s?[kKMBTPE%]?|[-–—]|")
_WITH_UNIT = re.compile(r"(?<=\d) (?=%)")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]#|~^$]|:(?=//)|(?<=www)\.|^[-+](?=[\s+-])")

_STYLE = (
    ".jaxscale-report{font-family:system-ui,sans-serif;font-size:.9rem}"
    ".jaxscale-report h3{margin:.2em 0}.jaxscale-report h4{margin:1em 0 .3em}"
    ".jaxscale-report .verdict{font-weight:bold}"
    ".jaxscale-report table{border-collapse:collapse}"
    ".jaxscale-report th,.jaxscale-report td{padding:.15em .8em;text-align:left;border-bottom:1px solid #8884}"
    ".jaxscale-report .number{text-align:right;font-variant-numeric:tabular-nums}"
)


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; every row has as many cells as the header. `note` is a sentence printed below."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self):
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"table {self.title!r}: each row needs {len(self.header)} cells")


@dataclass(frozen=True)
class Lines:
    """A few sentences under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a record says of itself: one line of title, the verdict if it has one, then tables and sentences."""

    title: str
    verdict: str | None = None
    blocks: tuple[Table | Lines, ...] = ()


class Reporting:
    """A record that prints its `report()`: as text of `_columns` columns, and as HTML in a notebook."""

    _columns = 100

    def report(self) -> Report:
        """What the record says of itself."""
        raise NotImplementedError

    def __str__(self) -> str:
        return to_text(self.report(), self._columns)

    def _repr_html_(self) -> str:
        return to_html(self.report())


def to_text(report: Report, width: int = 100) -> str:
    """The report for a terminal of `width` (at least 40) columns, no newline at the end; control codes made visible."""
    width = max(width, 40)
    head = [*_fold(report.title, width, ""), *(_fold(report.verdict, width, "") if report.verdict else [])]
    parts = ["\n".join(head)]
    for block in report.blocks:
        lines = [inert(block.title)] if block.title else []
        if isinstance(block, Lines):
            lines += [line for text in block.lines for line in _fold(text, width, _INDENT, _INDENT)]
        else:
            lines += _table_text(block, width)
            lines += _fold(block.note, width, _INDENT) if block.note else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def to_html(report: Report) -> str:
    """The report as one self-contained HTML fragment: its own style, no script, no address, all text escaped."""
    parts = [f'<div class="jaxscale-report"><style>{_STYLE}</style><h3>{escape_html(report.title)}</h3>']
    if report.verdict:
        parts.append(f'<p class="verdict">{escape_html(report.verdict)}</p>')
    for block in report.blocks:
        if block.title:
            parts.append(f"<h4>{escape_html(block.title)}</h4>")
        if isinstance(block, Lines):
            parts.append("<ul>" + "".join(f"<li>{escape_html(line)}</li>" for line in block.lines) + "</ul>")
        else:
            styles = ['class="number"' if numeric else "" for numeric in numeric_columns(block)]
            parts.append("<table><thead>" + _row_html("th", block.header, styles) + "</thead><tbody>")
            parts += [_row_html("td", row, styles) for row in block.rows]
            parts.append("</tbody></table>" + (f"<p>{escape_html(block.note)}</p>" if block.note else ""))
    return "\n".join(parts) + "</div>"


def to_markdown(report: Report) -> str:
    """The report as Markdown with tables as GitHub writes them, a newline at the end; no text in it acts as markup."""
    parts = [f"## {_markdown(report.title)}"]
    if report.verdict:
        parts.append(f"**{_markdown(report.verdict)}**")
    for block in report.blocks:
        if block.title:
            parts.append(f"### {_markdown(block.title)}")
        if isinstance(block, Lines):
            parts.append("\n".join(f"- {_markdown(line)}" for line in block.lines))
        else:
            parts += [_rows_markdown(block), *([_markdown(block.note)] if block.note else [])]
    return "\n\n".join(parts) + "\n"


def table_markdown(table: Table) -> str:
    """One table as GitHub writes it, with its title and note as a caption below and a newline at the end; lines of a
    cell follow each other."""
    rows = tuple(tuple(cell.replace("\n", " ") for cell in row) for row in table.rows)
    table = Table(table.title, table.header, rows, table.note)
    caption = " ".join(filter(None, (table.title, table.note)))
    return "\n\n".join([_rows_markdown(table), *([_markdown(caption)] if caption else [])]) + "\n"


def _rows_markdown(table: Table) -> str:
    rules = tuple("---:" if numeric else ":---" for numeric in numeric_columns(table))
    rows = [tuple(map(_markdown, table.header)), rules, *(tuple(map(_markdown, row)) for row in table.rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers only (or nothing) and so are aligned to the right."""
    columns = [[row[j].strip() for row in table.rows] for j in range(len(table.header))]
    return [any(column) and all(_NUMBER.fullmatch(cell) for cell in column) for column in columns]


def _table_text(table: Table, width: int) -> list[str]:
    cells = [tuple(map(inert, row)) for row in (table.header, *table.rows)]
    numeric = numeric_columns(table)
    columns = list(zip(*cells, strict=True))
    widths = [max(map(_columns, column)) for column in columns]
    widths = [w if n else min(w, width) for w, n in zip(widths, numeric, strict=True)]
    words = [max((_columns(word) for cell in column for word in cell.split()), default=0) for column in columns]
    least = [max(_NARROWEST, min(w, _LONGEST_WORD)) for w in words]
    excess = len(_INDENT) + sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0:  # fold columns of words, the widest first, but no narrower than their words
        folding = [j for j, w in enumerate(widths) if not numeric[j] and w > least[j]]
        if not folding:
            break
        widest = max(folding, key=lambda j: widths[j])
        widths[widest] -= 1
        excess -= 1
    lines = []
    for row in cells:
        folded = [
            _fold(cell, max(w, 1), "") if _columns(cell) > w else [cell] for cell, w in zip(row, widths, strict=True)
        ]
        for k in range(max(map(len, folded))):
            pieces = [part[k] if k < len(part) else "" for part in folded]
            padded = [_pad(piece, w, right) for piece, w, right in zip(pieces, widths, numeric, strict=True)]
            lines.append((_INDENT + _GAP.join(padded)).rstrip())
    return lines


def _fold(text: str, width: int, indent: str, hanging: str = "") -> list[str]:
    whole = _WITH_UNIT.sub("\u00a0", inert(text))  # no line ends between a number and its per cent
    lines = textwrap.wrap(whole, width, initial_indent=indent, subsequent_indent=indent + hanging) or [""]
    return [line.replace("\u00a0", " ") for line in lines]


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _columns(text))
    return space + text if right else text + space


def _columns(text: str) -> int:
    """How many terminal columns a text takes; East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _row_html(tag: str, cells: tuple[str, ...], styles: list[str]) -> str:
    return (
        "<tr>"
        + "".join(
            f"<{tag} {s}>{escape_html(c)}</{tag}>" if s else f"<{tag}>{escape_html(c)}</{tag}>"
            for c, s in zip(cells, styles, strict=True)
        )
        + "</tr>"
    )


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", inert(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
