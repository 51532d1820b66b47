"""Bytes become UTF-8, with what was said of it: the encodings that spreadsheets and older programs write."""

import codecs
import re
import unicodedata

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert
from jaxscale._data.other_scripts import UNKNOWN, in_english
from jaxscale._data.wording import spelt

_UTF8_LETTERS = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_FEWEST, _NEAR, _KNOWN_HEADER = 0.6, 0.1, 0.2  # shares of letters that are of a script, and what a known header adds
_LEAST_LETTERS = 3
_LOOKED_AT = 2**16  # bytes in which letters are looked at
# Encodings of other scripts by the name that Python knows, with what people call them and the letters they are for.
_OTHERS = {
    "gb18030": ("GBK", "CJK UNIFIED"),
    "shift_jis": ("Shift-JIS", "HIRAGANA|KATAKANA|CJK UNIFIED"),
    "euc_kr": ("EUC-KR", "HANGUL SYLLABLE"),
    "big5": ("Big5", "CJK UNIFIED"),
    "euc_jp": ("EUC-JP", "HIRAGANA|KATAKANA|CJK UNIFIED"),
    "cp1251": ("cp1251", "CYRILLIC SMALL|CYRILLIC CAPITAL"),
    "koi8_r": ("KOI8-R", "CYRILLIC SMALL|CYRILLIC CAPITAL"),
    "cp1253": ("cp1253", "GREEK SMALL|GREEK CAPITAL"),
}
_NOT_WESTERN = re.compile(rb"[\x80-\xff]{3}")  # no Western language has three letters beyond ASCII in a row


def as_utf8(data: bytes, shown: str, encoding: str | None = None) -> tuple[bytes, str]:
    """The text of a file in UTF-8, and the name of its encoding where it was another one (else "").

    encoding  what the caller says it is, as Python names encodings; None: UTF-16 is known by its byte order mark, and
              text that is not UTF-8 is taken for cp1252, which Western Windows programs write, unless letters of
              several bytes show that it is UTF-8 with something broken in it, or that it is in one for another
              script

    Raises InputError, with the encodings that the text may be in.
    """
    if encoding is not None:
        return _as_asked(data, shown, encoding)
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
        likely = [] if _CONTROL.search(data) else _likely(data)
        if likely == ["cp1252"] and not _UTF8_LETTERS.search(data):
            return data.decode("cp1252").encode(), "cp1252"
        if len(likely) == 1 and likely != ["cp1252"]:
            how = f"{_OTHERS[likely[0]][0]}, by its letters ({spelt('encoding', 'NAME')} for another)"
            return data.decode(likely[0]).encode(), how
        if likely := [name for name in likely if name != "cp1252"]:
            flags = " or ".join(spelt("encoding", name) for name in likely[:2])
            raise InputError(
                f"{shown} is not UTF-8 text (line {line}); it looks like {_OTHERS[likely[0]][0]}: {flags} reads it"
            ) from None
        raise InputError(
            f"{shown} is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8, or name its "
            f"encoding: {spelt('encoding', 'NAME')}"
        ) from None
    return data, ""


def _as_asked(data: bytes, shown: str, encoding: str) -> tuple[bytes, str]:
    """The text in the encoding that the caller names."""
    try:
        known = codecs.lookup(encoding)
        "a".encode(known.name)  # not one from bytes to bytes, such as base64
    except (LookupError, ValueError, TypeError):
        raise InputError(
            f"there is no encoding {inert(encoding, 40)}; name one that Python knows, such as utf-8, cp1252, gb18030, "
            f"shift_jis or cp1251: {spelt('encoding', 'gb18030')}"
        ) from None
    try:
        text = data.decode("utf-8-sig" if known.name == "utf-8" else known.name)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{shown} is not {inert(encoding, 40)} text: it cannot be read in line {line}") from None
    if "\0" in text:
        raise InputError(_binary(shown))
    return text.encode(), "" if known.name == "utf-8" else f"{inert(encoding, 40)}, as asked"


def _likely(data: bytes) -> list[str]:
    """Encodings that the letters of a text are in, the likeliest first; "cp1252" alone for words of Western letters.

    Another encoding counts by the share
    of its text that is letters of its script, common ones of Chinese.
    """
    cut = data[:_LOOKED_AT]
    try:
        data.decode("cp1252")
        western = True
    except UnicodeDecodeError:
        western = False
    if western and not _NOT_WESTERN.search(cut):
        return ["cp1252"]
    scores = {}
    for name, (_, scripts) in _OTHERS.items():
        try:
            text = cut.decode(name, errors="strict" if len(cut) == len(data) else "ignore")
        except UnicodeDecodeError:
            continue
        letters = [c for c in text if c > "\x7f"]
        if len(letters) < _LEAST_LETTERS:
            continue
        of_script = sum(bool(re.match(scripts, unicodedata.name(c, ""))) * _common(c, name) for c in letters)
        header = in_english(text.split("\n", 1)[0])
        known = bool(header) and not header.isspace() and UNKNOWN not in header and header != text.split("\n", 1)[0]
        scores[name] = of_script / len(letters) + _KNOWN_HEADER * known
    best = max(scores.values(), default=0.0)
    found = [name for name in scores if scores[name] > _FEWEST and scores[name] > best - _NEAR]
    return sorted(found, key=lambda name: -scores[name]) or (["cp1252"] if western else [])


def _common(letter: str, encoding: str) -> float:
    """How usual a letter is in texts of that encoding, 1 for those that are: the Chinese of the first level of GB 2312
    and of Big5, Japanese kana, small letters of Cyrillic."""
    data = letter.encode(encoding, errors="ignore")
    name = unicodedata.name(letter, "")
    if encoding == "gb18030":
        return 1.0 if len(data) == 2 and 0xB0 <= data[0] <= 0xD7 and data[1] >= 0xA1 else 0.3
    if encoding == "big5":
        return 0.95 if len(data) == 2 and 0xA4 <= data[0] <= 0xC6 else 0.3
    if encoding in ("shift_jis", "euc_jp"):
        halfwidth = name.startswith("HALFWIDTH")
        return 0.0 if halfwidth else 1.0 if "KANA" in name else 0.9
    if "CAPITAL" in name:
        return 0.5
    return 1.0


def _binary(shown: str) -> str:
    return f"{shown} is binary, not a table of text; CSV, TSV, JSON lines and Parquet can be read"
