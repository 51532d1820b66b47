"""Models that were trained: their sizes and tokens."""

from dataclasses import dataclass

from jaxscale.reference._figure import Quantity


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
