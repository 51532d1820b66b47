"""Tables for papers: nothing in them acts, numbers read as they should, and both formats hold the same cells."""

import re

import pytest

from jaxscale._base.latex import latex, latex_table, rounded
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
        r"\begin{tabular}{lr}",
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
