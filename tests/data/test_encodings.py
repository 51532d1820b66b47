"""Text in other encodings than UTF-8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.encodings import as_utf8

TEXT = "params,±SE\n1,2\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("cp1252"), "cp1252"),
        ("1’000 – é".encode("cp1252"), "cp1252"),
    ],
)
def test_the_text_in_utf8_and_the_encoding_it_had(data: bytes, name: str) -> None:
    text, encoding = as_utf8(data, "file")
    assert encoding == name
    assert text.decode("utf-8-sig") == (TEXT if b"p" in data else "1’000 – é")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\0b", "binary"),
        (b"\xff\xfea\0\0\0", "binary"),
        (b"\xff\xfea", "begins like UTF-16 text and goes on as something else; save it as UTF-8"),
        (b"\xff\xfe\x00\xd8", "begins like UTF-16"),
        ("é".encode() + b"\n\xe9", "not UTF-8 text: byte 0xe9 in line 2; save it as UTF-8"),
        (b"caf\xe9\x81", "byte 0xe9 in line 1"),
        (b"\x80\x04\x95", "byte 0x80 in line 1"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"file .*{message}"):
        as_utf8(data, "file")


@given(st.binary(max_size=60))
def test_any_bytes_are_utf8_or_refused(data: bytes) -> None:
    try:
        text, _ = as_utf8(data, "file")
    except InputError:
        return
    text.decode("utf-8-sig")
