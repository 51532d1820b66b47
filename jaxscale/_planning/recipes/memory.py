"""What training keeps on one device, and what serving keeps for a token.

Mixed precision with AdamW as in ZeRO (Rajbhandari et al. 2020, arXiv 1910.02054, section 3): per parameter 2 bytes of
weights, 2 of gradients and 12 of the optimizer (weights and two moments in 32 bits). Stage 1 divides the optimizer by
the devices, stage 2 gradients too, stage 3 weights too.
"""

from dataclasses import dataclass

from jaxscale._planning.recipes.decoder import Decoder

WEIGHTS, GRADIENTS, OPTIMIZER = 2, 2, 12  # bytes for each parameter
STAGES = (0, 1, 2, 3)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at a sharding stage."""

    stage: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All of it; buffers of communication and fragments come on top."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def memory_of(decoder: Decoder, devices: float, stage: int, context: int, micro_batch: int, recompute: bool) -> Memory:
    """Bytes on one of `devices`, each with `micro_batch` sequences of `context` tokens at a time."""
    each = decoder.total
    return Memory(
        stage,
        weights=WEIGHTS * each / (devices if stage >= 3 else 1),
        gradients=GRADIENTS * each / (devices if stage >= 2 else 1),
        optimizer=OPTIMIZER * each / (devices if stage >= 1 else 1),
        activations=activation_bytes(decoder, context, micro_batch, recompute),
        logits=6.0 * context * micro_batch * decoder.vocabulary,  # 2 bytes, and their gradient in 4
    )


def activation_bytes(decoder: Decoder, context: int, micro_batch: int, recompute: bool) -> float:
    """What the backward pass needs of the forward one, in 16 bits, with attention that stores no scores.

    Of a layer: inputs and outputs of both norms, queries, keys, values, what attention returns, and the feed-forward
    layer's gate, up and their products (Korthikanti et al. 2022, arXiv 2205.05198, section 4.1, without dropout). With
    `recompute` the input of every layer, and one layer in full.
    """
    q, kv = decoder.query_width, decoder.kv_width
    of_layer = 2.0 * (4 * decoder.width + (q + 2 * kv) + q + (4 if decoder.gated else 2) * decoder.ffn)
    tokens = context * micro_batch
    if recompute:
        return tokens * (2.0 * decoder.width * decoder.layers + of_layer)
    return tokens * of_layer * decoder.layers


def kv_bytes_per_token(decoder: Decoder) -> int:
    """Keys and values that serving keeps of each token, in 16 bits."""
    return 2 * 2 * decoder.layers * decoder.kv_width
