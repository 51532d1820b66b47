"""From a plan to what exactly to train: rounding, batches, days, refusals and files."""

import json
import math
from dataclasses import replace

import pytest

import jaxscale as js
from jaxscale._planning.recipes.nearby import Style
from jaxscale.limits import read_limits

LAW = js.laws.chinchilla.published["besiroglu"]


@pytest.fixture(scope="module")
def plan():
    return js.frontier(LAW, [1e21, 1e24])


def test_rounding_costs_what_the_curvature_says(plan):
    """On the frontier x = log (N / N*) costs (alpha + beta) x^2 / 2 of the compute, to second order."""
    found = js.recipe(plan, row=1, shapes=8)
    total = LAW.params["alpha"] + LAW.params["beta"]
    for p in found.proposals:
        assert pytest.approx(found.N * found.D, rel=1e-9) == p.N * p.D  # the same 6 N D
        expected = total * math.log(p.N / found.N) ** 2 / 2
        assert p.compute_cost == pytest.approx(expected, rel=0.05, abs=1e-9)
        assert p.loss == pytest.approx(LAW.predict(N=p.N, D=p.D), rel=1e-12)
        assert p.loss_cost is not None and p.loss_cost >= 0
        assert abs(p.off) <= 0.1


def test_a_plan_its_row_its_file_and_its_numbers_agree(plan, tmp_path):
    plan.save(tmp_path / "plan.json")
    row = plan.rows[0]
    whole = js.recipe(plan, row=0)
    assert js.recipe(tmp_path / "plan.json", row=0).to_dict()["shapes"] == whole.to_dict()["shapes"]
    assert js.recipe(LAW, N=row.N, D=row.D).to_dict()["shapes"] == whole.to_dict()["shapes"]
    for bare in (js.recipe(row), js.recipe(N=row.N, D=row.D)):
        assert bare.decoder == whole.decoder and bare.tokens == whole.tokens
        assert bare.proposals[0].loss is None and [r.name for r in bare.rules] == [r.name for r in whole.rules[:-1]]
    assert whole.count == "total"


def test_n_is_counted_as_the_law_counts():
    for source, count in ((LAW, "total"), (js.laws.kaplan_nd.published["kaplan"], "without_embeddings")):
        found = js.recipe(source, N=1e9, D=2e10)
        assert found.count == count
        assert getattr(found.decoder, count) == found.proposals[0].N
    found = js.recipe(N=1e9, D=2e10, count="with_head", tied=True)
    assert found.proposals[0].N == found.decoder.with_head == found.decoder.total


def planned(plan, N, D, **asked):
    """The plan as one that was asked for otherwise, with this decision in its first row."""
    row = replace(plan.rows[0], N=N, D=D, loss=LAW.predict(N=N, D=D))
    return replace(plan, rows=(row,), request=replace(plan.request, **asked))


def test_limits_of_the_plan_are_kept(plan):
    """Shapes above N_max are left out, and where more tokens than D_max would be bought, D_max are."""
    (most,), _ = read_limits({"N_max": 6e10})
    held = js.recipe(planned(plan, 6e10, 3e12, limits=(most,)), shapes=20)
    assert all(p.N <= 6e10 for p in held.proposals) and held.proposals[0].N > 5.4e10
    (most,), _ = read_limits({"D_max": 1e12})
    held = js.recipe(planned(plan, 1.5e11, 1e12, limits=(most,)), shapes=20)
    assert all(p.D <= 1e12 * (1 + 1e-9) for p in held.proposals)
    assert any(p.off < 0 for p in held.proposals) and any(p.off > 0 for p in held.proposals)
    impossible = planned(plan, 6e10, 3e12, limits=read_limits({"N_max": 1e9})[0])
    with pytest.raises(js.InputError, match="keeps to the plan's limit N_max"):
        js.recipe(impossible)


def test_tokens_are_what_the_cost_of_the_plan_buys(plan):
    """With serving, 6 N D + 2 N 1e13 stays what it was; a cost without N or D leaves D alone."""
    spent = 6 * 6e10 * 3e12 + 2 * 6e10 * 1e13
    served = js.recipe(planned(plan, 6e10, 3e12, cost=js.costs.six_nd.with_inference(1e13)))
    for p in served.proposals:
        assert pytest.approx(spent, rel=1e-9) == 6 * p.N * p.D + 2 * p.N * 1e13
    alone = js.recipe(planned(plan, 6e10, 3e12, cost=js.costs.inference(1e13)))
    assert {p.D for p in alone.proposals} == {3e12}


def test_days_and_steps_are_those_by_hand():
    found = js.recipe(N="8B", D="160B", devices="512 x H100 @ 40%", batch="4M", kv_heads=8)
    best = found.proposals[0]
    assert found.days == pytest.approx(best.flops / (512 * 989e12 * 0.4) / 86400)
    assert found.gpu_days == pytest.approx(512 * best.flops / (512 * 989e12 * 0.4) / 86400)
    assert found.batch == 977 * 4096 and found.steps == math.ceil(best.D / found.batch)
    assert found.checkpoint_tokens % found.batch == 0
    assert found.checkpoint_tokens == pytest.approx(best.D / 20, rel=0.01)
    assert found.checkpoint_bytes == 12 * found.decoder.total
    assert found.stage == min(m.stage for m in found.memory if m.total <= 80e9)
    assert best.flops == best.flops_per_token * best.D


@pytest.mark.slow
def test_a_plan_that_pays_for_large_batches_is_trained_on_more_tokens(tmp_path):
    """At B/B_crit = 4 five times the tokens, S_min (1 + B_crit / B) steps (McCandlish et al. 2018), for the budget."""
    plan = js.frontier(LAW, [1e24], cost=js.costs.get("six_nd at batch:8M,critical=2M"))
    plan.save(tmp_path / "plan.json")
    for source in (plan, tmp_path / "plan.json"):
        found = js.recipe(source, devices="2048 x H100 @ 40%", micro_batch=1)
        best = found.proposals[0]
        assert 6 * best.N * found.tokens == pytest.approx(1e24, rel=1e-9)
        assert found.tokens == pytest.approx(5 * best.D, rel=1e-12)
        assert best.loss == pytest.approx(LAW.predict(N=best.N, D=best.D), rel=1e-12)
        assert best.flops == pytest.approx(best.flops_per_token * found.tokens)
        assert found.steps == pytest.approx(best.D / 2e6 * (1 + 2 / 8), rel=1e-3)  # S_min = E_min / B_crit
        assert (found.rule, found.critical, found.haste) == ("plan", 2e6, 5)
        assert found.days == pytest.approx(best.flops / (2048 * 989e12 * 0.4) / 86400)
        assert "trained on are 5 times the 793.5B tokens" in " ".join(str(found).split())
    with pytest.raises(js.InputError, match="batches of 8M tokens"):
        js.recipe(plan, batch="4M")


@pytest.mark.slow
def test_a_law_of_shapes_prices_each_shape():
    """At the width and depth of each proposal; the best costs nothing, the others what more tokens make up for."""
    law = js.laws.instance("gemstones:recomputed")
    for found in (js.recipe(law, N=1e9, D=2e10, shapes=8), js.recipe(js.frontier(law, [1.2e20]), shapes=8)):
        for p in found.proposals:
            at = {"N": p.N, "width": p.decoder.width, "depth": p.decoder.layers}
            assert p.loss == pytest.approx(law.predict(D=p.D, **at), rel=1e-12)
            more = p.D * (1 + p.compute_cost) * found.N * found.D / (p.N * p.D)  # of 6 N D
            assert law.predict(D=more, **at) == pytest.approx(found.loss, rel=1e-6)
        assert found.loss == min(p.loss for p in found.proposals)
        assert min(p.loss_cost for p in found.proposals) == 0 < max(p.loss_cost for p in found.proposals)
        assert "gemstones asks for width and depth" in str(found)


def test_none_of_the_laws_is_chosen_unless_named():
    assert js.recipe(LAW, N=1e9, D=2e10).batch is None
    named = js.recipe(LAW, N=1e9, D=2e10, batch="step_law")
    rule = next(rule for rule in named.rules if rule.name == "step_law")
    assert named.batch is not None and abs(named.batch - rule.batch) <= 2048
    assert named.learning_rate == rule.learning_rate
    assert js.recipe(LAW, N=1e9, D=2e10, batch="deepseek").rule == "deepseek_hparams"
    far = js.recipe(LAW, N=7e10, D=1.4e12, batch="step_law")
    assert any(note.startswith("step_law is used outside") for note in far.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"N": 7e10, "D": 1.4e12, "batch": "porian"}, "above the critical one.*by kaplan_bcrit at the predicted loss"),
        ({"N": 1e9, "D": 2e10, "batch": 2e6, "critical": "1M"}, "above the critical one, 1M tokens as given"),
        ({"N": 1e9, "D": 2e10, "width": 2000}, "heads of 128 do not divide a width of 2000; choose width=2048"),
        ({"N": 1e9, "D": 2e10, "width": 1664, "kv_heads": 4}, "13 heads .* cannot share 4 heads"),
        ({"N": 1e6, "D": 2e7}, "no shape lies within 10 % of N = 1M .all parameters.*tied=True"),
        ({"N": 1e9, "D": 2e10, "layers": 2, "width": 1024}, "no shape lies within 10 %.*leave layers= and width= free"),
        ({"N": 4e11, "D": 8e12, "devices": "8 x H100"}, "no sharding stage fits into 80 GB.*more devices"),
        ({"N": 1e9, "D": 2e10, "devices": "8 x H100", "micro_batch": 999}, "a smaller micro_batch="),
        ({"N": 1e9, "D": 2e10, "devices": "8 H100 days"}, "names no accelerators|cannot"),
        ({"N": 1e9, "D": 2e10, "batch": "minicpm"}, "batch is a number of tokens, or one of step_law"),
        ({"N": 1e9, "D": 2e10, "batch": 100}, "less than one sequence of 4,096"),
        ({"N": 1e9}, "give N and D together"),
        ({}, "got 'Instance'. Plan first"),
        ({"N": 1e9, "D": 2e10, "count": "all"}, "count says which parameters N means: total, without_embeddings"),
        ({"N": 1e9, "D": 2e10, "ffn": "swiglu"}, "ffn is 'gated'"),
        ({"N": 1e9, "D": 2e10, "aspect": (128, 64)}, "aspect is .least, greatest."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(options, said):
    with pytest.raises(js.InputError, match=said):
        js.recipe(LAW, **options)


def test_plans_without_one_row_or_an_optimum_are_refused(plan):
    with pytest.raises(js.InputError, match=r"2; choose with row= or --row \(0: budget 1e21 FLOPs; 1: budget 1e24"):
        js.recipe(plan)
    with pytest.raises(js.InputError, match="row 2 is not one of the plan's 2 rows"):
        js.recipe(plan, row=2)
    lost = replace(plan.rows[0], N=math.nan, note="the limits contradict each other")
    with pytest.raises(js.InputError, match="has no N and D to make a recipe for: the limits contradict each other"):
        js.recipe(lost)


def test_a_loss_that_the_law_does_not_predict_is_left_out(plan):
    """As where data is repeated, which the law alone does not know of."""
    found = js.recipe(replace(plan, rows=(replace(plan.rows[0], loss=1.01 * plan.rows[0].loss),)))
    assert found.loss is None and found.proposals[0].loss is None
    assert any("does not predict this plan's loss" in note for note in found.notes)


def test_files_read_back(plan, tmp_path):
    found = js.recipe(plan, row=0, batch="1M", devices="64 x A100 @ 50%")
    found.save(tmp_path / "recipe.json")
    assert json.loads((tmp_path / "recipe.json").read_text())["format"] == "jaxscale.recipe/1"
    found.save(tmp_path / "recipe.yaml")
    text = (tmp_path / "recipe.yaml").read_text()
    values = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["layers"] == str(found.decoder.layers) and values["tied"] == "false"
    assert json.loads(values["params_total"]) == found.decoder.total
    assert json.loads(values["batch_tokens"]) == found.batch
    assert all("." in v.partition("e")[0] for v in values.values() if "e-" in v or "e+" in v)  # else YAML reads text
    frame = found.to_frame()
    assert list(frame["params_total"]) == [p.decoder.total for p in found.proposals]
    text = str(found)
    assert f"{found.decoder.total:,}" in text and "none is chosen" not in text and "% of the peak" in text


@pytest.mark.parametrize("N", [2e7, 1.3e8, 1e9, 7.7e9, 7e10, 6e11, 3e12])
@pytest.mark.parametrize("options", [{}, {"kv_heads": 8}, {"ffn": "plain", "head_size": 64}])
def test_shapes_are_near_at_every_size(N, options):
    """Below 2 % from a billion on, and in whole heads and groups, within the aspect."""
    style = Style(vocabulary=32_000, **options)
    try:
        near = style.nearest(N, "without_embeddings")
    except js.InputError:
        assert N < 1e9 and "kv_heads" in options
        return
    best = near[0]
    assert N < 1e9 or abs(best.without_embeddings / N - 1) < 0.03
    assert best.width == best.heads * best.head_size and 64 <= best.aspect <= 128
    assert best.heads % best.kv_heads == 0
    assert best.ffn == (4 * best.width if "ffn" in options else -(-8 * best.width // 768) * 256)
