"""Constants as papers and notes print them, typed a second time: a slip in one of the two places fails here."""

import math

import numpy as np
import pytest
from helpers import as_printed, closed, random_params, respond

from jaxscale import laws
from jaxscale.laws import PF_DAY

_QAT = "E 1.9279 A 237.7042 B 596.2490 alpha .3022 beta .3022"
PRINTED = {
    "moonlight_frontier:muon": "A 2.506 alpha .052",
    "moonlight_frontier:adamw": "A 2.608 alpha .054",
    "power_lines_timescale:power_lines": "k 1.084 a .527 b -.527",
    "batch_by_tokens:schaipp": "k .667 a .566",
    "batch_by_tokens:power_lines": "a .383",
    "batch_by_tokens:power_lines_critical": "a .462",
    "batch_by_tokens:zhang_critical": "a .47",
    "diloco_hparams:lr_data_parallel": "k 16319.2 a -.819 b 0",
    "diloco_hparams:B_data_parallel": "k 462.68 a .281 b 0",
    "diloco_hparams:lr": "k 22256 a -.8827 b .2929",
    "diloco_hparams:B": "k 14.521 a .4695 b .3399",
    "diloco:joint": "k 19.226 a -.0985 b .0116",
    "diloco:data_parallel": "k 18.129 a -.0953 b 0",
    "diloco:replicas_1": "k 18.363 a -.0961 b 0",
    "diloco:replicas_2": "k 18.768 a -.0969 b 0",
    "diloco:replicas_4": "k 19.762 a -.0992 b 0",
    "diloco:replicas_8": "k 21.051 a -.1018 b 0",
    "ling_leverage:ling": "a 1.23 d -7.61e-2 gamma 1.67e-2 beta -1.17e-1 A_start 1.63e-2",
    "ling_hparams:lr": "k 1.1576 a -.1529",
    "ling_hparams:B": "k .0694 a .3644",
    "hunyuan_moe:hunyuan": "e .1577 f 7.2446 m 5.1395 n -3.2363 k .0013 h .0450 a 38.051 alpha .2383 b 27129.05 beta "
    ".4694 c 31.096 eps 1.8182",
    "chen_qat:w4a4": f"{_QAT} k .1582 gamma_N .2186 gamma_D .0745 gamma_G .7779",
    "chen_qat:w4a16": f"{_QAT} k .2522 gamma_N .3589 gamma_D .1610 gamma_G .3533",
    "chen_qat:w16a4": f"{_QAT} k .1004 gamma_N .1816 gamma_D .0331 gamma_G .9812",
    "chen_qat:w4a4_fc2_8": f"{_QAT} k .3519 gamma_N .2637 gamma_D .0964 gamma_G .3407",
    "chen_qat:w16a4_fc2_8": f"{_QAT} k .1273 gamma_N .2347 gamma_D .0827 gamma_G .4491",
    "ouyang_ptq:pythia": "k .017 gamma_D .5251 gamma_N .2261 gamma_P 5.4967",
    "frantar_sparsity:t5_c4": "a_S 16.8 b_S .722 c_S 45.0 b_N .245 a_D 6.90e8 b_D .203 c .651",
    "frantar_sparsity:vit_jft": "a_S 294 b_S .821 c_S 468 b_N .392 a_D 2.37e8 b_D .890 c 4.517",
    "xiong_context:llama2_7b": "a 25.4 b .45 g 1.56",
    "xiong_context:llama2_13b": "a 19.5 b .48 g 1.45",
    "xiong_context:llama2_34b": "a 17.7 b .50 g 1.41",
    "xiong_context:llama2_70b": "a 17.9 b .51 g 1.35",
    "shen_linear:llama": "A 3.7087 alpha .0798",
    "shen_linear:tnl": "A 3.5391 alpha .0768",
    "shen_linear:hgrn2": "A 3.4788 alpha .0753",
    "shen_linear:cosformer2": "A 3.5877 alpha .0756",
    "shen_linear_alloc:llama": "k 1.82e8 a .7118",
    "shen_linear_alloc:tnl": "k 2.74e8 a .6470",
    "shen_linear_alloc:hgrn2": "k 2.66e8 a .6427",
    "shen_linear_alloc:cosformer2": "k 2.65e8 a .6516",
    "clark_routed:s_base_recomputed": "a -.0830 b -.1180 c .0099 d 1.1136 E_start 2.08 E_max 239",
    "clark_routed:rl_r_recomputed": "a -.0827 b -.1234 c .0112 d 1.1070 E_start 1.72 E_max 470",
    "clark_routed:hash_recomputed": "a -.0874 b -.1384 c .0126 d 1.1595 E_start 4.27 E_max 427",
    "step_law:lr_bootstrap": "k 1.7825 a -.7122 b .3070",
    "step_law:B_bootstrap": "k .5733 b .5713",
    "cherti_clip:imagenet_laion": "alpha -.11",
    "cherti_clip:imagenet_wit": "alpha -.16",
    "cherti_clip:coco_laion": "alpha -.08",
    "cherti_clip:coco_wit": "alpha -.05",
    "cherti_clip:flickr_laion": "alpha -.19",
    "cherti_clip:flickr_wit": "alpha -.10",
}


@pytest.mark.parametrize("label", PRINTED)
def test_constants_are_those_printed(label):
    law, _, name = label.partition(":")
    words = PRINTED[label].split()
    printed = {parameter: float(value) for parameter, value in zip(words[::2], words[1::2], strict=True)}
    shipped = dict(laws.get(law).constants[name].params)
    if label == "step_law:B_bootstrap":
        assert shipped.pop("a") == 0.0
    assert shipped == pytest.approx(printed, rel=1e-12)


def test_gemstones_are_printed_as_logs():
    for name, exponents, logs in (
        ("mcleish", (0.2196, 0.4759, 0.3636, 0.4935), (1.0820, -0.2187, 6.0902, 10.4720, 0.4282)),
        ("recomputed", (0.2082, 0.4844, 0.3684, 0.5365), (1.0597, -0.2154, 6.1693, 11.4925, math.log(1.5147))),
    ):
        p = laws.gemstones.constants[name].params
        assert [p[f"alpha_{x}"] for x in "wdnt"] == pytest.approx(exponents, abs=5e-5)
        assert [math.log(p[x]) for x in ("a_w", "a_d", "a_n", "a_t", "E")] == pytest.approx(logs, abs=6e-5)


def test_standard_errors_of_step_law_are_the_spread_of_the_bootstrap():
    """Of ln k .62 and .44, of exponents .030, .019 and .019."""
    lr, batch = (laws.step_law.constants[f"{x}_bootstrap"] for x in ("lr", "B"))
    assert (lr.standard_errors["a"], lr.standard_errors["b"], batch.standard_errors["b"]) == (0.030, 0.019, 0.019)
    for one, spread in ((lr, 0.62), (batch, 0.44)):
        assert one.standard_errors["k"] / one.params["k"] == pytest.approx(spread, rel=2e-3)


# --- What follows from them ---


def test_moonlights_compute_is_in_pf_days():
    """Were it in FLOPs, losses would be near a quarter of a nat at the paper's largest run."""
    for name in ("muon", "adamw"):
        p = laws.moonlight_frontier.constants[name].params
        assert p["A"] * (4.05 * PF_DAY) ** -p["alpha"] == pytest.approx(0.21, abs=0.02)
        assert 2.2 < float(respond("moonlight_frontier", p, C=4.05 * PF_DAY)) < 2.6


def test_best_rates_and_batches_of_experts():
    lr, batch = (respond("ling_hparams", laws.ling_hparams.constants[x].params, C=1e22) for x in ("lr", "B"))
    assert (float(lr), float(batch)) == (as_printed("5.009e-4"), as_printed("7.214e6"))


def test_a_mixture_of_k_domains_has_as_many_parameters_as_the_paper_counts():
    for k in (2, 3, 7, 8):
        assert len(laws.shukor_mixture(domains=k).parameter_names) == 5 + 2 * k
        assert len(laws.shukor_mixture(domains=k, joint=True).parameter_names) == 5 + 4 * k
    assert len(laws.shukor_mixture(domains=8, joint=True).parameter_names) == 37


def test_haste_costs_compute_as_batches_over_the_critical_one():
    """C = C_min (1 + B / B_crit), steps S_min (1 + B_crit / B)."""
    p = random_params("mccandlish_steps")
    critical = closed("mccandlish_steps", "critical_batch", p)
    for times in (0.1, 1.0, 7.0):
        steps = respond("mccandlish_steps", p, B=times * critical)
        np.testing.assert_allclose(steps / p["S_min"], 1 + 1 / times, rtol=1e-12)
        np.testing.assert_allclose(steps * times * critical / p["E_min"], 1 + times, rtol=1e-12)


def test_best_shares_of_languages_are_powers_of_what_they_are_worth():
    """p_i ~ (w_i c_i)^(1 / (1 + gamma)) with one gamma."""
    p = {"E": np.array([1.5, 1.8, 2.0]), "A": 400.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37, "gamma": 0.1}
    weights = np.array([1.0, 2.0, 0.5])
    at_all = p["E"] + p["A"] / 1e9 ** p["alpha"] + p["B"] / 1e11 ** p["beta"]
    worth = (weights * at_all) ** (1 / (1 + p["gamma"]))
    shares = closed("he_multilingual", "best_shares", p, 1e9, 1e11, weights)
    np.testing.assert_allclose(shares, worth / worth.sum(), rtol=1e-10)


def test_reward_models_trained_anew_push_the_fall_off():
    """k rounds add b ln k for each d; one round is the law itself."""
    p, KL = {"a": 0.8, "b": 0.2}, np.array([1.0, 25.0, 400.0])
    once = closed("gao_rl", "after_rounds", p, KL, 1)
    np.testing.assert_allclose(once, respond("gao_rl", p, KL=KL), rtol=1e-12)
    gained = (closed("gao_rl", "after_rounds", p, KL, 4) - once) / np.sqrt(KL)
    np.testing.assert_allclose(gained, 0.2 * np.log(4), rtol=1e-12)


def test_post_training_is_a_line_in_logs_for_each_size():
    """ln error = -k(N) ln C + E(N), k = k_max / (1 + N_0 / N)."""
    p, C = random_params("tan_rl"), np.geomspace(1e18, 1e22, 3)
    for N in (1e9, 7e10):
        log_error = np.stack([np.log(respond("tan_rl", p, N=N, C=c)) for c in C])
        slopes = np.diff(log_error, axis=0) / np.diff(np.log(C))[:, None]
        np.testing.assert_allclose(slopes, np.broadcast_to(-p["k_max"] / (1 + p["N_0"] / N), slopes.shape), rtol=1e-8)


def test_forms_of_fine_tuning_are_those_quoted():
    p, at = random_params("zhang_finetuning"), {"X": 3e9, "D_F": 1e7}
    np.testing.assert_allclose(
        respond("zhang_finetuning", p, **at), p["A"] * 3e9 ** -p["alpha"] * 1e7 ** -p["beta"] + p["E"], rtol=1e-12
    )
    p = random_params("lin_rectified")
    np.testing.assert_allclose(
        respond("lin_rectified", p, D_F=1e7), p["B"] / (p["D_l"] + 1e7 ** p["beta"]) + p["E"], rtol=1e-12
    )


def test_the_papers_table_of_quantising_does_not_follow_from_its_formula():
    """Table 1: tokens (in trillions) at which four bits should cost 0.2 nats, for 7B, 70B and 405B parameters."""
    N, D = np.array([7e9, 70e9, 405e9]), 1e12 * np.array([4.5066, 17.3499, 48.4861])
    rise = respond("ouyang_ptq", laws.ouyang_ptq.constants["pythia"].params, N=N, D=D, P=4.0)
    assert [float(x) for x in rise] == [as_printed(x) for x in (".219", ".264", ".304")]
