"""Bytes become UTF-8, with what was said of it: the encodings that spreadsheets and older programs write."""

import codecs
import re

from jaxscale._base.errors import InputError

_UTF8_LETTERS = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def as_utf8(data: bytes, shown: str) -> tuple[bytes, str]:
    """The text of a file in UTF-8, and the name of its encoding where it was another one (else "").

    UTF-16 is known by its byte order mark. Text that is not UTF-8 is taken for cp1252, which Western Windows programs
    write, unless letters of several bytes show that it is UTF-8 with something broken in it. Raises InputError.
    """
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(
                f"{shown} begins like UTF-16 text and goes on as something else; save it as UTF-8"
            ) from None
        if "\0" in text:
            raise InputError(_binary(shown))
        return text.encode(), "UTF-16"
    if b"\0" in data:
        raise InputError(_binary(shown))
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if not _CONTROL.search(data) and not _UTF8_LETTERS.search(data):
            try:
                return data.decode("cp1252").encode(), "cp1252"
            except UnicodeDecodeError:
                pass
        raise InputError(
            f"{shown} is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8"
        ) from None
    return data, ""


def _binary(shown: str) -> str:
    return f"{shown} is binary, not a table of text; CSV, TSV, JSON lines and Parquet can be read"
