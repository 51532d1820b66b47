"""A table for a paper: LaTeX with booktabs, and Markdown, each with a caption; any string may come from somebody's
table, so every one is made harmless."""

import re

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


def latex_table(table: Table) -> str:
    """A table in LaTeX, numbers aligned to the right."""
    columns = "".join("r" if numeric else "l" for numeric in numeric_columns(table))
    lines = [" & ".join(map(latex, row)) + r" \\" for row in (table.header, *table.rows)]
    caption = " ".join(filter(None, (table.title, table.note)))
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{latex(caption)}}}", rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


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
