"""Longer contexts, and attention that costs the same however long they are."""

from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import Parameter, Params, Variable
from jaxscale.laws.kaplan import PF_DAY
from jaxscale.laws.power import allocation_law, compute_law

_XIONG = "Xiong et al. 2023 (arXiv 2309.16039)"
_SHEN = "Shen et al. 2024 (arXiv 2406.16690)"

# --- Context ---


def _log_loss(p: Params, *, log_context: Array) -> Array:
    return logsumexp(p.b * (p.log_a - log_context), p.log_g)


def _llama(size: str, a: float, b: float, g: float) -> Published:
    return Published(
        {"a": a, "b": b, "g": g},
        f"{_XIONG}, {size}",
        "unverified",
        note="Two independent public notes print the same; not read in the paper itself.",
    )


xiong_context = Law(
    "xiong_context",
    _log_loss,
    variables=(Variable("context", "tokens", "tokens that the model sees before the one it predicts"),),
    parameters=(
        Parameter(
            "a", unit="tokens", meaning="context at which its term is one nat", dimension={"context": 1, "loss": "1/b"}
        ),
        Parameter("b", meaning="exponent of the context"),
        Parameter("g", unit="nats per token", meaning="loss at endless context", dimension={"loss": 1}),
    ),
    formula="L = (a / context)^b + g",
    serves="How long a context is worth training and serving.",
    seen_to="70B parameters, 32,768 tokens of context",
    source=_XIONG,
    note="Llama 2 trained on with long contexts. Larger models gain more: b grows with size.",
    constants={
        "llama2_7b": _llama("7B", 25.4, 0.45, 1.56),
        "llama2_13b": _llama("13B", 19.5, 0.48, 1.45),
        "llama2_34b": _llama("34B", 17.7, 0.50, 1.41),
        "llama2_70b": _llama("70B", 17.9, 0.51, 1.35),
    },
)

# --- Linear attention ---

_UNIT = (
    "The note that quotes them names no unit of compute; PF-days are inferred: 7B parameters are then best for 1.2e22 "
    "FLOPs, about the paper's largest run. The loss there would be 2.5 nats, high for such a model: compare kinds of "
    "attention by it, no more."
)
_QUOTED = "As quoted in a survey; not read in the paper itself."

shen_linear = compute_law(
    "shen_linear",
    flops_per_unit=PF_DAY,
    serves="Whether linear attention keeps up as compute grows.",
    seen_to="7B parameters, 300B tokens",
    source=_SHEN,
    note=_UNIT,
    constants={
        name: Published({"A": A, "alpha": alpha}, _SHEN, "unverified", note=_QUOTED)
        for name, A, alpha in (
            ("llama", 3.7087, 0.0798),
            ("tnl", 3.5391, 0.0768),
            ("hgrn2", 3.4788, 0.0753),
            ("cosformer2", 3.5877, 0.0756),
        )
    },
)

shen_linear_alloc = allocation_law(
    "shen_linear_alloc",
    flops_per_unit=PF_DAY,
    serves="What size a budget should buy where attention is linear.",
    seen_to="7B parameters, 300B tokens",
    source=_SHEN,
    note=_UNIT,
    constants={
        name: Published({"k": k, "a": a}, _SHEN, "unverified", note=f"Parameters. {_QUOTED}")
        for name, k, a in (
            ("llama", 1.82e8, 0.7118),
            ("tnl", 2.74e8, 0.6470),
            ("hgrn2", 2.66e8, 0.6427),
            ("cosformer2", 2.65e8, 0.6516),
        )
    },
)
