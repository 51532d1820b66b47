"""Numbers as text, inert text, and files written whole."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._base.text import (
    as_move,
    as_percent,
    escape_html,
    format_number,
    inert,
    parse_number,
    quoted,
    with_article,
    write_atomic,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70B", 70e9),
        ("70b", 70e9),
        ("70 B", 70e9),
        ("7G", 7e9),
        ("1.4T", 1.4e12),
        ("5.76e23", 5.76e23),
        ("5.76E+23", 5.76e23),
        ("400M", 400e6),
        ("400m", 400e6),
        ("12k", 12e3),
        ("2Q", 2e15),
        ("1_000", 1e3),
        ("1,000", 1e3),
        ("12,345,678.5", 12345678.5),
        (" 3.2 ", 3.2),
        ("-1.5e-3", -0.0015),
        ("+7", 7.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("0", 0.0),
        ("70bn", 70e9),
        ("70 Bn", 70e9),
        ("1.4 tn", 1.4e12),
        ("70\u202fB", 70e9),
        ("5.76×10^23", 5.76e23),
        ("5.76x10^23", 5.76e23),
        ("5.76 × 10²³", 5.76e23),
        ("5.76·10^23", 5.76e23),
        ("5.76 ⋅ 10²³", 5.76e23),
        ("5.76*10^-3", 5.76e-3),
        ("1.5×10⁻³", 1.5e-3),
        ("10^21", 1e21),
        ("10²¹", 1e21),
        ("-10^3", -1e3),
        ("−3.5", -3.5),
        ("20'000'000", 20e6),
        ("20’000.5", 20000.5),
        ("20\u2009000", 20e3),
        ("20\u202f000\u202f000", 20e6),
        ("20\u00a0000", 20e3),
        ("1.1M", 1100000.0),  # 1.1 * 1e6 in float64 is 1100000.0000000002
    ],
)
def test_parse_number(text: str, value: float) -> None:
    assert parse_number(text) == value


REFUSED = (
    "nan NaN inf -inf infinity 1e999 9e308K 1e3B 1,5 1,00 1,0000 1_ _1 1__0 70BB 70X 0x10 1/2 70% $5 abc - . 1e 1.2.3 "
    "0,950 012,345 5x1023 5x10 2^10 10^ ^3 10^1.5 10^400 5e3² 1,000'000 1'00 1.5×10^3B 1² x10^3 70bb"
)


@pytest.mark.parametrize("text", ["", " ", "1 000", "70B\n70", "\x1b[31m7", "\uff11\uff12", *REFUSED.split()])
def test_parse_number_refuses_and_names_the_text(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_number(text)
    assert quoted(text) in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (70e9, 4, "70B"),
        (1.4e12, 4, "1.4T"),
        (12346, 4, "12.35K"),
        (999_999, 4, "1M"),
        (999_950_000_000_000, 4, "1e15"),
        (9999.9, 4, "10K"),
        (9999.4, 4, "9999"),
        (100, 4, "100"),
        (0.34731, 4, "0.3473"),
        (0.001, 4, "0.001"),
        (0.00099999, 4, "0.001"),
        (1.0182740346e-3, 8, "0.001018274"),
        (1.5e-5, 4, "1.5e-5"),
        (5.76e23, 4, "5.76e23"),
        (1e18, 4, "1e18"),
        (-70e9, 4, "-70B"),
        (0, 4, "0"),
        (math.nan, 4, "nan"),
        (-math.inf, 4, "-inf"),
        (1234, 1, "1000"),
    ],
)
def test_format_number(x: float, digits: int, text: str) -> None:
    assert format_number(x, digits) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [(42_762_000_000_000, "4.276e13"), (12346, "12350"), (-999_960, "-1e6"), (999_940, "999900"), (0.5, "0.5")],
)
def test_format_number_without_suffixes(x: float, text: str) -> None:
    assert format_number(x, suffixes=False) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_seventeen_digits_are_read_back_exactly(x: float) -> None:
    assert parse_number(format_number(x, 17)) == x


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(1, 10))
def test_a_formatted_number_is_off_by_half_its_last_digit_at_most(x: float, digits: int) -> None:
    assert parse_number(format_number(x, digits)) == pytest.approx(x, rel=0.5001 * 10.0 ** (1 - digits))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode 数", "plain text, ünïcode 数"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("abc\u202egnp", "abc\\u202egnp"),
        ("a\u200bb\ufeff\u2066\u2028", "a\\u200bb\\ufeff\\u2066\\u2028"),
        ("\ud800", "\\ud800"),
        (7, "7"),
    ],
)
def test_inert(text: object, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.slow
@given(st.text())
def test_inert_text_is_printable_and_stays_as_it_is(text: str) -> None:
    once = inert(text)
    assert once.isprintable()
    assert inert(once) == once
    assert not set(escape_html(text)) & set("<>\"'")


def test_inert_cuts_long_text() -> None:
    assert inert("x" * 100, 10) == "x" * 9 + "…"
    assert len(quoted("x" * 10_000)) == 62


def test_escape_html() -> None:
    assert escape_html("<b onclick='x'>&\"\x1b") == "&lt;b onclick=&#x27;x&#x27;&gt;&amp;&quot;\\x1b"


def test_write_atomic_writes_exactly_the_text_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    for text in ("first é\n", "second\r\n"):
        write_atomic(path, text)
        assert path.read_bytes() == text.encode()
    assert os.listdir(tmp_path) == ["out.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_write_atomic_keeps_mode_and_link(tmp_path: Path) -> None:
    fresh, real, link = tmp_path / "fresh", tmp_path / "real", tmp_path / "link"
    (tmp_path / "ordinary").write_text("")
    write_atomic(fresh, "")
    assert fresh.stat().st_mode == (tmp_path / "ordinary").stat().st_mode  # not the private mode of a temporary file
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomic(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not os.path.exists(os.devnull) or sys.platform == "win32", reason="a device in the file system")
def test_write_atomic_does_not_replace_a_device() -> None:
    write_atomic(os.devnull, "gone")
    assert not os.path.isfile(os.devnull)


def test_a_process_killed_while_it_writes_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Killed at six moments while it writes one of two texts of 4 MB after the other."""
    path = tmp_path / "fit.json"
    texts = {letter * 4_000_000 for letter in "ab"}
    write_atomic(path, "a" * 4_000_000)
    loop = "from jaxscale._base.text import write_atomic\nprint('on', flush=True)\nwhile True:\n    for x in 'ba': "
    loop += f"write_atomic({str(path)!r}, x * 4_000_000)"
    for k in range(6):
        with subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.003 * k)
            process.kill()
        assert path.read_text() in texts


def test_write_atomic_failure_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="no space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


def test_write_atomic_names_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    cases = {
        "is a folder": tmp_path,
        "does not exist": tmp_path / "missing" / "out.json",
        "not a directory|does not exist": tmp_path / "file" / "out.json",
        "null": "a\0b",
        "too long": tmp_path / ("x" * 5000),
    }
    for message, path in cases.items():
        with pytest.raises(InputError, match=message):
            write_atomic(path, "text")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="read-only"):
        write_atomic(tmp_path / "file", "text")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("word", "said"), [("loss", "a loss"), ("elo", "an elo"), ("error", "an error")])
def test_words_have_their_article(word, said):
    assert with_article(word) == said


@pytest.mark.parametrize(
    ("share", "percent", "move"),
    [
        (0.00333, "0.33 %", "+0.33 %"),
        (-0.12, "-12 %", "-12 %"),
        (4.2, "420 %", "x5.2"),
        (3299, "330,000 %", "x3,300"),
        (math.nan, "-", "-"),
    ],
)
def test_per_cent_have_no_exponent_and_a_doubling_is_a_factor(share, percent, move):
    assert (as_percent(share), as_move(share)) == (percent, move)
