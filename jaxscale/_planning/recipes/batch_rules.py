"""Published laws of batch, learning rate and weight decay, side by side, each with where it was made.

They disagree by factors, because schedules, data and what counts as best differ; none is chosen for anybody. Their
constants are those in `jaxscale.laws`, evaluated in NumPy: k N^a D^b or k C^a.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxscale import laws
from jaxscale._base.text import format_number
from jaxscale._planning.recipes.decoder import Decoder

_ABOUT_20 = (10.0, 40.0)  # tokens per parameter that count as about twenty
_DECAY_SIZES = (1.11e8, 3.3e9)  # parameters of the runs behind `power_lines_timescale`


@dataclass(frozen=True)
class BatchRule:
    """What one law says here.

    Attributes:
        name: of the law, as `laws.get` takes it.
        batch: tokens of a step.
        learning_rate: the highest; None where the law has none.
        made_for: where it was made, in words.
        outside: how this run lies outside of that; "" if it lies within, None where the range is not known.
        critical: whether its batch is not the best but the largest that is still efficient.
        weight_decay: of AdamW, by `laws.power_lines_timescale` for that batch and rate; None where the law has no rate.
    """

    name: str
    batch: float
    learning_rate: float | None
    made_for: str
    outside: str | None
    critical: bool = False
    weight_decay: float | None = None


def whole_sequences(tokens: float, context: int) -> int:
    """The batch nearest to that many tokens, in sequences of `context` tokens."""
    return max(1, round(tokens / context)) * context


def batch_rules(decoder: Decoder, tokens: float, context: int, loss: float | None) -> tuple[BatchRule, ...]:
    """All of them; that of the critical batch only where the loss (nats per token) is known."""
    bare, size, compute = decoder.without_embeddings, decoder.with_head, decoder.deepseek_flops_per_token(context)
    compute, every = compute * tokens, decoder.total
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
            _beyond(("parameters", size, 5e6, 9e8), ("tokens per parameter", tokens / size, *_ABOUT_20)),
        ),
        BatchRule(
            "diloco_hparams",
            _value(laws.diloco_hparams, "B_data_parallel", {"N": float(every), "M": 1.0}),
            _value(laws.diloco_hparams, "lr_data_parallel", {"N": float(every), "M": 1.0}),
            "to 2.4B parameters at about 20 tokens each; data-parallel",
            _beyond(("parameters", every, None, 2.4e9), ("tokens per parameter", tokens / every, *_ABOUT_20)),
        ),
        BatchRule(
            "batch_by_tokens",
            _value(laws.batch_by_tokens, "schaipp", {"D": tokens}),
            None,
            "Schaipp 2026, quoted without its runs; batches within 5 % of the least compute span a factor of four",
            None,
        ),
    ]
    rules = [replace(rule, weight_decay=_decay(every, tokens, rule)) for rule in rules]
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


def _decay(size: float, tokens: float, rule: BatchRule) -> float | None:
    """Weight decay that goes with the batch and rate of a rule (Bergsma et al. 2025)."""
    law = laws.power_lines_timescale
    if rule.learning_rate is None:
        return None
    return law.closed_forms["weight_decay"](
        law.published["power_lines"].params, N=size, D=tokens, B=rule.batch, lr=rule.learning_rate
    )


def decay_note(size: float) -> str:
    """Where the weight decays come from, and whether that law was made for models of this size."""
    outside = _beyond(("parameters", size, *_DECAY_SIZES))
    return (
        "Weight decay: AdamW's, by power_lines_timescale for that batch and rate, made for 111M to 3.3B parameters and "
        "rates of maximal update parametrisation" + (f"; here {outside}." if outside else ".")
    )


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
