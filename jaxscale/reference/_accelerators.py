"""Accelerators: their peaks, memory, power, and what an hour of them was said to cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.reference._figure import Quantity


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
