"""Published laws of batch and learning rate, side by side, each with where it was made.

They disagree by factors, because schedules, data and what counts as best differ; none is chosen for anybody. Their
constants are those in `jaxscale.laws`, evaluated in NumPy: k N^a D^b or k C^a.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jaxscale import laws
from jaxscale._base.text import format_number
from jaxscale._planning.recipes.decoder import Decoder

_PORIAN_RATIO = (10.0, 40.0)  # tokens per parameter that are called compute-optimal here


@dataclass(frozen=True)
class BatchRule:
    """What one law says here.

    Attributes:
        name: of the law, as `laws.get` takes it.
        batch: tokens of a step.
        learning_rate: the highest; None where the law has none.
        made_for: where it was made, in words.
        outside: how this run lies outside of that; "" if it lies within.
        critical: whether its batch is not the best but the largest that is still efficient.
    """

    name: str
    batch: float
    learning_rate: float | None
    made_for: str
    outside: str
    critical: bool = False


def whole_sequences(tokens: float, context: int) -> int:
    """The batch nearest to that many tokens, in sequences of `context` tokens."""
    return max(1, round(tokens / context)) * context


def batch_rules(decoder: Decoder, tokens: float, context: int, loss: float | None) -> tuple[BatchRule, ...]:
    """All of them; that of the critical batch only where the loss (nats per token) is known."""
    bare, size, compute = decoder.without_embeddings, decoder.with_head, decoder.deepseek_flops_per_token(context)
    compute *= tokens
    step = {"N": float(bare), "D": tokens}
    rules = [
        BatchRule(
            "step_law",
            _value(laws.step_law, "B", step),
            _value(laws.step_law, "lr", step),
            "to 1.1B parameters without the vocabulary and 100B tokens; AdamW, warm-up 2,000 steps, cosine to 1e-5",
            _beyond(("parameters without the vocabulary", bare, None, 1.1e9), ("tokens", tokens, None, 1e11)),
        ),
        BatchRule(
            "deepseek_hparams",
            _value(laws.deepseek_hparams, "B", {"C": compute}),
            _value(laws.deepseek_hparams, "lr", {"C": compute}),
            "1e17 to 2e19 FLOPs, counted without embeddings; a schedule of several steps",
            _beyond(("FLOPs", compute, 1e17, 2e19)),
        ),
        BatchRule(
            "porian_hparams",
            _value(laws.porian_hparams, "B", {"N": float(size)}),
            _value(laws.porian_hparams, "lr", {"N": float(size)}),
            "5M to 900M parameters at about 20 tokens each; a constant rate",
            _beyond(("parameters", size, 5e6, 9e8), ("tokens per parameter", tokens / size, *_PORIAN_RATIO)),
        ),
    ]
    if loss is not None:
        constants = laws.kaplan_bcrit.published["kaplan"].params
        critical = constants["B_star"] * loss ** (-1 / constants["alpha_B"])
        outside = _beyond(("parameters without embeddings", bare, None, 1.5e9))
        rules.append(
            BatchRule(
                "kaplan_bcrit",
                critical,
                None,
                "to 1.5B parameters without embeddings on WebText2; the critical batch, at the predicted loss",
                outside,
                True,
            )
        )
    return tuple(rules)


def _value(law: laws.Law, of: str, variables: Mapping[str, float]) -> float:
    """k times the variables to the powers a, b, ... in their order."""
    constants = law.published[of].params
    powers = (constants[name] for name in law.parameter_names if name != "k")
    logs = (a * math.log(variables[v.name]) for v, a in zip(law.variables, powers, strict=True))
    return constants["k"] * math.exp(sum(logs))


def _beyond(*parts: tuple[str, float, float | None, float | None]) -> str:
    """By how much the first of some quantities (name, value, least, greatest) is outside, in words."""
    for name, value, least, greatest in parts:
        if least is not None and value < least:
            return f"{name} {format_number(value, 3)}, below {format_number(least)}"
        if greatest is not None and value > greatest:
            return f"{name} {format_number(value, 3)}, above {format_number(greatest)}"
    return ""
