"""Bytes on a device against the figures of the ZeRO paper, and how they grow."""

from dataclasses import replace

import pytest

from jaxscale._planning.recipes.decoder import Decoder
from jaxscale._planning.recipes.memory import STAGES, activation_bytes, kv_bytes_per_token, memory_of

LLAMA = Decoder(32, 4096, 32, 8, 14336, 128256)


def test_stages_are_those_of_the_zero_paper():
    """7.5B parameters on 64 devices take 120, 31.4, 16.6 and 1.9 GB (Rajbhandari et al. 2020, figure 1)."""
    shape = Decoder(1, 1, 1, 1, 1, 7_499_999_990, tied=True)
    assert shape.total == 7.5e9
    states = [m.weights + m.gradients + m.optimizer for m in (memory_of(shape, 64, s, 1, 1, False) for s in STAGES)]
    assert [round(x / 1e9, 1) for x in states] == [120, 31.4, 16.6, 1.9]


def test_activations_grow_with_tokens_and_fall_when_recomputed():
    kept, again = (activation_bytes(LLAMA, 4096, 1, recompute) for recompute in (False, True))
    assert activation_bytes(LLAMA, 8192, 2, False) == 4 * kept
    deeper = activation_bytes(replace(LLAMA, layers=64), 4096, 1, True)
    assert deeper - again == 32 * 2 * 4096 * 4096  # one input more for each layer
    # By hand, of one layer and token in 16 bits: 2 norms in and out, queries, keys, values, attention, 4 of 14336
    assert kept == 32 * 4096 * 2 * (4 * 4096 + 4096 + 2 * 1024 + 4096 + 4 * 14336)


def test_grouped_keys_take_a_quarter():
    """Llama 3 8B keeps 128 KiB of each token, Llama 2 7B 512 KiB."""
    assert kv_bytes_per_token(LLAMA) == 128 * 1024
    assert kv_bytes_per_token(replace(LLAMA, kv_heads=32)) == pytest.approx(512 * 1024)
