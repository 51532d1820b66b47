"""Numbers as text both ways ("70B" and 7e10), text made safe to show, and files written whole or not at all."""

import html
import math
import os
import re
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from jaxscale._base.errors import InputError

_POWER_OF_TEN = {"": 0, "k": 3, "m": 6, "b": 9, "bn": 9, "g": 9, "t": 12, "tn": 12, "q": 15}
_SPACES = "\u00a0\u2007\u2009\u202f"  # no-break, figure, thin and narrow: what separates thousands in print
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)
        (?P<digits>(?:[1-9][0-9]{{0,2}}(?P<mark>[,'’{_SPACES}])[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*
                     |[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}
                     |[0-9]+(?:_[0-9]+)*)(?:\.[0-9]*)?
                 |\.[0-9]+)
        (?:(?:[eE]|[ ]?[×x*·⋅][ ]?10\^)(?P<exponent>[+-]?[0-9]+)|[ {_SPACES}]?(?P<suffix>bn|tn|[kmbgtq]))?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_POWER = re.compile(r"(?P<sign>[+-]?)10\^(?P<exponent>[+-]?[0-9]+)", re.ASCII)
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻−", "0123456789+--")
PATH_LIMIT = 300  # characters of a path in a message; its end is what tells files apart
ACCEPTED_NUMBERS = "70B, 1.4T, 400M, 12k, 5.76e23, 1_000 or 1,000"


def parse_number(text: str) -> float:
    """The finite number that `text` stands for.

    A suffix, in either case, multiplies: K 1e3, M 1e6, B, Bn or G 1e9, T or Tn 1e12, Q 1e15. It does not follow an
    exponent, which may be written as a power of ten, `5.76x10^23`, `5.76×10²³` or `10^21`. A comma only separates
    thousands, also as in `12,34,567`, as an apostrophe or a thin or no-break space does: `1e3B` and `1,5` mean
    different things to different readers. The result is the float64 nearest to what is written. Raises InputError,
    naming the text and the accepted forms.
    """
    plain = _RAISED.sub(lambda raised: f"^{raised[0]}", text.strip()).translate(_LOWERED)
    match = _NUMBER.fullmatch(plain)
    power = match is None and _POWER.fullmatch(plain)
    if power:
        match = _NUMBER.fullmatch(f"{power['sign']}1e{power['exponent']}")
    if match is None:
        raise InputError(f"{quoted(text)} is not a number; write it like {ACCEPTED_NUMBERS}")
    digits = re.sub(f"[,_'’{_SPACES}]", "", match["digits"])
    exponent = match["exponent"] or _POWER_OF_TEN[(match["suffix"] or "").lower()]
    value = float(f"{match['sign']}{digits}e{exponent}")
    if not math.isfinite(value):
        raise InputError(f"{quoted(text)} is too large: the largest number that can be used is about 1.8e308")
    return value


def format_number(x: float, digits: int = 4, suffixes: bool = True) -> str:
    """`x` to `digits` significant digits, short: 70B, 1.4T, 12.5K, 0.3473, 5.76e23.

    From 1e4 to 1e15 with a suffix, from 1e-3 to 1e4 plain, else scientific; without `suffixes`, which are for counts of
    parameters, tokens and FLOPs, plain up to 1e6. `parse_number` reads every finite form back; with 17 digits it gives
    exactly `x`. Values that are not finite read nan, inf and -inf.
    """
    x = float(x)
    if not math.isfinite(x):
        return str(x)
    if x == 0:
        return "0"
    mantissa, exponent_text = f"{abs(x):.{digits - 1}e}".split("e")
    exponent = int(exponent_text)  # of the rounded value, so that 999999 is 1M and not 1000K
    significant = mantissa.replace(".", "").rstrip("0")
    sign = "-" if x < 0 else ""
    if -3 <= exponent < (4 if suffixes else 6):
        return sign + _with_point(significant, exponent)
    if suffixes and 4 <= exponent < 15:
        return sign + _with_point(significant, exponent % 3) + "KMBT"[exponent // 3 - 1]
    return f"{sign}{_with_point(significant, 0)}e{exponent}"


def as_percent(share: float, digits: int = 2, signed: bool = False) -> str:
    """A share in per cent to that many digits, however large without an exponent: 0.33 %, +12 %, 1,200 %."""
    if not math.isfinite(share):
        return "-"
    return f"{float(f'{100 * share:.{digits}g}'):{'+' * signed},.15g} %"


def as_times(factor: float) -> str:
    """A factor to two digits: 0.33, 1.4, 3,300."""
    if not math.isfinite(factor):
        return "-"
    return f"{float(f'{factor:.1e}'):,.0f}" if 10 <= factor < 1e15 else format_number(factor, 2)


def as_move(share: float) -> str:
    """A change in per cent: -2.5 %; as a factor from a doubling on: x5.4."""
    return f"x{as_times(1 + share)}" if share >= 1 else as_percent(share, signed=True)


def plain(value: float) -> str:
    """A parameter to six digits, without the suffixes that belong to counts."""
    return format_number(value, 6, suffixes=False)


def _with_point(significant: str, exponent: int) -> str:
    """The decimal d.ddd x 10**exponent written out, for its significant digits `dddd`."""
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + significant
    whole = significant.ljust(exponent + 1, "0")
    fraction = whole[exponent + 1 :]
    return whole[: exponent + 1] + ("." + fraction if fraction else "")


def inert(text: object, limit: int | None = None) -> str:
    """`text` with every character that could act on a terminal shown as an escape, cut after `limit` characters.

    Control characters (ESC, new line), bidirectional overrides, zero-width characters and lone surrogates become
    `\\x1b`, `\\n`, `\\u202e` and so on.
    """
    plain = str(text)
    if limit is not None and len(plain) > limit:
        plain = plain[: limit - 1] + "…"
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def quoted(text: object, limit: int = 60) -> str:
    """`text` in quotes, inert and short enough for one line of a message."""
    return f"'{inert(text, limit)}'"


def listed(names: Sequence[object], most: int = 12) -> str:
    """Names in quotes with commas between them, the first `most` of them."""
    return ", ".join(map(quoted, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def some(values: Sequence[object], most: int = 5) -> str:
    """The first `most` values with commas between them."""
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")


def with_article(word: str) -> str:
    """A word with the indefinite article: "a loss", "an error"."""
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def plural(count: int, word: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {word}" + "s" * (count != 1)


def escape_html(text: object) -> str:
    """`text` made inert and safe between HTML tags and inside quoted attributes."""
    return html.escape(inert(text), quote=True)


def write_atomic(path: str | os.PathLike[str], text: str | bytes) -> None:
    """Write `text` (as UTF-8 where it is no bytes) to `path` so that the file is there whole or, on failure, as before.

    The text goes to a temporary file in the same folder, which then takes the place of `path`. A link is followed, the
    mode of an existing file is kept, and a device or a pipe (`/dev/stdout`) is written to directly. Raises InputError.
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="backslashreplace")
    shown = quoted(path, PATH_LIMIT)
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {shown}: {_reason(error)}") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"cannot write {shown}: it is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise InputError(
            f"cannot write {shown}: the folder {quoted(target.parent, PATH_LIMIT)} does not exist; make it first"
        )
    if mode is not None and not os.access(target, os.W_OK):
        raise InputError(f"cannot write {shown}: the file is read-only")
    try:
        if mode is not None and not stat.S_ISREG(mode):
            target.write_bytes(data)
            return
        temporary = target.with_name(f".jaxscale-{secrets.token_hex(8)}.tmp")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {shown}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
