"""A table for a paper: LaTeX with booktabs, and Markdown, each with a caption; any string may come from somebody's
table, so every one is made harmless."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxscale._base.report import Table, numeric_columns, table_markdown
from jaxscale._base.text import format_number, inert, plain

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "–": "--",
    "×": r"$\times$", "Δ": r"$\Delta$", "−": "$-$", "·": r"$\cdot$", "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$",
    "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
_GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "kappa", "lambda", "mu", "nu", "rho", "sigma", "tau")
_POWER = re.compile(
    r"(?<![\w.])(?P<mantissa>-?\d+(?:\.\d+)?)e(?P<ten>[+-]?\d+)(?!\w)|\^(?P<power>-?[A-Za-z]+|-?\d+)(?!\w)"
)

_TEXT_WIDTH, _LONGEST = 345.0, 38  # points and lines of a page of the class article, which are the fewest
_SIZES = (("", 6, 1.0), (r"\small", 4, 0.92), (r"\footnotesize", 3, 0.85))  # letters, tabcolsep, width
_WIDEST, _NARROWEST, _BROKEN = 130.0, 48.0, 12  # points of a column; letters between which a long word may be broken
_POINTS = dict.fromkeys("0123456789", 5.0) | dict.fromkeys(".,:;'|/il", 2.9) | dict.fromkeys("()[]tfjrs", 4.0)
_POINTS |= {" ": 3.4, "m": 8.4, "w": 7.3, "W": 10.4, "M": 9.3, "%": 8.4, "-": 3.4, "–": 5.1, "_": 5.1, "+": 7.8}


class ForPapers:
    """A record with a table for papers: `to_latex()` and `to_markdown()`."""

    def paper_table(self) -> Table:
        """The table: its title is the caption."""
        raise NotImplementedError

    def to_latex(self) -> str:
        """A `table` environment with booktabs (\\usepackage{booktabs}); the caption says what was done, and how."""
        return latex_table(self.paper_table())

    def to_markdown(self) -> str:
        """The same table as GitHub writes it, with the caption below."""
        return table_markdown(self.paper_table())


def with_intervals(table: Table, title: str, units: Mapping[str, str]) -> Table:
    """A table whose columns called `title` are intervals of those before them: each goes in brackets below its value,
    and the unit of a column into its heading."""
    pairs = [j for j, name in enumerate(table.header) if name == title]

    def merged(cells: Sequence[str]) -> tuple[str, ...]:
        told = [j for j in pairs if len(set(cells[j].split("–"))) > 1]  # "-" is none, 5B–5B what a limit holds
        below = {j - 1: f"\n({cells[j]})" for j in told}
        return tuple(cell + below.get(j, "") for j, cell in enumerate(cells) if j not in pairs)

    heads = [f"{name} ({units[name]})" if units.get(name) else name for name in table.header]
    header = tuple(head for j, head in enumerate(heads) if j not in pairs)
    return Table(table.title, header, tuple(map(merged, table.rows)), table.note)


def latex_table(table: Table) -> str:
    """A table in LaTeX that fits a page: numbers aligned to the right, cells of several lines centred, long headings
    and words folded. Where it is too wide its letters are smaller, or its columns follow in groups below each other,
    each with the first column; where it is too long it goes on in another table."""
    parts: list[list[tuple[str, ...]]] = [[]]
    lines = 0.0
    for row in table.rows:
        high = max(1.5 * cell.count("\n") + 1 for cell in row)  # with the space between rows of several lines
        if parts[-1] and lines + high > _LONGEST:
            parts.append([])
            lines = 0.0
        parts[-1].append(row)
        lines += high
    caption = rf"\caption{{{_prose(' '.join(filter(None, (table.title, table.note))))}}}"
    again = r"\addtocounter{table}{-1}" + "\n" + r"\caption{Continued.}"
    aligned = numeric_columns(table)
    return "\n".join(
        _environment([_Column.of(table.header[j], [row[j] for row in part], right) for j, right in enumerate(aligned)],
                     again if k else caption)
        for k, part in enumerate(parts)
    )  # fmt: skip


@dataclass(frozen=True)
class _Column:
    """A column: the lines of its heading and of each cell, how they are aligned, how wide they are in points where
    letters have 10; `wrapped`, where LaTeX breaks its lines."""

    head: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    align: str
    width: float
    wrapped: bool = False

    @classmethod
    def of(cls, heading: str, texts: Sequence[str], right: bool) -> "_Column":
        """Of its texts; `right`: they are numbers."""
        cells = tuple(tuple(text.split("\n")) for text in texts)
        widest = max((_wide(line) for cell in cells for line in cell), default=0.0)
        word = max(map(_wide, heading.split()), default=0.0)
        if max(widest, word) > _WIDEST:
            return cls((heading,), tuple((" ".join(cell),) for cell in cells), "l", _WIDEST, wrapped=True)
        head = _folded(heading, max(widest, word, _NARROWEST))
        stacked = any(len(cell) > 1 for cell in cells)
        return cls(head, cells, "c" if stacked else "r" if right else "l", max(widest, *map(_wide, head)))

    def written(self, text: str) -> str:
        """One line of it."""
        return rf"\raggedright {_prose(text)}" if self.wrapped else latex(text)


def _environment(columns: Sequence[_Column], caption: str) -> str:
    size, gap, scale, groups = _layout([column.width for column in columns])
    set_in = [size, rf"\setlength{{\tabcolsep}}{{{gap}pt}}"] if size else []
    body = "\n\\par\\medskip\n".join(_tabular([columns[j] for j in group], scale) for group in groups)
    return "\n".join([r"\begin{table}", r"\centering", caption, *set_in, body, r"\end{table}", ""])


def _layout(widths: Sequence[float]) -> tuple[str, int, float, list[list[int]]]:
    """The size of letters, the gap on both sides of a column, the scale, and which columns stand side by side."""
    tried = [(*size, _grouped(widths, *size[1:])) for size in _SIZES]
    return next((found for found in tried if len(found[-1]) == 1), tried[-1])


def _grouped(widths: Sequence[float], gap: int, scale: float) -> list[list[int]]:
    groups, taken = [[0]], scale * widths[0]
    for j, width in enumerate(widths[1:], 1):
        taken += scale * width + 2 * gap
        if taken > _TEXT_WIDTH and len(groups[-1]) > 1:
            groups.append([0])
            taken = scale * (widths[0] + width) + 2 * gap
        groups[-1].append(j)
    return groups


def _tabular(columns: Sequence[_Column], scale: float) -> str:
    end = r" \tabularnewline" if any(column.wrapped for column in columns) else r" \\"
    spec = "".join(rf"p{{{scale * c.width:.0f}pt}}" if c.wrapped else c.align for c in columns)

    def lines(cells: Sequence[Sequence[str]], *, bottom: bool = False) -> list[str]:
        high = max(map(len, cells))
        empty = [("",) * (high - len(cell)) for cell in cells]
        padded = [(*gap, *cell) if bottom else (*cell, *gap) for gap, cell in zip(empty, cells, strict=True)]
        written = [[c.written(line) for line in cell] for c, cell in zip(columns, padded, strict=True)]
        return [" & ".join(line) + end for line in zip(*written, strict=True)]

    rows = [lines(cells) for cells in zip(*(column.cells for column in columns), strict=True)]
    spaced = any(len(row) > 1 for row in rows)
    body = [line for k, row in enumerate(rows) for line in ([r"\addlinespace"] if spaced and k else []) + row]
    head = lines([column.head for column in columns], bottom=True)
    return "\n".join([
        rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule",
        r"\end{tabular}",
    ])  # fmt: skip


def _folded(text: str, width: float) -> tuple[str, ...]:
    """Lines of a heading that are no wider than that."""
    lines: list[str] = []
    for word in text.split():
        if lines and _wide(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(lines) or ("",)


def _wide(text: str) -> float:
    """How many points a text takes in Computer Modern of 10 points, to some per cent and rather more than less."""
    powers = 16.0 * len(re.findall(r"\d\.\d+e\d", text))  # a sign of multiplication and a 10
    return powers + sum(_POINTS.get(c, 7.8 if c.isupper() else 5.4 if c.islower() else 8.0) for c in inert(text))


def _prose(text: str) -> str:
    """Text whose longest words may be broken anywhere."""
    return " ".join(
        r"\hspace{0pt}".join(latex(word[k : k + _BROKEN]) for k in range(0, len(word), _BROKEN))
        if len(word) > 2 * _BROKEN else latex(word)
        for word in text.split(" ")
    )  # fmt: skip


def latex(text: str) -> str:
    """Text as LaTeX prints it: nothing in it acts, 1e24 and ^alpha are powers, a Greek letter's name is the letter."""
    if text in _GREEK:
        return rf"$\{text}$"
    parts = []
    end = 0
    for found in _POWER.finditer(text):
        parts += [_escaped(text[end : found.start()]), _power(found)]
        end = found.end()
    return "".join([*parts, _escaped(text[end:])])


def _power(found: re.Match) -> str:
    """1e24 as a power of ten, ^alpha as an exponent."""
    if found["power"]:
        sign, name = ("-" if found["power"].startswith("-") else ""), found["power"].removeprefix("-")
        return rf"$^{{{sign}{chr(92) + name if name in _GREEK else name}}}$"
    sign, mantissa = ("-" if found["mantissa"].startswith("-") else ""), found["mantissa"].removeprefix("-")
    return rf"${sign}{'' if mantissa == '1' else mantissa + chr(92) + 'times '}10^{{{int(found['ten'])}}}$"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in inert(text))


def rounded(value: float, ends: tuple[float, float] | None) -> tuple[str, str]:
    """A value and its interval in words, to the two digits that half the width of the interval tells apart."""
    low, high = ends or (float("nan"), float("nan"))
    width = (high - low) / 2
    if not 0 < width < float("inf") or not 1e-4 < abs(value) < 1e6:
        return plain(value), "–" if ends is None else f"{_end(low)} to {_end(high)}"
    decimals = max(0, 1 - int(f"{width:e}".partition("e")[2]))
    return f"{value:.{decimals}f}", f"{low:.{decimals}f} to {high:.{decimals}f}"


def _end(value: float) -> str:
    return format_number(value, 4, suffixes=False) if abs(value) < float("inf") else "open"
