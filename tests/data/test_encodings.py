"""Text in other encodings than UTF-8."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.encodings import as_utf8
from jaxscale._data.separators import LAYOUT
from jaxscale._data.tables import read_frame

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
    ("text", "name", "said"),
    [
        ("参数量,训练词元数,验证损失\n1,2,3\n", "gb18030", "GBK"),
        ("模型,params\n通义,1\n百川,2\n", "gb18030", "GBK"),
        ("パラメータ数,トークン数,検証損失\n1,2,3\n", "shift_jis", "Shift-JIS"),
        ("実験名,params\n小型,1\n", "shift_jis", "Shift-JIS"),
        ("モデル,params\nあ,1\n", "euc_jp", "EUC-JP"),
        ("모델,params\n작은,1\n", "euc_kr", "EUC-KR"),
        ("參數量,詞元數,驗證損失\n1,2,3\n", "big5", "Big5"),
        ("Модель,params\nмелкая,1\n", "cp1251", "cp1251"),
        ("Модель,params\nмелкая,1\n", "koi8_r", "KOI8-R"),
    ],
)
def test_text_in_other_scripts_is_known_by_its_letters_and_read_as_it_is_said(text: str, name: str, said: str) -> None:
    data = text.encode(name)
    assert as_utf8(data, "file") == (
        text.encode(),
        f'{said}, by its letters (encoding="NAME" (--encoding NAME) for another)',
    )
    assert as_utf8(data, "file", name)[0] == text.encode()
    frame = read_frame(io.BytesIO(data), None, {"encoding": name})
    assert frame.attrs[LAYOUT].endswith(f"read as {name}, as asked")


def test_an_encoding_that_is_asked_for_is_taken_or_refused() -> None:
    assert as_utf8("Łódź,1".encode("cp1250"), "file", "cp1250")[0].decode() == "Łódź,1"
    with pytest.raises(InputError, match=r'it looks like cp1253: encoding="cp1253" \(--encoding cp1253\) or '):
        as_utf8("Μοντέλο,παράμετροι\n1,2\n".encode("cp1253"), "file")
    with pytest.raises(InputError, match="there is no encoding klingon; name one that Python knows, such as utf-8"):
        as_utf8(b"a", "file", "klingon")
    with pytest.raises(InputError, match="there is no encoding base64"):
        as_utf8(b"a", "file", "base64")
    with pytest.raises(InputError, match="file is not utf-8 text: it cannot be read in line 2"):
        as_utf8(b"a\n\xe9", "file", "utf-8")


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
