"""Laws of batch and learning rate against printed values, and where each is out of its range."""

import pytest

from jaxscale import laws
from jaxscale._planning.recipes.batch_rules import batch_rules, decay_note
from jaxscale._planning.recipes.decoder import Decoder

SMALL = Decoder(14, 2048, 16, 16, 8192, 50304, gated=False)
LARGE = Decoder(32, 4096, 32, 32, 11008, 32000)


def test_values_are_those_of_the_laws():
    """By hand: 1.79 N^-.713 D^.307 and .58 D^.571; .3118 C^-.125 and .292 C^.3271; 3.7 N^-.36 and .7576 N^.703;
    16319.2 N^-.819 and 462.68 N^.281; .667 D^.566; and B_star / L^(1 / alpha_B)."""
    tokens, context = 1.6e10, 2048
    step, deepseek, porian, diloco, schaipp, kaplan = batch_rules(SMALL, tokens, context, 2.5)
    N, C = SMALL.without_embeddings, SMALL.deepseek_flops_per_token(context) * tokens
    assert step.learning_rate == pytest.approx(1.79 * N**-0.713 * tokens**0.307, rel=1e-12)
    assert step.batch == pytest.approx(0.58 * tokens**0.571, rel=1e-12)
    assert (deepseek.learning_rate, deepseek.batch) == pytest.approx((0.3118 * C**-0.125, 0.292 * C**0.3271))
    M = SMALL.with_head
    assert (porian.learning_rate, porian.batch) == pytest.approx((3.7 * M**-0.36, 0.7576 * M**0.703))
    assert diloco.learning_rate == pytest.approx(16319.2 * SMALL.total**-0.819)
    assert diloco.batch == pytest.approx(462.68 * SMALL.total**0.281)
    assert schaipp.batch == pytest.approx(0.667 * tokens**0.566)
    assert (schaipp.learning_rate, schaipp.weight_decay, schaipp.outside) == (None, None, None)
    p = laws.kaplan_bcrit.published["kaplan"].params
    assert kaplan.batch == pytest.approx(p["B_star"] / 2.5 ** (1 / p["alpha_B"]))
    assert kaplan.critical and kaplan.learning_rate is None


@pytest.mark.parametrize(
    ("decoder", "tokens", "outside"),
    [
        (SMALL, 1.6e10, {"deepseek_hparams"}),  # 8.9e19 FLOPs
        (SMALL, 1e9, {"porian_hparams", "diloco_hparams"}),  # one token per parameter
        (LARGE, 1.4e11, {"step_law", "deepseek_hparams", "porian_hparams", "diloco_hparams", "kaplan_bcrit"}),
    ],
)
def test_what_is_out_of_range_is_marked(decoder, tokens, outside):
    rules = batch_rules(decoder, tokens, 2048, 2.5)
    assert {rule.name for rule in rules if rule.outside} == outside
    assert all("above" in rule.outside or "below" in rule.outside for rule in rules if rule.outside)


def test_weight_decay_gives_the_best_time_scale():
    """tau = B / (lr decay D) = 1.084 (D / N)^-.527 (Bergsma et al. 2025), of every law that has a rate."""
    tokens = 1.6e10
    rules = [rule for rule in batch_rules(SMALL, tokens, 2048, 2.5) if rule.learning_rate is not None]
    assert len(rules) == 4
    for rule in rules:
        tau = rule.batch / (rule.learning_rate * rule.weight_decay * tokens)
        assert tau == pytest.approx(1.084 * (tokens / SMALL.total) ** -0.527, rel=1e-12)
    assert "here" not in decay_note(SMALL.total) and "here parameters 6.74B, above 3.3B" in decay_note(LARGE.total)
