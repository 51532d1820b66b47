"""Shapes close to a size: widths in whole heads, depths by the aspect of the two, usual feed-forward widths."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number
from jaxscale._planning.recipes.decoder import COUNTS, Count, Decoder, check_count

FURTHEST = 0.10  # from the size asked for, as a share of it
_TIE = 0.02  # sizes that differ by less are as good, and the aspect decides
_WIDEST, _MOST_LAYERS = 65536, 512
_GATED, _MULTIPLE = 8 / 3, 256  # as in LLaMA (arXiv 2302.13971): as many weights as a plain layer of 4 widths
_PLAIN = 4


@dataclass(frozen=True)
class Style:
    """What all shapes have in common; `layers` and `width` hold these, `aspect` bounds width over layers, and of
    shapes as near in size the one nearest to `wish` is taken."""

    vocabulary: int
    tied: bool = False
    head_size: int = 128
    kv_heads: int | None = None
    ffn: Literal["gated", "plain"] = "gated"
    aspect: tuple[float, float] = (64.0, 128.0)
    wish: float = 100.0
    layers: int | None = None
    width: int | None = None

    def __post_init__(self):
        for name in ("vocabulary", "head_size"):
            check_count(name, getattr(self, name))
        for name in ("kv_heads", "layers", "width"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.ffn not in ("gated", "plain"):
            raise InputError(f"ffn is 'gated' (three matrices) or 'plain' (two), got {self.ffn!r}")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise InputError(f"aspect is (least, greatest) width over layers, both positive; got {self.aspect!r}")
        if not self.wish > 0:
            raise InputError(f"the wished aspect is width over layers and positive; got {self.wish!r}")
        if self.width is not None and self.width % self.head_size:
            near = max(1, round(self.width / self.head_size)) * self.head_size
            raise InputError(
                f"heads of {self.head_size} do not divide a width of {self.width}; choose width={near} "
                f"(--width {near}), or a head_size (--head-size) that divides it"
            )
        heads = None if self.width is None else self.width // self.head_size
        if heads and self.kv_heads and heads % self.kv_heads:
            raise InputError(
                f"{heads} heads (width {self.width} in heads of {self.head_size}) cannot share {self.kv_heads} heads "
                "of keys and values evenly; choose kv_heads that divides them"
            )

    def decoder(self, layers: int, width: int) -> Decoder:
        """The shape of that depth and width."""
        heads = width // self.head_size
        gated = self.ffn == "gated"
        ffn = math.ceil(_GATED * width / _MULTIPLE) * _MULTIPLE if gated else _PLAIN * width
        return Decoder(
            layers, width, heads, self.kv_heads or heads, ffn, self.vocabulary, self.head_size, gated, self.tied
        )

    def decoders(self, most: float = math.inf) -> Iterator[Decoder]:
        """All shapes, from the narrowest on, until blocks alone have more than `most` weights; where both depth and
        width are held the aspect is what it is."""
        widths = _widths(self.head_size) if self.width is None else (self.width,)
        for width in widths:
            if self.kv_heads and width // self.head_size % self.kv_heads:
                continue
            if self.layers is None:
                low, high = width / self.aspect[1], width / self.aspect[0]
                depths = range(max(1, math.ceil(low)), min(_MOST_LAYERS, math.floor(high)) + 1)
            else:
                depths = range(self.layers, self.layers + 1)
            if depths and self.decoder(depths[0], width).matrices > most:
                return
            for layers in depths:
                if (self.layers and self.width) or self.aspect[0] <= width / layers <= self.aspect[1]:
                    yield self.decoder(layers, width)

    def nearest(self, N: float, count: Count) -> list[Decoder]:
        """Shapes within `FURTHEST` of N parameters by that count, best first.

        Raises:
            InputError: there is none; the message says which comes closest, and what to change.
        """
        sized = [(abs(math.log(each.count(count) / N)), each) for each in self.decoders(4 * N)]
        if not sized:
            raise InputError(
                f"no shape has layers {self.layers}, width {self.width} and an aspect of {_ends(self.aspect)} in whole "
                f"heads of {self.head_size}" + (f" in groups of {self.kv_heads}" if self.kv_heads else "")
            )
        closest = min(off for off, _ in sized)
        near = [(off, each) for off, each in sized if abs(each.count(count) / N - 1) <= FURTHEST]
        if not near:
            _, best = min(sized, key=lambda pair: pair[0])
            held = self.layers is not None or self.width is not None
            ways = (
                "leave layers= and width= free (--layers, --width)"
                if held
                else "widen aspect= (--aspect), or take another head_size= (--head-size)"
            )
            raise InputError(
                f"no shape lies within {100 * FURTHEST:g} % of N = {format_number(N)} ({COUNTS[count]}): the nearest, "
                f"{best}, has {format_number(best.count(count))}; {ways}, a smaller vocabulary= "
                "(--vocabulary) or tied=True (--tied)"
            )

        def worth(pair: tuple[float, Decoder]) -> tuple[float, float]:
            off, each = pair
            return max(0.0, off - closest - _TIE), abs(math.log(each.aspect / self.wish))

        return [each for _, each in sorted(near, key=worth)]


def _widths(head_size: int) -> Iterator[int]:
    """In whole heads: 1, 2, ..., 16, 18, ..., 32, 36, ..., 64, 72, ...: steps of a sixteenth to an eighth."""
    heads = 1
    while heads * head_size <= _WIDEST:
        yield heads * head_size
        heads += 1 if heads < 16 else 1 << (heads.bit_length() - 4)


def _ends(aspect: tuple[float, float]) -> str:
    return f"{format_number(aspect[0])} to {format_number(aspect[1])}"
