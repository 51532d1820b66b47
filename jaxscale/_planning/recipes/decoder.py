"""The shape of a decoder-only transformer: its parameters and FLOPs per token, exactly."""

from dataclasses import dataclass
from typing import Literal

from jaxscale._base.errors import InputError

Count = Literal["total", "without_embeddings", "with_head"]
COUNTS: dict[Count, str] = {  # what N may mean, in words
    "total": "all parameters",
    "without_embeddings": "parameters without embeddings",
    "with_head": "parameters without the table that reads tokens, with the one that predicts them",
}


@dataclass(frozen=True)
class Decoder:
    """A decoder-only transformer, dense, as public ones are.

    Attributes:
        layers, width: blocks, and channels between them.
        heads, kv_heads: heads of queries, and of keys and values (fewer where they are grouped).
        ffn: width of the feed-forward layer.
        vocabulary: rows of the table of tokens, padding included.
        head_size: channels of a head; width / heads if 0.
        gated: three feed-forward matrices (gate, up, down) instead of two (up, down).
        tied: one table reads and predicts tokens, instead of two.
        norm: "rms" has a scale, "layer" a scale and a shift.
        bias: which matrices of a block have one: none "", "qkv" or "all".
        qk_norm: scales of queries and keys: none "", of one "head" of each, or the "full" width of each.
        positions: rows of a learned table of positions.

    Raises:
        InputError: a number is not a positive whole one, or heads do not divide.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    head_size: int = 0
    gated: bool = True
    tied: bool = False
    norm: Literal["rms", "layer"] = "rms"
    bias: Literal["", "qkv", "all"] = ""
    qk_norm: Literal["", "head", "full"] = ""
    positions: int = 0

    def __post_init__(self):
        for name in ("layers", "width", "heads", "kv_heads", "ffn", "vocabulary"):
            check_count(name, getattr(self, name))
        if self.heads % self.kv_heads:
            raise InputError(f"{self.heads} heads cannot share {self.kv_heads} heads of keys and values evenly")
        if not self.head_size:
            if self.width % self.heads:
                raise InputError(
                    f"{self.heads} heads do not divide a width of {self.width}; give head_size, or a width that is a "
                    "multiple of the heads"
                )
            object.__setattr__(self, "head_size", self.width // self.heads)

    @property
    def query_width(self) -> int:
        """Channels of all queries."""
        return self.heads * self.head_size

    @property
    def kv_width(self) -> int:
        """Channels of all keys, and of all values."""
        return self.kv_heads * self.head_size

    @property
    def matrices(self) -> int:
        """Weights of all blocks that multiply a token: queries, keys, values, output, and the feed-forward layer."""
        attention = 2 * self.width * (self.query_width + self.kv_width)
        return self.layers * (attention + (3 if self.gated else 2) * self.width * self.ffn)

    @property
    def feed_forward_ratio(self) -> float:
        """Weights of feed-forward layers over those of attention."""
        return (3 if self.gated else 2) * self.ffn / (2 * (self.query_width + self.kv_width))

    @property
    def table(self) -> int:
        """Weights of one table of tokens."""
        return self.vocabulary * self.width

    @property
    def without_embeddings(self) -> int:
        """Parameters of all blocks and of the last norm."""
        q, kv, d, f = self.query_width, self.kv_width, self.width, self.ffn
        norm = d * (2 if self.norm == "layer" else 1)
        biases = {"": 0, "qkv": q + 2 * kv, "all": q + 2 * kv + d + (2 if self.gated else 1) * f + d}[self.bias]
        scales = {"": 0, "head": 2 * self.head_size, "full": q + kv}[self.qk_norm]
        return self.matrices + self.layers * (biases + scales + 2 * norm) + norm

    @property
    def with_head(self) -> int:
        """`without_embeddings` and the table that predicts tokens, whether it is tied or not."""
        return self.without_embeddings + self.table

    @property
    def total(self) -> int:
        """All parameters."""
        return self.without_embeddings + self.table * (1 if self.tied else 2) + self.positions * self.width

    def count(self, what: Count) -> int:
        """Parameters, by one of `COUNTS`."""
        return int(getattr(self, what))

    @property
    def aspect(self) -> float:
        """Width over layers."""
        return self.width / self.layers

    def flops_per_token(self, context: int) -> float:
        """FLOPs to train on one token, forward and backward, the mean over a sequence of `context` tokens.

        6 for each weight that multiplies a token, and 12 L q (context + 1) / 2 for attention, with q channels of
        queries in L layers: token i has scores with, and takes values of, i tokens, 2 q FLOPs each, and twice that
        backward. Norms, activations, softmax and the reading of the table, less than 1 %, are left out. The counts of
        Chowdhery et al. 2022 (arXiv 2204.02311, appendix B), 12 L q context, have no mask; half of it is customary
        where there is one.
        """
        attention = 12.0 * self.layers * self.query_width * (context + 1) / 2
        return 6.0 * (self.matrices + self.table) + attention

    def deepseek_flops_per_token(self, context: int) -> float:
        """M of DeepSeek LLM (arXiv 2401.02954): no embeddings, attention without its mask; 72 L d^2 + 12 L d context
        where blocks have 12 d^2 weights."""
        return 6.0 * self.matrices + 12.0 * self.layers * self.query_width * context

    def __str__(self) -> str:
        kv = "" if self.kv_heads == self.heads else f", {self.kv_heads} of keys and values"
        kind = "gated" if self.gated else "plain"
        return (
            f"{self.layers} layers x {self.width}, {self.heads} heads of {self.head_size}{kv}, "
            f"{kind} feed-forward {self.ffn}, vocabulary {self.vocabulary:,}{', tied' if self.tied else ''}"
        )


def check_count(name: str, value: int) -> int:
    """The value, which must be a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be a positive whole number, got {value!r}")
    return value
