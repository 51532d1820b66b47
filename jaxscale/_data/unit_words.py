"""Units in the words of a header: "(B)", "_millions", "GFLOPs", "(1E21)", "PF-days"."""

import re

from jaxscale._data.other_scripts import in_english

PF_DAYS = 8.64e19
_PREFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24}
_WORDS = {
    word: factor
    for factor, words in {
        1e3: "thousand thousands kilo",
        1e6: "million millions mega mn mil mio mln millionen millones milioni milhoes",
        1e9: "billion billions giga bil bn mrd mlrd mld md milliard milliards milliarden miliardi bilhoes",
        1e12: "trillion trillions tera tril tn billionen billones trilhoes",
        1e15: "quadrillion quadrillions peta",
        1e18: "exa",
        1e21: "zetta",
        1e24: "yotta",
        PF_DAYS: "pfdays",
    }.items()
    for word in words.split()
}
_LARGEST = 1e40  # what a name has from here on is no unit
_HEADS = ("params", "tokens", "flops")
_NAMED = {1e3: "thousands", 1e6: "millions", 1e9: "billions", 1e12: "trillions", PF_DAYS: "PF-days"}


def words_of_units(name: str) -> str:
    """The name with its units spelt so that they separate from other words: PF-days, GFLOPs, 10^21."""
    text = re.sub(r"(?i)mil[\s_]+millones", "milliards", name)
    text = re.sub(r"(?i)p(?:eta)?-?f(?:lops?)?(?:[/\s_.\-]*s)?[\s_.\-]*days?(?![a-z])", " pfdays ", text)
    text = re.sub(r"10(?:\^|\*\*)\{?([0-9]+)\}?", r" 1e\1 ", text)
    text = re.sub(r"(?<![A-Za-z0-9])[xX×](?=\s*[0-9])", " ", text)
    text = re.sub(r"(?<![0-9.])([0-9]+(?:\.[0-9]+)?)[eE]\+?([0-9]{1,2})(?![0-9A-Za-z])", r" \1e\2 ", text)
    text = re.sub(r"(?<=[(\[])([KMGTPEZY])F(?=[)\]])", lambda found: f"{found[1]} flops", text)
    return re.sub(r"FLOPs|FLOPS?|GLOPs|GLOPS", lambda found: " g flops" if found[0][0] == "G" else "Flops", text)


def split_unit(words: list[str], name: str) -> tuple[list[str], float | None]:
    """The words without those of a unit, and the factor of the unit, None where there is none.

    A letter is a unit at the end (`params_b`) and before what it counts (`mparams`, `G flops`).
    """
    kept, factor = [], 1.0
    for i, word in enumerate(words):
        follows = words[i + 1] if i + 1 < len(words) else ""
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?e[0-9]{1,2}", word) and float(word) > 0:
            factor *= float(word)
        elif word in _WORDS:
            factor *= _WORDS[word]
        elif word in _PREFIXES and (
            follows in _HEADS or (not follows and i and word in ("kmbgtpez" if words[i - 1] == "flops" else "kmbgt"))
        ):
            factor *= _PREFIXES[word]
        else:
            kept.append(word)
    return kept, factor if factor != 1.0 and factor < _LARGEST else None


def trailing_unit(name: str) -> float | None:
    """The factor of the unit at the end of any name, as in `size_b` or `size (millions)`; None without one."""
    words = re.findall(r"[a-z0-9.]+", words_of_units(in_english(name)).lower())
    return split_unit(words[-2:], name)[1] if len(words) > 1 else None


def says_unit(name: str) -> bool:
    """Whether the unit at the end of a name can be nothing else: in brackets, or in a word."""
    name = in_english(name)
    words = re.findall(r"[a-z0-9.]+", words_of_units(name).lower())
    return bool(re.search(r"[(\[][^()\[\]]*[)\]]\s*$", name)) or (len(words) > 1 and words[-1] in _WORDS)


def unit_named(factor: float) -> str:
    """`1e6, millions`, or the factor alone."""
    return f"{written(factor)}, {_NAMED[factor]}" if factor in _NAMED else written(factor)


def written(factor: float) -> str:
    """1e6, 8.64e19: a factor as a person writes it."""
    mantissa, exponent = f"{factor:.15e}".split("e")
    shown = mantissa.rstrip("0").rstrip(".")
    short = f"{shown}e{int(exponent)}"
    return f"{factor:g}" if 1e-3 <= factor < 1e3 and float(f"{factor:g}") == factor else short
