"""A report says the same in every form, and nothing that came from a table acts in any of them."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.report import Lines, Report, Table, to_html, to_markdown, to_text

PLAIN = Report(
    "chinchilla · 240 runs",
    "TRUSTWORTHY, with 1 warning",
    (
        Table(
            "Parameters", ("name", "value", "note"), (("alpha", "0.347", ""), ("B", "2143.4", "weak")), "Natural units."
        ),
        Lines("Worries", ("Residuals have a trend in C.",)),
    ),
)
HOSTILE = (
    "<script>alert(1)</script>",
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\r\n",
    "x | y",
    "[a](http://e.vil)",
    "&amp;",
    "\u202eabc",
    "`c` **d**",
)


class Collector(HTMLParser):
    """What a browser would see: the tags and the text."""

    def __init__(self):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def hostile_report() -> Report:
    table = Table(HOSTILE[0], HOSTILE, (HOSTILE, HOSTILE), HOSTILE[1])
    return Report(HOSTILE[0], HOSTILE[1], (table, Lines(HOSTILE[2], HOSTILE)))


def test_text_has_the_verdict_on_the_second_line_and_aligned_columns():
    assert to_text(PLAIN).splitlines() == [
        "chinchilla · 240 runs",
        "TRUSTWORTHY, with 1 warning",
        "",
        "Parameters",
        "  name    value  note",
        "  alpha   0.347",
        "  B      2143.4  weak",
        "  Natural units.",
        "",
        "Worries",
        "  Residuals have a trend in C.",
    ]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_text_keeps_to_the_width_by_folding_words_and_never_numbers(width):
    words = "a sentence of many words that has to be folded somewhere, and more than once where the terminal is narrow"
    report = Report(
        words,
        words,
        (Table("", ("name", "value", "why"), (("alpha", "0.34712345", words),), words), Lines("", (words,))),
    )
    lines = to_text(report, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("0.34712345" in line for line in lines) == 1
    assert len(re.findall(r"\bonce\b", to_text(report, width))) == 5  # nothing is cut off


def test_text_counts_wide_characters_as_two_columns():
    lines = to_text(Report("t", blocks=(Table("", ("group", "n"), (("数据", "1"), ("abcd", "2"))),))).splitlines()
    assert lines[-2:] == ["  数据   1", "  abcd   2"]


def test_text_of_a_hostile_table_holds_no_control_character():
    text = to_text(hostile_report())
    assert all(c == "\n" or c.isprintable() for c in text)
    assert r"\x1b[2J" in text


def test_html_of_a_hostile_table_holds_no_tag_or_attribute_of_the_table():
    page = Collector()
    page.feed(to_html(hostile_report()))
    assert set(page.tags) <= {"div", "style", "h3", "h4", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert {name for name, _ in page.attributes} <= {"class"}
    assert page.text.count(HOSTILE[0]) == 6  # title, title of the table, header, two rows, one line
    assert not any(c == "\x1b" for c in to_html(hostile_report()))


def test_html_is_self_contained_and_says_what_the_text_says():
    html = to_html(PLAIN)
    assert "http" not in html
    assert "url(" not in html
    page = Collector()
    page.feed(html)
    for word in (
        "240 runs",
        "TRUSTWORTHY, with 1 warning",
        "Parameters",
        "alpha",
        "2143.4",
        "Natural units.",
        "Residuals have a trend in C.",
    ):
        assert any(word in text for text in page.text)


def test_markdown_of_a_plain_table_is_what_github_reads():
    assert (
        "| name | value | note |\n| :--- | ---: | :--- |\n| alpha | 0.347 |  |\n| B | 2143.4 | weak |"
        in to_markdown(PLAIN)
    )


def test_markdown_of_a_hostile_table_has_no_live_markup():
    text = to_markdown(hostile_report())
    assert "<" not in text
    assert not re.search(r"(?<!\\)[`\[\]]", text)
    assert "http://" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(HOSTILE) + 1}


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="2 cells"):
        Table("t", ("a", "b"), (("1",),))


@given(st.integers(40, 100), st.lists(st.sampled_from(["moves by", "+2.2 %", "to -5 % of", "N"]), max_size=40))
def test_no_line_ends_between_a_number_and_its_per_cent(width, words):
    lines = to_text(Report("t", None, (Lines("", (" ".join(words),)),)), width).split("\n")
    assert not any(line.strip().startswith("%") for line in lines)
    assert " ".join(" ".join(lines[2:]).split()) == " ".join(words)
