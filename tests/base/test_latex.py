"""Tables for papers: nothing in them acts, numbers read as they should, and both formats hold the same cells."""

import re
import shutil
import subprocess

import pytest

from jaxscale._base.latex import latex, latex_table, rounded, with_intervals
from jaxscale._base.report import Table, table_markdown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha", r"$\alpha$"),
        ("1e24", "$10^{24}$"),
        ("5.76e+23 FLOPs", r"$5.76\times 10^{23}$ FLOPs"),
        ("-2e-05", r"$-2\times 10^{-5}$"),
        ("E + A / N^alpha", r"E + A / N$^{\alpha}$"),
        ("90 %", r"90 \%"),
        ("six_nd & co", r"six\_nd \& co"),
        ("1e24abc", "1e24abc"),
        ("C:\\x ~ {#}$", r"C:\textbackslash{}x \textasciitilde{} \{\#\}\$"),
        ("a\x1bb", r"a\textbackslash{}x1bb"),
    ],
)
def test_text_in_latex(text, expected):
    assert latex(text) == expected


def test_no_character_of_a_name_acts_in_latex():
    name = "".join(map(chr, range(1, 127))) + "\u202e\\input{x}^^41"
    bare = re.sub(r"\\[a-zA-Z]+\{\}|\\[&%$#_{}]|\$\^\{\w+\}\$", "", latex(name))
    assert not set(bare) & set("\\&%$#_{}~^")


def test_a_table_in_both_formats():
    table = Table("Constants of x_1.", ("name", "value"), (("alpha", "0.35"), ("a|b", "2e9")), "A note.")
    assert latex_table(table).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Constants of x\_1. A note.}",
        r"\begin{tabular}{@{}lr@{}}",
        r"\toprule",
        r"name & value \\",
        r"\midrule",
        r"$\alpha$ & 0.35 \\",
        r"a\textbar{}b & $2\times 10^{9}$ \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    assert table_markdown(table).splitlines() == [
        "| name | value |",
        "| :--- | ---: |",
        "| alpha | 0.35 |",
        r"| a\|b | 2e9 |",
        "",
        r"Constants of x\_1. A note.",
    ]


@pytest.mark.parametrize(
    ("value", "ends", "expected"),
    [
        (0.351718, (0.33979, 0.360921), ("0.352", "0.340 to 0.361")),
        (2023.4, (1494.2, 2863.9), ("2023", "1494 to 2864")),
        (1.8331, None, ("1.8331", "–")),
        (1.5, (float("-inf"), 2.0), ("1.5", "open to 2")),
    ],
)
def test_values_are_rounded_to_what_their_interval_tells_apart(value, ends, expected):
    assert rounded(value, ends) == expected


NAME = "/runs/a_very-long&name{of}%somebody" * 4
PLAN = Table(
    "Plans.",
    ("budget (FLOPs)", "N", "90 %", "D", "90 %", "loss", "90 %"),
    tuple((f"{1 + k}.25e21", "2.719B", "2.63B–2.97B", "500B", "500B–500B", "2.314", "-") for k in range(20)),
)


def test_intervals_stand_below_their_values_and_units_in_headings():
    table = with_intervals(PLAN, "90 %", {"N": "parameters", "loss": ""})
    assert table.header == ("budget (FLOPs)", "N (parameters)", "D", "loss")
    assert table.rows[0] == ("1.25e21", "2.719B\n(2.63B–2.97B)", "500B", "2.314")  # none where a limit holds a value
    assert latex_table(table).count(r" & (2.63B--2.97B) &  &  \\") == len(table.rows)
    assert "| 2.719B (2.63B–2.97B) |" in table_markdown(table)


def test_a_table_that_is_too_long_goes_on_in_the_next():
    parts = latex_table(with_intervals(PLAN, "90 %", {})).split(r"\begin{table}")[1:]
    assert len(parts) == 2 and "Continued." in parts[1] and r"\addtocounter{table}{-1}" in parts[1]
    assert all(parts[int(k >= 15)].count(rf"${1 + k}.25\times") == 1 for k in range(20))


def test_columns_for_which_there_is_no_room_stand_below():
    names = [f"h{k}" for k in range(16)]
    text = latex_table(Table("Shares.", ("budget", *names), (("1e24", *["0.1234\n(0.1200–0.1250)"] * 16),)))
    groups = text.split(r"\begin{tabular}")[1:]
    assert r"\footnotesize" in text and len(groups) == 4
    assert all("budget" in group and "$10^{24}$" in group for group in groups)
    assert re.findall(r"h\d+", text) == names


@pytest.mark.slow
def test_no_table_is_wider_or_longer_than_a_page_of_latex(tmp_path):
    if (pdflatex := shutil.which("pdflatex")) is None:
        pytest.skip("needs pdflatex")
    wide = ("budget (FLOPs)", *(f"h{k} (share of the domain)" for k in range(16)))
    tables = [
        PLAN,
        with_intervals(PLAN, "90 %", {"N": "parameters"}),
        Table(NAME, (NAME, "N", "a long heading over few digits"), ((NAME, "4.1e24", "5"), ("MWmw%", "2e23", "7"))),
        Table("Shares.", wide, (("1e24", *["0.1234\n(0.1200–0.1250)"] * 16), ("1.25e25", *["-1.5e-05"] * 16))),
        Table("Letters.", ("law", "WWWWWWWWWWWW", "mmmmmmmmmm"), (("MOMENTUM %%%%", "W" * 11, "%" * 10),)),
    ]
    body = "\n\\clearpage\n".join(map(latex_table, tables))
    (tmp_path / "t.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}", "utf-8"
    )
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.search(r"Overfull .hbox|Float too large", done.stdout)
