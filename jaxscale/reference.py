"""Accelerators and known models: figures other people published, each with its source and whether it was checked there.

`verified` is true where the figure was read in the document of whoever made the device or trained the model (or follows
from such figures), false where it comes from somebody else's table or from memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted


@dataclass(frozen=True)
class Quantity:
    """A published number: value, unit, where it is from, and whether it was read there."""

    value: float
    unit: str
    source: str
    verified: bool


@dataclass(frozen=True)
class Accelerator:
    """One device. `peak` is dense 16-bit matrix arithmetic without structured sparsity; what is not known is None.

    mfu: model FLOPs per second over `peak` in large training runs. price: dollars per device-hour.
    """

    name: str
    title: str
    peak: Quantity
    memory: Quantity
    bandwidth: Quantity | None = None
    watts: Quantity | None = None
    mfu: Quantity | None = None
    price: Quantity | None = None


@dataclass(frozen=True)
class KnownModel:
    """A trained model: parameters that take part in one token (`N`), training tokens (`D`), and, if it differs, all
    parameters."""

    name: str
    N: Quantity
    D: Quantity
    total: Quantity | None = None
    note: str = ""

    @property
    def verified(self) -> bool:
        """Whether both N and D were read where they were first published."""
        return self.N.verified and self.D.verified


_TABLE = "a public table of GPU specifications"
_CLOUD = "Google Cloud documentation, TPU pages"
_RECALLED = "maker's data sheet, from memory"
_LLAMA_3 = "Llama 3 report (arXiv 2407.21783): 38 to 43 % on H100 in BF16"
_SARDANA = "Sardana et al. 2024 (arXiv 2401.00448)"


def _accelerator(
    name: str,
    title: str,
    teraflops: float,
    gigabytes: float,
    gigabytes_per_second: float | None = None,
    watts: float | None = None,
    *,
    source: str = _TABLE,
    verified: bool = False,
    watts_source: str | None = None,
    **more: Quantity,
) -> Accelerator:
    def quantity(value: float | None, unit: str, source: str = source) -> Quantity | None:
        return None if value is None else Quantity(value, unit, source, verified)

    return Accelerator(
        name,
        title,
        Quantity(teraflops * 1e12, "FLOP/s", source, verified),
        Quantity(gigabytes * 1e9, "bytes", source, verified),
        quantity(gigabytes_per_second and gigabytes_per_second * 1e9, "bytes/s"),
        quantity(watts, "W", watts_source or source),
        **more,
    )


_ACCELERATORS = (
    _accelerator("v100", "NVIDIA V100 (fp16)", 125, 32, None, 300),
    _accelerator(
        "a100",
        "NVIDIA A100 SXM 80 GB",
        312,
        80,
        2000,
        400,
        mfu=Quantity(0.5, "", _SARDANA, False),
        price=Quantity(1.5, "dollars/hour", _SARDANA, False),
    ),
    _accelerator(
        "a100-40gb",
        "NVIDIA A100 SXM 40 GB",
        312,
        40,
        None,
        400,
        mfu=Quantity(0.5, "", _SARDANA, False),
        price=Quantity(1.1, "dollars/hour", _SARDANA, False),
    ),
    _accelerator("h100", "NVIDIA H100 SXM", 989, 80, 3350, 700, mfu=Quantity(0.4, "", _LLAMA_3, False)),
    _accelerator("h100-pcie", "NVIDIA H100 PCIe", 756, 80, 2000, 350, source=_RECALLED),
    _accelerator("h200", "NVIDIA H200 SXM", 989, 141, 4800, 700),
    _accelerator(
        "h800",
        "NVIDIA H800",
        989,
        80,
        None,
        700,
        source=_RECALLED,
        mfu=Quantity(0.346, "", "6 N D of DeepSeek-V3 over its pre-training hours (an FP8 run)", False),
        price=Quantity(2.0, "dollars/hour", "DeepSeek-V3 report (arXiv 2412.19437)", False),
    ),
    _accelerator("b100", "NVIDIA B100", 1750, 192, 8000, 700, watts_source=_RECALLED),
    _accelerator("b200", "NVIDIA B200", 2250, 192, 8000, 1000),
    _accelerator("gb200", "NVIDIA GB200 superchip (two GPUs)", 5000, 384, None, 2700, watts_source=_RECALLED),
    _accelerator("rtx4090", "NVIDIA RTX 4090", 165, 24, 1008, 450, watts_source=_RECALLED),
    _accelerator("t4", "NVIDIA T4 (fp16)", 65, 16, None, 70),
    _accelerator("mi300x", "AMD MI300X", 1307, 192, 5300, 750, source=_RECALLED),
    _accelerator("tpu-v3", "Google TPU v3 (chip)", 123, 32, source=_RECALLED),
    _accelerator("tpu-v4", "Google TPU v4", 275, 32, 1200, source=_RECALLED),
    _accelerator("tpu-v5e", "Google TPU v5e", 197, 16, 819, source=_CLOUD, verified=True),
    _accelerator("tpu-v5p", "Google TPU v5p", 459, 95, 2765, source=_CLOUD, verified=True),
    _accelerator("tpu-v6e", "Google TPU v6e", 918, 32, 1638, source=_CLOUD, verified=True),
)

accelerators: Mapping[str, Accelerator] = MappingProxyType({device.name: device for device in _ACCELERATORS})


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name.

    Raises:
        InputError: there is no such accelerator; the message lists those there are.
    """
    if name not in accelerators:
        raise InputError(f"there is no accelerator {quoted(name)}; choose one of {', '.join(accelerators)}")
    return accelerators[name]


_HOFFMANN = "Hoffmann et al. 2022 (arXiv 2203.15556), table 1"
_MEMORY = "the model's report, from memory"


def _model(
    name: str,
    N: float,
    D: float,
    source: str = _MEMORY,
    verified: bool = False,
    *,
    D_source: str | None = None,
    total: float | None = None,
    note: str = "",
) -> KnownModel:
    return KnownModel(
        name,
        Quantity(N, "parameters", source, verified),
        Quantity(D, "tokens", D_source or source, verified),
        None if total is None else Quantity(total, "parameters", source, verified),
        note,
    )


models: tuple[KnownModel, ...] = (
    _model("GPT-3", 175e9, 300e9, _HOFFMANN, True),
    _model("Gopher", 280e9, 300e9, _HOFFMANN, True),
    _model("Jurassic-1", 178e9, 300e9, _HOFFMANN, False),
    _model("Megatron-Turing NLG", 530e9, 270e9, _HOFFMANN, False),
    _model("Chinchilla", 70e9, 1.4e12, _HOFFMANN, True),
    _model("LaMDA", 137e9, 168e9, _HOFFMANN, False),
    _model("OPT-175B", 175e9, 180e9),
    _model("BLOOM", 176e9, 366e9),
    _model("PaLM", 540e9, 780e9),
    _model("Cerebras-GPT 13B", 13e9, 257e9),
    _model("Pythia 12B", 12e9, 300e9),
    _model("LLaMA-7B", 6.7e9, 1e12, note="7B is nominal"),
    _model("LLaMA-13B", 13e9, 1e12),
    _model("LLaMA-33B", 32.5e9, 1.4e12, note="33B is nominal"),
    _model("LLaMA-65B", 65.2e9, 1.4e12),
    _model("Llama 2 70B", 70e9, 2e12),
    _model("Falcon 180B", 180e9, 3.5e12),
    _model("DeepSeek-67B", 67e9, 2e12, "DeepSeek LLM report (arXiv 2401.02954)", True),
    _model("Llama 3 8B", 8e9, 15e12, note="about 15T tokens"),
    _model("Llama 3 70B", 70e9, 15e12, note="about 15T tokens"),
    _model("Llama 3.1 405B", 405e9, 15.6e12, "Llama 3 report (arXiv 2407.21783)", True),
    _model("Gemma 2 9B", 9e9, 8e12),
    _model("Qwen2.5 7B", 7.6e9, 18e12),
    _model("OLMo 2 7B", 7.3e9, 4e12),
    _model(
        "DeepSeek-V3",
        37e9,
        14.8e12,
        "a public survey of the report (arXiv 2412.19437)",
        total=671e9,
        note="mixture of experts: N counts the active parameters, and laws of dense models do not describe it",
    ),
)

__all__ = ["Accelerator", "KnownModel", "Quantity", "accelerator", "accelerators", "models"]
