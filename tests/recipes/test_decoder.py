"""Counts of public models to the parameter, and FLOPs against a count that is written out."""

import pytest

import jaxscale as js
from jaxscale._planning.recipes.decoder import Decoder

NEOX = {"gated": False, "norm": "layer", "bias": "all"}
GPT2 = NEOX | {"tied": True, "positions": 1024}
# layers, width, heads, kv_heads, ffn, vocabulary, what else, parameters: read in public code or model cards
PUBLIC = {
    "Llama 2 7B": (32, 4096, 32, 32, 11008, 32000, {}, 6_738_415_616),
    "Llama 2 13B": (40, 5120, 40, 40, 13824, 32000, {}, 13_015_864_320),
    "Llama 2 70B": (80, 8192, 64, 8, 28672, 32000, {}, 68_976_648_192),
    "Llama 3 8B": (32, 4096, 32, 8, 14336, 128256, {}, 8_030_261_248),
    "Llama 3 70B": (80, 8192, 64, 8, 28672, 128256, {}, 70_553_706_496),
    "Llama 3.1 405B": (126, 16384, 128, 8, 53248, 128256, {}, 405_853_388_800),
    "Llama 3.2 1B": (16, 2048, 32, 8, 8192, 128256, {"tied": True}, 1_235_814_400),
    "Llama 3.2 3B": (28, 3072, 24, 8, 8192, 128256, {"tied": True}, 3_212_749_824),
    "OLMo 2 1B": (16, 2048, 16, 16, 8192, 100352, {"qk_norm": "full"}, 1_484_916_736),
    "OLMo 2 7B": (32, 4096, 32, 32, 11008, 100352, {"qk_norm": "full"}, 7_298_617_344),
    "OLMo 2 13B": (40, 5120, 40, 40, 13824, 100352, {"qk_norm": "full"}, 13_716_198_400),
    "OLMo 2 32B": (64, 5120, 40, 8, 27648, 100352, {"qk_norm": "full"}, 32_234_279_936),
    "Qwen2.5 0.5B": (24, 896, 14, 2, 4864, 151936, {"tied": True, "bias": "qkv"}, 494_032_768),
    "Qwen2.5 1.5B": (28, 1536, 12, 2, 8960, 151936, {"tied": True, "bias": "qkv"}, 1_543_714_304),
    "Qwen2.5 3B": (36, 2048, 16, 2, 11008, 151936, {"tied": True, "bias": "qkv"}, 3_085_938_688),
    "Qwen2.5 7B": (28, 3584, 28, 4, 18944, 152064, {"bias": "qkv"}, 7_615_616_512),
    "Qwen2.5 14B": (48, 5120, 40, 8, 13824, 152064, {"bias": "qkv"}, 14_770_033_664),
    "Qwen2.5 32B": (64, 5120, 40, 8, 27648, 152064, {"bias": "qkv"}, 32_763_876_352),
    "Qwen2.5 72B": (80, 8192, 64, 8, 29568, 152064, {"bias": "qkv"}, 72_706_203_648),
    "Qwen3 0.6B": (28, 1024, 16, 8, 3072, 151936, {"head_size": 128, "tied": True, "qk_norm": "head"}, 596_049_920),
    "Qwen3 8B": (36, 4096, 32, 8, 12288, 151936, {"head_size": 128, "qk_norm": "head"}, 8_190_735_360),
    "Pythia 70M": (6, 512, 8, 8, 2048, 50304, NEOX, 70_426_624),
    "Pythia 160M": (12, 768, 12, 12, 3072, 50304, NEOX, 162_322_944),
    "Pythia 410M": (24, 1024, 16, 16, 4096, 50304, NEOX, 405_334_016),
    "Pythia 1B": (16, 2048, 8, 8, 8192, 50304, NEOX, 1_011_781_632),
    "Pythia 1.4B": (24, 2048, 16, 16, 8192, 50304, NEOX, 1_414_647_808),
    "Pythia 2.8B": (32, 2560, 32, 32, 10240, 50304, NEOX, 2_775_208_960),
    "Pythia 6.9B": (32, 4096, 32, 32, 16384, 50432, NEOX, 6_857_302_016),
    "Pythia 12B": (36, 5120, 40, 40, 20480, 50688, NEOX, 11_846_072_320),
    "GPT-2 small": (12, 768, 12, 12, 3072, 50257, GPT2, 124_439_808),
    "GPT-2 XL": (48, 1600, 25, 25, 6400, 50257, GPT2, 1_557_611_200),
}
# Without embeddings, as the Pythia report lists them (Biderman et al. 2023, arXiv 2304.01373, table 1)
PYTHIA = {
    "Pythia 70M": 18_915_328,
    "Pythia 160M": 85_056_000,
    "Pythia 410M": 302_311_424,
    "Pythia 1B": 805_736_448,
    "Pythia 1.4B": 1_208_602_624,
    "Pythia 2.8B": 2_517_652_480,
    "Pythia 6.9B": 6_444_163_072,
    "Pythia 12B": 11_327_027_200,
}


def public(name: str) -> Decoder:
    *shape, more, _ = PUBLIC[name]
    return Decoder(*shape, **more)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_models_to_the_parameter(name):
    decoder = public(name)
    assert decoder.total == PUBLIC[name][-1]
    assert name not in PYTHIA or decoder.without_embeddings == PYTHIA[name]
    assert decoder.with_head - decoder.without_embeddings == decoder.vocabulary * decoder.width


@pytest.mark.parametrize("name", ["Llama 3 8B", "Qwen3 0.6B", "Pythia 160M", "GPT-2 small"])
def test_flops_are_those_written_out(name):
    """Every product of a matrix with a sequence, and attention token by token: 2 m n k, and twice that backward."""
    d, context = public(name), 1024
    q, kv = d.heads * d.head_size, d.kv_heads * d.head_size
    forward = 0
    for _ in range(d.layers):
        for rows, columns in [(d.width, q), (d.width, kv), (d.width, kv), (q, d.width)]:
            forward += 2 * context * rows * columns
        for rows, columns in [(d.width, d.ffn)] * (2 if d.gated else 1) + [(d.ffn, d.width)]:
            forward += 2 * context * rows * columns
        for position in range(1, context + 1):
            forward += 2 * 2 * d.heads * d.head_size * position  # scores with what came before, and their values
    forward += 2 * context * d.width * d.vocabulary
    assert d.flops_per_token(context) * context == 3 * forward
    whole = js.costs.Shape(d.layers, d.width, context).deepseek_M  # of 12 d^2 weights and a full attention
    if q == kv == d.width and d.ffn == 4 * d.width and not d.gated:
        assert d.deepseek_flops_per_token(context) == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 5, "kv_heads": 5}, "5 heads do not divide a width of 4096"),
        ({"kv_heads": 5}, "32 heads cannot share 5 heads"),
        ({"layers": 0}, "layers must be a positive whole number, got 0"),
        ({"vocabulary": 1.5}, "vocabulary must be a positive whole number, got 1.5"),
    ],
)
def test_shapes_that_cannot_be_are_refused(change, said):
    shape = {"layers": 32, "width": 4096, "heads": 32, "kv_heads": 32, "ffn": 11008, "vocabulary": 32000}
    with pytest.raises(js.InputError, match=said):
        Decoder(**shape | change)
